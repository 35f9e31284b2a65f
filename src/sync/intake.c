/*
 * The sink of the feed: what the directory says goes into the mirror, in the engine's
 * transaction. It stores what comes at once and decides about absence only at a commit whose
 * read is proven whole.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log-ids.h"
#include "base/log.h"
#include "sync/guard.h"
#include "sync/internal.h"

#define FEWEST_LOST 5 /* people: fewer may all leave at once */

static int intake_searches(void *userdata, const char *const *bases, unsigned count,
                           struct error *e)
{
    struct engine *n = userdata;
    int r = books_write(n->books, e);
    return r < 0 ? r : mirror_searches(n->state, bases, count, e);
}

static int intake_begin(void *userdata, unsigned search, bool full, struct error *e)
{
    struct engine *n = userdata;
    int r = books_write(n->books, e);
    if (r < 0)
        return r;
    n->batch_search = search;
    n->batch_full = full;
    n->batch_people = 0;
    if (!full)
        return 0;
    n->reading |= 1u << search;
    n->unproven &= ~(1u << search);
    return mirror_begin_full(n->state, search, e);
}

static int intake_entry(void *userdata, unsigned search, struct entry *taken, struct error *e)
{
    CLEANUP(entry_freep) struct entry *entry = taken;
    struct engine *n = userdata;
    unsigned changes = 0;
    int r = books_write(n->books, e);
    if (r == 0)
        r = mirror_put(n->state, search, entry, &changes, e);
    if (r < 0)
        return r;
    if (entry->kind == ENTRY_PERSON)
        n->batch_people++;
    if (entry->kind == ENTRY_PERSON && changes != MIRROR_SAME) {
        r = ruleset_revokes(n->ruleset, entry);
        if (r > 0)
            r = string_list_add(&n->first.revocations, entry->id);
        if (r < 0)
            return error_out_of_memory(e);
    }
    if (entry->kind != ENTRY_PERSON && changes != MIRROR_SAME)
        n->groups_dirty = true;
    books_wake(n->books, WORK_DUE);
    return 0;
}

static int intake_left(void *userdata, unsigned search, const char *id, const char *why,
                       struct error *e)
{
    struct engine *n = userdata;
    int r = books_write(n->books, e);
    if (r == 0)
        r = mirror_left(n->state, search, id, why, clock_now_usec(), e);
    n->groups_dirty = true; /* it may have been a group */
    books_wake(n->books, WORK_DUE);
    return r;
}

static int intake_unheld(void *userdata, struct string_list *ret, struct error *e)
{
    struct engine *n = userdata;
    return mirror_unheld(n->state, ret, e);
}

static int intake_gone(void *userdata, const char *id, struct error *e)
{
    struct engine *n = userdata;
    int r = books_write(n->books, e);
    if (r == 0)
        r = mirror_gone(n->state, id, NULL, clock_now_usec(), e);
    n->groups_dirty = true;
    books_wake(n->books, WORK_DUE);
    return r;
}

/* As many people as max_disable would let go without approval may leave by their ids alone. */
static int intake_removals(void *userdata, unsigned search, const struct string_list *ids,
                           struct error *e)
{
    struct engine *n = userdata;
    size_t people = 0;
    int r = mirror_count_removals(n->state, search, ids, &people, e);
    size_t limit = guard_limit(&n->options.sync->budgets[BUDGET_DISABLE],
                               link_count(n->state, LINK_ACTIVE));
    if (r < 0 || people <= limit)
        return r;
    log_notice("The directory names %zu people at once as removed, by their ids alone: "
               "everything is read before anybody is taken for gone",
               people);
    return SINK_DOUBTFUL;
}

static int intake_present(void *userdata, unsigned search, const char *id, struct error *e)
{
    struct engine *n = userdata;
    int r = books_write(n->books, e);
    if (r == 0)
        r = mirror_present(n->state, search, id, e);
    return r == STATE_NONE ? SINK_UNKNOWN_ID : r;
}

