/* What a line of the audit is in the words of a report, cell by cell. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "ctl/evidence.h"
#include "ctl/siem.h"
#include "model/operation.h"
#include "render/output.h"
#include "render/render.h"

#define WHO     (1U << COLUMN_LINE | 1U << COLUMN_TIME | 1U << COLUMN_WHAT)
#define PERSON  (1U << COLUMN_PERSON)
#define CHANGES (1U << COLUMN_CHANGES)
#define CODE    (1U << COLUMN_CODE)
#define BY      (1U << COLUMN_BY)
#define PLAN    (1U << COLUMN_PLAN)
#define REASON  (1U << COLUMN_REASON)
#define WORDS   (1U << COLUMN_WORDS)

const struct evidence_list evidence_lists[AUDIT_LISTS] = {
    [LIST_JOINERS] = {"joiners", "Joiners", "Users who were created, taken over or enabled again.",
                      WHO | PERSON | CHANGES | BY | WORDS},
    [LIST_LEAVERS] = {"leavers", "Leavers", "Users who were disabled or deleted.",
                      WHO | PERSON | BY | WORDS},
    [LIST_PRIVILEGED] =
        {"privileged", "Privileged roles given and taken",
         "Changes of a role that the configuration called privileged at that time; "
         "+ is given, - is taken away. Joiners who were given one are here as well.",
         WHO | PERSON | CHANGES | BY | WORDS},
    [LIST_ROLES] = {"roles", "Other roles given and taken",
                    "Changes of roles that are not privileged; + is given, - is taken away.",
                    WHO | PERSON | CHANGES | BY | WORDS},
    [LIST_MOVERS] = {"movers", "Movers", "Other changes: team, skills, names, login.",
                     WHO | PERSON | CHANGES | BY | WORDS},
    [LIST_APPROVALS] = {"approvals", "Approvals",
                        "What a person released, under which plan and for which reason.",
                        WHO | PERSON | CHANGES | BY | PLAN | REASON},
    [LIST_WAITING] =
        {"waiting", "Waiting and left out",
         "Changes that had to wait, and people of the directory who get no user, with the "
         "reason. The codes are explained at the end.",
         WHO | PERSON | CHANGES | CODE | WORDS},
    [LIST_CONFIGURATION] = {"configuration", "Configuration",
                            "Starts, configurations that came into force and what they changed, "
                            "pauses, and who did it.",
                            WHO | CHANGES | BY | REASON | WORDS},
    [LIST_DRIFT] =
        {"drift", "Drift",
         "What the contact center held that rosterd did not write: somebody else changed it.",
         WHO | PERSON | CODE | WORDS},
    [LIST_COMPARISONS] =
        {"comparisons", "Comparisons",
         "Every user at the contact center compared with what this audit says that "
         "they should hold.",
         WHO | CODE | WORDS},
    [LIST_ALARMS] = {"alarms", "Alarms and repairs", "What needed a person's eye.",
                     WHO | CODE | WORDS},
    [LIST_ERASURES] = {"erasures", "Erasures", "Removals of a person's data from the audit.",
                       WHO | BY | REASON | WORDS},
};

const char *const evidence_column_names[EVIDENCE_COLUMNS] = {
    [COLUMN_LINE] = "Line",      [COLUMN_TIME] = "Time (UTC)", [COLUMN_WHAT] = "What",
    [COLUMN_PERSON] = "Person",  [COLUMN_CHANGES] = "Changes", [COLUMN_CODE] = "Code",
    [COLUMN_BY] = "By",          [COLUMN_PLAN] = "Plan",       [COLUMN_REASON] = "Reason given",
    [COLUMN_WORDS] = "In words",
};

const char *const evidence_haste_names[AUDIT_HASTES] = {
    [HASTE_JOINERS] = "Joiners",
    [HASTE_MOVERS] = "Movers",
    [HASTE_LEAVERS] = "Leavers",
    [HASTE_REVOCATIONS] = "Revocations",
};

/* What was done to the user, for people who never saw an operation's name. */
static const char *done_words(const char *kind)
{
    static const char *const words[][2] = {
        {"create", "User created"},         {"adopt", "User taken over"},
        {"update", "Team, skills changed"}, {"profile", "Data, roles changed"},
        {"rename", "Login changed"},        {"disable", "User disabled"},
        {"enable", "User enabled"},         {"delete", "User deleted"}};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strcmp(kind, words[i][0]) == 0)
            return words[i][1];
    return kind;
}

