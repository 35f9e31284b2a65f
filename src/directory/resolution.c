/* The question of DNS as a task of its own: the resolver blocks. */
#include "config.h"

#include "directory/resolution.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"
#include "directory/address.h"

static void resolution_run(void *data)
{
    struct resolution *s = data;
    s->r = address_resolve(s->domain, s->ldaps, &s->uris, &s->error);
}

static void resolution_free(void *data)
{
    struct resolution *s = data;
    if (!s)
        return;
    free(s->domain);
    string_list_done(&s->uris);
    free(s);
}

static const struct task_ops resolution_ops = {
    .name = "resolving",
    .run = resolution_run,
    .free = resolution_free,
};

int resolution_start(struct task **ret, struct sd_event *event, struct task_slot *slot,
                     const char *configured, bool ldaps, uint64_t timeout_usec,
                     task_done_fn done, void *userdata, struct error *e)
{
    struct resolution *s = calloc(1, sizeof(*s));
    if (!s)
        return error_out_of_memory(e);
    s->domain = address_domain(configured);
    s->ldaps = ldaps;
    if (!s->domain) {
        resolution_free(s);
        return error_out_of_memory(e);
    }
    return task_start(ret, event, slot, &resolution_ops, s, timeout_usec, done, userdata, e);
}
