/*
 * Between a feed and the sink. A feed says what it saw; this room decodes it, fetches what the
 * server left out, keeps the doubts of a read, and commits. It decides nothing about people,
 * and it never lets a group through with part of its members: either all of them were read, or
 * the read is doubtful and the group stays as it was.
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
#include "directory/decode-raw.h"
#include "directory/environment.h"
#include "directory/feed.h"
#include "directory/fetches.h"
#include "directory/follow.h"
#include "directory/group-reads.h"
#include "directory/leaving.h"
#include "directory/libldap.h"
#include "directory/places.h"
#include "directory/search.h"
#include "directory/watermark.h"

/* What one read may bring: this multiple of what was known before, and this many at least. */
#define GROWTH_MAX  10
#define GROWTH_FREE 10000

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
    struct fetches *fetches;
    struct places *places;
    struct leaving *leaving;
    struct group_reads *group_reads;
    struct follows *follows; /* NULL: references are not followed */
    bool failed;             /* for life */

    bool open, finishing;
    enum purpose purpose;
    bool full, from_cookie;
    unsigned search;
    size_t n_entries, n_changes;
    size_t n_unchanged;             /* of n_entries: not even decoded */
    size_t entries_max, n_left_out; /* is_too_many() */
    bool doubted;
    char doubt[512];
    char *watermark;
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
    /* Active Directory points to its own partitions. */
    bool partition = b->env->decoder.active_directory && urls && urls[0] &&
                     search_reference_is_partition(urls[0]);
    if (!b->full || partition)
        return;
    int r = follows_add(b->follows, b->search, urls, &e);
    if (r < 0)
        fail(b, r, &e);
}

static void reset(struct feed_batch *b, bool full)
{
    fetches_reset(b->fetches, full);
    places_reset(b->places);
    leaving_reset(b->leaving);
    group_reads_reset(b->group_reads);
    if (b->follows)
        follows_reset(b->follows);
    free(b->watermark);
    b->watermark = NULL;
    b->open = b->finishing = b->doubted = b->from_cookie = false;
    b->purpose = FOR_FEED;
    b->n_entries = b->n_changes = b->n_left_out = b->n_unchanged = 0;
}

void feed_batch_abort(struct feed_batch *b)
{
    if (!b->open)
        return;
    reset(b, false);
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
    b->entries_max = known == 0                         ? SIZE_MAX /* the first read */
                     : known > GROWTH_FREE / GROWTH_MAX ? known * GROWTH_MAX
                                                        : GROWTH_FREE;
    b->open = true;
    b->full = full;
    b->search = search;
    if (full && !b->env->searches[search].base_visible)
        feed_batch_doubt(b, "the base %s itself cannot be seen by this account",
                         b->env->searches[search].base);
    return 0;
}

void feed_batch_from_cookie(struct feed_batch *b)
{
    b->from_cookie = true;
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
    return b->search;
}

size_t feed_batch_n_entries(const struct feed_batch *b)
{
    return b->n_entries;
}

size_t feed_batch_n_changes(const struct feed_batch *b)
{
    return b->n_changes;
}

const char *feed_batch_watermark(const struct feed_batch *b)
{
    return b->watermark;
}

void feed_batch_doubt(struct feed_batch *b, const char *format, ...)
{
    if (b->doubted)
        return;
    b->doubted = true;
    va_list ap;
    va_start(ap, format);
    vsnprintf(b->doubt, sizeof(b->doubt), format, ap);
    va_end(ap);
}

static void keep_watermark(struct feed_batch *b, char **watermark)
{
    if (!*watermark || !watermark_is_greater(*watermark, b->watermark))
        return;
    free(b->watermark);
    b->watermark = TAKE(*watermark);
}

static int left(struct feed_batch *b, unsigned search, const char *id, const char *why,
                struct error *e)
{
    b->n_changes++;
    return b->env->sink->left(b->env->userdata, search, id, why, e);
}

