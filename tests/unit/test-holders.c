/*
 * Who is never locked out, and who comes back. Random histories of a few people of whom some
 * have a privileged role: they leave, several at once, lose the role, are disabled, revoked,
 * renamed, and come back, while requests wait, fail, are lost, the process dies, the clock is
 * set, the configuration changes and somebody changes users at the tenant, of each kind. The
 * oracle is the tenant's own table: no request of ours leaves a role without an enabled holder,
 * and at the moment in which somebody is enabled again they have no role that was not theirs at
 * any time since all was at rest.
 *
 *   test-holders [--histories N] [--seed N]
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
#define N_STEPS  14
#define MOST     64
#define N_ROLES  3

/* -- the company -- */

enum { AGENT = 1, SELLER = 2, AUDITOR = 4 };
static const char *const names[N_ROLES] = {"Agent", "Seller", "Auditor"};

struct worker {
    bool here, support, sales, auditor, terminated, revoked, renamed;
    unsigned entry; /* who comes back may have another one */
};

/* A user as the tenant's table has it. */
struct seen {
    char id[24], login[16];
    bool enabled, enabled_by_hand;
    unsigned roles, by_hand;
};

struct history {
    struct bed *b;
    struct worker people[N_PEOPLE];
    unsigned could_have[N_PEOPLE]; /* roles, at any time since all was at rest */
    struct seen seen[MOST];
    size_t n_seen;
    unsigned privileged; /* roles, as configured */
    bool unnamed;        /* no rule names Seller any more */
    /* Somebody is revoked now and then, for which nobody is read before. Where nobody is,
     * nobody has to look either when somebody was given a role there. */
    bool revokes;
    bool by_hand; /* somebody changed a user there … */
    bool blind;   /* … and nobody has looked since */
    unsigned n_reloads, faults;
    char fingerprint[32];
};

/* Over all histories. */
static size_t n_lost, n_enabled, n_kept, n_lost_first;

static int who_is(const char *login)
{
    return login[0] == 'p' && login[1] >= '0' && login[1] < '0' + N_PEOPLE ? login[1] - '0'
                                                                           : -1;
}

static bool is_user(const struct worker *w)
{
    return w->here && (w->support || w->sales);
}

static unsigned roles_of(const struct history *h, unsigned who)
{
    const struct worker *w = &h->people[who];
    return !is_user(w)
               ? 0
               : AGENT | (w->sales && !h->unnamed ? SELLER : 0) | (w->auditor ? AUDITOR : 0);
}

static unsigned roles_at(const struct user *u)
{
    unsigned roles = 0;
    for (unsigned k = 0; k < N_ROLES; k++)
        roles |= user_role(u, names[k]) ? 1u << k : 0;
    return roles;
}

static size_t holders(const struct history *h, unsigned role)
{
    size_t n = 0;
    for (size_t i = 0; i < h->n_seen; i++)
        n += h->seen[i].enabled && h->seen[i].roles & role;
    return n;
}

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
    snprintf(s->login, sizeof(s->login), "%s", u->login);
    s->enabled = !u->user->disabled;
    s->roles = roles_at(u->user);
}

static void check_enabled(const struct history *h, const struct seen *s)
{
    int who = who_is(s->login);
    unsigned more = who < 0 ? 0 : s->roles & ~(h->could_have[who] | s->by_hand);
    n_enabled++;
    for (unsigned k = 0; k < N_ROLES; k++)
        if (more & 1u << k)
            wrong("%s is enabled and still has the role %s", s->login, names[k]);
}

/* Whoever is, was disabled before, or enabled again by somebody there. */
static void check_deleted(struct history *h, struct seen *s, const size_t before[N_ROLES])
{
    if (s->enabled && !s->enabled_by_hand)
        wrong("%s was deleted while enabled", s->login);
    for (unsigned k = 0; k < N_ROLES && !h->blind; k++)
        if (s->enabled && h->privileged & s->roles & 1u << k && before[k] == 1)
            wrong("%s, the last with %s, was deleted", s->login, names[k]);
    *s = (struct seen){0};
}

