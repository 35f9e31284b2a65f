/* Reads a distinguished name pair by pair. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

struct dn_pair {
    const char *type; /* borrowed from the DN */
    size_t n_type;
    bool is_hexadecimal; /* the value was "#0402…" and stays so */
};

struct dn_scanner {
    const char *start, *p;
    struct buffer value; /* of the last pair, unescaped */
    const char *fault;   /* what is wrong at p */
    unsigned depth;      /* of how many names this one is a value */
};

void dn_scanner_done(struct dn_scanner *s);
/* Reads one pair and the separator behind it: ',' or '+', or '\0' at the end. */
int dn_scan_pair(struct dn_scanner *s, struct dn_pair *ret, char *ret_separator);
void dn_skip_blanks(struct dn_scanner *s);
