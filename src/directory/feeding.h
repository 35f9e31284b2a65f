/*
 * A feed over one connection: which one, what it is given, and the next best one when the
 * server does not really offer it. Before it starts, groups that rules name in vain are looked
 * for, so that what is said of them is so.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "directory/environment.h"
#include "directory/options.h"

struct error;
struct feeding;
struct rootdse;
struct searches;
struct sd_event;
struct session;
struct string_list;

struct feeding_events {
    /* What the feed tells; `failed` tells that none could be started, too. */
    struct feed_news news;
    void (*begins)(void *owner); /* just before a feed starts */
};

/* options, searches and sink are borrowed for life; attributes: what is read, copied. */
int feeding_new(struct feeding **ret, struct sd_event *event,
                const struct directory_options *options, struct searches *searches,
                const struct string_list *attributes, const struct feed_sink *sink,
                void *sink_userdata, const struct feeding_events *events, void *owner,
                struct error *e);
struct feeding *feeding_free(struct feeding *f); /* stops it; the sink hears an abort */

/* 1: they are others than before; the feed that runs does not know of it. 0: they are the same;
 * what cannot wait (urgent.h) may be asked by another filter from now on. */
int feeding_set_attributes(struct feeding *f, const struct string_list *attributes,
                           struct error *e);

struct feeding_request { /* session and server are borrowed until feeding_stop() */
    struct session *session;
    struct rootdse *server;
    bool once;       /* stop when everything of this moment is known */
    bool force_full; /* no cookie is to be used at the start */
    bool quiet;      /* what happens is no event of the log */
};
/* A failure comes as news, also from inside. */
void feeding_start(struct feeding *f, const struct feeding_request *request);
void feeding_stop(struct feeding *f);
void feeding_turn(struct feeding *f, bool drained); /* the session gave out what had come */
void feeding_request_full(struct feeding *f);     /* of the feed that runs, or is about to start */
bool feeding_is_reading(const struct feeding *f); /* all, anew */
/* A read is over, or something was committed: is anything still to be told before the entries say
 * it? From inside the feed. */
void feeding_read_is_over(struct feeding *f);
void feeding_committed(struct feeding *f);

/* The news `unsupported`, which comes from inside a feed; feeding_settle(), later and from the
 * loop, then starts the next best one. */
void feeding_note_unsupported(struct feeding *f, const struct error *e);
void feeding_settle(struct feeding *f, bool force_full);

enum directory_feed_kind feeding_kind(const struct feeding *f); /* the last one; AUTO: none yet */
const char *feeding_reason(const struct feeding *f);            /* why that one; "": none yet */
/* Why a base cannot be seen, NULL: all can; and when it is asked for next, on the steady clock. */
const char *feeding_doubt(const struct feeding *f, uint64_t *ret_next_usec);
