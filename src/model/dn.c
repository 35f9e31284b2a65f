/*
 * Distinguished names: a parser for RFC 4514 that keeps nothing but a position.
 *
 * It reads the strict form with the one liberty that every server and every person takes:
 * blanks around separators. It refuses the old quoted form, ';' and "OID." (RFC 1779), as
 * libldap does: who writes them should be told, not guessed at. Unlike libldap it refuses
 * values that are not UTF-8. How values are compared is the matter of dn-value.c.
 */
#include "config.h"

#include "model/dn.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/dn-value.h"
#include "model/schema.h"

struct pair {
    const char *type; /* borrowed from the DN */
    size_t n_type;
    bool is_hexadecimal; /* the value was "#0402…" and stays so */
};

struct scanner {
    const char *start, *p;
    struct buffer value; /* of the last pair, unescaped */
    const char *fault;   /* what is wrong at p */
    unsigned depth;      /* of how many names this one is a value */
};

static void scanner_done(struct scanner *s)
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

static int fail(struct scanner *s, const char *fault)
{
    s->fault = fault;
    return -EINVAL;
}

static void skip_blanks(struct scanner *s)
{
    while (*s->p == ' ')
        s->p++;
}

/* numericoid = number 1*( "." number ), without leading zeros (RFC 4512 section 1.4) */
static int scan_oid(struct scanner *s)
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

static int scan_type(struct scanner *s, struct pair *ret)
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
    skip_blanks(s);
    if (r == 0 && *s->p != '=')
        return fail(s, "'=' is missing after an attribute type");
    s->p += r == 0;
    return r;
}

/* "#" 1*hexpair: the value's BER encoding, which only the server's schema could open */
static int scan_hexadecimal(struct scanner *s)
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
static int scan_escape(struct scanner *s)
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

static int scan_string(struct scanner *s)
{
    size_t size = 0; /* up to the last byte that is not an unescaped blank */

    while (*s->p != '\0' && *s->p != ',' && *s->p != '+') {
        if (*s->p == '\\') {
            int r = scan_escape(s);
            if (r < 0)
                return r;
        } else if (strchr("\";<>", *s->p)) {
            return fail(s, "one of \" ; < > without a backslash before it");
        } else {
            buffer_add(&s->value, s->p++, 1);
            if (s->p[-1] == ' ')
                continue;
        }
        size = s->value.size;
    }
    if (s->value.data) {
        s->value.size = size;
        s->value.data[size] = '\0';
    }
    return 0;
}

