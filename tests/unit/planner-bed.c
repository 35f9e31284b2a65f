/*
 * A row in, the planner's answer out; and once more with each allocation failing.
 */
#include "config.h"

#include "planner-bed.h"

#include <errno.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/text.h"
#include "failing-memory.h"
#include "mapping/ruleset.h"
#include "model/part.h"
#include "model/source.h"
#include "tenant/client.h"
#include "unit.h"

/* "login mail team role,role skill:level,skill:level"; "-": none. */
struct user *user_of(const char *text)
{
    char login[32], mail[32], team[32], roles[64], skills[64], *rest;
    struct user *u = user_new();
    assert_non_null(u);
    assert_int_equal(sscanf(text, "%31s %31s %31s %63s %63s", login, mail, team, roles, skills),
                     5);
    assert_int_equal(user_set(u, USER_LOGIN, login, NULL), 0);
    assert_int_equal(user_set(u, USER_FIRST_NAME, "First", NULL), 0);
    assert_int_equal(user_set(u, USER_LAST_NAME, login, NULL), 0);
    if (strcmp(mail, "-") != 0)
        assert_int_equal(user_set(u, USER_EMAIL, !strcmp(mail, "\"\"") ? "" : mail, NULL), 0);
    if (strcmp(team, "-") != 0)
        assert_int_equal(user_set(u, USER_TEAM, team, NULL), 0);
    for (char *p = strcmp(roles, "-") ? roles : NULL; p; p = rest ? rest + 1 : NULL) {
        rest = strchr(p, ',');
        if (rest)
            *rest = '\0';
        assert_int_equal(user_add_role(u, p, NULL), 0);
    }
    for (char *p = strcmp(skills, "-") ? skills : NULL; p; p = rest ? rest + 1 : NULL) {
        rest = strchr(p, ',');
        if (rest)
            *rest = '\0';
        char *level = strchr(p, ':');
        assert_non_null(level);
        *level = '\0';
        assert_int_equal(user_add_skill(u, p, (unsigned)atol(level + 1), NULL), 0);
    }
    return u;
}

static bool names_ruled(const char *name, void *userdata)
{
    (void)userdata;
    return !strncmp(name, "Ruled", 5);
}

static const char *describe(const struct planner_result *r, char *buffer, size_t size)
{
    size_t used = 0;
    buffer[0] = '\0';
    for (size_t i = 0; i < r->operations.n_items; i++) {
        const struct operation *o = r->operations.items[i];
        used += (size_t)snprintf(buffer + used, size - used, "%s%s%s%s ",
                                 operation_kind_name(o->kind),
                                 o->state == OPERATION_PARKED ? "!" : "", o->reason ? ":" : "",
                                 o->reason ? o->reason : "");
    }
    snprintf(buffer + used, size - used, "= %s", r->forget ? "forget" : person_bucket_name(r->bucket));
    return buffer;
}

/* Of a tenant that takes everything in one request, and of the vendor's. */
const struct parts planner_one_part = {
    .items = &(const struct part){.name = "everything", .kind = OPERATION_UPDATE, .writes = ~0U},
    .n_items = 1};
const struct parts *planner_parts; /* NULL: the vendor's */

static const struct source revoked_by = {.rule = (char *)"[lifecycle] revoke_when"};
#define ROLE(name) (char *)(name)
static char *both[] = {ROLE("Payer"), ROLE("Buyer"), ROLE("B1"), ROLE("B2"), ROLE("B3"), ROLE("B4"),
                       ROLE("B5"),    ROLE("B6"),    ROLE("B7"), ROLE("B8"), ROLE("B9")};
static const struct string_list both_roles = {.items = both, .n_items = ARRAY_SIZE(both)};
static const struct ruleset_conflict payers_buy_nothing = {
    .name = "payers buy nothing", .file = "f", .line = 1, .roles = &both_roles};

static char *privileged[] = {(char *)"Boss"};

static struct sync_options options_of(const struct planner_row *row)
{
    return (struct sync_options){
        .leave_grace_usec = GRACE,
        .on_drift = row->repair ? DRIFT_REPAIR : DRIFT_REPORT,
        .create_ahead_usec = row->ahead,
        .create_disabled = row->create_disabled,
        .dormant_after_usec = row->dormant_after,
        .dormant = row->dormant_disable ? DORMANT_DISABLE : DORMANT_REPORT,
        .delete_after_usec = row->delete_after,
        .privileged_roles = privileged,
        .n_privileged_roles = 1,
        .on_rename = row->hold_renames ? ON_RENAME_HOLD : ON_RENAME_RENAME,
    };
}

static struct planner_verdict verdict_of(const struct planner_row *row, const struct user *wanted)
{
    return (struct planner_verdict){
        .presence = row->presence,
        .code = "no-team",
        .sentence = row->says_nothing ? NULL : "why",
        .wanted = wanted,
        .revoked = row->revoked,
        .revoke_source = row->revoked ? &revoked_by : NULL,
        .start_usec = row->start,
        .group_missing = row->group_missing,
        .vanished_attribute = row->vanished,
        .attribute_unread = row->is_unread,
    };
}

