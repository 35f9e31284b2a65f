/*
 * The oracle of test-hands.c: the tenant's table before and after each request, the audit, and
 * what the directory says.
 */
#include "config.h"

#include "audit/view.h"
#include "hands.h"
#include "state/queue.h"
#include "state/trail.h"
#include "trace.h"

#define wrong(...)                                                                             \
    do {                                                                                       \
        printf("seed %llu: ", (unsigned long long)hands_seed);                                 \
        printf(__VA_ARGS__);                                                                   \
        printf("\n");                                                                          \
        fail_msg("the history of seed %llu went wrong", (unsigned long long)hands_seed);       \
        abort();                                                                               \
    } while (0)

struct met met;
const char *const names[N_ITEMS] = {
    "login_id",      "first_name",   "last_name",   "email",      "work_phone",
    "mobile_phone",  "extension",    "team",        "disabled",   "role:Agent",
    "role:Seller",   "role:Auditor", "role:Helper", "role:Admin", "skill:English",
    "skill:Spanish", "skill:Billing"};

const char *name_within(enum item i)
{
    return strchr(names[i], ':') + 1;
}

void picture_of(const struct user *u, struct picture *ret)
{
    *ret = (struct picture){0};
    for (int f = 0; f < USER_N_FIELDS; f++)
        snprintf(ret->is[f], sizeof(ret->is[f]), "%s", user_get(u, f) ? user_get(u, f) : "");
    snprintf(ret->is[DISABLED], sizeof(ret->is[DISABLED]), "%s",
             u->disabled ? "true" : "false");
    for (enum item i = AGENT; i <= ADMIN; i++)
        snprintf(ret->is[i], sizeof(ret->is[i]), "%s",
                 user_role(u, name_within(i)) ? "yes" : "");
    for (enum item i = ENGLISH; i <= BILLING; i++) {
        const struct user_skill *s = user_skill(u, name_within(i));
        if (s)
            snprintf(ret->is[i], sizeof(ret->is[i]), "%u", s->level);
    }
}

uint32_t difference(const struct picture *a, const struct picture *b)
{
    uint32_t differ = 0;
    for (unsigned i = 0; i < N_ITEMS; i++)
        differ |= strcmp(a->is[i], b->is[i]) ? BIT(i) : 0;
    return differ;
}

static bool is_user(const struct worker *w)
{
    return w->here && (w->support || w->sales);
}

void login_of(const struct history *h, unsigned who, char ret[16])
{
    snprintf(ret, 16, "p%u%s", who, h->people[who].renamed ? "x" : "");
}

static void want(const struct history *h, unsigned who, struct picture *p)
{
    const struct worker *w = &h->people[who];
    *p = (struct picture){0};
    login_of(h, who, p->is[LOGIN]);
    snprintf(p->is[FIRST_NAME], sizeof(p->is[0]), "First");
    snprintf(p->is[LAST_NAME], sizeof(p->is[0]), "Last%u.%u", who, w->name);
    snprintf(p->is[EMAIL], sizeof(p->is[0]), "p%u.%u@example.com", who, w->mail);
    snprintf(p->is[TEAM], sizeof(p->is[0]), "%s", w->support ? "Support" : "Sales");
    snprintf(p->is[DISABLED], sizeof(p->is[0]), "%s",
             !is_user(w) || w->terminated ? "true" : "false");
    if (!is_user(w))
        return;
    snprintf(p->is[AGENT], sizeof(p->is[0]), "yes");
    snprintf(p->is[SELLER], sizeof(p->is[0]), "%s", w->sales ? "yes" : "");
    snprintf(p->is[AUDITOR], sizeof(p->is[0]), "%s", w->auditor ? "yes" : "");
    snprintf(p->is[ENGLISH], sizeof(p->is[0]), "%u", w->support ? 100 : h->level);
    snprintf(p->is[SPANISH], sizeof(p->is[0]), "%s", w->auditor ? "100" : "");
}

