/*
 * Opens a connection the careful way. Everything that could decide differently elsewhere (the
 * environment, ldap.conf) is set on the handle; TLS verification is always on; the handle is
 * given to the loop only when it is bound and non-blocking. Time-outs of libldap bound some of
 * it, but not a TLS handshake with a silent peer: libldap hands us the descriptor as soon as it
 * is connected, and at the deadline the loop shuts that down, which ends every wait on it.
 */
#include "config.h"

#include "directory/connect.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/certificate.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/secret.h"
#include "base/text.h"
#include "directory/address.h"
#include "directory/bind.h"
#include "directory/keytab.h"
#include "directory/libldap.h"
#include "directory/options.h"
#include "directory/task.h"
#include "directory/tls-explain.h"

#define READAHEAD_BYTES 32768

/* What the thread works on. It has its own copy of everything. */
struct attempt {
    char *uri;
    enum connect_tls tls;
    struct tls_files files;
    int bind_method;
    char *bind_dn, *bind_password_file, *principal, *keytab;
    uint64_t connect_timeout_usec, bind_timeout_usec, keepalive_usec, max_message_bytes;

    pthread_mutex_t mutex; /* around the two below */
    int socket_copy;       /* a duplicate, ours to close: shutdown() works on it for both */
    bool interrupted;

    struct ldap_conncb callback;
    LDAP *ld;
    struct secret *password; /* that it was bound with */
    bool refused;
    int r;
    struct error error;
};

struct connect {
    struct task *task;
    char *uri;
    uint64_t timeout_usec;
    connect_done_fn done;
    void *userdata;
};

static void attempt_free(void *data)
{
    struct attempt *a = data;
    if (!a)
        return;
    if (a->ld)
        ldap_unbind_ext(a->ld, NULL, NULL);
    if (a->socket_copy >= 0)
        close(a->socket_copy);
    pthread_mutex_destroy(&a->mutex);
    free(a->uri);
    tls_files_done(&a->files);
    free(a->bind_dn);
    free(a->bind_password_file);
    free(a->principal);
    free(a->keytab);
    secret_free(a->password);
    free(a);
}

static void attempt_interrupt(void *data)
{
    struct attempt *a = data;
    pthread_mutex_lock(&a->mutex);
    a->interrupted = true;
    if (a->socket_copy >= 0)
        shutdown(a->socket_copy, SHUT_RDWR);
    pthread_mutex_unlock(&a->mutex);
}

static int on_connected(LDAP *ld, Sockbuf *sb, LDAPURLDesc *srv, struct sockaddr *addr,
                        struct ldap_conncb *ctx)
{
    (void)ld, (void)srv, (void)addr;
    struct attempt *a = ctx->lc_arg;
    ber_socket_t fd = -1;
    if (ber_sockbuf_ctrl(sb, LBER_SB_OPT_GET_FD, &fd) <= 0 || fd < 0)
        return 0;
    /* Before the first byte is read: a length that a peer made up must not become memory. */
    ber_len_t max = (ber_len_t)a->max_message_bytes;
    if (max > 0)
        ber_sockbuf_ctrl(sb, LBER_SB_OPT_SET_MAX_INCOMING, &max);
    pthread_mutex_lock(&a->mutex);
    if (a->socket_copy >= 0)
        close(a->socket_copy);
    a->socket_copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (a->interrupted)
        shutdown(fd, SHUT_RDWR);
    pthread_mutex_unlock(&a->mutex);
    return 0;
}

static void on_closing(LDAP *ld, Sockbuf *sb, struct ldap_conncb *ctx)
{
    (void)ld, (void)sb, (void)ctx;
    /* The duplicate stays open until the attempt ends: its number cannot come to mean another
     * connection meanwhile. */
}

