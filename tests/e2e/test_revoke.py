"""Revocations: whose access must end now is disabled now, whatever else is in the queue."""

import datetime
import time

from lib import deadline, life, need, wait_for
from lib.life import AGENTS, PARKED, crowd, settled, wait_held

REVOKED = "(employeeType=Revoked)"


def disables(tenant):
    """{login: when the first request that disables left, by the tenant's clock}"""
    seen = {}
    for row in tenant.writes():
        if row["method"] == "PUT" and row["login"] not in seen:
            answered = datetime.datetime.fromisoformat(row["time"].replace("Z", "+00:00")).timestamp()
            seen[row["login"]] = answered - row["milliseconds"] / 1000
    return seen


@deadline(180)
def test_behind_a_first_load(t):
    """T64: one revocation after the other behind hundreds of queued creates at 2 requests a second, everybody
    logged in and in grace: each is the next request, within a second of the directory's commit."""
    people = ["r%02d" % i for i in range(20)]
    ground, group, tenant = crowd(t, people)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    user={"extension": "${roomNumber}"},
                    lifecycle={"revoke_when": REVOKED, "leave_grace": "1d"}).start()
    tenant.wait_users(people)
    settled(d)
    for uid in people:
        tenant.edit(uid, loginInfo={"isLoggedIn": True})
    d.configure(tenant={"max_rate": "2", "max_concurrent": "4"})
    d.reload()
    more = ["n%03d" % i for i in range(300)]
    ground.persons(more)
    ground.join(group, *more)
    wait_for(lambda: len(life.operations(d, kind="create")) > 250, 30, "the creates are queued")
    tenant.forget_requests()
    took = {}
    for i, uid in enumerate(people[:12]):
        if i % 4 == 1:  # what is unusable otherwise is revoked all the same
            ground.replace(uid, employeeType="Revoked", roomNumber="no digits")
        elif i % 4 == 2:  # and who is no user any more is not in grace
            ground.leave(group, uid)
            ground.replace(uid, employeeType="Revoked")
        else:
            ground.replace(uid, employeeType="Revoked")
        committed = time.time()
        wait_for(lambda: uid in disables(tenant), 10, "%s is disabled" % uid)
        took[uid] = disables(tenant)[uid] - committed
        tenant.wait_user(uid, disabled=True)
    need(life.operations(d, kind="create"), "the creates are still queued")
    need(max(took.values()) < 1, "each within a second", took)
    asked = [row for row in tenant.requests(method="GET", path="/user/") if row.get("login") in took]
    # a leaver's own grace and shift are asked for nothing
    need(not [row for row in asked if row["login"] == people[0]], "nothing is asked before", asked[:3])
    shown = d.ctl("status", "--json", code=None).json["revocations"]
    need([r["login"] for r in shown] == list(reversed(people[:12])), "status has them", shown)
    need(all(0 <= r["took_usec"] < 1500000 for r in shown), "and how long each took", shown)
    need("Revoked" in d.ctl("status", code=None).out, "also in words")
    rows = [row for row in d.audit(event="outcome", operation="disable")]
    need(len(rows) == 12 and all("revoked_after_usec" in row["details"] for row in rows), "so has the audit", rows[:1])
    need({row.get("code") for row in d.audit(event="intent", operation="disable")} == {"revoked"}, "the intents say it")


