/*
 * The keys by which entries and members are compared, when what they are made with changes: the
 * schema of the server, or our own way of making them. And two living entries that share a key
 * all the same, which is a fault of the key: nothing that is said of that name may be believed
 * of either.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "model/dn.h"
#include "model/schema.h"
#include "state/mirror-internal.h"
#include "state/person.h"
#include "state/state.h"

/* A row whose key is to become another: of entry (n), member (n: the group) or stale. */
struct renamed {
    int64_t n, entry_n;
    char *old_key, *new_key, *text;
};
struct renames {
    struct renamed *items;
    size_t n_items, capacity;
};

static void renames_done(struct renames *r)
{
    for (size_t i = 0; i < r->n_items; i++) {
        free(r->items[i].old_key);
        free(r->items[i].new_key);
        free(r->items[i].text);
    }
    free(r->items);
}

/* The statement gives n, the DN, its present key, and the number of an entry. */
static int collect(struct state *s, const char *sql, struct renames *ret, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_prepare(&q, s, sql, e);

    if (r < 0)
        return r;
    while ((r = stmt_step(q, e)) == STMT_ROW) {
        const char *dn = stmt_text(q, 1), *old_key = stmt_text(q, 2);
        CLEANUP(freep) char *key = NULL;

        r = dn_key(s->schema, dn, &key, e);
        if (r < 0)
            return r;
        if (strcmp(key, old_key) == 0)
            continue;
        if (memory_grow(&ret->items, &ret->capacity, ret->n_items + 1, sizeof(*ret->items)) < 0)
            return error_out_of_memory(e);
        struct renamed x = {.n = stmt_int(q, 0), .entry_n = stmt_int(q, 3)};
        x.old_key = strdup(old_key);
        x.new_key = TAKE(key);
        x.text = strdup(dn);
        ret->items[ret->n_items++] = x;
        if (!x.old_key || !x.text)
            return error_out_of_memory(e);
    }
    return r;
}

static int run_on(struct state *s, const char *sql, const struct renamed *x, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_prepare(&q, s, sql, e);

    if (r < 0)
        return r;
    int n = sqlite3_bind_parameter_count(q->handle); /* the greatest that the statement uses */
    stmt_bind_int(q, 1, x->n);
    stmt_bind_text(q, 2, x->old_key);
    if (n >= 3)
        stmt_bind_text(q, 3, x->new_key);
    if (n >= 4)
        stmt_bind_text(q, 4, x->text);
    if (n >= 5)
        stmt_bind_int(q, 5, x->entry_n);
    return stmt_run(q, e);
}

/* One statement for all, then the next: where the new key of one row is the old key of another,
 * neither may be taken for the other. */
static int apply(struct state *s, const char *const *statements, size_t n,
                 const struct renames *renames, struct error *e)
{
    int r = 0;

    for (size_t k = 0; r == 0 && k < n; k++)
        for (size_t i = 0; r == 0 && i < renames->n_items; i++)
            r = run_on(s, statements[k], &renames->items[i], e);
    return r;
}

static int change_keys(struct state *s, struct error *e)
{
    static const char *const entry[] = {
        "UPDATE OR REPLACE bound_group SET configured_key = ?3 WHERE configured_key = ?2 AND "
        "id = (SELECT id FROM entry WHERE n = ?1)",
        "UPDATE entry SET dn_key = ?3 WHERE n = ?1",
    };
    static const char *const member[] = {
        "DELETE FROM member WHERE kind = 1 AND group_n = ?1 AND key = ?2",
        "INSERT OR IGNORE INTO member(group_n, kind, key, text) VALUES(?1, 1, ?3, ?4)",
    };
    static const char *const stale[] = {
        "DELETE FROM stale WHERE group_n = ?1 AND key = ?2 AND entry_n = ?5",
        "INSERT OR IGNORE INTO stale(group_n, key, entry_n) VALUES(?1, ?3, ?5)",
    };
    CLEANUP(renames_done) struct renames entries = {0}, members = {0}, stales = {0};
    int r = collect(s, "SELECT n, dn, dn_key, n FROM entry", &entries, e);

    if (r == 0)
        r = collect(s, "SELECT group_n, text, key, 0 FROM member WHERE kind = 1", &members, e);
    /* The old DN itself is kept by the member row that named it. */
    if (r == 0)
        r = collect(
            s,
            "SELECT t.group_n, m.text, t.key, t.entry_n FROM stale t CROSS JOIN member m "
            "ON m.kind = 1 AND m.key = t.key AND m.group_n = t.group_n",
            &stales, e);
    if (r == 0)
        r = apply(s, entry, ARRAY_SIZE(entry), &entries, e);
    if (r == 0)
        r = apply(s, member, ARRAY_SIZE(member), &members, e);
    if (r == 0)
        r = apply(s, stale, ARRAY_SIZE(stale), &stales, e);
    return r;
}

