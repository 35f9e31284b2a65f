/* Drawn rules and templates: written into the file, and read here by hand (shape.h). */
#include "config.h"

#include "shape.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "company.h"
#include "directory.h"
#include "groups.h"
#include "habits.h"
#include "hands.h"
#include "plan.h"
#include "simulated.h"
#include "world.h"

/* The columns of a rule in a plan, each 0 for nothing. */
enum {
    OF_GROUP,
    OF_WHEN,
    OF_TEAM,
    OF_ROLE,
    OF_SKILL,
    OF_LEVEL,
    COLUMNS
};

static struct rule {
    bool is_there;
    unsigned of[COLUMNS];
} rules_drawn[RULES];
static unsigned templates;
static bool is_shaped;

/* ---- filters ---- */

static bool begins(const struct item *i, const char *name, const char *with)
{
    for (size_t n = 0; n < i->n_values; n++)
        if (strcasecmp(i->values[n].name, name) == 0 &&
            strncasecmp(i->values[n].text, with, strlen(with)) == 0)
            return true;
    return false;
}

static bool in_berlin(const struct item *i)
{
    return item_has(i, "l", "Berlin");
}

static bool is_senior(const struct item *i)
{
    return begins(i, "title", "Senior");
}

static bool not_in_madrid(const struct item *i)
{
    return !item_has(i, "l", "Madrid");
}

static bool in_oslo_untitled(const struct item *i)
{
    return item_has(i, "l", "Oslo") && !item_get(i, "title");
}

static bool manages_or_visits(const struct item *i)
{
    return item_has(i, "title", "Manager") || item_has(i, "employeeType", "Visitor");
}

static bool is_untitled(const struct item *i)
{
    return !item_get(i, "title");
}

static bool is_somebody(const struct item *i)
{
    return item_get(i, "objectClass");
}

static const struct {
    const char *text;
    bool (*matches)(const struct item *i);
} filters[] = {{"(l=Berlin)", in_berlin},
               {"(title=Senior*)", is_senior},
               {"(!(l=Madrid))", not_in_madrid},
               {"(&(l=Oslo)(!(title=*)))", in_oslo_untitled},
               {"(|(title=Manager)(employeeType=Visitor))", manages_or_visits},
               {"(!(title=*))", is_untitled},
               {"(objectClass=*)", is_somebody}};
#define FILTERS (sizeof(filters) / sizeof(*filters))

static const char *const teams[] = {"Customer Service", "Sales", "Back Office"};
static const struct {
    const char *text;
    enum due facts[2];
} roles[] = {{"Coach", {DUE_COACH, 0}},
             {"Auditor", {DUE_AUDITOR, 0}},
             {"Agent", {DUE_AGENT, 0}},
             {"Coach, Auditor", {DUE_COACH, DUE_AUDITOR}}};
#define ROLES (sizeof(roles) / sizeof(*roles))
static const enum due skills[] = {DUE_ENGLISH, DUE_SPANISH, DUE_BILLING, DUE_FRENCH, DUE_CHAT};
#define SKILLS (sizeof(skills) / sizeof(*skills))

/* ---- rules ---- */

bool shape_is(void)
{
    return is_shaped;
}

/* One whose group the plan does not have (any more) is none. */
static bool take_rule(const struct happening *h)
{
    struct rule r = {.is_there = strcmp(h->to, "gone") != 0};
    for (size_t c = 0; c < COLUMNS && c < h->n_points; c++)
        r.of[c] = h->points[c];
    if (h->who >= RULES || (r.of[OF_GROUP] && !group_numbered(r.of[OF_GROUP])))
        return false;
    r.of[OF_WHEN] %= FILTERS + 1;
    r.of[OF_TEAM] %= 4;
    r.of[OF_ROLE] %= ROLES + 1;
    r.of[OF_SKILL] %= SKILLS + 1;
    if (!r.of[OF_TEAM] && !r.of[OF_ROLE] && !r.of[OF_SKILL])
        r.of[OF_ROLE] = 1;
    if (r.is_there) /* one that goes is said by its number alone */
        rules_drawn[h->who] = r;
    rules_drawn[h->who].is_there = r.is_there;
    return true;
}

