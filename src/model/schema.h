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
                MATCHING_FILETIME =
                    10, /* Active Directory: 100 ns since 1601; compared as integers */
                /* Finer ones, of schema_rules alone: */
                MATCHING_LIST = 11, /* postalAddress: each line as CASE_IGNORE */
                MATCHING_UUID = 12,
                MATCHING_OID = 13,             /* object identifiers: names without case */
                MATCHING_TELEPHONE_EXACT = 14, /* as OpenLDAP compares them: with case */
                MATCHING_IA5_IGNORE = 15,      /* ASCII alone */
                MATCHING_IA5_EXACT = 16,
                MATCHING_LAST = MATCHING_IA5_EXACT,
};

/* By what the values of an attribute are compared; 0: by nothing, the comparison is Undefined.
 * A server says so with EQUALITY, ORDERING and SUBSTR. What is not said, as by the built-in
 * table, is whatever any server could do with such values. */
struct schema_rules {
    enum matching values; /* what they are, never 0 */
    enum matching equality, ordering, substrings;
};

/* Whose rules hold where servers differ. */
enum schema_kind { /* stored: never renumber */
                   SCHEMA_BUILT_IN = 0,
                   SCHEMA_STANDARD =
                       1,          /* the rules that it publishes, strictly: OpenLDAP and others */
                   SCHEMA_389 = 2, /* orders and cuts whatever its syntaxes allow */
                   SCHEMA_ACTIVE_DIRECTORY = 3,
};

/* How the server compares names. */
enum schema_naming {
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
/* An attribute type by any of its names or its OID, of n bytes: its first name (borrowed; not
 * terminated) and how its values match. Unknown: as above. s NULL: the built-in table. */
struct schema_type {
    const char *name;
    size_t n_name;
    enum matching matching;
};
struct schema_type schema_describe(const struct schema *s, const char *name, size_t n);
enum schema_naming schema_naming(const struct schema *s); /* as its kind of server; NULL: by rule */
/* The object classes, with the built-in ones; borrowed. s NULL: NULL. */
const struct class_list *schema_classes(const struct schema *s);
int schema_add_class(struct schema *s, const char *oid, const char *const *names, size_t n_names,
                     const char *const *superiors, size_t n_superiors);
/* From the server, or built in while there is no server's schema. Operational attributes, which
 * servers leave out, are always known. */
bool schema_knows(const struct schema *s, const char *attribute);
bool schema_is_from_server(const struct schema *s);
void schema_set_from_server(struct schema *s);
enum schema_kind schema_kind(const struct schema *s);
void schema_set_kind(struct schema *s, enum schema_kind kind);
/* Of an attribute that schema_add() has taken: what the server says of its comparisons, and the
 * attribute type that it is a subtype of (NULL: none; it need not be known yet). -ENOMEM. */
int schema_set_rules(struct schema *s, const char *attribute, const struct schema_rules *rules,
                     const char *superior);
struct schema_rules schema_rules(const struct schema *s, const char *attribute);
/* What any server could do with values that match so. */
struct schema_rules schema_rules_of(enum matching matching);
/* Whether the attribute is the other one or, over any number of steps, a subtype of it. */
bool schema_is_subtype(const struct schema *s, const char *attribute, const char *of);
/* All canonical names, for "did you mean"; borrowed, valid until the schema changes. */
const char *const *schema_names(const struct schema *s, size_t *ret_n);
/* EQUALITY rule name or OID, or else the SYNTAX OID -> matching; CASE_IGNORE when unknown. */
enum matching schema_matching_from_rule(const char *equality, const char *syntax_oid);
/* The same, with the finer ones. */
enum matching schema_values_from_rule(const char *equality, const char *syntax_oid);
/* JSON text for the state file, and back; malloc'd. */
char *schema_to_json(const struct schema *s);
int schema_from_json(struct schema **ret, const char *json);
static inline void schema_freep(struct schema **s)
{
    if (*s)
        schema_free(*s);
}
