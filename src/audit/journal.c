/* Outcomes go to the journal, too, with the fields that one would ask journalctl for. What else
 * an operator may act on is logged where it happens. */
#include "config.h"

#include "audit/journal.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "audit/line.h"
#include "audit/note.h"
#include "audit/view.h"
#include "base/log-ids.h"
#include "base/log.h"
#include "base/memory.h"
#include "model/json.h"
#include "model/operation.h"

#define N_FIELDS  7
#define NOTES_MAX 16384 /* while the file cannot be written, they wait */

struct outcome {
    int64_t seq;
    uint64_t left_out_run; /* of it and what follows only this is said; 0: all is said */
    int status;            /* HTTP; 0: none */
    const char *operation, *id, *dn, *login, *code, *sentence, *answer;
};

struct journal_note {
    struct outcome outcome; /* its texts are in `texts` */
    char *texts;
};

static void add_field(char **fields, size_t *n, const char *name, const char *value)
{
    if (value && asprintf(&fields[*n], "%s=%s", name, value) >= 0)
        (*n)++;
    else
        fields[*n] = NULL;
}

static void send(const struct outcome *o)
{
    char *fields[N_FIELDS + 1] = {NULL};
    char number[32];
    size_t n = 0;

    snprintf(number, sizeof(number), "%lld", (long long)o->seq);
    add_field(fields, &n, "ROSTERD_SEQ", number);
    add_field(fields, &n, "ROSTERD_ENTRY_ID", o->id);
    add_field(fields, &n, "ROSTERD_DN", o->dn);
    add_field(fields, &n, "ROSTERD_LOGIN", o->login);
    add_field(fields, &n, "ROSTERD_OPERATION", o->operation);
    add_field(fields, &n, "ROSTERD_CODE", o->code);
    if (o->status) {
        snprintf(number, sizeof(number), "%d", o->status);
        add_field(fields, &n, "ROSTERD_STATUS", number);
    }
    log_write(LOG_INFO, MSG_USER_CHANGED, (const char *const *)fields, "%s of %s%s%s%s: %s%s%s",
              o->operation ? o->operation : "change", o->login ? o->login : "?", o->dn ? " (" : "",
              o->dn ? o->dn : "", o->dn ? ")" : "",
              o->code     ? o->code
              : o->answer ? o->answer
                          : "done",
              o->sentence ? ", " : "", o->sentence ? o->sentence : "");
    for (size_t i = 0; i < n; i++)
        free(fields[i]);
}

static void send_noted(const struct outcome *o)
{
    if (!o->left_out_run)
        send(o);
    else
        log_info(
            "Run %llu has made %d changes: from here on only what goes wrong is logged; the audit has everything",
            (unsigned long long)o->left_out_run, JOURNAL_RUN_MAX);
}

static void forget_from(struct journal *j, size_t i)
{
    for (size_t k = i; k < j->n_notes; k++)
        free(j->notes[k].texts);
    j->n_notes = i;
}

void journal_done(struct journal *j)
{
    forget_from(j, 0);
    free(j->notes);
    *j = (struct journal){0};
}

/* The texts one behind the other in one piece of memory; NULL: out of it. */
static char *keep_texts(struct outcome *o)
{
    const char **const texts[] = {&o->id, &o->dn, &o->login, &o->code, &o->sentence, &o->answer};
    size_t size = 1;

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        size += *texts[i] ? strlen(*texts[i]) + 1 : 0;
    char *all = malloc(size), *at = all;
    for (size_t i = 0; all && i < ARRAY_SIZE(texts); i++) {
        if (!*texts[i])
            continue;
        size_t n = strlen(*texts[i]) + 1;
        memcpy(at, *texts[i], n);
        *texts[i] = at;
        at += n;
    }
    return all;
}

/* The journal drops what comes too fast, whatever it says: of a run that does thousands of things
 * it gets the first and all that was not simply done. How many there were, the run's end says. */
static bool is_left_out(struct journal *j, const struct audit_row *row)
{
    if (row->run != j->run) {
        j->run = row->run;
        j->n_done = 0;
    }
    return row->run && row->code && strcmp(row->code, "done") == 0 && ++j->n_done > JOURNAL_RUN_MAX;
}

void journal_note(struct journal *j, int64_t seq, const struct audit_row *row)
{
    const struct operation *o = row->operation;
    struct journal_note note;

    while (j->n_notes && j->notes[j->n_notes - 1].outcome.seq >= seq)
        forget_from(j, j->n_notes - 1);
    if (strcmp(row->event, "outcome") != 0)
        return;
    bool left_out = is_left_out(j, row);
    if (left_out && j->n_done > JOURNAL_RUN_MAX + 1)
        return;
    note.outcome = (struct outcome){.seq = seq,
                                    .left_out_run = left_out ? row->run : 0,
                                    .status = row->status,
                                    .operation = o ? operation_kind_name(o->kind) : NULL,
                                    .id = o ? o->entry_id : row->entry_id,
                                    .dn = o ? o->dn : row->dn,
                                    .login = o ? o->login : row->login,
                                    .code = row->code,
                                    .sentence = row->sentence,
                                    .answer = row->answer};
    if (j->n_notes >= NOTES_MAX ||
        memory_grow(&j->notes, &j->capacity, j->n_notes + 1, sizeof(note)) < 0 ||
        !(note.texts = keep_texts(&note.outcome)))
        return;
    j->notes[j->n_notes++] = note;
}

void journal_send_noted(struct journal *j, int64_t first, int64_t last)
{
    size_t n = 0;

    for (; n < j->n_notes && j->notes[n].outcome.seq <= last; n++) {
        if (j->notes[n].outcome.seq >= first)
            send_noted(&j->notes[n].outcome);
        free(j->notes[n].texts);
    }
    if (n)
        memmove(j->notes, j->notes + n, (j->n_notes - n) * sizeof(*j->notes));
    j->n_notes -= n;
}

/* For whoever keeps the journal elsewhere. */
void journal_send_checkpoint(const char *line, const char *name)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    const char *fields[2] = {NULL};
    int64_t seq;
    bool counted;

    buffer_add_text(&b, "ROSTERD_NOTE=");
    if (!note_of_line(&b, line, name, &seq, &counted))
        return;
    fields[0] = b.data;
    log_write(LOG_INFO, MSG_CHECKPOINT, fields, "The audit is signed up to line %lld",
              (long long)seq);
}

void journal_send_line(struct audit_view *v, const char *line)
{
    bool outcome = line_is_event(line, "outcome");
    json_t *row;

    if (!outcome && !line_is_event(line, "intent"))
        return;
    row = audit_view_read(v, line, strlen(line));
    if (row && outcome) {
        const json_t *person = json_object_get(row, "person");

        send(&(struct outcome){.seq = json_integer_value(json_object_get(row, "seq")),
                               .status = (int)json_integer_value(json_object_get(row, "status")),
                               .operation = json_text_of(row, "operation"),
                               .id = json_text_of(person, "id"),
                               .dn = json_text_of(person, "dn"),
                               .login = json_text_of(person, "login"),
                               .code = json_text_of(row, "code"),
                               .sentence = json_text_of(row, "sentence"),
                               .answer = json_text_of(row, "answer")});
    }
    json_decref(row);
}
