/*
 * What the proof finds: lines that were changed, cut off or put in, files that are not ours, a
 * state that is older than its audit, a process that was killed.
 */
#include "config.h"

#include "audit-test.h"
#include "state/db.h"

static void write_lines(const char *path, char *const *lines, size_t n, bool newline_at_end)
{
    FILE *out = fopen(path, "we");

    assert_non_null(out);
    for (size_t i = 0; i < n; i++)
        fprintf(out, "%s%s", lines[i], i + 1 < n || newline_at_end ? "\n" : "");
    assert_int_equal(fclose(out), 0);
}

static void copy_file(const char *from, const char *to)
{
    char block[8192];
    size_t n;
    FILE *in = fopen(from, "re"), *out = fopen(to, "we");

    assert_non_null(in);
    assert_non_null(out);
    while ((n = fread(block, 1, sizeof(block), in)) > 0)
        assert_int_equal(fwrite(block, 1, n, out), n);
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

/* T53: an older copy of the state file comes back. */
static void test_state_restored(void **state)
{
    struct fixture *f = *state;
    struct audit_export *x;
    char saved[160];

    snprintf(saved, sizeof(saved), "%s.saved", f->path);
    record(f, "skip", "1");
    export_all(f);
    f->s = state_close(f->s);
    copy_file(f->path, saved);
    reopen(f);
    for (int i = 0; i < 5; i++)
        record(f, "skip", "later");
    export_all(f);
    f->s = state_close(f->s);
    copy_file(saved, f->path);
    reopen(f);
    record(f, "start", "before the audit is opened");
    x = open_export(f, true);
    record(f, "skip", "after");
    ok(f, audit_export_run(x, &f->e));
    audit_export_close(x);
    whole(f, 9, FILES(audit_path)); /* 6 + start + repair + after */
    assert_int_equal(count_text("state-restored"), 1);
    assert_int_equal(count_text("\"d\":{\"known\":1}"), 1); /* the line that both have */
    assert_int_equal(count_text("before the audit is opened"), 1);
    export_all(f);
    whole(f, 9, FILES(audit_path));
}

/* The state file is lost altogether, and even has as many rows as the file. */
static void test_state_new(void **state)
{
    struct fixture *f = *state;
    struct audit_export *x;
    bool created;

    record(f, "skip", "1");
    record(f, "skip", "2");
    export_all(f);
    f->s = state_close(f->s);
    assert_int_equal(unlink(f->path), 0);
    ok(f, state_open(&f->s, f->path, &created, &f->e));
    for (int i = 0; i < 3; i++)
        record(f, "skip", "new");
    x = open_export(f, true);
    ok(f, audit_export_run(x, &f->e));
    audit_export_close(x);
    whole(f, 6, FILES(audit_path));
    assert_int_equal(count_text("\"say\":\"new\""), 3);
}

static void test_file_tampered(void **state)
{
    struct fixture *f = *state;
    struct text t;

    for (int i = 0; i < 4; i++)
        record(f, "skip", "x");
    export_all(f);
    /* The last line, which no later one vouches for. */
    t = read_lines(audit_path);
    *strstr(t.lines[3], "skip") = 'S';
    write_lines(audit_path, t.lines, 4, true);
    free_lines(&t);
    export_all(f);
    assert_int_equal(count_text("file-changed"), 1);
    broken(f, audit_path, 4, "changed", FILES(audit_path));
}

/* What the state still has of the lines that were cut off is appended again, and said; what it has
 * not is missing. */
static void test_file_cut(void **state)
{
    struct fixture *f = *state;
    struct text t;

    for (int i = 0; i < 99; i++)
        record(f, "skip", "x");
    export_all(f);
    record(f, "skip", "y");
    export_all(f);
    t = read_lines(audit_path);
    write_lines(audit_path, t.lines, 80, true);
    export_all(f);
    assert_int_equal(count_text("The lines 81 to 100 were in"), 1);
    assert_int_equal(count_text("from line 81 on they are appended again"), 1);
    whole(f, 101, FILES(audit_path));
    write_lines(audit_path, t.lines, 2, true);
    free_lines(&t);
    export_all(f);
    assert_int_equal(count_text("lines-missing"), 2);
    assert_int_equal(count_text("The lines 3 to 101 were in"), 1);
    broken(f, audit_path, 3, "missing", FILES(audit_path));
}

static void test_not_ours(void **state)
{
    struct fixture *f = *state;
    struct audit_export *x = NULL;
    bool older;

    record(f, "skip", "x");
    append_bytes("somebody's notes\n");
    assert_int_equal(audit_export_open(&x, f->s, audit_path, false, &older, &f->e), -EINVAL);
    assert_int_equal(count_text("notes"), 1);
    assert_int_equal(unlink(audit_path), 0);
    append_bytes("no newline");
    assert_int_equal(audit_export_open(&x, f->s, audit_path, false, &older, &f->e), -EINVAL);
    snprintf(audit_path, sizeof(audit_path), "%s/no/audit.log", f->folder);
    assert_int_equal(audit_export_open(&x, f->s, audit_path, false, &older, &f->e), -ENOENT);
}

static void test_file_cannot_grow(void **state)
{
    struct fixture *f = *state;
    int status;
    pid_t pid;

    f->s = state_close(f->s);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        /* Above the size that the state file needs. */
        struct rlimit limit = {.rlim_cur = 1000, .rlim_max = RLIM_INFINITY};
        struct audit_export *x = NULL;
        bool b;

        signal(SIGXFSZ, SIG_IGN);
        if (state_open(&f->s, f->path, &b, &f->e) != 0 ||
            audit_export_open(&x, f->s, audit_path, false, &b, &f->e) < 0)
            _exit(1);
        for (int i = 0; i < 10; i++) {
            if (state_begin(f->s, &f->e) < 0 ||
                audit_record(f->s, &(struct audit_row){.event = "skip"}, &f->e) < 0 ||
                state_commit(f->s, &f->e) < 0)
                _exit(2);
        }
        if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
            _exit(3);
        for (int i = 0; i < 2; i++)
            if (audit_export_run(x, &f->e) != -EFBIG || !strstr(f->e.message, "10 audit lines wait"))
                _exit(4);
        limit.rlim_cur = RLIM_INFINITY;
        if (setrlimit(RLIMIT_FSIZE, &limit) < 0 || audit_export_run(x, &f->e) != 0)
            _exit(5);
        audit_export_close(x);
        state_close(f->s);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    whole(f, 10, FILES(audit_path));
    reopen(f);
    export_all(f);
    assert_int_equal(count_text("repair"), 0);
}

/* Changes copies of eight lines in every way, and must be told each by its name. */
static void test_breaks(void **state)
{
    struct fixture *f = *state;
    struct text t;
    char *copy[16], *changed, *one;
    struct line_chain l;

    for (int i = 0; i < 8; i++)
        record(f, "skip", "abcdef");
    export_all(f);
    t = read_lines(audit_path);
    assert_int_equal(t.n, 8);
#define BREAK(n_copy, line, kind)                                                              \
    do {                                                                                       \
        write_lines(rotated_path, copy, n_copy, true);                                         \
        broken(f, rotated_path, line, kind, FILES(rotated_path));                              \
    } while (0)
#define RESET() memcpy(copy, t.lines, 8 * sizeof(*copy))
    /* A bit in the middle of each line: found at that line. */
    for (size_t i = 0; i < 8; i++) {
        RESET();
        changed = strdup(t.lines[i]);
        strstr(changed, "abcdef")[2] ^= 1;
        copy[i] = changed;
        BREAK(8, (unsigned)i + 1, "changed");
        free(changed);
    }
    /* The hash in a line. */
    RESET();
    changed = strdup(t.lines[4]);
    one = strstr(changed, ",\"prev\":\"") + 20;
    *one = *one == 'a' ? 'b' : 'a';
    copy[4] = changed;
    BREAK(8, 5, "changed");
    free(changed);
    /* The first line's. */
    RESET();
    changed = strdup(t.lines[0]);
    strstr(changed, ",\"prev\":\"")[20] = '1';
    copy[0] = changed;
    BREAK(8, 1, "changed");
    free(changed);
    /* Facts of each line but the last, and of two neighbours: the first of them is named. */
    for (size_t i = 0; i < 7; i++) {
        RESET();
        changed = strdup(t.lines[i]);
        strstr(changed, "skip")[0] = 'S';
        copy[i] = changed;
        BREAK(8, (unsigned)i + 1, "changed");
        free(changed);
    }
    RESET();
    copy[3] = strdup(t.lines[3]);
    copy[4] = strdup(t.lines[4]);
    strstr(copy[3], "skip")[0] = strstr(copy[4], "skip")[0] = 'S';
    BREAK(8, 4, "changed");
    free(copy[3]);
    free(copy[4]);
    /* Something that is no line. */
    RESET();
    copy[3] = (char *)"garbage";
    BREAK(8, 4, "changed");
    /* Removed. */
    RESET();
    memmove(&copy[2], &copy[4], 4 * sizeof(*copy));
    BREAK(6, 3, "missing");
    /* Repeated. */
    RESET();
    memmove(&copy[4], &t.lines[3], 5 * sizeof(*copy));
    BREAK(9, 5, "inserted");
    /* An old one put in again further down. */
    RESET();
    copy[6] = t.lines[1];
    memcpy(&copy[7], &t.lines[6], 2 * sizeof(*copy));
    BREAK(9, 7, "inserted");
    /* A forged one, properly linked to the line before. */
    RESET();
    assert_int_equal(line_parse(t.lines[3], strlen(t.lines[3]), &l), 1);
    changed = line_rechain(t.lines[0], 5, &l.link);
    copy[4] = changed;
    memcpy(&copy[5], &t.lines[4], 4 * sizeof(*copy));
    BREAK(9, 5, "inserted");
    free(changed);
    /* A forged one with a number out of the blue. */
    RESET();
    changed = line_rechain(t.lines[0], 99, &l.link);
    copy[4] = changed;
    memcpy(&copy[5], &t.lines[4], 4 * sizeof(*copy));
    BREAK(9, 5, "inserted");
    free(changed);
    /* Two change places. */
    RESET();
    copy[2] = t.lines[3];
    copy[3] = t.lines[2];
    BREAK(8, 3, "reordered");
    /* The end torn off. */
    RESET();
    write_lines(rotated_path, copy, 8, false);
    broken(f, rotated_path, 8, "torn", FILES(rotated_path));
    /* And as they are: whole. */
    write_lines(rotated_path, copy, 8, true);
    whole(f, 8, FILES(rotated_path));
    free_lines(&t);
}

static void test_verify_others(void **state)
{
    struct fixture *f = *state;
    struct audit_verify_result v = {0};

    whole(f, 0, NULL, 0);
    assert_int_equal(audit_verify(FILES("/nonexistent/x"), NULL, &v, &f->e), -ENOENT);
    append_bytes("");
    whole(f, 0, FILES(audit_path));
    append_bytes("\xfd\x37zXZ");
    assert_int_equal(audit_verify(FILES(audit_path), NULL, &v, &f->e), -EINVAL);
    assert_non_null(strstr(f->e.message, "compressed"));
}

static int count_and_join(int64_t seq, const char *line, void *userdata)
{
    struct line_chain l;
    int64_t *last = userdata;

    assert_int_equal(line_parse(line, strlen(line), &l), 1);
    assert_int_equal(l.seq, seq);
    assert_int_equal(seq, *last + 1);
    *last = seq;
    return 0;
}

static int never(int64_t seq, const char *line, void *userdata)
{
    (void)seq;
    (void)line;
    (void)userdata;
    return 7;
}

/* The lines of a commit are one row, and are found by their numbers all the same; also by whoever
 * asks before it commits. */
static void test_rows_of_many(void **state)
{
    struct fixture *f = *state;
    int64_t last = 0, first = 0;
    CLEANUP(freep) char *huge = calloc(1, 300 * 1024);

    begin(f);
    for (int i = 0; i < 10; i++)
        ok(f, audit_record(f->s, &(struct audit_row){.event = "skip", .sentence = "x"}, &f->e));
    ok(f, trail_each(f->s, 0, count_and_join, &last, &f->e));
    assert_int_equal(last, 10);
    memset(huge, 'h', 300 * 1024 - 1); /* more than a row takes */
    for (int i = 0; i < 3; i++)
        ok(f, audit_record(
                  f->s, &(struct audit_row){.event = "skip", .sentence = i == 1 ? huge : "x"},
                  &f->e));
    commit(f);
    begin(f);
    ok(f, audit_record(f->s, &(struct audit_row){.event = "skip", .sentence = "undone"}, &f->e));
    state_rollback(f->s);
    reopen(f);
    for (int64_t after = 0; after < 13; after++) {
        last = after;
        ok(f, trail_each(f->s, after, count_and_join, &last, &f->e));
        assert_int_equal(last, 13);
    }
    ok(f, trail_first(f->s, &first, &f->e));
    assert_int_equal(first, 1);
    assert_int_equal(trail_line(f->s, 5, never, NULL, &f->e), 7);
    assert_int_equal(trail_line(f->s, 14, never, NULL, &f->e), 0);
    export_all(f);
    whole(f, 13, FILES(audit_path));
    assert_int_equal(count_text("undone"), 0);
}

/* A line that there was no memory for is missing in no row: nothing of its transaction is written,
 * and the next one is. */
static void test_row_without_memory(void **state)
{
    struct fixture *f = *state;
    const struct audit_row row = {.event = "skip", .sentence = "x"};
    struct trail_head head;

    begin(f);
    ok(f, audit_record(f->s, &row, &f->e));
    f->s->trail.pending.failed = true; /* as when it could not grow */
    assert_int_equal(audit_record(f->s, &row, &f->e), -ENOMEM);
    assert_int_equal(state_commit(f->s, &f->e), -ENOMEM);
    begin(f);
    ok(f, audit_record(f->s, &row, &f->e));
    commit(f);
    ok(f, trail_head(f->s, &head, &f->e));
    assert_int_equal(head.seq, 1);
}

static void audit_for_ever(const char *path, int out)
{
    struct audit_export *x = NULL;
    struct state *s = NULL;
    struct error e;
    bool b;

    if (state_open(&s, path, &b, &e) != 0 ||
        audit_export_open(&x, s, audit_path, false, &b, &e) < 0)
        _exit(1);
    for (;;) {
        if (state_begin(s, &e) < 0)
            _exit(2);
        for (int i = 0; i < 3; i++)
            if (audit_record(s, &(struct audit_row){.event = "skip"}, &e) < 0)
                _exit(3);
        if (state_commit(s, &e) < 0 || write(out, "x", 1) != 1 || audit_export_run(x, &e) < 0)
            _exit(4);
    }
}

/* T22: killed anywhere between commit, write and note: no row is lost, none comes twice. */
static void test_killed(void **state)
{
    struct fixture *f = *state;
    uint64_t committed = 0;

    f->s = state_close(f->s);
    for (int round = 0; round < 10; round++) {
        struct audit_verify_result v = {0};
        int pipes[2], status;
        char byte;
        pid_t pid;

        assert_int_equal(pipe(pipes), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            close(pipes[0]);
            audit_for_ever(f->path, pipes[1]);
        }
        close(pipes[1]);
        for (int i = 0; i < 20 + round * 7; i++) {
            assert_int_equal(read(pipes[0], &byte, 1), 1);
            committed += 3;
        }
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status));
        while (read(pipes[0], &byte, 1) == 1)
            committed += 3;
        close(pipes[0]);
        reopen(f);
        export_all(f);
        f->s = state_close(f->s);
        ok(f, audit_verify(FILES(audit_path), NULL, &v, &f->e));
        if (v.n_findings)
            fail_msg("%s:%u: %s", v.findings->file, v.findings->line, v.findings->sentence);
        assert_true(v.last_seq >= committed);
        committed = v.last_seq;
        audit_verify_result_done(&v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        audit_test(test_state_restored),
        audit_test(test_state_new),
        audit_test(test_file_tampered),
        audit_test(test_file_cut),
        audit_test(test_not_ours),
        audit_test(test_file_cannot_grow),
        audit_test(test_breaks),
        audit_test(test_verify_others),
        audit_test(test_rows_of_many),
        audit_test(test_row_without_memory),
        audit_test(test_killed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
