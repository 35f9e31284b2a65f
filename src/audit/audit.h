/*
 * The audit: what was done to whom, why, and with what answer. A row is written in the
 * transaction that does the step; afterwards rows leave, in order, for the audit file (JSON
 * lines) and the journal.
 *
 * Each line names the link of the line before it, so that a changed, deleted or inserted line
 * is found, across rotations; checkpoints sign that chain. What is personal stands last in a
 * line and is chained by a commitment only, so that it can be erased. The form, to the byte:
 * docs/audit-format.md. Nothing secret is ever in a row; texts are made printable.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct json_t;
struct operation;
struct source;
struct state;

/* Who asked for it, as known when they asked: a number alone means nothing a year later. */
struct audit_actor {
    uint32_t uid;
    char name[64];    /* "": the number has none here */
    char login[64];   /* who logged in, where that is somebody else (sudo); "": not known */
    char session[64]; /* of logind; "": none */
    bool known;       /* who logged in is: `login`, or `name` where that is empty */
};

enum audit_likeness { AUDIT_OTHER, AUDIT_SAME, AUDIT_MAY_BE };

#define AUDIT_IDENTITY_SIZE 136
/* Who that is, to be kept: who logged in, if that is known, and the account. */
void audit_actor_identity(const struct audit_actor *a, char ret[static AUDIT_IDENTITY_SIZE]);
/* A kept identity (of before: the account alone) names somebody who logged in. */
bool audit_identity_is_known(const char *identity);
/* Whether the same person stands behind both. An account that several share, or a process of which
 * nobody knows who started it, proves nobody to be another. */
enum audit_likeness audit_actor_compare(const struct audit_actor *a, const char *identity);
/* Likewise of two kept ones: they are not certainly two people. */
bool audit_identities_may_be_one(const char *identity, const char *other);

struct audit_row {
    const char
        *event; /* "intent", "outcome", "skip", "hold", "release", "park", "approve", "budget",
                   "adopt", "leave", "return", "link", "drift", "run-begin", "run-end", "start",
                   "stop", "configuration", "alarm", "alarm-over", "repair", … */
    uint64_t run;
    const struct operation *operation; /* person, kind, changes, why; or NULL */
    const char *entry_id, *dn, *login; /* when there is no operation */
    const char *code, *sentence;
    int status;              /* HTTP; 0: none */
    const char *answer;      /* the class's name */
    const char *answer_text; /* printable, shortened */
    unsigned attempts;
    uint64_t duration_usec;
    uint64_t lag_usec;               /* of an intent: since the operation was due; 0: not known */
    const char *fingerprint;         /* of the configuration */
    const char *details;             /* further JSON object text, merged as "details"; or NULL */
    const struct audit_actor *actor; /* or NULL */
    const char *plan;                /* the hash that was approved, or NULL */
    const char *groups;              /* of that plan: "b (team)"; NULL: all of it */
    const char *reason;              /* what the actor gave as reason, or NULL */
};
int audit_record(struct state *s, const struct audit_row *row, struct error *e);

struct audit_export;
/* Opens (creates 0640) the file for appending. Compares its last line with the state: the file
 * may lag behind (a crash before the export: the rest is appended) or hold a torn last line
 * (repaired, and said in a "repair" row). *ret_state_older: the file is ahead of the state: an
 * older state file was restored. */
int audit_export_open(struct audit_export **ret, struct state *s, const char *path, bool to_journal,
                      bool *ret_state_older, struct error *e);
/* Would both take these files? Changes and makes nothing, and asks for no lock. *warning: what
 * opening would log, or "". key_path: a key that is not there would be made. */
int audit_look(const char *path, struct error *warning, struct error *e);
int audit_look_at_key(const char *key_path, struct error *e);
/* From now on checkpoints are signed with the key in this file, which is made when it is missing.
 * A key that is another one than before is said in a "key" line. */
int audit_export_sign(struct audit_export *x, const char *key_path, struct error *e);
/* The public key; NULL: there is none. Borrowed. */
const char *audit_export_key(const struct audit_export *x);
/* Makes a new key, which the old one hands over to. */
int audit_export_renew_key(struct audit_export *x, struct error *e);
/* When a file is closed and another one begun, how long closed ones are kept, and whether mails and
 * phone numbers are left out. 0: never, for ever. */
struct audit_limits {
    uint64_t rotate_bytes, rotate_usec, keep_usec;
    bool hide_contacts;
};
void audit_export_limit(struct audit_export *x, const struct audit_limits *limits);
/* Closes the file, with a checkpoint at its end, and begins another one; when it is due, or
 * `now`. Removes what has been kept for long enough. */
int audit_export_rotate(struct audit_export *x, bool now, struct error *e);
/* Writes a checkpoint if lines were written since the last one, an hour ago or longer. */
int audit_export_checkpoint(struct audit_export *x, struct error *e);
/* Appends what was committed since, one write and fdatasync for all of it; then notes in the
 * state how far it got (in the next transaction). Reopens the file when it was rotated
 * (renamed) away. A failure is reported each time and loses nothing: rows wait in the state. */
int audit_export_run(struct audit_export *x, struct error *e);
/* The newest checkpoint that is durable and was not given before, as a signed note, malloc'd; of
 * those that are written for the number of lines alone, one an hour. NULL: there is none. */
char *audit_export_take_note(struct audit_export *x, int64_t *ret_seq);
int audit_export_reopen(struct audit_export *x, struct error *e); /* SIGHUP, logrotate */
struct audit_export *audit_export_close(struct audit_export *x);

/* Verifies a chain of files, in any order, without a state: rosterctl audit verify, years
 * later. */
