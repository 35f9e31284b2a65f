/*
 * The text side of an exchange: header lines that are shared and wiped, percent-encoding,
 * which URLs may be a tenant's at all, and what curl's failures are to people. It opens no
 * connection.
 */
#include "config.h"

#include "tenant/http-text.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "tenant/http.h"

struct http_headers *http_headers_new(const char *const *lines)
{
    struct http_headers *headers = calloc(1, sizeof(*headers));
    if (!headers)
        return NULL;
    headers->n_references = 1;
    for (; *lines; lines++) {
        struct curl_slist *list = curl_slist_append(headers->list, *lines);
        if (!list)
            return http_headers_unref(headers);
        headers->list = list;
    }
    return headers;
}

struct http_headers *http_headers_unref(struct http_headers *headers)
{
    if (!headers || --headers->n_references > 0)
        return NULL;
    for (struct curl_slist *l = headers->list; l; l = l->next)
        explicit_bzero(l->data, strlen(l->data));
    curl_slist_free_all(headers->list);
    free(headers);
    return NULL;
}

char *http_escape(const char *text)
{
    static const char digits[] = "0123456789ABCDEF";
    static const char unreserved[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "0123456789-._~";
    char *escaped = malloc(strlen(text) * 3 + 1), *out = escaped;
    if (!escaped)
        return NULL;
    for (const char *in = text; *in; in++) {
        unsigned char c = (unsigned char)*in;
        if (strchr(unreserved, c)) {
            *out++ = (char)c;
        } else {
            *out++ = '%';
            *out++ = digits[c >> 4];
            *out++ = digits[c & 15];
        }
    }
    *out = '\0';
    return escaped;
}

const char *http_method_name(enum http_method m)
{
    static const char *const names[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};
    return names[m];
}

DEFINE_CLEANUP(CURLU *, curl_url_cleanup)

static void curl_text_freep(char **text)
{
    curl_free(*text);
}

int http_check_url(struct http_url *ret, const char *url, bool allow_plain, struct error *e)
{
    CLEANUP(curl_url_cleanupp) CURLU *parts = curl_url();
    CLEANUP(curl_text_freep) char *scheme = NULL, *host = NULL, *extra = NULL;
    if (!parts)
        return error_out_of_memory(e);
    if (!url || curl_url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK)
        return error_set(e, -EINVAL, "'%s' is not a URL", url ? url : "");
    static const CURLUPart refused[] = {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY,
                                        CURLUPART_FRAGMENT};
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        if (curl_url_get(parts, refused[i], &extra, 0) == CURLUE_OK)
            return error_set(e, -EINVAL,
                             "the tenant's URL must not hold a user, a password, a query or a "
                             "fragment");
    if (strcmp(scheme, "https") != 0 && !(allow_plain && strcmp(scheme, "http") == 0))
        return error_set(e, -EINVAL,
                         "the tenant's URL '%s' must begin with https:// "
                         "(plain http:// only with tls = no)",
                         url);
    ret->plain = strcmp(scheme, "http") == 0;
    ret->loopback = strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
                    strcmp(host, "[::1]") == 0;
    ret->host = strdup(host);
    ret->base = strdup(url);
    if (!ret->host || !ret->base)
        return error_out_of_memory(e);
    for (size_t n = strlen(ret->base); n > 0 && ret->base[n - 1] == '/'; n--)
        ret->base[n - 1] = '\0';
    return 0;
}

void http_url_done(struct http_url *url)
{
    free(url->base);
    free(url->host);
    *url = (struct http_url){0};
}

/* It is about certificates, keys or the handshake. */
static bool is_tls_problem(int code)
{
    switch (code) {
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_ENGINE_SETFAILED:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_INVALIDCERTSTATUS: return true;
    default: return false;
    }
}

static void describe_tls(CURL *easy, const char *text, const char *host, const char *trusted,
                         char *out, size_t n)
{
    const char *reason = "";
    long verify = 0;
    /* The number is OpenSSL's; other TLS libraries leave 0 or 1 there. */
    if (curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, &verify) == CURLE_OK && verify > 1)
        reason = X509_verify_cert_error_string(verify);
    if (strstr(text, reason))
        reason = "";
    snprintf(
        out, n, "TLS with %s failed: %s%s%s (trusted: %s)", host, text, *reason ? ": " : "", reason,
        trusted ? trusted : "the system's CAs; a CA of your own is named by [tenant] tls_ca_file");
}

/* Before anything was sent curl says little; the system's number tells more. NULL: it has none.
 */
static const char *describe_network(CURL *easy, CURLcode code)
{
    long number = 0;
    if (code == CURLE_COULDNT_RESOLVE_HOST)
        return "the host name cannot be resolved";
    if (curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &number) != CURLE_OK || number == 0)
        return NULL;
    return code == CURLE_COULDNT_CONNECT || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR
               ? error_of_network((int)number)
               : NULL;
}

void http_describe(CURL *easy, CURLcode code, const char *curl_text, const char *host,
                   const char *trusted, char *out, size_t n)
{
    const char *text = curl_text[0] ? curl_text : curl_easy_strerror(code);
    const char *network = describe_network(easy, code);
    if (is_tls_problem((int)code))
        describe_tls(easy, text, host, trusted, out, n);
    else
        snprintf(out, n, "%s: %s", host, network ? network : text);
}
