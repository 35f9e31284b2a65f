/*
 * Who is to be looked at: people who are marked, and groups below which people are to be, who are
 * marked together, once, before somebody is looked at.
 */
#include "config.h"

#include "base/error.h"
#include "base/memory.h"
#include "state/mirror-internal.h"

int dirty_below(struct state *s, int64_t group_n, struct error *e)
{
    return db_write(s, "INSERT OR IGNORE INTO dirty_group(n) VALUES(?1)", WITH(as_int(group_n)), e);
}

/* UNION, not UNION ALL: a group that is reached again adds nothing, so cycles end. The order of
 * the joins is fixed, from the few to the many. */
#define GROUPS_BELOW(first)                                                                        \
    "WITH RECURSIVE below(n) AS (" first " UNION "                                                 \
    "SELECT g.n FROM below b CROSS JOIN member m ON m.group_n = b.n AND m.kind = 1 "               \
    "CROSS JOIN entry g ON g.name_n = m.name_n AND g.kind = 2 UNION "                              \
    "SELECT g.n FROM below b CROSS JOIN stale t ON t.group_n = b.n "                               \
    "CROSS JOIN entry g ON g.n = t.entry_n AND g.kind = 2) "
#define LIVE_PERSON "p.kind = 1 AND p.gone_usec = 0 "
/* The people whom groups name themselves. */
#define PEOPLE_OF(groups, what)                                                                    \
    "SELECT " what " FROM " groups " b CROSS JOIN member m ON m.group_n = b.n AND m.kind = 1 "     \
    "CROSS JOIN entry p INDEXED BY entry_name ON p.name_n = m.name_n WHERE " LIVE_PERSON           \
    "UNION ALL "                                                                                   \
    "SELECT " what " FROM " groups " b CROSS JOIN member m ON m.group_n = b.n AND m.kind = 2 "     \
    "CROSS JOIN name a ON a.n = m.name_n "                                                         \
    "CROSS JOIN entry p INDEXED BY entry_login_key ON p.login_key = a.key WHERE " LIVE_PERSON      \
    "UNION ALL "                                                                                   \
    "SELECT " what " FROM " groups " b CROSS JOIN member m ON m.group_n = b.n AND m.kind = 2 "     \
    "CROSS JOIN name a ON a.n = m.name_n "                                                         \
    "CROSS JOIN entry_login l ON l.key = a.key CROSS JOIN entry p ON p.n = l.n WHERE " LIVE_PERSON \
    "UNION ALL "                                                                                   \
    "SELECT " what " FROM " groups " b CROSS JOIN member m ON m.group_n = b.n AND m.kind = 3 "     \
    "CROSS JOIN name a ON a.n = m.name_n "                                                         \
    "CROSS JOIN entry p INDEXED BY entry_primary_key ON p.primary_key = a.key WHERE " LIVE_PERSON  \
    "UNION ALL "                                                                                   \
    "SELECT " what " FROM " groups " b CROSS JOIN stale t ON t.group_n = b.n "                     \
    "CROSS JOIN entry p ON p.n = t.entry_n WHERE " LIVE_PERSON

static const char *const mark_below[] = {
    GROUPS_BELOW(
        "SELECT n FROM dirty_group") "INSERT OR IGNORE INTO dirty_group(n) SELECT n FROM below",
    "INSERT OR IGNORE INTO dirty(entry_n) " PEOPLE_OF("dirty_group", "p.n") "ORDER BY 1",
    "DELETE FROM dirty_group",
};

static int add_numbers(struct state *s, const char *sql, int64_t n, struct row_numbers *ret,
                       struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s, sql, WITH(as_int(n)), e);
    for (; r == STMT_ROW; r = stmt_step(q, e)) {
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
    int r = stmt_query(&any, s, "SELECT 1 FROM dirty_group LIMIT 1", NULL, e);
    if (r != STMT_ROW)
        return r;
    stmt_reset(any);
    r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(mark_below); i++) {

        r = db_write(s, mark_below[i], NULL, e);
    }
    return r;
}
