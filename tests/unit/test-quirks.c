/*
 * What the tenant makes of what it is sent. A user is written as text: "field=value", "role:NAME",
 * "skill:NAME=LEVEL" and "disabled", one after the other, separated by "; ".
 */
#include "config.h"

#include <errno.h>

#include "base/buffer.h"
#include "failing-memory.h"
#include "judge/quirks.h"
#include "model/user.h"
#include "unit.h"

static struct user *user_of(const char *text)
{
    struct user *u = user_new();
    CLEANUP(freep) char *copy = strdup(text);
    char *rest = NULL;
    assert_true(u && copy);
    for (char *p = strtok_r(copy, ";", &rest); p; p = strtok_r(NULL, ";", &rest)) {
        p += strspn(p, " ");
        char *value = strchr(p, '=');
        if (value)
            *value++ = '\0';
        if (!strcmp(p, "disabled")) {
            u->disabled = true;
        } else if (!strncmp(p, "role:", 5)) {
            assert_int_equal(user_add_role(u, p + 5, NULL), 0);
        } else if (!strncmp(p, "skill:", 6)) {
            assert_int_equal(user_add_skill(u, p + 6, (unsigned)atol(value), NULL), 0);
        } else {
            int f = 0;
            while (f < USER_N_FIELDS && strcmp(p, user_field_name((enum user_field)f)) != 0)
                f++;
            assert_row(p, f < USER_N_FIELDS && value);
            assert_int_equal(user_set(u, (enum user_field)f, value, NULL), 0);
        }
    }
    return u;
}

/* Lists in their order, fields in that of the enum. */
static char *text_of(const struct user *u)
{
    struct buffer b = {0};
    for (int f = 0; f < USER_N_FIELDS; f++)
        if (user_get(u, (enum user_field)f))
            buffer_format(&b, "; %s=%s", user_field_name((enum user_field)f),
                          user_get(u, (enum user_field)f));
    for (size_t i = 0; i < u->n_roles; i++)
        buffer_format(&b, "; role:%s", u->roles[i].name);
    for (size_t i = 0; i < u->n_skills; i++)
        buffer_format(&b, "; skill:%s=%u", u->skills[i].name, u->skills[i].level);
    if (u->disabled)
        buffer_format(&b, "; disabled");
    char *text = strdup(b.size ? b.data + 2 : "");
    buffer_done(&b);
    return text;
}

static void assert_user(const char *row, const struct user *u, const char *expected)
{
    CLEANUP(freep) char *text = text_of(u);
    if (strcmp(text, expected) != 0)
        fail_msg("row \"%s\": \"%s\", not \"%s\"", row, text, expected);
}

/* known: what is taken for the tenant's value from now on; sent: kept, since it is shown
 * otherwise. */
static const struct {
    const char *name;
    enum user_field field;
    const char *sent, *before, *shown, *known, *quirk;
} fields[] = {
    {"as it was sent", USER_EMAIL, "a@x", NULL, "a@x", "a@x", NULL},
    {"mail in lower case", USER_EMAIL, "A@X", NULL, "a@x", "a@x", "A@X"},
    {"not there yet", USER_EMAIL, "b@x", "a@x", "a@x", "b@x", NULL},
    {"shown as it was, and that is a form of it", USER_EMAIL, "A@X", "a@x", "a@x", "a@x", "A@X"},
    {"neither as before nor as sent", USER_FIRST_NAME, "Anna-Lena", "Ann", "Anna", "Anna", "Anna-Lena"},
    {"the first value", USER_FIRST_NAME, "Anna-Lena", NULL, "Anna", "Anna", "Anna-Lena"},
    {"cleared", USER_EMAIL, NULL, "a@x", NULL, NULL, NULL},
    {"cleared and still shown", USER_EMAIL, NULL, "a@x", "a@x", NULL, NULL},
    {"sent and not shown", USER_EMAIL, "a@x", NULL, NULL, "a@x", NULL},
    {"a login is what it is", USER_LOGIN, "Anna", NULL, "anna", "Anna", NULL},
    {"a team is what it is", USER_TEAM, "Sales", NULL, "sales", "Sales", NULL},
    {"an extension is what it is", USER_EXTENSION, "0815", NULL, "815", "0815", NULL},
    {"a number without its blanks", USER_WORK_PHONE, "+49 89 12-34", "+49891", "+49891234", "+49891234", "+49 89 12-34"},
    {"a number with another prefix", USER_MOBILE_PHONE, "0170 1234", "1", "+491701234", "+491701234", "0170 1234"},
    {"another number, as before", USER_MOBILE_PHONE, "0170 1234", "0170 9999", "0170 9999", "0170 1234", NULL},
    {"a short number, whole", USER_WORK_PHONE, "12 3", "123", "123", "123", "12 3"},
    {"the end of a short number", USER_WORK_PHONE, "123", "9123", "9123", "123", NULL},
    {"the short end of a number", USER_WORK_PHONE, "9123", "123", "123", "9123", NULL},
    {"no number at all", USER_WORK_PHONE, "none", "-", "-", "none", NULL},
    {"a number and none", USER_WORK_PHONE, "none", "12345", "12345", "none", NULL},
};

