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

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "directory/batch-private.h"
#include "directory/decode-raw.h"
#include "directory/environment.h"
#include "directory/follow.h"
#include "directory/holders.h"
#include "directory/libldap.h"
#include "directory/looks.h"
#include "directory/newcomers.h"
#include "directory/rootdse.h"
#include "directory/search.h"
#include "directory/session.h"
#include "model/dn.h"

/* What one read may bring: this multiple of what was known before, and this many at least. */
#define GROWTH_MAX  10
#define GROWTH_FREE 10000

void batch_fail(struct feed_batch *b, int r, const struct error *e)
{
    if (b->failed)
        return;
    b->failed = true;
    directory_feed_failed(b->env, r, e);
}

static void newcomers_failed(int r, const struct error *e, void *userdata)
{
    batch_fail(userdata, r, e);
}

static int take_followed(LDAP *ld, LDAPMessage *m, void *userdata, struct error *e)
{
    struct feed_batch *b = userdata;
    CLEANUP(decoded_done) struct decoded d = {};
    int r = decode_entry(&b->env->decoder, ld, m, NULL, &d, e);
    free(d.watermark); /* another server's clock */
    d.watermark = NULL;
    d.foreign = true;
    return r < 0 ? r : batch_take_decoded(b, b->search, &d, e);
}

static void take_follow_doubt(const char *sentence, void *userdata)
{
    feed_batch_doubt(userdata, "%s", sentence);
}

static void take_follow_failure(int r, const struct error *e, void *userdata)
{
    batch_fail(userdata, r, e);
}

static void follows_are_over(void *userdata)
{
    batch_pump(userdata);
}

static const struct follows_events follows_events = {
    .entry = take_followed,
    .doubt = take_follow_doubt,
    .failed = take_follow_failure,
    .over = follows_are_over,
};

void feed_batch_reference(struct feed_batch *b, char *const *urls)
{
    struct error e = {};
    /* Active Directory points to its own partitions. */
    bool partition = b->env->decoder.active_directory && urls && urls[0] &&
                     search_reference_is_partition(urls[0]);
    if (!b->full || partition)
        return;
    int r = follows_add(b->follows, b->search, urls, &e);
    if (r < 0)
        batch_fail(b, r, &e);
}

int feed_batch_new(struct feed_batch **ret, struct feed_environment *env,
                   const struct feed_batch_events *events, void *userdata, struct error *e)
{
    struct feed_batch *b = calloc(1, sizeof *b);
    if (!b)
        return error_out_of_memory(e);
    b->env = env;
    b->events = *events;
    b->userdata = userdata;
    b->between = events->between && !env->once;
    int r = newcomers_new(&b->newcomers, env, batch_take_groups, newcomers_failed, b, e);
    /* Active Directory changes linked attributes in the transaction that moves the member. */
    if (r == 0)
        r = looks_new(&b->looks, env->event, !env->decoder.active_directory && !env->once,
                      b->between ? batch_look : NULL, b, e);
    if (r == 0)
        r = batch_leave_init(b, e);
    if (r == 0 && env->options->referrals == DIRECTORY_REFERRALS_FOLLOW)
        r = follows_new(&b->follows, env, &follows_events, b, e);
    if (r < 0) {
        holders_free(b->holders);
        looks_free(b->looks);
        newcomers_free(b->newcomers);
        free(b);
        return r;
    }
    *ret = b;
    return 0;
}

static void reset(struct feed_batch *b)
{
    batch_drop_fetches(b);
    holders_reset(b->holders);
    if (!b->between)
        newcomers_reset(b->newcomers);
    if (b->follows)
        follows_reset(b->follows);
    string_list_done(&b->fetched);
    string_list_done(&b->removed);
    string_list_done(&b->parents);
    b->n_parents_looked = 0;
    string_list_done(&b->last);
    free(b->watermark);
    b->watermark = NULL;
    b->open = b->finishing = b->doubted = b->chained = false;
    b->from_cookie = b->looking = b->looked = b->rereading = false;
    b->base_looked = b->unseen_looked = false;
    b->n_entries = b->n_changes = b->n_left_out = b->n_unchanged = 0;
    b->n_asked = 0;
}

void feed_batch_abort(struct feed_batch *b)
{
    if (!b->open)
        return;
    reset(b);
    b->env->sink->abort(b->env->userdata);
}

struct feed_batch *feed_batch_free(struct feed_batch *b)
{
    if (!b)
        return NULL;
    feed_batch_abort(b);
    /* Nobody else knows of them; the next connection reads everything. */
    if (looks_any(b->looks) && !b->env->once)
        directory_feed_doubts(b->env, "it could not be asked which groups the new people are in");
    looks_free(b->looks);
    string_list_done(&b->computed);
    holders_free(b->holders);
    newcomers_free(b->newcomers);
    follows_free(b->follows);
    free(b);
    return NULL;
}

