/*
 * Who had a role, a team or a skill: what outcomes say, in their order. Only lines that name
 * what is asked for are parsed, and outcomes of intents that did, so the answer is fast and its
 * memory grows with the holders and not with the files.
 */
#include "config.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "audit/line.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

struct looker {
    struct audit_who *who;
    char needle[600]; /* as it stands in a line */
    char field[600];  /* "role:Supervisor", "team" */
    json_t *intents;  /* number: sequence number of the intent that names it */
    json_t *approvals; /* number: the view of the approval */
    json_t *index;     /* id: place in people */
};

void audit_who_done(struct audit_who *w)
{
    for (size_t i = 0; i < w->n_people; i++) {
        struct audit_holder *h = &w->people[i];

        free(h->id);
        free(h->login);
        free(h->dn);
        free(h->value);
        free(h->place);
        free(h->approved_by);
    }
    free(w->people);
    audit_doubts_done(&w->doubts);
    w->people = NULL;
    w->n_people = w->capacity = 0;
}

static void looker_done(struct looker *k)
{
    json_decref(k->intents);
    json_decref(k->approvals);
    json_decref(k->index);
}

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static void number_key(long long number, char ret[static 24])
{
    snprintf(ret, 24, "%lld", number);
}

static bool is_kind(const char *line, const char *kind)
{
    char now[40], before[48];

    snprintf(now, sizeof(now), ",\"op\":\"%s\"", kind);
    snprintf(before, sizeof(before), ",\"operation\":\"%s\"", kind);
    return strstr(line, now) || strstr(line, before);
}

/* Kinds that may end it, or say what the user is called. */
static bool is_of_interest(const char *line)
{
    return is_kind(line, "delete") || is_kind(line, "disable") || is_kind(line, "enable") ||
           is_kind(line, "rename");
}

/* A user that is made or taken over has nothing of what an earlier user of the same person had:
 * does the line tell of somebody who is known here? */
static bool is_known_anew(const struct looker *k, const struct line_chain *l, const char *line)
{
    static const char key[] = ",\"id\":\"";
    const char *id = l->personal && (is_kind(line, "create") || is_kind(line, "adopt"))
                         ? strstr(l->personal, key)
                         : NULL;
    size_t size = id ? strcspn(id + sizeof(key) - 1, "\"") : 0;

    return id && json_object_getn(k->index, id + sizeof(key) - 1, size);
}

/* Not the end: a clock that was put right leaves later lines with earlier times. */
static bool is_later(const struct looker *k, const char *time)
{
    return k->who->at && strncmp(time, k->who->at, strlen(k->who->at)) > 0;
}

static enum audit_want wants(const struct line_chain *l, const char *line, void *userdata)
{
    struct looker *k = userdata;
    bool named = strstr(line, k->needle) || is_of_interest(line) || is_known_anew(k, l, line);
    bool says_what;
    int64_t number;
    char key[24];

    if (is_later(k, l->time))
        return AUDIT_PASS_OVER;
    if (l->version == LINE_NEW && l->committed && !l->personal)
        return AUDIT_READ; /* erased: it is counted */
    number = line_number(line, &says_what);
    number_key((long long)number, key);
    if (named && number && line_is_event(line, "intent") && l->version == LINE_NEW) {
        json_object_set_new(k->intents, key, json_integer((json_int_t)l->seq));
        return AUDIT_NOTE;
    }
    return named || (number && json_object_get(k->intents, key)) ? AUDIT_READ : AUDIT_PASS_OVER;
}

static int set_text(char **to, const char *text)
{
    char *copy = text ? strdup(text) : NULL;

    if (text && !copy)
        return -ENOMEM;
    free(*to);
    *to = copy;
    return 0;
}

static struct audit_holder *holder_of(struct looker *k, const json_t *person, bool make)
{
    struct audit_who *w = k->who;
    const char *id = text_of(person, "id"), *dn = text_of(person, "dn");
    const char *key = id ? id : dn;
    const json_t *place = key ? json_object_get(k->index, key) : NULL;
    struct audit_holder *h;

