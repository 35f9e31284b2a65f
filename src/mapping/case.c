/*
 * The text of a case: an entry in LDIF (RFC 2849), a blank line, and what is to be known and
 * expected of it, in lines of the same form. Reads and writes it, and judges nothing.
 */
#include "config.h"

#include "mapping/case.h"

#include <errno.h>
#include <string.h>

#include "base/base64.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "model/dn.h"
#include "model/entry.h"
#include "model/user.h"

static const char *const verdict_names[] = {
    [VERDICT_USER] = "user", [VERDICT_SKIP] = "skip", [VERDICT_INVALID] = "invalid"};
static const char *const server_names[] = {[SCHEMA_BUILT_IN] = "any",
                                           [SCHEMA_STANDARD] = "standard",
                                           [SCHEMA_389] = "389",
                                           [SCHEMA_ACTIVE_DIRECTORY] = "active-directory"};

void case_done(struct mapping_case *c)
{
    entry_free(c->entry);
    string_list_done(&c->groups);
    string_list_done(&c->missing);
    string_list_done(&c->attributes);
    free(c->code);
    user_free(c->user);
    *c = (struct mapping_case){0};
}

/* One logical line: continued ones are joined. */
struct line {
    char *text;
    unsigned number;
};
struct reader {
    const char *at, *end;
    unsigned number; /* of the line at `at` */
    struct buffer joined;
};

/* The physical line at `at`, without its end; moves behind it. */
static size_t take_physical(struct reader *r, const char **ret)
{
    const char *newline = memchr(r->at, '\n', (size_t)(r->end - r->at));
    size_t size = newline ? (size_t)(newline - r->at) : (size_t)(r->end - r->at);

    *ret = r->at;
    r->at = newline ? newline + 1 : r->end;
    r->number++;
    return size > 0 && (*ret)[size - 1] == '\r' ? size - 1 : size;
}

/* 1: a line, in r->joined; 0: the end; -ENOMEM. Comments are no lines; blank ones are. */
static int take_line(struct reader *r, unsigned *ret_number)
{
    while (r->at < r->end) {
        const char *text;
        unsigned number = r->number;
        size_t size = take_physical(r, &text);

        buffer_clear(&r->joined);
        buffer_add(&r->joined, text, size);
        while (size > 0 && r->at < r->end && *r->at == ' ') {
            size_t more = take_physical(r, &text);
            buffer_add(&r->joined, text + 1, more > 0 ? more - 1 : 0);
        }
        if (r->joined.failed)
            return -ENOMEM;
        if (size > 0 && r->joined.data[0] == '#')
            continue;
        *ret_number = number;
        return 1;
    }
    return 0;
}

/* "name: value" or "name:: base64". *ret_value is malloc'd. */
static int split_line(const struct reader *r, char **ret_name, char **ret_value, size_t *ret_size,
                      struct error *e)
{
    const char *text = r->joined.data, *colon = memchr(text, ':', r->joined.size);
    CLEANUP(freep) char *name = NULL, *value = NULL;

    if (!colon || colon == text)
        return error_set(e, -EINVAL, "NAME: VALUE is expected");
    bool encoded = colon[1] == ':';
    const char *from = colon + 1 + encoded;
    size_t size = r->joined.size - (size_t)(from - text);
    if (!encoded && *from == '<')
        return error_set(e, -EINVAL, "values in files of their own (:<) are not read");
    for (; size > 0 && *from == ' '; from++)
        size--;
    for (; encoded && size > 0 && from[size - 1] == ' ';)
        size--;
    name = strndup(text, (size_t)(colon - text));
    value = malloc(size + 1);
    if (!name || !value)
        return error_out_of_memory(e);
    long n = (long)size;
    if (encoded)
        n = base64_decode(value, size, from, size, false);
    else
        memcpy(value, from, size);
    if (n < 0)
        return error_set(e, -EINVAL, "what follows '::' is not base64");
    value[n] = '\0';
    *ret_size = (size_t)n;
    *ret_name = TAKE(name);
    *ret_value = TAKE(value);
    return 0;
}

static int take_attribute(struct mapping_case *c, const char *name, const char *value, size_t size,
                          struct error *e)
{
    if (!c->entry && !text_equal_ascii_case(name, "dn"))
        return error_set(e, -EINVAL, "a case begins with the entry, and that with 'dn:'");
    if (!c->entry) {
        if (!dn_is_valid(value))
            return error_set(e, -EINVAL, "'%s' is not a distinguished name", value);
        c->entry = entry_new("case", value, ENTRY_PERSON);
        return c->entry ? 0 : error_out_of_memory(e);
    }
    int r = entry_add_value(c->entry, name, value, size);
    return r == -EINVAL ? error_set(e, r, "'%s' is not the name of an attribute", name)
           : r < 0      ? error_out_of_memory(e)
                        : 0;
}

