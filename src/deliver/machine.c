/*
 * The machine: finds the user, reads, decides, writes, reads back and concludes. See machine.h.
 */
#include "config.h"

#include "deliver/machine.h"

#include <errno.h>
#include <string.h>

#include "deliver/drift.h"

/* In one attempt; afterwards it waits, as for any tenant that does not take the call. */
#define MOST_RACES 3

static void read_user(struct execution *x);
static void find_id(struct execution *x);

static bool goes_by_id(const struct execution *x)
{
    return x->kind->find == FIND_BY_PART && execution_part(x)->key == PART_BY_ID;
}

static bool reads_first(const struct execution *x)
{
    /* Of one who is gone the login may be another's by now; of whom a stranger was found it is. */
    bool at_once = x->operation->revokes && x->kind->write && x->link.gone == LINK_THERE &&
                   !text_equal(x->operation->reason, REASON_CONFLICT);
    unsigned when = (at_once ? 0 : READS_FIRST) | (x->learnt.is_unclear ? READS_UNCLEAR : 0) |
                    (x->basis.is_distrusted ? READS_DISTRUSTED : 0) |
                    (x->is_recorded ? 0 : READS_HELD);
    return x->kind->reads & when;
}

/* -- the end -- */

static void conclude(struct execution *x, const struct tenant_answer *a, const struct user *shown)
{
    const struct kind_steps *k = x->kind;
    struct error e = {0};
    int r = k->learn(x, a, shown, &e);
    if (r == 0)
        r = k->confirms ? execution_store_link(x, &e)
                        : link_store(x->delivery->state, &x->link, &e);
    if (r < 0)
        execution_broken(x, &e);
    else
        execution_finish(x, a, k->bucket);
}

enum next_step machine_broken(struct execution *x, struct error *e)
{
    execution_broken(x, e);
    return NEXT_NOTHING;
}

enum next_step machine_do_write(struct execution *x, const struct tenant_answer *a)
{
    (void)x, (void)a;
    return NEXT_WRITE;
}

/* -- what was seen -- */

static bool is_by_value(const struct execution *x)
{
    const struct part *part = execution_part(x);
    return (part && part->by_value) || (x->content.completes && x->content.refused);
}

/* The answer with what the tenant never shows of the user: that is as it was confirmed last, or as
 * it was sent since. False: x has ended. */
static bool see(struct execution *x, const struct tenant_answer *a, struct tenant_answer *ret)
{
    uint32_t hides = delivery_parts(x->delivery)->hides;
    struct error e = {0};
    int r = 0;
    *ret = *a;
    if (a->user && hides) {
        user_free(x->heard.shown);
        ret->user = x->heard.shown = user_copy(a->user);
        r = x->heard.shown ? 0 : -ENOMEM;
        if (r == 0 && x->basis.known && !x->kind->anew)
            r = part_copy(x->heard.shown, hides, x->basis.known);
        const struct user *written = is_by_value(x) ? x->content.current : x->content.sent;
        if (r == 0 && written && x->sending.wrote)
            r = part_copy(x->heard.shown, hides & x->content.set, written);
    }
    if (r == 0 && a->user) {
        free(x->heard.version);
        x->heard.version = a->version ? strdup(a->version) : NULL;
        r = a->version && !x->heard.version ? -ENOMEM : 0;
    }
    if (r == 0)
        return true;
    error_out_of_memory(&e);
    execution_broken(x, &e);
    return false;
}

int machine_show_hidden(struct execution *x, struct error *e)
{
    struct user *shown = x->heard.shown;
    const struct user *known = x->basis.known;
    uint32_t hides = delivery_parts(x->delivery)->hides;
    return shown && known && part_copy(shown, hides, known) < 0 ? error_out_of_memory(e) : 0;
}

/* -- write, and read back -- */

static void on_read_back(const struct tenant_answer *a, void *userdata);
static void go_on(struct execution *x, const struct tenant_answer *a, enum next_step next);

void machine_keep(struct execution *x, const struct tenant_answer *a)
{
    x->heard.answer = *a;
    x->heard.answer.user = NULL;
    x->heard.answer.id = NULL;
    x->heard.answer.our_id = NULL;
    x->heard.answer.version = NULL;
    x->heard.answer.names = NULL;
}

/* Another answer than that the user is there or is not there is that of a tenant that does not look
 * for an id of ours. Some say so by an error of the server: when it comes to each question, while
 * the tenant as a whole is well, the login is all that will ever tell. */
static bool looks_in_vain(struct execution *x, const struct tenant_answer *a)
{
    struct vain *looks = &x->delivery->our_id_errors;
    bool fails = a->status >= 500 && a->class != TENANT_THROTTLED && !a->concerns_all;
    unsigned n = fails ? vain_note(looks, x->operation->entry_id, true) : 0;
    return a->class == TENANT_REFUSED || a->class == TENANT_UNSUPPORTED ||
           (n > VAIN_MOST && health_state(x->delivery->health) == ENGINE_TENANT_OK);
}

