/*
 * A proof of one line. A checkpoint signs the root of a tree over the lines before it, so who has
 * the line itself needs nothing of the others but the hashes beside the way up to that root; and
 * from a hash nothing can be learnt. A line that stands before the tree leads to its first leaf as
 * the chain does, by the contents of the lines between.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "audit/files.h"
#include "audit/line.h"
#include "audit/note.h"
#include "audit/signer.h"
#include "audit/tree.h"
#include "base/base64.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"

#define HEADING "rosterd-proof 1"
#define DASH    "\xe2\x80\x94 "

struct prover {
    int64_t seq;
    struct buffer line, contents; /* the line's text; hashes of those behind it */
    struct tree_window window;
    char key[SIGNER_VKEY_MAX + 1];
    bool found;
    char *checkpoint; /* the line that signs them */
};

static void prover_done(struct prover *p)
{
    buffer_done(&p->line);
    buffer_done(&p->contents);
    free(p->checkpoint);
}

static void look_for_key(struct prover *p, const char *line)
{
    json_auto_t *row = json_loads(line, 0, NULL);
    const char *key = json_string_value(json_object_get(row, "key"));

    if (key)
        snprintf(p->key, sizeof(p->key), "%s", key);
}

/* 1: that is all. */
static int take(struct prover *p, const struct line_chain *l, const char *text, size_t size,
                struct error *e)
{
    bool checkpoint = l->version == LINE_NEW && line_is_event(text, "checkpoint");
    struct chain_hash content;

    if (checkpoint || line_is_event(text, "key"))
        look_for_key(p, text);
    if (p->found && checkpoint) {
        p->checkpoint = strdup(text);
        return p->checkpoint ? 1 : error_out_of_memory(e);
    }
    tree_window_add(&p->window, l->seq, &l->link);
    if (p->found) {
        if (chain_content(l->head, l->head_size, &content) < 0)
            return error_set(e, -EIO, "SHA-256 failed");
        buffer_add(&p->contents, content.bytes, sizeof(content.bytes));
    }
    if (l->seq != p->seq)
        return 0;
    if (l->version != LINE_NEW)
        return error_set(e, -EINVAL,
                         "line %" PRId64 " is of the form before version 1: it can be shown only "
                         "with all lines up to a checkpoint",
                         p->seq);
    p->found = true;
    buffer_add(&p->line, text, size);
    return 0;
}

static int read_lines(struct prover *p, const struct audit_files *files, struct error *e)
{
    CLEANUP(line_reader_done) struct line_reader l = {.files = files};
    struct line_chain c;
    int r;

    while ((r = line_reader_next(&l, e)) > 0) {
        if (l.torn || line_parse(l.line, l.size, &c) <= 0)
            continue;
        r = take(p, &c, l.line, l.size, e);
        if (r != 0)
            return r < 0 ? r : 0;
    }
    if (r < 0)
        return r;
    return p->found ? error_set(e, -ENODATA,
                                "no checkpoint in these files covers line %" PRId64
                                " yet: rosterd writes one after 64 lines, within the hour, and "
                                "when it stops",
                                p->seq)
                    : error_set(e, -ENODATA, "there is no line %" PRId64 " in these files", p->seq);
}

static int files_before(struct error *e, const char *what, int64_t seq)
{
    return error_set(e, -EBADMSG,
                     "these files do not have %s of the checkpoint after line %" PRId64
                     ": give the preceding file as well",
                     what, seq);
}

static void add_hashes(struct buffer *b, const void *hashes, size_t size)
{
    char *text = malloc(BASE64_SIZE(size) + 1);

    if (text)
        base64_encode(text, hashes, size, false);
    else
        b->failed = true;
    if (text)
        buffer_format(b, "%s\n", text);
    free(text);
}

/* Contents up to the tree, if the line stands before it, and the path. */
static int add_way(const struct prover *p, const struct note *n, struct buffer *b, struct error *e)
{
    struct chain_hash path[TREE_DEPTH_MAX];
    size_t n_leaves, n_path, between = n->from > p->seq ? (size_t)(n->from - p->seq) : 0;
    const struct chain_hash *leaves = tree_window_from(&p->window, n->from, &n_leaves);

    if (!leaves || p->window.next != n->seq + 1 || between * DIGEST_SIZE > p->contents.size)
        return files_before(e, "the lines", p->seq);
    if (tree_path(leaves, n_leaves, between ? 0 : (size_t)(p->seq - n->from), path, &n_path) < 0)
        return error_set(e, -EIO, "SHA-256 failed");
    add_hashes(b, p->contents.data, between * DIGEST_SIZE);
    add_hashes(b, path, n_path * DIGEST_SIZE);
    return 0;
}

