/*
 * What the handle of the state remembers (amid.h): by statements that are written here, over
 * its own connection, so that they see what it has not committed, and not what it has yet to
 * write.
 */
#include "config.h"

#include "amid.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/unresolved-by-hand.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/daemon.h"
#include "intake/rules.h"
#include "intake/told.h"
#include "life.h"
#include "state/db.h"
#include "state/mirror-internal.h"
#include "state/round.h"
#include "sync/engine-internal.h"
#include "world.h"

/* Of so many moments, one is looked at: of those with work, of the others, and of those while
 * it was told who is revoked. */
#define ONE_OF_BUSY 48
#define ONE_OF_IDLE 2304
#define ONE_OF_TOLD 3

#define ONE_OF_IDS 32
#define N_PEOPLE   2 /* whose groups are walked to */

static uint64_t n_moments;

static struct {
    const char *text;
    sqlite3_stmt *q;
} prepared[64];
static size_t n_prepared;
static sqlite3_stmt *asked; /* to be reset */

/* Lines are in the file, and the state does not know it yet. */
static void see_death(const struct daemon *d)
{
    const struct trail_known *known = d && d->state ? &d->state->trail.known : NULL;
    if (known && known->has_noted && d->state->trail.exported > known->noted)
        seen(POINT_DEAD_BEFORE_NOTE);
}

void amid_close(void)
{
    if (world.death)
        see_death(life_running());
    for (size_t i = 0; i < n_prepared; i++)
        sqlite3_finalize(prepared[i].q);
    n_prepared = 0;
    asked = NULL;
}

void amid_begin(void)
{
    n_moments = 0;
}

static sqlite3_stmt *statement_of(sqlite3 *db, const char *text)
{
    size_t i = 0;
    while (i < n_prepared && prepared[i].text != text)
        i++;
    if (i == ARRAY_SIZE(prepared))
        abort();
    if (i == n_prepared) {
        if (sqlite3_prepare_v2(db, text, -1, &prepared[i].q, NULL) != SQLITE_OK)
            return NULL;
        prepared[n_prepared++].text = text;
    }
    return prepared[i].q;
}

/* NULL: there is no row. */
static sqlite3_stmt *first_row(sqlite3 *db, const char *sql, int64_t a, int64_t b)
{
    sqlite3_reset(asked);
    asked = statement_of(db, sql);
    if (!asked)
        abort();
    int n = sqlite3_bind_parameter_count(asked);
    if (n > 0)
        sqlite3_bind_int64(asked, 1, a);
    if (n > 1)
        sqlite3_bind_int64(asked, 2, b);
    return sqlite3_step(asked) == SQLITE_ROW ? asked : NULL;
}

int64_t amid_number(sqlite3 *db, const char *sql, int64_t a, int64_t b)
{
    sqlite3_stmt *q = first_row(db, sql, a, b);
    int64_t n = q ? sqlite3_column_int64(q, 0) : 0;
    sqlite3_reset(asked);
    return n;
}

const char *amid_text(sqlite3 *db, const char *sql, int64_t a)
{
    sqlite3_stmt *q = first_row(db, sql, a, 0);
    return q ? (const char *)sqlite3_column_text(q, 0) : NULL;
}

void amid_same(const char *what, int64_t kept, int64_t by_tables)
{
    world.n_checks++;
    if (kept != by_tables)
        broken(15, "amid its work %s is known to be %lld, and by the tables is %lld", what,
               (long long)kept, (long long)by_tables);
}

void amid_same_text(const char *what, const char *kept, const char *by_tables)
{
    world.n_checks++;
    if (!text_equal(kept, by_tables))
        broken(15, "amid its work %s is known to be %s, and by the tables is %s", what,
               kept ? kept : "none", by_tables ? by_tables : "none");
}

/* ---- what waits to be written ---- */

static bool has_number(const struct row_numbers *list, int64_t n)
{
    for (size_t i = 0; i < list->n_items; i++)
        if (list->items[i] == n)
            return true;
    return false;
}

static void check_rows(struct state *s, const struct row_numbers *list, const char *what,
                       const char *sql)
{
    for (size_t i = 0; i < list->n_items; i++)
        amid_same(what, 1, amid_number(s->db, sql, list->items[i], 0));
}

/* Marks and the end of marks are written in the order in which they were said, so never both
 * wait; and what waits to be said of an operation is about one that there is. */
