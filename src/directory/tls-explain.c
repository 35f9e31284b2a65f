/*
 * Checks the files that TLS needs before libldap does (which only says that something is
 * wrong).
 */
#include "config.h"

#include "directory/tls-explain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"

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
    return f->ca_directory ? f->ca_directory : "the system's";
}

static int check(const char *path, int mode, const char *what, struct error *e)
{
    if (!path || access(path, mode) == 0)
        return 0;
    return error_set(e, -errno, "%s %s cannot be read: %s", what, path, strerror(errno));
}

int tls_files_check(const struct tls_files *f, struct error *e)
{
    int r = check(f->ca_file, R_OK, "the CA file", e);
    if (r == 0)
        r = check(f->ca_directory, R_OK | X_OK, "the CA directory", e);
    if (r == 0)
        r = check(f->certificate_file, R_OK, "the client certificate", e);
    if (r == 0)
        r = check(f->key_file, R_OK, "the key of the client certificate", e);
    return r;
}

void tls_explain(const char *uri, bool starttls, const struct tls_files *files,
                 uint64_t timeout_usec, struct error *e)
{
    (void)uri, (void)starttls, (void)files, (void)timeout_usec, (void)e;
}
