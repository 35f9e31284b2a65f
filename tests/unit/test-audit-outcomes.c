/*
 * Outcomes that leave to their intent what was done to whom: what they say, what a reader makes of
 * them, where they may not do so, and what a user that is made costs.
 */
#include "config.h"

#include "audit-test.h"
#include "dice.h"

struct seen {
    size_t n, n_missing;
    char kinds[200], logins[200], ids[400];
};

static void add(char *to, size_t size, const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    size_t n = strlen(to);

    snprintf(to + n, size - n, "%s ", text ? text : "-");
}

static int see(const char *line, const json_t *view, void *userdata)
{
    struct seen *s = userdata;
    const json_t *person = json_object_get(view, "person");

    (void)line;
    s->n++;
    s->n_missing += json_is_true(json_object_get(view, "intent_missing"));
    if (s->n > 8)
        return 0;
    add(s->kinds, sizeof(s->kinds), view, "operation");
    add(s->logins, sizeof(s->logins), person, "login");
    add(s->ids, sizeof(s->ids), person, "id");
    return 0;
}

static void add_change(struct operation *o, const char *field, const char *to,
                       const struct source *source)
{
    assert_int_equal(operation_add_change(o, field, NULL, to, source), 0);
}

static struct operation *operation(int64_t number, enum operation_kind kind, const char *name)
{
    char id[40], dn[80];

    snprintf(id, sizeof(id), "id-of-%s", name);
    snprintf(dn, sizeof(dn), "uid=%s,dc=example,dc=com", name);
    struct operation *o = operation_new(kind, id, dn, name);
    assert_non_null(o);
    o->number = number;
    o->run = 7;
    add_change(o, "team", "Sales", NULL);
    return o;
}

static void record_of(struct fixture *f, const char *event, struct operation *o,
                      struct audit_row row)
{
    row.event = event;
    row.operation = o;
    begin(f);
    ok(f, audit_record(f->s, &row, &f->e));
    commit(f);
}

static void intend(struct fixture *f, struct operation *o)
{
    record_of(f, "intent", o, (struct audit_row){.fingerprint = "0123456789abcdef"});
}

static void conclude(struct fixture *f, struct operation *o)
{
    record_of(f, "outcome", o,
              (struct audit_row){.fingerprint = "0123456789abcdef",
                                 .code = "done",
                                 .answer = "done",
                                 .status = 200,
                                 .attempts = 1});
}

static struct seen seen(struct fixture *f, struct audit_filter filter, const char *file)
{
    struct seen s = {0};

    ok(f, audit_each(FILES(file), &filter, see, &s, &f->e));
    return s;
}

/* The facts alone: of whom and of what, the intent says. */
static void test_says_little(void **state)
{
    struct fixture *f = *state;
    struct audit_export *x = open_export(f, false);
    struct operation *o = operation(5, OPERATION_UPDATE, "ann");
    const char *at;
    struct text t;

    intend(f, o);
    conclude(f, o);
    intend(f, o); /* again */
    record_of(f, "outcome", o,
              (struct audit_row){.fingerprint = "0123456789abcdef",
                                 .run = 8,
                                 .code = "tenant-away",
                                 .answer = "away",
                                 .attempts = 1,
                                 .sentence = "later"});
    ok(f, audit_export_run(x, &f->e));
    t = read_lines(audit_path);
    at = strstr(t.lines[1], "\"ev\":");
    assert_non_null(at);
    assert_true(strstr(at, "\"ev\":\"outcome\",\"no\":5,\"code\":\"done\",\"st\":200,\"prev\":\"") == at);
    assert_null(strstr(t.lines[1], "\"run\":"));
    assert_null(strstr(t.lines[1], "ann"));
    /* Where something is told of the person, whose it is is told as well. */
    assert_null(strstr(t.lines[3], "\"op\":"));
    assert_non_null(strstr(t.lines[3], "\"run\":8,"));
    assert_non_null(strstr(t.lines[3], "\"id\":\"id-of-ann\",\"say\":\"later\"}}"));
    free_lines(&t);
    struct seen s = seen(f, (struct audit_filter){0}, audit_path);
    assert_string_equal(s.kinds, "update update update update ");
    assert_string_equal(s.logins, "ann ann ann ann ");
    assert_string_equal(s.ids, "id-of-ann id-of-ann id-of-ann id-of-ann ");
    operation_free(o);
    audit_export_close(x);
}

