/*
 * What is known about reads. People are decided about between them, never in the middle of one:
 * groups may come after people.
 */
#include "config.h"

#include "intake/reading.h"

#include <stdio.h>
#include <stdlib.h>

#include "intake/reading-internal.h"

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
