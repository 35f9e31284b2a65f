/*
 * Somebody at the tenant deleted a user and made another one with its login: what waits for the
 * first goes on with the second only when that is the same one, on record before it is written
 * to. And an entry that was made anew, which takes over what may have been done to the one
 * before.
 */
#include "config.h"

#include "engine-test.h"

static void ten_with_ids(struct bed *b)
{
    b->sync.verify_interval_usec = HOUR;
    people(b, 10, "support");
    bed_start(b);
    bed_sync(b);
    bed_advance(b, 61 * MINUTE);
    fake_tenant_forget_calls(b->tenant);
}

static struct fake_user *make_anew(struct bed *b, const char *mail)
{
    fake_tenant_remove(b->tenant, "u3");
    return fake_tenant_add(b->tenant, "u3", "First", "u3", mail, "Support");
}

static void make_privileged(struct bed *b)
{
    static char *privileged[] = {(char *)"Admin"};
    b->sync.privileged_roles = privileged;
    b->sync.n_privileged_roles = 1;
    ten_with_ids(b);
    struct fake_user *u = make_anew(b, "u3@example.com");
    assert_int_equal(user_add_role(u->user, "Admin", NULL), 0);
}

/* By another name, which goes by the id; by another login, likewise; by a team, which goes by the
 * login. */
static void give_name(struct bed *b)
{
    bed_person(b, "id-u3", "uid=u3,ou=people,dc=example,dc=com", "uid", "u3", "givenName", "Other",
               "sn", "u3", "mail", "u3@example.com", NULL);
    bed_tell(b, "id-u3");
    bed_run(b);
}

static void give_login(struct bed *b)
{
    bed_person(b, "id-u3", "uid=u3,ou=people,dc=example,dc=com", "uid", "married", "givenName",
               "First", "sn", "u3", "mail", "u3@example.com", NULL);
    bed_tell(b, "id-u3");
    bed_run(b);
}

static void give_team(struct bed *b)
{
    static const char *const others[] = {"u0", "u1", "u2", "u4", "u5", "u6", "u7", "u8", "u9"};
    static const char *const moved[] = {"u3"};
    bed_group_uids(b, "support", (const char **)others, ARRAY_SIZE(others));
    bed_group_uids(b, "sales", (const char **)moved, 1);
    bed_tell(b, "group-support");
    bed_tell(b, "group-sales");
    bed_run(b);
}

static void is_held(struct bed *b)
{
    assert_true(bed_queue(b, OPERATION_HELD, REASON_CONFLICT) > 0);
    bed_advance(b, 3 * DAY); /* also when it is tried again, and verified */
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_WRITES), 0);
    assert_true(bed_queue(b, OPERATION_HELD, REASON_CONFLICT) > 0);
}

static void test_with_another_mail(void **state)
{
    static void (*const changes[])(struct bed *) = {give_name, give_login, give_team};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        struct bed *b = bed_new(false);
        ten_with_ids(b);
        make_anew(b, "other@example.net");
        changes[i](b);
        is_held(b);
        bed_free(b);
    }
}

static void test_with_a_privileged_role(void **state)
{
    static void (*const changes[])(struct bed *) = {give_name, give_login, give_team};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        struct bed *b = bed_new(false);
        make_privileged(b);
        changes[i](b);
        is_held(b);
        bed_free(b);
    }
}

/* The tenant shows nobody's roles, so it may have any. */
static void test_with_hidden_roles(void **state)
{
    struct bed *b = *state;
    b->tenant->parts = &fake_hidden_groups;
    ten_with_ids(b);
    make_anew(b, "u3@example.com");
    give_name(b);
    is_held(b);
}

