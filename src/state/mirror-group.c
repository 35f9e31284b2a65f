/*
 * The groups that rules name, and who is in them.
 *
 * Membership is walked from the person upwards, one indexed look for each group on the way:
 * people are in few groups, while groups hold thousands. A group that is reached again is not
 * entered again, so cycles end. A group that is gone passes nothing on to a present one; but
 * when the group that a rule names is gone itself, all that it last held counts, since then
 * nothing can be said and nobody must lose anything (GROUP_MISSING).
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
        g->state =
            strcmp(stmt_text(q, 1), g->configured_key) == 0 ? BOUND_PRESENT : BOUND_RENAMED;
    return set_text(&g->dn, stmt_text(q, 0), e);
}

/* The configured DN decides: a group that bears it now is meant, also when another one, that
 * moved away or was deleted, was meant before. */
static int bound_by_dn(struct state *s, struct bound_group *g, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s,
                       "SELECT i.id, " ENTRY_DN ", e.gone_usec FROM name a CROSS JOIN entry e "
                       "ON e.name_n = a.n CROSS JOIN identity i ON i.n = e.n WHERE a.kind = 1 "
                       "AND a.key = ?1 AND e.kind = 2 ORDER BY e.gone_usec > 0, "
                       "e.gone_usec DESC, e.n LIMIT 1",
                       WITH(as_text(g->configured_key)), e);
    if (r != STMT_ROW)
        return r;
    if (stmt_int(q, 2) != 0 && g->id)
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
        g->members_hidden = stmt_text(q, 1) && strncmp(stmt_text(q, 1), MEMBERS_HIDDEN,
                                                       sizeof(MEMBERS_HIDDEN) - 1) == 0;
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

/* A group on the way up. `doubt`: a group that is gone lies between it and the person. */
struct node {
    int64_t n;
    bool doubt, gone;
    bool named; /* some group may name it */
    size_t origin; /* the node that names the person */
    char *id;
};
struct walk {
    struct node *nodes;
    size_t n_nodes, capacity;
};

static void walk_done(struct walk *w)
{
    for (size_t i = 0; i < w->n_nodes; i++)
        free(w->nodes[i].id);
    free(w->nodes);
}

static bool walk_knows(const struct walk *w, int64_t n, bool doubt)
{
    for (size_t i = 0; i < w->n_nodes; i++)
        if (w->nodes[i].n == n && w->nodes[i].doubt <= doubt)
            return true;
    return false;
}

static int walk_add(struct walk *w, struct stmt *q, bool doubt, const size_t *origin,
                    struct error *e)
{
    struct node node = {.n = stmt_int(q, 0),
                        .doubt = doubt,
                        .gone = stmt_int(q, 2) != 0,
                        .named = stmt_int(q, 3) != 0};

    if (walk_knows(w, node.n, doubt))
        return 0;
    if (memory_grow(&w->nodes, &w->capacity, w->n_nodes + 1, sizeof(node)) < 0)
        return error_out_of_memory(e);
    node.origin = origin ? *origin : w->n_nodes;
    if (stmt_copy_id(q, 1, &node.id) < 0)
        return error_out_of_memory(e);
    w->nodes[w->n_nodes++] = node;
    return 0;
}

/* The groups that name a row: by its DN, unless that was a living other's when the group was
 * read; by a DN that it had then. */
#define GROUP                                                                                  \
    "SELECT g.n, i.id, g.gone_usec, "                                                           \
    "EXISTS (SELECT 1 FROM member u WHERE u.name_n = g.name_n) OR "                            \
    "EXISTS (SELECT 1 FROM stale u WHERE u.entry_n = g.n) "
#define GROUP_M "CROSS JOIN entry g ON g.n = m.group_n CROSS JOIN identity i ON i.n = m.group_n "
#define NAMED_BY_KEY(kind, key)                                                                \
    GROUP "FROM entry p CROSS JOIN name a ON a.kind = " kind " AND a.key = p." key             \
    " CROSS JOIN member m ON m.name_n = a.n " GROUP_M "WHERE p.n = ?1 AND p.kind = 1"
#define NAMED_BY_DN(kind)                                                                      \
    GROUP "FROM entry p CROSS JOIN member m ON m.name_n = p.name_n " GROUP_M                   \
    "WHERE p.n = ?1 AND p.kind = " kind                                                        \
    " AND NOT EXISTS (SELECT 1 FROM stale t CROSS JOIN entry o ON o.n = t.entry_n WHERE "      \
    "t.group_n = m.group_n AND t.name_n = m.name_n AND t.entry_n <> ?1 AND o.gone_usec = 0) "  \
    "UNION ALL " GROUP "FROM stale t CROSS JOIN entry p ON p.n = t.entry_n AND p.kind = " kind \
    " CROSS JOIN entry g ON g.n = t.group_n CROSS JOIN "                                       \
    "identity i ON i.n = g.n WHERE t.entry_n = ?1"

static int walk_rows(struct state *s, struct walk *w, const char *sql, int64_t n, bool doubt,
                     const size_t *origin, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s, sql, WITH(as_int(n)), e);

    for (; r == STMT_ROW; r = stmt_step(q, e)) {
        r = walk_add(w, q, doubt, origin, e);
        if (r < 0)
            return r;
    }
    return r;
}