static void check_later(struct state *s)
{
    static const char operation[] = AMID "SELECT count(*) FROM operation WHERE number = ?1";
    static const char identity[] = AMID "SELECT count(*) FROM identity WHERE n = ?1";
    const struct later *l = &s->later;
    unsigned waits =
        (l->marks.n_items || l->unmarks.n_items ? LATER_DIRTY : 0) |
        (l->started.n_items || l->looking.n_items || l->removed.n_items ? LATER_OPERATION : 0) |
        (l->touched.n_items ? LATER_PERSON : 0) | (l->n_uses ? LATER_BUDGET : 0);
    amid_same("what waits to be written", l->waits, waits);
    amid_same("whether marks wait with ends of marks", 0,
              l->marks.n_items && l->unmarks.n_items);
    amid_same("whether something waits for a transaction that is not there", 0,
              waits && !s->transaction.active);
    check_rows(s, &l->marks, "somebody who is to be marked", identity);
    check_rows(s, &l->touched, "somebody to whom something was done", identity);
    check_rows(s, &l->started, "an operation that begins", operation);
    check_rows(s, &l->looking, "an operation that looks", operation);
    check_rows(s, &l->removed, "an operation that has ended", operation);
    for (size_t i = 0; i < l->started.n_items; i++)
        amid_same("whether an operation both begins and has ended", 0,
                  has_number(&l->removed, l->started.items[i]));
}

/* ---- counts and marks ---- */

static void check_counts(struct state *s)
{
    static const char links[] = AMID "SELECT count(*) FROM link WHERE status = ?1";
    for (int i = 1; i < LINK_N_STATUS; i++)
        if (s->n_links[i] >= 0)
            amid_same("a number of users", s->n_links[i], amid_number(s->db, links, i, 0));
    if (s->no_marks)
        amid_same("whether nobody is marked", 0,
                  amid_number(s->db, AMID "SELECT count(*) FROM dirty", 0, 0));
    if (s->no_alarms)
        amid_same("whether there is no alarm", 0,
                  amid_number(s->db, AMID "SELECT count(*) FROM alarm", 0, 0));
    static const char uses[] = AMID "SELECT coalesce(sum(n), 0) FROM budget_use WHERE budget = ?1 "
                                    "AND at_usec >= ?2";
    for (unsigned i = 0; i < UNSPENT_BUDGETS; i++)
        if (s->unspent.known >> i & 1)
            amid_same("what a budget has spent", 0,
                      amid_number(s->db, uses, i, (int64_t)s->unspent.since_usec[i]));
    if (s->round_is_narrow)
        amid_same("the round", 1, amid_number(s->db, AMID "SELECT count(*) FROM round", 0, 0));
}

static void check_trail(struct state *s)
{
    const struct trail_known *known = &s->trail.known;
    static const char noted[] =
        AMID "SELECT coalesce(max(value + 0), 0) FROM meta WHERE name = 'audit-exported'";
    static const char upto[] = AMID "SELECT count(*) FROM trail WHERE seq <= ?1";
    static const char head[] = AMID "SELECT hash FROM trail WHERE seq = ?1";
    int64_t last = amid_number(s->db, AMID "SELECT coalesce(max(seq), 0) FROM trail", 0, 0);
    if (known->has_head && !s->trail.pending.size) {
        amid_same("the last line of the audit", known->head.seq, last);
        if (last)
            amid_same_text("its hash", known->head.hash, amid_text(s->db, head, last));
    }
    if (known->has_head && s->trail.pending.size)
        amid_same("whether the lines that wait are the last", 1, known->head.seq > last);
    if (known->has_noted)
        amid_same("up to where lines are in the file", known->noted,
                  amid_number(s->db, noted, 0, 0));
    if (known->dropped)
        amid_same("what is left of the lines that are gone", 0,
                  amid_number(s->db, upto, known->dropped, 0));
    if (known->has_head && s->trail.exported)
        amid_same("whether the file is ahead of the state", 0,
                  s->trail.exported > known->head.seq);
}

/* ---- what was asked for last ---- */

static void check_id(struct state *s, const char *id, int64_t n, const char *what)
{
    static const char sql[] = AMID "SELECT n FROM identity WHERE id = ?1";
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    if (stmt_prepare(&q, s, sql, NULL) < 0)
        return;
    stmt_bind_id(q, 1, id);
    amid_same(what, n, stmt_step(q, NULL) == STMT_ROW ? stmt_int(q, 0) : 0);
}

