/*
 * SHA-256. libcrypto searches its providers on every use of EVP_sha256(), which costs more than
 * hashing a short record; the algorithm is therefore fetched once and kept for the life of the
 * process. No other algorithm, no keys.
 */
#include "config.h"

#include "base/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>

#include "base/memory.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const EVP_MD *sha256;

static void fetch(void)
{
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
    sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
#else
    sha256 = EVP_sha256();
#endif
}

static void context_freep(EVP_MD_CTX **c)
{
    EVP_MD_CTX_free(*c);
}

static void put_hexadecimal(char *to, const unsigned char *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < size; i++) {
        *to++ = digits[bytes[i] >> 4];
        *to++ = digits[bytes[i] & 15];
    }
    *to = '\0';
}

int digest_raw(unsigned char ret[static DIGEST_SIZE], const struct digest_part *parts,
               size_t n_parts)
{
    CLEANUP(context_freep) EVP_MD_CTX *context = NULL;
    unsigned size = 0;

    if (pthread_once(&once, fetch) != 0 || !sha256)
        return -EIO;
    context = EVP_MD_CTX_new();
    if (!context || EVP_DigestInit_ex(context, sha256, NULL) != 1)
        return -EIO;
    for (size_t i = 0; i < n_parts; i++)
        if (parts[i].size > 0 && EVP_DigestUpdate(context, parts[i].bytes, parts[i].size) != 1)
            return -EIO;
    return EVP_DigestFinal_ex(context, ret, &size) == 1 && size == DIGEST_SIZE ? 0 : -EIO;
}

int digest_parts(char ret[static DIGEST_TEXT_SIZE], const struct digest_part *parts,
                 size_t n_parts)
{
    unsigned char hash[DIGEST_SIZE];
    int r = digest_raw(hash, parts, n_parts);

    if (r == 0)
        put_hexadecimal(ret, hash, DIGEST_SIZE);
    return r;
}

int digest_text(char ret[static DIGEST_TEXT_SIZE], const char *text)
{
    return digest_parts(ret, &(struct digest_part){text, strlen(text)}, 1);
}
