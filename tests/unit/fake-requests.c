/*
 * The users of the fake tenant, its kinds, and what a request does to them.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>

#include "fake-internal.h"

/* -- its kinds -- */

static const struct part rows[] = {
    {.name = "work", .kind = OPERATION_UPDATE, .key = PART_BY_LOGIN, .tenant_acts = true,
     .writes = PART_FIELD(USER_TEAM) | PART_SKILLS | PART_DISABLED},
    {.name = "profile", .kind = OPERATION_PROFILE, .key = PART_BY_ID, .may_be_missing = true,
     .writes = (PART_FIELD(USER_TEAM) - 1) | PART_ROLES, /* all fields before the team */
     .also = PART_DISABLED,
     .cause = "profile", .holds = "names and roles", .remedy = "ask for it"},
};

#define BUT_ROLES (PART_ALL & ~PART_ROLES)

/* clang-format off */
static const struct part
    one = {.name = "everything", .kind = OPERATION_UPDATE, .key = PART_BY_ID, .writes = PART_ALL,
           .cause = "everything", .holds = "users", .remedy = "ask for it"},
    two[] = {
        {.name = "users", .kind = OPERATION_PROFILE, .key = PART_BY_ID, .writes = BUT_ROLES,
         .cause = "users", .holds = "all but roles", .remedy = "ask for them"},
        {.name = "groups", .kind = OPERATION_UPDATE, .key = PART_BY_ID, .writes = PART_ROLES,
         .by_value = true, .cause = "groups", .holds = "roles", .remedy = "ask for groups"},
    };
/* clang-format on */

const struct parts fake_one_part = {.items = &one,
                                    .n_items = 1,
                                    .takes_our_id = true,
                                    .keeps_our_id = true,
                                    .has_pages = true,
                                    .keeps_removed = true},
                   fake_groups = {.items = two,
                                  .n_items = 2,
                                  .created_later = PART_ROLES,
                                  .takes_our_id = true,
                                  .keeps_our_id = true,
                                  .has_pages = true,
                                  .keeps_removed = true},
                   fake_hidden_groups = {.items = two,
                                         .n_items = 2,
                                         .created_later = PART_ROLES,
                                         .hides = PART_ROLES,
                                         .takes_our_id = true,
                                         .has_pages = true,
                                         .keeps_removed = true};

const struct parts *fake_parts_of(const struct fake_tenant *t)
{
    static const struct parts parts = {.items = rows, .n_items = ARRAY_SIZE(rows)};
    return t && t->parts ? t->parts : &parts;
}

/* -- the table of users -- */

struct fake_user *fake_tenant_find(struct fake_tenant *t, const char *login)
{
    CLEANUP(freep) char *key = fold(login);
    for (size_t i = 0; i < t->n_users; i++)
        if (!strcmp(t->users[i].key, key))
            return &t->users[i];
    return NULL;
}

static struct fake_user *find_id(struct fake_tenant *t, const char *id)
{
    for (size_t i = 0; i < t->n_users; i++)
        if (!strcmp(t->users[i].scim_id, id))
            return &t->users[i];
    return NULL;
}

void fake_user_done(struct fake_user *u)
{
    free(u->login);
    free(u->key);
    free(u->our_id);
    user_free(u->user);
}

static struct fake_user *add(struct fake_tenant *t, const char *login, struct user *taken)
{
    must_not_fail(memory_grow(&t->users, &t->capacity, t->n_users + 1, sizeof *t->users));
    struct fake_user *u = &t->users[t->n_users++];
    *u = (struct fake_user){.login = copy(login), .key = fold(login), .user = taken};
    snprintf(u->scim_id, sizeof u->scim_id, "scim-%u", ++t->next_id);
    must_not_fail(user_set(taken, USER_LOGIN, login, NULL));
    if (!user_get(taken, USER_EXTENSION)) { /* assigned by the tenant when left out */
        char extension[16];
        snprintf(extension, sizeof extension, "%u", 1000 + t->next_id);
        must_not_fail(user_set(taken, USER_EXTENSION, extension, NULL));
    }
    return u;
}

struct fake_user *fake_tenant_add(struct fake_tenant *t, const char *login, const char *first,
                                  const char *last, const char *mail, const char *team)
{
    struct user *u = must(user_new());
    must_not_fail(user_set(u, USER_FIRST_NAME, first, NULL));
    must_not_fail(user_set(u, USER_LAST_NAME, last, NULL));
    if (mail)
        must_not_fail(user_set(u, USER_EMAIL, mail, NULL));
    must_not_fail(user_set(u, USER_TEAM, team, NULL));
    return add(t, login, u);
}

void fake_tenant_remove(struct fake_tenant *t, const char *login)
{
    struct fake_user *u = fake_tenant_find(t, login);
    if (!u)
        return;
    fake_user_done(u);
    *u = t->users[--t->n_users];
}

