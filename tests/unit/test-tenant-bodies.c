/* Bodies of the Configuration API and of SCIM: what is sent, and what is understood. */
#include "config.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/secret.h"
#include "base/text.h"
#include "model/user.h"
#include "tenant/http.h"
#include "tenant/oauth.h"
#include "tenant/scim.h"
#include "tenant/user-api.h"
#include "unit.h"

static struct user *sheila(void)
{
    struct user *u = user_new();
    assert_non_null(u);
    assert_int_equal(user_set(u, USER_LOGIN, "sheila.thomas", NULL), 0);
    assert_int_equal(user_set(u, USER_FIRST_NAME, "Sheila", NULL), 0);
    assert_int_equal(user_set(u, USER_LAST_NAME, "Thömas \"T\"", NULL), 0);
    assert_int_equal(user_set(u, USER_TEAM, "Customer Service", NULL), 0);
    assert_int_equal(user_set(u, USER_EXTENSION, "1072", NULL), 0);
    assert_int_equal(user_set(u, USER_WORK_PHONE, "", NULL), 0);
    assert_int_equal(user_add_role(u, "Supervisor", NULL), 0);
    assert_int_equal(user_add_role(u, "Agent", NULL), 0);
    assert_int_equal(user_add_skill(u, "Spanish", 100, NULL), 0);
    assert_int_equal(user_add_skill(u, "Level two", 0, NULL), 0);
    return u;
}

/* Takes the body; compares as JSON. */
static void assert_json(char *body, size_t size, const char *expected)
{
    json_auto_t *is = json_loadb(body, size, 0, NULL), *want = json_loads(expected, 0, NULL);
    assert_non_null(is);
    assert_non_null(want);
    if (!json_equal(is, want))
        fail_msg("%.*s", (int)size, body);
    free(body);
}

static void test_create(void **state)
{
    (void)state;
    struct error e;
    char *body = NULL;
    size_t size = 0;
    CLEANUP(user_freep) struct user *u = sheila();
    CLEANUP(secret_freep) struct secret *password = NULL;
    assert_int_equal(secret_new(&password, "Ch\"nge", 6, &e), 0);
    assert_int_equal(user_api_create_body(&body, &size, u, password, true, &e), 0);
    assert_json(body, size,
                "{\"loginId\":\"sheila.thomas\",\"firstName\":\"Sheila\","
                "\"lastName\":\"Thömas \\\"T\\\"\",\"team\":\"Customer Service\","
                "\"extension\":\"1072\",\"disabled\":false,\"changePassword\":true,"
                "\"password\":\"Ch\\\"nge\",\"skills\":{\"Spanish\":100,\"Level two\":0},"
                "\"roles\":[\"Agent\",\"Supervisor\"]}");
}

/* Of odd pieces, some of which JSON must escape; valid UTF-8. */
static const char *odd_text(char text[static 200])
{
    static const char *const pieces[] = {"a",    "\"",   "\\",           "\n",   "\x01",         "\x7f",
                                         "/",    "\xc3\xb6", "\xe2\x82\xac", "\xf0\x9f\x98\x80", " ",
                                         "\\u00", "{",    "\b\f\r\t",     "\x1f"};
    text[0] = '\0';
    for (int i = rand() % 12; i >= 0; i--)
        strcat(text, pieces[(size_t)rand() % ARRAY_SIZE(pieces)]);
    return text;
}

