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
#include <stdbool.h>
#include <string.h>

#include "base/memory.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const EVP_MD *sha256;
static pthread_key_t context_key; /* each thread has one, for as long as it lives */
static bool has_key;

static void free_context(void *context)
{
    EVP_MD_CTX_free(context);
}

static void fetch(void)
{
    has_key = pthread_key_create(&context_key, free_context) == 0;
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
    sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
#else
    sha256 = EVP_sha256();
#endif
}

static EVP_MD_CTX *own_context(void)
{
    EVP_MD_CTX *context = pthread_getspecific(context_key);

    if (context)
        return context;
    context = EVP_MD_CTX_new();
    if (context && pthread_setspecific(context_key, context) == 0)
        return context;
    EVP_MD_CTX_free(context);
    return NULL;
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
    EVP_MD_CTX *context;
    unsigned size = 0;

    if (pthread_once(&once, fetch) != 0 || !sha256 || !has_key)
        return -EIO;
    context = own_context();
    if (!context || EVP_DigestInit_ex(context, sha256, NULL) != 1)
        return -EIO;
    for (size_t i = 0; i < n_parts; i++)
        if (parts[i].size > 0 && EVP_DigestUpdate(context, parts[i].bytes, parts[i].size) != 1)
            return -EIO;
    return EVP_DigestFinal_ex(context, ret, &size) == 1 && size == DIGEST_SIZE ? 0 : -EIO;
}

void digest_sum_init(struct digest_sum *s)
{
    bool ready = pthread_once(&once, fetch) == 0 && sha256;

    s->context = ready ? EVP_MD_CTX_new() : NULL;
    s->failed = !s->context || EVP_DigestInit_ex(s->context, sha256, NULL) != 1;
}

void digest_sum_add(struct digest_sum *s, const void *bytes, size_t size)
{
    if (!s->failed && size > 0)
        s->failed = EVP_DigestUpdate(s->context, bytes, size) != 1;
}

int digest_sum_end(struct digest_sum *s, char ret[static DIGEST_TEXT_SIZE])
{
    unsigned char raw[DIGEST_SIZE];
    unsigned size = 0;

    if (s->failed || EVP_DigestFinal_ex(s->context, raw, &size) != 1 || size != DIGEST_SIZE)
        return -EIO;
    put_hexadecimal(ret, raw, sizeof(raw));
    return 0;
}

void digest_sum_done(struct digest_sum *s)
{
    EVP_MD_CTX_free(TAKE(s->context));
}

int digest_parts(char ret[static DIGEST_TEXT_SIZE], const struct digest_part *parts, size_t n_parts)
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
