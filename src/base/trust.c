/*
 * What the files of CAs are told by: where they lie on the disk, their size and their times.
 * The contents are left to the libraries that read them for each connection; here they would be
 * read again and again for nothing.
 */
#include "config.h"

#include "base/trust.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"

#define LOOK_INTO_FOLDER_USEC USEC_PER_SEC

static void take(uint64_t words[static 6], const struct stat *st)
{
    words[0] = st->st_dev;
    words[1] = st->st_ino;
    words[2] = (uint64_t)st->st_size;
    words[3] = (uint64_t)st->st_mtim.tv_sec;
    words[4] = (uint64_t)st->st_mtim.tv_nsec;
    words[5] = (uint64_t)st->st_ctim.tv_sec * 1000000000 + (uint64_t)st->st_ctim.tv_nsec;
}

static uint64_t mix(uint64_t sum, uint64_t word)
{
    sum ^= word;
    sum *= 0x9e3779b97f4a7c15;
    return sum ^ sum >> 29;
}

/* A sum over all that is in it, in whatever order it is read; links are followed. */
static uint64_t look_into(const char *path)
{
    DIR *folder = opendir(path);
    uint64_t sum = 0;
    if (!folder)
        return 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        struct stat st;
        uint64_t words[6], one = 1;
        if (entry->d_name[0] == '.' || fstatat(dirfd(folder), entry->d_name, &st, 0) < 0)
            continue;
        take(words, &st);
        for (size_t i = 0; i < 6; i++)
            one = mix(one, words[i]);
        for (const char *c = entry->d_name; *c; c++)
            one = mix(one, (unsigned char)*c);
        sum += one;
    }
    closedir(folder);
    return sum;
}

static struct trust look(const char *ca_file, const char *ca_directory, const struct trust *before)
{
    struct trust trust = {0};
    struct stat st;
    uint64_t now = clock_monotonic_usec();
    if (ca_file && stat(ca_file, &st) == 0)
        take(trust.file, &st);
    if (ca_directory && stat(ca_directory, &st) == 0)
        take(trust.folder, &st);
    bool soon = before && now - before->looked_usec < LOOK_INTO_FOLDER_USEC;
    trust.looked_usec = soon ? before->looked_usec : now;
    if (ca_directory)
        trust.folder[6] = soon ? before->folder[6] : look_into(ca_directory);
    return trust;
}

struct trust trust_of(const char *ca_file, const char *ca_directory)
{
    return look(ca_file, ca_directory, NULL);
}

/* At least one certificate, and none that is cut off, as while a file of several is written. */
static bool holds_certificates(FILE *file)
{
    size_t n = 0;
    for (X509 *one; (one = PEM_read_X509(file, NULL, NULL, NULL)); n++)
        X509_free(one);
    bool whole = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    return n && whole;
}

/* A folder that nobody is trusted by, beside a file, may be as empty as it was. */
static bool is_usable(const struct trust *before, const char *ca_file, const char *ca_directory)
{
    bool needed = ca_directory && (!ca_file || before->folder[6] != 0);
    if (needed && look_into(ca_directory) == 0)
        return false;
    if (!ca_file)
        return ca_directory;
    FILE *file = fopen(ca_file, "re");
    bool usable = file && holds_certificates(file);
    if (file)
        fclose(file);
    return usable;
}

bool trust_has_changed(struct trust *t, const char *ca_file, const char *ca_directory,
                       const char *peer, struct trust *ret)
{
    *ret = look(ca_file, ca_directory, t);
    bool same = memcmp(ret->file, t->file, sizeof(ret->file)) == 0 &&
                memcmp(ret->folder, t->folder, sizeof(ret->folder)) == 0;
    if (same)
        t->looked_usec = ret->looked_usec;
    bool unusable = !same && !is_usable(t, ca_file, ca_directory);
    if (unusable && !t->told)
        log_warning("The CA certificates for %s can no longer be read; open connections are kept",
                    peer);
    t->told = unusable;
    return !same && !unusable;
}
