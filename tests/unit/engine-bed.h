/*
 * What the tests of the engine lie in: a directory that is a list of entries, a fake tenant, a
 * real state file, and clocks that stand still until a test moves them.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/text.h"
#include "books/options.h"
#include "fake-tenant.h"
#include "mapping/options.h"
#include "model/entry.h"
#include "state/state.h"
#include "sync/engine.h"

#define MINUTE (60 * USEC_PER_SEC)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

#define BED_MAX_RULES 8
#define BED_PATH      96

struct bed {
    sd_event *event;
    char folder[BED_PATH], path[BED_PATH];
    struct state *state;
    struct order *order; /* watches the state file; NULL: it is in memory */
    struct fake_tenant *tenant;
    struct engine *engine;
    struct sync_options sync;
    struct mapping_options mapping;
    struct mapping_rule rules[BED_MAX_RULES];
    struct engine_options options;
    struct entry **directory; /* owned: what is there now */
    size_t n_directory, directory_capacity;
    uint64_t now, monotonic;
    bool private_state; /* in memory: fast, and gone at the end; a restart keeps it */
    bool stays_open;    /* a restart keeps the open file as well */
    size_t n_idle;      /* how often the engine said that nothing is left to do */
    size_t n_events;    /* dispatched by the last bed_run() */
    /* Asked between events: does the process end here? Then it crashes and starts again. */
    bool (*dies)(void *userdata);
    void *dies_data;
    bool two_tenants; /* one after the other: what the audit says of users is of both */
    struct string_list seen; /* "role:NAME" and the like: what users ever had */
    size_t n_asked;
};

/* Chance begins anew: what happens in a bed follows from what the test does. An engine that is
 * not started yet, over an empty state and an empty tenant with the teams
 * Support and Sales. */
struct bed *bed_new(bool private_state);
struct bed *bed_free(struct bed *b);
/* Of the bed that was freed last, the head of its audit's chain: what a history did, and when. */
extern char bed_audit_hash[DIGEST_TEXT_SIZE];
void bed_start(struct bed *b); /* engine_new() and engine_start() */

/* Replaces, or adds, an entry of the directory. Attribute and value pairs, then NULL. */
void bed_person(struct bed *b, const char *id, const char *dn, ...) __attribute__((sentinel));
void bed_person_uid(struct bed *b,
                    const char *uid); /* id and dn follow from it; all attributes */
/* Members are the uids of bed_person_uid(), then NULL. */
void bed_group(struct bed *b, const char *name, ...) __attribute__((sentinel));
/* "cn=NAME" is another group of the bed. */
void bed_group_uids(struct bed *b, const char *name, const char *const *uids, size_t n);
void bed_leave(struct bed *b, const char *id); /* out of the directory */
struct entry *bed_find(struct bed *b, const char *id);

/* What the feed tells. None of these runs the loop. */
void bed_read_all(struct bed *b);             /* a whole, proven read */
void bed_read_unproven(struct bed *b);        /* the same without proof */
void bed_tell(struct bed *b, const char *id); /* a change: as it is now, or gone */

/* Runs what is ready until nothing is; fails when that does not end. */
void bed_run(struct bed *b);
/* Lets time pass: what becomes due on the way happens at its time. */
void bed_advance(struct bed *b, uint64_t usec);
/* Somebody sets the wall clock; no time passes. */
void bed_set_clock(struct bed *b, uint64_t now_usec);
/* All three: a read of everything, then work until nothing is left. */
void bed_sync(struct bed *b);
/* Waits in real time (for children), with a deadline. */
void bed_wait(struct bed *b, bool (*over)(void *userdata), void *userdata);

/* The process ends here: what was not committed is lost, what was asked of the tenant may or
 * may not have happened. Then it starts again. */
void bed_crash(struct bed *b);
bool bed_crash_if_due(struct bed *b); /* when `dies` says so */
void bed_restart(struct bed *b); /* in good order */

/* bed-state.c */
void bed_prepare_state(void); /* so that chance is the same for the first bed as for the next */
void bed_open_state(struct bed *b);
void bed_lock_nothing(void);         /* bed-quick.c */
void bed_close_state(struct bed *b); /* so that its file is whole */
void bed_make_folder(char folder[static BED_PATH], char path[static BED_PATH]);
void bed_remove_folder(const char *folder);

/* Approves what is parked; returns how many. */
size_t bed_approve(struct bed *b);
/* The plan's hash, and its approval without any turn that releases something. */
void bed_plan_hash(struct bed *b, char ret[static 65], size_t *ret_n_parked);
/* What is held, or held for one cause, as many turns as that takes; how much it was. */
size_t bed_retry(struct bed *b, const char *cause);
int bed_approve_hash(struct bed *b, const char *hash, size_t *ret_n, struct error *e);

/* Every run that ended adds up, and nobody is left pending in it. */
void bed_check_ledgers(struct bed *b);
struct holdings;
void bed_check_known(struct bed *b); /* bed-known.c */
void bed_check_who(struct bed *b, const struct holdings *holdings); /* bed-who.c */
/* A number of the last run's ledger: ("created", NULL), ("held", "budget"), ("seen", NULL). */
size_t bed_ledger(struct bed *b, const char *bucket, const char *code);
/* Audit rows; NULL: any. */
size_t bed_audit(struct bed *b, const char *event, const char *code, const char *login);
/* fn for each audit line, parsed. */

void bed_each_audit(struct bed *b, void (*fn)(const json_t *row, void *userdata),
                    void *userdata);
/* Operations in the queue in this state (0: any) with this reason (NULL: any). */
size_t bed_queue(struct bed *b, int state, const char *reason);

#define bed_ok(b, r)                                                                           \
    do {                                                                                       \
        int bed_r_ = (r);                                                                      \
        if (bed_r_ != 0)                                                                       \
            fail_msg("%s: %d: %s", #r, bed_r_, e.message);                                     \
    } while (0)
