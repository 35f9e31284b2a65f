/* What settings_to_json() shows, as a configuration file that says the same; and the sample file
 * that the table of keys makes. */
#pragma once
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "config/keys.h"
#include "config/settings.h"

static inline bool config_is_clearable(const char *section, const char *name)
{
    for (size_t i = 0; i < config_n_keys; i++)
        if (strcmp(config_keys[i].section, section) == 0 && strcmp(config_keys[i].name, name) == 0)
            return config_keys[i].flags & KEY_CLEARABLE;
    return false;
}

/* NULL: settings_to_json() failed. */
static inline char *config_ini(const struct settings *s)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    CLEANUP(freep) char *text = settings_to_json(s);
    json_auto_t *keys = text ? json_loads(text, 0, NULL) : NULL;
    char head[300] = "", before[300] = "";
    size_t i;
    json_t *key;

    json_array_foreach (keys, i, key) {
        const char *section = json_string_value(json_object_get(key, "section"));
        const char *label = json_string_value(json_object_get(key, "label"));
        const char *name = json_string_value(json_object_get(key, "name"));
        const char *value = json_string_value(json_object_get(key, "value"));
        snprintf(head, sizeof(head), label ? "[%s \"%s\"]" : "[%s]", section, label);
        if (strcmp(head, before) != 0)
            buffer_format(&b, "%s%s\n", *before ? "\n" : "", head);
        memcpy(before, head, sizeof(before));
        if (value)
            buffer_format(&b, "%s = %s\n", name, value);
        else if (config_is_clearable(section, name))
            buffer_format(&b, "%s =\n", name);
    }
    return keys ? buffer_take(&b) : NULL;
}

/* A comment, broken at blanks. */
static inline void add_comment(struct buffer *b, const char *text)
{
    size_t column = 0;

    while (*text) {
        size_t word = strcspn(text, " ");
        if (column > 0 && column + 1 + word > 92) {
            buffer_add_text(b, "\n");
            column = 0;
        }
        buffer_add_text(b, column == 0 ? "# " : " ");
        column += column == 0 ? 2 : 1;
        buffer_add(b, text, word);
        column += word;
        text += word;
        while (*text == ' ')
            text++;
    }
    buffer_add_text(b, "\n");
}

static inline void add_sample_key(struct buffer *b, const struct config_key *key)
{
    bool live = (key->flags & KEY_IN_SAMPLE) != 0;

    buffer_add_text(b, "\n");
    add_comment(b, key->help);
    if (live)
        buffer_format(b, "%s = %s\n", key->name, key->example);
    else if (key->otherwise)
        buffer_format(b, "#%s = %s\n", key->name, key->otherwise);
    else
        buffer_format(b, "#%s = %s\n", key->name, key->example ? key->example : "");
}

static inline char *config_sample(void)
{
    CLEANUP(buffer_done) struct buffer b = {0};

    add_comment(&b, "The configuration of rosterd; rosterd.conf(5) says all of it. A line that "
                    "begins with # or ; is a comment; values are taken as written. A key that "
                    "is commented out shows its default or, where it has none, an example. "
                    "\"rosterd --check\" looks for mistakes, \"systemctl reload rosterd\" "
                    "applies changes.");
    for (size_t i = 0; i < config_n_sections; i++) {
        const struct config_section_help *section = &config_sections[i];
        buffer_add_text(&b, "\n");
        add_comment(&b, section->help);
        if (strcmp(section->name, "rule") == 0)
            buffer_add_text(&b, "[rule \"Support agents\"]\n");
        else if (strcmp(section->name, "conflict") == 0)
            buffer_add_text(&b, "#[conflict \"Four eyes\"]\n");
        else
            buffer_format(&b, "[%s]\n", section->name);
        for (size_t k = 0; k < config_n_keys; k++)
            if (strcmp(config_keys[k].section, section->name) == 0)
                add_sample_key(&b, &config_keys[k]);
    }
    return buffer_take(&b);
}
