/*
 * Users and where their values come from.
 */
#include "config.h"

#include <errno.h>

#include "base/error.h"
#include "base/text.h"
#include "model/user.h"
#include "unit.h"

static const struct source rule_a = {(char *)"Support agents", (char *)"rosterd.conf", 12};
static const struct source rule_b = {(char *)"[user] email", (char *)"rosterd.conf", 40};

static void test_source(void **state)
{
    (void)state;
    CLEANUP(source_done) struct source s = {0};
    char buffer[100];
    assert_string_equal(source_text(&s, buffer, sizeof(buffer)), "no rule");
    assert_int_equal(source_copy(&s, &rule_a), 0);
    assert_string_equal(source_text(&s, buffer, sizeof(buffer)),
                        "rule \"Support agents\" (rosterd.conf:12)");
    assert_int_equal(source_copy(&s, &rule_b), 0);
    assert_string_equal(source_text(&s, buffer, sizeof(buffer)),
                        "[user] email (rosterd.conf:40)");
    assert_int_equal(source_copy(&s, &s), 0);
    assert_string_equal(s.rule, "[user] email");
    assert_int_equal(source_set(&s, "x", NULL, 3), 0);
    assert_string_equal(source_text(&s, buffer, sizeof(buffer)), "rule \"x\"");
    assert_string_equal(source_text(&s, buffer, 4), "rul");
    assert_int_equal(source_copy(&s, NULL), 0);
    assert_null(s.rule);
    assert_int_equal(s.line, 0);
}

static void test_field_names(void **state)
{
    (void)state;
    static const char *const names[] = {"login_id",   "first_name",   "last_name", "email",
                                        "work_phone", "mobile_phone", "extension", "team"};
    assert_int_equal(ARRAY_SIZE(names), USER_N_FIELDS);
    for (int i = 0; i < USER_N_FIELDS; i++) {
        assert_string_equal(user_field_name((enum user_field)i), names[i]);
        assert_int_equal(user_field_from_name(names[i]), i);
    }
    assert_int_equal(user_field_from_name("Team"), -1);
    assert_int_equal(user_field_from_name(""), -1);
}

static void test_set(void **state)
{
    (void)state;
    CLEANUP(user_freep) struct user *u = user_new();
    assert_null(user_get(u, USER_EMAIL));
    assert_int_equal(user_set(u, USER_EMAIL, "a@b", &rule_b), 0);
    assert_string_equal(user_get(u, USER_EMAIL), "a@b");
    assert_int_equal(u->fields[USER_EMAIL].source.line, 40);
    /* Its own text and source may be given back. */
    assert_int_equal(
        user_set(u, USER_EMAIL, user_get(u, USER_EMAIL), &u->fields[USER_EMAIL].source), 0);
    assert_string_equal(user_get(u, USER_EMAIL), "a@b");
    assert_string_equal(u->fields[USER_EMAIL].source.rule, "[user] email");
    assert_int_equal(user_set(u, USER_EMAIL, "", NULL), 0);
    assert_string_equal(user_get(u, USER_EMAIL), "");
    assert_null(u->fields[USER_EMAIL].source.rule);
    assert_int_equal(user_set(u, USER_EMAIL, NULL, NULL), 0);
    assert_null(user_get(u, USER_EMAIL));
    assert_null(user_free(NULL));
}

static void test_roles(void **state)
{
    (void)state;
    static const char *const names[] = {"Supervisor", "Agent", "agent", "Admin", "Agent", "Z"};
    static const char *const sorted[] = {"Admin", "Agent", "Supervisor", "Z", "agent"};
    CLEANUP(user_freep) struct user *u = user_new();
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_int_equal(user_add_role(u, names[i], i < 2 ? &rule_a : &rule_b), 0);
    assert_int_equal(u->n_roles, ARRAY_SIZE(sorted));
    for (size_t i = 0; i < ARRAY_SIZE(sorted); i++)
        assert_string_equal(u->roles[i].name, sorted[i]);
    assert_int_equal(user_role(u, "Agent")->source.line, 12); /* the first that gave it */
    assert_int_equal(user_role(u, "Z")->source.line, 40);
    assert_null(user_role(u, "AGENT"));
}

static void test_skills(void **state)
{
    (void)state;
    CLEANUP(user_freep) struct user *u = user_new();
    assert_int_equal(user_add_skill(u, "Spanish", 50, &rule_a), 0);
    assert_int_equal(user_add_skill(u, "English", 100, &rule_a), 0);
    assert_int_equal(user_add_skill(u, "Spanish", 40, &rule_b), 0);
    assert_int_equal(user_skill(u, "Spanish")->level, 50);
    assert_int_equal(user_skill(u, "Spanish")->source.line, 12);
    assert_int_equal(user_add_skill(u, "Spanish", 80, &rule_b), 0);
    assert_int_equal(user_skill(u, "Spanish")->level, 80);
    assert_int_equal(user_skill(u, "Spanish")->source.line, 40);
    assert_int_equal(user_add_skill(u, "Billing", 0, NULL), 0);
    assert_int_equal(user_add_skill(u, "French", 101, NULL), -ERANGE);
    assert_int_equal(u->n_skills, 3);
    assert_string_equal(u->skills[0].name, "Billing");
    assert_string_equal(u->skills[2].name, "Spanish");
    assert_null(user_skill(u, "French"));
}

