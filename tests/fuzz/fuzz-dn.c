/*
 * Distinguished names under random bytes: the first line of the input is one, the second
 * another. libldap takes both apart as well. From its parts the name is written anew, in two
 * spellings, and all of these must have one key; two names whose parts differ in more than case
 * and blanks must have two.
 */
#include "config.h"

#include <ctype.h>
#include <ldap.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "fuzz.h"
#include "model/dn.h"
#include "model/schema.h"

static const struct schema *server(unsigned which)
{
    static struct schema *schemas[2]; /* costly; the same for all */

    if (!schemas[0]) {
        schemas[0] = schema_new();
        schemas[1] = schema_new();
        schema_set_kind(schemas[1], SCHEMA_389);
    }
    return which < 2 ? schemas[which] : NULL;
}

static void dnfree(LDAPDN *dn)
{
    ldap_dnfree(*dn);
}

static bool is_odd_blank(char c)
{
    return c != ' ' && isspace((unsigned char)c);
}

/* As tests/unit/test-dn.c has it: options, an OID of one number or of numbers that begin with
 * 0, values that are no text, what libldap overlooks behind '#'; and blanks that are no spaces.
 */
static bool is_stricter(const char *dn, const struct error *e)
{
    const char *number = strrchr(e->message, ' ');
    size_t at = number ? strtoul(number, NULL, 10) : 0;

    return (strstr(e->message, "'=' is missing") && at > 0 && dn[at - 1] == ';') ||
           (at > 0 && is_odd_blank(dn[at - 1])) ||
           (strstr(e->message, "a backslash before neither") && at > 0 &&
            is_odd_blank(dn[at])) ||
           strstr(e->message, "not UTF-8") || strstr(e->message, "of a single number") ||
           (strstr(e->message, "a malformed object identifier") && at > 1 &&
            isdigit((unsigned char)dn[at - 2])) ||
           strstr(e->message, "digits after '#'") ||
           strstr(e->message, "digits are missing after '#'");
}

/* Where libldap itself is wrong: the blank after an escaped backslash, and tabs and ends of
 * lines around a value, are not trimmed; and values in hexadecimal are opened. */
static bool libldap_reads_well(const char *dn)
{
    return !strstr(dn, "\\\\ ") && !strpbrk(dn, "#\t\n\v\f\r");
}

static size_t count(const char *text, char c)
{
    size_t n = 0;

    for (; *text; text++)
        n += *text == c;
    return n;
}

/* One pair of the name as somebody else might write it. */
static void add_pair(struct buffer *b, const LDAPAVA *ava, unsigned way)
{
    CLEANUP(freep) char *escaped = dn_escape_value(ava->la_value.bv_val, ava->la_value.bv_len);

    for (size_t i = 0; i < ava->la_attr.bv_len; i++) {
        unsigned char c = (unsigned char)ava->la_attr.bv_val[i];
        char other = (char)(way & 1 ? toupper(c) : tolower(c));
        buffer_add(b, &other, 1);
    }
    buffer_add_text(b, way & 2 ? " = " : "=");
    if (!(way & 4)) {
        buffer_add_text(b, escaped ? escaped : "");
        return;
    }
    for (size_t i = 0; i < ava->la_value.bv_len; i++)
        buffer_format(b, "\\%02X", (unsigned char)ava->la_value.bv_val[i]);
}

static char *respell(LDAPDN dn, unsigned way)
{
    struct buffer b = {0};

    for (size_t i = 0; dn[i]; i++) {
        size_t n = 0;

        while (dn[i][n])
            n++;
        if (i)
            buffer_add_text(&b, way & 2 ? " , " : ",");
        for (size_t k = 0; k < n; k++) {
            if (k)
                buffer_add_text(&b, "+");
            add_pair(&b, dn[i][way & 8 ? n - 1 - k : k], way);
        }
    }
    if (!b.data)
        buffer_add_text(&b, "");
    return buffer_take(&b);
}

/* The name with all that no rule of equality can see in it; NULL: not of ASCII, or of types
 * with several names. */
static char *skeleton(LDAPDN dn)
{
    CLEANUP(buffer_done) struct buffer b = {0};

    buffer_add_text(&b, "");
    for (size_t i = 0; dn[i]; i++)
        for (size_t k = 0; dn[i][k]; k++) {
            const LDAPAVA *ava = dn[i][k];
            CLEANUP(freep) char *type = strndup(ava->la_attr.bv_val, ava->la_attr.bv_len);

            if (!isalpha((unsigned char)type[0]) || k > 0 ||
                !text_equal_ascii_case(schema_canonical(server(0), type), type))
                return NULL;
            for (char *c = type; *c; c++)
                *c = (char)tolower((unsigned char)*c);
            buffer_format(&b, "%s=", type);
            for (size_t n = 0; n < ava->la_value.bv_len; n++) {
                unsigned char c = (unsigned char)ava->la_value.bv_val[n];
                if (c >= 0x7f || c < 0x20)
                    return NULL;
                if (c != ' ' && c != '-')
                    buffer_format(&b, "%c", tolower(c));
            }
            buffer_add_text(&b, "\n");
        }
    return buffer_take(&b);
}

