/*
 * What each SQL statement of the program may read from one end to the other (statement-plan.h).
 */
#include "config.h"

#include "statement-plan.h"

#include <ctype.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"

#define OPERATION_COLUMNS                                                                      \
    "SELECT o.number, o.kind, o.state, (SELECT i.id FROM identity i WHERE i.n = o.entry_n), "  \
    "o.dn, o.login, o.changes, o.why, o.reason, o.sentence, o.cause, o.since_usec, "           \
    "o.not_before_usec, o.attempts, o.run, o.approved, o.budget, o.approved_until_usec, "      \
    "o.revokes, o.due_usec, o.shift_usec, o.approved_for, o.looks, o.entry_n FROM operation o "

#define PERSON_COLUMNS                                                                         \
    "SELECT i.id, coalesce(p.dn, (SELECT coalesce(e.dn, a.text) FROM entry e CROSS JOIN name " \
    "a ON a.n = e.name_n WHERE e.n = p.n), '') AS dn, p.verdict, p.wanted, p.login_key, "      \
    "p.code, p.sentence, p.recheck_usec, p.bucket, p.bucket_code, p.run, EXISTS (SELECT 1 "    \
    "FROM dirty d WHERE d.entry_n = p.n) "

/* What reads all of something, and why that is right. A statement is found by how it begins. */
static const struct {
    const char *begins, *reason;
} allowed[] = {
    {"SELECT cause, code, sentence, since_usec, notified_usec FROM alarm",
     "few rows: one for each alarm that is open"},
    {"SELECT i.id, d.next_usec FROM password_due d INDEXED BY", "the first row of the index"},
    {"SELECT i.id, l.login, CASE WHEN p.n IS NULL",
     "few rows: those whose password could not be handed on"},
    {"UPDATE budget_use SET at_usec = -",
     "once for each boot, when it is known how long the machine was down"},
    {"UPDATE link SET leaving_usec = leaving_usec + ?2",
     "once for each boot, when it is known how long the machine was down"},
    {"UPDATE link SET disabled_usec = disabled_usec + ?2",
     "once for each boot, when it is known how long the machine was down"},
    {"UPDATE operation SET not_before_usec = not_before_usec + ?2",
     "once for each boot, when it is known how long the machine was down"},
    {"UPDATE operation SET shift_usec = shift_usec + ?2",
     "once for each boot, when it is known how long the machine was down"},
    {"UPDATE operation SET approved_until_usec = approved_until_usec + ?2",
     "once for each boot, when it is known how long the machine was down"},
    {"UPDATE approval SET until_usec = until_usec + ?2",
     "once for each boot, when it is known how long the machine was down"},
    {"UPDATE operation SET not_before_usec = ?2 - x.behind",
     "those who wait for one cause, each [retry] hold"},
    {"DELETE FROM told WHERE standing = 0 AND told_usec",
     "few rows: one for each cause of which a person was told"},
    {"SELECT count(*) FROM link INDEXED BY link_other", "it counts; the index alone is read"},
    {"SELECT (SELECT count(*) FROM link INDEXED BY link_login",
     "likewise; and once, then it is known"},
    {"SELECT i.id, l.login, l.login_key, l.remote_id, l.known, l.granted, l.status, "
     "l.disabled_by_us, l.origin, l.created_usec, l.confirmed_usec, l.leaving_usec, l.leaving_why, "
     "l.disabled_usec, l.drift, l.quirks, l.renamed_there, l.gone, l.last_login_usec, "
     "l.enabled_usec, l.dormant_usec, l.skills_before FROM identity i CROSS JOIN link l ON l.n = i.n ORDER BY i.id",
     "the verification sweep goes through all linked users"},
    {"SELECT l.known, l.quirks, l.drift FROM link l WHERE l.status = 1",
     "when somebody with a privileged role would lose it: until another one is found"},
    {"SELECT count(*) FROM listing", "it counts, for status"},
    {"SELECT count(t.login) FROM listing t WHERE stale = 0 AND found",
     "when a user vanished at the tenant: whether it may be there under another login"},
    {"SELECT login FROM listing t WHERE stale = 0 AND NOT EXISTS",
     "whom nobody claims is asked of everybody whom the tenant listed, for the plan"},
    {"SELECT login, found FROM listing t WHERE stale = 0 AND found",
     "when a user vanished at the tenant: whether it is there under another login"},
    {"UPDATE listing SET stale = 1",
     "all of them are listed again: at first contact, and when a user vanished at the tenant"},
    {"DELETE FROM listing WHERE stale = 1", "first contact only: who was not listed again"},
    {"SELECT (SELECT count(*) FROM operation INDEXED BY operation_state WHERE state = 4",
     "those under way: as many as max_concurrent"},
    {"SELECT count(*) FROM operation INDEXED BY operation_state WHERE state = 1 AND kind IN",
     "with max_users only, when the guard looks at the plan"},
    {"SELECT number FROM operation INDEXED BY operation_state WHERE state = 1 AND kind IN",
     "likewise, where more are due than there are seats"},
    {"DELETE FROM password_due WHERE EXISTS",
     "another tenant is approved: those whose first password was not handed on at the one before"},
    {"INSERT INTO link_aside(", "all links are put aside, once for each change of the tenant"},
    {"DELETE FROM link_aside",
     "the same; each row's number is given back if nothing else has it"},
    {"DELETE FROM link", "the same"},
    {"DELETE FROM operation",
     "the tenant is another one: what waited was for the one of before"},
    {"INSERT INTO link(n, login, login_key, remote_id, known, granted, status, disabled_by_us, "
     "origin, created_usec, confirmed_usec, leaving_usec, leaving_why, disabled_usec, drift, quirks, "
     "renamed_there, gone, last_login_usec, enabled_usec, dormant_usec, skills_before) SELECT",
     "all links come back, once the tenant is the one of before"},
    {"INSERT OR IGNORE INTO dirty(entry_n) SELECT n FROM link_aside",
     "everybody whose link was put aside, once for each change of the tenant"},
    {"SELECT coalesce(e.dn, a.text) FROM entry e CROSS JOIN name a ON a.n = e.name_n WHERE "
     "e.kind = 2 AND e.gone_usec = 0",
     "\"did you mean\" compares with every group, once for a rule that names none"},
    {"SELECT (SELECT count(*) FROM (SELECT name_n FROM member WHERE kind = 1 EXCEPT SELECT",
     "it counts what no other row tells, for status, on its thread; then the number is kept"},
    {"SELECT n FROM entry WHERE gone_usec = 0 AND kind = 1 AND searches & ?1",
     "whom a search holds, up to the first whom its read has shown, once a read that shows nobody new"},
    {"SELECT kind, count(*) FROM entry WHERE gone_usec = 0 AND kind > 1 GROUP BY kind",
     "it counts all but people, for status; the index alone is read"},
    {"SELECT (SELECT count(*) FROM entry), (SELECT count(*) FROM entry WHERE gone_usec > 0)",
     "likewise; of all it is the pages of an index that are counted"},
    {"SELECT i.id, coalesce(e.dn, a.text), e.attributes FROM entry e",
     "some people, up to a limit: which values are common"},
    {"SELECT h.names, c.n FROM (SELECT shape, count(*)",
     "how many people have each attribute, once a look; the index alone is read"},
    {"SELECT stage, passed_n, last_n, n_left FROM round", "one row, or none"},
    {"UPDATE round SET", "one row"},
    {"SELECT p.number, p.approval, a.until_usec", "the first part in their order"},
    {"INSERT INTO round(stage,",
     "it counts how many are to be looked at; an index alone is read"},
    {"SELECT i.id FROM dirty d CROSS JOIN identity i ON i.n = d.entry_n ORDER BY d.n LIMIT ?1",
     "the first rows in their order"},
    {"SELECT (SELECT count(*) FROM dirty)", "it counts, for status"},
    {PERSON_COLUMNS "FROM person p CROSS JOIN identity i ON i.n = p.n ORDER BY 2",
     "for reports over everybody"},
    {PERSON_COLUMNS "FROM person p INDEXED BY person_skipped",
     "for the plan: who gets no user; the index has only those"},
    {OPERATION_COLUMNS "WHERE o.state = 4 ORDER BY o.number",
     "what is under way: never more than max_concurrent"},
    {"SELECT o.number, o.kind, o.state, (SELECT i.id FROM identity i WHERE i.n = o.entry_n), o.dn, "
     "o.login, o.changes, o.why, o.reason, o.sentence, o.cause, o.since_usec, o.not_before_usec, "
     "o.attempts, o.run, o.approved, o.budget, o.approved_until_usec, o.revokes, o.due_usec, "
     "o.shift_usec, o.approved_for, o.looks, o.entry_n, EXISTS",
     "one lane, in its order; the search by a lane looks broad, and ends with the limit"},
    {OPERATION_COLUMNS "ORDER BY o.kind, o.dn, o.number", "for the plan: all that waits"},
    {OPERATION_COLUMNS "WHERE o.state = ?1 ORDER BY o.kind, o.dn, o.number",
     "for the plan and its hash: all that is parked or held"},
    {"SELECT o.budget, count(*) FROM operation o INDEXED BY operation_fresh",
     "it counts what each budget has before it; the index alone is read"},
    {"SELECT o.budget, count(*) FROM operation o INDEXED BY operation_let_through",
     "what is under way or held of each budget; the index alone is read"},
    {"SELECT count(*) FROM operation o INDEXED BY operation_let_through",
     "the same of one budget"},
    {"SELECT o.budget, count(*) FROM operation o INDEXED BY operation_over",
     "what is beyond each budget; the index alone is read"},
    {OPERATION_COLUMNS "INDEXED BY operation_fresh",
     "all of one budget that waits is moved, up to a limit"},
    {OPERATION_COLUMNS "INDEXED BY operation_let_through", "the same of what is held"},
    {OPERATION_COLUMNS "INDEXED BY operation_over", "the same of what is parked"},
    {"SELECT number, cause, cause_end, reason, at_usec FROM freed", "the first row"},
    {"SELECT 1 FROM operation INDEXED BY operation_ready WHERE state = 1 LIMIT 1",
     "the first row"},
    {"SELECT 1 FROM operation INDEXED BY operation_cause WHERE reason IS NOT NULL LIMIT 1",
     "the first row"},
    {"SELECT count(*), min(due_usec) FROM operation INDEXED BY operation_ready",
     "it counts what is due, for status; the index alone is read"},
    {"SELECT count(*) FROM operation o INDEXED BY operation_ready",
     "it counts one lane, for status; the index alone is read"},
    {"SELECT kind, state, count(*) FROM operation GROUP BY state, kind",
     "it counts, for status; the index alone is read"},
    {"SELECT cause, reason, min(sentence), CASE state",
     "all that is held or parked, by cause; the index has only those"},
    {"SELECT number, ended_usec FROM run ORDER BY number DESC LIMIT 1", "the newest row"},
    {"SELECT number, started_usec, ended_usec, totals, trigger FROM run WHERE ended_usec > 0 "
     "ORDER BY number DESC LIMIT 1",
     "from the end, past the one run that is under way"},
    {"SELECT seq, line FROM trail ORDER BY seq LIMIT 1", "the first row"},
    {"SELECT count(*) FROM sqlite_master", "opening: is the file empty?"},
    {"SELECT e.n, coalesce(e.dn, a.text) FROM entry e INDEXED BY entry_members_hidden",
     "few rows: groups that hide members from the account"},
    {"SELECT 1 FROM dirty_group LIMIT 1", "the first row"},
    {"WITH RECURSIVE below(n) AS (SELECT n FROM dirty_group", "all of them, once a batch"},
    {"SELECT i.id FROM (SELECT DISTINCT group_n FROM stale) few",
     "few rows: references that the server has not repaired yet"},
    {"SELECT n, kind FROM entry WHERE gone_usec = 0 AND kind IN (1, 2, 3) AND searches & ?1",
     "the end of a whole read: who was not shown"},
    {"SELECT i.id FROM shape h CROSS JOIN entry e",
     "few rows: combinations of attributes; then the groups that have a memberURL"},
    {"UPDATE entry SET searches = 0", "the list of bases was changed: all are renumbered"},
    {"SELECT i.id FROM entry e INDEXED BY entry_unheld",
     "few rows, of an index of their own: who left one search and is not found yet"},
    {"SELECT count(*) FROM entry WHERE gone_usec = 0 AND kind IN (1, 2, 3) AND searches & ?1",
     "the begin of a whole read: what it is measured by; the index alone is read"},
    {"SELECT n, text, key, 0 FROM name WHERE kind = 1",
     "the server's schema was changed: all keys are new"},
    {"SELECT e.n, e.dn, a.key, 0 FROM entry e", "the same"},
    {"SELECT m.name_n, m.text, a.key, m.group_n FROM member m", "the same"},
    {"UPDATE entry SET digest = x'', raw = NULL", "the same: everything is read anew"},
};

