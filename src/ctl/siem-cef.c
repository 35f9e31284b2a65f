/*
 * ArcSight Common Event Format, CEF:0 of its implementation standard, version 27: a header of
 * fields between bars and an extension of keys and values between blanks. Values are made
 * printable, so that a line is one for whoever reads it, and cut at the lengths that header and
 * dictionary name, at the end of a character.
 */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/json-write.h"
#include "base/memory.h"
#include "ctl/siem.h"
#include "render/output.h"
#include "render/render.h"

/* The beginning of a text that is not longer, in whole characters of UTF-8. */
static size_t cut(const char *text, size_t most)
{
    size_t size = strlen(text);

    if (size <= most)
        return size;
    while (most > 0 && ((unsigned char)text[most] & 0xc0) == 0x80)
        most--;
    return most;
}

/* Bytes of a printable text, those of `special` behind a backslash. */
static void add_escaped(struct buffer *b, const char *text, size_t size, const char *special)
{
    for (const char *end = text + size; text < end;) {
        size_t n = strcspn(text, special);

        n = n < (size_t)(end - text) ? n : (size_t)(end - text);
        buffer_add(b, text, n);
        text += n;
        if (text < end) {
            buffer_add(b, "\\", 1);
            buffer_add(b, text++, 1);
        }
    }
}

static void add_header(struct buffer *b, const char *text, size_t most)
{
    CLEANUP(buffer_done) struct buffer shown = {0};

    output_add_printable(&shown, *text ? text : "none"); /* no field is left out */
    b->failed |= shown.failed;
    if (!shown.failed)
        add_escaped(b, shown.data, cut(shown.data, most), "|\\");
    buffer_add_text(b, "|");
}

static void add(struct buffer *b, const char *key, size_t most, const char *value)
{
    CLEANUP(buffer_done) struct buffer shown = {0};

    if (!value || !*value)
        return;
    output_add_printable(&shown, value);
    b->failed |= shown.failed;
    if (shown.failed)
        return;
    buffer_add(b, " ", 1);
    buffer_add_text(b, key);
    buffer_add(b, "=", 1);
    add_escaped(b, shown.data, cut(shown.data, most), "=\\");
}

static void add_number(struct buffer *b, const char *key, int64_t value)
{
    buffer_add(b, " ", 1);
    buffer_add_text(b, key);
    buffer_add(b, "=", 1);
    json_write_integer(b, value);
}

/* One of the six texts and three numbers that a product names itself. */
static void add_label(struct buffer *b, const char *key, const char *label)
{
    buffer_add(b, " ", 1);
    buffer_add_text(b, key);
    buffer_add_text(b, "Label=");
    buffer_add_text(b, label);
}

static void add_custom(struct buffer *b, const char *key, const char *label, const char *value)
{
    if (!value || !*value)
        return;
    add(b, key, 4000, value);
    add_label(b, key, label);
}

static void add_custom_number(struct buffer *b, const char *key, const char *label,
                              const struct siem_event *v, const char *name)
{
    const json_t *value = json_object_get(v->view, name);

    if (!value)
        return;
    add_number(b, key, json_integer_value(value));
    add_label(b, key, label);
}

static void add_people(struct buffer *b, const struct siem_event *v)
{
    if (v->actor) {
        add_number(b, "suid", member_number(v->actor, "uid"));
        add(b, "suser", 1023, siem_actor(v));
    } else if (!v->by_others)
        add(b, "sproc", 1023, "rosterd");
    add(b, "duid", 1023, v->erased ? "erased" : member_text(v->person, "id"));
    add(b, "duser", 1023, member_text(v->person, "login"));
}

void siem_cef(struct buffer *b, const struct siem_event *v)
{
    CLEANUP(buffer_done) struct buffer message = {0}, changes = {0}, class = {0};
    static const int severities[] = {0, 1, 3, 6, 8};
    static const char *const results[] = {NULL, "success", "failure", "unknown"};
    const char *reason = member_text(v->view, "reason");

    siem_message(&message, v);
    siem_changes(&changes, v->changes, "; ");
    buffer_add_text(&class, v->name);
    buffer_add_text(&class, v->kind ? ":" : "");
    buffer_add_text(&class, v->kind ? v->kind : "");
    if (message.failed || changes.failed || class.failed) {
        b->failed = true;
        return;
    }
    buffer_add_text(b, "CEF:0|rosterd|rosterd|1|");
    add_header(b, class.data, 1023);
    add_header(b, v->title, 512);
    json_write_integer(b, severities[v->severity]);
    buffer_add_text(b, "|rt=");
    json_write_integer(b, (int64_t)(v->usec / USEC_PER_MSEC));
    add(b, "cat", 1023, v->name);
    add(b, "act", 63, v->kind);
    add(b, "outcome", 63, results[v->result]);
    add(b, "reason", 1023, v->code);
    add_people(b, v);
    add(b, "msg", 1023, message.data);
    add_custom_number(b, "cn1", "run", v, "run");
    add_custom_number(b, "cn2", "operation number", v, "number");
    add_custom_number(b, "cn3", "HTTP status", v, "status");
    add_custom(b, "cs1", "changes", changes.data);
    add_custom(b, "cs2", "DN", member_text(v->person, "dn"));
    add_custom(b, "cs3", "configuration", member_text(v->view, "fingerprint"));
    add_custom(b, "cs4", "plan", member_text(v->view, "plan"));
    add_custom(b, "cs5", "reason given", reason);
    add_custom(b, "cs6", "why", member_text(v->view, "why"));
    /* The last value loses the blanks that it ends in. */
    add_number(b, "externalId", v->seq);
    buffer_add_text(b, "\n");
}
