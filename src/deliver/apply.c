/*
 * What an operation says, applied to sets that can only be written whole. A request carries
 * what was just read plus these changes and nothing else: what was taken away by hand does not
 * come back in passing, and what was added there stays. Pure.
 */
#include "config.h"

#include "deliver/apply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "judge/quirks.h"

static const struct change *change_of(const struct operation *o, enum change_kind kind,
                                      const char *name)
{
    for (size_t i = 0; i < o->n_changes; i++)
        if (o->changes[i].kind == kind && text_equal(o->changes[i].name, name))
            return &o->changes[i];
    return NULL;
}

const struct change *apply_field_change(const struct operation *o, enum user_field f)
{
    return change_of(o, CHANGE_FIELD, user_field_name(f));
}

int apply_roles(const struct operation *o, const struct user *current, struct user *ret)
{
    int r = 0;
    for (size_t i = 0; i < current->n_roles && r == 0; i++) {
        const struct change *c = change_of(o, CHANGE_ROLE, current->roles[i].name);
        if (!c || c->to)
            r = user_add_role(ret, current->roles[i].name, NULL);
    }
    for (size_t i = 0; i < o->n_changes && r == 0; i++)
        if (o->changes[i].kind == CHANGE_ROLE && o->changes[i].to)
            r = user_add_role(ret, o->changes[i].to, NULL);
    return r;
}

static unsigned level_of(const struct change *c)
{
    uint64_t level = 0;
    return text_parse_unsigned(c->to, 100, &level) == 0 ? (unsigned)level : 0;
}

int apply_skills(const struct operation *o, const struct user *current, struct user *ret)
{
    int r = 0;
    for (size_t i = 0; i < current->n_skills && r == 0; i++) {
        const struct user_skill *s = &current->skills[i];
        if (!change_of(o, CHANGE_SKILL, s->name))
            r = user_add_skill(ret, s->name, s->level, NULL);
    }
    for (size_t i = 0; i < o->n_changes && r == 0; i++)
        if (o->changes[i].kind == CHANGE_SKILL && o->changes[i].to)
            r = user_add_skill(ret, o->changes[i].name, level_of(&o->changes[i]), NULL);
    return r;
}

bool apply_same_roles(const struct user *a, const struct user *b)
{
    if (a->n_roles != b->n_roles)
        return false;
    for (size_t i = 0; i < a->n_roles; i++)
        if (!user_role(b, a->roles[i].name))
            return false;
    return true;
}

bool apply_same_skills(const struct user *a, const struct user *b)
{
    if (a->n_skills != b->n_skills)
        return false;
    for (size_t i = 0; i < a->n_skills; i++) {
        const struct user_skill *other = user_skill(b, a->skills[i].name);
        if (!other || other->level != a->skills[i].level)
            return false;
    }
    return true;
}

int apply_skills_left(const struct operation *o, const struct user *wanted,
                      const struct user *before, const struct user *after, bool moved,
                      struct user *ret)
{
    int r = 0;
    for (size_t i = 0; i < after->n_skills && r == 0; i++) {
        const struct user_skill *s = &after->skills[i];
        const struct change *c = change_of(o, CHANGE_SKILL, s->name);
        const struct user_skill *had = user_skill(before, s->name);
        unsigned level = s->level;
        if (c)
            level = c->to ? level_of(c) : 0; /* 0 removes it where a PUT merges */
        else if (moved && had && user_skill(wanted, s->name))
            level = had->level;
        r = user_add_skill(ret, s->name, level, NULL);
    }
    for (size_t i = 0; i < o->n_changes && r == 0; i++)
        if (o->changes[i].kind == CHANGE_SKILL && o->changes[i].to)
            r = user_add_skill(ret, o->changes[i].name, level_of(&o->changes[i]), NULL);
    for (size_t i = 0; i < before->n_skills && moved && r == 0; i++) {
        const struct user_skill *s = &before->skills[i];
        if (!change_of(o, CHANGE_SKILL, s->name) && user_skill(wanted, s->name))
            r = user_add_skill(ret, s->name, s->level, NULL);
    }
    return r;
}

