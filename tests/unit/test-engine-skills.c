/* Skills at a tenant that merges what it is sent. */
#include "config.h"

#include "engine-test.h"

static void who_speaks_spanish(struct bed *b)
{
    b->tenant->merges_skills = true;
    bed_person(b, "id-u0", "uid=u0,ou=people,dc=example,dc=com", "uid", "u0", "givenName", "G",
               "sn", "u0", "preferredLanguage", "es", NULL);
    bed_group(b, "support", "u0", NULL);
    bed_start(b);
    bed_sync(b);
}

static void test_merging_tenant(void **state)
{
    struct bed *b = *state;
    who_speaks_spanish(b);
    bed_person(b, "id-u0", "uid=u0,ou=people,dc=example,dc=com", "uid", "u0", "givenName", "G",
               "sn", "u0", NULL);
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_NOT_APPLIED), 1);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_PUT), 2); /* with level 0 the second time */
    b->tenant->merges_skills = false;
    bed_advance(b, HOUR);
    assert_null(user_skill(fake_tenant_find(b->tenant, "u0")->user, "Spanish"));
    is_idle(b);
}

/* What it shows is what is known, whatever it was asked: a skill that stays there with level 0 has
 * that level, so whoever is to have it again gets it. */
static void test_merged_skill_comes_back(void **state)
{
    struct bed *b = *state;
    who_speaks_spanish(b);
    const struct fake_user *u = fake_tenant_find(b->tenant, "u0");
    unsigned level = user_skill(u->user, "Spanish")->level;
    assert_int_not_equal(level, 0);
    bed_person(b, "id-u0", "uid=u0,ou=people,dc=example,dc=com", "uid", "u0", "givenName", "G",
               "sn", "u0", NULL);
    bed_sync(b);
    bed_restart(b); /* what was asked in vain is not asked again for that */
    bed_read_all(b);
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_NOT_APPLIED), 1);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_PUT), 2);
    assert_int_equal(user_skill(u->user, "Spanish")->level, 0);
    bed_person(b, "id-u0", "uid=u0,ou=people,dc=example,dc=com", "uid", "u0", "givenName", "G",
               "sn", "u0", "preferredLanguage", "es", NULL);
    bed_sync(b);
    assert_int_equal(user_skill(u->user, "Spanish")->level, level);
    is_idle(b);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        scenario(test_merging_tenant),
        scenario(test_merged_skill_comes_back),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
