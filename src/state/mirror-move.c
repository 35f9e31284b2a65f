/*
 * A container that moves takes everything below it along, and no server reports the children.
 * Their DNs and keys are rewritten here, by prefix. Ids stay, so nobody is lost. Member
 * rows of groups stay as they are: the groups become stale and are read again.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "model/dn.h"
#include "state/mirror-internal.h"

struct child {
    int64_t n;
    enum entry_kind kind;
    char *dn, *key;
};
struct children {
    struct child *items;
    size_t n_items, capacity;
};

static void children_done(struct children *c)
{
    for (size_t i = 0; i < c->n_items; i++) {
        free(c->items[i].dn);
        free(c->items[i].key);
    }
    free(c->items);
}

/* The first key behind all that begin with this one: a key ends in '\n' (model/dn.h). */
char *key_range_end(const char *key)
{
    char *end = strdup(key);

    if (end && *end)
        end[strlen(end) - 1] = '\n' + 1;
    return end;
}

static char *join(const char *head, size_t head_size, const char *tail)
{
    size_t tail_size = strlen(tail);
    char *joined = malloc(head_size + tail_size + 1);

    if (!joined)
        return NULL;
    memcpy(joined, head, head_size);
    memcpy(joined + head_size, tail, tail_size + 1);
    return joined;
}

/* The child's DN up to the ancestor, counted in RDNs, since the server may spell the ancestor's
 * part differently in every DN. */
static size_t own_part(const char *dn, const char *rest_of_key)
{
    const char *at = dn;

    for (; at && *rest_of_key; rest_of_key++)
        if (*rest_of_key == '\n')
            at = dn_parent(at);
    return at ? (size_t)(at - dn) : strlen(dn);
}

static int collect_children(struct state *s, const char *old_key, const char *end,
                            const char *new_key, const char *new_dn, struct children *ret,
                            struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    size_t old_size = strlen(old_key);
    int r = stmt_query(&q, s,
                       "SELECT e.n, e.kind, " ENTRY_DN ", a.key FROM name a CROSS JOIN entry e "
                       "ON e.name_n = a.n WHERE a.kind = 1 AND a.key > ?1 AND a.key < ?2 AND "
                       "e.gone_usec = 0",
                       WITH(as_text(old_key), as_text(end)), e);
    for (; r == STMT_ROW; r = stmt_step(q, e)) {
        struct child c = {.n = stmt_int(q, 0), .kind = (enum entry_kind)stmt_int(q, 1)};
        const char *dn = stmt_text(q, 2), *key = stmt_text(q, 3);

        if (memory_grow(&ret->items, &ret->capacity, ret->n_items + 1, sizeof(c)) < 0)
            return error_out_of_memory(e);
        c.dn = join(dn, own_part(dn, key + old_size), new_dn);
        c.key = join(new_key, strlen(new_key), key + old_size);
        ret->items[ret->n_items++] = c;
        if (!c.dn || !c.key)
            return error_out_of_memory(e);
    }
    return r;
}

static int move_child(struct state *s, const struct child *c, struct error *e)
{
    struct name name = {0};
    int r = stale_note(s, c->n, e);

    if (r == 0)
        r = name_get(s, MEMBER_DN, c->key, c->dn, &name, e);
    if (r == 0)
        r = db_write(s, "UPDATE entry SET dn = ?2, name_n = ?3, raw = NULL WHERE n = ?1",
                     WITH(as_int(c->n), as_text(name.as_spelt ? NULL : c->dn), as_int(name.n)), e);
    if (r == 0 && c->kind == ENTRY_PERSON)
        r = later_mark(s, c->n, e);
    if (r == 0 && c->kind == ENTRY_GROUP)
        r = dirty_if_named(s, c->n, name.n, e);
    return r;
}

int move_below(struct state *s, const char *old_key, const char *new_key, const char *new_dn,
               struct error *e)
{
    CLEANUP(children_done) struct children children = {0};
    CLEANUP(freep) char *end = key_range_end(old_key);
    int r;

    if (!end)
        return error_out_of_memory(e);
    if (!*old_key)
        return 0; /* the root of all names does not move */
    r = collect_children(s, old_key, end, new_key, new_dn, &children, e);
    if (r == 0 && children.n_items)
        unresolved_forget(s);
    for (size_t i = 0; r == 0 && i < children.n_items; i++)
        r = move_child(s, &children.items[i], e);
    return r;
}
