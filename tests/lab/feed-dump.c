/*
 * feed-dump: prints what a directory feed delivers, one JSON object a line, and keeps a small
 * mirror (ids, names, members) so that it can answer the feed's questions. A tool of the tests;
 * nothing of it is installed.
 *
 *   feed-dump --uri URI --base DN... [options]      follows until it is ended or reads "quit"
 *   feed-dump --once ...                         reads once and exits with 0 or 1
 *
 * On standard input it takes "full" (a full compare, please), "status" and "quit".
 */
#include "config.h"

#include "feed-dump.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "directory/feed.h"
#include "model/dn.h"
#include "model/schema.h"

static void on_done(int r, const struct error *e, void *userdata)
{
    struct dump *d = userdata;
    dump_say(json_pack("{s:s, s:i, s:s*}", "event", "done", "result", r, "error",
                  r < 0 ? e->message : NULL));
    d->result = r;
    sd_event_exit(d->event, 0);
}

static int on_input(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    (void)events;
    struct dump *d = userdata;
    char buffer[256];
    ssize_t n = read(fd, buffer, sizeof buffer - 1);
    if (n <= 0) {
        sd_event_source_set_enabled(source, SD_EVENT_OFF);
        return 0;
    }
    buffer[n] = 0;
    if (strstr(buffer, "full"))
        directory_request_full_read(d->directory);
    if (strstr(buffer, "status"))
        dump_say_status(d);
    if (strstr(buffer, "quit"))
        sd_event_exit(d->event, 0);
    return 0;
}
int main(int argc, char **argv)
{
    struct directory_options o = {
        .paging = true,
        .page_size = 1000,
        .poll_interval_usec = 1000000,
        .connect_timeout_usec = 5000000,
        .bind_timeout_usec = 5000000,
        .search_timeout_usec = 30000000,
        .keepalive_usec = 60000000,
    };
    CLEANUP(string_list_done) struct string_list attributes = {};
    struct dump d = {};
    struct error e = {};
    bool once = false;
    log_open("feed-dump");
    dump_options(argc, argv, &o, &attributes, &d, &once);
    dump_load(&d);
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    if (sd_event_new(&d.event) < 0 ||
        sd_event_add_signal(d.event, NULL, SIGTERM, NULL, NULL) < 0 ||
        sd_event_add_signal(d.event, NULL, SIGINT, NULL, NULL) < 0)
        return 1;
    int r = directory_new(&d.directory, d.event, &o, &attributes, &dump_sink, &d, &e);
    if (r == 0)
        r = once ? directory_read_once(d.directory, on_done, &d, &e)
                 : directory_start(d.directory, &e);
    if (r == 0) {
        /* A file as standard input cannot be polled, and says nothing anyway. */
        sd_event_add_io(d.event, NULL, STDIN_FILENO, EPOLLIN, on_input, &d);
        sd_event_loop(d.event);
    } else {
        fprintf(stderr, "feed-dump: %s\n", e.message);
        d.result = r;
    }
    struct directory *directory = d.directory;
    d.directory = NULL;
    directory_free(directory);
    schema_free(d.schema);
    dump_save(&d);
    json_decref(d.mirror);
    json_decref(d.cookies);
    json_decref(d.stale);
    json_decref(d.seen);
    sd_event_unref(d.event);
    return d.result < 0 ? 1 : 0;
}
