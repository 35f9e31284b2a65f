/* lives: plays companies' lives, as seeds or plans say, and says what broke. */
#include "config.h"

#include <getopt.h>
#include <glob.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/environment.h"
#include "base/log.h"
#include "life.h"
#include "plan.h"
#include "shrink.h"
#include "state/db.h"
#include "world.h"
#include "written.h"

#define LARGEST_FILE      (64UL * 1024 * 1024) /* a life beyond it goes round in a circle */
#define LIVES_TO_SHRINK   300
#define ENDED_BY_A_SIGNAL 99
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#define IS_SANITIZED 1
#else
#define IS_SANITIZED                       0
#define __lsan_do_recoverable_leak_check() 0
#endif

static struct draw_options o = {.seed = 1, .days = 30, .people = 40};
static unsigned n_seeds = 20, n_plans;
static bool twice, keep, as_it_is, draw_only, until_broken, show_points, show_hashes;
static unsigned minutes; /* 0: no limit */
static unsigned longest = 600; /* seconds of a processor for a life, whatever else goes on */
static struct timespec began;
static struct life_result *shared_result;
static struct world total;
static unsigned long long n_days;
static unsigned n_lives, n_bad, n_saw[POINTS];

static void usage(FILE *f)
{
    fputs(
        "Usage: lives [--seeds N] [--first SEED] [--days D] [--people P] [--crashes PERCENT] [--calm] [--twice]\n"
        "             [--minutes M] [--keep] [--trace] [--as-it-is] [--until-broken] [--draw] [--hashes]\n"
        "             [--stop DAY] [--longest SECONDS] [--written FOLDER] [PLAN]...\n"
        "Plays the lives of N companies of up to P people, each for D days, from the seeds SEED and following; or the\n"
        "plans; or, without any option, the short form of `make check`. A plan that breaks an invariant is made as\n"
        "small as it can be (unless --as-it-is), kept, and played once more with what a person needs to know.\n"
        "--crashes: how probable a death of the daemon is, several times a day; above 100 it dies every few writes.\n"
        "--calm: nothing but people. --twice: each life is lived twice, and the audits are compared. --minutes: no\n"
        "life begins later. --keep: folders stay. --trace: each line of the log, and what happens, each message and\n"
        "each write, without secrets. --stop: each life ends after that day (the first is 0), and its folder stays.\n"
        "--until-broken: the first thing that breaks is the end. --draw: writes the plan and lives nothing. --hashes: that of each audit.\n"
        "--longest: whatever life takes more of a processor (or ten times as long) is ended, as one that would not end; 600.\n"
        "--written: quiet days are written there, for tests/lives/plain-oracle. Ends with 1 if an invariant broke (docs/reliability.md).\n",
        f);
}

static int parse(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"seeds", required_argument, NULL, 's'},
        {"first", required_argument, NULL, 'f'},
        {"days", required_argument, NULL, 'd'},
        {"people", required_argument, NULL, 'p'},
        {"crashes", required_argument, NULL, 'c'},
        {"twice", no_argument, NULL, '2'},
        {"keep", no_argument, NULL, 'k'},
        {"trace", no_argument, NULL, 't'},
        {"minutes", required_argument, NULL, 'm'},
        {"calm", no_argument, NULL, 'q'},
        {"as-it-is", no_argument, NULL, 'a'},
        {"draw", no_argument, NULL, 'w'},
        {"until-broken", no_argument, NULL, 'u'},
        {"points", no_argument, NULL, 'z'},
        {"hashes", no_argument, NULL, 'x'},
        {"written", required_argument, NULL, 'o'},
        {"stop", required_argument, NULL, 'e'},
        {"longest", required_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    for (int c; (c = getopt_long(argc, argv, "h", long_options, NULL)) != -1;) {
        unsigned long n = optarg ? strtoul(optarg, NULL, 10) : 0;
        switch (c) {
        case 'o': written_folder = optarg; break;
        case 's': n_seeds = (unsigned)n; break;
        case 'f': o.seed = n; break;
        case 'd': o.days = (unsigned)n; break;
        case 'p': o.people = (unsigned)n; break;
        case 'c': o.crash_percent = (unsigned)n; break;
        case '2': twice = true; break;
        case 'k': keep = true; break;
        case 'm': minutes = (unsigned)n; break;
        case 'q': o.calm = true; break;
        case 'a': as_it_is = true; break;
        case 'w': draw_only = true; break;
        case 'l': longest = (unsigned)n; break;
        case 'z': show_points = true; break;
        case 'x': show_hashes = true; break;
        case 'u': until_broken = as_it_is = true; break;
        case 'e':
            world.stop_usec = (n + 1) * DAY;
            keep = as_it_is = true;
            break;
        case 't': world.trace = as_it_is = true; break;
        case 'h': usage(stdout); exit(0);
        default: return -1;
        }
    }
    n_plans = (unsigned)(argc - optind);
    return o.days && o.people && longest ? 0 : -1;
}