/* Who has our id was made by an earlier attempt, whatever became of the login since. */
static void on_ours(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    struct tenant_answer seen;
    bool found = a->class == TENANT_DONE && a->user;
    if (found || a->class == TENANT_NOT_FOUND)
        vain_forget(&x->delivery->our_id_errors, x->operation->entry_id);
    if (found) {
        if (see(x, a, &seen))
            go_on(x, &seen, x->kind->ours(x, &seen));
    } else if (a->class == TENANT_NOT_FOUND || looks_in_vain(x, a)) {
        execution_read_login(x, x->heard.then);
    } else {
        execution_fail(x, a);
    }
}

static void read_login(struct execution *x, bool may_be_ours, tenant_done_fn done)
{
    x->heard.then = done;
    if (x->kind->find == FIND_OURS && may_be_ours && delivery_parts(x->delivery)->takes_our_id)
        execution_read_our_id(x, on_ours);
    else
        execution_read_login(x, done);
}

void machine_read_back(struct execution *x)
{
    read_login(x, x->learnt.is_unclear && !x->content.completes, on_read_back);
}

/* That it was done says nothing of the tenant as a whole, which has just said otherwise. */
static void confirm(struct execution *x, const struct tenant_answer *a)
{
    struct health *h = x->delivery->health;
    conclude(x, &x->heard.answer, a->class == TENANT_DONE ? a->user : NULL);
    if (a->concerns_all && a->class != TENANT_DONE)
        health_failed(h, a, NULL);
}

static void go_on(struct execution *x, const struct tenant_answer *a, enum next_step next)
{
    switch (next) {
    case NEXT_NOTHING: return;
    case NEXT_COMPLETE:
        content_complete(&x->content);
        machine_write(x);
        return;
    case NEXT_WRITE: machine_write(x); return;
    case NEXT_READ_BACK:
        machine_keep(x, a);
        machine_read_back(x);
        return;
    case NEXT_CONCLUDE: conclude(x, a, a->user); return;
    case NEXT_CONFIRM: confirm(x, a); return;
    case NEXT_FAIL: execution_fail(x, a); return;
    }
}

/* Unclear until it is read back: a user that is not there may have been renamed meanwhile. */
static void on_read_back(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    struct tenant_answer seen;
    if ((!x->learnt.is_unclear || !execution_look_by_id(x, a, on_read_back)) && see(x, a, &seen))
        go_on(x, &seen, x->kind->read_back(x, &seen));
}

/* Whoever changed the user meanwhile keeps what they did: it is read and decided anew. */
void machine_written(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    struct tenant_answer seen;
    bool lost = a->class == TENANT_LOST_RACE;
    bool again = lost && !(x->kind->anew && x->content.completes);
    /* Of one that is lost nothing was done: what is shown next is not our doing. */
    execution_end_write(x, !lost);
    if (again && x->heard.n_races++ < MOST_RACES) {
        if (!execution_raced(x, a))
            return;
        if (!is_by_value(x))
            content_choose(&x->content, 0);
        read_user(x);
    } else if (see(x, a, &seen))
        go_on(x, &seen, x->kind->written(x, &seen));
}

/* One that was looked up just now, and is the user's for all that was read since. */
static bool is_id_to_be_kept(const struct execution *x)
{
    return x->kind->keeps_id && x->link.remote_id && !x->basis.made_before &&
           !x->heard.id_was_stale; /* else it is kept already */
}

/* Without an id a user whose renaming got no answer could not be found again. */
static int keep_id(struct execution *x, struct error *e)
{
    int r = link_store(x->delivery->state, &x->link, e);
    return r < 0 ? r : books_commit(x->delivery->books, e);
}

void machine_write(struct execution *x)
{
    const struct part *part = execution_part(x);
    struct error e = {0};
    bool by_id = part ? part->key == PART_BY_ID : x->content.completes;
    if (by_id && !x->link.remote_id) { /* looked up, then back here */
        find_id(x);
        return;
    }
    if (is_id_to_be_kept(x) && keep_id(x, &e) < 0) {
        execution_broken(x, &e);
        return;
    }
    if (!execution_stays(x) || !execution_intend(x))
        return;
    execution_begin_write(x);
    execution_called(x, x->kind->write(x, &e), &e);
}

int machine_send(struct execution *x, const struct tenant_write *w, struct error *e)
{
    const struct engine_options *o = x->delivery->options;
    struct tenant_ref ref = {
        .login = x->operation->login, .id = x->link.remote_id, .version = x->heard.version};
    return o->tenant_ops->write(o->tenant, execution_next_call(x), ref, w, machine_written, x, e);
}

/* -- find, and read -- */

