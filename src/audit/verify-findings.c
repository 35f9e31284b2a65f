/* What verifying finds, collected and put in order; and what both its passes ask of a line. */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/verify-internal.h"
#include "base/memory.h"

#define FINDINGS_MAX 1000

int verify_found(struct verifier *v, size_t file, unsigned line, int64_t seq, const char *format,
                 ...)
{
    struct audit_verify_result *r = v->result;
    struct audit_finding *f;
    va_list ap;

    if (r->n_findings == FINDINGS_MAX) {
        r->n_more++;
        return 0;
    }
    if (memory_grow(&r->findings, &r->capacity, r->n_findings + 1, sizeof(*r->findings)) < 0)
        return -ENOMEM;
    f = &r->findings[r->n_findings];
    *f = (struct audit_finding){.line = line, .seq = seq};
    f->file = strdup(v->files->n_paths ? v->files->paths[file] : "");
    va_start(ap, format);
    vsnprintf(f->sentence, sizeof(f->sentence), format, ap);
    va_end(ap);
    if (!f->file)
        return -ENOMEM;
    r->n_findings++;
    return 0;
}

/* "ev" stands before anything from outside. */
bool verify_is_event(const struct line_chain *l, const char *line, const char *event)
{
    return l->version == LINE_NEW && line_is_event(line, event);
}

bool verify_signature_fits(const struct verifier *v, const struct line_chain *l, const json_t *row,
                           struct note *ret)
{
    CLEANUP(buffer_done) struct buffer text = {0};
    const char *sig = note_read(row, l, ret);
    char name[SIGNER_NAME_MAX + 1];

    if (!sig || !signer_vkey_name(v->key, name))
        return false;
    checkpoint_note(&text, name, ret);
    return !text.failed && signer_verify(v->key, text.data, text.size, sig);
}

static int place_of(const struct verifier *v, const char *file)
{
    for (size_t i = 0; i < v->files->n_paths; i++)
        if (strcmp(v->files->paths[i], file) == 0)
            return (int)i;
    return 0;
}

static int by_place(const void *a, const void *b, void *userdata)
{
    const struct audit_finding *x = a, *y = b;
    const struct verifier *v = userdata;
    int fx = place_of(v, x->file), fy = place_of(v, y->file);
    unsigned lx = x->line ? x->line : UINT32_MAX, ly = y->line ? y->line : UINT32_MAX;

    if (fx != fy)
        return fx < fy ? -1 : 1;
    return lx < ly ? -1 : lx > ly;
}

/* What says little beside another finding of the same line. */
static unsigned weight(const struct audit_finding *f)
{
    return strncmp(f->sentence, "signature:", 10) == 0 ? 0
           : strncmp(f->sentence, "form:", 5) == 0     ? 1
                                                       : 2;
}

/* One line has one finding: what it is in the chain says more than how it is spelt, and that more
 * than what its signature lacks. Two of the chain are both told. */
void verify_sort_findings(struct verifier *v)
{
    struct audit_verify_result *r = v->result;
    size_t n = 0;

    if (!r->n_findings)
        return;
    qsort_r(r->findings, r->n_findings, sizeof(*r->findings), by_place, v);
    for (size_t i = 0; i < r->n_findings; i++) {
        struct audit_finding *f = &r->findings[i];
        struct audit_finding *before = n ? &r->findings[n - 1] : f;
        bool same = n && before->line == f->line && f->line && strcmp(before->file, f->file) == 0;

        if (same && (weight(f) < 2 || weight(before) < 2)) {
            if (weight(f) > weight(before))
                memcpy(before->sentence, f->sentence, sizeof(f->sentence));
            free(f->file);
            continue;
        }
        r->findings[n++] = *f;
    }
    r->n_findings = n;
}
