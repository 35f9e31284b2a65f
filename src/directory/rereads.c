/*
 * The times of rereads: at once, and again after each of the pauses below. What is taken longer
 * after it was noted than the last pause is done with. It neither reads nor asks.
 */
#include "config.h"

#include "directory/rereads.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/timer.h"

/* slapd's refint takes milliseconds, on a busy server a second. A minute of waiting would be
 * felt where no server repairs anything and a renamed person loses access by it. */
static const uint64_t pauses[] = {0, 500 * USEC_PER_MSEC, 3 * USEC_PER_SEC};
#define LAST (ARRAY_SIZE(pauses) - 1)
/* Several who appear together are one question. */
#define GATHER_USEC (50 * USEC_PER_MSEC)
#define DNS_MAX     2000

struct reread {
    char *name;
    uint64_t noted_usec;
    unsigned n_reads;
};

struct reread_list {
    struct reread *items;
    size_t n_items, capacity;
};

struct rereads {
    sd_event_source *timer;
    bool patient;
    void (*due)(void *userdata);
    void *userdata;
    struct reread_list dns, groups;
};

static uint64_t due_usec(const struct reread *k)
{
    return k->noted_usec + pauses[k->n_reads < LAST ? k->n_reads : LAST];
}

static void remove_at(struct reread_list *l, size_t i)
{
    free(l->items[i].name);
    memmove(l->items + i, l->items + i + 1, (--l->n_items - i) * sizeof(*l->items));
}

static void list_done(struct reread_list *l)
{
    for (size_t i = 0; i < l->n_items; i++)
        free(l->items[i].name);
    free(l->items);
    *l = (struct reread_list){0};
}

/* Where the name is, or belongs, in a list that is in order. */
static size_t find(const struct reread_list *l, const char *name, bool *ret_found)
{
    size_t low = 0, high = l->n_items;
    *ret_found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(l->items[middle].name, name);
        *ret_found = *ret_found || order == 0;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct reread *add(struct reread_list *l, size_t at, const char *name, uint64_t now,
                          struct error *e)
{
    char *copy = strdup(name);
    if (!copy || memory_grow(&l->items, &l->capacity, l->n_items + 1, sizeof(*l->items)) < 0) {
        free(copy);
        error_out_of_memory(e);
        return NULL;
    }
    memmove(l->items + at + 1, l->items + at, (l->n_items++ - at) * sizeof(*l->items));
    l->items[at] = (struct reread){.name = copy, .noted_usec = now};
    return &l->items[at];
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source, (void)usec;
    struct rereads *l = userdata;
    l->due(l->userdata);
    return 0;
}

int rereads_new(struct rereads **ret, struct sd_event *event, bool patient,
                void (*due)(void *userdata), void *userdata, struct error *e)
{
    struct rereads *l = calloc(1, sizeof(*l));
    if (!l)
        return error_out_of_memory(e);
    l->patient = patient;
    l->due = due;
    l->userdata = userdata;
    int r = due ? timer_in(event, &l->timer, 0, on_timer, l) : 0;
    if (r >= 0 && l->timer)
        r = sd_event_source_set_enabled(l->timer, SD_EVENT_OFF);
    if (r < 0) {
        rereads_free(l);
        return error_set(e, r, "cannot make a timer: %s", strerror(-r));
    }
    *ret = l;
    return 0;
}

struct rereads *rereads_free(struct rereads *l)
{
    if (!l)
        return NULL;
    l->timer = sd_event_source_disable_unref(l->timer);
    list_done(&l->dns);
    list_done(&l->groups);
    free(l);
    return NULL;
}

int rereads_add(struct rereads *l, const char *dn, uint64_t now, struct error *e)
{
    if (l->dns.n_items >= DNS_MAX) {
        list_done(&l->dns);
        return REREADS_TOO_MANY;
    }
    if (!add(&l->dns, l->dns.n_items, dn, now, e))
        return -ENOMEM;
    return 0;
}

int rereads_take(struct rereads *l, uint64_t now, struct string_list *ret, struct error *e)
{
    for (size_t i = 0; i < l->dns.n_items;) {
        struct reread *k = &l->dns.items[i];
        if (due_usec(k) > now) {
            i++;
            continue;
        }
        if (string_list_add(ret, k->name) < 0)
            return error_out_of_memory(e);
        if (!l->patient || now >= k->noted_usec + pauses[LAST]) {
            remove_at(&l->dns, i);
        } else {
            k->n_reads++;
            i++;
        }
    }
    return 0;
}

bool rereads_any(const struct rereads *l)
{
    for (size_t i = 0; i < l->dns.n_items; i++)
        if (l->dns.items[i].n_reads == 0)
            return true;
    return false;
}

bool rereads_pending(const struct rereads *l)
{
    return l->dns.n_items > 0;
}

int rereads_group(struct rereads *l, const char *id, uint64_t now, enum rereads_answer *ret,
                  struct error *e)
{
    bool found;
    size_t at = find(&l->groups, id, &found);
    struct reread *k = found ? &l->groups.items[at] : add(&l->groups, at, id, now, e);
    if (!k)
        return -ENOMEM;
    if (due_usec(k) > now) {
        *ret = REREADS_WAIT;
        return 0;
    }
    k->n_reads++;
    *ret = !l->patient || now >= k->noted_usec + pauses[LAST] ? REREADS_LAST : REREADS_READ;
    return 0;
}

bool rereads_groups_due(const struct rereads *l, uint64_t now)
{
    for (size_t i = 0; i < l->groups.n_items; i++)
        if (due_usec(&l->groups.items[i]) <= now)
            return true;
    return false;
}

int rereads_keep_groups(struct rereads *l, const struct string_list *ids)
{
    CLEANUP(string_list_done) struct string_list kept = {0};
    size_t n = 0;
    for (size_t i = 0; i < ids->n_items; i++)
        if (string_list_add_once(&kept, ids->items[i]) < 0)
            return -ENOMEM;
    for (size_t i = 0; i < l->groups.n_items; i++) {
        struct reread *k = &l->groups.items[i];
        if (string_list_contains(&kept, k->name))
            l->groups.items[n++] = *k;
        else
            free(k->name);
    }
    l->groups.n_items = n;
    return 0;
}

void rereads_arm(struct rereads *l, uint64_t now)
{
    uint64_t first = UINT64_MAX;
    if (!l->timer)
        return;
    for (size_t i = 0; i < l->dns.n_items; i++)
        if (due_usec(&l->dns.items[i]) < first)
            first = due_usec(&l->dns.items[i]);
    for (size_t i = 0; i < l->groups.n_items; i++)
        if (due_usec(&l->groups.items[i]) < first)
            first = due_usec(&l->groups.items[i]);
    if (first == UINT64_MAX) {
        sd_event_source_set_enabled(l->timer, SD_EVENT_OFF);
        return;
    }
    uint64_t pause = first > now ? first - now : 0;
    sd_event_source_set_time_relative(l->timer, pause > GATHER_USEC ? pause : GATHER_USEC);
    sd_event_source_set_enabled(l->timer, SD_EVENT_ONESHOT);
}
