/*
 * Those who read the audit: what they take for a line, what they remember of intents, what they say
 * of files that do not fit together, and the report as text. ROSTERD_UPDATE=1 in the environment
 * rewrites what is expected of the text.
 */
#include "config.h"

#include <jansson.h>
#include <sys/stat.h>

#include "audit/audit.h"
#include "audit/form.h"
#include "audit/intents.h"
#include "audit/line.h"
#include "audit/view.h"
#include "base/buffer.h"
#include "base/error.h"
#include "ctl/evidence.h"
#include "unit.h"

static unsigned long long chance = 7;

static unsigned any(unsigned n)
{
    chance = chance * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(chance >> 33) % n;
}

/* -- what is a line -- */

static json_t *random_value(unsigned depth)
{
    static const char *const texts[] = {"",      "plain",   "with \"quotes\"", "back\\slash",
                                        "J\u00f6rg", "\u65e5\u672c", "tab\tnew\nline", "\x01\x1f\x7f/"};
    json_t *value;

    switch (depth > 4 ? any(5) : any(7)) {
    case 0: return json_string(texts[any(ARRAY_SIZE(texts))]);
    case 1: return json_integer((json_int_t)any(1000000000) * (any(2) ? 1 : -1000));
    case 2: return json_real((any(2) ? 1 : -1) * (double)any(1000000) / 1000);
    case 3: return json_boolean(any(2));
    case 4: return json_null();
    case 5:
        value = json_array();
        for (unsigned n = any(5); n > 0; n--)
            json_array_append_new(value, random_value(depth + 1));
        return value;
    default:
        value = json_object();
        for (unsigned n = any(depth == 0 && any(20) == 0 ? 200 : 6); n > 0; n--) {
            char key[24];
            (void)snprintf(key, sizeof(key), "%s%u", any(9) ? "k" : "\"", any(300));
            json_object_set_new(value, key, random_value(depth + 1));
        }
        return value;
    }
}

static json_t *random_object(void)
{
    json_t *object = json_object();

    for (unsigned n = any(8); n > 0; n--) {
        char key[24];
        (void)snprintf(key, sizeof(key), "m%u", n);
        json_object_set_new(object, key, random_value(0));
    }
    return object;
}

static json_t *form_read(const char *line, size_t size)
{
    struct form_reader f;
    json_t *object = NULL;
    bool fine = form_begin(&f, line, size) && *line == '{' && form_value(&f, &object);

    if (form_end(&f) && fine)
        return object;
    json_decref(object);
    return NULL;
}

/* Whatever jansson writes is read as jansson reads it, built or only looked at; one byte
 * changed, and what is still read says the same to both. */
static void test_form_against_jansson(void **state)
{
    size_t n_broken = 0, n_fine = 0;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        json_auto_t *object = random_object();
        CLEANUP(freep) char *text = json_dumps(object, JSON_COMPACT);
        size_t size = strlen(text);
        json_auto_t *again = form_read(text, size);

        assert_true(form_is_ours(text, size));
        if (!again || !json_equal(object, again))
            fail_msg("%s", text);
        text[any((unsigned)size)] = "\"\\{}[],:0e.- \tx\xc3"[any(16)];
        json_auto_t *theirs = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
        json_auto_t *ours = form_read(text, size);
        assert_int_equal(ours != NULL, form_is_ours(text, size));
        if (ours && (!theirs || !json_equal(ours, theirs)))
            fail_msg("changed: %s", text);
        n_broken += !ours;
        n_fine += ours != NULL;
    }
    assert_true(n_broken > 3000 && n_fine > 3000);
}

