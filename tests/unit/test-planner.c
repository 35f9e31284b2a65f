/*
 * The planner: whoever is not linked, linked and wanted, in doubt, leaving.
 */
#include "config.h"

#include "base/text.h"
#include "model/part.h"
#include "planner-bed.h"
#include "tenant/client.h"
#include "unit.h"

/* clang-format off */
static const struct planner_row rows[] = {
    /* Nobody is linked. */
    ROW("newcomer", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "create = pending"),
    ROW("newcomer who is disabled", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "= skipped", .wanted_disabled = true),
    ROW("login shared", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "create:login-shared = held", .claim = PLANNER_LOGIN_SHARED),
    ROW("login linked", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "create:login-taken = held", .claim = PLANNER_LOGIN_LINKED),
    ROW("left, the same (T32)", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "adopt!:relink = held", .claim = PLANNER_LOGIN_LEFT_SAME),
    ROW("left, another (T33)", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "create:login-taken = held", .claim = PLANNER_LOGIN_LEFT_OTHER),
    ROW("at the tenant, first contact", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "adopt!:adoption = held", .claim = PLANNER_LOGIN_AT_TENANT, .adoption_open = true),
    ROW("at the tenant, later", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "adopt = pending", .claim = PLANNER_LOGIN_AT_TENANT),
    ROW("at the tenant, disabled here", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "adopt = pending", .claim = PLANNER_LOGIN_AT_TENANT, .wanted_disabled = true),
    ROW("at the tenant, not looked at", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "= pending", .claim = PLANNER_LOGIN_AT_TENANT, .adoption_open = true, .looking = true),
    ROW("at the tenant, later, not looked at", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "adopt = pending", .claim = PLANNER_LOGIN_AT_TENANT, .looking = true),
    ROW("same mail", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "adopt = pending", .claim = PLANNER_LOGIN_AT_TENANT, .found = "anna A@X Support - -"),
    ROW("same mail, privileged (T75)", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "adopt!:adoption = held", .claim = PLANNER_LOGIN_AT_TENANT, .found = "anna a@x Support bOSS -"),
    ROW("same name, another mail (T75)", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "adopt!:adoption = held", .claim = PLANNER_LOGIN_AT_TENANT, .found = "anna b@x Support - -"),
    ROW("same name, no mail (T75)", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "adopt!:adoption = held", .claim = PLANNER_LOGIN_AT_TENANT, .found = "anna - Support - -"),
    ROW("taken over, said without a reason", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "adopt = pending", .claim = PLANNER_LOGIN_AT_TENANT, .says_nothing = true),
    ROW("adopted, disabled on both sides", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "adopt = pending", .claim = PLANNER_LOGIN_AT_TENANT, .found = SAME, .wanted_disabled = true, .found_disabled = true),
    ROW("adopted, disabled here alone", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "adopt = pending", .claim = PLANNER_LOGIN_AT_TENANT, .found = SAME, .wanted_disabled = true),
    ROW("adopted, nobody alike", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "adopt = pending", .claim = PLANNER_LOGIN_AT_TENANT, .found = "berta b@x Support - -"),
    ROW("same name, mails empty (T75)", VERDICT_USER, LINK_UNLINKED, "anna \"\" Sales Agent -", NULL, NULL, "adopt!:adoption = held", .claim = PLANNER_LOGIN_AT_TENANT, .found = "anna \"\" Support - -"),
    ROW("same name, no mail here (T75)", VERDICT_USER, LINK_UNLINKED, "anna - Sales Agent -", NULL, NULL, "adopt!:adoption = held", .claim = PLANNER_LOGIN_AT_TENANT, .found = "anna b@x Support - -"),
    ROW("one like it at the tenant", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "create:user-gone = held", .claim = PLANNER_LIKE_AT_TENANT),
    ROW("mail at the tenant", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "create:same-mail = held", .claim = PLANNER_MAIL_AT_TENANT),
    ROW("skipped, unlinked", VERDICT_SKIP, LINK_UNLINKED, NULL, NULL, NULL, "= skipped"),
    ROW("invalid, unlinked", VERDICT_INVALID, LINK_UNLINKED, NULL, NULL, NULL, "= skipped"),
    ROW("gone, unlinked", VERDICT_GONE, LINK_UNLINKED, NULL, NULL, NULL, "= forget"),
    ROW("deleted and back (T37)", VERDICT_USER, LINK_DELETED, SAME, SAME, NULL, "create = pending"),

    /* Linked and wanted. */
    ROW("the same", VERDICT_USER, LINK_ACTIVE, SAME, SAME, SAME, "= unchanged"),
    ROW("mail", VERDICT_USER, LINK_ACTIVE, "anna b@x Sales Agent English:50", SAME, SAME, "profile = pending"),
    ROW("mail cleared", VERDICT_USER, LINK_ACTIVE, "anna \"\" Sales Agent English:50", SAME, SAME, "profile = pending"),
    ROW("mail not managed", VERDICT_USER, LINK_ACTIVE, "anna - Sales Agent English:50", SAME, SAME, "= unchanged"),
    ROW("empty where there is none", VERDICT_USER, LINK_ACTIVE, "anna \"\" Sales Agent -", "anna - Sales Agent -", NULL, "= unchanged"),
    ROW("team", VERDICT_USER, LINK_ACTIVE, "anna a@x Support Agent English:50", SAME, SAME, "update = pending"),
    ROW("level", VERDICT_USER, LINK_ACTIVE, "anna a@x Sales Agent English:60", SAME, SAME, "update = pending"),
    ROW("role and skill", VERDICT_USER, LINK_ACTIVE, "anna a@x Sales Agent,Seller English:50,French:1", SAME, SAME, "update profile = pending"),
    ROW("a role before the others", VERDICT_USER, LINK_ACTIVE, "anna a@x Sales Agent,Aide English:50,Dutch:5", "anna a@x Sales Aide English:50", SAME, "update profile = pending"),
    ROW("two of each", VERDICT_USER, LINK_ACTIVE, "anna a@x Sales Agent,Seller,Buyer English:50,French:1,Dutch:2", SAME, SAME, "update profile = pending"),
    ROW("granted ones go", VERDICT_USER, LINK_ACTIVE, "anna a@x Sales - -", SAME, SAME, "update profile = pending"),
    ROW("a supervisor's stay", VERDICT_USER, LINK_ACTIVE, "anna a@x Sales - -", SAME, "anna - - - -", "= unchanged"),
    ROW("ruled ones go", VERDICT_USER, LINK_ACTIVE, "anna a@x Sales - -", "anna a@x Sales Ruled RuledSkill:5", NULL, "update profile = pending"),
    ROW("renamed", VERDICT_USER, LINK_ACTIVE, "maria a@x Sales Agent English:50", SAME, SAME, "rename profile = pending"),
    ROW("case alone", VERDICT_USER, LINK_ACTIVE, "ANNA a@x Sales Agent English:50", "anna a@x Sales Agent English:50", SAME, "profile = pending"),
    ROW("renamed, policy hold", VERDICT_USER, LINK_ACTIVE, "maria a@x Sales Agent English:50", SAME, SAME, "rename:rename-policy profile = pending", .hold_renames = true),
    ROW("renamed, shared", VERDICT_USER, LINK_ACTIVE, "maria a@x Sales Agent English:50", SAME, SAME, "rename:login-shared profile = pending", .claim = PLANNER_LOGIN_SHARED),
    ROW("renamed, taken", VERDICT_USER, LINK_ACTIVE, "maria a@x Sales Agent English:50", SAME, SAME, "rename:login-taken profile = pending", .claim = PLANNER_LOGIN_LINKED),
    ROW("disabled_when", VERDICT_USER, LINK_ACTIVE, "anna b@x Support Agent -", SAME, SAME, "disable = pending", .wanted_disabled = true),
    ROW("disabled_when, disabled", VERDICT_USER, LINK_DISABLED, SAME, SAME, SAME, "= unchanged", .wanted_disabled = true, .disabled_by_us = true),
    ROW("disabled by us, wanted", VERDICT_USER, LINK_DISABLED, SAME, SAME, SAME, "enable = pending", .disabled_by_us = true),
    ROW("disabled by somebody else stays", VERDICT_USER, LINK_DISABLED, SAME, SAME, SAME, "= unchanged"),
    ROW("returned, changed", VERDICT_USER, LINK_DISABLED, "anna b@x Sales Agent English:50", SAME, SAME, "enable profile = pending", .disabled_by_us = true, .leaving = 5),
    ROW("returned without a role (T76)", VERDICT_USER, LINK_DISABLED, "anna a@x Sales - English:50", SAME, SAME, "enable:roles-first profile = pending", .disabled_by_us = true, .leaving = 5),
    ROW("returned with one more role", VERDICT_USER, LINK_DISABLED, "anna a@x Sales Agent,Seller English:50", SAME, SAME, "enable profile = pending", .disabled_by_us = true, .leaving = 5),
    ROW("returned with another skill", VERDICT_USER, LINK_DISABLED, "anna a@x Sales Agent -", SAME, SAME, "enable update = pending", .disabled_by_us = true, .leaving = 5),
    ROW("returned in grace", VERDICT_USER, LINK_ACTIVE, SAME, SAME, SAME, "= unchanged", .leaving = 5),

    /* Linked and in doubt. */
    ROW("invalid", VERDICT_INVALID, LINK_ACTIVE, NULL, SAME, SAME, "update:entry-invalid = held"),
    ROW("invalid, disabled", VERDICT_INVALID, LINK_DISABLED, NULL, SAME, SAME, "update:entry-invalid = held"),
    ROW("group missing, loss", VERDICT_USER, LINK_ACTIVE, "anna a@x Sales - English:50", SAME, SAME, "profile:group-missing = pending", .group_missing = "cn=g"),
    ROW("group missing, and something held before", VERDICT_USER, LINK_ACTIVE, "maria a@x Sales - English:50", SAME, SAME, "rename:rename-policy profile:group-missing = pending", .group_missing = "cn=g", .hold_renames = true),
    ROW("group missing, role exchanged", VERDICT_USER, LINK_ACTIVE, "anna a@x Sales Buyer English:50", SAME, SAME, "profile:group-missing = pending", .group_missing = "cn=g"),
    ROW("group missing, lower level", VERDICT_USER, LINK_ACTIVE, "anna a@x Sales Agent English:40", SAME, SAME, "update:group-missing = pending", .group_missing = "cn=g"),
    ROW("group missing, gain", VERDICT_USER, LINK_ACTIVE, "anna b@x Sales Agent,Seller English:60", SAME, SAME, "update profile = pending", .group_missing = "cn=g"),
    ROW("group missing, other team", VERDICT_USER, LINK_ACTIVE, "anna a@x Support Agent English:50", SAME, SAME, "update:group-missing = pending", .group_missing = "cn=g"),
    ROW("group missing, no team", VERDICT_SKIP, LINK_ACTIVE, NULL, SAME, SAME, "disable:group-missing = leaving", .group_missing = "cn=g"),
    ROW("group missing, newcomer", VERDICT_USER, LINK_UNLINKED, SAME, NULL, NULL, "create = pending", .group_missing = "cn=g"),
    ROW("attribute vanished", VERDICT_USER, LINK_ACTIVE, "anna b@x Support Agent English:50", SAME, SAME, "update!:attribute-vanished profile!:attribute-vanished = pending", .vanished = "mail"),
    ROW("attribute vanished, skipped", VERDICT_SKIP, LINK_ACTIVE, NULL, SAME, SAME, "disable!:attribute-vanished = leaving", .vanished = "mail"),
    ROW("attribute unread", VERDICT_USER, LINK_ACTIVE, "anna b@x Support Agent English:50", SAME, SAME, "update!:attribute-vanished profile = pending", .vanished = "mail", .is_unread = true),
    ROW("attribute unread, skipped", VERDICT_SKIP, LINK_ACTIVE, NULL, SAME, SAME, "disable!:attribute-vanished = leaving", .vanished = "mail", .is_unread = true),
    ROW("attribute vanished, the same", VERDICT_USER, LINK_ACTIVE, SAME, SAME, SAME, "= unchanged", .vanished = "mail"),
    ROW("attribute vanished, invalid", VERDICT_INVALID, LINK_ACTIVE, NULL, SAME, SAME, "update:attribute-vanished = held", .vanished = "mail"),
    ROW("invalid without a sentence", VERDICT_INVALID, LINK_ACTIVE, NULL, SAME, SAME, "update:entry-invalid = held", .says_nothing = true),

    /* Leaving. */
    ROW("gone", VERDICT_GONE, LINK_ACTIVE, NULL, SAME, SAME, "disable = leaving"),
    ROW("skipped", VERDICT_SKIP, LINK_ACTIVE, NULL, SAME, SAME, "disable = leaving"),
    ROW("gone, a successor", VERDICT_GONE, LINK_ACTIVE, NULL, SAME, SAME, "disable:relink = leaving", .successor = true),
    ROW("gone, disabled, kept", VERDICT_GONE, LINK_DISABLED, NULL, SAME, SAME, "= leaving", .disabled_by_us = true, .leaving = 5, .disabled = 7),
    ROW("gone, disabled, deleted later", VERDICT_GONE, LINK_DISABLED, NULL, SAME, SAME, "delete = leaving", .disabled_by_us = true, .leaving = 5, .disabled = 7, .delete_after = LATER),
    ROW("gone, disabled as dormant", VERDICT_GONE, LINK_DISABLED, NULL, SAME, SAME, "delete = leaving", .disabled_as_dormant = true, .leaving = 5, .disabled = 7, .delete_after = LATER),
    ROW("gone, disabled by others", VERDICT_GONE, LINK_DISABLED, NULL, SAME, SAME, "= leaving", .leaving = 5, .delete_after = LATER),
    ROW("gone, deleted", VERDICT_GONE, LINK_DELETED, NULL, SAME, SAME, "= forget", .leaving = 5),
    ROW("invalid, deleted", VERDICT_INVALID, LINK_DELETED, NULL, SAME, SAME, "= skipped"),
    ROW("deleted and back, login shared", VERDICT_USER, LINK_DELETED, SAME, SAME, NULL, "create:login-shared = held", .claim = PLANNER_LOGIN_SHARED),
    ROW("gone, said without a reason", VERDICT_GONE, LINK_ACTIVE, NULL, SAME, SAME, "disable = leaving", .says_nothing = true),
    ROW("gone, disabled, a successor", VERDICT_GONE, LINK_DISABLED, NULL, SAME, SAME, "delete:relink = leaving", .disabled_by_us = true, .delete_after = LATER, .successor = true),
    ROW("skipped, deleted", VERDICT_SKIP, LINK_DELETED, NULL, SAME, SAME, "= leaving", .leaving = 5),
};
/* clang-format on */

