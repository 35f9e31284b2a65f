/* Where and how a chain is broken, from what each line says of itself and of the one before. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/line.h"

struct error;

enum located_kind {
    LOCATED_FINE = 0,
    LOCATED_CHANGED,   /* it is not what it was when the next one was written */
    LOCATED_NUMBER,    /* its number was changed */
    LOCATED_NO_LINE,   /* it is no audit line, and stands in the place of one */
    LOCATED_DOUBTFUL,  /* it, or the hash that the line after it gives of it, was changed */
    LOCATED_INSERTED,  /* it does not belong here */
    LOCATED_REPEATED,  /* it is here twice */
    LOCATED_REORDERED, /* it belongs elsewhere */
    LOCATED_AFTER_GAP, /* lines before it are missing */
    LOCATED_TORN,      /* it has no end */
};
struct located {
    int64_t seq; /* the number that it has, or should have */
    size_t file;
    unsigned line;
    bool parsed, torn;
    struct chain_hash prev, link, content;
    int version;
    enum located_kind kind;
    int64_t gap;      /* AFTER_GAP: the last number before it that is there */
    bool gap_before;  /* it is something else as well */
    bool signed_prev; /* a checkpoint whose signature covers its prev */
};
struct located_list {
    struct located *items;
    size_t n_items, capacity;
};
void located_list_done(struct located_list *l);
int locate_add(struct located_list *l, const struct located *line);
/* Fills in what is wrong with each. */
int locate(struct located_list *l, struct error *e);
