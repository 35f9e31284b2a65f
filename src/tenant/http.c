/*
 * One exchange with the tenant over libcurl: what is set on every handle, what is sent, and
 * what came back in words. The transfers themselves are in transfers.c.
 *
 * What it refuses: redirects (a bearer token must not travel), plain HTTP unless it was asked
 * for in writing, answers above the limit, sending anything twice. libcurl repeats any request
 * by itself when a reused connection breaks before the first byte of the answer; the tenant may
 * have acted on the first, and nobody would count the second, so that repetition is stopped and
 * reported (before 7.80 only that of a request with a body can be).
 */
#include "config.h"

#include "tenant/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <systemd/sd-event.h>

#include "base/buffer.h"
#include "base/certificate.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/trust.h"
#include "tenant/http-handle.h"
#include "tenant/http-text.h"
#include "tenant/options.h"
#include "tenant/transfers.h"

#define KEEP_ANSWER_BYTES    (64 * 1024)
#define IDLE_EXCHANGES       64
#define MIN_ANSWER_BYTES     4096
#define DEFAULT_TIMEOUT_USEC (30 * USEC_PER_SEC)
#define LOOK_USEC            (20 * USEC_PER_MSEC)
/* CURLOPT_PREREQFUNCTION came with 7.80; before it the body is fed by a callback that refuses
 * to start over. */
#define HAVE_PREREQ (LIBCURL_VERSION_NUM >= 0x075000)

struct http {
    struct sd_event *event;
    struct transfers *transfers;
    struct transfers **outgoing; /* those of CAs that were replaced, until they are over */
    size_t n_outgoing;
    const char *ca_file, *ca_directory; /* whose CAs are followed: http_handle_ca() */
    struct trust trust;
    uint64_t looked_usec; /* when they were looked at last; monotonic */
    long n_kept;
    struct http_url url;
    struct http_handle handle;
    char *certificate;                 /* of the tenant, PEM; NULL: not known */
    uint64_t certificate_expires_usec; /* 0: not known */
    TAILQ_HEAD(exchange_list, http_exchange) busy, idle;
    size_t n_idle;
};

struct http_exchange {
    TAILQ_ENTRY(http_exchange) link;
    struct http *http;
    struct transfers *transfers; /* of the connections that it may use */
    CURL *easy;
    struct http_headers *headers;
    struct buffer answer;
    bool too_large, sent, secret_answer, repetition;
    const char *body;
    size_t body_size, body_offset;
    size_t max_answer_bytes;
    char curl_text[CURL_ERROR_SIZE];
    http_done_fn done;
    void *userdata;
};

static void on_done(void *private_data, CURLcode code);

/* -- what curl calls -- */

static size_t on_body(char *bytes, size_t one, size_t size, void *userdata)
{
    struct http_exchange *x = userdata;
    (void)one; /* is always 1 */
    if (size > x->max_answer_bytes - x->answer.size) {
        x->too_large = true;
        return 0;
    }
    buffer_add(&x->answer, bytes, size);
    return x->answer.failed ? 0 : size;
}

#if HAVE_PREREQ
static int on_request(void *userdata, char *ip, char *local_ip, int port, int local_port)
{
    struct http_exchange *x = userdata;
    (void)ip, (void)local_ip, (void)port, (void)local_port;
    if (x->sent) {
        x->repetition = true;
        return CURL_PREREQFUNC_ABORT;
    }
    x->sent = true;
    return CURL_PREREQFUNC_OK;
}
#else
static size_t on_read(char *bytes, size_t one, size_t size, void *userdata)
{
    struct http_exchange *x = userdata;
    size_t n = x->body_size - x->body_offset;
    (void)one;
    if (n > size)
        n = size;
    memcpy(bytes, x->body + x->body_offset, n);
    x->body_offset += n;
    return n;
}

static int on_seek(void *userdata, curl_off_t offset, int origin)
{
    struct http_exchange *x = userdata;
    if (origin != SEEK_SET || offset != 0 || x->body_offset > 0) {
        x->repetition = true;
        return CURL_SEEKFUNC_FAIL;
    }
    x->body_offset = 0;
    return CURL_SEEKFUNC_OK;
}
#endif

/* -- exchanges -- */

