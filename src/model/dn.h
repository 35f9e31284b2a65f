/*
 * Distinguished names, compared by their parsed form and never as strings.
 *
 * The key of a DN is equal for two spellings of one name, and for no other: RFC 4514 escapes
 * resolved, attribute types by their first name in the server's schema, the pairs of a
 * multi-valued RDN sorted, values as their equality rule compares them. Its parts are joined so
 * that a subtree is a prefix: the key runs from the root to the leaf, each RDN followed by '\n'
 * (which a value escapes). So "below" is a comparison of prefixes, also in SQL. Keys by two
 * schemas are not to be compared with each other.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

struct error;
struct schema;

/* Part of what stored keys belong to: to be raised when the same DN gets another key by the same
 * schema. */
#define DN_KEY_FORM 3

/* A name may be the value of a name (an attribute of DN syntax that names an entry). So deep it is
 * compared as a name; what lies deeper is compared byte by byte. Each level escapes what the one
 * below has escaped, so that without a limit whoever writes an entry chooses our work. */
#define DN_MAX_NESTED 4

/* schema NULL: the built-in table. Malloc'd key, or -EINVAL with a sentence that quotes the DN
 * and says what is wrong with it. The empty DN has the empty key. */
int dn_key(const struct schema *schema, const char *dn, char **ret, struct error *e);
/* The same for many names in a row, which mostly lie below the same one: its key is remembered. One
 * memory serves one schema, until it is emptied. */
struct dn_memory {
    char *parent, *key;              /* NULL: none */
    struct buffer value, form, text; /* room that is kept */
};
void dn_memory_done(struct dn_memory *m); /* empties it */
int dn_key_by(struct dn_memory *m, const struct schema *schema, const char *dn, char **ret,
              struct error *e);
bool dn_is_valid(const char *dn);
bool dn_equal(const struct schema *schema, const char *a, const char *b);
bool dn_key_is_below(const char *key, const char *ancestor_key); /* true for equal keys too */
/* The value of the first pair of the leaf RDN, unescaped ("Smith, John"); malloc'd. -EINVAL: it has
 * none that is text; -ENOMEM. */
int dn_leaf(const char *dn, char **ret);
char *dn_leaf_value(const char *dn); /* NULL: either of these */
/* The DN without its leaf RDN, as written; NULL when there is none; borrowed from dn. */
const char *dn_parent(const char *dn);
/* `value` escaped for use in a DN (RFC 4514 section 2.4); malloc'd. */
char *dn_escape_value(const char *value, size_t size);
