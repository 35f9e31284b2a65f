/*
 * The access token: asked for when it is needed, renewed before it expires, one request for all
 * calls that wait.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tenant/client.h"

struct error;
struct http;
struct http_headers;
struct oauth;
struct secret;
struct tenant_options;

enum oauth_answer {
    OAUTH_WAIT = 1,    /* a request for a token is under way */
    OAUTH_STARTED = 2, /* it was sent just now */
};

/* NULL: there is a token. Otherwise why there is none: the class that every call that waits for
 * it ends with. Runs from the loop. */
typedef void (*oauth_done_fn)(const struct tenant_answer *failure, void *userdata);

int oauth_new(struct oauth **ret, struct http *http, const struct tenant_options *options,
              oauth_done_fn done, void *userdata, struct error *e);
struct oauth *oauth_free(struct oauth *o);

/* 0: there is a token that has not expired; or an answer above. Negative: a token cannot even
 * be asked for. -ESTALE: the file that holds the token itself has another one than at first. */
int oauth_prepare(struct oauth *o, struct error *e);
/* The tenant answered 401 to the token of this generation. A newer one stays. */
void oauth_refused(struct oauth *o, uint64_t generation);

/* After oauth_prepare() gave 0. Headers are borrowed: exchanges take references. */
enum oauth_headers {
    OAUTH_READ, /* no body */
    OAUTH_JSON, /* a body for the Configuration API */
    OAUTH_SCIM, /* a body for SCIM */
    OAUTH_N_HEADERS
};
struct http_headers *oauth_headers(struct oauth *o, enum oauth_headers kind);
/* The same, for a request that counts only for this version; *ret is the caller's to unref. */
int oauth_headers_if_match(struct oauth *o, enum oauth_headers kind, const char *version,
                           struct http_headers **ret, struct error *e);
uint64_t oauth_generation(const struct oauth *o);
const struct secret *oauth_token(const struct oauth *o); /* NULL: none */
/* The one before it; NULL: none. */
const struct secret *oauth_last_token(const struct oauth *o);
/* As it was read for the last token; NULL: none was asked for. */
const struct secret *oauth_client_secret(const struct oauth *o);
const char *oauth_url(const struct oauth *o);       /* borrowed */
uint64_t oauth_expires_usec(const struct oauth *o); /* real time; 0: none */
uint64_t oauth_n_requests(const struct oauth *o);

/* Pure: the token of an answer, and for how many seconds it is good: "3600", 3600, or an hour for
 * what is absent or not believable. What is wrong with an answer is said without the token that it
 * holds. -EXDEV: it is for another tenant. */
int oauth_read_token(struct secret **ret, uint64_t *ret_life_sec, const char *asked_scope,
                     const char *body, size_t size, struct error *e);
/* Pure: does the scope of an answer name another tenant than was asked for? A server says the scope
 * that it grants if it is not the one that was asked for (RFC 6749, 5.1), and the vendor's is a
 * tenant's domain name. Only host names below the same top domain are taken for such; words of
 * other kinds, and no scope at all, say nothing. NULL: none. */
bool oauth_scope_is_of_another(const char *asked, const char *answered);
