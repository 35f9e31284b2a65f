/*
 * What a company's configuration has beyond four rules and the default templates: further
 * rules, templates of several attributes. A plan says which (WHAT_RULE, `templates`); this is
 * the world's own reading of both.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct dues;
struct happening;
struct item;
struct person;
struct plan;

#define RULES        100
#define RULES_BEFORE 50 /* as many stand before the four, the others behind them */

/* What templates make, bits of a plan's number. */
enum {
    TEMPLATE_PHONES = 1, /* the digits of one attribute, another one as it is */
    TEMPLATE_TITLE = 2,  /* the last name with the title, if there is one */
    TEMPLATE_CASE = 4    /* the first name in upper case, the mail in lower case */
};

void shape_begin(const struct plan *p);
bool shape_is(void); /* it has any of that */
/* Rules as the file has them, those before the four or those behind; and of [user]. */
size_t shape_write_rules(bool before, char *to, size_t size);
const char *shape_templates(void);
/* A rule comes or goes. */
void shape_change(const struct happening *h);
/* The first of those before the four, or of those behind, that gives a team; NULL: none does.
 */
const char *shape_team(const struct item *i, bool before);
/* What they give is added. */
void shape_dues(const struct item *i, struct dues *to);
/* What people have as entries in such a company; and one attribute that becomes another. */
void shape_enter(struct item *i, unsigned long number);
void shape_attribute(struct item *i, const char *name, unsigned long number);
/* What templates make of names, mail and phones, as text to compare. `kept`: the tenant's. */
struct user;
void shape_name(const struct item *i, char *to, size_t size);
void shape_mail(const struct item *i, const char *kept, char *to, size_t size);
void shape_phones(const struct item *i, const struct user *kept, char *to, size_t size);
void shape_phones_of(const struct user *u, char *to, size_t size);
