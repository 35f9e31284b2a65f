/*
 * JSON written and read piece by piece, against jansson: what we write it would write in the
 * same bytes, and what one of the two takes the other takes too, with the same values.
 */
#include "config.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json-read.h"
#include "base/json-write.h"
#include "unit.h"

#define ROUNDS 20000

static unsigned long long chance = 1;

static unsigned any(unsigned n)
{
    chance = chance * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(chance >> 33) % n;
}

static const char *const pieces[] = {
    "a",    "Z",        " ",        "\"",       "\\",           "/",        "\b",
    "\n",   "\x01",     "\x1f",     "\x7f",     "\u00e9",       "\xc2\x85",   "\u2028",
    "\ufeff", "\U0001f600", "\uffff", "\xc3",     "\xed\xa0\x80", "\xf5\x80\x80\x80", "0",
};

static void random_text(char *to, size_t size)
{
    *to = '\0';
    for (unsigned n = any(8); n > 0; n--)
        if (strlen(to) + 8 < size)
            strcat(to, pieces[any(ARRAY_SIZE(pieces))]);
}

static void test_texts_as_jansson_writes_them(void **state)
{
    (void)state;
    size_t n_refused = 0;
    for (int i = 0; i < ROUNDS; i++) {
        char text[128];
        CLEANUP(buffer_done) struct buffer b = {0};
        random_text(text, sizeof(text));
        json_write_text(&b, text);
        json_t *j = json_string(text);
        assert_int_equal(b.failed, j == NULL);
        n_refused += !j;
        if (!j)
            continue;
        char *theirs = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY);
        assert_string_equal(b.data, theirs);
        free(theirs);
        json_decref(j);
    }
    assert_true(n_refused > 100 && n_refused < ROUNDS - 100);
}

/* The next key is the same, cut, for json_read_name(). */
static void read_name_too(const struct json_reader *r, const struct json_reader *after,
                          const char *key)
{
    struct json_reader again = *r;
    char name[JSON_NAME_SIZE];
    bool any = json_read_name(&again, name);
    assert_int_equal(any, key != NULL);
    assert_int_equal(again.failed, after->failed);
    assert_true(again.at == after->at || (again.failed && !*again.at));
    if (any)
        assert_int_equal(strncmp(name, key, JSON_NAME_SIZE - 1), 0);
    if (any)
        assert_true(strlen(name) == strlen(key) || strlen(name) == JSON_NAME_SIZE - 1);
}

/* Reads whatever comes and writes it again, members in the order in which they came. */
static void copy(struct json_reader *r, struct buffer *b)
{
    int next = json_read_peek(r);
    if (next == '{' || next == '[') {
        json_read_open(r, (char)next);
        buffer_add(b, next == '{' ? "{" : "[", 1);
        for (;;) {
            CLEANUP(freep) char *key = NULL;
            struct json_reader before = *r;
            bool any = next == '{' ? json_read_key(r, &key) : json_read_item(r);
            if (next == '{')
                read_name_too(&before, r, key);
            if (!any)
                break;
            json_write_comma(b);
            if (next == '{') {
                json_write_text(b, key);
                buffer_add(b, ":", 1);
            }
            copy(r, b);
        }
        buffer_add(b, next == '{' ? "}" : "]", 1);
    } else if (next == 't' || next == 'f') {
        buffer_add_text(b, json_read_boolean(r) ? "true" : "false");
    } else if (next == 0) {
        json_write_integer(b, json_read_integer(r));
    } else {
        size_t size;
        CLEANUP(freep) char *text = json_read_text(r, &size);
        if (text)
            json_write_bytes(b, text, size);
        else
            buffer_add_text(b, "null");
    }
}

/* What jansson makes of it in the same form; NULL when it refuses it. */
static char *by_jansson(const char *text)
{
    json_t *j = json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
    char *theirs = j ? json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    json_decref(j);
    return theirs;
}

static char *by_us(const char *text)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    struct json_reader r;
    json_read_start(&r, text);
    copy(&r, &b);
    return json_read_end(&r) == 0 ? buffer_take(&b) : NULL;
}

static bool only_doubled(const char *text)
{
    json_t *strict = json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
    json_t *loose = json_loads(text, JSON_DECODE_ANY, NULL);
    bool doubled = loose && !strict;
    json_decref(strict);
    json_decref(loose);
    return doubled;
}

