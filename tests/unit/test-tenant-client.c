/*
 * The whole client against a scripted server in the same loop: tokens, 401 in mid-run,
 * throttling, broken and endless answers, redirects, cancelling, and what reaches the log of
 * what must not.
 */
#include "config.h"

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

static const struct tenant_ops *const ops = &tenant_https_ops;

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

static void serve_token(struct bed *b, const struct scripted_request *q,
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

static bool token_is_good(struct bed *b, const struct scripted_request *q)
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

static void serve(const struct scripted_request *q, struct scripted_answer *a, void *userdata)
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

static int set_up(void **state)
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

static int tear_down(void **state)
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

static void connect_client(struct bed *b)
{
    struct error e = {{0}};
    if (tenant_client_new(&b->client, b->event, &b->options, &e) != 0)
        fail_msg("%s", e.message);
}

static void on_done(const struct tenant_answer *a, void *userdata)
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
    if (a->scim_id)
        snprintf(s->scim_id, sizeof(s->scim_id), "%s", a->scim_id);
    if (a->names)
        s->n_names = a->names->n_items;
    /* The owner may free the call here; every second one does, the others wait for the end. */
    size_t i = (size_t)(s - b->seen);
    if (i % 2)
        b->calls[i] = ops->call_free(b->calls[i]);
}

static bool all_done(const struct bed *b)
{
    return b->n_done == b->n_calls;
}

static void run_until(struct bed *b, bool (*condition)(const struct bed *b))
{
    uint64_t deadline = clock_monotonic_usec() + DEADLINE_USEC;
    while (!condition(b)) {
        assert_true(clock_monotonic_usec() < deadline);
        assert_true(sd_event_run(b->event, 100 * USEC_PER_MSEC) >= 0);
    }
}

static struct seen *create(struct bed *b, const char *login, const struct secret *password)
{
    struct error e = {{0}};
    unsigned i = b->n_calls++;
    CLEANUP(user_freep) struct user *u = user_new();
    assert_non_null(u);
    assert_int_equal(user_set(u, USER_LOGIN, login, NULL), 0);
    assert_int_equal(user_set(u, USER_TEAM, "Customer Service", NULL), 0);
    assert_int_equal(user_add_role(u, "Agent", NULL), 0);
    assert_int_equal(ops->user_create(b->client, &b->calls[i], u, password, password != NULL,
                                      on_done, &b->seen[i], &e),
                     0);
    assert_false(b->seen[i].done); /* never from inside start */
    return &b->seen[i];
}

static struct seen *get(struct bed *b, const char *login)
{
    struct error e = {{0}};
    unsigned i = b->n_calls++;
    assert_int_equal(ops->user_get(b->client, &b->calls[i], login, on_done, &b->seen[i], &e),
                     0);
    return &b->seen[i];
}

/* -- tests -- */

static void test_create_and_token_request(void **state)
{
    struct bed *b = *state;
    connect_client(b);
    struct seen *s = create(b, "ada", NULL);
    run_until(b, all_done);
    assert_int_equal(s->class, TENANT_DONE);
    assert_int_equal(s->status, 200);
    assert_int_equal(s->attempts, 1);
    assert_string_equal(b->paths[0], "POST /configapi/v2/user");
    assert_string_equal(b->last_type, "application/json");
    assert_string_equal(b->form, "grant_type=client_credentials&client_id=api%20user&"
                                 "client_secret=s%26cret%3D1&scope=acme.example.com");
    assert_int_equal(b->n_tokens, 1);
    struct tenant_client_status status;
    tenant_client_status(b->client, &status);
    assert_true(status.has_token);
    assert_int_equal(status.n_requests, 2);
    assert_in_range(status.token_expires_usec, clock_now_usec() + 3500 * USEC_PER_SEC,
                    clock_now_usec() + 3600 * USEC_PER_SEC);
}

