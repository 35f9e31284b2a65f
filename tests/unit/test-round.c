/* The round: everybody once, from where it stands, in every size of slice. */
#include "config.h"

#include "base/text.h"
#include "model/entry.h"
#include "state-fixture.h"
#include "state/mirror.h"
#include "state/person.h"
#include "state/round.h"

#define P(...) (&(struct person){__VA_ARGS__})

static void put_kind(struct fixture *f, const char *id, enum entry_kind kind)
{
    struct entry *e = entry_new(id, "cn=other", kind);
    unsigned changes;

    ok(f, mirror_put(f->s, 0, e, &changes, &f->e));
    entry_free(e);
}

/* Entries e0 to e9, people without one (r3: its entry is a group now), a group that is nobody. */
static void put_round(struct fixture *f)
{
    begin(f);
    for (int i = 0; i < 11; i++) {
        char id[8], dn[32];

        snprintf(id, sizeof(id), "e%d", i);
        snprintf(dn, sizeof(dn), "uid=%s", id);
        struct entry *e = entry_new(id, dn, i == 10 ? ENTRY_GROUP : ENTRY_PERSON);
        unsigned changes;
        ok(f, mirror_put(f->s, 0, e, &changes, &f->e));
        entry_free(e);
        if (i < 10)
            ok(f, person_store(f->s, P(.entry_id = id), &f->e)); /* takes the mark away */
    }
    for (int i = 0; i < 3; i++) {
        char id[8];

        snprintf(id, sizeof(id), "r%d", i);
        ok(f, person_store(f->s, P(.entry_id = id), &f->e));
    }
    put_kind(f, "r3", ENTRY_PERSON);
    put_kind(f, "r3", ENTRY_GROUP);
    ok(f, person_store(f->s, P(.entry_id = (char *)"r3"), &f->e));
    commit(f);
}

/* All that a round tells, " e0 e1", in a transaction for each slice. */
static const char *rest_of_round(struct fixture *f, size_t limit)
{
    static char text[256];
    size_t at = 0;

    text[0] = '\0';
    for (bool more = true; more;) {
        struct string_list ids = {0};
        int64_t numbers[16];

        begin(f);
        ok(f, round_next(f->s, limit, &ids, numbers, &more, &f->e));
        commit(f);
        assert_true(ids.n_items <= limit);
        for (size_t i = 0; i < ids.n_items; i++) {
            assert_int_equal(numbers[i] == 0, ids.items[i][0] == 'r');
            at += (size_t)snprintf(text + at, sizeof(text) - at, " %s", ids.items[i]);
        }
        assert_int_equal(more, round_is_on(f->s));
        string_list_done(&ids);
    }
    return text;
}

static void mark_all(struct fixture *f)
{
    begin(f);
    ok(f, person_mark_all_dirty(f->s, &f->e));
    commit(f);
    assert_true(round_is_on(f->s) && !round_is_narrow(f->s));
}

static void pass(struct fixture *f, size_t n)
{
    struct string_list ids = {0};
    int64_t numbers[16];
    bool more;

    ok(f, round_next(f->s, n, &ids, numbers, &more, &f->e));
    string_list_done(&ids);
}

static void test_round(void **state)
{
    static const char all[] = " e0 e1 e2 e3 e4 e5 e6 e7 e8 e9 r0 r1 r2 r3";
    struct fixture *f = *state;

    put_round(f);
    assert_string_equal(rest_of_round(f, 3), "");
    for (size_t limit = 1; limit <= 16; limit++) {
        mark_all(f);
        assert_string_equal(rest_of_round(f, limit), all);
    }
    mark_all(f);
    assert_int_equal(person_count_dirty(f->s), 10);
    begin(f);
    pass(f, 4);
    assert_int_equal(person_count_dirty(f->s), 6);
    state_rollback(f->s); /* nobody was passed */
    begin(f);
    pass(f, 2);
    ok(f, person_mark_dirty(f->s, "e3", &f->e)); /* looked at for that */
    ok(f, person_mark_dirty(f->s, "r1", &f->e));
    commit(f);
    begin(f);
    struct entry *late = entry_new("e11", "uid=e11", ENTRY_PERSON);
    unsigned changes;
    ok(f, mirror_put(f->s, 0, late, &changes, &f->e)); /* marked itself */
    entry_free(late);
    commit(f);
    reopen(f);
    assert_string_equal(rest_of_round(f, 3), " e2 e4 e5 e6 e7 e8 e9 r0 r2 r3");
}

/* In every way that it may end early it becomes a round like any other, from its beginning. */
static void test_narrow_round(void **state)
{
    struct fixture *f = *state;

    put_round(f);
    begin(f);
    ok(f, round_begin_narrow(f->s, &f->e));
    commit(f);
    assert_true(round_is_narrow(f->s));
    assert_string_equal(rest_of_round(f, 4), " e0 e1 e2 e3 e4 e5 e6 e7 e8 e9");
    assert_false(round_is_narrow(f->s));

    begin(f);
    ok(f, round_begin_narrow(f->s, &f->e));
    pass(f, 4);
    ok(f, person_mark_all_dirty(f->s, &f->e));
    commit(f);
    assert_false(round_is_narrow(f->s));
    assert_string_equal(rest_of_round(f, 4), " e0 e1 e2 e3 e4 e5 e6 e7 e8 e9 r0 r1 r2 r3");

    begin(f);
    ok(f, round_begin_narrow(f->s, &f->e));
    pass(f, 4);
    commit(f);
    begin(f);
    state_rollback(f->s);
    assert_false(round_is_narrow(f->s));
    assert_string_equal(rest_of_round(f, 4), " e4 e5 e6 e7 e8 e9 r0 r1 r2 r3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {test(test_round), test(test_narrow_round)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
