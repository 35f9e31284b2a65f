"""What a tenant does by itself, and whom it lets, as its guides say: played by settings; the client ends right without a
person, and calls none of it drift."""

import random

from lib import deadline, life, need, wait_for
from lib.life import AGENTS, HELD, crowd, settled, wait_held
from test_life_itself import PHONES, REPAIR, quiet, sweeps

SERVICE = "Customer Service"


def begin(t, logins, rules=None, tenant_settings=None, lifecycle=REPAIR, **sections):
    ground, group, tenant = crowd(t, logins, **(tenant_settings or {}))
    d = life.daemon(t, ground, tenant, dict(rules or {}, Agents=dict(AGENTS, group=group)), lifecycle=lifecycle,
                    guard={"max_update": "unlimited"}, **sections)
    return ground, group, tenant, d


def untouched(d, tenant, codes=()):
    """Nothing waits, nothing is written, sweep after sweep; drift is at most reported, and only where levels moved."""
    settled(d)
    tenant.forget_requests()
    sweeps(d)
    settled(d)
    need(tenant.writes() == [] and not life.operations(d), "no write, nobody asked", tenant.writes(), life.operations(d))
    need({r["code"] for r in d.audit(event="drift")} <= set(codes), "drift", d.audit(event="drift"))


def test_timed_preset(t):
    """T61: a supervisor's preset changes levels for some seconds and gives them back: no drift, no write; a change of ours meanwhile survives its end."""
    ground, _, tenant, d = begin(t, ["ada", "bob"], {"es": {"when": "(title=es)", "skills": "Spanish:70"}})
    d.start()
    for login in ("ada", "bob"):
        tenant.wait_user(login, skills={"English": 80})
    settled(d)
    tenant.forget_requests()
    tenant.settings(preset="%s:English:15:5" % SERVICE)
    tenant.wait_user("ada", skills={"English": 15})
    sweeps(d, 2)
    ground.replace("bob", title="es")
    tenant.wait_user("bob", skills={"English": 15, "Spanish": 70})
    tenant.wait_user("ada", seconds=15, skills={"English": 80})
    tenant.wait_user("bob", skills={"English": 80, "Spanish": 70})
    need(not [w for w in tenant.writes() if w["login"] == "ada"], "left alone", tenant.writes())
    untouched(d, tenant, ["report"])


def test_service_assigned_to_a_team(t):
    """T60: a service assigned to a team gives its skill to all who are in it already: it is left to them."""
    ground, _, tenant, d = begin(t, ["ada", "bob"], {"es": {"when": "(title=es)", "skills": "Spanish:70"}},
                                 lifecycle=dict(REPAIR, drift="report"))
    d.start()
    tenant.wait_users(["ada", "bob"])
    settled(d)
    tenant.settings(team_skills="%s:Spanish:30; %s:Billing:10" % (SERVICE, SERVICE), team_skills_now=True)
    tenant.settings(team_skills_now=False)
    tenant.wait_user("ada", skills={"English": 80, "Spanish": 30, "Billing": 10})
    untouched(d, tenant, ["report"])
    ground.replace("ada", title="es")
    tenant.wait_user("ada", skills={"English": 80, "Spanish": 70, "Billing": 10})
    untouched(d, tenant, ["report"])
    need(tenant.user("bob")["skills"] == {"English": 80, "Spanish": 30, "Billing": 10}, "the others keep it", tenant.user("bob"))


def test_first_log_in(t):
    """T62: everybody's first log-in comes just before the create: adopted by the equal mail, corrected, without a person."""
    logins = ["p%d" % i for i in range(12)]
    _, _, tenant, d = begin(t, logins, tenant_settings={"jit": "Sales:Agent"})
    d.start()
    for login in logins:
        tenant.wait_user(login, team=SERVICE, roles=["Agent"], skills={"English": 80})
    quiet(d, tenant)
    need(len(d.audit(event="outcome", operation="adopt", code="done")) == 12, "on record as adoptions", d.audit(event="outcome"))


