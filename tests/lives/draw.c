/* A seed makes a plan: one stream of chance for each subject. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan.h"
#include "world.h"

#define PEOPLE_MAX 4096

/* What the generator knows of people, so that most lines mean something. */
static struct {
    bool gone, renamed;
} known[PEOPLE_MAX];
static unsigned n_hired, n_limit;

static uint64_t pick(uint64_t below)
{
    return chance(CHANCE_COMPANY, below);
}

static const char *any_team(void)
{
    static const char *const teams[] = {"support", "sales", "night"};
    return pick(10) ? teams[pick(3)] : "";
}

static void hire(struct plan *p, uint64_t at)
{
    if (n_hired + 1 >= PEOPLE_MAX)
        return;
    struct happening *h = plan_put(p, at, WHAT_HIRE, any_team());
    h->who = ++n_hired;
    h->number = pick(1000000);
    known[n_hired].gone = known[n_hired].renamed = false;
    if (pick(8) == 0)
        plan_put(p, at, WHAT_LEAD, "yes")->who = n_hired;
}

static void say(struct plan *p, uint64_t at, enum what what, unsigned who, const char *to)
{
    struct happening *h = plan_put(p, at, what, to);
    h->who = who;
    h->number = pick(1000000);
}

static void change(struct plan *p, uint64_t at, unsigned who)
{
    if (known[who].gone) {
        if (pick(3) == 0) {
            say(p, at, WHAT_RETURN, who, any_team());
            known[who].gone = false;
        }
        return;
    }
    switch (pick(14)) {
    case 0:
        say(p, at, WHAT_LEAVE, who, "");
        known[who].gone = true;
        break;
    case 1: say(p, at, WHAT_NAME, who, ""); break;
    case 2:
    case 3: say(p, at, WHAT_TEAM, who, any_team()); break;
    case 4: say(p, at, WHAT_TEAM, who, ""); break;
    case 5: say(p, at, WHAT_LANGUAGE, who, pick(2) ? "es" : ""); break;
    case 6: say(p, at, WHAT_TYPE, who, pick(3) ? "" : "Terminated"); break;
    case 7: say(p, at, WHAT_TYPE, who, pick(3) ? "" : "Revoked"); break;
    case 8: say(p, at, WHAT_TYPE, who, pick(3) ? "Visitor" : "Service"); break;
    case 9: say(p, at, WHAT_LEAD, who, pick(2) ? "yes" : ""); break;
    case 10: say(p, at, WHAT_MOVE, who, ""); break;
    case 11:
        if (!known[who].renamed && pick(3) == 0) {
            known[who].renamed = true; /* once is enough to find out */
            say(p, at, WHAT_LOGIN, who, "");
        }
        break;
    default: say(p, at, WHAT_SHIFT, who, pick(3) ? "" : "on"); break;
    }
}

static void draw_day(struct plan *p, unsigned day)
{
    unsigned most = n_limit / 12 + 4,
             n = day % 7 >= 5 || pick(3) == 0 ? 0 : (unsigned)pick(most + 1);
    for (unsigned i = 0; i < n; i++) { /* between seven and seven */
        uint64_t at = day * DAY + 7 * HOUR + pick(12 * HOUR);
        unsigned wave = pick(15) ? 1 : 1 + (unsigned)pick(8);
        bool hires = pick(4) == 0;
        for (unsigned k = 0; k < wave; k++)
            if (hires && n_hired < n_limit)
                hire(p, at);
            else if (n_hired)
                change(p, at, 1 + (unsigned)pick(n_hired));
    }
}

/* Many come at once, and somebody's access must end in the middle of it; perhaps many leave. */
static void draw_merger(struct plan *p)
{
    uint64_t at = pick(p->days) * DAY + 7 * HOUR + pick(12 * HOUR);
    unsigned n = 20 + (unsigned)pick(40), before = n_hired;
    if (before < 3)
        return;
    if (!p->rate && pick(2))
        p->rate = 3 + (unsigned)pick(5);
    for (unsigned i = 0; i < n; i++)
        hire(p, at);
    for (unsigned i = 0; i < 3; i++)
        say(p, at + pick(8 * SECOND), WHAT_TYPE, 1 + (unsigned)pick(before), "Revoked");
    for (unsigned i = 0; i < n / 2 && pick(2); i++)
        change(p, at + pick(30 * SECOND), 1 + (unsigned)pick(n_hired));
}

