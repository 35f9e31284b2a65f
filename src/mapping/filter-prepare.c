/*
 * What each item of a filter means under the server's schema, settled once before any entry is
 * looked at, and everything about it that cannot work or is probably a mistake.
 */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/text.h"
#include "mapping/filter-special.h"
#include "mapping/filter.h"
#include "mapping/problem-sink.h"

#define RULE_BITS_ALL "1.2.840.113556.1.4.803"
#define RULE_BITS_ANY "1.2.840.113556.1.4.804"
#define RULE_IN_CHAIN "1.2.840.113556.1.4.1941"

struct context {
    const struct filter *filter;
    const struct schema *schema;
    struct problem_sink *problems;
    const struct mapping_text *where;
    enum schema_kind kind;
};

#define REPORT(c, level, offset, ...)                                                              \
    problem_tell((c)->problems, level, (c)->where,                                                 \
                 problem_column((c)->problems, (c)->filter->text, offset), __VA_ARGS__)
/* Undefined, whatever the entry, and a sentence why. */
#define NEVER(c, n, offset, ...)                                                                   \
    ((n)->undefined = true, REPORT(c, PROBLEM_WARNING, offset, __VA_ARGS__))

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
    case MATCHING_TELEPHONE:
    case MATCHING_TELEPHONE_EXACT: return "telephone numbers";
    case MATCHING_LIST: return "postal addresses";
    case MATCHING_UUID: return "UUIDs";
    case MATCHING_OID: return "names of schema elements";
    case MATCHING_IA5_IGNORE:
    case MATCHING_IA5_EXACT:
    default: return "ASCII text";
    }
}

/* A server that keeps to the standard takes no assertion that could not be a value. */
static bool is_strict(const struct context *c)
{
    return c->kind == SCHEMA_STANDARD;
}

/* The types in a DN must be known too. The key of a DN has them before '=', behind '\n' or '+',
 * which its values escape. */
static bool has_unknown_type(const struct context *c, const struct normal *key)
{
    for (const char *at = key->data; is_strict(c) && *at;) {
        size_t size = strcspn(at, "=");
        char type[128];
        if (size >= sizeof(type))
            return true;
        memcpy(type, at, size);
        type[size] = '\0';
        if (!schema_knows(c->schema, type))
            return true;
        at += size + strcspn(at + size, "\n+");
        at += *at != '\0';
    }
    return false;
}

static int normalise_parts(struct context *c, struct filter_node *n)
{
    for (size_t i = 0; i < n->n_parts; i++) {
        struct filter_part *part = &n->parts[i];
        int r = MATCHING_NO_FORM;
        if (!is_strict(c) || matching_is_assertion(n->matching, part->bytes, part->size))
            r = matching_normalise(&part->normal, c->schema, n->matching, part->place, part->bytes,
                                   part->size);
        if (r < 0)
            return r;
        if (r == MATCHING_NO_FORM || (n->matching == MATCHING_DN && part->place == PART_WHOLE &&
                                      has_unknown_type(c, &part->normal))) {
            NEVER(c, n, n->value_at, "'%s' never matches: the values of '%s' are %s", part->bytes,
                  n->attribute.written, matching_words(n->matching));
            return 0;
        }
    }
    return 0;
}

static int prepare_order(struct context *c, struct filter_node *n, enum matching ordering)
{
    if (ordering == 0) {
        NEVER(c, n, n->value_at,
              "'%s' never matches: the directory's schema has no order for the values of '%s', "
              "which are %s",
              n->parts[0].bytes, n->attribute.written, matching_words(n->matching));
        return 0;
    }
    n->matching = ordering;
    return normalise_parts(c, n);
}