static void script_everything(const struct scripted_request *q, struct scripted_answer *a,
                              void *userdata)
{
    (void)userdata;
    if (strcmp(q->path, "/configapi/v2/team") == 0)
        a->body = "[{\"name\":\"A\"},{\"name\":\"B\"}]";
    else if (strcmp(q->path, "/configapi/v2/phone/user") == 0)
        a->body = "[{\"loginId\":\"a\"},{\"loginId\":\"b\"},{\"loginId\":\"c\"}]";
    else if (strstr(q->path, "?filter="))
        a->body = "{\"totalResults\":1,\"Resources\":[{\"id\":\"7/8\",\"userName\":\"a b\"}]}";
    else if (strcmp(q->method, "PATCH") == 0)
        a->status = 204;
    else if (strstr(q->path, "/scim/users/"))
        a->body = "{\"id\":\"7/8\",\"userName\":\"ada\"}";
    else if (strcmp(q->method, "GET") == 0)
        a->body = "{\"loginId\":\"A/B ?\"}"; /* logins differ in case alone */
    else
        a->body = "OK";
}

static void test_every_operation(void **state)
{
    struct bed *b = *state;
    struct error e = {{0}};
    const bool no = false;
    const char *fields[USER_N_FIELDS] = {[USER_FIRST_NAME] = "Ada"};
    b->script = script_everything;
    b->options.max_concurrent = 1; /* one after the other, so that the paths have an order */
    connect_client(b);
#define START(operation, ...)                                                                  \
    do {                                                                                       \
        unsigned i_ = b->n_calls++;                                                            \
        assert_int_equal(ops->operation(b->client, &b->calls[i_], ##__VA_ARGS__, on_done,      \
                                        &b->seen[i_], &e),                                     \
                         0);                                                                   \
    } while (0)
    START(user_get, "a/b ?");
    START(user_put, "ada", "New", &no, NULL);
    START(user_delete, "ada");
    START(team_list);
    START(directory_list);
    START(scim_lookup, "a b");
    START(scim_get, "7/8");
    START(scim_patch, "7/8", fields, NULL, NULL);
    run_until(b, all_done);
    for (unsigned i = 0; i < b->n_calls; i++)
        if (b->seen[i].class != TENANT_DONE || b->seen[i].order != i)
            fail_msg("%s: %s", b->paths[i], b->seen[i].hint);
    static const char *const paths[] = {
        "GET /configapi/v2/user/a%2Fb%20%3F",
        "PUT /configapi/v2/user/ada",
        "DELETE /configapi/v2/user/ada",
        "GET /configapi/v2/team",
        "GET /configapi/v2/phone/user",
        "GET /configapi/v2/scim/users?filter=userName%20eq%20%22a%20b%22",
        "GET /configapi/v2/scim/users/7%2F8",
        "PATCH /configapi/v2/scim/users/7%2F8",
    };
    for (unsigned i = 0; i < ARRAY_SIZE(paths); i++)
        assert_string_equal(b->paths[i], paths[i]);
    assert_string_equal(b->seen[0].login, "A/B ?");
    assert_int_equal(b->seen[3].n_names, 2);
    assert_int_equal(b->seen[4].n_names, 3);
    assert_string_equal(b->seen[5].scim_id, "7/8");
    assert_null(strchr(b->seen[5].url, '?'));
    assert_string_equal(b->seen[6].login, "ada");
    assert_string_equal(b->last_type, "application/scim+json");
    assert_int_equal(scripted_server_n_connections(b->server), 1); /* kept alive */
}

static void test_bad_names_are_refused(void **state)
{
    struct bed *b = *state;
    struct error e = {{0}};
    struct tenant_call *call = NULL;
    connect_client(b);
    static const char *const names[] = {"", ".", ".."};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_int_equal(ops->user_delete(b->client, &call, names[i], on_done, NULL, &e),
                         -EINVAL);
    assert_null(call);
}

