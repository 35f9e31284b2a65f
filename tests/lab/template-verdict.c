/*
 * What rosterd's templates give: reads JSON on standard input, a list of
 *   {"template": text, "attributes": {name: [texts]}}
 * and prints a line for each: "= " and the text, or "! " and why not. tests/lab/compare-templates
 * holds it against the shell.
 */
#include "config.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "mapping/problem-sink.h"
#include "mapping/subject.h"
#include "mapping/template.h"
#include "model/entry.h"
#include "model/schema.h"

static void fail(const char *what)
{
    fprintf(stderr, "template-verdict: %s\n", what);
    exit(2);
}

static struct entry *read_entry(json_t *object)
{
    struct entry *entry = entry_new("1", "cn=x", ENTRY_PERSON);
    const char *name;
    json_t *values;
    json_object_foreach(object, name, values)
    {
        for (size_t i = 0; entry && i < json_array_size(values); i++) {
            json_t *value = json_array_get(values, i);
            if (entry_add_value(entry, name, json_string_value(value),
                                json_string_length(value)) < 0)
                fail("a value cannot be taken");
        }
    }
    if (!entry)
        fail("out of memory");
    entry_sort(entry);
    return entry;
}

static void expand(const char *text, const struct schema *schema, struct entry *entry)
{
    CLEANUP(template_freep) struct template *t = NULL;
    CLEANUP(freep) char *result = NULL;
    struct problem_sink problems = {0};
    struct subject subject;
    struct error e = {0};
    const char *code = NULL;
    size_t offset;
    if (template_parse(&t, text, &offset, &e) < 0) {
        printf("! %s\n", e.message);
        return;
    }
    if (template_prepare(t, schema, &problems, NULL) < 0 ||
        subject_init(&subject, entry, schema) < 0)
        fail("out of memory");
    int r = template_expand(t, &subject, &result, &code, &e);
    subject_done(&subject);
    if (r == 0)
        printf("= %s\n", result);
    else
        printf("! %s\n", e.message);
}

int main(void)
{
    json_error_t error;
    json_auto_t *input = json_loadf(stdin, 0, &error);
    if (!input)
        fail(error.text);
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    for (size_t i = 0; i < json_array_size(input); i++) {
        json_t *row = json_array_get(input, i);
        CLEANUP(entry_freep) struct entry *entry = read_entry(json_object_get(row, "attributes"));
        expand(json_string_value(json_object_get(row, "template")), schema, entry);
    }
    return 0;
}
