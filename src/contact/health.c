/*
 * The tenant as a whole: is it there, does it take our credentials, which teams has it. The same
 * call (the list of teams) is the probe after an outage. It writes nothing to the tenant.
 */
#include "config.h"

#include "contact/health.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log-ids.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/text.h"
#include "books/books.h"
#include "contact/missing.h"
#include "contact/put-off.h"
#include "model/operation.h"
#include "state/queue.h"

#define NOTHING_WRITTEN "nothing is written" /* before the first contact has ended */

struct health {
    struct books *books;
    void (*answered)(void *userdata);
    void *userdata;
    struct tenant_call *call; /* for the teams, or for the users */
    tenant_done_fn users_done;
    void *users_userdata;
    enum engine_tenant_state state;
    bool asked, closed;
    bool asked_again; /* since the first question got no answer */
    bool was_fine;    /* once since the start */
    char error[512];
    uint64_t since_usec, probe_usec;
    unsigned n_probes;                   /* since it went away */
    struct put_off teams_off, users_off; /* the list; of users also a look at one */
    bool users_wait;                     /* the list of users is asked for next */
    uint64_t looks_usec;        /* looks at users that are put off, when they go on; 0: none are */
    struct string_list failing; /* entries whose calls failed, with no success between: a few */
    size_t doubt_after;         /* so many of these */
    uint64_t doubted_usec;      /* monotonic clock: when such a failure last led to a question */
    bool teams_known;
    struct string_list teams;
    uint64_t teams_usec;
    struct missing missing;
};

int health_new(struct health **ret, struct books *b, void (*answered)(void *userdata),
               void *userdata, struct error *e)
{
    struct health *h = calloc(1, sizeof(*h));
    if (!h)
        return error_out_of_memory(e);
    *h = (struct health){.books = b, .answered = answered, .userdata = userdata};
    *ret = h;
    return 0;
}

static void cancel(struct health *h)
{
    if (h->call)
        h->call = books_options(h->books)->tenant_ops->call_free(h->call);
}

void health_close(struct health *h)
{
    h->closed = true;
    cancel(h);
}

struct health *health_free(struct health *h)
{
    if (!h)
        return NULL;
    cancel(h);
    string_list_done(&h->failing);
    string_list_done(&h->teams);
    missing_forget(&h->missing);
    free(h);
    return NULL;
}

bool health_is_asking(const struct health *h)
{
    return h->call;
}

bool health_was_asked(const struct health *h)
{
    return h->asked;
}

enum engine_tenant_state health_state(const struct health *h)
{
    return h->state;
}

const char *health_error(const struct health *h)
{
    return h->error;
}

uint64_t health_since_usec(const struct health *h)
{
    return h->since_usec;
}

uint64_t health_probe_usec(const struct health *h)
{
    return h->probe_usec;
}

bool health_may_have_team(const struct health *h, const char *team)
{
    return !h->teams_known || string_list_contains(&h->teams, team);
}

void health_doubt_teams(struct health *h)
{
    if (h->teams_usec + books_options(h->books)->sync->hold_retry_usec <= clock_steady_usec())
        health_ask(h);
}

struct missing *health_missing(struct health *h)
{
    return &h->missing;
}

static int copy_list(const struct string_list *from, struct string_list *ret)
{
    for (size_t i = 0; i < from->n_items; i++)
        if (string_list_add_once(ret, from->items[i]) < 0)
            return -ENOMEM;
    return 0;
}

int health_copy_known(const struct health *h, bool *ret_teams_known, struct string_list *ret_teams,
                      struct string_list *ret_missing)
{
    *ret_teams_known = h->teams_known;
    int r = copy_list(&h->teams, ret_teams);
    return r < 0 ? r : copy_list(&h->missing.causes, ret_missing);
}

/* People: that so many fail in a row may be the tenant's matter; where that was just asked,
 * twice as many. */
#define FAILING_BEFORE_ASKED 3
#define FAILING_MOST         48
#define DOUBT_MIN_WAITS      10 /* times [retry] min between two questions, of fewer */

/* One user's call failed, and that is one user's matter, however many they are, for as long as
 * a call that concerns nobody in particular is answered: that is asked. Seldom, where few fail;
 * and not while it is put off, since who does that is there. */