/* Where a budget holds, more leave on some days than it allows. */
static void draw_leavers(struct plan *p)
{
    unsigned most = p->limits[LIMIT_DISABLE];
    for (unsigned day = 0; day < p->days && most; day++) {
        uint64_t at = day * DAY + 7 * HOUR + pick(10 * HOUR);
        unsigned n = pick(3) ? most / 2 + (unsigned)pick(most + 3) : 0;
        for (unsigned i = 0; i < n; i++, at += pick(10) ? pick(10 * SECOND) : HOUR) {
            unsigned who = 1 + (unsigned)pick(n_hired);
            if (known[who].gone)
                continue;
            say(p, at, pick(2) ? WHAT_LEAVE : WHAT_TYPE, who, "Terminated");
            known[who].gone = p->all[p->n - 1].what == WHAT_LEAVE;
        }
    }
}

static void draw_company(struct plan *p, unsigned limit)
{
    p->two_bases = pick(3) == 0;
    p->deletes = pick(3) == 0;
    p->limits[LIMIT_DISABLE] = pick(4) ? 0 : 2 + (unsigned)pick(4);
    p->short_keepalive = pick(5) == 0;
    p->often_verified = pick(3) == 0;
    p->rate = pick(4) ? 0 : 2 + (unsigned)pick(6);
    n_hired = 0;
    n_limit = limit;
    for (unsigned i = 0; i < limit / 2 + 1; i++)
        hire(p, 0);
    for (unsigned day = 0; day < p->days; day++)
        draw_day(p, day);
    draw_leavers(p);
    if (pick(4) == 0)
        draw_merger(p);
}

/* A death is placed after so many points (writes, syncs, requests, answers) from a moment on;
 * and where a company is unlucky, again after so many from the next start. */
static void draw_crashes(struct plan *p, unsigned percent)
{
    uint64_t at = chance(CHANCE_CRASH, 3) ? SECOND : 0;
    while (percent && at < p->days * DAY) {
        if (chance_percent(CHANCE_CRASH, percent)) {
            /* The audit is written seldom, and has an order of its own. */
            bool audit = chance_percent(CHANCE_CRASH, 15);
            struct happening *h = plan_put(p, at, WHAT_CRASH,
                                           audit                             ? "power at audit"
                                           : chance_percent(CHANCE_CRASH, 50) ? "kill"
                                                                              : "power");
            h->number = chance(CHANCE_CRASH, 1000000);
            h->points[h->n_points++] =
                1 + (unsigned)chance(CHANCE_CRASH, audit ? 4 : at ? 60 : 150);
            while (h->n_points < 8 && chance_percent(CHANCE_CRASH, percent > 100 ? 90 : 20))
                h->points[h->n_points++] = 1 + (unsigned)chance(CHANCE_CRASH, audit ? 4 : 150);
        }
        at += 1 + chance(CHANCE_CRASH, 12 * HOUR);
    }
}

