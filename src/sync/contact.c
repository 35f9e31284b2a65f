/*
 * The tenant as a whole: is it there, does it take our credentials, which teams has it, and, at
 * first contact, which users has it already. The same call (the list of teams) is the probe
 * after an outage. It writes nothing to the tenant.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log-ids.h"
#include "base/log.h"
#include "sync/backoff.h"
#include "sync/internal.h"

#define FAILING_BEFORE_AWAY 3 /* people */

/* One look at a user that no link claims. */
struct mail_call {
    struct engine *engine;
    struct mail_call *next;
    struct tenant_call *call;
    char *login;
};

bool contact_knows_missing(const struct engine *n, const char *cause)
{
    return string_list_contains(&n->missing, cause);
}

void contact_note_missing(struct engine *n, const char *cause)
{
    if (!n->missing.n_items)
        n->missing_usec = clock_now_usec();
    if (!contact_knows_missing(n, cause) && string_list_add(&n->missing, cause) < 0)
        log_debug("Out of memory: %s is looked up again each time", cause);
}

/* Two users may be refused for reasons of their own; a third in a row is about the token. */
#define UNAUTHORISED_BEFORE_REFUSED 3
#define ACCOUNT_DOUBT_MIN_WAITS     10 /* times [retry] min between two such questions */

/* One user's call failed: is it that user's matter? A call that concerns nobody in particular
 * tells. Seldom, however many fail. */
static void ask_for_all(struct engine *n)
{
    uint64_t now = clock_monotonic_usec();
    uint64_t wait = ACCOUNT_DOUBT_MIN_WAITS * n->options.sync->retry_min_usec;
    if (!n->account_asked_usec || now - n->account_asked_usec >= wait) {
        n->account_asked_usec = now;
        contact_refresh(n);
    }
}

bool contact_refused_one(struct engine *n, const struct tenant_answer *a, const char *entry_id)
{
    if (a->concerns_all)
        return a->class == TENANT_NOT_AUTHORISED;
    if (a->status != 401 && a->status != 403)
        return false;
    if (n->tenant_state == ENGINE_TENANT_REFUSED)
        return true;
    if (a->class == TENANT_NOT_AUTHORISED) {
        if (!string_list_contains(&n->unauthorised, entry_id) &&
            string_list_add(&n->unauthorised, entry_id) < 0)
            return true;
        if (n->unauthorised.n_items >= UNAUTHORISED_BEFORE_REFUSED)
            return true;
    }
    ask_for_all(n);
    return false;
}

/* When the next probe goes out. Refusals are probed slowly, so that no account gets locked. */
static void plan_probe(struct engine *n, const struct tenant_answer *a, bool refused)
{
    const struct sync_options *o = n->options.sync;
    uint64_t now = clock_now_usec(), random = 0;
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
        random = now;
    n->tenant_probes++;
    n->tenant_probe_usec =
        now +
        (refused
             ? backoff_wait(o->retry_max_usec, o->hold_retry_usec, n->tenant_probes, random)
             : backoff_wait(o->retry_min_usec, o->retry_max_usec, n->tenant_probes, random));
    if (a->retry_after_usec && now + a->retry_after_usec > n->tenant_probe_usec)
        n->tenant_probe_usec = now + a->retry_after_usec;
}

/* Whoever was just refused by himself waits for the account, as everybody does. */
static void free_forbidden(struct engine *n)
{
    struct error e = {0};
    size_t n_released = 0;
    int r = engine_write(n, &e);
    if (r == 0)
        r = queue_release_forbidden(n->state, clock_now_usec(), &n_released, &e);
    if (r < 0)
        engine_state_failed(n, &e);
    n->alarms_stale = n->commit_wanted = true;
}