/* Places that share file and rule, and what a reader makes of them. */
static void test_places(void **state)
{
    static const struct {
        const char *field, *rule, *file;
        unsigned line;
    } sets[] = {
        {"login_id", "[user] login_id", "/etc/a.conf", 3}, {"team", "[user] login_id", "/etc/a.conf", 4},
        {"role:A", "R", "/etc/a.conf", 5},                 {"role:B", "R", "/etc/b.conf", 6},
        {"skill:C", "R", "/etc/b.conf", 7},                {"email", "[user] email", "/etc/b.conf", 8},
        {"skill:D", "R", "/etc/b.conf", 9},                {"skill:E", NULL, "/etc/b.conf", 10},
    };
    struct fixture *f = *state;
    struct operation *o = operation_new(OPERATION_CREATE, "i", "uid=a,dc=t", "ann");
    struct audit_view *v = audit_view_new();
    json_t *change;
    size_t n;

    o->number = 1;
    for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
        add_change(o, sets[i].field, i ? "x" : "ann",
                   &(struct source){(char *)(uintptr_t)sets[i].rule,
                                    (char *)(uintptr_t)sets[i].file, sets[i].line});
    intend(f, o);
    export_all(f);
    struct text t = read_lines(audit_path);
    assert_non_null(strstr(t.lines[0], "\"at\":[\"a.conf:3\",\":4 [user] login_id\",\":5 R\",\"b.conf:6 \","
                                       "\":7 \",\":8\",\":9 R\",\":10\"]"));
    assert_null(strstr(t.lines[0], "\"login\":"));
    json_t *view = audit_view_read(v, t.lines[0], strlen(t.lines[0]));
    const json_t *person = json_object_get(view, "person");
    assert_string_equal(json_string_value(json_object_get(person, "login")), "ann");
    json_array_foreach(json_object_get(view, "changes"), n, change)
    {
        const char *rule = json_string_value(json_object_get(change, "rule"));

        assert_int_equal(json_integer_value(json_object_get(change, "line")), sets[n].line);
        assert_string_equal(json_string_value(json_object_get(change, "file")), sets[n].file + 5);
        if (sets[n].rule)
            assert_string_equal(rule, sets[n].rule);
    }
    assert_int_equal(n, ARRAY_SIZE(sets));
    json_decref(view);
    audit_view_free(v);
    free_lines(&t);
    operation_free(o);
}

/* Whoever asks for a person or a kind gets the outcomes that name neither. */
static void test_is_found(void **state)
{
    struct fixture *f = *state;
    struct audit_export *x = open_export(f, false);
    struct operation *ann = operation(5, OPERATION_UPDATE, "ann");
    struct operation *bob = operation(6, OPERATION_DISABLE, "bob");
    struct audit_doubts doubts = {0};

    intend(f, ann);
    intend(f, bob);
    conclude(f, bob);
    conclude(f, ann);
    ok(f, audit_export_run(x, &f->e));
    audit_export_close(x);
    static const struct {
        struct audit_filter filter;
        const char *logins;
    } rows[] = {
        {{.person = "ann"}, "ann ann "},
        {{.person = "id-of-bob"}, "bob bob "},
        {{.person = "UID=ann, dc=example,dc=com"}, "ann ann "},
        {{.kind = "disable"}, "bob bob "},
        {{.kind = "update", .event = "outcome"}, "ann "},
        {{.kind = "update", .event = "outcome", .person = "bob"}, ""},
        {{.event = "outcome"}, "bob ann "},
        {{.event = "outcome", .after = 3}, "ann "},
        {{.code = "done"}, "bob ann "},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct audit_filter filter = rows[i].filter;

        filter.doubts = &doubts;
        struct seen s = seen(f, filter, audit_path);
        if (strcmp(s.logins, rows[i].logins) != 0 || doubts.n_unknown)
            fail_msg("row %zu: %s", i, s.logins);
    }
    operation_free(ann);
    operation_free(bob);
}

