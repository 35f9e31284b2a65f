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
#include "yearbook.h"

static const char *const parts[] = {"state.db", "state.db-wal", "state.db-shm"};

int aftermath_folder(void)
{
    const char *base = getenv("LIVES_FOLDER");
    if (!base)
        base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(world.folder, sizeof(world.folder), "%.40s/lives-%d-XXXXXX", base, (int)getpid());
    if (!mkdtemp(world.folder))
        return -1;
    strcat(world.folder, "/");
    return chdir(world.folder);
}

/* Somebody's hand, none of the daemon's: the disk has it at once. */
void state_copy(const char *from, const char *to)
{
    bool running = world.running;
    world.running = false;
    for (unsigned i = 0; i < 2; i++) {
        char path[160], chunk[65536];
        snprintf(path, sizeof(path), "%s%s%s", world.folder, from, parts[i]);
        int source = open(path, O_RDONLY | O_CLOEXEC);
        snprintf(path, sizeof(path), "%s%s%s", world.folder, to, parts[i]);
        if (source < 0) {
            unlink(path);
            continue;
        }
        int target = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        for (ssize_t n; (n = read(source, chunk, sizeof(chunk))) > 0;)
            if (write(target, chunk, (size_t)n) != n)
                abort();
        close(source);
        close(target);
    }
    world.running = running;
}

void state_remove(void)
{
    for (unsigned i = 0; i < 3; i++) {
        char path[160];
        snprintf(path, sizeof(path), "%s%s", world.folder, parts[i]);
        unlink(path);
    }
}

/* By the number of its first line: names have the wall clock's time, which is anything. */
static long long first_line(const char *path)
{
    long long n = 0;
    FILE *f = fopen(path, "re");
    if (f && fscanf(f, "{\"v\":%*d,\"seq\":%lld", &n) != 1)
        n = 0;
    if (f)
        fclose(f);
    return n;
}

static int compare_files(const void *a, const void *b)
{
    long long first = first_line(*(char *const *)a), second = first_line(*(char *const *)b);
    return (first > second) - (first < second);
}

/* The audit's files, the oldest first. */
static size_t audit_files(char **ret, size_t room)
{
    DIR *dir = opendir(world.folder);
    size_t n = 0;
    for (struct dirent *entry; dir && (entry = readdir(dir)) && n < room;)
        if (strncmp(entry->d_name, "audit.jsonl", 11) == 0 ||
            strncmp(entry->d_name, REMOVED, strlen(REMOVED)) == 0) {
            char path[360];
            snprintf(path, sizeof(path), "%s%s", world.folder, entry->d_name);
            ret[n++] = strdup(path);
        }
    if (dir)
        closedir(dir);
    qsort(ret, n, sizeof(*ret), compare_files);
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
    if (!world.n_broken && ended_well && !world.has_lied)
        yearbook_check((const char *const *)files, n);
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
