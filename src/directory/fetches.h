/*
 * What is read entry by entry, a few at a time, before a batch commits: the rest of long member
 * lists, groups that are to be read again, entries of which only a change was told, questions
 * whether something is there. Each speaks for the search that it belongs to.
 */
#pragma once
#include <ldap.h>
#include <stdbool.h>

struct decoded;
struct error;
struct feed_environment;
struct fetches;
struct raw_entry;

struct fetches_events {
    /* It was read. id: it may be known as it came: 0, and it was taken; else SINK_UNKNOWN_ID,
     * with *ret filled, or empty if its bytes prove nothing. */
    int (*read)(unsigned search, LDAP *ld, LDAPMessage *m, const char *id, struct raw_entry *ret,
                void *owner, struct error *e);
    /* Then it goes the way of every entry of this search. */
    int (*entry)(unsigned search, struct decoded *d, void *owner, struct error *e);
    /* It was held back until this was known of it, and may pass. */
    int (*complete)(unsigned search, struct decoded *d, void *owner, struct error *e);
    int (*left)(unsigned search, const char *id, const char *why, void *owner, struct error *e);
    void (*doubt)(const char *sentence, void *owner);          /* of the read as a whole */
    void (*unread)(int r, const struct error *e, void *owner); /* one of them stays unread */
    void (*failed)(int r, const struct error *e, void *owner);
    void (*moved)(void *owner); /* one is new, or over: fetches_start(), or the end */
};

int fetches_new(struct fetches **ret, struct feed_environment *env,
                const struct fetches_events *events, void *owner, struct error *e);
struct fetches *fetches_free(struct fetches *f);
void fetches_reset(struct fetches *f, bool full); /* forgets all; full: of the next batch */
bool fetches_any(const struct fetches *f);
int fetches_start(struct fetches *f, struct error *e); /* those that wait and may run now */

/* Something newer is told of this entry: what was asked, or is held, before may not undo it. */
void fetches_told(struct fetches *f, unsigned search, const char *id);
/* The same where it is not said what it is like now: true if such a question or answer is
 * there, so that it is to be asked for (again). */
bool fetches_signal(struct fetches *f, unsigned search, const char *id);

int fetches_entry(struct fetches *f, unsigned search, const char *base, const char *id,
                  struct error *e);
int fetches_ranges(struct fetches *f, unsigned search, const char *base, struct decoded *taken,
                   struct error *e);
/* Whether somebody of no known class is a person of this search; else they become a container.
 */
int fetches_kind(struct fetches *f, unsigned search, const char *base, struct decoded *taken,
                 struct error *e);
/* 1: a change of this entry (taken) was told without what the server may compute, so it is
 * asked for; 0: it may pass. */
int fetches_doubted(struct fetches *f, unsigned search, struct decoded *d, struct error *e);
/* Whether the base is there, and the same of an entry; or the read proves nothing. */
int fetches_base(struct fetches *f, unsigned search, struct error *e);
int fetches_unseen(struct fetches *f, unsigned search, const char *dn, const char *id,
                   struct error *e);
int fetches_parent(struct fetches *f, unsigned search, const char *dn, struct error *e);
/* 1: whether what the mirror has and this entry does not show was removed is being asked, and
 * the entry (taken) is complete after that; 0: it may pass. */
int fetches_lost(struct fetches *f, unsigned search, struct decoded *d, struct error *e);
