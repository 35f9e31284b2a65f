/*
 * Runs a fuzzer's function over files: those named, or all of the corpus of "replay-NAME" below
 * the source tree (srcdir). A crash is the failure, and so is an empty corpus.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static int replay(const char *path)
{
    static uint8_t bytes[1 << 16];
    FILE *f = fopen(path, "rbe");
    if (!f) {
        perror(path);
        return -1;
    }
    size_t size = fread(bytes, 1, sizeof(bytes), f);
    fclose(f);
    /* Of exactly this size, so that a sanitizer sees a read behind its end. */
    uint8_t *exact = malloc(size ? size : 1);
    if (!exact)
        return -1;
    for (size_t i = 0; i < size; i++)
        exact[i] = bytes[i];
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    return 0;
}

static int replay_folder(const char *folder)
{
    DIR *d = opendir(folder);
    int n = 0;
    if (!d) {
        perror(folder);
        return -1;
    }
    for (struct dirent *entry; (entry = readdir(d));) {
        char path[PATH_MAX];
        if (entry->d_name[0] == '.')
            continue;
        int size = snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (size < 0 || (size_t)size >= sizeof(path) || replay(path) < 0) {
            n = -1;
            break;
        }
        n++;
    }
    closedir(d);
    return n;
}

int main(int argc, char **argv)
{
    char folder[PATH_MAX];
    for (int i = 1; i < argc; i++)
        if (replay(argv[i]) < 0)
            return 1;
    if (argc > 1)
        return 0;
    const char *source = getenv("srcdir");
    const char *name = strstr(program_invocation_short_name, "replay-");
    snprintf(folder, sizeof(folder), "%s/tests/data/fuzz/%s", source ? source : ".",
             name ? name + strlen("replay-") : "");
    int n = replay_folder(folder);
    printf("%d inputs of %s\n", n, folder);
    return n > 0 ? 0 : 1;
}
