/* What the lines say that users hold, held against a plain model of the document's words: an
 * outcome that is done sets values; `found` is what is known of the user from then on where no
 * `set` says it. */
#include "config.h"

#include "audit/audit.h"
#include "audit/holdings.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/text.h"
#include "model/user.h"
#include "unit.h"

#define PEOPLE 5
#define ROLES  4
#define SKILLS 3

/* -1: nothing is told of it; else the number of the value, 0: none. */
struct model {
    int team, mail, roles[ROLES], skills[SKILLS], disabled;
    bool deleted;
};

static unsigned chance(unsigned n)
{
    return (unsigned)(random_number() % n);
}

static void forget(struct model *m)
{
    memset(m, -1, sizeof(*m));
    m->deleted = false;
}

static void nothing_more(int *value)
{
    if (*value >= 0)
        *value = 0;
}

static void numbered(char *to, size_t size, const char *what, int n)
{
    snprintf(to, size, "%s%d", what, n);
}

static json_t *find(struct model *m)
{
    json_t *found = json_object(), *roles = json_array(), *skills = json_object();
    char text[40];

    nothing_more(&m->team);
    nothing_more(&m->mail);
    if (chance(4)) {
        m->team = 1 + (int)chance(5);
        numbered(text, sizeof(text), "team ", m->team);
        json_object_set_new(found, "team", json_string(text));
    }
    if (chance(4) == 0) { /* values = names */
        m->mail = -1;
        json_object_set_new(found, "email", json_true());
    } else if (chance(2)) {
        m->mail = 1 + (int)chance(5);
        numbered(text, sizeof(text), "mail ", m->mail);
        json_object_set_new(found, "email", json_string(text));
    }
    for (int i = 0; i < ROLES; i++) {
        nothing_more(&m->roles[i]);
        if (chance(2))
            continue;
        m->roles[i] = 1;
        numbered(text, sizeof(text), "role ", i);
        json_array_append_new(roles, json_string(text));
    }
    for (int i = 0; i < SKILLS; i++) {
        nothing_more(&m->skills[i]);
        if (chance(2))
            continue;
        m->skills[i] = 1 + (int)chance(99);
        numbered(text, sizeof(text), "skill ", i);
        json_object_set_new(skills, text, json_integer(m->skills[i]));
    }
    json_object_set_new(found, "roles", roles);
    json_object_set_new(found, "skills", skills);
    m->disabled = (int)chance(2);
    json_object_set_new(found, "disabled", json_boolean(m->disabled));
    return found;
}

static void add_change(json_t *changes, const char *field, const char *to)
{
    json_array_append_new(changes, json_pack("{s:s, s:s?}", "field", field, "to", to));
}

static json_t *change(struct model *m, bool done)
{
    json_t *changes = json_array();
    char field[40], to[40];
    int value = (int)chance(6), one = (int)chance(SKILLS);

    if (chance(2)) {
        numbered(to, sizeof(to), "team ", value);
        add_change(changes, "team", value ? to : NULL);
        m->team = done ? value : m->team;
    }
    if (chance(3) == 0) {
        numbered(field, sizeof(field), "role:role ", one);
        add_change(changes, field, value ? "x" : NULL);
        m->roles[one] = done ? value != 0 : m->roles[one];
    }
    if (chance(3) == 0) {
        numbered(field, sizeof(field), "skill:skill ", one);
        numbered(to, sizeof(to), "", value * 11);
        add_change(changes, field, value ? to : NULL);
        m->skills[one] = done ? value * 11 : m->skills[one];
    }
    if (chance(6) == 0) {
        add_change(changes, "disabled", value ? "true" : "false");
        m->disabled = done ? value != 0 : m->disabled;
    }
    return changes;
}

static void begin(struct model *m, const char *kind, bool done)
{
    if (!done || (strcmp(kind, "create") != 0 && strcmp(kind, "adopt") != 0 &&
                  strcmp(kind, "delete") != 0))
        return;
    forget(m);
    if (strcmp(kind, "create") == 0)
        m->disabled = 0;
}

static json_t *random_line(struct model *m, const char *id)
{
    static const char *const kinds[] = {"create", "adopt", "update", "profile", "update", "profile",
                                        "disable", "enable", "delete"};
    /* Who was deleted is first of all made again. */
    const char *kind = kinds[chance(m->deleted ? 2 : ARRAY_SIZE(kinds))];
    bool drift = !m->deleted && chance(5) == 0, done = m->deleted || (!drift && chance(5));
    json_t *view = json_pack("{s:s, s:s, s:{s:s}}", "event", drift ? "drift" : "outcome", "code",
                             done ? "done" : "change-not-applied", "person", "id", id);

    if (!drift) {
        json_object_set_new(view, "operation", json_string(kind));
        begin(m, kind, done);
    }
    if (drift || chance(3) == 0)
        json_object_set_new(view, "details", json_pack("{s:o}", "found", find(m)));
    if (done && (strcmp(kind, "disable") == 0 || strcmp(kind, "enable") == 0))
        m->disabled = strcmp(kind, "disable") == 0;
    if (!drift)
        json_object_set_new(view, "changes", change(m, done));
    if (done && strcmp(kind, "delete") == 0) {
        forget(m);
        m->deleted = true;
    }
    return view;
}

static struct user *user_of(const struct model *m)
{
    struct user *u = user_new();
    char text[40];