static size_t n_told(struct bed *b)
{
    sqlite3_stmt *q = NULL;
    assert_int_equal(sqlite3_prepare_v2(b->state->db,
                                        "SELECT count(*) FROM trail WHERE line LIKE "
                                        "'%\"drift\"%made anew there%\"gone\":false%'",
                                        -1, &q, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    size_t n = (size_t)sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    return n;
}

/* The tenant is about to be written to. */
static void on_request(enum fake_kind kind, const char *login, const char *id, void *userdata)
{
    struct bed *b = userdata;
    (void)kind, (void)login, (void)id;
    assert_int_equal(n_told(b), 1);
}

/* With the same mail it is the same one, which is on record before anything is written to it, once,
 * and the id is known from then on. */
static void test_the_same_one(void **state)
{
    static void (*const changes[])(struct bed *) = {give_name, give_login, give_team};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        CLEANUP(link_done) struct link l = {0};
        struct error e = {0};
        struct bed *b = bed_new(false);
        ten_with_ids(b);
        struct fake_user *u = make_anew(b, "U3@example.com");
        b->tenant->on_request = on_request;
        b->tenant->request_data = b;
        changes[i](b);
        assert_true(fake_tenant_effects(b->tenant, FAKE_WRITES) > 0);
        bed_advance(b, 3 * DAY);
        assert_int_equal(n_told(b), 1);
        bed_ok(b, link_load(b->state, "id-u3", &l, &e));
        assert_string_equal(l.remote_id, u->scim_id);
        assert_int_equal(bed_queue(b, 0, NULL), 0);
        bed_free(b);
    }
}

static void leave(struct bed *b)
{
    bed_leave(b, "id-u3");
    bed_tell(b, "id-u3");
    bed_run(b);
}

static void end_access(struct bed *b)
{
    revoke_uid(b, "u3", true);
    bed_run(b);
}

/* Of whom the tenant shows no id with the login, as the vendor's own kind; whose id is known or
 * not, met by the verification first or not. */
struct stranger {
    const char *first, *last;
    void (*change)(struct bed *b);
    bool learnt, verified, repairs;
};

static bool has_stranger(const struct fake_tenant *t, const struct user *as)
{
    for (size_t i = 0; i < t->n_users; i++)
        if (t->users[i].user == as)
            return true;
    return false;
}

static void test_stranger(const struct stranger *s)
{
    struct bed *b = bed_new(false);
    b->sync.on_drift = s->repairs ? DRIFT_REPAIR : DRIFT_REPORT;
    b->sync.verify_interval_usec = 8 * HOUR;
    b->mapping.revoke_when = (struct mapping_text){
        .text = (char *)"(employeeType=Revoked)", .file = (char *)"test.conf", .line = 46};
    b->tenant->keeps_ids = true;
    people(b, 5, "support");
    bed_start(b);
    bed_sync(b);
    if (s->learnt)
        bed_advance(b, 9 * HOUR);
    fake_tenant_remove(b->tenant, "u3");
    const struct fake_user *u =
        fake_tenant_add(b->tenant, "u3", s->first, s->last, "other@example.net", "Support");
    const struct user *is = u->user;
    CLEANUP(freep) char *was = user_to_json(is, false);
    if (s->verified)
        bed_advance(b, 9 * HOUR);
    s->change(b);
    bed_advance(b, DAY);
    assert_true(has_stranger(b->tenant, is));
    CLEANUP(freep) char *now = user_to_json(is, false);
    assert_string_equal(now, was);
    assert_true(bed_queue(b, 0, NULL) > 0 || bed_audit(b, "drift", NULL, "u3") > 0);
    bed_free(b);
}

static void test_a_stranger_without_an_id(void **state)
{
    static void (*const changes[])(struct bed *) = {give_name, give_login, give_team, leave,
                                                    end_access};
    (void)state;
    for (unsigned i = 0; i < 8 * ARRAY_SIZE(changes); i++) {
        struct stranger s = {.first = "Jim",
                             .last = "Other",
                             .change = changes[i / 8],
                             .learnt = i & 1,
                             .verified = i & 2,
                             .repairs = i & 4};
        if (s.change == end_access && !s.learnt && !s.verified)
            continue; /* there is no time to ask, and nothing to ask by */
        test_stranger(&s);
        s.first = "First u3"; /* has the same name by chance, which an id alone tells */
        s.last = "u3";
        if (s.learnt)
            test_stranger(&s);
    }
}

/* Whoever leaves is disabled under the same rule. */
static void test_the_same_one_leaves(void **state)
{
    struct bed *b = *state;
    ten_with_ids(b);
    make_anew(b, "u3@example.com");
    leave(b);
    assert_true(is_disabled(b, "u3"));
    assert_int_equal(n_told(b), 1);
}

/* Whoever left comes back as another entry, and takes the user over before it is known whether
 * that was disabled: nobody is left for whom that could be settled, and what was done is taken
 * back. */
static void test_entry_made_anew(void **state)
{
    for (int done = 0; done < 2; done++) {
        if (done)
            setup(state);
        struct bed *b = *state;
        b->sync.leave_grace_usec = HOUR;
        people(b, 6, "support");
        bed_start(b);
        bed_sync(b);
        fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_PUT,
                                                        .times = 1,
                                                        .takes_effect = done,
                                                        .class = TENANT_UNCLEAR});
        bed_leave(b, "id-u1");
        bed_sync(b);
        bed_advance(b, HOUR);
        assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_UNCLEAR), 1);
        assert_int_equal(is_disabled(b, "u1"), done);
        bed_person(b, "again-u1", "uid=u1,ou=people,dc=example,dc=com", "uid", "u1",
                   "givenName", "First u1", "sn", "u1", "mail", "u1@example.com", NULL);
        bed_sync(b);
        assert_int_equal(bed_approve(b), 1);
        bed_advance(b, 5 * HOUR);
        assert_int_equal(bed_audit(b, "outcome", "dropped", "u1"), 1);
        assert_false(is_disabled(b, "u1"));
        assert_int_equal(link_count(b->state, LINK_ACTIVE), 6);
        assert_int_equal(bed_queue(b, 0, NULL), 0);
        is_idle(b);
        if (!done)
            teardown(state);
    }
}

