/* What the simulator saw: counters, the latest requests, and the journal file. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "text.h"

struct request;

struct journal {
    uint64_t requests, creates, updates, deletes, gets, tokens;
    uint64_t cut;         /* connections that a fault ended */
    uint64_t undelivered; /* answers that the client did not wait for, or could not take */
    uint64_t by_status[600];
    uint64_t connections, in_flight, in_flight_peak;
    char **lines; /* a ring of JSON texts; the line of request n is at n % n_lines */
    size_t n_lines;
    FILE *file;
};

/* `path` may be NULL; `keep` is how many requests stay readable over the control interface. */
int journal_open(struct journal *j, const char *path, size_t keep);
void journal_done(struct journal *j);
/* Called once for each request, when its answer is known. `cut`: none is sent. */
void journal_record(struct journal *j, struct request *q, bool cut);
/* The kept requests after number `since`, as a JSON array. */
void journal_write(const struct journal *j, uint64_t since, struct buffer *b);
void journal_flush(struct journal *j);
void journal_forget(struct journal *j);
json_t *journal_counters(const struct journal *j);
