/*
 * Text of a template to its tree, with the place of the first error. What an attribute holds is
 * no matter here.
 */
#include "config.h"

#include "mapping/template.h"

#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "mapping/pattern.h"
#include "mapping/problem-sink.h"
#include "mapping/template-tree.h"

#define DEPTH_MAX 16

struct parser {
    const char *text;
    size_t at;
    size_t error_at;
    unsigned depth;
    struct error *e;
};

#define FAIL(p, where, ...) ((p)->error_at = (where), error_set((p)->e, -EINVAL, __VA_ARGS__))

enum context {
    OUTSIDE = 1,        /* of all braces: up to the end of the text */
    IN_WORD = 2,        /* up to '}' */
    IN_PATTERN = 3,     /* up to '}', backslashes kept for the pattern */
    IN_REPLACED = 4,    /* the same up to '/' or '}' */
    IN_REPLACEMENT = 5, /* up to '}', with '&' for what was matched */
};

static int parse_word(struct parser *p, enum context context, struct template_word *ret);

static void expansion_free(struct template_expansion *x);

static void word_done(struct template_word *w)
{
    for (size_t i = 0; i < w->n_pieces; i++) {
        free(w->pieces[i].literal);
        expansion_free(w->pieces[i].expansion);
    }
    free(w->pieces);
    *w = (struct template_word){0};
}

static void expansion_free(struct template_expansion *x)
{
    if (!x)
        return;
    for (size_t i = 0; i < x->n_operations; i++) {
        word_done(&x->operations[i].pattern);
        word_done(&x->operations[i].word);
    }
    free(x->operations);
    attribute_name_done(&x->attribute);
    free(x);
}

static void expansion_freep(struct template_expansion **x)
{
    expansion_free(*x);
}

static const char *quoted_here(const struct parser *p, char buffer[16])
{
    return p->text[p->at] ? text_quote_first(buffer, p->text + p->at) : "the end of the template";
}

/* "12" or "-3", blanks before it: the shell needs one before a negative offset, since ":-" is
 * another operator. */
static bool parse_number(struct parser *p, long *ret)
{
    size_t at = p->at;
    while (p->text[at] == ' ')
        at++;
    bool negative = p->text[at] == '-';
    if (negative)
        at++;
    size_t start = at;
    long value = 0;
    for (; p->text[at] >= '0' && p->text[at] <= '9'; at++)
        if (value < 1000000)
            value = value * 10 + (p->text[at] - '0');
    if (at == start)
        return false;
    p->at = at;
    *ret = negative ? -value : value;
    return true;
}

static int parse_colon(struct parser *p, struct template_operation *o)
{
    char c = p->text[++p->at];
    if (c == '-' || c == '+') {
        o->kind = c == '-' ? TEMPLATE_DEFAULT : TEMPLATE_ALTERNATIVE;
        p->at++;
        return parse_word(p, IN_WORD, &o->word);
    }
    char here[16];
    o->kind = TEMPLATE_SUBSTRING;
    if (!parse_number(p, &o->offset))
        return FAIL(p, p->at,
                    "':' must be followed by '-' and a default, '+' and an alternative, or the "
                    "number of characters to skip; found %s",
                    quoted_here(p, here));
    if (p->text[p->at] != ':')
        return 0;
    p->at++;
    o->has_length = true;
    if (!parse_number(p, &o->length))
        return FAIL(p, p->at, "a length is expected after the second ':', found %s",
                    quoted_here(p, here));
    return 0;
}

/* The literals of a pattern must be patterns by themselves, so that mistakes show now. */
static int check_pattern(struct parser *p, const struct template_word *w, size_t start)
{
    for (size_t i = 0; i < w->n_pieces; i++) {
        if (!w->pieces[i].literal)
            continue;
        struct pattern pattern = {0};
        size_t offset = 0;
        int r = pattern_add_glob(&pattern, w->pieces[i].literal, strlen(w->pieces[i].literal),
                                 &offset, p->e);
        pattern_done(&pattern);
        if (r == -E2BIG)
            return FAIL(p, start, "the pattern is longer than %d characters", PATTERN_MAX);
        if (r == -ENOMEM)
            return error_out_of_memory(p->e);
        if (r < 0) {
            p->error_at = start + (i == 0 ? offset : 0);
            return r;
        }
    }
    return 0;
}

static int parse_pattern(struct parser *p, enum context context, struct template_word *ret)
{
    size_t start = p->at;
    int r = parse_word(p, context, ret);
    if (r < 0)
        return r;
    if (ret->n_pieces == 0)
        return FAIL(p, start, "a pattern is expected here");
    return check_pattern(p, ret, start);
}

