/*
 * The state file: one SQLite database, WAL, synchronous=FULL, mode 0600, one instance by a lock
 * file. No password and no token is in it. sqlite3(1) reads it.
 *
 * One transaction at a time. It begins with the first statement that writes, as was said by
 * state_begin_by(); where nothing was said, nothing can be written before state_begin(). A failed
 * commit is rolled back and reported; the caller stops the executor and stays up.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "state/answers.h"

struct error;
struct state;

/* Creates it when it is missing (*ret_created). Checks application_id, user_version,
 * integrity_check; applies migrations (append-only). Migrations and pragmas: see migrate.c. Never
 * writes into a damaged file. */
int state_open(struct state **ret, const char *path, bool *ret_created, struct error *e);
/* The same, but does not wait for the pages to be read where the last rosterd ended while it
 * had the file open, and the file has the form of today: then state_is_proven() is false until
 * another thread has read them. Meanwhile what is committed stays in the log, also at the end.
 */
int state_open_at_once(struct state **ret, const char *path, bool *ret_created, struct error *e);
bool state_is_proven(const struct state *s);
/* For that thread, as state_open_to_read(). */
int state_open_to_prove(struct state **ret, struct state *beside, struct error *e);
/* 0, STATE_DAMAGED with a sentence, or -errno. */
int state_prove(struct state *reader, struct error *e);
/* What came of it. A file that is not sound is checked before anything else when it is opened
 * next. */
void state_proven(struct state *s, bool sound);
/* Types of columns are no longer looked at when a row is written: which type a statement gives to
 * which column is written in the program, so tests, where they are looked at, have seen all of
 * them. An integrity check still looks. */
int state_trust_types(struct state *s, struct error *e);
/* Read-only view beside a running daemon (no lock); for --dry-run a copy in memory of the file.
 * path NULL: of no file, so an empty one. */
int state_open_copy(struct state **ret, const char *path, struct error *e);
/* Would state_open() take it? Changes and makes nothing, also while a rosterd runs, and asks
 * for no lock. *warning: what that would log, or "". 0, STATE_DAMAGED or -errno. */
int state_look(const char *path, struct error *warning, struct error *e);
/* Only to read, and all of it as of now, for a thread of its own; beside one that is open here and
 * in no transaction. */
int state_open_to_read(struct state **ret, struct state *beside, struct error *e);
/* Its thread is through: what it found out of what the other does not know yet is kept there. */
void state_end_reading(struct state *s, struct state *beside);
/* From another thread: what it reads ends soon with -ECANCELED, and so does all after it. */
void state_cancel(struct state *s);
/* Does the file that is open still lie at its path? (True for a private copy.) */
bool state_is_in_place(const struct state *s);
/* One commit that leaves nothing behind: can it be written? Outside of a transaction. */
int state_try_to_write(struct state *s, struct error *e);
struct state *state_close(struct state *s); /* checkpoints; accepts NULL */

int state_begin(struct state *s, struct error *e); /* BEGIN IMMEDIATE */
/* From now on a transaction begins by `begin` with the first statement that writes, or earlier. */
void state_begin_by(struct state *s, int (*begin)(void *userdata, struct error *e), void *userdata);
void state_begin_no_more(struct state *s, const void *userdata); /* if that is who was said last */
int state_write(struct state *s, struct error *e); /* earlier; nothing when one is open */
int state_commit(struct state *s, struct error *e);
void state_rollback(struct state *s);
bool state_in_transaction(const struct state *s);
bool state_has_changed(const struct state *s); /* since the transaction began */
/* Nothing is to be done: the pages that are kept in memory are read again when they are needed. */
void state_rest(struct state *s);
int state_n_changes(const struct state *s); /* rows that were written, since it was opened */
/* Checkpoints the WAL from a small thread's own connection when it has grown; called after
 * commits. */
void state_checkpoint_soon(struct state *s);
/* The WAL does not become shorter by checkpoints, since there is always somebody who reads. */
bool state_log_is_long(const struct state *s);

/* A fact: which form the file had before, until that is on record. */
#define STATE_FORM_BEFORE "form-before"
/* Small facts by name: "first-contact", "paused", "fingerprint", "schema" … */
int state_meta_get(struct state *s, const char *name, char **ret,
                   struct error *e); /* or STATE_NONE */
int state_meta_set(struct state *s, const char *name, const char *value,
                   struct error *e); /* NULL: removes */
int64_t state_meta_number(struct state *s, const char *name, int64_t otherwise);
