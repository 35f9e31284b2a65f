"""A wall clock that is wrong for a while, and boots: nobody early, no wait lengthened, no budget gained or lost."""

import os
import signal
import time
from datetime import datetime, timedelta, timezone

from lib import Slapd, deadline, life, need, wait_for
from lib.faked import Faked
from lib.life import AGENTS, PARKED, crowd, settled, wait_held

HOUR = 3600
STEPS = (600, 2 * HOUR, 40 * 24 * HOUR, -600)  # further back than the certificates of the lab nothing is trusted


def begin(t, logins, lie, **sections):
    ground, group, tenant = crowd(t, logins)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, **sections)
    d.start(env=lie.env)
    tenant.wait_users(list(logins))
    settled(d)
    return ground, group, tenant, d


def disabled(tenant):
    return sorted(login for login, user in tenant.users().items() if user["disabled"])


def turned(d, ground):
    """Until rosterd took a change that came after this moment: it had reason to look at everything."""
    mark = "n%d" % len(d.log())
    ground.replace("witness", sn=mark)
    wait_for(lambda: mark in str(d.audit(event="outcome")), 20, "a change went through", d.log_tail)
    settled_but_for_waits(d)


def settled_but_for_waits(d):
    wait_for(lambda: d.state_query("SELECT count(*) FROM operation WHERE state = OPERATION_STARTED")[0][0] == 0, 20, "nothing under way")


def test_grace_times(t):
    """T77: steps, small and large, forward and back: nobody's leave_grace and delete_after end early; and none is longer."""
    lie = Faked(t)
    ground, group, tenant, d = begin(t, ["ada", "bob", "witness"], lie, lifecycle={"leave_grace": "1h"})
    ground.leave(group, "ada")
    wait_for(lambda: d.audit(event="leave"), 20, "ada leaves", d.log_tail)
    for seconds in STEPS + (0,):
        lie.set_clock(seconds)
        turned(d, ground)
        need(disabled(tenant) == [], "nobody early", seconds, tenant.users())
    # What was set back lengthens nothing: a grace time of 3 s ends in 3 s, and a deletion after 3 s more.
    d.configure(lifecycle={"leave_grace": "4s", "delete_after": "4s"})
    d.reload()
    ground.leave(group, "bob")
    wait_for(lambda: len(d.audit(event="leave")) == 2, 20, "bob leaves", d.log_tail)
    lie.set_clock(-1800)
    tenant.wait_user("bob", seconds=20, disabled=True)
    lie.set_clock(-2400)
    wait_for(lambda: tenant.user("bob") is None, 20, "deleted as well", tenant.users)


def test_budgets_and_approvals(t):
    """T77: a step frees nothing of a budget's window and ends no approval; back it lengthens neither."""
    lie = Faked(t)
    logins = ["p%02d" % i for i in range(10)]
    ground, group, tenant, d = begin(t, logins + ["witness"], lie, guard={"max_disable": "2", "window": "1h"})
    ground.leave(group, *logins[:5])
    wait_held(d, "budget", 3, state=PARKED)
    for seconds in STEPS:
        lie.set_clock(seconds)
        turned(d, ground)
        need(len(disabled(tenant)) == 2, "the budget is spent", seconds, disabled(tenant))
    # An approval given while the clock is ahead, and one before it steps, hold for an hour of real time.
    tenant.fault("status", status=503, method="PUT", count=-1)
    plan = d.ctl("plan", "--json", code=2).json
    d.ctl("approve", plan["hash"])
    for seconds in (3 * HOUR, 0, 5 * HOUR):
        lie.set_clock(seconds)
        ground.person("q%d" % seconds)
    tenant.clear_faults()
    wait_for(lambda: len(disabled(tenant)) == 5, 30, "all that was approved", lambda: (disabled(tenant), life.operations(d)))
    # Two more are beyond it, whatever the clock says.
    ground.leave(group, *logins[5:7])
    wait_held(d, "budget", 2, state=PARKED)
    lie.set_clock(0)
    turned(d, ground)
    need(len(disabled(tenant)) == 5, "no more", disabled(tenant))


