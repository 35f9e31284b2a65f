/* Routing: which handler a request belongs to, what stops it before (down, too fast, token,
 * privilege) and how a programmed fault bends it. The order of refusals is endpoint, method,
 * token, privilege, then the handler's. */
#include "config.h"

#include "route.h"

#include <stdlib.h>
#include <string.h>

#include "configapi.h"
#include "control.h"
#include "itself.h"
#include "scim.h"

#define API "/configapi/v2/"

enum endpoint_kind {
    ENDPOINT_TOKEN,
    ENDPOINT_CONFIG,
    ENDPOINT_SCIM,
    ENDPOINT_CONTROL
};

struct endpoint {
    const char *path;
    enum endpoint_kind kind;
    bool takes_argument; /* one more segment: a login or an id */
    request_handler *on[METHOD_OTHER];
};

#define GET(f)    [METHOD_GET] = (f)
#define POST(f)   [METHOD_POST] = (f)
#define PUT(f)    [METHOD_PUT] = (f)
#define PATCH(f)  [METHOD_PATCH] = (f)
#define DELETE(f) [METHOD_DELETE] = (f)

static const struct endpoint endpoints[] = {
    {API "oauth/token", ENDPOINT_TOKEN, false, {POST(oauth_token)}},
    {API "user", ENDPOINT_CONFIG, false, {POST(configapi_user_create)}},
    {API "user/",
     ENDPOINT_CONFIG,
     true,
     {GET(configapi_user_get), PUT(configapi_user_change), DELETE(configapi_user_delete)}},
    {API "user/lock/",
     ENDPOINT_CONFIG,
     true,
     {GET(configapi_lock_get), PUT(configapi_lock_clear)}},
    {API "team", ENDPOINT_CONFIG, false, {GET(configapi_teams)}},
    {API "phone/user", ENDPOINT_CONFIG, false, {GET(configapi_phone_users)}},
    {API "phone/ext", ENDPOINT_CONFIG, false, {GET(configapi_phone_extensions)}},
    {API "scim/users", ENDPOINT_SCIM, false, {POST(scim_create), GET(scim_find)}},
    {API "scim/users/",
     ENDPOINT_SCIM,
     true,
     {GET(scim_get), PUT(scim_replace), PATCH(scim_patch_user), DELETE(scim_delete)}},
    {"/simulator/users",
     ENDPOINT_CONTROL,
     false,
     {GET(control_users), POST(control_users_seed), DELETE(control_users_clear)}},
    {"/simulator/users/",
     ENDPOINT_CONTROL,
     true,
     {GET(control_user), DELETE(control_user_delete)}},
    {"/simulator/requests",
     ENDPOINT_CONTROL,
     false,
     {GET(control_requests), DELETE(control_requests_forget)}},
    {"/simulator/counters", ENDPOINT_CONTROL, false, {GET(control_counters)}},
    {"/simulator/names", ENDPOINT_CONTROL, false, {GET(control_names)}},
    {"/simulator/teams",
     ENDPOINT_CONTROL,
     false,
     {GET(control_names), POST(control_teams_edit)}},
    {"/simulator/roles",
     ENDPOINT_CONTROL,
     false,
     {GET(control_names), POST(control_roles_edit)}},
    {"/simulator/skills",
     ENDPOINT_CONTROL,
     false,
     {GET(control_names), POST(control_skills_edit)}},
    {"/simulator/faults",
     ENDPOINT_CONTROL,
     false,
     {GET(control_faults), POST(control_faults_add), DELETE(control_faults_clear)}},
    {"/simulator/settings",
     ENDPOINT_CONTROL,
     false,
     {GET(control_settings), POST(control_settings_edit)}},
    {"/simulator/revoke-tokens", ENDPOINT_CONTROL, false, {POST(control_revoke_tokens)}},
    {"/simulator/down", ENDPOINT_CONTROL, false, {POST(control_down)}},
};

