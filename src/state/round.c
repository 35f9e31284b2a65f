/*
 * One row, or none: where the round stands. People who are in the mirror come first, by the
 * number of their entry, up to the last one that there was at its beginning, since those that
 * arrive later are marked themselves; then those who are remembered and have no entry, or one that
 * is no person any more.
 */
#include "config.h"

#include "state/round.h"

#include <assert.h>

#include "base/error.h"
#include "base/text.h"
#include "state/db.h"
#include "state/person.h"

enum { /* stored */
       STAGE_ENTRIES = 1,
       STAGE_REMEMBERED = 2,
};
static_assert(STAGE_ENTRIES == 1 && STAGE_REMEMBERED == 2, "the statements name them");
#define REMEMBERED_A_TIME 1000

struct round {
    int64_t stage, passed, last, n_left;
};

int person_mark_all_dirty(struct state *s, struct error *e)
{
    int r = db_write(s, "DELETE FROM round", NULL, e);

    s->round_is_narrow = false;
    return r < 0 ? r
                 : db_write(s,
                            "INSERT INTO round(stage, passed_n, last_n, n_left) SELECT 1, 0, "
                            "coalesce((SELECT max(n) FROM entry), 0), (SELECT count(*) FROM entry "
                            "INDEXED BY entry_live WHERE kind = 1 AND gone_usec = 0) + (SELECT "
                            "count(*) FROM entry WHERE gone_usec > 0)",
                            NULL, e);
}

int round_begin_narrow(struct state *s, struct error *e)
{
    int r = person_mark_all_dirty(s, e);

    s->round_is_narrow = r == 0;
    return r;
}

bool round_is_narrow(const struct state *s)
{
    return s->round_is_narrow;
}

static int load(struct state *s, struct round *ret, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s, "SELECT stage, passed_n, last_n, n_left FROM round", NULL, e);
    if (r != STMT_ROW)
        return r < 0 ? r : STATE_NONE;
    *ret = (struct round){.stage = stmt_int(q, 0),
                          .passed = stmt_int(q, 1),
                          .last = stmt_int(q, 2),
                          .n_left = stmt_int(q, 3)};
    return 0;
}

bool round_is_on(struct state *s)
{
    struct round round;

    return load(s, &round, NULL) == 0;
}

static int store(struct state *s, const struct round *round, struct error *e)
{
    return db_write(s, "UPDATE round SET stage = ?1, passed_n = ?2, n_left = ?3",
                    WITH(as_int(round->stage), as_int(round->passed),
                         as_int(round->n_left > 1 ? round->n_left : 1)),
                    e);
}

static int end(struct state *s, bool *ret_more, struct error *e)
{
    *ret_more = false;
    s->round_is_narrow = false;
    return db_write(s, "DELETE FROM round", NULL, e);
}

/* Answers how many rows there were, or -errno. */
static int next_entries(struct state *s, struct round *round, size_t limit,
                        struct string_list *ret_ids, int64_t *ret_numbers, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int n = 0,
        r = stmt_query(&q, s,
                       "SELECT e.n, i.id FROM entry e CROSS JOIN identity i ON i.n = e.n "
                       "WHERE e.n > ?1 AND e.n <= ?2 AND e.kind = 1 AND e.n NOT IN "
                       "(SELECT entry_n FROM dirty) ORDER BY e.n LIMIT ?3",
                       WITH(as_int(round->passed), as_int(round->last), as_int((int64_t)limit)), e);
    for (; r == STMT_ROW; r = stmt_step(q, e)) {
        round->passed = ret_numbers[n++] = stmt_int(q, 0);
        if (string_list_add(ret_ids, stmt_id(q, 1)) < 0)
            return error_out_of_memory(e);
    }
    return r < 0 ? r : n;
}

/* Nearly all of them have an entry, so more rows than `limit` are looked at. Answers as above. */
static int next_remembered(struct state *s, struct round *round, size_t limit,
                           struct string_list *ret_ids, int64_t *ret_numbers, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    size_t n_found = 0;
    int n = 0,
        r = stmt_prepare(&q, s,
                         "SELECT p.n, i.id, EXISTS (SELECT 1 FROM entry x WHERE x.n = p.n "
                         "AND x.kind = 1) OR "
                         "EXISTS (SELECT 1 FROM dirty d WHERE d.entry_n = p.n) FROM person p "
                         "CROSS JOIN identity i ON i.n = p.n WHERE p.n > ?1 ORDER BY p.n "
                         "LIMIT ?2",
                         e);

    if (r < 0)
        return r;
    stmt_bind_int(q, 1, round->passed);
    stmt_bind_int(q, 2, REMEMBERED_A_TIME);
    while (n_found < limit && (r = stmt_step(q, e)) == STMT_ROW) {
        n++;
        round->passed = stmt_int(q, 0);
        if (stmt_int(q, 2))
            continue;
        ret_numbers[n_found++] = 0;
        if (string_list_add(ret_ids, stmt_id(q, 1)) < 0)
            return error_out_of_memory(e);
    }
    return r < 0 ? r : n;
}

int round_next(struct state *s, size_t limit, struct string_list *ret_ids, int64_t *ret_numbers,
               bool *ret_more, struct error *e)
{
    struct round round;
    int n, r = load(s, &round, e);

    *ret_more = r == 0;
    if (r != 0)
        return r < 0 ? r : 0;
    if (round.stage == STAGE_ENTRIES) {
        n = next_entries(s, &round, limit, ret_ids, ret_numbers, e);
        if (n == 0 && s->round_is_narrow)
            return end(s, ret_more, e);
        if (n == 0)
            round = (struct round){.stage = STAGE_REMEMBERED};
    } else {
        n = next_remembered(s, &round, limit, ret_ids, ret_numbers, e);
        if (n == 0)
            return end(s, ret_more, e);
    }
    round.n_left -= n;
    return n < 0 ? n : store(s, &round, e);
}