/* Twice a week or so a peer hangs up, or is away for a while; mostly when there is work. */
static void draw_weather(struct plan *p)
{
    static const char *const troubles[] = {"away",   "hangs up",     "lost answers", "throttles",
                                           "errors", "unauthorised", "pages",        "slow",
                                           "lost creates"};
    unsigned n = 1 + (unsigned)chance(CHANCE_TENANT, 1 + p->days);
    size_t n_people = p->n;
    for (unsigned i = 0; i < n; i++) {
        bool directory = chance_percent(CHANCE_TENANT, 30);
        uint64_t at = chance(CHANCE_TENANT, p->days * DAY);
        if (chance_percent(CHANCE_TENANT, 60))
            at = p->all[chance(CHANCE_TENANT, n_people)].at_usec;
        const char *to = directory ? troubles[chance(CHANCE_TENANT, 2)]
                                   : troubles[chance(CHANCE_TENANT, 9)];
        uint64_t before = chance(CHANCE_TENANT, 5 * SECOND);
        struct happening *h = plan_put(p, at > before ? at - before : 0,
                                       directory ? WHAT_DIRECTORY : WHAT_TENANT, to);
        h->seconds = strcmp(to, "hangs up") == 0 ? 1
                     : chance(CHANCE_TENANT, 2)  ? 60 + chance(CHANCE_TENANT, 600)
                                                 : 60 + chance(CHANCE_TENANT, 6 * 3600);
        h->number = 5 + chance(CHANCE_TENANT, 95);
    }
}

/* What kind of server it is, and how it behaves badly. */
static void draw_directory(struct plan *p, uint64_t seed, bool calm)
{
    static const char *const troubles[] = {"forgets",      "wants all", "leaves out", "no cookies",
                                           "restored",     "limits",    "busy",       "freezes",
                                           "cuts short", "another controller",
                                           "names too many"};
    static const char *const narrowed[] = {"hides people", "hides members", "hides some members",
                                        "hides mails",  "hides names",   "hides base",
                                        "hides contractors"};
    uint64_t kind = chance_of("server", seed) % 8;
    p->session_log = chance_percent(CHANCE_DIRECTORY, 50);
    p->polled = !calm && chance_percent(CHANCE_DIRECTORY, 15);
    p->server = kind == 0 ? SERVER_389 : kind < 3 ? SERVER_AD : SERVER_OPENLDAP;
    for (unsigned i = 0; !calm && chance_of("hides", seed) % 4 == 0 && i < 1 + p->days / 4; i++)
        plan_put(p, chance_of("hides at", seed + i) % (p->days * DAY), WHAT_DIRECTORY,
                 narrowed[chance_of("hides what", seed + i) % 7])
            ->seconds = 600 + chance_of("hides for", seed + i) % (30 * 3600);
    for (unsigned i = 0; !calm && chance_of("less", seed) % 5 == 0 && i < 1 + p->days / 4; i++)
        plan_put(p, chance_of("less at", seed + i) % (p->days * DAY), WHAT_DIRECTORY,
                 "pushes less")
            ->seconds = 3600 + chance_of("less for", seed + i) % (20 * 3600);
    if (calm || !chance_percent(CHANCE_DIRECTORY, 40))
        return;
    for (unsigned i = 0; i < 1 + p->days / 3; i++) {
        struct happening *h = plan_put(p, chance(CHANCE_DIRECTORY, p->days * DAY), WHAT_DIRECTORY,
                                       troubles[chance(CHANCE_DIRECTORY, 11)]);
        h->seconds = 60 + chance(CHANCE_DIRECTORY, chance(CHANCE_DIRECTORY, 2) ? 600 : 4 * 3600);
    }
}

/* A controller is away for days, people leave meanwhile: it has forgotten them when it is back. */
static void draw_long_away(struct plan *p, uint64_t seed)
{
    if (p->server != SERVER_AD || p->days < 6 || chance_of("long away", seed) % 3)
        return;
    uint64_t at = (1 + chance_of("long away at", seed) % (p->days - 5)) * DAY + 6 * HOUR;
    for (unsigned i = 0; i < 3; i++)
        plan_put(p, at + HOUR + i * MINUTE, WHAT_LEAVE, "")->who =
            1 + (unsigned)(chance_of("long away who", seed + i) % n_hired);
    plan_put(p, at, WHAT_DIRECTORY, "away")->seconds = 3 * 86400;
}

