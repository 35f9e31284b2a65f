/* Checks the files that TLS needs before libldap does, which only says that something is wrong.
 */
#include "config.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "directory/tls-explain.h"

void tls_files_done(struct tls_files *f)
{
    free(f->ca_file);
    free(f->ca_directory);
    free(f->certificate_file);
    free(f->key_file);
}

const char *tls_files_system_ca(void)
{
    static const char *const bundles[] = {"/etc/ssl/certs/ca-certificates.crt",
                                          "/etc/pki/tls/certs/ca-bundle.crt",
                                          "/etc/ssl/ca-bundle.pem"};
    for (size_t i = 0; i < ARRAY_SIZE(bundles); i++)
        if (access(bundles[i], R_OK) == 0)
            return bundles[i];
    return NULL;
}

const char *tls_files_ca(const struct tls_files *f)
{
    if (f->ca_file)
        return f->ca_file;
    return f->ca_directory ? f->ca_directory : "no file at all";
}

static int check(const char *path, int mode, const char *what, struct error *e)
{
    if (!path || access(path, mode) == 0)
        return 0;
    return error_set(e, -errno, "%s %s cannot be read: %s", what, path, strerror(errno));
}

/* At least one certificate in PEM form. */
static int check_pem(const char *path, const char *what, struct error *e)
{
    if (!path)
        return 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return error_set(e, -errno, "%s %s cannot be read: %s", what, path, strerror(errno));
    X509 *certificate = PEM_read_X509(file, NULL, NULL, NULL);
    fclose(file);
    ERR_clear_error();
    if (!certificate)
        return error_set(e, -EINVAL, "%s %s holds no certificate in PEM form", what, path);
    X509_free(certificate);
    return 0;
}

int tls_files_check(const struct tls_files *f, struct error *e)
{
    int r = check_pem(f->ca_file, "the CA file", e);
    if (r == 0)
        r = check(f->ca_directory, R_OK | X_OK, "the CA directory", e);
    if (r == 0)
        r = check_pem(f->certificate_file, "the client certificate", e);
    if (r == 0)
        r = check(f->key_file, R_OK, "the key of the client certificate", e);
    return r;
}
