/*
 * Text: checks, folding, ASCII for logins, printing and distance.
 * Covers T34 (spellings of one name) and T41 (control bytes) as far as text goes.
 */
#include "config.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/text-map.h"
#include "base/text.h"
#include "unit.h"

static void test_string_list(void **state)
{
    (void)state;
    CLEANUP(string_list_done) struct string_list l = {0};
    for (unsigned i = 0; i < 100; i++) {
        char text[16];
        snprintf(text, sizeof(text), "item %u", i);
        assert_int_equal(string_list_add(&l, text), 0);
    }
    assert_int_equal(string_list_add_n(&l, "abcdef", 3), 0);
    assert_int_equal(l.n_items, 101);
    assert_string_equal(l.items[100], "abc");
    assert_true(string_list_contains(&l, "item 99"));
    assert_false(string_list_contains(&l, "Item 99"));
    assert_false(string_list_contains(&l, "abcdef"));
}

/* Against a list that is walked; also after something was added otherwise, or all is gone. */
static void test_list_of_each_once(void **state)
{
    (void)state;
    CLEANUP(string_list_done) struct string_list l = {0}, names = {0}, plain = {0};
    uint32_t seed = 7;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 2000; i++) {
            char text[16];
            seed = seed * 1664525U + 1013904223U;
            snprintf(text, sizeof(text), "%stem %u", seed >> 31 ? "I" : "i", (seed >> 16) % 700);
            if (i % 50 == 0) {
                assert_int_equal(string_list_add(&l, text), 0);
                assert_int_equal(string_list_add(&plain, text), 0);
            }
            assert_true(string_list_contains(&l, text) == string_list_contains(&plain, text));
            if (!string_list_contains(&plain, text))
                assert_int_equal(string_list_add(&plain, text), 0);
            assert_int_equal(string_list_add_once(&l, text), 0);
            assert_int_equal(string_list_add_name(&names, text), 0);
            assert_int_equal(l.n_items, plain.n_items);
            assert_string_equal(l.items[l.n_items - 1], plain.items[l.n_items - 1]);
            assert_true(string_list_contains(&l, text));
            assert_false(string_list_contains(&l, "item"));
        }
        assert_true(names.n_items > 600 && names.n_items <= 700);
        string_list_done(&l);
        string_list_done(&plain);
    }
}

static void test_list_remove(void **state)
{
    (void)state;
    CLEANUP(string_list_done) struct string_list l = {0};
    for (const char *c = "abcb"; *c; c++)
        assert_int_equal(string_list_add_once(&l, (char[]){*c, 0}), 0);
    string_list_remove(&l, "a");
    string_list_remove(&l, "d");
    assert_int_equal(l.n_items, 2);
    assert_false(string_list_contains(&l, "a"));
    assert_true(string_list_contains(&l, "b") && string_list_contains(&l, "c"));
    assert_int_equal(string_list_add_once(&l, "c"), 0);
    assert_int_equal(string_list_add_once(&l, "a"), 0);
    assert_int_equal(l.n_items, 3);
}

static void test_map(void **state)
{
    (void)state;
    CLEANUP(text_map_done) struct text_map m = {0};
    static const char *const texts[] = {"b", "a", "c", "a", "", "B", "c"};
    static const unsigned firsts[] = {0, 1, 2, 1, 4, 5, 2};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        const void *found = NULL;
        assert_int_equal(text_map_add(&m, texts[i], &texts[i], &found), 0);
        assert_ptr_equal(found, &texts[firsts[i]]);
    }
}

static void test_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        bool is_utf8, has_control;
    } rows[] = {
        {"", 0, true, false},
        {"abc", 3, true, false},
        {"a\0b", 3, true, true},
        {"a\tb", 3, true, true},
        {"a\x7f", 2, true, true},
        {"\xc2\x85", 2, true, true},
        {"\xc2\x9f", 2, true, true},
        {"\xc2\xa0", 2, true, false},
        {"\xe2\x80\xa8", 3, true, true},
        {"\xe2\x80\xa9", 3, true, true},
        {"\xe2\x80\xaa", 3, true, false},
        {"\xf0\x9f\x98\x80", 4, true, false},
        {"\xc3", 1, false, false},
        {"\xc0\xaf", 2, false, false},
        {"\xed\xa0\x80", 3, false, false}, /* a surrogate */
        {"\xff\n", 2, false, true},
        {"\xf4\x90\x80\x80", 4, false, false}, /* above U+10FFFF */
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_row(rows[i].bytes, text_is_utf8(rows[i].bytes, rows[i].size) == rows[i].is_utf8);
        assert_row(rows[i].bytes,
                   text_has_control(rows[i].bytes, rows[i].size) == rows[i].has_control);
    }
}

