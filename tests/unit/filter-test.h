/* What the tests of filters share: a prepared filter, and the schemas of three kinds of servers. */
#pragma once
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "directory/schema-read.h"
#include "mapping/filter.h"
#include "mapping/options.h"
#include "mapping/problem-sink.h"
#include "mapping/ruleset.h"
#include "model/entry.h"
#include "model/schema.h"
#include "unit.h"

struct reported {
    unsigned n_errors, n_warnings, column;
    char sentence[800];
};

static void note(const struct problem *p, void *userdata)
{
    struct reported *r = userdata;
    assert_string_equal(p->file, "test.conf");
    assert_int_equal(p->line, 7);
    r->n_errors += p->level != PROBLEM_WARNING;
    r->n_warnings += p->level == PROBLEM_WARNING;
    r->column = p->column;
    snprintf(r->sentence, sizeof(r->sentence), "%s", p->sentence);
}

static struct filter *prepared(const char *text, const struct schema *schema,
                               struct reported *reported)
{
    struct filter *f = NULL;
    struct error e = {0};
    size_t offset;
    struct problem_sink problems = {.report = note, .userdata = reported};
    char file[] = "test.conf";
    struct mapping_text where = {.file = file, .line = 7};
    if (filter_parse(&f, text, &offset, &e) < 0)
        fail_msg("%s: %s", text, e.message);
    assert_int_equal(filter_prepare(f, schema, &problems, &where), 0);
    return f;
}

#define NAMED(oid, name) "( " oid " NAME '" name "' "
#define SYNTAX_OF(n)     "SYNTAX 1.3.6.1.4.1.1466.115.121.1." n " )"
/* The three kinds of servers, each with the definitions that it publishes. */
static const char *const standard_schema[] = {
    NAMED("1.3.6.1.4.1.4203.1.12.2.3.0.1", "olcAccess") "EQUALITY caseIgnoreMatch " SYNTAX_OF("15"),
    NAMED("2.5.4.41", "name") "EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch " SYNTAX_OF("15"),
    NAMED("2.5.4.4", "sn") "SUP name )",
    NAMED("2.16.840.1.113730.3.1.3", "employeeNumber") "EQUALITY caseIgnoreMatch " SYNTAX_OF("15"),
    NAMED("1.2.3.1", "xOrdered") "SUP name ORDERING caseIgnoreOrderingMatch )",
    NAMED("2.5.4.24", "x121Address") "EQUALITY numericStringMatch ORDERING numericStringOrderingMatch " SYNTAX_OF("36"),
    NAMED("2.5.4.16", "postalAddress") "EQUALITY caseIgnoreListMatch " SYNTAX_OF("41"),
    NAMED("2.5.4.20", "telephoneNumber") "EQUALITY telephoneNumberMatch " SYNTAX_OF("50"),
    NAMED("0.9.2342.19200300.100.1.10", "manager") "EQUALITY distinguishedNameMatch " SYNTAX_OF("12"),
    NAMED("1.2.3.2", "xNumber") "EQUALITY integerMatch " SYNTAX_OF("27"),
    NAMED("2.5.4.35", "userPassword") "EQUALITY octetStringMatch " SYNTAX_OF("40"),
    NAMED("1.2.3.3", "xFlag") "EQUALITY booleanMatch " SYNTAX_OF("7"),
};

static const char *const netscape_schema[] = {
    NAMED("2.16.840.1.113730.3.1.542", "nsUniqueId") "EQUALITY caseIgnoreMatch " SYNTAX_OF("15"),
    NAMED("2.5.4.4", "sn") "EQUALITY caseIgnoreMatch " SYNTAX_OF("15"),
    NAMED("2.16.840.1.113730.3.1.3", "employeeNumber") "EQUALITY caseIgnoreMatch " SYNTAX_OF("15"),
    NAMED("0.9.2342.19200300.100.1.10", "manager") "EQUALITY distinguishedNameMatch " SYNTAX_OF("12"),
    NAMED("2.5.4.20", "telephoneNumber") "EQUALITY telephoneNumberMatch " SYNTAX_OF("50"),
};

static const char *const microsoft_schema[] = {
    NAMED("1.2.840.113556.1.4.221", "sAMAccountName") SYNTAX_OF("15"),
    NAMED("2.5.4.4", "sn") SYNTAX_OF("15"),
    NAMED("1.2.840.113556.1.4.782", "objectCategory") SYNTAX_OF("12"),
    NAMED("1.2.840.113556.1.4.2", "objectGUID") SYNTAX_OF("40"),
    NAMED("1.2.840.113556.1.4.146", "objectSid") SYNTAX_OF("40"),
    NAMED("0.9.2342.19200300.100.1.10", "manager") SYNTAX_OF("12"),
    NAMED("1.3.6.1.1.1.1.4", "loginShell") SYNTAX_OF("26"),
    NAMED("1.2.840.113556.1.4.8", "userAccountControl") SYNTAX_OF("27"),
};

static struct schema *schema_of(const char *const *definitions, size_t n)
{
    struct schema *schema = NULL;
    struct error e = {0};
    if (schema_read_subschema(&(struct schema_definitions){.types = definitions, .n_types = n},
                              &schema, &e) < 0)
        fail_msg("%s", e.message);
    return schema;
}
