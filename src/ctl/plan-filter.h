/* Which people of a plan are shown. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct plan_filter {
    char *const *letters; /* of groups; none: all */
    size_t n_letters;
    const char *kind, *rule, *person; /* NULL: all */
};
bool plan_filter_is_empty(const struct plan_filter *f);
/* Leaves in the answer to `plan` what is chosen; -1: no memory. */
int plan_filter_apply(const struct plan_filter *f, json_t *answer);
/* The first letter that the plan does not have; NULL: it has all. */
const char *plan_filter_unknown_letter(const struct plan_filter *f, const json_t *answer);
