/* The write-ahead log of the state beside somebody who reads for long. */
#include "config.h"

#include <poll.h>
#include <string.h>

#include "state-fixture.h"

/* Who always reads keeps the log from beginning anew, and that is seen, until nobody reads. */
static void test_log_kept_long(void **state)
{
    struct fixture *f = *state;
    static char value[1024 * 1024];
    struct state *reader;

    memset(value, 'x', sizeof(value) - 1);
    ok(f, state_open_to_read(&reader, f->s, &f->e));
    for (int i = 0; i < 70; i++) {
        assert_false(i < 30 && state_log_is_long(f->s));
        value[0] = (char)('0' + i);
        begin(f);
        ok(f, state_meta_set(f->s, "large", value, &f->e));
        commit(f);
        state_checkpoint_soon(f->s);
    }
    assert_true(state_log_is_long(f->s));
    state_end_reading(reader, f->s);
    for (int i = 0; i < 1000 && state_log_is_long(f->s); i++) {
        poll(NULL, 0, 10);
        begin(f);
        ok(f, state_meta_set(f->s, "small", i % 2 ? "a" : "b", &f->e));
        commit(f);
        state_checkpoint_soon(f->s);
    }
    assert_false(state_log_is_long(f->s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_log_kept_long, fixture_new, fixture_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