static int take_dn(struct string_list *l, const char *value, struct error *e)
{
    if (!dn_is_valid(value))
        return error_set(e, -EINVAL, "'%s' is not a distinguished name", value);
    return string_list_add(l, value) < 0 ? error_out_of_memory(e) : 0;
}

static int take_yes_or_no(const char *value, bool *ret, struct error *e)
{
    *ret = strcmp(value, "yes") == 0;
    return *ret || strcmp(value, "no") == 0
               ? 0
               : error_set(e, -EINVAL, "'%s': yes or no is expected", value);
}

static int take_expected(struct mapping_case *c, const char *value, struct error *e)
{
    size_t word = strcspn(value, " ");
    const char *code = value + word + strspn(value + word, " ");

    for (int k = VERDICT_USER; k <= VERDICT_INVALID; k++)
        if (strlen(verdict_names[k]) == word && strncmp(value, verdict_names[k], word) == 0)
            c->expected = (enum verdict_kind)k;
    if (c->expected == 0 || (c->expected == VERDICT_USER && *code))
        return error_set(e, -EINVAL, "'%s': user, skip [CODE] or invalid [CODE] is expected",
                         value);
    if (*code && !(c->code = strdup(code)))
        return error_out_of_memory(e);
    return 0;
}

/* "Name" or "Name:80", and a name may hold colons. */
static int take_skill(struct mapping_case *c, const char *value, struct error *e)
{
    const char *colon = strrchr(value, ':');
    uint64_t level = 0;

    if (!colon || colon == value || text_parse_unsigned(colon + 1, 100, &level) < 0)
        return error_set(e, -EINVAL, "'%s': NAME:LEVEL is expected, with a level from 0 to 100",
                         value);
    CLEANUP(freep) char *name = strndup(value, (size_t)(colon - value));
    if (!name || user_add_skill(c->user, name, (unsigned)level, &(struct source){0}) < 0)
        return error_out_of_memory(e);
    return 0;
}

static int take_server(struct mapping_case *c, const char *value, struct error *e)
{
    for (size_t i = 0; i < ARRAY_SIZE(server_names); i++)
        if (strcmp(value, server_names[i]) == 0) {
            c->server = (enum schema_kind)i;
            return 0;
        }
    return error_set(e, -EINVAL, "'%s': any, standard, 389 or active-directory is expected", value);
}

static int take_time(struct mapping_case *c, const char *value, struct error *e)
{
    c->has_time = clock_parse(value, &c->time_usec) == 0;
    return c->has_time
               ? 0
               : error_set(e, -EINVAL, "'%s': a time like 2026-11-24T14:39:54Z is expected", value);
}

