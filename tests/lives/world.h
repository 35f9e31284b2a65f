/*
 * A simulated world around the whole daemon: its clock, sockets, threads, disk and chance. What
 * libraries and daemon call by the names of libc is defined in clock.c, thread.c, socket.c and
 * disk.c, and since the program comes first in symbol resolution, libsystemd, libldap, libcurl
 * and SQLite call it as well.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECOND 1000000ULL
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
/* Of the steady clock: day 0, 00:00. */
#define BEGINNING (1000 * SECOND)

/* One stream of chance for each subject, so that an event that is taken out leaves the others
 * as they were. */
enum stream {
    CHANCE_COMPANY,
    CHANCE_DIRECTORY,
    CHANCE_TENANT,
    CHANCE_DISK,
    CHANCE_CRASH,
    CHANCE_OPERATOR,
    CHANCE_PROGRAM, /* getrandom() */
    CHANCE_STREAMS
};
uint64_t chance(enum stream s, uint64_t below);
bool chance_percent(enum stream s, unsigned percent);
void chance_seed(enum stream s, uint64_t number);
/* The same for the same text in each run of a plan. */
uint64_t chance_of(const char *text, uint64_t number);

/* The folder by a name that is the same in every life: paths are in the configuration, and its
 * fingerprint is in the audit. */
#define HERE "/proc/self/cwd/"

enum death {
    DEATH_NOT,
    DEATH_KILL, /* the process is gone, what it wrote stays */
    DEATH_POWER /* what was not synced may be gone, or torn */
};

enum disk {
    DISK_FINE,
    DISK_FULL,
    DISK_FAILS,
    DISK_LIES, /* it calls synced what is not */
    DISK_AUDIT_FULL, /* the one that the audit file lies on */
    DISK_READ_ONLY /* as a file system that the kernel has doubts about */
};

struct world {
    uint64_t steady_usec, wall_usec;
    uint64_t booted_usec; /* the machine's own steady clock begins there */
    uint64_t cut_usec;    /* when a connection ended last */
    uint64_t active_usec; /* when anything happened last */
    uint64_t off_usec;    /* how long the machine was off, all in all: it cannot know */
    uint64_t slept_usec;  /* how long it slept, of which its wall clock alone knows */
    uint64_t noted_usec;  /* when the state, and its clock with it, was written last */
    uint64_t down_usec;   /* how long nobody was there to do anything */
    enum death death; /* from now on nothing that the daemon does reaches anybody */
    bool running;     /* the definitions speak for the world, not for the kernel */
    bool directory_away, tenant_away;
    uint64_t quiet_usec;   /* since when nothing is out of order; UINT64_MAX: something is */
    uint64_t away_usec;    /* since when the directory is */
    uint64_t refused_usec; /* when the first connection to the tenant failed since that is; 0 */
    bool other_tenant; /* the configuration names another one */
    bool was_turned_back; /* the wall clock, if ever so little */
    bool clock_is_right; /* the wall clock, and the machine can tell */
    enum disk disk;
    uint64_t disk_usec;          /* when a trouble of it ended */
    bool has_lied, lost_by_lies; /* then much is nobody's fault */
    char folder[80];
    /* Breaks the daemon's loop after a death. */
    void (*on_death)(void);
    /* Invariants that broke; the first sentences are printed. */
    unsigned n_broken;
    /* What changed since then the daemon may not have heard of; UINT64_MAX: it has heard all.
     */
    uint64_t deaf_since_usec;
    uint64_t n_crashes, n_power_losses, n_requests, n_events, n_changes, n_writes, n_checks;
    unsigned first_broken;    /* the first invariant that broke, and when */
    uint64_t first_broken_usec;
    char first_sentence[200];
    unsigned crash_countdown; /* points until the death; 0: none is due */
    enum death crash_kind;
    bool crash_at_audit; /* of the files, only those of the audit count */
    uint64_t points[2]; /* what was seen */
    bool trace, silent;
    uint64_t stop_usec; /* a life ends then at the latest; 0: when it is over */
    bool again; /* the second of two lives, on another machine: nothing of that may be heard */
};
extern struct world world;

