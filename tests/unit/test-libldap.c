/* What of a directory server's words is shown: sentences for people, and of a password none, in
 * whatever way it is written. The way is drawn anew each time, so no list of known ones helps. */
#include "config.h"

#include <string.h>

#include "base/random.h"
#include "base/secret.h"
#include "directory/libldap.h"
#include "unit.h"

static const char letters[] = "bcdfghjklmnpqrstvwxzBCDFGHJKLMNPQRSTVWXZ0123456789";
#define N_LETTERS (sizeof(letters) - 1)

static size_t draw(size_t n)
{
    return (size_t)(random_number() % n);
}

/* Each letter of the password as another one. */
static void write_otherwise(const char *password, char *ret)
{
    char other[N_LETTERS];
    memcpy(other, letters, N_LETTERS);
    for (size_t i = 0; i + 1 < N_LETTERS; i++) { /* none stays what it is */
        size_t k = i + 1 + draw(N_LETTERS - i - 1);
        char kept = other[i];
        other[i] = other[k];
        other[k] = kept;
    }
    for (; *password; password++)
        *ret++ = other[strchr(letters, *password) - letters];
    *ret = '\0';
}

static void test_passwords_in_unknown_ways(void **state)
{
    (void)state;
    random_seed(20261130);
    for (size_t round = 0; round < 3000; round++) {
        CLEANUP(secret_freep) struct secret *password = NULL;
        char text[64] = "", written[64], said[300], shown[LIBLDAP_SAID_SIZE];
        size_t n = 6 + draw(40);
        for (size_t i = 0; i < n; i++)
            text[i] = letters[draw(N_LETTERS)];
        write_otherwise(text, written);
        assert_int_equal(secret_new(&password, text, n, NULL), 0);
        snprintf(said, sizeof(said), "the account with %s may not", written);
        libldap_said(shown, said, password);
        written[5] = '\0';
        if (strstr(shown, written))
            fail_msg("%s, written as %s: %s", text, said, shown);
        if (!strstr(shown, "the account with "))
            fail_msg("its words are not shown: %s", shown);
    }
}

static void test_sentences_stay(void **state)
{
    (void)state;
    CLEANUP(secret_freep) struct secret *password = NULL;
    char shown[LIBLDAP_SAID_SIZE];
    static const char *const texts[] = {
        "no write access to parent", "80090308: LdapErr: data 52e",
        "modifications require authentication", "Error 53, incident 4839",
    };
    assert_int_equal(secret_new(&password, "bq7wKc9Tt4xVgHrZp2M9sLw8dFn3j", 29, NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        assert_string_equal(libldap_said(shown, texts[i], password), texts[i]);
        assert_non_null(libldap_said(shown, texts[i], NULL));
    }
    assert_null(libldap_said(shown, "", password));
    assert_null(libldap_said(shown, NULL, password));
    assert_null(strchr(libldap_said(shown, "\x1b[31mred", password), '\x1b'));
}

static void test_password_as_it_is(void **state)
{
    (void)state;
    CLEANUP(secret_freep) struct secret *password = NULL;
    char shown[LIBLDAP_SAID_SIZE];
    assert_int_equal(secret_new(&password, "correct horse battery", 21, NULL), 0);
    libldap_said(shown, "the password correct horse battery is expired", password);
    assert_non_null(strstr(shown, "repeats the password")); /* words, each of them */
    assert_null(strstr(shown, "horse"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passwords_in_unknown_ways),
        cmocka_unit_test(test_sentences_stay),
        cmocka_unit_test(test_password_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
