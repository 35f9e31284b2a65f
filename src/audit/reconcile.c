/*
 * Audit file and state, compared when both are opened. What is not noted as durable is compared
 * byte for byte, the rest by the link of the file's last line:
 *   - the file lags behind: what it lacks is appended;
 *   - an append was torn, at its end or with a hole in its middle (a power loss may write the
 *     sectors of one append in any order): what is damaged is cut off, and appended again;
 *   - it is ahead of the state: an older state was restored. The chain goes on from the file,
 *     and lines that wait are numbered anew; the caller is told;
 *   - its last line is another than the one that was written: somebody changed it. The chain
 *     goes on from what was written, so that verification finds the change.
 * What was found is said in a "repair" row. Nothing here hides a gap.
 */
#include "config.h"

#include "audit/reconcile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/audit.h"
#include "audit/compose.h"
#include "audit/line.h"
#include "audit/renamed.h"
#include "audit/tail.h"
#include "base/error.h"
#include "base/memory.h"
#include "state/state.h"
#include "state/trail.h"

/* A longer tail is not compared: its last line tells whether it is whole. */
#define COMPARED_MAX (64 * 1024 * 1024)
#define BEGIN_SIZE   13           /* {"v":1,"seq": */
#define SLACK        (256 * 1024) /* the last durable line, and what a torn append may add */

struct waiting_lines {
    char **lines; /* with their newline */
    int64_t first;
    size_t n_lines, capacity, size;
};

struct reconciler {
    struct state *state;
    int fd;
    const char *path;
    struct reconciled found;
    struct waiting_lines waiting; /* what is not noted as durable */
};

static void waiting_done(struct waiting_lines *w)
{
    for (size_t i = 0; i < w->n_lines; i++)
        free(w->lines[i]);
    free(w->lines);
    *w = (struct waiting_lines){0};
}

static void reconciler_done(struct reconciler *c)
{
    waiting_done(&c->waiting);
}

static int take_waiting(int64_t seq, const char *line, void *userdata)
{
    struct waiting_lines *w = userdata;

    if (w->n_lines == 0)
        w->first = seq;
    if (memory_grow(&w->lines, &w->capacity, w->n_lines + 1, sizeof(*w->lines)) < 0 ||
        asprintf(&w->lines[w->n_lines], "%s\n", line) < 0)
        return -ENOMEM;
    w->size += strlen(w->lines[w->n_lines++]);
    return w->size > COMPARED_MAX;
}

static int repair_row(struct reconciler *c, const char *code, const char *sentence, struct error *e)
{
    return audit_record(
        c->state, &(struct audit_row){.event = "repair", .code = code, .sentence = sentence}, e);
}

/* Up to which line the older state knew the audit: numbers of operations that came later may come
 * again. */
static int restored_row(struct reconciler *c, struct error *e)
{
    char known[48];

    snprintf(known, sizeof(known), "{\"known\":%" PRId64 "}", c->found.exported);
    return audit_record(
        c->state,
        &(struct audit_row){.event = "repair",
                            .code = "state-restored",
                            .sentence = "The audit file is ahead of the state file: an older state "
                                        "was restored, or it was made anew. The audit goes on from "
                                        "its file",
                            .details = known},
        e);
}

/* Which of the waiting lines begins with these bytes up to its newline; -1: none. */
static long find_waiting(const struct waiting_lines *w, const char *text, size_t size)
{
    struct line_chain l;

    if (line_parse(text, size, &l) <= 0 || l.seq < w->first ||
        l.seq - w->first >= (int64_t)w->n_lines)
        return -1;
    const char *line = w->lines[l.seq - w->first];
    return strlen(line) == size + 1 && memcmp(line, text, size) == 0 ? (long)(l.seq - w->first)
                                                                     : -1;
}

/* Where in the window the part begins that is not noted as durable, and with which of the
 * waiting lines. false: it is not there. */
static bool find_begin(const struct reconciler *c, const char *window, size_t size, bool whole,
                       size_t *ret_at, size_t *ret_line)
{
    const struct waiting_lines *w = &c->waiting;
    struct line_chain first, l;

    if (line_parse(w->lines[0], strlen(w->lines[0]) - 1, &first) <= 0)
        return false;
    *ret_at = 0;
    *ret_line = 0;
    if (whole && w->first == 1)
        return true;
    for (size_t at = 0; at < size;) {
        const char *newline = memchr(window + at, '\n', size - at);
        size_t n = newline ? (size_t)(newline - window) - at : size - at;

        if (!newline)
            return false;
        if (line_parse(window + at, n, &l) > 0 && l.seq == w->first - 1 &&
            chain_equal(&l.link, &first.prev)) {
            *ret_at = at + n + 1;
            return true;
        }
        if (at == 0 && whole && find_waiting(w, window, n) >= 0) {
            *ret_line = (size_t)find_waiting(w, window, n);
            return true; /* the file was begun within that part */
        }
        at += n + 1;
    }
    return false;
}

