/*
 * After a sudden end the pages of the state file are read, to the last one, by a thread of its
 * own: a second for 100,000 people, for which nobody's hire is to wait. Nobody is removed
 * before it is through (src/judge/gate.h), since whoever is on a damaged page would be somebody
 * whom nobody knows. A file that is damaged ends rosterd, and the next one reads it before it
 * does anything.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/worker.h"
#include "daemon/daemon.h"

struct proof {
    struct daemon *daemon;
    struct worker *worker;
    struct state *reader; /* the thread's */
    void (*stop)(struct daemon *d);
    int r;
    struct error e;
};

static void run(void *data)
{
    struct proof *p = data;
    p->r = state_prove(p->reader, &p->e);
}

static void on_done(void *data)
{
    struct proof *p = data;
    struct daemon *d = p->daemon;
    bool sound = p->r == 0;
    state_proven(d->state, sound);
    if (sound) {
        log_info("The state file was read to its end, and is sound: users can be removed again");
        engine_state_is_proven(d->engine);
    } else {
        log_error("The state file is not used any more: %s. rosterd ends", p->e.message);
        d->exit_code = EXIT_FAILURE;
        if (!d->stopping)
            p->stop(d);
    }
    proof_end(d);
}

int proof_start(struct daemon *d, void (*stop)(struct daemon *d), struct error *e)
{
    if (state_is_proven(d->state))
        return 0;
    struct proof *p = d->proof = calloc(1, sizeof(*p));
    if (!p)
        return error_out_of_memory(e);
    p->daemon = d;
    p->stop = stop;
    int r = state_open_to_prove(&p->reader, d->state, e);
    if (r == 0)
        r = worker_start(&p->worker, d->event, run, on_done, p, e);
    if (r == 0)
        log_notice(
            "rosterd did not end in good order last time: the state file is read to its end beside "
            "the work, and nobody is removed before that");
    return r;
}

void proof_end(struct daemon *d)
{
    struct proof *p = TAKE(d->proof);
    if (!p)
        return;
    if (p->reader)
        state_cancel(p->reader);
    worker_free(p->worker);
    state_close(p->reader);
    free(p);
}
