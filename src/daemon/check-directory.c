/*
 * The directory's part of a check: which server, product and feed; how much it sees; and what
 * the mapping makes of it: groups that do not exist, attributes that nobody has, people who
 * lack mandatory values. All of it comes from one read into the check's own state.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/check.h"
#include "daemon/daemon.h"
#include "daemon/report.h"
#include "mapping/ruleset.h"
#include "model/schema.h"
#include "model/user.h"
#include "state/mirror.h"
#include "state/person.h"
#include "state/queue.h"

#define READ_LIMIT_USEC (90 * USEC_PER_SEC)
#define PLAN_LIMIT_USEC (30 * USEC_PER_SEC)
#define EXAMPLES        10

struct trial_read {
    bool done;
    int r;
    struct error e;
};

static void on_read(int r, const struct error *e, void *userdata)
{
    struct trial_read *reading = userdata;
    reading->r = r;
    if (r < 0)
        reading->e = *e;
    reading->done = true;
}

static void on_idle(void *userdata)
{
    *(bool *)userdata = true;
}

/* Attributes that a server may change on an entry that stays: the feeds do not say reliably
 * that such an entry has left the filter. What class an entry is of does not change in use. */
static void check_filter(struct check_run *c)
{
    static const char *const stable[] = {"objectClass", "objectCategory", "structuralObjectClass",
                                         "sAMAccountType"};
    struct string_list names = {0};
    struct error e = {0};
    const char *filter = c->settings->directory.filter;
    int r = filter ? filter_attributes(filter, &names, &e) : 0;
    if (r < 0)
        check_add(c, CHECK_WARNING, "[directory] filter", "%s", e.message);
    for (size_t i = 0; i < names.n_items; i++) {
        bool is_stable = false;
        for (size_t j = 0; j < ARRAY_SIZE(stable); j++)
            is_stable = is_stable || text_equal_ascii_case(names.items[i], stable[j]);
        if (!is_stable)
            check_add(c, CHECK_WARNING, "[directory] filter",
                      "it names %s, which can change: servers do not say reliably that an entry "
                      "has left such a filter. Let the filter select classes alone, and put the "
                      "rest into [scope] when, or into a rule's group",
                      names.items[i]);
    }
    string_list_done(&names);
}

static void say_server(struct check_run *c, const struct directory_status *s)
{
    struct mirror_counts n = {0};
    struct error e = {0};
    c->never_follows_urls = s->product && strncasecmp(s->product, "389", 3) == 0;
    check_add(c, CHECK_OK, "directory", "%s is %s", s->uri ? s->uri : "the server",
              s->product ? s->product : "a server that does not say what it is");
    /* Without a base the choice of the feed follows from that, and its reason leads astray. */
    if (s->feed != DIRECTORY_FEED_AUTO && !s->base_doubt)
        check_add(c, CHECK_OK, "feed", "%s%s%s", directory_feed_name(s->feed),
                  s->feed_reason ? ": " : "", s->feed_reason ? s->feed_reason : "");
    if (mirror_counts(c->state, &n, &e) < 0) {
        check_add(c, CHECK_ERROR, "directory", "%s", e.message);
        return;
    }
    if (s->base_doubt && !n.people)
        return;
    check_add(c, n.people ? CHECK_OK : CHECK_ERROR, "entries",
              "%zu %s and %zu group%s are seen below %s%s%s", n.people,
              n.people == 1 ? "person" : "people", n.groups, text_plural(n.groups),
              c->settings->directory.n_bases ? c->settings->directory.bases[0] : "the base",
              c->settings->directory.n_bases > 1 ? " and the other bases" : "",
              n.people ? ""
                       : ": nobody. Look at [directory] base and filter, and at what the "
                         "account may read");
    if (n.members_unresolved)
        check_add(c, CHECK_WARNING, "entries",
                  n.members_unresolved == 1
                      ? "%zu member of a group cannot be seen as an entry: it lies outside the "
                        "base, does not fit the filter, or does not exist"
                      : "%zu members of groups cannot be seen as entries: they lie outside the "
                        "base, do not fit the filter, or do not exist",
                  n.members_unresolved);
}

static void say_missing_group(struct check_run *c, const struct ruleset_group *g)
{
    struct string_list similar = {0};
    struct error e = {0};
    char meant[1100], subject[300];
    int r = mirror_similar_groups(c->state, g->dn, 1, &similar, &e);
    snprintf(subject, sizeof(subject), "rule \"%s\"", g->rule);
    const char *sighting = engine_group_sighting(c->engine, g->dn);
    check_add(c, CHECK_ERROR, subject, "%s:%u: the group %s %s%s", g->file ? g->file : "", g->line,
              g->dn, sighting ? sighting : "is not in the directory",
              sighting
                  ? ""
                  : check_meant(meant, sizeof(meant), similar.n_items ? similar.items[0] : NULL));
    if (r < 0)
        check_add(c, CHECK_WARNING, subject, "%s", e.message);
    string_list_done(&similar);
}

