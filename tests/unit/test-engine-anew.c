/*
 * Whose a login is by now: users who were renamed, deleted, restored or made anew at the tenant by
 * somebody else.
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
}

/* Renamed there, and its login given to somebody else: the id tells, so that the link follows, and
 * whoever leaves is disabled under the other login. */
static void renamed_and_given_away(struct bed *b, bool same_mail)
{
    b->sync.on_drift = DRIFT_REPAIR;
    b->tenant->no_rename = true;
    ten_with_ids(b);
    fake_tenant_rename(fake_tenant_find(b->tenant, "u3"), "married");
    fake_tenant_add(b->tenant, "u3", "Jana", "Dorn",
                    same_mail ? "u3@example.com" : "jana@example.net", "Sales");
    fake_tenant_forget_calls(b->tenant);
    bed_advance(b, 2 * HOUR);
    bed_leave(b, "id-u3");
    bed_tell(b, "id-u3");
    bed_advance(b, HOUR);
    assert_true(is_disabled(b, "married"));
    assert_false(is_disabled(b, "u3"));
}

static void test_renamed_and_given_away(void **state)
{
    renamed_and_given_away(*state, false);
}

static void test_renamed_and_made_anew(void **state)
{
    renamed_and_given_away(*state, true);
}

/* What waits looks at nobody: whose the login is by now is seen all the same. */
static void test_given_away_while_it_waits(void **state)
{
    struct bed *b = *state;
    b->sync.on_drift = DRIFT_REPAIR;
    ten_with_ids(b);
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_PATCH, .times = 1,
                                                    .class = TENANT_REFUSED, .status = 400});
    bed_person(b, "id-u3", "uid=u3,ou=people,dc=example,dc=com", "uid", "u3", "givenName", "Other",
               "sn", "u3", "mail", "u3@example.com", NULL);
    bed_tell(b, "id-u3");
    bed_run(b);
    assert_int_equal(bed_queue(b, OPERATION_HELD, NULL), 1);
    fake_tenant_remove(b->tenant, "u3");
    fake_tenant_add(b->tenant, "u3", "Jana", "Dorn", "jana@example.net", "Sales");
    fake_tenant_forget_calls(b->tenant);
    bed_advance(b, 3 * DAY);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_WRITES), 0);
}

/* Where no user is shown with roles, whoever is made anew may have any: nobody is taken over in
 * passing, whatever the mail. */
static void test_made_anew_with_hidden_roles(void **state)
{
    struct bed *b = *state;
    b->tenant->parts = &fake_hidden_groups;
    ten_with_ids(b);
    fake_tenant_remove(b->tenant, "u3");
    fake_tenant_add(b->tenant, "u3", "Jana", "Dorn", "u3@example.com", "Sales");
    bed_advance(b, 3 * HOUR);
    fake_tenant_forget_calls(b->tenant);
    bed_person(b, "id-u3", "uid=u3,ou=people,dc=example,dc=com", "uid", "u3", "givenName", "Other",
               "sn", "u3", "mail", "u3@example.com", NULL);
    bed_tell(b, "id-u3");
    bed_advance(b, 3 * HOUR);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_WRITES), 0);
    struct link l = {0};
    struct error e = {0};
    bed_ok(b, link_load(b->state, "id-u3", &l, &e));
    assert_int_equal(l.gone, LINK_GONE);
    assert_non_null(strstr(l.drift, "does not show which roles"));
    link_done(&l);
}

/* Deleted and restored: the id says that it is the same one, whatever was changed. */
static void test_restored_with_another_mail(void **state)
{
    struct bed *b = *state;
    ten_with_ids(b);
    struct fake_user *u = fake_tenant_find(b->tenant, "u3");
    char id[24];
    strcpy(id, u->scim_id);
    fake_tenant_remove(b->tenant, "u3");
    bed_advance(b, 2 * HOUR);
    assert_int_equal(bed_queue(b, 0, REASON_USER_GONE), 1);
    u = fake_tenant_add(b->tenant, "u3", "First", "u3", "other@example.com", "Support");
    strcpy(u->scim_id, id);
    bed_advance(b, 2 * HOUR);
    assert_int_equal(bed_queue(b, 0, REASON_USER_GONE), 0);
}

/* Renamed there before its id was learnt: whoever leaves is looked for by the mail, without a
 * verification, and disabled under the other login. Those who are just gone are no matter. */
static void renamed_unlearnt(struct bed *b, void (*leaves)(struct bed *b))
{
    b->sync.leave_grace_usec = 0;
    may_revoke(b);
    people(b, 10, "support");
    bed_start(b);
    bed_sync(b);
    fake_tenant_rename(fake_tenant_find(b->tenant, "u3"), "married");
    fake_tenant_remove(b->tenant, "u4");
    leaves(b);
    bed_advance(b, USEC_PER_SEC);
    assert_true(is_disabled(b, "married"));
    bed_advance(b, HOUR);
    assert_int_equal(bed_queue(b, 0, NULL), 0);
    assert_int_equal(b->tenant->n_users, 9);
    is_idle(b);
}