/* Somebody looks at what waits four times a day, and mostly approves it. */
static void draw_operators(struct plan *p, bool calm)
{
    static const char *const acts[] = {"pause",  "retry", "sync",  "approve stale",
                                       "reload", "read",  "rotate", "erase"};
    size_t n_people = p->n;
    bool strict = !calm && chance_percent(CHANCE_OPERATOR, 25);
    for (unsigned day = 0; day < p->days; day++)
        for (unsigned hour = 9; hour < 24; hour += 4) {
            uint64_t at = day * DAY + hour * HOUR;
            if (!strict || chance_percent(CHANCE_OPERATOR, 60))
                plan_put(p, at, WHAT_OPERATOR, "approve");
            if (calm || !chance_percent(CHANCE_OPERATOR, 12))
                continue;
            /* Half of it right before somebody's change. */
            uint64_t when = at + chance(CHANCE_OPERATOR, 3 * HOUR);
            if (chance_percent(CHANCE_OPERATOR, 50))
                when = p->all[chance(CHANCE_OPERATOR, n_people)].at_usec;
            when -= when < SECOND ? 0 : SECOND;
            struct happening *h =
                plan_put(p, when, WHAT_OPERATOR, acts[chance(CHANCE_OPERATOR, 8)]);
            h->who = 1 + (unsigned)chance(CHANCE_OPERATOR, n_hired);
            h->seconds = 60 + chance(CHANCE_OPERATOR, 3600);
        }
}

/* An administrator edits a key now and then. */
static void draw_configurations(struct plan *p)
{
    static const char *const keys[] = {"billing", "visitors", "budget", "broken"};
    if (!chance_percent(CHANCE_OPERATOR, 30))
        return;
    for (unsigned day = 0; day < p->days; day++)
        if (chance_percent(CHANCE_OPERATOR, 20)) {
            uint64_t at = day * DAY + 8 * HOUR + chance(CHANCE_OPERATOR, 10 * HOUR);
            plan_put(p, at, WHAT_CONFIGURATION, keys[chance(CHANCE_OPERATOR, 4)])->number =
                1 + chance(CHANCE_OPERATOR, 1000);
        }
}

/* Restarts, in some companies each morning; older state files, or none. */
static void draw_states(struct plan *p, uint64_t seed)
{
    static const char *const ways[] = {"restart", "restart", "restore", "remove"};
    for (unsigned day = 0; day < p->days && chance_of("each morning", seed) % 10 == 0; day++)
        plan_put(p, day * DAY + 5 * HOUR, WHAT_STATE, "restart");
    if (!chance_percent(CHANCE_OPERATOR, 30))
        return;
    for (unsigned i = 0; i < 1 + p->days / 4; i++) {
        uint64_t at = chance(CHANCE_OPERATOR, p->days * DAY),
                 later = chance(CHANCE_OPERATOR, 2 * DAY);
        plan_put(p, at, WHAT_STATE, "keep");
        plan_put(p, at + later, WHAT_STATE, ways[chance(CHANCE_OPERATOR, 4)]);
    }
}

static void draw_hand(struct plan *p, uint64_t seed, const char *to)
{
    struct happening *h =
        plan_put(p, chance_of("hand at", seed) % (p->days * DAY), WHAT_HAND, to);
    h->who = 1 + (unsigned)(chance_of("hand of", seed) % n_hired);
    h->number = chance_of("hand takes", seed) % 1000;
}

/* The tenant's own people: they disable somebody, or change what somebody may do. */
static void draw_hands(struct plan *p, uint64_t seed)
{
    static const char *const acts[] = {"role", "skill", "level"};
    if (chance_of("hands", seed) % 3)
        return;
    for (unsigned i = 0; i < 1 + p->days / 3; i++)
        draw_hand(p, seed + i, "");
    for (unsigned i = 0; i < 2 + p->days / 2; i++)
        draw_hand(p, seed * 31 + i, acts[chance_of("hand does", seed + i) % 3]);
}

/* Somebody has the daemon work for another tenant, with the same state, for an hour or so. */
static void draw_other_tenant(struct plan *p, uint64_t seed)
{
    if (chance_of("other tenant", seed) % 8)
        return;
    plan_put(p, chance_of("other at", seed) % (p->days * DAY), WHAT_STATE, "other tenant")->seconds =
        600 + chance_of("other for", seed) % 7200;
}

