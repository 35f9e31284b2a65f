/*
 * Binds the configuration to the directory as it is: the rules to its schema, the rules' groups
 * to its entries. It decides about nobody; it marks whom a change of either can affect.
 */
#include "config.h"

#include "intake/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log-ids.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "books/books.h"
#include "books/engine-types.h"
#include "intake/hidden.h"
#include "intake/reach.h"
#include "intake/told.h"
#include "mapping/ruleset.h"
#include "model/operation.h"
#include "model/schema.h"
#include "state/mirror.h"
#include "state/person.h"
#include "state/state.h"

struct rules {
    struct books *books;
    struct state *state;
    const struct engine_options *options;
    struct schema *schema;
    struct ruleset *ruleset, *before; /* before: while it may be taken back, and while … */
    struct reach *reach; /* … this compares with it: whom the round looks at; NULL: at everybody */
    struct bound_groups groups;
    struct told told;
    bool decide_otherwise;
    bool groups_dirty;            /* bind again before the next evaluation */
    struct string_list sighted;   /* DNs of rules' groups that a look found out about … */
    struct string_list sightings; /* … and what, in step */
};

static void problem_to_log(const struct problem *p, void *userdata)
{
    (void)userdata;
    if (p->level != PROBLEM_WARNING)
        log_error("%s:%u: %s", p->file, p->line, p->sentence);
    else
        log_warning("%s:%u: %s", p->file, p->line, p->sentence);
}

/* Whom other rules may decide otherwise about is looked at again. What the reach compares is not
 * kept for longer than until the next ruleset. */
static int note_fingerprint(struct rules *s, const struct ruleset *fresh, struct error *e)
{
    CLEANUP(freep) char *before = NULL;
    int r = state_meta_get(s->state, "mapping", &before, e);
    if (r < 0)
        return r;
    bool same = before && text_equal(before, ruleset_fingerprint(fresh));
    bool is_reaching = s->reach != NULL;
    s->decide_otherwise = !same;
    s->reach = reach_free(s->reach);
    if (same && !is_reaching)
        return 0;
    if (same || !s->ruleset)
        r = person_mark_all_dirty(s->state, e);
    else
        r = reach_begin(&s->reach, s->state, s->ruleset, fresh, e);
    if (r == 0)
        r = state_meta_set(s->state, "mapping", ruleset_fingerprint(fresh), e);
    if (r < 0) /* it would compare with a ruleset that is not kept */
        s->reach = reach_free(s->reach);
    books_wake(s->books, WORK_DUE);
    return r;
}

/* The ruleset for today's configuration and schema, in the place of another one. */
static int bind(struct rules *s, struct error *e)
{
    struct ruleset *fresh = NULL;
    int r = ruleset_new(&fresh, s->options->mapping, s->schema, problem_to_log, NULL);
    if (r < 0)
        return error_set(e, r,
                         "the rules do not fit the directory's schema; the lines before say why");
    r = note_fingerprint(s, fresh, e);
    if (r < 0) {
        books_failed(s->books, e); /* half of it may be written */
        ruleset_free(fresh);
        return r;
    }
    ruleset_free(s->before);
    s->before = s->ruleset;
    s->ruleset = fresh;
    s->groups_dirty = true;
    return 0;
}

static bool reads_more(const struct ruleset *now, const struct ruleset *before)
{
    const struct string_list *names = ruleset_attributes(now), *held = ruleset_attributes(before);
    for (size_t i = 0; i < names->n_items; i++) {
        bool found = false;
        for (size_t j = 0; j < held->n_items && !found; j++)
            found = text_equal_ascii_case(names->items[i], held->items[j]);
        if (!found)
            return true;
    }
    return false;
}

int rules_renew(struct rules *s, bool *ret_reads_more, struct error *e)
{
    int r = bind(s, e);
    if (r == 0)
        *ret_reads_more = reads_more(s->ruleset, s->before);
    return r;
}

bool rules_decide_otherwise(const struct rules *s)
{
    return s->decide_otherwise;
}

void rules_settle(struct rules *s)
{
    if (!s->reach)
        s->before = ruleset_free(s->before);
}