static void test_equal(void **state)
{
    (void)state;
    assert_true(text_equal(NULL, NULL));
    assert_false(text_equal("a", NULL));
    assert_false(text_equal(NULL, "a"));
    assert_true(text_equal("a", "a"));
    assert_false(text_equal("a", "A"));
    assert_true(text_equal_ascii_case("objectClass", "OBJECTclass"));
    assert_true(text_equal_ascii_case(NULL, NULL));
    assert_false(text_equal_ascii_case("a", NULL));
    assert_false(text_equal_ascii_case("ab", "a"));
    assert_false(text_equal_ascii_case("\xc3\xa9", "\xc3\x89"));
    assert_true(text_compare_ascii_case("abc", "ABD") < 0);
    assert_true(text_compare_ascii_case("b", "ABD") > 0);
    assert_true(text_compare_ascii_case("a", "ab") < 0);
    assert_true(text_compare_ascii_case("z", "\xc3\xa9") < 0);
    assert_int_equal(text_compare_ascii_case("[", "["), 0);
    assert_true(text_compare_ascii_case("[", "{") != 0);
}

static const struct {
    const char *text, *folded;
} folds[] = {
    {"", ""},
    {"   ", ""},
    {"Shiz", "shiz"},
    {"  Shiz  van  X ", "shiz van x"},
    {"a\tb\r\nc", "a b c"},
    {"a\x01"
     "b",
     "ab"},
    {"STRASSE", "strasse"},
    {"Stra\xc3\x9f"
     "e",
     "strasse"},
    {"JOS\xc3\x89", "jos\xc3\xa9"},
    {"Jose\xcc\x81", "jos\xc3\xa9"},
    {"Jos\xc3\xa9 ", "jos\xc3\xa9"},
    {"a\xc2\xa0\xe2\x80\x83"
     "b",
     "a b"}, /* NO-BREAK SPACE, EM SPACE */
    {"\xe3\x80\x80Tanaka\xe3\x80\x80", "tanaka"},
    {"so\xc2\xad"
     "ft",
     "soft"},
    {"zero\xe2\x80\x8bwidth", "zerowidth"},
    {"\xce\xa3\xce\xaf\xcf\x83\xcf\x85\xcf\x86\xce\xbf\xcf\x82",
     "\xcf\x83\xce\xaf\xcf\x83\xcf\x85\xcf\x86\xce\xbf\xcf\x83"},
    {"\xd0\x98\xd0\x92\xd0\x90\xd0\x9d", "\xd0\xb8\xd0\xb2\xd0\xb0\xd0\xbd"},
    {"\xe7\x94\xb0\xe4\xb8\xad", "\xe7\x94\xb0\xe4\xb8\xad"},
    {"\xf0\x9f\x98\x80 X", "\xf0\x9f\x98\x80 x"},
    {"\xef\xac\x81", "fi"},           /* the ligature: full case folding opens it */
    {"\xef\xbd\x81", "\xef\xbd\x81"}, /* a wide a stays wide: NFC, not NFKC */
};