static void doubt(struct health *h, const char *entry_id)
{
    uint64_t now = clock_monotonic_usec();
    uint64_t wait = DOUBT_MIN_WAITS * books_options(h->books)->sync->retry_min_usec;
    if (h->state != ENGINE_TENANT_OK || (h->teams_off.n && h->probe_usec > clock_steady_usec()))
        return;
    bool rested = !h->doubted_usec || now - h->doubted_usec >= wait;
    if (rested || !h->doubt_after)
        h->doubt_after = FAILING_BEFORE_ASKED;
    if (string_list_add_once(&h->failing, entry_id) < 0)
        log_debug("Out of memory: a failure is not counted");
    if (!rested && h->failing.n_items < h->doubt_after)
        return;
    if (h->doubt_after < FAILING_MOST)
        h->doubt_after *= 2;
    string_list_done(&h->failing);
    h->doubted_usec = now;
    health_ask(h);
    if (h->call) /* ahead of those that would fail as well */
        books_options(h->books)->tenant_ops->call_hurry(h->call);
}

bool health_refused_one(struct health *h, const struct tenant_answer *a, const char *entry_id)
{
    if (a->concerns_all)
        return a->class == TENANT_NOT_AUTHORISED;
    if (a->status != 401 && a->status != 403)
        return false;
    doubt(h, entry_id);
    return h->state == ENGINE_TENANT_REFUSED;
}

/* When the next probe goes out. Refusals are probed slowly, so that no account gets locked. */
static void plan_probe(struct health *h, const struct tenant_answer *a, bool refused)
{
    const struct sync_options *o = books_options(h->books)->sync;
    uint64_t now = clock_steady_usec(), random = random_number();
    h->n_probes++;
    h->probe_usec =
        now + (refused ? backoff_wait(o->retry_max_usec, o->hold_retry_usec, h->n_probes, random)
                       : backoff_wait(o->retry_min_usec, o->retry_max_usec, h->n_probes, random));
    if (a->retry_after_usec && now + a->retry_after_usec > h->probe_usec)
        h->probe_usec = now + a->retry_after_usec;
}

/* Whoever was just refused by himself waits for the account, as everybody does. */
static void free_forbidden(struct health *h)
{
    struct error e = {0};
    bool any = false;
    int r = queue_release_forbidden(books_state(h->books), clock_steady_usec(), &any, &e);
    if (r < 0)
        books_failed(h->books, &e);
    books_note(h->books, WORK_ALARMS | WORK_COMMIT);
}

/* no_secret: our own secret cannot be read, so nobody was asked, and nobody refused anything. */
static void say_refused(struct health *h, bool no_secret, const char *remedy)
{
    if (no_secret)
        log_event(
            LOG_ERR, MSG_TENANT_REFUSED,
            "rosterd cannot log in at the tenant; nothing is written: %s. Correct the secret file "
            "or [tenant] client_secret_file; it is read again by itself",
            h->error);
    else
        log_event(
            LOG_ERR, MSG_TENANT_REFUSED,
            "The tenant refuses rosterd's account; nothing is written until it accepts it: %s%s%s",
            h->error, remedy ? ". " : "", remedy ? remedy : "");
    alarm_set(h->books, "tenant-account", no_secret ? REASON_NO_SECRET : REASON_NOT_AUTHORISED,
              h->error);
}

void health_failed(struct health *h, const struct tenant_answer *a, const char *entry_id)
{
    bool refused = a->class == TENANT_NOT_AUTHORISED;
    bool no_secret = refused && !a->status;
    enum engine_tenant_state state = no_secret ? ENGINE_TENANT_NO_SECRET
                                     : refused ? ENGINE_TENANT_REFUSED
                                               : ENGINE_TENANT_AWAY;
    uint64_t now = clock_steady_usec();
    /* What waits to leave for others is not withdrawn before that is answered. */
    if (entry_id && !a->concerns_all) {
        doubt(h, entry_id);
        return;
    }
    /* Calls that were in flight when it went away say nothing new: only a probe lengthens the
     * wait. */
    if (h->state != state || h->probe_usec <= now)
        plan_probe(h, a, refused && !no_secret);
    if (h->state == state)
        return;
    h->state = state;
    h->since_usec = now;
    books_begin_epoch(h->books, "the tenant takes no calls now");
    if (no_secret)
        snprintf(h->error, sizeof(h->error), "%.240s", a->hint);
    else if (a->status)
        snprintf(h->error, sizeof(h->error), "%s answered %d%s%.200s", a->url, a->status,
                 a->hint[0] ? ": " : "", a->hint);
    else
        snprintf(h->error, sizeof(h->error), "%s: %.240s", a->url, a->hint);
    if (refused) {
        free_forbidden(h);
        say_refused(h, no_secret, a->remedy);
    } else {
        log_event(LOG_WARNING, MSG_TENANT_AWAY, "The tenant is away, operations wait: %s",
                  h->error);
        alarm_set(h->books, "tenant", REASON_TENANT_AWAY, h->error);
    }
    books_status_changed(h->books);
}

