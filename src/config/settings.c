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
#include "base/digest.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text-map.h"
#include "config/check.h"
#include "config/keys.h"

/* A tenant's answer is never as large as this unless something is wrong with it. */
#define TENANT_MAX_ANSWER_BYTES (64 * 1024 * 1024)

static void mapping_text_done(struct mapping_text *t)
{
    free(t->text);
    free(t->file);
}

static void free_words(char **words)
{
    for (char **w = words; w && *w; w++)
        free(*w);
    free(words);
}

static void rule_done(struct mapping_rule *r)
{
    mapping_text_done(&r->group);
    mapping_text_done(&r->when);
    mapping_text_done(&r->team);
    mapping_text_done(&r->roles);
    mapping_text_done(&r->skills);
    mapping_text_done(&r->skills_from);
    free(r->name);
    free(r->file);
}

static void mapping_options_done(struct mapping_options *m)
{
    mapping_text_done(&m->scope_when);
    mapping_text_done(&m->disabled_when);
    mapping_text_done(&m->revoke_when);
    mapping_text_done(&m->account_expires);
    mapping_text_done(&m->starts_at);
    for (size_t i = 0; i < ARRAY_SIZE(m->fields); i++)
        mapping_text_done(&m->fields[i]);
    for (size_t i = 0; i < m->n_rules; i++)
        rule_done(&m->rules[i]);
    free(m->rules);
    for (size_t i = 0; i < m->n_conflicts; i++)
        rule_done(&m->conflicts[i]);
    free(m->conflicts);
}

static void tenant_options_done(struct tenant_options *t)
{
    free(t->url);
    free(t->client_id);
    free(t->client_secret_file);
    free(t->scope);
    free(t->tls_ca_file);
    free(t->tls_ca_directory);
}

struct settings *settings_free(struct settings *s)
{
    if (!s)
        return NULL;
    directory_options_done(&s->directory);
    tenant_options_done(&s->tenant);
    mapping_options_done(&s->mapping);
    free_words(s->sync.privileged_roles);
    free_words(s->sync.protected_logins);
    free_words(s->sync.password_command);
    free_words(s->sync.notify_command);
    free(s->sync.password_classes);
    free(s->state_file);
    free(s->audit_file);
    free(s->audit_key_file);
    free(s->control_socket);
    free(s->metrics_file);
    free(s->control_group);
    free(s->control_readers);
    free(s->config_file);
    free(s->facts);
    free(s->fingerprint);
    free(s->decisions);
    for (size_t i = 0; s->values && i < config_n_keys; i++) {
        free(s->values[i].text);
        free(s->values[i].file);
    }
    free(s->values);
    free(s);
    return NULL;
}

__attribute__((format(printf, 6, 7))) static void
complain(struct config_context *c, enum problem_level level, const char *file, unsigned line,
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
        complain(c, LEVEL_ERROR, file, i->line, i->key_column,
                 "a secret does not stand in the configuration: put it into a file of its own "
                 "and name that by '%s'",
                 with_file);
    else if (near)
        complain(c, LEVEL_ERROR, file, i->line, i->key_column,
                 "unknown key '%s' in [%s]; did you mean '%s'?", i->key, s->name, near);
    else if (elsewhere)
        complain(c, LEVEL_ERROR, file, i->line, i->key_column,
                 "unknown key '%s' in [%s]; there is one in [%s]", i->key, s->name, elsewhere);
    else
        complain(c, LEVEL_ERROR, file, i->line, i->key_column, "unknown key '%s' in [%s]",
                 i->key, s->name);
}

/* false: the section is not one; said once, its keys are not looked at. */
static bool section_is_known(struct config_context *c, const char *file,
                             const struct config_section *s)
{
    bool named = config_is_named(s->name);

    if (!config_is_section(s->name)) {
        const char *near = config_section_nearest(s->name);
        complain(c, LEVEL_ERROR, file, s->line, 2, "unknown section [%s]%s%s%s", s->name,
                 near ? "; did you mean [" : "", near ? near : "", near ? "]?" : "");
        return false;
    }
    if (named && !s->label)
        complain(c, LEVEL_ERROR, file, s->line, 2, "a %s has a name, as in [%s \"%s\"]", s->name,
                 s->name, strcmp(s->name, "rule") == 0 ? "Support agents" : "Four eyes");
    if (!named && s->label)
        complain(c, LEVEL_ERROR, file, s->line, 2, "[%s] takes no name", s->name);
    return named == !!s->label;
}

