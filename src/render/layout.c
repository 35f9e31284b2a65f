/*
 * Lines and tables within the width of the terminal. Tables are laid out by libsmartcols: it
 * aligns, pads and colours, and knows cells of several lines. It has no notion of words, so
 * where a text is broken is decided here, for cells and lines alike; nothing is ever cut.
 */
#include "config.h"

#include <errno.h>
#include <libsmartcols.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "base/memory.h"
#include "render/output.h"

#define RESET "\033[0m"

/* Texts are UTF-8 whatever the locale of the user or the service is. */
static locale_t use_utf8(void)
{
    static locale_t utf8;

    if (!utf8)
        utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
    if (!utf8)
        utf8 = newlocale(LC_CTYPE_MASK, "C.utf8", NULL);
    return uselocale(utf8); /* NULL changes nothing */
}

/* Of one character, in columns; a colour takes none. */
static size_t character(const char *text, size_t size, unsigned *ret_columns)
{
    mbstate_t state = {0};
    wchar_t wide;

    *ret_columns = 0;
    if (*text == '\033')
        for (size_t n = 1; n < size; n++)
            if (text[n] == 'm')
                return n + 1;
    size_t n = mbrtowc(&wide, text, size, &state);
    if (n == 0 || n > size) { /* no character of this locale: a byte is a column */
        *ret_columns = 1;
        return 1;
    }
    int width = wcwidth(wide);
    *ret_columns = width > 0 ? (unsigned)width : 0;
    return n;
}

static unsigned columns_of(const char *text, size_t size)
{
    unsigned total = 0, columns;

    for (size_t i = 0; i < size; total += columns)
        i += character(text + i, size - i, &columns);
    return total;
}

unsigned output_columns(const char *text)
{
    locale_t before = use_utf8();
    unsigned n = columns_of(text, strlen(text));

    (void)uselocale(before);
    return n;
}

/* A text being broken into lines. */
struct fold {
    struct buffer *to;
    unsigned width, hang, column;
    char colour[16]; /* the one that is on; "" when none is */
};

static void pad(struct buffer *b, unsigned n)
{
    for (; n > 0; n--)
        buffer_add(b, " ", 1);
}

/* A pager shows lines one by one, so a colour ends with its line and begins anew. */
static void next_line(struct fold *f)
{
    buffer_add_text(f->to, f->colour[0] ? RESET "\n" : "\n");
    pad(f->to, f->hang);
    buffer_add_text(f->to, f->colour);
    f->column = f->hang;
}

static void add_word(struct fold *f, const char *word, size_t size)
{
    unsigned columns;

    for (size_t i = 0, n; i < size; i += n) {
        n = character(word + i, size - i, &columns);
        buffer_add(f->to, word + i, n);
        f->column += columns;
        if (word[i] != '\033' || n >= sizeof(f->colour))
            continue;
        bool off = n == strlen(RESET) && memcmp(word + i, RESET, n) == 0;
        memcpy(f->colour, word + i, off ? 0 : n);
        f->colour[off ? 0 : n] = '\0';
    }
}

/* How much of a word that is longer than a line goes into one: up to a comma or the like if
 * there is one in the second half, else what fits. */
static size_t part_of(const char *word, size_t size, unsigned room)
{
    size_t fits = 0, good = 0;
    unsigned total = 0, columns;

    for (size_t i = 0; i < size;) {
        size_t n = character(word + i, size - i, &columns);
        total += columns;
        if (total > room)
            break;
        if (strchr(",;/)", word[i]) && total > room / 2)
            good = i + n;
        i += n;
        fits = i;
    }
    if (good > 0 && fits < size)
        return good;
    return fits > 0 ? fits : character(word, size, &columns);
}