/* Some may have been decided about by the one that goes. */
void rules_take_back(struct rules *s)
{
    struct error e = {0};
    s->reach = reach_free(s->reach);
    ruleset_free(s->ruleset);
    s->ruleset = TAKE(s->before);
    s->groups_dirty = true;
    int r = state_meta_set(s->state, "mapping", ruleset_fingerprint(s->ruleset), &e);
    if (r == 0)
        r = person_mark_all_dirty(s->state, &e);
    if (r < 0)
        books_failed(s->books, &e);
}

int rules_touch(const struct rules *s, int64_t n, const char *entry_id, struct error *e)
{
    return s->reach ? reach_touches(s->reach, n, entry_id, e) : 1;
}

void rules_round_is_over(struct rules *s)
{
    s->reach = reach_free(s->reach);
    rules_settle(s);
}

static int load_schema(struct rules *s, struct error *e)
{
    CLEANUP(freep) char *text = NULL;
    int r = state_meta_get(s->state, "schema", &text, e);
    if (r < 0)
        return r;
    if (r == 0)
        r = schema_from_json(&s->schema, text);
    if (r != 0 || !s->schema) /* none, or unreadable: the server will send it again */
        s->schema = schema_new();
    return s->schema ? 0 : error_out_of_memory(e);
}

