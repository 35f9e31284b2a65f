/*
 * Entries: which bytes are text, stable order, options, and the mirror's JSON. Covers T39 and
 * T40 as far as the model goes.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/error.h"
#include "model/class.h"
#include "model/entry.h"
#include "unit.h"

static char large[ENTRY_VALUE_MAX + 1];

static int setup(void **state)
{
    (void)state;
    memset(large, 'x', sizeof(large));
    return 0;
}

static void add(struct entry *e, const char *attribute, const char *text)
{
    assert_int_equal(entry_add_value(e, attribute, text, strlen(text)), 0);
}

static struct entry *new_person(void)
{
    struct entry *e = entry_new("id-1", "uid=a,dc=b", ENTRY_PERSON);
    assert_non_null(e);
    return e;
}

static void test_new(void **state)
{
    (void)state;
    CLEANUP(entry_freep) struct entry *e = entry_new("id", "dc=x", ENTRY_CONTAINER);
    assert_string_equal(e->id, "id");
    assert_string_equal(e->dn, "dc=x");
    assert_int_equal(e->kind, ENTRY_CONTAINER);
    assert_null(entry_free(NULL));
}

static void test_states(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        enum value_state state;
    } rows[] = {
        {"", 0, VALUE_TEXT},
        {"J\xc3\xb6rg \xe7\x94\xb0 \xf0\x9f\x98\x80 \xd7\xa9", 17, VALUE_TEXT},
        {"a\0b", 3, VALUE_BINARY},
        {"a\nb", 3, VALUE_BINARY},
        {"\xff\xd8", 2, VALUE_BINARY},
        {"J\xf6rg", 4, VALUE_BINARY},
        {large, ENTRY_VALUE_MAX, VALUE_TEXT},
        {large, ENTRY_VALUE_MAX + 1, VALUE_TOO_LARGE},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(entry_freep) struct entry *e = new_person();
        assert_int_equal(entry_add_value(e, "sn", rows[i].bytes, rows[i].size), 0);
        const struct value *v = &entry_attribute(e, "sn")->values[0];
        assert_int_equal(v->state, rows[i].state);
        assert_int_equal(v->size, rows[i].size);
        if (v->state == VALUE_TOO_LARGE)
            assert_string_equal(v->data, "");
        else
            assert_memory_equal(v->data, rows[i].bytes, rows[i].size);
        assert_true((v->state == VALUE_TEXT) == (entry_text(e, "sn") != NULL));
    }
}

static void test_names(void **state)
{
    (void)state;
    CLEANUP(entry_freep) struct entry *e = new_person();
    assert_int_equal(entry_add_value(e, "", "x", 1), -EINVAL);
    assert_int_equal(entry_add_value(e, "c n", "x", 1), -EINVAL);
    assert_int_equal(entry_add_value(e, "c\xc3\xa9", "x", 1), -EINVAL);
    assert_int_equal(entry_add_value(e, "cn\n", "x", 1), -EINVAL);
    assert_int_equal(e->n_attributes, 0);
}

static void test_order(void **state)
{
    (void)state;
    static const char *const mails[] = {"c@x", "a@x", "b@x", "ab@x", "a"};
    static const char *const sorted[] = {"a", "a@x", "ab@x", "b@x", "c@x"};
    for (size_t shift = 0; shift < ARRAY_SIZE(mails); shift++) {
        CLEANUP(entry_freep) struct entry *e = new_person();
        for (size_t i = 0; i < ARRAY_SIZE(mails); i++)
            add(e, i % 2 ? "mail" : "Mail", mails[(i + shift) % ARRAY_SIZE(mails)]);
        add(e, "cn", "x");
        entry_sort(e);
        assert_int_equal(e->n_attributes, 2);
        assert_string_equal(e->attributes[0].name, "cn");
        const struct attribute *a = entry_attribute(e, "MAIL");
        assert_int_equal(a->n_values, ARRAY_SIZE(mails));
        for (size_t i = 0; i < ARRAY_SIZE(mails); i++)
            assert_string_equal(a->values[i].data, sorted[i]);
        assert_string_equal(entry_text(e, "mail"), "a");
    }
}

static void test_options(void **state)
{
    (void)state;
    CLEANUP(entry_freep) struct entry *e = new_person();
    add(e, "cn;lang-fr", "Jean");
    add(e, "cn;lang-de", "Hans");
    add(e, "cnx", "no");
    assert_string_equal(entry_text(e, "cn"), "Hans"); /* also unsorted: the first by name */
    entry_sort(e);
    assert_string_equal(entry_text(e, "cn"), "Hans");
    assert_string_equal(entry_text(e, "CN;Lang-FR"), "Jean");
    assert_null(entry_attribute(e, "cn;lang"));
    assert_null(entry_attribute(e, "c"));
    add(e, "CN", "John");
    entry_sort(e);
    assert_string_equal(entry_text(e, "cn"), "John");
    assert_string_equal(entry_text(e, "cn;lang-de"), "Hans");
}