/* no_secret: our own secret cannot be read, so nobody was asked, and nobody refused anything. */
static void say_refused(struct engine *n, bool no_secret)
{
    if (no_secret)
        log_event(LOG_ERR, MSG_TENANT_REFUSED,
                  "rosterd cannot log in at the tenant, nothing is written: %s. Correct the secret file "
                  "or [tenant] client_secret_file; it is read again by itself",
                  n->tenant_error);
    else
        log_event(
            LOG_ERR, MSG_TENANT_REFUSED,
            "The tenant refuses rosterd's account, nothing is written until it accepts it: %s. Check "
            "[tenant] client_id, the secret file, and the account's privileges",
            n->tenant_error);
    alarm_set(n, "tenant-account", no_secret ? REASON_NO_SECRET : REASON_NOT_AUTHORISED,
              n->tenant_error);
}

void contact_tenant_failed(struct engine *n, const struct tenant_answer *a,
                           const char *entry_id)
{
    bool refused = a->class == TENANT_NOT_AUTHORISED;
    bool no_secret = refused && !a->status;
    enum engine_tenant_state state = no_secret ? ENGINE_TENANT_NO_SECRET
                                     : refused ? ENGINE_TENANT_REFUSED
                                               : ENGINE_TENANT_AWAY;
    uint64_t now = clock_now_usec();
    /* A 502 to one user's calls, however often, is that user's matter; silence, or several users
     * in a row, is the tenant's. */
    if (entry_id && !string_list_contains(&n->failing, entry_id) &&
        string_list_add(&n->failing, entry_id) < 0)
        log_debug("Out of memory: a failure is not counted");
    if (!refused && a->status && entry_id && n->failing.n_items < FAILING_BEFORE_AWAY) {
        ask_for_all(n);
        return;
    }
    /* Calls that were in flight when it went away say nothing new: only a probe lengthens the
     * wait. */
    if (n->tenant_state != state || n->tenant_probe_usec <= now)
        plan_probe(n, a, refused && !no_secret);
    if (n->tenant_state == state)
        return;
    n->tenant_state = state;
    n->tenant_since_usec = now;
    if (no_secret)
        snprintf(n->tenant_error, sizeof n->tenant_error, "%.240s", a->hint);
    else if (a->status)
        snprintf(n->tenant_error, sizeof n->tenant_error, "%s answered %d%s%.200s", a->url,
                 a->status, a->hint[0] ? ": " : "", a->hint);
    else
        snprintf(n->tenant_error, sizeof n->tenant_error, "%s: %.240s", a->url, a->hint);
    if (refused) {
        free_forbidden(n);
        string_list_done(&n->unauthorised);
        /* The doubt is answered; a list that the tenant still gives is for the probe to see. */
        if (!a->concerns_all && n->contact_call)
            n->contact_call = n->options.tenant_ops->call_free(n->contact_call);
        say_refused(n, no_secret);
    } else {
        log_event(LOG_WARNING, MSG_TENANT_AWAY, "The tenant is away, operations wait: %s",
                  n->tenant_error);
        alarm_set(n, "tenant", REASON_TENANT_AWAY, n->tenant_error);
    }
    engine_status_changed(n);
}

void contact_tenant_fine(struct engine *n)
{
    n->tenant_probes = 0;
    string_list_done(&n->failing);
    if (!n->tenant_was_fine) { /* alarms of before this start, whose cause has ended */
        n->tenant_was_fine = true;
        alarm_over(n, "tenant-account");
        alarm_over(n, "tenant");
    }
    if (n->tenant_state == ENGINE_TENANT_OK)
        return;
    n->tenant_state = ENGINE_TENANT_OK;
    n->alarms_stale = true;
    n->tenant_since_usec = clock_now_usec();
    n->tenant_probe_usec = 0;
    n->all_evaluated = false; /* the first contact may go on */
    n->tenant_error[0] = '\0';
    alarm_over(n, "tenant-account");
    alarm_over(n, "tenant");
    log_event(LOG_NOTICE, MSG_TENANT_BACK, "The tenant takes calls again");
    struct error e = {0};
    size_t n_released = 0;
    int r = engine_write(n, &e);
    if (r == 0)
        r = queue_release(n->state, "tenant", NULL, clock_now_usec(), &n_released, &e);
    if (r < 0)
        engine_state_failed(n, &e);
    engine_status_changed(n);
    engine_wake(n);
}

