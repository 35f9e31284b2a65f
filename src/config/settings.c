/*
 * Settings as a whole: what they own, what they are as one text with its fingerprint, and what of
 * them takes a restart.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/memory.h"
#include "config/keys.h"
#include "config/steps.h"

static void named_done(struct mapping_rule *named, size_t n, const char *section)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < config_n_keys; k++)
            if (strcmp(config_keys[k].section, section) == 0)
                config_release(&config_keys[k], (char *)&named[i] + config_keys[k].slot);
        free(named[i].name);
        free(named[i].file);
    }
    free(named);
}

struct settings *settings_free(struct settings *s)
{
    if (!s)
        return NULL;
    for (size_t i = 0; i < config_n_keys; i++)
        if (!config_is_named(config_keys[i].section))
            config_release(&config_keys[i], (char *)s + config_keys[i].slot);
    named_done(s->mapping.rules, s->mapping.n_rules, "rule");
    named_done(s->mapping.conflicts, s->mapping.n_conflicts, "conflict");
    for (size_t i = 0; s->values && i < config_n_keys; i++) {
        free(s->values[i].text);
        free(s->values[i].file);
    }
    free(s->values);
    free(s->config_file);
    free(s->facts);
    free(s->fingerprint);
    free(s->decisions);
    free(s);
    return NULL;
}

struct mapping_rule *config_named(const struct settings *s, const char *section, size_t *ret_n)
{
    const struct mapping_options *m = &s->mapping;
    bool rule = strcmp(section, "rule") == 0;

    *ret_n = rule ? m->n_rules : m->n_conflicts;
    return rule ? m->rules : m->conflicts;
}

struct mapping_text *config_rule_slot(struct mapping_rule *r, const struct config_key *key)
{
    return (struct mapping_text *)(void *)((char *)r + key->slot);
}

static void add_fact(struct buffer *b, const char *section, const char *name, const char *text)
{
    if (text)
        buffer_format(b, "%s\n%s\n%s\n", section, name, text);
}

/* Whether anything that is decided about a person, beside what the mapping says, can depend on the
 * key: what the engine is given, and whose tenant it is. The mapping has a fingerprint of its own;
 * how the directory is read is not among it, since whom that shows otherwise is marked then. */
static bool is_decisive(const struct config_key *key)
{
    size_t sync = offsetof(struct settings, sync);

    return (key->slot >= sync && key->slot < sync + sizeof(struct sync_options)) ||
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
                add_fact(b, "", config_keys[i].name,
                         config_rule_slot(&named[n], &config_keys[i])->text);
    }
}

static char *make_facts(const struct settings *s, bool all)
{
    CLEANUP(buffer_done) struct buffer b = {0};

    for (size_t i = 0; i < config_n_keys; i++)
        if (!config_is_named(config_keys[i].section) && (all || is_decisive(&config_keys[i])))
            add_fact(&b, config_keys[i].section, config_keys[i].name, s->values[i].text);
    if (all) {
        add_named_facts(&b, s, "rule");
        add_named_facts(&b, s, "conflict");
    }
    return buffer_take(&b);
}

int config_make_fingerprint(struct settings *s)
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
