/* Fewer seats than people, and roles that nobody has together: drawn from the seed alone. */
#include "config.h"

#include "plan.h"
#include "world.h"

/* About as many as there are people; sometimes somebody buys some, or gives some up. */
static void draw_seats(struct plan *p, uint64_t seed, unsigned n_people)
{
    unsigned fewest = 2 + n_people / 3;
    if (chance_of("seats", seed) % 5)
        return;
    p->seats = fewest + (unsigned)(chance_of("seats", seed) / 5 % (n_people / 3 + 1));
    for (unsigned i = 0; i < p->days / 3; i++)
        plan_put(p, chance_of("seats at", seed + i) % (p->days * DAY), WHAT_CONFIGURATION,
                 "seats")
            ->number = fewest + chance_of("seats then", seed + i) % (n_people / 2 + 1);
}

/* Some exchange one for the other in one moment, some would have both. */
static void draw_conflicts(struct plan *p, uint64_t seed, unsigned n_hired)
{
    p->conflicts = chance_of("conflicts", seed) % 4 == 0;
    for (unsigned i = 0; p->conflicts && i < 2 + p->days; i++) {
        uint64_t at = chance_of("swap at", seed + i) % (p->days * DAY);
        unsigned who = 1 + (unsigned)(chance_of("swap of", seed + i) % n_hired);
        bool leads = chance_of("swap to", seed + i) % 2,
             both = chance_of("swap to", seed + i) % 5 == 0;
        plan_put(p, at, WHAT_LEAD, leads || both ? "yes" : "")->who = who;
        plan_put(p, at, WHAT_LANGUAGE, !leads || both ? "es" : "")->who = who;
    }
}

void plan_draw_scarce(struct plan *p, uint64_t seed, unsigned n_hired, unsigned n_people)
{
    draw_seats(p, seed, n_people);
    draw_conflicts(p, seed, n_hired);
}
