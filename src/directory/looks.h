/*
 * When to look again. OpenLDAP repairs the members of groups (refint) some time after an entry
 * moved, in the background, and tells nobody. So the groups that still name a DN which is none
 * any more are read a few times, and it is asked a few times which groups name those who
 * appeared. This room keeps the times only; pure but for its timer.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct error;
struct looks;
struct sd_event;
struct string_list;

/* due: something is due; from the loop. NULL: no timer, the owner asks from time to time.
 * patient: false: once, at once, is enough. */
int looks_new(struct looks **ret, struct sd_event *event, bool patient,
              void (*due)(void *userdata), void *userdata, struct error *e);
struct looks *looks_free(struct looks *l);

/* An entry appeared under this DN. LOOKS_TOO_MANY: all are forgotten; a full read is better. */
int looks_add(struct looks *l, const char *dn, uint64_t now, struct error *e);
#define LOOKS_TOO_MANY 1
/* The DNs to ask for now, appended. */
int looks_take(struct looks *l, uint64_t now, struct string_list *ret, struct error *e);
bool looks_pending(const struct looks *l); /* some are to be asked for (again) */
bool looks_any(const struct looks *l); /* some of which it was not even asked once */

enum looks_answer {
    LOOKS_WAIT = 1, /* was read a moment ago */
    LOOKS_READ = 2,
    LOOKS_LAST = 3, /* read, and take it as it is then */
};
/* A group is stale. */
int looks_group(struct looks *l, const char *id, uint64_t now, enum looks_answer *ret,
                struct error *e);
bool looks_groups_due(const struct looks *l, uint64_t now);
/* The others are settled. -ENOMEM. */
int looks_keep_groups(struct looks *l, const struct string_list *ids);
/* After all that: waits for the next. */
void looks_arm(struct looks *l, uint64_t now);
