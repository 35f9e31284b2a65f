/* What the files of verifying share. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/audit.h"
#include "audit/files.h"
#include "audit/line.h"
#include "audit/note.h"
#include "audit/signer.h"
#include "audit/tree.h"
#include "audit/view.h"
#include "base/text.h"

struct erased {
    int64_t seq;
    size_t file;
    unsigned line;
};
struct range {
    int64_t first, last, by; /* by: the line that names them */
};

struct verifier {
    const struct audit_files *files;
    const struct audit_verify_options *options;
    struct audit_verify_result *result;
    struct line_reader reader;
    bool any, holds; /* the chain so far */
    struct line_chain last;
    struct tree_window window;
    struct audit_view *view; /* which intents are open */
    char key[SIGNER_VKEY_MAX + 1];
    bool named; /* a line has said which key signs; before that it is the one that was given */
    struct string_list trusted; /* the key that is trusted, and those to which it handed over */
    struct string_list signers; /* the keys of all checkpoints that are fine */
    /* The line whose key is not the trusted one; it may hand over to that. seq 0: none */
    struct erased foreign;
    int64_t unsigned_since; /* the last line that a checkpoint covers */
    struct erased *erased;  /* lines without what they commit to */
    size_t n_erased, erased_capacity;
    struct range *acts; /* lines that an erasure names */
    size_t n_acts, acts_capacity;
    size_t last_file;
    /* The checkpoint that was kept elsewhere. */
    bool has_note, note_seen; /* seen: the line that it speaks of is that of these files */
    int64_t note_seq;
    char note_sig[SIGNER_SIG_MAX + 1];
    struct chain_hash note_link;
};

/* One more finding, while there is room; line 0: of the file as a whole. 0 or -ENOMEM. */
__attribute__((format(printf, 5, 6))) int
verify_found(struct verifier *v, size_t file, unsigned line, int64_t seq, const char *format, ...);
void verify_sort_findings(struct verifier *v);
bool verify_is_event(const struct line_chain *l, const char *line, const char *event);
/* Was this checkpoint's line signed as it stands there, by the key in force? */
bool verify_signature_fits(const struct verifier *v, const struct line_chain *l, const json_t *row,
                           struct note *ret);
/* The note of the options: read, compared with each line, held against the keys that are trusted,
 * and judged. */
int verify_read_note(struct verifier *v, struct error *e);
void verify_compare_note(struct verifier *v, const struct line_chain *l);
int verify_check_note(struct verifier *v, struct error *e);
int verify_judge_note(struct verifier *v);
/* The chain does not hold: says what was done to which line. */
int verify_find_breaks(struct verifier *v, struct error *e);
