/* Where is searched, for what, and by which filter. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "directory/rootdse.h"
#include "directory/searches.h"
#include "unit.h"

#define MOST 3

struct row {
    const char *bases[MOST + 1], *group_bases[MOST + 1];
    /* "base:pgc": it looks for people, groups, containers. */
    const char *searches[MOST + 1];
};

static size_t copy(char **to, const char *const *from)
{
    size_t n = 0;
    for (; from[n]; n++)
        to[n] = (char *)from[n];
    return n;
}

static void test_bases(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {{"dc=a"}, {NULL}, {"dc=a:pgc"}},
        {{"ou=x,dc=a", "dc=a"}, {NULL}, {"dc=a:pgc"}}, /* one holds the other, in any order */
        {{"dc=a", "OU=X, DC=A"}, {NULL}, {"dc=a:pgc"}},
        {{"ou=x,dc=a", "ou=y,dc=a"}, {NULL}, {"ou=x,dc=a:pgc", "ou=y,dc=a:pgc"}},
        /* Groups elsewhere: that search is the last, and the people's has its own containers.
         */
        {{"ou=p,dc=a"}, {"ou=g,dc=a"}, {"ou=p,dc=a:pc", "ou=g,dc=a:gc"}},
        {{"ou=p,dc=a"}, {"ou=g,ou=p,dc=a"}, {"ou=p,dc=a:pgc"}}, /* inside: one search of both */
        /* The groups' base holds the people's: containers come with the groups. */
        {{"ou=p,dc=a"}, {"dc=a"}, {"ou=p,dc=a:p", "dc=a:gc"}},
        {{"ou=p,dc=a", "ou=q,dc=a"}, {"ou=q,dc=a"}, {"ou=p,dc=a:pc", "ou=q,dc=a:pgc"}},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *bases[MOST], *group_bases[MOST];
        struct directory_options o = {.bases = bases, .group_bases = group_bases};
        struct searches s;
        struct error e = {{0}};
        o.n_bases = copy(bases, rows[i].bases);
        o.n_group_bases = copy(group_bases, rows[i].group_bases);
        assert_int_equal(searches_init(&s, &o, &e), 0);
        for (unsigned k = 0; k < s.n_items; k++) {
            const struct feed_search *x = &s.items[k];
            char seen[100];
            snprintf(seen, sizeof(seen), "%s:%s%s%s", x->base, x->people ? "p" : "",
                     x->has_groups ? "g" : "", x->containers ? "c" : "");
            if (!rows[i].searches[k] || strcmp(seen, rows[i].searches[k]) != 0)
                fail_msg("row %zu, search %u: %s", i, k, seen);
        }
        assert_null(rows[i].searches[s.n_items]);
        searches_done(&s);
    }
}

static void test_refused(void **state)
{
    (void)state;
    struct searches s;
    struct error e = {{0}};
    char *bad[] = {(char *)"no DN"}, names[DIRECTORY_MAX_SEARCHES + 1][16],
         *many[DIRECTORY_MAX_SEARCHES + 1];
    struct directory_options o = {0};
    assert_int_equal(searches_init(&s, &o, &e), -EINVAL);
    assert_string_equal(e.message, "[directory] base is missing");
    o.bases = bad;
    o.n_bases = 1;
    assert_true(searches_init(&s, &o, &e) < 0);
    assert_non_null(strstr(e.message, "[directory] base"));
    searches_done(&s);
    for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
        snprintf(names[i], sizeof(names[i]), "ou=%zu,dc=a", i);
        many[i] = names[i];
    }
    o.bases = many;
    o.n_bases = ARRAY_SIZE(many);
    assert_int_equal(searches_init(&s, &o, &e), -EINVAL);
    assert_non_null(strstr(e.message, "do not lie in one another"));
    searches_done(&s);
}

static void test_filters(void **state)
{
    (void)state;
    char *base[] = {(char *)"ou=p,dc=a"}, *group_base[] = {(char *)"ou=g,dc=a"};
    struct directory_options o = {
        .bases = base, .n_bases = 1, .group_bases = group_base, .n_group_bases = 1};
    struct rootdse server = {.product = PRODUCT_ACTIVE_DIRECTORY};
    struct searches s;
    struct error e = {{0}};
    assert_int_equal(searches_init(&s, &o, &e), 0);
    assert_int_equal(searches_filters(&s, &o, &server, &e), 0);
    assert_non_null(strstr(s.items[0].filter, s.items[0].persons));
    assert_non_null(strstr(s.items[0].persons, "(!(objectClass=computer))"));
    assert_null(s.items[0].groups);
    assert_null(s.items[1].persons);
    assert_non_null(strstr(s.items[1].filter, s.items[1].groups));
    /* What the administrator wrote replaces ours, also on a server that was another before. */
    o.filter = (char *)"(mail=*)";
    o.group_filter = (char *)"(cn=g*)";
    server.product = PRODUCT_OPENLDAP;
    assert_int_equal(searches_filters(&s, &o, &server, &e), 0);
    assert_string_equal(s.items[0].persons, "(mail=*)");
    assert_string_equal(s.items[1].groups, "(cn=g*)");
    assert_int_equal(searches_keys(&s, NULL, &e), 0);
    assert_string_equal(s.items[0].base, "ou=p,dc=a");
    searches_done(&s);
    assert_int_equal(s.n_items, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bases),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_filters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
