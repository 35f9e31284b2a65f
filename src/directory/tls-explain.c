/*
 * libldap says "Can't contact LDAP server" for a wrong port, an unknown host and every
 * certificate that it does not like. This room connects once more, checks the same things
 * (chain, dates, name) and says which one fails, for which certificate, against which CA file.
 * It sends no credentials and changes no verdict: it only words what has been refused already.
 */
#include "config.h"

#include "directory/tls-explain.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ldap.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

#define TIMEOUT_MAX_USEC (3 * USEC_PER_SEC)

DEFINE_CLEANUP(SSL_CTX *, SSL_CTX_free)
DEFINE_CLEANUP(SSL *, SSL_free)

struct inspection {
    int code, depth; /* of the first failed check */
    bool failed;
    X509 *certificate; /* the one that failed, else the server's; owned */
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static int open_socket(const char *uri, const char *host, int port, uint64_t timeout_usec,
                       struct error *e)
{
    char service[16];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    struct timeval tv = {.tv_sec = (time_t)(timeout_usec / USEC_PER_SEC),
                         .tv_usec = (suseconds_t)(timeout_usec % USEC_PER_SEC)};
    snprintf(service, sizeof(service), "%d", port);
    int looked_up = getaddrinfo(host, service, &hints, &list), number = 0;
    if (looked_up != 0) {
        error_set(e, -ENOTCONN, "%s: the host name %s cannot be resolved: %s", uri, host,
                  gai_strerror(looked_up));
        return -1;
    }
    int fd = -1;
    for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd < 0)
            continue;
        /* On Linux the send time-out bounds connect(), too. */
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
        if (connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
            number = errno;
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    if (fd < 0 && number != 0)
        error_set(e, -ENOTCONN, "%s: %s", uri, error_of_network(number));
    return fd;
}

/* RFC 4511 4.14: message 1, ExtendedRequest with StartTLS's OID; the answer's result must be 0.
 */
static bool ask_for_tls(int fd)
{
    static const char request[] = "\x30\x1d\x02\x01\x01\x77\x18\x80\x16"
                                  "1.3.6.1.4.1.1466.20037";
    unsigned char answer[512];
    if (write(fd, request, sizeof(request) - 1) != sizeof(request) - 1)
        return false;
    ssize_t n = read(fd, answer, sizeof(answer));
    for (ssize_t i = 0; i + 2 < n; i++) /* ENUMERATED of one byte: resultCode */
        if (answer[i] == 0x0a && answer[i + 1] == 1)
            return answer[i + 2] == 0;
    return false;
}

static int on_verify(int ok, X509_STORE_CTX *context)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(context, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct inspection *seen = SSL_get_app_data(ssl);
    if (!ok && !seen->failed) {
        seen->failed = true;
        seen->code = X509_STORE_CTX_get_error(context);
        seen->depth = X509_STORE_CTX_get_error_depth(context);
        seen->certificate = X509_STORE_CTX_get_current_cert(context);
        if (seen->certificate)
            X509_up_ref(seen->certificate);
    }
    return 1; /* look at everything; nothing is sent afterwards */
}

static void add_name(struct buffer *b, const X509_NAME *name)
{
    char shown[300];
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    long n = BIO_get_mem_data(bio, &text);
    buffer_add_text(b, text_printable(shown, sizeof(shown), text, n > 0 ? (size_t)n : 0));
    BIO_free(bio);
}

static void add_date(struct buffer *b, const ASN1_TIME *time)
{
    struct tm tm;
    char text[40] = "?";
    if (ASN1_TIME_to_tm(time, &tm) == 1)
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &tm);
    buffer_add_text(b, text);
}

/* "DNS:a, IP:127.0.0.1": the names that the certificate is for. */
static void add_names(struct buffer *b, X509 *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    int n = names ? sk_GENERAL_NAME_num(names) : 0;
    for (int i = 0; i < n && i < 8; i++) {
        int type;
        const ASN1_STRING *s = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
        char shown[200] = "another kind of name", ip[INET6_ADDRSTRLEN];
        if (type == GEN_DNS)
            text_printable(shown, sizeof(shown), (const char *)ASN1_STRING_get0_data(s),
                           (size_t)ASN1_STRING_length(s));
        else if (type == GEN_IPADD && inet_ntop(ASN1_STRING_length(s) == 4 ? AF_INET : AF_INET6,
                                                ASN1_STRING_get0_data(s), ip, sizeof(ip)))
            snprintf(shown, sizeof(shown), "%s", ip);
        buffer_format(b, "%s%s", i > 0 ? ", " : "", shown);
    }
    if (n == 0)
        buffer_add_text(b, "no name");
    GENERAL_NAMES_free(names);
}

static void add_certificate(struct buffer *b, X509 *certificate)
{
    buffer_add_text(b, "certificate ");
    add_name(b, X509_get_subject_name(certificate));
    buffer_add_text(b, ", issued by ");
    add_name(b, X509_get_issuer_name(certificate));
    buffer_add_text(b, ", valid from ");
    add_date(b, X509_get0_notBefore(certificate));
    buffer_add_text(b, " to ");
    add_date(b, X509_get0_notAfter(certificate));
}

