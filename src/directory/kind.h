/* Person, group or container: what an entry is, by its object classes. */
#pragma once
#include <stdbool.h>

#include "base/text.h"
#include "model/entry.h"

struct class_list;
struct kinds;

/* What a class says about an entry that has it. */
enum class_meaning {
    CLASS_OF_PERSON = 1,
    CLASS_OF_GROUP = 2,
    CLASS_OF_CONTAINER = 4,
    CLASS_OF_ACCOUNT = 8, /* posixAccount: a person, unless it is a group of members */
    CLASS_OF_COMPUTER = 16,
    CLASS_OF_GROUP_BELOW_PERSON = 32, /* configured as a group, though below person */
    CLASS_OF_ALIAS = 128,
    CLASS_OF_POSIX_GROUP = 64, /* a group, or the private group of an account */
};

/* classes: the server's hierarchy, borrowed; NULL: the built-in one. person, group: the classes
 * that the filters name, borrowed; all: nobody else is a person. NULL when out of memory. */
struct kinds *kinds_new(const struct class_list *classes, const struct string_list *person,
                        bool all_person_classes, const struct string_list *group,
                        bool own_group_filter);
struct kinds *kinds_free(struct kinds *k);
/* enum class_meaning, of one class and all above it. */
unsigned kinds_of_class(struct kinds *k, const char *class);
/* meanings: of all classes of an entry, together. */
enum entry_kind kinds_decide(const struct kinds *k, unsigned meanings);
