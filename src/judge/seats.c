/*
 * Seats: [guard] max_users. Who would be one enabled user too many waits, the last who came the
 * longest, until somebody leaves or the limit is raised; the tenant has no call that tells how many
 * are left.
 */
#include "config.h"

#include "judge/gate-internal.h"
#include "state/link.h"

#define CAUSE "seats"
#define SENTENCE                                                                                   \
    "[guard] max_users lets no further user be enabled: who is next gets a user when somebody "    \
    "leaves, or when max_users is raised"

static int seat_one(struct gate *g, struct operation *o, bool wait, struct error *e)
{
    o->state = wait ? OPERATION_HELD : OPERATION_READY;
    o->since_usec = clock_steady_usec();
    if (wait)
        o->not_before_usec = 0; /* of an earlier attempt: no time releases whoever has no seat */
    if ((wait ? operation_say(o, REASON_SEATS, CAUSE, SENTENCE)
              : operation_say(o, NULL, NULL, NULL)) < 0)
        return error_out_of_memory(e);
    int r = queue_store(g->state, o, e);
    struct audit_row row = {.event = wait ? "hold" : "release",
                            .operation = o,
                            .code = REASON_SEATS,
                            .sentence = wait ? SENTENCE : "there is a seat now"};
    if (r == 0)
        r = books_audit(g->books, &row, e);
    return r < 0 ? r : person_touch(g->state, o->entry_id, books_run(g->books), BUCKET_PENDING, e);
}

static int move(struct gate *g, bool wait, size_t n, size_t *left, struct error *e)
{
    struct operation_list some = {0};
    int r = queue_of_seats(g->state, !wait, n < *left ? n : *left, &some, e);
    for (size_t i = 0; i < some.n_items && r == 0; i++)
        r = seat_one(g, some.items[i], wait, e);
    *left -= some.n_items;
    operation_list_done(&some);
    return r;
}

/* Also who may have been enabled by what is not settled yet takes a seat. */
int gate_read_seats(struct state *s, size_t max_users, struct engine_seats *ret, struct error *e)
{
    size_t under_way = 0;
    *ret = (struct engine_seats){.max = max_users};
    int r = queue_seats_under_way(s, &under_way, e);
    if (r == 0)
        r = queue_seats_waiting(s, &ret->waiting, e);
    ret->used = link_count(s, LINK_ACTIVE) + under_way;
    return r;
}

static int count_room(const struct gate *g, size_t *ret, struct error *e)
{
    struct engine_seats s;
    int r = gate_read_seats(g->state, g->options->sync->max_users, &s, e);
    *ret = !s.max ? SIZE_MAX : s.max > s.used ? s.max - s.used : 0;
    return r;
}

int gate_fit_seats(struct gate *g, size_t *left, struct error *e)
{
    size_t waiting = 0, ready = 0, room = 0;
    int r = queue_seats_waiting(g->state, &waiting, e);
    if (r < 0 || (!waiting && !g->options->sync->max_users))
        return r;
    r = queue_seats_ready(g->state, &ready, e);
    if (r == 0)
        r = count_room(g, &room, e);
    if (r == 0 && ready > room)
        r = move(g, true, ready - room, left, e);
    else if (r == 0 && waiting && room > ready)
        r = move(g, false, room - ready < waiting ? room - ready : waiting, left, e);
    return r;
}

int gate_has_seat(const struct gate *g, const struct operation *o, bool *ret, struct error *e)
{
    bool enables = o->kind == OPERATION_CREATE || o->kind == OPERATION_ENABLE;
    size_t room = 0;
    *ret = true;
    if (!enables || !g->options->sync->max_users || operation_is_unclear(o))
        return 0;
    int r = count_room(g, &room, e);
    *ret = r == 0 && room > 0;
    return r;
}
