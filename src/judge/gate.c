/*
 * Holds the queue against the budgets: parks what is beyond them, releases what fits again, and
 * says whether one more may start. What budgets allow is decided in guard.c.
 */
#include "config.h"

#include "judge/gate.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log-ids.h"
#include "base/log.h"
#include "judge/gate-internal.h"
#include "state/link.h"

int gate_new(struct gate **ret, struct books *b, struct error *e)
{
    struct gate *g = calloc(1, sizeof(*g));
    if (!g)
        return error_out_of_memory(e);
    *g = (struct gate){.books = b, .state = books_state(b), .options = books_options(b)};
    g->is_approving = true; /* until it is known that nothing is */
    g->paused_usec = (uint64_t)state_meta_number(g->state, "paused", 0);
    *ret = g;
    return 0;
}

struct gate *gate_free(struct gate *g)
{
    free(g);
    return NULL;
}

bool gate_is_open(const struct gate *g)
{
    return g->options->tenant && !g->options->plan_only && !gate_is_paused(g) &&
           !gate_observes(g) && !books_have_failed(g->books) && !books_audit_error(g->books);
}

bool gate_lets_remove(const struct gate *g)
{
    return state_is_proven(g->state);
}

bool gate_has_seen_plan(const struct gate *g)
{
    return g->has_seen_plan;
}

bool gate_is_moving(const struct gate *g)
{
    return g->is_moving;
}

void gate_budgets_are_new(struct gate *g)
{
    g->budgets_are_new = true;
}

static int park_one(struct gate *g, struct operation *o, bool park, const char *cause,
                    const char *sentence, struct error *e)
{
    o->state = park ? OPERATION_PARKED : OPERATION_READY;
    o->since_usec = clock_steady_usec();
    if ((park ? operation_say(o, REASON_BUDGET, cause, sentence)
              : operation_say(o, NULL, NULL, NULL)) < 0)
        return error_out_of_memory(e);
    int r = queue_store(g->state, o, e);
    struct audit_row row = {.event = park ? "park" : "release",
                            .operation = o,
                            .code = REASON_BUDGET,
                            .sentence = sentence};
    if (r == 0)
        r = books_audit(g->books, &row, e);
    return r < 0 ? r : person_touch(g->state, o->entry_id, books_run(g->books), BUCKET_PENDING, e);
}

/* Parks as many of one share of a budget, or releases as many that were parked, as far as *left
 * goes. */
static int move(struct gate *g, enum budget_kind k, enum queue_share share, size_t n, size_t *left,
                struct error *e)
{
    bool park = share != QUEUE_OVER_BUDGET;
    char cause[64], why[256];
    snprintf(cause, sizeof(cause), "budget:%s", budget_kind_name(k));
    /* Without figures, since those change while the operation waits: the alarm has them. */
    snprintf(why, sizeof(why),
             "more than the budget \"%s\" allows without approval: look at `rosterctl plan`, then "
             "`rosterctl approve HASH`",
             budget_kind_name(k));
    struct operation_list some = {0};
    int r = queue_of_budget(g->state, k, share, n < *left ? n : *left, &some, e);
    for (size_t i = 0; i < some.n_items && r == 0; i++)
        r = park_one(g, some.items[i], park, cause, park ? why : "within the budget again", e);
    *left -= some.n_items;
    operation_list_done(&some);
    return r;
}

/* The budgets as they are at one look; kept for no other. */
struct look {
    struct guard_input input;
    struct guard_verdict verdict;
};

static void say_tripped(struct gate *g, const struct look *l, enum budget_kind k, bool is_new)
{
    char cause[64], sentence[512];
    snprintf(cause, sizeof(cause), "budget:%s", budget_kind_name(k));
    if (!l->verdict.tripped[k]) {
        alarm_over(g->books, cause);
        return;
    }
    guard_sentence(k, &l->input, &l->verdict, g->options->sync, sentence, sizeof(sentence));
    alarm_set(g->books, cause, REASON_BUDGET, sentence);
    if (is_new && !g->options->quiet)
        log_event(LOG_WARNING, MSG_BUDGET_TRIPPED, "%s", sentence);
}

/* What was parked waits for a person. It comes back by itself when all that waits fits into the
 * budget again, or when a person configured another budget, and then as much as fits. *left: how
 * many this turn may still move; what is beyond that is counted anew in the next one. */
static int fit_kind(struct gate *g, const struct look *l, enum budget_kind k,
                    const struct queue_shares *in, size_t *left, struct error *e)
{
    size_t room = l->verdict.room[k], used = l->input.spent[k] + in->let_through;
    size_t excess = in->fresh > room ? in->fresh - room : 0;
    size_t beyond = used > l->verdict.limit[k] ? used - l->verdict.limit[k] : 0;
    say_tripped(g, l, k, excess && !g->parks[k]);
    g->parks[k] = excess > *left;
    int r = excess ? move(g, k, QUEUE_FRESH, excess, left, e) : 0;
    if (r == 0 && beyond && in->let_through) /* the limit was lowered, or an approval ended */
        r = move(g, k, QUEUE_LET_THROUGH, beyond, left, e);
    if (r == 0 && in->over && room > in->fresh && (!l->verdict.tripped[k] || g->budgets_are_new))
        r = move(g, k, QUEUE_OVER_BUDGET, room - in->fresh, left, e);
    return r;
}

