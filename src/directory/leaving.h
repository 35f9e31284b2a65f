/*
 * Leaving. A search speaks for itself only: what it no longer shows has left it, and whether
 * the entry is gone is asked of all searches, before the batch commits and before anything
 * follows from it. Removals that are said by ids alone are counted before they are taken.
 */
#pragma once
#include <stdbool.h>

#include "directory/feed.h"

struct decoded;
struct error;
struct feed_environment;
struct fetches;
struct leaving;

struct leaving_events {
    /* Found in this search, though another one does not show it any more. */
    int (*entry)(unsigned search, struct decoded *d, void *owner, struct error *e);
    int (*left)(unsigned search, const char *id, const char *why, void *owner, struct error *e);
    int (*gone)(const char *id, void *owner, struct error *e);
    void (*failed)(int r, const struct error *e, void *owner);
    void (*moved)(void *owner); /* an answer is there */
};

/* fetches: borrowed for life. */
int leaving_new(struct leaving **ret, struct feed_environment *env, struct fetches *fetches,
                const struct leaving_events *events, void *owner, struct error *e);
struct leaving *leaving_free(struct leaving *l);
void leaving_reset(struct leaving *l, bool full); /* another batch; full: it asks in any case */

int leaving_add(struct leaving *l, const char *id, struct error *e); /* said by an id alone */
/* Takes those: 0, or 1 when only a whole read proves it, and nothing was taken. */
int leaving_take(struct leaving *l, unsigned search, struct error *e);

/* Each 1 while it is asked, else 0. Of those that no search holds: whether one has them. */
int leaving_ask_unheld(struct leaving *l, struct error *e);
/* At the end of a full read: whether the base is there. A proxy whose hidden target is away may
 * answer as if nothing were there; its base then mostly is not, either. */
int leaving_ask_base(struct leaving *l, unsigned search, bool doubted, struct error *e);
int leaving_ask_unseen(struct leaving *l, unsigned search, struct error *e);
bool leaving_asking(const struct leaving *l);

int leaving_committed(struct leaving *l, unsigned search, enum feed_absence absence,
                      struct error *e);