static void test_fields(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        CLEANUP(user_freep) struct user *known = user_of("");
        CLEANUP(user_freep) struct user *quirks = user_of("");
        assert_int_equal(quirks_learn_field(fields[i].field, fields[i].sent, fields[i].before,
                                            fields[i].shown, known, quirks), 0);
        const char *k = user_get(known, fields[i].field), *q = user_get(quirks, fields[i].field);
        assert_row(fields[i].name, !k == !fields[i].known && (!k || !strcmp(k, fields[i].known)));
        assert_row(fields[i].name, !q == !fields[i].quirk && (!q || !strcmp(q, fields[i].quirk)));
    }
}

static void test_same(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum user_field field;
        const char *a, *b;
        bool same;
    } rows[] = {
        {"mail", USER_EMAIL, "A@x", "a@X", true},
        {"another mail", USER_EMAIL, "a@x", "b@x", false},
        {"number", USER_WORK_PHONE, "+49 1234", "01234", true},
        {"mobile", USER_MOBILE_PHONE, "+49 1234", "01235", false},
        {"four digits", USER_WORK_PHONE, "1234", "91234", true},
        {"three digits", USER_WORK_PHONE, "234", "1234", false},
        {"three digits, the same", USER_WORK_PHONE, "2 34", "23 4", true},
        {"no digits", USER_WORK_PHONE, "a", "a", false},
        {"a name is not the same in another case", USER_LAST_NAME, "MacLeod", "Macleod", false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_row(rows[i].name, quirks_same(rows[i].field, rows[i].a, rows[i].b) == rows[i].same);
        assert_row(rows[i].name, quirks_same(rows[i].field, rows[i].b, rows[i].a) == rows[i].same);
    }
}

/* A user was made as wanted and is read back, at once or later: then, what is no other form of a
 * value was changed meanwhile. */
