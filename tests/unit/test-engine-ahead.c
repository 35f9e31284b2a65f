/*
 * Revocations that the directory tells ahead of the read that is under way: random histories. A
 * read shows everybody as they were when it began, one by one; meanwhile people are revoked and
 * given back there, which is told at once by a search beside it, and by changes only when the read
 * is over; the process ends at any moment. What holds is a few lines that know nothing of rosterd.
 *
 *   test-engine-ahead [--histories N] [--seed N]
 */
#include "config.h"

#include "directory/feed.h"

#include "base/random.h"
#include "dice.h"
#include "engine-test.h"
#include "intake/rules.h"
#include "intake/told.h"

#define N_PEOPLE 8
#define N_STEPS  40

#define MORE_THAN_A_TURN 80

static uint64_t seed;

#define wrong(...)                                                                             \
    do {                                                                                       \
        print_error("seed %llu: ", (unsigned long long)seed);                                  \
        fail_msg(__VA_ARGS__);                                                                 \
    } while (0)

struct story {
    struct bed *b;
    bool revoked[N_PEOPLE]; /* at the server, now */
    bool was[N_PEOPLE];     /* when the read began */
    bool changed[N_PEOPLE]; /* since */
    unsigned shown;         /* of the read so far */
    bool reading, asked;    /* asked: beside the read */
    size_t n_deaths, n_seen;
};

static const char *uid(unsigned i)
{
    static char text[4];
    snprintf(text, sizeof(text), "u%u", i);
    return text;
}

static struct entry *entry_of(unsigned i, bool revoked)
{
    char id[16], dn[80], mail[40];
    snprintf(id, sizeof(id), "id-%s", uid(i));
    snprintf(dn, sizeof(dn), "uid=%s,ou=people,dc=example,dc=com", uid(i));
    snprintf(mail, sizeof(mail), "%s@example.com", uid(i));
    struct entry *entry = entry_new(id, dn, ENTRY_PERSON);
    assert_non_null(entry);
    const char *const values[][2] = {{"uid", uid(i)},
                                     {"givenName", "First"},
                                     {"sn", uid(i)},
                                     {"mail", mail},
                                     {"employeeType", revoked ? "Revoked" : "Agent"}};
    for (size_t k = 0; k < ARRAY_SIZE(values); k++)
        assert_int_equal(
            entry_add_value(entry, values[k][0], values[k][1], strlen(values[k][1])), 0);
    entry_sort(entry);
    return entry;
}

/* What the bed reads after a death. */
static void put_in_bed(const struct story *s, unsigned i)
{
    char id[16], dn[80], mail[40];
    snprintf(id, sizeof(id), "id-%s", uid(i));
    snprintf(dn, sizeof(dn), "uid=%s,ou=people,dc=example,dc=com", uid(i));
    snprintf(mail, sizeof(mail), "%s@example.com", uid(i));
    bed_person(s->b, id, dn, "uid", uid(i), "givenName", "First", "sn", uid(i), "mail", mail,
               "employeeType", s->revoked[i] ? "Revoked" : "Agent", NULL);
}

static struct reading *reading(const struct story *s)
{
    return engine_reading(s->b->engine);
}

static bool dies(void *userdata)
{
    struct story *s = userdata;
    bool now = s->reading && chance(1);
    s->n_deaths += now;
    return now;
}

/* A death ends the read, and the one after it is whole. */
static void run(struct story *s)
{
    bed_run(s->b);
    if (s->n_seen != s->n_deaths)
        s->reading = s->asked = false;
    s->n_seen = s->n_deaths;
}

static void tell_ahead(struct story *s, unsigned i)
{
    struct error e = {0};
    char id[16];
    snprintf(id, sizeof(id), "id-%s", uid(i));
    if (!s->asked)
        return;
    struct entry *entry = entry_of(i, true);
    if (s->revoked[i])
        bed_ok(s->b, engine_sink.urgent->named(reading(s), 0, entry, &e));
    else
        bed_ok(s->b, engine_sink.urgent->left(reading(s), 0, id, &e));
    entry_free(entry);
}

