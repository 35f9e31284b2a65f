/* What the files of fetches.h share, and nobody else. */
#pragma once
#include <stdbool.h>

#include "base/text.h"
#include "directory/computed.h"
#include "directory/decode.h"
#include "directory/fetches.h"

struct lost;
struct search;

enum fetch_kind {
    FETCH_ENTRY = 1,
    FETCH_RANGE = 2,
    FETCH_KIND = 3,   /* whether the filter of people or of groups selects it */
    FETCH_PARENT = 4, /* what has somebody below it, whatever it is */
    FETCH_BASE = 5,   /* whether the base is there */
    FETCH_LOST = 6,   /* whether what is not shown any more was removed */
    FETCH_UNSEEN = 7, /* whether what a full read has not shown is really not there */
};

struct fetch {
    struct fetches *owner;
    struct fetch *next, *next_of_id;
    enum fetch_kind kind;
    unsigned index;        /* of the search that it speaks for */
    struct search *search; /* NULL: waits for its turn */
    char *base;
    char *id;                   /* of the entry that it is about; NULL: it does not matter */
    struct string_list doubted; /* ENTRY: those that it did not show, and may be computed */
    struct decoded decoded;     /* RANGE, KIND; ENTRY: as it was told, if it may pass so */
    struct lost *lost;          /* LOST */
    bool found;
    bool overtaken; /* something newer was told of the entry than what was asked, or is held */
    bool told, was_doubted; /* once: it was, and things were doubted */
    unsigned n_again;
};

#define FETCH_BUCKETS 256

struct fetches {
    struct feed_environment *env;
    const struct fetches_events *events;
    void *owner;
    struct fetch *first; /* the newest */
    struct fetch *of_id[FETCH_BUCKETS];
    unsigned n_running;
    bool full; /* a batch of all that there is */
    struct computed computed;
};

/* It has what it was told, which passes when it is over. */
static inline bool fetch_holds(const struct fetch *f)
{
    return f->kind == FETCH_RANGE || f->kind == FETCH_KIND || f->kind == FETCH_LOST;
}
struct fetch **fetch_bucket(struct fetches *l, const char *id); /* of those that have one */
void fetch_free(struct fetch *f);