static void add_what(struct buffer *b, const json_t *view)
{
    struct siem_event event;

    if (!siem_read(&event, view))
        return;
    if (event.result == SIEM_SUCCESS && event.kind) {
        output_add_printable(b, done_words(event.kind));
        return;
    }
    output_add_printable(b, event.title);
    buffer_add_text(b, event.kind ? ": " : "");
    output_add_printable(b, event.kind);
}

static void add_person(struct buffer *b, const json_t *view)
{
    const json_t *p = json_object_get(view, "person");
    const char *login = member_text(p, "login"), *dn = member_text(p, "dn");

    if (member_true(view, "erased")) {
        buffer_add_text(b, "(erased)");
        return;
    }
    output_add_printable(b, login ? login : dn ? dn : member_text(p, "id"));
    if (login && dn) {
        buffer_add_text(b, " (");
        output_add_printable(b, dn);
        buffer_add_text(b, ")");
    }
}

static void add_keys(struct buffer *b, const json_t *changed)
{
    size_t i;
    json_t *c;

    json_array_foreach ((json_t *)(uintptr_t)changed, i, c) {
        const char *from = member_text(c, "from"), *to = member_text(c, "to");

        buffer_format(b, "%s%s", i ? "\n" : "", from && to ? "~" : to ? "+" : "-");
        output_add_printable(b, member_text(c, "key"));
        buffer_add_text(b, ": ");
        output_add_printable(b, from ? from : to);
        if (from && to) {
            buffer_add_text(b, " -> ");
            output_add_printable(b, to);
        }
    }
}

/* By whom it was asked for, or who approved it. */
static void add_by(struct buffer *b, const json_t *view, const json_t *approval)
{
    const json_t *a = json_object_get(view, "actor");
    const char *login = member_text(a, "login"), *name = member_text(a, "name");

    if (name) {
        output_add_printable(b, login ? login : name);
        buffer_add_text(b, login ? " (as " : "");
        output_add_printable(b, login ? name : NULL);
        buffer_add_text(b, login ? ")" : "");
    } else if (a) {
        buffer_format(b, "user id %lld", member_number(a, "uid"));
    } else if (approval) {
        buffer_add_text(b, "approved by ");
        output_add_printable(b, member_text(approval, "by"));
        buffer_format(b, ", line %lld", member_number(approval, "seq"));
    }
}

