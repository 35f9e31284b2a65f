/*
 * Writes audit files as rosterd does, of a time that never was, up to two years. Usage:
 *     audit-lines FOLDER [LINES [FILES]]
 * leaves FOLDER/audit.jsonl and as many closed files beside it: people who join, get and lose a
 * role, move, are approved, wait, leave. The same numbers give the same people.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "model/operation.h"
#include "state/state.h"

#define TEAMS 7
#define BATCH 500
#define YEAR  (365ULL * 24 * 3600 * USEC_PER_SEC)
#define BEGIN 1735689600000000ULL /* 2025 */

struct world {
    struct state *s;
    struct audit_export *x;
    struct error e;
    uint64_t now_usec, step_usec, random;
    size_t n_lines, n_wanted, n_people;
    int64_t number;
};

static void check(struct world *w, int r, const char *what)
{
    if (r >= 0)
        return;
    (void)fprintf(stderr, "%s: %s\n", what, w->e.message);
    exit(1);
}

static unsigned chance(struct world *w, unsigned n)
{
    w->random = w->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(w->random >> 33) % n;
}

static void record(struct world *w, const struct audit_row *row)
{
    w->now_usec += w->step_usec;
    clock_freeze(w->now_usec, w->now_usec);
    check(w, audit_record(w->s, row, &w->e), "record");
    w->n_lines++;
}

static void add(struct world *w, struct operation *o, const char *field, const char *from,
                const char *to, const char *rule, unsigned line)
{
    struct source source = {.rule = (char *)(uintptr_t)rule, .file = (char *)(uintptr_t)"/etc/rosterd/rosterd.conf", .line = line};

    if (operation_add_change(o, field, from, to, &source) < 0)
        check(w, -1, "out of memory");
}

static struct operation *about(struct world *w, enum operation_kind kind, size_t person)
{
    char id[40], dn[80], login[20];
    struct operation *o;

    snprintf(id, sizeof(id), "%08zx-7fd6-1041-9b6c-e13092d77b11", person);
    snprintf(dn, sizeof(dn), "uid=p%06zu,ou=people,dc=example,dc=com", person);
    snprintf(login, sizeof(login), "p%06zu", person);
    o = operation_new(kind, id, dn, login);
    if (!o)
        check(w, -1, "out of memory");
    o->number = ++w->number;
    o->run = w->number / 50 + 1;
    return o;
}

static void approve(struct world *w, struct operation *o)
{
    struct audit_actor actor = {.uid = 1001, .name = "anton"};

    record(w, &(struct audit_row){.event = "park", .operation = o, .code = REASON_BUDGET,
                                  .sentence = "more than the budget allows"});
    record(w, &(struct audit_row){.event = "approve", .operation = o, .actor = &actor,
                                  .plan = "9d3a77e0c1b2a3948576", .reason = "CHG-1234",
                                  .sentence = "approved by anton"});
}

static void carry_out(struct world *w, struct operation *o, bool revokes)
{
    bool fails = chance(w, 50) == 0;

    record(w, &(struct audit_row){.event = "intent",
                                  .operation = o,
                                  .attempts = 1,
                                  .code = revokes ? REASON_REVOKED : NULL,
                                  .fingerprint = "5f2b9c0e77aa",
                                  .lag_usec =
                                      (1 + chance(w, revokes ? 40 : 4000)) * USEC_PER_MSEC});
    /* With the configuration of its intent, or it would say again all that the intent said. */
    record(w, &(struct audit_row){.event = "outcome", .operation = o,
                                  .fingerprint = "5f2b9c0e77aa",
                                  .code = fails ? REASON_TENANT_AWAY : "done",
                                  .status = fails ? 503 : 200, .answer = fails ? "away" : "done",
                                  .attempts = 1, .duration_usec = 20000 + chance(w, 90000),
                                  .sentence = fails ? "The tenant is away; it is tried again" : NULL});
    operation_free(o);
}

static void join(struct world *w)
{
    size_t person = w->n_people++;
    struct operation *o = about(w, OPERATION_CREATE, person);
    char text[64];

    add(w, o, "login_id", NULL, o->login, "[user] login_id", 31);
    snprintf(text, sizeof(text), "First%zu", person);
    add(w, o, "first_name", NULL, text, "[user] first_name", 32);
    add(w, o, "last_name", NULL, "Tester", "[user] last_name", 33);
    snprintf(text, sizeof(text), "p%06zu@example.com", person);
    add(w, o, "email", NULL, text, "[user] email", 34);
    snprintf(text, sizeof(text), "Team %zu", person % TEAMS);
    add(w, o, "team", NULL, text, "Agents", 49);
    add(w, o, "role:Agent", NULL, "Agent", "Agents", 50);
    if (person % 20 == 0)
        add(w, o, "role:Supervisor", NULL, "Supervisor", "Leads", 46);
    add(w, o, "skill:English", NULL, "80", "Agents", 51);
    o->why = strdup("rule \"Agents\" (rosterd.conf:49) gives a team");
    carry_out(w, o, false);
}

