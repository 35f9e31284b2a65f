/* Groups within groups, rules and templates, and what becomes of them: drawn from the seed
 * alone, so that the rest of a plan is as it was without them. */
#include "config.h"

#include <stdio.h>

#include "groups.h"
#include "plan.h"
#include "shape.h"
#include "world.h"

static uint64_t of_seed;

static uint64_t draw(const char *what, uint64_t i, uint64_t below)
{
    return chance_of(what, of_seed * 4099 + i) % below;
}

static unsigned n_units;

/* One of all people in half of them; most lie in another one, or in each other, some in a
 * team's. */
static void draw_units(struct plan *p)
{
    n_units = 1 + (unsigned)draw("units", 0, draw("many units", 0, 8) ? 6 : UNITS);
    for (unsigned k = 1; k <= n_units; k++) {
        bool has_all = k == 1 && draw("all", 0, 2);
        struct happening *h = plan_put(p, 0, WHAT_UNIT, has_all ? "all" : "");
        h->who = k;
        if (!has_all && draw("in a team", k, 5) == 0)
            h->number = UNITS_AND_OTHER + draw("in which team", k, 3);
        else if (!has_all && draw("in a unit", k, 3))
            h->number = 1 + draw("in which unit", k, n_units);
    }
}

/* Of each three two name a group, and two a filter. The same place in their order means
 * nothing: levels and roles add up, and of two with a team the first one counts. */
static void draw_rule(struct plan *p, uint64_t at, unsigned which, uint64_t i)
{
    struct happening *h = plan_put(p, at, WHAT_RULE, "");
    bool gives_team = draw("rule's team", i, 4) == 0, gives_skill = draw("rule's skill", i, 2);
    h->who = which;
    h->points[0] =
        draw("rule's group", i, 3) ? 1 + (unsigned)draw("which group", i, n_units) : 0;
    h->points[1] = draw("rule's filter", i, 3) ? 1 + (unsigned)draw("which filter", i, 7) : 0;
    h->points[2] = gives_team ? 1 + (unsigned)draw("which team", i, 3) : 0;
    h->points[3] = gives_skill ? 0 : 1 + (unsigned)draw("which role", i, 4);
    h->points[4] = gives_skill ? 1 + (unsigned)draw("which skill", i, 5) : 0;
    h->points[5] = (unsigned)draw("level", i, 100);
    h->n_points = 6;
}

static void draw_rules(struct plan *p, bool calm)
{
    unsigned n = 1 + (unsigned)draw("rules", 0, draw("many rules", 0, 8) ? 8 : 60);
    for (unsigned i = 0; i < n; i++)
        draw_rule(p, 0, (unsigned)draw("which rule", i, RULES), i);
    for (unsigned i = 0; !calm && draw("rules change", 0, 3) == 0 && i < 1 + p->days / 3; i++) {
        uint64_t at = HOUR + draw("rule at", i, p->days * DAY);
        unsigned k = (unsigned)draw("which rule", draw("rule of", i, n), RULES);
        if (draw("rule goes", i, 2))
            plan_put(p, at, WHAT_RULE, "gone")->who = k;
        else
            draw_rule(p, at, k, 1000 + i);
    }
}

/* Whoever is hired is in some of them; later somebody joins or leaves one, or an attribute
 * changes. */
static void draw_members(struct plan *p)
{
    static const char *const names[] = {"l", "title", "telephoneNumber", "mobile"};
    size_t n = p->n;
    unsigned n_hired = 0;
    for (size_t i = 0; i < n; i++) {
        struct happening hire = p->all[i];
        if (hire.what != WHAT_HIRE)
            continue;
        n_hired++;
        for (unsigned k = 0; k < draw("joins", hire.who, 3); k++) {
            struct happening *h = plan_put(p, hire.at_usec, WHAT_JOIN, "in");
            h->who = hire.who;
            h->number = 1 + draw("joins which", hire.who * 8 + k, n_units);
        }
    }
    for (unsigned i = 0; n_hired && i < 2 * p->days + n_hired / 10; i++) {
        bool joins = draw("member or attribute", i, 2);
        uint64_t at = HOUR + draw("member at", i, p->days * DAY);
        struct happening *h = plan_put(p, at, joins ? WHAT_JOIN : WHAT_ATTRIBUTE,
                                       !joins ? names[draw("attribute", i, 4)]
                                       : draw("in or out", i, 3) ? "in"
                                                                 : "out");
        h->who = 1 + (unsigned)draw("member", i, n_hired);
        h->number = joins ? 1 + draw("of which", i, n_units) : draw("value", i, 10000);
    }
    for (unsigned i = 0; i < 2 + p->days; i++) {
        struct happening *h =
            plan_put(p, HOUR + draw("unit at", i, p->days * DAY), WHAT_UNIT, "");
        h->who = 1 + (unsigned)draw("unit moves", i, n_units);
        h->number = draw("unit to", i, 3) ? draw("unit in", i, n_units + 1)
                                          : UNITS_AND_OTHER + draw("unit in team", i, 3);
    }
}

/* In one moment many change their team, or their place. */
static void draw_reorganisation(struct plan *p)
{
    static const char *const teams[] = {"support", "sales", "night"};
    uint64_t at = HOUR + draw("reorganisation at", 0, p->days * DAY);
    const char *to = teams[draw("reorganised to", 0, 3)];
    unsigned how = (unsigned)draw("reorganised how", 0, 3),
             share = 2 + (unsigned)draw("share", 0, 3);
    size_t n = p->n;
    for (size_t i = 0; i < n; i++) {
        struct happening hire = p->all[i];
        if (hire.what != WHAT_HIRE || hire.at_usec > at || draw("reorganised", hire.who, share))
            continue;
        struct happening *h = plan_put(p, at,
                                       how == 0   ? WHAT_TEAM
                                       : how == 1 ? WHAT_PLACE
                                                  : WHAT_MOVE,
                                       how == 0 ? to : "");
        h->who = hire.who;
    }
}

/* Another company is bought, with all its people, of whom nobody had heard. */
static void draw_purchase(struct plan *p)
{
    static const char *const teams[] = {"support", "sales", "night"};
    uint64_t at = HOUR + draw("purchase at", 0, p->days * DAY);
    unsigned most = 0, n;
    for (size_t i = 0; i < p->n; i++)
        if (p->all[i].what == WHAT_HIRE || p->all[i].what == WHAT_TWIN)
            most = p->all[i].who > most ? p->all[i].who : most;
    n = most < 100 ? most : 100 + (unsigned)draw("purchased", 0, 101);
    for (unsigned i = 1; i <= n; i++) {
        struct happening *h = plan_put(p, at, WHAT_HIRE, teams[draw("purchased to", i, 3)]);
        h->who = most + i;
        h->number = draw("purchased as", i, 1000000);
    }
}

void plan_draw_shape(struct plan *p, uint64_t seed, bool calm)
{
    of_seed = seed;
    if (!calm && draw("reorganises", 0, 6) == 0)
        draw_reorganisation(p);
    if (!calm && draw("buys", 0, 12) == 0)
        draw_purchase(p);
    if (draw("shape", 0, 2))
        return;
    if (draw("templates", 0, 2))
        p->templates = 1 + (unsigned)draw("which templates", 0, 7);
    draw_units(p);
    draw_rules(p, calm);
    draw_members(p);
}