static void check_asked(struct state *s, uint64_t drawn)
{
    static const char names[] = AMID "SELECT names FROM shape WHERE n = ?1";
    static const char entry[] = AMID "SELECT count(*) FROM entry WHERE n = ?1";
    static const char members[] = AMID "SELECT count(*) FROM member WHERE group_n = ?1";
    int changes = sqlite3_total_changes(s->db);
    for (size_t i = drawn % ONE_OF_IDS; i < KNOWN_IDS; i += ONE_OF_IDS) {
        const struct known_id *known = &s->ids.known[i];
        if (known->n && known->epoch == s->ids.epoch)
            check_id(s, known->id, known->n, "the number of an entry");
    }
    if (s->shape.n)
        amid_same_text("a list of attributes", s->shape.names.data,
                       amid_text(s->db, names, s->shape.n));
    if (absent_is(s, s->absent.id)) {
        check_id(s, s->absent.id, s->absent.n, "the number of an entry that is not there");
        amid_same("an entry that is not there", 0, amid_number(s->db, entry, s->absent.n, 0));
    }
    if (s->compared.group_n && s->compared.changes == changes &&
        s->compared.epoch == s->trail.epoch)
        amid_same("the members of the group that was compared", (int64_t)s->compared.n_stored,
                  amid_number(s->db, members, s->compared.group_n, 0));
}

/* ---- groups ---- */

static void compare_memberships(const char *id, const struct bound_groups *groups,
                                const struct mirror_membership *kept,
                                const struct mirror_membership *fresh)
{
    for (size_t i = 0; i < groups->n_items; i++)
        if (kept[i].member != fresh[i].member || !text_equal(kept[i].via, fresh[i].via))
            broken(
                15,
                "amid its work %s is known to be %s %s (by %s), and by the tables is%s (by %s)",
                id, kept[i].member ? "in" : "in no way in", groups->items[i].dn,
                kept[i].via ? kept[i].via : "itself", fresh[i].member ? "" : " not",
                fresh[i].via ? fresh[i].via : "itself");
}

/* By what walks have found above groups, and by walks that know nothing. */
static void check_groups_of(struct state *s, const char *id, const struct bound_groups *groups)
{
    size_t n = groups->n_items;
    struct mirror_membership *kept = calloc(n + 1, sizeof(*kept)),
                             *fresh = calloc(n + 1, sizeof(*fresh));
    struct known_groups remembered;
    struct error e = {0};
    if (!kept || !fresh)
        abort();
    int r = mirror_memberships(s, id, groups, kept, &e);
    remembered = s->groups;
    s->groups = (struct known_groups){0};
    if (r == 0)
        r = mirror_memberships(s, id, groups, fresh, &e);
    groups_done(s);
    s->groups = remembered;
    world.n_checks++;
    if (r == 0)
        compare_memberships(id, groups, kept, fresh);
    mirror_memberships_done(kept, n);
    mirror_memberships_done(fresh, n);
    free(kept);
    free(fresh);
}

/* What lies above a group, and how it is called. */
static void check_group(struct state *s, const struct group *g)
{
#define PARENTS                                                                                \
    "(SELECT m.group_n FROM entry p JOIN member m ON m.name_n = p.name_n WHERE p.n = ?1 AND "  \
    "p.kind = 2 AND NOT EXISTS (SELECT 1 FROM stale t JOIN entry o ON o.n = t.entry_n WHERE "  \
    "t.group_n = m.group_n AND t.name_n = m.name_n AND t.entry_n <> ?1 AND o.gone_usec = 0) "  \
    "UNION ALL SELECT t.group_n FROM stale t JOIN entry p ON p.n = t.entry_n AND p.kind = 2 "  \
    "WHERE t.entry_n = ?1)"
    static const char count[] = AMID "SELECT count(*) FROM " PARENTS;
    static const char sum[] = AMID "SELECT coalesce(sum(group_n), 0) FROM " PARENTS;
    static const char gone[] = AMID "SELECT gone_usec <> 0 FROM entry WHERE n = ?1";
    static const char name[] = AMID "SELECT dn FROM entries WHERE n = ?1";
    int64_t all = 0;
    for (size_t i = 0; i < g->n_parents; i++)
        all += g->parents[i]->n;
    amid_same("whether a group is gone", g->gone, amid_number(s->db, gone, g->n, 0));
    amid_same_text("the name of a group", g->dn, amid_text(s->db, name, g->n));
    if (!g->asked)
        return;
    amid_same("how many groups name a group", (int64_t)g->n_parents,
              amid_number(s->db, count, g->n, 0));
    amid_same("which groups name a group", all, amid_number(s->db, sum, g->n, 0));
}

