/*
 * Looks at single users of the tenant, each by its login: for whoever no link claims, and
 * whoever is looked for.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "tenant/client.h"

struct books;
struct error;
struct look;

struct looks {
    struct books *books;
    /* The look has ended, another may begin; both are borrowed. */
    void (*done)(const char *login, const struct tenant_answer *a, void *userdata);
    void *userdata;
    struct look *first;
    size_t n; /* under way */
};

/* hurry: before whatever else waits for the tenant. A login that is being looked at is not
 * again.
 */
int looks_begin(struct looks *l, const char *login, bool hurry, struct error *e);
void looks_cancel(struct looks *l); /* nobody is told */