struct there *there_of(struct history *h, const char *id)
{
    for (size_t i = 0; i < h->n_there; i++)
        if (!strcmp(h->there[i].id, id))
            return &h->there[i];
    return NULL;
}

bool is_ours(const struct there *t)
{
    return t->who >= 0 && (!t->foreign || t->adopted);
}

struct there *add_there(struct history *h, const struct fake_user *u, int who)
{
    assert_true(h->n_there < MOST);
    struct there *t = &h->there[h->n_there++];
    *t = (struct there){.who = who};
    snprintf(t->id, sizeof(t->id), "%s", u->scim_id);
    picture_of(u->user, &t->was);
    return t;
}

static struct there *there_named(struct history *h, const char *login)
{
    for (size_t i = 0; i < h->n_there; i++)
        if (h->there[i].who >= 0 && !strcasecmp(h->there[i].was.is[LOGIN], login))
            return &h->there[i];
    return NULL;
}

/* The directory or the configuration says something else. */
void renew(struct history *h, unsigned who)
{
    struct picture now;
    want(h, who, &now);
    uint32_t changed = difference(&now, &h->wanted[who]);
    for (unsigned i = 0; i < N_ITEMS; i++)
        if (changed & BIT(i))
            trace_line("wanted: %s of p%u: %s -> %s", names[i], who, h->wanted[who].is[i],
                       now.is[i]);
    if (changed & BIT(DISABLED)) /* who comes back begins anew */
        changed = ~0U;
    h->touched[who] |= changed;
    h->wanted[who] = now;
    for (size_t i = 0; i < h->n_there; i++)
        h->there[i].shows = h->there[i].shows && h->there[i].who != (int)who;
}

/* -- the audit -- */

static void note_changes(struct intent *n, const json_t *changes)
{
    json_t *change;
    size_t k;
    json_array_foreach(changes, k, change)
    {
        const char *field = json_string_value(json_object_get(change, "field"));
        const char *to = json_string_value(json_object_get(change, "to"));
        for (unsigned i = 0; i < N_ITEMS; i++)
            if (field && !strcmp(field, names[i])) {
                bool role = BIT(i) & ROLES;
                n->items |= BIT(i);
                snprintf(n->to.is[i], sizeof(n->to.is[i]), "%s", !to ? "" : role ? "yes" : to);
            }
    }
}

/* The mth mail of the person whose login it has. */
static bool has_mail(const struct there *t, unsigned m)
{
    char mail[40];
    snprintf(mail, sizeof(mail), "p%d.%u@example.com", t->who, m);
    return !strcasecmp(mail, t->was.is[EMAIL]);
}

/* By any mail that the person had since the last rest. */
static bool may_adopt(const struct history *h, const struct there *t)
{
    bool mail = false;
    for (unsigned m = h->mail_at_rest[t->who]; m <= h->people[t->who].mail; m++)
        mail |= has_mail(t, m);
    return mail && !t->before && (!*t->was.is[ADMIN] || h->was_admin[t->who]);
}

/* By the one that the person has. */
static bool is_to_adopt(const struct history *h, const struct there *t)
{
    return may_adopt(h, t) && !*t->was.is[ADMIN] && has_mail(t, h->people[t->who].mail);
}

/* What somebody there made of it is reported at most. */
static void leave_open(struct history *h, unsigned who)
{
    for (enum item i = 0; i < N_ITEMS; i++)
        note_hand(h, who, i, h->wanted[who].is[i]);
    h->open[who] = ~0U;
}

/* settled: by a create whose answer was lost, since it is as that would have made it; the case
 * of its mail is then the tenant's own. */
static void on_adopted(struct history *h, const char *login, bool settled)
{
    struct there *t = there_named(h, login);
    if (!t || !t->foreign || t->adopted)
        return;
    if (settled && !strcmp(t->was.is[DISABLED], "true"))
        wrong("%s is disabled, and was taken for ours", login);
    if (!t->ever && !t->excused && !may_adopt(h, t))
        wrong("%s was taken over, and nobody approved it", login);
    met.adopted++;
    met.unasked += !t->ever;
    t->adopted = true;
    h->open[t->who] |= settled ? BIT(EMAIL) : 0;
}

