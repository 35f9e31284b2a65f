/*
 * The conductor, for its own files: engine.c (its life), turn.c (its work), operator.c (a
 * person's words) and configuration.c. The owners know nothing of it.
 */
#pragma once
#include <systemd/sd-event.h>

#include "books/books.h"
#include "contact/contact.h"
#include "contact/health.h"
#include "deliver/delivery.h"
#include "deliver/password.h"
#include "deliver/sweep.h"
#include "intake/reading.h"
#include "intake/rules.h"
#include "judge/gate.h"
#include "judge/judge.h"
#include "sync/engine.h"

struct listener {
    void (*fn)(void *userdata);
    void *userdata;
};

enum end_of_engine {
    RUNNING = 0,
    STOPPING = 1,
    STOP_NOTED = 2, /* it is on record */
};

struct engine {
    struct engine_options options;
    struct commands *commands;
    struct books *books;
    struct health *health;
    struct contact *contact;
    struct gate *gate;
    struct rules *rules;
    struct reading *reading;
    struct judge *judge;
    struct sweep *sweep;
    struct passwords *passwords;
    struct delivery *delivery;

    sd_event_source *turn_source; /* deferred: the next turn */
    sd_event_source *timer;       /* the next thing that becomes due … */
    uint64_t due_usec;            /* … and when that is */
    uint64_t looked_usec;         /* when the queue was last asked for what is due */
    uint64_t n_turns;             /* since the start */
    enum end_of_engine stopping;
    struct listener idle, status, stopped;
};

/* turn.c */
int turn_start(struct engine *n, sd_event *event, struct error *e);
void turn_wake(void *userdata); /* a turn soon; userdata is the engine */
/* When the next thing becomes due, as far as it is known by now; 0: nothing will. */
uint64_t turn_due_usec(const struct engine *n, uint64_t now);
/* The gate, the tenant and what is known of it allow it. */
bool turn_may_send(const struct engine *n);

/* operator.c */
gate_accept_fn engine_accept; /* userdata is the engine */
/* What is known of the tenant may be what waits for that cause (or NULL). */
void operator_ask_anew(struct engine *n, const char *cause);

/* configuration.c */
/* Another configuration than the one that the plan was made with: everybody is looked at again
 * if it decides otherwise, but for its rules (rules_renew() does that), and whoever the tenant
 * refused is tried again. */
int configuration_take(struct engine *n, bool reloaded, struct error *e);
int configuration_load(struct engine *n, struct error *e); /* … on record; without a commit */
/* "start" or "stop": when rosterd ran, and when it did not and so did nothing to anybody. */
int configuration_note_life(struct engine *n, const char *event, struct error *e);
