/*
 * What a batch takes: entries are decoded, looked at, and handed to the sink, or held back
 * until what is missing of them was fetched; what the read as a whole brought is counted, and
 * doubted where it must be. It never lets a group through with part of its members: either all
 * of them were read, or the read is doubtful and the group stays as it was.
 */
#pragma once
#include <ldap.h>
#include <stdbool.h>
#include <stddef.h>

struct decoded;
struct entries;
struct error;
struct feed_environment;
struct fetches;
struct group_reads;
struct member;
struct places;
struct raw_entry;

/* All are borrowed for life. */
int entries_new(struct entries **ret, struct feed_environment *env, struct fetches *fetches,
                struct places *places, struct group_reads *group_reads, struct error *e);
struct entries *entries_free(struct entries *x);
/* Another batch. known: how many entries of this search were there before; 0: never any. */
void entries_reset(struct entries *x, unsigned search, bool full, size_t known);
void entries_from_cookie(struct entries *x); /* full, since it lists what is present */
void entries_name_gone(struct entries *x);

/* As the functions of the same names in batch.h. */
int entries_message(struct entries *x, LDAP *ld, LDAPMessage *m, const char *id, struct error *e);
int entries_pushed(struct entries *x, LDAP *ld, LDAPMessage *m, const char *id, struct error *e);
int entries_roll(struct entries *x, LDAP *ld, LDAPMessage *m, struct error *e);
int entries_present(struct entries *x, const char *id, struct error *e);
int entries_members(struct entries *x, const char *group_id, const struct member *added,
                    size_t n_added, const struct member *removed, size_t n_removed,
                    struct error *e);
int entries_left(struct entries *x, unsigned search, const char *id, const char *why,
                 struct error *e);
int entries_gone(struct entries *x, const char *id, struct error *e);

/* One that was decoded, by whatever way it came; and one of which all is known that was to be.
 */
int entries_take(struct entries *x, unsigned search, struct decoded *d, struct error *e);
/* One that was read by itself: 0 if it is as it is known, and was taken so; else
 * SINK_UNKNOWN_ID. */
int entries_read_again(struct entries *x, unsigned search, LDAP *ld, LDAPMessage *m, const char *id,
                       struct raw_entry *ret, struct error *e);
int entries_pass(struct entries *x, unsigned search, struct decoded *d, struct error *e);

/* What was taken may not be all there is; the first reason stays. */
void entries_doubt(struct entries *x, const char *sentence);
const char *entries_doubted(const struct entries *x); /* the reason; NULL: not doubted */

unsigned entries_search(const struct entries *x);
bool entries_full(const struct entries *x);
enum feed_absence entries_absence(const struct entries *x); /* what it proves */
bool entries_tell_changes(const struct entries *x);         /* not only what is there */
size_t entries_n(const struct entries *x);
size_t entries_n_changes(const struct entries *x);      /* entries, left, present, members */
size_t entries_n_unchanged(const struct entries *x);    /* not even decoded */
const char *entries_watermark(const struct entries *x); /* the greatest so far; NULL: none */
