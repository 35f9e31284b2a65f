"""Budgets: what is too much at once waits for a person, and nothing else does."""

import os
import time

from lib import deadline, life, need, wait_for
from lib.life import AGENTS, HELD, PARKED, crowd, outcomes, settled, wait_held


def people(n):
    return ["p%02d" % i for i in range(n)]


def plan(d, code=2):
    return d.ctl("plan", "--json", code=code).json


def disabled(tenant):
    return sorted(login for login, user in tenant.users().items() if user["disabled"])


def test_fewer_entries(t):
    """T3: 20 % fewer entries: what is beyond the budget is parked as a plan, creates go on; approved once, exactly those."""
    ground, group, tenant = crowd(t, people(40))
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    tenant.wait_users(people(40))
    settled(d)
    need(plan(d, code=0)["operations"] == [], "nothing is due: exit code 0")
    d.stop()
    tenant.forget_requests()
    ground.server.delete(*[ground.person_dn(uid) for uid in people(8)])
    ground.person("newcomer")
    ground.join(group, "newcomer")
    d.start()
    tenant.wait_user("newcomer")
    parked = wait_held(d, "budget", 3, state=PARKED)
    settled(d)
    need(len(disabled(tenant)) == 5, "the budget and no more", disabled(tenant))
    need(len(tenant.writes()) == 6, "five disables and a create", tenant.writes())
    need(life.check_ledger(d)["leaving"] == 8, "the ledger has eight who leave", life.check_ledger(d))
    need({o["kind"] for o in parked} == {"disable"}, "disables", parked[0])
    wait_for(lambda: len(d.audit(event="park", code="budget")) == 3, 10, "three audit lines")
    wait_for(lambda: d.audit(event="alarm", code="budget"), 10, "an alarm")
    shown = plan(d)
    old_hash = shown["hash"]
    text = d.ctl("plan", code=2).out
    for uid in set(people(8)) - set(disabled(tenant)):
        need(uid in text, "the plan names everybody", uid, text)
    need(old_hash in text, "and its hash", text)
    # One more: the plan is another one, and the old approval void.
    ground.remove("p10")
    wait_held(d, "budget", 4, state=PARKED)
    settled(d)
    refused = d.ctl("approve", old_hash, code=None)
    need(refused.code not in (0, 2), "a stale hash is refused", refused)
    settled(d)
    need(len(tenant.writes()) == 6, "and nothing is written", tenant.writes())
    d.ctl("approve", plan(d)["hash"])
    for uid in people(8) + ["p10"]:
        tenant.wait_user(uid, disabled=True)
    settled(d)
    need(len(tenant.writes()) == 10, "exactly those", tenant.writes())
    need(len(d.audit(event="approve")) == 4 and len(outcomes(d, "disable")) == 9, "audit",
         len(d.audit(event="approve")))
    wait_for(lambda: d.audit(event="alarm-over", code="budget"), 10, "the alarm is over")
    need(plan(d, code=0)["operations"] == [], "nothing is left")
    # It holds once: as many again wait again.
    d.stop()
    ground.server.delete(*[ground.person_dn(uid) for uid in people(40)[20:28]])
    d.start()
    wait_held(d, "budget", 8, state=PARKED)
    settled(d)
    need(len(tenant.writes()) == 10, "no standing approval", tenant.writes()[10:])


@deadline(120)
def test_slow_answers(t):
    """T74: HR marks people one by one, 40 ms apart, and the tenant needs 400 ms: never more than the budget,
    done plus under way, also across a kill."""
    everybody = ["s%03d" % i for i in range(200)]
    ground, group, tenant = crowd(t, everybody)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    guard={"max_disable": "10"}, user={"disabled_when": "(employeeType=Terminated)"}).start()
    tenant.wait_users(everybody, seconds=60)
    settled(d)
    tenant.forget_requests()
    tenant.fault("delay", delay_ms=400, path="/configapi/v2/user", count=-1)
    for i, uid in enumerate(everybody[:40]):
        ground.replace(uid, employeeType="Terminated")
        time.sleep(0.04)  # the pace of the case, not a synchronisation
        if i == 15:
            d.kill()
            d.start()
    wait_held(d, "budget", 30, state=PARKED, seconds=40)
    settled(d)
    asked = {w["login"] for w in tenant.writes()}
    need(len(asked) == 10, "ten people's requests, each within the budget", sorted(asked))
    need(disabled(tenant) == sorted(asked), "and they are disabled", disabled(tenant))