static void contact_is_known(struct engine *n)
{
    n->contact = CONTACT_KNOWN;
    n->plan_changed = true;
    engine_status_changed(n);
    engine_wake(n);
}

/* Teams that exist release whoever waited for them, and teams that vanished are noticed. */
static int take_teams(struct engine *n, const struct string_list *names, struct error *e)
{
    string_list_done(&n->teams);
    int r = engine_write(n, e);
    for (size_t i = 0; i < names->n_items && r == 0; i++) {
        char cause[600];
        size_t n_released = 0;
        if (string_list_add(&n->teams, names->items[i]) < 0)
            return error_out_of_memory(e);
        snprintf(cause, sizeof cause, "team:%s", names->items[i]);
        r = queue_release(n->state, cause, NULL, clock_now_usec(), &n_released, e);
        if (n_released) {
            log_notice("The tenant has the team %s now: %zu people no longer wait for it",
                       names->items[i], n_released);
            n->plan_changed = true;
        }
    }
    n->teams_known = true;
    n->teams_usec = clock_now_usec();
    /* Roles and skills can't be listed: they are tried again. */
    string_list_done(&n->missing);
    return r;
}

static int finish_first_contact(struct engine *n, struct error *e)
{
    int r = engine_write(n, e);
    if (r == 0)
        r = state_meta_set(n->state, "first-contact-done", "1", e);
    n->adoption_open = false;
    alarm_over(n, REASON_ADOPTION);
    return r;
}

/* A call of the contact itself got no answer to its question: that is the tenant's matter, also
 * when it is a single 502, since nobody but the next probe would ask again. */
static bool contact_call_failed(struct engine *n, const struct tenant_answer *a)
{
    struct tenant_answer failed = *a;
    /* One user's mail may be refused; then it is not known, and that is all. */
    if (a->class == TENANT_NOT_AUTHORISED && !contact_refused_one(n, a, a->url))
        return false;
    if (a->class != TENANT_NOT_AUTHORISED && a->class != TENANT_AWAY &&
        a->class != TENANT_UNCLEAR && a->class != TENANT_THROTTLED)
        return false;
    if (a->class != TENANT_NOT_AUTHORISED)
        failed.status = 0;
    contact_tenant_failed(n, &failed, NULL);
    engine_wake(n);
    return true;
}

static void take_listing(struct engine *n, const struct tenant_answer *a)
{
    struct error e = {0};
    int r = 0;
    if (contact_call_failed(n, a))
        return;
    if (a->class != TENANT_DONE || !a->names) {
        log_warning(
            "The tenant does not list its users (%s answered %d): existing ones are found when a "
            "login is taken",
            a->url, a->status);
        contact_is_known(n);
        return;
    }
    r = engine_write(n, &e);
    if (r == 0)
        r = listing_replace_begin(n->state, &e);
    for (size_t i = 0; i < a->names->n_items && r == 0; i++) {
        CLEANUP(freep) char *key = text_fold(a->names->items[i], strlen(a->names->items[i]));
        r = key ? listing_add(n->state, a->names->items[i], key, &e) : error_out_of_memory(&e);
    }
    if (r == 0 && !a->names->n_items) {
        r = n->other_tenant[0] ? 0 : finish_first_contact(n, &e);
        contact_is_known(n);
    } else if (r == 0) {
        log_event(
            LOG_NOTICE, MSG_ADOPTION,
            "First contact: the tenant has %zu users already. None of them is changed before "
            "`rosterctl plan` was looked at and approved",
            a->names->n_items);
        n->contact = CONTACT_LISTED;
        n->plan_changed = true;
        r = person_mark_all_dirty(n->state, &e);
    }
    if (r < 0)
        engine_state_failed(n, &e);
    engine_wake(n);
}

