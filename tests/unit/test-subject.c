/*
 * An entry as templates and filters look at it: which attribute a name means, and which of its
 * values.
 */
#include "config.h"

#include <errno.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "failing-memory.h"
#include "mapping/options.h"
#include "mapping/problem-sink.h"
#include "mapping/ruleset.h"
#include "mapping/subject.h"
#include "model/entry.h"
#include "model/schema.h"
#include "unit.h"

static struct entry *entry_of(const char *dn, const char *const *names, const char *const *values)
{
    struct entry *e = entry_new("id", dn, ENTRY_PERSON);
    assert_non_null(e);
    for (size_t i = 0; names[i]; i++)
        assert_int_equal(entry_add_value(e, names[i], values[i], strlen(values[i])), 0);
    entry_sort(e);
    return e;
}

/* RFC 4512 2.5: an option makes a subtype; RFC 3866: a range of languages. */
static void test_attributes(void **state)
{
    (void)state;
    static const struct {
        const char *wanted;
        const char *there[5];
        const char *found; /* NULL: none */
    } rows[] = {
        {"cn", {"cn"}, "cn"},
        {"CN", {"cn"}, "cn"},
        {"commonName", {"cn"}, "cn"},
        {"cn", {"sn"}, NULL},
        {"cn", {"cn;lang-de", "cn"}, "cn"},
        {"cn", {"cn;lang-de"}, "cn;lang-de"},
        {"cn", {"cn;lang-de", "cn;lang-en"}, "cn;lang-de"},
        {"cn;lang-de", {"cn", "cn;lang-de"}, "cn;lang-de"},
        {"cn;lang-de", {"cn"}, NULL},
        {"cn;lang-de", {"cn;lang-en"}, NULL},
        {"cn;lang-de", {"cn;lang-de;x-a"}, NULL},
        {"cn;lang-de;x-a", {"cn;x-a;lang-de"}, "cn;x-a;lang-de"},
        {"cn;lang-de;x-b", {"cn;lang-de;x-a"}, NULL},
        {"cn;LANG-DE", {"cn;lang-de"}, "cn;lang-de"},
        {"cn;lang-d", {"cn;lang-de"}, NULL},
    };
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        static const char *const values[] = {"a", "b", "c", "d", "e"};
        CLEANUP(entry_freep) struct entry *entry = entry_of("cn=x", rows[i].there, values);
        struct attribute_name name = {0};
        struct subject s;
        assert_int_equal(attribute_name_init(&name, rows[i].wanted, strlen(rows[i].wanted)), 0);
        assert_int_equal(attribute_name_resolve(&name, schema), 0);
        assert_int_equal(subject_init(&s, entry, schema), 0);
        const struct attribute *a = subject_attribute(&s, &name);
        assert_row(rows[i].wanted, !a == !rows[i].found && (!a || !strcmp(a->name, rows[i].found)));
        subject_done(&s);
        attribute_name_done(&name);
    }
}

static void test_options(void **state)
{
    (void)state;
    static const struct {
        const char *attribute, *options;
        bool has;
    } rows[] = {
        {"cn", NULL, true},          {"cn", "x", false},              {"cn;x", "x", true},
        {"cn;xy", "x", false},       {"cn;x", "xy", false},           {"cn;a;b", "b;a", true},
        {"cn;a", "a;b", false},      {"cn;lang-de", "lang-", true},   {"cn;lang-de", "lang-de-", true},
        {"cn;lang-de-at", "lang-de-", true}, {"cn;lang-den", "lang-de-", false}, {"cn;lang", "lang-", true},
        {"cn;lang-e", "lang-de-", false},    {"cn;x", "", false},
    };
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *names[] = {rows[i].attribute, NULL}, *values[] = {"a"};
        CLEANUP(entry_freep) struct entry *entry = entry_of("cn=x", names, values);
        struct subject s;
        assert_int_equal(subject_init(&s, entry, schema), 0);
        if (subject_has_options(&s, 0, rows[i].options) != rows[i].has)
            fail_msg("%s, %s", rows[i].attribute, rows[i].options);
        subject_done(&s);
    }
}