static int walk_person(struct state *s, struct walk *w, const char *person_id, struct error *e)
{
    static const char sql[] =
        NAMED_BY_DN("1") " UNION ALL " NAMED_BY_KEY("2", "login_key") " UNION ALL "
        NAMED_BY_KEY("3", "primary_key")
        " UNION ALL " GROUP "FROM entry_login l CROSS JOIN name a ON a.kind = 2 AND a.key = l.key "
        "CROSS JOIN member m ON m.name_n = a.n " GROUP_M "CROSS JOIN entry p ON p.n = l.n AND "
        "p.kind = 1 WHERE l.n = ?1";
    int64_t n = 0;
    int r = identity_find(s, person_id, &n, e);

    return r < 0 ? r : walk_rows(s, w, sql, n, false, NULL, e);
}

static int walk_parents(struct state *s, struct walk *w, size_t i, struct error *e)
{
    struct node node = w->nodes[i]; /* they move when some are added */

    if (!node.named)
        return 0;
    return walk_rows(s, w, NAMED_BY_DN("2"), node.n, node.doubt || node.gone, &node.origin, e);
}

void mirror_memberships_done(struct mirror_membership *m, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(m[i].via);
        m[i] = (struct mirror_membership){0};
    }
}

static int dn_of_row(struct state *s, int64_t n, char **ret, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s, "SELECT " ENTRY_DN " FROM " ENTRY_NAMED "WHERE e.n = ?1",
                       WITH(as_int(n)), e);
    if (r < 0)
        return r;
    return stmt_copy(q, 0, ret) < 0 ? error_out_of_memory(e) : 0;
}

static int answer(struct state *s, const struct walk *w, const char *group_id,
                  struct mirror_membership *ret, struct error *e)
{
    *ret = (struct mirror_membership){0};
    for (size_t i = 0; group_id && i < w->n_nodes; i++) {
        const struct node *node = &w->nodes[i];

        if (strcmp(node->id, group_id) != 0 || (node->doubt && !node->gone))
            continue;
        ret->member = true;
        if (node->origin == i || w->nodes[node->origin].n == node->n)
            return 0;
        return dn_of_row(s, w->nodes[node->origin].n, &ret->via, e);
    }
    return 0;
}

int mirror_memberships(struct state *s, const char *person_id,
                       const struct bound_groups *groups, struct mirror_membership *ret,
                       struct error *e)
{
    CLEANUP(walk_done) struct walk w = {0};
    int r = walk_person(s, &w, person_id, e);

    for (size_t i = 0; r == 0 && i < w.n_nodes; i++)
        r = walk_parents(s, &w, i, e);
    if (r < 0)
        return r;
    for (size_t i = 0; i < groups->n_items; i++) {
        r = answer(s, &w, groups->items[i].id, &ret[i], e);
        if (r < 0) {
            mirror_memberships_done(ret, i);
            return r;
        }
    }
    return 0;
}

static bool walk_reaches(const struct walk *w, const struct bound_groups *groups)
{
    for (size_t i = 0; i < w->n_nodes; i++)
        for (size_t k = 0; k < groups->n_items; k++)
            if (text_equal(w->nodes[i].id, groups->items[k].id))
                return true;
    return false;
}

/* Upwards from a group, as from a person. */
static int is_of(struct state *s, struct stmt *hidden, const struct bound_groups *groups,
                 bool *ret, struct error *e)
{
    CLEANUP(walk_done) struct walk w = {0};
    int r = walk_add(&w, hidden, false, NULL, e);

    for (size_t i = 0; r == 0 && i < w.n_nodes; i++)
        r = walk_parents(s, &w, i, e);
    *ret = r == 0 && walk_reaches(&w, groups);
    return r;
}

int mirror_hidden_groups(struct state *s, const struct bound_groups *groups,
                         struct string_list *ret_dns, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s,
                       "SELECT e.n, i.id, e.gone_usec, 1, " ENTRY_DN " FROM entry e "
                       "INDEXED BY entry_members_hidden CROSS JOIN name a ON a.n = e.name_n CROSS "
                       "JOIN identity i ON i.n = e.n WHERE substr(e.members_digest, 1, 6) = "
                       "'hidden' AND e.gone_usec = 0",
                       NULL, e);

    for (; r == STMT_ROW; r = stmt_step(q, e)) {
        bool is = false;

        r = is_of(s, q, groups, &is, e);
        if (r == 0 && is && string_list_add(ret_dns, stmt_text(q, 4)) < 0)
            r = error_out_of_memory(e);
    }
    return r;
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
static bool resembles(const char *leaf, const char *other, unsigned limit,
                      unsigned *ret_distance)
{
    *ret_distance = text_distance(leaf, other, limit);
    if (*ret_distance <= limit)
        return true;
    *ret_distance = limit + 1;
    return strlen(leaf) >= 3 && strlen(other) >= 3 &&
           (strcasestr(leaf, other) || strcasestr(other, leaf));
}

int mirror_similar_groups(struct state *s, const char *dn, size_t limit,
                          struct string_list *ret, struct error *e)
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