static int set(struct attempt *a, int option, const void *value, const char *what)
{
    if (ldap_set_option(a->ld, option, value) == LDAP_OPT_SUCCESS)
        return 0;
    return error_set(&a->error, -EINVAL, "%s: libldap refuses the setting of %s", a->uri, what);
}

static int set_number(struct attempt *a, int option, int value, const char *what)
{
    return set(a, option, &value, what);
}

/* Nothing older than TLS 1.2. What libldap calls the least version it obeys with OpenSSL alone. */
static int set_least_version(struct attempt *a)
{
    static const char gnutls[] = "NORMAL:-VERS-TLS1.0:-VERS-TLS1.1";
    CLEANUP(libldap_memory_freep) char *package = NULL;
    if (ldap_get_option(a->ld, LDAP_OPT_X_TLS_PACKAGE, &package) == LDAP_OPT_SUCCESS && package &&
        text_equal_ascii_case(package, "GnuTLS"))
        return set(a, LDAP_OPT_X_TLS_CIPHER_SUITE, gnutls, "the least TLS version");
    return set_number(a, LDAP_OPT_X_TLS_PROTOCOL_MIN, LDAP_OPT_X_TLS_PROTOCOL_TLS1_2,
                      "the least TLS version");
}

static int set_tls(struct attempt *a)
{
    if (a->tls == CONNECT_PLAIN || a->tls == CONNECT_LOCAL)
        return 0;
    int r = tls_files_check(&a->files, &a->error);
    if (r < 0)
        return error_wrap(&a->error, r, "%s", a->uri);
    r = set_number(a, LDAP_OPT_X_TLS_REQUIRE_CERT, LDAP_OPT_X_TLS_DEMAND, "certificate checks");
    if (r == 0)
        r = set_least_version(a);
    if (r == 0 && a->files.ca_file)
        r = set(a, LDAP_OPT_X_TLS_CACERTFILE, a->files.ca_file, "the CA file");
    if (r == 0 && a->files.ca_directory)
        r = set(a, LDAP_OPT_X_TLS_CACERTDIR, a->files.ca_directory, "the CA directory");
    if (r == 0 && a->files.certificate_file)
        r = set(a, LDAP_OPT_X_TLS_CERTFILE, a->files.certificate_file, "the certificate");
    if (r == 0 && a->files.key_file)
        r = set(a, LDAP_OPT_X_TLS_KEYFILE, a->files.key_file, "the key");
    if (r < 0)
        return r;
    /* Last: it makes the context from all that was set before. */
    int client = 0;
    if (ldap_set_option(a->ld, LDAP_OPT_X_TLS_NEWCTX, &client) != LDAP_OPT_SUCCESS)
        return error_set(&a->error, -EINVAL,
                         "%s: the TLS settings cannot be used together (CA %s, certificate %s)",
                         a->uri, tls_files_ca(&a->files),
                         a->files.certificate_file ? a->files.certificate_file : "none");
    return 0;
}

static struct timeval timeval_of(uint64_t usec)
{
    return (struct timeval){.tv_sec = (time_t)(usec / USEC_PER_SEC),
                            .tv_usec = (suseconds_t)(usec % USEC_PER_SEC)};
}

