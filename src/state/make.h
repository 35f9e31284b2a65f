/* The state file before SQLite opens it. */
#pragma once
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

struct error;

/* Of the file, or of what lies beside it with this suffix; -1: there is none. */
int64_t make_size(const char *path, const char *suffix);
/* What can be told without SQLite, which would start to repair. 0, STATE_DAMAGED with a
 * sentence, or -errno. *ret_empty: there is nothing. */
int make_look(const char *path, bool *ret_empty, struct error *e);
/* An empty one of the form of today. A symbolic link is left to lock_take_file(). */
int make_file(const char *path, struct error *e);
/* Of one of an earlier form, on which *db is open: it is kept under another name, *db is
 * closed, and one of the form of today lies at its path. When that fails it is as it was, and
 * *db may be open. */
int make_newer(sqlite3 **db, const char *path, int version, struct error *e);
/* All of one into the other. path: for the sentence. */
int make_copy(sqlite3 *to, sqlite3 *from, const char *path, struct error *e);