int feed_batch_begin(struct feed_batch *b, unsigned search, bool full, struct error *e)
{
    size_t known = 0;
    int r = full ? b->env->sink->known_entries(b->env->userdata, search, &known, e) : 0;
    if (r == 0)
        r = b->env->sink->begin(b->env->userdata, search, full, e);
    if (r < 0)
        return r;
    reset(b);
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
    vsnprintf(b->doubt, sizeof b->doubt, format, ap);
    va_end(ap);
}

static void keep_watermark(struct feed_batch *b, char **watermark)
{
    if (!*watermark)
        return;
    /* CSNs and times compare as text, numbers by their length first. */
    size_t now = strlen(*watermark), before = b->watermark ? strlen(b->watermark) : 0;
    if (now > before || (now == before && strcmp(*watermark, b->watermark) > 0)) {
        free(b->watermark);
        b->watermark = TAKE(*watermark);
    }
}

int batch_hand_over(struct feed_batch *b, unsigned search, struct decoded *d, struct error *e)
{
    int asking = batch_ask_lost(b, search, d, e);
    if (asking != 0)
        return asking < 0 ? asking : 0;
    if (!b->full || b->from_cookie) {
        CLEANUP(freep) char *dn = NULL;
        int r = b->env->sink->known_dn(b->env->userdata, d->entry->id, &dn, e);
        if (r == 0 && !dn && d->entry->kind != ENTRY_CONTAINER)
            r = batch_note_newcomer(b, d->dn, e);
        /* Moved in with people below it, of whom no server says a word. */
        bool place = d->has_children || d->entry->kind == ENTRY_CONTAINER;
        if (r == 0 && !dn && place && !d->is_parent)
            directory_feed_doubts(b->env, "a container appeared");
        if (r < 0)
            return r;
    }
    int r = batch_note_parent(b, d->dn, e);
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
                text_printable(shown, sizeof shown, d->bad_member, strlen(d->bad_member)));
}

/* It is there, and that is all that can be taken: who is known stays as they were. */
static int take_unnamed(struct feed_batch *b, unsigned search, const char *id, const char *dn,
                        struct error *e)
{
    char shown[200];
    log_warning("An entry is left out, and who is known by it stays as they were: its name is no "
                "distinguished name: %s",
                text_printable(shown, sizeof(shown), dn, strlen(dn)));
    int r = b->env->sink->present(b->env->userdata, search, id, e);
    return r < 0 ? r : 0;
}

int batch_take_decoded(struct feed_batch *b, unsigned search, struct decoded *d,
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
    if (d->bad_dn && !d->deleted)
        return take_unnamed(b, search, d->entry->id, d->dn, e);
    if (d->deleted)
        return batch_left(b, search, d->entry->id, "the entry was deleted", e);
    if (d->computer)
        return 0;
    bool done = false;
    int r = batch_judge_kind(b, search, d, &done, e);
    if (r < 0 || done)
        return r;
    if (d->partial)
        feed_batch_doubt(b, "the attribute %s of %s came in part", d->partial, d->dn);
    if (!d->ranges)
        return batch_hand_over(b, search, d, e);
    CLEANUP(freep)
    char *base =
        b->env->decoder.active_directory ? identity_guid_base(d->entry->id) : strdup(d->dn);
    return base ? batch_fetch_ranges(b, search, base, d, e) : error_out_of_memory(e);
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
    return batch_note_parent(b, dn, e);
}

/* What these bytes are taken for is known whenever they come again, unless there is something
 * to ask or to say each time. */
static void note_raw(struct decoded *d, const struct raw_entry *raw)
{
    if (!raw->id || !d->entry || d->ranges || d->partial || d->n_bad_members > 0 ||
        (d->has_children && d->entry->kind != ENTRY_CONTAINER))
        return;
    memcpy(d->entry->raw, raw->digest, sizeof d->entry->raw);
    d->entry->has_raw = true;
}

int feed_batch_entry(struct feed_batch *b, LDAP *ld, LDAPMessage *m, const char *id,
                     struct error *e)
{
    CLEANUP(raw_entry_done) struct raw_entry raw = {};
    CLEANUP(decoded_done) struct decoded d = {};
    int r = take_unchanged(b, ld, m, id, &raw, e);
    if (r != SINK_UNKNOWN_ID)
        return r;
    r = decode_entry(&b->env->decoder, ld, m, id, &d, e);
    if (r < 0)
        return r;
    note_raw(&d, &raw);
    return batch_take_decoded(b, b->search, &d, e);
}

