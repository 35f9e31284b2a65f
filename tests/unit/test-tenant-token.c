/*
 * Tokens: asked for once for many calls, renewed in time, refused, and in every form that servers
 * give them.
 */
#include "config.h"

#include "tenant-test.h"

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
        "{\"access_token\":\"a\",\"token_type\":\"eyJhbGci\"}",
    };
    connect_client(b);
    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        b->token_body = bodies[i];
        struct seen *s = create(b, "ada", NULL);
        run_until(b, all_done);
        if (s->class != TENANT_AWAY)
            fail_msg("%s", bodies[i]);
        assert_non_null(strstr(s->hint, "no access token"));
        assert_null(strstr(s->hint, "eyJhbGci")); /* whatever stands beside a token may be one */
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

/* Whose token it is, as RFC 6749 (5.1) has a server say it: no other tenant is written to. */
static void test_token_of_another_tenant(void **state)
{
    struct bed *b = *state;
    static const struct {
        const char *scope;
        bool other;
    } rows[] = {
        {"\"acme.example.com\"", false},
        {"\"ACME.Example.com\"", false},
        {"\"users.write acme.example.com\"", false},
        {"\"other.example.com acme.example.com\"", false},
        {"null", false},
        {"17", false},
        {"\"\"", false},
        {"\"users.write\"", false},
        {"\"manage\"", false},
        {"\"https://other.example.com/all\"", false},
        {"\"other.example.com\"", true},
        {"\"acme.example.com.evil.com\"", true},
        {"\"acme2.example.com\"", true},
        {"\"Other.EXAMPLE.COM\"", true},
        {"\"  users.write  other.example.com \"", true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char body[300];
        unsigned before = b->n_requests;
        snprintf(body, sizeof(body), "{\"access_token\":\"x\",\"scope\":%s}", rows[i].scope);
        b->token_body = body;
        connect_client(b);
        struct seen *s = create(b, "ada", NULL);
        run_until(b, all_done);
        if (s->class != (rows[i].other ? TENANT_NOT_AUTHORISED : TENANT_DONE))
            fail_msg("%s: class %d, %s", rows[i].scope, s->class, s->hint);
        assert_int_equal(b->n_requests - before, rows[i].other ? 0 : 1);
        if (rows[i].other)
            assert_non_null(strstr(s->hint, "although it was asked for acme.example.com"));
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

/* A renewal that is refused leaves the token of before, for as long as that lasts. */
static void test_renewal_refused(void **state)
{
    struct bed *b = *state;
    b->token_body = "{\"access_token\":\"x\",\"expires_in\":100}";
    connect_client(b);
    create(b, "ada", NULL);
    run_until(b, all_done);
    assert_int_equal(b->n_tokens, 1);
    b->token_status = 500;
    b->token_body = "{\"error\":\"server_error\"}";
    uint64_t began = clock_monotonic_usec();
    clock_freeze(clock_now_usec(), began + 95 * USEC_PER_SEC);
    for (int i = 0; i < 4; i++) {
        struct seen *s = create(b, "ada", NULL);
        run_until(b, all_done);
        assert_int_equal(s->class, TENANT_DONE);
    }
    assert_int_equal(b->n_tokens, 2);
    clock_freeze(clock_now_usec(), began + 101 * USEC_PER_SEC);
    struct seen *s = create(b, "ada", NULL);
    run_until(b, all_done);
    clock_freeze(0, 0);
    assert_int_equal(s->class, TENANT_AWAY);
    assert_non_null(strstr(s->hint, "no access token"));
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

/* -- the file holds the token itself -- */

static void put_token(const struct bed *b, const char *text)
{
    int fd = open(b->secret_path, O_WRONLY | O_TRUNC | O_CREAT, 0600);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static struct seen *take_away(struct bed *b)
{
    struct error e = {{0}};
    unsigned i = b->n_calls++;
    int r = tenant_scim2_ops.remove(b->client, &b->calls[i], by_id("7"), on_done, &b->seen[i], &e);
    assert_int_equal(r, 0);
    return &b->seen[i];
}

static void connect_scim2(struct bed *b)
{
    b->options.kind = TENANT_SCIM2;
    b->options.scim_path = (char *)"/scim/v2";
    put_token(b, "token-0");
    connect_client(b);
    take_away(b);
    run_until(b, all_done);
    assert_int_equal(b->n_requests, 1);
    assert_int_equal(b->n_refused, 0);
}

static unsigned n_told;

static bool make_another(void *userdata)
{
    n_told++;
    return *(bool *)userdata;
}

static bool was_told(const struct bed *b)
{
    (void)b;
    return n_told > 0;
}

/* Another token is never used by this client, whether another one is made or not; nor after the
 * file could not be read for a while. The same one may be refused and read again. */
static void test_another_given_token(void **state)
{
    struct bed *b = *state;
    bool makes = true;
    connect_scim2(b);
    b->n_tokens = 1;
    take_away(b);
    run_until(b, all_done);
    assert_int_equal(b->seen[1].class, TENANT_NOT_AUTHORISED);
    assert_int_equal(b->n_refused, 2);
    put_token(b, "token-1");
    struct seen *s = take_away(b);
    run_until(b, all_done);
    assert_int_equal(s->class, TENANT_AWAY);
    assert_non_null(strstr(s->hint, "another token"));
    assert_int_equal(unlink(b->secret_path), 0);
    s = take_away(b);
    run_until(b, all_done);
    assert_int_equal(s->class, TENANT_NOT_AUTHORISED);
    put_token(b, "token-1");
    tenant_client_on_other_token(b->client, make_another, &makes);
    s = take_away(b);
    run_until(b, was_told);
    sd_event_run(b->event, 0);
    assert_false(s->done);
    makes = false;
    take_away(b);
    run_until(b, all_done);
    assert_int_equal(s->class, TENANT_AWAY);
    makes = true;
    s = take_away(b);
    sd_event_run(b->event, 0);
    assert_false(s->done);
    tenant_client_on_other_token(b->client, NULL, NULL);
    run_until(b, all_done);
    assert_int_equal(s->class, TENANT_AWAY);
    assert_int_equal(b->n_requests, 4); /* the old one once more, and the other one never */
    assert_int_equal(b->n_refused, 3);
    put_token(b, "token-0");
    b->n_tokens = 0;
    s = take_away(b);
    run_until(b, all_done);
    assert_int_equal(s->status, 200);
}

int main(void)
{
    unsetenv("http_proxy");
    unsetenv("https_proxy");
    unsetenv("all_proxy");
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_one_refresh_for_many_calls),
        TEST(test_refresh_in_mid_run),
        TEST(test_refreshed_token_refused_too),
        TEST(test_token_refused),
        TEST(test_token_answers_that_are_none),
        TEST(test_token_forms),
        TEST(test_token_of_another_tenant),
        TEST(test_token_is_renewed_before_it_expires),
        TEST(test_renewal_refused),
        TEST(test_secret_is_read_again),
        TEST(test_another_given_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
