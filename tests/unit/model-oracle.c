/*
 * What must be after a history: at the tenant, and in the audit, from which the tenant can be
 * rebuilt.
 */
#include "config.h"

#include "model.h"

/* -- what must be -- */
struct expected {
    bool wanted, disabled;
    char login[16], mail[64], name[32], family[16];
    const char *team;
    bool agent, seller, extra, spanish, phone;
    unsigned english;
};

static struct expected expect(const struct model *m, unsigned who)
{
    const struct worker *w = &m->people[who];
    struct expected x = {0};
    x.wanted = w->here && (w->in_support || w->in_sales);
    x.disabled = w->terminated;
    model_login_of(who, w->login, x.login, sizeof x.login);
    model_login_of(who, 0, x.family, sizeof x.family);
    snprintf(x.mail, sizeof x.mail, "p%u.%u@example.com", who, w->mail);
    snprintf(x.name, sizeof x.name, "Name %u", w->name);
    x.team = w->in_support ? (m->other_team ? "Backoffice" : "Support") : "Sales";
    x.agent = true;
    x.seller = w->in_sales;
    x.extra = w->in_sales && m->extra_role;
    x.spanish = w->spanish;
    x.phone = w->has_phone;
    x.english = w->in_support ? (m->less_english ? 80 : 100) : 50;
    return x;
}

static void same_text(const char *login, const char *what, const char *is, const char *must)
{
    if (!is || strcmp(is, must) != 0)
        wrong("%s has the %s %s, not %s", login, what, is ? is : "(none)", must);
}

static void check_set(struct model *m, const struct fake_user *u, const struct expected *x)
{
    const struct by_hand *h = model_hand_of(m, u->scim_id, false);
    bool supervisor = h && h->role, chess = h && h->skill, mobile = h && h->phone;
    const struct user *is = u->user;
    if ((user_role(is, "Supervisor") != NULL) != supervisor ||
        (user_skill(is, "Chess") != NULL) != chess ||
        (chess && user_skill(is, "Chess")->level != fake_tenant_level(m->bed->tenant, 70)) ||
        (mobile && !text_equal(user_get(is, USER_MOBILE_PHONE), "007")))
        wrong("%s lost or got what no rule manages", u->login);
    if (!x)
        return;
    if ((user_role(is, "Agent") != NULL) != x->agent ||
        (user_role(is, "Seller") != NULL) != x->seller ||
        (user_role(is, "Extra") != NULL) != x->extra ||
        is->n_roles != (size_t)(x->agent + x->seller + x->extra + supervisor))
        wrong("%s has wrong roles: %s", u->login, user_to_json(is, false));
    const struct user_skill *english = user_skill(is, "English");
    if (!english || english->level != fake_tenant_level(m->bed->tenant, x->english) ||
        (user_skill(is, "Spanish") != NULL) != x->spanish ||
        is->n_skills != (size_t)(1 + x->spanish + chess))
        wrong("%s has wrong skills", u->login);
}

/* There before rosterd was, and the person was never a user since. */
static bool is_unclaimed(struct model *m, unsigned who)
{
    struct link l = {0};
    struct error e = {0};
    char id[32];
    snprintf(id, sizeof id, "id-p%u", who);
    int r = link_load(m->bed->state, id, &l, &e);
    link_done(&l);
    return r == STATE_NONE;
}

static void check_person(struct model *m, unsigned who)
{
    struct expected x = expect(m, who);
    const struct fake_user *u = NULL;
    for (size_t i = 0; i < m->bed->tenant->n_users; i++)
        if (model_who_is(m->bed->tenant->users[i].login) == (int)who &&
            !m->bed->tenant->users[i].removed) {
            if (u)
                wrong("p%u has two users", who);
            u = &m->bed->tenant->users[i];
        }
    if (!u && x.wanted && !x.disabled)
        wrong("p%u has no user", who);
    if (!u)
        return;
    check_set(m, u, x.wanted && !x.disabled ? &x : NULL);
    if (!x.wanted && is_unclaimed(m, who)) {
        if (*model_was_touched(u->scim_id))
            wrong("%s is nobody's user and was changed", u->login);
        return;
    }
    if (u->user->disabled != (!x.wanted || x.disabled))
        wrong("%s is %sdisabled", u->login, u->user->disabled ? "" : "not ");
    if (!x.wanted || x.disabled)
        return;
    same_text(u->login, "login", u->login, x.login);
    same_text(u->login, "mail", user_get(u->user, USER_EMAIL), x.mail);
    same_text(u->login, "first name", user_get(u->user, USER_FIRST_NAME), x.name);
    same_text(u->login, "last name", user_get(u->user, USER_LAST_NAME), x.family);
    same_text(u->login, "team", user_get(u->user, USER_TEAM), x.team);
    if (x.phone)
        same_text(u->login, "phone", user_get(u->user, USER_WORK_PHONE), "555");
}

/* -- the tenant, rebuilt from the audit alone -- */
struct rebuilt {
    json_t *users; /* entry id -> {field: value, "role:X": "X", "skill:X": level} */
};

static void take_found(json_t *user, const json_t *found)
{
    const char *key;
    json_t *value;
    json_object_clear(user);
    json_object_foreach((json_t *)(uintptr_t)found, key, value)
    {
        char field[128];
        size_t i;
        json_t *item;
        const char *name;
        if (!strcmp(key, "roles")) {
            json_array_foreach(value, i, item)
            {
                snprintf(field, sizeof field, "role:%s", json_string_value(item));
                json_object_set(user, field, item);
            }
        } else if (!strcmp(key, "skills")) {
            json_object_foreach(value, name, item)
            {
                snprintf(field, sizeof field, "skill:%s", name);
                json_object_set_new(user, field,
                                    json_sprintf("%lld", (long long)json_integer_value(item)));
            }
        } else if (!strcmp(key, "disabled")) {
            json_object_set_new(user, key, json_string(json_is_true(value) ? "true" : "false"));
        } else {
            json_object_set(user, key, value);
        }
    }
}

