/*
 * The names and the OID by which one thing of a schema goes (RFC 4512 sections 4.1.1 and 4.1.2):
 * an attribute type or an object class, the owner. Found without regard to the case of ASCII
 * letters. It runs for each RDN of each member of each group.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct alias {
    uint64_t head;    /* its first characters, as a number */
    const char *text; /* borrowed from the owner */
    void *owner;
};

struct alias_list {
    struct alias *items; /* sorted; freed by whoever holds the list */
    size_t n_items, capacity;
};

/* Room for so many more. 0 or -ENOMEM, with nothing changed. */
int alias_list_make_room(struct alias_list *l, size_t n_more);
/* Into room that was made. The first who has a name keeps it: a second one can only be a name
 * that is given twice for one owner. */
void alias_list_add(struct alias_list *l, const char *text, void *owner);
void alias_list_remove(struct alias_list *l, const void *owner);
/* Who goes by the first n bytes of name; NULL when nobody does. */
void *alias_list_find(const struct alias_list *l, const char *name, size_t n);