static const struct {
    const char *name, *wanted, *after, *known, *quirks;
    bool later;
} created[] = {
    {"as wanted", "login_id=anna; email=a@x; team=Sales; role:Agent; skill:English=5", "login_id=anna; email=a@x; team=Sales; role:Agent; skill:English=5",
     "login_id=anna; email=a@x; team=Sales; role:Agent; skill:English=5", "", false},
    {"another form", "login_id=Anna; email=A@X", "login_id=anna; email=a@x", "login_id=Anna; email=a@x", "email=A@X", false},
    {"another team", "login_id=anna; team=Sales", "login_id=anna; team=Lobby", "login_id=anna; team=Lobby", "", false},
    {"what nobody manages", "login_id=anna; email=", "login_id=anna; email=q@x; first_name=Q", "login_id=anna; first_name=Q; email=q@x", "", false},
    {"what is missing", "login_id=anna; email=a@x", "login_id=anna", "login_id=anna", "", false},
    {"what a team brings", "login_id=anna; role:Agent; skill:English=5", "login_id=anna; role:Agent; role:Lobby; skill:English=7; skill:Lobby=1",
     "login_id=anna; role:Agent; skill:English=7", "role:Lobby; skill:Lobby=1", false},
    {"no level and no skill are one", "login_id=anna; skill:English=0; skill:French=3", "login_id=anna", "login_id=anna; skill:English=0", "", false},
    {"disabled", "login_id=anna", "login_id=anna; disabled", "login_id=anna; disabled", "", false},
    {"later: as wanted", "login_id=anna; email=a@x; first_name=A", "login_id=anna; email=a@x; first_name=A", "login_id=anna; first_name=A; email=a@x", "", true},
    {"later: another form", "login_id=anna; email=A@X; first_name=ANNA", "login_id=anna; email=a@x; first_name=Anna", "login_id=anna; first_name=Anna; email=a@x",
     "first_name=ANNA; email=A@X", true},
    {"later: changed meanwhile", "login_id=anna; email=a@x; first_name=A", "login_id=anna; email=b@x; first_name=B", "login_id=anna; first_name=B; email=b@x", "", true},
};

static void test_created(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(created); i++) {
        CLEANUP(user_freep) struct user *wanted = user_of(created[i].wanted);
        CLEANUP(user_freep) struct user *after = user_of(created[i].after);
        CLEANUP(user_freep) struct user *known = user_of("");
        CLEANUP(user_freep) struct user *quirks = user_of("");
        assert_int_equal(quirks_learn_created(wanted, after, !created[i].later, known, quirks), 0);
        assert_user(created[i].name, known, created[i].known);
        assert_user(created[i].name, quirks, created[i].quirks);
    }
}

/* It is read for the first time, some time later. */
static const struct {
    const char *name, *now, *before, *known, *quirks;
} late[] = {
    {"as it was", "login_id=anna; email=a@x; role:Agent; skill:English=5", "login_id=anna; email=a@x; role:Agent; skill:English=5",
     "login_id=anna; email=a@x; role:Agent; skill:English=5", ""},
    {"another form", "email=a@x", "email=A@X", "email=a@x", "email=A@X"},
    {"another value stays a difference", "email=b@x; team=Lobby", "email=a@x; team=Sales", "email=a@x; team=Sales", ""},
    {"what is not shown stays a difference", "", "email=a@x", "email=a@x", ""},
    {"what was not sent", "email=a@x; first_name=A", "first_name=", "first_name=", ""},
    {"a login is what it is", "login_id=anna", "login_id=Anna", "login_id=Anna", ""},
    {"what came in addition", "role:Lobby; skill:Lobby=1; skill:English=9", "skill:English=5", "skill:English=5", "role:Lobby; skill:Lobby=1"},
};

static void test_late(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(late); i++) {
        CLEANUP(user_freep) struct user *now = user_of(late[i].now);
        CLEANUP(user_freep) struct user *known = user_of(late[i].before);
        CLEANUP(user_freep) struct user *quirks = user_of("");
        assert_int_equal(quirks_learn_late(now, known, quirks), 0);
        assert_user(late[i].name, known, late[i].known);
        assert_user(late[i].name, quirks, late[i].quirks);
    }
}

/* The team was changed (T59, T60). */
static const struct {
    const char *name, *quirks, *known, *before, *after, *expected;
} moved[] = {
    {"forms and roles stay", "email=A@X; role:Lobby; role:Tea", "email=a@x", "", "", "email=A@X; role:Lobby; role:Tea"},
    {"the old team's skill is gone", "skill:Old=1", "", "skill:Old=1", "", ""},
    {"it still has it", "skill:Old=1", "", "skill:Old=1", "skill:Old=2", "skill:Old=2"},
    {"the new team's skills came", "", "", "", "skill:New=3; skill:More=4", "skill:More=4; skill:New=3"},
    {"what is ours is ours", "skill:Ours=1", "skill:Ours=5", "", "skill:Ours=5", ""},
    {"a supervisor's stays a supervisor's", "", "", "skill:Theirs=5", "skill:Theirs=5", ""},
};

