/*
 * Assertions in another form than that of the values. None of it asks the server: what a class's
 * category is called follows from Active Directory's own naming of its classes.
 */
#include "config.h"

#include "mapping/filter-special.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/text.h"
#include "mapping/filter.h"
#include "model/class.h"
#include "model/dn.h"
#include "model/entry.h"
#include "model/schema.h"

/* Classes whose category is another class; all others are their own (MS-ADSC). */
static const struct {
    const char *class, *category;
} categories[] = {
    {"user", "person"},
    {"inetorgperson", "person"},
    {"organizationalperson", "person"},
    {"contact", "person"},
};

/* Servers show classes by name and are asked for them by OID too (RFC 4512 2.4). */
static const struct {
    const char *oid, *name;
} classes[] = {
    {"2.5.6.0", "top"},
    {"2.5.6.4", "organization"},
    {"2.5.6.5", "organizationalUnit"},
    {"2.5.6.6", "person"},
    {"2.5.6.7", "organizationalPerson"},
    {"2.5.6.8", "organizationalRole"},
    {"2.5.6.9", "groupOfNames"},
    {"2.5.6.10", "residentialPerson"},
    {"2.5.6.17", "groupOfUniqueNames"},
    {"2.16.840.1.113730.3.2.2", "inetOrgPerson"},
    {"0.9.2342.19200300.100.4.5", "account"},
    {"1.3.6.1.1.1.2.0", "posixAccount"},
    {"1.3.6.1.1.1.2.1", "shadowAccount"},
    {"1.3.6.1.1.1.2.2", "posixGroup"},
    {"1.2.840.113556.1.5.8", "group"},
    {"1.2.840.113556.1.5.9", "user"},
    {"1.2.840.113556.1.5.15", "contact"},
    {"1.2.840.113556.1.3.30", "computer"},
};

/* "Organizational-Unit" and "organizationalUnit" as one: the name of a class and that of its
 * entry in the schema differ in hyphens and case alone. */
static char *squash(const char *name, size_t size)
{
    char *text = malloc(size + 1);
    size_t n = 0;
    if (!text)
        return NULL;
    for (size_t i = 0; i < size; i++)
        if (name[i] != '-')
            text[n++] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + ('a' - 'A') : name[i]);
    text[n] = '\0';
    return text;
}

static int prepare_category(struct filter_node *n)
{
    struct filter_part *part = &n->parts[0];
    char *name = squash(part->bytes, part->size);
    if (!name)
        return -ENOMEM;
    for (size_t i = 0; i < ARRAY_SIZE(categories); i++)
        if (strcmp(categories[i].class, name) == 0) {
            free(name);
            name = strdup(categories[i].category);
            break;
        }
    if (!name)
        return -ENOMEM;
    part->normal = (struct normal){.data = name, .size = strlen(name)};
    n->category = true;
    return FILTER_SPECIAL_PREPARED;
}

int filter_special_category(const struct filter_node *n, const struct value *v)
{
    CLEANUP(freep) char *leaf = NULL;
    int r = v->state == VALUE_TEXT ? dn_leaf(v->data, &leaf) : -EINVAL;
    if (r < 0)
        return r == -ENOMEM ? r : FILTER_FALSE;
    CLEANUP(freep) char *name = squash(leaf, strlen(leaf));
    if (!name)
        return -ENOMEM;
    return strcmp(name, n->parts[0].normal.data) == 0 ? FILTER_TRUE : FILTER_FALSE;
}

static int replace_bytes(struct filter_part *part, const unsigned char *bytes, size_t size)
{
    char *copy = malloc(size + 1);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, bytes, size);
    copy[size] = '\0';
    free(part->bytes);
    part->bytes = copy;
    part->size = size;
    return FILTER_SPECIAL_NONE;
}

/* "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", perhaps in braces; the first three numbers are stored
 * with the low byte first (MS-DTYP 2.3.4.2). */
