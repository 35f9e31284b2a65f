/* The daemon's answers as text: each sample of tests/data/ctl against its texts at 80 and at 200
 * columns and in colour; narrower, nothing is cut either. ROSTERD_UPDATE=1 in the environment
 * rewrites what is expected. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uniwidth.h>

/* cmocka.h needs the ones above. */
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"
#include "render/output.h"
#include "render/render.h"

static int render_short_plan(struct output *o, const json_t *answer)
{
    return render_plan(o, answer, RENDER_PLAN_SHORT);
}

static int render_whole_plan(struct output *o, const json_t *answer)
{
    return render_plan(o, answer, RENDER_PLAN_WHOLE);
}

static int render_plan_summary(struct output *o, const json_t *answer)
{
    return render_plan(o, answer, RENDER_PLAN_SUMMARY);
}

static int render_chosen(struct output *o, const json_t *answer)
{
    return render_plan(o, answer, RENDER_PLAN_CHOSEN);
}

/* As rosterctl prints it, whose people come some at a time. */
static int render_who(struct output *o, const json_t *answer)
{
    const json_t *people = json_object_get(answer, "people");

    render_audit_who(o, answer, json_array_size(people));
    if (json_array_size(people))
        render_audit_people(o, people, true);
    render_audit_who_else(o, answer);
    return EXIT_FINE;
}

static const struct row {
    const char *sample, *name; /* of NAME.json and NAME-80.txt, NAME-200.txt */
    int (*render)(struct output *o, const json_t *answer);
    int exit_code;
} rows[] = {
    {"status", "status", render_status, EXIT_FOUND},
    {"status-fresh", "status-fresh", render_status, EXIT_FINE},
    {"status-odd", "status-odd", render_status, EXIT_FINE}, /* of another release, or of nobody's */
    {"status-broken", "status-broken", render_status, EXIT_FINE},
    {"plan", "plan", render_short_plan, EXIT_FOUND},
    {"plan-observing", "plan-observing", render_short_plan, EXIT_FOUND},
    {"plan-observing-ready", "plan-observing-ready", render_short_plan, EXIT_FOUND},
    {"plan", "plan-summary", render_plan_summary, EXIT_FOUND},
    {"plan", "plan-chosen", render_chosen, EXIT_FOUND},
    {"plan-many", "plan-many", render_short_plan, EXIT_FOUND},
    {"plan-empty", "plan-empty", render_short_plan, EXIT_FINE},
    {"plan-adoption", "plan-adoption", render_short_plan, EXIT_FINE},
    {"plan-problems", "plan-problems", render_short_plan, EXIT_FAILED},
    {"plan-wide", "plan-wide", render_whole_plan, EXIT_FOUND},
    {"explain", "explain", render_explain, EXIT_FINE},
    {"explain", "explain-all", render_explain_whole, EXIT_FINE},
    {"holds", "holds", render_holds, EXIT_FOUND},
    {"holds-none", "holds-none", render_holds, EXIT_FINE},
    {"history", "history", render_history, EXIT_FINE},
    {"audit-who", "audit-who", render_who, EXIT_FINE},
    {"audit-who-skill", "audit-who-skill", render_who, EXIT_FINE},
    {"audit-verify", "audit-verify", render_audit_verify, EXIT_FINE},
    {"audit-verify-broken", "audit-verify-broken", render_audit_verify, EXIT_FOUND},
    {"audit-show", "audit-show", render_history, EXIT_FINE},
    {"history-odd", "history-odd", render_history, EXIT_FINE},
    {"config", "config", render_config, EXIT_FINE},
    {"check", "check", render_check, EXIT_FOUND},
    {"approve-some", "approve-some", render_approve, EXIT_FINE},
    {"approve", "approve", render_approve, EXIT_FINE},
};

static void data_path(char buffer[static 512], const char *name, const char *end)
{
    const char *srcdir = getenv("srcdir");

    (void)snprintf(buffer, 512, "%s/tests/data/ctl/%s%s", srcdir ? srcdir : ".", name, end);
}

static char *read_path(const char *path)
{
    struct buffer b = {0};
    char chunk[4096];
    FILE *f = fopen(path, "re");

    if (!f)
        return NULL;
    for (size_t n; (n = fread(chunk, 1, sizeof(chunk), f)) > 0;)
        buffer_add(&b, chunk, n);
    (void)fclose(f);
    return buffer_take(&b);
}

static void compare(const char *name, const char *end, const char *text)
{
    char path[512];

    data_path(path, name, end);
    if (getenv("ROSTERD_UPDATE")) {
        FILE *f = fopen(path, "we");
        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(fclose(f), 0);
    }
    CLEANUP(freep) char *expected = read_path(path);
    if (!expected || strcmp(expected, text) != 0)
        fail_msg("%s differs:\n%s", path, text);
}

