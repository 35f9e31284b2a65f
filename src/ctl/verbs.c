/*
 * The verbs that ask the daemon. Each sends one request and shows one answer; what the daemon
 * does is said in docs/control-protocol.md.
 */
#include "config.h"

#include "ctl/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "config/settings.h"
#include "ctl/plan-filter.h"

static int ask_and_show(struct ctl *c, const char *method, json_t *parameters_taken,
                        int (*render)(struct output *o, const json_t *answer))
{
    json_auto_t *answer = NULL;
    int r = ctl_ask(c, method, parameters_taken, &answer);

    return r != EXIT_FINE ? r : ctl_show(c, answer, render);
}

#define WATCH_SECONDS 2

/* Anew every two seconds, until it is interrupted, the output is closed or nobody answers. */
static int watch_status(struct ctl *c)
{
    bool terminal = isatty(STDOUT_FILENO) == 1;
    for (;;) {
        struct timespec wait = {.tv_sec = WATCH_SECONDS};
        c->output.now_usec = clock_now_usec();
        if (terminal)
            buffer_add_text(&c->output.text, "\033[H\033[2J");
        int r = ask_and_show(c, "status", json_object(), render_status);
        buffer_add_text(&c->output.text, terminal || c->json ? "" : "\n");
        if (r != EXIT_FINE && r != EXIT_FOUND)
            return r;
        if (c->output.text.failed ||
            fwrite(c->output.text.data, 1, c->output.text.size, stdout) < c->output.text.size ||
            fflush(stdout) != 0)
            return EXIT_FAILED;
        buffer_clear(&c->output.text);
        (void)nanosleep(&wait, NULL);
    }
}

static int run_status(struct ctl *c)
{
    return c->watch ? watch_status(c) : ask_and_show(c, "status", json_object(), render_status);
}

static int render_whole_plan(struct output *o, const json_t *answer)
{
    return render_plan(o, answer, RENDER_PLAN_WHOLE);
}

static int render_short_plan(struct output *o, const json_t *answer)
{
    return render_plan(o, answer, RENDER_PLAN_SHORT);
}

static int render_chosen(struct output *o, const json_t *answer)
{
    return render_plan(o, answer, RENDER_PLAN_CHOSEN);
}

static int render_plan_summary(struct output *o, const json_t *answer)
{
    return render_plan(o, answer, RENDER_PLAN_SUMMARY);
}

/* The candidate's text goes to the daemon, which need not be able to read the file. */
static int candidate_parameters(struct ctl *c, json_t **ret)
{
    CLEANUP(settings_texts_done) struct settings_texts texts = {0};
    CLEANUP(problem_list_done) struct problem_list problems = {0};
    json_auto_t *files = json_array();
    struct error e = {""};

    if (settings_texts_read(&texts, c->candidate, &problems, &e) < 0)
        return ctl_complain(c, EXIT_FAILED, "failed", "%s", e.message);
    for (size_t i = 0; i < texts.n_items; i++) {
        const struct settings_text *t = &texts.items[i];
        json_t *file = json_pack("{s:s, s:s%}", "name", t->name, "content", t->content, t->size);
        if (!file || json_array_append_new(files, file) < 0)
            return ctl_complain(c, EXIT_FAILED, "failed", "%s is not UTF-8 text", t->name);
    }
    *ret = json_pack("{s:O}", "config", files);
    return EXIT_FINE;
}

static int show_plan(struct ctl *c, const struct plan_filter *f, json_t *answer)
{
    const char *unknown = plan_filter_unknown_letter(f, answer);
    if (unknown)
        return ctl_complain(
            c, EXIT_FAILED, "invalid-parameter",
            "the plan has no group '%s' that waits; rosterctl plan shows the letters", unknown);
    if (plan_filter_is_empty(f))
        return ctl_show(c, answer,
                        c->summary ? render_plan_summary
                        : c->all   ? render_whole_plan
                                   : render_short_plan);
    if (plan_filter_apply(f, answer) < 0)
        return ctl_complain(c, EXIT_FAILED, "failed", "out of memory");
    return ctl_show(c, answer, render_chosen);
}

