/* Configured commands: a few at a time and in order, and which of those that wait still run
 * when rosterd is to end. Real children: a pipe with a name holds them until the test lets them
 * go. */
#include "config.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "books/books.h"
#include "unit.h"

#define AT_ONCE 8

struct world {
    char folder[64], gate[96], told[96];
    sd_event *event;
    struct commands *commands;
    int gate_fd;
    size_t n_ended, n_room;
};

static void on_room(void *userdata)
{
    struct world *w = userdata;

    w->n_room++;
}

/* Instead of that of the C library: as if the kernel waited for a disk in their name, in which
 * state nothing ends a process. */
static bool immortal;
static pid_t last_killed;

int kill(pid_t pid, int number)
{
    if (pid > 0)
        last_killed = pid;
    return immortal ? 0 : (int)syscall(SYS_kill, pid, number);
}

/* Likewise, while a test holds the clocks: timers go off when it says that so much has passed.
 */
static bool held;
static uint64_t now_usec;
static struct {
    sd_event_source *source;
    uint64_t at_usec;
} timers[32];
static size_t n_timers;

static uint64_t monotonic_usec(void)
{
    struct timespec t = {0};

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * USEC_PER_SEC + (uint64_t)t.tv_nsec / 1000;
}

static int hold_timer(sd_event_source *source, uint64_t usec)
{
    assert_true(n_timers < ARRAY_SIZE(timers));
    timers[n_timers].source = sd_event_source_ref(source);
    timers[n_timers++].at_usec = now_usec + usec;
    return sd_event_source_set_time(source, UINT64_MAX);
}

int sd_event_source_set_time_relative(sd_event_source *source, uint64_t usec)
{
    return held ? hold_timer(source, usec)
                : sd_event_source_set_time(source, monotonic_usec() + usec);
}

int sd_event_add_time_relative(sd_event *event, sd_event_source **ret, clockid_t clock,
                               uint64_t usec, uint64_t accuracy,
                               sd_event_time_handler_t handler, void *userdata)
{
    uint64_t at = held ? UINT64_MAX : monotonic_usec() + usec;
    int r = sd_event_add_time(event, ret, clock, at, accuracy, handler, userdata);

    return r >= 0 && held ? hold_timer(*ret, usec) : r;
}

static void set_clocks(uint64_t usec)
{
    held = usec;
    now_usec = usec;
    clock_freeze(usec ? 1800000000 * USEC_PER_SEC + usec : 0, usec);
}

/* Which may set others. */
static void pass(uint64_t usec)
{
    set_clocks(now_usec + usec);
    for (size_t i = 0, n = n_timers; i < n; i++)
        if (timers[i].at_usec <= now_usec)
            assert_true(sd_event_source_set_time(timers[i].source, 0) >= 0);
}

static void let_clocks_go(void)
{
    while (n_timers)
        sd_event_source_unref(timers[--n_timers].source);
    set_clocks(0);
}

