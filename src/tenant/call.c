/*
 * The life of a call. Calls wait in one queue, oldest first; the head leaves when the pace, the
 * number in flight and the token allow it, and whoever started it still wants it to. A 401 sends a
 * call back to the head of the queue once, with the token that it used reported as refused, so that
 * many calls that meet the same dead token cause one refresh, and so does a kept connection that
 * breaks under a read. Anything else ends the call: what the answer means is decided in answer.c,
 * what a caller does about it is the caller's. Each request that goes out, also a repeated one and
 * one for a token, has its place in the pace from then until it ended.
 *
 * A call may be several requests one after the other: what one finds, the next goes by.
 *
 * What is freed when: the caller owns the call and may free it inside done, so what done is
 * given lives in this file's frames and never in the call.
 */
#include "config.h"

#include "tenant/call.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/secret.h"
#include "base/text.h"
#include "model/user.h"
#include "tenant/http.h"

/* A tenant that keeps all its calls waiting does not keep a revocation. */
#define HURRIED_MORE    2
#define SILENT_USEC     USEC_PER_SEC
#define LOOK_AGAIN_USEC (50 * USEC_PER_MSEC)
/* As libcurl would. */
#define REPEATED_AFTER_BREAK 5

enum call_state {
    CALL_WAITING,
    CALL_SENT,
    CALL_ENDED,
};

struct tenant_call {
    TAILQ_ENTRY(tenant_call) link;
    struct tenant_client *client; /* NULL: ended, or the client is gone */
    enum call_state state;
    struct call_request request;
    struct http_exchange *exchange;
    uint64_t sequence, generation;
    bool replayed;
    unsigned n_broken;
    bool hurries; /* ahead of those that do not */
    unsigned attempts;
    uint64_t started_usec, sent_usec; /* sent: first */
    uint64_t taken_usec;              /* of the request under way */
    struct call_content content;      /* of the requests before the last */
    tenant_done_fn done;
    tenant_leave_fn may_leave; /* NULL: it leaves */
    void *userdata;
};

static void call_content_done(struct call_content *c)
{
    user_free(c->user);
    string_list_done(&c->names);
    free(c->id);
    free(c->our_id);
    free(c->version);
    *c = (struct call_content){0};
}

/* -- the queue -- */

static void kick(struct tenant_client *c)
{
    if (!c->pumping)
        sd_event_source_set_enabled(c->pump_source, SD_EVENT_ONESHOT);
}

static void leave(struct tenant_call *call)
{
    struct tenant_client *c = call->client;
    if (call->state == CALL_WAITING) {
        TAILQ_REMOVE(&c->waiting, call, link);
        c->n_waiting--;
    } else if (call->state == CALL_SENT) {
        TAILQ_REMOVE(&c->sent, call, link);
        c->n_sent--;
        pace_ended(&c->pace, clock_monotonic_usec());
    }
    call->state = CALL_ENDED;
}

void call_orphan(struct tenant_call *call)
{
    call->exchange = http_exchange_free(call->exchange);
    leave(call);
    call->client = NULL;
}

struct tenant_call *call_free(struct tenant_call *call)
{
    if (!call)
        return NULL;
    struct tenant_client *c = call->client;
    if (c) {
        call_orphan(call);
        kick(c);
    }
    call_request_done(&call->request);
    call_content_done(&call->content);
    free(call);
    return NULL;
}

/* Behind older ones, and behind those that hurry unless it does so too. */
static void wait_in_place(struct tenant_call *call)
{
    struct tenant_client *c = call->client;
    struct tenant_call *next;
    TAILQ_FOREACH (next, &c->waiting, link) {
        if (next->hurries != call->hurries ? call->hurries : next->sequence > call->sequence)
            break;
    }
    if (next)
        TAILQ_INSERT_BEFORE(next, call, link);
    else
        TAILQ_INSERT_TAIL(&c->waiting, call, link);
    call->state = CALL_WAITING;
    c->n_waiting++;
}

void call_ask(struct tenant_call *call, tenant_leave_fn may_leave)
{
    call->may_leave = may_leave;
}

