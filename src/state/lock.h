/* One instance for each state file, and how the last one left it. */
#pragma once

#include <stdbool.h>

struct error;

/* How the last one left the state file. */
struct lock_left {
    bool is_so;      /* closed in good order, and nobody has written to it since, … */
    char facts[64];  /* … with what lock_leave() was given; or "" */
    bool is_open;    /* another process has it open; of lock_look() alone */
    bool is_unended; /* it ended without closing it, and had read all its pages, or had no need
                        to */
};
/* Takes the lock file beside the state file. 0, STATE_LOCKED with a sentence that names the
 * holder's process id, or -errno. */
int lock_take(const char *state_path, int *ret_fd, struct lock_left *ret, struct error *e);
/* Its pages are to be read before anything else is done with it, also by the next one if this
 * one ends in any way but by lock_leave(); or they need not be any more. Is so from lock_take()
 * on, unless it was left in good order or is_unended. Best effort. */
void lock_doubt(int fd, bool doubt);
/* The state file is closed, whole, and without a log: notes how it looks. The next lock_take()
 * sees whether it still does. Best effort: without the note it is checked when it is opened.
 * facts: of what is in it, one line below 64 bytes. */
void lock_leave(int fd, const char *state_path, const char *facts);
/* Another path to the same file leads to the same lock: the file itself, which must be there,
 * is locked as well. Refuses a symbolic link, what is no regular file, and what others may
 * write. *ret_fd is closed when SQLite has closed the file, not before. As lock_take(). */
int lock_take_file(const char *state_path, int *ret_fd, struct error *e);
/* Would both be taken, but for whoever holds them? Makes and locks nothing. *ret: as left, if
 * there is a lock file; *warning: what would be logged, or "". 0 or -errno. */
int lock_look(const char *state_path, struct lock_left *ret, struct error *warning,
              struct error *e);
/* Is what lies at the path still the file that was locked? */
bool lock_is_in_place(int file_fd, const char *state_path);