    if (place)
        return &w->people[json_integer_value(place)];
    if (!key || !make ||
        memory_grow(&w->people, &w->capacity, w->n_people + 1, sizeof(*w->people)) < 0)
        return NULL;
    h = &w->people[w->n_people];
    *h = (struct audit_holder){0};
    if (set_text(&h->id, id) < 0)
        return NULL;
    json_object_set_new(k->index, key, json_integer((json_int_t)w->n_people));
    w->n_people++;
    return h;
}

static char *place_of(const json_t *change)
{
    const char *rule = text_of(change, "rule"), *file = text_of(change, "file");
    char *text = NULL;

    if (rule && asprintf(&text, "rule \"%s\" (%s:%lld)", rule, file ? file : "",
                         (long long)json_integer_value(json_object_get(change, "line"))) < 0)
        return NULL;
    return text;
}

static const char *approver_of(const json_t *view, char *room, size_t size)
{
    const json_t *a = json_object_get(view, "actor");
    const char *sentence = text_of(view, "sentence");

    if (text_of(a, "login") || text_of(a, "name"))
        snprintf(room, size, "%s", text_of(a, "login") ? text_of(a, "login") : text_of(a, "name"));
    else if (a)
        snprintf(room, size, "user id %lld",
                 (long long)json_integer_value(json_object_get(a, "uid")));
    else
        snprintf(room, size, "%s", sentence ? sentence : "somebody");
    return room;
}

static int gains(struct looker *k, struct audit_holder *h, const json_t *view, const char *value,
                 char *place_taken)
{
    CLEANUP(freep) char *place = place_taken;
    char key[24], room[200];
    const json_t *approval, *intent;

    number_key((long long)json_integer_value(json_object_get(view, "number")), key);
    approval = json_object_get(k->approvals, key);
    intent = json_object_get(k->intents, key);
    if (!h->holds) /* another level is not a new beginning */
        snprintf(h->since, sizeof(h->since), "%s", text_of(view, "time") ? text_of(view, "time") : "");
    h->holds = true;
    h->found = false;
    h->outcome_seq = json_integer_value(json_object_get(view, "seq"));
    h->intent_seq = json_integer_value(intent);
    h->approve_seq = json_integer_value(json_object_get(approval, "seq"));
    free(h->place);
    h->place = TAKE(place);
    if (set_text(&h->approved_by, approval ? approver_of(approval, room, sizeof(room)) : NULL) < 0)
        return -ENOMEM;
    return set_text(&h->value, value);
}

static int take_change(struct looker *k, struct audit_holder *h, const json_t *view,
                       const json_t *change)
{
    const char *field = text_of(change, "field"), *to = text_of(change, "to");
    bool team = strcmp(k->who->field, "team") == 0;

    if (!field || strcmp(field, k->field) != 0)
        return 0;
    if (to && (!team || strcmp(to, k->who->name) == 0))
        return gains(k, h, view, strcmp(k->who->field, "skill") == 0 ? to : NULL, place_of(change));
    h->holds = false;
    return 0;
}

/* What a user had when it was adopted. */
static int take_found(struct looker *k, struct audit_holder *h, const json_t *view)
{
    const json_t *found = json_object_get(json_object_get(view, "details"), "found");
    const char *name = k->who->name, *value = NULL;
    char level[24];
    bool has = false;
    size_t i;
    json_t *role;

    if (strcmp(k->who->field, "team") == 0)
        has = text_of(found, "team") && strcmp(text_of(found, "team"), name) == 0;
    else if (strcmp(k->who->field, "skill") == 0 &&
             json_object_get(json_object_get(found, "skills"), name)) {
        snprintf(level, sizeof(level), "%lld",
                 (long long)json_integer_value(
                     json_object_get(json_object_get(found, "skills"), name)));
        value = level;
        has = true;
    } else if (strcmp(k->who->field, "role") == 0)
        json_array_foreach(json_object_get(found, "roles"), i, role)
        {
            const char *text = json_is_string(role) ? json_string_value(role) : text_of(role, "name");

            has = has || (text && strcmp(text, name) == 0);
        }
    if (json_is_true(json_object_get(found, "disabled")))
        h->disabled = true;
    if (!has)
        return 0;
    if (gains(k, h, view, value, NULL) < 0)
        return -ENOMEM;
    h->found = true;
    return 0;
}

