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

/* One statement with up to one number and one text. */
static int write_row(struct state *s, const char *sql, int64_t n, const char *text,
                     struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_prepare(&q, s, sql, e);

    if (r < 0)
        return r;
    stmt_bind_int(q, 1, n);
    if (text)
        stmt_bind_text(q, 2, text);
    return stmt_run(q, e);
}

/* UNION, not UNION ALL: a group that is reached again adds nothing, so cycles end. The order of
 * the joins is fixed, from the few to the many. */
#define GROUPS_BELOW(first)                                                                    \
    "WITH RECURSIVE below(n) AS (" first " UNION "                                             \
    "SELECT g.n FROM below b CROSS JOIN member m ON m.group_n = b.n AND m.kind = 1 "           \
    "CROSS JOIN entry g ON g.name_n = m.name_n AND g.kind = 2 UNION "                             \
    "SELECT g.n FROM below b CROSS JOIN stale t ON t.group_n = b.n "                           \
    "CROSS JOIN entry g ON g.n = t.entry_n AND g.kind = 2) "
#define LIVE_PERSON "p.kind = 1 AND p.gone_usec = 0 "
/* The people whom groups name themselves. */
#define PEOPLE_OF(groups, what)                                                                \
    "SELECT " what " FROM " groups " b CROSS JOIN member m ON m.group_n = b.n AND m.kind = 1 " \
    "CROSS JOIN entry p INDEXED BY entry_name ON p.name_n = m.name_n WHERE " LIVE_PERSON       \
    "UNION ALL "                                                                               \
    "SELECT " what " FROM " groups " b CROSS JOIN member m ON m.group_n = b.n AND m.kind = 2 " \
    "CROSS JOIN name a ON a.n = m.name_n "                                                     \
    "CROSS JOIN entry p INDEXED BY entry_login_key ON p.login_key = a.key WHERE " LIVE_PERSON  \
    "UNION ALL "                                                                               \
    "SELECT " what " FROM " groups " b CROSS JOIN member m ON m.group_n = b.n AND m.kind = 2 " \
    "CROSS JOIN name a ON a.n = m.name_n "                                                     \
    "CROSS JOIN entry_login l ON l.key = a.key CROSS JOIN entry p ON p.n = l.n WHERE "         \
    LIVE_PERSON "UNION ALL "                                                                   \
    "SELECT " what " FROM " groups " b CROSS JOIN member m ON m.group_n = b.n AND m.kind = 3 " \
    "CROSS JOIN name a ON a.n = m.name_n "                                                     \
    "CROSS JOIN entry p INDEXED BY entry_primary_key ON p.primary_key = a.key WHERE "          \
    LIVE_PERSON "UNION ALL "                                                                   \
    "SELECT " what " FROM " groups " b CROSS JOIN stale t ON t.group_n = b.n "                 \
    "CROSS JOIN entry p ON p.n = t.entry_n WHERE " LIVE_PERSON

static const char *const mark_below[] = {
    GROUPS_BELOW("SELECT n FROM dirty_group")
    "INSERT OR IGNORE INTO dirty_group(n) SELECT n FROM below",
    "INSERT OR IGNORE INTO dirty(entry_n) " PEOPLE_OF("dirty_group", "p.n"),
    "DELETE FROM dirty_group",
};

static int add_numbers(struct state *s, const char *sql, int64_t n, struct row_numbers *ret,
                       struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_prepare(&q, s, sql, e);

    if (r < 0)
        return r;
    stmt_bind_int(q, 1, n);
    while ((r = stmt_step(q, e)) == STMT_ROW) {
        if (memory_grow(&ret->items, &ret->capacity, ret->n_items + 1, sizeof(*ret->items)) < 0)
            return error_out_of_memory(e);
        ret->items[ret->n_items++] = stmt_int(q, 0);
    }
    return r;
}

int mirror_people_below(struct state *s, const char *group_id, struct row_numbers *ret,
                        struct error *e)
{
    CLEANUP(entry_row_done) struct entry_row row = {0};
    CLEANUP(row_numbers_done) struct row_numbers groups = {0};
    int r = entry_row_find(s, group_id, &row, e);

