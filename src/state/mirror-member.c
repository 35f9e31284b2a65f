/*
 * Members of groups: their rows, who is affected when they change, and the groups that name a
 * DN which is none any more.
 *
 * A server that repairs references (OpenLDAP's refint, Active Directory) changes the groups of
 * an entry that moved or vanished without reporting those groups. So when an entry leaves a DN,
 * the groups that name this DN are remembered as stale. Until such a group was read again and
 * names the DN no more (slapd repairs in the background, some time after the change), or
 * whoever reads has waited long enough (mirror_stale_end()), the entry counts as its member,
 * and nobody loses access in between. Somebody else who takes the DN of a living entry in that
 * time is not taken for the member.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "state/mirror-internal.h"

int dirty_if_named(struct state *s, int64_t group_n, int64_t name_n, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s, "SELECT 1 FROM member WHERE name_n = ?1 LIMIT 1",
                       WITH(as_int(name_n)), e);
    return r == STMT_ROW ? dirty_below(s, group_n, e) : r;
}

/* Not of a group that means somebody else by this name, who had it when the group was read. */
int stale_note(struct state *s, int64_t n, struct error *e)
{
    return db_write(s,
                    "INSERT OR IGNORE INTO stale(group_n, name_n, entry_n) "
                    "SELECT m.group_n, m.name_n, e.n FROM entry e CROSS JOIN member m ON "
                    "m.name_n = e.name_n WHERE e.n = ?1 AND NOT EXISTS (SELECT 1 FROM stale t "
                    "CROSS JOIN entry o ON o.n = t.entry_n WHERE t.group_n = m.group_n AND "
                    "t.name_n = m.name_n AND t.entry_n <> ?1 AND o.gone_usec = 0)",
                    WITH(as_int(n)), e);
}

/* Marks what these rows are: persons, or the persons below groups. */
static int dirty_rows(struct state *s, const char *sql, const struct bind *binds, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s, sql, binds, e);

    for (; r == STMT_ROW; r = stmt_step(q, e)) {
        int64_t n = stmt_int(q, 0), kind = stmt_int(q, 1);

        r = kind == ENTRY_GROUP    ? dirty_below(s, n, e)
            : kind == ENTRY_PERSON ? later_mark(s, n, e)
                                   : 0;
        if (r < 0)
            return r;
    }
    return r;
}

/* A reference was repaired (or its member removed) when the group names the old DN no more, or
 * names the new one. */
#define REPAIRED                                                                                   \
    "(?2 OR NOT EXISTS (SELECT 1 FROM member d WHERE d.name_n = t.name_n AND d.group_n = ?1) "     \
    "OR EXISTS (SELECT 1 FROM entry w CROSS JOIN member d ON d.name_n = w.name_n AND "             \
    "d.group_n = ?1 WHERE w.n = t.entry_n)) "

int stale_settle(struct state *s, int64_t group_n, bool all, struct error *e)
{
    /* First those who were members by a stale row alone and leave; then those who hold the DN
     * of somebody else's stale row, were not counted, and are named still. */
    static const char sql[] =
        "SELECT e.n, e.kind FROM stale t CROSS JOIN entry e ON e.n = t.entry_n "
        "WHERE t.group_n = ?1 AND e.gone_usec = 0 AND " REPAIRED
        "AND NOT EXISTS (SELECT 1 FROM member m WHERE m.name_n = e.name_n AND m.group_n = ?1) "
        "UNION ALL SELECT e.n, e.kind FROM stale t CROSS JOIN entry e ON e.name_n = t.name_n "
        "WHERE t.group_n = ?1 AND e.n <> t.entry_n AND e.gone_usec = 0 AND " REPAIRED
        "AND EXISTS (SELECT 1 FROM member m WHERE m.name_n = e.name_n AND m.group_n = ?1)";
    CLEANUP(stmt_freep) struct stmt *any = NULL;
    int r = stmt_query(&any, s, "SELECT 1 FROM stale WHERE group_n = ?1 LIMIT 1",
                       WITH(as_int(group_n)), e);
    if (r != STMT_ROW)
        return r;
    stmt_reset(any);
    r = dirty_rows(s, sql, WITH(as_int(group_n), as_int(all)), e);
    if (r < 0)
        return r;
    unresolved_note_stale(s, group_n);
    return db_write(s, "DELETE FROM stale AS t WHERE group_n = ?1 AND " REPAIRED,
                    WITH(as_int(group_n), as_int(all)), e);
}

