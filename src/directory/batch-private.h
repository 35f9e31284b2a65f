/* The inside of a batch, shared by batch.c and batch-groups.c. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"
#include "directory/batch.h"

struct fetch;
struct follows;
struct looks;
struct newcomers;

struct feed_batch {
    struct feed_environment *env;
    struct feed_batch_events events;
    void *userdata;
    bool open, full, from_cookie, finishing, doubted, failed;
    unsigned search;
    size_t n_entries, n_changes;
    size_t entries_max, n_left_out; /* is_too_many() */
    char doubt[512];
    char *watermark;
    struct fetch *fetches;
    unsigned n_running;
    struct follows *follows; /* NULL: references are not followed */
    struct newcomers *newcomers;
    struct looks *looks;
    bool between;                 /* they have a timer; otherwise the feed's batches serve */
    bool looking;                 /* the batch was opened for them */
    bool looked;                  /* those that are due were taken */
    struct string_list last;      /* stale groups that will not be read again for that */
    struct string_list fetched;   /* groups that were read again for being stale */
    struct string_list elsewhere; /* such groups that belong to the other search */
    bool chained;                 /* the batch was opened for those */
};

void batch_fail(struct feed_batch *b, int r, const struct error *e);
void batch_pump(struct feed_batch *b);

/* Somebody whom the mirror did not know (any more). */
int batch_note_newcomer(struct feed_batch *b, const char *dn, struct error *e);
void batch_take_groups(const struct string_list *groups, void *userdata); /* of newcomers */
int batch_fetch_stale_groups(struct feed_batch *b, struct error *e);
int batch_note_stale_groups(struct feed_batch *b, struct error *e);
int batch_end_groups(struct feed_batch *b, struct error *e);
void batch_commit_chained(struct feed_batch *b, const struct string_list *groups,
                          struct string_list *taken_last);
void batch_look(void *userdata);
int batch_take_looks(struct feed_batch *b, struct error *e);
