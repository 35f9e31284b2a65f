/*
 * Connections that are kept between requests: whatever the server does to them meanwhile, and
 * whichever descriptors come and go beside them, the loop sleeps when nothing is to be done, and
 * every request has its answer.
 */
#include "config.h"

#include <sys/epoll.h>

#include "tenant-test.h"

#define N_SEEDS    24
#define N_ROUNDS   14
#define MOST_CALLS 4 /* in a round */
#define N_OTHERS   6

static uint32_t roll(uint32_t *seed, uint32_t n)
{
    *seed = *seed * 1664525 + 1013904223;
    return (*seed >> 8) % n;
}

/* How often the loop finds something to do until it finds nothing. */
static unsigned settle(struct bed *b)
{
    unsigned n = 0;
    int r;

    while ((r = sd_event_run(b->event, 0)) > 0 && n < 1000)
        n++;
    assert_true(r >= 0);
    return n;
}

/* Some connections at once, all of which are idle afterwards. */
static void ask(struct bed *b, unsigned n)
{
    unsigned from = b->n_calls;

    for (unsigned i = 0; i < n; i++)
        (void)get(b, "ada");
    run_until(b, all_done);
    for (unsigned i = from; i < b->n_calls; i++)
        assert_int_equal(b->seen[i].class, TENANT_DONE);
}

static void test_closed_while_idle(void **state)
{
    struct bed *b = *state;

    connect_client(b);
    ask(b, 8);
    settle(b);
    scripted_server_drop(b->server);
    assert_in_range(settle(b), 1, 100); /* it is noticed, and only once */
    assert_int_equal(settle(b), 0);
    ask(b, 8);
}

static uint32_t server_seed;

/* Some connections end with their answer: then the client closes them. */
static void script_some_end(const struct scripted_request *q, struct scripted_answer *a,
                            void *userdata)
{
    (void)q, (void)userdata;
    a->body = "{\"loginId\":\"ada\"}";
    a->headers = roll(&server_seed, 3) ? NULL : "Connection: close\r\n";
}

/* Others take the numbers of descriptors that were closed, and give them back. */
static void take_numbers(int others[static N_OTHERS], uint32_t *seed)
{
    for (unsigned i = 0; i < N_OTHERS; i++) {
        if (roll(seed, 2))
            continue;
        if (others[i] >= 0)
            close(others[i]);
        others[i] = others[i] >= 0 ? -1 : epoll_create1(EPOLL_CLOEXEC);
    }
}

static void play(struct bed *b, uint32_t seed)
{
    int others[N_OTHERS];

    for (unsigned i = 0; i < N_OTHERS; i++)
        others[i] = -1;
    server_seed = seed;
    b->script = script_some_end;
    connect_client(b);
    for (unsigned round = 0; round < N_ROUNDS; round++) {
        take_numbers(others, &seed);
        ask(b, 1 + roll(&seed, MOST_CALLS));
        if (roll(&seed, 3) == 0)
            scripted_server_drop(b->server);
        if (roll(&seed, 2))
            assert_in_range(settle(b), 0, 100);
    }
    for (unsigned i = 0; i < N_OTHERS; i++)
        if (others[i] >= 0)
            close(others[i]);
}

static void test_at_random(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= N_SEEDS; seed++) {
        void *bed = NULL;

        assert_int_equal(set_up(&bed), 0);
        play(bed, seed);
        tear_down(&bed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_closed_while_idle, set_up, tear_down),
        cmocka_unit_test(test_at_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