/* A row of `member` came or went: whoever it names, in this group, is affected; also who is
 * below a group that is gone, since marks are made later and this group may have been gone as
 * well. Who has a stale row of the group was a member anyhow; stale_settle() decides about
 * those. */
#define AFFECTED                                                                                   \
    " = ?2 AND (e.gone_usec = 0 OR e.kind = 2) AND "                                               \
    "NOT EXISTS (SELECT 1 FROM stale t WHERE t.group_n = ?1 AND t.entry_n = e.n)"
#define OF_KEY(column)                                                                             \
    "SELECT e.n, e.kind FROM name a CROSS JOIN entry e ON e." column " = a.key WHERE a.n" AFFECTED

static int touch(struct state *s, int64_t group_n, enum member_kind kind, int64_t name_n,
                 struct error *e)
{
    const char *sql = NULL;

    switch (kind) {
    case MEMBER_DN: sql = "SELECT e.n, e.kind FROM entry e WHERE e.name_n" AFFECTED; break;
    case MEMBER_LOGIN:
        sql =
            OF_KEY("login_key") " UNION ALL SELECT e.n, e.kind FROM name a CROSS JOIN entry_login "
                                "l ON l.key = a.key CROSS JOIN entry e ON e.n = l.n WHERE "
                                "a.n = ?2 AND e.gone_usec = 0";
        break;
    case MEMBER_PRIMARY: sql = OF_KEY("primary_key"); break;
    }
    assert(sql);
    return dirty_rows(s, sql, WITH(as_int(group_n), as_int(name_n)), e);
}

/* *ret_name_n: 0 if the group had it already. */
static int member_insert(struct state *s, int64_t group_n, const struct member *m,
                         int64_t *ret_name_n, struct error *e)
{
    struct name name = {0};
    int r = name_get(s, m->kind, m->key, m->text, &name, e);

    if (r == 0 && m->kind == MEMBER_LOGIN)
        unresolved_forget(s);
    if (r == 0)
        unresolved_note(s, name.n);
    if (r == 0)
        r = db_write(
            s, "INSERT OR IGNORE INTO member(name_n, group_n, kind, text) VALUES(?1, ?2, ?3, ?4)",
            WITH(as_int(name.n), as_int(group_n), as_int(m->kind),
                 as_text(name.as_spelt ? NULL : m->text)),
            e);
    *ret_name_n = r == 0 && sqlite3_changes(s->db) > 0 ? name.n : 0;
    return r;
}

static int member_add(struct state *s, int64_t group_n, const struct member *m, struct error *e)
{
    int64_t name_n = 0;
    int r = member_insert(s, group_n, m, &name_n, e);

    return r < 0 || !name_n ? r : touch(s, group_n, m->kind, name_n, e);
}

/* Those whose names are there, as of most members, who are entries. */
#define PUT(named)                                                                                 \
    "INSERT OR IGNORE INTO member(name_n, group_n, kind, text) SELECT a.n, ?1, ?2, "               \
    "NULLIF(v.column2, a.text) FROM (VALUES " named ") v CROSS JOIN name a WHERE a.kind = ?2 "     \
    "AND a.key = v.column1"

