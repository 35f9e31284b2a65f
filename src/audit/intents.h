/*
 * Intents whose outcome has not come yet, as the lines that they are: what an outcome leaves out is
 * read there. How many are kept is bounded, since an intent may never have an outcome; the oldest
 * go first.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INTENTS_MAX 16384

struct intents;

struct intents *intents_new(void); /* NULL when out of memory */
struct intents *intents_free(struct intents *t);
/* The newest one of a number counts. 0 or -ENOMEM. */
int intents_put(struct intents *t, int64_t number, const char *line, size_t size);
/* NULL: there is none. Valid until the next intents_put() or intents_drop(). */
const char *intents_get(const struct intents *t, int64_t number, size_t *ret_size);
void intents_drop(struct intents *t, int64_t number);
void intents_clear(struct intents *t);
