/*
 * Budgets over days, months and boots: a second, plain implementation of "never one more than the
 * limit within any window". It knows when the tenant was made to change something, in time that
 * really passed, and what a person approved; windows of a minute to a year, limits as numbers and
 * as shares, several kinds at once; times just before, at and after the end of a window and of a
 * day; a wall clock that is set, and machines that boot with a right or a wrong one.
 *
 *   test-budget-days [--histories N] [--seed N]
 */
#include "config.h"

#include <sys/timex.h>

#include "base/log.h"
#include "base/random.h"
#include "dice.h"
#include "engine-bed.h"
#include "state/queue.h"
#include "sync/engine-internal.h"
#include "unit.h"

#define N_PEOPLE 24
#define N_STEPS  70
#define YEAR     (365 * DAY)

static uint64_t seed;
static bool synchronised;

/* In place of the C library's: what the kernel says of its clock. */
int adjtimex(struct timex *t)
{
    t->status = synchronised ? 0 : STA_UNSYNC;
    return synchronised ? TIME_OK : TIME_ERROR;
}

/* Each person does one kind of thing, so that nobody has to tell them apart. */
enum sort { LEAVES, NAMED, MOVES, RENAMED, N_SORTS };

struct history {
    struct bed *b;
    uint64_t slack; /* a clock that is kept right is off by a second at most, at each boot */
    uint64_t begins;       /* what the monotonic clock says at each boot */
    uint64_t before_boots; /* time that passed in earlier boots and between them */
    uint64_t steady_ahead; /* the steady clock at the beginning, before the real one */
    int64_t wrong;         /* how far the wall clock is off */
    uint64_t window;
    size_t limit[N_SORTS];
    struct {
        uint64_t at;
        enum sort sort;
    } did[4096];
    size_t n;
    bool here[N_PEOPLE], sales[N_PEOPLE], approved[N_PEOPLE];
    char was[N_PEOPLE][32]; /* what each one's kind is about, as the tenant has it */
    unsigned name[N_PEOPLE], login[N_PEOPLE], n_reloads;
    char fingerprint[32];
};

static size_t reached[N_SORTS];

static uint64_t real(const struct history *h)
{
    return h->before_boots + h->b->monotonic;
}

static void count(struct history *h, enum sort sort, unsigned i)
{
    size_t within = 1;
    if (h->approved[i]) { /* for this once */
        h->approved[i] = false;
        return;
    }
    for (size_t k = 0; k < h->n; k++)
        within += h->did[k].sort == sort && real(h) - h->did[k].at + h->slack < h->window;
    assert_true(h->n < ARRAY_SIZE(h->did));
    h->did[h->n].at = real(h);
    h->did[h->n++].sort = sort;
    if (within > h->limit[sort])
        fail_msg("seed %llu: %zu of kind %d within %llu s, allowed are %zu",
                 (unsigned long long)seed, within, (int)sort,
                 (unsigned long long)(h->window / USEC_PER_SEC), h->limit[sort]);
    reached[sort] += within == h->limit[sort];
}

static void copy(char to[static 32], const char *from)
{
    snprintf(to, 32, "%s", from ? from : "");
}

static void on_write(enum fake_kind kind, const struct fake_user *after, const char *login,
                     void *userdata)
{
    struct history *h = userdata;
    unsigned i = (unsigned)atoi(login + 1);
    assert_non_null(after);
    enum sort sort = (enum sort)(i % N_SORTS);
    char now[32];
    copy(now, sort == LEAVES    ? (after->user->disabled ? "yes" : "")
              : sort == NAMED   ? user_get(after->user, USER_FIRST_NAME)
              : sort == RENAMED ? after->login
                                : user_get(after->user, USER_TEAM));
    bool same = strcmp(now, h->was[i]) == 0; /* another part of it, or once more */
    copy(h->was[i], now);
    if (!same && kind != FAKE_CREATE) /* who comes back is an update */
        count(h, sort == LEAVES && !now[0] ? NAMED : sort, i);
}

static void put_person(struct history *h, unsigned i)
{
    char id[32], dn[80], login[32], mail[64], name[32];
    snprintf(id, sizeof(id), "id-p%u", i);
    snprintf(dn, sizeof(dn), "uid=p%u,ou=people,dc=example,dc=com", i);
    snprintf(login, sizeof(login), "p%u-%u", i, h->login[i]);
    snprintf(mail, sizeof(mail), "p%u@example.com", i);
    snprintf(name, sizeof(name), "Name %u", h->name[i]);
    if (h->here[i])
        bed_person(h->b, id, dn, "uid", login, "givenName", name, "sn", "Last", "mail", mail, NULL);
    else if (bed_find(h->b, id))
        bed_leave(h->b, id);
}