/* Whether there was something to say of a memberURL. */
static bool say_dynamic_group(struct check_run *c, const struct ruleset_group *g,
                              const struct bound_group *bound)
{
    CLEANUP(mirror_entry_done) struct mirror_entry m = {0};
    struct error e = {0};
    char subject[300];
    if (!bound->id || mirror_load(c->state, bound->id, &m, &e) != 0 ||
        !entry_attribute(m.entry, "memberURL"))
        return false;
    bool followed = !c->never_follows_urls && bound->n_members > 0;
    snprintf(subject, sizeof(subject), "rule \"%s\"", g->rule);
    check_add(c, followed ? CHECK_OK : CHECK_WARNING, subject,
              followed ? "%s:%u: the group %s is dynamic (memberURL): who comes or goes by it is "
                         "found every poll_interval"
                       : "%s:%u: the group %s is dynamic, and this server does not follow its "
                         "memberURL: whoever is a member by that alone is not seen",
              g->file ? g->file : "", g->line, g->dn);
    return true;
}

static void say_empty_group(struct check_run *c, const struct ruleset_group *g)
{
    const char *sighting = engine_group_sighting(c->engine, g->dn);
    char subject[300];
    snprintf(subject, sizeof(subject), "rule \"%s\"", g->rule);
    check_add(c, CHECK_WARNING, subject, "%s:%u: the group %s has no members%s%s",
              g->file ? g->file : "", g->line, g->dn, sighting ? ": it " : "",
              sighting ? sighting : "");
}

static void check_groups(struct check_run *c)
{
    CLEANUP(bound_groups_done) struct bound_groups bound = {0};
    struct error e = {0};
    size_t n, n_fine = 0;
    const struct ruleset_group *groups = ruleset_groups(engine_ruleset(c->engine), &n);
    if (report_bind_groups(c->state, engine_ruleset(c->engine), &bound, &e) < 0) {
        check_add(c, CHECK_ERROR, "groups", "%s", e.message);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        enum bound_state state = bound.items[i].state;
        char subject[300];
        snprintf(subject, sizeof(subject), "rule \"%s\"", groups[i].rule);
        bool is_dynamic = say_dynamic_group(c, &groups[i], &bound.items[i]);
        if (state == BOUND_NEVER_SEEN || state == BOUND_GONE)
            say_missing_group(c, &groups[i]);
        else if (bound.items[i].members_hidden)
            check_add(c, CHECK_ERROR, subject,
                      "%s:%u: the group %s has members that this account is not shown: give it the "
                      "right to read its members and to search for them",
                      groups[i].file ? groups[i].file : "", groups[i].line, groups[i].dn);
        else if (bound.items[i].n_members == 0 && !is_dynamic)
            say_empty_group(c, &groups[i]);
        else
            n_fine++;
    }
    if (n && n_fine == n)
        check_add(c, CHECK_OK, "groups",
                  n == 1 ? "the %zu group of the rules exists and has members"
                         : "all %zu groups of the rules exist and have members",
                  n);
}

/* What rules give without anybody's approval, so that nobody learns it later. */
static void check_roles(struct check_run *c)
{
    CLEANUP(buffer_done) struct buffer free_ones = {0};
    const struct string_list *roles = ruleset_roles(engine_ruleset(c->engine));
    for (size_t i = 0; i < roles->n_items; i++)
        if (!options_role_is_privileged(&c->settings->sync, roles->items[i]))
            buffer_format(&free_ones, "%s%s", free_ones.size ? ", " : "", roles->items[i]);
    if (free_ones.size && !free_ones.failed)
        check_add(c, CHECK_OK, "roles",
                  "given by rules without approval, since [guard] privileged_roles does not list "
                  "them: %s",
                  free_ones.data);
}

/* What this server's schema makes of the rules; what the files alone told was said before. */
static void say_problem(const struct problem *p, void *userdata)
{
    struct check_run *c = userdata;
    char subject[1100];
    size_t i;
    json_t *item;
    json_array_foreach (c->items, i, item) {
        const char *said = json_string_value(json_object_get(item, "sentence"));
        if (said && strstr(said, p->sentence))
            return;
    }
    snprintf(subject, sizeof(subject), "%s:%u", p->file, p->line);
    check_add(c, p->level == PROBLEM_WARNING ? CHECK_WARNING : CHECK_ERROR, subject, "%s",
              p->sentence);
}

