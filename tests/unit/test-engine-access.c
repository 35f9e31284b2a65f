/*
 * Access that should end, at the worst moment for it: while rosterd is paused, observes, is refused
 * or has forgotten its users; behind an attempt whose answer was lost; for whom the directory has
 * under another identity. And who comes back before the end was settled.
 */
#include "config.h"

#include "engine-test.h"

#include "contact/sighted.h"

static void start_with(struct bed *b, size_t n)
{
    may_revoke(b);
    people(b, n, "support");
    bed_start(b);
    bed_sync(b);
}

static void put_person(struct bed *b, const char *id, const char *uid, const char *mail)
{
    char dn[160];
    snprintf(dn, sizeof dn, "uid=%s,ou=people,dc=example,dc=com", uid);
    bed_person(b, id, dn, "uid", uid, "givenName", "First u1", "sn", "u1", "mail", mail, NULL);
}

static void test_while_paused(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    char wrote[4000] = "";
    start_with(b, 40);
    bed_ok(b, engine_pause(b->engine, true, 1000, &e));
    people(b, 90, "support");
    for (size_t i = 4; i < 40; i++) {
        char uid[8], id[16], mail[32];
        snprintf(uid, sizeof(uid), "u%zu", i);
        snprintf(id, sizeof(id), "id-%s", uid);
        snprintf(mail, sizeof(mail), "new.%s@example.com", uid);
        put_person(b, id, uid, mail);
    }
    bed_sync(b);
    revoke_uid(b, "u3", true);
    bed_run(b);
    bed_restart(b);
    bed_sync(b);
    bed_advance(b, HOUR);
    assert_false(is_disabled(b, "u3"));
    assert_int_equal(bed_audit(b, "alarm", REASON_PAUSED, NULL), 1);
    b->tenant->on_write = note_write;
    b->tenant->write_data = wrote;
    bed_person(b, "id-u3", "uid=u3,ou=people,dc=example,dc=com", "uid", "u3", "givenName", "First",
               "sn", "u3", "mail", "x@example.com", "employeeType", "Revoked", NULL);
    bed_ok(b, engine_pause(b->engine, false, 1000, &e));
    bed_run(b);
    assert_true(is_disabled(b, "u3"));
    assert_true(!strncmp(wrote, "u3 ", 3)); /* before fifty newcomers, and before what changed */
    assert_non_null(strstr(wrote, "u39 "));
}

static void test_while_observing(void **state)
{
    struct bed *b = *state;
    bool was = false;
    struct error e = {0};
    start_with(b, 10);
    b->sync.mode = SYNC_OBSERVE;
    b->options.fingerprint = b->options.decisions = "observe";
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    bed_run(b);
    if (!engine_observes(b->engine))
        return; /* whoever began to write goes on */
    revoke_uid(b, "u3", true);
    bed_advance(b, HOUR);
    assert_false(is_disabled(b, "u3"));
    bed_ok(b, engine_begin_writing(b->engine, &was, &e));
    bed_run(b);
    assert_true(is_disabled(b, "u3"));
}

/* The account as a whole is refused, or the tenant is away: the first thing that is done after. */
static void test_while_the_account_is_refused(void **state)
{
    struct bed *b = *state;
    char wrote[4000] = "";
    static const enum tenant_answer_class classes[] = {TENANT_NOT_AUTHORISED, TENANT_AWAY,
                                                       TENANT_THROTTLED};
    start_with(b, 10);
    for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
        char uid[8];
        snprintf(uid, sizeof(uid), "u%zu", i);
        people(b, 30 + 30 * i, "support");
        fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_ALL, .times = -1,
                                                        .class = classes[i], .status = 401});
        bed_sync(b);
        revoke_uid(b, uid, true);
        bed_run(b);
        if (i == 1) {
            bed_restart(b);
            bed_sync(b);
        }
        bed_advance(b, 3 * HOUR);
        assert_false(is_disabled(b, uid));
        fake_tenant_heal(b->tenant);
        wrote[0] = '\0';
        b->tenant->on_write = note_write;
        b->tenant->write_data = wrote;
        bed_advance(b, 2 * HOUR);
        assert_true(is_disabled(b, uid));
        b->tenant->on_write = NULL;
        bed_read_all(b);
        bed_run(b);
    }
}

