"""The work list before a wave: what the plan needs at the tenant and does not find there."""

from lib import life, need, wait_for
from lib.life import crowd, settled

RULES = {"skills": "English:80, Klingon:50", "roles": "Agent, Astronaut"}


def needs(d, verb):
    rows = d.ctl(verb, "--json", code=None).json["needs"]
    return {(r["kind"], r["name"]): (r["certain"], r["people"]) for r in rows}


def test_work_list(t):
    """Before a wave one list, in plan, holds and check: the team that is not there, and roles and skills that no user
    has; what comes to exist leaves it."""
    people = ["p%02d" % i for i in range(12)]
    ground, group, tenant = crowd(t, people, teams=["Customer Service"], roles=["Agent"], skills=["English"])
    tenant.seed({"loginId": "old", "team": "Customer Service", "roles": ["Agent"], "skills": {"English": 10}})
    d = life.daemon(t, ground, tenant, {"Moon": dict(RULES, group=group, team="Moon Base")},
                    sync={"mode": "observe"}).start()
    wait_for(lambda: len(life.operations(d, kind="create")) == 12, 20, "planned", lambda: life.operations(d))
    wait_for(lambda: ("team", "Moon Base") in needs(d, "plan"), 20, "the teams are known", lambda: needs(d, "plan"))
    wanted = {("team", "Moon Base"): (True, 12), ("role", "Astronaut"): (False, 12), ("skill", "Klingon"): (False, 12)}
    # A user whom nobody claims has the others, which is known once it was looked at.
    wait_for(lambda: needs(d, "plan") == wanted, 20, "the list of the plan", lambda: needs(d, "plan"))
    need(needs(d, "holds") == wanted, "and of holds", needs(d, "holds"))
    d.restart()
    wait_for(lambda: needs(d, "plan") == wanted, 20, "the same after a restart", lambda: needs(d, "plan"))
    for verb in ("plan", "holds"):
        text = d.ctl(verb, code=None).out
        for word in ("team Moon Base", "role Astronaut", "skill Klingon", "12 people"):
            need(word in text, "%s says %s" % (verb, word), text)
    items = {i["subject"]: i for i in d.ctl("--config", d.config_file, "check", "--json", code=None).json["items"]}
    need("work list" in items, "in check", items)
    for word in ("team 'Moon Base'", "role 'Astronaut'", "skill 'Klingon'"):
        need(word in items["work list"]["sentence"], "check says " + word, items["work list"])
    need("role 'Agent'" not in items["work list"]["sentence"], "a user has that", items["work list"])
    tenant.add("teams", "Moon Base")
    tenant.add("roles", "Astronaut")
    d.ctl("start")
    wait_for(lambda: ("team", "Moon Base") not in needs(d, "holds"), 40, "the team is there now", lambda: needs(d, "holds"))
    need(("skill", "Klingon") in needs(d, "holds"), "the skill is not", needs(d, "holds"))
    tenant.add("skills", "Klingon")
    d.ctl("retry", "--all")
    tenant.wait_users(["old"] + people)
    settled(d)
    need(needs(d, "plan") == {} and needs(d, "holds") == {}, "nothing is left", needs(d, "plan"))


def test_long_work_list(t):
    """1,500 roles that none of 1,000 users has, whom nobody claims: all of them are listed, and none that they have, in whatever case."""
    ground, group, tenant = crowd(t, ["p0", "p1"], teams=["Sales"], roles=["Old%d" % i for i in range(20)] + ["old role"])
    tenant.seed(*({"loginId": "u%04d" % i, "team": "Sales", "roles": ["Old%d" % k for k in range(20)] + ["old role"]} for i in range(1000)))
    d = life.daemon(t, ground, tenant, {"Moon": {"group": group, "team": "Sales", "roles": "OLD ROLE, " + ", ".join(
        "Astronaut%d" % i for i in range(1500))}}, sync={"mode": "observe"}, tenant_keys={"max_rate": 0}).start()
    wait_for(lambda: ("role", "Astronaut7") in needs(d, "holds") and ("role", "OLD ROLE") not in needs(d, "holds"), 40, "the users are known",
             lambda: len(needs(d, "holds")))
    need(len(needs(d, "holds")) == 1500, "all of them", len(needs(d, "holds")))


def test_known_by_our_own(t):
    """What users have who were made here is not asked for: roles in whatever case, and skills; a role that nobody has is."""
    ground, group, tenant = crowd(t, ["ada"], teams=["Sales"], roles=["Agent"], skills=["English"])
    rules = {"Agents": {"when": "(uid=*)", "group": group, "team": "Sales", "roles": "Agent", "skills": "English:80"}}
    d = life.daemon(t, ground, tenant, rules).start()
    tenant.wait_user("ada")
    settled(d)
    d.ctl("pause")
    rules["Ghosts"] = {"when": "(uid=e*)", "roles": "AGENT, Ghost"}
    d.configure(rules=rules)
    d.reload()
    ground.person("eve")
    ground.join(group, "eve")
    wait_for(lambda: life.operations(d, login="eve"), 20, "eve waits", lambda: life.operations(d))
    for verb in ("plan", "holds"):
        need(needs(d, verb) == {("role", "Ghost"): (False, 1)}, "the list of " + verb, needs(d, verb))

