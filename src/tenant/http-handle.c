/*
 * The settings that every request to the tenant shares: what is trusted, how long what may
 * take, how long a connection is kept. It refuses redirects and what the environment would add.
 */
#include "config.h"

#include "tenant/http-handle.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"

/* Below the idle limit of common load balancers, which is 60 s. */
#define CONNECTION_IDLE_SEC 50L
/* A busy connection is never idle: without an end to it a tenant that moved to another address,
 * or another certificate, would not be followed for months. */
#define CONNECTION_LIFE_SEC 300L
/* CAs take some time to read. When they change, all connections begin anew (http.c) and with them
 * what is kept here. */
#define CA_SEC 600L

static CURLcode set_protocols(CURL *easy, bool plain)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    return curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, plain ? "http,https" : "https");
#else
    return curl_easy_setopt(easy, CURLOPT_PROTOCOLS,
                            plain ? CURLPROTO_HTTP | CURLPROTO_HTTPS : CURLPROTO_HTTPS);
#endif
}

static CURLcode set_tls(CURL *easy, const struct http_handle *h)
{
    CURLcode r = curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_CERTINFO, 1L);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
#if LIBCURL_VERSION_NUM >= 0x075700 /* keeps them for a day unless told */
    r = r ? r : curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, CA_SEC);
#endif
    if (!h->ca_file && !h->ca_directory)
        return r;
    /* Both, so that an own CA does not stand beside all of the system's. */
    r = r ? r : curl_easy_setopt(easy, CURLOPT_CAINFO, h->ca_file);
    return r ? r : curl_easy_setopt(easy, CURLOPT_CAPATH, h->ca_directory);
}

static const struct {
    CURLoption option;
    long value;
} constants[] = {
    {CURLOPT_FOLLOWLOCATION, 0},
    {CURLOPT_NOSIGNAL, 1},
    {CURLOPT_NOPROGRESS, 1},
    {CURLOPT_NETRC, CURL_NETRC_IGNORED},
    {CURLOPT_DISALLOW_USERNAME_IN_URL, 1},
    {CURLOPT_PATH_AS_IS, 1},
    {CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
    {CURLOPT_TCP_KEEPALIVE, 1},
    /* The least it takes: each request has one, and 64 KiB would be given back to the kernel and
     * asked for again each time. */
    {CURLOPT_UPLOAD_BUFFERSIZE, 16 * 1024},
    {CURLOPT_MAXAGE_CONN, CONNECTION_IDLE_SEC},
#if LIBCURL_VERSION_NUM >= 0x075000
    {CURLOPT_MAXLIFETIME_CONN, CONNECTION_LIFE_SEC},
#endif
};

CURLcode http_handle_set(CURL *easy, const struct http_handle *h)
{
    CURLcode r = set_protocols(easy, h->allow_plain_http);
    r = r ? r : set_tls(easy, h);
    for (size_t i = 0; i < ARRAY_SIZE(constants) && !r; i++)
        r = curl_easy_setopt(easy, constants[i].option, constants[i].value);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_USERAGENT, "rosterd/" PACKAGE_VERSION);
    r = r ? r
          : curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                             (long)(h->connect_timeout_usec / USEC_PER_MSEC));
    r = r ? r
          : curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
                             (long)(h->request_timeout_usec / USEC_PER_MSEC));
    r = r ? r : curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)h->max_answer_bytes);
    /* A proxy of the service's environment (https_proxy) holds, but not for loopback. */
    if (h->loopback)
        r = r ? r : curl_easy_setopt(easy, CURLOPT_PROXY, "");
    return r;
}

void http_handle_ca(const struct http_handle *h, const char **ret_file, const char **ret_directory)
{
    *ret_file = h->ca_file;
    *ret_directory = h->ca_directory;
#if LIBCURL_VERSION_NUM >= 0x074600
    const curl_version_info_data *of_curl = curl_version_info(CURLVERSION_NOW);
    if (!h->ca_file && !h->ca_directory) {
        *ret_file = of_curl->cainfo;
        *ret_directory = of_curl->capath;
    }
#endif
}

static int check_readable(const char *path, const char *what, struct error *e)
{
    if (path && access(path, R_OK) < 0) {
        int r = -errno;
        return error_set(e, r, "the tenant's %s %s: %s", what, path, strerror(-r));
    }
    return 0;
}

int http_handle_check(const struct http_handle *h, struct error *e)
{
    int r = check_readable(h->ca_file, "CA file", e);
    return r < 0 ? r : check_readable(h->ca_directory, "CA directory", e);
}
