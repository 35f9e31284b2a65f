/*
 * Promise 23: a first password that was set is the one that was handed on, in the end, whatever the
 * command does that hands it on.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct person;

void commands_begin(void);
/* Since when somebody's password cannot be handed on, as it was tried; 0: all were. */
uint64_t commands_failing_usec(void);
void commands_forget(void); /* who started them is gone, and with them what it waited at */
/* For so long commands fail, hang, or hang and cannot even be killed; NULL: they do their work. */
void commands_trouble(const char *name, uint64_t seconds);
/* Whether a request gives a password to somebody. */
bool commands_tells_password(const char *body, size_t size);
/* A request that the tenant has carried out, about somebody. */
void commands_password(struct person *p, const char *body, size_t size);
/* Whoever is expected to know their password does. */
void commands_check(const struct person *p);
