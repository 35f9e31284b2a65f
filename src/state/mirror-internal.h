/* What the mirror-*.c files share. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "model/entry.h"
#include "state/db.h"
#include "state/mirror.h"

/* An entry (e) with its name (a), and its DN as its server spells it. */
#define ENTRY_DN    "coalesce(e.dn, a.text)"
#define ENTRY_NAMED "entry e CROSS JOIN name a ON a.n = e.name_n "
#define ENTRY_BY_ID                                                                                \
    "identity i CROSS JOIN entry e ON e.n = i.n CROSS JOIN name a ON a.n = e.name_n "              \
    "WHERE i.id = ?1"
#define MEMBER_TEXT "coalesce(m.text, a.text)"
/* In no order: members are sorted (entry_sort()), so each is found there sooner than rows are. */
#define MEMBERS_OF_GROUP "FROM member m CROSS JOIN name a ON a.n = m.name_n WHERE m.group_n = ?1"
const struct member *member_among(const struct member *members, size_t n, enum member_kind kind,
                                  const char *key); /* NULL: it is not */
/* Whether mirror_lacking() has just found all that the group has among these members: those
 * bear its mark, and the others are new. Before anything is written. */
bool members_are_compared(const struct state *s, int64_t group_n, const struct member *members,
                          size_t n);
#define CONTENT_SIZE 16 /* bytes of the digest of what an entry holds */

/* The row of `name`; a new one, spelt so, if there is none. */
struct name {
    int64_t n;
    bool as_spelt; /* the row is spelt as it was asked for */
    bool is_new;   /* so nothing else goes by it */
};
int name_get(struct state *s, enum member_kind kind, const char *key, const char *text,
             struct name *ret, struct error *e);
/* The same where there is most often none. */
int name_add(struct state *s, enum member_kind kind, const char *key, const char *text,
             struct name *ret, struct error *e);

/* A row of `entry` without what it holds. */
struct entry_row {
    int64_t n;
    enum entry_kind kind;
    int64_t searches; /* bits */
    bool gone, members_hidden;
    int64_t name_n;
    char *dn, *dn_key;
};
void entry_row_done(struct entry_row *row);
#define ENTRY_ROW                                                                                  \
    "SELECT e.n, e.kind, e.searches, e.gone_usec, " ENTRY_DN ", e.digest, e.members_digest, "      \
    "a.key, e.raw, e.name_n, e.login_key, e.primary_key, e.mail_key FROM " ENTRY_BY_ID
int entry_row_read(struct stmt *q, struct entry_row *ret, struct error *e); /* of ENTRY_ROW */
int entry_row_find(struct state *s, const char *id, struct entry_row *ret,
                   struct error *e); /* or STATE_NONE */

/* In the place of the first letters of a digest: the members that are kept are those that were
 * seen last, with those that are shown. */
#define MEMBERS_HIDDEN "hidden"
bool members_are_hidden(const char *members_digest); /* NULL: there is none */
/* In the place of a digest: a person has said that the next read may be believed. */
#define MEMBERS_BELIEVED "believed"

int search_check(unsigned search, struct error *e);
int set_searches(struct state *s, int64_t n, int64_t searches, struct error *e);
int seen_set(struct state *s, unsigned search, int64_t n, struct error *e);

/* Notes that all live persons below a group, through nested groups, are to be marked dirty; see
 * mirror_mark_below(). */
int dirty_below(struct state *s, int64_t group_n, struct error *e);

/* The groups that name this row by its present DN key become stale: they must be read again,
 * and until then the row stays their member. */
int stale_note(struct state *s, int64_t n, struct error *e);
/* The group was read: what was said by its stale rows is now said by its members. Unless `all`,
 * rows of which the group names only the old DN stay: the server may be about to repair it. */
int stale_settle(struct state *s, int64_t group_n, bool all, struct error *e);
/* The first key behind all that lie below this one; malloc'd. */
char *key_range_end(const char *key);
/* The row moved from old_key: everything below it gets its new DN and key. */
int move_below(struct state *s, const char *old_key, const char *new_key, const char *new_dn,
               struct error *e);
/* If a group names this group by this name, persons below may have entered that. */
int dirty_if_named(struct state *s, int64_t group_n, int64_t name_n, struct error *e);

/* Replaces the member rows and marks who enters or leaves. members are sorted (entry_sort).
 * compared: members_are_compared() before whatever was written since, which touched none. */
int members_replace(struct state *s, int64_t group_n, const struct member *members, size_t n,
                    bool compared, struct error *e);
/* Of a group that had no row of its own before. */
int members_put(struct state *s, int64_t group_n, const struct member *members, size_t n,
                struct error *e);
/* As members_replace(), but that nobody leaves. */
int members_add(struct state *s, int64_t group_n, const struct member *members, size_t n,
                struct error *e);
int members_drop(struct state *s, int64_t group_n, struct error *e);

/* Whoever shares the DN key of this row (mirror_twin()) is looked at again. */
int twins_dirty(struct state *s, int64_t n, struct error *e);

/* unresolved.c. Before a name, an entry or its stale rows, the stale rows of a group, or a login
 * are touched. Errors only mean that all is counted anew. */
void unresolved_note(struct state *s, int64_t name_n);
void unresolved_note_entry(struct state *s, int64_t n);
void unresolved_note_stale(struct state *s, int64_t group_n);
void unresolved_note_login(struct state *s);
int unresolved_count(struct state *s, int64_t *ret, struct error *e);

/* The row of `shape` for the attributes of an entry. */
int shape_get(struct state *s, const struct entry *entry, int64_t *ret, struct error *e);
