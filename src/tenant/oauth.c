/*
 * OAuth 2 client credentials. The client secret is read from its file before each request, so
 * that a rotated secret works without a restart. The token lives in a struct secret and in the
 * request headers made from it, which are wiped when the last request is through with them
 * (libcurl's own send buffer is out of reach).
 *
 * A token is renewed when nine tenths of its life, or all but a minute of it, are over: calls
 * go on with the old one meanwhile, and a failed renewal is no failure while it lasts. It
 * refuses a token that could smuggle a second header line, and it never says a token or a
 * secret in a sentence.
 */
#include "config.h"

#include "tenant/oauth.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/secret.h"
#include "base/text.h"
#include "tenant/answer.h"
#include "tenant/http.h"
#include "tenant/json.h"
#include "tenant/options.h"

#define TOKEN_PATH       "/configapi/v2/oauth/token"
#define DEFAULT_LIFE_SEC 3600
#define MAX_LIFE_SEC     (366 * 24 * 3600)
#define RENEW_EARLY_USEC (60 * USEC_PER_SEC)
#define RENEW_RETRY_USEC (30 * USEC_PER_SEC)
#define MAX_TOKEN_SIZE   (16 * 1024)

struct oauth {
    struct http *http;
    char *url, *client_id, *client_secret_file, *scope;
    bool is_given;                  /* the file holds the token itself */
    struct http_exchange *exchange; /* the request under way */
    struct http_headers *form_headers;
    char *form; /* its body: holds the client secret */
    struct secret *client_secret,
        *token;                /* as read for the last request: any answer may repeat it */
    struct secret *last_token; /* the one before: calls that left with it may still be answered */
    struct http_headers *headers[OAUTH_N_HEADERS];
    uint64_t generation;
    uint64_t asked_usec, renew_usec, expires_usec; /* monotonic */
    uint64_t expires_real_usec;
    uint64_t n_requests;
    oauth_done_fn done;
    void *userdata;
};

static void forget_token(struct oauth *o)
{
    if (o->token) {
        secret_free(o->last_token);
        o->last_token = TAKE(o->token);
    }
    for (size_t i = 0; i < OAUTH_N_HEADERS; i++)
        o->headers[i] = http_headers_unref(o->headers[i]);
    o->expires_usec = o->renew_usec = o->expires_real_usec = 0;
}

static void forget_request(struct oauth *o)
{
    secret_wipe_string(o->form);
    o->form = NULL;
}

/* -- the answer -- */

static uint64_t life_sec(const json_t *object)
{
    const json_t *value = json_object_get(object, "expires_in");
    uint64_t seconds = 0;
    if (json_is_string(value)) {
        if (text_parse_unsigned(json_string_value(value), UINT64_MAX, &seconds) < 0)
            seconds = 0;
    } else if (json_number_value(value) >= 1) {
        double number = json_number_value(value);
        seconds = number > MAX_LIFE_SEC ? MAX_LIFE_SEC : (uint64_t)number;
    }
    if (seconds == 0)
        return DEFAULT_LIFE_SEC;
    return seconds > MAX_LIFE_SEC ? MAX_LIFE_SEC : seconds;
}

/* RFC 6750's b64token and what servers use besides it: visible ASCII. */
static bool token_is_safe(const char *token)
{
    size_t n = 0;
    for (; token[n]; n++)
        if (token[n] <= ' ' || token[n] >= 0x7f || n >= MAX_TOKEN_SIZE)
            return false;
    return n > 0;
}

/* The last label of a host name, with its dot; NULL: it is none. */
static const char *top_of_host(const char *word, size_t size)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
    const char *dot = memrchr(word, '.', size);
    return dot && dot > word && strspn(word, letters) >= size ? dot : NULL;
}

bool oauth_scope_is_of_another(const char *asked, const char *answered)
{
    size_t n_asked = asked ? strlen(asked) : 0;
    const char *top = n_asked ? top_of_host(asked, n_asked) : NULL;
    bool another = false;
    for (const char *at = answered; top && at && *at; at += strspn(at, " ")) {
        size_t n = strcspn(at, " ");
        if (n == n_asked && strncasecmp(at, asked, n) == 0)
            return false;
        const char *its = top_of_host(at, n);
        another |=
            its && (size_t)(at + n - its) == strlen(top) && strncasecmp(its, top, strlen(top)) == 0;
        at += n;
    }
    return another;
}

