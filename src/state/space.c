/*
 * The size of the state file. Pages that became free are used again, and SQLite never gives one
 * back by itself: after a first load the queue of everybody would stay a third of the file. So
 * pages beyond a share are given back in small steps while others are written.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "state/db.h"

#define FREE_SHARE 6   /* one page in so many may be free */
#define FEW_PAGES  256 /* 1 MB: not worth it */
#define STEP_SQL   "PRAGMA incremental_vacuum(256)"

void space_empty_log(sqlite3 *db, const char *path)
{
    (void)db_exec(db, path, "PRAGMA wal_checkpoint(TRUNCATE)", NULL);
}

/* SQLite has one such name for the whole program. What it needs to undo one statement of many rows
 * stays in memory up to a size: that is a few pages for each of them, and no reason to make a file.
 * Nor does anybody ask how much memory it has, which it counts under a lock at each piece.
 * (Both are to be said before its first use, and are refused, without harm, later.) */
int space_use_folder_of(const char *path, struct error *e)
{
    sqlite3_config(SQLITE_CONFIG_STMTJRNL_SPILL, SPACE_UNDO_IN_MEMORY);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);

    const char *slash = strrchr(path, '/');
    int size = slash && slash > path ? (int)(slash - path) : 1;
    char *folder = sqlite3_mprintf("%.*s", size, slash ? path : ".");

    if (!folder)
        return error_out_of_memory(e);
    sqlite3_free(sqlite3_temp_directory);
    sqlite3_temp_directory = folder;
    return 0;
}

/* Some systems have SQLite write zeros over each page that becomes free, and so once more into the
 * log: the queue and the lines of the audit come and go. Rows that are deleted are overwritten. */
#define WITHOUT_ZEROS "PRAGMA secure_delete=FAST"

int space_compact(sqlite3 *db, const char *path, bool sound, struct error *e)
{
    int64_t mode = 0;
    int r = db_number(db, path, "PRAGMA auto_vacuum", &mode, e);

    if (r < 0 || mode == 2 || !sound)
        return r < 0 ? r : db_exec(db, path, WITHOUT_ZEROS, e);
    r = db_exec(db, path, "PRAGMA auto_vacuum=INCREMENTAL; VACUUM", e);
    space_empty_log(db, path);
    if (r == -EBADMSG)
        return r;
    if (r < 0)
        log_info("The state file stays larger than it must be, until the next start: %s",
                 e->message);
    return db_exec(db, path, WITHOUT_ZEROS, e);
}

void space_trim(struct state *s)
{
    int64_t pages = 0, unused = 0;

    if (s->transaction.active ||
        db_number(s->db, s->path, "PRAGMA freelist_count", &unused, NULL) < 0 ||
        unused < FEW_PAGES || db_number(s->db, s->path, "PRAGMA page_count", &pages, NULL) < 0 ||
        unused < pages / FREE_SHARE)
        return;
    /* What fails here says so at the next write that matters. */
    (void)db_exec(s->db, s->path, STEP_SQL, NULL);
}
