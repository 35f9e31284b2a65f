/*
 * One refusal is one person's. Random histories in which the tenant refuses whatever is asked
 * about some people, or some of it, with any status and page, for a while; what an answer means
 * is decided by the program's own tenant/answer.c. The oracle is a few lines of its own:
 * whoever is not refused has what the directory says within minutes, whatever happens to the
 * others; how often those are asked for is bounded; alarms are few, and end; and when nobody is
 * refused any more, everybody has what the directory says soon.
 *
 *   test-refused [--histories N] [--seed N]
 */
#include "config.h"

#include "base/log.h"
#include "base/random.h"
#include "engine-bed.h"
#include "fake-internal.h"
#include "histories.h"
#include "played.h"
#include "tenant/answer.h"
#include "trace.h"
#include "unit.h"

#define N_PEOPLE 8
#define N_EPOCHS 4
#define N_STEPS  6

struct worker {
    bool support, sales, auditor;
    unsigned name;
};

/* What is answered, and to which requests about whom. */
struct refusal {
    unsigned people, kinds;
    int status;
    const char *body, *type;
};

struct history {
    struct bed *b;
    struct worker people[N_PEOPLE];
    struct refusal refusal;
    bool puts_off;  /* an answer said that the tenant is busy or away, or nothing at all */
    size_t n_asked; /* about whoever is refused, since that began */
    unsigned n_reloads;
    char fingerprint[32];
};

static size_t n_refused, n_others, n_classes[TENANT_N_CLASSES]; /* over all histories */

/* -- the tenant refuses -- */

static const struct {
    const char *body, *type;
} pages[] = {
    {"", NULL},
    {"request failed", "text/plain"},
    {"{\"error\": \"invalid\", \"error_description\": \"this is not allowed\"}",
     "application/json"},
    {"<html><head><title>Forbidden</title></head><body>Ask your administrator</body></html>",
     "text/html"},
    {"{\"schemas\": [\"urn:ietf:params:scim:api:messages:2.0:Error\"], \"detail\": \"no\"}",
     "application/scim+json"},
};

static int who_asks(const struct history *h)
{
    const struct tenant_call *c = h->b->tenant->first;
    const char *login = c->of_login;
    for (size_t i = 0; !login && c->of_id && i < h->b->tenant->n_users; i++)
        if (!strcmp(h->b->tenant->users[i].scim_id, c->of_id))
            login = h->b->tenant->users[i].login;
    return login && login[0] == 'p' ? login[1] - '0' : -1;
}

static enum tenant_answer_class class_of(enum fake_kind kind, const struct refusal *r)
{
    bool scim = kind & (FAKE_LOOKUP | FAKE_SCIM_GET | FAKE_PATCH | FAKE_ACTIVE);
    struct answer_question q = {
        .method = kind == FAKE_CREATE                 ? HTTP_POST
                  : kind == FAKE_DELETE               ? HTTP_DELETE
                  : kind & (FAKE_PATCH | FAKE_ACTIVE) ? HTTP_PATCH
                  : kind & FAKE_WRITES                ? HTTP_PUT
                                                      : HTTP_GET,
        .api = scim ? ANSWER_SCIM : ANSWER_CONFIGURATION,
        .names_user = kind != FAKE_CREATE && kind != FAKE_LOOKUP,
        .scim_works = true,
    };
    struct http_result result = {.sent = true,
                                 .status = r->status,
                                 .body = r->body,
                                 .body_size = strlen(r->body),
                                 .content_type = r->type};
    struct tenant_answer answer = {0};
    answer_decide(&answer, &q, &result);
    return answer.class;
}

static void chaos(enum fake_kind kind, struct fake_fault *ret, void *userdata)
{
    struct history *h = userdata;
    const struct refusal *r = &h->refusal;
    int who = who_asks(h);
    if (who < 0 || !(r->people & 1u << who))
        return;
    h->n_asked++;
    if (!(r->kinds & kind))
        return;
    enum tenant_answer_class class = class_of(kind, r);
    /* What says that all is well, or that nobody is there, is no refusal. */
    if (class == TENANT_DONE || class == TENANT_NOT_FOUND || class == TENANT_CONFLICT)
        return;
    ret->class = class;
    ret->status = r->status;
    n_refused++;
    n_classes[class]++;
    h->puts_off |= class == TENANT_THROTTLED || class == TENANT_UNCLEAR || class == TENANT_AWAY;
}

