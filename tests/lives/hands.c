/* The hands of people at the tenant: what they did is held against whatever is written later. */
#include "config.h"

#include "hands.h"

#include <string.h>

#include "company.h"
#include "dormant.h"
#include "dues.h"
#include "life.h"
#include "oracle.h"
#include "plan.h"
#include "rules.h"
#include "simulated.h"
#include "tenant.h"
#include "world.h"

const char *const due_names[DUES] = {"",        "Agent",   "Lead",    "Trainer",
                                     "Coach",   "Auditor", "English", "Spanish",
                                     "Billing", "French",  "Chat"};

static int wanted_of(const struct person *p, enum due fact)
{
    struct dues d;
    dues_of(p->item, &d);
    return d.of[fact];
}

bool hands_took(const struct person *p, enum due fact)
{
    for (size_t i = 0; i < HANDS; i++)
        if (p->hands[i].fact == fact)
            return true;
    return false;
}

bool hands_any(const struct person *p)
{
    return p->hands[0].fact;
}

/* Only what nothing is in the middle of changing, so that it is told who did it. */
static void act(struct person *p, const struct happening *h)
{
    struct dues is;
    bool role = strcmp(h->to, "role") == 0;
    enum due fact = role ? DUE_AGENT + h->number % 2 : DUE_ENGLISH + h->number % 3;
    int level = strcmp(h->to, "level") == 0 ? 1 + (int)(h->number / 3 % 40) : 0;
    size_t n = 0;
    while (n < HANDS && p->hands[n].fact)
        n++;
    /* Who took one of two would let the other one in. */
    if (rules.conflicts && fact == DUE_LEAD)
        return;
    if (n == HANDS || hands_took(p, fact) || !oracle_is_entitled(p->item) ||
        !life_was_quiet(world.steady_usec - HOUR) || p->apart_until_usec ||
        world.steady_usec - p->changed_usec < 2 * HOUR || !tenant_dues(p->login, &is) ||
        !is.of[fact] || is.of[fact] != wanted_of(p, fact) ||
        !tenant_set(p->login, due_names[fact], level))
        return;
    p->hands[n] = (struct hand){fact, level, wanted_of(p, fact), false};
    p->hand_usec = world.steady_usec;
    seen(level ? POINT_LEVEL_BY_HAND : POINT_TAKEN_BY_HAND);
}

void hands_happen(struct person *p, const struct happening *h)
{
    if (h->what == WHAT_SHIFT) {
        tenant_shift(p->login, *h->to);
        if (*h->to)
            dormant_logs_in(p, &(struct happening){0});
    } else if (h->what == WHAT_LOG_IN) {
        dormant_logs_in(p, h);
    } else if (strcmp(h->to, "enable") == 0) {
        dormant_woken(p);
    } else if (dormant_was_just_woken(p)) {
        return;
    } else if (*h->to) {
        act(p, h);
    } else if (oracle_is_entitled(p->item) && tenant_disable(p->login)) {
        p->disabled_before = p->disabled_by_hand = true;
        p->hand_usec = world.steady_usec;
        seen(POINT_BY_HAND);
    }
}

void hands_touched(struct person *p)
{
    for (size_t i = 0; i < HANDS; i++)
        if (p->hands[i].fact && (!oracle_is_entitled(p->item) ||
                                 wanted_of(p, p->hands[i].fact) != p->hands[i].wanted))
            p->hands[i].over = true;
}

void hands_forgotten(struct person *p)
{
    for (size_t i = 0; i < HANDS; i++)
        p->hands[i].over = true;
    p->hand_usec = 0; /* it is as it is found */
}

void hands_apply(const struct person *p, const struct dues *is, struct dues *due)
{
    for (size_t i = 0; i < HANDS && p->hands[i].fact; i++) {
        const struct hand *h = &p->hands[i];
        if (!h->over || is->of[h->fact] == h->level) /* what is over may stay so, or not */
            due->of[h->fact] = h->level;
    }
}

static struct dues was; /* before the request that is carried out */

void hands_before(const struct person *p)
{
    was = (struct dues){0};
    tenant_dues(p->login, &was);
}

void hands_after(const struct person *p, const char *method)
{
    struct dues is;
    if (!hands_any(p) || !tenant_dues(p->login, &is))
        return;
    world.n_checks++;
    for (size_t i = 0; i < HANDS && p->hands[i].fact; i++) {
        const struct hand *h = &p->hands[i];
        int before = was.of[h->fact], after = is.of[h->fact];
        if (!h->over && before == h->level && after != h->level)
            broken(18, "a %s gives %s %s (%d) again, which somebody had taken or changed by hand",
                   method, p->login, due_names[h->fact], after);
    }
}
