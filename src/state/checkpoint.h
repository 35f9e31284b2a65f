/* The thread that moves the write-ahead log into the state file, so that the loop never waits
 * for it. */
#pragma once

struct checkpoint;
struct error;

int checkpoint_new(struct checkpoint **ret, const char *path, struct error *e);
void checkpoint_soon(struct checkpoint *c);
struct checkpoint *checkpoint_free(struct checkpoint *c); /* waits for a running one */
