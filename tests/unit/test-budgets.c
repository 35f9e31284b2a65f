/*
 * Budgets hold: random histories with a tenant that answers late, never, or keeps everybody
 * logged in, through crashes, restarts, reloads and steps of the wall clock. The oracle counts
 * what the tenant was made to change, by its own idea of the kinds, and knows nothing of guard
 * and queue: within any window of real time never one more than the limit (T74).
 *
 *   test-budgets [--histories N] [--seed N]
 */
#include "config.h"

#include "base/random.h"
#include "bed-order.h"
#include "engine-bed.h"
#include "played.h"
#include "state/queue.h"
#include "sync/engine-internal.h"

#define N_PEOPLE 20
#define N_STEPS  60
#define MOST     8192

/* -- the counter -- */

enum sort { /* the test's own names, in the order of the enum of the budgets */
    CREATE = 1,
    UPDATE = 2,
    TEAM = 3,
    PRIVILEGED = 4,
    DISABLE = 5,
    DELETE = 6,
    RENAME = 7,
    REVOKE = 8,
    REMAKE = 9,
    DORMANT = 10,
    N_SORTS = 11,
};

struct known {
    char id[24], login[32], team[32];
    bool disabled, seller, there;
    char *all;
};

struct counter {
    struct bed *bed;
    size_t limits[N_STEPS + 8][N_SORTS]; /* of each configuration; SIZE_MAX: none */
    unsigned configuration;
    unsigned left[N_PEOPLE]; /* in which the person's last request left */
    unsigned nth[N_PEOPLE], n_left; /* which one of all that was */
    struct did {
        enum sort sort;
        uint64_t at;
        unsigned nth;
        size_t limit;
    } did[MOST];
    size_t n;
    bool made[N_PEOPLE];
    struct known users[512];
    size_t n_users;
};

static size_t seen[N_SORTS], stopped[N_SORTS]; /* over all histories */

static struct known *known_of(struct counter *c, const char *id)
{
    for (size_t i = 0; i < c->n_users; i++)
        if (!strcmp(c->users[i].id, id))
            return &c->users[i];
    assert_true(c->n_users < ARRAY_SIZE(c->users));
    struct known *k = &c->users[c->n_users++];
    snprintf(k->id, sizeof k->id, "%s", id);
    return k;
}

static void look_at(struct known *k, const struct fake_user *u)
{
    const char *team = user_get(u->user, USER_TEAM);
    snprintf(k->login, sizeof k->login, "%s", u->login);
    snprintf(k->team, sizeof k->team, "%s", team ? team : "");
    k->disabled = u->user->disabled;
    k->seller = user_role(u->user, "Seller") != NULL;
    k->there = true;
    free(k->all);
    k->all = user_to_json(u->user, false);
}

/* The tenant sees one kind of request for both, so some people are revoked and never leave, and
 * the others leave and are never revoked. */
#define FIRST_REVOCABLE (N_PEOPLE - 8)

/* Likewise these never leave, and are made a second time only because somebody deleted them
 * there. */
#define FIRST_VICTIM (FIRST_REVOCABLE - 4)

static bool is_victim(unsigned i)
{
    return i >= FIRST_VICTIM && i < FIRST_REVOCABLE;
}

/* And these are disabled only because nobody logged in as them for long; all others log in. */
#define FIRST_SLEEPER (N_PEOPLE - 4)
#define DORMANT_AFTER (3 * DAY)

static bool is_sleeper(const char *login)
{
    return atoi(login + 1) >= FIRST_SLEEPER;
}

static bool is_revocable(const char *login)
{
    return atoi(login + 1) >= FIRST_REVOCABLE && !is_sleeper(login);
}

static int sort_of(enum fake_kind kind, const struct known *before, const struct known *now,
                   bool again)
{
    if (kind == FAKE_CREATE)
        return now->seller ? PRIVILEGED : again ? REMAKE : CREATE;
    if (strcmp(before->login, now->login) != 0)
        return RENAME;
    if (now->disabled != before->disabled)
        return !now->disabled             ? UPDATE
               : is_sleeper(now->login)   ? DORMANT
               : is_revocable(now->login) ? REVOKE
                                          : DISABLE;
    if (strcmp(before->team, now->team) != 0)
        return TEAM;
    if (now->seller && !before->seller)
        return PRIVILEGED;
    return text_equal(before->all, now->all) ? 0 : UPDATE;
}

