/* The question of DNS as a task of its own: the resolver blocks. */
#include "config.h"

#include "directory/resolution.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "directory/address.h"
#include "directory/options.h"

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
                     const struct address *a, const struct directory_options *options,
                     task_done_fn done, void *userdata, struct error *e)
{
    struct resolution *s = calloc(1, sizeof(*s));
    if (!s)
        return error_out_of_memory(e);
    s->domain = address_domain(a->configured);
    s->ldaps = address_is_ldaps_service(a->configured) || options->tls == DIRECTORY_TLS_LDAPS;
    if (!s->domain) {
        resolution_free(s);
        return error_out_of_memory(e);
    }
    return task_start(ret, event, slot, &resolution_ops, s, options->connect_timeout_usec, done,
                      userdata, e);
}

int resolution_take(struct resolution *s, const struct directory_options *options,
                    struct address_list *l, struct address *a, struct error *e)
{
    int r;
    if (!s)
        r = error_set(e, -ETIMEDOUT, "%s: DNS did not answer in time", a->configured);
    else if (s->r < 0)
        r = error_set(e, s->r, "%s: %s", a->configured, s->error.message);
    else
        r = address_keep_allowed(&s->uris, s->domain, options->srv_hosts, options->n_srv_hosts, e);
    if (r == 0)
        r = address_resolved(l, a, &s->uris, e);
    if (r == 0 || !a->uri)
        return r;
    log_debug("%s", e->message);
    address_not_resolved(l, a);
    return 0;
}
