/* Which keys of a keytab are a principal's. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "directory/keytab.h"
#include "unit.h"

/* Two keys of a@R, a hole, one key of b/c@R. */
static const unsigned char keytab[] = "\x05\x02"
                                      "\x00\x00\x00\x0e\x00\x01\x00\x01R\x00\x01"
                                      "a\x00\x00\x00\x01k1"
                                      "\xff\xff\xff\xfe"
                                      "zz"
                                      "\x00\x00\x00\x0e\x00\x01\x00\x01R\x00\x01"
                                      "a\x00\x00\x00\x01k2"
                                      "\x00\x00\x00\x11\x00\x02\x00\x01R\x00\x01"
                                      "b\x00\x01"
                                      "c\x00\x00\x00\x01k3";

static void test_keytab(void **state)
{
    (void)state;
    struct error e;
    unsigned char *kept = NULL;
    size_t size = 0, whole = sizeof keytab - 1;
    assert_int_equal(keytab_select(keytab, whole, "a@R", &kept, &size, &e), 0);
    assert_int_equal(size, 2 + 18 + 18);
    assert_memory_equal(kept + 2 + 16, "k1", 2);
    assert_memory_equal(kept + 2 + 18 + 16, "k2", 2);
    free(kept);
    assert_int_equal(keytab_select(keytab, whole, "b/c", &kept, &size, &e), 0);
    assert_int_equal(size, 2 + 21);
    free(kept);
    assert_int_equal(keytab_select(keytab, whole, "c@R", &kept, &size, &e), -ENOENT);
    assert_non_null(strstr(e.message, "only of: a@R, b/c@R"));
    assert_int_equal(keytab_select(keytab, whole, "a@S", &kept, &size, &e), -ENOENT);
    assert_int_equal(keytab_select(keytab, whole - 1, "a@R", &kept, &size, &e), -EBADMSG);
    assert_int_equal(keytab_select(keytab, 1, "a@R", &kept, &size, &e), -EBADMSG);
    assert_int_equal(keytab_select((const unsigned char *)"\x05\x01", 2, "a", &kept, &size, &e),
                     -EBADMSG);
    /* The name of one is the end of another's: both are named. */
    static const unsigned char within[] = "\x05\x02"
                                          "\x00\x00\x00\x09\x00\x01\x00\x01R\x00\x02"
                                          "ba"
                                          "\x00\x00\x00\x08\x00\x01\x00\x01R\x00\x01"
                                          "a";
    assert_int_equal(keytab_select(within, sizeof within - 1, "x", &kept, &size, &e), -ENOENT);
    assert_non_null(strstr(e.message, "only of: ba@R, a@R"));
    /* A name that ends early is no name. */
    assert_int_equal(keytab_select((const unsigned char *)"\x05\x02\x00\x00\x00\x0b"
                                                          "\x00\x01\x00\x01R\x00\x04"
                                                          "a@R\x00",
                                   17, "a@R", &kept, &size, &e),
                     -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keytab),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
