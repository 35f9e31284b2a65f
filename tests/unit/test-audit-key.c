/*
 * Another key for the audit, with the process killed at every system call that changes something on
 * the disk: after the next start one of both keys signs, whoever trusts either verifies all, and
 * nothing of the other one is left beside.
 */
#include "config.h"

#include "audit-test.h"
#include "audit/signer.h"
#include "dying-writes.h"

static char key_path[128];

static struct audit_export *open_signed(struct fixture *f)
{
    struct audit_export *x = NULL;
    bool older;

    snprintf(key_path, sizeof(key_path), "%s/audit.key", f->folder);
    ok(f, audit_export_open(&x, f->s, audit_path, false, &older, &f->e));
    ok(f, audit_export_sign(x, key_path, &f->e));
    return x;
}

static void live(struct fixture *f, struct audit_export *x, const char *event)
{
    record(f, event, "x");
    record(f, "skip", "x");
    ok(f, audit_export_run(x, &f->e));
}

static void open_state(struct fixture *f)
{
    bool created = true;

    ok(f, state_open(&f->s, f->path, &created, &f->e));
}

/* A key that cannot take the place of the one before signs all the same. */
static void renew_where_none_can_be_put(struct fixture *f, struct audit_export *x)
{
    char aside[160];

    snprintf(aside, sizeof(aside), "%s.aside", key_path);
    assert_int_equal(rename(key_path, aside), 0);
    assert_int_equal(mkdir(key_path, 0700), 0);
    assert_true(audit_export_renew_key(x, &f->e) < 0);
    assert_true(audit_export_renew_key(x, &f->e) < 0);
    assert_int_equal(rmdir(key_path), 0);
    assert_int_equal(rename(aside, key_path), 0);
}

