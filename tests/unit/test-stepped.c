/*
 * Clocks that are set. Random histories of people who leave, and come back, whose accounts end
 * or begin at a time, who are on shift, whose writes the tenant refuses, and who wait for an
 * approval, while the wall clock is set by seconds to years, either way, the machine is
 * suspended, and boots with a clock that the kernel does or does not call right. The oracle is
 * time that really passed: nobody is disabled, deleted, enabled or tried again before it is
 * over, and while the machine runs all wait no longer than they were to; what was approved goes
 * within its hour, and never after it.
 *
 *   test-stepped [--histories N] [--seed N]
 */
#include "config.h"

#include <sys/timex.h>

#include "stepped.h"

/* In place of the C library's: what the kernel says of its clock. */
int adjtimex(struct timex *t)
{
    t->status = synchronised ? 0 : STA_UNSYNC;
    return synchronised ? TIME_OK : TIME_ERROR;
}

/* -- what reaches the tenant -- */

#define hours(usec) ((double)(usec) / (double)HOUR)

static void check_disabled(struct history *h, unsigned who)
{
    struct worker *w = &h->people[who];
    uint64_t waited = w->since ? real(h) - w->since + h->slack : 0;
    switch (sort_of(who)) {
    case LEAVES:
        if (!w->since || waited < GRACE)
            wrong("p%u left %.2f hours ago, and is disabled", who, hours(waited));
        n_graces++;
        w->disabled_since = real(h);
        w->disabled_awake = awake(h);
        break;
    case ENDS:
        if (real(h) + SLACK < w->date)
            wrong("p%u ends in %.2f hours, and is disabled", who, hours(w->date - real(h)));
        n_ends++;
        break;
    case STARTS: break;
    case WORKS:
        if (!w->since || waited < SHIFT)
            wrong("p%u is on shift since %.2f hours, and is disabled", who, hours(waited));
        n_shifts++;
        break;
    case REFUSED:
    case APPROVED:
    case N_SORTS: wrong("p%u is disabled", who);
    }
}

static void check_enabled(struct history *h, unsigned who)
{
    struct worker *w = &h->people[who];
    if (sort_of(who) == STARTS && real(h) + SLACK < w->date)
        wrong("p%u begins in %.2f hours, and is enabled", who, hours(w->date - real(h)));
    n_starts += sort_of(who) == STARTS;
}

static void check_approved(struct history *h, unsigned who)
{
    struct worker *w = &h->people[who];
    if (!w->approved || real(h) > w->approved + HOUR + h->slack)
        wrong("p%u is renamed, and was approved %.2f hours ago", who,
              w->approved ? hours(real(h) - w->approved) : -1.0);
    n_kept++;
    w->approved = 0;
}

static void on_write(enum fake_kind kind, const struct fake_user *after, const char *login,
                     void *userdata)
{
    struct history *h = userdata;
    unsigned who = who_of(after ? after->login : login);
    struct worker *w = &h->people[who];
    if (!after) {
        uint64_t waited = w->disabled_since ? real(h) - w->disabled_since + h->slack : 0;
        if (!w->since || !w->disabled_since || waited < DELETE)
            wrong("p%u is deleted %.2f hours after it was disabled", who, hours(waited));
        n_deletes++;
        w->there = w->disabled = false;
        w->disabled_since = 0;
        return;
    }
    bool disabled = after->user->disabled;
    bool new_name = sort_of(who) == APPROVED ? strchr(after->login, 'x') != NULL
                                             : user_skill(after->user, "Spanish") != NULL;
    if (disabled && !w->disabled && kind != FAKE_CREATE)
        check_disabled(h, who);
    if (!disabled && (w->disabled || kind == FAKE_CREATE))
        check_enabled(h, who);
    if (sort_of(who) == APPROVED && kind != FAKE_CREATE && new_name != w->new_name)
        check_approved(h, who);
    if (!disabled)
        w->disabled_since = 0;
    w->disabled = disabled;
    w->new_name = new_name;
    w->there = true;
}

/* Several are refused alike: one is tried at a time, in turn. Whoever came last may have come
 * ahead of the others. */
static void check_tried(struct history *h, unsigned who)
{
    uint64_t since = h->b->monotonic - h->people[who].tried_awake;
    if (h->people[who].tried_awake && since > N_REFUSED * HOLD_RETRY + MINUTE)
        wrong("p%u was tried %.2f hours ago", who, hours(since));
}

