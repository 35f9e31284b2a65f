/*
 * Runs one function on a detached thread and reports to the loop through an eventfd. It knows
 * nothing of LDAP. What the two sides share is `struct share`, freed by the side that lets go
 * last; the thread touches nothing else of ours.
 */
#include "config.h"

#include "directory/task.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/timer.h"

/* After the interrupt a healthy library returns at once. */
#define GRACE_USEC (2 * USEC_PER_SEC)

struct task_slot {
    atomic_uint references;
    atomic_bool busy;
};

struct share {
    atomic_uint references;
    atomic_bool finished;
    struct task_slot *slot;
    const struct task_ops *ops;
    void *data;
    int wake_fd;
};

struct task {
    struct share *share;
    sd_event_source *wake, *timer;
    bool interrupted;
    task_done_fn done;
    void *userdata;
};

struct task_slot *task_slot_new(void)
{
    struct task_slot *s = calloc(1, sizeof(*s));
    if (s)
        atomic_init(&s->references, 1);
    return s;
}

struct task_slot *task_slot_free(struct task_slot *s)
{
    if (s && atomic_fetch_sub(&s->references, 1) == 1)
        free(s);
    return NULL;
}

static bool is_busy(const struct task_slot *s)
{
    return atomic_load(&s->busy);
}

static void share_release(struct share *s)
{
    if (atomic_fetch_sub(&s->references, 1) != 1)
        return;
    s->ops->free(s->data);
    close(s->wake_fd);
    task_slot_free(s->slot);
    free(s);
}

static void *thread_main(void *p)
{
    struct share *s = p;
    s->ops->run(s->data);
    atomic_store(&s->finished, true);
    atomic_store(&s->slot->busy, false);
    uint64_t one = 1;
    /* An eventfd with count 0 takes this without waiting. */
    if (write(s->wake_fd, &one, sizeof(one)) != sizeof(one))
        one = 0;
    share_release(s);
    return NULL;
}

static int start_thread(struct share *s, struct error *e)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_t attributes;
    int r = pthread_attr_init(&attributes);
    if (r != 0)
        return error_set(e, -r, "cannot prepare a thread: %s", strerror(r));
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);

    atomic_fetch_add(&s->references, 1);
    atomic_store(&s->slot->busy, true);
    /* The thread inherits the mask: signals belong to the loop. */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    r = pthread_create(&thread, &attributes, thread_main, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (r != 0) {
        atomic_store(&s->slot->busy, false);
        atomic_fetch_sub(&s->references, 1);
        return error_set(e, -r, "cannot start a thread: %s", strerror(r));
    }
    return 0;
}

static int on_wake(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    (void)source, (void)fd, (void)events;
    struct task *t = userdata;
    sd_event_source_set_enabled(t->wake, SD_EVENT_OFF);
    sd_event_source_set_enabled(t->timer, SD_EVENT_OFF);
    t->done(t, !t->interrupted, t->share->data, t->userdata);
    return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source, (void)usec;
    struct task *t = userdata;
    if (!t->interrupted) {
        t->interrupted = true;
        if (t->share->ops->interrupt)
            t->share->ops->interrupt(t->share->data);
        sd_event_source_set_time_relative(t->timer, GRACE_USEC);
        sd_event_source_set_enabled(t->timer, SD_EVENT_ONESHOT);
        return 0;
    }
    sd_event_source_set_enabled(t->wake, SD_EVENT_OFF);
    bool finished = atomic_load(&t->share->finished);
    t->done(t, false, finished ? t->share->data : NULL, t->userdata);
    return 0;
}

int task_start(struct task **ret, struct sd_event *event, struct task_slot *slot,
               const struct task_ops *ops, void *data, uint64_t timeout_usec, task_done_fn done,
               void *userdata, struct error *e)
{
    if (is_busy(slot)) {
        ops->free(data);
        return error_set(e, -EBUSY, "an earlier attempt (%s) has not come back yet", ops->name);
    }
    struct share *s = calloc(1, sizeof(*s));
    struct task *t = calloc(1, sizeof(*t));
    if (!s || !t) {
        free(s);
        free(t);
        ops->free(data);
        return error_out_of_memory(e);
    }
    atomic_init(&s->references, 1);
    atomic_fetch_add(&slot->references, 1);
    s->slot = slot;
    s->ops = ops;
    s->data = data;
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    t->share = s;
    t->done = done;
    t->userdata = userdata;
    if (s->wake_fd < 0) {
        int r = error_set(e, -errno, "cannot make an eventfd: %s", strerror(errno));
        task_free(t);
        return r;
    }
    int r = sd_event_add_io(event, &t->wake, s->wake_fd, EPOLLIN, on_wake, t);
    if (r >= 0)
        r = timer_in(event, &t->timer, timeout_usec, on_timer, t);
    if (r < 0)
        error_set(e, r, "cannot watch a thread: %s", strerror(-r));
    else
        r = start_thread(s, e);
    if (r < 0) {
        task_free(t);
        return r;
    }
    *ret = t;
    return 0;
}

struct task *task_free(struct task *t)
{
    if (!t)
        return NULL;
    t->wake = sd_event_source_disable_unref(t->wake);
    t->timer = sd_event_source_disable_unref(t->timer);
    if (!atomic_load(&t->share->finished) && t->share->ops->interrupt && !t->interrupted)
        t->share->ops->interrupt(t->share->data);
    share_release(t->share);
    free(t);
    return NULL;
}
