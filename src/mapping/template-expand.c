/*
 * A template on one entry. Every text on the way is UTF-8 without control characters and at
 * most TEMPLATE_OUTPUT_MAX bytes; what would break this is refused with the attribute's name.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "mapping/pattern.h"
#include "mapping/ruleset.h"
#include "mapping/template-tree.h"
#include "mapping/template.h"
#include "model/entry.h"

struct expander {
    const struct subject *subject;
    bool unset; /* the attribute at hand is missing, and nothing has taken its place */
    const char *code;
    struct error *e;
};

static int expand_word(struct expander *x, const struct template_word *w, struct buffer *to);

#define REFUSE(x, reason, ...)                                                                     \
    ((x)->code = (reason), error_set((x)->e, 0, __VA_ARGS__), TEMPLATE_REFUSED)

/* An allocation failed in to, or its text has become too large. */
static int check_size(struct expander *x, const struct buffer *to, const char *attribute)
{
    if (to->failed)
        return error_out_of_memory(x->e);
    if (to->size > TEMPLATE_OUTPUT_MAX)
        return REFUSE(x, INVALID_TOO_LARGE, "attribute '%s': its expansion is longer than %d bytes",
                      attribute, TEMPLATE_OUTPUT_MAX);
    return 0;
}

/* The text of a pattern that holds nothing but literal characters; malloc'd, NULL: it is none. */
static int literal_pattern(const struct template_word *w, char **ret)
{
    const char *text = w->n_pieces == 1 ? w->pieces[0].literal : NULL;
    size_t n = 0;
    if (!text)
        return 0;
    CLEANUP(freep) char *plain = malloc(strlen(text) + 1);
    if (!plain)
        return -ENOMEM;
    for (size_t i = 0; text[i]; i++) {
        if (strchr("*?[", text[i]))
            return 0;
        i += text[i] == '\\'; /* the parser lets none stand alone */
        plain[n++] = text[i];
    }
    plain[n] = '\0';
    *ret = TAKE(plain);
    return 0;
}

/* "SMTP:", "x500=": what says of a value what it is. */
static bool is_tag(const char *text)
{
    return strchr(":=/", text[strlen(text) - 1]); /* a pattern is never empty */
}

/* The value that an expansion takes. NULL: none; x->unset: as if the attribute were missing. */
static int choose_value(struct expander *x, const struct template_expansion *expansion,
                        const struct attribute *a, const struct value **ret)
{
    const struct template_operation *o =
        expansion->n_operations > 0 ? &expansion->operations[0] : NULL;
    bool cuts = o && (o->kind == TEMPLATE_REMOVE_START || o->kind == TEMPLATE_REMOVE_END);
    bool at_end = o && o->kind == TEMPLATE_REMOVE_END;
    CLEANUP(freep) char *text = NULL;
    int r = cuts ? literal_pattern(&o->pattern, &text) : 0;
    if (r == 0 && text)
        r = subject_value(x->subject, a, text, at_end, ret);
    if (r < 0 || *ret)
        return r;
    x->unset = text && !at_end && is_tag(text);
    return x->unset ? 0 : subject_value(x->subject, a, NULL, false, ret);
}

/* The first that says something, to be refused by name. */
static const struct value *unusable_value(const struct attribute *a)
{
    for (size_t i = 0; i < a->n_values; i++) {
        const struct value *v = &a->values[i];
        if (v->state != VALUE_TEXT || strspn(v->data, " ") != v->size)
            return v;
    }
    return NULL;
}

