/* Lists, skills and the end of accounts, as people and directories write them. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "mapping/expiry.h"
#include "mapping/skills.h"
#include "unit.h"

#define FIFTY   "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define LONGEST FIFTY FIFTY FIFTY FIFTY FIFTY "xxxxx"

/* The list in one canonical text, errors in brackets. */
static char *canonical(const char *text)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    size_t n_calls = 0;
    for (size_t at = 0;;) {
        struct list_element x = {0};
        struct error e = {0};
        CLEANUP(freep) char *name = NULL;
        size_t offset;
        unsigned level;
        int r = list_next(text, &at, &x, &offset, &e);
        if (r == 0)
            break;
        if (r == 1)
            r = skill_from_element(&x, &name, &level, &offset, &e);
        list_element_done(&x);
        assert_true(r == 0 || r == -EINVAL);
        if (r == 0)
            buffer_format(&b, "<%s=%u>", name, level);
        else
            buffer_format(&b, "[%zu: %s]", offset, e.message);
        assert_in_range(++n_calls, 0, strlen(text) + 1); /* it ends, whatever was wrong */
    }
    return buffer_take(&b);
}

static void test_reads_lists(void **state)
{
    static const char *const rows[][2] = {
        {"English", "<English=100>"},
        {"English:100, \"Billing, high\":80", "<English=100><Billing, high=80>"},
        {" English : 5 ,Spanish:0", "<English=5><Spanish=0>"},
        {"Customer Service:7", "<Customer Service=7>"},
        {"Spanish=100",
         "[7: 'Spanish=100' would be read as the name of a skill: a level follows ':' and not '='; put a name that really ends so in double quotes]"},
        {"\"a=100\", b=c, d=1:5", "<a=100=100><b=c=100><d=1=5>"},
        {"\"a:b\":3,\"a:b\"", "<a:b=3><a:b=100>"},
        {"\"say \"\"hi\"\"\"", "<say \"hi\"=100>"},
        {"a:b:3", "<a:b=3>"},
        {"", ""},
        {"a,", "<a=100>[2: an element of the list is empty]"},
        {"a , ", "<a=100>[3: an element of the list is empty]"},
        {",", "[0: an element of the list is empty]"},
        {"a,,", "<a=100>[2: an element of the list is empty]"},
        {"a\"b,", "[0: 'a\"b': a double quote must open the element]"
                  "[4: an element of the list is empty]"},
        {"\"a\",", "<a=100>[4: an element of the list is empty]"},
        {",a", "[0: an element of the list is empty]<a=100>"},
        {"a,,b", "<a=100>[2: an element of the list is empty]<b=100>"},
        {"a:101,b:x,c",
         "[2: '101' is not a level; a whole number from 0 to 100 is expected]"
         "[8: 'x' is not a level; a whole number from 0 to 100 is expected]<c=100>"},
        {"a:-1", "[2: '-1' is not a level; a whole number from 0 to 100 is expected]"},
        {"a:", "[2: '' is not a level; a whole number from 0 to 100 is expected]"},
        {"a:1.5", "[2: '1.5' is not a level; a whole number from 0 to 100 is expected]"},
        {":5", "[0: the name of the skill is missing]"},
        {"\"\":5", "[0: an element of the list is empty]"},
        {"\"a", "[0: the closing double quote is missing]"},
        {"\"a\"x:5", "[3: 'x:5' follows the closing quote; ',' or ':LEVEL' is expected]"},
        {"\"a\":x", "[4: 'x' is not a level; a whole number from 0 to 100 is expected]"},
        {"a=5 %",
         "[1: 'a=5 %' would be read as the name of a skill: a level follows ':' and not '='; put a name that really ends so in double quotes]"},
        {"\"" LONGEST "x\"", "[0: the name of the skill is longer than 255 bytes]"},
        {"a= 5x", "<a= 5x=100>"},
        {"a=", "<a==100>"},
        {"\ta\t:\t5\t", "<a=5>"},
        {"a\"b\"", "[0: 'a\"b\"': a double quote must open the element]"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(freep) char *text = canonical(rows[i][0]);
        if (strcmp(text, rows[i][1]) != 0)
            fail_msg("%s: %s", rows[i][0], text);
    }
}

static void test_reads_values_of_directories(void **state)
{
    static const struct {
        const char *value, *name;
        unsigned level;
    } rows[] = {
        {"Billing", "Billing", 100},
        {"Billing:80", "Billing", 80},
        {"Billing=0", "Billing", 0},
        {" Billing : 7 ", "Billing", 7},
        {"Billing, high:3", "Billing, high", 3},
        {"Billing:101", NULL, 0},
        {"Billing:", NULL, 0},
        {":5", NULL, 0},
        {"", NULL, 0},
        {"Billing:high", NULL, 0},
        {"Billing:-1", NULL, 0},
        {"Billing:1e2", NULL, 0},
        {"Billing:4294967301", NULL, 0},
        {LONGEST, LONGEST, 100},
        {LONGEST "x", NULL, 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(freep) char *name = NULL;
        struct error e = {0};
        unsigned level = 0;
        int r = skill_from_value(rows[i].value, &name, &level, &e);
        assert_row(rows[i].value, r == (rows[i].name ? 0 : -EINVAL));
        assert_row(rows[i].value, r < 0 || strcmp(name, rows[i].name) == 0);
        assert_row(rows[i].value, level == rows[i].level);
    }
}

enum {
    BAD = 1,
    NEVER = 2,
    AT = 3
};
static const struct {
    const char *attribute, *value;
    int what;
    uint64_t usec;
} ends[] = {
    {"accountExpires", "0", NEVER, 0},
    {"accountExpires", "9223372036854775807", NEVER, 0},
    {"accountExpires", "9223372036854775806", NEVER, 0}, /* year 30828 */
    {"accountExpires", "133497504000000000", AT, 1705276800000000},
    {"accountExpires", "116444736000000010", AT, 1},
    {"accountExpires", "1", BAD, 0},
    {"accountExpires", "-1", BAD, 0},
    {"accountExpires", "9223372036854775808", BAD, 0},
    {"accountExpires", "", BAD, 0},
    {"accountExpires", "tomorrow", BAD, 0},
    {"krbPrincipalExpiration", "20240115000000Z", AT, 1705276800000000},
    {"krbPrincipalExpiration", "20240115010000+0100", AT, 1705276800000000},
    {"krbPrincipalExpiration", "202401150000.5Z", AT, 1705276830000000},
    {"krbPrincipalExpiration", "2024011500,25Z", AT, 1705277700000000},
    {"krbPrincipalExpiration", "19600101000000Z", BAD, 0}, /* nobody knew the end */
    {"krbPrincipalExpiration", "20240229000000Z", AT, 1709164800000000},
    {"krbPrincipalExpiration", "20230229000000Z", BAD, 0},
    {"krbPrincipalExpiration", "20240115000000", BAD, 0},
    {"krbPrincipalExpiration", "20241315000000Z", BAD, 0},
    {"krbPrincipalExpiration", "20240115250000Z", BAD, 0},
    {"krbPrincipalExpiration", "20240115000000.123Z", AT, 1705276800123000},
    {"endDate", "2024-01-14", AT, 1705276800000000}, /* the last day is still one */
    {"endDate", "20240114", AT, 1705276800000000},
    {"endDate", "2024/01/14", AT, 1705276800000000},
    {"endDate", "2024-01-15T00:00:00Z", AT, 1705276800000000},
    {"endDate", "2024-01-15T01:00:00+01:00", AT, 1705276800000000},
    {"endDate", "2024-01-15 00:00", AT, 1705276800000000},
    {"endDate", "2024-01-15T00:00:00.25Z", AT, 1705276800250000},
    {"endDate", "2024-13-14", BAD, 0},
    {"endDate", "2024-02-30", BAD, 0},
    {"endDate", "14.01.2024", BAD, 0},
    {"endDate", "2024-01-15T", BAD, 0},
    {"endDate", "2024-01", BAD, 0},
    {"endDate", "20241399", BAD, 0},
    {"sambaKickoffTime", "1705276800", AT, 1705276800000000},
    {"sambaKickoffTime", "2024011500", AT, 2024011500000000}, /* seconds, and no date */
    {"sambaKickoffTime", "2147483647", NEVER, 0},
    {"sambaKickoffTime", "-1", NEVER, 0},
    {"sambaKickoffTime", "19737", BAD, 0}, /* days: would be 1970 */
    {"sambaKickoffTime", "240114", BAD, 0},
    {"accountExpires", "1705276800", BAD, 0},
    {"shadowExpire", "19737", AT, 1705276800000000},
    {"shadowExpire", "-1", NEVER, 0},
    {"shadowExpire", "1", AT, 86400000000},
    {"shadowExpire", "99999999999999999999", BAD, 0},
    {"shadowExpire", "100000001", BAD, 0},
    {"shadowExpire", "100000000", NEVER, 0}, /* the year 275760 */
    {"shadowExpire", "-", BAD, 0},
    {"shadowExpire", "2024-01-14", AT, 1705276800000000},
    {"accountExpires", "116444736000000000", AT, 0},
    {"accountExpires", "116444735999999999", BAD, 0},
    {"accountExpires", "-9223372036854775808", BAD, 0},
    {"sambaKickoffTime", "315532800", AT, 315532800000000},
    {"sambaKickoffTime", "315532799", BAD, 0},
    {"sambaKickoffTime", "100000000000", AT, 100000000000000000},
    {"sambaKickoffTime", "100000000001", BAD, 0},
    {"sambaKickoffTime", "9223372036854775808", BAD, 0},
    {"endDate", "2024-01-14Z", AT, 1705276800000000},
    {"endDate", "2024-01-14+01:00", AT, 1705273200000000},
    {"endDate", "20240114T235959", AT, 1705276799000000},
    {"endDate", "2024-01-15t00", AT, 1705276800000000},
    {"endDate", "2024-01-15 00:00:00-01:00", AT, 1705280400000000},
    {"endDate", "2024-01-/14", BAD, 0},
    {"endDate", "2024-01-:4", BAD, 0},
    {"endDate", "2024_01_14", BAD, 0},
    {"endDate", "2024-01-15T00:00:00 UTC", BAD, 0},
    {"endDate", "2024-01-15T00:00:00.000000000000000000000000000000000000000000000000000Z", BAD, 0},
    {"endDate", "-1234567", BAD, 0},
    {"endDate", "2024-01-15T00:00:000", BAD, 0},
    {"endDate", "2024-01-15T00:00:00.", BAD, 0},
    {"endDate", "16010101000000.0Z", BAD, 0},
    {"endDate", "0001-01-01T00:00:00Z", BAD, 0},
    {"endDate", "00000101000000Z", BAD, 0},
    {"endDate", "19691231235959Z", BAD, 0},
    {"endDate", "1969-12-31", BAD, 0}, /* a date ends with its day */
    {"endDate", "19700101000000Z", BAD, 0},
    {"krbPrincipalExpiration", "19700101000000Z", NEVER, 0}, /* MIT Kerberos */
    {"endDate", "19700101000001Z", AT, 1000000},
    {"endDate", "9999-12-30", AT, 253402214400000000},
    {"endDate", "9999-12-31", NEVER, 0}, /* ends with the last year that there is */
    {"shadowexpire", "0", NEVER, 0},
};

/* Any generalizedTime of RFC 4517, against the C library's calendar. */
static void test_reads_times_of_any_form(void **state)
{
    static const int lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    (void)state;
    srandom(1601);
    for (int i = 0; i < 20000; i++) {
        struct tm tm = {.tm_year = (int)(random() % 10000) - 1900, .tm_mon = (int)(random() % 12)};
        int year = tm.tm_year + 1900, form = (int)(random() % 3), sign = (int)(random() % 3) - 1;
        bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        int length = tm.tm_mon == 1 && !leap ? 28 : lengths[tm.tm_mon];
        tm.tm_mday = (int)(random() % 31) + 1;
        tm.tm_hour = (int)(random() % 24);
        tm.tm_min = form > 0 ? (int)(random() % 60) : 0;
        tm.tm_sec = form > 1 ? (int)(random() % 61) : 0;
        unsigned tenths = random() % 2 ? (unsigned)(random() % 10000) : 0;
        int zone = (int)(random() % (24 * 60)), with_minutes = (int)(random() % 2);
        static const int64_t units[] = {3600000000, 60000000, 1000000};
        char value[64];
        int n = snprintf(value, sizeof(value), "%04d%02d%02d%02d", year, tm.tm_mon + 1, tm.tm_mday,
                         tm.tm_hour);
        if (form > 0)
            n += snprintf(value + n, sizeof(value) - (size_t)n, "%02d", tm.tm_min);
        if (form > 1)
            n += snprintf(value + n, sizeof(value) - (size_t)n, "%02d", tm.tm_sec);
        if (tenths)
            n += snprintf(value + n, sizeof(value) - (size_t)n, "%c%04u", random() % 2 ? '.' : ',', tenths);
        zone -= with_minutes ? 0 : zone % 60;
        if (!sign)
            snprintf(value + n, sizeof(value) - (size_t)n, "Z");
        else
            snprintf(value + n, sizeof(value) - (size_t)n, with_minutes ? "%c%02d%02d" : "%c%02d",
                     sign > 0 ? '+' : '-', zone / 60, zone % 60);
        bool exists = tm.tm_mday <= length;
        int64_t usec = (int64_t)timegm(&tm) * 1000000 + units[form] / 10000 * tenths -
                       sign * zone * (int64_t)60000000;
        struct expiry x = {0}, start = {0};
        struct error e = {0};
        int r = expiry_parse("endDate", value, &x, &e);
        bool never = usec > 253402300799999999;
        if (r != (exists && usec > 0 ? 0 : -EINVAL) || x.never != (r == 0 && never) ||
            (r == 0 && !never && x.usec != (uint64_t)usec))
            fail_msg("%s: %d %llu, not %lld", value, r, (unsigned long long)x.usec, (long long)usec);
        r = expiry_parse_start("begin", value, &start, &e);
        if (r != (exists ? 0 : -EINVAL) ||
            (exists && !never && start.usec != (uint64_t)(usec > 0 ? usec : 0)))
            fail_msg("%s as a start: %d", value, r);
    }
}

static void test_reads_ends_of_accounts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        struct expiry x = {0};
        struct error e = {0};
        int r = expiry_parse(ends[i].attribute, ends[i].value, &x, &e);
        assert_row(ends[i].value, r == (ends[i].what == BAD ? -EINVAL : 0));
        assert_row(ends[i].value, x.never == (ends[i].what == NEVER));
        if (x.usec != ends[i].usec)
            fail_msg("%s: %llu", ends[i].value, (unsigned long long)x.usec);
    }
}

