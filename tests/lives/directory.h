/* What the directory holds, for whoever changes it, and for the oracle. directory.c speaks LDAP
 * about it. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUFFIX "dc=example,dc=com"

struct plan;

struct item_value {
    char *name, *text;
};
struct item {
    char dn[160];
    unsigned char uuid[16];
    char uuid_text[37];
    struct item_value *values;
    size_t n_values;
    uint64_t csn, changed_usec;
    bool gone;
};
struct directory_data {
    struct item **items; /* also those that are gone; their order never changes */
    size_t n_items, room;
    uint64_t csn, chance;
    bool polled;      /* it knows no synchronisation: whoever follows it asks again and again */
    bool session_log; /* deletions are named after a reconnection; else what is present is */
};
extern struct directory_data directory_data;

void directory_begin(const struct plan *p);
void directory_end(void);
struct item *item_new(const char *dn);
const char *item_get(const struct item *i, const char *name);
/* Changes of one entry stand between the two: followers are told once. */
void change_begin(struct item *i);
void change_end(struct item *i);
void item_set(struct item *i, const char *name, const char *text); /* NULL: no value */
void item_add(struct item *i, const char *name, const char *text);
void item_drop(struct item *i, const char *name, const char *text);
bool item_has(const struct item *i, const char *name, const char *text);
/* Every connection is cut. */
void directory_cut(void);
