/* Text for a terminal or a pipe: colours, widths, tables. Nothing from outside reaches the
 * terminal unfiltered. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

enum colour {
    COLOUR_NONE = 0,
    COLOUR_RED,
    COLOUR_GREEN,
    COLOUR_YELLOW,
    COLOUR_CYAN,
    COLOUR_DIM,
    COLOUR_BOLD,
};

struct output {
    struct buffer text;
    bool colour;
    unsigned width;    /* columns of the terminal; 0: no limit */
    bool verbatim;     /* for programs: lines stay as they are */
    uint64_t now_usec; /* for "5min ago" */
    json_t *people;    /* whose DN was told already; see render_person() */
};

enum colour_wish { COLOUR_AUTO = 0, COLOUR_ALWAYS = 1, COLOUR_NEVER = 2 };
/* Looks at standard output, NO_COLOR, TERM and COLUMNS. */
void output_init(struct output *o, enum colour_wish wish);
void output_done(struct output *o);

/* Our own words. */
void output_format(struct output *o, const char *format, ...) __attribute__((format(printf, 2, 3)));
void output_colour(struct output *o, enum colour colour, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A text from outside, made printable; NULL is shown as nothing. */
void output_text(struct output *o, const char *text);
void output_text_colour(struct output *o, enum colour colour, const char *text);
/* Made printable; malloc'd, NULL without memory. */
char *output_printable(const char *text);
void output_add_printable(struct buffer *b, const char *text); /* NULL: nothing */
/* On one line for whoever reads lines, whatever they take for the end of one: what steers a
 * terminal or divides lines stands there as \uXXXX, which is the same value. */
void output_json(struct buffer *b, const json_t *value, size_t flags);
/* The same of a value that stands so deep within another one. */
void output_json_within(struct buffer *b, const json_t *value, size_t flags, unsigned depth);
void output_json_text(struct buffer *b, const char *text, size_t size); /* the same of a string */
extern const char *const output_colours[];

/* layout.c. Ends a line: where it is wider than the terminal it is broken at blanks, and what is
 * continued stands at the column `hang`. Nothing is cut. */
void output_end(struct output *o, unsigned hang);
/* A sentence from outside in lines of its own. */
void output_sentence(struct output *o, unsigned indent, const char *text);
/* Breaks what is still too wide; continued lines stand four columns further in. */
void output_wrap(struct output *o);
/* Writes what is there already to standard output once it is much, so that long answers take
 * no memory. 0 or -errno. */
int output_flush(struct output *o);

/* "2026-11-24 14:39:54 UTC (5min ago)"; "never" for NULL. */
void output_time(struct output *o, const char *iso);
/* "5min ago" or "in 5min" into buffer; "-" for NULL. */
const char *output_age(const struct output *o, const char *iso, char *buffer, size_t size);

/* Columns that a text takes on a terminal. */
unsigned output_columns(const char *text);

#define TABLE_COLUMNS_MAX 8
struct table_cell {
    char *text; /* printable */
    enum colour colour;
};
struct table {
    size_t n_columns;
    const char *const *heads; /* NULL: none */
    unsigned right;           /* bit mask of columns aligned to the right */
    struct table_cell *cells;
    size_t n_cells, capacity;
    bool failed;
};
void table_done(struct table *t);
void table_add(struct table *t, enum colour colour, const char *text); /* the next cell */
void table_format(struct table *t, enum colour colour, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Cells of the widest columns are broken into lines until it fits. */
void table_print(const struct table *t, struct output *o, unsigned indent);