static bool endpoint_fits(const struct endpoint *e, const char *path, size_t length)
{
    size_t own = strlen(e->path);
    if (!e->takes_argument)
        return own == length && !memcmp(path, e->path, own);
    return length > own && !memcmp(path, e->path, own) &&
           !memchr(path + own, '/', length - own);
}

/* Whom the request is about, as far as it says so. */
static char *find_login(const struct simulator *s, struct request *q)
{
    const struct endpoint *e = q->endpoint;
    if (!e || e->kind == ENDPOINT_TOKEN || e->kind == ENDPOINT_CONTROL)
        return NULL;
    if (e->kind == ENDPOINT_SCIM && q->argument) {
        const struct user *u = store_user_by_id(&s->store, q->argument);
        return u ? text_copy(u->field[USER_LOGIN]) : NULL;
    }
    if (q->argument)
        return text_copy(q->argument);
    if (q->method == METHOD_POST)
        return text_copy(json_string_value(json_object_get(
            request_json(q), e->kind == ENDPOINT_SCIM ? "userName" : "loginId")));
    CLEANUP(text_freep)
    char *filter = e->kind == ENDPOINT_SCIM ? text_form_get(q->query, "filter") : NULL;
    const char *quote = filter ? strchr(filter, '"') : NULL;
    return quote ? text_copy_length(quote + 1, strcspn(quote + 1, "\"")) : NULL;
}

void route_resolve(struct simulator *s, struct request *q)
{
    size_t length = strcspn(q->target, "?");
    q->query = q->target[length] ? q->target + length + 1 : NULL;
    for (size_t i = 0; i < ELEMENTS(endpoints) && !q->endpoint; i++)
        if (endpoint_fits(&endpoints[i], q->target, length))
            q->endpoint = &endpoints[i];
    if (q->endpoint && q->endpoint->takes_argument) {
        size_t own = strlen(q->endpoint->path);
        q->argument = text_unescape(q->target + own, length - own, false);
    }
    q->login = find_login(s, q);
}

static bool is_too_fast(struct simulator *s)
{
    if (!s->settings.rate)
        return false;
    /* Tenths of a second, so that a client's even pace is not judged by one burst at the turn
     * of a second. */
    uint64_t window = time_monotonic_ms() / 100;
    if (window != s->rate_window_ms) {
        s->rate_window_ms = window;
        s->rate_used = 0;
    }
    return ++s->rate_used * 10 > s->settings.rate + 9;
}

static void handle(struct simulator *s, struct request *q)
{
    const struct endpoint *e = q->endpoint;
    request_handler *handler = e && q->method < METHOD_OTHER ? e->on[q->method] : NULL;
    if (q->control && e && e->kind != ENDPOINT_CONTROL)
        e = NULL; /* the control listener serves nothing else */
    if (q->too_large)
        answer_error(q, 413, "the body is too large");
    else if (!e && q->control)
        answer_error(q, 404, "no such control");
    else if (!e)
        answer_error(q, 500, "request failed");
    else if (!handler)
        answer_error(q, 405, "method not allowed");
    else if (e->takes_argument && !q->argument)
        answer_error(q, 400, "the path is malformed");
    else if (e->kind == ENDPOINT_CONTROL || e->kind == ENDPOINT_TOKEN)
        handler(s, q);
    else if (!oauth_check(s, q))
        return;
    else if (s->settings.lack_privilege)
        answer_error(q, 403, "insufficient privileges");
    else if (e->kind == ENDPOINT_SCIM && s->settings.scim_refusal)
        scim_answer_error(q, (unsigned)s->settings.scim_refusal, NULL,
                          "no SCIM integration account is configured");
    else
        handler(s, q);
}

static void forget_answer(struct request *q)
{
    q->answer.length = 0;
    while (q->n_headers)
        free(q->header_text[--q->n_headers]);
}

