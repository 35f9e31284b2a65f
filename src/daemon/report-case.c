/*
 * A person as a case (rosterd.case(5)): the entry of the mirror, the groups that the rules ask
 * for, and the verdict of this moment. The personal values are replaced, and the case is given
 * away only when it leads to the same verdict without a server.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/daemon.h"
#include "daemon/report.h"
#include "mapping/case-disguise.h"
#include "mapping/case.h"
#include "state/mirror.h"

/* A value that so many of those who were looked at have tells nobody apart. */
#define COMMON 5
#define SAMPLE 2000

static int count_value(const struct entry *entry, void *userdata)
{
    json_t *counts = userdata;
    for (size_t i = 0; i < entry->n_attributes; i++) {
        const struct attribute *a = &entry->attributes[i];
        for (size_t k = 0; k < a->n_values; k++) {
            struct error e = {0};
            CLEANUP(buffer_done) struct buffer key = {0};
            if (a->values[k].state != VALUE_TEXT)
                continue;
            buffer_format(&key, "%s\n%s", a->name, a->values[k].data);
            if (key.failed || report_count(counts, key.data, &e) < 0)
                return -ENOMEM;
        }
    }
    return 0;
}

static bool is_common(const char *attribute, const char *value, void *userdata)
{
    CLEANUP(buffer_done) struct buffer key = {0};
    buffer_format(&key, "%s\n%s", attribute, value);
    return !key.failed && json_integer_value(json_object_get(userdata, key.data)) >= COMMON;
}

static int take_groups(struct engine *n, struct state *s, const char *id, struct mapping_case *c,
                       struct error *e)
{
    CLEANUP(bound_groups_done) struct bound_groups bound = {0};
    size_t n_groups;
    const struct ruleset_group *groups = ruleset_groups(engine_ruleset(n), &n_groups);
    int r = report_bind_groups(s, engine_ruleset(n), &bound, e);
    struct mirror_membership *found = calloc(bound.n_items + 1, sizeof(*found));
    if (r == 0)
        r = found ? mirror_memberships(s, id, &bound, found, e) : error_out_of_memory(e);
    for (size_t i = 0; i < n_groups && r == 0; i++) {
        enum bound_state state = bound.items[i].state;
        bool known = state == BOUND_PRESENT || state == BOUND_RENAMED ||
                     (state == BOUND_GONE && !found[i].member);
        if (!known)
            r = string_list_add(&c->missing, groups[i].dn);
        else if (found[i].member)
            r = string_list_add(&c->groups, groups[i].dn);
        if (r < 0)
            r = error_out_of_memory(e);
    }
    if (found)
        mirror_memberships_done(found, bound.n_items);
    free(found);
    return r;
}

/* 1: the rules see the same without a server. 0: not, and e says what they see. */
static int is_proved(const struct mapping_case *c, const struct mapping_options *options,
                     struct error *e)
{
    CLEANUP(verdict_done) struct verdict v = {0};
    CLEANUP(case_differences_done) struct case_differences d = {0};
    int r = case_judge(c, options, false, &v, e);
    if (r == 0 && case_compare(c, &v, &d) < 0)
        r = error_out_of_memory(e);
    if (r < 0 || !d.n_items)
        return r < 0 ? r : 1;
    error_set(e, 0,
              "no case can be written: without the directory's schema %s would be '%s' instead of "
              "'%s'",
              d.items[0].field, d.items[0].got ? d.items[0].got : "nothing",
              d.items[0].expected ? d.items[0].expected : "nothing");
    return 0;
}

/* How the server compares is part of the case where the verdict hangs on it, and only there. */
static int prove(struct engine *n, struct mapping_case *c, const struct mapping_options *options,
                 struct error *e)
{
    int r = is_proved(c, options, e);
    if (r != 0)
        return r < 0 ? r : 0;
    if (case_describe_schema(c, engine_ruleset(n), engine_schema(n)) < 0)
        return error_out_of_memory(e);
    r = is_proved(c, options, e);
    return r == 0 ? -ENOTSUP : r < 0 ? r : 0;
}

static int begin_case(struct engine *n, struct state *s, const char *id, struct mapping_case *c,
                      struct error *e)
{
    CLEANUP(mirror_entry_done) struct mirror_entry m = {0};
    CLEANUP(verdict_done) struct verdict v = {0};
    int r = mirror_load(s, id, &m, e);
    if (r == 0 && (m.gone || m.entry->kind != ENTRY_PERSON))
        return error_set(e, -ENOENT, "somebody who is not in the directory cannot be made a case");
    if (r == 0)
        r = engine_explain(n, id, &v, e);
    if (r == 0)
        r = take_groups(n, s, id, c, e);
    if (r == 0) {
        c->has_time = ruleset_reads_clock(engine_ruleset(n));
        c->time_usec = clock_now_usec() / USEC_PER_SEC * USEC_PER_SEC;
        c->entry = TAKE(m.entry);
        r = case_expect(c, &v) < 0 ? error_out_of_memory(e) : 0;
    }
    return r == 0 ? 0 : r < 0 ? r : error_set(e, -ENOENT, "nothing is known of this entry");
}

int report_case(struct engine *n, struct state *s, const struct mapping_options *options,
                const char *id, char **ret, struct error *e)
{
    CLEANUP(case_done) struct mapping_case c = {0};
    CLEANUP(buffer_done) struct buffer b = {0};
    json_auto_t *counts = json_object();
    struct case_commons commons = {is_common, counts};
    int r = begin_case(n, s, id, &c, e);
    if (r == 0)
        r = prove(n, &c, options, e);
    if (r == 0)
        r = mirror_sample(s, SAMPLE, count_value, counts, e);
    if (r == 0)
        r = case_disguise(&c, options, engine_ruleset(n), &commons, e);
    if (r < 0)
        return r;
    buffer_add_text(&b, "# Written by rosterctl explain --case: names and numbers are invented.\n");
    case_write(&b, &c);
    *ret = buffer_take(&b);
    return *ret ? 0 : error_out_of_memory(e);
}