static int prepare_bits(struct context *c, struct filter_node *n, bool all)
{
    int64_t ignored;
    n->bits = all ? FILTER_BITS_ALL : FILTER_BITS_ANY;
    if (n->matching != MATCHING_INTEGER && n->matching != MATCHING_FILETIME &&
        c->kind != SCHEMA_BUILT_IN) {
        NEVER(c, n, n->rule_at,
              "the rule '%s' never matches: it compares bits of numbers, and the values of "
              "'%s' are %s",
              n->rule, n->attribute.written, matching_words(n->matching));
        return 0;
    }
    n->matching = MATCHING_INTEGER;
    if (text_parse_signed(n->parts[0].bytes, &ignored) < 0 ||
        strlen(n->parts[0].bytes) != n->parts[0].size)
        REPORT(c, PROBLEM_ERROR, n->value_at, "'%s' is not an integer; rule %s takes a number",
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
           n->rule, nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

/* Rules with and without case are for the same values. */
static enum matching family_of(enum matching m)
{
    return m == MATCHING_CASE_EXACT        ? MATCHING_CASE_IGNORE
           : m == MATCHING_IA5_EXACT       ? MATCHING_IA5_IGNORE
           : m == MATCHING_TELEPHONE_EXACT ? MATCHING_TELEPHONE
           : m == MATCHING_FILETIME        ? MATCHING_INTEGER
                                           : m;
}

/* RFC 4511 4.5.1.7.7: a rule that does not suit the attribute makes the item Undefined. */
static bool rule_suits(const struct context *c, enum matching rule, enum matching values)
{
    if (c->kind != SCHEMA_STANDARD)
        return c->kind != SCHEMA_ACTIVE_DIRECTORY;
    rule = family_of(rule);
    values = family_of(values);
    if (values == MATCHING_UUID)
        return false; /* UUIDMatch is for equality alone */
    return rule == values || (rule == MATCHING_CASE_IGNORE && values == MATCHING_TELEPHONE);
}

static int prepare_rule(struct context *c, struct filter_node *n)
{
    if (strcmp(n->rule, RULE_IN_CHAIN) == 0) {
        REPORT(c, PROBLEM_ERROR, n->rule_at,
               "nested membership (" RULE_IN_CHAIN
               ") is not evaluated in a filter: write 'group = %s' in the rule, which follows "
               "nested groups",
               n->parts[0].size ? n->parts[0].bytes : "DN");
        return 0;
    }
    bool all =
        strcmp(n->rule, RULE_BITS_ALL) == 0 || text_equal_ascii_case(n->rule, "integerBitAndMatch");
    if (all || strcmp(n->rule, RULE_BITS_ANY) == 0 ||
        text_equal_ascii_case(n->rule, "integerBitOrMatch"))
        return prepare_bits(c, n, all);
    int matching = matching_from_extensible_rule(n->rule);
    if (matching < 0) {
        report_rule(c, n);
        return 0;
    }
    if (!rule_suits(c, (enum matching)matching, n->matching)) {
        NEVER(c, n, n->rule_at,
              "the rule '%s' never matches: the directory does not use it for '%s', whose "
              "values are %s",
              n->rule, n->attribute.written, matching_words(n->matching));
        return 0;
    }
    n->matching = (enum matching)matching;
    return normalise_parts(c, n);
}

static int prepare_equality(struct context *c, struct filter_node *n, enum matching equality);

static int prepare_extensible(struct context *c, struct filter_node *n, enum matching equality)
{
    if (n->dn_at)
        REPORT(c, PROBLEM_ERROR, n->dn_at,
               "':dn' is not evaluated here: name an attribute of the entry instead of a part "
               "of its DN");
    if (!n->attribute.written) {
        REPORT(c, PROBLEM_ERROR, n->start + 1,
               "a match of rule '%s' over all attributes is not evaluated here: put an "
               "attribute before it",
               n->rule);
        return 0;
    }
    if (n->rule)
        return prepare_rule(c, n);
    bool suits = c->kind == SCHEMA_ACTIVE_DIRECTORY || rule_suits(c, equality, n->matching);
    return prepare_equality(c, n, suits ? equality : 0);
}

static int prepare_substrings(struct context *c, struct filter_node *n, enum matching substrings)
{
    if (substrings == 0) {
        NEVER(c, n, n->value_at,
              "'*' never matches: the directory has no substrings for the values of '%s', which "
              "are %s",
              n->attribute.written, matching_words(n->matching));
        return 0;
    }
    n->matching = substrings;
    return normalise_parts(c, n);
}

static int prepare_equality(struct context *c, struct filter_node *n, enum matching equality)
{
    if (equality == 0) {
        NEVER(c, n, n->value_at,
              "'%s' never matches: the directory's schema has no equality for the values of "
              "'%s', which are %s",
              n->parts[0].bytes, n->attribute.written, matching_words(n->matching));
        return 0;
    }
    n->matching = equality;
    int r = filter_special_prepare(n, c->schema);
    if (r == FILTER_SPECIAL_UNKNOWN_CLASS) {
        n->undefined = true;
        REPORT(c, PROBLEM_UNDECIDABLE, n->value_at,
               "the directory's schema has no object class '%s', so this is neither true nor "
               "false for anybody",
               n->parts[0].bytes);
        return 0;
    }
    if (r == FILTER_SPECIAL_PREPARED)
        return 0;
    return r < 0 ? r : normalise_parts(c, n);
}

/* What RFC 4523 transfers as ";binary". */
static bool is_certificate(const struct filter_node *n)
{
    return strcasestr(n->attribute.canonical, "certificate") ||
           strcasestr(n->attribute.canonical, "revocationList");
}

/* RFC 4512 2.5: an option that is not recognised makes the whole description unknown. */
static void check_options(struct context *c, struct filter_node *n)
{
    for (const char *option = n->attribute.options; option && !n->undefined;) {
        size_t size = strcspn(option, ";");
        bool language = size >= 5 && strncasecmp(option, "lang-", 5) == 0;
        bool binary = size == 6 && strncasecmp(option, "binary", 6) == 0;
        bool known = c->kind == SCHEMA_STANDARD ? language || (binary && is_certificate(n))
                     : c->kind == SCHEMA_ACTIVE_DIRECTORY ? binary
                                                          : true;
        if (!known)
            NEVER(c, n, n->start + 1, "'%s' never matches: the directory knows no option '%.*s'%s",
                  n->attribute.written, (int)size, option,
                  binary ? " for attributes of this kind" : "");
        option = option[size] ? option + size + 1 : NULL;
    }
}

/* The attribute and its subtypes, by their canonical names. */
static int find_types(struct context *c, struct filter_node *n)
{
    size_t n_names;
    const char *const *names = schema_names(c->schema, &n_names);
    int r = string_list_add(&n->types, n->attribute.canonical);
    for (size_t i = 0; r == 0 && i < n_names; i++)
        if (!text_equal_ascii_case(names[i], n->attribute.canonical) &&
            schema_is_subtype(c->schema, names[i], n->attribute.canonical))
            r = string_list_add(&n->types, names[i]);
    return r;
}

static int prepare_attribute(struct context *c, struct filter_node *n)
{
    int r = attribute_name_resolve(&n->attribute, c->schema);
    if (r == 0)
        r = find_types(c, n);
    if (r < 0)
        return r;
    n->matching = schema_rules(c->schema, n->attribute.canonical).values;
    unsigned column = problem_column(c->problems, c->filter->text, n->start + 1);
    if (text_equal_ascii_case(n->attribute.canonical, "memberOf") ||
        text_equal_ascii_case(n->attribute.canonical, "isMemberOf"))
        problem_tell(c->problems, PROBLEM_WARNING, c->where, column,
                     "'%s' is kept by the server and often missing or late: write "
                     "'group = DN' in the rule, which reads the groups themselves",
                     n->attribute.written);
    if (text_equal_ascii_case(n->attribute.canonical, "aNR"))
        problem_tell(c->problems, PROBLEM_ERROR, c->where, column,
                     "'anr' searches several attributes in Active Directory's own way, which "
                     "is not evaluated here: name the attributes");
    /* RFC 4511: an attribute that is not recognised makes the item Undefined. */
    if (attribute_name_check(&n->attribute, c->schema, PROBLEM_UNDECIDABLE, c->problems, c->where,
                             column))
        n->undefined = true;
    check_options(c, n);
    return 0;
}

static int prepare_node(struct context *c, struct filter_node *n)
{
    struct schema_rules rules = {0};
    if (n->attribute.written) {
        int r = prepare_attribute(c, n);
        if (r < 0 || n->undefined)
            return r;
        rules = schema_rules(c->schema, n->attribute.canonical);
    }
    switch (n->kind) {
    case FILTER_AND:
    case FILTER_OR:
    case FILTER_NOT:
        for (size_t i = 0; i < n->n_children; i++) {
            int r = prepare_node(c, n->children[i]);
            if (r < 0)
                return r;
        }
        return 0;
    case FILTER_EQUAL:
    case FILTER_APPROXIMATE: return prepare_equality(c, n, rules.equality);
    case FILTER_SUBSTRINGS: return prepare_substrings(c, n, rules.substrings);
    case FILTER_NOT_BELOW:
    case FILTER_NOT_ABOVE: return prepare_order(c, n, rules.ordering);
    case FILTER_EXTENSIBLE: return prepare_extensible(c, n, rules.equality);
    case FILTER_PRESENT:
    default: return 0;
    }
}

int filter_prepare(struct filter *f, const struct schema *schema, struct problem_sink *problems,
                   const struct mapping_text *where)
{
    struct context c = {.filter = f,
                        .schema = schema,
                        .problems = problems,
                        .where = where,
                        .kind = schema_kind(schema)};
    problems->text = NULL; /* another one may stand there by now */
    return prepare_node(&c, f->root);
}

enum { /* the results that a node can have */
       CAN_BE_FALSE = 1 << FILTER_FALSE,
       CAN_BE_TRUE = 1 << FILTER_TRUE,
       CAN_BE_UNDEFINED = 1 << FILTER_UNDEFINED,
};

/* One result of a set, from one of what came before it and one of the next child. */
static int combine(enum filter_kind kind, int a, int b)
{
    int stop = kind == FILTER_AND ? FILTER_FALSE : FILTER_TRUE;
    if (a == stop || b == stop)
        return stop;
    return a == FILTER_UNDEFINED || b == FILTER_UNDEFINED ? FILTER_UNDEFINED : a;
}

static unsigned possible_results(const struct filter_node *n)
{
    if (n->kind == FILTER_NOT) {
        unsigned of = possible_results(n->children[0]);
        return (of & CAN_BE_UNDEFINED) | (of & CAN_BE_TRUE ? CAN_BE_FALSE : 0) |
               (of & CAN_BE_FALSE ? CAN_BE_TRUE : 0);
    }
    if (n->kind != FILTER_AND && n->kind != FILTER_OR)
        return n->undefined ? CAN_BE_UNDEFINED : CAN_BE_FALSE | CAN_BE_TRUE;
    unsigned results = n->kind == FILTER_AND ? CAN_BE_TRUE : CAN_BE_FALSE;
    for (size_t i = 0; i < n->n_children; i++) {
        unsigned next = possible_results(n->children[i]), both = 0;
        for (int a = 0; a <= FILTER_UNDEFINED; a++)
            for (int b = 0; b <= FILTER_UNDEFINED; b++)
                if (results & 1U << a && next & 1U << b)
                    both |= 1U << combine(n->kind, a, b);
        results = both;
    }
    return results;
}

bool filter_can_match(const struct filter *f)
{
    return possible_results(f->root) & CAN_BE_TRUE;
}
