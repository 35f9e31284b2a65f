/*
 * Statements of the state file.
 *
 * Statements are prepared once and found again by the address of their text. When SQLite rolls
 * a transaction back by itself (disk full, input/output error), every further write of that
 * transaction is refused here, as it would otherwise be committed alone.
 */
#include "config.h"

#include "state/db.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

static struct stmt *stmt_new(struct state *s, const char *sql, bool cached, struct error *e,
                             int *ret_r)
{
    struct stmt *q = calloc(1, sizeof(*q));
    int rc;

    if (!q) {
        *ret_r = error_out_of_memory(e);
        return NULL;
    }
    s->preparing.tables = 0;
    s->preparing.groups = s->preparing.marks = s->preparing.alarms = s->preparing.uses = false;
    rc = sqlite3_prepare_v3(s->db, sql, -1, cached ? SQLITE_PREPARE_PERSISTENT : 0, &q->handle,
                            NULL);
    if (rc != SQLITE_OK) {
        *ret_r = db_error(s->db, s->path, rc, e);
        free(q);
        return NULL;
    }
    q->state = s;
    q->sql = sql;
    q->cached = cached;
    q->busy = true;
    q->writes = !sqlite3_stmt_readonly(q->handle);
    q->tables = s->preparing.tables;
    q->writes_groups = s->preparing.groups;
    q->adds_marks = s->preparing.marks;
    q->adds_alarms = s->preparing.alarms;
    q->adds_uses = s->preparing.uses;
    *ret_r = 0;
    return q;
}

int stmt_prepare(struct stmt **ret, struct state *s, const char *sql, struct error *e)
{
    size_t i = ((uintptr_t)sql >> 3) * 11400714819323198485ULL >> 55;
    int r = 0;

    static_assert(STMT_CACHE_SIZE == 1 << (64 - 55), "the hash gives 9 bits");
    for (size_t n = 0; n < STMT_CACHE_SIZE; n++, i = (i + 1) % STMT_CACHE_SIZE) {
        struct stmt *q = s->cache[i];

        if (!q) {
            s->cache[i] = stmt_new(s, sql, true, e, &r);
            *ret = s->cache[i];
            return r;
        }
        if (q->sql == sql && !q->busy) {
            q->busy = true;
            q->bind_rc = SQLITE_OK;
            *ret = q;
            return 0;
        }
        if (q->sql == sql)
            break;
    }
    *ret = stmt_new(s, sql, false, e, &r);
    return r;
}

void stmt_freep(struct stmt **q)
{
    if (!*q)
        return;
    if ((*q)->cached) {
        sqlite3_reset((*q)->handle);
        sqlite3_clear_bindings((*q)->handle);
        (*q)->busy = false;
        return;
    }
    sqlite3_finalize((*q)->handle);
    free(*q);
}

void stmt_cache_done(struct state *s)
{
    for (size_t i = 0; i < STMT_CACHE_SIZE; i++) {
        if (!s->cache[i])
            continue;
        sqlite3_finalize(s->cache[i]->handle);
        free(s->cache[i]);
        s->cache[i] = NULL;
    }
}

static void bound(struct stmt *q, int rc)
{
    if (rc != SQLITE_OK && q->bind_rc == SQLITE_OK)
        q->bind_rc = rc;
}

void stmt_bind_text(struct stmt *q, int i, const char *text)
{
    bound(q, text ? sqlite3_bind_text(q->handle, i, text, -1, SQLITE_STATIC)
                  : sqlite3_bind_null(q->handle, i));
}

void stmt_bind_blob(struct stmt *q, int i, const void *bytes, size_t size)
{
    /* A NULL pointer would bind NULL, and an empty blob is not that. */
    bound(q, sqlite3_bind_blob64(q->handle, i, size ? bytes : "", size, SQLITE_STATIC));
}

void stmt_bind_int(struct stmt *q, int i, int64_t value)
{
    bound(q, sqlite3_bind_int64(q->handle, i, value));
}

