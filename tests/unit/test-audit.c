/*
 * The audit as it is written: lines, their chain, the file, its rotation, what was not exported
 * yet, the journal.
 */
#include "config.h"

#include "audit-test.h"

/* The lock of one that crashed is gone with its process; here it would stay with the file. */
static void drop_lock(void)
{
    char copy[160], block[65536];
    FILE *from = fopen(audit_path, "re"), *to;
    size_t n;

    snprintf(copy, sizeof(copy), "%s.copy", audit_path);
    to = fopen(copy, "we");
    assert_true(from && to);
    while ((n = fread(block, 1, sizeof(block), from)) > 0)
        assert_int_equal(fwrite(block, 1, n, to), n);
    assert_int_equal(fclose(from) | fclose(to), 0);
    assert_int_equal(rename(copy, audit_path), 0);
}

/* What is random in a line. */
static void without_salt(const char *line, const char **commitment, const char **salt)
{
    *commitment = strstr(line, ",\"pc\":\"");
    *salt = strstr(line, ",\"p\":{\"s\":\"");
    assert_non_null(*commitment);
    assert_non_null(*salt);
    *commitment += 7;
    *salt += 11;
}

static void test_line(void **state)
{
    struct fixture *f = *state;
    struct operation *o = operation_new(OPERATION_UPDATE, "id-1", "uid=a\x1b,dc=t", "a\"b");
    struct audit_row row = {
        .event = "outcome",
        .operation = o,
        .code = "done",
        .sentence = "caf\xc3\xa9 \xff",
        .status = 200,
        .answer = "done",
        .answer_text = "line\nbreak",
        .attempts = 2,
        .duration_usec = 41250,
        .fingerprint = "fp",
        .details = "{\"n\": 1, \"a\": \"\\u000a\"}",
    };
    struct text t;
    char expected[1400];
    const char *commitment, *salt;

    operation_add_change(o, "team", "Sales", "Service",
                         &(struct source){(char *)"R", (char *)"x.conf", 3});
    operation_add_change(o, "role:X", NULL, "X", NULL);
    operation_add_change(o, "skill:Y", "50", NULL, NULL);
    o->why = strdup("why");
    o->run = 3;
    o->number = 7;
    clock_freeze(1000000, 1);
    begin(f);
    ok(f, audit_record(f->s, &row, &f->e));
    row = (struct audit_row){.event = "skip", .entry_id = "i", .dn = "d", .run = 4};
    ok(f, audit_record(f->s, &row, &f->e));
    row = (struct audit_row){.event = "x", .details = "[1]"};
    assert_int_equal(audit_record(f->s, &row, &f->e), -EINVAL);
    commit(f);
    clock_freeze(0, 0);
    export_all(f);
    t = read_lines(audit_path);
    assert_int_equal(t.n, 2);
    without_salt(t.lines[0], &commitment, &salt);
    snprintf(expected, sizeof(expected),
             "{\"v\":1,\"seq\":1,\"t\":\"1970-01-01T00:00:01.000000Z\",\"run\":3,\"cfg\":\"fp\","
             "\"ev\":\"outcome\",\"no\":7,\"op\":\"update\",\"at\":[\"x.conf:3 R\"],"
             "\"code\":\"done\",\"st\":200,\"try\":2,\"ms\":41.250,"
             "\"pc\":\"%.43s\",\"prev\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
             "\"p\":{\"s\":\"%.22s\",\"id\":\"id-1\",\"dn\":\"uid=a\\\\x1b,dc=t\","
             "\"login\":\"a\\\"b\",\"set\":[[\"team\",\"Service\",0,\"Sales\"],"
             "[\"role:X\",\"X\"],[\"skill:Y\",null,null,\"50\"]],"
             "\"why\":\"why\",\"say\":\"caf\xc3\xa9 \\\\xff\","
             "\"text\":\"line\\\\x0abreak\",\"d\":{\"a\":\"\\n\",\"n\":1}}}",
             commitment, salt);
    assert_string_equal(t.lines[0], expected);
    for (size_t i = 0; i < t.n; i++) {
        json_t *j = json_loads(t.lines[i], JSON_REJECT_DUPLICATES, NULL);

        assert_non_null(j);
        json_decref(j);
    }
    assert_non_null(
        strstr(t.lines[1], "\"run\":4,\"ev\":\"skip\",\"pc\":"));
    assert_non_null(strstr(t.lines[1], "\"id\":\"i\",\"dn\":\"d\"}}"));
    free_lines(&t);
    operation_free(o);
    whole(f, 2, FILES(audit_path));
}