static int begin(void **state)
{
    static struct world w;
    struct error e = {0};
    const char *tmp = getenv("TMPDIR");
    sigset_t child;

    w = (struct world){.gate_fd = -1};
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    assert_int_equal(sigprocmask(SIG_BLOCK, &child, NULL), 0);
    snprintf(w.folder, sizeof(w.folder), "%.40s/command-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(w.folder));
    snprintf(w.gate, sizeof(w.gate), "%s/gate", w.folder);
    snprintf(w.told, sizeof(w.told), "%s/told", w.folder);
    assert_int_equal(mkfifo(w.gate, 0600), 0);
    w.gate_fd = open(w.gate, O_RDWR | O_CLOEXEC);
    assert_true(w.gate_fd >= 0);
    assert_true(sd_event_new(&w.event) >= 0);
    assert_int_equal(commands_new(&w.commands, w.event, on_room, &w, &e), 0);
    *state = &w;
    return 0;
}

static int end(void **state)
{
    struct world *w = *state;

    commands_free(w->commands);
    sd_event_unref(w->event);
    if (w->gate_fd >= 0)
        close(w->gate_fd);
    unlink(w->gate);
    unlink(w->told);
    rmdir(w->folder);
    return 0;
}

static void on_ended(const char *subject, bool fine, void *userdata)
{
    struct world *w = userdata;

    (void)subject;
    assert_true(fine != immortal);
    w->n_ended++;
}

/* Waits at the gate if it is to, and then says its text. */
static void run_one(struct world *w, bool waits, const char *text, command_ended_fn ended)
{
    char script[300];
    char *argv[] = {(char[]){"/bin/sh"}, (char[]){"-c"}, script, NULL};

    snprintf(script, sizeof(script), "%s%s%s cat >>%s", waits ? "read x <" : "",
             waits ? w->gate : "", waits ? ";" : "", w->told);
    assert_true(command_run(w->commands, argv, strdup(text), strlen(text), "notify command",
                            text, ended, w));
}

/* One of those at the gate goes on. */
static void let_go(struct world *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_int_equal(write(w->gate_fd, "\n", 1), 1);
}

static void until_none(struct world *w)
{
    for (size_t i = 0; command_any(w->commands) && i < 1000; i++)
        assert_true(sd_event_run(w->event, 20 * USEC_PER_MSEC) >= 0);
    assert_false(command_any(w->commands));
}

/* Sorted, since those that run at once say it in any order. */
static void expect_told(const struct world *w, const char *expected)
{
    char told[200] = "", sorted[200] = "";
    FILE *f = fopen(w->told, "r");

    if (f) {
        told[fread(told, 1, sizeof(told) - 1, f)] = '\0';
        fclose(f);
    }
    for (int c = 1; c < 127; c++)
        for (const char *p = told; *p; p++)
            if (*p == c)
                snprintf(sorted + strlen(sorted), sizeof(sorted) - strlen(sorted), "%c", c);
    assert_string_equal(sorted, expected);
}

static void fill(struct world *w)
{
    char text[2] = "a";

    for (int i = 0; i < AT_ONCE; i++, text[0]++)
        run_one(w, true, text, on_ended);
    assert_int_equal(command_room(w->commands), 0);
}

static void test_few_at_a_time(void **state)
{
    struct world *w = *state;

    fill(w);
    run_one(w, false, "y", on_ended);
    run_one(w, false, "z", on_ended);
    let_go(w, AT_ONCE);
    until_none(w);
    expect_told(w, "abcdefghyz");
    assert_int_equal(w->n_ended, AT_ONCE + 2);
    assert_true(w->n_room > 0);
}

static size_t n_fine, n_failed;

static void on_outcome(const char *subject, bool fine, void *userdata)
{
    (void)subject, (void)userdata;
    ++*(fine ? &n_fine : &n_failed);
}

/* Runs what is ready; the children that were killed are waited for. */
static void until_failed(struct world *w, size_t n)
{
    for (size_t i = 0; n_failed < n && i < 1000; i++)
        assert_true(sd_event_run(w->event, 20 * USEC_PER_MSEC) >= 0);
    while (sd_event_run(w->event, 0) > 0)
        ;
    assert_int_equal(n_failed, n);
}

/* Those that have run for as long as they may are killed, each owner is told once that it
 * failed, and those that waited have all of their time. */
static void test_time_limit(void **state)
{
    struct world *w = *state;

    n_fine = n_failed = 0;
    set_clocks(1000 * USEC_PER_SEC);
    for (char text[2] = "a"; text[0] < 'a' + AT_ONCE; text[0]++)
        run_one(w, true, text, on_outcome);
    run_one(w, true, "y", on_outcome);
    run_one(w, false, "z", on_outcome);
    pass(30 * USEC_PER_SEC - 1);
    until_failed(w, 0);
    pass(1);
    until_failed(w, AT_ONCE);
    for (size_t i = 0; n_fine < 1 && i < 1000; i++)
        assert_true(sd_event_run(w->event, 20 * USEC_PER_MSEC) >= 0);
    expect_told(w, "z");
    pass(30 * USEC_PER_SEC - 1);
    until_failed(w, AT_ONCE);
    pass(1);
    until_failed(w, AT_ONCE + 1);
    assert_int_equal(n_fine, 1);
    assert_false(command_any(w->commands));
    let_clocks_go();
}

/* With what it started, which has the other end of a pipe, say. */
static void test_time_limit_of_all(void **state)
{
    char script[200], *argv[] = {(char[]){"/bin/sh"}, (char[]){"-c"}, script, NULL};
    struct world *w = *state;
    struct stat told = {0};
    int pid = 0;

    n_fine = n_failed = 0;
    snprintf(script, sizeof(script), "sleep 1000 & echo $! >%s; wait", w->told);
    set_clocks(1000 * USEC_PER_SEC);
    assert_true(
        command_run(w->commands, argv, strdup("x"), 1, "notify command", NULL, on_outcome, w));
    for (size_t i = 0; told.st_size < 2 && i < 1000; i++) {
        assert_true(sd_event_run(w->event, 20 * USEC_PER_MSEC) >= 0);
        (void)stat(w->told, &told);
    }
    FILE *f = fopen(w->told, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%d", &pid), 1);
    fclose(f);
    assert_int_equal(syscall(SYS_kill, pid, 0), 0);
    pass(30 * USEC_PER_SEC);
    until_failed(w, 1);
    bool there = true; /* until whoever inherited it has taken note of its end */
    for (size_t i = 0; there && i < 500; i++) {
        char path[64], line[512] = "";
        snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        f = fopen(path, "r");
        there = f && fgets(line, sizeof(line), f) && !strstr(line, ") Z");
        if (f)
            fclose(f);
        assert_true(sd_event_run(w->event, 20 * USEC_PER_MSEC) >= 0);
    }
    assert_false(there);
    let_clocks_go();
}

/* What is run when rosterd is to end has less. */
static void test_time_limit_at_the_end(void **state)
{
    struct world *w = *state;

    n_fine = n_failed = 0;
    set_clocks(1000 * USEC_PER_SEC);
    run_one(w, true, "x", on_outcome);
    pass(10 * USEC_PER_SEC);
    commands_hurry(w->commands);
    run_one(w, true, "y", on_outcome);
    pass(5 * USEC_PER_SEC - 1);
    until_failed(w, 0);
    pass(1);
    until_failed(w, 2);
    assert_false(command_any(w->commands));
    let_clocks_go();
}

/* A password is set again after the next start, but nobody would be told of an alarm. */
static void test_end_drops_what_can_wait(void **state)
{
    struct world *w = *state;

    fill(w);
    run_one(w, false, "x", on_ended);
    run_one(w, false, "y", NULL);
    run_one(w, false, "z", on_ended);
    commands_hurry(w->commands);
    let_go(w, AT_ONCE);
    until_none(w);
    expect_told(w, "abcdefghy");
    assert_int_equal(w->n_ended, AT_ONCE);
}

/* Those who still wait when the last seconds are over are not begun. */
static void test_end_is_an_end(void **state)
{
    struct world *w = *state;

    clock_freeze(1800000000 * USEC_PER_SEC, 1000 * USEC_PER_SEC);
    fill(w);
    run_one(w, false, "y", NULL);
    commands_hurry(w->commands);
    clock_freeze(1800000006 * USEC_PER_SEC, 1006 * USEC_PER_SEC);
    let_go(w, AT_ONCE);
    until_none(w);
    expect_told(w, "abcdefgh");
    clock_freeze(0, 0);
}

static void until_is_room(struct world *w)
{
    for (size_t i = 0; !command_room(w->commands) && i < 1000; i++)
        assert_true(sd_event_run(w->event, 20 * USEC_PER_MSEC) >= 0);
    assert_int_equal(command_room(w->commands), AT_ONCE);
}

/* What cannot be killed keeps nobody: its owner is told, those that wait run, and rosterd ends.
 * But no more than so many are left to themselves. Once one does end, after all, nothing is left of
 * it, and there is room again. */
static void test_some_that_cannot_be_ended(void **state)
{
    struct world *w = *state;

    set_clocks(1000 * USEC_PER_SEC);
    fill(w);
    immortal = true;
    commands_hurry(w->commands);
    pass(5 * USEC_PER_SEC);
    while (sd_event_run(w->event, 0) > 0)
        ;
    pass(2 * USEC_PER_SEC);
    set_clocks(1000 * USEC_PER_SEC); /* the end itself is no matter */
    until_none(w);
    assert_int_equal(w->n_ended, AT_ONCE);
    assert_int_equal(syscall(SYS_kill, last_killed, 0), 0); /* it is still there */
    assert_int_equal(command_room(w->commands), 0);
    run_one(w, false, "x", on_ended);
    assert_false(command_any(w->commands));
    assert_int_equal(w->n_ended, AT_ONCE + 1);
    let_go(w, 1);
    until_is_room(w);
    immortal = false;
    run_one(w, false, "y", on_ended);
    until_none(w);
    let_go(w, AT_ONCE - 1);
    struct stat told = {0};
    for (size_t i = 0; told.st_size < AT_ONCE + 1 && i < 1000; i++) {
        assert_true(sd_event_run(w->event, 20 * USEC_PER_MSEC) >= 0);
        assert_int_equal(stat(w->told, &told), 0);
    }
    assert_int_equal(w->n_ended, AT_ONCE + 2);
    expect_told(w, "abcdefghy");
    let_clocks_go();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_few_at_a_time, begin, end),
        cmocka_unit_test_setup_teardown(test_time_limit, begin, end),
        cmocka_unit_test_setup_teardown(test_time_limit_of_all, begin, end),
        cmocka_unit_test_setup_teardown(test_time_limit_at_the_end, begin, end),
        cmocka_unit_test_setup_teardown(test_end_drops_what_can_wait, begin, end),
        cmocka_unit_test_setup_teardown(test_end_is_an_end, begin, end),
        cmocka_unit_test_setup_teardown(test_some_that_cannot_be_ended, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
