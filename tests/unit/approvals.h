/*
 * What random histories of approvals are about: who asks, the company, what was approved, and
 * what was met.
 */
#pragma once
#include <stdarg.h>

#include "audit/audit.h"
#include "base/buffer.h"
#include "base/random.h"
#include "bed-order.h"
#include "control/control.h"
#include "daemon/daemon.h"
#include "engine-bed.h"
#include "histories.h"
#include "played.h"
#include "state/queue.h"
#include "sync/engine-internal.h"
#include "unit.h"

#define N_PEOPLE 8
#define N_STEPS  70
#define N_LOOKS  4
#define MOST     128

/* -- who asks -- */

enum {
    NOBODY = -1
}; /* whom rosterd cannot name: it may be any of them */
#define N_ACTORS 3
static const char *const names[N_ACTORS] = {"ada", "bob", "eve"};

static struct audit_actor actor_of(int who)
{
    struct audit_actor a = {.uid = (uint32_t)(1000 + who), .known = who != NOBODY};
    bool sudo = who == NOBODY || chance(50);
    snprintf(a.name, sizeof(a.name), "%s", sudo ? "root" : names[who]);
    if (who != NOBODY)
        snprintf(a.login, sizeof(a.login), "%s", names[who]);
    return a;
}

void control_fail(struct control_call *call, const char *error, const char *format, ...)
{
    (void)call;
    (void)format;
    assert_string_equal(error, "four-eyes");
}

/* -- the company -- */

enum sort {
    TEAM,
    DISABLE,
    N_SORTS
};
static const enum budget_kind budget_of[N_SORTS] = {BUDGET_TEAM, BUDGET_DISABLE};

struct worker {
    bool sales, terminated;
};

/* A change that somebody approved. */
struct approved {
    unsigned who;
    enum sort sort;
    bool to; /* sales, disabled */
    bool tried, over;
    uint64_t until;
};

struct look {
    char hash[65], *plan; /* what is parked, as text; NULL: nobody has looked */
};

/* The first of two. */
struct asked {
    int who;
    char hash[65];
    uint64_t at;
    bool stands;
};

struct history {
    struct bed *b;
    struct worker people[N_PEOPLE];
    bool sales[N_PEOPLE], disabled[N_PEOPLE]; /* at the tenant */
    struct approved approved[MOST];
    size_t n_approved;
    struct {
        enum sort sort;
        uint64_t at;
    } spent[MOST];
    size_t n_spent, limit[N_SORTS];
    struct look looks[N_LOOKS];
    struct asked asked;
    struct settings settings;
    int loader, ended_by; /* … the rule, if it was ended */
    bool bound;           /* by a rule that was ended */
    bool restored;        /* an older state: all is doubted, budgets or not */
    unsigned n_loads, faults;
    char fingerprint[32];
};

/* Over all histories. */
static size_t n_let, n_same, n_two, n_stale, n_used, n_ended, n_free;

static unsigned who_of(const char *login)
{
    unsigned who = (unsigned)(login[1] - '0');
    assert_true(login[0] == 'p' && who < N_PEOPLE);
    return who;
}
