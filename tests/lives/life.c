/*
 * One life: starts the daemon as main() would, lets the plan happen, kills and restarts it, and
 * looks at what it left.
 */
#include "config.h"

#include "life.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alarms.h"
#include "amid.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "belief.h"
#include "commands.h"
#include "company.h"
#include "daemon/daemon.h"
#include "directory.h"
#include "groups.h"
#include "operator.h"
#include "oracle.h"
#include "plan.h"
#include "rest.h"
#include "rules.h"
#include "second.h"
#include "secrets.h"
#include "tenant.h"
#include "witness.h"
#include "yearbook.h"

static struct daemon *running; /* NULL: nobody */
static const struct plan *plan;
static size_t next_happening;
static const struct happening *crash; /* the last one; its later points lie in later starts */
static size_t next_point;
static uint64_t up_since_usec;
static bool over, ended_well;
static bool reload_waits; /* for a disk */
static uint64_t hides_since_usec; /* an access rule is in the way, or was until now; 0: none */
static struct person *apart; /* whom alone the tenant has a trouble with; NULL: nobody */
static const struct happening *stopped_for; /* the daemon was asked to end; NULL: it was not */

static void on_death(void)
{
    if (running && running->event)
        (void)sd_event_exit(running->event, 0);
}

bool life_was_quiet(uint64_t since_usec)
{
    return running && !world.death && !world.other_tenant && !world.directory_away &&
           !world.tenant_away && up_since_usec <= since_usec && world.quiet_usec <= since_usec;
}

struct daemon *life_running(void)
{
    return running;
}

uint64_t life_up_since_usec(void)
{
    return up_since_usec;
}

/* ---- what happens ---- */

void life_end(void *userdata, uint64_t argument)
{
    (void)userdata, (void)argument;
    over = true;
    if (running)
        raise(SIGTERM);
}

static void heard(void *userdata, uint64_t start)
{
    (void)userdata;
    if (up_since_usec == start && running && !world.directory_away && !directory_hides())
        world.deaf_since_usec = UINT64_MAX;
}

static void day_end(void *userdata, uint64_t day)
{
    (void)userdata;
    secrets_check_files();
    if (running && !world.death)
        oracle_day_end(up_since_usec > world.quiet_usec ? up_since_usec : world.quiet_usec);
    world_at(world.steady_usec + DAY, day_end, NULL, day + 1);
}

/* What a state that cannot be written kept from being taken over is told as an error: somebody
 * reloads again when that is told to be over. */
static void reload_again(void *userdata, uint64_t argument)
{
    (void)userdata, (void)argument;
    if (running && !world.death)
        raise(SIGHUP);
}

static void trouble_ends(void *userdata, uint64_t argument)
{
    (void)userdata, (void)argument;
    trace("the trouble is over");
    alarms_outage_ends(world.away_usec, up_since_usec);
    if (world.directory_away)
        company_heard(world.away_usec);
    if (world.directory_away && directory_data.server == SERVER_AD &&
        world.steady_usec - world.away_usec > DIRSYNC_REMEMBERED)
        seen(POINT_AGED);
    world.directory_away = world.tenant_away = false;
    if (world.disk)
        world.disk_usec = world.steady_usec;
    world.disk = DISK_FINE;
    if (reload_waits)
        world_at(world.steady_usec + MINUTE, reload_again, NULL, 0);
    reload_waits = false;
    tenant_trouble_ends();
    directory_trouble_ends();
    if (hides_since_usec) {
        company_heard(hides_since_usec);
        operator_compare(NULL, 0);
    }
    hides_since_usec = 0;
    world.quiet_usec = world.steady_usec;
    /* The longest wait before the next attempt, and a little. */
    world_at(world.steady_usec + 12 * MINUTE, heard, NULL, up_since_usec);
}

static void trouble_of_ends(void *userdata, uint64_t argument)
{
    (void)userdata, (void)argument;
    if (!apart)
        return;
    tenant_trouble_of_ends();
    apart->apart_until_usec = world.steady_usec + 2 * HOUR;
    apart = NULL;
}

/* It is nobody else's trouble: everything is expected of them as ever. */
static void trouble_of(const struct happening *h)
{
    struct person *p = company_person(h->who);
    const struct person *other = company_person((unsigned)h->number);
    if (!p || apart)
        return;
    tenant_trouble_of(h->to, p->login, other ? other->login : "");
    p->apart_until_usec = UINT64_MAX;
    apart = p;
    world_at(world.steady_usec + h->seconds * SECOND, trouble_of_ends, NULL, 0);
}

