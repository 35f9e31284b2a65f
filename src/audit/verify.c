/*
 * Verifies audit files with nothing but the files.
 *
 * A first pass follows the chain line by line, in memory that does not grow with the files, and
 * checks what each line says of itself: its commitment, the signature of a checkpoint. Only
 * when the chain does not hold are all lines looked at together, to say what was done to which.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/checkpoint.h"
#include "audit/form.h"
#include "audit/verify-internal.h"
#include "base/error.h"
#include "base/memory.h"

void audit_verify_result_done(struct audit_verify_result *r)
{
    for (size_t i = 0; i < r->n_findings; i++)
        free(r->findings[i].file);
    free(r->findings);
    *r = (struct audit_verify_result){0};
}

static void verifier_done(struct verifier *v)
{
    line_reader_done(&v->reader);
    audit_view_free(v->view);
    string_list_done(&v->trusted);
    string_list_done(&v->signers);
    free(v->erased);
    free(v->acts);
}

static bool change_key(struct verifier *v, const char *key, bool handed_over)
{
    bool fine = !v->key[0] || strcmp(v->key, key) == 0 || handed_over;

    snprintf(v->key, sizeof(v->key), "%s", key);
    return fine;
}

/* Where none was given, the first key in the files is the one that is trusted. */
static int trust_first(struct verifier *v)
{
    return v->trusted.n_items || !v->key[0] ? 0 : string_list_add(&v->trusted, v->key);
}

/* The signed tree is one over these very lines, as far as they are there. */
static int check_tree(struct verifier *v, const struct note *n)
{
    struct chain_hash root;
    size_t n_leaves;
    const struct chain_hash *leaves = tree_window_from(&v->window, n->from, &n_leaves);

    if (!leaves || !v->holds)
        return 0;
    if (tree_root(leaves, n_leaves, &root) < 0)
        return -EIO;
    return chain_equal(&root, &n->root)
               ? 0
               : verify_found(v, v->reader.file, v->reader.number, n->seq + 1,
                              "signature: the tree that line %" PRId64
                              " signs is not that of the lines before it, so it proves nothing",
                              n->seq + 1);
}

/* Signed by a key that no line has named, or by another one than the one that was given, which may
 * be handed over to later: what that one signs then covers this line. */
static void note_foreign(struct verifier *v, const struct line_chain *l)
{
    if (!v->foreign.seq)
        v->foreign = (struct erased){l->seq, v->reader.file, v->reader.number};
}

/* Nothing has said yet that the key that was given is the one that signs here. */
static bool may_begin_otherwise(const struct verifier *v)
{
    return v->options->key && !v->named && !v->result->n_checkpoints;
}

static int check_checkpoint(struct verifier *v, const struct line_chain *l, const char *line)
{
    struct audit_verify_result *r = v->result;
    json_auto_t *object = json_loads(line, 0, NULL);
    const char *key = json_string_value(json_object_get(object, "key"));
    const char *sig = json_string_value(json_object_get(object, "sig"));
    const struct line_reader *at = &v->reader;
    struct note n;
    bool fits;

    if (key && may_begin_otherwise(v) && strcmp(key, v->options->key) != 0) {
        note_foreign(v, l);
        (void)change_key(v, key, true);
    }
    v->named |= key != NULL;
    if (key && !change_key(v, key, false))
        return verify_found(
            v, at->file, at->number, l->seq,
            "key: line %" PRId64
            " is signed by another key than the checkpoint before it, and no line hands "
            "over from one to the other",
            l->seq);
    if (!sig || !v->key[0])
        return sig ? 0 /* nothing says with which key it was signed */
                   : verify_found(v, at->file, at->number, l->seq,
                                  "signature: line %" PRId64 " is a checkpoint without signature",
                                  l->seq);
    if (trust_first(v) < 0)
        return -ENOMEM;
    fits = verify_signature_fits(v, l, object, &n);
    if (!fits && may_begin_otherwise(v)) {
        note_foreign(v, l);
        return 0;
    }
    if (!fits)
        return verify_found(v, at->file, at->number, l->seq,
                            "signature: the checkpoint in line %" PRId64
                            " was not signed by %.120s for the lines before it: it, or they, were "
                            "written by somebody else",
                            l->seq, v->key);
    if (v->foreign.seq && strcmp(v->key, v->options->key) == 0)
        v->foreign.seq = 0; /* what it signs begins with what the keys before it signed */
    if (string_list_add_once(&v->signers, v->key) < 0)
        return -ENOMEM;
    r->n_checkpoints++;
    r->last_checkpoint = l->seq;
    memcpy(r->last_checkpoint_time, l->time, sizeof(r->last_checkpoint_time));
    snprintf(r->key, sizeof(r->key), "%s", v->key);
    v->unsigned_since = l->seq;
    return check_tree(v, &n);
}

