/*
 * Whose a user is. Random histories of a few people, and of somebody at the tenant who deletes
 * users, restores them, renames them, swaps their logins, and makes others with logins that
 * ours had: strangers, some of the same name, and whoever has a person's mail, some with a
 * privileged role. Requests wait, fail and are lost, the process dies, the state is an older
 * copy; the tenant is of each kind, and shows with a login whose id that is, or not.
 *
 * The oracle is the tenant's own table, by ids that nobody gives twice: a stranger is never
 * written to, since nothing is approved here; whoever has the mail of a person is by a line of
 * the audit first, and never with a privileged role, or where roles are hidden; what is written
 * to a user of ours is what its own person was to have; nobody has two users; and at rest no
 * leaver's user is enabled while nothing waits for the person.
 *
 *   test-strangers [--histories N] [--seed N]
 */
#include "config.h"

#include "base/random.h"
#include "state/link.h"
#include "state/queue.h"
#include "strangers.h"

#define N_RESTS 3
#define N_STEPS 14

/* -- the directory -- */

static void login_of(const struct history *h, unsigned who, char ret[16])
{
    snprintf(ret, 16, "p%u%s", who, h->people[who].renamed ? "x" : "");
}

static void note(struct history *h, unsigned who)
{
    const struct worker *w = &h->people[who];
    bool stays = w->here && !w->revoked;
    h->left[who] |= !stays;
    h->stayed[who] |= stays;
    h->sales[who] |= w->sales;
    h->support[who] |= !w->sales;
}

static void put_person(struct history *h, unsigned who)
{
    const struct worker *w = &h->people[who];
    char id[16], dn[80], login[16], mail[40], name[16];
    snprintf(id, sizeof(id), "id-p%u", who);
    note(h, who);
    if (!w->here) {
        if (bed_find(h->b, id))
            bed_leave(h->b, id);
        return;
    }
    snprintf(dn, sizeof(dn), "uid=p%u,ou=people,dc=example,dc=com", who);
    login_of(h, who, login);
    snprintf(mail, sizeof(mail), "p%u@example.com", who);
    snprintf(name, sizeof(name), "Last%u.%u", who, w->name);
    bed_person(h->b, id, dn, "uid", login, "givenName", "First", "sn", name, "mail", mail,
               "employeeType", w->revoked ? "Revoked" : "Here", NULL);
}

static void put_groups(struct history *h)
{
    for (int sales = 0; sales < 2; sales++) {
        char uids_of[N_PEOPLE][16];
        const char *uids[N_PEOPLE];
        size_t n = 0;
        for (unsigned i = 0; i < N_PEOPLE; i++)
            if (h->people[i].sales == sales) {
                snprintf(uids_of[n], sizeof(uids_of[n]), "p%u", i);
                uids[n] = uids_of[n];
                n++;
            }
        bed_group_uids(h->b, sales ? "sales" : "support", uids, n);
    }
}

static void change_person(struct history *h)
{
    unsigned who = below(N_PEOPLE);
    struct worker *w = &h->people[who];
    char id[16];
    switch (below(8)) {
    case 0:
    case 1: w->here = !w->here; break;
    case 2: w->renamed = !w->renamed; break;
    case 3: /* by the login, where no id is known: there is no time to look whose that is */
        w->revoked = h->b->tenant->parts && !w->revoked;
        break;
    case 4:
    case 5: w->name++; break;
    default: w->sales = !w->sales;
    }
    put_person(h, who);
    put_groups(h);
    snprintf(id, sizeof(id), "id-p%u", who);
    bed_tell(h->b, id);
    bed_tell(h->b, "group-support");
    bed_tell(h->b, "group-sales");
}

static void chaos(enum fake_kind kind, struct fake_fault *ret, void *userdata)
{
    const struct history *h = userdata;
    lose_some(h->faults, kind, ret);
}

/* -- somebody at the tenant -- */

static bool id_is_known(const struct history *h, int who)
{
    struct error e = {0};
    CLEANUP(link_done) struct link l = {0};
    char id[16];
    snprintf(id, sizeof(id), "id-p%d", who);
    return link_load(h->b->state, id, &l, &e) == 0 && l.remote_id;
}

