/*
 * What the files of this folder share: the handle, statements that are prepared once, and the
 * sentences for what SQLite says. Nobody outside src/state includes this header.
 */
#pragma once
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "model/dn.h"
#include "state/link.h"
#include "state/lock.h"
#include "state/mirror.h"
#include "state/person.h"
#include "state/state.h"
#include "state/trail.h"

struct audit_memory;
struct checkpoint;
struct error;
struct stmt;

#define MIRROR_MAX_SEARCHES 32

/* Which rows of `entry` a full read has shown: one bit for each row number. It lives in memory,
 * since a full read that a restart cuts short begins again anyway; so an unchanged entry costs
 * no write. */
/* What a full read has shown, by numbers; and, as far as it was looked for, what it has not. */
struct seen {
    bool active, looked; /* looked: whatever it has not shown is in `unseen` */
    uint64_t *words;
    size_t n_words;
    int64_t look_from;
    struct row_numbers unseen;
    size_t n_sampled;                   /* of `unseen`: so many were looked at for … */
    struct string_list sample, parents; /* … one of each container */
};
void seen_done(struct seen *seen);

#define ID_TEXT_SIZE 37 /* a UUID and NUL */
#define ID_SIZE      16

/* identity.c: what numbers ids have, as far as it was asked for lately. */
#define KNOWN_IDS 1024
struct known_id {
    char id[ID_TEXT_SIZE];
    uint32_t epoch;
    int64_t n; /* 0: the slot is free */
};

/* mirror-walk.c: what walks remember of groups. */
struct group {
    struct group *next; /* in its slot */
    int64_t n;
    bool gone;
    bool asked; /* `parents` are those that name it */
    struct group **parents;
    size_t n_parents, capacity;
    char *id, *dn;
};
struct known_groups {
    struct group *slots[512]; /* by number */
    size_t n;
    bool over; /* something of it was written, or undone, since: to be let go */
};

struct budget_use {
    unsigned budget;
    uint64_t at_usec; /* the end of a minute */
    int64_t n;
};

/* How many rows one statement writes where there are many; fewer than SOME are written one by one,
 * and what is missing to MANY is filled up with the last one, so it must not matter twice. */
#define MANY       32
#define SOME       8
#define TWO_OF(x)  x ", " x
#define MANY_OF(x) TWO_OF(TWO_OF(TWO_OF(TWO_OF(TWO_OF(x)))))

/* later.c: what is to be written into a table together, when the table is needed next. */
enum { /* tables; bits */
       LATER_DIRTY = 1,
       LATER_OPERATION = 2,
       LATER_PERSON = 4,
       LATER_BUDGET = 8,
};
struct later {
    unsigned waits;                               /* for which tables something does */
    struct row_numbers marks, unmarks;            /* of `dirty` */
    struct row_numbers started, looking, removed; /* operations: queue_start(), queue_remove() */
    struct row_numbers touched; /* people: person_touch(), by this run, to whom this was done */
    uint64_t touched_run;
    enum person_bucket touched_done;
    struct budget_use uses[4]; /* budget_note() */
    size_t n_uses;
};

#define STMT_CACHE_SIZE 512 /* a power of two, well above the number of statements */

struct schema;

/* What trail.c need not ask again until a rollback. */
struct trail_known {
    bool has_head, has_noted;
    struct trail_head head;
    int64_t noted;   /* up to where the lines are noted as exported */
    int64_t dropped; /* up to where none is left; 0: not known */
};

/* link-watch.c */
struct link_watch {
    bool active, all; /* all: there was no memory, or every link was written */
    uint64_t *hashes;
    size_t n, capacity;
};

/* unresolved.c; one state's, or a reader's that counts for it. */
#define UNRESOLVED_NOTED_MAX 256
struct unresolved {
    bool is_watched; /* what is done since is noted below … */
    bool is_known;   /* … and this is how many there were before: */
    int64_t n;
    bool by_login, is_touched; /* members are logins; an entry was written */
    uint64_t n_watches, lent;  /* so many so far; of a reader: the watch that it counts for */
    size_t n_noted;
    struct {
        int64_t name_n, before;
    } noted[UNRESOLVED_NOTED_MAX];
};