/* Another file, another life of the program, an older state: outcomes say all of it again, and a
 * file that is read alone is understood. */
static void test_does_not_reach_back(void **state)
{
    struct fixture *f = *state;
    struct audit_export *x = open_export(f, false);
    struct operation *o = operation(5, OPERATION_UPDATE, "ann");

    intend(f, o);
    ok(f, audit_export_rotate(x, true, &f->e));
    conclude(f, o);
    ok(f, audit_export_run(x, &f->e));
    struct seen s = seen(f, (struct audit_filter){0}, audit_path);
    assert_string_equal(s.kinds, "update ");
    assert_int_equal(s.n_missing, 0);
    for (size_t i = 0; i < 2; i++) {
        intend(f, o);
        record(f, i ? "start" : "repair", "x");
        conclude(f, o);
    }
    intend(f, o);
    ok(f, audit_export_run(x, &f->e));
    audit_export_close(x);
    x = open_export(f, false); /* it died */
    conclude(f, o);
    ok(f, audit_export_run(x, &f->e));
    audit_export_close(x);
    s = seen(f, (struct audit_filter){.event = "outcome"}, audit_path);
    assert_string_equal(s.kinds, "update update update update ");
    assert_int_equal(s.n_missing, 0);
    operation_free(o);
}

/* The file with the intent is not given: nothing is made up, and the line is counted. */
static void test_intent_elsewhere(void **state)
{
    struct fixture *f = *state;
    struct audit_export *x = open_export(f, false);
    struct operation *o = operation(5, OPERATION_UPDATE, "ann");
    struct audit_verify_result v = {0};
    struct audit_who w = {.field = "team", .name = "Sales"};
    struct audit_doubts doubts = {0};

    intend(f, o);
    ok(f, audit_export_run(x, &f->e));
    conclude(f, o); /* before anybody notices that the file was renamed */
    assert_int_equal(rename(audit_path, rotated_path), 0);
    ok(f, audit_export_run(x, &f->e));
    audit_export_close(x);
    struct seen s = seen(f, (struct audit_filter){.doubts = &doubts}, audit_path);
    assert_int_equal(s.n_missing, 1);
    assert_int_equal(doubts.n_unknown, 1);
    assert_string_equal(s.kinds, "- ");
    assert_string_equal(s.ids, "- ");
    audit_doubts_done(&doubts);
    s = seen(f, (struct audit_filter){.kind = "update", .doubts = &doubts}, audit_path);
    assert_int_equal(s.n, 0);
    assert_int_equal(doubts.n_unknown, 1);
    ok(f, audit_verify(FILES(audit_path), NULL, &v, &f->e));
    assert_int_equal(v.n_findings, 0);
    assert_int_equal(v.n_unknown, 1);
    audit_verify_result_done(&v);
    ok(f, audit_who(&w, FILES(audit_path), &f->e));
    assert_int_equal(w.n_people, 0);
    assert_int_equal(w.doubts.n_unknown, 1);
    audit_who_done(&w);
    /* With both files it is all there. */
    ok(f, audit_who(&w, FILES(audit_path, rotated_path), &f->e));
    assert_int_equal(w.n_people, 1);
    assert_true(w.people[0]->holds);
    assert_string_equal(w.people[0]->login, "ann");
    assert_int_equal(w.doubts.n_unknown, 0);
    audit_who_done(&w);
    operation_free(o);
}

/* As many intents without an outcome as a reader keeps: the oldest are let go first, and memory
 * does not grow. */
#define OUTCOME(line, number)                                                                  \
    snprintf(line, sizeof(line),                                                               \
             "{\"v\":1,\"seq\":9,\"t\":\"x\",\"ev\":\"outcome\",\"no\":%d,\"code\":\"done\"}", number)
