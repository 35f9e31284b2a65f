/*
 * A proof of one line. The link of a line is made of its content's hash and of the link before,
 * so who has the line itself needs of the lines behind it nothing but those hashes to arrive at
 * the link that a checkpoint signs; and from a hash nothing can be learnt.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "audit/checkpoint.h"
#include "audit/files.h"
#include "audit/line.h"
#include "audit/note.h"
#include "audit/signer.h"
#include "base/base64.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"

#define HEADING "rosterd-proof 1\n"
#define DASH    "\xe2\x80\x94 "

struct prover {
    int64_t seq;
    struct buffer line, contents; /* the line's text; hashes of those behind it */
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
                                " yet: rosterd writes one within the hour, and when it stops",
                                p->seq)
                    : error_set(e, -ENODATA, "there is no line %" PRId64 " in these files", p->seq);
}

static int write_proof(struct prover *p, struct buffer *b, struct error *e)
{
    json_auto_t *row = json_loads(p->checkpoint, 0, NULL);
    const char *sig = json_string_value(json_object_get(row, "sig"));
    CLEANUP(freep) char *contents = malloc(BASE64_SIZE(p->contents.size) + 1);
    char name[SIGNER_NAME_MAX + 1];
    struct line_chain l;

    if (!contents)
        return error_out_of_memory(e);
    if (!sig || !signer_vkey_name(p->key, name) ||
        line_parse(p->checkpoint, strlen(p->checkpoint), &l) <= 0)
        return error_set(e, -EBADMSG,
                         "these files do not say which key signed the checkpoint behind line "
                         "%" PRId64 ": give the file before as well",
                         p->seq);
    base64_encode(contents, p->contents.data, p->contents.size, false);
    buffer_add_text(b, HEADING);
    buffer_add(b, p->line.data, p->line.size);
    buffer_format(b, "\n%s\n", contents);
    checkpoint_note(b, name, l.seq - 1, &l.prev, l.time);
    buffer_format(b, "\n" DASH "%s %s\n%s\n", name, sig, p->key);
    return b->failed || p->line.failed || p->contents.failed ? error_out_of_memory(e) : 0;
}

int audit_prove(int64_t seq, const char *const *paths, size_t n_files, struct buffer *ret,
                struct error *e)
{
    CLEANUP(audit_files_done) struct audit_files files = {0};
    CLEANUP(prover_done) struct prover p = {.seq = seq};
    int r = audit_files_order(&files, paths, n_files, e);

    if (r == 0)
        r = read_lines(&p, &files, e);
    return r < 0 ? r : write_proof(&p, ret, e);
}

static int not_proved(struct error *e, const char *why)
{
    return error_set(e, -EBADMSG, "This proves nothing: %s", why);
}

/* The text's next line without its newline, or NULL. */
static char *next_line(const char **at)
{
    const char *newline = strchr(*at, '\n');
    char *line = newline ? strndup(*at, (size_t)(newline - *at)) : NULL;

    if (newline)
        *at = newline + 1;
    return line;
}

/* From the line's link over the contents to the last one. *ret_n: how many. */
static int follow(const struct line_chain *l, const char *contents, struct chain_hash *ret,
                  size_t *ret_n)
{
    size_t size = strlen(contents), n_bytes;
    CLEANUP(freep) char *bytes = malloc(size + 1);
    long decoded = bytes ? base64_decode(bytes, size + 1, contents, size, false) : -1;

    if (decoded < 0 || decoded % DIGEST_SIZE != 0)
        return -EBADMSG;
    n_bytes = (size_t)decoded;
    *ret = l->link;
    for (size_t at = 0; at < n_bytes; at += DIGEST_SIZE) {
        struct chain_hash content, link = *ret;

        memcpy(content.bytes, bytes + at, DIGEST_SIZE);
        if (chain_link(&content, &link, ret) < 0)
            return -EIO;
    }
    *ret_n = n_bytes / DIGEST_SIZE;
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

/* "— NAME SIG", of this name and no other. */
static bool is_signature_line(const char *line, const char *name)
{
    size_t dash = sizeof(DASH) - 1, size = strlen(name);

    return strncmp(line, DASH, dash) == 0 && strncmp(line + dash, name, size) == 0 &&
           line[dash + size] == ' ' && !strchr(line + dash + size + 1, ' ');
}

/* The checkpoint's note and the key that signed it. */
static int check_note(const char *text, const char *key, const struct chain_hash *link,
                      int64_t seq, struct audit_proof *ret, struct error *e)
{
    CLEANUP(buffer_done) struct buffer expected = {0};
    const char *at = text, *blank = strstr(text, "\n\n" DASH);
    CLEANUP(freep) char *name = next_line(&at), *number = next_line(&at);
    CLEANUP(freep) char *hash = next_line(&at), *time = next_line(&at);
    CLEANUP(freep) char *signature = NULL, *vkey = NULL;
    const char *sig;
    char of_key[SIGNER_NAME_MAX + 1];

    if (!time || !blank || strlen(time) >= sizeof(ret->time))
        return not_proved(e, "it is not whole");
    at = blank + 2;
    signature = next_line(&at);
    vkey = signature ? next_line(&at) : NULL;
    sig = signature ? strrchr(signature, ' ') : NULL;
    if (!vkey || !sig++)
        return not_proved(e, "it is not whole");
    if (key && strcmp(key, vkey) != 0)
        return not_proved(e, "it is signed by another key");
    if (!signer_vkey_name(vkey, of_key) || strcmp(of_key, name) != 0)
        return not_proved(e, "its key has another name");
    checkpoint_note(&expected, name, seq, link, time);
    if (expected.failed)
        return error_out_of_memory(e);
    if ((size_t)(blank + 1 - text) != expected.size ||
        memcmp(text, expected.data, expected.size) != 0)
        return not_proved(e, "the line does not lead to what the checkpoint signs");
    if (!signer_verify(vkey, expected.data, expected.size, sig))
        return not_proved(e, "the checkpoint is not signed by that key");
    if (!is_signature_line(signature, name) || *at)
        return not_proved(e, "there is something in it that nobody signed");
    snprintf(ret->time, sizeof(ret->time), "%s", time);
    snprintf(ret->key, sizeof(ret->key), "%s", vkey);
    return 0;
}

int audit_verify_proof(const char *text, const char *key, struct audit_proof *ret,
                       struct error *e)
{
    const char *at = text + sizeof(HEADING) - 1;
    CLEANUP(freep) char *line = NULL, *contents = NULL;
    struct line_chain l;
    struct chain_hash link;
    size_t n = 0;
    int r;

    if (strncmp(text, HEADING, sizeof(HEADING) - 1) != 0)
        return not_proved(e, "it is no proof of rosterd's audit");
    line = next_line(&at);
    contents = line ? next_line(&at) : NULL;
    if (!contents || line_parse(line, strlen(line), &l) <= 0 || l.version != LINE_NEW)
        return not_proved(e, "it holds no audit line");
    r = check_line(&l, e);
    if (r == 0 && follow(&l, contents, &link, &n) < 0)
        r = not_proved(e, "the hashes are damaged");
    if (r == 0)
        r = check_note(at, key, &link, l.seq + (int64_t)n, ret, e);
    if (r < 0)
        return r;
    ret->seq = l.seq;
    ret->checkpoint = l.seq + (int64_t)n;
    ret->erased = l.committed && !l.personal;
    ret->line = TAKE(line);
    return 0;
}
