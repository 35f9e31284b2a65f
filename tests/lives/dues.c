/* The few rules of each company, those that were drawn beside them, and what templates make. */
#include "config.h"

#include "dues.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "company.h"
#include "directory.h"
#include "groups.h"
#include "habits.h"
#include "hands.h"
#include "rules.h"
#include "scarce.h"
#include "shape.h"
#include "simulated.h"

static bool in_support(const struct item *i)
{
    return group_holds(group_of(0), i->dn) || group_holds(group_of(GROUP_NIGHT), i->dn);
}

static bool in_sales(const struct item *i)
{
    return group_holds(group_of(1), i->dn);
}

const char *dues_team(const struct item *i)
{
    const char *drawn = shape_team(i, true);
    return drawn           ? drawn
           : in_support(i) ? "Customer Service"
           : in_sales(i)   ? "Sales"
                           : shape_team(i, false);
}

void dues_of(const struct item *i, struct dues *ret)
{
    const char *language = item_get(i, "preferredLanguage");
    bool spanish = language && strncasecmp(language, "es", 2) == 0, support = in_support(i),
         sales = in_sales(i);
    *ret = (struct dues){.of = {[DUE_AGENT] = support || sales,
                                [DUE_LEAD] = group_holds(group_of(GROUP_LEADS), i->dn),
                                [DUE_TRAINER] = rules.conflicts && spanish,
                                [DUE_ENGLISH] = support ? 100
                                                : sales ? 50
                                                        : 0,
                                [DUE_SPANISH] = spanish ? 80 : 0,
                                [DUE_BILLING] = sales ? (int)rules.billing : 0}};
    shape_dues(i, ret);
}

static void write_dues(const struct dues *d, bool more, char *to, size_t size)
{
    size_t n = (size_t)snprintf(to, size, ", roles");
    for (enum due fact = DUE_AGENT; fact < DUES; fact++)
        if (fact >= DUE_ENGLISH)
            n += (size_t)snprintf(to + n, size - n, " %s %d", due_names[fact], d->of[fact]);
        else if (d->of[fact])
            n += (size_t)snprintf(to + n, size - n, " %s", due_names[fact]);
    snprintf(to + n, size - n, "%s", more ? " more" : "");
}

static const char *text_of(const struct user *u, enum user_field field)
{
    return u->field[field] ? u->field[field] : "";
}

void dues_are(const struct user *u, const struct dues *has, char *to, size_t size)
{
    bool more = false;
    char rest[240], phones[140], mail[80];
    for (size_t i = 0; i < u->n_roles; i++)
        more |= strcmp(u->roles[i]->text, "Administrator") == 0;
    write_dues(has, more, rest, sizeof(rest));
    shape_phones_of(u, phones, sizeof(phones));
    snprintf(mail, sizeof(mail), "%s", text_of(u, USER_EMAIL));
    habits_form(false, mail, sizeof(mail));
    snprintf(to, size, "%s %s <%s> in %s%s%s%s", text_of(u, USER_FIRST_NAME),
             text_of(u, USER_LAST_NAME), mail, u->team ? u->team->text : "no team", rest,
             phones, u->disabled ? ", disabled" : "");
}

void dues_should_be(const struct person *p, const struct user *u, const struct dues *has,
                    char *to, size_t size)
{
    const struct item *i = p->item;
    const char *team = dues_team(i);
    struct dues due;
    char rest[240], phones[140], name[100], mail[80];
    dues_of(i, &due);
    hands_apply(p, has, &due);
    habits_apply(p, has, &due);
    scarce_apply(p, has, &due);
    write_dues(&due, false, rest, sizeof(rest));
    shape_name(i, name, sizeof(name));
    shape_mail(i, text_of(u, USER_EMAIL), mail, sizeof(mail));
    habits_form(false, mail, sizeof(mail));
    shape_phones(i, u, phones, sizeof(phones));
    snprintf(to, size, "%s <%s> in %s%s%s", name, mail, team ? team : "no team", rest, phones);
}
