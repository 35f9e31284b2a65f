#include "config.h"

#include "contact/looks.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "books/books.h"
#include "books/engine-types.h"
#include "contact/health.h"
#include "state/listing.h"

#define ROUNDS_MOST 10 /* of one that is answered for by errors alone */

struct look {
    struct looks *looks;
    struct look *next;
    struct tenant_call *call;
    char *login;
};

static void leave(struct look *k)
{
    for (struct look **p = &k->looks->first; *p; p = &(*p)->next)
        if (*p == k) {
            *p = k->next;
            k->looks->n--;
            return;
        }
}

static void look_free(struct look *k)
{
    if (k->call)
        books_options(k->looks->books)->tenant_ops->call_free(k->call);
    free(k->login);
    free(k);
}

/* The tenant is there, or shows soon that it is not. What it throttles, once others are
 * answered for, is one user's as well. */
static bool is_in_vain(const struct looks *l, const struct tenant_answer *a)
{
    bool fails =
        a->class == TENANT_AWAY || a->class == TENANT_UNCLEAR || a->class == TENANT_NOT_AUTHORISED;
    return (fails || a->class == TENANT_THROTTLED) && !a->concerns_all &&
           health_state(l->health) == ENGINE_TENANT_OK;
}

/* Who is looked for is so for as long as the tenant throttles that; what is unclear of one is
 * that one's. */
static bool is_unreadable(struct looks *l, const char *login, const struct tenant_answer *a)
{
    bool throttled = a->class == TENANT_THROTTLED, counts = !throttled || l->is_witnessed;
    unsigned n = vain_note(&l->vain, login, counts);
    l->wants_witness |= throttled && l->meets;
    if ((n <= ROUNDS_MOST || (throttled && !l->meets)) && (a->class != TENANT_UNCLEAR || l->meets))
        return false;
    log_warning("The tenant does not tell what its user %s looks like: %s answered %d", login,
                a->url, a->status);
    vain_forget(&l->vain, login);
    return true;
}

static enum look_outcome judge(struct looks *l, const char *login, const struct tenant_answer *a)
{
    bool in_vain = is_in_vain(l, a), witness = text_equal(login, l->witness);
    if (witness)
        free(TAKE(l->witness));
    if (!in_vain && health_call_failed(l->health, a)) {
        looks_from_the_start(l);
        return LOOK_OVER;
    }
    l->is_witnessed |= !in_vain;
    if (in_vain && !witness && is_unreadable(l, login, a))
        return LOOK_UNREADABLE;
    if (in_vain)
        health_put_off(l->health, a, login, l->first_contact);
    else
        vain_forget(&l->vain, login);
    return in_vain || witness ? LOOK_NOTHING : LOOK_SHOWN;
}

static void on_read(const struct tenant_answer *a, void *userdata)
{
    struct look *k = userdata;
    struct looks *l = k->looks;
    leave(k);
    l->done(k->login, a, judge(l, k->login, a), l->userdata);
    look_free(k);
}

int looks_begin(struct looks *l, const char *login, bool hurry, struct error *e)
{
    const struct engine_options *o = books_options(l->books);
    for (const struct look *k = l->first; k; k = k->next)
        if (text_equal(k->login, login))
            return 0;
    struct look *k = calloc(1, sizeof(*k));
    if (!k)
        return error_out_of_memory(e);
    *k = (struct look){.looks = l, .next = l->first, .login = strdup(login)};
    l->first = k;
    l->n++;
    int r = k->login ? o->tenant_ops->read(o->tenant, &k->call, by_login(k->login), on_read, k, e)
                     : error_out_of_memory(e);
    if (r < 0) {
        leave(k);
        look_free(k);
    } else if (hurry) {
        o->tenant_ops->call_hurry(k->call);
    }
    return r;
}

/* *ret_full: not all of them, since enough are under way. */
static int begin_some(struct looks *l, const struct string_list *logins, size_t most, bool hurry,
                      bool *ret_full, struct error *e)
{
    int r = 0;
    *ret_full = false;
    for (size_t i = 0; i < logins->n_items && r == 0 && !*ret_full; i++) {
        *ret_full = l->n >= most;
        if (*ret_full)
            break;
        free(l->after);
        l->after = text_fold(logins->items[i], strlen(logins->items[i]));
        if (!l->after)
            r = error_out_of_memory(e);
        else if (!vain_waits(&l->vain, logins->items[i]))
            r = looks_begin(l, logins->items[i], hurry, e);
    }
    return r;
}

int looks_go_on(struct looks *l, looks_next_fn *next, size_t most, size_t few, struct error *e)
{
    size_t limit = (few > most ? few : most) + 1;
    bool full = false, last = false;
    int r = 0;
    while (r == 0 && !full && !last) {
        CLEANUP(string_list_done) struct string_list logins = {0};
        r = next(books_state(l->books), l->after ? l->after : "", limit, &logins, e);
        last = logins.n_items < limit;
        if (r == 0)
            r = begin_some(l, &logins, most, logins.n_items <= few, &full, e);
    }
    return r;
}

void looks_from_the_start(struct looks *l)
{
    free(TAKE(l->after));
}

void looks_again(struct looks *l)
{
    looks_from_the_start(l);
    vain_again(&l->vain);
}

static int look_at_witness(struct looks *l, struct error *e)
{
    l->wants_witness = l->is_witnessed = false;
    free(TAKE(l->witness));
    int r = listing_shown(books_state(l->books), &l->witness, e);
    return r == 0 ? looks_begin(l, l->witness, false, e) : r < 0 ? r : 0;
}

int looks_end_round(struct looks *l, bool *ret, struct error *e)
{
    int r = !l->n && l->wants_witness ? look_at_witness(l, e) : 0;
    *ret = r == 0 && !l->n && !vain_end_round(&l->vain);
    if (*ret)
        health_looked(l->health);
    return r;
}

void looks_cancel(struct looks *l)
{
    while (l->first) {
        struct look *k = l->first;
        leave(k);
        look_free(k);
    }
}

void looks_done(struct looks *l)
{
    looks_cancel(l);
    looks_from_the_start(l);
    vain_done(&l->vain);
    free(TAKE(l->witness));
}
