/* What the owners remember beside the tables (amid.h). */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "amid.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/daemon.h"
#include "deliver/delivery-internal.h"
#include "intake/reading-internal.h"
#include "intake/told.h"
#include "judge/gate-internal.h"
#include "mapping/ruleset.h"
#include "model/schema.h"
#include "state/db.h"
#include "sync/engine-internal.h"
#include "tenant/call.h"
#include "world.h"

#define ONE_OF_SCHEMAS 16

/* ---- what is under way ---- */

static bool waits(const struct row_numbers *list, int64_t n)
{
    for (size_t i = 0; i < list->n_items; i++)
        if (list->items[i] == n)
            return true;
    return false;
}

/* By the table, and by what waits to be written into it. */
static bool is_under_way(const struct state *s, int64_t n)
{
    static const char sql[] = AMID "SELECT state = 4 FROM operation WHERE number = ?1";
    const struct later *l = &s->later;
    return !waits(&l->removed, n) &&
           (waits(&l->started, n) || waits(&l->looking, n) || amid_number(s->db, sql, n, 0));
}

static int64_t count_under_way(const struct state *s)
{
    static const char sql[] = AMID "SELECT count(*) FROM operation WHERE state = 4";
    static const char one[] = AMID "SELECT state = 4 FROM operation WHERE number = ?1";
    const struct row_numbers *begun[] = {&s->later.started, &s->later.looking};
    int64_t n = amid_number(s->db, sql, 0, 0);
    for (size_t i = 0; i < s->later.removed.n_items; i++)
        n -= amid_number(s->db, one, s->later.removed.items[i], 0);
    for (size_t k = 0; k < ARRAY_SIZE(begun); k++)
        for (size_t i = 0; i < begun[k]->n_items; i++)
            n += !waits(&s->later.removed, begun[k]->items[i]) &&
                 !amid_number(s->db, one, begun[k]->items[i], 0);
    return n;
}

/* Of whom it carries something out, nobody else writes what the link is. */
static void check_link(struct state *s, const struct execution *x)
{
    CLEANUP(link_done) struct link l = {0};
    int r = link_load(s, x->operation->entry_id, &l, NULL);
    if (r < 0)
        return;
    amid_same("whether somebody under way has a user", x->has_link, r == 0);
    if (!x->has_link || r != 0)
        return;
    amid_same_text("the login of somebody under way", x->link.login, l.login);
    amid_same("the status of somebody under way", x->link.status, l.status);
    /* An id that is forgotten or learnt meanwhile is written at the end, but for the first one. */
    const char *id = x->basis.made_before ? x->basis.made_before : x->link.remote_id;
    if (l.remote_id)
        amid_same_text("the id of somebody under way", id, l.remote_id);
    amid_same("whether we disabled somebody under way", x->link.disabled_by_us,
              l.disabled_by_us);
}

static void check_delivery(const struct daemon *d)
{
    const struct delivery *v = d->engine->delivery;
    int64_t n = 0, n_open = 0;
    for (const struct execution *x = v->executions; x; x = x->next, n++) {
        n_open += x->intent.link.le_prev && *x->intent.link.le_prev == &x->intent;
        amid_same("an operation that is under way", 1,
                  is_under_way(d->state, x->operation->number));
        check_link(d->state, x);
    }
    amid_same("how many are under way", n, count_under_way(d->state));
    amid_same("how many are carried out", (int64_t)v->n_executions, n);
    amid_same("how many intents are open", n_open, n);
}

static int64_t count_calls(const struct call_queue *q, int64_t n)
{
    amid_same("whether no call is left", n == 0, TAILQ_EMPTY(q));
    return n;
}

static void check_calls(const struct daemon *d)
{
    const struct tenant_client *c = d->tenant;
    if (!c)
        return;
    count_calls(&c->waiting, (int64_t)c->n_waiting);
    count_calls(&c->sent, (int64_t)c->n_sent);
    /* Beside them a token may be asked for. */
    amid_same("whether the pace knows how many calls are under way", 1,
              c->pace.n_under_way == c->n_sent || c->pace.n_under_way == c->n_sent + 1);
}

/* ---- what the rules are bound to ---- */

