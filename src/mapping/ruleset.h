/*
 * The mapping: an entry and its groups in, a wanted user with its reasons out. Pure: no I/O, no
 * clock, no state; the same input gives the same output.
 *
 * Configuration errors are collected, not stopped at: ruleset_new() calls `problem` once for
 * each, with the file, line, and a column inside the value (1-based; 0 = the whole value), and
 * returns -EINVAL if there was any.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/problem.h"
#include "base/text.h"
#include "model/entry.h"
#include "model/standing.h"
#include "model/user.h"

struct error;
struct mapping_options;
struct ruleset;
struct schema;

/* schema: borrowed for the life of the ruleset. Warnings do not fail. */
int ruleset_new(struct ruleset **ret, const struct mapping_options *options,
                const struct schema *schema, problem_fn problem, void *userdata);
struct ruleset *ruleset_free(struct ruleset *rs);

/* A digest over all that decides a verdict: rules, templates, schema. Other text = evaluate
 * everybody. */
const char *ruleset_fingerprint(const struct ruleset *rs);
/* Every attribute that templates, filters and skills_from read (canonical names, once each,
 * without options); the directory must ask for exactly these. */
const struct string_list *ruleset_attributes(const struct ruleset *rs);
/* true if something compares with now (accountExpires): such people are looked at again when it
 * passes. */
bool ruleset_reads_clock(const struct ruleset *rs);

/* The groups that rules name, each DN once, in order of first use. */
struct ruleset_group {
    const char *dn;  /* as configured */
    const char *key; /* dn_key() */
    const char *rule, *file;
    unsigned line;
};
const struct ruleset_group *ruleset_groups(const struct ruleset *rs, size_t *ret_n);
/* Roles and skills that rules name literally (skills_from names are not known here), and teams.
 */
bool ruleset_names_role(const struct ruleset *rs, const char *role);
bool ruleset_names_skill(const struct ruleset *rs, const char *skill);
const struct string_list *ruleset_teams(const struct ruleset *rs);
const struct string_list *ruleset_roles(const struct ruleset *rs);
const struct string_list *ruleset_skills(const struct ruleset *rs);

/* Roles that nobody may have together, in file order; borrowed. */
struct ruleset_conflict {
    const char *name, *file;
    unsigned line;
    const struct string_list *roles;
};
const struct ruleset_conflict *ruleset_conflicts(const struct ruleset *rs, size_t *ret_n);

/* One element for each of ruleset_groups(), same order. */
enum group_state {
    GROUP_PRESENT = 1,
    GROUP_MISSING = 2 /* not in the directory: nothing can be said */
};
struct membership {
    enum group_state state;
    bool member;
    const char *via; /* nested: display DN of the group that holds the person directly; else NULL */
};

/* Stable reason codes of VERDICT_SKIP and VERDICT_INVALID. */
#define SKIP_OUT_OF_SCOPE       "out-of-scope"
#define SKIP_NO_TEAM            "no-team"
#define SKIP_NOT_STARTED        "not-started" /* starts_at is to come, and nobody is linked */
#define SKIP_DISABLED           "disabled" /* disabled_when holds and there is nothing to create */
#define INVALID_MISSING         "value-missing" /* a mandatory value is missing or empty */
#define INVALID_BINARY          "value-not-text"
#define INVALID_TOO_LARGE       "value-too-large"
#define INVALID_FORM            "value-malformed" /* a skill's level, an extension that is no digits … */
#define INVALID_TRANSLITERATION "no-ascii-form"
#define INVALID_UNREADABLE      "entry-unreadable" /* its name, or that of an attribute, is none */
#define INVALID_UNDECIDED       "filter-undecided" /* a filter is neither true nor false */

/* One step of the explanation, in file order: what a rule or template looked at and what came
 * of it. */
struct verdict_step {
    char *rule; /* as struct source */
    char *file;
    unsigned line;
    bool matched;
    char *sentence; /* "member of cn=a,… through cn=b,…"; "when: (x=y) is false: employeeType is
                       'Temp'" */
};
struct verdict {
    enum verdict_kind kind;
    struct user *user; /* VERDICT_USER; with sources. For the others NULL */
    char *code;        /* else */
    char *sentence;    /* names DN and attribute */
    /* VERDICT_USER: the logins that other values of the same attributes would give. A login that
     * is among them is still this person's. */
    struct string_list other_logins;
    bool group_missing; /* a rule's group is missing, so losses in this verdict are in doubt */
    char *group_missing_dn;
    bool revoked; /* [lifecycle] revoke_when holds, whatever else is right or wrong */
    struct source revoke_source;
    bool has_start; /* [user] starts_at says when, to come or past */
    uint64_t start_usec;
    struct source start_source;
    bool has_recheck;           /* something compares with now and may flip … */
    uint64_t recheck_usec;      /* … at this time */
    struct verdict_step *steps; /* only when asked for */
    size_t n_steps;
};
void verdict_done(struct verdict *v);

/* explain: fill steps. *ret is written only on success; -ENOMEM is the only failure: a template
 * that explodes makes its person invalid, so that one value cannot stop a run. */
int ruleset_evaluate(const struct ruleset *rs, const struct entry *entry,
                     const struct membership *memberships, uint64_t now_usec, bool explain,
                     struct verdict *ret, struct error *e);

/* Does [lifecycle] revoke_when hold? Needs the entry alone. 1, 0, or -ENOMEM. */
int ruleset_revokes(const struct ruleset *rs, const struct entry *entry);
const char *ruleset_revoke_filter(const struct ruleset *rs); /* borrowed; NULL: none */
/* It holds for this one, whatever the entry shows, if there is such a filter. 0 or -ENOMEM. */
int ruleset_is_told(const struct ruleset *rs, struct verdict *v);

/* The filter language alone, for `[directory] filter` checks: attributes that a filter names.
 */
int filter_attributes(const char *filter, struct string_list *ret, struct error *e);
