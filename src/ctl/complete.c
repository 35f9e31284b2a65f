/*
 * What may stand for the last word of a command line, for the completions of bash, zsh and
 * fish:
 *
 *     rosterctl --complete WORD...
 *
 * A line a candidate, with a tab and what it is; ":files" asks the shell for names of files.
 * Verbs and options are those of the tables; people, rules, causes and hashes are the running
 * daemon's. Nothing is ever complained of, and a daemon that does not answer at once is not
 * waited for.
 */
#include "config.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "ctl/verbs.h"

#define ANSWER_SECONDS 2

struct completion {
    struct ctl *ctl;
    const struct ctl_verb *verb;
    size_t n_arguments; /* behind the verb, before the last word */
    const char *first;  /* of these; NULL: none */
    const char *prefix; /* of each candidate: "--cause=" */
    char path[512];
    const char *begun; /* the last word, without the prefix */
};

static void offer(struct completion *x, const char *word, const char *help)
{
    struct output *o = &x->ctl->output;

    if (!word || !*word || strncmp(word, x->begun, strlen(x->begun)) != 0)
        return;
    output_format(o, "%s", x->prefix);
    output_text(o, word);
    if (help && *help) {
        output_format(o, "\t");
        output_text(o, help);
    }
    output_format(o, "\n");
}

static void offer_list(struct completion *x, const char *words)
{
    char word[64];

    for (const char *p = words; *p; p += strspn(p, " ")) {
        size_t n = strcspn(p, " ");
        (void)snprintf(word, sizeof(word), "%.*s", (int)n, p);
        offer(x, word, NULL);
        p += n;
    }
}

static json_t *ask(struct completion *x, const char *method, json_t *parameters_taken)
{
    json_t *answer = NULL;

    return ctl_ask(x->ctl, method, parameters_taken, &answer) == EXIT_FINE ? answer : NULL;
}

static void offer_people(struct completion *x)
{
    json_auto_t *answer = ask(x, "logins", json_pack("{s:s}", "prefix", x->begun));
    size_t i;
    json_t *login;

    json_array_foreach (json_object_get(answer, "logins"), i, login)
        offer(x, json_string_value(login), NULL);
}

static void offer_causes(struct completion *x)
{
    json_auto_t *answer = ask(x, "holds", json_object());
    size_t i;
    json_t *hold;

    json_array_foreach (json_object_get(answer, "holds"), i, hold)
        offer(x, member_text(hold, "cause"), member_text(hold, "sentence"));
}

static void offer_hash(struct completion *x)
{
    json_auto_t *answer = ask(x, "plan", json_object());
    const char *hash = member_text(answer, "hash");
    char text[16];

    (void)snprintf(text, sizeof(text), "%.8s", hash ? hash : "");
    if (json_array_size(json_object_get(answer, "operations")) > 0)
        offer(x, text, "the plan as it is now");
}

static void offer_letters(struct completion *x)
{
    json_auto_t *answer = ask(x, "plan", json_object());
    char help[128];
    size_t i;
    json_t *group;

    json_array_foreach (json_object_get(answer, "groups"), i, group) {
        const char *what = member_text(group, "what");
        (void)snprintf(help, sizeof(help), "%s, %lld", what ? what : "",
                       member_number(group, "count"));
        offer(x, member_text(group, "letter"), help);
    }
}

/* Those that gave something in the plan, each once: --rule chooses from it. */
static void offer_rules(struct completion *x)
{
    json_auto_t *answer = ask(x, "plan", json_object()), *seen = json_object();
    size_t i, k;
    json_t *operation, *change;

    json_array_foreach (json_object_get(answer, "operations"), i, operation)
        json_array_foreach (json_object_get(operation, "changes"), k, change) {
            const char *rule = member_text(change, "rule");
            if (!rule || *rule == '[' || json_object_get(seen, rule))
                continue;
            (void)json_object_set_new(seen, rule, json_true());
            offer(x, rule, NULL);
        }
}

static void offer_instances(struct completion *x)
{
    DIR *dir = opendir(SYSCONFDIR "/rosterd");
    char name[256];

    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        size_t n = strlen(entry->d_name);
        if (n <= 5 || strcmp(entry->d_name + n - 5, ".conf") != 0 ||
            strcmp(entry->d_name, "rosterd.conf") == 0)
            continue;
        (void)snprintf(name, sizeof(name), "%.*s", (int)(n - 5), entry->d_name);
        offer(x, name, NULL);
    }
    if (dir)
        (void)closedir(dir);
}

static void offer_files(struct completion *x)
{
    output_format(&x->ctl->output, ":files\n");
}

/* Of options and of arguments, by the words of the help. */
static const struct {
    const char *name;
    void (*offer)(struct completion *x);
    const char *words;
} values[] = {
    {"cause", offer_causes, NULL},
    {"rule", offer_rules, NULL},
    {"person", offer_people, NULL},
    {"instance", offer_instances, NULL},
    {"color", NULL, "always auto never"},
    {"format", NULL, "ocsf ecs cef"},
    {"kind", NULL, "create adopt update profile rename disable enable delete"},
    {"config", offer_files, NULL},
    {"socket", offer_files, NULL},
    {"key", offer_files, NULL},
    {"checkpoint", offer_files, NULL},
    {"proof", offer_files, NULL},
    {"html", offer_files, NULL},
    {"csv", offer_files, NULL},
};