static void check_groups(const struct engine *n, struct state *s)
{
    const struct bound_groups *kept = rules_groups(n->rules);
    CLEANUP(bound_groups_done) struct bound_groups fresh = {0};
    const char *keys[32];
    size_t n_named;
    const struct ruleset_group *named = ruleset_groups(rules_ruleset(n->rules), &n_named);
    if (!kept || n_named > ARRAY_SIZE(keys))
        return;
    for (size_t i = 0; i < n_named; i++)
        keys[i] = named[i].key;
    if (mirror_look_at_groups(s, keys, n_named, &fresh, NULL) < 0)
        return;
    amid_same("how many groups rules name", (int64_t)kept->n_items, (int64_t)n_named);
    for (size_t i = 0; i < n_named && i < kept->n_items; i++) {
        const struct bound_group *a = &kept->items[i], *b = &fresh.items[i];
        amid_same_text("a rule's group", a->id, b->id);
        amid_same_text("the name of a rule's group", a->dn, b->dn);
        amid_same("what became of a rule's group", a->state, b->state);
        amid_same("whether a rule's group has members", a->n_members != 0, b->n_members != 0);
        amid_same("whether members of a rule's group are hidden", a->members_hidden,
                  b->members_hidden);
    }
}

/* To write a schema takes as long as all else. */
static void check_rules(const struct engine *n, struct state *s, bool with_schema)
{
    CLEANUP(freep) char *schema = with_schema ? schema_to_json(rules_schema(n->rules)) : NULL;
    const char *stored =
        !schema ? NULL
                : amid_text(s->db, AMID "SELECT value FROM meta WHERE name = 'schema'", 0);
    if (schema && stored)
        amid_same("whether the schema is the one that is stored", text_equal(schema, stored),
                  1);
    amid_same_text("the rules", ruleset_fingerprint(rules_ruleset(n->rules)),
                   amid_text(s->db, AMID "SELECT value FROM meta WHERE name = 'mapping'", 0));
}

/* ---- what was told ---- */

static bool mirror_says_so(const struct engine *n, struct state *s, const char *id, bool *ret)
{
    struct mirror_entry m = {0};
    int r = mirror_load(s, id, &m, NULL);
    bool there = r == 0 && m.entry && !m.gone && m.entry->kind == ENTRY_PERSON;
    *ret = there && ruleset_revokes(rules_ruleset(n->rules), m.entry) > 0;
    mirror_entry_done(&m);
    return there;
}

static size_t check_told_list(const struct engine *n, struct state *s,
                              const struct told_list *list, bool is_shown)
{
    const struct told *t = rules_told(n->rules);
    const struct told_one *one;
    size_t n_items = 0;
    LIST_FOREACH(one, list, link)
    {
        bool says = is_shown;
        n_items++;
        amid_same("whether somebody was told to be revoked", 1, told_has(t, one->id));
        amid_same("whether the mirror shows what was told", one->is_shown, is_shown);
        amid_same("whether any search has told it", 1, one->searches != 0);
        amid_same("whether another search has not repeated it", 0,
                  (one->unnamed & ~one->searches) != 0);
        if (mirror_says_so(n, s, one->id, &says))
            amid_same("whether the mirror says what was told", is_shown, says);
    }
    return n_items;
}

static void check_told(const struct engine *n, struct state *s)
{
    const struct told *t = rules_told(n->rules);
    size_t n_open = check_told_list(n, s, &t->open, false);
    size_t n_shown = check_told_list(n, s, &t->shown, true);
    amid_same("of how many it was told", (int64_t)t->n_items, (int64_t)(n_open + n_shown));
    amid_same("of how many the mirror does not show it", (int64_t)t->n_open, (int64_t)n_open);
}

static void check_reading(const struct engine *n, struct state *s)
{
    static const char base[] = AMID "SELECT value ->> ?1 FROM meta WHERE name = 'searches'";
    const struct reading *g = n->reading;
    const char *vanished =
        amid_text(s->db, AMID "SELECT value FROM meta WHERE name = 'vanished'", 0);
    amid_same_text("what has vanished", g->vanished, vanished ? vanished : "");
    for (size_t i = 0; i < g->bases.n_items; i++)
        amid_same_text("a base", g->bases.items[i], amid_text(s->db, base, (int64_t)i));
    if (g->has_ended)
        amid_same(
            "whether a read has ended", 1,
            amid_number(s->db, AMID "SELECT value FROM meta WHERE name = 'read-ended'", 0, 0));
}

/* ---- what may go, and when ---- */

static void check_gate(const struct engine *n, struct state *s)
{
    static const char end[] =
        AMID "SELECT coalesce(min(approved_until_usec), 0) FROM operation "
             "WHERE approved = 1 AND approved_until_usec > ?1";
    const struct gate *g = n->gate;
    uint64_t now = clock_steady_usec();
    amid_same("since when writing is paused", (int64_t)gate_paused_usec(g),
              amid_number(s->db, AMID "SELECT value FROM meta WHERE name = 'paused'", 0, 0));
    if (!gate_is_approving(g))
        amid_same("what was approved and is not released", 0,
                  amid_number(s->db, AMID "SELECT count(*) FROM approval_part", 0, 0));
    int64_t by_tables = amid_number(s->db, end, (int64_t)now, 0);
    if (!gate_is_approving(g) && by_tables)
        amid_same("whether it is known when an approval ends", 1,
                  g->approval_end_usec && g->approval_end_usec <= (uint64_t)by_tables);
}

