/*
 * Users for whom the tenant answers no look but by an error, while it answers for everybody
 * else: that is their own matter.
 */
#include "config.h"

#include "engine-test.h"

static void breaks(struct bed *b, const char *login)
{
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_GET,
                                                    .login = login,
                                                    .times = -1,
                                                    .class = TENANT_AWAY,
                                                    .status = 502});
}

/* Who is revoked, and in no list, is asked for: the others' operations are not withdrawn again
 * and again for that, and it is asked seldom. */
static void test_asked_for(void **state)
{
    struct bed *b = *state;
    may_revoke(b);
    people(b, 5, "support");
    bed_start(b);
    bed_sync(b);
    breaks(b, "n0");
    revoke_uid(b, "n0", true);
    const char *uids[] = {"u0", "u1", "u2", "u3", "u4", "n0", "n1"};
    bed_group_uids(b, "support", uids, 6);
    bed_sync(b);
    fake_tenant_forget_calls(b->tenant);
    bed_advance(b, HOUR);
    assert_in_range(fake_tenant_calls(b->tenant, FAKE_ALL), 11, 100);
    assert_int_equal(books_epoch(b->engine->books), 0);
    assert_int_equal(bed_queue(b, OPERATION_HELD, NULL), 1);
    bed_person_uid(b, "n1");
    bed_group_uids(b, "support", uids, 7);
    bed_sync(b);
    assert_non_null(fake_tenant_find(b->tenant, "n1"));
}

/* However many are not answered for, by whatever: a call that concerns nobody in particular is,
 * so nothing of the others is withdrawn, and each of them waits alone. Who is meant is answered
 * for one day, and done then. */
static void test_many(void **state)
{
    static const struct {
        enum tenant_answer_class class;
        int status;
    } rows[] = {{TENANT_AWAY, 502},
                {TENANT_AWAY, 0},
                {TENANT_NOT_AUTHORISED, 401},
                {TENANT_REFUSED, 403},
                {TENANT_THROTTLED, 429}};
    static const char *const logins[] = {"u0", "u1", "u2", "u3", "u4", "u5", "u6"};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct bed *b = bed_new(false);
        struct engine_status status;
        bed_start(b);
        bed_sync(b);
        for (size_t k = 0; k < ARRAY_SIZE(logins); k++)
            fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_GET | FAKE_WRITES,
                                                            .login = logins[k],
                                                            .times = -1,
                                                            .class = rows[i].class,
                                                            .status = rows[i].status});
        for (size_t n = 1; n <= 12; n++) {
            people(b, n, "support");
            bed_sync(b);
            engine_status(b->engine, &status);
            assert_int_equal(status.tenant, ENGINE_TENANT_OK);
            if (n > 7)
                assert_int_equal(b->tenant->n_users, n - 7);
        }
        bed_advance(b, 4 * HOUR);
        assert_int_equal(books_epoch(b->engine->books), 0);
        assert_int_equal(bed_queue(b, OPERATION_HELD, NULL), 7);
        assert_int_equal(bed_audit(b, "alarm", NULL, NULL), 1);
        fake_tenant_heal(b->tenant);
        bed_advance(b, HOUR);
        assert_int_equal(b->tenant->n_users, 12);
        is_idle(b);
        bed_free(b);
    }
}

static void look_at_sentence(const json_t *row, void *userdata)
{
    const char *code = json_string_value(json_object_get(row, "code"));
    const char *text = json_string_value(json_object_get(row, "sentence"));
    if (!text_equal(code, REASON_THROTTLED))
        return;
    ++*(size_t *)userdata;
    assert_non_null(strstr(text, " gave no answer"));
    assert_int_not_equal(text[strlen(text) - 1], ' ');
}

