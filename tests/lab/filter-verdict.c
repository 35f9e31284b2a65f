/*
 * What rosterd's own filters say: reads JSON on standard input,
 *   {"schema": [definitions], "entries": [{name: [hexadecimal values]}], "filters": [texts]}
 * and prints a line for each filter, with a T, F or U for each entry; "E" where it is refused.
 * Without a schema the built-in one holds. tests/lab/compare-filters holds it against a server.
 */
#include "config.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "directory/schema-read.h"
#include "mapping/filter.h"
#include "mapping/options.h"
#include "mapping/problem-sink.h"
#include "model/class.h"
#include "model/entry.h"
#include "model/schema.h"

static void fail(const char *what)
{
    fprintf(stderr, "filter-verdict: %s\n", what);
    exit(2);
}

static struct schema *read_schema(const json_t *definitions)
{
    struct schema *schema = NULL;
    struct error e = {0};
    size_t n = json_array_size(definitions);
    const char **texts = calloc(n + 1, sizeof(*texts));
    for (size_t i = 0; texts && i < n; i++)
        texts[i] = json_string_value(json_array_get(definitions, i));
    if (texts && n > 0 &&
        schema_read_subschema(&(struct schema_definitions){.types = texts, .n_types = n}, &schema,
                              &e) < 0)
        fail(e.message);
    free(texts);
    return schema ? schema : schema_new();
}

static void add_value(struct entry *entry, const char *name, const char *digits)
{
    size_t size = strlen(digits) / 2;
    CLEANUP(freep) char *bytes = malloc(size + 1);
    for (size_t i = 0; bytes && i < size; i++) {
        unsigned byte;
        if (sscanf(digits + 2 * i, "%2x", &byte) != 1)
            fail("a value is not hexadecimal");
        bytes[i] = (char)byte;
    }
    if (!bytes || entry_add_value(entry, name, bytes, size) < 0)
        fail("out of memory");
}

static struct entry *read_entry(json_t *object)
{
    struct entry *entry = entry_new("1", "cn=x", ENTRY_PERSON);
    const char *name;
    json_t *values;
    if (!entry)
        fail("out of memory");
    json_object_foreach(object, name, values)
    {
        for (size_t i = 0; i < json_array_size(values); i++)
            add_value(entry, name, json_string_value(json_array_get(values, i)));
    }
    if (class_add_superiors(NULL, entry) < 0)
        fail("out of memory");
    entry_sort(entry);
    return entry;
}

static void note(const struct problem *p, void *userdata)
{
    *(bool *)userdata = *(bool *)userdata || p->level == PROBLEM_ERROR;
}

static void judge(const char *text, const struct schema *schema, struct entry **entries,
                  size_t n)
{
    CLEANUP(filter_freep) struct filter *f = NULL;
    struct mapping_text where = {0};
    bool refused = false;
    struct problem_sink problems = {.report = note, .userdata = &refused};
    struct error e = {0};
    size_t offset;
    if (filter_parse(&f, text, &offset, &e) < 0 ||
        filter_prepare(f, schema, &problems, &where) < 0 || refused) {
        puts("E");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct subject subject;
        if (subject_init(&subject, entries[i], schema) < 0)
            fail("out of memory");
        int r = filter_evaluate(f, &subject);
        subject_done(&subject);
        putchar(r == FILTER_TRUE ? 'T' : r == FILTER_FALSE ? 'F' : r < 0 ? '!' : 'U');
    }
    putchar('\n');
}

int main(void)
{
    json_error_t error;
    json_auto_t *input = json_loadf(stdin, 0, &error);
    if (!input)
        fail(error.text);
    CLEANUP(schema_freep) struct schema *schema = read_schema(json_object_get(input, "schema"));
    const json_t *list = json_object_get(input, "entries");
    const json_t *filters = json_object_get(input, "filters");
    size_t n = json_array_size(list);
    struct entry **entries = calloc(n + 1, sizeof(struct entry *));
    if (!entries || !schema)
        fail("out of memory");
    for (size_t i = 0; i < n; i++)
        entries[i] = read_entry(json_array_get(list, i));
    for (size_t i = 0; i < json_array_size(filters); i++)
        judge(json_string_value(json_array_get(filters, i)), schema, entries, n);
    for (size_t i = 0; i < n; i++)
        entry_free(entries[i]);
    free(entries);
    return 0;
}