/* What left is measured by the limits of that moment, however late it arrives. */
static void on_request(enum fake_kind kind, const char *login, const char *id, void *userdata)
{
    struct counter *c = userdata;
    if (login) {
        c->left[atoi(login + 1)] = c->configuration;
        c->nth[atoi(login + 1)] = ++c->n_left;
    }
    if (c->bed->order)
        order_request(c->bed->order, kind, login, id);
}

/* Of those that left before it, and itself. */
static size_t count_within(const struct counter *c, const struct did *did)
{
    size_t within = 0;
    for (size_t i = 0; i < c->n; i++)
        within += c->did[i].sort == did->sort && c->did[i].nth <= did->nth &&
                  c->did[i].at + DAY > did->at;
    return within;
}

/* One that left earlier may arrive later: one more within the limits of those that left since. */
static void count(struct counter *c, enum sort sort, unsigned person)
{
    assert_true(c->n < MOST);
    const struct did *now = &c->did[c->n];
    c->did[c->n++] = (struct did){.sort = sort,
                                  .at = c->bed->monotonic,
                                  .nth = c->nth[person],
                                  .limit = c->limits[c->left[person]][sort]};
    seen[sort]++;
    for (const struct did *did = c->did; did <= now; did++) {
        size_t within = did->sort == sort && did->nth >= now->nth ? count_within(c, did) : 0;
        if (within > did->limit)
            fail_msg("seed %llu: %zu of kind %u within a day, allowed are %zu",
                     (unsigned long long)seed, within, sort, did->limit);
        stopped[sort] += within == did->limit && did == now;
    }
}

static void on_write(enum fake_kind kind, const struct fake_user *after, const char *login,
                     void *userdata)
{
    struct counter *c = userdata;
    if (!after) {
        count(c, DELETE, (unsigned)atoi(login + 1));
        return;
    }
    struct known *k = known_of(c, after->scim_id), before = *k;
    before.all = k->all ? strdup(k->all) : NULL;
    look_at(k, after);
    unsigned i = (unsigned)atoi(after->login + 1);
    bool again = kind == FAKE_CREATE && is_victim(i) && c->made[i];
    if (kind == FAKE_CREATE && !is_sleeper(after->login)) /* at work from the first day */
        fake_tenant_find(c->bed->tenant, after->login)->user->last_login_usec =
            c->bed->now + 1000 * DAY;
    c->made[i] = c->made[i] || kind == FAKE_CREATE;
    int sort = sort_of(kind, &before, k, again);
    free(before.all);
    if (sort)
        count(c, (enum sort)sort, i);
}

/* -- the company -- */

struct worker {
    bool here, terminated, revoked, spanish, sales;
    unsigned login, name;
};

struct history {
    struct counter c;
    struct bed *b;
    struct worker people[N_PEOPLE];
    unsigned n_reloads;
    uint64_t latest; /* the furthest that the wall clock has been */
    char fingerprint[32];
};

static unsigned fault_percent;

static void put_person(struct history *h, unsigned i)
{
    const struct worker *w = &h->people[i];
    char id[32], dn[80], login[32], mail[64], name[32], family[16];
    snprintf(id, sizeof id, "id-p%u", i);
    if (!w->here) {
        if (bed_find(h->b, id))
            bed_leave(h->b, id);
        return;
    }
    snprintf(dn, sizeof dn, "uid=p%u,ou=people,dc=example,dc=com", i);
    snprintf(login, sizeof login, "p%u-%u", i, w->login);
    snprintf(mail, sizeof mail, "p%u@example.com", i);
    snprintf(name, sizeof name, "Name %u", w->name);
    snprintf(family, sizeof family, "p%u", i);
    bed_person(h->b, id, dn, "uid", login, "givenName", name, "sn", family, "mail", mail,
               "preferredLanguage", w->spanish ? "es" : "en", "employeeType",
               w->revoked      ? "Revoked"
               : w->terminated ? "Terminated"
                               : "Here",
               NULL);
}

static void put_groups(struct history *h)
{
    static const char *const names[] = {"support", "sales"};
    for (unsigned g = 0; g < 2; g++) {
        char texts[N_PEOPLE][16];
        const char *uids[N_PEOPLE];
        size_t n = 0;
        for (unsigned i = 0; i < N_PEOPLE; i++)
            if (h->people[i].sales == (g == 1)) {
                snprintf(texts[n], sizeof texts[n], "p%u", i);
                uids[n] = texts[n];
                n++;
            }
        bed_group_uids(h->b, names[g], uids, n);
    }
}