/* A date alone is the first day: it begins when the day does. */
static void test_reads_beginnings(void **state)
{
    static const struct {
        const char *attribute, *value;
        bool never;
        uint64_t usec;
    } rows[] = {
        {"begin", "2024-01-15", false, 1705276800000000},
        {"begin", "20240115", false, 1705276800000000},
        {"begin", "2024-01-15T12:00:00Z", false, 1705320000000000},
        {"begin", "1705276800", false, 1705276800000000},
        {"begin", "19650301", false, 0},
        {"begin", "-1", true, 0},
        {"begin", "9999-12-31", false, 253402214400000000},
        {"begin", "99991231235959.999999Z", false, 253402300799999999},
        {"accountExpires", "9223372036854775806", true, 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct expiry x = {0};
        struct error e = {0};
        assert_row(rows[i].value,
                   expiry_parse_start(rows[i].attribute, rows[i].value, &x, &e) == 0);
        assert_row(rows[i].value, x.never == rows[i].never && x.usec == rows[i].usec);
    }
    struct expiry x = {0};
    struct error e = {0};
    assert_int_equal(expiry_parse_start("begin", "soon", &x, &e), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_lists),
        cmocka_unit_test(test_reads_values_of_directories),
        cmocka_unit_test(test_reads_times_of_any_form),
        cmocka_unit_test(test_reads_ends_of_accounts),
        cmocka_unit_test(test_reads_beginnings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
