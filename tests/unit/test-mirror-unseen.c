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

enum {
    N_MEMBERS = 8
};

static struct entry *group_of(char id, unsigned set)
{
    char names[N_MEMBERS][20], dn[20];
    const char *list[N_MEMBERS + 1] = {NULL};
    size_t n = 0;

    for (unsigned i = 0; i < N_MEMBERS; i++) {
        snprintf(names[i], sizeof(names[i]), "uid=m%u,dc=t", i);
        if (set & 1u << i)
            list[n++] = names[i];
    }
    snprintf(dn, sizeof(dn), "cn=%c,dc=t", id);
    return group((char[]){id, 0}, dn, list);
}

static void expect_members(struct fixture *f, char id, unsigned set)
{
    CLEANUP(entry_freep) struct entry *expected = group_of(id, set);
    CLEANUP(entry_freep) struct entry *stored = stored_group(f, (char[]){id, 0});

    assert_int_equal(stored->n_members, expected->n_members);
    for (size_t i = 0; i < expected->n_members; i++)
        assert_string_equal(stored->members[i].key, expected->members[i].key);
}

/* Behind the back of what was compared: another group, members by themselves, an undone
 * transaction; after which the groups have these. */
static void disturb(struct fixture *f, unsigned sets[static 2], unsigned committed[static 2])
{
    unsigned set = below(1 << N_MEMBERS), k = below(2), i = below(N_MEMBERS);
    CLEANUP(entry_freep) struct entry *one = group_of('x', 1u << i);

    switch (below(5)) {
    case 0:
        put(f, group_of((char)('a' + k), set));
        sets[k] = set;
        break;
    case 1: lacking(f, group_of((char)('a' + k), set)); break;
    case 2:
        ok(f,
           mirror_members(f->s, (char[]){(char)('a' + k), 0}, one->members, 1, NULL, 0, &f->e));
        sets[k] |= 1u << i;
        break;
    case 3:
        state_rollback(f->s);
        memcpy(sets, committed, 2 * sizeof(*sets));
        begin(f);
        break;
    default: break;
    }
}

/* Whatever comes between the comparison of a group and its storing, the group has what was put.
 */
static void test_compared(void **state)
{
    struct fixture *f = *state;
    unsigned sets[2] = {0}, committed[2] = {0};

    begin(f);
    put(f, group_of('a', 0));
    put(f, group_of('b', 0));
    commit(f);
    begin(f);
    for (dice = 0; dice < 3000; dice++) {
        uint64_t seed = dice;
        unsigned k = below(2);
        unsigned set = chance(60) ? sets[k] | 1u << below(N_MEMBERS) : below(1 << N_MEMBERS);
        CLEANUP(entry_freep) struct entry *e = group_of((char)('a' + k), set);
        CLEANUP(freep) char *name = NULL;
        unsigned changes;

        if (chance(80))
            assert_true(mirror_lacking(f->s, e, &name, &f->e) >= 0);
        assert_true(!name == !(sets[k] & ~set) || name == NULL);
        if (chance(50))
            disturb(f, sets, committed);
        ok(f, mirror_put(f->s, 0, e, &changes, &f->e));
        sets[k] = set;
        expect_members(f, 'a', sets[0]);
        expect_members(f, 'b', sets[1]);
        if (chance(20)) {
            commit(f);
            memcpy(committed, sets, sizeof(sets));
            begin(f);
        }
        dice = seed;
    }
    commit(f);
}

/* What is asked about, of a group as it is shown: "uid=a,dc=t uid=b,dc=t". */
static const char *lost_of(struct fixture *f, struct entry *taken)
{
    static char text[256];
    CLEANUP(entry_freep) struct entry *lost = NULL;

    ok(f, mirror_lost(f->s, taken, &lost, &f->e));
    entry_free(taken);
    text[0] = '\0';
    for (size_t i = 0; lost && i < lost->n_members; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " " : "",
                 lost->members[i].text);
    return text;
}

static void put_hiding(struct fixture *f, struct entry *taken)
{
    taken->members_hidden = true;
    put(f, taken);
}

/* Whoever was renamed is asked for by both names, and keeps a group that hides members by the
 * new one, until it is shown whole. */
