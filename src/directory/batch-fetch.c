/*
 * What a batch reads of its own accord, entry by entry: the rest of long member lists, groups
 * that are to be read again, entries of which only a change was told. A few at a time; each
 * speaks for the search that it belongs to.
 */
#include "config.h"

#include <errno.h>
#include <ldap.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "directory/batch-private.h"
#include "directory/environment.h"
#include "directory/libldap.h"
#include "directory/lost.h"
#include "directory/search.h"
#include "directory/session.h"
#include "model/dn.h"

#define FETCHES_AT_ONCE 8

enum fetch_kind {
    FETCH_ENTRY = 1,
    FETCH_RANGE = 2,
    FETCH_KIND = 3,   /* whether the filter of people or of groups selects it */
    FETCH_PARENT = 4, /* what has somebody below it, whatever it is */
    FETCH_BASE = 5,   /* whether the base is there */
    FETCH_LOST = 6,   /* whether what is not shown any more was removed */
    FETCH_UNSEEN = 7, /* whether what a full read has not shown is really not there */
};

struct fetch {
    struct feed_batch *batch;
    struct fetch *next;
    enum fetch_kind kind;
    unsigned index;        /* of the search that it speaks for */
    struct search *search; /* NULL: waits for its turn */
    char *base;
    char *id;               /* ENTRY: may be NULL */
    char *lacking;          /* ENTRY: the attribute that a message lacked; NULL: none */
    struct decoded decoded; /* RANGE, KIND */
    struct lost *lost;      /* LOST */
    bool found;
};

static void fetch_free(struct fetch *f)
{
    struct fetch **p = &f->batch->fetches;
    while (*p && *p != f)
        p = &(*p)->next;
    if (*p)
        *p = f->next;
    if (f->search)
        f->batch->n_running--;
    search_free(f->search);
    decoded_done(&f->decoded);
    lost_free(f->lost);
    free(f->base);
    free(f->id);
    free(f->lacking);
    free(f);
}

void batch_drop_fetches(struct feed_batch *b)
{
    while (b->fetches)
        fetch_free(b->fetches);
}

static int add_fetch(struct feed_batch *b, unsigned index, enum fetch_kind kind,
                     const char *base, const char *id, struct decoded *taken, struct error *e)
{
    struct fetch *f = calloc(1, sizeof *f);
    if (f) {
        f->batch = b;
        f->kind = kind;
        f->index = index;
        f->base = strdup(base);
        f->id = id ? strdup(id) : NULL;
        f->next = b->fetches;
        b->fetches = f;
    }
    if (taken && f)
        f->decoded = *taken;
    else if (taken)
        decoded_done(taken);
    if (taken)
        *taken = (struct decoded){};
    if (!f || !f->base || (id && !f->id)) {
        if (f)
            fetch_free(f);
        return error_out_of_memory(e);
    }
    batch_pump(b);
    return 0;
}

int batch_fetch_entry(struct feed_batch *b, unsigned search, const char *base, const char *id,
                      struct error *e)
{
    return add_fetch(b, search, FETCH_ENTRY, base, id, NULL, e);
}

int batch_fetch_ranges(struct feed_batch *b, unsigned search, const char *base,
                       struct decoded *taken, struct error *e)
{
    return add_fetch(b, search, FETCH_RANGE, base, NULL, taken, e);
}

int batch_fetch_kind(struct feed_batch *b, unsigned search, const char *base,
                     struct decoded *taken, struct error *e)
{
    return add_fetch(b, search, FETCH_KIND, base, NULL, taken, e);
}

int batch_fetch_lacking(struct feed_batch *b, unsigned search, const char *dn, const char *id,
                        const char *lacking, struct error *e)
{
    CLEANUP(freep) char *copy = strdup(lacking);
    if (!copy)
        return error_out_of_memory(e);
    int r = add_fetch(b, search, FETCH_ENTRY, dn, id, NULL, e);
    if (r == 0)
        b->fetches->lacking = TAKE(copy); /* the newest is the first */
    return r;
}

int batch_fetch_base(struct feed_batch *b, struct error *e)
{
    return add_fetch(b, b->search, FETCH_BASE, b->env->searches[b->search].base, NULL, NULL, e);
}

int batch_fetch_unseen(struct feed_batch *b, const char *dn, const char *id, struct error *e)
{
    return add_fetch(b, b->search, FETCH_UNSEEN, dn, id, NULL, e);
}

