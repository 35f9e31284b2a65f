/*
 * A feed at work against a peer that speaks LDAP: a real session and searches, a real mirror
 * behind the sink, nobody who judges, and what may go wrong on demand. One at a time.
 */
#pragma once
#include <stdbool.h>

#include "base/clock.h"
#include "base/text.h"
#include "directory/environment.h"
#include "directory/rootdse.h"
#include "directory/session.h"
#include "ldap-peer.h"
#include "model/schema.h"
#include "state-fixture.h"
#include "state/mirror.h"
#include "stored-group.h"

#define PATIENT (10 * USEC_PER_SEC)

struct feed_bed {
    struct fixture *f;
    sd_event *event;
    struct peer *peer;
    struct session *session;
    struct directory_options options;
    struct rootdse server;
    struct schema *schema;
    struct feed_environment env;
    const struct directory_feed_ops *ops;
    void *feed;
    unsigned n_commits, n_reads_all, n_caught_up, n_aborts, n_groups_taken;
    enum feed_absence absence;
    char reason[800];
    unsigned search; /* of the batch */
    bool two;        /* bases */
    bool forgets;    /* the mirror cannot be asked by a name, once */
    bool end_of_read, failed, unsupported, doubts, hidden, unanswered, doubtful, lost;
};

extern struct feed_bed bed; /* the seam of directory.c has no userdata of ours */
/* The entries of people(). */
extern struct peer_entry *ana, *bob, *crew, *unit;

int set_up(void **state);
int tear_down(void **state);
#define feed_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* A connection to the peer as it is, and a feed of this kind over it. */
void connect_to_peer(const struct directory_feed_ops *ops);
void disconnect(void);
/* Two people in a place, and a group of both. The peer must be there. */
void people(void);
struct peer_entry *person(const char *dn, const char *sn);
void start(const struct directory_feed_ops *ops); /* all three, until it has caught up */
void again(const struct directory_feed_ops *ops); /* a new connection, likewise */
void full(void);                                  /* a whole read that is asked for */

struct mirror_counts counts(void);
const char *sn_of(const char *dn); /* "": nobody is there */
size_t members_of(const char *dn);

/* Lets the loop run until this is so. */
#define UNTIL(condition)                                                                       \
    do {                                                                                       \
        uint64_t end_ = clock_monotonic_usec() + PATIENT;                                      \
        while (!(condition)) {                                                                 \
            if (clock_monotonic_usec() > end_)                                                 \
                fail_msg("waited for %s; %s", #condition, bed.reason);                         \
            sd_event_run(bed.event, 10 * USEC_PER_MSEC);                                       \
        }                                                                                      \
    } while (0)
