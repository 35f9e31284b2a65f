/* One instance for each state file. */
#pragma once

struct error;

/* Takes the lock file beside the state file. 0, STATE_LOCKED with a sentence that names the
 * holder's process id, or -errno. */
int lock_take(const char *state_path, int *ret_fd, struct error *e);
