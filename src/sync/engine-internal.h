/*
 * What the files of the engine share. Nothing outside src/sync includes it.
 */
#pragma once
#include <errno.h>
#include <systemd/sd-event.h>

#include "audit/audit.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/secret.h"
#include "base/text.h"
#include "mapping/ruleset.h"
#include "model/operation.h"
#include "model/schema.h"
#include "model/user.h"
#include "state/link.h"
#include "state/mirror.h"
#include "state/person.h"
#include "state/queue.h"
#include "state/state.h"
#include "sync/books.h"
#include "sync/contact.h"
#include "sync/delivery.h"
#include "sync/engine.h"
#include "sync/gate.h"
#include "sync/health.h"
#include "sync/judge.h"
#include "sync/password.h"
#include "sync/reading.h"
#include "sync/rules.h"
#include "sync/sweep.h"

struct engine {
    sd_event *event;
    sd_event_source *turn_source; /* deferred: the next turn */
    sd_event_source *timer;       /* the next thing that becomes due */
    struct state *state;
    struct books *books;
    struct health *health;
    struct contact *contact;
    struct gate *gate;
    struct rules *rules;
    struct reading *reading;
    struct judge *judge;
    struct passwords *passwords;
    struct delivery *delivery;
    struct commands *commands;
    struct engine_options options;
    uint64_t n_turns; /* since the start */

    /* run */
    uint64_t looked_usec;  /* when the queue was last asked for what is due */
    void (*idle_fn)(void *userdata);
    void *idle_userdata;
    void (*status_fn)(void *userdata);
    void *status_userdata;
    bool stopping;
    void (*stopped_fn)(void *userdata);
    void *stopped_userdata;

    struct sweep *sweep;
    uint64_t due_usec;            /* what the timer waits for */
};

/* engine.c */
void engine_arm_timer(struct engine *n);
