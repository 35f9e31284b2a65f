/*
 * A batch on its way into the sink. It decodes entries, and before it commits it gets what is
 * still missing: the rest of long member lists, groups whose stored members are stale, entries
 * of which only a change was told.
 */
#pragma once
#include <ldap.h>
#include <stdbool.h>
#include <stddef.h>

struct error;
struct feed_batch;
struct feed_commit;
struct feed_environment;
struct member;

struct feed_batch_events {
    /* Just before the commit: cookie, identity, end_of_read, what. `absence` is filled in by
     * the batch (full: UNSEEN, or UNPROVEN after a doubt). */
    void (*prepare)(struct feed_commit *commit, void *userdata);
    void (*committed)(void *userdata); /* the batch is closed; another may begin */
    /* Changes come when they happen: groups are looked at again in batches of their own,
     * whenever none is open. Otherwise in the feed's next ones. */
    bool between;
};

int feed_batch_new(struct feed_batch **ret, struct feed_environment *env,
                   const struct feed_batch_events *events, void *userdata, struct error *e);
struct feed_batch *feed_batch_free(struct feed_batch *b); /* aborts what is open */

int feed_batch_begin(struct feed_batch *b, unsigned search, bool full, struct error *e);
/* The open batch is full because it lists what is present, not because everything is sent. */
void feed_batch_from_cookie(struct feed_batch *b);
/* The server said what is gone, of what changed since the cookie: that something did not come
 * means that it is as it was, so nobody is asked about it. */
void feed_batch_names_gone(struct feed_batch *b);
bool feed_batch_is_open(const struct feed_batch *b);
bool feed_batch_is_finishing(const struct feed_batch *b);
unsigned feed_batch_search(const struct feed_batch *b);
size_t feed_batch_n_entries(const struct feed_batch *b);
size_t feed_batch_n_changes(const struct feed_batch *b); /* entries, left, present, members */

/* The greatest watermark of all entries so far; NULL: none. Borrowed. */
const char *feed_batch_watermark(const struct feed_batch *b);

/* Each returns 0 or -errno: then the feed has failed. id: NULL when the entry's attribute says
 * it. */
int feed_batch_entry(struct feed_batch *b, LDAP *ld, LDAPMessage *m, const char *id,
                     struct error *e);
/* The same of a message that the server sent for a change: what it lacks is asked for. */
int feed_batch_pushed(struct feed_batch *b, LDAP *ld, LDAPMessage *m, const char *id,
                      struct error *e);
/* Reads the groups again whose members the server finds by a URL, now or with the next batch.
 */
void feed_batch_reread(struct feed_batch *b);
/* The search of the batch does not show it (any more). */
int feed_batch_left(struct feed_batch *b, const char *id, const char *why, struct error *e);
/* The same, said by an id alone. Such removals wait for feed_batch_take_removals(), before the
 * end of the batch: 0; or 1 when they are so many people that only a whole read proves it, and
 * nothing was taken. */
int feed_batch_removed(struct feed_batch *b, const char *id, struct error *e);
int feed_batch_take_removals(struct feed_batch *b, struct error *e);
/* An entry of a roll call, of which only the id was asked for: present, or read as a whole when
 * the mirror does not know it. */
int feed_batch_roll(struct feed_batch *b, LDAP *ld, LDAPMessage *m, struct error *e);
int feed_batch_present(struct feed_batch *b, const char *id, struct error *e); /* or 1: unknown */
/* Reads one entry (by DN or "<GUID=…>") and takes it as feed_batch_entry() would; outside the
 * base of the search it has left. */
int feed_batch_fetch(struct feed_batch *b, const char *base, const char *id, struct error *e);
/* The difference alone. 1: the group is to be read: it is unknown, or what was asked for
 * before, and comes yet, does not know of this. */
int feed_batch_members(struct feed_batch *b, const char *group_id, const struct member *added,
                       size_t n_added, const struct member *removed, size_t n_removed,
                       struct error *e);
/* What the batch holds may not be all there is; the first reason stays. */
void feed_batch_doubt(struct feed_batch *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A continuation reference that is to be followed. Only full batches do: what lies elsewhere is
 * compared by full reads. */
void feed_batch_reference(struct feed_batch *b, char *const *urls);

/* Commits when nothing is missing any more, perhaps at once. What arrives meanwhile may still
 * be added. */
void feed_batch_finish(struct feed_batch *b);
void feed_batch_abort(struct feed_batch *b);