/* The answer as text; malloc'd. */
static char *rendered(const struct row *row, unsigned width, bool colour)
{
    char path[512];
    json_error_t why;
    CLEANUP(output_done) struct output o = {.colour = colour, .width = width};

    assert_int_equal(clock_parse("2026-11-24T12:00:00Z", &o.now_usec), 0);
    data_path(path, row->sample, ".json");
    json_auto_t *answer = json_load_file(path, 0, &why);
    if (!answer)
        fail_msg("%s:%d: %s", path, why.line, why.text);
    assert_int_equal(row->render(&o, answer), row->exit_code);
    output_wrap(&o);
    assert_false(o.text.failed);
    assert_null(strchr(o.text.data, '\007')); /* nothing from outside gets through */
    if (!colour)
        assert_null(strchr(o.text.data, '\033'));
    return buffer_take(&o.text);
}

/* How often each byte occurs, blanks aside. */
static void count_bytes(const char *text, unsigned counts[static 256])
{
    memset(counts, 0, 256 * sizeof(*counts));
    for (; *text; text++)
        counts[(unsigned char)*text] += *text != ' ' && *text != '\n';
}

/* No line is wider than the terminal, and nothing is lost on the way there. */
static void test_fits(const struct row *row, const char *text, unsigned width)
{
    CLEANUP(freep) char *whole = rendered(row, 0, false);
    CLEANUP(freep) char *lines = strdup(text);
    unsigned before[256], after[256];

    count_bytes(whole, before);
    count_bytes(text, after);
    for (size_t i = 0; i < 256; i++)
        if (before[i] != after[i])
            fail_msg("%s at %u: byte %zu occurs %u times, not %u\n%s", row->name, width, i,
                     after[i], before[i], text);
    for (char *line = strtok(lines, "\n"); line; line = strtok(NULL, "\n")) {
        if (u8_strwidth((const uint8_t *)line, "UTF-8") > (int)width)
            fail_msg("%s at %u: %s", row->name, width, line);
    }
}

static void test_rows(void **state)
{
    static const unsigned widths[] = {200, 80, 60, 40};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        for (size_t k = 0; k < ARRAY_SIZE(widths); k++) {
            CLEANUP(freep) char *text = rendered(&rows[i], widths[k], false);
            char end[16];
            (void)snprintf(end, sizeof(end), "-%u.txt", widths[k]);
            if (widths[k] >= 80)
                compare(rows[i].name, end, text);
            test_fits(&rows[i], text, widths[k]);
        }
}

static void test_colours(void **state)
{
    static const char *const names[] = {"status", "plan", "explain"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        for (size_t k = 0; k < ARRAY_SIZE(names); k++)
            if (strcmp(rows[i].name, names[k]) == 0) {
                CLEANUP(freep) char *text = rendered(&rows[i], 80, true);
                compare(names[k], "-colour.txt", text);
            }
}

/* Every answer to every renderer: members are missing or of another type, and nothing breaks.
 */
static void test_wrong_answers(void **state)
{
    static const char *const texts[] = {
        "{}",
        "{\"operations\": [1, \"x\", null, {}], \"people\": [null, {\"steps\": 3}], \"holds\": [{}],"
        " \"keys\": [{}, {\"section\": 1}], \"lines\": [{}], \"items\": [{}], \"budgets\": [7],"
        " \"alarms\": [[]], \"adoption\": {}, \"skipped\": [{}], \"problems\": [{}],"
        " \"summary\": {\"x\": \"y\"}, \"directory\": {}, \"tenant\": {}, \"run\": {\"last\": {"
        " \"totals\": {\"seen\": \"x\"}}}, \"queue\": {}}",
    };

    (void)state;
    for (size_t t = 0; t < ARRAY_SIZE(texts); t++)
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
            CLEANUP(output_done) struct output o = {.width = 80};
            json_auto_t *answer = json_loads(texts[t], 0, NULL);
            assert_non_null(answer);
            (void)rows[i].render(&o, answer);
            assert_false(o.text.failed);
        }
}

static void test_table(void **state)
{
    static const char *const heads[] = {"A", "B"};
    CLEANUP(table_done) struct table t = {.n_columns = 2, .heads = heads};
    CLEANUP(output_done) struct output o = {.width = 15};

    (void)state;
    table_add(&t, COLOUR_NONE, "abcdefghijklmnop");
    table_add(&t, COLOUR_NONE, "x");
    table_add(&t, COLOUR_NONE, "日本語日本語日本語");
    table_add(&t, COLOUR_NONE, NULL);
    table_print(&t, &o, 0);
    assert_string_equal(o.text.data, "A             B\n"
                                     "abcdefghijkl  x\n"
                                     "mnop\n"
                                     "日本語日本語\n"
                                     "日本語\n");
}

