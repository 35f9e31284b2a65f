/*
 * One dirty person: mirror and link in, verdict and plan out, queue and ledger brought up to
 * date. It reads and writes the state and sends nothing.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "sync/internal.h"
#include "sync/subject.h"

static void subject_done(struct subject *s)
{
    mirror_entry_done(&s->mirror);
    person_done(&s->person);
    link_done(&s->link);
    verdict_done(&s->verdict);
    user_free(s->known);
    user_free(s->granted);
    user_free(s->quirks);
    user_free(s->found);
    free(s->login_key);
    free(s->twin);
    operation_list_done(&s->queue);
}

int subject_user(const char *json, struct user **ret, struct error *e)
{
    *ret = NULL;
    return json ? user_from_json(ret, json, e) : 0;
}

const char *subject_dn(const struct subject *s)
{
    if (s->mirror.entry)
        return s->mirror.entry->dn;
    return s->person.dn ? s->person.dn : "";
}

/* The place of a rule's group among those that are bound; SIZE_MAX: it is not bound yet, as
 * after a reload, until the next look at everybody. */
static size_t bound_place(const struct engine *n, size_t i, const char *key)
{
    const struct bound_group *bound = n->groups.items;
    if (i < n->groups.n_items && text_equal(bound[i].configured_key, key))
        return i;
    for (size_t k = 0; k < n->groups.n_items; k++)
        if (text_equal(bound[k].configured_key, key))
            return k;
    return SIZE_MAX;
}

/* Judges the entry by the rules as they are now. */
static int judge(struct engine *n, const char *entry_id, const struct entry *entry,
                 bool explain, struct verdict *ret, struct error *e)
{
    size_t n_groups = n->groups.n_items, n_named = 0;
    const struct ruleset_group *named = ruleset_groups(n->ruleset, &n_named);
    struct mirror_membership *found = calloc(n_groups + 1, sizeof *found);
    struct membership *memberships = calloc(n_named + 1, sizeof *memberships);
    int r = found && memberships ? 0 : error_out_of_memory(e);
    if (r == 0)
        r = mirror_memberships(n->state, entry_id, &n->groups, found, e);
    if (r == 0) {
        for (size_t i = 0; i < n_named; i++) {
            size_t k = bound_place(n, i, named[i].key);
            if (k == SIZE_MAX) {
                memberships[i].state = GROUP_MISSING;
                continue;
            }
            enum bound_state s = n->groups.items[k].state;
            /* Whoever was in no way a member of a group when it was deleted loses nothing
             * because of it, and need not wait for it. */
            bool known = s == BOUND_PRESENT || s == BOUND_RENAMED ||
                         (s == BOUND_GONE && !found[k].member);
            memberships[i] = (struct membership){
                .state = known ? GROUP_PRESENT : GROUP_MISSING,
                .member = found[k].member,
                .via = found[k].via,
            };
        }
        r = ruleset_evaluate(n->ruleset, entry, memberships, clock_now_usec(), explain, ret, e);
    }
    if (found)
        mirror_memberships_done(found, n_groups);
    free(found);
    free(memberships);
    return r;
}

int engine_explain(struct engine *n, const char *entry_id, struct verdict *ret, struct error *e)
{
    struct mirror_entry m = {0};
    int r = mirror_load(n->state, entry_id, false, &m, e);
    if (r == 0 && n->groups_dirty)
        r = bind_rule_groups(n, e);
    if (r == 0)
        r = judge(n, entry_id, m.entry, true, ret, e);
    mirror_entry_done(&m);
    return r;
}