static int run_plan(struct ctl *c)
{
    struct plan_filter f = {c->arguments, c->n_arguments, c->kind, c->rule, c->person};
    json_auto_t *parameters = NULL, *answer = NULL;
    int r = EXIT_FINE;

    if (c->candidate)
        r = candidate_parameters(c, &parameters);
    else
        parameters = json_object();
    if (r == EXIT_FINE)
        r = ctl_ask(c, "plan", TAKE(parameters), &answer);
    return r != EXIT_FINE ? r : show_plan(c, &f, answer);
}

static int run_approve(struct ctl *c)
{
    json_auto_t *groups = c->n_arguments > 1 ? json_array() : NULL;
    for (size_t i = 1; i < c->n_arguments; i++)
        (void)json_array_append_new(groups, json_string(c->arguments[i]));
    return ask_and_show(c, "approve",
                        json_pack("{s:s, s:O*}", "hash", c->arguments[0], "groups", groups),
                        render_approve);
}

/* The text of the file, and nothing around it. */
static int render_cases(struct output *o, const json_t *answer)
{
    size_t i;
    json_t *p;

    json_array_foreach (json_object_get(answer, "people"), i, p) {
        const char *text = member_text(p, "case");
        o->verbatim = true;
        if (text) /* its lines are printable: what is not stands in base64 */
            buffer_add_text(&o->text, text);
    }
    return EXIT_FINE;
}

static int run_explain(struct ctl *c)
{
    return ask_and_show(c, "explain",
                        json_pack("{s:s, s:o*}", "person", c->arguments[0], "case",
                                  c->as_case ? json_true() : NULL),
                        c->as_case ? render_cases
                        : c->all   ? render_explain_whole
                                   : render_explain);
}

static int run_history(struct ctl *c)
{
    return ask_and_show(c, "history", json_pack("{s:s}", "person", c->arguments[0]),
                        render_history);
}

static int run_holds(struct ctl *c)
{
    return ask_and_show(c, "holds", json_object(), render_holds);
}

static int render_released(struct output *o, const json_t *answer)
{
    long long n = member_number(answer, "released");

    output_format(o, "%lld operation%s will be tried again now.\n", n, n == 1 ? "" : "s");
    return EXIT_FINE;
}

static int run_retry(struct ctl *c)
{
    const char *person = c->n_arguments > 0 ? c->arguments[0] : NULL;

    if ((person != NULL) + (c->cause != NULL) + c->all != 1)
        return ctl_misuse(c, "retry takes one of PERSON, --cause CAUSE, --all");
    return ask_and_show(c, "retry", json_pack("{s:s*, s:s*}", "person", person, "cause", c->cause),
                        render_released);
}

static int render_sync(struct output *o, const json_t *answer)
{
    size_t i;
    json_t *step;

    json_array_foreach (json_object_get(answer, "steps"), i, step) {
        output_format(o, "%6lld ms  %-10s  ", member_number(step, "ms"),
                      member_text(step, "step") ? member_text(step, "step") : "");
        output_text(o, member_text(step, "sentence"));
        output_format(o, "\n");
    }
    if (i == 0)
        output_format(o, member_true(answer, "started") ? "Started.\n" : "Not started.\n");
    return EXIT_FINE;
}

static int run_sync(struct ctl *c)
{
    const char *person = c->n_arguments > 0 ? c->arguments[0] : NULL;

    return ask_and_show(c, "sync", json_pack("{s:s*}", "person", person), render_sync);
}

static int render_paused(struct output *o, const json_t *answer)
{
    output_format(o, member_true(answer, "paused")
                         ? "Paused: nothing is written to the tenant until rosterctl resume.\n"
                         : "Not paused: changes are written to the tenant.\n");
    return EXIT_FINE;
}

static int render_started(struct output *o, const json_t *answer)
{
    output_format(o,
                  member_true(answer, "was_observing")
                      ? "Started: what is planned is written to the tenant from now on.\n"
                      : "rosterd was not observing: changes are already written to the tenant.\n");
    return EXIT_FINE;
}

static int run_start(struct ctl *c)
{
    return ask_and_show(c, "start", json_object(), render_started);
}

static int run_pause(struct ctl *c)
{
    return ask_and_show(c, "pause", json_object(), render_paused);
}

static int run_resume(struct ctl *c)
{
    return ask_and_show(c, "resume", json_object(), render_paused);
}

