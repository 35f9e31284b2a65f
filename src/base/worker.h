/*
 * A function that reads files for long, on a thread of its own, which comes back through the
 * loop. It shares nothing with the loop but `data`: from worker_start() until `done` that is
 * the thread's alone. What may hang for ever, and is to be given up then, is a task of
 * src/directory.
 */
#pragma once

struct error;
struct sd_event;
struct worker;

/* run: on the thread, with every signal blocked; says in data how it went. done: once, from the
 * loop, when the thread has ended; it may free the worker. data is borrowed. 0 or -errno: then
 * neither runs, and the sentence says why. */
int worker_start(struct worker **ret, struct sd_event *event, void (*run)(void *data),
                 void (*done)(void *data), void *data, struct error *e);
/* Waits until run is through; done does not run any more. */
struct worker *worker_free(struct worker *w);
