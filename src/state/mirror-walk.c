/*
 * Who is in the groups that rules name.
 *
 * Membership is walked from the person upwards, one indexed look for each group on the way:
 * people are in few groups, while groups hold thousands. A group that is reached again is not
 * entered again, so cycles end. A group that is gone passes nothing on to a present one; but
 * when the group that a rule names is gone itself, all that it last held counts, since then
 * nothing can be said and nobody must lose anything (GROUP_MISSING).
 *
 * What a walk found above a group is remembered for those of other people, until a statement writes
 * to a table that it was read from (later.c hears of that from SQLite, whatever statement does it)
 * or a transaction is undone. What is remembered is let go before a walk, never within one.
 */
#include "config.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "state/mirror-internal.h"

#define GROUPS_LIMIT 4096 /* about 1 MB */

static void group_free(struct group *g)
{
    free(g->parents);
    free(g->id);
    free(g->dn);
    free(g);
}

void groups_done(struct state *s)
{
    for (size_t i = 0; i < ARRAY_SIZE(s->groups.slots); i++)
        for (struct group *g = s->groups.slots[i], *next; g; g = next) {
            next = g->next;
            group_free(g);
        }
    s->groups = (struct known_groups){0};
}

static int group_read(struct stmt *q, struct group **ret, struct error *e)
{
    struct group *g = calloc(1, sizeof(*g));

    if (!g || stmt_copy_id(q, 0, &g->id) < 0 || stmt_copy(q, 1, &g->dn) < 0) {
        if (g)
            group_free(g);
        return error_out_of_memory(e);
    }
    g->gone = stmt_int(q, 2) != 0;
    *ret = g;
    return 0;
}

/* NULL: there is no such entry. */
static int group_get(struct state *s, int64_t n, struct group **ret, struct error *e)
{
    struct group **slot = &s->groups.slots[(uint64_t)n % ARRAY_SIZE(s->groups.slots)];
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r;

    *ret = NULL;
    for (struct group *g = *slot; g; g = g->next)
        if (g->n == n) {
            *ret = g;
            return 0;
        }
    r = stmt_query(&q, s,
                   "SELECT i.id, " ENTRY_DN ", e.gone_usec FROM " ENTRY_NAMED
                   "CROSS JOIN identity i ON i.n = e.n WHERE e.n = ?1",
                   WITH(as_int(n)), e);
    if (r == STMT_ROW)
        r = group_read(q, ret, e);
    if (!*ret)
        return r;
    (*ret)->n = n;
    (*ret)->next = *slot;
    *slot = *ret;
    s->groups.n++;
    return 0;
}

/* A group on the way up. `doubt`: a group that is gone lies between it and the person. */
struct node {
    struct group *group; /* borrowed from what is remembered */
    bool doubt;
    size_t origin; /* the node that names the person */
};
struct walk {
    struct node *nodes;
    size_t n_nodes, capacity;
};

static void walk_begin(struct state *s)
{
    if (s->groups.over || s->groups.n > GROUPS_LIMIT)
        groups_done(s);
}

static void walk_done(struct walk *w)
{
    free(w->nodes);
}

static bool walk_knows(const struct walk *w, const struct group *g, bool doubt)
{
    for (size_t i = 0; i < w->n_nodes; i++)
        if (w->nodes[i].group == g && w->nodes[i].doubt <= doubt)
            return true;
    return false;
}

static int walk_add(struct walk *w, struct group *g, bool doubt, const size_t *origin,
                    struct error *e)
{
    if (walk_knows(w, g, doubt))
        return 0;
    if (memory_grow(&w->nodes, &w->capacity, w->n_nodes + 1, sizeof(*w->nodes)) < 0)
        return error_out_of_memory(e);
    w->nodes[w->n_nodes] =
        (struct node){.group = g, .doubt = doubt, .origin = origin ? *origin : w->n_nodes};
    w->n_nodes++;
    return 0;
}

/* The groups that name a row: by its DN, unless that was a living other's when the group was
 * read; by a DN that it had then. */
#define NAMED_BY_KEY(kind, key)                                                                    \
    "SELECT m.group_n FROM entry p CROSS JOIN name a ON a.kind = " kind " AND a.key = p." key      \
    " CROSS JOIN member m ON m.name_n = a.n WHERE p.n = ?1 AND p.kind = 1"
#define NAMED_BY_DN(kind)                                                                          \
    "SELECT m.group_n FROM entry p CROSS JOIN member m ON m.name_n = p.name_n "                    \
    "WHERE p.n = ?1 AND p.kind = " kind                                                            \
    " AND NOT EXISTS (SELECT 1 FROM stale t CROSS JOIN entry o ON o.n = t.entry_n WHERE "          \
    "t.group_n = m.group_n AND t.name_n = m.name_n AND t.entry_n <> ?1 AND o.gone_usec = 0) "      \
    "UNION ALL SELECT t.group_n FROM stale t CROSS JOIN entry p ON p.n = t.entry_n "               \
    "AND p.kind = " kind " WHERE t.entry_n = ?1"