void fake_tenant_rename(struct fake_user *u, const char *login)
{
    free(u->login);
    free(u->key);
    u->login = copy(login);
    u->key = fold(login);
    must_not_fail(user_set(u->user, USER_LOGIN, login, NULL));
}

unsigned fake_tenant_level(const struct fake_tenant *t, unsigned level)
{
    return t->rounds ? (level + 10) / 20 * 20 : level;
}

/* What it is like now, as a number. */
static void version_of(const struct fake_user *u, char ret[static 24])
{
    CLEANUP(freep) char *text = must(user_to_json(u->user, false));
    uint64_t hash = 14695981039346656037ULL;
    for (const char *at = text; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 1099511628211ULL;
    snprintf(ret, 24, "W/\"%llx\"", (unsigned long long)hash);
}

/* -- what the requests do -- */

void fake_answer(struct tenant_call *c, enum tenant_answer_class class, int status,
                   const char *hint)
{
    c->answer.class = class;
    c->answer.status = status;
    c->answer.concerns_all = (c->kind & (FAKE_TEAMS | FAKE_LIST)) != 0;
    snprintf(c->answer.hint, sizeof c->answer.hint, "%s", hint);
}

static void missing(struct tenant_call *c, enum tenant_reference what, const char *hint)
{
    fake_answer(c, TENANT_REFERENCE_MISSING, 404, hint);
    c->answer.reference = what;
}

/* True when all that the request names exists. */
static bool check_references(struct tenant_call *c, const char *team, const struct user *u)
{
    const struct fake_tenant *t = c->tenant;
    if (team && !string_list_contains(&t->teams, team)) {
        missing(c, TENANT_REFERENCE_TEAM, "user team not found");
        return false;
    }
    for (size_t i = 0; u && t->roles.n_items && i < u->n_roles; i++)
        if (!string_list_contains(&t->roles, u->roles[i].name)) {
            missing(c, TENANT_REFERENCE_ROLE, "Role not found");
            return false;
        }
    for (size_t i = 0; u && t->skills.n_items && i < u->n_skills; i++)
        if (!string_list_contains(&t->skills, u->skills[i].name)) {
            missing(c, TENANT_REFERENCE_SKILL, "Skill not found");
            return false;
        }
    return true;
}

static void wrote(struct tenant_call *c, const struct fake_user *after, const char *login)
{
    struct fake_tenant *t = c->tenant;
    t->n_effect[kind_index(c->kind)]++;
    if (t->on_write)
        t->on_write(c->kind, after, login, t->write_data);
}

/* The user as it is shown. */
static void show(struct tenant_call *c, const struct fake_user *u)
{
    c->shown = must(user_copy(u->user));
    fake_hide_login(c->shown, u);
    c->answer.user = c->shown;
    if (fake_parts_of(c->tenant)->hides & PART_ROLES)
        user_clear_roles(c->shown);
    if (c->tenant->has_versions) {
        version_of(u, c->shown_version);
        c->answer.version = c->shown_version;
    }
}

/* True when somebody changed the user since it was read. */
static bool lost_race(struct tenant_call *c, const struct fake_user *u)
{
    char now[24];
    version_of(u, now);
    if (!c->tenant->has_versions || !c->version || text_equal(c->version, now))
        return false;
    fake_answer(c, TENANT_LOST_RACE, 412, "Precondition Failed");
    return true;
}

void fake_round_levels(const struct fake_tenant *t, struct user *u)
{
    for (size_t i = 0; i < u->n_skills; i++)
        u->skills[i].level = fake_tenant_level(t, u->skills[i].level);
}

static void do_create(struct tenant_call *c)
{
    struct fake_tenant *t = c->tenant;
    const char *login = user_get(c->user, USER_LOGIN),
               *first = user_get(c->user, USER_FIRST_NAME),
               *last = user_get(c->user, USER_LAST_NAME), *team = user_get(c->user, USER_TEAM);
    if (!login || !*login || !first || !*first || !last || !*last || !team) {
        fake_answer(c, TENANT_REFUSED, 400, "loginId, firstName, lastName and team are required");
        return;
    }
    if (fake_tenant_find(t, login)) {
        fake_answer(c, TENANT_CONFLICT, 409, "loginId exists");
        return;
    }
    if (!check_references(c, team, c->user))
        return;
    struct user *u = must(user_copy(c->user));
    if (fake_parts_of(t)->created_later & PART_ROLES && u->n_roles)
        abort();
    fake_round_levels(t, u);
    for (int f = 0; f < USER_N_FIELDS; f++) /* "" is nothing */
        if (u->fields[f].text && !*u->fields[f].text)
            must_not_fail(user_set(u, (enum user_field)f, NULL, NULL));
    struct fake_user *made = add(t, login, u);
    made->had_password = c->has_password;
    if (fake_parts_of(t)->takes_our_id && !t->loses_our_ids)
        made->our_id = copy(c->our_id);
    made->n_created++;
    wrote(c, made, made->login);
    if (fake_parts_of(t)->created_later) {
        snprintf(c->shown_id, sizeof c->shown_id, "%s", made->scim_id);
        c->answer.id = c->shown_id;
    }
    fake_answer(c, TENANT_DONE, 200, "OK");
}

/* Of several, the one of that login. */
static struct fake_user *find_our_id(struct fake_tenant *t, const char *our_id, const char *login)
{
    struct fake_user *named = fake_tenant_find(t, login);
    if (named && text_equal(named->our_id, our_id))
        return named;
    for (size_t i = 0; i < t->n_users; i++)
        if (text_equal(t->users[i].our_id, our_id))
            return &t->users[i];
    return NULL;
}

static void do_get(struct tenant_call *c)
{
    int error = c->our_id ? c->tenant->shuns_our_ids : 0;
    struct fake_user *u = c->our_id ? find_our_id(c->tenant, c->our_id, must(c->login))
                                    : fake_tenant_find(c->tenant, must(c->login));
    if (error || !u) {
        fake_answer(c, error >= 500 ? TENANT_AWAY : error ? TENANT_REFUSED : TENANT_NOT_FOUND,
                    error ? error : 404, error ? "invalidFilter" : "user not found");
        return;
    }
    u->n_read++;
    show(c, u);
    c->answer.logged_in = u->logged_in;
    c->answer.our_id = u->our_id;
    snprintf(c->shown_id, sizeof c->shown_id, "%s", u->scim_id);
    c->answer.id = c->tenant->keeps_ids ? NULL : c->shown_id;
    fake_answer(c, TENANT_DONE, 200, "");
}

/* Whole, or merged: then what is not named stays. */
static void put_skills(struct fake_tenant *t, struct user *u, const struct user *skills)
{
    struct user *old = must(user_copy(u));
    user_clear_skills(u);
    for (size_t i = 0; i < skills->n_skills; i++)
        must_not_fail(user_add_skill(u, skills->skills[i].name,
                                     fake_tenant_level(t, skills->skills[i].level), NULL));
    for (size_t i = 0; t->merges_skills && i < old->n_skills; i++)
        if (!user_skill(skills, old->skills[i].name))
            must_not_fail(user_add_skill(u, old->skills[i].name, old->skills[i].level, NULL));
    user_free(old);
}

static void do_put(struct tenant_call *c)
{
    struct fake_user *u = fake_tenant_find(c->tenant, c->login);
    if (!u) {
        fake_answer(c, TENANT_NOT_FOUND, 404, "user not found");
        return;
    }
    if (!check_references(c, c->team, c->user))
        return;
    if (c->tenant->forgets) {
        c->tenant->forgets--;
        fake_answer(c, TENANT_DONE, 200, "OK");
        return;
    }
    if (c->team)
        must_not_fail(user_set(u->user, USER_TEAM, c->team, NULL));
    if (c->set & PART_DISABLED)
        u->user->disabled = c->disabled;
    if (c->user)
        put_skills(c->tenant, u->user, c->user);
    wrote(c, u, u->login);
    fake_answer(c, TENANT_DONE, 200, "OK");
}

static void do_delete(struct tenant_call *c)
{
    struct fake_user *u = fake_tenant_find(c->tenant, c->login);
    if (!u) {
        fake_answer(c, TENANT_NOT_FOUND, 404, "user not found");
        return;
    }
    if (c->tenant->deactivates) {
        u->user->disabled = u->removed = true;
        wrote(c, u, c->login);
        fake_answer(c, TENANT_DONE, 204, "");
        return;
    }
    fake_tenant_remove(c->tenant, c->login);
    wrote(c, NULL, c->login);
    fake_answer(c, TENANT_DONE, 200, "OK");
}

static void do_list(struct tenant_call *c)
{
    struct fake_tenant *t = c->tenant;
    if (c->kind == FAKE_LIST && t->no_listing) {
        fake_answer(c, TENANT_REFUSED, 405, "method not allowed");
        return;
    }
    if (c->kind == FAKE_TEAMS)
        for (size_t i = 0; i < t->teams.n_items; i++)
            must_not_fail(string_list_add(&c->names, t->teams.items[i]));
    else
        for (size_t i = 0; i < t->n_users; i++)
            if (!t->shifts || !t->users[i].n_created || ++t->n_listed % 2)
                must_not_fail(string_list_add(&c->names, t->users[i].login));
    c->answer.names = &c->names;
    fake_answer(c, TENANT_DONE, 200, "");
}

static void do_lookup(struct tenant_call *c)
{
    const struct fake_user *u = fake_tenant_find(c->tenant, c->login);
    if (u) {
        snprintf(c->shown_id, sizeof c->shown_id, "%s", u->scim_id);
        c->answer.id = c->shown_id;
    }
    fake_answer(c, TENANT_DONE, 200, "");
}

static void do_scim_get(struct tenant_call *c)
{
    const struct fake_user *u = find_id(c->tenant, c->scim_id);
    if (!u) {
        fake_answer(c, TENANT_NOT_FOUND, 404, "no such resource");
        return;
    }
    show(c, u);
    c->answer.our_id = u->our_id;
    fake_answer(c, TENANT_DONE, 200, "");
}

static bool patch_login(struct tenant_call *c, struct fake_user *u)
{
    const char *to = c->fields[USER_LOGIN];
    struct fake_user *other = to ? fake_tenant_find(c->tenant, to) : NULL;
    if (!to)
        return true;
    if (c->tenant->no_rename) {
        fake_answer(c, TENANT_REFUSED, 400, "userName is read-only");
        return false;
    }
    if (other && other != u) {
        fake_answer(c, TENANT_CONFLICT, 409, "userName exists");
        return false;
    }
    fake_tenant_rename(u, to);
    return true;
}

/* One role, of which nobody else's request knows. */
static void patch_value(struct tenant_call *c, struct fake_user *u)
{
    const struct string_list *roles = &c->tenant->roles;
    if (roles->n_items && !string_list_contains(roles, c->value)) {
        missing(c, TENANT_REFERENCE_ROLE, "Group not found");
        return;
    }
    if (c->gives)
        must_not_fail(user_add_role(u->user, c->value, NULL));
    else
        user_remove_role(u->user, c->value);
    wrote(c, u, u->login);
    fake_answer(c, TENANT_DONE, 204, "");
}

static void do_patch(struct tenant_call *c)
{
    struct fake_user *u = find_id(c->tenant, c->scim_id);
    if (!u) {
        fake_answer(c, TENANT_NOT_FOUND, 404, "no such resource");
        return;
    }
    if (c->value) {
        patch_value(c, u);
        return;
    }
    if (lost_race(c, u) || !check_references(c, c->team, c->user) || !patch_login(c, u))
        return;
    if (c->set & PART_DISABLED)
        u->user->disabled = c->disabled;
    for (int f = 0; f < USER_N_FIELDS; f++)
        if (c->fields[f])
            must_not_fail(user_set(u->user, (enum user_field)f,
                                   *c->fields[f] ? c->fields[f] : NULL, NULL));
    if (c->set & PART_SKILLS)
        put_skills(c->tenant, u->user, c->user);
    if (c->set & PART_ROLES) {
        user_clear_roles(u->user);
        for (size_t i = 0; i < c->user->n_roles; i++)
            must_not_fail(user_add_role(u->user, c->user->roles[i].name, NULL));
    }
    wrote(c, u, u->login);
    fake_answer(c, TENANT_DONE, 200, "");
}

static void do_active(struct tenant_call *c)
{
    struct fake_user *u = find_id(c->tenant, c->scim_id);
    if (!u) {
        fake_answer(c, TENANT_NOT_FOUND, 404, "no such resource");
        return;
    }
    if (lost_race(c, u))
        return;
    if (c->tenant->shuns_active) {
        fake_answer(c, TENANT_REFUSED, 400, "active is read-only");
        return;
    }
    if (!c->tenant->ignores_active) {
        u->user->disabled = c->disabled;
        u->removed = u->removed && c->disabled;
        wrote(c, u, u->login);
    }
    show(c, u);
    fake_answer(c, TENANT_DONE, 200, "");
}

void fake_carry_out(struct tenant_call *c)
{
    bool scim = (c->kind & (FAKE_LOOKUP | FAKE_SCIM_GET | FAKE_PATCH | FAKE_ACTIVE)) != 0;
    if (scim && c->tenant->no_scim) {
        fake_answer(c, TENANT_UNSUPPORTED, 404, "no integration account");
        return;
    }
    switch (c->kind) {
    case FAKE_CREATE: do_create(c); break;
    case FAKE_GET: do_get(c); break;
    case FAKE_PASSWORD:
    case FAKE_PUT: do_put(c); break;
    case FAKE_DELETE: do_delete(c); break;
    case FAKE_TEAMS:
    case FAKE_LIST: do_list(c); break;
    case FAKE_LOOKUP: do_lookup(c); break;
    case FAKE_SCIM_GET: do_scim_get(c); break;
    case FAKE_PATCH: do_patch(c); break;
    case FAKE_ACTIVE: do_active(c); break;
    }
}
