/*
 * Keys that may stand several times in a section. Their text in effect has a line for each
 * value, in the order of the file; a drop-in that names the key replaces all of them. A value
 * that is continued on indented lines is one value for each line, unless the line before ends
 * in a comma: then it is one name that was broken there. Here is also what stands in which line.
 */
#include "config.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "config/check.h"
#include "config/file.h"
#include "config/keys.h"
#include "config/settings.h"

/* The item's text with its lines kept apart; as long as the text itself. */
static char *lines_of(const struct config_item *i)
{
    char *text = strdup(i->text);

    for (size_t n = 1; text && n < i->n_pieces; n++) {
        size_t at = i->pieces[n].offset;
        if (at >= 2 && text[at - 2] != ',')
            text[at - 1] = '\n';
    }
    return text;
}

int config_add_line(struct settings_value *v, const char *file, const struct config_item *i)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    CLEANUP(freep) char *lines = lines_of(i);
    bool more = v->file && strcmp(v->file, file) == 0 && v->text && *v->text;

    if (!lines)
        return -ENOMEM;
    if (more && !*lines)
        return 0;
    if (more)
        buffer_format(&b, "%s\n", v->text);
    buffer_add_text(&b, lines);
    char *text = buffer_take(&b), *name = strdup(file);
    if (!text || !name) {
        free(text);
        free(name);
        return -ENOMEM;
    }
    unsigned line = more ? v->line : i->line;
    free(v->text);
    free(v->file);
    *v = (struct settings_value){.text = text, .file = name, .line = line};
    return 0;
}

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

const struct config_item *config_locate_line(const struct config_context *c, const char *file,
                                             const struct config_key *key, size_t *offset)
{
    for (size_t d = 0; file && d < c->n_documents; d++) {
        const struct config_document *doc = c->documents[d];
        if (strcmp(doc->file, file) != 0)
            continue;
        for (size_t s = 0; s < doc->n_sections; s++)
            for (size_t i = 0; i < doc->sections[s].n_items; i++) {
                const struct config_item *item = &doc->sections[s].items[i];
                size_t size = strlen(item->text);
                if (size == 0 || strcmp(doc->sections[s].name, key->section) != 0 ||
                    strcmp(item->key, key->name) != 0)
                    continue;
                if (*offset <= size)
                    return item;
                *offset -= size + 1;
            }
    }
    return NULL;
}
