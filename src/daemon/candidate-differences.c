/*
 * How the plan of another configuration differs from the one in force: who would be changed
 * only by it, in which fields, and what is planned now and would not be done. Operations that
 * are in both are no difference, however many they are; so of each a digest is kept.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/memory.h"
#include "daemon/daemon.h"
#include "daemon/report.h"
#include "model/operation.h"
#include "state/queue.h"

struct digest {
    unsigned char bytes[DIGEST_SIZE];
};

/* A set, once it is sorted. */
struct digests {
    struct digest *items;
    size_t n_items, capacity;
};

static void digests_done(struct digests *d)
{
    free(d->items);
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct digest));
}

static void digests_sort(struct digests *d)
{
    if (d->n_items)
        qsort(d->items, d->n_items, sizeof(*d->items), compare);
}

static bool digests_contain(const struct digests *d, const struct digest *one)
{
    return d->n_items && bsearch(one, d->items, d->n_items, sizeof(*d->items), compare);
}

static size_t digests_count_different(struct digests *d)
{
    size_t n = 0;
    digests_sort(d);
    for (size_t i = 0; i < d->n_items; i++)
        n += i == 0 || compare(&d->items[i], &d->items[i - 1]) != 0;
    return n;
}

static int make_digest(const char *bytes, size_t size, struct digest *ret)
{
    struct digest_part part = {bytes, size};
    return digest_raw(ret->bytes, &part, 1);
}

static int digests_add(struct digests *d, const struct digest *one)
{
    if (memory_grow(&d->items, &d->capacity, d->n_items + 1, sizeof(*d->items)) < 0)
        return -ENOMEM;
    d->items[d->n_items++] = *one;
    return 0;
}

/* Whom an operation concerns, what it does and to which values: not by which rule. */
static int identity_of(const struct operation *o, struct digest *ret)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    buffer_format(&b, "%s\n%s", o->entry_id, operation_kind_name(o->kind));
    for (size_t i = 0; i < o->n_changes; i++)
        buffer_format(&b, "\n%s=%s", o->changes[i].field, o->changes[i].to ? o->changes[i].to : "");
    return b.failed ? -ENOMEM : make_digest(b.data, b.size, ret);
}

static int add_identity(const struct operation *o, void *userdata)
{
    struct digest one;
    int r = identity_of(o, &one);
    return r < 0 ? r : digests_add(userdata, &one);
}

static int each(struct state *s, int (*fn)(const struct operation *o, void *userdata),
                void *userdata, struct error *e)
{
    int r = queue_each(s, (enum operation_state)0, fn, userdata, e);
    return r < 0 && !e->message[0] ? error_out_of_memory(e) : r;
}

static int identities(struct state *s, struct digests *ret, struct error *e)
{
    int r = each(s, add_identity, ret, e);
    digests_sort(ret);
    return r;
}

struct difference {
    const struct digests *others;
    json_t *kinds, *fields; /* counts */
    struct digests people;
    struct error *e;
};

/* What is not among the others. */
static int collect(const struct operation *o, void *userdata)
{
    struct difference *d = userdata;
    struct digest one;
    int r = identity_of(o, &one);
    if (r < 0 || digests_contain(d->others, &one))
        return r;
    r = report_count(d->kinds, operation_kind_name(o->kind), d->e);
    if (r == 0)
        r = make_digest(o->entry_id, strlen(o->entry_id), &one);
    if (r == 0)
        r = digests_add(&d->people, &one);
    for (size_t i = 0; i < o->n_changes && r == 0; i++)
        r = report_count(d->fields, o->changes[i].field, d->e);
    return r;
}

int candidate_differences(json_t *head, struct state *other, struct state *present, struct error *e)
{
    CLEANUP(digests_done) struct digests had = {0};
    CLEANUP(digests_done) struct digests has = {0};
    json_auto_t *kinds = json_object(), *fields = json_object();
    json_auto_t *dropped = json_object(), *unused = json_object();
    struct difference more = {.others = &had, .kinds = kinds, .fields = fields, .e = e};
    struct difference less = {.others = &has, .kinds = dropped, .fields = unused, .e = e};
    int r = identities(present, &had, e);
    if (r == 0)
        r = identities(other, &has, e);
    if (r == 0)
        r = each(other, collect, &more, e);
    if (r == 0)
        r = each(present, collect, &less, e);
    size_t people = digests_count_different(&more.people);
    digests_done(&more.people);
    digests_done(&less.people);
    if (r < 0)
        return r;
    json_t *answer = json_pack("{s:I, s:O, s:O, s:O}", "people", (json_int_t)people, "operations",
                               kinds, "fields", fields, "dropped", dropped);
    return json_object_set_new(head, "differences", answer) < 0 ? error_out_of_memory(e) : 0;
}