static int set_options(struct attempt *a)
{
    struct timeval network = timeval_of(a->connect_timeout_usec);
    struct timeval operation = timeval_of(a->bind_timeout_usec);
    int idle = (int)(a->keepalive_usec / USEC_PER_SEC);
    int r = set_number(a, LDAP_OPT_PROTOCOL_VERSION, LDAP_VERSION3, "version 3");
    if (r == 0)
        r = set(a, LDAP_OPT_REFERRALS, LDAP_OPT_OFF, "referrals");
    if (r == 0)
        r = set(a, LDAP_OPT_RESTART, LDAP_OPT_ON, "restart");
    if (r == 0)
        r = set(a, LDAP_OPT_NETWORK_TIMEOUT, &network, "the network time-out");
    if (r == 0)
        r = set(a, LDAP_OPT_TIMEOUT, &operation, "the time-out");
    if (r == 0 && idle > 0) {
        r = set_number(a, LDAP_OPT_X_KEEPALIVE_IDLE, idle, "keep-alive");
        if (r == 0)
            r = set_number(a, LDAP_OPT_X_KEEPALIVE_PROBES, 3, "keep-alive probes");
        if (r == 0)
            r = set_number(a, LDAP_OPT_X_KEEPALIVE_INTERVAL, idle / 3 > 0 ? idle / 3 : 1,
                           "keep-alive interval");
#ifdef LDAP_OPT_TCP_USER_TIMEOUT
        unsigned unacknowledged = (unsigned)idle * 2000;
        if (r == 0)
            r = set(a, LDAP_OPT_TCP_USER_TIMEOUT, &unacknowledged, "the TCP time-out");
#endif
    }
    a->callback = (struct ldap_conncb){on_connected, on_closing, a};
    if (r == 0)
        r = set(a, LDAP_OPT_CONNECT_CB, &a->callback, "the connect callback");
    return r;
}

static int start_tls(struct attempt *a)
{
    if (a->tls != CONNECT_STARTTLS)
        return 0;
    int code = ldap_start_tls_s(a->ld, NULL, NULL);
    if (code == LDAP_SUCCESS)
        return 0;
    return libldap_error_of(&a->error, a->ld, NULL, code, "%s: StartTLS failed", a->uri);
}

static int set_nonblocking(struct attempt *a)
{
    int fd = -1;
    if (ldap_get_option(a->ld, LDAP_OPT_DESC, &fd) != LDAP_OPT_SUCCESS || fd < 0)
        return error_set(&a->error, -ENOTCONN, "%s: the connection was lost at once", a->uri);
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return error_set(&a->error, -errno, "%s: the socket cannot be made non-blocking: %s",
                         a->uri, strerror(errno));
    return 0;
}

/* libldap asks the kernel for each record of TLS twice, its head and its body, and between them
 * whether there is anything: thousands of entries are read at once instead. */
static int set_readahead(struct attempt *a)
{
    Sockbuf *sb = NULL;
    int size = READAHEAD_BYTES;
    if (ldap_get_option(a->ld, LDAP_OPT_SOCKBUF, &sb) != LDAP_OPT_SUCCESS || !sb ||
        ber_sockbuf_add_io(sb, &ber_sockbuf_io_readahead, LBER_SBIOD_LEVEL_PROVIDER, &size) < 0)
        return error_set(&a->error, -ENOMEM, "%s: no buffer for what the server sends", a->uri);
    return 0;
}

uint64_t connect_certificate_expires(LDAP *ld)
{
    uint64_t usec = 0;
#ifdef LDAP_OPT_X_TLS_PEERCERT
    struct berval der = {0};

    if (ldap_get_option(ld, LDAP_OPT_X_TLS_PEERCERT, &der) == LDAP_OPT_SUCCESS && der.bv_val)
        usec = certificate_expires_der(der.bv_val, der.bv_len);
    ldap_memfree(der.bv_val);
#else
    (void)ld;
#endif
    return usec;
}

static int attempt_steps(struct attempt *a)
{
    int code = ldap_initialize(&a->ld, a->uri);
    if (code != LDAP_SUCCESS)
        return libldap_error(&a->error, code, NULL, "%s cannot be used", a->uri);
    int r = set_options(a);
    if (r == 0)
        r = set_tls(a);
    if (r == 0)
        r = start_tls(a);
    if (r < 0)
        return r;
    struct bind_request q = {
        .method = a->bind_method,
        .dn = a->bind_dn,
        .password_file = a->bind_password_file,
        .principal = a->principal,
        .keytab = a->keytab,
        .tls = a->tls == CONNECT_LDAPS || a->tls == CONNECT_STARTTLS,
        .uri = a->uri,
    };
    r = bind_run(a->ld, &q, &a->refused, &a->password, &a->error);
    /* Reading this option takes the callback off the handle, which outlives us. */
    ldap_get_option(a->ld, LDAP_OPT_CONNECT_CB, &a->callback);
    if (r == 0)
        r = set_readahead(a);
    return r < 0 ? r : set_nonblocking(a);
}

