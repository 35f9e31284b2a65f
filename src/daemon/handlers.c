/*
 * The methods of the control protocol (docs/control-protocol.md): parameters are checked here,
 * the engine is told, the reports are asked for. Who may call what is decided by the socket.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/daemon.h"
#include "daemon/reader.h"
#include "daemon/report.h"
#include "state/mirror.h"
#include "state/person.h"

#define CONFIG_FILES_MAX 100

struct request {
    struct daemon *d;
    struct control_call *call;
    const json_t *parameters;
    uid_t peer;
    struct audit_actor actor;
    struct engine_act act;
};

static void fail(struct request *q, const struct error *e)
{
    control_fail(q->call, "failed", "%s", e->message);
}

static void answer_or_fail(struct request *q, json_t *answer_taken, struct error *e)
{
    if (answer_taken)
        control_reply(q->call, answer_taken);
    else
        control_fail(q->call, "failed", "%s", e->message[0] ? e->message : "out of memory");
}

/* A text parameter; absent or null: NULL. false: the call was answered, it is something else.
 */
static bool text_parameter(struct request *q, const char *name, bool required, const char **ret)
{
    const json_t *value = json_object_get(q->parameters, name);
    *ret = json_string_value(value);
    bool absent = !value || json_is_null(value);
    if ((absent && !required) || (*ret && **ret))
        return true;
    control_fail(q->call, "invalid-parameter", "%s must be a text that is not empty", name);
    return false;
}

/* Ids of a person's name. false: the call was answered. */
static bool find_people(struct request *q, const char *person, struct string_list *ret)
{
    struct error e = {0};
    int r = mirror_find_people(q->d->state, person, ret, &e);
    if (r < 0)
        fail(q, &e);
    else if (!ret->n_items)
        control_fail(q->call, "not-found",
                     "nobody is known by the id, DN, login or mail address '%s'", person);
    return r == 0 && ret->n_items > 0;
}

static void handle_status(struct request *q)
{
    reader_ask(q->d, &question_status, q->call);
}

static void handle_holds(struct request *q)
{
    reader_ask(q->d, &question_holds, q->call);
}

#define LOGINS_MAX 200

/* For completion in a shell: those that begin with something, and never all. */
static void handle_logins(struct request *q)
{
    CLEANUP(string_list_done) struct string_list found = {0};
    const char *prefix = json_string_value(json_object_get(q->parameters, "prefix"));
    json_t *logins = json_array();
    struct error e = {0};

    if (!prefix) {
        json_decref(logins);
        control_fail(q->call, "invalid-parameter", "prefix must be a text");
        return;
    }
    int r = person_logins(q->d->state, prefix, LOGINS_MAX, &found, &e);
    for (size_t i = 0; r == 0 && i < found.n_items; i++)
        if (json_array_append_new(logins, json_string(found.items[i])) < 0)
            r = error_out_of_memory(&e);
    answer_or_fail(q, r == 0 ? json_pack("{s:O}", "logins", logins) : NULL, &e);
    json_decref(logins);
}

static void handle_plan(struct request *q)
{
    struct settings_text texts[CONFIG_FILES_MAX];
    json_t *config = json_object_get(q->parameters, "config"), *file;
    size_t i, n = json_array_size(config);
    if (!config || json_is_null(config)) {
        reader_ask(q->d, &question_plan, q->call);
        return;
    }
    bool fine = json_is_array(config) && n > 0 && n <= CONFIG_FILES_MAX;
    json_array_foreach (config, i, file) {
        const json_t *content = json_object_get(file, "content");
        const char *name = json_string_value(json_object_get(file, "name"));
        if (!fine || !name || !json_is_string(content)) {
            fine = false;
            break;
        }
        texts[i] = (struct settings_text){.name = name,
                                          .content = json_string_value(content),
                                          .size = json_string_length(content)};
    }
    if (fine)
        candidate_start(q->d, q->call, texts, n);
    else
        control_fail(q->call, "invalid-parameter",
                     "config must be a list of up to %d {name, content}", CONFIG_FILES_MAX);
}

static void handle_approve(struct request *q)
{
    const char *hash;
    const json_t *letters = json_object_get(q->parameters, "groups");
    if (!text_parameter(q, "hash", true, &hash))
        return;
    if (letters && !json_is_null(letters) && !json_is_array(letters)) {
        control_fail(q->call, "invalid-parameter", "groups must be a list of letters");
        return;
    }
    if (!four_eyes_forbid(q->d, q->call, &q->actor))
        approve_start(q->d, q->call, hash, letters, q->peer, &q->act);
}

