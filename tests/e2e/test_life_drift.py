"""Edits by hand at the tenant, first contact with a tenant that has users, and shifts."""

from lib import deadline, life, need, wait_for
from lib.life import AGENTS, crowd, outcomes, settled, wait_held, wait_outcome


def edits(tenant):
    """What a supervisor did: managed values of ada and bob, unmanaged ones of cem, eve deleted."""
    tenant.edit("ada", team="Sales", firstName="Adda")
    tenant.edit("bob", skills={"English": 12, "Billing": 7}, roles=["Agent", "Administrator"])
    tenant.edit("cem", skills={"English": 80, "Billing": 99}, workPhone="1", roles=["Agent", "Administrator"])


def test_drift_reported(t):
    """T50: with drift = report edits by hand are in the audit, once, and nothing is written."""
    ground, group, tenant = crowd(t, ["ada", "bob", "cem"])
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    lifecycle={"verify_interval": "1s"}).start()
    tenant.wait_users(["ada", "bob", "cem"])
    settled(d)
    edits(tenant)
    tenant.forget_requests()
    wait_for(lambda: {r["person"]["login"] for r in d.audit(event="drift")} == {"ada", "bob"}, 20, "drift of two",
             lambda: d.audit(event="drift"))
    sweeps = len([1 for line in d.log().splitlines() if "Verification:" in line])
    wait_for(lambda: len([1 for line in d.log().splitlines() if "Verification:" in line]) >= sweeps + 2, 20,
             "two more sweeps")
    rows = {r["person"]["login"]: r for r in d.audit(event="drift")}
    need(len(d.audit(event="drift")) == 2, "each is reported once", d.audit(event="drift"))
    need("team: Customer Service -> Sales" in rows["ada"]["sentence"]
         and "first_name: Ada -> Adda" in rows["ada"]["sentence"], "what it was and is", rows["ada"])
    need("English:80 -> English:12" in rows["bob"]["sentence"] and "Billing" not in rows["bob"]["sentence"]
         and "Administrator" not in rows["bob"]["sentence"], "managed values alone", rows["bob"])
    need(tenant.writes() == [], "nothing is written", tenant.writes())
    # Put right by hand: over.
    tenant.edit("ada", team="Customer Service", firstName="Ada")
    tenant.edit("bob", skills={"English": 80})
    wait_for(lambda: d.state_query("SELECT count(*) FROM link WHERE drift IS NOT NULL")[0][0] == 0, 20,
             "the drift is over")
    tenant.edit("ada", team="Sales")
    wait_for(lambda: len(d.audit(event="drift")) == 3, 20, "a new one is reported again")
    settled(d)


def test_drift_repaired(t):
    """T50 T61: with drift = repair managed values are put back, unmanaged ones and levels of skills that are there never."""
    ground, group, tenant = crowd(t, ["ada", "bob", "cem", "eve"])
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    lifecycle={"verify_interval": "1s", "drift": "repair"}).start()
    tenant.wait_users(["ada", "bob", "cem", "eve"])
    settled(d)
    tenant.forget_requests()
    edits(tenant)
    tenant.delete_user("eve")
    tenant.wait_user("ada", team="Customer Service", firstName="Ada")
    wait_for(lambda: d.audit(event="drift", code="report"), 20, "bob's level is reported", lambda: d.audit(event="drift"))
    tenant.wait_user("eve", team="Customer Service")
    settled(d)
    sweeps = len([1 for line in d.log().splitlines() if "Verification:" in line])
    wait_for(lambda: len([1 for line in d.log().splitlines() if "Verification:" in line]) >= sweeps + 2, 20,
             "two more sweeps")
    settled(d)
    cem = tenant.user("cem")
    need(cem["skills"] == {"English": 80, "Billing": 99} and cem["workPhone"] == "1"
         and set(cem["roles"]) == {"Agent", "Administrator"}, "unmanaged values stay", cem)
    need(tenant.user("bob")["skills"] == {"English": 12, "Billing": 7}, "a level is a supervisor's", tenant.user("bob"))
    need({w["login"] for w in tenant.writes()} == {"ada", "eve"}, "nobody else", tenant.writes())
    need(len(tenant.writes()) == 3, "each once: PUT and PATCH, POST", tenant.writes())
    need({r["person"]["login"] for r in d.audit(event="drift", code="repair")} == {"ada", "eve"}, "audit",
         d.audit(event="drift"))
    need([r["person"]["login"] for r in d.audit(event="drift", code="report")] == ["bob"], "reported once",
         d.audit(event="drift"))
    need({r["person"]["login"] for r in outcomes(d, "update")} == {"ada"}, "and what was done")
    # Taken away altogether it comes back, and the level beside it stays.
    tenant.edit("bob", skills={"Billing": 9})
    tenant.wait_user("bob", skills={"Billing": 9, "English": 80})
    settled(d)


