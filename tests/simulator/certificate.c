/* A throw-away CA and a server certificate, by GnuTLS. The CA's key is not kept, so nobody can
 * make more. */
#include "config.h"

#include "certificate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

struct pair {
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t certificate;
};

static void pair_done(struct pair *p)
{
    if (p->key)
        gnutls_x509_privkey_deinit(p->key);
    if (p->certificate)
        gnutls_x509_crt_deinit(p->certificate);
}

static int pair_init(struct pair *p, const char *name)
{
    unsigned char serial[8];
    if (getrandom(serial, sizeof(serial), 0) != (ssize_t)sizeof(serial))
        return GNUTLS_E_RANDOM_FAILED;
    serial[0] &= 0x7f; /* positive */
    time_t now = time(NULL);
    unsigned bits = GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1);
    int r = gnutls_x509_privkey_init(&p->key);
    if (r >= 0)
        r = gnutls_x509_privkey_generate(p->key, GNUTLS_PK_ECDSA, bits, 0);
    if (r >= 0)
        r = gnutls_x509_crt_init(&p->certificate);
    if (r >= 0)
        r = gnutls_x509_crt_set_version(p->certificate, 3);
    if (r >= 0)
        r = gnutls_x509_crt_set_serial(p->certificate, serial, sizeof(serial));
    if (r >= 0)
        r = gnutls_x509_crt_set_activation_time(p->certificate, now - 3600);
    if (r >= 0)
        r = gnutls_x509_crt_set_expiration_time(p->certificate, now + 365 * 86400);
    if (r >= 0)
        r = gnutls_x509_crt_set_dn_by_oid(p->certificate, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                          (unsigned)strlen(name));
    if (r >= 0)
        r = gnutls_x509_crt_set_key(p->certificate, p->key);
    unsigned char id[20];
    size_t length = sizeof(id);
    if (r >= 0)
        r = gnutls_x509_crt_get_key_id(p->certificate, GNUTLS_KEYID_USE_SHA1, id, &length);
    return r >= 0 ? gnutls_x509_crt_set_subject_key_id(p->certificate, id, length) : r;
}

static int make_pairs(struct pair *ca, struct pair *server)
{
    struct in_addr loopback = {.s_addr = htonl(INADDR_LOOPBACK)};
    int r = pair_init(ca, "Tenant simulator CA");
    if (r >= 0)
        r = gnutls_x509_crt_set_basic_constraints(ca->certificate, 1, 0);
    if (r >= 0)
        r = gnutls_x509_crt_set_key_usage(ca->certificate, GNUTLS_KEY_KEY_CERT_SIGN);
    if (r >= 0)
        r = gnutls_x509_crt_sign2(ca->certificate, ca->certificate, ca->key, GNUTLS_DIG_SHA256,
                                  0);
    if (r >= 0)
        r = pair_init(server, "localhost");
    if (r >= 0)
        r = gnutls_x509_crt_set_basic_constraints(server->certificate, 0, -1);
    if (r >= 0)
        r = gnutls_x509_crt_set_key_usage(server->certificate, GNUTLS_KEY_DIGITAL_SIGNATURE);
    if (r >= 0)
        r = gnutls_x509_crt_set_key_purpose_oid(server->certificate, GNUTLS_KP_TLS_WWW_SERVER,
                                                0);
    if (r >= 0)
        r = gnutls_x509_crt_set_subject_alt_name(server->certificate, GNUTLS_SAN_IPADDRESS,
                                                 &loopback, sizeof(loopback), GNUTLS_FSAN_SET);
    if (r >= 0)
        r = gnutls_x509_crt_set_subject_alt_name(server->certificate, GNUTLS_SAN_DNSNAME,
                                                 "localhost", 9, GNUTLS_FSAN_APPEND);
    unsigned char id[20];
    size_t length = sizeof(id);
    if (r >= 0)
        r = gnutls_x509_crt_get_subject_key_id(ca->certificate, id, &length, NULL);
    if (r >= 0)
        r = gnutls_x509_crt_set_authority_key_id(server->certificate, id, length);
    return r >= 0 ? gnutls_x509_crt_sign2(server->certificate, ca->certificate, ca->key,
                                          GNUTLS_DIG_SHA256, 0)
                  : r;
}

static int write_pem(const char *path, gnutls_datum_t pem, unsigned mode)
{
    int r = text_file_write(path, pem.data, pem.size, mode);
    gnutls_free(pem.data);
    return r;
}

int certificate_make(const char *folder)
{
    CLEANUP(text_freep) char *ca_path = text_format("%s/ca.pem", folder);
    CLEANUP(text_freep) char *server_path = text_format("%s/server.pem", folder);
    CLEANUP(text_freep) char *key_path = text_format("%s/server.key", folder);
    if (!access(ca_path, R_OK) && !access(server_path, R_OK) && !access(key_path, R_OK))
        return 0;
    if (mkdir(folder, 0755) < 0 && errno != EEXIST) {
        fprintf(stderr, "tenant-simulator: cannot make %s: %m\n", folder);
        return -1;
    }
    struct pair ca = {0}, server = {0};
    gnutls_datum_t ca_pem, server_pem, key_pem;
    int result = -1, r = make_pairs(&ca, &server);
    if (r >= 0)
        r = gnutls_x509_crt_export2(ca.certificate, GNUTLS_X509_FMT_PEM, &ca_pem);
    if (r >= 0 && write_pem(ca_path, ca_pem, 0644) < 0)
        goto end;
    if (r >= 0)
        r = gnutls_x509_crt_export2(server.certificate, GNUTLS_X509_FMT_PEM, &server_pem);
    if (r >= 0 && write_pem(server_path, server_pem, 0644) < 0)
        goto end;
    if (r >= 0)
        r = gnutls_x509_privkey_export2(server.key, GNUTLS_X509_FMT_PEM, &key_pem);
    if (r >= 0 && write_pem(key_path, key_pem, 0600) < 0)
        goto end;
    if (r < 0)
        fprintf(stderr, "tenant-simulator: cannot make certificates: %s\n", gnutls_strerror(r));
    result = r < 0 ? -1 : 0;
end:
    pair_done(&ca);
    pair_done(&server);
    return result;
}
