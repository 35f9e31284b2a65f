/*
 * `rosterctl sync PERSON`: one person through the whole chain while the caller waits, and each
 * step of it told: the directory, the rules, what differs, the tenant. The engine does the
 * work; this room looks on until nothing of it is left that could be done now.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/timer.h"
#include "daemon/daemon.h"
#include "daemon/report.h"
#include "mapping/ruleset.h"
#include "model/user.h"
#include "state/link.h"
#include "state/mirror.h"
#include "state/person.h"
#include "state/queue.h"

#define LOOK_USEC  (10 * USEC_PER_MSEC)
#define LIMIT_USEC (10 * USEC_PER_SEC)

struct sync_one {
    struct daemon *daemon;
    struct control_call *call;
    char *id;
    char *known; /* at the tenant, before; NULL: no user */
    uint64_t since_usec;
    uint64_t judged_usec; /* since then; 0: not yet */
    json_t *operations;   /* that were seen in the queue: number -> operation */
    sd_event_source *timer;
    struct tenant_call *asked; /* how the user is there now */
    char *login;
    struct user *now; /* the answer; NULL: none, why is in no_answer */
    char no_answer[600];
};

static void sync_free(struct sync_one *x)
{
    if (x->daemon->sync_one == x)
        x->daemon->sync_one = NULL;
    sd_event_source_disable_unref(x->timer);
    if (x->asked)
        tenant_kind_ops(&x->daemon->settings->tenant)->call_free(x->asked);
    user_free(x->now);
    free(x->login);
    json_decref(x->operations);
    free(x->known);
    free(x->id);
    free(x);
}

static int add_step(json_t *steps, const char *name, uint64_t usec, const char *sentence,
                    struct error *e)
{
    return report_add(steps,
                      json_pack("{s:s, s:I, s:o}", "step", name, "ms",
                                (json_int_t)(usec / USEC_PER_MSEC), "sentence",
                                report_text(sentence)),
                      e);
}

/* What the entry is as it was read, and from when that is. */
static int tell_directory(struct sync_one *x, json_t *steps, struct error *e)
{
    CLEANUP(mirror_entry_done) struct mirror_entry m = {0};
    CLEANUP(buffer_done) struct buffer b = {0};
    struct directory_status s = {0};
    int r = mirror_load(x->daemon->state, x->id, &m, e);
    if (r < 0)
        return r;
    if (x->daemon->directory)
        directory_status(x->daemon->directory, &s);
    if (r != 0 || m.gone)
        buffer_format(&b, "%s is not in the directory%s%s", m.entry ? m.entry->dn : "the entry",
                      m.gone_why ? ": " : "", m.gone_why ? m.gone_why : "");
    else
        buffer_format(&b, "%s, %zu attribute%s", m.entry->dn, m.entry->n_attributes,
                      text_plural(m.entry->n_attributes));
    if (s.state == DIRECTORY_FOLLOWING && s.feed == DIRECTORY_FEED_POLL)
        buffer_format(&b, "; as of the last poll of %s", s.uri);
    else if (s.state == DIRECTORY_FOLLOWING)
        buffer_format(&b, "; %s reports changes at once", s.uri);
    else
        buffer_format(&b, "; as it was last read: the directory is %s",
                      directory_state_name(s.state));
    return b.failed ? error_out_of_memory(e) : add_step(steps, "directory", 0, b.data, e);
}

static void add_user(struct buffer *b, const struct user *u)
{
    const char *login = user_get(u, USER_LOGIN), *team = user_get(u, USER_TEAM);
    buffer_format(b, "a user %s, team %s", login ? login : "", team ? team : "(none)");
    for (size_t i = 0; i < u->n_roles; i++)
        buffer_format(b, "%s%s", i ? ", " : "; roles ", u->roles[i].name);
    if (u->n_skills)
        buffer_format(b, "; %zu skill%s", u->n_skills, text_plural(u->n_skills));
    if (u->disabled)
        buffer_add_text(b, "; disabled");
}

static int tell_rules(struct sync_one *x, json_t *steps, struct error *e)
{
    CLEANUP(verdict_done) struct verdict v = {0};
    CLEANUP(buffer_done) struct buffer b = {0};
    int r = engine_explain(x->daemon->engine, x->id, &v, e);
    if (r < 0)
        return r;
    if (v.user)
        add_user(&b, v.user);
    else
        buffer_format(&b, "no user: %s", v.sentence ? v.sentence : "the entry is gone");
    return b.failed ? error_out_of_memory(e) : add_step(steps, "rules", x->judged_usec, b.data, e);
}

