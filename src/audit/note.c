#include "config.h"

#include "audit/note.h"

#include <jansson.h>
#include <string.h>

#include "audit/line.h"
#include "base/base64.h"
#include "base/memory.h"

void checkpoint_note(struct buffer *b, const char *name, const struct note *n)
{
    char link[BASE64_SIZE(DIGEST_SIZE) + 1], root[BASE64_SIZE(DIGEST_SIZE) + 1];

    base64_encode(link, n->link.bytes, sizeof(n->link.bytes), false);
    base64_encode(root, n->root.bytes, sizeof(n->root.bytes), false);
    buffer_format(b, "%s\n%lld\n%s\n%s\n%lld %s\n", name, (long long)n->seq, link, n->time,
                  (long long)n->from, root);
}

void checkpoint_key_note(struct buffer *b, const char *name, const char *new_vkey, const char *time,
                         int64_t seq, const struct chain_hash *link)
{
    char text[BASE64_SIZE(DIGEST_SIZE) + 1];

    base64_encode(text, link->bytes, sizeof(link->bytes), false);
    buffer_format(b, "%s\nnew key\n%s\n%s\n%lld %s\n", name, new_vkey, time, (long long)seq, text);
}

const char *note_read(const json_t *row, const struct line_chain *l, struct note *ret)
{
    const char *root = json_string_value(json_object_get(row, "root"));

    *ret = (struct note){.seq = l->seq - 1,
                         .link = l->prev,
                         .from = json_integer_value(json_object_get(row, "from"))};
    memcpy(ret->time, l->time, sizeof(ret->time));
    if (!root || strlen(root) != CHAIN_TEXT_SIZE - 1 || !chain_from_text(root, &ret->root) ||
        ret->from < 1 || ret->from > ret->seq)
        return NULL;
    return json_string_value(json_object_get(row, "sig"));
}

bool note_of_line(struct buffer *b, const char *line, const char *name, int64_t *ret_seq,
                  bool *ret_counted)
{
    struct line_chain l;
    struct note n;

    if (!line_is_event(line, "checkpoint") || line_parse(line, strlen(line), &l) <= 0)
        return false;
    json_auto_t *row = json_loads(line, 0, NULL);
    const char *sig = note_read(row, &l, &n);
    const char *why = json_string_value(json_object_get(row, "why"));

    if (!sig)
        return false;
    checkpoint_note(b, name, &n);
    buffer_format(b, "\n\xe2\x80\x94 %s %s\n", name, sig);
    *ret_seq = n.seq;
    *ret_counted = why && strcmp(why, "count") == 0;
    return !b->failed;
}