static int hand_over(struct feed_batch *b, unsigned search, struct decoded *d, struct error *e)
{
    int asking = fetches_lost(b->fetches, search, d, e);
    if (asking != 0)
        return asking < 0 ? asking : 0;
    if (!b->full || b->from_cookie) {
        CLEANUP(freep) char *dn = NULL;
        int r = b->env->sink->known_dn(b->env->userdata, d->entry->id, &dn, e);
        if (r == 0 && !dn && d->entry->kind != ENTRY_CONTAINER)
            r = group_reads_newcomer(b->group_reads, d->dn, e);
        /* Moved in with people below it, of whom no server says a word. */
        bool place = d->has_children || d->entry->kind == ENTRY_CONTAINER;
        if (r == 0 && !dn && place && !d->is_parent)
            feed_doubts(b->env, "a container appeared");
        if (r < 0)
            return r;
    }
    int r = places_note(b->places, d->dn, e);
    if (r < 0)
        return r;
    b->n_entries++;
    b->n_changes++;
    return b->env->sink->entry(b->env->userdata, search, TAKE(d->entry), e);
}

/* A server that goes on for ever is left; one that has grown beyond belief is doubted, and what
 * came first stays: the next read is measured by that. */
static bool is_too_many(struct feed_batch *b, struct error *e, int *ret_r)
{
    if (b->n_entries < b->entries_max)
        return false;
    feed_batch_doubt(
        b,
        "the directory shows more than %zu entries, many times what it held before: "
        "the rest was not taken. If it has really grown so, a further read "
        "(rosterctl sync) takes the next part",
        b->entries_max);
    *ret_r = 0;
    if (++b->n_left_out > b->entries_max)
        *ret_r = error_set(e, -E2BIG, "%s", b->doubt);
    return true;
}

static void say_bad_members(const struct decoded *d)
{
    char shown[120];
    log_warning("%zu members of %s are no DNs, so nobody is meant by them; the first: %s",
                d->n_bad_members, d->dn,
                text_printable(shown, sizeof(shown), d->bad_member, strlen(d->bad_member)));
}

static int take_decoded(struct feed_batch *b, unsigned search, struct decoded *d,
                        struct error *e)
{
    int left_out;
    if (b->full && is_too_many(b, e, &left_out))
        return left_out;
    keep_watermark(b, &d->watermark);
    if (d->alias) {
        log_warning("%s is an alias entry, which is not followed: let the base hold the entry "
                    "that it stands for, and groups name that",
                    d->dn);
        return 0;
    }
    if (d->n_bad_members > 0)
        say_bad_members(d);
    if (!d->entry && d->bad_id) {
        feed_batch_doubt(
            b,
            "the %s of the entry %s cannot identify it: it is longer than 255 bytes, "
            "or no text",
            b->env->decoder.id_attribute, d->dn);
        return 0;
    }
    if (!d->entry) {
        feed_batch_doubt(b, "the entry %s has no %s that this account may read", d->dn,
                         b->env->decoder.id_attribute);
        log_debug("%s: no %s, left out", d->dn, b->env->decoder.id_attribute);
        return 0;
    }
    if (d->deleted)
        return left(b, search, d->entry->id, "the entry was deleted", e);
    if (d->computer)
        return 0;
    bool done = false;
    int r = places_judge(b->places, search, d, &done, e);
    if (r < 0 || done)
        return r;
    if (d->partial)
        feed_batch_doubt(b, "the attribute %s of %s came in part", d->partial, d->dn);
    if (!d->ranges)
        return hand_over(b, search, d, e);
    CLEANUP(freep)
    char *base =
        b->env->decoder.active_directory ? identity_guid_base(d->entry->id) : strdup(d->dn);
    return base ? fetches_ranges(b->fetches, search, base, d, e) : error_out_of_memory(e);
}

/* The mirror took it from the same bytes: there is nothing to decode. Answers SINK_UNKNOWN_ID
 * when it must be, with *raw filled, or empty if these bytes prove nothing. */
static int take_unchanged(struct feed_batch *b, LDAP *ld, LDAPMessage *m, const char *id,
                          struct raw_entry *raw, struct error *e)
{
    int left_out;
    int r = decode_raw(&b->env->decoder, ld, m, id, raw, e);
    if (r != 0)
        return r < 0 ? r : SINK_UNKNOWN_ID;
    if (b->full && is_too_many(b, e, &left_out))
        return left_out;
    r = b->env->sink->unchanged(b->env->userdata, b->search, raw->id, raw->digest, e);
    if (r != 0)
        return r;
    CLEANUP(freep) char *dn = strndup(raw->dn.bv_val, raw->dn.bv_len);
    if (!dn)
        return error_out_of_memory(e);
    keep_watermark(b, &raw->watermark);
    b->n_entries++;
    b->n_changes++;
    b->n_unchanged++;
    return places_note(b->places, dn, e);
}

/* What these bytes are taken for is known whenever they come again, unless there is something
 * to ask or to say each time. */
