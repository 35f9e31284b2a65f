/*
 * The engine: what the feed learned becomes what the tenant holds. It owns the one path of the
 * design, from the mirror through rules, planner, guard and queue to the executor, and the
 * audit of each step.
 *
 * Everything happens in turns on the loop. A turn evaluates some dirty people, applies the
 * guard when none is left, writes the intents of the operations that may start, commits all of
 * it together with the outcomes that came in since the last turn, and only then sends what the
 * intents announced.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "books/engine-types.h"
#include "directory/feed.h"

struct audit_actor;
struct audit_export;
struct audit_row;
struct engine;
struct error;
struct reading;
struct ruleset;
struct sd_event;
struct state;
struct string_list;

/* state and audit (NULL: none) are borrowed. Settles nothing yet: see engine_start(). */
int engine_new(struct engine **ret, struct sd_event *event, struct state *state,
               struct audit_export *audit, const struct engine_options *options, struct error *e);
/* Until it is called with NULL: who asks for what follows, for the audit. Borrowed. */
void engine_act(struct engine *n, const struct engine_act *act);
/* A line that says that somebody asked for something, about a person or (NULL) about all. */
int engine_note_request(struct engine *n, const char *what, const char *entry_id,
                        const char *sentence, struct error *e);
/* A line of its own, and a fact of the state (NULL: removed); both are committed at once. */
int engine_record(struct engine *n, const struct audit_row *row, struct error *e);
/* Both at once: the line (NULL: none), and what is to be known after a restart. */
int engine_remember(struct engine *n, const char *name, const char *value,
                    const struct audit_row *row, struct error *e);
/* What was changed is durable, and seen by others who read the state file. */
int engine_commit(struct engine *n, struct error *e);
/* Somebody else could not write the state: nothing is sent until another engine goes on from it. */
void engine_fail(struct engine *n, const struct error *e);
struct engine *engine_free(struct engine *n); /* cancels calls; intents without outcome are
                                                 settled at the next start */

/* Settles intents of a crash, asks the tenant for teams and (at first contact) its users, goes
 * to work. */
int engine_start(struct engine *n, struct error *e);
/* Nothing new starts; `stopped` runs from the loop when what was in flight has its outcome
 * committed. */
void engine_stop(struct engine *n, void (*stopped)(void *userdata), void *userdata);

/* The sink to hand to the directory, and its userdata. */
extern const struct feed_sink engine_sink;
struct reading *engine_reading(const struct engine *n);
/* Runs from the sink when the directory's connection changed; the daemon tells then whether it
 * is away. */
void engine_on_directory_change(struct engine *n, void (*fn)(void *userdata), void *userdata);
/* The machine slept for a while: what the directory said may be lost. Within a turn. */
void engine_on_sleep(struct engine *n, void (*fn)(void *userdata), void *userdata);
void engine_directory_away(struct engine *n, bool away, const char *sentence);
/* The audit file was written, or could not be: nothing is sent until it can. */
void engine_audit_written(struct engine *n, bool fine, const char *sentence);
/* The pages of the state file were read, and are sound: users can be removed. */
void engine_state_is_proven(struct engine *n);
/* An alarm, or its end, that needs neither state nor audit: it goes to the notify command. */
void engine_tell(struct engine *n, bool stands, const char *code, const char *sentence,
                 uint64_t since_usec);
/* Since it was asked last every linked user was read at the tenant and compared. */
bool engine_take_verified(struct engine *n);
/* Runs when what engine_status() says of the tenant or of the state file changed; it must not
 * free the engine. */
void engine_on_status_change(struct engine *n, void (*fn)(void *userdata), void *userdata);
/* The state file is an older copy: links are as at first contact again, nothing is taken for
 * granted. */
int engine_distrust_state(struct engine *n, struct error *e);
/* What the directory must read for the mapping. */
const struct ruleset *engine_ruleset(const struct engine *n);
const struct schema *engine_schema(const struct engine *n); /* borrowed until it changes */

/* Why a group that a rule names is not read, or has no members: what goes on behind "the group
 * DN"; NULL: it is simply not there, or nothing is known. Borrowed until the next connection. */
const char *engine_group_sighting(const struct engine *n, const char *dn);

/* A new configuration: everybody whom it can affect is looked at again. options as in
 * engine_new(); tenant and ops stay. Borrows what the options point to when it succeeds; when
 * it fails it goes on with those from before and keeps nothing of these. */
int engine_reload(struct engine *n, const struct engine_options *options, struct error *e);

/* Runs (from the loop, once for each time) when nothing is left that could be done now. */
void engine_on_idle(struct engine *n, void (*fn)(void *userdata), void *userdata);
bool engine_is_idle(const struct engine *n);
/* No evaluation before the first read ended: an engine over a mirror alone (a look at a plan)
 * says so. */
void engine_use_mirror_as_is(struct engine *n);

/* A person's words. */
int engine_pause(struct engine *n, bool pause, unsigned uid, struct error *e);
bool engine_is_paused(const struct engine *n);
/* [sync] mode = observe, and nobody has said yet that writing begins. */
bool engine_observes(const struct engine *n);
int engine_begin_writing(struct engine *n, bool *ret_was_observing, struct error *e);
/* What was approved, as engine_view_approval() read it, is on record with the next commit, and
 * released by the turns that follow. */
int engine_approve(struct engine *n, const struct engine_approval *a, unsigned uid,
                   uint64_t *ret_until_usec, struct error *e);
/* Runs (from the loop, once for each time) when all that was approved is released and durable. */
void engine_on_approved(struct engine *n, void (*fn)(void *userdata), void *userdata);
int engine_retry_person(struct engine *n, const char *entry_id, size_t *ret_n, struct error *e);
/* Whatever is held, or what is held for one cause: turns release it, some at a time. Lent until
 * `done` runs, or until it is cancelled. */
void engine_retry(struct engine *n, struct engine_retry *retry);
void engine_retry_cancel(struct engine *n, struct engine_retry *retry);
/* cause: "members:DN". What this group does not show when it is read next was removed. 0, or
 * ENGINE_NOTHING: it is another cause, or nothing of this group is hidden. */
int engine_believe_members(struct engine *n, const char *cause, struct error *e);
int engine_look_again(struct engine *n, const char *entry_id, struct error *e);

/* The i-th last, 0 the newest; false when there were not so many since the start. */
bool engine_past_revocation(const struct engine *n, size_t i, struct engine_revocation *ret);
void engine_status(const struct engine *n, struct engine_status *ret);
/* How a person would be decided now, with steps: for explain. */
struct verdict;
int engine_explain(struct engine *n, const char *entry_id, struct verdict *ret, struct error *e);