static void replay(const json_t *row, void *userdata)
{
    struct rebuilt *r = userdata;
    const char *event = json_string_value(json_object_get(row, "event")),
               *code = json_string_value(json_object_get(row, "code")),
               *id = json_string_value(json_object_get(json_object_get(row, "person"), "id"));
    const json_t *found = json_object_get(json_object_get(row, "details"), "found");
    json_t *renamed = json_object_get(json_object_get(row, "details"), "renamed");
    if (id && renamed && json_object_get(r->users, id)) /* by somebody there */
        json_object_set(json_object_get(r->users, id), "login_id", renamed);
    bool done = code && !strcmp(code, "done");
    if (!event || strcmp(event, "outcome") != 0 || (!done && !found) || !id)
        return;
    const char *kind = json_string_value(json_object_get(row, "operation"));
    json_t *user = json_object_get(r->users, id), *change;
    size_t i;
    if (!user) {
        user = json_object();
        json_object_set_new(r->users, id, user);
    }
    if (done && kind && strcmp(kind, "create") == 0)
        json_object_clear(user); /* nothing of what an earlier user had */
    if (found) /* counts where nothing is set: docs/audit-format.md */
        take_found(user, found);
    json_array_foreach(done ? json_object_get(row, "changes") : NULL, i, change)
    {
        const char *field = json_string_value(json_object_get(change, "field"));
        json_t *to = json_object_get(change, "to");
        if (json_is_string(to))
            json_object_set(user, field, to);
        else
            json_object_del(user, field);
    }
}

/* Removed and kept there, and the person came back under another login: the audit tells of the new
 * user. */
static bool is_left_behind(const struct model *m, const struct fake_user *u)
{
    for (size_t i = 0; u->removed && i < m->bed->tenant->n_users; i++) {
        const struct fake_user *other = &m->bed->tenant->users[i];
        if (!other->removed && model_who_is(other->login) == model_who_is(u->login))
            return true;
    }
    return false;
}

static void check_rebuilt(struct model *m)
{
    struct rebuilt r = {.users = json_object()};
    bed_each_audit(m->bed, replay, &r);
    for (size_t i = 0; i < m->bed->tenant->n_users; i++) {
        const struct fake_user *u = &m->bed->tenant->users[i];
        char id[32];
        int who = model_who_is(u->login);
        if (who < 0 || is_left_behind(m, u))
            continue;
        snprintf(id, sizeof id, "id-p%d", who);
        const json_t *user = json_object_get(r.users, id);
        if (!user && is_unclaimed(m, (unsigned)who))
            continue;
        if (!user)
            wrong("the audit says nothing of %s", u->login);
        static const enum user_field fields[] = {USER_LOGIN, USER_FIRST_NAME, USER_LAST_NAME,
                                                 USER_EMAIL, USER_TEAM};
        for (size_t f = 0; f < ARRAY_SIZE(fields); f++) {
            const char *is = user_get(u->user, fields[f]),
                       *was =
                           json_string_value(json_object_get(user, user_field_name(fields[f])));
            if (!text_equal(is, was))
                wrong("the audit gives %s the %s %s, the tenant %s", u->login,
                      user_field_name(fields[f]), was ? was : "(none)", is ? is : "(none)");
        }
        static const char *const roles[] = {"Agent", "Seller", "Extra"};
        for (size_t k = 0; k < ARRAY_SIZE(roles); k++) {
            char field[64];
            snprintf(field, sizeof field, "role:%s", roles[k]);
            if ((user_role(u->user, roles[k]) != NULL) !=
                (json_object_get(user, field) != NULL))
                wrong("the audit and the tenant differ in the role %s of %s", roles[k],
                      u->login);
        }
        static const char *const skills[] = {"English", "Spanish"};
        for (size_t k = 0; k < ARRAY_SIZE(skills); k++) {
            char field[64], level[16] = "";
            const struct user_skill *is = user_skill(u->user, skills[k]);
            snprintf(field, sizeof field, "skill:%s", skills[k]);
            if (is)
                snprintf(level, sizeof level, "%u", is->level);
            const char *was = json_string_value(json_object_get(user, field));
            if (strcmp(level, was ? was : "") != 0)
                wrong("the audit and the tenant differ in the skill %s of %s", skills[k],
                      u->login);
        }
        bool disabled =
            text_equal(json_string_value(json_object_get(user, "disabled")), "true");
        if (disabled != u->user->disabled)
            wrong("the audit says that %s is %sdisabled", u->login, disabled ? "" : "not ");
    }
    json_decref(r.users);
}

void model_end(struct model *m)
{
    for (unsigned i = 0; i < N_PEOPLE; i++)
        check_person(m, i);
    check_rebuilt(m);
    bed_check_ledgers(m->bed);
    if (bed_queue(m->bed, 0, NULL))
        wrong("%zu operations are left", bed_queue(m->bed, 0, NULL));
    const struct fake_user *stranger = fake_tenant_find(m->bed->tenant, "stranger");
    if (!stranger || stranger->user->disabled)
        wrong("the stranger was touched");
    bed_free(m->bed);
    free(m);
}