static int on_line(int64_t seq, const char *line, void *userdata)
{
    struct history *h = userdata;
    json_t *row = audit_view_read(h->view, line, strlen(line));
    assert_non_null(row);
    const json_t *person = json_object_get(row, "person"),
                 *gone = json_object_get(json_object_get(row, "details"), "gone");
    const char *event = json_string_value(json_object_get(row, "event")),
               *code = json_string_value(json_object_get(row, "code")),
               *kind = json_string_value(json_object_get(row, "operation")),
               *login = json_string_value(json_object_get(person, "login")),
               *id = json_string_value(json_object_get(person, "id"));
    json_int_t number = json_integer_value(json_object_get(row, "number"));
    h->seen_line = seq;
    if (id && !strcmp(event, "intent")) {
        size_t to = 0;
        for (size_t i = 0; i < h->n_intents; i++) /* those of this person that are over go */
            if (h->intents[i].number != number &&
                (!h->intents[i].over || strcmp(h->intents[i].id, id)))
                h->intents[to++] = h->intents[i];
        h->n_intents = to;
        assert_true(h->n_intents < MOST);
        struct intent *n = &h->intents[h->n_intents++];
        *n = (struct intent){.number = number};
        snprintf(n->id, sizeof(n->id), "%s", id);
        snprintf(n->kind, sizeof(n->kind), "%s", kind);
        note_changes(n, json_object_get(row, "changes"));
    } else if (id && !strcmp(event, "drift") && json_is_boolean(gone)) {
        h->noticed[id[4] - '0'] = json_is_true(gone);
        if (json_is_false(gone) && login) {
            on_adopted(h, login, false);
            leave_open(h, (unsigned)(id[4] - '0'));
        }
    } else if (id && !strcmp(event, "outcome")) {
        for (size_t i = 0; i < h->n_intents; i++)
            h->intents[i].over |= h->intents[i].number == number;
        bool adopts = kind && !strcmp(kind, "adopt"), creates = kind && !strcmp(kind, "create");
        if (code && (adopts || creates) && !strcmp(code, "done") && login)
            on_adopted(h, login, creates);
    }
    json_decref(row);
    return 0;
}

void read_lines(struct history *h)
{
    struct error e = {0};
    bed_ok(h->b, trail_each(h->b->state, h->seen_line, on_line, h, &e));
}

/* -- what reaches the tenant -- */

/* A request is about to leave. */
void on_request(enum fake_kind kind, const char *login, const char *id, void *userdata)
{
    struct history *h = userdata;
    struct there *t = id ? there_of(h, id) : NULL;
    h->bed_request(kind, login, id, h->b);
    read_lines(h);
    if (!t && login)
        t = there_named(h, login);
    if (kind != FAKE_CREATE && t && t->foreign && !t->adopted && !t->excused &&
        t->approved_until < h->b->monotonic && !may_adopt(h, t))
        wrong("%s is changed, and nobody approved its adoption", t->was.is[LOGIN]);
}

static void check_said(struct history *h, const struct there *t, const struct picture *now,
                       uint32_t changed)
{
    char id[16];
    snprintf(id, sizeof(id), "id-p%d", t->who);
    for (unsigned i = 0; i < N_ITEMS; i++) {
        bool said = !(changed & BIT(i));
        for (size_t k = 0; k < h->n_intents && !said; k++) {
            const struct intent *n = &h->intents[k];
            bool alone =
                i == DISABLED && (!strcmp(n->kind, "disable") || !strcmp(n->kind, "enable"));
            said = !strcmp(n->id, id) &&
                   (alone || (n->items & BIT(i) && !strcmp(n->to.is[i], now->is[i])));
        }
        if (!said)
            wrong("%s of %s became \"%s\" instead of \"%s\", which no intent says", names[i],
                  t->was.is[LOGIN], now->is[i], t->was.is[i]);
    }
}