int rules_new(struct rules **ret, struct books *b, struct error *e)
{
    struct rules *s = calloc(1, sizeof(*s));
    if (!s)
        return error_out_of_memory(e);
    *s = (struct rules){.books = b, .state = books_state(b), .options = books_options(b)};
    int r = load_schema(s, e);
    if (r == 0)
        r = mirror_use_schema(s->state, s->schema, e);
    if (r == 0)
        r = bind(s, e);
    if (r < 0) {
        rules_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

struct rules *rules_free(struct rules *s)
{
    if (!s)
        return NULL;
    mirror_drop_schema(s->state, s->schema);
    told_done(&s->told);
    reach_free(s->reach);
    ruleset_free(s->before);
    ruleset_free(s->ruleset);
    schema_free(s->schema);
    bound_groups_done(&s->groups);
    string_list_done(&s->sighted);
    string_list_done(&s->sightings);
    free(s);
    return NULL;
}

const struct ruleset *rules_ruleset(const struct rules *s)
{
    return s->ruleset;
}

const struct schema *rules_schema(const struct rules *s)
{
    return s->schema;
}

bool rules_names_role(const char *role, void *userdata)
{
    const struct rules *s = userdata;
    return ruleset_names_role(s->ruleset, role);
}

bool rules_names_skill(const char *skill, void *userdata)
{
    const struct rules *s = userdata;
    return ruleset_names_skill(s->ruleset, skill);
}

static int use_schema(struct rules *s, const struct schema *schema, const char *text,
                      struct error *e)
{
    int r = state_meta_set(s->state, "schema", text, e);
    return r < 0 ? r : mirror_use_schema(s->state, schema, e);
}

/* The ruleset that borrowed the schema before is gone with it. */
static int replace_schema(struct rules *s, struct schema *taken, const char *text,
                          bool *ret_reads_more, struct error *e)
{
    struct schema *before = s->schema;
    struct error ignored = {0};
    int r = use_schema(s, taken, text, e);
    if (r == 0) {
        s->schema = taken;
        r = rules_renew(s, ret_reads_more, e);
        if (r < 0 && mirror_use_schema(s->state, before, &ignored) < 0)
            mirror_drop_schema(s->state, taken);
    }
    s->schema = r < 0 ? before : taken;
    rules_settle(s); /* other schemas are not compared */
    schema_free(r < 0 ? taken : before);
    return r;
}

void rules_take_schema(struct rules *s, struct schema *taken, bool *ret_reads_more)
{
    CLEANUP(schema_freep) struct schema *schema = taken;
    CLEANUP(freep) char *text = schema_to_json(schema);
    CLEANUP(freep) char *old = NULL;
    struct error e = {0};
    *ret_reads_more = false;
    if (!text || state_meta_get(s->state, "schema", &old, &e) < 0)
        return;
    if (old && text_equal(old, text))
        return;
    if (replace_schema(s, TAKE(schema), text, ret_reads_more, &e) < 0)
        log_error("The directory's schema cannot be used: %s", e.message);
    books_wake(s->books, WORK_DUE);
}

struct told *rules_told(struct rules *s)
{
    return &s->told;
}

const struct bound_groups *rules_groups(const struct rules *s)
{
    return s->groups_dirty ? NULL : &s->groups;
}

void rules_doubt_groups(struct rules *s)
{
    s->groups_dirty = true;
}

void rules_sight_group(struct rules *s, const char *dn, const char *sentence)
{
    if (!dn) {
        string_list_done(&s->sighted);
        string_list_done(&s->sightings);
        return;
    }
    /* Without memory for it the plain sentence is said. */
    if (string_list_add(&s->sightings, sentence) == 0)
        (void)string_list_add(&s->sighted, dn);
}

const char *rules_sighting(const struct rules *s, const char *dn)
{
    for (size_t i = 0; i < s->sighted.n_items; i++)
        if (text_equal(s->sighted.items[i], dn))
            return s->sightings.items[i];
    return NULL;
}

static void say_group_change(const struct ruleset_group *configured, const char *sighting,
                             const struct bound_group *before, const struct bound_group *now)
{
    if (before && before->state == now->state &&
        (before->n_members == 0) == (now->n_members == 0) &&
        before->members_hidden == now->members_hidden &&
        (now->state != BOUND_RENAMED || text_equal(before->dn, now->dn)))
        return;
    switch (now->state) {
    case BOUND_NEVER_SEEN:
        log_event(LOG_WARNING, MSG_GROUP_MISSING, "%s:%u: the group %s of rule \"%s\" %s",
                  configured->file, configured->line, configured->dn, configured->rule,
                  sighting ? sighting : "is not in the directory: correct the rule, or create it");
        break;
    case BOUND_GONE:
        log_event(
            LOG_WARNING, MSG_GROUP_MISSING,
            "%s:%u: the group %s of rule \"%s\" was deleted: nobody loses anything because of it until it is "
            "restored or the rule is changed",
            configured->file, configured->line, configured->dn, configured->rule);
        break;
    case BOUND_RENAMED:
        log_warning(
            "%s:%u: the group %s of rule \"%s\" is now called %s: it is followed; correct the rule",
            configured->file, configured->line, configured->dn, configured->rule, now->dn);
        break;
    case BOUND_PRESENT:
        if (now->members_hidden)
            log_warning("%s:%u: members of the group %s of rule \"%s\" are hidden from this "
                        "account: those that were seen last count, and nobody loses anything",
                        configured->file, configured->line, configured->dn, configured->rule);
        else if (now->n_members == 0)
            log_warning("%s:%u: the group %s of rule \"%s\" has no members%s%s", configured->file,
                        configured->line, configured->dn, configured->rule, sighting ? ": it " : "",
                        sighting ? sighting : "");
        break;
    }
}

static void alarm_missing(struct rules *s, const char *cause, const char *dn)
{
    const char *sighting = rules_sighting(s, dn);
    char sentence[1200];
    snprintf(sentence, sizeof(sentence), "the group %s of a rule %s", dn,
             sighting ? sighting : "is not in the directory");
    alarm_set(s->books, cause, REASON_GROUP_MISSING,
              sighting ? sentence : "a rule's group is not in the directory");
}

static bool is_missing(const struct bound_group *g)
{
    return g->state == BOUND_GONE || g->state == BOUND_NEVER_SEEN;
}

/* While a rule's group is missing, everybody is judged otherwise, members or not. Which ones were
 * is remembered in the state: one that came during a stop, or together with rules that name it no
 * more, was missing when people were looked at last. */
static int note_missing(struct rules *s, const struct buffer *missing, struct error *e)
{
    CLEANUP(freep) char *before = NULL;
    const char *now = missing->data ? missing->data : "";
    int r = missing->failed ? error_out_of_memory(e)
                            : state_meta_get(s->state, "groups-missing", &before, e);
    if (r < 0 || text_equal(before ? before : "", now))
        return r < 0 ? r : 0;
    r = state_meta_set(s->state, "groups-missing", *now ? now : NULL, e);
    return r < 0 ? r : person_mark_all_dirty(s->state, e);
}

/* Which entries the rules' groups are today. Deleted, renamed and emptied are told apart in the
 * log. */
int rules_bind_groups(struct rules *s, struct error *e)
{
    if (!s->groups_dirty)
        return 0;
    size_t n_groups;
    const struct ruleset_group *groups = ruleset_groups(s->ruleset, &n_groups);
    const char **keys = calloc(n_groups + 1, sizeof(*keys));
    if (!keys)
        return error_out_of_memory(e);
    for (size_t i = 0; i < n_groups; i++)
        keys[i] = groups[i].key;
    struct bound_groups fresh = {0};
    int r = mirror_bind_groups(s->state, keys, n_groups, &fresh, e);
    free(keys);
    if (r < 0)
        return r;
    CLEANUP(buffer_done) struct buffer missing = {0};
    CLEANUP(string_list_done) struct string_list standing = {0};
    for (size_t i = 0; i < n_groups; i++) {
        const struct bound_group *before = NULL;
        for (size_t j = 0; j < s->groups.n_items && !before; j++)
            if (text_equal(s->groups.items[j].configured_key, fresh.items[i].configured_key))
                before = &s->groups.items[j];
        if (!s->options->quiet)
            say_group_change(&groups[i], rules_sighting(s, groups[i].dn), before, &fresh.items[i]);
        char cause[600];
        snprintf(cause, sizeof(cause), "group:%s", groups[i].dn);
        if (is_missing(&fresh.items[i])) {
            buffer_format(&missing, "%s\n", groups[i].key);
            alarm_missing(s, cause, groups[i].dn);
            if (string_list_add(&standing, cause) < 0)
                r = error_out_of_memory(e);
        }
    }
    if (r == 0) /* also those that no rule names any more */
        r = alarm_over_but(s->books, "group:", &standing, e);
    if (r == 0)
        r = hidden_look(s->books, &fresh, e);
    bound_groups_done(&s->groups);
    s->groups = fresh;
    s->groups_dirty = false;
    if (r == 0 && s->reach)
        r = reach_resolve(s->reach, e);
    return r < 0 ? r : note_missing(s, &missing, e);
}

/* The place of a rule's group among those that are bound; SIZE_MAX: it is not bound yet, as
 * after a reload, until the next look at everybody. */
static size_t bound_place(const struct rules *s, size_t i, const char *key)
{
    const struct bound_group *bound = s->groups.items;
    if (i < s->groups.n_items && text_equal(bound[i].configured_key, key))
        return i;
    for (size_t k = 0; k < s->groups.n_items; k++)
        if (text_equal(bound[k].configured_key, key))
            return k;
    return SIZE_MAX;
}

int rules_evaluate(const struct rules *s, const char *entry_id, const struct entry *entry,
                   bool explain, struct verdict *ret, struct error *e)
{
    size_t n_groups = s->groups.n_items, n_named = 0;
    const struct ruleset_group *named = ruleset_groups(s->ruleset, &n_named);
    struct mirror_membership *found = calloc(n_groups + 1, sizeof(*found));
    struct membership *memberships = calloc(n_named + 1, sizeof(*memberships));
    int r = found && memberships ? 0 : error_out_of_memory(e);
    if (r == 0)
        r = mirror_memberships(s->state, entry_id, &s->groups, found, e);
    if (r == 0) {
        for (size_t i = 0; i < n_named; i++) {
            size_t k = bound_place(s, i, named[i].key);
            if (k == SIZE_MAX) {
                memberships[i].state = GROUP_MISSING;
                continue;
            }
            enum bound_state is = s->groups.items[k].state;
            /* Whoever was in no way a member of a group when it was deleted loses nothing
             * because of it, and need not wait for it. */
            bool known = is == BOUND_PRESENT || is == BOUND_RENAMED ||
                         (is == BOUND_GONE && !found[k].member);
            memberships[i] = (struct membership){
                .state = known ? GROUP_PRESENT : GROUP_MISSING,
                .member = found[k].member,
                .via = found[k].via,
            };
        }
        r = ruleset_evaluate(s->ruleset, entry, memberships, clock_date_usec(), explain, ret, e);
    }
    if (r == 0 && told_has(&s->told, entry_id))
        r = ruleset_is_told(s->ruleset, ret) < 0 ? error_out_of_memory(e) : 0;
    if (found)
        mirror_memberships_done(found, n_groups);
    free(found);
    free(memberships);
    return r;
}
