/*
 * What the tests of the tenant client share: a scripted server, and calls whose answers are
 * kept.
 */
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/secret.h"
#include "base/text.h"
#include "model/user.h"
#include "scripted-server.h"
#include "tenant/client.h"
#include "tenant/options.h"
#include "unit.h"

#define DEADLINE_USEC (20 * USEC_PER_SEC)
#define MAX_CALLS     64
static const struct tenant_ops *const ops = &tenant_configapi_ops;

struct seen {
    bool done;
    enum tenant_answer_class class;
    enum tenant_reference reference;
    int status;
    unsigned attempts, order;
    uint64_t retry_after_usec, duration_usec;
    char hint[256], url[256], login[64], scim_id[64];
    size_t n_names;
};

struct bed { /* what every test lies in */
    sd_event *event;
    struct scripted_server *server;
    struct tenant_client *client;
    struct tenant_options options;
    char secret_path[64];
    /* the script */
    scripted_fn script; /* everything but tokens */
    struct scripted_answer one; /* of script_one() */
    const char *token_body;
    int token_status;
    int token_life; /* how many requests a token lives; 0: for ever; -1: it never works */
    unsigned uses_left;
    /* what the server saw */
    unsigned n_tokens, n_requests, n_refused;
    char paths[MAX_CALLS][128];
    char form[512];
    char last_body[2048], last_type[64];
    /* what the client said */
    struct tenant_call *calls[MAX_CALLS];
    struct seen seen[MAX_CALLS];
    unsigned n_calls, n_done;
};

static struct bed *bed_of_done; /* done gets an index as userdata */

/* -- the server's side -- */
static inline void serve_token(struct bed *b, const struct scripted_request *q,
                               struct scripted_answer *a)
{
    static char body[128];
    b->n_tokens++;
    b->uses_left = (unsigned)(b->token_life > 0 ? b->token_life : 0);
    snprintf(b->form, sizeof(b->form), "%s", q->body);
    assert_string_equal(q->content_type, "application/x-www-form-urlencoded");
    assert_string_equal(q->authorization, "");
    a->status = b->token_status;
    snprintf(body, sizeof(body),
             "{\"access_token\": \"token-%u\", \"token_type\": \"Bearer\", "
             "\"expires_in\": \"3600\"}",
             b->n_tokens);
    a->body = b->token_body ? b->token_body : body;
}

static inline bool token_is_good(struct bed *b, const struct scripted_request *q)
{
    char expected[64];
    if (b->token_body)
        return true;
    snprintf(expected, sizeof(expected), "Bearer token-%u", b->n_tokens);
    if (b->token_life < 0 || strcmp(q->authorization, expected) != 0)
        return false;
    if (b->token_life > 0 && b->uses_left-- == 0) {
        b->uses_left = 0;
        return false;
    }
    return true;
}

static inline void serve(const struct scripted_request *q, struct scripted_answer *a,
                         void *userdata)
{
    struct bed *b = userdata;
    if (strcmp(q->path, "/configapi/v2/oauth/token") == 0) {
        serve_token(b, q, a);
        return;
    }
    if (b->n_requests < MAX_CALLS)
        snprintf(b->paths[b->n_requests], sizeof(b->paths[0]), "%s %.100s", q->method, q->path);
    b->n_requests++;
    snprintf(b->last_body, sizeof(b->last_body), "%s", q->body);
    snprintf(b->last_type, sizeof(b->last_type), "%s", q->content_type);
    if (!token_is_good(b, q)) {
        b->n_refused++;
        a->status = 401;
        return;
    }
    if (b->script)
        b->script(q, a, b);
    else
        a->body = strcmp(q->method, "GET") == 0 ? "{\"loginId\":\"ada\"}" : "OK";
}

/* -- the bed -- */
static inline int set_up(void **state)
{
    struct bed *b = calloc(1, sizeof(*b));
    assert_non_null(b);
    assert_true(sd_event_new(&b->event) >= 0);
    b->server = scripted_server_new(b->event, serve, b);
    snprintf(b->secret_path, sizeof(b->secret_path), "/tmp/rosterd-test-secret-XXXXXX");
    int fd = mkstemp(b->secret_path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "s&cret=1\n", 9), 9);
    close(fd);
    b->options = (struct tenant_options){
        .url = strdup(scripted_server_url(b->server)),
        .client_id = strdup("api user"),
        .client_secret_file = strdup(b->secret_path),
        .scope = strdup("acme.example.com"),
        .allow_plain_http = true,
        .max_concurrent = 16,
        .connect_timeout_usec = 2 * USEC_PER_SEC,
        .request_timeout_usec = 5 * USEC_PER_SEC,
        .max_answer_bytes = 64 * 1024,
    };
    bed_of_done = b;
    *state = b;
    return 0;
}