static void check_change(struct history *h, struct there *t, const struct picture *now)
{
    uint32_t changed = difference(&t->was, now);
    uint32_t back = changed & h->kept[t->who] & ~h->touched[t->who];
    check_said(h, t, now, changed);
    for (unsigned i = 0; i < N_ITEMS; i++) {
        if (back & BIT(i))
            wrong("%s of %s became \"%s\" again, though somebody there made it \"%s\"",
                  names[i], t->was.is[LOGIN], now->is[i], t->was.is[i]);
        if (t->shows && changed & ~t->shown & BIT(i))
            wrong("%s of %s became \"%s\", which the report of adoptions did not show",
                  names[i], t->was.is[LOGIN], now->is[i]);
    }
    met.shown += t->shows;
    met.repaired += h->repairs;
    bool seller = changed & BIT(SELLER) && *now->is[SELLER],
         auditor = changed & BIT(AUDITOR) && *now->is[AUDITOR];
    if (h->conflict_all_along && (seller || auditor) && *now->is[SELLER] && *now->is[AUDITOR])
        wrong("%s is given %s beside the other", t->was.is[LOGIN],
              seller ? "Seller" : "Auditor");
    t->was = *now;
    t->off = t->off && !strcmp(now->is[DISABLED], "true");
}

static void on_create(struct history *h, const struct fake_user *u)
{
    int who = u->login[1] - '0';
    for (size_t i = 0; i < h->n_there; i++)
        if (h->there[i].who == who && is_ours(&h->there[i]))
            wrong("%s is made beside %s", u->login, h->there[i].was.is[LOGIN]);
    assert_true(u->login[0] == 'p' && who >= 0 && who < N_PEOPLE);
    struct there *t = add_there(h, u, who);
    struct picture none = {0}, now = t->was;
    snprintf(none.is[DISABLED], sizeof(none.is[DISABLED]), "false");
    memcpy(none.is[EXTENSION], now.is[EXTENSION], sizeof(none.is[0])); /* the tenant's own */
    t->was = none;
    check_said(h, t, &now, difference(&none, &now) & ~BIT(LOGIN));
    t->was = now;
    h->kept[who] = h->open[who] = 0;
    met.anew += h->gone[who];
    h->gone[who] = false;
}

void on_write(enum fake_kind kind, const struct fake_user *after, const char *login,
              void *userdata)
{
    struct history *h = userdata;
    struct picture now;
    read_lines(h);
    if (!after)
        wrong("%s was deleted", login);
    if (kind == FAKE_CREATE) {
        on_create(h, after);
        return;
    }
    picture_of(after->user, &now);
    struct there *t = there_of(h, after->scim_id);
    assert_non_null(t);
    check_change(h, t, &now);
}

static void check_person(struct history *h, unsigned who)
{
    const struct worker *w = &h->people[who];
    const struct there *t = NULL, *other = NULL;
    bool wanted = is_user(w) && !w->terminated;
    for (size_t i = 0; i < h->n_there; i++)
        if (h->there[i].who == (int)who)
            *(is_ours(&h->there[i]) ? &t : &other) = &h->there[i];
    bool same_mail = bed_queue(h->b, OPERATION_HELD, REASON_SAME_MAIL) != 0;
    if (!t && other && !other->excused && !same_mail && wanted &&
        (h->repairs || !h->gone[who]) &&
        !strcmp(other->was.is[LOGIN], h->wanted[who].is[LOGIN]) &&
        (is_to_adopt(h, other) ||
         (other->shows && !strcmp(other->was.is[LAST_NAME], h->wanted[who].is[LAST_NAME]))))
        wrong("%s was not taken over", other->was.is[LOGIN]);
    if (!t && !other && wanted && !same_mail && (h->repairs || !h->gone[who]))
        wrong("p%u has no user", who);
    if (!t || *t->was.is[ADMIN])
        return;
    uint32_t differ =
        difference(&t->was, &h->wanted[who]) & ~UNMANAGED & ~h->kept[who] & ~h->open[who];
    if (t->renamed && !h->b->sync.verify_interval_usec)
        return;
    const struct there *holder = there_named(h, h->wanted[who].is[LOGIN]);
    if ((t->renamed && !h->repairs) || (holder && holder != t)) /* or the login is another's */
        differ &= ~BIT(LOGIN);
    if (t->off)
        return;
    if (!strcmp(h->wanted[who].is[DISABLED], "true") || !strcmp(t->was.is[DISABLED], "true"))
        differ &= BIT(DISABLED);
    uint32_t pair = BIT(SELLER) | BIT(AUDITOR);
    if (h->conflict && ((*h->wanted[who].is[SELLER] && *h->wanted[who].is[AUDITOR]) ||
                        (h->kept[who] | h->open[who]) & pair)) {
        differ &= ~pair;
        met.conflicts++;
    }
    for (unsigned i = 0; i < N_ITEMS; i++)
        if (differ & BIT(i))
            wrong("%s of %s is \"%s\", not \"%s\"", names[i], t->was.is[LOGIN], t->was.is[i],
                  h->wanted[who].is[i]);
}

