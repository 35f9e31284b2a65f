/* The tenant's directory listing as last fetched: for first contact and the verification sweep. A
 * login that is listed, what a look at its user gave, and who was asked for and is not there. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct error;
struct state;
struct string_list;

int listing_replace_begin(struct state *s, struct error *e);
/* Another listing of the same tenant: what was learnt of those that are listed again stays. */
int listing_refresh_begin(struct state *s, struct error *e);
int listing_clear(struct state *s, struct error *e);
int listing_add(struct state *s, const char *login, const char *login_key, struct error *e);
/* Of those that no link claims, what a look at the user gave: fn(login, user as JSON). */
int listing_each_found(struct state *s,
                       int (*fn)(const char *login, const char *found, void *userdata),
                       void *userdata, struct error *e);
/* Logins that exist there and no link claims. */
int listing_unclaimed(struct state *s, int (*fn)(const char *login, void *userdata), void *userdata,
                      struct error *e);
/* The login as the tenant spells it, malloc'd, or STATE_NONE. */
int listing_find(struct state *s, const char *login_key, char **ret, struct error *e);
int listing_remove(struct state *s, const char *login_key, struct error *e);
/* The same of a user that was asked for and is not there: not asked for again. */
int listing_set_absent(struct state *s, const char *login_key, struct error *e);
/* Whether a user of that login is there is to be asked. *ret_asked false: it was, and is not. */
int listing_ask(struct state *s, const char *login, const char *login_key, bool *ret_asked,
                struct error *e);
int listing_ask_again(struct state *s, struct error *e); /* of all who were not there */
/* Those that come after a key, by their keys; at most limit. */
int listing_asked(struct state *s, const char *after, size_t limit, struct string_list *ret,
                  struct error *e);
/* The login of a user with this mail that no link claims, malloc'd, or STATE_NONE. */
int listing_find_mail(struct state *s, const char *mail_key, char **ret, struct error *e);
/* Likewise logins that no link claims and that were not looked at yet, for their mail or, where
 * a person wants the login, for all that an adoption would meet. */
int listing_to_look_at(struct state *s, const char *after, size_t limit, struct string_list *ret,
                       struct error *e);
/* Somebody whom a look has shown, malloc'd, or STATE_NONE. */
int listing_shown(struct state *s, char **ret, struct error *e);
/* What a look gave: the user as JSON is kept only when a person wants the login; "" when it
 * could not be read. */
int listing_set_looked(struct state *s, const char *login_key, const char *mail_key,
                       const char *found, struct error *e);
/* A user that was found there later. */
int listing_set_found(struct state *s, const char *login, const char *login_key,
                      const char *mail_key, const char *found, struct error *e);
/* The user as it was found, malloc'd, "" when it could not be read; or STATE_NONE: not looked at. */
int listing_found(struct state *s, const char *login_key, char **ret, struct error *e);
size_t listing_count(struct state *s);
/* Who came since the first contact, and is nobody's here. */
size_t listing_n_strangers(struct state *s);