static const struct planner_row *find_row(const char *name)
{
    return planner_row_find(rows, ARRAY_SIZE(rows), name);
}

static void test_rows(void **state)
{
    (void)state;
    planner_rows_check(rows, ARRAY_SIZE(rows));
}

/* A mailbox is another one where a folding of texts sees the same. */
static void test_mailboxes(void **state)
{
    static const struct {
        const char *wanted, *found;
        bool same;
    } mails[] = {
        {"Ann@X.example", "ann@x.Example", true},
        {"stra\xc3\x9f"
         "e@x",
         "strasse@x", false},
        {"a\xc2\xad"
         "b@x",
         "ab@x", false},
        {"a@b\xc3\xbc"
         "cher.example",
         "a@xn--bcher-kva.example", false},
        {"a+b@x", "a@x", false},
        {"a@x.", "a@x", false},
        {"\"a\"@x", "a@x", false},
        {" a@x", "a@x", false},
        {"", "", false},
    };
    static const struct sync_options options;
    static const struct parts parts;
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(mails); i++) {
        struct user *wanted = user_new(), *found = user_new();
        assert_int_equal(user_set(wanted, USER_EMAIL, mails[i].wanted, NULL), 0);
        assert_int_equal(user_set(found, USER_EMAIL, mails[i].found, NULL), 0);
        bool needs = planner_adoption_needs_approval(wanted, found, &parts, &options);
        assert_row(mails[i].wanted, needs != mails[i].same);
        user_free(wanted);
        user_free(found);
    }
}

