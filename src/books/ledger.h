/* The ledger of a run, while it is being counted. */
#pragma once
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

struct ledger {
    json_t *totals; /* NULL: it is not being counted */
    size_t seen;
    int64_t after;        /* the last person who was counted */
    uint64_t now_usec;    /* for whom it is counted: what is due by then */
    int n_changes;        /* of the state, when it was counted so far */
    unsigned n_disturbed; /* times that it was begun anew since something was written */
    uint64_t rests_usec;  /* it is not begun before that; steady */
};