/* The file, and how it was found. */
struct state_file {
    int lock_fd, fd;       /* of the lock file, and of the state file itself */
    bool checked;          /* its pages were read when it was opened: it was not as it was left */
    bool unproven;         /* they were not, and should be: see state_prove() */
    bool suspect;          /* a page of it was found damaged since */
    struct lock_left left; /* as it was found; what is to be noted at its end */
    struct checkpoint *checkpoint; /* NULL for a private copy */
    int wal_pages;                 /* as of the last commit; 0: a checkpoint was asked for since */
    int log_pages;                 /* as of the last commit */
};

/* transaction.c */
struct transaction {
    bool active;
    bool broken; /* a write of it failed: it can only be rolled back */
    int (*begin)(void *userdata, struct error *e); /* state_begin_by() */
    void *userdata;
    int changes_before; /* in this handle, when it began */
};

/* mirror-search.c */
struct searches {
    unsigned n; /* 0: nobody has said */
    struct seen seen[MIRROR_MAX_SEARCHES];
};

/* trail.c */
struct trail_writer {
    int64_t exported; /* known to be in the audit file, not yet noted here; 0 */
    struct trail_known known;
    struct buffer pending;      /* lines of this transaction that are not written yet */
    struct audit_memory *audit; /* borrowed: what the audit's composer remembers */
    uint64_t epoch;             /* another one after each rollback */
};

/* mirror-read.c: the names of attributes that were asked for last. */
struct shape {
    int64_t n; /* 0: none since the last rollback */
    struct buffer names;
};

/* mirror-row.c: there is no entry of this id, while this many rows were changed. */
struct absent {
    char id[ID_TEXT_SIZE];
    int changes;
    int64_t n; /* its number; 0: it has none */
};

/* mirror-lost.c: each member that a group has was seen in an entry, and marked there with this
 * number, while this many rows were changed and as many transactions undone. */
struct compared {
    int64_t group_n; /* 0: none */
    size_t n_stored;
    unsigned number;
    int changes;
    uint64_t epoch;
};

/* Budgets that were seen to have spent nothing since then. A statement that writes `budget_use`
 * ends that for all, budget_write() for its own. */
#define UNSPENT_BUDGETS 16
struct unspent {
    unsigned known; /* a bit for each */
    uint64_t since_usec[UNSPENT_BUDGETS];
};

/* What the statement that is being prepared does. */
struct preparing {
    unsigned tables; /* that it names, of those whose writes may wait */
    bool groups;     /* it writes them */
    bool marks;      /* it adds rows of `dirty` */
    bool alarms;     /* or of `alarm` */
    bool uses;       /* it adds or changes rows of `budget_use` */
};

/* identity.c */
struct known_ids {
    struct known_id known[KNOWN_IDS];
    uint32_t epoch; /* another one: none of them is known any more */
};

/* alarm.c */
struct told_alarms {
    struct alarm_telling *items;
    size_t n_items, capacity;
};

struct state {
    struct state *next_open; /* of those that this process has open for writing; see state.c */
    sqlite3 *db;
    char *path; /* for sentences */
    struct state_file file;
    struct transaction transaction;
    atomic_bool cancelled; /* state_cancel() */
    struct stmt *cache[STMT_CACHE_SIZE];
    struct preparing preparing;
    struct buffer scratch;
    const struct schema *schema; /* mirror_use_schema(); borrowed; NULL: the built-in table */
    struct dn_memory dn_memory;  /* by that */
    struct searches searches;
    struct shape shape;
    struct absent absent;
    struct compared compared;
    struct known_ids ids;
    struct known_groups groups;
    struct unresolved unresolved;
    int64_t n_links[LINK_N_STATUS]; /* link_count(), by status; -1: must be counted again */
    struct link_watch link_watch;
    struct trail_writer trail;
    bool round_is_narrow; /* see round.h */
    bool no_marks;        /* `dirty` was seen to be empty, and nothing was added to it since */
    bool no_alarms;       /* `alarm` likewise */
    struct told_alarms told;
    struct unspent unspent;
    struct later later;
    int (*flush)(struct state *s, unsigned tables, struct error *e); /* later_flush() */
};

#define STMT_ROW 1 /* positive answer of stmt_step() */

struct stmt {
    struct state *state;
    sqlite3_stmt *handle;
    const char *sql; /* the key of the cache: the address of a literal */
    bool busy;
    bool cached;
    bool writes;
    unsigned tables;    /* that it needs, of those whose writes may wait */
    bool writes_groups; /* what walks remember is over with it */
    bool adds_marks, adds_alarms, adds_uses;
    int bind_rc;
    char id[ID_TEXT_SIZE]; /* what stmt_id() gave last */
};

