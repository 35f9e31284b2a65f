/* The text side of an exchange, for http.c alone; http.h is the face. */
#pragma once
#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

struct curl_slist;
struct error;

struct http_headers {
    unsigned n_references;
    struct curl_slist *list;
};

struct http_url {
    char *base; /* without a trailing slash */
    char *host; /* for people */
    bool loopback, plain;
};
/* -EINVAL with the reason. What it set until then is for http_url_done() too. */
int http_check_url(struct http_url *ret, const char *url, bool allow_plain, struct error *e);
void http_url_done(struct http_url *url);
/* What went wrong, in a sentence. curl_text: CURLOPT_ERRORBUFFER; trusted: the file or
 * directory of the CAs, NULL: the system's. */
void http_describe(CURL *easy, CURLcode code, const char *curl_text, const char *host,
                   const char *trusted, char *out, size_t n);
