/* The checked configuration behind struct ruleset: shared by ruleset.c, which builds it, and
 * ruleset-evaluate.c, which reads it. */
#pragma once
#include "base/digest.h"
#include "base/text.h"
#include "mapping/filter.h"
#include "mapping/options.h"
#include "mapping/rule.h"
#include "mapping/ruleset.h"
#include "mapping/template.h"
#include "model/user.h"

struct ruleset_condition {
    struct filter *filter; /* NULL: not configured */
    struct source source;
};
struct ruleset_field {
    struct template *template; /* NULL: not managed */
    struct source source;
};
struct ruleset {
    const struct schema *schema;
    struct ruleset_condition scope, disabled, revoke;
    struct ruleset_field fields[USER_N_FIELDS];
    struct attribute_name expires_at; /* written is NULL: not configured */
    struct source expires_source;
    struct attribute_name starts_at; /* likewise */
    struct source starts_source;
    enum mapping_empty empty;
    struct rule *rules;
    size_t n_rules;
    struct rule *conflict_rules; /* of each [conflict] only the roles */
    struct ruleset_conflict *conflicts;
    size_t n_conflicts;
    struct ruleset_group *groups; /* their strings belong to the rules */
    size_t n_groups, groups_capacity;
    struct string_list attributes, teams, roles, skills;
    char fingerprint[DIGEST_TEXT_SIZE];
    char frame[DIGEST_TEXT_SIZE]; /* the same without the rules */
};
