/*
 * libcurl's multi interface on sd-event. All of curl's sockets live in one epoll descriptor of
 * our own and sd-event watches only that: with a source per socket each request costs three
 * times the processor time. A connection that curl keeps stays in that descriptor until something
 * comes from it, since the next request wants it there again. A batch of events goes to curl,
 * then its deadline that fell due, then all finished transfers are handed out. The timer is armed
 * before the loop sleeps, and only when curl wants to wake earlier than what is armed.
 *
 * It knows nothing of requests and answers: those are in http.c.
 */
#include "config.h"

#include "tenant/transfers.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/timer.h"

#define EVENTS_PER_TURN   64
#define TIMEOUTS_PER_TURN 16
#define NO_DEADLINE       UINT64_MAX

/* Of a descriptor; events: for which it is in the epoll descriptor. */
struct watch {
    uint32_t events;
    bool is_wanted;     /* curl asked for it */
    bool is_connection; /* so its end is known */
};

struct transfers {
    CURLM *multi;
    CURLSH *share;
    int epoll_fd;
    sd_event_source *io_source, *timer_source, *kick_source;
    /* When curl wants to be called, and when the timer fires. */
    uint64_t deadline_usec, armed_usec;
    bool turning, global;
    size_t n_handles;
    transfers_done_fn done;
    struct watch *watches; /* by descriptor */
    size_t n_watches;
};

static struct watch *watch_of(struct transfers *t, int fd)
{
    return fd >= 0 && (size_t)fd < t->n_watches ? &t->watches[fd] : NULL;
}

static int on_open(void *userdata, curl_socket_t fd, curlsocktype purpose)
{
    struct transfers *t = userdata;
    size_t n = t->n_watches;
    (void)purpose;
    if (memory_grow(&t->watches, &t->n_watches, (size_t)fd + 1, sizeof(*t->watches)) < 0)
        return CURL_SOCKOPT_ERROR;
    if (n < t->n_watches)
        memset(t->watches + n, 0, (t->n_watches - n) * sizeof(*t->watches));
    t->watches[fd] = (struct watch){.is_connection = true};
    return CURL_SOCKOPT_OK;
}

