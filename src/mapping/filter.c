/*
 * The grammar of RFC 4515 (and RFC 4526's empty "(&)" and "(|)"): text to tree, with the place
 * of the first error. Knows nothing of schemas and entries.
 */
#include "config.h"

#include "mapping/filter.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "mapping/ruleset.h"

/* Deeper nesting is nobody's filter, and the stack is not endless. */
#define DEPTH_MAX 50

struct parser {
    const char *text;
    size_t at;
    size_t error_at;
    unsigned depth;
    struct error *e;
};

#define FAIL(p, where, ...) ((p)->error_at = (where), error_set((p)->e, -EINVAL, __VA_ARGS__))

static int parse_filter(struct parser *p, struct filter_node **ret);

static struct filter_node *node_free(struct filter_node *n)
{
    if (!n)
        return NULL;
    for (size_t i = 0; i < n->n_children; i++)
        node_free(n->children[i]);
    free(n->children);
    for (size_t i = 0; i < n->n_parts; i++) {
        free(n->parts[i].bytes);
        normal_done(&n->parts[i].normal);
    }
    free(n->parts);
    attribute_name_done(&n->attribute);
    string_list_done(&n->types);
    free(n->rule);
    free(n);
    return NULL;
}

static void node_freep(struct filter_node **n)
{
    node_free(*n);
}

/* Only where libldap allows them too: within "&" and "|", before and after each component. */
static void skip_blanks(struct parser *p)
{
    while (p->text[p->at] == ' ' || p->text[p->at] == '\t')
        p->at++;
}

static const char *quoted_here(const struct parser *p, char buffer[16])
{
    return p->text[p->at] ? text_quote_first(buffer, p->text + p->at) : "the end of the filter";
}