static void test_memory(void **state)
{
    (void)state;
    planner_rows_check_memory(rows, ARRAY_SIZE(rows));
}

/* Another kind of tenant: the same changes, in the one operation that its table says. */
static void test_one_part(void **state)
{
    (void)state;
    static const char *const rows_of_two[] = {"role and skill", "granted ones go", "mail",
                                              "attribute vanished"};
    for (size_t i = 0; i < ARRAY_SIZE(rows_of_two); i++) {
        struct planner_result one = {0}, two = {0};
        size_t n_changes = 0;
        planner_parts = &planner_one_part;
        planner_row_plan(find_row(rows_of_two[i]), &one);
        planner_parts = NULL;
        planner_row_plan(find_row(rows_of_two[i]), &two);
        for (size_t j = 0; j < two.operations.n_items; j++)
            n_changes += two.operations.items[j]->n_changes;
        assert_row(rows_of_two[i], one.operations.n_items == 1);
        assert_row(rows_of_two[i], one.operations.items[0]->kind == OPERATION_UPDATE);
        assert_row(rows_of_two[i], n_changes && one.operations.items[0]->n_changes == n_changes);
        planner_result_done(&one);
        planner_result_done(&two);
    }
}

/* Where no read shows the roles, whoever is found may have a privileged one. */
static void test_hidden_roles(void **state)
{
    (void)state;
    struct parts hiding = planner_one_part;
    struct planner_result r = {0};
    hiding.hides = PART_ROLES;
    planner_parts = &hiding;
    planner_row_plan(find_row("same mail"), &r);
    planner_parts = NULL;
    assert_int_equal(r.operations.n_items, 1);
    assert_int_equal(r.operations.items[0]->state, OPERATION_PARKED);
    assert_string_equal(r.operations.items[0]->reason, REASON_ADOPTION);
    assert_non_null(strstr(r.operations.items[0]->sentence, "does not show which roles"));
    planner_result_done(&r);
}

