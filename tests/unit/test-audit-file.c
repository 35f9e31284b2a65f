/*
 * The audit's file: what is written to it and dropped from the state, its rotation, and that it
 * is one instance's alone.
 */
#include "config.h"

#include "audit-test.h"

static void test_export_and_prune(void **state)
{
    struct fixture *f = *state;
    struct audit_export *x = open_export(f, false);
    struct trail_head head;
    int64_t first = 0;
    struct stat st;

    for (int i = 0; i < 100; i++)
        record(f, "skip", "x");
    ok(f, audit_export_run(x, &f->e));
    ok(f, audit_export_run(x, &f->e)); /* nothing new: nothing twice */
    whole(f, 100, FILES(audit_path));
    assert_int_equal(stat(audit_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    record(f, "skip", "y"); /* notes, and drops what is in the file, but for the last lines */
    ok(f, trail_first(f->s, &first, &f->e));
    assert_int_equal(first, 101 - TRAIL_KEPT + 1);
    ok(f, audit_export_run(x, &f->e));
    audit_export_close(x);
    ok(f, trail_head(f->s, &head, &f->e));
    assert_int_equal(head.seq, 101);
    reopen(f);
    record(f, "skip", "z");
    export_all(f);
    whole(f, 102, FILES(audit_path));
}

/* Each time other pages of the state file are written. */
static void test_dropped_in_steps(void **state)
{
    struct fixture *f = *state;
    struct audit_export *x = open_export(f, false);
    int64_t first = 0, before = 1, n_steps = 0;

    for (int64_t n = 1; n <= TRAIL_KEPT + 10 * TRAIL_STEP; n++, before = first) {
        record(f, "skip", "x");
        ok(f, audit_export_run(x, &f->e));
        ok(f, trail_first(f->s, &first, &f->e));
        assert_true(n <= TRAIL_KEPT || n - first + 1 >= TRAIL_KEPT);
        assert_true(n - first < TRAIL_KEPT + TRAIL_STEP);
        n_steps += first != before;
    }
    assert_int_equal(n_steps, 10);
    audit_export_close(x);
}

static void test_rotation(void **state)
{
    struct fixture *f = *state;
    struct audit_export *x = open_export(f, false);
    char third[160];

    record(f, "skip", "1");
    record(f, "skip", "2");
    ok(f, audit_export_run(x, &f->e));
    assert_int_equal(rename(audit_path, rotated_path), 0);
    record(f, "skip", "3");
    ok(f, audit_export_run(x, &f->e)); /* notices by itself */
    whole(f, 3, FILES(rotated_path, audit_path));
    whole(f, 3, FILES(audit_path, rotated_path)); /* in any order */
    snprintf(third, sizeof(third), "%s.2", audit_path);
    assert_int_equal(rename(rotated_path, third), 0);
    assert_int_equal(rename(audit_path, rotated_path), 0);
    ok(f, audit_export_reopen(x, &f->e));
    audit_export_close(x);
    /* Rotated while it was down. */
    record(f, "skip", "4");
    export_all(f);
    whole(f, 4, FILES(rotated_path, third, audit_path));
    whole(f, 2, FILES(rotated_path, audit_path)); /* the oldest is gone by retention */
    broken(f, audit_path, 1, "missing", FILES(third, audit_path));
}

/* The file is one instance's, and what is put there during a rotation is looked at. */
static void test_not_ours_alone(void **state)
{
    struct fixture *f = *state;
    struct audit_export *x = open_export(f, false), *second = NULL;
    bool older;
    FILE *foreign;

    record(f, "skip", "1");
    ok(f, audit_export_run(x, &f->e));
    assert_int_equal(audit_export_open(&second, f->s, audit_path, false, &older, &f->e),
                     -EBUSY);
    assert_non_null(strstr(f->e.message, "another rosterd"));
    assert_int_equal(rename(audit_path, rotated_path), 0);
    assert_int_equal(symlink(rotated_path, audit_path), 0);
    record(f, "skip", "2");
    assert_int_equal(audit_export_run(x, &f->e), -ELOOP);
    assert_int_equal(unlink(audit_path), 0);
    foreign = fopen(audit_path, "we");
    assert_non_null(foreign);
    fputs("root:x:0:0\n", foreign);
    assert_int_equal(fclose(foreign), 0);
    assert_int_equal(audit_export_run(x, &f->e), -EINVAL);
    assert_int_equal(unlink(audit_path), 0);
    assert_int_equal(mknod(audit_path, S_IFREG | 0600, 0), 0);
    assert_int_equal(chmod(audit_path, 0666), 0);
    assert_int_equal(audit_export_run(x, &f->e), -EPERM);
    assert_int_equal(unlink(audit_path), 0);
    ok(f, audit_export_run(x, &f->e));
    whole(f, 2, FILES(rotated_path, audit_path));
    audit_export_close(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        audit_test(test_export_and_prune),
        audit_test(test_dropped_in_steps),
        audit_test(test_rotation),
        audit_test(test_not_ours_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
