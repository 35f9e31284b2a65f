/*
 * The JSON form of a user, for state and for people. Each value is either bare or an object
 * {"value":…,"rule":…,"file":…,"line":…}; reading takes both, so one reader serves the known
 * user in the state file and the wanted one of a plan. An unknown key, and one that comes
 * twice, is refused: it would be lost at the next write. Keys are written in order, so that
 * equal users give equal text.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "model/json.h"
#include "model/user.h"

/* -- writing -- */

static void open_value(struct buffer *b, const struct source *source)
{
    if (!source)
        return;
    buffer_add(b, "{", 1);
    json_write_source(b, source);
    json_write_key(b, "value");
}

static void close_value(struct buffer *b, const struct source *source)
{
    if (source)
        buffer_add(b, "}", 1);
}

static void write_field(struct buffer *b, const struct user *u, enum user_field f, bool sources)
{
    const struct user_value *v = &u->fields[f];
    const struct source *source = sources ? &v->source : NULL;

    if (!v->text)
        return;
    json_write_key(b, user_field_name(f));
    open_value(b, source);
    json_write_text(b, v->text);
    close_value(b, source);
}

static void write_disabled(struct buffer *b, const struct user *u, bool sources)
{
    const struct source *source = sources ? &u->disabled_source : NULL;

    json_write_key(b, "disabled");
    open_value(b, source);
    buffer_add_text(b, u->disabled ? "true" : "false");
    close_value(b, source);
}

static void write_roles(struct buffer *b, const struct user *u, bool sources)
{
    json_write_key(b, "roles");
    buffer_add(b, "[", 1);
    for (size_t i = 0; i < u->n_roles; i++) {
        const struct source *source = sources ? &u->roles[i].source : NULL;
        json_write_comma(b);
        open_value(b, source);
        json_write_text(b, u->roles[i].name);
        close_value(b, source);
    }
    buffer_add(b, "]", 1);
}

static void write_skills(struct buffer *b, const struct user *u, bool sources)
{
    json_write_key(b, "skills");
    buffer_add(b, "{", 1);
    for (size_t i = 0; i < u->n_skills; i++) {
        const struct source *source = sources ? &u->skills[i].source : NULL;
        json_write_comma(b);
        json_write_text(b, u->skills[i].name);
        buffer_add(b, ":", 1);
        open_value(b, source);
        json_write_integer(b, u->skills[i].level);
        close_value(b, source);
    }
    buffer_add(b, "}", 1);
}

char *user_to_json(const struct user *u, bool sources)
{
    CLEANUP(buffer_done) struct buffer b = {0};

    buffer_add(&b, "{", 1);
    write_disabled(&b, u, sources);
    write_field(&b, u, USER_EMAIL, sources);
    write_field(&b, u, USER_EXTENSION, sources);
    write_field(&b, u, USER_FIRST_NAME, sources);
    write_field(&b, u, USER_LAST_NAME, sources);
    write_field(&b, u, USER_LOGIN, sources);
    write_field(&b, u, USER_MOBILE_PHONE, sources);
    write_roles(&b, u, sources);
    write_skills(&b, u, sources);
    write_field(&b, u, USER_TEAM, sources);
    write_field(&b, u, USER_WORK_PHONE, sources);
    buffer_add(&b, "}", 1);
    return buffer_take(&b);
}

/* -- reading -- */

struct json_value {
    char *text;
    int64_t number;
    bool truth;
    struct source source;
    bool found;
};

static void value_done(struct json_value *v)
{
    free(v->text);
    source_done(&v->source);
}

/* One of the three, by the type that is expected: '"', '0' or 't'. */
static void read_bare(struct json_reader *r, char type, struct json_value *ret)
{
    ret->found = true;
    if (type == '"') {
        ret->text = json_read_text(r, NULL);
        if (!ret->text)
            json_read_fail(r, -EINVAL);
    } else if (type == '0') {
        ret->number = json_read_integer(r);
    } else {
        ret->truth = json_read_boolean(r);
    }
}