/* An invariant does not hold: said once with the day. */
__attribute__((format(printf, 2, 3))) void broken(unsigned invariant, const char *format, ...);
unsigned world_day(void);
/* With --trace: a line beside the log, for what happens, each message and each write. */
__attribute__((format(printf, 1, 2))) void trace(const char *format, ...);
void log_begin(void);
void log_dump(void); /* the last lines of the daemon's log */
void log_keep(const char *line, size_t size);

/* clock.c */
typedef void (*event_fn)(void *userdata, uint64_t argument);
void clock_begin(uint64_t number);
void clock_end(void);
void world_at(uint64_t steady_usec, event_fn fn, void *userdata, uint64_t argument);
/* Without the daemon: what is due happens, until that time. */
void world_pass(uint64_t until_steady_usec);
void world_tick(void); /* a moment of it, for whoever waits in a thread */
void world_stir(void); /* a descriptor may be ready that was not */
uint64_t world_stirs(void);

/* growth.c: between two waits of the loop. */
void turn_begins(void);
void turn_ends(void);
void turn_syncs(void); /* a file is synced */

/* sources.c */
void sources_begin(void);
unsigned sources_alive(void); /* of events */

/* machine.c: the file that has the boot's name; NULL: it is another one. */
const char *machine_boot_text(const char *path);

/* thread.c */
bool threads_run(void);      /* true: one of them went on */
uint64_t threads_next(void); /* when one of them has waited long enough */
unsigned threads_alive(void);
void threads_finish(void);

/* socket.c */
enum peer_kind {
    PEER_DIRECTORY,
    PEER_TENANT,
    PEER_OPERATOR /* who calls the daemon */
};
struct line { /* a connection, seen from the world's end */
    struct line *next;
    enum peer_kind peer;
    int fd; /* -1: hung up, freed when nobody refers to it */
    unsigned n_references;
    unsigned char *in, *out;
    size_t n_in, n_out, in_room, out_room;
    void *data; /* the peer's */
    bool is_other; /* to the other tenant */
    uint64_t late_usec; /* what was said arrives until then */
};
bool sockets_run(void);                /* true: something was heard or said */
void sockets_cut(enum peer_kind peer); /* every connection to it */
void sockets_end(void);
/* To a socket that the daemon listens on; NULL: nobody does. */
struct line *line_open(const char *path, void *data);
void line_say(struct line *l, const void *data, size_t size);
void line_hang_up(struct line *l);
struct line *line_ref(struct line *l);
struct line *line_unref(struct line *l);
void line_eat(struct line *l, size_t size);
size_t lines_held(void); /* bytes of memory by all of them, which is the world's */

/* disk.c */
enum disk disk_named(const char *name);
void disk_begin(void);
void disk_power_loss(void);
void disk_end(void);
bool disk_is_synced(const char *name); /* of a file */
/* When a write to the audit's file, or to the state, failed first since the disk was fine; 0.
 */
uint64_t disk_refused_usec(bool audit);
const char *path_here(const char *path); /* a shorter one */
/* Files of the audit that the daemon removed are put there, by this beginning of their names. */
#define REMOVED "removed-"
/* A place where the daemon may die: each write, each sync, each request that arrives, each
 * answer. true: it is dead. */
bool crash_point(const char *path); /* of the file; NULL: a request or an answer */

/* ages.c */
void age_note(int fd); /* it is written now */
void ages_end(void);

/* directory.c */
void directory_hear(struct line *l);
void directory_hung_up(struct line *l);