static void check_books(const struct engine *n, struct state *s)
{
    static const char run[] =
        AMID "SELECT coalesce(max(number), 0) FROM run WHERE ended_usec = 0";
    bool is = amid_number(s->db, AMID "SELECT value FROM meta WHERE name = 'distrusted'", 0, 0);
    amid_same("the run", (int64_t)books_run(n->books), amid_number(s->db, run, 0, 0));
    amid_same("whether the state is distrusted", books_are_distrusted(n->books), is);
    amid_same("whether it ever was", books_were_distrusted(n->books),
              is || amid_number(s->db,
                                AMID "SELECT value FROM meta WHERE name = '" META_RESTORED "'",
                                0, 0));
}

/* ---- the tenant ---- */

static void check_contact(const struct engine *n, struct state *s)
{
    static const char asked[] = AMID "SELECT count(*) FROM listing WHERE stale = 3";
    static const char other[] = AMID "SELECT count(*) FROM meta WHERE name = 'other-tenant'";
    static const char done[] = AMID "SELECT value FROM meta WHERE name = 'first-contact-done'";
    const struct contact *c = n->contact;
    amid_same("whether it is another tenant", contact_other_tenant(c) != NULL,
              amid_number(s->db, other, 0, 0));
    amid_same("whether the first contact is open", contact_adoption_open(c),
              !amid_number(s->db, done, 0, 0));
    if (!contact_asks(c))
        amid_same("who is to be looked for at the tenant", 0, amid_number(s->db, asked, 0, 0));
}

static void check_health(const struct engine *n, struct state *s)
{
    static const char account[] =
        AMID "SELECT count(*) FROM alarm WHERE cause = 'tenant-account'";
    static const char away[] = AMID "SELECT count(*) FROM alarm WHERE cause = 'tenant'";
    enum engine_tenant_state state = health_state(n->health);
    bool is_away = state == ENGINE_TENANT_AWAY, fine = state == ENGINE_TENANT_OK;
    if (is_away || (fine && contact_is_known(n->contact)))
        amid_same("whether the tenant is away", is_away, amid_number(s->db, away, 0, 0));
    if (!is_away && (!fine || contact_is_known(n->contact)))
        amid_same("whether the tenant refuses the account", !fine,
                  amid_number(s->db, account, 0, 0));
}

/* ---- what is due ---- */

/* Nobody is woken any more before the timer: so all that is due is due by it. */
static void check_due(struct engine *n, struct state *s)
{
    static const char recheck[] =
        AMID "SELECT coalesce(min(recheck_usec), 0) FROM person WHERE recheck_usec > 0";
    static const char password[] = AMID "SELECT coalesce(min(next_usec), 0) FROM password_due";
    int enabled = 0;
    if (n->stopping || sd_event_source_get_enabled(n->turn_source, &enabled) < 0 || enabled)
        return;
    if (judge_may(n->judge))
        amid_same("when somebody is to be looked at again", (int64_t)judge_due_usec(n->judge),
                  amid_number(s->db, recheck, 0, 0));
    if (passwords_due_usec(n->passwords))
        amid_same("when a password is due", (int64_t)passwords_due_usec(n->passwords),
                  amid_number(s->db, password, 0, 0));
    uint64_t due = turn_due_usec(n, clock_steady_usec());
    if (due)
        amid_same("whether it wakes for what is due", 1, n->due_usec && n->due_usec <= due);
}

static void check_directory(const struct daemon *d)
{
    static const char sql[] = AMID "SELECT value FROM meta WHERE name = 'compared'";
    struct directory_status status;
    int64_t compared = amid_number(d->state->db, sql, 0, 0);
    if (!d->directory)
        return;
    directory_status(d->directory, &status);
    if (compared && status.last_full_read_usec)
        amid_same("when everything was compared", (int64_t)status.last_full_read_usec,
                  (int64_t)clock_wall_of((uint64_t)compared));
    else if (!compared && status.last_full_read_usec)
        amid_same("whether it is told that everything is to be compared", status.error != NULL,
                  1);
}

void amid_owners(struct daemon *d, uint64_t drawn)
{
    struct engine *n = d->engine;
    check_delivery(d);
    check_calls(d);
    check_groups(n, d->state);
    check_rules(n, d->state, drawn % ONE_OF_SCHEMAS == 0);
    check_told(n, d->state);
    check_reading(n, d->state);
    check_gate(n, d->state);
    check_books(n, d->state);
    check_contact(n, d->state);
    check_health(n, d->state);
    check_due(n, d->state);
    check_directory(d);
}
