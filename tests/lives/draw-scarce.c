/* Fewer seats than people, and roles that nobody has together: drawn from the seed alone. */
#include "config.h"

#include <string.h>

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

/* Most log in every other day or so, some do no more from a day on, some never did; now and
 * then somebody who was disabled for it asks for access. */
static void draw_log_ins(struct plan *p, uint64_t seed, unsigned who)
{
    unsigned kind = (unsigned)(chance_of("logs in", seed + who) % 6), each = 1 + p->dormant / 2,
             last = kind ? p->days : (unsigned)(chance_of("last", seed + who) % p->days);
    for (unsigned day = who % each; day < last && kind != 1; day += each) {
        uint64_t at = day * DAY + 7 * HOUR +
                      chance_of("logs in at", seed + who * 512 + day) % (12 * HOUR);
        struct happening *h = plan_put(p, at, WHAT_LOG_IN, "");
        h->who = who;
        h->seconds = kind == 2 && !day ? 3 * 86400 : 0;
        if (kind == 3 && chance_of("unreadable", seed + who + day) % 2)
            memcpy(h->to, "unreadable", sizeof("unreadable"));
    }
}

static void draw_dormant(struct plan *p, uint64_t seed, unsigned n_hired)
{
    if (chance_of("dormant", seed) % 6)
        return;
    p->dormant = 1 + (unsigned)(chance_of("dormant after", seed) % (1 + p->days / 3));
    p->dormant_disables = chance_of("dormant after", seed) / 64 % 3;
    p->often_verified = true;
    p->seats = 0; /* who gets access by hand takes one */
    p->limits[LIMIT_DORMANT] = (unsigned)(chance_of("dormant budget", seed) % 4);
    for (unsigned who = 1; who <= n_hired; who++)
        draw_log_ins(p, seed, who);
    for (unsigned i = 0; i < p->days * 2; i++)
        plan_put(p, chance_of("woken at", seed + i) % (p->days * DAY), WHAT_HAND, "enable")
            ->who = 1 + (unsigned)(chance_of("woken", seed + i) % n_hired);
}

void plan_draw_scarce(struct plan *p, uint64_t seed, unsigned n_hired, unsigned n_people)
{
    draw_seats(p, seed, n_people);
    draw_conflicts(p, seed, n_hired);
    draw_dormant(p, seed, n_hired);
}
