/*
 * Values as the control protocol writes them. It knows no rule of the trade.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/report.h"
#include "model/operation.h"

json_t *report_text(const char *text)
{
    if (!text)
        return json_null();
    json_t *value = json_string(text);
    if (value)
        return value;
    size_t size = 4 * strlen(text) + 8;
    CLEANUP(freep) char *shown = malloc(size);
    return shown ? json_string(text_printable(shown, size, text, strlen(text))) : NULL;
}

json_t *report_time(uint64_t usec)
{
    char text[CLOCK_TEXT_SIZE];
    return usec ? json_string(clock_format(text, usec)) : json_null();
}

json_t *report_steady(uint64_t usec)
{
    return report_time(usec ? clock_wall_of(usec) : 0);
}

json_t *report_json(const char *text)
{
    return text ? json_loads(text, JSON_DECODE_ANY, NULL) : json_null();
}

json_t *report_person(const char *id, const char *dn, const char *login)
{
    return json_pack("{s:o, s:o, s:o}", "id", report_text(id), "dn", report_text(dn), "login",
                     report_text(login));
}

/* Every member is there, so that a reader never has to ask whether a change has a source. */
static json_t *changes_of(const struct operation *o)
{
    json_auto_t *changes = json_array();
    for (size_t i = 0; i < o->n_changes; i++) {
        const struct change *c = &o->changes[i];
        json_t *change = json_pack("{s:o, s:o, s:o, s:o, s:o, s:i}", "field", report_text(c->field),
                                   "from", report_text(c->from), "to", report_text(c->to), "rule",
                                   report_text(c->source.rule), "file", report_text(c->source.file),
                                   "line", (int)c->source.line);
        if (json_array_append_new(changes, change) < 0)
            return NULL;
    }
    return json_incref(changes);
}

json_t *report_operation(const struct operation *o)
{
    /* A code alone tells a person nothing. */
    const char *sentence = o->sentence || !o->reason ? o->sentence : reason_code_text(o->reason);
    return json_pack("{s:I, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:b, s:b}",
                     "number", (json_int_t)o->number, "kind", operation_kind_name(o->kind), "state",
                     operation_state_name(o->state), "person",
                     report_person(o->entry_id, o->dn, o->login), "changes", changes_of(o), "why",
                     report_text(o->why), "reason", report_text(o->reason), "sentence",
                     report_text(sentence), "cause", report_text(o->cause), "since",
                     report_steady(o->since_usec), "not_before", report_steady(o->not_before_usec),
                     "attempts", (int)o->attempts, "approved", o->approved, "revokes", o->revokes);
}

int report_add(json_t *array, json_t *value_taken, struct error *e)
{
    return json_array_append_new(array, value_taken) < 0 ? error_out_of_memory(e) : 0;
}

int report_count(json_t *object, const char *key, struct error *e)
{
    json_int_t before = json_integer_value(json_object_get(object, key));
    return json_object_set_new(object, key, json_integer(before + 1)) < 0 ? error_out_of_memory(e)
                                                                          : 0;
}
