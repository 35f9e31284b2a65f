/*
 * A file of an earlier form becomes the present one: all that a person could read from it before
 * stands in it afterwards, whatever it was, and also when the process is killed on the way. What
 * is compared is what SQL says of the tables of then and of the views of now; no code of the
 * program reads either.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/buffer.h"
#include "state-fixture.h"
#include "state/db.h"
#include "state/link.h"
#include "state/migrate.h"
#include "state/person.h"

#define BEFORE_NUMBERS 23 /* the last form whose tables go by ids */

#define LINK_ROW                                                                               \
    "entry_id, login, login_key, status, disabled_by_us, created_usec, confirmed_usec, "       \
    "leaving_usec, disabled_usec, remote_id, origin, leaving_why, known, granted, drift, "     \
    "quirks, renamed_there, gone, last_login_usec, enabled_usec, dormant_usec "
#define OPERATION_ROW                                                                          \
    "number, kind, state, entry_id, not_before_usec, since_usec, attempts, run, approved, "    \
    "budget, approved_until_usec, revokes, due_usec, shift_usec, dn, login, reason, cause, "   \
    "sentence, why, approved_for, changes "
#define PERSON_ROW                                                                             \
    "entry_id, dn, verdict, bucket, bucket_code, run, recheck_usec, done, done_run, "          \
    "login_key, code, sentence, wanted "
#define ID_OF(table, n) "(SELECT id FROM " table " x WHERE x.n = " n ")"

/* The same facts in the form of then and of now. */
static const struct {
    const char *then, *now;
} facts[] = {
    {"SELECT n, id, dn, dn_key, kind, searches, substr(digest, 1, 32), members_digest, gone_usec, "
     "gone_why, login_key, primary_key, mail_key, shape, attributes, hex(raw) FROM entry ORDER BY n",
     "SELECT n, id, dn, dn_key, kind, searches, lower(hex(digest)), members_digest, gone_usec, "
     "gone_why, login_key, primary_key, mail_key, shape, attributes, hex(raw) FROM entries ORDER BY n"},
    {"SELECT group_n, kind, key, text FROM member ORDER BY 1, 2, 3",
     "SELECT group_n, kind, key, text FROM members ORDER BY 1, 2, 3"},
    {"SELECT group_n, key, entry_n FROM stale ORDER BY 1, 2, 3",
     "SELECT group_n, a.key, entry_n FROM stale s JOIN name a ON a.n = s.name_n ORDER BY 1, 2, 3"},
    {"SELECT configured_key, id, dn FROM bound_group ORDER BY 1",
     "SELECT configured_key, " ID_OF("entries", "b.n") ", dn FROM bound_group b ORDER BY 1"},
    {"SELECT " PERSON_ROW "FROM person ORDER BY 1",
     "SELECT " PERSON_ROW "FROM people ORDER BY 1"},
    {"SELECT " LINK_ROW "FROM link ORDER BY 1", "SELECT " LINK_ROW "FROM links ORDER BY 1"},
    {"SELECT " OPERATION_ROW "FROM operation ORDER BY 1",
     "SELECT " OPERATION_ROW "FROM operations ORDER BY 1"},
    {"SELECT name, seq FROM sqlite_sequence ORDER BY 1",
     "SELECT name, seq FROM sqlite_sequence WHERE name <> 'identity' ORDER BY 1"},
    {"SELECT entry_id FROM dirty ORDER BY n",
     "SELECT " ID_OF("entries", "d.entry_n") " FROM dirty d ORDER BY d.n"},
    {"SELECT stage, passed_n, last_n, n_left FROM round",
     "SELECT stage, passed_n, last_n, n_left FROM round"},
    {"SELECT login, status, known, remote_id FROM link_aside ORDER BY 1",
     "SELECT login, status, known, remote_id FROM link_aside ORDER BY 1"},
    {"SELECT since_usec, next_usec, sentence FROM password_due ORDER BY 1, 2",
     "SELECT since_usec, next_usec, sentence FROM password_due ORDER BY 1, 2"},
    {"SELECT n, key FROM entry_login ORDER BY 1, 2",
     "SELECT n, key FROM entry_login ORDER BY 1, 2"},
    {"SELECT name, value FROM meta ORDER BY 1",
     "SELECT name, value FROM meta WHERE name <> 'form-before' ORDER BY 1"},
};

