/* What handlers read of a request and write into its answer. Sending is http.c's. */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "simulator.h"

json_t *request_json(struct request *q)
{
    if (!q->json_tried && q->body.length)
        q->json = json_loadb(q->body.data, q->body.length, JSON_REJECT_DUPLICATES, NULL);
    q->json_tried = true;
    return q->json;
}

const char *request_header(struct request *q, const char *name)
{
    return MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND, name);
}

json_t *request_json_object(struct request *q)
{
    if (!text_is_media_type(request_header(q, "Content-Type"), "application/json")) {
        answer_error(q, 415, "Content-Type must be application/json");
        return NULL;
    }
    json_t *body = request_json(q);
    if (json_is_object(body))
        return body;
    answer_error(q, 400, "the body is no JSON object");
    return NULL;
}

void answer_text(struct request *q, unsigned status, const char *text)
{
    q->status = status;
    q->content_type = "text/plain";
    q->answer.length = 0;
    buffer_text(&q->answer, text);
}

void answer_json(struct request *q, unsigned status, const char *content_type,
                 json_t *json_taken)
{
    CLEANUP(text_freep) char *text = json_taken ? json_dumps(json_taken, JSON_COMPACT) : NULL;
    json_decref(json_taken);
    answer_text(q, text ? status : 500, text ? text : "{}");
    q->content_type = content_type;
}

void answer_error(struct request *q, unsigned status, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    CLEANUP(text_freep) char *page = NULL;
    switch (q->simulator->settings.error_format) {
    case ERROR_TEXT: answer_text(q, status, text); break;
    case ERROR_JSON:
        answer_json(q, status, "application/json",
                    json_pack("{s:s, s:s}", "error",
                              status < 500 ? "bad_request" : "server_error",
                              "error_description", text));
        break;
    case ERROR_HTML:
        page = text_format(
            "<html><head><title>Error %u</title></head><body><h1>%u</h1></body></html>\n",
            status, status);
        answer_text(q, status, page);
        q->content_type = "text/html";
        break;
    }
}

void answer_header(struct request *q, const char *name, const char *value)
{
    if (q->n_headers < ELEMENTS(q->header_text))
        q->header_text[q->n_headers++] = text_format("%s: %s", name, value);
}
