"""A request is its operation: nothing is sent that it does not say, and what was sent is what its outcome records."""

import random

from lib import deadline, life, need, wait_for
from lib.life import AGENTS, crowd, outcomes, settled, wait_held, wait_outcome

PHONES = {"work_phone": "${telephoneNumber}", "mobile_phone": "${mobile}"}
SCIM = "/configapi/v2/scim/users"


def bodies(tenant, method):
    return [row["body"] for row in tenant.requests(method=method) if "oauth" not in row["path"]]


def began(t, people, rules=None, sections=None, **settings):
    ground, group, tenant = crowd(t, people, **settings)
    d = life.daemon(t, ground, tenant, dict({"Agents": dict(AGENTS, group=group)}, **(rules(ground) if rules else {})),
                    user=PHONES, **(sections or {})).start()
    tenant.wait_users(list(people))
    settled(d)
    return ground, group, tenant, d


def test_taken_by_hand(t):
    """T76: a role, a skill, a team and a name changed by hand at the tenant do not come back with another change."""
    ground, group, tenant, d = began(t, {"ada": {"telephoneNumber": "+44 1"}},
                                     lambda g: {"Sellers": {"when": "(description=seller)", "skills": "Billing:5",
                                                            "roles": "Supervisor"}})
    tenant.edit("ada", roles=[], skills={"Spanish": 7}, team="Sales", lastName="Byhand")
    tenant.forget_requests()
    ground.replace("ada", telephoneNumber="+44 2")
    tenant.wait_user("ada", workPhone="+44 2")
    settled(d)
    need(tenant.writes()[0]["path"].startswith(SCIM) and len(tenant.writes()) == 1, "one PATCH", tenant.writes())
    need(tenant.user("ada")["roles"] == [] and tenant.user("ada")["lastName"] == "Byhand", "as by hand",
         tenant.user("ada"))
    # Sets that are written whole carry what was just read plus the change.
    ground.replace("ada", description="seller")
    tenant.wait_user("ada", roles=["Supervisor"], skills={"Spanish": 7, "Billing": 5})
    settled(d)
    need(tenant.user("ada")["team"] == "Sales" and tenant.user("ada")["lastName"] == "Byhand", "as by hand",
         tenant.user("ada"))
    need(bodies(tenant, "PUT") == [{"skills": {"Spanish": 7, "Billing": 5}}], "no team", bodies(tenant, "PUT"))
    row = wait_outcome(d, "update", "ada")
    need(life.changes_of(row) == {"skill:Billing": (None, "5")}, "the change", row)
    need(row["details"]["sent"] == {"skills": {"Spanish": 7, "Billing": 5}}, "and what was sent with it", row)
    row = [r for r in outcomes(d, "profile", "ada") if "details" in r][-1]
    need(row["details"]["sent"] == {"roles": ["Supervisor"]}, "roles are told likewise", row)
    ground.replace("ada", description=None)
    tenant.wait_user("ada", roles=[], skills={"Spanish": 7})
    settled(d)


@deadline(120)
def test_nothing_else_is_sent(t):
    """T76: over random changes in the directory and by hand, each write is explained by the intent before it."""
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    people = ["p%02d" % i for i in range(12)]
    ground, group, tenant, d = began(
        t, {uid: {"telephoneNumber": "+44 1", "description": "x"} for uid in people},
        lambda g: {"S%d" % i: {"when": "(description=*%d*)" % i, **keys} for i, keys in
                   enumerate([{"skills": "Spanish:20"}, {"skills": "Billing:30"}, {"roles": "Supervisor"},
                              {"roles": "Administrator"}])})
    tenant.forget_requests()
    for _ in range(6):
        for uid in chance.sample(people, 5):
            tenant.edit(uid, **chance.choice([
                {"roles": chance.sample(["Agent", "Supervisor", "Administrator"], 2)},
                {"skills": {"English": 80, "Billing": chance.randrange(100)}}, {"skills": {}}, {"team": "Sales"},
                {"firstName": "Byhand"}, {"workPhone": "+44 9"}]))
        for uid in chance.sample(people, 5):
            ground.replace(uid, **chance.choice([
                {"description": "x" + "".join(chance.sample("0123", chance.randrange(4)))},
                {"telephoneNumber": "+44 %d" % chance.randrange(1000)}, {"givenName": "G%d" % chance.randrange(1000)}]))
        d.ctl("sync")
        settled(d)
    # A second implementation: what a PUT or PATCH names must be in the changes of an operation of that person.
    said = {}
    for row in d.audit(event="intent"):
        if row["operation"] in ("update", "profile"):
            said.setdefault((row["person"]["login"], row["operation"]), []).append(
                {c["field"] for c in row["changes"]})
    names = {"name.givenName": "first_name", "name.familyName": "last_name", "emails": "email"}
    ids = {user["id"]: login for login, user in tenant.users().items()}
    for row in tenant.writes():
        body, path = row["body"], row["path"]
        login = row.get("login") or ids[path.rsplit("/", 1)[1]]
        if row["method"] == "PUT":
            sent, kind = set(), "update"
            sent |= {"team"} if "team" in body else set()
            whole = "skill:" if "skills" in body else None
        else:
            kind, whole, sent = "profile", None, set()
            for op in body["Operations"]:
                if op["path"].startswith("roles"):
                    whole = "role:"
                else:
                    sent.add("work_phone" if op["path"].startswith("phoneNumbers") else names[op["path"]])
        fits = [fields for fields in said.get((login, kind), ())
                if sent <= fields and (whole is None or any(f.startswith(whole) for f in fields))]
        need(fits, "seed %d: sent, and no operation says so" % seed, row, said.get((login, kind)))
    need(len(tenant.writes()) > 10, "something was written", tenant.writes())


