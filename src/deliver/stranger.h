/*
 * Who has the login of a link, while that link's own user is looked for by its id.
 */
#pragma once
#include <stdbool.h>

struct books;
struct error;
struct tenant_answer;
struct user;

struct stranger {
    struct user *user; /* owned; NULL: nobody is looked for */
    char *id;          /* owned; the tenant's own; NULL: not shown */
    bool doubted;      /* by the mail or a privileged role alone: it may be the link's own user */
    bool stranger;     /* nobody is looked for, since no id is known, and neither the mail nor the
                      name is left of whom the link knows */
};

/* The answer to a look at the login; remote_id: the link's, or NULL. Kept is whoever may be
 * another one. */
int stranger_take(struct stranger *o, struct books *b, const char *entry_id, const char *remote_id,
                  const struct tenant_answer *a, struct error *e);
void stranger_done(struct stranger *o);
