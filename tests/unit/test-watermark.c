/* Change marks: how far they are moved back, and which of two is the greater. */
#include "config.h"

#include <stdlib.h>

#include "directory/watermark.h"
#include "unit.h"

static void test_marks(void **state)
{
    (void)state;
    static const struct {
        const char *attribute, *mark;
        unsigned more;
        const char *back;
    } rows[] = {
        {"uSNChanged", "5000", 9, "4900"},
        {"entryusn", "50", 0, "0"},
        {"uSNChanged", "x", 0, NULL},
        {"entryCSN", "20261124000010.123456Z#000000#001#000000", 0,
         "20261123235940.000000Z#000000#000#000000"},
        {"modifyTimestamp", "20260301000030Z", 60, "20260228235830Z"},
        {"modifyTimestamp", "2026", 0, NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char *back = watermark_move_back(rows[i].attribute, rows[i].mark, rows[i].more);
        if (rows[i].back)
            assert_string_equal(back, rows[i].back);
        else
            assert_null(back);
        free(back);
    }
}

static void test_greater_watermark(void **state)
{
    (void)state;
    static const struct {
        const char *mark, *before;
        bool greater;
    } rows[] = {
        {"9", NULL, true},
        {"", NULL, false},
        {"10", "9", true},
        {"9", "10", false},
        {"10", "10", false},
        {"20261124000011Z", "20261124000010Z", true},
        {"20261124000009Z", "20261124000010Z", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (watermark_is_greater(rows[i].mark, rows[i].before) != rows[i].greater)
            fail_msg("row %zu", i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_greater_watermark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
