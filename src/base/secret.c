/*
 * Memory for passwords and tokens.
 *
 * Each secret has pages of its own, so that locking it, leaving it out of core dumps and wiping
 * it touch nothing else. Locking is done when RLIMIT_MEMLOCK allows it; a daemon that refused
 * to start for lack of it would only teach people to raise limits. Nothing here formats, logs
 * or compares a secret.
 */
#include "config.h"

#include "base/secret.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"

#define FILE_MAX         (64 * 1024)
#define PASSWORD_MIN     8
#define PASSWORD_MAX     256
#define PATH_BUFFER_SIZE 4096

struct secret {
    size_t mapped; /* bytes of the mapping that this struct begins */
    size_t size;
    char text[];
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* A mapping with room for `size` bytes and a NUL, all zero. */
static struct secret *map_secret(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), mapped;
    struct secret *s;

    if (size > SIZE_MAX - sizeof(*s) - 1 - page)
        return NULL;
    mapped = (sizeof(*s) + size + 1 + page - 1) / page * page;
    s = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (s == MAP_FAILED)
        return NULL;
    (void)mlock(s, mapped);
    (void)madvise(s, mapped, MADV_DONTDUMP);
    s->mapped = mapped;
    s->size = size;
    return s;
}

int secret_new(struct secret **ret, const void *bytes, size_t size, struct error *e)
{
    struct secret *s = map_secret(size);

    if (!s)
        return error_out_of_memory(e);
    if (size > 0)
        memcpy(s->text, bytes, size);
    *ret = s;
    return 0;
}

struct secret *secret_free(struct secret *s)
{
    if (s) {
        size_t mapped = s->mapped;
        explicit_bzero(s, mapped);
        munmap(s, mapped); /* unlocks too */
    }
    return NULL;
}

const char *secret_text(const struct secret *s)
{
    return s->text;
}

size_t secret_size(const struct secret *s)
{
    return s->size;
}

void secret_wipe_string(char *s)
{
    if (s)
        explicit_bzero(s, strlen(s));
    free(s);
}

/* Opens $CREDENTIALS_DIRECTORY/NAME or the path. systemd keeps credentials readable for the
 * service's user by an access list, which shows as group permissions: those are no fault. */
static int open_file(const char *path, bool *ret_is_credential)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    /* A FIFO must not make us wait before we can refuse it. */
    const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

    *ret_is_credential = false;
    if (directory && *directory == '/' && !strchr(path, '/')) {
        char full[PATH_BUFFER_SIZE];
        int n = snprintf(full, sizeof(full), "%s/%s", directory, path);
        if (n < 0 || (size_t)n >= sizeof(full))
            return -ENAMETOOLONG;
        int fd = open(full, flags);
        if (fd >= 0 || errno != ENOENT) {
            *ret_is_credential = true;
            return fd >= 0 ? fd : -errno;
        }
    }
    if (directory && *directory == '/') {
        size_t n = strlen(directory);
        *ret_is_credential = strncmp(path, directory, n) == 0 && path[n] == '/';
    }
    int fd = open(path, flags);
    return fd >= 0 ? fd : -errno;
}

bool secret_mode_is_private(const struct stat *st)
{
    mode_t open_to = st->st_mode & (S_IRWXG | S_IRWXO);
    return open_to == 0 || (open_to == S_IRGRP && st->st_gid == getegid());
}

static void name_of(uid_t uid, char *ret, size_t size)
{
    if (!file_account_name(uid, ret, size))
        (void)snprintf(ret, size, "%u", (unsigned)uid);
}

char *secret_why_unreadable(const char *path, char *buffer, size_t size)
{
    char owner_name[64], self_name[64];
    struct stat st;

    name_of(geteuid(), self_name, sizeof(self_name));
    if (stat(path, &st) < 0) {
        (void)snprintf(buffer, size, "%s may not enter its folder", self_name);
        return buffer;
    }
    name_of(st.st_uid, owner_name, sizeof(owner_name));
    (void)snprintf(
        buffer, size,
        "it belongs to %s (mode %04o), and %s must read it: chown %s %s && chmod 0600 %s",
        owner_name, (unsigned)st.st_mode & 07777U, self_name, self_name, path, path);
    return buffer;
}

static int check_file(int fd, const char *path, bool is_credential, struct error *e)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return error_set(e, -errno, "cannot read the secret in %s: %m", path);
    if (!S_ISREG(st.st_mode))
        return error_set(e, -EINVAL, "the secret in %s is refused: not a regular file", path);
    if (!is_credential && !secret_mode_is_private(&st))
        return error_set(e, -EPERM,
                         "the secret in %s is refused: group or others may read or write it "
                         "(mode %04o): chmod 0600 %s, or 0640 with rosterd's own group",
                         path, (unsigned)st.st_mode & 07777U, path);
    return 0;
}

