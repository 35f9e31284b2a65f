/*
 * The round: everybody is looked at again, one after the other, because something changed that
 * concerns everybody. No list of them is written: the file says up to where the round has come.
 * Whoever is marked dirty is looked at before, and is left out here.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct state;
struct string_list;

/* person_mark_all_dirty() begins a round, or the one that is under way anew. This begins one of
 * which only some are to be looked at: the caller knows whom while round_is_narrow(). After a
 * rollback or a crash, and when everybody is marked in between, it is a round like any other.
 * None may be under way. Needs a transaction. */
int round_begin_narrow(struct state *s, struct error *e);
bool round_is_narrow(const struct state *s);
bool round_is_on(struct state *s);

/* The next ones, `limit` at most and perhaps none, which are passed with this transaction.
 * ret_numbers: `limit` elements, the number of each one's entry, 0 where there is none. *ret_more:
 * not everybody was passed. */
int round_next(struct state *s, size_t limit, struct string_list *ret_ids, int64_t *ret_numbers,
               bool *ret_more, struct error *e);
