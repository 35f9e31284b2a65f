/*
 * From the configured texts to a set of rules that can be evaluated: every part is checked and
 * every mistake reported before the answer is no. What the rules say of a person is the matter
 * of ruleset-evaluate.c.
 */
#include "config.h"

#include "mapping/ruleset.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text-map.h"
#include "mapping/problem-sink.h"
#include "mapping/ruleset-tree.h"
#include "model/schema.h"

/* Part of the fingerprint: to be raised when the same texts come to mean something else. */
#define MEANING "rosterd mapping 2"

struct builder {
    struct ruleset *rs;
    const struct mapping_options *options;
    struct problem_sink problems;
    struct text_map groups, names; /* the first struct rule, the first struct mapping_rule */
};

static void builder_done(struct builder *b)
{
    text_map_done(&b->groups);
    text_map_done(&b->names);
}

static int build_condition(struct builder *b, const struct mapping_text *t, const char *name,
                           struct ruleset_condition *ret)
{
    int r = rule_parse_filter(t, b->rs->schema, &b->problems, &ret->filter);
    if (r == 0)
        r = source_set(&ret->source, name, t->file, t->line);
    return r == 0 && ret->filter ? filter_collect(ret->filter, &b->rs->attributes) : r;
}

static int build_template(struct builder *b, enum user_field f, const struct mapping_text *t)
{
    CLEANUP(template_freep) struct template *template = NULL;
    struct ruleset_field *field = &b->rs->fields[f];
    struct error e = {0};
    char name[64];
    size_t offset;
    int r = template_parse(&template, t->text, &offset, &e);
    if (r == -EINVAL) {
        problem_tell(&b->problems, PROBLEM_ERROR, t, problem_column(&b->problems, t->text, offset),
                     "template '%s': %s", t->text, e.message);
        return 0;
    }
    if (r == 0)
        r = template_prepare(template, b->rs->schema, &b->problems, t);
    if (r == 0 && f == USER_LOGIN && !template_has_attribute(template))
        problem_tell(&b->problems, PROBLEM_ERROR, t, problem_column(&b->problems, t->text, 0),
                     "'%s' names no attribute, so that everybody would have the same login; the "
                     "value of an attribute is written ${uid}",
                     t->text);
    if (r == 0)
        r = template_collect(template, &b->rs->attributes);
    snprintf(name, sizeof(name), "[user] %s", user_field_name(f));
    if (r == 0)
        r = source_set(&field->source, name, t->file, t->line);
    if (r == 0)
        field->template = TAKE(template);
    return r;
}

static int build_fields(struct builder *b)
{
    for (int i = 0; i < USER_N_FIELDS; i++) {
        enum user_field f = (enum user_field)i;
        const struct mapping_text *t = &b->options->fields[f];
        bool mandatory = f == USER_LOGIN || f == USER_FIRST_NAME || f == USER_LAST_NAME;
        if (f == USER_TEAM)
            continue; /* comes from rules */
        if (mapping_text_is_set(t)) {
            int r = build_template(b, f, t);
            if (r < 0)
                return r;
        } else if (mandatory) {
            problem_tell(&b->problems, PROBLEM_ERROR, t->file ? t : NULL, 0,
                         "[user] %s is not set; the tenant asks for it, and a template such as "
                         "${%s} is expected",
                         user_field_name(f),
                         f == USER_LOGIN        ? "uid"
                         : f == USER_FIRST_NAME ? "givenName"
                                                : "sn");
        }
    }
    return 0;
}

static int build_time(struct builder *b, const struct mapping_text *t, const char *key,
                      struct attribute_name *ret, struct source *ret_source)
{
    struct ruleset *rs = b->rs;
    int r = rule_parse_attribute(t, rs->schema, &b->problems, ret);
    if (r < 0 || !ret->written)
        return r;
    r = source_set(ret_source, key, t->file, t->line);
    return r < 0 ? r : string_list_add_name(&rs->attributes, ret->canonical);
}

