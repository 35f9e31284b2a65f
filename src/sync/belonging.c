/*
 * Whose users the state holds. With another [tenant] url or scope behind the same state file
 * the links are nobody's here: they are set aside, and the tenant is met as at first contact,
 * except that nothing at all is written before a person approves. Going back to the tenant that
 * the state belongs to, before that, finds the links as they were.
 */
#include "config.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/log-ids.h"
#include "base/log.h"
#include "sync/internal.h"

/* "https://acme.example.com, scope acme.example.com": for people, and to compare. */
static char *identity_of(const struct engine_options *o)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    const char *url = o->tenant_url, *scope = o->tenant_scope;
    size_t length = strlen(url);
    while (length && url[length - 1] == '/')
        length--;
    buffer_format(&b, "%.*s%s%s", (int)length, url, scope ? ", scope " : "", scope ? scope : "");
    char *identity = buffer_take(&b);
    for (char *p = identity; p && *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return identity;
}

/* What was planned or under way concerns the other tenant. */
static int drop_operations(struct engine *n, const char *sentence, struct error *e)
{
    struct operation_list started = {0};
    int r = queue_started(n->state, &started, e);
    for (size_t i = 0; i < started.n_items && r == 0; i++) {
        struct audit_row row = {.event = "outcome",
                                .operation = started.items[i],
                                .code = REASON_OTHER_TENANT,
                                .sentence = sentence};
        r = books_audit(n->books, &row, e);
    }
    operation_list_done(&started);
    return r < 0 ? r : queue_clear(n->state, e);
}

/* From the tenant that the state belongs to, to another. A second move before the approval
 * changes nothing about whose the state is. */
static int set_aside(struct engine *n, const char *before, struct error *e)
{
    bool done = state_meta_number(n->state, "first-contact-done", 0) != 0;
    int r = link_set_aside(n->state, e);
    if (r == 0)
        r = state_meta_set(n->state, "other-tenant", before, e);
    if (r == 0)
        r = state_meta_set(n->state, "other-contact-done", done ? "1" : NULL, e);
    return r;
}

static int take_back(struct engine *n, struct error *e)
{
    CLEANUP(freep) char *done = NULL;
    int r = state_meta_get(n->state, "other-contact-done", &done, e);
    if (r >= 0)
        r = person_mark_links_aside_dirty(n->state, e);
    if (r == 0)
        r = link_take_back(n->state, e);
    if (r == 0)
        r = state_meta_set(n->state, "first-contact-done", done, e);
    return r < 0 ? r : state_meta_set(n->state, "other-tenant", NULL, e);
}

static int change_tenant(struct engine *n, const char *before, const char *now, struct error *e)
{
    CLEANUP(freep) char *owner = NULL;
    char sentence[900];
    int r = state_meta_get(n->state, "other-tenant", &owner, e);
    if (r < 0)
        return r;
    bool back = owner && text_equal(owner, now);
    snprintf(sentence, sizeof sentence,
             back ? "the state file belongs to the tenant %s, which is the configured one again"
                  : "the state file belongs to the tenant %s, and [tenant] now names %s: nothing "
                    "is written there before `rosterctl plan` was looked at and approved; if that "
                    "is not meant, correct [tenant]",
             owner ? owner : before, now);
    log_event(LOG_WARNING, MSG_ADOPTION, "%c%s", toupper((unsigned char)sentence[0]),
              sentence + 1);
    struct audit_row row = {
        .event = "configuration", .code = REASON_OTHER_TENANT, .sentence = sentence};
    r = books_audit(n->books, &row, e);
    if (r == 0)
        r = drop_operations(n, sentence, e);
    if (r == 0)
        r = listing_clear(n->state, e);
    if (r == 0)
        r = state_meta_set(n->state, "first-contact-done", NULL, e);
    if (r == 0)
        r = back ? take_back(n, e) : owner ? 0 : set_aside(n, before, e);
    return r < 0 ? r : person_mark_all_dirty(n->state, e);
}

int belonging_check(struct engine *n, struct error *e)
{
    CLEANUP(freep) char *before = NULL;
    CLEANUP(freep) char *owner = NULL;
    if (!n->options.tenant_url)
        return 0;
    CLEANUP(freep) char *now = identity_of(&n->options);
    int r = now ? books_write(n->books, e) : error_out_of_memory(e);
    if (r == 0)
        r = state_meta_get(n->state, "tenant", &before, e);
    if (r >= 0 && before && !text_equal(before, now))
        r = change_tenant(n, before, now, e);
    if (r >= 0)
        r = state_meta_set(n->state, "tenant", now, e);
    if (r >= 0)
        r = state_meta_get(n->state, "other-tenant", &owner, e);
    if (r < 0)
        return r;
    n->adoption_open = state_meta_number(n->state, "first-contact-done", 0) == 0;
    if (owner)
        snprintf(n->other_tenant, sizeof n->other_tenant,
                 "the state file belongs to the tenant %s, not to %s: approve the plan to begin "
                 "anew with this one, or correct [tenant]",
                 owner, now);
    else if (n->other_tenant[0])
        n->other_tenant[0] = '\0';
    if (!owner)
        alarm_over(n->books, REASON_OTHER_TENANT);
    return 0;
}

int belonging_accept(struct engine *n, struct error *e)
{
    if (!n->other_tenant[0])
        return 0;
    n->other_tenant[0] = '\0';
    int r = link_drop_aside(n->state, e);
    if (r == 0)
        r = state_meta_set(n->state, "other-tenant", NULL, e);
    if (r == 0)
        alarm_over(n->books, REASON_OTHER_TENANT);
    return r;
}
