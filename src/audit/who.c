/*
 * Who had a role, a team or a skill: what outcomes say, in their order, and what rosterd found at
 * the contact center where it took note of that. Only lines that name what is asked for are parsed,
 * outcomes of intents that did, and those that may end it, so the answer is fast. Of who does not
 * have it a few bytes are remembered (known.h): its memory grows with the holders, and not with the
 * files.
 */
#include "config.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/approvals.h"
#include "audit/audit.h"
#include "audit/holders.h"
#include "audit/line.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/json.h"

struct looker {
    struct audit_who *who;
    char *needle; /* as it stands in a line, without the first quote: it may stand behind "role:" */
    char *field;  /* "role:Supervisor", "team" */
    json_t *intents; /* number: sequence number of the intent that names it */
    struct approvals *approvals;
    struct login_holders holders;
};

static void looker_done(struct looker *k)
{
    free(k->needle);
    free(k->field);
    json_decref(k->intents);
    approvals_free(k->approvals);
    holders_done(&k->holders);
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

/* What may end it, or says what the user is called. What was found ends what it does not name. */
static bool is_of_interest(const struct line_chain *l, const char *line)
{
    return is_kind(line, "delete") || is_kind(line, "disable") || is_kind(line, "enable") ||
           is_kind(line, "rename") || is_kind(line, "adopt") ||
           (l->personal &&
            (strstr(l->personal, "\"found\":{") || strstr(l->personal, "[\"disabled\",") ||
             line_is_event(line, "drift"))) ||
           approvals_want(line);
}

/* A user that is made or taken over has nothing of what an earlier user of the same person had:
 * does the line tell of somebody who is known here? */
static bool is_known_anew(const struct looker *k, const struct line_chain *l, const char *line)
{
    static const char key[] = ",\"id\":\"";
    const char *id = l->personal && is_kind(line, "create") ? strstr(l->personal, key) : NULL;
    size_t size = id ? strcspn(id + sizeof(key) - 1, "\"") : 0;

    return id && known_get(&k->holders.ids, id + sizeof(key) - 1, size);
}

/* Not the end: a clock that was put right leaves later lines with earlier times. */
static bool is_later(const struct looker *k, const char *time)
{
    return k->who->at && strncmp(time, k->who->at, strlen(k->who->at)) > 0;
}

static enum audit_want wants(const struct line_chain *l, const char *line, void *userdata)
{
    struct looker *k = userdata;
    bool named = strstr(line, k->needle) || is_of_interest(l, line) || is_known_anew(k, l, line);
    bool says_what;
    int64_t number;
    char key[24];

    if (is_later(k, l->time))
        return AUDIT_PASS_OVER;
    if (l->version == LINE_NEW && l->committed && !l->personal)
        return AUDIT_READ; /* erased: it is counted */
    number = line_number(line, &says_what);
    number_key((long long)number, key);
    if (number && l->version == LINE_NEW && line_is_event(line, "intent")) {
        if (named)
            json_object_set_new(k->intents, key, json_integer((json_int_t)l->seq));
        else
            json_object_del(k->intents, key);
        return AUDIT_NOTE; /* also for what may be found instead of what it intended */
    }
    return named || (number && json_object_get(k->intents, key)) ? AUDIT_READ : AUDIT_PASS_OVER;
}

static char *place_of(const json_t *change)
{
    const char *rule = json_text_of(change, "rule"), *file = json_text_of(change, "file");
    char *text = NULL;

    if (rule && asprintf(&text, "rule \"%s\" (%s:%lld)", rule, file ? file : "",
                         (long long)json_integer_value(json_object_get(change, "line"))) < 0)
        return NULL;
    return text;
}

static int gains(struct looker *k, struct audit_holder *h, const json_t *view, const char *value,
                 char *place_taken)
{
    CLEANUP(freep) char *place = place_taken;
    char key[24];
    bool done = json_text_is(view, "code", "done");
    const json_t *approval = done ? approvals_of(k->approvals, view) : NULL, *intent;

    number_key((long long)json_integer_value(json_object_get(view, "number")), key);
    intent = json_object_get(k->intents, key);
    if (!h->holds) /* another level is not a new beginning */
        snprintf(h->since, sizeof(h->since), "%s",
                 json_text_of(view, "time") ? json_text_of(view, "time") : "");
    h->holds = true;
    h->found = false;
    h->outcome_seq = json_integer_value(json_object_get(view, "seq"));
    h->intent_seq = json_integer_value(intent);
    h->approve_seq = json_integer_value(json_object_get(approval, "seq"));
    free(h->place);
    h->place = TAKE(place);
    if (text_replace(&h->approved_by, json_text_of(approval, "by")) < 0)
        return -ENOMEM;
    return text_replace(&h->value, value);
}

static int take_change(struct looker *k, struct audit_holder *h, const json_t *view,
                       const json_t *change)
{
    const char *field = json_text_of(change, "field"), *to = json_text_of(change, "to");
    bool team = strcmp(k->who->field, "team") == 0;

    if (!field || strcmp(field, k->field) != 0)
        return 0;
    if (to && (!team || strcmp(to, k->who->name) == 0))
        return gains(k, h, view, strcmp(k->who->field, "skill") == 0 ? to : NULL, place_of(change));
    h->holds = false;
    return 0;
}

static bool is_kind_of(const json_t *view, const char *kind)
{
    const char *text = json_text_of(view, "operation");

    return text && strcmp(text, kind) == 0;
}

/* Is it in what was found? *ret_value: the level of a skill. */
static bool is_found(const struct audit_who *w, const json_t *found, char ret_value[static 24])
{
    const json_t *level = json_object_get(json_object_get(found, "skills"), w->name);
    size_t i;
    json_t *role;

    ret_value[0] = '\0';
    if (strcmp(w->field, "team") == 0)
        return json_text_is(found, "team", w->name);
    if (strcmp(w->field, "skill") == 0) {
        number_key((long long)json_integer_value(level), ret_value);
        return level;
    }
    json_array_foreach (json_object_get(found, "roles"), i, role) {
        const char *text =
            json_is_string(role) ? json_string_value(role) : json_text_of(role, "name");

        if (text && strcmp(text, w->name) == 0)
            return true;
    }
    return false;
}

static const json_t *found_of(const json_t *view)
{
    const json_t *found = json_object_get(json_object_get(view, "details"), "found");

    return json_is_object(found) ? found : NULL;
}

/* All that the user has, when rosterd looked. What it knew of before goes on as it was. */
static int take_found(struct looker *k, struct audit_holder *h, const json_t *view)
{
    const json_t *found = found_of(view);
    char value[24];
    bool has;

    if (!found)
        return 0;
    has = is_found(k->who, found, value);
    h->disabled = json_is_true(json_object_get(found, "disabled"));
    h->gone = false;
    if (has && h->holds)
        return text_replace(&h->value, value[0] ? value : NULL);
    if (!has) {
        h->holds = false;
        return 0;
    }
    if (gains(k, h, view, value[0] ? value : NULL, NULL) < 0)
        return -ENOMEM;
    h->found = true;
    return 0;
}

/* Is it a beginning, of a user who may not have been heard of? Who is disabled or has another name
 * stays so, also with what is given later. */
static bool begins(const struct looker *k, const json_t *view)
{
    char value[24];
    json_t *change;
    size_t i;

    if (is_kind_of(view, "disable") || is_kind_of(view, "rename") ||
        json_object_get(json_object_get(view, "details"), "renamed"))
        return true;
    if (found_of(view) && (is_found(k->who, found_of(view), value) ||
                           json_is_true(json_object_get(found_of(view), "disabled"))))
        return true;
    json_array_foreach (json_object_get(view, "changes"), i, change) {
        const char *field = json_text_of(change, "field");

        if (field && json_text_of(change, "to") &&
            (strcmp(field, k->field) == 0 || strcmp(field, "disabled") == 0))
            return true;
    }
    return false;
}

static int find_holder(struct looker *k, const json_t *view, struct audit_holder **ret)
{
    const json_t *person = json_object_get(view, "person");
    const char *dn = json_text_of(person, "dn");
    struct audit_holder *h = holders_get(&k->holders, person, begins(k, view));

    *ret = h;
    if (!h)
        return 0;
    if (text_replace(&h->dn, dn ? dn : h->dn) < 0)
        return -ENOMEM;
    /* A line that was planned before the user was renamed has the name of then. */
    if (h->login && !is_kind_of(view, "create") && !is_kind_of(view, "adopt"))
        return 0;
    return holders_call(&k->holders, h, json_text_of(person, "login"));
}

static int take_changes(struct looker *k, struct audit_holder *h, const json_t *view)
{
    json_t *change;
    size_t i;
    int r = 0;

    json_array_foreach (json_object_get(view, "changes"), i, change) {
        const char *field = json_text_of(change, "field"), *to = json_text_of(change, "to");

        if (field && strcmp(field, "disabled") == 0)
            h->disabled = to && strcmp(to, "true") == 0;
        if (r == 0 && field && strcmp(field, "login_id") == 0) {
            r = holders_call(&k->holders, h, to);
            h->renamed = h->renamed || !is_kind_of(view, "create");
        }
        if (r == 0)
            r = take_change(k, h, view, change);
    }
    return r;
}

/* Somebody took the user over whom this line's person is not: whose it was has nothing now. */
static int take_over(struct looker *k, const json_t *view)
{
    const json_t *person = json_object_get(view, "person");
    const char *login = json_text_of(person, "login"), *id = json_text_of(person, "id");
    CLEANUP(freep) char *key = login ? text_fold(login, strlen(login)) : NULL;
    struct audit_holder *h = key ? holders_called(&k->holders, key) : NULL;

    if (login && !key)
        return -ENOMEM;
    if (h && h->id && id && strcmp(h->id, id) != 0)
        h->holds = false;
    return 0;
}

static int take_done(struct looker *k, const json_t *view)
{
    const char *answer = json_text_of(view, "answer");
    struct audit_holder *h;
    int r;

    if (!json_text_of(view, "operation"))
        return 0;
    r = is_kind_of(view, "adopt") ? take_over(k, view) : 0;
    if (r == 0)
        r = find_holder(k, view, &h);
    if (r < 0 || !h)
        return r;
    if (is_kind_of(view, "delete") || is_kind_of(view, "create") || is_kind_of(view, "adopt"))
        h->holds = h->disabled = h->gone = false;
    if (is_kind_of(view, "disable") || is_kind_of(view, "enable"))
        h->disabled = is_kind_of(view, "disable");
    if (answer && strcmp(answer, "not found") == 0)
        h->gone = true; /* and there was nothing left to be done */
    r = take_found(k, h, view);
    return r == 0 ? take_changes(k, h, view) : r;
}

/* Nothing of ours was done: what rosterd found there, or that the user is not there any more. */
static int take_sight(struct looker *k, const json_t *view)
{
    const json_t *details = json_object_get(view, "details"),
                 *gone = json_object_get(details, "gone");
    const char *renamed = json_text_of(details, "renamed");
    struct audit_holder *h;
    int r;

    if (!found_of(view) && !gone && !renamed)
        return 0;
    r = find_holder(k, view, &h);
    if (r < 0 || !h)
        return r;
    if (gone)
        h->gone = json_is_true(gone);
    if (renamed) {
        h->gone = false;
        h->renamed = true;
    }
    r = holders_call(&k->holders, h, renamed);
    return r == 0 ? take_found(k, h, view) : r;
}

/* An intent's outcome follows no more, and a number may come again. */
static int begin_anew(struct looker *k, const json_t *view)
{
    if (!json_text_is(view, "event", "approve"))
        json_object_clear(k->intents);
    return approvals_take(k->approvals, view);
}

static int take_event(struct looker *k, const json_t *view, const char *event)
{
    const json_t *number = json_object_get(view, "number");
    bool done = json_text_is(view, "code", "done");
    char key[24];
    int r;

    number_key((long long)json_integer_value(number), key);
    if (strcmp(event, "intent") == 0 && number)
        return json_object_set(k->intents, key, json_object_get(view, "seq"));
    if (strcmp(event, "approve") == 0 || strcmp(event, "start") == 0 ||
        strcmp(event, "repair") == 0)
        return begin_anew(k, view);
    if (strcmp(event, "drift") == 0) {
        r = take_sight(k, view);
        return r == 0 ? holders_settle(&k->holders, json_object_get(view, "person")) : r;
    }
    if (strcmp(event, "outcome") != 0)
        return 0;
    r = done ? take_done(k, view) : take_sight(k, view);
    if (r == 0)
        r = holders_settle(&k->holders, json_object_get(view, "person"));
    json_object_del(k->intents, key);
    if (done)
        approvals_over(k->approvals, view);
    return r;
}

static int take_line(const char *line, const json_t *view, void *userdata)
{
    struct looker *k = userdata;
    const char *event = json_text_of(view, "event"), *time = json_text_of(view, "time");

    (void)line;
    if (time && is_later(k, time))
        return 0;
    if (json_is_true(json_object_get(view, "erased")) && json_object_get(view, "commitment"))
        k->who->n_erased++;
    return event ? take_event(k, view, event) : 0;
}

static int begin(struct looker *k, struct error *e)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    const struct audit_who *w = k->who;
    bool team = strcmp(w->field, "team") == 0;

    k->intents = json_object();
    k->approvals = approvals_new();
    if (asprintf(&k->field, "%s%s%s", w->field, team ? "" : ":", team ? "" : w->name) < 0)
        k->field = NULL;
    /* An adopted user's roles and skills stand under their own names. */
    line_add_string(&b, w->name);
    k->needle = b.failed ? NULL : strdup(b.data + 1);
    if (!k->intents || !k->approvals || !k->field || !k->needle)
        return error_out_of_memory(e);
    return 0;
}

int audit_who(struct audit_who *w, const char *const *files, size_t n_files, struct error *e)
{
    CLEANUP(looker_done) struct looker k = {.who = w};
    struct audit_filter filter = {.wants = wants, .doubts = &w->doubts};
    int r = begin(&k, e);

    if (r == 0)
        r = audit_each(files, n_files, &filter, take_line, &k, e);
    if (r == 0)
        r = holders_gather(&k.holders, w);
    if (r == -ENOMEM)
        return error_out_of_memory(e);
    return r < 0 ? r : 0;
}