/* One after the other is asked for, and none is answered for at all: people hear of it. */
static void test_asked_for_in_silence(void **state)
{
    static const char *const uids[] = {"n0", "n1", "n2"};
    struct bed *b = *state;
    size_t n = 0;
    may_revoke(b);
    bed_start(b);
    bed_sync(b);
    bed_group_uids(b, "support", uids, ARRAY_SIZE(uids));
    fake_tenant_fail(b->tenant,
                     (struct fake_fault){.kinds = FAKE_GET, .times = -1, .class = TENANT_AWAY});
    for (size_t i = 0; i < ARRAY_SIZE(uids); i++) {
        revoke_uid(b, uids[i], true);
        bed_sync(b);
        bed_advance(b, 10 * MINUTE);
    }
    bed_advance(b, HOUR);
    bed_each_audit(b, look_at_sentence, &n);
    assert_true(n > 0);
}

/* The rest of the verification is done all the same. */
static void test_verified(void **state)
{
    struct bed *b = *state;
    b->sync.verify_interval_usec = HOUR;
    people(b, 10, "support");
    bed_start(b);
    bed_sync(b);
    breaks(b, "u3");
    assert_int_equal(
        user_set(fake_tenant_find(b->tenant, "u7")->user, USER_TEAM, "Other", NULL), 0);
    engine_take_verified(b->engine);
    bed_advance(b, 61 * MINUTE);
    assert_int_equal(bed_audit(b, "drift", NULL, "u7"), 1);
    assert_true(engine_take_verified(b->engine)); /* so that it is compared with the audit */
    is_idle(b);
}

static bool is_drift_told(struct bed *b)
{
    return db_count(b->state, "SELECT count(*) FROM alarm WHERE cause = 'drift'");
}

/* One that ends early, since the tenant is away, does not say that nobody differs any more. */
static void test_verified_in_an_outage(void **state)
{
    struct bed *b = *state;
    b->sync.verify_interval_usec = HOUR;
    people(b, 10, "support");
    bed_start(b);
    bed_sync(b);
    assert_int_equal(
        user_set(fake_tenant_find(b->tenant, "u7")->user, USER_TEAM, "Other", NULL), 0);
    bed_advance(b, 61 * MINUTE);
    assert_true(is_drift_told(b));
    fake_tenant_fail(
        b->tenant,
        (struct fake_fault){.kinds = FAKE_GET | FAKE_TEAMS, .times = -1, .class = TENANT_AWAY});
    bed_advance(b, HOUR);
    assert_true(is_drift_told(b));
    fake_tenant_heal(b->tenant);
    bed_advance(b, HOUR);
    assert_true(is_drift_told(b));
    assert_int_equal(
        user_set(fake_tenant_find(b->tenant, "u7")->user, USER_TEAM, "Support", NULL), 0);
    bed_advance(b, HOUR);
    assert_false(is_drift_told(b));
}

/* Nor does one that was not answered for the one who differs, by whatever, while it was for all
 * others. */
static void test_verified_but_for_one(void **state)
{
    static const struct {
        enum tenant_answer_class class;
        int status;
    } rows[] = {{TENANT_AWAY, 502}, {TENANT_THROTTLED, 429}, {TENANT_REFUSED, 403}};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct bed *b = bed_new(false);
        b->sync.verify_interval_usec = HOUR;
        people(b, 10, "support");
        bed_start(b);
        bed_sync(b);
        struct user *u = fake_tenant_find(b->tenant, "u7")->user;
        assert_int_equal(user_set(u, USER_TEAM, "Other", NULL), 0);
        bed_advance(b, 61 * MINUTE);
        assert_true(is_drift_told(b));
        fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_GET,
                                                        .login = "u7",
                                                        .times = -1,
                                                        .class = rows[i].class,
                                                        .status = rows[i].status});
        bed_advance(b, 2 * HOUR);
        assert_true(is_drift_told(b));
        fake_tenant_heal(b->tenant);
        assert_int_equal(user_set(u, USER_TEAM, "Support", NULL), 0);
        bed_advance(b, HOUR);
        assert_false(is_drift_told(b));
        assert_int_equal(bed_audit(b, "alarm", "drift", NULL), 1);
        bed_free(b);
    }
}

/* A user is missing, and may be the only one whom nobody claims, of whom nothing but a 429
 * comes while all others are answered for: people hear of it all the same. */
