/*
 * The sink of the feed: what the directory says goes into the mirror, in the engine's
 * transaction. It stores what comes at once and decides about absence only at a commit whose
 * read is proven whole.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log-ids.h"
#include "base/log.h"
#include "directory/feed.h"
#include "intake/reading-internal.h"
#include "intake/told.h"
#include "intake/urgent.h"
#include "state/link.h"
#include "state/steady.h"

#define META_COMPARED "compared"
#define FEWEST_LOST   5    /* people: fewer may all leave at once */
#define LOOK_THROUGH  8192 /* rows, which takes 1 to 3 ms */
#define LOOK_AT       512  /* rows that were not shown, one by one: the same */

static int intake_searches(void *userdata, const char *const *bases, unsigned count,
                           struct error *e)
{
    struct reading *g = userdata;
    string_list_done(&g->bases);
    for (unsigned i = 0; i < count; i++)
        if (string_list_add(&g->bases, bases[i]) < 0)
            return error_out_of_memory(e);
    return mirror_searches(g->state, bases, count, e);
}

/* For people: the parts of its key stand in the other order, each on a line. */
static void name_base(const struct reading *g, unsigned search, char *ret, size_t size)
{
    const char *key = search < g->bases.n_items ? g->bases.items[search] : "", *end;
    size_t n = strlen(key), length = 0;
    snprintf(ret, size, "a base");
    while (n && length < size) {
        end = key + --n;
        while (n && key[n - 1] != '\n')
            n--;
        int part = snprintf(ret + length, size - length, "%s%.*s", length ? "," : "",
                            (int)(end - (key + n)), key + n);
        length += part > 0 ? (size_t)part : 0;
    }
}

static int intake_begin(void *userdata, unsigned search, bool full, struct error *e)
{
    struct reading *g = userdata;
    int r = state_write(g->state, e);
    if (r < 0)
        return r;
    g->batch_search = search;
    g->batch_people = 0;
    if (search == 0)
        g->asleep_then_usec = clock_asleep_usec();
    if (!full)
        return 0;
    g->under_way |= 1u << search;
    g->unproven &= ~(1u << search);
    return mirror_begin_full(g->state, search, e);
}

static int intake_entry(void *userdata, unsigned search, struct entry *taken, struct error *e)
{
    CLEANUP(entry_freep) struct entry *entry = taken;
    struct reading *g = userdata;
    unsigned changes = 0;
    int r = mirror_put(g->state, search, entry, &changes, e);
    if (r < 0)
        return r;
    if (entry->kind == ENTRY_PERSON)
        g->batch_people++;
    if (entry->kind == ENTRY_PERSON &&
        (changes != MIRROR_SAME || told_has(rules_told(g->rules), entry->id))) {
        r = ruleset_revokes(rules_ruleset(g->rules), entry);
        if (r < 0)
            return error_out_of_memory(e);
        r = urgent_came(g, entry->id, r > 0, changes != MIRROR_SAME, e);
        if (r < 0)
            return r;
    }
    if (entry->kind != ENTRY_PERSON && changes != MIRROR_SAME)
        rules_doubt_groups(g->rules);
    books_wake(g->books, WORK_DUE);
    return changes & (MIRROR_NEW | MIRROR_RETURNED) ? SINK_NEW : 0;
}

static int intake_left(void *userdata, unsigned search, const char *id, bool stale, const char *why,
                       struct error *e)
{
    struct reading *g = userdata;
    int r = mirror_left(g->state, search, id, stale, why, clock_steady_usec(), e);
    rules_doubt_groups(g->rules); /* it may have been a group */
    books_wake(g->books, WORK_DUE);
    return r;
}

static int intake_unheld(void *userdata, struct string_list *ret, struct error *e)
{
    struct reading *g = userdata;
    return mirror_unheld(g->state, ret, e);
}

static int intake_gone(void *userdata, const char *id, struct error *e)
{
    struct reading *g = userdata;
    int r = mirror_gone(g->state, id, NULL, clock_steady_usec(), e);
    rules_doubt_groups(g->rules);
    books_wake(g->books, WORK_DUE);
    return r;
}