def test_disabled_by_hand_stays(t):
    """A user whom somebody at the tenant disabled is not enabled by rosterd, also with drift = repair."""
    ground, group, tenant = crowd(t, ["ada", "bob"])
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    lifecycle={"verify_interval": "1s", "drift": "repair"}).start()
    tenant.wait_users(["ada", "bob"])
    settled(d)
    tenant.edit("ada", disabled=True)
    wait_for(lambda: d.audit(event="drift"), 20, "drift")
    ground.replace("bob", givenName="Robert")
    tenant.wait_user("bob", firstName="Robert")
    settled(d)
    need(tenant.user("ada")["disabled"], "theirs to undo")


@deadline(120)
def test_first_contact(t):
    """T56: 300 users: an adoption report, zero writes until it is approved, unclaimed users never touched."""
    ground, group, tenant = crowd(t, ["exact", "cased", "fresh"] + ["p%03d" % i for i in range(50)])
    ground.person("mailed", mail="shared@example.com")
    ground.join(group, "mailed")
    users = [{"loginId": "exact", "firstName": "Old", "lastName": "Name", "email": "exact@example.com",
              "team": "Sales", "skills": {"Billing": 5}, "roles": ["Administrator"]},
             {"loginId": "CASED", "firstName": "Cased", "lastName": "Tester", "email": "cased@example.com"},
             {"loginId": "somebody", "email": "Shared@example.com"}]
    users += [{"loginId": "p%03d" % i, "email": "p%03d@example.com" % i} for i in range(50)]
    users += [{"loginId": "foreign%03d" % i, "email": "f%d@elsewhere.example" % i} for i in range(247)]
    tenant.seed(*users)
    before = tenant.users()
    need(len(before) == 300, "300 users", len(before))
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    lifecycle={"verify_interval": "1s", "drift": "repair"},
                    guard={"max_update": "unlimited", "max_team_change": "unlimited"}).start()
    tenant.wait_user("fresh")
    wait_held(d, "adoption", 52)
    wait_held(d, "same-mail", 1)
    settled(d)
    need([w["login"] for w in tenant.writes()] == ["fresh"], "nothing but the newcomer is written", tenant.writes())
    plan = d.ctl("plan", "--json", code=2).json
    report = plan.get("adoption")
    need(report is not None, "the plan has the report", sorted(plan))
    wait_for(lambda: d.audit(event="alarm", code="adoption"), 10, "an alarm")
    d.restart()
    settled(d)
    need(len(tenant.writes()) == 1, "nor after a restart", tenant.writes())
    need(d.ctl("plan", "--json", code=2).json["hash"] == plan["hash"], "the same plan")
    d.ctl("approve", plan["hash"])
    tenant.wait_user("exact", team="Customer Service", firstName="Exact", seconds=30)
    wait_for(lambda: not [o for o in life.operations(d) if o["reason"] != "same-mail"], 30, "all adopted",
             lambda: life.operations(d)[:3])
    settled(d)
    now = tenant.users()
    need(set(now) == set(before) | {"fresh"}, "nobody came or went", set(now) ^ set(before))
    need(set(now["exact"]["roles"]) == {"Administrator", "Agent"} and
         now["exact"]["skills"] == {"Billing": 5, "English": 80}, "the supervisor's own stays", now["exact"])
    need(now["CASED"]["team"] == "Customer Service", "differs in case: adopted")
    for login in before:
        if login.startswith("foreign") or login == "somebody":
            need(now[login] == before[login], "unclaimed: untouched", login, now[login])
    touched = {w["login"] for w in tenant.writes()}
    need(not [x for x in touched if x.startswith("foreign") or x == "somebody"], "no write at all", touched)
    need(life.ledger_sum(d, "adopted") == 52, "the ledger", life.check_ledger(d))
    # What nobody claims stays so, sweep after sweep.
    tenant.forget_requests()
    tenant.edit("foreign001", team="Sales")
    wait_for(lambda: tenant.requests(method="GET", login="p049"), 30, "a sweep")
    need(not tenant.requests(login="foreign001"), "not even read", tenant.requests(login="foreign001"))
    return report


