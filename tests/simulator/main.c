/* The command line and the loop. One thread: it sleeps on the listeners' epoll sets and on
 * signals, wakes requests that wait, and lets libmicrohttpd work. SIGTERM and SIGINT end it
 * with status 0. */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "certificate.h"
#include "http.h"
#include "itself.h"
#include "seed.h"
#include "settings.h"
#include "simulator.h"

struct options {
    const char *listen, *control, *certificate, *key, *self_signed, *teams, *roles, *skills,
        *data;
    const char *client, *secret_file, *domain, *journal, *port_file;
    long keep;
    bool plain;
};

/* Options that are a text, and where it goes. */
static const struct {
    const char *name;
    size_t offset;
} texts[] = {
    {"listen", offsetof(struct options, listen)},
    {"control", offsetof(struct options, control)},
    {"cert", offsetof(struct options, certificate)},
    {"key", offsetof(struct options, key)},
    {"self-signed", offsetof(struct options, self_signed)},
    {"teams", offsetof(struct options, teams)},
    {"roles", offsetof(struct options, roles)},
    {"skills", offsetof(struct options, skills)},
    {"data", offsetof(struct options, data)},
    {"client", offsetof(struct options, client)},
    {"secret-file", offsetof(struct options, secret_file)},
    {"domain", offsetof(struct options, domain)},
    {"journal", offsetof(struct options, journal)},
    {"port-file", offsetof(struct options, port_file)},
};

static void help(void)
{
    puts(
        "tenant-simulator - a contact center tenant to rehearse against\n\n"
        "  --listen IPV4:PORT   where to serve (127.0.0.1:0; port 0 picks one and prints it)\n"
        "  --control IPV4:PORT  a second listener, plain HTTP, for /simulator/ only\n"
        "  --cert, --key FILE   server certificate and key, PEM\n"
        "  --self-signed DIR    make ca.pem, server.pem, server.key there and use them\n"
        "  --plain              HTTP instead of HTTPS\n"
        "  --client ID          client_id that gets tokens (api.user)\n"
        "  --secret-file FILE   its secret (\"secret\")\n"
        "  --domain SCOPE       the tenant's domain name (tenant.example.com)\n"
        "  --teams, --roles, --skills A,B,...\n"
        "  --data FILE          JSON: teams, roles, skills, accessNumbers, users\n"
        "  --journal FILE       append every request as a JSON line\n"
        "  --keep-requests N    how many /simulator/requests can show (100000)\n"
        "  --port-file FILE     write the port there once it is served\n"
        "  --no-scim[=STATUS]   SCIM answers 403, or STATUS\n\n"
        "Settings, which POST /simulator/settings changes too (flags take an optional =true or =false):");
    settings_help();
}

/* An unknown long option may be a setting: --name VALUE, --name=VALUE, or --name alone for a
 * flag. */
static int parse_setting(struct settings *s, char **argv, int *index)
{
    const char *word = argv[*index] + 2;
    size_t length = strcspn(word, "=");
    CLEANUP(text_freep) char *name = text_copy_length(word, length);
    if (word[length] == '=')
        return settings_set(s, name, word + length + 1);
    if (settings_set(s, name, "true") == 0 && strcmp(name, "default-team") != 0)
        return 0;
    if (!argv[*index + 1])
        return -1;
    return settings_set(s, name, argv[++*index]);
}

static int parse_option(struct options *o, struct settings *s, char **argv, int *index)
{
    const char *word = argv[*index];
    if (strncmp(word, "--", 2) != 0)
        return -1;
    word += 2;
    if (!strcmp(word, "plain")) {
        o->plain = true;
        return 0;
    }
    if (!strncmp(word, "no-scim", 7) && (word[7] == '\0' || word[7] == '='))
        return settings_set(s, "scim", word[7] ? word + 8 : "403");
    if (!strcmp(word, "keep-requests"))
        return argv[*index + 1] && text_number(argv[++*index], 1, 10000000, &o->keep) ? 0 : -1;
    for (size_t i = 0; i < ELEMENTS(texts); i++) {
        size_t length = strlen(texts[i].name);
        if (strncmp(word, texts[i].name, length) != 0 || (word[length] && word[length] != '='))
            continue;
        const char *value = word[length] ? word + length + 1 : argv[*index + 1];
        if (!word[length])
            ++*index;
        memcpy((char *)o + texts[i].offset, &value, sizeof(value));
        return value ? 0 : -1;
    }
    return parse_setting(s, argv, index);
}

/* 0: go on; 1: help was asked for; -1: wrong. */
static int parse_command_line(struct options *o, struct settings *s, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--help")) {
            help();
            return 1;
        }
        int word = i;
        if (parse_option(o, s, argv, &i) < 0) {
            fprintf(stderr, "tenant-simulator: %s: unknown option or bad value (see --help)\n",
                    argv[word]);
            return -1;
        }
    }
    if (!o->plain && !o->self_signed && !(o->certificate && o->key)) {
        fputs("tenant-simulator: --self-signed DIR, --cert and --key, or --plain is needed\n",
              stderr);
        return -1;
    }
    return 0;
}