static int subject_load(struct engine *n, const char *entry_id, struct subject *s,
                        struct error *e)
{
    int r = mirror_load(n->state, entry_id, false, &s->mirror, e);
    if (r < 0)
        return r;
    r = person_load(n->state, entry_id, &s->person, e);
    if (r < 0)
        return r;
    s->was_known = r == 0;
    r = link_load(n->state, entry_id, &s->link, e);
    if (r < 0)
        return r;
    s->has_link = r == 0;
    r = s->has_link ? subject_user(s->link.known, &s->known, e) : 0;
    if (r == 0 && s->has_link)
        r = subject_user(s->link.granted, &s->granted, e);
    if (r == 0 && s->has_link)
        r = subject_user(s->link.quirks, &s->quirks, e);
    if (r == 0)
        r = queue_of_person(n->state, entry_id, &s->queue, e);
    bool here = s->mirror.entry && !s->mirror.gone && s->mirror.entry->kind == ENTRY_PERSON;
    if (r < 0 || !here)
        return r;
    r = judge(n, entry_id, s->mirror.entry, false, &s->verdict, e);
    s->has_verdict = r == 0;
    if (r == 0)
        r = mirror_twin(n->state, entry_id, &s->twin, e);
    return r < 0 ? r : 0;
}
static bool ruleset_role_fn(const char *role, void *userdata)
{
    return ruleset_names_role(userdata, role);
}

static bool ruleset_skill_fn(const char *skill, void *userdata)
{
    return ruleset_names_skill(userdata, skill);
}

/* An attribute that vanished from many, and from this person's entry too. */
static const char *vanished_here(const struct engine *n, const struct entry *entry,
                                 char *buffer, size_t size)
{
    const char *p = n->vanished[0] == ',' ? n->vanished + 1 : n->vanished;
    while (*p) {
        size_t length = strcspn(p, ",");
        snprintf(buffer, size, "%.*s", (int)length, p);
        if (!entry_attribute(entry, buffer))
            return buffer;
        p += length + (p[length] == ',');
    }
    return NULL;
}

static enum planner_presence presence_of(const struct subject *s)
{
    if (!s->has_verdict)
        return PLANNER_GONE;
    switch (s->verdict.kind) {
    case VERDICT_USER: return PLANNER_WANTED;
    case VERDICT_SKIP: return PLANNER_SKIPPED;
    case VERDICT_INVALID: return PLANNER_INVALID;
    }
    return PLANNER_INVALID;
}

static enum planner_link_status link_status(const struct subject *s)
{
    if (!s->has_link)
        return PLANNER_UNLINKED;
    switch (s->link.status) {
    case LINK_ACTIVE: return PLANNER_ACTIVE;
    case LINK_DISABLED: return PLANNER_DISABLED;
    case LINK_DELETED: return PLANNER_DELETED;
    }
    return PLANNER_UNLINKED;
}

static const char *gone_sentence(const struct subject *s)
{
    if (s->mirror.entry && s->mirror.entry->kind != ENTRY_PERSON)
        return "the entry is no person any more";
    return s->mirror.gone_why ? s->mirror.gone_why : "its entry is not in the mirror";
}

static int plan_subject(struct engine *n, const char *entry_id, struct subject *s,
                        struct planner_result *ret, struct error *e)
{
    static struct user nothing;
    char vanished[256];
    struct planner_input in = {
        .entry_id = entry_id,
        .dn = subject_dn(s),
        .presence = presence_of(s),
        .code = s->verdict.code,
        .sentence = s->has_verdict ? s->verdict.sentence : gone_sentence(s),
        .wanted = s->verdict.user,
        .revoked = s->verdict.revoked,
        .revoke_source = &s->verdict.revoke_source,
        .group_missing = s->verdict.group_missing ? s->verdict.group_missing_dn : NULL,
        .twin = s->twin,
        .vanished_attribute = s->has_verdict
                                  ? vanished_here(n, s->mirror.entry, vanished, sizeof vanished)
                                  : NULL,
        .link = link_status(s),
        .login = s->link.login,
        .known = s->known ? s->known : &nothing,
        .granted = s->granted,
        .quirks = s->quirks,
        .disabled_by_us = s->link.disabled_by_us,
        .renamed_there = s->link.renamed_there,
        .leaving_usec = s->link.leaving_usec,
        .disabled_usec = s->link.disabled_usec,
        .claim = s->claim,
        .claim_sentence = s->claim_sentence,
        .state_restored = books_are_distrusted(n->books),
        .other_tenant = contact_other_tenant(n->contact),
        .successor_sentence = s->successor_sentence[0] ? s->successor_sentence : NULL,
        .adoption_open = contact_adoption_open(n->contact),
        .looking = s->looking,
        .found = s->found,
        .names_role = ruleset_role_fn,
        .names_skill = ruleset_skill_fn,
        .userdata = n->ruleset,
        .options = n->options.sync,
        .now_usec = clock_now_usec(),
    };
    return planner_plan(&in, ret, e);
}

