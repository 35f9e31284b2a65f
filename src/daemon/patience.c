/*
 * A state file of an older form, or a large one that was not left whole, may take longer to open
 * than TimeoutStartSec: the manager would kill each start in the middle of it, for ever. The
 * thread that asks for time does nothing else, since the loop waits for the file.
 */
#include "config.h"

#include "daemon/patience.h"

#include <stdbool.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"

#define ASKED_MOST 3600 /* times; each is a second apart */
#define ASK        "EXTEND_TIMEOUT_USEC=60000000"

struct patience {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    bool over;
};

static void *ask(void *data)
{
    struct patience *p = data;
    uint64_t now = clock_monotonic_usec();
    struct timespec next = {.tv_sec = (time_t)(now / USEC_PER_SEC),
                            .tv_nsec = (long)(now % USEC_PER_SEC * 1000)};

    pthread_mutex_lock(&p->mutex);
    for (unsigned n = 0; !p->over && n < ASKED_MOST; n++) {
        next.tv_sec++;
        while (!p->over && pthread_cond_timedwait(&p->ended, &p->mutex, &next) == 0)
            ;
        if (!p->over)
            sd_notify(0, ASK);
    }
    pthread_mutex_unlock(&p->mutex);
    return NULL;
}

struct patience *patience_begin(void)
{
    struct patience *p = getenv("NOTIFY_SOCKET") ? calloc(1, sizeof(*p)) : NULL;
    pthread_condattr_t monotonic;

    if (!p)
        return NULL;
    pthread_mutex_init(&p->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&p->ended, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int r = thread_start(&p->thread, 0, ask, p);
    if (r == 0)
        return p;
    log_debug("The service manager is not asked for more time: error %d", -r);
    pthread_cond_destroy(&p->ended);
    pthread_mutex_destroy(&p->mutex);
    free(p);
    return NULL;
}

struct patience *patience_end(struct patience *p)
{
    if (!p)
        return NULL;
    pthread_mutex_lock(&p->mutex);
    p->over = true;
    pthread_cond_signal(&p->ended);
    pthread_mutex_unlock(&p->mutex);
    (void)pthread_join(p->thread, NULL);
    pthread_cond_destroy(&p->ended);
    pthread_mutex_destroy(&p->mutex);
    free(p);
    return NULL;
}