int batch_fetch_parent(struct feed_batch *b, unsigned search, const char *dn, struct error *e)
{
    return add_fetch(b, search, FETCH_PARENT, dn, NULL, NULL, e);
}

int feed_batch_fetch(struct feed_batch *b, const char *base, const char *id, struct error *e)
{
    return batch_fetch_entry(b, b->search, base, id, e);
}

/* The whole of the entry's members is known: it may pass. */
static int complete_ranges(struct fetch *f, struct error *e)
{
    size_t n;
    const struct range_value *values = ranges_values(f->decoded.ranges, &n);
    int r = 0;
    for (size_t i = 0; i < n && r == 0; i++)
        r = decode_member(f->batch->env->decoder.schema, f->decoded.entry, MEMBER_DN,
                          values[i].data, values[i].size);
    if (r < 0)
        return error_set(e, r, "the members of %s cannot be taken: %s", f->decoded.dn,
                         strerror(-r));
    entry_sort(f->decoded.entry);
    return batch_hand_over(f->batch, f->index, &f->decoded, e);
}

/* The search shows what the message lacked: once for each attribute. */
static int say_computed(struct fetch *f, const struct entry *entry, struct error *e)
{
    struct feed_batch *b = f->batch;
    CLEANUP(freep) char *still = NULL;
    int r = b->env->sink->lacking(b->env->userdata, entry, &still, e);
    if (r < 0 || text_equal(still, f->lacking) ||
        string_list_contains(&b->computed, f->lacking))
        return r;
    if (string_list_add(&b->computed, f->lacking) < 0)
        return error_out_of_memory(e);
    log_notice("%s computes %s of %s and leaves it out of what it sends for a change, so it is "
               "asked for it; where that alone changes, it is found %s",
               session_uri(b->env->session), f->lacking, f->base,
               strcmp(f->lacking, "member") == 0
                   ? "every poll_interval for groups with a memberURL, else by full compares only"
                   : "by full compares only ([directory] full_interval)");
    return 0;
}

static int on_entry(LDAP *ld, LDAPMessage *m, void *userdata, struct error *e)
{
    struct fetch *f = userdata;
    struct feed_batch *b = f->batch;
    f->found = true;
    if (f->kind == FETCH_KIND || f->kind == FETCH_BASE || f->kind == FETCH_LOST)
        return 0;
    if (f->kind == FETCH_UNSEEN) {
        CLEANUP(freep) char *id = decode_id(&b->env->decoder, ld, m);
        f->found = text_equal(id, f->id); /* else another entry has this DN now */
        return 0;
    }
    if (f->kind == FETCH_RANGE) {
        int r = decode_range(f->decoded.ranges, ld, m);
        if (r == RANGES_AGAIN)
            log_debug("%s: changed while its members were read, reading again", f->decoded.dn);
        if (r < 0)
            return error_set(e, r, "the members of %s cannot be read to the end: %s",
                             f->decoded.dn,
                             r == -EAGAIN ? "the group keeps changing" : strerror(-r));
        f->found = r == RANGES_COMPLETE;
        return 0;
    }
    CLEANUP(decoded_done) struct decoded d = {};
    int r = decode_entry(&b->env->decoder, ld, m, NULL, &d, e);
    if (r < 0)
        return r;
    CLEANUP(freep) char *key = NULL;
    const char *base_key = b->env->searches[f->index].base_key;
    if (d.entry && (dn_key(b->env->decoder.schema, d.dn, &key, NULL) < 0 ||
                    !dn_key_is_below(key, base_key))) {
        return batch_left(b, f->index, d.entry->id, "the entry was moved out of the base", e);
    }
    if (f->id && d.entry && strcmp(f->id, d.entry->id) != 0)
        return 0; /* another entry has this DN now */
    if (f->lacking && d.entry) {
        r = say_computed(f, d.entry, e);
        if (r < 0)
            return r;
    }
    if (f->kind == FETCH_PARENT && d.entry) {
        r = batch_make_container(&d, e);
        if (r < 0)
            return r;
        d.is_parent = true;
    }
    return batch_take_decoded(b, f->index, &d, e);
}

static int fetch_start(struct fetch *f, struct error *e);

