/* One operation with its changes, as plan and explain show it. */
#pragma once
#include <jansson.h>

#include "render/output.h"

/* What was `said` of the operation before is not said again; NULL: nothing was. */
void render_operation(struct output *o, const json_t *operation, const char *said);
enum colour operation_colour(const char *kind);
