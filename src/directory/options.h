/* What the directory is configured with; `config` fills it, the directory copies what it keeps.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum directory_tls { /* [directory] tls */
                     /* ldaps:// as the URI says, StartTLS for ldap://, none for ldapi://. */
                     DIRECTORY_TLS_AUTO = 0,
                     DIRECTORY_TLS_LDAPS = 1,
                     DIRECTORY_TLS_STARTTLS = 2,
                     DIRECTORY_TLS_NO = 3, /* must be written out */
};
enum directory_bind { /* [directory] bind: found from the other keys unless given */
                      DIRECTORY_BIND_ANONYMOUS = 0,
                      DIRECTORY_BIND_SIMPLE = 1,
                      DIRECTORY_BIND_EXTERNAL = 2, /* client certificate, or ldapi */
                      DIRECTORY_BIND_GSSAPI = 3,
};
enum directory_feed_kind { /* [directory] feed; stored: never renumber */
                           DIRECTORY_FEED_AUTO = 0,
                           DIRECTORY_FEED_SYNCREPL = 1,
                           DIRECTORY_FEED_DIRSYNC = 2,
                           DIRECTORY_FEED_POLL = 3,
};
enum directory_referrals {
    DIRECTORY_REFERRALS_NOTICE = 0,
    DIRECTORY_REFERRALS_IGNORE = 1,
    DIRECTORY_REFERRALS_FOLLOW = 2
};

#define DIRECTORY_MAX_SEARCHES 32

struct directory_options {
    char **uris; /* in order of preference: ldap://, ldaps://, ldapi://, "srv:example.com",
                    "ldap:///dc=…" */
    size_t n_uris;
    enum directory_tls tls;
    char *tls_ca_file, *tls_ca_directory, *tls_certificate_file, *tls_key_file;
    enum directory_bind bind;
    char *bind_dn, *bind_password_file;
    char *keytab, *principal; /* GSSAPI */
    enum directory_feed_kind feed;
    char **bases; /* of people; one that lies below another adds nothing */
    size_t n_bases;
    char **group_bases; /* none: the bases */
    size_t n_group_bases;
    char *filter, *group_filter;
    char *id_attribute;    /* NULL: by product */
    char *login_attribute; /* for memberUid; default uid */
    enum directory_referrals referrals;
    char **referral_hosts; /* where a referral may lead, with our credentials; HOST or HOST:PORT */
    size_t n_referral_hosts;
    char **srv_hosts; /* of those that DNS names for srv:; none: the domain and all below it */
    size_t n_srv_hosts;
    uint64_t max_message_bytes; /* one LDAP message */
    bool paging;                /* default yes */
    unsigned page_size;
    uint64_t poll_interval_usec; /* poll: between delta reads; dirsync: between calls without a
                                    wake-up */
    uint64_t full_interval_usec; /* a full compare behind any feed; 0: never */
    uint64_t connect_timeout_usec, bind_timeout_usec, search_timeout_usec;
    uint64_t keepalive_usec; /* idle time after which TCP keep-alive probes; also bounds an idle
                                AD link */
    uint64_t return_interval_usec; /* how often a preferred server is tried again */
};

/* A copy of its own; -ENOMEM: nothing is left of it. */
int directory_options_copy(struct directory_options *to, const struct directory_options *from);
void directory_options_done(struct directory_options *o);