def test_kinds_are_separate(t):
    """Each kind trips only its own."""
    logins = people(12)
    ground, group, tenant = crowd(t, {uid: {"employeeNumber": uid} for uid in logins})
    sales = life.group(ground, "sales")
    spanish = life.group(ground, "spanish")
    rules = {"Sales": {"group": sales, "team": "Sales"}, "Agents": dict(AGENTS, group=group),
             "Spanish": {"group": spanish, "skills": "Spanish:10"}}
    d = life.daemon(t, ground, tenant, rules, user={"login_id": "${employeeNumber}"}).start()
    tenant.wait_users(logins)
    settled(d)
    # One person for each kind of change, over and over; each time another budget is zero.
    keys = {"max_update": ("p00", "p01"), "max_team_change": ("p02",), "max_disable": ("p03",),
            "max_rename": ("p04",), "max_create": ("new",)}
    for turn, (closed, waits) in enumerate(keys.items()):
        guard = {key: "0" if key == closed else "unlimited" for key in keys}
        d.configure(guard=guard)
        d.reload()
        settled(d)
        tenant.forget_requests()
        ground.replace("p00", givenName="Turn%d" % turn)
        (ground.leave if turn % 2 else ground.join)(spanish, "p01")
        (ground.leave if turn % 2 else ground.join)(sales, "p02")
        ground.leave(group, "p03")
        ground.replace("p04", employeeNumber="p04-%d" % turn)
        ground.person("new%d" % turn, employeeNumber="new%d" % turn)
        ground.join(group, "new%d" % turn)
        parked = wait_held(d, "budget", len(waits), state=PARKED)
        wait_for(lambda: len(life.operations(d)) == len(waits), 20, "the others are done",
                 lambda: life.operations(d))
        settled(d)
        need({o["login"][:3] for o in parked} == {w[:3] for w in waits}, "only its own kind", closed, parked)
        need({o["cause"] for o in parked} == {"budget:" + closed[4:].replace("_change", "")}, closed, parked)
        d.configure(guard={key: "unlimited" for key in keys})
        d.reload()
        wait_for(lambda: not life.operations(d), 20, "released when the budget allows it",
                 lambda: life.operations(d))
        ground.join(group, "p03")
        wait_for(lambda: not tenant.user("p03")["disabled"], 20, "p03 is back")
        settled(d)


def test_delete_budget(t):
    """Deletes have a budget of their own, which is not that of disables."""
    ground, group, tenant = crowd(t, people(6))
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, lifecycle={"delete_after": "1s"},
                    guard={"max_disable": "unlimited", "max_delete": "2"}).start()
    tenant.wait_users(people(6))
    settled(d)
    ground.leave(group, *people(3))
    for uid in people(3):
        tenant.wait_user(uid, disabled=True)
    wait_held(d, "budget", 1, state=PARKED)
    wait_for(lambda: len(outcomes(d, "delete")) == 2, 20, "two are deleted")
    settled(d)
    need(len(tenant.users()) == 4 and len(outcomes(d, "delete")) == 2, "two are deleted, and no more",
         sorted(tenant.users()))
    d.ctl("approve", plan(d)["hash"])
    tenant.wait_users(people(6)[3:])
    settled(d)


def test_plan_shows_what_will_be(t):
    """The plan has creates, changes field by field, reasons and a hash; paused, nothing of it runs."""
    ground, group, tenant = crowd(t, ["ada", "bob"])
    sales = life.group(ground, "sales")
    d = life.daemon(t, ground, tenant, {"Sales": {"group": sales, "team": "Sales"},
                                        "Agents": dict(AGENTS, group=group)}).start()
    tenant.wait_users(["ada", "bob"])
    settled(d)
    d.ctl("pause")
    tenant.forget_requests()
    ground.replace("ada", givenName="Augusta")
    ground.join(sales, "bob")
    ground.person("eve")
    ground.join(group, "eve")
    shown = wait_for(lambda: (lambda p: p if len(p["operations"]) == 3 else None)(d.ctl("plan", "--json", code=None).json),
                     20, "three operations")
    kinds = {o["person"]["login"]: o["kind"] for o in shown["operations"]}
    need(kinds == {"ada": "profile", "bob": "update", "eve": "create"}, "kinds", shown["operations"])
    text = d.ctl("plan", code=2).out
    for word in ("Augusta", "Customer Service", "Sales", "eve", "English"):
        need(word in text, "the plan has %r" % word, text)
    need(len(shown["hash"]) == 64, "and a hash", shown["hash"])
    bob = [o for o in shown["operations"] if o["person"]["login"] == "bob"][0]
    change = bob["changes"][0]
    need((change["field"], change["from"], change["to"]) == ("team", "Customer Service", "Sales"), "field by field",
         bob)
    need("Sales" in str(change.get("rule") or change.get("source") or bob), "and the rule", bob)
    need(tenant.writes() == [], "nothing runs while paused", tenant.writes())
    d.ctl("resume")
    tenant.wait_user("eve")
    tenant.wait_user("bob", team="Sales")
    tenant.wait_user("ada", firstName="Augusta")
    wait_for(lambda: not life.operations(d), 20, "done")
    settled(d)
    need(plan(d, code=0)["operations"] == [], "nothing is left")


