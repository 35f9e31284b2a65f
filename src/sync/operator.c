/*
 * A person's words to the engine, and what is put on record about them.
 */
#include "config.h"

#include "sync/internal.h"

void engine_act(struct engine *n, const struct engine_act *act)
{
    books_act(n->books, act);
}

int engine_note_request(struct engine *n, const char *what, const char *entry_id,
                        const char *sentence, struct error *e)
{
    struct audit_row row = {
        .event = "request", .entry_id = entry_id, .code = what, .sentence = sentence};
    int r = books_audit(n->books, &row, e);
    books_wake(n->books, WORK_COMMIT);
    return r;
}

int engine_record(struct engine *n, const struct audit_row *row, struct error *e)
{
    int r = books_audit(n->books, row, e);
    books_wake(n->books, WORK_DUE); /* what waited for the commit goes on */
    return r < 0 ? r : books_commit(n->books, e);
}

int engine_remember(struct engine *n, const char *name, const char *value, struct error *e)
{
    int r = books_write(n->books, e);
    if (r == 0)
        r = state_meta_set(n->state, name, value, e);
    books_wake(n->books, WORK_DUE);
    return r < 0 ? r : books_commit(n->books, e);
}