static void test_bounded(void **state)
{
    struct audit_view *v = audit_view_new();
    char line[200];

    (void)state;
    assert_non_null(v);
    for (int i = 1; i <= 20000; i++) {
        snprintf(line, sizeof(line),
                 "{\"v\":1,\"seq\":%d,\"t\":\"x\",\"ev\":\"intent\",\"no\":%d,\"op\":\"update\"}", i, i);
        if (i % 2)
            audit_view_pass(v, line, audit_view_intent(v, line));
        else
            json_decref(audit_view_read(v, line, strlen(line)));
    }
    OUTCOME(line, 1);
    assert_int_equal(audit_view_intent(v, line), AUDIT_INTENT_MISSING);
    OUTCOME(line, 20000 - 4096);
    assert_int_equal(audit_view_intent(v, line), AUDIT_INTENT_READ);
    OUTCOME(line, 20000 - 4097);
    assert_int_equal(audit_view_intent(v, line), AUDIT_INTENT_PASSED);
    audit_view_pass(v, line, AUDIT_INTENT_PASSED);
    assert_int_equal(audit_view_intent(v, line), AUDIT_INTENT_MISSING);
    audit_view_free(v);
}

static const char *any_of(const char *const *texts, unsigned n)
{
    return texts[below(n)];
}

/* Spelt as lines are, without their chain; some have places, a number that another line has. */
static void any_line(char *to, size_t size, bool intent, int64_t number)
{
    static const char *const places[] = {"", ",\"at\":[\"a.conf:1 Agents\"]",
                                         ",\"at\":[\"a.conf:1 Agents\",\":2 \"]",
                                         ",\"at\":[\"a.conf:1\",\":2 \",\":3 Leads\"]",
                                         ",\"at\":[]", ",\"at\":{\"a.conf:1\":2}"};
    static const char *const codes[] = {"", ",\"code\":\"revoked\"", ",\"try\":3"};
    static const char *const kinds[] = {"create", "update", "disable"};
    static const char *const personal[] = {
        "", ",\"pc\":\"x\"",
        ",\"p\":{\"s\":\"x\",\"id\":\"a\",\"set\":[[\"team\",\"Sales\",0],[\"login_id\",\"ann\",1]]}",
        ",\"p\":{\"s\":\"x\",\"id\":\"b\",\"dn\":\"uid=b\",\"set\":[[\"team\",null,2,\"Sales\"]]}"};

    if (intent)
        snprintf(to, size, "{\"v\":1,\"seq\":1,\"t\":\"x\",\"run\":%u,\"ev\":\"intent\",\"no\":%lld,\"op\":\"%s\"%s%s%s}",
                 below(3) + 1, (long long)number, any_of(kinds, 3), any_of(places, 6),
                 any_of(codes, 3), any_of(personal, 4));
    else
        snprintf(to, size, "{\"v\":1,\"seq\":2,\"t\":\"x\",\"ev\":\"outcome\",\"no\":%lld,\"code\":\"done\",\"st\":200%s}",
                 (long long)number, chance(50) ? ",\"p\":{\"s\":\"y\",\"id\":\"a\",\"say\":\"so\"}" : "");
}

/* What a reader that never read anything else makes of it. */
static json_t *read_alone(const char *intent, const char *line)
{
    struct audit_view *v = audit_view_new();
    json_t *view;

    if (intent[0])
        assert_int_equal(audit_view_note(v, intent, strlen(intent), AUDIT_INTENT_NONE), 0);
    view = audit_view_read(v, line, strlen(line));
    audit_view_free(v);
    return view;
}

/* A reader keeps what it took apart for the lines that follow: they must say what they say alone,
 * whatever came before. Numbers come again, and are 64 apart. */
