/*
 * From the state to the audit file. Lines leave in order, up to a megabyte with one write and
 * one fdatasync, and stay in the state until that succeeded; so a full disk or a crash loses
 * none.
 */
#include "config.h"

#include "audit/export.h"

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
#include "audit/checkpoint.h"
#include "audit/compose.h"
#include "audit/journal.h"
#include "audit/note.h"
#include "audit/place.h"
#include "audit/recall.h"
#include "audit/reconcile.h"
#include "audit/tail.h"
#include "audit/view.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "state/state.h"
#include "state/trail.h"

#define CHUNK     (1024 * 1024)
#define NOTE_USEC (3600 * USEC_PER_SEC)

struct audit_export {
    struct state *state;
    char *path, *key_path;
    int fd;
    int64_t exported;    /* the last line that is durable in a file */
    int64_t from_before; /* the last line that was there at the start: nobody noted it */
    off_t good_size;     /* of the open file, up to the last durable write */
    bool fresh;          /* it was begun without a checkpoint */
    struct audit_limits limits;
    bool torn;               /* behind good_size lies what a failed write left */
    struct audit_view *view; /* for the journal */
    struct audit_memory memory;
    struct buffer note; /* see audit_export_take_note() */
    int64_t note_seq;
    uint64_t note_usec;
};

static void export_freep(struct audit_export **x)
{
    if (!*x)
        return;
    if ((*x)->fd >= 0)
        close((*x)->fd);
    trail_attach((*x)->state, NULL);
    audit_view_free((*x)->view);
    recall_done(&(*x)->memory);
    buffer_done(&(*x)->note);
    free((*x)->key_path);
    free((*x)->path);
    free(*x);
}

static int open_and_reconcile(struct audit_export *x, bool *ret_state_older, struct error *e)
{
    struct reconciled found;
    int r = place_open(x->path, &x->fd, e);

    if (r == 0)
        r = reconcile(x->state, x->fd, x->path, &found, e);
    if (r < 0)
        return r;
    /* Who was killed may have written without syncing: what stands there is not yet on the disk. */
    if (fdatasync(x->fd) < 0)
        return error_set(e, -errno, "the audit file %s cannot be synced: %s", x->path,
                         strerror(errno));
    x->exported = found.exported;
    x->good_size = found.size;
    *ret_state_older = found.state_older;
    return 0;
}

int audit_export_open(struct audit_export **ret, struct state *s, const char *path, bool to_journal,
                      bool *ret_state_older, struct error *e)
{
    CLEANUP(export_freep) struct audit_export *x = calloc(1, sizeof(*x));
    struct trail_head head;
    int r;

    if (!x)
        return error_out_of_memory(e);
    x->fd = -1;
    x->state = s;
    x->memory.to_journal = to_journal;
    x->path = strdup(path);
    if (!x->path)
        return error_out_of_memory(e);
    x->view = audit_view_new();
    if (!x->view)
        return error_out_of_memory(e);
    r = open_and_reconcile(x, ret_state_older, e);
    if (r < 0)
        return r;
    r = trail_head(s, &head, e);
    if (r < 0)
        return r;
    x->from_before = head.seq;
    trail_attach(s, &x->memory);
    *ret = TAKE(x);
    return 0;
}

/* What lies there after a rotation may have been put there: nothing is appended to what is no
 * audit file, or to one that ends in another line than ours did. */
static int check_reopened(struct audit_export *x, int fd, struct tail *t, struct error *e)
{
    struct chain_hash link;
    int r = tail_read(fd, x->path, t, e);

    if (r < 0 || t->size == 0)
        return r;
    r = compose_link_of(x->state, t->last.seq, &link, e);
    if (r < 0)
        return r;
    if (t->whole_size == t->size && t->last.seq <= x->exported &&
        (r == STATE_NONE || chain_equal(&link, &t->last.link)))
        return 0;
    return error_set(
        e, -EINVAL,
        "%s is not the file that rosterd left there: its last line is not rosterd's. Move it aside; audit lines wait in the state file until then",
        x->path);
}

