/*
 * A tenant of which nothing but the token says whose users it shows: with another organisation's
 * token at the same address it is another tenant, which is written to by nobody before approval.
 */
#include "config.h"

#include "engine-test.h"

#include "base/memory.h"
#include "state/listing.h"

#define PEOPLE 6

static struct parts parts;

/* The users of the other organisation, while those of this one are shown. */
static struct {
    struct fake_user *users;
    size_t n, capacity;
} others;

/* Another token is in the file from the next start on. */
static void swap_token(struct bed *b)
{
    struct fake_tenant *t = b->tenant;
    struct fake_user *users = t->users;
    size_t n = t->n_users, capacity = t->capacity;
    t->users = others.users, t->n_users = others.n, t->capacity = others.capacity;
    others.users = users, others.n = n, others.capacity = capacity;
}

static int prepare(void **state)
{
    int r = setup(state);
    struct bed *b = *state;
    parts = fake_groups;
    parts.token_alone = true;
    b->tenant->parts = &parts;
    b->two_tenants = true;
    b->options.tenant_url = "https://scim.example.com";
    memset(&others, 0, sizeof(others));
    return r;
}

static int forget(void **state)
{
    struct bed *b = *state;
    while (b->tenant->n_users)
        fake_tenant_remove(b->tenant, b->tenant->users[0].login);
    free(b->tenant->users);
    b->tenant->users = NULL;
    b->tenant->capacity = 0;
    swap_token(b);
    return teardown(state);
}

static size_t n_writes(const struct bed *b)
{
    return fake_tenant_calls(b->tenant, FAKE_WRITES);
}

static const char *other_tenant(const struct bed *b)
{
    return contact_other_tenant(b->engine->contact);
}

static void begin(struct bed *b)
{
    people(b, PEOPLE, "support");
    bed_start(b);
    bed_sync(b);
    assert_int_equal(b->tenant->n_users, PEOPLE);
}

/* The other organisation has somebody of the same login, and one is new and one has left here. */
static void meet_others(struct bed *b)
{
    swap_token(b);
    if (!b->tenant->n_users)
        fake_tenant_add(b->tenant, "u2", "Another", "Person", "u2@other.example.com", "Support");
    bed_restart(b);
    bed_leave(b, "id-u1");
    bed_person_uid(b, "newcomer");
    bed_group(b, "support", "u0", "u2", "u3", "u4", "u5", "newcomer", NULL);
    bed_sync(b);
}

static bool knows_stranger(struct bed *b)
{
    CLEANUP(freep) char *found = NULL;
    struct error e = {0};
    int r = listing_found(b->state, "u2", &found, &e);
    return r == 0 && found && strstr(found, "u2@other.example.com");
}

static void look_at_leaver(const json_t *row, void *userdata)
{
    const json_t *person = json_object_get(row, "person");
    const char *event = json_string_value(json_object_get(row, "event")),
               *login = json_string_value(json_object_get(person, "login")),
               *dn = json_string_value(json_object_get(person, "dn"));
    if (event && login && strcmp(event, "intent") == 0 && strcmp(login, "u1") == 0)
        *(bool *)userdata = dn && strncmp(dn, "uid=u1,", 7) == 0;
}

/* Nothing is written to strangers, with or without time and restarts; and with the right token it
 * goes on as if nothing had been. */
static void test_another_token(void **state)
{
    struct bed *b = *state;
    begin(b);
    size_t n = n_writes(b);
    meet_others(b);
    assert_non_null(strstr(other_tenant(b), "another organisation's"));
    assert_true(knows_stranger(b));
    bed_advance(b, HOUR);
    bed_sync(b);
    assert_int_equal(bed_audit(b, "configuration", REASON_OTHER_TENANT, NULL), 1);
    assert_int_equal(bed_audit(b, "alarm", REASON_OTHER_TENANT, NULL), 1);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, NULL), PEOPLE);
    bed_restart(b);
    bed_sync(b);
    bed_advance(b, DAY);
    assert_non_null(other_tenant(b));
    assert_int_equal(bed_audit(b, "configuration", REASON_OTHER_TENANT, NULL), 1);
    assert_int_equal(b->tenant->n_users, 1);
    assert_int_equal(n_writes(b), n);
    swap_token(b);
    bed_restart(b);
    bed_sync(b);
    assert_false(knows_stranger(b));
    bed_advance(b, DAY);
    assert_null(other_tenant(b));
    assert_int_equal(bed_audit(b, "alarm-over", REASON_OTHER_TENANT, NULL), 1);
    assert_int_equal(bed_audit(b, "configuration", REASON_OTHER_TENANT, NULL), 2);
    assert_int_equal(b->tenant->n_users, PEOPLE + 1);
    assert_int_equal(fake_tenant_find(b->tenant, "u2")->n_created, 1);
    assert_true(is_disabled(b, "u1"));
    assert_int_equal(n_disabled(b), 1);
    assert_int_equal(bed_queue(b, 0, NULL), 0);
    bool is_named = false;
    bed_each_audit(b, look_at_leaver, &is_named);
    assert_true(is_named);
}

