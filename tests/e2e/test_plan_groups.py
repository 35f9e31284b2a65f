"""The plan in groups: what waits for a person is shown and approved by letters, and nothing else of it is done."""

import collections
import random
import re

from lib import life, need, wait_for
from lib.life import AGENTS, PARKED, crowd, settled


def plan_of(d, *arguments, code=None):
    return d.ctl("plan", *arguments, "--json", code=code).json


def groups_of(plan):
    """{letter: row} of what waits."""
    return {g["letter"]: g for g in plan["groups"] if g["letter"]}


def what(operation, privileged):
    """What an operation counts as, told by its changes alone."""
    if operation["kind"] in ("adopt", "disable", "delete", "rename"):
        return operation["kind"]
    gives = {c["field"] for c in operation["changes"] if c["to"] is not None}
    if operation["kind"] in ("create", "profile") and "role:" + privileged in gives:
        return "privileged"
    if operation["kind"] == "update" and any(c["field"] == "team" for c in operation["changes"]):
        return "team"
    return "create" if operation["kind"] == "create" else "update"


def grown(t, seed):
    """A company of which much changes at once: teams, leavers, supervisors. (daemon, tenant, movers, leavers, chiefs)"""
    chance = random.Random(seed)
    people = ["p%02d" % i for i in range(24)]
    ground, agents, tenant = crowd(t, people)
    sales, chiefs = life.group(ground, "sales"), life.group(ground, "chiefs")
    rules = {"Chiefs": {"group": chiefs, "roles": "Supervisor"},
             "Sales": {"group": sales, "team": "Sales"}, "Agents": dict(AGENTS, group=agents)}
    d = life.daemon(t, ground, tenant, rules,
                    guard={"max_team_change": "2", "max_disable": "1", "privileged_roles": "Supervisor",
                           "max_privileged": "0"}).start()
    tenant.wait_users(people)
    settled(d)
    chance.shuffle(people)
    movers, leavers, seniors = people[:chance.randint(4, 8)], people[8:8 + chance.randint(3, 6)], people[16:18]
    d.ctl("pause")
    ground.join(sales, *movers)
    ground.join(chiefs, *seniors)
    ground.leave(agents, *leavers)
    wait_for(lambda: len(life.operations(d)) >= len(movers) + len(leavers) + len(seniors), 20, "all is planned",
             lambda: life.operations(d))
    d.ctl("resume")
    wait_for(lambda: len(life.operations(d, state=PARKED)) == len(movers) - 2 + len(leavers) - 1 + len(seniors), 20,
             "what is beyond the budgets waits", lambda: life.operations(d))
    settled(d)
    return d, tenant, movers, leavers, seniors


def test_groups_and_letters(t):
    """Groups count what the operations say, whoever counts them; one group by its letter is done, the others wait; T7."""
    d, tenant, movers, leavers, seniors = grown(t, 11)
    plan = plan_of(d, code=2)
    groups = groups_of(plan)
    counted = collections.Counter((what(o, "Supervisor"), o["reason"]) for o in plan["operations"]
                                  if o["state"] == "parked")
    need({(g["what"], g["reason"]): g["count"] for g in groups.values()} == dict(counted), "the same count", groups,
         counted)
    need(sorted(groups) == list("abcdefgh"[:len(groups)]) and len(groups) == 3, "letters", groups)
    by_what = {g["what"]: letter for letter, g in groups.items()}
    team = groups[by_what["team"]]
    need(team["summary"] == [{"text": "Customer Service -> Sales", "count": len(movers) - 2}], "what it is", team)
    need(team["sentence"] == "more than 2 a day", "why it waits", team)
    for letter, g in groups.items():
        some = plan_of(d, letter, code=2)["operations"]
        need(len(some) == g["count"] and {o["group"] for o in some} == {letter}, "a closer look", letter, some)

    gone = groups[by_what["disable"]]
    need(gone["summary"] == [{"text": "no longer a user: no rule gives a team", "count": len(leavers) - 1}], "one reason", gone)

    text = d.ctl("plan", code=2).out
    for operation in plan["operations"]:
        need(text.count(operation["person"]["dn"]) == 1, "no DN twice", operation["person"]["dn"], text)
    need(re.search(r"^ *%s +team +%d " % (by_what["team"], len(movers) - 2), text, re.M), "as text", text)
    short = plan["hash"][:8]
    need(re.search(r"^  rosterctl approve %s +all of it$" % short, text, re.M), "a short hash", text)

    need(d.ctl("approve", short[:7], by_what["team"], "--json", code=1).json["error"] == "stale-hash", "too short")
    need(d.ctl("approve", short, "z", "--json", code=1).json["error"] == "invalid-parameter", "no such letter")
    done = d.ctl("approve", short, by_what["team"], "--json").json
    need(done["approved"] == len(movers) - 2 and done["left"] == len(leavers) - 1 + len(seniors), "what is left", done)
    wait_for(lambda: sorted(l for l, u in tenant.users().items() if u["team"] == "Sales") == sorted(movers), 20,
             "they moved", tenant.users)
    settled(d)
    need(sum(u["disabled"] for u in tenant.users().values()) == 1, "no more leavers than the budget", tenant.users())
    need(not any("Supervisor" in u["roles"] for u in tenant.users().values()), "no supervisor", tenant.users())
    rows = d.audit(event="approve")
    need(len(rows) == len(movers) - 2 and all("%s (team)" % by_what["team"] in r["sentence"] for r in rows),
         "the audit says which", rows)
    need({r["plan"] for r in rows} == {plan["hash"]}, "and of which plan", rows)

    need(d.ctl("approve", short, "--json", code=1).json["error"] == "stale-hash", "another plan by now")
    left = plan_of(d, code=2)
    d.ctl("approve", left["hash"][:12])
    wait_for(lambda: sorted(l for l, u in tenant.users().items() if u["disabled"]) == sorted(leavers), 20,
             "all are disabled", tenant.users)
    wait_for(lambda: sorted(l for l, u in tenant.users().items() if "Supervisor" in u["roles"]) == sorted(seniors), 20,
             "and the others chiefs", tenant.users)


