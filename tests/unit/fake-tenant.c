/*
 * The fake tenant: requests arrive in a list, one deferred source of the loop carries out and
 * answers the first of them. It opens no socket and keeps no time.
 */
#include "config.h"

#include "fake-tenant.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "base/error.h"
#include "base/memory.h"
#include "trace.h"

struct tenant_call {
    struct fake_tenant *tenant;
    struct tenant_call *previous, *next;
    bool queued;
    enum fake_kind kind;
    char *login, *scim_id, *team;
    uint32_t set; /* of a write */
    bool disabled, has_password;
    struct user *user;           /* of a create, the skills of a PUT, the roles of a PATCH */
    char *fields[USER_N_FIELDS]; /* of a PATCH */
    tenant_done_fn done;
    void *userdata;
    struct tenant_answer answer;
    struct user *shown;
    struct string_list names;
    char shown_id[24];
};

static const char *const kind_names[FAKE_N_KINDS] = {"POST user",   "GET user",  "PUT user",
                                                     "DELETE user", "GET team",  "GET list",
                                                     "GET users",   "GET users", "PATCH users",
                                                     "PATCH users", "PUT password"};

static unsigned kind_index(enum fake_kind kind)
{
    return (unsigned)__builtin_ctz((unsigned)kind);
}

/* A test that runs out of memory has nothing to say: it ends. */
static void *must(void *p)
{
    if (!p)
        abort();
    return p;
}

static void must_not_fail(int r)
{
    if (r < 0)
        abort();
}

static char *copy(const char *text)
{
    return text ? must(strdup(text)) : NULL;
}

