/* The journal. Each request becomes one JSON line at the time its answer is decided, so that
 * whoever has received an answer finds its request here. Passwords are masked on the way in:
 * not even this process keeps them. */
#include "config.h"

#include "journal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "simulator.h"

#define MASK "********"

int journal_open(struct journal *j, const char *path, size_t keep)
{
    j->n_lines = keep ? keep : 1;
    j->lines = memory_new(j->n_lines * sizeof(*j->lines));
    if (!path)
        return 0;
    j->file = fopen(path, "ae");
    if (!j->file) {
        fprintf(stderr, "tenant-simulator: cannot open the journal %s: %m\n", path);
        return -1;
    }
    return 0;
}

void journal_done(struct journal *j)
{
    journal_forget(j);
    free(j->lines);
    j->lines = NULL;
    if (j->file && fclose(j->file) != 0)
        fprintf(stderr, "tenant-simulator: the journal is incomplete: %m\n");
    j->file = NULL;
}

void journal_flush(struct journal *j)
{
    if (j->file && fflush(j->file) != 0) {
        fprintf(stderr, "tenant-simulator: cannot write the journal, which ends here: %m\n");
        fclose(j->file);
        j->file = NULL;
    }
}

void journal_forget(struct journal *j)
{
    for (size_t i = 0; j->lines && i < j->n_lines; i++) {
        free(j->lines[i]);
        j->lines[i] = NULL;
    }
}

static bool names_password(const char *name)
{
    size_t length = strlen(name);
    return length >= 8 && !strcasecmp(name + length - 8, "password");
}

/* Masks the passwords in a body and returns the length of the last one, or -1: properties
 * called so, and a SCIM operation whose path names it. */
static long mask_passwords(json_t *json)
{
    long found = -1, inner = -1;
    const char *key;
    size_t i;
    json_t *value;
    if (json_is_array(json))
        json_array_foreach(json, i, value) found =
            (inner = mask_passwords(value)) >= 0 ? inner : found;
    if (!json_is_object(json))
        return found;
    const char *path = json_string_value(json_object_get(json, "path"));
    bool is_password_operation = path && names_password(path);
    json_object_foreach(json, key, value)
    {
        bool secret =
            !strcasecmp(key, "password") || (is_password_operation && !strcmp(key, "value"));
        if (secret && json_is_string(value)) {
            found = (long)json_string_length(value);
            json_string_set(value, MASK);
        } else {
            found = (inner = mask_passwords(value)) >= 0 ? inner : found;
        }
    }
    return found;
}

/* A JSON string from text that may hold anything; what is no UTF-8 becomes question marks. */
static void append_string(struct buffer *b, const char *text)
{
    json_auto_t *string = json_string(text);
    if (!string) {
        CLEANUP(text_freep) char *plain = text_copy(text);
        for (char *p = plain; *p; p++)
            *p = (char)((unsigned char)*p < 0x80 ? *p : '?');
        string = json_string(plain);
    }
    CLEANUP(text_freep) char *quoted = json_dumps(string, JSON_ENCODE_ANY);
    buffer_text(b, quoted ? quoted : "\"\"");
}

static void append_form(struct buffer *b, const struct request *q)
{
    static const char *const shown[] = {"grant_type", "client_id", "scope"};
    buffer_text(b, ",\"body\":{");
    for (size_t i = 0; i < ELEMENTS(shown); i++) {
        CLEANUP(text_freep) char *value = text_form_get(q->body.data, shown[i]);
        buffer_text(b, i ? ",\"" : "\"");
        buffer_text(b, shown[i]);
        buffer_text(b, "\":");
        append_string(b, value ? value : "");
    }
    CLEANUP(text_freep) char *secret = text_form_get(q->body.data, "client_secret");
    if (secret) {
        CLEANUP(text_freep)
        char *tail = text_format(",\"client_secret\":\"" MASK
                                 "\"},\"passwordPresent\":true,\"passwordLength\":%zu",
                                 strlen(secret));
        buffer_text(b, tail);
    } else {
        buffer_text(b, "}");
    }
}