static void test_form_refuses(void **state)
{
    static const char *const texts[] = {
        "{\"a\":1,\"a\":2}",
        "{\"a\":{\"b\":1,\"c\":2,\"b\":1}}",
        "{\"a\\\"\":1,\"a\\\"\":1}",
        "{\"a\":1e3}",
        "{\"a\":1.5E0}",
        "{\"a\":01}",
        "{\"a\":-}",
        "{\"a\":1.}",
        "{\"a\":1234567890123456789}",
        "{\"a\":\"\\u0061\"}",
        "{\"\\u0061\":1}",
        "{\"a\":\"\\u0000\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\/\"}",
        "{\"a\":\"\\u0020\"}",
        "{\"a\":\"\\u0008\"}",
        "{\"a\":\"\\u000A\"}",
        "{\"a\":\"\\u001f\"}",
        "{ \"a\":1}",
        "{\"a\": 1}",
        "{\"a\":1} ",
        "{\"a\":1}{}",
        "{\"a\":NaN}",
        "{\"a\":\"\xc3\"}",
        "{\"a\":\"\xed\xa0\x80\"}",
        "{\"a\":\"\t\"}",
        "{\"a\":tru}",
        "{\"a\"}",
        "{\"a\":1,}",
        "[]",
        "1",
        "",
        "{\"a\":[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        json_auto_t *object = form_read(texts[i], strlen(texts[i]));

        assert_row(texts[i], !object && !form_is_ours(texts[i], strlen(texts[i])));
    }
    static const char fine[] = "{\"a\":\"\\u001F\\n\",\"b\":-0.5,\"c\":{}}";
    assert_true(form_is_ours(fine, strlen(fine)));
}

/* -- intents -- */

static void test_intents(void **state)
{
    struct intents *t = intents_new();
    int64_t kept[INTENTS_MAX], n = 0;
    size_t size;

    (void)state;
    for (int64_t i = 1; i <= 3 * INTENTS_MAX; i++) {
        char line[40];
        (void)snprintf(line, sizeof(line), "line %lld", (long long)i);
        assert_int_equal(intents_put(t, i, line, strlen(line)), 0);
        if (i % 3 == 0)
            intents_drop(t, i - 1);
    }
    for (int64_t i = 1; i <= 3 * INTENTS_MAX; i++) {
        const char *line = intents_get(t, i, &size);
        char wanted[40];

        if (line) {
            (void)snprintf(wanted, sizeof(wanted), "line %lld", (long long)i);
            assert_string_equal(line, wanted);
            assert_int_equal(size, strlen(wanted));
            kept[n++] = i;
        } else {
            assert_true(n == 0 || i % 3 == 2); /* the oldest are gone, and what was dropped */
        }
    }
    assert_int_equal(n, INTENTS_MAX - 1); /* one was dropped last of all */
    assert_int_equal(kept[n - 1], 3 * INTENTS_MAX);
    assert_int_equal(intents_put(t, 3, "other", 5), 0);
    assert_string_equal(intents_get(t, 3, &size), "other");
    intents_free(t);
}

/* -- files that do not fit together -- */

struct files {
    char folder[64];
    char *paths[4];
    struct chain_hash link;
    int64_t seq;
};

static void add(struct files *f, FILE *out, const char *facts, const char *personal)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    char prev[CHAIN_TEXT_SIZE], commitment[CHAIN_TEXT_SIZE];
    struct chain_hash h;
    struct line_chain l;

    chain_text(prev, &f->link);
    buffer_format(&b, "{\"v\":1,\"seq\":%lld,\"t\":\"2026-11-28T12:00:00.000000Z\"%s", (long long)++f->seq, facts);
    if (personal) {
        assert_int_equal(chain_commitment(personal, strlen(personal), &h), 0);
        chain_text(commitment, &h);
        buffer_format(&b, ",\"pc\":\"%s\"", commitment);
    }
    buffer_format(&b, ",\"prev\":\"%s\"", prev);
    if (personal)
        buffer_format(&b, ",\"p\":%s", personal);
    buffer_add_text(&b, "}");
    assert_int_equal(line_parse(b.data, b.size, &l), 1);
    f->link = l.link;
    assert_true(fprintf(out, "%s\n", b.data) > 0);
}

#define PERSON "{\"s\":\"AAECAwQFBgcICQoLDA0ODw\",\"id\":\"id-1\",\"dn\":\"uid=ann,dc=x\",\"login\":\"ann\""
#define INTENT ",\"ev\":\"intent\",\"no\":1,\"op\":\"create\""