static bool matches(X509 *certificate, const char *host)
{
    return X509_check_ip_asc(certificate, host, 0) == 1 ||
           X509_check_host(certificate, host, 0, 0, NULL) == 1;
}

static void tell(const char *uri, const char *host, const struct tls_files *files,
                 const struct inspection *seen, X509 *server, struct error *e)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    char own[256] = "";
    buffer_format(&b, "%s: the server's TLS certificate ", uri);
    if (seen->failed) {
        buffer_format(&b, "is not trusted with the CA certificates of %s: %s (",
                      tls_files_ca(files), X509_verify_cert_error_string(seen->code));
        add_certificate(&b, seen->certificate ? seen->certificate : server);
        buffer_add_text(&b, ")");
        if (text_equal(files->ca_file, tls_files_system_ca()))
            buffer_add_text(&b, "; a CA of your own is named by [directory] tls_ca_file");
    } else if (!matches(server, host)) {
        buffer_add_text(&b, "is for ");
        add_names(&b, server);
        buffer_format(&b, ", not for %s (", host);
        add_certificate(&b, server);
        buffer_add_text(&b, ")");
    } else if (strcmp(host, "localhost") == 0 && gethostname(own, sizeof(own)) == 0 &&
               !matches(server, own)) {
        buffer_add_text(&b, "is for ");
        add_names(&b, server);
        buffer_format(&b,
                      ", not for %s, which is this machine's own name and what libldap takes "
                      "localhost for; write 127.0.0.1",
                      own);
    } else {
        return; /* it is something else: the old sentence stays */
    }
    if (b.data && !b.failed)
        error_set(e, -EACCES, "%s", b.data);
}

static void tell_handshake(const char *uri, struct error *e)
{
    int number = errno;
    unsigned long code = ERR_get_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
#ifdef SSL_R_UNEXPECTED_EOF_WHILE_READING
    if (ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        reason = NULL;
#endif
    if (reason)
        error_set(e, -EACCES, "%s: no TLS connection: %s", uri, reason);
    else if (number == ECONNRESET)
        error_set(e, -ENOTCONN,
                  "%s: no TLS connection: %s, in the handshake (does this port speak TLS?)", uri,
                  error_of_network(number));
    else
        error_set(e, -ENOTCONN,
                  "%s: no TLS connection: the other side ended it in the handshake (does this "
                  "port speak TLS?)",
                  uri);
}

static void look_at(int fd, const char *uri, const char *host, const struct tls_files *files,
                    struct error *e)
{
    CLEANUP(SSL_CTX_freep) SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (!context)
        return;
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, on_verify);
    if (files->ca_file || files->ca_directory)
        SSL_CTX_load_verify_locations(context, files->ca_file, files->ca_directory);
    if (files->certificate_file && files->key_file) {
        SSL_CTX_use_certificate_chain_file(context, files->certificate_file);
        SSL_CTX_use_PrivateKey_file(context, files->key_file, SSL_FILETYPE_PEM);
    }
    CLEANUP(SSL_freep) SSL *ssl = SSL_new(context);
    struct inspection seen = {0};
    if (!ssl)
        return;
    SSL_set_app_data(ssl, &seen);
    SSL_set_fd(ssl, fd);
    struct in6_addr ip;
    if (inet_pton(AF_INET, host, &ip) != 1 && inet_pton(AF_INET6, host, &ip) != 1)
        SSL_set_tlsext_host_name(ssl, host);
    ERR_clear_error();
    int r = SSL_connect(ssl);
    X509 *server = SSL_get_peer_certificate(ssl);
    if (server)
        tell(uri, host, files, &seen, server, e);
    else if (r != 1)
        tell_handshake(uri, e);
    X509_free(server);
    X509_free(seen.certificate);
    ERR_clear_error();
}

void tls_explain(const char *uri, enum explain_tls tls, const struct tls_files *files,
                 uint64_t timeout_usec, struct error *e)
{
    CLEANUP(freep) char *copy = strdup(uri);
    LDAPURLDesc *url = NULL;
    if (!copy || ldap_url_parse(copy, &url) != LDAP_URL_SUCCESS)
        return;
    const char *host = url->lud_host && *url->lud_host ? url->lud_host : "localhost";
    int port = url->lud_port > 0 ? url->lud_port : tls == EXPLAIN_LDAPS ? LDAPS_PORT : LDAP_PORT;
    if (timeout_usec > TIMEOUT_MAX_USEC)
        timeout_usec = TIMEOUT_MAX_USEC;
    CLEANUP(close_fd) int fd = open_socket(uri, host, port, timeout_usec, e);
    if (fd >= 0 && (tls == EXPLAIN_LDAPS || (tls == EXPLAIN_STARTTLS && ask_for_tls(fd))))
        look_at(fd, uri, host, files, e);
    ldap_free_urldesc(url);
}
