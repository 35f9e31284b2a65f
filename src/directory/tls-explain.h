/* The files that TLS needs, and what is wrong with a server's certificate. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

struct tls_files {
    char *ca_file, *ca_directory, *certificate_file, *key_file;
};
void tls_files_done(struct tls_files *f);
/* Readable, and what they should be; -errno with a sentence that names the file. */
int tls_files_check(const struct tls_files *f, struct error *e);
/* The system's bundle of CA certificates, or NULL. libldap takes it from ldap.conf only, which
 * we do not read. */
const char *tls_files_system_ca(void);
const char *tls_files_ca(const struct tls_files *f); /* for sentences */

/* The certificate (DER) that libldap did not accept from the server at this URI: replaces the
 * sentence in e when it finds the reason. Otherwise e stays. */
void tls_explain(const void *der, size_t size, const char *uri, const struct tls_files *files,
                 struct error *e);