static int on_close(void *userdata, curl_socket_t fd)
{
    struct watch *w = watch_of(userdata, fd);
    if (w)
        *w = (struct watch){0};
    return close(fd); /* which takes it out of the epoll descriptor */
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *known)
{
    (void)easy;
    struct transfers *t = userdata;
    struct watch *w = watch_of(t, fd);
    bool lasting = w && w->is_connection;
    if (lasting)
        w->is_wanted = what != CURL_POLL_REMOVE;
    if (what == CURL_POLL_REMOVE) {
        if (lasting)
            return 0;
        /* Fails when the descriptor is closed already, which removes it too. */
        (void)epoll_ctl(t->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    struct epoll_event event = {.data.fd = fd};
    if (what & CURL_POLL_IN)
        event.events |= EPOLLIN;
    if (what & CURL_POLL_OUT)
        event.events |= EPOLLOUT;
    bool is_there = lasting ? w->events != 0 : known != NULL;
    int r = lasting && w->events == event.events
                ? 0
                : epoll_ctl(t->epoll_fd, is_there ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    if (r < 0 && (errno == EEXIST || errno == ENOENT))
        r = epoll_ctl(t->epoll_fd, is_there ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event);
    if (lasting && r == 0)
        w->events = event.events;
    if (r < 0) {
        /* An error here would end every transfer; this one ends by its time limit. */
        log_error("Cannot watch a connection to the tenant: %s", strerror(errno));
        return 0;
    }
    if (!known)
        curl_multi_assign(t->multi, fd, t);
    return 0;
}

static int on_timer(CURLM *multi, long timeout_msec, void *userdata)
{
    (void)multi;
    struct transfers *t = userdata;
    t->deadline_usec = timeout_msec < 0
                           ? NO_DEADLINE
                           : clock_monotonic_usec() + (uint64_t)timeout_msec * USEC_PER_MSEC;
    return 0;
}

static void check_multi(CURLMcode code)
{
    if (code != CURLM_OK && code != CURLM_BAD_SOCKET)
        log_error("The tenant's connections: %s", curl_multi_strerror(code));
}

static void hand_out(struct transfers *t)
{
    CURLMsg *message;
    int n_left;
    while ((message = curl_multi_info_read(t->multi, &n_left))) {
        void *private_data = NULL;
        CURLcode code = message->data.result;
        if (message->msg == CURLMSG_DONE &&
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private_data) == CURLE_OK)
            t->done(private_data, code);
    }
}

/* The other end closed a connection that nobody uses, or sent what nobody asked for: curl looks
 * before it uses it again. */
static bool is_unwanted(struct transfers *t, int fd)
{
    struct watch *w = watch_of(t, fd);
    if (!w || !w->is_connection || w->is_wanted)
        return false;
    (void)epoll_ctl(t->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    w->events = 0;
    return true;
}

static void turn(struct transfers *t)
{
    struct epoll_event events[EVENTS_PER_TURN];
    int n_running;
    t->turning = true;
    int n = epoll_wait(t->epoll_fd, events, EVENTS_PER_TURN, 0);
    for (int i = 0; i < n; i++) {
        int what = 0;
        if (is_unwanted(t, events[i].data.fd))
            continue;
        if (events[i].events & EPOLLIN)
            what |= CURL_CSELECT_IN;
        if (events[i].events & EPOLLOUT)
            what |= CURL_CSELECT_OUT;
        if (events[i].events & (EPOLLERR | EPOLLHUP))
            what |= CURL_CSELECT_ERR;
        check_multi(curl_multi_socket_action(t->multi, events[i].data.fd, what, &n_running));
    }
    hand_out(t);
    for (int i = 0; i < TIMEOUTS_PER_TURN && t->deadline_usec <= clock_monotonic_usec(); i++) {
        t->deadline_usec = NO_DEADLINE;
        check_multi(curl_multi_socket_action(t->multi, CURL_SOCKET_TIMEOUT, 0, &n_running));
        hand_out(t);
    }
    t->turning = false;
}

static int on_io(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
    (void)s, (void)fd, (void)events;
    turn(userdata);
    return 0;
}

static int on_kick(sd_event_source *s, void *userdata)
{
    (void)s;
    turn(userdata);
    return 0;
}

static int on_alarm(sd_event_source *s, uint64_t usec, void *userdata)
{
    struct transfers *t = userdata;
    (void)s, (void)usec;
    t->armed_usec = NO_DEADLINE;
    turn(t);
    return 0;
}

static int before_sleep(sd_event_source *s, void *userdata)
{
    struct transfers *t = userdata;
    (void)s;
    if (t->deadline_usec < t->armed_usec) {
        int r = sd_event_source_set_time(t->timer_source, t->deadline_usec);
        if (r >= 0)
            r = sd_event_source_set_enabled(t->timer_source, SD_EVENT_ONESHOT);
        if (r < 0)
            log_error("Arming the timer of the tenant's connections: %s", strerror(-r));
        else
            t->armed_usec = t->deadline_usec;
    }
    return 0;
}

static int add_sources(struct transfers *t, struct sd_event *event, struct error *e)
{
    t->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int r = t->epoll_fd < 0 ? -errno : 0;
    if (r >= 0)
        r = sd_event_add_io(event, &t->io_source, t->epoll_fd, EPOLLIN, on_io, t);
    if (r >= 0)
        r = sd_event_source_set_prepare(t->io_source, before_sleep);
    if (r >= 0)
        r = timer_at(event, &t->timer_source, UINT64_MAX, on_alarm, t);
    if (r >= 0)
        r = sd_event_source_set_enabled(t->timer_source, SD_EVENT_OFF);
    if (r >= 0)
        r = sd_event_add_defer(event, &t->kick_source, on_kick, t);
    if (r >= 0)
        r = sd_event_source_set_enabled(t->kick_source, SD_EVENT_OFF);
    return r < 0 ? error_set(e, r, "the tenant's event sources: %s", strerror(-r)) : 0;
}

static int add_multi(struct transfers *t, struct error *e)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return error_set(e, -EIO, "libcurl does not start");
    t->global = true;
    t->multi = curl_multi_init();
    t->share = curl_share_init();
    if (!t->multi || !t->share)
        return error_out_of_memory(e);
    /* The session cache of a handle dies with it; this one serves the next handle too. */
    if (curl_share_setopt(t->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) != CURLSHE_OK ||
        curl_multi_setopt(t->multi, CURLMOPT_SOCKETFUNCTION, on_socket) != CURLM_OK ||
        curl_multi_setopt(t->multi, CURLMOPT_SOCKETDATA, t) != CURLM_OK ||
        curl_multi_setopt(t->multi, CURLMOPT_TIMERFUNCTION, on_timer) != CURLM_OK ||
        curl_multi_setopt(t->multi, CURLMOPT_TIMERDATA, t) != CURLM_OK)
        return error_set(e, -EINVAL, "libcurl refuses its settings");
    return 0;
}

int transfers_new(struct transfers **ret, struct sd_event *event, transfers_done_fn done,
                  struct error *e)
{
    struct transfers *t = calloc(1, sizeof(*t));
    if (!t)
        return error_out_of_memory(e);
    t->epoll_fd = -1;
    t->deadline_usec = t->armed_usec = NO_DEADLINE;
    t->done = done;
    int r = add_multi(t, e);
    if (r == 0)
        r = add_sources(t, event, e);
    if (r < 0) {
        transfers_free(t);
        return r;
    }
    *ret = t;
    return 0;
}

struct transfers *transfers_free(struct transfers *t)
{
    if (!t)
        return NULL;
    assert(!t->turning);
    if (t->multi)
        curl_multi_cleanup(t->multi);
    if (t->share)
        curl_share_cleanup(t->share);
    sd_event_source_disable_unref(t->io_source);
    sd_event_source_disable_unref(t->timer_source);
    sd_event_source_disable_unref(t->kick_source);
    if (t->epoll_fd >= 0)
        close(t->epoll_fd);
    free(t->watches);
    if (t->global)
        curl_global_cleanup();
    free(t);
    return NULL;
}

bool transfers_are_over(const struct transfers *t)
{
    return t->n_handles == 0 && !t->turning;
}

void transfers_set_kept(struct transfers *t, long n_connections)
{
    curl_multi_setopt(t->multi, CURLMOPT_MAXCONNECTS, n_connections);
}

CURLcode transfers_set(struct transfers *t, CURL *easy)
{
    CURLcode r = curl_easy_setopt(easy, CURLOPT_SHARE, t->share);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_open);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, t);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
    return r ? r : curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, t);
}

CURLMcode transfers_add(struct transfers *t, CURL *easy)
{
    CURLMcode code = curl_multi_add_handle(t->multi, easy);
    t->n_handles += code == CURLM_OK;
    if (code == CURLM_OK && !t->turning)
        sd_event_source_set_enabled(t->kick_source, SD_EVENT_ONESHOT);
    return code;
}

void transfers_remove(struct transfers *t, CURL *easy)
{
    curl_multi_remove_handle(t->multi, easy);
    t->n_handles--;
}
