#include "config.h"

#include "audit/note.h"

#include <jansson.h>
#include <string.h>

#include "audit/line.h"
#include "base/base64.h"
#include "base/memory.h"

void checkpoint_note(struct buffer *b, const char *name, int64_t seq,
                     const struct chain_hash *link, const char *time)
{
    char text[BASE64_SIZE(DIGEST_SIZE) + 1];

    base64_encode(text, link->bytes, sizeof(link->bytes), false);
    buffer_format(b, "%s\n%lld\n%s\n%s\n", name, (long long)seq, text, time);
}

void checkpoint_key_note(struct buffer *b, const char *name, const char *new_vkey,
                         const char *time)
{
    buffer_format(b, "%s\nnew key\n%s\n%s\n", name, new_vkey, time);
}

bool note_of_line(struct buffer *b, const char *line, const char *name, int64_t *ret_seq,
                  bool *ret_counted)
{
    struct line_chain l;

    if (!line_is_event(line, "checkpoint"))
        return false;
    json_auto_t *row = json_loads(line, 0, NULL);
    const char *sig = json_string_value(json_object_get(row, "sig"));
    const char *why = json_string_value(json_object_get(row, "why"));

    if (!sig || line_parse(line, strlen(line), &l) <= 0)
        return false;
    checkpoint_note(b, name, l.seq - 1, &l.prev, l.time);
    buffer_format(b, "\n\xe2\x80\x94 %s %s\n", name, sig);
    *ret_seq = l.seq - 1;
    *ret_counted = why && strcmp(why, "count") == 0;
    return !b->failed;
}
