/* The end of an audit file. */
#pragma once
#include <stdint.h>
#include <sys/types.h>

#include "audit/line.h"

struct error;

struct tail {
    struct line_chain last; /* seq 0: there is no whole line */
    char *line;             /* the last whole line, or NULL */
    off_t whole_size;       /* up to and with the last newline */
    off_t size;             /* more than whole_size: a torn line follows */
};
/* As pread(), but all of it or -errno. */
int tail_read_at(int fd, void *bytes, size_t size, off_t at);
void tail_done(struct tail *t);
/* -EINVAL with a sentence when the file holds something else than audit lines. */
int tail_read(int fd, const char *path, struct tail *ret, struct error *e);