    if (r == 0)
        r = add_numbers(s, GROUPS_BELOW("SELECT ?1") "SELECT n FROM below", row.n, &groups, e);
    for (size_t i = 0; r == 0 && i < groups.n_items; i++)
        r = add_numbers(s, PEOPLE_OF("(SELECT ?1 AS n)", "p.n"), groups.items[i], ret, e);
    return r < 0 ? r : 0;
}

int mirror_mark_below(struct state *s, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *any = NULL;
    int r = stmt_prepare(&any, s, "SELECT 1 FROM dirty_group LIMIT 1", e);

    if (r == 0)
        r = stmt_step(any, e);
    if (r != STMT_ROW)
        return r;
    stmt_reset(any);
    r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(mark_below); i++) {
        CLEANUP(stmt_freep) struct stmt *q = NULL;

        r = stmt_prepare(&q, s, mark_below[i], e);
        if (r == 0)
            r = stmt_run(q, e);
    }
    return r;
}

int dirty_if_named(struct state *s, int64_t group_n, int64_t name_n, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_prepare(&q, s, "SELECT 1 FROM member WHERE name_n = ?1 LIMIT 1", e);

    if (r < 0)
        return r;
    stmt_bind_int(q, 1, name_n);
    r = stmt_step(q, e);
    return r == STMT_ROW ? dirty_below(s, group_n, e) : r;
}

int stale_note(struct state *s, int64_t n, struct error *e)
{
    return write_row(
        s,
        "INSERT OR IGNORE INTO stale(group_n, name_n, entry_n) "
        "SELECT m.group_n, m.name_n, e.n FROM entry e CROSS JOIN member m ON "
        "m.name_n = e.name_n WHERE e.n = ?1",
        n, NULL, e);
}

/* A reference was repaired (or its member removed) when the group names the old DN no more, or
 * names the new one. */
#define REPAIRED                                                                               \
    "(?2 OR NOT EXISTS (SELECT 1 FROM member d WHERE d.name_n = t.name_n AND d.group_n = ?1) " \
    "OR EXISTS (SELECT 1 FROM entry w CROSS JOIN member d ON d.name_n = w.name_n AND "         \
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
    CLEANUP(stmt_freep) struct stmt *any = NULL, *q = NULL, *end = NULL;
    int r = stmt_prepare(&any, s, "SELECT 1 FROM stale WHERE group_n = ?1 LIMIT 1", e);

    if (r < 0)
        return r;
    stmt_bind_int(any, 1, group_n);
    r = stmt_step(any, e);
    if (r != STMT_ROW)
        return r;
    stmt_reset(any);
    r = stmt_prepare(&q, s, sql, e);
    if (r < 0)
        return r;
    stmt_bind_int(q, 1, group_n);
    stmt_bind_int(q, 2, all);
    r = dirty_rows(s, q, e);
    stmt_reset(q);
    if (r < 0)
        return r;
    s->n_unresolved = -1;
    r = stmt_prepare(&end, s, "DELETE FROM stale AS t WHERE group_n = ?1 AND " REPAIRED, e);
    if (r < 0)
        return r;
    stmt_bind_int(end, 1, group_n);
    stmt_bind_int(end, 2, all);
    return stmt_run(end, e);
}

int mirror_stale_end(struct state *s, const char *group_id, struct error *e)
{
    CLEANUP(entry_row_done) struct entry_row row = {0};
    int r = entry_row_find(s, group_id, &row, e);

    return r == 0 ? stale_settle(s, row.n, true, e) : r < 0 ? r : 0;
}

#define AFFECTED " = ?2 AND " MEMBER_AFFECTED
#define OF_KEY(column)                                                                         \
    "SELECT e.n, e.kind FROM name a CROSS JOIN entry e ON e." column " = a.key WHERE a.n" AFFECTED