static bool was_interrupted(struct attempt *a)
{
    pthread_mutex_lock(&a->mutex);
    bool is = a->interrupted;
    pthread_mutex_unlock(&a->mutex);
    return is;
}

static void attempt_run(void *data)
{
    struct attempt *a = data;
    a->r = attempt_steps(a);
    if (a->r >= 0 || was_interrupted(a))
        return;
    if (a->ld)
        ldap_unbind_ext(a->ld, NULL, NULL);
    a->ld = NULL;
    /* libldap says "Can't contact LDAP server" for any network and any certificate that it does
     * not like. */
    enum explain_tls tls = a->tls == CONNECT_LDAPS      ? EXPLAIN_LDAPS
                           : a->tls == CONNECT_STARTTLS ? EXPLAIN_STARTTLS
                                                        : EXPLAIN_PLAIN;
    if (a->tls != CONNECT_LOCAL && !a->refused && (a->r == -ENOTCONN || a->r == -EIO))
        tls_explain(a->uri, tls, &a->files, a->connect_timeout_usec, &a->error);
}

static const struct task_ops attempt_ops = {
    .name = "connecting",
    .run = attempt_run,
    .interrupt = attempt_interrupt,
    .free = attempt_free,
};

static void on_task_done(struct task *t, bool in_time, void *data, void *userdata)
{
    (void)t;
    struct connect *c = userdata;
    struct attempt *a = data;
    if (!in_time) {
        struct error e = {0};
        int r =
            error_set(&e, -ETIMEDOUT, "%s: no connection within %.1f s%s", c->uri,
                      (double)c->timeout_usec / (double)USEC_PER_SEC,
                      a ? "" : " (and the attempt is still stuck: name resolution or Kerberos)");
        c->done(c, CONNECT_FAILED, NULL, NULL, r, &e, c->userdata);
        return;
    }
    if (a->r < 0)
        c->done(c, a->refused ? CONNECT_REFUSED : CONNECT_FAILED, NULL, NULL, a->r, &a->error,
                c->userdata);
    else
        c->done(c, CONNECT_DONE, TAKE(a->ld), TAKE(a->password), 0, NULL, c->userdata);
}

int connect_tls_of(const struct directory_options *options, const char *uri, enum connect_tls *ret,
                   struct error *e)
{
    bool ldaps = strncasecmp(uri, "ldaps://", 8) == 0;
    if (strncasecmp(uri, "ldapi://", 8) == 0) {
        *ret = CONNECT_LOCAL;
        return 0;
    }
    if (!ldaps && strncasecmp(uri, "ldap://", 7) != 0)
        return error_set(e, -EINVAL, "%s is not an ldap://, ldaps:// or ldapi:// address", uri);
    if (ldaps && options->tls != DIRECTORY_TLS_AUTO && options->tls != DIRECTORY_TLS_LDAPS)
        return error_set(e, -EINVAL, "%s means TLS from the first byte, but tls says otherwise",
                         uri);
    if (!ldaps && options->tls == DIRECTORY_TLS_LDAPS)
        return error_set(e, -EINVAL, "tls = ldaps needs an ldaps:// address, not %s", uri);
    if (ldaps)
        *ret = CONNECT_LDAPS;
    else
        *ret = options->tls == DIRECTORY_TLS_NO ? CONNECT_PLAIN : CONNECT_STARTTLS;
    return 0;
}