static void put_groups(struct history *h)
{
    static const char *const names[] = {"support", "sales"};
    for (unsigned g = 0; g < 2; g++) {
        char texts[N_PEOPLE][16];
        const char *uids[N_PEOPLE];
        size_t n = 0;
        for (unsigned i = 0; i < N_PEOPLE; i++)
            if (h->sales[i] == (g == 1)) {
                snprintf(texts[n], sizeof(texts[n]), "p%u", i);
                uids[n] = texts[n];
                n++;
            }
        bed_group_uids(h->b, names[g], uids, n);
    }
}

static void change(struct history *h, unsigned i)
{
    char id[32];
    snprintf(id, sizeof(id), "id-p%u", i);
    switch (i % N_SORTS) {
    case LEAVES: h->here[i] = !h->here[i]; break;
    case NAMED: h->name[i]++; break;
    case RENAMED: h->login[i]++; break;
    default:
        h->sales[i] = !h->sales[i];
        put_groups(h);
        bed_tell(h->b, "group-support");
        bed_tell(h->b, "group-sales");
    }
    put_person(h, i);
    bed_tell(h->b, id);
}

/* Limits as people write them: a number, or a share with a floor. */
static void configure(struct history *h, bool limited)
{
    static const unsigned kinds[] = {BUDGET_DISABLE, BUDGET_UPDATE, BUDGET_TEAM, BUDGET_RENAME};
    static const uint64_t windows[] = {MINUTE, HOUR, DAY, 7 * DAY, 91 * DAY, YEAR};
    struct error e = {0};
    h->window = limited ? windows[below(ARRAY_SIZE(windows))] : DAY;
    h->b->sync.budget_window_usec = h->window;
    for (unsigned s = 0; s < N_SORTS; s++) {
        size_t floor = below(4), percent = below(3) * 5;
        h->b->sync.budgets[kinds[s]] =
            limited ? (struct budget){.percent = (unsigned)percent, .floor = floor}
                    : (struct budget){.unlimited = true};
        size_t share = N_PEOPLE * percent / 100; /* at most: the linked are never more */
        h->limit[s] = !limited ? SIZE_MAX : share > floor ? share : floor;
    }
    snprintf(h->fingerprint, sizeof(h->fingerprint), "configuration %u", h->n_reloads++);
    h->b->options.fingerprint = h->b->options.decisions = h->fingerprint;
    bed_ok(h->b, engine_reload(h->b->engine, &h->b->options, &e));
}

static void set_wall(struct history *h)
{
    uint64_t right = 1800000000ULL * USEC_PER_SEC + real(h);
    bed_set_clock(h->b, right + (uint64_t)h->wrong);
}

static int64_t any_step(void)
{
    static const int64_t steps[] = {1,         -1,         USEC_PER_SEC, 2 * HOUR,
                                    -(int64_t)(2 * HOUR), DAY, -(int64_t)DAY, 10 * DAY,
                                    -(int64_t)(10 * DAY), YEAR, -(int64_t)YEAR};
    return steps[below(ARRAY_SIZE(steps))];
}

/* Half of the machines keep their clocks right, and it is said so. */
static void set_clock(struct history *h)
{
    synchronised = chance(40);
    h->wrong = synchronised ? 0 : h->wrong + any_step();
    set_wall(h);
}

static void boot(struct history *h)
{
    uint64_t down = chance(50) ? below(30) * DAY : below(7200) * USEC_PER_SEC;
    h->before_boots = real(h) + down - h->begins;
    h->b->monotonic = h->begins;
    h->slack += USEC_PER_SEC;
    synchronised = chance(50);
    h->wrong = synchronised ? 0 : h->wrong + any_step();
    set_wall(h);
    bed_crash(h->b);
    bed_read_all(h->b);
}

/* To just before, at and after the moment when something leaves the window, or a day begins. */
static void go_to_an_edge(struct history *h)
{
    uint64_t now = real(h), edge = now - h->b->now % DAY + DAY; /* about midnight */
    if (h->n && chance(70))
        edge = h->did[below((unsigned)h->n)].at + h->window;
    edge += below(3) - 1;
    if (edge > now && edge - now < (synchronised ? 2 * YEAR : 50 * DAY))
        bed_advance(h->b, edge - now);
}

static int note_parked(const struct operation *o, void *userdata)
{
    struct history *h = userdata;
    unsigned i = (unsigned)atoi(o->entry_id + 4);
    assert_true(i < N_PEOPLE);
    h->approved[i] = true;
    return 0;
}

