/*
 * The readers of audit files, in three ways that the first byte of the input chooses.
 *
 * Any bytes as a file: whatever is read is bounded by them, and read the same again. A line
 * that is one has its place in another chain, and that chain alone.
 *
 * A genuine file, signed, and edits drawn from the input: only whole lines in their order, and
 * behind them at most one line that nothing follows, pass for whole. A genuine proof and edits:
 * what is still taken for one shows the line as it was written.
 */
#include "config.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "audit/audit.h"
#include "audit/line.h"
#include "audit/report.h"
#include "audit/view.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "fuzz.h"

#define EDITS      16
#define SIZE_LIMIT (64UL * 1024) /* copies of copies double */
#define SAMPLE     "tests/data/audit-export/sample.jsonl"

static char sample_key[200]; /* as its last checkpoint names it */
static int64_t n_sample;     /* lines */

/* The bytes as a file that has a path. */
struct file {
    int fd;
    char path[40];
    const char *paths[1];
};

static void file_done(struct file *f)
{
    close(f->fd);
}

static void file_make(struct file *f, const void *bytes, size_t size)
{
    f->fd = memfd_create("audit", MFD_CLOEXEC);
    DEMAND(f->fd >= 0 && write(f->fd, bytes, size) == (ssize_t)size);
    snprintf(f->path, sizeof(f->path), "/proc/self/fd/%d", f->fd);
    f->paths[0] = f->path;
}

static const struct buffer *genuine(void)
{
    static struct buffer b;
    const char *source = getenv("srcdir");
    char path[4096], block[4096];
    size_t n;

    if (b.data)
        return &b;
    snprintf(path, sizeof(path), "%s/" SAMPLE, source ? source : ".");
    FILE *in = fopen(path, "re");
    DEMAND(in);
    while ((n = fread(block, 1, sizeof(block), in)) > 0)
        buffer_add(&b, block, n);
    fclose(in);
    for (const char *at = b.data; (at = strstr(at, "\"key\":\"")); at += 7)
        DEMAND(sscanf(at, "\"key\":\"%199[^\"]", sample_key) == 1);
    for (size_t i = 0; i < b.size; i++)
        n_sample += b.data[i] == '\n';
    DEMAND(sample_key[0] && n_sample > 8);
    return &b;
}

/* -- any bytes -- */

static int count_view(const char *line, const json_t *view, void *userdata)
{
    DEMAND(line && (!view || json_is_object(view)));
    ++*(unsigned *)userdata;
    return 0;
}

static int count_listed(enum audit_list list, const json_t *view, const json_t *approval,
                        void *userdata)
{
    (void)approval;
    DEMAND(list < AUDIT_LISTS && json_is_object(view));
    ++*(unsigned *)userdata;
    return 0;
}

static void check_line(const char *line, size_t size)
{
    struct line_chain l, other, again;
    struct chain_hash prev;

    if (line_parse(line, size, &l) != 1)
        return;
    memset(&prev, 7, sizeof(prev));
    CLEANUP(freep) char *copy = strndup(line, size);
    CLEANUP(freep) char *moved = line_rechain(copy, l.seq, &prev);
    DEMAND(moved && line_parse(moved, strlen(moved), &other) == 1);
    DEMAND(other.seq == l.seq && strcmp(other.time, l.time) == 0);
    DEMAND(chain_equal(&other.prev, &prev) && other.committed == l.committed);
    DEMAND(!chain_equal(&other.link, &l.link) || chain_equal(&l.prev, &prev));
    CLEANUP(freep) char *back = line_rechain(moved, l.seq, &l.prev);
    DEMAND(back && line_parse(back, strlen(back), &again) == 1);
    DEMAND(chain_equal(&again.link, &l.link));
}

static void verify(const struct file *f, const char *key, struct audit_verify_result *ret,
                   int *ret_r)
{
    const struct audit_verify_options options = {.key = key};
    struct error e = {0};

    *ret_r = audit_verify(f->paths, 1, &options, ret, &e);
    DEMAND(*ret_r == 0 || e.message[0]);
}

static void check_readers(const struct file *f, size_t size)
{
    struct error e = {0};
    unsigned n = 0, listed = 0;
    struct audit_report report = {0};
    struct audit_who who = {.field = "role", .name = "Agents"};
    const struct audit_filter any = {0};

    if (audit_each(f->paths, 1, &any, count_view, &n, &e) == 0)
        DEMAND(n <= size);
    if (audit_report(&report, f->paths, 1, &any, NULL, count_listed, &listed, &e) == 0)
        DEMAND(listed <= 2 * size);
    audit_report_done(&report);
    if (audit_who(&who, f->paths, 1, &e) == 0)
        DEMAND(who.n_people <= size);
    audit_who_done(&who);
}

static void any_bytes(const char *bytes, size_t size, bool read)
{
    CLEANUP(file_done) struct file f;
    CLEANUP(audit_verify_result_done) struct audit_verify_result a = {0};
    CLEANUP(audit_verify_result_done) struct audit_verify_result b = {0};
    int r, again;

    for (const char *p = bytes, *end = bytes + size; p < end;) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *stop = newline ? newline : end;
        check_line(p, (size_t)(stop - p));
        p = stop + 1;
    }
    file_make(&f, bytes, size);
    verify(&f, NULL, &a, &r);
    verify(&f, NULL, &b, &again);
    DEMAND(r == again && a.n_findings == b.n_findings && a.n_lines == b.n_lines);
    DEMAND(a.n_whole <= a.n_lines && a.n_lines <= size * 1100);
    for (size_t i = 0; i < a.n_findings; i++) {
        DEMAND(strcmp(a.findings[i].sentence, b.findings[i].sentence) == 0);
        DEMAND(strchr(a.findings[i].sentence, ':') && !strchr(a.findings[i].sentence, '\033'));
    }
    if (read)
        check_readers(&f, size);
}

