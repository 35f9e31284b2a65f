/*
 * The rules on one person: an entry and its memberships in, a verdict out. No clock, no I/O;
 * the caller gives the time. A value that cannot be used makes the person invalid, never
 * absent.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "mapping/expiry.h"
#include "mapping/ruleset-tree.h"
#include "mapping/verdict.h"

#define FIELD_MAX 255 /* bytes */

struct evaluation {
    const struct ruleset *rs;
    const struct subject *subject;
    const struct membership *memberships;
    uint64_t now_usec;
    bool explain;
    struct verdict *verdict;
    struct user *user;
    bool invalid;
    bool undecided;     /* because a filter was neither true nor false */
    struct buffer step; /* the sentence of the step at hand */
    char dn[300];       /* printable, for sentences */
};

/* Ends a step of the explanation; without one the sentence was never begun. */
static int end_step(struct evaluation *x, const struct source *source, bool matched)
{
    return x->explain ? verdict_add_step(x->verdict, source, matched, &x->step) : 0;
}

#define STEP(x, ...)                                                                               \
    do {                                                                                           \
        if ((x)->explain)                                                                          \
            buffer_format(&(x)->step, __VA_ARGS__);                                                \
    } while (0)

/* The first thing that is wrong with the person is the one that is told. */
static int set_invalid(struct evaluation *x, const char *code, const char *sentence)
{
    x->invalid = true;
    return verdict_set_reason(x->verdict, VERDICT_INVALID, code, sentence);
}

/* A filter that decides about the person and is neither true nor false: whatever it would have
 * done waits. */
static int set_undecided(struct evaluation *x, const struct filter *f, const struct source *source)
{
    struct error e = {0};
    x->undecided = true;
    error_set(&e, 0,
              "%s: the filter %s of '%s' is neither true nor false here, so nothing is decided by "
              "it: the directory's schema lacks what it asks for, or a value cannot be compared",
              x->dn, f->text, source->rule);
    return set_invalid(x, INVALID_UNDECIDED, e.message);
}

/* The rest of it came, and is not believed. */
static int set_unreadable(struct evaluation *x)
{
    struct error e = {0};
    const char *what = entry_text(x->subject->entry, ENTRY_UNREADABLE);
    error_set(&e, 0, "%s cannot be read whole, so nothing but a revocation is decided by it: %s",
              x->dn, what ? what : "");
    return set_invalid(x, INVALID_UNREADABLE, e.message);
}

/* 1: holds. 0: does not, also when it is undefined. */
static int check_condition(struct evaluation *x, const struct filter *f, int *ret_result)
{
    int result = filter_evaluate(f, x->subject);
    if (result < 0)
        return result;
    if (x->explain) {
        int r = filter_explain(f, x->subject, &x->step);
        if (r < 0)
            return r;
    }
    *ret_result = result;
    return result == FILTER_TRUE ? 1 : 0;
}

static int check_scope(struct evaluation *x)
{
    const struct ruleset_condition *scope = &x->rs->scope;
    if (!scope->filter)
        return 1;
    int result, r = check_condition(x, scope->filter, &result);
    if (r < 0)
        return r;
    int s = end_step(x, &scope->source, r == 1);
    if (s < 0)
        return s;
    if (result == FILTER_UNDEFINED) {
        s = set_undecided(x, scope->filter, &scope->source);
    } else if (r == 0) {
        struct error e = {0};
        error_set(&e, 0, "%s is out of scope: %s does not hold", x->dn, scope->filter->text);
        s = verdict_set_reason(x->verdict, VERDICT_SKIP, SKIP_OUT_OF_SCOPE, e.message);
    }
    return s < 0 ? s : r;
}

static int note_missing_group(struct evaluation *x, const char *dn)
{
    struct verdict *v = x->verdict;
    STEP(x, "group %s is not in the directory, so it is not known who belongs to it", dn);
    v->group_missing = true;
    if (v->group_missing_dn)
        return 0;
    v->group_missing_dn = strdup(dn);
    return v->group_missing_dn ? 0 : -ENOMEM;
}

static int check_group(struct evaluation *x, const struct rule *rule)
{
    const struct membership *m = &x->memberships[rule->group];
    if (m->state == GROUP_MISSING)
        return note_missing_group(x, rule->group_dn);
    STEP(x, "%s of %s", m->member ? "member" : "not a member", rule->group_dn);
    if (m->member && m->via)
        STEP(x, " through %s", m->via);
    return m->member ? 1 : 0;
}

