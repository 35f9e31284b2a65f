/* Finding and removing what files tell of one person. No state is needed: it runs on a thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

struct error;

/* Lines of one file, and those of the old form that cannot be erased. */
struct erase_lines {
    int64_t *seqs; /* ascending */
    size_t n_seqs, capacity;
    size_t n_old;
};
/* Lines that an act named: by the line `by`, from first to last. */
struct erase_stretch {
    int64_t by, first, last;
};
struct erase_plan {
    bool resumed;             /* the last act that began named lines, which are to be found again */
    struct string_list names; /* who is meant: ids, DNs, logins; grows while files are read */
    struct string_list values; /* mails and numbers that were theirs */
    struct erase_lines *files; /* one for each path */
    size_t n_files;
    struct erase_stretch *named; /* by their first lines */
    size_t n_named, named_capacity;
    int64_t begun; /* the last act's line; 0: none */
};
void erase_plan_done(struct erase_plan *p);
int erase_find(struct erase_plan *p, const char *const *paths, size_t n_paths, struct error *e);
/* Writes the file anew without what these lines told, and puts it in its place. */
int erase_file(const char *path, const struct erase_lines *lines, struct error *e);