/* Is this what an append can leave when the power goes: pieces that are no lines, where lines of
 * ours should be, and something that shows whose they were: unwritten sectors, or a part of
 * ours? What somebody else wrote is not ours to cut off, and a line that is only torn at the end
 * is cut elsewhere. */
static bool is_damage(const struct waiting_lines *w, size_t line, const char *text, size_t size)
{
    bool ours = memchr(text, '\0', size) != NULL, any = false;
    struct chain_hash expected = {0};
    struct line_chain l;

    if (line < w->n_lines && line_parse(w->lines[line], strlen(w->lines[line]) - 1, &l) > 0)
        expected = l.prev;
    if (line < w->n_lines && size >= BEGIN_SIZE)
        ours = ours || memcmp(text, w->lines[line], BEGIN_SIZE) == 0;
    for (size_t at = 0; at < size;) {
        const char *newline = memchr(text + at, '\n', size - at);
        size_t n = newline ? (size_t)(newline - text) - at : size - at;

        if (newline && line_parse(text + at, n, &l) > 0) {
            /* Pieces of two lines can look like one; a line that follows is another's. */
            if (find_waiting(w, text + at, n) < 0 && chain_equal(&l.prev, &expected))
                return false;
            ours = true;
            expected = l.link;
        }
        any = any || newline || memchr(text + at, '\0', n);
        at += n + 1;
    }
    return any && ours;
}

static int cut_damage(struct reconciler *c, off_t at, off_t size, int64_t seq, struct error *e)
{
    char sentence[512];

    if (ftruncate(c->fd, at) < 0)
        return error_set(e, -errno, "the damaged end of %s cannot be cut off: %s", c->path,
                         strerror(errno));
    snprintf(sentence, sizeof(sentence),
             "The end of %.300s, from line %" PRId64
             " on, was not what was written (%lld bytes, after a power loss or a crash): it was "
             "cut off, and is appended again",
             c->path, seq, (long long)(size - at));
    return repair_row(c, "damaged-end", sentence, e);
}

static int compare_window(struct reconciler *c, const char *window, size_t size, off_t at,
                          struct error *e)
{
    const struct waiting_lines *w = &c->waiting;
    size_t place, line;

    if (!find_begin(c, window, size, at == 0, &place, &line))
        return 0;
    for (; line < w->n_lines; line++) {
        size_t n = strlen(w->lines[line]);

        if (size - place < n || memcmp(window + place, w->lines[line], n) != 0)
            break;
        place += n;
    }
    if (!is_damage(w, line, window + place, size - place))
        return 0;
    return cut_damage(c, at + (off_t)place, at + (off_t)size, w->first + (int64_t)line, e);
}

static int mend_damage(struct reconciler *c, struct error *e)
{
    CLEANUP(freep) char *window = NULL;
    off_t size = lseek(c->fd, 0, SEEK_END), at;
    int r = trail_each(c->state, c->found.exported, take_waiting, &c->waiting, e);

    if (r == -ENOMEM)
        return error_out_of_memory(e);
    if (r != 0 || c->waiting.n_lines == 0 || size <= 0)
        return r < 0 ? r : 0;
    at = size > (off_t)c->waiting.size + SLACK ? size - (off_t)c->waiting.size - SLACK : 0;
    window = malloc((size_t)(size - at) + 1);
    if (!window)
        return error_out_of_memory(e);
    r = tail_read_at(c->fd, window, (size_t)(size - at), at);
    if (r < 0)
        return error_set(e, r, "reading %s: %s", c->path, strerror(-r));
    return compare_window(c, window, (size_t)(size - at), at, e);
}

static int cut_torn(struct reconciler *c, const struct tail *t, struct error *e)
{
    char sentence[512];

    if (t->size == t->whole_size)
        return 0;
    if (ftruncate(c->fd, t->whole_size) < 0)
        return error_set(e, -errno, "the torn last line of %s cannot be cut off: %s", c->path,
                         strerror(errno));
    snprintf(sentence, sizeof(sentence),
             "The last line of %.300s was torn (%lld bytes without an end, after a crash or a "
             "full disk); it was cut off, and what it said is appended whole",
             c->path, (long long)(t->size - t->whole_size));
    return repair_row(c, "torn-line", sentence, e);
}

static int number_anew(struct reconciler *c, const struct waiting_lines *w, struct error *e)
{
    struct compose_head head;
    int r = compose_head(c->state, &head, e);

    for (size_t i = 0; r == 0 && i < w->n_lines; i++) {
        CLEANUP(freep) char *line = NULL;
        char text[CHAIN_TEXT_SIZE];
        struct line_chain l;

        w->lines[i][strlen(w->lines[i]) - 1] = '\0';
        if (line_is_event(w->lines[i], "checkpoint")) /* it signs what is not so any more */
            continue;
        line = line_rechain(w->lines[i], ++head.seq, &head.link);
        if (!line)
            return error_out_of_memory(e);
        if (line_parse(line, strlen(line), &l) <= 0)
            return error_set(e, -EIO, "SHA-256 failed");
        chain_text(text, &l.link);
        head.link = l.link;
        r = trail_append(c->state, head.seq, line, text, e);
    }
    return r;
}