/* The old key says which one comes after it. */
static int check_key_line(struct verifier *v, const struct line_chain *l, const char *line)
{
    CLEANUP(buffer_done) struct buffer note = {0};
    json_auto_t *object = json_loads(line, 0, NULL);
    const char *key = json_string_value(json_object_get(object, "key"));
    const char *sig = json_string_value(json_object_get(object, "sig"));
    char name[SIGNER_NAME_MAX + 1];
    bool fine;

    if (!key || !v->key[0])
        return 0;
    if (strcmp(key, v->key) == 0) {
        v->named = true;
        return 0;
    }
    fine = sig && signer_vkey_name(v->key, name);
    if (fine)
        checkpoint_key_note(&note, name, key, l->time, l->seq - 1, &l->prev);
    if (fine && !note.failed && signer_verify(v->key, note.data, note.size, sig)) {
        bool trusted = string_list_contains(&v->trusted, v->key);

        v->named = true;
        (void)change_key(v, key, true);
        return trusted ? string_list_add_once(&v->trusted, key) : 0;
    }
    if (may_begin_otherwise(v)) {
        note_foreign(v, l);
        v->named = true;
        (void)change_key(v, key, true);
        return 0;
    }
    return verify_found(v, v->reader.file, v->reader.number, l->seq,
                        "key: line %" PRId64 " brings a new key that the old one did not sign",
                        l->seq);
}

static int note_act(struct verifier *v, const struct line_chain *l, const char *line)
{
    json_auto_t *object = json_loads(line, 0, NULL);
    json_t *pair, *lines = json_object_get(json_object_get(object, "d"), "lines");
    size_t i;

    json_array_foreach (lines, i, pair) {
        if (memory_grow(&v->acts, &v->acts_capacity, v->n_acts + 1, sizeof(*v->acts)) < 0)
            return -ENOMEM;
        v->acts[v->n_acts++] = (struct range){.first = json_integer_value(json_array_get(pair, 0)),
                                              .last = json_integer_value(json_array_get(pair, 1)),
                                              .by = l->seq};
    }
    return 0;
}

static int check_personal(struct verifier *v, const struct line_chain *l)
{
    const struct line_reader *at = &v->reader;
    struct chain_hash h;

    if (l->version == LINE_OLD || (!l->committed && !l->personal))
        return 0;
    if (!l->committed)
        return verify_found(
            v, at->file, at->number, l->seq,
            "changed: line %" PRId64 " holds personal data that it does not commit to", l->seq);
    if (l->personal) {
        if (chain_commitment(l->personal, l->personal_size, &h) < 0)
            return -EIO;
        return chain_equal(&h, &l->commitment)
                   ? 0
                   : verify_found(v, at->file, at->number, l->seq,
                                  "changed: what line %" PRId64
                                  " tells of a person is not what was written",
                                  l->seq);
    }
    if (memory_grow(&v->erased, &v->erased_capacity, v->n_erased + 1, sizeof(*v->erased)) < 0)
        return -ENOMEM;
    v->erased[v->n_erased++] = (struct erased){l->seq, at->file, at->number};
    return 0;
}

static int count_unknown(struct verifier *v, const struct line_chain *l, const char *line)
{
    enum audit_intent intent;

    if (l->version == LINE_OLD)
        return 0;
    intent = audit_view_intent(v->view, line);
    v->result->n_unknown += intent == AUDIT_INTENT_MISSING;
    return audit_view_pass(v->view, line, intent);
}