/* Of kinds of reads, the answer is too large. */
static void show_too_much(struct bed *b, unsigned kinds)
{
    fake_tenant_fail(
        b->tenant,
        (struct fake_fault){
            .kinds = kinds, .times = -1, .class = TENANT_AWAY, .status = 200, .too_large = true});
}

/* The user was renamed there, the login is another's by now, and what the tenant shows of the user
 * by its id is too large to be used: that proves nothing of whose the login is. */
static void test_too_large_by_its_id(void **state)
{
    (void)state;
    for (int way = 0; way < 2; way++) {
        struct bed *b = bed_new(false);
        bool revoke = way == 1;
        b->mapping.revoke_when =
            (struct mapping_text){(char *)"(employeeType=Revoked)", (char *)"test.conf", 5};
        ten_with_ids(b);
        struct fake_user *u = fake_tenant_find(b->tenant, "u3");
        fake_tenant_rename(u, "ours");
        fake_tenant_add(b->tenant, "u3", "Eve", "Else", "eve@example.com", "Support");
        show_too_much(b, FAKE_SCIM_GET);
        if (revoke) {
            fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_ACTIVE,
                                                            .times = -1,
                                                            .class = TENANT_REFUSED,
                                                            .status = 400});
            revoke_uid(b, "u3", true);
        } else {
            bed_leave(b, "id-u3");
            bed_read_all(b);
        }
        bed_run(b);
        bed_advance(b, 3 * DAY);
        if (is_disabled(b, "u3"))
            fail_msg("way %d: a stranger was disabled", way);
        assert_true(bed_queue(b, OPERATION_HELD, NULL) > 0);
        fake_tenant_heal(b->tenant);
        bed_advance(b, DAY);
        bed_retry(b, NULL);
        bed_advance(b, DAY);
        assert_true(is_disabled(b, "ours"));
        assert_false(is_disabled(b, "u3"));
        bed_free(b);
    }
}

/* Whose login it is all the same, is disabled: by what a read by the login shows, or unread. */
static void test_too_large_and_ours(void **state)
{
    (void)state;
    for (int way = 0; way < 2; way++) {
        struct bed *b = bed_new(false);
        ten_with_ids(b);
        show_too_much(b, way ? FAKE_SCIM_GET : FAKE_SCIM_GET | FAKE_GET);
        bed_leave(b, "id-u3");
        bed_sync(b);
        bed_advance(b, 3 * DAY);
        assert_true(is_disabled(b, "u3"));
        bed_free(b);
    }
}

/* Whoever is missed, and may only have been renamed, is made anew when a person says so; somebody
 * else has the login by then. That is asked instead, and does not go round. */
static void test_given_away_while_missed(void **state)
{
    struct bed *b = *state;
    b->sync.on_drift = DRIFT_REPAIR;
    b->sync.verify_interval_usec = HOUR;
    b->tenant->no_listing = true;
    people(b, 10, "support");
    bed_start(b);
    bed_sync(b);
    fake_tenant_remove(b->tenant, "u3");
    bed_advance(b, 3 * HOUR);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_USER_GONE), 1);
    fake_tenant_add(b->tenant, "u3", "Jana", "Dorn", "jana@example.net", "Sales");
    fake_tenant_forget_calls(b->tenant);
    assert_int_equal(bed_approve(b), 1);
    bed_advance(b, 3 * DAY);
    assert_int_equal(bed_queue(b, 0, NULL), 1);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_ADOPTION), 1);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_WRITES), 0);
    fake_tenant_remove(b->tenant, "u3");
    assert_int_equal(bed_approve(b), 1); /* nobody is there who could be taken over … */
    bed_advance(b, MINUTE);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_USER_GONE), 1);
    assert_int_equal(bed_approve(b), 1); /* … so it is made anew */
    bed_run(b);
    assert_string_equal(user_get(fake_tenant_find(b->tenant, "u3")->user, USER_LAST_NAME), "u3");
    is_idle(b);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_with_another_mail),
        cmocka_unit_test(test_with_a_privileged_role),
        scenario(test_with_hidden_roles),
        cmocka_unit_test(test_the_same_one),
        cmocka_unit_test(test_a_stranger_without_an_id),
        scenario(test_the_same_one_leaves),
        scenario(test_entry_made_anew),
        cmocka_unit_test(test_too_large_by_its_id),
        cmocka_unit_test(test_too_large_and_ours),
        scenario(test_given_away_while_missed),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
