/*
 * How far something is that a person waits for: one line of a terminal on standard error, with
 * rate and time left, from the third second on; gone again at the end. Elsewhere it says
 * nothing.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct meter {
    const char *what; /* "Reading the directory"; borrowed */
    uint64_t since_usec, shown_usec;
    uint64_t first; /* `done` when this began */
    unsigned width; /* of what is on the line now */
    bool begun;
};
enum meter_unit { METER_THINGS = 0, METER_BYTES = 1 };
/* total 0: not known. Cheap when nothing is to be shown. A new `what` begins anew. */
void meter_show(struct meter *m, const char *what, uint64_t done, uint64_t total,
                enum meter_unit unit);
void meter_end(struct meter *m); /* takes the line away */
