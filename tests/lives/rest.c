/*
 * The end of a life (rest.h): quiet days until nobody waits for anything, then a restart and a new
 * state file, neither of which is a reason to write to the tenant.
 */
#include "config.h"

#include "rest.h"

#include "life.h"
#include "oracle.h"
#include "plan.h"
#include "world.h"

/* Hours from its beginning. A shift, a budget's day and a grace are over by the first; somebody
 * approves what waits each fourth hour, and each hour of the last day. */
#define NOTHING_LEFT 70
#define TAKES_OVER   (NOTHING_LEFT + 8)
#define END          (TAKES_OVER + 24)

static uint64_t hour; /* 0: it has not begun */

void rest_reset(void)
{
    hour = 0;
}

bool rest_is(void)
{
    return hour >= NOTHING_LEFT && (hour < TAKES_OVER || hour >= END);
}

void rest_request(const char *method, const char *login, bool due, bool differs)
{
    if (hour >= NOTHING_LEFT && !(hour < TAKES_OVER ? due : differs))
        broken(22, "%s of %s after a restart when nothing was left to do%s", method, login,
               hour < TAKES_OVER ? "" : ", and with a new state file");
}

static void do_it(enum what what, const char *to)
{
    /* The daemon's ends refer to it. */
    static struct happening acts[2];
    struct happening *h = &acts[what == WHAT_STATE];
    *h = (struct happening){.what = what};
    for (unsigned i = 0; to[i]; i++)
        h->to[i] = to[i];
    life_happen(h);
}

static void pass(void *userdata, uint64_t argument)
{
    hour = argument;
    if (hour == NOTHING_LEFT || hour == END)
        oracle_everybody();
    if (hour == NOTHING_LEFT) {
        do_it(WHAT_STATE, "restart");
        seen(POINT_RESTED);
    } else if (hour == TAKES_OVER) {
        do_it(WHAT_STATE, "remove");
        seen(POINT_TAKEN_OVER);
    } else if (hour < NOTHING_LEFT ? hour % 4 == 1 : hour > TAKES_OVER) {
        do_it(WHAT_OPERATOR, "approve");
    }
    if (hour == END)
        life_end(NULL, 0);
    else
        world_at(world.steady_usec + HOUR, pass, userdata, hour + 1);
}

void rest_begin(void *userdata, uint64_t argument)
{
    (void)argument;
    life_calms();
    pass(userdata, 1);
}