def test_config_edit_shrinks_scope(t):
    """T54: a scope that shrinks by 60 % trips the budget at reload; dry-run and plan --config show it before."""
    ground, group, tenant = crowd(t, {uid: {"employeeType": "Agent" if n < 20 else "Other"}
                                      for n, uid in enumerate(people(50))})
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    user={"disabled_when": "(employeeType=Terminated)"}).start()
    tenant.wait_users(people(50))
    settled(d)
    tenant.forget_requests()
    with open(d.config_file, encoding="utf-8") as text:
        edited = text.read() + "\n[scope]\nwhen = (employeeType=Agent)\n"
    new = t.write("new.conf", edited)
    os.chmod(new, 0o640)
    shown = d.ctl("plan", "--json", "--config", new, code=2).json
    need(len(shown["operations"]) == 30, "plan --config shows thirty", len(shown["operations"]))
    need({o["kind"] for o in shown["operations"]} == {"disable"}, "disables",
         shown["operations"][0])
    need(plan(d, code=0)["operations"] == [], "and changes nothing")
    old = d.config_file
    d.config_file = new
    dry = d.dry_run(code=2)
    need(all(uid in dry.out for uid in people(50)[20:]), "rosterd --dry-run shows them", dry.out[-1500:])
    d.config_file = old
    need(tenant.writes() == [], "nothing is written", tenant.writes())
    d.configure(scope={"when": "(employeeType=Agent)"})
    d.reload()
    wait_held(d, "budget", 25, state=PARKED)
    settled(d)
    need(len(disabled(tenant)) == 5, "the reload trips the budget", disabled(tenant))
    # Taken back: as if it had not been.
    d.configure(scope={"when": None})
    d.reload()
    wait_for(lambda: not life.operations(d), 20, "the edit is taken back", lambda: life.operations(d)[:2])
    settled(d)
    need(disabled(tenant) == [], "and all are back", disabled(tenant))
    wait_for(lambda: d.audit(event="alarm-over", code="budget"), 10, "the alarm is over")


def test_reload_reads_a_new_attribute(t):
    """T54: a reload whose scope needs an attribute that was not read before reads it first, and judges then."""
    ground, group, tenant = crowd(t, {uid: {"employeeType": "Agent" if n >= 2 else "Other"}
                                      for n, uid in enumerate(people(20))})
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    guard={"max_disable": "unlimited"}).start()
    tenant.wait_users(people(20))
    settled(d)
    tenant.forget_requests()
    d.configure(scope={"when": "(employeeType=Agent)"})
    d.reload()
    for uid in people(2):
        tenant.wait_user(uid, disabled=True)
    settled(d)
    need({w["login"] for w in tenant.writes()} == set(people(2)), "those two and nobody else", tenant.writes())
    need(len(d.audit(event="leave")) == 2, "nobody else was about to leave", d.audit(event="leave"))


def test_reload_keeps_an_attribute_that_is_read_anyway(t):
    """T54: rosterd asks for some attributes for its own use (classes, the login, the primary group). A scope or a rule that names one
    of them for the first time, by a reload or at a start, judges by what the directory has, and not by what was not kept."""
    ground, group, tenant = crowd(t, {uid: {"gidNumber": str(500 + n), "objectClass": ["inetOrgPerson", "posixAccount"],
                                            "uidNumber": str(n), "homeDirectory": "/"} for n, uid in enumerate(people(10))})
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    guard={"max_disable": "unlimited"}).start()
    tenant.wait_users(people(10))
    settled(d)
    tenant.forget_requests()
    d.configure(scope={"when": "(objectClass=posixAccount)"})
    d.reload()
    settled(d)
    d.configure(scope={"when": None}, rules={"Agents": dict(AGENTS, group=group),
                                             "Lows": {"when": "(gidNumber<=501)", "roles": "Supervisor"}})
    d.stop()
    d.start()
    for uid in people(2):
        wait_for(lambda: "Supervisor" in str(tenant.user(uid)), 20, uid, d.log_tail)
    settled(d)
    need(not d.audit(event="leave") and not disabled(tenant), "nobody was about to leave", d.audit(event="leave"))
    need({w["login"] for w in tenant.writes()} == set(people(2)), "those two and nobody else", tenant.writes())