static int read_secret(struct simulator *s, const struct options *o)
{
    if (!o->secret_file) {
        s->oauth.secret = text_copy("secret");
        return 0;
    }
    s->oauth.secret = text_file(o->secret_file, NULL);
    if (!s->oauth.secret)
        return -1;
    s->oauth.secret[strcspn(s->oauth.secret, "\r\n")] = '\0';
    return 0;
}

static int fill(struct simulator *s, const struct options *o)
{
    s->oauth.client = text_copy(o->client ? o->client : "api.user");
    s->oauth.domain = text_copy(o->domain ? o->domain : "tenant.example.com");
    s->access_numbers = json_array();
    /* Without any names the tenant has those of the vendor's published example. */
    bool has_names = o->teams || o->roles || o->skills || o->data;
    seed_names(s, NAME_TEAM, o->teams ? o->teams : has_names ? "" : "Customer Service");
    seed_names(s, NAME_ROLE, o->roles ? o->roles : has_names ? "" : "Agent,Supervisor");
    seed_names(s, NAME_SKILL, o->skills ? o->skills : has_names ? "" : "Spanish,English");
    if (o->data && seed_file(s, o->data) < 0)
        return -1;
    return read_secret(s, o);
}

static int start_listeners(struct simulator *s, const struct options *o,
                           struct listener *tenant, struct listener *control)
{
    CLEANUP(text_freep) char *made_certificate = NULL, *made_key = NULL;
    if (!o->plain) {
        const char *folder = o->self_signed;
        if (folder && certificate_make(folder) < 0)
            return -1;
        CLEANUP(text_freep)
        char *c = folder ? text_format("%s/server.pem", folder) : text_copy(o->certificate);
        CLEANUP(text_freep)
        char *k = folder ? text_format("%s/server.key", folder) : text_copy(o->key);
        made_certificate = text_file(c, NULL);
        made_key = text_file(k, NULL);
        if (!made_certificate || !made_key)
            return -1;
    }
    if (o->control && http_listen(control, s, o->control, NULL, NULL, 1) < 0)
        return -1;
    s->has_control_listener = o->control != NULL;
    const char *address = o->listen ? o->listen : "127.0.0.1:0";
    if (http_listen(tenant, s, address, made_certificate, made_key, 0) < 0)
        return -1;
    int host = (int)strcspn(address, ":");
    if (o->control)
        printf("control on http://%.*s:%d\n", (int)strcspn(o->control, ":"), o->control,
               control->port);
    printf("listening on %s://%.*s:%d\n", o->plain ? "http" : "https", host, address,
           tenant->port);
    fflush(stdout);
    if (!o->port_file)
        return 0;
    CLEANUP(text_freep) char *port = text_format("%d\n", tenant->port);
    return text_file_write(o->port_file, port, strlen(port), 0644);
}

static int loop(struct simulator *s, struct listener *tenant, struct listener *control,
                int signals)
{
    for (;;) {
        int wait_ms = http_wake(s);
        if (s->down_until_ms && s->down_until_ms <= time_monotonic_ms()) {
            s->down = DOWN_NOT;
            s->down_until_ms = 0;
        }
        if (s->down_until_ms && wait_ms > 100)
            wait_ms = 100;
        wait_ms = http_timeout(tenant, wait_ms);
        if (control->daemon)
            wait_ms = http_timeout(control, wait_ms);
        if (wait_ms > 0)
            journal_flush(&s->journal);
        struct pollfd p[] = {{.fd = signals, .events = POLLIN},
                             {.fd = tenant->epoll_fd, .events = POLLIN},
                             {.fd = control->epoll_fd, .events = POLLIN}};
        if (poll(p, ELEMENTS(p), wait_ms) < 0 && errno != EINTR) {
            perror("tenant-simulator: poll");
            return -1;
        }
        if (p[0].revents)
            return 0;
        if (http_run(tenant) < 0 || (control->daemon && http_run(control) < 0)) {
            fputs("tenant-simulator: the server has failed\n", stderr);
            return -1;
        }
    }
}

static int block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        perror("tenant-simulator: setrlimit");
}

int main(int argc, char **argv)
{
    struct options o = {.keep = 100000};
    struct simulator s = {0};
    struct listener tenant = {.epoll_fd = -1}, control = {.epoll_fd = -1};
    settings_init(&s.settings);
    store_init(&s.store);
    faults_init(&s.faults);
    TAILQ_INIT(&s.waiting);
    TAILQ_INIT(&s.presets);
    int r = parse_command_line(&o, &s.settings, argc, argv);
    if (r != 0) {
        settings_done(&s.settings);
        return r > 0 ? 0 : 2;
    }
    int signals = block_signals();
    raise_file_limit();
    r = signals < 0 || fill(&s, &o) < 0 ||
                journal_open(&s.journal, o.journal, (size_t)o.keep) < 0 ||
                start_listeners(&s, &o, &tenant, &control) < 0
            ? -1
            : loop(&s, &tenant, &control, signals);
    http_end_all(&s);
    http_close(&tenant);
    http_close(&control);
    journal_done(&s.journal);
    faults_clear(&s.faults);
    itself_done(&s);
    oauth_done(&s.oauth);
    store_done(&s.store);
    json_decref(s.access_numbers);
    settings_done(&s.settings);
    if (signals >= 0)
        close(signals);
    return r < 0 ? 1 : 0;
}