/* Whoever is refused is tried again on the slow timer. */
static void note_try(struct history *h, unsigned who)
{
    struct worker *w = &h->people[who];
    if (sort_of(who) != REFUSED || !w->renamed || w->new_name)
        return;
    if (w->tried && real(h) - w->tried + h->slack < HOLD_RETRY / 2)
        wrong("p%u is tried again after %.2f hours", who, hours(real(h) - w->tried));
    n_tries += w->tried != 0;
    check_tried(h, who);
    w->tried = real(h);
    w->tried_awake = h->b->monotonic;
}

static void on_request(enum fake_kind kind, const char *login, const char *id, void *userdata)
{
    struct history *h = userdata;
    for (size_t i = 0; i < h->b->tenant->n_users && !login; i++)
        if (text_equal(h->b->tenant->users[i].scim_id, id))
            login = h->b->tenant->users[i].login;
    assert_non_null(login);
    note_try(h, who_of(login));
    if (h->b->order)
        order_request(h->b->order, kind, login, id);
}

/* -- the directory -- */

static void put_person(struct history *h, unsigned who)
{
    const struct worker *w = &h->people[who];
    char uid[16], id[32], dn[80], login[32], mail[32], date[32] = "0";
    bool renamed = w->renamed && sort_of(who) == APPROVED;
    time_t seconds = (time_t)((BEGAN + w->date) / USEC_PER_SEC);
    struct tm tm;
    snprintf(uid, sizeof(uid), "p%u", who);
    snprintf(id, sizeof(id), "id-%s", uid);
    snprintf(dn, sizeof(dn), "uid=%s,ou=people,dc=example,dc=com", uid);
    snprintf(mail, sizeof(mail), "%s@example.com", uid);
    snprintf(login, sizeof(login), "%s%s", uid, renamed ? "x" : "");
    if (w->date)
        strftime(date, sizeof(date), "%Y%m%d%H%M%SZ", gmtime_r(&seconds, &tm));
    if (w->away && bed_find(h->b, id))
        bed_leave(h->b, id);
    if (!w->away)
        bed_person(h->b, id, dn, "uid", login, "givenName", "First", "preferredLanguage",
                   w->renamed ? "es" : "en", "sn", "Last", "mail", mail, "employeeType",
                   w->terminated ? "Terminated" : "Here",
                   w->date
                       ? (sort_of(who) == ENDS ? "krbPrincipalExpiration" : "employmentStart")
                       : NULL,
                   date, NULL);
    if (h->b->engine)
        bed_tell(h->b, id);
}

static void wait_from_now(struct history *h, struct worker *w, bool waits)
{
    w->since = waits ? real(h) : 0;
    w->awake = awake(h);
}

static void change_one(struct history *h)
{
    unsigned who = 1 + below(N_PEOPLE - 1); /* somebody is always there */
    struct worker *w = &h->people[who];
    switch (sort_of(who)) {
    case LEAVES:
        w->away = !w->away;
        wait_from_now(h, w, w->away);
        break;
    case ENDS:
    case STARTS: w->date = real(h) + below(4 * 24 * 60) * MINUTE; break;
    case WORKS:
        w->terminated = !w->terminated;
        wait_from_now(h, w, w->terminated);
        break;
    case REFUSED:
        w->tried = 0;
        w->tried_awake = h->b->monotonic;
        __attribute__((fallthrough));
    case APPROVED:
    case N_SORTS: w->renamed = !w->renamed; w->approved = 0;
    }
    put_person(h, who);
    bed_run(h->b); /* who is back for no moment was never back */
}

/* -- clocks -- */

/* By seconds or minutes, as may be believed; or by days and years, until pass() puts it right.
 */
static void set_clock(struct history *h)
{
    static const int64_t steps[] = {USEC_PER_SEC, 2 * USEC_PER_SEC, 10 * MINUTE, 50 * MINUTE,
                                    2 * DAY,      40 * DAY,         YEAR,        20 * YEAR};
    unsigned n = below(ARRAY_SIZE(steps));
    synchronised = chance(30);
    h->wrong = synchronised ? 0 : chance(50) ? steps[n] : -steps[n];
    h->lies = !synchronised && steps[n] > (int64_t)HOUR;
    for (unsigned i = 0; i < N_PEOPLE && synchronised; i++)
        h->people[i].tried = 0; /* time that passed before a boot may come to light */
    set_wall(h);
}

static void put_right(struct history *h)
{
    h->wrong = 0;
    h->lies = false;
    set_wall(h);
    bed_run(h->b);
}

static void pass(struct history *h, uint64_t usec)
{
    if (h->lies) {
        uint64_t wrong_for = usec < 9 * HOUR ? usec : 9 * HOUR;
        bed_advance(h->b, wrong_for);
        usec -= wrong_for;
        put_right(h);
    }
    bed_advance(h->b, usec);
}