/* jansson reads in a body what jansson was given of the same user. */
static void test_create_odd(void **state)
{
    static const char *const names[USER_N_FIELDS] = {
        [USER_LOGIN] = "loginId",        [USER_FIRST_NAME] = "firstName",
        [USER_LAST_NAME] = "lastName",   [USER_EMAIL] = "email",
        [USER_WORK_PHONE] = "workPhone", [USER_MOBILE_PHONE] = "mobilePhone",
        [USER_EXTENSION] = "extension",  [USER_TEAM] = "team",
    };
    (void)state;
    srand(5);
    for (int round = 0; round < 500; round++) {
        CLEANUP(user_freep) struct user *u = user_new();
        json_auto_t *want = json_pack("{s:b}", "disabled", round % 2);
        json_t *roles = json_array(), *skills = json_object();
        char text[200], *body = NULL;
        size_t size = 0;
        struct error e;
        u->disabled = round % 2;
        for (int f = 0; f < USER_N_FIELDS; f++) {
            assert_int_equal(user_set(u, (enum user_field)f, odd_text(text), NULL), 0);
            json_object_set_new(want, names[f], json_string(text));
        }
        for (int i = rand() % 4; i > 0; i--) {
            unsigned level = (unsigned)rand() % 101;
            if (user_skill(u, odd_text(text)))
                continue;
            assert_int_equal(user_add_skill(u, text, level, NULL), 0);
            json_object_set_new(skills, text, json_integer(level));
        }
        if (rand() % 2)
            assert_int_equal(user_add_role(u, odd_text(text), NULL), 0);
        for (size_t i = 0; i < u->n_roles; i++)
            json_array_append_new(roles, json_string(u->roles[i].name));
        if (u->n_skills)
            json_object_set(want, "skills", skills);
        if (u->n_roles)
            json_object_set(want, "roles", roles);
        json_decref(skills);
        json_decref(roles);
        assert_int_equal(user_api_create_body(&body, &size, u, NULL, false, &e), 0);
        char *expected = json_dumps(want, 0);
        assert_json(body, size, expected);
        free(expected);
    }
}

static void test_create_minimal_and_large(void **state)
{
    (void)state;
    struct error e;
    char *body = NULL, long_name[3000];
    size_t size = 0;
    CLEANUP(user_freep) struct user *u = user_new();
    assert_int_equal(user_set(u, USER_LOGIN, "a", NULL), 0);
    u->disabled = true;
    assert_int_equal(user_api_create_body(&body, &size, u, NULL, false, &e), 0);
    assert_json(body, size, "{\"loginId\":\"a\",\"disabled\":true}");
    memset(long_name, 'x', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    assert_int_equal(user_set(u, USER_LAST_NAME, long_name, NULL), 0);
    assert_int_equal(user_api_create_body(&body, &size, u, NULL, false, &e), 0);
    json_auto_t *json = json_loadb(body, size, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(json, "lastName")), long_name);
    free(body);
}

static void test_not_utf8_is_refused(void **state)
{
    (void)state;
    struct error e;
    char *body = NULL;
    size_t size = 0;
    CLEANUP(user_freep) struct user *u = sheila();
    assert_int_equal(user_set(u, USER_LAST_NAME, "M\xfcller", NULL), 0);
    assert_int_equal(user_api_create_body(&body, &size, u, NULL, false, &e), -EINVAL);
    assert_non_null(strstr(e.message, "last_name"));
    const char *fields[USER_N_FIELDS] = {[USER_EMAIL] = "\xff@example.com"};
    assert_int_equal(scim_patch_body(&body, &size, fields, NULL, NULL, false, &e), -EINVAL);
    assert_non_null(strstr(e.message, "email"));
    assert_null(body);
}

static void test_put(void **state)
{
    (void)state;
    struct error e;
    char *body = NULL;
    size_t size = 0;
    const bool yes = true;
    CLEANUP(user_freep) struct user *u = sheila(), *none = user_new();
    assert_int_equal(user_api_put_body(&body, &size, "New team", &yes, u, &e), 0);
    assert_json(body, size,
                "{\"team\":\"New team\",\"disabled\":true,"
                "\"skills\":{\"Spanish\":100,\"Level two\":0}}");
    assert_int_equal(user_api_put_body(&body, &size, NULL, NULL, none, &e), 0);
    assert_json(body, size, "{\"skills\":{}}");
    assert_int_equal(user_api_put_body(&body, &size, NULL, NULL, NULL, &e), -EINVAL);
}