static void refuse(struct history *h)
{
    static const int statuses[] = {200, 302, 400, 401, 402, 403, 404, 405, 406, 408,
                                   410, 411, 413, 415, 418, 422, 423, 428, 429, 431,
                                   451, 500, 501, 502, 503, 504, 507, 520};
    static const unsigned kinds[] = {FAKE_ALL,
                                     FAKE_WRITES,
                                     FAKE_CREATE,
                                     FAKE_PUT,
                                     FAKE_PATCH | FAKE_ACTIVE,
                                     FAKE_GET | FAKE_SCIM_GET,
                                     FAKE_LOOKUP | FAKE_SCIM_GET | FAKE_PATCH | FAKE_ACTIVE};
    size_t page = below(ARRAY_SIZE(pages));
    h->refusal = (struct refusal){.kinds = kinds[below(ARRAY_SIZE(kinds))],
                                  .status = statuses[below(ARRAY_SIZE(statuses))],
                                  .body = pages[page].body,
                                  .type = pages[page].type};
    for (unsigned i = 1 + below(4); i > 0; i--)
        h->refusal.people |= 1u << below(N_PEOPLE);
    h->n_asked = 0;
    h->puts_off = false;
    trace_line("refused: %x, kinds %x, status %d", h->refusal.people, h->refusal.kinds,
               h->refusal.status);
}

/* -- the company -- */

static void put_person(struct history *h, unsigned who)
{
    const struct worker *w = &h->people[who];
    char id[16], dn[80], login[16], mail[40], name[16];
    snprintf(id, sizeof(id), "id-p%u", who);
    snprintf(dn, sizeof(dn), "uid=p%u,ou=people,dc=example,dc=com", who);
    snprintf(login, sizeof(login), "p%u", who);
    snprintf(mail, sizeof(mail), "p%u@example.com", who);
    snprintf(name, sizeof(name), "Last%u.%u", who, w->name);
    bed_person(h->b, id, dn, "uid", login, "givenName", "First", "sn", name, "mail", mail,
               "preferredLanguage", w->auditor ? "es" : "en", NULL);
    bed_tell(h->b, id);
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
        bed_tell(h->b, sales ? "group-sales" : "group-support");
    }
}

static void change_person(struct history *h, unsigned who)
{
    struct worker *w = &h->people[who];
    switch (below(5)) {
    case 0: w->name++; break;
    case 1: w->auditor = !w->auditor; break;
    case 2: w->sales = !w->sales; break;
    default: w->support = !w->support;
    }
    put_person(h, who);
}

static void reload(struct history *h)
{
    struct error e = {0};
    snprintf(h->fingerprint, sizeof(h->fingerprint), "configuration %u", h->n_reloads++);
    h->b->options.fingerprint = h->b->options.decisions = h->fingerprint;
    bed_ok(h->b, engine_reload(h->b->engine, &h->b->options, &e));
}

/* -- what is true by now -- */

static void check_person(struct history *h, unsigned who, const char *when)
{
    const struct worker *w = &h->people[who];
    char login[16], name[16];
    snprintf(login, sizeof(login), "p%u", who);
    snprintf(name, sizeof(name), "Last%u.%u", who, w->name);
    const struct fake_user *u = fake_tenant_find(h->b->tenant, login);
    bool wanted = w->support || w->sales;
    if (wanted != (u && !u->user->disabled))
        wrong("%s is %s, %s", login, !u ? "not made" : wanted ? "disabled" : "enabled", when);
    if (!wanted)
        return;
    if (!text_equal(user_get(u->user, USER_TEAM), w->support ? "Support" : "Sales"))
        wrong("%s is in the wrong team, %s", login, when);
    if (!user_skill(u->user, "Spanish") != !w->auditor)
        wrong("%s has the wrong skills, %s", login, when);
    if (!user_role(u->user, "Seller") != !w->sales)
        wrong("%s has the wrong roles, %s", login, when);
    if (!text_equal(user_get(u->user, USER_LAST_NAME), name))
        wrong("%s has the wrong name, %s", login, when);
}

static size_t n_alarms(struct history *h)
{
    return bed_audit(h->b, "alarm", NULL, NULL);
}

