/*
 * The groups that rules name: where each is now, how many members it has, and which names are
 * like one that is not found. Who is in them: mirror-walk.c.
 */
#include "config.h"

#include <assert.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "model/dn.h"
#include "state/mirror-internal.h"

void bound_groups_done(struct bound_groups *g)
{
    for (size_t i = 0; i < g->n_items; i++) {
        free(g->items[i].configured_key);
        free(g->items[i].id);
        free(g->items[i].dn);
    }
    free(g->items);
    *g = (struct bound_groups){0};
}

static int set_text(char **slot, const char *text, struct error *e)
{
    char *copy = strdup(text);

    if (!copy)
        return error_out_of_memory(e);
    free(*slot);
    *slot = copy;
    return 0;
}

/* The group that this key had when it was bound last: fills id and dn. */
static int bound_before(struct state *s, struct bound_group *g, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r =
        stmt_query(&q, s,
                   "SELECT i.id, b.dn FROM bound_group b CROSS JOIN identity i ON i.n = b.n WHERE "
                   "b.configured_key = ?1",
                   WITH(as_text(g->configured_key)), e);
    if (r != STMT_ROW)
        return r;
    r = set_text(&g->id, stmt_id(q, 0), e);
    return r < 0 ? r : set_text(&g->dn, stmt_text(q, 1), e);
}

/* Where that group is now. */
static int bound_now(struct state *s, struct bound_group *g, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r;

    g->state = g->id ? BOUND_GONE : BOUND_NEVER_SEEN;
    if (!g->id)
        return 0;
    r = stmt_query(&q, s,
                   "SELECT " ENTRY_DN ", a.key, e.gone_usec FROM " ENTRY_BY_ID " AND e.kind = 2",
                   WITH(as_id(g->id)), e);
    if (r != STMT_ROW)
        return r;
    if (stmt_int(q, 2) == 0)
        g->state = strcmp(stmt_text(q, 1), g->configured_key) == 0 ? BOUND_PRESENT : BOUND_RENAMED;
    return set_text(&g->dn, stmt_text(q, 0), e);
}

/* The configured DN decides: a group that bears it now is meant, also when another one, that
 * moved away or was deleted, was meant before. But of one that was made anew and whose members
 * are hidden nobody was ever seen: the one that was deleted is meant until they are shown. */
static int bound_by_dn(struct state *s, struct bound_group *g, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s,
                       "SELECT i.id, " ENTRY_DN
                       ", e.gone_usec, e.members_digest FROM name a CROSS JOIN entry e "
                       "ON e.name_n = a.n CROSS JOIN identity i ON i.n = e.n WHERE a.kind = 1 "
                       "AND a.key = ?1 AND e.kind = 2 ORDER BY e.gone_usec > 0, "
                       "e.gone_usec DESC, e.n LIMIT 1",
                       WITH(as_text(g->configured_key)), e);
    if (r != STMT_ROW)
        return r;
    if (g->id &&
        (stmt_int(q, 2) != 0 || (g->state == BOUND_GONE && members_are_hidden(stmt_text(q, 3)))))
        return 0;
    g->state = stmt_int(q, 2) == 0 ? BOUND_PRESENT : BOUND_GONE;
    r = set_text(&g->id, stmt_id(q, 0), e);
    return r < 0 ? r : set_text(&g->dn, stmt_text(q, 1), e);
}

static int bound_count(struct state *s, struct bound_group *g, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(
        &q, s,
        "SELECT count(*), (SELECT members_digest FROM entry WHERE n = " NUMBER_OF
        ") FROM member WHERE group_n = (SELECT e.n FROM entry e WHERE e.n = " NUMBER_OF ")",
        WITH(as_id(g->id)), e);
    if (r == STMT_ROW) {
        g->n_members = (size_t)stmt_int(q, 0);
        g->members_hidden = members_are_hidden(stmt_text(q, 1));
    }
    return r < 0 ? r : 0;
}

static int bound_store(struct state *s, const struct bound_group *g, struct error *e)
{
    int64_t n = 0;
    int r = identity_get(s, g->id, &n, e);

    return r < 0 ? r
                 : db_write(s,
                            "INSERT INTO bound_group(configured_key, n, dn) VALUES (?2, ?1, ?3) ON "
                            "CONFLICT(configured_key) DO UPDATE SET n = ?1, dn = ?3",
                            WITH(as_int(n), as_text(g->configured_key), as_text(g->dn)), e);
}