static FILE *begin(struct files *f, size_t i)
{
    FILE *out;

    if (!f->folder[0]) {
        const char *tmp = getenv("TMPDIR");
        (void)snprintf(f->folder, sizeof(f->folder), "%.40s/evidence-XXXXXX", tmp ? tmp : "/tmp");
        assert_non_null(mkdtemp(f->folder));
    }
    free(f->paths[i]);
    assert_true(asprintf(&f->paths[i], "%s/%zu", f->folder, i) > 0);
    out = fopen(f->paths[i], "we");
    assert_non_null(out);
    return out;
}

static void files_done(struct files *f)
{
    for (size_t i = 0; i < ARRAY_SIZE(f->paths); i++)
        if (f->paths[i]) {
            (void)remove(f->paths[i]);
            free(f->paths[i]);
        }
    (void)remove(f->folder);
}

/* Two lines each; the second file of `other` is of another audit with the same numbers. */
static void write_files(struct files *f, const char *forged)
{
    struct files other = {.seq = 2};
    FILE *out = begin(f, 0);

    add(f, out, INTENT, PERSON ",\"set\":[[\"role:Agent\",\"Agent\"]]}");
    add(f, out, ",\"ev\":\"outcome\",\"no\":1,\"code\":\"done\"",
        "{\"s\":\"AAECAwQFBgcICQoLDA0ODw\",\"id\":\"id-1\"}");
    assert_int_equal(fclose(out), 0);
    out = begin(f, 1);
    add(f, out, ",\"ev\":\"run-begin\"", NULL);
    add(f, out, forged ? forged : ",\"ev\":\"run-end\"", NULL);
    assert_int_equal(fclose(out), 0);
    out = begin(f, 2);
    memcpy(other.folder, f->folder, sizeof(other.folder));
    add(&other, out, ",\"ev\":\"start\"", NULL);
    add(&other, out, ",\"ev\":\"stop\"", NULL);
    assert_int_equal(fclose(out), 0);
}

static int count_line(const char *line, const json_t *view, void *userdata)
{
    (void)line;
    (void)view;
    ++*(int *)userdata;
    return 0;
}

static void check(const struct files *f, const char *which, const char *event, int n_wanted,
                  uint64_t n_unread, uint64_t n_breaks, uint64_t n_again, bool whole)
{
    CLEANUP(audit_doubts_done) struct audit_doubts doubts = {0};
    CLEANUP(audit_verify_result_done) struct audit_verify_result verdict = {0};
    struct audit_filter filter = {.event = event, .doubts = &doubts};
    const char *paths[4];
    struct error e = {""};
    int n = 0, r;

    for (size_t i = 0; which[i]; i++)
        paths[i] = f->paths[which[i] - '0'];
    assert_int_equal(audit_each(paths, strlen(which), &filter, count_line, &n, &e), 0);
    assert_row(which, n == n_wanted);
    assert_row(which, doubts.n_unread == n_unread);
    assert_row(which, doubts.n_breaks == n_breaks);
    assert_row(which, doubts.n_again == n_again);
    r = audit_verify(paths, strlen(which), &(struct audit_verify_options){0}, &verdict, &e);
    assert_int_equal(r, 0);
    assert_row(which, (verdict.n_findings == 0) == whole);
}

static void test_doubts(void **state)
{
    static const char *const forged[] = {
        ",\"ev\":\"run-end\",\"ev\":\"start\"",
        ",\"ev\":\"outcome\",\"op\":\"profile\",\"code\":\"\\u0064one\"",
        ",\"ev\":\"run-end\",\"d\":{\"n\":1e3}",
        ",\"ev\":\"run-end\", \"d\":1",
        ",\"ev\":run-end",
    };
    struct files f = {0};

    (void)state;
    write_files(&f, NULL);
    check(&f, "01", NULL, 4, 0, 0, 0, true);
    check(&f, "10", NULL, 4, 0, 0, 0, true);
    check(&f, "0101", NULL, 4, 0, 0, 0, true); /* the same file, and not a copy of it */
    check(&f, "02", NULL, 4, 0, 1, 0, false);
    check(&f, "012", NULL, 4, 0, 0, 2, false);
    files_done(&f);
    for (size_t i = 0; i < ARRAY_SIZE(forged); i++) {
        f = (struct files){0};
        write_files(&f, forged[i]);
        check(&f, "01", NULL, 3, 1, 0, 0, false);
        check(&f, "01", "start", 0, 1, 0, 0, false); /* also where nobody asks for that line */
        files_done(&f);
    }
}

