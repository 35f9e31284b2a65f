/*
 * The sweep walks through the links, one call at a time, and asks drift.c about each answer.
 * Ids that are not remembered yet are learnt on the way.
 */
#include "config.h"

#include "deliver/sweep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "books/books.h"
#include "books/engine-types.h"
#include "contact/health.h"
#include "contact/vain.h"
#include "deliver/drift.h"
#include "deliver/gone.h"
#include "deliver/motion.h"
#include "deliver/stranger.h"
#include "deliver/verified.h"
#include "model/operation.h"
#include "model/user.h"
#include "state/link.h"
#include "state/queue.h"
#include "tenant/client.h"

struct sweep {
    struct books *books;
    struct health *health;
    struct rules *rules;
    const struct engine_options *options;
    struct walk *walk;          /* under way; or NULL */
    uint64_t due_usec;          /* 0: never */
    struct vain errors, unread; /* looks at whom nobody claims; at ours, while all are read anew */
    struct string_list sought;  /* entry ids, whose users are looked for as soon as seek_usec */
    uint64_t seek_usec;         /* 0: none is */
    bool has_read_anew;         /* since the state was distrusted every linked user was read */
    bool drifts;                /* since the last verification that was whole somebody did */
    bool is_whole;              /* … since sweep_take_whole() was asked */
    bool closed;
};

struct walk {
    struct sweep *sweep;
    struct tenant_call *call;
    char *entry_id;  /* the one that is read now; the next is the one after it */
    char *login;     /* of its link */
    char *remote_id; /* of its link; NULL: not looked up yet */
    struct stranger other;
    /* What was known when it was asked for. */
    char *known;
    uint64_t confirmed_usec;
    enum link_status status;
    bool differed; /* in an earlier verification */
    bool settles;  /* all were read: what became of the missing ones is decided */
    bool no_ids;   /* the tenant does not take these calls: not asked again in this sweep */
    size_t n_read, n_drifted;
    bool anew;   /* the state is an older copy: what is read becomes what is known */
    bool seeks;  /* only the users of some people, by their mails */
    bool whole;  /* every link was looked at, also whom the tenant did not answer for … */
    bool unsure; /* … who is to be read anew, and will perhaps be answered for */
    struct gone_users gone;
};

static void walk_on(struct walk *w);

static void walk_free(struct walk *w)
{
    struct sweep *s = w->sweep;
    if (w->call)
        s->options->tenant_ops->call_free(w->call);
    gone_cancel(&w->gone);
    stranger_done(&w->other);
    free(w->entry_id);
    free(w->login);
    free(w->remote_id);
    free(w->known);
    free(w);
    s->walk = NULL;
}

static void due_after(struct sweep *s, uint64_t wait_usec)
{
    s->due_usec = wait_usec ? clock_steady_usec() + wait_usec : 0;
}

static void tell_verified(struct walk *w)
{
    struct sweep *s = w->sweep;
    log_info("Verification: %zu user%s read, %zu differ%s from what was confirmed", w->n_read,
             text_plural(w->n_read), w->n_drifted, w->n_drifted == 1 ? "s" : "");
    s->is_whole |= w->whole && !w->anew;
    s->drifts |= w->n_drifted > 0;
    if (w->anew)
        s->has_read_anew = w->whole && !w->unsure;
    else if (s->drifts || w->whole)
        drift_tell(s->books, s->drifts);
    if (w->whole)
        verified_note(s->books);
    s->drifts &= !w->whole;
    bool anew = books_are_distrusted(s->books) && !s->has_read_anew;
    due_after(s, anew ? s->options->sync->retry_max_usec : verified_wait(s->books, w->whole));
}

static void walk_end(struct walk *w)
{
    struct sweep *s = w->sweep;
    if (w->whole && w->anew)
        vain_next_round(&s->unread);
    if (!w->seeks)
        tell_verified(w);
    books_note(s->books, WORK_COMMIT | WORK_GUARD);
    walk_free(w);
    books_wake(s->books, WORK_DUE);
}

static void walk_broken(struct walk *w, const struct error *e)
{
    books_failed(w->sweep->books, e);
    walk_free(w);
}

/* An operation began or ended while the user was read: the answer may be from before it, and says
 * nothing of what is known now. Looked at in the next sweep. */
