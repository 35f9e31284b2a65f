/*
 * Known users are read one after the other, from somewhere in the order of their ids on, until
 * one is there. Whoever is active is read first; where nobody is, whoever is disabled. What is
 * neither a user nor that there is none says nothing, and another one is read: who cannot be
 * read keeps nobody waiting while anybody else can.
 */
#include "config.h"

#include "contact/acquaintance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/text.h"
#include "books/books.h"
#include "books/engine-types.h"
#include "contact/health.h"
#include "state/link.h"
#include "state/state.h"

/* Somebody may have deleted a few of them there by hand. */
#define READ_MOST 20
/* Who is not answered for; the next time begins somewhere else. */
#define UNREAD_MOST 5

struct acquaintance {
    struct books *books;
    struct health *health;
    bool aside;
    acquaintance_fn done;
    void *userdata;
    struct tenant_call *call;
    enum link_status status; /* of those who are read */
    char from[40];           /* an entry id, of nobody: the first is the one after it */
    bool from_top;           /* the end was reached, and it went on at the beginning */
    char *first;             /* the first who was read */
    struct link link;        /* who is read now */
    bool read_again;         /* since the first time there was no answer */
    size_t n_absent, n_unread;
    struct tenant_answer unread; /* the last of these, without what it borrows */
};

static void begin_somewhere(struct acquaintance *a, enum link_status status)
{
    unsigned long long high = random_number(), low = random_number();
    a->status = status;
    a->from_top = false;
    snprintf(a->from, sizeof(a->from), "%08llx-%04llx-%04llx-%04llx-%012llx", high >> 32,
             (high >> 16) & 0xffff, high & 0xffff, low >> 48, low & 0xffffffffffff);
}

static int load_after(struct acquaintance *a, const char *entry_id, struct error *e)
{
    struct link l = {0};
    int r = link_next_known(books_state(a->books), a->aside, a->status, entry_id, &l, e);
    if (r != 0)
        return r;
    link_done(&a->link);
    a->link = l;
    return 0;
}

/* 0, or STATE_NONE: everybody of that status was read. */
static int next_of_status(struct acquaintance *a, struct error *e)
{
    const char *before = a->link.entry_id ? a->link.entry_id : a->from;
    int r = load_after(a, before, e);
    if (r == STATE_NONE && !a->from_top) {
        a->from_top = true;
        r = load_after(a, "", e);
    }
    if (r != 0)
        return r;
    if (text_equal(a->link.entry_id, a->first))
        return STATE_NONE;
    if (!a->first && !(a->first = strdup(a->link.entry_id)))
        return error_out_of_memory(e);
    return 0;
}

static int next(struct acquaintance *a, struct error *e)
{
    int r = next_of_status(a, e);
    if (r == STATE_NONE && !a->first && a->status == LINK_ACTIVE) {
        begin_somewhere(a, LINK_DISABLED);
        r = next_of_status(a, e);
    }
    return r;
}

static void on_user(const struct tenant_answer *answer, void *userdata);

static int ask(struct acquaintance *a, struct error *e)
{
    const struct engine_options *o = books_options(a->books);
    return o->tenant_ops->read(o->tenant, &a->call, by_id(a->link.remote_id), on_user, a, e);
}

/* An id may be a number, which another organisation has given to somebody else. */
static bool is_known(const struct acquaintance *a, const struct tenant_answer *answer)
{
    return text_equal_fold(user_get(answer->user, USER_LOGIN), a->link.login) ||
           text_equal(answer->our_id, a->link.entry_id);
}

/* Who is next; at the end, what is known. */
static int go_on(struct acquaintance *a, enum acquaintance_answer *ret, struct error *e)
{
    int r = a->n_absent < READ_MOST && a->n_unread < UNREAD_MOST ? next(a, e) : STATE_NONE;
    if (r != STATE_NONE)
        return r;
    *ret = a->n_absent == READ_MOST || !a->n_unread ? ACQUAINTANCE_STRANGERS : ACQUAINTANCE_PUT_OFF;
    return 0;
}

/* That nobody can be read is no outage while the tenant answers what concerns nobody in
 * particular, which is asked: another look is made later, after a wait that grows. */
static void tell_health(struct acquaintance *a, enum acquaintance_answer known)
{
    if (known == ACQUAINTANCE_PUT_OFF)
        health_put_off(a->health, &a->unread, a->link.entry_id, true);
    else
        health_looked(a->health);
}

static void note_unread(struct acquaintance *a, const struct tenant_answer *answer)
{
    a->n_unread++;
    a->unread = *answer;
    a->unread.user = NULL;
    a->unread.version = a->unread.our_id = a->unread.id = NULL;
    a->unread.names = NULL;
}

/* What is known by now; 0: another one is read. */
static enum acquaintance_answer take(struct acquaintance *a, const struct tenant_answer *answer)
{
    bool is_user = answer->class == TENANT_DONE && answer->user;
    bool absent = is_user || answer->class == TENANT_NOT_FOUND;
    bool again = !answer->status && !absent && !a->read_again; /* a connection may end so, once */
    enum acquaintance_answer known = 0;
    struct error e = {0};
    int r = 0;
    if (answer->concerns_all || (!absent && health_state(a->health) != ENGINE_TENANT_OK)) {
        health_failed(a->health, answer, NULL);
        return ACQUAINTANCE_PUT_OFF;
    }
    if (is_user && is_known(a, answer)) {
        tell_health(a, ACQUAINTANCE_OURS);
        return ACQUAINTANCE_OURS;
    }
    a->read_again = again;
    a->n_absent += absent;
    if (!absent && !again)
        note_unread(a, answer);
    if (!again)
        r = go_on(a, &known, &e);
    if (r == 0 && !known)
        r = ask(a, &e);
    if (r == 0 && known)
        tell_health(a, known);
    if (r == 0)
        return known;
    books_failed(a->books, &e);
    return ACQUAINTANCE_FAILED;
}

static void on_user(const struct tenant_answer *answer, void *userdata)
{
    struct acquaintance *a = userdata;
    const struct tenant_ops *ops = books_options(a->books)->tenant_ops;
    struct tenant_call *call = TAKE(a->call);
    enum acquaintance_answer known = take(a, answer);
    if (known)
        a->done(known, a->userdata);
    ops->call_free(call);
}

int acquaintance_start(struct acquaintance **ret, struct books *b, struct health *h, bool aside,
                       acquaintance_fn done, void *userdata, struct error *e)
{
    struct acquaintance *a = calloc(1, sizeof(*a));
    if (!a)
        return error_out_of_memory(e);
    *a = (struct acquaintance){
        .books = b, .health = h, .aside = aside, .done = done, .userdata = userdata};
    begin_somewhere(a, LINK_ACTIVE);
    int r = next(a, e);
    bool nobody = r == STATE_NONE;
    if (r == 0)
        r = ask(a, e);
    if (r != 0) {
        acquaintance_free(a);
        return nobody ? ACQUAINTANCE_NONE : r;
    }
    *ret = a;
    return 0;
}

struct acquaintance *acquaintance_free(struct acquaintance *a)
{
    if (!a)
        return NULL;
    if (a->call)
        books_options(a->books)->tenant_ops->call_free(a->call);
    link_done(&a->link);
    free(a->first);
    free(a);
    return NULL;
}
