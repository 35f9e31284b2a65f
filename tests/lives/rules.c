/* The configuration: written from a few values, which the oracle reads as well. */
#include "config.h"

#include "rules.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "company.h"
#include "directory.h"
#include "habits.h"
#include "plan.h"
#include "secrets.h"
#include "shape.h"
#include "tenant.h"
#include "world.h"

const char *const limit_names[LIMITS] = {
    [LIMIT_DISABLE] = "disable", [LIMIT_CREATE] = "create",
    [LIMIT_UPDATE] = "update",   [LIMIT_TEAM] = "team_change",
    [LIMIT_DELETE] = "delete",   [LIMIT_RENAME] = "rename",
    [LIMIT_REVOKE] = "revoke",   [LIMIT_PRIVILEGED] = "privileged",
    [LIMIT_DORMANT] = "dormant"};

struct rules rules;
static const struct plan *plan;

static void write_file(const char *name, const char *text)
{
    char path[160];
    snprintf(path, sizeof(path), "%s%s", world.folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || pwrite(fd, text, strlen(text), 0) != (ssize_t)strlen(text))
        abort();
    close(fd);
}

static void write_budgets(char *to, size_t size)
{
    size_t n = 0;
    for (unsigned k = 0; k < LIMITS; k++)
        n += (size_t)(rules.limits[k]
                          ? snprintf(to + n, size - n, "max_%s = %u\n", limit_names[k], rules.limits[k])
                          : snprintf(to + n, size - n, "max_%s = unlimited\n", limit_names[k]));
}

#define CONFLICT "roles = Trainer\n[conflict \"One of two\"]\nroles = Lead, Trainer\n"

static unsigned seconds_of(uint64_t usec)
{
    return (unsigned)(usec / SECOND);
}

/* The administrator's hand is none of the daemon's. */
static void write_configuration(const char *name, const char *state, const char *socket)
{
    static char text[32768], before[12000], behind[12000];
    char budgets[LIMITS * 40];
    bool running = world.running;
    write_budgets(budgets, sizeof(budgets));
    (void)shape_write_rules(true, before, sizeof(before));
    (void)shape_write_rules(false, behind, sizeof(behind));
    snprintf(
        text, sizeof(text),
        "%s[directory]\nuri = ldap://10.0.0.1\ntls = no\nbind_dn = cn=rosterd," SUFFIX "\n"
        "poll_interval = %us\nfull_interval = %us\nbind_password_file = %sbind-password\nkeepalive = %us\nbase = ou=people," SUFFIX
        "\n%sgroup_base = ou=groups," SUFFIX "\n"
        "%s[tenant]\nurl = http://10.0.0.%s\ntls = no\nclient_id = " API_USER
        "\nclient_secret_file = %sclient-secret\nmax_rate = %u\nmax_concurrent = %u\n%s"
        "[scope]\nwhen = (!(|(employeeType=Service)%s))\n"
        "[user]\ndisabled_when = (employeeType=Terminated)\n%s%s%s"
        "[rule \"Support\"]\ngroup = cn=support,ou=groups," SUFFIX
        "\nteam = Customer Service\nroles = Agent\nskills = English:100\n"
        "[rule \"Sales\"]\ngroup = cn=sales,ou=groups," SUFFIX
        "\nteam = Sales\nroles = Agent\nskills = English:50, Billing:%u\n"
        "[rule \"Leads\"]\ngroup = cn=leads,ou=groups," SUFFIX "\nroles = Lead\n"
        "[rule \"Spanish\"]\nwhen = (preferredLanguage=es*)\nskills = Spanish:80\n%s%s"
        "[lifecycle]\nrevoke_when = (employeeType=Revoked)\ndelete_after = %s\nverify_interval = %us\n"
        "dormant_after = %ud\ndormant = %s\ncreate_ahead = %uh\ncreate_disabled = %s\n"
        "[guard]\n%smax_users = %u\nattribute_vanish = %u%%\n%s%s"
        "[notify]\nalarm_after = %us\n"
        "[state]\nfile = %s%s\n[audit]\nfile = %saudit.jsonl\nkey_file = %saudit.key\n%s"
        "[control]\nsocket = %s%s\n",
        rules.broken ? "[nothing]\n" : "", seconds_of(rules.poll_usec), seconds_of(rules.full_usec),
        HERE, seconds_of(rules.keepalive_usec),
        !plan->two_bases     ? ""
        : plan->nested_bases ? "base = " SUFFIX "\n" /* which has the other in it */
                             : "base = ou=contractors," SUFFIX "\n",
        plan->polled ? "feed = poll\n" : "", world.other_tenant ? "3" : "2", HERE, rules.rate,
        rules.at_once,
        plan->passwords ? "initial_password = generate\npassword_command = /bin/true\n" : "",
        rules.without_visitors ? "(employeeType=Visitor)" : "",
        plan->dates ? "starts_at = " FIRST_DAY "\nexpires_at = " LAST_DAY "\n" : "",
        shape_templates(), before, rules.billing, rules.conflicts ? CONFLICT : "", behind,
        rules.deletes ? "3d" : "0", seconds_of(rules.verify_usec), rules.dormant,
        rules.dormant_disables ? "disable" : "report", rules.ahead,
        rules.makes_disabled ? "yes" : "no", budgets, rules.seats,
        rules.vanish ? rules.vanish : 100, rules.privileged ? "privileged_roles = Lead\n" : "",
        rules.protects ? "protected_logins = " PROTECTED "\n" : "",
        seconds_of(rules.alarm_after_usec), HERE, state, HERE, HERE,
        plan->rotates ? "rotate = 1d\nkeep = 3d\n" : "", HERE, socket);
    world.running = false;
    write_file(name, text);
    write_file("bind-password", BIND_PASSWORD "\n");
    write_file("client-secret", CLIENT_SECRET "\n");
    world.running = running;
}