static int has_moved_on(const struct walk *w, bool *ret, struct error *e)
{
    struct state *state = books_state(w->sweep->books);
    CLEANUP(link_done) struct link l = {0};
    struct operation_list busy = {0};
    int r = link_load(state, w->entry_id, &l, e);
    if (r == 0)
        r = queue_of_person(state, w->entry_id, &busy, e);
    *ret = r > 0 || (r == 0 && (motion_is(&l, &busy) || l.status != w->status ||
                                l.confirmed_usec != w->confirmed_usec ||
                                !text_equal(l.login, w->login) || !text_equal(l.known, w->known)));
    operation_list_done(&busy);
    return r < 0 ? r : 0;
}

/* now NULL: the user is not there. id: the tenant's own, or NULL. */
static int compare(struct walk *w, const struct user *now, const char *id, enum drift_whose whose,
                   struct error *e)
{
    struct sweep *s = w->sweep;
    struct drift_look look = {.books = s->books,
                              .rules = s->rules,
                              .entry_id = w->entry_id,
                              .id = id,
                              .whose = whose,
                              .anew = w->anew};
    bool differs = false, over = false, moved_on;
    vain_forget(&s->unread, w->entry_id); /* it was answered for */
    int r = has_moved_on(w, &moved_on, e);
    if (r < 0 || moved_on)
        return r;
    if (!now) {
        r = gone_take_absence(&w->gone, w->entry_id, &over, e);
        w->n_drifted += !over;
        return r;
    }
    look.waits = queue_has(books_state(s->books), w->entry_id, e);
    r = drift_take(&look, now, &differs, e);
    w->n_drifted += differs;
    return r;
}

/* Away as a whole: the rest is verified another time. One who is never answered for is left out
 * also where all are to be read anew: each write to that one is preceded by a look as well. */
static bool is_interrupted(struct walk *w, const struct tenant_answer *a)
{
    struct health *h = w->sweep->health;
    w->n_drifted += a->class != TENANT_DONE && a->class != TENANT_NOT_FOUND && w->differed;
    bool account = health_refused_one(h, a, w->entry_id), all = a->concerns_all;
    if (!all && a->class != TENANT_AWAY && (a->class != TENANT_NOT_AUTHORISED || !account))
        return false;
    if (!health_is_put_off(h, a))
        health_failed(h, a, all ? NULL : w->entry_id);
    if (!all && !w->seeks && !w->settles && health_state(h) == ENGINE_TENANT_OK) {
        w->unsure |= w->anew && vain_note(&w->sweep->unread, w->entry_id, true) <= VAIN_MOST;
        return false;
    }
    walk_end(w);
    return true;
}

static int follow_or_compare(struct walk *w, const struct tenant_answer *a, struct error *e)
{
    CLEANUP(link_done) struct link l = {0};
    const char *login = a->class == TENANT_DONE && a->user ? user_get(a->user, USER_LOGIN) : NULL;
    bool taken = false, moved_on;
    if (a->class == TENANT_NOT_FOUND)
        return compare(w, w->other.user, w->other.id, DRIFT_OF_ANOTHER, e);
    if (w->other.doubted && (!login || text_equal_fold(login, w->login)))
        return compare(w, w->other.user, login ? w->remote_id : NULL,
                       login ? DRIFT_OF_OURS : DRIFT_OF_WHOMEVER, e);
    int r = has_moved_on(w, &moved_on, e);
    if (r < 0 || moved_on)
        return r;
    if (!login || text_equal_fold(login, w->login))
        return 0; /* nothing certain: looked at in the next sweep */
    w->n_drifted++;
    r = link_load(books_state(w->sweep->books), w->entry_id, &l, e);
    if (r == 0)
        r = drift_follow_rename(w->sweep->books, &l, login, &taken, e);
    return r < 0 ? r : 0;
}

static void on_read_by_id(const struct tenant_answer *a, void *userdata)
{
    struct walk *w = userdata;
    const struct tenant_ops *ops = w->sweep->options->tenant_ops;
    struct tenant_call *call = TAKE(w->call);
    struct error e = {0};
    if (!is_interrupted(w, a)) {
        if (follow_or_compare(w, a, &e) < 0)
            walk_broken(w, &e);
        else
            walk_on(w);
    }
    ops->call_free(call);
}

