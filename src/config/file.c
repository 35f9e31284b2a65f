/*
 * Reads the configuration's grammar. Every line is looked at, whatever is wrong with the ones
 * before, so that one pass reports all. Values are raw: no quoting and no backslash processing,
 * since backslashes, quotes, '#' and ';' belong to DNs and filters. What may be meant as
 * something else (an indented key, an indented section, a comment inside a value) is refused
 * instead of guessed.
 */
#include "config.h"

#include "config/file.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "config/settings.h"

struct reader {
    struct config_document *document;
    struct problem_list *problems;
    bool (*is_key)(const char *word);
    struct config_section *section; /* NULL: before the first, or in one that was refused */
    struct config_item *open;       /* the value that an indented line continues */
    bool skip_continuation;         /* of a line that was refused */
    bool section_refused;           /* its lines are read but kept nowhere */
    bool said_carriage_return;
    unsigned line;
    int result; /* -ENOMEM */
};

static void item_done(struct config_item *i)
{
    free(i->key);
    free(i->text);
    free(i->pieces);
}

static void section_done(struct config_section *s)
{
    for (size_t i = 0; i < s->n_items; i++)
        item_done(&s->items[i]);
    free(s->items);
    free(s->name);
    free(s->label);
}

struct config_document *config_document_free(struct config_document *d)
{
    if (!d)
        return NULL;
    for (size_t i = 0; i < d->n_sections; i++)
        section_done(&d->sections[i]);
    free(d->sections);
    free(d->file);
    free(d);
    return NULL;
}

