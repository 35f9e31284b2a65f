"""The main job, from end to end: a directory's people become contact-center users."""

from lib import Slapd, deadline, need, wait_for

FAST = {"leave_grace": "0"}


def logins(first, last):
    return ["u%04d" % i for i in range(first, last)]


def mixed_rules(support, sales, night):
    return {
        "Support agents": {"group": support, "team": "Customer Service", "roles": "Agent", "skills": "English:80"},
        "Sales people": {"group": sales, "team": "Sales", "roles": ["Agent", "Supervisor"]},
        "Night shift": {"group": night, "skills": "English:100, Spanish:50"},
    }


@deadline(120)
def test_thousand_people_once_each(t):
    """1,000 people of mixed groups arrive once each, right; a second run makes no call at all; T17 T42."""
    ground = t.shared(Slapd).fresh()
    people = logins(0, 1000)
    ground.persons({uid: {} for uid in people})
    support = ground.group("support", people[:600])
    sales = ground.group("sales", people[500:950])  # 100 are in both: the first rule gives the team
    night = ground.group("night", people[::2])
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground, tenant_keys={"max_rate": "0"}, lifecycle=FAST,
                       rules=mixed_rules(support, sales, night))
    daemon.once(seconds=90)
    users = tenant.users()
    need(sorted(users) == people[:950], "everybody whom a rule gives a team, once", len(users))
    need(tenant.counters()["creates"] == 950, "one create each", tenant.counters())
    for i, uid in enumerate(people[:950]):
        user = users[uid]
        need(user["team"] == ("Customer Service" if i < 600 else "Sales"), "team", uid, user)
        roles = (["Agent"] if i < 500 else ["Agent", "Supervisor"])
        need(sorted(user["roles"]) == roles, "roles", uid, user)
        skills = {}
        if i < 600:
            skills["English"] = 80
        if i % 2 == 0:
            skills.update(English=100, Spanish=50)
        need(user.get("skills", {}) == skills, "skills", uid, user)
    tenant.forget_requests()
    daemon.once(seconds=60)
    calls = [r for r in tenant.requests() if r["path"].startswith("/configapi/v2/user")
             or r["path"].startswith("/configapi/v2/scim")]
    need(calls == [], "the second run makes no call about a user", calls[:5])
    totals = daemon.state_query("SELECT totals FROM run ORDER BY number DESC LIMIT 1")
    need(totals, "a run is on record")


def test_hire_while_subscribed(t):
    """A person added while the daemon subscribes arrives within a second; T16."""
    ground = t.shared(Slapd).fresh()
    ground.person("first")
    crowd = ground.group("crowd", ["first"])
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground, directory_keys={"feed": "syncrepl"},
                       rules={"Agents": {"group": crowd, "team": "Sales"}})
    daemon.start()
    tenant.wait_user("first")
    daemon.wait_status("following")
    ground.person("ada")
    ground.join(crowd, "ada")
    tenant.wait_user("ada", seconds=1, team="Sales")
    # The same for a person whose group had named her before she was there.
    ground.join(crowd, "grace")
    ground.person("grace")
    tenant.wait_user("grace", seconds=1, team="Sales")


def test_added_while_down(t):
    """A person added while the daemon was down arrives at start through the stored cookie; T21 T22."""
    ground = t.server(Slapd, sesslog=1000).fresh()
    ground.persons({uid: {} for uid in logins(0, 50)})
    crowd = ground.group("crowd", logins(0, 50))
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground, directory_keys={"feed": "syncrepl"},
                       lifecycle=FAST, rules={"Agents": {"group": crowd, "team": "Sales"}})
    daemon.start()
    tenant.wait_users(logins(0, 50))
    daemon.stop()
    ground.person("ada")
    ground.join(crowd, "ada")
    ground.remove("u0003")
    tenant.forget_requests()
    daemon.start()
    tenant.wait_user("ada", team="Sales")
    tenant.wait_user("u0003", disabled=True)
    need(len(tenant.requests(method="POST", path="/configapi/v2/user")) == 1, "one create", tenant.writes())
    entries = daemon.log().split("--- start")[-1]
    need("full read" not in entries, "no full read", entries)


def test_nested_and_cyclic_groups(t):
    """T13 T14: A in B in C in A, a group in itself, members that are nowhere: each once, and it ends."""
    ground = t.shared(Slapd).fresh()
    ground.persons({uid: {} for uid in ("ada", "bob", "cem", "eve")})
    inner = ground.group("inner", ["ada"])
    middle = ground.group("middle", ["bob", inner])
    outer = ground.group("outer", ["cem", middle, "nobody-of-that-name"])
    ground.join(inner, outer)
    ground.join(inner, inner)
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground, rules={"All": {"group": outer, "team": "Sales"},
                                                              "Inner": {"group": inner, "roles": "Agent"}})
    daemon.start()
    tenant.wait_users(["ada", "bob", "cem"])
    need("eve" not in tenant.users(), "only members")
    ground.join(middle, "eve")
    tenant.wait_user("eve", team="Sales")
    need(tenant.counters()["creates"] == 4, "each once", tenant.counters())


