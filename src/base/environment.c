/*
 * Variables that libraries heed without being asked: files for session keys and traces, which
 * would hold what this program keeps secret, and options for libldap and Kerberos.
 */
#include "config.h"

#include "base/environment.h"

#include <stdlib.h>

#include "base/memory.h"

void environment_clean(void)
{
    static const char *const names[] = {
        "SSLKEYLOGFILE",     /* OpenSSL's users and GnuTLS: the keys of every session */
        "GNUTLS_KEYLOGFILE", /* as older GnuTLS calls it */
        "GNUTLS_DEBUG_LEVEL", "QLOGDIR",      "KRB5_TRACE", "SASL_PATH", "CURL_HOME",
        "CURL_DEBUG",         "MALLOC_TRACE", "LDAPCONF",   "LDAPRC",    "SQLITE_TMPDIR",
    };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        unsetenv(names[i]);
    setenv("LDAPNOINIT", "1", 1);
}
