/*
 * `rosterctl retry` of whatever is held: thousands may be, so each turn releases some, and the
 * guard waits until all are. Where rosterd ends before, it is asked for once more.
 */
#include "config.h"

#include "judge/gate-internal.h"

void gate_retry(struct gate *g, struct engine_retry *retry)
{
    struct engine_retry **end = &g->retries;
    while (*end)
        end = &(*end)->next;
    *end = retry;
}

void gate_retry_cancel(struct gate *g, struct engine_retry *retry)
{
    struct engine_retry **p = &g->retries;
    while (*p && *p != retry)
        p = &(*p)->next;
    if (*p)
        *p = retry->next;
}

/* Once, with the first that it releases; not where nothing is held for what was named. */
static int put_on_record(struct gate *g, struct engine_retry *retry, struct error *e)
{
    if (retry->noted || (retry->cause && !retry->n_released))
        return 0;
    retry->noted = true;
    const struct engine_act *before = books_asked_by(g->books);
    books_act(g->books, &retry->act);
    int r =
        books_note_request(g->books, "retry", NULL, retry->cause ? retry->cause : "everything", e);
    books_act(g->books, before);
    return r;
}

int gate_retry_some(struct gate *g, const struct engine_retry **ret, struct error *e)
{
    struct engine_retry *retry = g->retries;
    while (retry && retry->over)
        retry = retry->next;
    *ret = retry;
    if (!retry)
        return 0;
    int r = queue_retry_some(g->state, retry->cause, clock_steady_usec(),
                             gate_slice(g->options->slice), &retry->at, &retry->n_released, e);
    retry->over = r == STATE_NONE;
    if (r >= 0 && retry->n_released)
        r = run_join(g->books, "retry by a person", e);
    if (r >= 0)
        r = put_on_record(g, retry, e);
    books_note(g->books, WORK_GUARD | (retry->over ? WORK_COMMIT : 0));
    return r < 0 ? r : 0;
}

void gate_tell_retried(struct gate *g)
{
    struct engine_retry *retry;
    while ((retry = g->retries) && retry->over) {
        g->retries = retry->next;
        retry->done(retry, retry->userdata);
    }
}