static void leave_two(struct bed *b)
{
    bed_leave(b, "id-u3");
    bed_leave(b, "id-u4");
    bed_read_all(b);
}

static void revoke_two(struct bed *b)
{
    revoke_uid(b, "u3", true);
    revoke_uid(b, "u4", true);
}

static void test_renamed_unlearnt_and_left(void **state)
{
    renamed_unlearnt(*state, leave_two);
}

static void test_renamed_unlearnt_and_revoked(void **state)
{
    renamed_unlearnt(*state, revoke_two);
}

static void leave_one(struct bed *b)
{
    bed_leave(b, "id-u3");
    bed_read_all(b);
}

static void revoke_one(struct bed *b)
{
    revoke_uid(b, "u3", true);
}

static void look_at_alarm(const json_t *row, void *userdata)
{
    const char *event = json_string_value(json_object_get(row, "event"));
    const char *code = json_string_value(json_object_get(row, "code"));
    const char *text = json_string_value(json_object_get(row, "sentence"));
    if (text_equal(event, "alarm") && text_equal(code, REASON_USER_GONE) &&
        strstr(text ? text : "", "uid=u3,"))
        ++*(size_t *)userdata;
}

static void give_u3_another_login_and_mail(struct bed *b)
{
    struct user *u = fake_tenant_find(b->tenant, "u3")->user;
    assert_int_equal(user_set(u, USER_EMAIL, "another@example.com", NULL), 0);
    fake_tenant_rename(fake_tenant_find(b->tenant, "u3"), "married");
}

/* Given another login and another mail before its id was learnt: nothing tells who it is, so
 * the end of its access waits for a person, who is told whom that concerns. Rows: found and
 * renamed back, or decided about. */
static void renamed_beyond_recognition(void (*leaves)(struct bed *b), enum on_drift on_drift,
                                       bool back)
{
    struct bed *b = bed_new(false);
    size_t n_alarms = 0;
    b->sync.leave_grace_usec = 0;
    b->sync.on_drift = on_drift;
    b->sync.verify_interval_usec = 12 * HOUR;
    b->tenant->no_scim = true; /* no id is ever learnt */
    may_revoke(b);
    people(b, 10, "support");
    bed_start(b);
    bed_sync(b);
    give_u3_another_login_and_mail(b);
    fake_tenant_remove(b->tenant, "u9"); /* for whom that user is met first */
    bed_leave(b, "id-u9");
    bed_read_all(b);
    bed_advance(b, HOUR);
    assert_int_equal(bed_approve(b), 1);
    bed_advance(b, HOUR);
    leaves(b);
    bed_advance(b, 3 * DAY);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_USER_GONE), 1);
    bed_each_audit(b, look_at_alarm, &n_alarms);
    assert_int_equal(n_alarms, 1);
    assert_false(is_disabled(b, "married"));
    bed_restart(b);
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_USER_GONE), 1);
    if (back)
        fake_tenant_rename(fake_tenant_find(b->tenant, "married"), "u3");
    else
        assert_int_equal(bed_approve(b), 1);
    bed_advance(b, 2 * DAY);
    assert_int_equal(bed_queue(b, 0, NULL), 0);
    assert_int_equal(n_disabled(b), back);
    assert_int_equal(bed_audit(b, "alarm-over", REASON_USER_GONE, NULL),
                     bed_audit(b, "alarm", REASON_USER_GONE, NULL));
    is_idle(b);
    bed_free(b);
}

static void test_renamed_beyond_recognition(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++)
        renamed_beyond_recognition(i & 1 ? revoke_one : leave_one,
                                   i & 2 ? DRIFT_REPAIR : DRIFT_REPORT, i & 4);
}

/* Where the tenant keeps the id that we gave, that tells who it is. */
static void test_renamed_with_our_id(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct bed *b = bed_new(false);
        b->tenant->parts = &fake_one_part;
        b->sync.leave_grace_usec = 0;
        b->sync.on_drift = i & 2 ? DRIFT_REPAIR : DRIFT_REPORT;
        may_revoke(b);
        people(b, 10, "support");
        bed_start(b);
        bed_sync(b);
        give_u3_another_login_and_mail(b);
        (i & 1 ? revoke_one : leave_one)(b);
        bed_advance(b, HOUR);
        assert_true(is_disabled(b, "married"));
        assert_int_equal(bed_queue(b, 0, NULL), 0);
        is_idle(b);
        bed_free(b);
    }
}

/* The verification falls due while one who leaves is looked for: it comes right after that.
 * Whose access is to end, and who has no user, is asked for by it alone. */
