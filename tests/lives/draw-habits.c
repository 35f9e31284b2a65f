/* How often rosterd asks, as an administrator says, and what the tenant does by itself: drawn from
 * the seed alone, so that the rest of a plan is as it was without it. */
#include "config.h"

#include "habits.h"
#include "plan.h"
#include "world.h"

static unsigned one_of(const char *what, uint64_t seed, const unsigned *all, size_t n)
{
    return all[chance_of(what, seed) % n];
}

#define ONE_OF(what, seed, ...)                                                                    \
    one_of(what, seed, (const unsigned[]){__VA_ARGS__},                                            \
           sizeof((const unsigned[]){__VA_ARGS__}) / sizeof(unsigned))

/* In half of the companies nobody has touched any; but polls cost most of a life's time, so that
 * there they are no more than half of the default's. */
static void draw_intervals(struct plan *p, uint64_t seed)
{
    bool defaults = chance_of("intervals", seed) % 2;
    p->keepalive_seconds = defaults ? 120 : ONE_OF("keepalive", seed, 30, 120, 600, 3600, 6 * 3600);
    p->poll_seconds = ONE_OF("poll interval", seed, 60, 120, 120, 300);
    p->full_hours = defaults ? 24 : ONE_OF("full interval", seed, 2, 8, 24, 48, 7 * 24);
    p->verify_hours = defaults     ? 24
                      : p->dormant ? ONE_OF("verify interval", seed, 4, 12, 24)
                                   : ONE_OF("verify interval", seed, 4, 24, 48, 7 * 24);
    p->alarm_minutes = defaults ? 15 : ONE_OF("alarm after", seed, 1, 5, 15, 30, 60);
}

/* Whose level counts where a rule gives a skill that a team comes with, nobody has said. */
static bool rule_gives_skill_of_team(const struct plan *p)
{
    enum { FRENCH = 4, CHAT = 5 }; /* as draw-shape.c numbers skills */
    for (size_t i = 0; i < p->n; i++)
        if (p->all[i].what == WHAT_RULE &&
            (p->all[i].points[4] == FRENCH || p->all[i].points[4] == CHAT))
            return true;
    return false;
}

/* Where skills are merged, nothing but a zero takes one. A new state, which a rest ends with, does
 * not know the tenant's own form of what it had sent before. */
static bool has_habit(const struct plan *p, uint64_t seed, unsigned k)
{
    bool is_form = k == HABIT_PHONES || k == HABIT_MAIL;
    if ((k == HABIT_GIVES && rule_gives_skill_of_team(p)) || (is_form && p->rests))
        return false;
    return chance_of("habit", seed * HABITS + k) % 3 == 0 ||
           (k == HABIT_ZERO && has_habit(p, seed, HABIT_MERGES));
}

/* A third of the tenants have some; a level that a team has for a while comes now and then. */
static void draw_habits(struct plan *p, uint64_t seed)
{
    if (chance_of("habits", seed) % 3)
        return;
    for (unsigned k = 0; k < HABIT_PRESET; k++)
        if (k != HABIT_MAKES && has_habit(p, seed, k)) /* that one a kept plan lives so far */
            plan_put(p, 0, WHAT_HABIT, habit_name((enum habit_kind)k));
    for (unsigned i = 0; chance_of("presets", seed) % 2 && 2 * i < p->days; i++) {
        /* One after the other. */
        uint64_t at = 2 * i * DAY + HOUR + chance_of("preset at", seed + i) % DAY;
        struct happening *h = plan_put(p, at, WHAT_HABIT, habit_name(HABIT_PRESET));
        h->number = chance_of("preset", seed + i) % 1000;
        h->seconds = 600 + chance_of("preset for", seed + i) % (8 * 3600);
    }
}

void plan_draw_habits(struct plan *p, uint64_t seed, bool calm)
{
    draw_intervals(p, seed);
    if (!calm)
        draw_habits(p, seed);
}