/* A row that is rolled back leaves no trace in the chain. */
static void test_rolled_back(void **state)
{
    struct fixture *f = *state;

    record(f, "start", NULL);
    begin(f);
    ok(f, audit_record(f->s, &(struct audit_row){.event = "intent"}, &f->e));
    state_rollback(f->s);
    record(f, "stop", NULL);
    export_all(f);
    whole(f, 2, FILES(audit_path));
}

static int count_matches(const char *line, const json_t *view, void *userdata)
{
    int *n = userdata;

    (void)line;
    (void)view;
    ++*n;
    return 0;
}

static void test_torn_line(void **state)
{
    struct fixture *f = *state;
    int n = 0;

    record(f, "skip", "1");
    export_all(f);
    append_bytes("{\"v\":1,\"seq\":2,\"t\":\"2026");
    broken(f, audit_path, 2, "torn", FILES(audit_path));
    ok(f, audit_each(FILES(audit_path), &(struct audit_filter){0}, count_matches, &n, &f->e));
    assert_int_equal(n, 1);
    record(f, "skip", "2");
    export_all(f);
    whole(f, 3, FILES(audit_path));
    assert_int_equal(count_text("\"code\":\"torn-line\""), 1);
    /* Nothing but a torn line. */
    assert_int_equal(truncate(audit_path, 20), 0);
    assert_int_equal(rename(audit_path, rotated_path), 0);
    append_bytes("{\"v\":1,\"se");
    record(f, "skip", "3");
    export_all(f);
    assert_int_equal(count_text("torn-line"), 1);
}

static void nothing_found(struct fixture *f)
{
    struct audit_verify_result v = {0};

    ok(f, audit_verify(FILES(audit_path), NULL, &v, &f->e));
    if (v.n_findings)
        fail_msg("%s:%u: %s", v.findings->file, v.findings->line, v.findings->sentence);
    audit_verify_result_done(&v);
}

/* T53: after a power loss each sector of an append that was not noted as durable may be there or
 * not; wherever the hole is, the file is whole again and a row says so. */
static void test_hole(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    size_t n_repairs = 0;
    /* Never closed, as in a crash; static, so that they are no leak. */
    static struct audit_export *crashed[8];

    begin(f);
    for (int i = 0; i < 12; i++)
        ok(f, audit_record(f->s,
                           &(struct audit_row){.event = "skip", .dn = "uid=a", .sentence = "x"},
                           &f->e));
    commit(f);
    export_all(f);
    record(f, "skip", "noted");
    begin(f);
    for (int i = 0; i < 12; i++)
        ok(f, audit_record(f->s,
                           &(struct audit_row){.event = "skip", .dn = "uid=b", .sentence = "y"},
                           &f->e));
    commit(f);
    for (int hole = 0; hole < 8; hole++) {
        char zeros[512] = "";
        off_t durable, at;
        int fd;

        /* The crash comes between the append and its note. */
        assert_int_equal(stat(audit_path, &st), 0);
        durable = st.st_size;
        crashed[hole] = open_export(f, false);
        ok(f, audit_export_run(crashed[hole], &f->e));
        f->s = state_close(f->s);
        assert_int_equal(stat(audit_path, &st), 0);
        at = durable + (st.st_size - durable) * hole / 8;
        fd = open(audit_path, O_RDWR);
        assert_int_equal(pwrite(fd, zeros, sizeof(zeros), at), sizeof(zeros));
        assert_int_equal(ftruncate(fd, st.st_size), 0);
        close(fd);
        drop_lock();
        reopen(f);
        export_all(f);
        n_repairs++;
        nothing_found(f);
        assert_int_equal(count_text("damaged-end"), n_repairs);
        begin(f);
        for (int i = 0; i < 5; i++)
            ok(f, audit_record(f->s, &(struct audit_row){.event = "skip", .sentence = "z"},
                               &f->e));
        commit(f);
    }
}

