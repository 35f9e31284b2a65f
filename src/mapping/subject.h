/*
 * An attribute as the configuration names it, and an entry seen through the schema, so that
 * `surname` finds `sn` and `cn` finds `cn;lang-de`.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "mapping/problem-sink.h"

struct attribute;
struct entry;
struct mapping_text;
struct schema;
struct value;

struct attribute_name {
    char *written;       /* "surname;lang-de" */
    char *canonical;     /* "sn" */
    const char *options; /* "lang-de", borrowed from written; NULL: none */
};
/* Bytes of the attribute description (RFC 4512 2.5) that `text` begins with; 0: none. */
size_t attribute_name_size(const char *text);
/* schema may be NULL: the canonical name is then the one written. -ENOMEM. */
int attribute_name_init(struct attribute_name *n, const char *text, size_t size);
int attribute_name_resolve(struct attribute_name *n, const struct schema *schema);
void attribute_name_done(struct attribute_name *n);
/* Reports an attribute that the server does not know, with what may have been meant. Returns
 * true if it is unknown. */
bool attribute_name_check(const struct attribute_name *n, const struct schema *schema,
                          enum problem_level level, struct problem_sink *problems,
                          const struct mapping_text *where, unsigned column);

struct subject {
    const struct entry *entry;
    const struct schema *schema;
    const char **canonical;     /* for each attribute of the entry; borrowed from the schema */
    const struct value *forced; /* taken instead of the others of its attribute, or NULL */
};
/* What a template can take: text that is neither blank nor longer. */
#define SUBJECT_VALUE_MAX 1024

int subject_init(struct subject *s, const struct entry *entry, const struct schema *schema);
void subject_done(struct subject *s);
/* Attribute i of the entry is the one of that canonical name, with whatever options. */
bool subject_is(const struct subject *s, size_t i, const char *canonical);
/* It has all of these options ("lang-de;x"), and perhaps more (RFC 4512 2.5.2). */
bool subject_has_options(const struct subject *s, size_t i, const char *options);
/* Templates: the plain attribute, else the first with options; a name with options finds just
 * that. NULL: absent. */
const struct attribute *subject_attribute(const struct subject *s, const struct attribute_name *n);
bool subject_value_is_usable(const struct value *v);
/* Of several values the one in the RDN, then the first usable one, in the order of bytes, since
 * servers give them in none. `begins`, unless NULL: only among those that begin (`at_end`: end)
 * so. *ret NULL: there is no such value. Or -ENOMEM. */
int subject_value(const struct subject *s, const struct attribute *a, const char *begins,
                  bool at_end, const struct value **ret);
