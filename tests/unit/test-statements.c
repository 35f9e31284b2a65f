/*
 * Every SQL statement of the program, as it stands in the daemon's binary, on tables with
 * 10,000 rows: it is valid, and reads no more than it may (statement-plan.h). And what a
 * statement of another type writes is refused where the tests run, and found in the daemon's
 * file.
 */
#include "config.h"

#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "state-fixture.h"
#include "state/db.h"
#include "statement-plan.h"

static void say_wrong(const char *sql, const char *why)
{
    print_error("%s\n    reads all, or is no statement: %s\n", sql, why);
}

static void say_unused(const char *sql, const char *why)
{
    print_error("%s\n    is allowed (%s), and no such statement reads all\n", sql, why);
}

static bool is_statement(const char *text)
{
    static const char *const verbs[] = {"SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH "};

    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
        if (strncmp(text, verbs[i], strlen(verbs[i])) == 0)
            return true;
    return false;
}

static void read_file(const char *path, struct buffer *to)
{
    FILE *file = fopen(path, "re");
    char block[65536];
    size_t n;

    if (!file)
        fail_msg("%s cannot be read", path);
    while ((n = fread(block, 1, sizeof(block), file)) > 0)
        buffer_add(to, block, n);
    buffer_add(to, "", 1);
    (void)fclose(file);
    assert_false(to->failed);
}

static void fill(struct fixture *f)
{
    static const char rows[] =
        "WITH RECURSIVE i(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM i WHERE x < 10000) ";
    static const char *const inserts[] = {
        "INSERT INTO identity(n, id) SELECT x, 'e' || x FROM i",
        "INSERT INTO name(n, kind, key, text) SELECT x, 1, 'k' || x, 'd' || x FROM i",
        "INSERT INTO entry(n, name_n, kind, searches, digest, members_digest, login_key, shape, "
        "attributes) SELECT x, x, 1 + x % 2, 1, x'', '', 'l' || x, 1, '[]' FROM i",
        "INSERT INTO person(n, verdict, bucket, run) SELECT x, 1, 0, x FROM i",
        "INSERT INTO link(n, login, login_key, status, disabled_by_us, origin) SELECT "
        "x, 'l' || x, 'l' || x, 1, 0, '' FROM i",
        "INSERT INTO operation(kind, state, entry_n, attempts, run, approved, budget, dn, "
        "login, changes) SELECT 1, 1, x, 0, 1, 0, 1, '', '', '[]' FROM i",
        "INSERT INTO member(group_n, kind, name_n) SELECT x % 50, 1, x FROM i",
        "INSERT INTO trail(seq, line, hash) SELECT x, '', '' FROM i",
        "INSERT INTO listing(login_key, login) SELECT 'l' || x, '' FROM i",
        "INSERT INTO budget_use(budget, at_usec, n) SELECT 1, x, 1 FROM i",
        "INSERT INTO dirty(entry_n) SELECT x FROM i",
        "INSERT INTO round(stage, passed_n, last_n, n_left) SELECT 1, 0, 10, 10",
        "INSERT INTO approval(number, until_usec, about) SELECT x, 0, '' FROM i",
        "INSERT INTO approval_part(number, approval, operations) SELECT x, x, '' FROM i",
        "INSERT INTO freed(cause, cause_end, at_usec) SELECT 'c' || x, 'd', 0 FROM i",
    };

    begin(f);
    for (size_t i = 0; i < ARRAY_SIZE(inserts); i++) {
        CLEANUP(buffer_done) struct buffer sql = {0};

        buffer_add_text(&sql, rows);
        buffer_add_text(&sql, inserts[i]);
        ok(f, db_exec(f->s->db, f->path, sql.data, &f->e));
    }
    commit(f);
}

static void test_no_statement_reads_all(void **state)
{
    struct fixture *f = *state;
    CLEANUP(buffer_done) struct buffer binary = {0};
    const char *top = getenv("abs_top_builddir");
    char path[4096];
    size_t n = 0;
    int n_wrong = 0;

    snprintf(path, sizeof(path), "%s/rosterd", top ? top : ".");
    read_file(path, &binary);
    fill(f);
    sqlite3_db_config(f->s->db, SQLITE_DBCONFIG_TRIGGER_EQP, 1, NULL); /* what triggers read, too */
    for (const char *at = binary.data, *end = at + binary.size; at < end;
         at += strlen(at) + 1) {
        if (!is_statement(at))
            continue;
        n++;
        n_wrong += statement_check(f->s->db, at, say_wrong);
    }
    if (n < 100) /* they are elsewhere now: look there */
        fail_msg("only %zu statements were found in %s", n, path);
    n_wrong += statement_check_list(say_unused);
    assert_int_equal(n_wrong, 0);
}

/* The measure itself. */
static void test_the_measure(void **state)
{
    (void)state;
    assert_true(
        statement_reads_all("SEARCH o USING INDEX operation_state (state=? AND kind=?)"));
    assert_true(statement_reads_all("SEARCH operation USING INDEX operation_state (state=?)"));
    assert_false(statement_reads_all("SEARCH o USING INDEX x (state=? AND entry_id=?)"));
    assert_false(
        statement_reads_all("SEARCH o USING INDEX operation_ready (not_before_usec<?)"));
    assert_false(statement_reads_all("SEARCH g USING INTEGER PRIMARY KEY (rowid=?)"));
    assert_false(statement_reads_all("SCAN b"));
    assert_true(statement_reads_all("SCAN bound_group"));
    assert_true(is_statement("UPDATE operation SET state = 1"));
    assert_false(is_statement("UPDATED"));
}

#define OTHER_TYPE "INSERT INTO dirty(entry_n) VALUES ('none')"

static void write_other_type_and_die(struct fixture *f)
{
    int wrong = state_open(&f->s, f->path, NULL, &f->e);

    wrong |= state_trust_types(f->s, &f->e);
    wrong |= db_exec(f->s->db, f->path, OTHER_TYPE, &f->e);
    _exit(wrong ? 1 : 0);
}

static void test_types(void **state)
{
    struct fixture *f = *state;
    int status = -1;

    assert_true(db_exec(f->s->db, f->path, OTHER_TYPE, &f->e) < 0);
    assert_int_equal(sqlite3_extended_errcode(f->s->db), SQLITE_CONSTRAINT_CHECK);
    f->s = state_close(f->s);
    pid_t pid = fork();
    if (pid == 0)
        write_other_type_and_die(f);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(state_open(&f->s, f->path, NULL, &f->e), STATE_DAMAGED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_measure),
        test(test_no_statement_reads_all),
        test(test_types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
