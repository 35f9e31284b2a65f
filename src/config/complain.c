/*
 * What stands in which line, and a sentence about a key at its place there.
 */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "config/keys.h"
#include "config/steps.h"

/* The last that begins in this line or above; lines only grow. */
static size_t at_line(const void *items, size_t n_items, size_t size, size_t line_at, unsigned line)
{
    size_t low = 0, high = n_items;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        unsigned begins = *(const unsigned *)((const char *)items + middle * size + line_at);
        if (begins <= line)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct config_item *config_locate(const struct config_context *c, const char *file,
                                        unsigned line)
{
    for (size_t d = 0; file && d < c->n_documents; d++) {
        const struct config_document *doc = c->documents[d];
        if (strcmp(doc->file, file) != 0)
            continue;
        size_t s = at_line(doc->sections, doc->n_sections, sizeof(*doc->sections),
                           offsetof(struct config_section, line), line);
        const struct config_section *section = s > 0 ? &doc->sections[s - 1] : NULL;
        size_t i = section ? at_line(section->items, section->n_items, sizeof(*section->items),
                                     offsetof(struct config_item, line), line)
                           : 0;
        if (i > 0 && section->items[i - 1].line == line)
            return &section->items[i - 1];
    }
    return NULL;
}

const struct settings_value *config_value_of(const struct settings *s, const char *section,
                                             const char *name)
{
    const struct config_key *key = config_key_find(section, name);

    return key ? &s->values[key - config_keys] : NULL;
}

void config_complain(struct config_context *c, const struct settings *s, enum problem_level level,
                     const char *section, const char *name, const char *format, ...)
{
    const struct settings_value *v = config_value_of(s, section, name);
    const char *file = v && v->file ? v->file : c->main_file;
    unsigned line = v && v->file ? v->line : 0, column = 0;
    char sentence[900];
    va_list ap;

    va_start(ap, format);
    (void)vsnprintf(sentence, sizeof(sentence), format, ap);
    va_end(ap);
    const struct config_item *item = config_locate(c, file, line);
    if (item)
        config_item_place(item, 0, &line, &column);
    if (problem_add(c->problems, level, file, line, column, "[%s] %s: %s", section, name,
                    sentence) < 0)
        c->result = -ENOMEM;
}