static void prepare_process(void)
{
    sigset_t set;
    environment_clean();
    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        setlocale(LC_CTYPE, "C.utf8");
    log_open("rosterd");
    umask(0077);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    /* The witness asks how much memory SQLite holds, which rosterd has it not count. */
    sqlite3_config(SQLITE_CONFIG_STMTJRNL_SPILL, SPACE_UNDO_IN_MEMORY);
    sqlite3_initialize();
}

/* A life that goes round in a circle, or waits for what never comes, is ended. */
static void limit_life(void)
{
    (void)setrlimit(RLIMIT_CPU, &(struct rlimit){longest, longest + 10});
    (void)setrlimit(RLIMIT_FSIZE, &(struct rlimit){LARGEST_FILE, LARGEST_FILE});
    (void)alarm(10 * longest);
}

/* "the life did not end" is what scripts/lives-faults looks for. */
static void say_ended_by(int status)
{
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
    if (WIFSIGNALED(status) && (number == SIGXCPU || number == SIGALRM))
        printf("the life did not end within %u s\n", number == SIGXCPU ? longest : 10 * longest);
    else
        printf("the life ended by %s %d\n", WIFSIGNALED(status) ? "signal" : "code", number);
}

/* Each in a process of its own: what libraries keep to themselves is the same at the start of
 * each, and a life that ends in a fault of memory, or never, is a finding like any other. */
static int live(const struct plan *p, bool silent, struct life_result *ret)
{
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    if (child < 0)
        return -1;
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)setpgid(0, 0); /* who ends the lives asks the parent: the daemon would hear it */
        limit_life();
        world.silent = silent;
        *shared_result = (struct life_result){0};
        int r = life_run(p, keep && !(silent && world.trace), shared_result);
        shared_result->world = world;
        fflush(stdout);
        if (r == 0 && __lsan_do_recoverable_leak_check())
            _exit(4);
        _exit(r < 0 ? 3 : 0);
    }
    if (waitpid(child, &status, 0) < 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 3))
        return -1;
    *ret = *shared_result;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        if (!silent)
            say_ended_by(status);
        snprintf(world.folder, sizeof(world.folder), "%s", ret->world.folder);
        if (silent && *world.folder)
            aftermath_remove();
        else
            printf("kept: %s\n", world.folder);
        ret->n_broken = 1;
        ret->world.first_broken = ENDED_BY_A_SIGNAL;
        ret->world.first_broken_usec = p->days * DAY;
    }
    return 0;
}

int life_of(const struct plan *p, uint64_t *ret_usec)
{
    struct life_result r = {0};
    if (live(p, true, &r) < 0 || !r.n_broken)
        return -1;
    *ret_usec = r.world.first_broken_usec;
    return (int)r.world.first_broken;
}

static void count(const struct plan *p, const struct life_result *r)
{
    n_lives++;
    n_days += p->days;
    for (unsigned i = 0; i < POINTS; i++)
        n_saw[i] += was_seen(r->world.points, (enum point)i);
    total.n_changes += r->world.n_changes;
    total.n_requests += r->world.n_requests;
    total.n_checks += r->world.n_checks;
    total.n_writes += r->world.n_writes;
    total.n_crashes += r->world.n_crashes;
    total.n_power_losses += r->world.n_power_losses;
}

/* What a person needs: the sentence, the log, the smallest plan that does it. */
static int report(struct plan *p, const char *name, const struct life_result *found)
{
    struct life_result again = {0};
    char path[200];
    const char *folder = getenv("TMPDIR");
    n_bad++;
    if (!as_it_is) {
        unsigned invariant = found->world.first_broken;
        size_t n = p->n;
        unsigned lives = shrink(p, (int)invariant, LIVES_TO_SHRINK);
        printf("%s: invariant %u; %zu lines of %zu are left after %u lives:\n", name, invariant,
               p->n, n, lives);
        snprintf(path, sizeof(path), "%s/lives-%llu-%u.plan", folder ? folder : "/tmp",
                 (unsigned long long)p->chance, invariant);
        if (plan_write(p, path) < 0)
            perror(path);
        else
            printf("again: scripts/lives --as-it-is %s\n", path);
    } else {
        printf("%s:\n", name);
    }
    int r = live(p, false, &again);
    if (r == 0 && !again.n_broken)
        printf("%s: invariant %u broke once, and not when it was lived again: %s\n", name,
               found->world.first_broken, found->world.first_sentence);
    return r;
}

/* One plan, once or twice. -1 if it could not be lived. */
static int play(struct plan *p, const char *name, bool is_kept)
{
    struct life_result first = {0}, second = {0};
    int r = live(p, true, &first);
    if (r == 0)
        count(p, &first);
    if (r == 0 && show_hashes)
        printf("%s  %s\n", first.hash, name);
    if (r == 0 && twice) {
        world.again = true;
        r = live(p, true, &second);
        world.again = false;
        if (r == 0)
            count(p, &second);
        if (strcmp(first.hash, second.hash) != 0) {
            printf("%s: two lives, two audits: %s and %s\n", name, first.hash, second.hash);
            n_bad++;
        }
    }
    if (r == 0 && is_kept && first.n_broken)
        printf("%s: is back: %s\n", name, p->why);
    if (r == 0 && first.n_broken)
        r = report(p, name, &first);
    else if (r == 0 && world.trace)
        r = live(p, false, &second);
    if (r < 0)
        perror("lives");
    return r;
}

