/*
 * A rule from its raw texts to a checked form, with every mistake reported at its place. It
 * does not evaluate; nor does it know of the other rules.
 */
#include "config.h"

#include "mapping/rule.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "mapping/options.h"
#include "mapping/problem-sink.h"
#include "model/dn.h"

bool mapping_text_is_set(const struct mapping_text *t)
{
    return t->text && t->text[strspn(t->text, " \t")];
}

int rule_parse_filter(const struct mapping_text *t, const struct schema *schema,
                      struct problem_sink *problems, struct filter **ret)
{
    CLEANUP(filter_freep) struct filter *f = NULL;
    struct error e = {0};
    size_t offset;
    if (!mapping_text_is_set(t))
        return 0;
    int r = filter_parse(&f, t->text, &offset, &e);
    if (r == -EINVAL) {
        problem_tell(problems, PROBLEM_ERROR, t, problem_column(problems, t->text, offset),
                     "filter '%s': %s", t->text, e.message);
        return 0;
    }
    if (r < 0)
        return r;
    r = filter_prepare(f, schema, problems, t);
    if (r < 0)
        return r;
    if (!filter_can_match(f))
        problem_tell(
            problems, PROBLEM_UNDECIDABLE, t, problem_column(problems, t->text, 0),
            "filter '%s' can never match, so the rule would do something that nobody meant: correct it, or take it out",
            t->text);
    *ret = TAKE(f);
    return 0;
}

int rule_parse_attribute(const struct mapping_text *t, const struct schema *schema,
                         struct problem_sink *problems, struct attribute_name *ret)
{
    if (!mapping_text_is_set(t))
        return 0;
    size_t from = strspn(t->text, " \t");
    size_t size = attribute_name_size(t->text + from);
    size_t end = from + size;
    unsigned column = problem_column(problems, t->text, from);
    if (size == 0 || t->text[end + strspn(t->text + end, " \t")]) {
        problem_tell(problems, PROBLEM_ERROR, t, problem_column(problems, t->text, end),
                     "'%s' is not the name of an attribute", t->text);
        return 0;
    }
    int r = attribute_name_init(ret, t->text + from, size);
    if (r == 0)
        r = attribute_name_resolve(ret, schema);
    if (r == 0)
        attribute_name_check(ret, schema, PROBLEM_WARNING, problems, t, column);
    return r;
}

/* The place that a value of the rule came from; the section where the key has no line. */
static int set_source(struct source *s, const struct mapping_rule *o, const struct mapping_text *t)
{
    return source_set(s, o->name, t->file ? t->file : o->file, t->line ? t->line : o->line);
}

static int init_group(struct rule *rule, const struct mapping_rule *o, const struct schema *schema,
                      struct problem_sink *problems)
{
    struct error e = {0};
    if (!mapping_text_is_set(&o->group))
        return 0;
    int r = dn_key(schema, o->group.text, &rule->group_key, &e);
    if (r == -EINVAL) {
        problem_tell(problems, PROBLEM_ERROR, &o->group, 0, "%s", e.message);
        return 0;
    }
    if (r < 0)
        return r;
    rule->group_dn = strdup(o->group.text);
    return rule->group_dn ? 0 : -ENOMEM;
}

/* What the tenant would refuse anyway, or what was meant as something else. */
static bool check_name(const char *name, const char *what, const struct mapping_text *t,
                       size_t offset, struct problem_sink *problems)
{
    unsigned column = problem_column(problems, t->text, offset);
    size_t size = strlen(name);
    if (size > SKILL_NAME_MAX)
        problem_tell(problems, PROBLEM_ERROR, t, column, "the %s is longer than %d bytes", what,
                     SKILL_NAME_MAX);
    else if (!text_is_utf8(name, size) || text_has_control(name, size))
        problem_tell(problems, PROBLEM_ERROR, t, column,
                     "'%s': a %s is UTF-8 text without control characters", name, what);
    else if (strstr(name, "${"))
        problem_tell(problems, PROBLEM_ERROR, t, column,
                     "'%s': a %s is a plain name; templates are possible under [user] only", name,
                     what);
    else
        return true;
    return false;
}

static int init_team(struct rule *rule, const struct mapping_rule *o, struct problem_sink *problems)
{
    if (!mapping_text_is_set(&o->team) || !check_name(o->team.text, "team", &o->team, 0, problems))
        return 0;
    rule->team = strdup(o->team.text);
    return rule->team ? 0 : -ENOMEM;
}

