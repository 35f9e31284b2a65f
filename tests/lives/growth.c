/*
 * What the daemon holds (growth.h): memory, files, sources of events, threads, and rows of each
 * table. The processor is infinitely fast in this world, so how long a turn of the loop takes
 * is measured by its work: what SQLite does, how often it waits for the disk, how many messages
 * of the directory it takes, and how many requests to the tenant it makes.
 */
#include "config.h"

#include "growth.h"

#include <curl/curl.h>
#include <dirent.h>
#include <dlfcn.h>
#include <ldap.h>
#include <malloc.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "amid.h"
#include "company.h"
#include "losses.h"
#include "witness.h"
#include "world.h"

/* Its limit is 8,000 KiB for a connection (PRAGMA cache_size), and it has some tables besides.
 */
#define STATE_CACHE (10UL * 1024 * 1024)

#define MOST_FILES   64
#define MOST_SOURCES 48
#define MOST_THREADS 4
#define RUNS_KEPT    5000 /* as run.c says */
#define LINES_KEPT   200  /* those that are in the file go some at a time */
#define WEEK         8    /* the last days */

static struct {
    size_t heap, n_people;
} days[WEEK];
static unsigned n_days;

/* ---- of the loop ---- */

#define STEPS 1000 /* of SQLite's machine, between two looks */

#define MOST_LOOKS    150 /* some milliseconds */
#define MOST_SYNCS    12
#define MOST_MESSAGES 64 /* of the directory; some microseconds each */
/* Of a tenant that takes 50 a second: a tenth of that, and a token's. */
#define MOST_REQUESTS 6

static unsigned n_looks, n_syncs, n_messages, n_requests;
static bool in_turn;

void turn_begins(void)
{
    n_looks = n_syncs = n_messages = n_requests = 0;
    in_turn = true;
}

void turn_ends(void)
{
    bool counts = in_turn && !world.death;
    in_turn = false;
    if (counts && n_looks > MOST_LOOKS)
        broken(19, "a turn of the loop takes more than %u steps of SQLite", n_looks * STEPS);
    if (counts && n_syncs > MOST_SYNCS)
        broken(19, "a turn of the loop waits for the disk %u times", n_syncs);
    if (counts && n_messages > MOST_MESSAGES)
        broken(19, "a turn of the loop takes %u messages of the directory", n_messages);
    if (counts && n_requests > MOST_REQUESTS)
        broken(19, "a turn of the loop begins %u requests to the tenant", n_requests);
    if (counts)
        amid_look();
}

void turn_syncs(void)
{
    n_syncs += in_turn;
}

/* Requests to the tenant, as libcurl is given them. */
CURLMcode curl_multi_add_handle(CURLM *multi, CURL *easy)
{
    static CURLMcode (*real)(CURLM *, CURL *);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "curl_multi_add_handle");
    n_requests += in_turn;
    return real(multi, easy);
}

/* Messages, as libldap is asked for them one by one. */
int ldap_result(LDAP *ld, int id, int all, struct timeval *timeout, LDAPMessage **ret)
{
    static int (*real)(LDAP *, int, int, struct timeval *, LDAPMessage **);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "ldap_result");
    int r = real(ld, id, all, timeout, ret);
    n_messages += in_turn && r > 0;
    return r;
}

static int on_steps(void *userdata)
{
    (void)userdata;
    n_looks += in_turn;
    return 0;
}

static int watch_steps(sqlite3 *db, char **why, const struct sqlite3_api_routines *api)
{
    (void)why, (void)api;
    sqlite3_progress_handler(db, STEPS, on_steps, NULL);
    return SQLITE_OK;
}

/* ---- of the day ---- */

void growth_begin(void)
{
    n_days = 0;
    sources_begin();
    in_turn = false;
    sqlite3_auto_extension((void (*)(void))watch_steps);
}

static size_t count_files(void)
{
    size_t n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n;
}

static long long count_rows(sqlite3 *db, const char *table)
{
    char sql[120];
    sqlite3_stmt *q = NULL;
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", table);
    long long n =
        sqlite3_prepare_v2(db, sql, -1, &q, NULL) == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW
            ? sqlite3_column_int64(q, 0)
            : 0;
    sqlite3_finalize(q);
    return n;
}

/* Whoever is gone is remembered for a while, and so is what was done for them. */
static long long most_of(const char *table)
{
    if (strcmp(table, "run") == 0)
        return RUNS_KEPT;
    return strcmp(table, "trail") == 0 ? LINES_KEPT : 200 + 8 * (long long)company.n_people;
}

static void check_rows(void)
{
    static const char tables[] =
        "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name";
    sqlite3 *db = witness_database();
    sqlite3_stmt *q = NULL;
    if (!db || sqlite3_prepare_v2(db, tables, -1, &q, NULL) != SQLITE_OK)
        return;
    while (sqlite3_step(q) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(q, 0);
        long long n = count_rows(db, name);
        world.n_checks++;
        if (n > most_of(name))
            broken(19, "the table %s has %lld rows, for %zu people", name, n, company.n_people);
    }
    sqlite3_finalize(q);
}

/* SQLite keeps pages up to the limit that it was given, so as to read less; all else that is
 * held, without what the world holds itself, must not grow. */
void growth_check(void)
{
    struct mallinfo2 all = mallinfo2();
    size_t cached = (size_t)sqlite3_memory_used(), n_files = count_files(), i = n_days++ % WEEK,
           heap = all.uordblks + all.hblkhd - cached - losses_held() - lines_held();
    world.n_checks++;
    if (n_files > MOST_FILES)
        broken(19, "%zu files are open", n_files);
    if (cached > STATE_CACHE)
        broken(19, "%zu KiB of memory are held by SQLite", cached / 1024);
    if (n_days > WEEK &&
        heap > days[i].heap + (company.n_people - days[i].n_people) * 8192 + 400000)
        broken(19, "%zu KiB of memory are held for %zu people, a week ago %zu for %zu",
               heap / 1024, company.n_people, days[i].heap / 1024, days[i].n_people);
    if (sources_alive() > MOST_SOURCES)
        broken(19, "%u sources of events are there", sources_alive());
    if (threads_alive() > MOST_THREADS)
        broken(19, "%u threads are there", threads_alive());
    check_rows();
    days[i].heap = heap;
    days[i].n_people = company.n_people;
}