static void append_body(struct buffer *b, struct request *q)
{
    if (!q->body.length)
        return;
    if (text_is_media_type(request_header(q, "Content-Type"),
                           "application/x-www-form-urlencoded")) {
        append_form(b, q);
        return;
    }
    json_t *json = request_json(q);
    if (!json) { /* not shown, since nothing could be masked in it */
        CLEANUP(text_freep)
        char *length = text_format(",\"unreadableBytes\":%zu", q->body.length);
        buffer_text(b, length);
        return;
    }
    long password = mask_passwords(json);
    buffer_text(b, ",\"body\":");
    if (password < 0) {
        /* As it came, but a record is one line: the only raw line ends in JSON are white space.
         */
        size_t start = b->length;
        buffer_append(b, q->body.data, q->body.length);
        for (size_t i = start; i < b->length; i++)
            if (b->data[i] == '\n' || b->data[i] == '\r')
                b->data[i] = ' ';
        return;
    }
    CLEANUP(text_freep) char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
    buffer_text(b, text ? text : "null");
    CLEANUP(text_freep)
    char *tail = text_format(",\"passwordPresent\":true,\"passwordLength\":%ld", password);
    buffer_text(b, tail);
}

void journal_record(struct journal *j, struct request *q, bool cut)
{
    j->requests++;
    if (cut)
        j->cut++;
    else
        j->by_status[q->status < ELEMENTS(j->by_status) ? q->status : 0]++;
    char when[32], head[256];
    time_format(time_wall_ms(), when);
    snprintf(head, sizeof(head),
             "{\"seq\":%llu,\"time\":\"%s\",\"method\":\"%s\",\"status\":%u,"
             "\"connection\":%llu,\"inFlight\":%llu,\"milliseconds\":%llu,"
             "\"arrivedUsec\":%llu,\"path\":",
             (unsigned long long)j->requests, when, q->method_text, q->status,
             (unsigned long long)request_connection_number(q), (unsigned long long)j->in_flight,
             (unsigned long long)(time_monotonic_ms() - q->arrived_usec / 1000),
             (unsigned long long)q->arrived_usec);
    struct buffer b = {0};
    buffer_text(&b, head);
    append_string(&b, q->target);
    if (q->login) {
        buffer_text(&b, ",\"login\":");
        append_string(&b, q->login);
    }
    if (cut)
        buffer_text(&b, ",\"cut\":true");
    if (q->fault) {
        buffer_text(&b, ",\"fault\":");
        append_string(&b, fault_name(q->fault));
    }
    append_body(&b, q);
    buffer_text(&b, "}");
    if (j->file) {
        fwrite(b.data, 1, b.length, j->file);
        fputc('\n', j->file);
    }
    char **slot = &j->lines[j->requests % j->n_lines];
    free(*slot);
    *slot = b.data;
}

void journal_write(const struct journal *j, uint64_t since, struct buffer *b)
{
    uint64_t first = j->requests > j->n_lines ? j->requests - j->n_lines + 1 : 1;
    if (since >= first)
        first = since + 1;
    const char *separator = "[";
    for (uint64_t i = first; i <= j->requests; i++) {
        const char *line = j->lines[i % j->n_lines];
        if (!line) /* forgotten */
            continue;
        buffer_text(b, separator);
        buffer_text(b, line);
        separator = ",\n";
    }
    buffer_text(b, *separator == '[' ? "[]" : "]");
}

json_t *journal_counters(const struct journal *j)
{
    json_t *by_status = json_object();
    for (int i = 0; i < (int)ELEMENTS(j->by_status); i++) {
        if (!j->by_status[i])
            continue;
        char key[8];
        snprintf(key, sizeof(key), "%d", i);
        json_object_set_new(by_status, key, json_integer((json_int_t)j->by_status[i]));
    }
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "requests",
                     (json_int_t)j->requests, "creates", (json_int_t)j->creates, "updates",
                     (json_int_t)j->updates, "deletes", (json_int_t)j->deletes, "gets",
                     (json_int_t)j->gets, "tokens", (json_int_t)j->tokens, "cut",
                     (json_int_t)j->cut, "undelivered", (json_int_t)j->undelivered,
                     "connections", (json_int_t)j->connections, "in_flight",
                     (json_int_t)j->in_flight, "in_flight_peak", (json_int_t)j->in_flight_peak,
                     "by_status", by_status);
}
