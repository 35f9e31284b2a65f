/*
 * The first contact: which users the tenant has already, what those look like that no link
 * claims, and the report that a person approves. It writes nothing to the tenant.
 */
#include "config.h"

#include "contact/contact.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log-ids.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "books/books.h"
#include "books/engine-types.h"
#include "contact/acquaintance.h"
#include "contact/health.h"
#include "contact/looks.h"
#include "contact/sighted.h"
#include "model/operation.h"
#include "state/listing.h"
#include "state/person.h"
#include "state/queue.h"
#include "state/state.h"

#define USERS_LISTED  "users-listed"
#define ASKED_FEW     20
#define ASKED_AT_ONCE 4

enum stage {
    STAGE_ASKING = 0, /* the tenant did not answer yet */
    /* Its users are listed: people may be evaluated, and users that no link claims are looked
     * at; nothing is written. */
    STAGE_LISTED = 1,
    STAGE_KNOWN = 2, /* operations may be carried out */
};

struct contact {
    struct books *books;
    struct health *health;
    enum stage stage;
    struct acquaintance *acquaintance; /* users who are known are looked for; or NULL */
    bool is_met;                       /* since the start: whose users the tenant shows is known */
    char other_tenant[900]; /* the state belongs to another tenant: a sentence; "": it does not */
    bool adoption_open;
    bool adoption_reported; /* everybody was looked at: the report is whole, and may be approved */
    bool asked;             /* somebody is to be looked for: see contact_ask() */
    struct looks looks;
    struct string_list sighted;
};

static void become_known(struct contact *c)
{
    c->stage = STAGE_KNOWN;
    books_note(c->books, WORK_GUARD);
    books_status_changed(c->books);
    books_wake(c->books, WORK_DUE);
}

static int finish_first_contact(struct contact *c, struct error *e)
{
    int r = state_meta_set(books_state(c->books), "first-contact-done", "1", e);
    c->adoption_open = false;
    alarm_over(c->books, REASON_ADOPTION);
    return r;
}

static void take_listing(struct contact *c, const struct tenant_answer *a)
{
    struct error e = {0};
    int r = 0;
    if (health_call_failed(c->health, a))
        return;
    if (a->class != TENANT_DONE || !a->names) {
        log_warning(
            "The tenant does not list its users (%s answered %d): existing ones are found when a "
            "login is taken",
            a->url, a->status);
        r = state_meta_set(books_state(c->books), USERS_LISTED, "0", &e);
        if (r < 0)
            books_failed(c->books, &e);
        become_known(c);
        return;
    }
    r = state_meta_set(books_state(c->books), USERS_LISTED, "1", &e);
    if (r == 0)
        r = listing_replace_begin(books_state(c->books), &e);
    for (size_t i = 0; i < a->names->n_items && r == 0; i++) {
        CLEANUP(freep) char *key = text_fold(a->names->items[i], strlen(a->names->items[i]));
        r = key ? listing_add(books_state(c->books), a->names->items[i], key, &e)
                : error_out_of_memory(&e);
    }
    if (r == 0 && !a->names->n_items) {
        r = c->other_tenant[0] ? 0 : finish_first_contact(c, &e);
        become_known(c);
    } else if (r == 0) {
        log_event(
            LOG_NOTICE, MSG_ADOPTION,
            "First contact: the tenant has %zu user%s already. None of them is changed until `rosterctl plan` has been looked at and approved",
            a->names->n_items, text_plural(a->names->n_items));
        c->stage = STAGE_LISTED;
        books_note(c->books, WORK_GUARD);
        r = person_mark_all_dirty(books_state(c->books), &e);
    }
    if (r < 0)
        books_failed(c->books, &e);
    books_wake(c->books, WORK_DUE);
}

static void on_listing(const struct tenant_answer *a, void *userdata)
{
    take_listing(userdata, a);
}

static int look_at_mails(struct contact *c, struct error *e);
static int look_for_asked(struct contact *c, struct error *e);

