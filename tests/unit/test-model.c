/*
 * The model test: random histories of a small company, after each of which the tenant must hold
 * what a few lines of independent code expect. The expectation knows nothing of mapping and
 * planner: it has its own data and its own idea of the three rules.
 *
 *   test-model [--histories N] [--seed N] [--verbose]
 *
 * A failing history prints its seed; put it into tests/data/model-seeds to keep it.
 */
#include "config.h"

#include <jansson.h>
#include <stdarg.h>

#include "base/log.h"
#include "engine-bed.h"
#include "state/link.h"
#include "state/queue.h"
#include "sync/engine-internal.h"
#include "unit.h"

#define N_PEOPLE   10
#define N_STEPS    30
#define MOST_LEAVE 3 /* disables a day without approval */

static uint64_t seed, dice;
static bool verbose;

static uint64_t next_random(void) /* splitmix64 */
{
    uint64_t z = (dice += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static unsigned below(unsigned n)
{
    return (unsigned)(next_random() % n);
}

static bool chance(unsigned percent)
{
    return below(100) < percent;
}

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
    va_list arguments;
    if (!verbose)
        return;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
}

#define wrong(...)                                                                             \
    do {                                                                                       \
        printf("seed %llu: ", (unsigned long long)seed);                                       \
        printf(__VA_ARGS__);                                                                   \
        printf("\n");                                                                          \
        fail_msg("the history of seed %llu went wrong", (unsigned long long)seed);             \
    } while (0)

/* One of the company, as the model knows them. */
struct worker {
    bool here, terminated, spanish, in_support, in_sales, has_phone;
    bool was_there; /* has a user from before, known by login and mail: with another of either
                       it would be held, for a person to decide */
    unsigned login, mail, name; /* versions */
    uint64_t approved_until;    /* of a disable that a person approved */
};

struct by_hand { /* what a supervisor gave to a user, by the id that never changes */
    char scim_id[24];
    bool role, skill, phone;
};

struct model {
    struct bed *bed;
    struct worker people[N_PEOPLE];
    struct by_hand hands[64];
    size_t n_hands;
    /* the rules as they are configured */
    bool other_team, less_english, extra_role;
    uint64_t disabled_at[4096]; /* times of disables without approval */
    size_t n_disabled;
};

static const char *login_of(unsigned who, unsigned version, char *buffer, size_t size)
{
    snprintf(buffer, size, "p%u%s", who, version == 0 ? "" : version == 1 ? "x" : "y");
    return buffer;
}

static int who_is(const char *login)
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
        "uid", login_of(who, w->login, login, sizeof login), "givenName", name,
        "sn",  login_of(who, 0, (char[16]){0}, 16),          "mail",      mail};
    size_t n = 8;
    char family[16];
    pairs[5] = login_of(who, 0, family, sizeof family);
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

static struct by_hand *hand_of(struct model *m, const char *scim_id, bool make)
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

static bool *was_touched(const char *scim_id)
{
    return &seen_users[seen_index(scim_id)].touched;
}

/* Each change that reached the tenant: nobody outside the company is touched, and no more users
 * are disabled in a day than the budget and a person allow. */
