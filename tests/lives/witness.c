/*
 * What is in the state file, read by a connection of our own, with a few statements that know its
 * tables and nothing of the code that writes them.
 */
#include "config.h"

#include "witness.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "company.h"
#include "directory.h"
#include "world.h"

static sqlite3 *open_state(void)
{
    char path[160];
    sqlite3 *db = NULL;
    snprintf(path, sizeof(path), "%sstate.db", HERE);
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK)
        return db;
    sqlite3_close(db);
    return NULL;
}

/* The number that the statement gives; -1: it cannot be asked. */
static long long ask(sqlite3 *db, const char *statement, const char *text)
{
    sqlite3_stmt *q = NULL;
    long long n = -1;
    if (sqlite3_prepare_v2(db, statement, -1, &q, NULL) == SQLITE_OK) {
        if (text)
            sqlite3_bind_text(q, 1, text, -1, SQLITE_TRANSIENT);
        if (sqlite3_step(q) == SQLITE_ROW)
            n = sqlite3_column_int64(q, 0);
    }
    sqlite3_finalize(q);
    return n;
}

/* What the daemon has committed, and nobody has synced, is not yet on the disk. */
void witness_intent(const char *login, const char *method)
{
    sqlite3 *db = open_state();
    if (!db)
        return;
    long long n = ask(db,
                      "SELECT count(*) FROM operation WHERE state = 4 AND login = ?1 COLLATE NOCASE",
                      login);
    sqlite3_close(db);
    world.n_checks++;
    if (n == 0)
        broken(3, "%s of %s reaches the tenant, and the state has no intent", method, login);
    else if (n > 0 && !world.has_lied && !disk_is_synced("state.db-wal"))
        broken(3, "%s of %s reaches the tenant before its intent is on the disk", method, login);
}
