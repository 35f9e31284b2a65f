/*
 * Where a value comes from: plain copies of names, nothing else.
 */
#include "config.h"

#include "model/source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

void source_done(struct source *s)
{
    free(s->rule);
    free(s->file);
    *s = (struct source){0};
}

int source_set(struct source *to, const char *rule, const char *file, unsigned line)
{
    CLEANUP(source_done) struct source s = {.line = line};

    if (rule && !(s.rule = strdup(rule)))
        return -ENOMEM;
    if (file && !(s.file = strdup(file)))
        return -ENOMEM;
    source_done(to);
    *to = s;
    s = (struct source){0};
    return 0;
}

int source_copy(struct source *to, const struct source *from)
{
    if (!from)
        return source_set(to, NULL, NULL, 0);
    return source_set(to, from->rule, from->file, from->line);
}

char *source_text(const struct source *s, char *buffer, size_t size)
{
    char place[160] = "";
    const char *slash = s->file ? strrchr(s->file, '/') : NULL;
    const char *file = slash ? slash + 1 : s->file;

    if (file && s->line > 0)
        snprintf(place, sizeof(place), " (%s:%u)", file, s->line);
    else if (file)
        snprintf(place, sizeof(place), " (%s)", file);
    if (!s->rule)
        snprintf(buffer, size, "no rule%s", place);
    else if (s->rule[0] == '[') /* a key of a section, as in "[user] email" */
        snprintf(buffer, size, "%s%s", s->rule, place);
    else
        snprintf(buffer, size, "rule \"%s\"%s", s->rule, place);
    return buffer;
}