/* T45: eight calls meet a token that was revoked. */
static void test_one_refresh_for_many_calls(void **state)
{
    struct bed *b = *state;
    b->options.max_concurrent = 8;
    connect_client(b);
    get(b, "first");
    run_until(b, all_done);
    assert_int_equal(b->n_tokens, 1);
    b->n_tokens = 100; /* revoked: the server wants token-100 and later, and nobody has it */
    for (int i = 0; i < 8; i++)
        create(b, "ada", NULL);
    run_until(b, all_done);
    assert_int_equal(b->n_tokens, 101);
    assert_int_equal(b->n_refused, 8);
    for (unsigned i = 1; i < b->n_calls; i++) {
        assert_int_equal(b->seen[i].class, TENANT_DONE);
        assert_int_equal(b->seen[i].attempts, 2);
    }
}

/* The same when the 401s come in the middle of a long queue. */
static void test_refresh_in_mid_run(void **state)
{
    struct bed *b = *state;
    b->options.max_concurrent = 4;
    b->token_life = 10;
    connect_client(b);
    for (int i = 0; i < 40; i++)
        create(b, "ada", NULL);
    run_until(b, all_done);
    for (unsigned i = 0; i < b->n_calls; i++)
        assert_int_equal(b->seen[i].class, TENANT_DONE);
    assert_in_range(b->n_tokens, 4, 6);
    assert_int_equal(b->n_requests, 40 + b->n_refused);
}

static void test_refreshed_token_refused_too(void **state)
{
    struct bed *b = *state;
    b->token_life = -1;
    connect_client(b);
    for (int i = 0; i < 8; i++)
        create(b, "ada", NULL);
    run_until(b, all_done);
    assert_int_equal(b->n_tokens, 2);
    assert_int_equal(b->n_requests, 16);
    for (unsigned i = 0; i < b->n_calls; i++) {
        assert_int_equal(b->seen[i].class, TENANT_NOT_AUTHORISED);
        assert_int_equal(b->seen[i].status, 401);
    }
}

static void test_token_refused(void **state)
{
    struct bed *b = *state;
    b->token_status = 400;
    b->token_body = "{\"error\":\"invalid_client\",\"error_description\":\"bad secret\"}";
    connect_client(b);
    for (int i = 0; i < 5; i++)
        create(b, "ada", NULL);
    run_until(b, all_done);
    assert_int_equal(b->n_tokens, 1);
    assert_int_equal(b->n_requests, 0);
    for (unsigned i = 0; i < b->n_calls; i++) {
        assert_int_equal(b->seen[i].class, TENANT_NOT_AUTHORISED);
        assert_int_equal(b->seen[i].attempts, 0);
        assert_non_null(strstr(b->seen[i].hint, "invalid_client"));
        assert_non_null(strstr(b->seen[i].url, "/oauth/token"));
    }
    /* A later call asks again: somebody may have mended it. */
    b->token_status = 200;
    b->token_body = NULL;
    struct seen *s = create(b, "ada", NULL);
    run_until(b, all_done);
    assert_int_equal(s->class, TENANT_DONE);
}

static void test_token_answers_that_are_none(void **state)
{
    struct bed *b = *state;
    static const char *const bodies[] = {
        "<html><title>Welcome</title>",
        "OK",
        "{}",
        "{\"access_token\":\"\"}",
        "{\"access_token\":\"a\\r\\nX-Evil: 1\"}",
        "{\"access_token\":\"a\",\"token_type\":\"mac\"}",
    };
    connect_client(b);
    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        b->token_body = bodies[i];
        struct seen *s = create(b, "ada", NULL);
        run_until(b, all_done);
        if (s->class != TENANT_AWAY)
            fail_msg("%s", bodies[i]);
        assert_non_null(strstr(s->hint, "no access token"));
    }
    assert_int_equal(b->n_requests, 0);
}

static void test_token_forms(void **state)
{
    struct bed *b = *state;
    static const char *const bodies[] = {
        "{\"access_token\":\"x\",\"token_type\":\"bearer\",\"expires_in\":3600}",
        "{\"access_token\":\"x\",\"expires_in\":\"3600\"}",
        "{\"access_token\":\"x\"}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        b->token_body = bodies[i];
        connect_client(b);
        struct seen *s = create(b, "ada", NULL);
        run_until(b, all_done);
        assert_int_equal(s->class, TENANT_DONE);
        b->client = tenant_client_free(b->client);
    }
}