static bool reason_is_planners(const char *reason)
{
    static const char *const reasons[] = {
        REASON_LOGIN_SHARED,   REASON_CONFLICT,           REASON_SAME_MAIL,
        REASON_RENAME_POLICY,  REASON_GROUP_MISSING,      REASON_ADOPTION,
        REASON_ENTRY_INVALID,  REASON_ATTRIBUTE_VANISHED, REASON_RELINK,
        REASON_STATE_RESTORED, REASON_NAME_SHARED,        REASON_ROLES_FIRST,
        REASON_OTHER_TENANT,   REASON_LOCKOUT,
    };
    for (size_t i = 0; reason && i < ARRAY_SIZE(reasons); i++)
        if (text_equal(reason, reasons[i]))
            return true;
    return false;
}

static int move_text(char **to, char **from)
{
    free(*to);
    *to = TAKE(*from);
    return 0;
}

/* The planner's own holds have no time; those that the tenant's answer led to are tried again
 * at one, also where the reason is the same. */
static bool hold_is_planners(const struct operation *o)
{
    return reason_is_planners(o->reason) &&
           (o->state == OPERATION_PARKED || !o->not_before_usec ||
            text_equal(o->reason, REASON_LOCKOUT));
}

/* An operation that was there before and means the same keeps its place, its attempts, its
 * approval, and its hold when that is not the planner's to decide. */
static void carry_over(struct operation *fresh, struct operation *old)
{
    fresh->number = old->number;
    fresh->attempts = old->attempts;
    fresh->approved = old->approved;
    fresh->approved_until_usec = old->approved_until_usec;
    fresh->run = old->run;
    if (fresh->state == OPERATION_PARKED && old->approved) {
        fresh->state = OPERATION_READY;
        free(TAKE(fresh->reason));
        free(TAKE(fresh->cause));
        free(TAKE(fresh->sentence));
    } else if (text_equal(fresh->reason, old->reason)) {
        fresh->since_usec = old->since_usec;
    } else if (fresh->state == OPERATION_READY && !hold_is_planners(old)) {
        fresh->state = old->state;
        fresh->since_usec = old->since_usec;
        if (old->state != OPERATION_READY)
            fresh->not_before_usec = old->not_before_usec;
        move_text(&fresh->reason, &old->reason);
        move_text(&fresh->cause, &old->cause);
        move_text(&fresh->sentence, &old->sentence);
    }
}

/* Its place in the queue is that of the day when it was first due; another grace time moves it
 * forward at most. */
static void give_place(const struct engine *n, struct operation *fresh,
                       const struct operation *old)
{
    uint64_t now = clock_now_usec(), steady = steady_now_usec(books_steady(n->books));
    fresh->due_usec =
        steady + (fresh->not_before_usec > now ? fresh->not_before_usec - now : 0);
    if (old && old->due_usec < fresh->due_usec)
        fresh->due_usec = old->due_usec;
}

/* In the plan already; it is asked again when the operation would start. */
static int hold_lockout(struct engine *n, struct operation *fresh, struct error *e)
{
    struct lockout l;
    int r = lockout_look(n->books, fresh, &l, e);
    if (r <= 0)
        return r;
    uint64_t now = clock_now_usec();
    lockout_alarm(n->books, &l);
    fresh->state = OPERATION_HELD;
    fresh->since_usec = now;
    if (fresh->not_before_usec < now + n->options.sync->hold_retry_usec)
        fresh->not_before_usec = now + n->options.sync->hold_retry_usec;
    return operation_say(fresh, REASON_LOCKOUT, l.cause, l.sentence) < 0 ? error_out_of_memory(e)
                                                                         : 0;
}

static int audit_wait(struct engine *n, const struct operation *o, struct error *e)
{
    struct audit_row row = {
        .event = o->state == OPERATION_PARKED ? "park" : "hold",
        .operation = o,
        .code = o->reason,
        .sentence = o->sentence,
    };
    return books_audit(n->books, &row, e);
}

