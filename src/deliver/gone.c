/*
 * What became of users whom the verification did not find: renamed by somebody, whose mail tells;
 * or gone, reported or made anew within a budget of its own.
 */
#include "config.h"

#include "deliver/gone.h"

#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/log-ids.h"
#include "base/log.h"
#include "base/memory.h"
#include "books/books.h"
#include "books/engine-types.h"
#include "contact/health.h"
#include "contact/vain.h"
#include "deliver/drift.h"
#include "deliver/motion.h"
#include "judge/planner.h"
#include "model/operation.h"
#include "model/user.h"
#include "state/link.h"
#include "state/listing.h"
#include "state/person.h"
#include "state/queue.h"
#include "state/state.h"
#include "tenant/client.h"

#define NOT_THERE "the user is not at the tenant any more"

static void look_at_next(struct gone_users *g);

/* What an operation that found the user would have changed. */
static int note_known(const struct link *l, char **ret, struct error *e)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    buffer_format(&b, "%d %llu %s %s", (int)l->status, (unsigned long long)l->confirmed_usec,
                  l->login, l->known ? l->known : "");
    *ret = buffer_take(&b);
    return *ret ? 0 : error_out_of_memory(e);
}

int gone_add(struct gone_users *g, const char *entry_id, struct error *e)
{
    CLEANUP(link_done) struct link l = {0};
    CLEANUP(freep) char *known = NULL;
    int r = link_load(books_state(g->books), entry_id, &l, e);
    if (r == 0)
        r = note_known(&l, &known, e);
    if (r != 0)
        return r < 0 ? r : 0;
    g->search = g->search || !l.remote_id;
    if (string_list_add(&g->before, known) < 0 || string_list_add(&g->people, entry_id) < 0)
        return error_out_of_memory(e);
    return 0;
}

/* Whoever was reported already is no news. */
int gone_take_absence(struct gone_users *g, const char *entry_id, bool *ret_over, struct error *e)
{
    CLEANUP(link_done) struct link l = {0};
    bool repair = g->anew || books_options(g->books)->sync->on_drift == DRIFT_REPAIR;
    int r = link_load(books_state(g->books), entry_id, &l, e);
    *ret_over = r == 0 && l.status == LINK_DELETED && l.leaving_usec; /* who left needs none */
    if (r != 0 || l.status == LINK_DELETED || (l.gone && !repair))
        return r < 0 ? r : 0;
    return gone_add(g, entry_id, e);
}

void gone_cancel(struct gone_users *g)
{
    if (g->call)
        g->call = books_options(g->books)->tenant_ops->call_free(g->call);
    string_list_done(&g->people);
    string_list_done(&g->before);
    free(TAKE(g->login));
}

/* Of `known` there, under a login that nobody claims: by the mail, which is a person's own. NULL in
 * *ret: there is none, or it has a privileged role that the one who is known had not. */
static int find_by_mail(struct books *b, const struct user *known, char **ret, struct error *e)
{
    const char *mail = user_get(known, USER_EMAIL);
    CLEANUP(freep) char *key = mail && *mail ? text_fold(mail, strlen(mail)) : NULL;
    CLEANUP(freep) char *login = NULL;
    CLEANUP(freep) char *login_key = NULL;
    CLEANUP(freep) char *found = NULL;
    CLEANUP(user_freep) struct user *other = NULL;
    *ret = NULL;
    int r = key ? listing_find_mail(books_state(b), key, &login, e) : STATE_NONE;
    if (r != 0)
        return r == STATE_NONE ? 0 : r;
    login_key = text_fold(login, strlen(login));
    if (!login_key)
        return error_out_of_memory(e);
    r = listing_found(books_state(b), login_key, &found, e);
    if (r == 0 && *found)
        r = user_from_json(&other, found, e);
    if (r < 0)
        return r;
    const char *role = other ? planner_privileged_role(other, books_options(b)->sync) : NULL;
    if (other && (!role || user_role(known, role)))
        *ret = TAKE(login);
    return 0;
}

/* On record, once, and planned anew: held, or made again. */
static int note_gone(struct gone_users *g, struct link *l, struct error *e)
{
    struct books *b = g->books;
    bool repair = g->anew || books_options(b)->sync->on_drift == DRIFT_REPAIR;
    struct audit_row row = {
        .event = "drift",
        .entry_id = l->entry_id,
        .login = l->login,
        .code = g->anew  ? REASON_STATE_RESTORED
                : repair ? "repair"
                         : "report",
        .sentence = NOT_THERE,
        .details = "{\"gone\":true}",
    };
    if (!l->gone)
        log_event(LOG_WARNING, MSG_DRIFT, "User %s was changed at the tenant: " NOT_THERE,
                  l->login);
    int r = l->gone ? 0 : books_audit(b, &row, e);
    free(l->drift);
    l->drift = strdup(NOT_THERE);
    const struct engine_options *o = books_options(b);
    bool unsure = g->cannot_list || o->tenant_ops->parts(o->tenant)->has_pages;
    bool renamed = !l->remote_id && (unsure || g->has_strangers);
    l->gone = renamed ? LINK_GONE_OR_RENAMED : LINK_GONE;
    if (repair)
        l->status = LINK_DELETED;
    if (!l->drift)
        return error_out_of_memory(e);
    if (r == 0)
        r = person_mark_dirty(books_state(b), l->entry_id, e);
    return r < 0 ? r : link_store(books_state(b), l, e);
}

