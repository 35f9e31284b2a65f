/*
 * Every allocation of base and model fails once: the first of a scenario, then the second, and
 * so on until the scenario gets through. Each time it must say so, leave its output alone and
 * leak nothing (the leak checker of the sanitizer build looks).
 *
 * malloc() and its kin are wrapped at link time, jansson's by its own hook; of libunistring the
 * functions that allocate are wrapped.
 */
#include "config.h"

#include <errno.h>
#include <jansson.h>
#include <sys/mman.h>
#include <unicase.h>
#include <uninorm.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/secret.h"
#include "base/text.h"
#include "model/dn.h"
#include "model/entry.h"
#include "model/operation.h"
#include "model/schema.h"
#include "model/user.h"
#include "unit.h"

static unsigned countdown; /* 1: the next one fails; 0: none does */
static unsigned n_failed;
static size_t n_bytes; /* that were asked for: a measure of work which is the same everywhere */

static bool fails(void)
{
    if (countdown == 0 || --countdown > 0)
        return false;
    n_failed++;
    errno = ENOMEM;
    return true;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    n_bytes += size;
    return fails() ? NULL : __real_malloc(size);
}

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
    n_bytes += n * size;
    return fails() ? NULL : __real_calloc(n, size);
}

void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size)
{
    n_bytes += size;
    return fails() ? NULL : __real_realloc(p, size);
}

void *__real_reallocarray(void *p, size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
    n_bytes += n * size;
    return fails() ? NULL : __real_reallocarray(p, n, size);
}

char *__real_strdup(const char *s);
char *__wrap_strdup(const char *s);
char *__wrap_strdup(const char *s)
{
    return fails() ? NULL : __real_strdup(s);
}

char *__real_strndup(const char *s, size_t n);
char *__wrap_strndup(const char *s, size_t n);
char *__wrap_strndup(const char *s, size_t n)
{
    n_bytes += strnlen(s, n);
    return fails() ? NULL : __real_strndup(s, n);
}

void *__real_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    return fails() ? MAP_FAILED : __real_mmap(address, size, protection, flags, fd, offset);
}

#define WRAP_CASE(name)                                                                        \
    uint8_t *__real_##name(const uint8_t *s, size_t n, const char *language,                   \
                           uninorm_t normalization, uint8_t *result, size_t *size);            \
    uint8_t *__wrap_##name(const uint8_t *s, size_t n, const char *language,                   \
                           uninorm_t normalization, uint8_t *result, size_t *size);            \
    uint8_t *__wrap_##name(const uint8_t *s, size_t n, const char *language,                   \
                           uninorm_t normalization, uint8_t *result, size_t *size)             \
    {                                                                                          \
        return fails() ? NULL : __real_##name(s, n, language, normalization, result, size);    \
    }

WRAP_CASE(u8_casefold)
WRAP_CASE(u8_tolower)
WRAP_CASE(u8_toupper)

uint8_t *__real_u8_normalize(uninorm_t form, const uint8_t *s, size_t n, uint8_t *result,
                             size_t *size);
uint8_t *__wrap_u8_normalize(uninorm_t form, const uint8_t *s, size_t n, uint8_t *result,
                             size_t *size);
uint8_t *__wrap_u8_normalize(uninorm_t form, const uint8_t *s, size_t n, uint8_t *result,
                             size_t *size)
{
    return fails() ? NULL : __real_u8_normalize(form, s, n, result, size);
}

/* A scenario answers 0, or -ENOMEM when it met a failure. Reading JSON may answer -EINVAL, too:
 * jansson's parser takes some failed allocations for a syntax error. */
typedef int scenario(void);

/* A function that gives a pointer, NULL for failure. */
static int given(void *p)
{
    free(p);
    return p ? 0 : -ENOMEM;
}

static int run_fold(void)
{
    return given(text_fold("Jos\xc3\x89 X", 7));
}

static int run_fold_ascii(void)
{
    return given(text_fold("A b", 3));
}

static int run_case(void)
{
    int r = given(text_lower("\xc3\x89lodie"));
    if (r == 0)
        r = given(text_upper("\xc3\xa9lodie"));
    return r == 0 ? given(text_upper("plain")) : r;
}

static int run_ascii(void)
{
    int r = given(text_to_ascii("J\xc3\xb6rg \xe7\x94\xb0 \xc5\x81 \xc3\xa9", true));
    return r == 0 ? given(text_to_ascii("plain", false)) : r;
}

static int run_list(void)
{
    CLEANUP(string_list_done) struct string_list l = {0};
    int r = 0;
    for (unsigned i = 0; i < 20 && r == 0; i++)
        r = string_list_add(&l, "item");
    return r;
}