static void make(struct history *h, const char *login, int who)
{
    char mail[40], first[16] = "Jim", last[16], team[8];
    bool twin = chance(40), hidden = h->b->tenant->parts == &fake_hidden_groups;
    if (is_login(h, login))
        return;
    snprintf(mail, sizeof(mail), twin ? "%c%d@example.com" : "%c%d@other.net",
             chance(50) ? 'p' : 'P', who);
    snprintf(last, sizeof(last), "Other%u", h->n_hands);
    if (twin || (id_is_known(h, who) && chance(30))) {
        snprintf(first, sizeof(first), "First");
        snprintf(last, sizeof(last), "Last%d.%u", who, h->people[who].name);
    }
    /* Where a lost create is settled by values alone, this one is no work of ours by its team.
     */
    snprintf(team, sizeof(team), chance(50) ? "Support" : "Sales");
    struct fake_user *u = fake_tenant_add(h->b->tenant, login, first, last, mail, team);
    if (!hidden && chance(30))
        assert_int_equal(user_add_role(u->user, "Admin", NULL), 0);
    struct is *is = add(h, u, twin ? TWIN : STRANGER, who);
    is->excused = h->unknown[who] || !id_is_known(h, who);
    *(twin ? &n_twins : &n_strangers) += 1;
}

static struct fake_user *there(const struct history *h, const struct is *is)
{
    struct fake_user *u = fake_tenant_find(h->b->tenant, is->login);
    if (!u)
        abort();
    return u;
}

static void delete (struct history *h, struct is *is)
{
    user_free(is->kept);
    is->kept = user_copy(there(h, is)->user);
    is->gone = true;
    trace_line("hand: %s (%s) is deleted", is->login, is->id);
    fake_tenant_remove(h->b->tenant, is->login);
}

static void rename_there(struct history *h, struct is *is, const char *login)
{
    trace_line("hand: %s (%s) is renamed to %s", is->login, is->id, login);
    fake_tenant_rename(there(h, is), login);
    snprintf(is->login, sizeof(is->login), "%s", login);
}

static void swap(struct history *h, struct is *a, struct is *b)
{
    char login_a[24], login_b[24];
    memcpy(login_a, a->login, sizeof(login_a));
    memcpy(login_b, b->login, sizeof(login_b));
    if (a == b)
        return;
    rename_there(h, a, "in.between");
    rename_there(h, b, login_a);
    rename_there(h, a, login_b);
    n_swaps++;
}

static bool has_later(const struct history *h, const struct is *is)
{
    bool later = is_of(h, is->who) != NULL;
    for (const struct is *i = is + 1; i < h->users + h->n_users; i++)
        later |= i->who == is->who && i->whose == OURS;
    return later;
}

/* With its id. */
static void restore(struct history *h, struct is *is)
{
    if (!is->kept || is_login(h, is->login) || (is->whose == OURS && has_later(h, is)))
        return;
    struct fake_user *u = fake_tenant_add(
        h->b->tenant, is->login, user_get(is->kept, USER_FIRST_NAME),
        user_get(is->kept, USER_LAST_NAME), user_get(is->kept, USER_EMAIL), "Support");
    user_free(u->user);
    u->user = TAKE(is->kept);
    snprintf(u->scim_id, sizeof(u->scim_id), "%s", is->id);
    is->gone = false;
    trace_line("hand: %s (%s) is restored", is->login, is->id);
    n_restored++;
}

/* True when no request of ours depends on what was read before. */
static bool may_touch(const struct history *h)
{
    return !h->b->tenant->first && !bed_queue(h->b, OPERATION_STARTED, NULL);
}

static void by_hand(struct history *h)
{
    struct is *is = h->n_users ? &h->users[below((unsigned)h->n_users)] : NULL;
    char login[24];
    if (!is || !may_touch(h))
        return;
    read_lines(h); /* they tell of the logins of now */
    memcpy(login, is->login, sizeof(login));
    unsigned how = below(8);
    h->unknown[is->who] |= !id_is_known(h, is->who);
    if (is->gone) {
        if (how < 4)
            restore(h, is);
        else
            make(h, login, is->who);
        return;
    }
    if (how < 3)
        delete (h, is);
    else if (how < 6)
        snprintf(login, sizeof(login), "hand%u", h->n_hands++);
    if (how >= 6) {
        struct is *other = &h->users[below((unsigned)h->n_users)];
        h->unknown[other->who] |= !id_is_known(h, other->who);
        if (!other->gone)
            swap(h, is, other);
        return;
    }
    char before[24];
    memcpy(before, is->login, sizeof(before));
    if (how >= 3)
        rename_there(h, is, login);
    if (chance(60))
        make(h, before, is->who);
}

/* -- a history -- */

