/*
 * The rules as they are bound to the directory as it is: its schema, and its entries as the
 * groups that rules name. Everybody who needs to know what the rules say asks here.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct books;
struct bound_groups;
struct entry;
struct error;
struct rules;
struct ruleset;
struct schema;
struct told;
struct verdict;

/* With the schema that the state remembers; when the rules decide otherwise than before,
 * everybody is dirty. */
int rules_new(struct rules **ret, struct books *b, struct error *e);
struct rules *rules_free(struct rules *s);

const struct ruleset *rules_ruleset(const struct rules *s); /* borrowed until it changes … */
const struct schema *rules_schema(const struct rules *s);   /* … as is this */
struct told *rules_told(struct rules *s);                   /* who is revoked all the same */
/* For the planner's input, with the rules as userdata: by those of the moment when it is asked.
 */
bool rules_names_role(const char *role, void *userdata);
bool rules_names_skill(const char *skill, void *userdata);

/* A new configuration: rules_settle() or rules_take_back() follows. When it decides otherwise, a
 * round begins. *ret_reads_more: attributes that the mirror does not hold yet. */
int rules_renew(struct rules *s, bool *ret_reads_more, struct error *e);
bool rules_decide_otherwise(const struct rules *s); /* than those before them */
void rules_settle(struct rules *s);
void rules_take_back(struct rules *s); /* what was in force before is again */
/* The server's schema, when it is another one. Failures are logged, and the one before stays.
 */
void rules_take_schema(struct rules *s, struct schema *taken, bool *ret_reads_more);

/* Groups changed: bound again before anybody is decided about. */
void rules_doubt_groups(struct rules *s);
int rules_bind_groups(struct rules *s, struct error *e);        /* if they were doubted */
const struct bound_groups *rules_groups(const struct rules *s); /* as bound; NULL: in doubt */
/* Why a group is not read; dn NULL: a new connection looks anew. See engine_group_sighting().
 */
void rules_sight_group(struct rules *s, const char *dn, const char *sentence);
const char *rules_sighting(const struct rules *s, const char *dn);

/* Whether the round that is under way looks at this person, by the number of the entry: what it is
 * for may not concern everybody. 1, 0 or -errno. */
int rules_touch(const struct rules *s, int64_t n, const char *entry_id, struct error *e);
void rules_round_is_over(struct rules *s);

/* The entry by the rules and groups as they are now, and by what was told of it. */
int rules_evaluate(const struct rules *s, const char *entry_id, const struct entry *entry,
                   bool explain, struct verdict *ret, struct error *e);
