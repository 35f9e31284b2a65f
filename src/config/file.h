/*
 * The reader of the configuration's grammar: text in, sections and raw values out, each with
 * the place where it stands. It knows nothing of keys but what its caller's function says.
 *
 *   # or ; in the first column of text: a comment, the whole line, never behind a value
 *   [section] or [section "NAME"]; NAME is raw, brackets and blanks included
 *   key = value; the first '=' splits; the value is raw up to the end of the line, trimmed
 *   a line that begins with a blank continues the value above, joined by one blank
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct problem_list;

/* Where a piece of a continued value stands. */
struct config_piece {
    size_t offset; /* in the value's text */
    unsigned line, column;
};
struct config_item {
    char *key;
    char *text; /* "" when empty */
    unsigned line, key_column;
    struct config_piece *pieces; /* at least one */
    size_t n_pieces, pieces_capacity;
};
struct config_section {
    char *name;
    char *label; /* of [name "label"]; or NULL */
    unsigned line;
    struct config_item *items;
    size_t n_items, items_capacity;
};
struct config_document {
    char *file;
    struct config_section *sections;
    size_t n_sections, sections_capacity;
};

/* Reads all of it; what is wrong is added to problems and reading goes on behind it. is_key: an
 * indented line that begins with such a word and '=' is an error and not a continuation. 0 or
 * -ENOMEM. *ret is written either way (free it). */
int config_document_read(struct config_document **ret, const char *file, const char *content,
                         size_t size, bool (*is_key)(const char *word),
                         struct problem_list *problems);
struct config_document *config_document_free(struct config_document *d);

/* Line and column (in characters, from 1) of a byte offset inside the item's text. */
void config_item_place(const struct config_item *item, size_t offset, unsigned *ret_line,
                       unsigned *ret_column);

static inline void config_document_freep(struct config_document **d)
{
    if (*d)
        config_document_free(*d);
}
