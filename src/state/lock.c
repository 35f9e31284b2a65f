/*
 * The lock beside the state file. flock() ends with the process, however that ends, so a lock
 * file that is left over blocks nobody; the process id in it is there for the sentence only.
 * The file is never removed: somebody who holds the removed one and somebody who holds its
 * successor would both believe to be alone.
 */
#include "config.h"

#include "state/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "state/state.h"

static int locked_sentence(int fd, const char *state_path, struct error *e)
{
    char pid[24] = "";
    ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

    pid[n > 0 ? n : 0] = '\0';
    pid[strcspn(pid, "\n")] = '\0';
    error_set(
        e, 0,
        "Another rosterd (process %s) uses the state file %s: stop that one, or give this "
        "one its own state file",
        pid[0] ? pid : "unknown", state_path);
    return STATE_LOCKED;
}

static int write_pid(int fd)
{
    char pid[24];
    int n = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());

    if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)n, 0) < 0)
        return -errno;
    return 0;
}

int lock_take(const char *state_path, int *ret_fd, struct error *e)
{
    CLEANUP(freep) char *path = NULL;
    int fd, r;

    if (asprintf(&path, "%s.lock", state_path) < 0) {
        path = NULL;
        return error_out_of_memory(e);
    }
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        r = -errno;
        return error_set(e, r,
                         "The lock file %s cannot be opened: %s. Check that the folder exists, "
                         "is no read-only mount and may be written by rosterd's user",
                         path, strerror(-r));
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        r = errno == EWOULDBLOCK
                ? locked_sentence(fd, state_path, e)
                : error_set(e, -errno, "Locking %s: %s", path, strerror(errno));
        close(fd);
        return r;
    }
    /* On a full disk the number cannot be written; the lock holds all the same. */
    r = write_pid(fd);
    if (r < 0 && r != -ENOSPC && r != -EDQUOT && r != -EFBIG) {
        close(fd);
        return error_set(e, r, "Writing the lock file %s: %s", path, strerror(-r));
    }
    *ret_fd = fd;
    return 0;
}