static int add_group(struct builder *b, struct rule *rule)
{
    struct ruleset *rs = b->rs;
    const void *first;
    if (text_map_add(&b->groups, rule->group_key, rule, &first) < 0)
        return -ENOMEM;
    if (first != rule) {
        rule->group = ((const struct rule *)first)->group;
        return 0;
    }
    int r = memory_grow(&rs->groups, &rs->groups_capacity, rs->n_groups + 1, sizeof(*rs->groups));
    if (r < 0)
        return r;
    rule->group = rs->n_groups;
    rs->groups[rs->n_groups++] = (struct ruleset_group){
        .dn = rule->group_dn,
        .key = rule->group_key,
        .rule = rule->source.rule,
        .file = rule->group_source.file,
        .line = rule->group_source.line,
    };
    return 0;
}

/* What the whole set must know of one rule. */
static int register_rule(struct builder *b, struct rule *rule)
{
    struct ruleset *rs = b->rs;
    int r = rule->group_dn ? add_group(b, rule) : 0;
    if (r == 0 && rule->when)
        r = filter_collect(rule->when, &rs->attributes);
    if (r == 0 && rule->skills_from.written)
        r = string_list_add_name(&rs->attributes, rule->skills_from.canonical);
    if (r == 0 && rule->team)
        r = string_list_add_once(&rs->teams, rule->team);
    for (size_t i = 0; r == 0 && i < rule->roles.n_items; i++)
        r = string_list_add_once(&rs->roles, rule->roles.items[i]);
    for (size_t i = 0; r == 0 && i < rule->skills.n_items; i++)
        r = string_list_add_once(&rs->skills, rule->skills.items[i].name);
    return r;
}

static int check_name_is_new(struct builder *b, const struct mapping_rule *rule)
{
    struct mapping_text section = {.file = rule->file, .line = rule->line};
    const void *found;
    if (text_map_add(&b->names, rule->name, rule, &found) < 0)
        return -ENOMEM;
    const struct mapping_rule *first = found;
    if (first != rule)
        problem_tell(&b->problems, PROBLEM_ERROR, &section, 0,
                     "there is a rule '%s' already, in line %u of %s; names must differ",
                     rule->name, first->line, first->file);
    return 0;
}

static int build_rules(struct builder *b)
{
    struct ruleset *rs = b->rs;
    bool team = false;
    rs->rules = calloc(b->options->n_rules + 1, sizeof(*rs->rules));
    if (!rs->rules)
        return -ENOMEM;
    for (size_t i = 0; i < b->options->n_rules; i++) {
        struct rule *rule = &rs->rules[rs->n_rules++];
        int r = rule_init(rule, &b->options->rules[i], rs->schema, &b->problems);
        if (r == 0)
            r = check_name_is_new(b, &b->options->rules[i]);
        if (r == 0)
            r = register_rule(b, rule);
        if (r < 0)
            return r;
        team = team || mapping_text_is_set(&b->options->rules[i].team);
    }
    if (!team)
        problem_tell(&b->problems, PROBLEM_ERROR, NULL, 0,
                     "no rule gives a team, so nobody could be a user; a section [rule \"NAME\"] "
                     "with 'team = …' is expected");
    return 0;
}

/* As the tenant compares them. */
static int add_folded(struct string_list *l, const char *role)
{
    CLEANUP(freep) char *folded = text_fold(role, strlen(role));
    return folded ? string_list_add_once(l, folded) : -ENOMEM;
}

static int check_conflict(struct builder *b, const struct mapping_rule *o, const struct rule *c,
                          const struct string_list *folded)
{
    struct mapping_text section = {.file = o->file, .line = o->line};
    bool given = false;
    for (size_t i = 0; i < c->roles.n_items && !given; i++) {
        CLEANUP(freep) char *role = text_fold(c->roles.items[i], strlen(c->roles.items[i]));
        if (!role)
            return -ENOMEM;
        given = string_list_contains(folded, role);
    }
    if (c->roles.n_items < 2)
        problem_tell(&b->problems, PROBLEM_ERROR, &section, 0,
                     "the conflict '%s' names %zu roles in 'roles = …'; two or more are expected",
                     o->name, c->roles.n_items);
    else if (!given)
        problem_tell(&b->problems, PROBLEM_WARNING, &o->roles, 0,
                     "no rule gives any of the roles of the conflict '%s', so it holds nobody",
                     o->name);
    return 0;
}