static void test_verified_after_the_look(void **state)
{
    struct bed *b = *state;
    b->sync.leave_grace_usec = 0;
    b->sync.verify_interval_usec = HOUR;
    b->tenant->no_scim = true; /* no id is ever learnt */
    may_revoke(b);
    people(b, 10, "support");
    bed_start(b);
    bed_sync(b);
    people(b, 14, "support");
    for (unsigned i = 10; i < 14; i++)
        revoke_uid(b, (const char *[]){"u10", "u11", "u12", "u13"}[i - 10], true);
    bed_sync(b);
    assert_int_equal(b->tenant->n_users, 10);
    bed_advance(b, HOUR / 2);
    fake_tenant_remove(b->tenant, "u3");
    fake_tenant_forget_calls(b->tenant);
    bed_leave(b, "id-u3");
    bed_read_all(b);
    bed_advance(b, MINUTE);
    assert_int_equal(bed_queue(b, 0, NULL), 0);
    assert_in_range(fake_tenant_calls(b->tenant, FAKE_GET), 1, 3);

    fake_tenant_remove(b->tenant, "u4");
    bed_leave(b, "id-u4");
    bed_read_all(b);
    bed_run(b);
    b->tenant->hold = true;
    bed_advance(b, HOUR / 2);
    fake_tenant_forget_calls(b->tenant);
    fake_tenant_release(b->tenant);
    bed_advance(b, MINUTE);
    assert_in_range(fake_tenant_calls(b->tenant, FAKE_GET), 8 + 4, 8 + 4 + 3);
    is_idle(b);
}

/* Restored there while it is looked for, and disabled: nobody is gone. */
static void test_restored_while_sought(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    struct link l = {0};
    b->sync.leave_grace_usec = 0;
    b->sync.on_drift = DRIFT_REPAIR;
    b->tenant->no_scim = true;
    people(b, 10, "support");
    bed_start(b);
    bed_sync(b);
    struct user *before = user_copy(fake_tenant_find(b->tenant, "u3")->user);
    fake_tenant_remove(b->tenant, "u3");
    fake_tenant_add(b->tenant, "stranger", "S", "T", "st@example.com", "Support");
    b->tenant->late = "stranger";
    bed_leave(b, "id-u3");
    bed_read_all(b);
    bed_advance(b, USEC_PER_MSEC * 10);
    assert_non_null(b->tenant->late_call);
    struct fake_user *again =
        fake_tenant_add(b->tenant, "u3", "A", "B", "c@example.com", "Support");
    user_free(again->user);
    again->user = before;
    bed_advance(b, MINUTE);
    assert_true(is_disabled(b, "u3"));
    fake_tenant_answer_late(b->tenant);
    bed_advance(b, MINUTE);
    assert_int_equal(bed_audit(b, "drift", NULL, "u3"), 0);
    bed_ok(b, link_load(b->state, "id-u3", &l, &e));
    assert_int_equal(l.status, LINK_DISABLED);
    link_done(&l);
    bed_person_uid(b, "u3");
    bed_sync(b);
    bed_advance(b, HOUR);
    assert_false(is_disabled(b, "u3"));
    assert_int_equal(bed_queue(b, 0, NULL), 0);
    is_idle(b);
}

/* … by a person who leaves: while the disable is under way all others were looked through, or
 * it waits for an approval, or is not planned yet. */
static void restored_and_leaving(struct bed *b, bool is_early, bool waits)
{
    b->sync.leave_grace_usec = 0;
    b->sync.on_drift = DRIFT_REPAIR;
    b->sync.verify_interval_usec = HOUR;
    b->tenant->no_scim = true;
    if (waits)
        b->sync.budgets[BUDGET_DISABLE] = (struct budget){0};
    people(b, 10, "support");
    bed_start(b);
    bed_sync(b);
    struct user *before = user_copy(fake_tenant_find(b->tenant, "u3")->user);
    fake_tenant_remove(b->tenant, "u3");
    fake_tenant_add(b->tenant, "stranger", "S", "T", "st@example.com", "Support");
    b->tenant->late = "stranger";
    bed_advance(b, 61 * MINUTE);
    assert_non_null(b->tenant->late_call);
    struct fake_user *again =
        fake_tenant_add(b->tenant, "u3", "A", "B", "c@example.com", "Support");
    user_free(again->user);
    again->user = before;
    b->tenant->hold = is_early;
    if (is_early) {
        bed_leave(b, "id-u3");
        bed_read_all(b);
        bed_run(b);
    }
    fake_tenant_answer_late(b->tenant);
    bed_run(b);
    fake_tenant_release(b->tenant);
    if (!is_early)
        bed_leave(b, "id-u3");
    bed_read_all(b);
    bed_advance(b, MINUTE);
    if (waits)
        bed_approve(b);
    bed_advance(b, MINUTE);
    assert_true(is_disabled(b, "u3"));
    assert_int_equal(bed_audit(b, "drift", NULL, "u3"), 0);
}

