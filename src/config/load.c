/*
 * Loads settings: reads the texts, takes what they say, checks it. From files, from texts that
 * somebody sent, or beside what is in force.
 */
#include "config.h"

#include <errno.h>
#include <libgen.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text-map.h"
#include "base/text.h"
#include "config/keys.h"
#include "config/steps.h"

/* A tenant's answer is never as large as this unless something is wrong with it. */
#define TENANT_MAX_ANSWER_BYTES (64 * 1024 * 1024)

static void free_documents(struct config_context *c)
{
    for (size_t i = 0; i < c->n_documents; i++)
        config_document_free(c->documents[i]);
    free(c->documents);
    text_map_done(&c->rules);
    text_map_done(&c->conflicts);
}

static int build(struct settings **ret, struct config_context *c, const struct settings_text *texts,
                 size_t n_texts, struct error *e)
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
            config_take_section(c, s, d->file, &d->sections[n]);
    }
    if (c->in_force)
        config_keep_in_force(c, s);
    config_parse_all(c, s);
    if (c->result == 0)
        config_check(c, s);
    if (c->result < 0)
        return error_out_of_memory(e);
    if (c->problems->n_errors > 0)
        return error_set(e, -EINVAL, "%s: %zu error%s in the configuration", c->main_file,
                         c->problems->n_errors, c->problems->n_errors == 1 ? "" : "s");
    s->sync.api_login = s->tenant.client_id;
    if (config_make_fingerprint(s) < 0)
        return error_set(e, -EIO, "the configuration's fingerprint cannot be computed");
    *ret = TAKE(s);
    return 0;
}

int settings_load_texts(struct settings **ret, const struct settings_text *texts, size_t n_texts,
                        struct problem_list *problems, struct error *e)
{
    struct config_context c = {.problems = problems,
                               .main_file = n_texts > 0 ? texts[0].name : "rosterd.conf"};
    int r = build(ret, &c, texts, n_texts, e);

    free_documents(&c);
    return r;
}

int settings_load_beside(struct settings **ret, const struct settings *in_force,
                         const struct settings_text *texts, size_t n_texts,
                         char **ret_needs_restart, struct problem_list *problems, struct error *e)
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
        error_set(e, r, "%s; the other changes do not go together with the settings in force: %s",
                  *ret_needs_restart, mixed.items[0].sentence);
    return r;
}

/* Of the sample, under a name that is kept for examples (RFC 2606). */
static bool is_placeholder(const char *uri)
{
    static const char *const names[] = {"example.com", "example.org", "example.net"};
    const char *host = strstr(uri, "://");
    size_t size, n = strlen(names[0]);

    host = host ? host + 3 : uri;
    size = strcspn(host, ":/");
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (size >= n && strncasecmp(host + size - n, names[i], n) == 0 &&
            (size == n || host[size - n - 1] == '.'))
            return true;
    return false;
}

static bool is_missing(const char *file)
{
    return file && file[0] == '/' && access(file, F_OK) < 0 && errno == ENOENT;
}

/* The sample as it is installed reads well and can reach nothing. */
static int judge_sample(const struct settings *s, const char *file, struct problem_list *problems)
{
    const struct directory_options *d = &s->directory;
    const struct tenant_options *t = &s->tenant;

    if (d->n_uris == 0 || !t->url || !is_placeholder(d->uris[0]) || !is_placeholder(t->url) ||
        !is_missing(t->client_secret_file))
        return 0;
    return problem_add(problems, PROBLEM_ERROR, file, 0, 0,
                       "this is the sample as it came: %s and %s are placeholders, and %s is not "
                       "there. Write the addresses of your own directory and tenant, and their "
                       "secrets",
                       d->uris[0], t->url, t->client_secret_file);
}

int settings_load(struct settings **ret, const char *file, struct problem_list *problems,
                  struct error *e)
{
    CLEANUP(settings_texts_done) struct settings_texts t = {0};
    CLEANUP(settings_freep) struct settings *s = NULL;
    int r = settings_texts_read(&t, file, problems, e);

    if (r == 0)
        r = settings_load_texts(&s, t.items, t.n_items, problems, e);
    if (r < 0)
        return r;
    if (judge_sample(s, file, problems) < 0)
        return error_out_of_memory(e);
    if (problems->n_errors > 0)
        return error_set(e, -EINVAL, "the configuration has errors");
    *ret = TAKE(s);
    return 0;
}

static const char *text_in(const struct config_document *d, const char *section, const char *name)
{
    for (size_t s = 0; s < d->n_sections; s++)
        for (size_t i = 0; strcmp(d->sections[s].name, section) == 0 && i < d->sections[s].n_items;
             i++)
            if (strcmp(d->sections[s].items[i].key, name) == 0)
                return d->sections[s].items[i].text;
    return NULL;
}

char *settings_peek(const char *file, const char *section, const char *name)
{
    CLEANUP(settings_texts_done) struct settings_texts texts = {0};
    CLEANUP(problem_list_done) struct problem_list ignored = {0};
    CLEANUP(freep) char *instance = config_instance_of(file);
    const struct config_key *key = config_key_find(section, name);
    struct error e;
    char *otherwise = NULL;

    if (!key || config_default_of(key, instance, &otherwise) < 0)
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

int settings_complain(const struct settings *s, struct problem_list *problems,
                      enum problem_level level, const char *section, const char *name,
                      const char *sentence)
{
    const struct settings_value *v = section ? config_value_of(s, section, name) : NULL;
    bool has_place = v && v->file;

    if (!section)
        return problem_add(problems, level, s->config_file, 0, 0, "%s", sentence);
    return problem_add(problems, level, has_place ? v->file : s->config_file,
                       has_place ? v->line : 0, 0, "[%s] %s: %s", section, name, sentence);
}

bool settings_is_usual_folder(const struct settings *s, const char *section, const char *name)
{
    CLEANUP(freep) char *instance = config_instance_of(s->config_file);
    CLEANUP(freep) char *usual = NULL;
    CLEANUP(freep) char *path = NULL;
    const struct config_key *key = config_key_find(section, name);
    const struct settings_value *v = config_value_of(s, section, name);

    if (!key || !v || !v->text || config_default_of(key, instance, &usual) < 0 || !usual ||
        !(path = strdup(v->text)))
        return false;
    return strcmp(dirname(path), dirname(usual)) == 0;
}

bool settings_folder_is_foreign(const struct settings *s, const char *section, const char *name)
{
    const struct settings_value *v = config_value_of(s, section, name);
    CLEANUP(freep) char *path = v && v->text ? strdup(v->text) : NULL;
    struct stat st;

    return path && stat(dirname(path), &st) == 0 && file_has_foreign_owner(&st);
}
