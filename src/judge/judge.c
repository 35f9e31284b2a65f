/*
 * Who is looked at next, and what follows for one person: mirror and link in, verdict and plan
 * out, queue and ledger brought up to date.
 */
#include "config.h"

#include "judge/judge.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "contact/contact.h"
#include "intake/reading.h"
#include "judge/judge-internal.h"
#include "state/round.h"

#define PEOPLE_A_TURN 64
#define ROUND_A_TURN  128 /* of a round that looks at few of them */
#define AHEAD_MAX     512
#define VANISHED_SIZE 256

struct judge {
    struct books *books;
    struct rules *rules;
    struct reading *reading;
    struct contact *contact;
    /* Whom something was planned for that may go before everybody was looked at: people whose own
     * entry or groups changed, and those of the round. */
    struct string_list ahead, ahead_of_round;
    struct string_list revocations; /* whose revocations are looked at; n_looked: of these */
    size_t n_looked;
    bool has_looked; /* since the time of the next recheck was asked for */
    uint64_t recheck_usec;
};

/* 0: none, or past. */
static uint64_t start_to_come(const struct dossier *s)
{
    const struct verdict *v = &s->verdict;
    return v->has_start && v->start_usec > clock_date_usec() ? v->start_usec : 0;
}

/* When a date changes what is decided about the person, on the clock of dates; 0: none will. */
static uint64_t next_date(const struct judge *j, const struct dossier *s)
{
    uint64_t dates = clock_date_usec(), ahead = books_options(j->books)->sync->create_ahead_usec;
    uint64_t start = start_to_come(s), at = s->verdict.has_recheck ? s->verdict.recheck_usec : 0;
    uint64_t first = start > dates + ahead ? start - ahead : start;
    return first && (!at || first < at) ? first : at;
}

static struct planner_verdict verdict_of(const struct judge *j, const struct dossier *s,
                                         char vanished[static VANISHED_SIZE])
{
    bool is_unread = false;
    const char *name = s->has_verdict ? reading_vanished_here(j->reading, s->mirror.entry, vanished,
                                                              VANISHED_SIZE, &is_unread)
                                      : NULL;
    return (struct planner_verdict){
        .presence = dossier_presence(s),
        .code = s->verdict.code,
        .sentence = dossier_sentence(s),
        .wanted = s->verdict.user,
        .revoked = s->verdict.revoked,
        .revoke_source = &s->verdict.revoke_source,
        .start_usec = start_to_come(s),
        .start_source = &s->verdict.start_source,
        .group_missing = s->verdict.group_missing ? s->verdict.group_missing_dn : NULL,
        .vanished_attribute = name,
        .attribute_unread = is_unread,
    };
}

static struct planner_link link_of(const struct dossier *s)
{
    static struct user nothing;
    return (struct planner_link){
        .status = dossier_link_status(s),
        .login = s->link.login,
        .known = s->known ? s->known : &nothing,
        .granted = s->granted,
        .quirks = s->quirks,
        .disabled_by_us = s->link.disabled_by_us,
        .disabled_as_dormant = s->link.dormant_usec != 0,
        .renamed_there = s->link.renamed_there,
        .used_usec = link_used_usec(&s->link),
        .shown_disabled = s->has_link && link_shown_disabled(&s->link),
        .vanished = s->link.gone != LINK_THERE,
        .has_our_id = text_equal(s->link.origin, "create"),
        .maybe_renamed = s->link.gone == LINK_GONE_OR_RENAMED,
        .leaving_usec = s->link.leaving_usec,
        .disabled_usec = s->link.disabled_usec,
    };
}

static int plan_for(struct judge *j, struct dossier *s, struct planner_result *ret, struct error *e)
{
    char vanished[VANISHED_SIZE];
    const struct engine_options *o = books_options(j->books);
    struct planner_input in = {
        .entry_id = s->entry_id,
        .dn = dossier_dn(s),
        .verdict = verdict_of(j, s, vanished),
        .twin = s->twin,
        .link = link_of(s),
        .claim = s->claim,
        .claim_sentence = s->claim_sentence,
        .successor = {.sentence = s->successor_sentence[0] ? s->successor_sentence : NULL,
                      .revoked = s->successor_revoked,
                      .idle = s->successor_idle},
        .adoption = {.open = contact_adoption_open(j->contact),
                     .looking = s->looking,
                     .asking = s->asking,
                     .found = s->found,
                     .found_granted = s->found_granted},
        .state_restored = books_are_distrusted(j->books),
        .other_tenant = contact_other_tenant(j->contact),
        .rules = {.names_role = rules_names_role,
                  .names_skill = rules_names_skill,
                  .userdata = j->rules},
        .parts = o->tenant_ops->parts(o->tenant),
        .options = o->sync,
        .now_usec = clock_steady_usec(),
        .dates_usec = clock_date_usec(),
    };
    in.rules.conflicts.items =
        ruleset_conflicts(rules_ruleset(j->rules), &in.rules.conflicts.n_items);
    return planner_plan(&in, ret, e);
}

