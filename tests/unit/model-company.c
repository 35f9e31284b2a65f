/*
 * The company: its people and rules, what chance does to them, and what is watched while it
 * happens.
 */
#include "config.h"

#include "base/random.h"
#include "dice.h"
#include "model.h"

uint64_t model_seed;
bool model_verbose;
unsigned model_fault_percent;

unsigned model_below(unsigned n)
{
    return below(n);
}

bool model_chance(unsigned percent)
{
    return chance(percent);
}

void model_say(const char *format, ...)
{
    va_list arguments;
    if (!model_verbose)
        return;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
}

const char *model_login_of(unsigned who, unsigned version, char *buffer, size_t size)
{
    snprintf(buffer, size, "p%u%s", who, version == 0 ? "" : version == 1 ? "x" : "y");
    return buffer;
}

int model_who_is(const char *login)
{
    return login[0] == 'p' && login[1] >= '0' && login[1] <= '9' ? login[1] - '0' : -1;
}

/* -- the directory and the rules, from the model -- */
static void put_person(struct model *m, unsigned who)
{
    const struct worker *w = &m->people[who];
    char id[32], dn[80], login[16], mail[64], name[32];
    snprintf(id, sizeof id, "id-p%u", who);
    if (!w->here) {
        if (bed_find(m->bed, id))
            bed_leave(m->bed, id);
        return;
    }
    snprintf(dn, sizeof dn, "uid=p%u,ou=people,dc=example,dc=com", who);
    snprintf(mail, sizeof mail, "p%u.%u@example.com", who, w->mail);
    snprintf(name, sizeof name, "Name %u", w->name);
    const char *pairs[16] = {
        "uid", model_login_of(who, w->login, login, sizeof login), "givenName", name,
        "sn",  model_login_of(who, 0, (char[16]){0}, 16),          "mail",      mail};
    size_t n = 8;
    char family[16];
    pairs[5] = model_login_of(who, 0, family, sizeof family);
    if (w->spanish) {
        pairs[n++] = "preferredLanguage";
        pairs[n++] = "es";
    }
    if (w->terminated) {
        pairs[n++] = "employeeType";
        pairs[n++] = "Terminated";
    }
    if (w->has_phone) {
        pairs[n++] = "telephoneNumber";
        pairs[n++] = "555";
    }
    bed_person(m->bed, id, dn, pairs[0], pairs[1], pairs[2], pairs[3], pairs[4], pairs[5],
               pairs[6], pairs[7], pairs[8], pairs[9], pairs[10], pairs[11], pairs[12],
               pairs[13], NULL);
}

static void put_group(struct model *m, const char *name, bool support)
{
    char names[N_PEOPLE][16];
    const char *uids[N_PEOPLE];
    size_t n = 0;
    for (unsigned i = 0; i < N_PEOPLE; i++) {
        const struct worker *w = &m->people[i];
        if (!(support ? w->in_support : w->in_sales))
            continue;
        snprintf(names[n], sizeof names[n], "p%u", i); /* the DN, which does not change */
        uids[n] = names[n];
        n++;
    }
    bed_group_uids(m->bed, name, uids, n);
}

static void put_rules(struct model *m)
{
    struct bed *b = m->bed;
    b->rules[0].team.text = (char *)(m->other_team ? "Backoffice" : "Support");
    b->rules[0].skills.text = (char *)(m->less_english ? "English:80" : "English:100");
    b->rules[1].roles.text = (char *)(m->extra_role ? "Agent, Seller, Extra" : "Agent, Seller");
}

/* -- what the model watches while it happens -- */
struct by_hand *model_hand_of(struct model *m, const char *scim_id, bool make)
{
    for (size_t i = 0; i < m->n_hands; i++)
        if (!strcmp(m->hands[i].scim_id, scim_id))
            return &m->hands[i];
    if (!make || m->n_hands == ARRAY_SIZE(m->hands))
        return NULL;
    struct by_hand *h = &m->hands[m->n_hands++];
    snprintf(h->scim_id, sizeof h->scim_id, "%s", scim_id);
    return h;
}

static struct {
    char scim_id[24];
    bool disabled, touched;
} seen_users[64];

static size_t n_seen_users;

static size_t seen_index(const char *scim_id)
{
    for (size_t i = 0; i < n_seen_users; i++)
        if (!strcmp(seen_users[i].scim_id, scim_id))
            return i;
    assert_true(n_seen_users < ARRAY_SIZE(seen_users));
    snprintf(seen_users[n_seen_users].scim_id, sizeof seen_users[0].scim_id, "%s", scim_id);
    seen_users[n_seen_users].disabled = seen_users[n_seen_users].touched = false;
    return n_seen_users++;
}

