/*
 * The greatest change mark (CSN, USN, time stamp) that entries showed: what a read of changes
 * begins from. Pure.
 */
#pragma once
#include <stdbool.h>

struct rootdse;

/* What to compare when only what changed since is asked for; NULL: this server has nothing. */
const char *watermark_attribute(const struct rootdse *server);
/* The watermark, moved back far enough that nothing is missed, times by `more_seconds` on top;
 * malloc'd, NULL when it is malformed. */
char *watermark_move_back(const char *attribute, const char *watermark, unsigned more_seconds);
/* Whether it is greater than the one before; before: NULL for none. */
bool watermark_is_greater(const char *watermark, const char *before);
