/*
 * libcurl's multi interface on sd-event. All of curl's sockets live in one epoll descriptor of
 * our own and sd-event watches only that: with a source per socket each request costs three
 * times the processor time. A batch of events goes to curl, then its deadline that fell due,
 * then all finished transfers are handed out. The timer is armed before the loop sleeps, and
 * only when curl wants to wake earlier than what is armed.
 *
 * What it refuses: redirects (a bearer token must not travel), plain HTTP unless it was asked
 * for in writing, answers above the limit, sending anything twice. libcurl repeats any request
 * by itself when a reused connection breaks before the first byte of the answer; the tenant may
 * have acted on the first, and nobody would count the second, so that repetition is stopped and
 * reported (before 7.80 only that of a request with a body can be).
 */
#include "config.h"

#include "tenant/http.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/certificate.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "tenant/http-text.h"
#include "tenant/options.h"

#define EVENTS_PER_TURN   64
#define TIMEOUTS_PER_TURN 16
#define KEEP_ANSWER_BYTES (64 * 1024)
#define IDLE_EXCHANGES    64
/* Below the idle limit of common load balancers, which is 60 s. */
#define CONNECTION_IDLE_SEC 50L
/* A busy connection is never idle: without an end to it a tenant that moved to another address,
 * or another certificate, would not be followed for months. */
#define CONNECTION_LIFE_SEC 300L
/* The system's CAs, which take some time to read. Own ones are read for each connection. */
#define SYSTEM_CA_SEC        600L
#define NO_DEADLINE          UINT64_MAX
#define MIN_ANSWER_BYTES     4096
#define DEFAULT_TIMEOUT_USEC (30 * USEC_PER_SEC)
/* CURLOPT_PREREQFUNCTION came with 7.80; before it the body is fed by a callback that refuses
 * to start over. */
#define HAVE_PREREQ (LIBCURL_VERSION_NUM >= 0x075000)

struct http {
    struct sd_event *event;
    CURLM *multi;
    CURLSH *share;
    int epoll_fd;
    sd_event_source *io_source, *timer_source, *kick_source;
    uint64_t deadline_usec; /* when curl wants to be called */
    uint64_t armed_usec;    /* when the timer fires */
    bool turning, global;
    struct http_url url;
    char *tls_ca_file, *tls_ca_directory;
    bool allow_plain_http;
    uint64_t connect_timeout_usec, request_timeout_usec;
    size_t max_answer_bytes;
    uint64_t certificate_expires_usec; /* of the tenant; 0: not known */
    TAILQ_HEAD(exchange_list, http_exchange) busy, idle;
    size_t n_idle;
};

struct http_exchange {
    TAILQ_ENTRY(http_exchange) link;
    struct http *http;
    CURL *easy;
    struct http_headers *headers;
    struct buffer answer;
    bool too_large, sent, secret_answer, repetition;
    const char *body;
    size_t body_size, body_offset;
    size_t max_answer_bytes;
    char retry_after[64];
    char curl_text[CURL_ERROR_SIZE];
    http_done_fn done;
    void *userdata;
};

static int check_readable(const char *path, const char *what, struct error *e)
{
    if (path && access(path, R_OK) < 0) {
        int r = -errno;
        return error_set(e, r, "the tenant's %s %s: %s", what, path, strerror(-r));
    }
    return 0;
}

