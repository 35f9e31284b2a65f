/* Audit files in the order of what they hold, and their lines one after the other. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct error;

struct audit_files {
    char **paths;
    size_t n_paths;
};
void audit_files_done(struct audit_files *f);
/* Ordered by the sequence number of the first line, however they were given; empty ones are
 * left out. */
int audit_files_order(struct audit_files *ret, const char *const *paths, size_t n_paths,
                      struct error *e);

struct line_reader {
    const struct audit_files *files;
    size_t file; /* the one that `line` is of */
    unsigned number;
    char *line; /* without its newline */
    size_t size;
    bool torn; /* it has no newline */
    FILE *in;
    size_t capacity;
};
void line_reader_done(struct line_reader *l);
int line_reader_next(struct line_reader *l, struct error *e); /* 1: a line; 0: the end */