/* What is the same for every request of this handle. */
static CURLcode set_constants(struct http_exchange *x)
{
    const struct http *h = x->http;
    CURL *easy = x->easy;
    CURLcode r = http_handle_set(easy, &h->handle);
    r = r ? r : transfers_set(x->transfers, easy);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, x->curl_text);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_PRIVATE, x);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_WRITEDATA, x);
#if HAVE_PREREQ
    r = r ? r : curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_request);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_PREREQDATA, x);
#else
    r = r ? r : curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_READDATA, x);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_SEEKDATA, x);
#endif
    return r;
}

static void exchange_destroy(struct http_exchange *x)
{
    if (x->easy)
        curl_easy_cleanup(x->easy);
    http_headers_unref(x->headers);
    buffer_done(&x->answer);
    free(x);
}

static void destroy_idle(struct http *h)
{
    for (struct http_exchange *x; (x = TAILQ_FIRST(&h->idle));) {
        TAILQ_REMOVE(&h->idle, x, link);
        exchange_destroy(x);
    }
    h->n_idle = 0;
}

static void free_what_is_over(struct http *h)
{
    size_t n = 0;
    for (size_t i = 0; i < h->n_outgoing; i++)
        if (transfers_are_over(h->outgoing[i]))
            transfers_free(h->outgoing[i]);
        else
            h->outgoing[n++] = h->outgoing[i];
    h->n_outgoing = n;
}

static int begin_anew(struct http *h, struct error *e)
{
    struct transfers *anew = NULL;
    struct transfers **outgoing =
        realloc(h->outgoing, (h->n_outgoing + 1) * sizeof(struct transfers *));
    if (!outgoing)
        return error_out_of_memory(e);
    h->outgoing = outgoing;
    int r = transfers_new(&anew, h->event, on_done, e);
    if (r < 0)
        return r;
    destroy_idle(h);
    h->outgoing[h->n_outgoing++] = h->transfers;
    h->transfers = anew;
    transfers_set_kept(anew, h->n_kept);
    return 0;
}

/* A kept connection, and a TLS session that is resumed (which shows no certificate again), were
 * vouched for by the CAs of their time. With other CAs both begin anew; what is under way ends
 * where it began. Requests that leave together go by one look. */
static void follow_ca(struct http *h)
{
    struct trust trust;
    struct error error;
    uint64_t now = clock_monotonic_usec();
    free_what_is_over(h);
    if (h->url.plain || now - h->looked_usec < LOOK_USEC)
        return;
    h->looked_usec = now;
    if (!trust_has_changed(&h->trust, h->ca_file, h->ca_directory, h->url.host, &trust))
        return;
    if (begin_anew(h, &error) < 0) { /* the next request tries it again */
        log_error("Connecting to the tenant with the new CA certificates: %s", error.message);
        return;
    }
    log_notice("The CA certificates for the tenant have changed: connections to %s are made anew",
               h->url.host);
    h->trust = trust;
}

/* NULL, with a sentence, when out of memory. */
static struct http_exchange *exchange_get(struct http *h, struct error *e)
{
    follow_ca(h);
    struct http_exchange *x = TAILQ_FIRST(&h->idle);
    if (x) {
        TAILQ_REMOVE(&h->idle, x, link);
        h->n_idle--;
        return x;
    }
    x = calloc(1, sizeof(*x));
    if (!x) {
        error_out_of_memory(e);
        return NULL;
    }
    x->http = h;
    x->transfers = h->transfers;
    x->easy = curl_easy_init();
    CURLcode code = x->easy ? set_constants(x) : CURLE_OUT_OF_MEMORY;
    if (code != CURLE_OK) {
        error_set(e, -ENOMEM, "preparing a request to the tenant: %s", curl_easy_strerror(code));
        exchange_destroy(x);
        return NULL;
    }
    return x;
}

/* Back into the pool: a used handle keeps its TLS session and its buffers. */
static void exchange_put(struct http_exchange *x)
{
    struct http *h = x->http;
    x->headers = http_headers_unref(x->headers);
    /* Neither the borrowed body nor the headers outlive the exchange. */
    curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(x->easy, CURLOPT_POSTFIELDS, NULL);
    if (x->secret_answer && x->answer.data)
        explicit_bzero(x->answer.data, x->answer.capacity);
    if (h->n_idle >= IDLE_EXCHANGES || x->transfers != h->transfers) {
        exchange_destroy(x);
        return;
    }
    if (x->answer.failed || x->answer.capacity > KEEP_ANSWER_BYTES)
        buffer_done(&x->answer);
    else
        buffer_clear(&x->answer);
    TAILQ_INSERT_HEAD(&h->idle, x, link);
    h->n_idle++;
}

