/*
 * Roles and skills of the rules: the tenant lists neither, but it shows what its users have. A
 * name that some user has exists; one that nobody has and that looks like one of these is
 * mostly misspelt, and would hold up everybody whom its rule takes.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/check.h"
#include "daemon/daemon.h"
#include "mapping/ruleset.h"

#define LOOKED_AT 10 /* users; each is a request */

struct names {
    struct check_run *c;
    struct string_list logins, roles, skills;
    size_t n_seen; /* users */
};

struct asked {
    struct names *names;
    bool done;
};

static void take(struct names *n, struct string_list *to, const char *name)
{
    if (string_list_add_once(to, name) < 0)
        n->c->out_of_memory = true;
}

static void on_logins(const struct tenant_answer *a, void *userdata)
{
    struct asked *asked = userdata;
    for (size_t i = 0; a->names && i < a->names->n_items; i++)
        take(asked->names, &asked->names->logins, a->names->items[i]);
    asked->done = true;
}

static void on_user(const struct tenant_answer *a, void *userdata)
{
    struct asked *asked = userdata;
    struct names *n = asked->names;
    const struct user *u = a->class == TENANT_DONE ? a->user : NULL;
    for (size_t i = 0; u && i < u->n_roles; i++)
        take(n, &n->roles, u->roles[i].name);
    for (size_t i = 0; u && i < u->n_skills; i++)
        take(n, &n->skills, u->skills[i].name);
    n->n_seen += u != NULL;
    asked->done = true;
}

/* false: no answer; what is wrong with the tenant was said by others. */
static bool wait_for(struct names *n, int r, struct tenant_call *call, const bool *done)
{
    if (r < 0)
        return false;
    r = check_wait(n->c, done, CHECK_CALL_LIMIT_USEC);
    tenant_kind_ops(&n->c->settings->tenant)->call_free(call);
    return r == 0;
}

/* Some of them, from all over the list. */
static void look_at_users(struct names *n, struct tenant_client *client)
{
    struct asked asked = {.names = n};
    struct tenant_call *call = NULL;
    struct error e = {0};
    const struct tenant_ops *ops = tenant_kind_ops(&n->c->settings->tenant);
    int r = ops->directory_list(client, &call, on_logins, &asked, &e);
    if (!wait_for(n, r, call, &asked.done))
        return;
    size_t n_looked = n->logins.n_items < LOOKED_AT ? n->logins.n_items : LOOKED_AT;
    for (size_t i = 0; i < n_looked; i++) {
        const char *login = n->logins.items[i * n->logins.n_items / n_looked];
        asked.done = false;
        r = ops->read(client, &call, by_login(login), on_user, &asked, &e);
        if (!wait_for(n, r, call, &asked.done))
            return;
    }
}

/* Names of one kind that nobody has are appended to unseen. */
static void judge(struct names *n, const char *kind, const struct string_list *wanted,
                  const struct string_list *seen, struct buffer *unseen, size_t *ret_known)
{
    size_t n_missing = 0;
    for (size_t i = 0; i < wanted->n_items; i++) {
        const char *name = wanted->items[i], *near = NULL;
        char subject[400];
        if (string_list_contains(seen, name)) {
            ++*ret_known;
            continue;
        }
        check_note_work(n->c, kind, name);
        if (!n->n_seen)
            continue;
        bool look = n_missing++ < CHECK_SUGGESTIONS_MAX;
        for (size_t k = 0; look && k < seen->n_items && !near; k++)
            near = text_equal_fold(seen->items[k], name) ? seen->items[k] : NULL;
        if (look && !near)
            near = text_nearest(name, (const char *const *)seen->items, seen->n_items);
        snprintf(subject, sizeof(subject), "%s %s", kind, name);
        if (near)
            check_add(n->c, CHECK_WARNING, subject,
                      "none of the %zu users of the tenant that were read has the %s '%s'; did you "
                      "mean '%s'?",
                      n->n_seen, kind, name, near);
        else
            buffer_format(unseen, "%s%s '%s'", unseen->size ? ", " : "", kind, name);
    }
}

/* Whoever has such a role by hand may be its last holder, and is guarded only if it is listed.
 */
static void judge_privileged(struct names *n)
{
    const struct sync_options *options = &n->c->settings->sync;
    const struct string_list *given = ruleset_roles(engine_ruleset(n->c->engine));
    CLEANUP(buffer_done) struct buffer roles = {0};
    for (size_t i = 0; i < n->roles.n_items; i++) {
        const char *role = n->roles.items[i];
        if (settings_sounds_privileged(role) && !options_role_is_privileged(options, role) &&
            !string_list_contains(given, role)) /* of those it was said */
            buffer_format(&roles, "%s'%s'", roles.size ? ", " : "", role);
    }
    if (roles.size)
        check_add(
            n->c, CHECK_WARNING, "[guard] privileged_roles",
            "users of the tenant have %s, and the name sounds privileged: list it here, so that its "
            "last holder is not disabled and nobody who has it is taken over without approval",
            roles.data);
}

static void say_privilege(struct check_run *c)
{
    const struct ruleset *rules = engine_ruleset(c->engine);
    bool from_directory = false;
    for (size_t i = 0; i < c->settings->mapping.n_rules; i++)
        from_directory = from_directory || c->settings->mapping.rules[i].skills_from.text;
    if (ruleset_skills(rules)->n_items || from_directory)
        check_add(
            c, CHECK_OK, "privileges",
            "rules give skills, so the account needs the privilege to manage skills, too; no call "
            "tells whether it has that: without it each change of skills is refused and held");
}

void check_note_work(struct check_run *c, const char *kind, const char *name)
{
    buffer_format(&c->work, "%s%s '%s'", c->work.size ? ", " : "", kind, name);
}

void check_work_list(struct check_run *c)
{
    if (c->work.size)
        check_add(
            c, CHECK_OK, "work list",
            "the rules give what the tenant does not show; teams are to be created there before "
            "a wave, and roles and skills unless they exist: %s",
            c->work.data);
}

void check_names(struct check_run *c, struct tenant_client *client)
{
    const struct ruleset *rules = engine_ruleset(c->engine);
    CLEANUP(buffer_done) struct buffer unseen = {0};
    struct names n = {.c = c};
    size_t n_known = 0, n_all = ruleset_roles(rules)->n_items + ruleset_skills(rules)->n_items;
    say_privilege(c);
    check_progress(c, "Looking up which roles and skills users of the tenant have");
    look_at_users(&n, client);
    judge(&n, "role", ruleset_roles(rules), &n.roles, &unseen, &n_known);
    judge(&n, "skill", ruleset_skills(rules), &n.skills, &unseen, &n_known);
    judge_privileged(&n);
    if (n.n_seen && n_all)
        check_add(c, CHECK_OK, "roles and skills",
                  "%zu of %zu are seen with users of the tenant%s%s%s", n_known, n_all,
                  unseen.size ? "; not seen, which need not mean anything: " : "",
                  unseen.size ? unseen.data : "",
                  unseen.size ? ". They must exist there, and no call lists them" : "");
    string_list_done(&n.logins);
    string_list_done(&n.roles);
    string_list_done(&n.skills);
}
