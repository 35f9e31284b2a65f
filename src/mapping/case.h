/*
 * A case: a person as the directory shows them, the groups that hold them, and what the rules
 * must make of it (rosterd.case(5)). Pure, like the rules themselves: a text in, differences
 * out.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "mapping/ruleset.h"
#include "model/schema.h"
#include "model/source.h"

struct buffer;
struct entry;
struct error;
struct mapping_options;
struct user;

struct mapping_case {
    struct entry *entry;
    struct string_list groups, missing; /* DNs: that hold the person; that are not there */
    bool has_time;
    uint64_t time_usec; /* when it is; else now */
    enum schema_kind server;
    struct string_list attributes; /* "NAME,… MATCHING…", where the built-in table says otherwise */
    enum verdict_kind expected;
    char *code; /* of a skip or an invalid person; NULL: any */
    bool revoked;
    struct user *user; /* VERDICT_USER */
};
void case_done(struct mapping_case *c);
/* -EINVAL with a sentence that begins with the line; -ENOMEM. */
int case_parse(struct mapping_case *ret, const char *text, size_t size, struct error *e);
/* The same case as text, which case_parse() reads again. */
void case_write(struct buffer *b, const struct mapping_case *c);

/* What the rules make of it. */
int case_judge(const struct mapping_case *c, const struct mapping_options *options, bool explain,
               struct verdict *ret, struct error *e);

struct case_difference {
    char *field;          /* "team", "role Supervisor", "verdict" */
    char *expected, *got; /* NULL: nothing */
    struct source source; /* of what came out */
};
struct case_differences {
    struct case_difference *items;
    size_t n_items, capacity;
};
void case_differences_done(struct case_differences *d);
/* 0 or -ENOMEM. */
int case_compare(const struct mapping_case *c, const struct verdict *v,
                 struct case_differences *ret);
/* Expects from now on what the verdict is. -ENOMEM. */
int case_expect(struct mapping_case *c, const struct verdict *v);
/* The lines that tell how a server's schema differs, for the attributes that the rules read. */
int case_describe_schema(struct mapping_case *c, const struct ruleset *rules,
                         const struct schema *schema);
