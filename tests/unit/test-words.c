/*
 * What of a peer's sentence is shown: sentences for people stay as they are, and of a secret
 * that is written in whatever way no telling part can be read. The ways are written here,
 * without the program's code, and none of them is one that it knows.
 */
#include "config.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/leak.h"
#include "base/words.h"
#include "unit.h"

#define ODD_MOST    12
#define SHOWN_MOST  14 /* characters in a row that the encoded secret has, too */
#define SECRET_SIZE 28

static void test_sentences_stay(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "user team not found",
        "Maximum number of users exceeded",
        "forbidden: This user is protected",
        "User p003 already exists",
        "extension 1072 is in use by another user",
        "Der Benutzer ist gesch\xC3\xBCtzt, Zugriff verweigert",
        "\xD0\x9F\xD0\xBE\xD0\xBB\xD1\x8C\xD0\xB7\xD0\xBE\xD0\xB2\xD0\xB0\xD1\x82\xD0\xB5\xD0\xBB\xD1\x8C",
        /* with accents as marks of their own, and in Thai, whose tones are */
        "le ro\xCC\x82le demande\xCC\x81 a e\xCC\x81te\xCC\x81 o\xCC\x82te\xCC\x81 a\xCC\x80 ce"
        "t e\xCC\x81le\xCC\x80ve, re\xCC\x81""essayez apre\xCC\x80s 9 jours",
        "\xE0\xB8\x9C\xE0\xB8\xB9\xE0\xB9\x89\xE0\xB9\x83\xE0\xB8\x8A\xE0\xB9\x89\xE0\xB8\x99"
        "\xE0\xB8\xB5\xE0\xB9\x89\xE0\xB8\xA1\xE0\xB8\xB5\xE0\xB8\xAD\xE0\xB8\xA2\xE0\xB8\xB9"
        "\xE0\xB9\x88\xE0\xB9\x81\xE0\xB8\xA5\xE0\xB9\x89\xE0\xB8\xA7 \xE0\xB8\x81\xE0\xB8\xA3"
        "\xE0\xB8\xB8\xE0\xB8\x93\xE0\xB8\xB2\xE0\xB9\x80\xE0\xB8\xA5\xE0\xB8\xB7\xE0\xB8\xAD"
        "\xE0\xB8\x81\xE0\xB8\x8A\xE0\xB8\xB7\xE0\xB9\x88\xE0\xB8\xAD\xE0\xB8\x9C\xE0\xB8\xB9"
        "\xE0\xB9\x89\xE0\xB9\x83\xE0\xB8\x8A\xE0\xB9\x89\xE0\xB8\xAD\xE0\xB8\xB7\xE0\xB9\x88"
        "\xE0\xB8\x99",
        "an HTML page titled '502 Bad Gateway'",
        "invalid_client: the client is unknown or the secret is wrong",
        "Attribute phoneNumbers[0].value does not match the pattern",
        "{\"message\":\"loginId must not be empty\",\"status\":400}",
        "Blocked by the application firewall, incident 48392038",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char text[300];
        snprintf(text, sizeof(text), "%s", texts[i]);
        words_keep(text, sizeof(text), NULL, ODD_MOST);
        assert_string_equal(text, texts[i]);
    }
    char known[] =
        "the login k3v7-n9m2-x4q8-w6z1 (K3V7-N9M2-X4Q8-W6Z1) is taken, 0123456789abc";
    words_keep(known, sizeof(known), "k3v7-n9m2-x4q8-w6z1", ODD_MOST);
    assert_string_equal(
        known, "the login k3v7-n9m2-x4q8-w6z1 (K3V7-N9M2-X4Q8-W6Z1) is taken, \xE2\x80\xA6");
}

/* -- ways of writing -- */

static char out[2000];

#define EACH(name, format)                                                                     \
    static void name(const unsigned char *s, size_t n)                                         \
    {                                                                                          \
        for (size_t i = 0; i < n; i++)                                                         \
            snprintf(out + strlen(out), sizeof(out) - strlen(out), format, s[i]);              \
    }
EACH(decimal, "%u, ")
EACH(octal, "%o ")
EACH(braces, "\\u{%x}")
EACH(mail, "=%02X")
EACH(twice, "%%25%02x")
EACH(wide, "\\x00%c")
EACH(named, "U+%04X ")