static void check_rules(struct check_run *c)
{
    struct ruleset *rules = NULL;
    int r = ruleset_new(&rules, &c->settings->mapping, engine_schema(c->engine), say_problem, c);
    if (r == -ENOMEM)
        c->out_of_memory = true;
    ruleset_free(rules);
}

/* How many people have the attribute or, where a filter reads these for it, one of its subtypes.
 * *ret_counted: it is such a subtype itself, and nothing is said about it. */
static size_t count_with_subtypes(const struct check_run *c, const struct string_list *names,
                                  const size_t *counts, size_t i, bool *ret_counted)
{
    const struct schema *schema = engine_schema(c->engine);
    size_t n = 0;
    *ret_counted = false;
    for (size_t k = 0; k < names->n_items; k++) {
        if (schema_is_subtype(schema, names->items[k], names->items[i]) || k == i)
            n += counts[k];
        else if (schema_is_subtype(schema, names->items[i], names->items[k]))
            *ret_counted = true;
    }
    return n;
}

/* Who comes into a group changes them without a change of the person's entry. */
static void check_computed(struct check_run *c, const struct string_list *names)
{
    static const char *const computed[] = {"memberOf", "isMemberOf", "nsRole"};
    for (size_t i = 0; i < names->n_items; i++)
        for (size_t j = 0; j < ARRAY_SIZE(computed); j++)
            if (text_equal_ascii_case(names->items[i], computed[j]))
                check_add(c, CHECK_WARNING, "attributes",
                          "the mapping reads %s, which servers compute: where it alone changes, "
                          "most say nothing, and it is found by full compares only (each "
                          "[directory] full_interval). A rule's group is followed at once",
                          names->items[i]);
}

static void check_attributes(struct check_run *c)
{
    struct error e = {0};
    size_t people = 0;
    const struct string_list *names = ruleset_attributes(engine_ruleset(c->engine));
    size_t n_nobody = 0, *counts = calloc(names->n_items + 1, sizeof(*counts));
    int r = counts ? mirror_attribute_counts(c->state, names, counts, &people, &e)
                   : error_out_of_memory(&e);
    for (size_t i = 0; i < names->n_items && r >= 0 && people; i++) {
        bool counted;
        if (count_with_subtypes(c, names, counts, i, &counted) || counted)
            continue;
        n_nobody++;
        check_add(
            c, CHECK_WARNING, "attributes",
            "nobody of %zu %s has the attribute %s, which the mapping reads: is the name right, and may the account read it?",
            people, people == 1 ? "person" : "people", names->items[i]);
    }
    check_computed(c, names);
    if (r < 0)
        check_add(c, CHECK_ERROR, "attributes", "%s", e.message);
    else if (people && names->n_items && !n_nobody)
        check_add(c, CHECK_OK, "attributes",
                  names->n_items == 1 ? "the %zu attribute of the mapping has values"
                                      : "all %zu attributes of the mapping have values",
                  names->n_items);
    free(counts);
}

struct census {
    struct check_run *c;
    size_t n_users, n_invalid, n_skipped;
    size_t n_waiting; /* of the users: for something that was said */
    json_t *skipped;  /* by code */
};

static int count_person(const struct person *p, void *userdata)
{
    struct census *s = userdata;
    struct error e = {0};
    if (p->verdict == VERDICT_USER) {
        s->n_users++;
    } else if (p->verdict == VERDICT_SKIP) {
        s->n_skipped++;
        if (report_count(s->skipped, p->code ? p->code : "unknown", &e) < 0)
            s->c->out_of_memory = true;
    } else if (p->verdict == VERDICT_INVALID && s->n_invalid++ < EXAMPLES) {
        check_add(s->c, CHECK_WARNING, p->dn, "%s", p->sentence ? p->sentence : p->code);
    }
    return 0;
}

static int say_hold(const char *cause, const char *reason, const char *sentence,
                    enum operation_state state, uint64_t since_usec, uint64_t next_usec,
                    size_t n_people, void *userdata)
{
    (void)since_usec;
    (void)next_usec;
    struct census *s = userdata;
    struct check_run *c = s->c;
    /* The budgets of a first load are not a matter of the connections. */
    if (state != OPERATION_HELD || !reason || text_equal(reason, REASON_ENTRY_INVALID))
        return 0;
    s->n_waiting += n_people;
    check_add(c, CHECK_WARNING, cause ? cause : reason,
              n_people == 1 ? "%zu person waits: %s" : "%zu people wait: %s", n_people,
              sentence ? sentence : reason_code_text(reason));
    return 0;
}

