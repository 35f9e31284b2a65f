/*
 * Lists and skills as people write them: `English:100, "Billing, high":80, Spanish`.
 * An element that contains a comma or a colon of its own stands in double quotes; within these,
 * "" is a quote.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct error;

struct list_element {
    char *text; /* without quotes */
    char *rest; /* what follows the closing quote; "" for an element without quotes */
    bool quoted;
    size_t at, rest_at; /* byte offsets */
};
void list_element_done(struct list_element *x);
/* Takes the element that begins at *at and moves *at behind its comma. Returns 1, or 0 at the
 * end, or -EINVAL with a sentence and the byte offset of the error; *at is then behind the
 * broken element, so that the next one can be looked at. -ENOMEM. */
int list_next(const char *text, size_t *at, struct list_element *ret, size_t *ret_offset,
              struct error *e);

#define SKILL_LEVEL_DEFAULT 100
#define SKILL_LEVEL_MAX     100
#define SKILL_NAME_MAX      255 /* bytes; also of roles and teams */

struct skill {
    char *name;
    unsigned level;
};
struct skill_list {
    struct skill *items;
    size_t n_items, capacity;
};
void skill_list_done(struct skill_list *l);
int skill_list_add(struct skill_list *l, const char *name, unsigned level); /* -ENOMEM */

/* An element of a configured list: NAME or NAME:LEVEL. -EINVAL, -ENOMEM. */
int skill_from_element(const struct list_element *x, char **ret_name, unsigned *ret_level,
                       size_t *ret_offset, struct error *e);
/* A value of a directory attribute: "Name", "Name:80" or "Name=80". -EINVAL, -ENOMEM. */
int skill_from_value(const char *value, char **ret_name, unsigned *ret_level, struct error *e);
