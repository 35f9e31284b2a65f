/*
 * The numbers by which all tables know entries. An id gets its number when it is first heard of,
 * and keeps it while any table has a row of it; triggers of the file take it away after the last
 * one (migrate.c). No number is used twice, so one that somebody still holds means nobody else.
 *
 * What was asked for lately is remembered, until any id loses its number (later.c hears of that
 * from SQLite, whatever statement does it) or a transaction is undone.
 */
#include "config.h"

#include <string.h>

#include "base/error.h"
#include "state/db.h"

static struct known_id *slot_of(struct state *s, const char *id)
{
    uint64_t hash = 0;

    for (const char *p = id; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 1099511628211ULL;
    return &s->ids.known[(hash ^ hash >> 32) % KNOWN_IDS];
}

void identity_know(struct state *s, const char *id, int64_t n)
{
    struct known_id *slot = slot_of(s, id);
    size_t size = strlen(id) + 1;

    if (size > sizeof(slot->id))
        return;
    memcpy(slot->id, id, size);
    slot->n = n;
    slot->epoch = s->ids.epoch;
}

void identity_forget(struct state *s)
{
    s->ids.epoch++;
}

int identity_find(struct state *s, const char *id, int64_t *ret, struct error *e)
{
    const struct known_id *known = slot_of(s, id);
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r;

    *ret = 0;
    if (known->epoch == s->ids.epoch && known->n && strcmp(known->id, id) == 0) {
        *ret = known->n;
        return 0;
    }
    r = stmt_query(&q, s, "SELECT n FROM identity WHERE id = ?1", WITH(as_id(id)), e);
    if (r != STMT_ROW)
        return r;
    *ret = stmt_int(q, 0);
    identity_know(s, id, *ret);
    return 0;
}

/* Asked first: INSERT OR IGNORE would use a number up for each id that has one, and an INSERT
 * that reads its own table makes SQLite keep a copy of what it is to write. */
int identity_get(struct state *s, const char *id, int64_t *ret, struct error *e)
{
    bool is_asked = absent_is(s, id);
    int r = is_asked ? 0 : identity_find(s, id, ret, e);

    if (is_asked)
        *ret = s->absent.n;
    if (r < 0 || *ret)
        return r;
    r = db_write(s, "INSERT INTO identity(id) VALUES(?1)", WITH(as_id(id)), e);
    if (r < 0)
        return r;
    *ret = sqlite3_last_insert_rowid(s->db);
    identity_know(s, id, *ret);
    return 0;
}
