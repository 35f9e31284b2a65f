/*
 * A feed learns about changes and delivers them in batches. One directory object owns
 * connecting, failover, choosing the feed and speaking it; what it learns goes into a sink.
 *
 * Sequence for a sink: begin, then any number of entry / left / present / members, then commit
 * or abort. A batch may be long (a full read): the sink may store what it got early, since
 * creates and updates need no proof; what is ABSENT is said by commit alone. All of it runs on
 * the loop; nothing here waits. libldap stays in this folder.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "directory/options.h"
#include "model/entry.h"

struct directory;
struct error;
struct schema;
struct sd_event;
struct string_list;

enum directory_state {
    DIRECTORY_STOPPED = 0,
    DIRECTORY_CONNECTING = 1,
    DIRECTORY_READING = 2,
    DIRECTORY_FOLLOWING = 3, /* up to date, waiting for changes */
    DIRECTORY_AWAY = 4,      /* waits for the next attempt */
    DIRECTORY_REFUSED = 5,   /* bind refused: slow retry, so that no account is locked */
};

/* What a full read proves (design, section 4). */
enum feed_absence {
    FEED_ABSENCE_NONE = 0, /* an increment: only `left` removes */
    /* whole and proven: what this batch neither sent nor called present has left the search */
    FEED_ABSENCE_UNSEEN = 1,
    /* was meant to be whole and is not proven: nothing has left; reason says why */
    FEED_ABSENCE_UNPROVEN = 2,
};

/* How a change of a group's members comes when only the difference is known: the server sent no
 * more, or it sent the whole group, and that is all that is new in it. */
struct feed_members {
    const char *group_id;
    const struct member *added, *removed; /* MEMBER_DN */
    size_t n_added, n_removed;
    /* NULL, or the bytes that the group was taken from, and those that it came as now. */
    const unsigned char *was, *is;
};

struct feed_commit {
    const void *cookie; /* NULL: none to store (the old one stays unless `forget_cookie`) */
    size_t cookie_size;
    bool forget_cookie;
    const char *identity; /* what the cookie belongs to: JSON text; stored beside it */
    enum feed_absence absence;
    const char *reason; /* UNPROVEN: a sentence, for people */
    const char *what;   /* "full read of 1003 entries from ldaps://…", for the log */
    size_t n_entries;
    /* Somebody appeared, and which groups name them is still being asked: only this connection
     * knows, so a cookie is not to be used after a restart until a commit without it. */
    bool unfinished;
    bool end_of_read; /* a read is over (also an unproven one): people may be evaluated */
};

/* What cannot wait for the end of a read, and is asked for beside it: see urgent.h. Negative
 * answers as of the sink. */
struct feed_urgent {
    /* The filter by which to ask; borrowed until the next call. NULL: nobody is to be asked for. */
    const char *(*filter)(void *userdata);
    void (*begin)(void *userdata, unsigned search); /* it is about to name all of them … */
    /* This entry (borrowed) matches the filter now, as the server sees it; … */
    int (*named)(void *userdata, unsigned search, const struct entry *entry, struct error *e);
    int (*left)(void *userdata, unsigned search, const char *id, struct error *e); /* no more */
    int (*listed)(void *userdata, unsigned search, struct error *e); /* … and has named them */
    /* After a read: somebody was named whose entry does not say so yet. 1 or 0. */
    int (*is_open)(void *userdata, struct error *e);
    int (*over)(void *userdata, struct error *e); /* nobody is named any more: entries count */
};

