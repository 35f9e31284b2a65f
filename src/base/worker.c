/* A thread for one function, joined by the loop: an eventfd tells that it is through. */
#include "config.h"

#include "base/worker.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "base/error.h"
#include "base/thread.h"

struct worker {
    sd_event_source *source;
    pthread_t thread;
    bool running; /* to be joined */
    int through_fd;
    void (*run)(void *data);
    void (*done)(void *data);
    void *data;
};

static void *thread_main(void *userdata)
{
    struct worker *w = userdata;
    const uint64_t one = 1;
    w->run(w->data);
    ssize_t n = write(w->through_fd, &one, sizeof(one));
    (void)n; /* an eventfd at 0 takes it */
    return NULL;
}

static void join(struct worker *w)
{
    if (w->running)
        (void)pthread_join(w->thread, NULL);
    w->running = false;
}

static int on_through(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    (void)fd, (void)events;
    struct worker *w = userdata;
    sd_event_source_set_enabled(source, SD_EVENT_OFF);
    join(w);
    w->done(w->data);
    return 0;
}

int worker_start(struct worker **ret, struct sd_event *event, void (*run)(void *data),
                 void (*done)(void *data), void *data, struct error *e)
{
    struct worker *w = calloc(1, sizeof(*w));
    if (!w)
        return error_out_of_memory(e);
    w->run = run;
    w->done = done;
    w->data = data;
    w->through_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int r = w->through_fd < 0 ? -errno : 0;
    if (r >= 0)
        r = sd_event_add_io(event, &w->source, w->through_fd, EPOLLIN, on_through, w);
    if (r >= 0)
        r = thread_start(&w->thread, 0, thread_main, w);
    w->running = r == 0;
    if (r < 0) {
        worker_free(w);
        return error_set(e, r, "cannot start a thread: %s", strerror(-r));
    }
    *ret = w;
    return 0;
}

struct worker *worker_free(struct worker *w)
{
    if (!w)
        return NULL;
    join(w);
    sd_event_source_disable_unref(w->source);
    if (w->through_fd >= 0)
        (void)close(w->through_fd);
    free(w);
    return NULL;
}