static void test_times(void **state)
{
    (void)state;
    struct planner_result r = {0};
    planner_row_plan(find_row("gone"), &r);
    assert_true(r.started_leaving);
    assert_int_equal(r.leaving_usec, NOW);
    assert_int_equal(r.operations.items[0]->not_before_usec, NOW + GRACE);
    assert_string_equal(r.operations.items[0]->why, "gone from the directory: why");
    planner_result_done(&r);

    planner_row_plan(find_row("skipped"), &r);
    assert_string_equal(r.operations.items[0]->why, "no longer a user: why");
    planner_result_done(&r);

    struct planner_row later = *find_row("gone");
    later.leaving = 5; /* the grace time counts from when it began */
    planner_row_plan(&later, &r);
    assert_false(r.started_leaving);
    assert_int_equal(r.leaving_usec, 5);
    assert_int_equal(r.operations.items[0]->not_before_usec, 5 + GRACE);
    planner_result_done(&r);

    planner_row_plan(find_row("gone, disabled, deleted later"), &r);
    assert_int_equal(r.operations.items[0]->not_before_usec, 7 + LATER);
    planner_result_done(&r);

    later = *find_row("gone, disabled, deleted later"); /* disabled long before it left */
    later.leaving = 9;
    planner_row_plan(&later, &r);
    assert_int_equal(r.operations.items[0]->not_before_usec, 9 + LATER);
    planner_result_done(&r);

    planner_row_plan(find_row("disabled_when"), &r); /* no grace: the directory says it of somebody here */
    assert_int_equal(r.operations.items[0]->not_before_usec, NOW);
    planner_result_done(&r);

    planner_row_plan(find_row("returned in grace"), &r);
    assert_true(r.returned);
    assert_int_equal(r.leaving_usec, 0);
    planner_result_done(&r);

    planner_row_plan(find_row("the same"), &r);
    assert_false(r.returned);
    planner_result_done(&r);

    struct planner_row invalid = *find_row("invalid");
    invalid.leaving = 5; /* in doubt, so not leaving */
    planner_row_plan(&invalid, &r);
    assert_int_equal(r.leaving_usec, 0);
    planner_result_done(&r);

    planner_row_plan(find_row("role and skill"), &r);
    assert_string_equal(r.operations.items[0]->why, "the rules give other values than the tenant holds");
    assert_string_equal(r.operations.items[1]->why, "the directory gives other values than the tenant holds");
    planner_result_done(&r);

    planner_row_plan(find_row("gone, a successor"), &r); /* time alone does not release it */
    assert_int_equal(r.operations.items[0]->not_before_usec, 0);
    planner_result_done(&r);
}

