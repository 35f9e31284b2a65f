/*
 * What the decoder is made with: the server's way to name an entry, what is asked for, and the
 * classes and attributes that the filters name.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/memory.h"
#include "directory/decode.h"
#include "directory/group-memory.h"
#include "directory/kind.h"
#include "directory/options.h"
#include "model/class.h"
#include "model/schema.h"

const char *const decode_container_classes[] = {
    "organizationalUnit", "organization", "container", "domainDNS", "domain", "dcObject",
    "builtinDomain",      "nsContainer",  "locality",  "country",   NULL,
};
const char *const decode_group_classes[] = {
    "groupOfNames", "groupOfUniqueNames", "posixGroup", "group", "groupOfMembers", NULL,
};

int decode_classes_of_filter(const char *filter, struct string_list *ret)
{
    static const char start[] = "(objectClass=";
    const size_t start_size = sizeof(start) - 1;
    for (const char *p = filter; p && *p; p++) {
        if (strncasecmp(p, start, start_size) != 0 || (p > filter && p[-1] == '!'))
            continue;
        const char *value = p + start_size;
        size_t size = strcspn(value, "*)");
        if (value[size] != ')' || size == 0)
            continue;
        CLEANUP(freep) char *class = strndup(value, size);
        if (!class)
            return -ENOMEM;
        if (!text_equal_ascii_case(class, "top") && string_list_add_name(ret, class) < 0)
            return -ENOMEM;
    }
    return 0;
}

static bool names_class(const char *item)
{
    size_t size = strcspn(item, ")");
    return strncasecmp(item, "(objectClass=", 13) == 0 && strcspn(item, "*") > size &&
           strncasecmp(item, "(objectClass=top)", 17) != 0;
}

/* From one "(" on; *p is left behind its ")". */
static bool is_by_class(const char **p)
{
    const char *begin = *p;
    char joins = begin[1];
    bool any = false, all = true;
    if (joins != '&' && joins != '|' && joins != '!') {
        *p += strcspn(begin, ")");
        *p += **p == ')';
        return names_class(begin);
    }
    for (*p += 2; **p && **p != ')';) {
        if (**p != '(') {
            ++*p; /* a blank */
            continue;
        }
        bool is = is_by_class(p);
        any |= is;
        all &= is;
    }
    *p += **p == ')';
    return joins == '&' ? any : joins == '|' && any && all;
}

bool decode_filter_is_by_class(const char *filter)
{
    return *filter == '(' && is_by_class(&filter);
}

int decode_attributes_of_filter(const char *filter, struct string_list *ret)
{
    for (const char *p = filter; p && (p = strchr(p, '(')) != NULL;) {
        size_t size = strcspn(++p, "=~<>:()&|! ");
        CLEANUP(freep) char *name = size > 0 ? strndup(p, size) : NULL;
        if (size > 0 && (!name || string_list_add_name(ret, name) < 0))
            return -ENOMEM;
    }
    return 0;
}

/* Of people's classes those count that the filter names, with all below: as far as it selects
 * by classes, and where those stand among the server's is known. What is below person stands in
 * the entry as a person. */
static bool are_all_classes(const struct decoder *d, const char *filter)
{
    const struct class_list *classes = schema_classes(d->schema);
    const struct string_list *l = &d->person_classes;
    bool known = classes || (l->n_items == 1 && text_equal_ascii_case(l->items[0], "person"));
    for (size_t i = 0; classes && i < l->n_items; i++)
        known &= class_is_a(classes, l->items[i], "top");
    return known && decode_filter_is_by_class(filter);
}

int decoder_init(struct decoder *d, enum identity_kind identity, enum identity_kind usual,
                 bool active_directory, const struct directory_options *options,
                 const struct string_list *attributes, const struct schema *schema, struct error *e)
{
    *d = (struct decoder){
        .identity = identity,
        .active_directory = active_directory,
        .schema = schema,
    };
    if (identity == IDENTITY_ATTRIBUTE && usual != 0) {
        d->second_identity = usual;
        d->second_id_attribute = identity_attribute(usual);
    }
    const char *id = identity_attribute(identity),
               *people = options->filter ? options->filter : "(objectClass=person)";
    const char *login = options->login_attribute ? options->login_attribute : "uid";
    d->id_attribute = strdup(id ? id : options->id_attribute);
    d->login_attribute = strdup(login);
    int r = d->id_attribute && d->login_attribute ? 0 : -ENOMEM;
    for (size_t i = 0; i < attributes->n_items && r == 0; i++)
        r = string_list_add(&d->wanted, attributes->items[i]);
    if (r == 0 && options->group_filter)
        r = decode_classes_of_filter(options->group_filter, &d->group_classes);
    if (r == 0)
        r = decode_classes_of_filter(people, &d->person_classes);
    if (r == 0)
        r = decode_memory_new(&d->memory);
    if (r == 0)
        r = group_memory_new(&d->groups);
    if (r == 0 && !(d->kinds = kinds_new(schema_classes(schema), &d->person_classes,
                                         are_all_classes(d, people), &d->group_classes,
                                         options->group_filter != NULL)))
        r = -ENOMEM;
    if (r < 0) {
        decoder_done(d);
        return error_set(e, r, "the decoder cannot be made: %s", strerror(-r));
    }
    return 0;
}

void decoder_done(struct decoder *d)
{
    free(d->id_attribute);
    free(d->login_attribute);
    string_list_done(&d->wanted);
    string_list_done(&d->person_classes);
    string_list_done(&d->group_classes);
    kinds_free(d->kinds);
    decode_memory_free(d->memory);
    group_memory_free(d->groups);
    *d = (struct decoder){0};
}

void decoder_attributes_free(char **attributes)
{
    for (size_t i = 0; attributes && attributes[i]; i++)
        free(attributes[i]);
    free(attributes);
}

char **decoder_attributes(const struct decoder *d)
{
    const char *fixed[] = {"objectClass",
                           d->id_attribute,
                           d->second_id_attribute,
                           d->login_attribute,
                           "member",
                           d->active_directory ? NULL : "uniqueMember",
                           "memberUid",
                           d->active_directory ? "sAMAccountName" : NULL,
                           d->active_directory ? NULL : "memberURL",
                           d->active_directory ? "primaryGroupID" : "gidNumber",
                           d->active_directory ? "objectSid" : NULL,
                           d->active_directory ? "isDeleted" : NULL,
                           d->active_directory ? "uSNChanged" : NULL,
                           d->watermark_attribute,
                           d->children_attribute};
    CLEANUP(string_list_done) struct string_list names = {0};
    for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
        if (fixed[i] && string_list_add_name(&names, fixed[i]) < 0)
            return NULL;
    for (size_t i = 0; i < d->wanted.n_items; i++)
        if (string_list_add_name(&names, d->wanted.items[i]) < 0)
            return NULL;
    char **ret = calloc(names.n_items + 1, sizeof(*ret));
    for (size_t i = 0; ret && i < names.n_items; i++)
        ret[i] = TAKE(names.items[i]);
    if (ret)
        names.n_items = 0;
    return ret;
}