def test_scim_adds(t):
    """SCIM gives a default role to whoever would have none, a default phone, and keeps mail in its own form: no drift, no second write."""
    people = {"ada": {"mail": "Ada.Lovelace@Example.COM", "telephoneNumber": "+44 20 7946 0001", "title": "boss"}, "bob": {}}
    ground, _, tenant = crowd(t, people, default_role="Agent", softphone=True, mail_lower=True)
    d = life.daemon(t, ground, tenant, {"boss": {"when": "(title=boss)", "roles": "Supervisor"},
                                        "staff": {"when": "(objectClass=inetOrgPerson)", "team": SERVICE}}, lifecycle=REPAIR, user=PHONES).start()
    tenant.wait_user("ada", email="ada.lovelace@example.com", roles=["Supervisor"])
    tenant.wait_user("bob", roles=[])
    quiet(d, tenant)
    ground.replace("ada", title="x", givenName="Augusta")  # the last role goes; the tenant gives its own
    tenant.wait_user("ada", firstName="Augusta", roles=["Agent"])
    settled(d)
    quiet(d, tenant)
    ground.replace("bob", mail="Bob@EXAMPLE.com")  # the tenant shows what it showed before
    wait_for(lambda: tenant.writes(), 20, "it is written once", d.log_tail)
    quiet(d, tenant)


def test_policies_about_logins(t):
    """A tenant's policies show only in a refused create: held with its words, the others go on; when it is lifted they are made without a person."""
    ground, group, tenant, d = begin(t, {"ada": {}, "o'hara": {}, "zoe.x": {}},
                                 tenant_settings={"login_characters": "abcdefghijklmnopqrstuvwxyz.-"})
    d.start()
    tenant.wait_users(["ada", "zoe.x"])
    held = wait_held(d, "tenant-refused-data", 1)
    need("characters that are not allowed" in held[0]["sentence"], "the tenant's words", held)
    tenant.settings(login_characters="abcdefghijklmnopqrstuvwxyz.-'")
    tenant.wait_user("o'hara")
    quiet(d, tenant)
    tenant.settings(login_is_mail=True)
    ground.person("eve")
    ground.join(group, "eve")
    held = wait_held(d, "tenant-refused-data", 1)
    need("must be the e-mail address" in held[0]["sentence"], "the tenant's words", held)
    tenant.settings(login_is_mail=False)
    tenant.wait_user("eve")
    quiet(d, tenant)


def test_account_without_manage_skills(t):
    """The account lacks "Manage Skills": whoever needs skills is held with the tenant's words, leavers and others go on; with the privilege all is made."""
    people = {"ada": {"title": "plain"}, "bob": {}, "joe": {"title": "plain"}}
    ground, group, tenant = crowd(t, people, no_skills=True)
    rules = {"plain": {"when": "(title=plain)", "team": SERVICE, "roles": "Agent"},
             "Agents": dict(AGENTS, group=group, when="(!(title=plain))")}
    d = life.daemon(t, ground, tenant, rules, lifecycle=REPAIR).start()
    tenant.wait_users(["ada", "joe"])
    held = [o for o in wait_for(lambda: life.operations(d, state=HELD, login="bob"), 10, "bob is held")]
    need("Manage Skills" in held[0]["sentence"], "the tenant's words", held)
    ground.remove("joe")
    tenant.wait_user("joe", disabled=True)
    tenant.settings(no_skills=False)
    tenant.wait_user("bob", skills={"English": 80})
    quiet(d, tenant)


def test_account_of_some_teams(t):
    """T63: an account that sees one team: users elsewhere are "not visible to this account", none is made twice, and the rest goes on; with all teams it ends right."""
    people = {"ada": {}, "bob": {"title": "sales"}}
    ground, group, tenant = crowd(t, people)
    rules = {"sales": {"when": "(title=sales)", "team": "Sales"}, "Agents": dict(AGENTS, group=group)}
    d = life.daemon(t, ground, tenant, rules, lifecycle=REPAIR).start()
    tenant.wait_user("bob", team="Sales")
    tenant.wait_user("ada", team=SERVICE)
    quiet(d, tenant)
    tenant.settings(visible_teams=SERVICE)
    ground.replace("bob", sn="Other")
    ground.replace("ada", sn="Other")
    tenant.wait_user("ada", lastName="Other")
    held = wait_for(lambda: life.operations(d, state=HELD, login="bob"), 10, "bob is held", lambda: life.operations(d))
    need("may see" in held[0]["sentence"] or "account" in held[0]["sentence"], "says so", held)
    need(tenant.user("bob")["lastName"] != "Other" and len(tenant.users()) == 2, "nobody is made twice", tenant.users())
    tenant.settings(visible_teams="")
    tenant.wait_user("bob", lastName="Other")
    quiet(d, tenant)


