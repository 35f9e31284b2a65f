/* audit export: the audit for a program that collects events, once or for as long as it grows. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "audit/audit.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "ctl/siem.h"
#include "ctl/verbs.h"

typedef void (*siem_fn)(struct buffer *b, const struct siem_event *v);

struct export
{
    struct ctl *ctl;
    siem_fn convert;
    bool follow;
};

static siem_fn format_of(const char *name)
{
    static const struct {
        const char *name;
        siem_fn fn;
    } formats[] = {{"ocsf", siem_ocsf}, {"ecs", siem_ecs}, {"cef", siem_cef}};

    for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
        if (name && strcmp(name, formats[i].name) == 0)
            return formats[i].fn;
    return NULL;
}

static int convert_line(const char *line, const json_t *view, void *userdata)
{
    struct export *x = userdata;
    struct siem_event event;

    (void)line;
    if (!siem_read(&event, view))
        return 0;
    x->convert(&x->ctl->output.text, &event);
    return x->ctl->output.text.failed ? -ENOMEM : output_flush(&x->ctl->output);
}

/* Whoever reads it has all that there is before this program sleeps. */
static int write_all(void *userdata)
{
    struct export *x = userdata;
    struct buffer *text = &x->ctl->output.text;

    errno = 0;
    if (text->size && fwrite(text->data, 1, text->size, stdout) < text->size)
        return errno ? -errno : -EIO;
    buffer_clear(text);
    return fflush(stdout) == 0 ? 0 : -errno;
}

static int prepare(struct ctl *c, struct export *x, struct audit_filter *filter)
{
    x->convert = format_of(c->format);
    if (!x->convert)
        return ctl_misuse(c, "audit export takes --format ocsf, ecs or cef");
    if (c->after && (text_parse_signed(c->after, &filter->after) < 0 || filter->after < 0))
        return ctl_misuse(c, "'%s' is not a line number", c->after);
    if (c->follow && c->person)
        return ctl_misuse(c, "--follow and --person exclude each other");
    return EXIT_FINE;
}

int ctl_export(struct ctl *c, const char *const *files, size_t n_files)
{
    CLEANUP(audit_doubts_done) struct audit_doubts doubts = {0};
    struct export x = {.ctl = c};
    struct audit_filter filter = ctl_filter(c, &doubts);
    struct error e = {""};
    int r = prepare(c, &x, &filter);

    if (r != EXIT_FINE)
        return r;
    c->output.verbatim = c->no_pager = true; /* for programs */
    if (c->follow && n_files != 1)
        return ctl_misuse(c, "--follow takes one file, the one that grows; closed ones beside it "
                             "are read first");
    if (c->follow)
        r = audit_follow(files[0], &filter, convert_line, write_all, STDOUT_FILENO, &x, &e);
    else
        r = audit_each(files, n_files, &filter, convert_line, &x, &e);
    if (r == -EPIPE)
        return EXIT_FINE; /* whoever read it has seen enough */
    return r < 0 ? ctl_complain(c, EXIT_FAILED, "failed", "%s",
                                e.message[0] ? e.message : "the output cannot be written")
                 : ctl_doubts(c, &doubts);
}
