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

int name_add(struct state *s, enum member_kind kind, const char *key, const char *text,
             struct name *ret, struct error *e)
{
    int r = db_write(s, "INSERT OR IGNORE INTO name(kind, key, text) VALUES(?1, ?2, ?3)",
                     WITH(as_int(kind), as_text(key), as_text(text)), e);
    if (r < 0 || sqlite3_changes(s->db) == 0)
        return r < 0 ? r : name_get(s, kind, key, text, ret, e);
    *ret = (struct name){.n = sqlite3_last_insert_rowid(s->db), .as_spelt = true, .is_new = true};
    return 0;
}

int name_get(struct state *s, enum member_kind kind, const char *key, const char *text,
             struct name *ret, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s, "SELECT n, text FROM name WHERE kind = ?1 AND key = ?2",
                       WITH(as_int(kind), as_text(key)), e);
    if (r < 0)
        return r;
    if (r == STMT_ROW) {
        *ret = (struct name){.n = stmt_int(q, 0), .as_spelt = text_equal(stmt_text(q, 1), text)};
        return 0;
    }
    return name_add(s, kind, key, text, ret, e);
}

/* A row of `name`, or an entry or a member (of group_n) that spells its own otherwise, whose key is
 * to become another. */
struct renamed {
    int64_t n, group_n;
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

/* The statement gives n, the DN, its present key, and the number of a group. */
static int collect(struct state *s, const char *sql, struct renames *ret, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s, sql, NULL, e);
    for (; r == STMT_ROW; r = stmt_step(q, e)) {
        const char *dn = stmt_text(q, 1), *old_key = stmt_text(q, 2);
        CLEANUP(freep) char *key = NULL;

        r = dn_key(s->schema, dn, &key, e);
        if (r < 0)
            return r;
        if (strcmp(key, old_key) == 0)
            continue;
        if (memory_grow(&ret->items, &ret->capacity, ret->n_items + 1, sizeof(*ret->items)) < 0)
            return error_out_of_memory(e);
        struct renamed x = {.n = stmt_int(q, 0), .group_n = stmt_int(q, 3)};
        x.old_key = strdup(old_key);
        x.new_key = TAKE(key);
        x.text = strdup(dn);
        ret->items[ret->n_items++] = x;
        if (!x.old_key || !x.text)
            return error_out_of_memory(e);
    }
    return r;
}

static int run_on(struct state *s, const char *sql, const struct renamed *x, const char *text,
                  int64_t other, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_prepare(&q, s, sql, e);

    if (r < 0)
        return r;
    int parameters = sqlite3_bind_parameter_count(q->handle);
    stmt_bind_int(q, 1, x->n);
    if (parameters >= 2)
        stmt_bind_text(q, 2, text);
    if (parameters >= 3)
        stmt_bind_int(q, 3, other);
    if (parameters >= 4)
        stmt_bind_int(q, 4, x->group_n);
    return stmt_run(q, e);
}

/* The entries that go by this name are bound by its old key. */
static int rename_bound(struct state *s, const char *sql, const struct renamed *x, struct error *e)
{
    return db_write(s, sql, WITH(as_int(x->n), as_text(x->old_key), as_text(x->new_key)), e);
}

/* Another row has the key already: both are one name from now on. */
static int merge_names(struct state *s, const struct renamed *x, int64_t into, struct error *e)
{
    static const char *const steps[] = {
        "UPDATE entry SET dn = coalesce(dn, ?2), name_n = ?3 WHERE name_n = ?1",
        "UPDATE OR IGNORE member SET text = coalesce(text, ?2), name_n = ?3 WHERE name_n = ?1",
        "UPDATE OR IGNORE stale SET name_n = ?3 WHERE name_n = ?1",
        "DELETE FROM member WHERE name_n = ?1",
        "DELETE FROM stale WHERE name_n = ?1",
        "DELETE FROM name WHERE n = ?1",
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(steps); i++)
        r = run_on(s, steps[i], x, x->text, into, e);
    return r;
}

static int name_find(struct state *s, const char *key, int64_t *ret, struct error *e)
{
    return db_int(s, "SELECT n FROM name WHERE kind = 1 AND key = ?1", WITH(as_text(key)), ret, e);
}

static int rename_one(struct state *s, const struct renamed *x, struct error *e)
{
    int64_t other = 0;
    int r = name_find(s, x->new_key, &other, e);

    if (r < 0)
        return r;
    return other ? merge_names(s, x, other, e)
                 : run_on(s, "UPDATE name SET key = ?2 WHERE n = ?1", x, x->new_key, 0, e);
}

/* An entry whose own spelling is no longer the same name as that of its row. */
static int part_one(struct state *s, const struct renamed *x, struct error *e)
{
    struct name name = {0};
    int r = name_get(s, MEMBER_DN, x->new_key, x->text, &name, e);

    return r < 0 ? r
                 : run_on(s, "UPDATE entry SET dn = ?2, name_n = ?3 WHERE n = ?1", x,
                          name.as_spelt ? NULL : x->text, name.n, e);
}

/* Likewise a member whose own spelling is; what is said of its name in this group goes along. */
static int part_member(struct state *s, const struct renamed *x, struct error *e)
{
    static const char *const steps[] = {
        "INSERT OR IGNORE INTO member(name_n, group_n, kind, text) VALUES(?3, ?4, 1, ?2)",
        "UPDATE OR IGNORE stale SET name_n = ?3 WHERE name_n = ?1 AND group_n = ?4",
        "DELETE FROM member WHERE name_n = ?1 AND group_n = ?4",
        "DELETE FROM stale WHERE name_n = ?1 AND group_n = ?4",
    };
    struct name name = {0};
    int r = name_get(s, MEMBER_DN, x->new_key, x->text, &name, e);

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(steps); i++)
        r = run_on(s, steps[i], x, name.as_spelt ? NULL : x->text, name.n, e);
    return r;
}