/* The value as text. `looked_at` is false when only its presence matters. */
static int take_value(struct expander *x, const struct template_expansion *expansion,
                      bool looked_at, struct buffer *to)
{
    const struct attribute *a = subject_attribute(x->subject, &expansion->attribute);
    const char *name = expansion->attribute.written;
    x->unset = !a;
    const struct value *v = NULL;
    if (a && choose_value(x, expansion, a, &v) < 0)
        return error_out_of_memory(x->e);
    if (!v && a && !x->unset)
        v = unusable_value(a);
    if (!v)
        return 0;
    if (!looked_at) {
        buffer_add_text(to, "1");
        return check_size(x, to, name);
    }
    if (subject_value_is_usable(v)) {
        buffer_add(to, v->data, v->size);
        return check_size(x, to, name);
    }
    if (v->state == VALUE_BINARY)
        return REFUSE(x, INVALID_BINARY,
                      "attribute '%s': the value is not text (not UTF-8, or with control "
                      "characters in it)",
                      name);
    return REFUSE(x, INVALID_TOO_LARGE,
                  "attribute '%s': the value has %zu bytes, and a template takes at most %d", name,
                  v->size, SUBJECT_VALUE_MAX);
}

/* 0, TEMPLATE_REFUSED or an error; what expansions give is literal in a pattern. */
static int build_pattern(struct expander *x, const struct template_word *w, struct pattern *ret)
{
    for (size_t i = 0; i < w->n_pieces; i++) {
        const struct template_piece *piece = &w->pieces[i];
        size_t ignored;
        int r;
        if (piece->literal) {
            r = pattern_add_glob(ret, piece->literal, strlen(piece->literal), &ignored, x->e);
        } else {
            CLEANUP(buffer_done) struct buffer text = {0};
            struct template_word one = {.pieces = (struct template_piece *)piece, .n_pieces = 1};
            r = expand_word(x, &one, &text);
            if (r == 0 && text.size > 0)
                r = pattern_add_literal(ret, text.data, text.size);
        }
        if (r == -E2BIG)
            return REFUSE(x, INVALID_TOO_LARGE, "a pattern becomes longer than %d characters",
                          PATTERN_MAX);
        if (r == -ENOMEM)
            return error_out_of_memory(x->e);
        if (r != 0)
            return r;
    }
    return 0;
}

static void keep_bytes(struct buffer *text, size_t from, size_t to)
{
    memmove(text->data, text->data + from, to - from);
    text->size = to - from;
    text->data[text->size] = '\0';
}

static int remove_match(const struct template_operation *o, struct pattern *pattern,
                        const struct characters *c, struct buffer *text)
{
    bool end = o->kind == TEMPLATE_REMOVE_END;
    size_t at;
    int r = pattern_match(pattern, c, end ? c->n : 0, end, o->all, &at);
    if (r != 1)
        return r;
    if (end)
        keep_bytes(text, 0, c->offsets[at]);
    else
        keep_bytes(text, c->offsets[at], text->size);
    return 0;
}

/* One round of a replacement at character *at. Returns 1 when a match was replaced. */
static int replace_at(const struct template_operation *o, struct pattern *pattern,
                      const struct characters *c, size_t at, size_t *ret_end)
{
    if (o->anchor == '#' && at > 0)
        return 0;
    int r = pattern_match(pattern, c, at, false, true, ret_end);
    return r == 1 && *ret_end == at ? 0 : r; /* nothing is never replaced */
}

/* The replacement, with what was matched for each '&'. */
static void add_replacement(struct buffer *to, const struct buffer *with, const char *matched,
                            size_t size)
{
    for (size_t i = 0; i < with->size; i++)
        if (with->data[i] == TEMPLATE_MATCHED[0])
            buffer_add(to, matched, size);
        else
            buffer_add(to, with->data + i, 1);
}

/* Of an empty text: a pattern that matches nothing at all is replaced once, as by the shell. */
static int replace_empty(struct expander *x, const struct template_operation *o, const char *name,
                         struct pattern *pattern, const struct characters *c, struct buffer *text)
{
    CLEANUP(buffer_done) struct buffer with = {0};
    size_t end;
    int r = pattern_match(pattern, c, 0, false, true, &end);
    if (r != 1)
        return r;
    r = expand_word(x, &o->word, &with);
    if (r != 0)
        return r;
    add_replacement(text, &with, "", 0);
    return check_size(x, text, name);
}

/* Puts the result in the place of the text. */
static int take_result(struct expander *x, const char *name, const struct buffer *result,
                       struct buffer *text)
{
    int r = check_size(x, result, name);
    if (r != 0)
        return r;
    buffer_clear(text);
    buffer_add(text, result->data ? result->data : "", result->size);
    return check_size(x, text, name);
}