static CURLcode set_request(struct http_exchange *x, const struct http_request *request)
{
    CURL *easy = x->easy;
    bool body = request->body;
    bool plain = request->method == HTTP_GET || (request->method == HTTP_POST && body);
    CURLcode r = curl_easy_setopt(easy, CURLOPT_URL, request->url);
    r = r ? r : curl_easy_setopt(easy, body ? CURLOPT_POST : CURLOPT_HTTPGET, 1L);
    r = r ? r
          : curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST,
                             plain ? NULL : http_method_name(request->method));
    if (body) {
        r = r ? r
              : curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_size);
#if HAVE_PREREQ
        r = r ? r : curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body);
#endif
    }
    return r ? r : curl_easy_setopt(easy, CURLOPT_HTTPHEADER, x->headers->list);
}

int http_exchange_start(struct http_exchange **ret, struct http *h,
                        const struct http_request *request, http_done_fn done, void *userdata,
                        struct error *e)
{
    struct http_exchange *x = exchange_get(h, e);
    if (!x)
        return -ENOMEM;
    request->headers->n_references++;
    x->headers = request->headers;
    x->secret_answer = request->secret_answer;
    x->body = request->body;
    x->body_size = request->body_size;
    x->body_offset = 0;
    x->too_large = x->sent = x->repetition = false;
    x->curl_text[0] = '\0';
    x->done = done;
    x->max_answer_bytes = h->handle.max_answer_bytes;
    if (request->max_answer_bytes && request->max_answer_bytes < h->handle.max_answer_bytes)
        x->max_answer_bytes = request->max_answer_bytes;
    x->userdata = userdata;
    CURLcode code = set_request(x, request);
    CURLMcode multi_code = code == CURLE_OK ? transfers_add(x->transfers, x->easy) : 0;
    if (code != CURLE_OK || multi_code != CURLM_OK) {
        exchange_put(x);
        return error_set(e, -ENOMEM, "starting a request to the tenant: %s",
                         code ? curl_easy_strerror(code) : curl_multi_strerror(multi_code));
    }
    TAILQ_INSERT_TAIL(&h->busy, x, link);
    *ret = x;
    return 0;
}

static void exchange_leave(struct http_exchange *x)
{
    transfers_remove(x->transfers, x->easy);
    TAILQ_REMOVE(&x->http->busy, x, link);
}

struct http_exchange *http_exchange_free(struct http_exchange *x)
{
    if (!x)
        return NULL;
    exchange_leave(x);
    exchange_put(x);
    return NULL;
}

/* -- results -- */

static void describe(const struct http_exchange *x, CURLcode code, char *out, size_t n)
{
    const struct http *h = x->http;
    const char *trusted = h->handle.ca_file ? h->handle.ca_file : h->handle.ca_directory;
    if (x->too_large || code == CURLE_FILESIZE_EXCEEDED)
        snprintf(out, n, "%s: the answer is larger than %zu bytes and was cut off", h->url.host,
                 x->max_answer_bytes);
    else if (x->repetition)
        snprintf(out, n, "%s: the connection broke after the request was sent, before an answer",
                 h->url.host);
    else
        http_describe(x->easy, code, x->curl_text, h->url.host, trusted, out, n);
}

/* libcurl tells of certificates where it shook hands, and not on a connection that was open. */
static void note_certificate(struct http_exchange *x)
{
    struct curl_certinfo *chain = NULL;
    struct http *h = x->http;

    if (curl_easy_getinfo(x->easy, CURLINFO_CERTINFO, &chain) != CURLE_OK || !chain ||
        chain->num_of_certs < 1)
        return;
    for (const struct curl_slist *row = chain->certinfo[0]; row; row = row->next) {
        if (strncmp(row->data, "Cert:", 5) != 0 || text_equal(h->certificate, row->data + 5))
            continue;
        free(h->certificate);
        h->certificate = strdup(row->data + 5);
        h->certificate_expires_usec = certificate_expires_pem(row->data + 5);
    }
}

uint64_t http_certificate_expires_usec(const struct http *h)
{
    return h->certificate_expires_usec;
}