/* Replaces the person's operations by the planned ones, keeping those that stay the same. */
static int merge_queue(struct engine *n, struct subject *s, struct operation_list *planned,
                       struct error *e)
{
    int r = 0;
    for (size_t i = 0; i < planned->n_items && r == 0; i++) {
        struct operation *fresh = planned->items[i];
        struct operation *old = NULL;
        fresh->budget = guard_budget_of(fresh, n->options.sync);
        for (size_t j = 0; j < s->queue.n_items && !old; j++)
            if (s->queue.items[j] && operation_equal(s->queue.items[j], fresh))
                old = s->queue.items[j];
        give_place(n, fresh, old);
        r = fresh->state == OPERATION_READY ? hold_lockout(n, fresh, e) : 0;
        if (r < 0)
            return r;
        bool waited =
            old && old->state == fresh->state && text_equal(old->reason, fresh->reason);
        if (old) {
            carry_over(fresh, old);
            old->number = 0; /* it is not to be removed */
        } else {
            fresh->run = books_run(n->books);
        }
        if (!old || old->state != fresh->state || old->budget != fresh->budget) {
            books_note(n->books, fresh->revokes ? WORK_GUARD | WORK_REVOCATIONS : WORK_GUARD);
        }
        r = queue_store(n->state, fresh, e);
        bool waits = fresh->state == OPERATION_HELD || fresh->state == OPERATION_PARKED;
        if (r == 0 && waits && !waited && reason_is_planners(fresh->reason))
            r = audit_wait(n, fresh, e);
    }
    for (size_t j = 0; j < s->queue.n_items && r == 0; j++)
        if (s->queue.items[j]->number) {
            books_note(n->books, WORK_GUARD);
            r = queue_remove(n->state, s->queue.items[j]->number, e);
        }
    return r;
}

static int audit_person(struct engine *n, const char *event, const char *entry_id,
                        const struct subject *s, const char *code, const char *sentence,
                        struct error *e)
{
    struct audit_row row = {
        .event = event,
        .entry_id = entry_id,
        .dn = subject_dn(s),
        .login = s->has_link ? s->link.login
                             : (s->verdict.user ? user_get(s->verdict.user, USER_LOGIN) : NULL),
        .code = code,
        .sentence = sentence,
    };
    return books_audit(n->books, &row, e);
}

static int update_leaving(struct engine *n, const char *entry_id, struct subject *s,
                          const struct planner_result *plan, const char *sentence,
                          struct error *e)
{
    if (!s->has_link || s->link.leaving_usec == plan->leaving_usec)
        return 0;
    int r = 0;
    if (plan->started_leaving)
        r = audit_person(n, "leave", entry_id, s, s->verdict.code ? s->verdict.code : "gone",
                         sentence, e);
    else if (plan->returned)
        r = audit_person(n, "return", entry_id, s, NULL, "wanted again", e);
    s->link.leaving_usec = plan->leaving_usec;
    free(s->link.leaving_why);
    s->link.leaving_why = plan->leaving_usec && sentence ? strdup(sentence) : NULL;
    return r < 0 ? r : link_store(n->state, &s->link, e);
}

static enum person_verdict person_verdict_of(enum planner_presence p)
{
    switch (p) {
    case PLANNER_WANTED: return PERSON_USER;
    case PLANNER_SKIPPED: return PERSON_SKIP;
    case PLANNER_INVALID: return PERSON_INVALID;
    case PLANNER_GONE: return PERSON_GONE;
    }
    return PERSON_UNKNOWN;
}

/* Where the person stands once the operations of the plan are carried out; what waits is seen
 * in the queue. */
static enum person_bucket standing_of(const struct planner_result *plan)
{
    switch (plan->bucket) {
    case PLANNER_BUCKET_LEAVING: return BUCKET_LEAVING;
    case PLANNER_BUCKET_SKIPPED:
    case PLANNER_BUCKET_FORGET: return BUCKET_SKIPPED;
    case PLANNER_BUCKET_UNCHANGED:
    case PLANNER_BUCKET_PENDING:
    case PLANNER_BUCKET_HELD: return BUCKET_UNCHANGED;
    }
    return BUCKET_FAILED;
}

