/*
 * The log tells an operator how the program is. To the journal with fields when standard error
 * is connected to it (JOURNAL_STREAM), else plain lines on standard error, with a <N> priority
 * prefix when a service manager reads them and without it on a terminal. Control characters in
 * a message are replaced: a value from a directory cannot forge a line.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <syslog.h>

void log_open(const char *identifier);
void log_set_level(int level); /* LOG_ERR .. LOG_DEBUG; messages above it are dropped */
int log_level_from_text(
    const char *text); /* "err", "warning", "notice", "info", "debug"; -EINVAL */

/* The run whose id stands on every line (ROSTERD_RUN=) until it is cleared with 0. */
void log_set_run(uint64_t run);

/* message_id: a 32-digit hexadecimal MESSAGE_ID of base/log-ids.h, or NULL.
 * Further fields, "ROSTERD_X=value" each, as a NULL-terminated array or NULL. */
void log_write(int level, const char *message_id, const char *const *fields, const char *format,
               ...) __attribute__((format(printf, 4, 5)));

#define log_error(...)                    log_write(LOG_ERR, NULL, NULL, __VA_ARGS__)
#define log_warning(...)                  log_write(LOG_WARNING, NULL, NULL, __VA_ARGS__)
#define log_notice(...)                   log_write(LOG_NOTICE, NULL, NULL, __VA_ARGS__)
#define log_info(...)                     log_write(LOG_INFO, NULL, NULL, __VA_ARGS__)
#define log_debug(...)                    log_write(LOG_DEBUG, NULL, NULL, __VA_ARGS__)
#define log_event(level, message_id, ...) log_write(level, message_id, NULL, __VA_ARGS__)
