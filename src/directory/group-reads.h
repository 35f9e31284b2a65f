/*
 * Groups that are read of our own accord, because the server changed them without a word: those
 * whose stored members name a DN that is none any more, those that name somebody who appeared,
 * and those whose members the server finds by a URL. When they are read (again) is said by
 * rereads.h, which they are by newcomers.h. It judges no membership; that is the mirror's.
 */
#pragma once
#include <stdbool.h>

struct error;
struct feed_environment;
struct fetches;
struct group_reads;

struct group_reads_events {
    bool (*is_open)(void *owner);              /* a batch is */
    int (*open)(void *owner, struct error *e); /* one for these groups alone */
    void (*finish)(void *owner);               /* the one that was opened */
    void (*moved)(void *owner);                /* groups were added to the open batch */
    void (*failed)(int r, const struct error *e, void *owner);
};

/* between: batches of their own serve them, whenever none is open; else the feed's next ones.
 * fetches: borrowed for life. */
int group_reads_new(struct group_reads **ret, struct feed_environment *env, struct fetches *fetches,
                    bool between, const struct group_reads_events *events, void *owner,
                    struct error *e);
/* What was not asked yet is a doubt: nobody else knows of it, the next connection reads all. */
struct group_reads *group_reads_free(struct group_reads *g);
void group_reads_reset(struct group_reads *g); /* another batch */
void group_reads_stop(struct group_reads *g);  /* the feed has failed: nothing is begun any more */

/* Somebody whom the mirror did not know (any more). */
int group_reads_newcomer(struct group_reads *g, const char *dn, struct error *e);
/* Groups with a memberURL are to be read again: with the open batch, or in one of their own. */
void group_reads_request(struct group_reads *g);

/* Before a batch commits. news: it tells changes, of the search that has the groups.
 * *ret_asked: a question is on its way; what is to be read was added to the fetches. */
int group_reads_before_commit(struct group_reads *g, bool news, bool *ret_asked, struct error *e);
bool group_reads_asking(const struct group_reads *g); /* and the batch waits for that */
/* What was read for the last time is taken as it is; in the transaction of the commit. */
int group_reads_end(struct group_reads *g, struct error *e);
bool group_reads_unfinished(const struct group_reads *g); /* as struct feed_commit says */
bool group_reads_rereading(const struct group_reads *g);  /* nothing to tell a person of */
void group_reads_committed(struct group_reads *g, bool unfinished); /* as it was said */
void group_reads_arm(struct group_reads *g); /* after that: waits for what is due next */
/* Whether stale groups are left that this batch did not read. */
int group_reads_has_more(struct group_reads *g, bool *ret, struct error *e);