/* It is meant: from the approval on the users are those of the other organisation. */
static void test_another_token_approved(void **state)
{
    struct bed *b = *state;
    begin(b);
    meet_others(b);
    assert_int_equal(bed_approve(b), PEOPLE);
    bed_sync(b);
    assert_null(other_tenant(b));
    assert_int_equal(b->tenant->n_users, PEOPLE);
    assert_null(fake_tenant_find(b->tenant, "u1"));
    bed_restart(b);
    bed_sync(b);
    assert_null(other_tenant(b));
    swap_token(b);
    bed_restart(b);
    bed_sync(b);
    assert_non_null(other_tenant(b));
}

/* Whose access ends at once is not sent there either. */
static void test_revoked_meanwhile(void **state)
{
    struct bed *b = *state;
    may_revoke(b);
    begin(b);
    size_t n = n_writes(b);
    swap_token(b);
    fake_tenant_add(b->tenant, "u2", "Another", "Person", "u2@other.example.com", "Support");
    bed_restart(b);
    revoke_uid(b, "u2", true);
    bed_run(b);
    bed_sync(b);
    revoke_uid(b, "u3", true);
    bed_run(b);
    bed_advance(b, HOUR);
    assert_int_equal(n_writes(b), n);
    assert_false(is_disabled(b, "u2"));
    swap_token(b);
    bed_restart(b);
    bed_sync(b);
    assert_true(is_disabled(b, "u2") && is_disabled(b, "u3"));
}

/* One who is there is enough, whoever else was deleted by hand; so is one who was renamed there and
 * has our id. */
static void test_deleted_by_hand(void **state)
{
    struct bed *b = *state;
    begin(b);
    for (unsigned i = 0; i < PEOPLE - 1; i++)
        fake_tenant_remove(b->tenant, (char[]){'u', (char)('0' + i), '\0'});
    bed_restart(b);
    bed_run(b);
    assert_null(other_tenant(b));
    fake_tenant_rename(fake_tenant_find(b->tenant, "u5"), "renamed");
    bed_restart(b);
    bed_run(b);
    assert_null(other_tenant(b));
    fake_tenant_remove(b->tenant, "renamed");
    size_t n = n_writes(b);
    bed_restart(b);
    bed_sync(b);
    assert_non_null(strstr(other_tenant(b), "deleted"));
    assert_int_equal(n_writes(b), n);
    assert_int_equal(bed_approve(b), PEOPLE);
    bed_sync(b);
    assert_int_equal(b->tenant->n_users, PEOPLE);
}

/* Of many who are gone twenty are read; and where nobody is active, whoever is disabled. */
static void test_how_many(void **state)
{
    struct bed *b = *state;
    b->tenant->loses_our_ids = true;
    people(b, 30, "support");
    bed_start(b);
    bed_sync(b);
    swap_token(b);
    fake_tenant_forget_calls(b->tenant);
    bed_restart(b);
    bed_run(b);
    assert_non_null(other_tenant(b));
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_SCIM_GET), 20);
    swap_token(b);
    fake_tenant_forget_calls(b->tenant);
    bed_restart(b);
    bed_run(b);
    assert_null(other_tenant(b));
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_SCIM_GET), 1);
}

