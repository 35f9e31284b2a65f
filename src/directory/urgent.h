/*
 * What cannot wait for the end of a read. While a whole read is under way, changes are held back:
 * the server sends them after what it had begun to send, and until then nobody can tell whether an
 * entry was shown as it was before or after its change. So beside the read the server is asked for
 * those alone whom a filter of the sink names ([lifecycle] revoke_when), by a content
 * synchronisation of its own, which is short, and which goes on to tell them as they change.
 *
 * What it tells goes to the sink's `urgent`, and is nothing but that: neither the entry as it is
 * (a read that began earlier may show an older one later), nor that somebody is absent. A server
 * that does not want a second synchronisation is not asked again over this connection, and then
 * who is named is found by the read, as everything is.
 */
#pragma once
#include <stdbool.h>

struct error;
struct feed_environment;
struct urgent;

/* Asks each search for people, if the sink has somebody to ask for; else *ret is NULL. The
 * environment is borrowed. Failures to ask are no failures of the connection; what the sink
 * cannot take is, and goes to feed_failed(). */
int urgent_start(struct urgent **ret, struct feed_environment *env, struct error *e);
struct urgent *urgent_free(struct urgent *u); /* ends the searches */
/* Still asking, in every search: what is not named is not so. Else what it said before may be
 * outdated. */
bool urgent_is_whole(const struct urgent *u);