static void test_says_the_same_alone(void **state)
{
    enum { NUMBERS = 200 };
    static char open[NUMBERS][600];

    (void)state;
    for (dice = 1; dice <= 40; dice++) {
        uint64_t seed = dice;
        struct audit_view *v = audit_view_new();

        memset(open, 0, sizeof(open));
        for (int i = 0; i < 500; i++) {
            int64_t number = 1 + below(3) + 64 * below(3);
            bool intent = chance(50);
            char line[600];

            any_line(line, sizeof(line), intent, number);
            if (chance(2)) {
                snprintf(line, sizeof(line), "{\"v\":1,\"seq\":3,\"t\":\"x\",\"ev\":\"start\"}");
                intent = false;
                memset(open, 0, sizeof(open));
            }
            if (intent && chance(30)) {
                assert_int_equal(audit_view_note(v, line, strlen(line), AUDIT_INTENT_NONE), 0);
            } else {
                json_auto_t *here = audit_view_read(v, line, strlen(line));
                json_auto_t *alone = read_alone(intent ? "" : open[number], line);
                CLEANUP(freep) char *a = json_dumps(here, 0), *b = json_dumps(alone, 0);

                assert_non_null(here);
                assert_string_equal(a, b);
            }
            snprintf(open[number], sizeof(open[number]), "%s", intent ? line : "");
        }
        audit_view_free(v);
        dice = seed;
    }
}

/* A user that is made: what the line of the intent and that of the outcome take, with their share
 * of the checkpoints. Names, DN and rules are as long as those of a company. */
static void test_bytes_of_a_user(void **state)
{
    static const struct {
        const char *field, *value, *rule;
        unsigned line;
    } sets[] = {
        {"login_id", "anna.karlsson@example.com", "[user] login_id", 31},
        {"first_name", "Anna", "[user] first_name", 32},
        {"last_name", "Karlsson", "[user] last_name", 33},
        {"email", "anna.karlsson@example.com", "[user] email", 34},
        {"work_phone", "+46 8 555 01234", "[user] work_phone", 35},
        {"team", "Customer Service", "Customer Service Stockholm", 52},
        {"role:Agent", "Agent", "Customer Service Stockholm", 53},
        {"skill:Swedish", "90", "Customer Service Stockholm", 54},
        {"skill:English", "70", "Customer Service Stockholm", 54},
    };
    struct fixture *f = *state;
    struct audit_export *x = open_export(f, false);
    struct stat before, after;
    char key[160];
    int n = 2000;

    snprintf(key, sizeof(key), "%s/audit.key", f->folder);
    ok(f, audit_export_sign(x, key, &f->e));
    record(f, "start", "x");
    ok(f, audit_export_run(x, &f->e));
    assert_int_equal(stat(audit_path, &before), 0);
    for (int i = 0; i < n; i++) {
        struct operation *o =
            operation_new(OPERATION_CREATE, "6f0c2c1e-7fd6-1041-9b6c-e13092d77b11",
                          "uid=akarlsson,ou=people,ou=stockholm,dc=example,dc=com",
                          "anna.karlsson@example.com");
        o->number = 90000 + i;
        o->run = 17;
        o->why = strdup("rule \"Customer Service Stockholm\" (rosterd.conf:52) gives team Customer Service");
        for (size_t k = 0; k < ARRAY_SIZE(sets); k++)
            add_change(o, sets[k].field, sets[k].value,
                       &(struct source){(char *)(uintptr_t)sets[k].rule,
                                        (char *)"/etc/rosterd/rosterd.conf", sets[k].line});
        record_of(f, "intent", o,
                  (struct audit_row){.fingerprint = "aa2e399e091d0000",
                                     .lag_usec = 171000,
                                     .attempts = 1});
        record_of(f, "outcome", o,
                  (struct audit_row){.fingerprint = "aa2e399e091d0000",
                                     .code = "done",
                                     .answer = "done",
                                     .status = 200,
                                     .attempts = 1,
                                     .duration_usec = 24585});
        operation_free(o);
    }
    ok(f, audit_export_run(x, &f->e));
    audit_export_close(x);
    assert_int_equal(stat(audit_path, &after), 0);
    double bytes = (double)(after.st_size - before.st_size) / n;
    print_message("%.1f bytes of audit for a user that is made\n", bytes);
    assert_true(bytes <= 960);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        audit_test(test_says_little),         audit_test(test_is_found),
        audit_test(test_does_not_reach_back), audit_test(test_intent_elsewhere),
        audit_test(test_places),              audit_test(test_bounded),
        audit_test(test_bytes_of_a_user),     cmocka_unit_test(test_says_the_same_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
