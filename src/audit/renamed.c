/*
 * Looks for the audit's end where the file itself is new: while rosterd was down, or right before
 * it died, the file may have been given another name. What stands there is not written again.
 */
#include "config.h"

#include "audit/renamed.h"

#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/files.h"
#include "audit/tail.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

/* NAME.1, NAME-20261124, NAME-20261124-093000, each perhaps with .gz. */
static bool is_renamed(const char *name, const char *base)
{
    size_t size = strlen(base), left = strlen(name);

    if (left < size + 2 || strncmp(name, base, size) != 0)
        return false;
    const char *rest = name + size;
    left -= size;
    if (left > 3 && strcmp(rest + left - 3, ".gz") == 0)
        left -= 3;
    return (*rest == '.' || *rest == '-') && left > 1 &&
           strspn(rest + 1, "0123456789.-") >= left - 1;
}

static int list(const char *path, struct string_list *ret)
{
    CLEANUP(freep) char *for_folder = strdup(path);
    CLEANUP(freep) char *for_base = strdup(path);

    if (!for_folder || !for_base)
        return -ENOMEM;
    const char *folder = dirname(for_folder), *base = basename(for_base);
    DIR *dir = opendir(folder);
    int r = dir ? 0 : -errno;
    for (struct dirent *entry; r == 0 && (entry = readdir(dir));) {
        char full[4096];

        if (is_renamed(entry->d_name, base) &&
            snprintf(full, sizeof(full), "%s/%s", folder, entry->d_name) < (int)sizeof(full))
            r = string_list_add(ret, full);
    }
    if (dir)
        (void)closedir(dir);
    return r;
}

static void read_last(const char *path, struct tail *ret)
{
    char *paths[] = {(char *)(uintptr_t)path};
    struct audit_files file = {.paths = paths, .n_paths = 1};
    CLEANUP(line_reader_done) struct line_reader reader = {.files = &file};
    struct error ignored = {0};
    struct line_chain l;

    while (line_reader_next(&reader, &ignored) == 1) {
        if (reader.torn || line_parse(reader.line, reader.size, &l) <= 0)
            continue;
        free(ret->line);
        ret->line = strndup(reader.line, reader.size);
    }
    if (!ret->line || line_parse(ret->line, strlen(ret->line), &ret->last) <= 0)
        ret->last.seq = 0;
}

void renamed_tail(const char *path, struct tail *ret)
{
    CLEANUP(string_list_done) struct string_list names = {0};
    CLEANUP(audit_files_done) struct audit_files ordered = {0};
    struct error ignored = {0};

    *ret = (struct tail){0};
    if (list(path, &names) < 0 || names.n_items == 0 ||
        audit_files_order(&ordered, (const char *const *)names.items, names.n_items, &ignored) <
            0 ||
        ordered.n_paths == 0)
        return;
    read_last(ordered.paths[ordered.n_paths - 1], ret);
}
