/*
 * The mirror: entries and memberships last read, and which people must be looked at again
 * (dirty).
 *
 * Every write marks exactly those people dirty whom it can affect: the entry's own, or for a
 * group the persons who enter or leave it (through nested groups too).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/entry.h"

struct bound_groups;
struct error;
struct schema;
struct state;
struct string_list;

/* The schema by which keys of DNs are made and found from now on; borrowed until the next one.
 * Stored keys of another schema, or of an earlier form, are made anew, and the cookies are
 * forgotten, so that everything is read again. Needs a transaction. */
int mirror_use_schema(struct state *s, const struct schema *schema, struct error *e);
/* Its owner frees it; nothing happens when another one is in use. */
void mirror_drop_schema(struct state *s, const struct schema *schema);
/* The DN of another living entry whose name counts as this one's although the server holds both;
 * malloc'd; or STATE_NONE. */
int mirror_twin(struct state *s, const char *id, char **ret_dn, struct error *e);
/* The searches are numbered in this order from now on (keys of their bases). What is known of
 * those that were there before keeps its meaning; what only a search held that is none any more
 * is unheld. Cookies are forgotten when anything changed. */
int mirror_searches(struct state *s, const char *const *bases, size_t n, struct error *e);

/* A read that means to be whole begins: a new generation; what it shows is stamped with it. */
int mirror_begin_full(struct state *s, unsigned search, struct error *e);

enum mirror_change {
    MIRROR_SAME = 0,
    MIRROR_NEW = 1,
    MIRROR_CHANGED = 2,
    MIRROR_MOVED = 4,
    MIRROR_RETURNED = 8,
    MIRROR_OTHER_KIND = 16, /* what there was of the other kind is gone */
};
/* Stores an entry; *ret_changes: flags. A moved container takes everybody below it along (dn
 * and key). */
int mirror_put(struct state *s, unsigned search, const struct entry *entry, unsigned *ret_changes,
               struct error *e);
/* The entry came as bytes of this digest: present, if the mirror took it from the same ones and
 * it is as it was taken; else STATE_NONE. */
int mirror_unchanged(struct state *s, unsigned search, const char *id,
                     const unsigned char raw[static ENTRY_RAW_SIZE], enum entry_kind *ret_kind,
                     struct error *e);
/* This search does not hold the entry (any more). With one search it is gone then; with several
 * it becomes unheld when none holds it, and stays as it was until mirror_gone(). What lies below
 * it becomes unheld in any case. An unknown id, and one that the search never held, are no
 * error. stale: what is kept of it is what this search showed; so it becomes unheld, too, until the
 * others were asked what it is like now. */
int mirror_left(struct state *s, unsigned search, const char *id, bool stale, const char *why,
                uint64_t now_usec, struct error *e);
/* Those that no search holds, and of which it is not said yet that they are gone. */
int mirror_unheld(struct state *s, struct string_list *ret_ids, struct error *e);
/* How many people among them are held by this search alone. */
int mirror_count_removals(struct state *s, unsigned search, const struct string_list *ids,
                          size_t *ret_people, struct error *e);
/* The entry is gone, from all searches: it stays as a tombstone (DN, time, why) until
 * mirror_forget(). why NULL: as it was said when it left. An unknown id is no error. A group
 * that is gone keeps its member rows in the tombstone, so nobody loses it: see GROUP_MISSING. */
int mirror_gone(struct state *s, const char *id, const char *why, uint64_t now_usec,
                struct error *e);
int mirror_present(struct state *s, unsigned search, const char *id,
                   struct error *e); /* or STATE_NONE */
int mirror_members(struct state *s, const char *group_id, const struct member *added,
                   size_t n_added, const struct member *removed, size_t n_removed,
                   struct error *e); /* or STATE_NONE: no such live group */
/* A group that was taken from bytes of the digest `was` came whole again, as bytes of the digest
 * `is`, and has these members more. STATE_NONE: it is not what was taken from those bytes. */
