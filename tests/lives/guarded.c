/* What nobody may lose: looked at right before and right after each request, at the tenant. */
#include "config.h"

#include "guarded.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "company.h"
#include "oracle.h"
#include "rules.h"
#include "simulated.h"
#include "tenant.h"
#include "world.h"

extern struct simulator tenant;

static bool had_access, was_last;
static char roles[8][40]; /* that the user had */
static unsigned n_roles;

static bool is_named(const char *login)
{
    return strcasecmp(login, API_USER) == 0 ||
           (rules.protects && strcasecmp(login, PROTECTED) == 0);
}

static bool has_role(const struct user *u, const char *role)
{
    for (size_t i = 0; i < u->n_roles; i++)
        if (strcmp(u->roles[i]->text, role) == 0)
            return true;
    return false;
}

/* Whom somebody disabled there, or took the role from, counts until the next verification. */
static bool holds(const struct user *u)
{
    const struct person *p = oracle_person(u->field[USER_LOGIN]);
    bool lead = has_role(u, "Lead") || (p && hands_took(p, DUE_LEAD));
    return lead && (!u->disabled || (p && p->disabled_by_hand));
}

/* From that verification on, nobody counts who lost it by hand. */
static bool holds_now(const struct user *u)
{
    return has_role(u, "Lead") && !u->disabled;
}

/* Nor whoever a state that is new, or older, does not know (any more). */
static bool holds_as_known(const struct user *u)
{
    const struct person *p = oracle_person(u->field[USER_LOGIN]);
    return holds_now(u) && p && !p->forgotten;
}

static unsigned count(bool (*those)(const struct user *u))
{
    unsigned n = 0;
    const struct user *u;
    TAILQ_FOREACH(u, &tenant.store.users, link) n += those(u);
    return n;
}

static bool is_last(const char *login, bool (*of)(const struct user *u))
{
    const struct user *u = *login ? store_user(&tenant.store, login) : NULL;
    return rules.privileged && u && of(u) && count(of) == 1;
}

bool guarded_is(const char *login)
{
    return is_named(login) || is_last(login, holds) || is_last(login, holds_now) ||
           is_last(login, holds_as_known);
}

void guarded_before(const char *login)
{
    const struct user *u = is_named(login) ? store_user(&tenant.store, login) : NULL;
    had_access = u && !u->disabled;
    n_roles = 0;
    for (size_t i = 0; u && i < u->n_roles && n_roles < 8; i++)
        snprintf(roles[n_roles++], sizeof(*roles), "%s", u->roles[i]->text);
    was_last = is_last(login, holds);
}

void guarded_after(const char *login, const char *method, const char *target)
{
    const struct user *u = store_user(&tenant.store, login);
    world.n_checks++;
    if (had_access && (!u || u->disabled))
        broken(2, "a login that is guarded loses its access or its name: %s %s", method, target);
    for (unsigned i = 0; u && i < n_roles; i++)
        if (!has_role(u, roles[i]))
            broken(2, "a login that is guarded loses the role %s: %s %s", roles[i], method, target);
    if (was_last && (!u || !count(holds)))
        broken(2, "the last active user with the role Lead loses access, name or role: %s %s", method,
               target);
    n_roles = 0;
    had_access = was_last = false;
}