static int put_named(struct state *s, int64_t group_n, const struct member *members, size_t n,
                     size_t *ret_n, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_prepare(&q, s, n == 1 ? PUT("(?, ?)") : PUT(MANY_OF("(?, ?)")), e);

    if (r < 0)
        return r;
    stmt_bind_int(q, 1, group_n);
    stmt_bind_int(q, 2, members->kind);
    for (size_t i = 0; i < (n == 1 ? 1 : MANY); i++) {
        const struct member *m = &members[i < n ? i : n - 1];

        stmt_bind_text(q, (int)(2 * i) + 3, m->key);
        stmt_bind_text(q, (int)(2 * i) + 4, m->text);
    }
    r = stmt_run(q, e);
    *ret_n = r == 0 ? (size_t)sqlite3_changes(s->db) : 0;
    return r;
}

/* So many of one kind at once. */
static size_t alike(const struct member *members, size_t n)
{
    size_t i = 1;

    while (i < n && i < MANY && members[i].kind == members->kind)
        i++;
    return i < SOME ? 1 : i;
}

static int put_some(struct state *s, int64_t group_n, const struct member *members, size_t n,
                    struct error *e)
{
    size_t n_put = 0;
    int64_t name_n;
    int r = s->unresolved.is_watched ? 0 : put_named(s, group_n, members, n, &n_put, e);

    for (size_t i = 0; r == 0 && n_put < n && i < n; i++)
        r = member_insert(s, group_n, &members[i], &name_n, e);
    return r;
}

/* Those whom it named are looked at while the name is there: it may go with its last member. */
static int member_remove(struct state *s, int64_t group_n, enum member_kind kind, int64_t name_n,
                         struct error *e)
{
    int r = touch(s, group_n, kind, name_n, e);

    unresolved_note(s, name_n);
    return r < 0 ? r
                 : db_write(s, "DELETE FROM member WHERE name_n = ?1 AND group_n = ?2",
                            WITH(as_int(name_n), as_int(group_n)), e);
}

/* The number of the name by which the group has this member; 0: it has not. */
static int member_find(struct state *s, int64_t group_n, const struct member *m, int64_t *ret,
                       struct error *e)
{
    return db_int(s,
                  "SELECT m.name_n FROM name a CROSS JOIN member m ON m.name_n = a.n AND "
                  "m.group_n = ?3 WHERE a.kind = ?1 AND a.key = ?2",
                  WITH(as_int(m->kind), as_text(m->key), as_int(group_n)), ret, e);
}

struct old_member {
    enum member_kind kind;
    int64_t name_n;
};
struct old_members {
    struct old_member *items;
    size_t n_items, capacity;
};

static void old_members_done(struct old_members *old)
{
    free(old->items);
}

static int order(enum member_kind a, const char *a_key, enum member_kind b, const char *b_key)
{
    return a != b ? (int)a - (int)b : strcmp(a_key, b_key);
}

const struct member *member_among(const struct member *members, size_t n, enum member_kind kind,
                                  const char *key)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = order(members[middle].kind, members[middle].key, kind, key);

        if (c == 0)
            return &members[middle];
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* What the group has now, and the new list does not: collected, since rows are not deleted
 * under a scan of them. *ret_same tells for each new member whether it is there already. */
static int compare_members(struct state *s, int64_t group_n, const struct member *members, size_t n,
                           struct old_members *ret_removed, bool *ret_same, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r =
        stmt_query(&q, s, "SELECT m.kind, a.key, a.n " MEMBERS_OF_GROUP, WITH(as_int(group_n)), e);
    for (; r == STMT_ROW; r = stmt_step(q, e)) {
        struct old_member old = {(enum member_kind)stmt_int(q, 0), stmt_int(q, 2)};
        const struct member *same = member_among(members, n, old.kind, stmt_text(q, 1));

        if (same) {
            ret_same[same - members] = true;
            continue;
        }
        if (memory_grow(&ret_removed->items, &ret_removed->capacity, ret_removed->n_items + 1,
                        sizeof(old)) < 0)
            return error_out_of_memory(e);
        ret_removed->items[ret_removed->n_items++] = old;
    }
    return r;
}