/* A crash between the commit and the export, and one between the export and its note. */
static void test_lagging(void **state)
{
    struct fixture *f = *state;
    /* Never closed, as in a crash; static, so that it is no leak. */
    static struct audit_export *x;

    x = open_export(f, false);
    record(f, "skip", "1");
    record(f, "skip", "2");
    ok(f, audit_export_run(x, &f->e));
    f->s = state_close(f->s);
    drop_lock();
    reopen(f);
    assert_int_equal(trail_exported_get(f->s), 0);
    record(f, "skip", "3");
    export_all(f);
    whole(f, 3, FILES(audit_path));
    assert_int_equal(count_text("repair"), 0);
}

/* Outcomes go to the log, and nothing else does. */
static void test_journal(void **state)
{
    struct fixture *f = *state;
    struct operation *o = operation_new(OPERATION_RENAME, "id-1", "uid=a,dc=t", "al");
    struct audit_export *x = NULL;
    int before = dup(STDERR_FILENO), log = open(rotated_path, O_RDWR | O_CREAT, 0600);
    char text[1000] = "";
    bool older;

    record(f, "skip", "quiet");
    begin(f);
    ok(f, audit_record(f->s,
                       &(struct audit_row){.event = "outcome",
                                           .operation = o,
                                           .code = "done",
                                           .sentence = "all is well"},
                       &f->e));
    commit(f);
    operation_free(o);
    ok(f, audit_export_open(&x, f->s, audit_path, true, &older, &f->e));
    assert_true(dup2(log, STDERR_FILENO) >= 0);
    log_open("test");
    log_set_level(LOG_INFO);
    int r = audit_export_run(x, &f->e);
    assert_true(dup2(before, STDERR_FILENO) >= 0);
    ok(f, r);
    audit_export_close(x);
    assert_true(pread(log, text, sizeof(text) - 1, 0) > 0);
    assert_non_null(
        strstr(text, "rename of al (uid=a,dc=t): done, all is well ROSTERD_SEQ=2 "));
    assert_null(strstr(text, "quiet"));
    close(log);
    close(before);
}

