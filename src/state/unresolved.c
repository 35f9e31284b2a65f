/*
 * How many members of groups are no entries, kept while it is known. To count them takes a look at
 * every member, so that is done once, by whoever asks first, and from then on only the names that
 * something was done to are counted again: before it was done and when the number is wanted. A name
 * that came to be there since has no members before. Where that does not work (a group came back or
 * is gone, members are logins, many names, a rollback) the number is forgotten, and counted anew.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "state/mirror-internal.h"

/* m: a member of g. Whoever has the DN, or had it when the group was read; or has the login. */
#define NONE_MEANT                                                                                 \
    "NOT EXISTS (SELECT 1 FROM stale t CROSS JOIN entry o ON o.n = t.entry_n WHERE "               \
    "t.group_n = g.n AND t.name_n = m.name_n AND o.gone_usec = 0)"
#define NOT_HERE "NOT EXISTS (SELECT 1 FROM entry x WHERE x.name_n = m.name_n AND x.gone_usec = 0)"
#define NO_LOGIN                                                                                   \
    "NOT EXISTS (SELECT 1 FROM name a CROSS JOIN entry x ON x.login_key = a.key WHERE "            \
    "a.n = m.name_n AND x.gone_usec = 0) AND NOT EXISTS (SELECT 1 FROM name a CROSS JOIN "         \
    "entry_login l ON l.key = a.key CROSS JOIN entry x ON x.n = l.n WHERE a.n = m.name_n AND "     \
    "x.gone_usec = 0)"

void unresolved_forget(struct state *s)
{
    s->unresolved.is_watched = s->unresolved.is_known = false;
}

static int count_of_name(struct state *s, int64_t name_n, int64_t *ret, struct error *e)
{
    return db_int(s,
                  "SELECT count(*) FROM member m CROSS JOIN entry g ON g.n = m.group_n "
                  "WHERE m.name_n = ?1 AND g.kind = 2 AND g.gone_usec = 0 AND "
                  "((m.kind = 1 AND " NOT_HERE " AND " NONE_MEANT ") OR (m.kind = 2 AND " NO_LOGIN
                  "))",
                  WITH(as_int(name_n)), ret, e);
}

void unresolved_note(struct state *s, int64_t name_n)
{
    struct unresolved *u = &s->unresolved;
    int64_t before;

    if (!u->is_watched)
        return;
    u->is_touched = true;
    for (size_t i = 0; i < u->n_noted; i++)
        if (u->noted[i].name_n == name_n)
            return;
    if (u->by_login || u->n_noted == UNRESOLVED_NOTED_MAX ||
        count_of_name(s, name_n, &before, NULL) < 0) {
        unresolved_forget(s);
        return;
    }
    u->noted[u->n_noted].name_n = name_n;
    u->noted[u->n_noted++].before = before;
}

static void note_each(struct state *s, const char *sql, int64_t n)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r;

    if (!s->unresolved.is_watched)
        return;
    for (r = stmt_query(&q, s, sql, WITH(as_int(n)), NULL); r == STMT_ROW; r = stmt_step(q, NULL))
        unresolved_note(s, stmt_int(q, 0));
    if (r < 0)
        unresolved_forget(s);
}

void unresolved_note_entry(struct state *s, int64_t n)
{
    note_each(s,
              "SELECT name_n FROM entry WHERE n = ?1 UNION SELECT name_n FROM stale WHERE "
              "entry_n = ?1",
              n);
}

void unresolved_note_stale(struct state *s, int64_t group_n)
{
    note_each(s, "SELECT DISTINCT name_n FROM stale WHERE group_n = ?1", group_n);
}

void unresolved_note_login(struct state *s)
{
    s->unresolved.is_touched = true;
    if (s->unresolved.by_login)
        unresolved_forget(s);
}

static void watch(struct state *s)
{
    struct unresolved *u = &s->unresolved;

    u->is_watched = true;
    u->is_known = u->by_login = u->is_touched = false;
    u->n_noted = 0;
    u->n_watches++;
}