static bool used[ARRAY_SIZE(allowed)];

static const char *const few_values[] = {"state",    "kind",     "bucket", "status", "budget",
                                         "searches", "approved", "waits",  "verdict"};

static bool has_few_values(const char *name, size_t size)
{
    for (size_t i = 0; i < ARRAY_SIZE(few_values); i++)
        if (strlen(few_values[i]) == size && strncmp(few_values[i], name, size) == 0)
            return true;
    return false;
}

/* "SEARCH o USING INDEX x (state=? AND kind=?)": has it a column that tells rows apart? */
static bool search_is_narrow(const char *detail)
{
    const char *at = strrchr(detail, '(');

    if (!at)
        return true; /* min() or max(): one row from the end */
    for (at++; *at; at++) {
        size_t size = strcspn(at, "=<>) ");

        if (size && !has_few_values(at, size))
            return true;
        at += strcspn(at, " ");
        if (strncmp(at, " AND", 4) == 0)
            at += 4;
        if (!*at)
            break;
    }
    return false;
}

/* Rows of a recursion, of a list in the statement, or of another line's result: not a table. */
static bool is_no_table(const char *detail)
{
    static const char *const others[] = {"SCAN below",
                                         "SCAN b",
                                         "SCAN few",
                                         "SCAN v",
                                         "SCAN 32 CONSTANT ROWS",
                                         "SCAN CONSTANT ROW",
                                         "SCAN SUBQUERY",
                                         "SCAN (subquery",
                                         "SCAN TABLE below"};

    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        if (strncmp(detail, others[i], strlen(others[i])) == 0 &&
            !isalpha((unsigned char)detail[strlen(others[i])]))
            return true;
    return false;
}

