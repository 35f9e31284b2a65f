/* What a cookie belongs to: whatever else is asked for, or of whom, makes it another one; what
 * makes no difference does not. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "directory/cookie-identity.h"
#include "directory/environment.h"
#include "directory/rootdse.h"
#include "unit.h"

#define TEXT(literal) ((char *)(literal)) /* nobody writes to it */
#define SEARCH        1                   /* of two: each has cookies of its own */

/* All that an identity is made of, as it is at first. */
struct setting {
    struct directory_options options;
    struct rootdse server;
    struct feed_environment environment;
    char *attributes[4], *wanted[4];
    enum directory_feed_kind kind;
    const char *uri;
    uint64_t usn;
};

static void set_up(struct setting *s)
{
    *s = (struct setting){
        .options = {.bind_dn = TEXT("cn=reader"), .bind = DIRECTORY_BIND_SIMPLE},
        .server = {.product_text = TEXT("slapd"), .invocation_id = TEXT("first")},
        .attributes = {TEXT("cn"), TEXT("mail"), TEXT("uid")},
        .wanted = {TEXT("mail"), TEXT("uid")},
        .kind = DIRECTORY_FEED_SYNCREPL,
        .uri = "ldap://first",
        .usn = 5,
    };
    s->server.suffix_ids[SEARCH] = TEXT("suffix");
    s->environment.options = &s->options;
    s->environment.server = &s->server;
    s->environment.attributes = s->attributes;
    s->environment.decoder =
        (struct decoder){.id_attribute = TEXT("entryUUID"), .login_attribute = TEXT("uid")};
    s->environment.decoder.wanted = (struct string_list){.items = s->wanted, .n_items = 2};
    s->environment.searches[SEARCH] =
        (struct feed_search){.base = TEXT("dc=a"), .scope = 2, .filter = TEXT("(uid=*)")};
}

static char *identity_of(const struct setting *s)
{
    char *text = cookie_identity(&s->environment, SEARCH, s->kind, s->uri, s->usn);
    assert_non_null(text);
    return text;
}

/* Whether a cookie of the one may be used with the other; why is what is said when not. */
static bool matches(const struct setting *before, const struct setting *now, char *why, size_t n)
{
    char *stored = identity_of(before), *current = identity_of(now);
    bool same = cookie_identity_matches(stored, current, why, n);
    free(stored);
    free(current);
    return same;
}

enum change {
    FEED,
    PRODUCT,
    SUFFIX,
    INVOCATION,
    URI,
    URI_LEFT_OUT,
    BASE,
    SCOPE,
    FILTER,
    ATTRIBUTE,
    ATTRIBUTE_MORE,
    ATTRIBUTE_LESS,
    KEPT,
    KEPT_LESS,
    BIND,
    BIND_METHOD,
    ID,
    LOGIN,
    LOGIN_LEFT_OUT,
    FORM,
    USN_LESS,
    USN_NONE,
    N_CHANGES
};

static const char *change(struct setting *s, enum change c)
{
    struct feed_search *search = &s->environment.searches[SEARCH];
    struct decoder *decoder = &s->environment.decoder;
    switch (c) {
    case FEED: s->kind = DIRECTORY_FEED_POLL; return "feed";
    case PRODUCT: s->server.product_text = TEXT("Samba"); return "product";
    case SUFFIX: s->server.suffix_ids[SEARCH] = TEXT("other"); return "suffix";
    case INVOCATION: s->server.invocation_id = TEXT("second"); return "invocation";
    case URI: s->uri = "ldap://second"; return "uri";
    case URI_LEFT_OUT: s->uri = NULL; return "uri";
    case BASE: search->base = TEXT("dc=b"); return "base";
    case SCOPE: search->scope = 1; return "scope";
    case FILTER: search->filter = TEXT("(uid=a*)"); return "filter";
    case ATTRIBUTE: s->attributes[1] = TEXT("title"); return "attributes";
    case ATTRIBUTE_MORE: s->attributes[3] = TEXT("title"); return "attributes";
    case ATTRIBUTE_LESS: s->attributes[2] = NULL; return "attributes";
    case KEPT: s->wanted[0] = TEXT("title"); return "kept";
    case KEPT_LESS: decoder->wanted.n_items = 1; return "kept";
    case BIND: s->options.bind_dn = TEXT("cn=other"); return "bind";
    case BIND_METHOD: s->options.bind = DIRECTORY_BIND_EXTERNAL; return "bind_method";
    case ID: decoder->id_attribute = TEXT("nsUniqueId"); return "id";
    case LOGIN: decoder->login_attribute = TEXT("cn"); return "login_attribute";
    case LOGIN_LEFT_OUT: decoder->login_attribute = NULL; return "login_attribute";
    case FORM: decoder->form[0] = 1; return "way of reading";
    case USN_LESS: s->usn = 4; return "highestCommittedUSN";
    case USN_NONE: s->usn = 0; return "highestCommittedUSN";
    case N_CHANGES: break;
    }
    return NULL;
}

