/*
 * Random changes of the rules and of the directory: whoever is passed without a look must have
 * been decided as a look decides. After each change, also one that comes while the last is still
 * under way, and after an end in the middle of it, everybody is looked at, which must change
 * nothing.
 */
#include "config.h"

#include "dice.h"
#include "engine-test.h"
#include "model/dn.h"
#include "state/round.h"

#define N_PEOPLE  400
#define MOST_RULES BED_MAX_RULES

static const char *const pool_groups[] = {NULL, NULL, "cn=support,ou=groups,dc=example,dc=com",
                                          "cn=sales,ou=groups,dc=example,dc=com",
                                          "cn=inner,ou=groups,dc=example,dc=com",
                                          "cn=never,ou=groups,dc=example,dc=com"};
static const char *const pool_filters[] = {
    NULL, "(departmentNumber=1)", "(departmentNumber>=3)", "(!(departmentNumber=2))",
    "(&(givenName=*3)(departmentNumber=2))", "(employeeType=*)", "(title=x)",
    "(&(departmentNumber=3)(!(title=x)))"};
static const char *const pool_teams[] = {NULL, "Support", "Sales"};
static const char *const pool_roles[] = {NULL, "Agent", "Agent, Seller", "Lead"};
static const char *const pool_skills[] = {NULL, "English:80", "English:20", "Welsh:40",
                                          "English:30, Latin:5"};
static const char *const pool_scopes[] = {NULL, "(departmentNumber>=1)"};
static const char *const pool_disabled[] = {NULL, "(departmentNumber=4)"};
static const char *const pool_phones[] = {NULL, "${departmentNumber}", "1${departmentNumber}"};

#define ONE_OF(pool) (pool)[below(ARRAY_SIZE(pool))]

static struct mapping_text text(unsigned line, const char *t)
{
    return (struct mapping_text){
        .text = (char *)(uintptr_t)t, .file = (char *)"r.conf", .line = line};
}

static struct mapping_rule random_rule(void)
{
    static char names[64][8];
    static unsigned n_names;
    char *name = names[n_names++ % ARRAY_SIZE(names)];
    snprintf(name, sizeof(names[0]), "r%u", n_names);
    size_t n_groups = ARRAY_SIZE(pool_groups) - !chance(15); /* less often one that is none */
    return (struct mapping_rule){
        .name = name,
        .file = (char *)"r.conf",
        .line = 1,
        .group = text(1, pool_groups[below((unsigned)n_groups)]),
        .when = text(1, ONE_OF(pool_filters)),
        .team = text(1, ONE_OF(pool_teams)),
        .roles = text(1, ONE_OF(pool_roles)),
        .skills = text(1, ONE_OF(pool_skills)),
    };
}

/* What concerns everybody. */
static void change_frame(struct bed *b)
{
    switch (below(3)) {
    case 0: b->mapping.scope_when = text(1, ONE_OF(pool_scopes)); break;
    case 1: b->mapping.disabled_when = text(1, ONE_OF(pool_disabled)); break;
    default: b->mapping.fields[USER_WORK_PHONE] = text(1, ONE_OF(pool_phones)); break;
    }
}

static void change_rules(struct bed *b)
{
    size_t n = b->mapping.n_rules, at = below((unsigned)n), other = below((unsigned)n);
    unsigned what = below(100);
    struct mapping_rule swap = b->rules[at];
    if (what < 30 && n < MOST_RULES) {
        memmove(&b->rules[at + 1], &b->rules[at], (n - at) * sizeof(*b->rules));
        b->rules[at] = random_rule();
        b->mapping.n_rules++;
    } else if (what < 50 && n > 2 && at) { /* the first one stays: there must be a team */
        memmove(&b->rules[at], &b->rules[at + 1], (n - at - 1) * sizeof(*b->rules));
        b->mapping.n_rules--;
    } else if (what < 70) {
        b->rules[at] = random_rule();
    } else if (what < 80) {
        b->rules[at] = b->rules[other];
        b->rules[other] = swap;
    } else if (what < 85) {
        b->rules[at].skills = text(1, ONE_OF(pool_skills));
    } else if (what < 89) {
        b->rules[at].roles = text(1, ONE_OF(pool_roles));
    } else if (what < 94) {
        b->rules[at].when = text(1, ONE_OF(pool_filters));
    } else if (what < 99) {
        change_frame(b);
    } /* else: the same again */
    if (!b->rules[0].team.text)
        b->rules[0].team = text(1, "Support");
}

