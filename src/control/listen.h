/*
 * The control socket in the file system.
 */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

struct error;

struct listening {
    int fd; /* -1: none */
    dev_t device;
    ino_t inode; /* 0: it was not made */
};

/* group NULL: it stays the process's own. for_all: the peers are told apart when they come. *ret is
 * to be ended also after a failure. */
int listen_at(struct listening *ret, const char *path, bool for_all, const char *group, gid_t gid,
              struct error *e);
/* name NULL: *ret stays as it is. */
int listen_find_group(const char *name, gid_t *ret, struct error *e);
/* Takes away the socket that was made here, and no other: another instance may have replaced it. */
void listen_end(struct listening *l, const char *path);
