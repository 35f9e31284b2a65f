/*
 * Verifies a chain of audit files with nothing but the files.
 *
 * Each line names its number and the hash of the line before, so the first line that does not
 * continue the one before it is where the chain breaks; what kind of break it is follows from
 * its number, from the line after it, and from what comes later in the files. What this cannot
 * see is lines cut off at the very end and a last line that was changed: for those the last
 * hash is given, to be compared with the one that the journal or the state file holds.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "audit/files.h"
#include "audit/line.h"
#include "base/error.h"
#include "base/memory.h"

struct seen_line {
    size_t file;
    unsigned number;
    struct line_chain chain;
    char hash[DIGEST_TEXT_SIZE];
};

struct verifier {
    struct line_reader reader;
    const struct audit_files *files;
    struct audit_verify_result *result;
    struct seen_line last, before; /* before: hash is "" when there is none */
};

void audit_verify_result_done(struct audit_verify_result *r)
{
    free(r->file);
    *r = (struct audit_verify_result){0};
}

static int hash_line(const struct line_reader *l, char ret[static DIGEST_TEXT_SIZE],
                     struct error *e)
{
    if (digest_parts(ret, &(struct digest_part){l->line, l->size}, 1) < 0)
        return error_set(e, -EIO, "SHA-256 failed");
    return 0;
}

static int broken(struct verifier *v, const struct seen_line *at, const char *sentence,
                  struct error *e)
{
    v->result->file = strdup(v->files->paths[at->file]);
    if (!v->result->file)
        return error_out_of_memory(e);
    v->result->line = at->number;
    snprintf(v->result->sentence, sizeof(v->result->sentence), "%s", sentence);
    return 0;
}

/* Is a line with this number, and this hash unless that is NULL, anywhere behind the present
 * one? 1, 0 or -errno. */
static int comes_later(const struct verifier *v, int64_t seq, const char *hash, struct error *e)
{
    CLEANUP(line_reader_done)
    struct line_reader l = {.files = v->files, .file = v->reader.file};
    struct line_chain chain;
    char own[DIGEST_TEXT_SIZE];
    int r;

    while ((r = line_reader_next(&l, e)) > 0) {
        if (l.file == v->reader.file && l.number <= v->reader.number)
            continue;
        if (!line_parse(l.line, l.size, &chain) || chain.seq != seq)
            continue;
        if (!hash)
            return 1;
        r = hash_line(&l, own, e);
        if (r < 0)
            return r;
        if (strcmp(own, hash) == 0)
            return 1;
    }
    return r;
}

static int number_ahead(struct verifier *v, const struct seen_line *now, struct error *e)
{
    char text[256];
    int64_t expected = v->last.chain.seq + 1;
    int r = comes_later(v, expected, NULL, e);

    if (r < 0)
        return r;
    if (r == 0) {
        snprintf(text, sizeof(text),
                 "missing: the lines %" PRId64 " to %" PRId64 " were removed before this one",
                 expected, now->chain.seq - 1);
        return broken(v, now, text, e);
    }
    r = comes_later(v, now->chain.seq - 1, now->chain.prev, e);
    if (r < 0)
        return r;
    snprintf(text, sizeof(text),
             r ? "reordered: line %" PRId64 " stands where line %" PRId64 " belongs"
               : "inserted: line %" PRId64 " was put where line %" PRId64 " belongs",
             now->chain.seq, expected);
    return broken(v, now, text, e);
}

static int number_behind(struct verifier *v, const struct seen_line *now, struct error *e)
{
    char text[256];

    /* Both bear one number: the one before it is the strange one if this one continues what
     * stood before both. */
    if (now->chain.seq == v->last.chain.seq && strcmp(now->hash, v->last.hash) != 0 &&
        v->before.hash[0] && strcmp(now->chain.prev, v->before.hash) == 0) {
        snprintf(text, sizeof(text),
                 "inserted: there are two lines %" PRId64 "; this one or the next was added "
                 "later",
                 now->chain.seq);
        return broken(v, &v->last, text, e);
    }
    snprintf(text, sizeof(text), "inserted: line %" PRId64 " comes again after line %" PRId64,
             now->chain.seq, v->last.chain.seq);
    return broken(v, now, text, e);
}

