/*
 * How to show bytes that a stranger chose: what is a control character, turns the line round or
 * is not seen at all.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <unistr.h>

#include "base/text.h"

#define ELLIPSIS "\xe2\x80\xa6"

/* C0, C1, DEL, LINE SEPARATOR, PARAGRAPH SEPARATOR */
static bool is_control(ucs4_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x2028 || c == 0x2029;
}

/* Embeddings, overrides and isolates reorder the rest of a line: harmless in a name that is
 * stored, a forgery in one that is shown. */
static bool is_bidi_control(ucs4_t c)
{
    return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

bool text_has_control(const char *bytes, size_t size)
{
    const uint8_t *p = (const uint8_t *)bytes;

    while (size > 0) {
        ucs4_t c = *p;
        int n = c < 0x80 ? 1 : u8_mbtoucr(&c, p, size);
        if (n < 1) {
            n = 1; /* not UTF-8: another question */
            c = 0xfffd;
        }
        if (is_control(c))
            return true;
        p += n;
        size -= (size_t)n;
    }
    return false;
}

/* What joins letters, chooses among their forms or stands between ideographs is part of scripts
 * beyond ASCII: there it stays. */
static bool is_of_script(ucs4_t c, const uint8_t *p, const uint8_t *start)
{
    return p > start && p[-1] >= 0x80 &&
           (c == 0x200c || c == 0x200d || c == 0x3000 || (c >= 0xfe00 && c <= 0xfe0f) ||
            (c >= 0x180b && c <= 0x180d) || (c >= 0xe0100 && c <= 0xe01ef));
}

/* Writes one character, or the byte that begins none, in its printable form; at most four times
 * as many bytes. Returns how many bytes were read. */
static size_t show_character(char to[static 17], const uint8_t *start, const uint8_t *p,
                             size_t size)
{
    static const char digits[] = "0123456789abcdef";
    ucs4_t c = *p;
    int n = c < 0x80 ? 1 : u8_mbtoucr(&c, p, size);
    size_t length = n > 0 ? (size_t)n : 1;

    if (n > 0 && text_unseen(c) && !is_bidi_control(c) && !is_of_script(c, p, start)) {
        (void)snprintf(to, 17, "\\u{%X}", (unsigned)c);
        return length;
    }
    if (n > 0 && !is_control(c) && !is_bidi_control(c)) {
        memcpy(to, p, length);
        to[length] = '\0';
        return length;
    }
    for (size_t i = 0; i < length; i++) {
        *to++ = '\\';
        *to++ = 'x';
        *to++ = digits[p[i] >> 4];
        *to++ = digits[p[i] & 15];
    }
    *to = '\0';
    return length;
}

char *text_printable(char *buffer, size_t size, const char *bytes, size_t n_bytes)
{
    const size_t ellipsis = strlen(ELLIPSIS);
    const uint8_t *p = (const uint8_t *)bytes;
    size_t used = 0, last_with_room = 0;
    char shown[17];

    if (size == 0)
        return buffer;
    while (n_bytes > 0) {
        size_t run = text_simple_run((const char *)p, n_bytes);
        if (run && used + run + ellipsis < size) {
            memcpy(buffer + used, p, run);
            last_with_room = used += run;
            p += run;
            n_bytes -= run;
            continue;
        }
        size_t n = show_character(shown, (const uint8_t *)bytes, p, n_bytes),
               length = strlen(shown);
        if (used + length >= size) { /* no room for it and the NUL */
            used = last_with_room;
            if (used + ellipsis < size) {
                memcpy(buffer + used, ELLIPSIS, ellipsis);
                used += ellipsis;
            }
            break;
        }
        memcpy(buffer + used, shown, length);
        used += length;
        if (used + ellipsis < size)
            last_with_room = used;
        p += n;
        n_bytes -= n;
    }
    buffer[used] = '\0';
    return buffer;
}
