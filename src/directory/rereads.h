/*
 * When to read again. OpenLDAP repairs the members of groups (refint) some time after an entry
 * moved, in the background, and tells nobody. So the groups that still name a DN which is none
 * any more are read a few times, and it is asked a few times which groups name those who
 * appeared. This room keeps the times only; pure but for its timer.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct error;
struct rereads;
struct sd_event;
struct string_list;

/* due: something is due; from the loop. NULL: no timer, the owner asks from time to time.
 * patient: false: once, at once, is enough. */
int rereads_new(struct rereads **ret, struct sd_event *event, bool patient,
                void (*due)(void *userdata), void *userdata, struct error *e);
struct rereads *rereads_free(struct rereads *l);

/* An entry appeared under this DN. REREADS_TOO_MANY: all are forgotten; a full read is better.
 */
int rereads_add(struct rereads *l, const char *dn, uint64_t now, struct error *e);
#define REREADS_TOO_MANY 1
/* The DNs to ask for now, appended. */
int rereads_take(struct rereads *l, uint64_t now, struct string_list *ret, struct error *e);
bool rereads_pending(const struct rereads *l); /* some are to be asked for (again) */
bool rereads_any(const struct rereads *l);     /* some of which it was not even asked once */

enum rereads_answer {
    REREADS_WAIT = 1, /* was read a moment ago */
    REREADS_READ = 2,
    REREADS_LAST = 3, /* read, and take it as it is then */
};
/* A group is stale. */
int rereads_group(struct rereads *l, const char *id, uint64_t now, enum rereads_answer *ret,
                  struct error *e);
bool rereads_groups_due(const struct rereads *l, uint64_t now);
/* The others are settled. -ENOMEM. */
int rereads_keep_groups(struct rereads *l, const struct string_list *ids);
/* After all that: waits for the next. */
void rereads_arm(struct rereads *l, uint64_t now);