static void check_groups(struct state *s, const struct bound_groups *groups, uint64_t drawn)
{
    static const char sql[] =
        AMID "SELECT i.id FROM entry e JOIN identity i ON i.n = e.n WHERE "
             "e.kind = 1 AND e.n >= ?1 ORDER BY e.n LIMIT ?2";
    CLEANUP(string_list_done) struct string_list people = {0};
    struct error e = {0};
    int64_t last = amid_number(s->db, AMID "SELECT coalesce(max(n), 0) FROM entry", 0, 0);
    if (!s->groups.n || s->groups.over)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(s->groups.slots); i++)
        for (const struct group *g = s->groups.slots[i]; g; g = g->next)
            check_group(s, g);
    if (!groups || !last)
        return;
    int64_t from = (int64_t)(drawn % (uint64_t)last);
    if (db_ids(s, sql, WITH(as_int(from), as_int(N_PEOPLE)), &people, &e) < 0)
        return;
    for (size_t i = 0; i < people.n_items; i++)
        check_groups_of(s, people.items[i], groups);
}

/* How many members are nobody. Without what it noted it would count anew. */
static void check_unresolved(struct state *s)
{
    static const char sql[] = AMID UNRESOLVED_BY_HAND;
    struct unresolved before = s->unresolved;
    int64_t n = 0;
    if (!before.is_watched || !before.is_known || unresolved_count(s, &n, NULL) < 0)
        return;
    s->unresolved = before;
    amid_same("how many members of groups are nobody", n, amid_number(s->db, sql, 0, 0));
}

/* ---- what a full read has shown ---- */

static bool is_shown(const struct seen *seen, int64_t n)
{
    return (size_t)n / 64 < seen->n_words && (seen->words[n / 64] >> (n % 64) & 1);
}

/* Whoever is held by the search, and was looked for in vain, is in the list of those. */
static void check_seen(struct state *s, unsigned search)
{
    static const char sql[] =
        AMID "SELECT n, gone_usec = 0 AND searches & ?1 FROM entry WHERE n < ?2";
    const struct seen *seen = &s->searches.seen[search];
    int64_t bit = INT64_C(1) << search;
    for (size_t i = 0; i < seen->unseen.n_items; i++)
        amid_same("an entry that was not shown", 1,
                  amid_number(s->db, AMID "SELECT count(*) FROM identity WHERE n = ?1",
                              seen->unseen.items[i], 0));
    sqlite3_stmt *q = first_row(s->db, sql, bit, seen->looked ? INT64_MAX : seen->look_from);
    for (; q; q = sqlite3_step(q) == SQLITE_ROW ? q : NULL) {
        int64_t n = sqlite3_column_int64(q, 0);
        if (sqlite3_column_int64(q, 1) && !is_shown(seen, n))
            amid_same("an entry that was not shown yet", has_number(&seen->unseen, n), 1);
    }
    sqlite3_reset(asked);
}

static void check_searches(struct state *s)
{
    static const char sql[] =
        AMID "SELECT json_array_length(value) FROM meta WHERE name = 'searches'";
    if (!s->searches.n)
        return;
    amid_same("the number of searches", s->searches.n, amid_number(s->db, sql, 0, 0));
    for (unsigned i = 0; i < s->searches.n; i++)
        if (s->searches.seen[i].active)
            check_seen(s, i);
}

/* ---- the moment ---- */

static bool is_busy(const struct daemon *d)
{
    return d->state->transaction.active || delivery_in_flight(d->engine->delivery) ||
           reading_is_under_way(d->engine->reading);
}

static bool is_drawn(const struct daemon *d, uint64_t *ret)
{
    bool is_told = rules_told(d->engine->rules)->n_items;
    *ret = chance_of("amid its work", n_moments++);
    return *ret % (is_told ? ONE_OF_TOLD : is_busy(d) ? ONE_OF_BUSY : ONE_OF_IDLE) == 0;
}

/* All of it at one time, so that the file is not locked for each question. */
static void check_all(struct daemon *d, uint64_t drawn)
{
    struct state *s = d->state;
    bool begins = sqlite3_get_autocommit(s->db);
    amid_same("whether a transaction is open", s->transaction.active, !begins);
    if (begins && sqlite3_exec(s->db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
        return;
    check_counts(s);
    check_later(s);
    check_trail(s);
    check_asked(s, drawn);
    check_groups(s, rules_groups(d->engine->rules), drawn);
    check_unresolved(s);
    check_searches(s);
    amid_owners(d, drawn);
    if (begins)
        (void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
}

void amid_look(void)
{
    struct daemon *d = life_running();
    uint64_t drawn;
    if (!d || !d->engine || !d->state || world.death || world.disk != DISK_FINE ||
        books_have_failed(d->engine->books) || d->state->transaction.broken ||
        !is_drawn(d, &drawn))
        return;
    check_all(d, drawn / ONE_OF_IDLE);
}
