/* The endpoints of SCIM. The team of a user made here is the integration account's default
 * team; skills do not exist here at all. Refusals are SCIM error messages (RFC 7644,
 * section 3.12). */
#include "config.h"

#include "scim.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "itself.h"

#define SCIM_JSON "application/scim+json"

void scim_answer_error(struct request *q, unsigned status, const char *type, const char *detail)
{
    char number[8];
    snprintf(number, sizeof(number), "%u", status);
    answer_json(q, status, SCIM_JSON,
                json_pack("{s:[s], s:s, s:s*, s:s}", "schemas",
                          "urn:ietf:params:scim:api:messages:2.0:Error", "status", number,
                          "scimType", type, "detail", detail));
}

static void answer_refusal(struct request *q, const struct scim_refusal *no)
{
    scim_answer_error(q, no->why.status, no->type, no->why.text);
}

static void answer_clash(struct request *q, int clash)
{
    if (clash == STORE_LOGIN_TAKEN)
        scim_answer_error(q, 409, "uniqueness", "userName is already in use");
    else
        scim_answer_error(q, 400, "invalidValue", "extension is already in use");
}

static json_t *body_of(struct request *q)
{
    const char *type = request_header(q, "Content-Type");
    if (!text_is_media_type(type, SCIM_JSON) && !text_is_media_type(type, "application/json")) {
        scim_answer_error(q, 415, NULL, "Content-Type must be application/scim+json");
        return NULL;
    }
    json_t *body = request_json(q);
    if (json_is_object(body))
        return body;
    scim_answer_error(q, 400, "invalidSyntax", "the body is no JSON object");
    return NULL;
}

static struct user *user_of(struct simulator *s, struct request *q)
{
    struct user *u = store_user_by_id(&s->store, q->argument ? q->argument : "");
    if (u && !itself_sees(s, u->team))
        u = NULL;
    if (!u)
        scim_answer_error(q, 404, NULL, "user not found");
    return u;
}

static struct name *default_team(const struct simulator *s)
{
    if (s->settings.default_team)
        return store_name(&s->store, NAME_TEAM, s->settings.default_team);
    const struct names *teams = &s->store.names[NAME_TEAM];
    for (size_t i = 0; i < teams->n_all; i++)
        if (teams->all[i]->present)
            return teams->all[i];
    return NULL;
}

void scim_create(struct simulator *s, struct request *q)
{
    const json_t *body = body_of(q);
    if (!body)
        return;
    CLEANUP(user_freep) struct user *draft = user_new();
    struct scim_refusal no = {0};
    if (scim_document_read(s, body, true, draft, &no) < 0) {
        answer_refusal(q, &no);
        return;
    }
    draft->team = default_team(s);
    if (!draft->team) {
        scim_answer_error(q, 404, NULL, "user team not found");
        return;
    }
    if (itself_allows(s, q, NULL, draft, &no.why) < 0) {
        answer_refusal(q, &no);
        return;
    }
    itself_add_scim(s, true, draft);
    int r = store_insert(&s->store, draft);
    if (r != 0) {
        answer_clash(q, r);
        return;
    }
    struct user *u = draft;
    draft = NULL;
    s->journal.creates++;
    CLEANUP(text_freep) char *location = text_format("/configapi/v2/scim/users/%s", u->id);
    answer_header(q, "Location", location);
    answer_json(q, 201, SCIM_JSON, scim_write(s, u));
}

/* The login in `userName eq "login"`, to be freed; NULL if the filter is anything else. */
static char *filter_login(const char *filter)
{
    static const char start[] = "userName eq ";
    if (!filter || strncasecmp(filter, start, strlen(start)) != 0)
        return NULL;
    json_auto_t *value = json_loads(filter + strlen(start), JSON_DECODE_ANY, NULL);
    return text_copy(json_string_value(value));
}