static void change_one(struct history *h)
{
    unsigned i = below(N_PEOPLE);
    struct worker *w = &h->people[i];
    char id[32];
    bool revocable = i >= FIRST_REVOCABLE;
    switch (is_victim(i) || i >= FIRST_SLEEPER ? 3 + below(2) : below(7)) {
    case 0:
    case 1:
        if (revocable)
            w->revoked = !w->revoked;
        else
            w->here = !w->here;
        break;
    case 2: w->terminated = !revocable && !w->terminated; break;
    case 3: w->spanish = !w->spanish; break;
    case 4: w->name++; break;
    case 5: w->login++; break;
    default:
        w->sales = !w->sales;
        put_groups(h);
        bed_tell(h->b, "group-support");
        bed_tell(h->b, "group-sales");
    }
    snprintf(id, sizeof id, "id-p%u", i);
    put_person(h, i);
    bed_tell(h->b, id);
}

/* What an attempt that is not answered did at the tenant is a coin. */
static void chaos(enum fake_kind kind, struct fake_fault *ret, void *userdata)
{
    (void)userdata;
    if (!chance(fault_percent))
        return;
    bool write = (kind & FAKE_WRITES) != 0;
    ret->class = chance(25) ? TENANT_THROTTLED : write ? TENANT_UNCLEAR : TENANT_AWAY;
    ret->takes_effect = ret->class == TENANT_UNCLEAR && chance(50);
}

static bool coin(void *userdata)
{
    (void)userdata;
    return chance(50);
}

static void configure(struct history *h, bool limited)
{
    struct error e = {0};
    assert_true(++h->c.configuration < ARRAY_SIZE(h->c.limits));
    for (unsigned k = 1; k < BUDGET_N_KINDS; k++) {
        size_t limit = below(5);
        h->b->sync.budgets[k] =
            limited ? (struct budget){.floor = limit} : (struct budget){.unlimited = true};
        h->c.limits[h->c.configuration][k] = limited ? limit : SIZE_MAX;
    }
    snprintf(h->fingerprint, sizeof h->fingerprint, "configuration %u", h->n_reloads++);
    h->b->options.fingerprint = h->b->options.decisions = h->fingerprint;
    bed_ok(h->b, engine_reload(h->b->engine, &h->b->options, &e));
}

static void on_shift(struct history *h)
{
    bool shift = chance(50);
    for (size_t i = 0; i < h->b->tenant->n_users; i++)
        h->b->tenant->users[i].logged_in = shift;
}

/* All but the sleepers are at work each day. */
static void work(struct history *h)
{
    for (size_t i = 0; i < h->b->tenant->n_users; i++)
        if (!is_sleeper(h->b->tenant->users[i].login))
            h->b->tenant->users[i].user->last_login_usec = h->latest + 1000 * DAY;
}

/* One of them logs in, or asks somebody there to be enabled again. */
static void wake_one(struct history *h)
{
    struct fake_tenant *t = h->b->tenant;
    for (size_t i = below(4); i < t->n_users && !t->n_under_way; i++) {
        struct fake_user *u = &t->users[i];
        if (!is_sleeper(u->login))
            continue;
        u->user->last_login_usec = u->user->disabled ? u->user->last_login_usec : h->b->now;
        u->user->disabled = false;
        look_at(known_of(&h->c, u->scim_id), u);
        return;
    }
}

/* By hand, one or all of those who are made anew for it. */
static void delete_there(struct history *h)
{
    unsigned from = FIRST_VICTIM + below(4), to = chance(50) ? FIRST_REVOCABLE : from + 1;
    for (unsigned i = from; i < to; i++) {
        char login[32];
        snprintf(login, sizeof login, "p%u-0", i);
        fake_tenant_remove(h->b->tenant, login);
    }
}

static void step(struct history *h)
{
    struct bed *b = h->b;
    h->latest = b->now > h->latest ? b->now : h->latest;
    work(h);
    switch (below(21)) {
    case 0:
        b->tenant->hold = true; /* late */
        break;
    case 1: fake_tenant_release(b->tenant); break;
    case 2: fault_percent = below(3) * 30; break;
    case 3: on_shift(h); break;
    case 4: bed_crash(b); break;
    case 5: bed_restart(b); break;
    case 6: /* forward and back, up to ten days */
        bed_set_clock(b, b->now + below(10) * DAY);
        break;
    case 7: bed_set_clock(b, b->now - below(10) * DAY); break;
    case 8: configure(h, true); break;
    case 9: bed_advance(b, below(3 * 3600) * USEC_PER_SEC); break;
    case 10: bed_advance(b, below(30) * HOUR); break;
    case 11: bed_read_all(b); break;
    case 12: delete_there(h); break;
    case 13: wake_one(h); break;
    default:
        for (unsigned i = 1 + below(4); i > 0; i--)
            change_one(h);
    }
    run_some(b);
}

