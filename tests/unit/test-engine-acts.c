/*
 * What a person asks for is done as a whole or not at all: each of its writes fails once, and then
 * the state file holds what it held before. The oracle is the file, read by another connection.
 */
#include "config.h"

#include <errno.h>

#include "audit/audit.h"
#include "base/buffer.h"
#include "engine-test.h"

static size_t n_writes, fails_at; /* counted while fails_at is not 0 */

static void fails_now(sqlite3_context *context, int n, sqlite3_value **values)
{
    (void)n;
    (void)values;
    sqlite3_result_int(context, fails_at && ++n_writes == fails_at);
}

static void each_table(sqlite3 *db, void (*fn)(sqlite3 *db, const char *table, void *userdata),
                       void *userdata)
{
    sqlite3_stmt *q = NULL;
    struct string_list names = {0};
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT name FROM main.sqlite_master WHERE type = 'table' "
                                        "AND name NOT LIKE 'sqlite_%' ORDER BY 1",
                                        -1, &q, NULL),
                     SQLITE_OK);
    while (sqlite3_step(q) == SQLITE_ROW)
        assert_int_equal(string_list_add(&names, (const char *)sqlite3_column_text(q, 0)), 0);
    sqlite3_finalize(q);
    for (size_t i = 0; i < names.n_items; i++)
        fn(db, names.items[i], userdata);
    string_list_done(&names);
}

static void plant(sqlite3 *db, const char *table, void *userdata)
{
    static const char *const events[] = {"INSERT", "UPDATE", "DELETE"};
    char sql[400];
    (void)userdata;
    for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
        snprintf(sql, sizeof(sql),
                 "CREATE TEMP TRIGGER plant_%s_%s BEFORE %s ON main.%s WHEN fails_now() BEGIN "
                 "SELECT RAISE(FAIL, 'the disk'); END",
                 table, events[i], events[i], table);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    }
}

/* Temporary triggers are gone with the connection. */
static void plant_all(struct bed *b)
{
    sqlite3 *db = b->state->db;
    assert_int_equal(sqlite3_create_function(db, "fails_now", 0, SQLITE_UTF8, NULL, fails_now, NULL,
                                             NULL),
                     SQLITE_OK);
    each_table(db, plant, NULL);
}

static void dump(sqlite3 *db, const char *table, void *userdata)
{
    sqlite3_stmt *q = NULL;
    char sql[200];
    snprintf(sql, sizeof(sql), "SELECT * FROM %s%s", table,
             strcmp(table, "meta") == 0 ? " WHERE name NOT LIKE 'steady%' ORDER BY name" : "");
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
    buffer_format(userdata, "%s\n", table);
    while (sqlite3_step(q) == SQLITE_ROW)
        for (int i = 0; i < sqlite3_column_count(q); i++) {
            const char *text = (const char *)sqlite3_column_text(q, i);
            buffer_format(userdata, "%s%s", text ? text : "-",
                          i + 1 < sqlite3_column_count(q) ? "|" : "\n");
        }
    sqlite3_finalize(q);
}

