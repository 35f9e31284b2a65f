/*
 * The verification sweep: slowly reads every linked user at the tenant and compares the managed
 * values with what the tenant last confirmed. What differs is drift: reported, or repaired by
 * the ordinary path (the fresh value becomes what is known, and the planner finds the
 * difference).
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log-ids.h"
#include "base/log.h"
#include "sync/internal.h"

struct sweep {
    struct engine *engine;
    struct tenant_call *call;
    char *entry_id; /* the one that is read now; the next is the one after it */
    size_t n_read, n_drifted;
    bool anew;  /* the state is an older copy: what is read becomes what is known */
    bool whole; /* every link was looked at */
};

static void sweep_next(struct sweep *s);

static void sweep_free(struct sweep *s)
{
    struct engine *n = s->engine;
    if (s->call)
        n->options.tenant_ops->call_free(s->call);
    free(s->entry_id);
    free(s);
    n->sweep = NULL;
}

void sweep_cancel(struct engine *n)
{
    if (n->sweep)
        sweep_free(n->sweep);
}

static void sweep_end(struct sweep *s)
{
    struct engine *n = s->engine;
    log_info("Verification: %zu users read, %zu differ from what was confirmed", s->n_read,
             s->n_drifted);
    if (s->anew)
        n->read_anew = s->whole;
    else if (s->n_drifted)
        alarm_set(n, "drift", "drift",
                  "users were changed at the tenant: see the audit's drift lines");
    else
        alarm_over(n, "drift");
    uint64_t wait = n->distrusted && !n->read_anew ? n->options.sync->retry_max_usec
                                                   : n->options.sync->verify_interval_usec;
    n->sweep_usec = wait ? clock_now_usec() + wait : 0;
    n->commit_wanted = n->plan_changed = true;
    sweep_free(s);
    engine_wake(n);
}

static int add_drift(struct buffer *b, const char *field, const char *from, const char *to)
{
    buffer_format(b, "%s%s: %s -> %s", b->size ? "; " : "", field,
                  from && *from ? from : "(none)", to && *to ? to : "(none)");
    return b->failed ? -ENOMEM : 0;
}

/* Managed values only: what no rule or template gives is the tenant's own business. */
static int describe_drift(struct engine *n, const struct user *wanted, const struct user *known,
                          const struct user *now, struct buffer *b)
{
    int r = 0;
    for (int f = USER_FIRST_NAME; f < USER_N_FIELDS && r == 0; f++) {
        const char *k = user_get(known, (enum user_field)f),
                   *t = user_get(now, (enum user_field)f);
        bool managed = wanted && wanted->fields[f].text;
        if (managed && k && !text_equal(k, t ? t : ""))
            r = add_drift(b, user_field_name((enum user_field)f), k, t);
    }
    if (known->disabled != now->disabled && r == 0)
        r = add_drift(b, "disabled", known->disabled ? "true" : "false",
                      now->disabled ? "true" : "false");
    for (size_t i = 0; i < known->n_roles && r == 0; i++)
        if (!user_role(now, known->roles[i].name) && wanted &&
            user_role(wanted, known->roles[i].name))
            r = add_drift(b, "role", known->roles[i].name, NULL);
    for (size_t i = 0; i < now->n_roles && r == 0; i++)
        if (!user_role(known, now->roles[i].name) &&
            ruleset_names_role(n->ruleset, now->roles[i].name))
            r = add_drift(b, "role", NULL, now->roles[i].name);
    for (size_t i = 0; i < known->n_skills && r == 0; i++) {
        const struct user_skill *k = &known->skills[i], *t = user_skill(now, k->name);
        char from[300], to[300];
        bool managed =
            (wanted && user_skill(wanted, k->name)) || ruleset_names_skill(n->ruleset, k->name);
        if (!managed || (t && t->level == k->level))
            continue;
        snprintf(from, sizeof from, "%s:%u", k->name, k->level);
        if (t)
            snprintf(to, sizeof to, "%s:%u", t->name, t->level);
        r = add_drift(b, "skill", from, t ? to : NULL);
    }
    for (size_t i = 0; i < now->n_skills && r == 0; i++) {
        const struct user_skill *t = &now->skills[i];
        if (!user_skill(known, t->name) && ruleset_names_skill(n->ruleset, t->name))
            r = add_drift(b, "skill", NULL, t->name);
    }
    return r;
}

static int load_wanted(struct engine *n, const char *entry_id, struct user **ret,
                       struct error *e)
{
    struct person p = {0};
    int r = person_load(n->state, entry_id, &p, e);
    *ret = NULL;
    if (r == 0 && p.wanted)
        r = user_from_json(ret, p.wanted, e);
    person_done(&p);
    return r < 0 ? r : 0;
}

/* What the tenant holds is what is known now; a user that is gone is made again. */
static int adopt_drift(struct link *l, const struct user *now, struct error *e)
{
    free(l->drift);
    l->drift = NULL;
    if (!now) {
        l->status = LINK_DELETED;
        return 0;
    }
    free(l->known);
    l->known = user_to_json(now, false);
    l->status = now->disabled ? LINK_DISABLED : LINK_ACTIVE;
    if (!now->disabled)
        l->disabled_by_us = false;
    return l->known ? 0 : error_out_of_memory(e);
}

