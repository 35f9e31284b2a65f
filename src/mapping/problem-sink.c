/*
 * Configuration problems on their way to the caller: puts the place to the sentence. It keeps
 * nothing but whether there was an error.
 */
#include "config.h"

#include "mapping/problem-sink.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"
#include "mapping/options.h"

void problem_tell(struct problem_sink *p, enum problem_level level,
                  const struct mapping_text *where, unsigned column, const char *format, ...)
{
    char raw[sizeof(((struct error *)NULL)->message)];
    struct error e = {0};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(raw, sizeof(raw), format, arguments);
    va_end(arguments);
    error_set(&e, 0, "%s", raw); /* makes hostile bytes printable */
    if (level == PROBLEM_ERROR)
        p->failed = true;
    struct problem problem = {.level = level,
                              .file = where && where->file ? where->file : "",
                              .line = where ? where->line : 0,
                              .column = column,
                              .sentence = e.message};
    if (p->report)
        p->report(&problem, p->userdata);
}

unsigned problem_column(struct problem_sink *p, const char *text, size_t offset)
{
    if (p->text != text || p->offset > offset) {
        p->text = text;
        p->offset = 0;
        p->column = 1;
    }
    for (; p->offset < offset && text[p->offset]; p->offset++)
        if (((unsigned char)text[p->offset] & 0xC0) != 0x80)
            p->column++;
    return p->column;
}
