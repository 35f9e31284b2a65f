/*
 * What a person approved and is not released yet, in parts: first come, first served. What the
 * texts say is the business of whoever stores them.
 */
#include "config.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"
#include "state/db.h"
#include "state/queue.h"

void approval_part_done(struct approval_part *p)
{
    free(p->about);
    free(p->operations);
    *p = (struct approval_part){0};
}

static int add_part(struct state *s, int64_t approval, const char *operations, struct error *e)
{
    return db_write(s, "INSERT INTO approval_part(approval, operations) VALUES(?1, ?2)",
                    WITH(as_int(approval), as_text(operations)), e);
}

int approval_store(struct state *s, uint64_t until_usec, const char *about,
                   const struct string_list *parts, struct error *e)
{
    int r = db_write(s, "INSERT INTO approval(until_usec, about) VALUES(?1, ?2)",
                     WITH(as_usec(until_usec), as_text(about)), e);
    int64_t number = sqlite3_last_insert_rowid(s->db);

    for (size_t i = 0; i < parts->n_items && r == 0; i++)
        r = add_part(s, number, parts->items[i], e);
    if (r == 0 && !parts->n_items) /* so that its end is reached as that of any other */
        r = add_part(s, number, "", e);
    return r;
}

int approval_next(struct state *s, struct approval_part *ret, struct error *e)
{
    static const char sql[] =
        "SELECT p.number, p.approval, a.until_usec, a.about, p.operations, NOT EXISTS (SELECT 1 "
        "FROM approval_part x WHERE x.number = p.number + 1 AND x.approval = p.approval) FROM "
        "approval_part p CROSS JOIN approval a ON a.number = p.approval ORDER BY p.number LIMIT 1";
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s, sql, NULL, e);

    if (r != STMT_ROW)
        return r < 0 ? r : STATE_NONE;
    struct approval_part p = {.number = stmt_int(q, 0),
                              .approval = stmt_int(q, 1),
                              .until_usec = stmt_usec(q, 2),
                              .is_last = stmt_int(q, 5) != 0};
    if (stmt_copy(q, 3, &p.about) < 0 || stmt_copy(q, 4, &p.operations) < 0) {
        approval_part_done(&p);
        return error_out_of_memory(e);
    }
    *ret = p;
    return 0;
}

int approval_released(struct state *s, const struct approval_part *p, struct error *e)
{
    int r = db_write(s, "DELETE FROM approval_part WHERE number = ?1", WITH(as_int(p->number)), e);

    return r < 0 || !p->is_last ? r
                                : db_write(s, "DELETE FROM approval WHERE number = ?1",
                                           WITH(as_int(p->approval)), e);
}

int approval_forget_all(struct state *s, struct error *e)
{
    int r = db_write(s, "DELETE FROM approval_part", NULL, e);

    return r < 0 ? r : db_write(s, "DELETE FROM approval", NULL, e);
}
