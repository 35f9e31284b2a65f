/*
 * Which people of a plan are shown: those of a group, of a kind, of a rule, or one person. Pure:
 * the answer of the daemon in, the same answer with fewer operations out.
 */
#include "config.h"

#include "ctl/plan-filter.h"

#include <string.h>

#include "base/text.h"
#include "render/render.h"

bool plan_filter_is_empty(const struct plan_filter *f)
{
    return !f->n_letters && !f->kind && !f->rule && !f->person;
}

static bool is_of_letters(const struct plan_filter *f, const char *letter)
{
    for (size_t i = 0; letter && i < f->n_letters; i++)
        if (strcmp(f->letters[i], letter) == 0)
            return true;
    return !f->n_letters;
}

/* The letter alone is not there for what waits for nobody. */
static bool is_of_kind(const struct plan_filter *f, const json_t *o)
{
    const char *kind = member_text(o, "kind"), *what = member_text(o, "what");
    return !f->kind || (kind && strcmp(kind, f->kind) == 0) || (what && strcmp(what, f->kind) == 0);
}

static bool is_of_rule(const struct plan_filter *f, const json_t *o)
{
    size_t i;
    json_t *change;
    json_array_foreach (json_object_get(o, "changes"), i, change) {
        const char *rule = member_text(change, "rule");
        if (f->rule && rule && strcmp(rule, f->rule) == 0)
            return true;
    }
    return !f->rule;
}

static bool is_person(const struct plan_filter *f, const json_t *o)
{
    static const char *const names[] = {"login", "dn", "id"};
    const json_t *person = json_object_get(o, "person");
    for (size_t i = 0; f->person && i < 3; i++) {
        const char *text = member_text(person, names[i]);
        if (text && text_equal_fold(text, f->person))
            return true;
    }
    size_t i;
    json_t *change; /* the mail that they have, had or get */
    json_array_foreach (json_object_get(o, "changes"), i, change) {
        const char *field = member_text(change, "field"), *to = member_text(change, "to"),
                   *from = member_text(change, "from");
        if (f->person && field && strcmp(field, "email") == 0 &&
            ((to && text_equal_fold(to, f->person)) || (from && text_equal_fold(from, f->person))))
            return true;
    }
    return !f->person;
}

int plan_filter_apply(const struct plan_filter *f, json_t *answer)
{
    json_auto_t *left = json_array();
    size_t i;
    json_t *o;
    json_array_foreach (json_object_get(answer, "operations"), i, o) {
        if (is_of_letters(f, member_text(o, "group")) && is_of_kind(f, o) && is_of_rule(f, o) &&
            is_person(f, o) && json_array_append(left, o) < 0)
            return -1;
    }
    return json_object_set(answer, "operations", left);
}

const char *plan_filter_unknown_letter(const struct plan_filter *f, const json_t *answer)
{
    for (size_t k = 0; k < f->n_letters; k++) {
        bool found = false;
        size_t i;
        json_t *group;
        json_array_foreach (json_object_get(answer, "groups"), i, group) {
            const char *letter = member_text(group, "letter");
            found |= letter && strcmp(letter, f->letters[k]) == 0;
        }
        if (!found)
            return f->letters[k];
    }
    return NULL;
}
