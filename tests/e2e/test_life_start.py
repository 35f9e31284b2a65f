"""Who gets a user and when: the start of work, seats, roles that nobody may have together."""

import datetime
import time

from lib import deadline, life, need, wait_for
from lib.life import AGENTS, HELD, crowd, settled, wait_held


def at(seconds):
    """A generalizedTime so many seconds from now."""
    when = datetime.datetime.fromtimestamp(time.time() + seconds, datetime.timezone.utc)
    return when.strftime("%Y%m%d%H%M%SZ")


def enabled(tenant):
    return sorted(u for u, user in tenant.users().items() if not user["disabled"])


def test_start_date(t):
    """Made disabled before the start and enabled at it, to the second; who starts later has no user yet; a date never
    disables; explain and the audit say when."""
    people = {"now": {}, "soon": {"carLicense": at(12)}, "later": {"carLicense": at(40 * 86400)},
              "past": {"carLicense": at(-86400)}}
    ground, group, tenant = crowd(t, people)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, user={"starts_at": "carLicense"},
                    lifecycle={"create_ahead": "7d"}).start()
    tenant.wait_users(["now", "past", "soon"])
    settled(d)
    need(enabled(tenant) == ["now", "past"], "made disabled", tenant.users())
    text = d.ctl("explain", "later").out
    need("starts_at" in text and "begins at" in text, "explain says when", text)
    need([r["person"]["dn"] for r in d.audit(event="skip", code="not-started")] == [ground.person_dn("later")],
         "on record", d.audit(event="skip"))
    start = datetime.datetime.strptime(people["soon"]["carLicense"], "%Y%m%d%H%M%SZ").replace(
        tzinfo=datetime.timezone.utc).timestamp()
    row = wait_for(lambda: [w for w in tenant.writes() if w["login"] == "soon" and w["method"] == "PUT"], 30, "enabled")[0]
    sent = datetime.datetime.fromisoformat(row["time"].replace("Z", "+00:00")).timestamp()
    need(0 <= sent - start < 2, "to the second", sent - start)
    settled(d)
    need(enabled(tenant) == ["now", "past", "soon"], "enabled", tenant.users())
    ground.replace("now", carLicense=at(30 * 86400))
    ground.replace("now", givenName="Again")
    tenant.wait_user("now", firstName="Again")
    settled(d)
    need("now" in enabled(tenant), "who has an enabled user keeps it", tenant.users())
    d.restart()
    settled(d)
    need(sorted(tenant.users()) == ["now", "past", "soon"] and not life.operations(d), "nothing more", life.operations(d))


def test_created_disabled(t):
    """create_disabled = yes: whom disabled_when names has a user, disabled, and is enabled when it is over; else none."""
    ground, group, tenant = crowd(t, {"here": {}, "away": {"employeeType": "Away"}})
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    user={"disabled_when": "(employeeType=Away)"}).start()
    tenant.wait_users(["here"])
    settled(d)
    d.configure(user={"disabled_when": "(employeeType=Away)"}, lifecycle={"create_disabled": "yes"})
    d.reload()
    tenant.wait_users(["away", "here"])
    settled(d)
    need(enabled(tenant) == ["here"], "disabled", tenant.users())
    ground.replace("away", employeeType="Here")
    tenant.wait_user("away", disabled=False)
    settled(d)


def test_seats(t):
    """max_users: never one enabled user more, those counted who are being made, with many calls at once; one cause that
    says so; who leaves makes room."""
    people = ["u%02d" % i for i in range(40)]
    ground, group, tenant = crowd(t, people)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    guard={"max_users": "25", "max_disable": "unlimited"}).start()
    wait_held(d, "no-seat", 15, state=HELD)
    settled(d)
    need(len(enabled(tenant)) == 25 and tenant.counters()["creates"] == 25, "25 users", tenant.counters())
    rows = d.ctl("holds", "--json", code=None).json["holds"]
    need([(r["cause"], r["people"]) for r in rows] == [("seats", 15)], "one cause", rows)
    need("max_users" in d.ctl("holds", code=None).out, "that says so")
    status = d.ctl("status", code=None).out
    need("25 of 25 used, 15 wait for one" in status, "status shows the seats", status)
    seats = d.ctl("status", "--json", code=None).json["seats"]
    need(seats == {"used": 25, "max": 25, "waiting": 15}, "and for programs", seats)
    for uid in enabled(tenant)[:3]:
        ground.leave(group, uid)
    wait_held(d, "no-seat", 12)
    settled(d)
    need(len(enabled(tenant)) == 25, "three for three", tenant.users())
    d.restart()
    settled(d)
    need(len(enabled(tenant)) == 25, "also after a restart", tenant.users())
    d.configure(guard={"max_users": "30", "max_disable": "unlimited"})
    d.reload()
    wait_held(d, "no-seat", 7)
    settled(d)
    need(len(enabled(tenant)) == 30, "raised", tenant.users())


