/* What a group lost, asked about while its members get other names. */
#include "config.h"

#include <ldap.h>
#include <time.h>

#include "base/error.h"
#include "directory/decode.h"
#include "directory/environment.h"
#include "directory/lost.h"
#include "directory/options.h"
#include "model/entry.h"
#include "unit.h"

#define MANY        100000
#define AT_ONCE     50 /* members in one question */
#define CPU_SECONDS 10 /* it takes far below one */

static struct entry *group_of(const char *place, size_t n)
{
    struct entry *e = entry_new("g", "cn=all,dc=x", ENTRY_GROUP);
    assert_non_null(e);
    for (size_t i = 0; i < n; i++) {
        char dn[64];
        (void)snprintf(dn, sizeof(dn), "uid=p%06zu,ou=%s,dc=x", i, place);
        assert_int_equal(entry_add_member(e, MEMBER_DN, dn, dn), 0);
    }
    return e;
}

/* By their new names all of them are lost. */
static int sink_lost(void *userdata, const struct entry *entry, struct entry **ret,
                     struct error *e)
{
    (void)entry, (void)e;
    ++*(int *)userdata;
    *ret = group_of("new", MANY);
    return 0;
}

/* Nobody has a name of before any more, and what becomes of the new ones is not looked at. */
static int sink_known_id(void *userdata, const char *dn, char **ret, struct error *e)
{
    (void)userdata, (void)dn, (void)e;
    *ret = NULL;
    return 0;
}

static size_t answer_all(struct lost *l)
{
    size_t n = 0;
    for (; lost_is_asking(l); n++) {
        assert_non_null(lost_question(l));
        assert_int_equal(lost_answer(l, 1, LDAP_SUCCESS), 0);
    }
    return n;
}

/* The names of a whole container change amid that: the loop does not stand still for it, and each
 * is asked for once. */
static void test_all_moved(void **state)
{
    (void)state;
    static const struct feed_sink sink = {.lost = sink_lost, .known_id = sink_known_id};
    static const struct directory_options options = {0};
    int n_looked = 0;
    struct feed_environment env = {.sink = &sink, .userdata = &n_looked, .options = &options};
    struct decoded decoded = {
        .entry = group_of("old", 0), .dn = strdup("cn=all,dc=x"), .may_member = true};
    struct lost *l = NULL;
    struct error e = {0};
    assert_int_equal(lost_new(&l, &env, 0, &decoded, group_of("old", 1), &e), 0);
    assert_int_equal(answer_all(l), 1);
    clock_t begin = clock();
    assert_int_equal(lost_look_again(l, &e), 0);
    assert_int_equal(answer_all(l), MANY / AT_ONCE);
    assert_int_equal(lost_look_again(l, &e), 0);
    assert_int_equal(answer_all(l), 0);
    assert_true(clock() - begin < CPU_SECONDS * CLOCKS_PER_SEC);
    assert_int_equal(n_looked, 2);
    lost_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_moved)};
    return cmocka_run_group_tests_name("lost", tests, NULL, NULL);
}
