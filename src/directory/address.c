/*
 * Which server next. Each address has its own back-off, so that a server that is away does not
 * slow down the way to another; one that refuses our credentials gets a long pause, so that no
 * account is locked. It opens no connection.
 */
#include "config.h"

#include "directory/address.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/text.h"
#include "directory/task.h"

#define PAUSE_FIRST_USEC   (1 * USEC_PER_SEC)
#define PAUSE_MAX_USEC     (60 * USEC_PER_SEC)
#define REFUSED_FIRST_USEC (300 * USEC_PER_SEC)
#define REFUSED_MAX_USEC   (3600 * USEC_PER_SEC)
#define ASK_AGAIN_USEC     (10 * USEC_PER_SEC)
#define ASK_LATER_USEC     (60 * USEC_PER_SEC) /* when it did not answer, which takes time */

struct address_list {
    struct address **items; /* in order of preference */
    size_t n_items, capacity;
};

static void address_free(struct address *a)
{
    if (!a)
        return;
    free(a->configured);
    free(a->uri);
    task_slot_free(a->slot);
    free(a);
}

static struct address *address_new(const char *configured, const char *uri)
{
    struct address *a = calloc(1, sizeof(*a));
    if (!a)
        return NULL;
    a->configured = strdup(configured);
    a->uri = uri ? strdup(uri) : NULL;
    a->slot = task_slot_new();
    if (!a->configured || (uri && !a->uri) || !a->slot) {
        address_free(a);
        return NULL;
    }
    return a;
}

static void number(struct address_list *l)
{
    for (size_t i = 0; i < l->n_items; i++)
        l->items[i]->preference = (unsigned)i;
}

/* Takes a; puts it at `at`. */
static int insert(struct address_list *l, size_t at, struct address *a)
{
    if (!a || memory_grow(&l->items, &l->capacity, l->n_items + 1, sizeof(struct address *)) < 0) {
        address_free(a);
        return -ENOMEM;
    }
    memmove(l->items + at + 1, l->items + at, (l->n_items - at) * sizeof(*l->items));
    l->items[at] = a;
    l->n_items++;
    number(l);
    return 0;
}

static void remove_at(struct address_list *l, size_t at)
{
    address_free(l->items[at]);
    l->n_items--;
    memmove(l->items + at, l->items + at + 1, (l->n_items - at) * sizeof(*l->items));
    number(l);
}

int address_list_new(struct address_list **ret, char *const *uris, size_t n_uris, struct error *e)
{
    if (n_uris == 0)
        return error_set(e, -EINVAL, "no directory server is configured ([directory] uri)");
    struct address_list *l = calloc(1, sizeof(*l));
    for (size_t i = 0; l && i < n_uris; i++) {
        CLEANUP(freep) char *domain = address_domain(uris[i]);
        if (insert(l, i, address_new(uris[i], domain ? NULL : uris[i])) < 0)
            l = address_list_free(l);
    }
    if (!l)
        return error_out_of_memory(e);
    *ret = l;
    return 0;
}

struct address_list *address_list_free(struct address_list *l)
{
    if (!l)
        return NULL;
    for (size_t i = 0; i < l->n_items; i++)
        address_free(l->items[i]);
    free(l->items);
    free(l);
    return NULL;
}

size_t address_count(const struct address_list *l)
{
    return l->n_items;
}

bool address_all_refused(const struct address_list *l)
{
    for (size_t i = 0; i < l->n_items; i++)
        if (!l->items[i]->refused)
            return false;
    return true;
}

struct address *address_to_ask_again(struct address_list *l, uint64_t now)
{
    for (size_t i = 0; i < l->n_items; i++)
        if (l->items[i]->uri && l->items[i]->ask_usec && now >= l->items[i]->ask_usec)
            return l->items[i];
    return NULL;
}