static int check_line(struct verifier *v, const struct line_chain *l, const char *line)
{
    int r = check_personal(v, l);

    if (r == 0 && l->version == LINE_NEW && !form_is_ours(line, v->reader.size))
        r = verify_found(v, v->reader.file, v->reader.number, l->seq, FORM_FINDING, l->seq);

    verify_compare_note(v, l);
    r = r == 0 ? count_unknown(v, l, line) : r;
    if (l->version == LINE_OLD)
        v->result->n_old++;
    if (r == 0 && verify_is_event(l, line, "checkpoint"))
        r = check_checkpoint(v, l, line);
    else if (r == 0 && verify_is_event(l, line, "key"))
        r = check_key_line(v, l, line);
    else if (r == 0 && verify_is_event(l, line, "erased"))
        r = note_act(v, l, line);
    return r;
}

static bool continues(const struct verifier *v, const struct line_chain *l)
{
    static const struct chain_hash none;

    if (!v->any)
        return l->seq > 1 || chain_equal(&l->prev, &none);
    return l->seq == v->last.seq + 1 && chain_equal(&l->prev, &v->last.link);
}

static void note_form(struct verifier *v)
{
    struct audit_verify_result *r = v->result;
    bool first = v->last_file != v->reader.file + 1;

    r->n_byte_order += v->reader.byte_order;
    if (v->reader.carriage && first) {
        r->n_carriage++;
        v->last_file = v->reader.file + 1;
    }
}

static int scan_line(struct verifier *v)
{
    struct audit_verify_result *r = v->result;
    struct line_chain l;
    int n = line_parse(v->reader.line, v->reader.size, &l);

    if (n < 0)
        return n;
    note_form(v);
    r->n_lines++;
    if (n == 0 || v->reader.torn) {
        v->holds = false;
        return 0;
    }
    if (!continues(v, &l))
        v->holds = false;
    if (!v->any) {
        r->first_seq = (uint64_t)l.seq;
        memcpy(r->first_time, l.time, sizeof(r->first_time));
        v->unsigned_since = l.seq - 1;
    }
    v->any = true;
    v->last = l;
    n = check_line(v, &l, v->reader.line);
    tree_window_add(&v->window, l.seq, &l.link);
    return n;
}

/* Whole lines may be missing at its end, which the chain alone would not show. */
static int check_end(struct verifier *v, struct line_reader *told)
{
    const struct line_reader *l = &v->reader;
    int r = 0;

    if (l->n_cut > told->n_cut)
        r = verify_found(v, l->cut_file, 0, 0,
                         "torn: the compressed file is cut short, or was not copied as a whole");
    if (r == 0 && l->n_damaged > told->n_damaged)
        r = verify_found(
            v, l->damaged_file, 0, 0,
            "changed: the compressed file is damaged, and what follows in it cannot be "
            "read");
    if (r == 0 && l->n_behind > told->n_behind)
        r = verify_found(
            v, l->behind_file, 0, 0,
            "inserted: %" PRIu64
            " byte%s after the end of the compressed data, which programs that read it pass over",
            l->behind_bytes, l->behind_bytes == 1 ? " stands" : "s stand");
    told->n_cut = l->n_cut;
    told->n_damaged = l->n_damaged;
    told->n_behind = l->n_behind;
    return r;
}

static int scan(struct verifier *v, struct error *e)
{
    struct line_reader told = {0};
    int r, more = 1;

    while (more > 0) {
        more = line_reader_next(&v->reader, e);
        if (more < 0)
            return more;
        r = check_end(v, &told);
        if (r == 0 && more > 0)
            r = scan_line(v);
        if (r == -ENOMEM)
            return error_out_of_memory(e);
        if (r < 0)
            return error_set(e, r, "SHA-256 failed");
    }
    return 0;
}

static int by_first(const void *a, const void *b)
{
    const struct range *x = a, *y = b;

    return x->first < y->first ? -1 : x->first > y->first;
}

/* Each line whose data is gone must be named by an erasure behind it. */
static int check_erased(struct verifier *v)
{
    int r = 0;

    if (v->n_acts)
        qsort(v->acts, v->n_acts, sizeof(*v->acts), by_first);
    for (size_t i = 0; r == 0 && i < v->n_erased; i++) {
        const struct erased *x = &v->erased[i];
        bool covered = false, is_signed = false;

        for (size_t k = 0; !is_signed && k < v->n_acts && v->acts[k].first <= x->seq; k++)
            if (x->seq <= v->acts[k].last && x->seq < v->acts[k].by) {
                covered = true;
                is_signed = v->acts[k].by <= v->unsigned_since;
            }
        v->result->n_erased += covered;
        v->result->n_erased_unsigned += covered && !is_signed;
        if (covered)
            continue;
        r = verify_found(v, x->file, x->line, x->seq,
                         "removed: what line %" PRId64
                         " told of a person is gone, and no erasure names that line",
                         x->seq);
    }
    return r;
}

