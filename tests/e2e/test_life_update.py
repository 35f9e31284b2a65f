"""What changes about a person arrives at the tenant by the call that can carry it, and only
what the mapping manages is written."""

from lib import life, need, wait_for
from lib.life import AGENTS, crowd, outcomes, settled, wait_held, wait_outcome

PHONES = {"work_phone": "${telephoneNumber}", "mobile_phone": "${mobile}", "extension": "${employeeNumber}"}


def test_team_skills_disabled_by_put(t):
    """Team, skills and disabled go by PUT, each once, with the rule in the audit; no SCIM call."""
    ground, group, tenant = crowd(t, ["ada", "bob"])
    sales = life.group(ground, "sales")
    spanish = life.group(ground, "spanish")
    d = life.daemon(t, ground, tenant, {
        "Sales": {"group": sales, "team": "Sales"}, "Agents": dict(AGENTS, group=group),
        "Spanish": {"group": spanish, "skills": "Spanish:60, English:90"}},
        user={"disabled_when": "(employeeType=Terminated)"}).start()
    tenant.wait_users(["ada", "bob"])
    settled(d)
    tenant.forget_requests()
    ground.join(sales, "ada")
    tenant.wait_user("ada", team="Sales")
    ground.join(spanish, "ada")
    tenant.wait_user("ada", skills={"English": 90, "Spanish": 60})
    ground.leave(spanish, "ada")
    tenant.wait_user("ada", skills={"English": 80})
    settled(d)
    puts = tenant.requests(method="PUT")
    need([p["login"] for p in puts] == ["ada"] * 3, "three changes, three PUTs", tenant.writes())
    need(not tenant.requests(path="/scim/"), "PUT needs no SCIM", tenant.requests(path="/scim/"))
    lines = [life.changes_of(r) for r in outcomes(d, "update", "ada")]
    need(lines == [{"team": ("Customer Service", "Sales")},
                   {"skill:English": ("80", "90"), "skill:Spanish": (None, "60")},
                   {"skill:English": ("90", "80"), "skill:Spanish": ("60", None)}], "audit", lines)
    need(outcomes(d, "update", "ada")[0]["changes"][0]["rule"] == "Sales", "the rule that gave it")
    ground.replace("bob", employeeType="Terminated")
    tenant.wait_user("bob", disabled=True)
    settled(d)
    need(wait_outcome(d, "disable", "bob")["status"] == 200, "audit of the disable")
    ground.replace("bob", employeeType=None)
    tenant.wait_user("bob", disabled=False)
    settled(d)
    need(wait_outcome(d, "enable", "bob")["status"] == 200, "audit of the enable")
    need(life.ledger_sum(d, "created") == 2, "two were created, whatever followed")


def test_profile_by_scim(t):
    """Names, mail, phones, extension and roles go by PATCH; the id is looked up once."""
    ground, group, tenant = crowd(t, {"ada": {"telephoneNumber": "+44 1", "mobile": "+44 2",
                                             "employeeNumber": "1001"}, "bob": {}})
    chiefs = life.group(ground, "chiefs")
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group),
                                        "Chiefs": {"group": chiefs, "roles": "Supervisor"}}, user=PHONES).start()
    tenant.wait_user("ada", workPhone="+44 1", mobilePhone="+44 2", extension="1001")
    settled(d)
    tenant.forget_requests()
    ground.replace("ada", givenName="Augusta", sn="King", mail="king@example.com")
    tenant.wait_user("ada", firstName="Augusta", lastName="King", email="king@example.com")
    ground.replace("ada", telephoneNumber="+44 3", mobile="+44 4", employeeNumber="1002")
    tenant.wait_user("ada", workPhone="+44 3", mobilePhone="+44 4", extension="1002")
    ground.join(chiefs, "ada")
    wait_for(lambda: sorted(tenant.user("ada")["roles"]) == ["Agent", "Supervisor"], 20, "the role comes")
    ground.leave(chiefs, "ada")
    tenant.wait_user("ada", roles=["Agent"])
    settled(d)
    look_ups = tenant.requests(method="GET", path=r"/scim/users\?filter")
    need(len(look_ups) == 1, "the id is looked up once", [r["path"] for r in look_ups])
    need({w["method"] for w in tenant.writes()} == {"PATCH"}, "nothing but PATCH", tenant.writes())
    wait_outcome(d, "profile", "ada")
    wait_for(lambda: len(outcomes(d, "profile", "ada")) >= 4, 5, "four audit lines")
    need(life.changes_of(outcomes(d, "profile", "ada")[0]) ==
         {"first_name": ("Ada", "Augusta"), "last_name": ("Tester", "King"),
          "email": ("ada@example.com", "king@example.com")}, "field by field",
         outcomes(d, "profile", "ada")[0])
    need(tenant.user("ada")["team"] == "Customer Service", "the team is as it was")
    d.restart()
    ground.replace("ada", givenName="Ada")
    tenant.wait_user("ada", firstName="Ada")
    look_ups = tenant.requests(method="GET", path=r"/scim/users\?filter")
    need(len(look_ups) == 1, "and remembered across a restart", [r["path"] for r in look_ups])


