/*
 * Reading: what the directory says goes into the mirror, and what is known about the reads
 * themselves: is one under way, has there ever been a whole one, was it proven, did attributes
 * vanish from too many.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct books;
struct entry;
struct error;
struct reading;
struct rules;
struct string_list;

int reading_new(struct reading **ret, struct books *b, struct rules *rules, struct error *e);
struct reading *reading_free(struct reading *g);
/* Runs from the sink when the directory's connection changed. */
void reading_on_change(struct reading *g, void (*fn)(void *userdata), void *userdata);

bool reading_is_under_way(const struct reading *g);
/* At least one has ended since the mirror was empty, or since more is to be read. */
bool reading_has_ended(const struct reading *g);
/* Whether the directory was heard since it was away, or the machine slept: else it may have
 * said that what was decided then is not so, and nobody is taken away for that. */
bool reading_is_in_step(const struct reading *g);
/* Tells of each sleep that is long enough for news to be lost; looks for one. */
void reading_on_sleep(struct reading *g, void (*fn)(void *userdata), void *userdata);
void reading_look_for_sleep(struct reading *g);
void reading_use_mirror_as_is(struct reading *g);
void reading_reads_more(struct reading *g); /* what was not read yet is not what nobody has */
/* Entries that came and may be revocations; they are the caller's then. */
struct string_list reading_take_revocations(struct reading *g);

/* vanish.c: the attributes that vanished from many, between commas. */
#define META_VANISHED "vanished"
/* One of them that this entry lacks, too; NULL: none. ret_unread: nobody had lost it, but a read in
 * part may not have shown it. */
const char *reading_vanished_here(const struct reading *g, const struct entry *entry, char *buffer,
                                  size_t size, bool *ret_unread);
/* A person takes it as it is, if these are still all that vanished. */
int reading_accept_vanished(struct reading *g, const char *shown, struct error *e);
/* Likewise, but somebody was not shown yet: it is taken as it is when nobody waits for it any more,
 * since then there is no plan that could be approved. */
int reading_accept_vanished_later(struct reading *g, const char *shown, struct error *e);
int reading_evaluated(struct reading *g, struct error *e); /* everybody was looked at */
