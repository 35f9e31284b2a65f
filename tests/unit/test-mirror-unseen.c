/* What a full read has not shown, looked for in slices while more comes; and what a group
 * shows. */
#include "config.h"

#include "dice.h"
#include "mirror-test.h"
#include "state/db.h"

enum { N_SHOWN = 60, N_PLACES = 7 };

static bool shown[N_SHOWN]; /* by the read of search 0 that is under way */

static void name_of(char ret[static 40], unsigned i)
{
    snprintf(ret, 40, "uid=p%u,ou=%u,dc=t", i, i % N_PLACES);
}

static void show(struct fixture *f, unsigned search, unsigned i)
{
    char id[16], dn[40];
    unsigned changes;
    snprintf(id, sizeof(id), "p%u", i);
    name_of(dn, i);
    CLEANUP(entry_freep) struct entry *e = person(id, dn, NULL);
    if (chance(50) && mirror_present(f->s, search, id, &f->e) == 0)
        ; /* as it was */
    else
        ok(f, mirror_put(f->s, search, e, &changes, &f->e));
    shown[i] |= search == 0;
}

static void leave_or_die(struct fixture *f, unsigned i)
{
    char id[16];
    snprintf(id, sizeof(id), "p%u", i);
    if (chance(50))
        ok(f, mirror_left(f->s, below(2), id, false, "left", 1, &f->e));
    else
        ok(f, mirror_gone(f->s, id, "gone", 1, &f->e));
    if (chance(30))
        ok(f, mirror_forget(f->s, id, &f->e)); /* its number will be nobody's */
}

/* The row by itself, asked by id: is it held by search 0, and by that alone? */
static bool is_held(struct fixture *f, unsigned i, bool alone)
{
    char sql[200];
    int64_t n = 0;
    snprintf(sql, sizeof(sql),
             "SELECT count(*) FROM entry e JOIN identity i ON i.n = e.n WHERE i.id = 'p%u' AND "
             "e.gone_usec = 0 AND e.searches %s 1",
             i, alone ? "=" : "&");
    ok(f, db_number(f->s->db, "the state", sql, &n, &f->e));
    return n != 0;
}

/* One of each place in which somebody was not shown, in slices while more comes: whoever is named
 * was not shown when the sample began, and each place of which nobody came meanwhile is there. */
static void sample_once(struct fixture *f)
{
    CLEANUP(string_list_done) struct string_list ids = {0};
    bool unseen[N_SHOWN] = {0}, named[N_PLACES] = {0};
    for (unsigned i = 0; i < N_SHOWN; i++)
        unseen[i] = !shown[i] && is_held(f, i, false);
    int r = MIRROR_MORE;
    while (r == MIRROR_MORE) {
        assert_int_equal(ids.n_items, 0);
        r = mirror_sample_unseen(f->s, 0, N_PLACES, 1 + below(5), &ids, &f->e);
        if (r == MIRROR_MORE && chance(30))
            show(f, 0, below(N_SHOWN));
    }
    assert_int_equal(r, 0);
    for (size_t i = 0; i < ids.n_items; i++) {
        unsigned n = (unsigned)strtoul(ids.items[i] + 1, NULL, 10);
        assert_true(unseen[n] && !named[n % N_PLACES]);
        named[n % N_PLACES] = true;
    }
    for (unsigned i = 0; i < N_SHOWN; i++)
        assert_true(shown[i] || !is_held(f, i, false) || named[i % N_PLACES]);
}

static void look_once(struct fixture *f)
{
    const char *const bases[] = {"dc=t", "dc=u"};
    size_t n = 0, n_alone = 0, expected = 0, expected_alone = 0;
    bool anybody = false, expected_anybody = false;
    unsigned first = below(N_SHOWN + 5); /* perhaps nobody */
    ok(f, mirror_searches(f->s, bases, 2, &f->e));
    memset(shown, 0, sizeof(shown));
    ok(f, mirror_begin_full(f->s, 0, &f->e));
    for (unsigned i = first; i < N_SHOWN && chance(97); i++)
        show(f, 0, i);
    int r = MIRROR_MORE;
    while (r == MIRROR_MORE) {
        /* Or not to its end. */
        r = chance(95) ? mirror_look_for_unseen(f->s, 0, 1 + below(9), &f->e) : 0;
        if (chance(40))
            show(f, below(2), below(N_SHOWN));
        if (chance(20))
            leave_or_die(f, below(N_SHOWN));
    }
    if (chance(50))
        sample_once(f);
    for (unsigned i = 0; i < N_SHOWN; i++) {
        expected += !shown[i] && is_held(f, i, false);
        expected_alone += !shown[i] && is_held(f, i, true);
        expected_anybody |= shown[i] && is_held(f, i, false);
    }
    ok(f, mirror_count_unseen(f->s, 0, &n_alone, &f->e));
    assert_int_equal(n_alone, expected_alone);
    ok(f, mirror_shows_anybody(f->s, 0, &anybody, &f->e));
    assert_int_equal(anybody, expected_anybody);
    ok(f, mirror_unseen_left(f->s, 0, "absent", 1, &n, &f->e));
    assert_int_equal(n, expected);
    for (unsigned i = 0; i < N_SHOWN; i++)
        assert_false(!shown[i] && is_held(f, i, false));
}

static void test_unseen_in_slices(void **state)
{
    struct fixture *f = *state;
    begin(f);
    for (dice = 0; dice < 150; dice++) {
        uint64_t seed = dice;
        for (unsigned i = 0; i < 20; i++)
            show(f, below(2), below(N_SHOWN));
        look_once(f);
        dice = seed;
    }
    commit(f);
}

static int lacking(struct fixture *f, struct entry *taken)
{
    CLEANUP(freep) char *name = NULL;
    CLEANUP(entry_freep) struct entry *lost = NULL;
    int r = mirror_lacking(f->s, taken, &name, &f->e);

    ok(f, mirror_lost(f->s, taken, &lost, &f->e));
    assert_false(r == MIRROR_ALL_SHOWN && (lost || name));
    entry_free(taken);
    return name ? -1 : r;
}

/* What is known to show all has lost nothing: whoever was told so need not ask for that. */
static void test_all_shown(void **state)
{
    struct fixture *f = *state;

    begin(f);
    put(f, person("p", "uid=p,dc=t", NULL));
    assert_int_equal(lacking(f, group("g", "cn=g,dc=t", LIST("uid=p,dc=t"))), 0);
    put(f, group("g", "cn=g,dc=t", LIST("uid=p,dc=t", "uid=q,dc=t")));
    assert_int_equal(lacking(f, group("g", "cn=g,dc=t", LIST("uid=p,dc=t"))), -1);
    assert_int_equal(lacking(f, group("g", "cn=g,dc=t", LIST("uid=p,dc=t", "uid=r,dc=t"))), -1);
    assert_int_equal(lacking(f, group("g", "cn=g,dc=t", LIST("uid=p,dc=t", "uid=q,dc=t"))),
                     MIRROR_ALL_SHOWN);
    assert_int_equal(
        lacking(f, group("g", "cn=g,dc=t", LIST("uid=p,dc=t", "uid=q,dc=t", "uid=r,dc=t"))),
        MIRROR_ALL_SHOWN);
    assert_int_equal(lacking(f, person("p", "uid=p,dc=t", NULL)), 0);
    ok(f, mirror_gone(f->s, "g", "removed", 1, &f->e));
    assert_int_equal(lacking(f, group("g", "cn=g,dc=t", LIST("uid=p,dc=t", "uid=q,dc=t"))), 0);
    commit(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {test(test_unseen_in_slices), test(test_all_shown)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