/* What fn logs meanwhile; malloc'd. */
static char *logged(void (*fn)(void *userdata), void *userdata)
{
    int before = dup(STDERR_FILENO), log = open(rotated_path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    size_t size = 1024 * 1024;
    char *text = calloc(1, size);

    assert_non_null(text);
    assert_true(dup2(log, STDERR_FILENO) >= 0);
    log_open("test");
    log_set_level(LOG_INFO);
    fn(userdata);
    assert_true(dup2(before, STDERR_FILENO) >= 0);
    assert_true(pread(log, text, size - 1, 0) >= 0);
    close(log);
    close(before);
    return text;
}

static void run_export(void *userdata)
{
    struct error e = {0};

    assert_int_equal(audit_export_run(userdata, &e), 0);
}

/* The file's lines read back, as after a restart. */
static void read_again(void *userdata)
{
    struct audit_view *v = userdata;
    char *line = NULL;
    size_t capacity = 0;
    FILE *in = fopen(audit_path, "re");

    assert_non_null(in);
    for (ssize_t n; (n = getline(&line, &capacity, in)) > 0;) {
        line[n - 1] = '\0';
        journal_send_line(v, line);
    }
    free(line);
    fclose(in);
}

/* What is logged of outcomes that were noted is what their lines say, over random rows, odd
 * texts, and transactions that are undone. */
static void test_journal_notes(void **state)
{
    static const char *const texts[] = {"plain",      "with \"quotes\"", "back\\slash", "n\new line",
                                        "J\xc3\xb6rg", "b\xffytes",        "tab\there",   NULL};
    struct fixture *f = *state;
    struct audit_export *x = NULL;
    struct audit_view *v = audit_view_new();
    bool older;

    srand(11);
    ok(f, audit_export_open(&x, f->s, audit_path, true, &older, &f->e));
    for (int i = 0; i < 120; i++) {
        begin(f);
        for (int n = rand() % 4; n >= 0; n--) {
            const char *odd = texts[(size_t)rand() % ARRAY_SIZE(texts)];
            struct operation *o =
                operation_new((enum operation_kind)(1 + rand() % 8), "id-1", odd ? odd : "uid=a", "al");
            struct audit_row row = {.event = rand() % 3 ? "outcome" : "intent",
                                    .operation = rand() % 5 ? o : NULL,
                                    .entry_id = "id-2",
                                    .dn = odd,
                                    .login = "bo",
                                    .code = rand() % 4 ? "done" : NULL,
                                    .sentence = rand() % 2 ? odd : NULL,
                                    .answer = rand() % 2 ? "refused" : NULL,
                                    .status = rand() % 2 ? 200 + rand() % 300 : 0};
            o->number = 1 + rand() % 5;
            ok(f, audit_record(f->s, &row, &f->e));
            operation_free(o);
        }
        if (rand() % 4)
            commit(f);
        else
            state_rollback(f->s);
    }
    CLEANUP(freep) char *noted = logged(run_export, x);
    CLEANUP(freep) char *read = logged(read_again, v);
    assert_true(strlen(noted) > 5000);
    assert_string_equal(noted, read);
    audit_view_free(v);
    audit_export_close(x);
}

static size_t count_lines(const char *text, const char *with)
{
    size_t n = 0;

    for (const char *at = text; (at = strstr(at, with)); at++)
        n++;
    return n;
}

/* A run of many changes does not fill the log: the first thousand have a line each, and what was
 * not done has one always. The next run begins anew. */
static void test_journal_of_many(void **state)
{
    struct fixture *f = *state;
    struct audit_export *x = NULL;
    bool older;

    ok(f, audit_export_open(&x, f->s, audit_path, true, &older, &f->e));
    begin(f);
    for (uint64_t i = 0; i < 2500; i++) {
        struct operation *o = operation_new(OPERATION_DISABLE, "id-1", "uid=a,dc=t", "al");
        struct audit_row row = {.event = "outcome",
                                .operation = o,
                                .run = 1 + i / 2200,
                                .code = i % 100 == 99 ? "held" : "done"};

        ok(f, audit_record(f->s, &row, &f->e));
        operation_free(o);
    }
    commit(f);
    CLEANUP(freep) char *text = logged(run_export, x);
    assert_int_equal(count_lines(text, ": done"), 1000 + 300 - 3);
    assert_int_equal(count_lines(text, ": held"), 25);
    assert_int_equal(count_lines(text, "Run 1 has made"), 1);
    assert_int_equal(count_lines(text, "has made"), 1);
    audit_export_close(x);
}

static int stop_at_first(const char *line, const json_t *view, void *userdata)
{
    (void)line;
    (void)view;
    (void)userdata;
    return 33;
}

static void test_each(void **state)
{
    struct fixture *f = *state;
    static const struct audit_row rows[] = {
        {.event = "skip", .entry_id = "aa-1", .dn = "uid=Ann,dc=t", .login = "ann"},
        {.event = "skip", .entry_id = "bb-2", .dn = "uid=bob,dc=t", .login = "Bob \"B\""},
        {.event = "skip", .entry_id = "cc-3", .sentence = "about ann"},
        {.event = "start"},
    };
    static const struct {
        const char *person;
        int n;
    } expected[] = {{NULL, 4},         {"aa-1", 1}, {"AA-1", 1},        {"UID=ann, DC=t", 1},
                    {"ANN", 1},        {"bob", 0},  {"bob \"b\"", 1},   {"cc-3", 1},
                    {"uid=x,dc=t", 0}, {"nn", 0},   {"uid=bob,dc=t", 1}};

    begin(f);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        ok(f, audit_record(f->s, &rows[i], &f->e));
    commit(f);
    export_all(f);
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        int n = 0;

        ok(f, audit_each(FILES(audit_path),
                         &(struct audit_filter){.person = expected[i].person}, count_matches, &n,
                         &f->e));
        if (n != expected[i].n)
            fail_msg("%s: %d", expected[i].person, n);
    }
    assert_int_equal(
        audit_each(FILES(audit_path), &(struct audit_filter){0}, stop_at_first, NULL, &f->e),
        33);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        audit_test(test_line),          audit_test(test_rolled_back),
        audit_test(test_torn_line),     audit_test(test_hole),
        audit_test(test_lagging),       audit_test(test_journal),
        audit_test(test_journal_notes), audit_test(test_journal_of_many),
        audit_test(test_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
