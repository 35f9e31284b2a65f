/* What is asked of audit files: lines, and who had something. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "audit/audit.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "ctl/siem.h"
#include "ctl/verbs.h"

/* Whoever asks for one thing learns that the files do not fit together; verify says how. On
 * standard error alone, since the answer itself stands. */
int ctl_doubts(const struct ctl *c, const struct audit_doubts *d)
{
    CLEANUP(freep) char *file = output_printable(d->file ? d->file : "");

    if (!audit_is_doubtful(d))
        return EXIT_FINE;
    if (!c->quiet)
        (void)fprintf(
            stderr,
            "rosterctl: this answer is not to be relied on: the files are not one whole audit "
            "(%llu line%s that could not be read, %llu break%s between lines, %llu line%s with a "
            "number that another file has), first at %s:%u. `rosterctl audit verify` says what "
            "is wrong\n",
            (unsigned long long)d->n_unread, text_plural(d->n_unread),
            (unsigned long long)d->n_breaks, text_plural(d->n_breaks),
            (unsigned long long)d->n_again, text_plural(d->n_again), file ? file : "?", d->line);
    return EXIT_FOUND;
}

static json_t *doubts_of(const struct audit_doubts *d)
{
    return json_pack("{s:I, s:I, s:I, s:I}", "unread", (json_int_t)d->n_unread, "breaks",
                     (json_int_t)d->n_breaks, "again", (json_int_t)d->n_again, "unknown",
                     (json_int_t)d->n_unknown);
}

struct audit_filter ctl_filter(const struct ctl *c, struct audit_doubts *doubts)
{
    return (struct audit_filter){.person = c->person,
                                 .since = c->since,
                                 .until = c->until,
                                 .event = c->event,
                                 .kind = c->kind,
                                 .code = c->code,
                                 .doubts = doubts};
}

static int show_line(const char *line, const json_t *view, void *userdata)
{
    struct ctl *c = userdata;
    struct buffer *text = &c->output.text;

    (void)line;
    if (!c->json) {
        render_audit_line(&c->output, view);
        return output_flush(&c->output);
    }
    output_json(text, view, JSON_COMPACT);
    if (text->failed)
        return -ENOMEM;
    text->size--; /* the brace, which the version comes before */
    siem_text(text, "format_version", FORMAT_VERSION);
    buffer_add_text(text, "}\n");
    return output_flush(&c->output);
}

int ctl_audit_show(struct ctl *c, const char *const *files, size_t n_files)
{
    CLEANUP(audit_doubts_done) struct audit_doubts doubts = {0};
    struct audit_filter filter = ctl_filter(c, &doubts);
    struct error e = {""};
    ctl_page(c);
    int r = audit_each(files, n_files, &filter, show_line, c, &e);

    if (r == 0 && !c->json && doubts.n_unknown && (c->person || c->kind)) /* or they are shown */
        output_format(&c->output,
                      "%llu outcome%s whose intent is in none of these files: not shown, since "
                      "whom and what it is about is not known\n",
                      (unsigned long long)doubts.n_unknown, text_plural(doubts.n_unknown));

    if (r == -EPIPE)
        return EXIT_FINE; /* whoever read it has seen enough */
    return r < 0 ? ctl_complain(c, EXIT_FAILED, "failed", "%s",
                                e.message[0] ? e.message : "the output cannot be written")
                 : ctl_doubts(c, &doubts);
}

static json_t *holder_of(const struct audit_holder *h)
{
    return json_pack("{s:s?, s:s?, s:s?, s:s, s:s?, s:s?, s:b, s:s?, s:I, s:I, s:I, s:b}", "id",
                     h->id, "login", h->login, "dn", h->dn, "since", h->since, "value", h->value,
                     "rule", h->place, "found", h->found, "approved_by", h->approved_by, "intent",
                     (json_int_t)h->intent_seq, "outcome", (json_int_t)h->outcome_seq, "approval",
                     (json_int_t)h->approve_seq, "disabled", h->disabled);
}

