/*
 * A request is its operation, while others change users at the tenant too. Random histories of
 * a few people and of users whom somebody made there: they get and lose teams, roles and
 * skills, are renamed, leave and come back; somebody there gives and takes roles, sets levels,
 * teams and names, disables, renames and deletes users, and makes others with their logins.
 * Requests wait, fail, are lost, the process dies, the configuration changes, approvals are
 * given and end.
 *
 * The oracle is the tenant's own table, before and after each request of ours, beside the audit
 * and the directory: a request changes what its intent on record says, to the values that it
 * says, and nothing else; what somebody there changed at rest stays so until the directory says
 * otherwise (with drift = repair it is as the rules want it); nobody's user is taken over
 * without its mail or an approval that holds, nothing that the report of adoptions did not show
 * follows from one, and it is on record; nobody has two users; nobody is given both of two
 * roles that conflict. At rest everybody has what the directory says.
 *
 *   test-hands [--histories N] [--seed N]
 */
#include "config.h"

#include "audit/view.h"
#include "base/random.h"
#include "hands.h"
#include "histories.h"
#include "played.h"
#include "state/link.h"
#include "state/queue.h"
#include "trace.h"

#define N_RESTS 4
#define N_STEPS 12

#define no_fail(r) assert_int_equal((r), 0)

uint64_t hands_seed;

static void chaos(enum fake_kind kind, struct fake_fault *ret, void *userdata)
{
    const struct history *h = userdata;
    lose_some(h->faults, kind, ret);
}

/* -- the directory and the configuration -- */