/* One person, as a case for `rosterctl test`. */
static void explain_as_case(struct request *q, const char *person)
{
    CLEANUP(string_list_done) struct string_list ids = {0};
    CLEANUP(freep) char *text = NULL;
    struct error e = {0};
    if (!find_people(q, person, &ids))
        return;
    if (ids.n_items > 1)
        control_fail(q->call, "invalid-parameter",
                     "'%s' matches %zu people, and a case is about one: give the DN", person,
                     ids.n_items);
    else if (report_case(q->d->engine, q->d->state, &q->d->settings->mapping, ids.items[0], &text,
                         &e) < 0)
        fail(q, &e);
    else
        control_reply(q->call, json_pack("{s:[{s:o}]}", "people", "case", report_text(text)));
}

static void handle_explain(struct request *q)
{
    struct error e = {0};
    const char *person;
    bool found = false;
    if (!text_parameter(q, "person", true, &person))
        return;
    if (json_is_true(json_object_get(q->parameters, "case"))) {
        explain_as_case(q, person);
        return;
    }
    json_t *answer = report_explain(q->d->engine, q->d->state, person, &found, &e);
    if (!answer && !found)
        control_fail(q->call, "not-found", "%s", e.message);
    else
        answer_or_fail(q, answer, &e);
}

static void handle_history(struct request *q)
{
    const char *person;
    if (text_parameter(q, "person", true, &person))
        history_start(q->d, q->call, person);
}

/* One line speaks of one person. What was asked for is on the disk before that is answered. */
static int note_request(struct request *q, const char *what, const struct string_list *ids,
                        const char *sentence, struct error *e)
{
    int r = ids->n_items ? 0 : engine_note_request(q->d->engine, what, NULL, sentence, e);
    for (size_t i = 0; i < ids->n_items && r == 0; i++)
        r = engine_note_request(q->d->engine, what, ids->items[i], sentence, e);
    return r < 0 ? r : engine_commit(q->d->engine, e);
}

static void handle_retry(struct request *q)
{
    struct error e = {0};
    struct string_list ids = {0};
    const char *cause, *person;
    size_t n = 0, n_released = 0;
    int r = 0;
    if (!text_parameter(q, "cause", false, &cause) || !text_parameter(q, "person", false, &person))
        return;
    if (cause && person) {
        control_fail(q->call, "invalid-parameter", "either cause or person, not both");
        return;
    }
    if (person && !find_people(q, person, &ids)) {
        string_list_done(&ids);
        return;
    }
    r = cause ? engine_believe_members(q->d->engine, cause, &e) : ENGINE_NOTHING;
    if (r == ENGINE_NOTHING && !person) {
        retry_start(q->d, q->call, cause, &q->act);
        return;
    }
    if (r == 0) {
        n_released = 1;
        if (q->d->directory)
            directory_request_full_read(q->d->directory);
    }
    for (size_t i = 0; i < ids.n_items && r >= 0; i++, n_released += n)
        r = engine_retry_person(q->d->engine, ids.items[i], &n, &e);
    if (r >= 0)
        r = note_request(q, "retry", &ids, cause ? cause : "one person", &e);
    string_list_done(&ids);
    if (r < 0)
        fail(q, &e);
    else
        control_reply(q->call, json_pack("{s:I}", "released", (json_int_t)n_released));
}

static void handle_sync(struct request *q)
{
    struct error e = {0};
    struct string_list ids = {0};
    const char *person;
    int r = 0;
    if (!text_parameter(q, "person", false, &person))
        return;
    if (person && !find_people(q, person, &ids)) {
        string_list_done(&ids);
        return;
    }
    if (!person) {
        if (q->d->directory)
            directory_request_full_read(q->d->directory);
        r = engine_look_again(q->d->engine, NULL, &e);
    }
    for (size_t i = 0; i < ids.n_items && r == 0; i++)
        r = engine_look_again(q->d->engine, ids.items[i], &e);
    if (r == 0)
        r = note_request(q, "sync", &ids, person ? "one person" : "everything", &e);
    if (r < 0)
        fail(q, &e);
    else if (ids.n_items == 1)
        sync_one_start(q->d, q->call, ids.items[0]);
    else
        control_reply(q->call, json_pack("{s:b}", "started", 1));
    string_list_done(&ids);
}

static void set_paused(struct request *q, bool pause)
{
    struct error e = {0};
    if (engine_pause(q->d->engine, pause, q->peer, &e) < 0)
        fail(q, &e);
    else
        control_reply(q->call, json_pack("{s:b}", "paused", engine_is_paused(q->d->engine)));
}

static void handle_pause(struct request *q)
{
    set_paused(q, true);
}

static void handle_start(struct request *q)
{
    struct error e = {0};
    bool was_observing = false;
    /* It releases the plan that was shown, as an approval of all of it does. */
    if (engine_observes(q->d->engine) &&
        (four_eyes_forbid(q->d, q->call, &q->actor) ||
         four_eyes_want_second(q->d, q->call, &q->actor, "start", NULL)))
        return;
    if (engine_begin_writing(q->d->engine, &was_observing, &e) < 0)
        fail(q, &e);
    else
        control_reply(q->call,
                      json_pack("{s:b, s:b}", "observing", 0, "was_observing", was_observing));
}