static void put_person(struct bed *b, unsigned i)
{
    static const char too_large[ENTRY_VALUE_MAX + 1] = {0};
    char uid[16], id[24], dn[80], given[16], department[8];
    snprintf(uid, sizeof(uid), "u%u", i);
    snprintf(id, sizeof(id), "id-u%u", i);
    snprintf(dn, sizeof(dn), "uid=u%u,ou=people,dc=example,dc=com", i);
    snprintf(given, sizeof(given), "G%u", below(1000));
    snprintf(department, sizeof(department), "%u", below(6));
    bed_person(b, id, dn, "uid", uid, "givenName", given, "sn", uid, "mail", uid,
               "departmentNumber", department, chance(10) ? "employeeType" : "description", "Temp",
               NULL);
    struct entry *e = bed_find(b, id);
    if (chance(10)) /* no filter on it is true or false */
        assert_int_equal(entry_add_value(e, "title", too_large, sizeof(too_large)), 0);
    entry_sort(e);
    assert_non_null(e->login_key = strdup(uid));
    assert_non_null(e->primary_key = strdup(chance(10) ? "600" : "513"));
}

static void put_group(struct bed *b, const char *name, unsigned percent)
{
    static char names[N_PEOPLE][16];
    const char *uids[N_PEOPLE];
    size_t n = 0;
    for (unsigned i = 0; i < N_PEOPLE; i++)
        if (chance(percent)) {
            snprintf(names[n], sizeof(names)[n], "u%u", i);
            uids[n] = names[n];
            n++;
        }
    bed_group_uids(b, name, uids, n);
}

static void put_group_into(struct bed *b, const char *member, const char *group)
{
    CLEANUP(freep) char *key = NULL;
    char id[32], dn[64];
    snprintf(id, sizeof(id), "group-%s", group);
    snprintf(dn, sizeof(dn), "cn=%s,ou=groups,dc=example,dc=com", member);
    struct entry *e = bed_find(b, id);
    if (!e)
        return;
    assert_int_equal(dn_key(NULL, dn, &key, NULL), 0);
    assert_int_equal(entry_add_member(e, MEMBER_DN, key, dn), 0);
    entry_sort(e);
}

static void put_company(struct bed *b)
{
    for (unsigned i = 0; i < N_PEOPLE; i++)
        put_person(b, i);
    put_group(b, "support", 40);
    put_group(b, "sales", 3);
    put_group(b, "inner", 5);
    put_group_into(b, "inner", "sales");
}

/* By the login, or by the number that is somebody's primary group. */
static void put_member(struct bed *b, const char *group, enum member_kind kind, const char *key)
{
    put_group(b, group, 0);
    char id[32];
    snprintf(id, sizeof(id), "group-%s", group);
    assert_int_equal(entry_add_member(bed_find(b, id), kind, key, key), 0);
}

static void change_group(struct bed *b)
{
    static const char *const groups[] = {"support", "sales", "inner", "never"};
    const char *group = ONE_OF(groups), *other = ONE_OF(groups);
    unsigned what = below(10);
    char id[32], key[16];
    snprintf(id, sizeof(id), "group-%s", group);
    snprintf(key, sizeof(key), "u%u", below(N_PEOPLE));
    if (what < 4 && bed_find(b, id))
        bed_leave(b, id);
    else if (what < 5)
        put_member(b, group, MEMBER_LOGIN, key);
    else if (what < 6)
        put_member(b, group, MEMBER_PRIMARY, "600");
    else if (what < 8 && bed_find(b, id))
        put_group_into(b, other, group);
    else
        put_group(b, group, below(20));
    bed_tell(b, id);
}