static char *rows_of(sqlite3 *db, const char *sql)
{
    CLEANUP(buffer_done) struct buffer text = {0};
    sqlite3_stmt *q = NULL;

    if (sqlite3_prepare_v2(db, sql, -1, &q, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    while (sqlite3_step(q) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(q); i++) {
            const char *value = (const char *)sqlite3_column_text(q, i);
            buffer_format(&text, "%s|", value ? value : "NULL");
        }
        buffer_add_text(&text, "\n");
    }
    sqlite3_finalize(q);
    return text.data ? buffer_take(&text) : strdup("");
}

static sqlite3 *open_file(const char *path)
{
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL),
                     SQLITE_OK);
    return db;
}

static void run(sqlite3 *db, const char *sql)
{
    char *message = NULL;

    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
}

static unsigned dice;

static unsigned any(unsigned n)
{
    dice = dice * 1103515245 + 12345;
    return (dice >> 16) % n;
}

/* Ids as servers have them: UUIDs, in their usual form and not, and others. */
static const char *some_id(char ret[static 64], unsigned i)
{
    static const char *const forms[] = {
        "%08x-%04x-4%03x-a%03x-%012x",  "%08x-%04x-4%03x-a%03x-%012x",  "%08X-%04X-4%03X-A%03XD-%012X",
        "%08x-%04x%04x-%04x%04x-%08x",  "uid=%x,%x,%x,%x,%x",           "%08x%04x4%03xa%03x%012x",
        "%08x-%04x-4%03x-a%03x-%012x ",
    };
    sqlite3_snprintf(64, ret, forms[any(ARRAY_SIZE(forms))], i + 1, i, i % 4096, i % 4096, i * 7);
    return ret;
}

/* As sqlite3_mprintf(): %Q is a quoted text, or NULL. */
static void insert(sqlite3 *db, const char *sql, ...)
{
    va_list values;

    va_start(values, sql);
    char *text = sqlite3_vmprintf(sql, values);
    va_end(values);
    run(db, text);
    sqlite3_free(text);
}

static const char *maybe(const char *text)
{
    return any(2) ? text : NULL;
}

static void insert_entry(sqlite3 *db, unsigned i, const char *id)
{
    char dn[96], key[96], digest[72] = "";
    /* Some share a key and are spelt each in its way. */
    unsigned name = any(8) ? i : any(i + 1);

    snprintf(key, sizeof(key), "dc=t\nuid=p%u\n", name);
    sqlite3_snprintf(sizeof(dn), dn, any(3) ? "uid=p%u,dc=t" : "UID=P%u, dc=t", name);
    if (any(5))
        snprintf(digest, sizeof(digest), "%016x%016x%032x", i, any(1000), i);
    insert(db,
           "INSERT INTO entry(n, id, dn, kind, searches, digest, members_digest, gone_usec, gone_why, "
           "dn_key, login_key, primary_key, mail_key, shape, attributes, raw) VALUES(%u, %Q, %Q, %u, "
           "%u, %Q, %Q, %u, %Q, %Q, %Q, %Q, %Q, 1, %Q, %s)",
           2 * i + 1, id, dn, 1 + any(3), any(4), digest, any(4) ? "" : "hidden12",
           any(4) ? 0 : i + 1, maybe("it left"), key, maybe("Login"), maybe("513"), maybe("a@b"), "{\"uid\":[\"x'y\"]}",
           any(2) ? "x'000102030405060708090a0b0c0d0eff'" : "NULL");
    if (!any(4))
        insert(db, "INSERT INTO entry_login(n, key) VALUES(%u, 'other%u')", 2 * i + 1, i);
}

static void insert_member(sqlite3 *db, unsigned count)
{
    unsigned kind = 1 + any(3), whom = any(count + 10), group = 2 * any(count) + 1;
    const char *const keys[] = {"dc=t\nuid=p%u\n", "p%u", "%u"}, *const texts[] = {
        "uid=p%u,dc=t", "UID=p%u,DC=t", "P%u", "%u"};
    char key[64], text[64];

    sqlite3_snprintf(sizeof(key), key, keys[kind - 1], whom);
    sqlite3_snprintf(sizeof(text), text, texts[kind == 1 ? any(2) : kind], whom);
    insert(db, "INSERT OR IGNORE INTO member(group_n, kind, key, text) VALUES(%u, %u, %Q, %Q)", group,
           kind, key, text);
    if (!any(10))
        insert(db, "INSERT OR IGNORE INTO stale(group_n, key, entry_n) VALUES(%u, %Q, %u)", group, key,
               2 * any(count) + 1);
}