static void on_write(enum fake_kind kind, const struct fake_user *after, const char *login,
                     void *userdata)
{
    struct history *h = userdata;
    size_t before[N_ROLES];
    for (unsigned k = 0; k < N_ROLES; k++)
        before[k] = holders(h, 1u << k);
    if (!after) {
        for (size_t i = 0; i < h->n_seen; i++)
            if (!strcasecmp(h->seen[i].login, login))
                check_deleted(h, &h->seen[i], before);
        return;
    }
    struct seen was = *seen_of(h, after->scim_id);
    look(h, after);
    struct seen *is = seen_of(h, after->scim_id);
    is->by_hand &= is->roles;
    is->enabled_by_hand = is->enabled_by_hand && is->enabled;
    n_lost_first += !was.enabled && !is->enabled && was.roles & ~is->roles;
    if (!was.enabled && is->enabled && kind != FAKE_CREATE)
        check_enabled(h, is);
    for (unsigned k = 0; k < N_ROLES && !h->blind; k++) {
        unsigned role = 1u << k;
        bool had = was.enabled && was.roles & role;
        if (!(h->privileged & role) || !had)
            continue;
        n_lost += !is->enabled || !(is->roles & role);
        if (before[k] == 1 && (!is->enabled || !(is->roles & role)))
            wrong("%s was the last with %s", was.login, names[k]);
        if (before[k] == 1 && strcasecmp(was.login, is->login) != 0)
            wrong("%s, the last with %s, was renamed", was.login, names[k]);
    }
}

static void chaos(enum fake_kind kind, struct fake_fault *ret, void *userdata)
{
    const struct history *h = userdata;
    lose_some(h->faults, kind, ret);
}

/* -- the directory and the configuration -- */

