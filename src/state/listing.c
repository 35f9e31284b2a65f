/* The logins that exist at the tenant, as last listed. */
#include "config.h"

#include "base/error.h"
#include "base/text.h"
#include "state/db.h"
#include "state/link.h"

int listing_replace_begin(struct state *s, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_prepare(&q, s, "DELETE FROM listing", e);

    return r < 0 ? r : stmt_run(q, e);
}

int listing_add(struct state *s, const char *login, const char *login_key, struct error *e)
{
    return db_write_text(s, "INSERT OR REPLACE INTO listing(login_key, login) VALUES(?1, ?2)",
                         login_key, login, e);
}

int listing_unclaimed(struct state *s, int (*fn)(const char *login, void *userdata),
                      void *userdata, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r =
        stmt_prepare(&q, s,
                     "SELECT login FROM listing t WHERE NOT EXISTS (SELECT 1 FROM link l "
                     "WHERE l.login_key = t.login_key AND l.status <> 3) ORDER BY login_key",
                     e);

    while (r >= 0 && (r = stmt_step(q, e)) == STMT_ROW) {
        r = fn(stmt_text(q, 0), userdata);
        if (r != 0)
            return r;
    }
    return r;
}

int listing_find(struct state *s, const char *login_key, char **ret, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_prepare(&q, s, "SELECT login FROM listing WHERE login_key = ?1", e);

    if (r < 0)
        return r;
    stmt_bind_text(q, 1, login_key);
    r = stmt_step(q, e);
    if (r != STMT_ROW)
        return r < 0 ? r : STATE_NONE;
    return stmt_copy(q, 0, ret) < 0 ? error_out_of_memory(e) : 0;
}

size_t listing_count(struct state *s)
{
    return db_count(s, "SELECT count(*) FROM listing");
}

int listing_remove(struct state *s, const char *login_key, struct error *e)
{
    return db_write_text(s, "DELETE FROM listing WHERE login_key = ?1", login_key, NULL, e);
}

int listing_set_mail(struct state *s, const char *login_key, const char *mail_key, struct error *e)
{
    return db_write_text(s, "UPDATE listing SET mail_key = ?2 WHERE login_key = ?1", login_key,
                         mail_key, e);
}

int listing_find_mail(struct state *s, const char *mail_key, char **ret, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_prepare(&q, s,
                         "SELECT login FROM listing t WHERE mail_key = ?1 AND NOT EXISTS (SELECT 1 "
                         "FROM link l WHERE l.login_key = t.login_key AND l.status <> 3) LIMIT 1",
                         e);

    if (r < 0)
        return r;
    stmt_bind_text(q, 1, mail_key);
    r = stmt_step(q, e);
    if (r != STMT_ROW)
        return r < 0 ? r : STATE_NONE;
    return stmt_copy(q, 0, ret) < 0 ? error_out_of_memory(e) : 0;
}

int listing_without_mail(struct state *s, size_t limit, struct string_list *ret, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_prepare(&q, s,
                         "SELECT login FROM listing t WHERE mail_key IS NULL AND NOT EXISTS (SELECT "
                         "1 FROM link l WHERE l.login_key = t.login_key AND l.status <> 3) AND NOT "
                         "EXISTS (SELECT 1 FROM person p WHERE p.login_key = t.login_key) "
                         "ORDER BY login_key LIMIT ?1",
                         e);

    if (r < 0)
        return r;
    stmt_bind_int(q, 1, (int64_t)limit);
    while ((r = stmt_step(q, e)) == STMT_ROW)
        if (string_list_add(ret, stmt_text(q, 0)) < 0)
            return error_out_of_memory(e);
    return r;
}