static bool has_level(const struct user *u, const char *name, unsigned level)
{
    const struct user_skill *s = user_skill(u, name);
    return s ? s->level == level : level == 0;
}

static bool is_applied(const struct change *c, const char *name, const struct user *after)
{
    return c->to ? has_level(after, name, level_of(c)) : !user_skill(after, name);
}

bool apply_skills_done(const struct operation *o, const struct user *left, const struct user *after)
{
    for (size_t i = 0; i < left->n_skills; i++) {
        const struct user_skill *l = &left->skills[i];
        const struct change *c = change_of(o, CHANGE_SKILL, l->name);
        if (c ? !is_applied(c, l->name, after) : !has_level(after, l->name, l->level))
            return false;
    }
    return true;
}

static int keep_skill(struct user *ret, const struct user *from, const char *name)
{
    const struct user_skill *s = user_skill(from, name);
    return s ? user_add_skill(ret, name, s->level, NULL) : 0;
}

/* A skill that the operation named, applied or not, or that the tenant changed with it, is as it
 * was read last; any other is known as it was. */
static int learn_skill(const struct operation *o, const char *name, const struct user *known,
                       const struct user *before, const struct user *after, struct user *ret)
{
    const struct user_skill *b = user_skill(before, name), *a = user_skill(after, name);
    const struct change *c = change_of(o, CHANGE_SKILL, name);
    bool changed = (b != NULL) != (a != NULL) || (a && b && a->level != b->level);
    if (c && c->to && !a && is_applied(c, name, after)) /* level 0, which some show as no skill */
        return user_add_skill(ret, name, 0, NULL);
    return keep_skill(ret, c || changed ? after : known, name);
}

int apply_learn_skills(const struct operation *o, const struct user *known,
                       const struct user *before, const struct user *after, struct user *ret)
{
    int r = 0;
    for (size_t i = 0; i < known->n_skills && r == 0; i++)
        r = learn_skill(o, known->skills[i].name, known, before, after, ret);
    for (size_t i = 0; i < o->n_changes && r == 0; i++) {
        const char *name = o->changes[i].name;
        if (o->changes[i].kind == CHANGE_SKILL && !user_skill(known, name))
            r = learn_skill(o, name, known, before, after, ret);
    }
    return r;
}

static bool has_field(enum user_field f, const char *to, const struct user *known,
                      const struct user *quirks)
{
    const char *is = user_get(known, f);
    return text_equal(to ? to : "", is ? is : "") || quirks_shows(quirks, f, to, is);
}

bool apply_is_done(const struct change *c, const struct user *known, const struct user *quirks)
{
    int f = user_field_from_name(c->field);
    if (f >= 0)
        return has_field((enum user_field)f, c->to, known, quirks);
    if (c->kind == CHANGE_ROLE)
        return !user_role(known, c->name) == !c->to;
    if (c->kind == CHANGE_SKILL)
        return is_applied(c, c->name, known);
    return text_equal(c->to, "true") == known->disabled;
}

/* As the planner says it of what is known. */
static int say_from(struct change *c, const struct user *known)
{
    char level[16];
    const char *from = c->from;
    if (c->kind == CHANGE_FIELD)
        from = user_get(known, (enum user_field)user_field_from_name(c->field));
    else if (c->kind == CHANGE_SKILL) {
        const struct user_skill *s = user_skill(known, c->name);
        snprintf(level, sizeof(level), "%u", s ? s->level : 0);
        from = s ? level : NULL;
    }
    return from == c->from ? 0 : text_replace(&c->from, from);
}

int apply_say_known(struct operation *o, const struct user *known, const struct user *quirks)
{
    int r = 0;
    for (size_t i = 0; i < o->n_changes; i++)
        if (apply_is_done(&o->changes[i], known, quirks))
            return 0;
    for (size_t i = 0; i < o->n_changes && r == 0; i++)
        r = say_from(&o->changes[i], known);
    return r;
}
