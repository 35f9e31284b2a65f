/*
 * The way from a list of addresses to a session whose server is known, and back: resolve,
 * connect, ask the server what it is; after a failure the next address, after its pause; from a
 * less preferred server home to the preferred one. One connection at a time. What is to be done
 * over it is the owner's.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "directory/feed.h"

struct connection;
struct error;
struct rootdse;
struct sd_event;
struct session;
struct session_request;

/* All from the loop. None may free the connection, drop or stop it, but for `settle`'s owner,
 * who does so later. */
struct connection_events {
    void (*state)(enum directory_state state, void *owner); /* CONNECTING, AWAY, REFUSED */
    /* Both are borrowed until `dropping`. */
    void (*up)(struct session *session, struct rootdse *server, void *owner);
    /* Whatever stands on the session is to be dropped first. */
    void (*dropping)(void *owner);
    /* It was dropped for this; true: another attempt is to be made. */
    bool (*failed)(int r, const struct error *e, void *owner);
    void (*settle)(void *owner);    /* a failure was noted: connection_settle(), from the loop */
    bool (*may_leave)(void *owner); /* for the preferred server */
    void (*turn)(bool drained, void *owner); /* the session gave out what had come */
    void (*searched)(const char *uri, const struct session_request *request, void *owner);
};

/* options and bases are borrowed for life. */
int connection_new(struct connection **ret, struct sd_event *event,
                   const struct directory_options *options, const char *const *bases,
                   unsigned n_bases, const struct connection_events *events, void *owner,
                   struct error *e);
struct connection *connection_free(struct connection *c); /* drops it, and tells so */

/* Begins with the next address whose time has come. stays: it returns to preferred servers. */
void connection_start(struct connection *c, bool stays);
void connection_stop(struct connection *c);  /* drops it and makes none any more */
void connection_again(struct connection *c); /* drops it and begins at once, as if it were new */
/* Ends all pauses; false: one is there, or is being made. */
bool connection_try_now(struct connection *c);

/* Notes a failure; the first one counts. Nothing more is given out, and `settle` asks for a
 * call of connection_settle(), which drops it. May be called from inside the session. */
void connection_note_failure(struct connection *c, int r, const struct error *e);
bool connection_has_failed(const struct connection *c); /* noted, not yet settled */
bool connection_settle(struct connection *c);           /* true: it was dropped */
void connection_silence(struct connection *c); /* nothing more is given out of the session */

void connection_worked(struct connection *c); /* its server is a good one */
size_t connection_n_addresses(const struct connection *c);
const char *connection_uri(const struct connection *c); /* of the session that is there */

struct connection_status {     /* borrowed until the next event */
    const char *uri, *product; /* in use or last tried; NULL: never any */
    const char *base_doubt;    /* why the first base could not be seen; NULL: it could */
    uint64_t next_attempt_usec, n_reconnects, n_entries, certificate_expires_usec;
};
void connection_status(const struct connection *c, struct connection_status *ret);
