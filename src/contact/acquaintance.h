/*
 * Whose users a tenant shows, where nothing but the token says so (struct parts, token_alone): some
 * users whom the state knows are read by their ids. One who is there, with the login or our id
 * that is known, shows that it is the state's tenant; that none of many is, that it is another.
 * It writes nothing.
 */
#pragma once
#include <stdbool.h>

struct acquaintance;
struct books;
struct error;
struct health;

enum acquaintance_answer {
    ACQUAINTANCE_OURS = 1,      /* somebody who is known is there */
    ACQUAINTANCE_STRANGERS = 2, /* nobody of those who were read is there */
    ACQUAINTANCE_PUT_OFF = 3,   /* no answer, which says nothing: health was told, and asks again */
    ACQUAINTANCE_FAILED = 4,    /* the state could not be read: books were told */
};
/* Once, from the loop; it may free the acquaintance. */
typedef void (*acquaintance_fn)(enum acquaintance_answer answer, void *userdata);

/* aside: of those who were set aside. 0, or ACQUAINTANCE_NONE: nobody can be asked for. */
#define ACQUAINTANCE_NONE 1
int acquaintance_start(struct acquaintance **ret, struct books *b, struct health *h, bool aside,
                       acquaintance_fn done, void *userdata, struct error *e);
struct acquaintance *acquaintance_free(struct acquaintance *a); /* cancels */