static size_t key_index(const struct config_key *key)
{
    return (size_t)(key - config_keys);
}

static int set_value(struct settings_value *v, const char *text, const char *file,
                     unsigned line)
{
    free(v->text);
    free(v->file);
    *v = (struct settings_value){
        .text = text ? strdup(text) : NULL, .file = file ? strdup(file) : NULL, .line = line};
    return (text && !v->text) || (file && !v->file) ? -ENOMEM : 0;
}

static struct mapping_text *rule_slot(struct mapping_rule *r, const struct config_key *key)
{
    return (struct mapping_text *)(void *)((char *)r + key->slot);
}

/* Whether this key was set by the same file before; else remembers it. */
static bool is_twice(struct config_context *c, const char *file, const struct config_item *i,
                     const char *earlier_file, unsigned earlier_line)
{
    if (!earlier_file || strcmp(earlier_file, file) != 0)
        return false;
    complain(c, LEVEL_ERROR, file, i->line, i->key_column,
             "'%s' was set in line %u already; a key stands once in a section", i->key,
             earlier_line);
    return true;
}

struct mapping_rule *config_named(const struct settings *s, const char *section, size_t *ret_n)
{
    const struct mapping_options *m = &s->mapping;
    bool rule = strcmp(section, "rule") == 0;