static bool is_started(const struct dossier *s)
{
    for (size_t i = 0; i < s->queue.n_items; i++)
        if (s->queue.items[i]->state == OPERATION_STARTED ||
            operation_is_unclear(s->queue.items[i]))
            return true;
    return false;
}

/* A revocation waits for no evaluation: it stands beside whatever else is in the queue, also
 * beside what is under way, which decides when it may go. */
static int revoke_beside(struct judge *j, struct dossier *s, struct error *e)
{
    struct planner_result plan = {0};
    bool there = !s->verdict.revoked || !s->has_link || s->link.status != LINK_ACTIVE;
    for (size_t i = 0; i < s->queue.n_items; i++)
        there = there || s->queue.items[i]->revokes;
    if (there)
        return 0;
    int r = plan_for(j, s, &plan, e);
    for (size_t i = 0; i < plan.operations.n_items && r == 0; i++)
        r = merge_beside(j->books, s, plan.operations.items[i], e);
    planner_result_done(&plan);
    if (r == 0)
        books_hurry(j->books, s->entry_id);
    return r;
}

/* A revocation that waits and is none any more: neither by the entry nor by what was told of it.
 * Of one that is gone nobody can tell. */
static int drop_revocations(struct judge *j, struct dossier *s, struct error *e)
{
    int r = 0;
    if (!s->has_verdict || s->verdict.revoked)
        return 0;
    for (size_t i = 0; i < s->queue.n_items && r == 0; i++) {
        const struct operation *o = s->queue.items[i];
        if (!o->revokes || o->state == OPERATION_STARTED || operation_is_unclear(o))
            continue;
        books_note(j->books, WORK_GUARD | WORK_REVOCATIONS);
        r = queue_remove(books_state(j->books), o->number, e);
        if (r == 0) /* what else is wanted comes of the next look at the whole */
            r = person_mark_dirty(books_state(j->books), s->entry_id, e);
    }
    return r;
}

int judge_revocation(struct judge *j, const char *entry_id, struct error *e)
{
    struct dossier s = {0};
    int r = run_join(j->books, "revocation", e);
    if (r == 0)
        r = dossier_load(&s, j->books, j->rules, entry_id, e);
    if (r == 0)
        r = standing_note_enabled(j->books, &s, e);
    if (r == 0)
        r = drop_revocations(j, &s, e);
    if (r == 0)
        r = revoke_beside(j, &s, e);
    dossier_done(&s);
    return r < 0 ? error_wrap(e, r, "looking at entry %s", entry_id) : 0;
}

/* Whoever has an operation in flight, or one that may have been carried out, is looked at again
 * when its outcome is known: a plan from what was known before could forget what was done. */
static int leave_for_later(struct judge *j, struct dossier *s, struct error *e)
{
    books_note_moved(j->books, s->entry_id);
    s->person.dirty = false;
    int r = revoke_beside(j, s, e);
    if (r < 0)
        return r;
    return s->was_known ? person_store(books_state(j->books), &s->person, e) : 0;
}

/* The user keeps a login that one of the values still gives: a value that was added, or one
 * that comes first now, is no rename. */
static int keep_login(struct dossier *s, struct error *e)
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

/* The tenant has the user whose access is to end, and nothing is linked to it yet. */
static int want_disabled(struct user *wanted, const struct source *why, struct error *e)
{
    wanted->disabled = true;
    source_done(&wanted->disabled_source);
    return source_copy(&wanted->disabled_source, why) < 0 ? error_out_of_memory(e) : 0;
}

/* Whose access is to end, of whom no user is known though there may be one. */
static bool may_have_a_user(const struct judge *j, const struct dossier *s)
{
    enum link_status link = dossier_link_status(s);
    bool disabled = s->verdict.user->disabled && !contact_lists_all(j->contact);
    return (link == LINK_UNLINKED || link == LINK_DELETED) && s->claim == PLANNER_LOGIN_FREE &&
           (s->verdict.revoked || (disabled && !books_options(j->books)->sync->create_disabled));
}