int audit_export_reopen(struct audit_export *x, struct error *e)
{
    CLEANUP(tail_done) struct tail t = {0};
    struct stat here, there;
    int fd = -1, r;

    /* The same file: opening it again would meet our own lock. */
    if (x->fd >= 0 && fstat(x->fd, &here) == 0 && lstat(x->path, &there) == 0 &&
        here.st_ino == there.st_ino && here.st_dev == there.st_dev)
        return 0;
    r = place_open(x->path, &fd, e);
    if (r < 0)
        return r;
    r = check_reopened(x, fd, &t, e);
    if (r < 0) {
        close(fd);
        return r;
    }
    if (x->fd >= 0)
        close(x->fd);
    x->fd = fd;
    x->good_size = t.size;
    x->fresh = t.size == 0;
    x->torn = false;
    recall_forget_intents(&x->memory); /* who has the new file alone can read it */
    return 0;
}

/* Renamed away, removed, or emptied in place (logrotate's copytruncate). */
static int follow_rotation(struct audit_export *x, struct error *e)
{
    struct stat here, there;

    if (x->fd < 0 || fstat(x->fd, &here) < 0)
        return audit_export_reopen(x, e);
    if (lstat(x->path, &there) < 0 || here.st_ino != there.st_ino || here.st_dev != there.st_dev)
        return audit_export_reopen(x, e);
    /* What somebody else appended is not ours to cut off: verification finds it. */
    if (here.st_size < x->good_size)
        recall_forget_intents(&x->memory);
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
                     "the audit file %s cannot be written: %s. %" PRId64
                     " audit lines wait in the state file and are appended when it can be",
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
    int64_t first, last;
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
    c->first = c->first ? c->first : seq;
    c->last = seq;
    if (c->text.failed)
        return -ENOMEM;
    return c->text.size >= CHUNK; /* 1: the rest comes with the next chunk */
}

static void to_journal(struct audit_export *x, struct chunk *c)
{
    char *line = c->text.data, *end = c->text.data + c->text.size;
    const char *signer = x->memory.signer ? signer_name(x->memory.signer) : NULL;

    for (int64_t seq = c->first; line < end; seq++) {
        char *newline = memchr(line, '\n', (size_t)(end - line));

        if (!newline)
            break;
        *newline = '\0';
        if (signer)
            journal_send_checkpoint(line, signer);
        if (seq <= x->from_before)
            journal_send_line(x->view, line);
        line = newline + 1;
    }
    journal_send_noted(&x->memory.journal, x->from_before + 1, c->last);
}

/* The newest of the lines just written that is worth being told. */
static void keep_note(struct audit_export *x, const struct chunk *c)
{
    char *line = c->text.data, *end = c->text.data + c->text.size;
    uint64_t now = clock_now_usec();

    for (char *newline; line < end && (newline = memchr(line, '\n', (size_t)(end - line)));
         line = newline + 1) {
        CLEANUP(buffer_done) struct buffer note = {0};
        int64_t seq;
        bool counted;

        *newline = '\0';
        if (note_of_line(&note, line, signer_name(x->memory.signer), &seq, &counted) &&
            (!counted || now - x->note_usec >= NOTE_USEC)) {
            buffer_done(&x->note);
            x->note = note;
            note = (struct buffer){0};
            x->note_seq = seq;
            x->note_usec = now;
        }
        *newline = '\n';
    }
}

char *audit_export_take_note(struct audit_export *x, int64_t *ret_seq)
{
    if (!x->note.size)
        return NULL;
    *ret_seq = x->note_seq;
    return buffer_take(&x->note);
}

static int run(struct audit_export *x, struct error *e)
{
    CLEANUP(chunk_done) struct chunk c = {0};
    int r, more = 1;

    assert(!state_in_transaction(x->state));
    r = follow_rotation(x, e);
    while (r == 0 && more > 0) {
        buffer_clear(&c.text);
        c.first = 0;
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
        if (x->memory.signer)
            keep_note(x, &c);
        if (x->memory.to_journal)
            to_journal(x, &c);
    }
    return r;
}

const char *audit_export_key(const struct audit_export *x)
{
    return x->memory.signer ? signer_vkey(x->memory.signer) : NULL;
}

/* One step of our own, outside of anybody's transaction. */
static int in_transaction(struct audit_export *x, int (*fn)(struct state *s, struct error *e),
                          struct error *e)
{
    int r = state_begin(x->state, e);

    if (r < 0)
        return r;
    r = fn(x->state, e);
    if (r < 0) {
        state_rollback(x->state);
        return r;
    }
    return state_commit(x->state, e);
}