/* 1: the rule applies. A missing group leaves open only what the filter has not denied. */
static int rule_applies(struct evaluation *x, const struct rule *rule)
{
    int member = 1, holds = 1, result = FILTER_TRUE;
    if (rule->when) {
        STEP(x, "when: ");
        holds = check_condition(x, rule->when, &result);
        if (holds < 0)
            return holds;
    }
    if (rule->group_dn && result != FILTER_FALSE) {
        STEP(x, "%s", rule->when ? "; " : "");
        member = check_group(x, rule);
        if (member < 0)
            return member;
    }
    if (!rule->when && !rule->group_dn)
        STEP(x, "matches everybody");
    if (result == FILTER_UNDEFINED && member == 1) {
        int r = set_undecided(x, rule->when, &rule->source);
        if (r < 0)
            return r;
    }
    return member == 1 && holds == 1 ? 1 : 0;
}

static int take_skill_value(struct evaluation *x, const struct rule *rule,
                            const struct value *value)
{
    CLEANUP(freep) char *name = NULL;
    struct error e = {0};
    const char *attribute = rule->skills_from.written, *code = INVALID_FORM;
    char shown[128];
    unsigned level = 0;
    int r = -EINVAL;
    if (value->state == VALUE_TEXT) {
        r = skill_from_value(value->data, &name, &level, &e);
        if (r == -ENOMEM)
            return r;
    } else {
        code = value->state == VALUE_BINARY ? INVALID_BINARY : INVALID_TOO_LARGE;
        error_set(&e, r, "%zu bytes that are not a skill", value->size);
    }
    if (r == 0)
        return user_add_skill(x->user, name, level, &rule->skills_from_source);
    /* Of what was too large no byte is kept. */
    text_printable(shown, sizeof(shown), value->data,
                   value->state == VALUE_TOO_LARGE ? 0 : value->size);
    error_wrap(&e, r, "%s: attribute '%s', value '%s', for rule '%s'", x->dn, attribute, shown,
               rule->source.rule);
    STEP(x, "; %s cannot be used: '%s'", attribute, shown);
    return set_invalid(x, code, e.message);
}

static bool has_too_many(const struct user *u)
{
    return u->n_roles > USER_MOST_NAMES || u->n_skills > USER_MOST_NAMES;
}

static int take_skills_from(struct evaluation *x, const struct rule *rule)
{
    if (!rule->skills_from.written)
        return 0;
    const struct attribute *a = subject_attribute(x->subject, &rule->skills_from);
    for (size_t i = 0; a && i < a->n_values && !has_too_many(x->user); i++) {
        int r = take_skill_value(x, rule, &a->values[i]);
        if (r < 0)
            return r;
    }
    STEP(x, "; skills from %s: %zu", rule->skills_from.written, a ? a->n_values : 0);
    return 0;
}

static int set_too_many(struct evaluation *x, const struct rule *rule)
{
    struct error e = {0};
    error_set(&e, 0, "%s: more than %d %s, with those of rule '%s'", x->dn, USER_MOST_NAMES,
              x->user->n_roles > USER_MOST_NAMES ? "roles" : "skills", rule->source.rule);
    return set_invalid(x, INVALID_FORM, e.message);
}

/* Team: the first rule in file order. Roles and skills: all of them, the highest level. */
static int apply_rule(struct evaluation *x, const struct rule *rule)
{
    int r = 0;
    if (rule->team) {
        const char *before = user_get(x->user, USER_TEAM);
        if (before)
            STEP(x, "; team %s not taken, an earlier rule gave %s", rule->team, before);
        else
            STEP(x, "; gives team %s", rule->team);
        if (!before)
            r = user_set(x->user, USER_TEAM, rule->team, &rule->team_source);
    }
    for (size_t i = 0; r == 0 && i < rule->roles.n_items && !has_too_many(x->user); i++) {
        STEP(x, "; role %s", rule->roles.items[i]);
        r = user_add_role(x->user, rule->roles.items[i], &rule->roles_source);
    }
    for (size_t i = 0; r == 0 && i < rule->skills.n_items && !has_too_many(x->user); i++) {
        const struct skill *skill = &rule->skills.items[i];
        STEP(x, "; skill %s:%u", skill->name, skill->level);
        r = user_add_skill(x->user, skill->name, skill->level, &rule->skills_source);
    }
    if (r == 0)
        r = take_skills_from(x, rule);
    return r == 0 && has_too_many(x->user) ? set_too_many(x, rule) : r;
}