/* Whoever wants the login is looked at again. */
static int wake_wanting(struct contact *c, const char *login_key, struct error *e)
{
    struct string_list people = {0};
    int r = person_sharing_login(books_state(c->books), login_key, "", &people, e);
    for (size_t i = 0; i < people.n_items && r == 0; i++)
        r = person_mark_dirty(books_state(c->books), people.items[i], e);
    string_list_done(&people);
    books_wake(c->books, WORK_DUE);
    return r;
}

/* What is known now of whoever has that login. */
static int take_look(struct contact *c, const char *login, const struct tenant_answer *a,
                     struct error *e)
{
    CLEANUP(freep) char *login_key = text_fold(login, strlen(login));
    const struct user *u = a->class == TENANT_DONE ? a->user : NULL;
    const char *mail = u ? user_get(u, USER_EMAIL) : NULL;
    CLEANUP(freep) char *mail_key = text_fold(mail ? mail : "", mail ? strlen(mail) : 0);
    CLEANUP(freep) char *found = u ? user_to_json(u, false) : strdup("");
    int r = login_key && mail_key && found ? 0 : error_out_of_memory(e);
    if (r == 0 && c->looks.meets && u && sighted_add(&c->sighted, u) < 0)
        r = error_out_of_memory(e);
    if (r == 0 && a->class == TENANT_NOT_FOUND)
        r = listing_set_absent(books_state(c->books), login_key, e);
    else if (r == 0)
        r = listing_set_looked(books_state(c->books), login_key, mail_key, found, e);
    return r < 0 || c->looks.meets ? r : wake_wanting(c, login_key, e);
}

static void on_look(const char *login, const struct tenant_answer *a, enum look_outcome outcome,
                    void *userdata)
{
    struct contact *c = userdata;
    struct error e = {0};
    int r = 0;
    if (outcome == LOOK_OVER) { /* asked again when the tenant is back */
        c->asked = true;
        return;
    }
    if (outcome != LOOK_NOTHING)
        r = take_look(c, login, a, &e);
    if (r == 0)
        r = c->looks.meets ? look_at_mails(c, &e) : look_for_asked(c, &e);
    if (r < 0)
        books_failed(c->books, &e);
}

static bool may_ask(const struct contact *c)
{
    return books_options(c->books)->tenant && health_state(c->health) == ENGINE_TENANT_OK;
}

/* Keeps some calls in flight until every unclaimed user was looked at. */
static int look_at_mails(struct contact *c, struct error *e)
{
    size_t most = books_options(c->books)->max_concurrent;
    bool ended = false;
    int r = may_ask(c) ? looks_go_on(&c->looks, listing_to_look_at, most, 0, e) : 0;
    if (r == 0 && may_ask(c))
        r = looks_end_round(&c->looks, &ended, e);
    if (!ended)
        return r;
    c->looks.meets = c->looks.first_contact = false;
    r = sighted_store(books_state(c->books), &c->sighted, e);
    string_list_done(&c->sighted);
    if (r == 0)
        r = person_mark_all_dirty(books_state(c->books), e);
    become_known(c);
    return r;
}

/* A few at a time; where they are few, before whatever else waits for the tenant. */
static int look_for_asked(struct contact *c, struct error *e)
{
    bool ended;
    int r = may_ask(c) ? looks_go_on(&c->looks, listing_asked, ASKED_AT_ONCE, ASKED_FEW, e) : 0;
    return r == 0 && may_ask(c) ? looks_end_round(&c->looks, &ended, e) : r;
}

static bool may_look(const struct contact *c)
{
    return c->asked && c->stage == STAGE_KNOWN && !c->adoption_open && may_ask(c);
}

void contact_look(struct contact *c)
{
    struct error e = {0};
    if (!may_look(c))
        return;
    c->asked = c->looks.meets = false;
    if (look_for_asked(c, &e) < 0)
        books_failed(c->books, &e);
}

bool contact_is_looking(const struct contact *c)
{
    return c->looks.n || may_look(c);
}

bool contact_asks(const struct contact *c)
{
    return c->asked || c->looks.n;
}

int contact_ask(struct contact *c, const char *login, const char *login_key, bool *ret,
                struct error *e)
{
    int r = listing_ask(books_state(c->books), login, login_key, ret, e);
    if (r == 0 && *ret && !vain_waits(&c->looks.vain, login)) {
        c->asked = true;
        looks_from_the_start(&c->looks);
    }
    return r;
}