def test_tenant_without_scim(t):
    """A tenant that answers 403 or 404 at SCIM: those changes wait under one cause, the rest goes on."""
    for status in (403, 404):
        ground, group, tenant = crowd(t, ["ada", "bob", "cem"], scim=status)
        d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
        tenant.wait_users(["ada", "bob", "cem"])
        settled(d)
        ground.replace("ada", givenName="Augusta")
        ground.replace("bob", sn="Builder")
        held = wait_held(d, "no-scim", 2)
        need({o["cause"] for o in held} == {"scim"}, "one cause", held)
        ground.person("eve")
        ground.join(group, "eve")
        tenant.wait_user("eve", team="Customer Service")
        ground.leave(group, "cem")
        tenant.wait_user("cem", disabled=True)
        d.configure(rules={"Agents": dict(AGENTS, group=group, skills="English:95")})
        d.reload()
        for login in ("ada", "bob", "eve"):
            tenant.wait_user(login, skills={"English": 95})
        need(tenant.user("ada")["firstName"] == "Ada", "not changed", tenant.user("ada"))
        settled(d)
        wait_outcome(d, "profile", "ada", code="no-scim")
        need(not tenant.requests(method="PATCH"), "no PATCH without an id")
        tenant.settings(scim=0)
        tenant.wait_user("ada", firstName="Augusta")
        tenant.wait_user("bob", lastName="Builder")
        settled(d)
        d.stop()


def test_a_supervisors_own_stays(t):
    """A skill and a role that no rule names stay when others come and go."""
    ground, group, tenant = crowd(t, ["ada"])
    spanish = life.group(ground, "spanish")
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group),
                                        "Spanish": {"group": spanish, "skills": "Spanish:50",
                                                    "roles": "Supervisor"}}).start()
    tenant.wait_user("ada")
    settled(d)
    tenant.edit("ada", skills={"English": 80, "Billing": 33}, roles=["Agent", "Administrator"], workPhone="9")
    ground.join(spanish, "ada")
    tenant.wait_user("ada", skills={"English": 80, "Billing": 33, "Spanish": 50})
    wait_for(lambda: set(tenant.user("ada")["roles"]) == {"Agent", "Administrator", "Supervisor"}, 20,
             "the role is added to the supervisor's", lambda: tenant.user("ada"))
    ground.leave(spanish, "ada")
    tenant.wait_user("ada", skills={"English": 80, "Billing": 33})
    wait_for(lambda: set(tenant.user("ada")["roles"]) == {"Agent", "Administrator"}, 20,
             "only ours is taken back", lambda: tenant.user("ada"))
    settled(d)
    need(tenant.user("ada")["workPhone"] == "9", "an unmanaged field stays", tenant.user("ada"))


def test_merging_tenant_is_found_out(t):
    """A tenant that merges skills and shows the old one also after level 0 was sent: held as change-not-applied."""
    ground, group, tenant = crowd(t, ["ada", "bob"], merge_skills=True)
    spanish = life.group(ground, "spanish", ["ada"])
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group),
                                        "Spanish": {"group": spanish, "skills": "Spanish:50"}},
                    retry={"hold": "3s"}).start()
    tenant.wait_user("ada", skills={"English": 80, "Spanish": 50})
    settled(d)
    tenant.forget_requests()
    ground.leave(spanish, "ada")
    held = wait_held(d, "change-not-applied")
    settled(d)
    need("by hand" in held[0]["sentence"], "says what to do", held)
    need([r["body"] for r in tenant.requests(method="PUT")] ==
         [{"skills": {"English": 80}}, {"skills": {"English": 80, "Spanish": 0}}],
         "asked, then once more with level 0, not again and again", tenant.writes())
    need(life.check_ledger(d).get("held") == {"change-not-applied": 1}, "ledger", life.check_ledger(d))
    wait_outcome(d, "update", "ada", code="change-not-applied")
    tenant.edit("ada", skills={"English": 80})  # by hand, as the sentence says
    wait_for(lambda: not life.operations(d), 20, "released", lambda: life.operations(d))
    settled(d)


def test_empty_values(t):
    """An attribute that vanished clears a value only with empty_values = clear."""
    start = {"telephoneNumber": "+44 1", "mobile": "+44 2"}
    for mode in ("keep", "clear"):
        ground, group, tenant = crowd(t, {"ada": start, "bob": start})
        d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                        user=dict(PHONES, empty_values=mode)).start()
        tenant.wait_user("ada", workPhone="+44 1", mobilePhone="+44 2")
        settled(d)
        tenant.forget_requests()
        ground.replace("ada", telephoneNumber=None, mail=None)
        ground.replace("ada", mobile="+44 5")  # proof that what came before was looked at
        tenant.wait_user("ada", mobilePhone="+44 5")
        settled(d)
        user = tenant.user("ada")
        if mode == "keep":
            need(user.get("workPhone") == "+44 1", "kept", user)
            need(user.get("email") == "ada@example.com", "kept", user)
        else:
            wait_for(lambda: not tenant.user("ada").get("workPhone"), 10, "cleared", lambda: tenant.user("ada"))
            wait_for(lambda: outcomes(d, "profile", "ada"), 10, "audit")
        need(tenant.user("bob").get("workPhone") == "+44 1", "nobody else", tenant.user("bob"))
        d.stop()