static void begin(struct history *h)
{
    static char *privileged[] = {(char *)"Seller"};
    dice = seed;
    fault_percent = 0;
    struct bed *b = h->b = bed_new(false);
    b->stays_open = true;
    random_seed(1 + seed);
    h->c.bed = b;
    b->mapping.revoke_when = (struct mapping_text){.text = (char *)"(employeeType=Revoked)",
                                                   .file = (char *)"test.conf"};
    b->sync.on_drift = DRIFT_REPAIR;
    b->sync.verify_interval_usec = 6 * HOUR;
    b->sync.dormant_after_usec = DORMANT_AFTER;
    b->sync.dormant = DORMANT_DISABLE;
    b->sync.privileged_roles = privileged;
    b->sync.n_privileged_roles = 1;
    b->sync.delete_after_usec = chance(80) ? HOUR : 0;
    b->sync.leave_grace_usec = chance(70) ? 0 : DAY;
    b->options.max_concurrent = 1 + below(8);
    b->options.slice = 1 + seed % 5;
    b->tenant->on_request = on_request;
    b->tenant->request_data = &h->c;
    b->tenant->on_write = on_write;
    b->tenant->write_data = &h->c;
    b->tenant->chaos = chaos;
    b->tenant->cancelled_takes_effect = coin;
    b->tenant->slots = seed % 2 ? 1 + seed % 3 : 0; /* half of them with a line before the tenant */
    b->tenant->ahead = seed % 2 ? seed % 11 : 0;
    for (unsigned i = 0; i < N_PEOPLE; i++) {
        h->people[i] =
            (struct worker){.here = chance(70) || i >= FIRST_VICTIM,
                            .sales = !is_victim(i) && chance(30)};
        put_person(h, i);
    }
    put_groups(h);
    bed_start(b);
    configure(h, false);
    bed_sync(b);
    bed_advance(b, 2 * DAY);
    configure(h, true);
    bed_run(b);
}

static int say_left(const struct operation *o, void *userdata)
{
    (void)userdata;
    print_error("%s of %s, state %d, %s: %s (attempts %u)\n", operation_kind_name(o->kind),
                o->login, (int)o->state, o->reason ? o->reason : "no reason",
                o->sentence ? o->sentence : "", o->attempts);
    return 0;
}

/* Nothing was lost by waiting: without limits everything is done in the end. */
static void come_to_rest(struct history *h)
{
    struct bed *b = h->b;
    fault_percent = 0;
    bed_set_clock(b, h->latest); /* what waits, waits for a wall time */
    fake_tenant_release(b->tenant);
    b->sync.n_privileged_roles = 0; /* else the last seller stays */
    configure(h, false);
    bed_sync(b);
    bed_advance(b, 8 * DAY);
    for (size_t i = 0; i < b->tenant->n_users; i++)
        b->tenant->users[i].logged_in = false;
    bed_sync(b);
    bed_advance(b, 8 * DAY);
    struct error e = {0};
    bed_ok(b, queue_each(b->state, (enum operation_state)0, say_left, NULL, &e));
    if (bed_queue(b, 0, NULL))
        fail_msg("seed %llu: %zu operations are left", (unsigned long long)seed,
                 bed_queue(b, 0, NULL));
}

static void one_history(void)
{
    struct history *h = calloc(1, sizeof *h);
    assert_non_null(h);
    begin(h);
    for (unsigned i = 0; i < N_STEPS; i++)
        step(h);
    come_to_rest(h);
    bed_check_ledgers(h->b);
    bed_free(h->b);
    for (size_t i = 0; i < h->c.n_users; i++)
        free(h->c.users[i].all);
    free(h);
}

/* The histories are no test of a budget that they never reach. */
static void never_met(void)
{
    for (int k = 1; k < N_SORTS; k++)
        if (!stopped[k])
            fail_msg("kind %d never reached its limit (%zu seen)", k, seen[k]);
}

/* Failed once: a run ended with somebody whose operation was found to be beyond its budget when it
 * was to begin, and was not parked yet; one that left later arrived first (the test's mistake). */
static const uint64_t kept_seeds[] = {20261797, 20261228};

int main(int argc, char **argv)
{
    static const struct played played = {
        .history = one_history,
        .never_met = never_met,
        .kept = kept_seeds,
        .n_kept = ARRAY_SIZE(kept_seeds),
        .n = 40,
    };
    return play_histories(argc, argv, &played);
}
