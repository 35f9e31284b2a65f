/*
 * From the state to the audit file. Lines leave in order, up to a megabyte with one write and
 * one fdatasync, and stay in the state until that succeeded; so a full disk or a crash loses
 * none.
 *
 * On opening, file and state are compared by the hash of the file's last line:
 *   - the file lags behind: what it lacks is appended;
 *   - its last line is torn: that is cut off, and appended again whole;
 *   - it is ahead of the state: an older state was restored. The chain goes on from the file,
 *     and lines that wait are numbered anew; the caller is told;
 *   - its last line is another than the one that was written: somebody changed it. The chain
 *     goes on from what was written, so that verification finds the change.
 * What was found is said in a "repair" row. Nothing here hides a gap.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit.h"
#include "audit/journal.h"
#include "audit/tail.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "state/state.h"
#include "state/trail.h"

#define CHUNK (1024 * 1024)

struct audit_export {
    struct state *state;
    char *path;
    int fd;
    bool to_journal;
    int64_t exported; /* the last line that is durable in a file */
    off_t good_size;  /* of the open file, up to the last durable write */
    bool torn;        /* behind good_size lies what a failed write left */
};

static void export_freep(struct audit_export **x)
{
    if (!*x)
        return;
    if ((*x)->fd >= 0)
        close((*x)->fd);
    free((*x)->path);
    free(*x);
}

static int open_file(const char *path, int *ret_fd, struct error *e)
{
    bool created = true;
    int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    int r;

    if (fd < 0 && errno == EEXIST) {
        created = false;
        fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
    }
    r = fd < 0 ? -errno : 0;
    /* Whatever the umask is: the group may read, as the manual says. */
    if (r == 0 && created && fchmod(fd, 0640) < 0)
        r = -errno;
    if (r < 0) {
        if (fd >= 0)
            close(fd);
        return error_set(e, r,
                         "The audit file %s cannot be opened for appending: %s. Check that its "
                         "folder exists and who may write there; rows wait in the state",
                         path, strerror(-r));
    }
    *ret_fd = fd;
    return 0;
}

static int repair_row(struct state *s, const char *code, const char *sentence, struct error *e)
{
    return audit_record(
        s, &(struct audit_row){.event = "repair", .code = code, .sentence = sentence}, e);
}

static int cut_torn(struct audit_export *x, const struct tail *t, struct error *e)
{
    char sentence[512];

    if (t->size == t->whole_size)
        return 0;
    if (ftruncate(x->fd, t->whole_size) < 0)
        return error_set(e, -errno, "The torn last line of %s cannot be cut off: %s", x->path,
                         strerror(errno));
    snprintf(sentence, sizeof(sentence),
             "The last line of %.300s was torn (%lld bytes without an end, after a crash or a "
             "full disk); it was cut off, and what it said is appended whole",
             x->path, (long long)(t->size - t->whole_size));
    return repair_row(x->state, "torn-line", sentence, e);
}

/* Lines that wait, taken out to be numbered anew. */
struct waiting {
    char **lines;
    size_t n_lines, capacity;
};

static void waiting_done(struct waiting *w)
{
    for (size_t i = 0; i < w->n_lines; i++)
        free(w->lines[i]);
    free(w->lines);
}

static int take_waiting(int64_t seq, const char *line, void *userdata)
{
    struct waiting *w = userdata;

    (void)seq;
    if (memory_grow(&w->lines, &w->capacity, w->n_lines + 1, sizeof(*w->lines)) < 0)
        return -ENOMEM;
    w->lines[w->n_lines] = strdup(line);
    return w->lines[w->n_lines++] ? 0 : -ENOMEM;
}

/* The chain goes on after the file's last line. */
static int continue_from_file(struct audit_export *x, const struct tail *t, struct error *e)
{
    CLEANUP(waiting_done) struct waiting w = {0};
    char prev[DIGEST_TEXT_SIZE], hash[DIGEST_TEXT_SIZE];
    int64_t seq = t->last.seq;
    int r = trail_each(x->state, x->exported, take_waiting, &w, e);

    if (r == -ENOMEM)
        return error_out_of_memory(e);
    if (r == 0)
        r = trail_clear(x->state, e);
    if (r == 0)
        r = trail_append(x->state, seq, t->line, t->hash, e);
    memcpy(prev, t->hash, sizeof(prev));
    for (size_t i = 0; r == 0 && i < w.n_lines; i++) {
        CLEANUP(freep) char *line = line_rechain(w.lines[i], ++seq, prev);

        if (!line)
            return error_out_of_memory(e);
        if (digest_text(hash, line) < 0)
            return error_set(e, -EIO, "SHA-256 failed");
        r = trail_append(x->state, seq, line, hash, e);
        memcpy(prev, hash, sizeof(prev));
    }
    if (r < 0)
        return r;
    x->exported = t->last.seq;
    return repair_row(x->state, "state-restored",
                      "The audit file is ahead of the state file: an older state was restored, "
                      "or it was made anew. The audit goes on from its file",
                      e);
}

