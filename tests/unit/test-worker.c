/* A function on a thread of its own: when it runs, when it is waited for, what a loop is told.
 */
#include "config.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <systemd/sd-event.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/worker.h"
#include "unit.h"

#define DEADLINE_USEC (20 * USEC_PER_SEC)

struct work {
    sd_event *event;
    struct worker *worker;
    pthread_t loop;
    int n_runs, n_done, again; /* by the thread until done */
    bool on_thread, masked;
    atomic_bool may_end;
};

static void run(void *data)
{
    struct work *w = data;
    sigset_t mask;
    w->n_runs++;
    w->on_thread = !pthread_equal(pthread_self(), w->loop);
    w->masked =
        pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0 && sigismember(&mask, SIGTERM) == 1;
}

static void done(void *data)
{
    struct work *w = data;
    struct error e = {{0}};
    w->n_done++;
    w->worker = worker_free(w->worker);
    if (w->again-- > 0)
        assert_int_equal(worker_start(&w->worker, w->event, run, done, w, &e), 0);
}

static void run_until_done(struct work *w, int n_done)
{
    uint64_t deadline = clock_monotonic_usec() + DEADLINE_USEC;
    while (w->n_done < n_done) {
        assert_true(clock_monotonic_usec() < deadline);
        assert_true(sd_event_run(w->event, 100 * USEC_PER_MSEC) >= 0);
    }
}

static void test_comes_back_through_the_loop(void **state)
{
    (void)state;
    struct error e = {{0}};
    struct work w = {.loop = pthread_self(), .again = 2};
    assert_true(sd_event_new(&w.event) >= 0);
    assert_int_equal(worker_start(&w.worker, w.event, run, done, &w, &e), 0);
    assert_int_equal(w.n_done, 0); /* never from inside start */
    run_until_done(&w, 3);         /* and begins anew from inside done */
    assert_int_equal(w.n_runs, 3);
    assert_true(w.on_thread);
    assert_true(w.masked);
    assert_null(w.worker);
    assert_int_equal(sd_event_run(w.event, 0), 0);
    sd_event_unref(w.event);
}

static void wait_for_leave(void *data)
{
    struct work *w = data;
    while (!atomic_load(&w->may_end))
        sched_yield();
    w->n_runs++;
}

static void *give_leave(void *data)
{
    struct work *w = data;
    atomic_store(&w->may_end, true);
    return NULL;
}

/* Freed early: it is waited for, its data stays whole until then, and nobody is told. */
static void test_is_waited_for(void **state)
{
    (void)state;
    struct error e = {{0}};
    struct work w = {.loop = pthread_self()};
    pthread_t helper;
    assert_true(sd_event_new(&w.event) >= 0);
    assert_int_equal(worker_start(&w.worker, w.event, wait_for_leave, done, &w, &e), 0);
    assert_int_equal(pthread_create(&helper, NULL, give_leave, &w), 0);
    w.worker = worker_free(w.worker);
    assert_int_equal(w.n_runs, 1);
    assert_int_equal(pthread_join(helper, NULL), 0);
    assert_int_equal(sd_event_run(w.event, 0), 0);
    assert_int_equal(w.n_done, 0);
    assert_null(worker_free(NULL));
    sd_event_unref(w.event);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comes_back_through_the_loop),
        cmocka_unit_test(test_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
