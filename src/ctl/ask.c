/*
 * What all verbs need: one request and its answer, shown as text or as JSON, and complaints in
 * the same two forms.
 */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "config/settings.h"
#include "control/control.h"
#include "ctl/verbs.h"
#include "ctl/waiting.h"

/* A plan of a candidate configuration looks at everybody. */
#define ANSWER_SECONDS 600

DEFINE_CLEANUP(struct control_client *, control_client_free)

static int complain(struct ctl *c, int exit_code, const char *code, const char *format, va_list ap)
{
    char raw[1024], shown[1200];

    if (c->quiet)
        return exit_code;
    (void)vsnprintf(raw, sizeof(raw), format, ap);
    text_printable(shown, sizeof(shown), raw, strlen(raw));
    (void)fprintf(stderr, "rosterctl: %s\n", shown);
    if (c->json) {
        json_t *object = json_pack("{s:s, s:s}", "error", code, "message", shown);
        if (object)
            (void)ctl_print_json(c, object, JSON_INDENT(2));
    }
    return exit_code;
}

int ctl_complain(struct ctl *c, int exit_code, const char *code, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    int r = complain(c, exit_code, code, format, ap);
    va_end(ap);
    return r;
}

int ctl_misuse(struct ctl *c, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    int r = complain(c, EXIT_MISUSE, "invalid-parameter", format, ap);
    va_end(ap);
    if (c->quiet)
        return r;
    (void)fprintf(stderr, "Try 'rosterctl %s%s--help'.\n", c->verb ? c->verb : "",
                  c->verb ? " " : "");
    return r;
}

int ctl_print_json(struct ctl *c, json_t *object_taken, size_t flags)
{
    json_auto_t *object = object_taken;
    bool fine =
        object && json_object_set_new(object, "format_version", json_string(FORMAT_VERSION)) == 0;
    CLEANUP(buffer_done) struct buffer text = {0};

    output_json(&text, fine ? object : NULL, flags);
    if (text.failed) {
        (void)fprintf(stderr, "rosterctl: out of memory\n");
        return EXIT_FAILED;
    }
    buffer_add(&c->output.text, text.data, text.size);
    buffer_add_text(&c->output.text, "\n");
    return EXIT_FINE;
}

void ctl_page(struct ctl *c)
{
    pager_open(&c->pager, !c->no_pager && !c->watch);
}

int ctl_ask(struct ctl *c, const char *method, json_t *parameters_taken, json_t **ret)
{
    json_auto_t *parameters = parameters_taken;
    CLEANUP(control_client_freep) struct control_client *client = NULL;
    CLEANUP(freep) char *code = NULL;
    CLEANUP(freep)
    char *found = c->socket ? NULL : settings_peek(c->config_file, "control", "socket");
    const char *path = c->socket ? c->socket : found;
    struct error e = {""};
    struct waiting waiting = {0};

    if (!parameters || !path)
        return ctl_complain(c, EXIT_FAILED, "failed", "out of memory");
    if (c->reason)
        (void)json_object_set_new(parameters, "reason", json_string(c->reason));
    int r = control_client_open(&client, path, &e);
    if (r < 0)
        return ctl_complain(c, EXIT_AWAY, "unreachable", "%s", e.message);
    if (c->candidate)
        waiting_begin(&waiting, path);
    r = control_client_call(client, method, TAKE(parameters),
                            c->seconds ? c->seconds : ANSWER_SECONDS, ret, &code, &e);
    waiting_end(&waiting);
    if (r == CONTROL_REFUSED)
        return ctl_complain(c, EXIT_FAILED, code, "%s", e.message);
    if (r < 0)
        return ctl_complain(c, r == -ETIMEDOUT || r == -ECONNRESET ? EXIT_AWAY : EXIT_FAILED,
                            r == -ETIMEDOUT || r == -ECONNRESET ? "unreachable" : "failed", "%s",
                            e.message);
    return EXIT_FINE;
}

int ctl_show(struct ctl *c, const json_t *answer,
             int (*render)(struct output *o, const json_t *answer))
{
    if (!c->json)
        return render(&c->output, answer);
    CLEANUP(output_done) struct output unseen = {.now_usec = c->output.now_usec};
    int result = render(&unseen, answer); /* for the exit code */
    int r =
        ctl_print_json(c, json_copy((json_t *)(uintptr_t)answer), JSON_INDENT(2) | JSON_SORT_KEYS);
    return r != EXIT_FINE ? r : result;
}
