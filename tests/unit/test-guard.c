/* Budgets: which one an operation falls under, how much it allows, and when it trips. */
#include "config.h"

#include "base/clock.h"
#include "judge/guard.h"
#include "unit.h"

static char *privileged[] = {(char *)"Supervisor", (char *)"Admin"};
static const struct sync_options options = {
    .privileged_roles = privileged,
    .n_privileged_roles = 2,
    .budget_window_usec = 86400 * USEC_PER_SEC,
    .budgets = {[BUDGET_CREATE] = {.unlimited = true},
                [BUDGET_UPDATE] = {.count = 10},
                [BUDGET_DISABLE] = {.percent = 5, .floor = 5},
                [BUDGET_DELETE] = {.percent = 5, .floor = 5, .count = 20}},
};

static void test_budget_of(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum operation_kind kind;
        const char *field, *from, *to;
        enum budget_kind budget;
    } rows[] = {
        {"create", OPERATION_CREATE, "team", NULL, "Sales", BUDGET_CREATE},
        {"create with role", OPERATION_CREATE, "role:Agent", NULL, "Agent", BUDGET_CREATE},
        {"create with privilege", OPERATION_CREATE, "role:Admin", NULL, "Admin",
         BUDGET_PRIVILEGED},
        {"profile", OPERATION_PROFILE, "email", "a", "b", BUDGET_UPDATE},
        {"profile gives privilege", OPERATION_PROFILE, "role:Supervisor", NULL, "Supervisor",
         BUDGET_PRIVILEGED},
        {"profile takes privilege", OPERATION_PROFILE, "role:Supervisor", "Supervisor", NULL,
         BUDGET_UPDATE},
        {"a role of a similar name", OPERATION_PROFILE, "role:Admins", NULL, "Admins",
         BUDGET_UPDATE},
        {"skills", OPERATION_UPDATE, "skill:English", "1", "2", BUDGET_UPDATE},
        {"roles in the other part", OPERATION_UPDATE, "role:Admin", NULL, "Admin",
         BUDGET_PRIVILEGED},
        {"that takes privilege", OPERATION_UPDATE, "role:Admin", "Admin", NULL, BUDGET_UPDATE},
        {"team in the other part", OPERATION_PROFILE, "team", "A", "B", BUDGET_TEAM},
        {"team", OPERATION_UPDATE, "team", "A", "B", BUDGET_TEAM},
        {"rename", OPERATION_RENAME, "login_id", "a", "b", BUDGET_RENAME},
        {"disable", OPERATION_DISABLE, "disabled", "false", "true", BUDGET_DISABLE},
        {"delete", OPERATION_DELETE, NULL, NULL, NULL, BUDGET_DELETE},
        {"adopt", OPERATION_ADOPT, NULL, NULL, NULL, BUDGET_UPDATE},
        {"enable", OPERATION_ENABLE, "disabled", "true", "false", BUDGET_UPDATE},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct operation *o = operation_new(rows[i].kind, "id", "cn=x", "x");
        assert_non_null(o);
        if (rows[i].field)
            assert_int_equal(
                operation_add_change(o, rows[i].field, rows[i].from, rows[i].to, NULL), 0);
        assert_row(rows[i].name, guard_budget_of(o, &options) == rows[i].budget);
        operation_free(o);
    }
    struct operation *adopt = operation_new(OPERATION_ADOPT, "id", "cn=x", "x");
    assert_non_null(adopt);
    adopt->revokes = true;
    assert_int_equal(guard_budget_of(adopt, &options), BUDGET_REVOKE);
    operation_free(adopt);
    struct operation *o = operation_new(OPERATION_CREATE, "id", "cn=x", "x");
    assert_non_null(o);
    o->remakes = true;
    assert_int_equal(guard_budget_of(o, &options), BUDGET_REMAKE);
    assert_int_equal(operation_add_change(o, "role:Admin", NULL, "Admin", NULL), 0);
    assert_int_equal(guard_budget_of(o, &options), BUDGET_PRIVILEGED);
    operation_free(o);
    o = operation_new(OPERATION_DISABLE, "id", "cn=x", "x");
    assert_non_null(o);
    o->dormant = true;
    assert_int_equal(guard_budget_of(o, &options), BUDGET_DORMANT);
    o->revokes = true;
    assert_int_equal(guard_budget_of(o, &options), BUDGET_REVOKE);
    operation_free(o);
}

