/* People, their marks and the ledger; runs. */
#include "config.h"

#include "base/text.h"
#include "model/entry.h"
#include "state-fixture.h"
#include "state/mirror.h"
#include "state/person.h"

#define P(...) (&(struct person){__VA_ARGS__})

static void test_store_and_load(void **state)
{
    struct fixture *f = *state;
    struct person p = {0};

    assert_int_equal(person_load(f->s, "a", &p, &f->e), STATE_NONE);
    begin(f);
    ok(f, person_store(f->s,
                       P(.entry_id = (char *)"a", .dn = (char *)"uid=a", .verdict = PERSON_USER,
                         .wanted = (char *)"{}", .login_key = (char *)"al", .recheck_usec = 9,
                         .bucket = BUCKET_HELD, .bucket_code = (char *)"budget", .run = 4,
                         .dirty = true),
                       &f->e));
    commit(f);
    reopen(f);
    ok(f, person_load(f->s, "a", &p, &f->e));
    assert_string_equal(p.dn, "uid=a");
    assert_string_equal(p.wanted, "{}");
    assert_string_equal(p.login_key, "al");
    assert_string_equal(p.bucket_code, "budget");
    assert_null(p.code);
    assert_int_equal(p.verdict, PERSON_USER);
    assert_int_equal(p.bucket, BUCKET_HELD);
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
                             .bucket = i == 4 ? BUCKET_HELD : BUCKET_SKIPPED,
                             .bucket_code = (char *)"budget"),
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
    ok(f, person_mark_reason_dirty(f->s, "budget", &f->e));
    assert_int_equal(person_count_dirty(f->s), 5); /* p4 alone is held */
    ok(f, person_mark_all_dirty(f->s, &f->e));
    assert_int_equal(person_count_dirty(f->s), 6);
    commit(f);
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
                  f->s, P(.entry_id = one, .login_key = (char *)"same", .verdict = PERSON_USER),
                  &f->e));
    }
    ok(f, person_store(
              f->s,
              P(.entry_id = (char *)"d", .login_key = (char *)"same", .verdict = PERSON_GONE),
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
    char *text = userdata;
    size_t used = strlen(text);

    snprintf(text + used, 200 - used, "%s/%s=%zu ", person_bucket_name(b), code ? code : "", n);
}

static int first_two(const struct person *p, void *userdata)
{
    char *text = userdata;

    strncat(text, p->dn, 20);
    return strlen(text) == 2 ? 42 : 0;
}

static void test_ledger(void **state)
{
    struct fixture *f = *state;
    char text[200] = "";

    begin(f);
    for (int i = 0; i < 6; i++) {
        char id[8];

        snprintf(id, sizeof(id), "%d", 5 - i);
        ok(f, person_store(f->s, P(.entry_id = id, .dn = id, .run = 1), &f->e));
        ok(f, person_set_bucket(f->s, id, i < 4 ? 2 : 1, i < 2 ? BUCKET_HELD : BUCKET_CREATED,
                                i == 0 ? "budget" : NULL, &f->e));
    }
    ok(f, person_set_bucket(f->s, "new", 1, BUCKET_FAILED, "x", &f->e));
    commit(f);
    ok(f, person_ledger(f->s, 2, add_up, text, &f->e));
    assert_string_equal(text, "created/=2 held/=1 held/budget=1 ");
    text[0] = '\0';
    ok(f, person_ledger(f->s, 0, add_up, text, &f->e));
    assert_string_equal(text, "created/=4 held/=1 held/budget=1 failed/x=1 ");
    text[0] = '\0';
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
        test(test_store_and_load), test(test_marks), test(test_sharing_login),
        test(test_ledger),         test(test_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
