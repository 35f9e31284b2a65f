/* The handlers below /simulator/. They need no token, are never struck by faults and are not
 * counted. */
#include "config.h"

#include "control.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "http.h"
#include "itself.h"
#include "seed.h"
#include "settings.h"

#define JSON "application/json"

static void answer_done(struct request *q)
{
    answer_json(q, 200, JSON, json_pack("{s:b}", "done", 1));
}

static void answer_complaint(struct request *q, unsigned status, const char *text)
{
    answer_json(q, status, JSON, json_pack("{s:s}", "error", text));
}

/* The body, which control requests may send with any Content-Type. */
static json_t *body_of(struct request *q)
{
    json_t *body = request_json(q);
    if (!body)
        answer_complaint(q, 400, "the body is no JSON");
    return body;
}

void control_users(struct simulator *s, struct request *q)
{
    buffer_text(&q->answer, "[");
    const struct user *u;
    TAILQ_FOREACH(u, &s->store.users, link)
    {
        json_auto_t *line = property_write(u, true);
        CLEANUP(text_freep) char *text = json_dumps(line, JSON_COMPACT);
        if (u != TAILQ_FIRST(&s->store.users))
            buffer_text(&q->answer, ",\n");
        buffer_text(&q->answer, text ? text : "null");
    }
    buffer_text(&q->answer, "]");
    q->status = 200;
    q->content_type = JSON;
}

void control_user(struct simulator *s, struct request *q)
{
    const struct user *u = store_user(&s->store, q->argument ? q->argument : "");
    if (u)
        answer_json(q, 200, JSON, property_write(u, true));
    else
        answer_complaint(q, 404, "user not found");
}

/* One user, an array of users, or the object that --data takes. */
void control_users_seed(struct simulator *s, struct request *q)
{
    json_t *body = body_of(q), *item;
    if (!body)
        return;
    struct refusal why;
    int r = 0;
    size_t i;
    if (json_is_array(body)) {
        json_array_foreach(body, i, item) if ((r = seed_user(s, item, &why)) < 0) break;
    } else if (json_object_get(body, "users")) {
        r = seed_read(s, body, &why);
    } else {
        r = seed_user(s, body, &why);
    }
    if (r < 0)
        answer_complaint(q, why.status, why.text);
    else
        answer_done(q);
}

void control_user_delete(struct simulator *s, struct request *q)
{
    struct user *u = store_user(&s->store, q->argument ? q->argument : "");
    if (!u) {
        answer_complaint(q, 404, "user not found");
        return;
    }
    store_delete(&s->store, u);
    answer_done(q);
}

void control_users_clear(struct simulator *s, struct request *q)
{
    struct user *u;
    while ((u = TAILQ_FIRST(&s->store.users)))
        store_delete(&s->store, u);
    answer_done(q);
}

void control_requests(struct simulator *s, struct request *q)
{
    CLEANUP(text_freep) char *since = text_form_get(q->query, "since");
    long n = 0;
    if (since && !text_number(since, 0, LONG_MAX, &n)) {
        answer_complaint(q, 400, "since must be a number");
        return;
    }
    journal_write(&s->journal, (uint64_t)n, &q->answer);
    q->status = 200;
    q->content_type = JSON;
}

void control_requests_forget(struct simulator *s, struct request *q)
{
    journal_forget(&s->journal);
    answer_done(q);
}

void control_counters(struct simulator *s, struct request *q)
{
    json_t *out = journal_counters(&s->journal);
    json_object_set_new(out, "users", json_integer((json_int_t)s->store.n_users));
    answer_json(q, 200, JSON, out);
}

void control_names(struct simulator *s, struct request *q)
{
    static const char *const keys[NAME_KINDS] = {"teams", "roles", "skills"};
    json_t *out = json_object();
    for (int kind = 0; kind < NAME_KINDS; kind++) {
        const struct names *names = &s->store.names[kind];
        json_t *list = json_array();
        for (size_t i = 0; i < names->n_all; i++)
            if (names->all[i]->present)
                json_array_append_new(list, json_string(names->all[i]->text));
        json_object_set_new(out, keys[kind], list);
    }
    answer_json(q, 200, JSON, out);
}

/* Skills and roles that go are gone from users too; a team that still has users leaves them in
 * it, as a tenant that has it renamed under way would. */
static void name_remove(struct simulator *s, enum name_kind kind, const char *text)
{
    struct name *gone = store_name(&s->store, kind, text);
    if (!gone)
        return;
    store_name_set(&s->store, kind, text, false);
    struct user *u;
    TAILQ_FOREACH(u, &s->store.users, link)
    {
        user_skill_remove(u, gone);
        for (size_t i = 0; i < u->n_roles; i++)
            if (u->roles[i] == gone)
                u->roles[i--] = u->roles[--u->n_roles];
    }
}