static int parse_replace(struct parser *p, struct template_operation *o)
{
    o->kind = TEMPLATE_REPLACE;
    char c = p->text[++p->at];
    if (c == '/') {
        o->all = true;
        p->at++;
    } else if (c == '#' || c == '%') {
        o->anchor = c;
        p->at++;
    }
    int r = parse_pattern(p, IN_REPLACED, &o->pattern);
    if (r < 0 || p->text[p->at] != '/')
        return r; /* ${a/pat}: replaced by nothing */
    p->at++;
    return parse_word(p, IN_REPLACEMENT, &o->word);
}

static int parse_at(struct parser *p, struct template_operation *o)
{
    size_t start = p->at++;
    const char *name = p->text + p->at;
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");
    p->at += n;
    if (n == 6 && strncmp(name, "digits", n) == 0) {
        o->kind = TEMPLATE_DIGITS;
    } else if ((n == 5 && strncmp(name, "ascii", n) == 0) ||
               (n == 8 && strncmp(name, "ascii-de", n) == 0)) {
        o->kind = TEMPLATE_ASCII;
        o->all = n == 8;
    } else {
        return FAIL(p, start, "'@%.*s' is not known; there are @ascii, @ascii-de and @digits",
                    (int)n, name);
    }
    return 0;
}

static int parse_operation(struct parser *p, const struct template_expansion *x,
                           struct template_operation *o)
{
    char c = p->text[p->at], here[16];
    switch (c) {
    case ':': return parse_colon(p, o);
    case '/': return parse_replace(p, o);
    case '@': return parse_at(p, o);
    case '#':
    case '%':
        o->kind = c == '#' ? TEMPLATE_REMOVE_START : TEMPLATE_REMOVE_END;
        o->all = p->text[++p->at] == c;
        p->at += o->all ? 1 : 0;
        return parse_pattern(p, IN_PATTERN, &o->pattern);
    case ',':
    case '^':
        o->kind = c == ',' ? TEMPLATE_LOWER : TEMPLATE_UPPER;
        o->all = p->text[++p->at] == c;
        p->at += o->all ? 1 : 0;
        return 0;
    case '\0': return FAIL(p, p->at, "'}' is missing after '%s'", x->attribute.written);
    default:
        return FAIL(p, p->at,
                    "'}' or one of the operators : %% # / , ^ @ is expected after '%s', found %s",
                    x->attribute.written, quoted_here(p, here));
    }
}

static int add_operation(struct parser *p, struct template_expansion *x)
{
    int r = memory_grow(&x->operations, &x->capacity, x->n_operations + 1, sizeof(*x->operations));
    if (r < 0)
        return error_out_of_memory(p->e);
    struct template_operation *o = &x->operations[x->n_operations++];
    *o = (struct template_operation){0};
    return parse_operation(p, x, o);
}

/* text[at] is behind "${". */
static int parse_expansion(struct parser *p, struct template_expansion **ret)
{
    char here[16];
    size_t size = attribute_name_size(p->text + p->at);
    if (size == 0)
        return FAIL(p, p->at, "the name of an attribute is expected after '${', found %s",
                    quoted_here(p, here));
    if (p->depth == DEPTH_MAX)
        return FAIL(p, p->at, "expansions are nested deeper than %d", DEPTH_MAX);
    CLEANUP(expansion_freep) struct template_expansion *x = calloc(1, sizeof(*x));
    if (!x || attribute_name_init(&x->attribute, p->text + p->at, size) < 0)
        return error_out_of_memory(p->e);
    x->at = p->at;
    p->at += size;
    p->depth++;
    while (p->text[p->at] != '}') {
        int r = add_operation(p, x);
        if (r < 0)
            return r;
    }
    p->depth--;
    p->at++;
    *ret = TAKE(x);
    return 0;
}

static int add_piece(struct parser *p, struct template_word *w, struct template_piece piece)
{
    if (memory_grow(&w->pieces, &w->capacity, w->n_pieces + 1, sizeof(*w->pieces)) < 0) {
        free(piece.literal);
        expansion_free(piece.expansion);
        return error_out_of_memory(p->e);
    }
    w->pieces[w->n_pieces++] = piece;
    return 0;
}

static int flush_literal(struct parser *p, struct template_word *w, struct buffer *literal)
{
    if (literal->size == 0 && !literal->failed)
        return 0;
    char *text = buffer_take(literal);
    if (!text)
        return error_out_of_memory(p->e);
    return add_piece(p, w, (struct template_piece){.literal = text});
}

/* text[at] is '$'. */
static int parse_dollar(struct parser *p, enum context context, struct template_word *w,
                        struct buffer *literal)
{
    if (p->text[p->at + 1] == '$') {
        buffer_add_text(literal, context == IN_PATTERN || context == IN_REPLACED ? "\\$" : "$");
        p->at += 2;
        return 0;
    }
    if (p->text[p->at + 1] != '{')
        return FAIL(p, p->at, "'$' must be followed by {attribute}; a dollar sign is $$");
    int r = flush_literal(p, w, literal);
    if (r < 0)
        return r;
    p->at += 2;
    struct template_expansion *x = NULL;
    r = parse_expansion(p, &x);
    return r < 0 ? r : add_piece(p, w, (struct template_piece){.expansion = x});
}

