/*
 * What a bed does without, since it took most of a history's time: the kernel's timers, whose
 * clocks stand still here, and its locks on the state file, which are between processes, while
 * those between a process's own connections are SQLite's. Locks that rosterd takes itself are
 * the kernel's.
 */
#include "config.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <sys/timerfd.h>

#include "engine-bed.h"
#include "unit.h"

/* sd-event looks at its own table of what is due each time it has waited. */
int timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *old)
{
    (void)fd, (void)flags, (void)value, (void)old;
    return 0;
}

static int without_locks(int fd, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    void *argument =
        va_arg(arguments, void *); /* an int, for other commands, is a part of it */
    va_end(arguments);
    if (command == F_SETLK)
        return 0;
    if (command != F_GETLK)
        return fcntl(fd, command, argument);
    ((struct flock *)argument)->l_type = F_UNLCK;
    return 0;
}

void bed_lock_nothing(void)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    assert_non_null(vfs);
    assert_int_equal(vfs->xSetSystemCall(vfs, "fcntl", (sqlite3_syscall_ptr)without_locks),
                     SQLITE_OK);
}
