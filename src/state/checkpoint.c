/*
 * Checkpoints with a connection and a thread of their own: a checkpoint writes and syncs the
 * state file itself, which stalls a commit on the loop's connection by 20 to 80 ms. PASSIVE
 * waits for nobody. The thread takes no signal and touches nothing but its connection. A
 * checkpoint that fails is tried again after the next commits; until then the log grows, which is
 * said once: nothing is lost by it but room.
 */
#include "config.h"

#include "state/checkpoint.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"

#define STACK_BYTES (256 << 10)

struct checkpoint {
    char *path;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool wanted, stop;
};

static void tell(bool *failing, int rc, const char *path, const char *why)
{
    bool fails = rc != SQLITE_OK && rc != SQLITE_BUSY && rc != SQLITE_LOCKED;

    if (fails && !*failing)
        log_error(
            "Committed changes cannot be moved into the state file %s: %s. It is kept in %s-wal, "
            "which grows until that is possible: look at the disk",
            path, why, path);
    else if (*failing && rc == SQLITE_OK)
        log_notice("What is committed can be moved into the state file %s again", path);
    else if (rc != SQLITE_OK)
        log_debug("Checkpoint of %s: %s", path, why);
    *failing = fails || (*failing && rc != SQLITE_OK);
}

static void run_once(sqlite3 **db, const char *path, bool *failing)
{
    int rc = SQLITE_OK;

    if (!*db) {
        rc = sqlite3_open_v2(path, db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
        /* The page cache of a checkpoint serves nothing afterwards. */
        if (rc == SQLITE_OK)
            rc = sqlite3_exec(*db, "PRAGMA synchronous=FULL; PRAGMA cache_size=-256", NULL, NULL,
                              NULL);
    }
    if (rc == SQLITE_OK)
        rc = sqlite3_wal_checkpoint_v2(*db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    tell(failing, rc, path, *db ? sqlite3_errmsg(*db) : sqlite3_errstr(rc));
}

static void *thread_main(void *userdata)
{
    struct checkpoint *c = userdata;
    sqlite3 *db = NULL;
    bool failing = false;

    pthread_mutex_lock(&c->mutex);
    while (!c->stop) {
        if (!c->wanted) {
            pthread_cond_wait(&c->wake, &c->mutex);
            continue;
        }
        c->wanted = false;
        pthread_mutex_unlock(&c->mutex);
        run_once(&db, c->path, &failing);
        pthread_mutex_lock(&c->mutex);
    }
    pthread_mutex_unlock(&c->mutex);
    sqlite3_close(db);
    return NULL;
}

int checkpoint_new(struct checkpoint **ret, const char *path, struct error *e)
{
    struct checkpoint *c = calloc(1, sizeof(*c));
    int r;

    if (!c || !(c->path = strdup(path))) {
        free(c);
        return error_out_of_memory(e);
    }
    pthread_mutex_init(&c->mutex, NULL);
    pthread_cond_init(&c->wake, NULL);
    r = thread_start(&c->thread, STACK_BYTES, thread_main, c);
    if (r < 0) {
        pthread_cond_destroy(&c->wake);
        pthread_mutex_destroy(&c->mutex);
        free(c->path);
        free(c);
        return error_set(e, r, "the thread for checkpoints of the state file cannot start: %s",
                         strerror(-r));
    }
    *ret = c;
    return 0;
}

void checkpoint_soon(struct checkpoint *c)
{
    pthread_mutex_lock(&c->mutex);
    c->wanted = true;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->mutex);
}

struct checkpoint *checkpoint_free(struct checkpoint *c)
{
    if (!c)
        return NULL;
    pthread_mutex_lock(&c->mutex);
    c->stop = true;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->mutex);
    pthread_join(c->thread, NULL);
    pthread_cond_destroy(&c->wake);
    pthread_mutex_destroy(&c->mutex);
    free(c->path);
    free(c);
    return NULL;
}
