/*
 * From documents to settings: each key's value in effect is found over all files, then parsed
 * once. A key is looked up in the one table; a later file replaces what an earlier one said; an
 * empty value takes a key back to its default. Nothing is dropped silently: what is unknown,
 * twice, missing or malformed is a problem with its place.
 */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text-map.h"
#include "config/keys.h"
#include "config/steps.h"

__attribute__((format(printf, 6, 7))) static void complain(struct config_context *c,
                                                           enum problem_level level,
                                                           const char *file, unsigned line,
                                                           unsigned column, const char *format, ...)
{
    char sentence[1024];
    va_list ap;

    va_start(ap, format);
    (void)vsnprintf(sentence, sizeof(sentence), format, ap);
    va_end(ap);
    if (problem_add(c->problems, level, file, line, column, "%s", sentence) < 0)
        c->result = -ENOMEM;
}

/* A secret in the file itself is a mistake with a sentence of its own; its value is not shown.
 */
static void complain_unknown_key(struct config_context *c, const char *file,
                                 const struct config_section *s, const struct config_item *i)
{
    const char *near = config_key_nearest(s->name, i->key);
    const char *elsewhere = config_key_elsewhere(i->key);
    char with_file[80];

    (void)snprintf(with_file, sizeof(with_file), "%s_file", i->key);
    if (config_key_find(s->name, with_file))
        complain(c, PROBLEM_ERROR, file, i->line, i->key_column,
                 "a secret does not stand in the configuration: put it into a file of its own "
                 "and name that by '%s'",
                 with_file);
    else if (near)
        complain(c, PROBLEM_ERROR, file, i->line, i->key_column,
                 "unknown key '%s' in [%s]; did you mean '%s'?", i->key, s->name, near);
    else if (elsewhere)
        complain(c, PROBLEM_ERROR, file, i->line, i->key_column,
                 "unknown key '%s' in [%s]; there is one in [%s]", i->key, s->name, elsewhere);
    else
        complain(c, PROBLEM_ERROR, file, i->line, i->key_column, "unknown key '%s' in [%s]", i->key,
                 s->name);
}

/* NULL: there is none, which is said. */
static const struct config_key *find_key(struct config_context *c, const char *file,
                                         const struct config_section *s,
                                         const struct config_item *i)
{
    const struct config_key *key = config_key_find(s->name, i->key);

    if (!key)
        complain_unknown_key(c, file, s, i);
    return key;
}

/* false: the section is not one; said once, its keys are not looked at. */
static bool section_is_known(struct config_context *c, const char *file,
                             const struct config_section *s)
{
    bool named = config_is_named(s->name);

    if (!config_is_section(s->name)) {
        const char *near = config_section_nearest(s->name);
        complain(c, PROBLEM_ERROR, file, s->line, 2, "unknown section [%s]%s%s%s", s->name,
                 near ? "; did you mean [" : "", near ? near : "", near ? "]?" : "");
        return false;
    }
    if (named && !s->label)
        complain(c, PROBLEM_ERROR, file, s->line, 2, "a %s has a name, as in [%s \"%s\"]", s->name,
                 s->name, strcmp(s->name, "rule") == 0 ? "Support agents" : "Four eyes");
    if (!named && s->label)
        complain(c, PROBLEM_ERROR, file, s->line, 2, "[%s] takes no name", s->name);
    return named == !!s->label;
}

static size_t key_index(const struct config_key *key)
{
    return (size_t)(key - config_keys);
}

static int set_value(struct settings_value *v, const char *text, const char *file, unsigned line)
{
    free(v->text);
    free(v->file);
    *v = (struct settings_value){
        .text = text ? strdup(text) : NULL, .file = file ? strdup(file) : NULL, .line = line};
    return (text && !v->text) || (file && !v->file) ? -ENOMEM : 0;
}

/* Whether this key was set by the same file before; else remembers it. */
static bool is_twice(struct config_context *c, const char *file, const struct config_item *i,
                     const char *earlier_file, unsigned earlier_line)
{
    if (!earlier_file || strcmp(earlier_file, file) != 0)
        return false;
    complain(c, PROBLEM_ERROR, file, i->line, i->key_column,
             "'%s' was set in line %u already; a key stands once in a section", i->key,
             earlier_line);
    return true;
}

/* NULL: out of memory. */
static struct mapping_rule *add_named(struct mapping_options *m, const char *file,
                                      const struct config_section *s)
{
    bool is_rule = strcmp(s->name, "rule") == 0;
    struct mapping_rule **list = is_rule ? &m->rules : &m->conflicts;
    size_t *n = is_rule ? &m->n_rules : &m->n_conflicts;
    struct mapping_rule *grown = reallocarray(*list, *n + 1, sizeof(**list));

    if (!grown)
        return NULL;
    *list = grown;
    struct mapping_rule *rule = &grown[(*n)++];
    *rule = (struct mapping_rule){.name = strdup(s->label), .line = s->line, .file = strdup(file)};
    return rule->name && rule->file ? rule : NULL;
}