/* As many people as max_disable would let go without approval may leave by their ids alone. */
static int intake_removals(void *userdata, unsigned search, const struct string_list *ids,
                           struct error *e)
{
    struct reading *g = userdata;
    size_t people = 0;
    int r = mirror_count_removals(g->state, search, ids, &people, e);
    size_t limit =
        budget_limit(&g->options->sync->budgets[BUDGET_DISABLE], link_count(g->state, LINK_ACTIVE));
    if (r < 0 || people <= limit)
        return r;
    log_notice("The directory names %zu %s at once as removed, by their ids alone: "
               "everything is read before anybody is taken for gone",
               people, people == 1 ? "person" : "people");
    return SINK_DOUBTFUL;
}

static int intake_unseen(void *userdata, unsigned search, size_t limit, struct string_list *ret,
                         struct error *e)
{
    struct reading *g = userdata;
    int r = mirror_look_for_unseen(g->state, search, LOOK_THROUGH, e);
    if (r == 0)
        r = mirror_sample_unseen(g->state, search, limit, LOOK_AT, ret, e);
    return r == MIRROR_MORE ? SINK_MORE : r;
}

static int intake_present(void *userdata, unsigned search, const char *id, struct error *e)
{
    struct reading *g = userdata;
    int r = mirror_present(g->state, search, id, e);
    return r == STATE_NONE ? SINK_UNKNOWN_ID : r;
}

static int intake_unchanged(void *userdata, unsigned search, const char *id,
                            const unsigned char raw[static ENTRY_RAW_SIZE], struct error *e)
{
    struct reading *g = userdata;
    enum entry_kind kind;
    int r = mirror_unchanged(g->state, search, id, raw, &kind, e);
    if (r != 0)
        return r == STATE_NONE ? SINK_UNKNOWN_ID : r;
    if (kind == ENTRY_PERSON)
        g->batch_people++;
    books_wake(g->books, WORK_DUE);
    return urgent_is_unchanged(g, id, e);
}

static int intake_members(void *userdata, const struct feed_members *m, struct error *e)
{
    struct reading *g = userdata;
    int r = m->was ? mirror_grew(g->state, m->group_id, m->was, m->is, m->added, m->n_added, e)
                   : mirror_members(g->state, m->group_id, m->added, m->n_added, m->removed,
                                    m->n_removed, e);
    if (r == STATE_NONE)
        return SINK_UNKNOWN_ID;
    rules_doubt_groups(g->rules);
    books_wake(g->books, WORK_DUE);
    return r;
}

/* A search that shows groups and not one of the people whom it held is as little a proof as an
 * empty one, whatever the others show: the right to see them was lost. A few may leave all at
 * once. */
static int doubt_nobody(struct reading *g, struct feed_commit *c, char *sentence, size_t size,
                        struct error *e)
{
    char base[300];
    bool shows_anybody = false;
    size_t unseen = 0;
    if (c->absence != FEED_ABSENCE_UNSEEN || g->batch_people)
        return 0;
    int r = mirror_count_unseen(g->state, g->batch_search, &unseen, e);
    if (r == 0 && unseen >= FEWEST_LOST)
        r = mirror_shows_anybody(g->state, g->batch_search, &shows_anybody, e);
    if (r != 0 || unseen < FEWEST_LOST || shows_anybody)
        return r < 0 ? r : 0;
    c->absence = FEED_ABSENCE_UNPROVEN;
    name_base(g, g->batch_search, base, sizeof(base));
    snprintf(sentence, size,
             "%s shows none of the people who were there, as when the account may not see them any "
             "more: give it that right, or, if all of them left, take that base out of [directory] "
             "base, or name another one there",
             base);
    c->reason = sentence;
    c->cookie = NULL;
    c->forget_cookie = true; /* the next read is a whole one, too */
    return 0;
}