int contact_ask_again(struct contact *c, struct error *e)
{
    c->asked = true;
    looks_from_the_start(&c->looks);
    return listing_ask_again(books_state(c->books), e);
}

bool contact_lists_all(const struct contact *c)
{
    const struct engine_options *o = books_options(c->books);
    return !o->tenant_ops->parts(o->tenant)->has_pages &&
           state_meta_number(books_state(c->books), USERS_LISTED, 1);
}

struct waiting_people {
    size_t adoptions, newcomers;
};

static int count_waiting(const struct operation *o, void *userdata)
{
    struct waiting_people *w = userdata;
    w->adoptions += text_equal(o->reason, REASON_ADOPTION);
    w->newcomers += text_equal(o->reason, REASON_OTHER_TENANT);
    return 0;
}

/* Whoever came with a login that is listed is looked at before anybody hears of it. */
static int someone_to_look_at(struct contact *c, bool *ret, struct error *e)
{
    struct string_list logins = {0};
    int r = listing_to_look_at(books_state(c->books), "", 1, &logins, e);
    *ret = logins.n_items > 0;
    string_list_done(&logins);
    return r;
}

/* All were shown and approved, if not at once. */
static bool is_approved(const struct contact *c, const struct waiting_people *w)
{
    return !w->adoptions && !w->newcomers &&
           state_meta_number(books_state(c->books), CONTACT_APPROVED, 0) != 0;
}

static int report_adoptions(struct contact *c, struct error *e)
{
    struct waiting_people waiting = {0};
    int r = queue_each(books_state(c->books), OPERATION_PARKED, count_waiting, &waiting, e);
    size_t n_adoptions = waiting.adoptions;
    if (r < 0)
        return r;
    c->adoption_reported = true;
    if (c->other_tenant[0] && is_approved(c, &waiting))
        return contact_accept(c, e);
    if (c->other_tenant[0])
        alarm_set(c->books, REASON_OTHER_TENANT, REASON_OTHER_TENANT, c->other_tenant);
    if (n_adoptions == 0 && c->other_tenant[0]) {
        alarm_over(c->books, REASON_ADOPTION);
        return 0;
    }
    if (n_adoptions == 0) /* nothing to adopt: the users there are nobody's here */
        return finish_first_contact(c, e);
    char sentence[300];
    snprintf(
        sentence, sizeof(sentence),
        "first contact: %zu user%s of the tenant would be adopted; look at `rosterctl plan`, then "
        "`rosterctl approve HASH`",
        n_adoptions, text_plural(n_adoptions));
    alarm_set(c->books, REASON_ADOPTION, REASON_ADOPTION, sentence);
    return 0;
}

void contact_evaluated(struct contact *c)
{
    struct error e = {0};
    bool look = c->stage == STAGE_LISTED;
    int r = 0;
    c->adoption_reported = false;
    if (health_state(c->health) == ENGINE_TENANT_OK && c->stage == STAGE_KNOWN && c->adoption_open)
        r = someone_to_look_at(c, &look, &e);
    if (r == 0 && look && health_state(c->health) == ENGINE_TENANT_OK) {
        if (!c->looks.meets)
            looks_from_the_start(&c->looks);
        c->looks.meets = true;
        c->looks.first_contact = c->stage == STAGE_LISTED;
        r = look_at_mails(c, &e);
    } else if (r == 0 && c->stage == STAGE_KNOWN && c->adoption_open &&
               (c->other_tenant[0] || listing_count(books_state(c->books)))) {
        r = report_adoptions(c, &e);
    }
    if (r < 0)
        books_failed(c->books, &e);
}

static void on_met(enum acquaintance_answer answer, void *userdata)
{
    struct contact *c = userdata;
    struct error e = {0};
    c->acquaintance = acquaintance_free(c->acquaintance);
    books_wake(c->books, WORK_DUE);
    if (answer == ACQUAINTANCE_PUT_OFF || answer == ACQUAINTANCE_FAILED)
        return;
    int r = answer == ACQUAINTANCE_OURS ? belonging_proven(c->books, &e)
                                        : belonging_refuted(c->books, &e);
    if (r == 0)
        r = contact_check_tenant(c, &e);
    if (r < 0) {
        books_failed(c->books, &e);
        return;
    }
    c->is_met = true;
    books_note(c->books, WORK_COMMIT);
    contact_tenant_answers(c);
}

