/*
 * Templates under random bytes, on an entry whose value is random too: the first line of the
 * input is the template, the rest the value.
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "fuzz.h"
#include "mapping/problem-sink.h"
#include "mapping/subject.h"
#include "mapping/template.h"
#include "model/entry.h"
#include "model/schema.h"

static void expand(struct template *t, const uint8_t *value, size_t size)
{
    static struct schema *schema; /* costly; the same for all */
    if (!schema)
        schema = schema_new();
    struct entry *entry = entry_new("1", "cn=x", ENTRY_PERSON);
    struct problem_sink problems = {0};
    struct subject subject;
    struct error e = {0};
    const char *code = NULL;
    char *text = NULL;
    entry_add_value(entry, "a", value, size);
    entry_add_value(entry, "b", "J\xc3\xb6rg van Dyk", 13);
    entry_sort(entry);
    template_prepare(t, schema, &problems, NULL);
    subject_init(&subject, entry, schema);
    int r = template_expand(t, &subject, &text, &code, &e);
    if (r == 0 && (strlen(text) > TEMPLATE_OUTPUT_MAX || !text_is_utf8(text, strlen(text)) ||
                   text_has_control(text, strlen(text))))
        abort(); /* it would have reached the tenant */
    if (r != 0 && (!code || !e.message[0]))
        abort();
    free(text);
    subject_done(&subject);
    entry_free(entry);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = memchr(data, '\n', size);
    size_t n = newline ? (size_t)(newline - data) : size;
    char *text = strndup((const char *)data, n);
    struct template *t = NULL;
    struct error e = {0};
    size_t offset = 0;
    if (template_parse(&t, text, &offset, &e) == 0)
        expand(t, newline ? newline + 1 : data, newline ? size - n - 1 : 0);
    else if (offset > strlen(text) || !e.message[0])
        abort();
    template_free(t);
    free(text);
    return 0;
}
