/*
 * Keys have the text form of Go's note package, which C2SP took over: PRIVATE+KEY+NAME+ID+KEY
 * in the file, NAME+ID+KEY in public; ID is the beginning of a hash over name and key, KEY the
 * base64 of a byte 1 (Ed25519) and the 32 bytes. So other programs verify our checkpoints.
 *
 * The key is read once, when rosterd starts, and lives in libcrypto's memory alone.
 */
#include "config.h"

#include "audit/signer.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit.h"
#include "audit/chain.h"
#include "base/base64.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/secret.h"

#define KEY_SIZE       32
#define SIGNATURE_SIZE 64
#define ID_SIZE        4
#define ALGORITHM      1 /* Ed25519 */
#define PRIVATE        "PRIVATE+KEY+"
#define CREDENTIAL     "audit-key"

struct signer {
    EVP_PKEY *key;
    EVP_MD_CTX *signing; /* before a text: finding the algorithm takes as long as a signature */
    unsigned char id[ID_SIZE];
    char name[SIGNER_NAME_MAX + 1];
    char vkey[SIGNER_VKEY_MAX + 1];
    bool credential;
};

struct key_text {
    char name[SIGNER_NAME_MAX + 1];
    unsigned char id[ID_SIZE];
    unsigned char bytes[1 + KEY_SIZE];
};

static void pkey_freep(EVP_PKEY **k)
{
    EVP_PKEY_free(*k);
}

static void context_freep(EVP_MD_CTX **c)
{
    EVP_MD_CTX_free(*c);
}

struct signer *signer_free(struct signer *s)
{
    if (s) {
        EVP_MD_CTX_free(s->signing);
        EVP_PKEY_free(s->key);
    }
    free(s);
    return NULL;
}

const char *signer_vkey(const struct signer *s)
{
    return s->vkey;
}

const char *signer_name(const struct signer *s)
{
    return s->name;
}

static int key_id(const char *name, const unsigned char public[static 1 + KEY_SIZE],
                  unsigned char ret[static ID_SIZE])
{
    unsigned char hash[DIGEST_SIZE];
    int r = digest_raw(
        hash, (struct digest_part[]){{name, strlen(name)}, {"\n", 1}, {public, 1 + KEY_SIZE}}, 3);

    memcpy(ret, hash, ID_SIZE);
    return r;
}

/* NAME+ID+KEY */
static bool parse_key(const char *text, struct key_text *ret)
{
    const char *plus = strchr(text, '+'), *second = plus ? strchr(plus + 1, '+') : NULL;
    unsigned id;

    if (!second || plus == text || (size_t)(plus - text) > SIGNER_NAME_MAX || second - plus != 9 ||
        strspn(plus + 1, "0123456789abcdef") != 8 || sscanf(plus + 1, "%8x", &id) != 1)
        return false;
    memcpy(ret->name, text, (size_t)(plus - text));
    ret->name[plus - text] = '\0';
    for (unsigned i = 0; i < ID_SIZE; i++)
        ret->id[i] = (unsigned char)(id >> (24 - 8 * i));
    return !strpbrk(ret->name, " \t\n") &&
           base64_decode(ret->bytes, sizeof(ret->bytes), second + 1, strlen(second + 1), false) ==
               sizeof(ret->bytes) &&
           ret->bytes[0] == ALGORITHM;
}

bool signer_vkey_name(const char *vkey, char ret[static SIGNER_NAME_MAX + 1])
{
    struct key_text k;

    if (!parse_key(vkey, &k))
        return false;
    memcpy(ret, k.name, sizeof(k.name));
    return true;
}

static void put_key(char *to, size_t size, const char *before, const char *name,
                    const unsigned char id[static ID_SIZE],
                    const unsigned char bytes[static 1 + KEY_SIZE])
{
    char text[BASE64_SIZE(1 + KEY_SIZE) + 1];

    base64_encode(text, bytes, 1 + KEY_SIZE, false);
    snprintf(to, size, "%s%s+%02x%02x%02x%02x+%s", before, name, id[0], id[1], id[2], id[3], text);
    explicit_bzero(text, sizeof(text));
}

