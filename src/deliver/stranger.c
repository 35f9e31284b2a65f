/*
 * A login may have been given away after the one who had it was renamed or deleted. Where a
 * look at a login shows an id, that tells; elsewhere the mail does that somebody else would
 * have, and a privileged role that its user had not, so that nothing of a stranger becomes what
 * is known.
 */
#include "config.h"

#include "deliver/stranger.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "books/books.h"
#include "books/engine-types.h"
#include "judge/planner.h"
#include "model/user.h"
#include "state/link.h"
#include "state/person.h"
#include "tenant/client.h"

void stranger_done(struct stranger *o)
{
    user_free(o->user);
    free(o->id);
    *o = (struct stranger){0};
}

static bool is_doubtful(struct books *b, const struct user *known, const struct user *wanted,
                        const struct user *shown)
{
    return !planner_is_who_it_was(known, wanted, shown) ||
           planner_gained_privilege(known, shown, books_options(b)->sync);
}

static bool is_stranger(const struct user *known, const struct user *wanted,
                        const struct user *shown)
{
    return !planner_same_person(known, shown) && !(wanted && planner_same_person(wanted, shown));
}

/* By what is known, and what is wanted, of the link's user. */
static int doubt(struct stranger *o, struct books *b, const char *entry_id, bool has_id,
                 const struct user *shown, struct error *e)
{
    CLEANUP(link_done) struct link l = {0};
    CLEANUP(user_freep) struct user *known = NULL;
    CLEANUP(user_freep) struct user *wanted = NULL;
    struct person p = {0};
    int r = link_load(books_state(b), entry_id, &l, e);
    if (r == 0)
        r = user_from_json_if_any(&known, l.known, e);
    if (r == 0 && known)
        r = person_load(books_state(b), entry_id, &p, e);
    if (r == 0)
        r = user_from_json_if_any(&wanted, p.wanted, e);
    person_done(&p);
    o->doubted = r >= 0 && known && has_id && is_doubtful(b, known, wanted, shown);
    o->stranger = r >= 0 && known && !has_id && is_stranger(known, wanted, shown);
    return r < 0 ? r : 0;
}

int stranger_take(struct stranger *o, struct books *b, const char *entry_id, const char *remote_id,
                  const struct tenant_answer *a, struct error *e)
{
    stranger_done(o);
    if (a->class != TENANT_DONE || !a->user || (remote_id && text_equal(a->id, remote_id)))
        return 0;
    bool other_id = remote_id && a->id;
    int r = other_id ? 0 : doubt(o, b, entry_id, remote_id != NULL, a->user, e);
    if (r < 0 || (!other_id && !o->doubted))
        return r;
    o->user = user_copy(a->user);
    o->id = a->id ? strdup(a->id) : NULL;
    return o->user && (o->id || !a->id) ? 0 : error_out_of_memory(e);
}
