/* The token endpoint (client credentials) and the check that every other call passes. Tokens
 * live until they expire or are revoked; several are valid at once. Errors of the endpoint are
 * as in RFC 6749, section 5.2. */
#include "config.h"

#include "oauth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "itself.h"
#include "simulator.h"

struct token {
    char text[41];
    uint64_t expires_ms;
};

static void answer_oauth_error(struct request *q, unsigned status, const char *error,
                               const char *description)
{
    answer_json(q, status, "application/json",
                json_pack("{s:s, s:s}", "error", error, "error_description", description));
}

/* Compares without a hint at where the difference is, as a real tenant would. */
static bool equal_secret(const char *a, const char *b)
{
    size_t length = strlen(a);
    unsigned difference = length != strlen(b);
    for (size_t i = 0; i < length && !difference; i++)
        difference |= (unsigned)(a[i] ^ b[i]);
    return difference == 0;
}

static void sweep(struct oauth *o)
{
    uint64_t now = time_monotonic_ms();
    struct table kept = {0};
    for (size_t i = 0; i < o->tokens.size; i++) {
        struct token *t = o->tokens.slots[i].value;
        if (t && t->expires_ms > now)
            table_put(&kept, t->text, t);
        else
            free(t);
    }
    table_done(&o->tokens);
    o->tokens = kept;
    o->sweep_at = kept.used * 2 + 1000;
}

static struct token *issue(struct oauth *o, long lifetime_seconds)
{
    if (o->tokens.used >= o->sweep_at)
        sweep(o);
    unsigned char random[20];
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return NULL;
    struct token *t = memory_new(sizeof(*t));
    for (size_t i = 0; i < sizeof(random); i++)
        snprintf(&t->text[2 * i], 3, "%02x", random[i]);
    t->expires_ms = time_monotonic_ms() + (uint64_t)lifetime_seconds * 1000;
    table_put(&o->tokens, t->text, t);
    return t;
}

/* The error code for the form, or NULL if it earns a token. */
static const char *form_judge(const struct oauth *o, const char *form)
{
    CLEANUP(text_freep) char *client = text_form_get(form, "client_id");
    CLEANUP(text_freep) char *secret = text_form_get(form, "client_secret");
    CLEANUP(text_freep) char *scope = text_form_get(form, "scope");
    CLEANUP(text_freep) char *grant = text_form_get(form, "grant_type");
    if (!client || !secret || !scope || !grant)
        return "invalid_request";
    if (strcmp(grant, "client_credentials") != 0)
        return "unsupported_grant_type";
    if (strcmp(client, o->client) != 0 || !equal_secret(secret, o->secret))
        return "invalid_client";
    return strcasecmp(scope, o->domain) != 0 ? "invalid_scope" : NULL;
}

void oauth_token(struct simulator *s, struct request *q)
{
    if (!text_is_media_type(request_header(q, "Content-Type"),
                            "application/x-www-form-urlencoded")) {
        answer_error(q, 415, "Content-Type must be application/x-www-form-urlencoded");
        return;
    }
    const char *error = form_judge(&s->oauth, q->body.data);
    if (!error && itself_account_ended(s))
        error = "invalid_client";
    if (error) {
        bool client = !strcmp(error, "invalid_client");
        answer_oauth_error(q, client ? 401 : 400, error,
                           client ? "Client authentication failed"
                                  : "The form is not acceptable");
        return;
    }
    struct token *t = issue(&s->oauth, s->settings.token_lifetime);
    if (!t) {
        answer_error(q, 500, "request failed");
        return;
    }
    json_t *body = json_pack("{s:s, s:s}", "access_token", t->text, "token_type", "Bearer");
    char lifetime[24];
    snprintf(lifetime, sizeof(lifetime), "%ld", s->settings.token_lifetime);
    switch (s->settings.expires_in) {
    case EXPIRES_STRING: json_object_set_new(body, "expires_in", json_string(lifetime)); break;
    case EXPIRES_NUMBER:
        json_object_set_new(body, "expires_in", json_integer(s->settings.token_lifetime));
        break;
    case EXPIRES_ABSENT: break;
    }
    json_object_set_new(body, "scope", json_string(s->oauth.domain));
    s->journal.tokens++;
    answer_header(q, "Cache-Control", "no-store");
    answer_json(q, 200, "application/json", body);
}

bool oauth_check(struct simulator *s, struct request *q)
{
    const char *header = request_header(q, "Authorization");
    const struct token *t = NULL;
    if (header && !strncasecmp(header, "Bearer ", 7))
        t = table_get(&s->oauth.tokens, header + 7);
    if (t && t->expires_ms > time_monotonic_ms() && !itself_account_ended(s))
        return true;
    answer_header(q, "WWW-Authenticate", "Bearer error=\"invalid_token\"");
    answer_oauth_error(q, 401, header ? "invalid_token" : "unauthorized",
                       header ? "The access token is unknown, expired or revoked"
                              : "An access token is required");
    return false;
}

void oauth_revoke_all(struct oauth *o)
{
    for (size_t i = 0; i < o->tokens.size; i++)
        free(o->tokens.slots[i].value);
    table_done(&o->tokens);
}

void oauth_done(struct oauth *o)
{
    oauth_revoke_all(o);
    free(o->client);
    free(o->secret);
    free(o->domain);
}