static void intervals_begin(const struct plan *p)
{
    rules.keepalive_usec = p->keepalive_seconds ? p->keepalive_seconds * SECOND
                           : p->short_keepalive ? 2 * MINUTE
                                                : HOUR;
    rules.poll_usec = p->poll_seconds ? p->poll_seconds * SECOND : 2 * MINUTE;
    rules.full_usec = p->full_hours ? p->full_hours * HOUR : DAY;
    rules.verify_usec = p->verify_hours     ? p->verify_hours * HOUR
                        : p->often_verified ? DAY
                                            : 7 * DAY;
    rules.alarm_after_usec = (p->alarm_minutes ? p->alarm_minutes : 15) * MINUTE;
}

void rules_begin(const struct plan *p)
{
    plan = p;
    rules = (struct rules){.billing = 70,
                           .rate = p->rate ? p->rate : 50,
                           .privileged = p->privileged,
                           .seats = p->seats,
                           .vanish = p->vanish,
                           .dates = p->dates,
                           .ahead = p->ahead,
                           .makes_disabled = p->makes_disabled,
                           .dormant = p->dormant,
                           .dormant_disables = p->dormant_disables,
                           .conflicts = p->conflicts,
                           .at_once = p->at_once ? p->at_once : 16,
                           .deletes = p->deletes,
                           .protects = p->protects};
    intervals_begin(p);
    shape_begin(p);
    habits_begin(p);
    memcpy(rules.limits, p->limits, sizeof(rules.limits));
    write_configuration("rosterd.conf", "state.db", "control.sock");
}

void rules_change(const struct happening *h)
{
    if (h->what == WHAT_RULE && !h->at_usec)
        return; /* the file was written with it */
    if (h->what == WHAT_RULE)
        shape_change(h);
    else if (strcmp(h->to, "billing") == 0)
        rules.billing = h->number % 101 ? (unsigned)(h->number % 101) : 100; /* 0 is none */
    else if (strcmp(h->to, "visitors") == 0)
        rules.without_visitors = h->number % 2;
    else if (strcmp(h->to, "budget") == 0) {
        for (unsigned k = 0; k < LIMITS; k++)
            if (rules.limits[k])
                rules.limits[k] = 1 + (unsigned)((h->number + k) % 6);
        rules.budget_changed_usec = world.steady_usec;
    } else if (strcmp(h->to, "seats") == 0) {
        rules.seats_before = rules.seats;
        rules.seats = (unsigned)h->number;
        rules.seats_changed_usec = world.steady_usec;
    }
    rules.broken = strcmp(h->to, "broken") == 0;
    write_configuration("rosterd.conf", "state.db", "control.sock");
    if (!rules.broken)
        company_rules_changed();
}

void rules_second(bool other_state)
{
    write_configuration("second.conf", other_state ? "second.db" : "state.db", "second.sock");
}

void rules_tenant(void)
{
    write_configuration("rosterd.conf", "state.db", "control.sock");
}

void rules_mend(void)
{
    if (!rules.broken)
        return;
    rules.broken = false;
    write_configuration("rosterd.conf", "state.db", "control.sock");
}
