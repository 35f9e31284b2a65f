/* People, their marks and the ledger; runs. */
#include "config.h"

#include "base/text.h"
#include "model/entry.h"
#include "state-fixture.h"
#include "state/db.h"
#include "state/mirror.h"
#include "state/person.h"
#include "state/queue.h"

#define P(...) (&(struct person){__VA_ARGS__})

static void put_operation(struct fixture *f, const char *id, enum operation_state state,
                          const char *reason, uint64_t not_before_usec)
{
    CLEANUP(operation_freep) struct operation *o = operation_new(OPERATION_UPDATE, id, id, id);

    assert_non_null(o);
    o->state = state;
    o->reason = reason ? strdup(reason) : NULL;
    o->not_before_usec = not_before_usec;
    ok(f, queue_store(f->s, o, &f->e));
}

static void test_logins(void **state)
{
    static const char *const logins[] = {"ada", "adam", "bob", "ad\u00fcn", "ada"};
    CLEANUP(string_list_done) struct string_list found = {0}, few = {0}, none = {0};
    struct fixture *f = *state;

    begin(f);
    for (size_t i = 0; i < ARRAY_SIZE(logins); i++) {
        char id[2] = {(char)('a' + i), '\0'};
        ok(f, person_store(
                  f->s, P(.entry_id = id, .dn = id, .login_key = (char *)(uintptr_t)logins[i]),
                  &f->e));
    }
    ok(f, person_logins(f->s, "AD", 10, &found, &f->e));
    assert_int_equal(found.n_items, 3);
    assert_string_equal(found.items[0], "ada");
    assert_string_equal(found.items[1], "adam");
    assert_string_equal(found.items[2], "ad\u00fcn");
    ok(f, person_logins(f->s, "", 2, &few, &f->e));
    assert_int_equal(few.n_items, 2);
    ok(f, person_logins(f->s, "x", 2, &none, &f->e));
    assert_int_equal(none.n_items, 0);
}

static void test_store_and_load(void **state)
{
    struct fixture *f = *state;
    struct person p = {0};

    assert_int_equal(person_load(f->s, "a", &p, &f->e), STATE_NONE);
    begin(f);
    ok(f, person_store(f->s,
                       P(.entry_id = (char *)"a", .dn = (char *)"uid=a", .verdict = VERDICT_USER,
                         .wanted = (char *)"{}", .login_key = (char *)"al", .recheck_usec = 9,
                         .standing = BUCKET_SKIPPED, .standing_code = (char *)"no-team",
                         .run = 4, .dirty = true),
                       &f->e));
    commit(f);
    reopen(f);
    ok(f, person_load(f->s, "a", &p, &f->e));
    assert_string_equal(p.dn, "uid=a");
    assert_string_equal(p.wanted, "{}");
    assert_string_equal(p.login_key, "al");
    assert_string_equal(p.standing_code, "no-team");
    assert_null(p.code);
    assert_int_equal(p.verdict, VERDICT_USER);
    assert_int_equal(p.standing, BUCKET_SKIPPED);
    assert_int_equal(p.recheck_usec, 9);
    assert_int_equal(p.run, 4);
    assert_true(p.dirty);
    begin(f);
    p.dirty = false;
    ok(f, person_store(f->s, &p, &f->e));
    person_done(&p);
    ok(f, person_load(f->s, "a", &p, &f->e));
    assert_false(p.dirty);
    person_done(&p);
    ok(f, person_mark_dirty(f->s, "a", &f->e));
    ok(f, person_forget(f->s, "a", &f->e));
    assert_int_equal(person_load(f->s, "a", &p, &f->e), STATE_NONE);
    assert_int_equal(person_count_dirty(f->s), 0);
    commit(f);
}

static void test_marks(void **state)
{
    struct fixture *f = *state;
    struct string_list ids = {0};
    uint64_t next = 1;

    begin(f);
    for (int i = 0; i < 5; i++) {
        char id[8];

        snprintf(id, sizeof(id), "p%d", i);
        ok(f, person_store(f->s,
                           P(.entry_id = id, .recheck_usec = i < 3 ? (uint64_t)i * 100 : 0,
                             .standing = BUCKET_SKIPPED, .standing_code = (char *)"budget"),
                           &f->e));
    }
    ok(f, person_mark_dirty(f->s, "z", &f->e));
    ok(f, person_mark_dirty(f->s, "p3", &f->e));
    ok(f, person_mark_dirty(f->s, "z", &f->e));
    ok(f, person_next_dirty(f->s, 1, &ids, &f->e));
    assert_int_equal(ids.n_items, 1);
    assert_string_equal(ids.items[0], "z"); /* in order of marking */
    string_list_done(&ids);
    assert_int_equal(person_count_dirty(f->s), 2);

    ok(f, person_mark_due(f->s, 100, &next, &f->e));
    assert_int_equal(next, 200);
    assert_int_equal(person_count_dirty(f->s), 3);
    ok(f, person_mark_due(f->s, 250, &next, &f->e));
    assert_int_equal(next, 0);
    assert_int_equal(person_count_dirty(f->s), 4);
    commit(f);
}

