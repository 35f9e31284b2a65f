/*
 * What an entry is follows from the class hierarchy of the server's schema and from the search
 * that showed it, since sites make classes of their own. A person stays a person whatever
 * auxiliary class is added, a private posixGroup among them; what the group filter selects, and
 * the filter for people cannot have selected, is a group. It looks at classes alone: where the
 * filter for people does not, or the hierarchy is not known, what is usually a person is one.
 */
#include "config.h"

#include "directory/kind.h"

#include <string.h>

#include "base/memory.h"
#include "directory/decode.h"
#include "model/class.h"

/* Entries have few different classes: each is looked up in the schema once. */
struct known_class {
    char *class;
    unsigned meanings;
};

struct kinds {
    const struct class_list *classes;
    const struct string_list *person, *group;
    bool all_person_classes, own_group_filter;
    struct known_class *known;
    size_t n_known, capacity;
};

struct kinds *kinds_new(const struct class_list *classes, const struct string_list *person,
                        bool all_person_classes, const struct string_list *group,
                        bool own_group_filter)
{
    struct kinds *k = calloc(1, sizeof(*k));
    if (k)
        *k = (struct kinds){.classes = classes,
                            .person = person,
                            .all_person_classes = all_person_classes,
                            .group = group,
                            .own_group_filter = own_group_filter};
    return k;
}

struct kinds *kinds_free(struct kinds *k)
{
    for (size_t i = 0; k && i < k->n_known; i++)
        free(k->known[i].class);
    if (k)
        free(k->known);
    free(k);
    return NULL;
}

static bool is_any(const struct kinds *k, const char *class, const char *const *names)
{
    for (size_t i = 0; names[i]; i++)
        if (class_is_a(k->classes, class, names[i]))
            return true;
    return false;
}

static bool is_listed(const struct kinds *k, const char *class, const struct string_list *names)
{
    for (size_t i = 0; i < names->n_items; i++)
        if (class_is_a(k->classes, class, names->items[i]))
            return true;
    return false;
}

static unsigned look_up(const struct kinds *k, const char *class)
{
    static const char *const people[] = {"person", "account", NULL};
    unsigned m = 0;
    bool configured = is_listed(k, class, k->group), listed = is_listed(k, class, k->person),
         usual = is_any(k, class, people);
    if (listed || (usual && !k->all_person_classes))
        m |= configured && usual ? CLASS_OF_PERSON | CLASS_OF_GROUP_BELOW_PERSON : CLASS_OF_PERSON;
    if (class_is_a(k->classes, class, "posixGroup"))
        m |= CLASS_OF_POSIX_GROUP;
    else if (configured || is_any(k, class, decode_group_classes))
        m |= CLASS_OF_GROUP;
    if (is_any(k, class, decode_container_classes))
        m |= CLASS_OF_CONTAINER;
    if (!k->all_person_classes && class_is_a(k->classes, class, "posixAccount"))
        m |= CLASS_OF_ACCOUNT;
    if (class_is_a(k->classes, class, "alias"))
        m |= CLASS_OF_ALIAS;
    if (class_is_a(k->classes, class, "computer"))
        m |= CLASS_OF_COMPUTER;
    return m;
}

unsigned kinds_of_class(struct kinds *k, const char *class)
{
    for (size_t i = 0; i < k->n_known; i++)
        if (text_equal_ascii_case(k->known[i].class, class))
            return k->known[i].meanings;
    unsigned meanings = look_up(k, class);
    char *copy = k->n_known < 256 ? strdup(class) : NULL;
    if (!copy || memory_grow(&k->known, &k->capacity, k->n_known + 1, sizeof(*k->known)) < 0)
        free(copy); /* only slower */
    else
        k->known[k->n_known++] = (struct known_class){copy, meanings};
    return meanings;
}

enum entry_kind kinds_decide(const struct kinds *k, unsigned m)
{
    if ((m & CLASS_OF_PERSON) && !(m & CLASS_OF_GROUP_BELOW_PERSON))
        return ENTRY_PERSON;
    if (m & CLASS_OF_GROUP)
        return ENTRY_GROUP;
    if (m & CLASS_OF_ACCOUNT)
        return ENTRY_PERSON;
    if (m & CLASS_OF_POSIX_GROUP)
        return ENTRY_GROUP;
    if (m & CLASS_OF_CONTAINER)
        return ENTRY_CONTAINER;
    /* The filter for people names classes, and it is of none of them. */
    if (k->own_group_filter && k->person->n_items > 0)
        return ENTRY_GROUP;
    return ENTRY_PERSON;
}
