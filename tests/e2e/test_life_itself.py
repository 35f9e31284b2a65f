"""The tenant acts by itself: the client ends right without a person, and calls none of it drift."""

import random

from lib import deadline, life, need, wait_for
from lib.life import AGENTS, crowd, settled

REPAIR = {"verify_interval": "1s", "drift": "repair"}
PHONES = {"work_phone": "${telephoneNumber}", "mobile_phone": "${mobile}"}


def sweeps(d, n=2):
    """Until n more whole verifications ended."""
    count = lambda: len([1 for line in d.log().splitlines() if "Verification:" in line])
    before = count()
    wait_for(lambda: count() >= before + n, 30, "%d verifications" % n)


def quiet(d, tenant):
    """Nothing waits for a person, nothing is written, nothing is drift, sweep after sweep."""
    settled(d)
    tenant.forget_requests()
    sweeps(d)
    settled(d)
    need(tenant.writes() == [], "no write", tenant.writes())
    need(not life.operations(d), "nobody is asked", life.operations(d))
    need(not d.audit(event="drift"), "no drift", d.audit(event="drift"))


def test_phone_form(t):
    """Phones come back as "+" and digits: after one write that form is what the value looks like there."""
    ground, group, tenant = crowd(t, {"ada": {"telephoneNumber": "+34 600 123 456", "mobile": "0049 (30) 12-34"},
                                      "bob": {}}, phone_digits=True)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, user=PHONES, lifecycle=REPAIR).start()
    tenant.wait_user("ada", workPhone="+34600123456", mobilePhone="+0049301234")
    quiet(d, tenant)
    ground.replace("bob", telephoneNumber="+44 20 7946 0001")
    tenant.wait_user("bob", workPhone="+442079460001")
    quiet(d, tenant)
    d.restart()
    quiet(d, tenant)
    # Until the entry changes, or the tenant's value.
    ground.replace("ada", telephoneNumber="+34 600 123 457")
    tenant.wait_user("ada", workPhone="+34600123457")
    quiet(d, tenant)
    tenant.edit("ada", workPhone="+1999")
    tenant.wait_user("ada", workPhone="+34600123457")
    settled(d)
    need(len(d.audit(event="drift")) == 1, "somebody's edit is drift", d.audit(event="drift"))


def test_team_gives_skills(t):
    """T60: a team gives skills on create: neither drift nor ours, also where a rule names them for others."""
    for drift in ("report", "repair"):
        ground, group, tenant = crowd(t, {"ada": {}, "bob": {"title": "es"}},
                                      team_skills="Customer Service:Spanish:30; Customer Service:Billing:10; "
                                                  "Customer Service:English:5")
        d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group),
                                            "es": {"when": "(title=es)", "skills": "Spanish:70"}},
                        lifecycle=dict(REPAIR, drift=drift)).start()
        tenant.wait_user("ada", skills={"English": 80, "Spanish": 30, "Billing": 10})
        tenant.wait_user("bob", skills={"English": 80, "Spanish": 70, "Billing": 10})
        quiet(d, tenant)
        ground.replace("ada", title="es")  # ours from now on
        tenant.wait_user("ada", skills={"English": 80, "Spanish": 70, "Billing": 10})
        quiet(d, tenant)
        ground.replace("ada", title="x")
        tenant.wait_user("ada", skills={"English": 80, "Billing": 10})
        quiet(d, tenant)
        d.stop()


@deadline(180)
def test_team_move_rewrites_skills(t):
    """T59: whatever a move does to skills, it ends as wanted without a person, and nothing else is lost."""
    chance = random.Random(59)
    for drops, acquires in ((True, True), (True, False), (False, True), (False, False)):
        people = ["p%d" % i for i in range(4)]
        ground, group, tenant = crowd(t, {uid: {"title": "none"} for uid in people}, team_drops=drops,
                                      team_acquires=acquires,
                                      team_skills="Customer Service:Spanish:30;Customer Service:English:20;"
                                                  "Sales:English:11;Sales:Billing:12;Support:Spanish:13")
        rules = {"Sales": {"when": "(title=*sales*)", "team": "Sales"},
                 "Support": {"when": "(title=*support*)", "team": "Support"},
                 "Spanish": {"when": "(title=*es*)", "skills": "Spanish:77"},
                 "Agents": dict(AGENTS, group=group)}
        d = life.daemon(t, ground, tenant, rules, lifecycle=REPAIR).start()
        tenant.wait_users(people)
        settled(d)
        for _ in range(3):
            for uid in people:
                ground.replace(uid, title=chance.choice(["none", "sales", "support", "es", "sales es", "support es"]))
            settled(d)
            wanted = {}
            for uid in people:
                title = ground.server.read(ground.person_dn(uid), "title")["title"][0]
                title = title.decode() if isinstance(title, bytes) else title
                team = "Sales" if "sales" in title else "Support" if "support" in title else "Customer Service"
                wanted[uid] = (team, {"English": 80, **({"Spanish": 77} if title.split()[-1] == "es" else {})})

            def right():
                now = tenant.users()
                return all(now[uid]["team"] == team and all(now[uid]["skills"].get(k) == v for k, v in skills.items())
                           for uid, (team, skills) in wanted.items())
            wait_for(right, 20, "teams and skills as wanted", lambda: (wanted, tenant.users()))
            quiet(d, tenant)
        d.stop()


def test_preset(t):
    """T61: a preset changes levels for an hour: reported at most, never repaired; other changes leave it alone."""
    ground, group, tenant = crowd(t, ["ada"])
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group),
                                        "es": {"when": "(title=es)", "skills": "Spanish:70"}}, lifecycle=REPAIR).start()
    tenant.wait_user("ada", skills={"English": 80})
    settled(d)
    tenant.edit("ada", skills={"English": 15})
    tenant.forget_requests()
    sweeps(d, 3)
    need(tenant.writes() == [] and tenant.user("ada")["skills"] == {"English": 15}, "left alone", tenant.writes())
    need(len(d.audit(event="drift")) <= 1, "reported at most once", d.audit(event="drift"))
    tenant.edit("ada", roles=[])  # which is repaired, and nothing else of it
    sweeps(d, 2)
    tenant.wait_user("ada", roles=["Agent"])
    settled(d)
    need(tenant.user("ada")["skills"] == {"English": 15}, "beside a repair as well", tenant.user("ada"))
    n_drifts = len(d.audit(event="drift"))
    ground.replace("ada", title="es")
    tenant.wait_user("ada", skills={"English": 15, "Spanish": 70})
    settled(d)
    sweeps(d)
    tenant.edit("ada", skills={"English": 80, "Spanish": 70})  # the hour is over
    sweeps(d)
    need(len(d.audit(event="drift")) <= n_drifts + 1, "reported at most once", d.audit(event="drift"))
    need(tenant.user("ada")["skills"] == {"English": 80, "Spanish": 70}, "as wanted", tenant.user("ada"))
    settled(d)