def test_first_contact_report_tells_apart(t):
    """T56: the report has exact, differs in case, same mail only, and unclaimed."""
    ground, group, tenant = crowd(t, ["exact", "cased"])
    ground.person("mailed", mail="shared@example.com")
    ground.join(group, "mailed")
    tenant.seed({"loginId": "exact", "email": "exact@example.com"}, {"loginId": "CASED"},
                {"loginId": "somebody", "email": "shared@example.com"}, {"loginId": "nobody1"}, {"loginId": "nobody2"})
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    wait_held(d, "adoption", 2)
    wait_held(d, "same-mail", 1)
    settled(d)
    text = d.ctl("plan", code=2).out
    for word in ("exact", "CASED", "somebody", "2 of its users have the logins of nobody who is to be a user", "case", "mail"):
        need(word in text, "the report has %r" % word, text)
    need(tenant.writes() == [], "zero writes", tenant.writes())


def test_on_shift(t):
    """A disable waits until log-out; another until logged_in_wait is over. The wait is on record when it begins and when
    it ends, however often somebody looks."""
    ground, group, tenant = crowd(t, ["ada", "bob"])
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    lifecycle={"logged_in_wait": "1h"}).start()
    tenant.wait_users(["ada", "bob"])
    settled(d)
    tenant.edit("ada", loginInfo={"isLoggedIn": True})
    tenant.forget_requests()
    ground.leave(group, "ada")
    held = wait_held(d, "on-shift")
    settled(d)
    reads, lines = len(tenant.requests(method="GET", login="ada")), len(d.audit())
    wait_for(lambda: len(tenant.requests(method="GET", login="ada")) >= reads + 2, 20, "it looks again")
    need(tenant.writes() == [], "not in the middle of a shift", tenant.writes())
    need(len(d.audit()) == lines, "looking leaves no line", d.audit()[lines:])
    need(life.operations(d)[0]["since_usec"] == held[0]["since_usec"], "since the first time", life.operations(d))
    tenant.edit("ada", loginInfo={"isLoggedIn": False})
    tenant.wait_user("ada", disabled=True)
    settled(d)
    wait_outcome(d, "disable", "ada", code="on-shift")
    wait_outcome(d, "disable", "ada")
    shift = [l["event"] for l in d.audit(operation="disable")]
    need(shift == ["intent", "outcome", "release", "intent", "outcome"], "begun and over", shift)
    d.configure(lifecycle={"logged_in_wait": "2s"})
    d.reload()
    tenant.edit("bob", loginInfo={"isLoggedIn": True})
    ground.leave(group, "bob")
    wait_held(d, "on-shift")
    tenant.wait_user("bob", disabled=True)
    settled(d)