int note_shown(const struct operation *o, void *userdata)
{
    struct history *h = userdata;
    struct intent n = {0};
    CLEANUP(freep) char *text = operation_changes_to_json(o);
    struct there *t = o->kind == OPERATION_ADOPT ? there_named(h, o->login) : NULL;
    if (!t || !t->foreign)
        return 0;
    for (size_t i = 0; i < o->n_changes; i++)
        for (unsigned k = 0; k < N_ITEMS; k++)
            n.items |= strcmp(o->changes[i].field, names[k]) ? 0 : BIT(k);
    t->approved_until = h->b->monotonic + h->b->sync.approval_valid_usec;
    t->shows = !t->adopted && !t->stale;
    t->ever = true;
    t->shown = n.items;
    return 0;
}

/* Whoever is found from now on is not of the first contact. */
void end_contact(struct history *h)
{
    for (size_t i = 0; i < h->n_there; i++)
        h->there[i].before = false;
}

bool has_user(const struct history *h, unsigned who)
{
    for (size_t i = 0; i < h->n_there; i++)
        if (h->there[i].who == (int)who)
            return true;
    return false;
}

void note_hand(struct history *h, unsigned who, enum item i, const char *before)
{
    struct values *v = &h->known[who][i];
    if (!((h->kept[who] | h->open[who]) & BIT(i)))
        v->n = 0;
    assert_true(v->n + 2 <= ARRAY_SIZE(v->is));
    snprintf(v->is[v->n++], sizeof(v->is[0]), "%s", before);
    memcpy(v->is[v->n++], h->wanted[who].is[i], sizeof(v->is[0]));
}

/* What is wanted to be another than it can be known to be. */
static uint32_t known_otherwise(const struct history *h, unsigned who)
{
    uint32_t items = ~0U;
    for (unsigned i = 0; i < N_ITEMS; i++)
        for (size_t k = 0; k < h->known[who][i].n; k++)
            if (!strcmp(h->known[who][i].is[k], h->wanted[who].is[i]))
                items &= ~BIT(i);
    return items;
}

void judge_rest(struct history *h)
{
    for (unsigned i = 0; i < N_PEOPLE; i++) {
        uint32_t other = difference(&h->wanted[i], &h->at_rest[i]);
        h->open[i] |= h->kept[i] & h->touched[i];
        h->kept[i] &= ~h->touched[i];
        if (!strcmp(h->wanted[i].is[DISABLED], "false")) /* else nothing is written */
            h->open[i] &= ~(other & known_otherwise(h, i));
        /* All is as the rules want it, but a level that is set stays, and who was disabled. */
        if (h->repairs)
            h->open[i] &= BIT(DISABLED) | BIT(ENGLISH) | BIT(SPANISH);
        check_person(h, i);
        h->at_rest[i] = h->wanted[i];
        h->mail_at_rest[i] = h->people[i].mail;
        h->touched[i] = 0;
    }
    h->conflict_all_along = h->conflict;
    for (size_t i = 0; i < h->n_there; i++)
        h->there[i].rested = true;
}