static int write_proof(const struct prover *p, struct buffer *b, struct error *e)
{
    json_auto_t *row = json_loads(p->checkpoint, 0, NULL);
    char name[SIGNER_NAME_MAX + 1];
    struct line_chain l;
    struct note n;
    int r = line_parse(p->checkpoint, strlen(p->checkpoint), &l);
    const char *sig = r > 0 ? note_read(row, &l, &n) : NULL;

    if (!sig)
        return error_set(e, -EBADMSG, "the checkpoint after line %" PRId64 " is not whole", p->seq);
    if (!signer_vkey_name(p->key, name))
        return files_before(e, "the key", p->seq);
    buffer_add_text(b, HEADING "\n");
    buffer_add(b, p->line.data, p->line.size);
    buffer_add_text(b, "\n");
    r = add_way(p, &n, b, e);
    if (r < 0)
        return r;
    checkpoint_note(b, name, &n);
    buffer_format(b, "\n" DASH "%s %s\n%s\n", name, sig, p->key);
    return b->failed || p->line.failed || p->contents.failed ? error_out_of_memory(e) : 0;
}

/* Nobody is handed what does not prove anything. */
static int try_proof(const struct buffer *b, struct error *e)
{
    struct audit_proof proof = {0};
    struct error why = {0};
    int r = audit_verify_proof(b->data, NULL, &proof, &why);

    free(proof.line);
    return r == -EBADMSG ? error_set(e, r,
                                     "the files were altered, so they prove nothing "
                                     "(%s): look with `rosterctl audit verify`",
                                     why.message)
           : r < 0       ? error_set(e, r, "%s", why.message)
                         : 0;
}

int audit_prove(int64_t seq, const char *const *paths, size_t n_files, struct buffer *ret,
                struct error *e)
{
    CLEANUP(audit_files_done) struct audit_files files = {0};
    CLEANUP(prover_done) struct prover p = {.seq = seq};
    int r = audit_files_order(&files, paths, n_files, e);

    if (r == 0)
        r = read_lines(&p, &files, e);
    if (r == 0)
        r = write_proof(&p, ret, e);
    if (r == 0)
        r = try_proof(ret, e);
    if (r < 0)
        buffer_clear(ret); /* half a proof is none */
    return r;
}

static int not_proved(struct error *e, const char *why)
{
    return error_set(e, -EBADMSG, "this proves nothing: %s", why);
}

/* The lines of a proof, each with its end taken off. */
enum part {
    PART_HEADING = 0,
    PART_LINE,
    PART_CONTENTS,
    PART_PATH,
    PART_NAME, /* here the note begins */
    PART_NUMBER,
    PART_LINK,
    PART_TIME,
    PART_TREE,
    PART_BLANK,
    PART_SIGNATURE,
    PART_KEY,
    N_PARTS
};
struct proof_parts {
    char *text;
    const char *part[N_PARTS];
};

static void parts_done(struct proof_parts *p)
{
    free(p->text);
}

static int split(const char *text, struct proof_parts *ret, struct error *e)
{
    char *at = ret->text = strdup(text);

    if (!at)
        return error_out_of_memory(e);
    for (size_t i = 0; i < N_PARTS; i++) {
        char *newline = strchr(at, '\n');

        if (!newline)
            return not_proved(e, i ? "it is not whole" : "it is not a proof of rosterd's audit");
        *newline = '\0';
        ret->part[i] = at;
        at = newline + 1;
        if (i == 0 && strcmp(ret->part[0], HEADING) != 0)
            return not_proved(e, "it is not a proof of rosterd's audit");
    }
    return *at ? not_proved(e, "there is something in it that nobody signed") : 0;
}

struct hashes {
    struct chain_hash *items;
    size_t n;
};

static void hashes_done(struct hashes *h)
{
    free(h->items);
}

/* One after the other. */
static bool read_hashes(struct hashes *h, const char *text)
{
    size_t size = strlen(text);
    long n;

    h->items = malloc(size + DIGEST_SIZE);
    n = h->items ? base64_decode(h->items, size + DIGEST_SIZE, text, size, false) : -1;
    h->n = n < 0 ? 0 : (size_t)n / DIGEST_SIZE;
    return n >= 0 && n % DIGEST_SIZE == 0;
}

static bool hash_of(const char *text, struct chain_hash *ret)
{
    return base64_decode(ret->bytes, sizeof(ret->bytes), text, strlen(text), false) == DIGEST_SIZE;
}

/* The note is written again from what was understood of it: there is one way to write it. */
static int read_note(const struct proof_parts *p, const char *key, struct note *ret,
                     struct error *e)
{
    CLEANUP(buffer_done) struct buffer text = {0}, given = {0};
    const char *blank = strchr(p->part[PART_TREE], ' ');
    const char *name = p->part[PART_NAME], *sig = strrchr(p->part[PART_SIGNATURE], ' ');
    char of_key[SIGNER_NAME_MAX + 1];

