/*
 * A case that may be shown to others: the words that tell who the person is are replaced, each
 * by the same other word wherever it stands, unless the verdict hangs on it. Whether it does is
 * not guessed but tried: the rules are run on the result.
 */
#include "config.h"

#include "mapping/case-disguise.h"

#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "mapping/case.h"
#include "mapping/disguise.h"
#include "mapping/ruleset-tree.h"
#include "model/dn.h"
#include "model/entry.h"
#include "model/schema.h"
#include "model/user.h"

struct work {
    const struct mapping_case *from;
    const struct mapping_options *options;
    const struct case_commons *commons;
    struct string_list fields; /* attributes that templates read */
    struct disguise disguise;
    bool bytes;             /* binary values are replaced, too */
    struct verdict verdict; /* of the case as it is */
};

static void work_done(struct work *w)
{
    string_list_done(&w->fields);
    disguise_done(&w->disguise);
    verdict_done(&w->verdict);
}

/* What fills the user's fields tells who it is; of the rest, what many people have does not. */
static bool is_personal(const struct work *w, const struct attribute *a, const char *value)
{
    size_t size = strcspn(a->name, ";");

    if (size == 11 && strncasecmp(a->name, "objectClass", size) == 0)
        return false;
    for (size_t i = 0; i < w->fields.n_items; i++)
        if (strlen(w->fields.items[i]) == size &&
            strncasecmp(w->fields.items[i], a->name, size) == 0)
            return true;
    return !w->commons || !w->commons->is_common(a->name, value, w->commons->userdata);
}

static int learn(struct work *w)
{
    const struct entry *entry = w->from->entry;
    CLEANUP(freep) char *leaf = dn_leaf_value(entry->dn);
    int r = leaf ? disguise_learn(&w->disguise, leaf) : 0;

    for (size_t i = 0; r == 0 && i < entry->n_attributes; i++) {
        const struct attribute *a = &entry->attributes[i];
        for (size_t k = 0; r == 0 && k < a->n_values; k++)
            if (a->values[k].state == VALUE_TEXT && is_personal(w, a, a->values[k].data))
                r = disguise_learn(&w->disguise, a->values[k].data);
    }
    return r;
}

/* The leaf alone: what is above it is the company's. Malloc'd. */
static char *disguise_dn(const struct work *w, const char *dn)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    CLEANUP(freep) char *leaf = dn_leaf_value(dn);
    CLEANUP(freep) char *other = leaf ? disguise_apply(&w->disguise, leaf) : NULL;
    CLEANUP(freep) char *escaped = other ? dn_escape_value(other, strlen(other)) : NULL;
    const char *parent = dn_parent(dn);

    if (!escaped)
        return NULL;
    buffer_add(&b, dn, strcspn(dn, "=") + 1);
    buffer_format(&b, "%s%s%s", escaped, parent ? "," : "", parent ? parent : "");
    return buffer_take(&b);
}

static int add_value(const struct work *w, struct entry *to, const struct attribute *a,
                     const struct value *v)
{
    if (v->state == VALUE_TOO_LARGE) {
        CLEANUP(freep) char *large = calloc(1, ENTRY_VALUE_MAX + 1);
        if (large)
            memset(large, 'x', ENTRY_VALUE_MAX + 1);
        return large ? entry_add_value(to, a->name, large, ENTRY_VALUE_MAX + 1) : -ENOMEM;
    }
    if (v->state == VALUE_BINARY) {
        CLEANUP(freep) char *bytes = malloc(v->size + 1);
        if (!bytes)
            return -ENOMEM;
        memcpy(bytes, v->data, v->size);
        if (w->bytes)
            memset(bytes, 0xff, v->size);
        return entry_add_value(to, a->name, bytes, v->size);
    }
    CLEANUP(freep)
    char *other = strncasecmp(a->name, "objectClass", 12) == 0
                      ? strdup(v->data)
                      : disguise_apply(&w->disguise, v->data);
    return other ? entry_add_value(to, a->name, other, strlen(other)) : -ENOMEM;
}

static int make_entry(const struct work *w, struct entry **ret)
{
    const struct entry *from = w->from->entry;
    CLEANUP(freep) char *dn = disguise_dn(w, from->dn);
    CLEANUP(entry_freep) struct entry *to = dn ? entry_new("case", dn, ENTRY_PERSON) : NULL;
    int r = to ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < from->n_attributes; i++)
        for (size_t k = 0; r == 0 && k < from->attributes[i].n_values; k++)
            r = add_value(w, to, &from->attributes[i], &from->attributes[i].values[k]);
    if (r == 0) {
        entry_sort(to);
        *ret = TAKE(to);
    }
    return r;
}

/* Set or not, empty or not: which text it is may differ. */
static bool same_field(const struct user *a, const struct user *b, enum user_field f)
{
    const char *x = user_get(a, f), *y = user_get(b, f);

    return f == USER_TEAM ? text_equal(x, y) : (!x) == (!y) && (!x || (!*x) == (!*y));
}

