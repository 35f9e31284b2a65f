"""Holds: one cause and many people, no call again and again, released when the thing is there."""

from lib import life, need, wait_for
from lib.life import AGENTS, crowd, settled, wait_held, wait_outcome

SLOW = {"min": "100ms", "max": "1s", "hold": "300s"}


def test_team_missing(t):
    """T44: a missing team: one cause for many, the others go on, no create is tried again; released when it is there."""
    logins = ["p%02d" % i for i in range(30)]
    ground, group, tenant = crowd(t, logins, teams=["Sales"])
    sales = life.group(ground, "sales", ["ada"])
    ground.person("ada")
    d = life.daemon(t, ground, tenant, {"Sales": {"group": sales, "team": "Sales"},
                                        "Night": {"group": group, "team": "Night Shift", "roles": "Agent"}}).start()
    tenant.wait_users(["ada"])
    held = wait_held(d, "team-missing", 30)
    settled(d)
    need({o["cause"] for o in held} == {"team:Night Shift"}, "one cause", held[0])
    need(life.check_ledger(d)["held"] == {"team-missing": 30}, "ledger", life.check_ledger(d))
    posts = [r for r in tenant.requests(method="POST", path="/configapi/v2/user") if r["login"] != "ada"]
    need(len(posts) <= 1, "the list of teams is asked, not thirty creates", len(posts))
    rows = d.ctl("holds", "--json", code=None).json
    text = d.ctl("holds", code=None).out
    need("Night Shift" in text and "30" in text, "rosterctl holds: one line", text, rows)
    # It looks again every second (retry hold), by the list of teams alone.
    tenant.forget_requests()
    wait_for(lambda: len(tenant.requests(method="GET", path="/team")) >= 2, 20, "it asks for the teams",
             lambda: tenant.requests())
    posts = tenant.requests(method="POST", path="/configapi/v2/user")
    need(posts == [], "and creates nobody in vain", posts[:3])
    tenant.add("teams", "Night Shift")
    tenant.wait_users(logins + ["ada"])
    settled(d)
    need(life.operations(d) == [], "nobody waits", life.operations(d))


def test_team_missing_is_slow(t):
    """T44: with the usual long interval nothing at all is asked; rosterctl retry looks at once."""
    ground, group, tenant = crowd(t, ["ada", "bob"], teams=["Sales"])
    d = life.daemon(t, ground, tenant, {"Night": {"group": group, "team": "Night"}}, retry=SLOW).start()
    wait_held(d, "team-missing", 2)
    settled(d)
    tenant.forget_requests()
    ground.person("zoe")  # proof that time passes: she is looked at
    wait_for(lambda: d.state_query("SELECT count(*) FROM people WHERE dn LIKE 'uid=zoe%'")[0][0], 10, "zoe is seen")
    settled(d)
    need(tenant.requests() == [], "no call", tenant.requests())
    tenant.add("teams", "Night")
    d.ctl("retry", "--cause", "team:Night")
    tenant.wait_users(["ada", "bob"])
    settled(d)


def test_role_and_skill_missing(t):
    """A missing role or skill: one cause each, others go on, retry forces, and a rule's change releases."""
    ground, group, tenant = crowd(t, ["a1", "a2", "a3", "b1", "b2", "c1"], roles=["Agent"], skills=["English"])
    roles = life.group(ground, "roles", ["a1", "a2", "a3"])
    skills = life.group(ground, "skills", ["b1", "b2"])
    rules = {"Agents": dict(AGENTS, group=group), "Roles": {"group": roles, "roles": "Coach"},
             "Skills": {"group": skills, "skills": "French:50"}}
    d = life.daemon(t, ground, tenant, rules, retry=SLOW).start()
    tenant.wait_users(["c1"])
    wait_for(lambda: len([o for o in life.operations(d) if o["state"] == life.HELD]) == 5, 20, "five are held",
             lambda: life.operations(d))
    settled(d)
    held = life.check_ledger(d)["held"]
    need(sum(held.values()) == 5 and set(held) <= {"role-missing", "skill-missing", "reference-missing"}, "ledger", held)
    text = d.ctl("holds", code=None).out
    need("Coach" in text and "French" in text, "rosterctl holds names them", text)
    tenant.forget_requests()
    tenant.add("skills", "French")
    d.ctl("retry", "--all")
    tenant.wait_user("b1", skills={"English": 80, "French": 50})
    tenant.wait_user("b2")
    wait_for(lambda: len([o for o in life.operations(d) if o["state"] == life.HELD]) == 3, 20, "three are held",
             lambda: life.operations(d))
    settled(d)
    # An update that needs a missing role waits likewise, and the one person's retry is hers alone.
    ground.join(roles, "c1")
    wait_held(d, "role-missing", 4)
    settled(d)
    tenant.add("roles", "Coach")
    d.ctl("retry", "a1")
    tenant.wait_user("a1")
    rules["Roles"]["roles"] = "Agent"
    d.configure(rules=rules)
    d.reload()
    tenant.wait_users(["a1", "a2", "a3", "b1", "b2", "c1"])
    wait_for(lambda: not life.operations(d), 20, "nobody waits", lambda: life.operations(d))
    settled(d)


def test_refused_data(t):
    """T73: a user whom the tenant refuses is held until the slow timer or until the entry changes; the others go on."""
    ground, group, tenant = crowd(t, {"ada": {"mail": None}, "bob": {}}, require_email=True)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, retry=SLOW).start()
    tenant.wait_users(["bob"])
    wait_held(d, "tenant-refused-data")
    settled(d)
    tenant.forget_requests()
    ground.person("eve")
    ground.join(group, "eve")
    tenant.wait_user("eve")
    need({w["login"] for w in tenant.writes()} == {"eve"}, "not tried again", tenant.writes())
    ground.replace("ada", mail="ada@example.com")
    tenant.wait_user("ada")
    settled(d)
    wait_outcome(d, "create", "ada")


def test_user_deleted_at_tenant(t):
    """A user whom somebody deleted at the tenant: the change is held as user-gone, nobody is made anew unasked."""
    ground, group, tenant = crowd(t, ["ada", "bob"])
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, retry=SLOW).start()
    tenant.wait_users(["ada", "bob"])
    settled(d)
    tenant.delete_user("ada")
    d.configure(rules={"Agents": dict(AGENTS, group=group, skills="English:90")})
    d.reload()
    wait_held(d, "user-gone")
    tenant.wait_user("bob", skills={"English": 90})
    settled(d)
    need(sorted(tenant.users()) == ["bob"], "nobody is made anew", tenant.users())
