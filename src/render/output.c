/*
 * Text for a terminal or a pipe. Whatever comes from the daemon goes through text_printable(),
 * so a name in the directory cannot move the cursor of an operator's terminal.
 */
#include "config.h"

#include "render/output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <uniwidth.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"

static const char *const colour_codes[] = {
    [COLOUR_NONE] = "",           [COLOUR_RED] = "\033[31m",  [COLOUR_GREEN] = "\033[32m",
    [COLOUR_YELLOW] = "\033[33m", [COLOUR_CYAN] = "\033[36m", [COLOUR_DIM] = "\033[2m",
    [COLOUR_BOLD] = "\033[1m",
};

void output_init(struct output *o, enum colour_wish wish)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM"),
               *columns = getenv("COLUMNS");
    bool terminal = isatty(STDOUT_FILENO) == 1;
    struct winsize size = {0};
    uint64_t n = 0;

    *o = (struct output){.now_usec = clock_now_usec()};
    o->colour = wish == COLOUR_ALWAYS ||
                (wish == COLOUR_AUTO && terminal && (!no_color || !*no_color) && term &&
                 strcmp(term, "dumb") != 0);
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
}

__attribute__((format(printf, 2, 0))) static void format_into(struct output *o,
                                                              const char *format, va_list ap)
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
        buffer_add_text(&o->text, colour_codes[colour]);
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

/* Malloc'd; never cut. */
static char *printable(const char *text)
{
    size_t size = strlen(text);
    char *buffer = malloc(4 * size + 1); /* \xNN for a byte at worst */

    return buffer ? text_printable(buffer, 4 * size + 1, text, size) : NULL;
}

void output_text(struct output *o, const char *text)
{
    if (!text)
        return;
    CLEANUP(freep) char *shown = printable(text);
    if (shown)
        buffer_add_text(&o->text, shown);
    else
        o->text.failed = true;
}

void output_text_colour(struct output *o, enum colour colour, const char *text)
{
    begin(o, colour);
    output_text(o, text);
    end(o, colour);
}

unsigned output_columns(const char *text)
{
    int n = u8_strwidth((const uint8_t *)text, "UTF-8");

    return n > 0 ? (unsigned)n : 0;
}

static void pad(struct output *o, unsigned n)
{
    for (; n > 0; n--)
        buffer_add(&o->text, " ", 1);
}

void output_sentence(struct output *o, unsigned indent, const char *text)
{
    CLEANUP(freep) char *shown = text ? printable(text) : NULL;
    unsigned column = indent;

    if (!shown)
        return;
    pad(o, indent);
    for (const char *p = shown; *p;) {
        size_t size = strcspn(p, " ");
        CLEANUP(freep) char *word = strndup(p, size);
        unsigned columns = word ? output_columns(word) : 0;
        if (column > indent && o->width > 0 && column + 1 + columns > o->width) {
            buffer_add_text(&o->text, "\n");
            pad(o, indent);
            column = indent;
        } else if (column > indent) {
            buffer_add_text(&o->text, " ");
            column++;
        }
        buffer_add(&o->text, p, size);
        column += columns;
        p += size;
        p += strspn(p, " ");
    }
    buffer_add_text(&o->text, "\n");
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
    output_format(o, "%.10s %.8s UTC (%s)", iso, iso + 11,
                  output_age(o, iso, age, sizeof(age)));
}

void table_done(struct table *t)
{
    for (size_t i = 0; i < t->n_cells; i++)
        free(t->cells[i].text);
    free(t->cells);
    t->cells = NULL;
    t->n_cells = t->capacity = 0;
}

void table_add(struct table *t, enum colour colour, const char *text)
{
    if (t->failed ||
        memory_grow(&t->cells, &t->capacity, t->n_cells + 1, sizeof(*t->cells)) < 0) {
        t->failed = true;
        return;
    }
    char *shown = printable(text ? text : "");
    if (!shown) {
        t->failed = true;
        return;
    }
    t->cells[t->n_cells++] = (struct table_cell){shown, colour};
}

void table_format(struct table *t, enum colour colour, const char *format, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, format);
    (void)vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    table_add(t, colour, text);
}

