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
#include "sync/quirks.h"

struct sweep {
    struct engine *engine;
    struct tenant_call *call;
    char *entry_id; /* the one that is read now; the next is the one after it */
    char *login;    /* of its link */
    char *scim_id;  /* of its link; NULL: not looked up yet */
    bool no_scim;   /* the tenant does not take these calls: not asked again in this sweep */
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
    free(s->login);
    free(s->scim_id);
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
        alarm_set(n->books, "drift", "drift",
                  "users were changed at the tenant: see the audit's drift lines");
    else
        alarm_over(n->books, "drift");
    uint64_t wait = books_are_distrusted(n->books) && !n->read_anew ? n->options.sync->retry_max_usec
                                                   : n->options.sync->verify_interval_usec;
    n->sweep_usec = wait ? clock_now_usec() + wait : 0;
    books_note(n->books, WORK_COMMIT | WORK_GUARD);
    sweep_free(s);
    books_wake(n->books, WORK_DUE);
}

static int add_drift(struct buffer *b, const char *field, const char *from, const char *to)
{
    buffer_format(b, "%s%s: %s -> %s", b->size ? "; " : "", field,
                  from && *from ? from : "(none)", to && *to ? to : "(none)");
    return b->failed ? -ENOMEM : 0;
}

struct drift {
    struct user *wanted, *known, *quirks; /* owned; wanted may be NULL */
    struct buffer all, levels;            /* what differs; of that, levels of skills that are there */
};

static void drift_done(struct drift *d)
{
    user_free(d->wanted);
    user_free(d->known);
    user_free(d->quirks);
    buffer_done(&d->all);
    buffer_done(&d->levels);
}

