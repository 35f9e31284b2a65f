/*
 * What the report-*.c files share: values as the control protocol writes them, and the jobs
 * that answer later. Nothing outside src/daemon includes it.
 */
#pragma once
#include <jansson.h>
#include <stdint.h>
#include <sys/types.h>

struct bound_groups;
struct control_call;
struct daemon;
struct error;
struct operation;
struct ruleset;
struct engine;
struct engine_act;
struct engine_view;
struct mapping_options;
struct settings_text;
struct state;

/* A string; null for NULL. Bytes that are not UTF-8 are made printable. */
json_t *report_text(const char *text);
/* ISO 8601 in UTC; null for 0. */
json_t *report_time(uint64_t usec);
json_t *report_steady(uint64_t usec); /* of the steady clock, as the wall clock shows it */
/* The text of a JSON document as a value; null for NULL. NULL when it is none. */
json_t *report_json(const char *text);
json_t *report_person(const char *id, const char *dn, const char *login);
/* An operation as in the protocol's `plan`. */
json_t *report_operation(const struct operation *o);
/* What the rules' groups are in the mirror now, one for each of ruleset_groups(). */
int report_bind_groups(struct state *s, const struct ruleset *rules, struct bound_groups *ret,
                       struct error *e);
/* Appends and takes; -ENOMEM when value is NULL or the array cannot grow. */
int report_add(json_t *array, json_t *value_taken, struct error *e);
/* report_add() of a value that counts up: object[key] += 1. */
int report_count(json_t *object, const char *key, struct error *e);

/* report-plan.c: a plan without its operations, and these one by one, each with its group, which is
 * borrowed (NULL: none). fn stops with what is not 0, which is returned. */
json_t *report_plan_head(const struct engine_view *v, struct state *s, struct error *e);
typedef int report_operation_fn(const struct operation *o, const json_t *group, void *userdata);
int report_plan_each(const json_t *head, struct state *s, report_operation_fn *fn, void *userdata,
                     struct error *e);
/* The whole of it as text, malloc'd. */
char *report_plan_text(json_t *head, struct state *s, struct error *e);

/* report-needs.c: what the plan needs at the tenant and does not find there. */
json_t *report_needs(const struct engine_view *v, struct state *s, struct error *e);

/* report-case.c: the person as a case for `rosterctl test`, personal values replaced; malloc'd.
 * -ENOENT: nobody, or not in the directory; -ENOTSUP: the verdict hangs on the server. */
int report_case(struct engine *n, struct state *s, const struct mapping_options *options,
                const char *id, char **ret, struct error *e);

/* candidate.c: what another configuration would do, from a copy of the state. Answers the call,
 * which is taken, now or later; one look at a time. */
void candidate_start(struct daemon *d, struct control_call *call, const struct settings_text *texts,
                     size_t n_texts);
void candidate_cancel(struct daemon *d);
/* How far it is: {stage, done, total}; null when there is none. */
json_t *candidate_progress(const struct daemon *d);
/* candidate-differences.c: adds to a plan, without its operations, how what is in `other` differs
 * from what the running engine has in `present`. */
int candidate_differences(json_t *head, struct state *other, struct state *present,
                          struct error *e);

/* approve.c: the call is answered now or later; letters NULL or empty: all that the hash stands
 * for. */
void approve_start(struct daemon *d, struct control_call *call, const char *hash,
                   const json_t *letters, unsigned uid, const struct engine_act *act);
void approve_cancel(struct daemon *d);
/* retry.c: cause NULL: all that is held. */
void retry_start(struct daemon *d, struct control_call *call, const char *cause,
                 const struct engine_act *act);
void retry_cancel(struct daemon *d, const char *why);
/* sync-one.c: answers the call, which is taken, when the person is through the chain. */
void sync_one_start(struct daemon *d, struct control_call *call, const char *id);
void sync_one_cancel(struct daemon *d);

/* history.c: the audit's lines about a person, read by a thread. Answers as candidate_start().
 */
void history_start(struct daemon *d, struct control_call *call, const char *person);
void history_cancel(struct daemon *d);
