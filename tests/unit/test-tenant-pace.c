/*
 * How fast calls leave, also when the tenant asks for patience.
 */
#include "config.h"

#include "tenant-test.h"

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

/* A list that is put off for an hour lets users' calls through, and slows none. */
static void test_throttled_list_pauses_nobody(void **state)
{
    struct bed *b = *state;
    struct error e = {{0}};
    connect_client(b);
    b->one = (struct scripted_answer){.status = 429, .headers = "Retry-After: 3600\r\n"};
    b->script = script_one;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(ops->team_list(b->client, &b->calls[i], on_done, &b->seen[i], &e), 0);
        b->n_calls++;
    }
    run_until(b, all_done);
    assert_int_equal(b->seen[0].class, TENANT_THROTTLED);
    assert_int_equal(b->seen[0].retry_after_usec, 3600 * USEC_PER_SEC);
    struct seen *s = create_once(b, SCRIPTED_ANSWER, 200, NULL, "OK");
    assert_int_equal(s->class, TENANT_DONE);
    struct tenant_client_status status;
    tenant_client_status(b->client, &status);
    assert_int_equal(status.n_throttled, 3);
    assert_true(status.rate_now == 0);
}

/* Seconds or an HTTP date, in the header's own words; each to a client that knows of no other. */
static void test_retry_after(void **state)
{
    struct bed *b = *state;
    char in_a_minute[64], a_minute_ago[64], in_a_year[64];
    const time_t now = time(NULL);
    const struct {
        char *text;
        time_t when;
    } dates[] = {{in_a_minute, now + 60}, {a_minute_ago, now - 60}, {in_a_year, now + 31536000}};
    for (size_t i = 0; i < ARRAY_SIZE(dates); i++) {
        struct tm tm;
        assert_non_null(gmtime_r(&dates[i].when, &tm));
        assert_true(strftime(dates[i].text, 64, "%a, %d %b %Y %H:%M:%S GMT", &tm) > 0);
    }
    const struct {
        const char *text;
        uint64_t least, most;
    } rows[] = {
        {"", 0, 0},
        {"0", 0, 0},
        {"120", 120, 120},
        {"3600", 3600, 3600},
        {"3601", 3600, 3600},
        {"99999999999", 3600, 3600},
        {"-5", 0, 0},
        {"soon", 0, 0},
        {in_a_minute, 30, 60},
        {a_minute_ago, 0, 0},
        {in_a_year, 3600, 3600},
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char header[128];
        connect_client(b);
        snprintf(header, sizeof(header), "Retry-After: %s\r\n", rows[i].text);
        const struct seen *s = create_once(b, SCRIPTED_ANSWER, 429, header, NULL);
        assert_int_equal(s->class, TENANT_THROTTLED);
        if (s->retry_after_usec < rows[i].least * USEC_PER_SEC ||
            s->retry_after_usec > rows[i].most * USEC_PER_SEC)
            fail_msg("'%s': %llu", rows[i].text, (unsigned long long)s->retry_after_usec);
        b->client = tenant_client_free(b->client);
    }
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

int main(void)
{
    unsetenv("http_proxy");
    unsetenv("https_proxy");
    unsetenv("all_proxy");
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_throttling_pauses_everything),
        TEST(test_throttled_list_pauses_nobody),
        TEST(test_retry_after),
        TEST(test_ahead),
        TEST(test_pace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