int oauth_read_token(struct secret **ret, uint64_t *ret_life_sec, const char *asked_scope,
                     const char *body, size_t size, struct error *e)
{
    json_auto_t *object = NULL;
    int r = json_from_body(&object, body, size, e);
    if (r < 0)
        return r;
    const json_t *value = json_object_get(object, "access_token");
    const char *text = json_string_value(value);
    const char *type = json_string_value(json_object_get(object, "token_type"));
    const char *scope = json_string_value(json_object_get(object, "scope"));
    if (!text)
        r = error_set(e, -EBADMSG, "the answer to the token request holds no access_token");
    else if (!token_is_safe(text))
        r = error_set(e, -EBADMSG, "the access token holds characters that no header may hold");
    else if (type && strcasecmp(type, "bearer") != 0)
        r = error_set(e, -EBADMSG, "the tenant gives tokens of another type than Bearer");
    else if (oauth_scope_is_of_another(asked_scope, scope))
        r = error_set(e, -EXDEV, "it is for the tenant %.200s, although it was asked for %.200s",
                      scope, asked_scope);
    else
        r = secret_new(ret, text, strlen(text), e);
    *ret_life_sec = life_sec(object);
    json_wipe_string(value);
    return r;
}

/* condition: another line; NULL: none. */
static int make_one(struct oauth *o, enum oauth_headers kind, const char *condition,
                    struct http_headers **ret, struct error *e)
{
    static const char *const accept[OAUTH_N_HEADERS] = {
        [OAUTH_READ] = TENANT_ACCEPT,
        [OAUTH_JSON] = "Accept: application/json, text/plain",
        [OAUTH_SCIM] = "Accept: application/scim+json, application/json",
    };
    static const char *const type[OAUTH_N_HEADERS] = {
        [OAUTH_JSON] = "Content-Type: application/json",
        [OAUTH_SCIM] = "Content-Type: application/scim+json",
    };
    CLEANUP(secret_freep) struct secret *line = NULL;
    char *text = NULL;
    if (asprintf(&text, "Authorization: Bearer %s", secret_text(o->token)) < 0)
        return error_out_of_memory(e);
    int r = secret_new(&line, text, strlen(text), e);
    secret_wipe_string(text);
    if (r < 0)
        return r;
    const char *lines[5] = {secret_text(line), accept[kind]};
    size_t n = 2;
    if (type[kind])
        lines[n++] = type[kind];
    if (condition)
        lines[n++] = condition;
    *ret = http_headers_new(lines);
    return *ret ? 0 : error_out_of_memory(e);
}

static int make_headers(struct oauth *o, struct error *e)
{
    int r = 0;
    for (size_t i = 0; i < OAUTH_N_HEADERS && r == 0; i++)
        r = make_one(o, (enum oauth_headers)i, NULL, &o->headers[i], e);
    return r;
}

int oauth_headers_if_match(struct oauth *o, enum oauth_headers kind, const char *version,
                           struct http_headers **ret, struct error *e)
{
    CLEANUP(freep) char *condition = NULL;
    if (asprintf(&condition, "If-Match: %s", version) < 0) {
        condition = NULL;
        return error_out_of_memory(e);
    }
    return make_one(o, kind, condition, ret, e);
}

static int take_token(struct oauth *o, const struct http_result *result, struct error *e)
{
    CLEANUP(secret_freep) struct secret *token = NULL;
    uint64_t life = 0;
    int r = oauth_read_token(&token, &life, o->scope, result->body, result->body_size, e);
    if (r < 0)
        return r;
    forget_token(o);
    o->token = TAKE(token);
    r = make_headers(o, e);
    if (r < 0) {
        forget_token(o);
        return r;
    }
    life *= USEC_PER_SEC;
    uint64_t early = life / 10 < RENEW_EARLY_USEC ? life / 10 : RENEW_EARLY_USEC;
    /* From when it was asked for: the tenant's count began before its answer came. */
    o->expires_usec = o->asked_usec + life;
    o->renew_usec = o->expires_usec - early;
    o->expires_real_usec = clock_now_usec() + life;
    o->generation++;
    return 0;
}