/* One user is refused: told at once, tried again before an hour is over, and not kept back by what
 * else is refused in the same words. */
static void test_one_is_refused(void **state)
{
    struct bed *b = *state;
    start_with(b, 4);
    b->sync.hold_retry_usec = 5 * HOUR;
    b->sync.retry_max_usec = 10 * MINUTE;
    fake_tenant_fail(b->tenant,
                     (struct fake_fault){.kinds = FAKE_WRITES & ~(unsigned)(FAKE_PUT | FAKE_ACTIVE),
                                         .times = -1, .class = TENANT_REFUSED, .status = 403});
    people(b, 40, "support");
    bed_sync(b);
    bed_advance(b, MINUTE);
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_PUT | FAKE_ACTIVE, .login = "u3",
                                                    .times = -1, .class = TENANT_REFUSED,
                                                    .status = 403});
    size_t n_alarms = bed_audit(b, "alarm", REASON_REVOKED, NULL);
    revoke_uid(b, "u3", true);
    revoke_uid(b, "u2", true);
    bed_run(b);
    assert_true(is_disabled(b, "u2"));
    assert_false(is_disabled(b, "u3"));
    assert_int_equal(bed_audit(b, "alarm", REASON_REVOKED, NULL), n_alarms + 1);
    bed_advance(b, 2 * HOUR);
    fake_tenant_heal(b->tenant);
    bed_advance(b, 11 * MINUTE);
    assert_true(is_disabled(b, "u3"));
    assert_int_equal(bed_audit(b, "alarm-over", REASON_REVOKED, NULL), 1);
}

/* The state was lost: the tenant's user of somebody who is revoked is theirs all the same, and is
 * disabled once that is approved; nobody is made for it. */
static void test_unknown_yet(void **state)
{
    struct bed *b = *state;
    may_revoke(b);
    fake_tenant_add(b->tenant, "u0", "First u0", "u0", "u0@example.com", "Support");
    fake_tenant_add(b->tenant, "u1", "First u1", "u1", "u1@example.com", "Support");
    people(b, 3, "support");
    bed_person(b, "id-u1", "uid=u1,ou=people,dc=example,dc=com", "uid", "u1", "givenName",
               "First u1", "sn", "u1", "mail", "u1@example.com", "employeeType", "Revoked", NULL);
    bed_person(b, "id-u2", "uid=u2,ou=people,dc=example,dc=com", "uid", "u2", "givenName",
               "First u2", "sn", "u2", "mail", "u2@example.com", "employeeType", "Revoked", NULL);
    bed_start(b);
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_ADOPTION), 2);
    assert_false(is_disabled(b, "u1"));
    assert_int_equal(bed_approve(b), 2);
    bed_run(b);
    assert_true(is_disabled(b, "u1"));
    assert_false(is_disabled(b, "u0"));
    assert_null(fake_tenant_find(b->tenant, "u2"));
    is_idle(b);
}

/* The directory was loaded anew, and whoever has another identity there now is revoked: the user
 * waits neither for the link to be approved nor for a grace time. */
static void test_another_identity(void **state)
{
    struct bed *b = *state;
    b->sync.leave_grace_usec = 30 * DAY;
    start_with(b, 20);
    bed_leave(b, "id-u3");
    bed_person(b, "new-u3", "uid=u3,ou=people,dc=example,dc=com", "uid", "u3", "givenName",
               "First u3", "sn", "u3", "mail", "u3@example.com", "employeeType", "Revoked", NULL);
    bed_sync(b);
    bed_advance(b, HOUR);
    size_t parked = bed_queue(b, OPERATION_PARKED, REASON_RELINK);
    if (!is_disabled(b, "u3"))
        assert_int_equal(parked, 1);
    if (parked)
        bed_approve(b);
    bed_advance(b, MINUTE);
    assert_true(is_disabled(b, "u3"));
}