void shape_begin(const struct plan *p)
{
    memset(rules_drawn, 0, sizeof(rules_drawn));
    templates = p->templates;
    is_shaped = templates;
    for (size_t i = 0; i < p->n; i++) {
        is_shaped |= p->all[i].what == WHAT_RULE || p->all[i].what == WHAT_UNIT;
        if (p->all[i].what == WHAT_RULE && !p->all[i].at_usec)
            (void)take_rule(&p->all[i]);
    }
}

void shape_change(const struct happening *h)
{
    company_part_twins();
    if (take_rule(h))
        seen(POINT_RULE_CHANGED);
}

static unsigned level_of(const struct rule *r)
{
    return 1 + r->of[OF_LEVEL] % 100;
}

static bool holds(const struct rule *r, const struct item *i)
{
    const struct item *group = r->of[OF_GROUP] ? group_numbered(r->of[OF_GROUP]) : NULL;
    return r->is_there && (!group || group_holds(group, i->dn)) &&
           (!r->of[OF_WHEN] || filters[r->of[OF_WHEN] - 1].matches(i));
}

const char *shape_team(const struct item *i, bool before)
{
    for (unsigned k = before ? 0 : RULES_BEFORE; k < (before ? RULES_BEFORE : RULES); k++)
        if (rules_drawn[k].is_there && rules_drawn[k].of[OF_TEAM] && holds(&rules_drawn[k], i))
            return teams[rules_drawn[k].of[OF_TEAM] - 1];
    return NULL;
}

void shape_dues(const struct item *i, struct dues *to)
{
    for (unsigned k = 0; k < RULES; k++) {
        const struct rule *r = &rules_drawn[k];
        if (!r->is_there || !(r->of[OF_ROLE] || r->of[OF_SKILL]) || !holds(r, i))
            continue;
        for (unsigned n = 0; r->of[OF_ROLE] && n < 2; n++)
            to->of[roles[r->of[OF_ROLE] - 1].facts[n]] = 1;
        int *level = r->of[OF_SKILL] ? &to->of[skills[r->of[OF_SKILL] - 1]] : NULL;
        if (level && *level < (int)level_of(r))
            *level = (int)level_of(r);
    }
    to->of[DUE_NONE] = 0;
}

size_t shape_write_rules(bool before, char *to, size_t size)
{
    size_t n = 0;
    *to = '\0';
    for (unsigned k = before ? 0 : RULES_BEFORE; k < (before ? RULES_BEFORE : RULES); k++) {
        const struct rule *r = &rules_drawn[k];
        const struct item *group = r->of[OF_GROUP] ? group_numbered(r->of[OF_GROUP]) : NULL;
        if (!r->is_there)
            continue;
        n += (size_t)snprintf(to + n, size - n, "[rule \"Number %u\"]\n", k);
        if (group)
            n += (size_t)snprintf(to + n, size - n, "group = %s\n", group->dn);
        if (r->of[OF_WHEN])
            n += (size_t)snprintf(to + n, size - n, "when = %s\n",
                                  filters[r->of[OF_WHEN] - 1].text);
        if (r->of[OF_TEAM])
            n += (size_t)snprintf(to + n, size - n, "team = %s\n", teams[r->of[OF_TEAM] - 1]);
        if (r->of[OF_ROLE])
            n += (size_t)snprintf(to + n, size - n, "roles = %s\n",
                                  roles[r->of[OF_ROLE] - 1].text);
        if (r->of[OF_SKILL])
            n += (size_t)snprintf(to + n, size - n, "skills = %s:%u\n",
                                  due_names[skills[r->of[OF_SKILL] - 1]], level_of(r));
    }
    return n;
}

/* ---- entries ---- */