int mirror_grew(struct state *s, const char *group_id,
                const unsigned char was[static ENTRY_RAW_SIZE],
                const unsigned char is[static ENTRY_RAW_SIZE], const struct member *added,
                size_t n_added, struct error *e);
/* At the end of a full read, before the three that follow, which else look at all rows at once:
 * looks through `limit` rows for what it has not shown. 0, or MIRROR_MORE: that were not all. */
#define MIRROR_MORE 1
int mirror_look_for_unseen(struct state *s, unsigned search, size_t limit, struct error *e);
/* Ends a proven full read: what has an older generation in this search has left it. */
int mirror_unseen_left(struct state *s, unsigned search, const char *why, uint64_t now_usec,
                       size_t *ret_n, struct error *e);
/* Ids of some of them, appended: one from each container, `limit` at most. 0, or MIRROR_MORE:
 * `at_once` rows were looked at, and nothing is appended yet. */
int mirror_sample_unseen(struct state *s, unsigned search, size_t limit, size_t at_once,
                         struct string_list *ret_ids, struct error *e);
/* How many people would be gone with that, since no other search holds them: for a look before
 * it is done. */
int mirror_count_unseen(struct state *s, unsigned search, size_t *ret_people, struct error *e);
/* Whether it has shown anybody at all of the people whom the search holds. */
int mirror_shows_anybody(struct state *s, unsigned search, bool *ret, struct error *e);
int mirror_forget(struct state *s, const char *id, struct error *e); /* removes a tombstone */

/* Whoever is below a group that changed in itself (it came back, was deleted, entered another
 * group or left it) becomes dirty here, all such groups at once: a read of many nested groups
 * notes each of them many times. Before dirty people are asked for; in a transaction. */
int mirror_mark_below(struct state *s, struct error *e);

/* Numbers of rows; an empty one is {0}. */
struct row_numbers {
    int64_t *items;
    size_t n_items, capacity;
};
void row_numbers_done(struct row_numbers *n);
/* Adds the numbers of the living people who are in the group, directly or not; some of them
 * perhaps twice. An unknown id has none. */
int mirror_people_below(struct state *s, const char *group_id, struct row_numbers *ret,
                        struct error *e);

/* The name of an attribute of which the mirror has more values than this entry shows, "member"
 * for members; malloc'd, *ret NULL when there is none. Positive answer MIRROR_ALL_SHOWN: it has
 * none, and was compared with the members of a group that is there. */
#define MIRROR_ALL_SHOWN 2
int mirror_lacking(struct state *s, const struct entry *entry, char **ret, struct error *e);
/* What joined people and groups in the mirror, means somebody who is there, and is not in this
 * entry: members of a group, keys of a person; as an entry that holds nothing else, NULL when
 * there is none. It need not have been removed: the right to see it may have been lost. */
int mirror_lost(struct state *s, const struct entry *entry, struct entry **ret, struct error *e);
/* DNs of the groups whose members are hidden and that are, or are in, one of these groups. */
int mirror_hidden_groups(struct state *s, const struct bound_groups *groups,
                         struct string_list *ret_dns, struct error *e);
/* A person says that this group has no other members than it shows: it is believed when it is
 * read next. STATE_NONE: no group of this DN hides any. */
int mirror_believe(struct state *s, const char *dn, struct error *e);

/* Groups with a memberURL: a server that follows it says nothing when somebody comes or goes. */
int mirror_dynamic_groups(struct state *s, struct string_list *ret_ids, struct error *e);

/* Groups that name, as a member, a DN that an entry had before it moved or vanished. */
int mirror_stale_groups(struct state *s, struct string_list *ret_ids, struct error *e);
/* The group was read again long enough after: a DN that it still names means what it says. */
int mirror_stale_end(struct state *s, const char *group_id, struct error *e);

/* *ret is a whole entry, but for a group's members. Answers STATE_NONE. gone: it is a
 * tombstone. */
