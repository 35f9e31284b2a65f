/*
 * Object classes and their superiors (RFC 4512 2.4.1, 4.1.1): what the server's schema says,
 * and a built-in table for what it does not say. Some servers (OpenLDAP) return just the
 * classes that an entry was made with, and still match `(objectClass=person)` with its
 * subclasses.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct class_list;
struct entry;
struct json_t;

struct class_list *class_list_new(void); /* with the built-in table; NULL when out of memory */
struct class_list *class_list_free(struct class_list *l);
/* Any name may be an OID. Replaces what was known by one of these names. 0 or -ENOMEM. */
int class_list_add(struct class_list *l, const char *oid, const char *const *names, size_t n_names,
                   const char *const *superiors, size_t n_superiors);
/* Is the class this one, or below it? By any of their names. l NULL: the built-in table. */
bool class_is_a(const struct class_list *l, const char *name, const char *ancestor);
/* The first name of a class that goes by any of its names or its OID; itself when unknown. */
const char *class_name(const struct class_list *l, const char *name);
/* Adds to the entry's objectClass what its classes imply. -ENOMEM. Before entry_sort(). */
int class_add_superiors(const struct class_list *l, struct entry *e);

/* [{"names":[…],"oid":…,"superiors":[…]}], sorted. And back: 0, -ENOMEM, or -EINVAL. */
struct buffer;
void class_list_write_json(struct buffer *b, const struct class_list *l);
int class_list_from_json(struct class_list **ret, const struct json_t *array);
