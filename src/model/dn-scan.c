/*
 * A parser of distinguished names (RFC 4514) that keeps nothing but a position.
 *
 * It reads the strict form with the one liberty that every server and every person takes:
 * blanks around separators. It refuses the old quoted form, ';' and "OID." (RFC 1779), as
 * libldap does: who writes them should be told, not guessed at. Unlike libldap it refuses
 * values that are not UTF-8.
 */
#include "config.h"

#include "model/dn-scan.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

void dn_scanner_done(struct dn_scanner *s)
{
    buffer_done(&s->value);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int hexadecimal(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int fail(struct dn_scanner *s, const char *fault)
{
    s->fault = fault;
    return -EINVAL;
}

void dn_skip_blanks(struct dn_scanner *s)
{
    while (*s->p == ' ')
        s->p++;
}

/* numericoid = number 1*( "." number ), without leading zeros (RFC 4512 section 1.4) */
static int scan_oid(struct dn_scanner *s)
{
    unsigned n_numbers = 0;

    for (;; s->p++) {
        const char *number = s->p;
        while (is_digit(*s->p))
            s->p++;
        if (s->p == number || (*number == '0' && s->p - number > 1))
            return fail(s, "a malformed object identifier");
        n_numbers++;
        if (*s->p != '.')
            break;
    }
    return n_numbers > 1 ? 0 : fail(s, "an object identifier of a single number");
}

static int scan_type(struct dn_scanner *s, struct dn_pair *ret)
{
    int r = 0;

    ret->type = s->p;
    if (is_digit(*s->p)) {
        r = scan_oid(s);
    } else if (is_letter(*s->p)) {
        while (is_letter(*s->p) || is_digit(*s->p) || *s->p == '-')
            s->p++;
    } else {
        return fail(s, "an attribute type is missing");
    }
    ret->n_type = (size_t)(s->p - ret->type);
    dn_skip_blanks(s);
    if (r == 0 && *s->p != '=')
        return fail(s, "'=' is missing after an attribute type");
    s->p += r == 0;
    return r;
}

/* "#" 1*hexpair: the value's BER encoding, which only the server's schema could open */
static int scan_hexadecimal(struct dn_scanner *s)
{
    buffer_add_text(&s->value, "#");
    s->p++;
    if (hexadecimal(s->p[0]) < 0)
        return fail(s, "hexadecimal digits are missing after '#'");
    while (hexadecimal(s->p[0]) >= 0) {
        if (hexadecimal(s->p[1]) < 0)
            return fail(s, "an odd number of hexadecimal digits");
        for (unsigned i = 0; i < 2; i++, s->p++)
            buffer_add(&s->value, &"0123456789abcdef"[hexadecimal(*s->p)], 1);
    }
    return 0;
}

/* At a backslash: a special character, or two digits for any byte. */
static int scan_escape(struct dn_scanner *s)
{
    char c = s->p[1];

    if (c != '\0' && strchr(" \"#+,;<=>\\", c)) {
        buffer_add(&s->value, &c, 1);
        s->p += 2;
        return 0;
    }
    if (hexadecimal(c) < 0 || hexadecimal(s->p[2]) < 0)
        return fail(s, "a backslash before neither a special character nor two hexadecimal "
                       "digits");
    c = (char)(hexadecimal(c) * 16 + hexadecimal(s->p[2]));
    buffer_add(&s->value, &c, 1);
    s->p += 3;
    return 0;
}

static int scan_string(struct dn_scanner *s)
{
    size_t size = 0; /* up to the last byte that is not an unescaped blank */

    while (*s->p != '\0' && *s->p != ',' && *s->p != '+') {
        if (*s->p == '\\') {
            int r = scan_escape(s);
            if (r < 0)
                return r;
            size = s->value.size;
        } else if (strchr("\";<>", *s->p)) {
            return fail(s, "one of \" ; < > without a backslash before it");
        } else {
            size_t n = strcspn(s->p, ",+\\\";<>"), n_used = n;
            while (n_used > 0 && s->p[n_used - 1] == ' ')
                n_used--;
            if (n_used > 0)
                size = s->value.size + n_used;
            buffer_add(&s->value, s->p, n);
            s->p += n;
        }
        if (s->value.failed)
            return -ENOMEM;
    }
    if (s->value.data) {
        s->value.size = size;
        s->value.data[size] = '\0';
    }
    return 0;
}

int dn_scan_pair(struct dn_scanner *s, struct dn_pair *ret, char *ret_separator)
{
    buffer_clear(&s->value);
    dn_skip_blanks(s);
    int r = scan_type(s, ret);
    if (r < 0)
        return r;
    dn_skip_blanks(s);
    ret->is_hexadecimal = *s->p == '#';
    const char *value = s->p;
    r = ret->is_hexadecimal ? scan_hexadecimal(s) : scan_string(s);
    if (r < 0)
        return r;
    dn_skip_blanks(s);
    if (*s->p != '\0' && *s->p != ',' && *s->p != '+')
        return fail(s, "something other than hexadecimal digits after '#'");
    if (s->value.failed)
        return -ENOMEM;
    if (!text_is_utf8(s->value.data ? s->value.data : "", s->value.size)) {
        s->p = value;
        return fail(s, "a value that is not UTF-8");
    }
    *ret_separator = *s->p;
    if (*s->p != '\0')
        s->p++;
    return 0;
}
