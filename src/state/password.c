/*
 * Whose first password was not handed on yet. Passwords themselves are never stored.
 */
#include "config.h"

#include <errno.h>

#include "base/error.h"
#include "base/memory.h"
#include "state/db.h"
#include "state/queue.h"
#include "state/state.h"

int password_due_store(struct state *s, const char *entry_id, uint64_t now_usec, uint64_t next_usec,
                       const char *sentence, struct error *e)
{
    int64_t n = 0;
    int r = identity_get(s, entry_id, &n, e);

    return r < 0
               ? r
               : db_write(
                     s,
                     "INSERT INTO password_due(n, since_usec, next_usec, sentence) VALUES (?1, ?2, ?3, ?4) "
                     "ON CONFLICT(n) DO UPDATE SET next_usec = ?3, sentence = ?4",
                     WITH(as_int(n), as_usec(now_usec), as_usec(next_usec), as_text(sentence)), e);
}

int password_due_clear(struct state *s, const char *entry_id, struct error *e)
{
    return db_write(s, "DELETE FROM password_due WHERE n = " NUMBER_OF, WITH(as_id(entry_id)), e);
}

int password_due_clear_aside(struct state *s, struct error *e)
{
    return db_write(s,
                    "DELETE FROM password_due WHERE EXISTS (SELECT 1 FROM link_aside a WHERE a.n = "
                    "password_due.n) AND NOT EXISTS (SELECT 1 FROM link l WHERE l.n = "
                    "password_due.n AND l.origin = 'create')",
                    NULL, e);
}

int password_due_next(struct state *s, char **ret_entry_id, uint64_t *ret_usec, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s,
                       "SELECT i.id, d.next_usec FROM password_due d INDEXED BY "
                       "password_due_next CROSS JOIN identity i ON i.n = d.n ORDER BY "
                       "d.next_usec LIMIT 1",
                       NULL, e);
    if (r != STMT_ROW)
        return r < 0 ? r : STATE_NONE;
    if (stmt_copy_id(q, 0, ret_entry_id) < 0)
        return error_out_of_memory(e);
    *ret_usec = stmt_usec(q, 1);
    return 0;
}

int password_due_each(struct state *s, int (*fn)(const struct password_due *d, void *userdata),
                      void *userdata, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r =
        stmt_query(&q, s,
                   "SELECT i.id, l.login, CASE WHEN p.n IS NULL THEN '' ELSE coalesce(p.dn, e.dn, "
                   "a.text, '') END, d.since_usec, d.next_usec, d.sentence FROM password_due d "
                   "JOIN identity i ON i.n = d.n JOIN link l ON l.n = d.n LEFT JOIN person p ON "
                   "p.n = d.n LEFT JOIN entry e ON e.n = d.n LEFT JOIN name a ON a.n = e.name_n "
                   "WHERE d.sentence IS NOT NULL ORDER BY d.since_usec",
                   NULL, e);

    for (; r == STMT_ROW; r = stmt_step(q, e)) {
        const struct password_due d = {
            .entry_id = stmt_id(q, 0),
            .login = stmt_text(q, 1),
            .dn = stmt_text(q, 2),
            .since_usec = stmt_usec(q, 3),
            .next_usec = stmt_usec(q, 4),
            .sentence = stmt_text(q, 5),
        };

        r = fn(&d, userdata);
        if (r != 0)
            return r;
    }
    return r;
}
