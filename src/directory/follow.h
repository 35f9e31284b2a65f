/*
 * Continuation references that are followed ([directory] referrals = follow): each names a part
 * of the search that lies on another server. It is read there over a connection of its own,
 * with our credentials, over verified TLS only, one after the other; references from there are
 * not followed. What could not be read whole is a doubt about the whole read.
 */
#pragma once
#include <stdbool.h>

struct decoded;
struct error;
struct feed_environment;
struct follows;

struct follows_events {
    int (*entry)(unsigned search, struct decoded *d, void *userdata, struct error *e);
    void (*doubt)(const char *sentence, void *userdata);
    void (*failed)(int r, const struct error *e, void *userdata); /* `entry` did */
    void (*over)(void *userdata);                                 /* none is left; from the loop */
};

int follows_new(struct follows **ret, struct feed_environment *env,
                const struct follows_events *events, void *userdata, struct error *e);
struct follows *follows_free(struct follows *f);
void follows_reset(struct follows *f); /* forgets all */
/* urls: alternatives, of a reference in the answer to this search; copied. What cannot be
 * followed becomes a doubt. One to a partition of Active Directory's own is passed over. */
int follows_add(struct follows *f, unsigned search, char *const *urls, struct error *e);
bool follows_busy(const struct follows *f);

/* Where a URL leads: 0, or -EINVAL with a sentence. base and filter are malloc'd, NULL when the
 * URL names none, scope then is -1; server: the URL without them. Pure. */
int follow_parse(const char *url, char **ret_server, char **ret_base, char **ret_filter,
                 int *ret_scope, struct error *e);
