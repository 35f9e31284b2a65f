/*
 * What a test in the bed saw, line by line, for whoever wants to know whether a change of the
 * code changes what it does: with ROSTERD_TRACE=FILE each request with all that it carries, each
 * answer, and each statement that writes the state, commits and audit rows among them, are added
 * to that file. Two builds that do the same write the same bytes, from the same seeds.
 */
#pragma once

struct sqlite3;

/* A line; nothing without ROSTERD_TRACE. */
void trace_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
void trace_state(struct sqlite3 *db);
