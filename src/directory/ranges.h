/*
 * Range retrieval: "member;range=0-1499" until "*". Pure: it says what to ask for next and
 * takes the answers.
 *
 * Each request begins with the last value that is known already. When the server's answer does
 * not begin with the same one, or the entry's version changed, somebody edited the group
 * between two requests: what was collected is thrown away and the reading begins again.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct ranges;

struct range_name {
    size_t name_size; /* of the attribute's name before ";range=" */
    unsigned long low, high;
    bool last; /* "*" */
};
/* false: no range option in it, or not a well-formed one. */
bool range_parse(const char *attribute, size_t size, struct range_name *ret);

enum ranges_answer {
    RANGES_COMPLETE = 1,
    RANGES_MORE = 2,
    RANGES_AGAIN = 3, /* edited meanwhile: the request is the first one again */
};
#define RANGES_RESTARTS_MAX 8

struct ranges *ranges_new(const char *attribute);
struct ranges *ranges_free(struct ranges *r);
/* Values of one answer. n 0 with `last`: the attribute is empty. version may be NULL. Returns
 * an enum ranges_answer, -EAGAIN after too many restarts, -EBADMSG when the server's ranges
 * make no sense, -ENOMEM. */
struct range_value {
    const char *data;
    size_t size;
};
int ranges_accept(struct ranges *r, const struct range_name *range,
                  const struct range_value *values, size_t n, const char *version);
/* The attribute to ask for next: "member;range=1499-*"; borrowed until the next accept. */
const char *ranges_request(const struct ranges *r);
unsigned long ranges_low(const struct ranges *r); /* where that begins */
const struct range_value *ranges_values(const struct ranges *r, size_t *ret_n);
