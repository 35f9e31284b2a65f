/*
 * RFC 4515 filters: parsed with the position of an error, evaluated on an entry with the three
 * values of RFC 4511 4.5.1.7. Blanks between components are allowed, so that a long filter can
 * be laid out; blanks inside one are not.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"
#include "mapping/matching.h"
#include "mapping/subject.h"

struct buffer;
struct error;
struct mapping_text;
struct problem_sink;
struct schema;

enum filter_kind {
    FILTER_AND = 1,
    FILTER_OR = 2,
    FILTER_NOT = 3,
    FILTER_EQUAL = 4,
    FILTER_APPROXIMATE = 5,
    FILTER_SUBSTRINGS = 6,
    FILTER_NOT_BELOW = 7, /* >= */
    FILTER_NOT_ABOVE = 8, /* <= */
    FILTER_PRESENT = 9,
    FILTER_EXTENSIBLE = 10,
};

enum filter_bits { /* Active Directory's bit rules */
                   FILTER_BITS_NONE = 0,
                   FILTER_BITS_ALL = 1, /* 1.2.840.113556.1.4.803 */
                   FILTER_BITS_ANY = 2, /* 1.2.840.113556.1.4.804 */
};

struct filter_part {
    char *bytes; /* unescaped */
    size_t size;
    enum part_place place;
    struct normal normal; /* by filter_prepare() */
};

struct filter_node {
    enum filter_kind kind;
    size_t start, end; /* of its text, brackets included */
    struct filter_node **children;
    size_t n_children, children_capacity;
    struct attribute_name attribute; /* written is NULL in ":rule:=value" */
    char *rule;                      /* of an extensible match, or NULL */
    size_t dn_at, rule_at, value_at; /* offsets; dn_at 0: no ":dn" */
    struct filter_part *parts;       /* one but for substrings */
    size_t n_parts, parts_capacity;
    /* By filter_prepare(): */
    struct string_list types; /* canonical: the attribute and its subtypes (RFC 4512 2.5.1) */
    enum matching matching;
    enum filter_bits bits;
    bool category;  /* Active Directory: a class stands for the DN of its category */
    bool undefined; /* whatever the entry */
};

struct filter {
    char *text;
    struct filter_node *root;
};

/* -EINVAL with a sentence, and the byte offset of the error in *ret_offset; -ENOMEM. */
int filter_parse(struct filter **ret, const char *text, size_t *ret_offset, struct error *e);
struct filter *filter_free(struct filter *f);
/* Settles by the schema how each item matches; reports every item that cannot be evaluated or
 * looks mistaken, at its place. schema is borrowed only during the call. 0 (also with problems)
 * or -ENOMEM. */
int filter_prepare(struct filter *f, const struct schema *schema, struct problem_sink *problems,
                   const struct mapping_text *where);
/* Whether there can be an entry for which it is true (after filter_prepare()). */
bool filter_can_match(const struct filter *f);
/* Canonical names, subtypes with them (after filter_prepare(), else as written without
 * options), once each. */
int filter_collect(const struct filter *f, struct string_list *ret);

#define FILTER_FALSE     0
#define FILTER_TRUE      1
#define FILTER_UNDEFINED 2 /* what an entry cannot decide; selects nothing, also under "!" */
/* One of these or -ENOMEM. */
int filter_evaluate(const struct filter *f, const struct subject *s);
/* "(x=y) is false: employeeType is 'Temp'" */
int filter_explain(const struct filter *f, const struct subject *s, struct buffer *to);

static inline void filter_freep(struct filter **f)
{
    if (*f)
        filter_free(*f);
}