static int touch(struct state *s, int64_t group_n, enum member_kind kind, int64_t name_n,
                 struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    const char *sql = NULL;
    int r;

    switch (kind) {
    case MEMBER_DN: sql = "SELECT e.n, e.kind FROM entry e WHERE e.name_n" AFFECTED; break;
    case MEMBER_LOGIN:
        sql = OF_KEY("login_key") " UNION ALL SELECT e.n, e.kind FROM name a CROSS JOIN entry_login "
                                  "l ON l.key = a.key CROSS JOIN entry e ON e.n = l.n WHERE "
                                  "a.n = ?2 AND e.gone_usec = 0";
        break;
    case MEMBER_PRIMARY: sql = OF_KEY("primary_key"); break;
    }
    assert(sql);
    r = stmt_prepare(&q, s, sql, e);
    if (r < 0)
        return r;
    stmt_bind_int(q, 1, group_n);
    stmt_bind_int(q, 2, name_n);
    return dirty_rows(s, q, e);
}

static int member_add(struct state *s, int64_t group_n, const struct member *m, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    struct name name = {0};
    int r = name_get(s, m->kind, m->key, m->text, &name, e);

    if (r == 0)
        r = stmt_prepare(
            &q, s,
            "INSERT OR IGNORE INTO member(name_n, group_n, kind, text) VALUES(?1, ?2, ?3, ?4)", e);
    if (r < 0)
        return r;
    stmt_bind_int(q, 1, name.n);
    stmt_bind_int(q, 2, group_n);
    stmt_bind_int(q, 3, m->kind);
    stmt_bind_text(q, 4, name.as_spelt ? NULL : m->text);
    r = stmt_run(q, e);
    if (r < 0 || sqlite3_changes(s->db) == 0)
        return r;
    return touch(s, group_n, m->kind, name.n, e);
}

/* Those whom it named are looked at while the name is there: it may go with its last member. */
static int member_remove(struct state *s, int64_t group_n, enum member_kind kind,
                         int64_t name_n, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = touch(s, group_n, kind, name_n, e);

    if (r == 0)
        r = stmt_prepare(&q, s, "DELETE FROM member WHERE name_n = ?1 AND group_n = ?2", e);
    if (r < 0)
        return r;
    stmt_bind_int(q, 1, name_n);
    stmt_bind_int(q, 2, group_n);
    return stmt_run(q, e);
}

/* The number of the name by which the group has this member; 0: it has not. */
static int member_find(struct state *s, int64_t group_n, const struct member *m, int64_t *ret,
                       struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_prepare(&q, s,
                         "SELECT m.name_n FROM name a CROSS JOIN member m ON m.name_n = a.n AND "
                         "m.group_n = ?3 WHERE a.kind = ?1 AND a.key = ?2",
                         e);

    if (r < 0)
        return r;
    stmt_bind_int(q, 1, m->kind);
    stmt_bind_text(q, 2, m->key);
    stmt_bind_int(q, 3, group_n);
    r = stmt_step(q, e);
    *ret = r == STMT_ROW ? stmt_int(q, 0) : 0;
    return r < 0 ? r : 0;
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

/* What the group has now, and the new list does not: collected, since rows are not deleted
 * under a scan of them. *ret_same tells for each new member whether it is there already. */
static int compare_members(struct state *s, int64_t group_n, const struct member *members,
                           size_t n, struct old_members *ret_removed, bool *ret_same,
                           struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    size_t i = 0;
    int r = stmt_prepare(
        &q, s, "SELECT m.kind, a.key, a.n " MEMBERS_OF_GROUP, e);

    if (r < 0)
        return r;
    stmt_bind_int(q, 1, group_n);
    while ((r = stmt_step(q, e)) == STMT_ROW) {
        struct old_member old = {(enum member_kind)stmt_int(q, 0), stmt_int(q, 2)};
        const char *key = stmt_text(q, 1);
        int c = -1;

        while (i < n && (c = order(members[i].kind, members[i].key, old.kind, key)) < 0)
            i++;
        if (i < n && c == 0) {
            ret_same[i++] = true;
            continue;
        }
        if (memory_grow(&ret_removed->items, &ret_removed->capacity, ret_removed->n_items + 1,
                        sizeof(old)) < 0)
            return error_out_of_memory(e);
        ret_removed->items[ret_removed->n_items++] = old;
    }
    return r;
}

static int add_some(struct state *s, int64_t group_n, const struct member *const *members, size_t n,
                    struct error *e)
{
    int r = 0;

    if (n >= SOME)
        return members_join(s, group_n, members, n, e);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = member_add(s, group_n, members[i], e);
    return r;
}

/* Those that are not the same as before. */
static int add_new(struct state *s, int64_t group_n, const struct member *members, const bool *same,
                   size_t n, struct error *e)
{
    const struct member *some[MANY];
    size_t n_some = 0;
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++) {
        if (!same[i] && members[i].kind != MEMBER_DN)
            r = member_add(s, group_n, &members[i], e);
        else if (!same[i])
            some[n_some++] = &members[i];
        if (r == 0 && n_some == MANY) {
            r = add_some(s, group_n, some, n_some, e);
            n_some = 0;
        }
    }
    return r < 0 ? r : add_some(s, group_n, some, n_some, e);
}