static void take_named(struct config_context *c, struct settings *st, const char *file,
                       const struct config_section *s)
{
    struct mapping_rule *rule = NULL;
    size_t n_named;
    struct mapping_rule *named = config_named(st, s->name, &n_named);
    struct text_map *places = strcmp(s->name, "rule") == 0 ? &c->rules : &c->conflicts;
    const void *place; /* in the list, which moves as it grows */

    if (text_map_add(places, s->label, (const void *)(uintptr_t)n_named, &place) < 0) {
        c->result = -ENOMEM;
        return;
    }
    if ((uintptr_t)place < n_named)
        rule = &named[(uintptr_t)place];
    if (rule && strcmp(rule->file, file) == 0) {
        complain(c, PROBLEM_ERROR, file, s->line, (unsigned)strlen(s->name) + 3,
                 "a %s \"%s\" begins in line %u already; names of %ss differ", s->name, s->label,
                 rule->line, s->name);
        return;
    }
    if (!rule && !(rule = add_named(&st->mapping, file, s))) {
        c->result = -ENOMEM;
        return;
    }
    for (size_t n = 0; n < s->n_items; n++) {
        const struct config_item *i = &s->items[n];
        const struct config_key *key = find_key(c, file, s, i);
        if (!key)
            continue;
        struct mapping_text *t = config_rule_slot(rule, key);
        if (is_twice(c, file, i, t->file, t->line))
            continue;
        free(t->text);
        free(t->file);
        *t = (struct mapping_text){
            .text = *i->text ? strdup(i->text) : NULL, .file = strdup(file), .line = i->line};
        if (!t->file || (*i->text && !t->text))
            c->result = -ENOMEM;
    }
}

void config_take_section(struct config_context *c, struct settings *st, const char *file,
                         const struct config_section *s)
{
    if (!section_is_known(c, file, s))
        return;
    if (s->label) {
        take_named(c, st, file, s);
        return;
    }
    for (size_t n = 0; n < s->n_items; n++) {
        const struct config_item *i = &s->items[n];
        const struct config_key *key = find_key(c, file, s, i);
        if (!key)
            continue;
        struct settings_value *v = &st->values[key_index(key)];
        if (key->flags & KEY_REPEATED) {
            if (config_add_line(v, file, i) < 0)
                c->result = -ENOMEM;
            continue;
        }
        if (is_twice(c, file, i, v->file, v->line))
            continue;
        if (set_value(v, i->text, file, i->line) < 0)
            c->result = -ENOMEM;
    }
}

char *config_instance_of(const char *file)
{
    const char *slash = strrchr(file, '/');
    const char *name = slash ? slash + 1 : file;
    size_t size = strlen(name);

    if (size > 5 && strcmp(name + size - 5, ".conf") == 0)
        size -= 5;
    if (size == 0 || name[0] == '.' || (size == 7 && strncmp(name, "rosterd", 7) == 0))
        return NULL;
    return strndup(name, size);
}

int config_default_of(const struct config_key *key, const char *instance, char **ret)
{
    const char *slash;

    *ret = NULL;
    if (!key->otherwise)
        return 0;
    if (!(key->flags & KEY_INSTANCE) || !instance || !(slash = strrchr(key->otherwise, '/'))) {
        *ret = strdup(key->otherwise);
        return *ret ? 0 : -ENOMEM;
    }
    CLEANUP(buffer_done) struct buffer b = {0};
    buffer_add(&b, key->otherwise, (size_t)(slash - key->otherwise) + 1);
    buffer_add_text(&b, instance);
    buffer_add_text(&b, slash);
    *ret = buffer_take(&b);
    return *ret ? 0 : -ENOMEM;
}

static void parse_value(struct config_context *c, struct settings *s, const struct config_key *key)
{
    const struct settings_value *v = &s->values[key_index(key)];
    const struct config_value value = {v->text, v->file, v->line};
    struct error e = {""};
    size_t offset = 0;
    unsigned line = v->line, column = 0;

    int r = key->parse(key, &value, (char *)s + key->slot, &offset, &e);
    if (r == -ENOMEM)
        c->result = -ENOMEM;
    if (r >= 0 || r == -ENOMEM)
        return;
    const struct config_item *item = key->flags & KEY_REPEATED
                                         ? config_locate_line(c, v->file, key, &offset)
                                         : config_locate(c, v->file, v->line);
    if (item)
        config_item_place(item, offset, &line, &column);
    complain(c, PROBLEM_ERROR, v->file ? v->file : c->main_file, line, column, "[%s] %s: %s",
             key->section, key->name, e.message);
}

void config_keep_in_force(struct config_context *c, struct settings *s)
{
    for (size_t i = 0; i < config_n_keys; i++) {
        const struct settings_value *v = &c->in_force->values[i];
        bool cleared = !v->text && (config_keys[i].flags & KEY_CLEARABLE);
        if ((config_keys[i].flags & KEY_RELOAD) || config_is_named(config_keys[i].section))
            continue;
        if (set_value(&s->values[i], cleared ? "" : v->text, v->file, v->line) < 0)
            c->result = -ENOMEM;
    }
}

void config_parse_all(struct config_context *c, struct settings *s)
{
    CLEANUP(freep) char *instance = config_instance_of(c->main_file);

    for (size_t i = 0; i < config_n_keys && c->result == 0; i++) {
        const struct config_key *key = &config_keys[i];
        struct settings_value *v = &s->values[i];
        if (config_is_named(key->section))
            continue;
        if (v->text && !*v->text && (key->flags & KEY_CLEARABLE)) {
            free(v->text);
            v->text = NULL;
            continue;
        }
        if (v->text && *v->text) {
            parse_value(c, s, key);
            continue;
        }
        CLEANUP(freep) char *otherwise = NULL;
        if (config_default_of(key, instance, &otherwise) < 0 ||
            set_value(v, otherwise, NULL, 0) < 0) {
            c->result = -ENOMEM;
            return;
        }
        if (otherwise)
            parse_value(c, s, key);
        else if (key->flags & KEY_REQUIRED)
            complain(c, PROBLEM_ERROR, c->main_file, 0, 0, "[%s] %s is missing", key->section,
                     key->name);
    }
}
