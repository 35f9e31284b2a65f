/*
 * The fake tenant: requests arrive in a list, one deferred source of the loop carries out and
 * answers the first of them. It opens no socket, and keeps no time but a pace.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <systemd/sd-event.h>

#include "fake-internal.h"
#include "trace.h"

static const char *const kind_names[FAKE_N_KINDS] = {"POST user",   "GET user",  "PUT user",
                                                     "DELETE user", "GET team",  "GET list",
                                                     "GET users",   "GET users", "PATCH users",
                                                     "PATCH users", "PUT password"};

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
        if (f->skips > 0) {
            f->skips--;
            continue;
        }
        if (f->times > 0)
            f->times--;
        return *f;
    }
    if (t->chaos)
        t->chaos(c->kind, &none, t->chaos_data);
    return none;
}

static void come_back(struct fake_tenant *t)
{
    t->n_under_way--;
    if (t->pace)
        pace_ended(t->pace, clock_monotonic_usec());
}

/* When it is answered. */
static void trace_request(const struct tenant_call *c)
{
    CLEANUP(freep) char *user = c->user ? must(user_to_json(c->user, false)) : NULL;
    trace_line("> %s %s %s team %s disabled %d password %d %s", kind_names[kind_index(c->kind)],
              c->login ? c->login : "-", c->scim_id ? c->scim_id : "-", c->team ? c->team : "-",
              c->set & PART_DISABLED ? c->disabled : -1, c->has_password,
              user ? user : "-");
    if (c->value)
        trace_line(">> %s %s", c->gives ? "give" : "take", c->value);
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
    come_back(t);
    if (!fault.class || fault.takes_effect)
        fake_carry_out(c);
    if (fault.class) {
        c->answer.user = NULL;
        c->answer.names = NULL;
        c->answer.id = c->answer.version = NULL;
        c->answer.reference = TENANT_REFERENCE_NONE;
        fake_answer(c, fault.class, fault.status, fault.status ? "a fault" : "connection reset");
        c->answer.retry_after_usec = fault.retry_after_usec;
        c->answer.concerns_all |= fault.no_token;
        c->answer.too_large = fault.too_large;
    }
    if (t->late && c->kind == FAKE_GET && text_equal_fold(c->login, t->late)) {
        t->late = NULL;
        t->late_call = c;
        return;
    }
    trace_line("< %d %d", c->answer.class, c->answer.status);
    c->done(&c->answer, c->userdata);
}

/* -- the line: what has left comes before what waits -- */

static bool has_room(struct fake_tenant *t, const struct tenant_call *c)
{
    return (!t->slots || t->n_under_way < t->slots + (c->hurries ? 2 : 0)) &&
           (!t->pace || pace_wait(t->pace, clock_monotonic_usec(), 0) == 0);
}

static struct tenant_call *first_waiting(const struct fake_tenant *t)
{
    struct tenant_call *c = t->first;
    while (c && c->left)
        c = c->next;
    return c;
}

static void leave(struct fake_tenant *t, struct tenant_call *c)
{
    c->left = true;
    if (c->kind & FAKE_WRITES && t->on_request)
        t->on_request(c->kind, c->of_login, c->of_id, t->request_data);
    t->n_calls[kind_index(c->kind)]++;
    if (t->pace)
        pace_take(t->pace, clock_monotonic_usec());
    if (++t->n_under_way > t->most_under_way)
        t->most_under_way = t->n_under_way;
}

static void let_leave(struct fake_tenant *t)
{
    struct tenant_call *c;
    while ((c = first_waiting(t)) && has_room(t, c))
        if (!c->may_leave || c->may_leave(c->userdata)) /* else it is gone */
            leave(t, c);
}

static bool has_something_to_do(struct fake_tenant *t)
{
    const struct tenant_call *c = first_waiting(t);
    return (t->first && t->first->left && !t->hold) || (c && has_room(t, c));
}