/* The trusted key signed nothing behind it, so nobody who is trusted did. */
static int judge_key(struct verifier *v)
{
    const struct audit_verify_result *r = v->result;

    if (v->options->key && !v->foreign.seq && !r->n_checkpoints && r->n_lines > r->n_old)
        return verify_found(v, v->files->n_paths - 1, 0, v->last.seq,
                            "key: nothing in these files is signed by the key that was given");
    return v->foreign.seq == 0
               ? 0
               : verify_found(v, v->foreign.file, v->foreign.line, v->foreign.seq,
                              "key: line %" PRId64
                              " is signed by another key than the one that was given, and no line "
                              "hands over to that one",
                              v->foreign.seq);
}

static int judge_signatures(struct verifier *v)
{
    struct audit_verify_result *r = v->result;
    int64_t n = v->any && v->last.version == LINE_NEW ? v->last.seq - v->unsigned_since : 0;
    int64_t mine = (int64_t)(r->n_lines - r->n_old);

    r->n_unsigned = (uint64_t)(n < 0 ? 0 : n < mine ? n : mine);
    if (!v->key[0] || r->n_unsigned < CHECKPOINT_LINES)
        return 0;
    return verify_found(
        v, v->files->n_paths - 1, 0, v->last.seq,
        "unsigned: no checkpoint covers the last %" PRIu64
        " lines, and rosterd writes one at least every %d: they, or the checkpoints, "
        "were changed by somebody without the key, or the key could not be used",
        r->n_unsigned, CHECKPOINT_LINES);
}

static int count_whole(struct verifier *v, struct error *e)
{
    CLEANUP(line_reader_done) struct line_reader l = {.files = v->files, .passes_damage = true};
    struct audit_verify_result *r = v->result;
    int n = 0;

    r->n_whole = r->n_lines;
    if (!r->n_findings || !r->findings[0].line)
        return 0;
    r->n_whole = 0;
    while ((n = line_reader_next(&l, e)) > 0) {
        if (l.number == r->findings[0].line &&
            strcmp(v->files->paths[l.file], r->findings[0].file) == 0)
            return 0;
        r->n_whole++;
    }
    return n;
}

static int verify(struct verifier *v, struct error *e)
{
    struct audit_verify_result *result = v->result;
    int r = verify_read_note(v, e);

    if (r == 0)
        r = scan(v, e);
    if (r == 0)
        r = verify_check_note(v, e);
    if (r == 0 && !v->holds)
        r = verify_find_breaks(v, e);
    if (r < 0)
        return r;
    if (check_erased(v) < 0 || verify_judge_note(v) < 0 || judge_key(v) < 0 ||
        (v->holds && judge_signatures(v) < 0))
        return error_out_of_memory(e);
    verify_sort_findings(v);
    if (v->any) {
        result->last_seq = (uint64_t)v->last.seq;
        memcpy(result->last_time, v->last.time, sizeof(result->last_time));
        chain_text(result->last_hash, &v->last.link);
    }
    return count_whole(v, e);
}

int audit_verify(const char *const *paths, size_t n_files,
                 const struct audit_verify_options *options, struct audit_verify_result *ret,
                 struct error *e)
{
    static const struct audit_verify_options none;
    CLEANUP(audit_files_done) struct audit_files files = {0};
    CLEANUP(audit_verify_result_done) struct audit_verify_result result = {0};
    CLEANUP(verifier_done)
    struct verifier v = {.files = &files,
                         .options = options ? options : &none,
                         .result = &result,
                         .holds = true,
                         .view = audit_view_new(),
                         .reader = {.files = &files, .passes_damage = true}};
    int r = v.view ? audit_files_order(&files, paths, n_files, e) : error_out_of_memory(e);

    if (r == 0 && v.options->key) {
        snprintf(v.key, sizeof(v.key), "%s", v.options->key);
        if (string_list_add(&v.trusted, v.key) < 0)
            r = error_out_of_memory(e);
    }
    if (r == 0)
        r = verify(&v, e);
    if (r < 0)
        return r;
    *ret = result;
    result = (struct audit_verify_result){0};
    return 0;
}