/* The number is right and the hash is not: the line before was changed, or the hash in this
 * one. The next line tells, which names the hash of this one. */
static int hash_differs(struct verifier *v, const struct seen_line *now, struct error *e)
{
    struct line_chain next = {0};
    bool changed_here = false;
    char text[320];
    int r = line_reader_next(&v->reader, e);

    if (r < 0)
        return r;
    if (r > 0 && line_parse(v->reader.line, v->reader.size, &next) &&
        next.seq == now->chain.seq + 1)
        changed_here = strcmp(next.prev, now->hash) != 0;
    if (changed_here) {
        snprintf(text, sizeof(text),
                 "changed: line %" PRId64 " is not what it was when the next one was written",
                 now->chain.seq);
        return broken(v, now, text, e);
    }
    snprintf(text, sizeof(text),
             "changed: line %" PRId64 " is not what it was when the next one was written (it "
             "was edited, or lines were removed and the rest numbered anew)",
             v->last.chain.seq);
    return broken(v, &v->last, text, e);
}

static int check_first(struct verifier *v, const struct seen_line *now, struct error *e)
{
    v->result->first_seq = (uint64_t)now->chain.seq;
    memcpy(v->result->first_time, now->chain.time, sizeof(v->result->first_time));
    if (now->chain.seq == 1 && strcmp(now->chain.prev, LINE_NO_PREDECESSOR) != 0)
        return broken(v, now, "changed: the first line of all names a line before it", e);
    return 0;
}

static int check_line(struct verifier *v, struct error *e)
{
    const struct line_reader *l = &v->reader;
    struct seen_line now = {.file = l->file, .number = l->number};
    bool readable = line_parse(l->line, l->size, &now.chain);
    int r;

    if (l->torn)
        return broken(v, &now,
                      "torn: the line has no end (a crash or a full disk cut it, or rosterd is "
                      "just writing it); rosterd repairs that when it starts",
                      e);
    if (!readable)
        return broken(v, &now, "changed: this is no audit line; it was edited or inserted", e);
    r = hash_line(l, now.hash, e);
    if (r < 0)
        return r;
    if (v->result->n_lines == 0)
        r = check_first(v, &now, e);
    else if (now.chain.seq > v->last.chain.seq + 1)
        r = number_ahead(v, &now, e);
    else if (now.chain.seq <= v->last.chain.seq)
        r = number_behind(v, &now, e);
    else if (strcmp(now.chain.prev, v->last.hash) != 0)
        r = hash_differs(v, &now, e);
    if (r < 0 || v->result->file)
        return r;
    v->before = v->last;
    v->last = now;
    v->result->n_lines++;
    return 0;
}

int audit_verify(const char *const *paths, size_t n_files, struct audit_verify_result *ret,
                 struct error *e)
{
    CLEANUP(audit_files_done) struct audit_files files = {0};
    CLEANUP(audit_verify_result_done) struct audit_verify_result result = {0};
    struct verifier v = {.files = &files, .result = &result, .reader = {.files = &files}};
    int r = audit_files_order(&files, paths, n_files, e);

    while (r == 0 && !result.file) {
        r = line_reader_next(&v.reader, e);
        if (r == 0)
            break;
        if (r > 0)
            r = check_line(&v, e);
    }
    line_reader_done(&v.reader);
    if (r < 0)
        return r;
    result.last_seq = (uint64_t)v.last.chain.seq;
    memcpy(result.last_time, v.last.chain.time, sizeof(result.last_time));
    memcpy(result.last_hash, v.last.hash, sizeof(result.last_hash));
    *ret = result;
    result = (struct audit_verify_result){0};
    return 0;
}