/* A backslash within braces: dropped from a word, kept for a pattern. */
static int parse_backslash(struct parser *p, enum context context, struct buffer *literal)
{
    if (!p->text[p->at + 1])
        return FAIL(p, p->at, "a character is missing after '\\'");
    if (context == IN_PATTERN || context == IN_REPLACED)
        buffer_add(literal, "\\", 1);
    buffer_add(literal, p->text + p->at + 1, 1);
    p->at += 2;
    return 0;
}

static int parse_word(struct parser *p, enum context context, struct template_word *ret)
{
    CLEANUP(buffer_done) struct buffer literal = {0};
    for (;;) {
        const char *here = p->text + p->at;
        int r = 0;
        if (!*here && context != OUTSIDE)
            return FAIL(p, p->at, "'}' is missing");
        if (!*here || (*here == '}' && context != OUTSIDE) ||
            (*here == '/' && context == IN_REPLACED))
            break;
        if (*here == '$') {
            r = parse_dollar(p, context, ret, &literal);
        } else if (*here == '\\' && context != OUTSIDE) {
            r = parse_backslash(p, context, &literal);
        } else if (*here == '&' && context == IN_REPLACEMENT) {
            buffer_add_text(&literal, TEMPLATE_MATCHED);
            p->at++;
        } else {
            buffer_add(&literal, here, 1);
            p->at++;
        }
        if (r < 0)
            return r;
    }
    return flush_literal(p, ret, &literal);
}

const char *template_text(const struct template *t)
{
    return t->text;
}

struct template *template_free(struct template *t)
{
    if (t) {
        word_done(&t->word);
        free(t->text);
        free(t);
    }
    return NULL;
}

int template_parse(struct template **ret, const char *text, size_t *ret_offset, struct error *e)
{
    struct parser p = {.text = text, .e = e};
    *ret_offset = 0;
    if (!text_is_utf8(text, strlen(text)))
        return error_set(e, -EINVAL, "the template is not UTF-8");
    if (text_has_control(text, strlen(text)))
        return error_set(e, -EINVAL, "the template has control characters in it");
    CLEANUP(template_freep) struct template *t = calloc(1, sizeof(*t));
    if (!t)
        return error_out_of_memory(e);
    t->text = strdup(text);
    if (!t->text)
        return error_out_of_memory(e);
    int r = parse_word(&p, OUTSIDE, &t->word);
    *ret_offset = p.error_at;
    if (r < 0)
        return r;
    *ret = TAKE(t);
    return 0;
}

/* Calls fn for every expansion, nested ones too, until it fails. */
typedef int (*visit_fn)(struct template_expansion *x, void *userdata);

static int visit_word(const struct template_word *w, visit_fn fn, void *userdata)
{
    for (size_t i = 0; i < w->n_pieces; i++) {
        struct template_expansion *x = w->pieces[i].expansion;
        int r = x ? fn(x, userdata) : 0;
        for (size_t k = 0; r == 0 && x && k < x->n_operations; k++) {
            r = visit_word(&x->operations[k].pattern, fn, userdata);
            if (r == 0)
                r = visit_word(&x->operations[k].word, fn, userdata);
        }
        if (r < 0)
            return r;
    }
    return 0;
}

struct prepare {
    const struct template *template;
    const struct schema *schema;
    struct problem_sink *problems;
    const struct mapping_text *where;
};

static int prepare_expansion(struct template_expansion *x, void *userdata)
{
    const struct prepare *prepare = userdata;
    int r = attribute_name_resolve(&x->attribute, prepare->schema);
    if (r < 0)
        return r;
    attribute_name_check(&x->attribute, prepare->schema, PROBLEM_WARNING, prepare->problems,
                         prepare->where,
                         problem_column(prepare->problems, prepare->template->text, x->at));
    return 0;
}

int template_prepare(struct template *t, const struct schema *schema, struct problem_sink *problems,
                     const struct mapping_text *where)
{
    struct prepare prepare = {
        .template = t, .schema = schema, .problems = problems, .where = where};
    problems->text = NULL; /* another one may stand there by now */
    return visit_word(&t->word, prepare_expansion, &prepare);
}

bool template_has_attribute(const struct template *t)
{
    for (size_t i = 0; i < t->word.n_pieces; i++)
        if (t->word.pieces[i].expansion)
            return true;
    return false;
}

static int collect_expansion(struct template_expansion *x, void *userdata)
{
    return string_list_add_name(userdata, x->attribute.canonical);
}

int template_collect(const struct template *t, struct string_list *ret)
{
    return visit_word(&t->word, collect_expansion, ret);
}
