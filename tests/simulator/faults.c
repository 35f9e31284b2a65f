/* The list of programmed faults. It decides who is struck; route.c and http.c carry the fault
 * out. Chance comes from a generator of the rule's own, so a seed gives the same run again. */
#include "config.h"

#include "faults.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "simulator.h"

static const struct {
    const char *name;
    enum fault_action action;
    bool commit; /* the default */
} actions[] = {
    {"delay", FAULT_DELAY, false},
    {"status", FAULT_STATUS, false},
    {"cut", FAULT_CUT, false},
    {"lost-answer", FAULT_CUT, true},
    {"short-body", FAULT_SHORT_BODY, true},
    {"big-body", FAULT_BIG_BODY, true},
    {"endless-body", FAULT_ENDLESS_BODY, true},
    {"html", FAULT_HTML, false},
    {"redirect", FAULT_REDIRECT, false},
    {"revoke", FAULT_REVOKE, false},
    {"stall", FAULT_STALL, false},
};

void faults_init(struct faults *f)
{
    *f = (struct faults){.next_id = 1};
    TAILQ_INIT(&f->all);
}

struct fault *fault_unref(struct fault *f)
{
    if (!f || --f->references > 0)
        return NULL;
    free(f->method);
    free(f->path);
    free(f->login);
    free(f->body);
    free(f->content_type);
    free(f->location);
    json_decref(f->headers);
    free(f);
    return NULL;
}

void faults_clear(struct faults *f)
{
    struct fault *fault;
    while ((fault = TAILQ_FIRST(&f->all))) {
        TAILQ_REMOVE(&f->all, fault, link);
        fault_unref(fault);
    }
}

const char *fault_name(const struct fault *f)
{
    for (size_t i = 0; i < ELEMENTS(actions); i++)
        if (actions[i].action == f->action &&
            (f->action != FAULT_CUT || actions[i].commit == f->commit))
            return actions[i].name;
    return "?";
}

static bool action_set(struct fault *f, const char *name)
{
    for (size_t i = 0; i < ELEMENTS(actions); i++) {
        if (strcmp(actions[i].name, name) != 0)
            continue;
        f->action = actions[i].action;
        f->commit = actions[i].commit;
        return true;
    }
    return false;
}

/* Reads the rule into `f`; NULL or a complaint. */
static char *rule_read(struct fault *f, const json_t *rule)
{
    const char *method = NULL, *path = NULL, *login = NULL, *action = NULL, *body = NULL,
               *type = NULL, *location = NULL;
    json_t *headers = NULL;
    int commit = -1, reset = 0, status = 500;
    json_int_t count = 1, skip = 0, seed = 1, delay = 0, pace = 0, bytes = -1;
    json_error_t error;
    /* jansson's unpacking takes no const object, though it changes none. */
    int r =
        json_unpack_ex((json_t *)(uintptr_t)rule, &error, JSON_STRICT,
                       "{s:s, s?s, s?s, s?s, s?I, s?I, s?F, s?I, s?b, s?b, s?i, s?I, s?I, s?I,"
                       " s?s, s?s, s?s, s?o}",
                       "action", &action, "method", &method, "path", &path, "login", &login,
                       "count", &count, "skip", &skip, "probability", &f->probability, "seed",
                       &seed, "commit", &commit, "reset", &reset, "status", &status, "delay_ms",
                       &delay, "pace_ms", &pace, "bytes", &bytes, "body", &body, "content_type",
                       &type, "location", &location, "headers", &headers);
    if (r < 0)
        return text_format("bad fault: %s", error.text);
    if (!action_set(f, action))
        return text_format("unknown action '%s'", action);
    if (status < 200 || status > 599 || count < -1 || skip < 0 || delay < 0 || pace < 0)
        return text_copy("a number is out of range");
    const char *key;
    json_t *value;
    json_object_foreach(headers, key, value) if (!json_is_string(value)) return text_copy(
        "headers must be an object of strings");
    if (headers && !json_is_object(headers))
        return text_copy("headers must be an object of strings");
    f->method = text_copy(method);
    f->path = text_copy(path);
    f->login = text_copy(login);
    f->body = text_copy(body);
    f->content_type = text_copy(type);
    f->location = text_copy(location ? location : "https://login.example.net/session/new");
    f->headers = json_incref(headers);
    f->count = (long)count;
    f->skip = (long)skip;
    f->random = (uint64_t)seed * 0x9e3779b97f4a7c15u + 1;
    f->delay_ms = (long)delay;
    f->pace_ms = (long)pace;
    f->status = (unsigned)status;
    f->bytes = bytes < 0 ? UINT64_MAX : (uint64_t)bytes;
    f->reset = reset != 0;
    f->commit = commit < 0 ? f->commit : commit != 0;
    return NULL;
}

char *faults_add(struct faults *f, const json_t *rule, long *ret_id)
{
    struct fault *new = memory_new(sizeof(*new));
    new->references = 1;
    new->probability = 1.0;
    char *complaint = rule_read(new, rule);
    if (complaint) {
        fault_unref(new);
        return complaint;
    }
    *ret_id = new->id = f->next_id++;
    TAILQ_INSERT_TAIL(&f->all, new, link);
    return NULL;
}

json_t *faults_list(const struct faults *f)
{
    json_t *list = json_array();
    const struct fault *i;
    TAILQ_FOREACH(i, &f->all, link)
    json_array_append_new(list, json_pack("{s:I, s:s, s:s?, s:s?, s:s?, s:I, s:I, s:b}", "id",
                                          (json_int_t)i->id, "action", fault_name(i), "method",
                                          i->method, "path", i->path, "login", i->login, "left",
                                          (json_int_t)i->count, "hits", (json_int_t)i->hits,
                                          "commit", i->commit));
    return list;
}

/* xorshift64*, the upper 53 bits as a number in [0, 1). */
static double chance(struct fault *f)
{
    f->random ^= f->random >> 12;
    f->random ^= f->random << 25;
    f->random ^= f->random >> 27;
    return (double)(f->random * 0x2545f4914f6cdd1du >> 11) / 9007199254740992.0;
}

static bool fault_fits(const struct fault *f, const struct request *q)
{
    if (f->count == 0)
        return false;
    if (f->method && strcmp(f->method, q->method_text) != 0)
        return false;
    if (f->path && strncmp(f->path, q->target, strlen(f->path)) != 0)
        return false;
    return !f->login || (q->login && !strcasecmp(f->login, q->login));
}

struct fault *faults_match(struct faults *f, const struct request *q)
{
    struct fault *i;
    TAILQ_FOREACH(i, &f->all, link)
    {
        if (!fault_fits(i, q))
            continue;
        if (i->probability < 1.0 && chance(i) >= i->probability)
            continue;
        if (i->skip > 0) {
            i->skip--;
            continue;
        }
        if (i->count > 0)
            i->count--;
        i->hits++;
        i->references++;
        return i;
    }
    return NULL;
}
