/*
 * Text: UTF-8 checks, comparison as directories compare, printing what may be hostile.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

struct string_list {
    char **items; /* owned */
    size_t n_items;
    size_t capacity;
    /* Of the first n_indexed items, for string_list_add_once(). */
    void *index;
    int (*order)(const void *a, const void *b);
    size_t n_indexed;
};
void string_list_done(struct string_list *l);
int string_list_add(struct string_list *l, const char *text); /* copies; -ENOMEM */
int string_list_add_n(struct string_list *l, const char *text, size_t size);
/* Unless it is there, in about log(n) steps: from such a list nothing is taken away but all. */
int string_list_add_once(struct string_list *l, const char *text);
int string_list_add_name(struct string_list *l, const char *name); /* whatever its ASCII case */
/* Exact, one; another takes its place. */
void string_list_remove(struct string_list *l, const char *text);
/* Exact. As fast where the list was made by string_list_add_once(), else step by step. */
bool string_list_contains(const struct string_list *l, const char *text);

/* Of an array that NULL ends: all of its texts or, out of memory, NULL. */
char **text_array_copy(const char *const *from);
char **text_array_free(char **texts);

bool text_is_plain(const char *bytes, size_t size); /* printable ASCII alone: seen at once */
/* How many of the first are that, but no quote and no backslash: they stand for themselves
 * everywhere. */
size_t text_simple_run(const char *bytes, size_t size);
bool text_is_utf8(const char *bytes, size_t size);
/* A C0 or C1 control character, DEL, or a line or paragraph separator is in it. */
bool text_has_control(const char *bytes, size_t size);

/* Something in it is seen: neither a blank nor what is no character to look at. UTF-8. */
bool text_is_visible(const char *text);

/* "s" behind a regular noun, unless n is 1. */
static inline const char *text_plural(size_t n)
{
    return n == 1 ? "" : "s";
}
bool text_equal(const char *a, const char *b); /* both NULL are equal */
int text_replace(char **to, const char *text); /* by a copy; NULL: by nothing. 0 or -ENOMEM */
int text_hex_digit(char c);                    /* small letters alone; -1: it is none */
bool text_equal_ascii_case(const char *a, const char *b);
int text_compare_ascii_case(const char *a, const char *b);
/* The text behind "HEADING: " where it begins so, else all of it: for what stands beside or below
 * its heading already. Borrowed; NULL for NULL. */
const char *text_without_heading(const char *text, const char *heading);

/* The comparable form: NFC, Unicode case folding, leading and trailing blanks gone, inner runs
 * of blanks one blank (RFC 4518's insignificant space handling). Malloc'd; NULL when out of
 * memory or not UTF-8. ASCII takes a fast path. */
char *text_fold(const char *bytes, size_t size);
bool text_equal_fold(const char *a, const char *b);

/* How directory servers prepare a value before they compare it (RFC 4518 as they do it, not as
 * it is written). text_fold() joins more: it is for what people and the tenant may confuse. */
enum text_preparation {
    TEXT_EXACT = 1,       /* NFKC, blanks at the ends gone and runs of them one */
    TEXT_IGNORE_CASE = 2, /* that, after each letter was put in lower case by itself */
    TEXT_CASE_ONLY = 3,   /* lower case and blanks, no normalisation: 389 DS, Active Directory */
};
struct buffer;
/* Appends the prepared form; bytes may hold NUL, and so may the form. -EINVAL when it is not
 * UTF-8; a failed allocation is left in the buffer. */
int text_prepare(struct buffer *b, const char *bytes, size_t size, enum text_preparation how);

/* NFC, the one form in which text leaves for the tenant; malloc'd; NULL as above. */
char *text_compose(const char *text);
/* Unicode lower and upper case; malloc'd; NULL as above. */
char *text_lower(const char *text);
char *text_upper(const char *text);
/* ASCII transliteration (own table for letters that decomposition loses: ø Ł ß Þ Đ æ œ ı …,
 * then NFKD without marks). A character without an ASCII form becomes '?'. German umlauts
 * become a, o, u unless `german`, then ae, oe, ue. */
char *text_to_ascii(const char *text, bool german);

/* What the character is that no screen shows as what it is, in words; NULL: it is seen, or
 * ASCII. */
const char *text_unseen(uint32_t character);
/* A copy of at most `limit` bytes (whole characters), every control character and every byte
 * that is not UTF-8 shown as \xNN, whatever text_unseen() names as \u{NNNN} (but not what
 * scripts beyond ASCII join with), an ellipsis where it was cut. `buffer` gets at most `size`
 * bytes with the NUL. Returns buffer. */
char *text_printable(char *buffer, size_t size, const char *bytes, size_t n_bytes);
/* The first character of a text in single quotes, for sentences. Returns buffer. */
char *text_quote_first(char buffer[static 16], const char *text);

/* Damerau-Levenshtein distance over bytes, ASCII case folded; stops at limit + 1. */
unsigned text_distance(const char *a, const char *b, unsigned limit);
/* The candidate within a distance of 2 that is nearest, or NULL: for "did you mean". */
const char *text_nearest(const char *word, const char *const *candidates, size_t n_candidates);

/* "30", "30s", "5min", "2h", "7d", "500ms" -> microseconds; a bare number is seconds. "0" is 0.
 * -EINVAL, -ERANGE. */
int text_parse_duration(const char *text, uint64_t *ret_usec);
/* "90d", "2h 5min": for people. */
char *text_format_duration(char *buffer, size_t size, uint64_t usec);
int text_parse_unsigned(const char *text, uint64_t max, uint64_t *ret); /* decimal only */
int text_parse_signed(const char *text, int64_t *ret);
