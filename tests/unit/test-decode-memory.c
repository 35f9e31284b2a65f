/*
 * What is remembered of the names of attributes is what would be found out: for more names than it
 * has room for, in any order, and when memory was short in between.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "directory/decode.h"
#include "directory/options.h"
#include "failing-memory.h"
#include "model/schema.h"
#include "unit.h"

#define N_NAMES 300

static const char *const texts[] = {"cn", "mail", "title"};

static void begin(struct decoder *d, const struct schema *schema)
{
    struct directory_options options = {0};
    struct string_list wanted = {0};

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        assert_int_equal(string_list_add(&wanted, texts[i]), 0);
    int r = decoder_init(d, IDENTITY_ENTRYUUID, IDENTITY_ENTRYUUID, false, &options, &wanted,
                         schema, NULL);
    assert_int_equal(r, 0);
    string_list_done(&wanted);
}

/* Another name of one that is wanted, one of them itself, or none; some with an option. */
static const char *name_of(unsigned i, bool *ret_wanted)
{
    static char name[64];
    static const char *const first[] = {"commonName", "MAIL", "sn", "rfc822Mailbox", "x-none"};
    unsigned which = i % ARRAY_SIZE(first);

    *ret_wanted = which != 2 && which != 4;
    if (i < ARRAY_SIZE(first))
        snprintf(name, sizeof(name), "%s", first[i]);
    else
        snprintf(name, sizeof(name), "%s;lang-%u", first[which], i);
    return name;
}

static void test_names(void **state)
{
    (void)state;
    struct schema *schema = schema_new();
    struct decoder d;
    unsigned seed = 7;

    begin(&d, schema);
    for (int k = 0; k < 5000; k++) {
        const struct decoded_name *found = NULL;
        bool wanted;
        const char *name;

        seed = seed * 1664525 + 1013904223;
        name = name_of(k % 7 ? (seed >> 8) % N_NAMES : (seed >> 8) % 8, &wanted);
        assert_int_equal(decode_memory_name(&d, name, &found), 0);
        assert_string_equal(found->name, name);
        assert_int_equal(found->wanted, wanted);
        assert_string_equal(found->canonical ? found->canonical : found->name,
                            schema_canonical(schema, name));
    }
    decoder_done(&d);
    schema_free(schema);
}

/* It says so, and a name that is wanted is not taken for another from then on. */
static void test_memory_fails(void **state)
{
    (void)state;
    struct schema *schema = schema_new();
    int n_failed = 0;

    for (long n = 0;; n++) {
        const struct decoded_name *found = NULL;
        struct decoder d;
        int r;

        begin(&d, schema);
        fail_after = n;
        r = decode_memory_name(&d, "mail;lang-de", &found);
        bool failed = fail_after < 0;
        fail_after = -1;
        assert_int_equal(r, failed ? -ENOMEM : 0);
        assert_int_equal(decode_memory_name(&d, "mail;lang-de", &found), 0);
        assert_true(found->wanted);
        decoder_done(&d);
        n_failed += failed;
        if (!failed)
            break;
    }
    assert_int_equal(n_failed, 2);
    schema_free(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_memory_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