/* With `repair` what the tenant holds becomes what is known, so that the planner plans against
 * it. */
static int take_drift(struct sweep *s, struct link *l, const struct user *now,
                      const char *drift, struct error *e)
{
    struct engine *n = s->engine;
    bool repair = s->anew || n->options.sync->on_drift == DRIFT_REPAIR;
    bool none = !drift || !*drift;
    int r = engine_write(n, e);
    if (r < 0)
        return r;
    /* The same drift is reported once. */
    bool known_already = none ? !l->drift : text_equal(l->drift, drift);
    if (none && known_already)
        return 0;
    free(l->drift);
    l->drift = none ? NULL : strdup(drift);
    if (none)
        return link_store(n->state, l, e);
    s->n_drifted++;
    struct audit_row row = {
        .event = "drift",
        .entry_id = l->entry_id,
        .login = l->login,
        .code = s->anew  ? REASON_STATE_RESTORED
                : repair ? "repair"
                         : "report",
        .sentence = drift,
    };
    if (!known_already) {
        log_event(LOG_WARNING, MSG_DRIFT, "User %s was changed at the tenant: %s", l->login,
                  drift);
        r = engine_audit(n, &row, e);
    }
    if (r == 0 && repair) {
        r = adopt_drift(l, now, e);
        if (r == 0)
            r = person_mark_dirty(n->state, l->entry_id, e);
    }
    return r < 0 ? r : link_store(n->state, l, e);
}

static int user_is_gone(struct sweep *s, struct link *l, struct error *e)
{
    return take_drift(s, l, NULL, "the user is not at the tenant any more", e);
}

static int compare(struct sweep *s, const struct tenant_answer *a, struct error *e)
{
    struct engine *n = s->engine;
    struct link l = {0};
    CLEANUP(user_freep) struct user *known = NULL;
    CLEANUP(user_freep) struct user *wanted = NULL;
    CLEANUP(buffer_done) struct buffer drift = {0};
    int r = link_load(n->state, s->entry_id, &l, e);
    if (r == 0 && l.known)
        r = user_from_json(&known, l.known, e);
    if (r == 0)
        r = load_wanted(n, s->entry_id, &wanted, e);
    if (r == 0 && a->class == TENANT_NOT_FOUND)
        r = user_is_gone(s, &l, e);
    else if (r == 0 && a->user && known) {
        r = describe_drift(n, wanted, known, a->user, &drift);
        if (r == 0)
            r = take_drift(s, &l, a->user, drift.data ? drift.data : "", e);
    }
    link_done(&l);
    return r < 0 ? r : 0;
}

static void take_answer(struct sweep *s, const struct tenant_answer *a)
{
    struct engine *n = s->engine;
    struct error e = {0};
    bool account = contact_refused_one(n, a, s->entry_id);
    if (a->class == TENANT_AWAY || (a->class == TENANT_NOT_AUTHORISED && account)) {
        contact_tenant_failed(n, a, s->entry_id);
        sweep_end(s);
        return;
    }
    s->n_read++;
    if ((a->class == TENANT_DONE || a->class == TENANT_NOT_FOUND) && compare(s, a, &e) < 0) {
        engine_state_failed(n, &e);
        sweep_free(s);
        return;
    }
    sweep_next(s);
}

static void on_read(const struct tenant_answer *a, void *userdata)
{
    struct sweep *s = userdata;
    const struct tenant_ops *ops = s->engine->options.tenant_ops;
    struct tenant_call *call = TAKE(s->call);
    take_answer(s, a); /* s may be gone after this */
    ops->call_free(call);
}

static void sweep_next(struct sweep *s)
{
    struct engine *n = s->engine;
    struct error e = {0};
    for (;;) {
        struct link l = {0};
        int r = link_after(n->state, s->entry_id, &l, &e);
        if (r != 0) {
            link_done(&l);
            if (r < 0)
                engine_state_failed(n, &e);
            s->whole = r > 0;
            sweep_end(s);
            return;
        }
        free(s->entry_id);
        s->entry_id = TAKE(l.entry_id);
        /* Whoever has operations waiting is in motion: compared when it is settled. */
        struct operation_list busy = {0};
        r = queue_of_person(n->state, s->entry_id, &busy, &e);
        bool skip = r < 0 || busy.n_items || l.status == LINK_DELETED;
        operation_list_done(&busy);
        if (!skip)
            r = n->options.tenant_ops->user_get(n->options.tenant, &s->call, l.login, on_read,
                                                s, &e);
        link_done(&l);
        if (r < 0) {
            log_error("The verification stops: %s", e.message);
            sweep_end(s);
            return;
        }
        if (!skip)
            return;
    }
}

void sweep_start(struct engine *n)
{
    bool anew = n->distrusted && !n->read_anew;
    uint64_t wait =
        anew ? n->options.sync->retry_min_usec : n->options.sync->verify_interval_usec;
    n->sweep_usec = wait ? clock_now_usec() + wait : 0;
    if (n->sweep || n->stopping || !executor_may_work(n))
        return;
    n->sweep = calloc(1, sizeof *n->sweep);
    if (!n->sweep)
        return;
    n->sweep->engine = n;
    n->sweep->anew = anew;
    sweep_next(n->sweep);
}
