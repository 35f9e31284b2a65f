/*
 * Values of naming attributes: their equality rule decides (RFC 4511 4.1.3, RFC 4517), where
 * the server goes by it. A value that the rule can do nothing with is equal to itself alone.
 * Values that are names themselves are the matter of dn.c.
 */
#include "config.h"

#include "model/dn-value.h"

#include <string.h>

#include "base/buffer.h"
#include "base/text.h"
#include "model/schema.h"

static bool is_digits(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] < '0' || p[i] > '9')
            return false;
    return n > 0;
}

static void add_text(struct buffer *b, const char *bytes, size_t size, enum text_preparation how)
{
    if (text_prepare(b, bytes, size, how) < 0)
        buffer_add(b, bytes, size);
}

/* Prepared, then without the characters that do not count. */
static void add_without(struct buffer *b, const char *bytes, size_t size, const char *dropped)
{
    size_t start = b->size, used = start;

    add_text(b, bytes, size, TEXT_EXACT);
    if (b->failed || !b->data)
        return;
    for (size_t i = start; i < b->size; i++)
        if (b->data[i] == '\0' || !strchr(dropped, b->data[i]))
            b->data[used++] = b->data[i];
    b->size = used;
    b->data[used] = '\0';
}

static void add_integer(struct buffer *b, const char *bytes, size_t size)
{
    size_t sign = size > 0 && bytes[0] == '-', at = sign;

    if (!is_digits(bytes + sign, size - sign)) {
        buffer_add(b, bytes, size);
        return;
    }
    while (at + 1 < size && bytes[at] == '0')
        at++;
    if (sign && bytes[at] != '0')
        buffer_add_text(b, "-");
    buffer_add(b, bytes + at, size - at);
}

/* "YYYYMMDDHH[MM[SS]][.f]Z" in full and without the zeros behind a fraction; with another zone
 * it keeps its bytes, as OpenLDAP takes none in a name. */
static void add_time(struct buffer *b, const char *bytes, size_t size)
{
    size_t n = 0;

    while (n < size && is_digits(bytes + n, 1))
        n++;
    bool fraction = n + 2 < size && (bytes[n] == '.' || bytes[n] == ',');
    size_t end = size - (size > 0);
    if (size == 0 || bytes[end] != 'Z' || (n != 10 && n != 12 && n != 14) ||
        (fraction ? !is_digits(bytes + n + 1, end - n - 1) || n != 14 : end != n)) {
        buffer_add(b, bytes, size);
        return;
    }
    buffer_add(b, bytes, n);
    buffer_add(b, "0000", 14 - n);
    while (fraction && bytes[end - 1] == '0')
        end--;
    if (fraction && end > n + 1) {
        buffer_add_text(b, ".");
        buffer_add(b, bytes + n + 1, end - n - 1);
    }
    buffer_add_text(b, "Z");
}

void dn_value_form(struct buffer *b, enum schema_naming naming, enum matching matching,
                   const char *bytes, size_t size)
{
    if (naming == SCHEMA_NAMES_BY_CASE)
        add_text(b, bytes, size, TEXT_CASE_ONLY);
    else if (matching == MATCHING_CASE_EXACT)
        add_text(b, bytes, size, TEXT_EXACT);
    else if (matching == MATCHING_INTEGER || matching == MATCHING_FILETIME)
        add_integer(b, bytes, size);
    else if (matching == MATCHING_OCTETS || matching == MATCHING_DN)
        buffer_add(b, bytes, size);
    else if (matching == MATCHING_TIME)
        add_time(b, bytes, size);
    else if (matching == MATCHING_NUMERIC)
        add_without(b, bytes, size, " ");
    else if (matching == MATCHING_TELEPHONE)
        add_without(b, bytes, size, " -");
    else
        add_text(b, bytes, size, TEXT_IGNORE_CASE);
}
