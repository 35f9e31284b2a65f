/*
 * What happened over a time, counted and listed for people who review it: filled in one pass
 * over the files. It holds what is listed and no more, so its size is that of the answer.
 */
#include "config.h"

#include "audit/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"


static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static bool is(const json_t *view, const char *name, const char *text)
{
    const char *value = text_of(view, name);

    return value && strcmp(value, text) == 0;
}

static void count(json_t *counts, const char *name)
{
    json_int_t n = json_integer_value(json_object_get(counts, name));

    json_object_set_new(counts, name, json_integer(n + 1));
}

static bool gives_role(const json_t *view)
{
    json_t *change;
    size_t i;

    json_array_foreach(json_object_get(view, "changes"), i, change)
    {
        const char *field = text_of(change, "field");

        if (field && strncmp(field, "role:", 5) == 0)
            return true;
    }
    return false;
}

/* Which list a line belongs to, or NULL. */
static const char *list_of(const json_t *view)
{
    if (is(view, "event", "approve"))
        return "approvals";
    if (is(view, "event", "configuration") || is(view, "event", "start"))
        return "configuration";
    if (is(view, "event", "drift"))
        return "drift";
    if (is(view, "event", "erase-begin") || is(view, "event", "erase-end"))
        return "erasures";
    if (is(view, "event", "alarm") || is(view, "event", "repair"))
        return "alarms";
    if (!is(view, "event", "outcome") || !is(view, "code", "done"))
        return is(view, "event", "skip") || is(view, "event", "hold") ? "waiting" : NULL;
    if (is(view, "operation", "create") || is(view, "operation", "adopt") ||
        is(view, "operation", "enable"))
        return "joiners";
    if (is(view, "operation", "disable") || is(view, "operation", "delete"))
        return "leavers";
    return gives_role(view) ? "roles" : "movers";
}

static int take_line(const char *line, const json_t *view, void *userdata)
{
    struct audit_report *r = userdata;
    const char *list = list_of(view), *time = text_of(view, "time");
    char day[11] = "";
    json_t *items;

    (void)line;
    r->n_lines++;
    if (!list)
        return 0;
    count(r->totals, list);
    if (time && strlen(time) >= 10) {
        memcpy(day, time, 10);
        items = json_object_get(r->days, day);
        if (!items) {
            items = json_object();
            json_object_set_new(r->days, day, items);
        }
        count(items, list);
    }
    items = json_object_get(r->lists, list);
    if (!items) {
        items = json_array();
        json_object_set_new(r->lists, list, items);
    }
    if (json_array_size(items) >= AUDIT_REPORT_ROWS) {
        r->n_left_out++;
        return 0;
    }
    return json_array_append(items, (json_t *)(uintptr_t)view) < 0 ? -ENOMEM : 0;
}

int audit_report(struct audit_report *r, const char *const *files, size_t n_files,
                 const struct audit_filter *filter, struct error *e)
{
    int n;

    r->totals = json_object();
    r->days = json_object();
    r->lists = json_object();
    if (!r->totals || !r->days || !r->lists)
        return error_out_of_memory(e);
    n = audit_verify(files, n_files, NULL, &r->verdict, e);
    if (n == 0)
        n = audit_each(files, n_files, filter, take_line, r, e);
    return n == -ENOMEM ? error_out_of_memory(e) : n;
}

void audit_report_done(struct audit_report *r)
{
    json_decref(r->totals);
    json_decref(r->days);
    json_decref(r->lists);
    audit_verify_result_done(&r->verdict);
    *r = (struct audit_report){0};
}
