/*
 * Whoever starts a call is asked at the moment when it would leave, and may take it back then.
 */
#include "config.h"

#include "tenant-test.h"

static struct {
    unsigned n, done_before; /* how often it was asked, and how many calls were over then */
    bool stays;
} asked[MAX_CALLS];
static unsigned n_gone;

static bool may_leave(void *userdata)
{
    struct bed *b = bed_of_done;
    const struct seen *s = userdata;
    size_t i = (size_t)(s - b->seen);
    asked[i].n++;
    asked[i].done_before = b->n_done;
    if (!asked[i].stays)
        return true;
    b->calls[i] = ops->call_free(b->calls[i]);
    n_gone++;
    return false;
}

static bool all_over(const struct bed *b)
{
    return b->n_done + n_gone == b->n_calls;
}

static int prepare(void **state)
{
    memset(asked, 0, sizeof(asked));
    n_gone = 0;
    return set_up(state);
}

static void start(struct bed *b, unsigned n)
{
    static const char *const logins[] = {"a", "b", "c", "d", "e", "f"};
    for (unsigned i = 0; i < n; i++) {
        create(b, logins[i], NULL);
        ops->call_ask(b->calls[i], may_leave);
    }
}

static bool body_was(const struct bed *b, const char *login)
{
    return strstr(b->last_body, login);
}

/* One slot: each is asked when the one before is over, and neither what is taken back in between
 * nor at the end reaches the tenant. */
static void test_asked_in_its_turn(void **state)
{
    struct bed *b = *state;
    b->options.max_concurrent = 1;
    connect_client(b);
    asked[1].stays = asked[2].stays = asked[5].stays = true;
    start(b, 6);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(asked[i].n, 0);
    run_until(b, all_over);
    assert_int_equal(b->n_requests, 3);
    assert_true(body_was(b, "\"e\""));
    static const unsigned before[] = {0, 1, 1, 1, 2, 3};
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(asked[i].n, 1);
        assert_int_equal(asked[i].done_before, before[i]);
    }
    struct tenant_client_status status;
    tenant_client_status(b->client, &status);
    assert_int_equal(status.waiting + status.in_flight, 0);
}

/* A request that is repeated with another token was refused: it is asked once more. */
static void test_asked_again(void **state)
{
    struct bed *b = *state;
    b->token_life = 1;
    b->options.max_concurrent = 1;
    connect_client(b);
    start(b, 2);
    run_until(b, all_over);
    assert_int_equal(b->seen[1].attempts, 2);
    assert_int_equal(asked[0].n, 1);
    assert_int_equal(asked[1].n, 2);
}

/* What hurries is asked before what waits longer. */
static void test_hurry(void **state)
{
    struct bed *b = *state;
    b->options.max_concurrent = 1;
    connect_client(b);
    start(b, 4);
    ops->call_hurry(b->calls[2]);
    ops->call_hurry(b->calls[3]);
    run_until(b, all_over);
    for (unsigned i = 0; i < 2; i++)
        for (unsigned k = 2; k < 4; k++)
            assert_true(asked[k].done_before <= asked[i].done_before &&
                        b->seen[k].order < b->seen[i].order);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_asked_in_its_turn, prepare, tear_down),
        cmocka_unit_test_setup_teardown(test_asked_again, prepare, tear_down),
        cmocka_unit_test_setup_teardown(test_hurry, prepare, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