/* `sql` must live as long as the state: a literal. A statement that is in use further up the
 * stack is prepared a second time, so nesting is safe. */
int stmt_prepare(struct stmt **ret, struct state *s, const char *sql, struct error *e);
/* Resets it and lets go of what was bound; for CLEANUP. */
void stmt_freep(struct stmt **q);
void stmt_cache_done(struct state *s);

/* Texts are borrowed until the statement is released; NULL binds NULL. A failure to bind is
 * reported by the next step. */
void stmt_bind_text(struct stmt *q, int i, const char *text);
void stmt_bind_blob(struct stmt *q, int i, const void *bytes, size_t size);
void stmt_bind_int(struct stmt *q, int i, int64_t value);

/* The values of a statement: WITH(as_int(n), as_text(why)) for ?1 and ?2. */
struct bind {
    enum {
        BINDS_END,
        BIND_INT,
        BIND_TEXT,
        BIND_BLOB,
        BIND_ID,
    } type;
    size_t size;
    union {
        int64_t n;
        const void *bytes;
    };
};
#define WITH(...) ((const struct bind[]){__VA_ARGS__, {0}})

static inline struct bind as_int(int64_t n)
{
    return (struct bind){.type = BIND_INT, .n = n};
}

static inline struct bind as_usec(uint64_t usec)
{
    return as_int(usec > INT64_MAX ? INT64_MAX : (int64_t)usec);
}

static inline struct bind as_text(const char *text)
{
    return (struct bind){.type = BIND_TEXT, .bytes = text};
}

static inline struct bind as_blob(const void *bytes, size_t size)
{
    return (struct bind){.type = BIND_BLOB, .size = size, .bytes = bytes};
}

static inline struct bind as_id(const char *id)
{
    return (struct bind){.type = BIND_ID, .bytes = id};
}

/* Prepares it, binds these (NULL: none), and takes the first step. */
int stmt_query(struct stmt **ret, struct state *s, const char *sql, const struct bind *binds,
               struct error *e);
/* The same for what gives no rows, and lets go of it: 0 or -errno. */
int db_write(struct state *s, const char *sql, const struct bind *binds, struct error *e);
/* The first column of each row, appended; and that of the first row, malloc'd, or STATE_NONE.
 */
int db_texts(struct state *s, const char *sql, const struct bind *binds, struct string_list *ret,
             struct error *e);
int db_ids(struct state *s, const char *sql, const struct bind *binds, struct string_list *ret_ids,
           struct error *e);
int db_text(struct state *s, const char *sql, const struct bind *binds, char **ret,
            struct error *e);
int db_id(struct state *s, const char *sql, const struct bind *binds, char **ret, struct error *e);
/* A number: that of the first row; 0 where there is none, or NULL. */
int db_int(struct state *s, const char *sql, const struct bind *binds, int64_t *ret,
           struct error *e);
int db_size(struct state *s, const char *sql, const struct bind *binds, size_t *ret,
            struct error *e);

/* STMT_ROW, 0 when there is no (further) row, or -errno. One that writes begins the transaction,
 * and fails when SQLite has rolled it back already. */
int stmt_step(struct stmt *q, struct error *e);
/* For statements that give no rows: 0 or -errno. Resets, so it may be bound and run again. */
int stmt_run(struct stmt *q, struct error *e);
void stmt_reset(struct stmt *q);

const char *stmt_text(struct stmt *q, int column); /* borrowed until the next step; or NULL */
size_t stmt_size(struct stmt *q, int column);
int64_t stmt_int(struct stmt *q, int column);
uint64_t stmt_usec(struct stmt *q, int column);
int stmt_copy(struct stmt *q, int column, char **ret); /* malloc'd, NULL for NULL; -ENOMEM */

/* Ids of entries are in `identity` alone: a UUID in its usual form as its bytes, every other id as
 * the text that it is. */