static int intake_unchanged(void *userdata, unsigned search, const char *id,
                            const unsigned char raw[static ENTRY_RAW_SIZE], struct error *e)
{
    struct engine *n = userdata;
    enum entry_kind kind;
    int r = books_write(n->books, e);
    if (r == 0)
        r = mirror_unchanged(n->state, search, id, raw, &kind, e);
    if (r != 0)
        return r == STATE_NONE ? SINK_UNKNOWN_ID : r;
    if (kind == ENTRY_PERSON)
        n->batch_people++;
    books_wake(n->books, WORK_DUE);
    return 0;
}

static int intake_members(void *userdata, const struct feed_members *m, struct error *e)
{
    struct engine *n = userdata;
    int r = books_write(n->books, e);
    if (r == 0)
        r = mirror_members(n->state, m->group_id, m->added, m->n_added, m->removed,
                           m->n_removed, e);
    n->groups_dirty = true;
    books_wake(n->books, WORK_DUE);
    return r == STATE_NONE ? SINK_UNKNOWN_ID : r;
}

/* A read that shows groups and not one of the people who were there is as little a proof as an
 * empty one: the right to see them was lost. A few may leave all at once. */
static int doubt_nobody(struct engine *n, struct feed_commit *c, struct error *e)
{
    struct mirror_counts all;
    size_t unseen = 0;
    int r = c->absence == FEED_ABSENCE_UNSEEN && !n->batch_people ? books_write(n->books, e) : 1;
    if (r == 0)
        r = mirror_count_unseen(n->state, n->batch_search, &unseen, e);
    if (r == 0 && unseen >= FEWEST_LOST)
        r = mirror_counts(n->state, &all, e);
    if (r != 0 || unseen < FEWEST_LOST || unseen < all.people)
        return r < 0 ? r : 0;
    c->absence = FEED_ABSENCE_UNPROVEN;
    c->reason = "it shows none of the people who were there, as when the account may not see them "
                "any more";
    c->cookie = NULL;
    c->forget_cookie = true; /* the next read is a whole one, too */
    return 0;
}

/* The cookie and the absences of a read, in the transaction that its entries are in. */
static int commit_batch(struct engine *n, const struct feed_commit *c, struct error *e)
{
    size_t n_gone = 0;
    int r = books_write(n->books, e);
    if (r == 0 && c->absence == FEED_ABSENCE_UNSEEN) {
        char why[600];
        snprintf(why, sizeof why, "not in the %s", c->what ? c->what : "last whole read");
        r = mirror_unseen_left(n->state, n->batch_search, why, clock_now_usec(), &n_gone, e);
        if (n_gone) {
            n->groups_dirty = true;
            log_notice("%zu entries are gone: %s", n_gone, why);
        }
    }
    bool unfinished = state_meta_number(n->state, "feed-unfinished", 0) != 0;
    if (r == 0 && c->unfinished != unfinished)
        r = state_meta_set(n->state, "feed-unfinished", c->unfinished ? "1" : NULL, e);
    if (r == 0 && c->forget_cookie)
        r = mirror_cookie_set(n->state, n->batch_search, NULL, 0, NULL, e);
    if (r == 0 && c->cookie)
        r = mirror_cookie_set(n->state, n->batch_search, c->cookie, c->cookie_size, c->identity,
                              e);
    n->people_unlooked += n->batch_people;
    bool whole = c->absence == FEED_ABSENCE_UNSEEN;
    if (r == 0 && n->batch_people && (whole || vanish_is_due(n)))
        r = vanish_look(n, whole, e);
    if (r == 0 && c->end_of_read)
        r = state_meta_set(n->state, "read-ended", "1", e);
    return r;
}

