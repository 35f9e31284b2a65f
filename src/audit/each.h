/* Whether a line answers a question, whoever it is about. */
#pragma once
#include <stdbool.h>

#include "audit/audit.h"
#include "audit/view.h"

struct line_chain;

/* Must the line be read at all? v knows the intents before it. */
enum audit_want filter_wants(const struct audit_filter *f, const struct audit_view *v,
                             const struct line_chain *l, const char *line);
/* view may be NULL: no. */
bool filter_takes(const struct audit_filter *f, const struct line_chain *l, const json_t *view);