/* An approval that ends unused is void, and what is approved is taken for approved until then. */
static void approve(struct history *h)
{
    struct error e = {0};
    bed_run(h->b);
    bed_ok(h->b, queue_each(h->b->state, OPERATION_PARKED, note_parked, h, &e));
    (void)bed_approve(h->b);
    bed_run(h->b);
    bed_advance(h->b, 2 * HOUR);
    memset(h->approved, 0, sizeof(h->approved));
}

static void step(struct history *h)
{
    struct bed *b = h->b;
    switch (below(16)) {
    case 0: set_clock(h); break;
    case 1: boot(h); break;
    case 2:
        if (!b->tenant->n_under_way) /* else what left already is measured by the new limit */
            configure(h, true);
        break;
    case 3: approve(h); break;
    case 4: bed_crash(b); break;
    case 5: bed_restart(b); break;
    case 6: bed_advance(b, below(3) * HOUR + below(3) - 1 + MINUTE); break;
    case 7: bed_advance(b, below(synchronised ? 200 : 40) * DAY); break;
    case 8:
    case 9: go_to_an_edge(h); break;
    case 10: bed_read_all(b); break;
    case 11: b->tenant->hold = chance(50); fake_tenant_release(b->tenant); break;
    default:
        for (unsigned i = 1 + below(6); i > 0; i--)
            change(h, below(N_PEOPLE));
    }
    bed_run(b);
    /* What waits is measured on it: it may stand still, and never runs ahead. */
    uint64_t began = clock_steady_usec() - h->steady_ahead;
    if (began > real(h) + h->slack)
        fail_msg("seed %llu: the steady clock is %llu s ahead of what passed",
                 (unsigned long long)seed, (unsigned long long)((began - real(h)) / USEC_PER_SEC));
}

static void one_history(void)
{
    struct history *h = calloc(1, sizeof(*h));
    assert_non_null(h);
    dice = seed;
    synchronised = false;
    struct bed *b = h->b = bed_new(true);
    random_seed(1 + seed);
    h->begins = b->monotonic;
    b->sync.leave_grace_usec = 0;
    b->sync.approval_valid_usec = HOUR;
    b->options.slice = 1 + seed % 5;
    b->tenant->on_write = on_write;
    b->tenant->write_data = h;
    for (unsigned i = 0; i < N_PEOPLE; i++)
        h->here[i] = true;
    set_wall(h);
    for (unsigned i = 0; i < N_PEOPLE; i++)
        put_person(h, i);
    put_groups(h);
    bed_start(b);
    h->steady_ahead = clock_steady_usec() - real(h);
    configure(h, false);
    bed_sync(b);
    configure(h, true);
    bed_run(b);
    for (unsigned i = 0; i < N_STEPS; i++)
        step(h);
    fake_tenant_release(b->tenant);
    bed_run(b);
    bed_free(b);
    free(h);
}

static uint64_t first_seed = 1;
static unsigned n_histories = 30;

static void test_histories(void **state)
{
    (void)state;
    for (unsigned i = 0; i < n_histories; i++) {
        seed = first_seed + i;
        one_history();
    }
    for (int s = 0; s < N_SORTS && n_histories >= 30; s++)
        if (!reached[s])
            fail_msg("kind %d never reached its limit", s);
}

static bool is_out(const struct bed *b, const char *login)
{
    const struct fake_user *u = fake_tenant_find(b->tenant, login);
    assert_non_null(u);
    return u->user->disabled;
}

/* The machine was down for ten days, and says so only a while after its boot. Who left before has
 * been away for that long; who leaves in that while has the whole grace time from then on, and an
 * approval of that while holds for its hour. */
