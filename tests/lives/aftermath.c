/* What a life left behind: its audit, verified by the daemon's own rules and by a stranger's. */
#include "config.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/audit.h"
#include "base/error.h"
#include "diary.h"
#include "life.h"
#include "world.h"

/* Closed files have the time behind their name; the last one has none. */
static int compare_names(const void *a, const void *b)
{
    const char *first = *(char *const *)a, *second = *(char *const *)b;
    size_t n = strlen(first), m = strlen(second);
    return n != m ? (n > m ? -1 : 1) : strcmp(first, second);
}

/* The audit's files, the oldest first. */
static size_t audit_files(char **ret, size_t room)
{
    DIR *dir = opendir(world.folder);
    size_t n = 0;
    for (struct dirent *entry; dir && (entry = readdir(dir)) && n < room;)
        if (strncmp(entry->d_name, "audit.jsonl", 11) == 0) {
            char path[360];
            snprintf(path, sizeof(path), "%s%s", world.folder, entry->d_name);
            ret[n++] = strdup(path);
        }
    if (dir)
        closedir(dir);
    qsort(ret, n, sizeof(*ret), compare_names);
    return n;
}

void aftermath_verify(bool ended_well)
{
    char *files[100];
    struct error e = {0};
    size_t n = audit_files(files, 100);
    struct audit_verify_result result = {0};
    struct audit_verify_options o = {0};
    if (audit_verify((const char *const *)files, n, &o, &result, &e) < 0)
        broken(12, "the audit cannot be verified: %s", e.message);
    else if (result.n_findings)
        broken(12, "the audit is not whole: line %u: %s", result.findings[0].line,
               result.findings[0].sentence);
    audit_verify_result_done(&result);
    if (!world.n_broken && ended_well)
        diary_check((const char *const *)files, n);
    while (n)
        free(files[--n]);
}

void aftermath_hash(char ret[65])
{
    char *files[100];
    unsigned char digest[EVP_MAX_MD_SIZE] = {0}, chunk[65536];
    unsigned size = 32;
    size_t n = audit_files(files, 100);
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    EVP_DigestInit_ex(c, EVP_sha256(), NULL);
    for (size_t i = 0; i < n; i++) {
        int fd = open(files[i], O_RDONLY | O_CLOEXEC);
        for (ssize_t got; fd >= 0 && (got = read(fd, chunk, sizeof(chunk))) > 0;)
            EVP_DigestUpdate(c, chunk, (size_t)got);
        if (fd >= 0)
            close(fd);
        free(files[i]);
    }
    EVP_DigestFinal_ex(c, digest, &size);
    EVP_MD_CTX_free(c);
    for (unsigned i = 0; i < 32; i++)
        snprintf(ret + 2 * i, 3, "%02x", digest[i]);
}

void aftermath_remove(void)
{
    DIR *dir = opendir(world.folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char path[360];
        snprintf(path, sizeof(path), "%s%s", world.folder, entry->d_name);
        unlink(path);
    }
    if (dir)
        closedir(dir);
    rmdir(world.folder);
}
