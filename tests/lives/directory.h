/* What the directory holds, for whoever changes it, and for the oracle. directory.c speaks LDAP
 * about it. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUFFIX "dc=example,dc=com"
/* So long Active Directory knows who was deleted: the least tombstoneLifetime that it takes. */
#define DIRSYNC_REMEMBERED (2 * DAY)

struct plan;

enum server { SERVER_OPENLDAP, SERVER_389, SERVER_AD, SERVER_OTHER, SERVERS };

struct item_value {
    char *name, *text;
};
struct item_link { /* a member that came or went */
    uint64_t csn;
    bool added;
    char *text;
};
struct item {
    char dn[160];
    unsigned char uuid[16];
    char uuid_text[37];
    struct item_value *values;
    size_t n_values;
    struct item_link *links;
    size_t n_links;
    uint64_t csn, made_csn, changed_usec;
    uint64_t moved_usec; /* what it lies below has another name since */
    uint64_t less_usec;  /* somebody was shown fewer of its members than it has */
    uint64_t first_usec, last_usec; /* when the person's access begins and ends; 0: none is said */
    bool works;  /* the person has access, whatever becomes of the first day */
    bool shares; /* the login is somebody else's */
    bool gone;
};
struct directory_data {
    struct item **items; /* also those that are gone; their order never changes */
    size_t n_items, room;
    uint64_t csn, chance;
    bool polled;      /* it knows no synchronisation: whoever follows it asks again and again */
    /* Deletions are named after a reconnection; else what is present is. Of Active Directory:
     * the account may see what was deleted. */
    bool session_log;
    enum server server;
    uint64_t log_csn; /* what changed before it, no log tells any more */
    unsigned n_controllers; /* that have answered: each has ids and cookies of its own */
    char trouble[24];
    uint64_t trouble_csn, trouble_usec; /* when that began */
    uint64_t fine_usec;                 /* when the last one ended */
    size_t n_at_trouble;                /* people with a mail and a name */
    bool hides_place[2];  /* enough people of it for that to be told from leavers */
    bool two_bases;
    bool nested_bases; /* of the two one lies in the other: it is one search */
};
extern struct directory_data directory_data;

void directory_begin(const struct plan *p);
void directory_end(void);
struct item *item_new(const char *dn);
const char *item_get(const struct item *i, const char *name);
/* Changes of one entry stand between the two: followers are told once. */
void change_begin(struct item *i);
void change_end(struct item *i);
void item_set(struct item *i, const char *name, const char *text); /* NULL: no value */
void item_add(struct item *i, const char *name, const char *text);
void item_drop(struct item *i, const char *name, const char *text);
bool item_has(const struct item *i, const char *name, const char *text);
void item_empty(struct item *i);
/* A member's entry has another name, or none any more, and its links follow it by themselves:
 * nobody is told of a change. */
void item_link_follows(struct item *i, const char *before, const char *now);
/* Every connection is cut. */
void directory_cut(void);
/* How the server behaves for a while. */
void directory_trouble(const char *name);
void directory_trouble_ends(void);
bool directory_troubles(const char *name);
/* A limit has ended a synchronisation over the connection that there is: it is not asked for
 * again before the next one. */
bool directory_cut_sync(void);
bool directory_hides(void); /* an access rule is in the way */
/* How many of a group's members whoever asks is shown now. */
long long directory_shown_members(const struct item *group);
