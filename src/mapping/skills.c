/*
 * Comma lists and skill levels, from the configuration and from directory values. A level that
 * cannot be read is refused: a guess would put people into the wrong queue.
 */
#include "config.h"

#include "mapping/skills.h"

#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

void list_element_done(struct list_element *x)
{
    free(x->text);
    free(x->rest);
    *x = (struct list_element){0};
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Malloc'd copy of text[from, to) without blanks at its ends; *from moves to its first byte. */
static char *trimmed(const char *text, size_t *from, size_t to)
{
    while (*from < to && is_blank(text[*from]))
        (*from)++;
    while (to > *from && is_blank(text[to - 1]))
        to--;
    return strndup(text + *from, to - *from);
}

/* text[*at] is the opening quote; moves *at behind the closing one, or to the end. */
static bool take_quoted(const char *text, size_t *at, struct buffer *ret)
{
    for (size_t i = *at + 1; text[i]; i++) {
        if (text[i] == '"' && text[i + 1] != '"') {
            *at = i + 1;
            return true;
        }
        if (text[i] == '"')
            i++;
        buffer_add(ret, text + i, 1);
    }
    *at += strlen(text + *at);
    return false;
}

static int finish_element(struct list_element *x, struct list_element *ret, size_t *ret_offset,
                          struct error *e)
{
    int r = 1;
    *ret_offset = x->at;
    if (!x->text || !x->rest)
        r = error_out_of_memory(e);
    else if (x->text[0] == '\0')
        r = error_set(e, -EINVAL, "an element of the list is empty");
    else if (!x->quoted && strchr(x->text, '"'))
        r = error_set(e, -EINVAL, "'%s': a double quote must open the element", x->text);
    if (r == 1)
        *ret = *x;
    else
        list_element_done(x);
    return r;
}

/* A comma that nothing follows is passed only when what is missing behind it was said. */
static bool is_last_comma(const char *text)
{
    return *text == ',' && !text[1 + strspn(text + 1, " \t")];
}

int list_next(const char *text, size_t *at, struct list_element *ret, size_t *ret_offset,
              struct error *e)
{
    struct list_element x = {0};
    size_t from = *at + strspn(text + *at, " \t");
    if (!text[from])
        return 0;
    if (is_last_comma(text + from)) {
        bool begins = *at == 0 || text[*at - 1] == ','; /* here, and not behind it */
        *ret_offset = begins ? from : from + 1;
        *at = from + strlen(text + from);
        return error_set(e, -EINVAL, "an element of the list is empty");
    }
    x.at = from;
    x.quoted = text[from] == '"';
    if (x.quoted) {
        CLEANUP(buffer_done) struct buffer inner = {0};
        if (!take_quoted(text, &from, &inner)) {
            *at = from;
            *ret_offset = x.at;
            return error_set(e, -EINVAL, "the closing double quote is missing");
        }
        x.text = buffer_take(&inner);
    }
    size_t end = from + strcspn(text + from, ",");
    x.rest_at = from;
    if (x.quoted)
        x.rest = trimmed(text, &x.rest_at, end);
    else {
        x.text = trimmed(text, &x.at, end);
        x.rest = strdup("");
    }
    *at = !text[end] || is_last_comma(text + end) ? end : end + 1;
    return finish_element(&x, ret, ret_offset, e);
}

void skill_list_done(struct skill_list *l)
{
    for (size_t i = 0; i < l->n_items; i++)
        free(l->items[i].name);
    free(l->items);
    *l = (struct skill_list){0};
}

int skill_list_add(struct skill_list *l, const char *name, unsigned level)
{
    int r = memory_grow(&l->items, &l->capacity, l->n_items + 1, sizeof(*l->items));
    if (r < 0)
        return r;
    char *copy = strdup(name);
    if (!copy)
        return -ENOMEM;
    l->items[l->n_items++] = (struct skill){.name = copy, .level = level};
    return 0;
}

static int parse_level(const char *text, unsigned *ret, struct error *e)
{
    uint64_t level;
    while (is_blank(*text))
        text++;
    size_t size = strlen(text);
    while (size > 0 && is_blank(text[size - 1]))
        size--;
    CLEANUP(freep) char *digits = strndup(text, size);
    if (!digits)
        return error_out_of_memory(e);
    if (text_parse_unsigned(digits, SKILL_LEVEL_MAX, &level) < 0)
        return error_set(e, -EINVAL, "'%s' is not a level; a whole number from 0 to %d is expected",
                         digits, SKILL_LEVEL_MAX);
    *ret = (unsigned)level;
    return 0;
}

static int check_name(const char *name, struct error *e)
{
    if (!name[0])
        return error_set(e, -EINVAL, "the name of the skill is missing");
    if (strlen(name) > SKILL_NAME_MAX)
        return error_set(e, -EINVAL, "the name of the skill is longer than %d bytes",
                         SKILL_NAME_MAX);
    return 0;
}

/* NAME, or NAME and a level behind the separator at text[split]. */
static int split_skill(const char *text, size_t split, char **ret_name, unsigned *ret_level,
                       struct error *e)
{
    unsigned level = SKILL_LEVEL_DEFAULT;
    size_t from = 0;
    int r = text[split] ? parse_level(text + split + 1, &level, e) : 0;
    if (r < 0)
        return r;
    CLEANUP(freep) char *name = trimmed(text, &from, split);
    if (!name)
        return error_out_of_memory(e);
    r = check_name(name, e);
    if (r < 0)
        return r;
    *ret_name = TAKE(name);
    *ret_level = level;
    return 0;
}

static bool is_number(const char *text)
{
    text += strspn(text, " \t");
    size_t n = strspn(text, "0123456789");
    return n > 0 && text[n + strspn(text + n, " \t%")] == '\0';
}

int skill_from_element(const struct list_element *x, char **ret_name, unsigned *ret_level,
                       size_t *ret_offset, struct error *e)
{
    *ret_offset = x->at;
    if (!x->quoted) {
        const char *colon = strrchr(x->text, ':'), *equals = strrchr(x->text, '=');
        if (!colon && equals && is_number(equals + 1)) {
            *ret_offset = x->at + (size_t)(equals - x->text);
            return error_set(
                e, -EINVAL,
                "'%s' would be read as the name of a skill: a level follows ':' and not '='; put a name that really ends so in double quotes",
                x->text);
        }
        size_t split = colon ? (size_t)(colon - x->text) : strlen(x->text);
        if (colon && split > 0)
            *ret_offset = x->at + split + 1;
        return split_skill(x->text, split, ret_name, ret_level, e);
    }
    unsigned level = SKILL_LEVEL_DEFAULT;
    *ret_offset = x->rest_at;
    if (x->rest[0] && x->rest[0] != ':')
        return error_set(e, -EINVAL, "'%s' follows the closing quote; ',' or ':LEVEL' is expected",
                         x->rest);
    *ret_offset = x->rest_at + 1;
    int r = x->rest[0] ? parse_level(x->rest + 1, &level, e) : 0;
    if (r < 0)
        return r;
    *ret_offset = x->at;
    r = check_name(x->text, e);
    if (r < 0)
        return r;
    char *name = strdup(x->text);
    if (!name)
        return error_out_of_memory(e);
    *ret_name = name;
    *ret_level = level;
    return 0;
}

int skill_from_value(const char *value, char **ret_name, unsigned *ret_level, struct error *e)
{
    size_t split = strlen(value);
    for (size_t i = split; i-- > 0;)
        if (value[i] == ':' || value[i] == '=') {
            split = i;
            break;
        }
    return split_skill(value, split, ret_name, ret_level, e);
}
