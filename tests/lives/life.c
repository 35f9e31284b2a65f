/*
 * One life: writes a configuration, starts the daemon as main() would, lets days go by, kills
 * and restarts it, and looks at what it left.
 */
#include "config.h"

#include "life.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "company.h"
#include "daemon/daemon.h"
#include "daemon/report.h"
#include "diary.h"
#include "directory.h"
#include "oracle.h"
#include "tenant.h"
#include "world.h"

#define BROKEN_SHOWN 2
#define LOG_LINES    60

struct tenant_habits tenant_habits;

static struct daemon *running; /* NULL: nobody */
static const struct life_options *options;
static uint64_t up_since_usec, quiet_since_usec;
static bool over, ended_well;
static char log_lines[LOG_LINES][400];
static unsigned n_log_lines;

unsigned world_day(void)
{
    return (unsigned)((world.steady_usec - 1000 * SECOND) / DAY);
}

void log_keep(const char *line, size_t size)
{
    uint64_t t = world.steady_usec - 1000 * SECOND;
    char *to = log_lines[n_log_lines++ % LOG_LINES];
    snprintf(to, sizeof(log_lines[0]), "day %3u %02u:%02u:%02u.%06u %.*s", world_day(),
             (unsigned)(t % DAY / HOUR), (unsigned)(t % HOUR / MINUTE),
             (unsigned)(t % MINUTE / SECOND), (unsigned)(t % SECOND),
             (int)(size && line[size - 1] == '\n' ? size - 1 : size), line);
    if (world.trace)
        printf("%s\n", to);
}

void log_dump(void)
{
    unsigned first = n_log_lines > LOG_LINES ? n_log_lines - LOG_LINES : 0;
    for (unsigned i = first; i < n_log_lines; i++)
        printf("    %s\n", log_lines[i % LOG_LINES]);
}

void broken(unsigned invariant, const char *format, ...)
{
    va_list ap;
    if (world.n_broken++ >= BROKEN_SHOWN)
        return;
    printf("seed %llu, day %u, %02u:%02u: invariant %u: ", (unsigned long long)options->seed,
           world_day(), (unsigned)((world.steady_usec - 1000 * SECOND) % DAY / HOUR),
           (unsigned)((world.steady_usec - 1000 * SECOND) % HOUR / MINUTE), invariant);
    va_start(ap, format);
    vprintf(format, ap);
    va_end(ap);
    printf("\n");
    if (world.n_broken == 1)
        log_dump();
}

