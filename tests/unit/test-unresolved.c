/* The number of members that are no entries, which is kept up to date, against a count of the whole
 * tables in other words, over random histories of the mirror; and what a reader sees meanwhile. */
#include "config.h"

#include "dice.h"
#include "mirror-test.h"
#include "state/db.h"
#include "state/link.h"
#include "unresolved-by-hand.h"

#define N_PEOPLE 8
#define N_GROUPS 4
#define N_NAMES  10
#define STEPS    250

static bool by_login; /* groups name logins, too */

static const char *a_name(void)
{
    static char names[8][48];
    static unsigned i;
    char *name = names[i++ % ARRAY_SIZE(names)];
    snprintf(name, sizeof(names[0]), "uid=n%u,ou=%s,dc=t", below(N_NAMES), chance(50) ? "a" : "b");
    return name;
}

static int64_t by_hand(sqlite3 *db)
{
    static const char sql[] = UNRESOLVED_BY_HAND;
    int64_t n = -1;
    struct error e = {0};
    assert_int_equal(db_number(db, "the state", sql, &n, &e), 0);
    return n;
}

static int64_t asked(struct state *s)
{
    struct mirror_counts counts = {0};
    struct error e = {0};
    assert_int_equal(mirror_counts(s, &counts, &e), 0);
    return (int64_t)counts.members_unresolved;
}

static void put_person(struct fixture *f)
{
    char id[16];
    snprintf(id, sizeof(id), "n%u", below(N_PEOPLE));
    put(f, person(id, a_name(), chance(20) ? "x@t" : NULL));
}

static void put_group(struct fixture *f, unsigned i)
{
    const char *members[7] = {0};
    char id[16], dn[32], login[16];
    size_t n = below(6);
    for (size_t k = 0; k < n; k++)
        members[k] = a_name();
    snprintf(login, sizeof(login), "uid:n%u", below(N_PEOPLE));
    if (by_login && chance(60))
        members[n] = login;
    for (size_t k = 1; k < n; k++) /* each once */
        for (size_t l = 0; l < k; l++)
            if (strcmp(members[k], members[l]) == 0)
                return;
    snprintf(id, sizeof(id), "g%u", i);
    snprintf(dn, sizeof(dn), "cn=g%u,ou=%s,dc=t", i, chance(80) ? "a" : "b");
    put(f, group(id, dn, members));
}

static void change_members(struct fixture *f, unsigned i)
{
    CLEANUP(freep) char *key = NULL;
    char id[16];
    const char *name = a_name();
    assert_int_equal(dn_key(NULL, name, &key, &f->e), 0);
    struct member m = {.kind = MEMBER_DN, .key = key, .text = (char *)name};
    bool add = chance(50);
    snprintf(id, sizeof(id), "g%u", i);
    int r = mirror_members(f->s, id, add ? &m : NULL, add, add ? NULL : &m, !add, &f->e);
    assert_true(r == 0 || r == STATE_NONE);
}

static void go(struct fixture *f, const char *kind, unsigned i)
{
    char id[16];
    snprintf(id, sizeof(id), "%s%u", kind, i);
    ok(f, mirror_gone(f->s, id, "left", 5, &f->e));
    if (chance(40))
        ok(f, mirror_forget(f->s, id, &f->e));
}

static void step(struct fixture *f)
{
    char id[16];
    switch (below(10)) {
    case 0:
    case 1:
    case 2: put_person(f); break;
    case 3: go(f, "n", below(N_PEOPLE)); break;
    case 4:
    case 5: put_group(f, below(N_GROUPS)); break;
    case 6:
    case 7: change_members(f, below(N_GROUPS)); break;
    case 8:
        snprintf(id, sizeof(id), "g%u", below(N_GROUPS));
        if (chance(70))
            (void)mirror_stale_end(f->s, id, &f->e);
        else
            go(f, "g", below(N_GROUPS));
        break;
    case 9:
        if (chance(30)) /* everybody below moves */
            put(f, entry_new("ou", chance(50) ? "ou=a,dc=t" : "ou=b,dc=t", ENTRY_CONTAINER));
        break;
    }
}