static void add_words(struct buffer *b, const json_t *view)
{
    static const char *const names[] = {"why", "sentence", "answer_text"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (member_text(view, names[i])) {
            buffer_add_text(b, b->size ? "; " : "");
            output_add_printable(b, member_text(view, names[i]));
        }
}

/* The beginning of a text. */
static void text_into(char *to, size_t size, const json_t *view, const char *name)
{
    const char *text = member_text(view, name);

    snprintf(to, size, "%s", text ? text : "");
}

/* 2026-11-28 14:05:09; also of a line that nobody of ours wrote. */
void evidence_time(struct buffer *b, const json_t *view)
{
    char time[20];

    text_into(time, sizeof(time), view, "time");
    if (strlen(time) > 10)
        time[10] = ' ';
    output_add_printable(b, time);
}

void evidence_cell(struct buffer *b, const json_t *view, const json_t *approval,
                   enum evidence_column column)
{
    const json_t *details = json_object_get(view, "details");
    char first[24];

    buffer_clear(b);
    buffer_add_text(b, "");
    switch (column) {
    case COLUMN_LINE: buffer_format(b, "%lld", member_number(view, "seq")); break;
    case COLUMN_TIME: evidence_time(b, view); break;
    case COLUMN_WHAT: add_what(b, view); break;
    case COLUMN_PERSON: add_person(b, view); break;
    case COLUMN_CHANGES:
        siem_changes(b, json_object_get(view, "changes"), "\n");
        add_keys(b, json_object_get(details, "changed"));
        break;
    case COLUMN_CODE: output_add_printable(b, member_text(view, "code")); break;
    case COLUMN_BY: add_by(b, view, approval); break;
    case COLUMN_PLAN:
        text_into(first, 13, view, "plan");
        output_add_printable(b, first);
        if (member_text(view, "groups")) {
            buffer_add_text(b, " ");
            output_add_printable(b, member_text(view, "groups"));
        }
        break;
    case COLUMN_REASON: output_add_printable(b, member_text(view, "reason")); break;
    case COLUMN_WORDS: add_words(b, view); break;
    case EVIDENCE_COLUMNS: break;
    }
}

void evidence_duration(struct buffer *b, uint32_t ms)
{
    if (ms < 1000)
        buffer_format(b, "%u ms", ms);
    else if (ms < 120 * 1000)
        buffer_format(b, "%.1f s", ms / 1e3);
    else if (ms < 2 * 3600 * 1000)
        buffer_format(b, "%.1f min", ms / 60e3);
    else if (ms < 48 * 3600 * 1000)
        buffer_format(b, "%.1f h", ms / 3600e3);
    else
        buffer_format(b, "%.1f days", ms / 86400e3);
}

const char *evidence_meaning(const char *code)
{
    static const char *const own[][2] = {
        {"report", "it was reported, and left as it is"},
        {"repair", "it was put back to what the directory and the rules say"},
        {"fine", "nothing differs"},
        {"differs", "something differs; the drift lines say what"},
        {"file-changed", "the audit file was changed while rosterd did not run"},
        {"lines-missing", "the audit file lacks lines that rosterd had written"},
        {"torn-line", "the last line of the audit file had no end, as after a crash"},
        {"damaged-end", "the end of the audit file is damaged"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(own); i++)
        if (strcmp(own[i][0], code) == 0)
            return own[i][1];
    return reason_code_text(code);
}

/* 2026-11-24 14:39 */
static void add_minute(struct buffer *b, const char *time)
{
    buffer_format(b, "%.10s %.5s", time, strlen(time) > 11 ? time + 11 : "");
}

void evidence_coverage(struct buffer *b, const struct evidence *v)
{
    const struct audit_verify_result *r = &v->report.verdict;

    buffer_add_text(b, "The lines cover the time from ");
    add_minute(b, r->first_time);
    buffer_add_text(b, " to ");
    add_minute(b, r->last_time);
    buffer_add_text(b, ".");
    if (r->first_seq > 1)
        buffer_format(b, " Lines before %llu are not in these files.",
                      (unsigned long long)r->first_seq);
    if (v->since && strcmp(v->since, r->first_time) < 0)
        buffer_add_text(b, r->first_seq > 1 ? " What happened before is not covered."
                                            : " Before it there was no audit.");
    if (v->until && strcmp(v->until, r->last_time) > 0)
        buffer_add_text(b, " What happened after it is not covered.");
}

void evidence_kept(struct buffer *b, const struct evidence *v)
{
    const struct audit_verify_result *r = &v->report.verdict;

    if (!v->trusted.note || r->n_findings)
        return;
    buffer_format(
        b,
        r->note_fits
            ? "The checkpoint that was kept elsewhere fits: up to line %lld these are the "
              "lines that were signed then."
            : "The checkpoint that was kept elsewhere is of line %lld, before these files: "
              "it says nothing of them.",
        (long long)r->note_seq);
}