/* True: it is known whose users the tenant shows; else that is being asked. */
static int meet(struct contact *c, bool *ret, struct error *e)
{
    const struct engine_options *o = books_options(c->books);
    bool aside = false;
    if (c->acquaintance)
        return 0;
    *ret = !o->tenant_ops->parts(o->tenant)->token_alone;
    int r = *ret ? 0 : belonging_is_aside(c->books, &aside, e);
    if (r < 0 || *ret)
        return r;
    r = acquaintance_start(&c->acquaintance, c->books, c->health, aside, on_met, c, e);
    *ret = r == ACQUAINTANCE_NONE;
    return r < 0 ? r : 0;
}

void contact_tenant_answers(struct contact *c)
{
    struct error e = {0};
    if (!health_looks_wait(c->health)) {
        looks_again(&c->looks);
        c->asked = true;
    }
    if (c->stage != STAGE_ASKING) {
        books_note(c->books, WORK_GUARD); /* contact_evaluated() */
        books_wake(c->books, WORK_DUE);
        return;
    }
    bool may_meet = !c->is_met && !health_looks_wait(c->health);
    if (may_meet && meet(c, &c->is_met, &e) < 0)
        books_failed(c->books, &e);
    else if (!c->is_met || health_is_asking(c->health)) /* and comes back here */
        return;
    else if (!c->adoption_open)
        become_known(c);
    else if (health_ask_users(c->health, on_listing, c, &e) < 0)
        log_error("The tenant's users cannot be asked for: %s", e.message);
}

int contact_check_tenant(struct contact *c, struct error *e)
{
    int r = belonging_check(c->books, c->other_tenant, sizeof(c->other_tenant), e);
    c->adoption_open = state_meta_number(books_state(c->books), "first-contact-done", 0) == 0;
    return r;
}

int contact_accept_later(struct contact *c, struct error *e)
{
    return c->other_tenant[0] ? state_meta_set(books_state(c->books), CONTACT_APPROVED, "1", e) : 0;
}

int contact_accept(struct contact *c, struct error *e)
{
    bool look = true;
    if (!c->adoption_open)
        return 0;
    int r = c->stage == STAGE_KNOWN ? someone_to_look_at(c, &look, e) : 0;
    if (r < 0 || look) /* who came since the report is in none yet */
        return r < 0 ? r : contact_accept_later(c, e);
    r = finish_first_contact(c, e);
    if (r < 0 || !c->other_tenant[0])
        return r;
    c->other_tenant[0] = '\0';
    return belonging_accept(c->books, e);
}

bool contact_is_listed(const struct contact *c)
{
    return c->stage >= STAGE_LISTED;
}

bool contact_is_known(const struct contact *c)
{
    return c->stage == STAGE_KNOWN;
}

bool contact_adoption_open(const struct contact *c)
{
    return c->adoption_open;
}

bool contact_adoption_reported(const struct contact *c)
{
    return c->adoption_reported;
}

const char *contact_other_tenant(const struct contact *c)
{
    return c->other_tenant[0] ? c->other_tenant : NULL;
}

int contact_new(struct contact **ret, struct books *b, struct health *h, struct error *e)
{
    struct contact *c = calloc(1, sizeof(*c));
    if (!c)
        return error_out_of_memory(e);
    *c = (struct contact){.books = b, .health = h};
    c->looks = (struct looks){.books = b, .health = h, .done = on_look, .userdata = c};
    c->adoption_open = state_meta_number(books_state(b), "first-contact-done", 0) == 0;
    c->asked = true; /* by whoever ran before */
    *ret = c;
    return 0;
}

void contact_cancel(struct contact *c)
{
    c->acquaintance = acquaintance_free(c->acquaintance);
    looks_cancel(&c->looks);
}

struct contact *contact_free(struct contact *c)
{
    if (!c)
        return NULL;
    contact_cancel(c);
    looks_done(&c->looks);
    string_list_done(&c->sighted);
    free(c);
    return NULL;
}