static void measure(const struct table *t, unsigned widths[static TABLE_COLUMNS_MAX])
{
    for (size_t c = 0; c < t->n_columns; c++)
        widths[c] = output_columns(t->heads[c]);
    for (size_t i = 0; i < t->n_cells; i++) {
        unsigned n = output_columns(t->cells[i].text);
        if (n > widths[i % t->n_columns])
            widths[i % t->n_columns] = n;
    }
}

unsigned table_width(const struct table *t)
{
    unsigned widths[TABLE_COLUMNS_MAX] = {0}, total = 0;

    measure(t, widths);
    for (size_t c = 0; c < t->n_columns; c++)
        total += widths[c] + (c > 0 ? 2 : 0);
    return total;
}

/* Takes from the widest column, one by one, down to a width that still says something. */
static void shrink(const struct table *t, unsigned widths[static TABLE_COLUMNS_MAX],
                   unsigned room)
{
    for (;;) {
        unsigned total = 0;
        size_t widest = 0;
        for (size_t c = 0; c < t->n_columns; c++) {
            total += widths[c] + (c > 0 ? 2 : 0);
            if (widths[c] > widths[widest])
                widest = c;
        }
        if (total <= room || widths[widest] <= 8)
            return;
        widths[widest]--;
    }
}

/* The longest beginning that takes at most `columns`. */
static size_t fitting(const char *text, unsigned columns)
{
    size_t size = 0;

    for (size_t next = 0; text[next];) {
        for (next++; ((unsigned char)text[next] & 0xc0) == 0x80; next++)
            ;
        int width = u8_width((const uint8_t *)text, next, "UTF-8");
        if (width > 0 && (unsigned)width > columns)
            break;
        size = next;
    }
    return size;
}

/* No blanks at the end of a line. */
static void trim_line(struct output *o)
{
    while (o->text.size > 0 && o->text.data[o->text.size - 1] == ' ')
        o->text.data[--o->text.size] = '\0';
    buffer_add_text(&o->text, "\n");
}

static void print_cell(struct output *o, const char *text, enum colour colour, unsigned width,
                       bool right, bool last)
{
    unsigned columns = output_columns(text);
    size_t size = strlen(text);
    bool cut = columns > width;

    if (cut) {
        size = fitting(text, width - 1);
        columns = (unsigned)u8_width((const uint8_t *)text, size, "UTF-8") + 1;
    }
    if (right)
        pad(o, width - columns);
    if (size > 0) {
        begin(o, colour);
        buffer_add(&o->text, text, size);
        if (cut)
            buffer_add_text(&o->text, "…");
        end(o, colour);
    }
    if (!right && !last)
        pad(o, width - columns);
    if (!last)
        pad(o, 2);
}

void table_print(const struct table *t, struct output *o, unsigned indent)
{
    unsigned widths[TABLE_COLUMNS_MAX] = {0};

    if (t->failed) {
        o->text.failed = true;
        return;
    }
    measure(t, widths);
    if (o->width > 0)
        shrink(t, widths, o->width > indent ? o->width - indent : 1);
    pad(o, indent);
    for (size_t c = 0; c < t->n_columns; c++)
        print_cell(o, t->heads[c], COLOUR_BOLD, widths[c], (t->right >> c) & 1u,
                   c + 1 == t->n_columns);
    trim_line(o);
    for (size_t i = 0; i < t->n_cells; i++) {
        size_t c = i % t->n_columns;
        if (c == 0)
            pad(o, indent);
        print_cell(o, t->cells[i].text, t->cells[i].colour, widths[c], (t->right >> c) & 1u,
                   c + 1 == t->n_columns);
        if (c + 1 == t->n_columns)
            trim_line(o);
    }
}

#define FLUSH_SIZE (64 * 1024)

int output_flush(struct output *o)
{
    if (o->text.size < FLUSH_SIZE)
        return 0;
    errno = 0;
    if (fwrite(o->text.data, 1, o->text.size, stdout) < o->text.size)
        return errno ? -errno : -EIO;
    buffer_clear(&o->text);
    return 0;
}
