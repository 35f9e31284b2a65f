/*
 * Rules at the beginning and at the end that are the same by both rulesets apply to the same
 * people, in the same order, as before. So a verdict can differ only for whom a rule between
 * them applies to, of either ruleset, or for whom nothing can be said about that.
 */
#include "config.h"

#include "mapping/difference.h"

#include <errno.h>
#include <stdlib.h>

#include "base/memory.h"
#include "mapping/ruleset-tree.h"

struct ruleset_difference {
    const struct schema *schema;
    const struct rule **rules; /* those without a group */
    size_t n_rules, capacity;
    struct string_list groups, roles, skills;
};

struct ruleset_difference *ruleset_difference_free(struct ruleset_difference *d)
{
    if (!d)
        return NULL;
    free(d->rules);
    string_list_done(&d->groups);
    string_list_done(&d->roles);
    string_list_done(&d->skills);
    free(d);
    return NULL;
}

static void ruleset_difference_freep(struct ruleset_difference **d)
{
    ruleset_difference_free(*d);
}

static int add_rules(struct ruleset_difference *d, const struct ruleset *rs, size_t from, size_t to)
{
    int r = 0;
    for (size_t i = from; i < to && r == 0; i++) {
        const struct rule *rule = &rs->rules[i];
        if (rule->group_dn) {
            r = string_list_add_once(&d->groups, rule->group_key);
            continue;
        }
        r = memory_grow(&d->rules, &d->capacity, d->n_rules + 1, sizeof(struct rule *));
        if (r == 0)
            d->rules[d->n_rules++] = rule;
    }
    return r;
}

/* What one of them names and the other does not. */
static int add_names(struct string_list *ret, const struct string_list *a,
                     const struct string_list *b)
{
    const struct string_list *const lists[] = {a, b, a};
    int r = 0;
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < lists[k]->n_items && r == 0; i++)
            if (!string_list_contains(lists[k + 1], lists[k]->items[i]))
                r = string_list_add_once(ret, lists[k]->items[i]);
    return r;
}

int ruleset_compare(struct ruleset_difference **ret, const struct ruleset *before,
                    const struct ruleset *now)
{
    size_t n = before->n_rules < now->n_rules ? before->n_rules : now->n_rules;
    size_t head = 0, tail = 0;
    *ret = NULL;
    if (before->schema != now->schema || !text_equal(before->frame, now->frame))
        return 0;
    while (head < n && text_equal(before->rules[head].digest, now->rules[head].digest))
        head++;
    while (tail < n - head && text_equal(before->rules[before->n_rules - tail - 1].digest,
                                         now->rules[now->n_rules - tail - 1].digest))
        tail++;
    CLEANUP(ruleset_difference_freep)
    struct ruleset_difference *d = calloc(1, sizeof(*d));
    if (!d)
        return -ENOMEM;
    d->schema = now->schema;
    int r = add_rules(d, before, head, before->n_rules - tail);
    if (r == 0)
        r = add_rules(d, now, head, now->n_rules - tail);
    if (r == 0)
        r = add_names(&d->roles, &before->roles, &now->roles);
    if (r == 0)
        r = add_names(&d->skills, &before->skills, &now->skills);
    if (r == 0)
        *ret = TAKE(d);
    return r;
}

const struct string_list *ruleset_difference_groups(const struct ruleset_difference *d)
{
    return &d->groups;
}

bool ruleset_difference_reads_entries(const struct ruleset_difference *d)
{
    return d->n_rules;
}

bool ruleset_difference_reads_users(const struct ruleset_difference *d)
{
    return d->roles.n_items || d->skills.n_items;
}

int ruleset_difference_touches_entry(const struct ruleset_difference *d, const struct entry *entry)
{
    struct subject subject;
    int r = subject_init(&subject, entry, d->schema), touched = 0;
    if (r < 0)
        return r;
    for (size_t i = 0; i < d->n_rules && r >= 0 && !touched; i++) {
        r = d->rules[i]->when ? filter_evaluate(d->rules[i]->when, &subject) : FILTER_TRUE;
        touched = r != FILTER_FALSE; /* also when nobody can tell */
    }
    subject_done(&subject);
    return r < 0 ? r : touched;
}

bool ruleset_difference_touches_user(const struct ruleset_difference *d, const struct user *user)
{
    for (size_t i = 0; i < d->roles.n_items; i++)
        if (user_role(user, d->roles.items[i]))
            return true;
    for (size_t i = 0; i < d->skills.n_items; i++)
        if (user_skill(user, d->skills.items[i]))
            return true;
    return false;
}