/* A start in good order knows it from the end before, unless somebody wrote to the file. */
static void know_over_the_end(struct fixture *f)
{
    bool known = true;
    f->s = state_close(f->s);
    if (chance(30)) {
        sqlite3 *db = NULL;
        assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, "DELETE FROM member WHERE name_n % 3 = 0", 0, 0, 0), 0);
        known = !sqlite3_total_changes(db);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
    }
    ok(f, state_open(&f->s, f->path, NULL, &f->e));
    assert_int_equal(f->s->unresolved.is_watched && f->s->unresolved.is_known, known);
    if (chance(50))
        assert_int_equal(asked(f->s), by_hand(f->s->db));
}

/* Returns how often the number was still known when it was asked for. */
static unsigned history(struct fixture *f)
{
    struct state *reader = NULL;
    int64_t seen = 0;
    unsigned known = 0;
    for (unsigned i = 0; i < STEPS; i++) {
        if (!state_in_transaction(f->s)) {
            if (!reader && chance(50)) {
                ok(f, state_open_to_read(&reader, f->s, &f->e));
                seen = by_hand(f->s->db);
            }
            begin(f);
        }
        step(f);
        if (chance(40)) {
            known += f->s->unresolved.is_watched && f->s->unresolved.is_known;
            assert_int_equal(asked(f->s), by_hand(f->s->db));
        }
        if (chance(10))
            state_rollback(f->s);
        else if (chance(50))
            commit(f);
        if (!reader && !state_in_transaction(f->s) && chance(10))
            know_over_the_end(f);
        if (reader && chance(40)) {
            if (chance(80)) {
                assert_int_equal(by_hand(reader->db), seen); /* it sees one moment */
                assert_int_equal(asked(reader), seen);
            }
            state_end_reading(TAKE(reader), f->s);
        }
    }
    if (reader)
        state_end_reading(reader, f->s);
    if (state_in_transaction(f->s))
        commit(f);
    return known;
}

static void test_random_histories(void **state)
{
    const char *text = getenv("ROSTERD_HISTORIES");
    unsigned n = text ? (unsigned)strtoul(text, NULL, 10) : 40, known = 0;
    for (unsigned seed = 0; seed < n; seed++) {
        void *fixture = NULL;
        assert_int_equal(fixture_new(&fixture), 0);
        dice = seed;
        by_login = seed % 4 == 3;
        unsigned found = history(fixture);
        known += by_login ? 0 : found;
        fixture_free(&fixture);
    }
    assert_true(known > n * STEPS / 20); /* it is kept, and not only counted */
    (void)state;
}

/* Who comes, moves, changes or leaves, and a member more, cost no count of all. */
static void test_is_kept(void **state)
{
    struct fixture *f = *state;
    const char *names[] = {"uid=a,dc=t", "uid=b,dc=t"};
    begin(f);
    put(f, person("a", names[0], NULL));
    put(f, group("g", "cn=g,dc=t", LIST(names[0], names[1])));
    assert_int_equal(asked(f->s), 1);
    uint64_t counted = f->s->unresolved.n_watches;
    put(f, person("b", names[1], NULL));
    assert_int_equal(asked(f->s), 0);
    put(f, person("b", "uid=c,dc=t", "b@t")); /* its group is to be read again, and has it until then */
    assert_int_equal(asked(f->s), 0);
    put(f, group("g", "cn=g,dc=t", LIST(names[0], names[1], "uid=nobody,dc=t")));
    assert_int_equal(asked(f->s), by_hand(f->s->db));
    ok(f, mirror_gone(f->s, "a", "left", 5, &f->e));
    assert_int_equal(asked(f->s), by_hand(f->s->db));
    assert_int_equal(f->s->unresolved.n_watches, counted);
    commit(f);
}

