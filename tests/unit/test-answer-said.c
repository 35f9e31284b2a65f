/* What is said of an answer, whom it concerns, and what no answer is. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "answer-asked.h"
#include "base/memory.h"
#include "tenant/client.h"
#include "unit.h"

/* Only pages are pages: by what they begin with, or by what they are called and hold. */
static void test_pages_by_their_type(void **state)
{
    (void)state;
    static const struct {
        const char *type, *body;
        enum tenant_answer_class class;
        const char *hint;
    } rows[] = {
        {"text/html; charset=utf-8", "Sign in <b>here</b>", TENANT_UNCLEAR, "an HTML page"},
        {"TEXT/HTML", "team not found <br>", TENANT_UNCLEAR, "an HTML page"},
        {"text/html", "team not found", TENANT_REFERENCE_MISSING, "team not found"},
        {"text/plain", "team not found <b>", TENANT_REFERENCE_MISSING, "team not found <b>"},
        {"text/html", "{\"error\":\"<team> not found\"}", TENANT_REFERENCE_MISSING,
         "<team> not found"},
        {NULL, "team not found <b>", TENANT_REFERENCE_MISSING, "team not found <b>"},
        {"text/html", "", TENANT_REFERENCE_MISSING, ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct http_result result = {.sent = true,
                                           .status = 404,
                                           .content_type = rows[i].type,
                                           .body = rows[i].body,
                                           .body_size = strlen(rows[i].body)};
        struct tenant_answer a = {0};
        answer_decide(&a, &questions[CREATE], &result);
        assert_int_equal(a.class, rows[i].class);
        assert_string_equal(a.hint, rows[i].hint);
    }
}

/* Whose fault it is: everybody's, or that of the one whom the request was about. */
static void test_whom_it_concerns(void **state)
{
    (void)state;
    static const struct {
        struct answer_question q;
        bool all;
    } rows[] = {
        {{.method = HTTP_GET, .api = ANSWER_CONFIGURATION}, true},
        {{.method = HTTP_GET, .api = ANSWER_CONFIGURATION, .names_user = true}, false},
        {{.method = HTTP_GET, .api = ANSWER_SCIM, .login = "ada", .scim_works = true}, false},
        {{.method = HTTP_POST, .api = ANSWER_CONFIGURATION}, false},
        {{.method = HTTP_POST, .api = ANSWER_TOKEN}, true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct http_result result = {.sent = true, .status = 403};
        struct tenant_answer a = {0};
        answer_decide(&a, &rows[i].q, &result);
        assert_int_equal(a.concerns_all, rows[i].all);
        assert_int_equal(a.class, rows[i].all ? TENANT_NOT_AUTHORISED : TENANT_REFUSED);
    }
}

/* Without an exchange, or with a body that is not what was asked for. */
static void test_not_sent_and_not_understood(void **state)
{
    (void)state;
    struct tenant_answer a = {
        .retry_after_usec = 7, .status = 200, .reference = TENANT_REFERENCE_TEAM};
    answer_not_sent(&a, TENANT_AWAY, "the token\n is missing");
    assert_int_equal(a.class, TENANT_AWAY);
    assert_int_equal(a.status, 0);
    assert_int_equal(a.reference, TENANT_REFERENCE_NONE);
    assert_int_equal(a.retry_after_usec, 0);
    assert_true(a.concerns_all);
    assert_string_equal(a.hint, "the token\\x0a is missing");

    struct answer_question q = questions[GET];
    const struct http_result result = {.sent = true, .status = 200};
    q.secrets[2] = "Tr0ub4dor";
    answer_not_understood(&a, &q, &result, "no user in it");
    assert_int_equal(a.class, TENANT_AWAY);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.hint, "no user in it");
    answer_not_understood(&a, &q, &result, "unexpected Tr0ub4dor");
    assert_null(strstr(a.hint, "Tr0ub4dor"));
    answer_not_understood(&a, &questions[PATCH], &result, "");
    assert_int_equal(a.class, TENANT_UNCLEAR);
    assert_string_equal(a.hint, "");
}

/* Each class has a word of its own. */
static void test_names(void **state)
{
    (void)state;
    for (int i = TENANT_DONE; i < TENANT_N_CLASSES; i++)
        for (int k = TENANT_DONE; k < TENANT_N_CLASSES; k++) {
            const char *a = tenant_answer_class_name((enum tenant_answer_class)i),
                       *b = tenant_answer_class_name((enum tenant_answer_class)k);
            assert_string_not_equal(a, "?");
            assert_int_equal(strcmp(a, b) == 0, i == k);
        }
    /* So that none can be added that is not counted. */
    assert_string_equal(tenant_answer_class_name(TENANT_N_CLASSES), "?");
}

static void decide_hint(struct tenant_answer *a, const struct answer_question *q, int status,
                        const char *body)
{
    const struct http_result result = {
        .sent = true, .status = status, .body = body, .body_size = strlen(body)};
    answer_decide(a, q, &result);
}

static void test_hints(void **state)
{
    (void)state;
    static const struct {
        const char *body, *hint;
    } rows[] = {
        {"user team not found\n", "user team not found"},
        {"a\x1b[mb\nc", "a\\x1b[mb\\x0ac"},
        {"{\"error\": \"bad\", \"error_description\": \"really\"}", "bad: really"},
        {"{\"detail\":\"x\\u0007y\"}", "x\\x07y"},
        {"{\"status\":1}", "{\"status\":1}"},
        {"<html><head><title>502 Bad Gateway</title>", "an HTML page titled '502 Bad Gateway'"},
        {"<html><title", "an HTML page"},
        {"<html><title>unclosed", "an HTML page"},
        {"<html><title></title>", "an HTML page"},
        {"{\"error\":\"\",\"detail\":\"why\"}", "why"},
        {"{\"error\":", "{\"error\":"},
        {"[\"<\"]", "[\"<\"]"},
        {" ", ""},
    };
    struct tenant_answer a = {0};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        decide_hint(&a, &questions[CREATE], 400, rows[i].body);
        assert_string_equal(a.hint, rows[i].hint);
    }
    char large[5000];
    for (size_t i = 0; i < sizeof(large) - 1; i++)
        large[i] = "word "[i % 5];
    large[sizeof(large) - 1] = '\0';
    decide_hint(&a, &questions[CREATE], 400, large);
    assert_in_range(strlen(a.hint), 200, sizeof(a.hint) - 1);
    /* Of one text that is too long, the next says nothing. */
    char json[5100];
    snprintf(json, sizeof(json), "{\"error\":\"%.700s\",\"detail\":\"y\"}", large);
    decide_hint(&a, &questions[CREATE], 400, json);
    assert_null(strchr(a.hint, 'y'));
    assert_in_range(strlen(a.hint), 200, sizeof(a.hint) - 1);
}

