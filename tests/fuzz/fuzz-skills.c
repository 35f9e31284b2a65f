/*
 * Lists and skills as people write them, under random text. Read, written again in quotes and
 * read once more, a list is the same; each element lies in the text where its offset says, and
 * reading ends after as many steps as there are commas at most. A directory's value is read as
 * the plain rule says: what stands behind its last ':' or '=' is the level.
 */
#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "fuzz.h"
#include "mapping/skills.h"

struct list {
    struct skill items[4200];
    size_t n;
};

static void list_done(struct list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->items[i].name);
    l->n = 0;
}

/* false: something in it is wrong. */
static bool read_list(const char *text, struct list *ret)
{
    size_t at = 0, steps = 0, commas = 1;
    bool fine = true;

    for (const char *c = text; *c; c++)
        commas += *c == ',';
    for (;;) {
        struct list_element x = {0};
        struct error e = {0};
        size_t offset = SIZE_MAX, before = at;
        int r = list_next(text, &at, &x, &offset, &e);

        if (r == 0)
            break;
        DEMAND(++steps <= commas && at >= before && at <= strlen(text));
        DEMAND(at > before || !text[at]);
        DEMAND(r == 1 || (r == -EINVAL && e.message[0]));
        DEMAND(offset <= strlen(text));
        fine = fine && r == 1;
        if (r < 0 && !text[at])
            break; /* behind the last comma, or a quote that is not closed */
        if (r < 0)
            continue;
        DEMAND(x.quoted || strncmp(text + x.at, x.text, strlen(x.text)) == 0);
        DEMAND(!x.quoted ||
               (text[x.at] == '"' && strncmp(text + x.rest_at, x.rest, strlen(x.rest)) == 0));
        struct skill *s = &ret->items[ret->n];
        r = skill_from_element(&x, &s->name, &s->level, &offset, &e);
        DEMAND(r == 0 || (r == -EINVAL && e.message[0] && offset <= strlen(text)));
        DEMAND(r < 0 || (s->name[0] && strlen(s->name) <= SKILL_NAME_MAX &&
                         s->level <= SKILL_LEVEL_MAX));
        ret->n += r == 0;
        fine = fine && r == 0;
        list_element_done(&x);
    }
    return fine;
}

static void check_again(const struct list *l)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    static struct list again;

    buffer_add_text(&b, "");
    for (size_t i = 0; i < l->n; i++) {
        buffer_add_text(&b, i % 2 ? " , \"" : i ? ",\"" : "\"");
        for (const char *c = l->items[i].name; *c; c++)
            buffer_add_text(&b, (char[]){*c, *c == '"' ? '"' : '\0', '\0'});
        if (l->items[i].level == SKILL_LEVEL_DEFAULT)
            buffer_add_text(&b, "\"");
        else
            buffer_format(&b, "\" : %u", l->items[i].level);
    }
    DEMAND(read_list(b.data, &again) && again.n == l->n);
    for (size_t i = 0; i < l->n; i++)
        DEMAND(strcmp(again.items[i].name, l->items[i].name) == 0 &&
               again.items[i].level == l->items[i].level);
    list_done(&again);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The level, 0 to 100; -1: it is none. */
static int level_of(const char *text)
{
    int level = 0;

    while (is_blank(*text))
        text++;
    if (*text < '0' || *text > '9')
        return -1;
    for (; *text >= '0' && *text <= '9'; text++)
        level = level > 100 ? level : level * 10 + (*text - '0');
    while (is_blank(*text))
        text++;
    return *text || level > 100 ? -1 : level;
}

static void check_value(const char *value)
{
    CLEANUP(freep) char *name = NULL;
    struct error e = {0};
    unsigned level = 0;
    int r = skill_from_value(value, &name, &level, &e);
    const char *split = value + strlen(value), *from = value;
    int expected = SKILL_LEVEL_DEFAULT;

    for (const char *c = value; *c; c++)
        if (*c == ':' || *c == '=')
            split = c;
    if (*split)
        expected = level_of(split + 1);
    while (from < split && is_blank(*from))
        from++;
    while (split > from && is_blank(split[-1]))
        split--;
    size_t n = (size_t)(split - from);
    DEMAND((r == 0) == (expected >= 0 && n > 0 && n <= SKILL_NAME_MAX));
    DEMAND(r == 0 || (r == -EINVAL && e.message[0]));
    if (r == 0)
        DEMAND((int)level == expected && strlen(name) == n && strncmp(name, from, n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(freep) char *text = strndup((const char *)data, size);
    static struct list l;

    if (size > 4096)
        return 0;
    check_value(text);
    if (read_list(text, &l))
        check_again(&l);
    list_done(&l);
    return 0;
}