int members_replace(struct state *s, int64_t group_n, const struct member *members, size_t n,
                    struct error *e)
{
    CLEANUP(old_members_done) struct old_members removed = {0};
    bool *same = calloc(n + 1, sizeof(*same));
    int r;

    if (!same)
        return error_out_of_memory(e);
    for (size_t i = 1; i < n; i++)
        assert(order(members[i - 1].kind, members[i - 1].key, members[i].kind, members[i].key) <
               0);
    r = compare_members(s, group_n, members, n, &removed, same, e);
    for (size_t i = 0; r == 0 && i < removed.n_items; i++)
        r = member_remove(s, group_n, removed.items[i].kind, removed.items[i].name_n, e);
    if (r == 0)
        r = add_new(s, group_n, members, same, n, e);
    free(same);
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
        r = write_row(s, "DELETE FROM member WHERE group_n = ?1", group_n, NULL, e);
    return r < 0 ? r : write_row(s, "DELETE FROM stale WHERE group_n = ?1", group_n, NULL, e);
}

int mirror_members(struct state *s, const char *group_id, const struct member *added,
                   size_t n_added, const struct member *removed, size_t n_removed,
                   struct error *e)
{
    CLEANUP(entry_row_done) struct entry_row row = {0};
    int r = entry_row_find(s, group_id, &row, e);

    assert(s->in_transaction);
    if (r < 0)
        return r;
    if (r == STATE_NONE || row.gone || row.kind != ENTRY_GROUP)
        return STATE_NONE;
    s->n_unresolved = -1;
    /* The digest of all members is not known from a difference: the next whole read of the
     * group compares them one by one. */
    r = write_row(s, "UPDATE entry SET members_digest = '', raw = NULL WHERE n = ?1", row.n, NULL, e);
    for (size_t i = 0; r == 0 && i < n_removed; i++) {
        int64_t name_n = 0;

        r = member_find(s, row.n, &removed[i], &name_n, e);
        if (r == 0 && name_n)
            r = member_remove(s, row.n, removed[i].kind, name_n, e);
    }
    for (size_t i = 0; r == 0 && i < n_added; i++)
        r = member_add(s, row.n, &added[i], e);
    return r < 0 ? error_wrap(e, r, "Storing members of %s", row.dn) : 0;
}

int mirror_stale_groups(struct state *s, struct string_list *ret_ids, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_prepare(&q, s,
                         "SELECT i.id FROM (SELECT DISTINCT group_n FROM stale) few "
                         "CROSS JOIN entry g ON g.n = few.group_n CROSS JOIN identity i ON "
                         "i.n = g.n WHERE g.kind = 2 AND "
                         "g.gone_usec = 0 ORDER BY g.n",
                         e);

    if (r < 0)
        return r;
    while ((r = stmt_step(q, e)) == STMT_ROW)
        if (string_list_add(ret_ids, stmt_id(q, 0)) < 0)
            return error_out_of_memory(e);
    return r;
}