/* What is in the file by now. */
static char *content(const struct bed *b)
{
    sqlite3 *db = NULL;
    struct buffer text = {0};
    assert_int_equal(sqlite3_open_v2(b->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    each_table(db, dump, &text);
    sqlite3_close(db);
    return buffer_take(&text);
}

static int approve(struct bed *b, struct error *e)
{
    char hash[65];
    size_t n = 0;
    bed_plan_hash(b, hash, &n);
    return bed_approve_hash(b, hash, &n, e);
}

static int pause_writing(struct bed *b, struct error *e)
{
    return engine_pause(b->engine, !engine_is_paused(b->engine), 1000, e);
}

static void on_retried(struct engine_retry *retry, void *userdata)
{
    (void)retry;
    *(bool *)userdata = true;
}

/* By turns; one whose write fails ends it. */
static int retry(struct bed *b, struct error *e)
{
    bool over = false;
    struct engine_retry retry = {.done = on_retried, .userdata = &over};
    engine_retry(b->engine, &retry);
    while (!over && !books_have_failed(b->engine->books))
        assert_true(sd_event_run(b->event, 0) > 0);
    if (over)
        return 0;
    engine_retry_cancel(b->engine, &retry);
    return error_set(e, -EIO, "%s", books_error(b->engine->books));
}

static int retry_one(struct bed *b, struct error *e)
{
    size_t n = 0;
    return engine_retry_person(b->engine, "id-v8", &n, e);
}

static int look_again(struct bed *b, struct error *e)
{
    return engine_look_again(b->engine, NULL, e);
}

static int distrust(struct bed *b, struct error *e)
{
    return engine_distrust_state(b->engine, e);
}

static int remember(struct bed *b, struct error *e)
{
    struct audit_row row = {.event = "request", .code = "erase"};
    return engine_remember(b->engine, "a-test", "value", &row, e);
}

static int load(struct bed *b, struct error *e)
{
    static const struct audit_actor actor = {.name = "alice", .known = true};
    struct engine_act act = {.actor = &actor};
    struct engine_options now = b->options;
    now.fingerprint = now.decisions = "another";
    now.configuration = now.configuration_facts = "{}";
    engine_act(b->engine, &act);
    int r = engine_reload(b->engine, &now, e);
    engine_act(b->engine, NULL);
    if (r == 0)
        b->options = now;
    return r;
}

/* Other rules as well. */
static int load_rules(struct bed *b, struct error *e)
{
    b->rules[0].roles.text = (char *)"Agent, Other";
    return load(b, e);
}

static const struct act {
    const char *name;
    int (*fn)(struct bed *b, struct error *e);
} acts[] = {
    {"approve", approve},       {"pause", pause_writing}, {"retry", retry},
    {"retry of one", retry_one}, {"sync", look_again},     {"distrust", distrust},
    {"remember", remember},     {"reload", load},         {"reload of rules", load_rules},
};

/* Seven who left wait for approval, in parts of two; one is held. */
static struct bed *begin(void)
{
    struct bed *b = bed_new(false);
    struct error e = {0};
    b->sync.budgets[BUDGET_DISABLE] = (struct budget){0};
    b->options.slice = 2;
    b->options.fingerprint = b->options.decisions = "one";
    people(b, 20, "support");
    bed_start(b);
    bed_sync(b);
    char id[16];
    for (size_t i = 0; i < 7; i++) {
        snprintf(id, sizeof(id), "id-u%zu", i);
        bed_leave(b, id);
    }
    bed_person(b, "id-v8", "uid=v8,ou=people,dc=example,dc=com", "uid", "u8", "givenName", "First",
               "sn", "Last", "mail", "v8@example.com", NULL); /* the login of another */
    bed_group(b, "sales", "v8", NULL);
    bed_ok(b, engine_pause(b->engine, true, 1000, &e));
    bed_sync(b);
    bed_ok(b, books_commit(b->engine->books, &e));
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 7);
    assert_in_range(bed_queue(b, OPERATION_HELD, NULL), 1, 2);
    return b;
}

/* true: it failed. */
static bool fail_at(const struct act *act, size_t at)
{
    struct bed *b = begin();
    struct error e = {0};
    CLEANUP(freep) char *before = content(b);
    plant_all(b);
    n_writes = 0;
    fails_at = at;
    int r = act->fn(b, &e);
    fails_at = 0;
    bed_run(b); /* nothing of it may be committed with what comes next */
    if (r < 0) {
        CLEANUP(freep) char *after = content(b);
        if (strcmp(before, after) != 0)
            fail_msg("%s, write %zu: half of it stays\n%s\n%s", act->name, at, before, after);
        assert_true(books_have_failed(b->engine->books)); /* all is begun anew from the file */
        bed_crash(b);
        bed_run(b);
        e = (struct error){0};
        bed_ok(b, act->fn(b, &e));
        bed_run(b);
    }
    bed_free(b);
    return r < 0;
}

static void test_half_an_act(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(acts); i++) {
        size_t at = 1;
        while (fail_at(&acts[i], at))
            at++;
        if (at < 2 || at > 60) /* some of its writes failed */
            fail_msg("%s: %zu writes", acts[i].name, at - 1);
    }
}

static int refuse_commit(void *userdata)
{
    (void)userdata;
    return 1;
}

/* Whoever is told that writing is paused may rely on it, whatever becomes of the disk. */
static void test_pause_is_durable(void **state)
{
    struct error e = {0};
    (void)state;
    struct bed *b = bed_new(true);
    bed_start(b);
    bed_sync(b);
    sqlite3_commit_hook(b->state->db, refuse_commit, NULL);
    assert_true(engine_pause(b->engine, true, 1000, &e) < 0);
    sqlite3_commit_hook(b->state->db, NULL, NULL);
    bed_crash(b);
    assert_false(engine_is_paused(b->engine));
    bed_ok(b, engine_pause(b->engine, true, 1000, &e));
    bed_crash(b);
    assert_true(engine_is_paused(b->engine));
    bed_free(b);
}

