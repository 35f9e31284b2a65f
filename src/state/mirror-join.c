/*
 * Many who enter one group together (the first read of a group, or a large change of one), and who
 * is affected when members come and go.
 */
#include "config.h"

#include "base/error.h"
#include "state/mirror-internal.h"

/* The group is ?1; of each member its key and its DN follow. */
#define THESE "(VALUES " MANY_OF("(?, ?)") ") v CROSS JOIN name a ON a.kind = 1 AND a.key = v.column1 "

static const char join[] =
    "INSERT OR IGNORE INTO member(name_n, group_n, kind, text) SELECT a.n, ?1, 1, "
    "NULLIF(v.column2, a.text) FROM " THESE;
static const char name[] =
    "INSERT OR IGNORE INTO name(kind, key, text) SELECT ?1, column1, column2 FROM (VALUES "
    MANY_OF("(?, ?)") ")";
static const char affected[] = "SELECT e.n, e.kind, ?1 FROM " THESE
                               "CROSS JOIN entry e ON e.name_n = a.n AND " MEMBER_AFFECTED;

/* What is missing to MANY is filled up with the last one. */
static int prepare(struct stmt **ret, struct state *s, const char *sql, int64_t first,
                   const struct member *const *members, size_t n, struct error *e)
{
    int at = 1, r = stmt_prepare(ret, s, sql, e);

    if (r < 0)
        return r;
    stmt_bind_int(*ret, at++, first);
    for (size_t i = 0; i < MANY; i++) {
        const struct member *m = members[i < n ? i : n - 1];

        stmt_bind_text(*ret, at++, m->key);
        stmt_bind_text(*ret, at++, m->text);
    }
    return 0;
}

static int run(struct state *s, const char *sql, int64_t first,
               const struct member *const *members, size_t n, size_t *ret_n, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = prepare(&q, s, sql, first, members, n, e);

    if (r == 0)
        r = stmt_run(q, e);
    *ret_n = r == 0 ? (size_t)sqlite3_changes(s->db) : 0;
    return r;
}

int dirty_below(struct state *s, int64_t group_n, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_prepare(&q, s, "INSERT OR IGNORE INTO dirty_group(n) VALUES(?1)", e);

    if (r < 0)
        return r;
    stmt_bind_int(q, 1, group_n);
    return stmt_run(q, e);
}

int dirty_rows(struct state *s, struct stmt *q, struct error *e)
{
    int r;

    while ((r = stmt_step(q, e)) == STMT_ROW) {
        int64_t n = stmt_int(q, 0), kind = stmt_int(q, 1);

        r = kind == ENTRY_GROUP    ? dirty_below(s, n, e)
            : kind == ENTRY_PERSON ? later_mark(s, n, e)
                                   : 0;
        if (r < 0)
            return r;
    }
    return r;
}

int members_join(struct state *s, int64_t group_n, const struct member *const *members, size_t n,
                 struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    size_t n_joined = 0, n_new = 0;
    int r = run(s, join, group_n, members, n, &n_joined, e);

    if (r == 0 && n_joined < n) { /* some DNs were never heard of */
        r = run(s, name, MEMBER_DN, members, n, &n_new, e);
        if (r == 0)
            r = run(s, join, group_n, members, n, &n_joined, e);
    }
    if (r == 0)
        r = prepare(&q, s, affected, group_n, members, n, e);
    return r < 0 ? r : dirty_rows(s, q, e);
}
