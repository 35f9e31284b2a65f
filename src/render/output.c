/*
 * Text for a terminal or a pipe. Whatever comes from the daemon goes through text_printable(),
 * so a name in the directory cannot move the cursor of an operator's terminal.
 */
#include "config.h"

#include "render/output.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"

const char *const output_colours[] = {
    [COLOUR_NONE] = "",           [COLOUR_RED] = "\033[31m",  [COLOUR_GREEN] = "\033[32m",
    [COLOUR_YELLOW] = "\033[33m", [COLOUR_CYAN] = "\033[36m", [COLOUR_DIM] = "\033[2m",
    [COLOUR_BOLD] = "\033[1m",
};

void output_init(struct output *o, enum colour_wish wish)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM"), *columns = getenv("COLUMNS");
    bool terminal = isatty(STDOUT_FILENO) == 1;
    struct winsize size = {0};
    uint64_t n = 0;

    *o = (struct output){.now_usec = clock_now_usec()};
    o->colour =
        wish == COLOUR_ALWAYS || (wish == COLOUR_AUTO && terminal && (!no_color || !*no_color) &&
                                  term && strcmp(term, "dumb") != 0);
    if (!terminal)
        return;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
        o->width = size.ws_col;
    if (o->width == 0 && columns && text_parse_unsigned(columns, 10000, &n) == 0)
        o->width = (unsigned)n;
    if (o->width > 0 && o->width < 40)
        o->width = 40;
}

void output_done(struct output *o)
{
    buffer_done(&o->text);
    json_decref(o->people);
    o->people = NULL;
}

__attribute__((format(printf, 2, 0))) static void format_into(struct output *o, const char *format,
                                                              va_list ap)
{
    char text[2048];

    (void)vsnprintf(text, sizeof(text), format, ap);
    buffer_add_text(&o->text, text);
}

void output_format(struct output *o, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    format_into(o, format, ap);
    va_end(ap);
}

static void begin(struct output *o, enum colour colour)
{
    if (o->colour)
        buffer_add_text(&o->text, output_colours[colour]);
}

static void end(struct output *o, enum colour colour)
{
    if (o->colour && colour != COLOUR_NONE)
        buffer_add_text(&o->text, "\033[0m");
}

void output_colour(struct output *o, enum colour colour, const char *format, ...)
{
    va_list ap;

    begin(o, colour);
    va_start(ap, format);
    format_into(o, format, ap);
    va_end(ap);
    end(o, colour);
}

char *output_printable(const char *text)
{
    size_t size = strlen(text);
    char *buffer = malloc(4 * size + 1); /* \xNN for a byte at worst */

    return buffer ? text_printable(buffer, 4 * size + 1, text, size) : NULL;
}

void output_add_printable(struct buffer *b, const char *text)
{
    size_t size = text ? strlen(text) : 0;
    if (text_is_plain(text, size)) { /* nearly all */
        buffer_add(b, text, size);
        return;
    }
    CLEANUP(freep) char *shown = output_printable(text);
    if (shown)
        buffer_add_text(b, shown);
    else
        b->failed = true;
}

void output_text(struct output *o, const char *text)
{
    output_add_printable(&o->text, text);
}

void output_text_colour(struct output *o, enum colour colour, const char *text)
{
    begin(o, colour);
    output_text(o, text);
    end(o, colour);
}

const char *output_age(const struct output *o, const char *iso, char *buffer, size_t size)
{
    char duration[64];
    uint64_t usec;

    if (!iso || clock_parse(iso, &usec) < 0)
        return "-";
    bool past = usec <= o->now_usec;
    uint64_t difference = past ? o->now_usec - usec : usec - o->now_usec;
    if (difference < USEC_PER_SEC)
        return "now";
    difference -= difference % USEC_PER_SEC;
    (void)text_format_duration(duration, sizeof(duration), difference);
    (void)snprintf(buffer, size, past ? "%s ago" : "in %s", duration);
    return buffer;
}

void output_time(struct output *o, const char *iso)
{
    char age[80];
    uint64_t usec;

    if (!iso) {
        output_format(o, "never");
        return;
    }
    if (clock_parse(iso, &usec) < 0) {
        output_text(o, iso);
        return;
    }
    output_format(o, "%.10s %.8s UTC (%s)", iso, iso + 11, output_age(o, iso, age, sizeof(age)));
}
