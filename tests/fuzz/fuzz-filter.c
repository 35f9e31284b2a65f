/*
 * Filters under random bytes: the parser, the schema's preparation, the evaluation and its
 * explanation. What we accept libldap must accept too; it is the one that sends filters.
 */
#include "config.h"

#include <lber.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "fuzz.h"
#include "mapping/filter.h"
#include "mapping/problem-sink.h"
#include "model/entry.h"
#include "model/schema.h"

int ldap_pvt_put_filter(BerElement *ber, const char *str); /* exported, in no header */

static void evaluate(struct filter *f)
{
    static struct schema *schema; /* costly; the same for all */
    if (!schema)
        schema = schema_new();
    struct entry *entry = entry_new("1", "cn=x", ENTRY_PERSON);
    struct problem_sink problems = {0};
    struct subject subject;
    struct buffer text = {0};
    static const char *const pairs[][2] = {{"cn", "Jos\xc3\xa9 a  b"},
                                           {"cn;lang-de", "a*b"},
                                           {"uidNumber", "12"},
                                           {"manager", "cn=a,dc=b"},
                                           {"objectGUID", "\xff\x01"}};
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        entry_add_value(entry, pairs[i][0], pairs[i][1], strlen(pairs[i][1]));
    entry_sort(entry);
    filter_prepare(f, schema, &problems, NULL);
    subject_init(&subject, entry, schema);
    if (!problems.failed) {
        filter_evaluate(f, &subject);
        filter_explain(f, &subject, &text);
    }
    buffer_done(&text);
    subject_done(&subject);
    entry_free(entry);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = strndup((const char *)data, size);
    struct filter *f = NULL;
    struct error e = {0};
    size_t offset = 0;
    if (filter_parse(&f, text, &offset, &e) == 0) {
        BerElement *ber = ber_alloc_t(LBER_USE_DER);
        if (ldap_pvt_put_filter(ber, text) == -1)
            abort(); /* libldap could not send it */
        ber_free(ber, 1);
        evaluate(f);
    } else if (offset > strlen(text) || !e.message[0]) {
        abort();
    }
    filter_free(f);
    free(text);
    return 0;
}