/* -- what curl calls -- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *known)
{
    (void)easy;
    struct http *h = userdata;
    if (what == CURL_POLL_REMOVE) {
        /* Fails when the descriptor is closed already, which removes it too. */
        (void)epoll_ctl(h->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    struct epoll_event event = {.data.fd = fd};
    if (what & CURL_POLL_IN)
        event.events |= EPOLLIN;
    if (what & CURL_POLL_OUT)
        event.events |= EPOLLOUT;
    int r = epoll_ctl(h->epoll_fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    if (r < 0 && errno == EEXIST)
        r = epoll_ctl(h->epoll_fd, EPOLL_CTL_MOD, fd, &event);
    if (r < 0) {
        /* An error here would end every transfer; this one ends by its time limit. */
        log_error("Cannot watch a connection to the tenant: %s", strerror(errno));
        return 0;
    }
    if (!known)
        curl_multi_assign(h->multi, fd, h);
    return 0;
}

static int on_timer(CURLM *multi, long timeout_msec, void *userdata)
{
    (void)multi;
    struct http *h = userdata;
    h->deadline_usec = timeout_msec < 0
                           ? NO_DEADLINE
                           : clock_monotonic_usec() + (uint64_t)timeout_msec * USEC_PER_MSEC;
    return 0;
}

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

static size_t on_header(char *bytes, size_t one, size_t size, void *userdata)
{
    static const char name[] = "retry-after:";
    struct http_exchange *x = userdata;
    (void)one;
    if (size <= sizeof(name) - 1 || strncasecmp(bytes, name, sizeof(name) - 1) != 0)
        return size;
    const char *start = bytes + sizeof(name) - 1, *end = bytes + size;
    while (start < end && (*start == ' ' || *start == '\t'))
        start++;
    while (end > start && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' '))
        end--;
    size_t n = (size_t)(end - start);
    if (n >= sizeof(x->retry_after))
        n = sizeof(x->retry_after) - 1;
    memcpy(x->retry_after, start, n);
    x->retry_after[n] = '\0';
    return size;
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

static CURLcode set_protocols(CURL *easy, bool plain)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    return curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, plain ? "http,https" : "https");
#else
    return curl_easy_setopt(easy, CURLOPT_PROTOCOLS,
                            plain ? CURLPROTO_HTTP | CURLPROTO_HTTPS : CURLPROTO_HTTPS);
#endif
}

static CURLcode set_tls(CURL *easy, const struct http *h)
{
    CURLcode r = curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_CERTINFO, 1L);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    bool system = !h->tls_ca_file && !h->tls_ca_directory;
#if LIBCURL_VERSION_NUM >= 0x075700 /* keeps them for a day unless told */
    r = r ? r : curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, system ? SYSTEM_CA_SEC : 0L);
#endif
    if (system)
        return r;
    /* Both, so that an own CA does not stand beside all of the system's. */
    r = r ? r : curl_easy_setopt(easy, CURLOPT_CAINFO, h->tls_ca_file);
    return r ? r : curl_easy_setopt(easy, CURLOPT_CAPATH, h->tls_ca_directory);
}

/* What is the same for every request of this handle. */
static CURLcode set_constants(struct http_exchange *x)
{
    struct http *h = x->http;
    CURL *easy = x->easy;
    CURLcode r = set_protocols(easy, h->allow_plain_http);
    r = r ? r : set_tls(easy, h);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_USERAGENT, "rosterd/" PACKAGE_VERSION);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, CONNECTION_IDLE_SEC);
#if LIBCURL_VERSION_NUM >= 0x075000
    r = r ? r : curl_easy_setopt(easy, CURLOPT_MAXLIFETIME_CONN, CONNECTION_LIFE_SEC);
#endif
    r = r ? r
          : curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                             (long)(h->connect_timeout_usec / USEC_PER_MSEC));
    r = r ? r
          : curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
                             (long)(h->request_timeout_usec / USEC_PER_MSEC));
    r = r ? r
          : curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)h->max_answer_bytes);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_SHARE, h->share);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, x->curl_text);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_PRIVATE, x);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_WRITEDATA, x);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_HEADERDATA, x);
#if HAVE_PREREQ
    r = r ? r : curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_request);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_PREREQDATA, x);
#else
    r = r ? r : curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_READDATA, x);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
    r = r ? r : curl_easy_setopt(easy, CURLOPT_SEEKDATA, x);
#endif
    /* A proxy of the service's environment (https_proxy) holds, but not for loopback. */
    if (h->url.loopback)
        r = r ? r : curl_easy_setopt(easy, CURLOPT_PROXY, "");
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