def test_leaver_returns_without_old_roles(t):
    """T76: whoever returns loses the roles that are no longer theirs before the account is enabled."""
    ground, group, tenant = crowd(t, ["ada", "bob"])
    chiefs = life.group(ground, "chiefs", ["ada"])
    rules = {"Agents": dict(AGENTS, group=group), "Chiefs": {"group": chiefs, "roles": "Supervisor"}}
    d = life.daemon(t, ground, tenant, rules).start()
    tenant.wait_user("ada", roles=["Agent", "Supervisor"])
    settled(d)
    ground.leave(group, "ada")
    tenant.wait_user("ada", disabled=True)
    settled(d)
    ground.leave(chiefs, "ada")
    settled(d)
    tenant.settings(scim=403)
    tenant.forget_requests()
    ground.join(group, "ada")
    wait_held(d, "no-scim")
    wait_held(d, "roles-first")
    settled(d)
    need(tenant.user("ada")["disabled"], "not enabled with the old role", tenant.user("ada"))
    need("roles" in d.ctl("holds", code=None).out, "and it is said", d.ctl("holds", code=None).out)
    tenant.settings(scim=0)
    d.ctl("retry", "ada")
    tenant.wait_user("ada", disabled=False, roles=["Agent"])
    settled(d)
    order = [(w["method"]) for w in tenant.writes() if w["status"] < 300]
    need(order == ["PATCH", "PUT"], "first the roles, then the account", tenant.writes())


def test_level_zero_removes(t):
    """The tenant merges the skills of a PUT: level 0 is sent once after a read that shows the old skill."""
    ground, group, tenant, d = began(t, {"ada": {"title": "es"}, "bob": {}},
                                     lambda g: {"es": {"when": "(title=es)", "skills": "Spanish:70"}},
                                     merge_skills=True, zero_removes=True)
    tenant.wait_user("ada", skills={"English": 80, "Spanish": 70})
    tenant.forget_requests()
    ground.replace("ada", title="de")
    tenant.wait_user("ada", skills={"English": 80})
    settled(d)
    need(bodies(tenant, "PUT") == [{"skills": {"English": 80}}, {"skills": {"English": 80, "Spanish": 0}}],
         "level 0, once", bodies(tenant, "PUT"))
    need(not life.operations(d), "nobody is asked", life.operations(d))
    wait_for(lambda: outcomes(d, "update", "ada"), 10, "on record")


def test_strict_scim(t):
    """A strict SCIM server: phones that are not there yet, that are, and that go; roles in the form that it shows."""
    for objects in (False, True):
        ground, group, tenant = crowd(t, {"ada": {}, "bob": {"telephoneNumber": "+44 1", "mobile": "+44 2"}})
        tenant.settings(strict_scim=True, roles_as_values=objects)
        d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group),
                                            "Chiefs": {"when": "(description=chief)", "roles": "Supervisor"}},
                        user=dict(PHONES, empty_values="clear")).start()
        tenant.wait_users(["ada", "bob"])
        settled(d)
        tenant.forget_requests()
        ground.replace("ada", telephoneNumber="+34 600 000 001", givenName="Anna", description="chief")
        tenant.wait_user("ada", workPhone="+34 600 000 001", firstName="Anna", roles=["Agent", "Supervisor"])
        ground.replace("bob", telephoneNumber="+44 3", mobile=None)
        tenant.wait_user("bob", workPhone="+44 3")
        wait_for(lambda: not tenant.user("bob").get("mobilePhone"), 10, "cleared", lambda: tenant.user("bob"))
        ground.replace("ada", mobile="+34 7", description=None)
        tenant.wait_user("ada", mobilePhone="+34 7", workPhone="+34 600 000 001", roles=["Agent"])
        settled(d)
        need(all(w["status"] < 300 for w in tenant.writes()), "none is refused", tenant.writes())
        need({"op": "add", "path": "phoneNumbers", "value": [{"type": "work", "value": "+34 600 000 001"}]} in
             bodies(tenant, "PATCH")[0]["Operations"], "a form that both kinds take", bodies(tenant, "PATCH"))
        d.stop()