static void test_text_skips_binary(void **state)
{
    (void)state;
    CLEANUP(entry_freep) struct entry *e = new_person();
    assert_int_equal(entry_add_value(e, "sn", "\x01", 1), 0);
    assert_null(entry_text(e, "sn"));
    add(e, "sn", "Smith");
    entry_sort(e);
    assert_string_equal(entry_text(e, "sn"), "Smith");
    assert_null(entry_text(e, "mail"));
}

static void test_members(void **state)
{
    (void)state;
    CLEANUP(entry_freep) struct entry *e = entry_new("g", "cn=g", ENTRY_GROUP);
    assert_int_equal(entry_add_member(e, MEMBER_LOGIN, "b", "B"), 0);
    assert_int_equal(entry_add_member(e, MEMBER_DN, "cn=x\n", "CN=X"), 0);
    assert_int_equal(entry_add_member(e, MEMBER_LOGIN, "a", "a"), 0);
    assert_int_equal(entry_add_member(e, MEMBER_DN, "cn=x\n", "cn=x"), 0);
    assert_int_equal(entry_add_member(e, MEMBER_PRIMARY, "a", "a"), 0);
    entry_sort(e);
    assert_int_equal(e->n_members, 4);
    assert_string_equal(e->members[0].text, "CN=X");
    assert_string_equal(e->members[1].key, "a");
    assert_string_equal(e->members[2].text, "B");
    assert_int_equal(e->members[3].kind, MEMBER_PRIMARY);
}

/* Processor time, so that a busy machine changes nothing. */
static double seconds(void)
{
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now), 0);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* n keys in the order that was worst, each twice. */
static double take_keys(size_t n)
{
    CLEANUP(entry_freep) struct entry *e = entry_new("p", "uid=p", ENTRY_PERSON);
    double begun = seconds();
    for (size_t i = 2 * n; i > 0; i--) {
        char key[32];
        snprintf(key, sizeof(key), "u%08zu", (i + 1) / 2);
        assert_int_equal(entry_take_login_key(e, strdup(key)), 0);
    }
    entry_sort(e);
    double took = seconds() - begun;
    assert_string_equal(e->login_key, "u00000001");
    assert_int_equal(e->other_login_keys.n_items, n - 1);
    for (size_t i = 0; i + 1 < n; i++)
        assert_int_equal(strtoul(e->other_login_keys.items[i] + 1, NULL, 10), i + 2);
    return took;
}

/* Whoever may write to an entry chooses how many logins it has. */
static void test_logins_without_end(void **state)
{
    (void)state;
    double few = take_keys(10000), many = take_keys(40000);
    if (many > 8 * few + 0.1)
        fail_msg("10,000 keys take %.3f s, 40,000 take %.3f s", few, many);
}

#define SAMPLE                                                                                 \
    "{\"description\":[{\"too_large\":16385}],\"mail\":[\"a@b\",\"c@d\"],"                     \
    "\"photo\":[{\"binary\":\"ff00\"}]}"