/* The cookie and the absences of a read, in the transaction that its entries are in. */
static int commit_batch(struct reading *g, const struct feed_commit *c, struct error *e)
{
    size_t n_gone = 0;
    int r = 0;
    if (c->absence == FEED_ABSENCE_UNSEEN) {
        char why[600];
        snprintf(why, sizeof(why), "not in the %s", c->what ? c->what : "last whole read");
        r = mirror_unseen_left(g->state, g->batch_search, why, clock_steady_usec(), &n_gone, e);
        if (n_gone) {
            rules_doubt_groups(g->rules);
            log_notice("%zu %s gone: %s", n_gone, n_gone == 1 ? "entry is" : "entries are", why);
        }
    }
    bool unfinished = state_meta_number(g->state, "feed-unfinished", 0) != 0;
    if (r == 0 && c->unfinished != unfinished)
        r = state_meta_set(g->state, "feed-unfinished", c->unfinished ? "1" : NULL, e);
    if (r == 0 && c->forget_cookie)
        r = mirror_cookie_set(g->state, g->batch_search, NULL, 0, NULL, e);
    if (r == 0 && c->cookie)
        r = mirror_cookie_set(g->state, g->batch_search, c->cookie, c->cookie_size, c->identity, e);
    g->people_unlooked += g->batch_people;
    bool whole = c->absence == FEED_ABSENCE_UNSEEN;
    if (r == 0 && g->batch_people && (whole || vanish_is_due(g)))
        r = vanish_look(g, whole, e);
    if (r == 0 && c->end_of_read)
        r = state_meta_set(g->state, "read-ended", "1", e);
    return r;
}

static int intake_commit(void *userdata, const struct feed_commit *told, struct error *e)
{
    struct reading *g = userdata;
    struct feed_commit doubted = *told;
    const struct feed_commit *c = &doubted;
    char sentence[700];
    int r = doubt_nobody(g, &doubted, sentence, sizeof(sentence), e);
    if (r == 0)
        r = commit_batch(g, c, e);
    /* What changed goes with what follows from it, which the next turn commits. */
    if (r == 0 && (c->absence != FEED_ABSENCE_NONE || c->end_of_read))
        r = books_commit(g->books, e);
    if (r < 0)
        return r;
    books_note(g->books, WORK_COMMIT);
    if (c->absence == FEED_ABSENCE_UNPROVEN) {
        g->unproven |= 1u << g->batch_search;
        log_event(LOG_WARNING, MSG_READ_NOT_PROVEN,
                  "The directory was not read whole, so nobody is taken for gone: %s",
                  c->reason ? c->reason : "no reason given");
        alarm_set(g->books, "read", REASON_READ_NOT_PROVEN,
                  c->reason ? c->reason : "the read was not whole");
    } else if (c->end_of_read && !g->unproven) {
        alarm_over(g->books, "read"); /* of all searches */
    }
    if (c->what)
        log_info("Directory: %s", c->what);
    if (c->end_of_read) {
        g->under_way = 0; /* of all searches: the last one ends the read */
        g->has_ended = true;
        g->is_away = false;
        g->asleep_usec = g->asleep_then_usec;
        r = vanish_end(g, e);
    }
    books_wake(g->books, WORK_DUE);
    return r;
}

/* What came stays: it is true. The cookie is the old one, so it comes again. */
static void intake_abort(void *userdata)
{
    struct reading *g = userdata;
    g->under_way = 0;
    books_wake(g->books, WORK_DUE);
}

static int intake_cookie(void *userdata, unsigned search, void **ret, size_t *ret_size,
                         char **ret_identity, struct error *e)
{
    struct reading *g = userdata;
    *ret = NULL;
    *ret_size = 0;
    *ret_identity = NULL;
    if (state_meta_number(g->state, "feed-unfinished", 0)) {
        log_notice("Everything is read again: rosterd ended before the directory had said which "
                   "groups name somebody who had just appeared");
        return 0;
    }
    int r = mirror_cookie_get(g->state, search, ret, ret_size, ret_identity, e);
    return r == STATE_NONE ? 0 : r;
}

static int intake_known_dn(void *userdata, const char *id, char **ret, struct error *e)
{
    struct reading *g = userdata;
    *ret = NULL;
    int r = mirror_dn(g->state, id, ret, e);
    return r == STATE_NONE ? 0 : r;
}

static int intake_lacking(void *userdata, const struct entry *entry, char **ret, struct error *e)
{
    struct reading *g = userdata;
    int r = mirror_lacking(g->state, entry, ret, e);
    return r == MIRROR_ALL_SHOWN ? SINK_ALL_SHOWN : r;
}

