/*
 * The verification sweep and its time: slowly reads every linked user at the tenant, one after
 * the other. What differs from what was confirmed is drift (drift.h).
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct books;
struct error;
struct health;
struct rules;
struct sweep;

/* All borrowed. */
int sweep_new(struct sweep **ret, struct books *b, struct health *h, struct rules *rules,
              struct error *e);
struct sweep *sweep_free(struct sweep *s);
void sweep_close(struct sweep *s); /* what is under way ends, and none begins any more */

void sweep_schedule(struct sweep *s); /* at the start, and when its interval changed */
void sweep_soon(struct sweep *s);     /* a person asks for it */
/* The user of that entry does not answer to its login, and its id was never learnt: it is
 * looked for by its mail, unless a walk is under way. */
void sweep_seek(struct sweep *s, const char *entry_id);
void sweep_read_anew(struct sweep *s); /* the state is an older copy: all are read at once */
bool sweep_has_read_anew(const struct sweep *s); /* … and were, since then */
/* Since it was asked last every linked user was read. */
bool sweep_take_whole(struct sweep *s);
/* It is due. may_ask: else it is due again later. True: all are verified now. */
bool sweep_start(struct sweep *s, bool may_ask);
uint64_t sweep_due_usec(const struct sweep *s); /* 0: never */