def test_conflicting_roles(t):
    """Whoever has Agent and would get Supervisor is held for Supervisor, with both rules named, and for nothing else;
    an exchange of the two is none; letters' case is none either."""
    ground, group, tenant = crowd(t, ["ada", "bob"])
    lead = life.group(ground, "lead", ["bob"])
    desk = life.group(ground, "desk", ["ada"])
    d = life.daemon(t, ground, tenant,
                    {"Team": {"group": group, "team": "Customer Service"}, "Desk": {"group": desk, "roles": "Agent"},
                     "Lead": {"group": lead, "roles": "Supervisor"}},
                    **{'conflict "Four eyes"': {"roles": "AGENT, supervisor"}}).start()
    tenant.wait_users(["ada", "bob"])
    settled(d)
    ground.join(lead, "ada")
    ground.replace("ada", givenName="Augusta")
    held = wait_held(d, "role-conflict", 1)
    tenant.wait_user("ada", firstName="Augusta")
    settled(d)
    for words in ('rule "Lead"', 'rule "Desk"', 'conflict "Four eyes"'):
        need(words in held[0]["sentence"], "names " + words, held)
    need(tenant.user("ada")["roles"] == ["Agent"], "not given", tenant.user("ada"))
    text = d.ctl("holds", code=None).out
    need("conflict:Four eyes" in text, "in holds", text)
    d.ctl("retry", "--cause", "conflict:Four eyes")
    settled(d)
    need(tenant.user("ada")["roles"] == ["Agent"], "nor by a retry", tenant.user("ada"))
    ground.leave(desk, "ada")
    tenant.wait_user("ada", roles=["Supervisor"])
    settled(d)
    need(not life.operations(d), "an exchange", life.operations(d))
    ground.person("eve")  # both at once
    ground.join(lead, "eve")
    ground.join(desk, "eve")
    ground.join(group, "eve")
    tenant.wait_users(["ada", "bob", "eve"])
    wait_held(d, "role-conflict", 1)
    settled(d)
    need(len(tenant.user("eve")["roles"]) == 1, "one of the two", tenant.user("eve"))


def test_dormant(t):
    """dormant_after: who did not log in for so long is one cause in holds; disabled within max_dormant, but for who
    logged in meanwhile; whom a person enables stays so."""
    people = ["u%02d" % i for i in range(10)]
    ground, group, tenant = crowd(t, people)
    old = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 100 * 86400))
    for uid in people:
        tenant.seed({"loginId": uid, "email": uid + "@example.com", "team": "Customer Service",
                     "loginInfo": {"isLoggedIn": False, "lastLoginTime": old}})
    tenant.edit("u00", loginInfo={"isLoggedIn": False, "lastLoginTime": at(-3600)[:4] + "-" + at(-3600)[4:6] + "-" +
                                  at(-3600)[6:8] + "T00:00:00Z"})
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    lifecycle={"dormant_after": "90d", "verify_interval": "1s"}).start()
    wait_held(d, "adoption", 10)
    wait_for(lambda: d.ctl("status", "--json", code=2).json["adoption"]["needed"], 20, "first contact is reported")
    d.ctl("approve", d.ctl("plan", "--json", code=2).json["hash"])
    wait_held(d, "dormant", 9, seconds=40)
    rows = d.ctl("holds", "--json", code=None).json["holds"]
    need([(r["cause"], r["people"]) for r in rows] == [("dormant", 9)], "one cause", rows)
    need(enabled(tenant) == people, "only reported", tenant.users())
    tenant.edit("u01", loginInfo={"isLoggedIn": True})
    wait_held(d, "dormant", 8, seconds=40)
    d.configure(lifecycle={"dormant_after": "90d", "verify_interval": "1s", "dormant": "disable"})
    d.reload()
    parked = wait_held(d, "budget", 3, seconds=40)
    need({o["cause"] for o in parked} == {"budget:dormant"}, "within its budget", parked)
    wait_for(lambda: len(enabled(tenant)) == 5, 20, "five are disabled", lambda: enabled(tenant))
    d.ctl("approve", d.ctl("plan", "--json", code=2).json["hash"])
    wait_for(lambda: enabled(tenant) == ["u00", "u01"], 20, "all of them", lambda: enabled(tenant))
    tenant.edit("u05", disabled=False)
    wait_for(lambda: d.state_query("SELECT count(*) FROM link WHERE status = LINK_ACTIVE")[0][0] == 3, 20, "noticed")
    settled(d)
    need(enabled(tenant) == ["u00", "u01", "u05"], "whom a person enables stays", enabled(tenant))


@deadline(90)
def test_seats_through_crashes(t):
    """max_users holds through deaths while users are being made."""
    names = ["p%02d" % n for n in range(12)]
    ground, group, tenant = crowd(t, names)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, guard={"max_users": "5"},
                    retry={"min": "100ms", "max": "1s", "hold": "1s"})
    tenant.fault("delay", delay_ms=700, count=-1, method="POST", path="/configapi/v2/user")
    d.start()
    for _ in range(3):
        wait_for(lambda: tenant.counters()["in_flight"] >= 1 or len(tenant.users()) >= 5, 20, "under way", tenant.counters)
        d.kill()
        d.start()
    wait_for(lambda: len(tenant.users()) >= 5, 30, "five", tenant.users)
    tenant.clear_faults()
    settled(d, 30)
    need(len(tenant.users()) == 5, "five", sorted(tenant.users()))
