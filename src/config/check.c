/*
 * What no key can know alone: keys that need or contradict each other, and the mapping's own
 * languages, checked with the built-in schema. Looks never at the network; files that keys name
 * are the matter of check-files.c.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/secret.h"
#include "base/text.h"
#include "config/keys.h"
#include "config/steps.h"
#include "config/writing.h"
#include "mapping/ruleset.h"
#include "model/dn.h"
#include "model/schema.h"

DEFINE_CLEANUP(struct ruleset *, ruleset_free)

static bool is_scheme(const char *uri, const char *scheme)
{
    return strncasecmp(uri, scheme, strlen(scheme)) == 0;
}

static void check_uris(struct config_context *c, struct settings *s)
{
    const struct directory_options *d = &s->directory;

    for (size_t i = 0; i < d->n_uris; i++) {
        const char *uri = d->uris[i];
        if (d->tls == DIRECTORY_TLS_LDAPS && is_scheme(uri, "ldap://"))
            ERROR("directory", "tls", "ldaps contradicts %s", uri);
        if (d->tls == DIRECTORY_TLS_STARTTLS && is_scheme(uri, "ldaps://"))
            ERROR("directory", "tls", "starttls contradicts %s, which has TLS already", uri);
        if (d->tls == DIRECTORY_TLS_NO && is_scheme(uri, "ldaps://"))
            ERROR("directory", "tls", "\"no\" contradicts %s", uri);
    }
    if (d->tls == DIRECTORY_TLS_NO && d->bind == DIRECTORY_BIND_SIMPLE)
        WARNING("directory", "tls",
                "without encryption the password of bind_dn can be read on the wire");
}

static void check_referrals(struct config_context *c, struct settings *s)
{
    const struct directory_options *d = &s->directory;

    if (d->referrals == DIRECTORY_REFERRALS_FOLLOW && d->n_referral_hosts == 0)
        WARNING("directory", "referrals",
                "follow leads nowhere without referral_hosts: name the hosts that may be sent "
                "the password");
    if (d->referrals != DIRECTORY_REFERRALS_FOLLOW && d->n_referral_hosts > 0)
        WARNING("directory", "referral_hosts", "has no effect: referrals is not follow");
}

static bool all_local(const struct directory_options *d)
{
    for (size_t i = 0; i < d->n_uris; i++)
        if (!is_scheme(d->uris[i], "ldapi://"))
            return false;
    return d->n_uris > 0;
}

/* bind = auto, from the other keys. */
static enum directory_bind found_bind(const struct directory_options *d)
{
    if (d->keytab || d->principal)
        return DIRECTORY_BIND_GSSAPI;
    if (d->bind_dn || d->bind_password_file)
        return DIRECTORY_BIND_SIMPLE;
    if (d->tls_certificate_file || all_local(d))
        return DIRECTORY_BIND_EXTERNAL;
    return DIRECTORY_BIND_ANONYMOUS;
}

static void check_bind(struct config_context *c, struct settings *s)
{
    struct directory_options *d = &s->directory;
    const struct settings_value *v = config_value_of(s, "directory", "bind");
    bool automatic = v && text_equal(v->text, "auto");

    if (automatic)
        d->bind = found_bind(d);
    if (d->bind == DIRECTORY_BIND_SIMPLE && !d->bind_dn)
        ERROR("directory", d->bind_password_file ? "bind_password_file" : "bind",
              "a simple bind needs bind_dn");
    if (d->bind == DIRECTORY_BIND_SIMPLE && !d->bind_password_file)
        ERROR("directory", d->bind_dn ? "bind_dn" : "bind",
              "a simple bind needs bind_password_file");
    if (d->bind != DIRECTORY_BIND_SIMPLE && (d->bind_dn || d->bind_password_file))
        WARNING("directory", d->bind_dn ? "bind_dn" : "bind_password_file",
                "has no effect: the bind is not a simple one");
    if (d->bind != DIRECTORY_BIND_GSSAPI && (d->keytab || d->principal))
        WARNING("directory", d->keytab ? "keytab" : "principal",
                "has no effect: the bind is not gssapi");
    if (d->bind == DIRECTORY_BIND_EXTERNAL && !d->tls_certificate_file && !all_local(d))
        ERROR("directory", "bind",
              "external needs tls_certificate_file and tls_key_file, or ldapi://");
    if (d->tls_certificate_file && !d->tls_key_file)
        ERROR("directory", "tls_certificate_file", "needs tls_key_file");
    if (d->tls_key_file && !d->tls_certificate_file)
        ERROR("directory", "tls_key_file", "needs tls_certificate_file");
    if (automatic && d->bind == DIRECTORY_BIND_ANONYMOUS && d->n_uris > 0)
        WARNING("directory", "bind",
                "no bind_dn, keytab or certificate is given, so the "
                "directory is read anonymously; if that is meant, write "
                "anonymous");
}

