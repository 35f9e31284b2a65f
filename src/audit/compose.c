#include "config.h"

#include "audit/compose.h"

#include <errno.h>
#include <string.h>

#include "audit/line.h"
#include "audit/recall.h"
#include "base/error.h"
#include "base/json-write.h"
#include "base/memory.h"
#include "state/state.h"
#include "state/trail.h"

int compose_head(struct state *s, struct compose_head *ret, struct error *e)
{
    struct trail_head head;
    int r = trail_head(s, &head, e);

    if (r < 0)
        return r;
    *ret = (struct compose_head){.seq = head.seq};
    if (head.seq == 0 || chain_from_any(head.hash, &ret->link))
        return 0;
    return error_set(e, -EBADMSG, "the state file holds no link of audit line %lld",
                     (long long)head.seq);
}

static int take_link(int64_t seq, const char *line, void *userdata)
{
    struct chain_hash *ret = userdata;
    struct line_chain l;
    int r = line_parse(line, strlen(line), &l);

    (void)seq;
    if (r > 0)
        *ret = l.link;
    return r > 0 ? 1 : -EBADMSG;
}

int compose_link_of(struct state *s, int64_t seq, struct chain_hash *ret, struct error *e)
{
    int r = trail_line(s, seq, take_link, ret, e);

    if (r == 1)
        return 0;
    if (r == -EBADMSG)
        return error_set(e, r, "the state file holds no audit line %lld", (long long)seq);
    return r == 0 ? STATE_NONE : r;
}

/* A text of ours, in which nothing is to be escaped. */
static void add_quoted(struct buffer *b, const char *key, const char *text)
{
    json_write_key(b, key);
    buffer_add(b, "\"", 1);
    buffer_add_text(b, text);
    buffer_add(b, "\"", 1);
}

void compose_begin(struct buffer *b, int64_t seq, const char *time)
{
    buffer_add_text(b, "{\"v\":1,\"seq\":");
    json_write_integer(b, seq);
    add_quoted(b, "t", time);
}

int compose_end(struct state *s, struct buffer *b, const struct buffer *personal,
                const struct compose_head *head, struct error *e)
{
    char text[CHAIN_TEXT_SIZE];
    struct audit_memory *m = recall_of(s);
    struct chain_hash hash;
    struct line_chain l;

    if (personal) {
        if (personal->failed)
            return error_out_of_memory(e);
        if (chain_commitment(personal->data, personal->size, &hash) < 0)
            return error_set(e, -EIO, "SHA-256 failed");
        chain_text(text, &hash);
        add_quoted(b, "pc", text);
    }
    chain_text(text, &head->link);
    add_quoted(b, "prev", text);
    if (personal) {
        buffer_add_text(b, ",\"p\":");
        buffer_add(b, personal->data, personal->size);
    }
    buffer_add_text(b, "}");
    if (b->failed)
        return error_out_of_memory(e);
    /* Read as any reader will: a line that is cut elsewhere must not get into the chain. */
    if (line_parse(b->data, b->size, &l) <= 0 || l.seq != head->seq + 1 ||
        (personal && (!l.committed || l.personal_size != personal->size)) ||
        (!personal && l.personal))
        return error_set(e, -EINVAL, "an audit line cannot be read back");
    chain_text(text, &l.link);
    if (m)
        tree_window_add(&m->window, l.seq, &l.link);
    return trail_append(s, l.seq, b->data, text, e);
}