/* Found since, by an operation, the user is not gone; and one that is under way tells by
 * itself. First those who are found, whose users are no strangers then. */
static int settle_one(struct gone_users *g, const char *entry_id, const char *before, bool first,
                      struct error *e)
{
    struct books *b = g->books;
    CLEANUP(link_done) struct link l = {0};
    CLEANUP(user_freep) struct user *known = NULL;
    CLEANUP(freep) char *login = NULL;
    CLEANUP(freep) char *now = NULL;
    bool taken = false;
    int r = link_load(books_state(b), entry_id, &l, e);
    if (r == 0)
        r = note_known(&l, &now, e);
    bool found = r != 0 || l.status == LINK_DELETED || !text_equal(now, before);
    if (!found)
        r = motion_is_under_way(books_state(b), entry_id, e);
    if (r != 0 || found)
        return r < 0 ? r : 0;
    if (l.known)
        r = user_from_json(&known, l.known, e);
    if (r == 0 && known && !l.remote_id && !g->cannot_list)
        r = find_by_mail(b, known, &login, e);
    if (r < 0 || first != (login != NULL) || (!login && g->unsure))
        return r;
    if (!login)
        return note_gone(g, &l, e);
    return drift_follow_rename(b, &l, login, &taken, e);
}

static int settle_all(struct gone_users *g, struct error *e)
{
    int r = 0;
    for (size_t i = 0; i < g->people.n_items && r == 0; i++)
        r = settle_one(g, g->people.items[i], g->before.items[i], true, e);
    g->has_strangers = listing_n_strangers(books_state(g->books));
    for (size_t i = 0; i < g->people.n_items && r == 0; i++)
        r = settle_one(g, g->people.items[i], g->before.items[i], false, e);
    string_list_done(&g->people);
    string_list_done(&g->before);
    return r;
}

static bool is_away(const struct tenant_answer *a)
{
    return a->class == TENANT_AWAY || a->class == TENANT_UNCLEAR || a->class == TENANT_THROTTLED ||
           (a->class == TENANT_NOT_AUTHORISED && a->concerns_all);
}

/* The tenant as a whole does not answer. */
static bool is_over(const struct gone_users *g, const struct tenant_answer *a)
{
    return is_away(a) && (a->concerns_all || health_state(g->health) != ENGINE_TENANT_OK);
}

static void read_again(struct gone_users *g);

/* Who has the login by now is for the next verification to tell; so is what became of whom the
 * tenant does not answer for. */
static void on_read_again(const struct tenant_answer *a, void *userdata)
{
    struct gone_users *g = userdata;
    struct tenant_call *call = TAKE(g->call);
    const struct tenant_ops *ops = books_options(g->books)->tenant_ops;
    if (a->class != TENANT_NOT_FOUND)
        free(TAKE(g->before.items[g->n_again]));
    g->n_again++;
    if (is_away(a) && !a->concerns_all && a->class != TENANT_THROTTLED)
        health_failed(g->health, a, g->login);
    if (is_over(g, a))
        g->done(a, NULL, g->userdata);
    else
        read_again(g);
    ops->call_free(call);
}

/* The others were read one after the other: what was not there before that may be there since.
 */
static void read_again(struct gone_users *g)
{
    const struct engine_options *o = books_options(g->books);
    struct error e = {0};
    int r = g->n_looked || g->late ? 0 : STATE_NONE;
    for (; r == 0 && g->n_again < g->people.n_items; g->n_again++) {
        CLEANUP(link_done) struct link l = {0};
        r = link_load(books_state(g->books), g->people.items[g->n_again], &l, &e);
        free(TAKE(g->login));
        g->login = TAKE(l.login);
        if (r == 0)
            r = o->tenant_ops->read(o->tenant, &g->call, by_login(g->login), on_read_again, g, &e);
        if (r == 0)
            return;
        r = r > 0 ? 0 : r; /* nobody is linked any more */
    }
    if (r >= 0)
        r = settle_all(g, &e);
    g->done(NULL, r < 0 ? &e : NULL, g->userdata);
}

