/*
 * The control socket in the file system: made where nobody answers, with its group and mode, and
 * taken away by whoever made it.
 */
#include "config.h"

#include "control/listen.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "control/control.h"

static int make_address(struct sockaddr_un *a, const char *path, struct error *e)
{
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(a->sun_path))
        return error_set(e, -ENAMETOOLONG, "the path of a socket has at most %zu bytes: %s",
                         sizeof(a->sun_path) - 1, path);
    memcpy(a->sun_path, path, strlen(path) + 1);
    return 0;
}

/* -ENOENT: nothing is there. What is no socket is left alone. */
static int look_for_socket(const struct sockaddr_un *a, struct error *e)
{
    struct stat st;

    if (lstat(a->sun_path, &st) < 0)
        return error_set(e, -errno, "%s: %s", a->sun_path, strerror(errno));
    if (!S_ISSOCK(st.st_mode))
        return error_set(e, -EADDRINUSE, "%s exists and is not a socket", a->sun_path);
    return 0;
}

/* Removes a socket on which nobody answers. */
static int remove_stale(const struct sockaddr_un *a, struct error *e)
{
    int found = look_for_socket(a, e);

    if (found < 0)
        return found == -ENOENT ? 0 : found;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_set(e, -errno, "a socket cannot be made: %s", strerror(errno));
    int r = connect(fd, (const struct sockaddr *)a, sizeof(*a));
    int why = errno;
    (void)close(fd);
    if (r == 0 || why == EAGAIN)
        return error_set(e, -EADDRINUSE, "another process already answers on %s", a->sun_path);
    if (why != ECONNREFUSED && why != ENOENT)
        return error_set(e, -why, "%s: %s", a->sun_path, strerror(why));
    if (unlink(a->sun_path) < 0 && errno != ENOENT)
        return error_set(e, -errno, "%s cannot be removed: %s", a->sun_path, strerror(errno));
    return 0;
}

int listen_find_group(const char *name, gid_t *ret, struct error *e)
{
    char space[16384];
    struct group group, *found = NULL;

    if (!name)
        return 0;
    int r = getgrnam_r(name, &group, space, sizeof(space), &found);
    if (r != 0 || !found)
        return error_set(e, r != 0 ? -r : -ESRCH, "there is no group '%s'", name);
    *ret = group.gr_gid;
    return 0;
}

static int look_at_path(const char *path, struct error *e)
{
    struct sockaddr_un a;
    int r = make_address(&a, path, e);

    if (r == 0)
        r = file_may_be_made(path, "control socket", e);
    if (r == 0 && (r = look_for_socket(&a, e)) == -ENOENT)
        r = 0;
    return r;
}

/* Who is no member cannot give the socket to the group, unless the unit makes it one, which
 * does not show here. */
static bool is_member(gid_t gid)
{
    gid_t groups[256];
    int n = getgroups(ARRAY_SIZE(groups), groups);

    for (int i = 0; i < n; i++)
        if (groups[i] == gid)
            return true;
    return geteuid() == 0 || getegid() == gid;
}

int control_look(const struct control_server_options *options, struct error *warning,
                 struct error *e)
{
    gid_t operators = getegid(), readers;
    int r = look_at_path(options->path, e);

    if (r == 0)
        r = listen_find_group(options->operators, &operators, e);
    if (r == 0)
        r = listen_find_group(options->readers, &readers, e);
    if (r == 0 && !is_member(operators))
        error_set(
            warning, 0,
            "this user is not a member of the group '%s', so the socket cannot be given to it: "
            "rosterd's own needs SupplementaryGroups=%s in a drop-in of the unit",
            options->operators, options->operators);
    return r;
}

int listen_at(struct listening *ret, const char *path, bool for_all, const char *group, gid_t gid,
              struct error *e)
{
    struct sockaddr_un a;
    struct stat st;
    int r = make_address(&a, path, e);

    if (r == 0)
        r = remove_stale(&a, e);
    if (r < 0)
        return r;
    ret->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (ret->fd < 0)
        return error_set(e, -errno, "a socket cannot be made: %s", strerror(errno));
    /* Nobody else may connect before mode and group are right. */
    mode_t mask = umask(0177);
    r = bind(ret->fd, (const struct sockaddr *)&a, sizeof(a)) < 0 ? -errno : 0;
    (void)umask(mask);
    if (r < 0)
        return error_set(e, r, "the control socket %s cannot be made: %s", path, strerror(-r));
    if (lstat(path, &st) < 0)
        return error_set(e, -errno, "%s: %s", path, strerror(errno));
    ret->device = st.st_dev;
    ret->inode = st.st_ino;
    if (group && chown(path, (uid_t)-1, gid) < 0)
        return error_set(e, -errno, "%s cannot be given to the group '%s': %s", path, group,
                         strerror(errno));
    if (chmod(path, for_all ? 0666 : 0660) < 0 || listen(ret->fd, 16) < 0)
        return error_set(e, -errno, "the control socket %s: %s", path, strerror(errno));
    return 0;
}

void listen_end(struct listening *l, const char *path)
{
    struct stat st;

    if (path && l->inode != 0 && lstat(path, &st) == 0 && st.st_dev == l->device &&
        st.st_ino == l->inode)
        (void)unlink(path);
    if (l->fd >= 0)
        (void)close(l->fd);
    l->fd = -1;
}