static void fold(struct fold *f, const char *text, size_t size)
{
    const char *end = text + size;

    for (const char *p = text; p < end;) {
        size_t blanks = strspn(p, " ");
        if (blanks > (size_t)(end - p))
            blanks = (size_t)(end - p);
        const char *word = p + blanks;
        size_t n = 0;
        while (word + n < end && word[n] != ' ')
            n++;
        if (n == 0) /* blanks at the end may not fit, and nobody misses them */
            return;
        unsigned columns = columns_of(word, n);
        if (f->column > f->hang && f->column + blanks + columns > f->width && columns > 0) {
            next_line(f);
        } else {
            pad(f->to, (unsigned)blanks);
            f->column += (unsigned)blanks;
        }
        while ((columns = columns_of(word, n)) > 0 && f->column + columns > f->width &&
               f->width > f->hang) {
            if (f->column >= f->width) { /* so many blanks are before it */
                next_line(f);
                continue;
            }
            size_t part = part_of(word, n, f->width - f->column);
            add_word(f, word, part);
            word += part;
            n -= part;
            if (n > 0)
                next_line(f);
        }
        add_word(f, word, n);
        p = word + n;
    }
}

static size_t line_start(const struct buffer *b)
{
    size_t n = b->size;

    while (n > 0 && b->data[n - 1] != '\n')
        n--;
    return n;
}

void output_end(struct output *o, unsigned hang)
{
    size_t start = line_start(&o->text);
    const char *line = o->text.data ? o->text.data + start : "";
    size_t size = o->text.size - start;
    locale_t before = use_utf8();

    if (o->width > hang + 8 && columns_of(line, size) > o->width) {
        CLEANUP(freep) char *copy = strndup(line, size);
        struct fold f = {.to = &o->text, .width = o->width, .hang = hang};
        if (!copy)
            o->text.failed = true;
        o->text.size = start;
        fold(&f, copy ? copy : "", copy ? size : 0);
    }
    (void)uselocale(before);
    buffer_add_text(&o->text, "\n");
}

/* Of a line that may begin with the end of a colour. */
static unsigned indent_of(const char *line)
{
    while (*line == '\033' && line[strcspn(line, "m\n")] == 'm')
        line += strcspn(line, "m") + 1;
    return (unsigned)strspn(line, " ");
}

void output_wrap(struct output *o)
{
    struct buffer raw = o->text;

    if (o->width == 0 || o->verbatim || !raw.data || raw.failed)
        return;
    o->text = (struct buffer){0};
    for (char *line = raw.data, *end = raw.data + raw.size; line < end;) {
        char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t size = (size_t)((stop ? stop : end) - line);
        buffer_add(&o->text, line, size);
        if (stop)
            output_end(o, indent_of(line) + 4);
        line += size + 1;
    }
    buffer_done(&raw);
}

#define FLUSH_SIZE (64 * 1024)

int output_flush(struct output *o)
{
    if (o->text.size < FLUSH_SIZE)
        return 0;
    output_wrap(o);
    errno = 0;
    if (fwrite(o->text.data, 1, o->text.size, stdout) < o->text.size)
        return errno ? -errno : -EIO;
    buffer_clear(&o->text);
    return 0;
}

