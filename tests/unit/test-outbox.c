/* What is sent to a client that takes as much as it likes, against all that was to be sent. */
#include "config.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "control/outbox.h"
#include "dice.h"
#include "state-fixture.h"

#define AT_ONCE (1024 * 1024)

static char *throw_text(size_t size)
{
    char *text = malloc(size + 1);
    assert_non_null(text);
    for (size_t i = 0; i < size; i++)
        text[i] = (char)('a' + i * 7 % 23);
    text[size] = '\0';
    return text;
}

static size_t throw_size(void)
{
    static const size_t sizes[] = {0,           1,           4096,    AT_ONCE - 1,
                                   AT_ONCE,     AT_ONCE + 1, 3 << 20, 300000};
    return sizes[below(ARRAY_SIZE(sizes))];
}

/* Puts some into the outbox, and the same into what is expected. */
static void add_something(struct outbox *o, struct buffer *expected)
{
    size_t size = throw_size();
    char *text = throw_text(size);
    if (chance(50)) {
        buffer_add(&o->messages, text, size + 1);
        buffer_add(expected, text, size + 1);
    }
    if (chance(70)) {
        buffer_format(expected, "{\"parameters\":%s}", text);
        buffer_add(expected, "", 1);
        outbox_add_answer(o, text, size);
    } else
        free(text);
}

/* 0: nothing is there now. */
static size_t take_some(int fd, struct buffer *taken)
{
    static char block[2 * AT_ONCE];
    size_t most = chance(50) ? 1 + below(2000) : sizeof(block);
    ssize_t n = recv(fd, block, most, MSG_DONTWAIT);
    assert_true(n > 0 || errno == EAGAIN);
    if (n > 0)
        buffer_add(taken, block, (size_t)n);
    return n > 0 ? (size_t)n : 0;
}

static void test_outbox(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 60; seed++) {
        struct outbox o = {0};
        CLEANUP(buffer_done) struct buffer expected = {0};
        CLEANUP(buffer_done) struct buffer taken = {0};
        bool moved = true;
        int fds[2];
        dice = seed;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        for (unsigned i = 0; i < 4; i++) {
            add_something(&o, &expected);
            for (unsigned n = 0; outbox_any(&o); n++) {
                assert_true(n < 100000);
                assert_int_equal(outbox_write(&o, fds[0], &moved), 0);
                while (take_some(fds[1], &taken) && chance(90))
                    ;
            }
            while (take_some(fds[1], &taken))
                ;
            assert_int_equal(taken.size, expected.size);
        }
        assert_memory_equal(taken.data ? taken.data : "", expected.data ? expected.data : "",
                            expected.size);
        outbox_done(&o);
        (void)close(fds[0]);
        (void)close(fds[1]);
    }
}

/* A client that takes all at once keeps others waiting for a megabyte or two, not for all of it;
 * and one that has gone is an error. */
static void test_others_have_their_turn(void **state)
{
    (void)state;
    struct outbox o = {0};
    size_t sent = 0;
    bool moved;
    int fds[2], size = 64 << 20;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    (void)setsockopt(fds[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
    outbox_add_answer(&o, throw_text(5 << 20), 5 << 20);
    assert_int_equal(outbox_write(&o, fds[0], &moved), 0);
    assert_true(moved && outbox_any(&o));
    sent = o.parameters_sent;
    assert_in_range(sent, 1, AT_ONCE);
    (void)close(fds[1]);
    assert_int_equal(outbox_write(&o, fds[0], &moved), -EPIPE);
    assert_false(moved);
    outbox_done(&o);
    outbox_done(&o);
    assert_false(outbox_any(&o));
    (void)close(fds[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outbox),
        cmocka_unit_test(test_others_have_their_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
