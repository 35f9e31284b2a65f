/* What the status says of the whole (status.h). */
#include "config.h"

#include "status.h"

#include <jansson.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "company.h"
#include "directory.h"
#include "life.h"
#include "operator.h"
#include "oracle.h"
#include "reads.h"
#include "rules.h"
#include "simulated.h"
#include "tenant.h"
#include "witness.h"
#include "world.h"

extern struct simulator tenant;

#define DELETE_AFTER (3 * DAY)

static const char *text_of(const json_t *status, const char *part, const char *name)
{
    const json_t *of = part ? json_object_get(status, part) : status;
    const char *text = json_string_value(json_object_get(of, name));
    return text ? text : "";
}

static long long number_of(const json_t *status, const char *part, const char *name)
{
    return json_integer_value(json_object_get(json_object_get(status, part), name));
}

static void expect(const json_t *status, const char *part, const char *name, const char *should)
{
    const char *is = text_of(status, part, name);
    world.n_checks++;
    if (strcmp(is, should) != 0)
        broken(17, "the status says that %s%s%s is \"%s\", and it is \"%s\"", part ? part : "",
               part ? "." : "", name, is, should);
}

static const char *feed_expected(void)
{
    if (directory_data.polled || directory_cut_sync())
        return "poll";
    switch (directory_data.server) {
    case SERVER_OPENLDAP:
    case SERVER_389: return "syncrepl";
    case SERVER_AD: return "dirsync";
    case SERVER_OTHER:
    case SERVERS: break;
    }
    return "poll";
}

/* With access and without, of those whom rosterd has something to do with. */
static void check_users(const json_t *status)
{
    long long n = 0, linked = number_of(status, "tenant", "users_linked"),
              disabled = number_of(status, "tenant", "users_disabled");
    const struct user *u;
    TAILQ_FOREACH(u, &tenant.store.users, link)
    n += company.api_person || strcmp(u->field[USER_LOGIN], API_USER) != 0;
    world.n_checks++;
    if (linked + disabled > n)
        broken(
            17,
            "the status tells of %lld users with access and %lld without, the tenant has %lld",
            linked, disabled, n);
}

/* When that is, in the world's time; 0: it says none. */
static uint64_t time_of(const json_t *status, const char *part, const char *name)
{
    const char *text = text_of(status, part, name), *rest;
    struct tm tm = {0};
    if (!*text || !(rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm)))
        return 0;
    uint64_t wall = (uint64_t)timegm(&tm) * SECOND + (uint64_t)(strtod(rest, NULL) * 1e6),
             here = clock_wall_of(clock_steady_usec());
    return world.steady_usec + wall - here;
}

/* ---- when everything was read ---- */

static void check_read(const json_t *status)
{
    uint64_t told = time_of(status, "directory", "last_full_read"), last = reads_last_usec(),
             now = world.steady_usec;
    world.n_checks++;
    if (told && !reads_ended_by(told))
        broken(17, "the status says that all was read %llu minutes ago, and it was not",
               (unsigned long long)((now - told) / MINUTE));
    else if (last && now - last > 10 * MINUTE && life_was_quiet(last - MINUTE) &&
             told + SECOND < last)
        broken(17, "the status says that all was read %llu minutes ago, and it was %llu ago",
               told ? (unsigned long long)((now - told) / MINUTE) : 0,
               (unsigned long long)((now - last) / MINUTE));
    else if (now > rules.full_usec + 2 * HOUR && life_was_quiet(now - rules.full_usec - 2 * HOUR) &&
             told < now - rules.full_usec - 2 * HOUR)
        broken(17,
               "the status says that all was read %llu hours ago, and nothing was in the way",
               told ? (unsigned long long)((now - told) / HOUR) : 0);
}

/* ---- what comes next ---- */

/* Whose access has ended is deleted in its time. */
static uint64_t next_deletion(void)
{
    uint64_t first = 0;
    for (size_t i = 0; rules.deletes && i < company.n_people; i++) {
        const struct person *p = company.people[i];
        uint64_t at =
            p->told_left_usec + DELETE_AFTER + 14 * HOUR + world.off_usec - p->off_before_usec;
        if (!p->item->gone || !p->left_usec || p->forgotten || p->disabled_before ||
            rules.limits[LIMIT_DELETE] || p->apart_until_usec || *p->old_login || p->twin ||
            oracle_has_access(p->login) || !store_user(&tenant.store, p->login))
            continue;
        first = !first || at < first ? at : first;
    }
    return first;
}

static void check_next(const json_t *status)
{
    static const char sql[] =
        "SELECT login, not_before_usec FROM operation WHERE state IN (1, 3) AND not_before_usec > ?1 "
        "ORDER BY not_before_usec";
    sqlite3_stmt *q = NULL;
    uint64_t at = time_of(status, "next", "at"), now = clock_steady_usec();
    if (sqlite3_prepare_v2(witness_database(), sql, -1, &q, NULL) != SQLITE_OK)
        return;
    sqlite3_bind_int64(q, 1, (sqlite3_int64)now);
    uint64_t first = sqlite3_step(q) == SQLITE_ROW
                         ? world.steady_usec + (uint64_t)sqlite3_column_int64(q, 1) - now
                         : 0;
    world.n_checks++;
    if (!at != !first || (first && (at + SECOND < first || first + SECOND < at)))
        broken(17, "the status says that the next is in %llu s, and it is in %llu s",
               at ? (unsigned long long)((at - world.steady_usec) / SECOND) : 0,
               first ? (unsigned long long)((first - world.steady_usec) / SECOND) : 0);
    uint64_t deletion = next_deletion();
    if (deletion > world.steady_usec && (!at || at > deletion))
        broken(17,
               "the status says that the next is in %llu h, and somebody is deleted in %llu h",
               at ? (unsigned long long)((at - world.steady_usec) / HOUR) : 0,
               (unsigned long long)((deletion - world.steady_usec) / HOUR));
    sqlite3_finalize(q);
}

