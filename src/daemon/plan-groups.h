/* A plan in groups, and what was chosen of them by their letters. */
#pragma once
#include <jansson.h>
#include <stdint.h>

#include "base/buffer.h"
#include "sync/view.h"

struct error;
struct operation;

/* Counts the operation in its group, which *ret borrows; groups is an array, made of such rows. */
int plan_groups_add(json_t *groups, const struct operation *o, json_t **ret, struct error *e);
struct plan_limits {
    struct guard_verdict guard;
    uint64_t window_usec;
};
/* All are counted: in order, with letters, sentences and summaries. */
int plan_groups_finish(json_t *groups, const struct plan_limits *limits, struct error *e);

struct plan_choice {
    struct engine_choice choice;
    int64_t *numbers;
    const char **reasons; /* borrowed from the plan */
    struct buffer names;
    bool whole; /* nothing that waits was left out */
};
/* Of the answer to `plan`, which must outlive it, the groups with these letters. -EINVAL: a
 * sentence for whoever asked. */
int plan_choice_make(struct plan_choice *ret, const json_t *plan, const json_t *letters,
                     struct error *e);
void plan_choice_done(struct plan_choice *c);
