/*
 * What the engine is told and what it tells, as plain values: its owners share them, so they lie
 * below all of them. There is no function here.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "books/options.h"
#include "mapping/options.h"
#include "state/queue.h"
#include "tenant/client.h"

struct audit_actor;

struct engine_options {
    const struct sync_options *sync;       /* borrowed until engine_reload() or engine_free() */
    const struct mapping_options *mapping; /* borrowed likewise */
    const char *fingerprint;               /* of the configuration; borrowed likewise */
    const char
        *decisions; /* the same of what decides about people, but for the mapping; NULL: not told */
    const char *configuration; /* JSON for the lines that say which one it is; borrowed; or NULL */
    const char *configuration_facts; /* kept in the state for the next difference; likewise */
    bool four_eyes;                  /* whoever ends that by loading it is bound by it once more */
    const struct tenant_ops *tenant_ops;
    void *tenant; /* passed to the ops; NULL: no tenant is asked (a look at a plan) */
    /* Whose users the state holds; url NULL: not checked. path: where a service lies on a host that
     * several may share, or NULL. */
    const char *tenant_url, *tenant_path, *tenant_scope;
    unsigned max_concurrent; /* operations in flight */
    size_t slice;   /* of the queue, that a turn moves at most; 0: as much as takes a few ms */
    bool plan_only; /* evaluate and guard, never execute, no audit export */
    bool quiet;     /* a look beside the running engine: what it would do is no event of the log */
};

/* Who asks for what follows, for the audit. */
struct engine_act {
    const struct audit_actor *actor;
    const char *plan, *reason; /* or NULL */
};

/* What approving may answer. */
#define ENGINE_STALE_HASH 1
#define ENGINE_NOTHING    2
/* A part of what is parked. */
struct engine_choice {
    const int64_t *numbers; /* of the operations, in order */
    size_t n_numbers;
    const char *const *reasons; /* that they are parked for */
    size_t n_reasons;
    const char *names; /* for the audit: "b (team), d (adopt)" */
};
/* What a person wants to be tried again. */
struct engine_retry {
    const char *cause; /* NULL: whatever is held */
    struct engine_act act;
    /* From the loop, when all is released and durable; it may free it. */
    void (*done)(struct engine_retry *retry, void *userdata);
    void *userdata;
    size_t n_released;
    /* The gate's own, zeros at first. */
    struct engine_retry *next;
    struct queue_retry at;
    bool noted, over;
};
/* What is approved: a plan's hash, and what it stands for in tables of one moment. An operation is
 * told by what makes it this one occasion, so that what waits anew meanwhile is not meant. */
struct engine_approval {
    char hash[65];
    struct string_list parts; /* as many operations in each as a turn releases */
    size_t n, n_left;         /* operations; and those that wait and were not chosen */
    bool adoption;            /* what waits for this was shown, and nothing of it left out */
    char *vanished;           /* the same of these attributes, of META_VANISHED; NULL: of none */
    bool whole;               /* all that the hash stands for */
    char *names;              /* of the chosen groups; NULL: whole */
};

enum engine_tenant_state {
    ENGINE_TENANT_OK = 0,
    ENGINE_TENANT_AWAY = 1,
    ENGINE_TENANT_REFUSED = 2,
    ENGINE_TENANT_UNKNOWN = 3,
    ENGINE_TENANT_NO_SECRET = 4 /* the client secret cannot be read here */
};
/* How long it took from what the directory said to the request. */
struct engine_revocation {
    char login[128];
    uint64_t at_usec, took_usec;
};
#define ENGINE_PAST_REVOCATIONS 16

/* Times from the directory's word to the request. The last count has those above all bounds. */
#define LAG_BOUNDS 14
struct lag {
    uint64_t counts[LAG_BOUNDS + 1];
    uint64_t sum_usec;
};
extern const uint64_t lag_bounds_usec[LAG_BOUNDS];

struct engine_status {
    enum engine_tenant_state tenant;
    const char *tenant_error;
    uint64_t tenant_since_usec, tenant_next_usec;
    bool adoption_open;
    bool adoption_reported; /* everybody was looked at: the report is whole */
    bool paused, observing;
    bool state_unproven;    /* its pages are being read, and nobody is removed before that ends */
    bool directory_unheard; /* it is away, or the machine slept: likewise until it was heard */
    bool state_failed;
    const char *state_error;
    const char *audit_error; /* NULL: its file can be written */
    bool commands;           /* notify or password commands are running or wait for their turn */
    uint64_t run;            /* 0: none is under way */
    size_t in_flight;
    uint64_t n_done; /* operations, since the start */
    struct lag lag;
    bool reading;
    uint64_t budget_window_usec;
};

/* Users that [guard] max_users counts. */
struct engine_seats {
    size_t used;    /* enabled users, and those who are being made or enabled */
    size_t max;     /* [guard] max_users; 0: no limit */
    size_t waiting; /* for one */
};
