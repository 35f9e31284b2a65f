/*
 * Compares what the tenant shows with what it confirmed last, and keeps the difference:
 * reported once, or (on_drift = repair, or a state that is an older copy) taken for what is
 * known.
 */
#include "config.h"

#include "deliver/drift.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log-ids.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "books/books.h"
#include "books/engine-types.h"
#include "intake/rules.h"
#include "judge/planner.h"
#include "judge/quirks.h"
#include "model/operation.h"
#include "model/part.h"
#include "model/user.h"
#include "state/link.h"
#include "state/person.h"
#include "tenant/client.h"

static int add_drift(struct buffer *b, const char *field, const char *from, const char *to)
{
    buffer_format(b, "%s%s: %s -> %s", b->size ? "; " : "", field, from && *from ? from : "(none)",
                  to && *to ? to : "(none)");
    return b->failed ? -ENOMEM : 0;
}

struct drift {
    struct user *wanted, *known, *quirks; /* owned; wanted may be NULL */
    struct user *now;                     /* with what the tenant never shows; NULL: it shows all */
    struct buffer all, levels; /* what differs; of that, levels of skills that are there */
};

static void drift_done(struct drift *d)
{
    user_free(d->wanted);
    user_free(d->known);
    user_free(d->quirks);
    user_free(d->now);
    buffer_done(&d->all);
    buffer_done(&d->levels);
}

/* Of a privileged role it counts also from whom it is to be taken: whoever lost it there
 * already is nobody's reason to take it from the last one who has it. */
static bool is_missed(const struct drift_look *look, const struct user *wanted, const char *role)
{
    return (wanted && user_role(wanted, role)) ||
           options_role_is_privileged(books_options(look->books)->sync, role);
}

/* Of other roles no rule says who has them. */
static bool is_news(const struct drift_look *look, const char *role)
{
    return rules_names_role(role, look->rules) ||
           options_role_is_privileged(books_options(look->books)->sync, role);
}

/* Managed values only, and privileged roles: what no rule or template gives is the tenant's own
 * business. */
static int describe_drift(const struct drift_look *look, struct drift *d, const struct user *now)
{
    const struct user *wanted = d->wanted, *known = d->known, *quirks = d->quirks;
    struct buffer *b = &d->all;
    int r = 0;
    for (int f = USER_FIRST_NAME; f < USER_N_FIELDS && r == 0; f++) {
        const char *k = user_get(known, (enum user_field)f), *t = user_get(now, (enum user_field)f);
        bool managed = wanted && wanted->fields[f].text;
        if (managed && k && !text_equal(k, t ? t : "") &&
            !(t && quirks_same((enum user_field)f, k, t)))
            r = add_drift(b, user_field_name((enum user_field)f), k, t);
    }
    if (known->disabled != now->disabled && r == 0)
        r = add_drift(b, LINK_DRIFT_DISABLED, known->disabled ? "true" : "false",
                      now->disabled ? "true" : "false");
    for (size_t i = 0; i < known->n_roles && r == 0; i++)
        if (!user_role(now, known->roles[i].name) && is_missed(look, wanted, known->roles[i].name))
            r = add_drift(b, LINK_DRIFT_ROLE, known->roles[i].name, NULL);
    for (size_t i = 0; i < now->n_roles && r == 0; i++)
        if (!user_role(known, now->roles[i].name) && !user_role(quirks, now->roles[i].name) &&
            is_news(look, now->roles[i].name))
            r = add_drift(b, LINK_DRIFT_ROLE, NULL, now->roles[i].name);
    for (size_t i = 0; i < known->n_skills && r == 0; i++) {
        const struct user_skill *k = &known->skills[i], *t = user_skill(now, k->name);
        char from[300], to[300];
        bool managed =
            (wanted && user_skill(wanted, k->name)) || rules_names_skill(k->name, look->rules);
        if (!managed || (t && t->level == k->level))
            continue;
        snprintf(from, sizeof(from), "%s:%u", k->name, k->level);
        if (t)
            snprintf(to, sizeof(to), "%s:%u", t->name, t->level);
        r = add_drift(b, "skill", from, t ? to : NULL);
        if (r == 0 && t)
            r = add_drift(&d->levels, "skill", from, to);
    }
    for (size_t i = 0; i < now->n_skills && r == 0; i++) {
        const struct user_skill *t = &now->skills[i];
        if (!user_skill(known, t->name) && !user_skill(quirks, t->name) &&
            rules_names_skill(t->name, look->rules))
            r = add_drift(b, "skill", NULL, t->name);
    }
    return r;
}