/* Either form: the bare value, or the object with its source. */
static void read_value(struct json_reader *r, char type, struct json_value *ret)
{
    if (json_read_peek(r) != '{') {
        read_bare(r, type, ret);
        return;
    }
    json_read_open(r, '{');
    for (;;) {
        char key[JSON_NAME_SIZE];
        if (!json_read_name(r, key))
            break;
        if (strcmp(key, "value") == 0 && !ret->found)
            read_bare(r, type, ret);
        else
            json_read_source(r, key, &ret->source);
    }
    if (!ret->found)
        json_read_fail(r, -EINVAL);
}

static void check(struct json_reader *r, int result)
{
    if (result < 0)
        json_read_fail(r, result);
}

static void read_field(struct json_reader *r, struct user *u, enum user_field f)
{
    CLEANUP(value_done) struct json_value v = {0};

    read_value(r, '"', &v);
    if (u->fields[f].text)
        json_read_fail(r, -EINVAL);
    if (r->failed == 0)
        check(r, user_set(u, f, v.text, &v.source));
}

static void read_disabled(struct json_reader *r, struct user *u)
{
    CLEANUP(value_done) struct json_value v = {0};

    read_value(r, 't', &v);
    u->disabled = v.truth;
    source_done(&u->disabled_source);
    u->disabled_source = v.source;
    v.source = (struct source){0};
}

static void read_roles(struct json_reader *r, struct user *u)
{
    json_read_open(r, '[');
    while (json_read_item(r)) {
        CLEANUP(value_done) struct json_value v = {0};
        read_value(r, '"', &v);
        if (r->failed == 0)
            check(r, user_add_role(u, v.text, &v.source));
    }
}

static void read_skills(struct json_reader *r, struct user *u)
{
    json_read_open(r, '{');
    for (;;) {
        CLEANUP(freep) char *name = NULL;
        CLEANUP(value_done) struct json_value v = {0};
        if (!json_read_key(r, &name))
            return;
        read_value(r, '0', &v);
        if (v.number < 0 || v.number > 100 || user_skill(u, name))
            json_read_fail(r, -EINVAL);
        if (r->failed == 0)
            check(r, user_add_skill(u, name, (unsigned)v.number, &v.source));
    }
}

static void read_member(struct json_reader *r, struct user *u, const char *key)
{
    int f = user_field_from_name(key);

    if (f >= 0)
        read_field(r, u, (enum user_field)f);
    else if (strcmp(key, "disabled") == 0)
        read_disabled(r, u);
    else if (strcmp(key, "roles") == 0)
        read_roles(r, u);
    else if (strcmp(key, "skills") == 0)
        read_skills(r, u);
    else
        json_read_fail(r, -EINVAL);
}

int user_from_json(struct user **ret, const char *json, struct error *e)
{
    CLEANUP(user_freep) struct user *u = user_new();
    struct json_reader r;
    char member[JSON_NAME_SIZE] = "";

    if (!u)
        return error_out_of_memory(e);
    json_read_start(&r, json);
    json_read_open(&r, '{');
    for (char key[JSON_NAME_SIZE]; json_read_name(&r, key);) {
        memcpy(member, key, sizeof(member));
        read_member(&r, u, key);
    }
    int failed = json_read_end(&r);
    if (failed == -ENOMEM)
        return error_out_of_memory(e);
    if (failed < 0 && member[0])
        return error_set(e, failed, "\"%s\" of a stored user cannot be read", member);
    if (failed < 0)
        return error_set(e, failed, "a stored user is not a JSON object");
    *ret = TAKE(u);
    return 0;
}

int user_from_json_if_any(struct user **ret, const char *json, struct error *e)
{
    *ret = NULL;
    return json ? user_from_json(ret, json, e) : 0;
}
