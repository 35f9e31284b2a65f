/*
 * The one place that maps a result of libcurl, a status and a body to a class.
 *
 * The rule behind the rows: a class must never claim more than was seen. Success of a write is
 * only a body that the tenant is known to send; a page of HTML is never the tenant speaking,
 * whatever its status; a write that left and got no clear answer is unclear, since the tenant
 * may have carried it out; a read that failed changed nothing, so for it the tenant is away.
 * Bodies are read for a hint (which kind of object is missing, whether a login exists) and
 * shortened for people; nothing else is taken from them.
 */
#include "config.h"

#include "tenant/answer.h"

#include <ctype.h>
#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "tenant/hint.h"

#define RETRY_AFTER_MAX_SEC 3600
/* A hint between two blanks. */
#define WORDS_SIZE (sizeof(((struct tenant_answer *)NULL)->hint) + 2)

const char *tenant_answer_class_name(enum tenant_answer_class c)
{
    switch (c) {
    case TENANT_DONE: return "done";
    case TENANT_NOT_FOUND: return "not found";
    case TENANT_REFUSED: return "refused";
    case TENANT_REFERENCE_MISSING: return "reference missing";
    case TENANT_CONFLICT: return "conflict";
    case TENANT_NOT_AUTHORISED: return "not authorised";
    case TENANT_THROTTLED: return "throttled";
    case TENANT_UNCLEAR: return "unclear";
    case TENANT_AWAY: return "away";
    case TENANT_UNSUPPORTED: return "unsupported";
    case TENANT_LOST_RACE: return "lost race";
    }
    return "?";
}

/* -- words in a hint -- */

/* Lower case, every run of other characters one blank, blanks around; the login is left out,
 * since "team.leader not found" says nothing about teams. */
static void words_of(char out[static WORDS_SIZE], const char *hint, const char *login)
{
    size_t n = 0, login_size = login ? strlen(login) : 0;
    out[n++] = ' ';
    for (const char *c = hint; *c;) {
        if (login_size > 0 && strncasecmp(c, login, login_size) == 0) {
            c += login_size;
            continue;
        }
        bool word = isalnum((unsigned char)*c);
        if (word)
            out[n++] = (char)tolower((unsigned char)*c);
        else if (out[n - 1] != ' ' && *c != '\'') /* doesn't: doesnt */
            out[n++] = ' ';
        c++;
    }
    if (out[n - 1] != ' ')
        out[n++] = ' ';
    out[n] = '\0';
}

static bool has(const char *words, const char *word)
{
    return strstr(words, word);
}

static bool says_missing(const char *words)
{
    return has(words, " not found ") || has(words, " not exist ") || has(words, " unknown ") ||
           has(words, " doesnt exist ") || has(words, " no such ");
}

/* Values that are unique too, but whose owner is not the account that was asked for. */
static bool names_other_value(const char *words)
{
    return has(words, " extension ") || has(words, " phone ") || has(words, " number ");
}

static bool says_exists(const char *words)
{
    if (says_missing(words) || names_other_value(words))
        return false;
    return has(words, " already ") || has(words, " exists ") || has(words, " duplicate ") ||
           has(words, " in use ") || has(words, " taken ");
}

static enum tenant_reference reference_of(const char *words, const struct answer_question *q)
{
    if (q->team && has(words, " team "))
        return TENANT_REFERENCE_TEAM;
    if (q->role && (has(words, " role ") || has(words, " roles ")))
        return TENANT_REFERENCE_ROLE;
    if (q->skill && (has(words, " skill ") || has(words, " skills ")))
        return TENANT_REFERENCE_SKILL;
    return TENANT_REFERENCE_NONE;
}

/* -- classes -- */

static bool writes(const struct answer_question *q)
{
    /* Asking for a token changes nothing that would have to be settled. */
    return q->method != HTTP_GET && q->api != ANSWER_TOKEN;
}

/* Whether the call was about one person: then so is its refusal. */
static bool concerns_one(const struct answer_question *q)
{
    return q->names_user || q->login || writes(q);
}

/* Looking a login up names no user by its id: SCIM itself may be what is refused, unless it is
 * known to be there. */
static bool no_scim(const struct answer_question *q)
{
    return q->api == ANSWER_SCIM && !q->names_user && !q->scim_works;
}

static enum tenant_answer_class of_forbidden(const struct answer_question *q)
{
    if (!concerns_one(q))
        return TENANT_NOT_AUTHORISED;
    return no_scim(q) ? TENANT_UNSUPPORTED : TENANT_REFUSED;
}

static enum tenant_answer_class not_clear(const struct answer_question *q)
{
    return writes(q) ? TENANT_UNCLEAR : TENANT_AWAY;
}

static enum tenant_answer_class of_curl(const struct answer_question *q,
                                        const struct http_result *r)
{
    if (r->began) /* a connection that was kept broke, and what follows is of another one */
        return not_clear(q);
    switch (r->curl_code) {
    /* These happen before a byte of the request leaves, even if curl says otherwise. */
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_PROXY:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT: return TENANT_AWAY;
    /* 92, 16, 52, 55, 56, 28 and whatever else: it depends on whether the request left. */
    default: return r->sent ? not_clear(q) : TENANT_AWAY;
    }
}

