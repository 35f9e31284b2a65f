/* The inside of a directory object, shared by the files that make it up. */
#pragma once
#include <ldap.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"
#include "directory/address.h"
#include "directory/environment.h"
#include "directory/feed.h"
#include "directory/options.h"

struct connect;
struct rootdse_read;
struct sd_event_source;
struct session_operation;
struct sights;
struct task;

struct directory {
    struct sd_event *event;
    struct directory_options options;
    struct string_list attributes;
    const struct feed_sink *sink;
    void *userdata;

    /* for life */
    struct address_list *addresses;
    struct feed_search
        searches[DIRECTORY_MAX_SEARCHES]; /* base and key; filters depend on the product */
    unsigned n_searches;
    struct sd_event_source *retry, *settle, *full, *doubts, *heartbeat, *comeback;
    bool running, once, quiet;
    void (*once_done)(int r, const struct error *e, void *userdata);
    void *once_userdata;
    bool once_over;
    unsigned n_attempts; /* of this once */

    /* for one attempt or connection */
    struct address *address;
    struct connect *connect;
    struct task *resolve;
    struct session *session;
    struct rootdse_read *reading;
    struct sights *sights; /* before the feed starts */
    struct rootdse *server;
    const struct schema *schema; /* of the sink: in force while this connection lives */
    struct feed_environment env;
    bool env_ready;
    const struct directory_feed_ops *ops;
    void *feed;
    struct session_operation *beat;
    bool no_syncrepl, no_dirsync;
    struct address *better_address;
    struct connect *better;
    uint64_t connected_usec;

    /* noted by feeds, dealt with by on_settle() */
    int failed;
    bool refused, unsupported;
    void (*searched)(const struct directory_search *s, void *userdata);
    void *searched_userdata;
    bool begin_again; /* other attributes are to be read */
    struct error failure;
    bool full_wanted;

    /* status */
    enum directory_state state;
    enum directory_feed_kind feed_kind;
    char *status_uri, *status_product;
    char feed_reason[256], status_base_doubt[256];
    bool has_error, away_logged;
    struct error last_error;
    uint64_t since_usec, next_attempt_usec, last_change_usec, last_full_read_usec, n_reconnects;
    uint64_t certificate_expires_usec;
};

int directory_options_copy(struct directory_options *to, const struct directory_options *from);
void directory_options_done(struct directory_options *o);

/* connection.c: from an address to a running feed, and back */
void connection_try(struct directory *d);  /* the next address whose time has come */
void connection_drop(struct directory *d); /* everything of "for one attempt or connection" */
void connection_drop_feed(struct directory *d);
void connection_fail(struct directory *d, int r, bool refused, const struct error *e);
void connection_start_feed(struct directory *d);
void connection_try_better(struct directory *d);

/* directory.c */
void directory_set_state(struct directory *d, enum directory_state state);
int directory_refresh_attributes(struct directory *d, struct error *e); /* asks the sink */
void directory_arm(struct sd_event_source *source, uint64_t usec); /* from now, once */

/* plan.c: what is searched for. Pure but for memory. */
int plan_bases(struct directory *d, struct error *e);
int plan_keys(struct directory *d, struct error *e); /* of the bases, by d->schema */
int plan_filters(struct directory *d, struct error *e);
const struct directory_feed_ops *plan_feed(const struct directory *d, char *reason, size_t n);
