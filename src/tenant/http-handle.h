/* What is set on each of libcurl's handles, whatever it is to ask; for http.c alone. */
#pragma once
#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

struct http_handle {
    char *ca_file, *ca_directory; /* neither: the system's */
    bool allow_plain_http, loopback;
    uint64_t connect_timeout_usec, request_timeout_usec;
    size_t max_answer_bytes;
};
CURLcode http_handle_set(CURL *easy, const struct http_handle *h);
/* The files of its CAs: its own, or those of the system. Borrowed; either may be NULL. */
void http_handle_ca(const struct http_handle *h, const char **ret_file, const char **ret_directory);
/* May the CAs be read? A sentence if not. */
int http_handle_check(const struct http_handle *h, struct error *e);