void state_begin_by(struct state *s, int (*begin)(void *userdata, struct error *e), void *userdata)
{
    s->transaction.begin = begin;
    s->transaction.userdata = userdata;
}

void state_begin_no_more(struct state *s, const void *userdata)
{
    if (s->transaction.userdata == userdata)
        state_begin_by(s, NULL, NULL);
}

int state_write(struct state *s, struct error *e)
{
    if (s->transaction.active)
        return 0;
    if (!s->transaction.begin)
        return error_set(e, -EIO, "the state file %s may not be written now", s->path);
    return s->transaction.begin(s->transaction.userdata, e);
}

int stmt_step(struct stmt *q, struct error *e)
{
    struct state *s = q->state;
    int rc = q->bind_rc, r = q->tables & s->later.waits ? s->flush(s, q->tables, e) : 0;

    if (r == 0 && q->writes)
        r = state_write(s, e);
    if (r < 0)
        return r;
    s->groups.over |= q->writes_groups;
    s->no_marks = s->no_marks && !q->adds_marks;
    s->no_alarms = s->no_alarms && !q->adds_alarms;
    s->unspent.known = q->adds_uses ? 0 : s->unspent.known;
    if (q->writes) {
        if (s->transaction.broken || sqlite3_get_autocommit(s->db)) {
            s->transaction.broken = true;
            return error_set(e, -EIO,
                             "the state file %s: an earlier write of this transaction failed, so "
                             "it is rolled back",
                             s->path);
        }
    }
    if (atomic_load_explicit(&s->cancelled, memory_order_relaxed))
        rc = SQLITE_INTERRUPT;
    if (rc == SQLITE_OK)
        rc = sqlite3_step(q->handle);
    if (rc == SQLITE_ROW)
        return STMT_ROW;
    if (rc == SQLITE_DONE)
        return 0;
    /* A constraint undoes its one statement and is an answer to the caller; anything else
     * leaves half of the caller's work behind. */
    if (q->writes && (rc & 0xff) != SQLITE_CONSTRAINT)
        s->transaction.broken = true;
    if ((rc & 0xff) == SQLITE_CORRUPT)
        s->file.suspect = true;
    return db_error(s->db, s->path, rc, e);
}

int stmt_query(struct stmt **ret, struct state *s, const char *sql, const struct bind *binds,
               struct error *e)
{
    int r = stmt_prepare(ret, s, sql, e);

    if (r < 0)
        return r;
    for (int i = 1; binds && binds->type != BINDS_END; binds++, i++)
        switch (binds->type) {
        case BIND_INT: stmt_bind_int(*ret, i, binds->n); break;
        case BIND_TEXT: stmt_bind_text(*ret, i, binds->bytes); break;
        case BIND_BLOB: stmt_bind_blob(*ret, i, binds->bytes, binds->size); break;
        case BIND_ID: stmt_bind_id(*ret, i, binds->bytes); break;
        case BINDS_END: break;
        }
    return stmt_step(*ret, e);
}

void stmt_reset(struct stmt *q)
{
    sqlite3_reset(q->handle);
}

int stmt_run(struct stmt *q, struct error *e)
{
    int r = stmt_step(q, e);

    stmt_reset(q);
    return r < 0 ? r : 0;
}

const char *stmt_text(struct stmt *q, int column)
{
    return (const char *)sqlite3_column_text(q->handle, column);
}

size_t stmt_size(struct stmt *q, int column)
{
    return (size_t)sqlite3_column_bytes(q->handle, column);
}

int64_t stmt_int(struct stmt *q, int column)
{
    return sqlite3_column_int64(q->handle, column);
}

uint64_t stmt_usec(struct stmt *q, int column)
{
    int64_t value = stmt_int(q, column);

    return value < 0 ? 0 : (uint64_t)value;
}

int stmt_copy(struct stmt *q, int column, char **ret)
{
    const char *text = stmt_text(q, column);

    *ret = NULL;
    if (!text)
        return sqlite3_column_type(q->handle, column) == SQLITE_NULL ? 0 : -ENOMEM;
    *ret = strdup(text);
    return *ret ? 0 : -ENOMEM;
}