static int render_reloaded(struct output *o, const json_t *answer)
{
    output_format(o, "The configuration is in force: %.12s\n",
                  member_text(answer, "fingerprint") ? member_text(answer, "fingerprint") : "");
    return EXIT_FINE;
}

static int run_reload(struct ctl *c)
{
    return ask_and_show(c, "reload", json_object(), render_reloaded);
}

static int run_config(struct ctl *c)
{
    if (strcmp(c->arguments[0], "show") != 0)
        return ctl_misuse(c, "config takes: show");
    return ask_and_show(c, "config", json_object(), render_config);
}

/* clang-format off */
const struct ctl_verb ctl_verbs[] = {
    { "status", "[--watch]", 0, 0, run_status, "how the daemon, the directory and the tenant are", "the health is not ok" },
    { "plan", "[--config FILE] [--summary | --all | LETTER... [--kind KIND] [--rule RULE] [--person PERSON]]", 0, 700, run_plan, "what is to be done and what waits, in groups, or the people of some; with --config what another configuration would do", "there are operations" },
    { "approve", "HASH [LETTER...]", 1, 700, run_approve, "release what waits in the plan with this hash, or the groups with these letters alone", NULL },
    { "explain", "PERSON [--all | --case]", 1, 1, run_explain, "why a person is a user with these values, or why not; --case writes it as a case for rosterctl test, the personal values replaced", NULL },
    { "history", "PERSON", 1, 1, run_history, "what was done to a person", NULL },
    { "holds", "", 0, 0, run_holds, "what cannot go on, by cause", "something is held" },
    { "retry", "PERSON | --cause CAUSE | --all", 0, 1, run_retry, "try what is held again now", NULL },
    { "sync", "[PERSON]", 0, 1, run_sync, "read the directory again and compare all, or one person", NULL },
    { "start", "", 0, 0, run_start, "end observing ([sync] mode = observe): write to the tenant from now on", NULL },
    { "pause", "", 0, 0, run_pause, "write nothing to the tenant until resume", NULL },
    { "resume", "", 0, 0, run_resume, "write to the tenant again", NULL },
    { "reload", "", 0, 0, run_reload, "load the configuration again; a broken one is refused and the old stays in force", NULL },
    { "check", "[--commands]", 0, 0, ctl_check, "try configuration, directory, token, privileges, names and rules; with --commands print what is tried as commands of ldapsearch and curl", "an error was found" },
    { "test", "[FILE.case | FOLDER]... [--all]", 0, 100000, ctl_test, "test the rules against cases, people that are written down; without FILE those in the folder cases beside the configuration. Needs no daemon and no server", "a case failed" },
    { "config", "show", 1, 1, run_config, "the configuration in effect, with where each value comes from", NULL },
    { "audit", "verify [--proof FILE] [--key KEY] [--checkpoint FILE] [FILE...]\n"
               "show [--person PERSON] [--since DATE] [--until DATE] [--event EVENT] [--kind KIND] [--code CODE] [FILE...]\n"
               "who --role NAME | --team NAME | --skill NAME [--at DATE] [FILE...]\n"
               "report [--since DATE] [--until DATE] [--key KEY] [--checkpoint FILE] [--html FILE] [--csv DIR] [FILE...]\n"
               "export --format ocsf|ecs|cef [--follow] [--after SEQ] [FILE...]\n"
               "prove SEQ [FILE...]\n"
               "erase PERSON --reason TEXT\n"
               "key [--new]", 1, 1000, ctl_audit, "verify audit files, show their lines, say who had what, report, export and prove: these need no daemon; erase a person's data; show the key that signs", "something was found" },
};
/* clang-format on */
const size_t ctl_n_verbs = ARRAY_SIZE(ctl_verbs);

const struct ctl_verb *ctl_verb_find(const char *name)
{
    for (size_t i = 0; i < ctl_n_verbs; i++)
        if (strcmp(ctl_verbs[i].name, name) == 0)
            return &ctl_verbs[i];
    return NULL;
}

const char *ctl_verb_nearest(const char *name)
{
    const char *names[ARRAY_SIZE(ctl_verbs)];

    for (size_t i = 0; i < ctl_n_verbs; i++)
        names[i] = ctl_verbs[i].name;
    return text_nearest(name, names, ctl_n_verbs);
}
