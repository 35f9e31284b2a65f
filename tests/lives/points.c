/* What must be seen sometimes: a net that never meets a kind of trouble holds nothing back. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "world.h"

static const struct {
    const char *name;
    const char *log; /* the daemon says so; NULL: the world calls seen() */
} points[POINTS] = {
    [POINT_DELETE_PHASE] = {"a reconnection that names what is gone", NULL},
    [POINT_PRESENT_PHASE] = {"a reconnection that names what is there", NULL},
    [POINT_389] = {"a reconnection that a changelog answers", NULL},
    [POINT_DIRSYNC] = {"changes told by DirSync", NULL},
    [POINT_PAGED] = {"changes told by DirSync in several answers", NULL},
    [POINT_AGED] = {"a cookie of DirSync that is older than what a controller remembers", NULL},
    [POINT_LIES] = {"a directory that misbehaves", NULL},
    [POINT_POLL] = {"a directory that is asked for changes", "read of changes of"},
    [POINT_ROLL_CALL] = {"a roll call", "roll call"},
    [POINT_KILLED] = {"a kill", NULL},
    [POINT_POWER_LOSS] = {"a power loss", NULL},
    [POINT_DEAD_AT_START] = {"a death within a second of the start", NULL},
    [POINT_TORN] = {"a write of which a part survived", NULL},
    [POINT_SETTLED] = {"an operation of before a death, settled by reading",
                       "under way when rosterd ended"},
    [POINT_AUDIT_CUT] = {"an end of the audit that was cut off", NULL},
    [POINT_LOST_ANSWER] = {"a write whose answer was lost", NULL},
    [POINT_THROTTLED] = {"a write that was throttled", NULL},
    [POINT_PAGE] = {"a page of HTML for a write", NULL},
    [POINT_UNAUTHORISED] = {"a write that was not authorised", NULL},
    [POINT_ERROR] = {"a write that failed with 503", NULL},
    [POINT_BUSY_REVOCATION] = {"a revocation among many requests", NULL},
    [POINT_PARKED] = {"a plan that waits for a person", NULL},
    [POINT_APPROVED] = {"an approval", NULL},
    [POINT_STALE] = {"a hash that is refused", NULL},
    [POINT_PAUSED] = {"a pause", NULL},
    [POINT_RELOADED] = {"another configuration", NULL},
    [POINT_NOT_LOADED] = {"a broken configuration", "stays in force"},
    [POINT_RESTORED] = {"an older state file", NULL},
    [POINT_REMOVED] = {"no state file any more", NULL},
    [POINT_DISK_FULL] = {"a write to a full disk", NULL},
    [POINT_SYNC_FAILED] = {"a sync that fails", NULL},
    [POINT_LIED] = {"a power loss after syncs that lied", NULL},
    [POINT_READ_ONLY] = {"a write to a disk that may only be read", NULL},
    [POINT_OTHER_TENANT] = {"another tenant behind the same state", "Alarm other-tenant"},
    [POINT_BY_HAND] = {"a user whom somebody disabled by hand", NULL},
    [POINT_CLOCK_BACK] = {"a clock set back", NULL},
    [POINT_CLOCK_FORWARD] = {"a clock set forward", NULL},
    [POINT_CLOCK_RIGHT] = {"a power loss under a clock that is known to be right", NULL},
    [POINT_RENAMED] = {"a login that changed", NULL},
    [POINT_DELETED] = {"a user who was deleted", NULL},
    [POINT_ENABLED] = {"a user who got access again", NULL},
    [POINT_ERASED] = {"a person who was erased from the audit", "told of a person was erased"},
    [POINT_ROTATED] = {"an audit file that was renamed away", NULL},
    [POINT_CLOSED] = {"an audit file that rosterd closed by itself",
                      "The audit goes on in a new file"},
    [POINT_TOO_OLD] = {"an audit file that was removed as too old", NULL},
    [POINT_ON_SHIFT] = {"a disable that waited for a shift's end", NULL},
    [POINT_RESTED] = {"a restart when nothing was left to do", NULL},
    [POINT_TAKEN_OVER] = {"everybody taken over by a state that knows nobody", NULL},
    [POINT_REFUSED] = {"a user whom alone the tenant refuses", NULL},
    [POINT_MISTAKEN] = {"an answer about another user", NULL},
    [POINT_CYCLE] = {"groups that are members of each other", NULL},
    [POINT_GROUP_EMPTIED] = {"a group that everybody left at once", NULL},
    [POINT_GROUP_GONE] = {"a rule's group that is gone", "was deleted: nobody loses anything"},
    [POINT_GROUP_ANEW] = {"a rule's group that was made anew", NULL},
    [POINT_CONTAINER] = {"a container that has another name or place", NULL},
    [POINT_LAST_HOLDER] = {"somebody who may not be locked out, though the directory says so",
                           NULL},
    [POINT_TAKEN_BY_HAND] = {"a role or a skill that somebody took by hand", NULL},
    [POINT_LEVEL_BY_HAND] = {"a level that somebody set by hand", NULL},
    [POINT_YEARBOOK] = {"the audit, asked who had what on a day", NULL},
    [POINT_BUDGET_ALARM] = {"an alarm of a budget", NULL},
    [POINT_HOLD_ALARM] = {"an alarm of somebody who is held", NULL},
    [POINT_SMALL_PAGES] = {"a read whose place in the pages was lost", NULL},
    [POINT_PEOPLE_HIDDEN] = {"people whom the account may not see any more", NULL},
    [POINT_MEMBERS_HIDDEN] = {"members of groups whom the account may not see any more", NULL},
    [POINT_BEGAN] = {"a first day of somebody", NULL},
    [POINT_ENDED] = {"a last day of somebody", NULL},
    [POINT_EMPTIED] = {"a name or a mail without a value", NULL},
    [POINT_CLASS] = {"somebody of another class", NULL},
    [POINT_SECOND] = {"a second one of the same state or audit", NULL},
    [POINT_TWIN] = {"two people with one login", NULL},
    [POINT_HANDED_ON] = {"a first password that was handed on", NULL},
    [POINT_COMMAND_TROUBLE] = {"a command that failed or hung", NULL},
    [POINT_PUSHED_LESS] = {"a change that is told without values that the server computes",
                           NULL},
    [POINT_SEATS_WAITED] = {"somebody who waits for a seat", NULL},
    [POINT_SEAT_FREED] = {"a seat that became free and was taken", NULL},
    [POINT_CONFLICT] = {"somebody who is held for two roles that conflict", NULL},
    [POINT_SWAPPED] = {"one of two such roles for the other", NULL},
    [POINT_LOGGED_IN] = {"a log-in, where whoever has none is dormant", NULL},
    [POINT_UNREADABLE] = {"a log-in in a form that nobody can read", NULL},
    [POINT_DORMANT] = {"somebody who is disabled as dormant", NULL},
    [POINT_DORMANT_TOLD] = {"somebody who is told to be dormant", NULL},
    [POINT_WOKEN] = {"somebody dormant whom a person enabled again", NULL},
    [POINT_SET_RIGHT] = {"a clock that was wrong and is known to be right", NULL},
    [POINT_AHEAD] = {"a user who is made before the first day, disabled", NULL},
    [POINT_DIRECTORY_AWAY] = {"a directory that is away for long", NULL},
    [POINT_FROZEN] = {"a directory that is silent for long", NULL},
    [POINT_GROUP_MISSED] = {"a rule's group that is gone for long", NULL},
    [POINT_MEMBERS_MISSED] = {"hidden members that count all the same", NULL},
    [POINT_VANISHED] = {"an attribute that nobody has any more", NULL},
    [POINT_UNPROVEN] = {"a read that shows nobody of a base", NULL},
    [POINT_TENANT_AWAY] = {"a tenant that is away for long", NULL},
    [POINT_ACCOUNT] = {"a tenant that refuses the account", NULL},
    [POINT_PUT_OFF] = {"a first contact that is put off for long", NULL},
    [POINT_OTHER_TOLD] = {"another tenant for some minutes", NULL},
    [POINT_ADOPTION] = {"users that wait to be taken over", NULL},
    [POINT_RESTORED_TOLD] = {"an older state that the audit is ahead of", NULL},
    [POINT_REVOCATION_REFUSED] = {"a revocation that the tenant refuses", NULL},
    [POINT_DRIFT] = {"a change by hand that a verification finds", NULL},
    [POINT_CLOCK_DOUBTED] = {"a clock that is doubted", NULL},
    [POINT_UNHANDED] = {"a password that is not handed on for long", NULL},
    [POINT_AUDIT_FULL] = {"an audit file that cannot be written", NULL},
    [POINT_LOAD] = {"a load of many, as the status tells of it", NULL},
    [POINT_UNIT_MOVED] = {"a group that lies in another one with everybody in it", NULL},
    [POINT_UNIT_JOINED] = {"somebody in a team by a group within a group", NULL},
    [POINT_RULE_CHANGED] = {"a rule that came or went", NULL},
    [POINT_ATTRIBUTE] = {"an attribute that only a drawn rule or template reads", NULL},
    [POINT_TEAM_SKILL] = {"a skill that a team gives by itself", NULL},
    [POINT_PRESET] = {"a level that everybody of a team has for a while", NULL},
    [POINT_OWN_FORM] = {"a number or a mail that the tenant keeps in its own form", NULL},
    [POINT_MADE_BY_LOG_IN] = {"a user whom a first log-in made", NULL},
    [POINT_STATE_FULL] = {"a state file that cannot be written for long", NULL},
    [POINT_SLOW_DIRECTORY] = {"a directory that answers slowly", NULL},
    [POINT_CUT_SHORT] = {"a message that is cut at any byte", NULL},
    [POINT_SIZE_LIMIT] = {"a read that a limit of size ends", NULL},
    [POINT_TIME_LIMIT] = {"a read that a limit of time ends", NULL},
    [POINT_ADMIN_LIMIT] = {"a read that an administrative limit ends", NULL},
    [POINT_REFERRAL] = {"a referral to another server", NULL},
    [POINT_VERY_LATE] = {"an answer of the tenant that is minutes late", NULL},
    [POINT_THROTTLED_REVOCATION] = {"a revocation that was throttled", NULL},
    [POINT_DEAD_BEFORE_NOTE] = {"a death between lines of the audit file and the note of them",
                                NULL},
    [POINT_EXPLAINED] = {"an explanation that was compared with the tenant", NULL},
    [POINT_PART_APPROVED] = {"a letter of a plan that was approved alone", NULL},
    [POINT_WAITED_A_WEEK] = {"somebody who waits for a week", NULL},
    [POINT_VALUES_HIDDEN] = {"names or mails that the account may not see any more", NULL},
};

void seen(enum point p)
{
    world.points[p / 64] |= UINT64_C(1) << p % 64;
}

bool was_seen(const uint64_t of[2], enum point p)
{
    return of[p / 64] >> p % 64 & 1;
}

void seen_in_log(const char *line, size_t size)
{
    for (unsigned i = 0; i < POINTS; i++)
        if (points[i].log && memmem(line, size, points[i].log, strlen(points[i].log)))
            seen((enum point)i);
}

unsigned points_print(const unsigned lives[POINTS], bool all)
{
    unsigned n = 0;
    for (unsigned i = 0; i < POINTS; i++) {
        n += lives[i] > 0;
        if (all || !lives[i])
            printf("%7u lives saw %s\n", lives[i], points[i].name);
    }
    return n;
}
