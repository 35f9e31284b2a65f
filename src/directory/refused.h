/*
 * Feeds that the server lists and refused. Not for as long as the connection lives: with a
 * later read of everything, which costs nothing more, each is tried once more, but for one that
 * a limit of the server cut short, which would leave another read unproven.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "directory/options.h"

struct refused {
    unsigned kinds; /* a bit for each */
    bool cut;
    uint64_t at_usec; /* monotonic: the last one was */
};

void refused_note(struct refused *r, enum directory_feed_kind kind, bool cut);
bool refused_has(const struct refused *r, enum directory_feed_kind kind);
/* True: everything is to be read, and those that were refused may be tried again now. */
bool refused_try_again(struct refused *r, const struct directory_options *o);