static int count_spent(struct state *s, const struct sync_options *options, unsigned k, size_t *ret,
                       struct error *e)
{
    uint64_t now = clock_steady_usec(), window = options->budget_window_usec;
    return budget_spent(s, k, now > window ? now - window : 0, ret, e);
}

/* Whoever was disabled in the window was linked when the budget was made. */
static int count_linked(struct state *s, const struct sync_options *options, size_t *ret,
                        struct error *e)
{
    size_t disabled = 0, revoked = 0;
    int r = count_spent(s, options, BUDGET_DISABLE, &disabled, e);
    if (r == 0)
        r = count_spent(s, options, BUDGET_REVOKE, &revoked, e);
    *ret = link_count(s, LINK_ACTIVE) + disabled + revoked;
    return r;
}

/* Of the budgets from this kind on. */
static int count_budgets(struct state *s, const struct sync_options *options, unsigned from,
                         struct guard_input *in, struct queue_shares shares[static BUDGET_N_KINDS],
                         struct error *e)
{
    int r = queue_shares(s, from, shares, BUDGET_N_KINDS, e);
    if (r == 0)
        r = count_linked(s, options, &in->n_linked, e);
    for (unsigned k = from; k < BUDGET_N_KINDS && r == 0; k++) {
        r = count_spent(s, options, k, &in->spent[k], e);
        in->let_through[k] = shares[k].let_through;
        in->pending[k] = shares[k].fresh + shares[k].over;
    }
    return r;
}

int gate_read_budgets(struct state *s, const struct sync_options *options,
                      struct guard_input *ret_input, struct guard_verdict *ret, struct error *e)
{
    struct queue_shares shares[BUDGET_N_KINDS] = {0};
    *ret_input = (struct guard_input){0};
    int r = count_budgets(s, options, 1, ret_input, shares, e);
    guard_evaluate(ret_input, options, ret);
    return r;
}

int gate_budgets(const struct gate *g, struct guard_input *ret_input, struct guard_verdict *ret,
                 struct error *e)
{
    return gate_read_budgets(g->state, g->options->sync, ret_input, ret, e);
}

static int apply_guard(struct gate *g, unsigned from, unsigned to, size_t *left, struct error *e)
{
    struct queue_shares shares[BUDGET_N_KINDS] = {0};
    struct look l = {0};
    int r = count_budgets(g->state, g->options->sync, from, &l.input, shares, e);
    if (r < 0)
        return r;
    guard_evaluate(&l.input, g->options->sync, &l.verdict);
    for (unsigned k = from; k < to && r == 0; k++)
        r = fit_kind(g, &l, (enum budget_kind)k, &shares[k], left, e);
    return r;
}

size_t gate_slice(size_t slice)
{
    return slice ? slice : 256;
}

int gate_apply(struct gate *g, struct error *e)
{
    size_t left = gate_slice(g->options->slice);
    int r = apply_guard(g, 1, BUDGET_N_KINDS, &left, e);
    if (r == 0 && left) /* of what the budgets let go */
        r = gate_fit_seats(g, &left, e);
    g->is_moving = r == 0 && !left;
    if (r < 0 || !left)
        return r < 0 ? r : GATE_MORE;
    g->budgets_are_new = false;
    g->has_seen_plan = true;
    return 0;
}

int gate_apply_to_revocations(struct gate *g, struct error *e)
{
    size_t left = gate_slice(g->options->slice);
    int r = apply_guard(g, BUDGET_REVOKE, BUDGET_REVOKE + 1, &left, e);
    return r < 0 ? r : left ? 0 : GATE_MORE;
}

/* Asked in the transaction that starts it: what became ready since the guard looked at the
 * plan, and what comes back, is not beyond the budget unseen. */
int gate_may_start(const struct gate *g, const struct operation *o, bool *ret, struct error *e)
{
    const struct sync_options *options = g->options->sync;
    enum budget_kind k = (enum budget_kind)o->budget;
    int seat = gate_has_seat(g, o, ret, e);
    if (seat < 0 || !*ret)
        return seat;
    if (o->approved || o->kind == OPERATION_ADOPT || operation_is_unclear(o) ||
        options->budgets[k].unlimited)
        return 0;
    size_t n_linked = 0, spent = 0, let_through = 0;
    int r = count_linked(g->state, options, &n_linked, e);
    if (r == 0)
        r = count_spent(g->state, options, k, &spent, e);
    if (r == 0)
        r = queue_let_through(g->state, k, &let_through, e);
    if (o->attempts && let_through)
        let_through--; /* itself */
    *ret = guard_has_room(&options->budgets[k], n_linked, spent, let_through);
    return r;
}
