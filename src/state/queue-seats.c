/*
 * What in the queue would enable one more user: creates, and users that are enabled again. Where
 * the number of users is limited, only so many of them are let go.
 */
#include "config.h"

#include "base/error.h"
#include "state/db.h"
#include "state/queue.h"

#define UNCLEAR "reason IS '" REASON_UNCLEAR "'"
#define READY                                                                                      \
    "FROM operation INDEXED BY operation_state WHERE state = 1 AND kind IN (1, 7) AND NOT " UNCLEAR
/* They work all the while, whatever the adoption waits for; of who came back under another
 * identity the old link counts. */
#define MEETING                                                                                    \
    "FROM operation INDEXED BY operation_state WHERE state IN (2, 3) AND kind = 2 AND reason "     \
    "IS NOT '" REASON_RELINK "' AND approved_for IS NOT '" REASON_RELINK "'"
#define WAITING                                                                                    \
    "FROM operation INDEXED BY operation_cause WHERE cause = 'seats' AND reason = '" REASON_SEATS  \
    "'"

int queue_seats_under_way(struct state *s, size_t *ret, struct error *e)
{
    return db_size(
        s,
        "SELECT (SELECT count(*) FROM operation INDEXED BY operation_state WHERE state = 4 "
        "AND kind IN (1, 2, 7)) + (SELECT count(*) FROM operation INDEXED BY "
        "operation_state WHERE state = 1 AND kind = 2) + (SELECT count(*) " MEETING
        ") + (SELECT count(*) FROM operation INDEXED BY operation_cause "
        "WHERE cause = 'unclear' AND reason = '" REASON_UNCLEAR
        "' AND state <> 4 AND kind IN (1, 7))",
        NULL, ret, e);
}

int queue_seats_ready(struct state *s, size_t *ret, struct error *e)
{
    return db_size(s, "SELECT count(*) " READY, NULL, ret, e);
}

int queue_seats_waiting(struct state *s, size_t *ret, struct error *e)
{
    return db_size(s, "SELECT count(*) " WAITING, NULL, ret, e);
}

int queue_of_seats(struct state *s, bool waiting, size_t limit, struct operation_list *ret,
                   struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r =
        stmt_query(&q, s,
                   waiting ? "SELECT number " WAITING " ORDER BY due_usec, number LIMIT ?1"
                           : "SELECT number " READY " ORDER BY due_usec DESC, number DESC LIMIT ?1",
                   WITH(as_int((int64_t)limit)), e);
    for (; r == STMT_ROW; r = stmt_step(q, e)) {
        struct operation *o = NULL;
        int loaded = queue_load(s, stmt_int(q, 0), &o, e);

        if (loaded == 0 && operation_list_add(ret, o) < 0)
            loaded = error_out_of_memory(e);
        if (loaded < 0)
            return loaded;
    }
    return r;
}
