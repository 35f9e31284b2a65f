/*
 * Binds the configuration to the directory as it is: the rules to its schema, the rules' groups
 * to its entries. It decides about nobody; it marks whom a change of either can affect.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log-ids.h"
#include "base/log.h"
#include "sync/internal.h"

static void problem_to_log(enum problem_severity severity, const char *file, unsigned line,
                           unsigned column, const char *sentence, void *userdata)
{
    (void)userdata;
    (void)column;
    if (severity != PROBLEM_WARNING)
        log_error("%s:%u: %s", file, line, sentence);
    else
        log_warning("%s:%u: %s", file, line, sentence);
}

/* The ruleset for today's configuration and schema; when it decides otherwise, everybody is
 * dirty. */
int bind_ruleset(struct engine *n, struct error *e)
{
    struct ruleset *fresh = NULL;
    int r = ruleset_new(&fresh, n->options.mapping, n->schema, problem_to_log, NULL);
    if (r < 0)
        return error_set(
            e, r, "the rules do not fit the directory's schema; the lines before say why");
    ruleset_free(n->ruleset);
    n->ruleset = fresh;
    n->groups_dirty = true;
    CLEANUP(freep) char *before = NULL;
    r = state_meta_get(n->state, "mapping", &before, e);
    if (r < 0)
        return r;
    if (before && text_equal(before, ruleset_fingerprint(fresh)))
        return 0;
    r = books_write(n->books, e);
    if (r == 0)
        r = person_mark_all_dirty(n->state, e);
    if (r == 0)
        r = state_meta_set(n->state, "mapping", ruleset_fingerprint(fresh), e);
    books_wake(n->books, WORK_DUE);
    return r;
}

const char *engine_group_sighting(const struct engine *n, const char *dn)
{
    for (size_t i = 0; i < n->sighted.n_items; i++)
        if (text_equal(n->sighted.items[i], dn))
            return n->sightings.items[i];
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
                  sighting ? sighting
                           : "is not in the directory: correct the rule, or create it");
        break;
    case BOUND_GONE:
        log_event(
            LOG_WARNING, MSG_GROUP_MISSING,
            "%s:%u: the group %s of rule \"%s\" was deleted: nobody loses anything for it until it is "
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
            log_warning("%s:%u: the members of the group %s of rule \"%s\" are hidden from this "
                        "account: those that were seen last count, and nobody loses anything",
                        configured->file, configured->line, configured->dn, configured->rule);
        else if (now->n_members == 0)
            log_warning("%s:%u: the group %s of rule \"%s\" has no members%s%s",
                        configured->file, configured->line, configured->dn, configured->rule,
                        sighting ? ": it " : "", sighting ? sighting : "");
        break;
    }
}

static void say_hidden(struct engine *n, const struct bound_group *g)
{
    char cause[600], sentence[1100];
    if (!g->dn)
        return;
    snprintf(cause, sizeof cause, "members:%s", g->dn);
    if (g->state == BOUND_GONE || !g->members_hidden) {
        alarm_over(n->books, cause);
        return;
    }
    snprintf(sentence, sizeof sentence,
             "the group %.600s must have a member, and this account is shown none: nobody loses "
             "anything for it; give the account the right to read its members",
             g->dn);
    alarm_set(n->books, cause, REASON_ATTRIBUTE_VANISHED, sentence);
}

static void alarm_missing(struct engine *n, const char *cause, const char *dn)
{
    const char *sighting = engine_group_sighting(n, dn);
    char sentence[1200];
    snprintf(sentence, sizeof sentence, "the group %s of a rule %s", dn,
             sighting ? sighting : "is not in the directory");
    alarm_set(n->books, cause, REASON_GROUP_MISSING,
              sighting ? sentence : "a rule's group is not in the directory");
}

/* Which entries the rules' groups are today. Deleted, renamed and emptied are told apart in the
 * log. */
int bind_rule_groups(struct engine *n, struct error *e)
{
    size_t n_groups;
    const struct ruleset_group *groups = ruleset_groups(n->ruleset, &n_groups);
    const char **keys = calloc(n_groups + 1, sizeof *keys);
    if (!keys)
        return error_out_of_memory(e);
    for (size_t i = 0; i < n_groups; i++)
        keys[i] = groups[i].key;
    struct bound_groups fresh = {0};
    int r = books_write(n->books, e);
    if (r == 0)
        r = mirror_bind_groups(n->state, keys, n_groups, &fresh, e);
    free(keys);
    if (r < 0)
        return r;
    bool reachable_changed = false;
    for (size_t i = 0; i < n_groups; i++) {
        const struct bound_group *before = NULL;
        for (size_t j = 0; j < n->groups.n_items && !before; j++)
            if (text_equal(n->groups.items[j].configured_key, fresh.items[i].configured_key))
                before = &n->groups.items[j];
        if (!n->options.quiet)
            say_group_change(&groups[i], engine_group_sighting(n, groups[i].dn), before,
                             &fresh.items[i]);
        char cause[600];
        snprintf(cause, sizeof cause, "group:%s", groups[i].dn);
        bool missing =
            fresh.items[i].state == BOUND_GONE || fresh.items[i].state == BOUND_NEVER_SEEN;
        if (missing)
            alarm_missing(n, cause, groups[i].dn);
        else
            alarm_over(n->books, cause);
        say_hidden(n, &fresh.items[i]);
        bool was_missing =
            before && (before->state == BOUND_GONE || before->state == BOUND_NEVER_SEEN);
        if (before && was_missing != missing)
            reachable_changed = true;
    }
    bound_groups_done(&n->groups);
    n->groups = fresh;
    n->groups_dirty = false;
    return reachable_changed ? person_mark_all_dirty(n->state, e) : 0;
}