void scim_find(struct simulator *s, struct request *q)
{
    CLEANUP(text_freep) char *filter = text_form_get(q->query, "filter");
    CLEANUP(text_freep) char *login = filter_login(filter);
    if (!login) {
        scim_answer_error(q, 400, "invalidFilter", "the only filter is userName eq \"...\"");
        return;
    }
    const struct user *u = store_user(&s->store, login);
    if (u && !itself_sees(s, u->team))
        u = NULL;
    json_t *resources = json_array();
    if (u)
        json_array_append_new(resources, scim_write(s, u));
    s->journal.gets++;
    answer_json(q, 200, SCIM_JSON,
                json_pack("{s:[s], s:i, s:i, s:i, s:o}", "schemas",
                          "urn:ietf:params:scim:api:messages:2.0:ListResponse", "totalResults",
                          u ? 1 : 0, "startIndex", 1, "itemsPerPage", u ? 1 : 0, "Resources",
                          resources));
}

void scim_get(struct simulator *s, struct request *q)
{
    const struct user *u = user_of(s, q);
    if (!u)
        return;
    s->journal.gets++;
    answer_json(q, 200, SCIM_JSON, scim_write(s, u));
}

/* Ends PUT and PATCH: the document becomes the user, or nothing changes. */
static void store_document(struct simulator *s, struct request *q, struct user *u,
                           const json_t *document, bool needs_mail)
{
    CLEANUP(user_freep) struct user *draft = user_copy(u);
    struct scim_refusal no = {0};
    if (scim_document_read(s, document, needs_mail, draft, &no) < 0) {
        answer_refusal(q, &no);
        return;
    }
    if (s->settings.forbid_rename &&
        strcmp(draft->field[USER_LOGIN], u->field[USER_LOGIN]) != 0) {
        scim_answer_error(q, 400, "mutability", "userName cannot be changed");
        return;
    }
    if (itself_allows(s, q, u, draft, &no.why) < 0) {
        answer_refusal(q, &no);
        return;
    }
    itself_add_scim(s, false, draft);
    property_own_form(&s->settings, draft);
    int r = store_replace(&s->store, u, draft);
    if (r != 0) {
        answer_clash(q, r);
        return;
    }
    u = draft;
    draft = NULL;
    s->journal.updates++;
    answer_json(q, 200, SCIM_JSON, scim_write(s, u));
}

void scim_replace(struct simulator *s, struct request *q)
{
    const json_t *body = body_of(q);
    struct user *u = body ? user_of(s, q) : NULL;
    if (u)
        store_document(s, q, u, body, true);
}

/* A strict server that shows roles as objects takes them only so. */
static bool has_plain_roles(const struct simulator *s, const json_t *body)
{
    size_t i, k;
    json_t *operation, *item;
    if (!s->settings.strict_scim || !s->settings.roles_as_values)
        return false;
    json_array_foreach(json_object_get(body, "Operations"), i, operation)
    {
        const char *path = json_string_value(json_object_get(operation, "path"));
        if (!path || strcasecmp(path, "roles") != 0)
            continue;
        json_array_foreach(json_object_get(operation, "value"), k, item) if (!json_is_object(item))
            return true;
    }
    return false;
}

void scim_patch_user(struct simulator *s, struct request *q)
{
    const json_t *body = body_of(q);
    struct user *u = body ? user_of(s, q) : NULL;
    if (!u)
        return;
    json_auto_t *document = scim_document(u);
    struct scim_refusal no = {.strict = s->settings.strict_scim};
    if (has_plain_roles(s, body))
        scim_answer_error(q, 400, "invalidValue", "roles must be objects");
    else if (scim_patch(document, body, &no) < 0)
        answer_refusal(q, &no);
    else /* a user that was made without an address may stay so; one that has it may not lose it
          */
        store_document(s, q, u, document, u->field[USER_EMAIL] != NULL);
}

void scim_delete(struct simulator *s, struct request *q)
{
    struct user *u = user_of(s, q);
    if (!u)
        return;
    store_delete(&s->store, u);
    s->journal.deletes++;
    q->status = 204;
}
