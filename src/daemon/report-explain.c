/*
 * One person: why there is a user, or why not. The rules are asked again, with their steps, so
 * the answer is about the entry and the configuration of this moment, while the operations and
 * the bucket are what was made of it.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/daemon.h"
#include "daemon/report.h"
#include "mapping/ruleset.h"
#include "model/user.h"
#include "state/link.h"
#include "state/mirror.h"
#include "state/person.h"
#include "state/queue.h"

/* Everything that is known of one person, released together. */
struct view {
    struct mirror_entry mirror;
    struct person person;
    bool has_person;
    enum person_bucket bucket;
    char *bucket_code;
    struct link link;
    bool has_link;
    struct verdict verdict;
    bool has_verdict;
    struct operation_list queue;
};

static void view_done(struct view *v)
{
    mirror_entry_done(&v->mirror);
    person_done(&v->person);
    free(v->bucket_code);
    link_done(&v->link);
    verdict_done(&v->verdict);
    operation_list_done(&v->queue);
}

static bool in_directory(const struct view *v)
{
    return v->mirror.entry && !v->mirror.gone && v->mirror.entry->kind == ENTRY_PERSON;
}

static int view_load(struct engine *n, struct state *s, const char *id, struct view *v,
                     struct error *e)
{
    int r = mirror_load(s, id, &v->mirror, e);
    if (r >= 0) {
        r = person_load(s, id, &v->person, e);
        v->has_person = r == 0;
    }
    if (r == 0)
        r = person_bucket_now(s, id, clock_steady_usec(), &v->bucket, &v->bucket_code, e);
    if (r >= 0) {
        r = link_load(s, id, &v->link, e);
        v->has_link = r == 0;
    }
    if (r >= 0)
        r = queue_of_person(s, id, &v->queue, e);
    if (r >= 0 && in_directory(v)) {
        r = engine_explain(n, id, &v->verdict, e);
        v->has_verdict = r == 0;
    }
    return r < 0 ? r : 0;
}

static json_t *steps_of(const struct verdict *v)
{
    json_auto_t *steps = json_array();
    for (size_t i = 0; i < v->n_steps; i++) {
        const struct verdict_step *s = &v->steps[i];
        json_t *step = json_pack("{s:o, s:o, s:i, s:b, s:o}", "rule", report_text(s->rule), "file",
                                 report_text(s->file), "line", (int)s->line, "matched", s->matched,
                                 "sentence", report_text(s->sentence));
        if (json_array_append_new(steps, step) < 0)
            return NULL;
    }
    return json_incref(steps);
}

/* Roles are named, as skills are; what else a value has, its source, stays. */
static int name_roles(json_t *user)
{
    size_t i;
    json_t *role;
    json_array_foreach (json_object_get(user, "roles"), i, role) {
        json_t *name = json_object_get(role, "value");
        if (name && (json_object_set(role, "name", name) < 0 || json_object_del(role, "value") < 0))
            return -ENOMEM;
    }
    return 0;
}

static json_t *wanted_of(const struct view *v)
{
    if (!v->verdict.user)
        return json_null();
    CLEANUP(freep) char *text = user_to_json(v->verdict.user, true);
    json_auto_t *user = text ? report_json(text) : NULL;
    return user && name_roles(user) == 0 ? json_incref(user) : NULL;
}

static const char *link_status_name(enum link_status s)
{
    switch (s) {
    case LINK_ACTIVE: return "active";
    case LINK_DISABLED: return "disabled";
    case LINK_DELETED: return "deleted";
    case LINK_UNLINKED: break;
    }
    return "unknown";
}

static json_t *link_of(const struct view *v)
{
    const struct link *l = &v->link;
    if (!v->has_link)
        return json_null();
    return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "login", report_text(l->login),
                     "status", link_status_name(l->status), "origin", report_text(l->origin),
                     "created", report_time(l->created_usec), "confirmed",
                     report_time(l->confirmed_usec), "leaving_since",
                     report_steady(l->leaving_usec), "leaving_why", report_text(l->leaving_why),
                     "drift", report_text(l->drift));
}

static json_t *operations_of(const struct view *v)
{
    json_auto_t *operations = json_array();
    for (size_t i = 0; i < v->queue.n_items; i++)
        if (json_array_append_new(operations, report_operation(v->queue.items[i])) < 0)
            return NULL;
    return json_incref(operations);
}

static json_t *value_of(const struct value *v)
{
    switch (v->state) {
    case VALUE_TEXT: return report_text(v->data);
    case VALUE_BINARY: return json_sprintf("(%zu bytes that are not text)", v->size);
    case VALUE_TOO_LARGE: return json_sprintf("(%zu bytes: too large)", v->size);
    }
    return json_null();
}