static bool is_told(const struct story *s, unsigned i)
{
    char id[16];
    snprintf(id, sizeof(id), "id-%s", uid(i));
    return told_has(rules_told(s->b->engine->rules), id);
}

/* Who matches now, from the beginning: a connection that begins anew. */
static void ask(struct story *s)
{
    struct error e = {0};
    assert_non_null(engine_sink.urgent->filter(reading(s)));
    engine_sink.urgent->begin(reading(s), 0);
    s->asked = true;
    for (unsigned i = 0; i < N_PEOPLE; i++)
        if (s->revoked[i])
            tell_ahead(s, i);
    bed_ok(s->b, engine_sink.urgent->listed(reading(s), 0, &e));
    for (unsigned i = 0; i < N_PEOPLE; i++)
        if (is_told(s, i) != s->revoked[i])
            wrong("u%u is%s told", i, s->revoked[i] ? " not" : "");
}

static void begin_read(struct story *s)
{
    struct error e = {0};
    memcpy(s->was, s->revoked, sizeof(s->was));
    memset(s->changed, 0, sizeof(s->changed));
    s->shown = 0;
    s->reading = true;
    bed_ok(s->b, engine_sink.begin(reading(s), 0, true, &e));
    if (!s->asked)
        ask(s);
}

static void show_one(struct story *s)
{
    struct error e = {0};
    if (s->shown < N_PEOPLE) {
        unsigned i = s->shown++;
        assert_true(engine_sink.entry(reading(s), 0, entry_of(i, s->was[i]), &e) >= 0);
    }
}

/* Everything is as the server has it, for those whom this concerns at once. */
static void check(const struct story *s)
{
    for (unsigned i = 0; i < N_PEOPLE; i++) {
        if (s->revoked[i] && (s->asked || !s->reading) && !is_disabled(s->b, uid(i)))
            wrong("u%u keeps access while everything is read", i);
        if (!s->revoked[i] && !s->reading && is_disabled(s->b, uid(i)))
            wrong("u%u is disabled for nothing", i);
    }
}

static void end_read(struct story *s)
{
    struct error e = {0};
    struct feed_commit c = {.absence = FEED_ABSENCE_UNSEEN, .end_of_read = true};
    while (s->shown < N_PEOPLE)
        show_one(s);
    assert_true(engine_sink.present(reading(s), 0, "group-support", &e) >= 0);
    bed_ok(s->b, engine_sink.commit(reading(s), &c, &e));
    for (unsigned i = 0; i < N_PEOPLE; i++)
        if (is_told(s, i) && !s->changed[i])
            wrong("u%u was shown, and is still told", i);
    s->b->dies = NULL; /* from here on the bed's own reads would run ahead of the changes */
    for (unsigned n = below(3); n > 0; n--)
        run(s);
    for (unsigned i = 0; i < N_PEOPLE && s->asked; i++)
        if (s->revoked[i] && !is_disabled(s->b, uid(i)))
            wrong("u%u has access again when the read is over", i);
    for (unsigned i = 0; i < N_PEOPLE; i++)
        if (s->changed[i]) {
            char id[16];
            snprintf(id, sizeof(id), "id-%s", uid(i));
            bed_tell(s->b, id);
            if (chance(50))
                run(s);
        }
    run(s);
    s->reading = false;
    if (engine_sink.urgent->is_open(reading(s), &e))
        wrong("the entries say all, and something is still told ahead of them");
    s->asked = false;
    s->b->dies = dies;
    run(s);
}

static void turn_about(struct story *s)
{
    unsigned i = below(N_PEOPLE);
    s->revoked[i] = !s->revoked[i];
    s->changed[i] = true;
    put_in_bed(s, i);
    if (s->reading) {
        tell_ahead(s, i);
    } else {
        char id[16];
        snprintf(id, sizeof(id), "id-%s", uid(i));
        bed_tell(s->b, id);
    }
}

