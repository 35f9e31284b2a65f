/*
 * Folders that are synced, and who may write to a file. Other users of a machine must not be able
 * to say what rosterd does, so the answers here are about mode and owner alone: access lists show
 * in the mode's group bits, which are the business of whoever set them.
 */
#include "config.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

int file_sync_folder(const char *path)
{
    CLEANUP(freep) char *copy = strdup(path);
    int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    int r = !copy ? -ENOMEM : fd < 0 || fsync(fd) < 0 ? -errno : 0;

    if (fd >= 0)
        close(fd);
    return r;
}

int file_sync_name(int fd, const char *path)
{
    struct stat st;

    return fstat(fd, &st) < 0 ? -errno : st.st_size == 0 ? file_sync_folder(path) : 0;
}

bool file_is_open_to_all(const struct stat *st)
{
    return (st->st_mode & S_IWOTH) && !(S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX));
}

bool file_has_foreign_owner(const struct stat *st)
{
    return st->st_uid != 0 && st->st_uid != geteuid();
}

bool file_account_name(uid_t uid, char *ret, size_t size)
{
    char room[4096];
    struct passwd entry, *found = NULL;

    if (getpwuid_r(uid, &entry, room, sizeof(room), &found) != 0 || !found)
        return false;
    (void)snprintf(ret, size, "%s", entry.pw_name);
    return true;
}