static inline int tear_down(void **state)
{
    struct bed *b = *state;
    tenant_client_free(b->client);
    for (unsigned i = 0; i < b->n_calls; i++)
        ops->call_free(b->calls[i]);
    scripted_server_free(b->server);
    sd_event_unref(b->event);
    unlink(b->secret_path);
    free(b->options.url);
    free(b->options.client_id);
    free(b->options.client_secret_file);
    free(b->options.scope);
    free(b->options.tls_ca_file);
    free(b);
    return 0;
}

static inline void connect_client(struct bed *b)
{
    struct error e = {{0}};
    if (tenant_client_new(&b->client, b->event, &b->options, &e) != 0)
        fail_msg("%s", e.message);
}

static inline void on_done(const struct tenant_answer *a, void *userdata)
{
    struct bed *b = bed_of_done;
    struct seen *s = userdata;
    assert_false(s->done);
    s->done = true;
    s->order = b->n_done++;
    s->class = a->class;
    s->reference = a->reference;
    s->status = a->status;
    s->attempts = a->attempts;
    s->retry_after_usec = a->retry_after_usec;
    s->duration_usec = a->duration_usec;
    memcpy(s->hint, a->hint, sizeof(s->hint));
    memcpy(s->url, a->url, sizeof(s->url));
    if (a->user)
        snprintf(s->login, sizeof(s->login), "%s", user_get(a->user, USER_LOGIN));
    if (a->id)
        snprintf(s->scim_id, sizeof(s->scim_id), "%s", a->id);
    if (a->names)
        s->n_names = a->names->n_items;
    /* The owner may free the call here; every second one does, the others wait for the end. */
    size_t i = (size_t)(s - b->seen);
    if (i % 2)
        b->calls[i] = ops->call_free(b->calls[i]);
}

static inline bool all_done(const struct bed *b)
{
    return b->n_done == b->n_calls;
}

static inline void run_until(struct bed *b, bool (*condition)(const struct bed *b))
{
    uint64_t deadline = clock_monotonic_usec() + DEADLINE_USEC;
    while (!condition(b)) {
        assert_true(clock_monotonic_usec() < deadline);
        assert_true(sd_event_run(b->event, 100 * USEC_PER_MSEC) >= 0);
    }
}

static inline struct seen *create(struct bed *b, const char *login,
                                  const struct secret *password)
{
    struct error e = {{0}};
    unsigned i = b->n_calls++;
    CLEANUP(user_freep) struct user *u = user_new();
    assert_non_null(u);
    assert_int_equal(user_set(u, USER_LOGIN, login, NULL), 0);
    assert_int_equal(user_set(u, USER_TEAM, "Customer Service", NULL), 0);
    assert_int_equal(user_add_role(u, "Agent", NULL), 0);
    assert_int_equal(ops->create(b->client, &b->calls[i], u, "id-1", password, password != NULL,
                                 on_done, &b->seen[i], &e),
                     0);
    assert_false(b->seen[i].done); /* never from inside start */
    return &b->seen[i];
}

static inline struct seen *get(struct bed *b, const char *login)
{
    struct error e = {{0}};
    unsigned i = b->n_calls++;
    assert_int_equal(ops->read(b->client, &b->calls[i], by_login(login), on_done, &b->seen[i], &e),
                     0);
    return &b->seen[i];
}

/* One answer to everything. */
static inline void script_one(const struct scripted_request *q, struct scripted_answer *a,
                              void *userdata)
{
    const struct bed *b = userdata;
    (void)q;
    *a = b->one;
}

static inline struct seen *create_once(struct bed *b, enum scripted_deed deed, int status,
                                       const char *headers, const char *body)
{
    b->one = (struct scripted_answer){
        .deed = deed, .status = status, .headers = headers, .body = body};
    b->script = script_one;
    struct seen *s = create(b, "ada", NULL);
    run_until(b, all_done);
    return s;
}