struct feed_sink {
    /* The searches of this connection, by the keys of their bases: their order is their number
     * in all that follows. Before the first batch. */
    int (*searches)(void *userdata, const char *const *bases, unsigned n, struct error *e);
    /* search: of the batch; full: a read that means to be whole begins (marks start from
     * nothing). Each returns 0 or -errno with a sentence: the feed then aborts the batch, drops
     * the connection and starts again later. */
    int (*begin)(void *userdata, unsigned search, bool full, struct error *e);
    /* search: the one that showed it, not always that of the batch. Positive answer SINK_NEW:
     * it was not there before. */
    int (*entry)(void *userdata, unsigned search, struct entry *taken, struct error *e);
    /* This search does not show it (any more). It says nothing about the other searches. stale:
     * what is kept of it was shown by this one; so no other is known to hold it until all were
     * asked. */
    int (*left)(void *userdata, unsigned search, const char *id, bool stale, const char *why,
                struct error *e);
    /* Ids that no search holds any more and that are not gone yet, appended: they may be about
     * to appear in another search. Never any where there is one search only. */
    int (*unheld)(void *userdata, struct string_list *ret, struct error *e);
    /* All searches were asked for it, and none has it. */
    int (*gone)(void *userdata, const char *id, struct error *e);
    /* The server names these ids as removed from this search, and that is all it says. Positive
     * answer SINK_DOUBTFUL: that would be very many people; only a whole read proves it. */
    int (*removals)(void *userdata, unsigned search, const struct string_list *ids,
                    struct error *e);
    /* Of a full read that is about to be taken for whole: ids that it has not shown, one from each
     * container, `limit` at most; appended. Positive answer SINK_MORE: it takes long, so it is to
     * be asked again from the loop. */
    int (*unseen)(void *userdata, unsigned search, size_t limit, struct string_list *ret,
                  struct error *e);
    /* it exists in this search, unchanged. Positive answer SINK_UNKNOWN_ID: the mirror has no
     * such entry (the cookie belongs to something else: the feed starts over without it). */
    int (*present)(void *userdata, unsigned search, const char *id, struct error *e);
    /* The same, if the mirror took this entry from these bytes; else SINK_UNKNOWN_ID. */
    int (*unchanged)(void *userdata, unsigned search, const char *id,
                     const unsigned char raw[static ENTRY_RAW_SIZE], struct error *e);
    /* SINK_UNKNOWN_ID when the mirror has no such group, or not from the bytes that it was. */
    int (*members)(void *userdata, const struct feed_members *members, struct error *e);
    int (*commit)(void *userdata, const struct feed_commit *commit, struct error *e);
    void (*abort)(void *userdata);
    /* The stored cookie of a search and its identity; *ret NULL when there is none. Malloc'd.
     */
    int (*cookie)(void *userdata, unsigned search, void **ret, size_t *ret_size,
                  char **ret_identity, struct error *e);
    /* The mirror's DN of an id, malloc'd, *ret NULL when unknown. For feeds that get
     * differences. */
    int (*known_dn)(void *userdata, const char *id, char **ret, struct error *e);
    /* A message of a change may lack what the server computes (overlays, roles, classes of
     * service). The attribute of which the mirror has more than this entry shows, malloc'd,
     * *ret NULL: none. Positive answer SINK_ALL_SHOWN: none, and it is a group of which the
     * mirror has no member that is not here. */
    int (*lacking)(void *userdata, const struct entry *entry, char **ret, struct error *e);
    /* Members of a group and keys of a person that the mirror has and this entry does not show,
     * as an entry that holds nothing else; *ret NULL: none. */
    int (*lost)(void *userdata, const struct entry *entry, struct entry **ret, struct error *e);
    /* Groups whose members the server finds by a URL, appended. */
    int (*dynamic_groups)(void *userdata, struct string_list *ret, struct error *e);
    /* How many entries the mirror holds of this search: what a read is measured by. */
    int (*known_entries)(void *userdata, unsigned search, size_t *ret, struct error *e);
    /* The id of what has this DN in the mirror now, malloc'd, *ret NULL when nothing has. */
    int (*known_id)(void *userdata, const char *dn, char **ret, struct error *e);
    /* Groups whose stored members name a DN that was renamed or deleted since: servers that
     * repair references say nothing of it, so the feed reads these groups again. ids appended
     * to ret. */
    int (*stale_groups)(void *userdata, struct string_list *ret, struct error *e);
    /* This group was read again often enough: what it still names is what it means. */
    int (*stale_end)(void *userdata, const char *group_id, struct error *e);
    /* The server's schema was read (taken), or could not be (NULL). Returns the one in force,
     * by which keys of DNs are made; borrowed until the next call; NULL: the built-in table. */
    const struct schema *(*schema)(void *userdata, struct schema *taken);
    /* DNs of groups that rules name and that the mirror has not, or not with members; appended.
     * Before a feed starts each is looked for by its DN. */
    int (*wanted_groups)(void *userdata, struct string_list *ret, struct error *e);
    /* Why it is not read: what goes on behind "the group DN of rule R". NULL for all: a new
     * connection looks anew. */
    void (*group_sighted)(void *userdata, const char *dn, const char *sentence);
    /* What the mapping reads under that schema, which knows other names and subtypes than the
     * built-in one; borrowed. NULL: what directory_new() was given. */
    const struct string_list *(*attributes)(void *userdata);
    /* Everything was read and compared just now; or not all of it was answered, so that a new
     * start is to compare it at once. NULL: not to be remembered. */
    void (*compared)(bool whole, void *userdata);
    /* When that was last, on the steady clock; 0: it never was, or nobody knows how long ago.
     * NULL: the first interval begins with the start. */
    uint64_t (*compared_usec)(void *userdata);
    /* State of the connection changed: see directory_status(). */
    void (*changed)(enum directory_state state, void *userdata);
    const struct feed_urgent *urgent; /* NULL: everything can wait */
};
#define SINK_UNKNOWN_ID 1
#define SINK_DOUBTFUL   2
#define SINK_NEW        3
#define SINK_MORE       4
#define SINK_ALL_SHOWN  5

