/* Users as SCIM resources: the table of attributes, and the way from a user to a document and
 * back. PUT and PATCH both end in reading a whole document, so they share all checks. */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "scim.h"

#define USER_URN "urn:ietf:params:scim:schemas:core:2.0:User"

static const char *const name_subs[] = {"givenName", "familyName",      "middleName",
                                        "formatted", "honorificPrefix", "honorificSuffix",
                                        NULL};
static const char *const value_subs[] = {"value", "type", "primary", "display", NULL};

static const struct scim_attribute attributes[] = {
    {"userName", SCIM_SIMPLE, NULL},
    {"name", SCIM_COMPLEX, name_subs},
    {"nickName", SCIM_SIMPLE, NULL},
    {"title", SCIM_SIMPLE, NULL},
    {"timezone", SCIM_SIMPLE, NULL},
    {"active", SCIM_SIMPLE, NULL},
    {"password", SCIM_SIMPLE, NULL},
    {"emails", SCIM_MULTI, value_subs},
    {"phoneNumbers", SCIM_MULTI, value_subs},
    {"roles", SCIM_MULTI, value_subs},
    {"addresses", SCIM_MULTI, NULL},
    {"photos", SCIM_MULTI, NULL},
    {"schemas", SCIM_READ_ONLY, NULL},
    {"id", SCIM_READ_ONLY, NULL},
    {"meta", SCIM_READ_ONLY, NULL},
    {"groups", SCIM_READ_ONLY, NULL},
    {"externalId", SCIM_READ_ONLY, NULL},
    {"displayName", SCIM_READ_ONLY, NULL},
    {"profileUrl", SCIM_READ_ONLY, NULL},
    {"userType", SCIM_READ_ONLY, NULL},
    {"preferredLanguage", SCIM_READ_ONLY, NULL},
    {"locale", SCIM_READ_ONLY, NULL},
    {"ims", SCIM_READ_ONLY, NULL},
    {"entitlements", SCIM_READ_ONLY, NULL},
    {"x509Certificates", SCIM_READ_ONLY, NULL},
};

static const struct {
    const char *type;
    enum user_field field;
} phones[] = {
    {"work", USER_WORK_PHONE},
    {"mobile", USER_MOBILE_PHONE},
    {"extension", USER_EXTENSION},
    {"default", USER_DEFAULT_PHONE},
};

static const struct {
    const char *name;
    enum user_field field;
} plain[] = {
    {"nickName", USER_NICK_NAME},
    {"title", USER_TITLE},
    {"timezone", USER_TIMEZONE},
};

int scim_refuse(struct scim_refusal *no, unsigned status, const char *type, const char *format,
                ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(no->why.text, sizeof(no->why.text), format, arguments);
    va_end(arguments);
    no->why.status = status;
    no->type = type;
    return -1;
}

const struct scim_attribute *scim_attribute_find(const char *name, size_t length)
{
    for (size_t i = 0; i < ELEMENTS(attributes); i++)
        if (strlen(attributes[i].name) == length &&
            !strncasecmp(attributes[i].name, name, length))
            return &attributes[i];
    return NULL;
}

const char *scim_sub_find(const struct scim_attribute *a, const char *name, size_t length)
{
    for (const char *const *sub = a->subs; sub && *sub; sub++)
        if (strlen(*sub) == length && !strncasecmp(*sub, name, length))
            return *sub;
    return NULL;
}