static bool *was_disabled(const char *scim_id)
{
    return &seen_users[seen_index(scim_id)].disabled;
}

bool *model_was_touched(const char *scim_id)
{
    return &seen_users[seen_index(scim_id)].touched;
}

/* Each change that reached the tenant: nobody outside the company is touched, and no more users
 * are disabled in a day than the budget and a person allow. */
static void on_write(enum fake_kind kind, const struct fake_user *after, const char *login,
                     void *userdata)
{
    struct model *m = userdata;
    int who = model_who_is(login);
    (void)kind;
    model_say("  tenant: %s %s%s",
              kind == FAKE_CREATE ? "create"
              : kind == FAKE_PUT  ? "put"
                                  : "other",
              login, after && after->user->disabled ? " (disabled)" : "");
    if (who < 0)
        wrong("%s is nobody's user and was changed", login);
    if (!after)
        wrong("%s was deleted, and nothing says so", login);
    bool *before = was_disabled(after->scim_id);
    if (after->user->disabled && !*before) {
        struct worker *w = &m->people[who];
        if (w->approved_until >= m->bed->now) {
            w->approved_until = 0;
        } else {
            size_t n = 1;
            for (size_t i = 0; i < m->n_disabled; i++)
                n += m->disabled_at[i] + DAY > m->bed->now;
            assert_true(m->n_disabled < ARRAY_SIZE(m->disabled_at));
            m->disabled_at[m->n_disabled++] = m->bed->now;
            if (n > MOST_LEAVE)
                wrong("%zu users were disabled within a day and nobody approved", n);
        }
    }
    *before = after->user->disabled;
    *model_was_touched(after->scim_id) = true;
}

static int note_parked(const struct operation *o, void *userdata)
{
    struct model *m = userdata;
    int who = model_who_is(o->entry_id + strlen("id-"));
    if (o->kind == OPERATION_DISABLE && who >= 0)
        m->people[who].approved_until = m->bed->now + m->bed->sync.approval_valid_usec;
    return 0;
}

static void approve(struct model *m)
{
    struct error e = {0};
    bed_crash_if_due(m->bed);
    bed_ok(m->bed, queue_each(m->bed->state, OPERATION_PARKED, note_parked, m, &e));
    size_t n = bed_approve(m->bed);
    model_say("approve %zu", n);
}

static bool coin(void *userdata)
{
    (void)userdata;
    return model_chance(50);
}

/* -- a model_step of a history -- */
static void change_person(struct model *m)
{
    unsigned who = model_below(N_PEOPLE);
    struct worker *w = &m->people[who];
    char id[32];
    snprintf(id, sizeof id, "id-p%u", who);
    switch (model_below(9)) {
    case 0:
    case 1: w->here = !w->here; break;
    case 2: w->terminated = !w->terminated; break;
    case 3: w->spanish = !w->spanish; break;
    case 4: w->mail = w->was_there ? 0 : model_below(3); break;
    case 5: w->name = model_below(3); break;
    case 6: w->login = w->was_there ? 0 : model_below(3); break;
    case 7: w->has_phone = true; break;
    default:
        if (model_chance(50))
            w->in_support = !w->in_support;
        else
            w->in_sales = !w->in_sales;
        put_group(m, "support", true);
        put_group(m, "sales", false);
        if (model_chance(70)) {
            bed_tell(m->bed, "group-support");
            bed_tell(m->bed, "group-sales");
        }
    }
    model_say(
        "p%u: here %d terminated %d spanish %d support %d sales %d login %u mail %u name %u",
        who, w->here, w->terminated, w->spanish, w->in_support, w->in_sales, w->login, w->mail,
        w->name);
    put_person(m, who);
    if (model_chance(70))
        bed_tell(m->bed, id);
}

static void by_hand(struct model *m)
{
    struct fake_tenant *t = m->bed->tenant;
    /* Where roles and skills are taken as whole sets, what somebody changes between our reading and
     * our writing is lost, whatever rosterd does, unless the tenant has versions. */
    if (!t->n_users || (t->n_under_way && !t->has_versions))
        return;
    struct fake_user *u = &t->users[model_below((unsigned)t->n_users)];
    struct by_hand *h = model_hand_of(m, u->scim_id, true);
    if (!h)
        return;
    model_say("a supervisor changes %s", u->login);
    switch (model_below(3)) {
    case 0:
        h->role = true;
        assert_int_equal(user_add_role(u->user, "Supervisor", NULL), 0);
        break;
    case 1:
        h->skill = true;
        assert_int_equal(user_add_skill(u->user, "Chess", fake_tenant_level(t, 70), NULL), 0);
        break;
    default:
        h->phone = true;
        assert_int_equal(user_set(u->user, USER_MOBILE_PHONE, "007", NULL), 0);
    }
}

