/*
 * A prepared filter on one entry: TRUE, FALSE or Undefined, and the sentence that says why.
 * Values of secrets and bytes are never printed.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "mapping/filter-special.h"
#include "mapping/filter.h"
#include "model/entry.h"

static int negate(int r)
{
    return r == FILTER_TRUE ? FILTER_FALSE : r == FILTER_FALSE ? FILTER_TRUE : r;
}

static int of(bool b)
{
    return b ? FILTER_TRUE : FILTER_FALSE;
}

static const char *find(const char *bytes, size_t size, const struct normal *what)
{
    return what->size > size ? NULL : memmem(bytes, size, what->data, what->size);
}

static bool has_parts(const struct filter_node *n, const struct normal *value)
{
    const char *at = value->data;
    size_t left = value->size;
    for (size_t i = 0; i < n->n_parts; i++) {
        const struct normal *part = &n->parts[i].normal;
        const char *found = find(at, left, part);
        if (!found || (n->parts[i].place == PART_INITIAL && found != at))
            return false;
        if (n->parts[i].place == PART_FINAL)
            found = at + left - part->size; /* it fits, since it was found */
        if (memcmp(found, part->data, part->size) != 0)
            return false;
        left -= (size_t)(found - at) + part->size;
        at = found + part->size;
    }
    return true;
}

static int bits_match(const struct filter_node *n, const struct value *v)
{
    int64_t have, want;
    if (v->state != VALUE_TEXT || text_parse_signed(v->data, &have) < 0 ||
        text_parse_signed(n->parts[0].bytes, &want) < 0)
        return FILTER_UNDEFINED;
    return of(n->bits == FILTER_BITS_ALL ? (have & want) == want : (have & want) != 0);
}

static void normal_donep(struct normal *n)
{
    normal_done(n);
}

static int value_matches(const struct filter_node *n, const struct subject *s,
                         const struct value *v)
{
    if (v->state == VALUE_TOO_LARGE)
        return FILTER_UNDEFINED; /* its bytes were not kept */
    if (n->category)
        return filter_special_category(n, v);
    if (n->bits != FILTER_BITS_NONE)
        return bits_match(n, v);
    CLEANUP(normal_donep) struct normal value = {0};
    enum part_place place = n->kind == FILTER_SUBSTRINGS ? PART_SUBJECT : PART_WHOLE;
    int r = matching_normalise(&value, s->schema, n->matching, place, v->data, v->size);
    if (r != 0)
        return r < 0 ? r : FILTER_UNDEFINED;
    if (n->kind == FILTER_SUBSTRINGS)
        return of(has_parts(n, &value));
    if (n->kind == FILTER_NOT_BELOW)
        return of(matching_compare(n->matching, &value, &n->parts[0].normal) >= 0);
    if (n->kind == FILTER_NOT_ABOVE)
        return of(matching_compare(n->matching, &value, &n->parts[0].normal) <= 0);
    return of(normal_equal(&value, &n->parts[0].normal));
}

static bool node_takes(const struct filter_node *n, const struct subject *s, size_t attribute)
{
    if (!subject_has_options(s, attribute, n->attribute.options))
        return false;
    for (size_t i = 0; i < n->types.n_items; i++)
        if (subject_is(s, attribute, n->types.items[i]))
            return true;
    return false;
}

static int item_evaluate(const struct filter_node *n, const struct subject *s)
{
    if (n->undefined)
        return FILTER_UNDEFINED;
    int result = FILTER_FALSE;
    for (size_t i = 0; i < s->entry->n_attributes; i++) {
        const struct attribute *a = &s->entry->attributes[i];
        if (!node_takes(n, s, i))
            continue;
        if (n->kind == FILTER_PRESENT)
            return FILTER_TRUE;
        for (size_t k = 0; k < a->n_values; k++) {
            int r = value_matches(n, s, &a->values[k]);
            if (r < 0 || r == FILTER_TRUE)
                return r;
            if (r == FILTER_UNDEFINED)
                result = r;
        }
    }
    return result;
}

static int node_evaluate(const struct filter_node *n, const struct subject *s);