/* -- edits -- */

static void cut_out(struct buffer *b, size_t at, size_t n)
{
    n = n > b->size - at ? b->size - at : n;
    memmove(b->data + at, b->data + at + n, b->size - at - n);
    b->size -= n;
    b->data[b->size] = '\0';
}

static void put_in(struct buffer *b, size_t at, const void *bytes, size_t n)
{
    size_t n_tail = b->size - at;
    CLEANUP(freep) char *tail = malloc(n_tail + 1);

    memcpy(tail, b->data + at, n_tail);
    b->size = at;
    buffer_add(b, bytes, n);
    buffer_add(b, tail, n_tail);
}

/* The line around a byte, with its newline. */
static void line_around(const struct buffer *b, size_t at, size_t *ret_from, size_t *ret_size)
{
    size_t from = at, to = at;

    while (from > 0 && b->data[from - 1] != '\n')
        from--;
    while (to < b->size && b->data[to] != '\n')
        to++;
    *ret_from = from;
    *ret_size = to - from + (to < b->size);
}

/* Four bytes each: what, where (two), with what. After some, more of them tell nothing new. */
static void edit(struct buffer *b, const uint8_t *data, size_t size)
{
    size = size > 4 * EDITS ? 4 * EDITS : size;
    for (; size >= 4 && b->size > 0 && b->size < SIZE_LIMIT; data += 4, size -= 4) {
        size_t at = ((size_t)data[1] << 8 | data[2]) % b->size, from, n, to, n_to;
        char c = (char)data[3];

        line_around(b, at, &from, &n);
        line_around(b, (at + data[3] * 97U) % b->size, &to, &n_to);
        CLEANUP(freep) char *line = calloc(n + 1, 1);
        memcpy(line, b->data + from, n);
        switch (data[0] % 8) {
        case 0: b->data[at] = c; break;
        case 1: cut_out(b, at, 1 + data[3] % 16); break;
        case 2: put_in(b, at, &c, 1); break;
        case 3: cut_out(b, from, n); break;
        case 4: put_in(b, to, line, n); break;
        case 5:
            cut_out(b, from, n);
            if (b->size > 0) {
                line_around(b, to % b->size, &to, &n_to);
                put_in(b, to, line, n);
            }
            break;
        case 6: cut_out(b, at, b->size); break;
        default: b->data[at] ^= 1; break;
        }
    }
}

/* Is all but the last line a run of whole genuine lines? */
static bool is_run(const struct buffer *b)
{
    const struct buffer *g = genuine();
    size_t size = b->size;

    while (size > 0 && b->data[size - 1] == '\n' && size == b->size)
        size--;
    while (size > 0 && b->data[size - 1] != '\n')
        size--;
    if (size == 0)
        return true;
    const char *at = memmem(g->data, g->size, b->data, size);
    return at && (at == g->data || at[-1] == '\n');
}

static void edited_file(const uint8_t *data, size_t size)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    CLEANUP(audit_verify_result_done) struct audit_verify_result v = {0};
    CLEANUP(file_done) struct file f;
    int r;

    buffer_add(&b, genuine()->data, genuine()->size);
    edit(&b, data, size);
    file_make(&f, b.data, b.size);
    verify(&f, sample_key, &v, &r);
    bool same = b.size == genuine()->size && memcmp(b.data, genuine()->data, b.size) == 0;
    DEMAND(!same || (r == 0 && v.n_findings == 0 && v.n_lines == (uint64_t)n_sample));
    if (r == 0 && v.n_findings == 0 && !v.n_carriage && !v.n_byte_order && !is_run(&b)) {
        fprintf(stderr, "%.*s", (int)b.size, b.data);
        DEMAND(!"an edited file passes for whole");
    }
}

static void edited_proof(int64_t seq, const uint8_t *data, size_t size)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    CLEANUP(file_done) struct file f;
    struct audit_proof p = {0};
    struct error e = {0};

    file_make(&f, genuine()->data, genuine()->size);
    int r = audit_prove(seq, f.paths, 1, &b, &e);
    DEMAND(r == 0 || seq == n_sample);
    if (r < 0)
        return;
    DEMAND(audit_verify_proof(b.data, sample_key, &p, &e) == 0 && p.seq == seq);
    free(p.line);
    p.line = NULL;
    edit(&b, data, size);
    CLEANUP(freep) char *text = strndup(b.data, b.size);
    if (audit_verify_proof(text, sample_key, &p, &e) == 0) {
        const char *at = strstr(genuine()->data, p.line);
        DEMAND(p.erased || (at && at[strlen(p.line)] == '\n'));
        DEMAND(p.seq >= 1 && p.seq <= p.checkpoint && p.checkpoint <= n_sample);
    } else {
        DEMAND(e.message[0]);
    }
    free(p.line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    if (data[0] % 4 == 0 || data[0] % 4 == 3)
        any_bytes((const char *)data + 1, size - 1, data[0] % 4 == 3);
    else if (data[0] % 4 == 1)
        edited_file(data + 1, size - 1);
    else
        edited_proof((genuine(), 1 + data[1] % n_sample), data + 2, size - 2);
    return 0;
}