/* A type whose values may be equal in ways of their own: names within names, numbers, times. */
static bool is_plain(LDAPDN dn)
{
    for (size_t i = 0; dn[i]; i++) {
        const LDAPAVA *ava = dn[i][0];
        CLEANUP(freep) char *type = strndup(ava->la_attr.bv_val, ava->la_attr.bv_len);
        enum matching m = schema_matching(server(0), type);

        if (m == MATCHING_DN || m == MATCHING_INTEGER || m == MATCHING_TIME ||
            m == MATCHING_FILETIME)
            return false;
    }
    return true;
}

static void check_key(const char *dn, const char *key, LDAPDN parsed)
{
    const char *parent = dn_parent(dn);
    CLEANUP(freep) char *parent_key = NULL;
    CLEANUP(freep) char *leaf = dn_leaf_value(dn);
    size_t n = 0;

    while (parsed && parsed[n])
        n++;
    DEMAND(count(key, '\n') == n);
    for (const char *c = key; *c; c++)
        DEMAND(*c == '\n' || ((unsigned char)*c >= 0x20 && *c != 0x7f));
    DEMAND(text_is_utf8(key, strlen(key)));
    if (parent) {
        DEMAND(dn_key(server(0), parent, &parent_key, NULL) == 0);
        DEMAND(dn_key_is_below(key, parent_key) && count(parent_key, '\n') + 1 == n);
    } else {
        DEMAND(n < 2);
    }
    if (n > 0 && libldap_reads_well(dn)) {
        const struct berval *value = &parsed[0][0]->la_value;
        if (value->bv_len == 0)
            DEMAND(leaf && !*leaf);
        else if (memchr(value->bv_val, '\0', value->bv_len))
            DEMAND(!leaf);
        else
            DEMAND(leaf && strlen(leaf) == value->bv_len &&
                   memcmp(leaf, value->bv_val, value->bv_len) == 0);
    }
}

static void check_spellings(const char *dn, LDAPDN parsed)
{
    for (unsigned which = 0; which < 3; which++)
        for (unsigned way = 0; way < 16; way++) {
            CLEANUP(freep) char *other = respell(parsed, way);
            CLEANUP(freep) char *a = NULL;
            CLEANUP(freep) char *b = NULL;
            struct error e = {0};

            DEMAND(dn_key(server(which), dn, &a, NULL) == 0);
            if (dn_key(server(which), other, &b, &e) < 0 || strcmp(a, b) != 0) {
                fprintf(stderr, "'%s' and '%s': '%s' and '%s' %s\n", dn, other, a, b ? b : "-",
                        e.message);
                abort();
            }
        }
}

static bool take(const char *dn, char **ret_key, LDAPDN *ret)
{
    struct error e = {0};
    bool theirs = ldap_str2dn(dn, ret, LDAP_DN_FORMAT_LDAPV3) == LDAP_SUCCESS;
    bool ours = dn_key(server(0), dn, ret_key, &e) == 0;

    DEMAND(ours == dn_is_valid(dn));
    DEMAND(ours || e.message[0]);
    if (ours != theirs && !(theirs && is_stricter(dn, &e))) {
        fprintf(stderr, "'%s': ours %d, libldap's %d: %s\n", dn, ours, theirs, e.message);
        abort();
    }
    return ours;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(freep) char *first = strndup((const char *)data, size);
    CLEANUP(freep) char *key = NULL;
    CLEANUP(freep) char *other_key = NULL;
    CLEANUP(dnfree) LDAPDN parsed = NULL;
    CLEANUP(dnfree) LDAPDN other = NULL;
    char *second = strchr(first, '\n');

    if (second)
        *second++ = '\0';
    if (!take(first, &key, &parsed))
        return 0;
    check_key(first, key, parsed);
    if (parsed && libldap_reads_well(first))
        check_spellings(first, parsed);
    if (!second || !take(second, &other_key, &other) || !parsed || !other)
        return 0;
    DEMAND(dn_equal(server(0), first, second) == (strcmp(key, other_key) == 0));
    if (libldap_reads_well(first) && libldap_reads_well(second) && is_plain(parsed) &&
        is_plain(other)) {
        CLEANUP(freep) char *a = skeleton(parsed);
        CLEANUP(freep) char *b = skeleton(other);
        DEMAND(!a || !b || strcmp(a, b) == 0 || strcmp(key, other_key) != 0);
    }
    return 0;
}