static int changed_last_line(struct audit_export *x, const struct tail *t, struct error *e)
{
    char sentence[512];

    snprintf(sentence, sizeof(sentence),
             "The last line of %.300s, number %" PRId64
             ", is not the one that was written: the "
             "file was changed by somebody else",
             x->path, t->last.seq);
    return repair_row(x->state, "file-changed", sentence, e);
}

/* The file ends before what was durable in it: it was cut, or an older copy was put there. What
 * is still in the state is appended again; the rest is said to be missing. */
static int file_is_behind(struct audit_export *x, const struct tail *t, int64_t first,
                          struct error *e)
{
    char sentence[512];

    if (first <= t->last.seq + 1) {
        x->exported = t->last.seq;
        return 0;
    }
    x->exported = first - 1;
    snprintf(sentence, sizeof(sentence),
             "The lines %" PRId64 " to %" PRId64
             " were in %.300s and are missing now: the file "
             "was cut or replaced by an older copy",
             t->last.seq + 1, first - 1, x->path);
    return repair_row(x->state, "lines-missing", sentence, e);
}

static int compare(struct audit_export *x, const struct tail *t, bool *ret_state_older,
                   struct error *e)
{
    char hash[DIGEST_TEXT_SIZE];
    struct trail_head head;
    int64_t first = 0;
    int r = trail_head(x->state, &head, e);

    if (r == 0)
        r = trail_first(x->state, &first, e);
    /* An empty file is a new one, or the first after a rotation. */
    if (r < 0 || t->last.seq == 0)
        return r;
    if (t->last.seq <= head.seq) {
        r = trail_hash(x->state, t->last.seq, hash, e);
        if (r < 0)
            return r;
        if (r == STATE_NONE)
            return file_is_behind(x, t, first, e);
        if (strcmp(hash, t->hash) == 0) {
            x->exported = t->last.seq;
            return 0;
        }
        if (t->last.seq <= x->exported)
            return changed_last_line(x, t, e);
    }
    *ret_state_older = true;
    return continue_from_file(x, t, e);
}

static int reconcile(struct audit_export *x, bool *ret_state_older, struct error *e)
{
    CLEANUP(tail_done) struct tail t = {0};
    bool older = false, own = !state_in_transaction(x->state);
    int r = tail_read(x->fd, x->path, &t, e);

    if (r < 0)
        return r;
    x->exported = trail_exported_get(x->state);
    if (own)
        r = state_begin(x->state, e);
    if (r < 0)
        return r;
    r = compare(x, &t, &older, e);
    if (r == 0) {
        trail_exported(x->state, x->exported);
        r = trail_note(x->state, e);
    }
    if (r == 0)
        r = cut_torn(x, &t, e);
    if (r == 0 && own)
        r = state_commit(x->state, e);
    else if (r < 0 && own)
        state_rollback(x->state);
    if (r < 0)
        return r;
    x->good_size = t.whole_size;
    *ret_state_older = older;
    return 0;
}

int audit_export_open(struct audit_export **ret, struct state *s, const char *path,
                      bool to_journal, bool *ret_state_older, struct error *e)
{
    CLEANUP(export_freep) struct audit_export *x = calloc(1, sizeof(*x));
    int r;

    if (!x)
        return error_out_of_memory(e);
    x->fd = -1;
    x->state = s;
    x->to_journal = to_journal;
    x->path = strdup(path);
    if (!x->path)
        return error_out_of_memory(e);
    r = open_file(path, &x->fd, e);
    if (r == 0)
        r = reconcile(x, ret_state_older, e);
    if (r < 0)
        return r;
    *ret = TAKE(x);
    return 0;
}