/* The chain goes on after the file's last line. */
static int continue_from_file(struct reconciler *c, const struct tail *t, struct error *e)
{
    CLEANUP(waiting_done) struct waiting_lines w = {0};
    char text[CHAIN_TEXT_SIZE];
    int r = trail_each(c->state, c->found.exported, take_waiting, &w, e);

    if (r == -ENOMEM)
        return error_out_of_memory(e);
    if (r > 0)
        return error_set(e, -EFBIG,
                         "the audit file is ahead of the state, and too many lines wait there to "
                         "be numbered anew");
    chain_text(text, &t->last.link);
    if (r == 0)
        r = trail_clear(c->state, e);
    if (r == 0)
        r = trail_append(c->state, t->last.seq, t->line, text, e);
    if (r == 0)
        r = restored_row(c, e);
    /* Behind that line no outcome is taken for that of an intent before it. */
    if (r == 0)
        r = number_anew(c, &w, e);
    if (r == 0)
        c->found.exported = t->last.seq;
    return r;
}

static int changed_last_line(struct reconciler *c, const struct tail *t, struct error *e)
{
    char sentence[512];

    snprintf(sentence, sizeof(sentence),
             "The last line of %.300s, number %" PRId64 ", is not the one that was written: the "
             "file was changed by somebody else",
             c->path, t->last.seq);
    return repair_row(c, "file-changed", sentence, e);
}

/* The file ends before what was durable in it: it was cut, or an older copy was put there. What
 * is still in the state is appended again; the rest is said to be missing. */
static int file_is_behind(struct reconciler *c, const struct tail *t, int64_t first,
                          struct error *e)
{
    int64_t durable = c->found.exported;
    char sentence[512], again[64] = "";

    c->found.exported = first <= t->last.seq + 1 ? t->last.seq : first - 1;
    if (t->last.seq >= durable)
        return 0;
    if (c->found.exported < durable)
        snprintf(again, sizeof(again), "; from line %" PRId64 " on they are appended again",
                 c->found.exported + 1);
    snprintf(sentence, sizeof(sentence),
             "The lines %" PRId64 " to %" PRId64 " were in %.300s and are missing now: the file "
             "was cut or replaced by an older copy%s",
             t->last.seq + 1, durable, c->path, again);
    return repair_row(c, "lines-missing", sentence, e);
}

/* A new file, while lines wait that may stand in the one that it took the place of: that one's
 * end is the audit's. */
static int compare_renamed(struct reconciler *c, const struct trail_head *head, struct error *e)
{
    CLEANUP(tail_done) struct tail t = {0};
    struct chain_hash link;

    renamed_tail(c->path, &t);
    if (t.last.seq <= c->found.exported)
        return 0;
    if (t.last.seq > head->seq) {
        c->found.state_older = true;
        return continue_from_file(c, &t, e);
    }
    int r = compose_link_of(c->state, t.last.seq, &link, e);
    if (r == 0 && chain_equal(&link, &t.last.link))
        c->found.exported = t.last.seq;
    return r < 0 ? r : 0;
}

static int compare(struct reconciler *c, const struct tail *t, struct error *e)
{
    struct chain_hash link;
    struct trail_head head;
    int64_t first = 0;
    int r = trail_head(c->state, &head, e);

    if (r == 0)
        r = trail_first(c->state, &first, e);
    if (r < 0)
        return r;
    if (t->last.seq == 0)
        return compare_renamed(c, &head, e);
    if (t->last.seq <= head.seq) {
        r = compose_link_of(c->state, t->last.seq, &link, e);
        if (r < 0)
            return r;
        if (r == STATE_NONE || chain_equal(&link, &t->last.link))
            return file_is_behind(c, t, first, e);
        if (t->last.seq <= c->found.exported)
            return changed_last_line(c, t, e);
    }
    c->found.state_older = true;
    return continue_from_file(c, t, e);
}

static int reconcile_in_transaction(struct reconciler *c, struct error *e)
{
    CLEANUP(tail_done) struct tail t = {0};
    int r = mend_damage(c, e);

    if (r == 0)
        r = tail_read(c->fd, c->path, &t, e);
    if (r == 0)
        r = compare(c, &t, e);
    if (r == 0) {
        trail_exported(c->state, c->found.exported);
        r = trail_note(c->state, e);
    }
    if (r == 0)
        r = cut_torn(c, &t, e);
    c->found.size = t.whole_size;
    return r;
}

int reconcile(struct state *s, int fd, const char *path, struct reconciled *ret, struct error *e)
{
    CLEANUP(reconciler_done) struct reconciler c = {.state = s, .fd = fd, .path = path};
    bool own = !state_in_transaction(s);
    int r = own ? state_begin(s, e) : 0;

    if (r < 0)
        return r;
    c.found.exported = trail_exported_get(s);
    r = reconcile_in_transaction(&c, e);
    if (r == 0 && own)
        r = state_commit(s, e);
    else if (r < 0 && own)
        state_rollback(s);
    if (r == 0)
        *ret = c.found;
    return r;
}
