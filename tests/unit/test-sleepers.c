/*
 * Who did not log in for long. Random histories of a few people who log in or not, leave, come
 * back, are disabled and enabled by hand, whose last log-in cannot be read for a while, whose
 * reads fail, while the wall clock is set, rosterd restarts, and another configuration names
 * another time, or says whether dormant people are reported or disabled. The oracle is the
 * log-ins as they really were, in time that really passed: nobody is disabled for it early, nor
 * a protected one, nor more than the budget allows; whoever was is enabled by no request of
 * ours; and at rest all who are dormant are disabled, or reported.
 *
 *   test-sleepers [--histories N] [--seed N]
 */
#include "config.h"

#include "base/random.h"
#include "engine-bed.h"
#include "histories.h"
#include "played.h"
#include "sync/engine-internal.h"
#include "unit.h"

#define N_PEOPLE 8
#define N_RESTS  4
#define N_STEPS  16
#define MOST     64

/* The wall clock is off by so much at most whenever it is believed. */
#define SLACK (3 * HOUR)

/* -- the company -- */

struct worker {
    bool here, support, sales, terminated;
    bool could_leave; /* at any time since all was at rest */
};

/* A user as the tenant's table has it; times are real ones. */
struct seen {
    char id[24], login[16];
    bool by_hand;                 /* disabled or enabled, last */
    bool enabled, seller, asleep; /* disabled since nobody logged in */
    bool unreadable;              /* the last log-in */
    uint64_t used;                /* logged in, made or enabled */
    uint64_t hidden;              /* the last log-in could not be read */
};

struct history {
    struct bed *b;
    struct worker people[N_PEOPLE];
    struct seen seen[MOST];
    size_t n_seen;
    uint64_t offset;   /* real time is so much more than the monotonic clock */
    bool lies;         /* the wall clock is wrong by weeks or years, for less than a day */
    uint64_t shortest; /* dormant_after, at any time since all was at rest; … */
    bool disables,
        seller_stays; /* … and whether anybody is disabled, and the last seller is not */
    size_t limit;     /* of the budget; SIZE_MAX: none */
    uint64_t slept[MOST];
    size_t n_slept;
    unsigned n_reloads, faults;
    char fingerprint[32];
};

static size_t n_slept, n_reported, n_spared, n_beyond, n_woken;

static uint64_t real_time(const struct history *h)
{
    return h->b->monotonic + h->offset;
}

static int who_is(const char *login)
{
    return login[0] == 'p' && login[1] >= '0' && login[1] < '0' + N_PEOPLE ? login[1] - '0'
                                                                           : -1;
}

static bool is_wanted(const struct worker *w)
{
    return w->here && (w->support || w->sales) && !w->terminated;
}

#define PROTECTED (N_PEOPLE - 1)

/* -- what reaches the tenant -- */

static struct seen *seen_of(struct history *h, const char *id)
{
    for (size_t i = 0; i < h->n_seen; i++)
        if (!strcmp(h->seen[i].id, id))
            return &h->seen[i];
    assert_true(h->n_seen < MOST);
    struct seen *s = &h->seen[h->n_seen++];
    *s = (struct seen){0};
    snprintf(s->id, sizeof(s->id), "%s", id);
    return s;
}

static void look(struct history *h, const struct fake_user *u)
{
    struct seen *s = seen_of(h, u->scim_id);
    bool enabled = !u->user->disabled;
    snprintf(s->login, sizeof(s->login), "%s", u->login);
    if (enabled && !s->enabled)
        s->used = real_time(h);
    s->enabled = enabled;
    s->seller = user_role(u->user, "Seller") != NULL;
}

/* sure: without those whom somebody enabled there, of whom rosterd need not know. */
static size_t n_sellers(const struct history *h, bool sure)
{
    size_t n = 0;
    for (size_t i = 0; i < h->n_seen; i++)
        n += h->seen[i].enabled && h->seen[i].seller && !(sure && h->seen[i].by_hand);
    return n;
}

static void check_sleep(struct history *h, struct seen *s, size_t sellers)
{
    size_t within = 1;
    if (!h->disables)
        wrong("%s is disabled, and nobody is to be", s->login);
    if (s->unreadable)
        wrong("%s is disabled, and may have logged in today", s->login);
    if (s->used + h->shortest > real_time(h) + SLACK)
        wrong("%s is disabled %.1f hours after a log-in, not after %.1f", s->login,
              (double)(real_time(h) - s->used) / (double)HOUR,
              (double)h->shortest / (double)HOUR);
    if (who_is(s->login) == PROTECTED)
        wrong("%s is protected, and disabled", s->login);
    if (h->seller_stays && s->seller && sellers == 1)
        wrong("%s is the last seller, and disabled", s->login);
    for (size_t i = 0; i < h->n_slept; i++)
        within += h->slept[i] + DAY > real_time(h);
    if (within > h->limit)
        wrong("%zu are disabled within a day, allowed are %zu", within, h->limit);
    n_beyond += within == h->limit;
    assert_true(h->n_slept < MOST);
    h->slept[h->n_slept++] = real_time(h);
    s->asleep = true;
    n_slept++;
}

