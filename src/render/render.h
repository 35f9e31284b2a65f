/*
 * The daemon's answers as text for people. Pure: JSON in, text out; a member that is missing or
 * of another type is left out, never trusted. Each returns rosterctl's exit code.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>

struct output;
struct table;

/* rosterctl's exit codes. */
enum ctl_exit {
    EXIT_FINE = 0,
    EXIT_FAILED = 1,
    EXIT_FOUND = 2,  /* changes in a plan, or problems found */
    EXIT_MISUSE = 2, /* of the command line; as rosterd's */
    EXIT_AWAY = 3,   /* the daemon cannot be reached */
};

int render_status(struct output *o, const json_t *answer);
enum render_plan {
    RENDER_PLAN_SHORT = 0,   /* people when they are few, else groups */
    RENDER_PLAN_SUMMARY = 1, /* the groups, the counts, and what releases what waits */
    RENDER_PLAN_WHOLE = 2,   /* everybody */
    RENDER_PLAN_CHOSEN = 3,  /* the people that are left in the answer, and nothing else */
};
int render_plan(struct output *o, const json_t *answer, enum render_plan how);
int render_approve(struct output *o, const json_t *answer);
int render_explain(struct output *o, const json_t *answer);
int render_explain_whole(struct output *o, const json_t *answer); /* also what does not hold */
int render_holds(struct output *o, const json_t *answer);
/* Of plan and holds: what the plan needs at the tenant and does not find there. */
void render_needs(struct output *o, const json_t *needs);
int render_config(struct output *o, const json_t *answer);
int render_history(struct output *o, const json_t *answer);
int render_test(struct output *o, const json_t *answer);
int render_test_whole(struct output *o, const json_t *answer); /* with what each rule looked at */
int render_check_commands(struct output *o, const json_t *answer); /* for a shell */
int render_check(struct output *o, const json_t *answer);
/* The answers to status and holds as a Prometheus textfile. */
void render_metrics(struct output *o, const json_t *status, const json_t *holds);
int render_audit_verify(struct output *o, const json_t *answer);
/* What is asked, then its people, so many at a time, then what else is to be said. */
void render_audit_who(struct output *o, const json_t *answer, size_t n_people);
void render_audit_people(struct output *o, const json_t *people, bool first);
void render_audit_who_else(struct output *o, const json_t *answer);
/* One line of the audit, parsed. */
void render_audit_line(struct output *o, const json_t *line);
/* Values that change, by a sign and never by colour alone, with the rules that give them. In the
 * audit true stands for a value that its reader may not see. */
void render_values(struct output *o, const json_t *changes, unsigned indent, bool audit);

/* Members of an object; "" / 0 / NULL when missing. */
const char *member_text(const json_t *object, const char *name); /* NULL when missing */
/* Its sentence, without the "NAME: " that stands above it already; NULL when missing. */
const char *member_sentence(const json_t *object, const char *heading);
long long member_number(const json_t *object, const char *name);
bool member_true(const json_t *object, const char *name);
/* A text, or a number or boolean as text into buffer. */
const char *member_any(const json_t *object, const char *name, char *buffer, size_t size);
/* " (rosterd.conf:12)" with rule; nothing when there is none. */
void render_source(struct output *o, const json_t *object);
/* The same as the next cell. */
void table_source(struct table *t, const json_t *object);
/* "login (dn)" of {id, dn, login}; the login alone where the DN was told before. */
void render_person(struct output *o, const json_t *person);
/* "3 no-team, 2 out-of-scope" of {no-team: 3, out-of-scope: 2}; counts of 0 are left out;
 * "nothing" if all are. */
void render_counts(struct output *o, const json_t *counts);
