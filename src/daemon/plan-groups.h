/* A plan in groups, and what was chosen of them by their letters. */
#pragma once
#include <jansson.h>
#include <stdint.h>

#include "base/buffer.h"
#include "sync/view.h"

struct error;
struct operation;

/* Counts the operation in its group; groups is an array, made of such rows. */
int plan_groups_add(json_t *groups, const struct operation *o, struct error *e);
/* The group that it is in, borrowed; NULL: none. */
json_t *plan_groups_find(const json_t *groups, const struct operation *o);
struct plan_limits {
    struct guard_verdict guard;
    uint64_t window_usec;
};
/* All are counted: in order, with letters, sentences and summaries. */
int plan_groups_finish(json_t *groups, const struct plan_limits *limits, struct error *e);

struct plan_choice {
    struct engine_choice choice;
    const json_t *letters; /* borrowed */
    int64_t *numbers;
    size_t capacity;
    const char **reasons; /* borrowed from the plan */
    struct buffer names;
    bool whole; /* nothing that waits was left out */
};
/* Of a plan, which must outlive it, the groups with these letters. -EINVAL: a sentence for whoever
 * asked. Between begin and end each operation of the plan is added, with its group. */
int plan_choice_begin(struct plan_choice *ret, const json_t *head, const json_t *letters,
                      struct error *e);
int plan_choice_add(const struct operation *o, const json_t *group, void *userdata);
void plan_choice_end(struct plan_choice *c);
void plan_choice_done(struct plan_choice *c);