/* points.c */
enum point {
    POINT_DELETE_PHASE,
    POINT_PRESENT_PHASE,
    POINT_389,
    POINT_DIRSYNC,
    POINT_PAGED,
    POINT_AGED,
    POINT_LIES,
    POINT_POLL,
    POINT_ROLL_CALL,
    POINT_KILLED,
    POINT_POWER_LOSS,
    POINT_DEAD_AT_START,
    POINT_TORN,
    POINT_SETTLED,
    POINT_AUDIT_CUT,
    POINT_LOST_ANSWER,
    POINT_THROTTLED,
    POINT_PAGE,
    POINT_UNAUTHORISED,
    POINT_ERROR,
    POINT_BUSY_REVOCATION,
    POINT_PARKED,
    POINT_APPROVED,
    POINT_STALE,
    POINT_PAUSED,
    POINT_RELOADED,
    POINT_NOT_LOADED,
    POINT_RESTORED,
    POINT_REMOVED,
    POINT_DISK_FULL,
    POINT_SYNC_FAILED,
    POINT_LIED,
    POINT_READ_ONLY,
    POINT_OTHER_TENANT,
    POINT_BY_HAND,
    POINT_CLOCK_BACK,
    POINT_CLOCK_FORWARD,
    POINT_CLOCK_RIGHT,
    POINT_RENAMED,
    POINT_DELETED,
    POINT_ENABLED,
    POINT_ERASED,
    POINT_ROTATED,
    POINT_CLOSED,
    POINT_TOO_OLD,
    POINT_ON_SHIFT,
    POINT_RESTED,
    POINT_TAKEN_OVER,
    POINT_REFUSED,
    POINT_MISTAKEN,
    POINT_CYCLE,
    POINT_GROUP_EMPTIED,
    POINT_GROUP_GONE,
    POINT_GROUP_ANEW,
    POINT_CONTAINER,
    POINT_SMALL_PAGES,
    POINT_PEOPLE_HIDDEN,
    POINT_MEMBERS_HIDDEN,
    POINT_VALUES_HIDDEN,
    POINT_LAST_HOLDER,
    POINT_TAKEN_BY_HAND,
    POINT_LEVEL_BY_HAND,
    POINT_YEARBOOK,
    POINT_BUDGET_ALARM,
    POINT_HOLD_ALARM,
    POINT_BEGAN,
    POINT_ENDED,
    POINT_EMPTIED,
    POINT_CLASS,
    POINT_SECOND,
    POINT_TWIN,
    POINT_HANDED_ON,
    POINT_COMMAND_TROUBLE,
    POINT_PUSHED_LESS,
    POINT_SEATS_WAITED,
    POINT_SEAT_FREED,
    POINT_CONFLICT,
    POINT_SWAPPED,
    POINT_LOGGED_IN,
    POINT_UNREADABLE,
    POINT_DORMANT,
    POINT_DORMANT_TOLD,
    POINT_WOKEN,
    POINT_SET_RIGHT,
    POINT_AHEAD,
    /* causes.c */
    POINT_DIRECTORY_AWAY,
    POINT_FROZEN,
    POINT_GROUP_MISSED,
    POINT_MEMBERS_MISSED,
    POINT_VANISHED,
    POINT_UNPROVEN,
    POINT_TENANT_AWAY,
    POINT_ACCOUNT,
    POINT_PUT_OFF,
    POINT_OTHER_TOLD,
    POINT_ADOPTION,
    POINT_RESTORED_TOLD,
    POINT_REVOCATION_REFUSED,
    POINT_DRIFT,
    POINT_CLOCK_DOUBTED,
    POINT_UNHANDED,
    POINT_AUDIT_FULL,
    POINT_STATE_FULL,
    POINT_LOAD,
    /* answers.c */
    POINT_SLOW_DIRECTORY,
    POINT_CUT_SHORT,
    POINT_SIZE_LIMIT,
    POINT_TIME_LIMIT,
    POINT_ADMIN_LIMIT,
    POINT_REFERRAL,
    POINT_VERY_LATE,
    POINT_THROTTLED_REVOCATION,
    POINT_DEAD_BEFORE_NOTE,
    POINT_EXPLAINED,
    POINT_PART_APPROVED,
    POINT_WAITED_A_WEEK,
    POINT_UNIT_MOVED,
    POINT_UNIT_JOINED,
    POINT_RULE_CHANGED,
    POINT_ATTRIBUTE,
    POINT_TEAM_SKILL,
    POINT_PRESET,
    POINT_OWN_FORM,
    POINT_MADE_BY_LOG_IN,
    POINTS
};
void seen(enum point p);
bool was_seen(const uint64_t points[2], enum point p);
void seen_in_log(const char *line, size_t size);
/* How many lives saw each; all: else only those that none saw. Returns how many were seen. */
unsigned points_print(const unsigned lives[POINTS], bool all);

/* operator.c */
void operator_hear(struct line *l);
void operator_hung_up(struct line *l);

/* tenant.c */
void tenant_begin(void);
void tenant_end(void);
void tenant_hear(struct line *l);
void tenant_hung_up(struct line *l);