static void note_raw(struct decoded *d, const struct raw_entry *raw)
{
    if (!raw->id || !d->entry || d->ranges || d->partial || d->n_bad_members > 0 ||
        (d->has_children && d->entry->kind != ENTRY_CONTAINER))
        return;
    memcpy(d->entry->raw, raw->digest, sizeof(d->entry->raw));
    d->entry->has_raw = true;
}

int feed_batch_entry(struct feed_batch *b, LDAP *ld, LDAPMessage *m, const char *id,
                     struct error *e)
{
    CLEANUP(raw_entry_done) struct raw_entry raw = {0};
    CLEANUP(decoded_done) struct decoded d = {0};
    int r = take_unchanged(b, ld, m, id, &raw, e);
    if (r != SINK_UNKNOWN_ID)
        return r;
    r = decode_entry(&b->env->decoder, ld, m, id, &d, e);
    if (r < 0)
        return r;
    note_raw(&d, &raw);
    return take_decoded(b, b->search, &d, e);
}

int feed_batch_pushed(struct feed_batch *b, LDAP *ld, LDAPMessage *m, const char *id,
                      struct error *e)
{
    CLEANUP(raw_entry_done) struct raw_entry raw = {0};
    CLEANUP(decoded_done) struct decoded d = {0};
    CLEANUP(freep) char *lacking = NULL;
    bool change = !b->full || b->from_cookie;
    int r = take_unchanged(b, ld, m, id, &raw, e);
    if (r != SINK_UNKNOWN_ID)
        return r;
    r = decode_entry(&b->env->decoder, ld, m, id, &d, e);
    if (r == 0)
        note_raw(&d, &raw);
    if (r == 0 && d.entry && change)
        r = b->env->sink->lacking(b->env->userdata, d.entry, &lacking, e);
    if (r < 0)
        return r;
    if (!lacking)
        return take_decoded(b, b->search, &d, e);
    log_debug("%s: the server's message has less of %s than was there: it is asked", d.dn,
              lacking);
    return fetches_lacking(b->fetches, b->search, d.dn, d.entry->id, lacking, e);
}

int feed_batch_roll(struct feed_batch *b, LDAP *ld, LDAPMessage *m, struct error *e)
{
    const struct decoder *d = &b->env->decoder;
    CLEANUP(freep) char *id = decode_id(d, ld, m);
    if (!id) {
        feed_batch_doubt(b, "an entry has no %s that this account may read", d->id_attribute);
        return 0;
    }
    CLEANUP(libldap_memory_freep) char *dn = ldap_get_dn(ld, m);
    int r = dn ? places_note(b->places, dn, e) : 0;
    if (r == 0)
        r = feed_batch_present(b, id, e);
    if (r != SINK_UNKNOWN_ID)
        return r;
    CLEANUP(freep) char *base = d->active_directory ? identity_guid_base(id) : NULL;
    if (!base && !dn)
        return error_out_of_memory(e);
    return feed_batch_fetch(b, base ? base : dn, id, e);
}

int feed_batch_fetch(struct feed_batch *b, const char *base, const char *id, struct error *e)
{
    return fetches_entry(b->fetches, b->search, base, id, e);
}

int feed_batch_left(struct feed_batch *b, const char *id, const char *why, struct error *e)
{
    return left(b, b->search, id, why, e);
}

int feed_batch_removed(struct feed_batch *b, const char *id, struct error *e)
{
    return leaving_add(b->leaving, id, e);
}

int feed_batch_take_removals(struct feed_batch *b, struct error *e)
{
    return leaving_take(b->leaving, b->search, e);
}

void feed_batch_reread(struct feed_batch *b)
{
    group_reads_request(b->group_reads);
}

int feed_batch_present(struct feed_batch *b, const char *id, struct error *e)
{
    b->n_changes++;
    return b->env->sink->present(b->env->userdata, b->search, id, e);
}

