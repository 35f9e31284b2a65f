/*
 * rosterctl's command line. Options may stand before and behind the verb; --config behind
 * `plan` is the configuration to try, everywhere else the one that says where socket and audit
 * are.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "ctl/verbs.h"

#define CONFIG_DIRECTORY SYSCONFDIR "/rosterd"

struct command_line {
    struct ctl ctl;
    enum colour_wish colour;
    const char *config, *instance;
    bool help, version, complete;
    char instance_path[512];
    char **words; /* verb and arguments */
    size_t n_words;
    const char *used[8]; /* long options; more are none that a verb could take at once */
    size_t n_used;
};

enum {
    OPTION_JSON = 1000,
    OPTION_NO_PAGER,
    OPTION_COMPLETE,
    OPTION_SOCKET,
    OPTION_COLOR,
    OPTION_SUMMARY,
    OPTION_ALL,
    OPTION_AFTER,
    OPTION_FOLLOW,
    OPTION_FORMAT,
    OPTION_WATCH,
    OPTION_CAUSE,
    OPTION_PERSON,
    OPTION_RULE,
    OPTION_SINCE,
    OPTION_UNTIL,
    OPTION_EVENT,
    OPTION_KIND,
    OPTION_CODE,
    OPTION_KEY,
    OPTION_CHECKPOINT,
    OPTION_ROLE,
    OPTION_TEAM,
    OPTION_SKILL,
    OPTION_AT,
    OPTION_PROOF,
    OPTION_HTML,
    OPTION_CSV,
    OPTION_NEW,
    OPTION_CASE,
    OPTION_COMMANDS,
    OPTION_REASON,
    OPTION_VERSION,
};
const struct option ctl_options[] = {
    {"json", no_argument, NULL, OPTION_JSON},
    {"no-pager", no_argument, NULL, OPTION_NO_PAGER},
    {"complete", no_argument, NULL, OPTION_COMPLETE}, /* for the shells */
    {"socket", required_argument, NULL, OPTION_SOCKET},
    {"color", optional_argument, NULL, OPTION_COLOR},
    {"config", required_argument, NULL, 'c'},
    {"instance", required_argument, NULL, 'i'},
    {"summary", no_argument, NULL, OPTION_SUMMARY},
    {"watch", no_argument, NULL, OPTION_WATCH},
    {"all", no_argument, NULL, OPTION_ALL},
    {"cause", required_argument, NULL, OPTION_CAUSE},
    {"person", required_argument, NULL, OPTION_PERSON},
    {"rule", required_argument, NULL, OPTION_RULE},
    {"since", required_argument, NULL, OPTION_SINCE},
    {"until", required_argument, NULL, OPTION_UNTIL},
    {"event", required_argument, NULL, OPTION_EVENT},
    {"kind", required_argument, NULL, OPTION_KIND},
    {"code", required_argument, NULL, OPTION_CODE},
    {"key", required_argument, NULL, OPTION_KEY},
    {"checkpoint", required_argument, NULL, OPTION_CHECKPOINT},
    {"role", required_argument, NULL, OPTION_ROLE},
    {"team", required_argument, NULL, OPTION_TEAM},
    {"skill", required_argument, NULL, OPTION_SKILL},
    {"at", required_argument, NULL, OPTION_AT},
    {"proof", required_argument, NULL, OPTION_PROOF},
    {"html", required_argument, NULL, OPTION_HTML},
    {"csv", required_argument, NULL, OPTION_CSV},
    {"format", required_argument, NULL, OPTION_FORMAT},
    {"after", required_argument, NULL, OPTION_AFTER},
    {"follow", no_argument, NULL, OPTION_FOLLOW},
    {"new", no_argument, NULL, OPTION_NEW},
    {"case", no_argument, NULL, OPTION_CASE},
    {"commands", no_argument, NULL, OPTION_COMMANDS},
    {"reason", required_argument, NULL, OPTION_REASON},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

static int set_colour(struct command_line *l, const char *when)
{
    if (!when || strcmp(when, "always") == 0)
        l->colour = COLOUR_ALWAYS;
    else if (strcmp(when, "never") == 0)
        l->colour = COLOUR_NEVER;
    else if (strcmp(when, "auto") == 0)
        l->colour = COLOUR_AUTO;
    else
        return ctl_misuse(&l->ctl, "--color takes always, never or auto, not '%s'", when);
    return EXIT_FINE;
}

static int take_option(struct command_line *l, int option)
{
    bool plan = l->n_words > 0 && strcmp(l->words[0], "plan") == 0;

    switch (option) {
    case OPTION_JSON: l->ctl.json = true; return EXIT_FINE;
    case OPTION_NO_PAGER: l->ctl.no_pager = true; return EXIT_FINE;
    case OPTION_COMPLETE: l->complete = true; return EXIT_FINE;
    case OPTION_SOCKET: l->ctl.socket = optarg; return EXIT_FINE;
    case OPTION_COLOR: return set_colour(l, optarg);
    case OPTION_SUMMARY: l->ctl.summary = true; return EXIT_FINE;
    case OPTION_ALL: l->ctl.all = true; return EXIT_FINE;
    case OPTION_WATCH: l->ctl.watch = true; return EXIT_FINE;
    case OPTION_CAUSE: l->ctl.cause = optarg; return EXIT_FINE;
    case OPTION_PERSON: l->ctl.person = optarg; return EXIT_FINE;
    case OPTION_RULE: l->ctl.rule = optarg; return EXIT_FINE;
    case OPTION_SINCE: l->ctl.since = optarg; return EXIT_FINE;
    case OPTION_UNTIL: l->ctl.until = optarg; return EXIT_FINE;
    case OPTION_EVENT: l->ctl.event = optarg; return EXIT_FINE;
    case OPTION_KIND: l->ctl.kind = optarg; return EXIT_FINE;
    case OPTION_CODE: l->ctl.code = optarg; return EXIT_FINE;
    case OPTION_KEY: l->ctl.key = optarg; return EXIT_FINE;
    case OPTION_REASON: l->ctl.reason = optarg; return EXIT_FINE;
    case OPTION_ROLE: l->ctl.role = optarg; return EXIT_FINE;
    case OPTION_TEAM: l->ctl.team = optarg; return EXIT_FINE;
    case OPTION_SKILL: l->ctl.skill = optarg; return EXIT_FINE;
    case OPTION_AT: l->ctl.at = optarg; return EXIT_FINE;
    case OPTION_PROOF: l->ctl.proof = optarg; return EXIT_FINE;
    case OPTION_HTML: l->ctl.html = optarg; return EXIT_FINE;
    case OPTION_CSV: l->ctl.csv = optarg; return EXIT_FINE;
    case OPTION_FORMAT: l->ctl.format = optarg; return EXIT_FINE;
    case OPTION_AFTER: l->ctl.after = optarg; return EXIT_FINE;
    case OPTION_FOLLOW: l->ctl.follow = true; return EXIT_FINE;
    case OPTION_NEW: l->ctl.new = true; return EXIT_FINE;
    case OPTION_COMMANDS: l->ctl.commands = true; return EXIT_FINE;
    case OPTION_CASE: l->ctl.as_case = true; return EXIT_FINE;
    case OPTION_CHECKPOINT: l->ctl.checkpoint = optarg; return EXIT_FINE;
    case OPTION_VERSION: l->version = true; return EXIT_FINE;
    case 'h': l->help = true; return EXIT_FINE;
    case 'i': l->instance = optarg; return EXIT_FINE;
    case 'c':
        if (plan)
            l->ctl.candidate = optarg;
        else
            l->config = optarg;
        return EXIT_FINE;
    default:
        (void)fprintf(stderr, "Try 'rosterctl --help'.\n"); /* getopt has said why */
        return EXIT_MISUSE;
    }
}

/* "+": getopt stops at a word, so that it is known what stood before it. */
static int read_words(struct command_line *l, int argc, char **argv)
{
    optind = 0; /* GNU: begin anew, for tests */
    while (true) {
        int place = -1;
        int option = getopt_long(argc, argv, "+c:i:h", ctl_options, &place);
        if (place >= 0 && l->n_used < ARRAY_SIZE(l->used))
            l->used[l->n_used++] = ctl_options[place].name;
        if (option >= 0) {
            int r = take_option(l, option);
            if (r != EXIT_FINE)
                return r;
            if (!l->complete)
                continue;
        }
        bool rest = l->complete || (optind > 0 && strcmp(argv[optind - 1], "--") == 0);
        while (optind < argc) {
            l->words[l->n_words++] = argv[optind++];
            if (!rest)
                break;
        }
        if (optind >= argc)
            return EXIT_FINE;
    }
}

static int find_config(struct command_line *l)
{
    if (l->config && l->instance)
        return ctl_misuse(&l->ctl, "--config and --instance exclude each other");
    if (l->instance && (strchr(l->instance, '/') || *l->instance == '.'))
        return ctl_misuse(&l->ctl, "'%s' is not the name of an instance", l->instance);
    (void)snprintf(l->instance_path, sizeof(l->instance_path), "%s/%s.conf", CONFIG_DIRECTORY,
                   l->instance ? l->instance : "rosterd");
    l->ctl.config_file = l->config ? l->config : l->instance_path;
    /* Without it the socket of another rosterd, the default one, would be asked. */
    if ((l->config || l->instance) && access(l->ctl.config_file, F_OK) < 0 && errno == ENOENT)
        return ctl_complain(&l->ctl, EXIT_FAILED, "invalid-parameter", "%s: %s", l->ctl.config_file,
                            strerror(errno));
    return EXIT_FINE;
}

/* Each way to call the verb, on a line of its own. */
static void print_forms(struct output *o, const char *first, const char *others,
                        const struct ctl_verb *v)
{
    const char *form = v->arguments, *lead = first;

    do {
        size_t size = strcspn(form, "\n");
        output_format(o, "%s%s%s%.*s\n", lead, v->name, size > 0 ? " " : "", (int)size, form);
        lead = others;
        form += size;
    } while (*form++ == '\n');
}

static void print_help(struct output *o)
{
    output_format(o, "Usage: rosterctl [OPTION...] VERB [ARGUMENT...]\n"
                     "Asks and directs rosterd(8).\n\n");
    for (size_t i = 0; i < ctl_n_verbs; i++) {
        print_forms(o, "  ", "  ", &ctl_verbs[i]);
        output_sentence(o, 8, ctl_verbs[i].help);
    }
    output_format(
        o,
        "\nOptions:\n"
        "      --json            print the answer as JSON\n"
        "      --no-pager        never through a pager\n"
        "      --color[=WHEN]    always, never or auto\n"
        "  -i, --instance NAME   the service rosterd@NAME\n"
        "  -c, --config FILE     the configuration that names socket and audit file\n"
        "                        [%s/rosterd.conf]\n"
        "      --socket PATH     the socket itself\n"
        "      --reason TEXT     why, for the audit; of approve, pause, resume, retry,\n"
        "                        sync and reload\n"
        "  -h, --help            this text\n"
        "      --version         the version\n\n"
        "Exit status: 0 fine, 1 failure, 2 changes or problems found, or a mistake in the\n"
        "command line, 3 rosterd cannot be reached.\n",
        CONFIG_DIRECTORY);
}

/* Of one verb; the words before an option of the table are its arguments. */
static void print_verb_help(struct output *o, const struct ctl_verb *v)
{
    print_forms(o, "Usage: rosterctl ", "       rosterctl ", v);
    output_format(o, "\n");
    output_sentence(o, 0, v->help);
    if (v->exits)
        output_format(o, "\nExit status 2: %s.\n", v->exits);
    output_format(o,
                  "\nrosterctl --help lists the options of all verbs; rosterctl(8) says more.\n");
}

/* "--name" among the arguments of a verb. */
static bool names_option(const char *arguments, const char *name)
{
    char option[40];
    size_t size = (size_t)snprintf(option, sizeof(option), "--%s", name);

    for (const char *at = arguments; (at = strstr(at, option)); at += size)
        if (strchr(" ]|\n", at[size]))
            return true;
    return false;
}

/* An option that some verbs name is theirs; one that none of them names is everybody's, and so
 * are these two. */
static bool takes_option(const struct ctl_verb *v, const char *name)
{
    bool theirs = false;

    if (strcmp(name, "config") == 0 || strcmp(name, "reason") == 0 ||
        names_option(v->arguments, name))
        return true;
    for (size_t i = 0; i < ctl_n_verbs; i++)
        theirs = theirs || names_option(ctl_verbs[i].arguments, name);
    return !theirs;
}

static int check_words(struct command_line *l, const struct ctl_verb *v)
{
    struct ctl *c = &l->ctl;

    for (size_t i = 0; i < l->n_used; i++)
        if (!takes_option(v, l->used[i]))
            return ctl_misuse(c, "%s takes no --%s", v->name, l->used[i]);
    if (c->n_arguments > v->max_arguments)
        return ctl_misuse(c, "unexpected argument '%s'", c->arguments[v->max_arguments]);
    if (c->n_arguments < v->min_arguments)
        return ctl_misuse(c, "an argument is missing: rosterctl %s %.*s", v->name,
                          (int)strcspn(v->arguments, "\n"), v->arguments);
    return EXIT_FINE;
}

static int run_verb(struct command_line *l)
{
    struct ctl *c = &l->ctl;

    if (l->n_words == 0)
        return ctl_misuse(c, "a verb is missing");
    const struct ctl_verb *v = ctl_verb_find(l->words[0]);
    if (!v) {
        const char *near = ctl_verb_nearest(l->words[0]);
        return ctl_misuse(c, "there is no verb '%s'%s%s%s", l->words[0],
                          near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    c->verb = v->name;
    c->arguments = l->words + 1;
    c->n_arguments = l->n_words - 1;
    int r = check_words(l, v);
    return r != EXIT_FINE ? r : v->run(c);
}

int ctl_main(int argc, char **argv)
{
    struct command_line l = {0};
    CLEANUP(freep) char *words = calloc((size_t)argc + 1, sizeof(char *));

    if (!words)
        return EXIT_FAILED;
    l.words = (char **)(void *)words;
    int result = read_words(&l, argc, argv);
    struct buffer said = l.ctl.output.text; /* a complaint about the command line */
    output_init(&l.ctl.output, l.colour);
    l.ctl.output.text = said;
    l.ctl.output.verbatim = l.ctl.json;
    if (result == EXIT_FINE)
        result = find_config(&l);
    if (result == EXIT_FINE) {
        const struct ctl_verb *v = l.n_words > 0 ? ctl_verb_find(l.words[0]) : NULL;
        if (l.complete)
            ctl_complete(&l.ctl, l.words, l.n_words);
        else if (l.help && v)
            print_verb_help(&l.ctl.output, v);
        else if (l.help)
            print_help(&l.ctl.output);
        else if (l.version)
            output_format(&l.ctl.output, "rosterctl %s\n", PACKAGE_VERSION);
        else
            result = run_verb(&l);
    }
    output_wrap(&l.ctl.output);
    const struct buffer *text = &l.ctl.output.text;
    if (text->size > 0)
        ctl_page(&l.ctl);
    if (text->failed ||
        (text->size > 0 && fwrite(text->data, 1, text->size, stdout) < text->size) ||
        fflush(stdout) != 0) {
        if (errno != EPIPE) /* a pager that was left is no failure */
            (void)fprintf(stderr, "rosterctl: the output cannot be written\n");
        result = EXIT_FAILED;
    }
    pager_close(&l.ctl.pager);
    output_done(&l.ctl.output);
    return result;
}
