/*
 * Reading a line, whatever its form: one JSON object with the same long names for all versions
 * (the table of docs/audit-format.md), in which an outcome has what its intent said.
 */
#pragma once
#include <jansson.h>
#include <stddef.h>

struct audit_view;

struct audit_view *audit_view_new(void); /* NULL when out of memory */
struct audit_view *audit_view_free(struct audit_view *v);
/* From now on the views lack what is of the line and not of what happened: hashes, signatures, how
 * long it took, the contact center's status. */
void audit_view_brief(struct audit_view *v);
/* Reads the lines in their order. A new reference, or NULL when it is no audit line: nothing that
 * audit/form.h would pass. */
json_t *audit_view_read(struct audit_view *v, const char *line, size_t size);
/* Where the intent is that this line leaves to say what was done to whom. */
enum audit_intent {
    AUDIT_INTENT_NONE = 0, /* the line says it itself, or is no outcome */
    AUDIT_INTENT_READ,     /* at hand */
    AUDIT_INTENT_PASSED,   /* nobody wanted to read it */
    AUDIT_INTENT_MISSING,
};
enum audit_intent audit_view_intent(const struct audit_view *v, const char *line);
/* Goes past a line that nobody wants to read; `intent` is what the call above said of it. 0 or
 * -ENOMEM. */
int audit_view_pass(struct audit_view *v, const char *line, enum audit_intent intent);
/* The same, but if it is an intent, its outcome has what it said. */
int audit_view_note(struct audit_view *v, const char *line, size_t size, enum audit_intent intent);

static inline void audit_view_freep(struct audit_view **v)
{
    if (*v)
        audit_view_free(*v);
}
