/*
 * rosterd: the command line and nothing else. What runs is in manager.c.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/environment.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "daemon/daemon.h"
#include "daemon/parts.h"

#define EXIT_CONFIGURATION 2
#define EXIT_LOCKED        75 /* EX_TEMPFAIL: another instance holds the state file */

enum mode { MODE_RUN, MODE_CHECK, MODE_CHECK_CONNECTIONS };

struct arguments {
    const char *config_file;
    const char *log_level;
    enum mode mode;
    bool once, dry_run;
};

static void usage(FILE *f)
{
    fputs(
        "Usage: rosterd [OPTION]...\n"
        "Keep a contact center's users in step with an LDAP directory.\n"
        "\n"
        "  -c, --config FILE        configuration (" SYSCONFDIR "/rosterd/rosterd.conf)\n"
        "      --check              check the configuration and do nothing else\n"
        "      --check-connections  connect to directory and tenant, report as JSON\n"
        "      --once               one pass, then end\n"
        "      --dry-run            read, show the plan, write nothing to the tenant\n"
        "      --log-level LEVEL    err, warning, notice, info or debug\n"
        "  -h, --help               this text\n"
        "  -V, --version            version\n"
        "\n"
        "Exit: 0 done; 1 failed; 2 the configuration has errors (with --dry-run: changes are due);\n"
        "75 another instance runs. See rosterd(8), rosterd.conf(5).\n",
        f);
}

/* 0, 1 to end well, -EINVAL. */
static int parse_arguments(int argc, char **argv, struct arguments *ret)
{
    enum { OPTION_CHECK = 256, OPTION_CONNECTIONS, OPTION_ONCE, OPTION_DRY_RUN, OPTION_LOG_LEVEL };
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"check", no_argument, NULL, OPTION_CHECK},
        {"check-connections", no_argument, NULL, OPTION_CONNECTIONS},
        {"once", no_argument, NULL, OPTION_ONCE},
        {"dry-run", no_argument, NULL, OPTION_DRY_RUN},
        {"log-level", required_argument, NULL, OPTION_LOG_LEVEL},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {0},
    };
    int c;
    while ((c = getopt_long(argc, argv, "c:hV", options, NULL)) != -1) {
        switch (c) {
        case 'c': ret->config_file = optarg; break;
        case OPTION_CHECK: ret->mode = MODE_CHECK; break;
        case OPTION_CONNECTIONS: ret->mode = MODE_CHECK_CONNECTIONS; break;
        case OPTION_ONCE: ret->once = true; break;
        case OPTION_DRY_RUN: ret->dry_run = ret->once = true; break;
        case OPTION_LOG_LEVEL: ret->log_level = optarg; break;
        case 'h': usage(stdout); return 1;
        case 'V': puts("rosterd " PACKAGE_VERSION); return 1;
        default: return -EINVAL;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "rosterd: unexpected argument '%s'\n", argv[optind]);
        return -EINVAL;
    }
    if (ret->log_level && log_level_from_text(ret->log_level) < 0) {
        fprintf(stderr,
                "rosterd: --log-level takes err, warning, notice, info or debug, not '%s'\n",
                ret->log_level);
        return -EINVAL;
    }
    return 0;
}

/* Secrets are in this process: no core dump, no reading along by others of the same user. */
static void protect_process(void)
{
    struct rlimit limit = {0, 0};
    umask(0077);
    /* The unit forbids this call and sets the limit itself. */
    bool limited = setrlimit(RLIMIT_CORE, &limit) == 0 ||
                   (getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur == 0);
    bool not_dumpable = prctl(PR_SET_DUMPABLE, 0) == 0;
    if (!limited && !not_dumpable)
        log_warning("Core dumps cannot be switched off: %s", strerror(errno));
}

/* Blocked before any thread starts; the loop reads them. SIGPIPE and SIGXFSZ (the
 * file size limit) are errors of write() instead. */
static void block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL);
}

/* looks: at what a start would open, too. */
static int load_settings(const char *file, bool looks, struct settings **ret)
{
    struct problem_list problems = {0};
    struct error e = {0};
    int r = settings_load(ret, file, &problems, &e);
    if (r == 0 && looks)
        r = parts_look(*ret, file, &problems, &e);
    if (r == 0 && problems.n_errors)
        r = -EINVAL;
    CLEANUP(freep) char *text = problem_list_to_text(&problems);
    if (text && *text)
        fputs(text, stderr);
    if (r < 0 && !problems.n_errors)
        fprintf(stderr, "rosterd: %s\n", e.message);
    else if (r < 0)
        fprintf(stderr, "rosterd: %zu error%s in the configuration%s\n", problems.n_errors,
                problems.n_errors == 1 ? "" : "s", *ret ? ", or in what it names" : "");
    problem_list_done(&problems);
    return r;
}

static int run(const struct arguments *a, struct settings *settings)
{
    struct daemon d = {
        .config_file = (char *)a->config_file,
        .settings = settings,
        .once = a->once,
        .dry_run = a->dry_run,
    };
    struct error e = {0};
    log_set_level(a->log_level ? log_level_from_text(a->log_level) : settings->log_level);
    int r = daemon_open(&d, &e);
    if (r == 0)
        r = daemon_run(&d, &e);
    daemon_close(&d);
    if (r == -EWOULDBLOCK) {
        log_error("%s", e.message);
        return EXIT_LOCKED;
    }
    if (r < 0) {
        log_error("%s", e.message);
        return EXIT_FAILURE;
    }
    return d.exit_code;
}

int main(int argc, char **argv)
{
    struct arguments a = {.config_file = SYSCONFDIR "/rosterd/rosterd.conf"};
    int r = parse_arguments(argc, argv, &a);
    if (r != 0) {
        if (r < 0)
            fputs("Try 'rosterd --help'.\n", stderr);
        return r < 0 ? EXIT_CONFIGURATION : EXIT_SUCCESS;
    }
    environment_clean();
    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        setlocale(LC_CTYPE, "C.utf8");
    log_open("rosterd");
    protect_process();
    block_signals();
    if (a.mode == MODE_CHECK_CONNECTIONS)
        return daemon_check_connections(a.config_file);
    struct settings *settings = NULL;
    if (load_settings(a.config_file, a.mode == MODE_CHECK, &settings) < 0) {
        settings_free(settings);
        return EXIT_CONFIGURATION;
    }
    if (a.mode == MODE_CHECK) {
        settings_free(settings);
        puts("No errors were found. \"rosterctl check\" tries the directory and the tenant, too.");
        return EXIT_SUCCESS;
    }
    return run(&a, settings);
}