/* Made, and the answer lost, or not answered yet, when the word came. */
static void test_behind_a_create(void **state)
{
    struct bed *b = *state;
    start_with(b, 3);
    b->sync.retry_min_usec = MINUTE;
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_CREATE, .times = 1,
                                                    .takes_effect = true,
                                                    .class = TENANT_UNCLEAR});
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_GET, .times = 2,
                                                    .login = "u3", .class = TENANT_UNCLEAR});
    people(b, 4, "support");
    bed_sync(b);
    revoke_uid(b, "u3", true);
    bed_run(b);
    bed_restart(b);
    bed_sync(b);
    bed_advance(b, 3 * HOUR);
    assert_true(is_disabled(b, "u3"));

    b->tenant->hold = true;
    people(b, 6, "support");
    revoke_uid(b, "u3", true);
    bed_sync(b);
    revoke_uid(b, "u4", true);
    revoke_uid(b, "u5", false);
    bed_run(b);
    fake_tenant_release(b->tenant);
    bed_advance(b, HOUR);
    assert_true(!fake_tenant_find(b->tenant, "u4") || is_disabled(b, "u4"));
    assert_true(!fake_tenant_find(b->tenant, "u5") || is_disabled(b, "u5"));
}

/* An update of the same user that is unclear for long keeps it from nothing. */
static void test_behind_an_unclear_update(void **state)
{
    struct bed *b = *state;
    start_with(b, 3);
    b->sync.retry_min_usec = b->sync.retry_max_usec = 4 * HOUR;
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_PATCH | FAKE_PUT, .times = 1,
                                                    .class = TENANT_UNCLEAR});
    bed_group(b, "sales", "u1", NULL);
    bed_group(b, "support", "u0", "u2", NULL);
    bed_sync(b);
    revoke_uid(b, "u1", true);
    bed_run(b);
    assert_true(is_disabled(b, "u1"));
}

/* Left, the answer to the disable or the delete lost, and back under another login before that was
 * settled: one user, enabled, with the new login; nobody is made twice. */
static void test_back_with_another_login(void **state)
{
    struct bed *b = *state;
    for (size_t i = 0; i < BUDGET_N_KINDS; i++)
        b->sync.budgets[i] = (struct budget){.unlimited = true};
    b->sync.delete_after_usec = DAY;
    b->sync.retry_min_usec = MINUTE;
    char names[8][32];
    const char *uids[8];
    people(b, 8, "support");
    bed_start(b);
    bed_sync(b);
    for (size_t i = 0; i < 8; i++) {
        snprintf(names[i], sizeof(names[i]), "u%zu", i);
        uids[i] = names[i];
    }
    for (size_t i = 0; i < 8; i++) {
        bool deletes = i & 1, done = i & 2, restarts = i & 4;
        char uid[16], id[32], renamed[32], mail[64];
        snprintf(uid, sizeof(uid), "u%zu", i);
        snprintf(id, sizeof(id), "id-%s", uid);
        snprintf(renamed, sizeof(renamed), "new%zu", i);
        snprintf(mail, sizeof(mail), "%s@example.com", uid);
        if (deletes) {
            bed_leave(b, id);
            bed_sync(b);
            bed_advance(b, MINUTE);
            assert_true(is_disabled(b, uid));
        }
        fake_tenant_fail(b->tenant, (struct fake_fault){
            .kinds = FAKE_PUT | FAKE_ACTIVE | FAKE_DELETE, .login = uid, .times = 1,
            .takes_effect = done, .class = TENANT_UNCLEAR});
        if (deletes) {
            bed_advance(b, DAY - MINUTE + USEC_PER_SEC);
        } else {
            bed_leave(b, id);
            bed_sync(b);
        }
        assert_int_equal(bed_queue(b, 0, REASON_UNCLEAR), 1);
        put_person(b, id, renamed, mail);
        snprintf(names[i], sizeof(names[i]), "%s", renamed);
        bed_group_uids(b, "support", uids, 8);
        if (restarts)
            bed_restart(b);
        bed_sync(b);
        bed_advance(b, 2 * HOUR);
        assert_int_equal(bed_queue(b, 0, NULL), 0);
        assert_null(fake_tenant_find(b->tenant, uid));
        assert_non_null(fake_tenant_find(b->tenant, renamed));
        assert_false(is_disabled(b, renamed));
        assert_int_equal(b->tenant->n_users, 8);
    }
}

