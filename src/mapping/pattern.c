/*
 * The matcher behind ${a%pattern} and its like. It decides where a pattern matches and changes
 * no text. Character classes ([:digit:]) are refused rather than misread.
 */
#include "config.h"

#include "mapping/pattern.h"

#include <errno.h>
#include <string.h>
#include <unistr.h>

#include "base/error.h"
#include "base/memory.h"

static size_t take_character(const char *text, size_t size, uint32_t *ret)
{
    ucs4_t c = 0;
    int n = u8_mbtouc(&c, (const uint8_t *)text, size);
    *ret = c;
    return (size_t)n; /* 1 for a byte that begins nothing */
}

static int add_element(struct pattern *p, struct pattern_element element)
{
    if (p->n_elements == PATTERN_MAX)
        return -E2BIG;
    int r =
        memory_grow(&p->elements, &p->elements_capacity, p->n_elements + 1, sizeof(*p->elements));
    if (r < 0)
        return r;
    p->elements[p->n_elements++] = element;
    return 0;
}

int pattern_add_literal(struct pattern *p, const char *text, size_t size)
{
    for (size_t at = 0; at < size;) {
        struct pattern_element element = {.kind = PATTERN_CHARACTER};
        at += take_character(text + at, size - at, &element.character);
        int r = add_element(p, element);
        if (r < 0)
            return r;
    }
    return 0;
}

static int add_range(struct pattern *p, struct pattern_element *set, uint32_t from, uint32_t to)
{
    int r = memory_grow(&p->ranges, &p->ranges_capacity, p->n_ranges + 1, sizeof(*p->ranges));
    if (r < 0)
        return r;
    p->ranges[p->n_ranges++] = (struct pattern_range){.from = from, .to = to};
    set->n_ranges++;
    return 0;
}

/* One character of a set, perhaps behind a backslash. */
static size_t take_set_character(const char *text, size_t size, uint32_t *ret)
{
    size_t skipped = text[0] == '\\' && size > 1 ? 1 : 0;
    return skipped + take_character(text + skipped, size - skipped, ret);
}

/* text[0] is '['. *ret_size: its bytes with the ']'. */
static int add_set(struct pattern *p, const char *text, size_t size, size_t *ret_size,
                   struct error *e)
{
    struct pattern_element set = {.kind = PATTERN_SET, .first_range = p->n_ranges};
    size_t at = 1;
    if (at < size && (text[at] == '!' || text[at] == '^')) {
        set.negated = true;
        at++;
    }
    for (size_t first = at; at < size && (text[at] != ']' || at == first);) {
        uint32_t from, to;
        if (text[at] == '[' && at + 1 < size && strchr(":.=", text[at + 1]))
            return error_set(e, -EINVAL,
                             "classes such as [:digit:] are not known here; write [0-9]");
        at += take_set_character(text + at, size - at, &from);
        to = from;
        if (at + 1 < size && text[at] == '-' && text[at + 1] != ']') {
            at++;
            at += take_set_character(text + at, size - at, &to);
        }
        if (to < from)
            return error_set(e, -EINVAL, "the range in '%.*s' runs backwards", (int)at, text);
        int r = add_range(p, &set, from, to);
        if (r < 0)
            return r;
    }
    if (at >= size)
        return error_set(e, -EINVAL, "']' is missing; a literal '[' is written \\[");
    *ret_size = at + 1;
    return add_element(p, set);
}

int pattern_add_glob(struct pattern *p, const char *text, size_t size, size_t *ret_offset,
                     struct error *e)
{
    for (size_t at = 0; at < size;) {
        size_t n = 1;
        int r;
        *ret_offset = at;
        if (text[at] == '*') {
            bool again = p->n_elements > 0 && p->elements[p->n_elements - 1].kind == PATTERN_STAR;
            r = again ? 0 : add_element(p, (struct pattern_element){.kind = PATTERN_STAR});
        } else if (text[at] == '?') {
            r = add_element(p, (struct pattern_element){.kind = PATTERN_ANY});
        } else if (text[at] == '[') {
            r = add_set(p, text + at, size - at, &n, e);
        } else {
            struct pattern_element literal = {.kind = PATTERN_CHARACTER};
            n = take_set_character(text + at, size - at, &literal.character);
            r = add_element(p, literal);
        }
        if (r < 0)
            return r;
        at += n;
    }
    return 0;
}