static void trouble(const struct happening *h)
{
    bool away = strcmp(h->to, "away") == 0;
    if (h->what == WHAT_DISK) {
        world.disk = disk_named(h->to);
        world.has_lied = world.has_lied || world.disk == DISK_LIES;
    } else if (h->what == WHAT_DIRECTORY) {
        if (away && !world.directory_away)
            world.away_usec = world.steady_usec;
        world.directory_away = away;
        if (away || strcmp(h->to, "hangs up") == 0)
            directory_cut();
        else
            directory_trouble(h->to);
        if (directory_hides() && !hides_since_usec)
            hides_since_usec = world.steady_usec;
        if (world.deaf_since_usec == UINT64_MAX)
            world.deaf_since_usec = world.steady_usec;
    } else if (away || strcmp(h->to, "hangs up") == 0) {
        if (away && !world.tenant_away && !world.directory_away)
            world.away_usec = world.steady_usec;
        world.tenant_away = away;
        tenant_cut();
    } else {
        tenant_trouble(h->to, (unsigned)h->number, h->number);
    }
    world.quiet_usec = UINT64_MAX;
    world_at(world.steady_usec + h->seconds * SECOND, trouble_ends, NULL, 0);
}

void life_calms(void)
{
    next_happening = plan->n; /* what would come later does not */
    crash = NULL;
    world.crash_countdown = 0;
    commands_trouble(NULL, 0);
    trouble_of_ends(NULL, 0);
    groups_calm();
    trouble_ends(NULL, 0);
}

/* The next death is so many points away. */
static void arm(void)
{
    if (!crash || next_point == crash->n_points)
        return;
    world.crash_kind = strncmp(crash->to, "power", 5) == 0 ? DEATH_POWER : DEATH_KILL;
    world.crash_at_audit = strstr(crash->to, "audit") != NULL;
    world.crash_countdown = crash->points[next_point++];
}

static void mend(void *userdata, uint64_t argument)
{
    (void)userdata, (void)argument;
    rules_mend();
}

static void reconfigure(const struct happening *h)
{
    reload_waits = world.disk != DISK_FINE;
    rules_change(h);
    seen(POINT_RELOADED);
    if (running && !world.death)
        raise(SIGHUP);
    world_at(world.steady_usec + MINUTE, mend, NULL, 0);
}

static void set_clock(const struct happening *h)
{
    belief_clock_set(h);
    if (world.quiet_usec != UINT64_MAX) /* else something is out of order, and goes on */
        world.quiet_usec = world.steady_usec;
}

/* The state file is kept as it is now; or somebody stops the daemon, and starts it again with
 * what was kept, or with none. */
static void go_home(void *userdata, uint64_t argument)
{
    static const struct happening home = {.what = WHAT_STATE, .to = "home"};
    (void)userdata, (void)argument;
    if (!world.other_tenant || over)
        return;
    if (running && !world.death && !stopped_for) {
        stopped_for = &home;
        raise(SIGTERM);
    }
    world_at(world.steady_usec + MINUTE, go_home, NULL, 0);
}

static void change_state(const struct happening *h)
{
    if (strcmp(h->to, "keep") == 0) {
        state_copy("", "kept-");
        oracle_state_kept();
        return;
    }
    if (!running || world.death || stopped_for)
        return;
    stopped_for = h;
    raise(SIGTERM);
    if (strcmp(h->to, "other tenant") == 0)
        world_at(world.steady_usec + h->seconds * SECOND, go_home, NULL, 0);
}

static void state_changed(void)
{
    bool other = strcmp(stopped_for->to, "other tenant") == 0;
    if (other || strcmp(stopped_for->to, "home") == 0) {
        world.other_tenant = other;
        rules_tenant();
        company_rules_changed(); /* what was decided there is decided again */
    }
    bool restores = strcmp(stopped_for->to, "restore") == 0;
    if (restores || strcmp(stopped_for->to, "remove") == 0) {
        state_remove();
        company_part_twins(); /* nobody could know any more whose it is */
        seen(restores ? POINT_RESTORED : POINT_REMOVED);
        if (restores)
            state_copy("kept-", "");
        oracle_state_changed(restores);
        if (restores)
            belief_unknown();
        else
            belief_taken();
    }
    stopped_for = NULL;
    world_pass(world.steady_usec + 3 * SECOND);
}

void life_happen(const struct happening *h)
{
    plan_trace(h);
    switch ((unsigned)h->what) {
    case WHAT_CRASH:
        crash = h;
        next_point = 0;
        chance_seed(CHANCE_CRASH, h->number);
        chance_seed(CHANCE_DISK, h->number);
        arm();
        break;
    case WHAT_DIRECTORY:
    case WHAT_DISK:
    case WHAT_TENANT:
        if (h->who)
            trouble_of(h);
        else
            trouble(h);
        break;
    case WHAT_OPERATOR:
        if (running && !world.death)
            operator_happen(h);
        break;
    case WHAT_RULE:
    case WHAT_CONFIGURATION: reconfigure(h); break;
    case WHAT_CLOCK: set_clock(h); break;
    case WHAT_STATE: change_state(h); break;
    case WHAT_COMMAND: commands_trouble(h->to, h->seconds); break;
    case WHAT_SECOND: second_start(h->number % 2); break;
    default: company_happen(h);
    }
}