static int replace(struct expander *x, const struct template_operation *o, const char *name,
                   struct pattern *pattern, const struct characters *c, struct buffer *text)
{
    CLEANUP(buffer_done) struct buffer with = {0};
    CLEANUP(buffer_done) struct buffer result = {0};
    int r = expand_word(x, &o->word, &with);
    if (r != 0)
        return r;
    size_t at = 0, end;
    if (o->anchor == '%') {
        r = pattern_match(pattern, c, c->n, true, true, &at);
        if (r != 1)
            return r;
        buffer_add(&result, text->data, c->offsets[at]);
        add_replacement(&result, &with, text->data + c->offsets[at], text->size - c->offsets[at]);
        return take_result(x, name, &result, text);
    }
    for (bool done = false; at < c->n;) {
        r = done ? 0 : replace_at(o, pattern, c, at, &end);
        if (r < 0)
            return r;
        if (r == 0) {
            buffer_add(&result, text->data + c->offsets[at], c->offsets[at + 1] - c->offsets[at]);
            at++;
            continue;
        }
        add_replacement(&result, &with, text->data + c->offsets[at],
                        c->offsets[end] - c->offsets[at]);
        at = end;
        done = !o->all;
        r = check_size(x, &result, name);
        if (r != 0)
            return r;
    }
    return take_result(x, name, &result, text);
}

static int apply_pattern(struct expander *x, const struct template_operation *o, const char *name,
                         struct buffer *text)
{
    struct pattern pattern = {0};
    struct characters c = {0};
    int r = build_pattern(x, &o->pattern, &pattern);
    if (r == 0) {
        r = characters_init(&c, text->data ? text->data : "", text->size);
        if (r == 0 && c.n > 0)
            r = o->kind == TEMPLATE_REPLACE ? replace(x, o, name, &pattern, &c, text)
                                            : remove_match(o, &pattern, &c, text);
        else if (r == 0 && o->kind == TEMPLATE_REPLACE && !x->unset)
            r = replace_empty(x, o, name, &pattern, &c, text);
        if (r == -ENOMEM)
            error_out_of_memory(x->e);
    }
    characters_done(&c);
    pattern_done(&pattern);
    return r;
}

static int set_text(struct expander *x, struct buffer *text, char *taken, const char *name)
{
    CLEANUP(freep) char *owned = taken;
    if (!owned)
        return error_out_of_memory(x->e);
    buffer_clear(text);
    buffer_add_text(text, owned);
    return check_size(x, text, name);
}

static int apply_case(struct expander *x, const struct template_operation *o, const char *name,
                      struct buffer *text)
{
    char *(*change)(const char *) = o->kind == TEMPLATE_LOWER ? text_lower : text_upper;
    if (text->size == 0)
        return 0;
    if (o->all)
        return set_text(x, text, change(text->data), name);
    size_t n = 1;
    while (((unsigned char)text->data[n] & 0xC0) == 0x80)
        n++;
    CLEANUP(freep) char *first = strndup(text->data, n);
    CLEANUP(freep) char *rest = strdup(text->data + n);
    CLEANUP(freep) char *changed = first ? change(first) : NULL;
    if (!rest || !changed)
        return error_out_of_memory(x->e);
    buffer_clear(text);
    buffer_add_text(text, changed);
    buffer_add_text(text, rest);
    return check_size(x, text, name);
}

static size_t count_question_marks(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += *text == '?';
    return n;
}

static int apply_ascii(struct expander *x, const struct template_operation *o, const char *name,
                       struct buffer *text)
{
    if (text->size == 0)
        return 0;
    char *ascii = text_to_ascii(text->data, o->all);
    if (ascii && count_question_marks(ascii) > count_question_marks(text->data)) {
        char shown[128];
        free(ascii);
        return REFUSE(x, INVALID_TRANSLITERATION,
                      "attribute '%s': '%s' has characters without an ASCII form", name,
                      text_printable(shown, sizeof(shown), text->data, text->size));
    }
    return set_text(x, text, ascii, name);
}