static void begin(struct history *h)
{
    static char *privileged[] = {(char *)"ADMIN"};
    dice = seed;
    struct bed *b = h->b = bed_new(false);
    b->stays_open = true;
    random_seed(1 + seed);
    h->view = audit_view_new();
    assert_non_null(h->view);
    for (int k = 1; k < BUDGET_N_KINDS; k++)
        b->sync.budgets[k] = (struct budget){.unlimited = true};
    b->mapping.revoke_when = (struct mapping_text){
        .text = (char *)"(employeeType=Revoked)", .file = (char *)"test.conf", .line = 46};
    b->sync.privileged_roles = privileged;
    b->sync.n_privileged_roles = 1;
    b->sync.on_drift = seed % 3 ? DRIFT_REPAIR : DRIFT_REPORT;
    b->sync.verify_interval_usec = 6 * HOUR;
    b->sync.leave_grace_usec = seed % 2 ? 0 : HOUR;
    b->sync.delete_after_usec = seed % 5 ? 0 : 10 * HOUR;
    b->options.max_concurrent = 1 + below(4);
    b->options.slice = 1 + seed % 5;
    struct fake_tenant *t = b->tenant;
    some_tenant(t, seed / 2);
    if (chance(40)) /* the vendor's own, most of the time as it is */
        t->parts = NULL, t->deactivates = t->has_versions = false;
    t->keeps_ids = !t->parts && chance(80);
    t->on_write = on_write;
    t->write_data = h;
    t->chaos = chaos;
    t->chaos_data = h;
    for (unsigned i = 0; i < N_PEOPLE; i++) {
        h->people[i] = (struct worker){.here = chance(85) || i == 0, .sales = chance(40)};
        put_person(h, i);
    }
    put_groups(h);
    bed_start(b);
    bed_sync(b);
}

static void distrust(struct history *h)
{
    struct error e = {0};
    bed_ok(h->b, engine_distrust_state(h->b->engine, &e));
}

static void step(struct history *h)
{
    struct bed *b = h->b;
    switch (below(18)) {
    case 0: b->tenant->hold = true; break;
    case 1: fake_tenant_release(b->tenant); break;
    case 2: h->faults = below(3) * 25; break;
    case 3: bed_crash(b); break;
    case 4: bed_restart(b); break;
    case 5:
        if (chance(30))
            distrust(h);
        break;
    case 6: bed_advance(b, below(24 * 3600) * USEC_PER_SEC); break;
    case 7: bed_advance(b, below(600) * USEC_PER_SEC); break;
    case 8: bed_read_all(b); break;
    case 9:
    case 10:
    case 11:
    case 12: by_hand(h); break;
    default: change_person(h);
    }
    run_some(b);
}

static void check_leaver(struct history *h, unsigned who)
{
    const struct worker *w = &h->people[who];
    const struct is *is = is_of(h, (int)who);
    const struct fake_user *u = is ? fake_tenant_find(h->b->tenant, is->login) : NULL;
    char id[16];
    struct error e = {0};
    snprintf(id, sizeof(id), "id-p%u", who);
    if ((w->here && !w->revoked) || !u || h->unknown[who])
        return;
    n_leavers++;
    if (!u->user->disabled && !queue_has(h->b->state, id, &e))
        wrong("%s (%s) of p%u is enabled, and nothing waits", is->login, is->id, who);
}

static void come_to_rest(struct history *h)
{
    struct bed *b = h->b;
    h->faults = 0;
    fake_tenant_release(b->tenant);
    bed_sync(b);
    bed_advance(b, 15 * HOUR);
    read_lines(h);
    trace_line("rest");
    for (unsigned i = 0; i < N_PEOPLE; i++)
        check_leaver(h, i);
    memset(h->left, 0, sizeof(h->left));
    memset(h->stayed, 0, sizeof(h->stayed));
    memset(h->sales, 0, sizeof(h->sales));
    memset(h->support, 0, sizeof(h->support));
    for (unsigned i = 0; i < N_PEOPLE; i++)
        note(h, i);
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
    audit_view_free(h->view);
    for (size_t i = 0; i < h->n_users; i++)
        user_free(h->users[i].kept);
    free(h);
}

static void never_met(void)
{
    if (!n_strangers || !n_twins || !n_taken || !n_swaps || !n_restored || !n_leavers)
        fail_msg(
            "never met: strangers %zu, twins %zu, taken %zu, swaps %zu, restored %zu, leavers %zu",
            n_strangers, n_twins, n_taken, n_swaps, n_restored, n_leavers);
}

/* Failed once: a stranger with another mail and another name was taken for a user who was
 * missed and may have been renamed (315), or was given skills while an earlier attempt was
 * unclear (374); who was disabled, missed, and found under another login counted as enabled
 * (547). After an older state one made anew with hidden roles was taken for our own (20261518); a
 * new user whose login was swapped since had, for a moment, that of another link, which no state
 * keeps (20261818); the audit told nothing more of who was gone and came back by another login,
 * when somebody else had the one of before (20261534); a revocation went by the login in which a
 * stranger had been found (20262619). */
static const uint64_t kept_seeds[] = {315, 374, 547, 20261518, 20261534, 20261818, 20262619};

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