/* RFC 7644, 3.5.2: 204, or 200 with the resource as it is now; 3.3: 201 with what was made. */
static bool shows_scim_resource(const struct answer_question *q, const char *body, size_t n)
{
    json_auto_t *json = json_loadb(body, n, 0, NULL);
    const char *id = json_string_value(json_object_get(json, "id"));
    const char *name = q->group ? "displayName" : "userName";
    return id && *id && json_is_string(json_object_get(json, name)) &&
           !json_object_get(json, "errors") && !json_object_get(json, "detail");
}

/* What a tenant is known to send when it has done a write, and nothing else: a front end, a
 * queue or a page in between can answer 200 and anything. Whatever else came is settled by
 * reading. */
static bool confirms(const struct answer_question *q, const struct http_result *r)
{
    size_t n;
    const char *body = hint_body(r, &n);
    if (q->api == ANSWER_SCIM)
        return n == 0 ? r->status == 204
                      : r->status == (q->method == HTTP_POST ? 201 : 200) &&
                            shows_scim_resource(q, body, n);
    return r->status == 200 && ((n == 2 && strncasecmp(body, "OK", 2) == 0) ||
                                (n == 4 && strncasecmp(body, "\"OK\"", 4) == 0));
}

static enum tenant_answer_class of_success(const struct answer_question *q,
                                           const struct http_result *r)
{
    size_t n;
    const char *body = hint_body(r, &n);
    if (hint_is_page(r))
        return not_clear(q);
    if (writes(q))
        return confirms(q, r) ? TENANT_DONE : TENANT_UNCLEAR;
    return r->status == 200 && n > 0 && (*body == '{' || *body == '[') ? TENANT_DONE : TENANT_AWAY;
}

static enum tenant_answer_class of_not_found(struct tenant_answer *ret,
                                             const struct answer_question *q,
                                             const struct http_result *r, const char *words)
{
    if (hint_is_page(r)) /* a front end that does not know the path, not the tenant */
        return no_scim(q) ? TENANT_UNSUPPORTED : not_clear(q);
    if (q->method == HTTP_POST) {
        ret->reference = reference_of(words, q);
        return TENANT_REFERENCE_MISSING;
    }
    if (!q->names_user)
        return no_scim(q) ? TENANT_UNSUPPORTED : TENANT_REFUSED;
    ret->reference = writes(q) ? reference_of(words, q) : TENANT_REFERENCE_NONE;
    return ret->reference ? TENANT_REFERENCE_MISSING : TENANT_NOT_FOUND;
}

static enum tenant_answer_class of_bad_request(struct tenant_answer *ret,
                                               const struct answer_question *q,
                                               const struct http_result *r, const char *words)
{
    if (hint_is_page(r) || !writes(q))
        return TENANT_REFUSED;
    if ((q->method == HTTP_POST || q->method == HTTP_PATCH) && !q->group && says_exists(words))
        return TENANT_CONFLICT;
    if (says_missing(words) && (ret->reference = reference_of(words, q)))
        return TENANT_REFERENCE_MISSING;
    return TENANT_REFUSED;
}

/* A user's login is somebody else's; a group has none, and is being changed by another request. */
static enum tenant_answer_class of_conflict(const struct answer_question *q, const char *words)
{
    if (writes(q) && q->group)
        return TENANT_LOST_RACE;
    return writes(q) && !names_other_value(words) ? TENANT_CONFLICT : TENANT_REFUSED;
}

static enum tenant_answer_class of_server_error(struct tenant_answer *ret,
                                                const struct answer_question *q,
                                                const struct http_result *r)
{
    if (r->status == 503 && ret->retry_after_usec)
        return TENANT_THROTTLED;
    if (r->status == 502 || r->status == 503)
        return TENANT_AWAY;
    if (r->status == 501 && q->api == ANSWER_SCIM)
        return TENANT_UNSUPPORTED;
    return not_clear(q);
}

#define CHECK_ACCOUNT                                                                              \
    "Check [tenant] client_id, client_secret_file and scope, and that the account has the "        \
    "privileges \"Manage users\" and \"Manage all teams\""

/* RFC 6749, 5.2. */
static const char *remedy_of_token(const struct http_result *r)
{
    static const struct {
        const char *error, *remedy;
    } rows[] = {
        {"invalid_client", "Check [tenant] client_id and client_secret_file"},
        {"invalid_scope", "Check [tenant] scope: the tenant's domain name"},
        {"unauthorized_client", "Check that [tenant] client_id is an API user of the tenant"},
        {"unsupported_grant_type", "Check that [tenant] client_id is an API user of the tenant"},
    };
    json_auto_t *json = json_loadb(r->body ? r->body : "", r->body_size, 0, NULL);
    const char *error = json_string_value(json_object_get(json, "error"));
    for (size_t i = 0; error && i < ARRAY_SIZE(rows); i++)
        if (strcmp(error, rows[i].error) == 0)
            return rows[i].remedy;
    return CHECK_ACCOUNT;
}