int audit_export_reopen(struct audit_export *x, struct error *e)
{
    struct stat st;
    int fd = -1, r = open_file(x->path, &fd, e);

    if (r < 0)
        return r;
    if (fstat(fd, &st) < 0) {
        r = error_set(e, -errno, "Looking at %s: %s", x->path, strerror(errno));
        close(fd);
        return r;
    }
    if (x->fd >= 0)
        close(x->fd);
    x->fd = fd;
    x->good_size = st.st_size;
    x->torn = false;
    return 0;
}

/* Renamed away, removed, or emptied in place (logrotate's copytruncate). */
static int follow_rotation(struct audit_export *x, struct error *e)
{
    struct stat here, there;

    if (x->fd < 0 || fstat(x->fd, &here) < 0)
        return audit_export_reopen(x, e);
    if (stat(x->path, &there) < 0 || here.st_ino != there.st_ino || here.st_dev != there.st_dev)
        return audit_export_reopen(x, e);
    /* What somebody else appended is not ours to cut off: verification finds it. */
    if (!x->torn || here.st_size < x->good_size)
        x->good_size = here.st_size;
    return 0;
}

static int failed(struct audit_export *x, int r, struct error *e)
{
    struct trail_head head = {0};
    int64_t waiting = 0;

    if (trail_head(x->state, &head, NULL) == 0)
        waiting = head.seq - x->exported;
    return error_set(e, r,
                     "The audit file %s cannot be written: %s. %" PRId64
                     " rows wait in the state "
                     "file and are appended when it can",
                     x->path, strerror(-r), waiting);
}

static int cut_failed_write(struct audit_export *x)
{
    if (x->torn && ftruncate(x->fd, x->good_size) < 0)
        return -errno;
    x->torn = false;
    return 0;
}

/* All or nothing: what a failed write left behind is cut off again, now or before the next. A
 * failed fdatasync counts as a failed write, since the kernel may have dropped the pages and
 * says so only once. */
static int append(struct audit_export *x, const struct buffer *b)
{
    size_t done = 0;
    int r = cut_failed_write(x);

    while (r == 0 && done < b->size) {
        ssize_t n = write(x->fd, b->data + done, b->size - done);

        if (n < 0 && errno == EINTR)
            continue;
        x->torn = true;
        if (n < 0)
            r = -errno;
        else
            done += (size_t)n;
    }
    if (r == 0 && fdatasync(x->fd) < 0)
        r = -errno;
    if (r < 0) {
        (void)cut_failed_write(x);
        return r;
    }
    x->torn = false;
    x->good_size += (off_t)b->size;
    return 0;
}

struct chunk {
    struct buffer text;
    int64_t last;
};

static void chunk_done(struct chunk *c)
{
    buffer_done(&c->text);
}

static int take_line(int64_t seq, const char *line, void *userdata)
{
    struct chunk *c = userdata;

    buffer_add_text(&c->text, line);
    buffer_add(&c->text, "\n", 1);
    c->last = seq;
    if (c->text.failed)
        return -ENOMEM;
    return c->text.size >= CHUNK; /* 1: the rest comes with the next chunk */
}

static void to_journal(struct buffer *text)
{
    char *line = text->data, *end = text->data + text->size;

    while (line < end) {
        char *newline = memchr(line, '\n', (size_t)(end - line));

        if (!newline)
            break;
        *newline = '\0';
        journal_send(line);
        line = newline + 1;
    }
}

int audit_export_run(struct audit_export *x, struct error *e)
{
    CLEANUP(chunk_done) struct chunk c = {0};
    int r, more = 1;

    assert(!state_in_transaction(x->state));
    r = follow_rotation(x, e);
    while (r == 0 && more > 0) {
        buffer_clear(&c.text);
        more = trail_each(x->state, x->exported, take_line, &c, e);
        if (more == -ENOMEM)
            return error_out_of_memory(e);
        if (more < 0)
            return more;
        if (c.text.size == 0)
            break;
        r = append(x, &c.text);
        if (r < 0)
            return failed(x, r, e);
        x->exported = c.last;
        trail_exported(x->state, x->exported);
        if (x->to_journal)
            to_journal(&c.text);
    }
    return r;
}

struct audit_export *audit_export_close(struct audit_export *x)
{
    if (!x)
        return NULL;
    /* What is not noted here is found out by comparing, on the next opening. */
    if (!state_in_transaction(x->state) && state_begin(x->state, NULL) == 0) {
        if (trail_note(x->state, NULL) < 0)
            state_rollback(x->state);
        else
            (void)state_commit(x->state, NULL);
    }
    export_freep(&x);
    return NULL;
}
