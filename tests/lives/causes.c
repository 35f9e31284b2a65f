/* What the world knows to be open, whatever rosterd's tables say of it (causes.h). Budgets and
 * holds are waiting.c's, what is drifted is hands.c's. */
#include "config.h"

#include "causes.h"

#include <stdio.h>
#include <string.h>

#include "alarms.h"
#include "belief.h"
#include "commands.h"
#include "company.h"
#include "directory.h"
#include "groups.h"
#include "hands.h"
#include "life.h"
#include "operator.h"
#include "oracle.h"
#include "reads.h"
#include "rules.h"
#include "tenant.h"
#include "witness.h"
#include "world.h"

#define CAUSE     300
#define ROLL_CALL (10 * rules.poll_usec) /* after which it is known who is gone, if nobody tells */

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t both(uint64_t a, uint64_t b)
{
    return a && b ? later(a, b) : 0;
}

/* Nothing that the directory tells goes by unheard. */
static bool is_heard(void)
{
    return world.deaf_since_usec == UINT64_MAX;
}

/* ---- of the directory ---- */

static uint64_t directory_away(unsigned which, char cause[CAUSE])
{
    (void)which, (void)cause;
    return world.directory_away ? world.away_usec : 0;
}

/* Who follows it asks now and then whether it is there. */
static uint64_t directory_frozen(unsigned which, char cause[CAUSE])
{
    (void)which, (void)cause;
    return directory_troubles("freezes")
               ? directory_data.trouble_usec + later(rules.keepalive_usec, rules.poll_usec)
               : 0;
}

/* After a start nobody is looked at, and no group, before the tenant has answered something. */
static uint64_t known_usec(void)
{
    uint64_t began = tenant_trouble_usec(), quiet = world.quiet_usec;
    if (began && life_up_since_usec() >= began)
        return UINT64_MAX;
    return quiet != UINT64_MAX && quiet > life_up_since_usec() ? quiet + 12 * MINUTE : 0;
}

static uint64_t group_gone(unsigned which, char cause[CAUSE])
{
    const struct item *group = group_of(which);
    snprintf(cause, CAUSE, "group:%s", group->dn);
    if (!group->gone || known_usec() == UINT64_MAX)
        return 0;
    bool counts = directory_data.polled ||
                  (directory_data.server == SERVER_AD && !directory_data.session_log);
    return is_heard() ? later(group->changed_usec, known_usec()) + (counts ? ROLL_CALL : 0) : 0;
}

/* It was shown with fewer than it has, as it is now and since they are hidden, and those are
 * believed all the same. */
static uint64_t members_hidden(unsigned which, char cause[CAUSE])
{
    const struct item *group = group_of(which);
    snprintf(cause, CAUSE, "members:%s", group->dn);
    return !group->gone && directory_hides() &&
                   group->less_usec >= directory_data.trouble_usec && /* not while it hid before */
                   group->less_usec >= group->changed_usec &&
                   group->less_usec >= group->moved_usec &&
                   witness_members(group) > directory_shown_members(group)
               ? group->less_usec
               : 0;
}

/* Everything was read since nobody has a value any more, and nobody has said that this is
 * right. */
static uint64_t values_hidden(unsigned which, char cause[CAUSE])
{
    static const char *const names[][2] = {{"hides mails", "mail"},
                                           {"hides names", "givenName"}};
    snprintf(cause, CAUSE, "attribute:%s", names[which][1]);
    if (!rules.vanish || !directory_troubles(names[which][0]) ||
        directory_data.n_at_trouble < VANISH_FEWEST ||
        operator_approved_usec() > directory_data.trouble_usec)
        return 0;
    return both(directory_data.trouble_usec, reads_whole_usec(directory_data.trouble_usec));
}

static uint64_t people_hidden(unsigned which, char cause[CAUSE])
{
    (void)which, (void)cause;
    bool hides = directory_data.hides_place[0] || directory_data.hides_place[1];
    return hides && directory_hides() ? both(directory_data.trouble_usec,
                                             reads_whole_usec(directory_data.trouble_usec))
                                      : 0;
}

/* ---- of the tenant ---- */

static uint64_t tenant_away(unsigned which, char cause[CAUSE])
{
    (void)which, (void)cause;
    return world.tenant_away ? world.refused_usec : 0;
}

static uint64_t tenant_unauthorised(unsigned which, char cause[CAUSE])
{
    (void)which, (void)cause;
    return tenant_denies_usec(401);
}

