/* Values of a user that change: plan, explain, history and the audit show them in one way. */
#include "config.h"

#include <string.h>

#include "base/memory.h"
#include "render/output.h"
#include "render/render.h"

static const char *shown(const json_t *change, const char *name, bool audit, char *buffer,
                         size_t size)
{
    const char *value = member_any(change, name, buffer, size);

    if (audit && json_is_true(json_object_get(change, name)))
        return "(left out)";
    return value && !*value ? "\"\"" : value;
}

static void add_change(struct table *t, const json_t *change, bool audit)
{
    char from_space[32], to_space[32];
    const char *from = shown(change, "from", audit, from_space, sizeof(from_space));
    const char *to = shown(change, "to", audit, to_space, sizeof(to_space));
    const char *field = member_text(change, "field");
    enum colour colour = from && to ? COLOUR_YELLOW : to ? COLOUR_GREEN : COLOUR_RED;

    table_format(t, colour, "%c %s", from && to ? '~' : to ? '+' : '-', field ? field : "");
    if (from && to) {
        CLEANUP(buffer_done) struct buffer both = {0};
        buffer_format(&both, "%s -> %s", from, to);
        t->failed |= both.failed;
        table_add(t, colour, both.data);
    } else {
        table_add(t, colour, to ? to : from);
    }
    table_source(t, change);
}

void render_values(struct output *o, const json_t *changes, unsigned indent, bool audit)
{
    CLEANUP(table_done) struct table t = {.n_columns = 3};
    size_t i;
    json_t *change;

    json_array_foreach (changes, i, change)
        add_change(&t, change, audit);
    if (t.n_cells > 0 || t.failed)
        table_print(&t, o, indent);
}
