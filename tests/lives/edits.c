/* Entries of people as administrators make them by mistake, for a while. */
#include "config.h"

#include "edits.h"

#include <stdio.h>
#include <string.h>

#include "company.h"
#include "directory.h"
#include "groups.h"
#include "world.h"

static void set(struct item *i, const char *name, const char *text)
{
    change_begin(i);
    item_set(i, name, text);
    change_end(i);
}

/* An attribute without a value; the next time it has its own again (test_values.py). */
void edit_empty(struct person *p, const char *name)
{
    char text[60];
    unsigned at = name[0] == 'm' ? 0 : name[0] == 'g' ? 1 : 2;
    if (item_get(p->item, name)) {
        snprintf(p->emptied[at], sizeof(p->emptied[at]), "%s", item_get(p->item, name));
        set(p->item, name, NULL);
        seen(POINT_EMPTIED);
    } else if (*p->emptied[at]) {
        snprintf(text, sizeof(text), "%s", p->emptied[at]);
        set(p->item, name, text);
    }
}

/* A private group stays a person (test_groups.py); whoever is of no class that a search looks for
 * is gone for it, and may come back with the same id. */
void edit_class(struct person *p, const char *class)
{
    change_begin(p->item);
    if (item_has(p->item, "objectClass", class))
        item_drop(p->item, "objectClass", class);
    else
        item_add(p->item, "objectClass", class);
    if (strcmp(class, "account") == 0) {
        bool was = item_has(p->item, "objectClass", "person");
        item_drop(p->item, "objectClass", "person");
        item_drop(p->item, "objectClass", "inetOrgPerson");
        if (!was) {
            item_add(p->item, "objectClass", "person");
            item_add(p->item, "objectClass", "inetOrgPerson");
        }
    }
    change_end(p->item);
    seen(POINT_CLASS);
}

/* Whoever is hidden was never seen in it, as nobody was in the one before. */
void edit_anew(const struct item *group)
{
    for (size_t k = 0; k < company.n_people; k++)
        if (group_holds(group, company.people[k]->item->dn))
            company.people[k]->told_usec = world.steady_usec;
}