def test_names_and_escapes(t):
    """T38 T39 T40: non-ASCII names, DNs with commas and escapes, options, values in changing order."""
    ground = t.shared(Slapd).fresh()
    names = {"yuki": ("雪", "山田"), "omar": ("عمر", "الخطيب"), "lukasz": ("Łukasz", "Wójcik"),
             "smile": ("😀", "Emoji")}
    for uid, (first, last) in names.items():
        ground.person(uid, givenName=first, sn=last)
    server = ground.server
    dn = "cn=Smith\\, John \\+ \\\"Jr\\\" #1,%s" % ground.people
    server.add("dn: %s\nobjectClass: inetOrgPerson\ncn: Smith, John + \"Jr\" #1\nsn: Smith\ngivenName: John\n"
               "uid: jsmith\nmail: b@x.example\nmail: a@x.example\ngivenName;lang-de: Johann\n" % dn)
    crowd = ground.group("with (stars) * and \\5c", [*names, dn])
    tenant = t.simulator()
    daemon = t.rosterd(server, tenant, ground, user={"email": "${mail}"},
                       rules={"All": {"group": crowd, "team": "Sales"}})
    daemon.start()
    tenant.wait_users([*names, "jsmith"])
    users = tenant.users()
    for uid, (first, last) in names.items():
        need((users[uid]["firstName"], users[uid]["lastName"]) == (first, last), uid, users[uid])
    need(users["jsmith"]["firstName"] == "John", "without the option", users["jsmith"])
    need(users["jsmith"]["email"] == "a@x.example", "a stable choice", users["jsmith"])


def test_ou_renamed(t):
    """T31: an OU renamed with everybody in it makes no operation."""
    ground = t.server(Slapd).fresh()
    server = ground.server
    server.add("dn: ou=old,%s\nobjectClass: organizationalUnit\nou: old\n" % ground.people)
    for i in range(30):
        server.add("dn: uid=m%d,ou=old,%s\nobjectClass: inetOrgPerson\nuid: m%d\ncn: M %d\nsn: M\ngivenName: M\n"
                   % (i, ground.people, i, i))
    crowd = ground.group("crowd", ["uid=m%d,ou=old,%s" % (i, ground.people) for i in range(30)])
    tenant = t.simulator()
    daemon = t.rosterd(server, tenant, ground, directory_keys={"feed": "syncrepl"}, lifecycle=FAST,
                       rules={"All": {"group": crowd, "team": "Sales"}})
    daemon.start()
    tenant.wait_users(["m%d" % i for i in range(30)])
    tenant.forget_requests()
    server.rename("ou=old,%s" % ground.people, "ou=new")
    wait_for(lambda: daemon.state_query("SELECT count(*) FROM entries WHERE dn LIKE 'uid=m%,ou=new,%'")[0][0] == 30,
             10, "the mirror follows the rename")
    # Proof that it goes on, and that the group is still understood: a new member under the new name.
    server.add("dn: uid=late,ou=new,%s\nobjectClass: inetOrgPerson\nuid: late\ncn: L\nsn: L\ngivenName: L\n"
               % ground.people)
    ground.join(crowd, "uid=late,ou=new,%s" % ground.people)
    tenant.wait_user("late")
    need(len(tenant.writes()) == 1, "nothing but the newcomer", tenant.writes())
    daemon.restart()
    daemon.wait_status("following")
    need(len(tenant.writes()) == 1, "nor after a restart", tenant.writes())


@deadline(180)
def test_killed_in_first_load(t):
    """T22 T48: kill -9 in the middle of a first load of 2,000 loses and doubles nobody."""
    ground = t.shared(Slapd).fresh()
    people = logins(0, 2000)
    ground.persons({uid: {} for uid in people})
    tenant = t.simulator()
    daemon = t.rosterd(ground.server, tenant, ground, tenant_keys={"max_rate": "0"})
    for mark in (300, 800, 1300):
        daemon.start()
        wait_for(lambda: len(tenant.users()) >= mark, 60, "%d users" % mark)
        daemon.kill()
    daemon.start()
    wait_for(lambda: len(tenant.users()) >= 2000, 90, "everybody", lambda: len(tenant.users()))
    wait_for(lambda: daemon.state_query("SELECT count(*) FROM operation")[0][0] == 0, 30, "nothing left to do")
    daemon.stop()
    need(sorted(tenant.users()) == people, "nobody lost")
    made = [r for r in tenant.requests(method="POST", path="/configapi/v2/user") if r["status"] == 200]
    need(len(made) == 2000, "nobody doubled", len(made))
    links = daemon.state_query("SELECT count(*) FROM link WHERE status = LINK_ACTIVE")[0][0]
    need(links == 2000, "everybody is linked", links)


def test_superior_class(t):
    """A filter on a superior class finds who has a subclass, though slapd returns only the class that was written."""
    ground = t.shared(Slapd).fresh()
    server = ground.server
    server.add("dn: uid=solo,%s\nobjectClass: inetOrgPerson\nuid: solo\ncn: S\nsn: S\ngivenName: S\n" % ground.people)
    need("objectClass: person" not in str(server.read("uid=solo," + ground.people, "objectClass")), "as slapd is")
    tenant = t.simulator()
    daemon = t.rosterd(server, tenant, ground, rules={"All": {"when": "(objectClass=person)", "team": "Sales"}})
    daemon.once()
    need(sorted(tenant.users()) == ["solo"], "she is a person", tenant.users())