static void on_id(const struct tenant_answer *a, void *userdata)
{
    struct walk *w = userdata;
    const struct tenant_ops *ops = w->sweep->options->tenant_ops;
    struct tenant_call *call = TAKE(w->call);
    struct error e = {0};
    w->no_ids = a->class != TENANT_DONE;
    if (a->class == TENANT_DONE && a->id &&
        motion_learn_id(books_state(w->sweep->books), w->entry_id, w->login, a->id, &e) < 0)
        walk_broken(w, &e);
    else
        walk_on(w);
    ops->call_free(call);
}

/* Whoever does not answer to its login is looked for by its id, and ids are learnt in time for
 * that. True: a call was made. */
static bool ask_by_id(struct walk *w, const struct tenant_answer *a)
{
    struct sweep *s = w->sweep;
    const struct tenant_ops *ops = s->options->tenant_ops;
    struct error e = {0};
    int r = -ENOENT;
    if ((a->class == TENANT_NOT_FOUND && w->remote_id) || w->other.user)
        r = ops->read(s->options->tenant, &w->call, by_id(w->remote_id), on_read_by_id, w, &e);
    else if (a->class == TENANT_DONE && !w->remote_id && !w->no_ids && !w->other.stranger)
        r = ops->find(s->options->tenant, &w->call, w->login, on_id, w, &e);
    return r == 0;
}

static void take_answer(struct walk *w, const struct tenant_answer *a)
{
    struct error e = {0};
    if (is_interrupted(w, a))
        return;
    w->n_read++;
    w->gone.is_served |= a->class == TENANT_DONE;
    if (stranger_take(&w->other, w->sweep->books, w->entry_id, w->remote_id, a, &e) < 0) {
        walk_broken(w, &e);
        return;
    }
    if ((a->class == TENANT_NOT_FOUND || w->other.user) && ask_by_id(w, a))
        return;
    const struct user *now = a->class == TENANT_DONE && !w->other.user ? a->user : NULL;
    enum drift_whose whose = w->other.stranger ? DRIFT_OF_ANOTHER : DRIFT_OF_OURS;
    if ((now || a->class == TENANT_NOT_FOUND) && compare(w, now, a->id, whose, &e) < 0)
        walk_broken(w, &e);
    else if (!ask_by_id(w, a))
        walk_on(w);
}

static void on_read(const struct tenant_answer *a, void *userdata)
{
    struct walk *w = userdata;
    const struct tenant_ops *ops = w->sweep->options->tenant_ops;
    struct tenant_call *call = TAKE(w->call);
    take_answer(w, a); /* w may be gone after this */
    ops->call_free(call);
}

static void walk_on(struct walk *w)
{
    struct sweep *s = w->sweep;
    struct error e = {0};
    for (;;) {
        struct link l = {0};
        int r = link_after(books_state(s->books), w->entry_id, &l, &e);
        if (r != 0) {
            link_done(&l);
            if (r < 0)
                books_failed(s->books, &e);
            w->whole = r > 0;
            if (r < 0 || !gone_settle(&w->gone))
                walk_end(w);
            return;
        }
        stranger_done(&w->other);
        free(w->entry_id);
        w->entry_id = TAKE(l.entry_id);
        free(w->login);
        free(w->remote_id);
        free(w->known);
        w->login = TAKE(l.login);
        w->remote_id = TAKE(l.remote_id);
        w->known = TAKE(l.known);
        w->confirmed_usec = l.confirmed_usec;
        w->status = l.status;
        w->differed = l.drift;
        /* Whoever may have been changed by a request is in motion: compared later. */
        struct operation_list busy = {0};
        r = queue_of_person(books_state(s->books), w->entry_id, &busy, &e);
        bool skip = r < 0 || (l.status == LINK_DELETED && !l.gone) || motion_is(&l, &busy);
        operation_list_done(&busy);
        w->gone.late |= !skip && w->gone.people.n_items;
        if (!skip)
            r = s->options->tenant_ops->read(s->options->tenant, &w->call, by_login(w->login),
                                             on_read, w, &e);
        link_done(&l);
        if (r < 0) {
            log_error("The verification stops: %s", e.message);
            walk_end(w);
            return;
        }
        if (!skip)
            return;
    }
}

