/*
 * Templates: text with shell-like parameter expansions over one value of an attribute.
 *
 *   ${a}               the value; empty when the attribute is absent or blank
 *   ${a:-word}         word when empty            ${a:+word}    word unless empty
 *   ${a#pat} ${a##pat} without the shortest, longest beginning that matches
 *   ${a%pat} ${a%%pat} the same at the end. A pattern that is plain text chooses, of several
 *                      values, the first that begins or ends so; of "#tag:" none is unset
 *   ${a/pat/word}      the first match replaced   ${a//pat/word} all;  /#pat, /%pat: anchored;
 *                      an & in the word is what was matched
 *   ${a,,} ${a^^} ${a,} ${a^}                     lower, upper case; of the first character
 *   ${a:2} ${a:0:1} ${a: -4}                      characters from an offset
 *   ${a@ascii} ${a@ascii-de} ${a@digits}          transliterated; with ä as ae; digits alone
 *
 * Operators may follow each other: ${givenName@ascii,,:0:1}. Words hold expansions too. Outside
 * of braces a backslash is a backslash; within a word or pattern it makes the next character
 * literal. `$$` is a dollar sign.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct error;
struct mapping_text;
struct problem_sink;
struct schema;
struct string_list;
struct subject;
struct template;

/* A longer result on the way is refused, as a value over SUBJECT_VALUE_MAX is. */
#define TEMPLATE_OUTPUT_MAX 8192

/* -EINVAL with a sentence, and the byte offset of the error in *ret_offset; -ENOMEM. */
int template_parse(struct template **ret, const char *text, size_t *ret_offset, struct error *e);
struct template *template_free(struct template *t);
const char *template_text(const struct template *t); /* as configured */
/* Canonical names by the schema; warns of attributes that it does not know. 0 or -ENOMEM. */
int template_prepare(struct template *t, const struct schema *schema, struct problem_sink *problems,
                     const struct mapping_text *where);
bool template_has_attribute(const struct template *t);
/* Canonical names, once each. */
int template_collect(const struct template *t, struct string_list *ret);

#define TEMPLATE_REFUSED 1 /* a value cannot be used: code and sentence are set */
/* *ret: malloc'd, without blanks at its ends. code: one of the INVALID_ constants of
 * ruleset.h. */
int template_expand(const struct template *t, const struct subject *s, char **ret,
                    const char **ret_code, struct error *e);

static inline void template_freep(struct template **t)
{
    if (*t)
        template_free(*t);
}