static void on_write(enum fake_kind kind, const struct fake_user *after, const char *login,
                     void *userdata)
{
    struct model *m = userdata;
    int who = who_is(login);
    (void)kind;
    say("  tenant: %s %s%s",
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
    *was_touched(after->scim_id) = true;
}

static int note_parked(const struct operation *o, void *userdata)
{
    struct model *m = userdata;
    int who = who_is(o->entry_id + strlen("id-"));
    if (o->kind == OPERATION_DISABLE && who >= 0)
        m->people[who].approved_until = m->bed->now + m->bed->sync.approval_valid_usec;
    return 0;
}

static void approve(struct model *m)
{
    struct error e = {0};
    bed_ok(m->bed, queue_each(m->bed->state, OPERATION_PARKED, note_parked, m, &e));
    size_t n = bed_approve(m->bed);
    say("approve %zu", n);
}

static unsigned fault_percent;

static void chaos(enum fake_kind kind, struct fake_fault *ret, void *userdata)
{
    (void)userdata;
    if (!chance(fault_percent))
        return;
    bool write = (kind & FAKE_WRITES) != 0;
    switch (below(6)) {
    case 0: ret->class = TENANT_AWAY; break;
    case 1:
        ret->class = TENANT_AWAY;
        ret->status = 502;
        break;
    case 2:
        ret->class = TENANT_THROTTLED;
        ret->status = 429;
        break;
    case 3:
        ret->class = TENANT_NOT_AUTHORISED;
        ret->status = 401;
        break;
    default:
        ret->class = write ? TENANT_UNCLEAR : TENANT_AWAY;
        ret->takes_effect = write && chance(50);
        break;
    }
}

static bool coin(void *userdata)
{
    (void)userdata;
    return chance(50);
}

/* -- a step of a history -- */

static void change_person(struct model *m)
{
    unsigned who = below(N_PEOPLE);
    struct worker *w = &m->people[who];
    char id[32];
    snprintf(id, sizeof id, "id-p%u", who);
    switch (below(9)) {
    case 0:
    case 1: w->here = !w->here; break;
    case 2: w->terminated = !w->terminated; break;
    case 3: w->spanish = !w->spanish; break;
    case 4: w->mail = w->was_there ? 0 : below(3); break;
    case 5: w->name = below(3); break;
    case 6: w->login = w->was_there ? 0 : below(3); break;
    case 7: w->has_phone = true; break;
    default:
        if (chance(50))
            w->in_support = !w->in_support;
        else
            w->in_sales = !w->in_sales;
        put_group(m, "support", true);
        put_group(m, "sales", false);
        if (chance(70)) {
            bed_tell(m->bed, "group-support");
            bed_tell(m->bed, "group-sales");
        }
    }
    say("p%u: here %d terminated %d spanish %d support %d sales %d login %u mail %u name %u",
        who, w->here, w->terminated, w->spanish, w->in_support, w->in_sales, w->login, w->mail,
        w->name);
    put_person(m, who);
    if (chance(70))
        bed_tell(m->bed, id);
}

static void by_hand(struct model *m)
{
    struct fake_tenant *t = m->bed->tenant;
    /* The API takes roles and skills as whole sets, so what somebody changes between our
     * reading and our writing is lost, whatever rosterd does. */
    if (!t->n_users || t->n_under_way)
        return;
    struct fake_user *u = &t->users[below((unsigned)t->n_users)];
    struct by_hand *h = hand_of(m, u->scim_id, true);
    if (!h)
        return;
    say("a supervisor changes %s", u->login);
    switch (below(3)) {
    case 0:
        h->role = true;
        assert_int_equal(user_add_role(u->user, "Supervisor", NULL), 0);
        break;
    case 1:
        h->skill = true;
        assert_int_equal(user_add_skill(u->user, "Chess", 70, NULL), 0);
        break;
    default:
        h->phone = true;
        assert_int_equal(user_set(u->user, USER_MOBILE_PHONE, "007", NULL), 0);
    }
}

static void change_rules(struct model *m)
{
    struct error e = {0};
    switch (below(3)) {
    case 0: m->other_team = !m->other_team; break;
    case 1: m->less_english = !m->less_english; break;
    default: m->extra_role = !m->extra_role;
    }
    say("rules: other team %d, less English %d, extra role %d", m->other_team, m->less_english,
        m->extra_role);
    put_rules(m);
    bed_ok(m->bed, engine_reload(m->bed->engine, &m->bed->options, &e));
}

static void run_a_little(struct model *m)
{
    for (unsigned i = below(30); i > 0; i--)
        if (sd_event_run(m->bed->event, 0) <= 0)
            return;
}

static void step(struct model *m)
{
    struct bed *b = m->bed;
    switch (below(16)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4: change_person(m); break;
    case 5: by_hand(m); break;
    case 6: change_rules(m); break;
    case 7: say("faults %u %%", fault_percent = below(3) * 25); break;
    case 8:
        run_a_little(m);
        say("crash");
        bed_crash(b);
        break;
    case 9:
        say("restart");
        bed_restart(b);
        break;
    case 10:
        if (chance(50))
            approve(m);
        break;
    case 11:
        say("a day passes");
        bed_advance(b, DAY);
        break;
    case 12: bed_advance(b, below(3600) * USEC_PER_SEC); break;
    case 13: bed_read_all(b); break;
    default: run_a_little(m);
    }
    if (chance(40))
        bed_run(b);
}

/* -- what must be -- */

struct expected {
    bool wanted, disabled;
    char login[16], mail[64], name[32], family[16];
    const char *team;
    bool agent, seller, extra, spanish, phone;
    unsigned english;
};

static struct expected expect(const struct model *m, unsigned who)
{
    const struct worker *w = &m->people[who];
    struct expected x = {0};
    x.wanted = w->here && (w->in_support || w->in_sales);
    x.disabled = w->terminated;
    login_of(who, w->login, x.login, sizeof x.login);
    login_of(who, 0, x.family, sizeof x.family);
    snprintf(x.mail, sizeof x.mail, "p%u.%u@example.com", who, w->mail);
    snprintf(x.name, sizeof x.name, "Name %u", w->name);
    x.team = w->in_support ? (m->other_team ? "Backoffice" : "Support") : "Sales";
    x.agent = true;
    x.seller = w->in_sales;
    x.extra = w->in_sales && m->extra_role;
    x.spanish = w->spanish;
    x.phone = w->has_phone;
    x.english = w->in_support ? (m->less_english ? 80 : 100) : 50;
    return x;
}

static void same_text(const char *login, const char *what, const char *is, const char *must)
{
    if (!is || strcmp(is, must) != 0)
        wrong("%s has the %s %s, not %s", login, what, is ? is : "(none)", must);
}

static void check_set(struct model *m, const struct fake_user *u, const struct expected *x)
{
    const struct by_hand *h = hand_of(m, u->scim_id, false);
    bool supervisor = h && h->role, chess = h && h->skill, mobile = h && h->phone;
    const struct user *is = u->user;
    if ((user_role(is, "Supervisor") != NULL) != supervisor ||
        (user_skill(is, "Chess") != NULL) != chess ||
        (chess && user_skill(is, "Chess")->level != 70) ||
        (mobile && !text_equal(user_get(is, USER_MOBILE_PHONE), "007")))
        wrong("%s lost or got what no rule manages", u->login);
    if (!x)
        return;
    if ((user_role(is, "Agent") != NULL) != x->agent ||
        (user_role(is, "Seller") != NULL) != x->seller ||
        (user_role(is, "Extra") != NULL) != x->extra ||
        is->n_roles != (size_t)(x->agent + x->seller + x->extra + supervisor))
        wrong("%s has wrong roles: %s", u->login, user_to_json(is, false));
    const struct user_skill *english = user_skill(is, "English");
    if (!english || english->level != x->english ||
        (user_skill(is, "Spanish") != NULL) != x->spanish ||
        is->n_skills != (size_t)(1 + x->spanish + chess))
        wrong("%s has wrong skills", u->login);
}

/* There before rosterd was, and the person was never a user since. */
static bool is_unclaimed(struct model *m, unsigned who)
{
    struct link l = {0};
    struct error e = {0};
    char id[32];
    snprintf(id, sizeof id, "id-p%u", who);
    int r = link_load(m->bed->state, id, &l, &e);
    link_done(&l);
    return r == STATE_NONE;
}

static void check_person(struct model *m, unsigned who)
{
    struct expected x = expect(m, who);
    const struct fake_user *u = NULL;
    for (size_t i = 0; i < m->bed->tenant->n_users; i++)
        if (who_is(m->bed->tenant->users[i].login) == (int)who) {
            if (u)
                wrong("p%u has two users", who);
            u = &m->bed->tenant->users[i];
        }
    if (!u && x.wanted && !x.disabled)
        wrong("p%u has no user", who);
    if (!u)
        return;
    check_set(m, u, x.wanted && !x.disabled ? &x : NULL);
    if (!x.wanted && is_unclaimed(m, who)) {
        if (*was_touched(u->scim_id))
            wrong("%s is nobody's user and was changed", u->login);
        return;
    }
    if (u->user->disabled != (!x.wanted || x.disabled))
        wrong("%s is %sdisabled", u->login, u->user->disabled ? "" : "not ");
    if (!x.wanted || x.disabled)
        return;
    same_text(u->login, "login", u->login, x.login);
    same_text(u->login, "mail", user_get(u->user, USER_EMAIL), x.mail);
    same_text(u->login, "first name", user_get(u->user, USER_FIRST_NAME), x.name);
    same_text(u->login, "last name", user_get(u->user, USER_LAST_NAME), x.family);
    same_text(u->login, "team", user_get(u->user, USER_TEAM), x.team);
    if (x.phone)
        same_text(u->login, "phone", user_get(u->user, USER_WORK_PHONE), "555");
}

/* -- the tenant, rebuilt from the audit alone -- */

struct rebuilt {
    json_t *users; /* entry id -> {field: value, "role:X": "X", "skill:X": level} */
};

static void take_found(json_t *user, const json_t *found)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)found, key, value)
    {
        char field[128];
        size_t i;
        json_t *item;
        const char *name;
        if (!strcmp(key, "roles")) {
            json_array_foreach(value, i, item)
            {
                snprintf(field, sizeof field, "role:%s", json_string_value(item));
                json_object_set(user, field, item);
            }
        } else if (!strcmp(key, "skills")) {
            json_object_foreach(value, name, item)
            {
                snprintf(field, sizeof field, "skill:%s", name);
                json_object_set_new(user, field,
                                    json_sprintf("%lld", (long long)json_integer_value(item)));
            }
        } else if (!strcmp(key, "disabled")) {
            json_object_set_new(user, key, json_string(json_is_true(value) ? "true" : "false"));
        } else {
            json_object_set(user, key, value);
        }
    }
}