static bool same_user(const struct user *a, const struct user *b)
{
    if (!a || !b)
        return !a && !b;
    if (a->disabled != b->disabled || a->n_roles != b->n_roles || a->n_skills != b->n_skills)
        return false;
    for (int f = 0; f < USER_N_FIELDS; f++)
        if (!same_field(a, b, (enum user_field)f))
            return false;
    for (size_t i = 0; i < a->n_roles; i++)
        if (!text_equal(a->roles[i].name, b->roles[i].name))
            return false;
    for (size_t i = 0; i < a->n_skills; i++)
        if (!text_equal(a->skills[i].name, b->skills[i].name) ||
            a->skills[i].level != b->skills[i].level)
            return false;
    return true;
}

/* The same rules hold, and the same comes of them. */
static bool same_verdict(const struct verdict *a, const struct verdict *b)
{
    if (a->kind != b->kind || !text_equal(a->code, b->code) || a->revoked != b->revoked ||
        a->has_recheck != b->has_recheck || a->group_missing != b->group_missing ||
        a->n_steps != b->n_steps)
        return false;
    for (size_t i = 0; i < a->n_steps; i++)
        if (a->steps[i].matched != b->steps[i].matched)
            return false;
    return same_user(a->user, b->user);
}

/* 1: with what is active now the verdict is the same. */
static int try(const struct work *w, struct entry **ret, struct verdict *ret_verdict,
               struct error *e)
{
    CLEANUP(verdict_done) struct verdict v = {0};
    CLEANUP(entry_freep) struct entry *entry = NULL;
    int r = make_entry(w, &entry);

    if (r < 0)
        return error_out_of_memory(e);
    struct mapping_case c = *w->from;
    c.entry = entry;
    r = case_judge(&c, w->options, true, &v, e);
    if (r < 0)
        return r;
    r = same_verdict(&w->verdict, &v);
    if (r == 1 && ret) {
        *ret = TAKE(entry);
        *ret_verdict = v;
        v = (struct verdict){0};
    }
    return r;
}

/* A word that cannot be replaced as a whole: letter by letter, as for (sn=Mc*). */
static int choose_letters(struct work *w, struct disguise_word *word, struct error *e)
{
    word->kept = UINT64_MAX;
    for (unsigned i = 0; i < 64 && i < strlen(word->plain); i++) {
        word->kept &= ~(UINT64_C(1) << i);
        int r = try(w, NULL, NULL, e);
        if (r < 0)
            return r;
        if (r == 0)
            word->kept |= UINT64_C(1) << i;
    }
    return 0;
}

/* Word by word, when not all of them can be replaced. */
static int choose(struct work *w, struct error *e)
{
    struct disguise *d = &w->disguise;
    int r = 0;

    for (size_t i = 0; i < d->n_words; i++)
        d->words[i].active = false;
    w->bytes = false;
    for (size_t i = 0; r >= 0 && i < d->n_words; i++) {
        d->words[i].active = true;
        r = try(w, NULL, NULL, e);
        if (r == 0)
            r = choose_letters(w, &d->words[i], e);
    }
    if (r < 0)
        return r;
    w->bytes = true;
    r = try(w, NULL, NULL, e);
    w->bytes = r == 1;
    return r < 0 ? r : 0;
}

static int collect_fields(struct work *w, const struct ruleset *rules)
{
    int r = 0;

    for (int f = 0; r == 0 && f < USER_N_FIELDS; f++)
        if (rules->fields[f].template)
            r = template_collect(rules->fields[f].template, &w->fields);
    return r;
}

int case_disguise(struct mapping_case *c, const struct mapping_options *options,
                  const struct ruleset *rules, const struct case_commons *commons, struct error *e)
{
    CLEANUP(work_done)
    struct work w = {
        .from = c, .options = options, .commons = commons, .bytes = true, .disguise = {.seed = 1}};
    struct entry *entry = NULL;
    struct verdict v = {0};

    if (collect_fields(&w, rules) < 0)
        return error_out_of_memory(e);
    int r = case_judge(c, options, true, &w.verdict, e);
    if (r == 0 && learn(&w) < 0)
        r = error_out_of_memory(e);
    if (r == 0)
        r = try(&w, &entry, &v, e);
    if (r == 0) {
        r = choose(&w, e);
        if (r == 0)
            r = try(&w, &entry, &v, e);
    }
    if (r < 0)
        return r;
    if (!entry)
        return error_set(e, -EINVAL, "no word can be replaced without another verdict");
    c->entry = entry_free(c->entry);
    c->entry = entry;
    r = case_expect(c, &v) < 0 ? error_out_of_memory(e) : 0;
    verdict_done(&v);
    return r;
}