static void test_token_is_renewed_before_it_expires(void **state)
{
    struct bed *b = *state;
    b->token_body = "{\"access_token\":\"x\",\"expires_in\":1}";
    connect_client(b);
    uint64_t deadline = clock_monotonic_usec() + DEADLINE_USEC;
    for (unsigned n = 0; b->n_tokens < 3; n++) {
        assert_true(clock_monotonic_usec() < deadline);
        get(b, "ada");
        run_until(b, all_done);
        assert_int_equal(b->seen[0].class, TENANT_DONE);
        b->calls[0] = ops->call_free(b->calls[0]);
        b->seen[0] = (struct seen){0};
        b->n_calls = b->n_done = 0;
    }
    assert_int_equal(b->n_refused, 0);
}

static void test_secret_is_read_again(void **state)
{
    struct bed *b = *state;
    connect_client(b);
    create(b, "ada", NULL);
    run_until(b, all_done);
    int fd = open(b->secret_path, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, "rotated", 7), 7);
    close(fd);
    b->n_tokens = 100;
    create(b, "ada", NULL);
    run_until(b, all_done);
    assert_non_null(strstr(b->form, "client_secret=rotated&"));
    /* and a missing one is a matter of authorisation, said with its path */
    assert_int_equal(unlink(b->secret_path), 0);
    b->n_tokens = 200;
    struct seen *s = create(b, "ada", NULL);
    run_until(b, all_done);
    assert_int_equal(s->class, TENANT_NOT_AUTHORISED);
    assert_non_null(strstr(s->hint, b->secret_path));
}

/* T43, T44, T46: one status for everything; the hint says which. */
static int scripted_status;
static const char *scripted_headers, *scripted_body;
static enum scripted_deed scripted_deed;

static void script_one(const struct scripted_request *q, struct scripted_answer *a,
                       void *userdata)
{
    (void)q, (void)userdata;
    a->status = scripted_status;
    a->headers = scripted_headers;
    a->body = scripted_body;
    a->deed = scripted_deed;
}

static struct seen *create_once(struct bed *b, enum scripted_deed deed, int status,
                                const char *headers, const char *body)
{
    scripted_deed = deed;
    scripted_status = status;
    scripted_headers = headers;
    scripted_body = body;
    b->script = script_one;
    struct seen *s = create(b, "ada", NULL);
    run_until(b, all_done);
    return s;
}

static void test_answers(void **state)
{
    struct bed *b = *state;
    connect_client(b);
    struct seen *s = create_once(b, SCRIPTED_ANSWER, 409, NULL, "exists");
    assert_int_equal(s->class, TENANT_CONFLICT);
    s = create_once(b, SCRIPTED_ANSWER, 400, NULL, "User ada already exists");
    assert_int_equal(s->class, TENANT_CONFLICT);
    s = create_once(b, SCRIPTED_ANSWER, 404, NULL, "user team not found");
    assert_int_equal(s->class, TENANT_REFERENCE_MISSING);
    assert_int_equal(s->reference, TENANT_REFERENCE_TEAM);
    s = create_once(b, SCRIPTED_ANSWER, 403, NULL, "no privilege");
    assert_int_equal(s->class, TENANT_REFUSED); /* T73: to this user, by this call */
    assert_int_equal(b->n_tokens, 1); /* another token would not help */
    s = create_once(b, SCRIPTED_ANSWER, 500, NULL, "request failed");
    assert_int_equal(s->class, TENANT_UNCLEAR);
    assert_string_equal(s->hint, "request failed");
    assert_int_equal(b->n_requests, 5); /* nothing is repeated here */
}