/* Time passes, and the monotonic clock stands still. */
static void suspend(struct history *h)
{
    uint64_t usec = chance(50) ? below(300) * MINUTE : below(20) * DAY;
    h->before_boots += usec;
    h->asleep += usec;
    clock_freeze_asleep(h->asleep);
    set_wall(h);
    bed_advance(h->b, 2 * MINUTE); /* noticed by the next look at the clock … */
    bed_sync(h->b); /* … and nobody is taken away before the directory is heard */
}

/* What is counted since the boot alone says how long is too long. */
static void boot(struct history *h)
{
    uint64_t down = chance(50) ? below(20) * DAY : below(7200) * USEC_PER_SEC;
    h->begins--; /* less than any time that was noted: another boot is known by that here */
    h->before_boots = real(h) + down - h->begins;
    h->b->monotonic = h->begins;
    h->asleep = 0;
    clock_freeze_asleep(0);
    h->slack += USEC_PER_SEC;
    set_clock(h);
    bed_crash(h->b);
    bed_advance(h->b, 1); /* nothing happens in the very moment of a boot */
    bed_read_all(h->b);
    for (unsigned i = 0; i < N_PEOPLE; i++) {
        struct worker *w = &h->people[i];
        w->awake = w->disabled_awake = h->begins;
        w->tried = 0;
        w->tried_awake = h->begins;
        w->approved_awake = 0; /* it may have ended while nothing ran */
    }
}

static void restart(struct history *h, bool crash)
{
    for (unsigned i = 0; i < N_PEOPLE; i++)
        h->people[i].tried = 0;
    if (crash)
        bed_crash(h->b);
    else
        bed_restart(h->b);
    bed_read_all(h->b);
}

/* -- approvals -- */

static int note_parked(const struct operation *o, void *userdata)
{
    struct history *h = userdata;
    struct worker *w = &h->people[who_of(o->login)];
    w->approved = real(h);
    w->approved_awake = awake(h);
    return 0;
}

/* While nothing may go, which is how long it takes until it may: more or less than an hour. */
static void approve(struct history *h)
{
    struct error e = {0};
    bed_ok(h->b, engine_pause(h->b->engine, true, 1000, &e));
    bed_run(h->b);
    bed_ok(h->b, queue_each(h->b->state, OPERATION_PARKED, note_parked, h, &e));
    (void)bed_approve(h->b);
    for (unsigned i = below(3); i > 0; i--)
        switch (below(5)) {
        case 0: set_clock(h); break;
        case 1: suspend(h); break;
        case 2: boot(h); break;
        case 3: restart(h, chance(50)); break;
        default: bed_advance(h->b, below(50) * MINUTE);
        }
    bed_run(h->b);
    for (unsigned i = 0; i < N_PEOPLE; i++)
        h->people[i].tried_awake = h->b->monotonic; /* nobody is while it is paused */
    bed_ok(h->b, engine_pause(h->b->engine, false, 1000, &e));
    bed_run(h->b);
    for (unsigned i = 0; i < N_PEOPLE; i++) {
        struct worker *w = &h->people[i];
        if (w->approved && w->approved_awake && w->approved_awake + HOUR - MINUTE > awake(h) &&
            w->new_name != w->renamed)
            wrong("p%u was approved %.2f hours ago, and is not renamed", i,
                  hours(awake(h) - w->approved_awake));
        n_over += w->approved != 0;
    }
    bed_advance(h->b, 2 * HOUR); /* what is left of it has ended */
}

/* -- nothing takes longer than it was to -- */

static void check_late(struct history *h)
{
    for (unsigned i = 0; i < N_PEOPLE; i++) {
        const struct worker *w = &h->people[i];
        uint64_t waited = w->since ? awake(h) - w->awake : 0;
        enum sort s = sort_of(i);
        if (s == LEAVES && waited > GRACE + SOON && w->there && !w->disabled)
            wrong("p%u left %.2f hours ago, and is enabled", i, hours(waited));
        if (s == WORKS && waited > SHIFT + SOON && !w->disabled)
            wrong("p%u waits since %.2f hours, and is enabled", i, hours(waited));
        if (s == REFUSED && w->renamed && !w->new_name)
            check_tried(h, i);
        if (s == LEAVES && w->since && w->there && w->disabled && w->disabled_since &&
            awake(h) - w->disabled_awake > DELETE + SOON)
            wrong("p%u is disabled since %.2f hours, and not deleted", i,
                  hours(awake(h) - w->disabled_awake));
    }
}

/* -- histories -- */

