#include "config.h"

#include "audit/approvals.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/line.h"
#include "model/json.h"
#include "model/operation.h"

struct approvals {
    json_t *by_number;
    char state[80]; /* its id, as the last start has it; "": not known */
};

struct approvals *approvals_new(void)
{
    struct approvals *a = calloc(1, sizeof(*a));

    if (a)
        a->by_number = json_object();
    return a && a->by_number ? a : approvals_free(a);
}

struct approvals *approvals_free(struct approvals *a)
{
    if (a)
        json_decref(a->by_number);
    free(a);
    return NULL;
}

bool approvals_want(const char *line)
{
    return line_is_event(line, "approve") || line_is_event(line, "start") ||
           line_is_event(line, "repair");
}

static const char *key_of(long long number, char room[static 24])
{
    snprintf(room, 24, "%lld", number);
    return room;
}

/* By the name that means something a year later; lines from before version 1 have a sentence. */
static json_t *name_of(const json_t *view)
{
    static const char before[] = "approved by ";
    const json_t *a = json_object_get(view, "actor");
    const char *name =
        json_text_of(a, "login") ? json_text_of(a, "login") : json_text_of(a, "name");
    const char *sentence = json_text_of(view, "sentence");

    if (name)
        return json_string(name);
    if (a)
        return json_sprintf("user id %lld",
                            (long long)json_integer_value(json_object_get(a, "uid")));
    if (sentence && strncmp(sentence, before, sizeof(before) - 1) == 0)
        sentence += sizeof(before) - 1;
    return json_string(sentence ? sentence : "somebody");
}

static int add(struct approvals *a, const json_t *view)
{
    const json_t *number = json_object_get(view, "number");
    char key[24];
    json_t *one;

    if (!number) /* the plan as a whole: each operation has a line of its own */
        return 0;
    one = json_pack("{s:O, s:o}", "seq", json_object_get(view, "seq"), "by", name_of(view));
    key_of(json_integer_value(number), key);
    return !one || json_object_set_new(a->by_number, key, one) < 0 ? -ENOMEM : 0;
}

/* What an older state does not know of, nobody approved there; without `known`, which lines from
 * before it was written lack, nothing is sure. */
static void forget_behind(struct approvals *a, const json_t *view)
{
    const json_t *details = json_object_get(view, "details");
    json_int_t known = json_integer_value(json_object_get(details, "known"));
    const char *number;
    json_t *one;
    void *next;

    json_object_foreach_safe (a->by_number, next, number, one) {
        if (json_integer_value(json_object_get(one, "seq")) > known)
            json_object_del(a->by_number, number);
    }
}

static void begin(struct approvals *a, const json_t *view)
{
    const char *state = json_text_of(json_object_get(view, "details"), "state");

    if (!state)
        return;
    if (a->state[0] && strcmp(a->state, state) != 0)
        json_object_clear(a->by_number);
    snprintf(a->state, sizeof(a->state), "%s", state);
}

int approvals_take(struct approvals *a, const json_t *view)
{
    if (json_text_is(view, "event", "approve"))
        return add(a, view);
    if (json_text_is(view, "event", "start"))
        begin(a, view);
    else if (json_text_is(view, "event", "repair") &&
             json_text_is(view, "code", REASON_STATE_RESTORED))
        forget_behind(a, view);
    return 0;
}

const json_t *approvals_of_number(const struct approvals *a, long long number)
{
    char key[24];

    return json_object_get(a->by_number, key_of(number, key));
}

const json_t *approvals_of(const struct approvals *a, const json_t *view)
{
    return approvals_of_number(a, json_integer_value(json_object_get(view, "number")));
}

void approvals_over(struct approvals *a, const json_t *view)
{
    char key[24];

    json_object_del(a->by_number, key_of(json_integer_value(json_object_get(view, "number")), key));
}
