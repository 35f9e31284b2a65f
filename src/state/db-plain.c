/*
 * A connection to the state file as SQLite has it. What SQLite reports is turned into a sentence
 * that tells the operator what to do; its own words stand at the end.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "state/db.h"

/* The system's number for an input/output error: of the log, else of the file, else as the
 * connection remembers it (which misses failed writes of the log). */
static int system_number(sqlite3 *db)
{
    static const int files[] = {SQLITE_FCNTL_JOURNAL_POINTER, SQLITE_FCNTL_FILE_POINTER};

    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        sqlite3_file *file = NULL;
        int number = 0;

        if (sqlite3_file_control(db, "main", files[i], &file) == SQLITE_OK && file &&
            file->pMethods &&
            file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &number) == SQLITE_OK &&
            number)
            return number;
    }
    return sqlite3_system_errno(db);
}

static int full_or_io(sqlite3 *db, const char *path, struct error *e)
{
    int number = system_number(db);

    if (number == ENOSPC || number == EDQUOT || number == EFBIG)
        return error_set(e, -ENOSPC,
                         "the state file %s cannot grow: the disk, the quota or the file size "
                         "limit is exhausted (%s). Make room; nothing that was confirmed is lost",
                         path, strerror(number));
    if (number == EROFS || number == EACCES || number == EPERM)
        return error_set(e, -number, "the state file %s cannot be written: %s", path,
                         strerror(number));
    return error_set(e, -EIO,
                     "reading or writing the state file %s failed: %s. Look at the kernel log "
                     "for errors of the disk",
                     path, number ? strerror(number) : sqlite3_errmsg(db));
}

int db_error(sqlite3 *db, const char *path, int rc, struct error *e)
{
    switch (rc & 0xff) {
    case SQLITE_NOMEM: return error_out_of_memory(e);
    case SQLITE_FULL:
        return error_set(e, -ENOSPC,
                         "the disk with the state file %s is full. Make room; nothing that was "
                         "confirmed is lost",
                         path);
    case SQLITE_IOERR: return full_or_io(db, path, e);
    case SQLITE_READONLY:
        return error_set(e, -EROFS,
                         "the state file %s or its folder may not be written: check owner, mode "
                         "and mount options",
                         path);
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return error_set(e, -EACCES,
                         "the state file %s (or its -wal and -shm files) cannot be opened: check "
                         "that the folder exists and that owner and mode permit it",
                         path);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return error_set(e, -EBUSY,
                         "another program holds the state file %s, perhaps an open transaction "
                         "in sqlite3: end it",
                         path);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return error_set(e, -EBADMSG,
                         "the state file %s is damaged (%s). Stop rosterd, keep the file aside "
                         "and start again: the state is rebuilt by adoption",
                         path, sqlite3_errmsg(db));
    case SQLITE_INTERRUPT:
        return error_set(e, -ECANCELED, "reading the state file %s was given up", path);
    case SQLITE_CONSTRAINT:
        return error_set(e, -EEXIST, "the state file %s refused a row: %s", path,
                         sqlite3_errmsg(db));
    default:
        return error_set(e, -EIO, "the state file %s: %s", path,
                         db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
    }
}

int db_connect(sqlite3 **ret, const char *name, int flags, const char *path, struct error *e)
{
    int rc = sqlite3_open_v2(name, ret, flags | SQLITE_OPEN_NOMUTEX, NULL);

    return rc == SQLITE_OK ? 0 : db_error(*ret, path, rc, e);
}

int db_exec(sqlite3 *db, const char *path, const char *sql, struct error *e)
{
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? 0 : db_error(db, path, rc, e);
}

int db_number(sqlite3 *db, const char *path, const char *sql, int64_t *ret, struct error *e)
{
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &q, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(q);
    if (rc == SQLITE_ROW)
        *ret = sqlite3_column_int64(q, 0);
    if (rc == SQLITE_DONE)
        *ret = 0;
    sqlite3_finalize(q);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : db_error(db, path, rc, e);
}