/* Reads until the end of the file, at most `size` bytes. */
static ssize_t read_all(int fd, char *to, size_t size)
{
    size_t used = 0;

    while (used < size) {
        ssize_t n = read(fd, to + used, size - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        used += (size_t)n;
    }
    return (ssize_t)used;
}

/* The whole file, at most FILE_MAX bytes, in memory of its own; *ret_size of them are filled.
 */
static int read_file(struct secret **ret, size_t *ret_size, const char *path, struct error *e)
{
    CLEANUP(secret_freep) struct secret *scratch = NULL;
    CLEANUP(close_fd) int fd = -1;
    bool is_credential;

    fd = open_file(path, &is_credential);
    char why[512];
    if (fd == -EACCES && path[0] == '/')
        return error_set(e, fd, "cannot open the secret in %s: %s", path,
                         secret_why_unreadable(path, why, sizeof(why)));
    if (fd == -ENOENT && !strchr(path, '/'))
        return error_set(
            e, fd,
            "cannot open the secret in %s: a name without a slash is a credential, which the "
            "service manager gives to the service alone (LoadCredential=%s:FILE in its unit); "
            "rosterctl check looks with it when root checks a configuration in /etc/rosterd",
            path, path);
    if (fd < 0)
        return error_set(e, fd, "cannot open the secret in %s: %s", path, strerror(-fd));
    int r = check_file(fd, path, is_credential, e);
    if (r < 0)
        return r;
    scratch = map_secret(FILE_MAX + 1);
    if (!scratch)
        return error_out_of_memory(e);
    ssize_t n = read_all(fd, scratch->text, FILE_MAX + 1);
    if (n < 0)
        return error_set(e, (int)n, "cannot read the secret in %s: %s", path, strerror((int)-n));
    if (n > FILE_MAX)
        return error_set(e, -EFBIG, "the secret in %s is refused: over %d bytes", path, FILE_MAX);
    *ret_size = (size_t)n;
    *ret = TAKE(scratch);
    return 0;
}

/* What an editor put around it is no part of a secret: a mark of UTF-8 before it, blanks and
 * ends of lines behind it. */
static const char *trim(const char *text, size_t *n)
{
    if (*n >= 3 && !memcmp(text, "\xEF\xBB\xBF", 3)) {
        text += 3;
        *n -= 3;
    }
    while (*n > 0 && strchr(" \t\r\n", text[*n - 1]))
        --*n;
    return text;
}

int secret_from_file(struct secret **ret, const char *path, struct error *e)
{
    CLEANUP(secret_freep) struct secret *scratch = NULL;
    size_t n = 0;
    int r = read_file(&scratch, &n, path, e);
    if (r < 0)
        return r;
    if (memchr(scratch->text, '\0', n))
        return error_set(e, -EINVAL,
                         "the secret in %s is refused: it contains a NUL byte, as text in UTF-16 "
                         "does; write it as UTF-8",
                         path);
    const char *text = trim(scratch->text, &n);
    if (n == 0)
        return error_set(e, -ENODATA, "the secret in %s is refused: empty", path);
    return secret_new(ret, text, n, e);
}

static bool has_invisible(const char *text, size_t n)
{
    static const char *const characters[] = {"\xC2\xA0",     "\xC2\xAD",     "\xE2\x80\x8B",
                                             "\xE2\x80\x8C", "\xE2\x80\x8D", "\xE2\x80\xAF",
                                             "\xE2\x81\xA0", "\xEF\xBB\xBF"};
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < ' ' && text[i] != '\n')
            return true;
    for (size_t i = 0; i < ARRAY_SIZE(characters); i++)
        if (memmem(text, n, characters[i], strlen(characters[i])))
            return true;
    return false;
}

/* "client_secret=…", "password: …": a name as configuration files have them. */
static bool has_name(const char *text, size_t n)
{
    static const char *const words[] = {"secret", "password", "passwd", "token", "key", "pw"};
    size_t length = 0;
    while (length < n && (isalnum((unsigned char)text[length]) || strchr("_-. ", text[length])))
        length++;
    if (!length || length + 1 >= n || !strchr("=:", text[length]))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        for (size_t at = 0; at + strlen(words[i]) <= length; at++)
            if (!strncasecmp(text + at, words[i], strlen(words[i])))
                return true;
    return false;
}