void call_hurry(struct tenant_call *call)
{
    if (call->hurries || call->state != CALL_WAITING || !call->client)
        return;
    leave(call);
    call->hurries = true;
    wait_in_place(call);
    kick(call->client);
}

int call_start(struct tenant_call **ret, struct tenant_client *c, struct call_request *request,
               tenant_done_fn done, void *userdata, struct error *e)
{
    struct tenant_call *call = calloc(1, sizeof(*call));
    if (!call) {
        call_request_done(request);
        return error_out_of_memory(e);
    }
    call->client = c;
    call->request = *request;
    *request = (struct call_request){0};
    call->request.question.login = call->request.login;
    call->done = done;
    call->userdata = userdata;
    call->sequence = c->next_sequence++;
    call->started_usec = clock_monotonic_usec();
    call->state = CALL_WAITING;
    TAILQ_INSERT_TAIL(&c->waiting, call, link);
    c->n_waiting++;
    if (c->on_request)
        c->on_request(http_method_name(call->request.question.method), call->request.url,
                      c->on_request_userdata);
    kick(c);
    *ret = call;
    return 0;
}

/* -- the end -- */

static void log_end(const struct tenant_call *call, const struct tenant_answer *a)
{
    log_debug("%s %s: %s, status %d, %u sent, %llu ms%s%s",
              http_method_name(call->request.question.method), a->url,
              tenant_answer_class_name(a->class), a->status, a->attempts,
              (unsigned long long)(a->duration_usec / USEC_PER_MSEC),
              a->class == TENANT_DONE ? "" : ": ", a->class == TENANT_DONE ? "" : a->hint);
}

/* Whom the call is about, as a number for the pace; 0: nobody in particular. */
static uint64_t who(const struct tenant_call *call)
{
    const char *name = call->request.login ? call->request.login : call->request.id;
    uint64_t hash = 14695981039346656037ULL; /* FNV-1a */
    for (; name && *name; name++)
        hash = (hash ^ (unsigned char)*name) * 1099511628211ULL;
    bool writes = call->request.question.method != HTTP_GET;
    return name ? (hash & ~PACE_WRITES) | (writes ? PACE_WRITES : 0) : 0;
}

/* The call may be gone afterwards. */
static void finish(struct tenant_call *call, struct tenant_answer *a)
{
    struct tenant_client *c = call->client;
    uint64_t now = clock_monotonic_usec();
    a->attempts = call->attempts;
    a->duration_usec = now - (call->sent_usec ? call->sent_usec : call->started_usec);
    if (!a->url[0])
        snprintf(a->url, sizeof(a->url), "%.*s", (int)strcspn(call->request.url, "?"),
                 call->request.url);
    c->n_answers[a->class]++;
    if (a->class == TENANT_THROTTLED) {
        c->n_throttled++;
        if (who(call)) /* what is refused to a list says nothing of users */
            pace_throttled(&c->pace, now, a->retry_after_usec, who(call));
    } else if (a->class == TENANT_UNCLEAR || a->class == TENANT_AWAY) {
        c->n_failed++;
    } else if (a->status) {
        pace_served(&c->pace, who(call));
        if (a->class == TENANT_DONE && call->request.question.method != HTTP_GET)
            pace_written(&c->pace, now);
    }
    log_end(call, a);
    leave(call);
    call->client = NULL;
    call->done(a, call->userdata);
}

/* 401: once more with another token. A read whose kept connection broke: over another one. */
static bool send_back(struct tenant_call *call, const struct http_result *result,
                      const struct tenant_answer *a)
{
    struct tenant_client *c = call->client;
    if (result->broken && call->request.question.method == HTTP_GET &&
        call->n_broken < REPEATED_AFTER_BREAK) {
        call->n_broken++;
    } else if (a->status == 401 && !call->replayed) {
        call->replayed = true;
        oauth_refused(c->oauth, call->generation);
    } else {
        return false;
    }
    leave(call);
    wait_in_place(call); /* ahead of all that never left */
    return true;
}

