/*
 * The tenant client against a scripted server: what it sends, what it makes of answers, what it
 * never does twice.
 */
#include "config.h"

#include "tenant-test.h"

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
    struct user u = {.fields = {[USER_FIRST_NAME] = {.text = (char *)"Ada"}}};
    const struct part *p = ops->parts(b->client)->items;
    const struct tenant_write
        work = {.part = &p[0], .set = PART_DISABLED, .user = &u},
        names = {.part = &p[1], .set = PART_FIELD(USER_FIRST_NAME), .user = &u};
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
    START(read, by_login("a/b ?"));
    START(write, by_login("ada"), &work);
    START(remove, by_login("ada"));
    START(team_list);
    START(directory_list);
    START(find, "a b");
    START(read, by_id("7/8"));
    START(write, by_id("7/8"), &names);
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
        assert_int_equal(ops->remove(b->client, &call, by_login(names[i]), on_done, NULL, &e),
                         -EINVAL);
    assert_null(call);
}

/* T43, T44, T46: one status for everything; the hint says which. */
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
    b->client = tenant_client_free(b->client);

    /* Of one user a mebibyte, whatever a list may have. */
    b->options.max_answer_bytes = 64UL * 1024 * 1024;
    connect_client(b);
    s = create_once(b, SCRIPTED_ENDLESS, 200, NULL, NULL);
    assert_non_null(strstr(s->hint, "larger than 1048576 bytes"));
    s = get(b, "ada");
    run_until(b, all_done);
    assert_non_null(strstr(s->hint, "larger than 1048576 bytes"));
}

/* libcurl by itself would send a write again when a reused connection breaks. */
static void script_break_second(const struct scripted_request *q, struct scripted_answer *a,
                                void *userdata)
{
    const struct bed *b = userdata;
    a->deed = b->n_requests == 2 ? SCRIPTED_CLOSE : SCRIPTED_ANSWER;
    a->body = strcmp(q->method, "GET") == 0 ? "{\"loginId\":\"ada\"}" : "OK";
}

static void expect_second_unclear(struct bed *b)
{
    connect_client(b);
    struct seen *s = create(b, "ada", NULL);
    run_until(b, all_done);
    assert_int_equal(s->class, TENANT_DONE);
    s = create(b, "bob", NULL);
    run_until(b, all_done);
    assert_int_equal(s->class, TENANT_UNCLEAR);
    assert_int_equal(b->n_requests, 2);
}

static void test_write_is_never_sent_twice(void **state)
{
    struct bed *b = *state;
    b->script = script_break_second;
    expect_second_unclear(b);
    struct seen *s = create(b, "cid", NULL);
    run_until(b, all_done);
    assert_int_equal(s->class, TENANT_DONE);
}

static void script_break_and_shut(const struct scripted_request *q, struct scripted_answer *a,
                                  void *userdata)
{
    const struct bed *b = userdata;
    script_break_second(q, a, userdata);
    if (a->deed == SCRIPTED_CLOSE)
        scripted_server_shut(b->server);
}

/* … nor taken for one that was never sent, where it could not be sent again. */
static void test_write_left_before(void **state)
{
    struct bed *b = *state;
    b->script = script_break_and_shut;
    expect_second_unclear(b);
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
    b->one = (struct scripted_answer){.deed = SCRIPTED_STALL};
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
        TEST(test_answers),
        TEST(test_broken_answers),
        TEST(test_endless_answer_is_cut_at_its_limit),
        TEST(test_write_is_never_sent_twice),
        TEST(test_write_left_before),
        TEST(test_read_may_be_sent_twice),
        TEST(test_redirects_are_not_followed),
        TEST(test_password_is_sent_and_never_shown),
        TEST(test_cancelling),
        TEST(test_unreachable),
        TEST(test_urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
