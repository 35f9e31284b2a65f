/*
 * Whom other rules reach: while a round looks at everybody because rules changed, those of whom
 * the change cannot decide otherwise are passed without a look.
 */
#pragma once
#include <stdint.h>

struct error;
struct reach;
struct ruleset;
struct state;

/* Begins a round, narrow where that is possible; *ret NULL: it is for everybody. Both rulesets are
 * borrowed. Needs a transaction. */
int reach_begin(struct reach **ret, struct state *s, const struct ruleset *before,
                const struct ruleset *now, struct error *e);
struct reach *reach_free(struct reach *r);

/* Before the first question, and after the rules' groups were bound. It may find that the round is
 * for everybody. Needs a transaction. */
int reach_resolve(struct reach *r, struct error *e);
/* Is this person to be looked at? n: the number of the entry. 1, 0 or -errno. */
int reach_touches(const struct reach *r, int64_t n, const char *entry_id, struct error *e);