static void handle_resume(struct request *q)
{
    set_paused(q, false);
}

static void handle_config(struct request *q)
{
    struct error e = {0};
    CLEANUP(freep) char *text = settings_to_json(q->d->settings);
    json_t *keys = text ? report_json(text) : NULL;
    answer_or_fail(q, keys ? json_pack("{s:o}", "keys", keys) : NULL, &e);
}

/* The caller waits for the answer, so that a broken file is known to whoever wrote it. */
static void handle_reload(struct request *q)
{
    struct error e = {0};
    if (daemon_reload(q->d, &q->act, &e) < 0)
        control_fail(q->call, "not-loaded", "the old configuration stays in force: %s", e.message);
    else
        control_reply(q->call,
                      json_pack("{s:o}", "fingerprint", report_text(q->d->settings->fingerprint)));
}

/* A reason is always needed: what is erased cannot be looked at again. */
static void handle_audit_erase(struct request *q)
{
    const char *person;
    if (!text_parameter(q, "person", true, &person))
        return;
    if (!q->act.reason)
        control_fail(q->call, "reason-required", "erasing needs a reason: give one by --reason");
    else
        erase_start(q->d, q->call, person, &q->actor, q->act.reason);
}

static void handle_audit_key(struct request *q)
{
    daemon_audit_key(q->d, q->call, false);
}

static void handle_audit_key_new(struct request *q)
{
    daemon_audit_key(q->d, q->call, true);
}

static const struct {
    const char *name;
    void (*handle)(struct request *q);
    bool for_readers; /* looks and changes nothing */
    bool acts;        /* it is on record who asked */
} methods[] = {
    {"status", handle_status, true, false},
    {"plan", handle_plan, true, false},
    {"explain", handle_explain, true, false},
    {"history", handle_history, true, false},
    {"holds", handle_holds, true, false},
    {"logins", handle_logins, true, false},
    {"approve", handle_approve, false, true},
    {"retry", handle_retry, false, true},
    {"sync", handle_sync, false, true},
    {"start", handle_start, false, true},
    {"pause", handle_pause, false, true},
    {"resume", handle_resume, false, true},
    {"config", handle_config, false, false},
    {"reload", handle_reload, false, true},
    {"audit-key", handle_audit_key, true, false},
    {"audit-key-new", handle_audit_key_new, false, true},
    {"audit-erase", handle_audit_erase, false, true},
};

bool daemon_is_for_readers(const char *method)
{
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
        if (strcmp(methods[i].name, method) == 0)
            return methods[i].for_readers;
    return false;
}

#define REASON_MAX 1000

/* It stands in each line of what was asked for. false: the call was answered. */
static bool reason_parameter(struct request *q)
{
    if (!text_parameter(q, "reason", false, &q->act.reason))
        return false;
    bool says = !q->act.reason || text_is_visible(q->act.reason);
    if (says && (!q->act.reason || strlen(q->act.reason) <= REASON_MAX))
        return true;
    control_fail(q->call, "invalid-parameter", "the reason %s",
                 says ? "must not be longer than 1000 bytes" : "says nothing: it is blank");
    return false;
}

/* What follows is on record as asked for by the caller. false: it was answered. */
static bool begin_act(struct request *q)
{
    if (!reason_parameter(q))
        return false;
    if (!q->act.reason && q->d->settings->audit_require_reason) {
        control_fail(q->call, "reason-required",
                     "a reason is needed here ([audit] require_reason): give one by --reason");
        return false;
    }
    daemon_audit_actor(&q->actor, q->peer, control_call_pid(q->call));
    q->act.actor = &q->actor;
    return true;
}

void daemon_handle(struct control_call *call, const char *method, const json_t *parameters,
                   uid_t peer, void *userdata)
{
    struct request q = {.d = userdata, .call = call, .parameters = parameters, .peer = peer};
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
        if (strcmp(methods[i].name, method) == 0) {
            log_debug("Control: %s by user id %u", methods[i].name, peer);
            if (methods[i].acts && !begin_act(&q))
                return;
            engine_act(q.d->engine, methods[i].acts ? &q.act : NULL);
            methods[i].handle(&q);
            engine_act(q.d->engine, NULL);
            return;
        }
    control_unknown_method(call, method);
}

void daemon_handlers_close(struct daemon *d)
{
    reader_cancel(d);
    candidate_cancel(d);
    history_cancel(d);
    sync_one_cancel(d);
    approve_cancel(d);
    retry_cancel(d, "rosterd ends");
    erase_cancel(d);
    reconcile_cancel(d);
}
