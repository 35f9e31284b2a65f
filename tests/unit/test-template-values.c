/*
 * Templates on one value each, as a shell has it where a shell has the same; what is wrong with a
 * template; and every allocation failing.
 */
#include "config.h"

#include <errno.h>

#include "base/error.h"
#include "failing-memory.h"
#include "mapping/pattern.h"
#include "mapping/problem-sink.h"
#include "mapping/ruleset.h"
#include "mapping/subject.h"
#include "mapping/template.h"
#include "model/entry.h"
#include "model/schema.h"
#include "unit.h"

#define X50  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X256 X50 X50 X50 X50 X50 "xxxxxx"

static const struct row {
    const char *template, *value; /* of cn; NULL: absent */
    const char *expected;         /* NULL: refused */
} rows[] = {
    {"${cn#a\\*}", "a*b", "b"},
    {"${cn#a\\*}", "ab", "ab"},
    {"${cn#$$}", "$a", "a"},
    {"${cn#${cn@ascii}}", "\xe6\x9d\x8e", NULL},
    {"${cn//${sn}/x}", "ab", "ab"},
    {"${cn#[[a]}", "[b", "b"},
    {"${cn#\\\\}", "\\b", "b"},
    {"${cn#\xc3\x89}", "\xc3\x89lodie", "lodie"},
    {"${cn#[!b-d]}", "ab", "b"},
    {"${cn#[!b-d]}", "cb", "cb"},
    {"${cn#[^b-d]}", "ab", "b"},
    {"${cn#[]a]}", "]b", "b"},
    {"${cn#[a-]}", "-b", "b"},
    {"${cn#[\\]]}", "]b", "b"},
    {"${cn#[a\\-z]}", "mb", "mb"},
    {"${cn##**b}", "aabab", ""},
    {"${cn%b**}", "abcb", "abc"},
    {"${cn%%b*}", "abcb", "a"},
    {"${cn#${cn}}", "a*", ""},
    {"${cn#${sn}}", "ab", "ab"},
    {"${cn//a/b}", "banana", "bbnbnb"},
    {"${cn/a/<&>}", "banana", "b<a>nana"},
    {"${cn/#b/x}", "banana", "xanana"},
    {"${cn/#a/x}", "banana", "banana"},
    {"${cn/%a/x}", "banana", "bananx"},
    {"${cn/%b/x}", "banana", "banana"},
    {"${cn/%*/x}", "banana", "x"},
    {"${cn/%banana}", "banana", ""},
    {"${cn//[a-z]}", "banana", ""},
    {"${cn//x*/y}", "banana", "banana"},
    {"${cn//\\//-}", "a/b", "a-b"},
    {"${cn//$$/-}", "a$b", "a-b"},
    {"${cn/a/$$}", "a", "$"},
    {"${cn@digits/*/none}", "abc", "none"},
    {"${cn@digits/1/none}", "abc", ""},
    {"${cn/*/none}", NULL, ""},
    {"${cn@digits}", "+49/8:9", "4989"},
    {"${cn@digits}", NULL, ""},
    {"${cn@ascii}", NULL, ""},
    {"${cn@ascii}", "\xc3\x89", "E"},
    {"${cn@ascii-de}", "\xc3\xa4", "ae"},
    {"${cn@ascii}", "?", "?"},
    {"${cn@ascii}", "\xe6\x9d\x8e", NULL},
    {"${cn^}", NULL, ""},
    {"${cn^}", "\xc3\xa9lo", "\xc3\x89lo"},
    {"${cn^^}", "\xc3\xa9lo", "\xc3\x89LO"},
    {"${cn,}", "ABC", "aBC"},
    {"${cn,,}", "ABC", "abc"},
    {"${cn:1:2}", "abcd", "bc"},
    {"${cn:1}", "\xc3\xa9lo", "lo"},
    {"${cn: -2}", "abcd", "cd"},
    {"${cn: -9}", "abcd", ""},
    {"${cn:9}", "abcd", ""},
    {"${cn:1:9}", "abcd", "bcd"},
    {"${cn:1:-1}", "abcd", "bc"},
    {"${cn:3:-3}", "abcd", ""},
    {"${cn:99999999999999999999}", "abcd", ""},
    {"${cn:0:99999999999999999999}", "abcd", "abcd"},
    {"${cn:1}", NULL, ""},
    {"${cn:-none}", NULL, "none"},
    {"${cn:-none}", "a", "a"},
    {"${cn:+one}", "a", "one"},
    {"${cn:+one}", NULL, ""},
    {"${cn:-\\}}", NULL, "}"},
    {"a&b", NULL, "a&b"},
    {"a/b}", NULL, "a/b}"},
    {"a\\b", NULL, "a\\b"},
    {"${cn#" X256 "${cn}" X256 "}", X256 X256 X256, NULL}, /* a pattern beyond its limit */
    {"${cn#smtp:}", "x:smtp", ""},
    {"${cn#x=}", "smtp:a", ""},
    {"${cn%smtp:}", "x", "x"},
    {"${cn#ab}", "x", "x"},
};