/* Only the roles of it are a rule's. */
static int build_conflicts(struct builder *b)
{
    struct ruleset *rs = b->rs;
    size_t n = b->options->n_conflicts;
    rs->conflict_rules = calloc(n + 1, sizeof(*rs->conflict_rules));
    rs->conflicts = calloc(n + 1, sizeof(*rs->conflicts));
    CLEANUP(string_list_done) struct string_list folded = {0};
    int r = rs->conflict_rules && rs->conflicts ? 0 : -ENOMEM;
    for (size_t i = 0; n > 0 && r == 0 && i < rs->roles.n_items; i++)
        r = add_folded(&folded, rs->roles.items[i]);
    for (size_t i = 0; i < n && r == 0; i++) {
        const struct mapping_rule *o = &b->options->conflicts[i];
        struct rule *c = &rs->conflict_rules[rs->n_conflicts];
        r = rule_init_roles(c, o, &b->problems);
        rs->conflicts[rs->n_conflicts++] = (struct ruleset_conflict){.name = c->source.rule,
                                                                     .file = c->source.file,
                                                                     .line = c->source.line,
                                                                     .roles = &c->roles};
        if (r == 0)
            r = check_conflict(b, o, c, &folded);
    }
    return r;
}

static void add_part(struct buffer *b, const char *key, const struct mapping_text *t)
{
    if (mapping_text_is_set(t))
        buffer_format(b, "%s %zu:%s\n", key, strlen(t->text), t->text);
}

static void add_rule(struct buffer *b, const struct mapping_rule *rule)
{
    buffer_format(b, "rule %zu:%s\n", strlen(rule->name), rule->name);
    add_part(b, "group", &rule->group);
    add_part(b, "when", &rule->when);
    add_part(b, "team", &rule->team);
    add_part(b, "roles", &rule->roles);
    add_part(b, "skills", &rule->skills);
    add_part(b, "skills_from", &rule->skills_from);
}

static void add_frame(struct buffer *b, const struct mapping_options *o)
{
    buffer_format(b, "%s\nempty %d\n", MEANING, (int)o->empty);
    add_part(b, "scope", &o->scope_when);
    add_part(b, "disabled", &o->disabled_when);
    add_part(b, "revoke", &o->revoke_when);
    add_part(b, "expires", &o->account_expires);
    add_part(b, "starts", &o->starts_at);
    for (size_t i = 0; i < o->n_conflicts; i++) {
        buffer_format(b, "conflict %zu:%s\n", strlen(o->conflicts[i].name), o->conflicts[i].name);
        add_part(b, "roles", &o->conflicts[i].roles);
    }
    for (int f = 0; f < USER_N_FIELDS; f++)
        add_part(b, user_field_name((enum user_field)f), &o->fields[f]);
}

/* Of a buffer that something was written to. */
static int digest_buffer(char ret[static DIGEST_TEXT_SIZE], const struct buffer *b)
{
    return b->failed ? -ENOMEM : digest_text(ret, b->data);
}

