/*
 * The audit's waiting lines. A line leaves when it is known to be durable in the audit file,
 * which is noted together with the next line, so that exporting costs no transaction of its
 * own. After a crash the note may lag behind the file; the audit compares the two on opening.
 */
#include "config.h"

#include "state/trail.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "state/db.h"

#define META_EXPORTED "audit-exported"

static int read_head(struct state *s, struct trail_head *ret, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_prepare(&q, s, "SELECT seq, hash FROM trail WHERE seq = (SELECT max(seq) FROM trail)", e);

    if (r == 0)
        r = stmt_step(q, e);
    if (r < 0)
        return r;
    *ret = (struct trail_head){0};
    if (r == STMT_ROW) {
        ret->seq = stmt_int(q, 0);
        snprintf(ret->hash, sizeof(ret->hash), "%s", stmt_text(q, 1));
    }
    return 0;
}

int trail_head(struct state *s, struct trail_head *ret, struct error *e)
{
    if (!s->trail_known.has_head) {
        int r = read_head(s, &s->trail_known.head, e);
        if (r < 0)
            return r;
        s->trail_known.has_head = true;
    }
    *ret = s->trail_known.head;
    return 0;
}

int trail_append(struct state *s, int64_t seq, const char *line, const char *hash,
                 struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_prepare(&q, s, "INSERT INTO trail(seq, line, hash) VALUES(?1, ?2, ?3)", e);

    if (r < 0)
        return r;
    stmt_bind_int(q, 1, seq);
    stmt_bind_text(q, 2, line);
    stmt_bind_text(q, 3, hash);
    r = stmt_run(q, e);
    if (r < 0)
        return r;
    s->trail_known.has_head = true;
    s->trail_known.head.seq = seq;
    snprintf(s->trail_known.head.hash, sizeof(s->trail_known.head.hash), "%s", hash);
    return trail_note(s, e);
}

int trail_hash(struct state *s, int64_t seq, char ret[static DIGEST_TEXT_SIZE], struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_prepare(&q, s, "SELECT hash FROM trail WHERE seq = ?1", e);

    if (r < 0)
        return r;
    stmt_bind_int(q, 1, seq);
    r = stmt_step(q, e);
    if (r != STMT_ROW)
        return r < 0 ? r : STATE_NONE;
    snprintf(ret, DIGEST_TEXT_SIZE, "%s", stmt_text(q, 0));
    return 0;
}

int trail_first(struct state *s, int64_t *ret_seq, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_prepare(&q, s, "SELECT seq FROM trail ORDER BY seq LIMIT 1", e);

    if (r == 0)
        r = stmt_step(q, e);
    if (r < 0)
        return r;
    *ret_seq = r == STMT_ROW ? stmt_int(q, 0) : 0;
    return 0;
}

int trail_each(struct state *s, int64_t after,
               int (*fn)(int64_t seq, const char *line, void *userdata), void *userdata,
               struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_prepare(&q, s, "SELECT seq, line FROM trail WHERE seq > ?1 ORDER BY seq", e);

    if (r < 0)
        return r;
    stmt_bind_int(q, 1, after);
    while ((r = stmt_step(q, e)) == STMT_ROW) {
        r = fn(stmt_int(q, 0), stmt_text(q, 1), userdata);
        if (r != 0)
            return r;
    }
    return r;
}

void trail_exported(struct state *s, int64_t seq)
{
    s->trail_exported = seq;
}

int trail_note(struct state *s, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    char number[24];
    int r;

    if (s->trail_exported == 0 || s->trail_exported == trail_exported_get(s))
        return 0;
    snprintf(number, sizeof(number), "%lld", (long long)s->trail_exported);
    r = state_meta_set(s, META_EXPORTED, number, e);
    s->trail_known.has_noted = r == 0;
    s->trail_known.noted = s->trail_exported;
    if (r == 0)
        r = stmt_prepare(
            &q, s, "DELETE FROM trail WHERE seq <= ?1 AND seq < (SELECT max(seq) FROM trail)",
            e);
    if (r < 0)
        return r;
    stmt_bind_int(q, 1, s->trail_exported);
    return stmt_run(q, e);
}

int64_t trail_exported_get(struct state *s)
{
    if (!s->trail_known.has_noted) {
        s->trail_known.noted = state_meta_number(s, META_EXPORTED, 0);
        s->trail_known.has_noted = true;
    }
    return s->trail_known.noted;
}

int trail_clear(struct state *s, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_prepare(&q, s, "DELETE FROM trail", e);

    s->trail_known = (struct trail_known){0};
    return r < 0 ? r : stmt_run(q, e);
}

void trail_attach(struct state *s, struct audit_memory *m)
{
    s->audit = m;
}

struct audit_memory *trail_attached(const struct state *s, uint64_t *ret_epoch)
{
    *ret_epoch = s->trail_epoch;
    return s->audit;
}
