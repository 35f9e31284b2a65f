/* Configured commands: a few at a time and in order, and which of those that wait still run
 * when rosterd is to end. Real children: a pipe with a name holds them until the test lets them
 * go. */
#include "config.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <systemd/sd-event.h>
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

    clock_freeze(1800000000 * USEC_PER_SEC,
                 1000 * USEC_PER_SEC); /* the end itself is no matter */
    fill(w);
    immortal = true;
    commands_hurry(w->commands);
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
    clock_freeze(0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_few_at_a_time, begin, end),
        cmocka_unit_test_setup_teardown(test_end_drops_what_can_wait, begin, end),
        cmocka_unit_test_setup_teardown(test_end_is_an_end, begin, end),
        cmocka_unit_test_setup_teardown(test_some_that_cannot_be_ended, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