/* NULL, with a sentence, when out of memory. */
static struct http_exchange *exchange_get(struct http *h, struct error *e)
{
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
    x->easy = curl_easy_init();
    CURLcode code = x->easy ? set_constants(x) : CURLE_OUT_OF_MEMORY;
    if (code != CURLE_OK) {
        error_set(e, -ENOMEM, "preparing a request to the tenant: %s",
                  curl_easy_strerror(code));
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
    if (h->n_idle >= IDLE_EXCHANGES) {
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
              : curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                                 (curl_off_t)request->body_size);
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
    x->retry_after[0] = x->curl_text[0] = '\0';
    x->done = done;
    x->max_answer_bytes = h->max_answer_bytes;
    if (request->max_answer_bytes && request->max_answer_bytes < h->max_answer_bytes)
        x->max_answer_bytes = request->max_answer_bytes;
    x->userdata = userdata;
    CURLcode code = set_request(x, request);
    CURLMcode multi_code = code == CURLE_OK ? curl_multi_add_handle(h->multi, x->easy) : 0;
    if (code != CURLE_OK || multi_code != CURLM_OK) {
        exchange_put(x);
        return error_set(e, -ENOMEM, "starting a request to the tenant: %s",
                         code ? curl_easy_strerror(code) : curl_multi_strerror(multi_code));
    }
    TAILQ_INSERT_TAIL(&h->busy, x, link);
    if (!h->turning)
        sd_event_source_set_enabled(h->kick_source, SD_EVENT_ONESHOT);
    *ret = x;
    return 0;
}

static void exchange_leave(struct http_exchange *x)
{
    curl_multi_remove_handle(x->http->multi, x->easy);
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

static void describe_tls(const struct http_exchange *x, const char *text, char *out, size_t n)
{
    const struct http *h = x->http;
    const char *reason = "";
    long verify = 0;
    /* The number is OpenSSL's; other TLS libraries leave 0 or 1 there. */
    if (curl_easy_getinfo(x->easy, CURLINFO_SSL_VERIFYRESULT, &verify) == CURLE_OK &&
        verify > 1)
        reason = X509_verify_cert_error_string(verify);
    if (strstr(text, reason))
        reason = "";
    snprintf(out, n, "TLS with %s failed: %s%s%s (trusted: %s)", h->url.host, text,
             *reason ? ": " : "", reason,
             h->tls_ca_file        ? h->tls_ca_file
             : h->tls_ca_directory ? h->tls_ca_directory
                                   : "the system's CAs; a CA of your own is named by [tenant] tls_ca_file");
}

/* Before anything was sent curl says little; the system's number tells more. NULL: it has none. */
static const char *describe_network(const struct http_exchange *x, CURLcode code)
{
    long number = 0;
    if (code == CURLE_COULDNT_RESOLVE_HOST)
        return "there is no such host to be found";
    if (curl_easy_getinfo(x->easy, CURLINFO_OS_ERRNO, &number) != CURLE_OK || number == 0)
        return NULL;
    return code == CURLE_COULDNT_CONNECT || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR
               ? error_of_network((int)number)
               : NULL;
}

static void describe(const struct http_exchange *x, CURLcode code, char *out, size_t n)
{
    const char *text = x->curl_text[0] ? x->curl_text : curl_easy_strerror(code);
    const char *network = describe_network(x, code);
    if (x->too_large || code == CURLE_FILESIZE_EXCEEDED)
        snprintf(out, n, "%s: the answer is larger than %zu bytes and was cut off",
                 x->http->url.host, x->max_answer_bytes);
    else if (x->repetition)
        snprintf(out, n,
                 "%s: the connection broke after the request was sent, before an answer",
                 x->http->url.host);
    else if (http_is_tls_problem((int)code))
        describe_tls(x, text, out, n);
    else
        snprintf(out, n, "%s: %s", x->http->url.host, network ? network : text);
}

/* libcurl tells of certificates where it shook hands, and not on a connection that was open. */
static void note_certificate(struct http_exchange *x)
{
    struct curl_certinfo *chain = NULL;

    if (curl_easy_getinfo(x->easy, CURLINFO_CERTINFO, &chain) != CURLE_OK || !chain ||
        chain->num_of_certs < 1)
        return;
    for (const struct curl_slist *row = chain->certinfo[0]; row; row = row->next)
        if (strncmp(row->data, "Cert:", 5) == 0)
            x->http->certificate_expires_usec = certificate_expires_pem(row->data + 5);
}

uint64_t http_certificate_expires_usec(const struct http *h)
{
    return h->certificate_expires_usec;
}

static void exchange_finish(struct http_exchange *x, CURLcode code)
{
    char problem[CURL_ERROR_SIZE + 512];
    struct http_result result = {
        .curl_code = (int)code,
        .body = x->answer.data ? x->answer.data : "",
        .body_size = x->answer.size,
        .retry_after = x->retry_after[0] ? x->retry_after : NULL,
        .sent = x->sent,
        .broken = x->repetition,
    };
    long status = 0;
    curl_off_t before_sending = 0;
    if (code == CURLE_OK)
        note_certificate(x);
    curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
    result.status = (int)status;
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

/* -- the loop -- */

static void check_multi(CURLMcode code)
{
    if (code != CURLM_OK && code != CURLM_BAD_SOCKET)
        log_error("The tenant's connections: %s", curl_multi_strerror(code));
}

static void hand_out(struct http *h)
{
    CURLMsg *message;
    int n_left;
    while ((message = curl_multi_info_read(h->multi, &n_left))) {
        struct http_exchange *x = NULL;
        CURLcode code = message->data.result;
        if (message->msg == CURLMSG_DONE &&
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &x) == CURLE_OK)
            exchange_finish(x, code);
    }
}

static void turn(struct http *h)
{
    struct epoll_event events[EVENTS_PER_TURN];
    int n_running;
    h->turning = true;
    int n = epoll_wait(h->epoll_fd, events, EVENTS_PER_TURN, 0);
    for (int i = 0; i < n; i++) {
        int what = 0;
        if (events[i].events & EPOLLIN)
            what |= CURL_CSELECT_IN;
        if (events[i].events & EPOLLOUT)
            what |= CURL_CSELECT_OUT;
        if (events[i].events & (EPOLLERR | EPOLLHUP))
            what |= CURL_CSELECT_ERR;
        check_multi(curl_multi_socket_action(h->multi, events[i].data.fd, what, &n_running));
    }
    hand_out(h);
    for (int i = 0; i < TIMEOUTS_PER_TURN && h->deadline_usec <= clock_monotonic_usec(); i++) {
        h->deadline_usec = NO_DEADLINE;
        check_multi(curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &n_running));
        hand_out(h);
    }
    h->turning = false;
}

static int on_io(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
    (void)s, (void)fd, (void)events;
    turn(userdata);
    return 0;
}

static int on_kick(sd_event_source *s, void *userdata)
{
    (void)s;
    turn(userdata);
    return 0;
}

static int on_alarm(sd_event_source *s, uint64_t usec, void *userdata)
{
    struct http *h = userdata;
    (void)s, (void)usec;
    h->armed_usec = NO_DEADLINE;
    turn(h);
    return 0;
}

static int before_sleep(sd_event_source *s, void *userdata)
{
    struct http *h = userdata;
    (void)s;
    if (h->deadline_usec < h->armed_usec) {
        int r = sd_event_source_set_time(h->timer_source, h->deadline_usec);
        if (r >= 0)
            r = sd_event_source_set_enabled(h->timer_source, SD_EVENT_ONESHOT);
        if (r < 0)
            log_error("Arming the timer of the tenant's connections: %s", strerror(-r));
        else
            h->armed_usec = h->deadline_usec;
    }
    return 0;
}

static int add_sources(struct http *h, struct error *e)
{
    h->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int r = h->epoll_fd < 0 ? -errno : 0;
    if (r >= 0)
        r = sd_event_add_io(h->event, &h->io_source, h->epoll_fd, EPOLLIN, on_io, h);
    if (r >= 0)
        r = sd_event_source_set_prepare(h->io_source, before_sleep);
    if (r >= 0)
        r = sd_event_add_time(h->event, &h->timer_source, CLOCK_MONOTONIC, UINT64_MAX,
                              USEC_PER_MSEC, on_alarm, h);
    if (r >= 0)
        r = sd_event_source_set_enabled(h->timer_source, SD_EVENT_OFF);
    if (r >= 0)
        r = sd_event_add_defer(h->event, &h->kick_source, on_kick, h);
    if (r >= 0)
        r = sd_event_source_set_enabled(h->kick_source, SD_EVENT_OFF);
    return r < 0 ? error_set(e, r, "the tenant's event sources: %s", strerror(-r)) : 0;
}

static int add_multi(struct http *h, struct error *e)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return error_set(e, -EIO, "libcurl does not start");
    h->global = true;
    h->multi = curl_multi_init();
    h->share = curl_share_init();
    if (!h->multi || !h->share)
        return error_out_of_memory(e);
    /* The session cache of a handle dies with it; this one serves the next handle too. */
    if (curl_share_setopt(h->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) !=
            CURLSHE_OK ||
        curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_socket) != CURLM_OK ||
        curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h) != CURLM_OK ||
        curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_timer) != CURLM_OK ||
        curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h) != CURLM_OK)
        return error_set(e, -EINVAL, "libcurl refuses its settings");
    return 0;
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
    h->epoll_fd = -1;
    h->deadline_usec = h->armed_usec = NO_DEADLINE;
    h->event = sd_event_ref(event);
    h->allow_plain_http = options->allow_plain_http;
    h->connect_timeout_usec = options->connect_timeout_usec;
    h->request_timeout_usec =
        options->request_timeout_usec ? options->request_timeout_usec : DEFAULT_TIMEOUT_USEC;
    h->max_answer_bytes = options->max_answer_bytes < MIN_ANSWER_BYTES
                              ? MIN_ANSWER_BYTES
                              : options->max_answer_bytes;
    int r = copy_text(&h->tls_ca_file, options->tls_ca_file, e);
    if (r == 0)
        r = copy_text(&h->tls_ca_directory, options->tls_ca_directory, e);
    if (r == 0)
        r = http_check_url(&h->url, options->url, h->allow_plain_http, e);
    if (r == 0)
        r = check_readable(h->tls_ca_file, "CA file", e);
    if (r == 0)
        r = check_readable(h->tls_ca_directory, "CA directory", e);
    if (r == 0)
        r = add_multi(h, e);
    if (r == 0)
        r = add_sources(h, e);
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
    assert(!h->turning);
    while (!TAILQ_EMPTY(&h->busy))
        http_exchange_free(TAILQ_FIRST(&h->busy));
    for (struct http_exchange *x; (x = TAILQ_FIRST(&h->idle));) {
        TAILQ_REMOVE(&h->idle, x, link);
        exchange_destroy(x);
    }
    if (h->multi)
        curl_multi_cleanup(h->multi);
    if (h->share)
        curl_share_cleanup(h->share);
    sd_event_source_disable_unref(h->io_source);
    sd_event_source_disable_unref(h->timer_source);
    sd_event_source_disable_unref(h->kick_source);
    if (h->epoll_fd >= 0)
        close(h->epoll_fd);
    sd_event_unref(h->event);
    if (h->global)
        curl_global_cleanup();
    http_url_done(&h->url);
    free(h->tls_ca_file);
    free(h->tls_ca_directory);
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
    curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)max_concurrent * 2 + 4);
}