/* Numbers are never used again, and what is kept by them grows with the highest one. */
static void test_no_number_is_wasted(void **state)
{
    struct fixture *f = *state;
    int64_t highest = 0;

    begin(f);
    for (int i = 0; i < 100; i++) {
        ok(f, person_mark_dirty(f->s, "a", &f->e));
        ok(f, person_store(f->s, P(.entry_id = (char *)"a"), &f->e));
        ok(f, person_store(f->s, P(.entry_id = (char *)"a", .dirty = true), &f->e));
        ok(f, person_mark_dirty(f->s, "a", &f->e));
    }
    ok(f, person_mark_dirty(f->s, "b", &f->e));
    commit(f);
    ok(f, db_number(f->s->db, f->path, "SELECT max(n) FROM identity", &highest, &f->e));
    assert_int_equal(highest, 2);
}

static void test_sharing_login(void **state)
{
    struct fixture *f = *state;
    struct string_list ids = {0};
    struct entry *e = entry_new("c", "uid=c,dc=t", ENTRY_PERSON);
    unsigned changes;

    begin(f);
    ok(f, mirror_put(f->s, 0, e, &changes, &f->e));
    entry_free(e);
    for (const char *id = "abc"; *id; id++) {
        char one[2] = {*id, 0};

        ok(f, person_store(
                  f->s, P(.entry_id = one, .login_key = (char *)"same", .verdict = VERDICT_USER),
                  &f->e));
    }
    ok(f, person_store(
              f->s,
              P(.entry_id = (char *)"d", .login_key = (char *)"same", .verdict = VERDICT_GONE),
              &f->e));
    ok(f, person_sharing_login(f->s, "same", "a", &ids, &f->e));
    assert_int_equal(ids.n_items, 2);
    string_list_done(&ids);
    ok(f, mirror_gone(f->s, "c", "deleted", 1, &f->e));
    ok(f, person_sharing_login(f->s, "same", "a", &ids, &f->e));
    assert_int_equal(ids.n_items, 1);
    assert_string_equal(ids.items[0], "b");
    string_list_done(&ids);
    commit(f);
}

static void add_up(enum person_bucket b, const char *code, size_t n, void *userdata)
{
    size_t *counts = userdata;

    counts[b] += n;
    if (b == BUCKET_SKIPPED)
        assert_string_equal(code, "code");
    if (b == BUCKET_HELD)
        assert_string_equal(code, "why");
}

/* In so many calls, of `limit` people each. */
static size_t count_ledger(struct fixture *f, uint64_t run, size_t limit, size_t *counts)
{
    int64_t after = 0;
    size_t n = 0;

    do {
        ok(f, person_ledger(f->s, run, 100, limit, &after, add_up, counts, &f->e));
        n++;
    } while (after);
    return n;
}

static int first_two(const struct person *p, void *userdata)
{
    char *text = userdata;

    strncat(text, p->dn, 20);
    return strlen(text) == 2 ? 42 : 0;
}

/* Each row: what was decided, what was done in run 2 or before, what is in the queue at the
 * time 100, and where the person stands for it. */
static void test_ledger(void **state)
{
    static const struct {
        const char *id;
        enum person_bucket standing, done;
        uint64_t done_run;
        enum operation_state state;
        uint64_t not_before_usec;
        enum person_bucket bucket;
        const char *code;
    } rows[] = {
        {"unchanged", BUCKET_UNCHANGED, 0, 0, 0, 0, BUCKET_UNCHANGED, NULL},
        {"created", BUCKET_UNCHANGED, BUCKET_CREATED, 2, 0, 0, BUCKET_CREATED, NULL},
        {"created-before", BUCKET_UNCHANGED, BUCKET_CREATED, 1, 0, 0, BUCKET_UNCHANGED, NULL},
        {"updated", BUCKET_UNCHANGED, BUCKET_UPDATED, 2, 0, 0, BUCKET_UPDATED, NULL},
        {"due", BUCKET_UNCHANGED, BUCKET_CREATED, 2, OPERATION_READY, 100, BUCKET_PENDING,
         NULL},
        {"later", BUCKET_UNCHANGED, BUCKET_CREATED, 2, OPERATION_READY, 101, BUCKET_CREATED,
         NULL},
        {"started", BUCKET_UNCHANGED, 0, 0, OPERATION_STARTED, 0, BUCKET_PENDING, NULL},
        {"held", BUCKET_UNCHANGED, BUCKET_UPDATED, 2, OPERATION_HELD, 101, BUCKET_HELD, "why"},
        {"parked", BUCKET_SKIPPED, 0, 0, OPERATION_PARKED, 0, BUCKET_HELD, "why"},
        {"leaving", BUCKET_LEAVING, BUCKET_UPDATED, 2, OPERATION_HELD, 0, BUCKET_LEAVING, NULL},
        {"skipped", BUCKET_SKIPPED, BUCKET_UPDATED, 2, 0, 0, BUCKET_SKIPPED, "code"},
    };
    struct fixture *f = *state;
    size_t counts[BUCKET_N] = {0}, wanted[BUCKET_N] = {0}, none[BUCKET_N] = {0};

    begin(f);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        ok(f,
           person_store(
               f->s,
               P(.entry_id = (char *)rows[i].id, .run = 1, .standing = rows[i].standing,
                 .standing_code = (char *)(rows[i].standing == BUCKET_SKIPPED ? "code" : NULL)),
               &f->e));
        if (rows[i].done)
            ok(f, person_touch(f->s, rows[i].id, rows[i].done_run, rows[i].done, &f->e));
        ok(f, person_touch(f->s, rows[i].id, 2, BUCKET_PENDING, &f->e));
        if (rows[i].state)
            put_operation(f, rows[i].id, rows[i].state, "why", rows[i].not_before_usec);
    }
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(freep) char *code = NULL;
        enum person_bucket b = BUCKET_FAILED;

        ok(f, person_bucket_now(f->s, rows[i].id, 100, &b, &code, &f->e));
        if (b != rows[i].bucket || !text_equal(code, rows[i].code))
            fail_msg("%s: %s %s", rows[i].id, person_bucket_name(b), code ? code : "");
    }
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        wanted[rows[i].bucket]++;
    assert_int_equal(count_ledger(f, 1, 100, counts), 1);
    assert_memory_equal(counts, none, sizeof(none));
    for (size_t limit = 1; limit < ARRAY_SIZE(rows) + 2; limit++) {
        memset(counts, 0, sizeof(counts));
        assert_int_equal(count_ledger(f, 2, limit, counts), ARRAY_SIZE(rows) / limit + 1);
        assert_memory_equal(counts, wanted, sizeof(wanted));
    }
    commit(f);
}