/* Reads one pair and the separator behind it: ',' or '+', or '\0' at the end. */
static int scan_pair(struct scanner *s, struct pair *ret, char *ret_separator)
{
    buffer_clear(&s->value);
    skip_blanks(s);
    int r = scan_type(s, ret);
    if (r < 0)
        return r;
    skip_blanks(s);
    ret->is_hexadecimal = *s->p == '#';
    const char *value = s->p;
    r = ret->is_hexadecimal ? scan_hexadecimal(s) : scan_string(s);
    if (r < 0)
        return r;
    skip_blanks(s);
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

/* The type by the first of its names, in lower case; where the server takes names as written,
 * as written. */
static void add_type(struct buffer *b, const struct schema *schema, const struct pair *pair)
{
    struct schema_type type = {.name = pair->type, .n_name = pair->n_type};
    size_t start = b->size;

    if (schema_naming(schema) != SCHEMA_NAMES_BY_CASE)
        type = schema_describe(schema, pair->type, pair->n_type);
    buffer_add(b, type.name, type.n_name);
    for (size_t i = start; !b->failed && i < b->size; i++)
        if (b->data[i] >= 'A' && b->data[i] <= 'Z')
            b->data[i] = (char)(b->data[i] + ('a' - 'A'));
}

/* What would be taken for the key's own '\n', '+' or '#' is escaped, and so is every other
 * control character, since keys are stored as text. */
static void add_escaped(struct buffer *b, const struct buffer *form)
{
    for (size_t i = 0; i < form->size; i++) {
        unsigned char c = (unsigned char)form->data[i];
        if (c < 0x20 || c == 0x7f || c == '\\' || c == '+' || c == '#')
            buffer_format(b, "\\%02x", c);
        else
            buffer_add(b, &form->data[i], 1);
    }
}

static int key_at(const struct schema *schema, const char *dn, unsigned depth, char **ret,
                  struct error *e);

/* A value that is a name: its key. What is no name, or lies too deep, keeps its bytes. */
static void add_name(struct buffer *b, const struct schema *schema, const struct buffer *value,
                     unsigned depth)
{
    CLEANUP(freep) char *key = NULL;

    if (depth < DN_MAX_NESTED && value->data && !memchr(value->data, '\0', value->size) &&
        key_at(schema, value->data, depth + 1, &key, NULL) == 0)
        buffer_add_text(b, key);
    else
        buffer_add(b, value->data ? value->data : "", value->size);
}

static bool is_name(const struct schema *schema, const struct pair *pair)
{
    return schema_naming(schema) != SCHEMA_NAMES_BY_CASE &&
           schema_describe(schema, pair->type, pair->n_type).matching == MATCHING_DN;
}

static int add_pair(struct string_list *rdn, const struct schema *schema,
                    const struct scanner *s, const struct pair *pair)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    CLEANUP(buffer_done) struct buffer form = {0};
    const char *value = s->value.data ? s->value.data : "";

    add_type(&b, schema, pair);
    buffer_add_text(&b, "=");
    if (pair->is_hexadecimal) {
        buffer_add(&b, value, s->value.size);
    } else if (is_name(schema, pair)) {
        add_name(&form, schema, &s->value, s->depth);
        add_escaped(&b, &form);
    } else {
        dn_value_form(&form, schema, pair->type, pair->n_type, value, s->value.size);
        add_escaped(&b, &form);
    }
    return b.failed || form.failed ? -ENOMEM : string_list_add_n(rdn, b.data, b.size);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Joins the pairs of one RDN, sorted, and empties the list. */
static int close_rdn(struct string_list *rdns, struct string_list *rdn)
{
    CLEANUP(buffer_done) struct buffer b = {0};

    if (rdn->n_items > 1)
        qsort(rdn->items, rdn->n_items, sizeof(*rdn->items), compare_texts);
    for (size_t i = 0; i < rdn->n_items; i++) {
        if (i > 0)
            buffer_add_text(&b, "+");
        buffer_add_text(&b, rdn->items[i]);
    }
    buffer_add_text(&b, "\n");
    string_list_done(rdn);
    return b.failed ? -ENOMEM : string_list_add_n(rdns, b.data, b.size);
}

/* The keys of the RDNs, the leaf's first; *ret_parent: what stands behind the leaf. It ends there
 * if that is the parent that m remembers. */
static int scan_rdns(struct scanner *s, const struct schema *schema, const struct dn_memory *m,
                     struct string_list *ret, const char **ret_parent)
{
    CLEANUP(string_list_done) struct string_list rdn = {0};
    char separator = ',';
    struct pair pair;

    if (*s->p == '\0')
        return 0;
    while (separator != '\0') {
        int r = scan_pair(s, &pair, &separator);
        if (r < 0)
            return r;
        r = add_pair(&rdn, schema, s, &pair);
        if (r == 0 && separator != '+')
            r = close_rdn(ret, &rdn);
        if (r < 0)
            return r;
        if (ret->n_items != 1 || separator != ',' || *ret_parent)
            continue;
        *ret_parent = s->p;
        if (m && text_equal(m->parent, s->p))
            return 0;
    }
    return 0;
}

/* The name is cut where it must be, and never what is said of it. */
static int refuse(const struct scanner *s, struct error *e)
{
    char shown[400];

    return error_set(e, -EINVAL, "\"%s\" is not a distinguished name: %s at byte %zu",
                     text_printable(shown, sizeof(shown), s->start, strlen(s->start)), s->fault,
                     (size_t)(s->p - s->start) + 1);
}

void dn_memory_done(struct dn_memory *m)
{
    free(m->parent);
    free(m->key);
    *m = (struct dn_memory){0};
}

/* The key of what all but the leaf's RDN name. */
static int remember(struct dn_memory *m, const char *parent, const struct string_list *rdns)
{
    CLEANUP(buffer_done) struct buffer key = {0};

    dn_memory_done(m);
    for (size_t i = rdns->n_items; i > 1; i--)
        buffer_add_text(&key, rdns->items[i - 1]);
    m->parent = strdup(parent);
    m->key = buffer_take(&key);
    if (m->parent && m->key)
        return 0;
    dn_memory_done(m);
    return -ENOMEM;
}

static int make_key(const struct schema *schema, const char *dn, unsigned depth,
                    struct dn_memory *m, char **ret, struct error *e)
{
    CLEANUP(scanner_done) struct scanner s = {.start = dn, .p = dn, .depth = depth};
    CLEANUP(string_list_done) struct string_list rdns = {0};
    CLEANUP(buffer_done) struct buffer key = {0};
    const char *parent = NULL;

    int r = scan_rdns(&s, schema, m, &rdns, &parent);
    if (r == 0 && m && rdns.n_items > 1)
        r = remember(m, parent, &rdns);
    if (r == -ENOMEM)
        return error_out_of_memory(e);
    if (r < 0)
        return refuse(&s, e);
    if (m && parent)
        buffer_add_text(&key, m->key);
    for (size_t i = m && parent ? 1 : rdns.n_items; i > 0; i--)
        buffer_add_text(&key, rdns.items[i - 1]);
    char *text = buffer_take(&key);
    if (!text)
        return error_out_of_memory(e);
    *ret = text;
    return 0;
}

static int key_at(const struct schema *schema, const char *dn, unsigned depth, char **ret,
                  struct error *e)
{
    return make_key(schema, dn, depth, NULL, ret, e);
}

int dn_key(const struct schema *schema, const char *dn, char **ret, struct error *e)
{
    return make_key(schema, dn, 0, NULL, ret, e);
}

int dn_key_by(struct dn_memory *m, const struct schema *schema, const char *dn, char **ret,
              struct error *e)
{
    return make_key(schema, dn, 0, m, ret, e);
}

static int check(const char *dn)
{
    CLEANUP(scanner_done) struct scanner s = {.start = dn, .p = dn};
    char separator = *dn ? ',' : '\0';
    struct pair pair;
    int r = 0;

    while (separator != '\0' && r == 0)
        r = scan_pair(&s, &pair, &separator);
    return r;
}

bool dn_is_valid(const char *dn)
{
    return check(dn) == 0;
}

bool dn_equal(const struct schema *schema, const char *a, const char *b)
{
    CLEANUP(freep) char *key_a = NULL;
    CLEANUP(freep) char *key_b = NULL;

    return dn_key(schema, a, &key_a, NULL) == 0 && dn_key(schema, b, &key_b, NULL) == 0 &&
           strcmp(key_a, key_b) == 0;
}

bool dn_key_is_below(const char *key, const char *ancestor_key)
{
    return strncmp(key, ancestor_key, strlen(ancestor_key)) == 0;
}

int dn_leaf(const char *dn, char **ret)
{
    CLEANUP(scanner_done) struct scanner s = {.start = dn, .p = dn};
    char separator;
    struct pair pair;
    int r = check(dn);

    if (r == 0)
        r = scan_pair(&s, &pair, &separator);
    if (r == 0 && s.value.data && memchr(s.value.data, '\0', s.value.size))
        r = -EINVAL; /* it would be cut */
    if (r < 0)
        return r;
    *ret = buffer_take(&s.value);
    return *ret ? 0 : -ENOMEM;
}

char *dn_leaf_value(const char *dn)
{
    char *value = NULL;

    return dn_leaf(dn, &value) == 0 ? value : NULL;
}

const char *dn_parent(const char *dn)
{
    CLEANUP(scanner_done) struct scanner s = {.start = dn, .p = dn};
    char separator = '+';
    struct pair pair;

    while (separator == '+')
        if (scan_pair(&s, &pair, &separator) < 0)
            return NULL;
    if (separator == '\0')
        return NULL;
    skip_blanks(&s);
    return s.p;
}

char *dn_escape_value(const char *value, size_t size)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    bool is_utf8 = text_is_utf8(value, size);

    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)value[i];
        bool special = c != '\0' && strchr("\"+,;<>\\", c) != NULL;
        bool at_edge = (i == 0 && (c == ' ' || c == '#')) || (i + 1 == size && c == ' ');
        if (c < 0x20 || c == 0x7f || (c >= 0x80 && !is_utf8))
            buffer_format(&b, "\\%02X", c);
        else if (special || at_edge)
            buffer_add(&b, (char[]){'\\', (char)c}, 2);
        else
            buffer_add(&b, &value[i], 1);
    }
    return buffer_take(&b);
}
