/*
 * Folders that are synced, and who may write to a file. Other users of a machine must not be
 * able to say what rosterd does, so the answers here are about mode, group and owner alone:
 * access lists show in the mode's group bits, which are the business of whoever set them where
 * the group is root's or our own.
 */
#include "config.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
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

static bool is_open_to_group(const struct stat *st)
{
    return (st->st_mode & S_IWGRP) && !(S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX)) &&
           st->st_gid != 0 && st->st_gid != getegid();
}

const char *file_who_may_write(const struct stat *st, char *buffer, size_t size)
{
    char room[4096];
    struct group entry, *found = NULL;

    if (file_is_open_to_all(st))
        return "anybody on this machine";
    if (!is_open_to_group(st))
        return NULL;
    if (getgrgid_r(st->st_gid, &entry, room, sizeof(room), &found) == 0 && found)
        (void)snprintf(buffer, size, "the group %.64s", entry.gr_name);
    else
        (void)snprintf(buffer, size, "the group %u", (unsigned)st->st_gid);
    return buffer;
}

/* Root looks for the user who has the folder, whose own group is as good as that user. */
static bool is_of_its_own_group(const struct stat *st, const struct stat *folder)
{
    char room[4096];
    struct passwd entry, *found = NULL;

    return geteuid() == 0 && folder->st_uid != 0 &&
           getpwuid_r(folder->st_uid, &entry, room, sizeof(room), &found) == 0 && found &&
           found->pw_gid == st->st_gid;
}

/* looks: of root, for whoever has the folder. */
static const char *who_may_write(const char *path, const struct stat *st, bool looks, char *buffer,
                                 size_t size)
{
    CLEANUP(freep) char *copy = strdup(path);
    struct stat folder;

    if (looks && !file_is_open_to_all(st) && copy && stat(dirname(copy), &folder) == 0 &&
        is_of_its_own_group(st, &folder))
        return NULL;
    return file_who_may_write(st, buffer, size);
}

static int judge_folder(const char *path, const char *what, bool looks, struct error *warning,
                        struct error *e)
{
    CLEANUP(freep) char *copy = strdup(path);
    const char *folder = copy ? dirname(copy) : NULL, *who;
    char group[96];
    struct stat st;

    if (!folder)
        return error_out_of_memory(e);
    if (stat(folder, &st) < 0 || !(who = file_who_may_write(&st, group, sizeof(group))))
        return 0;
    if (looks && !file_is_open_to_all(&st) && is_of_its_own_group(&st, &st))
        return 0;
    if (file_is_open_to_all(&st))
        return error_set(
            e, -EPERM,
            "the folder of the %s %s is refused: %s may put another file there (mode %04o): chmod "
            "o-w %s",
            what, path, who, (unsigned)st.st_mode & 07777U, folder);
    error_set(
        warning, 0,
        "%s may put another file in the place of the %s %s: chmod g-w %s (mode %04o), or use a folder of "
        "rosterd's own",
        who, what, path, folder, (unsigned)st.st_mode & 07777U);
    return 0;
}

/* Root looks at what another user's rosterd has. */
static bool is_of_its_folder(const char *path, const struct stat *st)
{
    CLEANUP(freep) char *copy = strdup(path);
    struct stat folder;

    return copy && geteuid() == 0 && stat(dirname(copy), &folder) == 0 &&
           folder.st_uid == st->st_uid;
}

int file_judge(int fd, const char *path, const struct file_kind *kind, struct error *warning,
               struct error *e)
{
    char group[96];
    struct stat st;

    *warning = (struct error){0};
    if (fstat(fd, &st) < 0)
        return error_set(e, -errno, "looking at the %s %s: %s", kind->what, path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return error_set(e, -EINVAL, "the %s %s is not a regular file", kind->what, path);
    const char *who = who_may_write(path, &st, kind->looks, group, sizeof(group));
    if (who)
        return error_set(
            e, -EPERM,
            "the %s %s is refused: %s may write to it (mode %04o). Check whether somebody "
            "did%s, then chmod %04o it",
            kind->what, path, who, (unsigned)st.st_mode & 07777U, kind->how_to_look,
            (unsigned)kind->mode);
    int r = judge_folder(path, kind->what, kind->looks, warning, e);
    if (r == 0 && file_has_foreign_owner(&st) && !(kind->looks && is_of_its_folder(path, &st)))
        error_set(
            warning, 0,
            "the %s %s belongs to user %u, who may change it at any time: chown it to rosterd's user",
            kind->what, path, (unsigned)st.st_uid);
    return r;
}

int file_may_be_made(const char *path, const char *what, struct error *e)
{
    CLEANUP(freep) char *copy = strdup(path);
    const char *folder = copy ? dirname(copy) : NULL;
    struct stat st;

    if (!folder)
        return error_out_of_memory(e);
    if (stat(folder, &st) < 0)
        return error_set(e, -errno, "the %s %s cannot be made: its folder %s cannot be entered: %s",
                         what, path, folder, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return error_set(e, -ENOTDIR, "the %s %s cannot be made: %s is not a folder", what, path,
                         folder);
    if (faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) < 0)
        return error_set(
            e, -errno,
            "nothing can be written beside the %s %s: %s. Check owner, mode and mount of the "
            "folder %s",
            what, path, strerror(errno), folder);
    return 0;
}
