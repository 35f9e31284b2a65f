/*
 * What a value holds that its writer most likely does not see: a comment behind it, characters
 * that no screen shows, quotation marks of a word processor, which quote nothing here. Warnings
 * alone, since both can be meant.
 */
#include "config.h"

#include "config/writing.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistr.h>

#include "base/memory.h"
#include "base/text.h"
#include "config/settings.h"
#include "config/steps.h"

/* Names and filters may hold a '#' behind a blank. */
static bool is_name_or_filter(const char *key)
{
    static const char *const keys[] = {"base",  "group_base",    "bind_dn",
                                       "group", "filter",        "group_filter",
                                       "when",  "disabled_when", "revoke_when"};
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (strcmp(keys[i], key) == 0)
            return true;
    return false;
}

static void warn(struct config_context *c, const char *file, const struct config_item *item,
                 size_t offset, const char *sentence)
{
    unsigned line, column;

    config_item_place(item, offset, &line, &column);
    if (problem_add(c->problems, PROBLEM_WARNING, file, line, column, "%s: %s", item->key,
                    sentence) < 0)
        c->result = -ENOMEM;
}

static void check_comment(struct config_context *c, const char *file,
                          const struct config_item *item)
{
    bool quoted = false;

    for (size_t i = 0; item->text[i]; i++) {
        quoted ^= item->text[i] == '"';
        if (quoted || item->text[i] != '#' || i == 0 || item->text[i - 1] != ' ')
            continue;
        warn(c, file, item, i,
             "a comment stands on a line of its own; here '#' and what follows is part of the "
             "value");
        return;
    }
}

static const char *what_is(ucs4_t character)
{
    if (character >= 0x201C && character <= 0x201F)
        return "a quotation mark that is none of the keyboard";
    return text_unseen(character);
}

static void check_characters(struct config_context *c, const char *file,
                             const struct config_item *item)
{
    const uint8_t *start = (const uint8_t *)item->text, *p = start, *end = p + strlen(item->text);

    while (p < end) {
        ucs4_t character;
        const uint8_t *here = p;
        char sentence[160];
        p += u8_mbtouc(&character, p, (size_t)(end - p));
        const char *what = what_is(character);
        if (!what)
            continue;
        snprintf(sentence, sizeof(sentence),
                 "contains U+%04X, %s, which is part of the value; type it again if it was pasted",
                 (unsigned)character, what);
        warn(c, file, item, (size_t)(here - start), sentence);
        return;
    }
}

void config_check_writing(struct config_context *c)
{
    for (size_t d = 0; d < c->n_documents; d++)
        for (size_t s = 0; s < c->documents[d]->n_sections; s++) {
            const struct config_section *section = &c->documents[d]->sections[s];
            for (size_t i = 0; i < section->n_items; i++) {
                if (!is_name_or_filter(section->items[i].key))
                    check_comment(c, c->documents[d]->file, &section->items[i]);
                check_characters(c, c->documents[d]->file, &section->items[i]);
            }
        }
}
