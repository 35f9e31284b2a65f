/*
 * Between a feed and the sink. A feed says what it saw; this room takes it, gets what the
 * server left out, asks what is to be asked before anything follows, and commits. What it takes
 * is in entries.c; the single reads, in fetches.c.
 */
#include "config.h"

#include "directory/batch.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "directory/bases.h"
#include "directory/entries.h"
#include "directory/environment.h"
#include "directory/feed.h"
#include "directory/fetches.h"
#include "directory/follow.h"
#include "directory/group-reads.h"
#include "directory/leaving.h"
#include "directory/places.h"

/* What the open batch is for. */
enum purpose {
    FOR_FEED,
    FOR_GROUPS, /* that are read again, between the feed's */
    FOR_CHAIN,  /* what followed from another, before the feed goes on */
};

struct feed_batch {
    struct feed_environment *env;
    struct feed_batch_events events;
    void *userdata;
    struct entries *entries;
    struct fetches *fetches;
    struct places *places;
    struct leaving *leaving;
    struct group_reads *group_reads;
    struct follows *follows; /* NULL: references are not followed */
    bool failed;             /* for life */

    bool open, finishing;
    enum purpose purpose;
};

static void pump(struct feed_batch *b);

static void fail(struct feed_batch *b, int r, const struct error *e)
{
    if (b->failed)
        return;
    b->failed = true;
    group_reads_stop(b->group_reads);
    feed_failed(b->env, r, e);
}

void feed_batch_reference(struct feed_batch *b, char *const *urls)
{
    struct error e = {0};
    if (!entries_full(b->entries))
        return;
    int r = follows_add(b->follows, entries_search(b->entries), urls, &e);
    if (r < 0)
        fail(b, r, &e);
}

static void reset(struct feed_batch *b, bool full)
{
    entries_reset(b->entries, entries_search(b->entries), full, 0);
    fetches_reset(b->fetches, full);
    places_reset(b->places);
    leaving_reset(b->leaving, full);
    group_reads_reset(b->group_reads);
    if (b->follows)
        follows_reset(b->follows);
    b->open = b->finishing = false;
    b->purpose = FOR_FEED;
}

void feed_batch_abort(struct feed_batch *b)
{
    if (!b->open)
        return;
    reset(b, entries_full(b->entries));
    b->env->sink->abort(b->env->userdata);
}

int feed_batch_begin(struct feed_batch *b, unsigned search, bool full, struct error *e)
{
    size_t known = 0;
    int r = full ? b->env->sink->known_entries(b->env->userdata, search, &known, e) : 0;
    if (r == 0)
        r = b->env->sink->begin(b->env->userdata, search, full, e);
    if (r < 0)
        return r;
    reset(b, full);
    entries_reset(b->entries, search, full, known);
    b->open = true;
    char why[FEED_DOUBT_SIZE];
    if (full && !b->env->searches[search].base_visible)
        feed_batch_doubt(b, "%s", bases_sentence(&b->env->searches[search], why));
    return 0;
}

void feed_batch_from_cookie(struct feed_batch *b)
{
    entries_from_cookie(b->entries);
}

void feed_batch_names_gone(struct feed_batch *b)
{
    entries_name_gone(b->entries);
}

bool feed_batch_is_open(const struct feed_batch *b)
{
    return b->open;
}

bool feed_batch_is_finishing(const struct feed_batch *b)
{
    return b->finishing;
}

unsigned feed_batch_search(const struct feed_batch *b)
{
    return entries_search(b->entries);
}

size_t feed_batch_n_entries(const struct feed_batch *b)
{
    return entries_n(b->entries);
}

size_t feed_batch_n_changes(const struct feed_batch *b)
{
    return entries_n_changes(b->entries);
}

const char *feed_batch_watermark(const struct feed_batch *b)
{
    return entries_watermark(b->entries);
}

