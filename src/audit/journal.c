/* Outcomes go to the journal, too, with the fields that one would ask journalctl for. What else
 * an operator may act on is logged where it happens. */
#include "config.h"

#include "audit/journal.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "audit/line.h"
#include "audit/view.h"
#include "base/log-ids.h"
#include "base/log.h"
#include "base/memory.h"

#define N_FIELDS 7

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static void add_field(char **fields, size_t *n, const char *name, const char *value)
{
    if (value && asprintf(&fields[*n], "%s=%s", name, value) >= 0)
        (*n)++;
    else
        fields[*n] = NULL;
}

static void send(const json_t *row)
{
    const json_t *person = json_object_get(row, "person");
    const char *login = text_of(person, "login"), *dn = text_of(person, "dn");
    const char *operation = text_of(row, "operation"), *code = text_of(row, "code");
    const char *sentence = text_of(row, "sentence"), *answer = text_of(row, "answer");
    const json_t *status = json_object_get(row, "status");
    char *fields[N_FIELDS + 1] = {NULL};
    char number[32];
    size_t n = 0;

    snprintf(number, sizeof(number), "%lld",
             (long long)json_integer_value(json_object_get(row, "seq")));
    add_field(fields, &n, "ROSTERD_SEQ", number);
    add_field(fields, &n, "ROSTERD_ENTRY_ID", text_of(person, "id"));
    add_field(fields, &n, "ROSTERD_DN", dn);
    add_field(fields, &n, "ROSTERD_LOGIN", login);
    add_field(fields, &n, "ROSTERD_OPERATION", operation);
    add_field(fields, &n, "ROSTERD_CODE", code);
    if (status) {
        snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(status));
        add_field(fields, &n, "ROSTERD_STATUS", number);
    }
    log_write(LOG_INFO, MSG_USER_CHANGED, (const char *const *)fields, "%s of %s%s%s%s: %s%s%s",
              operation ? operation : "change", login ? login : "?", dn ? " (" : "",
              dn ? dn : "", dn ? ")" : "",
              code     ? code
              : answer ? answer
                       : "done",
              sentence ? ", " : "", sentence ? sentence : "");
    for (size_t i = 0; i < n; i++)
        free(fields[i]);
}

void journal_send(struct audit_view *v, const char *line)
{
    bool outcome = line_is_event(line, "outcome");
    json_t *row;

    if (!outcome && !line_is_event(line, "intent"))
        return;
    row = audit_view_read(v, line, strlen(line));
    if (row && outcome)
        send(row);
    json_decref(row);
}
