/*
 * The first contact with a tenant: whose users the state holds, which users it has already, and
 * whether a person approved that they are adopted. It writes nothing to the tenant.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct books;
struct contact;
struct error;
struct health;

int contact_new(struct contact **ret, struct books *b, struct health *h, struct error *e);
struct contact *contact_free(struct contact *c);
void contact_cancel(struct contact *c);
/* Before anything is settled or read: does the state belong to the configured tenant? */
int contact_check_tenant(struct contact *c, struct error *e);
void contact_tenant_answers(struct contact *c); /* health has an answer: it may begin */
/* Everybody was evaluated: look at users that no link claims. */
void contact_evaluated(struct contact *c);
/* The access of whoever has this login is to end, and no user is known: is there one? It is asked;
 * *ret false: there is none. Until a person approves the first contact nothing more comes of it. */
int contact_ask(struct contact *c, const char *login, const char *login_key, bool *ret,
                struct error *e);
int contact_ask_again(struct contact *c, struct error *e); /* of all who were not there */
bool contact_asks(const struct contact *c);       /* for somebody, now or as soon as it may */
void contact_look(struct contact *c);             /* for those who are asked for */
bool contact_is_looking(const struct contact *c); /* and does not know yet */
/* Lists of users say all: false where the tenant gives none, or gives them in pages. */
bool contact_lists_all(const struct contact *c);
int contact_accept(struct contact *c, struct error *e); /* a person approved the plan */
/* Likewise, but somebody was not shown yet: with another tenant it is over when nobody waits any
 * more, since then there is no plan that could be approved. */
int contact_accept_later(struct contact *c, struct error *e);
#define CONTACT_APPROVED "first-contact-approved"

bool contact_is_listed(const struct contact *c); /* people may be evaluated */
bool contact_is_known(const struct contact *c);  /* operations may be carried out */
bool contact_adoption_open(const struct contact *c);
bool contact_adoption_reported(
    const struct contact *c); /* the report is whole: it may be approved */
/* The state belongs to another tenant: a sentence; NULL: it does not. */
const char *contact_other_tenant(const struct contact *c);

/* belonging.c: the part of contact_check_tenant() that reads and writes the state. ret_other: the
 * sentence, or "". */
int belonging_check(struct books *b, char *ret_other, size_t size, struct error *e);
/* Where the token alone says whose users are shown: those of the state were set aside, since they
 * are not there. */
int belonging_is_aside(struct books *b, bool *ret, struct error *e);
/* One of them is there, or none is. */
int belonging_proven(struct books *b, struct error *e);
int belonging_refuted(struct books *b, struct error *e);
int belonging_accept(struct books *b, struct error *e);