/* T47 */
static void test_throttling_pauses_everything(void **state)
{
    struct bed *b = *state;
    connect_client(b);
    struct seen *s = create_once(b, SCRIPTED_ANSWER, 429, "Retry-After: 1\r\n", NULL);
    uint64_t start = clock_monotonic_usec();
    assert_int_equal(s->class, TENANT_THROTTLED);
    assert_int_equal(s->retry_after_usec, USEC_PER_SEC);
    s = create_once(b, SCRIPTED_ANSWER, 200, NULL, "OK");
    assert_int_equal(s->class, TENANT_DONE);
    assert_true(clock_monotonic_usec() - start > 900 * USEC_PER_MSEC);
    struct tenant_client_status status;
    tenant_client_status(b->client, &status);
    assert_int_equal(status.n_throttled, 1);
    assert_true(status.rate_now > 0);
    s = create_once(b, SCRIPTED_ANSWER, 429, "Retry-After: 99999999999\r\n", NULL);
    assert_int_equal(s->retry_after_usec, 3600 * USEC_PER_SEC);
}

static void test_broken_answers(void **state)
{
    struct bed *b = *state;
    b->options.request_timeout_usec = 300 * USEC_PER_MSEC;
    connect_client(b);
    static const enum scripted_deed deeds[] = {SCRIPTED_STALL, SCRIPTED_CLOSE, SCRIPTED_RESET,
                                               SCRIPTED_SHORT, SCRIPTED_ENDLESS};
    for (size_t i = 0; i < ARRAY_SIZE(deeds); i++) {
        struct seen *s = create_once(b, deeds[i], 200, NULL, "OK");
        if (s->class != TENANT_UNCLEAR)
            fail_msg("deed %d: %s, %s", deeds[i], tenant_answer_class_name(s->class), s->hint);
        assert_int_equal(s->attempts, 1);
        assert_true(strlen(s->hint) > 10);
        assert_true(s->duration_usec < 2 * USEC_PER_SEC);
        s = get(b, "ada");
        run_until(b, all_done);
        if (s->class != TENANT_AWAY)
            fail_msg("deed %d: %s, %s", deeds[i], tenant_answer_class_name(s->class), s->hint);
    }
    struct tenant_client_status status;
    tenant_client_status(b->client, &status);
    assert_int_equal(status.n_failed, 2 * ARRAY_SIZE(deeds));
}

static void test_endless_answer_is_cut_at_its_limit(void **state)
{
    struct bed *b = *state;
    connect_client(b);
    struct seen *s = create_once(b, SCRIPTED_ENDLESS, 200, NULL, NULL);
    assert_int_equal(s->class, TENANT_UNCLEAR);
    assert_non_null(strstr(s->hint, "larger than 65536 bytes"));
}

/* libcurl by itself would send a write again when a reused connection breaks. */
static void script_break_second(const struct scripted_request *q, struct scripted_answer *a,
                                void *userdata)
{
    const struct bed *b = userdata;
    a->deed = b->n_requests == 2 ? SCRIPTED_CLOSE : SCRIPTED_ANSWER;
    a->body = strcmp(q->method, "GET") == 0 ? "{\"loginId\":\"ada\"}" : "OK";
}

static void test_write_is_never_sent_twice(void **state)
{
    struct bed *b = *state;
    b->script = script_break_second;
    connect_client(b);
    struct seen *s = create(b, "ada", NULL);
    run_until(b, all_done);
    assert_int_equal(s->class, TENANT_DONE);
    s = create(b, "bob", NULL);
    run_until(b, all_done);
    assert_int_equal(s->class, TENANT_UNCLEAR);
    assert_int_equal(b->n_requests, 2);
    s = create(b, "cid", NULL);
    run_until(b, all_done);
    assert_int_equal(s->class, TENANT_DONE);
}

static void test_read_may_be_sent_twice(void **state)
{
    struct bed *b = *state;
    b->script = script_break_second;
    connect_client(b);
    get(b, "ada");
    run_until(b, all_done);
    struct seen *s = get(b, "ada");
    run_until(b, all_done);
    assert_int_equal(s->class, TENANT_DONE);
    assert_int_equal(b->n_requests, 3);
    /* An answer about somebody else says nothing about the one who was asked for. */
    s = get(b, "bob");
    run_until(b, all_done);
    assert_int_equal(s->class, TENANT_AWAY);
}