static void happen_next(void *userdata, uint64_t argument)
{
    (void)userdata, (void)argument;
    uint64_t now = world.steady_usec - BEGINNING;
    while (next_happening < plan->n && plan->all[next_happening].at_usec <= now)
        life_happen(&plan->all[next_happening++]);
    if (next_happening < plan->n)
        world_at(BEGINNING + plan->all[next_happening].at_usec, happen_next, NULL, 0);
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
    belief_started();
    disk_begin();
    alarms_begin();
    rules_mend();
    if (!world.crash_countdown)
        arm();
    int r = start_and_run(&d, &e);
    turn_ends(); /* whoever starts holds nobody */
    amid_close();
    running = NULL;
    if (world.deaf_since_usec == UINT64_MAX)
        world.deaf_since_usec = world.steady_usec;
    bool fine = r == 0 || world.death;
    ended_well = r == 0 && !world.death; /* else the last intents wait for the next start */
    witness_close();
    daemon_close(&d);
    sockets_end();
    threads_finish();
    commands_forget();
    if (!fine && (world.disk || world.lost_by_lies))
        over = over || world.lost_by_lies; /* who cannot know refuses; a full disk ends */
    else if (!fine)
        broken(0, "rosterd does not start or run: %s", e.message);
    else if (!world.death && !over && !stopped_for)
        broken(0, "rosterd ended by itself");
    return fine || world.disk;
}

/* The machine is off for a while; what happens meanwhile, happens. */
static void after_death(void)
{
    bool power = world.death == DEATH_POWER;
    trace(power ? "the power failed" : "rosterd was killed");
    world.crash_at_audit = false;
    seen(power ? POINT_POWER_LOSS : POINT_KILLED);
    if (world.steady_usec - up_since_usec < SECOND)
        seen(POINT_DEAD_AT_START);
    world.crash_countdown = 0;
    if (power) /* after a kill what was not synced is still to be lost */
        disk_power_loss();
    world.death = DEATH_NOT;
    stopped_for = NULL;
    uint64_t pause = chance_percent(CHANCE_CRASH, 70)
                         ? 1 * SECOND + chance(CHANCE_CRASH, 10 * SECOND)
                         : chance(CHANCE_CRASH, 3 * HOUR);
    world_pass(world.steady_usec + pause);
    world.down_usec += pause;
    if (power) {
        world.booted_usec = world.steady_usec - SECOND;
        if (!world.clock_is_right || belief_usec() != world.steady_usec)
            belief_unknown();
        if (world.clock_is_right)
            seen(POINT_CLOCK_RIGHT);
        else
            world.off_usec += world.steady_usec - world.noted_usec; /* and before the end */
    }
}

static void begin(void)
{
    over = reload_waits = false;
    log_begin();
    crash = stopped_for = NULL;
    apart = NULL;
    world.quiet_usec = hides_since_usec = next_happening = 0;
    world.n_broken = world.crash_countdown = 0;
    memset(world.points, 0, sizeof(world.points));
    world.death = DEATH_NOT;
    world.other_tenant = world.directory_away = world.tenant_away = world.has_lied =
        world.lost_by_lies = world.was_turned_back = false;
    world.clock_is_right = plan->clock_is_right;
    world.disk = DISK_FINE;
    world.deaf_since_usec = world.disk_usec = world.off_usec = world.down_usec = world.slept_usec =
        world.noted_usec = 0;
    world.on_death = on_death;
    clock_begin(plan->chance);
    if ((plan->chance % 2 == 0) != world.again)
        witness_turn_rows();
    (void)sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, 1 + (int)(plan->chance % 1000000),
                               NULL);
    amid_begin();
    directory_begin(plan);
    rest_reset();
    yearbook_begin();
    belief_begin();
    oracle_begin();
    tenant_begin();
    commands_begin();
    operator_begin();
    company_begin(plan);
    rules_begin(plan);
    happen_next(NULL, 0);
    world_at(world.steady_usec + 23 * HOUR + 30 * MINUTE, day_end, NULL, 0);
    uint64_t end = plan->days * DAY;
    bool stops = world.stop_usec && world.stop_usec < end;
    world_at(world.steady_usec + (stops ? world.stop_usec : end) - MINUTE,
             plan->rests && !stops ? rest_begin : life_end, NULL, 0);
}

static void end(void)
{
    disk_end();
    ages_end();
    company_end();
    directory_end();
    tenant_end();
    operator_end();
    oracle_end();
    clock_end();
}

int life_run(const struct plan *p, bool keep, struct life_result *ret)
{
    plan = p;
    if (aftermath_folder() < 0)
        return -1;
    snprintf(ret->world.folder, sizeof(ret->world.folder), "%s", world.folder);
    begin();
    world.running = true;
    while (!over && run_daemon() && !over)
        if (stopped_for && !world.death)
            state_changed();
        else
            after_death();
    /* It died while it ended, or was off when the end came: the next start mends what that left. */
    if (world.death || !ended_well) {
        if (world.death)
            after_death();
        over = false;
        crash = NULL;
        world_at(world.steady_usec + MINUTE, life_end, NULL, 0);
        run_daemon();
    }
    world.running = false;
    aftermath_verify(ended_well);
    aftermath_hash(ret->hash);
    ret->n_broken = world.n_broken;
    end();
    if (keep || (world.n_broken && !world.silent))
        printf("kept: %s\n", world.folder);
    else
        aftermath_remove();
    return 0;
}