static void test_what_differs(void **state)
{
    (void)state;
    for (enum change c = 0; c < N_CHANGES; c++) {
        struct setting before, now;
        char why[200] = "";
        set_up(&before);
        set_up(&now);
        const char *named = change(&now, c);
        if (matches(&before, &now, why, sizeof(why)) || !strstr(why, named))
            fail_msg("another %s: \"%s\"", named, why);
        /* What came since is as good a reason, whatever it is called. */
        if (c != USN_LESS && c != USN_NONE && matches(&now, &before, why, sizeof(why)))
            fail_msg("another %s, the other way round", named);
    }
}

static void test_what_is_the_same(void **state)
{
    (void)state;
    struct setting before, now;
    char why[200] = "";
    set_up(&before);
    set_up(&now);
    assert_true(matches(&before, &now, why, sizeof(why)));
    now.usn = 6;
    assert_true(matches(&before, &now, why, sizeof(why)));
    /* In whatever order names come, the same is asked for and kept. */
    memcpy(now.attributes, (char *[]){TEXT("uid"), TEXT("cn"), TEXT("mail")}, 3 * sizeof(char *));
    memcpy(now.wanted, (char *[]){TEXT("uid"), TEXT("mail")}, 2 * sizeof(char *));
    assert_true(matches(&before, &now, why, sizeof(why)));
    /* The other search has cookies of its own. */
    now.environment.searches[!SEARCH].base = TEXT("dc=b");
    now.server.suffix_ids[!SEARCH] = TEXT("other");
    assert_true(matches(&before, &now, why, sizeof(why)));
    /* Of a server that counts nothing. */
    before.usn = now.usn = 0;
    assert_true(matches(&before, &now, why, sizeof(why)));
    now.usn = 1;
    assert_true(matches(&before, &now, why, sizeof(why)));
}

/* Whoever binds by Kerberos is named by the principal. */
static void test_principal(void **state)
{
    (void)state;
    struct setting before, now;
    char why[200] = "";
    set_up(&before);
    before.options.bind_dn = NULL;
    before.options.principal = TEXT("reader@A");
    now = before;
    now.environment.options = &now.options;
    assert_true(matches(&before, &now, why, sizeof(why)));
    now.options.principal = TEXT("other@A");
    assert_false(matches(&before, &now, why, sizeof(why)));
    assert_non_null(strstr(why, "bind"));
}

static void test_nothing_known(void **state)
{
    (void)state;
    struct setting s;
    char why[200] = "";
    set_up(&s);
    char *text = identity_of(&s);
    static const char *const nothing[] = {NULL, "", "[]", "{\"feed\":"};
    for (size_t i = 0; i < sizeof(nothing) / sizeof(*nothing); i++) {
        *why = '\0';
        assert_false(cookie_identity_matches(nothing[i], text, why, sizeof(why)));
        assert_non_null(strstr(why, "nothing is known"));
        *why = '\0';
        assert_false(cookie_identity_matches(text, nothing[i], why, sizeof(why)));
        assert_non_null(strstr(why, "nothing is known"));
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_differs),
        cmocka_unit_test(test_what_is_the_same),
        cmocka_unit_test(test_principal),
        cmocka_unit_test(test_nothing_known),
    };
    return cmocka_run_group_tests_name("cookie-identity", tests, NULL, NULL);
}