static bool is_allowed(const char *sql)
{
    for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
        if (strncmp(sql, allowed[i].begins, strlen(allowed[i].begins)) == 0)
            return used[i] = true;
    return false;
}

bool statement_reads_all(const char *detail)
{
    bool scan = strncmp(detail, "SCAN ", 5) == 0 && !is_no_table(detail);
    return scan || (strncmp(detail, "SEARCH ", 7) == 0 && !search_is_narrow(detail));
}

int statement_check(sqlite3 *db, const char *sql, statement_wrong_fn *wrong)
{
    CLEANUP(buffer_done) struct buffer explain = {0};
    sqlite3_stmt *q = NULL;
    int n_wrong = 0;

    buffer_format(&explain, "EXPLAIN QUERY PLAN %s", sql);
    if (sqlite3_prepare_v2(db, explain.data, -1, &q, NULL) != SQLITE_OK) {
        wrong(sql, sqlite3_errmsg(db));
        return 1;
    }
    while (sqlite3_step(q) == SQLITE_ROW) {
        const char *detail = (const char *)sqlite3_column_text(q, 3);

        if (!detail || !statement_reads_all(detail) || is_allowed(sql))
            continue;
        wrong(sql, detail);
        n_wrong = 1;
    }
    sqlite3_finalize(q);
    return n_wrong;
}

int statement_check_list(statement_wrong_fn *wrong)
{
    int n_wrong = 0;

    for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
        if (!used[i]) {
            wrong(allowed[i].begins, allowed[i].reason);
            n_wrong++;
        }
    return n_wrong;
}
