/*
 * What the mapping must know of the server's schema: names of one attribute, and how its values
 * match. A plain value: the directory fills it from the subschema entry (RFC 4512 4.2), state
 * keeps it, mapping reads it. Without a server's schema the built-in table of common attributes
 * serves.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct class_list;
struct schema;

enum matching { /* stored: never renumber */
    MATCHING_CASE_IGNORE = 1,
    MATCHING_CASE_EXACT = 2,
    MATCHING_INTEGER = 3,
    MATCHING_BOOLEAN = 4,
    MATCHING_DN = 5,
    MATCHING_OCTETS = 6,
    MATCHING_TIME = 7,      /* generalizedTime */
    MATCHING_NUMERIC = 8,   /* numericString: blanks do not count */
    MATCHING_TELEPHONE = 9, /* blanks and hyphens do not count */
    MATCHING_FILETIME = 10, /* Active Directory: 100 ns since 1601; compared as integers */
};

/* How the server compares names. */
enum schema_naming {       /* stored: never renumber */
    SCHEMA_NAMES_BY_RULE = 0, /* by the equality rules of the naming attributes: OpenLDAP, RFCs */
    SCHEMA_NAMES_BY_CASE = 1, /* types as written, all values without regard to case: 389 DS,
                                 Active Directory */
};

struct schema *schema_new(void); /* with the built-in table; NULL when out of memory */
struct schema *schema_free(struct schema *s);
/* names: the attribute's names, the first is canonical; oid may be NULL. Replaces what was
 * known. */
int schema_add(struct schema *s, const char *oid, const char *const *names, size_t n_names,
               enum matching matching, bool single_value);
/* Looks an attribute description up by any of its names or its OID, options ignored. Unknown:
 * the name itself and MATCHING_CASE_IGNORE. */
enum matching schema_matching(const struct schema *s, const char *attribute);
const char *schema_canonical(const struct schema *s, const char *attribute); /* borrowed */
bool schema_knows(const struct schema *s,
                  const char *attribute); /* from the server or built in */
/* An attribute type by any of its names or its OID, of n bytes: its first name (borrowed; not
 * terminated) and how its values match. Unknown: as above. s NULL: the built-in table. */
struct schema_type {
    const char *name;
    size_t n_name;
    enum matching matching;
};
struct schema_type schema_describe(const struct schema *s, const char *name, size_t n);
enum schema_naming schema_naming(const struct schema *s); /* NULL: by rule */
void schema_set_naming(struct schema *s, enum schema_naming naming);
/* The object classes, with the built-in ones; borrowed. s NULL: NULL. */
const struct class_list *schema_classes(const struct schema *s);
int schema_add_class(struct schema *s, const char *oid, const char *const *names,
                     size_t n_names, const char *const *superiors, size_t n_superiors);
bool schema_is_from_server(const struct schema *s);
void schema_set_from_server(struct schema *s);
/* All canonical names, for "did you mean"; borrowed, valid until the schema changes. */
const char *const *schema_names(const struct schema *s, size_t *ret_n);
/* EQUALITY rule name or OID, or else the SYNTAX OID -> matching; CASE_IGNORE when unknown. */
enum matching schema_matching_from_rule(const char *equality, const char *syntax_oid);
/* JSON text for the state file, and back; malloc'd. */
char *schema_to_json(const struct schema *s);
int schema_from_json(struct schema **ret, const char *json);
static inline void schema_freep(struct schema **s)
{
    if (*s)
        schema_free(*s);
}