static void put_person(struct history *h, unsigned who)
{
    const struct worker *w = &h->people[who];
    char id[16], dn[80], login[16], mail[32];
    snprintf(id, sizeof(id), "id-p%u.%u", who, w->entry);
    h->could_have[who] |= roles_of(h, who);
    if (!w->here) {
        if (bed_find(h->b, id))
            bed_leave(h->b, id);
        return;
    }
    snprintf(dn, sizeof(dn), "uid=p%u,ou=people,dc=example,dc=com", who);
    snprintf(login, sizeof(login), "p%u%s", who, w->renamed ? "x" : "");
    snprintf(mail, sizeof(mail), "p%u@example.com", who);
    bed_person(h->b, id, dn, "uid", login, "givenName", "First", "sn", "Last", "mail", mail,
               "preferredLanguage", w->auditor ? "es" : "en", "employeeType",
               w->revoked      ? "Revoked"
               : w->terminated ? "Terminated"
                               : "Here",
               NULL);
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

static void change(struct history *h, unsigned who, unsigned how)
{
    struct worker *w = &h->people[who];
    /* One stays: a directory that shows none of those who were there is doubted. */
    switch (how || who ? how : 8) {
    case 0:
        w->here = !w->here;
        w->entry += w->here && chance(30);
        break;
    case 1: w->terminated = !w->terminated; break;
    case 2: w->revoked = h->revokes && !w->revoked; break;
    case 3: w->renamed = !w->renamed; break;
    case 4:
    case 5: w->auditor = !w->auditor; break;
    case 6:
    case 7: w->sales = !w->sales; break;
    default: w->support = !w->support;
    }
    put_person(h, who);
}

/* The same happens to one person, or to several at once. */
static void change_people(struct history *h)
{
    unsigned how = h->revokes || chance(80) ? below(9) : 0,
             n = 1 + (chance(40) ? below(N_PEOPLE) : 0), first = below(N_PEOPLE);
    for (unsigned i = 0; i < n; i++)
        change(h, (first + i) % N_PEOPLE, how);
    put_groups(h);
    for (unsigned i = 0; i < n && chance(90); i++) {
        unsigned who = (first + i) % N_PEOPLE;
        char id[16];
        for (unsigned entry = 0; entry <= h->people[who].entry; entry++) {
            snprintf(id, sizeof(id), "id-p%u.%u", who, entry);
            bed_tell(h->b, id);
        }
    }
    if (chance(80)) {
        bed_tell(h->b, "group-support");
        bed_tell(h->b, "group-sales");
    }
}

static void configure(struct history *h)
{
    static char *roles[] = {(char *)"SELLER", (char *)"auditor"};
    struct error e = {0};
    struct sync_options *o = &h->b->sync;
    h->privileged = chance(70) ? SELLER | AUDITOR : SELLER;
    o->privileged_roles = roles;
    o->n_privileged_roles = h->privileged & AUDITOR ? 2 : 1;
    h->unnamed = chance(30);
    h->b->rules[1].roles.text = (char *)(h->unnamed ? "Agent" : "Agent, Seller");
    for (unsigned i = 0; i < N_PEOPLE; i++)
        h->could_have[i] |= roles_of(h, i);
    o->leave_grace_usec = chance(50) ? 0 : 2 * HOUR;
    o->delete_after_usec = chance(50) ? 0 : DAY;
    snprintf(h->fingerprint, sizeof(h->fingerprint), "configuration %u", h->n_reloads++);
    h->b->options.fingerprint = h->b->options.decisions = h->fingerprint;
    if (h->b->engine)
        bed_ok(h->b, engine_reload(h->b->engine, &h->b->options, &e));
}

/* Somebody changes a user there; the next verification shows it. */
static void by_hand(struct history *h)
{
    struct fake_tenant *t = h->b->tenant;
    if (!t->n_users || t->n_under_way)
        return;
    struct fake_user *u = &t->users[below((unsigned)t->n_users)];
    unsigned k = below(N_ROLES);
    if (u->removed)
        return;
    if (h->revokes && (chance(40) || t->parts == &fake_hidden_groups)) {
        u->user->disabled = !u->user->disabled;
        seen_of(h, u->scim_id)->enabled_by_hand = !u->user->disabled;
    } else if (t->parts == &fake_hidden_groups) { /* of what it never shows nobody knows */
        return;
    } else if (h->revokes && user_role(u->user, names[k])) {
        user_remove_role(u->user, names[k]);
    } else {
        assert_int_equal(user_add_role(u->user, names[k], NULL), 0);
        seen_of(h, u->scim_id)->by_hand |= 1u << k;
    }
    look(h, u);
    h->by_hand = true;
    h->blind = h->revokes;
}

/* Whoever is in motion is not compared, and after a start no operation is tried before the
 * directory was read. */
static bool moves(struct history *h)
{
    return bed_queue(h->b, OPERATION_STARTED, NULL) || bed_queue(h->b, 0, REASON_UNCLEAR);
}

static void verify(struct history *h)
{
    h->faults = 0;
    fake_tenant_release(h->b->tenant);
    bed_advance(h->b, 2 * h->b->sync.verify_interval_usec);
    h->blind = moves(h);
}

static void begin(struct history *h)
{
    dice = seed;
    struct bed *b = h->b = bed_new(false);
    b->stays_open = true;
    random_seed(1 + seed);
    for (int k = 1; k < BUDGET_N_KINDS; k++)
        b->sync.budgets[k] = (struct budget){.unlimited = true};
    b->rules[2].roles = (struct mapping_text){
        .text = (char *)"Auditor", .file = (char *)"test.conf", .line = 33};
    b->mapping.revoke_when = (struct mapping_text){
        .text = (char *)"(employeeType=Revoked)", .file = (char *)"test.conf", .line = 46};
    h->revokes = seed % 3 != 0;
    b->sync.verify_interval_usec = h->revokes ? 6 * HOUR : 0;
    b->sync.on_drift = seed % 2 ? DRIFT_REPAIR : DRIFT_REPORT;
    b->options.max_concurrent = 1 + below(6);
    b->options.slice = 1 + seed % 5;
    struct fake_tenant *t = b->tenant;
    some_tenant(t, seed);
    t->on_write = on_write;
    t->write_data = h;
    t->chaos = chaos;
    t->chaos_data = h;
    for (unsigned i = 0; i < N_PEOPLE; i++) {
        h->people[i] = (struct worker){.here = chance(80) || i == 0,
                                       .support = chance(60),
                                       .sales = chance(40),
                                       .auditor = chance(30),
                                       .terminated = chance(10)};
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
    switch (below(15)) {
    case 0: b->tenant->hold = true; break;
    case 1: fake_tenant_release(b->tenant); break;
    case 2: h->faults = below(3) * 30; break;
    case 3: bed_crash(b); break;
    case 4: bed_restart(b); break;
    case 5:
        if (!b->tenant->first)
            configure(h);
        break;
    case 6: bed_advance(b, below(24 * 3600) * USEC_PER_SEC); break;
    case 7: bed_advance(b, below(600) * USEC_PER_SEC); break;
    case 8: bed_read_all(b); break;
    case 9: bed_set_clock(b, b->now + (below(5) - 2ULL) * 3 * HOUR); break;
    case 10:
        if (chance(50)) {
            by_hand(h);
            if (h->revokes)
                verify(h);
        }
        break;
    default: change_people(h);
    }
    run_some(b);
}

/* -- at rest -- */

static void check_person(struct history *h, unsigned who)
{
    const struct worker *w = &h->people[who];
    bool wanted = is_user(w) && !w->terminated && !w->revoked;
    for (size_t i = 0; i < h->n_seen; i++) {
        const struct seen *s = &h->seen[i];
        unsigned last = 0;
        if (who_is(s->login) != (int)who || !s->enabled)
            continue;
        for (unsigned k = 0; k < N_ROLES; k++)
            last |=
                h->privileged & s->roles & 1u << k && holders(h, 1u << k) == 1 ? 1u << k : 0;
        n_kept += !wanted || s->roles & ~roles_of(h, who);
        if (!wanted && !last)
            wrong("%s is enabled, and nobody needs it", s->login);
        if (wanted && !last && s->roles & ~roles_of(h, who))
            wrong("%s has roles %x, not %x", s->login, s->roles, roles_of(h, who));
    }
}

static void come_to_rest(struct history *h)
{
    struct bed *b = h->b;
    h->faults = 0;
    fake_tenant_release(b->tenant);
    bed_sync(b);
    bed_advance(b, 26 * HOUR);    /* a step of the wall clock is believed by then */
    for (int i = 0; i < 3; i++) { /* an adoption of what a lost request made */
        bed_approve(b);
        bed_advance(b, HOUR);
    }
    h->blind = h->blind && (!h->revokes || moves(h));
    for (unsigned i = 0; i < N_PEOPLE && !h->by_hand; i++)
        check_person(h, i);
    memset(h->could_have, 0, sizeof(h->could_have));
    for (unsigned i = 0; i < N_PEOPLE; i++)
        h->could_have[i] = roles_of(h, i);
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
    if (!n_lost || !n_enabled || !n_kept || !n_lost_first)
        fail_msg("never met: lost %zu, enabled %zu, kept %zu, lost first %zu", n_lost,
                 n_enabled, n_kept, n_lost_first);
}

/* Failed once: whose operation was tried in an outage, with nothing written, was not looked at
 * any more, and counted as the one who stays though disabled or demoted there; or all people
 * left; whose role was perhaps taken, which no read shows, counted as the one who stays when
 * the next attempt was throttled (20262355), and so did one whose role the tenant had given by
 * itself, and taken since (20261677). Expected too much once: that whoever is in motion is
 * compared (20261623). */
static const uint64_t kept_seeds[] = {10199,  10456,    10611,    10627,
                                      990166, 20261623, 20261677, 20262355};

int main(int argc, char **argv)
{
    static const struct played played = {
        .history = one_history,
        .never_met = never_met,
        .kept = kept_seeds,
        .n_kept = ARRAY_SIZE(kept_seeds),
        .n = 60,
    };
    return play_histories(argc, argv, &played);
}
