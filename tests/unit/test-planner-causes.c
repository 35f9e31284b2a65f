/*
 * The planner, why somebody waits, goes at once or is left alone: names that count as one,
 * revocations, an older state, roles that conflict, users who vanished, first days, users whom
 * nobody uses.
 */
#include "config.h"

#include "base/text.h"
#include "judge/conflict.h"
#include "mapping/ruleset.h"
#include "model/part.h"
#include "planner-bed.h"
#include "tenant/client.h"
#include "unit.h"

/* clang-format off */
static const struct planner_row rows[] = {
    /* Two entries that count as one name: nobody can tell whose a group is. */
    ROW("twin", VERDICT_USER, LINK_ACTIVE, SAME, SAME, SAME, "update:name-shared = held", .twin = "uid=zoe"),
    ROW("twin, the other of the two", VERDICT_USER, LINK_ACTIVE, SAME, SAME, SAME, "update:name-shared = held", .twin = "uid=aaron"),
    ROW("twin, newcomer", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "create:name-shared = held", .twin = "uid=zoe"),
    ROW("twin, disabled by the entry itself", VERDICT_USER, LINK_ACTIVE, SAME, SAME, SAME, "disable = pending", .twin = "uid=zoe", .wanted_disabled = true),
    ROW("twin, disabled already", VERDICT_USER, LINK_DISABLED, SAME, SAME, SAME, "update:name-shared = held", .twin = "uid=zoe", .wanted_disabled = true),
    ROW("twin, gone", VERDICT_GONE, LINK_ACTIVE, NULL, SAME, SAME, "disable = leaving", .twin = "uid=zoe"),
    ROW("twin, no team", VERDICT_SKIP, LINK_ACTIVE, NULL, SAME, SAME, "update:name-shared = held", .twin = "uid=zoe"),
    ROW("twin, never a user", VERDICT_SKIP, LINK_UNLINKED, NULL, NULL, NULL, "= skipped", .twin = "uid=zoe"),

    /* Revoked: at once, without grace and doubt, and nothing else. */
    ROW("revoked", VERDICT_USER, LINK_ACTIVE, "anna b@x Support - -", SAME, SAME, "disable = pending", .revoked = true),
    ROW("revoked, twin", VERDICT_USER, LINK_ACTIVE, SAME, SAME, SAME, "disable = pending", .revoked = true, .twin = "uid=zoe"),
    ROW("revoked, disabled", VERDICT_USER, LINK_DISABLED, SAME, SAME, SAME, "= unchanged", .revoked = true, .disabled_by_us = true),
    ROW("revoked, no team", VERDICT_SKIP, LINK_ACTIVE, NULL, SAME, SAME, "disable = leaving", .revoked = true),
    ROW("revoked, no team, leaving", VERDICT_SKIP, LINK_ACTIVE, NULL, SAME, SAME, "disable = leaving", .revoked = true, .leaving = 5),
    ROW("revoked, no team, deleted in time", VERDICT_SKIP, LINK_DISABLED, NULL, SAME, SAME, "delete = leaving", .revoked = true, .leaving = 5, .disabled = 7, .disabled_by_us = true, .delete_after = LATER),
    ROW("revoked, newcomer", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "= skipped", .revoked = true),
    ROW("revoked, asked for", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "= pending", .revoked = true, .asking = true),
    ROW("revoked, mail at the tenant", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "create:same-mail = held", .revoked = true, .claim = PLANNER_MAIL_AT_TENANT),
    ROW("revoked, one like it at the tenant", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "create:user-gone = held", .revoked = true, .claim = PLANNER_LIKE_AT_TENANT),
    ROW("disabled, asked for", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "= pending", .wanted_disabled = true, .asking = true),
    ROW("disabled, mail at the tenant", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "create:same-mail = held", .wanted_disabled = true, .claim = PLANNER_MAIL_AT_TENANT),
    ROW("revoked, at the tenant", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "adopt = pending", .revoked = true, .wanted_disabled = true, .claim = PLANNER_LOGIN_AT_TENANT, .found = SAME),
    ROW("disabled under another identity", VERDICT_GONE, LINK_ACTIVE, NULL, SAME, SAME, "disable = leaving", .successor = true, .successor_idle = true),
    ROW("disabled under another identity, kept", VERDICT_GONE, LINK_DISABLED, NULL, SAME, SAME, "delete:relink = leaving", .disabled_by_us = true, .delete_after = LATER, .successor = true, .successor_idle = true),
    ROW("revoked under another identity", VERDICT_GONE, LINK_ACTIVE, NULL, SAME, SAME, "disable = leaving", .successor = true, .successor_revoked = true),
    ROW("revoked under another identity, disabled", VERDICT_GONE, LINK_DISABLED, NULL, SAME, SAME, "delete:relink = leaving", .disabled_by_us = true, .delete_after = LATER, .successor = true, .successor_revoked = true),
    ROW("revoked, group missing", VERDICT_USER, LINK_ACTIVE, SAME, SAME, SAME, "disable = pending", .revoked = true, .group_missing = "cn=g"),
    ROW("revoked, invalid otherwise", VERDICT_INVALID, LINK_ACTIVE, NULL, SAME, SAME, "disable = pending", .revoked = true),
    ROW("revoked, attribute vanished", VERDICT_USER, LINK_ACTIVE, SAME, SAME, SAME, "disable = pending", .revoked = true, .vanished = "mail"),
    ROW("revoked, state restored", VERDICT_USER, LINK_ACTIVE, SAME, SAME, SAME, "disable = pending", .revoked = true, .state_restored = true),

    /* The state is another tenant's, or an older copy. */
    ROW("another tenant", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "create!:other-tenant = pending", .other_tenant = "another"),
    ROW("another tenant, held already", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "create:login-shared = held", .other_tenant = "another", .claim = PLANNER_LOGIN_SHARED),
    ROW("state restored", VERDICT_USER, LINK_ACTIVE, "anna b@x Sales Agent English:50", SAME, SAME, "profile!:state-restored = pending", .state_restored = true),

    /* Roles that nobody may have together: one waits, the rest goes on. */
    ROW("conflict, newcomer", VERDICT_USER, LINK_UNLINKED, "anna a@x Sales Payer,Buyer -", NULL, NULL, "create profile:role-conflict = held", .conflict = true),
    ROW("conflict, linked", VERDICT_USER, LINK_ACTIVE, "anna a@x Sales Payer,Buyer -", "anna a@x Sales Payer -", "anna - - Payer -", "profile:role-conflict = held", .conflict = true),
    ROW("conflict, exchanged", VERDICT_USER, LINK_ACTIVE, "anna a@x Sales Buyer -", "anna a@x Sales Payer -", "anna - - Payer -", "profile = pending", .conflict = true),
    ROW("conflict with a supervisor's", VERDICT_USER, LINK_ACTIVE, "anna a@x Sales Buyer -", "anna a@x Sales Payer -", NULL, "profile:role-conflict = held", .conflict = true),
    ROW("conflict, no team", VERDICT_SKIP, LINK_ACTIVE, NULL, "anna a@x Sales Payer -", "anna - - Payer -", "disable = leaving", .conflict = true),
    ROW("conflict, renamed", VERDICT_USER, LINK_ACTIVE, "maria a@x Sales Payer,Buyer -", "anna a@x Sales Payer -", "anna - - Payer -", "rename profile profile:role-conflict = held", .conflict = true),
    ROW("conflict, disabled and renamed", VERDICT_USER, LINK_DISABLED, "maria a@x Sales Payer,Buyer -", "anna a@x Sales Payer -", "anna - - Payer -", "enable rename profile profile:role-conflict = held", .conflict = true, .disabled_by_us = true),
    ROW("conflict, disabled by us", VERDICT_USER, LINK_DISABLED, "anna a@x Sales Payer,Buyer -", "anna a@x Sales Payer -", "anna - - Payer -", "enable profile:role-conflict = held", .conflict = true, .disabled_by_us = true),
    ROW("conflict, disabled in the directory", VERDICT_USER, LINK_ACTIVE, "anna a@x Sales Payer,Buyer -", "anna a@x Sales Payer -", "anna - - Payer -", "disable = pending", .conflict = true, .wanted_disabled = true),
    ROW("conflict, made disabled", VERDICT_USER, LINK_UNLINKED, "anna a@x Sales Payer,Buyer -", NULL, NULL, "create profile:role-conflict = held", .conflict = true, .wanted_disabled = true, .create_disabled = true),
    ROW("conflict of many", VERDICT_USER, LINK_UNLINKED, "anna a@x Sales Payer,B1,B2,B3,B4,B5,B6,B7,B8,B9 -", NULL, NULL,
        "create profile:role-conflict profile:role-conflict profile:role-conflict profile:role-conflict profile:role-conflict profile:role-conflict profile:role-conflict profile:role-conflict profile:role-conflict = held", .conflict = true),
    ROW("conflict, roles of others", VERDICT_USER, LINK_ACTIVE, "anna a@x Sales Payer,Buyer -", "anna a@x Sales Theirs,Others,Payer -", "anna - - Payer -", "profile:role-conflict = held", .conflict = true),
    ROW("conflict and login shared", VERDICT_USER, LINK_UNLINKED, "anna a@x Sales Payer,Buyer -", NULL, NULL, "create:login-shared profile:role-conflict = held", .conflict = true, .claim = PLANNER_LOGIN_SHARED),
    ROW("conflict, not started", VERDICT_USER, LINK_UNLINKED, "anna a@x Sales Payer,Buyer -", NULL, NULL, "= skipped", .conflict = true, .start = NOW + LATER),

    /* Not at the tenant any more. */
    ROW("gone there, report", VERDICT_USER, LINK_ACTIVE, SAME, SAME, SAME, "update:user-gone = held", .user_vanished = true),
    ROW("gone there, disabled here", VERDICT_USER, LINK_ACTIVE, SAME, SAME, SAME, "disable = pending", .user_vanished = true, .wanted_disabled = true),
    ROW("gone there, made anew", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "create = pending", .user_vanished = true, .repair = true),
    ROW("gone there, perhaps renamed", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "create!:user-gone = pending", .user_vanished = true, .maybe_renamed = true),
    ROW("perhaps renamed, left", VERDICT_GONE, LINK_ACTIVE, NULL, SAME, SAME, "disable!:user-gone = leaving", .maybe_renamed = true),
    ROW("perhaps renamed, left, counted as deleted", VERDICT_GONE, LINK_DELETED, NULL, SAME, SAME, "disable!:user-gone = leaving", .maybe_renamed = true),
    ROW("perhaps renamed, skipped, counted as deleted", VERDICT_SKIP, LINK_DELETED, NULL, SAME, SAME, "disable!:user-gone = leaving", .maybe_renamed = true),
    ROW("perhaps renamed, left, disabled before", VERDICT_GONE, LINK_DISABLED, NULL, SAME, SAME, "= leaving", .maybe_renamed = true),
    ROW("perhaps renamed, and disabled in the directory", VERDICT_USER, LINK_DELETED, SAME, SAME, SAME, "disable!:user-gone = pending", .maybe_renamed = true, .user_vanished = true, .wanted_disabled = true),
    ROW("perhaps renamed, and disabled in both", VERDICT_USER, LINK_DISABLED, SAME, SAME, SAME, "= unchanged", .maybe_renamed = true, .user_vanished = true, .wanted_disabled = true),
    ROW("perhaps renamed, and wanted", VERDICT_USER, LINK_DELETED, SAME, SAME, SAME, "create!:user-gone = pending", .maybe_renamed = true, .user_vanished = true),
    ROW("perhaps renamed, and invalid", VERDICT_INVALID, LINK_DELETED, NULL, SAME, SAME, "= skipped", .maybe_renamed = true),
    ROW("perhaps renamed, and revoked", VERDICT_USER, LINK_DELETED, SAME, SAME, SAME, "disable!:user-gone = pending", .maybe_renamed = true, .revoked = true),
    ROW("perhaps renamed, and the successor is revoked", VERDICT_GONE, LINK_DELETED, NULL, SAME, SAME, "disable!:user-gone = leaving", .maybe_renamed = true, .successor = true, .successor_revoked = true),
    ROW("renamed there, report", VERDICT_USER, LINK_ACTIVE, "maria a@x Sales Agent English:50", SAME, SAME, "rename:rename-policy profile = pending", .renamed_there = true),
    ROW("renamed there, repair", VERDICT_USER, LINK_ACTIVE, "maria a@x Sales Agent English:50", SAME, SAME, "rename profile = pending", .renamed_there = true, .repair = true),

    /* Before the first day. */
    ROW("not started", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "= skipped", .start = NOW + LATER),
    ROW("not started, at the tenant", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "adopt = pending", .start = NOW + LATER, .claim = PLANNER_LOGIN_AT_TENANT, .found = SAME),
    ROW("starts soon", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "create = pending", .start = NOW + LATER, .ahead = LATER),
    ROW("starts a moment later than soon", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "= skipped", .start = NOW + LATER + 1, .ahead = LATER),
    ROW("not started, made ahead, waits", VERDICT_USER, LINK_DISABLED, SAME, SAME, SAME, "= unchanged", .disabled_by_us = true, .start = NOW + LATER),
    ROW("newcomer, created disabled", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "create = pending", .wanted_disabled = true, .create_disabled = true),
    ROW("newcomer without team and mail", VERDICT_USER, LINK_UNLINKED, "anna \"\" - - -", NULL, NULL, "create = pending"),

    /* Nobody logs in. */
    ROW("dormant, reported", VERDICT_USER, LINK_ACTIVE, SAME, SAME, SAME, "update:dormant = pending", .used = 5, .dormant_after = LATER),
    ROW("dormant, disabled", VERDICT_USER, LINK_ACTIVE, SAME, SAME, SAME, "disable = pending", .used = 5, .dormant_after = LATER, .dormant_disable = true),
    ROW("dormant at this moment", VERDICT_USER, LINK_ACTIVE, SAME, SAME, SAME, "update:dormant = pending", .used = NOW - LATER, .dormant_after = LATER),
    ROW("not dormant yet", VERDICT_USER, LINK_ACTIVE, SAME, SAME, SAME, "= unchanged", .used = NOW - LATER + 1, .dormant_after = LATER),
    ROW("last login not known", VERDICT_USER, LINK_ACTIVE, SAME, SAME, SAME, "= unchanged", .dormant_after = LATER),
    ROW("dormant, disabled by others", VERDICT_USER, LINK_DISABLED, SAME, SAME, SAME, "= unchanged", .used = 5, .dormant_after = LATER),
    ROW("dormant, shown to be disabled", VERDICT_USER, LINK_ACTIVE, SAME, SAME, SAME, "= unchanged", .used = 5, .dormant_after = LATER, .shown_disabled = true),

    /* What the tenant does by itself is nobody's to take away, or to send again. */
    ROW("the tenant's skill and role", VERDICT_USER, LINK_ACTIVE, "anna a@x Sales - -", "anna a@x Sales Ruled RuledSkill:5", SAME, "= unchanged", .quirks = "anna - - Ruled RuledSkill:5"),
    ROW("another skill than the tenant's", VERDICT_USER, LINK_ACTIVE, "anna a@x Sales - -", "anna a@x Sales Ruled RuledSkill:5", SAME, "update profile = pending", .quirks = "anna - - Other OtherSkill:5"),
    ROW("mail as the tenant writes it", VERDICT_USER, LINK_ACTIVE, "anna A@X Sales Agent English:50", SAME, SAME, "= unchanged", .quirks = "anna A@X - - -"),
    ROW("ruled ones of no rule that is known", VERDICT_USER, LINK_ACTIVE, "anna a@x Sales - -", "anna a@x Sales Ruled RuledSkill:5", NULL, "= unchanged", .says_nothing = true),
};
/* clang-format on */