static json_t *attributes_of(const struct view *v)
{
    json_auto_t *attributes = json_object();
    const struct entry *entry = v->mirror.entry;
    for (size_t i = 0; entry && i < entry->n_attributes; i++) {
        const struct attribute *a = &entry->attributes[i];
        json_auto_t *values = json_array();
        for (size_t j = 0; j < a->n_values; j++)
            if (json_array_append_new(values, value_of(&a->values[j])) < 0)
                return NULL;
        if (json_object_set(attributes, a->name, values) < 0)
            return NULL;
    }
    return json_incref(attributes);
}

static const char *verdict_name(const struct view *v)
{
    switch (in_directory(v) ? v->verdict.kind : VERDICT_GONE) {
    case VERDICT_USER: return "user";
    case VERDICT_SKIP: return "skip";
    case VERDICT_INVALID: return "invalid";
    case VERDICT_GONE: return "gone";
    case VERDICT_UNKNOWN: break;
    }
    return "unknown";
}

static json_t *person_of(const struct view *v, const char *id)
{
    const char *login = v->has_link ? v->link.login : NULL;
    if (!login && v->verdict.user)
        login = user_get(v->verdict.user, USER_LOGIN);
    return report_person(id, v->mirror.entry ? v->mirror.entry->dn : v->person.dn,
                         login ? login : v->person.login_key);
}

/* The entry's verdict, or for who is gone what was last decided. */
static json_t *judgement_of(const struct view *v)
{
    const char *code = v->has_verdict ? v->verdict.code : v->person.code;
    const char *sentence = v->has_verdict ? v->verdict.sentence : v->person.sentence;
    return json_pack("{s:b, s:o, s:s, s:o, s:o, s:o}", "in_directory", in_directory(v), "gone_why",
                     report_text(v->mirror.gone ? v->mirror.gone_why : NULL), "verdict",
                     verdict_name(v), "code", report_text(code), "sentence", report_text(sentence),
                     "steps", steps_of(&v->verdict));
}

static json_t *explain_one(struct engine *n, struct state *s, const char *id, struct error *e)
{
    CLEANUP(view_done) struct view v = {0};
    if (view_load(n, s, id, &v, e) < 0)
        return NULL;
    json_auto_t *judgement = judgement_of(&v);
    json_auto_t *person =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "person", person_of(&v, id),
                  "wanted", wanted_of(&v), "known", report_json(v.has_link ? v.link.known : NULL),
                  "link", link_of(&v), "operations", operations_of(&v), "bucket",
                  report_text(v.has_person ? person_bucket_name(v.bucket) : NULL), "bucket_code",
                  report_text(v.bucket_code), "run",
                  v.person.run ? json_integer((json_int_t)v.person.run) : json_null(), "attributes",
                  attributes_of(&v));
    if (!person || !judgement || json_object_update(person, judgement) < 0) {
        error_out_of_memory(e);
        return NULL;
    }
    return json_incref(person);
}

/* Nobody matched. An entry that is no person is worth saying: the DN of a group, mostly. */
static int say_not_found(struct state *s, const char *text, struct error *e)
{
    static const char *const kinds[] = {
        [ENTRY_GROUP] = "a group", [ENTRY_CONTAINER] = "a container of others"};
    CLEANUP(mirror_entry_done) struct mirror_entry m = {0};
    CLEANUP(freep) char *by_dn = NULL;
    int r = mirror_find_dn(s, text, &by_dn, e);
    if (r >= 0)
        r = mirror_load(s, by_dn ? by_dn : text, &m, e);
    if (r < 0)
        return r;
    if (m.entry && m.entry->kind != ENTRY_PERSON)
        return error_set(e, -ENOENT, "%s is in the directory and is %s, not a person", text,
                         kinds[m.entry->kind]);
    return error_set(
        e, -ENOENT,
        "nobody is known by the id, DN, login or mail address '%s': check whether the entry lies below [directory] base and matches its filter",
        text);
}

json_t *report_explain(struct engine *n, struct state *s, const char *person, bool *ret_found,
                       struct error *e)
{
    struct string_list ids = {0};
    json_auto_t *people = json_array();
    int r = mirror_find_people(s, person, &ids, e);
    *ret_found = r < 0 || ids.n_items > 0;
    if (r == 0 && !ids.n_items) {
        r = say_not_found(s, person, e);
        *ret_found = r != -ENOENT;
    }
    for (size_t i = 0; i < ids.n_items && r == 0; i++) {
        json_t *one = explain_one(n, s, ids.items[i], e);
        r = one ? report_add(people, one, e) : -EIO; /* the sentence is there */
    }
    string_list_done(&ids);
    json_t *answer = r == 0 ? json_pack("{s:O}", "people", people) : NULL;
    if (r == 0 && !answer)
        error_out_of_memory(e);
    return answer;
}
