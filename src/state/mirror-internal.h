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
#define ENTRY_BY_ID                                                                            \
    "identity i CROSS JOIN entry e ON e.n = i.n CROSS JOIN name a ON a.n = e.name_n "          \
    "WHERE i.id = ?1"
/* In the order of entry_sort(). */
#define MEMBER_TEXT "coalesce(m.text, a.text)"
#define MEMBERS_OF_GROUP                                                                       \
    "FROM member m CROSS JOIN name a ON a.n = m.name_n WHERE m.group_n = ?1 "                  \
    "ORDER BY m.kind, a.key"
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
    bool gone;
    int64_t name_n;
    char *dn, *dn_key;
};
void entry_row_done(struct entry_row *row);
#define ENTRY_ROW                                                                             \
    "SELECT e.n, e.kind, e.searches, e.gone_usec, " ENTRY_DN ", e.digest, e.members_digest, "  \
    "a.key, e.raw, e.name_n FROM " ENTRY_BY_ID
int entry_row_read(struct stmt *q, struct entry_row *ret, struct error *e); /* of ENTRY_ROW */
int entry_row_find(struct state *s, const char *id, struct entry_row *ret,
                   struct error *e); /* or STATE_NONE */

/* In the place of the first letters of a digest: the members that are kept are those that were
 * seen last, with those that are shown. */
#define MEMBERS_HIDDEN "hidden"
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

/* Whoever (e) a row of `member` names, in the group ?1, when it came or went; also who is below a
 * group that is gone, since marks are made later and this group may have been gone as well. Who has
 * a stale row of the group was a member anyhow; stale_settle() decides about those. */
#define MEMBER_AFFECTED                                                                        \
    "(e.gone_usec = 0 OR e.kind = 2) AND "                                                     \
    "NOT EXISTS (SELECT 1 FROM stale t WHERE t.group_n = ?1 AND t.entry_n = e.n)"
/* Marks what the rows of a statement (number, kind) are: people, or the people below groups. */
int dirty_rows(struct state *s, struct stmt *q, struct error *e);
/* At most MANY, named by their DN, none of whom the group has yet; mirror-join.c. */
int members_join(struct state *s, int64_t group_n, const struct member *const *members, size_t n,
                 struct error *e);

/* Replaces the member rows and marks who enters or leaves. members are sorted (entry_sort). */
int members_replace(struct state *s, int64_t group_n, const struct member *members, size_t n,
                    struct error *e);
/* The same, but that nobody leaves. */
int members_add(struct state *s, int64_t group_n, const struct member *members, size_t n,
                struct error *e);
int members_drop(struct state *s, int64_t group_n, struct error *e);

/* Whoever shares the DN key of this row (mirror_twin()) is looked at again. */
int twins_dirty(struct state *s, int64_t n, struct error *e);

/* The row of `shape` for the attributes of an entry. */
int shape_get(struct state *s, const struct entry *entry, int64_t *ret, struct error *e);