static void on_listing(const struct tenant_answer *a, void *userdata)
{
    struct engine *n = userdata;
    struct tenant_call *call = TAKE(n->contact_call);
    take_listing(n, a);
    n->options.tenant_ops->call_free(call);
}

static void take_teams_answer(struct engine *n, const struct tenant_answer *a)
{
    struct error e = {0};
    if (contact_call_failed(n, a))
        return;
    if (a->class == TENANT_DONE && a->names) {
        if (take_teams(n, a->names, &e) < 0) {
            engine_state_failed(n, &e);
            return;
        }
    } else {
        log_warning("The tenant does not list its teams (%s answered %d)", a->url, a->status);
        n->teams_known = false;
    }
    contact_tenant_fine(n);
    if (n->contact != CONTACT_ASKING) {
        engine_wake(n);
    } else if (!n->adoption_open) {
        contact_is_known(n);
    } else if (n->options.tenant_ops->directory_list(n->options.tenant, &n->contact_call,
                                                     on_listing, n, &e) < 0) {
        log_error("The tenant's users cannot be asked for: %s", e.message);
    }
}

static void on_teams(const struct tenant_answer *a, void *userdata)
{
    struct engine *n = userdata;
    struct tenant_call *call = TAKE(n->contact_call);
    take_teams_answer(n, a);
    n->options.tenant_ops->call_free(call);
}

void contact_refresh(struct engine *n)
{
    struct error e = {0};
    if (n->contact_call || n->stopping || !n->options.tenant)
        return;
    if (n->contact == CONTACT_UNKNOWN)
        n->contact = CONTACT_ASKING;
    if (n->options.tenant_ops->team_list(n->options.tenant, &n->contact_call, on_teams, n, &e) <
        0)
        log_error("The tenant's teams cannot be asked for: %s", e.message);
}

static void mail_call_free(struct mail_call *m)
{
    struct engine *n = m->engine;
    for (struct mail_call **p = &n->mail_calls; *p; p = &(*p)->next)
        if (*p == m) {
            *p = m->next;
            n->n_mail_calls--;
            break;
        }
    if (m->call)
        n->options.tenant_ops->call_free(m->call);
    free(m->login);
    free(m);
}

static int look_at_mails(struct engine *n, struct error *e);

static void on_mail(const struct tenant_answer *a, void *userdata)
{
    struct mail_call *m = userdata;
    struct engine *n = m->engine;
    struct error e = {0};
    CLEANUP(freep) char *login_key = text_fold(m->login, strlen(m->login));
    const char *mail =
        a->class == TENANT_DONE && a->user ? user_get(a->user, USER_EMAIL) : NULL;
    CLEANUP(freep) char *mail_key = text_fold(mail ? mail : "", mail ? strlen(mail) : 0);
    CLEANUP(freep)
    char *found = a->class == TENANT_DONE && a->user ? user_to_json(a->user, false) : strdup("");
    bool is_gone = a->class == TENANT_NOT_FOUND;
    if (contact_call_failed(n, a)) { /* asked again when the tenant is back */
        n->contact = CONTACT_LISTED;
        mail_call_free(m);
        return;
    }
    mail_call_free(m);
    int r = login_key && mail_key && found ? engine_write(n, &e) : error_out_of_memory(&e);
    if (r == 0 && is_gone)
        r = listing_remove(n->state, login_key, &e);
    else if (r == 0)
        r = listing_set_looked(n->state, login_key, mail_key, found, &e);
    if (r == 0 && n->contact == CONTACT_MAILS)
        r = look_at_mails(n, &e);
    if (r < 0)
        engine_state_failed(n, &e);
}