static void insert_person(sqlite3 *db, unsigned i, const char *id)
{
    char dn[96];

    sqlite3_snprintf(sizeof(dn), dn, any(3) ? "uid=p%u,dc=t" : "uid=p%u,ou=before,dc=t", i);
    if (any(4))
        insert(db,
               "INSERT INTO person(entry_id, dn, verdict, bucket, bucket_code, run, recheck_usec, "
               "login_key, code, sentence, wanted, done, done_run) VALUES(%Q, %Q, %u, %u, %Q, %u, %u, "
               "%Q, %Q, %Q, %Q, %u, %u)",
               id, any(10) ? dn : "", any(5), any(9), maybe("why"), any(9), any(3), maybe("p"),
               maybe("code"), maybe("It is so."), maybe("{}"), any(4), any(9));
    for (unsigned aside = 0; aside < 2; aside++)
        if (any(3))
            insert(db,
                   "INSERT INTO %s(entry_id, login, login_key, status, disabled_by_us, created_usec, "
                   "leaving_usec, remote_id, origin, leaving_why, known, granted, drift, quirks, "
                   "renamed_there, gone, last_login_usec) VALUES(%Q, 'L%u', 'l%u', %u, %u, %u, %u, %Q, "
                   "'create', %Q, %Q, %Q, %Q, %Q, %u, %u, %u)",
                   aside ? "link_aside" : "link", id, i, i, 1 + any(3), any(2), i, any(9), maybe("7-x"),
                   maybe("gone"), maybe("{\"a\":1}"), maybe("{}"), maybe("role: x"), maybe("{}"), any(2),
                   any(3), any(99));
    for (unsigned n = any(3); n > 0; n--)
        insert(db,
               "INSERT INTO operation(kind, state, entry_id, not_before_usec, since_usec, attempts, run, "
               "approved, budget, dn, login, reason, cause, sentence, why, approved_for, changes, revokes, "
               "due_usec) VALUES(%u, %u, %Q, %u, %u, %u, %u, %u, %u, %Q, 'l%u', %Q, %Q, %Q, %Q, %Q, '[]', "
               "%u, %u)",
               1 + any(8), 1 + any(4), id, any(99), any(99), any(3), any(9), any(2), any(3), dn, i,
               maybe("budget"), maybe("c"), maybe("s"), maybe("w"), maybe("f"), any(2), any(9));
    if (!any(3))
        insert(db, "INSERT INTO password_due VALUES(%Q, %u, %u, %Q)", id, any(9), i, maybe("no"));
}

/* A file of the form of then with `count` entries, and people who have none. */
static void fill_then(sqlite3 *db, unsigned seed, unsigned count)
{
    char id[64];

    dice = seed;
    run(db, "BEGIN; INSERT INTO shape VALUES(1, 'x'); INSERT INTO meta VALUES('a', 'b');"
            "INSERT INTO round VALUES(1, 3, 40, 9); INSERT INTO run(trigger) VALUES('t'); INSERT INTO run(trigger) VALUES('u')");
    for (unsigned i = 0; i < count + count / 4; i++) {
        some_id(id, i);
        if (i < count)
            insert_entry(db, i, id);
        insert_person(db, i, id);
        if (i < count && !any(3))
            insert(db, "INSERT INTO dirty(entry_id) VALUES(%Q)", id);
        if (i < count && !any(9))
            insert(db, "INSERT INTO bound_group VALUES('key%u', %Q, 'cn=g')", i, id);
    }
    for (unsigned i = 0; i < 3 * count; i++)
        insert_member(db, count);
    /* The number of the last operation is not given again, although it is done. */
    run(db, "DELETE FROM operation WHERE number = (SELECT max(number) FROM operation); COMMIT");
}