static void stay(struct bed *b, const char *uid)
{
    for (size_t i = 0; i < BUDGET_N_KINDS; i++)
        b->sync.budgets[i] = (struct budget){.unlimited = true};
    begin(b);
    bed_group(b, "support", uid, NULL);
    bed_sync(b);
    bed_advance(b, 30 * DAY);
    bed_sync(b);
    bed_approve(b);
    bed_sync(b);
    assert_int_equal(n_disabled(b), uid ? PEOPLE - 1 : PEOPLE);
}

/* Those who left long ago may have been deleted by hand, however many they are. */
static void test_active_first(void **state)
{
    struct bed *b = *state;
    stay(b, "u3");
    for (size_t i = 0; i < b->tenant->n_users;)
        if (b->tenant->users[i].user->disabled)
            fake_tenant_remove(b->tenant, b->tenant->users[i].login);
        else
            i++;
    assert_int_equal(b->tenant->n_users, 1);
    fake_tenant_forget_calls(b->tenant);
    bed_restart(b);
    bed_run(b);
    assert_null(other_tenant(b));
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_SCIM_GET), 1);
}

static void test_nobody_active(void **state)
{
    struct bed *b = *state;
    stay(b, NULL);
    swap_token(b);
    bed_restart(b);
    bed_run(b);
    assert_non_null(other_tenant(b));
    swap_token(b);
    bed_restart(b);
    bed_run(b);
    assert_null(other_tenant(b));
}

/* An id may be a number, which the other organisation has given to somebody else. */
static void test_ids_of_others(void **state)
{
    struct bed *b = *state;
    begin(b);
    size_t n = n_writes(b);
    for (size_t i = 0; i < b->tenant->n_users; i++) {
        char login[40];
        snprintf(login, sizeof(login), "stranger%zu", i);
        fake_tenant_rename(&b->tenant->users[i], login);
        free(b->tenant->users[i].our_id);
        b->tenant->users[i].our_id = NULL;
    }
    bed_restart(b);
    bed_sync(b);
    assert_non_null(other_tenant(b));
    assert_int_equal(n_writes(b), n);
}

/* What is no answer says nothing, and is asked again; nothing is written until then. */
static void no_answer(struct bed *b, enum tenant_answer_class class, int status, bool others_too)
{
    size_t n = n_writes(b), n_gets = fake_tenant_calls(b->tenant, FAKE_SCIM_GET);
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_SCIM_GET,
                                                    .times = -1,
                                                    .class = class,
                                                    .status = status});
    if (others_too)
        swap_token(b);
    bed_restart(b);
    bed_person(b, "id-u0", "uid=u0,ou=people,dc=example,dc=com", "uid", "u0", "givenName",
               "Changed", "sn", "u0", "mail", "u0@example.com", NULL);
    bed_sync(b);
    bed_advance(b, HOUR);
    assert_null(other_tenant(b));
    /* No outage, since all else is answered: asked less and less often, and people hear of it
     * where it lasts. */
    assert_int_equal(health_state(b->engine->health), ENGINE_TENANT_OK);
    assert_int_equal(bed_audit(b, "alarm", REASON_THROTTLED, NULL), 1);
    assert_int_equal(n_writes(b), n);
    assert_true(fake_tenant_calls(b->tenant, FAKE_SCIM_GET) - n_gets < 40 * PEOPLE);
    fake_tenant_heal(b->tenant);
    bed_advance(b, 2 * HOUR);
    assert_int_equal(health_state(b->engine->health), ENGINE_TENANT_OK);
    assert_true(others_too ? other_tenant(b) != NULL : other_tenant(b) == NULL);
    assert_true(others_too ? n_writes(b) == n : n_writes(b) > n);
}

static const struct {
    enum tenant_answer_class class;
    int status;
} no_answers[] = {
    {TENANT_THROTTLED, 429}, {TENANT_AWAY, 503},   {TENANT_UNCLEAR, 500},
    {TENANT_REFUSED, 403},   {TENANT_UNCLEAR, 0}, {TENANT_NOT_AUTHORISED, 401},
};

static void test_no_answer(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(no_answers); i++) {
        begin(*state);
        no_answer(*state, no_answers[i].class, no_answers[i].status, i % 2);
        forget(state);
        prepare(state);
    }
    begin(*state);
}

