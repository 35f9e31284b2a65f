/* The members of a group as the tables have them, read past the mirror's own functions. */
#pragma once
#include "model/entry.h"
#include "state-fixture.h"
#include "state/db.h"

/* In order; the caller's. */
static inline struct entry *stored_group(struct fixture *f, const char *id)
{
    struct entry *g = entry_new(id, "cn=any", ENTRY_GROUP);
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, f->s,
                       "SELECT m.kind, a.key, coalesce(m.text, a.text) FROM identity i "
                       "JOIN member m ON m.group_n = i.n JOIN name a ON a.n = m.name_n "
                       "WHERE i.id = ?1",
                       WITH(as_id(id)), &f->e);

    assert_non_null(g);
    for (; r == STMT_ROW; r = stmt_step(q, &f->e))
        assert_int_equal(
            entry_add_member(g, (enum member_kind)stmt_int(q, 0), stmt_text(q, 1), stmt_text(q, 2)),
            0);
    ok(f, r);
    entry_sort(g);
    return g;
}
