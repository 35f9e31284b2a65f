/* Comparing state and audit file when they are opened. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct error;
struct state;

struct reconciled {
    int64_t exported; /* the last line that is in the file */
    off_t size;       /* of the file, which ends in a whole line */
    bool state_older; /* the file is ahead of the state */
};
int reconcile(struct state *s, int fd, const char *path, struct reconciled *ret, struct error *e);
