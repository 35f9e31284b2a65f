/* One row of `entry`, as most writing of the mirror begins. */
#include "config.h"

#include <string.h>

#include "base/error.h"
#include "state/mirror-internal.h"

void entry_row_done(struct entry_row *row)
{
    free(row->dn);
    free(row->dn_key);
    *row = (struct entry_row){0};
}

bool members_are_hidden(const char *members_digest)
{
    return members_digest &&
           strncmp(members_digest, MEMBERS_HIDDEN, sizeof(MEMBERS_HIDDEN) - 1) == 0;
}

int entry_row_read(struct stmt *q, struct entry_row *ret, struct error *e)
{
    ret->n = stmt_int(q, 0);
    ret->kind = (enum entry_kind)stmt_int(q, 1);
    ret->searches = stmt_int(q, 2);
    ret->gone = stmt_int(q, 3) != 0;
    ret->members_hidden = members_are_hidden(stmt_text(q, 6));
    ret->name_n = stmt_int(q, 9);
    if (stmt_copy(q, 4, &ret->dn) < 0 || stmt_copy(q, 7, &ret->dn_key) < 0) {
        entry_row_done(ret);
        return error_out_of_memory(e);
    }
    return 0;
}

void absent_note(struct state *s, const char *id, int64_t n)
{
    s->absent.id[0] = '\0';
    if (s->transaction.active && strlen(id) < sizeof(s->absent.id)) {
        memcpy(s->absent.id, id, strlen(id) + 1);
        s->absent.changes = sqlite3_total_changes(s->db);
        s->absent.n = n;
    }
}

bool absent_is(const struct state *s, const char *id)
{
    return s->transaction.active && *id && strcmp(s->absent.id, id) == 0 &&
           s->absent.changes == sqlite3_total_changes(s->db);
}

int entry_row_find(struct state *s, const char *id, struct entry_row *ret, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s, ENTRY_ROW, WITH(as_id(id)), e);
    if (r != STMT_ROW)
        return r < 0 ? r : STATE_NONE;
    return entry_row_read(q, ret, e);
}
