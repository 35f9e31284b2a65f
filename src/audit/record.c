/*
 * Writing an audit row: composed as the very line that the file will hold, chained to the line
 * before, and stored in the caller's transaction. If that is rolled back, row and chain are as
 * before.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "audit/audit.h"
#include "audit/line.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "model/operation.h"
#include "state/state.h"
#include "state/trail.h"

/* {"id":…,"dn":…,"login":…}, as far as known. */
static void add_person(struct buffer *b, const struct audit_row *row)
{
    const struct operation *o = row->operation;
    const char *id = o ? o->entry_id : row->entry_id;
    const char *dn = o ? o->dn : row->dn;
    const char *login = o ? o->login : row->login;

    if (!id && !dn && !login)
        return;
    buffer_add_text(b, ",\"person\":{\"id\":");
    line_add_string(b, id);
    line_add_text(b, "dn", dn);
    line_add_text(b, "login", login);
    buffer_add_text(b, "}");
}

static void add_changes(struct buffer *b, const struct operation *o)
{
    buffer_add_text(b, ",\"changes\":[");
    for (size_t i = 0; i < o->n_changes; i++) {
        const struct change *c = &o->changes[i];

        buffer_add_text(b, i ? ",{\"field\":" : "{\"field\":");
        line_add_string(b, c->field);
        buffer_add_text(b, ",\"from\":");
        line_add_string(b, c->from);
        buffer_add_text(b, ",\"to\":");
        line_add_string(b, c->to);
        line_add_text(b, "rule", c->source.rule);
        line_add_text(b, "file", c->source.file);
        if (c->source.line)
            line_add_number(b, "line", c->source.line);
        buffer_add_text(b, "}");
    }
    buffer_add_text(b, "]");
}

static void add_operation(struct buffer *b, const struct operation *o)
{
    line_add_text(b, "operation", operation_kind_name(o->kind));
    if (o->number)
        line_add_number(b, "number", o->number);
    if (o->n_changes)
        add_changes(b, o);
    line_add_text(b, "why", o->why);
}

static void add_answer(struct buffer *b, const struct audit_row *row)
{
    if (row->status)
        line_add_number(b, "status", row->status);
    line_add_text(b, "answer", row->answer);
    line_add_text(b, "answer_text", row->answer_text);
    if (row->attempts)
        line_add_number(b, "attempts", row->attempts);
    /* Milliseconds with three digits, exactly. */
    if (row->duration_usec)
        buffer_format(b, ",\"duration_ms\":%llu.%03u",
                      (unsigned long long)(row->duration_usec / USEC_PER_MSEC),
                      (unsigned)(row->duration_usec % USEC_PER_MSEC));
}

/* Parsed and written again, so that what reaches the line is one object on one line. */
static int add_details(struct buffer *b, const char *details, struct error *e)
{
    json_error_t why;
    json_t *object = details ? json_loads(details, JSON_REJECT_DUPLICATES, &why) : NULL;
    CLEANUP(freep) char *text = NULL;

    if (!details)
        return 0;
    if (!json_is_object(object)) {
        json_decref(object);
        return error_set(e, -EINVAL, "The details of an audit row are no JSON object");
    }
    text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(object);
    if (!text)
        return error_out_of_memory(e);
    buffer_add_text(b, ",\"details\":");
    buffer_add_text(b, text);
    return 0;
}

static int compose(struct buffer *b, const struct audit_row *row, int64_t seq, const char *prev,
                   struct error *e)
{
    char now[CLOCK_TEXT_SIZE];
    uint64_t run = row->run ? row->run : row->operation ? row->operation->run : 0;
    int r;

    buffer_format(b, "{\"seq\":%lld,\"time\":\"%s\"", (long long)seq,
                  clock_format(now, clock_now_usec()));
    if (run)
        line_add_number(b, "run", (int64_t)run);
    line_add_text(b, "event", row->event);
    add_person(b, row);
    if (row->operation)
        add_operation(b, row->operation);
    line_add_text(b, "code", row->code);
    line_add_text(b, "sentence", row->sentence);
    add_answer(b, row);
    line_add_text(b, "fingerprint", row->fingerprint);
    r = add_details(b, row->details, e);
    if (r < 0)
        return r;
    line_add_text(b, "prev", prev);
    buffer_add_text(b, "}");
    return b->failed ? error_out_of_memory(e) : 0;
}

int audit_record(struct state *s, const struct audit_row *row, struct error *e)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    struct trail_head head;
    char hash[DIGEST_TEXT_SIZE];
    int r;

    assert(state_in_transaction(s));
    assert(row->event);
    r = trail_head(s, &head, e);
    if (r == 0)
        r = compose(&b, row, head.seq + 1, head.seq ? head.hash : LINE_NO_PREDECESSOR, e);
    if (r == 0 && digest_parts(hash, &(struct digest_part){b.data, b.size}, 1) < 0)
        r = error_set(e, -EIO, "SHA-256 failed");
    if (r == 0)
        r = trail_append(s, head.seq + 1, b.data, hash, e);
    return r < 0 ? error_wrap(e, r, "Recording '%s' in the audit", row->event) : 0;
}
