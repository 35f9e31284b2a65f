/*
 * A server's subschema under random bytes: each line of the input is a definition, of an
 * attribute type or, behind a '!', of an object class. Whatever was taken answers every
 * question within bounds, and is the same once it was kept and read back.
 */
#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "directory/schema-read.h"
#include "fuzz.h"
#include "model/class.h"
#include "model/schema.h"

#define LINES 256
#define NAMES 64 /* questions are asked of so many, from the whole list */

/* libldap 2.5 itself forgets the name of an extension whose values it cannot read: 12 bytes in
 * ldap_str2attributetype(), which valgrind shows without rosterd. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:liblber";
}

static void check_questions(const struct schema *s)
{
    size_t n = 0;
    const char *const *names = schema_names(s, &n);

    for (size_t i = 0; i < n; i += 1 + n / NAMES) {
        struct schema_rules rules = schema_rules(s, names[i]);
        const char *canonical = schema_canonical(s, names[i]);

        DEMAND(strcmp(schema_canonical(s, canonical), canonical) == 0);
        DEMAND(rules.values >= 1 && rules.values <= MATCHING_LAST);
        DEMAND(rules.equality <= MATCHING_LAST && rules.ordering <= MATCHING_LAST &&
               rules.substrings <= MATCHING_LAST);
        DEMAND(schema_is_subtype(s, names[i], names[i]));
        (void)schema_is_subtype(s, names[i], names[n - 1 - i]);
        (void)class_is_a(schema_classes(s), names[i], "person");
    }
    DEMAND(schema_knows(s, "entryUUID"));
    DEMAND(class_is_a(schema_classes(s), "inetOrgPerson", "inetOrgPerson"));
}

static void check_kept(const struct schema *s)
{
    CLEANUP(schema_freep) struct schema *again = NULL;
    CLEANUP(freep) char *kept = schema_to_json(s);

    DEMAND(kept);
    DEMAND(schema_from_json(&again, kept) == 0);
    CLEANUP(freep) char *kept_again = schema_to_json(again);
    DEMAND(kept_again && strcmp(kept, kept_again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(freep) char *text = strndup((const char *)data, size);
    CLEANUP(schema_freep) struct schema *s = NULL;
    const char *types[LINES], *classes[LINES];
    struct schema_definitions d = {.types = types, .classes = classes};
    struct error e = {0};
    char *rest = NULL;

    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (*line == '!' && d.n_classes < LINES)
            classes[d.n_classes++] = line + 1;
        else if (d.n_types < LINES)
            types[d.n_types++] = line;
    }
    DEMAND(schema_read_subschema(&d, &s, &e) == 0);
    if (!s)
        return 0;
    check_questions(s);
    check_kept(s);
    return 0;
}