/* ---- how far a load is ---- */

/* Operations that may go now, and those under way. */
static long long count_left(void)
{
    static const char sql[] =
        "SELECT count(*) FROM operation WHERE state = 4 OR (state = 1 AND not_before_usec <= ?1)";
    sqlite3_stmt *q = NULL;
    long long n = -1;
    if (sqlite3_prepare_v2(witness_database(), sql, -1, &q, NULL) == SQLITE_OK) {
        sqlite3_bind_int64(q, 1, (sqlite3_int64)clock_steady_usec());
        n = sqlite3_step(q) == SQLITE_ROW ? sqlite3_column_int64(q, 0) : -1;
    }
    sqlite3_finalize(q);
    return n;
}

static void check_rest(const json_t *status)
{
    world.n_checks++;
    if (json_is_object(json_object_get(status, "progress")) && count_left() == 0 &&
        world.steady_usec - world.active_usec > MINUTE)
        broken(17, "the status tells of a load, and nothing is left to do");
    if (time_of(status, "directory", "next_attempt") ||
        time_of(status, "tenant", "next_attempt"))
        broken(17, "the status tells of the next attempt to reach who is there");
}

static bool nobody_changed_since(uint64_t usec)
{
    for (size_t i = 0; i < company.n_people; i++)
        if (company.people[i]->changed_usec > usec)
            return false;
    return true;
}

static uint64_t burst_usec, last_usec; /* of writes: the first one, and the last */
static unsigned n_written;             /* in it */
static long long n_before;             /* done of the same load, before it */

/* What was done and what is left, as it was looked at within the second. */
void status_written(void)
{
    uint64_t now = world.steady_usec;
    if (now - last_usec > 5 * SECOND) {
        json_t *before = witness_status();
        burst_usec = now;
        n_written = 0;
        n_before = number_of(before, "progress", "done");
        json_decref(before);
    }
    last_usec = now;
    if (++n_written % 5 || now - burst_usec < 12 * SECOND || tenant_is_troubled())
        return;
    json_t *status = witness_status();
    long long done = number_of(status, "progress", "done"),
              left = number_of(status, "progress", "total") - done, is = count_left(),
              most = 3 * rules.rate;
    double rate =
        json_number_value(json_object_get(json_object_get(status, "progress"), "rate"));
    if (n_before <= done) /* else that load is over, and this is another */
        done -= n_before;
    world.n_checks++;
    seen(POINT_LOAD);
    if (!json_is_object(json_object_get(status, "progress"))) {
        if (is > most) /* else it is over, and this is what came since */
            broken(17, "the status tells of no load, and %u users were written", n_written);
    } else if (is >= 0 && nobody_changed_since(now - 3 * SECOND) && llabs(left - is) > most)
        broken(17, "the status tells of %lld that are left to do, and there are %lld", left,
               is);
    else if (done > n_written + most || done + most < n_written / 3)
        broken(17, "the status tells of %lld that are done, and %u users were written", done,
               n_written);
    else if (rate > 1.5 * rules.rate + 1)
        broken(17, "the status tells of %.1f a second, of which %u may be", rate, rules.rate);
    json_decref(status);
}

/* ---- while something is out of order ---- */

#define LONGEST_WAIT (12 * MINUTE)

void status_away(const char *who)
{
    json_t *status = witness_status();
    if (!status)
        return;
    uint64_t next = time_of(status, who, "next_attempt");
    expect(status, who, "state", "away");
    expect(status, NULL, "health", "degraded");
    if (!next || next + MINUTE < world.steady_usec || next > world.steady_usec + LONGEST_WAIT)
        broken(17, "the status says that the %s is asked again in %lld s", who,
               next ? (long long)(next - world.steady_usec) / (long long)SECOND : -1);
    json_decref(status);
}

void status_paused(void)
{
    json_t *status = witness_status();
    world.n_checks++;
    if (!json_is_true(json_object_get(status, "paused")))
        broken(17, "the status says that writing is not paused, and it is");
    json_decref(status);
}

/* ---- when nothing is ---- */

void status_day_end(void)
{
    json_t *status = witness_status();
    if (!status)
        return;
    expect(status, "directory", "state", "following");
    expect(status, "directory", "feed", feed_expected());
    expect(status, "directory", "error", "");
    expect(status, "tenant", "error", "");
    expect(status, "state", "error", "");
    expect(status, "audit", "error", "");
    expect(status, "config_files", "state", "in-force");
    expect(status, NULL, "health",
           json_array_size(json_object_get(status, "alarms")) ? "degraded" : "ok");
    world.n_checks++;
    if (json_is_true(json_object_get(status, "paused")) != (operator_paused_usec() != 0))
        broken(17, "the status says that writing is%s paused, and it is%s",
               operator_paused_usec() ? " not" : "", operator_paused_usec() ? "" : " not");
    if (json_is_true(json_object_get(status, "observing")))
        broken(17, "the status says that rosterd observes, and nobody has asked for it");
    check_users(status);
    check_read(status);
    check_next(status);
    check_rest(status);
    json_decref(status);
}
