/* lives: plays companies' lives, one for each seed, and says what broke. */
#include "config.h"

#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/environment.h"
#include "base/log.h"
#include "life.h"
#include "world.h"

static struct life_options o = {.seed = 1, .days = 30, .people = 40, .crash_percent = 0};
static unsigned n_seeds = 20;
static bool twice;
static unsigned minutes; /* 0: no limit */
static struct timespec began;
static struct life_result *shared_result;
static struct world total;
static unsigned long long n_days;

static void usage(FILE *f)
{
    fputs(
        "Usage: lives [--seeds N] [--first SEED] [--days D] [--people P] [--crashes PERCENT] [--twice] [--keep]\n"
        "             [--minutes M] [--trace] [--plant sync|push|refresh|create]\n"
        "Without an option: the short form of `make check`. Plays the lives of N companies of up to P people, each for D days, from the seeds SEED and following.\n"
        "--crashes: how probable a death of the daemon is, several times a day; above 100 it dies\n"
          "after nearly each start, every few writes. --twice: each seed is lived\n"
        "twice, and the audits are compared. --minutes: no life begins later. --plant: with a fault made on purpose, which must be found. Ends with 1 if an invariant broke (docs/reliability.md).\n",
        f);
}

static enum plant plant_of(const char *name)
{
    static const char *const names[] = {[PLANT_SYNC] = "sync",
                                        [PLANT_PUSH] = "push",
                                        [PLANT_REFRESH] = "refresh",
                                        [PLANT_CREATE] = "create"};
    for (unsigned i = 1; i < sizeof(names) / sizeof(*names); i++)
        if (strcmp(name, names[i]) == 0)
            return (enum plant)i;
    return PLANT_NOTHING;
}

static int parse(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"seeds", required_argument, NULL, 's'},   {"first", required_argument, NULL, 'f'},
        {"days", required_argument, NULL, 'd'},    {"people", required_argument, NULL, 'p'},
        {"crashes", required_argument, NULL, 'c'}, {"twice", no_argument, NULL, '2'},
        {"keep", no_argument, NULL, 'k'},          {"trace", no_argument, NULL, 't'},
        {"minutes", required_argument, NULL, 'm'}, {"plant", required_argument, NULL, 'x'},
        {"help", no_argument, NULL, 'h'},          {0},
    };
    for (int c; (c = getopt_long(argc, argv, "h", long_options, NULL)) != -1;) {
        unsigned long n = optarg ? strtoul(optarg, NULL, 10) : 0;
        switch (c) {
        case 's': n_seeds = (unsigned)n; break;
        case 'f': o.seed = n; break;
        case 'd': o.days = (unsigned)n; break;
        case 'p': o.people = (unsigned)n; break;
        case 'c': o.crash_percent = (unsigned)n; break;
        case '2': twice = true; break;
        case 'k': o.keep = true; break;
        case 'm': minutes = (unsigned)n; break;
        case 'x': world.plant = plant_of(optarg); break;
        case 't': world.trace = true; break;
        case 'h': usage(stdout); exit(0);
        default: return -1;
        }
    }
    return o.days && o.people && optind == argc ? 0 : -1;
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
}

/* Each in a process of its own: what libraries keep to themselves is the same at the start of
 * each, and a life that ends in a fault of memory is a finding like any other. */
static int live(struct life_result *ret)
{
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    if (child < 0)
        return -1;
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        *shared_result = (struct life_result){0};
        int r = life_run(&o, shared_result);
        shared_result->world = world;
        fflush(stdout);
        _exit(r < 0 ? 3 : 0);
    }
    if (waitpid(child, &status, 0) < 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 3))
        return -1;
    *ret = *shared_result;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        printf("seed %llu: the life ended by %s %d\n", (unsigned long long)o.seed,
               WIFSIGNALED(status) ? "signal" : "code",
               WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        ret->n_broken = 1;
    }
    n_days += o.days;
    total.n_changes += ret->world.n_changes;
    total.n_requests += ret->world.n_requests;
    total.n_checks += ret->world.n_checks;
    total.n_writes += ret->world.n_writes;
    total.n_crashes += ret->world.n_crashes;
    total.n_power_losses += ret->world.n_power_losses;
    return 0;
}

/* Time is up, or somebody asks for the end: the summary comes all the same. */
static bool is_over(void)
{
    struct timespec now;
    sigset_t asked;
    clock_gettime(CLOCK_MONOTONIC, &now);
    sigpending(&asked);
    return sigismember(&asked, SIGTERM) || sigismember(&asked, SIGINT) ||
           (minutes && now.tv_sec - began.tv_sec >= 60 * (long)minutes);
}

/* The options' lives, one for each seed. Adds to the counts; -1 if they could not be lived. */
static int live_all(unsigned *n_lives, unsigned *n_bad)
{
    uint64_t end = o.seed + n_seeds;
    for (; o.seed < end && !is_over(); o.seed++) {
        struct life_result first = {0}, second = {0};
        int r = live(&first);
        if (r == 0 && twice)
            r = live(&second);
        if (r < 0) {
            perror("lives");
            return -1;
        }
        *n_lives += twice ? 2 : 1;
        if (twice && strcmp(first.hash, second.hash) != 0) {
            printf("seed %llu: two lives, two audits: %s and %s\n", (unsigned long long)o.seed,
                   first.hash, second.hash);
            first.n_broken++;
        }
        if (!first.n_broken)
            continue;
        ++*n_bad;
        printf(
            "again: scripts/lives --first %llu --seeds 1 --days %u --people %u --crashes %u\n",
            (unsigned long long)o.seed, o.days, o.people, o.crash_percent);
    }
    return 0;
}

/* What `make check` plays: quiet lives, lives full of deaths, and some twice. */
static int live_short(unsigned *n_lives, unsigned *n_bad)
{
    static const struct {
        struct life_options o;
        unsigned n_seeds;
        bool twice;
    } forms[] = {
        /* A power loss while the state file was made: zeros, and no start ever after. */
        {{.seed = 10051, .days = 1, .people = 25, .crash_percent = 60}, 1, false},
        {{.seed = 1, .days = 10, .people = 30}, 2, false},
        {{.seed = 100, .days = 3, .people = 15, .crash_percent = 80}, 14, false},
        {{.seed = 200, .days = 2, .people = 10, .crash_percent = 80}, 2, true},
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
        o = forms[i].o;
        n_seeds = forms[i].n_seeds;
        twice = forms[i].twice;
        if (live_all(n_lives, n_bad) < 0)
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
    unsigned n_bad = 0, n_lives = 0;
    struct timespec ended;
    clock_gettime(CLOCK_MONOTONIC, &began);
    shared_result = mmap(NULL, sizeof(*shared_result), PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared_result == MAP_FAILED) {
        perror("lives");
        return 1;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    if ((argc > 1 ? live_all(&n_lives, &n_bad) : live_short(&n_lives, &n_bad)) < 0)
        return 1;
    clock_gettime(CLOCK_MONOTONIC, &ended);
    printf(
        "lives: %u lives, %llu days, %u lives with something broken; %llu changes, %llu requests, %llu writes, "
        "%llu checks, %llu crashes (%llu of them power losses); %.1f s\n",
        n_lives, n_days, n_bad, (unsigned long long)total.n_changes,
        (unsigned long long)total.n_requests, (unsigned long long)total.n_writes,
        (unsigned long long)total.n_checks, (unsigned long long)total.n_crashes,
        (unsigned long long)total.n_power_losses,
        (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) / 1e9);
    return n_bad ? 1 : 0;
}