/* Columns count characters, as editors do: bytes that do not continue one. */
static unsigned characters(const char *text, size_t size)
{
    unsigned n = 0;

    for (size_t i = 0; i < size && text[i]; i++)
        n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

void config_item_place(const struct config_item *item, size_t offset, unsigned *ret_line,
                       unsigned *ret_column)
{
    const struct config_piece *p = &item->pieces[0];

    for (size_t i = 1; i < item->n_pieces && item->pieces[i].offset <= offset; i++)
        p = &item->pieces[i];
    *ret_line = p->line;
    *ret_column = p->column + characters(item->text + p->offset, offset - p->offset);
}

__attribute__((format(printf, 3, 4))) static void refuse(struct reader *r, unsigned column,
                                                         const char *format, ...)
{
    char sentence[512];
    va_list ap;

    va_start(ap, format);
    (void)vsnprintf(sentence, sizeof(sentence), format, ap);
    va_end(ap);
    if (problem_add(r->problems, PROBLEM_ERROR, r->document->file, r->line, column, "%s",
                    sentence) < 0)
        r->result = -ENOMEM;
    r->skip_continuation = true;
    r->open = NULL;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static size_t trimmed(const char *text, size_t size)
{
    while (size > 0 && is_blank(text[size - 1]))
        size--;
    return size;
}

/* How many bytes at the beginning are whole characters. */
static size_t valid_prefix(const char *text, size_t size)
{
    size_t good = 0;

    while (good < size) {
        size_t n = 1;
        while (n <= 4 && good + n <= size && !text_is_utf8(text + good, n))
            n++;
        if (n > 4 || good + n > size)
            break;
        good += n;
    }
    return good;
}

/* For a sentence: the text shortened and printable. */
static const char *quoted(char buffer[static 80], const char *text, size_t size)
{
    return text_printable(buffer, 80, text, size);
}

static bool is_word(const char *text, size_t size)
{
    if (size == 0)
        return false;
    for (size_t i = 0; i < size; i++)
        if (!isalnum((unsigned char)text[i]) && text[i] != '_')
            return false;
    return true;
}

/* `[name]` or `[name "label"]`, without the brackets. false: refused. */
static bool split_head(struct reader *r, const char *text, size_t size, size_t *ret_name_size,
                       const char **ret_label, size_t *ret_label_size)
{
    size_t n = 0;

    while (n < size && !is_blank(text[n]) && text[n] != '"')
        n++;
    *ret_name_size = n;
    *ret_label = NULL;
    if (!is_word(text, n)) {
        refuse(r, 2, "a section's name is one word, as in [directory] or [rule \"NAME\"]");
        return false;
    }
    while (n < size && is_blank(text[n]))
        n++;
    if (n == size)
        return true;
    if (text[n] != '"' || size - n < 2 || text[size - 1] != '"') {
        refuse(r, (unsigned)n + 2,
               "the second word of a section stands in double quotes, as "
               "in [rule \"NAME\"]");
        return false;
    }
    *ret_label = text + n + 1;
    *ret_label_size = size - n - 2;
    if (trimmed(*ret_label, *ret_label_size) == 0) {
        refuse(r, (unsigned)n + 2, "the name between the quotes is empty");
        return false;
    }
    return true;
}

static void read_head(struct reader *r, const char *text, size_t size)
{
    struct config_document *d = r->document;
    size_t name_size, label_size = 0;
    const char *label;

    r->section = NULL;
    r->section_refused = true;
    if (text[size - 1] != ']') {
        refuse(r, (unsigned)size,
               "this section head does not end in ']' (a comment takes a "
               "line of its own)");
        return;
    }
    if (!split_head(r, text + 1, size - 2, &name_size, &label, &label_size))
        return;
    if (memory_grow(&d->sections, &d->sections_capacity, d->n_sections + 1, sizeof(*d->sections)) <
        0) {
        r->result = -ENOMEM;
        return;
    }
    struct config_section *s = &d->sections[d->n_sections];
    *s = (struct config_section){.line = r->line, .name = strndup(text + 1, name_size)};
    if (label)
        s->label = strndup(label, label_size);
    d->n_sections++;
    if (!s->name || (label && !s->label)) {
        r->result = -ENOMEM;
        return;
    }
    r->section = s;
    r->section_refused = false;
    r->open = NULL;
    r->skip_continuation = false;
}

static int add_piece(struct config_item *item, size_t offset, unsigned line, unsigned column)
{
    if (memory_grow(&item->pieces, &item->pieces_capacity, item->n_pieces + 1,
                    sizeof(*item->pieces)) < 0)
        return -ENOMEM;
    item->pieces[item->n_pieces++] = (struct config_piece){offset, line, column};
    return 0;
}

static void read_item(struct reader *r, const char *text, size_t size)
{
    char shown[80];
    const char *equals = memchr(text, '=', size);

    if (!equals) {
        refuse(r, 1, "'%s' is neither a comment, a [section] nor 'key = value'",
               quoted(shown, text, size));
        return;
    }
    size_t key_size = trimmed(text, (size_t)(equals - text));
    if (!is_word(text, key_size)) {
        refuse(r, 1, "'%s' is not a key: before the first '=' stands one word",
               quoted(shown, text, key_size));
        return;
    }
    if (!r->section) {
        if (!r->section_refused)
            refuse(r, 1, "'%s' stands before the first [section]", quoted(shown, text, key_size));
        r->open = NULL;
        r->skip_continuation = true;
        return;
    }
    size_t start = (size_t)(equals - text) + 1;
    while (start < size && is_blank(text[start]))
        start++;
    struct config_section *s = r->section;
    if (memory_grow(&s->items, &s->items_capacity, s->n_items + 1, sizeof(*s->items)) < 0) {
        r->result = -ENOMEM;
        return;
    }
    struct config_item *i = &s->items[s->n_items++];
    *i = (struct config_item){.key = strndup(text, key_size),
                              .text = strndup(text + start, size - start),
                              .line = r->line,
                              .key_column = 1};
    if (!i->key || !i->text || add_piece(i, 0, r->line, (unsigned)start + 1) < 0)
        r->result = -ENOMEM;
    r->open = i;
    r->skip_continuation = false;
}

/* An indented line. `indent` blanks were taken off. */
static void read_continuation(struct reader *r, const char *text, size_t size, size_t indent)
{
    char word[64];
    size_t n = 0;
    unsigned column = (unsigned)indent + 1;

    if (text[0] == '[' && text[size - 1] == ']') {
        refuse(r, column,
               "an indented [section]: an indented line continues the value above; "
               "begin it in the first column");
        return;
    }
    while (n < size && n < sizeof(word) - 1 && is_word(text + n, 1))
        n++;
    memcpy(word, text, n);
    word[n] = '\0';
    size_t after = n;
    while (after < size && is_blank(text[after]))
        after++;
    if (after < size && text[after] == '=' && r->is_key && r->is_key(word)) {
        refuse(r, column,
               "an indented key '%s': an indented line continues the value above; "
               "begin it in the first column",
               word);
        return;
    }
    if (text[0] == '#' || text[0] == ';') {
        if (r->open)
            refuse(r, column,
                   "an indented comment would be part of the value above; begin it "
                   "in the first column");
        return;
    }
    if (r->skip_continuation)
        return; /* of a line that was reported already */
    if (!r->open) {
        refuse(r, column, "an indented line continues the value above, and there is none");
        return;
    }
    struct config_item *i = r->open;
    size_t length = strlen(i->text);
    char *joined = realloc(i->text, length + size + 2);
    if (!joined) {
        r->result = -ENOMEM;
        return;
    }
    i->text = joined;
    if (length == 0) /* a value that begins on its second line */
        i->n_pieces = 0;
    else
        joined[length++] = ' ';
    memcpy(joined + length, text, size);
    joined[length + size] = '\0';
    if (add_piece(i, length, r->line, column) < 0)
        r->result = -ENOMEM;
}

static void read_line(struct reader *r, const char *text, size_t size)
{
    if (size > 0 && text[size - 1] == '\r') {
        size--;
        if (!r->said_carriage_return &&
            problem_add(r->problems, PROBLEM_WARNING, r->document->file, r->line,
                        (unsigned)size + 1,
                        "lines end in CR LF, as written on Windows; the CR is ignored") < 0)
            r->result = -ENOMEM;
        r->said_carriage_return = true;
    }
    size_t indent = 0;
    while (indent < size && is_blank(text[indent]))
        indent++;
    size = trimmed(text, size);
    if (size <= indent) { /* a blank line ends the value above */
        r->open = NULL;
        return;
    }
    const char *nul = memchr(text, '\0', size);
    if (nul) {
        refuse(r, characters(text, (size_t)(nul - text)) + 1,
               "a NUL byte: this is not a text file");
        return;
    }
    if (!text_is_utf8(text, size)) {
        size_t good = valid_prefix(text, size);
        refuse(r, characters(text, good) + 1, "bytes that are not UTF-8; save the file as UTF-8");
        return;
    }
    if (indent > 0)
        read_continuation(r, text + indent, size - indent, indent);
    else if (text[0] == '#' || text[0] == ';')
        return;
    else if (text[0] == '[')
        read_head(r, text, size);
    else
        read_item(r, text, size);
}

int config_document_read(struct config_document **ret, const char *file, const char *content,
                         size_t size, bool (*is_key)(const char *word),
                         struct problem_list *problems)
{
    struct config_document *d = calloc(1, sizeof(*d));
    struct reader r = {.document = d, .problems = problems, .is_key = is_key};
    size_t at = 0;

    *ret = d;
    if (!d)
        return -ENOMEM;
    d->file = strdup(file);
    if (!d->file)
        return -ENOMEM;
    if (size >= 3 && memcmp(content, "\xef\xbb\xbf", 3) == 0) {
        at = 3;
        if (problem_add(problems, PROBLEM_WARNING, file, 1, 1,
                        "the file begins with a byte order mark, which is ignored") < 0)
            return -ENOMEM;
    }
    while (at < size && r.result == 0) {
        const char *end = memchr(content + at, '\n', size - at);
        size_t length = end ? (size_t)(end - (content + at)) : size - at;
        r.line++;
        read_line(&r, content + at, length);
        at += length + 1;
    }
    return r.result;
}
