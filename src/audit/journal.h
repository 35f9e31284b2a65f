/*
 * The journal's part of the audit: the outcome of an operation is logged, with fields, once its
 * line is durable. What is logged is noted when the line is composed, so that no line is read
 * again but those that a restart finds waiting.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct audit_row;
struct audit_view;

struct journal_note;
struct journal {
    struct journal_note *notes; /* in the order of their lines */
    size_t n_notes, capacity;
    uint64_t run;  /* whose changes are counted … */
    size_t n_done; /* … by those that are done */
};
void journal_done(struct journal *j);

/* As many of a run's changes that are done are logged one by one. */
#define JOURNAL_RUN_MAX 1000

/* Notes the outcome that line `seq` tells; best effort. A note of this or a later line is of a
 * transaction that was undone, and goes. */
void journal_note(struct journal *j, int64_t seq, const struct audit_row *row);
/* The lines from `first` to `last` are durable: logs those that were noted. */
void journal_send_noted(struct journal *j, int64_t first, int64_t last);
/* Logs what a line says, if it is an outcome. Sees all lines, in their order. */
void journal_send_line(struct audit_view *v, const char *line);
/* Logs the signed note of a checkpoint, if the line is one. signer: the name of the key. */
void journal_send_checkpoint(const char *line, const char *signer);