    if (!blank || !sig || *p->part[PART_BLANK] || !hash_of(p->part[PART_LINK], &ret->link) ||
        !hash_of(blank + 1, &ret->root) || strlen(p->part[PART_TIME]) >= sizeof(ret->time))
        return not_proved(e, "it is not whole");
    if (key && strcmp(key, p->part[PART_KEY]) != 0)
        return not_proved(e, "it is signed by another key");
    if (!signer_vkey_name(p->part[PART_KEY], of_key) || strcmp(of_key, name) != 0)
        return not_proved(e, "its key has another name");
    ret->seq = strtoll(p->part[PART_NUMBER], NULL, 10);
    ret->from = strtoll(p->part[PART_TREE], NULL, 10);
    snprintf(ret->time, sizeof(ret->time), "%s", p->part[PART_TIME]);
    checkpoint_note(&text, name, ret);
    for (size_t i = PART_NAME; i <= PART_TREE; i++)
        buffer_format(&given, "%s\n", p->part[i]);
    buffer_format(&given, DASH "%s ", name);
    if (text.failed || given.failed)
        return error_out_of_memory(e);
    if (given.size < text.size || memcmp(given.data, text.data, text.size) != 0 ||
        (size_t)(++sig - p->part[PART_SIGNATURE]) != given.size - text.size ||
        strncmp(p->part[PART_SIGNATURE], given.data + text.size, given.size - text.size) != 0)
        return not_proved(e, "there is something in it that nobody signed");
    if (!signer_verify(p->part[PART_KEY], text.data, text.size, sig))
        return not_proved(e, "the checkpoint is not signed by that key");
    return 0;
}

static int check_line(const struct line_chain *l, struct error *e)
{
    struct chain_hash h;

    if (!l->personal)
        return 0;
    if (!l->committed || chain_commitment(l->personal, l->personal_size, &h) < 0 ||
        !chain_equal(&h, &l->commitment))
        return not_proved(e, "what the line tells of a person is not what was written");
    return 0;
}

/* From the line to the first leaf of the tree, if it stands before it. -EBADMSG: the contents do
 * not lead there. */
static int follow(const struct line_chain *l, int64_t from, const struct hashes *contents,
                  struct chain_hash *ret)
{
    *ret = l->link;
    if (contents->n != (from > l->seq ? (size_t)(from - l->seq) : 0))
        return -EBADMSG;
    for (size_t i = 0; i < contents->n; i++) {
        struct chain_hash before = *ret;

        if (chain_link(&contents->items[i], &before, ret) < 0)
            return -EIO;
    }
    return 0;
}

/* From the line up to the root that is signed. */
static int climb(const struct line_chain *l, const struct note *n, const struct proof_parts *p,
                 struct error *e)
{
    CLEANUP(hashes_done) struct hashes contents = {0}, path = {0};
    struct chain_hash leaf, root;
    int r;

    if (!read_hashes(&contents, p->part[PART_CONTENTS]) || !read_hashes(&path, p->part[PART_PATH]))
        return not_proved(e, "the hashes are damaged");
    if (n->from < 1 || n->seq < n->from || n->seq - n->from >= TREE_LEAVES_MAX || l->seq > n->seq)
        return not_proved(e, "the checkpoint does not cover that line");
    r = follow(l, n->from, &contents, &leaf);
    if (r == 0)
        r = tree_climb(&leaf, (size_t)(n->seq - n->from + 1),
                       l->seq > n->from ? (size_t)(l->seq - n->from) : 0, path.items, path.n,
                       &root);
    if (r == -EIO)
        return error_set(e, r, "SHA-256 failed");
    if (r < 0 || !chain_equal(&root, &n->root))
        return not_proved(e, "the line does not lead to what the checkpoint signs");
    return 0;
}

int audit_verify_proof(const char *text, const char *key, struct audit_proof *ret, struct error *e)
{
    CLEANUP(parts_done) struct proof_parts p = {0};
    struct line_chain l;
    struct note n = {0};
    int r = split(text, &p, e);

    if (r == 0 && (line_parse(p.part[PART_LINE], strlen(p.part[PART_LINE]), &l) <= 0 ||
                   l.version != LINE_NEW))
        r = not_proved(e, "it holds no audit line");
    if (r == 0)
        r = check_line(&l, e);
    if (r == 0)
        r = read_note(&p, key, &n, e);
    if (r == 0)
        r = climb(&l, &n, &p, e);
    if (r < 0)
        return r;
    *ret = (struct audit_proof){.seq = l.seq,
                                .checkpoint = n.seq,
                                .erased = l.committed && !l.personal,
                                .line = strdup(p.part[PART_LINE])};
    snprintf(ret->time, sizeof(ret->time), "%s", n.time);
    snprintf(ret->key, sizeof(ret->key), "%s", p.part[PART_KEY]);
    return ret->line ? 0 : error_out_of_memory(e);
}