struct address *address_next(struct address_list *l, uint64_t now, uint64_t *ret_when)
{
    *ret_when = UINT64_MAX;
    for (size_t i = 0; i < l->n_items; i++) {
        if (l->items[i]->not_before_usec <= now)
            return l->items[i];
        if (l->items[i]->not_before_usec < *ret_when)
            *ret_when = l->items[i]->not_before_usec;
    }
    return NULL;
}

struct address *address_better(struct address_list *l, const struct address *than, uint64_t now)
{
    for (size_t i = 0; i < l->n_items && l->items[i] != than; i++)
        if (l->items[i]->not_before_usec <= now && l->items[i]->uri)
            return l->items[i];
    return NULL;
}

/* Up to a fifth less or more, so that many daemons do not come back at once. */
static uint64_t jitter(uint64_t usec)
{
    uint32_t r = (uint32_t)random_number();
    return usec - usec / 5 + (uint64_t)((double)usec * 0.4 * (double)r / (double)UINT32_MAX);
}

void address_failed(struct address *a, bool refused, uint64_t now)
{
    uint64_t pause = refused ? REFUSED_FIRST_USEC : PAUSE_FIRST_USEC;
    uint64_t max = refused ? REFUSED_MAX_USEC : PAUSE_MAX_USEC;
    if (refused != a->refused)
        a->n_failures = 0;
    a->refused = refused;
    for (unsigned i = 0; i < a->n_failures && pause < max; i++)
        pause *= 2;
    if (pause > max)
        pause = max;
    a->n_failures++;
    a->not_before_usec = now + jitter(pause);
}

void address_worked(struct address *a)
{
    a->n_failures = 0;
    a->refused = false;
    a->not_before_usec = 0;
}

void address_try_now(struct address_list *l)
{
    for (size_t i = 0; i < l->n_items; i++)
        l->items[i]->not_before_usec = 0;
}

/* What stands for the same word of the configuration: [*ret_at, *ret_end). */
static void find_siblings(const struct address_list *l, const struct address *a, size_t *ret_at,
                          size_t *ret_end)
{
    size_t at = a->preference, end = at + 1;
    while (at > 0 && strcmp(l->items[at - 1]->configured, a->configured) == 0)
        at--;
    while (end < l->n_items && strcmp(l->items[end]->configured, a->configured) == 0)
        end++;
    *ret_at = at;
    *ret_end = end;
}

/* A server that was named before keeps its pauses: asking DNS makes no account less locked. */
static int put(struct address_list *l, size_t at, size_t *end, const char *configured,
               const char *uri)
{
    size_t i = at;
    while (i < *end && !(l->items[i]->uri && strcmp(l->items[i]->uri, uri) == 0))
        i++;
    if (i == *end) {
        int r = insert(l, at, address_new(configured, uri));
        *end += r == 0;
        return r;
    }
    struct address *known = l->items[i];
    memmove(l->items + at + 1, l->items + at, (i - at) * sizeof(*l->items));
    l->items[at] = known;
    return 0;
}

int address_resolved(struct address_list *l, struct address *a, const struct string_list *uris,
                     struct error *e)
{
    size_t at, end;
    uint64_t again = clock_monotonic_usec() + ASK_AGAIN_USEC;
    if (uris->n_items == 0)
        return error_set(e, -ENOENT, "%s: DNS names no directory server", a->configured);
    CLEANUP(freep) char *configured = strdup(a->configured);
    if (!configured)
        return error_out_of_memory(e);
    find_siblings(l, a, &at, &end);
    for (size_t i = 0; i < uris->n_items; i++)
        if (put(l, at + i, &end, configured, uris->items[i]) < 0)
            return error_out_of_memory(e);
    while (end > at + uris->n_items)
        remove_at(l, --end);
    for (size_t i = at; i < end; i++)
        l->items[i]->ask_usec = again;
    number(l);
    return 0;
}

void address_not_resolved(struct address_list *l, struct address *a)
{
    size_t at, end;
    uint64_t later = clock_monotonic_usec() + ASK_LATER_USEC;
    for (find_siblings(l, a, &at, &end); at < end; at++)
        l->items[at]->ask_usec = later;
}