static void test_read_user(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "{\"loginId\":\"s\",\"firstName\":\"S\",\"extension\":\"1072\",\"disabled\":true,"
        "\"team\":\"T\",\"email\":\"\",\"skills\":{\"A b\":100,\"C\":7},\"roles\":[\"Agent\"],"
        "\"loginInfo\":{\"isLoggedIn\":true},\"unknown\":{\"x\":[1]}}",
        "{\"loginId\":\"s\",\"firstName\":\"S\",\"extension\":1072,\"disabled\":\"true\","
        "\"team\":{\"name\":\"T\"},\"email\":null,\"skills\":{\"A b\":1e9,\"C\":\"7\"},"
        "\"roles\":[{\"value\":\"Agent\"},null,17.5],\"loginInfo\":{\"isLoggedIn\":\"true\"}}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        struct error e;
        bool logged_in = false;
        CLEANUP(user_freep) struct user *u = NULL;
        assert_int_equal(user_api_read_user(&u, &logged_in, forms[i], strlen(forms[i]), &e), 0);
        assert_string_equal(user_get(u, USER_LOGIN), "s");
        assert_string_equal(user_get(u, USER_EXTENSION), "1072");
        assert_string_equal(user_get(u, USER_TEAM), "T");
        assert_null(user_get(u, USER_EMAIL));
        assert_null(user_get(u, USER_LAST_NAME));
        assert_true(u->disabled);
        assert_true(logged_in);
        assert_int_equal(u->n_roles, 1);
        assert_string_equal(u->roles[0].name, "Agent");
        assert_int_equal(u->n_skills, 2);
        assert_int_equal(user_skill(u, "A b")->level, 100);
        assert_int_equal(user_skill(u, "C")->level, 7);
    }
}

/* A form that is not known makes nobody dormant, nor does one that overflows. */
static void test_read_last_login(void **state)
{
    static const struct {
        const char *value;
        int64_t usec; /* -1: it may be today */
    } rows[] = {
        {"1606471593000", 1606471593000000},
        {"1606471593", 1606471593000000},
        {"\"1606471593000\"", 1606471593000000},
        {"\"11-27-2020T10:06:33\"", 1606471593000000},
        {"\"2020-11-27T10:06:33Z\"", 1606471593000000},
        {"0", 0},
        {"-1", 0},
        {"null", 0},
        {"false", 0},
        {"\"\"", 0},
        {"\"0001-01-01T00:00:00\"", 0},
        {"\"1970-01-01T00:00:00Z\"", 0},
        {"\"01-01-0001T00:00:00\"", 0},
        {"9223372036854775807", -1},
        {"18446744073709551", -1},
        {"637420611930000000", -1},
        {"12345", -1},
        {"true", -1},
        {"{}", 0},
        {"\"2020-11-27T10:06:33+01:00\"", -1},
        {"\"yesterday\"", -1},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct user *u = NULL;
        struct error e = {0};
        bool logged_in;
        char body[200];
        uint64_t before = clock_now_usec();
        snprintf(body, sizeof(body), "{\"loginId\":\"a\",\"loginInfo\":{\"lastLogin\":%s}}", rows[i].value);
        assert_int_equal(user_api_read_user(&u, &logged_in, body, strlen(body), &e), 0);
        bool today = u->last_login_usec >= before;
        if (rows[i].usec >= 0 ? u->last_login_usec != (uint64_t)rows[i].usec : !today)
            fail_msg("%s: %llu", rows[i].value, (unsigned long long)u->last_login_usec);
        user_free(u);
    }
}

static void test_read_what_is_no_user(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "", "OK", "[]", "{}", "{\"loginId\":", "1", "<a/>", "{\"loginId\":5}", "\xff\xff"};
    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        struct error e;
        bool logged_in = false;
        struct user *u = NULL;
        char *id = NULL;
        assert_int_equal(user_api_read_user(&u, &logged_in, bodies[i], strlen(bodies[i]), &e),
                         -EBADMSG);
        assert_int_equal(scim_read_user(&u, &id, bodies[i], strlen(bodies[i]), &e), -EBADMSG);
        assert_int_equal(scim_read_lookup(&id, "x", bodies[i], strlen(bodies[i]), &e),
                         -EBADMSG);
        assert_null(u);
        assert_null(id);
    }
}