/* Groups in a circle, groups that everybody leaves, groups that are gone for a while. */
static void draw_groups(struct plan *p, uint64_t seed)
{
    static const char *const acts[] = {"cycle", "straight", "empty", "delete", "delete"};
    if (chance_of("groups", seed) % 3)
        return;
    for (unsigned i = 0; i < 1 + p->days / 3; i++) {
        const char *act = acts[chance_of("group act", seed + i) % (i ? 5 : 4)];
        uint64_t at = chance_of("group at", seed + i) % (p->days * DAY);
        unsigned which = 1 + (unsigned)(chance_of("group of", seed + i) % 2);
        plan_put(p, at, WHAT_GROUP, act)->who = which;
        if (strcmp(act, "delete") == 0)
            plan_put(p, at + MINUTE + chance_of("group for", seed + i) % (3 * HOUR), WHAT_GROUP,
                     "anew")
                ->who = which;
    }
}

/* People below a container, which is renamed and moved with them. */
static void draw_containers(struct plan *p, uint64_t seed)
{
    if (chance_of("containers", seed) % 3)
        return;
    for (unsigned i = 0; i < 3 + chance_of("places", seed) % 5; i++)
        plan_put(p, i % 2 * DAY + 8 * HOUR + i, WHAT_PLACE, "")->who =
            1 + (unsigned)(chance_of("placed", seed + i) % n_hired);
    for (unsigned i = 0; i < 1 + p->days / 3; i++)
        plan_put(p, 9 * HOUR + chance_of("container at", seed + i) % (p->days * DAY),
                 WHAT_CONTAINER, chance_of("container to", seed + i) % 2 ? "renamed" : "moved")
            ->number = chance_of("container name", seed + i) % 1000;
}

/* What the tenant has with one user alone; and a directory that cannot keep its place in pages. */
static void draw_ones(struct plan *p, uint64_t seed)
{
    size_t n = p->n;
    for (unsigned i = 0; chance_of("ones", seed) % 3 == 0 && i < 1 + p->days / 3; i++) {
        /* Right before something happens to them. */
        struct happening next = p->all[chance_of("one at", seed + i) % n];
        bool refuses = chance_of("one has", seed + i) % 3;
        /* What is written whole is what an answer about somebody else does harm to. */
        for (size_t k = 0; k < n && !refuses; k++)
            if (next.what != WHAT_NAME && next.what != WHAT_TEAM)
                next = p->all[(chance_of("one at", seed + i) + k) % n];
        struct happening *h =
            plan_put(p, next.at_usec - (next.at_usec > MINUTE ? MINUTE : 0), WHAT_TENANT,
                     refuses ? "refuses one" : "mistakes one");
        h->who = next.who ? next.who : 1 + (unsigned)(chance_of("one who", seed + i) % n_hired);
        h->number = 1 + chance_of("one taken for", seed + i) % n_hired;
        h->seconds = 600 + chance_of("one for", seed + i) % (6 * 3600);
    }
    if (chance_of("pages", seed) % 5 == 0)
        plan_put(p, chance_of("pages", seed) % 3 ? chance_of("pages at", seed) % (p->days * DAY) : 0,
                 WHAT_DIRECTORY, "small pages")
            ->seconds = 600 + chance_of("pages for", seed) % 7200;
}

/* Full, failing and lying disks. */
static void draw_disks(struct plan *p)
{
    static const char *const troubles[] = {"full", "full", "fails", "fails", "lies"};
    if (!chance_percent(CHANCE_DISK, 25))
        return;
    for (unsigned i = 0; i < 1 + p->days / 4; i++) {
        struct happening *h = plan_put(p, chance(CHANCE_DISK, p->days * DAY), WHAT_DISK,
                                       troubles[chance(CHANCE_DISK, 5)]);
        h->seconds = 10 + chance(CHANCE_DISK, chance(CHANCE_DISK, 2) ? 60 : 7200);
        if (h->seconds % 4 == 0)
            snprintf(h->to, sizeof(h->to), "read-only");
    }
}