/* Managed values only: what no rule or template gives is the tenant's own business. */
static int describe_drift(struct engine *n, struct drift *d, const struct user *now)
{
    const struct user *wanted = d->wanted, *known = d->known, *quirks = d->quirks;
    struct buffer *b = &d->all;
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
        if (!user_role(known, now->roles[i].name) && !user_role(quirks, now->roles[i].name) &&
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
        if (r == 0 && t)
            r = add_drift(&d->levels, "skill", from, to);
    }
    for (size_t i = 0; i < now->n_skills && r == 0; i++) {
        const struct user_skill *t = &now->skills[i];
        if (!user_skill(known, t->name) && !user_skill(quirks, t->name) &&
            ruleset_names_skill(n->ruleset, t->name))
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

/* The level of a skill that is there is a supervisor's, or a preset's for an hour: reported, and
 * never repaired. */
static int copy_sets(struct user *ret, const struct drift *d, const struct user *now)
{
    int r = 0;
    for (size_t i = 0; i < now->n_roles && r == 0; i++)
        if (!user_role(d->quirks, now->roles[i].name))
            r = user_add_role(ret, now->roles[i].name, NULL);
    for (size_t i = 0; i < now->n_skills && r == 0; i++) {
        const struct user_skill *t = &now->skills[i], *k = user_skill(d->known, t->name);
        if (!user_skill(d->quirks, t->name))
            r = user_add_skill(ret, t->name, k ? k->level : t->level, NULL);
    }
    return r;
}

/* A form is remembered until the tenant's value changes. */
static int forget_forms(struct link *l, const struct drift *d, const struct user *now)
{
    int r = 0;
    for (int f = 0; f < USER_N_FIELDS && r == 0; f++)
        if (!text_equal(user_get(d->known, (enum user_field)f),
                        user_get(now, (enum user_field)f)))
            r = user_set(d->quirks, (enum user_field)f, NULL, NULL);
    free(l->quirks);
    l->quirks = r == 0 ? user_to_json(d->quirks, false) : NULL;
    return l->quirks ? 0 : -ENOMEM;
}

/* What the tenant holds is what is known now; a user that is gone is made again. */
static int adopt_drift(struct link *l, const struct drift *d, const struct user *now, bool anew,
                       struct error *e)
{
    free(l->drift);
    l->drift = NULL;
    if (!now) {
        l->status = LINK_DELETED;
        return 0;
    }
    CLEANUP(user_freep) struct user *known = anew ? user_copy(now) : user_new();
    int r = known ? 0 : -ENOMEM;
    if (r == 0 && !anew)
        r = user_copy_fields(known, now);
    if (r == 0 && !anew)
        r = copy_sets(known, d, now);
    if (r == 0 && !anew)
        r = forget_forms(l, d, now);
    if (r == 0 && !anew && d->levels.size)
        r = (l->drift = strdup(d->levels.data)) ? 0 : -ENOMEM;
    free(l->known);
    l->known = r == 0 ? user_to_json(known, false) : NULL;
    l->status = now->disabled ? LINK_DISABLED : LINK_ACTIVE;
    if (!now->disabled)
        l->disabled_by_us = false;
    return l->known ? 0 : error_out_of_memory(e);
}

/* With `repair` what the tenant holds becomes what is known, so that the planner plans against
 * it. now NULL: the user is gone. */
static int take_drift(struct sweep *s, struct link *l, const struct drift *d,
                      const struct user *now, struct error *e)
{
    struct engine *n = s->engine;
    const char *drift = now ? d->all.data : "the user is not at the tenant any more";
    bool none = !drift || !*drift;
    bool levels_alone = now && text_equal(drift, d->levels.data);
    bool repair = s->anew || (n->options.sync->on_drift == DRIFT_REPAIR && !levels_alone);
    int r = books_write(n->books, e);
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
        r = books_audit(n->books, &row, e);
    }
    if (r == 0 && repair) {
        r = adopt_drift(l, d, now, s->anew, e);
        if (r == 0)
            r = person_mark_dirty(n->state, l->entry_id, e);
    }
    return r < 0 ? r : link_store(n->state, l, e);
}

static int load_drift(struct sweep *s, struct link *l, struct drift *d, struct error *e)
{
    int r = link_load(s->engine->state, s->entry_id, l, e);
    if (r == 0 && l->known)
        r = user_from_json(&d->known, l->known, e);
    if (r == 0 && l->quirks)
        r = user_from_json(&d->quirks, l->quirks, e);
    else if (r == 0 && !(d->quirks = user_new()))
        r = error_out_of_memory(e);
    return r != 0 ? r : load_wanted(s->engine, s->entry_id, &d->wanted, e);
}

/* A user that was made with many others at once is read for the first time. */
static int learn_unread(struct sweep *s, struct link *l, struct drift *d, const struct user *now,
                        struct error *e)
{
    int r = quirks_learn_late(now, d->known, d->quirks);
    free(l->known);
    free(l->quirks);
    l->known = r == 0 ? user_to_json(d->known, false) : NULL;
    l->quirks = r == 0 ? user_to_json(d->quirks, false) : NULL;
    l->confirmed_usec = clock_now_usec();
    if (!l->known || !l->quirks)
        return error_out_of_memory(e);
    r = books_write(s->engine->books, e);
    return r < 0 ? r : link_store(s->engine->state, l, e);
}

static int compare(struct sweep *s, const struct tenant_answer *a, struct error *e)
{
    CLEANUP(link_done) struct link l = {0};
    CLEANUP(drift_done) struct drift d = {0};
    int r = load_drift(s, &l, &d, e);
    if (r == 0 && a->class == TENANT_NOT_FOUND) {
        r = take_drift(s, &l, &d, NULL, e);
    } else if (r == 0 && a->user && d.known) {
        if (!l.confirmed_usec)
            r = learn_unread(s, &l, &d, a->user, e);
        if (r == 0)
            r = describe_drift(s->engine, &d, a->user);
        if (r == 0)
            r = take_drift(s, &l, &d, a->user, e);
    }
    return r < 0 ? r : 0;
}

static void sweep_broken(struct sweep *s, const struct error *e)
{
    books_failed(s->engine->books, e);
    sweep_free(s);
}

/* The tenant as a whole does not answer: the rest is verified another time. */
static bool sweep_interrupted(struct sweep *s, const struct tenant_answer *a)
{
    bool account = health_refused_one(s->engine->health, a, s->entry_id);
    if (a->class != TENANT_AWAY && (a->class != TENANT_NOT_AUTHORISED || !account))
        return false;
    health_failed(s->engine->health, a, s->entry_id);
    sweep_end(s);
    return true;
}

static int follow_or_compare(struct sweep *s, const struct tenant_answer *a, struct error *e)
{
    CLEANUP(link_done) struct link l = {0};
    const char *login = a->class == TENANT_DONE && a->user ? user_get(a->user, USER_LOGIN) : NULL;
    bool taken = false;
    if (a->class == TENANT_NOT_FOUND)
        return compare(s, a, e);
    if (!login || text_equal_fold(login, s->login))
        return 0; /* nothing certain: looked at in the next sweep */
    s->n_drifted++;
    int r = link_load(s->engine->state, s->entry_id, &l, e);
    if (r == 0)
        r = renamed_follow(s->engine, &l, login, &taken, e);
    return r < 0 ? r : 0;
}

static void on_read_by_id(const struct tenant_answer *a, void *userdata)
{
    struct sweep *s = userdata;
    const struct tenant_ops *ops = s->engine->options.tenant_ops;
    struct tenant_call *call = TAKE(s->call);
    struct error e = {0};
    if (!sweep_interrupted(s, a)) {
        if (follow_or_compare(s, a, &e) < 0)
            sweep_broken(s, &e);
        else
            sweep_next(s);
    }
    ops->call_free(call);
}

static int remember_id(struct sweep *s, const char *scim_id, struct error *e)
{
    CLEANUP(link_done) struct link l = {0};
    int r = books_write(s->engine->books, e);
    if (r == 0)
        r = link_load(s->engine->state, s->entry_id, &l, e);
    if (r != 0 || l.scim_id || !text_equal(l.login, s->login))
        return r < 0 ? r : 0;
    l.scim_id = strdup(scim_id);
    return l.scim_id ? link_store(s->engine->state, &l, e) : error_out_of_memory(e);
}

static void on_id(const struct tenant_answer *a, void *userdata)
{
    struct sweep *s = userdata;
    const struct tenant_ops *ops = s->engine->options.tenant_ops;
    struct tenant_call *call = TAKE(s->call);
    struct error e = {0};
    s->no_scim = a->class != TENANT_DONE;
    if (a->class == TENANT_DONE && a->scim_id && remember_id(s, a->scim_id, &e) < 0)
        sweep_broken(s, &e);
    else
        sweep_next(s);
    ops->call_free(call);
}

/* Whoever does not answer to its login is looked for by its id, and ids are learnt in time for
 * that. True: a call was made. */
static bool ask_scim(struct sweep *s, const struct tenant_answer *a)
{
    struct engine *n = s->engine;
    const struct tenant_ops *ops = n->options.tenant_ops;
    struct error e = {0};
    int r = -ENOENT;
    if (a->class == TENANT_NOT_FOUND && s->scim_id)
        r = ops->scim_get(n->options.tenant, &s->call, s->scim_id, on_read_by_id, s, &e);
    else if (a->class == TENANT_DONE && !s->scim_id && !s->no_scim)
        r = ops->scim_lookup(n->options.tenant, &s->call, s->login, on_id, s, &e);
    return r == 0;
}

static void take_answer(struct sweep *s, const struct tenant_answer *a)
{
    struct error e = {0};
    if (sweep_interrupted(s, a))
        return;
    s->n_read++;
    if (a->class == TENANT_NOT_FOUND && ask_scim(s, a))
        return;
    if ((a->class == TENANT_DONE || a->class == TENANT_NOT_FOUND) && compare(s, a, &e) < 0)
        sweep_broken(s, &e);
    else if (!ask_scim(s, a))
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

/* A user that was renamed there waits for a person, who may rename it back there. */
static bool is_in_motion(const struct link *l, const struct operation_list *busy)
{
    for (size_t i = 0; i < busy->n_items; i++)
        if (!l->renamed_there || busy->items[i]->state == OPERATION_STARTED)
            return true;
    return false;
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
                books_failed(n->books, &e);
            s->whole = r > 0;
            sweep_end(s);
            return;
        }
        free(s->entry_id);
        s->entry_id = TAKE(l.entry_id);
        free(s->login);
        free(s->scim_id);
        s->login = TAKE(l.login);
        s->scim_id = TAKE(l.scim_id);
        /* Whoever has operations waiting is in motion: compared when it is settled. */
        struct operation_list busy = {0};
        r = queue_of_person(n->state, s->entry_id, &busy, &e);
        bool skip = r < 0 || l.status == LINK_DELETED || is_in_motion(&l, &busy);
        operation_list_done(&busy);
        if (!skip)
            r = n->options.tenant_ops->user_get(n->options.tenant, &s->call, s->login, on_read,
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
    bool anew = books_are_distrusted(n->books) && !n->read_anew;
    uint64_t wait =
        anew ? n->options.sync->retry_min_usec : n->options.sync->verify_interval_usec;
    n->sweep_usec = wait ? clock_now_usec() + wait : 0;
    if (n->sweep || n->stopping || !gate_is_open(n->gate))
        return;
    n->sweep = calloc(1, sizeof *n->sweep);
    if (!n->sweep)
        return;
    n->sweep->engine = n;
    n->sweep->anew = anew;
    sweep_next(n->sweep);
}