static void test_missed_beside_throttled(void **state)
{
    struct bed *b = *state;
    b->sync.verify_interval_usec = HOUR;
    people(b, 10, "support");
    bed_start(b);
    bed_sync(b);
    fake_tenant_add(b->tenant, "a", "First", "a", "x@example.com", "Support");
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_GET,
                                                    .login = "a",
                                                    .times = -1,
                                                    .class = TENANT_THROTTLED,
                                                    .status = 429});
    fake_tenant_remove(b->tenant, "u4");
    engine_take_verified(b->engine);
    bed_advance(b, 61 * MINUTE);
    assert_int_equal(bed_audit(b, "drift", NULL, "u4"), 0);
    bed_advance(b, 2 * HOUR);
    assert_int_equal(bed_audit(b, "drift", NULL, "u4"), 1);
    assert_true(engine_take_verified(b->engine));
    is_idle(b);
}

/* Nor do some keep an older state from being read anew, for no longer than one: what follows
 * from it is shown. */
static void test_read_anew(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    b->sync.budgets[BUDGET_DISABLE] = (struct budget){0};
    people(b, 10, "support");
    bed_start(b);
    bed_sync(b);
    for (unsigned i = 3; i < 10; i++) {
        char login[8];
        snprintf(login, sizeof(login), "u%u", i);
        breaks(b, login);
    }
    for (unsigned i = 1; i < 3; i++) /* two who are answered for when they are read again */
        fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_GET,
                                                        .login = i == 1 ? "u1" : "u2",
                                                        .times = 1,
                                                        .class = TENANT_AWAY,
                                                        .status = 502});
    bed_ok(b, engine_distrust_state(b->engine, &e));
    bed_advance(b, HOUR);
    assert_false(books_are_distrusted(b->engine->books));
}

static void add_broken(struct bed *b, unsigned n, const char *prefix)
{
    for (unsigned i = 0; i < n; i++) {
        char login[16];
        snprintf(login, sizeof(login), "%s%02u", prefix, i);
        fake_tenant_add(b->tenant, login, "First", login, "x@example.com", "Support");
        breaks(b, login);
    }
}

/* At the first contact the list of users has some of them, before and behind others, and it
 * goes on in the end, after as long for many as for one. */
static void test_first_contact(void **state)
{
    static const unsigned n_broken[] = {1, 2, 3, 40};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(n_broken); i++) {
        struct bed *b = bed_new(false);
        unsigned n = n_broken[i];
        fake_tenant_add(b->tenant, "fine", "F", "F", "fine@example.net", "Support");
        fake_tenant_add(b->tenant, "xylo", "F", "F", "x.y@example.net", "Support");
        add_broken(b, n - n / 2, "a");
        add_broken(b, n / 2, "x");
        people(b, 5, "support");
        bed_start(b);
        bed_sync(b);
        bed_advance(b, 4 * MINUTE);
        assert_int_equal(b->tenant->n_users, n + 2);
        bed_advance(b, HOUR);
        assert_int_equal(b->tenant->n_users, n + 7);
        assert_in_range(fake_tenant_calls(b->tenant, FAKE_GET), 10 * n, 12 * n + 20);
        assert_in_range(fake_tenant_calls(b->tenant, FAKE_TEAMS), 10, 100);
        assert_int_equal(bed_audit(b, "alarm", NULL, NULL), 0);
        is_idle(b);
        bed_free(b);
    }
}

/* One of them is throttled for ever, which says nothing of the tenant, since another one is
 * answered for meanwhile. */
static void test_first_contact_throttled(void **state)
{
    struct bed *b = *state;
    fake_tenant_add(b->tenant, "fine", "F", "F", "fine@example.net", "Support");
    add_broken(b, 3, "a");
    fake_tenant_heal(b->tenant);
    for (unsigned i = 0; i < 3; i++)
        fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_GET,
                                                        .login = i == 0   ? "a00"
                                                                 : i == 1 ? "a01"
                                                                          : "a02",
                                                        .times = -1,
                                                        .class = TENANT_THROTTLED,
                                                        .status = 429});
    people(b, 5, "support");
    bed_start(b);
    bed_sync(b);
    bed_advance(b, 2 * HOUR);
    assert_int_equal(b->tenant->n_users, 9);
    is_idle(b);
}

