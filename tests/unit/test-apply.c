/* An operation's changes applied to sets: rows of users in short, "role,role skill:level,…". */
#include "config.h"

#include "base/error.h"
#include "deliver/apply.h"
#include "unit.h"

static struct user *user_of(const char *text)
{
    char roles[96], skills[96], *rest = NULL;
    struct user *u = user_new();
    assert_non_null(u);
    assert_int_equal(sscanf(text, "%95s %95s", roles, skills), 2);
    for (char *p = strtok_r(roles, ",-", &rest); p; p = strtok_r(NULL, ",-", &rest))
        assert_int_equal(user_add_role(u, p, NULL), 0);
    for (char *p = strtok_r(skills, ",-", &rest); p; p = strtok_r(NULL, ",-", &rest)) {
        char *level = strchr(p, ':');
        assert_non_null(level);
        *level = '\0';
        assert_int_equal(user_add_skill(u, p, (unsigned)atol(level + 1), NULL), 0);
    }
    return u;
}

static const char *text_of(const struct user *u, char *buffer, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < u->n_roles; i++)
        used += (size_t)snprintf(buffer + used, size - used, "%s%s", i ? "," : "", u->roles[i].name);
    used += (size_t)snprintf(buffer + used, size - used, "%s ", u->n_roles ? "" : "-");
    for (size_t i = 0; i < u->n_skills; i++)
        used += (size_t)snprintf(buffer + used, size - used, "%s%s:%u", i ? "," : "",
                                 u->skills[i].name, u->skills[i].level);
    if (!u->n_skills)
        snprintf(buffer + used, size - used, "-");
    return buffer;
}

/* "+role:A -role:B =skill:C:5 -skill:D team" */
static struct operation *operation_of(const char *text)
{
    char copy[200], *rest = NULL;
    struct operation *o = operation_new(OPERATION_UPDATE, "id", "uid=a", "a");
    assert_non_null(o);
    snprintf(copy, sizeof copy, "%s", text);
    for (char *p = strtok_r(copy, " ", &rest); p; p = strtok_r(NULL, " ", &rest)) {
        char *value = strrchr(p, ':');
        int r = 0;
        if (*p == '-')
            r = operation_add_change(o, p + 1, "was", NULL, NULL);
        else if (*p == '+')
            r = operation_add_change(o, p + 1, NULL, value + 1, NULL);
        else if (*p == '=') {
            *value = '\0';
            r = operation_add_change(o, p + 1, NULL, value + 1, NULL);
        } else
            r = operation_add_change(o, p, "Sales", "Support", NULL);
        assert_int_equal(r, 0);
    }
    return o;
}

static const struct {
    const char *name, *operation, *wanted, *known, *before, *after;
    const char *send;  /* what goes out first */
    const char *left;  /* what the second write must carry */
    bool done;         /* nothing is left to do */
    const char *learnt;
} rows[] = {
    {"taken by hand stays away", "+role:B =skill:Y:2", "A,B X:1,Y:2", "A X:1", "- -", "B Y:2", "B Y:2",
     "- Y:2", true, "- X:1,Y:2"},
    {"a supervisor's stays", "-skill:X", "- -", "- X:1", "Z X:1,Z:9", "Z Z:9", "Z Z:9", "- Z:9", true, "- -"},
    {"merged: level 0", "-skill:X", "- -", "- X:1", "- X:1,Z:9", "- X:1,Z:9", "- Z:9", "- X:0,Z:9", false,
     "- X:1"},
    {"shown with level 0", "-skill:X", "- -", "- X:1", "- X:1", "- X:0", "- -", "- X:0", false, "- X:0"},
    {"wanted with level 0", "=skill:X:0", "- X:0", "- X:1", "- X:1", "- -", "- X:0", "- X:0", true, "- X:0"},
    {"level lowered", "=skill:X:10", "- X:10", "- X:90", "- X:90", "- X:10", "- X:10", "- X:10", true, "- X:10"},
    {"a move that rewrites skills", "team", "- X:80", "- X:80", "- X:80,Own:5", "- New:50", "- Own:5,X:80",
     "- New:50,X:80", false, "- -"},
    {"a move that changes levels", "team", "- X:80", "- X:80", "- X:80", "- X:50", "- X:80", "- X:80", false,
     "- X:50"},
    {"a move keeps a preset's level", "team", "- X:80", "- X:80", "- X:30", "- X:30", "- X:30", "- X:30", true,
     "- X:80"},
    {"a move brings nothing back", "team", "- X:80", "- X:80", "- -", "- New:1", "- -", "- New:1", true, "- X:80"},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char text[300];
        CLEANUP(operation_freep) struct operation *o = operation_of(rows[i].operation);
        CLEANUP(user_freep) struct user *wanted = user_of(rows[i].wanted);
        CLEANUP(user_freep) struct user *known = user_of(rows[i].known);
        CLEANUP(user_freep) struct user *before = user_of(rows[i].before);
        CLEANUP(user_freep) struct user *after = user_of(rows[i].after);
        CLEANUP(user_freep) struct user *send = user_new();
        CLEANUP(user_freep) struct user *left = user_new();
        CLEANUP(user_freep) struct user *learnt = user_new();
        bool moved = apply_field_change(o, USER_TEAM) != NULL;
        assert_int_equal(apply_roles(o, before, send), 0);
        assert_int_equal(apply_skills(o, before, send), 0);
        assert_int_equal(apply_skills_left(o, wanted, before, after, moved, left), 0);
        assert_int_equal(apply_learn_skills(o, known, before, after, learnt), 0);
        assert_row(rows[i].name, !strcmp(text_of(send, text, sizeof text), rows[i].send));
        assert_row(rows[i].name, !strcmp(text_of(left, text, sizeof text), rows[i].left));
        assert_row(rows[i].name, apply_skills_done(o, left, after) == rows[i].done);
        assert_row(rows[i].name, !strcmp(text_of(learnt, text, sizeof text), rows[i].learnt));
    }
}