static int add_role(struct rule *rule, const struct list_element *x, const struct mapping_text *t,
                    struct problem_sink *problems)
{
    if (x->rest[0]) {
        problem_tell(problems, PROBLEM_ERROR, t, problem_column(problems, t->text, x->rest_at),
                     "'%s' follows the closing quote; ',' is expected", x->rest);
        return 0;
    }
    if (!check_name(x->text, "role", t, x->at, problems))
        return 0;
    return string_list_add_once(&rule->roles, x->text);
}

static int add_skill(struct rule *rule, const struct list_element *x, const struct mapping_text *t,
                     struct problem_sink *problems)
{
    CLEANUP(freep) char *name = NULL;
    struct error e = {0};
    unsigned level;
    size_t offset;
    int r = skill_from_element(x, &name, &level, &offset, &e);
    if (r == -EINVAL) {
        problem_tell(problems, PROBLEM_ERROR, t, problem_column(problems, t->text, offset), "%s",
                     e.message);
        return 0;
    }
    if (r < 0 || !check_name(name, "skill", t, x->at, problems))
        return r;
    return skill_list_add(&rule->skills, name, level);
}

typedef int (*add_fn)(struct rule *rule, const struct list_element *x, const struct mapping_text *t,
                      struct problem_sink *problems);

static int init_list(struct rule *rule, const struct mapping_text *t, add_fn add,
                     struct problem_sink *problems)
{
    size_t at = 0;
    while (mapping_text_is_set(t)) {
        struct list_element x = {0};
        struct error e = {0};
        size_t offset = 0;
        int r = list_next(t->text, &at, &x, &offset, &e);
        if (r == -EINVAL) {
            problem_tell(problems, PROBLEM_ERROR, t, problem_column(problems, t->text, offset),
                         "'%s': %s", t->text, e.message);
            continue;
        }
        if (r <= 0)
            return r;
        r = add(rule, &x, t, problems);
        list_element_done(&x);
        if (r < 0)
            return r;
    }
    return 0;
}

static int init_sources(struct rule *rule, const struct mapping_rule *o)
{
    int r = source_set(&rule->source, o->name, o->file, o->line);
    if (r == 0)
        r = set_source(&rule->group_source, o, &o->group);
    if (r == 0)
        r = set_source(&rule->team_source, o, &o->team);
    if (r == 0)
        r = set_source(&rule->roles_source, o, &o->roles);
    if (r == 0)
        r = set_source(&rule->skills_source, o, &o->skills);
    if (r == 0)
        r = set_source(&rule->skills_from_source, o, &o->skills_from);
    return r;
}

int rule_init(struct rule *rule, const struct mapping_rule *o, const struct schema *schema,
              struct problem_sink *problems)
{
    *rule = (struct rule){0};
    int r = init_sources(rule, o);
    if (r == 0)
        r = init_group(rule, o, schema, problems);
    if (r == 0)
        r = rule_parse_filter(&o->when, schema, problems, &rule->when);
    if (r == 0)
        r = init_team(rule, o, problems);
    if (r == 0)
        r = init_list(rule, &o->roles, add_role, problems);
    if (r == 0)
        r = init_list(rule, &o->skills, add_skill, problems);
    if (r == 0)
        r = rule_parse_attribute(&o->skills_from, schema, problems, &rule->skills_from);
    if (r < 0)
        return r;
    if (!mapping_text_is_set(&o->team) && !mapping_text_is_set(&o->roles) &&
        !mapping_text_is_set(&o->skills) && !mapping_text_is_set(&o->skills_from)) {
        struct mapping_text section = {.file = o->file, .line = o->line};
        problem_tell(problems, PROBLEM_WARNING, &section, 0,
                     "rule '%s' gives nothing: it has no team, roles, skills or skills_from",
                     o->name);
    }
    return 0;
}

int rule_init_roles(struct rule *rule, const struct mapping_rule *o, struct problem_sink *problems)
{
    *rule = (struct rule){0};
    int r = init_sources(rule, o);
    return r < 0 ? r : init_list(rule, &o->roles, add_role, problems);
}

void rule_done(struct rule *rule)
{
    source_done(&rule->source);
    source_done(&rule->group_source);
    source_done(&rule->team_source);
    source_done(&rule->roles_source);
    source_done(&rule->skills_source);
    source_done(&rule->skills_from_source);
    free(rule->group_dn);
    free(rule->group_key);
    filter_free(rule->when);
    free(rule->team);
    string_list_done(&rule->roles);
    skill_list_done(&rule->skills);
    attribute_name_done(&rule->skills_from);
    *rule = (struct rule){0};
}