static void on_settled(const struct tenant_answer *failure, const struct error *e, void *userdata)
{
    struct walk *w = userdata;
    w->settles = true;
    w->whole &= !failure && !w->gone.unsure; /* what became of whom it missed is not known */
    if (e)
        walk_broken(w, e);
    else if (!failure || !is_interrupted(w, failure))
        walk_end(w);
}

static struct walk *walk_new(struct sweep *s, bool anew)
{
    struct walk *w = calloc(1, sizeof(*w));
    if (!w)
        return NULL;
    *w = (struct walk){.sweep = s, .anew = anew};
    w->gone = (struct gone_users){.books = s->books,
                                  .health = s->health,
                                  .anew = anew,
                                  .errors = &s->errors,
                                  .done = on_settled,
                                  .userdata = w};
    return s->walk = w;
}

void sweep_seek(struct sweep *s, const char *entry_id)
{
    if (s->walk || s->closed)
        return;
    if (string_list_add_once(&s->sought, entry_id) < 0)
        log_debug("Out of memory: the user of %s is looked for later", entry_id);
    s->seek_usec = clock_steady_usec();
    books_wake(s->books, WORK_DUE);
}

/* Whoever is not looked for now is asked for again. */
static void seek(struct sweep *s, bool may_ask)
{
    struct string_list sought = s->sought;
    struct walk *w = s->walk || s->closed || !may_ask ? NULL : walk_new(s, false);
    struct error e = {0};
    int r = 0;
    s->sought = (struct string_list){0};
    s->seek_usec = 0;
    for (size_t i = 0; w && i < sought.n_items && r == 0; i++)
        r = gone_add(&w->gone, sought.items[i], &e);
    if (w && r == 0 && !(w->entry_id = strdup(sought.items[0])))
        r = error_out_of_memory(&e);
    string_list_done(&sought);
    if (!w)
        return;
    w->seeks = true;
    if (r < 0)
        walk_broken(w, &e);
    else if (!gone_settle(&w->gone))
        walk_end(w);
}

bool sweep_start(struct sweep *s, bool may_ask)
{
    if (s->seek_usec) {
        seek(s, may_ask);
        return false;
    }
    bool anew = books_are_distrusted(s->books) && !s->has_read_anew;
    bool waits = s->walk && s->walk->seeks;
    due_after(s,
              anew || waits ? s->options->sync->retry_min_usec : verified_wait(s->books, may_ask));
    if (waits || s->closed || !may_ask)
        return false;
    struct walk *w = s->walk ? NULL : walk_new(s, anew);
    if (w)
        walk_on(w);
    return true;
}

static bool may_ask(const struct sweep *s)
{
    return s->options->tenant && !s->options->plan_only;
}

void sweep_schedule(struct sweep *s)
{
    s->due_usec = may_ask(s) ? verified_due_usec(s->books) : 0;
    if (books_are_distrusted(s->books) && may_ask(s))
        s->due_usec = clock_steady_usec();
}

void sweep_soon(struct sweep *s)
{
    if (may_ask(s))
        s->due_usec = clock_steady_usec();
}

void sweep_read_anew(struct sweep *s)
{
    s->has_read_anew = false;
    vain_done(&s->unread);
    sweep_soon(s);
}

bool sweep_take_whole(struct sweep *s)
{
    bool whole = s->is_whole;
    s->is_whole = false;
    return whole;
}

bool sweep_has_read_anew(const struct sweep *s)
{
    return s->has_read_anew;
}

uint64_t sweep_due_usec(const struct sweep *s)
{
    bool sooner = s->seek_usec && (!s->due_usec || s->seek_usec < s->due_usec);
    return sooner ? s->seek_usec : s->due_usec;
}

int sweep_new(struct sweep **ret, struct books *b, struct health *h, struct rules *rules,
              struct error *e)
{
    struct sweep *s = calloc(1, sizeof(*s));
    if (!s)
        return error_out_of_memory(e);
    *s = (struct sweep){.books = b, .health = h, .rules = rules, .options = books_options(b)};
    *ret = s;
    return 0;
}

void sweep_close(struct sweep *s)
{
    s->closed = true;
    if (s->walk)
        walk_free(s->walk);
}

struct sweep *sweep_free(struct sweep *s)
{
    if (!s)
        return NULL;
    sweep_close(s);
    string_list_done(&s->sought);
    vain_done(&s->errors);
    vain_done(&s->unread);
    free(s);
    return NULL;
}