static void test_without_heading(void **state)
{
    static const char *const rows[][3] = {
        {"uid=a: no team", "uid=a", "no team"}, {"uid=ab: no team", "uid=a", "uid=ab: no team"},
        {"uid=a", "uid=a", "uid=a"},            {"uid=a:no", "uid=a", "uid=a:no"},
        {"uid=a: x", NULL, "uid=a: x"},         {": x", "", ": x"},
        {"uid=a: ", "uid=a", ""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_string_equal(text_without_heading(rows[i][0], rows[i][1]), rows[i][2]);
    assert_null(text_without_heading(NULL, "uid=a"));
}

static void test_fold(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(folds); i++) {
        CLEANUP(freep) char *folded = text_fold(folds[i].text, strlen(folds[i].text));
        assert_non_null(folded);
        assert_string_equal(folded, folds[i].folded);
        CLEANUP(freep) char *again = text_fold(folded, strlen(folded));
        assert_string_equal(again, folded);
    }
    assert_null(text_fold("a\xff", 2));
    CLEANUP(freep) char *part = text_fold("ABCdef", 3);
    assert_string_equal(part, "abc");
}

/* The fast path and Unicode's must not differ: each text once alone, once behind an accent. */
static void test_fold_paths_agree(void **state)
{
    (void)state;
    for (int c = 1; c < 128; c++) {
        char plain[] = {'x', (char)c, 'Y', '\0'};
        char accented[] = {'\xc3', '\xa9', 'x', (char)c, 'Y', '\0'};
        CLEANUP(freep) char *a = text_fold(plain, 3);
        CLEANUP(freep) char *b = text_fold(accented, 5);
        assert_string_equal(a, b + 2);
    }
}

static void test_equal_fold(void **state)
{
    (void)state;
    assert_true(text_equal_fold("Shiz ", "shiz"));
    assert_true(text_equal_fold("Jose\xcc\x81", "JOS\xc3\x89"));
    assert_false(text_equal_fold("a", "b"));
    assert_true(text_equal_fold(NULL, NULL));
    assert_false(text_equal_fold(NULL, ""));
    assert_true(text_equal_fold("\xff", "\xff"));
    assert_false(text_equal_fold("\xff", "\xfe"));
    /* With and without memory for the two forms, it is the same comparison. */
    static const char *const texts[] = {"",     " ",     "a",      "A ",     " a",    "a b",   "A  B",
                                        "a\tb", "a\x01" "b", "ab ", "\x7f",  "a\x7f ", "b", "a b c",
                                        "[", "{", "Z@", "z`", "z@", "\xc2\xad" "a", "a\xc2\xa0" "b"};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        for (size_t j = 0; j < ARRAY_SIZE(texts); j++) {
            CLEANUP(freep) char *a = text_fold(texts[i], strlen(texts[i]));
            CLEANUP(freep) char *b = text_fold(texts[j], strlen(texts[j]));
            assert_row(texts[i], text_equal_fold(texts[i], texts[j]) == !strcmp(a, b));
        }
}

static void test_case(void **state)
{
    (void)state;
    static const struct {
        const char *text, *lower, *upper;
    } rows[] = {
        {"", "", ""},
        {"aZ[`{@", "az[`{@", "AZ[`{@"},
        {"\xc3\x89lodie", "\xc3\xa9lodie", "\xc3\x89LODIE"},
        {"stra\xc3\x9f"
         "e",
         "stra\xc3\x9f"
         "e",
         "STRA\xc3\x9f"
         "E"}, /* as the shell: one letter for one */
        {"\xc4\xb0stanbul", "istanbul", "\xc4\xb0STANBUL"},
        {"I\xcc\x87stanbul", "istanbul", "\xc4\xb0STANBUL"}, /* composed first */
        {"\xef\xac\x81n", "\xef\xac\x81n", "\xef\xac\x81N"},
        {"\xc5\x81UKASZ", "\xc5\x82ukasz", "\xc5\x81UKASZ"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(freep) char *lower = text_lower(rows[i].text);
        CLEANUP(freep) char *upper = text_upper(rows[i].text);
        assert_string_equal(lower, rows[i].lower);
        assert_string_equal(upper, rows[i].upper);
    }
    assert_null(text_lower("\xff"));
    assert_null(text_upper("\xff"));
}

static void test_to_ascii(void **state)
{
    (void)state;
    static const struct {
        const char *text, *ascii, *german;
    } rows[] = {
        {"", "", ""},
        {"plain", "plain", "plain"},
        {"Jos\xc3\xa9 M\xc3\xbcller", "Jose Muller", "Jose Mueller"},
        {"Mu\xcc\x88ller", "Muller", "Mueller"},
        {"\xc3\x84\xc3\x96\xc3\x9c\xc3\xa4\xc3\xb6\xc3\xbc", "AOUaou", "AeOeUeaeoeue"},
        {"Stra\xc3\x9f"
         "e",
         "Strasse", "Strasse"},
        {"\xc5\x81ukasz", "Lukasz", "Lukasz"},
        {"\xc3\x86r\xc3\xb8", "AEro", "AEro"},
        {"\xc3\x9e\xc3\xb3r", "THor", "THor"},
        {"\xc4\x90or\xc4\x91"
         "e",
         "Dorde", "Dorde"},
        {"\xc5\x92uvre", "OEuvre", "OEuvre"},
        {"Yal\xc4\xb1n \xc4\xb0", "Yalin I", "Yalin I"},
        {"O\xe2\x80\x99"
         "Brien",
         "O'Brien", "O'Brien"},
        {"Nguy\xe1\xbb\x85n", "Nguyen", "Nguyen"},
        {"Иван Щербаков", "Ivan Shcherbakov", "Ivan Shcherbakov"},
        {"ЩЕРБАКОВ", "SHCHERBAKOV", "SHCHERBAKOV"},
        {"Юлія Ґалаґан", "Iuliia Galagan", "Iuliia Galagan"},
        {"Љубица Ђорђевић", "Ljubitsa Dordevic", "Ljubitsa Dordevic"},
        {"Игорь", "Igor", "Igor"},
        {"Γιώργος Παπαδόπουλος", "Giorgos Papadopoulos", "Giorgos Papadopoulos"},
        {"Ευάγγελος Μπούρας", "Evangelos Bouras", "Evangelos Bouras"},
        {"Λευτέρης Αύρα Μαΐου", "Lefteris Avra Maiou", "Lefteris Avra Maiou"},
        {"ΧΡΗΣΤΟΣ", "CHRISTOS", "CHRISTOS"},
        {"გიორგი", "giorgi", "giorgi"},
        {"Հայկ Հարությունյան", "Hayk Harutyunyan", "Hayk Harutyunyan"},
        {"D\xc2\xb4"
         "Angelo",
         "D'Angelo", "D'Angelo"},
        {"x\xc2\xa8y\xc2\xaf", "xy", "xy"}, /* other accents that stand alone */
        {"M\xc3\xbcl\xc2\xad"
         "ler",
         "Muller", "Mueller"},
        {"a\xe2\x80\x8b"
         "b\xef\xbb\xbf\xe2\x80\x8d",
         "ab", "ab"},
        {"a\xc2\xa0"
         "b",
         "a b", "a b"},
        {"\xd7\xa9", "?", "?"},
        {"\xe7\x94\xb0", "?", "?"},
        {"\xef\xac\x81n", "fin", "fin"},
        {"x\xcc\x81\xcc\x82", "x", "x"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(freep) char *ascii = text_to_ascii(rows[i].text, false);
        CLEANUP(freep) char *german = text_to_ascii(rows[i].text, true);
        assert_string_equal(ascii, rows[i].ascii);
        assert_string_equal(german, rows[i].german);
    }
    assert_null(text_to_ascii("\xff", false));
}

static void test_printable(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n_bytes, size;
        const char *shown;
    } rows[] = {
        {"abc", 3, 10, "abc"},
        {"abc", 3, 4, "abc"},
        {"abcd", 4, 4, "\xe2\x80\xa6"},
        {"abcdef", 6, 6, "ab\xe2\x80\xa6"},
        {"abcdef", 6, 3, ""},
        {"abcdef", 6, 1, ""},
        {"a\0b", 3, 20, "a\\x00b"},
        {"a\nb", 3, 20, "a\\x0ab"},
        {"a\xff\xc3", 3, 20, "a\\xff\\xc3"},
        {"\xc2\x85", 2, 20, "\\xc2\\x85"},
        {"\xe2\x80\xae"
         "evil",
         7, 30, "\\xe2\\x80\\xaeevil"}, /* RIGHT-TO-LEFT OVERRIDE */
        {"\xd7\xa9\xd7\x9c", 4, 20, "\xd7\xa9\xd7\x9c"},
        {"\xc3\xa9\xc3\xa9\xc3\xa9", 6, 6, "\xc3\xa9\xe2\x80\xa6"},
        {"\xc3\xa9\xc3\xa9\xc3\xa9", 6, 7, "\xc3\xa9\xc3\xa9\xc3\xa9"},
        {"ab\n\n", 4, 9, "ab\xe2\x80\xa6"},
        /* What no screen shows as what it is; and what a script has such characters for. */
        {"Night\xe2\x80\x8b", 8, 40, "Night\\u{200B}"},
        {"\xc3\xa9\xc2\xa0x", 5, 40, "\xc3\xa9\\u{A0}x"},
        {"a\xc2\xad\xef\xbb\xbf", 6, 40, "a\\u{AD}\\u{FEFF}"},
        {"a\xf3\xa0\x81\x81", 5, 40, "a\\u{E0041}"},
        {"a\xe2\x80\x8d", 4, 40, "a\\u{200D}"},
        {"\xda\xaf\xe2\x80\x8c", 5, 40, "\xda\xaf\xe2\x80\x8c"},
        {"\xe5\xb1\xb1\xe3\x80\x80", 6, 40, "\xe5\xb1\xb1\xe3\x80\x80"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char buffer[64];
        memset(buffer, '#', sizeof(buffer));
        assert_ptr_equal(text_printable(buffer, rows[i].size, rows[i].bytes, rows[i].n_bytes),
                         buffer);
        assert_string_equal(buffer, rows[i].shown);
        for (size_t j = rows[i].size; j < sizeof(buffer); j++)
            assert_int_equal(buffer[j], '#');
    }
    assert_null(text_printable(NULL, 0, "a", 1));
}

/* Mostly letters, so that there are long runs, and one of what ends them here and there. */
static void draw_bytes(char *to, size_t size)
{
    static const char others[] = "\"\\\x7f\x80\xff\x1f\n ~!#[]\xc3\xa9";
    for (size_t i = 0; i < size; i++) {
        uint64_t chance = random_number();
        to[i] = chance % 16 ? (char)('a' + chance / 16 % 26)
                : chance & 16 ? (char)(chance >> 32)
                              : others[(chance >> 32) % sizeof(others)];
    }
}

static bool is_simple(unsigned char c)
{
    return c >= 0x20 && c <= 0x7e && c != '"' && c != '\\';
}

/* Where runs are looked at by eights, each byte says the same. */
static void test_runs_by_chance(void **state)
{
    (void)state;
    random_seed(20261130);
    for (unsigned round = 0; round < 20000; round++) {
        size_t size = random_number() % 40, n = 0, n_plain = 0, used = 0, cut = 0;
        char *bytes = malloc(size + 1), pieces[200] = "", shown[200]; /* no byte more is read */
        assert_non_null(bytes);
        draw_bytes(bytes, size);
        bytes = realloc(bytes, size ? size : 1);
        while (n < size && is_simple((unsigned char)bytes[n]))
            n++;
        while (n_plain < size && (unsigned char)bytes[n_plain] >= 0x20 &&
               (unsigned char)bytes[n_plain] <= 0x7e)
            n_plain++;
        assert_int_equal(text_simple_run(bytes, size), n);
        assert_int_equal(text_is_plain(bytes, size), n_plain == size);
        size_t room = 1 + random_number() % 60;
        for (size_t i = 0, taken; i < size; i += taken) { /* one character by itself */
            for (taken = 1; taken < 4 && i + taken < size && (bytes[i + taken] & 0xc0) == 0x80;)
                taken++;
            taken = text_is_utf8(bytes + i, taken) ? taken : 1;
            text_printable(pieces + used, 17, bytes + i, taken);
            used += strlen(pieces + used);
            cut = used + 3 < room ? used : cut;
        }
        if (used >= room)
            snprintf(pieces + cut, sizeof(pieces) - cut, "%s", cut + 3 < room ? "\xe2\x80\xa6" : "");
        assert_string_equal(text_printable(shown, room, bytes, size), pieces);
        free(bytes);
    }
    random_seed(0);
}

static void test_distance(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        unsigned limit, distance;
    } rows[] = {
        {"", "", 2, 0},         {"abc", "ABC", 2, 0},        {"abc", "abd", 2, 1},
        {"abc", "acb", 2, 1},   {"abc", "ab", 2, 1},         {"", "ab", 2, 2},
        {"", "abc", 2, 3},      {"kitten", "sitting", 5, 3}, {"kitten", "sitting", 2, 3},
        {"abcd", "badc", 5, 2}, {"abcdef", "uvwxyz", 2, 3},  {"xyab", "ab", 2, 2},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_row(rows[i].a,
                   text_distance(rows[i].a, rows[i].b, rows[i].limit) == rows[i].distance);
        assert_row(rows[i].b,
                   text_distance(rows[i].b, rows[i].a, rows[i].limit) == rows[i].distance);
    }
    char long_word[400];
    memset(long_word, 'a', sizeof(long_word) - 1);
    long_word[sizeof(long_word) - 1] = '\0';
    assert_int_equal(text_distance(long_word, long_word, 2), 3);

    static const char *const teams[] = {"Customer Service", "Customer Care", "Sales", "IT"};
    assert_string_equal(text_nearest("Custmer Service", teams, 4), "Customer Service");
    assert_string_equal(text_nearest("sales", teams, 4), "Sales");
    assert_string_equal(text_nearest("Slaes", teams, 4), "Sales");
    assert_null(text_nearest("Marketing", teams, 4));
    assert_null(text_nearest("XY", teams, 4));
    assert_null(text_nearest("", teams, 4));
    assert_null(text_nearest("x", NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_string_list),
        cmocka_unit_test(test_list_of_each_once),
        cmocka_unit_test(test_list_remove),
        cmocka_unit_test(test_map),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_without_heading),
        cmocka_unit_test(test_fold),
        cmocka_unit_test(test_fold_paths_agree),
        cmocka_unit_test(test_equal_fold),
        cmocka_unit_test(test_case),
        cmocka_unit_test(test_to_ascii),
        cmocka_unit_test(test_printable),
        cmocka_unit_test(test_runs_by_chance),
        cmocka_unit_test(test_distance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