int members_replace(struct state *s, int64_t group_n, const struct member *members, size_t n,
                    bool compared, struct error *e)
{
    CLEANUP(old_members_done) struct old_members removed = {0};
    bool *same = calloc(n + 1, sizeof(*same));
    int r;

    if (!same)
        return error_out_of_memory(e);
    for (size_t i = 1; i < n; i++)
        assert(order(members[i - 1].kind, members[i - 1].key, members[i].kind, members[i].key) < 0);
    for (size_t i = 0; compared && i < n; i++)
        same[i] = members[i].compared == s->compared.number;
    r = compared ? 0 : compare_members(s, group_n, members, n, &removed, same, e);
    for (size_t i = 0; r == 0 && i < removed.n_items; i++)
        r = member_remove(s, group_n, removed.items[i].kind, removed.items[i].name_n, e);
    for (size_t i = 0; r == 0 && i < n; i++)
        if (!same[i])
            r = member_add(s, group_n, &members[i], e);
    free(same);
    return r;
}

/* All of them enter, so that they are marked together and not one by one. */
int members_put(struct state *s, int64_t group_n, const struct member *members, size_t n,
                struct error *e)
{
    int r = n ? dirty_below(s, group_n, e) : 0;

    for (size_t i = 0, some; r == 0 && i < n; i += some) {
        some = alike(members + i, n - i);
        r = put_some(s, group_n, members + i, some, e);
    }
    return r;
}

int members_add(struct state *s, int64_t group_n, const struct member *members, size_t n,
                struct error *e)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++)
        r = member_add(s, group_n, &members[i], e);
    return r;
}

int members_drop(struct state *s, int64_t group_n, struct error *e)
{
    int r = mirror_mark_below(s, e); /* through this group, too */

    if (r == 0)
        r = db_write(s, "DELETE FROM member WHERE group_n = ?1", WITH(as_int(group_n)), e);
    return r < 0 ? r
                 : db_write(s, "DELETE FROM stale WHERE group_n = ?1", WITH(as_int(group_n)), e);
}

struct moved {
    int64_t old_n, new_n;
    char *text;
};
struct moves {
    struct moved *items;
    size_t n_items, capacity;
};

static void moves_done(struct moves *m)
{
    for (size_t i = 0; i < m->n_items; i++)
        free(m->items[i].text);
    free(m->items);
}

/* Those who are there and have another name than the one by which this group has them. */
static int collect_moves(struct state *s, int64_t group_n, struct moves *ret, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s,
                       "SELECT t.name_n, e.name_n, e.dn FROM stale t CROSS JOIN entry e ON "
                       "e.n = t.entry_n WHERE t.group_n = ?1 AND e.gone_usec = 0 AND "
                       "e.kind IN (1, 2) AND e.name_n <> t.name_n",
                       WITH(as_int(group_n)), e);
    for (; r == STMT_ROW; r = stmt_step(q, e)) {
        struct moved m = {.old_n = stmt_int(q, 0), .new_n = stmt_int(q, 1)};

        if ((stmt_text(q, 2) && !(m.text = strdup(stmt_text(q, 2)))) ||
            memory_grow(&ret->items, &ret->capacity, ret->n_items + 1, sizeof(m)) < 0) {
            free(m.text);
            return error_out_of_memory(e);
        }
        ret->items[ret->n_items++] = m;
    }
    return r;
}

/* What a group names whose members are hidden is not known: whom it had, it has still, by the
 * name that they have now. The next read of it is stored in any case, since it may show the old
 * one. */
static int keep_moved(struct state *s, int64_t group_n, struct error *e)
{
    CLEANUP(moves_done) struct moves moves = {0};
    int r = collect_moves(s, group_n, &moves, e);

    for (size_t i = 0; r == 0 && i < moves.n_items; i++) {
        const struct moved *m = &moves.items[i];

        unresolved_note(s, m->new_n);
        r = db_write(
            s, "INSERT OR IGNORE INTO member(name_n, group_n, kind, text) VALUES(?1, ?2, 1, ?3)",
            WITH(as_int(m->new_n), as_int(group_n), as_text(m->text)), e);
        if (r == 0)
            r = member_remove(s, group_n, MEMBER_DN, m->old_n, e);
    }
    if (r < 0 || !moves.n_items)
        return r;
    return db_write(s, "UPDATE entry SET members_digest = '" MEMBERS_HIDDEN "' WHERE n = ?1",
                    WITH(as_int(group_n)), e);
}

