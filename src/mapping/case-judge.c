/*
 * A case before the rules: what they make of it, and where that is not what is expected. The
 * schema is the built-in one with what the case says of the server's, so no server is asked.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "mapping/case.h"
#include "mapping/options.h"
#include "model/dn.h"
#include "model/entry.h"
#include "model/user.h"

static const char *const matching_names[] = {
    [0] = "-",
    [MATCHING_CASE_IGNORE] = "case-ignore",
    [MATCHING_CASE_EXACT] = "case-exact",
    [MATCHING_INTEGER] = "integer",
    [MATCHING_BOOLEAN] = "boolean",
    [MATCHING_DN] = "dn",
    [MATCHING_OCTETS] = "octets",
    [MATCHING_TIME] = "time",
    [MATCHING_NUMERIC] = "numeric",
    [MATCHING_TELEPHONE] = "telephone",
    [MATCHING_FILETIME] = "filetime",
    [MATCHING_LIST] = "list",
    [MATCHING_UUID] = "uuid",
    [MATCHING_OID] = "oid",
    [MATCHING_TELEPHONE_EXACT] = "telephone-exact",
    [MATCHING_IA5_IGNORE] = "ascii-ignore",
    [MATCHING_IA5_EXACT] = "ascii-exact",
};

static int parse_matching(const char *word, enum matching *ret, struct error *e)
{
    for (size_t i = 0; i < ARRAY_SIZE(matching_names); i++)
        if (strcmp(matching_names[i], word) == 0) {
            *ret = (enum matching)i;
            return 0;
        }
    return error_set(e, -EINVAL, "'%s' is not a way to compare values; rosterd.case(5) lists them",
                     word);
}

/* The rules have finer kinds than what a type is stored as. */
static enum matching plain(enum matching m)
{
    return m > MATCHING_FILETIME ? MATCHING_CASE_IGNORE : m;
}

/* "NAME[,NAME…] VALUES [EQUALITY ORDERING SUBSTRINGS]" */
static int add_attribute(struct schema *s, const char *line, struct error *e)
{
    CLEANUP(freep) char *copy = strdup(line);
    char *rest = copy, *names = copy ? strsep(&rest, " ") : NULL, *word;
    const char *list[8];
    enum matching m[4] = {0};
    size_t n_names = 0, n = 0;
    int r = 0;

    if (!copy)
        return error_out_of_memory(e);
    for (char *name; n_names < ARRAY_SIZE(list) && (name = strsep(&names, ","));)
        list[n_names++] = name;
    while (r == 0 && n < 4 && (word = strsep(&rest, " ")))
        if (*word)
            r = parse_matching(word, &m[n++], e);
    if (r == 0 && (rest || (n != 1 && n != 4) || m[0] == 0))
        r = error_set(
            e, -EINVAL,
            "'%s': NAME and how its values are compared is expected, in one word or in four", line);
    if (r < 0)
        return r;
    struct schema_rules rules = {m[0], m[1], m[2], m[3]};
    r = schema_add(s, NULL, list, n_names, plain(m[0]), false);
    if (r == 0 && n == 4)
        r = schema_set_rules(s, list[0], &rules, NULL);
    return r < 0 ? error_set(e, r, "the attribute '%s' cannot be taken: %s", line, strerror(-r))
                 : 0;
}

static int make_schema(const struct mapping_case *c, struct schema **ret, struct error *e)
{
    CLEANUP(schema_freep) struct schema *s = schema_new();
    int r = s ? 0 : error_out_of_memory(e);

    if (r == 0)
        schema_set_kind(s, c->server);
    for (size_t i = 0; r == 0 && i < c->attributes.n_items; i++)
        r = add_attribute(s, c->attributes.items[i], e);
    if (r == 0)
        *ret = TAKE(s);
    return r;
}

int case_describe_schema(struct mapping_case *c, const struct ruleset *rules,
                         const struct schema *schema)
{
    CLEANUP(schema_freep) struct schema *usual = schema_new();
    const struct string_list *names = ruleset_attributes(rules);
    int r = usual ? 0 : -ENOMEM;

    if (r < 0)
        return r;
    c->server = schema_kind(schema);
    schema_set_kind(usual, c->server);
    for (size_t i = 0; r == 0 && i < names->n_items; i++) {
        CLEANUP(buffer_done) struct buffer b = {0};
        const char *name = names->items[i];
        struct schema_rules there = schema_rules(schema, name), here = schema_rules(usual, name);
        if (schema_matching(schema, name) == schema_matching(usual, name) &&
            there.values == here.values && there.equality == here.equality &&
            there.ordering == here.ordering && there.substrings == here.substrings)
            continue;
        buffer_format(&b, "%s %s %s %s %s", name, matching_names[there.values],
                      matching_names[there.equality], matching_names[there.ordering],
                      matching_names[there.substrings]);
        r = b.failed ? -ENOMEM : string_list_add(&c->attributes, b.data);
    }
    return r;
}

static bool holds(const struct string_list *dns, const char *key, const struct schema *schema)
{
    for (size_t i = 0; i < dns->n_items; i++) {
        CLEANUP(freep) char *own = NULL;
        struct error e = {0};
        if (dn_key(schema, dns->items[i], &own, &e) == 0 && text_equal(own, key))
            return true;
    }
    return false;
}

/* The configuration was checked before; what its texts are is said there. */
static void drop_problem(const struct problem *p, void *userdata)
{
    if (p->level == PROBLEM_ERROR)
        error_set(userdata, 0, "%s:%u: %s", p->file, p->line, p->sentence);
}