static int run_rules(struct evaluation *x)
{
    for (size_t i = 0; i < x->rs->n_rules; i++) {
        const struct rule *rule = &x->rs->rules[i];
        int matched = rule_applies(x, rule);
        if (matched < 0)
            return matched;
        int r = matched ? apply_rule(x, rule) : 0;
        if (r == 0)
            r = end_step(x, &rule->source, matched == 1);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Who gets no team is no user, whatever else is wrong with the values that rules read. */
static int skip_without_team(struct evaluation *x)
{
    struct verdict *v = x->verdict;
    struct error e = {0};
    if (v->group_missing_dn)
        error_set(&e, 0, "%s: no rule gives a team, but group %s is missing", x->dn,
                  v->group_missing_dn);
    else
        error_set(&e, 0, "%s: no rule gives a team", x->dn);
    verdict_clear_reason(v);
    return verdict_set_reason(v, VERDICT_SKIP, SKIP_NO_TEAM, e.message);
}

static bool is_digits(const char *text)
{
    return text[strspn(text, "0123456789")] == '\0';
}

/* NULL, or the code of what is wrong with a field's text; e gets the sentence. */
static const char *check_field(const struct evaluation *x, enum user_field f, const char *text,
                               struct error *e)
{
    const char *name = user_field_name(f), *template = template_text(x->rs->fields[f].template);
    char shown[128];
    bool mandatory = f == USER_LOGIN || f == USER_FIRST_NAME || f == USER_LAST_NAME;
    if (!text[0] && mandatory) {
        error_set(e, 0, "%s: %s is empty: no attribute in '%s' has a usable value", x->dn, name,
                  template);
        return INVALID_MISSING;
    }
    if (strlen(text) > FIELD_MAX) {
        error_set(e, 0, "%s: %s from '%s' has %zu bytes; at most %d are possible", x->dn, name,
                  template, strlen(text), FIELD_MAX);
        return INVALID_TOO_LARGE;
    }
    if (f == USER_EXTENSION && !is_digits(text)) {
        error_set(e, 0, "%s: extension '%s' from '%s' is not digits only", x->dn,
                  text_printable(shown, sizeof(shown), text, strlen(text)), template);
        return INVALID_FORM;
    }
    return NULL;
}

static int take_field_text(struct evaluation *x, enum user_field f, const char *text)
{
    const struct ruleset_field *field = &x->rs->fields[f];
    struct error e = {0};
    const char *code = check_field(x, f, text, &e);
    if (code) {
        STEP(x, "%s", e.message);
        return set_invalid(x, code, e.message);
    }
    /* The tenant may demand a mail address, so an empty one never clears it. */
    bool managed = text[0] || (x->rs->empty == MAPPING_EMPTY_CLEAR && f != USER_EMAIL);
    if (text[0])
        STEP(x, "gives '%s'", text);
    else
        STEP(x, "is empty: %s", managed ? "the tenant's value is cleared" : "not managed");
    return managed ? user_set(x->user, f, text, &field->source) : 0;
}

static int run_field(struct evaluation *x, enum user_field f)
{
    const struct ruleset_field *field = &x->rs->fields[f];
    CLEANUP(freep) char *text = NULL;
    const char *code = INVALID_FORM;
    struct error e = {0};
    int r = template_expand(field->template, x->subject, &text, &code, &e);
    if (r < 0)
        return r;
    if (r == TEMPLATE_REFUSED) {
        error_wrap(&e, 0, "%s: %s", x->dn, user_field_name(f));
        STEP(x, "%s", e.message);
        r = set_invalid(x, code, e.message);
    } else {
        /* One form, whatever the directory holds: else one login could become two. */
        CLEANUP(freep) char *composed = text_compose(text);
        r = composed ? take_field_text(x, f, composed) : -ENOMEM;
    }
    return r < 0 ? r : end_step(x, &field->source, text && text[0]);
}

static int run_fields(struct evaluation *x)
{
    for (int f = 0; f < USER_N_FIELDS; f++) {
        int r = x->rs->fields[f].template ? run_field(x, (enum user_field)f) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

static int set_disabled(struct evaluation *x, bool disabled, const struct source *source)
{
    if (x->user->disabled)
        return 0; /* the first reason stays */
    x->user->disabled = disabled;
    return source_copy(&x->user->disabled_source, source);
}

static int run_disabled_when(struct evaluation *x)
{
    const struct ruleset_condition *disabled = &x->rs->disabled;
    if (!disabled->filter)
        return 0;
    int result, r = check_condition(x, disabled->filter, &result);
    if (r < 0)
        return r;
    if (result == FILTER_UNDEFINED) {
        int u = set_undecided(x, disabled->filter, &disabled->source);
        if (u < 0)
            return u;
    }
    int s = set_disabled(x, r == 1, &disabled->source);
    return s < 0 ? s : end_step(x, &disabled->source, r == 1);
}

static int time_invalid(struct evaluation *x, const struct attribute_name *name,
                        const struct source *source, const struct value *value, struct error *e)
{
    const char *code = value->state == VALUE_TEXT     ? INVALID_FORM
                       : value->state == VALUE_BINARY ? INVALID_BINARY
                                                      : INVALID_TOO_LARGE;
    if (value->state != VALUE_TEXT)
        error_set(e, 0, "%zu bytes that are not a time", value->size);
    error_wrap(e, 0, "%s: attribute '%s' of %s", x->dn, name->written, source->rule);
    STEP(x, "%s", e->message);
    return set_invalid(x, code, e->message);
}

typedef int (*parse_time_fn)(const char *attribute, const char *value, struct expiry *ret,
                             struct error *e);

/* never: also when the attribute is absent or cannot be used. */
static int read_time(struct evaluation *x, const struct attribute_name *name,
                     const struct source *source, parse_time_fn parse, struct expiry *ret)
{
    const struct attribute *a = subject_attribute(x->subject, name);
    struct error e = {0};
    *ret = (struct expiry){.never = true};
    if (!a) {
        STEP(x, "%s is absent: never", name->written);
        return 0;
    }
    const struct value *value = NULL;
    if (subject_value(x->subject, a, NULL, false, &value) < 0)
        return -ENOMEM;
    value = value ? value : &a->values[0];
    if (value->state != VALUE_TEXT || parse(name->canonical, value->data, ret, &e) < 0) {
        *ret = (struct expiry){.never = true};
        return time_invalid(x, name, source, value, &e);
    }
    if (ret->never)
        STEP(x, "%s is '%s': never", name->written, value->data);
    return 0;
}

static int run_expiry(struct evaluation *x)
{
    const struct attribute_name *name = &x->rs->expires_at;
    const struct source *source = &x->rs->expires_source;
    struct expiry expiry;
    char when[CLOCK_TEXT_SIZE];
    if (!name->written)
        return 0;
    int r = read_time(x, name, source, expiry_parse, &expiry);
    bool ended = !expiry.never && expiry.usec <= x->now_usec;
    if (r == 0 && !expiry.never) {
        STEP(x, "%s: the account %s at %s", name->written, ended ? "ended" : "ends",
             clock_format(when, expiry.usec));
        if (!ended) {
            x->verdict->has_recheck = true;
            x->verdict->recheck_usec = expiry.usec;
        }
    }
    /* Also a "no" has its source, so that enabling somebody can name it. */
    if (r == 0 && (ended || !x->user->disabled_source.rule))
        r = set_disabled(x, ended, source);
    return r < 0 ? r : end_step(x, source, ended);
}

/* Says when, and decides nothing: what there is of a user already is the planner's to know. */
static int run_start(struct evaluation *x)
{
    const struct attribute_name *name = &x->rs->starts_at;
    const struct source *source = &x->rs->starts_source;
    struct verdict *v = x->verdict;
    struct expiry start;
    char when[CLOCK_TEXT_SIZE];
    if (!name->written)
        return 0;
    int r = read_time(x, name, source, expiry_parse_start, &start);
    if (r == 0 && !start.never) {
        v->has_start = true;
        v->start_usec = start.usec;
        STEP(x, "%s: %s at %s", name->written, start.usec > x->now_usec ? "begins" : "began",
             clock_format(when, start.usec));
        r = source_copy(&v->start_source, source);
    }
    return r < 0 ? r : end_step(x, source, !start.never && start.usec > x->now_usec);
}

/* Before all that may end the evaluation, and in need of nothing else. *ret_result: whoever may be
 * revoked, and nobody can tell, gets nothing new. */
static int run_revoke_when(struct evaluation *x, int *ret_result)
{
    const struct ruleset_condition *revoke = &x->rs->revoke;
    *ret_result = FILTER_FALSE;
    if (!revoke->filter)
        return 0;
    int r = check_condition(x, revoke->filter, ret_result);
    if (r < 0)
        return r;
    x->verdict->revoked = r == 1;
    int s = r == 1 ? source_copy(&x->verdict->revoke_source, &revoke->source) : 0;
    return s < 0 ? s : end_step(x, &revoke->source, r == 1);
}

int ruleset_revokes(const struct ruleset *rs, const struct entry *entry)
{
    struct subject subject;
    if (!rs->revoke.filter)
        return 0;
    int r = subject_init(&subject, entry, rs->schema);
    if (r < 0)
        return r;
    r = filter_evaluate(rs->revoke.filter, &subject);
    subject_done(&subject);
    return r < 0 ? r : r == FILTER_TRUE;
}

/* What the login would be with another value in the place of the one that was taken. */
static int add_other_login(struct evaluation *x, const struct value *value)
{
    struct subject subject = *x->subject;
    CLEANUP(freep) char *text = NULL;
    const char *code;
    struct error e = {0};
    subject.forced = value;
    int r = template_expand(x->rs->fields[USER_LOGIN].template, &subject, &text, &code, &e);
    if (r != 0)
        return r < 0 ? r : 0; /* with that value there would be no user */
    if (!text[0] || strlen(text) > FIELD_MAX || text_equal(text, user_get(x->user, USER_LOGIN)) ||
        string_list_contains(&x->verdict->other_logins, text))
        return 0;
    return string_list_add(&x->verdict->other_logins, text);
}

static int find_other_logins(struct evaluation *x)
{
    enum {
        VALUES_MAX = 32 /* of one attribute */
    };
    CLEANUP(string_list_done) struct string_list names = {0};
    int r = template_collect(x->rs->fields[USER_LOGIN].template, &names);
    for (size_t i = 0; r == 0 && i < x->subject->entry->n_attributes; i++) {
        const struct attribute *a = &x->subject->entry->attributes[i];
        bool read = false;
        for (size_t k = 0; k < names.n_items; k++)
            read = read || subject_is(x->subject, i, names.items[k]);
        if (!read || a->n_values == 1) /* that one was taken */
            continue;
        for (size_t k = 0; r == 0 && k < a->n_values && k < VALUES_MAX; k++)
            if (subject_value_is_usable(&a->values[k]))
                r = add_other_login(x, &a->values[k]);
    }
    return r;
}

static int evaluate(struct evaluation *x)
{
    int revoke, r = run_revoke_when(x, &revoke);
    if (r < 0)
        return r;
    if (entry_attribute(x->subject->entry, ENTRY_UNREADABLE))
        return set_unreadable(x);
    r = check_scope(x);
    if (r <= 0)
        return r;
    r = run_rules(x);
    if (r < 0)
        return r;
    if (!user_get(x->user, USER_TEAM))
        return x->undecided ? 0 : skip_without_team(x);
    if (revoke == FILTER_UNDEFINED)
        r = set_undecided(x, x->rs->revoke.filter, &x->rs->revoke.source);
    if (r == 0)
        r = run_fields(x);
    if (r == 0)
        r = run_disabled_when(x);
    if (r == 0)
        r = run_expiry(x);
    if (r == 0)
        r = run_start(x);
    if (r < 0 || x->invalid)
        return r;
    r = find_other_logins(x);
    if (r < 0)
        return r;
    x->verdict->kind = VERDICT_USER;
    x->verdict->user = TAKE(x->user);
    return 0;
}

int ruleset_evaluate(const struct ruleset *rs, const struct entry *entry,
                     const struct membership *memberships, uint64_t now_usec, bool explain,
                     struct verdict *ret, struct error *e)
{
    struct subject subject;
    struct verdict verdict = {0};
    struct evaluation x = {.rs = rs,
                           .subject = &subject,
                           .memberships = memberships,
                           .now_usec = now_usec,
                           .explain = explain,
                           .verdict = &verdict};
    text_printable(x.dn, sizeof(x.dn), entry->dn, strlen(entry->dn));
    x.user = user_new();
    int r = x.user ? subject_init(&subject, entry, rs->schema) : -ENOMEM;
    if (r == 0) {
        r = evaluate(&x);
        subject_done(&subject);
    }
    user_free(x.user);
    buffer_done(&x.step);
    if (r < 0) {
        verdict_done(&verdict);
        return error_out_of_memory(e);
    }
    *ret = verdict;
    return 0;
}
