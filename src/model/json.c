/*
 * The canonical JSON of the model. Keys are sorted and nothing is indented, so that the mirror
 * and the queue can compare values by comparing text; duplicate keys are refused on the way in,
 * since which of two would count is anyone's guess.
 */
#include "config.h"

#include "model/json.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/buffer.h"

#define TEXT_FLAGS (JSON_SORT_KEYS | JSON_COMPACT)

static int add_to_buffer(const char *bytes, size_t size, void *buffer)
{
    buffer_add(buffer, bytes, size);
    return ((struct buffer *)buffer)->failed ? -1 : 0;
}

/* Not json_dumps(): when its own buffer cannot grow, jansson 2.14 goes on and returns a text
 * that lacks the piece. Ours remembers. */
char *json_to_text(const json_t *j)
{
    CLEANUP(buffer_done) struct buffer b = {0};

    if (json_dump_callback(j, add_to_buffer, &b, TEXT_FLAGS) < 0)
        return NULL;
    return buffer_take(&b);
}

json_t *json_from_text(const char *text, int *ret_r)
{
    json_error_t error = {0};
    json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, &error);

    /* Where jansson itself runs out of memory, it often says nothing at all. */
    if (!j)
        *ret_r = json_error_code(&error) == json_error_out_of_memory || error.text[0] == '\0'
                     ? -ENOMEM
                     : -EINVAL;
    return j;
}

int json_get_text(const json_t *object, const char *key, const char **ret)
{
    const json_t *j = json_object_get(object, key);

    if (j && !json_is_null(j) && !json_is_string(j))
        return -EINVAL;
    *ret = json_string_value(j); /* NULL for null and for none */
    return 0;
}

int json_add_text(json_t *object, const char *key, const char *text)
{
    return json_object_set_new(object, key, text ? json_string(text) : json_null()) < 0
               ? -ENOMEM
               : 0;
}

int json_add_source(json_t *object, const struct source *s)
{
    int r = 0;

    if (s->rule)
        r = json_add_text(object, "rule", s->rule);
    if (r == 0 && s->file)
        r = json_add_text(object, "file", s->file);
    if (r == 0 && s->line > 0)
        r = json_object_set_new(object, "line", json_integer(s->line)) < 0 ? -ENOMEM : 0;
    return r;
}

int json_get_source(const json_t *object, struct source *ret)
{
    const json_t *line = json_object_get(object, "line");
    const char *rule, *file;

    if (json_get_text(object, "rule", &rule) < 0 || json_get_text(object, "file", &file) < 0)
        return -EINVAL;
    if (line && (!json_is_integer(line) || json_integer_value(line) < 0 ||
                 json_integer_value(line) > UINT_MAX))
        return -EINVAL;
    return source_set(ret, rule, file, (unsigned)json_integer_value(line));
}
