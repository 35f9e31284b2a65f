/* Entries on their way into the sink. It decides nothing about people. */
#include "config.h"

#include "directory/entries.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "directory/decode-raw.h"
#include "directory/environment.h"
#include "directory/fetches.h"
#include "directory/group-memory.h"
#include "directory/group-reads.h"
#include "directory/holders.h"
#include "directory/libldap.h"
#include "directory/places.h"
#include "directory/watermark.h"
#include "model/dn.h"

/* What one read may bring: this multiple of what was known before, and this many at least. */
#define GROWTH_MAX  10
#define GROWTH_FREE 10000

struct entries {
    struct feed_environment *env;
    struct fetches *fetches;
    struct places *places;
    struct group_reads *group_reads;

    /* of one batch */
    unsigned search;
    bool full, from_cookie, names_gone, doubted;
    size_t n_entries, n_changes, n_unchanged;
    size_t n_shown, entries_max, n_left_out; /* is_too_many() */
    char doubt[512];
    char *watermark;
};

int entries_new(struct entries **ret, struct feed_environment *env, struct fetches *fetches,
                struct places *places, struct group_reads *group_reads, struct error *e)
{
    struct entries *x = calloc(1, sizeof(*x));
    if (!x)
        return error_out_of_memory(e);
    *x = (struct entries){
        .env = env, .fetches = fetches, .places = places, .group_reads = group_reads};
    *ret = x;
    return 0;
}

struct entries *entries_free(struct entries *x)
{
    if (!x)
        return NULL;
    free(x->watermark);
    free(x);
    return NULL;
}

void entries_reset(struct entries *x, unsigned search, bool full, size_t known)
{
    free(x->watermark);
    x->watermark = NULL;
    x->search = search;
    x->full = full;
    x->from_cookie = x->names_gone = x->doubted = false;
    x->n_entries = x->n_changes = x->n_unchanged = x->n_shown = x->n_left_out = 0;
    x->entries_max = known == 0                         ? SIZE_MAX /* the first read */
                     : known > GROWTH_FREE / GROWTH_MAX ? known * GROWTH_MAX
                                                        : GROWTH_FREE;
}

void entries_from_cookie(struct entries *x)
{
    x->from_cookie = true;
}

void entries_name_gone(struct entries *x)
{
    x->names_gone = true;
}

