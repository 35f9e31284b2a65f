/*
 * How the plan of another configuration differs from the one in force: who would be changed
 * only by it, in which fields, and what is planned now and would not be done. Operations that
 * are in both are no difference, however many they are.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "daemon/daemon.h"
#include "daemon/report.h"

/* Whom an operation concerns, what it does and to which values: not by which rule. Malloc'd. */
static char *identity_of(const json_t *operation)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    const json_t *person = json_object_get(operation, "person");
    size_t i;
    json_t *c;
    buffer_format(&b, "%s\n%s", json_string_value(json_object_get(person, "id")),
                  json_string_value(json_object_get(operation, "kind")));
    json_array_foreach(json_object_get(operation, "changes"), i, c)
    {
        const char *to = json_string_value(json_object_get(c, "to"));
        buffer_format(&b, "\n%s=%s", json_string_value(json_object_get(c, "field")), to ? to : "");
    }
    return buffer_take(&b);
}

static json_t *identities(const json_t *operations)
{
    json_auto_t *set = json_object();
    size_t i;
    json_t *o;
    json_array_foreach(operations, i, o)
    {
        CLEANUP(freep) char *identity = identity_of(o);
        if (!identity || json_object_set_new(set, identity, json_true()) < 0)
            return NULL;
    }
    return json_incref(set);
}

struct difference {
    json_t *kinds, *fields, *people; /* counts; people: a set of ids */
};

static int add(struct difference *d, const json_t *operation, struct error *e)
{
    const char *id =
        json_string_value(json_object_get(json_object_get(operation, "person"), "id"));
    size_t i;
    json_t *c;
    int r = report_count(d->kinds, json_string_value(json_object_get(operation, "kind")), e);
    if (r == 0 && id && json_object_set_new(d->people, id, json_true()) < 0)
        r = error_out_of_memory(e);
    json_array_foreach(json_object_get(operation, "changes"), i, c)
        if (r == 0)
            r = report_count(d->fields, json_string_value(json_object_get(c, "field")), e);
    return r;
}

/* What of these is not among the others. */
static int collect(struct difference *d, const json_t *operations, const json_t *others,
                   struct error *e)
{
    size_t i;
    json_t *o;
    int r = 0;
    json_array_foreach(operations, i, o)
    {
        CLEANUP(freep) char *identity = identity_of(o);
        if (!identity)
            return error_out_of_memory(e);
        if (r == 0 && !json_object_get(others, identity))
            r = add(d, o, e);
    }
    return r;
}

int candidate_differences(json_t *plan, const struct engine_view *v, struct state *s,
                          struct error *e)
{
    json_auto_t *now = report_plan(v, s, e);
    if (!now)
        return -EIO; /* the sentence is there */
    const json_t *before = json_object_get(now, "operations");
    const json_t *after = json_object_get(plan, "operations");
    json_auto_t *had = identities(before), *has = identities(after);
    json_auto_t *kinds = json_object(), *fields = json_object(), *people = json_object();
    json_auto_t *dropped = json_object(), *unused = json_object(), *who = json_object();
    struct difference more = {kinds, fields, people}, less = {dropped, unused, who};
    if (!had || !has)
        return error_out_of_memory(e);
    int r = collect(&more, after, had, e);
    if (r == 0)
        r = collect(&less, before, has, e);
    if (r < 0)
        return r;
    json_t *answer = json_pack("{s:I, s:O, s:O, s:O}", "people", (json_int_t)json_object_size(people),
                               "operations", kinds, "fields", fields, "dropped", dropped);
    return json_object_set_new(plan, "differences", answer) < 0 ? error_out_of_memory(e) : 0;
}
