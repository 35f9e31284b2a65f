/* Says what is wrong with a server's certificate. Blocks: for the connecting thread. */
#pragma once
#include <stdbool.h>
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

/* After a failed connection: connects once more, looks at the network and the certificate, and
 * replaces the sentence in e when it finds the reason. Otherwise e stays. tls: as connect.h. */
enum explain_tls { EXPLAIN_PLAIN, EXPLAIN_STARTTLS, EXPLAIN_LDAPS };
void tls_explain(const char *uri, enum explain_tls tls, const struct tls_files *files,
                 uint64_t timeout_usec, struct error *e);
