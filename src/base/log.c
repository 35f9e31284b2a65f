/*
 * The log: to the journal with fields, or as plain lines on standard error.
 *
 * sd_journal_sendv() answers 0 when no journal listens and the record is gone, so it is used
 * only when JOURNAL_STREAM says that standard error is the journal's own stream. A message can
 * hold anything a directory returned: control characters are shown, not sent, so a value cannot
 * forge a line or move a terminal's cursor. A line is one write() and never blocks on a lock.
 */
#include "config.h"

#define SD_JOURNAL_SUPPRESS_LOCATION /* it would always name this file */

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"

#define MESSAGE_SIZE   4096
#define LINE_SIZE      (MESSAGE_SIZE + 1024)
#define FIELDS_MAX     32
#define FIXED_FIELDS   5
#define SMALL_SIZE     96
#define MESSAGE_PREFIX "MESSAGE="

enum log_target { TARGET_PLAIN, TARGET_PREFIXED, TARGET_JOURNAL };

static char log_identifier[32] = "rosterd";
static enum log_target target = TARGET_PLAIN;
static atomic_int max_level = LOG_INFO;
static _Atomic uint64_t current_run;

static const struct {
    const char *name;
    int level;
} levels[] = {
    {"err", LOG_ERR},   {"warning", LOG_WARNING}, {"notice", LOG_NOTICE},
    {"info", LOG_INFO}, {"debug", LOG_DEBUG},
};

/* systemd.exec(5): JOURNAL_STREAM is "device:inode", both decimal. Standard error may have been
 * redirected since, and the variable inherited by a process that has nothing to do with it. */
static bool stderr_is_journal(void)
{
    const char *text = getenv("JOURNAL_STREAM");
    char own[SMALL_SIZE];
    struct stat st;

    if (!text || fstat(STDERR_FILENO, &st) < 0)
        return false;
    snprintf(own, sizeof(own), "%" PRIuMAX ":%" PRIuMAX, (uintmax_t)st.st_dev,
             (uintmax_t)st.st_ino);
    return strcmp(own, text) == 0;
}

void log_open(const char *identifier)
{
    text_printable(log_identifier, sizeof(log_identifier), identifier, strlen(identifier));
    if (stderr_is_journal())
        target = TARGET_JOURNAL;
    else if (!isatty(STDERR_FILENO) && (getenv("JOURNAL_STREAM") || getenv("INVOCATION_ID")))
        target = TARGET_PREFIXED;
    else
        target = TARGET_PLAIN;
}

void log_set_level(int level)
{
    max_level = level;
}

int log_level_from_text(const char *text)
{
    for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
        if (strcmp(levels[i].name, text) == 0)
            return levels[i].level;
    return -EINVAL;
}

void log_set_run(uint64_t run)
{
    current_run = run;
}

static const char *level_name(int level)
{
    for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
        if (levels[i].level == level)
            return levels[i].name;
    return level < LOG_ERR ? "err" : "debug";
}

static bool send_to_journal(int level, const char *message_id, const char *const *fields,
                            const char *message_field)
{
    char priority[SMALL_SIZE], identifier[SMALL_SIZE], id[SMALL_SIZE], run[SMALL_SIZE];
    struct iovec v[FIXED_FIELDS + FIELDS_MAX];
    const char *texts[FIXED_FIELDS + FIELDS_MAX];
    int n = 0;

    snprintf(priority, sizeof(priority), "PRIORITY=%d", level);
    snprintf(identifier, sizeof(identifier), "SYSLOG_IDENTIFIER=%s", log_identifier);
    texts[n++] = message_field;
    texts[n++] = priority;
    texts[n++] = identifier;
    if (message_id) {
        snprintf(id, sizeof(id), "MESSAGE_ID=%s", message_id);
        texts[n++] = id;
    }
    if (current_run != 0) {
        snprintf(run, sizeof(run), "ROSTERD_RUN=%" PRIu64, current_run);
        texts[n++] = run;
    }
    for (size_t i = 0; fields && fields[i] && i < FIELDS_MAX; i++)
        texts[n++] = fields[i];
    for (int i = 0; i < n; i++)
        v[i] = (struct iovec){(char *)texts[i], strlen(texts[i])};
    return sd_journal_sendv(v, n) >= 0;
}

static size_t add_field(char *line, size_t used, const char *field)
{
    if (used + 2 >= LINE_SIZE)
        return used;
    line[used++] = ' ';
    text_printable(line + used, LINE_SIZE - used, field, strlen(field));
    return used + strlen(line + used);
}

static void write_line(int level, const char *const *fields, const char *message)
{
    char line[LINE_SIZE + 1], run[SMALL_SIZE];

    if (target == TARGET_PLAIN)
        snprintf(line, LINE_SIZE, "%s: %s: %s", log_identifier, level_name(level), message);
    else
        snprintf(line, LINE_SIZE, "<%d>%s", level, message);
    size_t used = strlen(line);
    if (current_run != 0) {
        snprintf(run, sizeof(run), "ROSTERD_RUN=%" PRIu64, current_run);
        used = add_field(line, used, run);
    }
    for (size_t i = 0; fields && fields[i] && i < FIELDS_MAX; i++)
        used = add_field(line, used, fields[i]);
    line[used++] = '\n';

    /* There is nowhere left to report that standard error is gone. */
    ssize_t n;
    do
        n = write(STDERR_FILENO, line, used);
    while (n < 0 && errno == EINTR);
}

void log_write(int level, const char *message_id, const char *const *fields, const char *format,
               ...)
{
    char raw[MESSAGE_SIZE + 64]; /* more than fits, so that a cut is shown as one */
    char message[sizeof(MESSAGE_PREFIX) + MESSAGE_SIZE];
    char *text = message + strlen(MESSAGE_PREFIX);
    int saved = errno;
    va_list ap;

    if (level > max_level)
        return;
    memcpy(message, MESSAGE_PREFIX, sizeof(MESSAGE_PREFIX)); /* and no zeros for what is not said */
    va_start(ap, format);
    if (vsnprintf(raw, sizeof(raw), format, ap) < 0)
        snprintf(raw, sizeof(raw), "a message that cannot be formatted: %s", format);
    va_end(ap);
    text_printable(text, MESSAGE_SIZE, raw, strlen(raw));

    if (target != TARGET_JOURNAL || !send_to_journal(level, message_id, fields, message))
        write_line(level, fields, text);
    errno = saved;
}