/* All keys are taken away before the first new one is given: where the new key of one row is the
 * old key of another, neither may be taken for the other. */
static int change_keys(struct state *s, struct error *e)
{
    static const char names[] = "SELECT n, text, key, 0 FROM name WHERE kind = 1 AND text <> ''";
    static const char own[] = "SELECT e.n, e.dn, a.key, 0 FROM entry e CROSS JOIN name a ON "
                              "a.n = e.name_n WHERE e.dn NOT NULL";
    static const char spelt[] =
        "SELECT m.name_n, m.text, a.key, m.group_n FROM member m CROSS JOIN "
        "name a ON a.n = m.name_n WHERE m.kind = 1 AND m.text NOT NULL";
    static const char bound[] =
        "UPDATE OR REPLACE bound_group SET configured_key = ?3 WHERE configured_key = ?2 AND "
        "n IN (SELECT e.n FROM entry e WHERE e.name_n = ?1 AND e.dn IS NULL)";
    static const char bound_own[] =
        "UPDATE OR REPLACE bound_group SET configured_key = ?3 WHERE configured_key = ?2 AND "
        "n = ?1";
    CLEANUP(renames_done) struct renames renames = {0}, before = {0}, parted = {0}, members = {0};
    int r = collect(s, names, &renames, e);

    if (r == 0)
        r = collect(s, own, &before, e);
    for (size_t i = 0; r == 0 && i < renames.n_items; i++)
        r = rename_bound(s, bound, &renames.items[i], e);
    for (size_t i = 0; r == 0 && i < before.n_items; i++)
        r = rename_bound(s, bound_own, &before.items[i], e);
    for (size_t i = 0; r == 0 && i < renames.n_items; i++)
        r = run_on(s, "UPDATE name SET key = '#' || n WHERE n = ?1", &renames.items[i], NULL, 0, e);
    for (size_t i = 0; r == 0 && i < renames.n_items; i++)
        r = rename_one(s, &renames.items[i], e);
    if (r == 0)
        r = collect(s, own, &parted, e);
    for (size_t i = 0; r == 0 && i < parted.n_items; i++)
        r = part_one(s, &parted.items[i], e);
    if (r == 0)
        r = collect(s, spelt, &members, e);
    for (size_t i = 0; r == 0 && i < members.n_items; i++)
        r = part_member(s, &members.items[i], e);
    return r;
}

/* What was one member under the old keys may be two: only the directory knows, so everything is
 * read and compared anew. Of which groups members are hidden, or a person said otherwise,
 * stays. */
static int read_again(struct state *s, struct error *e)
{
    int r = db_write(s,
                     "UPDATE entry SET digest = x'', raw = NULL, members_digest = CASE WHEN "
                     "members_digest = '" MEMBERS_BELIEVED "' THEN members_digest WHEN "
                     "substr(members_digest, 1, 6) = '" MEMBERS_HIDDEN "' THEN '" MEMBERS_HIDDEN
                     "' ELSE '' END",
                     NULL, e);
    for (unsigned i = 0; r == 0 && i < MIRROR_MAX_SEARCHES; i++)
        r = mirror_cookie_set(s, i, NULL, 0, NULL, e);
    unresolved_forget(s);
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

    if (r == 0)
        r = state_meta_get(s, "names", &before, e);
    if (r < 0)
        return r;
    const struct schema *old = s->schema;
    s->schema = schema;
    dn_memory_done(&s->dn_memory);
    if (before && strcmp(before, now) == 0)
        return 0;
    r = change_keys(s, e);
    if (r == 0)
        r = read_again(s, e);
    if (r == 0)
        r = state_meta_set(s, "names", now, e);
    if (r < 0) {
        s->schema = old;
        dn_memory_done(&s->dn_memory);
    }
    return r < 0 ? error_wrap(e, r, "making the keys of names anew") : 0;
}

void mirror_drop_schema(struct state *s, const struct schema *schema)
{
    if (s->schema != schema)
        return;
    s->schema = NULL;
    dn_memory_done(&s->dn_memory);
}

int mirror_twin(struct state *s, const char *id, char **ret_dn, struct error *e)
{
    return db_text(s,
                   "SELECT coalesce(o.dn, a.text) FROM " ENTRY_NAMED
                   "CROSS JOIN entry o INDEXED BY entry_name ON o.name_n = e.name_n WHERE "
                   "e.n = " NUMBER_OF " AND e.gone_usec = 0 AND o.n <> e.n AND "
                   "o.gone_usec = 0 AND coalesce(o.dn, a.text) <> " ENTRY_DN
                   " ORDER BY o.n LIMIT 1",
                   WITH(as_id(id)), ret_dn, e);
}

int twins_dirty(struct state *s, int64_t n, struct error *e)
{
    return db_write(s,
                    "INSERT OR IGNORE INTO dirty(entry_n) SELECT o.n FROM entry e "
                    "CROSS JOIN entry o INDEXED BY entry_name ON o.name_n = e.name_n "
                    "WHERE e.n = ?1 AND o.n <> e.n AND o.kind = 1 AND o.gone_usec = 0 "
                    "ORDER BY o.n",
                    WITH(as_int(n)), e);
}
