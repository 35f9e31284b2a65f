/*
 * [metrics] file: written whole every few seconds, beside itself and renamed, so that a reader
 * never sees half of it. A file that cannot be written is said once, and again when it can.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/timer.h"
#include "daemon/daemon.h"
#include "daemon/reader.h"
#include "render/output.h"
#include "render/render.h"

struct metrics {
    sd_event_source *timer;
    bool failed; /* and it was said */
};

static int write_all(int fd, const struct buffer *text)
{
    size_t done = 0;

    while (done < text->size) {
        ssize_t n = write(fd, text->data + done, text->size - done);
        if (n < 0 && errno != EINTR)
            return -errno;
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* Others read it: 0644. */
static int replace(const char *path, const struct buffer *text, struct error *e)
{
    char beside[PATH_MAX];

    if (snprintf(beside, sizeof(beside), "%s.new", path) >= (int)sizeof(beside))
        return error_set(e, -ENAMETOOLONG, "its path is too long");
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return error_set(e, -errno, "%s cannot be made: %s", beside, strerror(errno));
    int r = fchmod(fd, 0644) < 0 ? -errno : write_all(fd, text);
    (void)close(fd);
    if (r == 0 && rename(beside, path) < 0)
        r = -errno;
    if (r < 0)
        (void)unlink(beside);
    return r < 0 ? error_set(e, r, "%s", strerror(-r)) : 0;
}

static int write_metrics(struct daemon *d, const json_t *answer, struct error *e)
{
    CLEANUP(output_done) struct output o = {0};

    render_metrics(&o, json_object_get(answer, "status"), json_object_get(answer, "holds"));
    return o.text.failed ? error_out_of_memory(e) : replace(d->settings->metrics_file, &o.text, e);
}

static void on_answer(struct daemon *d, void *about, const json_t *answer, int r,
                      const struct error *why)
{
    (void)about;
    struct error e = *why;

    if (!d->metrics)
        return;
    if (r != -ECANCELED) {
        bool failed = !answer || write_metrics(d, answer, &e) < 0;
        if (failed && !d->metrics->failed)
            log_error("The metrics file %s cannot be written: %s", d->settings->metrics_file,
                      e.message);
        else if (!failed && d->metrics->failed)
            log_notice("The metrics file %s is written again", d->settings->metrics_file);
        d->metrics->failed = failed;
    }
    (void)sd_event_source_set_time_relative(d->metrics->timer, d->settings->metrics_interval_usec);
    (void)sd_event_source_set_enabled(d->metrics->timer, SD_EVENT_ONESHOT);
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source;
    (void)usec;
    reader_ask_self(userdata, &question_metrics, NULL, on_answer);
    return 0;
}

int metrics_start(struct daemon *d, struct error *e)
{
    if (!d->settings->metrics_file || d->once)
        return 0;
    d->metrics = calloc(1, sizeof(*d->metrics));
    if (!d->metrics)
        return error_out_of_memory(e);
    int r = timer_in(d->event, &d->metrics->timer, USEC_PER_SEC, on_time, d);
    return r < 0 ? error_set(e, r, "the timer of the metrics: %s", strerror(-r)) : 0;
}

void metrics_stop(struct daemon *d)
{
    if (!d->metrics)
        return;
    sd_event_source_disable_unref(d->metrics->timer);
    free(d->metrics);
    d->metrics = NULL;
    (void)unlink(d->settings->metrics_file); /* it would say that rosterd runs */
}
