/*
 * Questions that read much, answered by a helper thread. The loop notes, in a copy, what is in
 * memory only; the thread reads the tables through a connection of its own, which can only read
 * and sees one moment, and writes the answer's text. It shares nothing with the loop meanwhile,
 * and the copy holds what the answer may say: no secret is in it.
 *
 * One thread at a time; who asks meanwhile waits in a queue, which is as long as there are clients.
 * What was changed before the question is committed first, so that everybody sees what they did. A
 * question is given up when rosterd stops, when it takes too long, and, if its client has gone,
 * when somebody else asks. A checkpoint waits for nobody: what the thread still reads stays in the
 * log until a later one; when one thread after the other has kept it from beginning anew for too
 * long, the loop answers.
 */
#pragma once
#include <jansson.h>

#include "daemon/daemon.h"

struct question {
    /* On the loop, when its turn has come: the copy; NULL with a sentence. about: what was asked
     * with it, borrowed from the asker by the question until it is answered. */
    void *(*note)(struct daemon *d, void *about, struct error *e);
    /* On the thread. NULL with a sentence. */
    json_t *(*answer)(const void *note, struct state *s, struct error *e);
    void (*forget)(void *note); /* on the loop */
    /* Instead of the answer, for a client, where it may be very large: its text, malloc'd. */
    char *(*text)(const void *note, struct state *s, struct error *e);
};
extern const struct question question_status, question_plan, question_holds, question_metrics;

/* Notes an engine_view, which is all that most need. */
void *reader_note_view(struct daemon *d, void *about, struct error *e);
void reader_forget_view(void *note);

/* The call, which is taken, is answered now or later. */
void reader_ask(struct daemon *d, const struct question *q, struct control_call *call_taken);
/* For rosterd itself: done runs once, perhaps before this returns; answer NULL: it failed, or
 * (-ECANCELED) nobody wants it any more. The answer is borrowed. */
typedef void reader_done_fn(struct daemon *d, void *about, const json_t *answer, int r,
                            const struct error *e);
void reader_ask_self(struct daemon *d, const struct question *q, void *about, reader_done_fn *done);
void reader_cancel(struct daemon *d);
