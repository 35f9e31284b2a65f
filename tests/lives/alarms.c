/* Whether there is an alarm for each cause that is open, and none else (alarms.h); budgets and
 * holds are waiting.c's, what the world itself knows is causes.c's. */
#include "config.h"

#include "alarms.h"

#include <jansson.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "belief.h"
#include "causes.h"
#include "directory.h"
#include "life.h"
#include "reads.h"
#include "rules.h"
#include "status.h"
#include "witness.h"
#include "world.h"

#define LONG (rules.alarm_after_usec + 5 * MINUTE)

/* The number that the statement gives; ?1: the text. */
static long long ask(sqlite3 *db, const char *sql, const char *text)
{
    sqlite3_stmt *q = NULL;
    long long n = -1;
    if (sqlite3_prepare_v2(db, sql, -1, &q, NULL) == SQLITE_OK) {
        sqlite3_bind_text(q, 1, text, -1, SQLITE_TRANSIENT);
        n = sqlite3_step(q) == SQLITE_ROW ? sqlite3_column_int64(q, 0) : 0;
    }
    sqlite3_finalize(q);
    return n;
}

/* By what the alarm's cause begins with: whether it is open, as far as the tables tell by
 * themselves. NULL: on a quiet day it never is. */
static const struct {
    const char *begins, *is_open;
    bool is_told; /* … and then there is one */
} kinds[] = {
    {"directory", NULL, false},
    {"tenant", NULL, false}, /* tenant-account as well */
    {"first-contact", NULL, false},
    {"other-tenant", NULL, false},
    {"read", "SELECT 1", false}, /* until everything was read well */
    {"group:", NULL, false},
    {"members:", NULL, false},
    {"paused", NULL, false},
    {"state-", "SELECT count(*) FROM meta WHERE name = 'distrusted' AND ?1 = 'state-restored'",
     true},
    {"audit-failed", NULL, false},
    {"adoption",
     "SELECT NOT EXISTS (SELECT 1 FROM meta WHERE name = 'first-contact-done' AND value != '0')",
     false},
    {"password", "SELECT count(*) FROM password_due WHERE sentence NOT NULL", true},
    {"attribute:",
     "SELECT count(*) FROM meta WHERE name = 'vanished' AND instr(',' || value || ',', ',' || substr(?1, 11) || ',')",
     false},
    {"budget:", "SELECT 1", false}, /* waiting.c */
    {"hold:", "SELECT 1", false},
    /* What people at the tenant do, and administrators to the clock, is told when it is seen.
     */
    {"drift", "SELECT 1", false},
    {"clock-set", "SELECT 1", false},
};
#define KINDS (sizeof(kinds) / sizeof(*kinds))

static void check_row(sqlite3 *db, const char *cause)
{
    size_t i = 0;
    while (i < KINDS && strncmp(cause, kinds[i].begins, strlen(kinds[i].begins)) != 0)
        i++;
    world.n_checks++;
    if (i == KINDS)
        broken(17, "the alarm %s is of no kind that is known", cause);
    else if (!kinds[i].is_open || ask(db, kinds[i].is_open, cause) == 0)
        broken(17, "the alarm %s stands, and its cause is over", cause);
    if (strcmp(cause, "read") == 0 && reads_last_usec() > directory_data.fine_usec + MINUTE)
        broken(17, "the alarm %s stands, and everything was read since", cause);
    /* Nor does anybody know how long a machine was off, for which it looks the same. */
    bool was_moved = was_seen(world.points, POINT_CLOCK_BACK) ||
                     was_seen(world.points, POINT_CLOCK_FORWARD) || belief_is_unknown();
    if (strcmp(cause, "clock-set") == 0 && !was_moved)
        broken(17, "the alarm %s stands, and nobody has set it", cause);
}

/* ---- what is told, in the order of the log ---- */

static json_t *told;  /* causes that stand */
static json_t *heard; /* when, of each */

/* A death may be why it is told once more: nobody knows whether that was on the disk. */
void alarms_begin(void)
{
    json_decref(told);
    told = json_object();
    if (!heard)
        heard = json_object();
}

void alarms_end(void)
{
    json_decref(told);
    json_decref(heard);
    told = heard = NULL;
}

uint64_t alarms_heard_usec(const char *cause)
{
    return (uint64_t)json_integer_value(json_object_get(heard, cause));
}