void feed_batch_doubt(struct feed_batch *b, const char *format, ...)
{
    char sentence[512];
    va_list ap;
    va_start(ap, format);
    vsnprintf(sentence, sizeof(sentence), format, ap);
    va_end(ap);
    entries_doubt(b->entries, sentence);
}

int feed_batch_entry(struct feed_batch *b, LDAP *ld, LDAPMessage *m, const char *id,
                     struct error *e)
{
    return entries_message(b->entries, ld, m, id, e);
}

int feed_batch_pushed(struct feed_batch *b, LDAP *ld, LDAPMessage *m, const char *id,
                      struct error *e)
{
    fetches_told(b->fetches, entries_search(b->entries), id);
    return entries_pushed(b->entries, ld, m, id, e);
}

int feed_batch_roll(struct feed_batch *b, LDAP *ld, LDAPMessage *m, struct error *e)
{
    return entries_roll(b->entries, ld, m, e);
}

int feed_batch_present(struct feed_batch *b, const char *id, struct error *e)
{
    return entries_present(b->entries, id, e);
}

int feed_batch_members(struct feed_batch *b, const char *group_id, const struct member *added,
                       size_t n_added, const struct member *removed, size_t n_removed,
                       struct error *e)
{
    bool older = fetches_signal(b->fetches, entries_search(b->entries), group_id);
    int r = entries_members(b->entries, group_id, added, n_added, removed, n_removed, e);
    return r == 0 ? older : r;
}

int feed_batch_fetch(struct feed_batch *b, const char *base, const char *id, struct error *e)
{
    fetches_signal(b->fetches, entries_search(b->entries), id);
    return fetches_entry(b->fetches, entries_search(b->entries), base, id, e);
}

int feed_batch_left(struct feed_batch *b, const char *id, const char *why, struct error *e)
{
    fetches_told(b->fetches, entries_search(b->entries), id);
    return entries_left(b->entries, entries_search(b->entries), id, why, e);
}

int feed_batch_removed(struct feed_batch *b, const char *id, struct error *e)
{
    return leaving_add(b->leaving, id, e);
}

int feed_batch_take_removals(struct feed_batch *b, struct error *e)
{
    return leaving_take(b->leaving, entries_search(b->entries), e);
}

void feed_batch_reread(struct feed_batch *b)
{
    group_reads_request(b->group_reads);
}

/* Another batch, before the feed goes on. */
static void begin_chained(struct feed_batch *b, unsigned search)
{
    struct error e = {0};
    int r = feed_batch_begin(b, search, false, &e);
    if (r < 0) {
        fail(b, r, &e);
        return;
    }
    b->purpose = FOR_CHAIN;
    feed_batch_finish(b);
}

/* Whether a batch that was just committed left something to be asked or read at once. */
static int has_more(struct feed_batch *b, bool *ret, struct error *e)
{
    CLEANUP(string_list_done) struct string_list unheld = {0};
    int r = b->env->sink->unheld(b->env->userdata, &unheld, e);
    if (r >= 0)
        r = group_reads_has_more(b->group_reads, ret, e);
    *ret = *ret || unheld.n_items > 0;
    return r < 0 ? r : 0;
}

