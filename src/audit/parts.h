/* A line of version 1, taken apart in one pass: what is not wanted is looked at and not built. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct line_parts {
    json_t *head; /* the line's own members, under their long names (docs/audit-format.md) */
    json_t *id, *dn, *login, *changes, *why, *sentence, *answer_text, *details; /* of p; or NULL */
    bool committed, personal;                                                   /* it has pc, p */
};
/* Which members: all but those of these names, as they stand in the line. */
typedef uint32_t line_parts_mask;
line_parts_mask parts_without(const char *const *names, size_t n);
line_parts_mask parts_only(const char *const *names, size_t n);
/* Room for the places of a line, which is used again for the next one. */
struct parts_reader;
struct parts_reader *parts_reader_new(void); /* NULL when out of memory */
struct parts_reader *parts_reader_free(struct parts_reader *r);
/* False: nothing that audit/form.h would pass (or there is no memory). */
bool parts_read(struct parts_reader *r, const char *line, size_t size, line_parts_mask unwanted,
                struct line_parts *ret);
void parts_done(struct line_parts *p);