void shape_attribute(struct item *i, const char *name, unsigned long number)
{
    static const char *const places[] = {NULL, "Berlin", "Madrid", "Oslo", "BERLIN", "Berlin"},
                             *const titles[] = {NULL, "Agent", "Senior Agent", "Manager",
                                                "senior adviser"};
    char text[40];
    bool place = strcmp(name, "l") == 0, title = strcmp(name, "title") == 0;
    const char *value = place ? places[number % 6] : title ? titles[number % 5] : text;
    if (!place && !title && number % 7 == 0)
        value = NULL;
    snprintf(text, sizeof(text),
             strcmp(name, "mobile") == 0 ? "+34600%06lu" : "+49 30 555-%04lu", number % 10000);
    item_set(i, name, value);
    if (place && number % 6 == 5)
        item_add(i, "l", "Madrid");
}

void shape_enter(struct item *i, unsigned long number)
{
    char mail[80];
    const char *had = item_get(i, "mail");
    if (!is_shaped)
        return;
    shape_attribute(i, "l", number / 3);
    shape_attribute(i, "title", number / 7);
    shape_attribute(i, "telephoneNumber", number);
    shape_attribute(i, "mobile", number / 11);
    if (!(templates & TEMPLATE_CASE || habits_lower_mail()) || !had)
        return;
    snprintf(mail, sizeof(mail), "%c%s", toupper((unsigned char)*had), had + 1);
    item_set(i, "mail", mail);
}

/* ---- templates ---- */

const char *shape_templates(void)
{
    static char text[300];
    snprintf(text, sizeof(text), "%s%s%s",
             templates & TEMPLATE_PHONES
                 ? "work_phone = ${telephoneNumber@digits}\nmobile_phone = ${mobile}\n"
                 : "",
             templates & TEMPLATE_TITLE ? "last_name = ${sn}${title:+ (${title})}\n" : "",
             templates & TEMPLATE_CASE ? "first_name = ${givenName^^}\nemail = ${mail,,}\n"
                                       : "");
    return text;
}

static void copy(const char *text, int (*turn)(int), char *to, size_t size)
{
    size_t n = 0;
    for (; text[n] && n + 1 < size; n++)
        to[n] =
            (char)(turn && templates & TEMPLATE_CASE ? turn((unsigned char)text[n]) : text[n]);
    to[n] = '\0';
}

void shape_name(const struct item *i, char *to, size_t size)
{
    const char *title = item_get(i, "title");
    bool tells = templates & TEMPLATE_TITLE && title;
    char given[60];
    copy(item_get(i, "givenName"), toupper, given, sizeof(given));
    snprintf(to, size, "%s %s%s%s%s", given, item_get(i, "sn"), tells ? " (" : "",
             tells ? title : "", tells ? ")" : "");
}

void shape_mail(const struct item *i, const char *kept, char *to, size_t size)
{
    const char *mail = item_get(i, "mail");
    copy(mail ? mail : kept, mail ? tolower : NULL, to, size);
}

static const char *text_of(const struct user *u, enum user_field field)
{
    return u->field[field] ? u->field[field] : "";
}

static void write_phones(const char *work, const char *mobile, char *to, size_t size)
{
    char one[60], two[60];
    snprintf(one, sizeof(one), "%s", work);
    snprintf(two, sizeof(two), "%s", mobile);
    habits_form(true, one, sizeof(one));
    habits_form(true, two, sizeof(two));
    *to = '\0';
    if (templates & TEMPLATE_PHONES)
        snprintf(to, size, ", work %s mobile %s", one, two);
}

/* A number that is not there any more is kept as it was. */
void shape_phones(const struct item *i, const struct user *kept, char *to, size_t size)
{
    const char *work = item_get(i, "telephoneNumber"), *mobile = item_get(i, "mobile");
    char digits[40];
    size_t n = 0;
    for (const char *c = work; c && *c && n + 1 < sizeof(digits); c++)
        if (isdigit((unsigned char)*c))
            digits[n++] = *c;
    digits[n] = '\0';
    write_phones(work ? digits : text_of(kept, USER_WORK_PHONE),
                 mobile ? mobile : text_of(kept, USER_MOBILE_PHONE), to, size);
}

void shape_phones_of(const struct user *u, char *to, size_t size)
{
    write_phones(text_of(u, USER_WORK_PHONE), text_of(u, USER_MOBILE_PHONE), to, size);
}
