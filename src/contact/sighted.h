/*
 * The names of roles and skills that users of the tenant were seen with whom nobody here claims.
 */
#pragma once

struct error;
struct state;
struct string_list;
struct user;

int sighted_add(struct string_list *names, const struct user *u); /* of a look; -ENOMEM */
/* Beside those of earlier looks, of which only what is new is looked at again. */
int sighted_store(struct state *s, const struct string_list *names, struct error *e);
/* One user who has all that was seen; nobody. */
int sighted_user(struct state *s, struct user **ret, struct error *e);
int sighted_forget(struct state *s, struct error *e); /* they are another tenant's */