/* Nothing but the token says whose users it shows, so another one is for another client. */
static bool is_another(const struct oauth *o, const struct secret *token)
{
    const struct secret *before = o->token ? o->token : o->last_token;
    return before && !text_equal(secret_text(before), secret_text(token));
}

/* The token stands in the file, which is read again when it was refused, and now and then. */
static int read_given(struct oauth *o, struct error *e)
{
    CLEANUP(secret_freep) struct secret *token = NULL;
    int r = secret_from_file(&token, o->client_secret_file, e);
    if (r < 0)
        return error_wrap(e, r, "the tenant's token");
    if (!token_is_safe(secret_text(token)))
        return error_set(e, -EBADMSG, "%s holds characters that no header may hold",
                         o->client_secret_file);
    if (is_another(o, token))
        return error_set(e, -ESTALE,
                         "%s holds another token: the tenant is first asked whose users it shows",
                         o->client_secret_file);
    forget_token(o);
    o->token = TAKE(token);
    r = make_headers(o, e);
    if (r < 0) {
        forget_token(o);
        return r;
    }
    o->expires_usec = clock_monotonic_usec() + DEFAULT_LIFE_SEC * USEC_PER_SEC;
    o->renew_usec = UINT64_MAX;
    o->generation++;
    return 0;
}

static bool token_lasts(const struct oauth *o, uint64_t now_usec)
{
    return o->token && o->headers[0] && now_usec < o->expires_usec;
}

static void on_answer(const struct http_result *result, void *userdata)
{
    struct oauth *o = userdata;
    const struct answer_question question = {
        .method = HTTP_POST,
        .api = ANSWER_TOKEN,
        .secrets = {secret_text(o->client_secret)},
    };
    struct tenant_answer answer = {.class = TENANT_AWAY};
    struct error error;
    int r = 0;
    o->exchange = NULL;
    if (result->broken) { /* over another connection, when the pace lets it */
        forget_request(o);
        o->done(NULL, o->userdata);
        return;
    }
    answer_decide(&answer, &question, result);
    /* A renewal that cannot be understood is no reason to lose a token that is valid. */
    if (answer.class == TENANT_DONE && (r = take_token(o, result, &error)) < 0)
        answer_not_understood(&answer, &question, result, error.message);
    if (r == -EXDEV) {
        answer.class = TENANT_NOT_AUTHORISED;
        answer.remedy = "Check [tenant] url and scope, and whose secret client_secret_file holds";
    }
    forget_request(o);
    if (answer.class == TENANT_DONE) {
        log_debug("The tenant gave an access token");
        o->done(NULL, o->userdata);
        return;
    }
    uint64_t now = clock_monotonic_usec();
    if (token_lasts(o, now)) {
        log_debug("Renewing the access token failed: %s", answer.hint);
        o->renew_usec = now + RENEW_RETRY_USEC;
        o->done(NULL, o->userdata);
        return;
    }
    char hint[sizeof(answer.hint)];
    snprintf(hint, sizeof(hint), "no access token%s%.200s", answer.hint[0] ? ": " : "",
             answer.hint);
    memcpy(answer.hint, hint, sizeof(hint));
    snprintf(answer.url, sizeof(answer.url), "%s", o->url);
    o->done(&answer, o->userdata);
}

/* -- the request -- */

static int make_form(struct oauth *o, struct error *e)
{
    CLEANUP(freep) char *id = http_escape(o->client_id ? o->client_id : "");
    CLEANUP(freep) char *scope = http_escape(o->scope ? o->scope : "");
    char *secret = http_escape(secret_text(o->client_secret));
    int r = 0;
    if (!id || !scope || !secret ||
        asprintf(&o->form, "grant_type=client_credentials&client_id=%s&client_secret=%s%s%s", id,
                 secret, *scope ? "&scope=" : "", scope) < 0) {
        o->form = NULL;
        r = error_out_of_memory(e);
    }
    secret_wipe_string(secret);
    return r;
}