static void on_write(enum fake_kind kind, const struct fake_user *after, const char *login,
                     void *userdata)
{
    struct history *h = userdata;
    size_t sellers = n_sellers(h, false);
    if (!after) {
        for (size_t i = 0; i < h->n_seen; i++)
            if (!strcasecmp(h->seen[i].login, login))
                h->seen[i] = (struct seen){.id = "-"};
        return;
    }
    struct seen was = *seen_of(h, after->scim_id);
    look(h, after);
    struct seen *is = seen_of(h, after->scim_id);
    is->by_hand = is->by_hand && is->enabled == was.enabled;
    int who = who_is(is->login);
    if (who < 0)
        return;
    if (was.enabled && !is->enabled && !h->people[who].could_leave)
        check_sleep(h, is, sellers);
    if (!was.enabled && is->enabled && kind != FAKE_CREATE && was.asleep)
        wrong("%s was dormant, and is enabled by nobody", is->login);
}

static void chaos(enum fake_kind kind, struct fake_fault *ret, void *userdata)
{
    const struct history *h = userdata;
    lose_some(h->faults, kind, ret);
    if (!ret->class && kind == FAKE_GET && chance(h->faults / 4))
        ret->class = TENANT_REFUSED; /* this one's read, and nobody else's */
}

/* -- the directory and the configuration -- */

static void put_person(struct history *h, unsigned who)
{
    struct worker *w = &h->people[who];
    char id[16], dn[80], login[16], mail[32];
    snprintf(id, sizeof(id), "id-p%u", who);
    w->could_leave |= !is_wanted(w);
    if (!w->here) {
        if (bed_find(h->b, id))
            bed_leave(h->b, id);
        return;
    }
    snprintf(dn, sizeof(dn), "uid=p%u,ou=people,dc=example,dc=com", who);
    snprintf(login, sizeof(login), "p%u", who);
    snprintf(mail, sizeof(mail), "p%u@example.com", who);
    bed_person(h->b, id, dn, "uid", login, "givenName", "First", "sn", "Last", "mail", mail,
               "employeeType", w->terminated ? "Terminated" : "Here", NULL);
}

static void put_groups(struct history *h)
{
    for (int sales = 0; sales < 2; sales++) {
        char uids_of[N_PEOPLE][16];
        const char *uids[N_PEOPLE];
        size_t n = 0;
        for (unsigned i = 0; i < N_PEOPLE; i++)
            if (sales ? h->people[i].sales : h->people[i].support) {
                snprintf(uids_of[n], sizeof(uids_of[n]), "p%u", i);
                uids[n] = uids_of[n];
                n++;
            }
        bed_group_uids(h->b, sales ? "sales" : "support", uids, n);
    }
}

static void change_one(struct history *h)
{
    unsigned who = 1 + below(N_PEOPLE - 1);
    struct worker *w = &h->people[who];
    char id[16];
    bool *what[] = {&w->here, &w->terminated, &w->sales}, *it = what[below(3)];
    *it = !*it;
    put_person(h, who);
    put_groups(h);
    snprintf(id, sizeof(id), "id-p%u", who);
    bed_tell(h->b, id);
    bed_tell(h->b, "group-sales");
}

static void configure(struct history *h)
{
    static char *privileged[] = {(char *)"Seller"}, *protected[] = {(char *)"P7"};
    struct error e = {0};
    struct sync_options *o = &h->b->sync;
    o->dormant_after_usec = chance(85) ? (10 + below(20)) * DAY : 0;
    o->dormant = chance(75) ? DORMANT_DISABLE : DORMANT_REPORT;
    size_t limit = chance(60) ? 1 + below(3) : SIZE_MAX;
    o->budgets[BUDGET_DORMANT] = limit == SIZE_MAX ? (struct budget){.unlimited = true}
                                                   : (struct budget){.floor = limit};
    o->privileged_roles = privileged;
    o->n_privileged_roles = 1;
    o->protected_logins = protected;
    o->n_protected_logins = 1;
    o->leave_grace_usec = chance(50) ? 0 : 5 * HOUR;
    o->delete_after_usec = chance(70) ? 0 : 2 * DAY;
    o->on_drift = chance(50) ? DRIFT_REPAIR : DRIFT_REPORT;
    uint64_t after = o->dormant_after_usec ? o->dormant_after_usec : UINT64_MAX / 2;
    h->disables |= o->dormant == DORMANT_DISABLE && o->dormant_after_usec;
    h->shortest = after < h->shortest ? after : h->shortest;
    h->limit = limit > h->limit ? limit : h->limit;
    snprintf(h->fingerprint, sizeof(h->fingerprint), "configuration %u", h->n_reloads++);
    h->b->options.fingerprint = h->b->options.decisions = h->fingerprint;
    if (h->b->engine)
        bed_ok(h->b, engine_reload(h->b->engine, &h->b->options, &e));
}

