/* Plans as JSON lines: what holds for the whole life first, then what happens. */
#include "config.h"

#include "plan.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

static const char *const names[WHAT_KINDS] = {
    [WHAT_HIRE] = "hire",           [WHAT_LEAVE] = "leave",
    [WHAT_RETURN] = "return",       [WHAT_NAME] = "name",
    [WHAT_LOGIN] = "login",         [WHAT_TEAM] = "team",
    [WHAT_LEAD] = "lead",           [WHAT_LANGUAGE] = "language",
    [WHAT_TYPE] = "type",           [WHAT_MOVE] = "move",
    [WHAT_SHIFT] = "shift",         [WHAT_CRASH] = "crash",
    [WHAT_DIRECTORY] = "directory", [WHAT_TENANT] = "tenant",
    [WHAT_OPERATOR] = "operator",   [WHAT_CONFIGURATION] = "configuration",
    [WHAT_CLOCK] = "clock",         [WHAT_DISK] = "disk",
    [WHAT_STATE] = "state",         [WHAT_HAND] = "hand",
    [WHAT_GROUP] = "group",         [WHAT_PLACE] = "place",
    [WHAT_CONTAINER] = "container", [WHAT_END] = "end",
    [WHAT_EMPTY] = "empty",         [WHAT_CLASS] = "class",
    [WHAT_TWIN] = "twin",           [WHAT_COMMAND] = "command",
    [WHAT_LOG_IN] = "log in",       [WHAT_SECOND] = "second",
    [WHAT_UNIT] = "unit",           [WHAT_JOIN] = "join",
    [WHAT_HABIT] = "habit",         [WHAT_RULE] = "rule",
    [WHAT_ATTRIBUTE] = "attribute",
};

static const char *const servers[SERVERS] = {"OpenLDAP", "389", "Active Directory", "other"};

struct happening *plan_put(struct plan *p, uint64_t at_usec, enum what what, const char *to)
{
    if (p->n == p->room) {
        p->room = p->room ? 2 * p->room : 64;
        p->all = realloc(p->all, p->room * sizeof(*p->all));
        if (!p->all)
            abort();
    }
    struct happening *h = &p->all[p->n++];
    *h = (struct happening){.at_usec = at_usec, .what = what};
    snprintf(h->to, sizeof(h->to), "%s", to);
    return h;
}

static int compare(const void *a, const void *b)
{
    const struct happening *x = a, *y = b;
    uint64_t first = x->at_usec != y->at_usec ? x->at_usec : x->place,
             second = x->at_usec != y->at_usec ? y->at_usec : y->place;
    return (first > second) - (first < second);
}

void plan_sort(struct plan *p)
{
    for (size_t i = 0; i < p->n; i++)
        p->all[i].place = i;
    qsort(p->all, p->n, sizeof(*p->all), compare);
}

void plan_copy(struct plan *ret, const struct plan *p)
{
    *ret = *p;
    ret->room = p->n + 1;
    ret->all = malloc(ret->room * sizeof(*ret->all));
    if (!ret->all)
        abort();
    memcpy(ret->all, p->all, p->n * sizeof(*p->all));
}

void plan_done(struct plan *p)
{
    free(p->all);
    *p = (struct plan){0};
}

/* "3 07:12:01.000123": the day, and the time of day. */
static void write_time(char ret[40], uint64_t usec)
{
    snprintf(ret, 40, "%u %02u:%02u:%02u.%06u", (unsigned)(usec / DAY),
             (unsigned)(usec % DAY / HOUR), (unsigned)(usec % HOUR / MINUTE),
             (unsigned)(usec % MINUTE / SECOND), (unsigned)(usec % SECOND));
}

static bool read_time(const char *text, uint64_t *ret)
{
    unsigned day, hour, minute, second, rest;
    if (!text ||
        sscanf(text, "%u %2u:%2u:%2u.%6u", &day, &hour, &minute, &second, &rest) != 5)
        return false;
    *ret = day * DAY + hour * HOUR + minute * MINUTE + second * SECOND + rest;
    return true;
}

static json_t *write_line(const struct happening *h)
{
    char at[40];
    write_time(at, h->at_usec);
    json_t *line = json_pack("{s:s,s:s}", "at", at, "what", names[h->what]);
    if (h->who)
        json_object_set_new(line, "who", json_integer(h->who));
    if (*h->to)
        json_object_set_new(line, "to", json_string(h->to));
    if (h->number)
        json_object_set_new(line, "number", json_integer((json_int_t)h->number));
    if (h->seconds)
        json_object_set_new(line, "seconds", json_integer((json_int_t)h->seconds));
    json_t *points = json_array();
    for (size_t i = 0; i < h->n_points; i++)
        json_array_append_new(points, json_integer(h->points[i]));
    if (h->n_points)
        json_object_set(line, "points", points);
    json_decref(points);
    return line;
}

void plan_trace(const struct happening *h)
{
    json_t *line = world.trace ? write_line(h) : NULL;
    char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    if (text)
        trace("happens %s", text);
    free(text);
    json_decref(line);
}

