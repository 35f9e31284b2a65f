/* What several folders ask of files on disk. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/* After a file was made, renamed or removed: makes the entry of its folder durable. 0 or -errno. */
int file_sync_folder(const char *path);
/* The same for a file that is open, if it is empty: it may be new, or have its name from another
 * program. What is written counts as durable only in a file whose name is. */
int file_sync_name(int fd, const char *path);
/* Anybody on this machine may change it (a folder: what is in it, and the sticky bit is not
 * set). */
bool file_is_open_to_all(const struct stat *st);
/* Neither root nor the user of this process owns it, who could change it at any time. */
bool file_has_foreign_owner(const struct stat *st);
/* Of a user of the system; false, and nothing is set: none is known. For any thread. */
bool file_account_name(uid_t uid, char *ret, size_t size);
