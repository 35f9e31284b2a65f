/*
 * A small company whose histories are played by chance, and what its tenant must hold after
 * one: a few lines of independent code, with their own data and their own idea of the three
 * rules.
 */
#pragma once
#include <jansson.h>
#include <stdarg.h>

#include "base/log.h"
#include "engine-bed.h"
#include "state/link.h"
#include "state/queue.h"
#include "sync/engine-internal.h"
#include "unit.h"

extern uint64_t model_seed;
extern bool model_verbose;
extern unsigned model_fault_percent;

#define N_PEOPLE   10
#define N_STEPS    30
#define MOST_LEAVE 3 /* disables a day without approval */
#define wrong(...)                                                                             \
    do {                                                                                       \
        printf("seed %llu: ", (unsigned long long)model_seed);                                 \
        printf(__VA_ARGS__);                                                                   \
        printf("\n");                                                                          \
        fail_msg("the history of seed %llu went wrong", (unsigned long long)model_seed); \
    } while (0)
/* One of the company, as the model knows them. */
struct worker {
    bool here, terminated, spanish, in_support, in_sales, has_phone;
    bool was_there; /* has a user from before, known by login and mail: with another of either
                       it would be held, for a person to decide */
    unsigned login, mail, name; /* versions */
    uint64_t approved_until;    /* of a disable that a person approved */
};

struct by_hand { /* what a supervisor gave to a user, by the id that never changes */
    char scim_id[24];
    bool role, skill, phone;
};

struct model {
    struct bed *bed;
    struct worker people[N_PEOPLE];
    struct by_hand hands[64];
    size_t n_hands;
    /* the rules as they are configured */
    bool other_team, less_english, extra_role;
    uint64_t disabled_at[4096]; /* times of disables without approval */
    size_t n_disabled;
};

/* model-company.c */
unsigned model_below(unsigned n); /* by the dice, which begin with the seed */
bool model_chance(unsigned percent);
void model_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *model_login_of(unsigned who, unsigned version, char *buffer, size_t size);
int model_who_is(const char *login); /* -1: nobody of the company */
struct by_hand *model_hand_of(struct model *m, const char *scim_id, bool make);
bool *model_was_touched(const char *scim_id);
/* A company of model_seed, met for the first time. prepare: what is set in the bed before. */
struct model *model_begin(void (*prepare)(struct model *m));
/* While it is prepared. A tenant of another kind: one interface, which goes by the tenant's own id;
 * what is taken in one request is all that a user has, or all but the roles, which are groups whose
 * members are changed one a request, and which it may never show. It has versions, rounds, keeps
 * whoever is removed, and its lists lack somebody. */
void model_another_kind(struct model *m);
void model_step(struct model *m);
void model_come_to_rest(
    struct model *m); /* nothing disturbs: all is told, approved, waited for */

/* model-oracle.c: fails unless all is as it must be, and frees the model. */
void model_end(struct model *m);
