/*
 * Leaving. A search speaks for itself only: what it no longer shows has left it, and whether the
 * entry is gone is asked of all searches, before the batch commits and before anything follows
 * from it. Removals that are said by ids alone are counted before they are taken.
 */
#include "config.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "directory/batch-private.h"
#include "directory/environment.h"
#include "directory/holders.h"
#include "directory/session.h"
#include "model/dn.h"

/* Not to ask without end about what is found and yet not taken. */
#define QUESTIONS_MAX 5
/* After an answer that was not whole. */
#define ASK_AGAIN_USEC (60 * USEC_PER_SEC)
/* Of what a full read did not show, this many are asked for. */
#define UNSEEN_ASKED 100

int batch_left(struct feed_batch *b, unsigned search, const char *id, const char *why,
               struct error *e)
{
    b->n_changes++;
    return b->env->sink->left(b->env->userdata, search, id, why, e);
}

int feed_batch_left(struct feed_batch *b, const char *id, const char *why, struct error *e)
{
    return batch_left(b, b->search, id, why, e);
}

int feed_batch_removed(struct feed_batch *b, const char *id, struct error *e)
{
    return string_list_add(&b->removed, id) < 0 ? error_out_of_memory(e) : 0;
}

int feed_batch_take_removals(struct feed_batch *b, struct error *e)
{
    if (b->removed.n_items == 0)
        return 0;
    CLEANUP(string_list_done) struct string_list ids = b->removed;
    b->removed = (struct string_list){};
    int r = b->env->sink->removals(b->env->userdata, b->search, &ids, e);
    if (r != 0)
        return r < 0 ? r : 1;
    for (size_t i = 0; i < ids.n_items && r == 0; i++)
        r = feed_batch_left(b, ids.items[i], "it was deleted or left the search while away", e);
    return r;
}

static int take_found(unsigned search, LDAP *ld, LDAPMessage *m, void *userdata,
                      struct error *e)
{
    struct feed_batch *b = userdata;
    CLEANUP(decoded_done) struct decoded d = {};
    int r = decode_entry(&b->env->decoder, ld, m, NULL, &d, e);
    if (r < 0 || !d.entry || d.deleted || d.computer)
        return r;
    r = batch_take_decoded(b, search, &d, e);
    return r < 0 ? r : 1;
}

static int take_absent(struct feed_batch *b, const struct string_list *ids, struct error *e)
{
    int r = 0;
    for (size_t i = 0; i < ids->n_items && r == 0; i++) {
        b->n_changes++;
        r = b->env->sink->gone(b->env->userdata, ids->items[i], e);
    }
    return r;
}

static void take_answer(const struct string_list *absent, bool whole, void *userdata)
{
    struct feed_batch *b = userdata;
    struct error e = {};
    if (!whole) {
        b->ask_again_usec = clock_monotonic_usec() + ASK_AGAIN_USEC;
        log_notice("%s did not say whole which entries are still there: who left one search "
                   "stays until it is known that no other has them",
                   session_uri(b->env->session));
    }
    int r = take_absent(b, absent, &e);
    if (r < 0)
        batch_fail(b, r, &e);
    else
        batch_pump(b);
}

static void take_failure(int r, const struct error *e, void *userdata)
{
    batch_fail(userdata, r, e);
}

int batch_leave_init(struct feed_batch *b, struct error *e)
{
    static const struct holders_events events = {
        .entry = take_found, .done = take_answer, .failed = take_failure};
    return holders_new(&b->holders, b->env, &events, b, e);
}

void batch_leave_note(struct feed_batch *b, enum feed_absence absence)
{
    if (absence == FEED_ABSENCE_UNSEEN)
        b->proven |= UINT32_C(1) << b->search;
    else if (absence == FEED_ABSENCE_UNPROVEN)
        b->proven &= ~(UINT32_C(1) << b->search);
}

/* Where asking proves nothing: all searches were read whole since somebody left. */
static int settle_by_reads(struct feed_batch *b, const struct string_list *ids, struct error *e)
{
    uint32_t all = UINT32_MAX >> (32 - b->env->n_searches);
    if (b->proven != all)
        return 0;
    b->proven = 0;
    return take_absent(b, ids, e);
}

int batch_ask_unheld(struct feed_batch *b, struct error *e)
{
    CLEANUP(string_list_done) struct string_list ids = {};
    int r = b->env->sink->unheld(b->env->userdata, &ids, e);
    if (r < 0 || ids.n_items == 0)
        return r;
    if (!holders_can_ask(b->env))
        return settle_by_reads(b, &ids, e);
    if (b->n_asked >= QUESTIONS_MAX || clock_monotonic_usec() < b->ask_again_usec)
        return 0;
    b->n_asked++;
    r = holders_ask(b->holders, &ids, e);
    return r < 0 ? r : 1;
}

int batch_look_at_base(struct feed_batch *b, struct error *e)
{
    /* One that was away when the connection was made may be back, for the next read. */
    bool was_visible = b->env->searches[b->search].base_visible;
    if (!b->full || b->base_looked || (b->doubted && was_visible))
        return 0;
    b->base_looked = true;
    int r = batch_fetch_base(b, e);
    return r < 0 ? r : 1;
}

static bool is_of_search(const struct feed_batch *b, const char *dn)
{
    CLEANUP(freep) char *key = NULL;
    return dn_key(b->env->decoder.schema, dn, &key, NULL) == 0 &&
           dn_key_is_below(key, b->env->searches[b->search].base_key);
}

int batch_look_at_unseen(struct feed_batch *b, struct error *e)
{
    CLEANUP(string_list_done) struct string_list ids = {};
    if (!b->full || b->unseen_looked || b->doubted || b->n_changes == 0)
        return 0;
    b->unseen_looked = true;
    int r = b->env->sink->unseen(b->env->userdata, b->search, UNSEEN_ASKED, &ids, e);
    for (size_t i = 0; i < ids.n_items && r >= 0; i++) {
        CLEANUP(freep) char *dn = NULL;
        r = b->env->sink->known_dn(b->env->userdata, ids.items[i], &dn, e);
        if (r >= 0 && dn && is_of_search(b, dn)) /* not moved to another one */
            r = batch_fetch_unseen(b, dn, ids.items[i], e);
    }
    return r < 0 ? r : b->fetches != NULL;
}