/* All but the people. */
static json_t *who_of(const struct audit_who *w)
{
    return json_pack("{s:s, s:s, s:s?, s:[], s:I, s:o}", "what", w->field, "name", w->name, "at",
                     w->at, "people", "erased", (json_int_t)w->n_erased, "doubts",
                     doubts_of(&w->doubts));
}

static int print_person(struct ctl *c, const struct audit_holder *h, bool first)
{
    CLEANUP(buffer_done) struct buffer text = {0};
    json_auto_t *person = holder_of(h);

    if (!person)
        return -ENOMEM;
    buffer_add_text(&c->output.text, first ? "\n    " : ",\n    ");
    output_json_within(&c->output.text, person, JSON_INDENT(2) | JSON_SORT_KEYS, 2);
    return c->output.text.failed ? -ENOMEM : output_flush(&c->output);
}

/* One object, as it would be printed as a whole, whose people are written one by one. */
static int print_who(struct ctl *c, const struct audit_who *w, json_t *answer)
{
    static const char nobody[] = "\n  \"people\": []"; /* no text within it has a newline */
    struct buffer *text = &c->output.text;
    CLEANUP(freep) char *rest = NULL;
    const char *at;

    if (ctl_print_json(c, json_incref(answer), JSON_INDENT(2) | JSON_SORT_KEYS) != EXIT_FINE)
        return -ENOMEM;
    if (w->n_people == 0)
        return 0;
    at = text->data ? strstr(text->data, nobody) : NULL;
    if (at)
        at += sizeof(nobody) - 2; /* the bracket that closes */
    rest = at ? strdup(at) : NULL;
    if (!rest)
        return -ENOMEM;
    text->size = (size_t)(at - text->data);
    for (size_t i = 0; i < w->n_people; i++) {
        int r = print_person(c, w->people[i], i == 0);

        if (r < 0)
            return r;
    }
    buffer_add_text(text, "\n  ");
    buffer_add_text(text, rest);
    return text->failed ? -ENOMEM : 0;
}

/* A table for each thousand, since a table is laid out in memory. */
#define PEOPLE_TOGETHER 1000U

static int show_people(struct ctl *c, const struct audit_who *w, size_t from)
{
    json_auto_t *people = json_array();
    size_t end = w->n_people - from > PEOPLE_TOGETHER ? from + PEOPLE_TOGETHER : w->n_people;

    for (size_t i = from; i < end; i++)
        if (json_array_append_new(people, holder_of(w->people[i])) < 0)
            return -ENOMEM;
    render_audit_people(&c->output, people, from == 0);
    return c->output.text.failed ? -ENOMEM : output_flush(&c->output);
}

static int show_who(struct ctl *c, const struct audit_who *w, const json_t *answer)
{
    int r = 0;

    render_audit_who(&c->output, answer, w->n_people);
    for (size_t i = 0; r == 0 && i < w->n_people; i += PEOPLE_TOGETHER)
        r = show_people(c, w, i);
    render_audit_who_else(&c->output, answer);
    return r;
}

int ctl_audit_who(struct ctl *c, const char *const *files, size_t n_files)
{
    CLEANUP(audit_who_done)
    struct audit_who w = {.field = c->role   ? "role"
                                   : c->team ? "team"
                                             : "skill",
                          .name = c->role   ? c->role
                                  : c->team ? c->team
                                            : c->skill,
                          .at = c->at};
    struct error e = {""};

    if (!!c->role + !!c->team + !!c->skill != 1)
        return ctl_misuse(c, "audit who takes one of --role NAME, --team NAME, --skill NAME");
    if (audit_who(&w, files, n_files, &e) < 0)
        return ctl_complain(c, EXIT_FAILED, "failed", "%s", e.message);
    json_auto_t *answer = who_of(&w);
    if (!answer)
        return ctl_complain(c, EXIT_FAILED, "failed", "out of memory");
    int r = c->json ? print_who(c, &w, answer) : show_who(c, &w, answer);
    if (r == -EPIPE)
        return EXIT_FINE; /* whoever read it has seen enough */
    return r < 0 ? ctl_complain(c, EXIT_FAILED, "failed", "the output cannot be written: %s",
                                strerror(-r))
                 : ctl_doubts(c, &w.doubts);
}
