/*
 * The tenant's part of a check: are the credentials taken, has the account its privileges, do
 * the mapped teams exist, is every part of its interface offered. It only reads.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/secret.h"
#include "base/text.h"
#include "daemon/check.h"
#include "daemon/daemon.h"
#include "mapping/ruleset.h"

/* An answer with what it borrowed copied. */
struct asked {
    bool done;
    struct tenant_answer answer;
    bool has_names;
    struct string_list names;
    bool out_of_memory;
};

static void on_answer(const struct tenant_answer *a, void *userdata)
{
    struct asked *asked = userdata;
    asked->answer = *a;
    asked->answer.names = NULL;
    asked->answer.user = NULL;
    asked->answer.id = NULL;
    asked->has_names = a->names != NULL;
    for (size_t i = 0; a->names && i < a->names->n_items; i++)
        if (string_list_add(&asked->names, a->names->items[i]) < 0)
            asked->out_of_memory = true;
    asked->done = true;
}

/* Waits for the call that was started with `r`. false: it gave no answer, which was said. */
static bool wait_answer(struct check_run *c, int r, struct tenant_call *call, struct asked *asked,
                        const char *subject, const struct error *e)
{
    if (r < 0) {
        check_add(c, CHECK_ERROR, subject, "%s", e->message);
        return false;
    }
    r = check_wait(c, &asked->done, CHECK_CALL_LIMIT_USEC);
    tenant_kind_ops(&c->settings->tenant)->call_free(call);
    if (r < 0 && r != -EINTR)
        check_add(c, CHECK_ERROR, subject, "%s gave no answer within %llu seconds",
                  c->settings->tenant.url,
                  (unsigned long long)(CHECK_CALL_LIMIT_USEC / USEC_PER_SEC));
    if (asked->out_of_memory)
        c->out_of_memory = true;
    return r == 0;
}

/* "https://… answered 403: no privilege" or "https://…: connection refused". */
static char *answer_text(const struct tenant_answer *a, char *buffer, size_t size)
{
    if (a->status)
        snprintf(buffer, size, "%s answered %d%s%s", a->url, a->status, a->hint[0] ? ": " : "",
                 a->hint);
    else
        snprintf(buffer, size, "%s: %s", a->url, a->hint);
    return buffer;
}

static const char *nearest_team(const struct string_list *names, const char *team)
{
    for (size_t i = 0; i < names->n_items; i++)
        if (text_equal_fold(names->items[i], team))
            return names->items[i];
    return text_nearest(team, (const char *const *)names->items, names->n_items);
}

static void check_teams(struct check_run *c, const struct string_list *names)
{
    const struct string_list *teams = ruleset_teams(engine_ruleset(c->engine));
    CLEANUP(string_list_done) struct string_list known = {0};
    size_t n_missing = 0;
    for (size_t i = 0; i < names->n_items; i++)
        if (string_list_add_once(&known, names->items[i]) < 0)
            c->out_of_memory = true;
    for (size_t i = 0; i < teams->n_items; i++) {
        char meant[400], subject[400];
        if (string_list_contains(&known, teams->items[i]))
            continue;
        const char *near =
            n_missing++ < CHECK_SUGGESTIONS_MAX ? nearest_team(&known, teams->items[i]) : NULL;
        check_note_work(c, "team", teams->items[i]);
        snprintf(subject, sizeof(subject), "team %s", teams->items[i]);
        check_add(c, CHECK_ERROR, subject, "the tenant shows this account no team '%s'%s",
                  teams->items[i], check_meant(meant, sizeof(meant), near));
    }
    if (teams->n_items && !n_missing)
        check_add(c, CHECK_OK, "teams", "%s%zu team%s of the rules exist%s at the tenant",
                  teams->n_items == 1 ? "the " : "all ", teams->n_items,
                  text_plural(teams->n_items), teams->n_items == 1 ? "s" : "");
}

