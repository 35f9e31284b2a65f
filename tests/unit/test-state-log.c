/* What SQLite writes beside the tables: the log, beside somebody who reads for long, and what
 * undoes a large statement or, in a copy, a large transaction. */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

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

/* A disk that takes the log, and not the state file itself. SQLite calls these. */
static atomic_bool disk_fails;

static int sync_unless(int fd, long number)
{
    char link[64], path[4096] = "";

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof(path) - 1);
    if (disk_fails && n > 3 && strcmp(path + n - 3, ".db") == 0) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(number, fd);
}

int fdatasync(int fd)
{
    return sync_unless(fd, SYS_fdatasync);
}

int fsync(int fd)
{
    return sync_unless(fd, SYS_fsync);
}

/* Commits until what stands in the log of this program names it, or for long enough. */
static bool commit_until_said(struct fixture *f, int captured, const char *what)
{
    static char value[1024 * 1024];
    char said[8192];

    for (int i = 0; i < 200; i++) {
        ssize_t n = pread(captured, said, sizeof(said) - 1, 0);
        said[n > 0 ? n : 0] = '\0';
        if (strstr(said, what))
            return true;
        memset(value, 'a' + i % 26, sizeof(value) - 1);
        begin(f);
        ok(f, state_meta_set(f->s, "large", value, &f->e));
        commit(f);
        state_checkpoint_soon(f->s);
        poll(NULL, 0, 10);
    }
    return false;
}

/* What is committed is not lost, but the log grows: that is said, and when it is over. */
static void test_checkpoint_fails(void **state)
{
    struct fixture *f = *state;
    int captured = memfd_create("stderr", MFD_CLOEXEC), before = dup(STDERR_FILENO);

    assert_true(captured >= 0 && before >= 0 && dup2(captured, STDERR_FILENO) >= 0);
    disk_fails = true;
    bool said = commit_until_said(f, captured, "cannot be moved into the state file");
    disk_fails = false;
    bool over = commit_until_said(f, captured, "can be moved into the state file");
    assert_true(dup2(before, STDERR_FILENO) >= 0);
    close(before);
    close(captured);
    assert_true(said && over);
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
        cmocka_unit_test_setup_teardown(test_checkpoint_fails, fixture_new, fixture_free),
        cmocka_unit_test_setup_teardown(test_large_changes, fixture_new, fixture_free),
        cmocka_unit_test_setup_teardown(test_rest, fixture_new, fixture_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
