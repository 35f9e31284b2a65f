/*
 * What happens in a life, line by line. A seed makes a plan (draw.c); a run reads nothing but
 * the plan, so that lines may be taken out and what remains happens as before (shrink.c), and
 * a plan that was kept outlives changes of how plans are drawn.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "directory.h"
#include "rules.h"

enum what {
    WHAT_HIRE, /* who; to: the team; number: names, language, place; seconds: until their first
                  day; 0: it has come */
    WHAT_LEAVE,
    WHAT_RETURN, /* as a new entry; to, number: as for a hire */
    WHAT_NAME,
    WHAT_LOGIN, /* another one, once */
    WHAT_TEAM,
    WHAT_LEAD,
    WHAT_LANGUAGE,
    WHAT_TYPE, /* to: Terminated, Revoked, Service, Visitor or nothing */
    WHAT_MOVE,
    WHAT_SHIFT,     /* to: on or off */
    WHAT_CRASH,     /* to: kill or power, or power at audit; points: until each death, the later
                       ones from a start */
    WHAT_DIRECTORY, /* to: away, hangs up, or how it behaves; seconds */
    WHAT_TENANT,    /* to: a trouble; seconds; number: how many percent; or who alone has it */
    WHAT_OPERATOR,  /* to: what they do */
    WHAT_CONFIGURATION, /* to: which key changes; number: its value */
    WHAT_CLOCK,         /* to: back, forward, sleep; seconds */
    WHAT_DISK,          /* to: full, fails or lies; seconds */
    WHAT_STATE,         /* to: keep; or it ends and begins again: restart, restore, remove, other
                           tenant (and back after some seconds) */
    WHAT_HAND, /* who is disabled at the tenant by somebody there; to: role or skill, loses
                  one; level: has another one of a skill; number: which; enable: who is
                  dormant works again */
    WHAT_GROUP,         /* who: which one of the teams' groups; to: cycle, straight, empty, delete
                           or anew */
    WHAT_PLACE,         /* who moves into the container; it is made when the first one does */
    WHAT_CONTAINER,     /* to: renamed; moved, to the other base */
    WHAT_END,           /* who; seconds: how long from then on they may work; 0: for ever */
    WHAT_EMPTY,         /* who; to: the attribute that has no value any more, or its own again */
    WHAT_CLASS,         /* who is of one more class, or not any more; to: posixGroup, a private
                           group; account, and of no class that is looked for */
    WHAT_TWIN,          /* who is hired with the login of somebody else, number; to: the team. The
                           second time it is put right */
    WHAT_COMMAND,       /* to: fails, hangs, cannot be killed; seconds */
    WHAT_LOG_IN, /* who logs in at the tenant; seconds: so long ago; to: unreadable, when that
                    was */
    WHAT_UNIT, /* who: a unit (groups.h); number: what it lies in; to: all, everybody is in it.
                  At the very beginning it is made, later it moves */
    WHAT_JOIN, /* who; number: a unit; to: in or out */
    WHAT_RULE, /* who: which one (shape.h); points: group, filter, team, role, skill, level;
                  to: gone. At the very beginning, or with another configuration */
    WHAT_ATTRIBUTE,     /* who; to: its name; number: which value it has from then on */
    WHAT_HABIT, /* to: what the tenant does by itself (habits.h); of a preset seconds, and
                   number: which */
    WHAT_SECOND,        /* somebody starts another one with the same configuration */
    WHAT_KINDS
};

struct happening {
    uint64_t at_usec; /* since the beginning */
    enum what what;
    char to[24];
    unsigned who;
    uint64_t number, seconds;
    size_t place; /* while they are sorted */
    unsigned points[8];
    size_t n_points;
};

struct plan {
    char why[400];   /* of a kept plan: what it found */
    uint64_t chance; /* decides what is too small for a line: how long an answer takes, ids */
    unsigned days;
    bool two_bases, nested_bases, deletes, session_log, polled, short_keepalive, often_verified;
    enum server server; /* polled: who is only asked again and again */
    bool clock_is_right; /* until somebody sets it */
    bool rotates; /* rosterd closes the audit's file each day, and keeps it for three */
    bool rests;    /* after its last day quiet ones follow, a restart, and a new state file */
    bool protects; /* a login is (rules.h) */
    bool passwords; /* new users get one, which a command hands on */
    bool dates;    /* people have a first and a last day */
    unsigned at_once; /* requests under way; 0: the default */
    unsigned limits[LIMITS]; /* 0: unlimited */
    bool privileged;         /* the role Lead is */
    bool api_person;         /* the API user is somebody of the directory */
    unsigned rate;           /* requests a second; 0: the default */
    unsigned seats;          /* how many may work; 0: as many as there are */
    unsigned vanish;         /* percent of people from whom an attribute may vanish; 0: all */
    unsigned ahead;          /* hours before the first day a user is made, disabled */
    bool makes_disabled;     /* whoever is disabled by the directory gets a user */
    unsigned dormant;        /* days without a log-in until somebody is; 0: nobody ever */
    bool dormant_disables;   /* whoever is; else they are reported */
    unsigned templates;      /* other ones (shape.h) */
    bool conflicts;          /* nobody may have the roles Lead and Trainer together */
    /* How often it asks, and how long it waits before it tells of something; 0: as the flags
     * say, or the default. */
    unsigned keepalive_seconds, poll_seconds, full_hours, verify_hours, alarm_minutes;
    struct happening *all;
    size_t n, room;
};

struct draw_options {
    uint64_t seed;
    unsigned days, people, crash_percent;
    bool calm; /* nothing but people */
    bool rests; /* whatever the seed says */
};

void plan_draw_edits(struct plan *p, uint64_t seed, unsigned n_hired); /* a part of it */
void plan_draw_peers(struct plan *p, uint64_t seed);
/* Units, rules, templates and reorganisations, of which the rest knows nothing. */
void plan_draw_shape(struct plan *p, uint64_t seed, bool calm);
/* How often rosterd asks, and what the tenant does by itself. */
void plan_draw_habits(struct plan *p, uint64_t seed, bool calm);
void plan_draw_right(struct plan *p, uint64_t seed);
void plan_draw_scarce(struct plan *p, uint64_t seed, unsigned n_hired, unsigned n_people);
void plan_draw(struct plan *ret, const struct draw_options *o);
/* What holds for a whole life, one after the other, with its name; NULL: there is no further
 * one. */
bool *plan_flag(struct plan *p, unsigned which, const char **ret_name);
unsigned *plan_number(struct plan *p, unsigned which, const char **ret_name);
/* In the order of their times; those of one time in the order in which they were added. */
struct happening *plan_put(struct plan *p, uint64_t at_usec, enum what what, const char *to);
void plan_sort(struct plan *p);
int plan_read(struct plan *ret, const char *path);
int plan_write(const struct plan *p, const char *path);
void plan_trace(const struct happening *h); /* that it happens now */
void plan_copy(struct plan *ret, const struct plan *p);
void plan_done(struct plan *p);