/* Time is up, or somebody asks for the end: the summary comes all the same. */
static bool is_over(void)
{
    struct timespec now;
    sigset_t asked;
    clock_gettime(CLOCK_MONOTONIC, &now);
    sigpending(&asked);
    return sigismember(&asked, SIGTERM) || sigismember(&asked, SIGINT) ||
           (until_broken && n_bad) || (minutes && now.tv_sec - began.tv_sec >= 60 * (long)minutes);
}

/* The options' lives, one for each seed. */
static int play_seeds(void)
{
    uint64_t end = o.seed + n_seeds;
    for (; o.seed < end && !is_over(); o.seed++) {
        struct plan p;
        char name[160];
        plan_draw(&p, &o);
        snprintf(name, sizeof(name), "--first %llu --seeds 1 --days %u --people %u --crashes %u%s",
                 (unsigned long long)o.seed, o.days, o.people, o.crash_percent,
                 o.calm ? " --calm" : "");
        int r = draw_only ? plan_write(&p, "/dev/stdout") : play(&p, name, false);
        plan_done(&p);
        if (r < 0)
            return -1;
    }
    return 0;
}

static int play_file(const char *path, bool is_kept)
{
    struct plan p;
    int r = plan_read(&p, path);
    if (r < 0)
        perror(path);
    else
        r = play(&p, path, is_kept);
    plan_done(&p);
    return r;
}

/* What was found once is played for ever. */
static int play_kept(void)
{
    char pattern[400];
    glob_t found;
    const char *top = getenv("abs_top_srcdir");
    snprintf(pattern, sizeof(pattern), "%s/tests/data/lives/*.plan", top ? top : ".");
    int r = glob(pattern, 0, NULL, &found);
    if (r == GLOB_NOMATCH)
        return 0;
    for (size_t i = 0; r == 0 && i < found.gl_pathc; i++)
        r = play_file(found.gl_pathv[i], true);
    globfree(&found);
    return r ? -1 : 0;
}

/* What `make check` plays: kept plans, quiet lives, lives full of deaths, and some twice. Under
 * sanitizers everything takes some times longer. */
static int play_short(void)
{
    static const struct {
        struct draw_options o;
        unsigned n_seeds, n_sanitized;
        bool twice;
    } forms[] = {
        {{.seed = 1, .days = 10, .people = 30, .calm = true}, 1, 0, false},
        {{.seed = 100, .days = 3, .people = 15, .crash_percent = 80}, 25, 2, false},
        {{.seed = 300, .days = 5, .people = 20}, 10, 1, false},
        {{.seed = 200, .days = 2, .people = 10, .crash_percent = 80, .rests = true},
         2,
         1,
         true},
        {{.seed = 400, .days = 1, .people = 12, .crash_percent = 200}, 4, 1, false},
    };
    if (play_kept() < 0)
        return -1;
    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
        o = forms[i].o;
        n_seeds = IS_SANITIZED ? forms[i].n_sanitized : forms[i].n_seeds;
        twice = forms[i].twice;
        if (play_seeds() < 0)
            return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (parse(argc, argv) < 0) {
        usage(stderr);
        return 2;
    }
    prepare_process();
    struct timespec ended;
    clock_gettime(CLOCK_MONOTONIC, &began);
    shared_result = mmap(NULL, sizeof(*shared_result), PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared_result == MAP_FAILED) {
        perror("lives");
        return 1;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    int r = argc == 1 ? play_short() : n_plans ? 0 : play_seeds();
    for (unsigned i = 0; r == 0 && i < n_plans; i++)
        r = play_file(argv[optind + (int)i], false);
    if (r < 0)
        return 1;
    if (draw_only)
        return 0;
    clock_gettime(CLOCK_MONOTONIC, &ended);
    unsigned n_seen = points_print(n_saw, show_points);
    /* Too mild a world holds nothing back. */
    bool too_mild = argc == 1 && !IS_SANITIZED && n_seen < POINTS;
    printf(
        "lives: %u lives, %llu days, %u with something broken; %llu changes, %llu requests, %llu writes, "
        "%llu checks, %llu crashes (%llu of them power losses), %u of %u points seen; %.1f s\n",
        n_lives, n_days, n_bad, (unsigned long long)total.n_changes,
        (unsigned long long)total.n_requests, (unsigned long long)total.n_writes,
        (unsigned long long)total.n_checks, (unsigned long long)total.n_crashes,
        (unsigned long long)total.n_power_losses, n_seen, POINTS,
        (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) / 1e9);
    return n_bad || too_mild ? 1 : 0;
}
