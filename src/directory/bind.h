/* The bind, on the connecting thread: blocks. */
#pragma once
#include <ldap.h>
#include <stdbool.h>

struct error;
struct secret;

struct bind_request {
    int method; /* enum directory_bind */
    const char *dn, *password_file, *principal, *keytab;
    bool tls;
    const char *uri;
};
/* 0, or -errno with a sentence; *ret_refused: the credentials themselves were not accepted.
 * *ret_password: the one that the server knows since; left alone if it was not told any. */
int bind_run(LDAP *ld, const struct bind_request *request, bool *ret_refused,
             struct secret **ret_password, struct error *e);
