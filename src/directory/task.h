/*
 * Work that may block, on a thread of its own, with a deadline that the loop keeps.
 *
 * A thread cannot be ended from outside. At the deadline the loop asks the work to let go
 * (`interrupt`), waits a little, and then gives the thread up: it is detached, keeps its data,
 * and is counted in the slot until it comes back. A slot runs one task at a time, so a server
 * that swallows threads swallows one.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct error;
struct sd_event;
struct task;
struct task_slot;

struct task_ops {
    const char *name;
    void (*run)(void *data);       /* on the thread */
    void (*interrupt)(void *data); /* on the loop while run may be running; may be NULL */
    void (*free)(void *data);      /* on whichever side lets go last */
};

struct task_slot *task_slot_new(void);
struct task_slot *task_slot_free(struct task_slot *s); /* a thread given up keeps its share */

/* in_time false: given up, or finished after the deadline; `data` is NULL when the thread still
 * has it. Borrowed. */
typedef void (*task_done_fn)(struct task *t, bool in_time, void *data, void *userdata);

/* Takes data in any case. -EBUSY when the slot's thread has not come back. */
int task_start(struct task **ret, struct sd_event *event, struct task_slot *slot,
               const struct task_ops *ops, void *data, uint64_t timeout_usec, task_done_fn done,
               void *userdata, struct error *e);
struct task *task_free(struct task *t); /* cancels: interrupts, gives up, `done` never runs */