/* Clocks that are wrong, and are set; machines that sleep. */
static void draw_clocks(struct plan *p)
{
    static const char *const ways[] = {"back", "forward", "sleep"};
    if (!chance_percent(CHANCE_DISK, 25))
        return;
    for (unsigned i = 0; i < 1 + p->days / 4; i++) {
        static const uint64_t most[] = {60, 3600, 86400, 400 * 86400};
        uint64_t kind = chance(CHANCE_DISK, 3);
        struct happening *h =
            plan_put(p, chance(CHANCE_DISK, p->days * DAY), WHAT_CLOCK, ways[kind]);
        /* What is to be deleted waits on the wall clock so far. */
        unsigned n_most = p->deletes && kind ? 2 : kind == 2 ? 3 : 4;
        h->seconds = 1 + chance(CHANCE_DISK, most[chance(CHANCE_DISK, n_most)]);
    }
}

/* Budgets of other kinds; a role that is privileged; an API user who is one of the people. */
static void draw_guard(struct plan *p, uint64_t seed)
{
    for (unsigned k = LIMIT_DISABLE + 1; k < LIMITS && chance_of("budgets", seed) % 4 == 0; k++)
        if (chance_of("budget of", seed + k) % 3 == 0)
            p->limits[k] = 1 + (unsigned)(chance_of("budget", seed + k) % 5);
    p->privileged = chance_of("privileged", seed) % 3 == 0;
    p->api_person = chance_of("api person", seed) % 6 == 0;
    if (p->privileged && chance_of("privileged budget", seed) % 3 == 0)
        p->limits[LIMIT_PRIVILEGED] = 1 + (unsigned)(chance_of("privileged budget", seed) % 4);
}

void plan_draw(struct plan *ret, const struct draw_options *o)
{
    *ret = (struct plan){.days = o->days, .chance = 1 + o->seed};
    for (unsigned i = 0; i < CHANCE_STREAMS; i++)
        chance_seed((enum stream)i, o->seed * 1000003 + i * 7919);
    draw_company(ret, o->people);
    ret->clock_is_right = chance_of("clock", o->seed) % 2;
    ret->rotates = !o->calm && chance_of("rotates", o->seed) % 4 == 0;
    ret->rests = o->rests || chance_of("rests", o->seed) % 4 == 0;
    ret->protects = chance_of("protects", o->seed) % 4 == 0;
    ret->nested_bases = chance_of("nested bases", o->seed) % 3 == 0;
    ret->dates = !o->calm && chance_of("dates", o->seed) % 4 == 0;
    ret->clock_is_right = ret->clock_is_right || ret->dates;
    ret->passwords = chance_of("passwords", o->seed) % 4 == 0;
    ret->at_once = chance_of("at once", o->seed) % 4 ? 0 : 1 + (unsigned)(chance_of("at most", o->seed) % 3);
    if (!o->calm)
        draw_guard(ret, o->seed);
    draw_crashes(ret, o->crash_percent);
    draw_operators(ret, o->calm);
    draw_directory(ret, o->seed, o->calm);
    if (!o->calm)
        draw_long_away(ret, o->seed);
    if (!o->calm) {
        draw_weather(ret);
        draw_configurations(ret);
        plan_draw_scarce(ret, o->seed, n_hired, o->people);
        if (!ret->dormant)
            draw_clocks(ret);
        plan_draw_right(ret, o->seed);
        draw_disks(ret);
        draw_states(ret, o->seed);
        draw_hands(ret, o->seed);
        draw_other_tenant(ret, o->seed);
        draw_groups(ret, o->seed);
        draw_containers(ret, o->seed);
        draw_ones(ret, o->seed);
        plan_draw_edits(ret, o->seed, n_hired);
        plan_draw_peers(ret, o->seed);
    }
    plan_draw_shape(ret, o->seed, o->calm);
    plan_draw_habits(ret, o->seed, o->calm);
    plan_sort(ret);
}