static int load_wanted(struct books *b, const char *entry_id, struct user **ret, struct error *e)
{
    struct person p = {0};
    int r = person_load(books_state(b), entry_id, &p, e);
    *ret = NULL;
    if (r == 0 && p.wanted)
        r = user_from_json(ret, p.wanted, e);
    person_done(&p);
    return r < 0 ? r : 0;
}

/* The level of a skill that is there is a supervisor's, or a preset's for an hour: reported,
 * and never repaired. */
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
        if (!text_equal(user_get(d->known, (enum user_field)f), user_get(now, (enum user_field)f)))
            r = user_set(d->quirks, (enum user_field)f, NULL, NULL);
    free(l->quirks);
    l->quirks = r == 0 ? user_to_json(d->quirks, false) : NULL;
    return l->quirks ? 0 : -ENOMEM;
}

/* What the tenant holds is what is known now. */
static int adopt_drift(struct link *l, const struct drift *d, const struct user *now, bool anew,
                       struct error *e)
{
    free(l->drift);
    l->drift = NULL;
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

/* What is known from now on is in the line, so that nothing is known that no line tells. */
static int record_drift(struct books *b, const struct link *l, const char *code,
                        const char *sentence, bool known, struct error *e)
{
    CLEANUP(buffer_done) struct buffer found = {0};
    if (known)
        buffer_format(&found, "{\"found\":%s}", l->known);
    if (found.failed)
        return error_out_of_memory(e);
    return books_audit(b,
                       &(struct audit_row){.event = "drift",
                                           .entry_id = l->entry_id,
                                           .login = l->login,
                                           .code = code,
                                           .sentence = sentence,
                                           .details = found.data},
                       e);
}

/* With `repair` what the tenant holds becomes what is known, so that the planner plans against
 * it. */
static int take_drift(const struct drift_look *look, struct link *l, const struct drift *d,
                      const struct user *now, bool *ret_differs, struct error *e)
{
    struct books *b = look->books;
    const char *drift = d->all.data;
    bool none = !drift || !*drift;
    bool levels_alone = text_equal(drift, d->levels.data);
    bool repair = look->anew || (books_options(b)->sync->on_drift == DRIFT_REPAIR && !levels_alone);
    repair = repair && look->whose == DRIFT_OF_OURS;
    /* The same drift is reported once. */
    bool known_already = none ? !l->drift : text_equal(l->drift, drift);
    if (none && known_already)
        return 0;
    free(l->drift);
    l->drift = none ? NULL : strdup(drift);
    if (none)
        return link_store(books_state(b), l, e);
    *ret_differs = true;
    int r = 0;
    if (repair) {
        r = adopt_drift(l, d, now, look->anew, e);
        if (r == 0)
            r = person_mark_dirty(books_state(b), l->entry_id, e);
    }
    if (!known_already)
        log_event(LOG_WARNING, MSG_DRIFT, "User %s was changed at the tenant: %s", l->login, drift);
    bool enabled = link_was_enabled(l); /* by which a revocation is undone, if there is one */
    if (r == 0 && enabled)
        r = person_mark_dirty(books_state(b), l->entry_id, e);
    if (r == 0 && enabled)
        r = books_note_revocation(b, l->entry_id, e);
    if (r == 0 && (repair || !known_already))
        r = record_drift(b, l,
                         look->anew ? REASON_STATE_RESTORED
                         : repair   ? "repair"
                                    : "report",
                         drift, repair, e);
    return r < 0 ? r : link_store(books_state(b), l, e);
}

static int load_drift(const struct drift_look *look, struct link *l, struct drift *d,
                      struct error *e)
{
    int r = link_load(books_state(look->books), look->entry_id, l, e);
    if (r == 0 && l->known)
        r = user_from_json(&d->known, l->known, e);
    if (r == 0 && l->quirks)
        r = user_from_json(&d->quirks, l->quirks, e);
    else if (r == 0 && !(d->quirks = user_new()))
        r = error_out_of_memory(e);
    return r != 0 ? r : load_wanted(look->books, look->entry_id, &d->wanted, e);
}

/* A user that was made with many others at once is read for the first time. */
static int learn_unread(const struct drift_look *look, struct link *l, struct drift *d,
                        const struct user *now, struct error *e)
{
    int r = quirks_learn_late(now, d->known, d->quirks);
    free(l->known);
    free(l->quirks);
    l->known = r == 0 ? user_to_json(d->known, false) : NULL;
    l->quirks = r == 0 ? user_to_json(d->quirks, false) : NULL;
    l->confirmed_usec = clock_now_usec();
    if (!l->known || !l->quirks)
        return error_out_of_memory(e);
    return link_store(books_state(look->books), l, e);
}

static bool are_roles_hidden(const struct drift_look *look)
{
    const struct engine_options *o = books_options(look->books);
    return o->tenant_ops->parts(o->tenant)->hides & PART_ROLES;
}

/* The login is another user's by now, which nobody takes over in passing. Said once. */
static int report_another(const struct drift_look *look, struct link *l, const char *role,
                          struct error *e)
{
    char sentence[500];
    if (are_roles_hidden(look))
        snprintf(sentence, sizeof(sentence),
                 "another user has the login there now, and the tenant does not show which roles "
                 "that one has: restore the user who was deleted, or remove the other one");
    else
        snprintf(sentence, sizeof(sentence),
                 "another user has the login there now, with %s%s: if it is the same person, %s",
                 role ? "the privileged role " : "another mail", role ? role : "",
                 role ? "take the role away there until it is known again"
                      : "give that user the mail of the entry");
    if (text_equal(l->drift, sentence))
        return 0;
    free(l->drift);
    l->drift = strdup(sentence);
    if (!l->drift)
        return error_out_of_memory(e);
    int r = record_drift(look->books, l, "report", sentence, false, e);
    return r < 0 ? r : link_store(books_state(look->books), l, e);
}

/* Somebody restored it, or made it anew, and nobody could log in before that: what it is like
 * is compared, and on record, with the next verification. */
static int take_presence(struct books *b, struct link *l, const struct user *known,
                         const char *sentence, struct error *e)
{
    CLEANUP(link_done) struct link other = {0};
    int r = link_load_by_login(books_state(b), l->login_key, &other, e);
    if (r < 0 || (r == 0 && !text_equal(other.entry_id, l->entry_id)))
        return r;
    l->gone = LINK_THERE;
    l->enabled_usec = clock_date_usec();
    l->status = known && known->disabled ? LINK_DISABLED : LINK_ACTIVE;
    free(TAKE(l->drift));
    r = books_audit(b,
                    &(struct audit_row){.event = "drift",
                                        .entry_id = l->entry_id,
                                        .login = l->login,
                                        .code = "report",
                                        .sentence = sentence,
                                        .details = "{\"gone\":false}"},
                    e);
    if (r == 0)
        r = person_mark_dirty(books_state(b), l->entry_id, e);
    return r < 0 ? r : link_store(books_state(b), l, e);
}

int drift_made_anew(struct books *b, struct link *l, const struct user *known, const char *id,
                    struct error *e)
{
    free(TAKE(l->remote_id));
    if (id && !(l->remote_id = strdup(id)))
        return error_out_of_memory(e);
    return take_presence(b, l, known, "the user was made anew there", e);
}

/* The login is there, and its user is not the one of the id that is known: that one was deleted,
 * and somebody made another. */
static int take_another(const struct drift_look *look, struct link *l, const struct drift *d,
                        const struct user *now, struct error *e)
{
    struct books *b = look->books;
    const char *role = planner_gained_privilege(d->known, now, books_options(b)->sync);
    if (!role && !are_roles_hidden(look) && planner_is_who_it_was(d->known, d->wanted, now))
        return drift_made_anew(b, l, d->known, look->id, e);
    l->gone = LINK_GONE;
    if (look->anew || books_options(b)->sync->on_drift == DRIFT_REPAIR)
        l->status = LINK_DELETED;
    int r = books_audit(b,
                        &(struct audit_row){.event = "drift",
                                            .entry_id = l->entry_id,
                                            .login = l->login,
                                            .code = "report",
                                            .sentence = "the user is not at the tenant any more",
                                            .details = "{\"gone\":true}"},
                        e);
    if (r == 0)
        r = report_another(look, l, role, e);
    return r < 0 ? r : person_mark_dirty(books_state(b), l->entry_id, e);
}

/* Whoever logged in, or was enabled by somebody, whyever it was disabled, is not dormant; who
 * did not for long is looked at. */
static int note_use(const struct drift_look *look, struct link *l, struct drift *d,
                    const struct user *now, struct error *e)
{
    const struct sync_options *o = books_options(look->books)->sync;
    bool enabled = link_shown_disabled(l) && !now->disabled;
    bool woken = l->dormant_usec && !now->disabled;
    bool used = now->last_login_usec > l->last_login_usec;
    bool dormant =
        l->status == LINK_ACTIVE && link_used_usec(l) + o->dormant_after_usec <= clock_date_usec();
    if (!woken && !enabled && (!o->dormant_after_usec || (!used && !dormant)))
        return 0;
    int r = 0;
    if (woken || enabled)
        l->enabled_usec = clock_date_usec();
    if (used)
        l->last_login_usec = now->last_login_usec;
    if (woken) {
        l->dormant_usec = 0;
        l->status = LINK_ACTIVE;
        d->known->disabled = false;
        free(l->known);
        l->known = user_to_json(d->known, false);
        if (!l->known)
            return error_out_of_memory(e);
        r = record_drift(look->books, l, "report", LINK_DRIFT_ENABLED, true, e);
    }
    if (r == 0)
        r = person_mark_dirty(books_state(look->books), l->entry_id, e);
    return r < 0 ? r : link_store(books_state(look->books), l, e);
}

/* What the tenant had given by itself and shows no more, it has taken: nobody has that role. */
static int forget_roles(const struct drift_look *look, struct link *l, struct drift *d,
                        const struct user *now, struct error *e)
{
    size_t n_before = d->quirks->n_roles;
    for (size_t i = n_before; i-- > 0;)
        if (!user_role(now, d->quirks->roles[i].name))
            user_remove_role(d->quirks, d->quirks->roles[i].name);
    if (d->quirks->n_roles == n_before)
        return 0;
    free(l->quirks);
    l->quirks = user_to_json(d->quirks, false);
    return l->quirks ? link_store(books_state(look->books), l, e) : error_out_of_memory(e);
}

/* What the tenant never shows is as it was confirmed last. */
static int take_hidden(const struct drift_look *look, struct drift *d, const struct user **now,
                       struct error *e)
{
    const struct engine_options *o = books_options(look->books);
    uint32_t hides = o->tenant_ops->parts(o->tenant)->hides;
    if (!hides || !d->known)
        return 0;
    d->now = user_copy(*now);
    if (!d->now || part_copy(d->now, hides, d->known) < 0)
        return error_out_of_memory(e);
    *now = d->now;
    return 0;
}

int drift_take(const struct drift_look *look, const struct user *now, bool *ret_differs,
               struct error *e)
{
    CLEANUP(link_done) struct link l = {0};
    CLEANUP(drift_done) struct drift d = {0};
    int r = load_drift(look, &l, &d, e);
    *ret_differs = false;
    if (r == 0)
        r = take_hidden(look, &d, &now, e);
    bool by_id = r == 0 && look->id && l.remote_id;
    bool same = by_id && text_equal(look->id, l.remote_id);
    bool gave_way = look->whose == DRIFT_OF_ANOTHER || (by_id && !same);
    bool gone = r == 0 && l.gone && d.known && !same; /* and not restored */
    const char *role =
        gone ? planner_gained_privilege(d.known, now, books_options(look->books)->sync) : NULL;
    /* Whoever may only have been renamed there comes back with whatever somebody made of it. */
    bool another =
        gone && (l.gone == LINK_GONE || look->whose == DRIFT_OF_ANOTHER) &&
        ((by_id && are_roles_hidden(look)) || !planner_is_who_it_was(d.known, d.wanted, now));
    if (r == 0 && l.gone && (role || another)) {
        r = report_another(look, &l, role, e);
    } else if (r == 0 && l.gone && gave_way && look->id) {
        r = drift_made_anew(look->books, &l, d.known, look->id, e);
    } else if (r == 0 && l.gone) {
        r = take_presence(look->books, &l, d.known, "the user is there again", e);
    } else if (r == 0 && d.known && gave_way) {
        r = look->waits ? 0 : take_another(look, &l, &d, now, e);
        *ret_differs = !look->waits;
    } else if (r == 0 && d.known) {
        if (!l.confirmed_usec)
            r = learn_unread(look, &l, &d, now, e);
        if (r == 0)
            r = note_use(look, &l, &d, now, e);
        if (r == 0 && !are_roles_hidden(look))
            r = forget_roles(look, &l, &d, now, e);
        if (r == 0)
            r = describe_drift(look, &d, now);
        if (r == 0)
            r = take_drift(look, &l, &d, now, ret_differs, e);
    }
    return r < 0 ? r : 0;
}

void drift_tell(struct books *b, bool any)
{
    if (any)
        alarm_set(b, "drift", "drift",
                  "users were changed at the tenant: see the audit's drift lines");
    else
        alarm_over(b, "drift");
}
