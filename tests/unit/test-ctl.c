/* rosterctl as a whole, against a control server that answers with the samples of
 * tests/data/ctl: the command line, exit codes, JSON, and what it does when nobody answers. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "control/control.h"
#include "ctl/verbs.h"
#include "unit.h"

static struct world {
    char folder[64], socket[128], config[128], out[128], err[128];
    pthread_t thread;
    atomic_bool ready;
    char *last_method, *last_parameters;
} world;

static json_t *sample(const char *name)
{
    const char *srcdir = getenv("srcdir");
    char path[512];

    snprintf(path, sizeof(path), "%s/tests/data/ctl/%s.json", srcdir ? srcdir : ".", name);
    return json_load_file(path, 0, NULL);
}

static void on_request(struct control_call *call, const char *method, const json_t *parameters,
                       uid_t peer, void *userdata)
{
    const json_t *person = json_object_get(parameters, "person");

    (void)peer;
    free(world.last_method);
    free(world.last_parameters);
    world.last_method = strdup(method);
    world.last_parameters = json_dumps(parameters, JSON_COMPACT | JSON_SORT_KEYS);
    if (strcmp(method, "end") == 0) {
        control_reply(call, json_object());
        sd_event_exit(userdata, 0);
    } else if (json_is_string(person) && strcmp(json_string_value(person), "nobody") == 0) {
        control_fail(call, "not-found", "nobody is not known\n");
    } else if (strcmp(method, "retry") == 0) {
        control_reply(call, json_pack("{s:i}", "released", 3));
    } else if (strcmp(method, "pause") == 0 || strcmp(method, "resume") == 0) {
        control_reply(call, json_pack("{s:b}", "paused", strcmp(method, "pause") == 0));
    } else if (strcmp(method, "sync") == 0) {
        control_reply(call, json_pack("{s:b}", "started", 1));
    } else {
        json_t *answer = sample(method);
        if (answer)
            control_reply(call, answer);
        else
            control_fail(call, "unknown-method", "no sample");
    }
}

static void *serve(void *userdata)
{
    sd_event *event = NULL;
    struct control_server *server = NULL;
    struct error e;

    (void)userdata;
    if (sd_event_new(&event) < 0 ||
        control_server_new(&server, event,
                           &(struct control_server_options){
                               .path = world.socket, .handler = on_request, .userdata = event},
                           &e) < 0)
        abort();
    atomic_store(&world.ready, true);
    (void)sd_event_loop(event);
    /* The last answer leaves before the server goes. */
    for (int i = 0; i < 10 && sd_event_get_state(event) != SD_EVENT_FINISHED; i++)
        (void)sd_event_run(event, 1000);
    control_server_free(server);
    sd_event_unref(event);
    return NULL;
}

static void write_config(void)
{
    FILE *f = fopen(world.config, "we");

    assert_non_null(f);
    /* With errors elsewhere: they are the daemon's matter, the socket is found all the same. */
    fprintf(f, "[bogus]\nx = 1\n[control]\nsocket = %s\n[audit]\nfile = %s/audit.jsonl\n",
            world.socket, world.folder);
    assert_int_equal(fclose(f), 0);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(world.folder, sizeof(world.folder), "/tmp/test-ctl-XXXXXX");
    assert_non_null(mkdtemp(world.folder));
    snprintf(world.socket, sizeof(world.socket), "%s/sock", world.folder);
    snprintf(world.config, sizeof(world.config), "%s/rosterd.conf", world.folder);
    snprintf(world.out, sizeof(world.out), "%s/out", world.folder);
    snprintf(world.err, sizeof(world.err), "%s/err", world.folder);
    write_config();
    assert_int_equal(pthread_create(&world.thread, NULL, serve, NULL), 0);
    while (!atomic_load(&world.ready))
        sched_yield();
    return 0;
}

static char *read_path(const char *path)
{
    struct buffer b = {0};
    char chunk[4096];
    FILE *f = fopen(path, "re");

    assert_non_null(f);
    for (size_t n; (n = fread(chunk, 1, sizeof(chunk), f)) > 0;)
        buffer_add(&b, chunk, n);
    fclose(f);
    return buffer_take(&b);
}

static int redirect(int fd, const char *path)
{
    int saved = dup(fd), file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(saved >= 0 && file >= 0);
    assert_true(dup2(file, fd) >= 0);
    close(file);
    return saved;
}

