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

/* A plan of a candidate configuration looks at everybody. */
#define ANSWER_SECONDS 120

DEFINE_CLEANUP(struct control_client *, control_client_free)

int ctl_complain(struct ctl *c, int exit_code, const char *code, const char *format, ...)
{
    char raw[1024], shown[1200];
    va_list ap;

    va_start(ap, format);
    (void)vsnprintf(raw, sizeof(raw), format, ap);
    va_end(ap);
    text_printable(shown, sizeof(shown), raw, strlen(raw));
    (void)fprintf(stderr, "rosterctl: %s\n", shown);
    if (c->json) {
        json_auto_t *object = json_pack("{s:s, s:s}", "error", code, "message", shown);
        CLEANUP(freep) char *text = object ? json_dumps(object, JSON_INDENT(2)) : NULL;
        if (text)
            output_format(&c->output, "%s\n", text);
    }
    return exit_code;
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

    if (!parameters || !path)
        return ctl_complain(c, EXIT_FAILED, "failed", "out of memory");
    if (c->reason)
        (void)json_object_set_new(parameters, "reason", json_string(c->reason));
    int r = control_client_open(&client, path, &e);
    if (r < 0)
        return ctl_complain(c, EXIT_AWAY, "unreachable", "%s", e.message);
    r = control_client_call(client, method, TAKE(parameters), ANSWER_SECONDS, ret, &code, &e);
    if (r == CONTROL_REFUSED)
        return ctl_complain(c, EXIT_FAILED, code, "%s", e.message);
    if (r < 0)
        return ctl_complain(c, r == -ETIMEDOUT || r == -ECONNRESET ? EXIT_AWAY : EXIT_FAILED,
                            r == -ETIMEDOUT || r == -ECONNRESET ? "unreachable" : "failed",
                            "%s", e.message);
    return EXIT_FINE;
}

int ctl_show(struct ctl *c, const json_t *answer,
             int (*render)(struct output *o, const json_t *answer))
{
    if (!c->json)
        return render(&c->output, answer);
    CLEANUP(output_done) struct output unseen = {.now_usec = c->output.now_usec};
    int result = render(&unseen, answer); /* for the exit code */
    CLEANUP(freep) char *text = json_dumps(answer, JSON_INDENT(2) | JSON_SORT_KEYS);
    if (!text)
        return ctl_complain(c, EXIT_FAILED, "failed", "out of memory");
    buffer_add_text(&c->output.text, text);
    buffer_add_text(&c->output.text, "\n");
    return result;
}