static char *facts_of(sqlite3 *db, bool now)
{
    CLEANUP(buffer_done) struct buffer text = {0};

    for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
        CLEANUP(freep) char *rows = rows_of(db, now ? facts[i].now : facts[i].then);
        buffer_format(&text, "-- %zu\n%s", i, rows);
    }
    return buffer_take(&text);
}

/* Makes the file anew in the form of then; gives what it holds. */
static char *make_then(struct fixture *f, unsigned seed, unsigned count)
{
    f->s = state_close(f->s);
    assert_int_equal(unlink(f->path), 0);
    sqlite3 *db = open_file(f->path);
    ok(f, migrate_to(db, f->path, 0, BEFORE_NUMBERS, &f->e));
    run(db, "PRAGMA auto_vacuum=NONE; VACUUM; PRAGMA journal_mode=WAL");
    fill_then(db, seed, count);
    char *held = facts_of(db, false);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(chmod(f->path, 0600), 0);
    return held;
}

static void compare(const char *before, const char *after)
{
    size_t i = 0, line = 0;

    for (; before[i] && before[i] == after[i]; i++)
        if (before[i] == '\n')
            line = i + 1;
    if (before[i] || after[i])
        fail_msg("before: %.300s\nafter:  %.300s", before + line, after + line);
}

static void opens_as(struct fixture *f, const char *held)
{
    int64_t mode = 0;

    ok(f, state_open(&f->s, f->path, NULL, &f->e));
    CLEANUP(freep) char *now = facts_of(f->s->db, true);
    CLEANUP(freep) char *sound = rows_of(f->s->db, "PRAGMA integrity_check");
    compare(held, now);
    assert_string_equal(sound, "ok|\n");
    ok(f, db_number(f->s->db, f->path, "PRAGMA auto_vacuum", &mode, &f->e));
    assert_int_equal(mode, 2);
}

static void test_random_files(void **state)
{
    struct fixture *f = *state;

    for (unsigned seed = 1; seed <= 12; seed++) {
        CLEANUP(freep) char *held = make_then(f, seed, 10 * seed);
        opens_as(f, held);
    }
}

/* A new file has the tables of one that was taken over. */
static void test_new_file(void **state)
{
    static const char schema[] = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2";
    struct fixture *f = *state;
    CLEANUP(freep) char *new = rows_of(f->s->db, schema);
    CLEANUP(freep) char *held = make_then(f, 1, 0);

    opens_as(f, held);
    CLEANUP(freep) char *taken = rows_of(f->s->db, schema);
    compare(new, taken);
}

/* What is left over of nobody: numbers, names. Each table is the last that has them once. */
static void test_nothing_is_left(void **state)
{
    static const char *const tables[] = {"entry",     "member", "stale",        "person",     "link",
                                         "operation", "dirty",  "password_due", "link_aside", "bound_group"};
    struct fixture *f = *state;

    for (size_t last = 0; last < ARRAY_SIZE(tables); last++) {
        CLEANUP(freep) char *held = make_then(f, 5, 60);

        opens_as(f, held);
        for (size_t i = 1; i <= ARRAY_SIZE(tables); i++)
            insert(f->s->db, "DELETE FROM %s", tables[(last + i) % ARRAY_SIZE(tables)]);
        CLEANUP(freep) char *left = rows_of(
            f->s->db, "SELECT (SELECT count(*) FROM identity), (SELECT count(*) FROM name)");
        assert_string_equal(left, "0|0|\n");
        /* And no number comes back. */
        run(f->s->db, "INSERT INTO identity(id) VALUES('new')");
        CLEANUP(freep) char *next = rows_of(f->s->db, "SELECT max(n) > 60 FROM identity");
        assert_string_equal(next, "1|\n");
    }
}

/* What the manual tells people to ask can be asked. */
static void test_documented(void **state)
{
    struct fixture *f = *state;
    const char *top = getenv("abs_top_srcdir");
    char path[4096], line[4096];
    size_t n = 0;

    snprintf(path, sizeof(path), "%s/docs/operations.md", top ? top : ".");
    FILE *in = fopen(path, "re");
    assert_non_null(in);
    while (fgets(line, sizeof(line), in)) {
        char *sql = strstr(line, "`SELECT "), *end = sql ? strchr(sql + 1, '`') : NULL;
        if (!end)
            continue;
        *end = '\0';
        CLEANUP(freep) char *rows = rows_of(f->s->db, sql + 1);
        assert_string_equal(rows, "");
        n++;
    }
    fclose(in);
    assert_int_equal(n, 5);
}

