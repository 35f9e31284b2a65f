/*
 * What the files of the status share: status-note.c notes what is in memory, report-status.c adds
 * what the tables say.
 */
#pragma once
#include <jansson.h>

#include "base/error.h"
#include "base/text.h"
#include "daemon/daemon.h"
#include "state/queue.h"

struct status {
    struct engine_view *view;
    json_t *daemon, *directory, *tenant; /* without what is counted … */
    json_t *parts;                       /* … and what is complete */
    json_t *groups;                      /* of the rules */
    struct string_list group_keys;
    char *config_file, *fingerprint;
    bool reload_waits;
    enum directory_state directory_state;
    struct error audit; /* message empty: it is written */
    /* While it is answered: */
    struct state *state;
    struct queue_counts queue;
    json_t *alarms;
    struct error *e;
};
/* For a struct question. */
void *status_note(struct daemon *d, void *about, struct error *e);
void status_forget(void *note);
