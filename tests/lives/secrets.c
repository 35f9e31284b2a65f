/* Looks for secrets where they do not belong (secrets.h). */
#include "config.h"

#include "secrets.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/base64.h"

#define TOKENS    8 /* the newest; and as many passwords */
#define FORMS     5 /* of one secret */
#define FORM_SIZE 200

static struct secret_word {
    enum peer_kind who;
    char forms[FORMS][FORM_SIZE];
} words[2 + 2 * TOKENS];
static size_t n_tokens, n_passwords;

/* The characters that depend on nothing before or behind. */
static void encode_at(size_t place, const char *text, char *ret)
{
    char bytes[120] = {0}, encoded[FORM_SIZE];
    size_t size = strlen(text), from = (place * 8 + 5) / 6, to = (place + size) * 8 / 6;
    memcpy(bytes + place, text, size);
    base64_encode(encoded, bytes, place + size, false);
    snprintf(ret, FORM_SIZE, "%.*s", (int)(to - from), encoded + from);
}

/* Each SAMPLE bytes of a form that begin at one of its first STRIDE places are noted by a hash: so
 * of what is searched, each STRIDE-th place alone is looked at. */
#define SAMPLE   8
#define STRIDE   8
#define HASHBITS 20
static unsigned char noted[(1U << HASHBITS) / 8];

static unsigned hash_of(const char *at)
{
    uint64_t eight;
    memcpy(&eight, at, SAMPLE);
    return (unsigned)(eight * 0x9e3779b97f4a7c15ULL >> (64 - HASHBITS));
}

static bool may_begin(const char *at)
{
    unsigned hash = hash_of(at);
    return noted[hash / 8] & 1U << hash % 8;
}

static void note(const struct secret_word *w)
{
    for (size_t k = 0; k < FORMS; k++) {
        if (strlen(w->forms[k]) < SAMPLE + STRIDE - 1)
            abort(); /* a secret so short would be found anywhere */
        for (size_t i = 0; i < STRIDE; i++) {
            unsigned hash = hash_of(w->forms[k] + i);
            noted[hash / 8] |= (unsigned char)(1U << hash % 8);
        }
    }
}

static void learn(struct secret_word *w, enum peer_kind who, const char *text)
{
    w->who = who;
    snprintf(w->forms[0], sizeof(w->forms[0]), "%s", text);
    for (size_t i = 0; text[i]; i++)
        snprintf(w->forms[1] + 2 * i, 3, "%02x", (unsigned char)text[i]);
    for (size_t place = 0; place < 3; place++)
        encode_at(place, text, w->forms[2 + place]);
    note(w);
}

void secrets_begin(void)
{
    memset(words, 0, sizeof(words));
    memset(noted, 0, sizeof(noted));
    n_tokens = n_passwords = 0;
    learn(&words[0], PEER_DIRECTORY, BIND_PASSWORD);
    learn(&words[1], PEER_TENANT, CLIENT_SECRET);
}

void secrets_learn_token(const char *answer, size_t size)
{
    static const char key[] = "\"access_token\"";
    const char *at = memmem(answer, size, key, sizeof(key) - 1);
    char token[80] = "", text[120];
    size_t left = at ? size - (size_t)(at - answer) - (sizeof(key) - 1) : 0;
    snprintf(text, sizeof(text), "%.*s", (int)(left < 119 ? left : 119), at ? at + sizeof(key) - 1 : "");
    if (at && sscanf(text, " : \"%79[^\"]", token) == 1)
        learn(&words[2 + n_tokens++ % TOKENS], PEER_TENANT, token);
}

void secrets_learn_password(const char *password)
{
    learn(&words[2 + TOKENS + n_passwords++ % TOKENS], PEER_TENANT, password);
}

static void search(const char *data, size_t size, enum peer_kind who, const char *where)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        for (size_t k = 0; k < FORMS && words[i].who != who; k++) {
            const char *form = words[i].forms[k];
            if (*form && memmem(data, size, form, strlen(form)))
                broken(8, "%s stands in %s: %.12s...",
                       i == 0   ? "the password of the directory"
                       : i == 1 ? "the client's secret"
                       : i < 2 + TOKENS ? "a token"
                                        : "somebody's password",
                       where, form);
        }
}

void secrets_check(const void *data, size_t size, enum peer_kind who, const char *where)
{
    const char *text = data;
    world.n_checks++;
    for (size_t i = 0; i + SAMPLE <= size; i += STRIDE)
        if (may_begin(text + i)) {
            size_t from = i > FORM_SIZE ? i - FORM_SIZE : 0;
            size_t n = size - from < 2 * FORM_SIZE ? size - from : 2 * FORM_SIZE;
            search(text + from, n, who, where);
        }
}

static void check_file(const char *name)
{
    char path[360];
    struct stat st;
    snprintf(path, sizeof(path), "%s%s", world.folder, name);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size) {
        void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data != MAP_FAILED) {
            secrets_check(data, (size_t)st.st_size, PEER_OPERATOR, name);
            munmap(data, (size_t)st.st_size);
        }
    }
    syscall(SYS_close, fd);
}

void secrets_check_files(void)
{
    DIR *dir = opendir(world.folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        if (strcmp(entry->d_name, "bind-password") != 0 &&
            strcmp(entry->d_name, "client-secret") != 0 && entry->d_name[0] != '.')
            check_file(entry->d_name);
    if (dir)
        closedir(dir);
}