static void test_waits_begun_in_a_gap(void **state)
{
    (void)state;
    struct bed *b = bed_new(false);
    struct error e = {0};
    synchronised = true;
    b->sync.leave_grace_usec = 7 * DAY;
    b->sync.approval_valid_usec = HOUR;
    for (unsigned i = 0; i < 4; i++) {
        char uid[8];
        snprintf(uid, sizeof(uid), "u%u", i);
        bed_person_uid(b, uid);
    }
    bed_group(b, "support", "u0", "u1", "u2", "u3", NULL);
    uint64_t begins = b->monotonic;
    bed_start(b);
    bed_sync(b);
    bed_advance(b, HOUR);
    bed_leave(b, "id-u0");
    bed_sync(b);
    bed_advance(b, DAY);
    b->monotonic = begins;
    synchronised = false;
    bed_set_clock(b, b->now + 10 * DAY - 2 * HOUR); /* wrong */
    bed_crash(b);
    bed_sync(b);
    bed_advance(b, MINUTE);
    bed_leave(b, "id-u1");
    b->sync.budgets[BUDGET_UPDATE] = (struct budget){0};
    bed_person(b, "id-u3", "uid=u3,ou=people,dc=example,dc=com", "uid", "u3", "givenName", "Other",
               "sn", "u3", "mail", "u3@example.com", NULL);
    bed_ok(b, engine_pause(b->engine, true, 1000, &e));
    bed_sync(b);
    assert_int_equal(bed_approve(b), 1);
    assert_false(is_out(b, "u0") || is_out(b, "u1"));
    synchronised = true;
    bed_set_clock(b, b->now + 2 * HOUR);
    bed_advance(b, 50 * MINUTE);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, NULL), 0); /* it holds still */
    bed_ok(b, engine_pause(b->engine, false, 1000, &e));
    bed_advance(b, MINUTE);
    const struct fake_user *u3 = fake_tenant_find(b->tenant, "u3");
    assert_string_equal(user_get(u3->user, USER_FIRST_NAME), "Other");
    assert_true(is_out(b, "u0"));
    bed_advance(b, 7 * DAY - HOUR);
    assert_false(is_out(b, "u1"));
    bed_advance(b, HOUR);
    assert_true(is_out(b, "u1"));
    bed_free(b);
}

/* The power fails before the answer to what was approved is there, and for how long nobody
 * knows: what was done is settled, and what was not done waits for another approval. */
static void test_approved_before_a_gap(void **state)
{
    (void)state;
    for (int done = 0; done < 2; done++) {
        struct bed *b = bed_new(false);
        struct fake_fault lost = {
            .kinds = FAKE_WRITES, .times = 1, .class = TENANT_UNCLEAR, .takes_effect = done};
        synchronised = true;
        b->sync.approval_valid_usec = HOUR;
        bed_person_uid(b, "u0");
        bed_group(b, "support", "u0", NULL);
        uint64_t begins = b->monotonic;
        bed_start(b);
        bed_sync(b);
        bed_advance(b, DAY);
        b->sync.budgets[BUDGET_UPDATE] = (struct budget){0};
        bed_person(b, "id-u0", "uid=u0,ou=people,dc=example,dc=com", "uid", "u0", "givenName",
                   "Other", "sn", "u0", "mail", "u0@example.com", NULL);
        bed_sync(b);
        fake_tenant_fail(b->tenant, lost);
        assert_int_equal(bed_approve(b), 1);
        assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_UNCLEAR), 1);
        b->monotonic = begins;
        synchronised = false;
        bed_set_clock(b, b->now + 3 * HOUR);
        bed_crash(b);
        bed_sync(b);
        bed_advance(b, HOUR);
        const struct fake_user *u0 = fake_tenant_find(b->tenant, "u0");
        bool other = text_equal(user_get(u0->user, USER_FIRST_NAME), "Other");
        assert_int_equal(other, done);
        assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), !done);
        assert_int_equal(bed_queue(b, 0, NULL), !done);
        assert_int_equal(bed_approve(b), !done);
        u0 = fake_tenant_find(b->tenant, "u0");
        assert_string_equal(user_get(u0->user, USER_FIRST_NAME), "Other");
        bed_free(b);
    }
}

/* Where nothing happens nothing is written, but for the time: what waits has waited all the same
 * when the power fails, but for the last hour at most. */
static void test_quiet_days_count(void **state)
{
    (void)state;
    struct bed *b = bed_new(false);
    b->sync.leave_grace_usec = 2 * DAY;
    bed_person_uid(b, "u0");
    bed_group(b, "support", "u0", NULL);
    uint64_t begins = b->monotonic;
    synchronised = false;
    bed_start(b);
    bed_sync(b);
    bed_leave(b, "id-u0");
    bed_sync(b);
    for (unsigned i = 0; i < 44; i++)
        bed_advance(b, HOUR);
    assert_false(is_out(b, "u0"));
    b->monotonic = begins;
    bed_set_clock(b, b->now);
    bed_crash(b);
    bed_read_all(b);
    bed_advance(b, 3 * HOUR);
    assert_false(is_out(b, "u0"));
    bed_advance(b, 2 * HOUR);
    assert_true(is_out(b, "u0"));
    bed_free(b);
}

int main(int argc, char **argv)
{
    log_set_level(getenv("V") ? LOG_DEBUG : LOG_CRIT);
    read_arguments(argc, argv, &first_seed, &n_histories);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_histories), cmocka_unit_test(test_waits_begun_in_a_gap),
        cmocka_unit_test(test_approved_before_a_gap), cmocka_unit_test(test_quiet_days_count)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