    numbered(text, sizeof(text), "team ", m->team);
    assert_int_equal(user_set(u, USER_TEAM, m->team > 0 ? text : NULL, NULL), 0);
    numbered(text, sizeof(text), "mail ", m->mail);
    assert_int_equal(user_set(u, USER_EMAIL, m->mail > 0 ? text : NULL, NULL), 0);
    for (int i = 0; i < ROLES; i++) {
        numbered(text, sizeof(text), "role ", i);
        assert_int_equal(m->roles[i] > 0 ? user_add_role(u, text, NULL) : 0, 0);
    }
    for (int i = 0; i < SKILLS; i++) {
        numbered(text, sizeof(text), "skill ", i);
        if (m->skills[i] > 0)
            assert_int_equal(user_add_skill(u, text, (unsigned)m->skills[i], NULL), 0);
    }
    u->disabled = m->disabled > 0;
    return u;
}

/* Another value of each field that is told of must be noticed, and of no other. */
static void check(const struct holdings *h, const char *id, struct model m, unsigned at)
{
    int *fields[] = {&m.team,     &m.mail,     &m.roles[0],  &m.roles[1],  &m.roles[2],
                     &m.roles[3], &m.skills[0], &m.skills[1], &m.skills[2], &m.disabled};
    CLEANUP(user_freep) struct user *wanted = user_new();

    assert_int_equal(user_set(wanted, USER_TEAM, "managed", NULL), 0);
    assert_int_equal(user_set(wanted, USER_EMAIL, "managed", NULL), 0);
    for (size_t i = 0; i <= ARRAY_SIZE(fields); i++) {
        CLEANUP(string_list_done) struct string_list differ = {0};
        struct model other = m;
        struct error e = {""};
        int *field = i < ARRAY_SIZE(fields)
                         ? (int *)((char *)&other + ((char *)fields[i] - (char *)&m))
                         : NULL;
        bool told = field && *field >= 0;

        if (field)
            *field = *field > 0 ? 0 : 1;
        CLEANUP(user_freep) struct user *u = user_of(&other);
        int r = holdings_compare(h, id, u, NULL, wanted, &differ, &e);
        if (r == HOLDINGS_NONE && !told)
            continue;
        if (r != 0 || differ.n_items != (size_t)told)
            fail_msg("line %u, %s, field %zu: %d, %zu differ (%s)", at, id, i, r, differ.n_items,
                     differ.n_items ? differ.items[0] : "none");
    }
}

static void test_against_the_document(void **state)
{
    struct model people[PEOPLE];
    CLEANUP(holdings_freep) struct holdings *h = holdings_new();

    (void)state;
    random_seed(1);
    for (size_t i = 0; i < PEOPLE; i++)
        forget(&people[i]);
    for (unsigned at = 0; at < 4000; at++) {
        char id[20];
        unsigned who = chance(PEOPLE);

        numbered(id, sizeof(id), "id", (int)who);
        json_auto_t *view = random_line(&people[who], id);
        assert_int_equal(holdings_take(h, view), 0);
        check(h, id, people[who], at);
    }
}

/* Who is proved to be somebody else than who did something, and who is not. */
static void test_who_is_another(void **state)
{
    static const struct {
        struct audit_actor before, now;
        enum audit_likeness likeness;
    } rows[] = {
        {{.name = "alice", .known = true}, {.name = "alice", .known = true}, AUDIT_SAME},
        {{.name = "alice", .known = true}, {.name = "bob", .known = true}, AUDIT_OTHER},
        {{.name = "alice", .known = true},
         {.name = "root", .login = "alice", .known = true},
         AUDIT_SAME},
        {{.name = "root", .login = "alice", .known = true},
         {.name = "alice", .known = true},
         AUDIT_SAME},
        {{.name = "root", .login = "alice", .known = true},
         {.name = "root", .login = "bob", .known = true},
         AUDIT_OTHER},
        /* The account itself, to which she can become. */
        {{.name = "desk", .login = "alice", .known = true}, {.name = "desk", .known = true}, AUDIT_MAY_BE},
        {{.name = "desk", .known = true}, {.name = "desk", .login = "alice", .known = true}, AUDIT_MAY_BE},
        /* A process that ended, or a timer's. */
        {{.name = "alice", .known = true}, {.name = "desk"}, AUDIT_MAY_BE},
        {{.name = "desk", .login = "alice", .known = true}, {.name = "desk"}, AUDIT_SAME},
        {{.name = "root"}, {.name = "root", .login = "alice", .known = true}, AUDIT_SAME},
        {{.name = "root"}, {.name = "alice", .known = true}, AUDIT_OTHER},
        /* Where nobody is known, accounts are people. */
        {{.name = "root"}, {.name = "root"}, AUDIT_SAME},
        {{.name = "root"}, {.name = "bob"}, AUDIT_OTHER},
        {{.uid = 1000}, {.uid = 1000}, AUDIT_SAME},
        {{.uid = 1000}, {.uid = 10000}, AUDIT_OTHER},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char identity[AUDIT_IDENTITY_SIZE];
        audit_actor_identity(&rows[i].before, identity);
        if (audit_actor_compare(&rows[i].now, identity) != rows[i].likeness)
            fail_msg("row %zu", i);
        assert_int_equal(audit_identity_is_known(identity), rows[i].before.known);
    }
    struct audit_actor alice = {.name = "root", .login = "alice", .known = true};
    assert_int_equal(audit_actor_compare(&alice, "alice"), AUDIT_SAME); /* as kept before */
    assert_false(audit_identity_is_known("alice"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_the_document),
        cmocka_unit_test(test_who_is_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
