/* Who left: what is asked about them, and when it is believed. */
#include "config.h"

#include "directory/leaving.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text-map.h"
#include "base/text.h"
#include "directory/decode.h"
#include "directory/environment.h"
#include "directory/fetches.h"
#include "directory/holders.h"
#include "directory/session.h"

/* Not to ask without end about what is found and yet not taken. */
#define QUESTIONS_MAX 5
/* After an answer that was not whole. */
#define ASK_AGAIN_USEC (60 * USEC_PER_SEC)
/* Of what a full read did not show, this many are asked for. */
#define UNSEEN_ASKED 100

/* Whoever no search holds, where asking proves nothing. */
struct unheld {
    char *id;
    uint32_t read; /* the searches that were read whole since */
    bool doubted;  /* it is wanted that they are */
};

struct leaving {
    struct feed_environment *env;
    struct fetches *fetches;
    const struct leaving_events *events;
    void *owner;
    struct holders *holders;
    struct string_list removed; /* by ids alone */
    struct unheld *unheld;      /* for life */
    size_t n_unheld;
    uint64_t ask_again_usec;       /* monotonic; the last answer was not whole */
    unsigned n_asked;              /* how often it was asked for the unheld, in this batch */
    bool base_asked, unseen_asked; /* at the end of a full read, in this order */
    sd_event_source *again;        /* deferred: the unseen are asked for once more */
};

int leaving_add(struct leaving *l, const char *id, struct error *e)
{
    return string_list_add(&l->removed, id) < 0 ? error_out_of_memory(e) : 0;
}

int leaving_take(struct leaving *l, unsigned search, struct error *e)
{
    if (l->removed.n_items == 0)
        return 0;
    CLEANUP(string_list_done) struct string_list ids = l->removed;
    l->removed = (struct string_list){0};
    int r = l->env->sink->removals(l->env->userdata, search, &ids, e);
    if (r != 0)
        return r < 0 ? r : 1;
    for (size_t i = 0; i < ids.n_items && r == 0; i++)
        r = l->events->left(search, ids.items[i], "it was deleted or left the search while away",
                            l->owner, e);
    return r;
}

static int take_found(unsigned search, LDAP *ld, LDAPMessage *m, void *userdata, struct error *e)
{
    struct leaving *l = userdata;
    CLEANUP(decoded_done) struct decoded d = {0};
    int r = decode_entry(&l->env->decoder, ld, m, NULL, &d, e);
    if (r < 0 || !d.entry || d.deleted || d.computer)
        return r;
    r = l->events->entry(search, &d, l->owner, e);
    return r < 0 ? r : 1;
}

static int take_absent(struct leaving *l, const struct string_list *ids, struct error *e)
{
    int r = 0;
    for (size_t i = 0; i < ids->n_items && r == 0; i++)
        r = l->events->gone(ids->items[i], l->owner, e);
    return r;
}

static void take_answer(const struct string_list *absent, bool whole, void *userdata)
{
    struct leaving *l = userdata;
    struct error e = {0};
    if (!whole) {
        l->ask_again_usec = clock_monotonic_usec() + ASK_AGAIN_USEC;
        log_notice("%s did not fully say which entries are still there: whoever left one search "
                   "stays until it is known that no other has them",
                   session_uri(l->env->session));
    }
    int r = take_absent(l, absent, &e);
    if (r < 0)
        l->events->failed(r, &e, l->owner);
    else
        l->events->moved(l->owner);
}

static void take_failure(int r, const struct error *e, void *userdata)
{
    const struct leaving *l = userdata;
    l->events->failed(r, e, l->owner);
}

static int on_again(sd_event_source *source, void *userdata)
{
    const struct leaving *l = userdata;
    (void)source;
    l->events->moved(l->owner);
    return 0;
}

/* As a turn of whoever works meanwhile, which it is not to keep from its own. */
static int add_again(struct leaving *l, struct error *e)
{
    int r = sd_event_add_defer(l->env->event, &l->again, on_again, l);
    if (r >= 0)
        r = sd_event_source_set_priority(l->again, SD_EVENT_PRIORITY_NORMAL + 10);
    if (r >= 0)
        r = sd_event_source_set_enabled(l->again, SD_EVENT_OFF);
    return r < 0 ? error_set(e, r, "cannot add a source to the event loop") : 0;
}

int leaving_new(struct leaving **ret, struct feed_environment *env, struct fetches *fetches,
                const struct leaving_events *events, void *owner, struct error *e)
{
    static const struct holders_events of_holders = {
        .entry = take_found, .done = take_answer, .failed = take_failure};
    struct leaving *l = calloc(1, sizeof(*l));
    if (!l)
        return error_out_of_memory(e);
    l->env = env;
    l->fetches = fetches;
    l->events = events;
    l->owner = owner;
    int r = holders_new(&l->holders, env, &of_holders, l, e);
    if (r == 0)
        r = add_again(l, e);
    if (r < 0) {
        leaving_free(l);
        return r;
    }
    *ret = l;
    return 0;
}

static void free_unheld(struct unheld *u, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(u[i].id);
    free(u);
}

struct leaving *leaving_free(struct leaving *l)
{
    if (!l)
        return NULL;
    string_list_done(&l->removed);
    free_unheld(l->unheld, l->n_unheld);
    holders_free(l->holders);
    sd_event_source_disable_unref(l->again);
    free(l);
    return NULL;
}