/* Whoever was created stays so for the run, whatever followed; a person nobody knew of yet gets
 * a row. */
static void test_done(void **state)
{
    static const struct {
        uint64_t run;
        enum person_bucket done, bucket;
    } steps[] = {
        {3, BUCKET_CREATED, BUCKET_CREATED},   {3, BUCKET_UPDATED, BUCKET_CREATED},
        {0, BUCKET_UPDATED, BUCKET_CREATED},   {3, BUCKET_LEAVING, BUCKET_CREATED},
        {4, BUCKET_PENDING, BUCKET_UNCHANGED}, {4, BUCKET_UPDATED, BUCKET_UPDATED},
        {5, BUCKET_LEAVING, BUCKET_LEAVING},   {5, BUCKET_UPDATED, BUCKET_UPDATED},
        {6, BUCKET_ADOPTED, BUCKET_ADOPTED},
    };
    struct fixture *f = *state;
    CLEANUP(freep) char *code = NULL;
    enum person_bucket b = BUCKET_FAILED;

    assert_int_equal(person_bucket_now(f->s, "new", 1, &b, &code, &f->e), STATE_NONE);
    begin(f);
    ok(f, person_touch(f->s, "new", 3, BUCKET_PENDING, &f->e));
    assert_int_equal(person_bucket_now(f->s, "new", 1, &b, &code, &f->e), STATE_NONE);
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        ok(f, person_touch(f->s, "new", steps[i].run, steps[i].done, &f->e));
        ok(f, person_bucket_now(f->s, "new", 1, &b, &code, &f->e));
        if (b != steps[i].bucket)
            fail_msg("step %zu: %s", i, person_bucket_name(b));
    }
    commit(f);
}

static void test_each(void **state)
{
    struct fixture *f = *state;
    char text[8] = "";

    begin(f);
    for (int i = 0; i < 6; i++) {
        char id[8];

        snprintf(id, sizeof(id), "%d", 5 - i);
        ok(f, person_store(f->s, P(.entry_id = id, .dn = id, .run = 1), &f->e));
    }
    commit(f);
    assert_int_equal(person_each(f->s, first_two, text, &f->e), 42);
    assert_string_equal(text, "01");
}

static void test_runs(void **state)
{
    struct fixture *f = *state;
    uint64_t first = 0, second = 0, run, started, ended;
    char *totals = NULL, *trigger = NULL;

    assert_int_equal(run_last(f->s, &run, &started, &ended, &trigger, &totals, &f->e),
                     STATE_NONE);
    begin(f);
    ok(f, run_begin(f->s, "start", 100, &first, &f->e));
    ok(f, run_end(f->s, first, 200, "{\"seen\":1}", &f->e));
    ok(f, run_begin(f->s, "feed", 300, &second, &f->e));
    assert_true(second > first);
    commit(f);
    ok(f, run_last(f->s, &run, &started, &ended, &trigger, &totals, &f->e));
    assert_int_equal(run, first);
    assert_int_equal(started, 100);
    assert_int_equal(ended, 200);
    assert_string_equal(trigger, "start");
    assert_string_equal(totals, "{\"seen\":1}");
    free(trigger);
    free(totals);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(test_store_and_load), test(test_logins), test(test_marks), test(test_sharing_login),
        test(test_no_number_is_wasted),
        test(test_ledger),         test(test_done),  test(test_each),
        test(test_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