/* Nothing was ever answered. */
static uint64_t tenant_throttles(unsigned which, char cause[CAUSE])
{
    (void)which, (void)cause;
    return tenant_answered_usec() ? 0 : tenant_denies_usec(429);
}

static bool anybody_works(void)
{
    for (size_t i = 0; i < company.n_people; i++)
        if (oracle_is_entitled(company.people[i]->item) &&
            oracle_has_access(company.people[i]->login))
            return true;
    return false;
}

static uint64_t other_tenant(unsigned which, char cause[CAUSE])
{
    (void)which, (void)cause;
    return world.other_tenant && is_heard() && !tenant_is_troubled() && anybody_works()
               ? life_up_since_usec()
               : 0;
}

/* Whoever was there before the state was lost. */
static uint64_t adoption(unsigned which, char cause[CAUSE])
{
    uint64_t lost = oracle_state_lost_usec();
    (void)which, (void)cause;
    return lost && operator_approved_usec() < lost &&
                   life_was_quiet(world.steady_usec - HOUR) &&
                   operator_quiet_usec() < world.steady_usec - HOUR && anybody_works()
               ? lost
               : 0;
}

static uint64_t revoked(unsigned which, char cause[CAUSE])
{
    const struct person *p = company.people[which];
    uint64_t refused = tenant_refused_usec(p->login);
    snprintf(cause, CAUSE, "hold:revoked:%s", p->login);
    return refused && !p->item->gone && oracle_is_revoked(p->item) &&
                   oracle_has_access(p->login)
               ? later(refused, p->changed_usec)
               : 0;
}

/* ---- of the machine ---- */

static uint64_t clock_doubted(unsigned which, char cause[CAUSE])
{
    (void)which, (void)cause;
    return belief_doubted_usec();
}

static uint64_t password_kept(unsigned which, char cause[CAUSE])
{
    (void)which, (void)cause;
    return tenant_is_troubled() || operator_paused_usec() ? 0 : commands_failing_usec();
}

/* An older one, of which the audit knows more. */
static uint64_t restored(unsigned which, char cause[CAUSE])
{
    (void)which, (void)cause;
    return oracle_state_restored_usec();
}

/* Everybody is read once in the interval; what was done since then by others, or to them, may
 * have hidden it. */
static uint64_t drifted(unsigned which, char cause[CAUSE])
{
    const struct person *p = company.people[which];
    uint64_t at = p->hand_usec, interval = rules.verify_usec;
    (void)cause;
    if (!at || at + interval > world.steady_usec || world.quiet_usec > at ||
        operator_quiet_usec() > at || p->written_usec > at || p->changed_usec > at ||
        p->forgotten || p->apart_until_usec || p->is_dormant || world.other_tenant)
        return 0;
    return at + interval;
}

static uint64_t state_refused(unsigned which, char cause[CAUSE])
{
    (void)which, (void)cause;
    return world.disk == DISK_FULL || world.disk == DISK_READ_ONLY ? disk_refused_usec(false)
                                                                   : 0;
}

static uint64_t audit_refused(unsigned which, char cause[CAUSE])
{
    (void)which, (void)cause;
    return world.disk == DISK_AUDIT_FULL ? disk_refused_usec(true) : 0;
}

/* ---- all of them ---- */