const char *secret_file_oddity(const char *path)
{
    CLEANUP(secret_freep) struct secret *scratch = NULL;
    size_t n = 0;
    int r = read_file(&scratch, &n, path, NULL);
    if (r == -EFBIG)
        return "it is larger than any secret, so it is refused";
    if (r < 0)
        return NULL; /* said by whoever reads it */
    const char *text = trim(scratch->text, &n);
    if (n == 0)
        return "it is empty";
    if (memchr(text, '\0', n))
        return "it contains NUL bytes, as text in UTF-16 does";
    if (memchr(text, '\n', n))
        return "it has more than one line, and all of them are taken for the secret";
    if (n >= 2 && strchr("\"'`", *text) && text[n - 1] == *text)
        return "it is in quotes, which are taken for a part of the secret";
    if (has_name(text, n))
        return "it begins with a name and '=' or ':', which are taken for a part of the secret";
    if (*text == ' ' || *text == '\t')
        return "it begins with a blank, which is taken for a part of the secret";
    if (has_invisible(text, n))
        return "it holds characters that cannot be seen";
    return NULL;
}

/* The symbols are those that no shell, URL, JSON or XML treats specially enough to hurt the one
 * who has to type the password once. */
static const struct {
    const char *name, *characters;
} classes_known[] = {
    {"lower", "abcdefghijklmnopqrstuvwxyz"},
    {"upper", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"},
    {"digit", "0123456789"},
    {"symbol", "!#%*+-.:=?@_"},
};

/* A number below `limit` (at most 256), each equally likely. */
static int random_below(size_t limit, size_t *ret)
{
    unsigned char byte;

    for (;;) {
        int r = random_bytes(&byte, 1);
        if (r < 0)
            return r;
        if (byte < 256 / limit * limit) /* else some remainders would come up more often */
            break;
    }
    *ret = byte % limit;
    explicit_bzero(&byte, 1);
    return 0;
}

static int random_character(char *to, const char *characters)
{
    size_t i = 0;
    int r = random_below(strlen(characters), &i);

    if (r == 0)
        *to = characters[i];
    return r;
}

/* Sets a bit for each class named. */
static int parse_classes(const char *classes, unsigned *ret)
{
    unsigned bits = 0;

    for (const char *p = classes;; p++) {
        p += strspn(p, " ");
        size_t n = strcspn(p, " ,"), i;
        for (i = 0; i < ARRAY_SIZE(classes_known); i++)
            if (strlen(classes_known[i].name) == n && strncmp(p, classes_known[i].name, n) == 0)
                break;
        if (i == ARRAY_SIZE(classes_known))
            return -EINVAL;
        bits |= 1U << i;
        p += n;
        p += strspn(p, " ");
        if (*p == '\0')
            break;
        if (*p != ',')
            return -EINVAL;
    }
    *ret = bits;
    return 0;
}

/* One of each class, the rest from all of them, then shuffled so that places tell nothing. */
static int fill_password(char *text, size_t length, unsigned bits)
{
    char all[128] = "";
    size_t used = 0, n_all = 0;
    int r;

    for (size_t i = 0; i < ARRAY_SIZE(classes_known); i++) {
        if (!(bits & 1U << i))
            continue;
        size_t n = strlen(classes_known[i].characters);
        memcpy(all + n_all, classes_known[i].characters, n + 1);
        n_all += n;
        r = random_character(&text[used++], classes_known[i].characters);
        if (r < 0)
            return r;
    }
    for (; used < length; used++) {
        r = random_character(&text[used], all);
        if (r < 0)
            return r;
    }
    for (size_t i = length - 1; i > 0; i--) {
        size_t j = 0;
        r = random_below(i + 1, &j);
        if (r < 0)
            return r;
        char swap = text[i];
        text[i] = text[j];
        text[j] = swap;
    }
    return 0;
}

int secret_random_password(struct secret **ret, size_t length, const char *classes, struct error *e)
{
    CLEANUP(secret_freep) struct secret *s = NULL;
    unsigned bits = 0;

    if (length < PASSWORD_MIN || length > PASSWORD_MAX)
        return error_set(e, -EINVAL,
                         "a password of %zu characters cannot be made: %d to %d are possible",
                         length, PASSWORD_MIN, PASSWORD_MAX);
    if (parse_classes(classes, &bits) < 0)
        return error_set(e, -EINVAL,
                         "unknown character class in \"%s\": lower, upper, digit and symbol "
                         "are known",
                         classes);
    s = map_secret(length);
    if (!s)
        return error_out_of_memory(e);
    int r = fill_password(s->text, length, bits);
    if (r < 0)
        return error_set(e, r, "cannot get random bytes from the kernel: %s", strerror(-r));
    *ret = TAKE(s);
    return 0;
}