static void change_rules(struct model *m)
{
    struct error e = {0};
    switch (model_below(3)) {
    case 0: m->other_team = !m->other_team; break;
    case 1: m->less_english = !m->less_english; break;
    default: m->extra_role = !m->extra_role;
    }
    model_say("rules: other team %d, less English %d, extra role %d", m->other_team,
              m->less_english, m->extra_role);
    put_rules(m);
    bed_crash_if_due(m->bed);
    int r = engine_reload(m->bed->engine, &m->bed->options, &e);
    if (r < 0 && bed_crash_if_due(m->bed)) /* at its commit: the next start finds them */
        return;
    bed_ok(m->bed, r);
}

static void run_a_little(struct model *m)
{
    for (unsigned i = model_below(30); i > 0; i--)
        if (bed_crash_if_due(m->bed) || sd_event_run(m->bed->event, 0) <= 0)
            return;
}

void model_step(struct model *m)
{
    struct bed *b = m->bed;
    switch (model_below(16)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4: change_person(m); break;
    case 5: by_hand(m); break;
    case 6: change_rules(m); break;
    case 7: model_say("faults %u %%", model_fault_percent = model_below(3) * 25); break;
    case 8:
        run_a_little(m);
        model_say("crash");
        bed_crash(b);
        break;
    case 9:
        model_say("restart");
        bed_restart(b);
        break;
    case 10:
        if (model_chance(50))
            approve(m);
        break;
    case 11:
        model_say("a day passes");
        bed_advance(b, DAY);
        break;
    case 12: bed_advance(b, model_below(3600) * USEC_PER_SEC); break;
    case 13: bed_read_all(b); break;
    default: run_a_little(m);
    }
    if (model_chance(40))
        bed_run(b);
}

void model_another_kind(struct model *m)
{
    static const struct parts *const kinds[] = {&fake_one_part, &fake_groups, &fake_hidden_groups};
    struct fake_tenant *t = m->bed->tenant;
    t->parts = kinds[model_seed % ARRAY_SIZE(kinds)];
    t->has_versions = t->deactivates = t->rounds = t->shifts = true;
}

/* -- a whole history -- */
struct model *model_begin(void (*prepare)(struct model *m))
{
    struct model *m = calloc(1, sizeof *m);
    assert_non_null(m);
    dice = model_seed;
    model_fault_percent = 0;
    n_seen_users = 0;
    m->bed = bed_new(false);
    m->bed->stays_open = true;
    random_seed(1 + model_seed);
    struct bed *b = m->bed;
    assert_int_equal(string_list_add(&b->tenant->teams, "Backoffice"), 0);
    b->sync.budgets[BUDGET_DISABLE] = (struct budget){.floor = MOST_LEAVE};
    b->sync.leave_grace_usec = model_chance(50) ? 0 : DAY;
    b->options.max_concurrent = 1 + model_below(6);
    b->options.slice = 1 + model_seed % 5;
    b->tenant->ahead = model_seed % 3 ? model_seed % 11 : 0;
    b->tenant->on_write = on_write;
    b->tenant->write_data = m;
    if (prepare)
        prepare(m);
    b->tenant->cancelled_takes_effect = coin;
    for (unsigned i = 0; i < N_PEOPLE; i++) {
        m->people[i] = (struct worker){.here = model_chance(60),
                                       .spanish = model_chance(30),
                                       .in_support = model_chance(50),
                                       .in_sales = model_chance(40)};
        put_person(m, i);
    }
    put_group(m, "support", true);
    put_group(m, "sales", false);
    fake_tenant_add(b->tenant, "stranger", "A", "Stranger", "stranger@example.com", "Sales");
    for (unsigned i = 0; i < N_PEOPLE && model_chance(40); i++) { /* there before rosterd was */
        char login[16], mail[64];
        snprintf(mail, sizeof mail, "p%u.0@example.com", i);
        fake_tenant_add(b->tenant, model_login_of(i, 0, login, sizeof login), "Old", login,
                        mail, "Sales");
        m->people[i].was_there = true;
    }
    put_rules(m);
    bed_start(b);
    bed_read_all(b);
    bed_run(b);
    return m;
}

/* Nothing disturbs any more: all is told, approved, waited for. */
void model_come_to_rest(struct model *m)
{
    struct bed *b = m->bed;
    model_fault_percent = 0;
    for (unsigned i = 0; i < N_PEOPLE; i++)
        put_person(m, i);
    put_group(m, "support", true);
    put_group(m, "sales", false);
    bed_read_all(b);
    bed_run(b);
    for (int i = 0; i < 4; i++) {
        bed_advance(b, 26 * HOUR);
        approve(m);
    }
    bed_advance(b, HOUR);
}