static uint64_t usec_now(void)
{
    struct timespec now;

    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Opens it in another process, which is killed after so long (0: not). Was it? */
static bool open_and_kill(struct fixture *f, uint64_t after_usec)
{
    int status = -1, ready[2];
    char byte;

    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct state *s = NULL;
        if (write(ready[1], "x", 1) != 1)
            _exit(2);
        int r = state_open(&s, f->path, NULL, &f->e);
        _exit(r == 0 ? 0 : 1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    if (after_usec) {
        struct timespec wait = {(time_t)(after_usec / 1000000),
                                (long)(after_usec % 1000000 * 1000)};
        nanosleep(&wait, NULL); /* the moment is what is drawn, and nothing is waited for */
        kill(pid, SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!after_usec)
        assert_int_equal(status, 0);
    return WIFSIGNALED(status);
}

static void test_killed(void **state)
{
    struct fixture *f = *state;
    CLEANUP(freep) char *whole = make_then(f, 3, 400);
    uint64_t begun = usec_now();
    unsigned n_killed = 0;

    assert_false(open_and_kill(f, 0));
    uint64_t lasts = usec_now() - begun;
    f->s = NULL;
    ok(f, state_open(&f->s, f->path, NULL, &f->e));
    for (unsigned i = 1; i <= 16; i++) {
        CLEANUP(freep) char *held = make_then(f, 3, 400);
        n_killed += open_and_kill(f, 1 + lasts * i / 16);
        opens_as(f, held);
    }
    assert_true(n_killed > 0);
}

static int64_t size_of(const struct fixture *f, const char *suffix)
{
    char path[128];
    struct stat st;

    snprintf(path, sizeof(path), "%s%s", f->path, suffix);
    return stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}

/* Opens it in another process, where no file may be larger; 0 or 1, whether that went well. */
static int open_small(struct fixture *f, int64_t limit)
{
    int status = -1;
    pid_t pid = fork();

    if (pid == 0) {
        struct rlimit small = {(rlim_t)limit, (rlim_t)limit};
        struct state *s = NULL;
        if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR || setrlimit(RLIMIT_FSIZE, &small) < 0)
            _exit(2);
        int r = state_open(&s, f->path, NULL, &f->e);
        _exit(r == 0 ? 0 : r == -ENOSPC ? 1 : 3);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
    return WEXITSTATUS(status);
}

/* What did not fit is not left to fill the disk, and what there was is there. */
static void test_does_not_fit(void **state)
{
    struct fixture *f = *state;
    CLEANUP(freep) char *first = make_then(f, 3, 1500);
    int64_t size = size_of(f, "");
    unsigned n_failed = 0;

    for (unsigned eighths = 9; eighths <= 48; eighths += 3) {
        CLEANUP(freep) char *held = make_then(f, 3, 1500);
        n_failed += open_small(f, size * eighths / 8);
        assert_int_equal(size_of(f, "-wal"), 0);
        assert_int_equal(size_of(f, ".new"), 0);
        opens_as(f, held);
    }
    assert_true(n_failed > 0);
}

/* One that cannot be made smaller stays as large as it is. */
static void test_cannot_shrink(void **state)
{
    struct fixture *f = *state;
    CLEANUP(freep) char *held = make_then(f, 3, 1500);
    int64_t mode = -1;

    opens_as(f, held);
    f->s = state_close(f->s);
    sqlite3 *db = open_file(f->path);
    run(db,
        "PRAGMA journal_mode=DELETE; PRAGMA auto_vacuum=NONE; VACUUM; PRAGMA journal_mode=WAL");
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(open_small(f, size_of(f, "")), 0);
    assert_int_equal(size_of(f, "-wal"), 0);
    db = open_file(f->path);
    ok(f, db_number(db, f->path, "PRAGMA auto_vacuum", &mode, &f->e));
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(mode, 0);
    opens_as(f, held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(test_random_files),  test(test_new_file), test(test_nothing_is_left),
        test(test_documented),    test(test_killed),   test(test_does_not_fit),
        test(test_cannot_shrink),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
