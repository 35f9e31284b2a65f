/*
 * Operations: names that reach files and people, equality for approvals, changes as JSON.
 */
#include "config.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/text.h"
#include "dice.h"
#include "model/operation.h"
#include "unit.h"

static const struct source rule = {(char *)"Support agents", (char *)"rosterd.conf", 12};

static void test_names(void **state)
{
    (void)state;
    static const char *const names[] = {"create", "adopt",   "update", "profile",
                                        "rename", "disable", "enable", "delete"};
    for (int i = 0; i < (int)ARRAY_SIZE(names); i++)
        assert_string_equal(operation_kind_name((enum operation_kind)(i + 1)), names[i]);
    assert_int_equal(ARRAY_SIZE(names) + 1, OPERATION_N_KINDS);
    assert_string_equal(operation_kind_name((enum operation_kind)0), "unknown");
    assert_string_equal(operation_kind_name((enum operation_kind)9), "unknown");
    assert_string_equal(operation_state_name(OPERATION_READY), "ready");
    assert_string_equal(operation_state_name(OPERATION_PARKED), "parked");
    assert_string_equal(operation_state_name(OPERATION_HELD), "held");
    assert_string_equal(operation_state_name(OPERATION_STARTED), "started");
    assert_string_equal(operation_state_name((enum operation_state)5), "unknown");
}

static void test_reasons(void **state)
{
    (void)state;
    static const char *const codes[] = {
        REASON_TEAM_MISSING,   REASON_ROLE_MISSING,
        REASON_SKILL_MISSING,  REASON_REFERENCE_MISSING,
        REASON_REFUSED,        REASON_CONFLICT,
        REASON_NOT_AUTHORISED, REASON_TENANT_AWAY,
        REASON_THROTTLED,      REASON_UNCLEAR,
        REASON_PART_NOT_OFFERED, REASON_NOT_APPLIED,
        REASON_ON_SHIFT,       REASON_READ_NOT_PROVEN,
        REASON_GROUP_MISSING,  REASON_ATTRIBUTE_VANISHED,
        REASON_ENTRY_INVALID,  REASON_LOGIN_SHARED,
        REASON_SAME_MAIL,      REASON_RENAME_POLICY,
        REASON_USER_GONE,      REASON_BUDGET,
        REASON_ROLE_CONFLICT,  REASON_SEATS,
        REASON_DORMANT,
        REASON_ADOPTION,       REASON_RELINK,
        REASON_STATE_RESTORED, REASON_NAME_SHARED,
        REASON_ROLES_FIRST,    REASON_OTHER_TENANT,
        REASON_PAUSED,
        REASON_AUDIT_FAILED,
        REASON_STATE_FAILED,
    };
    for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
        const char *remedy = reason_code_remedy(codes[i]);
        assert_row(codes[i], strchr(reason_code_text(codes[i]), ' '));
        assert_row(codes[i], remedy && remedy[strlen(remedy) - 1] == '.');
    }
    assert_string_equal(reason_code_text("new-one"), "new-one");
    assert_null(reason_code_remedy("new-one"));
    assert_null(reason_code_remedy(NULL));
}

static struct operation *sample(void)
{
    struct operation *o = operation_new(OPERATION_UPDATE, "id-1", "uid=a", "a");
    assert_non_null(o);
    assert_int_equal(operation_add_change(o, "team", "Sales", "Support", &rule), 0);
    assert_int_equal(operation_add_change(o, "skill:English", NULL, "100", NULL), 0);
    assert_int_equal(operation_add_change(o, "skill:Old", "5", NULL, NULL), 0);
    return o;
}

static void test_new(void **state)
{
    (void)state;
    CLEANUP(operation_freep) struct operation *o = sample();
    CLEANUP(operation_freep)
    struct operation *bare = operation_new(OPERATION_DELETE, NULL, NULL, NULL);
    assert_int_equal(o->state, OPERATION_READY);
    assert_int_equal(o->n_changes, 3);
    assert_string_equal(o->changes[0].source.rule, "Support agents");
    assert_null(bare->login);
    assert_null(operation_free(NULL));
}

static void test_equal(void **state)
{
    (void)state;
    CLEANUP(operation_freep) struct operation *a = sample();
    CLEANUP(operation_freep) struct operation *b = sample();
    assert_true(operation_equal(a, b));

    /* What is no part of what was approved. */
    free(b->dn);
    b->dn = strdup("uid=a,ou=moved");
    b->state = OPERATION_PARKED;
    b->run = 9;
    b->changes[0].source.line = 99;
    assert_true(operation_equal(a, b));

    /* What is. */
    b->kind = OPERATION_PROFILE;
    assert_false(operation_equal(a, b));
    b->kind = a->kind;
    for (size_t i = 0; i < 5; i++) {
        CLEANUP(operation_freep) struct operation *c = sample();
        char **texts[] = {&c->entry_id, &c->login, &c->changes[0].field, &c->changes[0].from,
                          &c->changes[0].to};
        free(*texts[i]);
        *texts[i] = strdup("different");
        assert_false(operation_equal(a, c));
        free(*texts[i]);
        *texts[i] = NULL;
        if (texts[i] != &c->changes[0].field)
            assert_false(operation_equal(a, c));
        else
            *texts[i] = strdup("team");
    }
    assert_int_equal(operation_add_change(b, "x", NULL, "y", NULL), 0);
    assert_false(operation_equal(a, b));
}