static int say_unknown(const char *name, struct error *e)
{
    static const char *const names[] = {
        "group",     "missing-group", "time",      "server", "attribute",  "expect",
        "login_id",  "first_name",    "last_name", "email",  "work_phone", "mobile_phone",
        "extension", "team",          "role",      "skill",  "disabled",   "revoked"};
    const char *near = text_nearest(name, names, ARRAY_SIZE(names));

    return error_set(e, -EINVAL, "unknown name '%s' after the entry%s%s%s", name,
                     near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* Behind the entry: what is around it, and what is expected. */
static int take_fact(struct mapping_case *c, const char *name, const char *value, struct error *e)
{
    int field = user_field_from_name(name), r;

    if (field >= 0)
        r = user_set(c->user, (enum user_field)field, value, &(struct source){0});
    else if (strcmp(name, "role") == 0)
        r = user_add_role(c->user, value, &(struct source){0});
    else if (strcmp(name, "attribute") == 0)
        r = string_list_add(&c->attributes, value);
    else if (strcmp(name, "group") == 0)
        return take_dn(&c->groups, value, e);
    else if (strcmp(name, "missing-group") == 0)
        return take_dn(&c->missing, value, e);
    else if (strcmp(name, "skill") == 0)
        return take_skill(c, value, e);
    else if (strcmp(name, "expect") == 0)
        return take_expected(c, value, e);
    else if (strcmp(name, "disabled") == 0)
        return take_yes_or_no(value, &c->user->disabled, e);
    else if (strcmp(name, "revoked") == 0)
        return take_yes_or_no(value, &c->revoked, e);
    else if (strcmp(name, "time") == 0)
        return take_time(c, value, e);
    else if (strcmp(name, "server") == 0)
        return take_server(c, value, e);
    else
        return say_unknown(name, e);
    return r < 0 ? error_out_of_memory(e) : 0;
}

static int take_lines(struct mapping_case *c, struct reader *reader, unsigned *ret_number,
                      struct error *e)
{
    bool in_entry = true;
    int r;

    while ((r = take_line(reader, ret_number)) > 0) {
        CLEANUP(freep) char *name = NULL, *value = NULL;
        size_t size;
        if (reader->joined.size == 0) {
            in_entry = in_entry && !c->entry;
            continue;
        }
        r = split_line(reader, &name, &value, &size, e);
        if (r == 0)
            r = in_entry ? take_attribute(c, name, value, size, e) : take_fact(c, name, value, e);
        if (r < 0)
            return r;
    }
    return r < 0 ? error_out_of_memory(e) : 0;
}

int case_parse(struct mapping_case *ret, const char *text, size_t size, struct error *e)
{
    CLEANUP(case_done) struct mapping_case c = {.user = user_new()};
    struct reader reader = {.at = text, .end = text + size, .number = 1};
    unsigned number = 1;
    int r = c.user ? take_lines(&c, &reader, &number, e) : error_out_of_memory(e);

    buffer_done(&reader.joined);
    if (r == -EINVAL)
        return error_wrap(e, r, "line %u", number);
    if (r == 0 && !c.entry)
        return error_set(e, -EINVAL, "it is empty: the entry is missing");
    if (r == 0 && c.expected == 0)
        return error_set(e, -EINVAL,
                         "it expects nothing: 'expect: user', 'expect: skip' or 'expect: "
                         "invalid' is missing after the entry and a blank line");
    if (r < 0)
        return r;
    entry_sort(c.entry);
    *ret = c;
    c = (struct mapping_case){0};
    return 0;
}

/* RFC 2849's SAFE-STRING, but for letters beyond ASCII, which people read better so. */
static bool is_safe(const char *value, size_t size)
{
    return size == 0 || (text_is_utf8(value, size) && !text_has_control(value, size) &&
                         !strchr(" :<", value[0]) && value[size - 1] != ' ');
}

static void write_line(struct buffer *b, const char *name, const char *value, size_t size)
{
    if (is_safe(value, size)) {
        buffer_format(b, size ? "%s: %s\n" : "%s:\n", name, value);
        return;
    }
    CLEANUP(freep) char *encoded = malloc(BASE64_SIZE(size) + 1);
    if (encoded)
        base64_encode(encoded, value, size, false);
    buffer_format(b, "%s:: %s\n", name, encoded ? encoded : "");
    b->failed = b->failed || !encoded;
}

static void write_text(struct buffer *b, const char *name, const char *value)
{
    write_line(b, name, value, strlen(value));
}

static void write_list(struct buffer *b, const char *name, const struct string_list *l)
{
    for (size_t i = 0; i < l->n_items; i++)
        write_text(b, name, l->items[i]);
}

static void write_entry(struct buffer *b, const struct entry *entry)
{
    write_text(b, "dn", entry->dn);
    for (size_t i = 0; i < entry->n_attributes; i++)
        for (size_t k = 0; k < entry->attributes[i].n_values; k++) {
            const struct value *v = &entry->attributes[i].values[k];
            if (v->state == VALUE_TOO_LARGE)
                buffer_format(b, "# %s: a value of %zu bytes is left out\n",
                              entry->attributes[i].name, v->size);
            else
                write_line(b, entry->attributes[i].name, v->data, v->size);
        }
}

static void write_user(struct buffer *b, const struct user *u)
{
    for (int f = 0; f < USER_N_FIELDS; f++)
        if (user_get(u, (enum user_field)f))
            write_text(b, user_field_name((enum user_field)f), user_get(u, (enum user_field)f));
    for (size_t i = 0; i < u->n_roles; i++)
        write_text(b, "role", u->roles[i].name);
    for (size_t i = 0; i < u->n_skills; i++)
        buffer_format(b, "skill: %s:%u\n", u->skills[i].name, u->skills[i].level);
    if (u->disabled)
        buffer_add_text(b, "disabled: yes\n");
}

void case_write(struct buffer *b, const struct mapping_case *c)
{
    char when[CLOCK_TEXT_SIZE];

    write_entry(b, c->entry);
    buffer_add_text(b, "\n");
    write_list(b, "group", &c->groups);
    write_list(b, "missing-group", &c->missing);
    if (c->has_time)
        buffer_format(b, "time: %s\n", clock_format(when, c->time_usec));
    if (c->server != SCHEMA_BUILT_IN)
        write_text(b, "server", server_names[c->server]);
    write_list(b, "attribute", &c->attributes);
    buffer_format(b, "\nexpect: %s%s%s\n", verdict_names[c->expected], c->code ? " " : "",
                  c->code ? c->code : "");
    if (c->expected == VERDICT_USER)
        write_user(b, c->user);
    if (c->revoked)
        buffer_add_text(b, "revoked: yes\n");
}
