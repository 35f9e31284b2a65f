/* The Configuration API. Success is "OK" in plain text; refusals carry the vendor's texts where
 * it published any. The token has been checked before these handlers run. */
#include "config.h"

#include "configapi.h"

#include <string.h>

#include "itself.h"
#include "property.h"

#define JSON "application/json"

static void answer_refusal(struct request *q, const struct refusal *why)
{
    answer_error(q, why->status, "%s", why->text);
}

static struct user *user_of(struct simulator *s, struct request *q)
{
    struct user *u = q->argument ? store_user(&s->store, q->argument) : NULL;
    if (u && !itself_sees(s, u->team))
        u = NULL;
    if (!u)
        answer_error(q, 404, "user not found");
    return u;
}

void configapi_user_create(struct simulator *s, struct request *q)
{
    const json_t *object = request_json_object(q);
    if (!object)
        return;
    CLEANUP(user_freep) struct user *draft = user_new();
    struct refusal why;
    if (property_read(&s->store, &s->settings, PROPERTY_CREATE, object, draft, &why) < 0 ||
        property_complete(&s->settings, draft, &why) < 0 ||
        itself_allows(s, q, NULL, draft, &why) < 0) {
        answer_refusal(q, &why);
        return;
    }
    (void)itself_logged_in_first(s, draft); /* then the login is taken */
    property_team_skills(&s->store, &s->settings, draft->team, true, draft);
    property_own_form(&s->settings, draft);
    int r = store_insert(&s->store, draft);
    if (r == STORE_LOGIN_TAKEN) {
        answer_error(q, 409, "user with this loginId already exists");
    } else if (r == STORE_EXTENSION_TAKEN) {
        answer_error(q, 400, "extension is already in use");
    } else {
        draft = NULL; /* the store has it */
        s->journal.creates++;
        answer_text(q, 200, "OK");
    }
}

void configapi_user_get(struct simulator *s, struct request *q)
{
    const struct user *u = user_of(s, q);
    if (!u)
        return;
    s->journal.gets++;
    answer_json(q, 200, JSON, property_write(u, false));
}

void configapi_user_change(struct simulator *s, struct request *q)
{
    const json_t *object = request_json_object(q);
    if (!object)
        return;
    struct user *u = user_of(s, q);
    if (!u)
        return;
    CLEANUP(user_freep) struct user *draft = user_copy(u);
    struct refusal why;
    if (property_read(&s->store, &s->settings, PROPERTY_CHANGE, object, draft, &why) < 0 ||
        itself_allows(s, q, u, draft, &why) < 0) {
        answer_refusal(q, &why);
        return;
    }
    if (draft->team != u->team && s->settings.team_drops)
        property_team_skills(&s->store, &s->settings, u->team, false, draft);
    if (draft->team != u->team && s->settings.team_acquires)
        property_team_skills(&s->store, &s->settings, draft->team, true, draft);
    if (store_replace(&s->store, u, draft) != 0) {
        answer_error(q, 500,
                     "request failed"); /* neither login nor extension can have changed */
        return;
    }
    draft = NULL;
    s->journal.updates++;
    answer_text(q, 200, "OK");
}

void configapi_user_delete(struct simulator *s, struct request *q)
{
    struct user *u = user_of(s, q);
    if (!u)
        return;
    store_delete(&s->store, u);
    s->journal.deletes++;
    answer_text(q, 200, "OK");
}

void configapi_lock_get(struct simulator *s, struct request *q)
{
    const struct user *u = user_of(s, q);
    if (u)
        answer_json(q, 200, JSON, json_pack("{s:b}", "lockedOut", u->locked_out));
}

void configapi_lock_clear(struct simulator *s, struct request *q)
{
    /* The vendor shows no body for this call: none, or the object that GET gives with false in
     * it. */
    if (q->body.length) {
        const json_t *object = request_json_object(q);
        if (!object)
            return;
        if (json_object_size(object) != 1 ||
            !json_is_false(json_object_get(object, "lockedOut"))) {
            answer_error(q, 400, "a lock-out can only be cleared");
            return;
        }
    }
    struct user *u = user_of(s, q);
    if (!u)
        return;
    u->locked_out = false;
    s->journal.updates++;
    answer_text(q, 200, "OK");
}

void configapi_teams(struct simulator *s, struct request *q)
{
    json_t *list = json_array();
    const struct names *teams = &s->store.names[NAME_TEAM];
    for (size_t i = 0; i < teams->n_all; i++)
        if (teams->all[i]->present && itself_sees(s, teams->all[i]))
            json_array_append_new(list, json_pack("{s:s}", "name", teams->all[i]->text));
    answer_json(q, 200, JSON, list);
}

void configapi_phone_users(struct simulator *s, struct request *q)
{
    /* Written piece by piece: a tree of all users at once would cost several times the text. */
    const char *separator = "[";
    const struct user *u;
    TAILQ_FOREACH(u, &s->store.users, link)
    {
        if (!itself_sees(s, u->team))
            continue;
        json_auto_t *line = json_pack(
            "{s:s*, s:s, s:s, s:s, s:b, s:b, s:b}", "extension", u->field[USER_EXTENSION],
            "loginId", u->field[USER_LOGIN], "firstName", u->field[USER_FIRST_NAME], "lastName",
            u->field[USER_LAST_NAME], "external", 0, "voiceMail", 0, "greeting", 0);
        CLEANUP(text_freep) char *text = json_dumps(line, JSON_COMPACT);
        buffer_text(&q->answer, separator);
        separator = ",\n";
        buffer_text(&q->answer, text ? text : "null");
    }
    buffer_text(&q->answer, *separator == '[' ? "[]" : "]");
    q->status = 200;
    q->content_type = JSON;
}

void configapi_phone_extensions(struct simulator *s, struct request *q)
{
    answer_json(q, 200, JSON, json_incref(s->access_numbers));
}
