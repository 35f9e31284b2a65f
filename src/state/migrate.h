/* The form of the state file and how an older one becomes it. */
#pragma once
#include <sqlite3.h>
#include <stdbool.h>

struct error;

#define STATE_APPLICATION_ID 0x524f5354 /* "ROST", shown by file(1) */

/* Settings that hold for a connection and not in the file. */
int migrate_settings(sqlite3 *db, const char *path, struct error *e);
/* 0, STATE_DAMAGED (not ours, damaged, newer) with a sentence, or -errno. Only reads: all
 * pages, unless they are known to be `sound`. An empty database is fine and *ret_version 0. */
int migrate_check(sqlite3 *db, const char *path, bool sound, int *ret_version, struct error *e);
/* Is this the form of today? */
bool migrate_is_done(int version);
/* All pages. 0, STATE_DAMAGED with a sentence, or -errno. work: a sentence of what was done
 * with the file until now. */
int migrate_check_pages(sqlite3 *db, const char *path, const char *work, struct error *e);
/* Brings the file from `version` to the present one, in one transaction. */
int migrate_apply(sqlite3 *db, const char *path, int version, struct error *e);
/* Only to this later one. */
int migrate_to(sqlite3 *db, const char *path, int version, int to, struct error *e);