static void reversed(const unsigned char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (char)s[n - 1 - i];
}

static void rotated(const unsigned char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = !isalpha(s[i]) ? (char)s[i] : (char)(s[i] + (tolower(s[i]) < 'n' ? 13 : -13));
}

static void binary(const unsigned char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (int bit = 7; bit >= 0; bit--)
            strcat(out, s[i] >> bit & 1 ? "1" : "0");
}

/* Five digits for four bytes, in these characters. */
static void by_85(const unsigned char *s, size_t n, const char *digits)
{
    for (size_t i = 0; i < n; i += 4) {
        unsigned word = (unsigned)s[i] << 24 | (unsigned)s[i + 1] << 16 |
                        (unsigned)s[i + 2] << 8 | s[i + 3];
        char five[6] = "";
        for (int k = 4; k >= 0; k--, word /= 85)
            five[k] = digits ? digits[word % 85] : (char)('!' + word % 85);
        strcat(out, five);
    }
}

static void ascii85(const unsigned char *s, size_t n)
{
    by_85(s, n, NULL);
}
static void z85(const unsigned char *s, size_t n)
{
    by_85(
        s, n,
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#");
}

static void uuencoded(const unsigned char *s, size_t n)
{
    for (size_t i = 0; i + 3 <= n; i += 3) {
        unsigned word = (unsigned)s[i] << 16 | (unsigned)s[i + 1] << 8 | s[i + 2];
        for (int k = 3; k >= 0; k--) {
            char c[2] = {(char)(32 + (word >> 6 * k & 63)), '\0'};
            strcat(out, c[0] == ' ' ? "`" : c);
        }
    }
}

static void parted(const unsigned char *s, size_t n)
{
    for (size_t i = 0; i < n; i += 5)
        snprintf(out + strlen(out), sizeof(out) - strlen(out), "%.*s--",
                 (int)(n - i < 5 ? n - i : 5), (const char *)s + i);
}

/* Full-width letters. */
static void broad(const unsigned char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned c = 0xFF00 + s[i] - 0x20;
        snprintf(out + strlen(out), sizeof(out) - strlen(out), "%c%c%c", 0xE0 | c >> 12,
                 0x80 | (c >> 6 & 63), 0x80 | (c & 63));
    }
}

static void (*const ways[])(const unsigned char *s, size_t n) = {
    decimal, octal,  braces,  mail, twice,     wide,   named, reversed,
    rotated, binary, ascii85, z85,  uuencoded, parted, broad,
};

static size_t squeeze(char *text)
{
    size_t n = 0;
    for (size_t i = 0; text[i]; i++)
        if (text[i] != ' ')
            text[n++] = text[i];
    text[n] = '\0';
    return n;
}

static size_t longest_common(const char *a, const char *b)
{
    size_t most = 0;
    for (; *a; a++)
        for (const char *c = b; *c; c++) {
            size_t n = 0;
            while (a[n] && a[n] == c[n])
                n++;
            most = n > most ? n : most;
        }
    return most;
}

static void test_no_way_of_writing(void **state)
{
    (void)state;
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    srandom(9);
    for (int round = 0; round < 300; round++) {
        unsigned char secret[SECRET_SIZE + 1] = "";
        for (size_t i = 0; i < SECRET_SIZE; i++) /* of letters alone, sometimes */
            secret[i] = (unsigned char)alphabet[random() % (round % 5 ? 64 : 52)];
        for (size_t w = 0; w < sizeof(ways) / sizeof(ways[0]); w++) {
            char text[2300], shown[2300];
            memset(out, 0, sizeof(out));
            ways[w](secret, SECRET_SIZE);
            snprintf(text, sizeof(text), "the request said %s and that is refused", out);
            snprintf(shown, sizeof(shown), "%s", text);
            if (leak_shows(text, false, (const char *)secret))
                continue;
            words_keep(shown, sizeof(shown), NULL, ODD_MOST);
            assert_non_null(strstr(shown, "the request said"));
            assert_non_null(strstr(shown, "is refused"));
            squeeze(out);
            squeeze(shown);
            if (longest_common(shown, out) > SHOWN_MOST)
                fail_msg("way %zu of %s: %s", w, secret, shown);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sentences_stay),
        cmocka_unit_test(test_no_way_of_writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
