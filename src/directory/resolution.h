/* Which servers DNS names for a service (SRV), asked in a thread. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"
#include "directory/task.h"

/* What `done` of the task is given as its data. */
struct resolution {
    char *domain;
    bool ldaps;
    struct string_list uris;
    int r;
    struct error error;
};

/* configured: the address as address.h has it. */
int resolution_start(struct task **ret, struct sd_event *event, struct task_slot *slot,
                     const char *configured, bool ldaps, uint64_t timeout_usec,
                     task_done_fn done, void *userdata, struct error *e);
