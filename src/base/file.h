/* What several folders ask of files on disk. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

struct error;

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
/* Who else than root and we may change it: anybody, or a group that is neither root's nor our
 * own (a folder: what is in it, unless its sticky bit is set). In words, maybe in the buffer;
 * NULL: nobody. */
const char *file_who_may_write(const struct stat *st, char *buffer, size_t size);

/* A file of ours, in sentences: "state file". */
struct file_kind {
    const char *what, *how_to_look;
    mode_t mode; /* that it should have */
    bool looks;  /* only to see: root asks for whoever has the folder */
};
/* The open file must be one that nobody else writes, and neither may anybody else exchange it:
 * -EINVAL, -EPERM with a sentence. *warning: what is to be known all the same, or "". */
int file_judge(int fd, const char *path, const struct file_kind *kind, struct error *warning,
               struct error *e);
/* Is its folder there, and may we write to it? 0, or -errno with a sentence; nothing is made.
 */
int file_may_be_made(const char *path, const char *what, struct error *e);
