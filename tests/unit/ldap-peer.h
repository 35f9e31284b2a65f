/*
 * The other end of an LDAP connection, in the event loop of the test: a few entries, searched,
 * paged, followed (RFC 4533) and asked for changes (DirSync), and what may go wrong on demand. It
 * decides by requests alone and shares no code with src/.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include <systemd/sd-event.h>

#define PEER_VALUES 24

struct peer_entry {
    char dn[120];
    unsigned char uuid[16];
    unsigned csn;
    bool gone;
    struct {
        char name[32], value[120];
    } values[PEER_VALUES];
    size_t n_values;
};
struct peer {
    sd_event_source *source;
    int fd;
    unsigned char in[65536];
    size_t n_in;
    struct peer_entry *entries[32];
    size_t n_entries;
    unsigned csn;
    bool active_directory;
    /* What goes wrong. */
    bool lists_present; /* there is no log of deletions: what is unchanged is named */
    bool no_sync;       /* the control is refused */
    int fail_code;      /* the next search for much ends so … */
    unsigned fail_after; /* … after as many entries */
    bool fails_later;    /* … of a page that follows another one */
    int lookup_code;    /* each search of one entry ends so */
    const char *refused;   /* … or that of this name alone */
    bool refresh_required; /* the next cookie is too old */
    bool ignores_pages;
    const char *computed; /* an attribute that messages of changes lack */
    const char *hidden;   /* one that may be neither seen nor searched */
    const char *hidden_part; /* members with that in them may be neither */
    size_t value_range;   /* so many members at once; 0: all */
    /* DirSync: the next changes come in two parts. The second one says that the group has this
     * member more, once so many entries were asked for, and ahead of the last answer to that.
     */
    struct peer_joins {
        struct peer_entry *group;
        const char *member;
        unsigned after;
        int id; /* of the question; 0: not asked yet */
        unsigned char late[65536];
        size_t n_late;
        bool is_late;
    } joins;
    struct peer_follower {
        int id;
        char base[200];
        unsigned char filter[2048];
        size_t n_filter;
        bool live;
    } followers[4];
    /* What was asked. */
    unsigned n_searches, n_lookups;
};

struct peer *peer_new(sd_event *event, int fd_taken);
struct peer *peer_free(struct peer *p);
/* name, value, …, NULL. */
struct peer_entry *peer_add(struct peer *p, const char *dn, ...) __attribute__((sentinel));
void peer_set(struct peer *p, struct peer_entry *e, const char *name, ...)
    __attribute__((sentinel)); /* the values from now on */
void peer_delete(struct peer *p, struct peer_entry *e);
void peer_rename(struct peer *p, struct peer_entry *e, const char *dn);
void peer_close(struct peer *p); /* the connection is lost */