static void write_file(const char *name, const char *text)
{
    char path[160];
    snprintf(path, sizeof(path), "%s%s", world.folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        abort();
    close(fd);
}

static void write_configuration(void)
{
    char text[4096], budget[64] = "unlimited";
    if (company.disable_budget)
        snprintf(budget, sizeof(budget), "%u", company.disable_budget);
    snprintf(
        text, sizeof(text),
        "[directory]\nuri = ldap://10.0.0.1\ntls = no\nbind_dn = cn=rosterd," SUFFIX "\n"
        "bind_password_file = %sbind-password\nkeepalive = %s\nbase = ou=people," SUFFIX
        "\n%sgroup_base = ou=groups," SUFFIX "\n"
        "[tenant]\nurl = http://10.0.0.2\ntls = no\nclient_id = " API_USER
        "\nclient_secret_file = %sclient-secret\n"
        "[scope]\nwhen = (!(employeeType=Service))\n"
        "[user]\ndisabled_when = (employeeType=Terminated)\n"
        "[rule \"Support\"]\ngroup = cn=support,ou=groups," SUFFIX
        "\nteam = Customer Service\nroles = Agent\nskills = English:100\n"
        "[rule \"Sales\"]\ngroup = cn=sales,ou=groups," SUFFIX
        "\nteam = Sales\nroles = Agent\nskills = English:50, Billing:70\n"
        "[rule \"Leads\"]\ngroup = cn=leads,ou=groups," SUFFIX "\nroles = Lead\n"
        "[rule \"Spanish\"]\nwhen = (preferredLanguage=es*)\nskills = Spanish:80\n"
        "[lifecycle]\nrevoke_when = (employeeType=Revoked)\ndelete_after = %s\nverify_interval = %s\n"
        "[guard]\nmax_disable = %s\nmax_update = unlimited\nmax_team_change = unlimited\nmax_revoke = unlimited\n"
        "max_delete = unlimited\nmax_rename = unlimited\nattribute_vanish = 100%%\n"
        "[state]\nfile = %sstate.db\n[audit]\nfile = %saudit.jsonl\nkey_file = %saudit.key\n"
        "[control]\nsocket = %scontrol.sock\n",
        HERE, chance_percent(CHANCE_COMPANY, 20) ? "2min" : "1h",
        company.two_bases ? "base = ou=contractors," SUFFIX "\n" : "", HERE,
        company.deletes ? "3d" : "0", chance_percent(CHANCE_COMPANY, 30) ? "1d" : "7d", budget,
        HERE, HERE, HERE, HERE);
    write_file("rosterd.conf", text);
    write_file("bind-password", "secret\n");
    write_file("client-secret", "secret\n");
}

static void on_death(void)
{
    if (running && running->event)
        (void)sd_event_exit(running->event, 0);
}

/* ---- what the world does on its own ---- */

static void end_of_life(void *userdata, uint64_t argument)
{
    (void)userdata;
    (void)argument;
    over = true;
    if (running)
        raise(SIGTERM);
}

static void heard(void *userdata, uint64_t start)
{
    (void)userdata;
    if (up_since_usec == start && running && !world.directory_away)
        world.deaf_since_usec = UINT64_MAX;
}

static void day_end(void *userdata, uint64_t day)
{
    (void)userdata;
    if (running && !world.death)
        oracle_day_end(up_since_usec > quiet_since_usec ? up_since_usec : quiet_since_usec);
    world_at(world.steady_usec + DAY, day_end, NULL, day + 1);
}

/* Somebody looks at the plan every four hours and approves all of it. */
static void operator_looks(void *userdata, uint64_t argument)
{
    (void)userdata;
    (void)argument;
    world_at(world.steady_usec + 4 * HOUR, operator_looks, NULL, 0);
    if (!running || world.death || !running->engine || company.disable_budget)
        return;
    struct error e = {0};
    struct audit_actor actor = {.name = "operator"};
    struct engine_act act = {.actor = &actor};
    size_t n = 0;
    uint64_t until = 0;
    json_t *plan = report_plan(running->engine, running->state, &e);
    const char *hash = json_string_value(json_object_get(plan, "hash"));
    act.plan = hash;
    engine_act(running->engine, &act);
    if (!hash || engine_approve(running->engine, hash, 0, NULL, &n, &until, &e) < 0) {
        if (!world.death && !plan)
            broken(0, "the plan cannot be shown: %s", e.message);
    }
    engine_act(running->engine, NULL);
    json_decref(plan);
}

static void weather_ends(void *userdata, uint64_t argument)
{
    (void)userdata;
    (void)argument;
    world.directory_away = world.tenant_away = false;
    quiet_since_usec = world.steady_usec;
    /* The longest wait before the next attempt, and a little. */
    world_at(world.steady_usec + 12 * MINUTE, heard, NULL, up_since_usec);
}

/* Twice a week or so a peer hangs up, or is away for a while. */
static void weather(void *userdata, uint64_t argument)
{
    (void)userdata;
    (void)argument;
    uint64_t kind = chance(CHANCE_CRASH, 4),
             length = kind < 2 ? SECOND : MINUTE + chance(CHANCE_CRASH, 4 * HOUR);
    world_at(world.steady_usec + length + 12 * HOUR + chance(CHANCE_CRASH, 4 * DAY), weather,
             NULL, 0);
    world.directory_away = kind == 2;
    world.tenant_away = kind == 3;
    if (kind % 2 == 0)
        directory_cut();
    else
        tenant_cut();
    if (kind % 2 == 0 && world.deaf_since_usec == UINT64_MAX)
        world.deaf_since_usec = world.steady_usec;
    world_at(world.steady_usec + length, weather_ends, NULL, 0);
}

/* A death somewhere among the next writes, syncs, requests and answers. */
static void crash_soon(void *userdata, uint64_t quarter)
{
    (void)userdata;
    if (chance_percent(CHANCE_CRASH, options->crash_percent) && !over) {
        world.crash_kind = chance_percent(CHANCE_CRASH, 50) ? DEATH_KILL : DEATH_POWER;
        world.crash_countdown = 1 + (unsigned)chance(CHANCE_CRASH, 60);
    }
    world_at(world.steady_usec + 1 + chance(CHANCE_CRASH, 12 * HOUR), crash_soon, NULL,
             quarter + 1);
}

/* ---- the daemon ---- */

static int start_and_run(struct daemon *d, struct error *e)
{
    struct problem_list problems = {0};
    int r = settings_load(&d->settings, d->config_file, &problems, e);
    if (r < 0 && problems.n_errors)
        error_set(e, r, "%s:%u: %s", problems.items[0].file, problems.items[0].line,
                  problems.items[0].sentence);
    problem_list_done(&problems);
    if (r == 0) {
        running = d;
        r = daemon_open(d, e);
    }
    return r < 0 ? r : daemon_run(d, e);
}

/* One run of the daemon, until it ends or dies. false: it did not want to live. */
static bool run_daemon(void)
{
    char file[120];
    struct error e = {0};
    struct daemon d = {.config_file = file};
    snprintf(file, sizeof(file), "%srosterd.conf", HERE);
    up_since_usec = world.steady_usec;
    world_at(world.steady_usec + 30 * SECOND, heard, NULL, up_since_usec);
    disk_begin();
    /* A start is a moment like any other, also the first of all. */
    if (options->crash_percent &&
        chance_percent(CHANCE_CRASH, options->crash_percent > 100 ? 90 : 20)) {
        world.crash_kind = chance_percent(CHANCE_CRASH, 50) ? DEATH_KILL : DEATH_POWER;
        world.crash_countdown = 1 + (unsigned)chance(CHANCE_CRASH, 150);
    }
    int r = start_and_run(&d, &e);
    running = NULL;
    if (world.deaf_since_usec == UINT64_MAX)
        world.deaf_since_usec = world.steady_usec;
    bool fine = r == 0 || world.death;
    ended_well = r == 0 && !world.death; /* else the last intents wait for the next start */
    daemon_close(&d);
    sockets_end();
    threads_finish();
    if (!fine)
        broken(0, "rosterd does not start or run: %s", e.message);
    else if (!world.death && !over)
        broken(0, "rosterd ended by itself");
    return fine;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The audit's files, the oldest first. */
static size_t audit_files(char **ret, size_t room)
{
    DIR *dir = opendir(world.folder);
    size_t n = 0;
    for (struct dirent *entry; dir && (entry = readdir(dir)) && n < room;)
        if (strncmp(entry->d_name, "audit.jsonl", 11) == 0) {
            char path[360];
            snprintf(path, sizeof(path), "%s%s", world.folder, entry->d_name);
            ret[n++] = strdup(path);
        }
    if (dir)
        closedir(dir);
    qsort(ret, n, sizeof(*ret), compare_names);
    return n;
}

static void verify_audit(void)
{
    char *files[100];
    struct error e = {0};
    size_t n = audit_files(files, 100);
    struct audit_verify_result result = {0};
    struct audit_verify_options o = {0};
    if (audit_verify((const char *const *)files, n, &o, &result, &e) < 0)
        broken(12, "the audit cannot be verified: %s", e.message);
    else if (result.n_findings)
        broken(12, "the audit is not whole: line %u: %s", result.findings[0].line,
               result.findings[0].sentence);
    audit_verify_result_done(&result);
    if (!world.n_broken && ended_well)
        diary_check((const char *const *)files, n);
    while (n)
        free(files[--n]);
}

static void hash_audit(char ret[65])
{
    char *files[100];
    unsigned char digest[EVP_MAX_MD_SIZE] = {0}, chunk[65536];
    unsigned size = 32;
    size_t n = audit_files(files, 100);
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    EVP_DigestInit_ex(c, EVP_sha256(), NULL);
    for (size_t i = 0; i < n; i++) {
        int fd = open(files[i], O_RDONLY | O_CLOEXEC);
        for (ssize_t got; fd >= 0 && (got = read(fd, chunk, sizeof(chunk))) > 0;)
            EVP_DigestUpdate(c, chunk, (size_t)got);
        if (fd >= 0)
            close(fd);
        free(files[i]);
    }
    EVP_DigestFinal_ex(c, digest, &size);
    EVP_MD_CTX_free(c);
    for (unsigned i = 0; i < 32; i++)
        snprintf(ret + 2 * i, 3, "%02x", digest[i]);
}

/* The machine is off for a while; what happens meanwhile, happens. */
static void after_death(void)
{
    bool power = world.death == DEATH_POWER;
    world.crash_countdown = 0;
    if (power) /* after a kill what was not synced is still to be lost */
        disk_power_loss();
    world.death = DEATH_NOT;
    uint64_t pause = chance_percent(CHANCE_CRASH, 70)
                         ? 1 * SECOND + chance(CHANCE_CRASH, 10 * SECOND)
                         : chance(CHANCE_CRASH, 3 * HOUR);
    world_pass(world.steady_usec + pause);
}

static void remove_folder(void)
{
    DIR *dir = opendir(world.folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char path[360];
        snprintf(path, sizeof(path), "%s%s", world.folder, entry->d_name);
        unlink(path);
    }
    if (dir)
        closedir(dir);
    rmdir(world.folder);
}

static int make_folder(void)
{
    const char *base = getenv("LIVES_FOLDER");
    if (!base)
        base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(world.folder, sizeof(world.folder), "%.40s/lives-%d-XXXXXX", base, (int)getpid());
    if (!mkdtemp(world.folder))
        return -1;
    strcat(world.folder, "/");
    return chdir(world.folder);
}

int life_run(const struct life_options *o, struct life_result *ret)
{
    options = o;
    over = false;
    n_log_lines = 0;
    quiet_since_usec = 0;
    world.n_broken = 0;
    world.death = DEATH_NOT;
    world.crash_countdown = 0;
    world.directory_away = world.tenant_away = false;
    world.deaf_since_usec = 0;
    world.on_death = on_death;
    if (make_folder() < 0)
        return -1;
    clock_begin(o->seed);
    (void)sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, 1 + (int)(o->seed % 1000000), NULL);
    directory_begin();
    oracle_begin();
    tenant_begin();
    company_begin(o->people);
    write_configuration();
    world_at(world.steady_usec, company_day, NULL, 0);
    world_at(world.steady_usec + 23 * HOUR + 30 * MINUTE, day_end, NULL, 0);
    world_at(world.steady_usec + 9 * HOUR, operator_looks, NULL, 0);
    world_at(world.steady_usec + o->days * DAY - MINUTE, end_of_life, NULL, 0);
    if (o->crash_percent)
        world_at(world.steady_usec + 1 * SECOND, crash_soon, NULL, 0);
    if (o->crash_percent)
        world_at(world.steady_usec + chance(CHANCE_CRASH, 2 * DAY), weather, NULL, 0);
    tenant_habits.lose_percent = o->crash_percent && chance_percent(CHANCE_CRASH, 40) ? 4 : 0;
    world.running = true;
    while (!over && run_daemon() && !over) {
        after_death();
    }
    if (world.death)
        after_death();
    world.running = false;
    verify_audit();
    hash_audit(ret->hash);
    ret->n_broken = world.n_broken;
    disk_end();
    company_end();
    directory_end();
    tenant_end();
    oracle_end();
    clock_end();
    if (world.n_broken || o->keep)
        printf("kept: %s\n", world.folder);
    else
        remove_folder();
    return 0;
}