/* What a reader counts is known to the loop, with what was done meanwhile. */
static void test_learns_from_a_reader(void **state)
{
    struct fixture *f = *state;
    struct state *reader;
    begin(f);
    put(f, group("g", "cn=g,dc=t", LIST("uid=a,dc=t", "uid=b,dc=t")));
    commit(f);
    ok(f, state_open_to_read(&reader, f->s, &f->e));
    begin(f);
    put(f, person("a", "uid=a,dc=t", NULL));
    commit(f);
    assert_int_equal(asked(reader), 2);
    state_end_reading(reader, f->s);
    uint64_t counted = f->s->unresolved.n_watches;
    assert_int_equal(asked(f->s), 1);
    assert_int_equal(f->s->unresolved.n_watches, counted);
    ok(f, state_open_to_read(&reader, f->s, &f->e)); /* and lent to the next */
    assert_int_equal(asked(reader), 1);
    assert_int_equal(reader->unresolved.n_watches, counted);
    state_cancel(reader);
    struct mirror_counts counts;
    assert_int_equal(mirror_counts(reader, &counts, &f->e), -ECANCELED);
    state_end_reading(reader, f->s);
    assert_int_equal(asked(f->s), 1);
}

/* An end in good order leaves it to the next start, also where nobody asked; and a reader has
 * the loop's counts of links. */
static void test_is_known_after_a_stop(void **state)
{
    struct fixture *f = *state;
    struct state *reader;
    begin(f);
    put(f, group("g", "cn=g,dc=t", LIST("uid=a,dc=t", "uid=b,dc=t")));
    commit(f);
    reopen(f);
    assert_true(f->s->unresolved.is_known);
    assert_int_equal(asked(f->s), 2);
    assert_int_equal(link_count(f->s, LINK_ACTIVE), 0);
    ok(f, state_open_to_read(&reader, f->s, &f->e));
    assert_int_equal(reader->n_links[LINK_ACTIVE], 0);
    state_end_reading(reader, f->s);
}

static int count_step(void *userdata)
{
    ++*(unsigned *)userdata;
    return 0;
}

/* To count all of them takes one look at an index for each: by SQLite's own count of its steps. */
static void test_count_is_short(void **state)
{
    enum { PEOPLE = 400 };
    struct fixture *f = *state;
    const char *members[PEOPLE + 1] = {0};
    char text[PEOPLE][24];
    unsigned n_steps = 0;
    begin(f);
    for (unsigned i = 0; i < PEOPLE; i++) {
        snprintf(text[i], sizeof(text[i]), "uid=n%u,dc=t", i);
        members[i] = text[i];
        if (i % 100)
            put(f, person(strchr(text[i], 'n'), text[i], NULL));
    }
    put(f, group("g", "cn=g,dc=t", members));
    commit(f);
    f->s->unresolved = (struct unresolved){0};
    sqlite3_progress_handler(f->s->db, 1, count_step, &n_steps);
    assert_int_equal(asked(f->s), PEOPLE / 100);
    assert_in_range(n_steps, PEOPLE, 30 * PEOPLE);
    n_steps = 0; /* and then no more than to count groups */
    assert_int_equal(asked(f->s), PEOPLE / 100);
    sqlite3_progress_handler(f->s->db, 0, NULL, NULL);
    assert_in_range(n_steps, 1, PEOPLE / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_is_kept, fixture_new, fixture_free),
        cmocka_unit_test_setup_teardown(test_learns_from_a_reader, fixture_new, fixture_free),
        cmocka_unit_test_setup_teardown(test_is_known_after_a_stop, fixture_new, fixture_free),
        cmocka_unit_test_setup_teardown(test_count_is_short, fixture_new, fixture_free),
        cmocka_unit_test(test_random_histories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