static void step(struct history *h)
{
    struct bed *b = h->b;
    char when[64];
    for (unsigned i = 1 + below(4); i > 0; i--)
        change_person(h, below(N_PEOPLE));
    put_groups(h);
    switch (below(8)) {
    case 0:
        bed_crash(b);
        bed_read_all(b);
        break;
    case 1:
        bed_restart(b);
        bed_read_all(b);
        break;
    case 2: reload(h); break;
    default: break;
    }
    bed_advance(b, 10 * MINUTE);
    snprintf(when, sizeof(when), "though %d to %x of %x is others'", h->refusal.status,
             h->refusal.kinds, h->refusal.people);
    for (unsigned i = 0; i < N_PEOPLE; i++)
        if (!(h->refusal.people & 1u << i)) {
            check_person(h, i, when);
            n_others++;
        }
}

static void play_epoch(struct history *h)
{
    struct bed *b = h->b;
    size_t alarms = n_alarms(h);
    refuse(h);
    size_t people = (size_t)__builtin_popcount(h->refusal.people);
    for (int i = 0; i < N_STEPS; i++)
        step(h);
    size_t before = h->n_asked;
    bed_advance(b, 4 * HOUR);
    size_t more = h->n_asked - before;
    /* Of equal refusals one is tried every quarter of an hour, by at most eight requests; who
     * is put off is tried every five minutes. */
    if (more > (h->puts_off ? people * 48 * 2 : 16) * 8)
        wrong("%zu requests about %zu people in four hours of %d", more, people,
              h->refusal.status);
    if (n_alarms(h) - alarms > 6)
        wrong("%zu alarms of %d", n_alarms(h) - alarms, h->refusal.status);
    h->refusal.people = 0;
    bed_advance(b, 30 * MINUTE);
    for (unsigned i = 0; i < N_PEOPLE; i++)
        check_person(h, i, "and nobody is refused");
    if (n_alarms(h) != bed_audit(b, "alarm-over", NULL, NULL))
        wrong("an alarm of %d did not end", h->refusal.status);
}

static void begin(struct history *h)
{
    dice = seed;
    struct bed *b = h->b = bed_new(false);
    b->stays_open = true;
    random_seed(1 + seed);
    for (int k = 1; k < BUDGET_N_KINDS; k++)
        b->sync.budgets[k] = (struct budget){.unlimited = true};
    b->sync.verify_interval_usec = seed % 2 ? 6 * HOUR : 0;
    b->options.max_concurrent = 1 + below(6);
    b->options.slice = 1 + seed % 5;
    some_tenant(b->tenant, seed);
    b->tenant->chaos = chaos;
    b->tenant->chaos_data = h;
    bed_start(b);
    bed_sync(b);
    for (unsigned i = 0; i < N_PEOPLE; i++) {
        h->people[i] =
            (struct worker){.support = chance(60), .sales = chance(40), .auditor = chance(30)};
        put_person(h, i);
    }
    put_groups(h);
    if (chance(50)) /* else the first who are made are refused */
        bed_run(b);
}

static void one_history(void)
{
    struct history *h = calloc(1, sizeof(*h));
    assert_non_null(h);
    begin(h);
    for (int i = 0; i < N_EPOCHS; i++)
        play_epoch(h);
    bed_check_ledgers(h->b);
    bed_free(h->b);
    free(h);
}

static void never_met(void)
{
    if (!n_refused || !n_others || !n_classes[TENANT_REFUSED] ||
        !n_classes[TENANT_NOT_AUTHORISED] || !n_classes[TENANT_THROTTLED] ||
        !n_classes[TENANT_UNCLEAR] || !n_classes[TENANT_AWAY])
        fail_msg("never met: refused %zu, others %zu, or a class of answers", n_refused,
                 n_others);
}

/* Failed once: three people whose calls alone got a 401 (10), or a 504 (58), were taken for the
 * account and for the tenant again and again, with an alarm every three minutes, and 58,000
 * requests in four hours. */
static const uint64_t kept_seeds[] = {10, 58};

int main(int argc, char **argv)
{
    static const struct played played = {
        .history = one_history,
        .never_met = never_met,
        .kept = kept_seeds,
        .n_kept = ARRAY_SIZE(kept_seeds),
        .n = 30,
    };
    return play_histories(argc, argv, &played);
}