#define OF_NAMES                                                                                   \
    " few CROSS JOIN member m ON m.name_n = few.name_n CROSS JOIN entry g ON g.n = m.group_n "     \
    "WHERE g.kind = 2 AND g.gone_usec = 0 AND m.kind = 1 AND " NONE_MEANT
#define OF_LOGINS                                                                                  \
    "FROM entry g CROSS JOIN member m ON m.group_n = g.n AND m.kind = 2 WHERE g.kind = 2 "         \
    "AND g.gone_usec = 0"

/* The names of members are in order, and so are those of the entries' rows: the limit has
 * SQLite keep that, and go along both once. Those of rows that are gone are few, and are
 * counted apart, since that is known by the rows. */
static int count_all(struct state *s, struct error *e)
{
    static const char sql[] =
        "SELECT (SELECT count(*) FROM (SELECT name_n FROM member WHERE kind = 1 EXCEPT SELECT "
        "name_n FROM entry ORDER BY 1 LIMIT -1)" OF_NAMES ") + (SELECT count(*) FROM (SELECT "
        "DISTINCT name_n FROM entry INDEXED BY entry_gone WHERE gone_usec > 0)" OF_NAMES
        " AND " NOT_HERE ") + (SELECT count(*) " OF_LOGINS " AND " NO_LOGIN "), "
        "EXISTS (SELECT 1 " OF_LOGINS ")";
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s, sql, NULL, e);
    if (r != STMT_ROW)
        return r;
    watch(s);
    s->unresolved.is_known = true;
    s->unresolved.n = stmt_int(q, 0);
    s->unresolved.by_login = stmt_int(q, 1) != 0;
    return 0;
}

int unresolved_count(struct state *s, int64_t *ret, struct error *e)
{
    struct unresolved *u = &s->unresolved;
    int r = u->is_watched && u->is_known ? 0 : count_all(s, e);

    for (size_t i = 0; r == 0 && i < u->n_noted; i++) {
        int64_t now;

        r = count_of_name(s, u->noted[i].name_n, &now, e);
        if (r == 0)
            u->n += now - u->noted[i].before;
    }
    if (r < 0) {
        unresolved_forget(s);
        return r;
    }
    u->n_noted = 0;
    *ret = u->n;
    return 0;
}

#define FACTS "unresolved %" SCNd64 " %d"

void unresolved_describe(struct state *s)
{
    char *facts = s->file.left.facts;
    int64_t n;

    facts[0] = '\0';
    if (unresolved_count(s, &n, NULL) == 0) /* so that whoever asks first after a start has it */
        snprintf(facts, sizeof(s->file.left.facts), FACTS, n, s->unresolved.by_login);
}

/* Not where a migration has changed what was left. */
void unresolved_recall(struct state *s)
{
    int64_t n;
    int by_login;

    if (sqlite3_total_changes(s->db) || sscanf(s->file.left.facts, FACTS, &n, &by_login) != 2)
        return;
    watch(s);
    s->unresolved.is_known = true;
    s->unresolved.n = n;
    s->unresolved.by_login = by_login != 0;
}

void unresolved_lend(struct state *s, struct state *reader)
{
    int64_t n;

    if (s->unresolved.is_watched && s->unresolved.is_known && unresolved_count(s, &n, NULL) == 0) {
        reader->unresolved = s->unresolved;
        reader->unresolved.lent = 0;
        return;
    }
    watch(s);
    reader->unresolved.lent = s->unresolved.n_watches;
}

void unresolved_learn(struct state *s, const struct state *reader)
{
    struct unresolved *u = &s->unresolved;
    const struct unresolved *found = &reader->unresolved;

    if (!u->is_watched || u->is_known || !found->is_known || found->lent != u->n_watches ||
        (found->by_login && u->is_touched))
        return;
    u->is_known = true;
    u->n = found->n;
    u->by_login = found->by_login;
}
