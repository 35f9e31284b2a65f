/*
 * The calls of an execution, one after the other; those of a revocation overtake what waits.
 */
#include "config.h"

#include "deliver/delivery-internal.h"

const struct parts *delivery_parts(const struct delivery *d)
{
    return d->options->tenant_ops->parts(d->options->tenant);
}

const struct part *execution_part(const struct execution *x)
{
    const struct parts *parts = delivery_parts(x->delivery);
    enum operation_kind k = x->operation->kind;
    if (k == OPERATION_RENAME)
        return part_with(parts, PART_FIELD(USER_LOGIN));
    if (k == OPERATION_DISABLE || k == OPERATION_ENABLE)
        return part_with(parts, PART_DISABLED);
    return part_of_kind(parts, k);
}

void execution_begin_write(struct execution *x)
{
    x->sending.wrote_before = x->sending.wrote;
    x->sending.wrote = x->sending.writes = true;
}

void execution_end_write(struct execution *x, bool done)
{
    x->sending.writes = false;
    if (!done)
        x->sending.wrote = x->sending.wrote_before;
}

struct tenant_call **execution_next_call(struct execution *x)
{
    if (x->sending.call)
        x->sending.call = x->delivery->options->tenant_ops->call_free(x->sending.call);
    x->sending.left = false;
    if (x->intent.hurries)
        books_wake(x->delivery->books, WORK_DUE); /* see delivery_hurry() */
    return &x->sending.call;
}

/* tenant_leave_fn of each call */
static bool leaves(void *userdata)
{
    struct execution *x = userdata;
    bool may = execution_leaves(x);
    if (may)
        x->sending.left = true;
    return may;
}

void execution_called(struct execution *x, int r, const struct error *e)
{
    const struct tenant_ops *ops = x->delivery->options->tenant_ops;
    if (r < 0) {
        execution_broken(x, e);
        return;
    }
    ops->call_ask(x->sending.call, leaves);
    if (x->operation->revokes)
        ops->call_hurry(x->sending.call);
    execution_stays(x);
}

static void read_user(struct execution *x, struct tenant_ref ref, tenant_done_fn done)
{
    const struct engine_options *o = x->delivery->options;
    struct error e = {0};
    int r = o->tenant_ops->read(o->tenant, execution_next_call(x), ref, done, x, &e);
    execution_called(x, r, &e);
}

void execution_read_login(struct execution *x, tenant_done_fn done)
{
    const char *listed = x->basis.listed;
    read_user(x, by_login(listed ? listed : x->operation->login), done);
}

void execution_read_our_id(struct execution *x, tenant_done_fn done)
{
    const struct operation *o = x->operation;
    read_user(x, (struct tenant_ref){.login = o->login, .our_id = o->entry_id}, done);
}

void execution_read_id(struct execution *x, tenant_done_fn done)
{
    read_user(x, (struct tenant_ref){.id = x->link.remote_id}, done);
}