/* T71. Entries keep their values in the order of bytes. */
static const struct choice {
    const char *dn, *attribute;
    const char *values[4];
    const char *begins;
    bool at_end;
    const char *chosen;
} choices[] = {
    {"cn=x", "uid", {"b", "a"}, NULL, false, "a"},
    {"cn=x", "uid", {"a", "  ", ""}, NULL, false, "a"},
    {"cn=x", "uid", {"  ", ""}, NULL, false, NULL},
    {"uid=b,dc=x", "uid", {"a", "b", "c"}, NULL, false, "b"},
    {"UID = B ,dc=x", "uid", {"a", "b", "c"}, NULL, false, "b"},
    {"userid=b,dc=x", "uid", {"a", "b", "c"}, NULL, false, "b"},
    {"cn=x+uid=b,dc=x", "uid", {"a", "b"}, NULL, false, "b"},
    {"cn=x\\+uid=b,dc=x", "uid", {"a", "b"}, NULL, false, "a"},
    {"cn=x,uid=b", "uid", {"a", "b"}, NULL, false, "a"},
    {"cn=b,dc=x", "uid", {"a", "b"}, NULL, false, "a"},
    {"uid=z,dc=x", "uid", {"a", "b"}, NULL, false, "a"},
    {"cn=b\\, c,dc=x", "cn", {"a", "b, c"}, NULL, false, "b, c"},
    {"cn=b\\2c c,dc=x", "cn", {"a", "b, c"}, NULL, false, "b, c"},
    {"cn=#0401,dc=x", "cn", {"a", "b"}, NULL, false, "a"},
    {"cn=b\\00,dc=x", "cn", {"a", "b"}, NULL, false, "a"},
    {"cn=b\\", "cn", {"a", "b"}, NULL, false, "a"},
    {"b", "cn", {"a", "b"}, NULL, false, "a"},
    {"", "cn", {"a", "b"}, NULL, false, "a"},
    {"cn=x", "proxyAddresses", {"SMTP:a", "smtp:b", "x"}, "smtp:", false, "smtp:b"},
    {"cn=x", "proxyAddresses", {"a@x", "b@y", "c@y"}, "@y", true, "b@y"},
    {"cn=x", "proxyAddresses", {"a", "b"}, "abc", false, NULL},
    {"proxyAddresses=c@y,dc=x", "proxyAddresses", {"a@x", "b@y", "c@y"}, "@y", true, "c@y"},
    {"proxyAddresses=a@x,dc=x", "proxyAddresses", {"a@x", "b@y", "c@y"}, "@y", true, "b@y"},
};

static struct entry *entry_by(const struct choice *c)
{
    const char *names[5] = {0};
    for (size_t i = 0; i < 4 && c->values[i]; i++)
        names[i] = c->attribute;
    return entry_of(c->dn, names, c->values);
}

static void test_values(void **state)
{
    (void)state;
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    for (size_t i = 0; i < ARRAY_SIZE(choices); i++) {
        const struct choice *c = &choices[i];
        CLEANUP(entry_freep) struct entry *entry = entry_by(c);
        struct subject s;
        assert_int_equal(subject_init(&s, entry, schema), 0);
        for (long n = 0;; n++) {
            const struct value *v = NULL;
            fail_after = n;
            int r = subject_value(&s, &entry->attributes[0], c->begins, c->at_end, &v);
            bool failed = fail_after < 0;
            fail_after = -1;
            if (r == 0 && (!v != !c->chosen || (v && strcmp(v->data, c->chosen) != 0)))
                fail_msg("%s, %s: %s", c->dn, c->attribute, v ? v->data : "none");
            assert_true(r == 0 || (failed && r == -ENOMEM && !v));
            if (!failed)
                break;
        }
        subject_done(&s);
    }
}

/* Another one is tried in its place. */
static void test_forced(void **state)
{
    (void)state;
    static const struct choice c = {"uid=b,dc=x", "uid", {"a", "b", "c"}, NULL, false, NULL};
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    CLEANUP(entry_freep) struct entry *entry = entry_by(&c);
    struct subject s;
    assert_int_equal(subject_init(&s, entry, schema), 0);
    const struct attribute *a = &entry->attributes[0];
    for (size_t i = 0; i < a->n_values; i++) {
        const struct value *v = NULL;
        s.forced = &a->values[i];
        assert_int_equal(subject_value(&s, a, NULL, false, &v), 0);
        assert_ptr_equal(v, s.forced);
        assert_int_equal(subject_value(&s, a, "c", false, &v), 0);
        assert_string_equal(v->data, "c"); /* only among those that begin so */
    }
    /* A value of another attribute is tried in the place of none of these. */
    static const struct value elsewhere[3];
    for (size_t i = 0; i < 2; i++) {
        const struct value *v = NULL;
        s.forced = i ? a->values + a->n_values : &elsewhere[1];
        assert_int_equal(subject_value(&s, a, NULL, false, &v), 0);
        assert_string_equal(v->data, "b");
    }
    subject_done(&s);
}

static void note(const struct problem *p, void *userdata)
{
    snprintf(userdata, 200, "%s", p->sentence);
}

/* Proposes what the server has, if there is memory to look for it. */
static void test_unknown_names(void **state)
{
    (void)state;
    static const char *const mail[] = {"mail"};
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    struct attribute_name name = {0};
    char said[200] = "";
    struct problem_sink problems = {.report = note, .userdata = said};
    struct mapping_text where = {0};
    assert_int_equal(attribute_name_init(&name, "maill", 5), 0);
    assert_int_equal(attribute_name_resolve(&name, schema), 0);
    assert_false(attribute_name_check(&name, schema, PROBLEM_WARNING, &problems, &where, 1));
    assert_int_equal(schema_add(schema, NULL, mail, 1, MATCHING_CASE_IGNORE, false), 0);
    schema_set_from_server(schema);
    assert_true(attribute_name_check(&name, schema, PROBLEM_WARNING, &problems, &where, 1));
    assert_string_equal(said, "the directory's schema has no attribute 'maill'; did you mean 'mail'?");
    fail_after = 0;
    assert_true(attribute_name_check(&name, schema, PROBLEM_WARNING, &problems, &where, 1));
    fail_after = -1;
    assert_string_equal(said, "the directory's schema has no attribute 'maill'");
    attribute_name_done(&name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attributes),    cmocka_unit_test(test_options),
        cmocka_unit_test(test_values),        cmocka_unit_test(test_forced),
        cmocka_unit_test(test_unknown_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
