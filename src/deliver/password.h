/*
 * First passwords: made with the user, handed to the password_command, and set anew until that
 * has worked. See password.c.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct books;
struct error;
struct operation;
struct passwords;
struct secret;

/* All borrowed. */
int passwords_new(struct passwords **ret, struct books *b, struct error *e);
struct passwords *passwords_free(struct passwords *w);
void passwords_close(struct passwords *w); /* none begins any more */

bool passwords_are_handed_on(const struct passwords *w); /* one is made, and there is a command */
bool passwords_are_busy(const struct passwords *w);
/* The user was made: its password goes to the command; until that has worked it is due. secret
 * NULL: it was lost with an answer. */
int passwords_hand_on(struct passwords *w, const struct operation *o, const struct secret *secret,
                      struct error *e);
/* The next one that is due. */
int passwords_turn(struct passwords *w, bool may_send, struct error *e);
void passwords_start_committed(struct passwords *w);
uint64_t passwords_due_usec(const struct passwords *w); /* 0: none, or nothing can be done */