def test_seats_by_setting(t):
    """All seats are taken (400 or 403): creates and returns wait under one cause, a leaver frees one, more seats free all; nobody is asked."""
    for status in (400, 403):
        logins = ["s%02d" % i for i in range(12)]
        ground, group, tenant, d = begin(t, logins, tenant_settings={"seats": 8, "seats_status": status})
        d.start()
        wait_for(lambda: len(tenant.users()) == 8, 20, "eight seats", tenant.users)
        wait_for(lambda: len(life.operations(d, state=HELD)) == 4, 10, "four wait", lambda: life.operations(d))
        need(len({o["cause"] for o in life.operations(d, state=HELD)}) == 1, "one cause", life.operations(d))
        gone = sorted(tenant.users())[0]
        ground.leave(group, gone)
        tenant.wait_user(gone, disabled=True)
        wait_for(lambda: len(tenant.users()) == 9, 20, "its seat is taken", tenant.users)
        ground.join(group, gone)  # comes back, and there is no seat
        wait_for(lambda: len(life.operations(d, state=HELD)) == 4, 10, "it waits as well", lambda: life.operations(d))
        tenant.settings(seats=0)
        tenant.wait_users(logins)
        tenant.wait_user(gone, disabled=False)
        quiet(d, tenant)
        d.stop()
        tenant.stop()


def test_account_is_a_person(t):
    """T58: the account is a user of the tenant and a person of the directory who leaves: never disabled; if somebody else disables it, all waits, and goes on when it is back."""
    ground, group, tenant, d = begin(t, ["ada", "api.user"], tenant_settings={})
    tenant.seed({"loginId": "api.user", "email": "api.user@example.com", "roles": ["Administrator"]})
    tenant.settings(account_is_user=True)
    d.start()
    tenant.wait_user("ada")
    ground.leave(group, "api.user")
    ground.person("bob")
    ground.join(group, "bob")
    tenant.wait_user("bob")
    need(tenant.user("api.user")["disabled"] is False, "never disabled", tenant.user("api.user"))
    tenant.edit("api.user", disabled=True)
    ground.person("eve")
    ground.join(group, "eve")
    d.wait_log("refuses rosterd's account")
    tenant.edit("api.user", disabled=False)
    tenant.wait_user("eve", seconds=40)


DRAWN = {"phone_digits": (True, False), "team_drops": (True, False), "team_acquires": (True, False), "mail_lower": (True, False),
         "softphone": (True, False), "merge_skills": (True, False), "roles_as_values": (True, False), "strict_scim": (True, False),
         "default_role": ("", "Agent"), "jit": ("", "Sales:Agent", "Support:Agent"), "token_lifetime": (2, 3600),
         "team_skills": ("", "Customer Service:Spanish:30; Sales:Billing:12; Support:English:13")}


@deadline(280)
def test_any_tenant(t):
    """Tenants drawn at random from all of these, some days of changes each: everybody ends right, nobody is asked, nothing is drift."""
    for seed in range(14, 20):
        draw = random.Random(seed)
        tenant_settings = {name: draw.choice(values) for name, values in DRAWN.items()}
        tenant_settings["zero_removes"] = tenant_settings["merge_skills"]
        people = {"p%d" % i: {"title": "none", "mail": "P%d@Example.com" % i, "telephoneNumber": "+34 600 000 00%d" % i} for i in range(5)}
        rules = {"Sales": {"when": "(title=*sales*)", "team": "Sales"}, "Boss": {"when": "(title=*boss*)", "roles": "Supervisor"},
                 "Spanish": {"when": "(title=*es*)", "skills": "Spanish:77"}}
        ground, group, tenant, d = begin(t, people, rules, tenant_settings, user=PHONES, name="seed%d" % seed)
        d.start()
        tenant.wait_users(list(people))
        titles, phones = dict.fromkeys(people, "none"), {}

        def tenant_phone(user):
            return "".join(c for c in user["workPhone"] if c.isdigit())
        for day in range(3):
            for uid in people:
                titles[uid] = draw.choice(["none", "sales", "boss", "es", "sales boss", "sales es", "boss es"])
                number = "+34 600 %03d 00%s" % (draw.randint(0, 99), uid[1])
                phones[uid] = "".join(c for c in number if c.isdigit())
                ground.replace(uid, title=titles[uid], telephoneNumber=number)
            tenant.settings(preset="Sales:English:3:1; Customer Service:Spanish:4:1")

            def right():
                now = tenant.users()
                return all(now[u]["team"] == ("Sales" if "sales" in title else SERVICE) and
                           (("Supervisor" in now[u]["roles"]) == ("boss" in title)) and "English" in now[u]["skills"] and
                           ("es" not in title.split() or "Spanish" in now[u]["skills"]) and
                           tenant_phone(now[u]) == phones[u] for u, title in titles.items())
            wait_for(right, 30, "seed %d, day %d: as wanted" % (seed, day), lambda: (tenant_settings, titles, tenant.users()))
            settled(d)
        sweeps(d, 2)
        untouched(d, tenant, ["report"])
        d.stop()
        tenant.stop()