    *ret_n = rule ? m->n_rules : m->n_conflicts;
    return rule ? m->rules : m->conflicts;
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
    *rule = (struct mapping_rule){
        .name = strdup(s->label), .line = s->line, .file = strdup(file)};
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
        complain(c, LEVEL_ERROR, file, s->line, (unsigned)strlen(s->name) + 3,
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
        const struct config_key *key = config_key_find(s->name, i->key);
        if (!key) {
            complain_unknown_key(c, file, s, i);
            continue;
        }
        struct mapping_text *t = rule_slot(rule, key);
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

static void take_section(struct config_context *c, struct settings *st, const char *file,
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
        const struct config_key *key = config_key_find(s->name, i->key);
        if (!key) {
            complain_unknown_key(c, file, s, i);
            continue;
        }
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

/* "/etc/rosterd/emea.conf" is the instance "emea"; rosterd.conf is none. Malloc'd or NULL. */
static char *instance_of(const char *file)
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

/* The default of a key, NULL when it has none; malloc'd. */
static int default_of(const struct config_key *key, const char *instance, char **ret)
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

static void parse_value(struct config_context *c, struct settings *s,
                        const struct config_key *key)
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
    complain(c, LEVEL_ERROR, v->file ? v->file : c->main_file, line, column, "[%s] %s: %s",
             key->section, key->name, e.message);
}

/* What takes a restart is as it was, whatever the files say now. */
static void keep_in_force(struct config_context *c, struct settings *s)
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

/* Fills in defaults and parses every key of the table once. */
static void parse_all(struct config_context *c, struct settings *s)
{
    CLEANUP(freep) char *instance = instance_of(c->main_file);

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
        if (default_of(key, instance, &otherwise) < 0 || set_value(v, otherwise, NULL, 0) < 0) {
            c->result = -ENOMEM;
            return;
        }
        if (otherwise)
            parse_value(c, s, key);
        else if (key->flags & KEY_REQUIRED)
            complain(c, LEVEL_ERROR, c->main_file, 0, 0, "[%s] %s is missing", key->section,
                     key->name);
    }
}

static void add_fact(struct buffer *b, const char *section, const char *name, const char *text)
{
    if (text)
        buffer_format(b, "%s\n%s\n%s\n", section, name, text);
}

/* Whether anything that is decided about a person can depend on the key: what mapping and engine
 * are given, and whose tenant it is. How the directory is read is not among it, since whom that
 * shows otherwise is marked then. */
static bool is_decisive(const struct config_key *key)
{
    size_t mapping = offsetof(struct settings, mapping), sync = offsetof(struct settings, sync);

    return (key->slot >= mapping && key->slot < mapping + sizeof(struct mapping_options)) ||
           (key->slot >= sync && key->slot < sync + sizeof(struct sync_options)) ||
           (strcmp(key->section, "tenant") == 0 && !(key->flags & KEY_RELOAD));
}

static void add_named_facts(struct buffer *b, const struct settings *s, const char *section)
{
    size_t n_named;
    struct mapping_rule *named = config_named(s, section, &n_named);

    for (size_t n = 0; n < n_named; n++) {
        buffer_format(b, "%s\n%s\n", section, named[n].name);
        for (size_t i = 0; i < config_n_keys; i++)
            if (strcmp(config_keys[i].section, section) == 0)
                add_fact(b, "", config_keys[i].name, rule_slot(&named[n], &config_keys[i])->text);
    }
}

static char *make_facts(const struct settings *s, bool all)
{
    CLEANUP(buffer_done) struct buffer b = {0};

    for (size_t i = 0; i < config_n_keys; i++)
        if (!config_is_named(config_keys[i].section) && (all || is_decisive(&config_keys[i])))
            add_fact(&b, config_keys[i].section, config_keys[i].name, s->values[i].text);
    add_named_facts(&b, s, "rule");
    add_named_facts(&b, s, "conflict");
    return buffer_take(&b);
}

static int make_fingerprint(struct settings *s)
{
    CLEANUP(freep) char *decisive = make_facts(s, false);
    char digest[DIGEST_TEXT_SIZE];

    s->facts = make_facts(s, true);
    if (!s->facts || !decisive)
        return -ENOMEM;
    int r = digest_text(digest, s->facts);
    if (r == 0 && !(s->fingerprint = strdup(digest)))
        r = -ENOMEM;
    if (r == 0)
        r = digest_text(digest, decisive);
    if (r == 0 && !(s->decisions = strdup(digest)))
        r = -ENOMEM;
    return r;
}

static void free_documents(struct config_context *c)
{
    for (size_t i = 0; i < c->n_documents; i++)
        config_document_free(c->documents[i]);
    free(c->documents);
    text_map_done(&c->rules);
    text_map_done(&c->conflicts);
}

static int build(struct settings **ret, struct config_context *c,
                 const struct settings_text *texts, size_t n_texts, struct error *e)
{
    CLEANUP(settings_freep) struct settings *s = calloc(1, sizeof(*s));

    c->documents = calloc(n_texts + 1, sizeof(*c->documents));
    if (!s || !c->documents)
        return error_out_of_memory(e);
    s->values = calloc(config_n_keys, sizeof(*s->values));
    s->config_file = strdup(c->main_file);
    s->tenant.max_answer_bytes = TENANT_MAX_ANSWER_BYTES;
    if (!s->values || !s->config_file)
        return error_out_of_memory(e);
    for (size_t i = 0; i < n_texts; i++) {
        int r = config_document_read(&c->documents[i], texts[i].name, texts[i].content,
                                     texts[i].size, config_is_key, c->problems);
        c->n_documents = i + 1;
        if (r < 0)
            return error_out_of_memory(e);
        const struct config_document *d = c->documents[i];
        for (size_t n = 0; n < d->n_sections && c->result == 0; n++)
            take_section(c, s, d->file, &d->sections[n]);
    }
    if (c->in_force)
        keep_in_force(c, s);
    parse_all(c, s);
    if (c->result == 0)
        config_check(c, s);
    if (c->result < 0)
        return error_out_of_memory(e);
    if (c->problems->n_errors > 0)
        return error_set(e, -EINVAL, "%s: %zu error%s in the configuration", c->main_file,
                         c->problems->n_errors, c->problems->n_errors == 1 ? "" : "s");
    s->sync.api_login = s->tenant.client_id;
    if (make_fingerprint(s) < 0)
        return error_set(e, -EIO, "the configuration's fingerprint cannot be computed");
    *ret = TAKE(s);
    return 0;
}

int settings_load_texts(struct settings **ret, const struct settings_text *texts,
                        size_t n_texts, struct problem_list *problems, struct error *e)
{
    struct config_context c = {.problems = problems,
                               .main_file = n_texts > 0 ? texts[0].name : "rosterd.conf"};
    int r = build(ret, &c, texts, n_texts, e);

    free_documents(&c);
    return r;
}

int settings_load_beside(struct settings **ret, const struct settings *in_force,
                         const struct settings_text *texts, size_t n_texts,
                         char **ret_needs_restart, struct problem_list *problems,
                         struct error *e)
{
    CLEANUP(settings_freep) struct settings *s = NULL;
    CLEANUP(problem_list_done) struct problem_list mixed = {0};
    struct config_context c = {
        .problems = &mixed, .main_file = texts[0].name, .in_force = in_force};
    int r = settings_load_texts(&s, texts, n_texts, problems, e);