static void test_moved(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(moved); i++) {
        CLEANUP(user_freep) struct user *quirks = user_of(moved[i].quirks);
        CLEANUP(user_freep) struct user *known = user_of(moved[i].known);
        CLEANUP(user_freep) struct user *before = user_of(moved[i].before);
        CLEANUP(user_freep) struct user *after = user_of(moved[i].after);
        CLEANUP(user_freep) struct user *ret = user_of("");
        assert_int_equal(quirks_learn_moved(quirks, known, before, after, ret), 0);
        assert_user(moved[i].name, ret, moved[i].expected);
    }
}

/* Is nothing left to change? */
static void test_as_wanted(void **state)
{
    (void)state;
    static const struct {
        const char *name, *wanted, *known, *quirks;
        bool as_wanted;
    } rows[] = {
        {"the same", "email=a@x; role:R; skill:S=1", "email=a@x; role:R; skill:S=1", "", true},
        {"more than wanted", "email=a@x", "email=a@x; first_name=A; role:R; skill:S=1", "", true},
        {"another mail", "email=a@x", "email=b@x", "", false},
        {"another login", "login_id=a", "login_id=b", "", false},
        {"no mail", "email=a@x", "", "", false},
        {"no mail, and none is wanted", "email=", "", "", true},
        {"a form of it", "email=A@X", "email=a@x", "email=A@X", true},
        {"a form of another one", "email=A@X", "email=a@x", "email=B@X", false},
        {"a form, and it is gone", "email=A@X", "email=", "email=A@X", false},
        {"a form, and there is none", "email=A@X", "", "email=A@X", false},
        {"no role", "role:R", "", "", false},
        {"no skill", "skill:S=1", "", "", false},
        {"another level", "skill:S=1", "skill:S=2", "", false},
        {"disabled", "disabled", "", "", false},
        {"disabled there", "", "disabled", "", false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(user_freep) struct user *wanted = user_of(rows[i].wanted);
        CLEANUP(user_freep) struct user *known = user_of(rows[i].known);
        CLEANUP(user_freep) struct user *quirks = user_of(rows[i].quirks);
        assert_row(rows[i].name, quirks_as_wanted(wanted, known, quirks) == rows[i].as_wanted);
    }
    assert_false(quirks_shows(NULL, USER_EMAIL, "a", "b"));
}

/* One of the learners with its n-th allocation failing; true: none failed any more. */
static bool learns(int which, long n)
{
    static const char lists[] = "email=A@X; role:A; role:B; skill:A=0; skill:B=0; skill:C=1";
    CLEANUP(user_freep) struct user *one = user_of(lists), *two = user_of("email=a@x; role:C; role:D; skill:D=1; skill:E=2");
    CLEANUP(user_freep) struct user *known = user_of(which == 2 ? "email=A@X" : ""), *quirks = user_of("");
    CLEANUP(user_freep) struct user *empty = user_of("");
    fail_after = n;
    int r = which == 0   ? quirks_learn_field(USER_EMAIL, "A@X", NULL, "a@x", known, quirks)
            : which == 1 ? quirks_learn_created(one, two, true, known, quirks)
            : which == 2 ? quirks_learn_late(two, known, quirks)
                         : quirks_learn_moved(one, empty, empty, two, known);
    bool failed = fail_after < 0;
    fail_after = -1;
    assert_int_equal(r, failed ? -ENOMEM : 0);
    return !failed;
}

static void test_memory(void **state)
{
    (void)state;
    for (int which = 0; which < 4; which++) {
        long n = 0;
        while (!learns(which, n))
            n++;
        assert_true(n > 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),  cmocka_unit_test(test_same),
        cmocka_unit_test(test_created), cmocka_unit_test(test_late),
        cmocka_unit_test(test_moved),   cmocka_unit_test(test_as_wanted),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
