/*
 * The audit: what was done to whom, why, and with what answer. A row is written in the
 * transaction that does the step; afterwards rows leave, in order, for the audit file (JSON
 * lines) and the journal.
 *
 * Each line carries "seq", and "prev": the SHA-256 of the line before it, so that a changed,
 * deleted or inserted line is found, across rotations. The hash of a line is over its bytes
 * without the newline. Line format: docs/audit-format.md. Nothing secret is ever in a row;
 * texts are made printable.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct operation;
struct source;
struct state;

struct audit_row {
    const char
        *event; /* "intent", "outcome", "skip", "hold", "release", "park", "approve", "budget",
                   "adopt", "leave", "return", "link", "drift", "run-begin", "run-end", "start",
                   "stop", "configuration", "alarm", "alarm-over", "repair" */
    uint64_t run;
    const struct operation *operation; /* person, kind, changes, why; or NULL */
    const char *entry_id, *dn, *login; /* when there is no operation */
    const char *code, *sentence;
    int status;              /* HTTP; 0: none */
    const char *answer;      /* the class's name */
    const char *answer_text; /* printable, shortened */
    unsigned attempts;
    uint64_t duration_usec;
    const char *fingerprint; /* of the configuration */
    const char *details;     /* further JSON object text, merged as "details"; or NULL */
};
/* Needs an open transaction. */
int audit_record(struct state *s, const struct audit_row *row, struct error *e);

struct audit_export;
/* Opens (creates 0640) the file for appending. Compares its last line with the state: the file
 * may lag behind (a crash before the export: the rest is appended) or hold a torn last line
 * (repaired, and said in a "repair" row). *ret_state_older: the file is ahead of the state: an
 * older state file was restored. */
int audit_export_open(struct audit_export **ret, struct state *s, const char *path,
                      bool to_journal, bool *ret_state_older, struct error *e);
/* Appends what was committed since, one write and fdatasync for all of it; then notes in the
 * state how far it got (in the next transaction). Reopens the file when it was rotated
 * (renamed) away. A failure is reported each time and loses nothing: rows wait in the state. */
int audit_export_run(struct audit_export *x, struct error *e);
int audit_export_reopen(struct audit_export *x, struct error *e); /* SIGHUP, logrotate */
struct audit_export *audit_export_close(struct audit_export *x);

/* Verifies a chain of files, oldest first, without a state: rosterctl audit verify, years
 * later. */
struct audit_verify_result {
    uint64_t n_lines, first_seq, last_seq;
    char first_time[32], last_time[32];
    char last_hash[65];
    char *file; /* where it breaks, or NULL: the chain is whole */
    unsigned line;
    char sentence[512];
};
int audit_verify(const char *const *files, size_t n_files, struct audit_verify_result *ret,
                 struct error *e);
void audit_verify_result_done(struct audit_verify_result *r);
/* fn for each line (parsed text, one JSON object) whose person matches (id, DN or login; NULL:
 * all). */
int audit_each(const char *const *files, size_t n_files, const char *person,
               int (*fn)(const char *line, void *userdata), void *userdata, struct error *e);