/* store: notes what it is, so that it is known again when it is renamed. */
static int bind_group(struct state *s, struct bound_group *g, bool store, struct error *e)
{
    CLEANUP(freep) char *old_id = NULL;
    CLEANUP(freep) char *old_dn = NULL;
    int r = bound_before(s, g, e);

    if (r < 0)
        return r;
    if (g->id && (!(old_id = strdup(g->id)) || !(old_dn = strdup(g->dn))))
        return error_out_of_memory(e);
    r = bound_now(s, g, e);
    if (r == 0 && g->state != BOUND_PRESENT)
        r = bound_by_dn(s, g, e);
    if (r < 0 || !g->id)
        return r;
    r = bound_count(s, g, e);
    if (r == 0 && store && !(text_equal(old_id, g->id) && text_equal(old_dn, g->dn)))
        r = bound_store(s, g, e);
    return r;
}

static int bind_groups(struct state *s, const char *const *keys, size_t n_keys, bool store,
                       struct bound_groups *ret, struct error *e)
{
    CLEANUP(bound_groups_done) struct bound_groups groups = {0};
    int r = 0;

    groups.items = calloc(n_keys + 1, sizeof(*groups.items));
    if (!groups.items)
        return error_out_of_memory(e);
    for (size_t i = 0; r == 0 && i < n_keys; i++) {
        struct bound_group *g = &groups.items[groups.n_items++];

        r = set_text(&g->configured_key, keys[i], e);
        if (r == 0)
            r = bind_group(s, g, store, e);
    }
    if (r < 0)
        return r;
    *ret = groups;
    groups = (struct bound_groups){0};
    return 0;
}

int mirror_bind_groups(struct state *s, const char *const *keys, size_t n_keys,
                       struct bound_groups *ret, struct error *e)
{
    return bind_groups(s, keys, n_keys, true, ret, e);
}

int mirror_look_at_groups(struct state *s, const char *const *keys, size_t n_keys,
                          struct bound_groups *ret, struct error *e)
{
    return bind_groups(s, keys, n_keys, false, ret, e);
}

struct similar {
    char *dn;
    unsigned distance;
};

static int compare_similar(const void *a, const void *b)
{
    const struct similar *x = a, *y = b;

    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    return strcmp(x->dn, y->dn);
}

/* One name within the other ("support" and "cc-support") counts as near, too. */
static bool resembles(const char *leaf, const char *other, unsigned limit, unsigned *ret_distance)
{
    *ret_distance = text_distance(leaf, other, limit);
    if (*ret_distance <= limit)
        return true;
    *ret_distance = limit + 1;
    return strlen(leaf) >= 3 && strlen(other) >= 3 &&
           (strcasestr(leaf, other) || strcasestr(other, leaf));
}

int mirror_similar_groups(struct state *s, const char *dn, size_t limit, struct string_list *ret,
                          struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    CLEANUP(freep) char *leaf = dn_leaf_value(dn);
    struct similar *found = NULL;
    size_t n = 0, capacity = 0, far = leaf ? strlen(leaf) / 3 : 0;
    int r = stmt_query(
        &q, s, "SELECT " ENTRY_DN " FROM " ENTRY_NAMED "WHERE e.kind = 2 AND e.gone_usec = 0", NULL,
        e);

    for (; leaf && r == STMT_ROW; r = stmt_step(q, e)) {
        struct similar x = {0};
        CLEANUP(freep) char *other = dn_leaf_value(stmt_text(q, 0));

        if (!other || !resembles(leaf, other,
                                 far < 2   ? 2
                                 : far > 8 ? 8
                                           : (unsigned)far,
                                 &x.distance))
            continue;
        if (memory_grow(&found, &capacity, n + 1, sizeof(x)) < 0 ||
            !(x.dn = strdup(stmt_text(q, 0)))) {
            r = error_out_of_memory(e);
            break;
        }
        found[n++] = x;
    }
    if (n > 1)
        qsort(found, n, sizeof(*found), compare_similar);
    for (size_t i = 0; r >= 0 && i < n && i < limit; i++)
        if (string_list_add(ret, found[i].dn) < 0)
            r = error_out_of_memory(e);
    for (size_t i = 0; i < n; i++)
        free(found[i].dn);
    free(found);
    return r < 0 ? r : 0;
}
