/* The parsed form of a template: shared by its parser and its expansion, by nobody else. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "mapping/subject.h"

struct template_expansion;

/* In the word of a replacement: an '&', which is what was matched. No text holds this byte. */
#define TEMPLATE_MATCHED "\001"

struct template_piece {
    char *literal; /* NULL: an expansion. In a pattern with its backslashes */
    struct template_expansion *expansion;
};
struct template_word {
    struct template_piece *pieces;
    size_t n_pieces, capacity;
};

enum template_operator {
    TEMPLATE_DEFAULT = 1,
    TEMPLATE_ALTERNATIVE = 2,
    TEMPLATE_REMOVE_START = 3,
    TEMPLATE_REMOVE_END = 4,
    TEMPLATE_REPLACE = 5,
    TEMPLATE_LOWER = 6,
    TEMPLATE_UPPER = 7,
    TEMPLATE_SUBSTRING = 8,
    TEMPLATE_DIGITS = 9,
    TEMPLATE_ASCII = 10,
};
struct template_operation {
    enum template_operator kind;
    bool all;    /* longest match; every match; every character; German transliteration */
    char anchor; /* TEMPLATE_REPLACE: '#', '%' or 0 */
    struct template_word pattern, word;
    long offset, length;
    bool has_length;
};
struct template_expansion {
    struct attribute_name attribute;
    size_t at; /* offset of the name in the template */
    struct template_operation *operations;
    size_t n_operations, capacity;
};
struct template
{
    char *text;
    struct template_word word;
};