static int intake_commit(void *userdata, const struct feed_commit *told, struct error *e)
{
    struct engine *n = userdata;
    struct feed_commit doubted = *told;
    const struct feed_commit *c = &doubted;
    int r = doubt_nobody(n, &doubted, e);
    if (r == 0)
        r = commit_batch(n, c, e);
    if (r == 0)
        r = books_commit(n->books, e);
    if (r < 0)
        return r;
    if (c->absence == FEED_ABSENCE_UNPROVEN) {
        n->unproven |= 1u << n->batch_search;
        log_event(LOG_WARNING, MSG_READ_NOT_PROVEN,
                  "The directory was not read whole, so nobody is taken for gone: %s",
                  c->reason ? c->reason : "no reason given");
        alarm_set(n->books, "read", REASON_READ_NOT_PROVEN,
                  c->reason ? c->reason : "the read was not whole");
    } else if (c->end_of_read && !n->unproven) {
        alarm_over(n->books, "read"); /* of all searches */
    }
    if (c->what)
        log_info("Directory: %s", c->what);
    if (c->end_of_read) {
        n->reading = 0; /* of all searches: the last one ends the read */
        n->read_ended = true;
    }
    books_wake(n->books, WORK_DUE);
    return 0;
}

/* What came stays: it is true. The cookie is the old one, so it comes again. */
static void intake_abort(void *userdata)
{
    struct engine *n = userdata;
    n->reading = 0;
    books_wake(n->books, WORK_DUE);
}

static int intake_cookie(void *userdata, unsigned search, void **ret, size_t *ret_size,
                         char **ret_identity, struct error *e)
{
    struct engine *n = userdata;
    *ret = NULL;
    *ret_size = 0;
    *ret_identity = NULL;
    if (state_meta_number(n->state, "feed-unfinished", 0)) {
        log_notice("Everything is read again: rosterd ended while it was still being asked which "
                   "groups name somebody who had just appeared");
        return 0;
    }
    int r = mirror_cookie_get(n->state, search, ret, ret_size, ret_identity, e);
    return r == STATE_NONE ? 0 : r;
}

static int intake_known_dn(void *userdata, const char *id, char **ret, struct error *e)
{
    struct engine *n = userdata;
    *ret = NULL;
    int r = mirror_dn(n->state, id, ret, e);
    return r == STATE_NONE ? 0 : r;
}

static int intake_lacking(void *userdata, const struct entry *entry, char **ret,
                          struct error *e)
{
    struct engine *n = userdata;
    return mirror_lacking(n->state, entry, ret, e);
}

static int intake_lost(void *userdata, const struct entry *entry, struct entry **ret,
                       struct error *e)
{
    struct engine *n = userdata;
    return mirror_lost(n->state, entry, ret, e);
}

static int intake_dynamic_groups(void *userdata, struct string_list *ret, struct error *e)
{
    struct engine *n = userdata;
    return mirror_dynamic_groups(n->state, ret, e);
}

static int intake_known_entries(void *userdata, unsigned search, size_t *ret, struct error *e)
{
    struct engine *n = userdata;
    return mirror_search_size(n->state, search, ret, e);
}

static int intake_known_id(void *userdata, const char *dn, char **ret, struct error *e)
{
    struct engine *n = userdata;
    *ret = NULL;
    int r = mirror_find_dn(n->state, dn, ret, e);
    return r == STATE_NONE ? 0 : r;
}

static int intake_stale_groups(void *userdata, struct string_list *ret, struct error *e)
{
    struct engine *n = userdata;
    return mirror_stale_groups(n->state, ret, e);
}

static int intake_stale_end(void *userdata, const char *group_id, struct error *e)
{
    struct engine *n = userdata;
    int r = books_write(n->books, e);
    if (r == 0)
        r = mirror_stale_end(n->state, group_id, e);
    n->groups_dirty = true;
    books_wake(n->books, WORK_DUE);
    return r;
}

