/*
 * The audit's waiting lines. A line leaves when it is known to be durable in the audit file,
 * which is noted together with the next lines, so that exporting costs no transaction of its
 * own. After a crash the note may lag behind the file; the audit compares the two on opening.
 *
 * A row holds the lines of a commit, a newline between two; its number is that of the last one.
 */
#include "config.h"

#include "state/trail.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "state/db.h"

#define META_EXPORTED "audit-exported"
#define ROW_MAX       (256 * 1024)

static int read_head(struct state *s, struct trail_head *ret, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(
        &q, s, "SELECT seq, hash FROM trail WHERE seq = (SELECT max(seq) FROM trail)", NULL, e);
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
    if (!s->trail.known.has_head) {
        int r = read_head(s, &s->trail.known.head, e);
        if (r < 0)
            return r;
        s->trail.known.has_head = true;
    }
    *ret = s->trail.known.head;
    return 0;
}

/* Without a line that there was no memory for nothing is written. */
static int write_pending(struct state *s, struct error *e)
{
    int r = s->trail.pending.failed ? error_out_of_memory(e) : 0;

    if (r == 0)
        r = db_write(s, "INSERT INTO trail(seq, line, hash) VALUES(?1, ?2, ?3)",
                     WITH(as_int(s->trail.known.head.seq), as_text(s->trail.pending.data),
                          as_text(s->trail.known.head.hash)),
                     e);
    buffer_clear(&s->trail.pending);
    return r;
}

int trail_append(struct state *s, int64_t seq, const char *line, const char *hash, struct error *e)
{
    struct buffer *b = &s->trail.pending;
    size_t size = strlen(line);
    int r = b->size && b->size + size > ROW_MAX ? write_pending(s, e) : 0;

    if (r < 0)
        return r;
    if (b->size)
        buffer_add(b, "\n", 1);
    buffer_add(b, line, size);
    s->trail.known.has_head = true;
    s->trail.known.head.seq = seq;
    snprintf(s->trail.known.head.hash, sizeof(s->trail.known.head.hash), "%s", hash);
    return b->failed ? error_out_of_memory(e) : 0;
}

int trail_flush(struct state *s, struct error *e)
{
    int r;

    if (!s->trail.pending.size && !s->trail.pending.failed)
        return 0;
    r = write_pending(s, e);
    return r == 0 ? trail_note(s, e) : r;
}

static int64_t count_lines(const char *row)
{
    int64_t n = 1;

    for (; (row = strchr(row, '\n')); row++)
        n++;
    return n;
}

int trail_first(struct state *s, int64_t *ret_seq, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = trail_flush(s, e);

    if (r == 0)
        r = stmt_query(&q, s, "SELECT seq, line FROM trail ORDER BY seq LIMIT 1", NULL, e);
    if (r < 0)
        return r;
    *ret_seq = r == STMT_ROW ? stmt_int(q, 0) - count_lines(stmt_text(q, 1)) + 1 : 0;
    return 0;
}

/* The lines of a row that come after `after`. */
static int each_of_row(int64_t last, const char *row, int64_t after, trail_fn fn, void *userdata)
{
    CLEANUP(freep) char *text = strdup(row);
    int64_t seq = last - count_lines(row) + 1;
    int r = text ? 0 : -ENOMEM;

    for (char *line = text; r == 0 && line; seq++) {
        char *newline = strchr(line, '\n');

        if (newline)
            *newline++ = '\0';
        if (seq > after)
            r = fn(seq, line, userdata);
        line = newline;
    }
    return r;
}

int trail_each(struct state *s, int64_t after, trail_fn fn, void *userdata, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = trail_flush(s, e);

    if (r == 0)
        r = stmt_query(&q, s, "SELECT seq, line FROM trail WHERE seq > ?1 ORDER BY seq",
                       WITH(as_int(after)), e);
    for (; r == STMT_ROW; r = stmt_step(q, e)) {
        r = each_of_row(stmt_int(q, 0), stmt_text(q, 1), after, fn, userdata);
        if (r != 0)
            return r;
    }
    return r;
}

struct one {
    int64_t seq;
    trail_fn fn;
    void *userdata;
    int r; /* what fn said; 0: there was no such line */
};

static int look_at_first(int64_t seq, const char *line, void *userdata)
{
    struct one *one = userdata;

    if (seq == one->seq)
        one->r = one->fn(seq, line, one->userdata);
    return 1; /* the others are not looked at */
}

int trail_line(struct state *s, int64_t seq, trail_fn fn, void *userdata, struct error *e)
{
    struct one one = {.seq = seq, .fn = fn, .userdata = userdata};
    int r = trail_each(s, seq - 1, look_at_first, &one, e);

    return r == -ENOMEM ? error_out_of_memory(e) : r < 0 ? r : one.r;
}

void trail_exported(struct state *s, int64_t seq)
{
    s->trail.exported = seq;
}

static int drop(struct state *s, int64_t upto, struct error *e)
{
    int r;

    if (upto - s->trail.known.dropped < TRAIL_STEP)
        return 0;
    r = db_write(s, "DELETE FROM trail WHERE seq <= ?1", WITH(as_int(upto)), e);
    if (r == 0)
        s->trail.known.dropped = upto;
    return r;
}

int trail_note(struct state *s, struct error *e)
{
    struct trail_head head;
    int64_t upto = s->trail.exported;
    char number[24];
    int r;

    if (s->trail.exported == 0 || s->trail.exported == trail_exported_get(s))
        return 0;
    snprintf(number, sizeof(number), "%lld", (long long)s->trail.exported);
    r = state_meta_set(s, META_EXPORTED, number, e);
    s->trail.known.has_noted = r == 0;
    s->trail.known.noted = s->trail.exported;
    if (r == 0)
        r = trail_head(s, &head, e);
    if (r == 0)
        r = drop(s, upto < head.seq - TRAIL_KEPT ? upto : head.seq - TRAIL_KEPT, e);
    return r;
}

int64_t trail_exported_get(struct state *s)
{
    if (!s->trail.known.has_noted) {
        s->trail.known.noted = state_meta_number(s, META_EXPORTED, 0);
        s->trail.known.has_noted = true;
    }
    return s->trail.known.noted;
}

int trail_clear(struct state *s, struct error *e)
{
    buffer_clear(&s->trail.pending);
    s->trail.known = (struct trail_known){0};
    return db_write(s, "DELETE FROM trail", NULL, e);
}

void trail_attach(struct state *s, struct audit_memory *m)
{
    s->trail.audit = m;
}

struct audit_memory *trail_attached(const struct state *s, uint64_t *ret_epoch)
{
    *ret_epoch = s->trail.epoch;
    return s->trail.audit;
}