static int decide(struct judge *j, struct dossier *s, bool *ret_planned, struct error *e)
{
    const struct engine_options *o = books_options(j->books);
    int r = 0;
    if (s->verdict.user) {
        if (o->tenant_ops->canon)
            r = o->tenant_ops->canon(o->tenant, s->verdict.user, e);
        if (r == 0)
            r = keep_login(s, e);
        if (r < 0)
            return r;
        const char *login = user_get(s->verdict.user, USER_LOGIN);
        s->login_key = text_fold(login, strlen(login));
        if (!s->login_key)
            return error_out_of_memory(e);
        r = claim_find(j->books, s, e);
        if (r == 0 && s->verdict.revoked && s->claim == PLANNER_LOGIN_AT_TENANT)
            r = want_disabled(s->verdict.user, &s->verdict.revoke_source, e);
        if (r == 0 && may_have_a_user(j, s))
            r = contact_ask(j->contact, login, s->login_key, &s->asking, e);
        if (s->looking || s->asking)
            books_note(j->books, WORK_GUARD); /* contact_evaluated() has somebody to look at */
    } else if (!s->has_verdict && s->has_link) {
        r = claim_find_successor(j->books, s, e);
    }
    struct planner_result plan = {0};
    if (r == 0)
        r = standing_note_enabled(j->books, s, e);
    if (r == 0)
        r = plan_for(j, s, &plan, e);
    *ret_planned = plan.operations.n_items > 0;
    if (r == 0 && plan.wanted) { /* without what is withheld: nobody is made with it */
        user_free(s->verdict.user);
        s->verdict.user = TAKE(plan.wanted);
    }
    if (r == 0 && plan.forget) {
        r = standing_forget(j->books, s, e);
    } else if (r == 0) {
        r = merge_queue(j->books, s, &plan.operations, e);
        if (r == 0)
            r = standing_keep(j->books, s, &plan, next_date(j, s), e);
    }
    planner_result_done(&plan);
    return r;
}

/* ahead: NULL, or where somebody is noted for whom something was planned. */
static int look_at_person(struct judge *j, const char *entry_id, struct string_list *ahead,
                          struct error *e)
{
    struct dossier s = {0};
    bool planned = false;
    int r = state_write(books_state(j->books), e); /* thousands are read in a row */
    if (r == 0)
        r = dossier_load(&s, j->books, j->rules, entry_id, e);
    if (r == 0)
        r = is_started(&s) ? leave_for_later(j, &s, e) : decide(j, &s, &planned, e);
    if (r == 0 && planned && ahead && ahead->n_items < AHEAD_MAX &&
        string_list_add(ahead, entry_id) < 0)
        r = error_out_of_memory(e);
    dossier_done(&s);
    return r < 0 ? error_wrap(e, r, "looking at entry %s", entry_id) : 0;
}

bool judge_may(const struct judge *j)
{
    return !reading_is_under_way(j->reading) && reading_has_ended(j->reading) &&
           (contact_is_listed(j->contact) || !books_options(j->books)->tenant);
}

static int take_revocations(struct judge *j, struct error *e)
{
    CLEANUP(string_list_done) struct string_list noted = {0};
    if (j->n_looked < j->revocations.n_items)
        return 0;
    string_list_done(&j->revocations);
    j->n_looked = 0;
    j->revocations = reading_take_revocations(j->reading);
    noted = books_take_revocations(j->books);
    for (size_t i = 0; i < noted.n_items; i++)
        if (string_list_add(&j->revocations, noted.items[i]) < 0)
            return error_out_of_memory(e);
    return 0;
}

/* As many as may have been revoked at once, or as may be asked about anew. */
int judge_revocations(struct judge *j, bool *ret_more, struct error *e)
{
    *ret_more = false;
    int r = take_revocations(j, e);
    for (size_t n = 0; r == 0 && n < PEOPLE_A_TURN && j->n_looked < j->revocations.n_items; n++)
        r = judge_revocation(j, j->revocations.items[j->n_looked++], e);
    *ret_more = j->n_looked < j->revocations.n_items;
    return r;
}

/* The guard has seen a whole plan, and nothing is in doubt that concerns everybody. */
static bool may_go_ahead(const struct judge *j, bool plan_was_seen)
{
    return plan_was_seen && !contact_adoption_open(j->contact) && !books_are_distrusted(j->books) &&
           !contact_other_tenant(j->contact);
}

/* Everybody was looked at: when is somebody to be looked at again? */
static int note_recheck(struct judge *j, uint64_t now, struct error *e)
{
    uint64_t next = 0;
    j->has_looked = false;
    int r = person_mark_due(books_state(j->books), now, &next, e);
    j->recheck_usec = next;
    return r;
}