/* The server's filter selects by class only: an entry that leaves an attribute filter is not
 * reported by every feed. */
static void check_directory_filter(struct config_context *c, struct settings *s)
{
    static const char *const steady[] = {"objectClass", "objectCategory"};
    CLEANUP(string_list_done) struct string_list names = {0};
    struct error e;

    if (!s->directory.filter || filter_attributes(s->directory.filter, &names, &e) != 0)
        return;
    for (size_t i = 0; i < names.n_items; i++) {
        bool is_steady = false;
        for (size_t k = 0; k < ARRAY_SIZE(steady); k++)
            is_steady |= text_equal_ascii_case(names.items[i], steady[k]);
        if (!is_steady)
            WARNING("directory", "filter",
                    "names '%s'; not every directory reports an entry that leaves a filter when "
                    "a value changes: select by class here and say the rest in [scope] when",
                    names.items[i]);
    }
}

static bool is_loopback(const char *url)
{
    const char *host = url + strlen("http://");

    return strncmp(host, "127.", 4) == 0 || strncmp(host, "[::1]", 5) == 0 ||
           (strncasecmp(host, "localhost", 9) == 0 && strchr(":/", host[9]) != NULL);
}

static void check_tenant_keys(struct config_context *c, struct settings *s)
{
    struct tenant_options *t = &s->tenant;

    if (t->url && is_scheme(t->url, "http://") && !t->allow_plain_http)
        ERROR("tenant", "url", "is not https://; a plain one needs tls = no, written out");
    if (t->url && is_scheme(t->url, "http://") && t->allow_plain_http && !is_loopback(t->url))
        WARNING("tenant", "url", "without encryption secret and token can be read on the wire");
    if (t->kind == TENANT_SCIM2 && t->scim_path && t->scim_path[0] != '/')
        ERROR("tenant", "scim_path", "must begin with a slash");
    if (t->url && !t->scope) {
        const char *host = strstr(t->url, "://") + 3;
        t->scope = strndup(host, strcspn(host, ":/"));
        if (!t->scope)
            c->result = -ENOMEM;
    }
}

static void check_password(struct config_context *c, struct settings *s)
{
    const struct sync_options *o = &s->sync;
    CLEANUP(secret_freep) struct secret *trial = NULL;
    struct error e = {""};

    if (o->initial_password == INITIAL_PASSWORD_NONE && o->password_command)
        WARNING("tenant", "password_command", "has no effect: initial_password is none");
    if (o->initial_password == INITIAL_PASSWORD_GENERATE && !o->password_command)
        WARNING("tenant", "initial_password",
                "nobody learns a generated password without a password_command");
    if (o->password_classes && o->password_length >= 8 &&
        secret_random_password(&trial, o->password_length, o->password_classes, &e) < 0)
        ERROR("tenant", "password_classes", "%s", e.message);
}

static void check_times(struct config_context *c, struct settings *s)
{
    if (s->sync.retry_min_usec > s->sync.retry_max_usec)
        ERROR("retry", "min", "is longer than max");
    if (s->directory.full_interval_usec > 0 &&
        s->directory.full_interval_usec < s->directory.poll_interval_usec)
        WARNING("directory", "full_interval", "is shorter than poll_interval");
    if (s->sync.delete_after_usec > 0 && s->sync.delete_after_usec < 86400 * 1000000ULL)
        WARNING("lifecycle", "delete_after",
                "a user is deleted, with its history, less than a day after it was disabled");
}

struct mapping_userdata {
    struct config_context *c;
    const struct settings *s;
};

/* Byte offset of the nth character (from 1). */
static size_t character_offset(const char *text, unsigned n)
{
    size_t at = 0;

    for (; n > 1 && text[at]; n--)
        for (at++; ((unsigned char)text[at] & 0xc0) == 0x80; at++)
            ;
    return at;
}

/* Beyond so many, the line in which the value begins is enough: a column costs a walk. */
#define COLUMNS_MAX 500

/* The mapping counts columns inside the value; people look for them in the file. */
static void mapping_problem(const struct problem *p, void *userdata)
{
    struct mapping_userdata *u = userdata;
    const struct config_item *item = config_locate(u->c, p->file, p->line);
    unsigned line = p->line, column = 0;

    if (item && u->c->problems->n_items < COLUMNS_MAX)
        config_item_place(item, character_offset(item->text, p->column), &line, &column);
    if (problem_add(u->c->problems, p->level, line > 0 ? p->file : u->c->main_file, line, column,
                    "%s", p->sentence) < 0)
        u->c->result = -ENOMEM;
}