/* One who is answered for is enough, whatever comes for all others. */
static void test_most_unread(void **state)
{
    static const char *const logins[] = {"u0", "u1", "u2", "u3", "u5"};
    for (size_t i = 0; i < ARRAY_SIZE(no_answers); i++) {
        struct bed *b = *state;
        begin(b);
        for (size_t k = 0; k < ARRAY_SIZE(logins); k++)
            fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_SCIM_GET,
                                                            .login = logins[k],
                                                            .times = -1,
                                                            .class = no_answers[i].class,
                                                            .status = no_answers[i].status});
        bed_restart(b);
        bed_person_uid(b, "late");
        bed_group(b, "support", "u0", "u1", "u2", "u3", "u4", "u5", "late", NULL);
        bed_sync(b);
        bed_advance(b, MINUTE);
        assert_non_null(fake_tenant_find(b->tenant, "late"));
        fake_tenant_heal(b->tenant);
        bed_advance(b, HOUR);
        forget(state);
        prepare(state);
    }
    begin(*state);
}

/* One connection that ends is no outage. */
static void test_silent_once(void **state)
{
    struct bed *b = *state;
    begin(b);
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_SCIM_GET,
                                                    .times = 1,
                                                    .class = TENANT_UNCLEAR});
    bed_restart(b);
    bed_run(b);
    assert_int_equal(health_state(b->engine->health), ENGINE_TENANT_OK);
    assert_null(other_tenant(b));
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_SCIM_GET), 2);
}

/* Something was under way when it ended, and the token is another one after that: it has an end on
 * record, and is found done when the right one is back. */
static void test_under_way(void **state)
{
    struct bed *b = *state;
    begin(b);
    bed_person_uid(b, "late");
    bed_group(b, "support", "u0", "u1", "u2", "u3", "u4", "u5", "late", NULL);
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_CREATE,
                                                    .login = "late",
                                                    .times = 1,
                                                    .class = TENANT_UNCLEAR,
                                                    .takes_effect = true});
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_GET | FAKE_LOOKUP,
                                                    .times = -1,
                                                    .class = TENANT_UNCLEAR});
    b->tenant->hold = true;
    bed_read_all(b);
    bed_run(b);
    bed_crash(b);
    b->tenant->hold = false;
    fake_tenant_heal(b->tenant);
    size_t n = n_writes(b);
    swap_token(b);
    bed_restart(b);
    bed_sync(b);
    assert_non_null(other_tenant(b));
    assert_int_equal(n_writes(b), n);
    assert_int_equal(bed_audit(b, "outcome", REASON_OTHER_TENANT, "late"), 1);
    swap_token(b);
    bed_restart(b);
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_STARTED, NULL), 0);
    assert_non_null(fake_tenant_find(b->tenant, "late"));
    assert_int_equal(fake_tenant_find(b->tenant, "late")->n_created, 1);
}

static size_t n_events, dies_at;

static bool dies(void *userdata)
{
    (void)userdata;
    return ++n_events == dies_at;
}

/* A death at any point of both ways. */
static void test_deaths(void **state)
{
    struct bed *b = *state;
    for (dies_at = 0, n_events = 1; dies_at <= n_events; dies_at++) {
        begin(b);
        size_t n = n_writes(b);
        b->dies = dies;
        n_events = 0;
        meet_others(b);
        assert_non_null(other_tenant(b));
        assert_int_equal(n_writes(b), n);
        assert_int_equal(bed_audit(b, "configuration", REASON_OTHER_TENANT, NULL), 1);
        swap_token(b);
        bed_restart(b);
        bed_sync(b);
        b->dies = NULL;
        assert_null(other_tenant(b));
        bed_sync(b);
        assert_int_equal(b->tenant->n_users, PEOPLE + 1);
        assert_int_equal(n_disabled(b), 1);
        size_t most = n_events;
        forget(state);
        prepare(state);
        b = *state;
        n_events = most;
    }
    assert_true(dies_at > 20);
    begin(b);
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, prepare, forget)
    const struct CMUnitTest tests[] = {
        TEST(test_another_token),     TEST(test_another_token_approved),
        TEST(test_revoked_meanwhile), TEST(test_deleted_by_hand),
        TEST(test_how_many),          TEST(test_nobody_active),
        TEST(test_ids_of_others),     TEST(test_no_answer),
        TEST(test_silent_once),       TEST(test_most_unread),
        TEST(test_under_way),         TEST(test_deaths),
        TEST(test_active_first),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