struct mirror_entry {
    struct entry *entry;
    bool gone;
    char *gone_why;
    uint64_t gone_usec;
    bool has_person, has_link, has_operation; /* so nothing else need be asked for them */
    bool shares_name;                         /* another entry has its DN key: see mirror_twin() */
};
void mirror_entry_done(struct mirror_entry *m);
int mirror_load(struct state *s, const char *id, struct mirror_entry *ret, struct error *e);
/* Of an entry that is there; else STATE_NONE. */
int mirror_dn(struct state *s, const char *id, char **ret, struct error *e);
/* Ids of people whom a person may mean: an id, a DN, a login (wanted or linked), or a mail
 * address. */
int mirror_find_people(struct state *s, const char *text, struct string_list *ret_ids,
                       struct error *e);

/* The id of what is in the directory under this DN now, of any kind; malloc'd; or STATE_NONE.
 */
int mirror_find_dn(struct state *s, const char *dn, char **ret_id, struct error *e);

/* Is there a living group of this DN, with any member? */
int mirror_group_has_members(struct state *s, const char *dn, bool *ret, struct error *e);

/* Cookies of feeds. */
int mirror_cookie_get(struct state *s, unsigned search, void **ret, size_t *ret_size,
                      char **ret_identity, struct error *e); /* or STATE_NONE */
int mirror_cookie_set(struct state *s, unsigned search, const void *cookie, size_t size,
                      const char *identity, struct error *e); /* NULL: forgets */

/* The groups that rules name. Binding remembers the id that a DN had, so that a renamed group
 * is still the same (state RENAMED), and a deleted one is told from one that never was. */
enum bound_state { BOUND_PRESENT = 1, BOUND_RENAMED = 2, BOUND_GONE = 3, BOUND_NEVER_SEEN = 4 };
struct bound_group {
    char *configured_key;
    char *id; /* NULL: never seen */
    char *dn; /* now, or when it was last seen; NULL: never seen */
    enum bound_state state;
    size_t n_members;    /* direct */
    bool members_hidden; /* they are those that were seen last: now none is shown */
};
struct bound_groups {
    struct bound_group *items;
    size_t n_items;
};
void bound_groups_done(struct bound_groups *g);
/* Same order as keys. Writes new bindings (needs a transaction). */
int mirror_bind_groups(struct state *s, const char *const *keys, size_t n_keys,
                       struct bound_groups *ret, struct error *e);
/* The same, without writing. */
int mirror_look_at_groups(struct state *s, const char *const *keys, size_t n_keys,
                          struct bound_groups *ret, struct error *e);

/* Is this person in these groups, directly or nested (cycles end; each group once)? One element
 * for each of groups->items. */
struct mirror_membership {
    bool member;
    char *via; /* the DN of the group that names the person, when that is another one; else NULL
                */
};
int mirror_memberships(struct state *s, const char *person_id, const struct bound_groups *groups,
                       struct mirror_membership *ret, struct error *e);
void mirror_memberships_done(struct mirror_membership *m, size_t n);

/* Living entries of one search. */
int mirror_search_size(struct state *s, unsigned search, size_t *ret, struct error *e);
struct mirror_counts {
    size_t people, groups, containers, gone, members_unresolved;
};
int mirror_counts(struct state *s, struct mirror_counts *ret, struct error *e);
/* For each: how many people have a value of this attribute. And how many people there are. */
int mirror_attribute_counts(struct state *s, const struct string_list *attributes,
                            size_t *ret_counts, size_t *ret_people, struct error *e);
/* Some people, at most `limit`, with their attributes; `each` gives 0 or -ENOMEM. */
int mirror_sample(struct state *s, size_t limit,
                  int (*each)(const struct entry *entry, void *userdata), void *userdata,
                  struct error *e);
/* "Did you mean": DNs of groups whose leaf value resembles that of `dn`; at most `limit`. */
int mirror_similar_groups(struct state *s, const char *dn, size_t limit, struct string_list *ret,
                          struct error *e);
