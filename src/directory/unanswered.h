/*
 * What the server was asked and did not answer (libldap_is_no_answer()): when all is asked anew,
 * and why; and the sink is told whether everything was compared. It only keeps the time; it reads
 * nothing. Private to this folder.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct error;
struct feed_sink;
struct unanswered;

/* sink, userdata: borrowed for life. due: it is time for a full read. */
int unanswered_new(struct unanswered **ret, const struct feed_sink *sink, void *userdata,
                   struct sd_event *event, sd_event_time_handler_t due, void *owner,
                   struct error *e);
struct unanswered *unanswered_free(struct unanswered *u);

void unanswered_note(struct unanswered *u, const char *why);
/* A full read is asked for, or the connection is gone: what was noted is settled by what comes. */
void unanswered_begin(struct unanswered *u);
/* If something was noted since the last full read began: true, and it is due after pauses that
 * grow (in real time) until unanswered_end(). once: not by this process. */
bool unanswered_wait(struct unanswered *u, bool once);
/* A full read was answered; whole: with all that there is, so that all was compared. */
void unanswered_end(struct unanswered *u, bool whole);
/* NULL: all is answered; borrowed. ret_next_usec: when it is asked anew, on the
 * steady clock; 0: with the next full read. */
const char *unanswered_why(const struct unanswered *u, uint64_t *ret_next_usec);
