"""A wall clock that libfaketime sets, forward and back, while rosterd runs: nobody is early, nothing waits longer, no budget is
gained or lost, no approval ends; and everything comes in its time once the clock is right."""

import time
from datetime import datetime, timedelta, timezone

from lib import deadline, life, need, wait_for
from lib.faked import Faketime
from lib.life import AGENTS, PARKED, crowd, settled, wait_held

HOUR = 3600
STEPS = (90, 2 * HOUR, 20 * 24 * HOUR, -600, -90)  # nothing is trusted when the lab's certificates are over, or not yet valid


def date(seconds):
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).strftime("%Y%m%d%H%M%SZ")


def disabled(tenant):
    return sorted(login for login, user in tenant.users().items() if user["disabled"])


def turned(d, ground, tenant, mark):
    """Until a change that came after this moment is at the tenant, and nothing else is under way."""
    ground.replace("witness", sn=mark)
    tenant.wait_user("witness", lastName=mark, seconds=20)
    wait_for(lambda: d.state_query("SELECT count(*) FROM operation WHERE state = OPERATION_STARTED")[0][0] == 0, 20, "nothing under way")


@deadline(120)
def test_steps(t):
    """T77: ends of grace times, accounts and contracts to come, budgets and approvals through steps either way, each met by work
    that goes on."""
    lie = Faketime(t)
    hourly = ["p%02d" % n for n in range(6)]
    people = dict({name: {} for name in hourly + ["witness", "slow"]}, ada={"employeeType": date(HOUR)}, old={"employeeType": date(-300)},
                  soon={"carLicense": date(HOUR)})
    ground, group, tenant = crowd(t, people)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, lifecycle={"leave_grace": "30min", "create_ahead": "30d"},
                    user={"expires_at": "employeeType", "starts_at": "carLicense"},
                    guard={"max_disable": "2", "window": "1h"})
    d.start(env=lie.env)
    tenant.wait_users(hourly + ["witness", "slow", "ada", "soon"])
    settled(d)
    need(disabled(tenant) == ["soon"], "made ahead of the first day", tenant.users())
    ground.leave(group, "slow")
    wait_for(lambda: d.audit(event="leave"), 20, "slow leaves", d.log_tail)
    for n, seconds in enumerate(STEPS):
        lie.set_clock(seconds)
        turned(d, ground, tenant, "First%d" % n)
        need(disabled(tenant) == ["soon"] and "old" not in tenant.users(), "nobody early, nobody late", seconds, tenant.users())
    lie.set_clock(0)
    # The grace time is over for those who leave now: two of them are within the budget, whatever the clock says.
    d.configure(lifecycle={"leave_grace": "0"})
    d.reload()
    ground.leave(group, *hourly)
    wait_held(d, "budget", 5, state=PARKED)
    for n, seconds in enumerate(STEPS):
        lie.set_clock(seconds)
        turned(d, ground, tenant, "Second%d" % n)
        need(len(disabled(tenant)) == 3, "two, and who has not begun", seconds, disabled(tenant))
    # What was approved while the clock was ahead goes on when it is behind.
    tenant.fault("status", status=503, method="PUT", count=-1)
    lie.set_clock(2 * HOUR)
    d.ctl("approve", d.ctl("plan", "--json", code=2).json["hash"])
    for n, seconds in enumerate((-600, 20 * 24 * HOUR, -90)):
        lie.set_clock(seconds)
        ground.person("n%d" % n)
    tenant.clear_faults()
    wait_for(lambda: len(disabled(tenant)) == 8, 30, "all that was approved", lambda: (disabled(tenant), life.operations(d)))
    # Put right, and in its time: the first day, to the second, and the last.
    lie.set_clock(0)
    turned(d, ground, tenant, "Third")
    begins = time.time() + 3
    ground.replace("soon", carLicense=date(3))
    tenant.wait_user("soon", seconds=20, disabled=False)
    need(-1 <= time.time() - begins <= 3, "to the second", time.time() - begins)
    ground.replace("ada", employeeType=date(1))
    wait_held(d, "budget", 1, state=PARKED)
    need(tenant.user("ada")["disabled"] is False, "the budget was spent before", tenant.users())