static void fetch_failed(struct fetch *f, int r, const struct error *e)
{
    struct feed_batch *b = f->batch;
    /* A read that means to be whole goes on without; nobody leaves because of it. A difference
     * that is lost would never come again. */
    if (b->full) {
        feed_batch_doubt(b, "%s", e->message);
        log_debug("%s", e->message);
    } else {
        batch_fail(b, r, e);
    }
    fetch_free(f);
    if (!b->failed)
        batch_pump(b);
}

static void on_failed(struct search *s, int r, const struct error *e, void *userdata)
{
    (void)s;
    struct error copy = *e;
    fetch_failed(userdata, r, &copy);
}

static void range_done(struct fetch *f, const struct search_outcome *outcome)
{
    struct feed_batch *b = f->batch;
    struct error e = {};
    int r = 0;
    if (outcome->code != LDAP_SUCCESS || outcome->n_entries == 0) {
        r = libldap_error(&e, outcome->code, outcome->said,
                          "the members of %s cannot be read to the end", f->decoded.dn);
    } else if (f->found) {
        r = complete_ranges(f, &e);
        if (r < 0) {
            batch_fail(b, r, &e);
            return;
        }
        fetch_free(f);
        batch_pump(b);
        return;
    } else {
        f->search = search_free(f->search);
        b->n_running--;
        r = fetch_start(f, &e);
    }
    if (r < 0)
        fetch_failed(f, r, &e);
}

/* Found: the people's filter selects it. Else all that it is to us is the place of others. */
static void kind_done(struct fetch *f)
{
    struct feed_batch *b = f->batch;
    struct error e = {};
    int r = f->found ? 0 : batch_make_container(&f->decoded, &e);
    if (r == 0)
        r = batch_hand_over(b, f->index, &f->decoded, &e);
    fetch_free(f);
    if (r < 0)
        batch_fail(b, r, &e);
    else
        batch_pump(b);
}

static int pass_lost(struct feed_batch *b, struct lost *l, unsigned index, struct error *e)
{
    CLEANUP(decoded_done) struct decoded d = {};
    int r = lost_take(l, &d, e);
    return r < 0 ? r : batch_hand_over(b, index, &d, e);
}

/* An answer that is none leaves it open, and what is open counts as hidden. */
static void lost_done(struct fetch *f)
{
    struct feed_batch *b = f->batch;
    struct error e = {};
    int r = 0;
    lost_answer(f->lost, f->found);
    f->search = search_free(f->search);
    b->n_running--;
    if (lost_is_asking(f->lost)) {
        r = fetch_start(f, &e);
        if (r < 0)
            fetch_failed(f, r, &e);
        return;
    }
    r = pass_lost(b, f->lost, f->index, &e);
    fetch_free(f);
    if (r < 0)
        batch_fail(b, r, &e);
    else
        batch_pump(b);
}

/* There is no such entry, or it is no longer one that the search shows: else the read proves
 * nothing. A proxy says of a server behind it that it is away only when asked for what is there. */
static void judge_unseen(struct fetch *f, const struct search_outcome *outcome)
{
    if (f->found)
        feed_batch_doubt(f->batch, "%s is there, although the read of %s did not show it", f->base,
                         f->batch->env->searches[f->index].base);
    else if (outcome->code != LDAP_SUCCESS && outcome->code != LDAP_NO_SUCH_OBJECT)
        feed_batch_doubt(f->batch,
                         "%s was not shown, and it cannot be asked whether it is there (%s): a server "
                         "behind this one may be away",
                         f->base, ldap_err2string(outcome->code));
}