int connect_check_options(const struct directory_options *o, struct error *e)
{
    enum connect_tls tls;
    for (size_t i = 0; i < o->n_uris; i++) {
        CLEANUP(freep) char *domain = address_domain(o->uris[i]);
        int r = domain ? 0 : connect_tls_of(o, o->uris[i], &tls, e);
        if (r < 0)
            return r;
    }
    if (o->bind == DIRECTORY_BIND_SIMPLE && (!o->bind_dn || !o->bind_password_file))
        return error_set(e, -EINVAL, "a simple bind needs bind_dn and bind_password_file");
    return 0;
}

void connect_prepare_process(const struct directory_options *options)
{
    setenv("LDAPNOINIT", "1", 1);
    /* A TLS library says good-bye also to a socket that was shut down. */
    struct sigaction current;
    if (sigaction(SIGPIPE, NULL, &current) == 0 && current.sa_handler == SIG_DFL) {
        current.sa_handler = SIG_IGN;
        sigaction(SIGPIPE, &current, NULL);
    }
    if (options->bind != DIRECTORY_BIND_GSSAPI)
        return;
    keytab_prepare_process(options->keytab, options->principal);
}

static char *copy(const char *text, bool *failed)
{
    char *to = text ? strdup(text) : NULL;
    *failed = *failed || (text && !to);
    return to;
}

const char *connect_ca_file(const struct directory_options *options)
{
    return options->tls_ca_file || options->tls_ca_directory ? options->tls_ca_file
                                                             : tls_files_system_ca();
}

static struct attempt *attempt_new(const struct directory_options *o, const char *uri,
                                   enum connect_tls tls)
{
    struct attempt *a = calloc(1, sizeof(*a));
    if (!a)
        return NULL;
    bool failed = false;
    pthread_mutex_init(&a->mutex, NULL);
    a->socket_copy = -1;
    a->tls = tls;
    a->uri = copy(uri, &failed);
    a->files.ca_file = copy(connect_ca_file(o), &failed);
    a->files.ca_directory = copy(o->tls_ca_directory, &failed);
    a->files.certificate_file = copy(o->tls_certificate_file, &failed);
    a->files.key_file = copy(o->tls_key_file, &failed);
    a->bind_method = o->bind;
    a->bind_dn = copy(o->bind_dn, &failed);
    a->bind_password_file = copy(o->bind_password_file, &failed);
    a->principal = copy(o->principal, &failed);
    a->keytab = copy(o->keytab, &failed);
    a->connect_timeout_usec = o->connect_timeout_usec;
    a->bind_timeout_usec = o->bind_timeout_usec;
    a->keepalive_usec = o->keepalive_usec;
    a->max_message_bytes = o->max_message_bytes;
    if (failed) {
        attempt_free(a);
        return NULL;
    }
    return a;
}

int connect_start(struct connect **ret, struct sd_event *event, struct task_slot *slot,
                  const struct directory_options *options, const char *uri, connect_done_fn done,
                  void *userdata, struct error *e)
{
    enum connect_tls tls;
    int r = connect_tls_of(options, uri, &tls, e);
    if (r < 0)
        return r;
    struct attempt *a = attempt_new(options, uri, tls);
    struct connect *c = calloc(1, sizeof(*c));
    if (c)
        c->uri = strdup(uri);
    if (!a || !c || !c->uri) {
        attempt_free(a);
        connect_free(c);
        return error_out_of_memory(e);
    }
    c->done = done;
    c->userdata = userdata;
    c->timeout_usec = options->connect_timeout_usec + options->bind_timeout_usec;
    r = task_start(&c->task, event, slot, &attempt_ops, a, c->timeout_usec, on_task_done, c, e);
    if (r < 0) {
        connect_free(c);
        return error_wrap(e, r, "%s", uri);
    }
    *ret = c;
    return 0;
}

struct connect *connect_free(struct connect *c)
{
    if (!c)
        return NULL;
    task_free(c->task);
    free(c->uri);
    free(c);
    return NULL;
}