/* -- the clocks -- */

/* Off by minutes or an hour, as it may be believed; or, for less than a day, by weeks and
 * years. */
static void set_clock(struct history *h)
{
    uint64_t off = (below(121) - 60ULL) * MINUTE;
    h->lies = chance(50);
    if (h->lies)
        off += (below(2) ? 1 : -1ULL) * (10 + below(700)) * DAY;
    bed_set_clock(h->b, real_time(h) + off);
}

static void pass(struct history *h, uint64_t usec)
{
    if (h->lies) {
        uint64_t wrong_for = usec < 9 * HOUR ? usec : 9 * HOUR;
        bed_advance(h->b, wrong_for);
        usec -= wrong_for;
        bed_set_clock(h->b, real_time(h) + (below(121) - 60ULL) * MINUTE);
        h->lies = false;
        bed_run(h->b);
    }
    bed_advance(h->b, usec);
}

/* -- at the tenant -- */

/* Whoever is read just now is disabled by what was there before. */
static struct fake_user *somebody(struct history *h)
{
    struct fake_tenant *t = h->b->tenant;
    struct fake_user *u = t->n_users ? &t->users[below((unsigned)t->n_users)] : NULL;
    return !u || t->first || u->removed ? NULL : u;
}

static void log_in(struct history *h)
{
    for (unsigned i = below(N_PEOPLE); i > 0; i--) {
        struct fake_user *u = somebody(h);
        if (!u || u->user->disabled)
            continue;
        struct seen *s = seen_of(h, u->scim_id);
        s->used = real_time(h);
        if (!u->unreadable_login)
            u->user->last_login_usec = real_time(h);
    }
}

/* In another form for a while. What it was before is known to the tenant alone. */
static void hide_login(struct history *h)
{
    struct fake_user *u = somebody(h);
    if (!u)
        return;
    struct seen *s = seen_of(h, u->scim_id);
    u->unreadable_login = !u->unreadable_login;
    s->unreadable = u->unreadable_login;
    s->hidden = real_time(h);
    if (!u->unreadable_login)
        u->user->last_login_usec = s->used;
}

static void verify(struct history *h)
{
    h->faults = 0;
    fake_tenant_release(h->b->tenant);
    pass(h, 2 * h->b->sync.verify_interval_usec);
}

/* Somebody there disables or enables, which the next verification finds. */
static void by_hand(struct history *h)
{
    struct fake_user *u;
    verify(h);
    if (!(u = somebody(h)) || chance(30))
        return;
    n_woken += u->user->disabled && seen_of(h, u->scim_id)->asleep;
    u->user->disabled = !u->user->disabled;
    seen_of(h, u->scim_id)->asleep = false;
    seen_of(h, u->scim_id)->by_hand = true;
    int who = who_is(u->login);
    if (who >= 0 && !u->user->disabled && !is_wanted(&h->people[who]))
        h->people[who].could_leave = true;
    look(h, u);
    verify(h);
}

static void begin(struct history *h)
{
    dice = seed;
    struct bed *b = h->b = bed_new(false);
    b->stays_open = true;
    h->offset = b->now - b->monotonic;
    h->shortest = UINT64_MAX / 2;
    h->seller_stays = true;
    random_seed(1 + seed);
    for (int k = 1; k < BUDGET_N_KINDS; k++)
        b->sync.budgets[k] = (struct budget){.unlimited = true};
    b->sync.verify_interval_usec = 6 * HOUR;
    b->options.max_concurrent = 1 + below(6);
    b->options.slice = 1 + seed % 5;
    struct fake_tenant *t = b->tenant;
    some_tenant(t, seed % 3); /* one that shows the roles */
    t->on_write = on_write;
    t->write_data = h;
    t->chaos = chaos;
    t->chaos_data = h;
    for (unsigned i = 0; i < N_PEOPLE; i++) {
        h->people[i] =
            (struct worker){.here = true, .support = true, .sales = chance(40) || i == 0};
        put_person(h, i);
    }
    put_groups(h);
    configure(h);
    bed_start(b);
    bed_sync(b);
}