/* What was one member under the old keys may be two: only the directory knows, so everything is
 * read and compared anew. */
static int read_again(struct state *s, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_prepare(&q, s, "UPDATE entry SET digest = '', members_digest = '', raw = NULL", e);

    if (r == 0)
        r = stmt_run(q, e);
    for (unsigned i = 0; r == 0 && i < MIRROR_MAX_SEARCHES; i++)
        r = mirror_cookie_set(s, i, NULL, 0, NULL, e);
    s->n_unresolved = -1;
    return r < 0 ? r : person_mark_all_dirty(s, e);
}

static int fingerprint(const struct schema *schema, char ret[static DIGEST_TEXT_SIZE],
                       struct error *e)
{
    CLEANUP(freep) char *json = schema_to_json(schema);
    char form[32];

    if (!json)
        return error_out_of_memory(e);
    snprintf(form, sizeof(form), "form %d\n", DN_KEY_FORM);
    const struct digest_part parts[] = {{form, strlen(form)}, {json, strlen(json)}};
    int r = digest_parts(ret, parts, ARRAY_SIZE(parts));
    return r < 0 ? error_set(e, r, "SHA-256 failed") : 0;
}

int mirror_use_schema(struct state *s, const struct schema *schema, struct error *e)
{
    CLEANUP(freep) char *before = NULL;
    char now[DIGEST_TEXT_SIZE];
    int r = fingerprint(schema, now, e);

    assert(s->in_transaction);
    if (r == 0)
        r = state_meta_get(s, "names", &before, e);
    if (r < 0)
        return r;
    const struct schema *old = s->schema;
    s->schema = schema;
    if (before && strcmp(before, now) == 0)
        return 0;
    r = change_keys(s, e);
    if (r == 0)
        r = read_again(s, e);
    if (r == 0)
        r = state_meta_set(s, "names", now, e);
    if (r < 0)
        s->schema = old;
    return r < 0 ? error_wrap(e, r, "Making the keys of names anew") : 0;
}

void mirror_drop_schema(struct state *s, const struct schema *schema)
{
    if (s->schema == schema)
        s->schema = NULL;
}

int mirror_twin(struct state *s, const char *id, char **ret_dn, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_prepare(&q, s,
                         "SELECT o.dn FROM entry e CROSS JOIN entry o INDEXED BY "
                         "entry_dn_key ON o.dn_key = e.dn_key WHERE e.id = ?1 AND e.gone_usec = 0 AND o.n <> e.n AND "
                         "o.gone_usec = 0 AND o.dn <> e.dn ORDER BY o.n LIMIT 1",
                         e);

    if (r < 0)
        return r;
    stmt_bind_text(q, 1, id);
    r = stmt_step(q, e);
    if (r != STMT_ROW)
        return r < 0 ? r : STATE_NONE;
    return stmt_copy(q, 0, ret_dn) < 0 ? error_out_of_memory(e) : 0;
}

int twins_dirty(struct state *s, int64_t n, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_prepare(&q, s,
                         "INSERT OR IGNORE INTO dirty(entry_id) SELECT o.id FROM entry e "
                         "CROSS JOIN entry o INDEXED BY entry_dn_key ON o.dn_key = e.dn_key "
                         "WHERE e.n = ?1 AND o.n <> e.n AND o.kind = 1 AND o.gone_usec = 0",
                         e);

    if (r < 0)
        return r;
    stmt_bind_int(q, 1, n);
    return stmt_run(q, e);
}
