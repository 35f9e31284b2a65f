/* The queue of questions, and the thread that answers the first of them. */
#include "config.h"

#include "daemon/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/timer.h"
#include "base/worker.h"
#include "model/json.h"

#define LONGEST_USEC (60 * USEC_PER_SEC)

struct asked {
    struct asked *next;
    struct reader *reader;
    const struct question *question;
    struct control_call *call; /* NULL: rosterd itself asks, and … */
    reader_done_fn *done;
    void *about;
    void *note;
    struct state *state; /* of the thread */
    json_t *answer;
    char *text; /* … or its text, for a client */
    int r;
    struct error e;
    const char *why_not; /* it was given up */
    bool late;           /* since it took too long */
};

struct reader {
    struct daemon *daemon;
    struct asked *first, **end; /* the first is under way while there is a worker */
    struct worker *worker;
    sd_event_source *limit;
};

void *reader_note_view(struct daemon *d, void *about, struct error *e)
{
    (void)about;
    struct engine_view *v;
    return engine_view_new(&v, d->engine, e) == 0 ? v : NULL;
}

void reader_forget_view(void *note)
{
    engine_view_free(note);
}

static void asked_free(struct asked *a)
{
    if (a->note)
        a->question->forget(a->note);
    state_close(a->state);
    json_decref(a->answer);
    free(a->text);
    free(a);
}

static void take_first(struct reader *r)
{
    r->first = r->first->next;
    if (!r->first)
        r->end = &r->first;
}

/* Takes it out of the queue first: the client may ask again from here. */
static void tell_first(struct reader *r)
{
    struct asked *a = r->first;
    take_first(r);
    if (a->why_not)
        error_set(&a->e, a->r = a->late ? -ETIMEDOUT : -ECANCELED, "%s", a->why_not);
    if (a->done)
        a->done(r->daemon, a->about, a->why_not ? NULL : a->answer, a->r, &a->e);
    else if (a->text && !a->why_not)
        control_reply_text(TAKE(a->call), TAKE(a->text));
    else
        control_fail(TAKE(a->call), "failed", "%s", a->e.message);
    asked_free(a);
}

/* On the thread; or on the loop, with the loop's connection. An answer has many parts, so it is
 * made a text and freed here. */
static void find_answer(struct asked *a, struct state *s)
{
    if (a->call && a->question->text)
        a->text = a->question->text(a->note, s, &a->e);
    else
        a->answer = a->question->answer(a->note, s, &a->e);
    if (a->answer && a->call) {
        a->text = json_to_text(a->answer, JSON_COMPACT);
        json_decref(a->answer);
        a->answer = NULL;
    }
    if (a->answer || a->text)
        return;
    a->r = -EIO;
    if (!a->e.message[0])
        error_out_of_memory(&a->e);
}

static void run(void *userdata)
{
    struct asked *a = userdata;
    find_answer(a, a->state);
}

static void give_up(struct reader *r, const char *why)
{
    if (!r->worker)
        return;
    r->first->why_not = why;
    state_cancel(r->first->state);
}

static int on_limit(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct reader *r = userdata;
    (void)source, (void)usec;
    r->first->late = true;
    give_up(r, "it took too long, and was given up");
    return 0;
}

static void start(struct reader *r);

static void on_done(void *userdata)
{
    struct asked *a = userdata;
    struct reader *r = a->reader;
    r->worker = worker_free(r->worker);
    r->limit = sd_event_source_disable_unref(r->limit);
    state_end_reading(TAKE(a->state), r->daemon->state);
    tell_first(r);
    start(r);
}

/* Where the file cannot be trusted to be what the loop has open, or where its log has to be left
 * alone for once, the loop answers, as it always can. */
static bool start_thread(struct reader *r, struct asked *a)
{
    struct daemon *d = r->daemon;
    struct engine_status status;
    engine_status(d->engine, &status);
    if (status.state_failed || state_in_transaction(d->state) || state_log_is_long(d->state) ||
        !state_is_in_place(d->state))
        return false;
    if (state_open_to_read(&a->state, d->state, &a->e) < 0 ||
        timer_in(d->event, &r->limit, LONGEST_USEC, on_limit, r) < 0 ||
        worker_start(&r->worker, d->event, run, on_done, a, &a->e) < 0) {
        log_debug("No thread reads for this question: %s", a->e.message);
        r->limit = sd_event_source_disable_unref(r->limit);
        a->state = state_close(a->state);
        a->e.message[0] = '\0';
        return false;
    }
    return true;
}

static void start(struct reader *r)
{
    while (r->first && !r->worker) {
        struct asked *a = r->first;
        struct error ignored = {0};
        if (a->call && control_call_is_gone(a->call)) {
            a->why_not = "its client has gone";
        } else {
            (void)engine_commit(r->daemon->engine, &ignored); /* a failure is in the answer */
            a->note = a->question->note(r->daemon, a->about, &a->e);
            if (a->note && start_thread(r, a))
                return;
            if (a->note)
                find_answer(a, r->daemon->state);
            else
                a->r = -EIO;
        }
        tell_first(r);
    }
}

static struct reader *reader_of(struct daemon *d)
{
    if (!d->reader && (d->reader = calloc(1, sizeof(*d->reader))))
        *d->reader = (struct reader){.daemon = d, .end = &d->reader->first};
    return d->reader;
}

/* Whose client has gone makes way: so the queue is no longer than there are clients. */
static void make_way(struct reader *r)
{
    struct asked **p = r->worker ? &r->first->next : &r->first;
    if (r->worker && r->first->call && control_call_is_gone(r->first->call))
        give_up(r, "its client has gone");
    while (*p) {
        struct asked *a = *p;
        if (!a->call || !control_call_is_gone(a->call)) {
            p = &a->next;
            continue;
        }
        *p = a->next;
        control_fail(TAKE(a->call), "failed", "its client has gone");
        asked_free(a);
    }
    r->end = p;
}

static bool ask(struct daemon *d, const struct asked *what)
{
    struct reader *r = reader_of(d);
    struct asked *a = r ? malloc(sizeof(*a)) : NULL;
    if (!a)
        return false;
    *a = *what;
    a->reader = r;
    make_way(r);
    *r->end = a;
    r->end = &a->next;
    start(r);
    return true;
}

void reader_ask(struct daemon *d, const struct question *q, struct control_call *call_taken)
{
    if (!ask(d, &(struct asked){.question = q, .call = call_taken}))
        control_fail(call_taken, "failed", "out of memory");
}

void reader_ask_self(struct daemon *d, const struct question *q, void *about, reader_done_fn *done)
{
    struct error e = {0};
    if (!ask(d, &(struct asked){.question = q, .about = about, .done = done}))
        done(d, about, NULL, error_out_of_memory(&e), &e);
}

void reader_cancel(struct daemon *d)
{
    struct reader *r;
    while ((r = TAKE(d->reader))) { /* a client may ask the next from inside its answer */
        give_up(r, "rosterd ends");
        r->worker = worker_free(r->worker);
        sd_event_source_disable_unref(r->limit);
        while (r->first) {
            r->first->why_not = "rosterd ends";
            tell_first(r);
        }
        free(r);
    }
}