static void step(struct history *h)
{
    struct bed *b = h->b;
    switch (below(17)) {
    case 0: b->tenant->hold = true; break;
    case 1: fake_tenant_release(b->tenant); break;
    case 2: h->faults = below(3) * 30; break;
    case 3: bed_crash(b); break;
    case 4: bed_restart(b); break;
    case 5:
        if (!b->tenant->first)
            configure(h);
        break;
    case 6: pass(h, below(24 * 3600) * USEC_PER_SEC); break;
    case 7: pass(h, below(600) * USEC_PER_SEC); break;
    case 8: bed_read_all(b); break;
    case 9: set_clock(h); break;
    case 10: hide_login(h); break;
    case 11: by_hand(h); break;
    case 12:
    case 13: pass(h, below(8) * DAY); break;
    case 14: change_one(h); break;
    default: log_in(h);
    }
    run_some(b);
}

/* -- at rest -- */

static bool is_dormant(const struct history *h, uint64_t used, uint64_t slack)
{
    return h->b->sync.dormant_after_usec &&
           used + h->b->sync.dormant_after_usec + slack <= real_time(h);
}

static void check_dormant(struct history *h)
{
    struct bed *b = h->b;
    size_t n_sure = 0, n_maybe = 0;
    bool disables = b->sync.dormant == DORMANT_DISABLE;
    for (size_t i = 0; i < h->n_seen; i++) {
        const struct seen *s = &h->seen[i];
        int who = who_is(s->login);
        if (who < 0 || !s->enabled || !is_wanted(&h->people[who]))
            continue;
        n_maybe += is_dormant(h, s->used, 0);
        /* Whom rosterd knows as disabled, and somebody enabled there, is drift, and said to be.
         */
        if (s->by_hand && b->sync.on_drift == DRIFT_REPORT)
            continue;
        if (s->unreadable || !is_dormant(h, s->hidden > s->used ? s->hidden : s->used, DAY))
            continue;
        n_sure++;
        bool spared = who == PROTECTED || (s->seller && n_sellers(h, true) <= 1);
        n_spared += disables && spared;
        if (disables && !spared)
            wrong("%s did not log in for %.1f days, and is enabled", s->login,
                  (double)(real_time(h) - s->used) / (double)DAY);
    }
    size_t n = bed_queue(b, OPERATION_HELD, REASON_DORMANT);
    n_reported += n;
    if (disables ? n != 0 : n < n_sure || n > n_maybe)
        wrong("%zu are reported as dormant, from %zu to %zu are", n, n_sure, n_maybe);
}

static void come_to_rest(struct history *h)
{
    struct bed *b = h->b;
    h->faults = 0;
    h->lies = false;
    fake_tenant_release(b->tenant);
    bed_set_clock(b, real_time(h));
    bed_sync(b);
    bed_advance(b, 26 * HOUR); /* a step of the wall clock is believed by then */
    h->limit = SIZE_MAX;       /* what is approved does not count */
    for (int i = 0; i < 4; i++) {
        bed_approve(b);
        bed_advance(b, 7 * HOUR);
    }
    check_dormant(h);
    for (unsigned i = 0; i < N_PEOPLE; i++)
        h->people[i].could_leave = !is_wanted(&h->people[i]);
    h->n_slept = 0;
    h->limit = b->sync.budgets[BUDGET_DORMANT].unlimited
                   ? SIZE_MAX
                   : b->sync.budgets[BUDGET_DORMANT].floor;
    h->shortest = b->sync.dormant_after_usec ? b->sync.dormant_after_usec : UINT64_MAX / 2;
    h->disables = b->sync.dormant_after_usec && b->sync.dormant == DORMANT_DISABLE;
}

static void one_history(void)
{
    struct history h = {0};
    begin(&h);
    for (int r = 0; r < N_RESTS; r++) {
        for (int i = 0; i < N_STEPS; i++)
            step(&h);
        come_to_rest(&h);
    }
    bed_check_ledgers(h.b);
    bed_free(h.b);
}

static void never_met(void)
{
    if (!n_slept || !n_reported || !n_spared || !n_beyond || !n_woken)
        fail_msg("never met: slept %zu, reported %zu, spared %zu, at the limit %zu, woken %zu",
                 n_slept, n_reported, n_spared, n_beyond, n_woken);
}

/* Expected too much once: that nobody is dormant in the very moment that makes them. */
static const uint64_t kept_seeds[] = {20262408};

int main(int argc, char **argv)
{
    static const struct played played = {
        .history = one_history,
        .never_met = never_met,
        .kept = kept_seeds,
        .n_kept = ARRAY_SIZE(kept_seeds),
        .n = 10,
    };
    return play_histories(argc, argv, &played);
}