static void answers(struct health *h)
{
    h->n_probes = 0;
    string_list_done(&h->failing);
    if (!h->was_fine) { /* alarms of before this start, whose cause has ended */
        h->was_fine = true;
        alarm_over(h->books, ALARM_FIRST_CONTACT);
        alarm_over(h->books, "tenant-account");
        alarm_over(h->books, "tenant");
    }
    if (h->state == ENGINE_TENANT_OK)
        return;
    h->state = ENGINE_TENANT_OK;
    books_note(h->books, WORK_ALARMS);
    h->since_usec = clock_steady_usec();
    /* What was put off before. */
    h->probe_usec = h->teams_off.n ? h->since_usec : h->looks_usec;
    books_note(h->books, WORK_GUARD); /* the first contact may go on */
    h->error[0] = '\0';
    alarm_over(h->books, "tenant-account");
    alarm_over(h->books, "tenant");
    log_event(LOG_NOTICE, MSG_TENANT_BACK, "The tenant takes calls again");
    struct error e = {0};
    bool any;
    int r = queue_release(books_state(h->books), "tenant", clock_steady_usec(), &any, &e);
    if (r < 0)
        books_failed(h->books, &e);
    books_status_changed(h->books);
    books_wake(h->books, WORK_DUE);
}

void health_fine(struct health *h)
{
    h->doubt_after = 0;
    answers(h);
}

bool health_is_put_off(const struct health *h, const struct tenant_answer *a)
{
    return a->concerns_all && a->class == TENANT_THROTTLED && h->state == ENGINE_TENANT_OK;
}

bool health_call_failed(struct health *h, const struct tenant_answer *a)
{
    struct tenant_answer failed = *a;
    /* One user's mail may be refused; then it is not known, and that is all. */
    if (a->class == TENANT_NOT_AUTHORISED && !health_refused_one(h, a, a->url))
        return false;
    if (a->class != TENANT_NOT_AUTHORISED && a->class != TENANT_AWAY &&
        a->class != TENANT_UNCLEAR && a->class != TENANT_THROTTLED)
        return false;
    if (a->class != TENANT_NOT_AUTHORISED)
        failed.status = 0;
    health_failed(h, &failed, NULL);
    books_wake(h->books, WORK_DUE);
    return true;
}

/* Teams that exist release whoever waited for them, and teams that vanished are noticed. */
static int take_teams(struct health *h, const struct string_list *names, struct error *e)
{
    string_list_done(&h->teams);
    int r = 0;
    for (size_t i = 0; i < names->n_items && r == 0; i++) {
        char cause[600];
        bool any = false;
        if (string_list_add_once(&h->teams, names->items[i]) < 0)
            return error_out_of_memory(e);
        snprintf(cause, sizeof(cause), "team:%s", names->items[i]);
        r = queue_release(books_state(h->books), cause, clock_steady_usec(), &any, e);
        if (any) {
            log_notice("The tenant has the team %s now: nobody waits for it any longer",
                       names->items[i]);
            books_note(h->books, WORK_GUARD);
        }
    }
    h->teams_known = true;
    h->teams_usec = clock_steady_usec();
    /* Roles and skills can't be listed: they are tried again. */
    missing_forget(&h->missing);
    return r;
}

