/* The trace: lines of a file that the environment names. */
#include "config.h"

#include "trace.h"

#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static FILE *trace_file(void)
{
    static FILE *f;
    static bool asked;
    const char *path = asked ? NULL : getenv("ROSTERD_TRACE");
    asked = true;
    if (path && !(f = fopen(path, "ae"))) {
        fprintf(stderr, "ROSTERD_TRACE: %s: %m\n", path);
        exit(1);
    }
    return f;
}

void trace_line(const char *format, ...)
{
    FILE *f = trace_file();
    va_list arguments;
    if (!f)
        return;
    va_start(arguments, format);
    vfprintf(f, format, arguments);
    va_end(arguments);
    fputc('\n', f);
}

static int on_statement(unsigned what, void *userdata, void *p, void *x)
{
    const char *sql = x;
    (void)what;
    (void)userdata;
    if (sqlite3_stmt_readonly(p) && strncasecmp(sql, "COMMIT", 6) != 0 &&
        strncasecmp(sql, "ROLLBACK", 8) != 0)
        return 0;
    char *text = sqlite3_expanded_sql(p);
    trace_line("= %s", text ? text : sql);
    sqlite3_free(text);
    return 0;
}

void trace_state(struct sqlite3 *db)
{
    if (trace_file())
        sqlite3_trace_v2(db, SQLITE_TRACE_STMT, on_statement, NULL);
}