/* Without case, as the tenant compares names of roles. */
static bool fold_roles(char *const *roles, size_t n, struct string_list *ret)
{
    int r = 0;

    for (size_t i = 0; i < n && r == 0; i++) {
        CLEANUP(freep) char *folded = text_fold(roles[i], strlen(roles[i]));
        r = string_list_add_once(ret, folded ? folded : roles[i]); /* no UTF-8: as it is */
    }
    return r == 0;
}

static bool contains_role(const struct string_list *folded, const char *role)
{
    CLEANUP(freep) char *key = text_fold(role, strlen(role));

    return string_list_contains(folded, key ? key : role);
}

#define SUGGESTIONS_MAX 20 /* each compares with every role */

/* A privileged role that no rule gives is most likely a misspelt one. */
static void check_privileged(struct config_context *c, struct settings *s,
                             const struct ruleset *rules)
{
    CLEANUP(string_list_done) struct string_list given = {0};
    const struct string_list *roles = ruleset_roles(rules);
    size_t n_looked = 0;

    if (!fold_roles(roles->items, roles->n_items, &given))
        c->result = -ENOMEM;
    for (size_t i = 0; i < s->sync.n_privileged_roles && n_looked < SUGGESTIONS_MAX; i++) {
        const char *role = s->sync.privileged_roles[i];
        if (contains_role(&given, role))
            continue;
        const char *near = text_nearest(role, (const char *const *)roles->items, roles->n_items);
        n_looked++;
        if (near)
            WARNING("guard", "privileged_roles", "no rule gives '%s'; did you mean '%s'?", role,
                    near);
    }
}

bool settings_sounds_privileged(const char *role)
{
    static const char *const words[] = {"admin",    "supervis", "manager", "superuser",
                                        "security", "owner",    "root",    "privileg"};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strcasestr(role, words[i]))
            return true;
    return false;
}

/* What rules give to anybody whom they match, and nobody has to approve. */
static void check_unprivileged(struct config_context *c, struct settings *s,
                               const struct ruleset *rules)
{
    CLEANUP(buffer_done) struct buffer names = {0};
    CLEANUP(string_list_done) struct string_list privileged = {0};
    const struct string_list *roles = ruleset_roles(rules);

    if (!fold_roles(s->sync.privileged_roles, s->sync.n_privileged_roles, &privileged))
        c->result = -ENOMEM;
    for (size_t i = 0; i < roles->n_items; i++)
        if (settings_sounds_privileged(roles->items[i]) &&
            !contains_role(&privileged, roles->items[i]))
            buffer_format(&names, "%s'%s'", names.size ? ", " : "", roles->items[i]);
    if (names.failed)
        c->result = -ENOMEM;
    else if (names.size)
        WARNING("guard", "privileged_roles",
                "rules give %s without anybody's approval, and the name sounds privileged: list "
                "it here unless everybody whom the rule matches may have it at once",
                names.data);
}

/* Such a service has no place for skills: they would be left out without a word. */
static void check_skills(struct config_context *c, const struct settings *s)
{
    for (size_t i = 0; i < s->mapping.n_rules && s->tenant.kind == TENANT_SCIM2; i++) {
        const struct mapping_rule *rule = &s->mapping.rules[i];
        const struct mapping_text *skills = rule->skills.text ? &rule->skills : &rule->skills_from;
        if (skills->text &&
            problem_add(c->problems, PROBLEM_WARNING, skills->file, skills->line, 0,
                        "rule \"%s\" gives skills, which a tenant with kind = scim2 does not have: "
                        "they are left out",
                        rule->name) < 0)
            c->result = -ENOMEM;
    }
}

static void check_mapping(struct config_context *c, struct settings *s)
{
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    CLEANUP(ruleset_freep) struct ruleset *rules = NULL;
    struct mapping_userdata u = {c, s};

    if (!schema) {
        c->result = -ENOMEM;
        return;
    }
    int r = ruleset_new(&rules, &s->mapping, schema, mapping_problem, &u);
    if (r == -ENOMEM)
        c->result = -ENOMEM;
    else if (r == 0) {
        check_privileged(c, s, rules);
        check_unprivileged(c, s, rules);
        check_skills(c, s);
    } else if (c->problems->n_errors == 0 &&
               problem_add(c->problems, PROBLEM_ERROR, c->main_file, 0, 0,
                           "the mapping cannot be used: %s", strerror(-r)) < 0)
        c->result = -ENOMEM;
}

void config_check(struct config_context *c, struct settings *s)
{
    check_bind(c, s);
    check_uris(c, s);
    check_referrals(c, s);
    check_directory_filter(c, s);
    check_tenant_keys(c, s);
    check_password(c, s);
    check_times(c, s);
    config_check_files(c, s);
    config_check_writing(c);
    check_mapping(c, s);
}