static void offer_value(struct completion *x, const char *option)
{
    for (size_t i = 0; i < ARRAY_SIZE(values); i++)
        if (strcmp(values[i].name, option) == 0 && values[i].offer)
            values[i].offer(x);
        else if (strcmp(values[i].name, option) == 0)
            offer_list(x, values[i].words);
}

static bool is_in_help(const char *help, const char *option)
{
    char word[64];
    size_t n = (size_t)snprintf(word, sizeof(word), "--%s", option);

    for (const char *p = help; (p = strstr(p, word)); p += n)
        if (!strchr("abcdefghijklmnopqrstuvwxyz-", p[n]) || !p[n])
            return true;
    return false;
}

/* Options of all verbs, and those that the verb's help names. */
static void offer_options(struct completion *x)
{
    static const char general[] =
        "--json --no-pager --color --config --instance --socket --reason --help --version";
    char word[64];

    for (const struct option *o = ctl_options; o->name; o++) {
        if (!is_in_help(general, o->name) && !(x->verb && is_in_help(x->verb->arguments, o->name)))
            continue;
        (void)snprintf(word, sizeof(word), "--%s", o->name);
        offer(x, word, NULL);
    }
}

static void offer_verbs(struct completion *x)
{
    for (size_t i = 0; i < ctl_n_verbs; i++)
        offer(x, ctl_verbs[i].name, ctl_verbs[i].help);
}

/* false: the verb takes nothing here. */
static bool offer_argument(struct completion *x)
{
    const char *verb = x->verb->name;
    bool first = x->n_arguments == 0, audit = strcmp(verb, "audit") == 0;

    if (strcmp(verb, "plan") == 0 || (strcmp(verb, "approve") == 0 && !first))
        offer_letters(x);
    else if (strcmp(verb, "approve") == 0)
        offer_hash(x);
    else if (strncmp(x->verb->arguments, "[FILE", 5) == 0)
        offer_files(x);
    else if (first && strcmp(verb, "config") == 0)
        offer(x, "show", NULL);
    else if (first && strstr(x->verb->arguments, "PERSON") && !audit)
        offer_people(x);
    else if (first && audit)
        offer_list(x, "verify show who report export prove erase key");
    else if (audit && strcmp(x->first, "erase") == 0 && x->n_arguments == 1)
        offer_people(x);
    else if (audit)
        offer_files(x);
    else
        return false;
    return true;
}

static const struct option *option_of(const char *word)
{
    const char *name = strcmp(word, "-c") == 0       ? "config"
                       : strcmp(word, "-i") == 0     ? "instance"
                       : strncmp(word, "--", 2) == 0 ? word + 2
                                                     : "";
    size_t n = strcspn(name, "=");

    for (const struct option *o = ctl_options; n > 0 && o->name; o++)
        if (strlen(o->name) == n && strncmp(o->name, name, n) == 0)
            return o;
    return NULL;
}

/* What says where the daemon is. */
static void use_option(struct completion *x, const struct option *o, const char *value)
{
    if (strcmp(o->name, "socket") == 0)
        x->ctl->socket = value;
    else if (strcmp(o->name, "config") == 0 && !x->verb)
        x->ctl->config_file = value;
    if (strcmp(o->name, "instance") != 0)
        return;
    (void)snprintf(x->path, sizeof(x->path), SYSCONFDIR "/rosterd/%s.conf", value);
    x->ctl->config_file = x->path;
}

/* A word before the last one; what it asks the next word for. */
static const struct option *take_word(struct completion *x, const char *word)
{
    if (*word == '-') {
        const struct option *o = option_of(word);
        const char *value = o ? strchr(word, '=') : NULL;
        if (value)
            use_option(x, o, value + 1);
        return o && !value && o->has_arg == required_argument ? o : NULL;
    }
    if (!x->verb) {
        x->verb = ctl_verb_find(word);
        return NULL;
    }
    if (x->n_arguments++ == 0)
        x->first = word;
    return NULL;
}

void ctl_complete(struct ctl *c, char **words, size_t n_words)
{
    struct completion x = {.ctl = c, .prefix = "", .begun = n_words > 0 ? words[n_words - 1] : ""};
    const struct option *waits = NULL;

    c->quiet = true;
    c->seconds = ANSWER_SECONDS;
    c->output.verbatim = c->no_pager = true;
    for (size_t i = 0; i + 1 < n_words; i++) {
        if (i > 0 && strcmp(words[i], "=") == 0) { /* bash takes it for a word */
            waits = option_of(words[i - 1]);
            continue;
        }
        if (waits)
            use_option(&x, waits, words[i]);
        waits = waits ? NULL : take_word(&x, words[i]);
    }
    if (n_words > 1 && strcmp(x.begun, "=") == 0) {
        waits = option_of(words[n_words - 2]);
        x.begun = "";
    }
    const char *equals = strncmp(x.begun, "--", 2) == 0 ? strchr(x.begun, '=') : NULL;
    CLEANUP(freep) char *prefix = equals ? strndup(x.begun, (size_t)(equals + 1 - x.begun)) : NULL;
    if (prefix && option_of(x.begun)) {
        waits = option_of(x.begun);
        x.prefix = prefix;
        x.begun = equals + 1;
    }
    if (waits)
        offer_value(&x, waits->name);
    else if (*x.begun == '-')
        offer_options(&x);
    else if (!x.verb)
        offer_verbs(&x);
    else if (!offer_argument(&x))
        offer_options(&x);
}