static bool read_line(struct plan *p, json_t *line)
{
    uint64_t at;
    size_t i;
    json_t *point;
    const char *what = json_string_value(json_object_get(line, "what")),
               *to = json_string_value(json_object_get(line, "to"));
    unsigned kind = 0;
    while (kind < WHAT_KINDS && (!what || strcmp(names[kind], what) != 0))
        kind++;
    if (kind == WHAT_KINDS || !read_time(json_string_value(json_object_get(line, "at")), &at))
        return false;
    struct happening *h = plan_put(p, at, (enum what)kind, to ? to : "");
    h->who = (unsigned)json_integer_value(json_object_get(line, "who"));
    h->number = (uint64_t)json_integer_value(json_object_get(line, "number"));
    h->seconds = (uint64_t)json_integer_value(json_object_get(line, "seconds"));
    json_array_foreach(json_object_get(line, "points"), i, point) if (h->n_points < 8)
        h->points[h->n_points++] = (unsigned)json_integer_value(point);
    return true;
}

/* ---- what holds for a whole life ---- */

struct place {
    const char *name;
    size_t offset;
};

#define PLACE(field)                                                                           \
    {                                                                                          \
#field, offsetof(struct plan, field)                                                   \
    }
static const struct place flags[] = {
    PLACE(two_bases),      PLACE(deletes),          PLACE(session_log),
    PLACE(polled),         PLACE(short_keepalive),  PLACE(often_verified),
    PLACE(clock_is_right), PLACE(rotates),          PLACE(rests),
    PLACE(protects),       PLACE(nested_bases),     PLACE(dates),
    PLACE(passwords),      PLACE(privileged),       PLACE(api_person),
    PLACE(conflicts),      PLACE(dormant_disables), PLACE(makes_disabled),
};
static const struct place numbers[] = {
    PLACE(days),         PLACE(rate),       PLACE(at_once),
    PLACE(seats),        PLACE(dormant),    PLACE(ahead),
    PLACE(vanish),       PLACE(templates),  PLACE(keepalive_seconds),
    PLACE(poll_seconds), PLACE(full_hours), PLACE(verify_hours),
    PLACE(alarm_minutes)};

static void *place_of(struct plan *p, const struct place *all, size_t n, unsigned which,
                      const char **ret_name)
{
    if (which >= n)
        return NULL;
    *ret_name = all[which].name;
    return (char *)p + all[which].offset;
}

bool *plan_flag(struct plan *p, unsigned which, const char **ret_name)
{
    return place_of(p, flags, sizeof(flags) / sizeof(*flags), which, ret_name);
}

unsigned *plan_number(struct plan *p, unsigned which, const char **ret_name)
{
    return place_of(p, numbers, sizeof(numbers) / sizeof(*numbers), which, ret_name);
}

static bool read_head(struct plan *p, json_t *line)
{
    const char *why = json_string_value(json_object_get(line, "why")),
               *server = json_string_value(json_object_get(line, "server"));
    for (unsigned i = 0; i < SERVERS; i++)
        if (server && strcmp(server, servers[i]) == 0)
            p->server = (enum server)i;
    snprintf(p->why, sizeof(p->why), "%s", why ? why : "");
    p->chance = (uint64_t)json_integer_value(json_object_get(line, "chance"));
    for (unsigned k = 0; k < LIMITS; k++)
        p->limits[k] = (unsigned)json_integer_value(
            json_object_get(json_object_get(line, "budgets"), limit_names[k]));
    bool *flag;
    unsigned *number;
    const char *name;
    for (unsigned i = 0; (flag = plan_flag(p, i, &name)); i++)
        *flag = json_is_true(json_object_get(line, name));
    for (unsigned i = 0; (number = plan_number(p, i, &name)); i++)
        *number = (unsigned)json_integer_value(json_object_get(line, name));
    return p->days > 0;
}

int plan_read(struct plan *ret, const char *path)
{
    char *text = NULL;
    size_t room = 0;
    unsigned n = 0;
    bool fine = true;
    FILE *f = fopen(path, "re");
    *ret = (struct plan){0};
    if (!f)
        return -1;
    while (fine && getline(&text, &room, f) > 0) {
        json_t *line = json_loads(text, 0, NULL);
        fine = line && (n++ ? read_line(ret, line) : read_head(ret, line));
        json_decref(line);
    }
    if (!fine)
        fprintf(stderr, "%s: line %u is no line of a plan\n", path, n);
    free(text);
    fclose(f);
    plan_sort(ret);
    return fine && n ? 0 : -1;
}

static json_t *write_head(struct plan *p)
{
    bool *flag;
    unsigned *number;
    const char *name;
    json_t *budgets = json_object();
    for (unsigned k = 0; k < LIMITS; k++)
        if (p->limits[k])
            json_object_set_new(budgets, limit_names[k], json_integer(p->limits[k]));
    json_t *head =
        json_pack("{s:s,s:I,s:o,s:s}", "why", p->why, "chance", (json_int_t)p->chance,
                  "budgets", budgets, "server", servers[p->server]);
    for (unsigned i = 0; (number = plan_number(p, i, &name)); i++)
        json_object_set_new(head, name, json_integer(*number));
    for (unsigned i = 0; (flag = plan_flag(p, i, &name)); i++)
        json_object_set_new(head, name, json_boolean(*flag));
    return head;
}

int plan_write(const struct plan *p, const char *path)
{
    struct plan copy = *p;
    FILE *f = fopen(path, "we");
    if (!f)
        return -1;
    json_t *head = write_head(&copy);
    (void)json_dumpf(head, f, 0);
    json_decref(head);
    for (size_t i = 0; i < p->n; i++) {
        json_t *line = write_line(&p->all[i]);
        fputc('\n', f);
        (void)json_dumpf(line, f, 0);
        json_decref(line);
    }
    fputc('\n', f);
    return fclose(f);
}
