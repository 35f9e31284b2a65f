/* What SQLite writes beside the tables: the log, beside somebody who reads for long, and what
 * undoes a large statement or, in a copy, a large transaction. */
#include "config.h"

#include <poll.h>
#include <string.h>

#include "state-fixture.h"
#include "state/db.h"

/* Who always reads keeps the log from beginning anew, and that is seen, until nobody reads. */
static void test_log_kept_long(void **state)
{
    struct fixture *f = *state;
    static char value[1024 * 1024];
    struct state *reader;

    memset(value, 'x', sizeof(value) - 1);
    ok(f, state_open_to_read(&reader, f->s, &f->e));
    for (int i = 0; i < 70; i++) {
        assert_false(i < 30 && state_log_is_long(f->s));
        value[0] = (char)('0' + i);
        begin(f);
        ok(f, state_meta_set(f->s, "large", value, &f->e));
        commit(f);
        state_checkpoint_soon(f->s);
    }
    assert_true(state_log_is_long(f->s));
    state_end_reading(reader, f->s);
    for (int i = 0; i < 1000 && state_log_is_long(f->s); i++) {
        poll(NULL, 0, 10);
        begin(f);
        ok(f, state_meta_set(f->s, "small", i % 2 ? "a" : "b", &f->e));
        commit(f);
        state_checkpoint_soon(f->s);
    }
    assert_false(state_log_is_long(f->s));
}

static void change_all(struct fixture *f, struct state *s, const char *sql)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;

    ok(f, stmt_prepare(&q, s, sql, &f->e));
    ok(f, stmt_run(q, &f->e));
}

/* Names are unique, so that the second statement may fail half-way, and 6 MiB of pages must be kept
 * for that; the others are undone with their transaction. */
static void change_much(struct fixture *f, struct state *s, char letter)
{
    char name[24], value[2000];

    memset(value, 'x', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    for (int round = 0; round < 2; round++) {
        ok(f, state_begin(s, &f->e));
        for (int i = 0; i < 3000; i++) {
            snprintf(name, sizeof(name), "%c%d", letter, i);
            value[0] = (char)('0' + round);
            ok(f, state_meta_set(s, name, value, &f->e));
        }
        if (round)
            change_all(f, s, "UPDATE meta SET name = 'x' || name, value = value || name");
        ok(f, state_commit(s, &f->e));
    }
}

static void test_large_changes(void **state)
{
    struct fixture *f = *state;
    struct state *copy;

    change_much(f, f->s, 'a');
    ok(f, state_open_copy(&copy, f->path, &f->e));
    change_much(f, copy, 'b');
    state_close(copy);
}

static int cache_of(struct state *s)
{
    int now = 0, highest = 0;

    assert_int_equal(sqlite3_db_status(s->db, SQLITE_DBSTATUS_CACHE_USED, &now, &highest, 0),
                     SQLITE_OK);
    return now;
}

/* While nothing is to be done no memory holds pages, and what is asked next is there. */
static void test_rest(void **state)
{
    struct fixture *f = *state;
    CLEANUP(freep) char *value = NULL;

    begin(f);
    for (int i = 0; i < 3000; i++) {
        char name[32];

        snprintf(name, sizeof(name), "name %d", i);
        ok(f, state_meta_set(f->s, name, "so long that pages fill up soon", &f->e));
    }
    state_rest(f->s); /* not in the middle of it */
    commit(f);
    assert_true(cache_of(f->s) > 150000);
    state_rest(f->s);
    assert_true(cache_of(f->s) < 50000);
    ok(f, state_meta_get(f->s, "name 2999", &value, &f->e));
    assert_string_equal(value, "so long that pages fill up soon");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_log_kept_long, fixture_new, fixture_free),
        cmocka_unit_test_setup_teardown(test_large_changes, fixture_new, fixture_free),
        cmocka_unit_test_setup_teardown(test_rest, fixture_new, fixture_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
