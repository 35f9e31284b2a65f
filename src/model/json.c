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

static int add_to_buffer(const char *bytes, size_t size, void *buffer)
{
    buffer_add(buffer, bytes, size);
    return ((struct buffer *)buffer)->failed ? -1 : 0;
}

/* Not json_dumps(): when its own buffer cannot grow, jansson 2.14 goes on and returns a text
 * that lacks the piece. Ours remembers. */
char *json_to_text(const json_t *j, size_t flags)
{
    CLEANUP(buffer_done) struct buffer b = {0};

    if (json_dump_callback(j, add_to_buffer, &b, flags) < 0)
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

int json_get_texts(const json_t *object, const char *key, struct string_list *l)
{
    const json_t *array = json_object_get(object, key);

    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *text = json_string_value(json_array_get(array, i));
        if (!text)
            return -EINVAL;
        if (string_list_add(l, text) < 0)
            return -ENOMEM;
    }
    return json_is_array(array) ? 0 : -EINVAL;
}

void json_write_texts(struct buffer *b, const char *key, const struct string_list *l)
{
    json_write_key(b, key);
    buffer_add_text(b, "[");
    for (size_t i = 0; i < l->n_items; i++) {
        json_write_comma(b);
        json_write_text(b, l->items[i]);
    }
    buffer_add_text(b, "]");
}

void json_write_source(struct buffer *b, const struct source *s)
{
    if (s->file) {
        json_write_key(b, "file");
        json_write_text(b, s->file);
    }
    if (s->line > 0) {
        json_write_key(b, "line");
        json_write_integer(b, s->line);
    }
    if (s->rule) {
        json_write_key(b, "rule");
        json_write_text(b, s->rule);
    }
}

static void read_text(struct json_reader *r, char **ret)
{
    if (*ret)
        json_read_fail(r, -EINVAL);
    else
        *ret = json_read_text(r, NULL);
}

void json_read_source(struct json_reader *r, const char *key, struct source *ret)
{
    if (strcmp(key, "file") == 0) {
        read_text(r, &ret->file);
    } else if (strcmp(key, "rule") == 0) {
        read_text(r, &ret->rule);
    } else if (strcmp(key, "line") == 0) {
        int64_t line = json_read_integer(r);
        if (line < 0 || line > UINT_MAX || ret->line > 0)
            json_read_fail(r, -EINVAL);
        ret->line = (unsigned)line;
    } else {
        json_read_skip(r);
    }
}