static void test_moved_and_hidden(void **state)
{
    struct fixture *f = *state;

    begin(f);
    put(f, person("a", "uid=a,dc=t", NULL));
    put(f, person("b", "uid=b,dc=t", NULL));
    put(f, group("g", "cn=g,dc=t", LIST("uid=a,dc=t", "uid=b,dc=t")));
    put(f, person("a", "uid=c,dc=t", NULL));
    dirty(f);
    assert_string_equal(lost_of(f, group("g", "cn=g,dc=t", LIST("uid=b,dc=t"))),
                        "uid=a,dc=t uid=c,dc=t");
    assert_string_equal(lost_of(f, group("g", "cn=g,dc=t", LIST("uid=b,dc=t", "uid=c,dc=t"))),
                        "");
    put_hiding(f, group("g", "cn=g,dc=t", LIST("uid=b,dc=t")));
    assert_int_equal(stale(f), 1);
    ok(f, mirror_stale_end(f->s, "g", &f->e));
    assert_int_equal(stale(f), 0);
    assert_string_equal(dirty(f), "");
    assert_string_equal(member_of(f, "a", "cn=g,dc=t"), "+");
    assert_string_equal(lost_of(f, group("g", "cn=g,dc=t", LIST("uid=b,dc=t"))), "uid=c,dc=t");
    /* Who gets the name of before is a member when that is shown. */
    put(f, person("new", "uid=a,dc=t", NULL));
    assert_string_equal(member_of(f, "new", "cn=g,dc=t"), "-");
    put_hiding(f, group("g", "cn=g,dc=t", LIST("uid=b,dc=t")));
    assert_string_equal(member_of(f, "new", "cn=g,dc=t"), "-");
    put_hiding(f, group("g", "cn=g,dc=t", LIST("uid=a,dc=t", "uid=b,dc=t")));
    assert_string_equal(member_of(f, "new", "cn=g,dc=t"), "+");
    assert_string_equal(member_of(f, "a", "cn=g,dc=t"), "+");
    dirty(f);
    put(f, group("g", "cn=g,dc=t", LIST("uid=a,dc=t", "uid=b,dc=t")));
    assert_string_equal(dirty(f), "a");
    assert_string_equal(member_of(f, "a", "cn=g,dc=t"), "-");
    commit(f);
}

/* So does a group within it; and a group that shows the name of before says so again. */
static void test_groups_moved_and_hidden(void **state)
{
    struct fixture *f = *state;

    begin(f);
    put(f, person("a", "uid=a,dc=t", NULL));
    put(f, person("b", "uid=b,dc=t", NULL));
    put(f, group("in", "cn=in,dc=t", LIST("uid=b,dc=t")));
    put(f, group("g", "cn=g,dc=t", LIST("cn=in,dc=t", "uid=a,dc=t")));
    put(f, group("in", "cn=other,dc=t", LIST("uid=b,dc=t")));
    put(f, person("a", "uid=c,dc=t", NULL));
    put_hiding(f, group("g", "cn=g,dc=t", LIST("uid=a,dc=t")));
    dirty(f);
    ok(f, mirror_stale_end(f->s, "g", &f->e));
    assert_int_equal(stale(f), 0);
    assert_string_equal(dirty(f), "");
    assert_string_equal(member_of(f, "a", "cn=g,dc=t"), "+");
    assert_string_equal(member_of(f, "b", "cn=g,dc=t"), "cn=other,dc=t");
    put_hiding(f, group("g", "cn=g,dc=t", LIST("uid=a,dc=t")));
    assert_int_equal(stale(f), 0);
    put(f, person("a", "uid=a,dc=t", NULL)); /* back again */
    assert_int_equal(stale(f), 1);
    put(f, group("g", "cn=g,dc=t", LIST("uid=a,dc=t")));
    assert_int_equal(stale(f), 0);
    assert_string_equal(member_of(f, "a", "cn=g,dc=t"), "+");
    assert_string_equal(member_of(f, "b", "cn=g,dc=t"), "-");
    commit(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {test(test_unseen_in_slices), test(test_all_shown),
                                       test(test_compared), test(test_moved_and_hidden),
                                       test(test_groups_moved_and_hidden)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