static int prepare_guid(struct filter_part *part)
{
    static const unsigned char place[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    const char *text = part->bytes;
    unsigned char bytes[16];
    size_t size = part->size, n = 0;
    if (size == 38 && text[0] == '{' && text[37] == '}') {
        text++;
        size -= 2;
    }
    if (size != 36)
        return FILTER_SPECIAL_NONE;
    for (size_t i = 0; i < 36; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (text[i] != '-')
                return FILTER_SPECIAL_NONE;
            continue;
        }
        int high = matching_hex_digit(text[i]), low = matching_hex_digit(text[i + 1]);
        if (high < 0 || low < 0)
            return FILTER_SPECIAL_NONE;
        bytes[place[n++]] = (unsigned char)(high * 16 + low);
        i++;
    }
    return replace_bytes(part, bytes, sizeof(bytes));
}

/* "S-1-5-21-…" (MS-DTYP 2.4.2): revision, count, six bytes of authority with the high byte
 * first, numbers with the low byte first. */
static int prepare_sid(struct filter_part *part)
{
    enum { NUMBERS_MAX = 15 };
    unsigned char bytes[8 + 4 * NUMBERS_MAX] = {1};
    const char *at = part->bytes;
    size_t n = 0;
    if (strlen(at) != part->size || strncasecmp(at, "S-1-", 4) != 0)
        return FILTER_SPECIAL_NONE;
    at += 3;
    for (bool authority = true; *at == '-'; authority = false) {
        char *end;
        if (at[1] < '0' || at[1] > '9')
            return FILTER_SPECIAL_NONE;
        errno = 0;
        unsigned long long number = strtoull(at + 1, &end, 10);
        if (errno || number > (authority ? 0xffffffffffffULL : 0xffffffffULL) ||
            (!authority && n == NUMBERS_MAX))
            return FILTER_SPECIAL_NONE;
        for (size_t i = 0; authority && i < 6; i++)
            bytes[2 + i] = (unsigned char)(number >> (8 * (5 - i)));
        for (size_t i = 0; !authority && i < 4; i++)
            bytes[8 + 4 * n + i] = (unsigned char)(number >> (8 * i));
        n += !authority;
        at = end;
    }
    if (*at || n == 0)
        return FILTER_SPECIAL_NONE;
    bytes[1] = (unsigned char)n;
    return replace_bytes(part, bytes, 8 + 4 * n);
}

/* The class by the name that entries have. Without a server's schema the usual ones. */
static int prepare_class(struct filter_part *part, const struct schema *schema)
{
    /* No class has a NUL in its name, and none is looked for by what stands before one. */
    bool whole = strlen(part->bytes) == part->size;
    const char *name = whole ? class_name(schema_classes(schema), part->bytes) : part->bytes;
    for (size_t i = 0; name == part->bytes && i < ARRAY_SIZE(classes) && whole; i++)
        if (strcmp(classes[i].oid, part->bytes) == 0)
            name = classes[i].name;
    if (name != part->bytes)
        return replace_bytes(part, (const unsigned char *)name, strlen(name));
    /* Only where the server has told its classes, which go by their OIDs too. */
    static const char top[] = "2.5.6.0";
    return class_name(schema_classes(schema), top) != top ? FILTER_SPECIAL_UNKNOWN_CLASS
                                                          : FILTER_SPECIAL_NONE;
}

int filter_special_prepare(struct filter_node *n, const struct schema *schema)
{
    const char *attribute = n->attribute.canonical;
    struct filter_part *part = &n->parts[0];
    if (text_equal_ascii_case(attribute, "objectClass") ||
        text_equal_ascii_case(attribute, "structuralObjectClass"))
        return prepare_class(part, schema);
    bool microsoft =
        schema_kind(schema) == SCHEMA_ACTIVE_DIRECTORY || schema_kind(schema) == SCHEMA_BUILT_IN;
    if (!microsoft)
        return FILTER_SPECIAL_NONE;
    if (text_equal_ascii_case(attribute, "objectCategory") && part->size > 0 &&
        !memchr(part->bytes, '=', part->size) && !memchr(part->bytes, '\0', part->size))
        return prepare_category(n);
    if (text_equal_ascii_case(attribute, "objectGUID"))
        return prepare_guid(part);
    if (text_equal_ascii_case(attribute, "objectSid") ||
        text_equal_ascii_case(attribute, "sIDHistory"))
        return prepare_sid(part);
    return FILTER_SPECIAL_NONE;
}