static int from_seed(struct signer **ret, const char *name,
                     const unsigned char seed[static KEY_SIZE], struct error *e)
{
    CLEANUP(signer_freep) struct signer *s = calloc(1, sizeof(*s));
    unsigned char public[1 + KEY_SIZE] = {ALGORITHM};
    size_t size = KEY_SIZE;

    if (!s)
        return error_out_of_memory(e);
    snprintf(s->name, sizeof(s->name), "%s", name);
    s->key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, KEY_SIZE);
    s->signing = EVP_MD_CTX_new();
    if (!s->key || !s->signing || EVP_DigestSignInit(s->signing, NULL, NULL, NULL, s->key) != 1 ||
        EVP_PKEY_get_raw_public_key(s->key, public + 1, &size) != 1 || size != KEY_SIZE ||
        key_id(name, public, s->id) < 0)
        return error_set(e, -EIO, "libcrypto cannot use an Ed25519 key");
    put_key(s->vkey, sizeof(s->vkey), "", name, s->id, public);
    *ret = TAKE(s);
    return 0;
}

static int from_file(struct signer **ret, const char *path, struct error *e)
{
    CLEANUP(secret_freep) struct secret *text = NULL;
    struct key_text k = {0};
    int r = secret_from_file(&text, path, e);

    if (r < 0)
        return error_wrap(e, r, "the key that signs the audit");
    if (strncmp(secret_text(text), PRIVATE, sizeof(PRIVATE) - 1) == 0 &&
        parse_key(secret_text(text) + sizeof(PRIVATE) - 1, &k))
        r = from_seed(ret, k.name, k.bytes + 1, e);
    else
        r = error_set(e, -EINVAL,
                      "%s holds no key for the audit (PRIVATE+KEY+...): put the right file "
                      "there, or move it away and a new key is made",
                      path);
    if (r == 0 && memcmp(k.id, (*ret)->id, ID_SIZE) != 0) {
        *ret = signer_free(*ret);
        r = error_set(e, -EINVAL, "the key in %s is damaged: its id is not that of the key", path);
    }
    explicit_bzero(&k, sizeof(k));
    return r;
}

/* rosterd/HOST/8 random digits: the machine for people, the digits for keys of one machine. */
static int new_name(char ret[static SIGNER_NAME_MAX + 1])
{
    char host[65] = "";
    uint32_t random;

    if (random_bytes(&random, sizeof(random)) < 0)
        return -EIO;
    if (gethostname(host, sizeof(host) - 1) < 0 || !host[0])
        snprintf(host, sizeof(host), "localhost");
    for (char *p = host; *p; p++)
        if (*p <= ' ' || *p > '~' || *p == '+' || *p == '"' || *p == '\\')
            *p = '-';
    snprintf(ret, SIGNER_NAME_MAX + 1, "rosterd/%s/%08x", host, random);
    return 0;
}

static int sync_folder(const char *path)
{
    CLEANUP(freep) char *copy = strdup(path);
    int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1, r = 0;

    if (fd < 0 || fsync(fd) < 0)
        r = -errno;
    if (fd >= 0)
        close(fd);
    return r;
}

static int cannot_write(const char *path, int r, struct error *e)
{
    return error_set(e, r,
                     "the key that signs the audit cannot be written to %s: %s. Check who "
                     "may write to that folder",
                     path, strerror(-r));
}

#define PATH_SIZE 4096

static int name_beside(char ret[static PATH_SIZE], const char *path, struct error *e)
{
    return snprintf(ret, PATH_SIZE, "%s.new", path) < PATH_SIZE
               ? 0
               : error_set(e, -ENAMETOOLONG, "the path %s is too long", path);
}

static int write_key(const char *path, const char *text, struct error *e)
{
    char beside[PATH_SIZE];
    int fd, r = name_beside(beside, path, e);

    if (r < 0)
        return r;
    fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || fchmod(fd, 0600) < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) ||
        fsync(fd) < 0)
        r = errno ? -errno : -EIO;
    if (fd >= 0 && close(fd) < 0 && r == 0)
        r = -errno;
    if (r == 0)
        r = sync_folder(path);
    return r < 0 ? cannot_write(path, r, e) : 0;
}

int signer_settle(const char *path, const char *vkey, struct error *e)
{
    CLEANUP(signer_freep) struct signer *s = NULL;
    char beside[PATH_SIZE];
    int r = name_beside(beside, path, e);

    if (r < 0 || access(beside, F_OK) < 0)
        return r;
    r = from_file(&s, beside, e);
    if (r < 0 && r != -EINVAL && r != -ENODATA)
        return r; /* it may be the only one there is of that key */
    if (r == 0 && vkey && strcmp(s->vkey, vkey) == 0)
        r = rename(beside, path) < 0 ? -errno : sync_folder(path);
    else
        r = unlink(beside) < 0 ? -errno : 0;
    return r < 0 ? cannot_write(path, r, e) : 0;
}

