/*
 * What is in the state file, read by a connection of our own, with a few statements that know its
 * tables and nothing of the code that writes them.
 */
#include "config.h"

#include "witness.h"

#include <jansson.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "company.h"
#include "daemon/reader.h"
#include "directory.h"
#include "life.h"
#include "losses.h"
#include "world.h"

/* Opened once for each start of the daemon: to read the schema is most of what a look costs. */
static sqlite3 *kept;

static sqlite3 *open_state(void)
{
    char path[160];
    snprintf(path, sizeof(path), "%sstate.db", HERE);
    if (!kept && sqlite3_open_v2(path, &kept, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
        witness_close();
    return kept;
}

/* Statements, each written down in one place of this program. */
static struct {
    const char *text;
    sqlite3_stmt *q;
} prepared[40];

struct sqlite3 *witness_database(void)
{
    return open_state();
}

void witness_close(void)
{
    for (size_t i = 0; i < sizeof(prepared) / sizeof(*prepared); i++) {
        sqlite3_finalize(prepared[i].q);
        prepared[i].q = NULL;
    }
    sqlite3_close(kept);
    kept = NULL;
}

/* To be reset; NULL: it cannot be asked. */
static sqlite3_stmt *statement_of(sqlite3 *db, const char *text)
{
    size_t i = 0;
    while (prepared[i].q && prepared[i].text != text)
        if (++i == sizeof(prepared) / sizeof(*prepared))
            abort();
    if (!prepared[i].q && sqlite3_prepare_v2(db, text, -1, &prepared[i].q, NULL) != SQLITE_OK)
        return NULL;
    prepared[i].text = text;
    return prepared[i].q;
}

/* The number that the statement gives; -1: it cannot be asked. */
static long long ask(sqlite3 *db, const char *statement, const char *text)
{
    sqlite3_stmt *q = statement_of(db, statement);
    if (!q)
        return -1;
    if (text)
        sqlite3_bind_text(q, 1, text, -1, SQLITE_TRANSIENT);
    int rc = sqlite3_step(q);
    long long n = rc == SQLITE_ROW ? sqlite3_column_int64(q, 0) : rc == SQLITE_DONE ? 0 : -1;
    sqlite3_reset(q);
    return n;
}

/* ---- the audit's lines ---- */

static char line[65536]; /* the one that was found last */

/* The last line about the operation that waits in the state; NULL: none any more. */
static const char *last_line(sqlite3 *db, long long number)
{
    static const char statement[] = "SELECT line FROM trail ORDER BY seq DESC";
    sqlite3_stmt *q = statement_of(db, statement);
    char mark[48];
    bool found = false;
    snprintf(mark, sizeof(mark), ",\"no\":%lld,", number);
    if (!q)
        return NULL;
    while (!found && sqlite3_step(q) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(q, 0), *at = NULL;
        for (const char *next = text; (next = strstr(next, mark)); next++)
            at = next;
        if (!at)
            continue;
        while (at > text && at[-1] != '\n')
            at--;
        snprintf(line, sizeof(line), "%.*s", (int)strcspn(at, "\n"), at);
        found = true;
    }
    sqlite3_reset(q);
    return found ? line : NULL;
}

static bool is_intent(const char *text)
{
    return strstr(text, ",\"ev\":\"intent\",");
}

/* The lines of a row are those of a commit. */
static bool is_committed(sqlite3 *db, const char *text, size_t size)
{
    static const char statement[] = "SELECT line FROM trail WHERE seq >= ?1 ORDER BY seq LIMIT 1";
    sqlite3_stmt *q = statement_of(db, statement);
    long long seq = atoll(text + strlen("{\"v\":1,\"seq\":"));
    bool found = false;
    if (!q)
        return true; /* what cannot be asked is not denied */
    sqlite3_bind_int64(q, 1, seq);
    if (sqlite3_step(q) == SQLITE_ROW)
        found = memmem(sqlite3_column_text(q, 0), (size_t)sqlite3_column_bytes(q, 0), text, size);
    sqlite3_reset(q);
    return found;
}

void witness_audit(const char *data, size_t size)
{
    sqlite3 *db = open_state();
    const char *end;
    for (; db && size && (end = memchr(data, '\n', size)); data = end + 1) {
        world.n_checks++;
        if (!is_committed(db, data, (size_t)(end - data)))
            broken(3, "a line is written to the audit file, and the state has not committed it: %.120s",
                   data);
        size -= (size_t)(end + 1 - data);
    }
}

/* ---- intents ---- */

/* The longest that one attempt takes: its reads and its writes, each with its time limit. */
#define LONGEST_ATTEMPT (30 * MINUTE)

/* Operations under way as requests showed them, newest last. */
static long long begun[64];
static uint64_t begun_usec[64];
static unsigned n_begun;

void witness_forget(void)
{
    n_begun = 0;
    memset(begun, 0, sizeof(begun));
}

/* Whoever is no longer under way has a line of the audit that says what came of it. */
static void check_forgotten(sqlite3 *db)
{
    static const char statement[] = "SELECT count(*) FROM operation WHERE state = 4 AND number = ?1";
    for (unsigned i = 0; i < sizeof(begun) / sizeof(*begun); i++) {
        char number[24];
        snprintf(number, sizeof(number), "%lld", begun[i]);
        if (!begun[i] || ask(db, statement, number) != 0)
            continue;
        const char *last = last_line(db, begun[i]);
        if (last && is_intent(last))
            broken(3, "operation %lld is not under way any more, and the audit tells of no outcome",
                   begun[i]);
        begun[i] = 0;
    }
}

bool witness_tells(const char *text)
{
    sqlite3 *db = open_state();
    return !db || ask(db, "SELECT count(*) FROM trail WHERE instr(line, ?1)", text) != 0;
}

/* What the daemon has committed, and nobody has synced, is not yet on the disk. */
const char *witness_intent(const char *login, const char *method)
{
    static const char statement[] =
        "SELECT number FROM operation WHERE state = 4 AND NOT looks AND attempts > 0 AND login = ?1 COLLATE NOCASE";
    sqlite3 *db = open_state();
    if (!db)
        return NULL;
    long long number = ask(db, statement, login);
    const char *last = number > 0 ? last_line(db, number) : NULL;
    world.n_checks++;
    if (number == 0)
        broken(3, "%s of %s reaches the tenant, and the state has no intent", method, login);
    else if (number > 0 && !world.has_lied && !disk_is_synced("state.db-wal"))
        broken(3, "%s of %s reaches the tenant before its intent is on the disk", method, login);
    else if (last && !is_intent(last))
        broken(3, "%s of %s reaches the tenant, and the audit tells of no intent", method, login);
    check_forgotten(db);
    if (number > 0) {
        unsigned i = n_begun++ % (sizeof(begun) / sizeof(*begun));
        begun[i] = number;
        begun_usec[i] = world.steady_usec;
    }
    last = number > 0 ? last_line(db, number) : NULL;
    return last && is_intent(last) ? last : NULL;
}

/* What came of a request is written down, or it is done again: nothing stays under way. */
static void check_open(sqlite3 *db)
{
    check_forgotten(db);
    for (unsigned i = 0; i < sizeof(begun) / sizeof(*begun); i++)
        if (begun[i] && world.steady_usec - begun_usec[i] > LONGEST_ATTEMPT) {
            broken(13, "operation %lld is under way for %llu minutes", begun[i],
                   (unsigned long long)((world.steady_usec - begun_usec[i]) / MINUTE));
            begun[i] = 0;
        }
}

static bool is_read(const struct item *i)
{
    return !i->gone && item_has(i, "objectClass", "person") && (strstr(i->dn, ",ou=people,") ||
                        (company.two_bases && strstr(i->dn, ",ou=contractors,")));
}

static const char members_of_group[] =
    "SELECT count(*) FROM member WHERE group_n = (SELECT n FROM entries WHERE gone_usec = 0 AND dn = ?1 COLLATE NOCASE)";

/* How many values a search shows. */
static long long members_of(const struct item *i)
{
    long long n = 0;
    for (size_t k = 0; k < i->n_values; k++)
        n += strcasecmp(i->values[k].name, "member") == 0;
    return n;
}

long long witness_members(const struct item *group)
{
    sqlite3 *db = open_state();
    return db ? ask(db, members_of_group, group->dn) : -1;
}

static void check_mirror(sqlite3 *db, uint64_t settled_usec)
{
    long long n_people = 0, n;
    bool all = true;
    for (size_t k = 0; k < directory_data.n_items; k++) {
        const struct item *i = directory_data.items[k];
        bool settled = i->changed_usec <= settled_usec && i->moved_usec <= settled_usec, group = item_get(i, "member");
        all = all && (settled || group);
        n_people += item_get(i, "uid") && is_read(i);
        if (!settled || i->gone)
            continue;
        world.n_checks++;
        n = ask(db, "SELECT count(*) FROM entries WHERE gone_usec = 0 AND dn = ?1 COLLATE NOCASE", i->dn);
        if (item_get(i, "uid") && is_read(i) && n == 0)
            broken(14, "%s is in the directory, and not in the mirror", i->dn);
        n = ask(db, members_of_group, i->dn);
        if (group && n >= 0 && n != members_of(i))
            broken(14, "%s has %lld members, in the mirror %lld", i->dn, members_of(i), n);
    }
    n = ask(db, "SELECT count(*) FROM entry WHERE gone_usec = 0 AND kind = 1", NULL);
    if (all && n >= 0 && n != n_people)
        broken(14, "the directory has %lld people, the mirror %lld", n_people, n);
}

bool witness_alarm(const char *cause)
{
    sqlite3 *db = open_state();
    long long n = db ? ask(db, "SELECT count(*) FROM alarm WHERE cause = ?1", cause) : -1;
    return n != 0; /* what cannot be asked is not denied */
}

bool witness_alarm_told(const char *cause)
{
    static const char statement[] =
        "SELECT count(*) FROM alarm WHERE notified_usec > 0 AND cause = ?1";
    sqlite3 *db = open_state();
    return !db || ask(db, statement, cause) != 0;
}

const char *witness_stray_alarm(const char *prefix, const json_t *causes)
{
    static const char statement[] = "SELECT cause FROM alarm";
    static char stray[200];
    sqlite3 *db = open_state();
    sqlite3_stmt *q = db ? statement_of(db, statement) : NULL;
    bool found = false;
    while (q && !found && sqlite3_step(q) == SQLITE_ROW) {
        const char *cause = (const char *)sqlite3_column_text(q, 0);
        found = strncmp(cause, prefix, strlen(prefix)) == 0 && !json_object_get(causes, cause);
        snprintf(stray, sizeof(stray), "%s", cause);
    }
    sqlite3_reset(q);
    return found ? stray : NULL;
}

json_t *witness_status(void)
{
    struct daemon *d = life_running();
    struct error e = {0};
    void *note = d ? question_status.note(d, NULL, &e) : NULL;
    json_t *status = note ? question_status.answer(note, d->state, &e) : NULL;
    if (note)
        question_status.forget(note);
    return status;
}

bool witness_follows(void)
{
    json_t *status = witness_status();
    const char *feed =
        json_string_value(json_object_get(json_object_get(status, "directory"), "feed"));
    bool follows = feed && strcmp(feed, "poll") != 0;
    json_decref(status);
    return follows;
}

void witness_day_end(uint64_t settled_usec)
{
    sqlite3 *db = open_state();
    if (!db)
        return;
    check_open(db);
    check_mirror(db, settled_usec);
}

void witness_begin(void)
{
    witness_forget();
}

static int turn_rows(sqlite3 *db, char **why, const struct sqlite3_api_routines *api)
{
    (void)why, (void)api;
    return sqlite3_exec(db, "PRAGMA reverse_unordered_selects = ON", NULL, NULL, NULL);
}

void witness_turn_rows(void)
{
    sqlite3_auto_extension((void (*)(void))turn_rows);
}