/* false: nothing else needs to be asked. */
static bool check_account(struct check_run *c, struct tenant_client *client)
{
    struct asked asked = {0};
    struct tenant_call *call = NULL;
    struct error e = {0};
    char text[600];
    check_progress(c, "Asking the tenant");
    int r = tenant_kind_ops(&c->settings->tenant)->team_list(client, &call, on_answer, &asked, &e);
    if (!wait_answer(c, r, call, &asked, "tenant", &e)) {
        string_list_done(&asked.names);
        return false;
    }
    const struct tenant_answer *a = &asked.answer;
    answer_text(a, text, sizeof(text));
    bool fine = a->class == TENANT_DONE;
    const char *odd = secret_file_oddity(c->settings->tenant.client_secret_file);
    if (fine && !asked.has_names) {
        check_add(c, CHECK_OK, "tenant", "%s accepts the credentials of %s",
                  c->settings->tenant.url, c->settings->tenant.client_id);
    } else if (fine) {
        check_add(c, CHECK_OK, "tenant", "%s accepts the credentials of %s; it has %zu team%s",
                  c->settings->tenant.url, c->settings->tenant.client_id, asked.names.n_items,
                  text_plural(asked.names.n_items));
        check_teams(c, &asked.names);
    } else if (a->remedy) {
        check_add(c, CHECK_ERROR, "tenant", "%s. %s%s%s%s", text, a->remedy,
                  odd ? ". The secret file looks odd: " : "", odd ? odd : "",
                  odd ? "; it is read with that" : "");
    } else {
        check_add(c, CHECK_ERROR, "tenant", "%s", text);
    }
    string_list_done(&asked.names);
    return fine;
}

/* No tenant has a user of this login, so the answer says what the account may see. */
static void impossible_login(char *buffer, size_t size)
{
    snprintf(buffer, size, "rosterd-check-%016" PRIx64, random_number());
}

static void check_privilege(struct check_run *c, struct tenant_client *client, const char *login)
{
    struct asked asked = {0};
    struct tenant_call *call = NULL;
    struct error e = {0};
    char text[600];
    const struct tenant_ops *ops = tenant_kind_ops(&c->settings->tenant);
    int r = ops->read(client, &call, by_login(login), on_answer, &asked, &e);
    if (!wait_answer(c, r, call, &asked, "privileges", &e))
        return;
    answer_text(&asked.answer, text, sizeof(text));
    if (asked.answer.class == TENANT_NOT_FOUND)
        check_add(c, CHECK_OK, "privileges", "the account may look at users");
    else if (asked.answer.class == TENANT_NOT_AUTHORISED || asked.answer.status == 403)
        check_add(c, CHECK_ERROR, "privileges",
                  "the account may not look at users; it needs the privileges \"Manage users\" "
                  "and \"Manage all teams\": %s",
                  text);
    else
        check_add(c, CHECK_WARNING, "privileges",
                  "a user that cannot exist was asked for, and the answer is not that there is "
                  "none: %s",
                  text);
}

static void check_part(struct check_run *c, struct tenant_client *client, const struct part *part,
                       const char *login)
{
    struct asked asked = {0};
    struct tenant_call *call = NULL;
    struct error e = {0};
    char text[600];
    const struct tenant_ops *ops = tenant_kind_ops(&c->settings->tenant);
    int r = ops->find(client, &call, login, on_answer, &asked, &e);
    if (!wait_answer(c, r, call, &asked, part->name, &e))
        return;
    answer_text(&asked.answer, text, sizeof(text));
    if (asked.answer.class == TENANT_DONE || asked.answer.class == TENANT_NOT_FOUND)
        check_add(c, CHECK_OK, part->name, "the tenant offers it: %s can be changed", part->holds);
    else if (asked.answer.class == TENANT_UNSUPPORTED ||
             asked.answer.class == TENANT_NOT_AUTHORISED)
        check_add(c, CHECK_WARNING, part->name,
                  "the tenant does not offer it to this account, so changes of %s will be held "
                  "after a user is created: %s",
                  part->holds, text);
    else
        check_add(c, CHECK_WARNING, part->name, "%s", text);
}

void check_tenant(struct check_run *c)
{
    struct tenant_client *client = NULL;
    struct error e = {0};
    char login[40];
    if (c->interrupted)
        return;
    if (tenant_client_new(&client, c->event, &c->settings->tenant, &e) < 0) {
        check_add(c, CHECK_ERROR, "tenant", "%s", e.message);
        return;
    }
    impossible_login(login, sizeof(login));
    check_note_requests(c, client);
    if (check_account(c, client)) {
        check_privilege(c, client, login);
        const struct parts *parts = tenant_kind_ops(&c->settings->tenant)->parts(client);
        for (size_t i = 0; i < parts->n_items; i++)
            if (parts->items[i].may_be_missing)
                check_part(c, client, &parts->items[i], login);
        check_names(c, client);
        check_work_list(c);
    }
    tenant_client_free(client);
}
