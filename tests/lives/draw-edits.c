/* What people's entries go through, and what hands their passwords on: drawn from the seed alone,
 * so that the rest of a plan is as it was without it. */
#include "config.h"

#include "plan.h"
#include "world.h"

/* First and last days: known days before, or a moment. */
static void draw_dates(struct plan *p, uint64_t seed, unsigned n_hired)
{
    p->makes_disabled = chance_of("makes disabled", seed) % 4 == 0;
    if (!p->dates)
        return;
    if (chance_of("ahead", seed) % 2)
        p->ahead = 1 + (unsigned)(chance_of("ahead of", seed) % 48);
    for (size_t i = 0; i < p->n; i++)
        if (p->all[i].what == WHAT_HIRE && chance_of("first day", seed + i) % 3 == 0)
            p->all[i].seconds = 60 + chance_of("first day in", seed + i) % (3 * 86400);
    for (unsigned i = 0; i < 2 + p->days; i++) {
        uint64_t at = chance_of("end at", seed + i) % (p->days * DAY),
                 longest = chance_of("end", seed + i) % 2 ? 86400 : 5 * 86400;
        struct happening *h = plan_put(p, at, WHAT_END, "");
        h->who = 1 + (unsigned)(chance_of("end of", seed + i) % n_hired);
        if (chance_of("end", seed + i) % 4)
            h->seconds = 10 + chance_of("end in", seed + i) % longest;
    }
}

/* A clock that was set is put right again, sooner or later, by what keeps it. */
void plan_draw_right(struct plan *p, uint64_t seed)
{
    size_t n = p->n;
    for (size_t i = 0; i < n && p->dates; i++)
        if (p->all[i].what == WHAT_CLOCK && chance_of("right", seed + i) % 4)
            plan_put(p, p->all[i].at_usec + chance_of("right after", seed + i) % (36 * HOUR),
                     WHAT_CLOCK, "right");
}

/* First passwords, and what hands them on. */
static void draw_commands(struct plan *p, uint64_t seed)
{
    static const char *const troubles[] = {"fails", "hangs", "cannot be killed"};
    size_t n = p->n;
    for (unsigned i = 0; p->passwords && i < 1 + p->days / 2; i++) {
        /* Right before somebody comes, perhaps. */
        uint64_t at = p->all[chance_of("command at", seed + i) % n].at_usec;
        plan_put(p, at - (at > MINUTE ? MINUTE : 0), WHAT_COMMAND,
                 troubles[chance_of("command", seed + i) % 3])
            ->seconds = 120 + chance_of("command for", seed + i) % 7200;
    }
}

/* Two people with one login, until somebody puts it right. */
static void draw_twins(struct plan *p, uint64_t seed, unsigned n_hired)
{
    for (unsigned i = 0; chance_of("twins", seed) % 3 == 0 && i < 1 + p->days / 3; i++) {
        uint64_t at = 4 * HOUR + chance_of("twin at", seed + i) % (p->days * DAY);
        for (unsigned n = 0; n < 2; n++) {
            struct happening *h = plan_put(
                p, at + n * (MINUTE + chance_of("twin for", seed + i) % (2 * DAY)), WHAT_TWIN,
                chance_of("twin in", seed + i) % 2 ? "support" : "sales");
            h->who = n_hired + 1;
            h->number = 1 + chance_of("twin of", seed + i) % n_hired;
        }
        n_hired++;
    }
}

/* Attributes without a value, most of them for a while, and other classes; a second instance. */
static void draw_edits(struct plan *p, uint64_t seed, unsigned n_hired)
{
    static const char *const names[] = {"mail", "givenName", "sn", "mail"};
    for (unsigned i = 0; chance_of("edits", seed) % 3 == 0 && i < 1 + p->days / 2; i++) {
        bool empties = chance_of("edit", seed + i) % 2;
        uint64_t at = chance_of("edit at", seed + i) % (p->days * DAY);
        unsigned who = 1 + (unsigned)(chance_of("edit of", seed + i) % n_hired);
        const char *to = empties ? names[chance_of("edit what", seed + i) % 4]
                         : chance_of("edit what", seed + i) % 2 ? "posixGroup"
                                                                : "account";
        for (unsigned n = 0; n < 1 + (chance_of("edit back", seed + i) % 4 > 0); n++)
            plan_put(p, at + n * (1 + chance_of("edit for", seed + i) % (2 * DAY)),
                     empties ? WHAT_EMPTY : WHAT_CLASS, to)
                ->who = who;
    }
    if (chance_of("second", seed) % 6 == 0)
        plan_put(p, chance_of("second at", seed) % (p->days * DAY), WHAT_SECOND, "")->number =
            1 + chance_of("second", seed) % 5;
}

void plan_draw_edits(struct plan *p, uint64_t seed, unsigned n_hired)
{
    draw_dates(p, seed, n_hired);
    draw_edits(p, seed, n_hired);
    draw_twins(p, seed, n_hired);
    draw_commands(p, seed);
}