/* As state files up to form 26 have it. */
#define SAMPLE_BEFORE                                                                          \
    "[{\"field\":\"team\",\"file\":\"rosterd.conf\",\"from\":\"Sales\",\"line\":12,"           \
    "\"rule\":\"Support agents\",\"to\":\"Support\"},"                                         \
    "{\"field\":\"skill:English\",\"from\":null,\"to\":\"100\"},"                              \
    "{\"field\":\"skill:Old\",\"from\":\"5\",\"to\":null}]"
#define SAMPLE                                                                                 \
    "[[\"rosterd.conf\",[\"Support agents\",[12,\"team\",\"Sales\",\"Support\"]]],"                \
    "[null,[null,[0,\"skill:English\",null,\"100\"],[0,\"skill:Old\",\"5\",null]]]]"

static void test_json(void **state)
{
    (void)state;
    static const char *const forms[] = {SAMPLE, SAMPLE_BEFORE};
    CLEANUP(operation_freep) struct operation *o = sample();
    CLEANUP(operation_freep) struct operation *read = sample();
    CLEANUP(freep) char *json = operation_changes_to_json(o);
    assert_string_equal(json, SAMPLE);
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        assert_int_equal(operation_changes_from_json(read, "[]"), 0);
        assert_int_equal(read->n_changes, 0);
        assert_int_equal(operation_changes_from_json(read, forms[i]), 0);
        assert_true(operation_equal(o, read));
        CLEANUP(freep) char *again = operation_changes_to_json(read);
        assert_string_equal(again, json);
    }
}

static const char *one_of(const char *a, const char *b)
{
    const char *const texts[] = {a, b, "\"odd\" [x] \\ \xc3\x9f\n", NULL};
    return texts[below(ARRAY_SIZE(texts))];
}

/* What another reader of JSON finds in the groups is what the changes are, in their order. */
static void hold_against_jansson(const struct operation *o, const char *text)
{
    json_auto_t *files = json_loads(text, 0, NULL);
    size_t i, j, k, n = 0;
    json_t *file, *group, *change;
    assert_true(json_is_array(files));
    json_array_foreach(files, i, file)
        for (j = 1; (group = json_array_get(file, j)); j++)
            for (k = 1; (change = json_array_get(group, k)); k++) {
                const struct change *c = &o->changes[n++];
                const char *const texts[] = {c->source.file, c->source.rule, c->field, c->from,
                                             c->to};
                const json_t *const found[] = {
                    json_array_get(file, 0), json_array_get(group, 0), json_array_get(change, 1),
                    json_array_get(change, 2), json_array_get(change, 3)};
                assert_int_equal(json_array_size(change), 4);
                assert_int_equal(json_integer_value(json_array_get(change, 0)), c->source.line);
                for (size_t t = 0; t < ARRAY_SIZE(texts); t++)
                    assert_true(text_equal(json_string_value(found[t]), texts[t]));
            }
    assert_int_equal(n, o->n_changes);
}

static void test_json_of_any(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 2000; round++) {
        dice = round;
        CLEANUP(operation_freep)
        struct operation *o = operation_new(OPERATION_UPDATE, "1", "d", "l");
        CLEANUP(operation_freep)
        struct operation *read = operation_new(OPERATION_UPDATE, "1", "d", "l");
        for (unsigned i = below(8); i > 0; i--) {
            struct source source = {(char *)one_of("r", "s"), (char *)one_of("f", "g"), below(3)};
            assert_int_equal(operation_add_change(o, below(2) ? "team" : "role:A", one_of("a", ""),
                                                  one_of("b", "c"), &source), 0);
        }
        CLEANUP(freep) char *text = operation_changes_to_json(o);
        hold_against_jansson(o, text);
        assert_int_equal(operation_changes_from_json(read, text), 0);
        assert_true(operation_equal(o, read));
        CLEANUP(freep) char *again = operation_changes_to_json(read);
        assert_string_equal(again, text);
    }
}

static void test_json_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "{}",
        "[1]",
        "[{}]",
        "[{\"field\":null}]",
        "[{\"field\":\"a\",\"from\":1}]",
        "[{\"field\":\"a\",\"to\":false}]",
        "[{\"field\":\"a\",\"line\":\"x\"}]",
        "[{\"field\":\"a\"},{\"field\":2}]",
        "[[]]",
        "[[1]]",
        "[[\"f\",1]]",
        "[[\"f\",[]]]",
        "[[\"f\",[null,[]]]]",
        "[[\"f\",[null,[1,null,null,null]]]]",
        "[[\"f\",[null,[1,\"a\",null]]]]",
        "[[\"f\",[null,[-1,\"a\",null,null]]]]",
        "[[\"f\",[null,[4294967296,\"a\",null,null]]]]",
        "[[\"f\",[null,[1,\"a\",null,null,null]]]]",
        "[[\"f\",[null,[1,\"a\",null,false]]]]",
        "[[\"f\",[null,[1,\"a\",null,null]]],2]",
    };
    CLEANUP(operation_freep) struct operation *o = sample();
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        assert_row(texts[i], operation_changes_from_json(o, texts[i]) == -EINVAL);
        assert_int_equal(o->n_changes, 3);
    }
}

static void test_list(void **state)
{
    (void)state;
    CLEANUP(operation_list_done) struct operation_list l = {0};
    for (unsigned i = 0; i < 50; i++)
        assert_int_equal(operation_list_add(&l, sample()), 0);
    assert_int_equal(l.n_items, 50);
    assert_string_equal(l.items[49]->login, "a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names), cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_new),   cmocka_unit_test(test_equal),
        cmocka_unit_test(test_json),  cmocka_unit_test(test_json_of_any),
        cmocka_unit_test(test_json_refused),
        cmocka_unit_test(test_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
