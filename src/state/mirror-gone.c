/*
 * What is gone stays as a tombstone, with the members that it had, until it is forgotten.
 */
#include "config.h"

#include <assert.h>

#include "base/error.h"
#include "state/mirror-internal.h"

int mirror_gone(struct state *s, const char *id, const char *why, uint64_t now_usec,
                struct error *e)
{
    CLEANUP(entry_row_done) struct entry_row row = {0};
    int r = entry_row_find(s, id, &row, e);

    if (r != 0)
        return r < 0 ? r : 0;
    if (row.gone)
        return 0;
    unresolved_note_entry(s, row.n);
    unresolved_note_login(s);
    if (row.kind == ENTRY_GROUP)
        unresolved_forget(s); /* all its members */
    /* Before the row is a tombstone: only live persons are marked. */
    r = row.kind == ENTRY_PERSON ? later_mark(s, row.n, e) : 0;
    if (r == 0)
        r = twins_dirty(s, row.n, e);
    if (r == 0)
        r = stale_note(s, row.n, e);
    if (r == 0)
        r = db_write(s,
                     "UPDATE entry SET searches = 0, gone_usec = ?2, "
                     "gone_why = coalesce(?3, gone_why) WHERE n = ?1",
                     WITH(as_int(row.n), as_usec(now_usec ? now_usec : 1), as_text(why)), e);
    if (r == 0 && row.kind == ENTRY_GROUP)
        r = dirty_below(s, row.n, e);
    return r < 0 ? error_wrap(e, r, "marking %s as gone", row.dn) : 0;
}

/* What is left of the entry elsewhere knows its DN through it until now. */
static int dn_stays(struct state *s, const char *sql, const struct entry_row *row, struct error *e)
{
    return db_write(s, sql, WITH(as_int(row->n), as_text(row->dn)), e);
}

/* Another tenant's user may be theirs, which needs the name when that one is back. */
static int is_aside(struct state *s, int64_t n, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s, "SELECT 1 FROM link_aside WHERE n = ?1", WITH(as_int(n)), e);

    return r == STMT_ROW ? 1 : r;
}

int mirror_forget(struct state *s, const char *id, struct error *e)
{
    CLEANUP(entry_row_done) struct entry_row row = {0};
    int r = entry_row_find(s, id, &row, e);

    if (r == 0 && row.gone)
        r = is_aside(s, row.n, e);
    if (r != 0 || !row.gone)
        return r < 0 ? r : 0;
    r = members_drop(s, row.n, e);
    if (r == 0)
        r = db_write(s, "DELETE FROM entry_login WHERE n = ?1", WITH(as_int(row.n)), e);
    /* Groups that name it are still to be read again (stale): else who gets the DN next would
     * be their member. */
    if (r == 0)
        r = dn_stays(s, "UPDATE bound_group SET dn = ?2 WHERE n = ?1", &row, e);
    if (r == 0)
        r = dn_stays(s, "UPDATE person SET dn = ?2 WHERE n = ?1 AND dn IS NULL", &row, e);
    return r < 0 ? r : db_write(s, "DELETE FROM entry WHERE n = ?1", WITH(as_int(row.n)), e);
}