def test_retries(t):
    """T77: the clock boots two hours ahead, without the tenant, and is put right: the next attempt comes within [retry] max."""
    lie = Faked(t)
    lie.set_clock(2 * HOUR)
    ground, group, tenant, d = begin(t, ["ada", "witness"], lie)
    tenant.down(how="502")
    ground.replace("ada", sn="Away")
    d.wait_log("tenant is away")
    lie.set_clock(0)
    tenant.down(False)
    tenant.wait_user("ada", seconds=10, lastName="Away")
    # A hold, and the directory, the same way round.
    tenant.remove("teams", "Customer Service")
    ground.person("zoe")
    ground.join(group, "zoe")
    wait_held(d, "team-missing", 1)
    lie.set_clock(-1800)
    tenant.add("teams", "Customer Service")
    tenant.wait_user("zoe", seconds=15)
    lie.set_clock(HOUR)
    ground.server.stop()
    d.wait_log("directory|Directory")
    lie.set_clock(0)
    ground.server.start()
    ground.replace("ada", sn="Back")
    tenant.wait_user("ada", seconds=30, lastName="Back")


def date(seconds):
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).strftime("%Y%m%d%H%M%SZ")


def test_dates(t):
    """T77: ends of accounts do not follow a clock that is set for a while, in either direction, and an alarm says why; at the right time they come to the second."""
    lie = Faked(t)
    people = {"ada": {"employeeType": date(HOUR)}, "old": {"employeeType": date(-300)}, "witness": {}}
    ground, group, tenant = crowd(t, people)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, user={"expires_at": "employeeType"})
    d.start(env=lie.env)
    tenant.wait_users(["ada", "witness"])
    settled(d)
    for seconds in (2 * HOUR, 40 * 24 * HOUR, -1200):
        lie.set_clock(seconds)
        turned(d, ground)
        wait_for(lambda: any(a["code"] == "clock-set" for a in d.ctl("status", "--json", code=None).json["alarms"]), 10, "an alarm",
                 lambda: d.ctl("status", "--json", code=None).json["alarms"])
        ground.replace("ada", sn="Seen%d" % abs(seconds))
        tenant.wait_user("ada", lastName="Seen%d" % abs(seconds), disabled=False)
        ground.replace("old", sn="Seen%d" % abs(seconds))
        turned(d, ground)
        need("old" not in tenant.users(), "ended long ago", seconds, tenant.users())
    # Restarts change nothing about it.
    lie.set_clock(2 * HOUR)
    d.stop()
    d.start(env=lie.env)
    ground.replace("ada", sn="Again")
    tenant.wait_user("ada", lastName="Again", disabled=False)
    lie.set_clock(0)
    turned(d, ground)
    wait_for(lambda: not d.ctl("status", "--json", code=None).json["alarms"], 10, "it is over")
    ground.replace("ada", employeeType=date(4))
    tenant.wait_user("ada", seconds=20, disabled=True)


@deadline(120)
def test_across_a_boot(t):
    """T77: the time a machine was down counts only once the kernel calls its clock synchronised, at the start or later, and
    where it did so before: else nobody knows how wrong the clock was then."""
    for before, synchronised in ((True, False), (True, True), (False, True)):
        lie = Faked(t)
        lie.set_clock(0)
        if before:
            lie.say("synchronised")
        lie.say("boot", "00000000-0000-0000-0000-000000000001\n")
        ground, group, tenant, d = begin(t, ["ada", "witness"], lie, lifecycle={"leave_grace": "10h"},
                                         name="boot%d%d" % (before, synchronised))
        ground.leave(group, "ada")
        wait_for(lambda: d.audit(event="leave"), 20, "ada leaves", d.log_tail)
        if before:
            lie.unsay("synchronised")
        d.stop()
        lie.say("boot", "00000000-0000-0000-0000-000000000002\n")
        lie.set_clock(20 * HOUR)
        if synchronised:
            lie.say("synchronised")
        d.start(env=lie.env)
        if not synchronised:
            turned(d, ground)
            need(disabled(tenant) == [], "the clock may be wrong", tenant.users())
            lie.say("synchronised")
            ground.replace("witness", sn="Now")
        if before:
            tenant.wait_user("ada", seconds=20, disabled=True)
        else:
            turned(d, ground)
            need(disabled(tenant) == [], "it may have been wrong before", tenant.users())
        lie.unsay("synchronised")
        d.stop()


