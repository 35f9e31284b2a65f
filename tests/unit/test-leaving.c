/*
 * The one rule for leaving, in random histories: people come, leave and change groups, an operator
 * pauses, resumes and reloads, rosterd dies, and requests wait in a line for few slots. The oracle
 * is asked at each request: it knows what was told, and nothing of who looked at whom since.
 *
 *   test-leaving [--histories N] [--seed N]
 */
#include "config.h"

#include "base/log.h"
#include "base/random.h"
#include "dice.h"
#include "engine-bed.h"
#include "unit.h"

#define N_PEOPLE 8
#define N_STEPS  60

struct story {
    struct bed *b;
    bool here[N_PEOPLE], member[N_PEOPLE]; /* as the directory told */
    bool no_rule, paused;
    void (*bed_request)(enum fake_kind kind, const char *login, const char *id, void *userdata);
};

static uint64_t seed;
#define wrong(...)                                                                             \
    do {                                                                                       \
        print_error("seed %llu: ", (unsigned long long)seed);                                  \
        fail_msg(__VA_ARGS__);                                                                 \
    } while (0)

/* A request that is to change somebody leaves. */
static void look_at_request(enum fake_kind kind, const char *login, const char *id, void *userdata)
{
    struct story *s = userdata;
    unsigned who = login ? (unsigned)atoi(login + 1) : 0;
    s->bed_request(kind, login, id, s->b);
    if (s->paused)
        wrong("a request for %s left while writing was paused", login ? login : id);
    if (kind == FAKE_CREATE && (s->no_rule || !s->here[who] || !s->member[who]))
        wrong("a create of %s left, who was not to have a user any more", login);
}

static void tell_group(struct story *s)
{
    char names[N_PEOPLE][8];
    const char *uids[N_PEOPLE];
    size_t n = 0;
    for (unsigned i = 0; i < N_PEOPLE; i++) {
        snprintf(names[i], sizeof names[i], "u%u", i);
        if (s->member[i])
            uids[n++] = names[i];
    }
    bed_group_uids(s->b, "support", uids, n);
    bed_tell(s->b, "group-support");
}

static void tell_person(struct story *s, unsigned i)
{
    char uid[8], id[16];
    snprintf(uid, sizeof uid, "u%u", i);
    snprintf(id, sizeof id, "id-u%u", i);
    if (s->here[i])
        bed_person_uid(s->b, uid);
    else
        bed_leave(s->b, id);
    bed_tell(s->b, id);
}

static void pause_or_resume(struct story *s, bool pause)
{
    struct error e = {0};
    if (!pause)
        s->paused = false;
    bed_ok(s->b, engine_pause(s->b->engine, pause, 0, &e));
    s->paused = pause;
}

static void reload(struct story *s, bool no_rule)
{
    struct error e = {0};
    s->b->rules[0].group.text = (char *)(no_rule ? "cn=nobody,ou=groups,dc=example,dc=com"
                                                 : "cn=support,ou=groups,dc=example,dc=com");
    s->b->options.fingerprint = no_rule ? "without" : "with";
    s->no_rule = false; /* whichever is in force, until it is */
    bed_ok(s->b, engine_reload(s->b->engine, &s->b->options, &e));
    s->no_rule = no_rule;
}

static void step(struct story *s)
{
    struct bed *b = s->b;
    unsigned who = below(N_PEOPLE);
    switch (below(12)) {
    case 0:
        s->here[who] = !s->here[who];
        tell_person(s, who);
        break;
    case 1:
    case 2:
    case 3:
        s->member[who] = !s->member[who];
        tell_group(s);
        break;
    case 4: pause_or_resume(s, !s->paused); break;
    case 5: reload(s, chance(30)); break;
    case 6: b->tenant->hold = true; break;
    case 7: fake_tenant_release(b->tenant); break;
    case 8:
        if (chance(30))
            bed_crash(b);
        break;
    default: break;
    }
    if (chance(30))
        bed_run(b);
    else
        for (unsigned i = below(6); i > 0 && sd_event_run(b->event, 0) > 0; i--)
            ;
}

static void come_to_rest(struct story *s)
{
    struct bed *b = s->b;
    fake_tenant_release(b->tenant);
    pause_or_resume(s, false);
    reload(s, false);
    bed_sync(b);
    bed_advance(b, HOUR);
    for (unsigned i = 0; i < N_PEOPLE; i++) {
        char uid[8];
        snprintf(uid, sizeof uid, "u%u", i);
        const struct fake_user *u = fake_tenant_find(b->tenant, uid);
        bool wanted = s->here[i] && s->member[i], has = u && !u->user->disabled;
        if (wanted != has)
            wrong("u%u %s a user", i, wanted ? "has not" : "has");
        if (u && u->n_created != 1)
            wrong("u%u was made %u times", i, u->n_created);
    }
    assert_int_equal(bed_queue(b, 0, NULL), 0);
    bed_check_ledgers(b);
}

static void play(void)
{
    struct story s = {.b = bed_new(false)};
    struct bed *b = s.b;
    dice = seed;
    b->stays_open = true;
    random_seed(1 + seed);
    b->sync.budgets[BUDGET_DISABLE].unlimited = b->sync.budgets[BUDGET_DELETE].unlimited = true;
    b->options.max_concurrent = 1 + below(4);
    b->tenant->slots = 1 + below(3);
    b->tenant->ahead = below(8);
    s.bed_request = b->tenant->on_request;
    for (unsigned i = 0; i < N_PEOPLE; i++)
        if ((s.here[i] = chance(70)))
            bed_person_uid(b, (char[]){'u', (char)('0' + i), 0});
    bed_start(b);
    bed_sync(b);
    b->tenant->on_request = look_at_request;
    b->tenant->request_data = &s;
    for (unsigned i = 0; i < N_STEPS; i++)
        step(&s);
    come_to_rest(&s);
    bed_free(b);
}

static unsigned n_histories = 150;
static uint64_t first_seed = 1;

static void test_histories(void **state)
{
    (void)state;
    for (unsigned i = 0; i < n_histories; i++) {
        seed = first_seed + i;
        play();
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_histories)};
    log_set_level(LOG_CRIT);
    read_arguments(argc, argv, &first_seed, &n_histories);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
