/* The daemon's answers as text: each sample of tests/data/ctl against its .txt, plainly, narrow
 * and in colour. ROSTERD_UPDATE=1 in the environment rewrites what is expected. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* cmocka.h needs the ones above. */
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

#include "base/clock.h"
#include "base/memory.h"
#include "render/output.h"
#include "render/render.h"

static int render_whole_plan(struct output *o, const json_t *answer)
{
    return render_plan(o, answer, RENDER_PLAN_SHORT);
}

static int render_plan_summary(struct output *o, const json_t *answer)
{
    return render_plan(o, answer, RENDER_PLAN_SUMMARY);
}

static int render_chosen(struct output *o, const json_t *answer)
{
    return render_plan(o, answer, RENDER_PLAN_CHOSEN);
}

static const struct row {
    const char *sample, *expected;
    int (*render)(struct output *o, const json_t *answer);
    int exit_code;
    unsigned width;
    bool colour;
} rows[] = {
    {"status", "status", render_status, EXIT_FOUND, 0, false},
    {"status", "status-80", render_status, EXIT_FOUND, 80, false},
    {"status", "status-60", render_status, EXIT_FOUND, 60, false},
    {"status", "status-colour", render_status, EXIT_FOUND, 100, true},
    {"status-fresh", "status-fresh", render_status, EXIT_FINE, 0, false},
    {"plan", "plan", render_whole_plan, EXIT_FOUND, 0, false},
    {"plan", "plan-colour", render_whole_plan, EXIT_FOUND, 80, true},
    {"plan", "plan-summary", render_plan_summary, EXIT_FOUND, 0, false},
    {"plan-many", "plan-many-80", render_whole_plan, EXIT_FOUND, 80, false},
    {"plan-many", "plan-many-200", render_whole_plan, EXIT_FOUND, 200, false},
    {"plan", "plan-chosen", render_chosen, EXIT_FOUND, 80, false},
    {"plan-empty", "plan-empty", render_whole_plan, EXIT_FINE, 0, false},
    {"plan-adoption", "plan-adoption", render_whole_plan, EXIT_FINE, 0, false},
    {"plan-problems", "plan-problems", render_whole_plan, EXIT_FAILED, 0, false},
    {"explain", "explain", render_explain, EXIT_FINE, 0, false},
    {"explain", "explain-all", render_explain_whole, EXIT_FINE, 80, false},
    {"explain", "explain-60", render_explain, EXIT_FINE, 60, false},
    {"holds", "holds", render_holds, EXIT_FOUND, 0, false},
    {"holds-none", "holds-none", render_holds, EXIT_FINE, 0, false},
    {"history", "history", render_history, EXIT_FINE, 0, false},
    {"config", "config", render_config, EXIT_FINE, 0, false},
    {"config", "config-50", render_config, EXIT_FINE, 50, false},
    {"check", "check", render_check, EXIT_FOUND, 0, false},
    {"approve-some", "approve-some", render_approve, EXIT_FINE, 80, false},
    {"approve", "approve", render_approve, EXIT_FINE, 0, false},
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

static void test_row(const struct row *row)
{
    char path[512];
    json_error_t why;
    CLEANUP(output_done)
    struct output o = {.colour = row->colour, .width = row->width};
    uint64_t now;

    assert_int_equal(clock_parse("2026-11-24T12:00:00Z", &now), 0);
    o.now_usec = now;
    data_path(path, row->sample, ".json");
    json_auto_t *answer = json_load_file(path, 0, &why);
    if (!answer)
        fail_msg("%s:%d: %s", path, why.line, why.text);
    assert_int_equal(row->render(&o, answer), row->exit_code);
    assert_false(o.text.failed);
    data_path(path, row->expected, ".txt");
    if (getenv("ROSTERD_UPDATE")) {
        FILE *f = fopen(path, "we");
        assert_non_null(f);
        assert_true(fputs(o.text.data, f) >= 0);
        assert_int_equal(fclose(f), 0);
    }
    CLEANUP(freep) char *expected = read_path(path);
    if (!expected || strcmp(expected, o.text.data) != 0)
        fail_msg("%s differs:\n%s", path, o.text.data);
    if (!row->colour)
        assert_null(strchr(o.text.data, '\033')); /* nothing from outside gets through */
    assert_null(strchr(o.text.data, '\007'));
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        test_row(&rows[i]);
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
            CLEANUP(output_done) struct output o = {.width = rows[i].width};
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
                                     "abcdefghijk…  x\n"
                                     "日本語日本…\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_wrong_answers),
        cmocka_unit_test(test_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