json_t *scim_document(const struct user *u)
{
    json_t *out = json_pack("{s:s, s:{s:s*, s:s*}, s:b}", "userName", u->field[USER_LOGIN],
                            "name", "givenName", u->field[USER_FIRST_NAME], "familyName",
                            u->field[USER_LAST_NAME], "active", !u->disabled);
    for (size_t i = 0; i < ELEMENTS(plain); i++)
        if (u->field[plain[i].field])
            json_object_set_new(out, plain[i].name, json_string(u->field[plain[i].field]));
    if (u->field[USER_EMAIL])
        json_object_set_new(out, "emails",
                            json_pack("[{s:s, s:s, s:b}]", "value", u->field[USER_EMAIL],
                                      "type", "work", "primary", 1));
    json_t *numbers = json_array(), *roles = json_array();
    for (size_t i = 0; i < ELEMENTS(phones); i++)
        if (u->field[phones[i].field])
            json_array_append_new(numbers, json_pack("{s:s, s:s}", "type", phones[i].type,
                                                     "value", u->field[phones[i].field]));
    for (size_t i = 0; i < u->n_roles; i++)
        json_array_append_new(roles, json_pack("{s:s}", "value", u->roles[i]->text));
    json_object_set_new(out, "phoneNumbers", numbers);
    json_object_set_new(out, "roles", roles);
    if (u->addresses)
        json_object_set(out, "addresses", u->addresses);
    if (u->photos)
        json_object_set(out, "photos", u->photos);
    return out;
}

static int read_name(const json_t *value, struct user *draft, struct scim_refusal *no)
{
    if (!json_is_object(value))
        return scim_refuse(no, 400, "invalidValue", "name must be an object");
    const json_t *given = json_object_get(value, "givenName");
    const json_t *family = json_object_get(value, "familyName");
    if ((given && !json_is_string(given)) || (family && !json_is_string(family)))
        return scim_refuse(no, 400, "invalidValue", "the parts of name must be strings");
    user_set(draft, USER_FIRST_NAME, json_string_value(given));
    user_set(draft, USER_LAST_NAME, json_string_value(family));
    return 0;
}

static int read_emails(const json_t *list, struct user *draft, struct scim_refusal *no)
{
    size_t i;
    json_t *item;
    const json_t *chosen = NULL;
    json_array_foreach(list, i, item)
    {
        const json_t *primary = json_object_get(item, "primary");
        if (!json_is_string(json_object_get(item, "value")) ||
            (primary && !json_is_boolean(primary)))
            return scim_refuse(no, 400, "invalidValue", "an item of emails is malformed");
        if (json_is_true(primary) || json_array_size(list) == 1)
            chosen = item;
    }
    const char *value = json_string_value(json_object_get(chosen, "value"));
    user_set(draft, USER_EMAIL, value && *value ? value : NULL);
    return 0;
}

static int read_phones(const json_t *list, struct user *draft, struct scim_refusal *no)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        const char *type = json_string_value(json_object_get(item, "type"));
        const char *value = json_string_value(json_object_get(item, "value"));
        if (!value)
            return scim_refuse(no, 400, "invalidValue", "an item of phoneNumbers has no value");
        for (size_t k = 0; type && k < ELEMENTS(phones); k++) {
            if (strcmp(type, phones[k].type) != 0)
                continue; /* types that are none of these are ignored */
            if (phones[k].field == USER_EXTENSION && *value && !text_is_digits(value))
                return scim_refuse(no, 400, "invalidValue",
                                   "an extension must consist of digits");
            user_set(draft, phones[k].field, *value ? value : NULL);
        }
    }
    return 0;
}

static int read_roles(const struct simulator *s, const json_t *list, struct user *draft,
                      struct scim_refusal *no)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        const char *text =
            json_string_value(json_is_object(item) ? json_object_get(item, "value") : item);
        if (!text)
            return scim_refuse(no, 400, "invalidValue", "an item of roles is malformed");
        struct name *role = store_name(&s->store, NAME_ROLE, text);
        if (!role)
            return scim_refuse(no, 404, NULL, "Role not found");
        user_role_add(draft, role);
    }
    return 0;
}

static int read_simple(const struct simulator *s, const char *name, const json_t *value,
                       struct user *draft, struct scim_refusal *no)
{
    if (!strcmp(name, "active")) {
        if (!json_is_boolean(value))
            return scim_refuse(no, 400, "invalidValue", "active must be a boolean");
        draft->disabled = json_is_false(value);
        return 0;
    }
    const char *text = json_string_value(value);
    if (!text)
        return scim_refuse(no, 400, "invalidValue", "%s must be a string", name);
    if (!strcmp(name, "password"))
        return property_password(&s->settings, text, draft, &no->why);
    if (!strcmp(name, "userName"))
        user_set(draft, USER_LOGIN, *text ? text : NULL);
    for (size_t i = 0; i < ELEMENTS(plain); i++)
        if (!strcmp(name, plain[i].name))
            user_set(draft, plain[i].field, *text ? text : NULL);
    return 0;
}