/* -- JSON -- */

static unsigned chance(unsigned n)
{
    return (unsigned)(random_number() % n);
}

static json_t *random_text(void)
{
    static const char *const pieces[] = {"a", "\"", "\\", "\n", "\x01", "\x1f", "\x7f", "\xc2\x85",
                                         "\xc2\xa0", "\xe2\x80\xa8", "\xe2\x80\xae", "\xe2\x81\xa6",
                                         "\xe2\x81\xaa", "\xe2\x82\xac", "/", "\xf0\x9f\x91\xa9",
                                         "eight to the word", "\xc3\xbc", " "};
    CLEANUP(buffer_done) struct buffer b = {0};

    for (unsigned n = chance(12); n > 0; n--)
        buffer_add_text(&b, pieces[chance(ARRAY_SIZE(pieces))]);
    return json_stringn(b.data ? b.data : "", b.size);
}

static json_t *random_value(unsigned depth)
{
    unsigned n = chance(5);
    json_t *all;

    switch (chance(depth > 3 ? 6 : 8)) {
    case 0: return random_text();
    case 1: return json_integer((json_int_t)random_number());
    case 2: return json_real((double)(json_int_t)random_number() / (1 + chance(100000)));
    case 3: return json_boolean(chance(2));
    case 4: return json_null();
    case 5: return json_integer(chance(2) ? INT64_MIN : 0);
    case 6:
        for (all = json_array(); n > 0; n--)
            json_array_append_new(all, random_value(depth + 1));
        return all;
    default:
        for (all = json_object(); n > 0; n--) {
            json_t *key = random_text();

            json_object_set_new(all, json_string_value(key), random_value(depth + 1));
            json_decref(key);
        }
        return all;
    }
}

/* jansson writes the same but for what steers a terminal, and reads the same from it. */
static void test_json(void **state)
{
    static const size_t flags[] = {JSON_COMPACT, JSON_INDENT(2), JSON_INDENT(2) | JSON_SORT_KEYS};
    unsigned n_same = 0;

    (void)state;
    random_seed(1);
    for (unsigned i = 0; i < 3000; i++) {
        CLEANUP(buffer_done) struct buffer b = {0};
        json_auto_t *value = json_pack("{s:o}", "value", random_value(0)), *again;
        CLEANUP(freep) char *text = json_dumps(value, flags[i % ARRAY_SIZE(flags)]);

        output_json(&b, value, flags[i % ARRAY_SIZE(flags)]);
        again = json_loads(b.data, 0, NULL);
        assert_false(b.failed);
        assert_true(json_equal(value, again));
        for (size_t k = 0; k < b.size; k++)
            assert_true(b.data[k] == '\n' || ((b.data[k] & 0xe0) != 0 && b.data[k] != 0x7f));
        assert_null(strstr(b.data, "\xc2\x85"));
        assert_null(strstr(b.data, "\xe2\x80\xa8"));
        assert_null(strstr(b.data, "\xe2\x80\xae"));
        assert_null(strstr(b.data, "\xe2\x81\xa6"));
        if (!strpbrk(text, "\x7f\xc2\xe2")) {
            assert_string_equal(b.data, text);
            n_same++;
        }
    }
    assert_true(n_same > 1000);
}

/* More blanks than a line has columns, before a word and before what takes none. */
static void test_blanks(void **state)
{
    (void)state;
    const char *words[] = {"word", "\033[0m", "\033[1mword\033[0m"};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        CLEANUP(output_done) struct output o = {.colour = true, .width = 20};
        output_format(&o, "a%60s%s", "", words[i]);
        output_end(&o, 2);
        size_t size = strlen(words[i]);
        assert_true(o.text.size > size);
        assert_memory_equal(o.text.data + o.text.size - size - 1, words[i], size);
    }
    for (unsigned n = 0; n < 60; n++) {
        CLEANUP(output_done) struct output o = {.colour = true, .width = 20};
        output_format(&o, "%*s\033[1m%*s\033[0m%*sword", (int)n, "", (int)n, "", (int)n, "");
        output_end(&o, 2);
        assert_memory_equal(o.text.data + o.text.size - 5, "word\n", 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),          cmocka_unit_test(test_colours),
        cmocka_unit_test(test_wrong_answers), cmocka_unit_test(test_table),
        cmocka_unit_test(test_json),          cmocka_unit_test(test_blanks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