int case_judge(const struct mapping_case *c, const struct mapping_options *options, bool explain,
               struct verdict *ret, struct error *e)
{
    CLEANUP(schema_freep) struct schema *schema = NULL;
    struct ruleset *rules = NULL;
    size_t n = 0;
    int r = make_schema(c, &schema, e);

    if (r == 0)
        r = ruleset_new(&rules, options, schema, drop_problem, e);
    if (r == -ENOMEM)
        error_out_of_memory(e);
    if (r < 0)
        return r;
    const struct ruleset_group *groups = ruleset_groups(rules, &n);
    struct membership *m = calloc(n + 1, sizeof(*m));
    for (size_t i = 0; m && i < n; i++) {
        m[i].state = holds(&c->missing, groups[i].key, schema) ? GROUP_MISSING : GROUP_PRESENT;
        m[i].member = m[i].state == GROUP_PRESENT && holds(&c->groups, groups[i].key, schema);
    }
    r = m ? ruleset_evaluate(rules, c->entry, m, c->has_time ? c->time_usec : clock_now_usec(),
                             explain, ret, e)
          : error_out_of_memory(e);
    free(m);
    ruleset_free(rules);
    return r;
}

void case_differences_done(struct case_differences *d)
{
    for (size_t i = 0; i < d->n_items; i++) {
        free(d->items[i].field);
        free(d->items[i].expected);
        free(d->items[i].got);
        source_done(&d->items[i].source);
    }
    free(d->items);
    *d = (struct case_differences){0};
}

static int add(struct case_differences *d, const char *field, const char *name,
               const char *expected, const char *got, const struct source *source)
{
    CLEANUP(buffer_done) struct buffer b = {0};

    if (text_equal(expected, got))
        return 0;
    if (memory_grow(&d->items, &d->capacity, d->n_items + 1, sizeof(*d->items)) < 0)
        return -ENOMEM;
    struct case_difference *x = &d->items[d->n_items++];
    *x = (struct case_difference){0};
    buffer_format(&b, "%s%s%s", field, name ? " " : "", name ? name : "");
    x->field = buffer_take(&b);
    x->expected = expected ? strdup(expected) : NULL;
    x->got = got ? strdup(got) : NULL;
    bool fine = x->field && (!expected || x->expected) && (!got || x->got);
    return fine && (!source || source_copy(&x->source, source) == 0) ? 0 : -ENOMEM;
}

static int compare_roles(const struct user *a, const struct user *b, struct case_differences *d)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < a->n_roles; i++)
        if (!user_role(b, a->roles[i].name))
            r = add(d, "role", NULL, a->roles[i].name, NULL, NULL);
    for (size_t i = 0; r == 0 && i < b->n_roles; i++)
        if (!user_role(a, b->roles[i].name))
            r = add(d, "role", NULL, NULL, b->roles[i].name, &b->roles[i].source);
    return r;
}

static const char *level_text(const struct user_skill *s, char buffer[static 16])
{
    return s ? (snprintf(buffer, 16, "%u", s->level), buffer) : NULL;
}

static int compare_skills(const struct user *a, const struct user *b, struct case_differences *d)
{
    char one[16], two[16];
    int r = 0;

    for (size_t i = 0; r == 0 && i < a->n_skills; i++) {
        const struct user_skill *got = user_skill(b, a->skills[i].name);
        r = add(d, "skill", a->skills[i].name, level_text(&a->skills[i], one), level_text(got, two),
                got ? &got->source : NULL);
    }
    for (size_t i = 0; r == 0 && i < b->n_skills; i++)
        if (!user_skill(a, b->skills[i].name))
            r = add(d, "skill", b->skills[i].name, NULL, level_text(&b->skills[i], two),
                    &b->skills[i].source);
    return r;
}

static int compare_users(const struct user *a, const struct user *b, struct case_differences *d)
{
    int r = 0;

    for (int f = 0; r == 0 && f < USER_N_FIELDS; f++)
        r = add(d, user_field_name((enum user_field)f), NULL, user_get(a, (enum user_field)f),
                user_get(b, (enum user_field)f), &b->fields[f].source);
    if (r == 0)
        r = compare_roles(a, b, d);
    if (r == 0)
        r = compare_skills(a, b, d);
    return r < 0 ? r
                 : add(d, "disabled", NULL, a->disabled ? "yes" : "no", b->disabled ? "yes" : "no",
                       &b->disabled_source);
}

static const char *verdict_text(enum verdict_kind kind, const char *code, char buffer[static 64])
{
    (void)snprintf(buffer, 64, "%s%s%s",
                   kind == VERDICT_USER   ? "user"
                   : kind == VERDICT_SKIP ? "skip"
                                          : "invalid",
                   code ? " " : "", code ? code : "");
    return buffer;
}

int case_compare(const struct mapping_case *c, const struct verdict *v,
                 struct case_differences *ret)
{
    char expected[64], got[64];
    /* Without a code any will do. */
    int r =
        add(ret, "verdict", NULL, verdict_text(c->expected, c->code, expected),
            verdict_text(v->kind, c->code || v->kind != c->expected ? v->code : NULL, got), NULL);

    if (r == 0 && c->expected == VERDICT_USER && v->kind == VERDICT_USER)
        r = compare_users(c->user, v->user, ret);
    return r < 0 ? r
                 : add(ret, "revoked", NULL, c->revoked ? "yes" : "no", v->revoked ? "yes" : "no",
                       &v->revoke_source);
}

int case_expect(struct mapping_case *c, const struct verdict *v)
{
    user_free(c->user);
    free(c->code);
    c->expected = v->kind;
    c->revoked = v->revoked;
    c->code = v->code ? strdup(v->code) : NULL;
    c->user = v->user ? user_copy(v->user) : user_new();
    return c->user && (!v->code || c->code) ? 0 : -ENOMEM;
}