static int build_digests(struct builder *b)
{
    for (size_t i = 0; i < b->rs->n_rules; i++) {
        CLEANUP(buffer_done) struct buffer text = {0};
        add_rule(&text, &b->options->rules[i]);
        int r = digest_buffer(b->rs->rules[i].digest, &text);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Lines and file names are left out: moving a rule down a line changes nobody. */
static int build_fingerprint(struct builder *b)
{
    const struct mapping_options *o = b->options;
    CLEANUP(buffer_done) struct buffer all = {0}, frame = {0};
    CLEANUP(freep) char *schema = schema_to_json(b->rs->schema);
    if (!schema)
        return -ENOMEM;
    add_frame(&all, o);
    for (size_t i = 0; i < o->n_rules; i++)
        add_rule(&all, &o->rules[i]);
    buffer_add_text(&all, schema);
    add_frame(&frame, o);
    buffer_add_text(&frame, schema);
    int r = build_digests(b);
    if (r == 0)
        r = digest_buffer(b->rs->frame, &frame);
    return r < 0 ? r : digest_buffer(b->rs->fingerprint, &all);
}

static int build(struct builder *b)
{
    const struct mapping_options *o = b->options;
    b->rs->empty = o->empty;
    int r = build_condition(b, &o->scope_when, "[scope] when", &b->rs->scope);
    if (r == 0)
        r = build_fields(b);
    if (r == 0)
        r = build_condition(b, &o->disabled_when, "[user] disabled_when", &b->rs->disabled);
    if (r == 0)
        r = build_condition(b, &o->revoke_when, "[lifecycle] revoke_when", &b->rs->revoke);
    if (r == 0)
        r = build_time(b, &o->account_expires, "[user] expires_at", &b->rs->expires_at,
                       &b->rs->expires_source);
    if (r == 0)
        r = build_time(b, &o->starts_at, "[user] starts_at", &b->rs->starts_at,
                       &b->rs->starts_source);
    if (r == 0)
        r = build_rules(b);
    if (r == 0)
        r = build_conflicts(b);
    return r < 0 ? r : build_fingerprint(b);
}

static void ruleset_freep(struct ruleset **rs)
{
    ruleset_free(*rs);
}

int ruleset_new(struct ruleset **ret, const struct mapping_options *options,
                const struct schema *schema, problem_fn problem, void *userdata)
{
    CLEANUP(ruleset_freep) struct ruleset *rs = calloc(1, sizeof(*rs));
    if (!rs)
        return -ENOMEM;
    rs->schema = schema;
    CLEANUP(builder_done)
    struct builder b = {
        .rs = rs, .options = options, .problems = {.report = problem, .userdata = userdata}};
    int r = build(&b);
    if (r < 0)
        return r;
    if (b.problems.failed)
        return -EINVAL;
    *ret = TAKE(rs);
    return 0;
}

struct ruleset *ruleset_free(struct ruleset *rs)
{
    if (!rs)
        return NULL;
    filter_free(rs->scope.filter);
    source_done(&rs->scope.source);
    filter_free(rs->disabled.filter);
    source_done(&rs->disabled.source);
    filter_free(rs->revoke.filter);
    source_done(&rs->revoke.source);
    for (int f = 0; f < USER_N_FIELDS; f++) {
        template_free(rs->fields[f].template);
        source_done(&rs->fields[f].source);
    }
    attribute_name_done(&rs->expires_at);
    source_done(&rs->expires_source);
    attribute_name_done(&rs->starts_at);
    source_done(&rs->starts_source);
    for (size_t i = 0; i < rs->n_conflicts; i++)
        rule_done(&rs->conflict_rules[i]);
    free(rs->conflict_rules);
    free(rs->conflicts);
    for (size_t i = 0; i < rs->n_rules; i++)
        rule_done(&rs->rules[i]);
    free(rs->rules);
    free(rs->groups);
    string_list_done(&rs->attributes);
    string_list_done(&rs->teams);
    string_list_done(&rs->roles);
    string_list_done(&rs->skills);
    free(rs);
    return NULL;
}

const char *ruleset_fingerprint(const struct ruleset *rs)
{
    return rs->fingerprint;
}

const char *ruleset_revoke_filter(const struct ruleset *rs)
{
    return rs->revoke.filter ? rs->revoke.filter->text : NULL;
}

int ruleset_is_told(const struct ruleset *rs, struct verdict *v)
{
    if (!rs->revoke.filter || v->revoked)
        return 0;
    v->revoked = true;
    return source_copy(&v->revoke_source, &rs->revoke.source);
}

const struct string_list *ruleset_attributes(const struct ruleset *rs)
{
    return &rs->attributes;
}

const struct ruleset_conflict *ruleset_conflicts(const struct ruleset *rs, size_t *ret_n)
{
    *ret_n = rs->n_conflicts;
    return rs->conflicts;
}

bool ruleset_reads_clock(const struct ruleset *rs)
{
    return rs->expires_at.written != NULL || rs->starts_at.written != NULL;
}

const struct ruleset_group *ruleset_groups(const struct ruleset *rs, size_t *ret_n)
{
    *ret_n = rs->n_groups;
    return rs->groups;
}

bool ruleset_names_role(const struct ruleset *rs, const char *role)
{
    return string_list_contains(&rs->roles, role);
}

bool ruleset_names_skill(const struct ruleset *rs, const char *skill)
{
    return string_list_contains(&rs->skills, skill);
}

const struct string_list *ruleset_teams(const struct ruleset *rs)
{
    return &rs->teams;
}

const struct string_list *ruleset_roles(const struct ruleset *rs)
{
    return &rs->roles;
}

const struct string_list *ruleset_skills(const struct ruleset *rs)
{
    return &rs->skills;
}