static void test_changes(void **state)
{
    (void)state;
    struct planner_result r = {0};
    planner_row_plan(find_row("newcomer"), &r);
    const struct operation *o = r.operations.items[0];
    assert_string_equal(o->login, "anna");
    assert_int_equal(o->n_changes, 7); /* login, two names, mail, team, role, skill */
    planner_result_done(&r);

    planner_row_plan(find_row("mail cleared"), &r);
    o = r.operations.items[0];
    assert_int_equal(o->n_changes, 1);
    assert_string_equal(o->changes[0].field, "email");
    assert_string_equal(o->changes[0].from, "a@x");
    assert_null(o->changes[0].to);
    planner_result_done(&r);

    planner_row_plan(find_row("renamed"), &r);
    o = r.operations.items[0];
    assert_string_equal(o->login, "anna");
    assert_string_equal(o->changes[0].to, "maria");
    planner_result_done(&r);
}

/* All that is sent, and nothing else. */
static void test_all_changes(void **state)
{
    (void)state;
    static const char *const expected[][2] = {
        {"newcomer", "create login_id ->anna first_name ->First last_name ->anna email ->a@x team ->Sales role:Agent "
                     "->Agent skill:English ->50"},
        {"gone", "disable disabled false>true"},
        {"gone, disabled, deleted later", "delete"},
        {"disabled_when", "disable disabled false>true"},
        {"disabled by us, wanted", "enable disabled true>false"},
        {"returned, changed", "enable disabled true>false; profile email a@x>b@x"},
        {"mail cleared", "profile email a@x>-"},
        {"team", "update team Sales>Support"},
        {"level", "update skill:English 50>60"},
        {"role and skill", "update skill:French ->1; profile role:Seller ->Seller"},
        {"granted ones go", "update skill:English 50>-; profile role:Agent Agent>-"},
        {"a role before the others", "update skill:Dutch ->5; profile role:Agent ->Agent"},
        {"renamed", "rename login_id anna>maria; profile last_name anna>maria"},
        {"login shared", "create"},
        {"same mail", "adopt email A@X>a@x team Support>Sales role:Agent ->Agent skill:English ->50"},
        {"at the tenant, later", "adopt"},
        {"adopted, disabled here alone", "adopt disabled false>true"},
        {"adopted, disabled on both sides", "adopt"},
        {"left, the same (T32)", "adopt"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        struct planner_result r = {0};
        planner_row_plan(find_row(expected[i][0]), &r);
        CLEANUP(freep) char *text = planner_changes_text(&r);
        if (strcmp(text, expected[i][1]) != 0)
            fail_msg("row \"%s\": %s", expected[i][0], text);
        planner_result_done(&r);
    }
}

static void test_takes_away(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum operation_kind kind;
        const char *field, *from, *to;
        bool takes;
    } cases[] = {
        {"disable", OPERATION_DISABLE, NULL, NULL, NULL, true},
        {"delete", OPERATION_DELETE, NULL, NULL, NULL, true},
        {"role taken", OPERATION_PROFILE, "role:A", "A", NULL, true},
        {"role given", OPERATION_PROFILE, "role:A", NULL, "A", false},
        {"team changed", OPERATION_UPDATE, "team", "A", "B", true},
        {"team given", OPERATION_UPDATE, "team", NULL, "B", false},
        {"skill taken", OPERATION_UPDATE, "skill:A", "5", NULL, true},
        {"level lower", OPERATION_UPDATE, "skill:A", "50", "9", true},
        {"level no number before", OPERATION_UPDATE, "skill:A", "x", "5", false},
        {"level no number after", OPERATION_UPDATE, "skill:A", "5", "x", false},
        {"level the same", OPERATION_UPDATE, "skill:A", "9", "9", false},
        {"level higher", OPERATION_UPDATE, "skill:A", "9", "50", false},
        {"mail changed", OPERATION_PROFILE, "email", "a", "b", false},
        {"mail cleared", OPERATION_PROFILE, "email", "a", NULL, true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct operation *o = operation_new(cases[i].kind, "id", "dn", "login");
        assert_non_null(o);
        if (cases[i].field)
            assert_int_equal(
                operation_add_change(o, cases[i].field, cases[i].from, cases[i].to, NULL), 0);
        assert_row(cases[i].name, planner_takes_away(o) == cases[i].takes);
        operation_free(o);
    }
}

static void test_same_person(void **state)
{
    (void)state;
    static const struct {
        const char *name, *a, *b;
        bool same;
    } cases[] = {
        {"mail", "anna a@x S - -", "berta A@X S - -", true},
        {"names", "anna a@x S - -", "anna b@x S - -", true},
        {"names, case", "anna - S - -", "ANNA - S - -", true},
        {"neither", "anna a@x S - -", "berta b@x S - -", false},
        {"no mail is nobody's", "anna \"\" S - -", "berta \"\" S - -", false},
        {"mail on one side", "anna a@x S - -", "berta - S - -", false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(user_freep) struct user *a = user_of(cases[i].a);
        CLEANUP(user_freep) struct user *b = user_of(cases[i].b);
        assert_row(cases[i].name, planner_same_person(a, b) == cases[i].same);
        assert_row(cases[i].name, planner_same_person(b, a) == cases[i].same);
        /* One name of two is nobody's. */
        assert_int_equal(user_set(b, USER_FIRST_NAME, "Other", NULL), 0);
        assert_row(cases[i].name, planner_same_person(a, b) == !strcmp(cases[i].name, "mail"));
    }
}

static void test_who_it_was(void **state)
{
    (void)state;
    static const struct {
        const char *name, *known, *wanted, *shown;
        bool same;
    } cases[] = {
        {"the mail of before", "anna a@x S - -", "anna new@x S - -", "berta A@x S - -", true},
        {"the mail that is wanted", "anna a@x S - -", "anna new@x S - -", "berta new@x S - -", true},
        {"another mail, the same name", "anna a@x S - -", "anna new@x S - -", "anna b@x S - -", false},
        {"another mail, of a leaver", "anna a@x S - -", NULL, "anna b@x S - -", false},
        {"a mail where there was none", "anna - S - -", NULL, "anna b@x S - -", false},
        {"no mail any more", "anna a@x S - -", NULL, "anna - S - -", false},
        {"no mail, the same name", "anna - S - -", NULL, "anna - S - -", true},
        {"no mail, written otherwise", "anna \"\" S - -", NULL, "anna - S - -", true},
        {"no mail, another name", "anna - S - -", "anna - S - -", "berta \"\" S - -", false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(user_freep) struct user *known = user_of(cases[i].known);
        CLEANUP(user_freep) struct user *shown = user_of(cases[i].shown);
        CLEANUP(user_freep)
        struct user *wanted = cases[i].wanted ? user_of(cases[i].wanted) : NULL;
        assert_row(cases[i].name, planner_is_who_it_was(known, wanted, shown) == cases[i].same);
    }
}

static void test_gained_privilege(void **state)
{
    (void)state;
    char *privileged[] = {(char *)"Boss", (char *)"Owner"};
    const struct sync_options options = {.privileged_roles = privileged,
                                         .n_privileged_roles = 2};
    static const struct {
        const char *before, *now, *gained;
    } cases[] = {
        {"a - - - -", "a - - Agent -", NULL},
        {"a - - Boss -", "a - - Agent,Boss -", NULL},
        {"a - - Agent -", "a - - Agent,Boss -", "Boss"},
        {"a - - Boss -", "a - - Boss,Owner -", "Owner"},
        {"a - - Boss,Owner -", "a - - - -", NULL},
        {"a - - Agent -", "a - - bOSS -", "bOSS"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(user_freep) struct user *before = user_of(cases[i].before);
        CLEANUP(user_freep) struct user *now = user_of(cases[i].now);
        const char *gained = planner_gained_privilege(before, now, &options);
        assert_row(cases[i].now, text_equal(gained, cases[i].gained));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),         cmocka_unit_test(test_memory),
        cmocka_unit_test(test_mailboxes),    cmocka_unit_test(test_one_part),
        cmocka_unit_test(test_hidden_roles), cmocka_unit_test(test_times),
        cmocka_unit_test(test_changes),      cmocka_unit_test(test_all_changes),
        cmocka_unit_test(test_takes_away),   cmocka_unit_test(test_same_person),
        cmocka_unit_test(test_who_it_was),   cmocka_unit_test(test_gained_privilege),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