static void names_edit(struct simulator *s, struct request *q, enum name_kind kind)
{
    const json_t *body = body_of(q);
    if (!body)
        return;
    const json_t *add = json_object_get(body, "add"), *remove = json_object_get(body, "remove");
    size_t i, n_wrong = !add && !remove;
    json_t *item;
    json_array_foreach(add, i, item) n_wrong += !json_is_string(item);
    json_array_foreach(remove, i, item) n_wrong += !json_is_string(item);
    if (n_wrong) {
        answer_complaint(q, 400, "{\"add\": [strings], \"remove\": [strings]} is expected");
        return;
    }
    json_array_foreach(add, i, item)
        store_name_set(&s->store, kind, json_string_value(item), true);
    json_array_foreach(remove, i, item) name_remove(s, kind, json_string_value(item));
    answer_done(q);
}

void control_teams_edit(struct simulator *s, struct request *q)
{
    names_edit(s, q, NAME_TEAM);
}

void control_roles_edit(struct simulator *s, struct request *q)
{
    names_edit(s, q, NAME_ROLE);
}

void control_skills_edit(struct simulator *s, struct request *q)
{
    names_edit(s, q, NAME_SKILL);
}

void control_faults(struct simulator *s, struct request *q)
{
    answer_json(q, 200, JSON, faults_list(&s->faults));
}

void control_faults_add(struct simulator *s, struct request *q)
{
    json_t *body = body_of(q), *ids = body ? json_array() : NULL;
    if (!body)
        return;
    json_auto_t *list = json_is_array(body) ? json_incref(body) : json_pack("[O]", body);
    size_t i;
    json_t *rule;
    json_array_foreach(list, i, rule)
    {
        long id = 0;
        CLEANUP(text_freep) char *complaint = faults_add(&s->faults, rule, &id);
        if (complaint) {
            json_decref(ids);
            answer_complaint(q, 400, complaint);
            return;
        }
        json_array_append_new(ids, json_integer(id));
    }
    answer_json(q, 200, JSON, json_pack("{s:o}", "ids", ids));
}

void control_faults_clear(struct simulator *s, struct request *q)
{
    faults_clear(&s->faults);
    http_end_stalls(s);
    answer_done(q);
}

void control_settings(struct simulator *s, struct request *q)
{
    answer_json(q, 200, JSON, settings_write(&s->settings));
}

void control_settings_edit(struct simulator *s, struct request *q)
{
    json_t *body = body_of(q), *value;
    if (!body)
        return;
    const char *key;
    json_object_foreach(body, key, value)
    {
        CLEANUP(text_freep) char *text = NULL;
        if (json_is_string(value))
            text = text_copy(json_string_value(value));
        else
            text = json_dumps(value,
                              JSON_ENCODE_ANY); /* numbers and booleans as they are written */
        if (!text || settings_set(&s->settings, key, text) < 0) {
            CLEANUP(text_freep)
            char *complaint = text_format("no such setting or value: %.80s", key);
            answer_complaint(q, 400, complaint);
            return;
        }
    }
    itself_settings_changed(s);
    control_settings(s, q);
}

void control_revoke_tokens(struct simulator *s, struct request *q)
{
    oauth_revoke_all(&s->oauth);
    answer_done(q);
}

void control_down(struct simulator *s, struct request *q)
{
    static const char *const words[] = {
        [DOWN_CUT] = "cut", [DOWN_502] = "502", [DOWN_ACCEPT] = "accept"};
    const json_t *body = body_of(q);
    if (!body)
        return;
    const json_t *down = json_object_get(body, "down");
    const char *how = json_string_value(json_object_get(body, "how"));
    json_int_t seconds = json_integer_value(json_object_get(body, "seconds"));
    enum down wanted = DOWN_NOT;
    for (size_t i = DOWN_CUT; i < ELEMENTS(words); i++)
        if (!strcmp(words[i], how ? how : "cut"))
            wanted = (enum down)i;
    if (!json_is_boolean(down) || wanted == DOWN_NOT || seconds < 0) {
        answer_complaint(
            q, 400,
            "{\"down\": boolean, \"how\": \"cut\", \"502\" or \"accept\", \"seconds\": N}");
        return;
    }
    if (wanted == DOWN_ACCEPT && json_is_true(down) && !seconds && !s->has_control_listener) {
        answer_complaint(q, 400,
                         "without --control, accept needs seconds: nobody could undo it");
        return;
    }
    s->down = json_is_true(down) ? wanted : DOWN_NOT;
    s->down_until_ms = seconds ? time_monotonic_ms() + (uint64_t)seconds * 1000 : 0;
    if (s->down == DOWN_CUT || s->down == DOWN_ACCEPT)
        http_end_stalls(s);
    answer_done(q);
}