/* What a success brings. True: the call goes on with another request. */
static bool take_content(struct tenant_call *call, const struct http_result *result,
                         struct tenant_answer *a)
{
    struct tenant_client *c = call->client;
    struct call_request *q = &call->request;
    const struct answer_question question = q->question;
    struct error e;
    int r = q->read ? q->read(c, q, result, &call->content, &e) : 0;
    if (r == 0 && q->then)
        r = q->then(c, q, &call->content, a, &e);
    else if (r == CALL_ABSENT) {
        a->class = TENANT_NOT_FOUND;
        r = 0;
    }
    if (r < 0)
        answer_not_understood(a, &question, result, e.message);
    else
        c->scim_works |= question.api == ANSWER_SCIM;
    if (r == -E2BIG)
        answer_too_large(a, &question);
    if (r != CALL_GOES_ON)
        return false;
    call->replayed = false;
    call->n_broken = 0;
    leave(call);
    wait_in_place(call);
    return true;
}

/* The call may be gone afterwards. */
static void end_call(struct tenant_call *call, struct tenant_answer *a)
{
    CLEANUP(call_content_done) struct call_content content = call->content;
    call->content = (struct call_content){0};
    if (a->class == TENANT_DONE) {
        a->user = content.user;
        a->names = call->request.is_list ? &content.names : NULL;
        a->id = content.id;
        a->our_id = content.our_id;
        a->version = content.version;
        a->logged_in = content.logged_in;
    }
    finish(call, a);
}

static void on_exchange(const struct http_result *result, void *userdata)
{
    struct tenant_call *call = userdata;
    struct tenant_client *c = call->client;
    struct tenant_answer answer = {.class = TENANT_UNCLEAR};
    struct answer_question *question = &call->request.question;
    call->exchange = NULL;
    c->pumping = true; /* what done starts leaves below, not through the loop */
    question->scim_works = c->scim_works;
    question->secrets[0] = call->request.password;
    question->secrets[1] = oauth_token(c->oauth) ? secret_text(oauth_token(c->oauth)) : NULL;
    question->secrets[2] =
        oauth_last_token(c->oauth) ? secret_text(oauth_last_token(c->oauth)) : NULL;
    question->secrets[3] =
        oauth_client_secret(c->oauth) ? secret_text(oauth_client_secret(c->oauth)) : NULL;
    answer_decide(&answer, question, result);
    if (result->too_large)
        answer_too_large(&answer, question);
    if (!send_back(call, result, &answer) &&
        (answer.class != TENANT_DONE || !take_content(call, result, &answer)))
        end_call(call, &answer);
    c->pumping = false;
    call_pump(c);
}

/* -- sending -- */

static enum oauth_headers headers_of(const struct tenant_call *call)
{
    if (!call->request.body || call->request.question.method == HTTP_GET)
        return OAUTH_READ;
    return call->request.question.api == ANSWER_SCIM ? OAUTH_SCIM : OAUTH_JSON;
}

/* A list grows with the tenant; what is said of one user does not. */
#define ONE_USER_BYTES (1024UL * 1024)

static void send_call(struct tenant_call *call, uint64_t now_usec)
{
    struct tenant_client *c = call->client;
    struct error error;
    struct http_headers *own = NULL; /* of this request alone */
    enum oauth_headers kind = headers_of(call);
    const char *version = call->request.version;
    int r = version ? oauth_headers_if_match(c->oauth, kind, version, &own, &error) : 0;
    /* What is only looked for yet is not sent yet. */
    const char *body = call->request.question.method == HTTP_GET ? NULL : call->request.body;
    const struct http_request request = {
        .method = call->request.question.method,
        .url = call->request.url,
        .headers = own ? own : oauth_headers(c->oauth, kind),
        .body = body,
        .body_size = body ? call->request.body_size : 0,
        .max_answer_bytes = call->request.is_list || call->request.is_large ? 0 : ONE_USER_BYTES,
    };
    if (r == 0)
        r = http_exchange_start(&call->exchange, c->http, &request, on_exchange, call, &error);
    http_headers_unref(own);
    if (r < 0) {
        struct tenant_answer answer = {0};
        answer_not_sent(&answer, TENANT_AWAY, error.message);
        finish(call, &answer);
        return;
    }
    leave(call);
    call->state = CALL_SENT;
    TAILQ_INSERT_TAIL(&c->sent, call, link);
    c->n_sent++;
    c->n_requests++;
    pace_take(&c->pace, now_usec);
    call->taken_usec = now_usec;
    call->generation = oauth_generation(c->oauth);
    call->attempts++;
    if (!call->sent_usec)
        call->sent_usec = now_usec;
}

