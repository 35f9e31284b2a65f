/* What the tenant's client is configured with; `config` fills it, the client copies what it
 * keeps. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tenant_kind {
    TENANT_CONFIGAPI, /* the vendor's: Configuration API, and SCIM beside it */
    TENANT_SCIM2,     /* a service of RFC 7644 */
    TENANT_N_KINDS
};

struct tenant_options {
    enum tenant_kind kind;
    char *scim_path; /* of TENANT_SCIM2: where /Users and /Groups begin */
    char *url;       /* "https://acme.example.com", no path needed */
    char *client_id;
    char *client_secret_file; /* read again before each token request, so that a rotated secret
                                 works; of TENANT_SCIM2 the token itself */
    char *scope;
    char *tls_ca_file; /* NULL: the system's */
    char *tls_ca_directory;
    bool allow_plain_http; /* [tenant] tls = no, written out */
    double max_rate;       /* requests a second; 0: no limit */
    unsigned max_concurrent;
    uint64_t connect_timeout_usec;
    uint64_t request_timeout_usec;
    size_t max_answer_bytes;
};