bool id_bytes(const char *id, unsigned char ret[static ID_SIZE]); /* false: it is no such UUID */
void stmt_bind_id(struct stmt *q, int i, const char *id);
const char *stmt_id(struct stmt *q, int column); /* borrowed until the next stmt_id(); or NULL */
int stmt_copy_id(struct stmt *q, int column, char **ret); /* malloc'd, NULL for NULL; -ENOMEM */
/* The number of the entry whose id is the first value of the statement; NULL if it has none. */
#define NUMBER_OF "(SELECT i.n FROM identity i WHERE i.id = ?1)"
/* The number of this id; a new one if it has none. It holds until a row of it is written, as long
 * as no row is taken away, also none whose deletion waits (later_flush()). */
int identity_get(struct state *s, const char *id, int64_t *ret, struct error *e);
int identity_find(struct state *s, const char *id, int64_t *ret, struct error *e); /* 0: none */
void identity_know(struct state *s, const char *id, int64_t n);                    /* it was read */
void identity_forget(struct state *s); /* some id has another number, or none */

/* That there is no entry of this id is known until the next change: it is asked three times in a
 * row of each that is read for the first time. */
void absent_note(struct state *s, const char *id, int64_t n);
bool absent_is(const struct state *s, const char *id);

void groups_done(struct state *s);
void later_watch(struct state *s); /* once the file is open and as it is to be */
/* What waits for these tables is written. */
int later_flush(struct state *s, unsigned tables, struct error *e);
void later_done(struct state *s); /* what waits is forgotten, and what walks remember */
/* The entry of this number is, or is no more, among those who are to be looked at. */
int later_mark(struct state *s, int64_t n, struct error *e);
int later_unmark(struct state *s, int64_t n, struct error *e);
/* All marks that there are wait, and they are few: they can be looked through. */
bool later_has_few_marks(const struct state *s);
/* later_unmark() of one whose number others keep: a mark that waits need not be written. */
int later_take_mark(struct state *s, int64_t n, struct error *e);
uint64_t budget_minute(uint64_t usec); /* alarm.c: the minute as of whose end a use counts */
int budget_write(struct state *s, const struct budget_use *use, struct error *e);
/* See person_touch(); not for PENDING. */
int later_touch(struct state *s, int64_t n, uint64_t run, enum person_bucket done, struct error *e);

/* Statements without parameters and rows; for pragmas and migrations. */
int db_exec(sqlite3 *db, const char *path, const char *sql, struct error *e);
/* One number out of a statement without parameters. */
int db_number(sqlite3 *db, const char *path, const char *sql, int64_t *ret, struct error *e);
/* By these flags of SQLite, with SQLITE_OPEN_NOMUTEX: each connection has one thread at a time.
 * path: for the sentence. *ret is to be closed also when it fails. */
int db_connect(sqlite3 **ret, const char *name, int flags, const char *path, struct error *e);
/* The sentence for a failed call: what happened, and what the operator can do about it. */
int db_error(sqlite3 *db, const char *path, int rc, struct error *e);

/* This link is about to be written; NULL: all of them are. */
void link_watch_note(struct state *s, const char *entry_id);
/* link_count() counts again: what was written is undone, or was not written one by one. */
void link_forget_counts(struct state *s);
/* unresolved.c. What is known goes to a reader that sees the same; what it counts comes back. */
void unresolved_forget(struct state *s);
/* In the note beside the file, which holds while that is not written to: "" when it is not known. */
void unresolved_describe(struct state *s);
void unresolved_recall(struct state *s);
void unresolved_lend(struct state *s, struct state *reader);
void unresolved_learn(struct state *s, const struct state *reader);
/* What undoes one statement of many rows stays in memory up to this size; SQLite 3.40 writes it out
 * in one piece, of below 128 KiB. */
#define SPACE_UNDO_IN_MEMORY (120 << 10)
/* What SQLite puts aside goes beside the state file: /tmp may be memory, or may not be written. */
int space_use_folder_of(const char *path, struct error *e);
/* Makes an older file one that can become smaller, if it is known to be `sound`; it stays as it
 * is where that fails. From now on pages that become free are not written once more. */
int space_compact(sqlite3 *db, const char *path, bool sound, struct error *e);
/* Gives pages back when many are free; between two transactions. */
void space_trim(struct state *s);
/* Its pages go into the file, and what it took of the disk is free: a write that did not fit leaves
 * all that it wrote there. */
void space_empty_log(sqlite3 *db, const char *path);
/* One count out of a statement of the cache without parameters; 0 when it cannot be read. */
size_t db_count(struct state *s, const char *sql);