YEAR = 365 * 24 * HOUR


@deadline(180)
def test_a_year_either_way(t):
    """T77: a year forward, a year back, back over midnight, each also across a restart, and no kernel that vouches for the clock:
    newcomers and revocations go on at once, nobody leaves early, the alarm says what was set, and is over when it is right."""
    lie = Faked(t)
    names = ["p%02d" % n for n in range(8)]
    ground, group, tenant = crowd(t, names + ["ada"], arguments=["--plain"])
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, tls="no",
                    tenant_keys={"tls": "no", "tls_ca_file": None}, guard={"max_disable": "0"},
                    lifecycle={"leave_grace": "3h", "delete_after": "1d", "revoke_when": "(employeeType=Revoked)"},
                    notify={"alarm_after": "0"})
    d.start(env=lie.env)
    tenant.wait_users(names + ["ada"])
    settled(d)
    ground.leave(group, "ada")
    wait_for(lambda: d.audit(event="leave"), 20, "ada leaves", d.log_tail)
    now = datetime.now(timezone.utc)
    midnight = -int((now - now.replace(hour=0, minute=0, second=0)).total_seconds()) - 60
    for n, step in enumerate((YEAR, -YEAR, midnight, YEAR)):
        lie.set_clock(step)
        if n % 2:
            d.restart(env=lie.env)
        uid = "new%d" % n
        ground.person(uid)
        ground.join(group, uid)
        tenant.wait_user(uid, seconds=30)
        ground.replace(names[n], employeeType="Revoked")
        tenant.wait_user(names[n], disabled=True, seconds=15)
        wait_for(lambda: d.audit(event="alarm", code="clock-set"), 75, "an alarm", lambda: d.audit(event="alarm"))
        need(disabled(tenant) == names[:n + 1], "nobody early", step, disabled(tenant))
    lie.set_clock(0)
    lie.say("synchronised")
    ground.replace(names[7], sn="Known")
    tenant.wait_user(names[7], lastName="Known", seconds=30)
    wait_for(lambda: d.audit(event="alarm-over", code="clock-set"), 90, "over", lambda: d.audit(event="alarm-over"))
    need(disabled(tenant) == names[:4], "nobody early", disabled(tenant))


@deadline(120)
def test_stopped_for_long(t):
    """T47 T77: rosterd is stopped by a signal for longer than every time limit, with requests and a read under way: afterwards all
    are there once, nobody is taken for gone, and the limits of budgets still hold."""
    names = ["p%02d" % n for n in range(10)]
    ground, group, tenant = crowd(t, names)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    directory_keys={"search_timeout": "2s", "connect_timeout": "2s"},
                    tenant_keys={"request_timeout": "2s", "connect_timeout": "2s"}, retry={"min": "100ms", "max": "1s"},
                    lifecycle={"leave_grace": "2s"}, guard={"max_disable": "2"})
    d.start()
    tenant.wait_users(names)
    settled(d)
    # Some are carried out late, and some, which cannot be told from those, never.
    tenant.fault("stall", count=2, method="POST", path="/configapi/v2/user")
    tenant.fault("delay", delay_ms=1000, count=6, method="POST", path="/configapi/v2/user")
    ground.leave(group, *names[:5])
    more = ["n%02d" % n for n in range(8)]
    ground.persons(more)
    ground.join(group, *more)
    wait_for(lambda: tenant.counters()["in_flight"] >= 4, 20, "requests are under way", tenant.counters)
    os.kill(d.pid, signal.SIGSTOP)
    ground.person("late")
    ground.join(group, "late")
    time.sleep(15)  # as long as it takes: it is the time that is tried
    os.kill(d.pid, signal.SIGCONT)
    tenant.wait_users(names + more + ["late"], seconds=30)
    settled(d, 30)
    need(tenant.counters()["creates"] == 19 and len(tenant.users()) == 19, "each once", tenant.counters())
    need(len(disabled(tenant)) == 2, "within the budget", disabled(tenant))