static void doubt(struct entries *x, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void doubt(struct entries *x, const char *format, ...)
{
    if (x->doubted)
        return;
    x->doubted = true;
    va_list ap;
    va_start(ap, format);
    vsnprintf(x->doubt, sizeof(x->doubt), format, ap);
    va_end(ap);
}

void entries_doubt(struct entries *x, const char *sentence)
{
    doubt(x, "%s", sentence);
}

static void keep_watermark(struct entries *x, char **watermark)
{
    if (!*watermark || !watermark_is_greater(*watermark, x->watermark))
        return;
    free(x->watermark);
    x->watermark = TAKE(*watermark);
}

/* Each search is told of in its own order, and one may be behind another: who was changed and then
 * moved to a base that was taken first is kept as before the move. So what is kept of whom a search
 * has lost, by a name of its own, counts for no other one. */
static int is_stale(struct entries *x, unsigned search, const char *id, bool *ret, struct error *e)
{
    const struct feed_environment *env = x->env;
    CLEANUP(freep) char *dn = NULL;
    if (env->n_searches < 2 || !holders_can_ask(env))
        return 0;
    int r = env->sink->known_dn(env->userdata, id, &dn, e);
    if (r >= 0)
        *ret = dn && feed_has_below(env, search, dn);
    return r;
}

int entries_left(struct entries *x, unsigned search, const char *id, const char *why,
                 struct error *e)
{
    bool stale = false;
    x->n_changes++;
    int r = is_stale(x, search, id, &stale, e);
    return r < 0 ? r : x->env->sink->left(x->env->userdata, search, id, stale, why, e);
}

/* The server told of it, and perhaps not of what else that changes. */
static int note_newcomer(struct entries *x, const struct decoded *d, enum entry_kind kind,
                         struct error *e)
{
    /* Moved in with people below it, of whom no server says a word. */
    if ((d->has_children || kind == ENTRY_CONTAINER) && !d->is_parent)
        feed_doubts(x->env, "a container appeared");
    return kind == ENTRY_CONTAINER ? 0 : group_reads_newcomer(x->group_reads, d->dn, e);
}

int entries_pass(struct entries *x, unsigned search, struct decoded *d, struct error *e)
{
    int asking = fetches_lost(x->fetches, search, d, e);
    if (asking != 0)
        return asking < 0 ? asking : 0;
    int r = places_note(x->places, d->dn, e);
    if (r < 0)
        return r;
    x->n_entries++;
    x->n_changes++;
    enum entry_kind kind = d->entry->kind;
    r = x->env->sink->entry(x->env->userdata, search, TAKE(d->entry), e);
    if (r == SINK_NEW)
        r = entries_tell_changes(x) ? note_newcomer(x, d, kind, e) : 0;
    return r;
}

/* A server that goes on for ever is left, whatever becomes of what it shows; one that has grown
 * beyond belief is doubted, and what came first stays: the next read is measured by that. */
static bool is_too_many(struct entries *x, struct error *e, int *ret_r)
{
    if (!x->full || x->n_shown < x->entries_max)
        return false;
    x->doubted &= x->n_left_out > 0; /* worse than whatever was doubted before */
    doubt(x,
          "the directory shows more than %zu entries, many times what it held before: "
          "the rest was not taken. If it has really grown so, a further read "
          "(rosterctl sync) takes the next part",
          x->entries_max);
    *ret_r = 0;
    if (++x->n_left_out > x->entries_max)
        *ret_r = error_set(e, -E2BIG, "%s", x->doubt);
    return true;
}

static void say_bad_members(const struct decoded *d)
{
    char shown[120];
    log_warning("%zu members of %s are not DNs and stand for nobody; the first: %s",
                d->n_bad_members, d->dn,
                text_printable(shown, sizeof(shown), d->bad_member, strlen(d->bad_member)));
}

/* It is there, and that is all that is known. */
static int note_unnamed(struct entries *x, unsigned search, const char *id, const char *dn,
                        struct error *e)
{
    char shown[200];
    log_warning("An entry is left out, and whoever is known by it stays as they were: its name is "
                "not a distinguished name: %s",
                text_printable(shown, sizeof(shown), dn, strlen(dn)));
    int r = x->env->sink->present(x->env->userdata, search, id, e);
    return r < 0 ? r : 0;
}

/* Whoever is known is held under the name of before: what changed may be that their access ends. */
static int take_unnamed(struct entries *x, unsigned search, struct decoded *d, struct error *e)
{
    CLEANUP(freep) char *known = NULL;
    int r = 0;
    if (d->entry->kind == ENTRY_PERSON)
        r = x->env->sink->known_dn(x->env->userdata, d->entry->id, &known, e);
    if (r < 0)
        return r;
    if (!known)
        return note_unnamed(x, search, d->entry->id, d->dn, e);
    if (decoded_take_known_name(d, TAKE(known)) < 0)
        return error_out_of_memory(e);
    x->n_entries++;
    x->n_changes++;
    r = x->env->sink->entry(x->env->userdata, search, TAKE(d->entry), e);
    return r < 0 ? r : 0;
}

int entries_take(struct entries *x, unsigned search, struct decoded *d, struct error *e)
{
    int left_out;
    if (is_too_many(x, e, &left_out))
        return left_out;
    x->n_shown++;
    keep_watermark(x, &d->watermark);
    if (d->alias) {
        log_warning("%s is an alias entry, which is not followed: let the base hold the entry "
                    "that it stands for, and groups name that",
                    d->dn);
        return 0;
    }
    if (d->n_bad_members > 0)
        say_bad_members(d);
    if (!d->entry && d->bad_id) {
        doubt(x,
              "the %s of the entry %s cannot identify it: it is longer than 255 bytes, "
              "or no text",
              x->env->decoder.id_attribute, d->dn);
        return 0;
    }
    if (!d->entry) {
        doubt(x, "the entry %s has no %s that this account may read", d->dn,
              x->env->decoder.id_attribute);
        log_debug("%s: no %s, left out", d->dn, x->env->decoder.id_attribute);
        return 0;
    }
    if (d->bad_dn && !d->deleted)
        return take_unnamed(x, search, d, e);
    if (d->deleted)
        return entries_left(x, search, d->entry->id, "the entry was deleted", e);
    if (d->computer)
        return 0;
    bool done = false;
    int r = places_judge(x->places, search, d, &done, e);
    if (r < 0 || done)
        return r;
    if (d->partial)
        doubt(x, "the attribute %s of %s came in part", d->partial, d->dn);
    if (!d->ranges)
        return entries_pass(x, search, d, e);
    CLEANUP(freep)
    char *base =
        x->env->decoder.active_directory ? identity_guid_base(d->entry->id) : strdup(d->dn);
    return base ? fetches_ranges(x->fetches, search, base, d, e) : error_out_of_memory(e);
}

/* What is known of a message that is not decoded as a whole. */
static int count_known(struct entries *x, struct raw_entry *raw, struct error *e)
{
    keep_watermark(x, &raw->watermark);
    x->n_entries++;
    x->n_changes++;
    x->n_shown++;
    return places_note(x->places, raw->dn, e);
}

/* The mirror took it from the same bytes: there is nothing to decode. */
static int take_unchanged(struct entries *x, unsigned search, struct raw_entry *raw,
                          struct error *e)
{
    int left_out;
    if (is_too_many(x, e, &left_out))
        return left_out;
    int r = x->env->sink->unchanged(x->env->userdata, search, raw->id, raw->digest, e);
    if (r != 0)
        return r;
    x->n_unchanged++;
    return count_known(x, raw, e);
}

/* A group that was there and only has more members now: they alone are decoded. Answers
 * SINK_UNKNOWN_ID when all of it must be; *ret_shrank: some of its members are not shown. */
static int take_growth(struct entries *x, unsigned search, LDAP *ld, LDAPMessage *m,
                       struct raw_entry *raw, bool *ret_shrank, struct error *e)
{
    CLEANUP(group_growth_done) struct group_growth growth = {0};
    CLEANUP(entry_freep) struct entry *added = NULL;
    int r = group_memory_compare(&x->env->decoder, ld, m, raw, !x->full, &growth, e);
    *ret_shrank = r == GROUP_SHRANK;
    if (r != 0)
        return r < 0 ? r : SINK_UNKNOWN_ID;
    added = entry_new(raw->id, "", ENTRY_GROUP);
    r = added ? 0 : -ENOMEM;
    for (size_t i = 0; i < growth.n_added && r == 0; i++)
        r = decode_member(&x->env->decoder, added, MEMBER_DN, growth.added[i].bv_val,
                          growth.added[i].bv_len);
    if (r < 0)
        return error_set(e, r, "the members of a group cannot be taken: %s", strerror(-r));
    if (added->n_members < growth.n_added)
        return SINK_UNKNOWN_ID; /* one is nobody's name, which is to be said */
    struct feed_members members = {.group_id = raw->id,
                                   .added = added->members,
                                   .n_added = added->n_members,
                                   .was = growth.was,
                                   .is = raw->digest};
    r = x->env->sink->members(x->env->userdata, &members, e);
    if (r == 0)
        r = x->env->sink->present(x->env->userdata, search, raw->id, e);
    if (r != 0)
        return r;
    log_debug("%s has %zu more member%s, and those of before", raw->dn, growth.n_added,
              text_plural(growth.n_added));
    r = group_memory_grew(&x->env->decoder, ld, m, raw, &growth, e);
    return r < 0 ? r : count_known(x, raw, e);
}

/* *raw is empty if these bytes prove nothing. */
static int take_known(struct entries *x, unsigned search, LDAP *ld, LDAPMessage *m,
                      struct raw_entry *raw, bool *ret_shrank, struct error *e)
{
    int r = raw->id ? take_unchanged(x, search, raw, e) : SINK_UNKNOWN_ID;
    return r == SINK_UNKNOWN_ID && raw->id ? take_growth(x, search, ld, m, raw, ret_shrank, e) : r;
}

/* By its name, which must be a readable one, it may lie in another base than when it was asked
 * for. */
int entries_read_again(struct entries *x, unsigned search, LDAP *ld, LDAPMessage *m, const char *id,
                       struct raw_entry *ret, struct error *e)
{
    const struct feed_environment *env = x->env;
    CLEANUP(freep) char *key = NULL;
    bool shrank = false;
    int r = decode_raw(&env->decoder, ld, m, NULL, ret, e);
    if (r != 0 || !id || strcmp(ret->id, id) != 0 || !dn_is_valid(ret->dn))
        return r < 0 ? r : SINK_UNKNOWN_ID;
    r = dn_key(env->decoder.schema, ret->dn, &key, e);
    if (r < 0 || !dn_key_is_below(key, env->searches[search].base_key))
        return r < 0 ? r : SINK_UNKNOWN_ID;
    return take_known(x, search, ld, m, ret, &shrank, e);
}

/* A group that lacks members is asked for, so what is there of it need not be decoded before. Nor
 * is it known that the server computes them: they may be spelt otherwise, and all there. */
static int ask_members(struct entries *x, const struct raw_entry *raw, struct error *e)
{
    log_debug("%s: not all members of before are in the server's message: it is asked", raw->dn);
    return fetches_entry(x->fetches, x->search, raw->dn, raw->id, e);
}

int entries_message(struct entries *x, LDAP *ld, LDAPMessage *m, const char *id, struct error *e)
{
    CLEANUP(raw_entry_done) struct raw_entry raw = {0};
    CLEANUP(decoded_done) struct decoded d = {0};
    bool shrank = false;
    int r = decode_raw(&x->env->decoder, ld, m, id, &raw, e);
    if (r >= 0)
        r = take_known(x, x->search, ld, m, &raw, &shrank, e);
    if (r != SINK_UNKNOWN_ID)
        return r;
    r = group_memory_decode(&x->env->decoder, ld, m, id, &raw, !x->full, &d, e);
    return r < 0 ? r : entries_take(x, x->search, &d, e);
}

int entries_pushed(struct entries *x, LDAP *ld, LDAPMessage *m, const char *id, struct error *e)
{
    CLEANUP(raw_entry_done) struct raw_entry raw = {0};
    CLEANUP(decoded_done) struct decoded d = {0};
    bool change = entries_tell_changes(x), shrank = false;
    int r = decode_raw(&x->env->decoder, ld, m, id, &raw, e);
    if (r >= 0)
        r = take_known(x, x->search, ld, m, &raw, &shrank, e);
    if (r != SINK_UNKNOWN_ID)
        return r;
    if (change && shrank)
        return ask_members(x, &raw, e);
    r = group_memory_decode(&x->env->decoder, ld, m, id, &raw, change, &d, e);
    if (r == 0 && d.entry && change && !d.bad_dn) /* nothing can be asked by such a name */
        r = fetches_doubted(x->fetches, x->search, &d, e);
    return r != 0 ? (r < 0 ? r : 0) : entries_take(x, x->search, &d, e);
}

int entries_roll(struct entries *x, LDAP *ld, LDAPMessage *m, struct error *e)
{
    const struct decoder *d = &x->env->decoder;
    CLEANUP(freep) char *id = decode_id(d, ld, m);
    int left_out;
    if (is_too_many(x, e, &left_out))
        return left_out;
    x->n_shown++;
    if (!id) {
        doubt(x, "an entry has no %s that this account may read", d->id_attribute);
        return 0;
    }
    CLEANUP(libldap_memory_freep) char *dn = ldap_get_dn(ld, m);
    if (!dn || !dn_is_valid(dn)) /* libldap gives none that it cannot read */
        return note_unnamed(x, x->search, id, dn ? dn : id, e);
    int r = places_note(x->places, dn, e);
    if (r == 0)
        r = entries_present(x, id, e);
    if (r != SINK_UNKNOWN_ID)
        return r;
    CLEANUP(freep) char *base = d->active_directory ? identity_guid_base(id) : NULL;
    return fetches_entry(x->fetches, x->search, base ? base : dn, id, e);
}

int entries_present(struct entries *x, const char *id, struct error *e)
{
    x->n_changes++;
    return x->env->sink->present(x->env->userdata, x->search, id, e);
}

int entries_members(struct entries *x, const char *group_id, const struct member *added,
                    size_t n_added, const struct member *removed, size_t n_removed, struct error *e)
{
    struct feed_members members = {
        .group_id = group_id,
        .added = added,
        .removed = removed,
        .n_added = n_added,
        .n_removed = n_removed,
    };
    x->n_changes++;
    return x->env->sink->members(x->env->userdata, &members, e);
}

int entries_gone(struct entries *x, const char *id, struct error *e)
{
    x->n_changes++;
    return x->env->sink->gone(x->env->userdata, id, e);
}

const char *entries_doubted(const struct entries *x)
{
    return x->doubted ? x->doubt : NULL;
}

unsigned entries_search(const struct entries *x)
{
    return x->search;
}

bool entries_full(const struct entries *x)
{
    return x->full;
}

enum feed_absence entries_absence(const struct entries *x)
{
    if (!x->full || x->names_gone)
        return FEED_ABSENCE_NONE;
    return x->doubted ? FEED_ABSENCE_UNPROVEN : FEED_ABSENCE_UNSEEN;
}

bool entries_tell_changes(const struct entries *x)
{
    return !x->full || x->from_cookie;
}

size_t entries_n(const struct entries *x)
{
    return x->n_entries;
}

size_t entries_n_changes(const struct entries *x)
{
    return x->n_changes;
}

size_t entries_n_unchanged(const struct entries *x)
{
    return x->n_unchanged;
}

const char *entries_watermark(const struct entries *x)
{
    return x->watermark;
}
