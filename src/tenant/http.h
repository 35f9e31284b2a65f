/*
 * HTTPS exchanges through libcurl on the event loop: one request, one bounded answer, nothing
 * understood. Many are in flight; `done` runs exactly once, from the loop, never from inside
 * start; http_exchange_free() earlier cancels and `done` never runs.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct http;
struct http_exchange;
struct http_headers;
struct sd_event;
struct tenant_options;

enum http_method {
    HTTP_GET,
    HTTP_POST,
    HTTP_PUT,
    HTTP_PATCH,
    HTTP_DELETE,
};
const char *http_method_name(enum http_method m);

struct http_request { /* everything is borrowed until the exchange is done or freed */
    enum http_method method;
    const char *url;
    struct http_headers *headers; /* a reference is taken */
    const char *body;             /* NULL: none */
    size_t body_size;
    size_t max_answer_bytes; /* less than the options say; 0: as they say */
    bool secret_answer;      /* the answer's bytes are wiped after done */
};

struct http_result { /* borrowed for the call of done */
    int curl_code;   /* CURLcode; 0: a whole answer came */
    bool sent;       /* the request, or part of it, may have left */
    bool began;      /* it certainly began to, if on a connection before the last one */
    bool too_large;  /* an answer came, larger than it may be */
    bool broken;     /* a kept connection broke before the first byte of the answer */
    int status;      /* 0: none came */
    const char *body;
    size_t body_size;
    const char *content_type; /* NULL: none */
    uint64_t retry_after_sec; /* as the header says or implies; 0: none, or not readable */
    const char *redirect_url; /* where a 3xx pointed; NULL: none */
    const char *problem;      /* curl_code != 0: the sentence for people */
};
typedef void (*http_done_fn)(const struct http_result *result, void *userdata);

int http_new(struct http **ret, struct sd_event *event, const struct tenant_options *options,
             struct error *e);
struct http *http_free(struct http *h);          /* exchanges must be gone; not from inside done */
const char *http_base_url(const struct http *h); /* without a trailing slash */
uint64_t http_certificate_expires_usec(const struct http *h); /* 0: not known */
void http_set_parallel(struct http *h, unsigned max_concurrent);

int http_exchange_start(struct http_exchange **ret, struct http *h,
                        const struct http_request *request, http_done_fn done, void *userdata,
                        struct error *e);
struct http_exchange *http_exchange_free(struct http_exchange *x);

/* Request headers shared by many exchanges, wiped when the last one is through with them.
 * `lines` ends with NULL. NULL when out of memory. */
struct http_headers *http_headers_new(const char *const *lines);
struct http_headers *http_headers_unref(struct http_headers *headers);

/* Percent-encodes everything but RFC 3986's unreserved characters; malloc'd once in its final
 * size, so that secret_wipe_string() leaves no copy. NULL when out of memory. */
char *http_escape(const char *text);
