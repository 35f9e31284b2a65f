/*
 * What the tenant answers, under random bytes: the first byte of the input says to which
 * request, the second with which status; a '$' in the rest stands for a secret. Nothing that is
 * said of it may hold the secret: a token that was given, the password that the body repeats.
 * What was read of a user is the same after it was sent, and read, again; who was found is who
 * was asked for.
 */
#include "config.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "fuzz.h"
#include "model/user.h"
#include "tenant/answer.h"
#include "tenant/oauth.h"
#include "tenant/scim.h"
#include "tenant/user-api.h"

#define SECRET "q7wKe9Tt4xVbuZm31"
#define LOGIN  "ada@example.com"

static void must_not_hold(const char *text)
{
    DEMAND(!strstr(text, SECRET));
    DEMAND(!text_has_control(text, strlen(text)));
}

/* -- users -- */

static void check_user(const struct user *u)
{
    CLEANUP(freep) char *json = user_to_json(u, false);
    CLEANUP(user_freep) struct user *again = NULL;
    struct error e = {0};

    DEMAND(json && user_from_json(&again, json, &e) == 0);
    CLEANUP(freep) char *json_again = user_to_json(again, false);
    DEMAND(json_again && strcmp(json, json_again) == 0);
    for (size_t i = 0; i < u->n_skills; i++)
        DEMAND(u->skills[i].level <= 100 &&
               (i == 0 || strcmp(u->skills[i - 1].name, u->skills[i].name) < 0));
    for (size_t i = 1; i < u->n_roles; i++)
        DEMAND(strcmp(u->roles[i - 1].name, u->roles[i].name) < 0);
}

/* In the year 10000 the forms of a date end. */
#define LAST_USEC (253402300800ULL * USEC_PER_SEC)

static void read_user(const char *body, size_t size)
{
    CLEANUP(user_freep) struct user *u = NULL;
    CLEANUP(user_freep) struct user *again = NULL;
    CLEANUP(freep) char *sent = NULL;
    struct error e = {0};
    size_t n = 0;
    bool logged_in = false;
    int r = user_api_read_user(&u, &logged_in, body, size, &e);

    DEMAND(r == 0 || (r == -EBADMSG && e.message[0]));
    must_not_hold(e.message);
    if (r < 0)
        return;
    check_user(u);
    DEMAND(u->last_login_usec < LAST_USEC);
    r = user_api_create_body(&sent, &n, u, NULL, false, &e);
    DEMAND(r == 0);
    if (!user_get(u, USER_LOGIN)) /* the tenant said "" */
        return;
    DEMAND(user_api_read_user(&again, &logged_in, sent, n, &e) == 0);
    CLEANUP(freep) char *a = user_to_json(u, false);
    CLEANUP(freep) char *b = user_to_json(again, false);
    DEMAND(strcmp(a, b) == 0);
}

static void read_scim(const char *body, size_t size)
{
    CLEANUP(user_freep) struct user *u = NULL;
    CLEANUP(freep) char *id = NULL;
    struct error e = {0};
    int r = scim_read_user(&u, &id, body, size, &e);

    DEMAND(r == 0 || (r == -EBADMSG && e.message[0]));
    must_not_hold(e.message);
    if (r < 0)
        return;
    DEMAND(id && *id);
    check_user(u);
}

static void read_lookup(const char *body, size_t size)
{
    CLEANUP(freep) char *id = NULL;
    struct error e = {0};
    json_auto_t *list = json_loadb(body, size, 0, NULL);
    const json_t *resources = json_object_get(list, "Resources");
    size_t found = 0;
    int r = scim_read_lookup(&id, LOGIN, body, size, &e);

    DEMAND(r == 0 || (r == -EBADMSG && e.message[0]));
    must_not_hold(e.message);
    for (size_t i = 0; i < json_array_size(resources); i++) {
        const char *name =
            json_string_value(json_object_get(json_array_get(resources, i), "userName"));
        found += name && strcasecmp(name, LOGIN) == 0;
    }
    DEMAND(r < 0 || (id != NULL) == (found > 0));
}

static void read_lists(const char *body, size_t size)
{
    for (unsigned which = 0; which < 2; which++) {
        CLEANUP(string_list_done) struct string_list l = {0};
        struct error e = {0};
        json_auto_t *array = json_loadb(body, size, 0, NULL);
        int r = which ? user_api_read_teams(&l, body, size, &e)
                      : user_api_read_directory(&l, body, size, &e);

        DEMAND(r == 0 || (r == -EBADMSG && e.message[0]));
        must_not_hold(e.message);
        DEMAND(r < 0 || (json_is_array(array) && json_array_size(array) == l.n_items));
    }
}

/* -- answers -- */

static bool tells_an_error(const char *body, size_t size)
{
    static const char *const names[] = {"error", "error_description", "detail", "message"};
    json_auto_t *object = NULL;
    bool ret = false;

    while (size > 0 && *body != '{') {
        body++;
        size--;
    }
    while (size > 0 && body[size - 1] != '}')
        size--;
    object = json_loadb(body, size, 0, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        ret = ret || json_is_string(json_object_get(object, names[i]));
    return ret;
}

static void decide(const uint8_t *head, const char *body, size_t size)
{
    static const int statuses[] = {200, 201, 202, 203, 204, 206, 302, 400, 401,
                                   403, 404, 409, 422, 429, 500, 501, 503};
    static const enum http_method methods[] = {HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_PATCH};
    static const char *const types[] = {"application/json", "text/html", NULL,
                                        "application/x-www-form-urlencoded"};
    const unsigned kind = head[0] % 8;
    const bool token = kind == 7;
    const struct answer_question q = {
        .method = token ? HTTP_POST : methods[head[0] >> 3 & 3],
        .api = token       ? ANSWER_TOKEN
               : kind == 6 ? ANSWER_SCIM
                           : ANSWER_CONFIGURATION,
        .names_user = head[0] & 0x20,
        .scim_works = head[0] & 0x40,
        .login = LOGIN,
        .team = true,
        .secrets = {token ? NULL : SECRET},
    };
    struct http_result result = {
        .sent = true,
        .status = statuses[head[1] % ARRAY_SIZE(statuses)],
        .content_type = types[head[1] >> 6],
        .body = (char *)body,
        .body_size = size,
    };
    struct tenant_answer a = {0};

    answer_decide(&a, &q, &result);
    DEMAND(a.class != 0 && *tenant_answer_class_name(a.class) != '?');
    /* A write that is done was confirmed; one that failed clearly was answered so. */
    DEMAND(a.class != TENANT_DONE || result.status / 100 == 2);
    DEMAND(a.class != TENANT_REFUSED || result.status >= 400);
    DEMAND(a.retry_after_usec <= 3600 * USEC_PER_SEC);
    DEMAND(!text_has_control(a.hint, strlen(a.hint)));
    /* Nobody knows a new token in advance: what holds one is not shown, but for an error. */
    if (!token || (memmem(body, size, "_token", 6) && !tells_an_error(body, size)))
        must_not_hold(a.hint);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(buffer_done) struct buffer b = {0};

    if (size < 3)
        return 0;
    buffer_add_text(&b, "");
    for (size_t i = 2; i < size; i++)
        if (data[i] == '$')
            buffer_add_text(&b, SECRET);
        else
            buffer_add(&b, &data[i], 1);
    switch (data[0] % 8) {
    case 0: read_user(b.data, b.size); break;
    case 1: read_scim(b.data, b.size); break;
    case 2: read_lookup(b.data, b.size); break;
    case 3: read_lists(b.data, b.size); break;
    default: break;
    }
    decide(data, b.data, b.size);
    return 0;
}
