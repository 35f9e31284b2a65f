/*
 * The chain of superior classes, for the classes that directories of people are made with. A
 * class of a site's own schema is known by what its entries say.
 */
#include "config.h"

#include "model/class.h"

#include <stdbool.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "model/entry.h"

static const struct {
    const char *name, *superior;
} classes[] = {
    /* RFC 4519, RFC 2798, RFC 4524, X.521 */
    {"inetOrgPerson", "organizationalPerson"},
    {"organizationalPerson", "person"},
    {"residentialPerson", "person"},
    {"pilotPerson", "person"},
    {"newPilotPerson", "person"},
    {"person", "top"},
    {"account", "top"},
    {"organizationalRole", "top"},
    {"organizationalUnit", "top"},
    {"organization", "top"},
    {"groupOfNames", "top"},
    {"groupOfUniqueNames", "top"},
    {"posixAccount", "top"},
    {"posixGroup", "top"},
    /* Active Directory and 389 Directory Server, where an entry was written without them */
    {"user", "organizationalPerson"},
    {"computer", "user"},
    {"nsPerson", "top"},
    {"nsOrgPerson", "nsPerson"},
};

const char *class_superior(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
        if (text_equal_ascii_case(classes[i].name, name))
            return classes[i].superior;
    return NULL;
}

static bool has_class(const struct attribute *a, const char *name)
{
    for (size_t i = 0; i < a->n_values; i++)
        if (text_equal_ascii_case(a->values[i].data, name))
            return true;
    return false;
}

int class_add_superiors(struct entry *e)
{
    const struct attribute *a = entry_attribute(e, "objectClass");
    /* What is added is looked at in its turn, so the whole chain comes. */
    for (size_t i = 0; a && i < a->n_values; i++) {
        const char *superior = class_superior(a->values[i].data);
        if (!superior || has_class(a, superior))
            continue;
        int r = entry_add_value(e, a->name, superior, strlen(superior));
        if (r < 0)
            return r;
        a = entry_attribute(e, "objectClass");
    }
    return 0;
}
