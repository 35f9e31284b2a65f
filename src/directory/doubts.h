/*
 * When a whole read follows a doubt: soon, several doubts being one read; but where one doubt
 * follows another, such reads take only a part of the time, ours and the directory's, however
 * large it is. It only keeps the time; it reads nothing. Private to this folder.
 */
#pragma once
#include <stdint.h>
#include <systemd/sd-event.h>

struct doubts;
struct error;

#define DOUBTS_PAUSE_USEC (2 * USEC_PER_SEC)
#define DOUBTS_REST       4 /* times as long as such a read took, none follows */

/* due: it is time for a full read. */
int doubts_new(struct doubts **ret, struct sd_event *event, sd_event_time_handler_t due,
               void *owner, struct error *e);
struct doubts *doubts_free(struct doubts *d);

void doubts_note(struct doubts *d);
void doubts_at_once(struct doubts *d); /* a person asks: no pause */
void doubts_stop(struct doubts *d);    /* nothing is due any more */
void doubts_settled(struct doubts *d); /* everything was read */

/* How long after now a doubt is due, if the last whole read that one asked for took so long and
 * ended so long ago; 0: something else did. */
uint64_t doubts_pause(uint64_t took_usec, uint64_t since_usec);