static void step(struct story *s)
{
    unsigned what = below(100);
    struct error e = {0};
    if (what < 40)
        turn_about(s);
    else if (what < 60 && s->reading)
        show_one(s);
    else if (what < 70 && s->reading)
        end_read(s);
    else if (what < 80 && !s->reading)
        begin_read(s);
    else if (what < 84 && s->reading) { /* the connection was lost, and everything begins anew */
        s->asked = false;
        if (chance(50))
            turn_about(s);
        begin_read(s);
    } else if (what < 88)
        bed_ok(s->b, engine_reload(s->b->engine, &s->b->options, &e));
    else if (what < 92 && s->reading) {
        bed_crash(s->b);
        s->asked = false;
        begin_read(s);
    } else {
        bed_advance(s->b, MINUTE);
    }
    run(s);
    check(s);
}

static void play(void)
{
    struct story s = {.b = bed_new(false)};
    struct bed *b = s.b;
    dice = seed;
    random_seed(1 + seed);
    b->stays_open = true;
    may_revoke(b);
    for (size_t i = 0; i < BUDGET_N_KINDS; i++)
        b->sync.budgets[i] = (struct budget){.unlimited = true};
    people(b, N_PEOPLE, "support");
    for (unsigned i = 0; i < N_PEOPLE; i++)
        put_in_bed(&s, i);
    bed_start(b);
    bed_sync(b);
    assert_int_equal(b->tenant->n_users, N_PEOPLE);
    b->dies = dies;
    b->dies_data = &s;
    for (unsigned i = 0; i < N_STEPS; i++)
        step(&s);
    if (s.reading)
        end_read(&s);
    b->dies = NULL;
    bed_advance(b, HOUR);
    check(&s);
    assert_int_equal(bed_queue(b, 0, NULL), 0);
    bed_check_ledgers(b);
    bed_free(b);
}

static unsigned n_histories = 100;
static uint64_t first_seed = 1;

static void test_histories(void **state)
{
    (void)state;
    for (unsigned i = 0; i < n_histories; i++) {
        seed = first_seed + i;
        play();
    }
}

static const struct fake_fault away = {.kinds = ~0u, .times = -1, .class = TENANT_AWAY};

/* What waits in the tenant's line is withdrawn and judged anew, also amid a read: whoever is
 * revoked by the rules of before alone is not disabled by those of now. */
static void withdrawn_in_a_read(struct bed *b, unsigned n)
{
    struct error e = {0};
    may_revoke(b);
    b->sync.budgets[BUDGET_REVOKE] = (struct budget){.unlimited = true};
    people(b, n, "support");
    bed_start(b);
    bed_sync(b);
    b->options.max_concurrent = 4;
    b->tenant->slots = 1;
    b->tenant->ahead = 4;
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    bed_run(b);
    b->tenant->hold = true;
    bed_ok(b, engine_sink.begin(engine_reading(b->engine), 0, true, &e));
    for (unsigned i = 0; i < n; i++)
        revoke_uid(b, uid(i), true);
    bed_run(b);
    b->mapping.revoke_when.text = (char *)"(employeeType=Fired)";
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    bed_run(b);
    size_t left = b->tenant->n_under_way;
    fake_tenant_release(b->tenant);
    bed_run(b);
    assert_int_equal(left, 3); /* three waited in the line, all others in the queue */
    assert_int_equal(n_disabled(b), left);
    bed_sync(b);
    assert_int_equal(n_disabled(b), 0);
    assert_int_equal(bed_queue(b, 0, NULL), 0);
}

static void test_withdrawn_in_a_read(void **state)
{
    withdrawn_in_a_read(*state, 9);
}

/* … also when they are more than one turn looks at. */
static void test_many_withdrawn_in_a_read(void **state)
{
    withdrawn_in_a_read(*state, MORE_THAN_A_TURN);
}

