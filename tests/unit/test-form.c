/*
 * A state file of an earlier form gives way to one of today, made beside it, and is kept.
 * Killed at any call that writes, or without room from there on, either lies at the path,
 * whole; and the next start ends what was begun.
 */
#include "config.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "dying-writes.h"
#include "state-fixture.h"
#include "state/db.h"
#include "state/migrate.h"

#define THEN 23
#define MODE 0640

/* Root may bring it to another form for the user whose it is. */
static uid_t owner(void)
{
    return geteuid() == 0 ? 65534 : geteuid();
}

static const char *beside(const struct fixture *f, const char *suffix)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s%s", f->path, suffix);
    return path;
}

static const char *kept(const struct fixture *f)
{
    return beside(f, ".form23");
}

static int64_t number(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    struct error e = {0};
    int64_t n = -1;

    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    if (db_number(db, path, sql, &n, &e) < 0)
        fail_msg("%s: %s", path, e.message);
    sqlite3_close(db);
    return n;
}

static void make_then(struct fixture *f)
{
    static const char rows[] =
        "PRAGMA journal_mode=WAL; BEGIN; INSERT INTO shape VALUES(1, 'x');"
        "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 40) INSERT INTO "
        "entry(n, id, dn, dn_key, kind, searches, digest, members_digest, gone_usec, shape, attributes) "
        "SELECT i, 'id-' || i, 'uid=' || i, 'uid=' || i, 1, 1, '', '', 0, 1, '{}' FROM c;"
        "INSERT INTO meta VALUES('plan-key', 'x'); COMMIT";
    sqlite3 *db = NULL;

    f->s = state_close(f->s);
    assert_int_equal(unlink(f->path), 0);
    (void)unlink(beside(f, "-wal"));
    (void)unlink(kept(f));
    (void)unlink(beside(f, ".lock"));
    assert_int_equal(
        sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL),
        SQLITE_OK);
    ok(f, migrate_to(db, f->path, 0, THEN, &f->e));
    assert_int_equal(sqlite3_exec(db, rows, NULL, NULL, NULL), SQLITE_OK);
    /* As a sudden end leaves it: the rows are in the log. */
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(chmod(f->path, MODE), 0);
    assert_int_equal(chown(f->path, owner(), (gid_t)-1), 0);
}

static void is_then(const char *path)
{
    assert_int_equal(number(path, "PRAGMA user_version"), THEN);
    assert_int_equal(number(path, "SELECT count(*) FROM entry"), 40);
    assert_int_equal(number(path, "SELECT count(*) FROM meta WHERE name = 'plan-key'"), 1);
    assert_int_equal(number(path, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"),
                     1);
}

static void is_now(struct fixture *f)
{
    struct stat st;

    assert_int_equal(number(f->path, "SELECT count(*) FROM entries"), 40);
    assert_int_equal(number(f->path, "SELECT count(*) FROM meta WHERE name = 'plan-key'"), 0);
    assert_int_equal(
        number(f->path, "SELECT value FROM meta WHERE name = '" STATE_FORM_BEFORE "'"), THEN);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, MODE);
    assert_int_equal(st.st_uid, owner());
    assert_int_equal(stat(kept(f), &st), 0);
    assert_int_equal(st.st_mode & 07777, MODE);
    is_then(kept(f));
    assert_int_equal(access(beside(f, ".new"), F_OK), -1);
}

static void opens(struct fixture *f)
{
    ok(f, state_open_at_once(&f->s, f->path, NULL, &f->e));
    f->s = state_close(f->s);
    is_now(f);
}

static void test_kept(void **state)
{
    struct fixture *f = *state;

    make_then(f);
    log_may_be_back = renamed_beside_log = false;
    opens(f);
    assert_false(renamed_beside_log);
    /* The one of before comes back, is used, and is taken over anew. */
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(link(kept(f), f->path), 0);
    opens(f);
    opens(f);
}

/* In another process, which ends before its n-th call that writes, or has no room from then on.
 * Gives how many calls there were. */
static long open_and_end(struct fixture *f, long n, bool full)
{
    int status = -1, counted[2];
    long n_all = 0;

    assert_int_equal(pipe(counted), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dies_at = full ? -1 : n;
        full_at = full ? n : 0;
        int r = state_open(&f->s, f->path, NULL, &f->e);
        full_at = 0;
        if (full && r < 0 && strstr(f->e.message, "another program"))
            _exit(2); /* it was the disk */
        ssize_t size = write(counted[1], &n_calls, sizeof(n_calls));
        _exit(size == sizeof(n_calls) && (r == 0 || (full && r < 0)) ? 0 : 1);
    }
    close(counted[1]);
    ssize_t size = read(counted[0], &n_all, sizeof(n_all));
    close(counted[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) ? size == 0 : WEXITSTATUS(status) == 0);
    return n_all;
}

/* Each of the last calls, which put the files in place, and some of those that fill them. */
static void end_everywhere(struct fixture *f, bool full)
{
    long n_new = 0;

    make_then(f);
    long n_all = open_and_end(f, LONG_MAX, full);
    assert_true(n_all > 100);
    for (long n = 1; n <= n_all; n += n < 4 || n + 24 > n_all ? 1 : 23) {
        make_then(f);
        (void)open_and_end(f, n, full);
        if (number(f->path, "PRAGMA user_version") == THEN) {
            is_then(f->path);
            if (access(kept(f), F_OK) == 0) /* nobody goes on from the half of one */
                is_then(kept(f));
        } else {
            n_new++;
            is_then(kept(f));
        }
        opens(f);
    }
    assert_true(n_new > 1);
}

static void test_killed(void **state)
{
    end_everywhere(*state, false);
}

static void test_no_room(void **state)
{
    end_everywhere(*state, true);
}

static void test_no_links(void **state)
{
    no_links = true;
    end_everywhere(*state, true);
    no_links = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {test(test_kept), test(test_killed), test(test_no_room),
                                       test(test_no_links)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