/* Case is no difference of mail, neither before nor behind the @, and so such a user needs no
 * approval; with a privileged role it does. */
static void test_mail_in_another_case(void **state)
{
    struct bed *b = *state;
    char *privileged[] = {(char *)"Boss"};
    b->sync.privileged_roles = privileged;
    b->sync.n_privileged_roles = 1;
    bed_start(b);
    bed_sync(b);
    fake_tenant_add(b->tenant, "u0", "Other", "Name", "U0@example.com", "Sales");
    fake_tenant_add(b->tenant, "u1", "Other", "Name", "u1@Example.COM", "Sales");
    fake_tenant_add(b->tenant, "u2", "First u2", "u2", "u2@example.org", "Sales");
    struct fake_user *boss = fake_tenant_add(b->tenant, "u3", "First u3", "u3", "U3@EXAMPLE.com",
                                             "Sales");
    assert_int_equal(user_add_role(boss->user, "boss", NULL), 0);
    people(b, 4, "support");
    bed_sync(b);
    bed_advance(b, HOUR);
    assert_string_equal(user_get(fake_tenant_find(b->tenant, "u0")->user, USER_TEAM), "Support");
    assert_string_equal(user_get(fake_tenant_find(b->tenant, "u1")->user, USER_TEAM), "Support");
    assert_string_equal(user_get(fake_tenant_find(b->tenant, "u2")->user, USER_TEAM), "Sales");
    assert_string_equal(user_get(fake_tenant_find(b->tenant, "u3")->user, USER_TEAM), "Sales");
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_ADOPTION), 2);
    assert_int_equal(b->tenant->n_users, 4);
}

/* Who turns out to have a user already takes a seat like any other, from the moment on at which
 * that is known: nobody else gets it in between. */
static void test_seat_of_who_is_taken_over(void **state)
{
    struct bed *b = *state;
    size_t n_enabled = 0;
    b->sync.max_users = 3;
    bed_start(b);
    bed_sync(b);
    fake_tenant_add(b->tenant, "u0", "First u0", "u0", "u0@example.com", "Support");
    fake_tenant_add(b->tenant, "u1", "First u1", "u1", "u1@example.com", "Support");
    people(b, 6, "support");
    bed_sync(b);
    bed_advance(b, HOUR);
    for (size_t i = 0; i < b->tenant->n_users; i++)
        n_enabled += !b->tenant->users[i].user->disabled;
    assert_int_equal(n_enabled, 3);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_SEATS), 3);
}

/* The service account is a person of the directory who gets a team later: its roles stay, it is not
 * disabled, renamed or deleted whatever comes, and its user is taken over like any other. */
static void test_service_account_gets_a_team(void **state)
{
    struct bed *b = *state;
    b->sync.api_login = "U1";
    b->sync.delete_after_usec = DAY;
    struct fake_user *api =
        fake_tenant_add(b->tenant, "u1", "First u1", "u1", "u1@example.com", "Sales");
    assert_int_equal(user_add_role(api->user, "Seller", NULL), 0);
    people(b, 3, "none");
    bed_group(b, "support", "u0", "u2", NULL);
    bed_start(b);
    bed_sync(b);
    bed_approve(b);
    bed_group(b, "support", "u0", "u1", "u2", NULL);
    bed_sync(b);
    if (bed_queue(b, OPERATION_PARKED, NULL))
        bed_approve(b);
    bed_advance(b, HOUR);
    assert_non_null(user_role(fake_tenant_find(b->tenant, "u1")->user, "Seller"));
    put_person(b, "id-u1", "else", "u1@example.com");
    bed_sync(b);
    bed_advance(b, HOUR);
    assert_non_null(fake_tenant_find(b->tenant, "u1"));
    bed_leave(b, "id-u1");
    bed_sync(b);
    bed_advance(b, 5 * DAY);
    assert_false(is_disabled(b, "u1"));
    assert_non_null(user_role(fake_tenant_find(b->tenant, "u1")->user, "Seller"));
}