/* … and whoever is shown, or told, as given back, before the request has left. */
static void test_given_back_in_a_read(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    may_revoke(b);
    people(b, 4, "support");
    bed_start(b);
    bed_sync(b);
    fake_tenant_fail(b->tenant, away);
    bed_ok(b, engine_sink.begin(engine_reading(b->engine), 0, true, &e));
    revoke_uid(b, "u1", true);
    revoke_uid(b, "u2", true);
    struct entry *told = entry_of(3, true);
    bed_ok(b, engine_sink.urgent->named(engine_reading(b->engine), 0, told, &e));
    bed_run(b);
    assert_int_equal(bed_queue(b, 0, NULL), 3);
    assert_int_equal(
        engine_sink.entry(engine_reading(b->engine), 0, entry_of(1, false), &e), 0);
    bed_ok(b, engine_sink.urgent->left(engine_reading(b->engine), 0, "id-u3", &e));
    entry_free(told);
    bed_run(b);
    fake_tenant_heal(b->tenant);
    bed_advance(b, HOUR);
    assert_false(is_disabled(b, "u1") || is_disabled(b, "u3"));
    assert_true(is_disabled(b, "u2"));
}

/* A first read that everybody is disabled by, and the next one, which has begun. */
static void all_left(struct bed *b, unsigned n)
{
    struct error e = {0};
    may_revoke(b);
    b->sync.budgets[BUDGET_REVOKE] = (struct budget){.unlimited = true};
    people(b, n, "support");
    bed_start(b);
    bed_sync(b);
    for (unsigned i = 0; i < n; i++)
        revoke_uid(b, uid(i), true);
    bed_run(b);
    assert_int_equal(n_disabled(b), n);
    bed_ok(b, engine_sink.begin(engine_reading(b->engine), 0, true, &e));
}

static void name(struct bed *b, unsigned i)
{
    struct error e = {0};
    struct entry *entry = entry_of(i, true);
    bed_ok(b, engine_sink.urgent->named(engine_reading(b->engine), 0, entry, &e));
    entry_free(entry);
}

/* Whoever left long ago is named at each read, and nobody looks who that is. */
static void test_left_long_ago(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    all_left(b, 9);
    const struct told *told = rules_told(b->engine->rules);
    engine_sink.urgent->begin(engine_reading(b->engine), 0);
    for (unsigned i = 0; i < 9; i++)
        name(b, i);
    bed_ok(b, engine_sink.urgent->listed(engine_reading(b->engine), 0, &e));
    assert_int_equal(told->n_items, 9); /* the read may show them as they were before */
    CLEANUP(string_list_done)
    struct string_list looks = reading_take_revocations(engine_reading(b->engine));
    assert_int_equal(looks.n_items, 0);
    assert_false(state_in_transaction(b->state) && state_has_changed(b->state));
    assert_int_equal(engine_sink.urgent->is_open(engine_reading(b->engine), &e), 0);
    assert_int_equal(told->n_items, 0);
    /* With one of whom the read shows what was before, it is open until the entry says the same. */
    for (unsigned i = 0; i < 9; i++)
        name(b, i);
    assert_true(engine_sink.entry(engine_reading(b->engine), 0, entry_of(3, false), &e) >= 0);
    assert_int_equal(engine_sink.urgent->is_open(engine_reading(b->engine), &e), 1);
    assert_true(engine_sink.entry(engine_reading(b->engine), 0, entry_of(3, true), &e) >= 0);
    assert_int_equal(engine_sink.urgent->is_open(engine_reading(b->engine), &e), 0);
    assert_int_equal(told->n_items, 0);
}

/* However many are revoked at once, a turn looks at some of them. */
static void test_some_a_turn(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    may_revoke(b);
    b->sync.budgets[BUDGET_REVOKE] = (struct budget){.unlimited = true};
    people(b, MORE_THAN_A_TURN, "support");
    bed_start(b);
    bed_sync(b);
    bed_ok(b, engine_sink.begin(engine_reading(b->engine), 0, true, &e));
    for (unsigned i = 0; i < MORE_THAN_A_TURN; i++)
        name(b, i);
    for (uint64_t turns = b->engine->n_turns; b->engine->n_turns == turns;)
        assert_true(sd_event_run(b->event, 0) > 0);
    size_t n = bed_queue(b, 0, NULL);
    assert_true(n > 0 && n <= 64);
    assert_int_equal(b->tenant->n_under_way, 0);
    bed_run(b);
    assert_int_equal(n_disabled(b), MORE_THAN_A_TURN);
}

