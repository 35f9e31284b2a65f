/* What was written and is not yet on the disk. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Right before it is done. */
void losses_note_write(const char *path, int fd, const void *data, size_t size, off_t offset);
void losses_note_cut(const char *path, int fd, off_t size);
/* What was done to the file is on the disk; all: or of no interest any more. */
void losses_settle(const char *path, bool all);
/* After a sync that failed, the kernel takes what it could not write for written. */
void losses_doom(const char *path);
void losses_rename(const char *from, const char *to);
/* How much memory all of it takes. */
size_t losses_held(void);
