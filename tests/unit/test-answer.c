/* Rows of results and the class that each must get. */
#include "config.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "answer-asked.h"
#include "base/clock.h"
#include "base/memory.h"
#include "tenant/client.h"
#include "unit.h"

static const struct {
    enum asked asked;
    int status;
    const char *body;
    enum tenant_answer_class class;
    enum tenant_reference reference;
} by_status[] = {
    /* T42: OK is no JSON */
    {CREATE, 200, "OK", TENANT_DONE, 0},
    {CREATE, 200, " OK\r\n", TENANT_DONE, 0},
    {CREATE, 200, "\"OK\"", TENANT_DONE, 0},
    /* what the vendor does not publish for this call confirms nothing */
    {CREATE, 201, "", TENANT_UNCLEAR, 0},
    {CREATE, 201, "OK", TENANT_UNCLEAR, 0},
    {CREATE, 200, "{\"loginId\":\"ada\"}", TENANT_UNCLEAR, 0},
    {CREATE, 200, "{\"success\":false}", TENANT_UNCLEAR, 0},
    {CREATE, 200, "{\"status\":\"queued\"}", TENANT_UNCLEAR, 0},
    {CREATE, 200, "OK but later", TENANT_UNCLEAR, 0},
    {PUT_TEAM, 200, "{}", TENANT_UNCLEAR, 0},
    {PUT_TEAM, 204, "", TENANT_UNCLEAR, 0},
    {PATCH, 200, "", TENANT_UNCLEAR, 0},
    {PATCH, 200, "OK", TENANT_UNCLEAR, 0},
    {PATCH, 200, "{\"status\":\"ok\"}", TENANT_UNCLEAR, 0},
    {PATCH, 200, "{\"id\":\"1\",\"userName\":\"a\",\"detail\":\"no\"}", TENANT_UNCLEAR, 0},
    {PATCH, 202, "{\"id\":\"1\",\"userName\":\"ada\"}", TENANT_UNCLEAR, 0},
    {PATCH, 200, "{\"userName\":\"ada\"}", TENANT_UNCLEAR, 0},
    {PATCH, 200, "{\"id\":\"\",\"userName\":\"ada\"}", TENANT_UNCLEAR, 0},
    {PATCH, 200, "{\"id\":\"1\"}", TENANT_UNCLEAR, 0},
    {PATCH, 200, "{\"id\":\"1\",\"userName\":7}", TENANT_UNCLEAR, 0},
    {PATCH, 200, "{\"id\":\"1\",\"userName\":\"a\",\"errors\":[]}", TENANT_UNCLEAR, 0},
    {PATCH, 204, "{}", TENANT_UNCLEAR, 0},
    /* RFC 9110, 13.1.1: nothing was done */
    {PATCH, 412, "", TENANT_LOST_RACE, 0},
    {DELETE, 412, "{\"detail\":\"ETag\"}", TENANT_LOST_RACE, 0},
    {GET, 412, "", TENANT_REFUSED, 0},
    {PATCH_GROUP, 409, "the group already has a writer", TENANT_LOST_RACE, 0}, /* no login is taken */
    {PATCH_GROUP, 400, "already a member", TENANT_REFUSED, 0},
    {PATCH_GROUP, 200, "{\"id\":\"1\",\"displayName\":\"a\"}", TENANT_DONE, 0},
    {PATCH_GROUP, 200, "{\"id\":\"1\",\"userName\":\"a\"}", TENANT_UNCLEAR, 0},
    {CREATE, 200, "DONE", TENANT_UNCLEAR, 0},
    {CREATE, 200, "KO", TENANT_UNCLEAR, 0},
    {PUT_TEAM, 200, "OK", TENANT_DONE, 0},
    {DELETE, 200, "OK", TENANT_DONE, 0},
    {DELETE, 204, "", TENANT_UNCLEAR, 0},
    {PATCH, 204, "", TENANT_DONE, 0},
    {PATCH, 200, "{\"id\":\"1\",\"userName\":\"ada\"}", TENANT_DONE, 0},
    {GET, 200, "{\"loginId\":\"ada\"}", TENANT_DONE, 0},
    {TEAMS, 200, "[]", TENANT_DONE, 0},
    {TOKEN, 200, "{}", TENANT_DONE, 0},
    /* T51: 200 is no success by itself */
    {CREATE, 200, "<html><title>Sign in</title>", TENANT_UNCLEAR, 0},
    {CREATE, 200, "\xEF\xBB\xBF\n <!DOCTYPE html>", TENANT_UNCLEAR, 0},
    {CREATE, 200, "{\"error\":\"failed\"}", TENANT_UNCLEAR, 0},
    {CREATE, 200, "", TENANT_UNCLEAR, 0},
    {CREATE, 200, "Please wait", TENANT_UNCLEAR, 0},
    {CREATE, 200, "{\"loginId\":", TENANT_UNCLEAR, 0},
    {CREATE, 202, "OK, later", TENANT_UNCLEAR, 0},
    {GET, 200, "<html>", TENANT_AWAY, 0},
    {GET, 200, "OK", TENANT_AWAY, 0},
    {GET, 204, "", TENANT_AWAY, 0},
    {GET, 200, "", TENANT_AWAY, 0},
    {GET, 206, "{}", TENANT_AWAY, 0},
    {GET, 100, "", TENANT_AWAY, 0},
    {CREATE, 100, "", TENANT_UNCLEAR, 0},
    {TOKEN, 200, "<html>", TENANT_AWAY, 0},
    {CREATE, 302, "", TENANT_UNCLEAR, 0},
    {GET, 302, "", TENANT_AWAY, 0},
    {GET, 304, "", TENANT_AWAY, 0},
    /* T43 */
    {CREATE, 409, "User already exists", TENANT_CONFLICT, 0},
    {CREATE, 400, "User with loginId team.leader already exists", TENANT_CONFLICT, 0},
    {CREATE, 400, "{\"error\":\"duplicate login\"}", TENANT_CONFLICT, 0},
    {PATCH, 409, "uniqueness", TENANT_CONFLICT, 0},
    {PATCH, 400, "that login is taken", TENANT_CONFLICT, 0},
    {CREATE, 400, "loginId is in use", TENANT_CONFLICT, 0},
    {CREATE, 400, "the user exists", TENANT_CONFLICT, 0},
    {CREATE, 400, "already exists: no such team", TENANT_REFERENCE_MISSING, TENANT_REFERENCE_TEAM},
    {CREATE, 400, "that phone is taken", TENANT_REFUSED, 0},
    {CREATE, 409, "the number exists", TENANT_REFUSED, 0},
    {PATCH, 400, "unknown role", TENANT_REFERENCE_MISSING, TENANT_REFERENCE_ROLE},
    {PATCH, 400, "no such roles", TENANT_REFERENCE_MISSING, TENANT_REFERENCE_ROLE},
    {PATCH, 400, "unknown team", TENANT_REFUSED, 0}, /* none was in the request */
    {PUT_TEAM, 400, "unknown skills", TENANT_REFERENCE_MISSING, TENANT_REFERENCE_SKILL},
    {PUT_DISABLED, 400, "unknown skill", TENANT_REFUSED, 0},
    {CREATE, 400, "mail not found", TENANT_REFUSED, 0},
    {CREATE, 400, "<html><title>The team does not exist</title>", TENANT_REFUSED, 0},
    {CREATE, 409, "", TENANT_CONFLICT, 0},
    {CREATE, 409, "extension 1072 is in use", TENANT_REFUSED, 0},
    {GET, 409, "", TENANT_REFUSED, 0},
    {CREATE, 400, "extension 1072 is already in use", TENANT_REFUSED, 0},
    {CREATE, 400, "password too short", TENANT_REFUSED, 0},
    {CREATE, 400, "Team does not exist", TENANT_REFERENCE_MISSING, TENANT_REFERENCE_TEAM},
    {CREATE, 400, "Team doesn't exist", TENANT_REFERENCE_MISSING, TENANT_REFERENCE_TEAM},
    {PUT_TEAM, 400, "already disabled", TENANT_REFUSED, 0},
    {GET, 400, "already exists", TENANT_REFUSED, 0},
    {CREATE, 405, "", TENANT_REFUSED, 0},
    {CREATE, 415, "", TENANT_REFUSED, 0},
    {CREATE, 413, "", TENANT_REFUSED, 0},
    /* T44 */
    {CREATE, 404, "user team not found", TENANT_REFERENCE_MISSING, TENANT_REFERENCE_TEAM},
    {CREATE, 404, "Role not found", TENANT_REFERENCE_MISSING, TENANT_REFERENCE_ROLE},
    {CREATE, 404, "Skill 'Greek' not found", TENANT_REFERENCE_MISSING, TENANT_REFERENCE_SKILL},
    {CREATE, 404, "", TENANT_REFERENCE_MISSING, TENANT_REFERENCE_NONE},
    {CREATE, 404, "team.leader", TENANT_REFERENCE_MISSING, TENANT_REFERENCE_NONE},
    {CREATE, 404, "<html>no such page</html>", TENANT_UNCLEAR, 0},
    {PUT_TEAM, 404, "user team not found", TENANT_REFERENCE_MISSING, TENANT_REFERENCE_TEAM},
    {PUT_TEAM, 404, "User team.leader not found", TENANT_NOT_FOUND, 0},
    {PUT_TEAM, 404, "", TENANT_NOT_FOUND, 0},
    {PUT_DISABLED, 404, "user team not found", TENANT_NOT_FOUND, 0},
    {GET, 404, "", TENANT_NOT_FOUND, 0},
    {GET, 404, "<html><title>404</title>", TENANT_AWAY, 0},
    {DELETE, 404, "no such user", TENANT_NOT_FOUND, 0},
    {DELETE, 404, "<html>", TENANT_UNCLEAR, 0},
    {TEAMS, 404, "", TENANT_REFUSED, 0},
    {PATCH, 404, "{\"detail\":\"Role not found\"}", TENANT_REFERENCE_MISSING,
     TENANT_REFERENCE_ROLE},
    {PATCH, 404, "{\"detail\":\"no such user\"}", TENANT_NOT_FOUND, 0},
    {SCIM_GET, 404, "", TENANT_NOT_FOUND, 0},
    /* no SCIM there */
    {LOOKUP, 404, "", TENANT_UNSUPPORTED, 0},
    {LOOKUP, 404, "<html>", TENANT_UNSUPPORTED, 0},
    {LOOKUP, 403, "", TENANT_UNSUPPORTED, 0},
    {LOOKUP, 405, "", TENANT_UNSUPPORTED, 0},
    {LOOKUP_AGAIN, 403, "", TENANT_REFUSED, 0}, /* T73: it was there a moment ago */
    {LOOKUP_AGAIN, 404, "", TENANT_REFUSED, 0},
    {LOOKUP_AGAIN, 403, "<html>blocked", TENANT_REFUSED, 0},
    {LOOKUP, 501, "", TENANT_UNSUPPORTED, 0},
    {LOOKUP_AGAIN, 405, "", TENANT_REFUSED, 0},
    {LOOKUP, 500, "", TENANT_AWAY, 0},
    {CREATE, 501, "", TENANT_UNCLEAR, 0},
    {GET, 407, "", TENANT_AWAY, 0}, /* a proxy's */
    {CREATE, 407, "", TENANT_AWAY, 0},
    {PATCH, 405, "", TENANT_UNSUPPORTED, 0},
    /* T45, T46 */
    {CREATE, 401, "", TENANT_NOT_AUTHORISED, 0},
    {LOOKUP, 401, "", TENANT_NOT_AUTHORISED, 0},
    {TEAMS, 403, "", TENANT_NOT_AUTHORISED, 0},
    {TEAMS, 401, "", TENANT_NOT_AUTHORISED, 0},
    /* T73: one user's */
    {CREATE, 403, "", TENANT_REFUSED, 0},
    {CREATE, 403, "<html><title>Request blocked</title>", TENANT_REFUSED, 0},
    {CREATE, 422, "", TENANT_REFUSED, 0},
    {GET, 403, "", TENANT_REFUSED, 0},
    {PUT_TEAM, 403, "{\"error\":\"forbidden\"}", TENANT_REFUSED, 0},
    {DELETE, 403, "", TENANT_REFUSED, 0},
    {SCIM_GET, 403, "", TENANT_REFUSED, 0},
    {PATCH, 403, "", TENANT_REFUSED, 0},
    {TOKEN, 400, "{\"error\":\"invalid_client\"}", TENANT_NOT_AUTHORISED, 0},
    {TOKEN, 401, "", TENANT_NOT_AUTHORISED, 0},
    {TOKEN, 403, "", TENANT_NOT_AUTHORISED, 0},
    {TOKEN, 422, "", TENANT_NOT_AUTHORISED, 0},
    {TOKEN, 302, "", TENANT_AWAY, 0},
    {TOKEN, 503, "", TENANT_AWAY, 0},
    {TOKEN, 404, "", TENANT_AWAY, 0},
    {TOKEN, 500, "", TENANT_AWAY, 0},
    {TOKEN, 429, "", TENANT_THROTTLED, 0},
    /* T47 */
    {CREATE, 429, "", TENANT_THROTTLED, 0},
    {GET, 429, "<html>", TENANT_THROTTLED, 0},
    {CREATE, 503, "", TENANT_AWAY, 0},
    {CREATE, 502, "<html>", TENANT_AWAY, 0},
    {CREATE, 500, "request failed", TENANT_UNCLEAR, 0},
    {PUT_TEAM, 504, "", TENANT_UNCLEAR, 0},
    {DELETE, 500, "", TENANT_UNCLEAR, 0},
    {CREATE, 408, "", TENANT_UNCLEAR, 0},
    {GET, 500, "request failed", TENANT_AWAY, 0},
    {GET, 408, "", TENANT_AWAY, 0},
    {GET, 504, "", TENANT_AWAY, 0},
};