static void replay(const json_t *row, void *userdata)
{
    struct rebuilt *r = userdata;
    const char *event = json_string_value(json_object_get(row, "event")),
               *code = json_string_value(json_object_get(row, "code")),
               *id = json_string_value(json_object_get(json_object_get(row, "person"), "id"));
    if (!event || strcmp(event, "outcome") != 0 || !code || strcmp(code, "done") != 0 || !id)
        return;
    json_t *user = json_object_get(r->users, id), *change;
    size_t i;
    if (!user) {
        user = json_object();
        json_object_set_new(r->users, id, user);
    }
    take_found(user, json_object_get(json_object_get(row, "details"), "found"));
    json_array_foreach(json_object_get(row, "changes"), i, change)
    {
        const char *field = json_string_value(json_object_get(change, "field"));
        json_t *to = json_object_get(change, "to");
        if (json_is_string(to))
            json_object_set(user, field, to);
        else
            json_object_del(user, field);
    }
}

static void check_rebuilt(struct model *m)
{
    struct rebuilt r = {.users = json_object()};
    bed_each_audit(m->bed, replay, &r);
    for (size_t i = 0; i < m->bed->tenant->n_users; i++) {
        const struct fake_user *u = &m->bed->tenant->users[i];
        char id[32];
        int who = who_is(u->login);
        if (who < 0)
            continue;
        snprintf(id, sizeof id, "id-p%d", who);
        const json_t *user = json_object_get(r.users, id);
        if (!user && is_unclaimed(m, (unsigned)who))
            continue;
        if (!user)
            wrong("the audit says nothing of %s", u->login);
        static const enum user_field fields[] = {USER_LOGIN, USER_FIRST_NAME, USER_LAST_NAME,
                                                 USER_EMAIL, USER_TEAM};
        for (size_t f = 0; f < ARRAY_SIZE(fields); f++) {
            const char *is = user_get(u->user, fields[f]),
                       *was =
                           json_string_value(json_object_get(user, user_field_name(fields[f])));
            if (!text_equal(is, was))
                wrong("the audit gives %s the %s %s, the tenant %s", u->login,
                      user_field_name(fields[f]), was ? was : "(none)", is ? is : "(none)");
        }
        static const char *const roles[] = {"Agent", "Seller", "Extra"};
        for (size_t k = 0; k < ARRAY_SIZE(roles); k++) {
            char field[64];
            snprintf(field, sizeof field, "role:%s", roles[k]);
            if ((user_role(u->user, roles[k]) != NULL) !=
                (json_object_get(user, field) != NULL))
                wrong("the audit and the tenant differ in the role %s of %s", roles[k],
                      u->login);
        }
        static const char *const skills[] = {"English", "Spanish"};
        for (size_t k = 0; k < ARRAY_SIZE(skills); k++) {
            char field[64], level[16] = "";
            const struct user_skill *is = user_skill(u->user, skills[k]);
            snprintf(field, sizeof field, "skill:%s", skills[k]);
            if (is)
                snprintf(level, sizeof level, "%u", is->level);
            const char *was = json_string_value(json_object_get(user, field));
            if (strcmp(level, was ? was : "") != 0)
                wrong("the audit and the tenant differ in the skill %s of %s", skills[k],
                      u->login);
        }
        bool disabled =
            text_equal(json_string_value(json_object_get(user, "disabled")), "true");
        if (disabled != u->user->disabled)
            wrong("the audit says that %s is %sdisabled", u->login, disabled ? "" : "not ");
    }
    json_decref(r.users);
}

