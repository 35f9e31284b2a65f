/*
 * Makes one connection: TCP or socket, TLS, bind. All of it on a thread, because libldap blocks
 * in most of it; the loop keeps the deadline.
 */
#pragma once
#include <ldap.h>
#include <stdbool.h>
#include <stdint.h>

struct connect;
struct directory_options;
struct error;
struct sd_event;
struct secret;
struct task_slot;

enum connect_outcome {
    CONNECT_DONE = 1,
    CONNECT_FAILED = 2,
    CONNECT_REFUSED = 3, /* the server does not accept these credentials: do not hurry back */
};

/* `done` runs once, from the loop. ld and the password that the server was told (NULL: none)
 * are taken by the caller when the outcome is DONE; ld is non-blocking and bound. The sentence
 * names the server. */
typedef void (*connect_done_fn)(struct connect *c, enum connect_outcome outcome, LDAP *ld,
                                struct secret *password, int r, const struct error *e,
                                void *userdata);
int connect_start(struct connect **ret, struct sd_event *event, struct task_slot *slot,
                  const struct directory_options *options, const char *uri, connect_done_fn done,
                  void *userdata, struct error *e);
struct connect *connect_free(struct connect *c);

/* When the certificate of the server expires; 0: there is none, or libldap does not tell. */
uint64_t connect_certificate_expires(LDAP *ld);

/* The file of CAs that a connection is made with, the system's if none is configured; or NULL.
 */
const char *connect_ca_file(const struct directory_options *options);

/* Whether a URI and `tls` go together, and what TLS comes of it. -EINVAL with a sentence. */
enum connect_tls {
    CONNECT_PLAIN = 0,
    CONNECT_LDAPS = 1,
    CONNECT_STARTTLS = 2,
    CONNECT_LOCAL = 3, /* ldapi */
};
int connect_tls_of(const struct directory_options *options, const char *uri, enum connect_tls *ret,
                   struct error *e);
/* Whether connections can be made so at all; -EINVAL. */
int connect_check_options(const struct directory_options *options, struct error *e);

/* Once, before the first use of libldap and before any thread: ldap.conf, .ldaprc and LDAP*
 * variables of the environment decide nothing. SIGPIPE is ignored from then on. */
void connect_prepare_process(const struct directory_options *options);