static void commit(struct feed_batch *b)
{
    struct error e = {0};
    unsigned search = entries_search(b->entries);
    bool more = false;
    if (entries_absence(b->entries) && entries_n_changes(b->entries) == 0)
        feed_batch_doubt(b, "the read of %s returned no entry at all",
                         b->env->searches[search].base);
    struct feed_commit c = {
        .absence = entries_absence(b->entries),
        .n_entries = entries_n(b->entries),
        .unfinished = group_reads_unfinished(b->group_reads),
    };
    if (b->purpose == FOR_FEED)
        b->events.prepare(&c, b->userdata);
    else if (entries_n_changes(b->entries) > 0 && !group_reads_rereading(b->group_reads))
        c.what = "what followed from names that were renamed, deleted or appeared";
    if (c.absence == FEED_ABSENCE_UNPROVEN)
        c.reason = entries_doubted(b->entries);
    int r = group_reads_end(b->group_reads, &e);
    if (r == 0)
        r = b->env->sink->commit(b->env->userdata, &c, &e);
    if (r < 0) {
        fail(b, r, &e);
        return;
    }
    if (c.n_entries > 0)
        log_debug("%zu of %zu %s came as the same bytes as before", entries_n_unchanged(b->entries),
                  c.n_entries, c.n_entries == 1 ? "entry" : "entries");
    group_reads_committed(b->group_reads, c.unfinished);
    feed_committed(b->env, &c);
    /* Who was not seen is known only now: they may be elsewhere, and groups name them. */
    r = leaving_committed(b->leaving, search, c.absence, &e);
    if (r == 0 && c.absence == FEED_ABSENCE_UNSEEN)
        r = has_more(b, &more, &e);
    if (r < 0) {
        fail(b, r, &e);
        return;
    }
    group_reads_arm(b->group_reads);
    reset(b, entries_full(b->entries));
    if (more)
        begin_chained(b, search);
    else
        b->events.committed(b->userdata);
}

/* What is asked before a commit: 1 until the answers are here. */
static int ask(struct feed_batch *b, struct error *e)
{
    unsigned search = entries_search(b->entries);
    bool full = entries_full(b->entries);
    int r = full ? leaving_ask_base(b->leaving, search, entries_doubted(b->entries), e) : 0;
    if (r == 0)
        r = places_fetch(b->places, search, full, e);
    if (r == 0 && entries_absence(b->entries) == FEED_ABSENCE_UNSEEN &&
        entries_n_changes(b->entries) > 0)
        r = leaving_ask_unseen(b->leaving, search, e);
    return r == 0 ? leaving_ask_unheld(b->leaving, e) : r;
}

/* Starts what waits, and commits when nothing does. */
static void pump(struct feed_batch *b)
{
    struct error e = {0};
    bool news =
        entries_tell_changes(b->entries) && entries_search(b->entries) == b->env->n_searches - 1;
    bool asked = false;
    int r = fetches_start(b->fetches, &e);
    if (r < 0) {
        fail(b, r, &e);
        return;
    }
    if (!b->finishing || b->failed || fetches_any(b->fetches) ||
        group_reads_asking(b->group_reads) || leaving_asking(b->leaving) ||
        (b->follows && follows_busy(b->follows)))
        return;
    r = ask(b, &e);
    if (r > 0)
        return;
    if (r == 0)
        r = group_reads_before_commit(b->group_reads, news, &asked, &e);
    if (r < 0)
        fail(b, r, &e);
    else if (!asked && !fetches_any(b->fetches))
        commit(b);
}

void feed_batch_finish(struct feed_batch *b)
{
    b->finishing = true;
    pump(b);
}

/* -- what the parts of a batch tell -- */

static int on_entry(unsigned search, struct decoded *d, void *owner, struct error *e)
{
    const struct feed_batch *b = owner;
    return entries_take(b->entries, search, d, e);
}

static int on_read(unsigned search, LDAP *ld, LDAPMessage *m, const char *id, struct raw_entry *ret,
                   void *owner, struct error *e)
{
    const struct feed_batch *b = owner;
    return entries_read_again(b->entries, search, ld, m, id, ret, e);
}

static int on_complete(unsigned search, struct decoded *d, void *owner, struct error *e)
{
    const struct feed_batch *b = owner;
    return entries_pass(b->entries, search, d, e);
}

static int on_left(unsigned search, const char *id, const char *why, void *owner, struct error *e)
{
    const struct feed_batch *b = owner;
    return entries_left(b->entries, search, id, why, e);
}

static int on_gone(const char *id, void *owner, struct error *e)
{
    const struct feed_batch *b = owner;
    return entries_gone(b->entries, id, e);
}

