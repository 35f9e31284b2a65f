/*
 * Checks the files that TLS needs before libldap does, and looks for the reason when libldap
 * did not accept a certificate (it only says that something is wrong). It decides nothing:
 * whether a server is trusted is libldap's answer alone.
 */
#include "config.h"

#include "directory/tls-explain.h"

#include <errno.h>
#include <ldap.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
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

static void x509_freep(X509 **p)
{
    X509_free(*p);
}

static void bio_freep(BIO **p)
{
    BIO_free(*p);
}

/* What was printed into the BIO, as a string in it. */
static const char *bio_text(BIO *bio)
{
    char *data = NULL;
    if (BIO_write(bio, "", 1) != 1 || BIO_get_mem_data(bio, &data) <= 0 || !data)
        return "?";
    return data;
}

static bool is_for(X509 *certificate, const char *host)
{
    return X509_check_host(certificate, host, 0, 0, NULL) == 1 ||
           X509_check_ip_asc(certificate, host, 0) == 1;
}

static void tell_name(X509 *certificate, const char *uri, const char *host, struct error *e)
{
    CLEANUP(bio_freep) BIO *names = BIO_new(BIO_s_mem());
    if (!names)
        return;
    int at = X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1);
    if (at < 0 || !X509V3_EXT_print(names, X509_get_ext(certificate, at), 0, 0))
        X509_NAME_print_ex(names, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
    error_set(e, -EIO,
              "%s: the server's TLS certificate is for another name: it says %s, not %s", uri,
              bio_text(names), host);
}

/* An X509_V_ code. Certificates between the server's and the CA's are not at hand here. */
static int verify(X509 *certificate, const struct tls_files *files)
{
    int code = X509_V_ERR_UNSPECIFIED;
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *run = X509_STORE_CTX_new();
    if (store && run &&
        X509_STORE_load_locations(store, files->ca_file, files->ca_directory) == 1 &&
        X509_STORE_CTX_init(run, store, certificate, NULL) == 1 &&
        X509_STORE_CTX_set_purpose(run, X509_PURPOSE_SSL_SERVER) == 1)
        code = X509_verify_cert(run) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(run);
    X509_STORE_CTX_free(run);
    X509_STORE_free(store);
    ERR_clear_error();
    return code;
}

static void tell_trust(X509 *certificate, int code, const char *uri,
                       const struct tls_files *files, struct error *e)
{
    CLEANUP(bio_freep) BIO *issuer = BIO_new(BIO_s_mem());
    if (!issuer)
        return;
    X509_NAME_print_ex(issuer, X509_get_issuer_name(certificate), 0, XN_FLAG_RFC2253);
    error_set(e, -EIO,
              "%s: the server's TLS certificate, issued by %s, is not trusted with the CA "
              "certificates of %s: %s",
              uri, bio_text(issuer), tls_files_ca(files), X509_verify_cert_error_string(code));
}

static void tell_date(X509 *certificate, const char *uri, struct error *e)
{
    CLEANUP(bio_freep) BIO *dates = BIO_new(BIO_s_mem());
    if (!dates || !ASN1_TIME_print(dates, X509_get0_notBefore(certificate)) ||
        BIO_puts(dates, " to ") <= 0 ||
        !ASN1_TIME_print(dates, X509_get0_notAfter(certificate)))
        return;
    error_set(e, -EIO, "%s: the server's TLS certificate is not valid now, but from %s", uri,
              bio_text(dates));
}

static void explain_for_host(X509 *certificate, const char *uri, const char *host,
                             const struct tls_files *files, struct error *e)
{
    int code = verify(certificate, files);
    if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0 ||
        X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
        tell_date(certificate, uri, e);
    else if (!is_for(certificate, host))
        tell_name(certificate, uri, host, e);
    else if (code != X509_V_OK)
        tell_trust(certificate, code, uri, files, e);
    else if (strcasecmp(host, "localhost") == 0)
        /* libldap takes it for the name of the machine. */
        error_set(
            e, -EIO,
            "%s: the TLS certificate of \"localhost\" is checked against this machine's own "
            "name; write that name, or 127.0.0.1",
            uri);
}

void tls_explain(const void *der, size_t size, const char *uri, const struct tls_files *files,
                 struct error *e)
{
    const unsigned char *bytes = der;
    CLEANUP(x509_freep) X509 *certificate = d2i_X509(NULL, &bytes, (long)size);
    LDAPURLDesc *parsed = NULL;
    if (certificate && ldap_url_parse(uri, &parsed) == LDAP_URL_SUCCESS && parsed->lud_host)
        explain_for_host(certificate, uri, parsed->lud_host, files, e);
    ldap_free_urldesc(parsed);
    ERR_clear_error();
}