/* A new key that was on record when rosterd died is the key; one that was not is none. */
int audit_export_sign(struct audit_export *x, const char *key_path, struct error *e)
{
    CLEANUP(freep) char *last = NULL;
    int r = checkpoint_last_key(x->state, &last, e);

    if (r == 0)
        r = signer_settle(key_path, last, e);
    if (r == 0)
        r = signer_open(&x->memory.signer, key_path, e);
    if (r == 0) {
        x->key_path = strdup(key_path);
        r = x->key_path ? 0 : error_out_of_memory(e);
    }
    return r < 0 ? r : in_transaction(x, checkpoint_note_key, e);
}

/* *signer: the one that is not the key afterwards. */
static int hand_over(struct audit_export *x, struct signer **signer, struct error *e)
{
    struct signer *before = x->memory.signer;
    int r = state_begin(x->state, e);

    if (r < 0)
        return r;
    r = checkpoint_hand_over(x->state, signer, e);
    if (r == 0)
        r = state_commit(x->state, e);
    else
        state_rollback(x->state);
    if (r < 0 && x->memory.signer != before) {
        *signer = x->memory.signer;
        x->memory.signer = before;
    }
    return r;
}

/* The new key is durable before the line that hands over to it, and takes the old one's place
 * when that line is: a crash in between leaves both, and the state says which of them signs. */
int audit_export_renew_key(struct audit_export *x, struct error *e)
{
    CLEANUP(signer_freep) struct signer *other = NULL;
    struct error ignored = {0};
    int r, settled;

    if (state_in_transaction(x->state))
        return error_set(e, -EBUSY, "the audit is being written: try again");
    if (signer_is_credential(x->memory.signer)) /* at the next start it would be the old one */
        return error_set(
            e, -EPERM,
            "the key that signs the audit is the credential audit-key of the service: "
            "put another one there and restart rosterd. Nothing can hand over to it, so give its public key to whoever verifies the audit");
    /* The key that signs may still lie where the new one will. */
    r = signer_settle(x->key_path, signer_vkey(x->memory.signer), e);
    if (r < 0)
        return r;
    r = signer_prepare(&other, x->key_path, e);
    if (r == 0)
        r = hand_over(x, &other, e);
    settled = signer_settle(x->key_path, signer_vkey(x->memory.signer), r == 0 ? e : &ignored);
    return r == 0 ? settled : r;
}

static int record_open(struct state *s, struct error *e)
{
    return checkpoint_record(s, "open", e);
}

int audit_export_run(struct audit_export *x, struct error *e)
{
    int r = run(x, e);

    /* Somebody renamed the file: the new one has a checkpoint near its beginning. */
    if (r < 0 || !x->fresh || !x->memory.signer || x->good_size == 0)
        return r;
    x->fresh = false;
    r = in_transaction(x, record_open, e);
    return r < 0 ? r : run(x, e);
}

static int record_late(struct state *s, struct error *e)
{
    return checkpoint_record(s, "time", e);
}

int audit_export_checkpoint(struct audit_export *x, struct error *e)
{
    if (state_in_transaction(x->state) || !checkpoint_is_late(x->state))
        return 0;
    return in_transaction(x, record_late, e);
}

void audit_export_limit(struct audit_export *x, const struct audit_limits *limits)
{
    x->limits = *limits;
    x->memory.hide_contacts = limits->hide_contacts;
}

struct state *export_state(const struct audit_export *x)
{
    return x->state;
}

const char *export_path(const struct audit_export *x)
{
    return x->path;
}

const struct audit_limits *export_limits(const struct audit_export *x)
{
    return &x->limits;
}

uint64_t export_size(const struct audit_export *x)
{
    return (uint64_t)x->good_size;
}

uint64_t export_begun(const struct audit_export *x)
{
    char begin[160] = "";
    const char *at;
    uint64_t usec = 0;
    ssize_t n = pread(x->fd, begin, sizeof(begin) - 1, 0);

    begin[n > 0 ? n : 0] = '\0';
    at = strstr(begin, "\"t\":\"");
    if (!at || strlen(at) < 5 + 27)
        return 0;
    begin[at - begin + 5 + 27] = '\0';
    return clock_parse(at + 5, &usec) == 0 ? usec : 0;
}

int export_checkpoint(struct audit_export *x, const char *why, struct error *e)
{
    int r = state_begin(x->state, e);

    if (r < 0)
        return r;
    x->fresh = false;
    r = checkpoint_record(x->state, why, e);
    if (r < 0)
        state_rollback(x->state);
    else
        r = state_commit(x->state, e);
    return r < 0 ? r : audit_export_run(x, e);
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