static void add_changes(struct buffer *b, const json_t *operation)
{
    size_t i;
    json_t *c;
    buffer_add_text(b, json_string_value(json_object_get(operation, "kind")));
    json_array_foreach (json_object_get(operation, "changes"), i, c) {
        const char *from = json_string_value(json_object_get(c, "from"));
        const char *to = json_string_value(json_object_get(c, "to"));
        buffer_format(b, "%s %s ", i ? "," : ":", json_string_value(json_object_get(c, "field")));
        buffer_format(b, from && to ? "%s -> %s" : "%s%s", from ? from : "", to ? to : "");
        if (!to)
            buffer_add_text(b, " is removed");
    }
}

/* What was seen to be due, and is done or still waits. */
static int tell_operations(struct sync_one *x, json_t *steps, struct error *e)
{
    const char *number;
    json_t *o;
    int r = 0;
    json_object_foreach (x->operations, number, o) {
        CLEANUP(buffer_done) struct buffer b = {0};
        if (r == 0) {
            add_changes(&b, o);
            r = b.failed ? error_out_of_memory(e)
                         : add_step(steps, "difference", x->judged_usec, b.data, e);
        }
    }
    return r;
}

/* How the user is there, against what was confirmed: somebody may have changed it by hand. */
static int tell_user(struct sync_one *x, const struct link *link, json_t *steps, struct error *e)
{
    CLEANUP(user_freep) struct user *known = NULL;
    CLEANUP(buffer_done) struct buffer b = {0};
    uint64_t took = clock_monotonic_usec() - x->since_usec;
    if (!x->now)
        return x->no_answer[0] ? add_step(steps, "tenant", took, x->no_answer, e) : 0;
    int r = link->known ? user_from_json(&known, link->known, e) : 0;
    if (r < 0)
        return r;
    for (int f = 0; f < USER_N_FIELDS && known; f++) {
        const char *there = user_get(x->now, (enum user_field)f);
        const char *ours = user_get(known, (enum user_field)f);
        if (ours && *ours && there && !text_equal(there, ours))
            buffer_format(&b, "%s%s is %s there and was confirmed as %s", b.size ? "; " : "",
                          user_field_name((enum user_field)f), there, ours);
    }
    if (known && known->disabled != x->now->disabled)
        buffer_format(&b, "%sit is %s there, which was not confirmed", b.size ? "; " : "",
                      x->now->disabled ? "disabled" : "enabled");
    if (b.failed)
        return error_out_of_memory(e);
    return add_step(steps, "tenant", took, b.size ? b.data : "it has the user as it was confirmed",
                    e);
}

/* What the tenant holds now against before; more happened between two looks than was seen. */
static int tell_tenant(struct sync_one *x, json_t *steps, struct error *e)
{
    CLEANUP(link_done) struct link link = {0};
    CLEANUP(operation_list_done) struct operation_list left = {0};
    uint64_t took = clock_monotonic_usec() - x->since_usec;
    int r = link_load(x->daemon->state, x->id, &link, e);
    if (r >= 0)
        r = queue_of_person(x->daemon->state, x->id, &left, e);
    if (r < 0)
        return r;
    for (size_t i = 0; i < left.n_items; i++) {
        const struct operation *o = left.items[i];
        CLEANUP(buffer_done) struct buffer b = {0};
        const char *why = o->sentence ? o->sentence
                          : o->reason ? reason_code_text(o->reason)
                                      : NULL;
        buffer_format(&b, "%s waits%s%s", operation_kind_name(o->kind), why ? ": " : "",
                      why ? why : "");
        r = b.failed ? error_out_of_memory(e) : add_step(steps, "tenant", took, b.data, e);
        if (r < 0)
            return r;
    }
    bool changed = !text_equal(link.known, x->known);
    r = tell_user(x, &link, steps, e);
    if (r < 0 || left.n_items || (!changed && link.known))
        return r;
    return add_step(steps, "tenant", took,
                    !changed      ? "there is no user, and none is to be made"
                    : !x->known   ? "the user was made, and the tenant confirmed it"
                    : !link.known ? "the user is not rosterd's any more"
                                  : "it was changed, and the tenant confirmed it",
                    e);
}

static void sync_end(struct sync_one *x)
{
    struct error e = {0};
    json_auto_t *steps = json_array();
    int r = tell_directory(x, steps, &e);
    if (r == 0)
        r = tell_rules(x, steps, &e);
    if (r == 0)
        r = tell_operations(x, steps, &e);
    if (r == 0)
        r = tell_tenant(x, steps, &e);
    uint64_t took = clock_monotonic_usec() - x->since_usec;
    if (r < 0)
        control_fail(TAKE(x->call), "failed", "%s", e.message);
    else
        control_reply(TAKE(x->call), json_pack("{s:b, s:O, s:I}", "started", 1, "steps", steps,
                                               "ms", (json_int_t)(took / USEC_PER_MSEC)));
    sync_free(x);
}