static int ask(struct oauth *o, struct error *e)
{
    CLEANUP(secret_freep) struct secret *read = NULL;
    int r = secret_from_file(&read, o->client_secret_file, e);
    if (r < 0)
        return error_wrap(e, r, "the tenant's client secret");
    secret_free(o->client_secret);
    o->client_secret = TAKE(read);
    r = make_form(o, e);
    if (r == 0) {
        const struct http_request request = {
            .method = HTTP_POST,
            .url = o->url,
            .headers = o->form_headers,
            .body = o->form,
            .body_size = strlen(o->form),
            .secret_answer = true,
        };
        r = http_exchange_start(&o->exchange, o->http, &request, on_answer, o, e);
    }
    if (r < 0) {
        forget_request(o);
        return r;
    }
    o->asked_usec = clock_monotonic_usec();
    o->n_requests++;
    return 0;
}

int oauth_prepare(struct oauth *o, struct error *e)
{
    uint64_t now = clock_monotonic_usec();
    if (!token_lasts(o, now)) {
        if (o->exchange)
            return OAUTH_WAIT;
        if (o->is_given)
            return read_given(o, e);
        int r = ask(o, e);
        return r < 0 ? r : OAUTH_STARTED;
    }
    if (now >= o->renew_usec && !o->exchange && ask(o, e) < 0) {
        /* The old one still works; the call that finds it expired says what is wrong. */
        log_debug("Renewing the access token is not possible: %s", e->message);
        o->renew_usec = now + RENEW_RETRY_USEC;
    }
    return 0;
}

void oauth_refused(struct oauth *o, uint64_t generation)
{
    if (generation == o->generation)
        forget_token(o);
}

struct http_headers *oauth_headers(struct oauth *o, enum oauth_headers kind)
{
    return o->headers[kind];
}

uint64_t oauth_generation(const struct oauth *o)
{
    return o->generation;
}

const struct secret *oauth_token(const struct oauth *o)
{
    return o->token;
}

const struct secret *oauth_last_token(const struct oauth *o)
{
    return o->last_token;
}

const struct secret *oauth_client_secret(const struct oauth *o)
{
    return o->client_secret;
}

const char *oauth_url(const struct oauth *o)
{
    return o->url;
}

uint64_t oauth_expires_usec(const struct oauth *o)
{
    return o->expires_real_usec;
}

uint64_t oauth_n_requests(const struct oauth *o)
{
    return o->n_requests;
}

static int copy_text(char **to, const char *from)
{
    if (!from)
        return 0;
    *to = strdup(from);
    return *to ? 0 : -ENOMEM;
}

int oauth_new(struct oauth **ret, struct http *http, const struct tenant_options *options,
              oauth_done_fn done, void *userdata, struct error *e)
{
    static const char *const form_lines[] = {"Content-Type: application/x-www-form-urlencoded",
                                             "Accept: application/json", NULL};
    if (!options->client_secret_file)
        return error_set(e, -EINVAL, "the tenant's client_secret_file is not set");
    struct oauth *o = calloc(1, sizeof(*o));
    if (!o)
        return error_out_of_memory(e);
    o->http = http;
    o->done = done;
    o->userdata = userdata;
    o->is_given = options->kind == TENANT_SCIM2;
    o->form_headers = http_headers_new(form_lines);
    if (asprintf(&o->url, "%s" TOKEN_PATH, http_base_url(http)) < 0)
        o->url = NULL;
    if (!o->form_headers || !o->url || copy_text(&o->client_id, options->client_id) < 0 ||
        copy_text(&o->client_secret_file, options->client_secret_file) < 0 ||
        copy_text(&o->scope, options->scope) < 0) {
        oauth_free(o);
        return error_out_of_memory(e);
    }
    *ret = o;
    return 0;
}

struct oauth *oauth_free(struct oauth *o)
{
    if (!o)
        return NULL;
    http_exchange_free(o->exchange);
    forget_request(o);
    forget_token(o);
    secret_free(o->last_token);
    secret_free(o->client_secret);
    http_headers_unref(o->form_headers);
    free(o->url);
    free(o->client_id);
    free(o->client_secret_file);
    free(o->scope);
    free(o);
    return NULL;
}
