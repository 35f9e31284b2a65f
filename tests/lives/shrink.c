/*
 * Days first, then what the life as a whole may do without, then lines: by halves, by quarters
 * and so on down to one by one, in rounds until nothing more can go.
 */
#include "config.h"

#include "shrink.h"

#include <string.h>

#include "world.h"

static int wanted;
static unsigned n_lives, most_lives;

/* Does it still fail so? Then it takes the place of the other one. */
static bool replaces(struct plan *p, struct plan *smaller)
{
    uint64_t at = 0;
    if (n_lives >= most_lives)
        return false;
    n_lives++;
    if (life_of(smaller, &at) != wanted)
        return false;
    if (at / DAY + 1 < smaller->days) /* what would come after it is of no interest */
        smaller->days = (unsigned)(at / DAY + 1);
    plan_done(p);
    *p = *smaller;
    return true;
}

static bool try_flags(struct plan *p)
{
    bool any = false, *flag;
    const char *name;
    for (unsigned i = 0; (flag = plan_flag(p, i, &name)); i++) {
        struct plan smaller;
        if (!*flag)
            continue;
        plan_copy(&smaller, p);
        *plan_flag(&smaller, i, &name) = false;
        if (replaces(p, &smaller))
            any = true;
        else
            plan_done(&smaller);
    }
    return any;
}

static void drop_late(struct plan *p)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->n; i++)
        if (p->all[i].at_usec < p->days * DAY)
            p->all[kept++] = p->all[i];
    p->n = kept;
}

/* Lines from..to are taken out. */
static bool try_lines(struct plan *p, size_t from, size_t to)
{
    struct plan smaller;
    plan_copy(&smaller, p);
    memmove(smaller.all + from, smaller.all + to, (smaller.n - to) * sizeof(*smaller.all));
    smaller.n -= to - from;
    if (replaces(p, &smaller))
        return true;
    plan_done(&smaller);
    return false;
}

static bool try_kind(struct plan *p, enum what what)
{
    struct plan smaller;
    size_t kept = 0;
    plan_copy(&smaller, p);
    for (size_t i = 0; i < p->n; i++)
        if (p->all[i].what != what)
            smaller.all[kept++] = p->all[i];
    smaller.n = kept;
    if (kept < p->n && replaces(p, &smaller))
        return true;
    plan_done(&smaller);
    return false;
}

/* Of a chain of deaths the last ones. */
static bool try_points(struct plan *p, size_t i)
{
    struct plan smaller;
    if (p->all[i].n_points < 2)
        return false;
    plan_copy(&smaller, p);
    smaller.all[i].n_points--;
    if (replaces(p, &smaller))
        return true;
    plan_done(&smaller);
    return false;
}

unsigned shrink(struct plan *p, int invariant, unsigned lives_max)
{
    bool any = true;
    uint64_t at = 0;
    wanted = invariant;
    most_lives = lives_max;
    n_lives = 1;
    if (life_of(p, &at) == invariant && at / DAY + 1 < p->days)
        p->days = (unsigned)(at / DAY + 1);
    drop_late(p);
    for (unsigned what = WHAT_LEAVE; what < WHAT_KINDS; what++)
        (void)try_kind(p, (enum what)what);
    while (any && n_lives < most_lives) {
        any = try_flags(p);
        for (size_t size = (p->n + 1) / 2; size; size = size / 2) {
            for (size_t from = 0; from < p->n;)
                if (try_lines(p, from, from + size < p->n ? from + size : p->n))
                    any = true;
                else
                    from += size;
        }
        for (size_t i = 0; i < p->n; i++)
            any = try_points(p, i) || any;
        drop_late(p);
    }
    return n_lives;
}
