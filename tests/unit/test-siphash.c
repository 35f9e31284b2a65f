/* SipHash as libcrypto has it, over texts of every length that ends a block or does not. */
#include "config.h"

#include "base/siphash.h"

#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/random.h"
#include "unit.h"

static void theirs(unsigned char ret[static SIPHASH_SIZE], const unsigned char *key,
                   const unsigned char *text, size_t size)
{
    unsigned length = SIPHASH_SIZE;
    size_t n = 0;
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_uint("size", &length),
                                 OSSL_PARAM_construct_end()};
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    EVP_MAC_CTX *c = EVP_MAC_CTX_new(mac);
    assert_int_equal(EVP_MAC_init(c, key, SIPHASH_KEY_SIZE, params), 1);
    assert_int_equal(EVP_MAC_update(c, text, size), 1);
    assert_int_equal(EVP_MAC_final(c, ret, &n, SIPHASH_SIZE), 1);
    assert_int_equal(n, SIPHASH_SIZE);
    EVP_MAC_CTX_free(c);
    EVP_MAC_free(mac);
}

static void test_as_libcrypto(void **state)
{
    unsigned char key[SIPHASH_KEY_SIZE], text[300], a[SIPHASH_SIZE], b[SIPHASH_SIZE];
    (void)state;
    for (size_t size = 0; size < sizeof(text); size++) {
        assert_int_equal(random_bytes(key, sizeof(key)), 0);
        assert_int_equal(random_bytes(text, sizeof(text)), 0);
        siphash(a, key, text, size);
        theirs(b, key, text, size);
        assert_memory_equal(a, b, sizeof(a));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_libcrypto),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
