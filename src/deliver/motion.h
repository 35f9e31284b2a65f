/*
 * Is somebody in motion? What the tenant shows of such a user says nothing of what others did
 * there.
 */
#pragma once
#include <stdbool.h>

struct error;
struct link;
struct operation_list;
struct state;

/* busy: all that is queued for the person. */
bool motion_is(const struct link *l, const struct operation_list *busy);
/* 1: an operation of that person is carried out, which stores the link anew at its end; 0. */
int motion_is_under_way(struct state *s, const char *entry_id, struct error *e);
/* The tenant's own id, into the link of whom no such operation would take it from. */
int motion_learn_id(struct state *s, const char *entry_id, const char *login, const char *id,
                    struct error *e);
