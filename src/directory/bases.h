/*
 * Bases that are not there to be seen: a server behind this one is away, or busy, or refers to
 * another one, or the account may not see them. A read of such a base proves nothing, so each is
 * asked for again, by a search of its own entry alone, with growing pauses. One that can be seen
 * is a doubt (feed_doubts()): a read that may prove something follows. Private to this folder.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct bases;
struct error;
struct feed_environment;
struct feed_search;

#define FEED_DOUBT_SIZE 400
/* Why this base cannot be seen: a sentence, in ret, which is returned. */
char *bases_sentence(const struct feed_search *s, char ret[static FEED_DOUBT_SIZE]);
/* Takes note of whether the base of a search was there at the end of its read, with the LDAP code
 * of the answer. false: that read proves nothing, and ret_why is the sentence. */
bool bases_note(struct feed_environment *env, unsigned search, bool found, int code,
                char ret_why[static FEED_DOUBT_SIZE]);

/* env: borrowed for life. It asks when its time has come, and begins with those that were not
 * seen when the connection was made. */
int bases_new(struct bases **ret, struct feed_environment *env, struct error *e);
struct bases *bases_free(struct bases *b);
/* One was not there any more (it is base_missing now). */
void bases_ask_again(struct bases *b);
/* A sentence of one that cannot be seen, NULL: all can; borrowed. When it is asked for next, on
 * the steady clock. */
const char *bases_doubt(const struct bases *b, uint64_t *ret_next_usec);