void pattern_done(struct pattern *p)
{
    free(p->elements);
    free(p->ranges);
    free(p->states);
    *p = (struct pattern){0};
}

int characters_init(struct characters *c, const char *text, size_t size)
{
    *c = (struct characters){0};
    c->codes = calloc(size + 1, sizeof(*c->codes));
    c->offsets = calloc(size + 1, sizeof(*c->offsets));
    if (!c->codes || !c->offsets) {
        characters_done(c);
        return -ENOMEM;
    }
    for (size_t at = 0; at < size;) {
        c->offsets[c->n] = at;
        at += take_character(text + at, size - at, &c->codes[c->n]);
        c->n++;
    }
    c->offsets[c->n] = size;
    return 0;
}

void characters_done(struct characters *c)
{
    free(c->codes);
    free(c->offsets);
    *c = (struct characters){0};
}

static bool element_matches(const struct pattern *p, const struct pattern_element *element,
                            uint32_t c)
{
    if (element->kind != PATTERN_SET)
        return element->kind != PATTERN_CHARACTER || element->character == c;
    for (size_t i = 0; i < element->n_ranges; i++) {
        const struct pattern_range *range = &p->ranges[element->first_range + i];
        if (c >= range->from && c <= range->to)
            return !element->negated;
    }
    return element->negated;
}

/* Element `i` in the order of reading. */
static const struct pattern_element *element_at(const struct pattern *p, size_t i, bool backward)
{
    return &p->elements[backward ? p->n_elements - 1 - i : i];
}

/* A star may stand for nothing: what is alive before it is alive behind it. */
static void pass_stars(const struct pattern *p, bool *states, bool backward)
{
    for (size_t i = 0; i < p->n_elements; i++)
        if (states[i] && element_at(p, i, backward)->kind == PATTERN_STAR)
            states[i + 1] = true;
}

/* Moves every state over character c; false when none is left. */
static bool step(const struct pattern *p, const bool *now, bool *next, uint32_t c, bool backward)
{
    bool alive = false;
    memset(next, 0, (p->n_elements + 1) * sizeof(*next));
    for (size_t i = 0; i < p->n_elements; i++) {
        if (!now[i])
            continue;
        const struct pattern_element *element = element_at(p, i, backward);
        if (!element_matches(p, element, c))
            continue;
        next[element->kind == PATTERN_STAR ? i : i + 1] = true;
        alive = true;
    }
    pass_stars(p, next, backward);
    return alive;
}

int pattern_match(struct pattern *p, const struct characters *text, size_t from, bool backward,
                  bool longest, size_t *ret)
{
    size_t n_states = p->n_elements + 1, at = from;
    if (!p->states)
        p->states = calloc(2 * (PATTERN_MAX + 1), sizeof(*p->states));
    if (!p->states)
        return -ENOMEM;
    bool *now = p->states, *next = p->states + n_states, found = false;
    memset(now, 0, n_states * sizeof(*now));
    now[0] = true;
    pass_stars(p, now, backward);
    for (;;) {
        if (now[p->n_elements]) {
            *ret = at;
            found = true;
            if (!longest)
                break;
        }
        if (at == (backward ? 0 : text->n))
            break;
        at = backward ? at - 1 : at + 1;
        if (!step(p, now, next, text->codes[backward ? at : at - 1], backward))
            break;
        bool *swap = now;
        now = next;
        next = swap;
    }
    return found ? 1 : 0;
}