static void change(struct world *w, size_t person)
{
    struct operation *o;
    bool given = chance(w, 2) != 0;
    unsigned what = chance(w, 10);
    char from[24], to[24];

    if (what < 6) {
        snprintf(from, sizeof(from), "Team %u", chance(w, TEAMS));
        snprintf(to, sizeof(to), "Team %u", chance(w, TEAMS));
        o = about(w, OPERATION_UPDATE, person);
        add(w, o, "team", from, to, "Agents", 49);
        add(w, o, "skill:English", "80", given ? "90" : NULL, "Agents", 51);
    } else {
        o = about(w, OPERATION_PROFILE, person);
        add(w, o, "role:Supervisor", given ? NULL : "Supervisor", given ? "Supervisor" : NULL,
            "Leads", 46);
        if (given)
            approve(w, o);
    }
    carry_out(w, o, false);
}

static void wait_for_team(struct world *w, size_t person)
{
    struct operation *o = about(w, OPERATION_UPDATE, person);

    add(w, o, "team", "Team 1", "Sales", "Agents", 49);
    record(w, &(struct audit_row){.event = "hold", .operation = o, .code = REASON_TEAM_MISSING,
                                  .sentence = "the tenant has no team Sales: create it there, or "
                                              "correct the rule that gives it"});
    operation_free(o);
}

static void skip(struct world *w, size_t person)
{
    char dn[80];

    snprintf(dn, sizeof(dn), "cn=Conference room %zu,ou=rooms,dc=example,dc=com", person);
    record(w, &(struct audit_row){.event = "skip", .entry_id = dn + 3, .dn = dn, .code = "no-team",
                                  .sentence = "no rule gives a team"});
}

static void live(struct world *w)
{
    size_t person = w->n_people ? chance(w, (unsigned)w->n_people) : 0;
    unsigned what = w->n_people ? chance(w, 100) : 0;

    if (what < 45)
        join(w);
    else if (what < 75)
        change(w, person);
    else if (what < 90)
        carry_out(w, about(w, OPERATION_DISABLE, person), what < 78);
    else if (what < 93)
        carry_out(w, about(w, OPERATION_ENABLE, person), false);
    else if (what < 96)
        skip(w, person);
    else if (what < 99)
        wait_for_team(w, person);
    else
        record(w, &(struct audit_row){.event = "drift", .entry_id = "0000002a-7fd6", .login = "p000042",
                                      .code = "report", .sentence = "team: Team 1 -> Team 9"});
}

static void configure(struct world *w)
{
    record(w, &(struct audit_row){
                  .event = "start",
                  .sentence = "rosterd begins",
                  .fingerprint = "5f2b9c0e77aa",
                  .details = "{\"facts\":\"guard\\nprivileged_roles\\nSupervisor, Administrator\\n\","
                             "\"state\":\"c0ffee\",\"file\":\"/etc/rosterd/rosterd.conf\",\"changed\":"
                             "[{\"key\":\"[guard] max_disable\",\"from\":\"5%\",\"to\":\"3\"}]}"});
}

static void live_a_file(struct world *w, size_t upto)
{
    while (w->n_lines < upto) {
        check(w, state_begin(w->s, &w->e), "begin");
        if (w->n_lines == 0)
            configure(w);
        for (size_t i = 0; i < BATCH && w->n_lines < upto; i++)
            live(w);
        check(w, state_commit(w->s, &w->e), "commit");
        check(w, audit_export_run(w->x, &w->e), "write");
    }
}

int main(int argc, char **argv)
{
    struct world w = {.now_usec = BEGIN, .random = 1};
    size_t n_files = argc > 3 ? strtoul(argv[3], NULL, 10) : 4;
    char state[4096], file[4096], key[4096];
    bool created, older;

    if (argc < 2) {
        (void)fprintf(stderr, "usage: audit-lines FOLDER [LINES [FILES]]\n");
        return 2;
    }
    w.n_wanted = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000000;
    w.step_usec = 2 * YEAR / (w.n_wanted ? w.n_wanted : 1);
    if (w.step_usec > 70 * USEC_PER_SEC) /* or checkpoints by the hour would be most of them */
        w.step_usec = 70 * USEC_PER_SEC;
    snprintf(state, sizeof(state), "%s/state.db", argv[1]);
    snprintf(file, sizeof(file), "%s/audit.jsonl", argv[1]);
    snprintf(key, sizeof(key), "%s/audit.key", argv[1]);
    clock_freeze(w.now_usec, w.now_usec);
    check(&w, state_open(&w.s, state, &created, &w.e), "state");
    check(&w, audit_export_open(&w.x, w.s, file, false, &older, &w.e), "open");
    check(&w, audit_export_sign(w.x, key, &w.e), "key");
    for (size_t i = 1; i <= n_files; i++) {
        live_a_file(&w, w.n_wanted * i / n_files);
        if (i < n_files)
            check(&w, audit_export_rotate(w.x, true, &w.e), "rotate");
    }
    audit_export_close(w.x);
    state_close(w.s);
    return 0;
}
