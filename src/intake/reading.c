/*
 * What is known about reads. People are decided about between them, never in the middle of one:
 * groups may come after people.
 */
#include "config.h"

#include "intake/reading.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "intake/reading-internal.h"

/* What the directory says reaches us as late as that in any case: most poll so often. */
#define SLEPT_USEC (60 * USEC_PER_SEC)

int reading_new(struct reading **ret, struct books *b, struct rules *rules, struct error *e)
{
    CLEANUP(freep) char *vanished = NULL;
    struct reading *g = calloc(1, sizeof(*g));
    if (!g)
        return error_out_of_memory(e);
    *g = (struct reading){
        .books = b, .rules = rules, .state = books_state(b), .options = books_options(b)};
    int r = state_meta_get(g->state, META_VANISHED, &vanished, e);
    if (r < 0) {
        free(g);
        return r;
    }
    g->asleep_usec = g->asleep_then_usec = clock_asleep_usec();
    snprintf(g->vanished, sizeof(g->vanished), "%s", vanished ? vanished : "");
    *ret = g;
    return 0;
}

struct reading *reading_free(struct reading *g)
{
    if (!g)
        return NULL;
    string_list_done(&g->revocations);
    string_list_done(&g->bases);
    free(g);
    return NULL;
}

void reading_on_change(struct reading *g, void (*fn)(void *userdata), void *userdata)
{
    g->changed = fn;
    g->userdata = userdata;
}

bool reading_is_under_way(const struct reading *g)
{
    return g->under_way != 0;
}

bool reading_has_ended(const struct reading *g)
{
    return g->has_ended;
}

static bool has_slept_since(uint64_t asleep_usec)
{
    return clock_asleep_usec() > asleep_usec + SLEPT_USEC;
}

bool reading_is_in_step(const struct reading *g)
{
    return !g->is_away && !has_slept_since(g->asleep_usec);
}

void reading_on_sleep(struct reading *g, void (*fn)(void *userdata), void *userdata)
{
    g->slept = fn;
    g->slept_userdata = userdata;
}

void reading_look_for_sleep(struct reading *g)
{
    if (!has_slept_since(g->asleep_usec) || !has_slept_since(g->asleep_told_usec))
        return;
    g->asleep_told_usec = clock_asleep_usec();
    if (g->slept)
        g->slept(g->slept_userdata);
}

void reading_use_mirror_as_is(struct reading *g)
{
    g->has_ended = true;
    books_wake(g->books, WORK_DUE);
}

void reading_reads_more(struct reading *g)
{
    g->has_ended = false;
}

struct string_list reading_take_revocations(struct reading *g)
{
    struct string_list taken = g->revocations;
    g->revocations = (struct string_list){0};
    return taken;
}
