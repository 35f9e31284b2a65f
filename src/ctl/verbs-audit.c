/*
 * The audit's files, without a daemon: they are looked at years later and on other machines.
 */
#include "config.h"

#include <string.h>

#include "audit/audit.h"
#include "base/error.h"
#include "base/memory.h"
#include "config/settings.h"
#include "ctl/verbs.h"

static int verify(struct ctl *c, const char *const *files, size_t n_files)
{
    struct audit_verify_result result = {0};
    struct error e = {""};
    struct output *o = &c->output;
    int r = audit_verify(files, n_files, &result, &e);

    if (r < 0)
        return ctl_complain(c, EXIT_FAILED, "failed", "%s", e.message);
    bool whole = !result.file;
    if (c->json) {
        json_auto_t *object = json_pack(
            "{s:b, s:I, s:I, s:I, s:s, s:s, s:s, s:s?, s:i, s:s}", "whole", whole, "lines",
            (json_int_t)result.n_lines, "first_seq", (json_int_t)result.first_seq, "last_seq",
            (json_int_t)result.last_seq, "first_time", result.first_time, "last_time",
            result.last_time, "last_hash", result.last_hash, "file", result.file, "line",
            (int)result.line, "sentence", result.sentence);
        CLEANUP(freep)
        char *text = object ? json_dumps(object, JSON_INDENT(2) | JSON_SORT_KEYS) : NULL;
        output_format(o, "%s\n", text ? text : "{}");
    } else if (whole) {
        output_colour(o, COLOUR_GREEN, "whole");
        output_format(o, ": %llu lines, %llu to %llu, %s to %s\nlast hash %s\n",
                      (unsigned long long)result.n_lines, (unsigned long long)result.first_seq,
                      (unsigned long long)result.last_seq, result.first_time, result.last_time,
                      result.last_hash);
    } else {
        output_colour(o, COLOUR_RED, "broken");
        output_format(o, ": ");
        output_text(o, result.file);
        output_format(o, ":%u: ", result.line);
        output_text(o, result.sentence);
        output_format(o, "\n%llu lines before it are whole\n",
                      (unsigned long long)result.n_lines);
    }
    audit_verify_result_done(&result);
    return whole ? EXIT_FINE : EXIT_FOUND;
}

static int show_line(const char *line, void *userdata)
{
    struct ctl *c = userdata;

    if (c->json) {
        buffer_add_text(&c->output.text, line);
        buffer_add_text(&c->output.text, "\n");
        return 0;
    }
    json_auto_t *object = json_loads(line, 0, NULL);
    if (object)
        render_audit_line(&c->output, object);
    return 0;
}

static int show(struct ctl *c, const char *const *files, size_t n_files)
{
    struct error e = {""};
    int r = audit_each(files, n_files, c->person, show_line, c, &e);

    return r < 0 ? ctl_complain(c, EXIT_FAILED, "failed", "%s", e.message) : EXIT_FINE;
}

int ctl_audit(struct ctl *c)
{
    const char *what = c->arguments[0];
    CLEANUP(freep) char *otherwise = NULL;
    const char *const *files = (const char *const *)c->arguments + 1;
    size_t n_files = c->n_arguments - 1;

    if (n_files == 0) {
        otherwise = settings_peek(c->config_file, "audit", "file");
        if (!otherwise)
            return ctl_complain(c, EXIT_FAILED, "failed", "out of memory");
        files = (const char *const *)&otherwise;
        n_files = 1;
    }
    if (strcmp(what, "verify") == 0)
        return verify(c, files, n_files);
    if (strcmp(what, "show") == 0)
        return show(c, files, n_files);
    return ctl_complain(c, EXIT_FAILED, "invalid-parameter", "audit takes: verify, show");
}