/* Puts the fault's answer in place of the tenant's. */
static enum route_result bend_answer(struct request *q)
{
    const struct fault *f = q->fault;
    const char *key;
    json_t *value;
    switch (f->action) {
    case FAULT_DELAY:
    case FAULT_REVOKE:
    case FAULT_SHORT_BODY:
    case FAULT_BIG_BODY:
    case FAULT_ENDLESS_BODY: break;
    case FAULT_STATUS:
        forget_answer(q);
        answer_text(q, f->status, f->body ? f->body : "");
        break;
    case FAULT_HTML:
        forget_answer(q);
        answer_text(q, 200,
                    f->body
                        ? f->body
                        : "<!DOCTYPE html><html><head><title>Sign in</title></head><body>"
                          "<form method=\"post\"><input name=\"user\"></form></body></html>");
        q->content_type = "text/html; charset=utf-8";
        break;
    case FAULT_REDIRECT:
        forget_answer(q);
        answer_text(q, f->status >= 300 && f->status < 400 ? f->status : 302, "");
        answer_header(q, "Location", f->location);
        break;
    case FAULT_CUT: return f->reset ? ROUTE_RESET : ROUTE_CUT;
    case FAULT_STALL: return ROUTE_WAIT;
    }
    if (f->content_type)
        q->content_type = f->content_type;
    json_object_foreach(f->headers, key, value) answer_header(q, key, json_string_value(value));
    return ROUTE_ANSWER;
}

static bool is_handled(const struct fault *f)
{
    return !f || f->commit || f->action == FAULT_DELAY || f->action == FAULT_REVOKE ||
           f->action == FAULT_SHORT_BODY || f->action == FAULT_BIG_BODY ||
           f->action == FAULT_ENDLESS_BODY;
}

static enum route_result wait_for(struct request *q, long milliseconds, int next_stage)
{
    q->stage = next_stage;
    if (milliseconds <= 0)
        return ROUTE_ANSWER;
    q->wait_until_ms = time_monotonic_ms() + (uint64_t)milliseconds;
    return ROUTE_WAIT;
}

/* What keeps a request from the tenant altogether; ROUTE_WAIT if nothing does. */
static enum route_result stop_early(struct simulator *s, struct request *q)
{
    if (s->down == DOWN_CUT || s->down == DOWN_ACCEPT)
        return ROUTE_CUT;
    if (s->down == DOWN_502) {
        answer_text(q, 502, "<html><body><h1>502 Bad Gateway</h1></body></html>\n");
        q->content_type = "text/html";
        return ROUTE_ANSWER;
    }
    if (is_too_fast(s)) {
        answer_error(q, 429, "too many requests");
        CLEANUP(text_freep) char *seconds = text_format("%ld", s->settings.retry_after);
        if (s->settings.retry_after)
            answer_header(q, "Retry-After", seconds);
        return ROUTE_ANSWER;
    }
    return ROUTE_WAIT;
}

enum route_result route_serve(struct simulator *s, struct request *q)
{
    itself_turn(s);
    enum {
        START,
        BEFORE,
        AFTER,
        STALLED
    }; /* q->stage */
    if (q->control) {
        handle(s, q);
        return ROUTE_ANSWER;
    }
    if (q->stage == START) {
        enum route_result early = stop_early(s, q);
        if (early != ROUTE_WAIT)
            return early;
        q->fault = faults_match(&s->faults, q);
        long delay = q->fault && !q->fault->commit ? q->fault->delay_ms : 0;
        if (wait_for(q, delay, BEFORE) == ROUTE_WAIT)
            return ROUTE_WAIT;
    }
    if (q->stage == BEFORE) {
        if (q->fault && q->fault->action == FAULT_REVOKE)
            oauth_revoke_all(&s->oauth);
        if (is_handled(q->fault))
            handle(s, q);
        long delay = q->fault && q->fault->commit ? q->fault->delay_ms : 0;
        if (wait_for(q, delay, AFTER) == ROUTE_WAIT)
            return ROUTE_WAIT;
    }
    if (q->stage == STALLED)
        return ROUTE_CUT;
    enum route_result result = q->fault ? bend_answer(q) : ROUTE_ANSWER;
    if (result == ROUTE_WAIT) {
        q->stage = STALLED;
        q->wait_forever = true;
    }
    return result;
}