int mirror_stale_end(struct state *s, const char *group_id, struct error *e)
{
    CLEANUP(entry_row_done) struct entry_row row = {0};
    int r = entry_row_find(s, group_id, &row, e);

    if (r == 0 && !row.gone && row.members_hidden)
        r = keep_moved(s, row.n, e);
    return r == 0 ? stale_settle(s, row.n, true, e) : r < 0 ? r : 0;
}

int mirror_members(struct state *s, const char *group_id, const struct member *added,
                   size_t n_added, const struct member *removed, size_t n_removed, struct error *e)
{
    CLEANUP(entry_row_done) struct entry_row row = {0};
    int r = entry_row_find(s, group_id, &row, e);

    if (r < 0)
        return r;
    if (r == STATE_NONE || row.gone || row.kind != ENTRY_GROUP)
        return STATE_NONE;
    /* The digest of all members is not known from a difference: the next whole read of the
     * group compares them one by one. */
    r = db_write(s, "UPDATE entry SET members_digest = '', raw = NULL WHERE n = ?1",
                 WITH(as_int(row.n)), e);
    for (size_t i = 0; r == 0 && i < n_removed; i++) {
        int64_t name_n = 0;

        r = member_find(s, row.n, &removed[i], &name_n, e);
        if (r == 0 && name_n)
            r = member_remove(s, row.n, removed[i].kind, name_n, e);
    }
    for (size_t i = 0; r == 0 && i < n_added; i++)
        r = member_add(s, row.n, &added[i], e);
    return r < 0 ? error_wrap(e, r, "storing members of %s", row.dn) : 0;
}

/* The number of the living group that was taken from these bytes, with the members that it
 * showed. */
static int group_taken_from(struct state *s, const char *id,
                            const unsigned char was[static ENTRY_RAW_SIZE], int64_t *ret,
                            struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s,
                       "SELECT n FROM entry WHERE n = " NUMBER_OF " AND kind = 2 AND "
                       "gone_usec = 0 AND raw = ?2 AND substr(members_digest, 1, 6) <> 'hidden' "
                       "AND members_digest <> '" MEMBERS_BELIEVED "'",
                       WITH(as_id(id), as_blob(was, ENTRY_RAW_SIZE)), e);
    if (r == STMT_ROW)
        *ret = stmt_int(q, 0);
    return r < 0 ? r : r == STMT_ROW ? 0 : STATE_NONE;
}

int mirror_grew(struct state *s, const char *group_id,
                const unsigned char was[static ENTRY_RAW_SIZE],
                const unsigned char is[static ENTRY_RAW_SIZE], const struct member *added,
                size_t n_added, struct error *e)
{
    int64_t n = 0;
    int r = group_taken_from(s, group_id, was, &n, e);

    if (r != 0)
        return r;
    /* As in mirror_members(); these bytes need not be looked at again. */
    r = db_write(s, "UPDATE entry SET members_digest = '', raw = ?2 WHERE n = ?1",
                 WITH(as_int(n), as_blob(is, ENTRY_RAW_SIZE)), e);
    for (size_t i = 0; r == 0 && i < n_added; i++)
        r = member_add(s, n, &added[i], e);
    return r < 0 ? error_wrap(e, r, "storing members of %s", group_id)
                 : stale_settle(s, n, false, e);
}

int mirror_stale_groups(struct state *s, struct string_list *ret_ids, struct error *e)
{
    return db_ids(s,
                  "SELECT i.id FROM (SELECT DISTINCT group_n FROM stale) few "
                  "CROSS JOIN entry g ON g.n = few.group_n CROSS JOIN identity i ON "
                  "i.n = g.n WHERE g.kind = 2 AND "
                  "g.gone_usec = 0 ORDER BY g.n",
                  NULL, ret_ids, e);
}
