/*
 * Attributes that a server computes (overlays, roles, classes of service): it shows them to who
 * asks, and leaves them out of what it sends for a change. Somebody new may lack one for ever
 * so, since nothing else was known of them.
 */
#pragma once
#include <stdbool.h>

#include "base/text.h"

struct entry;
struct error;
struct feed_environment;

struct computed {
    struct string_list names;  /* of which it was said; for life */
    unsigned n_newcomers;      /* who were asked for although nothing was known of their server */
    struct string_list passed; /* what people lacked who were not asked for after those */
};
void computed_done(struct computed *c);
/* Attributes that the message does not show, and the server may compute: what the mirror has of
 * the entry, and of people what the mapping reads and was seen to be computed. Of a server that
 * was not seen to compute anything the first newcomers are asked for all the same.
 * *ret_may_pass: nothing that is known would be lost if the entry were taken as it is. Positive
 * answer SINK_ALL_SHOWN as the sink gives it. */
int computed_doubt(struct computed *c, struct feed_environment *env, const struct entry *entry,
                   struct string_list *ret, bool *ret_may_pass, struct error *e);
/* Of those the search shows this; said once for each attribute. */
int computed_learn(struct computed *c, struct feed_environment *env,
                   const struct string_list *doubted, const struct entry *shown, const char *dn,
                   struct error *e);