void output_sentence(struct output *o, unsigned indent, const char *text)
{
    if (!text)
        return;
    pad(&o->text, indent);
    output_text(o, text);
    output_end(o, indent);
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
    if (t->failed || memory_grow(&t->cells, &t->capacity, t->n_cells + 1, sizeof(*t->cells)) < 0) {
        t->failed = true;
        return;
    }
    char *shown = output_printable(text ? text : "");
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

#define NARROWEST 8

/* What each column takes when nothing is broken; then the widest gives, one by one, until all
 * fit. */
static void share_width(const struct table *t, unsigned room,
                        unsigned widths[static TABLE_COLUMNS_MAX])
{
    unsigned total = 2 * (unsigned)(t->n_columns - 1);
    size_t widest = 0;

    for (size_t c = 0; c < t->n_columns; c++)
        widths[c] = t->heads ? output_columns(t->heads[c]) : 0;
    for (size_t i = 0; i < t->n_cells; i++) {
        unsigned n = output_columns(t->cells[i].text);
        if (n > widths[i % t->n_columns])
            widths[i % t->n_columns] = n;
    }
    for (size_t c = 0; c < t->n_columns; c++)
        total += widths[c];
    for (; room > 0 && total > room; total--) {
        for (size_t c = 0; c < t->n_columns; c++)
            if (widths[c] > widths[widest])
                widest = c;
        if (widths[widest] <= NARROWEST)
            return;
        widths[widest]--;
    }
}

static int add_columns(struct libscols_table *table, const struct table *t, bool colour)
{
    for (size_t c = 0; c < t->n_columns; c++) {
        int flags = SCOLS_FL_WRAP | ((t->right >> c) & 1u ? SCOLS_FL_RIGHT : 0);
        struct libscols_column *column =
            scols_table_new_column(table, t->heads ? t->heads[c] : "", 0, flags);
        if (!column || scols_column_set_wrapfunc(column, scols_wrapnl_chunksize,
                                                 scols_wrapnl_nextchunk, NULL) < 0)
            return -ENOMEM;
        if (colour && t->heads && *t->heads[c])
            (void)scols_cell_set_color(scols_column_get_header(column),
                                       output_colours[COLOUR_BOLD]);
    }
    return 0;
}

static int add_cell(struct libscols_line *line, size_t c, const struct table_cell *cell,
                    unsigned width, bool colour)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    struct fold f = {.to = &b, .width = width};

    fold(&f, cell->text, strlen(cell->text));
    for (size_t i = 0; MB_CUR_MAX == 1 && i < b.size; i++) /* the library would never come back */
        if (b.data[i] & 0x80)
            b.data[i] = '?';
    if (b.failed || scols_line_set_data(line, c, b.data ? b.data : "") < 0)
        return -ENOMEM;
    if (colour && cell->colour != COLOUR_NONE && *cell->text)
        (void)scols_cell_set_color(scols_line_get_cell(line, c), output_colours[cell->colour]);
    return 0;
}

static int fill(struct libscols_table *table, const struct table *t,
                const unsigned widths[static TABLE_COLUMNS_MAX], bool colour)
{
    struct libscols_line *line = NULL;

    if (add_columns(table, t, colour) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < t->n_cells; i++) {
        size_t c = i % t->n_columns;
        if (c == 0)
            line = scols_table_new_line(table, NULL);
        if (!line || add_cell(line, c, &t->cells[i], widths[c], colour) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* Indented, and without the blanks that the library leaves at the ends of lines. */
static void add_printed(struct output *o, const char *text, unsigned indent)
{
    while (*text) {
        size_t size = strcspn(text, "\n"), n = size;
        bool colour = n >= 4 && memcmp(text + n - 4, RESET, 4) == 0;
        n -= colour ? 4 : 0;
        while (n > 0 && text[n - 1] == ' ')
            n--;
        pad(&o->text, n > 0 ? indent : 0);
        buffer_add(&o->text, text, n);
        buffer_add_text(&o->text, colour ? RESET "\n" : "\n");
        text += size + (text[size] == '\n');
    }
}

void table_print(const struct table *t, struct output *o, unsigned indent)
{
    struct libscols_table *table = t->failed ? NULL : scols_new_table();
    unsigned widths[TABLE_COLUMNS_MAX] = {0};
    char *text = NULL;
    locale_t before = use_utf8();

    share_width(t, o->width > indent ? o->width - indent : 0, widths);
    if (!table || scols_table_set_column_separator(table, "  ") < 0 ||
        scols_table_enable_noencoding(table, 1) < 0 || /* cells are printable already */
        scols_table_enable_noheadings(table, !t->heads) < 0 ||
        scols_table_enable_colors(table, o->colour) < 0 ||
        scols_table_set_termforce(table, SCOLS_TERMFORCE_NEVER) < 0 || /* widths are shared out */
        fill(table, t, widths, o->colour) < 0 || scols_print_table_to_string(table, &text) < 0)
        o->text.failed = true;
    else if (text)
        add_printed(o, text, indent);
    (void)uselocale(before);
    free(text);
    scols_unref_table(table);
}