/* -- a whole history -- */

static struct model *begin_history(void)
{
    struct model *m = calloc(1, sizeof *m);
    assert_non_null(m);
    dice = seed;
    fault_percent = 0;
    n_seen_users = 0;
    m->bed = bed_new(true);
    struct bed *b = m->bed;
    assert_int_equal(string_list_add(&b->tenant->teams, "Backoffice"), 0);
    b->sync.budgets[BUDGET_DISABLE] = (struct budget){.floor = MOST_LEAVE};
    b->sync.leave_grace_usec = chance(50) ? 0 : DAY;
    b->options.max_concurrent = 1 + below(6);
    b->tenant->on_write = on_write;
    b->tenant->write_data = m;
    b->tenant->chaos = chaos;
    b->tenant->cancelled_takes_effect = coin;
    for (unsigned i = 0; i < N_PEOPLE; i++) {
        m->people[i] = (struct worker){.here = chance(60),
                                       .spanish = chance(30),
                                       .in_support = chance(50),
                                       .in_sales = chance(40)};
        put_person(m, i);
    }
    put_group(m, "support", true);
    put_group(m, "sales", false);
    fake_tenant_add(b->tenant, "stranger", "A", "Stranger", "stranger@example.com", "Sales");
    for (unsigned i = 0; i < N_PEOPLE && chance(40); i++) { /* there before rosterd was */
        char login[16], mail[64];
        snprintf(mail, sizeof mail, "p%u.0@example.com", i);
        fake_tenant_add(b->tenant, login_of(i, 0, login, sizeof login), "Old", login, mail,
                        "Sales");
        m->people[i].was_there = true;
    }
    put_rules(m);
    bed_start(b);
    bed_read_all(b);
    bed_run(b);
    return m;
}