/* Somebody is about to get access back, and is revoked anew meanwhile: what waits does not leave
 * when the read is over, although that showed how it was when it began. */
static void test_revoked_before_enabled(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    struct feed_commit c = {.absence = FEED_ABSENCE_UNSEEN, .end_of_read = true};
    char writes[4000] = "";
    may_revoke(b);
    people(b, 3, "support");
    bed_start(b);
    bed_sync(b);
    revoke_uid(b, "u1", true);
    bed_run(b);
    assert_true(is_disabled(b, "u1"));
    b->tenant->on_write = note_write;
    b->tenant->write_data = writes;
    fake_tenant_fail(b->tenant, away);
    bed_person_uid(b, "u1");
    bed_tell(b, "id-u1");
    bed_run(b);
    assert_int_equal(bed_queue(b, 0, NULL), 1);
    bed_ok(b, engine_sink.begin(engine_reading(b->engine), 0, true, &e));
    name(b, 1);
    bed_run(b);
    static const char *const shown[] = {"id-u0", "id-u1", "id-u2", "group-support", "group-sales"};
    for (size_t i = 0; i < ARRAY_SIZE(shown); i++)
        assert_true(engine_sink.present(engine_reading(b->engine), 0, shown[i], &e) >= 0);
    bed_ok(b, engine_sink.commit(engine_reading(b->engine), &c, &e));
    fake_tenant_heal(b->tenant);
    bed_advance(b, HOUR);
    assert_true(is_disabled(b, "u1"));
    assert_string_equal(writes, "");
}

/* Everybody is still to be looked at by other rules: whoever is revoked by those of before alone,
 * and waited beyond the budget, or because the tenant refused it, is not disabled meanwhile. */
static size_t most_disabled;

static void note_disabled(enum fake_kind kind, const struct fake_user *after, const char *login,
                          void *userdata)
{
    size_t n = n_disabled(userdata);
    (void)kind, (void)after, (void)login;
    most_disabled = n > most_disabled ? n : most_disabled;
}

static void other_rules(struct bed *b)
{
    struct error e = {0};
    most_disabled = n_disabled(b);
    b->tenant->on_write = note_disabled;
    b->tenant->write_data = b;
    b->mapping.revoke_when.text = (char *)"(employeeType=Fired)";
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
}

static void test_beyond_the_budget_before_a_reload(void **state)
{
    struct bed *b = *state;
    may_revoke(b);
    b->sync.budgets[BUDGET_REVOKE] = (struct budget){.floor = 5};
    people(b, 400, "support");
    bed_start(b);
    bed_sync(b);
    for (unsigned i = 0; i < 99; i++)
        revoke_uid(b, uid(i), true);
    bed_run(b);
    assert_int_equal(n_disabled(b), 5);
    bed_advance(b, 2 * DAY);
    assert_int_equal(n_disabled(b), 5);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 94);
    other_rules(b);
    bed_run(b);
    assert_int_equal(most_disabled, 5);
    assert_int_equal(n_disabled(b), 0);
    is_idle(b);
}

static void test_refused_before_a_reload(void **state)
{
    struct bed *b = *state;
    may_revoke(b);
    people(b, 400, "support");
    bed_start(b);
    bed_sync(b);
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_WRITES,
                                                    .times = 1,
                                                    .class = TENANT_REFUSED,
                                                    .status = 400});
    revoke_uid(b, "u99", true);
    bed_run(b);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_REFUSED), 1);
    other_rules(b);
    bed_run(b);
    assert_int_equal(most_disabled, 0);
    assert_int_equal(n_disabled(b), 0);
    is_idle(b);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        scenario(test_withdrawn_in_a_read),
        scenario(test_many_withdrawn_in_a_read),
        scenario(test_given_back_in_a_read),
        scenario(test_left_long_ago),
        scenario(test_some_a_turn),
        scenario(test_revoked_before_enabled),
        scenario(test_beyond_the_budget_before_a_reload),
        scenario(test_refused_before_a_reload),
        cmocka_unit_test(test_histories),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    read_arguments(argc, argv, &first_seed, &n_histories);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