static void change_person(struct bed *b)
{
    unsigned who = below(N_PEOPLE);
    char id[24];
    snprintf(id, sizeof(id), "id-u%u", who);
    if (chance(30) && bed_find(b, id))
        bed_leave(b, id);
    else
        put_person(b, who);
    bed_tell(b, id);
}

/* During a stop: the read afterwards shows it. */
static void change_unseen(struct bed *b)
{
    char id[32];
    snprintf(id, sizeof(id), "group-%s", chance(50) ? "never" : "inner");
    if (bed_find(b, id))
        bed_leave(b, id);
    else
        put_group(b, id + 6, 10);
}

static void change_directory(struct bed *b)
{
    if (chance(60))
        change_group(b);
    else
        change_person(b);
}

/* What was there before rosterd came, and no rule named: it is known, and stays unless one does. */
static void put_users_of_before(struct bed *b)
{
    for (unsigned i = 0; i < N_PEOPLE; i += 7) {
        char login[16];
        snprintf(login, sizeof(login), "u%u", i);
        struct fake_user *u = fake_tenant_add(b->tenant, login, "G", login, login, "Support");
        assert_int_equal(user_add_role(u->user, "Lead", NULL), 0);
        assert_int_equal(user_add_skill(u->user, "Welsh", 1 + i % 50, NULL), 0);
    }
}

/* Made there by hand meanwhile: should rules want them, an approval is waited for. */
static void put_users_by_hand(struct bed *b)
{
    for (unsigned i = 0; i < N_PEOPLE; i += 2) {
        char login[16], id[24];
        snprintf(login, sizeof(login), "u%u", i);
        snprintf(id, sizeof(id), "id-%s", login);
        if (fake_tenant_find(b->tenant, login))
            continue;
        const char *given = entry_text(bed_find(b, id), "givenName");
        struct fake_user *u = fake_tenant_add(b->tenant, login, given, login, "x@y", "Support");
        assert_int_equal(user_add_role(u->user, "Lead", NULL), 0);
        assert_int_equal(user_add_skill(u->user, "Welsh", 7, NULL), 0);
    }
}