static int intake_lost(void *userdata, const struct entry *entry, struct entry **ret,
                       struct error *e)
{
    struct reading *g = userdata;
    return mirror_lost(g->state, entry, ret, e);
}

static int intake_dynamic_groups(void *userdata, struct string_list *ret, struct error *e)
{
    struct reading *g = userdata;
    return mirror_dynamic_groups(g->state, ret, e);
}

static int intake_known_entries(void *userdata, unsigned search, size_t *ret, struct error *e)
{
    struct reading *g = userdata;
    return mirror_search_size(g->state, search, ret, e);
}

static int intake_known_id(void *userdata, const char *dn, char **ret, struct error *e)
{
    struct reading *g = userdata;
    *ret = NULL;
    int r = mirror_find_dn(g->state, dn, ret, e);
    return r == STATE_NONE ? 0 : r;
}

static int intake_stale_groups(void *userdata, struct string_list *ret, struct error *e)
{
    struct reading *g = userdata;
    return mirror_stale_groups(g->state, ret, e);
}

static int intake_stale_end(void *userdata, const char *group_id, struct error *e)
{
    struct reading *g = userdata;
    int r = mirror_stale_end(g->state, group_id, e);
    rules_doubt_groups(g->rules);
    books_wake(g->books, WORK_DUE);
    return r;
}

/* The server's schema decides how values match and which names are one: everybody is looked at
 * again if that changed anything. Without one, what was known before serves. */
static const struct schema *intake_schema(void *userdata, struct schema *taken)
{
    struct reading *g = userdata;
    bool reads_more = false;
    if (taken)
        rules_take_schema(g->rules, taken, &reads_more);
    g->has_ended &= !reads_more; /* what was not read yet is not what nobody has */
    return rules_schema(g->rules);
}

static int intake_wanted_groups(void *userdata, struct string_list *ret, struct error *e)
{
    struct reading *g = userdata;
    size_t n_groups;
    const struct ruleset_group *groups = ruleset_groups(rules_ruleset(g->rules), &n_groups);
    int r = 0;
    for (size_t i = 0; i < n_groups && r == 0; i++) {
        bool fine = false;
        r = mirror_group_has_members(g->state, groups[i].dn, &fine, e);
        if (r == 0 && !fine && string_list_add(ret, groups[i].dn) < 0)
            r = error_out_of_memory(e);
    }
    return r;
}

static void intake_group_sighted(void *userdata, const char *dn, const char *sentence)
{
    struct reading *g = userdata;
    rules_sight_group(g->rules, dn, sentence);
}

static const struct string_list *intake_attributes(void *userdata)
{
    struct reading *g = userdata;
    return ruleset_attributes(rules_ruleset(g->rules));
}

static void intake_compared(bool whole, void *userdata)
{
    struct reading *g = userdata;
    struct error e = {0};
    char number[24];
    snprintf(number, sizeof(number), "%" PRIu64, whole ? clock_steady_usec() : 0);
    int r = state_meta_set(g->state, META_COMPARED, number, &e);
    if (r < 0)
        books_failed(g->books, &e);
    books_wake(g->books, WORK_DUE);
}

/* Where it is not known how long the machine was down since, it may be longer ago than any
 * interval. */
static uint64_t intake_compared_usec(void *userdata)
{
    const struct reading *g = userdata;
    uint64_t then = (uint64_t)state_meta_number(g->state, META_COMPARED, 0);
    return steady_knows_age(books_steady(g->books), then) ? then : 0;
}

static void intake_changed(enum directory_state state, void *userdata)
{
    struct reading *g = userdata;
    g->is_away |=
        state == DIRECTORY_CONNECTING || state == DIRECTORY_AWAY || state == DIRECTORY_REFUSED;
    if (g->changed)
        g->changed(g->userdata);
    books_wake(g->books, WORK_DUE);
}

const struct feed_sink engine_sink = {
    .searches = intake_searches,
    .begin = intake_begin,
    .entry = intake_entry,
    .left = intake_left,
    .unheld = intake_unheld,
    .gone = intake_gone,
    .removals = intake_removals,
    .unseen = intake_unseen,
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
    .compared = intake_compared,
    .compared_usec = intake_compared_usec,
    .changed = intake_changed,
    .urgent = &intake_urgent,
};
