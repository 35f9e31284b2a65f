/* One rule of the configuration, checked: its condition and what it gives. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/digest.h"
#include "base/text.h"
#include "mapping/filter.h"
#include "mapping/skills.h"
#include "mapping/subject.h"
#include "model/source.h"

struct mapping_rule;
struct mapping_text;
struct problem_sink;
struct schema;

struct rule {
    struct source source;          /* of the section */
    char digest[DIGEST_TEXT_SIZE]; /* of its texts; set by the ruleset */
    char *group_dn;                /* NULL: no group is asked for */
    char *group_key;
    size_t group;             /* index in ruleset_groups(); set by the ruleset */
    struct filter *when;      /* NULL: no filter */
    char *team;               /* NULL: gives none */
    struct string_list roles; /* each once */
    struct skill_list skills;
    struct attribute_name skills_from; /* written is NULL: none */
    struct source group_source, team_source, roles_source, skills_source, skills_from_source;
};
/* Reports everything that is wrong. 0 (also with problems) or -ENOMEM; *r can be given to
 * rule_done() either way. */
/* Of a section that has roles alone. */
int rule_init_roles(struct rule *rule, const struct mapping_rule *o, struct problem_sink *problems);
int rule_init(struct rule *r, const struct mapping_rule *options, const struct schema *schema,
              struct problem_sink *problems);
void rule_done(struct rule *r);

/* Set and not blank. */
bool mapping_text_is_set(const struct mapping_text *t);
/* Parses and prepares a filter, reporting what is wrong; *ret stays NULL then. */
int rule_parse_filter(const struct mapping_text *t, const struct schema *schema,
                      struct problem_sink *problems, struct filter **ret);
/* The same for the name of an attribute. */
int rule_parse_attribute(const struct mapping_text *t, const struct schema *schema,
                         struct problem_sink *problems, struct attribute_name *ret);