static int on_loop(sd_event_source *source, void *userdata)
{
    struct fake_tenant *t = userdata;
    let_leave(t);
    if (t->first && t->first->left && !t->hold)
        answer_first(t);
    return sd_event_source_set_enabled(source,
                                       has_something_to_do(t) ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

/* -- the ops -- */

static struct tenant_call *arrive(void *client, struct tenant_call **ret, enum fake_kind kind,
                                  struct tenant_ref ref, tenant_done_fn done, void *userdata)
{
    struct fake_tenant *t = client;
    bool by_id = kind & (FAKE_SCIM_GET | FAKE_PATCH | FAKE_ACTIVE);
    struct tenant_call *c = must(calloc(1, sizeof *c));
    c->tenant = t;
    c->kind = kind;
    c->login = by_id ? NULL : copy(ref.login);
    c->scim_id = by_id ? copy(must((char *)ref.id)) : NULL;
    c->of_login = copy(ref.login);
    c->of_id = copy(ref.id);
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
    sd_event_source_set_enabled(t->source, SD_EVENT_ONESHOT);
    *ret = c;
    return c;
}

static int fake_create(void *client, struct tenant_call **ret, const struct user *user,
                       const char *our_id, const struct secret *password, bool change_password,
                       tenant_done_fn done, void *userdata, struct error *e)
{
    (void)change_password, (void)e;
    struct tenant_call *c =
        arrive(client, ret, FAKE_CREATE, by_login(user_get(user, USER_LOGIN)), done, userdata);
    c->our_id = copy(our_id);
    c->user = must(user_copy(user));
    c->has_password = password != NULL;
    return 0;
}

static int fake_read(void *client, struct tenant_call **ret, struct tenant_ref ref,
                     tenant_done_fn done, void *userdata, struct error *e)
{
    (void)e;
    struct tenant_call *c =
        arrive(client, ret, ref.id ? FAKE_SCIM_GET : FAKE_GET, ref, done, userdata);
    c->our_id = copy(ref.our_id);
    return 0;
}

/* Skills go by the login, with the team; roles by the id, with the other fields. */
static int fake_write(void *client, struct tenant_call **ret, struct tenant_ref ref,
                      const struct tenant_write *w, tenant_done_fn done, void *userdata,
                      struct error *e)
{
    (void)e;
    if (!w->set || w->set & ~(w->part->writes | w->part->also) ||
        (w->value != NULL) != w->part->by_value ||
        (w->set & PART_FIELD(USER_TEAM) && !user_get(w->user, USER_TEAM)))
        abort();
    bool scim = w->part->key == PART_BY_ID, active = w->set == PART_DISABLED;
    enum fake_kind kind = !scim ? FAKE_PUT : active ? FAKE_ACTIVE : FAKE_PATCH;
    struct tenant_call *c = arrive(client, ret, kind, ref, done, userdata);
    c->set = w->set;
    c->version = copy(ref.version);
    c->value = copy(w->value);
    c->gives = w->gives;
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
    if (c->left)
        come_back(t);
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
        if (c->left && t->cancelled_takes_effect && t->cancelled_takes_effect(t->cancel_data))
            fake_carry_out(c);
        if (first_waiting(t))
            sd_event_source_set_enabled(t->source, SD_EVENT_ONESHOT);
    }
    free(c->login);
    free(c->scim_id);
    free(c->our_id);
    free(c->of_login);
    free(c->of_id);
    free(c->team);
    free(c->version);
    free(c->value);
    user_free(c->user);
    user_free(c->shown);
    string_list_done(&c->names);
    for (int f = 0; f < USER_N_FIELDS; f++)
        free(c->fields[f]);
    free(c);
    return NULL;
}

static void call_ask(struct tenant_call *c, tenant_leave_fn may_leave)
{
    c->may_leave = may_leave;
}

/* Without a line, what has left is answered first as well. */
static void call_hurry(struct tenant_call *c)
{
    struct fake_tenant *t = c->tenant;
    struct tenant_call *before = t->slots ? first_waiting(t) : t->first;
    if (!c->queued || before == c || (t->slots && c->left))
        return;
    c->hurries = true;
    c->previous->next = c->next;
    *(c->next ? &c->next->previous : &t->last) = c->previous;
    c->previous = before->previous;
    *(c->previous ? &c->previous->next : &t->first) = c;
    c->next = before;
    before->previous = c;
    sd_event_source_set_enabled(t->source, SD_EVENT_ONESHOT);
}

static size_t fake_ahead(void *client)
{
    const struct fake_tenant *t = client;
    return t->ahead;
}

static const struct parts *fake_parts(const void *client)
{
    return fake_parts_of(client);
}

static int fake_canon(const void *client, struct user *wanted, struct error *e)
{
    (void)e;
    if (client)
        fake_round_levels(client, wanted);
    return 0;
}

const struct tenant_ops fake_tenant_ops = {
    .parts = fake_parts,
    .canon = fake_canon,
    .create = fake_create,
    .read = fake_read,
    .write = fake_write,
    .password = fake_password,
    .remove = fake_remove,
    .find = fake_lookup,
    .team_list = fake_teams,
    .directory_list = fake_list,
    .ahead = fake_ahead,
    .call_ask = call_ask,
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
        fake_user_done(&t->users[i]);
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

uint64_t fake_tenant_pace_usec(struct fake_tenant *t)
{
    return t->pace && first_waiting(t) ? pace_wait(t->pace, clock_monotonic_usec(), 0)
                                       : UINT64_MAX;
}

void fake_tenant_pump(struct fake_tenant *t)
{
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
