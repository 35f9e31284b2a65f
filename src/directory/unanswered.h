/*
 * What the server was asked and did not answer (libldap_is_no_answer()): when all is asked anew,
 * and why. It only keeps the time; it reads nothing. Private to this folder.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct error;
struct unanswered;

/* due: it is time for a full read. */
int unanswered_new(struct unanswered **ret, struct sd_event *event, sd_event_time_handler_t due,
                   void *owner, struct error *e);
struct unanswered *unanswered_free(struct unanswered *u);

void unanswered_note(struct unanswered *u, const char *why);
/* Something was noted since the last full read began. */
bool unanswered_any(const struct unanswered *u);
/* A full read is asked for, or the connection is gone: what was noted is settled by what comes. */
void unanswered_begin(struct unanswered *u);
/* After pauses that grow (in real time) until unanswered_end(). true: it was not waiting yet. */
bool unanswered_wait(struct unanswered *u);
void unanswered_end(struct unanswered *u); /* a full read was answered */
/* NULL: all is answered; borrowed. ret_next_usec: when it is asked anew, on the steady clock. */
const char *unanswered_why(const struct unanswered *u, uint64_t *ret_next_usec);
