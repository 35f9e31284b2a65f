/* Takes what tells who a person is out of a case; the verdict stays. */
#pragma once
#include <stdbool.h>

struct error;
struct mapping_case;
struct mapping_options;
struct ruleset;

/* Values that many people have, so that they tell nobody apart. */
struct case_commons {
    bool (*is_common)(const char *attribute, const char *value, void *userdata);
    void *userdata;
};
/* The entry is another one afterwards, and what is expected is what the rules make of it.
 * rules: those in force, for the attributes that fill fields. commons may be NULL. */
int case_disguise(struct mapping_case *c, const struct mapping_options *options,
                  const struct ruleset *rules, const struct case_commons *commons, struct error *e);