void health_put_off(struct health *h, const struct tenant_answer *a, const char *login,
                    bool first_contact)
{
    uint64_t now = clock_steady_usec();
    if (a->class != TENANT_THROTTLED)
        doubt(h, login);
    if (h->looks_usec <= now) /* else it is one of several at once */
        h->looks_usec = put_off_again(
            &h->users_off, h->books, a, "a look at one of its users",
            first_contact ? NOTHING_WRITTEN : "whoever is to have no access may keep that user");
    if (h->probe_usec <= now)
        h->probe_usec = h->looks_usec;
}

void health_looked(struct health *h)
{
    put_off_over(&h->users_off, h->books);
    h->looks_usec = 0;
}

bool health_looks_wait(const struct health *h)
{
    return h->looks_usec > clock_steady_usec();
}

static void tell_answered(struct health *h)
{
    if (!health_looks_wait(h))
        h->looks_usec = 0;
    if (!h->probe_usec)
        h->probe_usec = h->looks_usec;
    h->answered(h->userdata);
}

static void take_teams_answer(struct health *h, const struct tenant_answer *a)
{
    struct error e = {0};
    if (health_is_put_off(h, a)) {
        h->probe_usec = put_off_again(&h->teams_off, h->books, a, "the list of its teams", NULL);
        tell_answered(h);
        return;
    }
    if (health_call_failed(h, a))
        return;
    if (a->class == TENANT_DONE && a->names) {
        if (take_teams(h, a->names, &e) < 0) {
            books_failed(h->books, &e);
            return;
        }
    } else if (a->class == TENANT_DONE) {
        h->teams_known = false; /* it has no list of them */
    } else {
        log_warning("The tenant does not list its teams (%s answered %d)", a->url, a->status);
        h->teams_known = false;
    }
    answers(h);
    h->probe_usec = 0;
    put_off_over(&h->teams_off, h->books);
    tell_answered(h);
}

/* One connection may end without an answer, as one user's may. */
static bool asks_again(struct health *h, const struct tenant_answer *a)
{
    bool silent = (a->class == TENANT_AWAY || a->class == TENANT_UNCLEAR) && !a->status;
    h->asked_again = silent && h->state == ENGINE_TENANT_OK && !h->asked_again;
    return h->asked_again;
}

static void on_teams(const struct tenant_answer *a, void *userdata)
{
    struct health *h = userdata;
    struct tenant_call *call = TAKE(h->call);
    bool again = asks_again(h, a);
    if (!again)
        take_teams_answer(h, a);
    books_options(h->books)->tenant_ops->call_free(call);
    if (again)
        health_ask(h);
}

static void on_users(const struct tenant_answer *a, void *userdata)
{
    struct health *h = userdata;
    struct tenant_call *call = TAKE(h->call);
    h->users_wait = health_is_put_off(h, a);
    if (h->users_wait) {
        h->probe_usec =
            put_off_again(&h->users_off, h->books, a, "the list of its users", NOTHING_WRITTEN);
    } else {
        put_off_over(&h->users_off, h->books);
        h->probe_usec = h->teams_off.n ? clock_steady_usec() : 0; /* for the teams, if those wait */
        h->users_done(a, h->users_userdata);
    }
    books_options(h->books)->tenant_ops->call_free(call);
}

void health_ask(struct health *h)
{
    const struct engine_options *o = books_options(h->books);
    const struct tenant_ops *ops = o->tenant_ops;
    struct error e = {0};
    if (h->call || h->closed || !o->tenant)
        return;
    h->asked = true;
    /* Not the teams first: where one request is let through, that would take its place. */
    bool users = h->users_wait && h->state == ENGINE_TENANT_OK;
    int r = users ? ops->directory_list(o->tenant, &h->call, on_users, h, &e)
                  : ops->team_list(o->tenant, &h->call, on_teams, h, &e);
    if (r < 0) {
        log_error("The tenant's %s cannot be asked for: %s", users ? "users" : "teams", e.message);
        if (h->probe_usec)
            h->probe_usec = clock_steady_usec() + o->sync->retry_max_usec;
    }
}

int health_ask_users(struct health *h, tenant_done_fn done, void *userdata, struct error *e)
{
    const struct engine_options *o = books_options(h->books);
    h->users_done = done;
    h->users_userdata = userdata;
    return o->tenant_ops->directory_list(o->tenant, &h->call, on_users, h, e);
}