/* How many calls it made; -1: it was killed. again: after another one that stands beside still. */
static long renew_in_a_process(struct fixture *f, long dies, bool again)
{
    int pipes[2], status;
    long n = -1;

    assert_int_equal(pipe(pipes), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        open_state(f);
        struct audit_export *x = open_signed(f);

        live(f, x, "start");
        if (again)
            renew_where_none_can_be_put(f, x);
        n_calls = 0;
        dies_at = dies;
        ok(f, audit_export_renew_key(x, &f->e));
        ok(f, audit_export_run(x, &f->e));
        n = n_calls;
        dies_at = 0;
        _exit(write(pipes[1], &n, sizeof(n)) == sizeof(n) ? 0 : 5);
    }
    close(pipes[1]);
    if (read(pipes[0], &n, sizeof(n)) != sizeof(n))
        n = -1;
    close(pipes[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
    return n;
}

static void verify_by(struct fixture *f, const char *key, long n)
{
    struct audit_verify_result v = {0};
    struct audit_verify_options options = {.key = key};

    ok(f, audit_verify(FILES(audit_path), &options, &v, &f->e));
    if (v.n_findings)
        fail_msg("killed at %ld, by %s: line %u: %s", n, key, v.findings->line,
                 v.findings->sentence);
    audit_verify_result_done(&v);
}

/* The next start; returns whether the new key signs. */
static bool start_again(struct fixture *f, const char *old, long n, bool again)
{
    char beside[160];

    open_state(f);
    struct audit_export *x = open_signed(f);
    CLEANUP(freep) char *key = strdup(audit_export_key(x));
    size_t handed_over;

    live(f, x, "start");
    audit_export_close(x);
    f->s = state_close(f->s);
    handed_over = count_text("\"ev\":\"key\"");
    assert_int_equal(handed_over > 0, strcmp(key, old) != 0);
    assert_in_range(handed_over, again, 1 + again);
    verify_by(f, old, n);
    verify_by(f, key, n);
    snprintf(beside, sizeof(beside), "%s.new", key_path);
    assert_true(access(beside, F_OK) < 0);
    return handed_over > again;
}

static void remove_state(const struct fixture *f)
{
    char state[110];
    static const char *const ends[] = {"", "-wal", "-shm"};

    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        snprintf(state, sizeof(state), "%s%s", f->path, ends[i]);
        (void)unlink(state);
    }
}

static char *begin_with_a_key(struct fixture *f)
{
    remove_state(f);
    (void)unlink(audit_path);
    (void)unlink(key_path);
    open_state(f);
    struct audit_export *x = open_signed(f);
    char *old = strdup(audit_export_key(x));

    live(f, x, "start");
    audit_export_close(x);
    f->s = state_close(f->s);
    return old;
}

static void kill_everywhere(struct fixture *f, bool again)
{
    bool handed_over = false;
    long total;

    (void)umask(0077);
    f->s = state_close(f->s);
    snprintf(key_path, sizeof(key_path), "%s/audit.key", f->folder);
    free(begin_with_a_key(f));
    total = renew_in_a_process(f, -1, again);
    assert_true(total > 8);
    for (long n = 1; n <= total; n++) {
        CLEANUP(freep) char *old = begin_with_a_key(f);

        assert_int_equal(renew_in_a_process(f, n, again), -1);
        bool now = start_again(f, old, n, again);
        assert_true(now || !handed_over); /* what was handed over stays so */
        handed_over = now;
    }
    assert_true(handed_over);
    print_message("%ld calls\n", total);
}

static void test_killed_everywhere(void **state)
{
    kill_everywhere(*state, false);
}

static void test_killed_with_one_beside(void **state)
{
    kill_everywhere(*state, true);
}

/* For lack of a descriptor, say: it may be the key that signs. */
static void test_key_that_cannot_be_read(void **state)
{
    struct fixture *f = *state;
    struct rlimit before, none;
    struct signer *s = NULL, *found = NULL;

    snprintf(key_path, sizeof(key_path), "%s/audit.key", f->folder);
    ok(f, signer_prepare(&s, key_path, &f->e));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int r = signer_settle(key_path, signer_vkey(s), &f->e);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(r, -EMFILE);
    ok(f, signer_settle(key_path, signer_vkey(s), &f->e));
    ok(f, signer_open(&found, key_path, &f->e));
    assert_string_equal(signer_vkey(found), signer_vkey(s));
    signer_free(s);
    signer_free(found);
}

static void copy_file(const char *from, const char *to)
{
    char block[8192];
    FILE *a = fopen(from, "re"), *b = fopen(to, "we");

    assert_true(a && b);
    for (size_t n; (n = fread(block, 1, sizeof(block), a)) > 0;)
        assert_int_equal(fwrite(block, 1, n, b), n);
    (void)fclose(a);
    assert_int_equal(fclose(b), 0);
}

/* A copy of the state from before the key was changed: the line that says so again names the key
 * that signs already. */
static void test_older_state(void **state)
{
    struct fixture *f = *state;
    char copy[110];

    (void)umask(0077);
    f->s = state_close(f->s);
    CLEANUP(freep) char *old = begin_with_a_key(f);
    snprintf(copy, sizeof(copy), "%s.copy", f->path);
    copy_file(f->path, copy);
    assert_true(renew_in_a_process(f, -1, false) > 0);
    remove_state(f);
    assert_int_equal(rename(copy, f->path), 0);
    open_state(f);
    struct audit_export *x = NULL;
    bool older;
    ok(f, audit_export_open(&x, f->s, audit_path, false, &older, &f->e));
    assert_true(older);
    ok(f, audit_export_sign(x, key_path, &f->e));
    CLEANUP(freep) char *key = strdup(audit_export_key(x));
    live(f, x, "start");
    audit_export_close(x);
    assert_string_not_equal(key, old);
    assert_int_equal(count_text("\"ev\":\"key\""), 2);
    verify_by(f, old, 0);
    verify_by(f, key, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        audit_test(test_killed_everywhere),
        audit_test(test_killed_with_one_beside),
        audit_test(test_key_that_cannot_be_read),
        audit_test(test_older_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