/* All that was decided; texts that name a rule or a place are left out. */
static char *decided(struct bed *b)
{
    static const char sql[] =
        "SELECT group_concat(x, char(10)) FROM (SELECT entry_id || '|' || verdict || '|' || "
        "coalesce(wanted, '') || '|' || coalesce(code, '') || '|' || coalesce(login_key, '') || '|' "
        "|| bucket || coalesce(bucket_code, '') || '|' || recheck_usec || '|' || coalesce((SELECT "
        "group_concat(kind || ':' || state || ':' || coalesce(reason, '')) FROM operations o WHERE "
        "o.entry_id = p.entry_id), '') AS x FROM people p ORDER BY entry_id)";
    sqlite3_stmt *q = NULL;
    assert_int_equal(sqlite3_prepare_v2(b->state->db, sql, -1, &q, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    char *text = strdup((const char *)sqlite3_column_text(q, 0));
    sqlite3_finalize(q);
    assert_non_null(text);
    return text;
}

static int64_t number(struct bed *b, const char *sql)
{
    sqlite3_stmt *q = NULL;
    assert_int_equal(sqlite3_prepare_v2(b->state->db, sql, -1, &q, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    return n;
}

static void fail_at_difference(unsigned seed, unsigned step, const char *before, const char *after)
{
    const char *a = before, *c = after;
    while (*a && *a == *c)
        a++, c++;
    while (a > before && a[-1] != '\n')
        a--, c--;
    fail_msg("seed %u, step %u: it was decided\n  %.*s\nand a look decides\n  %.*s", seed, step,
             (int)strcspn(a, "\n"), a, (int)strcspn(c, "\n"), c);
}

static void look_at_everybody(struct bed *b, unsigned seed, unsigned step)
{
    struct error e = {0};
    CLEANUP(freep) char *before = decided(b);
    size_t n_writes = fake_tenant_effects(b->tenant, FAKE_WRITES);
    bed_ok(b, engine_look_again(b->engine, NULL, &e));
    bed_run(b);
    CLEANUP(freep) char *after = decided(b);
    if (strcmp(before, after) != 0)
        fail_at_difference(seed, step, before, after);
    if (fake_tenant_effects(b->tenant, FAKE_WRITES) != n_writes)
        fail_msg("seed %u, step %u: a look changes users", seed, step);
}

static void events(struct bed *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        assert_true(sd_event_run(b->event, 0) >= 0);
}

struct tally {
    size_t n_narrow, n_ended, n_met;
};

static void step(struct bed *b, struct tally *seen)
{
    struct error e = {0};
    if (chance(30))
        change_directory(b); /* not looked at before the rules change, too */
    do
        change_rules(b);
    while (chance(50));
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    seen->n_narrow += round_is_narrow(b->state);
    unsigned what = below(4);
    if (what == 0)
        return;
    events(b, below(12));
    change_person(b); /* ahead of the others */
    if (chance(30))
        change_directory(b);
    events(b, below(4));
    if (what == 2) {
        seen->n_ended += round_is_on(b->state);
        bed_crash(b);
        if (chance(30))
            change_unseen(b);
        bed_read_all(b);
    } else if (what == 3) {
        seen->n_met += round_is_on(b->state);
        change_rules(b);
        bed_ok(b, engine_reload(b->engine, &b->options, &e));
    }
}

static void play(unsigned seed, struct tally *seen)
{
    struct bed *b = bed_new(false);
    dice = seed;
    b->sync.budgets[BUDGET_DISABLE] = b->sync.budgets[BUDGET_DELETE] =
        (struct budget){.unlimited = true};
    put_company(b);
    put_users_of_before(b);
    bed_start(b);
    bed_sync(b);
    (void)bed_approve(b);
    bed_run(b);
    put_users_by_hand(b);
    for (unsigned i = 0; i < 25; i++) {
        step(b, seen);
        bed_run(b);
        bed_advance(b, MINUTE);
        look_at_everybody(b, seed, i);
    }
    bed_check_ledgers(b);
    bed_free(b);
}

static void test_rules_change_at_random(void **state)
{
    struct tally seen = {0};
    (void)state;
    for (unsigned seed = 1; seed <= 7; seed++)
        play(seed, &seen);
    /* All of it happened. */
    assert_true(seen.n_narrow > 50 && seen.n_ended > 5 && seen.n_met > 5);
}

/* Five of seven hundred are in the rule's group: nobody else is looked at. */
static void test_few_are_looked_at(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    people(b, 700, "support");
    bed_group(b, "sales", "u3", "u77", "u300", "u301", "u699", NULL);
    b->mapping.n_rules = 1;
    bed_start(b);
    bed_sync(b);
    fake_tenant_forget_calls(b->tenant);
    b->rules[2] = b->rules[1];
    b->rules[1] = b->rules[0];
    b->rules[0] = b->rules[2];
    b->rules[0].skills.text = b->rules[0].roles.text = NULL;
    b->mapping.n_rules = 2;
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    assert_true(round_is_narrow(b->state));
    bed_run(b);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_WRITES), 5);
    assert_string_equal(user_get(fake_tenant_find(b->tenant, "u77")->user, USER_TEAM), "Sales");
    assert_int_equal(number(b, "SELECT count(*) FROM person WHERE run = (SELECT max(run) FROM person)"),
                     5);
    look_at_everybody(b, 0, 0);
    assert_int_equal(number(b, "SELECT count(*) FROM person WHERE run = (SELECT max(run) FROM person)"),
                     700);
}

static void add_rule(struct bed *b, struct mapping_rule rule)
{
    struct error e = {0};
    b->rules[b->mapping.n_rules++] = rule;
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
}

/* Who waits for an approval has no link yet: a role that a rule names now would be taken there. */
static void test_adoption_that_waits(void **state)
{
    static const char takes_it[] =
        "SELECT count(*) FROM operation WHERE reason = 'adoption' AND "
        "changes LIKE '%\"role:Lead\"%'";
    struct bed *b = *state;
    people(b, 3, "support");
    bed_start(b);
    bed_sync(b);
    struct fake_user *u =
        fake_tenant_add(b->tenant, "u3", "First u3", "u3", "x@y", "Support");
    assert_int_equal(user_add_role(u->user, "Lead", NULL), 0);
    people(b, 4, "support");
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_ADOPTION), 1);
    assert_int_equal(number(b, takes_it), 0);
    add_rule(b, (struct mapping_rule){.name = (char *)"Leads", .file = (char *)"r.conf",
                                      .when = text(1, "(uid=nobody)"), .roles = text(1, "Lead")});
    assert_true(round_is_narrow(b->state));
    bed_run(b);
    assert_int_equal(number(b, takes_it), 1);
    look_at_everybody(b, 0, 0);
}

