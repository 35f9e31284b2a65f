/* The text side of an exchange, for http.c alone; http.h is the face. */
#pragma once
#include <stdbool.h>

struct curl_slist;
struct error;

struct http_headers {
    unsigned n_references;
    struct curl_slist *list;
};

struct http_url {
    char *base; /* without a trailing slash */
    char *host; /* for people */
    bool loopback;
};
/* -EINVAL with the reason. What it set until then is for http_url_done() too. */
int http_check_url(struct http_url *ret, const char *url, bool allow_plain, struct error *e);
void http_url_done(struct http_url *url);
/* A CURLcode that is about certificates, keys or the handshake. */
bool http_is_tls_problem(int code);
