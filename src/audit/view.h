/*
 * Reading a line, whatever its form: one JSON object with the same long names for all versions
 * (the table of docs/audit-format.md), in which an outcome has what its intent said.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct audit_view;

struct audit_view *audit_view_new(void); /* NULL when out of memory */
struct audit_view *audit_view_free(struct audit_view *v);
/* Reads the lines in their order. A new reference, or NULL when it is no audit line: nothing that
 * audit/form.h would pass. */
json_t *audit_view_read(struct audit_view *v, const char *line, size_t size);
/* What a line that is not read means for those after it. 0 or -ENOMEM. */
int audit_view_note(struct audit_view *v, const char *line, size_t size);
/* Is it an outcome (or anything else) of an intent that is remembered? */
bool audit_view_awaits(const struct audit_view *v, const char *line);

static inline void audit_view_freep(struct audit_view **v)
{
    if (*v)
        audit_view_free(*v);
}