static bool is_sighted(struct bed *b, const char *role)
{
    struct error e = {0};
    CLEANUP(user_freep) struct user *u = NULL;
    bed_ok(b, sighted_user(b->state, &u, &e));
    return user_role(u, role);
}

/* Roles that users of nobody have at the tenant: what was seen of one stays known when another one
 * is looked at, and after a start. */
static void test_names_sighted(void **state)
{
    struct bed *b = *state;
    struct fake_user *u = fake_tenant_add(b->tenant, "x0", "Other", "Name", "x0@other", "Sales");
    assert_int_equal(user_add_role(u->user, "Baker", NULL), 0);
    fake_tenant_add(b->tenant, "u0", "First u0", "u0", "u0@example.com", "Support");
    u = fake_tenant_add(b->tenant, "u1", "First u1", "u1", "u1@example.com", "Support");
    people(b, 1, "support");
    bed_start(b);
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_ADOPTION), 1);
    assert_true(is_sighted(b, "Baker"));
    assert_int_equal(user_add_role(u->user, "Miller", NULL), 0);
    people(b, 2, "support");
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_ADOPTION), 2);
    assert_true(is_sighted(b, "Miller"));
    assert_true(is_sighted(b, "Baker"));
    bed_restart(b);
    bed_sync(b);
    assert_true(is_sighted(b, "Miller"));
    assert_true(is_sighted(b, "Baker"));
}

static unsigned looks_until_death;

static void count_looks(enum fake_kind kind, struct fake_fault *ret, void *userdata)
{
    (void)ret;
    (void)userdata;
    looks_until_death -= kind == FAKE_GET && looks_until_death > 0;
}

static bool dies_amid_looks(void *userdata)
{
    bool *died = userdata;
    bool now = !*died && !looks_until_death;
    *died |= now;
    return now;
}

/* … also when rosterd dies after so many of the first looks. */
static void test_names_sighted_and_death(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 12; n++) {
        struct bed *b = bed_new(false);
        bool died = false;
        for (unsigned i = 0; i < 8; i++) {
            char login[8], role[16];
            snprintf(login, sizeof(login), "x%u", i);
            snprintf(role, sizeof(role), "Baker %u", i);
            struct fake_user *u =
                fake_tenant_add(b->tenant, login, "Other", login, "x@other", "Sales");
            assert_int_equal(user_add_role(u->user, role, NULL), 0);
        }
        fake_tenant_add(b->tenant, "u0", "First u0", "u0", "u0@example.com", "Support");
        people(b, 1, "support");
        b->options.max_concurrent = 2;
        b->tenant->chaos = count_looks;
        looks_until_death = n;
        b->dies = dies_amid_looks;
        b->dies_data = &died;
        bed_start(b);
        bed_sync(b);
        bed_advance(b, HOUR);
        assert_true(died || n > 9);
        assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_ADOPTION), 1);
        for (unsigned i = 0; i < 8; i++) {
            char role[16];
            snprintf(role, sizeof(role), "Baker %u", i);
            assert_true(is_sighted(b, role));
        }
        bed_free(b);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        scenario(test_while_paused),
        scenario(test_while_observing),
        scenario(test_while_the_account_is_refused),
        scenario(test_one_is_refused),
        scenario(test_unknown_yet),
        scenario(test_another_identity),
        scenario(test_behind_a_create),
        scenario(test_behind_an_unclear_update),
        scenario(test_back_with_another_login),
        scenario(test_mail_in_another_case),
        scenario(test_seat_of_who_is_taken_over),
        scenario(test_service_account_gets_a_team),
        scenario(test_names_sighted),
        cmocka_unit_test(test_names_sighted_and_death),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
