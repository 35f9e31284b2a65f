/* The inside of a batch, shared by batch.c and batch-groups.c. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"
#include "directory/batch.h"
#include "directory/feed.h"

struct decoded;
struct fetch;
struct feed_batch;
struct follows;
struct holders;
struct looks;
struct newcomers;

struct feed_batch {
    struct feed_environment *env;
    struct feed_batch_events events;
    void *userdata;
    bool open, full, from_cookie, finishing, doubted, failed;
    unsigned search;
    size_t n_entries, n_changes;
    size_t n_unchanged; /* of n_entries: not even decoded */
    size_t entries_max, n_left_out; /* is_too_many() */
    char doubt[512];
    char *watermark;
    struct fetch *fetches;
    unsigned n_running;
    struct follows *follows; /* NULL: references are not followed */
    struct newcomers *newcomers;
    struct looks *looks;
    struct holders *holders;
    struct string_list removed; /* by ids alone */
    struct string_list parents; /* DNs of what the entries of this batch lie below */
    size_t n_parents_looked;    /* of parents */
    unsigned n_asked;           /* how often it was asked for the unheld, in this batch */
    uint64_t ask_again_usec;    /* monotonic; the last answer was not whole */
    uint32_t proven;            /* searches whose last full read was whole; for life */
    bool reread;                  /* groups with a memberURL are to be read again */
    bool base_looked;             /* at the end of a full read */
    bool unseen_looked;           /* after that */
    bool rereading;               /* they are: nothing to tell a person of */
    struct string_list computed;  /* attributes of which it was said; for life */
    bool unfinished;              /* the last commit said so */
    bool between;                 /* they have a timer; otherwise the feed's batches serve */
    bool looking;                 /* the batch was opened for them */
    bool looked;                  /* those that are due were taken */
    struct string_list last;      /* stale groups that will not be read again for that */
    struct string_list fetched;   /* groups that were read again for being stale */
    bool chained;                 /* the batch was opened for what followed from another */
};

void batch_fail(struct feed_batch *b, int r, const struct error *e);
void batch_pump(struct feed_batch *b);
int batch_take_decoded(struct feed_batch *b, unsigned search, struct decoded *d,
                       struct error *e);
int batch_hand_over(struct feed_batch *b, unsigned search, struct decoded *d, struct error *e);

/* batch-fetch.c */
int batch_fetch_entry(struct feed_batch *b, unsigned search, const char *base, const char *id,
                      struct error *e);
int batch_fetch_ranges(struct feed_batch *b, unsigned search, const char *base,
                       struct decoded *taken, struct error *e);
/* Whether somebody of no known class is a person of this search; else they become a container. */
int batch_fetch_kind(struct feed_batch *b, unsigned search, const char *base,
                     struct decoded *taken, struct error *e);
/* What a message lacked of this attribute may be computed by the server. */
int batch_fetch_lacking(struct feed_batch *b, unsigned search, const char *dn, const char *id,
                        const char *lacking, struct error *e);
int batch_fetch_base(struct feed_batch *b, struct error *e); /* or the read proves nothing */
int batch_fetch_unseen(struct feed_batch *b, const char *dn, const char *id,
                       struct error *e); /* the same */
int batch_fetch_parent(struct feed_batch *b, unsigned search, const char *dn, struct error *e);
int batch_start_fetches(struct feed_batch *b, struct error *e);
void batch_drop_fetches(struct feed_batch *b);

/* 1: whether what the mirror has and this entry does not show was removed is being asked, and the
 * entry (taken) goes its way after that; 0: it may pass. */
int batch_ask_lost(struct feed_batch *b, unsigned search, struct decoded *d, struct error *e);

/* batch-leave.c */
int batch_leave_init(struct feed_batch *b, struct error *e);
int batch_left(struct feed_batch *b, unsigned search, const char *id, const char *why,
               struct error *e);
/* Of those that no search holds: 1 while it is asked whether one has them, else 0. */
int batch_ask_unheld(struct feed_batch *b, struct error *e);
/* 1 while it is asked whether the base is there. A proxy whose hidden target is away may answer
 * as if nothing were there; its base then mostly is not, either. */
int batch_look_at_base(struct feed_batch *b, struct error *e);
/* 1 while some are asked for whom the read did not show. */
int batch_look_at_unseen(struct feed_batch *b, struct error *e);
void batch_leave_note(struct feed_batch *b, enum feed_absence absence); /* was committed */

/* batch-place.c */
int batch_make_container(struct decoded *d, struct error *e);
/* What the entry is to this search; done: it was dealt with, or will be. */
int batch_judge_kind(struct feed_batch *b, unsigned search, struct decoded *d, bool *done,
                     struct error *e);
int batch_note_parent(struct feed_batch *b, const char *dn, struct error *e);
/* Of those that the mirror does not know: 1 while they are read, else 0. */
int batch_fetch_parents(struct feed_batch *b, struct error *e);

/* batch-groups.c */

/* Somebody whom the mirror did not know (any more). */
int batch_note_newcomer(struct feed_batch *b, const char *dn, struct error *e);
bool batch_is_unfinished(const struct feed_batch *b);
void batch_take_groups(const struct string_list *groups, void *userdata); /* of newcomers */
int batch_fetch_stale_groups(struct feed_batch *b, struct error *e);
int batch_has_more(struct feed_batch *b, bool *ret, struct error *e);
int batch_end_groups(struct feed_batch *b, struct error *e);
void batch_look(void *userdata);
int batch_take_looks(struct feed_batch *b, struct error *e);
int batch_take_dynamic(struct feed_batch *b, struct error *e);