static int read_attribute(const struct simulator *s, const char *key, const json_t *value,
                          struct user *draft, struct scim_refusal *no)
{
    const struct scim_attribute *a = scim_attribute_find(key, strlen(key));
    if (!a)
        return scim_refuse(no, 400, "invalidSyntax", "unknown attribute '%.80s'", key);
    if (a->kind == SCIM_MULTI && !json_is_array(value))
        return scim_refuse(no, 400, "invalidValue", "%s must be an array", a->name);
    if (a->kind == SCIM_READ_ONLY)
        return 0;
    if (a->kind == SCIM_SIMPLE)
        return read_simple(s, a->name, value, draft, no);
    if (a->kind == SCIM_COMPLEX)
        return read_name(value, draft, no);
    if (!strcmp(a->name, "emails"))
        return read_emails(value, draft, no);
    if (!strcmp(a->name, "phoneNumbers"))
        return read_phones(value, draft, no);
    if (!strcmp(a->name, "roles"))
        return read_roles(s, value, draft, no);
    json_t **kept = !strcmp(a->name, "photos") ? &draft->photos : &draft->addresses;
    json_decref(*kept);
    *kept = json_deep_copy(value);
    return 0;
}

/* Unsets all that SCIM can write, but not what it does not know: team, skills, the password. */
static void clear(struct user *draft)
{
    for (int i = 0; i < USER_FIELDS; i++)
        user_set(draft, (enum user_field)i, NULL);
    user_roles_clear(draft);
    draft->disabled = false;
    json_decref(draft->addresses);
    json_decref(draft->photos);
    draft->addresses = draft->photos = NULL;
}

int scim_document_read(const struct simulator *s, const json_t *document, bool needs_mail,
                       struct user *draft, struct scim_refusal *no)
{
    *no = (struct scim_refusal){.type = "invalidValue"};
    clear(draft);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)document, key,
                        value) if (read_attribute(s, key, value, draft, no) < 0) return -1;
    const char *missing = NULL;
    if (!draft->field[USER_LOGIN])
        missing = "userName";
    else if (!draft->field[USER_FIRST_NAME])
        missing = "name.givenName";
    else if (!draft->field[USER_LAST_NAME])
        missing = "name.familyName";
    else if (needs_mail && !draft->field[USER_EMAIL])
        missing = "the primary one of emails";
    return missing ? scim_refuse(no, 400, "invalidValue", "%s is required", missing) : 0;
}

static json_t *write_date(const struct simulator *s, int64_t wall_ms)
{
    char text[32];
    time_format(wall_ms, text); /* 2020-06-03T07:46:33.000Z */
    if (!s->settings.old_dates)
        return json_string(text);
    CLEANUP(text_freep) char *old = text_format("%.5s-%.4s%.9s", text + 5, text, text + 10);
    return json_string(old); /* 06-03-2020T07:46:33 */
}

json_t *scim_write(const struct simulator *s, const struct user *u)
{
    json_t *out = scim_document(u);
    if (!s->settings.roles_as_values) {
        json_t *roles = json_array();
        for (size_t i = 0; i < u->n_roles; i++)
            json_array_append_new(roles, json_string(u->roles[i]->text));
        json_object_set_new(out, "roles", roles);
    }
    json_object_set_new(out, "schemas", json_pack("[s]", USER_URN));
    json_object_set_new(out, "id", json_string(u->id));
    if (u->team)
        json_object_set_new(out, "groups", json_pack("[{s:s}]", "display", u->team->text));
    CLEANUP(text_freep) char *location = text_format("/configapi/v2/scim/users/%s", u->id);
    json_object_set_new(out, "meta",
                        json_pack("{s:s, s:o, s:o, s:s}", "resourceType", "User", "created",
                                  write_date(s, u->created_ms), "lastModified",
                                  write_date(s, u->modified_ms), "location", location));
    return out;
}