void leaving_reset(struct leaving *l, bool full)
{
    if (full)
        l->ask_again_usec = 0;
    holders_reset(l->holders);
    string_list_done(&l->removed);
    l->n_asked = 0;
    l->base_asked = l->unseen_asked = false;
    sd_event_source_set_enabled(l->again, SD_EVENT_OFF);
}

bool leaving_asking(const struct leaving *l)
{
    return holders_asking(l->holders);
}

/* What was read before somebody left says nothing of where they are. */
static int note_unheld(struct leaving *l, const struct string_list *ids, struct error *e)
{
    CLEANUP(text_map_done) struct text_map before = {0};
    struct unheld *now = calloc(ids->n_items + 1, sizeof(*now));
    const void *found = NULL;
    int r = now ? 0 : -ENOMEM;
    for (size_t i = 0; i < l->n_unheld && r == 0; i++)
        r = text_map_add(&before, l->unheld[i].id, &l->unheld[i], &found);
    for (size_t i = 0; i < ids->n_items && r == 0; i++) {
        r = text_map_add(&before, ids->items[i], &now[i], &found);
        if (r == 0 && found != &now[i])
            now[i] = *(const struct unheld *)found;
        now[i].id = NULL;
        if (r == 0 && !(now[i].id = strdup(ids->items[i])))
            r = -ENOMEM;
    }
    if (r < 0) {
        free_unheld(now, now ? ids->n_items : 0);
        return error_out_of_memory(e);
    }
    free_unheld(l->unheld, l->n_unheld);
    l->unheld = now;
    l->n_unheld = ids->n_items;
    return 0;
}

static uint32_t all_searches(const struct leaving *l)
{
    return UINT32_MAX >> (32 - l->env->n_searches);
}

/* Whoever left, where nobody can be asked for, need not wait for the day's compare: one is
 * wanted soon, once for each of them. */
static void doubt_unheld(struct leaving *l, unsigned search, bool increment)
{
    bool last = search + 1 == l->env->n_searches, any = false;
    for (size_t i = 0; i < l->n_unheld; i++) {
        struct unheld *u = &l->unheld[i];
        if (u->doubted || (increment ? u->read != 0 : !last || u->read == all_searches(l)))
            continue;
        u->doubted = any = true;
    }
    if (any)
        feed_doubts(l->env, "somebody left a base, and the others must be read for them");
}

int leaving_committed(struct leaving *l, unsigned search, enum feed_absence absence,
                      struct error *e)
{
    CLEANUP(string_list_done) struct string_list ids = {0};
    uint32_t bit = UINT32_C(1) << search;
    bool whole = absence == FEED_ABSENCE_UNSEEN;
    if (holders_can_ask(l->env))
        return 0;
    if (absence == FEED_ABSENCE_NONE) {
        doubt_unheld(l, search, true);
        return 0;
    }
    int r = l->env->sink->unheld(l->env->userdata, &ids, e);
    if (r == 0) /* also whom this read did not show */
        r = note_unheld(l, &ids, e);
    for (size_t i = 0; i < l->n_unheld && r == 0; i++)
        l->unheld[i].read = whole ? l->unheld[i].read | bit : l->unheld[i].read & ~bit;
    if (r == 0 && whole)
        doubt_unheld(l, search, false);
    return r;
}

/* Where asking proves nothing: all searches were read whole since they left. */
static int settle_by_reads(struct leaving *l, const struct string_list *ids, struct error *e)
{
    int r = note_unheld(l, ids, e);
    for (size_t i = 0; i < l->n_unheld && r == 0; i++)
        if (l->unheld[i].read == all_searches(l))
            r = l->events->gone(l->unheld[i].id, l->owner, e);
    return r;
}

int leaving_ask_unheld(struct leaving *l, struct error *e)
{
    CLEANUP(string_list_done) struct string_list ids = {0};
    int r = l->env->sink->unheld(l->env->userdata, &ids, e);
    if (r == 0 && !holders_can_ask(l->env))
        return settle_by_reads(l, &ids, e);
    if (r < 0 || ids.n_items == 0)
        return r;
    if (l->n_asked >= QUESTIONS_MAX || clock_monotonic_usec() < l->ask_again_usec)
        return 0;
    l->n_asked++;
    r = holders_ask(l->holders, &ids, e);
    return r < 0 ? r : 1;
}

int leaving_ask_base(struct leaving *l, unsigned search, bool doubted, struct error *e)
{
    /* One that was away when the connection was made may be back, for the next read. */
    bool was_visible = l->env->searches[search].base_visible;
    if (l->base_asked || (doubted && was_visible))
        return 0;
    l->base_asked = true;
    int r = fetches_base(l->fetches, search, e);
    return r < 0 ? r : 1;
}

int leaving_ask_unseen(struct leaving *l, unsigned search, struct error *e)
{
    CLEANUP(string_list_done) struct string_list ids = {0};
    if (l->unseen_asked)
        return 0;
    int r = l->env->sink->unseen(l->env->userdata, search, UNSEEN_ASKED, &ids, e);
    if (r == SINK_MORE) {
        sd_event_source_set_enabled(l->again, SD_EVENT_ONESHOT);
        return 1;
    }
    l->unseen_asked = true;
    for (size_t i = 0; i < ids.n_items && r >= 0; i++) {
        CLEANUP(freep) char *dn = NULL;
        r = l->env->sink->known_dn(l->env->userdata, ids.items[i], &dn, e);
        if (r >= 0 && dn && feed_has_below(l->env, search, dn)) /* not moved to another one */
            r = fetches_unseen(l->fetches, search, dn, ids.items[i], e);
    }
    return r < 0 ? r : fetches_any(l->fetches);
}