static void on_done(struct search *s, const struct search_outcome *outcome, void *userdata)
{
    (void)s;
    struct fetch *f = userdata;
    struct feed_batch *b = f->batch;
    if (f->kind == FETCH_RANGE) {
        range_done(f, outcome);
        return;
    }
    if (f->kind == FETCH_LOST) {
        lost_done(f);
        return;
    }
    if (f->kind == FETCH_KIND &&
        (outcome->code == LDAP_SUCCESS || outcome->code == LDAP_NO_SUCH_OBJECT)) {
        kind_done(f);
        return;
    }
    if (f->kind == FETCH_UNSEEN)
        judge_unseen(f, outcome);
    else if (f->kind == FETCH_BASE && f->found)
        b->env->searches[f->index].base_visible = true;
    else if (f->kind == FETCH_BASE)
        feed_batch_doubt(b,
                         "the base %s was not there any more when its read ended (%s): a server "
                         "behind this one may be away",
                         f->base, ldap_err2string(outcome->code));
    else if (outcome->code != LDAP_SUCCESS && outcome->code != LDAP_NO_SUCH_OBJECT) {
        struct error e = {};
        int r =
            libldap_error(&e, outcome->code, outcome->said, "%s cannot be read again", f->base);
        fetch_failed(f, r, &e);
        return;
    } else if (!f->found && outcome->code == LDAP_SUCCESS && f->id && !b->full &&
               b->env->decoder.active_directory) {
        /* It is there, and our filter does not select it (any more). */
        struct error e = {};
        int r =
            batch_left(b, f->index, f->id, "the entry no longer matches the filter", &e);
        if (r < 0) {
            batch_fail(b, r, &e);
            return;
        }
    } else if (!f->found) {
        log_debug("%s: not found when read again", f->base); /* unknown, not gone */
    }
    fetch_free(f);
    batch_pump(b);
}

static int fetch_start(struct fetch *f, struct error *e)
{
    static const char *const nothing[] = {"1.1", NULL};
    static const struct search_events events = {
        .entry = on_entry, .done = on_done, .failed = on_failed};
    struct feed_environment *env = f->batch->env;
    const char *range[] = {NULL, "uSNChanged", NULL};
    struct search_request request = {
        .base = f->base,
        .scope = LDAP_SCOPE_BASE,
        .filter = "(objectClass=*)",
        .attributes = (const char *const *)env->attributes,
        .referrals = env->options->referrals,
        .timeout_usec = env->options->search_timeout_usec,
    };
    if (f->kind == FETCH_ENTRY)
        request.filter = env->searches[f->index].filter;
    const char *ids[] = {env->decoder.id_attribute, env->decoder.second_id_attribute, NULL};
    if (f->kind == FETCH_UNSEEN) {
        request.filter = env->searches[f->index].filter;
        request.attributes = ids;
    }
    if (f->kind == FETCH_BASE)
        request.attributes = nothing;
    if (f->kind == FETCH_KIND) {
        bool group = f->decoded.entry->kind == ENTRY_GROUP;
        const struct feed_search *s = &env->searches[f->index];
        request.filter = group ? s->groups : s->persons;
        request.attributes = nothing;
    }
    if (f->kind == FETCH_RANGE) {
        range[0] = ranges_request(f->decoded.ranges);
        if (!env->decoder.active_directory)
            range[1] = NULL;
        request.attributes = range;
        f->found = false;
    }
    if (f->kind == FETCH_LOST) {
        const struct search_request *question = lost_question(f->lost);
        if (!question)
            return error_out_of_memory(e);
        request = *question;
        f->found = false;
    }
    int r = search_start(&f->search, env->session, &request, &events, f, e);
    if (r == 0)
        f->batch->n_running++;
    return r;
}

int batch_ask_lost(struct feed_batch *b, unsigned search, struct decoded *d, struct error *e)
{
    struct entry *missing = NULL;
    struct lost *l = NULL;
    if (d->asked || d->entry->kind == ENTRY_CONTAINER || d->entry->members_hidden)
        return 0;
    int r = b->env->sink->lost(b->env->userdata, d->entry, &missing, e);
    if (r < 0 || !missing)
        return r;
    struct fetch *f = calloc(1, sizeof *f);
    char *dn = strdup(d->dn);
    r = lost_new(&l, b->env, search, d, missing, e);
    if (r == 0 && f && dn && lost_is_asking(l)) {
        *f = (struct fetch){.batch = b, .kind = FETCH_LOST, .index = search, .base = dn,
                            .lost = l, .next = b->fetches};
        b->fetches = f;
        batch_pump(b);
        return 1;
    }
    if (r == 0)
        r = f && dn ? lost_take(l, d, e) : error_out_of_memory(e);
    lost_free(l);
    free(dn);
    free(f);
    return r;
}

int batch_start_fetches(struct feed_batch *b, struct error *e)
{
    int r = 0;
    for (struct fetch *f = b->fetches, *next; f && b->n_running < FETCHES_AT_ONCE && r == 0;
         f = next) {
        next = f->next;
        if (!f->search)
            r = fetch_start(f, e);
    }
    return r;
}