static void keep_digits(struct buffer *text)
{
    size_t n = 0;
    for (size_t i = 0; i < text->size; i++)
        if (text->data[i] >= '0' && text->data[i] <= '9')
            text->data[n++] = text->data[i];
    if (text->data)
        keep_bytes(text, 0, n);
}

static int apply_substring(struct expander *x, const struct template_operation *o,
                           struct buffer *text)
{
    struct characters c;
    if (text->size == 0)
        return 0;
    if (characters_init(&c, text->data, text->size) < 0)
        return error_out_of_memory(x->e);
    long n = (long)c.n;
    long from = o->offset < 0 ? n + o->offset : o->offset;
    if (from < 0 || from > n)
        from = n; /* as the shell: an offset before the start gives nothing */
    long to = n;
    if (o->has_length)
        to = o->length < 0 ? n + o->length : from + o->length;
    if (to > n)
        to = n;
    if (to < from)
        to = from;
    keep_bytes(text, c.offsets[from], c.offsets[to]);
    characters_done(&c);
    return 0;
}

static int apply(struct expander *x, const struct template_operation *o, const char *name,
                 struct buffer *text)
{
    switch (o->kind) {
    case TEMPLATE_DEFAULT:
        if (text->size > 0)
            return 0;
        x->unset = false;
        return expand_word(x, &o->word, text);
    case TEMPLATE_ALTERNATIVE:
        if (text->size == 0)
            return 0;
        buffer_clear(text);
        return expand_word(x, &o->word, text);
    case TEMPLATE_REMOVE_START:
    case TEMPLATE_REMOVE_END:
    case TEMPLATE_REPLACE: return apply_pattern(x, o, name, text);
    case TEMPLATE_LOWER:
    case TEMPLATE_UPPER: return apply_case(x, o, name, text);
    case TEMPLATE_SUBSTRING: return apply_substring(x, o, text);
    case TEMPLATE_DIGITS: keep_digits(text); return 0;
    case TEMPLATE_ASCII:
    default: return apply_ascii(x, o, name, text);
    }
}

static int expand_piece(struct expander *x, const struct template_expansion *expansion,
                        struct buffer *to)
{
    CLEANUP(buffer_done) struct buffer text = {0};
    const char *name = expansion->attribute.written;
    bool looked_at =
        expansion->n_operations == 0 || expansion->operations[0].kind != TEMPLATE_ALTERNATIVE;
    bool outer = x->unset;
    int r = take_value(x, expansion, looked_at, &text);
    for (size_t i = 0; r == 0 && i < expansion->n_operations; i++)
        r = apply(x, &expansion->operations[i], name, &text);
    x->unset = outer;
    if (r == 0)
        r = check_size(x, &text, name);
    if (r != 0)
        return r;
    buffer_add(to, text.data ? text.data : "", text.size);
    return check_size(x, to, name);
}

static int expand_word(struct expander *x, const struct template_word *w, struct buffer *to)
{
    for (size_t i = 0; i < w->n_pieces; i++) {
        const struct template_piece *piece = &w->pieces[i];
        int r;
        if (piece->literal) {
            buffer_add_text(to, piece->literal);
            r = check_size(x, to, "(text)");
        } else {
            r = expand_piece(x, piece->expansion, to);
        }
        if (r != 0)
            return r;
    }
    return 0;
}

int template_expand(const struct template *t, const struct subject *s, char **ret,
                    const char **ret_code, struct error *e)
{
    CLEANUP(buffer_done) struct buffer to = {0};
    struct expander x = {.subject = s, .e = e};
    int r = expand_word(&x, &t->word, &to);
    if (r != 0) {
        *ret_code = x.code;
        return r;
    }
    size_t from = 0, end = to.size;
    while (from < end && to.data[from] == ' ')
        from++;
    while (end > from && to.data[end - 1] == ' ')
        end--;
    char *result = strndup(to.data ? to.data + from : "", end - from);
    if (!result)
        return error_out_of_memory(e);
    *ret = result;
    return 0;
}
