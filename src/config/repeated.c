/*
 * Keys that may stand several times in a section. Their text in effect has a line for each
 * value, in the order of the file; a drop-in that names the key replaces all of them. A value
 * that is continued on indented lines is one value for each line, unless the line before ends
 * in a comma: then it is one name that was broken there.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "config/file.h"
#include "config/keys.h"
#include "config/settings.h"
#include "config/steps.h"

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