/* The group of a rule was never there: by another filter it concerns others who lose something. */
static void test_rule_of_no_group(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    b->sync.leave_grace_usec = DAY;
    people(b, 4, "support");
    bed_start(b);
    bed_sync(b);
    add_rule(b, (struct mapping_rule){.name = (char *)"Later", .file = (char *)"r.conf",
                                      .group = text(1, "cn=never,ou=groups,dc=example,dc=com"),
                                      .when = text(1, "(uid=nobody)"), .team = text(1, "Sales")});
    bed_run(b);
    bed_group(b, "support", "u1", "u2", "u3", NULL);
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_READY, NULL), 1);
    b->rules[b->mapping.n_rules - 1].when = text(1, "(uid=u0)");
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    bed_run(b);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_GROUP_MISSING), 1);
    bed_advance(b, 2 * DAY);
    assert_false(is_disabled(b, "u0"));
}

static void must_run(struct bed *b, const char *sql)
{
    assert_int_equal(sqlite3_exec(b->state->db, sql, NULL, NULL, NULL), SQLITE_OK);
}

/* The state cannot be written to in the middle of a reload: all is begun anew from the file, in
 * which nothing is of the rules that are gone with it. */
static void test_a_reload_fails(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    people(b, 30, "support");
    bed_start(b);
    bed_sync(b);
    must_run(b, "CREATE TEMP TRIGGER fails BEFORE INSERT ON main.meta WHEN new.name = 'mapping' "
                "BEGIN SELECT raise(ABORT, 'a disk that is full'); END");
    b->rules[2].when = text(1, "(preferredLanguage=fr*)");
    assert_true(engine_reload(b->engine, &b->options, &e) < 0);
    assert_true(books_have_failed(b->engine->books));
    assert_false(round_is_on(b->state));
    b->rules[2].when = text(1, "(preferredLanguage=es*)");
    must_run(b, "DROP TRIGGER fails");
    bed_crash(b);
    bed_run(b);
    bed_group(b, "sales", "u3", NULL);
    bed_tell(b, "group-sales"); /* so that the rules' groups are bound again */
    bed_run(b);
    look_at_everybody(b, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules_change_at_random),
        cmocka_unit_test_setup_teardown(test_few_are_looked_at, setup, teardown),
        cmocka_unit_test_setup_teardown(test_adoption_that_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rule_of_no_group, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_reload_fails, setup, teardown),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
