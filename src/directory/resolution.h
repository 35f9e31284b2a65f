/* Which servers DNS names for a service (SRV), asked in a thread. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"
#include "directory/task.h"

struct address;
struct address_list;
struct directory_options;

/* What `done` of the task is given as its data. */
struct resolution {
    char *domain;
    bool ldaps;
    struct string_list uris;
    int r;
    struct error error;
};

/* For an address that stands for a domain, or that DNS named for one. */
int resolution_start(struct task **ret, struct sd_event *event, struct task_slot *slot,
                     const struct address *a, const struct directory_options *options,
                     task_done_fn done, void *userdata, struct error *e);
/* Puts those that were named, and are believed, in the place of `a`; NULL: there was no answer in
 * time. Where `a` was named before and none is now, what was named before stays, which is no
 * failure: DNS that fails takes away no server that may be there. */
int resolution_take(struct resolution *s, const struct directory_options *options,
                    struct address_list *l, struct address *a, struct error *e);
