/*
 * The JSON of a line, read as strictly as it is written: no blanks, no key twice in one object, no
 * exponents, and no escape of what needs none. Readers look for texts in lines before they parse
 * them, so a line that says the same in other bytes must not pass for one of ours.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* The same look without building anything. */
bool form_is_ours(const char *line, size_t size);

/* The same, piece by piece. A value is built by form_value() or passed over by form_pass(); what is
 * opened is read to its end by form_member() or form_item(), which say in *fine whether that is it.
 * form_end(): nothing follows, and it must be called whatever happened. */
#define FORM_KEYS_MAX 64 /* of one object, without building it */
struct form_span {
    const char *text; /* not terminated */
    size_t size;
};
struct form_object {
    struct form_span keys[FORM_KEYS_MAX];
    size_t n;
    bool begun;
};
struct form_reader {
    const char *line, *at, *end;
    bool build;
    bool checked; /* the line as a whole is fine */
    bool many;    /* an object has too many keys for being looked at without building it */
    char *room;   /* for texts with escapes */
    size_t size;
    int depth;
};
bool form_begin(struct form_reader *f, const char *line, size_t size);
bool form_open_object(struct form_reader *f, struct form_object *ret); /* false: none comes */
bool form_open_array(struct form_reader *f);
bool form_member(struct form_reader *f, struct form_object *o, struct form_span *ret, bool *fine);
bool form_item(struct form_reader *f, size_t i, bool *fine); /* i: which one it would be, from 0 */
bool form_value(struct form_reader *f, json_t **ret);
bool form_pass(struct form_reader *f);
bool form_end(struct form_reader *f);
/* Inline, since the length of a name is known where it is written. */
static inline bool form_is_named(const struct form_span *key, const char *name)
{
    return key->size == strlen(name) && memcmp(key->text, name, key->size) == 0;
}

/* What verification says of a line that is not; of its number. */
#define FORM_FINDING                                                                               \
    "form: line %" PRId64                                                                          \
    " is in the chain, but not written as rosterd writes lines (a member twice, a needless "       \
    "escape, a number with an exponent, a blank, or no JSON at all); it is not believed"
