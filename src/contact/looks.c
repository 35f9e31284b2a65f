#include "config.h"

#include "contact/looks.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "books/books.h"
#include "books/engine-types.h"

struct look {
    struct looks *looks;
    struct look *next;
    struct tenant_call *call;
    char *login;
};

static void leave(struct look *k)
{
    for (struct look **p = &k->looks->first; *p; p = &(*p)->next)
        if (*p == k) {
            *p = k->next;
            k->looks->n--;
            return;
        }
}

static void look_free(struct look *k)
{
    if (k->call)
        books_options(k->looks->books)->tenant_ops->call_free(k->call);
    free(k->login);
    free(k);
}

static void on_read(const struct tenant_answer *a, void *userdata)
{
    struct look *k = userdata;
    leave(k);
    k->looks->done(k->login, a, k->looks->userdata);
    look_free(k);
}

int looks_begin(struct looks *l, const char *login, bool hurry, struct error *e)
{
    const struct engine_options *o = books_options(l->books);
    for (const struct look *k = l->first; k; k = k->next)
        if (text_equal(k->login, login))
            return 0;
    struct look *k = calloc(1, sizeof(*k));
    if (!k)
        return error_out_of_memory(e);
    *k = (struct look){.looks = l, .next = l->first, .login = strdup(login)};
    l->first = k;
    l->n++;
    int r = k->login
                ? o->tenant_ops->read(o->tenant, &k->call, by_login(k->login), on_read, k, e)
                : error_out_of_memory(e);
    if (r < 0) {
        leave(k);
        look_free(k);
    } else if (hurry) {
        o->tenant_ops->call_hurry(k->call);
    }
    return r;
}

void looks_cancel(struct looks *l)
{
    while (l->first) {
        struct look *k = l->first;
        leave(k);
        look_free(k);
    }
}