static void test_json(void **state)
{
    (void)state;
    CLEANUP(entry_freep) struct entry *e = new_person();
    add(e, "mail", "c@d");
    assert_int_equal(entry_add_value(e, "photo", "\xff\0", 2), 0);
    add(e, "mail", "a@b");
    assert_int_equal(entry_add_value(e, "description", large, sizeof(large)), 0);
    entry_sort(e);
    CLEANUP(freep) char *json = entry_attributes_to_json(e);
    assert_string_equal(json, SAMPLE);

    CLEANUP(entry_freep) struct entry *read = new_person();
    struct error err = {""};
    add(read, "old", "goes");
    assert_int_equal(entry_attributes_from_json(read, json, &err), 0);
    assert_null(entry_attribute(read, "old"));
    CLEANUP(freep) char *again = entry_attributes_to_json(read);
    assert_string_equal(again, json);
    assert_int_equal(entry_attribute(read, "photo")->values[0].state, VALUE_BINARY);
    assert_memory_equal(entry_attribute(read, "photo")->values[0].data, "\xff\0", 2);
    assert_int_equal(entry_attribute(read, "description")->values[0].size, 16385);
}

static void test_json_empty(void **state)
{
    (void)state;
    CLEANUP(entry_freep) struct entry *e = new_person();
    CLEANUP(freep) char *json = entry_attributes_to_json(e);
    assert_string_equal(json, "{}");
    assert_int_equal(entry_attributes_from_json(e, json, NULL), 0);
}

static void test_json_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "[]",
        "{\"cn\":\"x\"}",
        "{\"cn\":[1]}",
        "{\"cn\":[\"a\\nb\"]}",
        "{\"cn\":[\"a\\u0000b\"]}",
        "{\"cn\":[\"a\"],\"CN\":[\"b\"]}",
        "{\"cn\":[\"a\"],\"cn\":[\"b\"]}",
        "{\"\":[\"a\"]}",
        "{\"cn\":[{}]}",
        "{\"cn\":[{\"binary\":\"f\"}]}",
        "{\"cn\":[{\"binary\":\"fG\"}]}",
        "{\"cn\":[{\"too_large\":5}]}",
        "{\"cn\":[{\"too_large\":-5}]}",
        "{\"cn\":[\"a\"]} x",
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        CLEANUP(entry_freep) struct entry *e = new_person();
        struct error err = {""};
        add(e, "sn", "stays");
        assert_row(texts[i], entry_attributes_from_json(e, texts[i], &err) == -EINVAL);
        assert_non_null(strstr(err.message, "uid=a,dc=b"));
        assert_int_equal(e->n_attributes, 1);
        assert_string_equal(entry_text(e, "sn"), "stays");
    }
}

/* A class implies its superiors, once each, whatever the server returned of them. */
static void test_superior_classes(void **state)
{
    (void)state;
    struct entry *e = entry_new("1", "uid=a", ENTRY_PERSON);
    assert_non_null(e);
    assert_int_equal(entry_add_value(e, "objectClass", "ccAgent", 7), 0);
    assert_int_equal(entry_add_value(e, "objectClass", "INETORGPERSON", 13), 0);
    assert_int_equal(entry_add_value(e, "objectClass", "Person", 6), 0);
    assert_int_equal(class_add_superiors(NULL, e), 0);
    assert_int_equal(class_add_superiors(NULL, e), 0);
    entry_sort(e);
    const struct attribute *a = entry_attribute(e, "objectclass");
    assert_non_null(a);
    assert_int_equal(a->n_values, 5);
    assert_string_equal(a->values[0].data, "INETORGPERSON");
    assert_string_equal(a->values[1].data, "Person");
    assert_string_equal(a->values[2].data, "ccAgent");
    assert_string_equal(a->values[3].data, "organizationalPerson");
    assert_string_equal(a->values[4].data, "top");
    assert_true(class_is_a(NULL, "inetorgperson", "Person"));
    assert_false(class_is_a(NULL, "ccAgent", "person"));
    entry_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_superior_classes),
        cmocka_unit_test(test_new),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_text_skips_binary),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_logins_without_end),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_empty),
        cmocka_unit_test(test_json_refused),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
