/* Superior classes of standard object classes. Some servers (OpenLDAP) return just the classes
 * that an entry was made with, and still match `(objectClass=person)` with its subclasses (RFC
 * 4512, 2.4.1); so a filter that is evaluated here must know them too. */
#pragma once

struct entry;

/* "organizationalPerson" for "inetOrgPerson"; NULL when there is none or the class is not a
 * standard one. */
const char *class_superior(const char *name);
/* Adds to the entry's objectClass what its classes imply. -ENOMEM. Before entry_sort(). */
int class_add_superiors(struct entry *e);
