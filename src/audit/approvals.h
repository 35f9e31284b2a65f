/*
 * Which operations a person approved: by number, until they are done. Numbers are those of one
 * state file, so what was approved is forgotten where they may come again: behind the line up to
 * which an older state knew the audit, and when another state begins.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>

struct approvals;

struct approvals *approvals_new(void); /* NULL when out of memory */
struct approvals *approvals_free(struct approvals *a);
/* Does the line concern them? Such lines must be given to approvals_take() as they come. */
bool approvals_want(const char *line);
int approvals_take(struct approvals *a, const json_t *view); /* 0 or -ENOMEM */
/* {"seq", "by"} of the operation that the view is about, or NULL. Valid until the next change. */
const json_t *approvals_of(const struct approvals *a, const json_t *view);
const json_t *approvals_of_number(const struct approvals *a, long long number);
void approvals_over(struct approvals *a, const json_t *view); /* it is done */
