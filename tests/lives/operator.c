/*
 * Operators: they call the daemon through its own socket, in its own protocol, and believe what
 * it answers. A call that a death cuts off is forgotten.
 */
#include "config.h"

#include "operator.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "alarms.h"
#include "company.h"
#include "life.h"
#include "plan.h"
#include "rules.h"
#include "secrets.h"
#include "world.h"

struct talk { /* one connection */
    struct talk *next;
    struct line *line;
    const struct happening *why;
    bool was_erased; /* whom it is about, before */
    void (*answered)(struct talk *t, json_t *parameters, const char *error);
};
static struct talk *talks;
static uint64_t paused_usec, resumed_usec, approved_usec;
static bool was_paused_when_kept;

uint64_t operator_paused_usec(void)
{
    return paused_usec;
}

uint64_t operator_approved_usec(void)
{
    return approved_usec;
}

uint64_t operator_quiet_usec(void)
{
    return paused_usec ? UINT64_MAX : resumed_usec;
}

void operator_begin(void)
{
    paused_usec = resumed_usec = approved_usec = 0;
    was_paused_when_kept = false;
}

static void talk_free(struct talk *t)
{
    struct talk **p = &talks;
    while (*p && *p != t)
        p = &(*p)->next;
    if (*p)
        *p = t->next;
    free(t);
}

void operator_end(void)
{
    while (talks)
        talk_free(talks);
}

/* Takes the parameters. */
static void ask(struct talk *t, const char *method, json_t *parameters,
                void (*answered)(struct talk *t, json_t *parameters, const char *error))
{
    char name[80];
    snprintf(name, sizeof(name), "org.rosterd.%s", method);
    json_t *message = json_pack("{s:s,s:o}", "method", name, "parameters", parameters);
    char *text = json_dumps(message, JSON_COMPACT);
    t->answered = answered;
    trace("operator asks %s", text);
    line_say(t->line, text, strlen(text) + 1);
    free(text);
    json_decref(message);
}

static struct talk *call(const struct happening *why)
{
    char path[120];
    struct talk *t = calloc(1, sizeof(*t));
    snprintf(path, sizeof(path), "%scontrol.sock", world.folder);
    if (!t)
        abort();
    t->line = line_open(path, t);
    if (!t->line) { /* nobody is there */
        free(t);
        return NULL;
    }
    t->why = why;
    t->next = talks;
    talks = t;
    return t;
}

static void hang_up(struct talk *t)
{
    line_hang_up(t->line);
}

void operator_hung_up(struct line *l)
{
    if (l->data)
        talk_free(l->data);
    l->data = NULL;
}

void operator_hear(struct line *l)
{
    const void *end = memchr(l->in, 0, l->n_in);
    struct talk *t = l->data;
    if (!end || !t)
        return;
    secrets_check(l->in, (size_t)((const unsigned char *)end - l->in), PEER_OPERATOR,
                  "an answer to an operator");
    json_t *message = json_loads((const char *)l->in, 0, NULL);
    const char *error = json_string_value(json_object_get(message, "error"));
    trace("operator is answered %s", error ? error : "");
    line_eat(l, (size_t)((const unsigned char *)end - l->in) + 1);
    if (!message)
        broken(0, "the answer to an operator is no JSON");
    else
        t->answered(t, json_object_get(message, "parameters"), error ? error : "");
    json_decref(message);
}

/* Whether a state that could not be written can be is tried with growing pauses (storage.c). */
#define TRIED_AGAIN (10 * SECOND)

static void done(struct talk *t, json_t *parameters, const char *error)
{
    (void)parameters;
    bool may_fail = world.disk || world.steady_usec - world.disk_usec < TRIED_AGAIN;
    if ((strcmp(error, "org.rosterd.Failed") == 0 && !may_fail) ||
        (strcmp(error, "org.rosterd.InvalidParameter") == 0 && !world.disk))
        broken(0, "an operator who did \"%s\" is answered %s", t->why->to, error);
    hang_up(t);
}

/* ---- approvals ---- */

/* Of the last who asked: whom the approval is about, [login, kind]. The plan itself, of everybody,
 * is too large to be held where it is asked what the daemon holds (witness_growth()). */
static json_t *plan_seen;

/* Whom the plan that was seen last is about. */
static void each_seen(void (*fn)(struct person *p, const char *kind))
{
    size_t i;
    json_t *o;
    json_array_foreach(plan_seen, i, o)
    {
        const char *login = json_string_value(json_array_get(o, 0)),
                   *kind = json_string_value(json_array_get(o, 1));
        for (size_t k = 0; login && k < company.n_people; k++)
            if (strcmp(company.people[k]->login, login) == 0 ||
                strcmp(company.people[k]->old_login, login) == 0)
                fn(company.people[k], kind ? kind : "");
    }
}

