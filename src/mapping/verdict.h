/* Writing a verdict: its reason, and the steps that explain it. */
#pragma once
#include <stdbool.h>

#include "mapping/ruleset.h"

struct buffer;
struct source;

/* The first reason stays: later ones are dropped. -ENOMEM. */
int verdict_set_reason(struct verdict *v, enum verdict_kind kind, const char *code,
                       const char *sentence);
void verdict_clear_reason(struct verdict *v);
/* Takes the sentence's text out of the buffer. -ENOMEM. */
int verdict_add_step(struct verdict *v, const struct source *source, bool matched,
                     struct buffer *sentence);