static void same(const char *text)
{
    if (only_doubled(text)) /* a key: whoever reads it sees that */
        return;
    CLEANUP(freep) char *theirs = by_jansson(text), *ours = by_us(text);
    if (!theirs != !ours || (theirs && strcmp(theirs, ours) != 0))
        fail_msg("%s\n  is %s to jansson\n  and %s to us", text, theirs ? theirs : "an error",
                 ours ? ours : "an error");
}

static void random_value(struct buffer *b, unsigned depth)
{
    static const char *const words[] = {"true", "false", "null", "0", "-1", "9223372036854775807",
                                        "-9223372036854775808", "\"\\u00e9\\ud83d\\ude00\"",
                                        "\"\\/\\b\\f\\n\\r\\t\\\\\\\"\"", " 12 ", "\"\""};
    unsigned what = any(depth > 4 ? 2 : 5);
    if (what < 2) {
        buffer_add_text(b, words[any(ARRAY_SIZE(words))]);
        return;
    }
    buffer_add_text(b, what < 4 ? "{ " : "[");
    for (unsigned i = 0, n = any(4); i < n; i++) {
        if (i > 0)
            buffer_add_text(b, any(2) ? "," : " ,\n");
        if (what < 4)
            buffer_format(b, "\"k%u\\u0041\":", i);
        random_value(b, depth + 1);
    }
    buffer_add_text(b, what < 4 ? "}" : " ]");
}

static void test_values_as_jansson_reads_them(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        CLEANUP(buffer_done) struct buffer b = {0};
        random_value(&b, 0);
        same(b.data);
        /* And spoilt: a character is lost, doubled, or another one. */
        size_t at = any((unsigned)b.size);
        switch (any(3)) {
        case 0: memmove(b.data + at, b.data + at + 1, b.size - at); break;
        case 1: b.data[at] = "{}[],:\"\\019-. tnfue\x01\xc3"[any(21)]; break;
        default: b.data[at] = '\0'; break;
        }
        /* Ours has no real numbers, and stops where jansson does not look at all. */
        if (!strpbrk(b.data, ".eE") || !strpbrk(b.data, "0123456789"))
            same(b.data);
    }
}

static void test_what_both_refuse(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",         "{",         "[1,]",        "{\"a\":1,}",    "{\"a\"}",      "[1 2]",
        "\"\\u12\"", "\"\\x41\"", "\"\\ud800\"", "\"\\udc00\"",   "\"\\u0000\"",  "\"\xff\"",
        "\"a\nb\"", "01",        "-",           "+1",            "tru",          "nul",
        "[1]]",     "{}{}",      "\"a",         "\"a\\",         "9223372036854775808",
        "{a:1}",    "[,1]",      "{,}",         "\"\\ud800\\u0041\"",
    };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        CLEANUP(freep) char *ours = by_us(wrong[i]), *theirs = by_jansson(wrong[i]);
        if (ours || theirs)
            fail_msg("%s is taken by %s", wrong[i], ours ? "us" : "jansson");
    }
}

static void test_limits_of_ours(void **state)
{
    (void)state;
    CLEANUP(freep) char *deep = by_us("[[[[[[[[1]]]]]]]]"), *deeper = by_us("[[[[[[[[[1]]]]]]]]]");
    assert_string_equal(deep, "[[[[[[[[1]]]]]]]]");
    assert_null(deeper);
    assert_null(by_us("1.5"));
    assert_null(by_us("1e3"));
}

static void test_skip(void **state)
{
    (void)state;
    struct json_reader r;
    CLEANUP(freep) char *first = NULL, *second = NULL, *third = NULL;
    json_read_start(&r, "{\"a\":{\"x\":[1,{\"y\":null}],\"z\":true},\"b\":7}");
    json_read_open(&r, '{');
    assert_true(json_read_key(&r, &first));
    json_read_skip(&r);
    assert_true(json_read_key(&r, &second));
    assert_string_equal(second, "b");
    assert_int_equal(json_read_integer(&r), 7);
    assert_false(json_read_key(&r, &third));
    assert_int_equal(json_read_end(&r), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts_as_jansson_writes_them),
        cmocka_unit_test(test_values_as_jansson_reads_them),
        cmocka_unit_test(test_what_both_refuse),
        cmocka_unit_test(test_limits_of_ours),
        cmocka_unit_test(test_skip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