static void begin(struct history *h)
{
    dice = seed;
    synchronised = false;
    struct bed *b = h->b = bed_new(true);
    random_seed(1 + seed);
    h->begins = b->monotonic;
    h->before_boots = 0 - b->monotonic; /* real time begins at 0 */
    for (int k = 1; k < BUDGET_N_KINDS; k++)
        b->sync.budgets[k] = (struct budget){.unlimited = true};
    b->sync.budgets[BUDGET_RENAME] = (struct budget){0};
    b->sync.leave_grace_usec = GRACE;
    b->sync.delete_after_usec = DELETE;
    b->sync.logged_in_wait_usec = SHIFT;
    b->sync.hold_retry_usec = HOLD_RETRY;
    b->sync.create_ahead_usec = 30 * DAY;
    b->sync.verify_interval_usec = chance(50) ? 6 * HOUR : 0;
    b->mapping.account_expires = (struct mapping_text){
        .text = (char *)"krbPrincipalExpiration", .file = (char *)"test.conf", .line = 47};
    b->mapping.starts_at = (struct mapping_text){
        .text = (char *)"employmentStart", .file = (char *)"test.conf", .line = 48};
    b->options.slice = 1 + seed % 5;
    b->tenant->on_write = on_write;
    b->tenant->write_data = h;
    b->tenant->on_request = on_request;
    b->tenant->request_data = h;
    h->before_boots += 5 * DAY; /* and never is 0 */
    set_wall(h);
    char uids_of[N_PEOPLE][16];
    const char *uids[N_PEOPLE];
    for (unsigned i = 0; i < N_PEOPLE; i++) {
        snprintf(uids_of[i], sizeof(uids_of[i]), "p%u", i);
        uids[i] = uids_of[i];
        if (sort_of(i) == STARTS || sort_of(i) == ENDS)
            h->people[i].date = real(h) + DAY;
        put_person(h, i);
    }
    bed_group_uids(b, "support", uids, N_PEOPLE);
    bed_start(b);
    bed_sync(b);
    for (unsigned i = 0; i < N_PEOPLE; i++) {
        char login[16];
        snprintf(login, sizeof(login), "p%u", i);
        if (sort_of(i) == WORKS)
            fake_tenant_find(b->tenant, login)->logged_in = true;
        if (sort_of(i) == REFUSED)
            fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_PUT,
                                                            .login = login,
                                                            .times = -1,
                                                            .class = TENANT_REFUSED});
    }
}

static void step(struct history *h)
{
    switch (below(14)) {
    case 0:
    case 1: set_clock(h); break;
    case 2: suspend(h); break;
    case 3: boot(h); break;
    case 4: restart(h, chance(50)); break;
    case 5: approve(h); break;
    case 6: pass(h, below(3600) * USEC_PER_SEC); break;
    case 7:
    case 8: pass(h, below(12) * HOUR); break;
    case 9: pass(h, below(3) * DAY); break;
    case 10: bed_read_all(h->b); break;
    default:
        for (unsigned i = 1 + below(3); i > 0; i--)
            change_one(h);
    }
    bed_run(h->b);
    check_late(h);
}

/* Dates follow the wall clock, which is right for more than a day by then. */
static void come_to_rest(struct history *h)
{
    put_right(h);
    bed_advance(h->b, 26 * HOUR);
    check_late(h);
    for (unsigned i = 0; i < N_PEOPLE; i++) {
        const struct worker *w = &h->people[i];
        bool over = w->date < real(h);
        if (sort_of(i) == ENDS && w->there && w->disabled != over)
            wrong("p%u %s, and is %s", i, over ? "has ended" : "has not ended",
                  w->disabled ? "disabled" : "enabled");
        if (sort_of(i) == STARTS && w->there && over && w->disabled)
            wrong("p%u has begun, and is disabled", i);
    }
}

static void one_history(void)
{
    struct history *h = calloc(1, sizeof(*h));
    assert_non_null(h);
    begin(h);
    for (int r = 0; r < N_RESTS; r++) {
        for (int i = 0; i < N_STEPS; i++)
            step(h);
        come_to_rest(h);
    }
    bed_check_ledgers(h->b);
    bed_free(h->b);
    free(h);
}

static void never_met(void)
{
    if (!n_graces || !n_deletes || !n_ends || !n_starts || !n_shifts || !n_tries || !n_kept ||
        !n_over)
        fail_msg(
            "never met: graces %zu, deletes %zu, ends %zu, starts %zu, shifts %zu, tries %zu, "
            "approvals used %zu, over %zu",
            n_graces, n_deletes, n_ends, n_starts, n_shifts, n_tries, n_kept, n_over);
}

int main(int argc, char **argv)
{
    static const struct played played = {
        .history = one_history, .never_met = never_met, .n = 5};
    return play_histories(argc, argv, &played);
}
