/* libldap gives a peer's certificate as DER, libcurl as PEM; libcrypto reads both. */
#include "config.h"

#include "base/certificate.h"

#include <limits.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

static uint64_t expires(const X509 *certificate)
{
    const ASN1_TIME *end = certificate ? X509_get0_notAfter(certificate) : NULL;
    struct tm parts;

    if (!end || ASN1_TIME_to_tm(end, &parts) != 1)
        return 0;
    time_t seconds = timegm(&parts);
    return seconds > 0 ? (uint64_t)seconds * USEC_PER_SEC : 0;
}

uint64_t certificate_expires_der(const void *bytes, size_t size)
{
    const unsigned char *p = bytes;
    X509 *certificate = p && size <= LONG_MAX ? d2i_X509(NULL, &p, (long)size) : NULL;
    uint64_t usec = expires(certificate);

    X509_free(certificate);
    return usec;
}

uint64_t certificate_expires_pem(const char *text)
{
    BIO *in = BIO_new_mem_buf(text, (int)strlen(text));
    X509 *certificate = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
    uint64_t usec = expires(certificate);

    X509_free(certificate);
    BIO_free(in);
    return usec;
}
