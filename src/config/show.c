/*
 * The configuration in effect, as JSON and as the facts that a checkpoint notes. All of it comes
 * from the table; secrets appear by path, since no setting holds one.
 */
#include "config.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "config/keys.h"
#include "config/settings.h"
#include "model/json.h"

static const struct mapping_text *rule_text(const struct mapping_rule *r,
                                            const struct config_key *key)
{
    return (const struct mapping_text *)(const void *)((const char *)r + key->slot);
}

static int add_json(json_t *array, const char *section, const char *label,
                    const struct config_key *key, const char *text, const char *file, unsigned line)
{
    return json_array_append_new(
        array, json_pack("{s:s, s:s*, s:s, s:s?, s:s?, s:i, s:b, s:b}", "section", section, "label",
                         label, "name", key->name, "value", text, "file", file, "line", (int)line,
                         "default", file == NULL, "secret", (key->flags & KEY_SECRET) != 0));
}

/* A key that may be repeated has a line for each of its values. */
static int add_lines(json_t *array, const struct config_key *key, const struct settings_value *v)
{
    CLEANUP(freep) char *text = v->text ? strdup(v->text) : NULL;
    char *rest = text;
    int r = v->text && !text ? -1 : 0;

    if (!v->text || !(key->flags & KEY_REPEATED))
        return r < 0 ? r : add_json(array, key->section, NULL, key, v->text, v->file, v->line);
    for (char *line; r == 0 && (line = strsep(&rest, "\n"));)
        r = add_json(array, key->section, NULL, key, line, v->file, v->line);
    return r;
}

static int add_named(json_t *array, const struct settings *s, const char *section)
{
    size_t n_named;
    const struct mapping_rule *named = config_named(s, section, &n_named);
    int r = 0;

    for (size_t n = 0; n < n_named; n++)
        for (size_t i = 0; i < config_n_keys && r == 0; i++) {
            if (strcmp(config_keys[i].section, section) != 0)
                continue;
            const struct mapping_text *t = rule_text(&named[n], &config_keys[i]);
            if (t->text)
                r = add_json(array, section, named[n].name, &config_keys[i], t->text, t->file,
                             t->line);
        }
    return r;
}

char *settings_to_json(const struct settings *s)
{
    json_auto_t *array = json_array();
    int r = array ? 0 : -1;

    for (size_t i = 0; i < config_n_keys && r == 0; i++) {
        const struct settings_value *v = &s->values[i];
        if (!config_is_named(config_keys[i].section))
            r = add_lines(array, &config_keys[i], v);
    }
    if (r == 0)
        r = add_named(array, s, "rule");
    if (r == 0)
        r = add_named(array, s, "conflict");
    return r == 0 ? json_to_text(array, JSON_INDENT(2)) : NULL;
}

static void add_named_facts(json_t *facts, const struct settings *s, const char *section)
{
    size_t n_named;
    const struct mapping_rule *named = config_named(s, section, &n_named);

    for (size_t n = 0; n < n_named; n++)
        for (size_t i = 0; i < config_n_keys; i++) {
            CLEANUP(buffer_done) struct buffer name = {0};
            if (strcmp(config_keys[i].section, section) != 0 ||
                !rule_text(&named[n], &config_keys[i])->text)
                continue;
            buffer_format(&name, "[%s \"%s\"] %s", section, named[n].name, config_keys[i].name);
            if (!name.failed)
                json_object_set_new(facts, name.data,
                                    json_string(rule_text(&named[n], &config_keys[i])->text));
        }
}

char *settings_to_facts(const struct settings *s)
{
    json_auto_t *facts = json_object();

    for (size_t i = 0; i < config_n_keys; i++) {
        char name[200];
        if (config_is_named(config_keys[i].section) || !s->values[i].text)
            continue;
        (void)snprintf(name, sizeof(name), "[%s] %s", config_keys[i].section, config_keys[i].name);
        json_object_set_new(facts, name, json_string(s->values[i].text));
    }
    add_named_facts(facts, s, "rule");
    add_named_facts(facts, s, "conflict");
    return facts ? json_to_text(facts, JSON_COMPACT) : NULL;
}
