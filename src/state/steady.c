/*
 * The steady clock, as one row of meta: the boot in which it was noted, the monotonic clock of
 * that boot, and what the steady clock said then.
 */
#include "config.h"

#include "state/steady.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "state/state.h"

#define META "steady-clock"

int steady_start(struct state *s, struct steady *ret, struct error *e)
{
    CLEANUP(freep) char *text = NULL;
    char boot[CLOCK_BOOT_SIZE], noted_boot[CLOCK_BOOT_SIZE] = "";
    uint64_t monotonic = clock_monotonic_usec(), noted_monotonic = 0, noted = 0;
    int r = state_meta_get(s, META, &text, e);

    if (r < 0)
        return r;
    *ret = (struct steady){.offset_usec = clock_now_usec() - monotonic};
    if (r != 0 ||
        sscanf(text, "%36s %" SCNu64 " %" SCNu64, noted_boot, &noted_monotonic, &noted) != 3)
        return 0;
    ret->new_boot = strcmp(noted_boot, clock_boot(boot)) != 0 || monotonic < noted_monotonic;
    ret->offset_usec = ret->new_boot ? noted : noted - noted_monotonic;
    return 0;
}

uint64_t steady_now_usec(const struct steady *c)
{
    return clock_monotonic_usec() + c->offset_usec;
}

int steady_note(struct state *s, const struct steady *c, struct error *e)
{
    char text[128], boot[CLOCK_BOOT_SIZE];
    uint64_t monotonic = clock_monotonic_usec();

    snprintf(text, sizeof(text), "%s %" PRIu64 " %" PRIu64, clock_boot(boot), monotonic,
             monotonic + c->offset_usec);
    return state_meta_set(s, META, text, e);
}