static void test_limit(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct budget budget;
        size_t n_linked, limit;
    } rows[] = {
        {"unlimited", {.unlimited = true, .count = 1}, 10, SIZE_MAX},
        {"percent", {.percent = 5}, 1000, 50},
        {"percent rounds down", {.percent = 5}, 119, 5},
        {"percent of nobody", {.percent = 5}, 0, 0},
        {"floor above percent", {.percent = 5, .floor = 5}, 20, 5},
        {"percent above floor", {.percent = 5, .floor = 5}, 200, 10},
        {"count caps percent", {.percent = 50, .count = 25}, 1000, 25},
        {"count caps floor", {.percent = 5, .floor = 30, .count = 25}, 10, 25},
        {"count alone", {.count = 7}, 3, 7},
        {"count does not raise percent", {.percent = 1, .count = 100}, 200, 2},
        {"floor alone", {.floor = 3}, 1000, 3},
        {"floor and count", {.floor = 3, .count = 25}, 1000, 3},
        {"nothing allowed", {.percent = 0}, 1000, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_row(rows[i].name,
                   budget_limit(&rows[i].budget, rows[i].n_linked) == rows[i].limit);
}

static void test_trips(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum budget_kind kind;
        size_t n_linked, spent, pending;
        bool tripped;
    } rows[] = {
        {"nothing waits", BUDGET_DISABLE, 100, 0, 0, false},
        {"nothing waits, too much was spent", BUDGET_DISABLE, 100, 9, 0, false},
        {"just within", BUDGET_DISABLE, 100, 0, 5, false},
        {"one too many", BUDGET_DISABLE, 100, 0, 6, true},
        {"what was spent counts", BUDGET_DISABLE, 100, 3, 3, true},
        {"what was spent counts, within", BUDGET_DISABLE, 100, 3, 2, false},
        {"share of many", BUDGET_DISABLE, 1000, 0, 50, false},
        {"unlimited", BUDGET_CREATE, 0, 0, 100000, false},
        {"no budget at all", BUDGET_PRIVILEGED, 1000, 0, 1, true},
        {"count", BUDGET_UPDATE, 1000, 0, 11, true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct guard_input in = {.n_linked = rows[i].n_linked};
        struct guard_verdict v;
        in.spent[rows[i].kind] = rows[i].spent;
        in.pending[rows[i].kind] = rows[i].pending;
        guard_evaluate(&in, &options, &v);
        for (int k = 1; k < BUDGET_N_KINDS; k++) /* its own kind and no other */
            assert_row(rows[i].name, v.tripped[k] == ((enum budget_kind)k == rows[i].kind &&
                                                      rows[i].tripped));
    }
}

/* What is under way counts as what was done (T74), before the plan is looked at and when one
 * starts. */
static void test_room(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t spent, let_through, pending, room;
        const char *waits;
    } rows[] = {
        {"nothing yet", 0, 0, 7, 5, "so 2 wait."},
        {"done", 2, 0, 7, 3, "so 4 wait."},
        {"under way", 0, 2, 7, 3, "so 4 wait."},
        {"done and under way", 2, 2, 7, 1, "so 6 wait."},
        {"one is left", 3, 1, 1, 1, "so 0 wait."},
        {"none is left", 3, 2, 1, 0, "so 1 waits."},
        {"more than there were", 4, 4, 1, 0, "so 1 waits."},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct guard_input in = {.n_linked = 100};
        struct guard_verdict v;
        char text[512];
        in.spent[BUDGET_DISABLE] = rows[i].spent;
        in.let_through[BUDGET_DISABLE] = rows[i].let_through;
        in.pending[BUDGET_DISABLE] = rows[i].pending;
        guard_evaluate(&in, &options, &v);
        assert_row(rows[i].name, v.limit[BUDGET_DISABLE] == 5);
        assert_row(rows[i].name, v.room[BUDGET_DISABLE] == rows[i].room);
        assert_row(rows[i].name,
                   guard_has_room(&options.budgets[BUDGET_DISABLE], in.n_linked, rows[i].spent,
                                  rows[i].let_through) == (rows[i].room > 0));
        guard_sentence(BUDGET_DISABLE, &in, &v, &options, text, sizeof(text));
        assert_row(rows[i].name, strstr(text, rows[i].waits));
        assert_row(rows[i].name,
                   v.limit[BUDGET_CREATE] == SIZE_MAX && v.room[BUDGET_CREATE] == SIZE_MAX);
        assert_row(rows[i].name, !v.limit[0] && !v.room[0] && !v.tripped[0]);
    }
}

static void test_sentence_and_names(void **state)
{
    (void)state;
    char text[512];
    struct guard_input in = {.n_linked = 100};
    struct guard_verdict v;
    in.pending[BUDGET_DISABLE] = 12;
    in.spent[BUDGET_DISABLE] = 2;
    guard_evaluate(&in, &options, &v);
    guard_sentence(BUDGET_DISABLE, &in, &v, &options, text, sizeof text);
    assert_non_null(strstr(text, "12 "));
    assert_non_null(strstr(text, "\"disable\""));
    assert_non_null(strstr(text, "100 linked users"));
    assert_non_null(strstr(text, "rosterctl approve"));
    in = (struct guard_input){.n_linked = 1};
    in.pending[BUDGET_PRIVILEGED] = in.spent[BUDGET_PRIVILEGED] =
        in.let_through[BUDGET_PRIVILEGED] = 1;
    guard_evaluate(&in, &options, &v);
    guard_sentence(BUDGET_PRIVILEGED, &in, &v, &options, text, sizeof text);
    assert_non_null(strstr(text, "1 operation is due"));
    assert_non_null(strstr(text, "for 1 linked user;"));
    assert_non_null(strstr(text, "1 was done"));
    assert_non_null(strstr(text, "1 is under way, so 1 waits."));
    in = (struct guard_input){.n_linked = 100}; /* nothing is beyond */
    in.pending[BUDGET_DISABLE] = 2;
    guard_evaluate(&in, &options, &v);
    guard_sentence(BUDGET_DISABLE, &in, &v, &options, text, sizeof text);
    assert_non_null(strstr(text, "so 0 wait."));
    for (int k = 1; k < BUDGET_N_KINDS; k++)
        assert_string_not_equal(budget_kind_name((enum budget_kind)k), "unknown");
    assert_string_equal(budget_kind_name((enum budget_kind)0), "unknown");
    assert_string_equal(budget_kind_name((enum budget_kind)BUDGET_N_KINDS), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_budget_of),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_trips),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_sentence_and_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