/* Nothing disturbs any more: all is told, approved, waited for. */
static void come_to_rest(struct model *m)
{
    struct bed *b = m->bed;
    fault_percent = 0;
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

static void one_history(void)
{
    struct model *m = begin_history();
    for (unsigned i = 0; i < N_STEPS; i++)
        step(m);
    come_to_rest(m);
    for (unsigned i = 0; i < N_PEOPLE; i++)
        check_person(m, i);
    check_rebuilt(m);
    bed_check_ledgers(m->bed);
    if (bed_queue(m->bed, 0, NULL))
        wrong("%zu operations are left", bed_queue(m->bed, 0, NULL));
    const struct fake_user *stranger = fake_tenant_find(m->bed->tenant, "stranger");
    if (!stranger || stranger->user->disabled)
        wrong("the stranger was touched");
    bed_free(m->bed);
    free(m);
}

static uint64_t first_seed = 1;
static unsigned n_histories = 300;

static void test_kept_seeds(void **state)
{
    (void)state;
    const char *folder = getenv("abs_top_srcdir");
    char path[512], line[64];
    snprintf(path, sizeof path, "%s/tests/data/model-seeds", folder ? folder : ".");
    FILE *f = fopen(path, "r");
    if (!f)
        skip();
    while (fgets(line, sizeof line, f)) {
        if (line[0] == '#' || line[0] == '\n')
            continue;
        seed = strtoull(line, NULL, 10);
        one_history();
    }
    fclose(f);
}

static void test_histories(void **state)
{
    (void)state;
    for (unsigned i = 0; i < n_histories; i++) {
        seed = first_seed + i;
        one_history();
    }
}

int main(int argc, char **argv)
{
    log_set_level(LOG_CRIT);
    bool one = false;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--verbose")) {
            verbose = true;
            log_set_level(LOG_DEBUG);
        } else if (i + 1 < argc && !strcmp(argv[i], "--seed")) {
            first_seed = strtoull(argv[++i], NULL, 10);
            n_histories = one ? n_histories : 1;
        } else if (i + 1 < argc && !strcmp(argv[i], "--histories")) {
            n_histories = (unsigned)strtoul(argv[++i], NULL, 10);
            one = true;
        } else {
            fprintf(stderr, "usage: test-model [--histories N] [--seed N] [--verbose]\n");
            return 2;
        }
    }
    const struct CMUnitTest kept[] = {cmocka_unit_test(test_kept_seeds)};
    const struct CMUnitTest histories[] = {cmocka_unit_test(test_histories)};
    int failed = argc == 1 ? cmocka_run_group_tests(kept, NULL, NULL) : 0;
    return failed + cmocka_run_group_tests(histories, NULL, NULL);
}