/* T51 */
static void serve_other(const struct scripted_request *q, struct scripted_answer *a,
                        void *userdata)
{
    (void)q, (void)a;
    ++*(unsigned *)userdata;
}

static void test_redirects_are_not_followed(void **state)
{
    struct bed *b = *state;
    unsigned n_other = 0;
    char headers[256];
    struct scripted_server *other = scripted_server_new(b->event, serve_other, &n_other);
    snprintf(headers, sizeof(headers), "Location: %s/login?from=x\r\n",
             scripted_server_url(other));
    connect_client(b);
    static const int statuses[] = {301, 302, 303, 307, 308};
    for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
        struct seen *s = create_once(b, SCRIPTED_ANSWER, statuses[i], headers, NULL);
        assert_int_equal(s->class, TENANT_UNCLEAR);
        assert_non_null(strstr(s->hint, scripted_server_url(other)));
    }
    struct seen *s = create_once(b, SCRIPTED_ANSWER, 200, "Content-Type: text/html\r\n",
                                 "<html><head><title>Sign in</title></head></html>");
    assert_int_equal(s->class, TENANT_UNCLEAR);
    assert_non_null(strstr(s->hint, "Sign in"));
    s = get(b, "ada");
    run_until(b, all_done);
    assert_int_equal(s->class, TENANT_AWAY);
    assert_int_equal(n_other, 0);
    assert_int_equal(scripted_server_n_connections(other), 0);
    scripted_server_free(other);
}

/* T52 */
static void script_echo(const struct scripted_request *q, struct scripted_answer *a,
                        void *userdata)
{
    struct bed *b = userdata;
    (void)q;
    a->status = 400;
    a->body = b->last_body;
}

static void test_password_is_sent_and_never_shown(void **state)
{
    struct bed *b = *state;
    struct error e;
    CLEANUP(secret_freep) struct secret *password = NULL;
    assert_int_equal(secret_new(&password, "Tr0ub4dor", 9, &e), 0);
    b->script = script_echo;
    connect_client(b);
    struct seen *s = create(b, "ada", password);
    run_until(b, all_done);
    assert_int_equal(s->class, TENANT_REFUSED);
    assert_non_null(strstr(b->last_body, "Tr0ub4dor"));
    assert_null(strstr(s->hint, "Tr0ub4dor"));
}

static bool two_requests(const struct bed *b)
{
    return b->n_requests == 2;
}

static void test_cancelling(void **state)
{
    struct bed *b = *state;
    scripted_deed = SCRIPTED_STALL;
    b->script = script_one;
    b->options.max_concurrent = 2;
    connect_client(b);
    for (int i = 0; i < 4; i++)
        create(b, "ada", NULL); /* two leave, two wait */
    run_until(b, two_requests);
    b->calls[0] = ops->call_free(b->calls[0]); /* in flight */
    b->calls[3] = ops->call_free(b->calls[3]); /* waiting */
    struct tenant_client_status status;
    tenant_client_status(b->client, &status);
    assert_int_equal(status.in_flight, 1);
    assert_int_equal(status.waiting, 1);
    /* The client goes first; the calls that are left are freed by their owner. */
    b->client = tenant_client_free(b->client);
    assert_int_equal(b->n_done, 0);
}

static bool twelve_done(const struct bed *b)
{
    return b->n_done == 12;
}

/* As many more as left within a second, and no more than four times the concurrent ones. */
static void test_ahead(void **state)
{
    struct bed *b = *state;
    b->options.max_concurrent = 2;
    connect_client(b);
    assert_int_equal(ops->ahead(b->client), 0);
    for (int i = 0; i < 12; i++)
        create(b, "ada", NULL);
    run_until(b, twelve_done);
    assert_int_equal(ops->ahead(b->client), 8);
    assert_true(scripted_server_n_connections(b->server) <= 3);
}

static void test_pace(void **state)
{
    struct bed *b = *state;
    b->options.max_rate = 20;
    connect_client(b);
    uint64_t start = clock_monotonic_usec();
    for (int i = 0; i < 20; i++)
        create(b, "ada", NULL);
    run_until(b, all_done);
    assert_true(clock_monotonic_usec() - start > 850 * USEC_PER_MSEC);
}

