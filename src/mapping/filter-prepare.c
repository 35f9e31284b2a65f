/*
 * What each item of a filter means under the server's schema, settled once before any entry is
 * looked at, and everything about it that cannot work or is probably a mistake.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "mapping/filter.h"
#include "mapping/problems.h"

#define RULE_BITS_ALL "1.2.840.113556.1.4.803"
#define RULE_BITS_ANY "1.2.840.113556.1.4.804"
#define RULE_IN_CHAIN "1.2.840.113556.1.4.1941"

struct context {
    const struct filter *filter;
    const struct schema *schema;
    struct problems *problems;
    const struct mapping_text *where;
};

#define REPORT(c, severity, offset, ...)                                                       \
    problems_add((c)->problems, severity, (c)->where,                                          \
                 problems_column((c)->filter->text, offset), __VA_ARGS__)

static const char *matching_words(enum matching m)
{
    switch (m) {
    case MATCHING_CASE_IGNORE:
    case MATCHING_CASE_EXACT: return "text";
    case MATCHING_INTEGER:
    case MATCHING_FILETIME: return "integers";
    case MATCHING_BOOLEAN: return "TRUE or FALSE";
    case MATCHING_DN: return "DNs";
    case MATCHING_OCTETS: return "bytes";
    case MATCHING_TIME: return "times such as 20261124120000Z";
    case MATCHING_NUMERIC: return "digits";
    case MATCHING_TELEPHONE: return "telephone numbers";
    }
    return "something else";
}

static int normalise_parts(struct context *c, struct filter_node *n)
{
    for (size_t i = 0; i < n->n_parts; i++) {
        struct filter_part *part = &n->parts[i];
        int r = matching_normalise(&part->normal, n->matching, part->place, part->bytes,
                                   part->size);
        if (r < 0)
            return r;
        if (r == MATCHING_NO_FORM) {
            n->undefined = true;
            REPORT(c, PROBLEM_WARNING, n->value_at,
                   "'%s' never matches: the values of '%s' are %s", part->bytes,
                   n->attribute.written, matching_words(n->matching));
            return 0;
        }
    }
    return 0;
}

static int prepare_order(struct context *c, struct filter_node *n)
{
    const struct filter_part *part = &n->parts[0];
    int order = matching_order(n->matching, part->bytes, part->size);
    if (order < 0)
        return order;
    if (order == 0) {
        n->undefined = true;
        REPORT(c, PROBLEM_WARNING, n->value_at,
               "'%s' never matches: '>=' and '<=' compare integers and times "
               "(20261124120000Z), and the values of '%s' are %s",
               part->bytes, n->attribute.written, matching_words(n->matching));
        return 0;
    }
    n->matching = (enum matching)order;
    return normalise_parts(c, n);
}

static int prepare_bits(struct context *c, struct filter_node *n)
{
    int64_t ignored;
    n->bits = strcmp(n->rule, RULE_BITS_ALL) == 0 ? FILTER_BITS_ALL : FILTER_BITS_ANY;
    n->matching = MATCHING_INTEGER;
    if (text_parse_signed(n->parts[0].bytes, &ignored) < 0 ||
        strlen(n->parts[0].bytes) != n->parts[0].size)
        REPORT(c, PROBLEM_ERROR, n->value_at, "'%s' is no integer; rule %s takes a number",
               n->parts[0].bytes, n->rule);
    return normalise_parts(c, n);
}

static void report_rule(struct context *c, const struct filter_node *n)
{
    const char *const *names = matching_extensible_names();
    size_t n_names = 0;
    while (names[n_names])
        n_names++;
    const char *nearest = text_nearest(n->rule, names, n_names);
    REPORT(c, PROBLEM_ERROR, n->rule_at,
           "the matching rule '%s' is not evaluated here%s%s%s; known are caseIgnoreMatch, "
           "caseExactMatch and the other equality rules of RFC 4517, " RULE_BITS_ALL
           " and " RULE_BITS_ANY,
           n->rule, nearest ? "; did you mean '" : "", nearest ? nearest : "",
           nearest ? "'?" : "");
}

static int prepare_extensible(struct context *c, struct filter_node *n)
{
    if (n->dn_at)
        REPORT(c, PROBLEM_ERROR, n->dn_at,
               "':dn' is not evaluated here: name an attribute of the entry instead of a part "
               "of its DN");
    if (!n->attribute.written)
        REPORT(c, PROBLEM_ERROR, n->start + 1,
               "a match of rule '%s' over all attributes is not evaluated here: put an "
               "attribute before it",
               n->rule);
    if (n->rule && strcmp(n->rule, RULE_IN_CHAIN) == 0) {
        REPORT(c, PROBLEM_ERROR, n->rule_at,
               "nested membership (" RULE_IN_CHAIN
               ") is not evaluated in a filter: write 'group = %s' in the rule, which follows "
               "nested groups",
               n->parts[0].size ? n->parts[0].bytes : "DN");
        return 0;
    }
    if (n->rule && (strcmp(n->rule, RULE_BITS_ALL) == 0 || strcmp(n->rule, RULE_BITS_ANY) == 0))
        return prepare_bits(c, n);
    if (n->rule) {
        int matching = matching_from_extensible_rule(n->rule);
        if (matching < 0) {
            report_rule(c, n);
            return 0;
        }
        n->matching = (enum matching)matching;
    }
    return n->attribute.written ? normalise_parts(c, n) : 0;
}

static int prepare_substrings(struct context *c, struct filter_node *n)
{
    if (!matching_has_substrings(n->matching)) {
        n->undefined = true;
        REPORT(c, PROBLEM_WARNING, n->value_at,
               "'*' never matches: the values of '%s' are %s, which have no substrings",
               n->attribute.written, matching_words(n->matching));
        return 0;
    }
    return normalise_parts(c, n);
}

static int prepare_attribute(struct context *c, struct filter_node *n)
{
    int r = attribute_name_resolve(&n->attribute, c->schema);
    if (r < 0)
        return r;
    n->matching = schema_matching(c->schema, n->attribute.canonical);
    unsigned column = problems_column(c->filter->text, n->start + 1);
    if (text_equal_ascii_case(n->attribute.canonical, "memberOf") ||
        text_equal_ascii_case(n->attribute.canonical, "isMemberOf"))
        problems_add(c->problems, PROBLEM_WARNING, c->where, column,
                     "'%s' is kept by the server and often missing or late: write "
                     "'group = DN' in the rule, which reads the groups themselves",
                     n->attribute.written);
    /* RFC 4511: an attribute that is not recognized makes the item Undefined. */
    if (attribute_name_check(&n->attribute, c->schema, c->problems, c->where, column))
        n->undefined = true;
    return 0;
}

static int prepare_node(struct context *c, struct filter_node *n)
{
    int r = n->attribute.written ? prepare_attribute(c, n) : 0;
    if (r < 0)
        return r;
    switch (n->kind) {
    case FILTER_AND:
    case FILTER_OR:
    case FILTER_NOT:
        for (size_t i = 0; i < n->n_children; i++) {
            r = prepare_node(c, n->children[i]);
            if (r < 0)
                return r;
        }
        return 0;
    case FILTER_EQUAL:
    case FILTER_APPROXIMATE: return normalise_parts(c, n);
    case FILTER_SUBSTRINGS: return prepare_substrings(c, n);
    case FILTER_NOT_BELOW:
    case FILTER_NOT_ABOVE: return prepare_order(c, n);
    case FILTER_PRESENT: return 0;
    case FILTER_EXTENSIBLE: return prepare_extensible(c, n);
    }
    return 0;
}

int filter_prepare(struct filter *f, const struct schema *schema, struct problems *problems,
                   const struct mapping_text *where)
{
    struct context c = {.filter = f, .schema = schema, .problems = problems, .where = where};
    return prepare_node(&c, f->root);
}