static void on_id(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    struct error e = {0};
    if (a->class != TENANT_DONE) {
        execution_fail(x, a);
        return;
    }
    if (!a->id) {
        struct tenant_answer gone = *a;
        gone.class = TENANT_NOT_FOUND;
        /* Nobody is there whom an earlier attempt could have changed. */
        execution_set_unclear(x, false);
        if (x->operation->revokes && x->kind->absent) /* nobody was read before */
            go_on(x, &gone, x->kind->written(x, &gone));
        else
            execution_fail(x, &gone);
        return;
    }
    if (execution_learn_id(x, a->id, &e) < 0)
        execution_broken(x, &e);
    else if (goes_by_id(x))
        read_user(x);
    else
        machine_write(x);
}

static void find_id(struct execution *x)
{
    const struct engine_options *o = x->delivery->options;
    struct error e = {0};
    int r =
        o->tenant_ops->find(o->tenant, execution_next_call(x), x->operation->login, on_id, x, &e);
    execution_called(x, r, &e);
}

/* Is the answer about another user than the one that is meant, or is that asked first? */
static bool is_elsewhere(struct execution *x, const struct tenant_answer *a, tenant_done_fn again)
{
    if (!goes_by_id(x))
        return execution_look_by_id(x, a, again) || execution_doubt_user(x, a, again);
    if (a->class != TENANT_NOT_FOUND || x->heard.id_was_stale)
        return false;
    x->heard.id_was_stale = true;
    find_id(x);
    return true;
}

/* Whether an earlier attempt did it, no read says. It is written again, or taken back, also when by
 * now something else is to be done: otherwise a role could stay that nobody knows of. */
static bool writes_unseen(const struct execution *x)
{
    return x->content.set & delivery_parts(x->delivery)->hides;
}

/* 1 when the tenant shows a role of which nobody knew and that makes the user the last one with
 * it. It is known from now on, so that the plan says the same. */
static int would_lock_out(struct execution *x, const struct user *shown, struct lockout *ret,
                          struct error *e)
{
    struct books *b = x->delivery->books;
    struct drift_look look = {
        .books = b, .rules = x->delivery->rules, .entry_id = x->operation->entry_id};
    bool differs;
    int r = shown ? lockout_look(b, x->operation, shown, ret, e) : 0;
    if (r > 0)
        r = drift_take(&look, shown, &differs, e);
    else
        return r;
    return r < 0 ? r : lockout_look(b, x->operation, NULL, ret, e);
}

/* True: x has ended. */
static bool hold_lockout(struct execution *x, const struct tenant_answer *a)
{
    struct lockout l;
    struct error e = {0};
    int r = would_lock_out(x, a->user, &l, &e);
    if (r > 0) {
        lockout_alarm(x->delivery->books, &l);
        execution_hold_long(x, a, REASON_LOCKOUT, l.cause, l.sentence);
    } else if (r < 0) {
        execution_broken(x, &e);
    }
    return r != 0;
}

static void on_read(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    const struct kind_steps *k = x->kind;
    enum next_step next = NEXT_FAIL;
    struct tenant_answer seen;
    if (execution_ends_unread(x, a)) {
        machine_write(x);
        return;
    }
    if (is_elsewhere(x, a, on_read) || !see(x, a, &seen))
        return;
    a = &seen;
    bool there = a->class == TENANT_DONE && a->user, absent = a->class == TENANT_NOT_FOUND;
    if (there || absent)
        execution_set_unclear(x, false);
    if (there)
        next = k->decide(x, a);
    else if (absent && k->absent)
        next = k->absent(x, a);
    bool unseen = next == NEXT_WRITE && x->basis.was_unclear && writes_unseen(x);
    if (unseen) /* until the tenant has answered it */
        execution_set_unclear(x, true);
    if (next == NEXT_WRITE && x->basis.was_unclear && !unseen)
        execution_undone(x, a);
    else if (next != NEXT_WRITE || (!hold_lockout(x, a) && (!k->hold_back || !k->hold_back(x, a))))
        go_on(x, a, next);
}

static void read_user(struct execution *x)
{
    if (goes_by_id(x))
        execution_read_id(x, on_read);
    else
        read_login(x, x->learnt.is_unclear || x->basis.is_distrusted, on_read);
}

void machine_start(struct execution *x)
{
    const struct kind_steps *k = x->kind;
    const struct operation *o = x->operation;
    unsigned has = (x->basis.wanted ? NEEDS_WANTED : 0) | (x->has_link ? NEEDS_LINK : 0) |
                   (x->basis.known ? NEEDS_KNOWN : 0) | (execution_part(x) ? NEEDS_PART : 0) |
                   (o->n_changes && o->changes[0].to ? NEEDS_CHANGE : 0);
    if (k->needs & ~has) {
        execution_drop(x, k->pointless);
        return;
    }
    if (k->anew)
        execution_forget_id(x);
    bool reads = reads_first(x);
    bool proves =
        k->find == FIND_PROVED || (k->find == FIND_PROVED_TO_READ && reads && x->link.remote_id);
    void (*begin)(struct execution *) = reads ? read_user : machine_write;
    if (proves)
        execution_prove(x, begin);
    else if (goes_by_id(x) && !x->link.remote_id)
        find_id(x);
    else
        begin(x);
}
