/*
 * Rules that are the first to name an attribute, and a read for it that is not whole.
 */
#include "config.h"

#include "engine-test.h"

static void with_title(struct bed *b, size_t i)
{
    char id[32], dn[64], uid[16];
    snprintf(uid, sizeof uid, "u%zu", i);
    snprintf(id, sizeof id, "id-%s", uid);
    snprintf(dn, sizeof dn, "uid=%s,ou=people,dc=example,dc=com", uid);
    bed_person(b, id, dn, "uid", uid, "givenName", uid, "sn", uid, "mail", "x@example.com", "title",
               "Agent", NULL);
}

static void read_four_of_ten(struct bed *b)
{
    for (size_t i = 0; i < 10; i++)
        with_title(b, i);
    for (size_t i = 4; i < 10; i++) {
        char id[32];
        snprintf(id, sizeof id, "id-u%zu", i);
        bed_leave(b, id);
    }
    bed_read_unproven(b);
    bed_run(b);
    bed_advance(b, 3 * DAY);
}

/* The first scope that names an attribute, and a read for it that shows some people only: who was
 * not shown was read without it, and does not lack it. A whole read tells, or a person. */
static void read_in_part(struct bed *b, bool reload, bool approve)
{
    struct error e = {0};
    people(b, 10, "support");
    bed_start(b);
    bed_sync(b);
    b->mapping.scope_when = (struct mapping_text){(char *)"(title=Agent)", (char *)"test.conf", 3};
    if (reload)
        bed_ok(b, engine_reload(b->engine, &b->options, &e));
    else
        bed_restart(b);
    for (int restarts = 0; restarts < 3; restarts++) {
        read_four_of_ten(b);
        assert_int_equal(n_disabled(b), 0);
        assert_int_equal(bed_audit(b, "alarm", REASON_ATTRIBUTE_VANISHED, NULL), 1);
        bed_restart(b);
    }
    if (approve) {
        read_four_of_ten(b);
        assert_int_equal(bed_approve(b), 6);
        read_four_of_ten(b); /* and nobody is asked again */
        assert_int_equal(bed_queue(b, 0, NULL), 0);
    } else {
        for (size_t i = 4; i < 10; i++)
            with_title(b, i);
        bed_sync(b);
        assert_int_equal(bed_queue(b, 0, NULL), 0);
    }
    assert_int_equal(bed_audit(b, "alarm-over", REASON_ATTRIBUTE_VANISHED, NULL), 1);
    assert_int_equal(n_disabled(b), approve ? 6 : 0);
    is_idle(b);
}

static void test_reload_and_read_in_part(void **state)
{
    read_in_part(*state, true, false);
}

static void test_start_and_read_in_part(void **state)
{
    read_in_part(*state, false, false);
}

static void test_read_in_part_and_approved(void **state)
{
    read_in_part(*state, true, true);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        scenario(test_reload_and_read_in_part),
        scenario(test_start_and_read_in_part),
        scenario(test_read_in_part_and_approved),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