void row_numbers_done(struct row_numbers *n)
{
    free(n->items);
    *n = (struct row_numbers){0};
}

bool id_bytes(const char *id, unsigned char ret[static ID_SIZE])
{
    for (size_t i = 0; i < ID_SIZE; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && *id++ != '-')
            return false;
        if (text_hex_digit(id[0]) < 0 || text_hex_digit(id[1]) < 0)
            return false;
        ret[i] = (unsigned char)(text_hex_digit(id[0]) << 4 | text_hex_digit(id[1]));
        id += 2;
    }
    return *id == '\0';
}

void stmt_bind_id(struct stmt *q, int i, const char *id)
{
    unsigned char bytes[ID_SIZE];

    if (id && id_bytes(id, bytes))
        bound(q, sqlite3_bind_blob(q->handle, i, bytes, sizeof(bytes), SQLITE_TRANSIENT));
    else
        stmt_bind_text(q, i, id);
}

const char *stmt_id(struct stmt *q, int column)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *bytes;
    char *at = q->id;

    if (sqlite3_column_type(q->handle, column) != SQLITE_BLOB)
        return stmt_text(q, column);
    bytes = sqlite3_column_blob(q->handle, column);
    for (size_t i = 0; bytes && i < ID_SIZE && i < stmt_size(q, column); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = digits[bytes[i] >> 4];
        *at++ = digits[bytes[i] & 15];
    }
    *at = '\0';
    return q->id;
}

int stmt_copy_id(struct stmt *q, int column, char **ret)
{
    const char *id = stmt_id(q, column);

    *ret = id ? strdup(id) : NULL;
    return *ret || sqlite3_column_type(q->handle, column) == SQLITE_NULL ? 0 : -ENOMEM;
}

int db_write(struct state *s, const char *sql, const struct bind *binds, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s, sql, binds, e);

    return r < 0 ? r : 0;
}

static int list(struct state *s, const char *sql, const struct bind *binds,
                const char *(*value)(struct stmt *q, int column), struct string_list *ret,
                struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s, sql, binds, e);

    for (; r == STMT_ROW; r = stmt_step(q, e))
        if (string_list_add(ret, value(q, 0)) < 0)
            return error_out_of_memory(e);
    return r;
}

int db_texts(struct state *s, const char *sql, const struct bind *binds, struct string_list *ret,
             struct error *e)
{
    return list(s, sql, binds, stmt_text, ret, e);
}

int db_ids(struct state *s, const char *sql, const struct bind *binds, struct string_list *ret_ids,
           struct error *e)
{
    return list(s, sql, binds, stmt_id, ret_ids, e);
}

static int first(struct state *s, const char *sql, const struct bind *binds,
                 int (*copy)(struct stmt *q, int column, char **ret), char **ret, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s, sql, binds, e);

    if (r != STMT_ROW)
        return r < 0 ? r : STATE_NONE;
    return copy(q, 0, ret) < 0 ? error_out_of_memory(e) : 0;
}

int db_text(struct state *s, const char *sql, const struct bind *binds, char **ret, struct error *e)
{
    return first(s, sql, binds, stmt_copy, ret, e);
}

int db_id(struct state *s, const char *sql, const struct bind *binds, char **ret, struct error *e)
{
    return first(s, sql, binds, stmt_copy_id, ret, e);
}

int db_int(struct state *s, const char *sql, const struct bind *binds, int64_t *ret,
           struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s, sql, binds, e);

    *ret = r == STMT_ROW ? stmt_int(q, 0) : 0;
    return r < 0 ? r : 0;
}

int db_size(struct state *s, const char *sql, const struct bind *binds, size_t *ret,
            struct error *e)
{
    int64_t n;
    int r = db_int(s, sql, binds, &n, e);

    *ret = (size_t)n;
    return r;
}

size_t db_count(struct state *s, const char *sql)
{
    size_t n;

    (void)db_size(s, sql, NULL, &n, NULL);
    return n;
}
