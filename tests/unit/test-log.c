/*
 * The log on standard error and, with sd_journal_sendv() wrapped, in the journal.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log-ids.h"
#include "base/log.h"
#include "unit.h"

static char journal[8192]; /* the fields of the last record, one a line */
static unsigned n_journal;
static int journal_answer;

int __wrap_sd_journal_sendv(const struct iovec *v, int n);
int __wrap_sd_journal_sendv(const struct iovec *v, int n)
{
    size_t used = 0;

    n_journal++;
    for (int i = 0; i < n && used + v[i].iov_len + 2 < sizeof(journal); i++) {
        memcpy(journal + used, v[i].iov_base, v[i].iov_len);
        used += v[i].iov_len;
        journal[used++] = '\n';
    }
    journal[used] = '\0';
    return journal_answer;
}

static int saved_stderr = -1, capture = -1;
static char captured[16384];

static void begin(const char *identifier)
{
    fflush(stderr);
    n_journal = 0;
    journal_answer = 0;
    saved_stderr = dup(STDERR_FILENO);
    capture = memfd_create("stderr", MFD_CLOEXEC);
    assert_true(saved_stderr >= 0 && capture >= 0);
    assert_true(dup2(capture, STDERR_FILENO) >= 0);
    unsetenv("INVOCATION_ID");
    unsetenv("JOURNAL_STREAM");
    if (identifier)
        log_open(identifier);
}

/* Gives standard error back, so that a failing assertion is seen, and returns what was written.
 */
static const char *end(void)
{
    ssize_t n = pread(capture, captured, sizeof(captured) - 1, 0);

    assert_true(dup2(saved_stderr, STDERR_FILENO) >= 0);
    close(saved_stderr);
    close(capture);
    assert_true(n >= 0);
    captured[n] = '\0';
    return captured;
}

static void test_plain(void **state)
{
    (void)state;
    begin("rosterd");
    log_set_level(LOG_INFO);
    log_warning("skipped %d people", 3);
    log_debug("not shown");
    log_set_run(17);
    const char *const fields[] = {"ROSTERD_TEAM=Sales", "ROSTERD_X=a\nb", NULL};
    log_write(LOG_NOTICE, MSG_HELD, fields, "held");
    log_set_run(0);
    log_set_level(LOG_DEBUG);
    log_debug("shown");
    log_set_level(LOG_INFO);
    assert_string_equal(end(), "rosterd: warning: skipped 3 people\n"
                               "rosterd: notice: held ROSTERD_RUN=17 ROSTERD_TEAM=Sales "
                               "ROSTERD_X=a\\x0ab\n"
                               "rosterd: debug: shown\n");
    assert_int_equal(n_journal, 0);
}

static void test_prefixed(void **state)
{
    (void)state;
    begin(NULL);
    setenv("INVOCATION_ID", "0123", 1);
    log_open("rosterd");
    log_error("gone");
    log_info("here");
    assert_string_equal(end(), "<3>gone\n<6>here\n");
}

/* T41: a value cannot forge a line, not even the priority prefix of one. */
static void test_hostile(void **state)
{
    (void)state;
    begin("rosterd");
    log_info("cn=%s", "x\n<0>forged\x1b[2J\xe2\x80\xa8");
    assert_string_equal(end(), "rosterd: info: cn=x\\x0a<0>forged\\x1b[2J\\xe2\\x80\\xa8\n");
}

static void test_long(void **state)
{
    (void)state;
    static char text[9000];
    memset(text, 'x', sizeof(text) - 1);
    begin("rosterd");
    const char *const fields[] = {text, text, NULL};
    log_set_run(5);
    log_write(LOG_INFO, NULL, fields, "%s", text);
    log_set_run(0);
    const char *line = end();
    assert_true(strlen(line) < 6000);
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    assert_non_null(strstr(line, "x\xe2\x80\xa6 ROSTERD_RUN=5 xxx"));
}

static void open_journal(void)
{
    char stream[64];
    struct stat st;
    assert_int_equal(fstat(STDERR_FILENO, &st), 0);
    snprintf(stream, sizeof(stream), "%lu:%lu", (unsigned long)st.st_dev,
             (unsigned long)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_open("rosterd");
}

static void test_journal(void **state)
{
    (void)state;
    begin(NULL);
    open_journal();
    const char *const fields[] = {"ROSTERD_TEAM=Sales", NULL};
    log_set_run(17);
    log_write(LOG_WARNING, MSG_HELD, fields, "held\n%d", 1);
    log_set_run(0);
    assert_string_equal(end(), "");
    assert_string_equal(journal, "MESSAGE=held\\x0a1\nPRIORITY=4\nSYSLOG_IDENTIFIER=rosterd\n"
                                 "MESSAGE_ID=" MSG_HELD "\nROSTERD_RUN=17\n"
                                 "ROSTERD_TEAM=Sales\n");
}

/* The journal refuses: the line must not be lost. */
static void test_journal_fails(void **state)
{
    (void)state;
    begin(NULL);
    open_journal();
    journal_answer = -ENOBUFS;
    log_error("lost?");
    assert_string_equal(end(), "<3>lost?\n");
    assert_int_equal(n_journal, 1);
}

/* The variable was inherited, but standard error goes elsewhere now. */
static void test_foreign_stream(void **state)
{
    (void)state;
    begin(NULL);
    setenv("JOURNAL_STREAM", "1:1", 1);
    log_open("rosterd");
    log_info("x");
    assert_string_equal(end(), "<6>x\n");
    assert_int_equal(n_journal, 0);
}

static void test_levels(void **state)
{
    (void)state;
    assert_int_equal(log_level_from_text("err"), LOG_ERR);
    assert_int_equal(log_level_from_text("warning"), LOG_WARNING);
    assert_int_equal(log_level_from_text("notice"), LOG_NOTICE);
    assert_int_equal(log_level_from_text("info"), LOG_INFO);
    assert_int_equal(log_level_from_text("debug"), LOG_DEBUG);
    assert_int_equal(log_level_from_text("Debug"), -EINVAL);
    assert_int_equal(log_level_from_text(""), -EINVAL);
}

static void test_errno_survives(void **state)
{
    (void)state;
    begin("rosterd");
    errno = ENOENT;
    log_info("x: %m");
    int after = errno;
    assert_string_equal(end(), "rosterd: info: x: No such file or directory\n");
    assert_int_equal(after, ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),          cmocka_unit_test(test_prefixed),
        cmocka_unit_test(test_hostile),        cmocka_unit_test(test_long),
        cmocka_unit_test(test_journal),        cmocka_unit_test(test_journal_fails),
        cmocka_unit_test(test_foreign_stream), cmocka_unit_test(test_levels),
        cmocka_unit_test(test_errno_survives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
