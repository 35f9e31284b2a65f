/*
 * The audit file at its place: opened, made and locked, or only looked at.
 */
#include "config.h"

#include "audit/place.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit.h"
#include "audit/tail.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"

#define FLAGS (O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)

static int open_or_make(const char *path, int *ret_fd)
{
    int fd = open(path, FLAGS | O_CREAT | O_EXCL, 0640), r = 0;

    if (fd < 0 && errno == EEXIST)
        fd = open(path, FLAGS);
    else if (fd >= 0 && fchmod(fd, 0640) < 0) /* the group may read, whatever the umask is */
        r = -errno;
    if (fd < 0)
        return -errno;
    if (r < 0)
        close(fd);
    else
        *ret_fd = fd;
    return r;
}

static int cannot_open(const char *path, int r, struct error *e)
{
    if (r == -ELOOP)
        return error_set(e, r,
                         "the audit file %s is a symbolic link, which somebody may turn "
                         "elsewhere: write the path of the file itself into [audit] file",
                         path);
    return error_set(
        e, r,
        "the audit file %s cannot be opened for appending: %s. Check that its "
        "folder exists and who may write there; audit lines wait in the state file until then",
        path, strerror(-r));
}

/* Is it a file that only we append to? */
static int judge(int fd, const char *path, bool looks, struct error *warning, struct error *e)
{
    const struct file_kind kind = {"audit file", " (`rosterctl audit verify`)", 0640, looks};

    return file_judge(fd, path, &kind, warning, e);
}

static int lock(int fd, const char *path, struct error *e)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return error_set(e, -EBUSY,
                         "another rosterd appends to the audit file %s: stop that one, or give "
                         "this one its own audit file",
                         path);
    return error_set(e, -errno, "locking %s: %s", path, strerror(errno));
}

int place_open(const char *path, int *ret_fd, struct error *e)
{
    struct error warning;
    int fd = -1, r = open_or_make(path, &fd);

    if (r < 0)
        return cannot_open(path, r, e);
    r = judge(fd, path, false, &warning, e);
    if (r == 0 && warning.message[0])
        log_warning("%s", warning.message);
    if (r == 0)
        r = lock(fd, path, e);
    if (r == 0 && (r = file_sync_name(fd, path)) < 0)
        error_set(e, r, "the folder of %s cannot be synced: %s", path, strerror(-r));
    if (r < 0)
        close(fd);
    else
        *ret_fd = fd;
    return r;
}

int audit_look(const char *path, struct error *warning, struct error *e)
{
    CLEANUP(tail_done) struct tail t = {0};
    int fd = open(path, FLAGS), r = fd < 0 ? -errno : 0;

    if (r == -ENOENT)
        return file_may_be_made(path, "audit file", e);
    if (r < 0)
        return cannot_open(path, r, e);
    r = judge(fd, path, true, warning, e);
    if (r == 0)
        r = tail_read(fd, path, &t, e);
    close(fd);
    return r;
}
