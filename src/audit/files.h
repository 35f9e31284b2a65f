/* Audit files in the order of what they hold, and their lines one after the other. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes;
struct error;

struct audit_files {
    char **paths;
    size_t n_paths;
};
void audit_files_done(struct audit_files *f);
/* Ordered by the sequence number of the first line, however they were given; empty ones are
 * left out, and one that was named twice is there once. */
int audit_files_order(struct audit_files *ret, const char *const *paths, size_t n_paths,
                      struct error *e);

/* Is this a file with audit lines? *ret_first: the number of its first one. What cannot be read is
 * none, and nothing but a file is opened. */
bool audit_files_is_one(const char *path, int64_t *ret_first);

/* How far a reading of these files is, in bytes as they lie on the disk; fn runs for each block,
 * in whatever thread reads. NULL: nobody watches. For programs that do nothing else meanwhile. */
void audit_files_watch(void (*fn)(uint64_t done, uint64_t total));

struct line_reader {
    const struct audit_files *files;
    size_t file; /* the one that `line` is of */
    unsigned number;
    char *line; /* without its newline */
    size_t size;
    bool torn;                    /* it has no newline */
    bool carriage;                /* it ended in CR LF, which was taken off */
    bool byte_order;              /* a byte order mark stood before it, which was taken off */
    size_t n_cut, cut_file;       /* compressed files that end too early, and the last of them */
    bool ended;                   /* what this file's end is like has been counted */
    size_t n_behind, behind_file; /* compressed files with bytes behind their end, and the last */
    uint64_t behind_bytes;        /* of that one */
    /* A compressed file that is damaged ends there and is counted; it does not end the reading. */
    bool passes_damage;
    size_t n_damaged, damaged_file;
    struct bytes *in;
    size_t capacity;
    char *block;
    size_t block_at, block_size;
};
void line_reader_done(struct line_reader *l);
int line_reader_next(struct line_reader *l, struct error *e); /* 1: a line; 0: the end */