static void test_restored_and_leaving(void **state)
{
    restored_and_leaving(*state, true, false);
}

static void test_restored_and_leaving_later(void **state)
{
    restored_and_leaving(*state, false, false);
}

static void test_restored_and_parked(void **state)
{
    restored_and_leaving(*state, true, true);
}

/* Likewise while those who are linked were read, by whose disable the grace time is over later.
 */
static void test_restored_while_others_are_read(void **state)
{
    struct bed *b = *state;
    b->sync.leave_grace_usec = 3 * HOUR;
    b->sync.on_drift = DRIFT_REPAIR;
    b->sync.verify_interval_usec = HOUR;
    b->tenant->no_scim = true;
    people(b, 10, "support");
    bed_start(b);
    bed_sync(b);
    bed_leave(b, "id-u3");
    bed_read_all(b);
    bed_run(b);
    struct user *before = user_copy(fake_tenant_find(b->tenant, "u3")->user);
    fake_tenant_remove(b->tenant, "u3");
    b->tenant->late = "u8";
    bed_advance(b, 61 * MINUTE);
    assert_non_null(b->tenant->late_call);
    struct fake_user *again =
        fake_tenant_add(b->tenant, "u3", "A", "B", "c@example.com", "Support");
    user_free(again->user);
    again->user = before;
    fake_tenant_answer_late(b->tenant);
    bed_advance(b, 3 * HOUR);
    assert_true(is_disabled(b, "u3"));
    assert_int_equal(bed_audit(b, "drift", NULL, "u3"), 0);
}

/* Of many who are missing, one for whom the second look is not answered: of the others it is
 * known all the same. */
static void test_missing_but_for_one(void **state)
{
    struct bed *b = *state;
    b->sync.on_drift = DRIFT_REPORT;
    b->sync.verify_interval_usec = HOUR;
    b->tenant->no_scim = true;
    people(b, 10, "support");
    bed_start(b);
    bed_sync(b);
    for (unsigned i = 1; i < 5; i++)
        fake_tenant_remove(b->tenant, (char[]){'u', (char)('0' + i), 0});
    b->tenant->late = "u8";
    bed_advance(b, 61 * MINUTE);
    assert_non_null(b->tenant->late_call);
    fake_tenant_fail(
        b->tenant,
        (struct fake_fault){
            .kinds = FAKE_GET, .login = "u2", .times = 1, .class = TENANT_AWAY, .status = 502});
    fake_tenant_answer_late(b->tenant);
    bed_advance(b, 10 * MINUTE);
    assert_int_equal(bed_audit(b, "drift", NULL, "u2"), 0);
    assert_int_equal(bed_audit(b, "drift", NULL, "u1"), 1);
    assert_int_equal(bed_audit(b, "drift", NULL, "u4"), 1);
}

/* Where writes go by an id, and none is to be had: as the login says. */
static void test_renamed_unlearnt_and_revoked_by_id(void **state)
{
    struct bed *b = *state;
    b->tenant->parts = &fake_one_part;
    renamed_unlearnt(b, revoke_two);
}

/* Whoever is not there any more has no access: nobody waits for that, or hears the contrary. */
static void test_gone_and_revoked_by_id(void **state)
{
    struct bed *b = *state;
    b->tenant->parts = &fake_groups;
    may_revoke(b);
    people(b, 10, "support");
    bed_start(b);
    bed_sync(b);
    fake_tenant_remove(b->tenant, "u4");
    revoke_uid(b, "u4", true);
    bed_advance(b, HOUR);
    assert_int_equal(bed_queue(b, 0, NULL), 0);
    assert_int_equal(bed_audit(b, "alarm", NULL, NULL), 0);
    is_idle(b);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        scenario(test_renamed_and_given_away),
        scenario(test_renamed_and_made_anew),
        scenario(test_given_away_while_it_waits),
        scenario(test_made_anew_with_hidden_roles),
        scenario(test_renamed_unlearnt_and_left),
        scenario(test_renamed_unlearnt_and_revoked),
        cmocka_unit_test(test_renamed_beyond_recognition),
        cmocka_unit_test(test_renamed_with_our_id),
        scenario(test_restored_with_another_mail),
        scenario(test_renamed_unlearnt_and_revoked_by_id),
        scenario(test_gone_and_revoked_by_id),
        scenario(test_verified_after_the_look),
        scenario(test_restored_while_sought),
        scenario(test_restored_and_leaving),
        scenario(test_restored_and_leaving_later),
        scenario(test_restored_and_parked),
        scenario(test_restored_while_others_are_read),
        scenario(test_missing_but_for_one),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