static char *fold(const char *text)
{
    return must(text_fold(text, strlen(text)));
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

static void user_done(struct fake_user *u)
{
    free(u->login);
    free(u->key);
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
    user_done(u);
    *u = t->users[--t->n_users];
}

/* -- what the requests do -- */

static void answer(struct tenant_call *c, enum tenant_answer_class class, int status,
                   const char *hint)
{
    c->answer.class = class;
    c->answer.status = status;
    c->answer.concerns_all = (c->kind & (FAKE_TEAMS | FAKE_LIST)) != 0;
    snprintf(c->answer.hint, sizeof c->answer.hint, "%s", hint);
}

static void missing(struct tenant_call *c, enum tenant_reference what, const char *hint)
{
    answer(c, TENANT_REFERENCE_MISSING, 404, hint);
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

static void do_create(struct tenant_call *c)
{
    struct fake_tenant *t = c->tenant;
    const char *login = user_get(c->user, USER_LOGIN),
               *first = user_get(c->user, USER_FIRST_NAME),
               *last = user_get(c->user, USER_LAST_NAME), *team = user_get(c->user, USER_TEAM);
    if (!login || !*login || !first || !*first || !last || !*last || !team) {
        answer(c, TENANT_REFUSED, 400, "loginId, firstName, lastName and team are required");
        return;
    }
    if (fake_tenant_find(t, login)) {
        answer(c, TENANT_CONFLICT, 409, "loginId exists");
        return;
    }
    if (!check_references(c, team, c->user))
        return;
    struct user *u = must(user_copy(c->user));
    for (int f = 0; f < USER_N_FIELDS; f++) /* "" is nothing */
        if (u->fields[f].text && !*u->fields[f].text)
            must_not_fail(user_set(u, (enum user_field)f, NULL, NULL));
    struct fake_user *made = add(t, login, u);
    made->had_password = c->has_password;
    made->n_created++;
    wrote(c, made, made->login);
    answer(c, TENANT_DONE, 200, "OK");
}

static void do_get(struct tenant_call *c)
{
    struct fake_user *u = fake_tenant_find(c->tenant, c->login);
    if (!u) {
        answer(c, TENANT_NOT_FOUND, 404, "user not found");
        return;
    }
    u->n_read++;
    c->shown = must(user_copy(u->user));
    c->answer.user = c->shown;
    c->answer.logged_in = u->logged_in;
    answer(c, TENANT_DONE, 200, "");
}

static void put_skills(struct fake_tenant *t, struct user *u, const struct user *skills)
{
    struct user *fresh = must(user_copy(u));
    for (size_t i = 0; !t->merges_skills && i < fresh->n_skills; i++) {
        free(fresh->skills[i].name);
        source_done(&fresh->skills[i].source);
    }
    if (!t->merges_skills)
        fresh->n_skills = 0;
    for (size_t i = 0; i < skills->n_skills; i++)
        must_not_fail(
            user_add_skill(fresh, skills->skills[i].name, skills->skills[i].level, NULL));
    struct user swap = *u;
    *u = *fresh;
    *fresh = swap;
    user_free(fresh);
}

static void do_put(struct tenant_call *c)
{
    struct fake_user *u = fake_tenant_find(c->tenant, c->login);
    if (!u) {
        answer(c, TENANT_NOT_FOUND, 404, "user not found");
        return;
    }
    if (!check_references(c, c->team, c->user))
        return;
    if (c->team)
        must_not_fail(user_set(u->user, USER_TEAM, c->team, NULL));
    if (c->set & PART_DISABLED)
        u->user->disabled = c->disabled;
    if (c->user)
        put_skills(c->tenant, u->user, c->user);
    wrote(c, u, u->login);
    answer(c, TENANT_DONE, 200, "OK");
}

static void do_delete(struct tenant_call *c)
{
    if (!fake_tenant_find(c->tenant, c->login)) {
        answer(c, TENANT_NOT_FOUND, 404, "user not found");
        return;
    }
    fake_tenant_remove(c->tenant, c->login);
    wrote(c, NULL, c->login);
    answer(c, TENANT_DONE, 200, "OK");
}

static void do_list(struct tenant_call *c)
{
    struct fake_tenant *t = c->tenant;
    if (c->kind == FAKE_LIST && t->no_listing) {
        answer(c, TENANT_REFUSED, 405, "method not allowed");
        return;
    }
    if (c->kind == FAKE_TEAMS)
        for (size_t i = 0; i < t->teams.n_items; i++)
            must_not_fail(string_list_add(&c->names, t->teams.items[i]));
    else
        for (size_t i = 0; i < t->n_users; i++)
            must_not_fail(string_list_add(&c->names, t->users[i].login));
    c->answer.names = &c->names;
    answer(c, TENANT_DONE, 200, "");
}

static void do_lookup(struct tenant_call *c)
{
    const struct fake_user *u = fake_tenant_find(c->tenant, c->login);
    if (u) {
        snprintf(c->shown_id, sizeof c->shown_id, "%s", u->scim_id);
        c->answer.id = c->shown_id;
    }
    answer(c, TENANT_DONE, 200, "");
}

static void do_scim_get(struct tenant_call *c)
{
    const struct fake_user *u = find_id(c->tenant, c->scim_id);
    if (!u) {
        answer(c, TENANT_NOT_FOUND, 404, "no such resource");
        return;
    }
    c->shown = must(user_copy(u->user));
    c->answer.user = c->shown;
    answer(c, TENANT_DONE, 200, "");
}

static bool patch_login(struct tenant_call *c, struct fake_user *u)
{
    const char *to = c->fields[USER_LOGIN];
    struct fake_user *other = to ? fake_tenant_find(c->tenant, to) : NULL;
    if (!to)
        return true;
    if (c->tenant->no_rename) {
        answer(c, TENANT_REFUSED, 400, "userName is read-only");
        return false;
    }
    if (other && other != u) {
        answer(c, TENANT_CONFLICT, 409, "userName exists");
        return false;
    }
    free(u->login);
    free(u->key);
    u->login = copy(to);
    u->key = fold(to);
    return true;
}

static void do_patch(struct tenant_call *c)
{
    struct fake_user *u = find_id(c->tenant, c->scim_id);
    if (!u) {
        answer(c, TENANT_NOT_FOUND, 404, "no such resource");
        return;
    }
    if (!check_references(c, c->team, c->user) || !patch_login(c, u))
        return;
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
    answer(c, TENANT_DONE, 200, "");
}

static void do_active(struct tenant_call *c)
{
    struct fake_user *u = find_id(c->tenant, c->scim_id);
    if (!u) {
        answer(c, TENANT_NOT_FOUND, 404, "no such resource");
        return;
    }
    if (c->tenant->shuns_active) {
        answer(c, TENANT_REFUSED, 400, "active is read-only");
        return;
    }
    if (!c->tenant->ignores_active) {
        u->user->disabled = c->disabled;
        wrote(c, u, u->login);
    }
    c->shown = must(user_copy(u->user));
    c->answer.user = c->shown;
    answer(c, TENANT_DONE, 200, "");
}

static void carry_out(struct tenant_call *c)
{
    bool scim = (c->kind & (FAKE_LOOKUP | FAKE_SCIM_GET | FAKE_PATCH | FAKE_ACTIVE)) != 0;
    if (scim && c->tenant->no_scim) {
        answer(c, TENANT_UNSUPPORTED, 404, "no integration account");
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

/* -- faults -- */

static struct fake_fault find_fault(struct tenant_call *c)
{
    struct fake_tenant *t = c->tenant;
    struct fake_fault none = {0};
    for (size_t i = 0; i < t->n_faults; i++) {
        struct fake_fault *f = &t->faults[i];
        if (!(f->kinds & c->kind) || f->times == 0 ||
            (f->login && (!c->login || !text_equal_fold(f->login, c->login))))
            continue;
        if (f->times > 0)
            f->times--;
        return *f;
    }
    if (t->chaos)
        t->chaos(c->kind, &none, t->chaos_data);
    return none;
}

/* When it is answered. */
static void trace_request(const struct tenant_call *c)
{
    CLEANUP(freep) char *user = c->user ? must(user_to_json(c->user, false)) : NULL;
    trace_line("> %s %s %s team %s disabled %d password %d %s", kind_names[kind_index(c->kind)],
              c->login ? c->login : "-", c->scim_id ? c->scim_id : "-", c->team ? c->team : "-",
              c->set & PART_DISABLED ? c->disabled : -1, c->has_password,
              user ? user : "-");
    for (int f = 0; f < USER_N_FIELDS; f++)
        if (c->fields[f])
            trace_line(">> %s=%s", user_field_name((enum user_field)f), c->fields[f]);
}

static void answer_first(struct fake_tenant *t)
{
    struct tenant_call *c = t->first;
    struct fake_fault fault = find_fault(c);
    trace_request(c);
    t->first = c->next;
    if (t->first)
        t->first->previous = NULL;
    else
        t->last = NULL;
    c->next = c->previous = NULL;
    c->queued = false;
    t->n_under_way--;
    if (!fault.class || fault.takes_effect)
        carry_out(c);
    if (fault.class) {
        c->answer.user = NULL;
        c->answer.names = NULL;
        c->answer.id = NULL;
        c->answer.reference = TENANT_REFERENCE_NONE;
        answer(c, fault.class, fault.status, fault.status ? "a fault" : "connection reset");
        c->answer.retry_after_usec = fault.retry_after_usec;
        c->answer.concerns_all |= fault.no_token;
    }
    if (t->late && c->kind == FAKE_GET && text_equal_fold(c->login, t->late)) {
        t->late = NULL;
        t->late_call = c;
        return;
    }
    trace_line("< %d %d", c->answer.class, c->answer.status);
    c->done(&c->answer, c->userdata);
}

static int on_loop(sd_event_source *source, void *userdata)
{
    struct fake_tenant *t = userdata;
    if (t->first && !t->hold)
        answer_first(t);
    return sd_event_source_set_enabled(source,
                                       t->first && !t->hold ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

/* -- the ops -- */

static struct tenant_call *arrive(void *client, struct tenant_call **ret, enum fake_kind kind,
                                  struct tenant_ref ref, tenant_done_fn done, void *userdata)
{
    struct fake_tenant *t = client;
    if (kind & FAKE_WRITES && t->on_request)
        t->on_request(kind, ref.login, ref.id, t->request_data);
    struct tenant_call *c = must(calloc(1, sizeof *c));
    bool by_id = kind & (FAKE_SCIM_GET | FAKE_PATCH | FAKE_ACTIVE);
    c->tenant = t;
    c->kind = kind;
    c->login = by_id ? NULL : copy(ref.login);
    c->scim_id = by_id ? copy(must((char *)ref.id)) : NULL;
    c->done = done;
    c->userdata = userdata;
    c->answer.attempts = 1;
    snprintf(c->answer.url, sizeof c->answer.url, "%s %s", kind_names[kind_index(kind)],
             c->login ? c->login : "");
    c->previous = t->last;
    if (t->last)
        t->last->next = c;
    else
        t->first = c;
    t->last = c;
    c->queued = true;
    t->n_calls[kind_index(kind)]++;
    if (++t->n_under_way > t->most_under_way)
        t->most_under_way = t->n_under_way;
    if (!t->hold)
        sd_event_source_set_enabled(t->source, SD_EVENT_ONESHOT);
    *ret = c;
    return c;
}

static int fake_create(void *client, struct tenant_call **ret, const struct user *user,
                       const struct secret *password, bool change_password, tenant_done_fn done,
                       void *userdata, struct error *e)
{
    (void)change_password, (void)e;
    struct tenant_call *c =
        arrive(client, ret, FAKE_CREATE, by_login(user_get(user, USER_LOGIN)), done, userdata);
    c->user = must(user_copy(user));
    c->has_password = password != NULL;
    return 0;
}

static int fake_read(void *client, struct tenant_call **ret, struct tenant_ref ref,
                     tenant_done_fn done, void *userdata, struct error *e)
{
    (void)e;
    arrive(client, ret, ref.id ? FAKE_SCIM_GET : FAKE_GET, ref, done, userdata);
    return 0;
}

/* Skills go by the login, with the team; roles by the id, with the other fields. */
static int fake_write(void *client, struct tenant_call **ret, struct tenant_ref ref,
                      const struct tenant_write *w, tenant_done_fn done, void *userdata,
                      struct error *e)
{
    (void)e;
    bool teamless = w->set & PART_FIELD(USER_TEAM) && !user_get(w->user, USER_TEAM);
    if (!w->set || w->set & ~(w->part->writes | w->part->also) || teamless)
        abort();
    bool scim = w->part->key == PART_BY_ID, active = w->set == PART_DISABLED;
    enum fake_kind kind = !scim ? FAKE_PUT : active ? FAKE_ACTIVE : FAKE_PATCH;
    struct tenant_call *c = arrive(client, ret, kind, ref, done, userdata);
    c->set = w->set;
    c->disabled = w->user->disabled;
    if (w->set & PART_FIELD(USER_TEAM))
        c->team = copy(user_get(w->user, USER_TEAM));
    for (int f = 0; scim && f < USER_N_FIELDS; f++)
        if (w->set & PART_FIELD(f))
            c->fields[f] = copy(w->user->fields[f].text ? w->user->fields[f].text : "");
    if (w->set & (PART_SKILLS | PART_ROLES))
        c->user = must(user_new());
    for (size_t i = 0; w->set & PART_ROLES && i < w->user->n_roles; i++)
        must_not_fail(user_add_role(c->user, w->user->roles[i].name, NULL));
    for (size_t i = 0; w->set & PART_SKILLS && i < w->user->n_skills; i++)
        must_not_fail(user_add_skill(c->user, w->user->skills[i].name, w->user->skills[i].level,
                                     NULL));
    return 0;
}

static int fake_password(void *client, struct tenant_call **ret, struct tenant_ref ref,
                         const struct secret *password, bool change_password,
                         tenant_done_fn done, void *userdata, struct error *e)
{
    (void)password, (void)change_password, (void)e;
    arrive(client, ret, FAKE_PASSWORD, ref, done, userdata);
    return 0;
}

static int fake_remove(void *client, struct tenant_call **ret, struct tenant_ref ref,
                       tenant_done_fn done, void *userdata, struct error *e)
{
    (void)e;
    arrive(client, ret, FAKE_DELETE, ref, done, userdata);
    return 0;
}

static int fake_teams(void *client, struct tenant_call **ret, tenant_done_fn done,
                      void *userdata, struct error *e)
{
    return (void)e, arrive(client, ret, FAKE_TEAMS, by_login(NULL), done, userdata), 0;
}

static int fake_list(void *client, struct tenant_call **ret, tenant_done_fn done,
                     void *userdata, struct error *e)
{
    return (void)e, arrive(client, ret, FAKE_LIST, by_login(NULL), done, userdata), 0;
}

static int fake_lookup(void *client, struct tenant_call **ret, const char *login,
                       tenant_done_fn done, void *userdata, struct error *e)
{
    (void)e;
    arrive(client, ret, FAKE_LOOKUP, by_login(login), done, userdata);
    return 0;
}

static void unlink_call(struct tenant_call *c)
{
    struct fake_tenant *t = c->tenant;
    *(c->previous ? &c->previous->next : &t->first) = c->next;
    *(c->next ? &c->next->previous : &t->last) = c->previous;
    t->n_under_way--;
}

static struct tenant_call *fake_call_free(struct tenant_call *c)
{
    struct fake_tenant *t = c->tenant;
    if (t->late_call == c)
        t->late_call = NULL;
    if (c->queued) {
        trace_line("given up:");
        trace_request(c);
        unlink_call(c);
        if (t->cancelled_takes_effect && t->cancelled_takes_effect(t->cancel_data))
            carry_out(c);
    }
    free(c->login);
    free(c->scim_id);
    free(c->team);
    user_free(c->user);
    user_free(c->shown);
    string_list_done(&c->names);
    for (int f = 0; f < USER_N_FIELDS; f++)
        free(c->fields[f]);
    free(c);
    return NULL;
}

static void call_hurry(struct tenant_call *c)
{
    struct fake_tenant *t = c->tenant;
    if (!c->queued || t->first == c)
        return;
    c->previous->next = c->next;
    if (c->next)
        c->next->previous = c->previous;
    else
        t->last = c->previous;
    c->previous = NULL;
    c->next = t->first;
    t->first->previous = c;
    t->first = c;
}

static const struct part rows[] = {
    {.name = "work", .kind = OPERATION_UPDATE, .key = PART_BY_LOGIN, .tenant_acts = true,
     .writes = PART_FIELD(USER_TEAM) | PART_SKILLS | PART_DISABLED},
    {.name = "profile", .kind = OPERATION_PROFILE, .key = PART_BY_ID, .may_be_missing = true,
     .writes = (PART_FIELD(USER_TEAM) - 1) | PART_ROLES, /* all fields before the team */
     .also = PART_DISABLED,
     .cause = "profile", .holds = "names and roles", .remedy = "ask for it"},
};

static const struct parts *fake_parts(const void *client)
{
    static const struct parts parts = {rows, ARRAY_SIZE(rows)};
    return (void)client, &parts;
}

const struct tenant_ops fake_tenant_ops = {
    .parts = fake_parts,
    .create = fake_create,
    .read = fake_read,
    .write = fake_write,
    .password = fake_password,
    .remove = fake_remove,
    .find = fake_lookup,
    .team_list = fake_teams,
    .directory_list = fake_list,
    .call_hurry = call_hurry,
    .call_free = fake_call_free,
};

/* -- its life -- */

struct fake_tenant *fake_tenant_new(struct sd_event *event)
{
    struct fake_tenant *t = must(calloc(1, sizeof *t));
    t->event = sd_event_ref(event);
    must_not_fail(sd_event_add_defer(event, &t->source, on_loop, t));
    must_not_fail(sd_event_source_set_enabled(t->source, SD_EVENT_OFF));
    return t;
}

struct fake_tenant *fake_tenant_free(struct fake_tenant *t)
{
    while (t->first)
        fake_call_free(t->first);
    for (size_t i = 0; i < t->n_users; i++)
        user_done(&t->users[i]);
    free(t->users);
    fake_tenant_heal(t);
    free(t->faults);
    string_list_done(&t->teams);
    string_list_done(&t->roles);
    string_list_done(&t->skills);
    sd_event_source_disable_unref(t->source);
    sd_event_unref(t->event);
    free(t);
    return NULL;
}

void fake_tenant_fail(struct fake_tenant *t, struct fake_fault fault)
{
    must_not_fail(
        memory_grow(&t->faults, &t->faults_capacity, t->n_faults + 1, sizeof *t->faults));
    fault.login = copy(fault.login);
    t->faults[t->n_faults++] = fault;
}

void fake_tenant_heal(struct fake_tenant *t)
{
    for (size_t i = 0; i < t->n_faults; i++)
        free((char *)(uintptr_t)t->faults[i].login);
    t->n_faults = 0;
}

void fake_tenant_release(struct fake_tenant *t)
{
    t->hold = false;
    if (t->first)
        sd_event_source_set_enabled(t->source, SD_EVENT_ONESHOT);
}

void fake_tenant_answer_late(struct fake_tenant *t)
{
    struct tenant_call *c = t->late_call;
    t->late_call = NULL;
    c->done(&c->answer, c->userdata);
}

size_t fake_tenant_calls(const struct fake_tenant *t, unsigned kinds)
{
    size_t n = 0;
    for (unsigned i = 0; i < FAKE_N_KINDS; i++)
        if (kinds & (1u << i))
            n += t->n_calls[i];
    return n;
}

size_t fake_tenant_effects(const struct fake_tenant *t, unsigned kinds)
{
    size_t n = 0;
    for (unsigned i = 0; i < FAKE_N_KINDS; i++)
        if (kinds & (1u << i))
            n += t->n_effect[i];
    return n;
}

void fake_tenant_forget_calls(struct fake_tenant *t)
{
    memset(t->n_calls, 0, sizeof t->n_calls);
    memset(t->n_effect, 0, sizeof t->n_effect);
    t->most_under_way = t->n_under_way;
}