static void test_read_lists(void **state)
{
    (void)state;
    struct error e;
    CLEANUP(string_list_done) struct string_list l = {0};
    static const char teams[] = "[{\"name\":\"A\"},{\"name\":\"B c\",\"id\":4}]";
    static const char users[] = "[{\"loginId\":\"x\",\"extension\":\"1\"},{\"loginId\":\"y\"}]";
    static const char bad[] = "[{\"name\":\"A\"},{\"nome\":\"B\"}]";
    assert_int_equal(user_api_read_teams(&l, teams, strlen(teams), &e), 0);
    assert_int_equal(user_api_read_directory(&l, users, strlen(users), &e), 0);
    assert_int_equal(l.n_items, 4);
    assert_true(string_list_contains(&l, "B c") && string_list_contains(&l, "y"));
    assert_int_equal(user_api_read_teams(&l, bad, strlen(bad), &e), -EBADMSG);
    assert_int_equal(user_api_read_teams(&l, "{}", 2, &e), -EBADMSG);
}

static void test_scim_lookup_query(void **state)
{
    (void)state;
    static const struct {
        const char *login, *query;
    } rows[] = {
        {"ada", "?filter=userName%20eq%20%22ada%22"},
        {"a\"b\\c", "?filter=userName%20eq%20%22a%5C%22b%5C%5Cc%22"},
        {"å&x=1 +", "?filter=userName%20eq%20%22%C3%A5%26x%3D1%20%2B%22"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(freep) char *query = scim_lookup_query(rows[i].login);
        assert_string_equal(query, rows[i].query);
    }
}

static void test_scim_lookup(void **state)
{
    (void)state;
    static const struct {
        const char *body, *id; /* id NULL: unknown login; "!": not understood */
    } rows[] = {
        {"{\"totalResults\":0}", NULL},
        {"{\"totalResults\":0,\"Resources\":[]}", NULL},
        {"{\"totalResults\":1,\"Resources\":[{\"id\":\"7\",\"userName\":\"ada\"}]}", "7"},
        {"{\"totalResults\":1,\"Resources\":[{\"id\":7,\"userName\":\"ADA\"}]}", "7"},
        {"{\"totalResults\":2,\"Resources\":[{\"id\":1,\"userName\":\"Ada\"},"
         "{\"id\":2,\"userName\":\"ada\"}]}",
         "2"},
        /* a filter that the tenant ignores */
        {"{\"totalResults\":1,\"Resources\":[{\"id\":\"7\",\"userName\":\"bob\"}]}", NULL},
        {"{\"totalResults\":50,\"Resources\":[{\"id\":\"7\",\"userName\":\"bob\"}]}", "!"},
        {"{\"totalResults\":1}", "!"},
        {"{\"totalResults\":1,\"Resources\":[{\"userName\":\"ada\"}]}", "!"},
        {"{\"error\":\"x\"}", "!"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct error e;
        CLEANUP(freep) char *id = NULL;
        int r = scim_read_lookup(&id, "ada", rows[i].body, strlen(rows[i].body), &e);
        bool bad = rows[i].id && rows[i].id[0] == '!';
        assert_int_equal(r, bad ? -EBADMSG : 0);
        if (!bad && !text_equal(id, rows[i].id))
            fail_msg("row %zu: %s", i, id);
    }
}

static void test_scim_read_user(void **state)
{
    (void)state;
    static const char body[] =
        "{\"id\":\"7\",\"userName\":\"ada\",\"name\":{\"givenName\":\"Ada\",\"familyName\":\"L\"},"
        "\"emails\":[{\"value\":\"x@e\",\"type\":\"home\"},{\"value\":\"a@e\",\"primary\":true}],"
        "\"phoneNumbers\":[{\"type\":\"Work\",\"value\":\"1\"},{\"type\":\"extension\","
        "\"value\":1072},{\"type\":\"fax\",\"value\":\"9\"}],\"active\":false,"
        "\"roles\":[\"Agent\",{\"value\":\"Boss\"}],\"groups\":[{\"display\":\"T\",\"value\":\"5\"}],"
        "\"meta\":{\"created\":\"06-03-2020T07:46:33\"}}";
    struct error e;
    CLEANUP(user_freep) struct user *u = NULL;
    CLEANUP(freep) char *id = NULL;
    assert_int_equal(scim_read_user(&u, &id, body, strlen(body), &e), 0);
    static const char *const expected[USER_N_FIELDS] = {"ada", "Ada", "L",    "a@e",
                                                        "1",   NULL,  "1072", "T"};
    for (enum user_field f = 0; f < USER_N_FIELDS; f++)
        if (!text_equal(user_get(u, f), expected[f]))
            fail_msg("%s: %s", user_field_name(f), user_get(u, f));
    assert_string_equal(id, "7");
    assert_true(u->disabled);
    assert_int_equal(u->n_roles, 2);
    assert_non_null(user_role(u, "Boss"));
}

static void test_scim_patch(void **state)
{
    (void)state;
    struct error e;
    char *body = NULL;
    size_t size = 0;
    CLEANUP(user_freep) struct user *u = sheila(), *none = user_new();
    const char *fields[USER_N_FIELDS] = {[USER_LOGIN] = "new",
                                         [USER_LAST_NAME] = "L",
                                         [USER_EMAIL] = "a@e",
                                         [USER_WORK_PHONE] = "1",
                                         [USER_MOBILE_PHONE] = ""};
    assert_int_equal(scim_patch_body(&body, &size, fields, u, NULL, false, &e), 0);
    assert_json(
        body, size,
        "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:PatchOp\"],"
        "\"Operations\":["
        "{\"op\":\"replace\",\"path\":\"userName\",\"value\":\"new\"},"
        "{\"op\":\"replace\",\"path\":\"name.familyName\",\"value\":\"L\"},"
        "{\"op\":\"replace\",\"path\":\"emails\",\"value\":[{\"value\":\"a@e\","
        "\"type\":\"work\",\"primary\":true}]},"
        "{\"op\":\"add\",\"path\":\"phoneNumbers[type eq \\\"work\\\"].value\","
        "\"value\":\"1\"},"
        "{\"op\":\"remove\",\"path\":\"phoneNumbers[type eq \\\"mobile\\\"]\"},"
        "{\"op\":\"replace\",\"path\":\"roles\",\"value\":[\"Agent\",\"Supervisor\"]}]}");
    const char *nothing[USER_N_FIELDS] = {NULL};
    assert_int_equal(scim_patch_body(&body, &size, nothing, none, NULL, false, &e), 0);
    assert_json(body, size,
                "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:PatchOp\"],"
                "\"Operations\":[{\"op\":\"replace\",\"path\":\"roles\",\"value\":[]}]}");
    assert_int_equal(scim_patch_body(&body, &size, nothing, NULL, NULL, false, &e), -EINVAL);
    /* Strict servers: as the user was shown. */
    CLEANUP(user_freep) struct user *shown = user_new();
    assert_int_equal(user_set(shown, USER_MOBILE_PHONE, "2", NULL), 0);
    const char *phones[USER_N_FIELDS] = {[USER_WORK_PHONE] = "1", [USER_MOBILE_PHONE] = "3"};
    assert_int_equal(scim_patch_body(&body, &size, phones, u, shown, true, &e), 0);
    assert_json(body, size,
                "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:PatchOp\"],"
                "\"Operations\":["
                "{\"op\":\"add\",\"path\":\"phoneNumbers\",\"value\":[{\"type\":\"work\","
                "\"value\":\"1\"}]},"
                "{\"op\":\"replace\",\"path\":\"phoneNumbers[type eq \\\"mobile\\\"].value\","
                "\"value\":\"3\"},"
                "{\"op\":\"replace\",\"path\":\"roles\",\"value\":[{\"value\":\"Agent\"},"
                "{\"value\":\"Supervisor\"}]}]}");
    const char *team[USER_N_FIELDS] = {[USER_TEAM] = "T"};
    assert_int_equal(scim_patch_body(&body, &size, team, NULL, NULL, false, &e), 0);
    assert_json(body, size,
                "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:PatchOp\"],"
                "\"Operations\":[{\"op\":\"replace\",\"path\":\"urn:ietf:params:scim:schemas:"
                "extension:enterprise:2.0:User:department\",\"value\":\"T\"}]}");
    const char *login[USER_N_FIELDS] = {[USER_LOGIN] = ""};
    assert_int_equal(scim_patch_body(&body, &size, login, NULL, NULL, false, &e), -EINVAL);
}

/* T42 */
static void test_expires_in(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        uint64_t seconds;
    } rows[] = {
        {"\"expires_in\":\"120\"", 120}, {"\"expires_in\":120", 120},
        {"\"expires_in\":120.9", 120},   {"", 3600},
        {"\"expires_in\":null", 3600},   {"\"expires_in\":\"soon\"", 3600},
        {"\"expires_in\":0", 3600},      {"\"expires_in\":-1", 3600},
        {"\"expires_in\":\"\"", 3600},   {"\"expires_in\":1e30", 366 * 24 * 3600},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(secret_freep) struct secret *token = NULL;
        struct error e = {0};
        uint64_t seconds = 0;
        char body[100];
        int n = snprintf(body, sizeof(body), "{\"access_token\":\"t\"%s%s}",
                         *rows[i].body ? "," : "", rows[i].body);
        assert_int_equal(oauth_read_token(&token, &seconds, NULL, body, (size_t)n, &e), 0);
        assert_int_equal(seconds, rows[i].seconds);
    }
}

static void test_escape(void **state)
{
    (void)state;
    CLEANUP(freep) char *text = http_escape("a/b?c#d%e f~g-h._é");
    assert_string_equal(text, "a%2Fb%3Fc%23d%25e%20f~g-h._%C3%A9");
}

/* A list that a peer chose to make long is refused at once, not sorted in for half a minute. */
static void test_too_many_roles(void **state)
{
    (void)state;
    struct error e = {{0}};
    struct user *user = NULL;
    bool logged_in = false;
    char *body = malloc(40000 * 12 + 100), *end = body;
    uint64_t before = clock_monotonic_usec();
    assert_non_null(body);
    end += sprintf(end, "{\"loginId\":\"ada\",\"roles\":[");
    for (int i = 40000; i > 0; i--)
        end += sprintf(end, "\"r%06d\"%s", i, i > 1 ? "," : "]}");
    assert_int_equal(user_api_read_user(&user, &logged_in, body, (size_t)(end - body), &e),
                     -E2BIG);
    assert_null(user);
    assert_true(clock_monotonic_usec() - before < 5 * USEC_PER_SEC);
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_create_odd),
        cmocka_unit_test(test_too_many_roles),
        cmocka_unit_test(test_create_minimal_and_large),
        cmocka_unit_test(test_not_utf8_is_refused),
        cmocka_unit_test(test_put),
        cmocka_unit_test(test_read_user),
        cmocka_unit_test(test_read_last_login),
        cmocka_unit_test(test_read_what_is_no_user),
        cmocka_unit_test(test_read_lists),
        cmocka_unit_test(test_scim_lookup_query),
        cmocka_unit_test(test_scim_lookup),
        cmocka_unit_test(test_scim_read_user),
        cmocka_unit_test(test_scim_patch),
        cmocka_unit_test(test_expires_in),
        cmocka_unit_test(test_escape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
