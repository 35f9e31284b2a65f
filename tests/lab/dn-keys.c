/*
 * dn-keys: says which DNs rosterd takes for one name. It reads DNs, one a line, and prints the
 * key of each, or "-" where it takes the line for no DN. A tool of the tests; nothing of it is
 * installed.
 *
 *   dn-keys [--case] [--schema FILE]    FILE: attribute type definitions, one a line, as the
 *                                       server gives them; --case: a server that compares names
 *                                       without regard to its schema
 */
#include "config.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "directory/schema-read.h"
#include "model/dn.h"
#include "model/schema.h"

static int read_schema(const char *path, struct schema **ret, struct error *e)
{
    CLEANUP(string_list_done) struct string_list lines = {0};
    CLEANUP(freep) char *line = NULL;
    size_t capacity = 0;
    ssize_t n;
    FILE *file = fopen(path, "re");

    if (!file)
        return error_set(e, -1, "%s cannot be opened", path);
    while ((n = getline(&line, &capacity, file)) > 0)
        if (string_list_add_n(&lines, line, (size_t)n - (line[n - 1] == '\n')) < 0)
            return error_out_of_memory(e);
    fclose(file);
    return schema_read_subschema(
        &(struct schema_definitions){.types = (const char *const *)lines.items,
                                     .n_types = lines.n_items},
        ret, e);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"case", no_argument, NULL, 'c'},
        {"schema", required_argument, NULL, 's'},
        {NULL, 0, NULL, 0},
    };
    CLEANUP(schema_freep) struct schema *schema = NULL;
    CLEANUP(freep) char *line = NULL;
    struct error e = {0};
    size_t capacity = 0;
    ssize_t n;
    bool by_case = false;

    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'c')
            by_case = true;
        else if (c != 's' || read_schema(optarg, &schema, &e) < 0) {
            fprintf(stderr, "dn-keys: %s\n", e.message);
            return 2;
        }
    }
    if (!schema)
        schema = schema_new();
    if (!schema)
        return 1;
    if (by_case)
        schema_set_kind(schema, SCHEMA_389);
    while ((n = getline(&line, &capacity, stdin)) > 0) {
        CLEANUP(freep) char *key = NULL;
        line[n - (line[n - 1] == '\n')] = '\0';
        if (dn_key(schema, line, &key, NULL) < 0) {
            puts("-");
            continue;
        }
        for (char *p = key; *p; p++)
            putchar(*p == '\n' ? '|' : *p);
        putchar('\n');
    }
    return ferror(stdout) ? 1 : 0;
}
