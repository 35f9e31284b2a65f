/*
 * What is kept of a person once it is planned: where the person stands, since when it leaves,
 * and who else is in another position because of it.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "base/buffer.h"
#include "judge/judge-internal.h"

static int audit_person(struct books *b, const char *event, const struct dossier *s,
                        const char *code, const char *sentence, struct error *e)
{
    struct audit_row row = {
        .event = event,
        .entry_id = s->entry_id,
        .dn = dossier_dn(s),
        .login = s->has_link ? s->link.login
                             : (s->verdict.user ? user_get(s->verdict.user, USER_LOGIN) : NULL),
        .code = code,
        .sentence = sentence,
    };
    return books_audit(b, &row, e);
}

static int update_leaving(struct books *b, struct dossier *s, const struct planner_result *plan,
                          struct error *e)
{
    if (!s->has_link || s->link.leaving_usec == plan->leaving_usec)
        return 0;
    const char *sentence = dossier_sentence(s);
    int r = 0;
    if (plan->started_leaving)
        r = audit_person(b, "leave", s, s->verdict.code ? s->verdict.code : "gone", sentence, e);
    else if (plan->returned)
        r = audit_person(b, "return", s, NULL, "wanted again", e);
    s->link.leaving_usec = plan->leaving_usec;
    free(s->link.leaving_why);
    s->link.leaving_why = plan->leaving_usec && sentence ? strdup(sentence) : NULL;
    return r < 0 ? r : link_store(books_state(b), &s->link, e);
}

/* Where the person stands once the operations of the plan are carried out; what waits is seen
 * in the queue. */
static enum person_bucket standing_of(const struct planner_result *plan)
{
    return plan->bucket == BUCKET_LEAVING || plan->bucket == BUCKET_SKIPPED ? plan->bucket
                                                                            : BUCKET_UNCHANGED;
}

/* Whoever shares the old or the new login is in another position now. */
static int wake_sharing(struct books *b, const char *entry_id, const char *key, struct error *e)
{
    if (!key)
        return 0;
    struct string_list others = {0};
    int r = person_sharing_login(books_state(b), key, entry_id, &others, e);
    for (size_t i = 0; i < others.n_items && r == 0; i++)
        r = person_mark_dirty(books_state(b), others.items[i], e);
    string_list_done(&others);
    return r;
}

/* Of whoever left and is the same person the access ends, too. */
static bool is_revoked_otherwise(const struct person *before, const struct person *now)
{
    return text_equal(before->code, REASON_REVOKED) != text_equal(now->code, REASON_REVOKED);
}

/* … or is not kept enabled for a new entry that is disabled, or has not started. */
static bool is_idle_otherwise(const struct dossier *s, const struct person *now)
{
    const struct person *before = &s->person;
    return !s->has_link &&
           ((before->standing == BUCKET_SKIPPED) != (now->standing == BUCKET_SKIPPED) ||
            !text_equal(before->wanted, now->wanted));
}

/* Whoever left may not be removed while somebody with the same login may be that person. */
static int wake_holder(struct books *b, const char *entry_id, const char *key, struct error *e)
{
    struct link holder = {0};
    int r = key ? link_load_by_login(books_state(b), key, &holder, e) : STATE_NONE;
    if (r == 0 && !text_equal(holder.entry_id, entry_id))
        r = person_mark_dirty(books_state(b), holder.entry_id, e);
    link_done(&holder);
    return r < 0 ? r : 0;
}

static int store_person(struct books *b, struct dossier *s, const struct planner_result *plan,
                        uint64_t recheck_usec, struct error *e)
{
    enum verdict_kind presence = dossier_presence(s);
    CLEANUP(freep)
    char *wanted = presence == VERDICT_USER ? user_to_json(s->verdict.user, false) : NULL;
    struct person p = {
        .entry_id = (char *)s->entry_id,
        .dn = (char *)dossier_dn(s),
        .verdict = presence,
        .wanted = wanted,
        .login_key = s->login_key,
        .code = plan->code ? (char *)plan->code : s->verdict.code,
        .sentence = (char *)dossier_sentence(s),
        .recheck_usec = recheck_usec,
        .standing = standing_of(plan),
        .standing_code =
            plan->bucket == BUCKET_SKIPPED && !plan->forget ? (char *)plan->code : NULL,
        .run = books_run(b),
        .dirty = false,
    };
    int r = 0;
    bool skip_is_new =
        p.standing == BUCKET_SKIPPED && (s->person.standing != BUCKET_SKIPPED ||
                                         !text_equal(s->person.standing_code, p.standing_code));
    if (skip_is_new)
        r = audit_person(b, "skip", s, plan->code, p.sentence, e);
    if (r == 0)
        r = person_store(books_state(b), &p, e);
    if (r == 0 && !text_equal(s->person.login_key, s->login_key)) {
        r = wake_sharing(b, s->entry_id, s->person.login_key, e);
        if (r == 0 && !s->alone)
            r = wake_sharing(b, s->entry_id, s->login_key, e);
        if (r == 0)
            r = wake_holder(b, s->entry_id, s->person.login_key, e);
        if (r == 0 && !s->alone)
            r = wake_holder(b, s->entry_id, s->login_key, e);
    } else if (r == 0 && (is_revoked_otherwise(&s->person, &p) || is_idle_otherwise(s, &p))) {
        r = wake_holder(b, s->entry_id, s->login_key, e);
    }
    return r;
}

int standing_note_enabled(struct books *b, struct dossier *s, struct error *e)
{
    struct link *l = &s->link;
    CLEANUP(buffer_done) struct buffer details = {0};
    if (!s->has_link || !s->known || !(s->verdict.revoked || s->successor_revoked) ||
        !link_was_enabled(l))
        return 0;
    l->status = LINK_ACTIVE;
    s->known->disabled = false;
    free(TAKE(l->drift)); /* whatever else there is shows in the next verification */
    free(l->known);
    l->known = user_to_json(s->known, false);
    buffer_format(&details, "{\"found\":%s}", l->known ? l->known : "");
    if (!l->known || details.failed)
        return error_out_of_memory(e);
    struct audit_row row = {.event = "drift",
                            .entry_id = s->entry_id,
                            .login = l->login,
                            .code = "repair",
                            .sentence = LINK_DRIFT_ENABLED,
                            .details = details.data};
    int r = books_audit(b, &row, e);
    return r < 0 ? r : link_store(books_state(b), l, e);
}

int standing_forget(struct books *b, struct dossier *s, struct error *e)
{
    int r = 0;
    for (size_t i = 0; i < s->queue.n_items && r == 0; i++)
        r = queue_remove(books_state(b), s->queue.items[i]->number, e);
    if (r == 0 && s->has_link)
        r = link_remove(books_state(b), s->entry_id, e);
    if (r == 0)
        r = wake_sharing(b, s->entry_id, s->person.login_key, e);
    if (r == 0)
        r = wake_holder(b, s->entry_id, s->person.login_key, e);
    if (r == 0)
        r = person_forget(books_state(b), s->entry_id, e);
    return r < 0 ? r : mirror_forget(books_state(b), s->entry_id, e);
}

int standing_keep(struct books *b, struct dossier *s, const struct planner_result *plan,
                  uint64_t recheck_usec, struct error *e)
{
    int r = update_leaving(b, s, plan, e);
    return r < 0 ? r : store_person(b, s, plan, recheck_usec, e);
}