/* An operation that waits, said as the planner would say it of what is known. */
static const struct {
    const char *operation, *known, *said;
} waiting[] = {
    {"-skill:X", "- X:0", "skill:X 0 none"},
    {"-skill:X", "- -", "skill:X was none"}, /* done */
    {"=skill:X:50 =skill:Y:7", "- X:50,Y:1", "skill:X none 50 skill:Y none 7"}, /* in part */
    {"=skill:X:50 =skill:Y:7", "- X:40", "skill:X 40 50 skill:Y none 7"},
    {"team =skill:X:5", "- X:0", "team Customer Service Support skill:X 0 5"},
    {"-role:A =skill:X:5", "A X:0", "role:A was none skill:X 0 5"},
};

static void test_what_waits(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(waiting); i++) {
        char text[300];
        size_t used = 0;
        CLEANUP(operation_freep) struct operation *o = operation_of(waiting[i].operation);
        CLEANUP(user_freep) struct user *known = user_of(waiting[i].known);
        CLEANUP(user_freep) struct user *quirks = user_new();
        assert_int_equal(user_set(known, USER_TEAM, "Customer Service", NULL), 0);
        assert_int_equal(apply_say_known(o, known, quirks), 0);
        for (size_t k = 0; k < o->n_changes; k++) {
            const struct change *c = &o->changes[k];
            used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s %s %s", k ? " " : "",
                                     c->field, c->from ? c->from : "none", c->to ? c->to : "none");
        }
        assert_row(waiting[i].operation, !strcmp(text, waiting[i].said));
    }
}

/* What of a change is so at a user. */
static const struct {
    const char *field, *to, *known, *sent;
    bool done;
} seen[] = {
    {"team", "Sales", "team", "Sales", true},
    {"team", "Sales", "team", "Support", false},
    {"team", "Sales", NULL, NULL, false},
    {"extension", NULL, NULL, NULL, true},
    {"extension", "", NULL, NULL, true},
    {"extension", NULL, "extension", "12", false},
    {"work_phone", "030 12", "work_phone", "+493012", true}, /* sent so, and shown otherwise */
    {"work_phone", "030 13", "work_phone", "+493012", false},
    {"role:Agent", "Agent", "role", "Agent", true},
    {"role:Agent", "Agent", "role", "Seller", false},
    {"role:Agent", NULL, "role", "Agent", false},
    {"role:Agent", NULL, "role", "Seller", true},
    {"skill:X", "50", "skill", "X", true},
    {"skill:X", "40", "skill", "X", false},
    {"skill:X", NULL, "skill", "X", false},
    {"skill:Y", "0", "skill", "X", true},
    {"disabled", "true", "disabled", NULL, true},
    {"disabled", "true", NULL, NULL, false},
    {"disabled", "false", NULL, NULL, true},
};

static void test_what_is_done(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(seen); i++) {
        CLEANUP(user_freep) struct user *known = user_new();
        CLEANUP(user_freep) struct user *quirks = user_new();
        CLEANUP(operation_freep)
        struct operation *o = operation_new(OPERATION_UPDATE, "e", NULL, "l");
        const char *what = seen[i].known ? seen[i].known : "";
        assert_int_equal(user_set(quirks, USER_WORK_PHONE, "030 12", NULL), 0);
        known->disabled = !strcmp(what, "disabled");
        if (!strcmp(what, "role"))
            assert_int_equal(user_add_role(known, seen[i].sent, NULL), 0);
        else if (!strcmp(what, "skill"))
            assert_int_equal(user_add_skill(known, seen[i].sent, 50, NULL), 0);
        else if (user_field_from_name(what) >= 0)
            assert_int_equal(user_set(known, (enum user_field)user_field_from_name(what),
                                      seen[i].sent, NULL),
                             0);
        assert_int_equal(operation_add_change(o, seen[i].field, "Agent", seen[i].to, NULL), 0);
        assert_row(seen[i].field, apply_is_done(&o->changes[0], known, quirks) == seen[i].done);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows),
                                       cmocka_unit_test(test_what_waits),
                                       cmocka_unit_test(test_what_is_done)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