/* A tenant that keeps our id is asked by that: nobody needs to decide. */
static void test_renamed_with_our_id(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        struct parts parts = *tenant_configapi_ops.parts(NULL);
        struct planner_row row = ROW("left", VERDICT_GONE, LINK_ACTIVE, NULL, SAME, SAME, "",
                                     .maybe_renamed = true, .our_id = (i & 1) != 0);
        struct planner_result r = {0};
        parts.takes_our_id = (i & 2) != 0;
        parts.keeps_our_id = (i & 4) != 0;
        planner_parts = &parts;
        planner_row_plan(&row, &r);
        planner_parts = NULL;
        assert_int_equal(r.operations.n_items, 1);
        assert_int_equal(r.operations.items[0]->state,
                         i == 7 ? OPERATION_READY : OPERATION_PARKED);
        planner_result_done(&r);
    }
}

/* Which conflict a role makes, as the tenant compares roles, and what is said of it. */
static void test_conflicts(void **state)
{
    (void)state;
    static char *one[] = {(char *)"Payer", (char *)"Buyer"}, *two[] = {(char *)"Boss", (char *)"Auditor"};
    static const struct string_list lists[] = {{.items = one, .n_items = 2},
                                               {.items = two, .n_items = 2}};
    static const struct ruleset_conflict items[] = {{.name = "money", .roles = &lists[0]}, {.name = "control", .roles = &lists[1]}};
    static const struct conflicts conflicts = {items, 2};
    static const struct {
        const char *role, *has, *other, *conflict; /* NULL: none */
    } cases[] = {
        {"Payer", "Buyer", "Buyer", "money"},     {"payer", "BUYER", "BUYER", "money"},
        {"Boss", "Payer,Auditor", "Auditor", "control"}, {"Payer", "Payer", NULL, NULL},
        {"Payer", "PAYER", NULL, NULL},           {"Payer", "Boss", NULL, NULL},
        {"Agent", "Payer,Buyer", NULL, NULL},     {"Payer", "-", NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[64];
        snprintf(text, sizeof(text), "x - - %s -", cases[i].has);
        CLEANUP(user_freep) struct user *has = user_of(text);
        const struct user_role *other = NULL;
        const struct ruleset_conflict *c = conflict_with(&conflicts, cases[i].role, has, &other);
        assert_row(cases[i].role,
                   !c == !cases[i].conflict && (!c || !strcmp(c->name, cases[i].conflict)));
        assert_row(cases[i].role, !other == !cases[i].other &&
                                      (!other || !strcmp(other->name, cases[i].other)));
    }
    CLEANUP(user_freep) struct user *user = user_of("x - - Agent,Boss -");
    assert_string_equal(conflict_role(user, "AGENT")->name, "Agent");
    assert_string_equal(conflict_role(user, "boss")->name, "Boss");
    assert_null(conflict_role(user, "Payer"));
    const struct user_role ruled = {.name = (char *)"A", .source = {.rule = (char *)"R", .file = (char *)"f", .line = 3}};
    const struct user_role found = {.name = (char *)"B"};
    char sentence[800];
    assert_string_equal(conflict_sentence(&items[0], &ruled, &found, sentence, sizeof(sentence)),
                        "rule \"R\" (f:3) gives the role \"A\", and the user has the role \"B\" by no rule (it was given "
                        "at the tenant): [conflict \"money\"] lets nobody have both. Take the person out of one of the two "
                        "rules, or take the other role away at the tenant");
    conflict_sentence(&items[0], &found, &ruled, sentence, sizeof(sentence));
    assert_non_null(strstr(sentence, "the plan gives the role \"B\", and the user has the role \"A\" by rule \"R\" (f:3):"));
}

static void test_rows(void **state)
{
    (void)state;
    planner_rows_check(rows, ARRAY_SIZE(rows));
}

/* One cause and one sentence, whichever of the two is looked at; and nobody leaves for it. */
static void test_twins(void **state)
{
    (void)state;
    static const char *const twins[] = {"uid=zoe", "uid=aaron", "uid=anna"};
    static const char *const causes[] = {"name:uid=anna", "name:uid=aaron", "name:uid=anna"};
    static const char *const sentences[] = {"holds uid=anna and uid=zoe,", "holds uid=aaron and uid=anna,", "holds"};
    struct planner_row row = rows[0];
    row.leaving = 5;
    for (size_t i = 0; i < ARRAY_SIZE(twins); i++) {
        struct planner_result r = {0};
        row.twin = twins[i];
        planner_row_plan(&row, &r);
        assert_string_equal(r.operations.items[0]->cause, causes[i]);
        assert_non_null(strstr(r.operations.items[0]->sentence, sentences[i]));
        assert_int_equal(r.leaving_usec, 0);
        planner_result_done(&r);
    }
}

static const struct planner_row *find_row(const char *name)
{
    return planner_row_find(rows, ARRAY_SIZE(rows), name);
}

/* All that is sent, and under which budget it counts. */
static void test_changes(void **state)
{
    (void)state;
    static const char *const expected[][2] = {
        {"revoked", "disable(revokes) disabled false>true"},
        {"revoked, at the tenant", "adopt(revokes) disabled false>true"},
        {"revoked under another identity", "disable(revokes) disabled false>true"},
        {"revoked, no team", "disable(revokes) disabled false>true"},
        {"revoked, no team, deleted in time", "delete"},
        {"dormant, disabled", "disable(dormant) disabled false>true"},
        {"dormant, reported", "update"},
        {"gone there, made anew", "create(remakes) login_id ->anna first_name ->First last_name ->anna email ->a@x "
                                  "team ->Sales role:Agent ->Agent skill:English ->50"},
        {"conflict, linked", "profile role:Buyer ->Buyer"},
        {"conflict, exchanged", "profile role:Buyer ->Buyer role:Payer Payer>-"},
        {"conflict, disabled by us", "enable disabled true>false; profile role:Buyer ->Buyer"},
        {"newcomer, created disabled", "create login_id ->anna first_name ->First last_name ->anna email ->a@x team "
                                       "->Sales role:Agent ->Agent skill:English ->50 disabled ->true"},
        {"starts soon", "create login_id ->anna first_name ->First last_name ->anna email ->a@x team ->Sales role:Agent "
                        "->Agent skill:English ->50 disabled ->true"},
        {"newcomer without team and mail", "create login_id ->anna first_name ->First last_name ->anna"},
        {"renamed there, repair", "rename login_id anna>maria; profile last_name anna>maria"},
        {"the tenant's skill and role", ""},
        {"another skill than the tenant's", "update skill:RuledSkill 5>-; profile role:Ruled Ruled>-"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        struct planner_result r = {0};
        planner_row_plan(find_row(expected[i][0]), &r);
        CLEANUP(freep) char *text = planner_changes_text(&r);
        if (strcmp(text ? text : "", expected[i][1]) != 0)
            fail_msg("row \"%s\": %s", expected[i][0], text);
        planner_result_done(&r);
    }
}

/* A grant that waits names the user as the tenant does today. */
static void test_login_of_what_is_withheld(void **state)
{
    (void)state;
    static const char *const expected[][4] = {
        {"conflict, newcomer", "anna", "Payer", "Buyer"}, /* the first of those that nobody has */
        {"conflict, renamed", "anna", "Buyer", "Payer"},
        {"conflict, disabled and renamed", "anna", "Buyer", "Payer"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        struct planner_result r = {0};
        planner_row_plan(find_row(expected[i][0]), &r);
        const struct operation *o = r.operations.items[r.operations.n_items - 1];
        assert_string_equal(o->reason, REASON_ROLE_CONFLICT);
        assert_string_equal(o->login, expected[i][1]);
        assert_string_equal(o->cause, "conflict:payers buy nothing");
        assert_string_equal(o->why + strlen("no rule gives role "), expected[i][2]);
        assert_null(user_role(r.wanted, expected[i][2])); /* what is wanted of the user now */
        assert_non_null(user_role(r.wanted, expected[i][3]));
        planner_result_done(&r);
    }
}

/* Whoever is revoked and out of scope goes on leaving from when that began. */
static void test_revoked_leavers(void **state)
{
    (void)state;
    struct planner_result r = {0};
    planner_row_plan(find_row("revoked, no team"), &r);
    assert_true(r.started_leaving && r.leaving_usec == NOW);
    assert_int_equal(r.operations.items[0]->not_before_usec, 0);
    planner_result_done(&r);
    planner_row_plan(find_row("revoked, no team, leaving"), &r);
    assert_true(!r.started_leaving && r.leaving_usec == 5);
    planner_result_done(&r);
    planner_row_plan(find_row("revoked, no team, deleted in time"), &r);
    assert_true(!r.started_leaving && r.leaving_usec == 5);
    assert_int_equal(r.operations.items[0]->not_before_usec, 7 + LATER);
    planner_result_done(&r);
    planner_row_plan(find_row("revoked"), &r);
    assert_true(!r.started_leaving && r.leaving_usec == 0);
    planner_result_done(&r);
}

static void test_memory(void **state)
{
    (void)state;
    planner_rows_check_memory(rows, ARRAY_SIZE(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_renamed_with_our_id),
        cmocka_unit_test(test_conflicts),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_twins),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_revoked_leavers),
        cmocka_unit_test(test_login_of_what_is_withheld),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