/* attributes: what the mapping needs (ruleset_attributes()); copied. Never starts by itself. */
int directory_new(struct directory **ret, struct sd_event *event,
                  const struct directory_options *options, const struct string_list *attributes,
                  const struct feed_sink *sink, void *userdata, struct error *e);
struct directory *directory_free(struct directory *d); /* closes at once; aborts an open batch */
/* Connects and stays: follows changes for ever, reconnects with back-off and failover. */
int directory_start(struct directory *d, struct error *e);
/* --once: connects, reads until everything of this moment is known, then calls `done` (from the
 * loop) with 0, or -errno when no server could be read, and stops. */
int directory_read_once(struct directory *d,
                        void (*done)(int r, const struct error *e, void *userdata), void *userdata,
                        struct error *e);
/* A look beside the one that follows: what happens to its connection is no event of the log. */
void directory_be_quiet(struct directory *d);
/* A full compare as soon as possible (rosterctl sync; a doubt of somebody else). */
void directory_request_full_read(struct directory *d);
/* The machine slept: what was said meanwhile may be lost with the connection, which nobody
 * would know for long. It is made anew. */
void directory_slept(struct directory *d);
/* The mapping was reloaded: if it reads other attributes, reconnects with a full read. */
int directory_set_attributes(struct directory *d, const struct string_list *attributes,
                             struct error *e);

/* Each search that is sent, for whoever wants to try the same by hand. */
struct directory_search {
    const char *uri, *base, *filter;
    int scope; /* 0 the entry itself, 1 what is right below, 2 all below */
    const char *const *attributes;
    bool paged, synchronises; /* by a control */
};
void directory_on_search(struct directory *d,
                         void (*fn)(const struct directory_search *s, void *userdata),
                         void *userdata);

struct directory_status {
    enum directory_state state;
    const char *uri; /* in use or last tried */
    const char
        *product; /* "OpenLDAP 2.5.13", "389 Directory Server …", "Samba …": from the rootDSE */
    enum directory_feed_kind feed;
    const char *feed_reason; /* why this feed */
    const char *error; /* last error sentence, or of what is followed but not answered; or NULL */
    const char *base_doubt; /* why the first base could not be seen, or NULL */
    uint64_t since_usec, next_attempt_usec, last_change_usec, last_full_read_usec;
    uint64_t n_reconnects;
    uint64_t n_entries;                /* that came over this connection */
    uint64_t certificate_expires_usec; /* of the server; 0: not known */
};
void directory_status(const struct directory *d, struct directory_status *ret);
const char *directory_feed_name(enum directory_feed_kind k); /* "syncrepl", … */
const char *directory_state_name(enum directory_state s);