static int parse_children(struct parser *p, struct filter_node *n)
{
    skip_blanks(p);
    while (p->text[p->at] == '(') {
        size_t start = p->at;
        CLEANUP(node_freep) struct filter_node *child = NULL;
        int r = parse_filter(p, &child);
        if (r < 0)
            return r;
        if (n->kind == FILTER_NOT && n->n_children == 1)
            return FAIL(p, start, "'!' takes one filter; put '&' or '|' around several");
        r = memory_grow(&n->children, &n->children_capacity, n->n_children + 1,
                        sizeof(*n->children));
        if (r < 0)
            return error_out_of_memory(p->e);
        n->children[n->n_children++] = TAKE(child);
        if (n->kind != FILTER_NOT)
            skip_blanks(p);
    }
    if (n->kind == FILTER_NOT && n->n_children == 0) {
        char here[16];
        return FAIL(p, p->at, "'!' needs a filter in brackets, such as (!(a=b)); found %s",
                    quoted_here(p, here));
    }
    return 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int add_part(struct parser *p, struct filter_node *n, struct buffer *value)
{
    int r = memory_grow(&n->parts, &n->parts_capacity, n->n_parts + 1, sizeof(*n->parts));
    if (r < 0)
        return error_out_of_memory(p->e);
    size_t size = value->size;
    char *bytes = buffer_take(value);
    if (!bytes)
        return error_out_of_memory(p->e);
    n->parts[n->n_parts++] =
        (struct filter_part){.bytes = bytes, .size = size, .place = PART_WHOLE};
    return 0;
}

/* The bytes up to ')' or '*', unescaped, onto value. */
static int parse_value(struct parser *p, struct buffer *value)
{
    for (;; p->at++) {
        const char *here = p->text + p->at;
        switch (*here) {
        case '\0': return FAIL(p, p->at, "')' is missing at the end of the value");
        case ')':
        case '*': return 0;
        case '(': return FAIL(p, p->at, "a '(' inside a value must be written as \\28");
        case '\\': {
            int high = hex_value(here[1]), low = high < 0 ? -1 : hex_value(here[2]);
            if (low < 0)
                return FAIL(p, p->at,
                            "'\\' must be followed by two hexadecimal digits; a backslash "
                            "itself is \\5c");
            char byte = (char)(high * 16 + low);
            buffer_add(value, &byte, 1);
            p->at += 2;
            break;
        }
        default: buffer_add(value, here, 1);
        }
    }
}

/* After "attribute=": equality, presence or substrings. */
static int parse_equal(struct parser *p, struct filter_node *n)
{
    CLEANUP(buffer_done) struct buffer value = {0};
    size_t n_stars = 0;
    bool last_empty = false;
    for (;;) {
        size_t start = p->at;
        int r = parse_value(p, &value);
        if (r < 0)
            return r;
        bool star = p->text[p->at] == '*', empty = p->at == start;
        if (n_stars > 0 && empty && star)
            return FAIL(p, start, "two '*' follow each other; a literal star is \\2a");
        last_empty = empty;
        if (!empty) {
            r = add_part(p, n, &value);
            if (r < 0)
                return r;
            struct filter_part *part = &n->parts[n->n_parts - 1];
            part->place = star ? (n_stars ? PART_ANY : PART_INITIAL) : PART_FINAL;
        }
        if (!star)
            break;
        n_stars++;
        p->at++;
    }
    if (n_stars == 0) {
        n->kind = FILTER_EQUAL;
        int r = last_empty ? add_part(p, n, &value) : 0;
        if (r < 0)
            return r;
        n->parts[0].place = PART_WHOLE;
    } else {
        n->kind = n->n_parts == 0 ? FILTER_PRESENT : FILTER_SUBSTRINGS;
    }
    return 0;
}

static int parse_plain_value(struct parser *p, struct filter_node *n)
{
    CLEANUP(buffer_done) struct buffer value = {0};
    n->value_at = p->at;
    int r = parse_value(p, &value);
    if (r < 0)
        return r;
    if (p->text[p->at] == '*')
        return FAIL(p, p->at, "a '*' is only possible after '='; a literal star is \\2a");
    return add_part(p, n, &value);
}

/* From the first ':' of "attribute:dn:rule:=value". */
static int parse_extensible(struct parser *p, struct filter_node *n)
{
    n->kind = FILTER_EXTENSIBLE;
    const char *here = p->text + p->at;
    if (strncasecmp(here, ":dn:", 4) == 0) {
        n->dn_at = p->at;
        p->at += 3;
    }
    if (p->text[p->at + 1] != '=') {
        p->at++;
        size_t size = attribute_name_size(p->text + p->at);
        if (size == 0 || memchr(p->text + p->at, ';', size)) {
            char bad[16];
            return FAIL(p, p->at, "the name or OID of a matching rule is expected, found %s",
                        quoted_here(p, bad));
        }
        n->rule_at = p->at;
        n->rule = strndup(p->text + p->at, size);
        if (!n->rule)
            return error_out_of_memory(p->e);
        p->at += size;
    }
    if (strncmp(p->text + p->at, ":=", 2) != 0)
        return FAIL(p, p->at, "':=' is expected before the value of an extensible match");
    if (!n->attribute.written && !n->rule)
        return FAIL(p, n->start + 1, "an attribute is missing before ':='");
    p->at += 2;
    return parse_plain_value(p, n);
}

static int parse_item(struct parser *p, struct filter_node *n)
{
    size_t size = attribute_name_size(p->text + p->at);
    if (size > 0) {
        int r = attribute_name_init(&n->attribute, p->text + p->at, size);
        if (r < 0)
            return error_out_of_memory(p->e);
        p->at += size;
    } else if (p->text[p->at] != ':') {
        char here[16];
        return FAIL(p, p->at, "an attribute, '&', '|' or '!' is expected after '(', found %s",
                    quoted_here(p, here));
    }
    const char *here = p->text + p->at;
    if (*here == ':')
        return parse_extensible(p, n);
    if (*here == '=') {
        n->value_at = ++p->at;
        return parse_equal(p, n);
    }
    if (*here && strchr("<>~", *here) && here[1] == '=') {
        n->kind = *here == '<'   ? FILTER_NOT_ABOVE
                  : *here == '>' ? FILTER_NOT_BELOW
                                 : FILTER_APPROXIMATE;
        p->at += 2;
        return parse_plain_value(p, n);
    }
    char bad[16];
    return FAIL(p, p->at, "'=', '>=', '<=', '~=' or ':=' is expected after '%s', found %s",
                n->attribute.written, quoted_here(p, bad));
}

static int parse_filter(struct parser *p, struct filter_node **ret)
{
    char here[16];
    if (p->text[p->at] != '(')
        return FAIL(p, p->at, "'(' is expected, found %s", quoted_here(p, here));
    if (p->depth == DEPTH_MAX)
        return FAIL(p, p->at, "the filter is nested deeper than %d", DEPTH_MAX);
    CLEANUP(node_freep) struct filter_node *n = calloc(1, sizeof(*n));
    if (!n)
        return error_out_of_memory(p->e);
    n->start = p->at++;
    char c = p->text[p->at];
    int r;
    if (c == '&' || c == '|' || c == '!') {
        n->kind = c == '&' ? FILTER_AND : c == '|' ? FILTER_OR : FILTER_NOT;
        p->at++;
        p->depth++;
        r = parse_children(p, n);
        p->depth--;
    } else {
        r = parse_item(p, n);
    }
    if (r < 0)
        return r;
    if (p->text[p->at] != ')')
        return FAIL(p, p->at, "')' is expected, found %s", quoted_here(p, here));
    n->end = ++p->at;
    *ret = TAKE(n);
    return 0;
}

struct filter *filter_free(struct filter *f)
{
    if (f) {
        node_free(f->root);
        free(f->text);
        free(f);
    }
    return NULL;
}

static int parse_whole(struct parser *p, struct filter_node **ret)
{
    if (!p->text[p->at])
        return FAIL(p, p->at, "the filter is empty; (objectClass=*) matches everything");
    if (p->text[p->at] != '(' && strchr(p->text, '='))
        return FAIL(p, p->at, "a filter stands in brackets: (%s)", p->text + p->at);
    int r = parse_filter(p, ret);
    if (r < 0)
        return r;
    if (p->text[p->at])
        return FAIL(p, p->at,
                    "the filter ends before this; to join several, write (&(…)(…)) or "
                    "(|(…)(…))");
    return 0;
}

int filter_parse(struct filter **ret, const char *text, size_t *ret_offset, struct error *e)
{
    struct parser p = {.text = text, .e = e};
    *ret_offset = 0;
    if (!text_is_utf8(text, strlen(text)))
        return error_set(e, -EINVAL, "the filter is not UTF-8; write other bytes as \\xx");
    CLEANUP(filter_freep) struct filter *f = calloc(1, sizeof(*f));
    if (!f)
        return error_out_of_memory(e);
    f->text = strdup(text);
    if (!f->text)
        return error_out_of_memory(e);
    int r = parse_whole(&p, &f->root);
    *ret_offset = p.error_at;
    if (r < 0)
        return r;
    *ret = TAKE(f);
    return 0;
}

static int collect(const struct filter_node *n, struct string_list *ret)
{
    for (size_t i = 0; i < n->n_children; i++) {
        int r = collect(n->children[i], ret);
        if (r < 0)
            return r;
    }
    int r = n->attribute.canonical ? string_list_add_name(ret, n->attribute.canonical) : 0;
    for (size_t i = 0; r == 0 && i < n->types.n_items; i++)
        r = string_list_add_name(ret, n->types.items[i]);
    return r;
}

int filter_collect(const struct filter *f, struct string_list *ret)
{
    return collect(f->root, ret);
}

int filter_attributes(const char *filter, struct string_list *ret, struct error *e)
{
    CLEANUP(filter_freep) struct filter *f = NULL;
    size_t offset;
    int r = filter_parse(&f, filter, &offset, e);
    if (r < 0)
        return r;
    r = filter_collect(f, ret);
    return r < 0 ? error_out_of_memory(e) : 0;
}