static int walk_person(struct state *s, struct walk *w, const char *person_id, struct error *e)
{
    static const char sql[] =
        NAMED_BY_DN("1") " UNION ALL " NAMED_BY_KEY("2", "login_key") " UNION ALL " NAMED_BY_KEY(
            "3",
            "primary_key") " UNION ALL SELECT m.group_n FROM entry_login l CROSS JOIN name a ON a.kind = 2 AND "
                           "a.key = l.key CROSS JOIN member m ON m.name_n = a.n CROSS JOIN entry p ON p.n = l.n AND "
                           "p.kind = 1 WHERE l.n = ?1";
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int64_t n = 0;
    int r = identity_find(s, person_id, &n, e);

    if (r == 0)
        r = stmt_query(&q, s, sql, WITH(as_int(n)), e);
    for (; r == STMT_ROW; r = stmt_step(q, e)) {
        struct group *g = NULL;

        r = group_get(s, stmt_int(q, 0), &g, e);
        if (r == 0 && g)
            r = walk_add(w, g, false, NULL, e);
        if (r < 0)
            return r;
    }
    return r;
}

static int ask_parents(struct state *s, struct group *of, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s, NAMED_BY_DN("2"), WITH(as_int(of->n)), e);

    of->n_parents = 0;
    for (; r == STMT_ROW; r = stmt_step(q, e)) {
        struct group *g = NULL;

        r = group_get(s, stmt_int(q, 0), &g, e);
        if (r < 0)
            return r;
        if (!g)
            continue;
        if (memory_grow(&of->parents, &of->capacity, of->n_parents + 1, sizeof(g)) < 0)
            return error_out_of_memory(e);
        of->parents[of->n_parents++] = g;
    }
    of->asked = r == 0;
    return r;
}

static int walk_parents(struct state *s, struct walk *w, size_t i, struct error *e)
{
    struct node node = w->nodes[i]; /* they move when some are added */
    struct group *g = node.group;
    int r = !g->asked ? ask_parents(s, g, e) : 0;

    for (size_t k = 0; r == 0 && k < g->n_parents; k++)
        r = walk_add(w, g->parents[k], node.doubt || g->gone, &node.origin, e);
    return r;
}

void mirror_memberships_done(struct mirror_membership *m, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(m[i].via);
        m[i] = (struct mirror_membership){0};
    }
}

static int answer(const struct walk *w, const char *group_id, struct mirror_membership *ret,
                  struct error *e)
{
    *ret = (struct mirror_membership){0};
    for (size_t i = 0; group_id && i < w->n_nodes; i++) {
        const struct node *node = &w->nodes[i];
        const struct group *origin = w->nodes[node->origin].group;

        if (strcmp(node->group->id, group_id) != 0 || (node->doubt && !node->group->gone))
            continue;
        ret->member = true;
        if (origin != node->group && !(ret->via = strdup(origin->dn)))
            return error_out_of_memory(e);
        return 0;
    }
    return 0;
}

int mirror_memberships(struct state *s, const char *person_id, const struct bound_groups *groups,
                       struct mirror_membership *ret, struct error *e)
{
    CLEANUP(walk_done) struct walk w = {0};

    walk_begin(s);
    int r = walk_person(s, &w, person_id, e);
    for (size_t i = 0; r == 0 && i < w.n_nodes; i++)
        r = walk_parents(s, &w, i, e);
    if (r < 0)
        return r;
    for (size_t i = 0; i < groups->n_items; i++) {
        r = answer(&w, groups->items[i].id, &ret[i], e);
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
            if (text_equal(w->nodes[i].group->id, groups->items[k].id))
                return true;
    return false;
}

/* Upwards from a group, as from a person. */
static int is_of(struct state *s, int64_t n, const struct bound_groups *groups, bool *ret,
                 struct error *e)
{
    CLEANUP(walk_done) struct walk w = {0};
    struct group *g = NULL;

    walk_begin(s);
    int r = group_get(s, n, &g, e);
    if (r == 0 && g)
        r = walk_add(&w, g, false, NULL, e);
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
                       "SELECT e.n, " ENTRY_DN " FROM entry e "
                       "INDEXED BY entry_members_hidden CROSS JOIN name a ON a.n = e.name_n WHERE "
                       "substr(e.members_digest, 1, 6) = 'hidden' AND e.gone_usec = 0",
                       NULL, e);

    for (; r == STMT_ROW; r = stmt_step(q, e)) {
        bool is = false;

        r = is_of(s, stmt_int(q, 0), groups, &is, e);
        if (r == 0 && is && string_list_add(ret_dns, stmt_text(q, 1)) < 0)
            r = error_out_of_memory(e);
    }
    return r;
}