static int look_at_round(struct judge *j, struct string_list *ahead, bool *ret_more,
                         struct error *e)
{
    int64_t numbers[ROUND_A_TURN];
    CLEANUP(string_list_done) struct string_list ids = {0};
    bool narrow = round_is_narrow(books_state(j->books));
    int r = round_next(books_state(j->books), narrow ? ROUND_A_TURN : PEOPLE_A_TURN, &ids, numbers,
                       ret_more, e);
    for (size_t i = 0; i < ids.n_items && r >= 0; i++) {
        r = rules_touch(j->rules, numbers[i], ids.items[i], e);
        if (r > 0)
            r = run_join(j->books, "directory", e);
        else if (r == 0)
            continue;
        if (r == 0)
            r = look_at_person(j, ids.items[i], ahead, e);
    }
    if (r >= 0 && !*ret_more)
        rules_round_is_over(j->rules);
    return r < 0 ? r : 0;
}

/* Looking at somebody may mark others, so until nobody is left, or enough for one turn. */
static int look_at_marked(struct judge *j, struct string_list *ahead, size_t *ret_n,
                          struct error *e)
{
    int r = 0;
    for (size_t n = 1; r == 0 && n && *ret_n < PEOPLE_A_TURN; *ret_n += n) {
        CLEANUP(string_list_done) struct string_list ids = {0};
        r = person_next_dirty(books_state(j->books), PEOPLE_A_TURN - *ret_n, &ids, e);
        n = ids.n_items;
        if (r == 0 && n)
            r = run_join(j->books, "directory", e);
        for (size_t i = 0; i < n && r == 0; i++)
            r = look_at_person(j, ids.items[i], ahead, e);
    }
    return r;
}

int judge_some(struct judge *j, bool plan_was_seen, bool *ret_more, bool *ret_ahead,
               struct error *e)
{
    uint64_t now = clock_date_usec();
    size_t n_marked = 0;
    bool ahead = may_go_ahead(j, plan_was_seen), round = false;
    *ret_more = *ret_ahead = false;
    if (!judge_may(j))
        return 0;
    int r = 0;
    if (j->recheck_usec && j->recheck_usec <= now)
        r = person_mark_due(books_state(j->books), now, &j->recheck_usec, e);
    if (r == 0) /* also when nobody is dirty: a renamed group is said */
        r = rules_bind_groups(j->rules, e);
    if (r == 0)
        r = mirror_mark_below(books_state(j->books), e);
    if (r == 0)
        r = look_at_marked(j, ahead ? &j->ahead : NULL, &n_marked, e);
    if (r == 0 && n_marked < PEOPLE_A_TURN)
        r = look_at_round(j, ahead ? &j->ahead_of_round : NULL, &round, e);
    *ret_more = n_marked >= PEOPLE_A_TURN || round;
    *ret_ahead = round;
    j->has_looked |= n_marked || round;
    return r == 0 && !*ret_more && j->has_looked ? note_recheck(j, now, e) : r;
}

void judge_take_ahead(struct judge *j, struct string_list *ret, struct string_list *ret_of_round)
{
    *ret = j->ahead;
    *ret_of_round = j->ahead_of_round;
    j->ahead = j->ahead_of_round = (struct string_list){0};
}

uint64_t judge_due_usec(const struct judge *j)
{
    return judge_may(j) ? j->recheck_usec : 0;
}

int judge_explain(struct judge *j, const char *entry_id, struct verdict *ret, struct error *e)
{
    struct mirror_entry m = {0};
    int r = mirror_load(books_state(j->books), entry_id, &m, e);
    if (r == 0)
        r = rules_bind_groups(j->rules, e);
    if (r == 0)
        r = rules_evaluate(j->rules, entry_id, m.entry, true, ret, e);
    mirror_entry_done(&m);
    return r;
}

int judge_new(struct judge **ret, struct books *b, struct rules *rules, struct reading *reading,
              struct contact *contact, struct error *e)
{
    struct judge *j = calloc(1, sizeof(*j));
    if (!j)
        return error_out_of_memory(e);
    *j = (struct judge){.books = b, .rules = rules, .reading = reading, .contact = contact};
    *ret = j;
    return 0;
}

struct judge *judge_free(struct judge *j)
{
    if (!j)
        return NULL;
    string_list_done(&j->ahead);
    string_list_done(&j->ahead_of_round);
    string_list_done(&j->revocations);
    free(j);
    return NULL;
}

int judge_start(struct judge *j, struct error *e)
{
    return person_mark_due(books_state(j->books), clock_date_usec(), &j->recheck_usec, e);
}