static const char *remedy_of(const struct answer_question *q, const struct http_result *r)
{
    if (q->api == ANSWER_TOKEN)
        return remedy_of_token(r);
    if (q->remedy)
        return q->remedy;
    return r->status == 403
               ? "Check that the account has the privileges \"Manage users\" and \"Manage all teams\""
               : CHECK_ACCOUNT;
}

static enum tenant_answer_class of_token(const struct http_result *r, bool throttled)
{
    if (r->status == 200)
        return hint_is_page(r) ? TENANT_AWAY : TENANT_DONE;
    if (r->status == 429 || (r->status == 503 && throttled))
        return TENANT_THROTTLED;
    switch (r->status) {
    case 400:
    case 401:
    case 403:
    case 422: return TENANT_NOT_AUTHORISED;
    default: return TENANT_AWAY;
    }
}

static enum tenant_answer_class
of_status(struct tenant_answer *ret, const struct answer_question *q, const struct http_result *r)
{
    char words[WORDS_SIZE];
    words_of(words, ret->hint, q->login);
    if (q->api == ANSWER_TOKEN)
        return of_token(r, ret->retry_after_usec);
    if (r->status >= 500)
        return of_server_error(ret, q, r);
    if (r->status >= 200 && r->status < 300)
        return of_success(q, r);
    switch (r->status) {
    case 400: return of_bad_request(ret, q, r, words);
    case 401: return TENANT_NOT_AUTHORISED;
    case 403: return of_forbidden(q);
    case 404: return of_not_found(ret, q, r, words);
    case 405: return q->api == ANSWER_SCIM && !q->scim_works ? TENANT_UNSUPPORTED : TENANT_REFUSED;
    case 407: return TENANT_AWAY; /* a proxy in between wants a login */
    case 408: return not_clear(q);
    case 409: return of_conflict(q, words);
    case 412: return writes(q) ? TENANT_LOST_RACE : TENANT_REFUSED;
    case 429: return TENANT_THROTTLED;
    default: break;
    }
    /* 1xx and 3xx are nobody's answer to these calls; other 4xx are a refusal. */
    return r->status < 400 ? not_clear(q) : TENANT_REFUSED;
}

void answer_decide(struct tenant_answer *ret, const struct answer_question *question,
                   const struct http_result *result)
{
    size_t n_ours = 0;
    ret->status = result->status;
    ret->reference = TENANT_REFERENCE_NONE;
    ret->concerns_all = !concerns_one(question);
    ret->retry_after_usec = 0;
    ret->hint[0] = '\0';
    ret->remedy = NULL;
    if (result->curl_code != CURLE_OK) {
        const char *problem = result->problem ? result->problem : "";
        text_printable(ret->hint, sizeof(ret->hint), problem, strlen(problem));
        hint_hide_secrets(ret, question);
        ret->class = of_curl(question, result);
        return;
    }
    ret->retry_after_usec = result->retry_after_sec > RETRY_AFTER_MAX_SEC
                                ? RETRY_AFTER_MAX_SEC * USEC_PER_SEC
                                : result->retry_after_sec * USEC_PER_SEC;
    if (question->api == ANSWER_TOKEN && result->status == 200) {
        if (hint_is_page(result)) /* else the token is in it */
            hint_set(ret, question, result);
    } else if (result->redirect_url) {
        n_ours = hint_redirect(ret, result);
    } else if (result->status / 100 != 2) {
        hint_set(ret, question, result);
    }
    ret->class = of_status(ret, question, result);
    if (ret->class == TENANT_NOT_AUTHORISED)
        ret->remedy = remedy_of(question, result);
    if (ret->class == TENANT_DONE) /* nobody is shown what a success says */
        ret->hint[0] = '\0';
    else if (ret->hint[0] == '\0' && question->api != ANSWER_TOKEN)
        hint_set(ret, question, result);
    hint_hide_secrets(ret, question); /* what is cut would not be recognised any more */
    hint_keep_words(ret, question, n_ours);
    if (ret->class != TENANT_THROTTLED && ret->class != TENANT_AWAY)
        ret->retry_after_usec = 0;
}

void answer_not_understood(struct tenant_answer *ret, const struct answer_question *question,
                           const struct http_result *result, const char *what)
{
    ret->class = not_clear(question);
    ret->status = result->status;
    ret->remedy = NULL;
    text_printable(ret->hint, sizeof(ret->hint), what, strlen(what));
    hint_hide_secrets(ret, question);
}

void answer_too_large(struct tenant_answer *ret, const struct answer_question *question)
{
    ret->too_large =
        question->method == HTTP_GET && question->api != ANSWER_TOKEN && concerns_one(question);
}

void answer_not_sent(struct tenant_answer *ret, enum tenant_answer_class class,
                     const char *sentence)
{
    ret->class = class;
    ret->status = 0;
    ret->remedy = NULL;
    ret->reference = TENANT_REFERENCE_NONE;
    ret->concerns_all = true;
    ret->retry_after_usec = 0;
    text_printable(ret->hint, sizeof(ret->hint), sentence, strlen(sentence));
}