static void on_doubt(const char *sentence, void *owner)
{
    const struct feed_batch *b = owner;
    entries_doubt(b->entries, sentence);
}

/* A read that means to be whole goes on without; nobody leaves because of it. A difference that
 * is lost would never come again. */
static void on_unread(int r, const struct error *e, void *owner)
{
    struct feed_batch *b = owner;
    if (!entries_full(b->entries)) {
        fail(b, r, e);
        return;
    }
    entries_doubt(b->entries, e->message);
    log_debug("%s", e->message);
}

static void on_failed(int r, const struct error *e, void *owner)
{
    fail(owner, r, e);
}

static void on_moved(void *owner)
{
    const struct feed_batch *b = owner;
    if (!b->failed)
        pump(owner);
}

static bool on_is_open(void *owner)
{
    const struct feed_batch *b = owner;
    return b->open;
}

static int on_open(void *owner, struct error *e)
{
    struct feed_batch *b = owner;
    int r = feed_batch_begin(b, b->env->n_searches - 1, false, e);
    if (r == 0)
        b->purpose = FOR_GROUPS;
    return r;
}

static void on_finish(void *owner)
{
    feed_batch_finish(owner);
}

static int add_parts(struct feed_batch *b, struct error *e)
{
    static const struct fetches_events of_fetches = {
        .read = on_read,
        .entry = on_entry,
        .complete = on_complete,
        .left = on_left,
        .doubt = on_doubt,
        .unread = on_unread,
        .failed = on_failed,
        .moved = on_moved,
    };
    static const struct leaving_events of_leaving = {
        .entry = on_entry,
        .left = on_left,
        .gone = on_gone,
        .failed = on_failed,
        .moved = on_moved,
    };
    static const struct group_reads_events of_group_reads = {
        .is_open = on_is_open,
        .open = on_open,
        .finish = on_finish,
        .moved = on_moved,
        .failed = on_failed,
    };
    static const struct follows_events of_follows = {
        .entry = on_entry,
        .doubt = on_doubt,
        .failed = on_failed,
        .over = on_moved,
    };
    bool between = b->events.between && !b->env->once;
    int r = fetches_new(&b->fetches, b->env, &of_fetches, b, e);
    if (r == 0)
        r = places_new(&b->places, b->env, b->fetches, e);
    if (r == 0)
        r = leaving_new(&b->leaving, b->env, b->fetches, &of_leaving, b, e);
    if (r == 0)
        r = group_reads_new(&b->group_reads, b->env, b->fetches, between, &of_group_reads, b, e);
    if (r == 0)
        r = entries_new(&b->entries, b->env, b->fetches, b->places, b->group_reads, e);
    if (r == 0 && b->env->options->referrals == DIRECTORY_REFERRALS_FOLLOW)
        r = follows_new(&b->follows, b->env, &of_follows, b, e);
    return r;
}

static struct feed_batch *free_parts(struct feed_batch *b)
{
    entries_free(b->entries);
    group_reads_free(b->group_reads);
    leaving_free(b->leaving);
    places_free(b->places);
    fetches_free(b->fetches);
    follows_free(b->follows);
    free(b);
    return NULL;
}

int feed_batch_new(struct feed_batch **ret, struct feed_environment *env,
                   const struct feed_batch_events *events, void *userdata, struct error *e)
{
    struct feed_batch *b = calloc(1, sizeof(*b));
    if (!b)
        return error_out_of_memory(e);
    b->env = env;
    b->events = *events;
    b->userdata = userdata;
    int r = add_parts(b, e);
    if (r < 0) {
        free_parts(b);
        return r;
    }
    *ret = b;
    return 0;
}

struct feed_batch *feed_batch_free(struct feed_batch *b)
{
    if (!b)
        return NULL;
    feed_batch_abort(b);
    return free_parts(b);
}