/* While a person has not approved the first contact, newcomers are made also beside somebody
 * who wants the login of one of them. */
static void test_first_contact_open(void **state)
{
    struct bed *b = *state;
    fake_tenant_add(b->tenant, "u0", "First", "u0", "u0@example.com", "Support");
    fake_tenant_add(b->tenant, "u3", "First", "u3", "u3@example.com", "Support");
    people(b, 2, "support");
    bed_start(b);
    bed_sync(b);
    assert_int_equal(b->tenant->n_users, 3);
    breaks(b, "u3");
    people(b, 5, "support");
    bed_sync(b);
    bed_advance(b, USEC_PER_SEC);
    assert_int_equal(b->tenant->n_users, 5);
    bed_advance(b, HOUR);
    fake_tenant_heal(b->tenant);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, NULL), 2);
    bed_approve(b);
    bed_advance(b, HOUR);
    assert_int_equal(b->tenant->n_users, 5);
    is_idle(b);
}

/* Whoever is behind many of them is looked for all the same, at once, also who is revoked while
 * those wait to be looked for again; and none of them is forgotten. */
static void test_asked_for_behind(void **state)
{
    struct bed *b = *state;
    may_revoke(b);
    bed_start(b);
    bed_sync(b);
    add_broken(b, 10, "a");
    fake_tenant_add(b->tenant, "n0", "First", "n0", "x@example.com", "Support");
    fake_tenant_add(b->tenant, "a", "First", "a", "x@example.com", "Support");
    static const char *const uids[] = {"a00", "a01", "a02", "a03", "a04", "a05",
                                       "a06", "a07", "a08", "a09", "n0",  "a"};
    bed_group_uids(b, "support", uids, ARRAY_SIZE(uids));
    for (unsigned i = 0; i < 11; i++)
        revoke_uid(b, uids[i], true);
    bed_sync(b);
    bed_advance(b, MINUTE);
    assert_true(is_disabled(b, "n0"));
    revoke_uid(b, "a", true);
    bed_sync(b);
    assert_true(is_disabled(b, "a"));
    bed_advance(b, 3 * HOUR);
    fake_tenant_heal(b->tenant);
    bed_advance(b, HOUR);
    for (size_t i = 0; i < b->tenant->n_users; i++)
        assert_true(b->tenant->users[i].user->disabled);
    is_idle(b);
}

/* Among the users that nobody claims, where somebody revoked is looked for who was renamed
 * there: found, and disabled. Who is not found may be the one who is not read. */
static void test_sought_beside(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    struct link l = {0};
    may_revoke(b);
    people(b, 10, "support");
    bed_start(b);
    bed_sync(b);
    add_broken(b, 10, "a");
    fake_tenant_rename(fake_tenant_find(b->tenant, "u3"), "married");
    fake_tenant_remove(b->tenant, "u4");
    revoke_uid(b, "u3", true);
    revoke_uid(b, "u4", true);
    bed_advance(b, HOUR);
    assert_true(is_disabled(b, "married"));
    bed_ok(b, link_load(b->state, "id-u4", &l, &e));
    assert_int_equal(l.gone, LINK_GONE_OR_RENAMED);
    link_done(&l);
    is_idle(b);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        scenario(test_asked_for),
        scenario(test_asked_for_in_silence),
        cmocka_unit_test(test_many),
        scenario(test_verified),
        scenario(test_verified_in_an_outage),
        scenario(test_missed_beside_throttled),
        scenario(test_read_anew),
        cmocka_unit_test(test_verified_but_for_one),
        cmocka_unit_test(test_first_contact),
        scenario(test_first_contact_throttled),
        scenario(test_first_contact_open),
        scenario(test_asked_for_behind),
        scenario(test_sought_beside),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