static int replace_schema(struct engine *n, const struct schema *schema, const char *text,
                          struct error *e)
{
    int r = books_write(n->books, e);
    if (r == 0)
        r = state_meta_set(n->state, "schema", text, e);
    return r < 0 ? r : mirror_use_schema(n->state, schema, e);
}

static void take_schema(struct engine *n, struct schema *taken)
{
    CLEANUP(schema_freep) struct schema *schema = taken;
    CLEANUP(freep) char *text = schema_to_json(schema);
    CLEANUP(freep) char *old = NULL;
    CLEANUP(string_list_done) struct string_list read_before = {0};
    struct error e = {0};
    if (engine_copy_attributes(n->ruleset, &read_before) < 0 || !text || state_meta_get(n->state, "schema", &old, &e) < 0)
        return;
    if (old && text_equal(old, text))
        return;
    struct schema *before = n->schema;
    int r = replace_schema(n, schema, text, &e);
    if (r == 0) {
        n->schema = TAKE(schema);
        r = bind_ruleset(n, &e);
        if (r == 0 && engine_reads_more(n->ruleset, &read_before))
            n->read_ended = false; /* what was not read yet is not what nobody has */
        if (r == 0)
            schema_free(before); /* the old ruleset that borrowed it is gone */
        else
            n->schema = before;
    }
    if (r < 0)
        log_error("The directory's schema cannot be used: %s", e.message);
    books_wake(n->books, WORK_DUE);
}

/* The server's schema decides how values match and which names are one: everybody is looked at
 * again if that changed anything. Without one, what was known before serves. */
static const struct schema *intake_schema(void *userdata, struct schema *taken)
{
    struct engine *n = userdata;
    if (taken)
        take_schema(n, taken);
    return n->schema;
}

static int intake_wanted_groups(void *userdata, struct string_list *ret, struct error *e)
{
    struct engine *n = userdata;
    size_t n_groups;
    const struct ruleset_group *groups = ruleset_groups(n->ruleset, &n_groups);
    int r = 0;
    for (size_t i = 0; i < n_groups && r == 0; i++) {
        bool fine = false;
        r = mirror_group_has_members(n->state, groups[i].dn, &fine, e);
        if (r == 0 && !fine && string_list_add(ret, groups[i].dn) < 0)
            r = error_out_of_memory(e);
    }
    return r;
}

static void intake_group_sighted(void *userdata, const char *dn, const char *sentence)
{
    struct engine *n = userdata;
    if (!dn) {
        string_list_done(&n->sighted);
        string_list_done(&n->sightings);
        return;
    }
    /* Without memory for it the plain sentence is said. */
    if (string_list_add(&n->sightings, sentence) == 0)
        (void)string_list_add(&n->sighted, dn);
}

static const struct string_list *intake_attributes(void *userdata)
{
    struct engine *n = userdata;
    return ruleset_attributes(n->ruleset);
}

static void intake_changed(void *userdata)
{
    struct engine *n = userdata;
    if (n->directory_fn)
        n->directory_fn(n->directory_userdata);
    books_wake(n->books, WORK_DUE);
}

const struct feed_sink engine_sink = {
    .searches = intake_searches,
    .begin = intake_begin,
    .entry = intake_entry,
    .left = intake_left,
    .unheld = intake_unheld,
    .gone = intake_gone,
    .removals = intake_removals,
    .present = intake_present,
    .unchanged = intake_unchanged,
    .members = intake_members,
    .commit = intake_commit,
    .abort = intake_abort,
    .cookie = intake_cookie,
    .known_dn = intake_known_dn,
    .lacking = intake_lacking,
    .lost = intake_lost,
    .dynamic_groups = intake_dynamic_groups,
    .known_entries = intake_known_entries,
    .wanted_groups = intake_wanted_groups,
    .group_sighted = intake_group_sighted,
    .known_id = intake_known_id,
    .stale_groups = intake_stale_groups,
    .stale_end = intake_stale_end,
    .schema = intake_schema,
    .attributes = intake_attributes,
    .changed = intake_changed,
};
