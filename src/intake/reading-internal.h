/*
 * What the files of reading share: reading.c, intake.c (the sink) and vanish.c.
 */
#pragma once
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "books/books.h"
#include "books/engine-types.h"
#include "intake/reading.h"
#include "intake/rules.h"
#include "mapping/ruleset.h"
#include "model/operation.h"
#include "state/mirror.h"
#include "state/state.h"

struct reading {
    struct books *books;
    struct rules *rules;
    struct state *state;
    const struct engine_options *options;
    void (*changed)(void *userdata);
    void *userdata;
    unsigned under_way; /* bit per search: people wait for its end */
    unsigned unproven;  /* bit per search: its last whole read was not proven */
    bool has_ended;
    bool is_away; /* since the last read */
    /* How long the machine had slept since its boot when the last read began, the present one,
     * and when that it sleeps was told. */
    uint64_t asleep_usec, asleep_then_usec, asleep_told_usec;
    void (*slept)(void *userdata);
    void *slept_userdata;
    unsigned batch_search;
    struct string_list bases; /* of the searches: keys of their DNs */
    size_t batch_people;
    struct string_list revocations;
    /* vanish.c */
    size_t people_unlooked; /* entries of people that came since the last look */
    size_t people_looked;   /* people in the mirror at that look */
    char vanished[4096];    /* names, comma separated with a leading and a trailing comma */
    char unread[4096];      /* likewise: those that a read in part did not show of everybody */
};

/* vanish.c: after a whole read, and when it is due. */
int vanish_look(struct reading *g, bool whole, struct error *e);
bool vanish_is_due(const struct reading *g);
int vanish_end(struct reading *g, struct error *e); /* a read has ended, whole or not */

/* unread.c: of the attributes that the rules name, those of which nobody knows for everybody. */
int unread_names(const struct reading *g, struct string_list *ret, struct error *e); /* appended */
/* Likewise; ret_fewer: some may be known by now. */
int unread_end(struct reading *g, bool *ret_fewer, struct error *e);
int unread_accept(struct reading *g, struct error *e); /* whoever lacks one has none */