static void test_by_status(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(by_status); i++) {
        const struct http_result result = {.sent = true,
                                           .status = by_status[i].status,
                                           .body = by_status[i].body,
                                           .body_size = strlen(by_status[i].body)};
        struct tenant_answer a = {0};
        answer_decide(&a, &questions[by_status[i].asked], &result);
        if (a.class != by_status[i].class || a.reference != by_status[i].reference)
            fail_msg("row %zu (%d '%s'): %s, reference %d", i, by_status[i].status,
                     by_status[i].body, tenant_answer_class_name(a.class), a.reference);
        assert_int_equal(a.status, by_status[i].status);
    }
}

/* RFC 6749, 5.2, and what is to be looked at for each. */
static void test_remedies(void **state)
{
    (void)state;
    static const struct {
        enum asked asked;
        int status;
        const char *body, *names, *but_not;
    } rows[] = {
        {TOKEN, 401, "{\"error\":\"invalid_client\"}", "client_secret_file", "scope"},
        {TOKEN, 400, "{\"error\":\"invalid_scope\"}", "scope", "client_secret_file"},
        {TOKEN, 400, "{\"error\":\"unauthorized_client\"}", "API user", "scope"},
        {TOKEN, 400, "{\"error\":\"unsupported_grant_type\"}", "API user", "scope"},
        {TOKEN, 400, "{\"error\":\"invalid_request\"}", "client_id, client_secret_file and scope", "API user"},
        {TOKEN, 401, "<html>", "client_id, client_secret_file and scope", "API user"},
        {TOKEN, 401, "{\"error\":7}", "client_id, client_secret_file and scope", "API user"},
        {TEAMS, 403, "", "Manage users", "client_id"},
        {TEAMS, 401, "", "Manage users", "API user"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct http_result result = {.sent = true,
                                           .status = rows[i].status,
                                           .body = rows[i].body,
                                           .body_size = strlen(rows[i].body)};
        struct tenant_answer a = {0};
        answer_decide(&a, &questions[rows[i].asked], &result);
        assert_non_null(a.remedy);
        if (!strstr(a.remedy, rows[i].names) || strstr(a.remedy, rows[i].but_not))
            fail_msg("row %zu: %s", i, a.remedy);
    }
    struct tenant_answer a = {0};
    const struct http_result fine = {.sent = true, .status = 200, .body = "[]", .body_size = 2};
    answer_decide(&a, &questions[TEAMS], &fine);
    assert_null(a.remedy);
}

static void test_by_curl_code(void **state)
{
    (void)state;
    static const struct {
        int code;
        bool sent;
        enum tenant_answer_class write, read;
    } rows[] = {
        {CURLE_HTTP2_STREAM, true, TENANT_UNCLEAR, TENANT_AWAY},
        {CURLE_HTTP2, true, TENANT_UNCLEAR, TENANT_AWAY},
        {CURLE_GOT_NOTHING, true, TENANT_UNCLEAR, TENANT_AWAY},
        {CURLE_SEND_ERROR, true, TENANT_UNCLEAR, TENANT_AWAY},
        {CURLE_RECV_ERROR, true, TENANT_UNCLEAR, TENANT_AWAY},
        {CURLE_OPERATION_TIMEDOUT, true, TENANT_UNCLEAR, TENANT_AWAY},
        {CURLE_PARTIAL_FILE, true, TENANT_UNCLEAR, TENANT_AWAY},
        {CURLE_WRITE_ERROR, true, TENANT_UNCLEAR, TENANT_AWAY},
        {CURLE_FILESIZE_EXCEEDED, true, TENANT_UNCLEAR, TENANT_AWAY},
        {CURLE_ABORTED_BY_CALLBACK, true, TENANT_UNCLEAR, TENANT_AWAY},
        {CURLE_OPERATION_TIMEDOUT, false, TENANT_AWAY, TENANT_AWAY},
        {CURLE_SEND_ERROR, false, TENANT_AWAY, TENANT_AWAY},
        {CURLE_COULDNT_CONNECT, false, TENANT_AWAY, TENANT_AWAY},
        {CURLE_COULDNT_RESOLVE_HOST, false, TENANT_AWAY, TENANT_AWAY},
        {CURLE_PEER_FAILED_VERIFICATION, false, TENANT_AWAY, TENANT_AWAY},
        {CURLE_SSL_CONNECT_ERROR, false, TENANT_AWAY, TENANT_AWAY},
        {CURLE_SSL_CACERT_BADFILE, false, TENANT_AWAY, TENANT_AWAY},
        {CURLE_OUT_OF_MEMORY, false, TENANT_AWAY, TENANT_AWAY},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        /* A status that came before the break changes nothing. */
        const struct http_result result = {.curl_code = rows[i].code,
                                           .sent = rows[i].sent,
                                           .status = rows[i].sent ? 200 : 0,
                                           .body = "OK",
                                           .body_size = 2,
                                           .problem = "broke\n"};
        struct tenant_answer a = {0};
        answer_decide(&a, &questions[CREATE], &result);
        if (a.class != rows[i].write)
            fail_msg("row %zu: %s", i, tenant_answer_class_name(a.class));
        answer_decide(&a, &questions[GET], &result);
        if (a.class != rows[i].read)
            fail_msg("row %zu: %s", i, tenant_answer_class_name(a.class));
        assert_string_equal(a.hint, "broke\\x0a");
        answer_decide(&a, &questions[TOKEN], &result);
        assert_int_equal(a.class, TENANT_AWAY);
    }
}

static void test_throttled_by_503(void **state)
{
    (void)state;
    const struct http_result result = {
        .sent = true, .status = 503, .body = "", .retry_after_sec = 7};
    struct tenant_answer a = {0};
    answer_decide(&a, &questions[CREATE], &result);
    assert_int_equal(a.class, TENANT_THROTTLED);
    assert_int_equal(a.retry_after_usec, 7 * USEC_PER_SEC);
    answer_decide(&a, &questions[TOKEN], &result);
    assert_int_equal(a.class, TENANT_THROTTLED);
}

/* A wait of years is none. */
static void test_longest_wait(void **state)
{
    (void)state;
    const struct http_result result = {.sent = true, .status = 429, .retry_after_sec = 1u << 30};
    struct tenant_answer a = {0};
    answer_decide(&a, &questions[GET], &result);
    assert_int_equal(a.class, TENANT_THROTTLED);
    assert_int_equal(a.retry_after_usec, 3600 * USEC_PER_SEC);
}

/* Every code that libcurl has, by its own words: what is told of a connection, a name or a
 * certificate never left, and of the rest it depends. */
static void test_every_curl_code(void **state)
{
    (void)state;
    for (int code = 1; code < CURL_LAST; code++) {
        const struct http_result result = {.curl_code = code, .sent = true};
        struct tenant_answer a = {0};
        answer_decide(&a, &questions[DELETE], &result);
        assert_true(a.class == TENANT_AWAY || a.class == TENANT_UNCLEAR);
        assert_string_equal(a.hint, ""); /* no problem was told */
        const struct http_result unsent = {.curl_code = code};
        answer_decide(&a, &questions[DELETE], &unsent);
        assert_int_equal(a.class, TENANT_AWAY);
        /* A request that left over a kept connection, for which another one could not be made.
         */
        const struct http_result began = {.curl_code = code, .sent = true, .began = true};
        answer_decide(&a, &questions[DELETE], &began);
        assert_int_equal(a.class, TENANT_UNCLEAR);
        answer_decide(&a, &questions[SCIM_GET], &result);
        assert_int_equal(a.class, TENANT_AWAY);
    }
}

static struct tenant_answer decided(const struct answer_question *q, int status, const char *body)
{
    const struct http_result result = {
        .sent = true, .status = status, .body = body, .body_size = strlen(body)};
    struct tenant_answer a = {0};
    answer_decide(&a, q, &result);
    return a;
}

/* RFC 7644, 3.3: what was created is shown with 201; and a kind of tenant with words of its own. */
static void test_another_kind(void **state)
{
    (void)state;
    static const char shown[] = "{\"id\":\"1\",\"userName\":\"ada\"}";
    struct answer_question q = questions[PATCH], teams = questions[TEAMS];
    q.method = HTTP_POST;
    teams.remedy = "Renew the token.";
    assert_int_equal(decided(&q, 201, shown).class, TENANT_DONE);
    assert_int_equal(decided(&q, 200, shown).class, TENANT_UNCLEAR);
    assert_int_equal(decided(&q, 201, "{}").class, TENANT_UNCLEAR);
    assert_string_equal(decided(&teams, 403, "").remedy, "Renew the token.");
}

/* More than may be shown of one user is that one's matter; of a list, or of a token, it is not;
 * and what was written may have been done. */
static void test_too_large(void **state)
{
    (void)state;
    struct answer_question one = questions[GET], list = questions[TEAMS],
                           token = questions[GET], write = questions[PATCH];
    struct tenant_answer a = {0};
    token.api = ANSWER_TOKEN;
    answer_too_large(&a, &one);
    assert_true(a.too_large);
    answer_too_large(&a, &list);
    assert_false(a.too_large);
    answer_too_large(&a, &token);
    assert_false(a.too_large);
    answer_too_large(&a, &write);
    assert_false(a.too_large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_too_large),        cmocka_unit_test(test_by_status),
        cmocka_unit_test(test_remedies),         cmocka_unit_test(test_by_curl_code),
        cmocka_unit_test(test_throttled_by_503), cmocka_unit_test(test_longest_wait),
        cmocka_unit_test(test_every_curl_code),  cmocka_unit_test(test_another_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
