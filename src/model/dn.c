/*
 * Distinguished names by their keys. How they are read is the matter of dn-scan.c, how values
 * are compared that of dn-value.c.
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
#include "model/dn-scan.h"
#include "model/dn-value.h"
#include "model/schema.h"

/* The type by the first of its names, in lower case; where the server takes names as written,
 * as written. */
static void add_type(struct buffer *b, const struct schema_type *type)
{
    size_t start = b->size;

    buffer_add(b, type->name, type->n_name);
    for (size_t i = start; !b->failed && i < b->size; i++)
        if (b->data[i] >= 'A' && b->data[i] <= 'Z')
            b->data[i] = (char)(b->data[i] + ('a' - 'A'));
}

/* What would be taken for the key's own '\n', '+' or '#' is escaped, and so is every other
 * control character, since keys are stored as text. */
static void add_escaped(struct buffer *b, const struct buffer *form)
{
    size_t done = 0;

    for (size_t i = 0; i < form->size; i++) {
        unsigned char c = (unsigned char)form->data[i];
        if (c >= 0x20 && c != 0x7f && c != '\\' && c != '+' && c != '#')
            continue;
        buffer_add(b, form->data + done, i - done);
        buffer_format(b, "\\%02x", c);
        done = i + 1;
    }
    if (done < form->size)
        buffer_add(b, form->data + done, form->size - done);
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

/* form: room for the value. */
static void add_pair(struct buffer *b, struct buffer *form, const struct schema *schema,
                     const struct dn_scanner *s, const struct dn_pair *pair)
{
    enum schema_naming naming = schema_naming(schema);
    struct schema_type type = {.name = pair->type, .n_name = pair->n_type};
    const char *value = s->value.data ? s->value.data : "";

    if (naming != SCHEMA_NAMES_BY_CASE)
        type = schema_describe(schema, pair->type, pair->n_type);
    add_type(b, &type);
    buffer_add_text(b, "=");
    if (pair->is_hexadecimal) {
        buffer_add(b, value, s->value.size);
        return;
    }
    buffer_clear(form);
    if (type.matching == MATCHING_DN)
        add_name(form, schema, &s->value, s->depth);
    else
        dn_value_form(form, naming, type.matching, value, s->value.size);
    add_escaped(b, form);
}

static int list_pair(struct string_list *rdn, const struct schema *schema,
                     const struct dn_scanner *s, const struct dn_pair *pair)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    CLEANUP(buffer_done) struct buffer form = {0};

    add_pair(&b, &form, schema, s, pair);
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
static int scan_rdns(struct dn_scanner *s, const struct schema *schema, const struct dn_memory *m,
                     struct string_list *ret, const char **ret_parent)
{
    CLEANUP(string_list_done) struct string_list rdn = {0};
    char separator = ',';
    struct dn_pair pair;

    if (*s->p == '\0')
        return 0;
    while (separator != '\0') {
        int r = dn_scan_pair(s, &pair, &separator);
        if (r < 0)
            return r;
        r = list_pair(&rdn, schema, s, &pair);
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
static int refuse(const struct dn_scanner *s, struct error *e)
{
    char shown[400];

    return error_set(e, -EINVAL, "\"%s\" is not a distinguished name: %s at byte %zu",
                     text_printable(shown, sizeof(shown), s->start, strlen(s->start)), s->fault,
                     (size_t)(s->p - s->start) + 1);
}

static void forget(struct dn_memory *m)
{
    free(TAKE(m->parent));
    free(TAKE(m->key));
}

void dn_memory_done(struct dn_memory *m)
{
    forget(m);
    buffer_done(&m->value);
    buffer_done(&m->form);
    buffer_done(&m->text);
}

/* The key of what all but the leaf's RDN name. */
static int remember(struct dn_memory *m, const char *parent, const struct string_list *rdns)
{
    CLEANUP(buffer_done) struct buffer key = {0};

    forget(m);
    for (size_t i = rdns->n_items; i > 1; i--)
        buffer_add_text(&key, rdns->items[i - 1]);
    m->parent = strdup(parent);
    m->key = buffer_take(&key);
    if (m->parent && m->key)
        return 0;
    forget(m);
    return -ENOMEM;
}

#define ELSEWHERE 1

/* Most names lie where the one before lay, and their leaf is a single pair. ELSEWHERE: this
 * does not, or it is no name. */
static int key_below(struct dn_memory *m, const struct schema *schema, const char *dn, char **ret)
{
    struct dn_scanner s = {.start = dn, .p = dn, .value = m->value};
    char separator = '\0';
    struct dn_pair pair;
    int r = m->parent ? dn_scan_pair(&s, &pair, &separator) : ELSEWHERE;

    m->value = s.value;
    if (r != 0 || separator != ',' || strcmp(m->parent, s.p) != 0)
        return r == -ENOMEM ? r : ELSEWHERE;
    buffer_clear(&m->text);
    buffer_add_text(&m->text, m->key);
    add_pair(&m->text, &m->form, schema, &s, &pair);
    buffer_add_text(&m->text, "\n");
    char *key = m->text.failed || m->form.failed ? NULL : strdup(m->text.data);
    if (!key)
        return -ENOMEM;
    *ret = key;
    return 0;
}

static int make_key(const struct schema *schema, const char *dn, unsigned depth,
                    struct dn_memory *m, char **ret, struct error *e)
{
    CLEANUP(dn_scanner_done) struct dn_scanner s = {.start = dn, .p = dn, .depth = depth};
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
    int r = m ? key_below(m, schema, dn, ret) : ELSEWHERE;

    if (r == -ENOMEM) {
        dn_memory_done(m);
        return error_out_of_memory(e);
    }
    return r == ELSEWHERE ? make_key(schema, dn, 0, m, ret, e) : 0;
}

static int check(const char *dn)
{
    CLEANUP(dn_scanner_done) struct dn_scanner s = {.start = dn, .p = dn};
    char separator = *dn ? ',' : '\0';
    struct dn_pair pair;
    int r = 0;

    while (separator != '\0' && r == 0)
        r = dn_scan_pair(&s, &pair, &separator);
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
    CLEANUP(dn_scanner_done) struct dn_scanner s = {.start = dn, .p = dn};
    char separator;
    struct dn_pair pair;
    int r = check(dn);

    if (r == 0)
        r = dn_scan_pair(&s, &pair, &separator);
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
    CLEANUP(dn_scanner_done) struct dn_scanner s = {.start = dn, .p = dn};
    char separator = '+';
    struct dn_pair pair;

    while (separator == '+')
        if (dn_scan_pair(&s, &pair, &separator) < 0)
            return NULL;
    if (separator == '\0')
        return NULL;
    dn_skip_blanks(&s);
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