int signer_prepare(struct signer **ret, const char *path, struct error *e)
{
    CLEANUP(signer_freep) struct signer *s = NULL;
    unsigned char secret[1 + KEY_SIZE] = {ALGORITHM};
    char name[SIGNER_NAME_MAX + 1], text[SIGNER_VKEY_MAX + sizeof(PRIVATE) + 2];
    int r = 0;

    if (random_bytes(secret + 1, KEY_SIZE) < 0 || new_name(name) < 0)
        return error_set(e, -EIO, "the kernel returned no random bytes");
    r = from_seed(&s, name, secret + 1, e);
    if (r == 0) {
        put_key(text, sizeof(text), PRIVATE, name, s->id, secret);
        r = write_key(path, text, e);
    }
    explicit_bzero(secret, sizeof(secret));
    explicit_bzero(text, sizeof(text));
    if (r == 0)
        *ret = TAKE(s);
    return r;
}

static bool has_credential(void)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    char credential[PATH_SIZE];

    return folder &&
           snprintf(credential, sizeof(credential), "%s/" CREDENTIAL, folder) <
               (int)sizeof(credential) &&
           access(credential, F_OK) == 0;
}

static bool is_missing(const char *path)
{
    return access(path, F_OK) < 0 && errno == ENOENT;
}

int signer_open(struct signer **ret, const char *path, struct error *e)
{
    if (has_credential()) {
        int r = from_file(ret, CREDENTIAL, e);

        if (r == 0)
            (*ret)->credential = true;
        return r;
    }
    if (is_missing(path)) {
        int r = signer_prepare(ret, path, e);

        return r == 0 ? signer_settle(path, (*ret)->vkey, e) : r;
    }
    return from_file(ret, path, e);
}

int audit_look_at_key(const char *key_path, struct error *e)
{
    CLEANUP(signer_freep) struct signer *s = NULL;

    if (!has_credential() && is_missing(key_path))
        return file_may_be_made(key_path, "key that signs the audit", e);
    return signer_open(&s, key_path, e);
}

bool signer_is_credential(const struct signer *s)
{
    return s->credential;
}

int signer_sign(const struct signer *s, const char *text, size_t size,
                char ret[static SIGNER_SIG_MAX + 1], struct error *e)
{
    CLEANUP(context_freep) EVP_MD_CTX *c = EVP_MD_CTX_new();
    unsigned char sig[ID_SIZE + SIGNATURE_SIZE];
    size_t n = SIGNATURE_SIZE;

    memcpy(sig, s->id, ID_SIZE);
    if (!c ||
        (EVP_MD_CTX_copy_ex(c, s->signing) != 1 && /* before OpenSSL 3 no key of this kind can */
         EVP_DigestSignInit(c, NULL, NULL, NULL, s->key) != 1) ||
        EVP_DigestSign(c, sig + ID_SIZE, &n, (const unsigned char *)text, size) != 1 ||
        n != SIGNATURE_SIZE)
        return error_set(e, -EIO, "libcrypto cannot sign");
    base64_encode(ret, sig, sizeof(sig), false);
    return 0;
}

bool signer_verify(const char *vkey, const char *text, size_t size, const char *sig)
{
    CLEANUP(context_freep) EVP_MD_CTX *c = EVP_MD_CTX_new();
    CLEANUP(pkey_freep) EVP_PKEY *key = NULL;
    unsigned char bytes[ID_SIZE + SIGNATURE_SIZE], id[ID_SIZE];
    struct key_text k;

    if (!c || !parse_key(vkey, &k) || key_id(k.name, k.bytes, id) < 0 ||
        memcmp(id, k.id, ID_SIZE) != 0 ||
        base64_decode(bytes, sizeof(bytes), sig, strlen(sig), false) != sizeof(bytes) ||
        memcmp(bytes, id, ID_SIZE) != 0)
        return false;
    key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, k.bytes + 1, KEY_SIZE);
    return key && EVP_DigestVerifyInit(c, NULL, NULL, NULL, key) == 1 &&
           EVP_DigestVerify(c, bytes + ID_SIZE, SIGNATURE_SIZE, (const unsigned char *)text,
                            size) == 1;
}