/* AND stops at FALSE, OR at TRUE; else Undefined wins over the neutral value. */
static int set_evaluate(const struct filter_node *n, const struct subject *s)
{
    int stop = n->kind == FILTER_AND ? FILTER_FALSE : FILTER_TRUE, result = negate(stop);
    for (size_t i = 0; i < n->n_children; i++) {
        int r = node_evaluate(n->children[i], s);
        if (r < 0 || r == stop)
            return r;
        if (r == FILTER_UNDEFINED)
            result = r;
    }
    return result;
}

static int node_evaluate(const struct filter_node *n, const struct subject *s)
{
    if (n->kind == FILTER_AND || n->kind == FILTER_OR)
        return set_evaluate(n, s);
    if (n->kind == FILTER_NOT)
        return negate(node_evaluate(n->children[0], s));
    return item_evaluate(n, s);
}

int filter_evaluate(const struct filter *f, const struct subject *s)
{
    return node_evaluate(f->root, s);
}

static bool is_secret(const char *attribute)
{
    static const char *const names[] = {"userPassword", "unicodePwd", "sambaNTPassword",
                                        "sambaLMPassword"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (text_equal_ascii_case(names[i], attribute))
            return true;
    return false;
}

static void explain_values(const struct filter_node *n, const struct subject *s, struct buffer *to)
{
    enum { SHOWN = 3 };
    char shown[128];
    size_t n_values = 0;
    for (size_t i = 0; i < s->entry->n_attributes; i++) {
        const struct attribute *a = &s->entry->attributes[i];
        if (!node_takes(n, s, i))
            continue;
        for (size_t k = 0; k < a->n_values; k++) {
            const struct value *v = &a->values[k];
            if (n_values++ >= SHOWN)
                continue;
            buffer_add_text(to, n_values > 1 ? ", " : "");
            if (n_values == 1)
                buffer_format(to, ": %s is ", n->attribute.written);
            if (is_secret(n->attribute.canonical))
                buffer_add_text(to, "(secret)");
            else if (v->state == VALUE_TEXT)
                buffer_format(to, "'%s'", text_printable(shown, sizeof(shown), v->data, v->size));
            else
                buffer_format(to, "(%zu bytes, no text)", v->size);
        }
    }
    if (n_values == 0)
        buffer_format(to, ": %s is absent", n->attribute.written);
    else if (n_values > SHOWN)
        buffer_format(to, " and %zu more", n_values - SHOWN);
}

static const char *result_words(int r)
{
    return r == FILTER_TRUE ? "true" : r == FILTER_FALSE ? "false" : "undefined";
}

/* The child whose result made the result of its parent, or NULL. */
static const struct filter_node *decisive(const struct filter_node *n, const struct subject *s,
                                          int result)
{
    int wanted = n->kind == FILTER_NOT ? negate(result) : result;
    if (n->kind != FILTER_NOT && n->n_children > 1 && result != FILTER_UNDEFINED &&
        result == (n->kind == FILTER_AND ? FILTER_TRUE : FILTER_FALSE))
        return NULL; /* all of them did */
    for (size_t i = 0; i < n->n_children; i++)
        if (node_evaluate(n->children[i], s) == wanted)
            return n->children[i];
    return NULL;
}

static void explain_node(const struct filter *f, const struct filter_node *n,
                         const struct subject *s, struct buffer *to, bool nested)
{
    int result = node_evaluate(n, s);
    if (result < 0) {
        to->failed = true;
        return;
    }
    if (nested)
        buffer_add_text(to, ": ");
    buffer_add(to, f->text + n->start, n->end - n->start);
    buffer_format(to, " is %s", result_words(result));
    if (n->kind != FILTER_AND && n->kind != FILTER_OR && n->kind != FILTER_NOT) {
        explain_values(n, s, to);
        return;
    }
    const struct filter_node *child = decisive(n, s, result);
    if (child) {
        explain_node(f, child, s, to, true);
        return;
    }
    bool all_false = result == FILTER_FALSE && n->n_children > 1;
    for (size_t i = 0; all_false && i < n->n_children; i++) {
        buffer_add_text(to, i ? "; " : ": ");
        explain_node(f, n->children[i], s, to, false);
    }
}

int filter_explain(const struct filter *f, const struct subject *s, struct buffer *to)
{
    explain_node(f, f->root, s, to, false);
    return to->failed ? -ENOMEM : 0;
}