/* Whoever shares the old or the new login is in another position now. */
static int wake_sharing(struct engine *n, const char *entry_id, const char *key,
                        struct error *e)
{
    if (!key)
        return 0;
    struct string_list others = {0};
    int r = person_sharing_login(n->state, key, entry_id, &others, e);
    for (size_t i = 0; i < others.n_items && r == 0; i++)
        r = person_mark_dirty(n->state, others.items[i], e);
    string_list_done(&others);
    return r;
}

/* Whoever left may not be removed while somebody with the same login may be that person. */
static int wake_holder(struct engine *n, const char *entry_id, const char *key, struct error *e)
{
    struct link holder = {0};
    int r = key ? link_load_by_login(n->state, key, &holder, e) : STATE_NONE;
    if (r == 0 && !text_equal(holder.entry_id, entry_id))
        r = person_mark_dirty(n->state, holder.entry_id, e);
    link_done(&holder);
    return r < 0 ? r : 0;
}

static int store_person(struct engine *n, const char *entry_id, struct subject *s,
                        const struct planner_result *plan, struct error *e)
{
    enum planner_presence presence = presence_of(s);
    CLEANUP(freep)
    char *wanted = presence == PLANNER_WANTED ? user_to_json(s->verdict.user, true) : NULL;
    struct person p = {
        .entry_id = (char *)entry_id,
        .dn = (char *)subject_dn(s),
        .verdict = person_verdict_of(presence),
        .wanted = wanted,
        .login_key = s->login_key,
        .code = plan->code ? (char *)plan->code : s->verdict.code,
        .sentence = s->has_verdict ? s->verdict.sentence : (char *)gone_sentence(s),
        .recheck_usec = s->verdict.has_recheck ? s->verdict.recheck_usec : 0,
        .standing = standing_of(plan),
        .standing_code = plan->bucket == PLANNER_BUCKET_SKIPPED ? (char *)plan->code : NULL,
        .run = books_run(n->books),
        .dirty = false,
    };
    int r = 0;
    bool skip_is_new =
        p.standing == BUCKET_SKIPPED && (s->person.standing != BUCKET_SKIPPED ||
                                         !text_equal(s->person.standing_code, p.standing_code));
    if (skip_is_new)
        r = audit_person(n, "skip", entry_id, s, plan->code, p.sentence, e);
    if (r == 0)
        r = person_store(n->state, &p, e);
    if (r == 0 && !text_equal(s->person.login_key, s->login_key)) {
        r = wake_sharing(n, entry_id, s->person.login_key, e);
        if (r == 0)
            r = wake_sharing(n, entry_id, s->login_key, e);
        if (r == 0)
            r = wake_holder(n, entry_id, s->person.login_key, e);
        if (r == 0)
            r = wake_holder(n, entry_id, s->login_key, e);
    }
    return r;
}

static int forget(struct engine *n, const char *entry_id, struct subject *s, struct error *e)
{
    int r = 0;
    for (size_t i = 0; i < s->queue.n_items && r == 0; i++)
        r = queue_remove(n->state, s->queue.items[i]->number, e);
    if (r == 0 && s->has_link)
        r = link_remove(n->state, entry_id, e);
    if (r == 0)
        r = wake_sharing(n, entry_id, s->person.login_key, e);
    if (r == 0)
        r = wake_holder(n, entry_id, s->person.login_key, e);
    if (r == 0)
        r = person_forget(n->state, entry_id, e);
    return r < 0 ? r : mirror_forget(n->state, entry_id, e);
}

static bool is_started(const struct subject *s)
{
    for (size_t i = 0; i < s->queue.n_items; i++)
        if (s->queue.items[i]->state == OPERATION_STARTED ||
            operation_is_unclear(s->queue.items[i]))
            return true;
    return false;
}

/* A revocation waits for no evaluation: it stands beside whatever else is in the queue, also
 * beside what is under way, which decides when it may go. */