static void test_unreachable(void **state)
{
    struct bed *b = *state;
    b->server = scripted_server_free(b->server);
    connect_client(b);
    struct seen *s = create(b, "ada", NULL);
    run_until(b, all_done);
    assert_int_equal(s->class, TENANT_AWAY);
    assert_int_equal(s->status, 0);
    assert_non_null(strstr(s->hint, "127.0.0.1"));
}

static void test_urls(void **state)
{
    struct bed *b = *state;
    static const struct {
        const char *url;
        bool plain, good;
    } rows[] = {
        {"https://acme.example.com", false, true},
        {"https://acme.example.com/", false, true},
        {"https://acme.example.com:8443/path//", false, true},
        {"http://acme.example.com", true, true},
        {"http://acme.example.com", false, false},
        {"ftp://acme.example.com", true, false},
        {"file:///etc/passwd", true, false},
        {"https://user:pw@acme.example.com", false, false},
        {"https://acme.example.com/?x=1", false, false},
        {"https://acme.example.com/#x", false, false},
        {"acme.example.com", true, false},
        {"", false, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct error e = {{0}};
        struct tenant_options o = b->options;
        o.url = (char *)rows[i].url;
        o.allow_plain_http = rows[i].plain;
        struct tenant_client *c = NULL;
        int r = tenant_client_new(&c, b->event, &o, &e);
        if ((r == 0) != rows[i].good)
            fail_msg("%s: %d %s", rows[i].url, r, e.message);
        assert_null(strstr(e.message, "pw"));
        tenant_client_free(c);
    }
    struct error e = {{0}};
    struct tenant_options o = b->options;
    o.tls_ca_file = (char *)"/nonexistent/ca.pem";
    assert_int_equal(tenant_client_new(&b->client, b->event, &o, &e), -ENOENT);
    assert_non_null(strstr(e.message, "/nonexistent/ca.pem"));
}

/* -- TLS -- */

static void use_tls_url(struct bed *b, const char *host, unsigned port)
{
    char url[128];
    snprintf(url, sizeof(url), "https://%s:%u", host, port);
    free(b->options.url);
    b->options.url = strdup(url);
    b->options.allow_plain_http = false;
}

static void test_tls_to_a_plain_server(void **state)
{
    struct bed *b = *state;
    unsigned port = (unsigned)strtoul(strrchr(b->options.url, ':') + 1, NULL, 10);
    use_tls_url(b, "127.0.0.1", port);
    b->options.request_timeout_usec = USEC_PER_SEC;
    connect_client(b);
    struct seen *s = create(b, "ada", NULL);
    run_until(b, all_done);
    assert_int_equal(s->class, TENANT_AWAY);
    assert_int_equal(b->n_requests + b->n_tokens, 0);
}

struct tls_server {
    pid_t pid;
    unsigned port;
    char folder[64], certificate[96], key[96];
};

static int run_openssl(const char *const *arguments, pid_t *ret_background, int *ret_output)
{
    int output[2];
    if (ret_background && pipe(output) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        dup2(ret_background ? output[1] : null, 1);
        dup2(null, 2);
        execvp("openssl", (char *const *)arguments);
        _exit(127);
    }
    if (ret_background) {
        close(output[1]);
        *ret_background = pid;
        *ret_output = output[0];
        return 0;
    }
    int status = -1;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A server with a certificate of its own making for tenant.example; false: no openssl here. */
static bool tls_server_start(struct tls_server *t)
{
    *t = (struct tls_server){.folder = "/tmp/rosterd-test-tls-XXXXXX"};
    assert_non_null(mkdtemp(t->folder));
    snprintf(t->certificate, sizeof(t->certificate), "%s/c.pem", t->folder);
    snprintf(t->key, sizeof(t->key), "%s/k.pem", t->folder);
    const char *const make[] = {"openssl",
                                "req",
                                "-x509",
                                "-newkey",
                                "ec",
                                "-pkeyopt",
                                "ec_paramgen_curve:P-256",
                                "-nodes",
                                "-subj",
                                "/CN=tenant.example",
                                "-addext",
                                "subjectAltName=DNS:tenant.example",
                                "-days",
                                "2",
                                "-keyout",
                                t->key,
                                "-out",
                                t->certificate,
                                NULL};
    if (run_openssl(make, NULL, NULL) != 0)
        return false;
    const char *const serve_it[] = {
        "openssl",      "s_server", "-accept", "127.0.0.1:0", "-cert",
        t->certificate, "-key",     t->key,    "-www",        NULL};
    int output = -1;
    assert_int_equal(run_openssl(serve_it, &t->pid, &output), 0);
    /* It prints "ACCEPT 127.0.0.1:PORT". */
    char text[256] = "";
    size_t n = 0;
    const char *accepting = NULL;
    while (!(accepting = strstr(text, "ACCEPT 127.0.0.1:")) || !strchr(accepting, '\n')) {
        ssize_t got = read(output, text + n, sizeof(text) - 1 - n);
        assert_true(got > 0);
        n += (size_t)got;
        text[n] = '\0';
    }
    t->port = (unsigned)strtoul(accepting + strlen("ACCEPT 127.0.0.1:"), NULL, 10);
    close(output);
    return true;
}

static void tls_server_stop(struct tls_server *t)
{
    if (t->pid > 0) {
        kill(t->pid, SIGKILL);
        waitpid(t->pid, NULL, 0);
    }
    unlink(t->certificate);
    unlink(t->key);
    rmdir(t->folder);
}

static void test_tls_sentences(void **state)
{
    struct bed *b = *state;
    struct tls_server t;
    if (!tls_server_start(&t)) {
        tls_server_stop(&t);
        skip();
    }
    use_tls_url(b, "127.0.0.1", t.port);
    /* not trusted: by the system's CAs */
    connect_client(b);
    struct seen *s = create(b, "ada", NULL);
    run_until(b, all_done);
    assert_int_equal(s->class, TENANT_AWAY);
    assert_non_null(strstr(s->hint, "TLS with 127.0.0.1"));
    assert_non_null(strstr(s->hint, "self-signed"));
    assert_non_null(strstr(s->hint, "system's CAs"));
    b->client = tenant_client_free(b->client);
    /* trusted, but it is somebody else's */
    b->options.tls_ca_file = strdup(t.certificate);
    connect_client(b);
    s = create(b, "ada", NULL);
    run_until(b, all_done);
    assert_int_equal(s->class, TENANT_AWAY);
    assert_non_null(strstr(s->hint, "127.0.0.1"));
    assert_non_null(strstr(s->hint, "match"));
    assert_non_null(strstr(s->hint, t.certificate));
    tls_server_stop(&t);
}

int main(void)
{
    unsetenv("http_proxy");
    unsetenv("https_proxy");
    unsetenv("all_proxy");
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_create_and_token_request),
        TEST(test_every_operation),
        TEST(test_bad_names_are_refused),
        TEST(test_one_refresh_for_many_calls),
        TEST(test_refresh_in_mid_run),
        TEST(test_refreshed_token_refused_too),
        TEST(test_token_refused),
        TEST(test_token_answers_that_are_none),
        TEST(test_token_forms),
        TEST(test_token_is_renewed_before_it_expires),
        TEST(test_secret_is_read_again),
        TEST(test_answers),
        TEST(test_throttling_pauses_everything),
        TEST(test_broken_answers),
        TEST(test_endless_answer_is_cut_at_its_limit),
        TEST(test_write_is_never_sent_twice),
        TEST(test_read_may_be_sent_twice),
        TEST(test_redirects_are_not_followed),
        TEST(test_password_is_sent_and_never_shown),
        TEST(test_cancelling),
        TEST(test_ahead),
        TEST(test_pace),
        TEST(test_unreachable),
        TEST(test_urls),
        TEST(test_tls_to_a_plain_server),
        TEST(test_tls_sentences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