int feed_batch_members(struct feed_batch *b, const char *group_id, const struct member *added,
                       size_t n_added, const struct member *removed, size_t n_removed,
                       struct error *e)
{
    struct feed_members members = {
        .group_id = group_id,
        .added = added,
        .removed = removed,
        .n_added = n_added,
        .n_removed = n_removed,
    };
    b->n_changes++;
    return b->env->sink->members(b->env->userdata, &members, e);
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
    if (b->full && b->n_changes == 0)
        feed_batch_doubt(b, "the read of %s returned no entry at all",
                         b->env->searches[b->search].base);
    struct feed_commit c = {
        .absence = !b->full     ? FEED_ABSENCE_NONE
                   : b->doubted ? FEED_ABSENCE_UNPROVEN
                                : FEED_ABSENCE_UNSEEN,
        .n_entries = b->n_entries,
        .unfinished = group_reads_unfinished(b->group_reads),
    };
    if (b->purpose == FOR_FEED)
        b->events.prepare(&c, b->userdata);
    else if (b->n_changes > 0 && !group_reads_rereading(b->group_reads))
        c.what = "what followed from names that were renamed, deleted or appeared";
    if (c.absence == FEED_ABSENCE_UNPROVEN)
        c.reason = b->doubt;
    int r = group_reads_end(b->group_reads, &e);
    if (r == 0)
        r = b->env->sink->commit(b->env->userdata, &c, &e);
    if (r < 0) {
        fail(b, r, &e);
        return;
    }
    if (b->n_entries > 0)
        log_debug("%zu of %zu %s came as the same bytes as before", b->n_unchanged,
                  b->n_entries, b->n_entries == 1 ? "entry" : "entries");
    group_reads_committed(b->group_reads, c.unfinished);
    feed_committed(b->env, &c);
    /* Who was not seen is known only now: they may be elsewhere, and groups name them. */
    bool more = false;
    leaving_committed(b->leaving, b->search, c.absence);
    if (c.absence == FEED_ABSENCE_UNSEEN)
        r = has_more(b, &more, &e);
    if (r < 0) {
        fail(b, r, &e);
        return;
    }
    unsigned search = b->search;
    group_reads_arm(b->group_reads);
    reset(b, false);
    if (more)
        begin_chained(b, search);
    else
        b->events.committed(b->userdata);
}

/* What is asked before a commit: 1 until the answers are here. */
static int ask(struct feed_batch *b, struct error *e)
{
    int r = b->full ? leaving_ask_base(b->leaving, b->search, b->doubted, e) : 0;
    if (r == 0)
        r = places_fetch(b->places, b->search, b->full, e);
    if (r == 0 && b->full && !b->doubted && b->n_changes > 0)
        r = leaving_ask_unseen(b->leaving, b->search, e);
    return r == 0 ? leaving_ask_unheld(b->leaving, e) : r;
}

/* Starts what waits, and commits when nothing does. */
static void pump(struct feed_batch *b)
{
    struct error e = {0};
    bool news = (!b->full || b->from_cookie) && b->search == b->env->n_searches - 1;
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
    return take_decoded(owner, search, d, e);
}

static int on_complete(unsigned search, struct decoded *d, void *owner, struct error *e)
{
    return hand_over(owner, search, d, e);
}

static int on_left(unsigned search, const char *id, const char *why, void *owner,
                   struct error *e)
{
    return left(owner, search, id, why, e);
}

static int on_gone(const char *id, void *owner, struct error *e)
{
    struct feed_batch *b = owner;
    b->n_changes++;
    return b->env->sink->gone(b->env->userdata, id, e);
}

static void on_doubt(const char *sentence, void *owner)
{
    feed_batch_doubt(owner, "%s", sentence);
}

/* A read that means to be whole goes on without; nobody leaves because of it. A difference that
 * is lost would never come again. */
static void on_unread(int r, const struct error *e, void *owner)
{
    struct feed_batch *b = owner;
    if (!b->full) {
        fail(b, r, e);
        return;
    }
    feed_batch_doubt(b, "%s", e->message);
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

static int take_followed(LDAP *ld, LDAPMessage *m, void *userdata, struct error *e)
{
    struct feed_batch *b = userdata;
    CLEANUP(decoded_done) struct decoded d = {0};
    int r = decode_entry(&b->env->decoder, ld, m, NULL, &d, e);
    free(d.watermark); /* another server's clock */
    d.watermark = NULL;
    d.foreign = true;
    return r < 0 ? r : take_decoded(b, b->search, &d, e);
}

static int add_parts(struct feed_batch *b, struct error *e)
{
    static const struct fetches_events of_fetches = {
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
        .entry = take_followed,
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
        r = group_reads_new(&b->group_reads, b->env, b->fetches, between, &of_group_reads, b,
                            e);
    if (r == 0 && b->env->options->referrals == DIRECTORY_REFERRALS_FOLLOW)
        r = follows_new(&b->follows, b->env, &of_follows, b, e);
    return r;
}

static struct feed_batch *free_parts(struct feed_batch *b)
{
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