static int run_array(void)
{
    static const char *const names[] = {"uid", "mail", "sn", NULL};
    char **copy = text_array_copy(names);
    if (!copy)
        return -ENOMEM;
    for (size_t i = 0; i < ARRAY_SIZE(names) - 1; i++)
        assert_string_equal(copy[i], names[i]);
    assert_null(copy[ARRAY_SIZE(names) - 1]);
    text_array_free(copy);
    return 0;
}

static int run_buffer(void)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    for (unsigned i = 0; i < 200; i++) {
        buffer_format(&b, "%u,", i);
        buffer_add_text(&b, "abc");
    }
    char *text = buffer_take(&b);
    if (text)
        assert_memory_equal(text, "0,abc1,abc2,abc", 15);
    return given(text);
}

static int run_secret(void)
{
    CLEANUP(secret_freep) struct secret *a = NULL;
    CLEANUP(secret_freep) struct secret *b = NULL;
    struct error e = {""};
    int r = secret_new(&a, "x", 1, &e);
    if (r == 0)
        r = secret_random_password(&b, 12, "lower,digit", &e);
    if (r < 0)
        assert_string_equal(e.message, "out of memory");
    return r;
}

#define DN_TEXT "cn=J\xc3\xb6rg\\, X+uid=a,ou=B#\\+,1.2.3=#04ff,dc=c"

static int run_dn_key(void)
{
    CLEANUP(freep) char *key = NULL;
    struct error e = {""};
    int r = dn_key(NULL, DN_TEXT, &key, &e);
    if (r < 0) {
        assert_null(key);
        assert_string_equal(e.message, "out of memory");
    }
    return r;
}

static int run_dn_others(void)
{
    int r = given(dn_leaf_value(DN_TEXT));
    if (r == 0)
        r = given(dn_escape_value(" a,\n", 4));
    if (r == 0)
        r = dn_equal(NULL, DN_TEXT, DN_TEXT) ? 0 : -ENOMEM;
    return r;
}

static int fill_entry(struct entry *e)
{
    int r = 0;
    for (unsigned i = 0; i < 5 && r == 0; i++)
        r = entry_add_value(e, "mail", &"abcde"[i], 1);
    if (r == 0)
        r = entry_add_value(e, "photo", "\xff", 1);
    if (r == 0)
        r = entry_add_member(e, MEMBER_DN, "cn=x\n", "cn=x");
    entry_sort(e);
    return r;
}

static int run_entry(void)
{
    CLEANUP(entry_freep) struct entry *e = entry_new("id", "cn=x", ENTRY_GROUP);
    CLEANUP(freep) char *json = NULL;
    struct error err = {""};
    int r = e ? fill_entry(e) : -ENOMEM;
    if (r < 0)
        return r;
    json = entry_attributes_to_json(e);
    if (!json)
        return -ENOMEM;
    r = entry_attributes_from_json(e, json, &err);
    if (r == -ENOMEM)
        assert_string_equal(err.message, "out of memory");
    assert_int_equal(e->n_attributes, 2);
    assert_string_equal(entry_text(e, "mail"), "a");
    return r;
}

static const struct source rule = {(char *)"r", (char *)"f", 3};

static int fill_user(struct user *u)
{
    int r = user_set(u, USER_LOGIN, "a", &rule);
    if (r == 0)
        r = user_add_role(u, "Agent", &rule);
    if (r == 0)
        r = user_add_skill(u, "English", 5, NULL);
    if (r == 0)
        r = user_add_skill(u, "English", 100, &rule);
    return r == 0 ? source_copy(&u->disabled_source, &rule) : r;
}

static int run_user(void)
{
    CLEANUP(user_freep) struct user *u = user_new();
    CLEANUP(user_freep) struct user *copy = NULL;
    CLEANUP(user_freep) struct user *read = NULL;
    CLEANUP(freep) char *json = NULL;
    struct error e = {""};
    int r = u ? fill_user(u) : -ENOMEM;
    if (r < 0)
        return r;
    copy = user_copy(u);
    json = copy ? user_to_json(copy, true) : NULL;
    if (!json)
        return -ENOMEM;
    r = user_from_json(&read, json, &e);
    if (r < 0)
        assert_null(read);
    if (r == -ENOMEM)
        assert_string_equal(e.message, "out of memory");
    return r;
}

/* What was there must survive a set that fails. */
static int run_user_set_again(void)
{
    unsigned later = countdown;
    countdown = 0;
    CLEANUP(user_freep) struct user *u = user_new();
    assert_int_equal(fill_user(u), 0);
    countdown = later;
    int r = user_set(u, USER_LOGIN, "b", &rule);
    assert_string_equal(user_get(u, USER_LOGIN), r < 0 ? "a" : "b");
    assert_string_equal(u->fields[USER_LOGIN].source.rule, "r");
    return r;
}

