/* What peers do to any answer, and what operators leave undone: with their own chance, so that
 * other lines of a seed stay as they are. */
#include "config.h"

#include <string.h>

#include "plan.h"
#include "world.h"

static void draw_directory(struct plan *p, uint64_t seed)
{
    static const char *const troubles[] = {"slow", "time limit", "admin limit", "refers"};
    if (chance_of("directory's answers", seed) % 4)
        return;
    for (unsigned i = 0; i < 1 + p->days / 4; i++)
        plan_put(p, chance_of("answers at", seed + i) % (p->days * DAY), WHAT_DIRECTORY,
                 troubles[chance_of("answers how", seed + i) % 4])
            ->seconds = 600 + chance_of("answers for", seed + i) % (4 * 3600);
}

static void draw_tenant(struct plan *p, uint64_t seed)
{
    if (chance_of("late answers", seed) % 6)
        return;
    for (unsigned i = 0; i < 1 + p->days / 8; i++)
        plan_put(p, chance_of("late at", seed + i) % (p->days * DAY), WHAT_TENANT, "late")
            ->seconds = 600 + chance_of("late for", seed + i) % 7200;
}

/* Who approves chooses one letter now and then; or nobody looks for a week. */
static void draw_approvals(struct plan *p, uint64_t seed)
{
    bool parts = chance_of("letters", seed) % 4 == 0;
    unsigned from = p->days > 9 && chance_of("idle week", seed) % 3 == 0
                        ? 1 + (unsigned)(chance_of("idle week at", seed) % (p->days - 9))
                        : p->days;
    size_t kept = 0;
    for (size_t i = 0; i < p->n; i++) {
        struct happening *h = &p->all[i];
        bool approves = h->what == WHAT_OPERATOR && strcmp(h->to, "approve") == 0;
        if (approves && h->at_usec / DAY - from < 8)
            continue;
        if (approves && parts && chance_of("letter", seed + i) % 3 == 0) {
            memcpy(h->to, "approve part", sizeof("approve part"));
            h->number = chance_of("which letter", seed + i) % 26;
        }
        p->all[kept++] = *h;
    }
    p->n = kept;
}

void plan_draw_peers(struct plan *p, uint64_t seed)
{
    draw_directory(p, seed);
    draw_tenant(p, seed);
    draw_approvals(p, seed);
}