void alarms_hear(const char *line, size_t size)
{
    static const char raised[] = ": notice: Alarm ", over[] = ": notice: Over ";
    char cause[600];
    const char *at = memmem(line, size, raised, strlen(raised)),
               *end = memmem(line, size, over, strlen(over)),
               *from = at    ? at + strlen(raised)
                       : end ? end + strlen(over)
                             : NULL;
    const char *to = from ? memmem(from, size - (size_t)(from - line), ": ", 2) : NULL;
    if (!to || !told)
        return;
    snprintf(cause, sizeof(cause), "%.*s", (int)(to - from), from);
    world.n_checks++;
    json_object_set_new(heard, cause, json_integer((json_int_t)world.steady_usec));
    if (at && json_object_get(told, cause))
        broken(17, "the alarm %s is told, and it stands", cause);
    if (at && strncmp(cause, "hold:", 5) == 0 && json_object_get(told, cause + 5))
        broken(17, "the alarm %s is told, and its cause stands as an alarm of its own", cause);
    if (at)
        json_object_set_new(told, cause, json_true());
    else
        json_object_del(told, cause);
}

/* ---- what stands at the end of a day ---- */

static void check_alarms(sqlite3 *db)
{
    sqlite3_stmt *q = NULL;
    char untold[120];
    snprintf(untold, sizeof(untold),
             "SELECT count(*) FROM alarm WHERE notified_usec = 0 AND since_usec < %llu",
             (unsigned long long)(clock_steady_usec() - rules.alarm_after_usec - 5 * MINUTE));
    if (sqlite3_prepare_v2(db, "SELECT cause FROM alarm", -1, &q, NULL) != SQLITE_OK)
        return;
    while (sqlite3_step(q) == SQLITE_ROW)
        check_row(db, (const char *)sqlite3_column_text(q, 0));
    sqlite3_finalize(q);
    if (ask(db, untold, "") > 0)
        broken(17, "an alarm stands for long, and nobody was told");
    for (size_t i = 0; i < KINDS; i++) {
        const char *cause =
            strcmp(kinds[i].begins, "state-") == 0 ? "state-restored" : kinds[i].begins;
        world.n_checks += kinds[i].is_told;
        if (kinds[i].is_told && ask(db, kinds[i].is_open, cause) > 0 && !witness_alarm(cause))
            broken(17, "there is no alarm %s, and there is a cause", cause);
    }
}

void alarms_day_end(void)
{
    sqlite3 *db = witness_database();
    if (!db)
        return;
    check_alarms(db);
    status_day_end();
}

/* ---- while something is out of order ---- */

static bool is_listening(uint64_t since_usec, uint64_t up_since_usec)
{
    return life_running() && !world.death && !world.disk && up_since_usec < since_usec;
}

/* Somebody's time came so long ago, on the clock of what waits. */
static bool any_due(sqlite3 *db)
{
    char sql[160];
    snprintf(
        sql, sizeof(sql),
        "SELECT count(*) FROM operation WHERE state = 1 AND max(due_usec, since_usec, not_before_usec) < %llu",
        (unsigned long long)(clock_steady_usec() - rules.alarm_after_usec - 2 * MINUTE));
    return ask(db, sql, "") > 0;
}

void alarms_outage_ends(uint64_t since_usec, uint64_t up_since_usec)
{
    sqlite3 *db = witness_database();
    causes_look();
    if (!db || (!world.directory_away && !world.tenant_away) ||
        world.steady_usec - since_usec < LONG || !is_listening(since_usec, up_since_usec))
        return;
    if (world.directory_away)
        status_away("directory");
    /* Nobody notices who has nothing to ask. */
    if (world.tenant_away && world.refused_usec &&
        world.steady_usec - world.refused_usec > rules.alarm_after_usec + 10 * MINUTE)
        status_away("tenant");
}

void alarms_pause_ends(uint64_t since_usec, uint64_t up_since_usec)
{
    sqlite3 *db = witness_database();
    if (!db || world.steady_usec - since_usec < LONG ||
        !is_listening(since_usec, up_since_usec))
        return;
    status_paused();
    if (any_due(db) && !witness_alarm("paused"))
        broken(17, "writing is paused for long, somebody waits, and there is no alarm");
}