static void on_user(const struct tenant_answer *a, void *userdata)
{
    struct sync_one *x = userdata;
    if (a->class == TENANT_DONE && a->user)
        x->now = user_copy(a->user);
    if (!x->now && a->class == TENANT_NOT_FOUND)
        snprintf(x->no_answer, sizeof(x->no_answer), "it has no user %s any more", x->login);
    else if (!x->now)
        snprintf(x->no_answer, sizeof(x->no_answer), "it could not be asked: %s", a->hint);
    sync_end(x);
}

/* The last step: 0, or 1 when there is nobody to ask for. */
static int ask_tenant(struct sync_one *x, struct error *e)
{
    CLEANUP(link_done) struct link link = {0};
    struct engine_status s;
    int r = link_load(x->daemon->state, x->id, &link, e);
    engine_status(x->daemon->engine, &s);
    if (r != 0 || !x->daemon->tenant || s.tenant != ENGINE_TENANT_OK || link.status == LINK_DELETED)
        return r < 0 ? r : 1;
    x->login = TAKE(link.login);
    const struct tenant_ops *ops = tenant_kind_ops(&x->daemon->settings->tenant);
    return ops->read(x->daemon->tenant, &x->asked, by_login(x->login), on_user, x, e);
}

/* 1: something could still be done now. */
static int is_busy(struct sync_one *x, struct error *e)
{
    CLEANUP(person_done) struct person p = {0};
    CLEANUP(operation_list_done) struct operation_list queue = {0};
    struct engine_status s;
    int r = person_load(x->daemon->state, x->id, &p, e);
    if (r < 0 || p.dirty)
        return r < 0 ? r : 1;
    if (!x->judged_usec)
        x->judged_usec = clock_monotonic_usec() - x->since_usec;
    engine_status(x->daemon->engine, &s);
    bool moves = !s.paused && !s.observing && s.tenant == ENGINE_TENANT_OK;
    r = queue_of_person(x->daemon->state, x->id, &queue, e);
    bool busy = false;
    for (size_t i = 0; i < queue.n_items && r >= 0; i++) {
        const struct operation *o = queue.items[i];
        char key[24];
        busy = busy || o->state == OPERATION_STARTED ||
               (o->state == OPERATION_READY && o->not_before_usec <= clock_steady_usec() && moves);
        snprintf(key, sizeof(key), "%lld", (long long)o->number);
        if (!json_object_get(x->operations, key) &&
            json_object_set_new(x->operations, key, report_operation(o)) < 0)
            r = error_out_of_memory(e);
    }
    return r < 0 ? r : busy;
}

static int on_look(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)usec;
    struct sync_one *x = userdata;
    struct error e = {0};
    int r = is_busy(x, &e);
    if (r < 0) {
        control_fail(TAKE(x->call), "failed", "%s", e.message);
        sync_free(x);
        return 0;
    }
    if (r == 0 || clock_monotonic_usec() - x->since_usec >= LIMIT_USEC) {
        if (ask_tenant(x, &e) != 0) /* what it would say of a failure, the other steps say */
            sync_end(x);
    } else {
        (void)sd_event_source_set_time_relative(source, LOOK_USEC);
        (void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    }
    return 0;
}

static int sync_begin(struct sync_one *x, const char *id, struct error *e)
{
    CLEANUP(link_done) struct link link = {0};
    int r = link_load(x->daemon->state, id, &link, e);
    if (r < 0)
        return r;
    x->known = TAKE(link.known);
    x->id = strdup(id);
    x->operations = json_object();
    x->since_usec = clock_monotonic_usec();
    if (!x->id || !x->operations)
        return error_out_of_memory(e);
    r = timer_in(x->daemon->event, &x->timer, LOOK_USEC, on_look, x);
    return r < 0 ? error_set(e, r, "cannot wait for the person: %s", strerror(-r)) : 0;
}

void sync_one_start(struct daemon *d, struct control_call *call, const char *id)
{
    struct error e = {0};
    struct sync_one *x = d->sync_one ? NULL : calloc(1, sizeof(*x));
    if (!x) { /* it is looked at all the same */
        control_reply(call, json_pack("{s:b, s:[], s:i}", "started", 1, "steps", "ms", 0));
        return;
    }
    x->daemon = d;
    x->call = call;
    d->sync_one = x;
    if (sync_begin(x, id, &e) < 0) {
        control_fail(TAKE(x->call), "failed", "%s", e.message);
        sync_free(x);
    }
}

void sync_one_cancel(struct daemon *d)
{
    if (d->sync_one) {
        control_fail(TAKE(d->sync_one->call), "failed", "rosterd ends");
        sync_free(d->sync_one);
    }
}