static const struct fact {
    const char *sentence, *cause; /* NULL: as it says itself */
    uint64_t (*since)(unsigned which, char cause[CAUSE]);
    unsigned n; /* 0: one for each person */
    uint64_t after;
    enum {
        STANDS,
        TOLD,      /* and somebody was told */
        HEARD,     /* since then, if it does not stand any more */
        TOLD_LATE, /* … as much later as an alarm waits */
        HEARD_LATE
    } how;
    enum point point;
} facts[] = {
    {"the directory is away", "directory", directory_away, 1, 5 * MINUTE, TOLD_LATE,
     POINT_DIRECTORY_AWAY},
    {"the directory is silent", "directory", directory_frozen, 1, 10 * MINUTE, TOLD_LATE,
     POINT_FROZEN},
    {"a rule's group is gone", NULL, group_gone, GROUPS_OF_TEAMS, 6 * MINUTE, STANDS,
     POINT_GROUP_MISSED},
    {"members of a group are hidden", NULL, members_hidden, GROUPS, 2 * MINUTE, STANDS,
     POINT_MEMBERS_MISSED},
    {"nobody has a value any more", NULL, values_hidden, 2, 2 * MINUTE, TOLD, POINT_VANISHED},
    {"a base shows nobody any more", "read", people_hidden, 1, 2 * MINUTE, STANDS, POINT_UNPROVEN},
    {"the tenant is away", "tenant", tenant_away, 1, 10 * MINUTE, TOLD_LATE, POINT_TENANT_AWAY},
    {"the tenant does not take the account", "tenant-account", tenant_unauthorised, 1, 5 * MINUTE,
     TOLD, POINT_ACCOUNT},
    {"the tenant has put off everything", "first-contact", tenant_throttles, 1, 3 * HOUR, TOLD,
     POINT_PUT_OFF},
    {"it is another tenant", "other-tenant", other_tenant, 1, 5 * MINUTE, TOLD, POINT_OTHER_TOLD},
    {"the state is lost, and nobody has approved", "adoption", adoption, 1, 5 * MINUTE, TOLD,
     POINT_ADOPTION},
    {"an older state is there", "state-restored", restored, 1, 2 * MINUTE, HEARD,
     POINT_RESTORED_TOLD},
    {"a revocation is refused", NULL, revoked, 0, MINUTE, TOLD, POINT_REVOCATION_REFUSED},
    {"somebody changed a user", "drift", drifted, 0, HOUR, HEARD, POINT_DRIFT},
    {"the clock was set", "clock-set", clock_doubted, 1, 3 * MINUTE, STANDS, POINT_CLOCK_DOUBTED},
    {"a password is not handed on", "password", password_kept, 1, 5 * MINUTE, STANDS,
     POINT_UNHANDED},
    {"the audit file cannot be written", "audit-failed", audit_refused, 1, 2 * MINUTE, TOLD,
     POINT_AUDIT_FULL},
    {"the state cannot be written", "state-failed", state_refused, 1, 2 * MINUTE, HEARD_LATE,
     POINT_STATE_FULL},
};

static bool is_late(const struct fact *f)
{
    return f->how == TOLD_LATE || f->how == HEARD_LATE;
}

static bool is_heard_once(const struct fact *f)
{
    return f->how == HEARD || f->how == HEARD_LATE;
}

/* What rosterd has had time for: since it was started, and the disk was there. */
static uint64_t free_since(const struct fact *f, uint64_t since)
{
    if (is_heard_once(f) && f->n == 0) /* a start is no excuse */
        return since;
    return later(since,
                 later(life_up_since_usec(), f->since == state_refused ? 0 : world.disk_usec));
}

static void check(const struct fact *f, const char *cause, uint64_t since)
{
    bool stands = witness_alarm(cause) || (is_heard_once(f) && alarms_heard_usec(cause) >= since);
    unsigned long long minutes = (world.steady_usec - since) / MINUTE;
    world.n_checks++;
    seen(f->point);
    if (!stands)
        broken(17, "%s for %llu minutes, and there is no alarm %s", f->sentence, minutes,
               cause);
    else if ((f->how == TOLD || f->how == TOLD_LATE) && !witness_alarm_told(cause))
        broken(17, "%s for %llu minutes, and nobody was told of %s", f->sentence, minutes,
               cause);
}

static void look_at(const struct fact *f)
{
    char cause[CAUSE];
    bool full = world.disk != DISK_FINE && world.disk != DISK_AUDIT_FULL;
    unsigned n = f->n ? f->n : (unsigned)company.n_people;
    for (unsigned i = 0; full == (f->since == state_refused) && i < n; i++) {
        snprintf(cause, sizeof(cause), "%s", f->cause ? f->cause : "");
        uint64_t since = f->since(i, cause);
        if (since && world.steady_usec >= free_since(f, since) + f->after +
                                              (is_late(f) ? rules.alarm_after_usec : 0))
            check(f, cause, since);
    }
}

void causes_look(void)
{
    bool may_tell = life_running() && !world.death && !world.has_lied;
    for (size_t i = 0; may_tell && i < sizeof(facts) / sizeof(*facts); i++)
        look_at(&facts[i]);
}

static void look_now(void *userdata, uint64_t argument)
{
    (void)userdata, (void)argument;
    causes_look();
}

void causes_group_gone(void)
{
    causes_look_in(7 * MINUTE);
    causes_look_in(7 * MINUTE + ROLL_CALL);
}

void causes_look_in(uint64_t usec)
{
    world_at(world.steady_usec + usec, look_now, NULL, 0);
}
