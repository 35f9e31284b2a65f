/* One instance for each state file, and how the last one left it. */
#pragma once

#include <stdbool.h>

struct error;

/* How the last one left the state file, if nobody has written to it since. */
struct lock_left {
    bool is_so;
    char facts[64]; /* what lock_leave() was given, or "" */
};
/* Takes the lock file beside the state file. 0, STATE_LOCKED with a sentence that names the
 * holder's process id, or -errno. */
int lock_take(const char *state_path, int *ret_fd, struct lock_left *ret, struct error *e);
/* The state file is closed, whole, and without a log: notes how it looks. The next lock_take()
 * sees whether it still does. Best effort: without the note it is checked when it is opened.
 * facts: of what is in it, one line below 64 bytes. */
void lock_leave(int fd, const char *state_path, const char *facts);
/* Another path to the same file leads to the same lock: the file itself, which must be there, is
 * locked as well. Refuses a symbolic link, what is no regular file, and what anybody may write.
 * *ret_fd is closed when SQLite has closed the file, not before. As lock_take(). */
int lock_take_file(const char *state_path, int *ret_fd, struct error *e);
/* Is what lies at the path still the file that was locked? */
bool lock_is_in_place(int file_fd, const char *state_path);