def test_people_on_demand(t):
    """--kind, --rule and --person show exactly those whom a filter in Python finds."""
    d, _, movers, leavers, seniors = grown(t, 12)
    whole = plan_of(d, code=2)["operations"]
    tries = [(("--kind", "disable"), lambda o: o["kind"] == "disable"),
             (("--kind", "team"), lambda o: what(o, "Supervisor") == "team"),
             (("--rule", "Chiefs"), lambda o: any(c["rule"] == "Chiefs" for c in o["changes"])),
             (("--person", whole[0]["person"]["login"].upper()), lambda o: o["person"] == whole[0]["person"]),
             (("--person", whole[-1]["person"]["dn"]), lambda o: o["person"] == whole[-1]["person"])]
    for arguments, wanted in tries:
        seen = plan_of(d, *arguments, code=2)["operations"]
        expected = [o["number"] for o in whole if wanted(o)]
        need(expected and [o["number"] for o in seen] == expected, "those and no others", arguments, seen)
    need(plan_of(d, "--person", "nobody", code=0)["operations"] == [], "nobody")
    need("no group 'z'" in d.ctl("plan", "z", code=1).err, "no such letter")


def test_a_part_leaves_the_adoption_open(t):
    """T20 T75: at first contact one group of two does not take over the users that wait; the follow-ups are shown."""
    ground, agents, tenant = crowd(t, ["ada", "bob"])
    chiefs = life.group(ground, "chiefs", ["bob"])
    tenant.seed({"loginId": "ada", "email": "ada@example.com", "team": "Sales"})
    d = life.daemon(t, ground, tenant, {"Chiefs": {"group": chiefs, "roles": "Supervisor"},
                                        "Agents": dict(AGENTS, group=agents)},
                    guard={"privileged_roles": "Supervisor", "max_privileged": "0"}).start()
    wait_for(lambda: len(life.operations(d, state=PARKED)) == 2 and life.is_settled(d), 20, "both wait",
             lambda: life.operations(d))
    wait_for(lambda: d.ctl("status", "--json", code=2).json["adoption"]["needed"], 20, "first contact is reported")
    plan = plan_of(d, code=2)
    by_what = {g["what"]: g for g in groups_of(plan).values()}
    need({"adopt", "privileged"} == set(by_what), "two groups", plan["groups"])
    need({"text": "team Sales -> Customer Service", "count": 1} in by_what["adopt"]["summary"], "what follows", by_what)
    d.ctl("approve", plan["hash"][:8], by_what["privileged"]["letter"])
    tenant.wait_user("bob", team="Customer Service")
    need(tenant.user("ada")["team"] == "Sales", "not taken over", tenant.user("ada"))
    status = d.ctl("status", "--json", code=2).json
    need(status["adoption"]["needed"], "and still to be approved", status["adoption"])
    d.ctl("approve", plan_of(d, code=2)["hash"])
    tenant.wait_user("ada", team="Customer Service")