def test_privileged_roles(t):
    """A role of privileged_roles needs approval, for a newcomer too; other changes go on."""
    ground, group, tenant = crowd(t, ["ada", "bob"])
    chiefs = life.group(ground, "chiefs")
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group),
                                        "Chiefs": {"group": chiefs, "roles": "Administrator"}},
                    guard={"privileged_roles": "Administrator"}).start()
    tenant.wait_users(["ada", "bob"])
    settled(d)
    tenant.forget_requests()
    ground.join(chiefs, "ada")
    ground.person("eve")
    ground.join(chiefs, "eve")
    ground.join(group, "eve")
    ground.replace("bob", givenName="Robert")
    tenant.wait_user("bob", firstName="Robert")
    parked = wait_held(d, "budget", 2, state=PARKED)
    settled(d)
    need({o["cause"] for o in parked} == {"budget:privileged"}, "cause", parked)
    need({w["login"] for w in tenant.writes()} == {"bob"}, "nobody gets it unasked", tenant.writes())
    d.ctl("approve", plan(d)["hash"])
    tenant.wait_user("eve", roles=["Administrator", "Agent"])
    wait_for(lambda: "Administrator" in tenant.user("ada")["roles"], 20, "ada has it")
    settled(d)
    # To take it away needs no approval.
    ground.leave(chiefs, "ada")
    tenant.wait_user("ada", roles=["Agent"])
    settled(d)


def test_approval_is_for_the_set(t):
    """An operation that is no longer wanted falls out of an approved set, and a new one is not in it."""
    ground, group, tenant = crowd(t, people(20))
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, guard={"max_disable": "0"}).start()
    tenant.wait_users(people(20))
    settled(d)
    tenant.down(how="502")
    d.ctl("pause")
    ground.leave(group, "p00", "p01", "p02")
    wait_held(d, "budget", 3, state=PARKED)
    d.ctl("approve", plan(d)["hash"])
    wait_for(lambda: len(life.operations(d, approved=1)) == 3, 10, "three are approved")
    ground.join(group, "p00")
    ground.leave(group, "p05", "p06")
    wait_held(d, "budget", 2, state=PARKED)
    tenant.down(False)
    tenant.forget_requests()
    d.ctl("resume")
    for uid in ("p01", "p02"):
        tenant.wait_user(uid, disabled=True)
    settled(d)
    need({w["login"] for w in tenant.writes()} == {"p01", "p02"}, "those two", tenant.writes())
    need({o["login"] for o in life.operations(d, state=PARKED)} == {"p05", "p06"}, "these wait", life.operations(d))
    need(not life.operations(d, state=HELD), "nothing else waits")


def test_budget_counts_over_time(t):
    """One leaver after the other spends the same budget: the sixth of a day waits."""
    ground, group, tenant = crowd(t, people(30))
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    tenant.wait_users(people(30))
    settled(d)
    for uid in people(5):
        ground.leave(group, uid)
        tenant.wait_user(uid, disabled=True)
    d.restart()
    ground.leave(group, "p05")
    wait_held(d, "budget", 1, state=PARKED)
    settled(d)
    need(not tenant.user("p05")["disabled"], "it waits")
    d.ctl("approve", plan(d)["hash"])
    tenant.wait_user("p05", disabled=True)
    settled(d)


def test_pause_lasts(t):
    """Paused stays paused across a restart; resume goes on."""
    ground, group, tenant = crowd(t, people(2))
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    tenant.wait_users(people(2))
    settled(d)
    d.ctl("pause")
    tenant.forget_requests()
    ground.leave(group, "p00")
    d.restart()
    wait_for(lambda: plan(d, code=None)["operations"], 10, "the plan has it")
    need(tenant.writes() == [], "nothing is written", tenant.writes())
    d.ctl("resume")
    tenant.wait_user("p00", disabled=True)
    settled(d)
    wait_for(lambda: len(d.audit(event="configuration", code="paused")) == 2, 10, "both are in the audit")


def test_pause_is_told(t):
    """Paused with people waiting: an alarm after alarm_after, status ends with 2, the start says since when; over on resume."""
    ground, group, tenant = crowd(t, people(3))
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, notify={"alarm_after": "1s"}).start()
    tenant.wait_users(people(3))
    settled(d)
    d.ctl("pause")
    need(d.ctl("status", code=0), "nobody waits: it is fine")
    ground.leave(group, "p00")
    wait_for(lambda: d.audit(event="alarm", code="paused"), 20, "an alarm")
    need("paused since 20" in d.ctl("status", code=2).out, "status says so", d.ctl("status", code=2).out)
    d.restart()
    d.wait_log(r"Writing to the tenant is paused since 20\d\d-")
    need(d.ctl("status", code=2), "and still")
    ground.join(group, "p00")
    wait_for(lambda: d.audit(event="alarm-over", code="paused"), 20, "nobody waits any more")
    ground.leave(group, "p01")
    wait_for(lambda: len(d.audit(event="alarm", code="paused")) == 2, 20, "again")
    d.ctl("resume")
    tenant.wait_user("p01", disabled=True)
    wait_for(lambda: len(d.audit(event="alarm-over", code="paused")) == 2, 20, "over")
    settled(d)
    need(d.ctl("status", code=0), "fine")