static int revoke_beside(struct engine *n, const char *entry_id, struct subject *s,
                         struct error *e)
{
    struct planner_result plan = {0};
    bool there = !s->verdict.revoked || !s->has_link || s->link.status != LINK_ACTIVE;
    for (size_t i = 0; i < s->queue.n_items; i++)
        there = there || s->queue.items[i]->revokes;
    if (there)
        return 0;
    int r = plan_subject(n, entry_id, s, &plan, e);
    for (size_t i = 0; i < plan.operations.n_items && r == 0; i++) {
        struct operation *o = plan.operations.items[i];
        o->budget = guard_budget_of(o, n->options.sync);
        o->run = books_run(n->books);
        give_place(n, o, NULL);
        books_note(n->books, WORK_GUARD | WORK_REVOCATIONS);
        r = queue_store(n->state, o, e);
    }
    planner_result_done(&plan);
    if (r == 0)
        executor_make_way(n, entry_id);
    return r;
}

int evaluate_revocation(struct engine *n, const char *entry_id, struct error *e)
{
    struct subject s = {0};
    int r = books_write(n->books, e);
    if (r == 0)
        r = run_join(n->books, "revocation", e);
    if (r == 0)
        r = subject_load(n, entry_id, &s, e);
    if (r == 0)
        r = revoke_beside(n, entry_id, &s, e);
    subject_done(&s);
    return r < 0 ? error_wrap(e, r, "looking at entry %s", entry_id) : 0;
}

/* Whoever has an operation in flight, or one that may have been carried out, is looked at again
 * when its outcome is known: a plan from what was known before could forget what was done. */
static int leave_for_later(struct engine *n, const char *entry_id, struct subject *s,
                           struct error *e)
{
    execution_moved(n, entry_id);
    s->person.dirty = false;
    int r = revoke_beside(n, entry_id, s, e);
    if (r < 0)
        return r;
    return s->was_known ? person_store(n->state, &s->person, e) : 0;
}

/* The user keeps a login that one of the values still gives: a value that was added, or one that
 * comes first now, is no rename. */
static int keep_login(struct subject *s, struct error *e)
{
    if (!s->has_link)
        return 0;
    for (size_t i = 0; i < s->verdict.other_logins.n_items; i++) {
        const char *other = s->verdict.other_logins.items[i];
        CLEANUP(freep) char *key = text_fold(other, strlen(other));
        const struct source *source = &s->verdict.user->fields[USER_LOGIN].source;
        if (!key)
            return error_out_of_memory(e);
        if (text_equal(key, s->link.login_key))
            return user_set(s->verdict.user, USER_LOGIN, other, source) < 0 ? error_out_of_memory(e)
                                                                             : 0;
    }
    return 0;
}

static int decide(struct engine *n, const char *entry_id, struct subject *s, struct error *e)
{
    int r = 0;
    if (s->verdict.user) {
        r = keep_login(s, e);
        if (r < 0)
            return r;
        const char *login = user_get(s->verdict.user, USER_LOGIN);
        s->login_key = text_fold(login, strlen(login));
        if (!s->login_key)
            return error_out_of_memory(e);
        r = claim_find(n, entry_id, s, e);
        if (s->looking)
            books_note(n->books, WORK_GUARD); /* contact_evaluated() has somebody to look at */
    } else if (!s->has_verdict && s->has_link) {
        r = claim_find_successor(n, entry_id, s, e);
    }
    struct planner_result plan = {0};
    if (r == 0)
        r = plan_subject(n, entry_id, s, &plan, e);
    if (r == 0 && plan.bucket == PLANNER_BUCKET_FORGET) {
        r = forget(n, entry_id, s, e);
    } else if (r == 0) {
        r = merge_queue(n, s, &plan.operations, e);
        if (r == 0)
            r = update_leaving(n, entry_id, s, &plan,
                               s->has_verdict ? s->verdict.sentence : gone_sentence(s), e);
        if (r == 0)
            r = store_person(n, entry_id, s, &plan, e);
    }
    planner_result_done(&plan);
    return r;
}

int evaluate_person(struct engine *n, const char *entry_id, struct error *e)
{
    struct subject s = {0};
    int r = books_write(n->books, e);
    if (r == 0)
        r = subject_load(n, entry_id, &s, e);
    if (r == 0)
        r = is_started(&s) ? leave_for_later(n, entry_id, &s, e) : decide(n, entry_id, &s, e);
    subject_done(&s);
    return r < 0 ? error_wrap(e, r, "looking at entry %s", entry_id) : 0;
}
