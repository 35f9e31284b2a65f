/*
 * What was decided about each person last: the wanted user or why there is none, what was done
 * for the person, and in which run. In which bucket of the run's ledger somebody is follows from
 * that and from the queue, and is asked for when somebody wants to know. People outlive their
 * entry until nothing is left to do for them.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/standing.h"

struct error;
struct state;
struct string_list;

struct person {
    char *entry_id;
    char *dn;
    enum verdict_kind verdict;
    char *wanted;    /* user_to_json, without sources; NULL unless USER */
    char *login_key; /* text_fold of the wanted login; NULL unless USER */
    char *code, *sentence;
    uint64_t recheck_usec;       /* 0: never */
    enum person_bucket standing; /* UNCHANGED, LEAVING or SKIPPED: once nothing waits */
    char *standing_code;         /* why skipped */
    uint64_t run;                /* the last one that touched the person */
    bool dirty;
};
void person_done(struct person *p);

int person_load(struct state *s, const char *entry_id, struct person *ret,
                struct error *e); /* or STATE_NONE */
int person_store(struct state *s, const struct person *p,
                 struct error *e); /* clears dirty as p->dirty says */
int person_forget(struct state *s, const char *entry_id, struct error *e);
/* Logins that begin with it, whatever the case, in order; at most max. */
int person_logins(struct state *s, const char *prefix, unsigned max, struct string_list *ret,
                  struct error *e);
/* Other people (not gone) who want the same login. */
int person_sharing_login(struct state *s, const char *login_key, const char *entry_id,
                         struct string_list *ret_ids, struct error *e);

/* Has anybody else to do with this login or (NULL: none) this mail: another person, a link, a user
 * whom the tenant has? False: none of those who can be asked for one by one would be found. */
int person_may_clash(struct state *s, const char *entry_id, const char *login_key,
                     const char *mail_key, bool *ret, struct error *e);

int person_mark_dirty(struct state *s, const char *entry_id, struct error *e);
/* Is the person marked by itself, not as one of everybody? When that cannot be read: yes. */
bool person_is_marked(struct state *s, const char *entry_id, struct error *e);
/* Everybody is looked at again, after whom is marked: state/round.h. */
int person_mark_all_dirty(struct state *s, struct error *e);
int person_mark_links_aside_dirty(struct state *s, struct error *e); /* link_set_aside() */
/* Those whose recheck time has come become dirty; *ret_next: the next such time, 0: none. */
int person_mark_due(struct state *s, uint64_t now_usec, uint64_t *ret_next, struct error *e);
/* After mirror_mark_below(): those who are marked themselves, in order of marking. */
int person_next_dirty(struct state *s, size_t limit, struct string_list *ret_ids, struct error *e);
/* With the groups that mirror_mark_below() awaits, and about as many as the round has left. */
size_t person_count_dirty(struct state *s);

/* The run (0: none) has to do with the person, and has created, adopted, updated or disabled the
 * user (PENDING: none of these). Whoever was created or adopted stays so for the run. */
int person_touch(struct state *s, const char *entry_id, uint64_t run, enum person_bucket done,
                 struct error *e);
/* Where the person stands now: by the queue, by what the last run did, by what was decided.
 * *ret_code is malloc'd: the reason within skipped and held. Answers STATE_NONE. */
int person_bucket_now(struct state *s, const char *entry_id, uint64_t now_usec,
                      enum person_bucket *ret, char **ret_code, struct error *e);
/* fn for each (bucket, code) of the people whom a run touched last, perhaps several times: of the
 * next `limit` people after the number *after, which is 0 at first and once there are no more. */
int person_ledger(struct state *s, uint64_t run, uint64_t now_usec, size_t limit, int64_t *after,
                  void (*fn)(enum person_bucket b, const char *code, size_t n, void *userdata),
                  void *userdata, struct error *e);
/* Every person, in order of DN; stops when fn returns non-zero, which is returned. */
int person_each(struct state *s, int (*fn)(const struct person *p, void *userdata), void *userdata,
                struct error *e);
/* The same of those who get no user: standing is SKIPPED. */
int person_each_skipped(struct state *s, int (*fn)(const struct person *p, void *userdata),
                        void *userdata, struct error *e);

/* Runs. */
int run_begin(struct state *s, const char *trigger, uint64_t now_usec, uint64_t *ret_run,
              struct error *e);
/* The last run, when its end is not on record: rosterd ended in it. 0: it is. */
int run_unended(struct state *s, uint64_t *ret_run, struct error *e);
int run_end(struct state *s, uint64_t run, uint64_t now_usec, const char *totals_json,
            struct error *e);
int run_last(struct state *s, uint64_t *ret_run, uint64_t *ret_started, uint64_t *ret_ended,
             char **ret_trigger, char **ret_totals,
             struct error *e); /* the last ended run, or STATE_NONE */