struct audit_finding {
    char *file;
    unsigned line;
    int64_t seq;        /* 0: it has no number */
    char sentence[512]; /* begins with its kind: "changed: …" */
};
struct audit_verify_options {
    const char *key;  /* the public key that is trusted; NULL: the first one in the files */
    const char *note; /* a checkpoint that was kept elsewhere, as a signed note; NULL */
};
struct audit_verify_result {
    uint64_t n_lines, first_seq, last_seq;
    uint64_t n_whole; /* lines before the first finding */
    char first_time[32], last_time[32];
    char last_hash[44];
    struct audit_finding *findings; /* by their place; none: all is whole */
    size_t n_findings, capacity;
    uint64_t n_more; /* findings that there was no room for */
    uint64_t n_checkpoints, n_unsigned, n_old, n_erased;
    uint64_t n_erased_unsigned; /* of those, by acts that no checkpoint covers */
    uint64_t n_unknown;         /* outcomes whose intent is in none of the files */
    int64_t last_checkpoint;    /* 0: there is none */
    char last_checkpoint_time[32];
    char key[200];    /* that signed the last one */
    int64_t note_seq; /* of the checkpoint that was kept; -1: none was given */
    bool note_fits;   /* it is signed by a key that is trusted, and that line is what it was */
    uint64_t n_carriage, n_byte_order; /* files that a gateway or an editor has been at */
};
int audit_verify(const char *const *files, size_t n_files,
                 const struct audit_verify_options *options, struct audit_verify_result *ret,
                 struct error *e);
void audit_verify_result_done(struct audit_verify_result *r);

/* One line with the hashes up to the next checkpoint: it proves that line to somebody who may not
 * see the others. */
struct buffer;
int audit_prove(int64_t seq, const char *const *files, size_t n_files, struct buffer *ret,
                struct error *e);
struct audit_proof {
    int64_t seq, checkpoint; /* the last line that the checkpoint covers */
    char time[32];           /* of the checkpoint */
    char key[200];
    bool erased; /* what the line told of a person is not in it */
    char *line;
};
/* key: the public key that is trusted; NULL: the one in the proof. -EBADMSG with a sentence when
 * it proves nothing. */
int audit_verify_proof(const char *text, const char *key, struct audit_proof *ret, struct error *e);

/* What of the files does not fit together, seen while they were read for something else; what
 * exactly was done to them is audit_verify()'s to say. */
struct audit_doubts {
    uint64_t n_unread;  /* lines in no form of ours, which were passed over, and ends of compressed
                          files that are not there */
    uint64_t n_breaks;  /* numbers that do not follow, a file that does not continue another */
    uint64_t n_again;   /* lines with a number that an earlier file had, passed over as well */
    uint64_t n_unknown; /* outcomes whose intent is in none of the files: nobody can tell of whom
                           and of what. Files that begin later than the audit may have some */
    char *file;         /* the first of them */
    unsigned line;
    int64_t first_seq, last_seq; /* of all files; 0: there is no line */
};
bool audit_is_doubtful(const struct audit_doubts *d);
void audit_doubts_done(struct audit_doubts *d);

struct line_chain;
enum audit_want {
    AUDIT_PASS_OVER = 0,
    AUDIT_NOTE, /* it is not read now; if it is an intent, its outcome has what it said */
    AUDIT_READ,
};

/* Which lines: NULL is any. */
struct audit_filter {
    const char *person;            /* an id, DN or login */
    const struct string_list *ids; /* of the same person, as far as is known; NULL: none is */
    const char *since, *until;     /* ISO times or their beginnings; until is not included */
    const char *event, *kind, *code;
    int64_t after; /* only lines with a higher number; 0: all */
    /* Only what is to be read is parsed; NULL: all is. */
    enum audit_want (*wants)(const struct line_chain *l, const char *line, void *userdata);
    struct audit_doubts *doubts; /* filled in; NULL: nobody asks */
    bool brief;                  /* of the lines only what happened is wanted: view.h */
};
/* Who had a role, a team or a skill at some time, from what was done. */
struct audit_holder {
    char *id, *login, *dn;
    char since[32];
    char *value;       /* of a skill: its level */
    char *place;       /* the rule that gave it and where that stands; NULL: not known */
    char *approved_by; /* NULL: it needed no approval */
    int64_t outcome_seq, intent_seq, approve_seq; /* 0: none */
    bool holds, found; /* found: rosterd met it there, and no line of its own gave it */
    bool disabled;
    bool gone;    /* the user was not at the contact center when rosterd last looked */
    bool renamed; /* the login is not the one that they began with */
};
struct audit_who {
    const char *field, *name;     /* "role", "team" or "skill", and which */
    const char *at;               /* an ISO time or its beginning, all of which counts; NULL: now */
    struct audit_holder **people; /* who had it, by their logins */
    size_t n_people;
    uint64_t n_erased; /* lines whose personal data is gone: they may have told more */
    struct audit_doubts doubts;
};
int audit_who(struct audit_who *w, const char *const *files, size_t n_files, struct error *e);
void audit_who_done(struct audit_who *w);

/* line: as it is in the file; view: what it says, under the long names of the document, an
 * outcome with what its intent said. */
typedef int (*audit_line_fn)(const char *line, const struct json_t *view, void *userdata);
int audit_each(const char *const *files, size_t n_files, const struct audit_filter *filter,
               audit_line_fn fn, void *userdata, struct error *e);
/* The same without an end: the closed files beside the one at `path` (path-…, path.…), then that
 * one and what is appended to it, across rotations. Sleeps while there is nothing. `idle` is
 * called before it does; -EPIPE once nobody reads from `out_fd` any more. filter->person is not
 * looked at. */
int audit_follow(const char *path, const struct audit_filter *filter, audit_line_fn fn,
                 int (*idle)(void *userdata), int out_fd, void *userdata, struct error *e);