static void check_people(struct check_run *c)
{
    struct error e = {0};
    json_auto_t *skipped = json_object();
    struct census s = {.c = c, .skipped = skipped};
    int r = person_each(c->state, count_person, &s, &e);
    if (r == 0 && s.n_invalid > EXAMPLES)
        check_add(c, CHECK_WARNING, "people", "%zu more cannot become users for such reasons",
                  s.n_invalid - EXAMPLES);
    if (r == 0)
        r = queue_holds(c->state, true, say_hold, &s, &e);
    if (r < 0) {
        check_add(c, CHECK_ERROR, "people", "%s", e.message);
        return;
    }
    char reasons[512] = "";
    const char *code;
    json_t *n;
    json_object_foreach (skipped, code, n) {
        size_t used = strlen(reasons);
        snprintf(reasons + used, sizeof(reasons) - used, "%s%s: %lld", used ? ", " : " (", code,
                 (long long)json_integer_value(n));
    }
    size_t n_waiting = s.n_waiting < s.n_users ? s.n_waiting : s.n_users;
    size_t n_wrong = s.n_invalid + n_waiting;
    char wrong[80] = "";
    if (n_wrong > 0)
        snprintf(wrong, sizeof(wrong), ", %zu would be if their values were right", n_wrong);
    check_add(c, s.n_users ? CHECK_OK : CHECK_WARNING, "people",
              "%zu would be %s%s, %zu get%s no user%s%s", s.n_users - n_waiting,
              s.n_users - n_waiting == 1 ? "a user" : "users", wrong, s.n_skipped,
              s.n_skipped == 1 ? "s" : "", reasons, reasons[0] ? ")" : "");
}

/* false: there is nothing to look at; what is wrong was said. */
static bool read_directory(struct check_run *c, struct directory *d)
{
    struct trial_read reading = {0};
    struct directory_status status;
    struct error e = {0};
    int r = directory_read_once(d, on_read, &reading, &e);
    c->reading = d;
    if (r == 0)
        r = check_wait(c, &reading.done, READ_LIMIT_USEC);
    c->reading = NULL;
    directory_status(d, &status);
    if (status.base_doubt)
        check_add(
            c, CHECK_ERROR, "[directory] base",
            "the server does not show %s: %s. Is the name right, and may the account read it?",
            c->settings->directory.bases[0], status.base_doubt);
    if (r == -ETIMEDOUT) {
        check_add(c, CHECK_ERROR, "directory", "%s was not read to its end within %llu seconds%s%s",
                  status.uri ? status.uri : "the server",
                  (unsigned long long)(READ_LIMIT_USEC / USEC_PER_SEC), status.error ? ": " : "",
                  status.error ? status.error : "");
    } else if (r == 0 && reading.r < 0) {
        r = reading.r;
        check_add(c, CHECK_ERROR, "directory", "%s", reading.e.message);
    } else if (r < 0 && r != -EINTR) {
        check_add(c, CHECK_ERROR, "directory", "%s", e.message[0] ? e.message : strerror(-r));
    }
    if (r == 0)
        say_server(c, &status);
    return r == 0;
}

/* Everybody who was read is judged, so that the state says what would become of them. */
static bool evaluate(struct check_run *c)
{
    struct engine_status status;
    bool idle = engine_is_idle(c->engine);
    check_progress(c, "Evaluating people");
    c->n_known = person_count_dirty(c->state);
    engine_on_idle(c->engine, on_idle, &idle);
    int r = check_wait(c, &idle, PLAN_LIMIT_USEC);
    c->n_known = 0;
    engine_on_idle(c->engine, NULL, NULL);
    engine_status(c->engine, &status);
    if (r < 0 && r != -EINTR)
        check_add(c, CHECK_ERROR, "people", "the people could not be evaluated: %s",
                  status.state_error ? status.state_error : strerror(-r));
    return r == 0;
}

void check_directory(struct check_run *c)
{
    struct directory *d = NULL;
    struct error e = {0};
    check_filter(c);
    check_progress(c, "Reading the directory");
    int r = engine_start(c->engine, &e);
    if (r == 0)
        r = directory_new(&d, c->event, &c->settings->directory,
                          ruleset_attributes(engine_ruleset(c->engine)), &engine_sink,
                          engine_reading(c->engine), &e);
    if (r < 0)
        check_add(c, CHECK_ERROR, "directory", "%s", e.message);
    if (r == 0)
        check_note_searches(c, d);
    bool fine = r == 0 && read_directory(c, d) && evaluate(c);
    directory_free(d);
    if (!fine)
        return;
    check_rules(c);
    check_rule_table(c);
    check_groups(c);
    check_roles(c);
    check_attributes(c);
    check_people(c);
}