static int run_operation(void)
{
    CLEANUP(operation_list_done) struct operation_list l = {0};
    CLEANUP(freep) char *json = NULL;
    struct operation *o = operation_new(OPERATION_CREATE, "id", "dn", "login");
    int r = o ? operation_list_add(&l, o) : -ENOMEM;
    if (r == 0)
        r = operation_add_change(o, "team", "a", "b", &rule);
    if (r < 0)
        return r;
    json = operation_changes_to_json(o);
    if (!json)
        return -ENOMEM;
    r = operation_changes_from_json(o, json);
    assert_int_equal(o->n_changes, 1);
    assert_string_equal(o->changes[0].to, "b");
    return r;
}

static int run_schema_new(void)
{
    struct schema *s = schema_new();
    schema_free(s);
    return s ? 0 : -ENOMEM;
}

#define SCHEMA_TEXT                                                                               \
    "{\"attributes\":[{\"matching\":1,\"names\":[\"a\",\"b\"],\"oid\":\"1.2\",\"single\":true}]," \
    "\"classes\":[{\"names\":[\"k\"],\"oid\":\"1.3\",\"superiors\":[\"top\"]}],\"from_server\":true}"

static int run_schema_json(void)
{
    CLEANUP(schema_freep) struct schema *s = NULL;
    CLEANUP(freep) char *json = NULL;
    const char *const names[] = {"b", "c"};
    int r = schema_from_json(&s, SCHEMA_TEXT);
    if (r < 0) {
        assert_null(s);
        return r;
    }
    r = schema_add(s, NULL, names, 2, MATCHING_TIME, false);
    if (r < 0)
        return r;
    json = schema_to_json(s);
    if (json) /* jansson itself would leave pieces out */
        assert_string_equal(json, "{\"attributes\":[{\"matching\":7,\"names\":[\"b\",\"c\"]}],"
                                  "\"classes\":[{\"names\":[\"k\"],\"oid\":\"1.3\","
                                  "\"superiors\":[\"top\"]}],\"from_server\":true}");
    return json ? 0 : -ENOMEM;
}

static void loop(scenario *run, unsigned at_least, bool reads_json)
{
    unsigned n = 0;
    int r = -1;

    while (r != 0) {
        countdown = ++n;
        n_failed = 0;
        r = run();
        bool was_hit = n_failed > 0;
        countdown = 0;
        if ((r == 0) == was_hit || (r != 0 && r != -ENOMEM && !(reads_json && r == -EINVAL)))
            fail_msg("allocation %u: %d", n, r);
        assert_true(n < 10000);
    }
    if (n <= at_least)
        fail_msg("only %u allocations were seen: is anything wrapped?", n - 1);
}

#define TEST(run, at_least, reads_json)                                                        \
    static void test_##run(void **state)                                                       \
    {                                                                                          \
        (void)state;                                                                           \
        loop(run_##run, at_least, reads_json);                                                 \
    }

TEST(fold, 3, false)
TEST(fold_ascii, 1, false)
TEST(case, 5, false)
TEST(ascii, 4, false)
TEST(list, 20, false)
TEST(array, 4, false)
TEST(buffer, 2, false)
TEST(secret, 2, false)
TEST(dn_key, 10, false)
TEST(dn_others, 10, false)
TEST(entry, 20, true)
TEST(user, 20, true)
TEST(user_set_again, 3, false)
TEST(operation, 15, true)
TEST(schema_new, 200, false)
TEST(schema_json, 10, true)

/* Of a name whose value is a name and so on, whoever writes an entry chooses the depth: four times
 * the text is never more than about four times the work. */
static void test_nested_names(void **state)
{
    (void)state;
    size_t before = 0;

    for (size_t levels = 1000; levels <= 64000; levels *= 4) {
        CLEANUP(buffer_done) struct buffer dn = {0};
        CLEANUP(freep) char *key = NULL;
        for (size_t i = 0; i < levels; i++)
            buffer_add_text(&dn, "member=");
        buffer_add_text(&dn, "a");
        n_bytes = 0;
        assert_int_equal(dn_key(NULL, dn.data, &key, NULL), 0);
        assert_true(n_bytes > dn.size);
        if (before > 0)
            assert_true(n_bytes < 6 * before);
        before = n_bytes;
    }
}

static int setup(void **state)
{
    (void)state;
    json_set_alloc_funcs(__wrap_malloc, free);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fold),           cmocka_unit_test(test_fold_ascii),
        cmocka_unit_test(test_case),           cmocka_unit_test(test_ascii),
        cmocka_unit_test(test_list),           cmocka_unit_test(test_array),
        cmocka_unit_test(test_buffer),         cmocka_unit_test(test_secret),
        cmocka_unit_test(test_dn_key),         cmocka_unit_test(test_dn_others),
        cmocka_unit_test(test_entry),          cmocka_unit_test(test_user),
        cmocka_unit_test(test_user_set_again), cmocka_unit_test(test_operation),
        cmocka_unit_test(test_schema_new),     cmocka_unit_test(test_schema_json),
        cmocka_unit_test(test_nested_names),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
