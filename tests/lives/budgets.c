/*
 * Counts what was done to users by kinds of operations, as the intents call them: that a request
 * does what its intent says is another promise (deeds.c).
 */
#include "config.h"

#include "budgets.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "company.h"
#include "deeds.h"
#include "directory.h"
#include "dormant.h"
#include "oracle.h"
#include "rules.h"
#include "world.h"

/* What was done lately and nobody had approved. */
static struct spent {
    long long number; /* an operation may take several requests */
    enum limit kind;
    uint64_t usec;
} *spent;
static size_t n_spent, room;

void budgets_begin(void)
{
    n_spent = 0;
}

void budgets_forget(void)
{
    n_spent = 0;
}

void budgets_end(void)
{
    free(spent);
    spent = NULL;
    n_spent = room = 0;
}

bool budgets_hold(void)
{
    for (unsigned k = 0; k < LIMITS; k++)
        if (rules.limits[k])
            return true;
    return false;
}

/* LIMITS: none, or it cannot be told from outside. */
static enum limit kind_of(const struct person *p, const struct deed *d)
{
    bool is_revoked = oracle_is_revoked(p->item);
    if (strcmp(d->op, "disable") == 0 && rules.dormant_disables && dormant_is(p))
        return oracle_is_entitled(p->item) && !oracle_is_news(p) ? LIMIT_DORMANT : LIMITS;
    if (strcmp(d->op, "disable") == 0 &&
        oracle_is_news(p)) /* nobody else knows what it had heard */
        return d->revokes ? LIMIT_REVOKE : LIMIT_DISABLE;
    if (strcmp(d->op, "disable") == 0)
        return !is_revoked ? LIMIT_DISABLE : p->item->gone ? LIMITS : LIMIT_REVOKE;
    if (strcmp(d->op, "delete") == 0)
        return LIMIT_DELETE;
    if (strcmp(d->op, "rename") == 0)
        return LIMIT_RENAME;
    if (d->gives_lead && rules.privileged)
        return LIMIT_PRIVILEGED;
    if (strcmp(d->op, "create") == 0)
        return LIMIT_CREATE;
    return d->changes_team ? LIMIT_TEAM : LIMIT_UPDATE;
}

static void count(enum limit kind)
{
    size_t n = 0;
    for (size_t i = 0; i < n_spent; i++)
        n += spent[i].kind == kind && spent[i].usec + DAY > world.steady_usec + MINUTE;
    world.n_checks++;
    if (n > rules.limits[kind] &&
        (!rules.budget_changed_usec || rules.budget_changed_usec + DAY < world.steady_usec))
        broken(4, "of the kind \"%s\" %zu were done within a day, the budget is %u",
               limit_names[kind], n, rules.limits[kind]);
}

void budgets_wrote(const struct person *p, const struct deed *d)
{
    enum limit kind = kind_of(p, d);
    if (kind == LIMITS || !rules.limits[kind] || p->approved_until_usec >= world.steady_usec ||
        p->perhaps_until_usec >= world.steady_usec)
        return;
    for (size_t i = 0; i < n_spent; i++)
        if (spent[i].number == d->number && spent[i].kind == kind)
            return;
    if (n_spent == room) {
        room = room ? 2 * room : 64;
        spent = realloc(spent, room * sizeof(*spent));
        if (!spent)
            abort();
    }
    spent[n_spent++] = (struct spent){d->number, kind, world.steady_usec};
    count(kind);
}