static void end_waiting(struct tenant_client *c, const struct tenant_answer *failure)
{
    uint64_t last = c->next_sequence; /* calls that done starts are not meant */
    struct tenant_call *call;
    while ((call = TAILQ_FIRST(&c->waiting)) && call->sequence < last) {
        struct tenant_answer answer = *failure;
        finish(call, &answer);
    }
}

static void wake_at(struct tenant_client *c, uint64_t usec)
{
    int r = sd_event_source_set_time(c->pace_source, usec);
    if (r >= 0)
        r = sd_event_source_set_enabled(c->pace_source, SD_EVENT_ONESHOT);
    if (r < 0)
        log_error("Arming the timer of the tenant's pace: %s", strerror(-r));
}

/* What hurries does not wait for the answers of a tenant that is silent. */
static size_t n_silent(const struct tenant_client *c, uint64_t now)
{
    const struct tenant_call *call;
    size_t n = 0;
    TAILQ_FOREACH (call, &c->sent, link)
        n += call->taken_usec + SILENT_USEC < now;
    return n;
}

/* Whether the pace lets one leave now; if not, it is asked again in time. */
static bool pace_lets(struct tenant_client *c, const struct tenant_call *call, uint64_t now)
{
    uint64_t wait = call->hurries ? pace_wait_hurried(&c->pace, now, n_silent(c, now))
                                  : pace_wait(&c->pace, now, 0);
    if (wait == PACE_WAIT_FOR_END && call->hurries)
        wait = LOOK_AGAIN_USEC;
    if (wait > 0 && wait != PACE_WAIT_FOR_END)
        wake_at(c, now + wait);
    return wait == 0;
}

/* Whether the head of the queue may leave. */
static bool may_send(struct tenant_client *c, const struct tenant_call *call, uint64_t now)
{
    struct error error;
    if (!pace_lets(c, call, now))
        return false;
    uint64_t n_before = oauth_n_requests(c->oauth);
    int r = oauth_prepare(c->oauth, &error);
    if (oauth_n_requests(c->oauth) != n_before) { /* a renewal, too, is a request */
        pace_take(&c->pace, now);
        if (r == 0 && !pace_lets(c, call, now))
            return false;
    }
    bool other = r == -ESTALE;
    if (other && c->on_other_token && c->on_other_token(c->on_other_token_userdata))
        return false;
    if (r < 0) {
        struct tenant_answer failure = {0};
        answer_not_sent(&failure, other ? TENANT_AWAY : TENANT_NOT_AUTHORISED, error.message);
        end_waiting(c, &failure);
    }
    return r == 0;
}

void call_pump(struct tenant_client *c)
{
    if (c->pumping)
        return;
    c->pumping = true;
    struct tenant_call *call;
    while ((call = TAILQ_FIRST(&c->waiting)) &&
           c->n_sent < c->max_concurrent + (call->hurries ? HURRIED_MORE : 0)) {
        uint64_t now = clock_monotonic_usec();
        if (!may_send(c, call, now))
            break;
        if (!call->may_leave || call->may_leave(call->userdata)) /* else it is gone */
            send_call(call, now);
    }
    c->pumping = false;
}

void call_token_came(struct tenant_client *c, const struct tenant_answer *failure)
{
    uint64_t now = clock_monotonic_usec();
    pace_ended(&c->pace, now);
    if (failure) {
        if (failure->class == TENANT_THROTTLED)
            pace_throttled(&c->pace, now, failure->retry_after_usec, 0);
        c->pumping = true;
        end_waiting(c, failure);
        c->pumping = false;
    }
    call_pump(c);
}

/* Nobody who waits here may be forgotten for long when the tenant becomes slow. */
#define AHEAD_MAX 256

size_t call_ahead(void *client)
{
    const struct tenant_client *c = client;
    size_t a_second = pace_second(&c->pace, clock_monotonic_usec());
    size_t most = (size_t)c->max_concurrent * 4;
    if (most > AHEAD_MAX)
        most = AHEAD_MAX;
    return a_second < most ? a_second : most;
}
