/* Secrets in texts of others, written in whatever way; and texts that hold none. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/leak.h"
#include "unit.h"

#define SECRET "Zq7/wK+e9=Tt_4xV%b&\"u"

static void test_written_in_some_way(void **state)
{
    (void)state;
    /* Made with Python: json.dumps, urllib.parse.quote, html.escape, base64, binascii, quopri.
     */
    static const char *const texts[] = {
        SECRET,
        "token " SECRET " is bad",
        "zq7/wk+e9=tt_4xv%b&\"u",
        "Zq7\\/wK+e9=Tt_4xV%b&\\\"u",
        "\\u005a\\u0071\\u0037\\u002f\\u0077\\u004b\\u002b\\u0065\\u0039\\u003d\\u0054\\u0074_4xV%b&"
        "\\u0022u",
        "Zq7%2FwK%2Be9%3DTt_4xV%25b%26%22u",
        "Zq7%252FwK%252Be9%253DTt_4xV%2525b%2526%2522u",
        "Zq7/wK+e9=Tt_4xV%b&amp;&quot;u",
        "Zq7&#47;wK&#x2b;e9&equals;Tt&lowbar;4xV&percnt;b&amp;&#34;u",
        "WnE3L3dLK2U5PVR0XzR4ViViJiJ1",
        "Basic YXBpOlpxNy93SytlOT1UdF80eFYlYiYidQ==",
        "Basic YTpacTcvd0srZTk9VHRfNHhWJWImInU=",
        "V25FM0wzZExLMlU5UFZSMFh6UjRWaVZpSmlKMQ==",
        "5a71372f774b2b65393d54745f3478562562262275",
        "LJYTOL3XJMVWKOJ5KR2F6NDYKYSWEJRCOU======",
        "Zq7/wK+e9=3DTt_4xV%b&\"u",
        "Z q 7 / w K + e 9 = T t _ 4 x V % b & \" u",
        "\\x5aq7/wK+e9=Tt_4xV%b&\\x22u",
        "\\132q7/wK+e9=Tt_4xV%b&\"u",
        "Basic WnE3L3dLK2U5PVR0XzR4ViViJiJ1OmFwaS51c2Vy", /* password first */
        "WnE3L3dLK2U5PVR0XzR4ViViJiJ1", /* also without its end, in the alphabet of URLs */
        "WgBxADcALwB3AEsAKwBlADkAPQBUAHQAXwA0AHgAVgAlAGIAJgAiAHUA", /* of UTF-16 */
        "5a00710037002f0077004b002b006500390"
        "03d00540074005f0034007800560025006200260022007500",
        "Z\\u0000q\\u00007\\u0000/\\u0000w\\u0000K\\u0000+\\u0000e\\u00009\\u0000=\\u0000T\\u0000t\\u0000_",
        "5a:71:37:2f:77:4b:2b:65:39:3d:54:74:5f:34:78:56:25:62:26:22:75",
        "5A-71-37-2F-77-4B-2B-65-39-3D-54-74-5F-34-78-56-25-62-26-22-75",
        "0x5A, 0x71, 0x37, 0x2F, 0x77, 0x4B, 0x2B, 0x65, 0x39, 0x3D, 0x54, 0x74, 0x5F, 0x34, 0x78, 0x56",
        "Z-q-7-/-w-K-+-e-9-=-T-t-_-4-x-V-%-b-&-\"-u",
        "Z*q*7*/*w*K*+*e*9*=*T*t*_*4*x*V*%*b*&*\"*u",
        "Z\xE2\x80\x8Bq\xE2\x80\x8B" "7\xE2\x80\x8Bw\xE2\x80\x8BK\xE2\x80\x8B" "e\xE2\x80\x8B" "9\xE2\x80\x8BT\xE2\x80\x8Bt"
        "\xE2\x80\x8B" "4\xE2\x80\x8Bx", /* blanks without width */
        "LJYT-OL3X-JMVW-KOJ5-KR2F-6NDY-KYSW-EJRC-OU",
        "the beginning alone: Zq7/wK+e9=Tt",
        "cut in the middle of it: Zq7/wK\xE2\x80\xA6",
        "cut in an escape of it: Zq7/wK\\u00\xE2\x80\xA6",
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        if (!leak_shows(texts[i], false, SECRET))
            fail_msg("row %zu: %s", i, texts[i]);
    assert_true(leak_shows("cut: Zq7/wK", true, SECRET));
}

static void test_what_is_none(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "user team not found",
        "Maximum number of users exceeded",
        "the beginning, but not cut: Zq7/wK",
        "{\"error\":\"forbidden\",\"error_description\":\"This user is protected\"}",
        "an HTML page titled '502 Bad Gateway'",
        "0123456789abcdef0123456789abcdef0123456789abcdef",
        "VGhpcyBpcyBub3QgdGhlIHNlY3JldCB0aGF0IHlvdSBhcmUgbG9va2luZyBmb3I=",
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        if (leak_shows(texts[i], false, SECRET))
            fail_msg("row %zu: %s", i, texts[i]);
    assert_false(leak_shows(NULL, false, SECRET));
    assert_false(leak_shows("text", false, NULL));
    assert_false(leak_shows("text", false, ""));
    assert_true(leak_shows("ab", false, "ab")); /* a bad secret is one too */
    /* One of signs, whose few letters are in every sentence. */
    assert_false(leak_shows("user team not found", false, "a!?$%&/()=#-*~"));
    assert_true(leak_shows("token a!?$%&/()=#-*~ is bad", false, "a!?$%&/()=#-*~"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_in_some_way),
        cmocka_unit_test(test_what_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
