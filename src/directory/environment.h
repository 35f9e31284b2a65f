/*
 * What a feed works with while one connection lives, and what it tells the directory. Private
 * to this folder.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"
#include "directory/decode.h"
#include "directory/feed.h"

struct error;
struct rootdse;
struct sd_event;
struct session;

struct feed_search {
    char *base, *base_key;
    int scope;
    char *filter;                        /* people, groups and containers */
    bool people, containers, has_groups; /* what it looks for */
    char *persons;                       /* the people of these alone; NULL: it looks for none */
    char *groups;      /* the groups of these alone; NULL: another search has them */
    bool base_visible; /* seen when the connection was made, or when it was asked for since */
    bool base_missing; /* not there when it was asked for last */
    int base_code;     /* what the server said when it was not */
};

/* What whoever started the feed is told. All of it only takes note; the work is done later, from
 * the loop. */
struct feed_news {
    void (*failed)(int r, const struct error *e, void *owner);
    void (*unsupported)(const struct error *e, void *owner);
    void (*caught_up)(bool full, void *owner);
    void (*committed)(const struct feed_commit *commit, void *owner);
    void (*doubts)(const char *why, void *owner);
    void (*unanswered)(const char *why, void *owner);
};

struct feed_environment {
    const struct feed_news *news;
    void *owner;
    void (*reads_all)(void *feeding); /* NULL: nobody wants to know */
    void (*base_hidden)(void *feeding);
    void *feeding;
    struct sd_event *event;
    const struct directory_options *options;
    const struct feed_sink *sink;
    void *userdata;
    struct session *session;
    const struct rootdse *server;
    struct decoder decoder;
    char **attributes; /* of decoder_attributes() */
    struct feed_search searches[DIRECTORY_MAX_SEARCHES];
    unsigned n_searches;
    bool once;                 /* stop when everything of this moment is known */
    bool force_full;           /* no cookie is to be used at the start */
    bool deletions_are_untold; /* but by a read of everything, or a call of the roll */
    bool cut;                  /* a limit of the server ended what the feed does */
};

/* Pauses before it is asked again what was not answered, growing from the one to the other. */
#define FEED_ASK_AGAIN_MIN_USEC (10 * USEC_PER_SEC)
#define FEED_ASK_AGAIN_MAX_USEC (600 * USEC_PER_SEC)

/* How often all ids are called where deletions are not told: in reads of changes. */
#define FEED_ROLL_CALL_EVERY 10

/* A feed lives as long as its connection. start: may call sink and session; the environment is
 * borrowed. */
struct directory_feed_ops {
    enum directory_feed_kind kind;
    /* Why this server cannot follow changes by it, as far as the server says; places_known: where
     * each search looks, too. NULL: nothing is known against it, also as the function. */
    const char *(*objection)(const struct rootdse *server, bool places_known);
    const char *refused; /* what is said when the server does, although it lists it */
    int (*start)(void **ret, struct feed_environment *env, struct error *e);
    void (*free)(void *feed);
    void (*turn)(void *feed, bool drained); /* the session gave out what had come; may be NULL */
    void (*request_full)(void *feed);
};
extern const struct directory_feed_ops feed_syncrepl_ops, feed_dirsync_ops, feed_poll_ops;

/* Does the name lie below the base of this search? */
bool feed_has_below(const struct feed_environment *env, unsigned search, const char *dn);

/* Called by feeds and batches; it goes to `news`. */

/* The connection cannot be used further: it is closed and made again after a pause. */
void feed_failed(struct feed_environment *env, int r, const struct error *e);
/* This server does not really offer this feed: the next best one is taken. */
void feed_unsupported(struct feed_environment *env, const struct error *e, bool cut);
/* All of a search is about to be asked for anew, without a cookie. */
void feed_reads_all(struct feed_environment *env);
/* A full read or refresh of every search is over, or the feed has caught up with a cookie. */
void feed_caught_up(struct feed_environment *env, bool full);
/* Something was committed. */
void feed_committed(struct feed_environment *env, const struct feed_commit *commit);
/* A change that may have moved more than the server tells: a full compare, soon. */
void feed_doubts(struct feed_environment *env, const char *why);
/* A base is not there any more, and is asked for until it is. */
void feed_base_hidden(struct feed_environment *env);
/* Something was asked and not answered (search_outcome.unanswered), so that what follows from it
 * waits: a full compare before long, again and again, until all is answered. */
void feed_unanswered(struct feed_environment *env, const char *why);