/* Keeps some calls in flight until every unclaimed user was looked at. */
static int look_at_mails(struct engine *n, struct error *e)
{
    struct string_list logins = {0};
    size_t room = n->options.max_concurrent - n->n_mail_calls;
    int r = listing_to_look_at(n->state, room + n->n_mail_calls, &logins, e);
    for (size_t i = 0; i < logins.n_items && r == 0 && room; i++) {
        bool asked = false;
        for (struct mail_call *m = n->mail_calls; m; m = m->next)
            asked = asked || text_equal(m->login, logins.items[i]);
        if (asked)
            continue;
        struct mail_call *m = calloc(1, sizeof *m);
        if (!m)
            r = error_out_of_memory(e);
        if (r < 0)
            break;
        m->engine = n;
        m->next = n->mail_calls;
        n->mail_calls = m;
        n->n_mail_calls++;
        room--;
        m->login = strdup(logins.items[i]);
        r = m->login ? n->options.tenant_ops->user_get(n->options.tenant, &m->call, m->login,
                                                       on_mail, m, e)
                     : error_out_of_memory(e);
        if (r < 0)
            mail_call_free(m);
    }
    string_list_done(&logins);
    if (r < 0 || n->n_mail_calls)
        return r;
    r = person_mark_all_dirty(n->state, e);
    contact_is_known(n);
    return r;
}

static int count_adoptions(const struct operation *o, void *userdata)
{
    if (text_equal(o->reason, REASON_ADOPTION))
        ++*(size_t *)userdata;
    return 0;
}

/* Whoever came with a login that is listed is looked at before anybody hears of it. */
static int someone_to_look_at(struct engine *n, bool *ret, struct error *e)
{
    struct string_list logins = {0};
    int r = listing_to_look_at(n->state, 1, &logins, e);
    *ret = logins.n_items > 0;
    string_list_done(&logins);
    return r;
}

static int report_adoptions(struct engine *n, struct error *e)
{
    size_t n_adoptions = 0;
    int r = queue_each(n->state, OPERATION_PARKED, count_adoptions, &n_adoptions, e);
    if (r < 0)
        return r;
    n->adoption_reported = true;
    if (n->other_tenant[0])
        alarm_set(n, REASON_OTHER_TENANT, REASON_OTHER_TENANT, n->other_tenant);
    if (n_adoptions == 0 && n->other_tenant[0])
        return 0;
    if (n_adoptions == 0) /* nothing to adopt: the users there are nobody's here */
        return finish_first_contact(n, e);
    char sentence[300];
    snprintf(
        sentence, sizeof sentence,
        "first contact: %zu users of the tenant would be adopted; look at `rosterctl plan`, then "
        "`rosterctl approve HASH`",
        n_adoptions);
    alarm_set(n, REASON_ADOPTION, REASON_ADOPTION, sentence);
    return 0;
}

void contact_evaluated(struct engine *n)
{
    struct error e = {0};
    bool look = n->contact == CONTACT_LISTED;
    int r = 0;
    n->adoption_reported = false;
    if (n->tenant_state == ENGINE_TENANT_OK && n->contact == CONTACT_KNOWN && n->adoption_open)
        r = someone_to_look_at(n, &look, &e);
    if (r == 0 && look && n->tenant_state == ENGINE_TENANT_OK) {
        n->contact = CONTACT_MAILS;
        r = engine_write(n, &e);
        if (r == 0)
            r = look_at_mails(n, &e);
    } else if (r == 0 && n->contact == CONTACT_KNOWN && n->adoption_open &&
               (n->other_tenant[0] || listing_count(n->state))) {
        r = report_adoptions(n, &e);
    }
    if (r < 0)
        engine_state_failed(n, &e);
}

void contact_cancel(struct engine *n)
{
    if (n->contact_call)
        n->contact_call = n->options.tenant_ops->call_free(n->contact_call);
    while (n->mail_calls)
        mail_call_free(n->mail_calls);
}