static int learn(struct gone_users *g, const struct tenant_answer *a, struct error *e)
{
    struct books *b = g->books;
    const struct user *u = a->class == TENANT_DONE ? a->user : NULL;
    const char *mail = u ? user_get(u, USER_EMAIL) : NULL;
    CLEANUP(freep) char *key = text_fold(g->login, strlen(g->login));
    CLEANUP(freep) char *mail_key = text_fold(mail ? mail : "", mail ? strlen(mail) : 0);
    CLEANUP(freep) char *found = u ? user_to_json(u, false) : strdup("");
    struct string_list wanting = {0};
    g->n_looked++;
    int r = key && mail_key && found ? person_sharing_login(books_state(b), key, "", &wanting, e)
                                     : error_out_of_memory(e);
    for (size_t i = 0; i < wanting.n_items && r == 0; i++) /* it may have been asked for */
        r = person_mark_dirty(books_state(b), wanting.items[i], e);
    string_list_done(&wanting);
    if (r < 0)
        return r;
    return a->class == TENANT_NOT_FOUND
               ? listing_set_absent(books_state(b), key, e)
               : listing_set_found(books_state(b), g->login, key, mail_key, found, e);
}

/* Whom the tenant answers no look for keeps nobody else from being found; but who is not found
 * may be that one, until it was asked for often enough. */
static void pass_over(struct gone_users *g, const struct tenant_answer *a, bool *ret_is_known)
{
    bool counts = a->class != TENANT_THROTTLED || g->n_looked || g->is_served;
    unsigned n = vain_note(g->errors, g->login, counts);
    if (a->class != TENANT_THROTTLED)
        health_failed(g->health, a, g->login);
    *ret_is_known = n > VAIN_MOST;
    g->unsure |= !*ret_is_known;
}

static void on_looked(const struct tenant_answer *a, void *userdata)
{
    struct gone_users *g = userdata;
    struct tenant_call *call = TAKE(g->call);
    const struct tenant_ops *ops = books_options(g->books)->tenant_ops;
    struct error e = {0};
    bool is_known = true, over = is_over(g, a);
    if (is_away(a) && !over)
        pass_over(g, a, &is_known);
    else if (!over)
        vain_forget(g->errors, g->login);
    if (over)
        g->done(a, NULL, g->userdata);
    else if (is_known && learn(g, a, &e) < 0)
        g->done(NULL, &e, g->userdata);
    else
        look_at_next(g);
    ops->call_free(call);
}

/* One after the other, as the verification does. */
static void look_at_next(struct gone_users *g)
{
    struct books *b = g->books;
    struct string_list logins = {0};
    struct error e = {0};
    CLEANUP(freep)
    char *after = text_fold(g->login ? g->login : "", g->login ? strlen(g->login) : 0);
    int r =
        after ? listing_to_look_at(books_state(b), after, 1, &logins, &e) : error_out_of_memory(&e);
    free(TAKE(g->login));
    if (r == 0 && logins.n_items)
        r = (g->login = strdup(logins.items[0])) ? 0 : error_out_of_memory(&e);
    string_list_done(&logins);
    if (r == 0 && g->login)
        r = books_options(b)->tenant_ops->read(books_options(b)->tenant, &g->call,
                                               by_login(g->login), on_looked, g, &e);
    if (r < 0)
        g->done(NULL, &e, g->userdata);
    if (r < 0 || g->login)
        return;
    vain_next_round(g->errors);
    read_again(g);
}

static int take_listing(struct gone_users *g, const struct string_list *names, struct error *e)
{
    struct state *s = books_state(g->books);
    int r = listing_refresh_begin(s, e);
    for (size_t i = 0; i < names->n_items && r == 0; i++) {
        CLEANUP(freep) char *key = text_fold(names->items[i], strlen(names->items[i]));
        r = key ? listing_add(s, names->items[i], key, e) : error_out_of_memory(e);
    }
    return r;
}

static void on_listed(const struct tenant_answer *a, void *userdata)
{
    struct gone_users *g = userdata;
    struct tenant_call *call = TAKE(g->call);
    const struct tenant_ops *ops = books_options(g->books)->tenant_ops;
    struct error e = {0};
    if (is_away(a)) {
        g->done(a, NULL, g->userdata);
    } else if (a->class != TENANT_DONE || !a->names) {
        g->cannot_list = true;
        read_again(g);
    } else if (take_listing(g, a->names, &e) < 0) {
        g->done(NULL, &e, g->userdata);
    } else {
        look_at_next(g);
    }
    ops->call_free(call);
}

bool gone_settle(struct gone_users *g)
{
    struct books *b = g->books;
    struct error e = {0};
    if (!g->people.n_items)
        return false;
    if (!g->search) {
        read_again(g);
        return true;
    }
    int r = books_options(b)->tenant_ops->directory_list(books_options(b)->tenant, &g->call,
                                                         on_listed, g, &e);
    if (r < 0)
        books_failed(b, &e);
    return r == 0;
}
