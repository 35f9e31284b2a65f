/*
 * What the tests of the engine share beside the bed they lie in.
 */
#pragma once
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/log.h"
#include "engine-bed.h"
#include "state/db.h"
#include "state/link.h"
#include "state/person.h"
#include "state/queue.h"
#include "sync/engine-internal.h"
#include "unit.h"

static inline int setup(void **state)
{
    *state = bed_new(false);
    return 0;
}

static inline int teardown(void **state)
{
    struct bed *b = *state;
    bed_check_ledgers(b);
    bed_free(b);
    return 0;
}

/* u0 to u(n-1), all in this group. */
static inline void people(struct bed *b, size_t n, const char *group)
{
    char names[1000][24];
    const char *uids[1000];
    assert_true(n <= 1000);
    for (size_t i = 0; i < n; i++) {
        snprintf(names[i], sizeof names[i], "u%zu", i);
        uids[i] = names[i];
        bed_person_uid(b, uids[i]);
    }
    bed_group_uids(b, group, uids, n);
}

static inline void is_idle(struct bed *b)
{
    assert_true(engine_is_idle(b->engine));
    assert_false(state_in_transaction(b->state));
    bed_run(b);
    assert_int_equal(b->n_events, 0);
}

static inline bool is_disabled(struct bed *b, const char *login)
{
    const struct fake_user *u = fake_tenant_find(b->tenant, login);
    assert_non_null(u);
    return u->user->disabled;
}

static inline size_t n_disabled(const struct bed *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->tenant->n_users; i++)
        n += b->tenant->users[i].user->disabled;
    return n;
}

static inline void revoke_uid(struct bed *b, const char *uid, bool usable)
{
    char id[80], dn[160];
    snprintf(id, sizeof id, "id-%s", uid);
    snprintf(dn, sizeof dn, "uid=%s,ou=people,dc=example,dc=com", uid);
    if (usable)
        bed_person(b, id, dn, "uid", uid, "givenName", "First", "sn", uid, "mail",
                   "x@example.com", "employeeType", "Revoked", NULL);
    else
        bed_person(b, id, dn, "cn", uid, "employeeType", "Revoked", NULL);
    bed_tell(b, id);
}

static inline void may_revoke(struct bed *b)
{
    b->mapping.revoke_when = (struct mapping_text){
        .text = (char *)"(employeeType=Revoked)", .file = (char *)"test.conf", .line = 50};
    b->sync.budgets[BUDGET_REVOKE] = (struct budget){.percent = 5, .floor = 20};
}

/* What was written to the tenant, in order: "u0 u1 ". */
static inline void note_write(enum fake_kind kind, const struct fake_user *after,
                              const char *login, void *userdata)
{
    char *text = userdata;
    (void)kind;
    (void)after;
    snprintf(text + strlen(text), 4000 - strlen(text), "%s ", login);
}

static inline size_t lines_of(const char *path, const char *word)
{
    char line[2048];
    size_t n = 0;
    FILE *f = fopen(path, "r");
    if (!f)
        return 0;
    while (fgets(line, sizeof line, f))
        if (strstr(line, word))
            n++;
    fclose(f);
    return n;
}

static inline bool no_commands(void *userdata)
{
    const struct bed *b = userdata;
    return !command_any(b->engine->commands);
}

/* What the state says of everybody, but for the run that looked last. */
static inline char *everybody(struct bed *b)
{
    CLEANUP(buffer_done) struct buffer text = {0};
    static const char *const rows[] = {
        "SELECT entry_id || '|' || dn || '|' || verdict || '|' || bucket || '|' || recheck_usec "
        "|| '|' || coalesce(login_key, '') || '|' || coalesce(wanted, '') FROM people ORDER BY 1",
        "SELECT entry_id || '|' || status || '|' || leaving_usec || '|' || coalesce(known, '') "
        "|| '|' || coalesce(granted, '') FROM links ORDER BY 1",
        "SELECT entry_id || '|' || kind || '|' || state || '|' || changes FROM operations ORDER BY 1",
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        sqlite3_stmt *q = NULL;
        assert_int_equal(sqlite3_prepare_v2(b->state->db, rows[i], -1, &q, NULL), SQLITE_OK);
        while (sqlite3_step(q) == SQLITE_ROW)
            buffer_format(&text, "%s\n", (const char *)sqlite3_column_text(q, 0));
        sqlite3_finalize(q);
    }
    return buffer_take(&text);
}

#define scenario(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
