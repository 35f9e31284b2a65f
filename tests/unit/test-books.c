/* What the books do beside the turns of the engine: lines that leave for the audit file. */
#include "config.h"

#include <errno.h>
#include <sqlite3.h>
#include <systemd/sd-event.h>

#include "audit-test.h"
#include "books/books.h"
#include "books/engine-types.h"

struct read {
    struct fixture *f;
    struct books *b;
    uint64_t begun_usec, committed_usec;
    bool over, written;
};

static void wake(void *userdata)
{
    (void)userdata;
}

static void status_changed(void *userdata)
{
    (void)userdata;
}

/* The line, not another that was there before. */
static void audit_written(struct audit_export *audit, void *userdata)
{
    struct read *r = userdata;
    struct text t = read_lines(audit_path);

    (void)audit;
    for (size_t i = 0; i < t.n; i++)
        r->written = r->written || strstr(t.lines[i], "while it is read");
    free_lines(&t);
}

/* As turns commit while a long read goes on: what comes next opens the next transaction at once. */
static int on_message(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct read *r = userdata;
    uint64_t now = clock_monotonic_usec();

    (void)usec;
    if (now - r->committed_usec > 200 * USEC_PER_MSEC) {
        ok(r->f, books_commit(r->b, &r->f->e));
        r->committed_usec = now;
    }
    ok(r->f, state_write(r->f->s, &r->f->e));
    r->over = now - r->begun_usec > 10 * USEC_PER_SEC;
    assert_true(sd_event_source_set_time(source, now + USEC_PER_MSEC) >= 0);
    assert_true(sd_event_source_set_enabled(source, SD_EVENT_ONESHOT) >= 0);
    return 0;
}

static void test_lines_leave_while_it_is_read(void **state)
{
    struct fixture *f = *state;
    struct audit_export *x = open_export(f, false);
    struct sync_options sync = {0};
    struct engine_options engine = {.sync = &sync};
    struct read r = {.f = f, .begun_usec = clock_monotonic_usec()};
    sd_event *event = NULL;
    sd_event_source *messages = NULL;

    assert_true(sd_event_new(&event) >= 0);
    struct books_options o = {.event = event,
                              .state = f->s,
                              .audit = x,
                              .options = &engine,
                              .wake = wake,
                              .status_changed = status_changed,
                              .audit_written = audit_written,
                              .userdata = &r};
    ok(f, books_new(&r.b, &o, &f->e));
    ok(f, books_audit(r.b, &(struct audit_row){.event = "request", .sentence = "while it is read"},
                      &f->e));
    ok(f, books_commit(r.b, &f->e));
    r.committed_usec = clock_monotonic_usec();
    ok(f, state_write(f->s, &f->e));
    assert_true(sd_event_add_time(event, &messages, CLOCK_MONOTONIC, 0, 1, on_message, &r) >= 0);
    while (!r.over && !r.written)
        assert_true(sd_event_run(event, UINT64_MAX) >= 0);
    assert_true(r.written);
    sd_event_source_disable_unref(messages);
    books_free(r.b);
    sd_event_unref(event);
    audit_export_close(x);
}

/* Another connection tells whether this one holds the right to write. */
static bool others_may_write(struct fixture *f)
{
    sqlite3 *other = NULL;
    assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
    int rc = sqlite3_exec(other, "BEGIN IMMEDIATE; ROLLBACK", NULL, NULL, NULL);
    assert_true(rc == SQLITE_OK || rc == SQLITE_BUSY);
    sqlite3_close(other);
    return rc == SQLITE_OK;
}

static void test_the_first_write_opens_it(void **state)
{
    struct fixture *f = *state;
    struct sync_options sync = {0};
    struct engine_options engine = {.sync = &sync};
    struct books_options o = {.state = f->s,
                              .options = &engine,
                              .wake = wake,
                              .status_changed = status_changed,
                              .audit_written = audit_written};
    struct books *b = NULL;
    char *value = NULL;

    assert_int_equal(state_meta_set(f->s, "word", "early", &f->e), -EIO); /* nobody said how */
    ok(f, books_new(&b, &o, &f->e));
    assert_int_equal(state_meta_get(f->s, "word", &value, &f->e), STATE_NONE);
    assert_true(others_may_write(f) && !books_open_since_usec(b));
    ok(f, state_meta_set(f->s, "word", "said", &f->e));
    assert_true(!others_may_write(f) && books_open_since_usec(b));
    ok(f, books_commit(b, &f->e));
    assert_true(others_may_write(f));

    ok(f, state_meta_set(f->s, "word", "half a step", &f->e));
    books_failed(b, &f->e);
    assert_true(others_may_write(f));
    assert_int_equal(state_meta_set(f->s, "word", "the other half", &f->e), -EIO);
    ok(f, state_meta_get(f->s, "word", &value, &f->e));
    assert_string_equal(value, "said");
    free(value);
    books_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_first_write_opens_it, setup, fixture_free),
        cmocka_unit_test_setup_teardown(test_lines_leave_while_it_is_read, setup, fixture_free),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