/* Parses, prepares and expands; 0, TEMPLATE_REFUSED or an error. */
static int expand(const struct row *row, const struct schema *schema, char **ret, struct error *e)
{
    CLEANUP(template_freep) struct template *t = NULL;
    CLEANUP(entry_freep) struct entry *entry = entry_new("1", "uid=j", ENTRY_PERSON);
    struct problem_sink problems = {0};
    struct subject subject;
    const char *code;
    size_t offset;
    if (!entry || (row->value && entry_add_value(entry, "cn", row->value, strlen(row->value)) < 0))
        return -ENOMEM;
    int r = template_parse(&t, row->template, &offset, e);
    if (r == 0)
        r = template_prepare(t, schema, &problems, NULL);
    if (r == 0)
        r = subject_init(&subject, entry, schema);
    if (r == 0) {
        r = template_expand(t, &subject, ret, &code, e);
        subject_done(&subject);
    }
    return r;
}

static void test_rows(void **state)
{
    (void)state;
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        for (long n = -1;; n++) {
            CLEANUP(freep) char *text = NULL;
            struct error e = {0};
            fail_after = n;
            int r = expand(&rows[i], schema, &text, &e);
            bool failed = n >= 0 && fail_after < 0;
            fail_after = -1;
            if (r == -EINVAL && !failed)
                break; /* a mistake: below */
            if (failed && r == -ENOMEM)
                continue;
            if (r != (rows[i].expected ? 0 : TEMPLATE_REFUSED))
                fail_msg("%s: %d, %s", rows[i].template, r, e.message);
            if (r == 0 && strcmp(text, rows[i].expected) != 0)
                fail_msg("%s: '%s'", rows[i].template, text);
            if (n >= 0 && !failed)
                break;
        }
}

static void test_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *template;
        size_t offset;
        const char *words;
    } mistakes[] = {
        {"${cn#}", 5, "a pattern is expected"},
        {"${cn#[b-a]}", 5, "runs backwards"},
        {"${cn#[}", 5, "']' is missing"},
        {"${cn#[[}", 5, "']' is missing"},
        {"${cn#[a}", 5, "']' is missing"},
        {"${cn#x[!}", 6, "']' is missing"},
        {"${cn#[a-}", 5, "']' is missing"},
        {"${cn#[[:digit:]]}", 5, "write [0-9]"},
        {"${cn#[[.a.]]}", 5, "write [0-9]"},
        {"${cn#[a[=b=]]}", 5, "write [0-9]"},
        {"${cn#${sn}[b-a]}", 5, "runs backwards"},
        {"${cn#" X256 X256 X256 X256 X256 "}", 5, "the pattern is longer"},
        {"${cn@ascii-dx}", 4, "'@ascii-dx' is not known"},
        {"${cn@digitz}", 4, "'@digitz' is not known"},
        {"${cn@asciz}", 4, "'@asciz' is not known"},
        {"${cn:-a\\", 7, "a character is missing"},
        {"${\xf0\x9f\x98\x80}", 2, "found '\xf0\x9f\x98\x80'"},
        {"${", 2, "found the end"},
        {"$x", 0, "a dollar sign is $$"},
        {"${cn:-${cn:-${cn:-${cn:-${cn:-${cn:-${cn:-${cn:-${cn:-${cn:-${cn:-${cn:-${cn:-${cn:-${cn:-${cn:-${cn:-${cn:-"
         "x}}}}}}}}}}}}}}}}}}", 0, "nested deeper"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(mistakes); i++) {
        struct template *t = NULL;
        struct error e = {0};
        size_t offset = 999;
        assert_row(mistakes[i].template,
                   template_parse(&t, mistakes[i].template, &offset, &e) == -EINVAL);
        if (!strstr(e.message, mistakes[i].words) ||
            (mistakes[i].offset && offset != mistakes[i].offset))
            fail_msg("%s: at %zu: %s", mistakes[i].template, offset, e.message);
    }
}

/* A backslash at the very end is one; bytes that are no text are characters all the same. */
static void test_patterns(void **state)
{
    (void)state;
    struct pattern p = {0};
    struct characters c = {0};
    struct error e = {0};
    size_t offset, end = 0;
    assert_int_equal(pattern_add_glob(&p, "a\\", 2, &offset, &e), 0);
    assert_int_equal(characters_init(&c, "a\\b", 3), 0);
    assert_int_equal(pattern_match(&p, &c, 0, false, true, &end), 1);
    assert_int_equal(end, 2);
    characters_done(&c);
    pattern_done(&p);
    assert_int_equal(pattern_add_literal(&p, "\xff", 1), 0);
    assert_int_equal(p.n_elements, 1);
    pattern_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_patterns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
