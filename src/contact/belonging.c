/*
 * Whose users the state holds. With another [tenant] url or scope behind the same state file
 * the links are nobody's here: they are set aside, and the tenant is met as at first contact,
 * except that nothing at all is written before a person approves. Going back to the tenant that
 * the state belongs to, before that, finds the links as they were. So it is where the token alone
 * says whose users are shown, and known users are not there (acquaintance.h).
 */
#include "config.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "audit/audit.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/log-ids.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "books/books.h"
#include "books/engine-types.h"
#include "contact/contact.h"
#include "contact/sighted.h"
#include "model/operation.h"
#include "state/link.h"
#include "state/listing.h"
#include "state/person.h"
#include "state/queue.h"
#include "state/state.h"

static size_t without_slashes(const char *text)
{
    size_t length = strlen(text);
    while (length && text[length - 1] == '/')
        length--;
    return length;
}

/* "https://acme.example.com, scope acme.example.com": for people, and to compare. Hosts are the
 * same in whatever case, paths are not. */
static char *identity_of(const struct engine_options *o)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    const char *scope = o->tenant_scope, *path = o->tenant_path ? o->tenant_path : "";
    buffer_add(&b, o->tenant_url, without_slashes(o->tenant_url));
    size_t n_host = b.size;
    buffer_add(&b, path, without_slashes(path));
    size_t n_path = b.size;
    buffer_format(&b, "%s%s", scope ? ", scope " : "", scope ? scope : "");
    char *identity = buffer_take(&b);
    for (size_t i = 0; identity && identity[i]; i++)
        if (i < n_host || i >= n_path)
            identity[i] = (char)tolower((unsigned char)identity[i]);
    return identity;
}

struct dropping {
    struct books *books;
    const char *sentence;
    struct error *e;
};

static int drop(const struct operation *o, void *userdata)
{
    struct dropping *d = userdata;
    struct audit_row row = {
        .event = "outcome", .operation = o, .code = REASON_OTHER_TENANT, .sentence = d->sentence};
    return books_audit(d->books, &row, d->e);
}

/* What began and was to be settled by reading. */
static int drop_unclear(const struct operation *o, void *userdata)
{
    return text_equal(o->reason, REASON_UNCLEAR) ? drop(o, userdata) : 0;
}

/* What was planned or under way concerns the other tenant. */
static int drop_operations(struct books *b, const char *sentence, struct error *e)
{
    struct dropping d = {b, sentence, e};
    struct operation_list started = {0};
    int r = queue_started(books_state(b), &started, e);
    for (size_t i = 0; i < started.n_items && r == 0; i++)
        r = drop(started.items[i], &d);
    operation_list_done(&started);
    if (r == 0)
        r = queue_each(books_state(b), OPERATION_READY, drop_unclear, &d, e);
    if (r == 0) /* it was about another plan */
        r = approval_forget_all(books_state(b), e);
    return r < 0 ? r : queue_clear(books_state(b), e);
}

/* From the tenant that the state belongs to, to another. A second move before the approval
 * changes nothing about whose the state is. */
static int set_aside(struct books *b, const char *before, struct error *e)
{
    bool done = state_meta_number(books_state(b), "first-contact-done", 0) != 0;
    int r = link_set_aside(books_state(b), e);
    if (r == 0)
        r = state_meta_set(books_state(b), "other-tenant", before, e);
    if (r == 0)
        r = state_meta_set(books_state(b), "other-contact-done", done ? "1" : NULL, e);
    return r;
}

static int take_back(struct books *b, struct error *e)
{
    CLEANUP(freep) char *done = NULL;
    int r = state_meta_get(books_state(b), "other-contact-done", &done, e);
    if (r >= 0)
        r = person_mark_links_aside_dirty(books_state(b), e);
    if (r == 0)
        r = link_take_back(books_state(b), e);
    if (r == 0)
        r = state_meta_set(books_state(b), "first-contact-done", done, e);
    return r < 0 ? r : state_meta_set(books_state(b), "other-tenant", NULL, e);
}

/* Nothing that was planned, approved or learnt is about the tenant that is met now. */
static int begin_anew(struct books *b, const char *sentence, struct error *e)
{
    int r = drop_operations(b, sentence, e);
    if (r == 0)
        r = listing_clear(books_state(b), e);
    if (r == 0)
        r = sighted_forget(books_state(b), e);
    if (r == 0)
        r = state_meta_set(books_state(b), CONTACT_APPROVED, NULL, e);
    return r < 0 ? r : state_meta_set(books_state(b), "first-contact-done", NULL, e);
}

static int tell(struct books *b, const char *sentence, struct error *e)
{
    log_event(LOG_WARNING, MSG_ADOPTION, "%c%s", toupper((unsigned char)sentence[0]), sentence + 1);
    struct audit_row row = {
        .event = "configuration", .code = REASON_OTHER_TENANT, .sentence = sentence};
    return books_audit(b, &row, e);
}