    *ret_needs_restart = NULL;
    if (r < 0)
        return r;
    if (settings_compare(in_force, s, ret_needs_restart) < 0)
        return error_out_of_memory(e);
    if (!*ret_needs_restart) {
        *ret = TAKE(s);
        return 0;
    }
    r = build(ret, &c, texts, n_texts, e);
    free_documents(&c);
    if (r == -EINVAL && mixed.n_errors > 0)
        error_set(e, r, "%s, and the rest does not go with what is in force: %s",
                  *ret_needs_restart, mixed.items[0].sentence);
    return r;
}

static const char *text_in(const struct config_document *d, const char *section,
                           const char *name)
{
    for (size_t s = 0; s < d->n_sections; s++)
        for (size_t i = 0;
             strcmp(d->sections[s].name, section) == 0 && i < d->sections[s].n_items; i++)
            if (strcmp(d->sections[s].items[i].key, name) == 0)
                return d->sections[s].items[i].text;
    return NULL;
}

char *settings_peek(const char *file, const char *section, const char *name)
{
    CLEANUP(settings_texts_done) struct settings_texts texts = {0};
    CLEANUP(problem_list_done) struct problem_list ignored = {0};
    CLEANUP(freep) char *instance = instance_of(file);
    const struct config_key *key = config_key_find(section, name);
    struct error e;
    char *otherwise = NULL;

    if (!key || default_of(key, instance, &otherwise) < 0)
        return NULL;
    if (settings_texts_read(&texts, file, &ignored, &e) < 0)
        return otherwise;
    for (size_t i = 0; i < texts.n_items; i++) {
        CLEANUP(config_document_freep) struct config_document *d = NULL;
        if (config_document_read(&d, texts.items[i].name, texts.items[i].content,
                                 texts.items[i].size, config_is_key, &ignored) < 0)
            break;
        const char *text = text_in(d, section, name);
        char *copy = text && *text ? strdup(text) : NULL;
        if (!copy)
            continue;
        free(otherwise);
        otherwise = copy;
    }
    return otherwise;
}

int settings_compare(const struct settings *old, const struct settings *new,
                     char **ret_not_reloadable)
{
    CLEANUP(buffer_done) struct buffer b = {0};

    *ret_not_reloadable = NULL;
    for (size_t i = 0; i < config_n_keys; i++) {
        const struct config_key *key = &config_keys[i];
        const char *a = old->values[i].text, *z = new->values[i].text;
        if ((key->flags & KEY_RELOAD) || (!a && !z) || (a && z && strcmp(a, z) == 0))
            continue;
        if (!old->values[i].file && !new->values[i].file)
            continue; /* defaults that follow the file's name, as of a copy under another one */
        buffer_format(&b, "%s[%s] %s", b.size > 0 ? ", " : "", key->section, key->name);
    }
    if (b.size == 0 && !b.failed)
        return 0;
    buffer_add_text(&b, " changed, which takes a restart");
    *ret_not_reloadable = buffer_take(&b);
    return *ret_not_reloadable ? 0 : -ENOMEM;
}
