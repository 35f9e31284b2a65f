/* Whether a line answers a question, whoever it is about. */
#pragma once
#include <stdbool.h>

#include "audit/audit.h"
#include "audit/view.h"

struct line_chain;

/* Must the line be read at all? intent: that it leaves to say what was done. */
enum audit_want filter_wants(const struct audit_filter *f, const struct line_chain *l,
                             const char *line, enum audit_intent intent);
/* view may be NULL: no. */
bool filter_takes(const struct audit_filter *f, const struct line_chain *l, const json_t *view);