/* Words are split at single blanks; "@" stands for the configuration. */
static int run(const char *line, char **ret_out, char **ret_err)
{
    char *words[16] = {(char *)"rosterctl"}, copy[512], *rest = copy;
    int n = 1;

    snprintf(copy, sizeof(copy), "%s", line);
    for (char *w; n < 15 && (w = strsep(&rest, " "));)
        if (*w)
            words[n++] = strcmp(w, "@") == 0 ? world.config : w;
    fflush(stdout);
    fflush(stderr);
    int out = redirect(STDOUT_FILENO, world.out), err = redirect(STDERR_FILENO, world.err);
    int r = ctl_main(n, words);
    fflush(stdout);
    fflush(stderr);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    close(out);
    close(err);
    *ret_out = read_path(world.out);
    *ret_err = read_path(world.err);
    return r;
}

static void test_lines(void **state)
{
    static const struct {
        const char *line;
        int exit_code;
        const char *out, *err; /* parts; NULL: nothing is there */
        const char *parameters;
    } rows[] = {
        {"-c @ status", EXIT_FOUND, "Health    degraded", NULL, "{}"},
        {"status -c @", EXIT_FOUND, "Health    degraded", NULL, "{}"},
        {"-c @ plan", EXIT_FOUND, "rosterctl approve 6f1c0e", NULL, "{}"},
        {"-c @ plan --summary", EXIT_FOUND, "1 to create", NULL, "{}"},
        {"-c @ plan --config @", EXIT_FOUND, "1 to create", NULL, "\"content\":\"[bogus]"},
        {"-c @ plan --config /nonexistent/x", EXIT_FAILED, NULL, "/nonexistent/x", NULL},
        {"-c @ plan a", EXIT_FOUND, "disable  evil", NULL, "{}"},
        {"-c @ plan b", EXIT_FAILED, NULL, "no group 'b'", "{}"},
        {"-c @ plan --kind create", EXIT_FOUND, "create  anna", NULL, "{}"},
        {"-c @ plan --person BERT", EXIT_FOUND, "update  bert", NULL, "{}"},
        {"-c @ plan --rule Leads", EXIT_FOUND, "profile  carl", NULL, "{}"},
        {"-c @ plan --rule Leads --person bert", EXIT_FINE, "Nobody in the plan", NULL, "{}"},
        {"-c @ approve 6f1c0e", EXIT_FINE, "7 operations", NULL, "{\"hash\":\"6f1c0e\"}"},
        {"-c @ approve 6f1c0e b d", EXIT_FINE, "7 operations", NULL, "{\"groups\":[\"b\",\"d\"],\"hash\":\"6f1c0e\"}"},
        {"-c @ explain anna", EXIT_FINE, "Support agents", NULL, "{\"person\":\"anna\"}"},
        {"-c @ explain nobody", EXIT_FAILED, NULL, "nobody is not known\\x0a", NULL},
        {"-c @ explain", EXIT_MISUSE, NULL, "an argument is missing: rosterctl explain PERSON", NULL},
        {"-c @ explain", EXIT_MISUSE, NULL, "Try 'rosterctl explain --help'.", NULL},
        {"-c @ status now", EXIT_MISUSE, NULL, "unexpected argument 'now'", NULL},
        {"-c @ status --kind team", EXIT_MISUSE, NULL, "status takes no --kind", NULL},
        {"-c @ explain anna --summary", EXIT_MISUSE, NULL, "explain takes no --summary", NULL},
        {"-c @ --bogus", EXIT_MISUSE, NULL, "Try 'rosterctl --help'.", NULL},
        {"-c @ history anna", EXIT_FINE, "outcome create", NULL, NULL},
        {"-c @ holds", EXIT_FOUND, "team-missing", NULL, NULL},
        {"-c @ retry", EXIT_MISUSE, NULL, "retry takes one of", NULL},
        {"-c @ retry anna --all", EXIT_MISUSE, NULL, "retry takes one of", NULL},
        {"-c @ retry --all", EXIT_FINE, "3 operations", NULL, "{}"},
        {"-c @ retry anna", EXIT_FINE, "3 operations", NULL, "{\"person\":\"anna\"}"},
        {"-c @ retry --cause team:A", EXIT_FINE, "3 op", NULL, "{\"cause\":\"team:A\"}"},
        {"-c @ sync", EXIT_FINE, "Started", NULL, "{}"},
        {"-c @ sync -- -odd", EXIT_FINE, "Started", NULL, "{\"person\":\"-odd\"}"},
        {"-c @ pause", EXIT_FINE, "Paused", NULL, NULL},
        {"-c @ resume", EXIT_FINE, "Not paused", NULL, NULL},
        {"-c @ config show", EXIT_FINE, "[directory] uri", NULL, NULL},
        {"-c @ config edit", EXIT_MISUSE, NULL, "config takes: show", NULL},
        {"-c @ statsu", EXIT_MISUSE, NULL, "did you mean 'status'?", NULL},
        {"-c @", EXIT_MISUSE, NULL, "a verb is missing", NULL},
        {"-c @ --bogus", EXIT_MISUSE, NULL, "bogus", NULL},
        {"--color=sometimes status", EXIT_MISUSE, NULL, "--color takes", NULL},
        {"-i ../x status", EXIT_MISUSE, NULL, "not the name of an instance", NULL},
        {"-i a -c b status", EXIT_MISUSE, NULL, "exclude each other", NULL},
        {"-c @ --socket /nonexistent/sock status", EXIT_AWAY, NULL, "is not running", NULL},
        {"plan --help", EXIT_FINE, "Usage: rosterctl plan [--config FILE]", NULL, NULL},
        {"-c @ explain anna --all", EXIT_FINE, "Spanish speakers", NULL, NULL},
        {"--help", EXIT_FINE, "Usage: rosterctl", NULL, NULL},
        {"--version", EXIT_FINE, PACKAGE_VERSION, NULL, NULL},
        {"-c @ audit bogus", EXIT_MISUSE, NULL, "audit takes: verify, show", NULL},
        {"-c @ audit verify", EXIT_FAILED, NULL, "audit.jsonl", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(freep) char *out = NULL;
        CLEANUP(freep) char *err = NULL;
        int r = run(rows[i].line, &out, &err);
        if (r != rows[i].exit_code)
            fail_msg("%s: exit code %d\n%s%s", rows[i].line, r, out, err);
        if (rows[i].out ? !strstr(out, rows[i].out) : *out != '\0')
            fail_msg("%s: standard output:\n%s", rows[i].line, out);
        if (rows[i].err ? !strstr(err, rows[i].err) : *err != '\0')
            fail_msg("%s: standard error:\n%s", rows[i].line, err);
        if (rows[i].parameters && !strstr(world.last_parameters, rows[i].parameters))
            fail_msg("%s: sent %s", rows[i].line, world.last_parameters);
    }
}

static void test_json(void **state)
{
    static const struct {
        const char *line;
        int exit_code;
        const char *member;
    } rows[] = {
        {"-c @ --json status", EXIT_FOUND, "health"},
        {"-c @ plan --json", EXIT_FOUND, "operations"},
        {"-c @ explain nobody --json", EXIT_FAILED, "error"},
        {"--json --socket /nonexistent/sock status", EXIT_AWAY, "message"},
        {"-c @ --json holds", EXIT_FOUND, "holds"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(freep) char *out = NULL;
        CLEANUP(freep) char *err = NULL;
        assert_int_equal(run(rows[i].line, &out, &err), rows[i].exit_code);
        json_auto_t *parsed = json_loads(out, 0, NULL);
        if (!json_object_get(parsed, rows[i].member))
            fail_msg("%s:\n%s", rows[i].line, out);
    }
}

/* Also ends the server's thread. */
static int tear_down(void **state)
{
    struct control_client *c = NULL;
    struct error e = {""};
    json_t *answer = NULL;
    char *code = NULL;

    (void)state;
    assert_int_equal(control_client_open(&c, world.socket, &e), 0);
    (void)control_client_call(c, "end", NULL, 10, &answer, &code, &e);
    json_decref(answer);
    control_client_free(c);
    assert_int_equal(pthread_join(world.thread, NULL), 0);
    free(code);
    free(world.last_method);
    free(world.last_parameters);
    unlink(world.config);
    unlink(world.out);
    unlink(world.err);
    return rmdir(world.folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_json),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