static int begin_writing(struct bed *b, struct error *e)
{
    bool was = false;
    int r = engine_begin_writing(b->engine, &was, e);
    assert_true(r < 0 || was);
    return r;
}

/* Whoever is told that it was done is told so after it is in the file. */
static void test_done_is_kept(void **state)
{
    static const struct act told[] = {{"pause", pause_writing},
                                      {"reload", load},
                                      {"reload of rules", load_rules},
                                      {"remember", remember},
                                      {"start", begin_writing}};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(told); i++) {
        struct bed *b = begin();
        struct error e = {0};
        bool observes = told[i].fn == begin_writing;
        if (observes) {
            b->sync.mode = SYNC_OBSERVE;
            bed_restart(b);
            bed_run(b);
        }
        CLEANUP(freep) char *before = content(b);
        sqlite3_commit_hook(b->state->db, refuse_commit, NULL);
        if (told[i].fn(b, &e) == 0)
            fail_msg("%s: done, and not in the file", told[i].name);
        bed_crash(b);
        bed_run(b);
        e = (struct error){0};
        bed_ok(b, told[i].fn(b, &e));
        if (state_in_transaction(b->state))
            fail_msg("%s: some of it is not in the file", told[i].name);
        CLEANUP(freep) char *after = content(b);
        if (strcmp(before, after) == 0)
            fail_msg("%s: nothing of it is in the file", told[i].name);
        bed_crash(b);
        if (told[i].fn == pause_writing && engine_is_paused(b->engine))
            fail_msg("it is paused again");
        if (observes && engine_observes(b->engine))
            fail_msg("it observes again");
        bed_run(b);
        bed_free(b);
    }
}

static void give_skills(struct bed *b, const char *skills)
{
    struct error e = {0};
    b->rules[0].skills.text = (char *)skills;
    b->options.fingerprint = b->options.decisions = skills;
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    bed_run(b);
}

/* Of two skills whose answer was lost one was taken away there: the other one was given by us all
 * the same, and goes when no rule names it any more. */
static void test_lost_and_done_in_part(void **state)
{
    struct bed *b = *state;
    people(b, 1, "support");
    bed_start(b);
    bed_sync(b);
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_PUT,
                                                    .times = 1,
                                                    .takes_effect = true,
                                                    .class = TENANT_UNCLEAR});
    fake_tenant_fail(b->tenant,
                     (struct fake_fault){
                         .kinds = FAKE_GET, .skips = 1, .times = 1, .class = TENANT_UNCLEAR});
    give_skills(b, "English:100, Billing:50, Spanish:50");
    struct user *u = fake_tenant_find(b->tenant, "u0")->user;
    assert_non_null(user_skill(u, "Billing"));
    user_clear_skills(u);
    assert_int_equal(user_add_skill(u, "English", 100, NULL), 0);
    assert_int_equal(user_add_skill(u, "Billing", 50, NULL), 0);
    bed_advance(b, HOUR);
    assert_non_null(user_skill(u, "Spanish"));
    give_skills(b, "English:100");
    bed_advance(b, HOUR);
    assert_null(user_skill(u, "Spanish"));
    assert_null(user_skill(u, "Billing"));
}

/* Which skills the user had before it is moved stands in the file when that request leaves: the
 * answer may be lost with rosterd. */
static void test_skills_before_a_move(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    struct link l = {0};
    people(b, 1, "support");
    bed_start(b);
    bed_sync(b);
    user_clear_skills(fake_tenant_find(b->tenant, "u0")->user);
    bed_group_uids(b, "support", NULL, 0);
    people(b, 1, "sales");
    bed_read_all(b);
    fake_tenant_forget_calls(b->tenant);
    while (!fake_tenant_calls(b->tenant, FAKE_PUT))
        assert_true(sd_event_run(b->event, 0) > 0);
    bed_crash(b);
    bed_ok(b, link_load(b->state, "id-u0", &l, &e));
    assert_non_null(l.skills_before);
    link_done(&l);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_half_an_act),
        cmocka_unit_test(test_pause_is_durable),
        cmocka_unit_test(test_done_is_kept),
        scenario(test_lost_and_done_in_part),
        scenario(test_skills_before_a_move),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_EMERG);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
