/* Templates: what they give, where they are wrong, and which values they refuse. */
#include "config.h"

#include <errno.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "mapping/pattern.h"
#include "mapping/problem-sink.h"
#include "mapping/ruleset.h"
#include "mapping/subject.h"
#include "mapping/template.h"
#include "model/entry.h"
#include "model/schema.h"
#include "unit.h"

static struct entry *sample(void)
{
    struct entry *e = entry_new("1", "uid=j,dc=example", ENTRY_PERSON);
    static const char *const pairs[][2] = {
        {"uid", "JDoe"},
        {"sn", "M\xc3\xbcller-L\xc3\xbc"
               "denscheidt"},
        {"surname;lang-en", "Mueller"},
        {"givenName", "\xc3\x89lodie"},
        {"cn", "Jane van Doe"},
        {"mail", "z@example.org"},
        {"mail", "a@example.org"}, /* T40: the order of the server does not matter */
        {"title;lang-de", "Leiterin"},
        {"title;lang-fr", "Chef"},
        {"l", "   "},
        {"telephoneNumber", "+49 (89) 123-45"},
        {"description", "a/b/c}d"},
        {"o", "\xe6\x9d\x8e\xe5\xb0\x8f\xe9\xbe\x8d"}, /* T39 */
        {"physicalDeliveryOfficeName", "\xd8\xb9\xd9\x84\xd9\x8a \xf0\x9f\x98\x80"},
        {"street", "what? why?"},
        {"employeeType", "I\xcc\x87stanbul Stra\xc3\x9f" "e"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
        assert_int_equal(entry_add_value(e, pairs[i][0], pairs[i][1], strlen(pairs[i][1])), 0);
    char long_text[5001];
    memset(long_text, '5', sizeof(long_text) - 1);
    assert_int_equal(entry_add_value(e, "mobile", long_text, 5000), 0);
    CLEANUP(freep) char *huge = calloc(1, ENTRY_VALUE_MAX + 1);
    memset(huge, 'x', ENTRY_VALUE_MAX + 1);
    assert_int_equal(entry_add_value(e, "info", huge, ENTRY_VALUE_MAX + 1), 0);
    assert_int_equal(entry_add_value(e, "jpegPhoto", "\xff\xd8\x00", 3), 0);
    assert_int_equal(entry_add_value(e, "initials", "J\nX-Header: 1", 13), 0);
    entry_sort(e);
    return e;
}

static int expand(const char *text, char **ret, const char **ret_code, struct error *e)
{
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    CLEANUP(entry_freep) struct entry *entry = sample();
    CLEANUP(template_freep) struct template *t = NULL;
    struct problem_sink problems = {0};
    struct subject subject;
    size_t offset;
    if (template_parse(&t, text, &offset, e) < 0)
        fail_msg("%s: at %zu: %s", text, offset, e->message);
    assert_int_equal(template_prepare(t, schema, &problems, NULL), 0);
    assert_int_equal(subject_init(&subject, entry, schema), 0);
    int r = template_expand(t, &subject, ret, ret_code, e);
    subject_done(&subject);
    return r;
}

static void test_expands(void **state)
{
    static const char *const rows[][2] = {
        {"", ""},
        {"plain text", "plain text"},
        {"${uid}", "JDoe"},
        {"${UID}", "JDoe"},
        {"${uid,,}", "jdoe"},
        {"${uid,}", "jDoe"},
        {"${givenName,}", "\xc3\xa9lodie"},
        {"${cn^^}", "JANE VAN DOE"},
        {"${employeeType,,}", "istanbul stra\xc3\x9f" "e"},
        {"${employeeType^^}", "\xc4\xb0STANBUL STRA\xc3\x9f" "E"},
        {"${givenName,,^}", "\xc3\x89lodie"},
        {"${sn^^}", "M\xc3\x9cLLER-L\xc3\x9c"
                    "DENSCHEIDT"},
        {"${surname;lang-en}", "Mueller"},
        {"${mail}", "a@example.org"},
        {"${title}", "Leiterin"},
        {"${title;lang-fr}", "Chef"},
        {"${title;lang-en}", ""},
        {"${nothing}", ""},
        {"${l}", ""},
        {"${l:-empty}", "empty"},
        {"${nothing:-${l:-${cn%% *}}}", "Jane"},
        {"${uid:-x}", "JDoe"},
        {"${uid:+has ${mail}}", "has a@example.org"},
        {"${nothing:+x}", ""},
        {"${cn% *}", "Jane van"},
        {"${cn%% *}", "Jane"},
        {"${cn#* }", "van Doe"},
        {"${cn##* }", "Doe"},
        {"${cn%x}", "Jane van Doe"},
        {"${cn#*}", "Jane van Doe"},
        {"${cn##*}", ""},
        {"${mail%@*}", "a"},
        {"${mail#*@}", "example.org"},
        {"${mail%@example.org}", "a"},
        {"${mail%@${mail##*@}}", "a"}, /* an expansion is literal in a pattern */
        {"${cn/ /.}", "Jane.van Doe"},
        {"${cn// /.}", "Jane.van.Doe"},
        {"${cn// /}", "JanevanDoe"},
        {"${cn// }", "JanevanDoe"},
        {"${cn//[aeiou]/_}", "J_n_ v_n D__"},
        {"${cn//[!A-Z]/}", "JD"},
        {"${cn//[^A-Z]/}", "JD"},
        {"${cn/#J/K}", "Kane van Doe"},
        {"${cn/#a/K}", "Jane van Doe"},
        {"${cn/%?e/x}", "Jane van Dx"},
        {"${cn/a*/x}", "Jx"},
        {"${description//\\//-}", "a-b-c}d"},
        {"${description%\\}d}", "a/b/c"},
        {"${description/\\}/\\}\\}}", "a/b/c}}d"},
        {"${cn/van/[&]}", "Jane [van] Doe"}, /* as bash 5.2 */
        {"${cn/van/[\\&]}", "Jane [&] Doe"},
        {"${cn//[aeo]/<&&>}", "J<aa>n<ee> v<aa>n D<oo><ee>"},
        {"${cn/%Doe/& Jr}", "Jane van Doe Jr"},
        {"${cn/#Jane/&${uid}}", "JaneJDoe van Doe"},
        {"${l/*/q}", "q"}, /* set, but empty */
        {"${l//*/q&}", "q"},
        {"${l/#*/q}", "q"},
        {"${l/%*/q}", "q"},
        {"${l/?/q}", ""},
        {"${nothing/*/q}", ""},
        {"${nothing:-/*/q}", "/*/q"},
        {"${cn:0:1}", "J"},
        {"${givenName:0:1}", "\xc3\x89"},
        {"${cn:5}", "van Doe"},
        {"${cn: -3}", "Doe"},
        {"${cn: -3:1}", "D"},
        {"${cn:0:-4}", "Jane van"},
        {"${cn:99}", ""},
        {"${cn: -99}", ""},
        {"${cn:5:99}", "van Doe"},
        {"${telephoneNumber@digits}", "498912345"},
        {"+${telephoneNumber@digits}", "+498912345"},
        {"${sn@ascii}", "Muller-Ludenscheidt"},
        {"${sn@ascii-de}", "Mueller-Luedenscheidt"},
        {"${givenName@ascii,,:0:1}${sn@ascii-de,,}", "emueller-luedenscheidt"},
        {"${cn:0:1,,}", "j"},
        {"${cn:0:0:-none}", "none"},
        {"${street@ascii}", "what? why?"}, /* a '?' of its own is none that appeared */
        {"${o}", "\xe6\x9d\x8e\xe5\xb0\x8f\xe9\xbe\x8d"},
        {"${o:0:1}", "\xe6\x9d\x8e"},
        {"${o/?/x}", "x\xe5\xb0\x8f\xe9\xbe\x8d"},
        {"${physicalDeliveryOfficeName}", "\xd8\xb9\xd9\x84\xd9\x8a \xf0\x9f\x98\x80"},
        {"$$${uid}", "$JDoe"},
        {"${uid:+a$$b}", "a$b"},
        {"${nothing/$$/x}", ""},
        {"EXAMPLE\\${uid}", "EXAMPLE\\JDoe"},
        {"  ${uid}  ", "JDoe"},
        {"}{", "}{"},
        {"${jpegPhoto:+photo}", "photo"},
        {"${2.5.4.3}", "Jane van Doe"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(freep) char *text = NULL;
        const char *code = NULL;
        struct error e = {0};
        int r = expand(rows[i][0], &text, &code, &e);
        if (r != 0 || strcmp(text, rows[i][1]) != 0)
            fail_msg("%s: %d '%s' instead of '%s'", rows[i][0], r, r ? e.message : text,
                     rows[i][1]);
    }
}

/* T71: the value in the RDN, then the first usable one; or the first that begins so. */
static void test_chooses_among_values(void **state)
{
    static const char *const pairs[][2] = {
        {"cn", "Anna"},
        {"cn", "Zoe, M."},
        {"uid", "a.b"},
        {"uid", "m\xc3\xa4x"},
        {"givenName", " "},
        {"givenName", "Ana"},
        {"sn", "\x01"},
        {"sn", "Binary"},
        {"proxyAddresses", "SIP:ana@sip.example.com"},
        {"proxyAddresses", "smtp:a.alias@example.com"},
        {"proxyAddresses", "SMTP:ana.main@example.com"},
        {"otherMailbox", "x500:one"},
        {"mobile", "+34 600"},
        {"mobile", "+49 30"},
        {"mail", "a@one.example"},
        {"mail", "b@two.example"},
    };
    static const char *const rows[][2] = {
        {"${cn}", "Zoe, M."},
        {"${commonName}", "Zoe, M."},
        {"${uid}", "m\xc3\xa4x"},
        {"${givenName}", "Ana"},
        {"${sn}", "Binary"},
        {"${proxyAddresses#SMTP:}", "ana.main@example.com"},
        {"${proxyAddresses#smtp:}", "a.alias@example.com"},
        {"${proxyAddresses##SMTP:}", "ana.main@example.com"},
        {"${proxyAddresses#X400:}", ""},
        {"${proxyAddresses#X400:}${otherMailbox#SMTP:}", ""},
        {"${otherMailbox#x500:}", "one"},
        {"${otherMailbox#SMTP:}", ""}, /* also where there is one value alone */
        {"${mobile#+49 }", "30"},
        {"${mobile#+1}", "+34 600"}, /* no tag: as the shell */
        {"${mail%@two.example}", "b"},
        {"${mail%@*}", "a"},
        {"${cn#Dr. }", "Zoe, M."},
        {"${cn%% *}", "Zoe,"},
    };
    (void)state;
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    CLEANUP(entry_freep)
    struct entry *entry = entry_new("1", "cn=Zoe\\, M. + userid = m\xc3\xa4X ,dc=x", ENTRY_PERSON);
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
        assert_int_equal(entry_add_value(entry, pairs[i][0], pairs[i][1], strlen(pairs[i][1])), 0);
    entry_sort(entry);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(template_freep) struct template *t = NULL;
        CLEANUP(freep) char *text = NULL;
        struct problem_sink problems = {0};
        struct subject subject;
        struct error e = {0};
        const char *code;
        size_t offset;
        assert_int_equal(template_parse(&t, rows[i][0], &offset, &e), 0);
        assert_int_equal(template_prepare(t, schema, &problems, NULL), 0);
        assert_int_equal(subject_init(&subject, entry, schema), 0);
        int r = template_expand(t, &subject, &text, &code, &e);
        if (r != 0 || strcmp(text, rows[i][1]) != 0)
            fail_msg("%s: %d '%s' instead of '%s'", rows[i][0], r, r ? e.message : text,
                     rows[i][1]);
        subject_done(&subject);
    }
}

static void test_refuses_values(void **state)
{
    static const char *const rows[][3] = {
        {"${jpegPhoto}", INVALID_BINARY, "'jpegPhoto'"},
        {"${initials}", INVALID_BINARY, "'initials'"}, /* T41: a control character */
        {"${initials:-x}", INVALID_BINARY, "'initials'"},
        {"${mobile}", INVALID_TOO_LARGE, "'mobile': the value has 5000 bytes"},
        {"${mobile:0:5}", INVALID_TOO_LARGE, "'mobile'"},
        {"${info}", INVALID_TOO_LARGE, "16385 bytes"},
        {"${o@ascii}", INVALID_TRANSLITERATION, "'o'"},
        {"${nothing:-${physicalDeliveryOfficeName@ascii-de}}", INVALID_TRANSLITERATION,
         "'physicalDeliveryOfficeName'"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *text = NULL;
        const char *code = "";
        struct error e = {0};
        assert_row(rows[i][0], expand(rows[i][0], &text, &code, &e) == TEMPLATE_REFUSED);
        assert_row(rows[i][0], strcmp(code, rows[i][1]) == 0);
        assert_row(rows[i][0], strstr(e.message, rows[i][2]) != NULL);
    }
}

static void test_bounds_the_output(void **state)
{
    char *text = NULL;
    const char *code = "";
    struct error e = {0};
    char template[4096] = "", inner[] = "${cn//?/${cn//?/${cn//?/${cn}}}}";
    (void)state;
    assert_int_equal(expand(inner, &text, &code, &e), TEMPLATE_REFUSED);
    assert_string_equal(code, INVALID_TOO_LARGE);
    for (int i = 0; i < 40; i++)
        strncat(template, "${", sizeof(template) - strlen(template) - 1);
    struct template *t = NULL;
    size_t offset;
    assert_int_equal(template_parse(&t, template, &offset, &e), -EINVAL);
}

static void test_names_the_place_of_an_error(void **state)
{
    static const struct {
        const char *text;
        size_t offset;
        const char *words;
    } rows[] = {
        {"$uid", 0, "'$' must be followed by {attribute}"},
        {"100$", 3, "a dollar sign is $$"},
        {"a${", 3, "the name of an attribute is expected"},
        {"${}", 2, "found '}'"},
        {"${uid", 5, "'}' is missing after 'uid'"},
        {"${uid:-x", 8, "'}' is missing"},
        {"${uid!x}", 5, "found '!'"},
        {"${uid:=x}", 6, "':' must be followed by"},
        {"${uid:?x}", 6, "':' must be followed by"},
        {"${uid:1:x}", 8, "a length is expected"},
        {"${uid@upper}", 5, "'@upper' is not known; there are @ascii"},
        {"${uid%}", 6, "a pattern is expected"},
        {"${uid//}", 7, "a pattern is expected"},
        {"${uid%[abc}", 6, "']' is missing"},
        {"${uid%x[[:digit:]]}", 7, "[0-9]"},
        {"${uid%[z-a]}", 6, "runs backwards"},
        {"x${uid:-${cn,}${sn:-${}}}", 22, "the name of an attribute"},
        {"${u\xc3\xbc}", 3, "found '\xc3\xbc'"},
        {"a\nb", 0, "control characters"},
        {"\xff", 0, "not UTF-8"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct template *t = NULL;
        struct error e = {0};
        size_t offset = 999;
        assert_row(rows[i].text, template_parse(&t, rows[i].text, &offset, &e) == -EINVAL);
        if (offset != rows[i].offset || !strstr(e.message, rows[i].words))
            fail_msg("%s: at %zu: %s", rows[i].text, offset, e.message);
    }
}

static void test_lists_attributes(void **state)
{
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    CLEANUP(template_freep) struct template *t = NULL;
    struct problem_sink problems = {0};
    struct string_list list = {0};
    struct error e = {0};
    size_t offset;
    (void)state;
    assert_int_equal(template_parse(&t,
                                    "${surname:-${cn%%${title;lang-de}}}${SN/${uid}/${mail}}",
                                    &offset, &e),
                     0);
    assert_int_equal(template_prepare(t, schema, &problems, NULL), 0);
    assert_int_equal(template_collect(t, &list), 0);
    const char *const names[] = {"sn", "cn", "title", "uid", "mail"};
    assert_int_equal(list.n_items, ARRAY_SIZE(names));
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_true(text_equal_ascii_case(list.items[i], names[i]));
    string_list_done(&list);
}

/* A hostile value meets a pattern with many stars: the product of the sizes bounds the time. */
static void test_patterns_do_not_explode(void **state)
{
    char text[1025];
    struct pattern p = {0};
    struct characters c;
    struct error e = {0};
    size_t offset, at;
    (void)state;
    memset(text, 'a', 1024);
    text[1024] = '\0';
    static const char glob[] = "*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b";
    assert_int_equal(pattern_add_glob(&p, glob, strlen(glob), &offset, &e), 0);
    assert_int_equal(characters_init(&c, text, 1024), 0);
    assert_int_equal(pattern_match(&p, &c, 0, false, true, &at), 0);
    assert_int_equal(pattern_match(&p, &c, 1024, true, false, &at), 0);
    characters_done(&c);
    pattern_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expands),
        cmocka_unit_test(test_chooses_among_values),
        cmocka_unit_test(test_refuses_values),
        cmocka_unit_test(test_bounds_the_output),
        cmocka_unit_test(test_names_the_place_of_an_error),
        cmocka_unit_test(test_lists_attributes),
        cmocka_unit_test(test_patterns_do_not_explode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