def test_budget_and_return(t):
    """Revocations have a budget of their own; who is not revoked any more is enabled again; explain and plan say why."""
    people = ["r%02d" % i for i in range(10)]
    ground, group, tenant = crowd(t, people)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    lifecycle={"revoke_when": REVOKED}, guard={"max_revoke": "3", "max_disable": "0"}).start()
    tenant.wait_users(people)
    settled(d)
    for uid in people[:5]:
        ground.replace(uid, employeeType="Revoked")
    parked = wait_held(d, "budget", 2, state=PARKED)
    settled(d)
    need({o["cause"] for o in parked} == {"budget:revoke"}, "under their own budget", parked)
    need(sum(u["disabled"] for u in tenant.users().values()) == 3, "three are disabled", tenant.users())
    text = d.ctl("plan", code=2).out
    need("revoke_when" in text, "the plan says why", text)
    text = d.ctl("explain", parked[0]["login"]).out
    need("revoke_when" in text and "Revoked" in text, "explain says why", text)
    d.ctl("approve", d.ctl("plan", "--json", code=2).json["hash"])
    for uid in people[:5]:
        tenant.wait_user(uid, disabled=True)
    ground.replace("r00", employeeType="Agent")
    tenant.wait_user("r00", disabled=False)
    ground.person("never", employeeType="Revoked")
    ground.join(group, "never")
    wait_for(lambda: d.audit(event="skip", code="revoked"), 20, "nobody is made to be revoked")
    settled(d)
    need("never" not in tenant.users(), "no user", sorted(tenant.users()))
    # A configuration that names it later revokes who is there already.
    d.configure(lifecycle={"revoke_when": "(givenName=Zed)"})
    ground.replace("r09", givenName="Zed")
    tenant.wait_user("r09", firstName="Zed")
    d.reload()
    wait_for(lambda: life.operations(d, login="r09"), 20, "found by the reload")


def test_enabled_by_hand(t):
    """Somebody enables a revoked user at the tenant, with drift = report: disabled again; another leaver stays enabled; who is
    not revoked any more is given back."""
    ground, group, tenant = crowd(t, ["ada", "bob", "eve"])
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    lifecycle={"revoke_when": REVOKED, "verify_interval": "1s", "drift": "report"}).start()
    tenant.wait_users(["ada", "bob", "eve"])
    settled(d)
    ground.replace("ada", employeeType="Revoked")
    ground.leave(group, "bob")
    for uid in ("ada", "bob"):
        tenant.wait_user(uid, disabled=True)
    settled(d)
    tenant.edit("bob", disabled=False)
    wait_for(lambda: d.audit(event="drift", code="report"), 10, "reported", lambda: d.audit()[-3:])
    n = len(d.audit(event="intent", code="revoked"))
    tenant.edit("ada", disabled=False)
    tenant.wait_user("ada", disabled=True)
    wait_for(lambda: len(d.audit(event="intent", code="revoked")) == n + 1, 10, "on record as a revocation", lambda: d.audit()[-5:])
    need(not tenant.user("bob")["disabled"], "bob is the tenant's business")
    ground.replace("ada", employeeType="Agent")
    tenant.wait_user("ada", disabled=False)


@deadline(90)
def test_renamed_revoked_and_killed(t):
    """Renamed and revoked, in either order, with a lost answer and a death in the middle: one user, disabled, and nobody else."""
    for order in (1, 2):
        ground, group, tenant = crowd(t, ["ada", "bob"])
        d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, lifecycle={"revoke_when": REVOKED, "leave_grace": "1h"},
                        retry={"min": "100ms", "max": "1s", "hold": "1s"})
        d.start()
        tenant.wait_users(["ada", "bob"])
        settled(d)
        tenant.fault("status", status=502, count=1, method="PUT", path="/configapi/v2/user")
        if order < 2:
            ground.server.rename("uid=ada,ou=people," + ground.dn, "uid=adele")
            ground.replace("adele", employeeType="Revoked")
        else:
            ground.replace("ada", employeeType="Revoked")
            ground.server.rename("uid=ada,ou=people," + ground.dn, "uid=adele")
        d.kill()
        d.start()
        wait_for(lambda: any(u["disabled"] for u in tenant.users().values()), 20, "disabled", tenant.users)
        settled(d, 30)
        users = tenant.users()
        need(len(users) == 2 and sum(u["disabled"] for u in users.values()) == 1, "one, disabled", users)
        need(not users["bob"]["disabled"], "not bob", users)
        d.stop()
        tenant.clear_faults()