static int change_tenant(struct books *b, const char *before, const char *now, struct error *e)
{
    CLEANUP(freep) char *owner = NULL;
    char sentence[900];
    int r = state_meta_get(books_state(b), "other-tenant", &owner, e);
    if (r < 0)
        return r;
    bool back = owner && text_equal(owner, now);
    snprintf(
        sentence, sizeof(sentence),
        back
            ? "the state file belongs to the tenant %s, which is the configured one again"
            : "the state file belongs to the tenant %s, and [tenant] now names %s: nothing is written there until `rosterctl plan` has been looked at and approved; if that "
              "is not meant, correct [tenant]",
        owner ? owner : before, now);
    r = tell(b, sentence, e);
    if (r == 0)
        r = begin_anew(b, sentence, e);
    if (r == 0)
        r = back ? take_back(b, e) : owner ? 0 : set_aside(b, before, e);
    return r < 0 ? r : person_mark_all_dirty(books_state(b), e);
}

int belonging_check(struct books *b, char *ret_other, size_t size, struct error *e)
{
    CLEANUP(freep) char *before = NULL;
    CLEANUP(freep) char *owner = NULL;
    if (!books_options(b)->tenant_url)
        return 0;
    CLEANUP(freep) char *now = identity_of(books_options(b));
    int r = now ? state_meta_get(books_state(b), "tenant", &before, e) : error_out_of_memory(e);
    if (r >= 0 && before && !text_equal(before, now))
        r = change_tenant(b, before, now, e);
    if (r >= 0)
        r = state_meta_set(books_state(b), "tenant", now, e);
    if (r >= 0)
        r = state_meta_get(books_state(b), "other-tenant", &owner, e);
    if (r < 0)
        return r;
    ret_other[0] = '\0';
    if (owner && text_equal(owner, now))
        snprintf(
            ret_other, size,
            "the users of the state file are not there, so the token of [tenant] "
            "client_secret_file is another organisation's at %s: approve the plan to begin anew "
            "with this one (or if all of them were deleted there), or correct the token and "
            "restart rosterd",
            now);
    else if (owner)
        snprintf(ret_other, size,
                 "the state file belongs to the tenant %s, not to %s: approve the plan to begin "
                 "anew with this one, or correct [tenant]",
                 owner, now);
    else
        alarm_over(b, REASON_OTHER_TENANT);
    return 0;
}

int belonging_is_aside(struct books *b, bool *ret, struct error *e)
{
    CLEANUP(freep) char *owner = NULL;
    CLEANUP(freep) char *now = NULL;
    int r = state_meta_get(books_state(b), "other-tenant", &owner, e);
    if (r >= 0)
        r = state_meta_get(books_state(b), "tenant", &now, e);
    *ret = owner && text_equal(owner, now);
    return r < 0 ? r : 0;
}

int belonging_proven(struct books *b, struct error *e)
{
    static const char sentence[] =
        "the token of [tenant] client_secret_file shows the users of the state file again";
    bool aside = false;
    int r = belonging_is_aside(b, &aside, e);
    if (r < 0 || !aside)
        return r;
    r = tell(b, sentence, e);
    if (r == 0)
        r = begin_anew(b, sentence, e);
    if (r == 0)
        r = take_back(b, e);
    return r < 0 ? r : person_mark_all_dirty(books_state(b), e);
}

/* Whoever it was before: the users who are there now were shown to nobody. */
int belonging_refuted(struct books *b, struct error *e)
{
    CLEANUP(freep) char *owner = NULL;
    CLEANUP(freep) char *now = NULL;
    char sentence[900];
    int r = state_meta_get(books_state(b), "other-tenant", &owner, e);
    if (r >= 0)
        r = state_meta_get(books_state(b), "tenant", &now, e);
    if (r < 0)
        return r;
    snprintf(
        sentence, sizeof(sentence),
        "users whom the state file knows were looked for at %s, and none of them is there: "
        "the token of [tenant] client_secret_file is another organisation's, or somebody "
        "deleted all of them; nothing is written there until `rosterctl plan` has been looked at and approved; if that is not meant, correct the token and restart rosterd",
        now ? now : "the tenant");
    r = owner ? 0 : tell(b, sentence, e);
    if (r == 0)
        r = begin_anew(b, sentence, e);
    if (r == 0 && !owner)
        r = set_aside(b, now, e);
    return r < 0 ? r : person_mark_all_dirty(books_state(b), e);
}

int belonging_accept(struct books *b, struct error *e)
{
    /* Who is gone was not forgotten for as long as that was open. */
    int r = person_mark_links_aside_dirty(books_state(b), e);
    if (r == 0)
        r = password_due_clear_aside(books_state(b), e);
    if (r == 0)
        r = link_drop_aside(books_state(b), e);
    if (r == 0)
        r = state_meta_set(books_state(b), "other-tenant", NULL, e);
    if (r == 0)
        r = state_meta_set(books_state(b), CONTACT_APPROVED, NULL, e);
    if (r == 0)
        alarm_over(b, REASON_OTHER_TENANT);
    return r;
}