static struct user *sample(void)
{
    struct user *u = user_new();
    assert_int_equal(user_set(u, USER_LOGIN, "j\xc3\xb6rg", NULL), 0);
    assert_int_equal(user_set(u, USER_EMAIL, "", &rule_b), 0);
    assert_int_equal(user_add_role(u, "Agent", &rule_a), 0);
    assert_int_equal(user_add_role(u, "Admin", NULL), 0);
    assert_int_equal(user_add_skill(u, "English", 100, &rule_a), 0);
    assert_int_equal(user_add_skill(u, "value", 0, NULL), 0);
    u->disabled = true;
    assert_int_equal(source_copy(&u->disabled_source, &rule_b), 0);
    return u;
}

#define PLAIN                                                                                  \
    "{\"disabled\":true,\"email\":\"\",\"login_id\":\"j\xc3\xb6rg\",\"roles\":[\"Admin\","     \
    "\"Agent\"],\"skills\":{\"English\":100,\"value\":0}}"
#define WITH_SOURCES                                                                             \
    "{\"disabled\":{\"file\":\"rosterd.conf\",\"line\":40,\"rule\":\"[user] email\","            \
    "\"value\":true},\"email\":{\"file\":\"rosterd.conf\",\"line\":40,\"rule\":"                 \
    "\"[user] email\",\"value\":\"\"},\"login_id\":{\"value\":\"j\xc3\xb6rg\"},\"roles\":"       \
    "[{\"value\":\"Admin\"},{\"file\":\"rosterd.conf\",\"line\":12,\"rule\":\"Support agents\"," \
    "\"value\":\"Agent\"}],\"skills\":{\"English\":{\"file\":\"rosterd.conf\",\"line\":12,"      \
    "\"rule\":\"Support agents\",\"value\":100},\"value\":{\"value\":0}}}"

static void test_json(void **state)
{
    (void)state;
    CLEANUP(user_freep) struct user *u = sample();
    CLEANUP(user_freep) struct user *copy = user_copy(u);
    CLEANUP(user_freep) struct user *from_plain = NULL;
    CLEANUP(user_freep) struct user *from_sources = NULL;
    struct error e = {""};
    CLEANUP(freep) char *plain = user_to_json(u, false);
    CLEANUP(freep) char *sources = user_to_json(copy, true);
    assert_string_equal(plain, PLAIN);
    assert_string_equal(sources, WITH_SOURCES);

    assert_int_equal(user_from_json(&from_sources, sources, &e), 0);
    CLEANUP(freep) char *again = user_to_json(from_sources, true);
    assert_string_equal(again, sources);
    assert_int_equal(user_from_json(&from_plain, plain, &e), 0);
    CLEANUP(freep) char *plain_again = user_to_json(from_plain, false);
    assert_string_equal(plain_again, plain);
    assert_null(user_get(from_plain, USER_TEAM));
    assert_true(from_plain->disabled);
}

static void test_json_empty(void **state)
{
    (void)state;
    CLEANUP(user_freep) struct user *u = user_new();
    CLEANUP(user_freep) struct user *read = NULL;
    CLEANUP(freep) char *json = user_to_json(u, false);
    assert_string_equal(json, "{\"disabled\":false,\"roles\":[],\"skills\":{}}");
    assert_int_equal(user_from_json(&read, "{}", NULL), 0);
    CLEANUP(freep) char *again = user_to_json(read, false);
    assert_string_equal(again, json);
}

static void test_json_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "x",
        "[]",
        "{\"password\":\"x\"}",
        "{\"email\":1}",
        "{\"email\":null}",
        "{\"email\":{\"rule\":\"x\"}}",
        "{\"email\":{\"value\":1}}",
        "{\"email\":{\"value\":\"x\",\"rule\":1}}",
        "{\"email\":{\"value\":\"x\",\"file\":[]}}",
        "{\"email\":{\"value\":\"x\",\"line\":-1}}",
        "{\"email\":{\"value\":\"x\",\"line\":4294967296}}",
        "{\"email\":{\"value\":\"x\",\"line\":\"1\"}}",
        "{\"email\":\"a\",\"email\":\"b\"}",
        "{\"email\":\"a\\u0000\"}",
        "{\"disabled\":1}",
        "{\"roles\":{}}",
        "{\"roles\":[1]}",
        "{\"skills\":[]}",
        "{\"skills\":{\"a\":101}}",
        "{\"skills\":{\"a\":-1}}",
        "{\"skills\":{\"a\":1.5}}",
        "{\"skills\":{\"a\":\"1\"}}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct user *u = NULL;
        struct error e = {""};
        assert_row(texts[i], user_from_json(&u, texts[i], &e) == -EINVAL);
        assert_null(u);
        assert_true(strlen(e.message) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_source),     cmocka_unit_test(test_field_names),
        cmocka_unit_test(test_set),        cmocka_unit_test(test_roles),
        cmocka_unit_test(test_skills),     cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_empty), cmocka_unit_test(test_json_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
