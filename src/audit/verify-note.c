/* A checkpoint that was kept elsewhere, and what it says of the files. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "audit/verify-internal.h"
#include "base/base64.h"
#include "base/error.h"

/* The signature by that name; others may have signed the note as well. */
static bool find_signature(const char *lines, const char *name, char sig[static SIGNER_SIG_MAX + 1])
{
    char start[SIGNER_NAME_MAX + 16];

    snprintf(start, sizeof(start), "\n\xe2\x80\x94 %s ", name);
    lines = strstr(lines, start);
    return lines && sscanf(lines + strlen(start), "%96s", sig) == 1;
}

/* A signed note of ours: name, number, link and time, a blank line, signatures. */
int verify_read_note(struct verifier *v, struct error *e)
{
    const char *text = v->options->note, *end = text ? strstr(text, "\n\n") : NULL;
    char name[SIGNER_NAME_MAX + 1] = "", link[64] = "", sig[SIGNER_SIG_MAX + 1] = "";
    long long seq = -1;
    bool fine;

    if (!text)
        return 0;
    fine = end && sscanf(text, "%128[^\n]\n%lld\n%63[^\n]\n", name, &seq, link) == 3 &&
           find_signature(end + 1, name, sig) && seq >= 0 &&
           base64_decode(v->note_link.bytes, sizeof(v->note_link.bytes), link, strlen(link),
                         false) == DIGEST_SIZE;
    if (!fine)
        return error_set(e, -EINVAL, "this is not a checkpoint of rosterd (a signed note)");
    v->has_note = true;
    v->note_seq = seq;
    memcpy(v->note_sig, sig, sizeof(sig));
    return 0;
}

static bool is_signed_by(const struct verifier *v, const struct string_list *keys, size_t size)
{
    for (size_t i = 0; i < keys->n_items; i++)
        if (signer_verify(keys->items[i], v->options->note, size, v->note_sig))
            return true;
    return false;
}

/* By the key that is trusted, by one to which that handed over in these files, or by one that
 * signed them before: that one's word is covered by what the trusted one signed behind it. */
int verify_check_note(struct verifier *v, struct error *e)
{
    const char *text = v->options->note;
    size_t size = v->has_note ? (size_t)(strstr(text, "\n\n") + 1 - text) : 0;

    v->result->note_seq = v->has_note ? v->note_seq : -1;
    if (!v->has_note)
        return 0;
    if (is_signed_by(v, &v->trusted, size) || is_signed_by(v, &v->signers, size)) {
        v->result->note_fits = v->note_seen;
        return 0;
    }
    if (v->trusted.n_items == 0)
        return error_set(e, -EINVAL,
                         "these files do not say who signed them, so nothing tells "
                         "whether the checkpoint is theirs: give the key");
    if (verify_found(
            v, v->files->n_paths - 1, 0, v->note_seq,
            "key: the checkpoint that was kept was not signed by %.120s, nor by another key "
            "of these files: the one or the others are somebody else's",
            v->trusted.items[0]) < 0)
        return error_out_of_memory(e);
    return 0;
}

void verify_compare_note(struct verifier *v, const struct line_chain *l)
{
    if (v->has_note && l->seq == v->note_seq && chain_equal(&l->link, &v->note_link))
        v->note_seen = true;
}

int verify_judge_note(struct verifier *v)
{
    struct audit_verify_result *r = v->result;
    size_t file = v->files->n_paths ? v->files->n_paths - 1 : 0;

    if (!v->has_note || v->note_seen || v->note_seq == 0)
        return 0;
    if (v->note_seq > v->last.seq)
        return verify_found(v, file, 0, v->last.seq,
                            "cut: the checkpoint that was kept speaks of line %" PRId64
                            ", and these files end with line %" PRId64,
                            v->note_seq, v->last.seq);
    if (v->note_seq < (int64_t)r->first_seq)
        return 0; /* older than these files: they say nothing of it */
    return verify_found(
        v, file, 0, v->note_seq,
        "rewritten: line %" PRId64
        ", or one before it, is not what it was when the checkpoint that was kept was "
        "signed",
        v->note_seq);
}