static void test_redirect_is_named_without_its_query(void **state)
{
    (void)state;
    const struct http_result result = {.sent = true,
                                       .status = 302,
                                       .body = "",
                                       .redirect_url =
                                           "https://sso.example.com/login?s=SECRET"};
    struct tenant_answer a = {0};
    answer_decide(&a, &questions[CREATE], &result);
    assert_int_equal(a.class, TENANT_UNCLEAR);
    assert_non_null(strstr(a.hint, "https://sso.example.com/login"));
    assert_null(strstr(a.hint, "SECRET"));
}

/* T52: a tenant that repeats the password in its refusal. */
static void test_secrets_are_not_repeated(void **state)
{
    (void)state;
    struct answer_question q = questions[CREATE];
    q.secrets[0] = "Tr0ub4dor";
    struct tenant_answer a = {0};
    decide_hint(&a, &q, 400, "the password Tr0ub4dor does not meet the policy");
    assert_int_equal(a.class, TENANT_REFUSED);
    assert_null(strstr(a.hint, "Tr0ub4dor"));
    decide_hint(&a, &questions[TOKEN], 200, "{\"access_token\":\"abc\"}");
    assert_string_equal(a.hint, "");
    /* A new one, which nobody knows yet: under an odd status, in a form, in a page. */
    static const char *const tokens[] = {
        "{\"access_token\":\"zyx987\"}", "{\"access_token\":\"zyx987",
        "access_token=zyx987&token_type=Bearer", "<html><title>access_token=zyx987</title>"};
    for (size_t i = 0; i < ARRAY_SIZE(tokens); i++) {
        decide_hint(&a, &questions[TOKEN], i % 2 ? 401 : 400, tokens[i]);
        assert_string_equal(a.hint, "(the answer holds a token; it is not shown)");
    }
}

/* A part of a long secret, in a way of writing that nobody knows: each letter is another one. */
static void test_parts_of_long_secrets(void **state)
{
    (void)state;
    static const char secret[] = "Zq7wK9e4Tt2xVbU6mR1pYc8dHs3fJg5nLk0aWiXoEzQv7Bt4Nu2yMr9Pj6CsDh1G";
    struct answer_question q = questions[CREATE];
    struct tenant_answer a = {0};
    q.secrets[0] = secret;
    for (size_t n = 14; n < sizeof(secret); n++) {
        char body[200] = "Refused for ";
        size_t size = strlen(body);
        for (size_t i = 0; i < n; i++)
            body[size + i] = (char)(secret[i] ^ 1);
        body[size + n] = '\0';
        decide_hint(&a, &q, 400, body);
        if (strstr(a.hint, (char[]){(char)(secret[0] ^ 1), (char)(secret[1] ^ 1),
                                    (char)(secret[2] ^ 1), (char)(secret[3] ^ 1), '\0'}))
            fail_msg("%zu letters: %s", n, a.hint);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages_by_their_type),
        cmocka_unit_test(test_whom_it_concerns),
        cmocka_unit_test(test_not_sent_and_not_understood),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_hints),
        cmocka_unit_test(test_redirect_is_named_without_its_query),
        cmocka_unit_test(test_secrets_are_not_repeated),
        cmocka_unit_test(test_parts_of_long_secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