static struct planner_link link_of(const struct planner_row *row, const struct user *known,
                                   const struct user *granted, const struct user *quirks)
{
    return (struct planner_link){
        .status = row->link,
        .login = row->link == LINK_UNLINKED ? NULL : "anna",
        .known = known,
        .granted = granted,
        .quirks = quirks,
        .disabled_by_us = row->disabled_by_us,
        .disabled_as_dormant = row->disabled_as_dormant,
        .shown_disabled = row->shown_disabled,
        .renamed_there = row->renamed_there,
        .used_usec = row->used,
        .vanished = row->user_vanished,
        .maybe_renamed = row->maybe_renamed,
        .has_our_id = row->our_id,
        .leaving_usec = row->leaving,
        .disabled_usec = row->disabled,
    };
}

/* Verdict, link and what was found are for the caller to fill in. */
static struct planner_input input_of(const struct planner_row *row)
{
    return (struct planner_input){
        .entry_id = "id",
        .dn = "uid=anna",
        .twin = row->twin,
        .claim = row->claim,
        .claim_sentence = row->says_nothing ? NULL : "somebody",
        .successor = {.sentence = row->successor ? "a successor" : NULL,
                      .revoked = row->successor_revoked,
                      .idle = row->successor_idle},
        .adoption = {.open = row->adoption_open, .looking = row->looking, .asking = row->asking},
        .state_restored = row->state_restored,
        .other_tenant = row->other_tenant,
        .rules = {.conflicts = {.items = &payers_buy_nothing, .n_items = row->conflict ? 1 : 0},
                  .names_role = row->says_nothing ? NULL : names_ruled,
                  .names_skill = row->says_nothing ? NULL : names_ruled},
        .parts = planner_parts ? planner_parts : tenant_configapi_ops.parts(NULL),
        .now_usec = NOW,
        .dates_usec = NOW,
    };
}

/* The allocation of this number fails; negative: none does. False: it did. */
static bool plan_failing(const struct planner_row *row, long fail_at, struct planner_result *ret)
{
    struct sync_options options = options_of(row);
    CLEANUP(user_freep) struct user *wanted = row->wanted ? user_of(row->wanted) : NULL;
    CLEANUP(user_freep) struct user *known = row->known ? user_of(row->known) : user_new();
    CLEANUP(user_freep) struct user *granted = row->granted ? user_of(row->granted) : NULL;
    CLEANUP(user_freep) struct user *found = row->found ? user_of(row->found) : NULL;
    CLEANUP(user_freep) struct user *quirks = row->quirks ? user_of(row->quirks) : NULL;
    if (wanted)
        wanted->disabled = row->wanted_disabled;
    if (found)
        found->disabled = row->found_disabled;
    struct planner_input in = input_of(row);
    in.verdict = verdict_of(row, wanted);
    in.link = link_of(row, known, granted, quirks);
    in.adoption.found = found;
    in.options = &options;
    struct error e = {0};
    fail_after = fail_at;
    int r = planner_plan(&in, ret, &e);
    bool failed = fail_at >= 0 && fail_after < 0;
    fail_after = -1;
    assert_row(row->name, r == (failed ? -ENOMEM : 0));
    assert_row(row->name, !failed || e.message[0]);
    return !failed;
}

const struct planner_row *planner_row_find(const struct planner_row *rows, size_t n,
                                           const char *name)
{
    size_t i = 0;
    while (i < n - 1 && strcmp(rows[i].name, name) != 0)
        i++;
    assert_string_equal(rows[i].name, name);
    return &rows[i];
}

void planner_row_plan(const struct planner_row *row, struct planner_result *ret)
{
    assert_row(row->name, plan_failing(row, -1, ret));
}


char *planner_changes_text(const struct planner_result *r)
{
    struct buffer b = {0};
    for (size_t i = 0; i < r->operations.n_items; i++) {
        const struct operation *o = r->operations.items[i];
        buffer_format(&b, "%s%s%s%s", i ? "; " : "", operation_kind_name(o->kind),
                      o->revokes ? "(revokes)" : "", o->dormant ? "(dormant)" : "");
        buffer_add_text(&b, o->remakes ? "(remakes)" : "");
        for (size_t k = 0; k < o->n_changes; k++)
            buffer_format(&b, " %s %s>%s", o->changes[k].field,
                          o->changes[k].from ? o->changes[k].from : "-",
                          o->changes[k].to ? o->changes[k].to : "-");
    }
    return buffer_take(&b);
}

void planner_rows_check(const struct planner_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct planner_result r = {0};
        char text[256];
        planner_row_plan(&rows[i], &r);
        if (strcmp(describe(&r, text, sizeof text), rows[i].expect) != 0)
            fail_msg("row \"%s\": %s, not %s", rows[i].name, text, rows[i].expect);
        for (size_t j = 0; j < r.operations.n_items; j++) { /* whoever waits can be told why */
            const struct operation *o = r.operations.items[j];
            assert_row(rows[i].name, o->why);
            assert_row(rows[i].name,
                       o->state == OPERATION_READY || (o->reason && o->cause && o->sentence));
        }
        planner_result_done(&r);
        assert_row(rows[i].name, !r.operations.items && !r.operations.n_items && !r.wanted);
    }
}

void planner_rows_check_memory(const struct planner_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct planner_result r = {0};
        long at = 0;
        while (!plan_failing(&rows[i], at, &r)) {
            assert_row(rows[i].name, r.operations.n_items == 0 && !r.wanted);
            at++;
        }
        assert_row(rows[i].name, at > 0 || r.operations.n_items == 0);
        planner_result_done(&r);
    }
}