static void perhaps_approved(struct person *p, const char *kind)
{
    (void)kind;
    p->perhaps_until_usec = world.steady_usec + HOUR + MINUTE;
}

static void is_approved(struct person *p, const char *kind)
{
    p->approved_until_usec = world.steady_usec + HOUR + MINUTE;
    /* Whoever did it, now it is ours; but whom somebody had disabled, as a state knows that is no
     * older, it finds so and leaves so. */
    if (strcmp(kind, "disable") == 0 && (p->forgotten || !p->disabled_by_hand))
        p->disabled_before = false;
    if (strcmp(kind, "enable") == 0) /* somebody wants it, whoever disabled them */
        p->disabled_before = p->disabled_by_hand = false;
    p->forgotten = false;
}

static void approved(struct talk *t, json_t *parameters, const char *error)
{
    if (*error) {
        done(t, parameters, error);
        return;
    }
    seen(POINT_APPROVED);
    each_seen(is_approved);
    hang_up(t);
}

/* The letter that is approved; NULL: all of them. "": there is none. */
static const char *letter_of(const struct talk *t, const json_t *plan)
{
    const json_t *groups = json_object_get(plan, "groups");
    size_t n = json_array_size(groups);
    if (strcmp(t->why->to, "approve part") != 0)
        return NULL;
    const char *letter = json_string_value(
        json_object_get(json_array_get(groups, n ? t->why->number % n : 0), "letter"));
    return letter ? letter : "";
}

static void approved_part(struct talk *t, json_t *parameters, const char *error)
{
    if (!*error)
        seen(POINT_PART_APPROVED);
    approved(t, parameters, error);
}

static void saw_plan(struct talk *t, json_t *parameters, const char *error)
{
    size_t i;
    json_t *o, *hash = json_object_get(parameters, "hash");
    const char *letter = letter_of(t, parameters);
    json_decref(plan_seen);
    plan_seen = json_array();
    if (*error || !json_is_string(hash)) {
        broken(0, "the plan cannot be shown: %s", error);
        hang_up(t);
        return;
    }
    json_array_foreach(json_object_get(parameters, "operations"), i, o)
    {
        const char *state = json_string_value(json_object_get(o, "state"));
        const char *group = json_string_value(json_object_get(o, "group"));
        bool waits = state && strcmp(state, "parked") == 0 &&
                     (!letter || (group && strcmp(group, letter) == 0));
        if (letter && !waits)
            continue; /* nobody says yes to that */
        /* What goes by itself is not what is approved. */
        json_array_append_new(
            plan_seen, json_pack("[O?,O?]", json_object_get(json_object_get(o, "person"), "login"),
                                 waits ? json_object_get(o, "kind") : NULL));
        if (waits)
            seen(POINT_PARKED);
    }
    if (letter && !*letter) {
        hang_up(t);
        return;
    }
    each_seen(perhaps_approved);
    approved_usec = world.steady_usec; /* or perhaps it is not heard */
    if (letter)
        ask(t, "Approve", json_pack("{s:O,s:[s]}", "hash", hash, "groups", letter),
            approved_part);
    else
        ask(t, "Approve", json_pack("{s:O}", "hash", hash), approved);
}

static void refused(struct talk *t, json_t *parameters, const char *error)
{
    (void)parameters;
    seen(POINT_STALE);
    if (!*error)
        broken(4, "a hash that stands for nothing was approved");
    hang_up(t);
}

/* ---- pauses ---- */

static void paused(struct talk *t, json_t *parameters, const char *error)
{
    if (!*error)
        paused_usec = world.steady_usec;
    seen(POINT_PAUSED);
    done(t, parameters, error);
}

static void resumed(struct talk *t, json_t *parameters, const char *error)
{
    resumed_usec = world.steady_usec;
    done(t, parameters, error);
}

/* A wish is repeated: whoever died before it was heard, or before it was on the disk, hears it
 * again. */
static void resume(void *userdata, uint64_t argument)
{
    struct talk *t = call(userdata);
    if (paused_usec)
        alarms_pause_ends(paused_usec, life_up_since_usec());
    paused_usec = 0; /* from now on it may write */
    resumed_usec = UINT64_MAX;
    if (t)
        ask(t, "Resume", json_object(), resumed);
    if (argument < 3) /* it counts when somebody was there to hear it */
        world_at(world.steady_usec + 5 * MINUTE, resume, userdata, argument + (t ? 1 : 0));
}