static int look_at_outcome(const char *line, const json_t *view, void *userdata)
{
    int *n = userdata;

    (void)line;
    if (strcmp(json_string_value(json_object_get(view, "event")), "outcome") != 0)
        return 0;
    n[0] += json_object_get(view, "changes") != NULL;
    n[1] += json_is_true(json_object_get(view, "intent_missing"));
    return 0;
}

/* More intents are open than are remembered: the newest still say what their outcomes leave
 * out, and of the others it is said that it is not known. */
static void test_many_open_intents(void **state)
{
    struct files f = {0};
    FILE *out = begin(&f, 0);
    struct error e = {""};
    const char *path = f.paths[0];
    char facts[100];
    int n[2] = {0}, total = INTENTS_MAX + 1000;

    (void)state;
    for (int i = 1; i <= total; i++) {
        (void)snprintf(facts, sizeof(facts), ",\"ev\":\"intent\",\"no\":%d,\"op\":\"create\"", i);
        add(&f, out, facts, PERSON ",\"set\":[[\"role:Agent\",\"Agent\"]]}");
    }
    for (int i = 1; i <= total; i++) {
        (void)snprintf(facts, sizeof(facts), ",\"ev\":\"outcome\",\"no\":%d,\"code\":\"done\"", i);
        add(&f, out, facts, "{\"s\":\"AAECAwQFBgcICQoLDA0ODw\",\"id\":\"id-1\"}");
    }
    assert_int_equal(fclose(out), 0);
    assert_int_equal(audit_each(&path, 1, &(struct audit_filter){0}, look_at_outcome, n, &e), 0);
    assert_int_equal(n[0], INTENTS_MAX);
    assert_int_equal(n[1], 1000);
    files_done(&f);
}

/* -- the report as text -- */

static void test_report_text(void **state)
{
    static const unsigned widths[] = {80, 200};
    const char *srcdir = getenv("srcdir") ? getenv("srcdir") : ".";
    char sample[512], path[512];
    const char *files[] = {sample};

    (void)state;
    (void)snprintf(sample, sizeof(sample), "%s/tests/data/audit-export/sample.jsonl", srcdir);
    for (size_t i = 0; i < ARRAY_SIZE(widths); i++) {
        CLEANUP(output_done) struct output o = {.width = widths[i]};
        CLEANUP(evidence_done) struct evidence v = {.form = EVIDENCE_TEXT};
        CLEANUP(buffer_done) struct buffer expected = {0};
        struct error e = {""};
        char block[4096];
        FILE *f;

        if (evidence_gather(&v, files, 1, &e) < 0)
            fail_msg("%s", e.message);
        evidence_text(&o, &v);
        output_wrap(&o);
        for (const char *line = o.text.data, *end; *line; line = end + 1) {
            CLEANUP(freep) char *copy = NULL;

            end = strchr(line, '\n');
            copy = strndup(line, (size_t)(end - line));
            if (output_columns(copy) > widths[i])
                fail_msg("too wide: %s", copy);
        }
        assert_null(strchr(o.text.data, '\033'));
        (void)snprintf(path, sizeof(path), "%s/tests/data/ctl/audit-report-%u.txt", srcdir, widths[i]);
        if (getenv("ROSTERD_UPDATE")) {
            f = fopen(path, "we");
            assert_non_null(f);
            assert_true(fputs(o.text.data, f) >= 0);
            assert_int_equal(fclose(f), 0);
        }
        f = fopen(path, "re");
        for (size_t n; f && (n = fread(block, 1, sizeof(block), f)) > 0;)
            buffer_add(&expected, block, n);
        if (f)
            (void)fclose(f);
        if (!expected.data || strcmp(expected.data, o.text.data) != 0)
            fail_msg("%s differs:\n%s", path, o.text.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form_against_jansson), cmocka_unit_test(test_form_refuses),
        cmocka_unit_test(test_intents),              cmocka_unit_test(test_doubts),
        cmocka_unit_test(test_many_open_intents),    cmocka_unit_test(test_report_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
