/*
 * The attributes with which all that is on file was read. Where rules are the first to name one,
 * and the read for it was not whole, whoever it did not show was read without it: of them nobody
 * knows whether they have it.
 */
#include "config.h"

#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "intake/reading-internal.h"

#define META_READ "attributes-read" /* one on each line */

static bool has_line(const char *lines, const char *name)
{
    size_t size = strlen(name);
    for (const char *p = lines; *p; p += strcspn(p, "\n"), p += *p == '\n')
        if (strcspn(p, "\n") == size && strncasecmp(p, name, size) == 0)
            return true;
    return false;
}

int unread_names(const struct reading *g, struct string_list *ret, struct error *e)
{
    CLEANUP(freep) char *lines = NULL;
    const struct string_list *names = ruleset_attributes(rules_ruleset(g->rules));
    int r = state_meta_get(g->state, META_READ, &lines, e);
    for (size_t i = 0; lines && i < names->n_items; i++)
        if (!has_line(lines, names->items[i]) && string_list_add(ret, names->items[i]) < 0)
            return error_out_of_memory(e);
    return r < 0 ? r : 0;
}

/* before: those that count already, of which the rules name some; NULL: all count. */
static int note(struct reading *g, const char *before, const char *was, bool *ret_other,
                struct error *e)
{
    CLEANUP(buffer_done) struct buffer lines = {0};
    const struct string_list *names = ruleset_attributes(rules_ruleset(g->rules));
    for (size_t i = 0; i < names->n_items; i++)
        if (!before || has_line(before, names->items[i]))
            buffer_format(&lines, "%s\n", names->items[i]);
    if (lines.failed)
        return error_out_of_memory(e);
    const char *now = lines.data ? lines.data : "";
    *ret_other = !was || !text_equal(now, was);
    return *ret_other ? state_meta_set(g->state, META_READ, now, e) : 0;
}

/* A state that knows of none was read with those of now. */
int unread_end(struct reading *g, bool *ret_fewer, struct error *e)
{
    CLEANUP(freep) char *was = NULL;
    bool other = false;
    int r = state_meta_get(g->state, META_READ, &was, e);
    if (r >= 0)
        r = note(g, g->unproven ? was : NULL, was, &other, e);
    if (r == 0)
        *ret_fewer = other && was;
    return r;
}

int unread_accept(struct reading *g, struct error *e)
{
    bool other;
    return note(g, NULL, NULL, &other, e);
}
