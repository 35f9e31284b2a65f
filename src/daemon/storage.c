/*
 * The watch over the state file. When it cannot be written, an alarm goes out that needs no
 * file; the engine has stopped by itself. From then on it is tried whether the file can be
 * written, and when it can, a new engine goes on from what is on disk. A state file that is no
 * longer at its path ends rosterd: what it would write is lost at its end.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/timer.h"
#include "daemon/daemon.h"
#include "daemon/report.h"
#include "model/operation.h"

#define LOOK_EVERY_USEC (5 * USEC_PER_SEC)
#define TRY_FIRST_USEC  (1 * USEC_PER_SEC)
#define TRY_LAST_USEC   (8 * USEC_PER_SEC)

struct storage {
    sd_event_source *timer;
    uint64_t failed_since_usec; /* wall clock, for people; 0: it can be written */
    uint64_t told_usec;         /* steady clock: the last alarm that was told; 0: none */
    uint64_t wait_usec;         /* until the next attempt */
    bool told;                  /* of the failure that stands */
    int (*renew)(struct daemon *d, struct error *e);
    void (*stop)(struct daemon *d);
};

static void look_in(struct storage *s, uint64_t usec)
{
    int r = sd_event_source_set_time(s->timer, clock_monotonic_usec() + usec);
    if (r >= 0)
        r = sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
    if (r < 0)
        log_error("Cannot arm the timer of the state file: error %d", r);
}

/* That somebody was told is noted in an empty file beside the state, which cannot hold it, so that
 * the end is told also by the rosterd after this one. It often can be made when nothing can be
 * written; a folder that is read-only takes not even that. */
static char *note_path(const struct daemon *d)
{
    struct buffer path = {0};
    buffer_format(&path, "%s.failed", d->settings->state_file);
    return buffer_take(&path);
}

static void note_told(const struct daemon *d)
{
    CLEANUP(freep) char *path = note_path(d);
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640) : -1;
    if (fd < 0)
        log_warning(
            "It cannot be noted that this alarm was sent (%s): its end is told only if rosterd runs until then",
            strerror(errno));
    else
        close(fd);
}

/* True: there was one. */
static bool forget_told(const struct daemon *d)
{
    CLEANUP(freep) char *path = note_path(d);
    return path && unlink(path) == 0;
}

static void sentence_of(const struct daemon *d, const char *why, char *ret, size_t size)
{
    snprintf(ret, size,
             "nothing is sent to the tenant, since the state file %.200s cannot be written: %.500s",
             d->settings->state_file, why ? why : "it failed earlier");
}

/* One that comes and goes is told at most once in alarm_after. */
static void tell(struct daemon *d, const char *why)
{
    struct storage *s = d->storage;
    char sentence[900];
    uint64_t now = clock_monotonic_usec();
    if (s->told || (s->told_usec && now - s->told_usec < d->settings->sync.alarm_after_usec))
        return;
    s->told = true;
    s->told_usec = now;
    sentence_of(d, why, sentence, sizeof(sentence));
    engine_tell(d->engine, true, REASON_STATE_FAILED, sentence, s->failed_since_usec);
    note_told(d);
}

void storage_look(struct daemon *d)
{
    struct storage *s = d->storage;
    struct engine_status status;
    engine_status(d->engine, &status);
    if (!s || !status.state_failed)
        return;
    if (!s->failed_since_usec) {
        s->failed_since_usec = clock_steady_usec();
        s->wait_usec = TRY_FIRST_USEC;
        look_in(s, TRY_FIRST_USEC);
    }
    tell(d, status.state_error);
}

/* On record as well, now that it can be. */
static void record(struct daemon *d, bool told, const char *sentence, uint64_t since_usec)
{
    struct error e = {0};
    struct audit_row row = {
        .event = "alarm-over", .code = REASON_STATE_FAILED, .sentence = sentence};
    if (engine_record(d->engine, &row, &e) < 0)
        log_error("%s", e.message);
    if (told)
        engine_tell(d->engine, false, REASON_STATE_FAILED, sentence, since_usec);
    else
        log_notice("Alarm %s is over: %s", REASON_STATE_FAILED, sentence);
}

static void record_end(struct daemon *d, const struct storage *s)
{
    char since[CLOCK_TEXT_SIZE], sentence[200];
    snprintf(sentence, sizeof(sentence),
             "the state file could not be written since %s; it can be written again",
             clock_format(since, clock_wall_of(s->failed_since_usec)));
    forget_told(d);
    record(d, s->told, sentence, s->failed_since_usec);
}

static void try_again(struct daemon *d)
{
    struct storage *s = d->storage;
    struct engine_status status;
    struct error e = {0};
    engine_status(d->engine, &status);
    /* A person is just being told, and passwords are handed on: that ends first. */
    int r = status.commands ? -EAGAIN : state_try_to_write(d->state, &e);
    if (r == 0)
        r = s->renew(d, &e);
    if (r < 0) {
        tell(d, status.state_error);
        if (!status.commands && s->wait_usec < TRY_LAST_USEC)
            s->wait_usec *= 2;
        look_in(s, s->wait_usec);
        return;
    }
    record_end(d, s);
    s->failed_since_usec = 0;
    s->told = false;
    look_in(s, LOOK_EVERY_USEC);
    daemon_reload_later(d);
    storage_look(d); /* it may have failed again meanwhile */
}

static void end(struct daemon *d)
{
    d->exit_code = EXIT_FAILURE;
    d->storage->stop(d);
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source;
    (void)usec;
    struct daemon *d = userdata;
    if (d->stopping)
        return 0;
    if (d->storage->failed_since_usec) {
        approve_cancel(d);
        retry_cancel(d, "the state file cannot be written");
    }
    if (!state_is_in_place(d->state)) {
        log_error("The state file %s was removed or replaced while rosterd runs. rosterd ends, "
                  "since what it writes would be lost: put the right file there and start it again "
                  "(with none, users are matched with the tenant as at the first start)",
                  d->settings->state_file);
        end(d);
    } else if (d->storage->failed_since_usec && d->once) {
        end(d); /* the sentence is there */
    } else if (d->storage->failed_since_usec) {
        try_again(d);
    } else {
        look_in(d->storage, LOOK_EVERY_USEC);
    }
    return 0;
}

int storage_start(struct daemon *d, int (*renew)(struct daemon *d, struct error *e),
                  void (*stop)(struct daemon *d), struct error *e)
{
    d->storage = calloc(1, sizeof(*d->storage));
    if (!d->storage)
        return error_out_of_memory(e);
    d->storage->renew = renew;
    d->storage->stop = stop;
    int r = timer_at(d->event, &d->storage->timer, clock_monotonic_usec() + LOOK_EVERY_USEC,
                     on_time, d);
    if (r < 0)
        return error_set(e, r, "cannot set up the watch over the state file");
    storage_look(d);
    if (!d->storage->failed_since_usec && !d->dry_run && forget_told(d))
        record(d, true, "the state file could not be written before rosterd ended; it can be now",
               clock_steady_usec());
    return 0;
}

void storage_stop(struct daemon *d)
{
    if (!d->storage)
        return;
    sd_event_source_disable_unref(d->storage->timer);
    free(TAKE(d->storage));
}