void operator_state_kept(void)
{
    was_paused_when_kept = paused_usec;
}

void operator_state_changed(bool restored)
{
    static const struct happening resumes = {.what = WHAT_OPERATOR, .to = "resume"};
    paused_usec = restored && was_paused_when_kept ? world.steady_usec : 0;
    if (paused_usec)
        world_at(world.steady_usec + HOUR, resume, (void *)(uintptr_t)&resumes, 0);
}

/* ---- the rest ---- */

/* As logrotate does, and the reload that it asks for. */
static void rotate(struct talk *t)
{
    char from[120], to[160];
    time_t now = (time_t)(world.wall_usec / SECOND);
    struct tm tm;
    gmtime_r(&now, &tm);
    snprintf(from, sizeof(from), "%saudit.jsonl", world.folder);
    snprintf(to, sizeof(to), "%s-%04d%02d%02d-%02d%02d%02d", from, tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    if (rename(from, to) == 0)
        seen(POINT_ROTATED);
    ask(t, "Reload", json_object(), done);
}

/* Whoever came back with another entry is two, and is erased by id. */
static void erased(struct talk *t, json_t *parameters, const char *error)
{
    const char *said = json_string_value(json_object_get(parameters, "message"));
    bool two = said && strstr(said, "more than one entry");
    struct person *p = company_person(t->why->who);
    if (p && strcmp(error, "org.rosterd.InvalidParameter") == 0)
        p->erased = t->was_erased;
    done(t, parameters, two ? "" : error);
}

/* What a death or a disk interrupts is done later, though nobody is told of it. */
static void erase(struct talk *t)
{
    struct person *p = company_person(t->why->who);
    if (p) {
        t->was_erased = p->erased;
        p->erased = true;
    }
    ask(t, "AuditErase",
        json_pack("{s:s,s:s}", "person", p ? p->login : "nobody", "reason", "asked"), erased);
}

static void explained(struct talk *t, json_t *parameters, const char *error)
{
    const struct person *p = company_person(t->why->who);
    if (p && !*error)
        life_check_answer(p, parameters);
    done(t, parameters, error);
}

static json_t *login_of(const struct happening *h)
{
    const struct person *p = company_person(h->who);
    return json_string(p ? p->login : "nobody");
}

void operator_happen(const struct happening *h)
{
    /* Nobody approves what is planned for somebody else's tenant. */
    bool approves = strcmp(h->to, "approve") == 0 || strcmp(h->to, "approve part") == 0;
    struct talk *t = world.other_tenant && approves ? NULL : call(h);
    if (!t)
        return;
    if (approves) {
        ask(t, "Plan", json_object(), saw_plan);
    } else if (strcmp(h->to, "approve stale") == 0) {
        ask(t, "Approve", json_pack("{s:s}", "hash", "0123456789abcdef"), refused);
    } else if (strcmp(h->to, "pause") == 0) {
        ask(t, "Pause", json_object(), paused);
        world_at(world.steady_usec + h->seconds * SECOND, resume, (void *)(uintptr_t)h, 0);
    } else if (strcmp(h->to, "retry") == 0) {
        ask(t, "Retry", json_object(), done);
    } else if (strcmp(h->to, "sync") == 0) {
        ask(t, "Sync", h->seconds % 2 ? json_pack("{s:o}", "person", login_of(h)) : json_object(),
            done);
    } else if (strcmp(h->to, "reload") == 0) {
        ask(t, "Reload", json_object(), done);
    } else if (strcmp(h->to, "rotate") == 0) {
        rotate(t);
    } else if (strcmp(h->to, "erase") == 0) {
        erase(t);
    } else {
        static const char *const methods[] = {"Status", "Explain", "Holds", "History"};
        unsigned which = (unsigned)(h->seconds % 4);
        ask(t, methods[which],
            which % 2 ? json_pack("{s:o}", "person", login_of(h)) : json_object(),
            which == 1 ? explained : done);
    }
}

void operator_compare(void *userdata, uint64_t n_asked)
{
    static const struct happening sync = {.what = WHAT_OPERATOR, .to = "sync"};
    bool is_there = life_running() && !world.death && !world.directory_away;
    if (is_there)
        operator_happen(&sync);
    if (n_asked < 3)
        world_at(world.steady_usec + 5 * MINUTE, operator_compare, userdata, n_asked + is_there);
}