int feed_batch_pushed(struct feed_batch *b, LDAP *ld, LDAPMessage *m, const char *id,
                      struct error *e)
{
    CLEANUP(raw_entry_done) struct raw_entry raw = {};
    CLEANUP(decoded_done) struct decoded d = {};
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
        return batch_take_decoded(b, b->search, &d, e);
    log_debug("%s: the server's message has less of %s than was there: it is asked", d.dn,
              lacking);
    return batch_fetch_lacking(b, b->search, d.dn, d.entry->id, lacking, e);
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
    if (!dn || !dn_is_valid(dn)) /* libldap gives none that it cannot read */
        return take_unnamed(b, b->search, id, dn ? dn : id, e);
    int r = batch_note_parent(b, dn, e);
    if (r == 0)
        r = feed_batch_present(b, id, e);
    if (r != SINK_UNKNOWN_ID)
        return r;
    CLEANUP(freep) char *base = d->active_directory ? identity_guid_base(id) : NULL;
    return feed_batch_fetch(b, base ? base : dn, id, e);
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
    struct error e = {};
    int r = feed_batch_begin(b, search, false, &e);
    if (r < 0) {
        batch_fail(b, r, &e);
        return;
    }
    b->chained = true;
    feed_batch_finish(b);
}

static void commit(struct feed_batch *b)
{
    struct error e = {};
    if (b->full && b->n_changes == 0)
        feed_batch_doubt(b, "the read of %s returned no entry at all",
                         b->env->searches[b->search].base);
    struct feed_commit c = {
        .absence = !b->full     ? FEED_ABSENCE_NONE
                   : b->doubted ? FEED_ABSENCE_UNPROVEN
                                : FEED_ABSENCE_UNSEEN,
        .n_entries = b->n_entries,
        .unfinished = batch_is_unfinished(b),
    };
    if (b->chained || b->looking)
        c.what =
            b->n_changes > 0 && !b->rereading
                ? "what followed from names that were renamed, deleted or appeared"
                             : NULL;
    else
        b->events.prepare(&c, b->userdata);
    if (c.absence == FEED_ABSENCE_UNPROVEN)
        c.reason = b->doubt;
    int r = batch_end_groups(b, &e);
    if (r == 0)
        r = b->env->sink->commit(b->env->userdata, &c, &e);
    if (r < 0) {
        batch_fail(b, r, &e);
        return;
    }
    if (b->n_entries > 0)
        log_debug("%zu of %zu %s came as the same bytes as before", b->n_unchanged, b->n_entries,
                  b->n_entries == 1 ? "entry" : "entries");
    b->unfinished = c.unfinished;
    directory_feed_committed(b->env, &c);
    /* Who was not seen is known only now: they may be elsewhere, and groups name them. */
    bool more = false;
    batch_leave_note(b, c.absence);
    if (c.absence == FEED_ABSENCE_UNSEEN)
        r = batch_has_more(b, &more, &e);
    if (r < 0) {
        batch_fail(b, r, &e);
        return;
    }
    unsigned search = b->search;
    looks_arm(b->looks, clock_monotonic_usec());
    reset(b);
    if (more)
        begin_chained(b, search);
    else
        b->events.committed(b->userdata);
}

/* Starts what waits, and commits when nothing does. */
void batch_pump(struct feed_batch *b)
{
    struct error e = {};
    int r = batch_start_fetches(b, &e);
    if (r < 0) {
        batch_fail(b, r, &e);
        return;
    }
    bool asking =
        (!b->between && newcomers_asking(b->newcomers)) || holders_asking(b->holders);
    if (!b->finishing || b->fetches || b->failed || asking ||
        (b->follows && follows_busy(b->follows)))
        return;
    r = batch_look_at_base(b, &e);
    if (r == 0)
        r = batch_fetch_parents(b, &e);
    if (r == 0)
        r = batch_look_at_unseen(b, &e);
    if (r == 0)
        r = batch_ask_unheld(b, &e);
    if (r > 0)
        return; /* until the answers are here */
    if (r == 0)
        r = batch_take_looks(b, &e);
    if (r == 0)
        r = batch_take_dynamic(b, &e);
    bool ask = !b->between && newcomers_any(b->newcomers);
    if (r == 0)
        r = ask ? newcomers_ask(b->newcomers, &e) : batch_fetch_stale_groups(b, &e);
    if (r < 0)
        batch_fail(b, r, &e);
    else if (!b->fetches && !ask)
        commit(b);
}

void feed_batch_finish(struct feed_batch *b)
{
    b->finishing = true;
    batch_pump(b);
}