static void put_person(struct history *h, unsigned who)
{
    const struct worker *w = &h->people[who];
    char id[16], dn[80], login[16], mail[40], name[16];
    snprintf(id, sizeof(id), "id-p%u", who);
    renew(h, who);
    if (!w->here) {
        if (bed_find(h->b, id))
            bed_leave(h->b, id);
        return;
    }
    snprintf(dn, sizeof(dn), "uid=p%u,ou=people,dc=example,dc=com", who);
    login_of(h, who, login);
    snprintf(mail, sizeof(mail), "p%u.%u@example.com", who, w->mail);
    snprintf(name, sizeof(name), "Last%u.%u", who, w->name);
    bed_person(h->b, id, dn, "uid", login, "givenName", "First", "sn", name, "mail", mail,
               "preferredLanguage", w->auditor ? "es" : "en", "employeeType",
               w->terminated ? "Terminated" : "Here", NULL);
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

static void change_person(struct history *h)
{
    unsigned who = below(N_PEOPLE);
    struct worker *w = &h->people[who];
    char id[16];
    switch (below(10)) {
    case 0: w->here = !w->here; break;
    case 1: w->terminated = !w->terminated; break;
    case 2: w->renamed = !w->renamed; break;
    case 3: w->name++; break;
    case 4: w->mail++; break;
    case 5:
    case 6: w->auditor = !w->auditor; break;
    case 7:
    case 8: w->sales = !w->sales; break;
    default: w->support = !w->support;
    }
    put_person(h, who);
    put_groups(h);
    snprintf(id, sizeof(id), "id-p%u", who);
    bed_tell(h->b, id);
    bed_tell(h->b, "group-support");
    bed_tell(h->b, "group-sales");
}

static void configure(struct history *h)
{
    static struct mapping_rule conflict = {
        .name = (char *)"Four eyes",
        .file = (char *)"test.conf",
        .line = 60,
        .roles = {.text = (char *)"Seller, Auditor", .file = (char *)"test.conf", .line = 61}};
    struct error e = {0};
    h->conflict = chance(40);
    h->conflict_all_along = h->conflict_all_along && h->conflict;
    h->level = chance(50) ? 50 : 60;
    snprintf(h->skills, sizeof(h->skills), "English:%u", h->level);
    h->b->rules[1].skills.text = h->skills;
    h->b->mapping.conflicts = &conflict;
    h->b->mapping.n_conflicts = h->conflict;
    snprintf(h->fingerprint, sizeof(h->fingerprint), "configuration %u", h->n_reloads++);
    h->b->options.fingerprint = h->b->options.decisions = h->fingerprint;
    if (h->b->engine)
        bed_ok(h->b, engine_reload(h->b->engine, &h->b->options, &e));
    for (unsigned i = 0; i < N_PEOPLE; i++)
        renew(h, i);
}

/* -- somebody at the tenant -- */

/* Whoever goes by the login alone is the same user for all we know. */
static bool id_is_known(const struct history *h, unsigned who)
{
    struct error e = {0};
    CLEANUP(link_done) struct link l = {0};
    char id[16];
    snprintf(id, sizeof(id), "id-p%u", who);
    return h->b->engine && link_load(h->b->state, id, &l, &e) == 0 && l.remote_id;
}

/* A user with somebody's login, of whom we know nothing. */
static void make_foreign(struct history *h, unsigned who)
{
    const struct worker *w = &h->people[who];
    bool hidden = h->b->tenant->parts == &fake_hidden_groups;
    char login[16], mail[40];
    if (has_user(h, who))
        return;
    login_of(h, who, login);
    snprintf(mail, sizeof(mail), "%c%u.%u@example.com", chance(50) ? 'p' : 'P', who, w->mail);
    if (chance(40))
        snprintf(mail, sizeof(mail), "other%u@example.com", who);
    char name[16] = "Other";
    if (chance(60))
        snprintf(name, sizeof(name), "Last%u.%u", who, w->name);
    struct fake_user *u =
        fake_tenant_add(h->b->tenant, login, "First", name, chance(80) ? mail : NULL,
                        chance(50) ? "Support" : "Sales");
    if (!hidden && chance(30))
        no_fail(user_add_role(u->user, "Admin", NULL));
    if (!hidden && chance(50))
        no_fail(user_add_role(u->user, "Helper", NULL));
    if (chance(50))
        no_fail(user_add_skill(u->user, "Billing", 30, NULL));
    u->user->disabled = chance(15);
    struct there *t = add_there(h, u, (int)who);
    t->foreign = true;
    trace_line("hand: made %s (%s) mail %s admin %s disabled %s", login, t->id,
               t->was.is[EMAIL], t->was.is[ADMIN], t->was.is[DISABLED]);
    t->before = !h->b->engine;
    t->off = u->user->disabled;
    /* Who was not missed meanwhile, and is known by the login alone, is the same user for all
     * we know. */
    t->excused = h->gone[who] && !id_is_known(h, who);
    h->kept[who] = h->open[who] = 0;
}

static void set_skill(struct user *u, const char *name, unsigned level)
{
    struct user *fresh = user_copy(u);
    assert_non_null(fresh);
    user_clear_skills(fresh);
    for (size_t i = 0; i < u->n_skills; i++)
        if (strcmp(u->skills[i].name, name) != 0)
            no_fail(user_add_skill(fresh, u->skills[i].name, u->skills[i].level, NULL));
    if (level)
        no_fail(user_add_skill(fresh, name, level, NULL));
    struct user swap = *u;
    *u = *fresh;
    *fresh = swap;
    user_free(fresh);
}

static void change_there(struct history *h, struct fake_user *u)
{
    bool hidden = h->b->tenant->parts == &fake_hidden_groups;
    char login[16];
    enum item i;
    switch (below(10)) {
    case 0:
    case 1:
    case 2:
        i = AGENT + below(4);
        if (!hidden && user_role(u->user, name_within(i)))
            user_remove_role(u->user, name_within(i));
        else if (!hidden)
            no_fail(user_add_role(u->user, name_within(i), NULL));
        break;
    case 3:
    case 4:
    case 5:
        i = ENGLISH + below(3);
        set_skill(u->user, name_within(i), below(3) * 35);
        break;
    case 6:
        no_fail(user_set(u->user, USER_TEAM, chance(50) ? "Support" : "Sales", NULL));
        break;
    case 7: no_fail(user_set(u->user, USER_LAST_NAME, "Byhand", NULL)); break;
    case 8: u->user->disabled = true; break;
    default:
        snprintf(login, sizeof(login), "hand%u", h->n_hands++);
        fake_tenant_rename(u, login);
        met.renamed++;
    }
}

/* True when no request of ours depends on what was read before. */
static bool may_touch(struct history *h)
{
    const struct parts *parts = h->b->tenant->parts;
    return parts == &fake_one_part ||
           (!h->b->tenant->first && !bed_queue(h->b, OPERATION_STARTED, NULL));
}

static void by_hand(struct history *h, bool at_rest)
{
    struct fake_tenant *tenant = h->b->tenant;
    struct picture now;
    if (!may_touch(h))
        return;
    if (!tenant->n_users || chance(25)) {
        make_foreign(h, below(N_PEOPLE));
        return;
    }
    struct fake_user *u = &tenant->users[below((unsigned)tenant->n_users)];
    struct there *t = there_of(h, u->scim_id);
    if (!t)
        wrong("nobody made %s", u->login);
    int who = t->who;
    if (!t->rested && !t->foreign)
        return;
    t->shows = false;
    t->stale = true;
    if (chance(8)) {
        if (who >= 0 && is_ours(t)) {
            h->gone[who] = true;
            h->was_admin[who] = *t->was.is[ADMIN];
        }
        t->who = -1;
        trace_line("hand: %s deleted", t->was.is[LOGIN]);
        fake_tenant_remove(tenant, t->was.is[LOGIN]);
        return;
    }
    change_there(h, u);
    picture_of(u->user, &now);
    uint32_t changed = difference(&t->was, &now);
    struct picture before = t->was;
    for (unsigned i = 0; i < N_ITEMS; i++)
        if (changed & BIT(i))
            trace_line("hand: %s of %s (%s, of %d): %s -> %s", names[i], t->was.is[LOGIN],
                       t->id, who, t->was.is[i], now.is[i]);
    t->was = now;
    if (changed & BIT(LOGIN) && t->foreign && !t->adopted)
        t->who = -1; /* nobody's */
    t->off |= (changed & BIT(DISABLED)) != 0;
    t->renamed |= (changed & BIT(LOGIN)) != 0;
    if (who < 0) /* it was nobody's before */
        return;
    for (unsigned i = 0; i < N_ITEMS; i++)
        if (changed & BIT(i))
            note_hand(h, (unsigned)who, i, before.is[i]);
    if (at_rest && !h->repairs && !(changed & h->open[who]) && (!t->foreign || t->adopted))
        h->kept[who] |= changed & ~BIT(LOGIN);
    h->open[who] |= changed & ~h->kept[who];
    met.kept += (h->kept[who] & changed) != 0;
}

static void approve(struct history *h)
{
    struct error e = {0};
    trace_line("approve");
    bed_ok(h->b, queue_each(h->b->state, OPERATION_PARKED, note_shown, h, &e));
    bed_approve(h->b);
    end_contact(h);
}

/* -- a history -- */

static void begin(struct history *h)
{
    static char *privileged[] = {(char *)"ADMIN"};
    dice = hands_seed = seed;
    struct bed *b = h->b = bed_new(false);
    b->stays_open = true;
    random_seed(1 + hands_seed);
    h->view = audit_view_new();
    assert_non_null(h->view);
    for (int k = 1; k < BUDGET_N_KINDS; k++)
        b->sync.budgets[k] = (struct budget){.unlimited = true};
    b->rules[2].roles = (struct mapping_text){
        .text = (char *)"Auditor", .file = (char *)"test.conf", .line = 33};
    b->sync.privileged_roles = privileged;
    b->sync.n_privileged_roles = 1;
    h->repairs = hands_seed % 3 == 0;
    b->sync.on_drift = h->repairs ? DRIFT_REPAIR : DRIFT_REPORT;
    b->sync.verify_interval_usec = h->repairs || hands_seed % 2 ? 6 * HOUR : 0;
    b->options.max_concurrent = 1 + below(6);
    b->options.slice = 1 + hands_seed % 5;
    struct fake_tenant *t = b->tenant;
    some_tenant(t, hands_seed / 2);
    t->keeps_ids = !t->parts && hands_seed / 8 % 2;
    t->on_write = on_write;
    t->write_data = h;
    h->bed_request = t->on_request;
    t->on_request = on_request;
    t->request_data = h;
    t->chaos = chaos;
    t->chaos_data = h;
    for (unsigned i = 0; i < N_PEOPLE; i++) {
        h->people[i] = (struct worker){.here = chance(70),
                                       .support = chance(60),
                                       .sales = chance(40),
                                       .auditor = chance(30),
                                       .terminated = chance(10)};
        put_person(h, i);
    }
    put_groups(h);
    configure(h);
    for (unsigned i = 0; i < N_PEOPLE; i++)
        if (chance(25))
            make_foreign(h, i);
    memcpy(h->at_rest, h->wanted, sizeof(h->at_rest));
    bed_start(b);
    bed_sync(b);
    if (!bed_queue(b, OPERATION_PARKED, NULL))
        end_contact(h);
}

static void step(struct history *h)
{
    struct bed *b = h->b;
    trace_line("step: now %llu", (unsigned long long)(b->monotonic / USEC_PER_SEC));
    switch (below(16)) {
    case 0: b->tenant->hold = true; break;
    case 1: fake_tenant_release(b->tenant); break;
    case 2: h->faults = below(3) * 25; break;
    case 3: bed_crash(b); break;
    case 4: bed_restart(b); break;
    case 5:
        if (!b->tenant->first)
            configure(h);
        break;
    case 6: bed_advance(b, below(24 * 3600) * USEC_PER_SEC); break;
    case 7: bed_advance(b, below(600) * USEC_PER_SEC); break;
    case 8: bed_read_all(b); break;
    case 9: approve(h); break;
    case 10:
    case 11: by_hand(h, false); break;
    default: change_person(h);
    }
    run_some(b);
    if (!bed_queue(b, OPERATION_PARKED, REASON_ADOPTION))
        end_contact(h);
}

static void come_to_rest(struct history *h)
{
    struct bed *b = h->b;
    h->faults = 0;
    fake_tenant_release(b->tenant);
    bed_sync(b);
    bed_advance(b, 13 * HOUR);
    for (int i = 0; i < 3; i++) {
        approve(h);
        bed_advance(b, HOUR);
    }
    bed_advance(b, 7 * HOUR);
    read_lines(h);
    trace_line("rest");
    judge_rest(h);
    for (unsigned i = below(4); i > 0; i--)
        by_hand(h, true);
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
    free(h);
}

static void never_met(void)
{
    if (!met.kept || !met.adopted || !met.unasked || !met.conflicts || !met.renamed ||
        !met.anew || !met.shown || !met.repaired)
        fail_msg(
            "never met: kept %zu, adopted %zu, unasked %zu, conflicts %zu, renamed %zu, anew %zu, "
            "shown %zu, repaired %zu",
            met.kept, met.adopted, met.unasked, met.conflicts, met.renamed, met.anew, met.shown,
            met.repaired);
}

/* Failed once: somebody's user, made there with the login of one who was deleted, was taken
 * over, noticed as gone before (17) or not (558); a role given there kept back a name (242); a
 * skill of a change whose answer was lost stayed (1279); whoever was made in the place of a
 * leaver's deleted user, with a privileged role, was disabled without anybody's word (2315,
 * 4043); one who was made there disabled, while the answer to a create was lost, was enabled
 * (3407); in the place of one who was deleted, whoever was made with the same mail and a
 * privileged role was given skills (20262652), or one without was taken over by no line of the
 * audit (20261553). Expected too much once: that somebody with the mail of before is taken over
 * (2058, 2303, 3309, 3717) or not, with a privileged role that the one of before had
 * (20271085), that a skill is given back which somebody lowered and then took there (3016), a
 * login that another user has (3105). */
static const uint64_t kept_seeds[] = {17,   242,      558,      1279,    2058, 2303,
                                      2315, 3016,     3105,     3309,    3407, 3717,
                                      4043, 20261553, 20262652, 20271085};

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