static void on_done(void *private_data, CURLcode code)
{
    struct http_exchange *x = private_data;
    char problem[CURL_ERROR_SIZE + 512];
    struct http_result result = {
        .curl_code = (int)code,
        .body = x->answer.data ? x->answer.data : "",
        .body_size = x->answer.size,
        .sent = x->sent,
        .began = x->sent || x->body_offset > 0,
        .broken = x->repetition,
        .too_large = x->too_large || code == CURLE_FILESIZE_EXCEEDED,
    };
    long status = 0;
    curl_off_t before_sending = 0, retry_after_sec = 0;
    if (code == CURLE_OK)
        note_certificate(x);
    curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
    result.status = (int)status;
    curl_easy_getinfo(x->easy, CURLINFO_RETRY_AFTER, &retry_after_sec);
    if (retry_after_sec > 0)
        result.retry_after_sec = (uint64_t)retry_after_sec;
    curl_easy_getinfo(x->easy, CURLINFO_CONTENT_TYPE, &result.content_type);
    if (status >= 300 && status < 400)
        curl_easy_getinfo(x->easy, CURLINFO_REDIRECT_URL, &result.redirect_url);
    curl_easy_getinfo(x->easy, CURLINFO_PRETRANSFER_TIME_T, &before_sending);
    if (before_sending > 0 || x->repetition || status != 0)
        result.sent = true;
    if (code != CURLE_OK) {
        describe(x, code, problem, sizeof(problem));
        result.problem = problem;
    }
    exchange_leave(x);
    x->done(&result, x->userdata);
    exchange_put(x);
}

static int copy_text(char **to, const char *from, struct error *e)
{
    if (from && !(*to = strdup(from)))
        return error_out_of_memory(e);
    return 0;
}

int http_new(struct http **ret, struct sd_event *event, const struct tenant_options *options,
             struct error *e)
{
    struct http *h = calloc(1, sizeof(*h));
    if (!h)
        return error_out_of_memory(e);
    TAILQ_INIT(&h->busy);
    TAILQ_INIT(&h->idle);
    h->event = sd_event_ref(event);
    h->handle.allow_plain_http = options->allow_plain_http;
    h->handle.connect_timeout_usec = options->connect_timeout_usec;
    h->handle.request_timeout_usec =
        options->request_timeout_usec ? options->request_timeout_usec : DEFAULT_TIMEOUT_USEC;
    h->handle.max_answer_bytes =
        options->max_answer_bytes < MIN_ANSWER_BYTES ? MIN_ANSWER_BYTES : options->max_answer_bytes;
    int r = copy_text(&h->handle.ca_file, options->tls_ca_file, e);
    if (r == 0)
        r = copy_text(&h->handle.ca_directory, options->tls_ca_directory, e);
    if (r == 0)
        r = http_check_url(&h->url, options->url, h->handle.allow_plain_http, e);
    h->handle.loopback = h->url.loopback;
    if (r == 0)
        r = http_handle_check(&h->handle, e);
    http_handle_ca(&h->handle, &h->ca_file, &h->ca_directory);
    h->trust = trust_of(h->ca_file, h->ca_directory);
    if (r == 0)
        r = transfers_new(&h->transfers, event, on_done, e);
    if (r < 0) {
        http_free(h);
        return r;
    }
    http_set_parallel(h, options->max_concurrent);
    *ret = h;
    return 0;
}

struct http *http_free(struct http *h)
{
    if (!h)
        return NULL;
    while (!TAILQ_EMPTY(&h->busy))
        http_exchange_free(TAILQ_FIRST(&h->busy));
    destroy_idle(h);
    transfers_free(h->transfers);
    for (size_t i = 0; i < h->n_outgoing; i++)
        transfers_free(h->outgoing[i]);
    free(h->outgoing);
    sd_event_unref(h->event);
    http_url_done(&h->url);
    free(h->certificate);
    free(h->handle.ca_file);
    free(h->handle.ca_directory);
    free(h);
    return NULL;
}

const char *http_base_url(const struct http *h)
{
    return h->url.base;
}

void http_set_parallel(struct http *h, unsigned max_concurrent)
{
    /* Fewer kept connections than requests in flight means a new one for every request. */
    h->n_kept = (long)max_concurrent * 2 + 4;
    transfers_set_kept(h->transfers, h->n_kept);
}