static bool is_one_of(const char *text, const char *const *texts)
{
    while (*texts && strcmp(text, *texts) != 0)
        texts++;
    return *texts;
}

static int take_outcome(struct looker *k, const json_t *view)
{
    const char *code = text_of(view, "code"), *kind = text_of(view, "operation");
    const json_t *person = json_object_get(view, "person");
    struct audit_holder *h;
    json_t *change;
    size_t i;
    int r = 0;

    if (!code || strcmp(code, "done") != 0 || !kind)
        return 0;
    h = holder_of(k, person,
                  !is_one_of(kind, (const char *const[]){"delete", "disable", "enable", "rename", NULL}));
    if (!h)
        return 0;
    if (set_text(&h->dn, text_of(person, "dn") ? text_of(person, "dn") : h->dn) < 0 ||
        set_text(&h->login, text_of(person, "login") ? text_of(person, "login") : h->login) < 0)
        return -ENOMEM;
    if (is_one_of(kind, (const char *const[]){"delete", "create", "adopt", NULL}))
        h->holds = h->disabled = false;
    if (is_one_of(kind, (const char *const[]){"disable", "enable", NULL}))
        h->disabled = strcmp(kind, "disable") == 0;
    r = take_found(k, h, view);
    json_array_foreach(json_object_get(view, "changes"), i, change)
    {
        if (r == 0 && strcmp(kind, "rename") == 0 && text_of(change, "field") &&
            strcmp(text_of(change, "field"), "login_id") == 0 && text_of(change, "to"))
            r = set_text(&h->login, text_of(change, "to"));
        if (r == 0)
            r = take_change(k, h, view, change);
    }
    return r;
}

static int take_line(const char *line, const json_t *view, void *userdata)
{
    struct looker *k = userdata;
    const char *event = text_of(view, "event"), *time = text_of(view, "time");
    const json_t *number = json_object_get(view, "number");
    char key[24];
    int r = 0;

    (void)line;
    if (time && is_later(k, time))
        return 0;
    if (json_is_true(json_object_get(view, "erased")) && json_object_get(view, "commitment"))
        k->who->n_erased++;
    number_key((long long)json_integer_value(number), key);
    if (event && strcmp(event, "intent") == 0 && number)
        json_object_set(k->intents, key, json_object_get(view, "seq"));
    else if (event && strcmp(event, "approve") == 0 && number)
        json_object_set(k->approvals, key, (json_t *)(uintptr_t)view);
    else if (event && strcmp(event, "outcome") == 0) {
        r = take_outcome(k, view);
        json_object_del(k->intents, key);
        if (text_of(view, "code") && strcmp(text_of(view, "code"), "done") == 0)
            json_object_del(k->approvals, key);
    }
    return r;
}

static int begin(struct looker *k, struct error *e)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    const struct audit_who *w = k->who;
    bool team = strcmp(w->field, "team") == 0;

    k->intents = json_object();
    k->approvals = json_object();
    k->index = json_object();
    snprintf(k->field, sizeof(k->field), team ? "team" : "%s:%s", w->field, w->name);
    /* An adopted user's roles and skills stand under their own names. */
    line_add_string(&b, w->name);
    if (!k->intents || !k->approvals || !k->index || b.failed)
        return error_out_of_memory(e);
    /* Without the first quote: it may stand behind "role:". */
    snprintf(k->needle, sizeof(k->needle), "%s", b.data + 1);
    return 0;
}

int audit_who(struct audit_who *w, const char *const *files, size_t n_files, struct error *e)
{
    CLEANUP(looker_done) struct looker k = {.who = w};
    struct audit_filter filter = {.wants = wants, .doubts = &w->doubts};
    int r = begin(&k, e);

    if (r == 0)
        r = audit_each(files, n_files, &filter, take_line, &k, e);
    if (r == -ENOMEM)
        return error_out_of_memory(e);
    return r < 0 ? r : 0;
}
