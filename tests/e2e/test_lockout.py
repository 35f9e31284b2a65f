"""Nobody is locked out of the tenant by a rule: the API user, protected logins, the last with a privileged role."""

import unicodedata

from lib import deadline, life, need, wait_for
from lib.life import AGENTS, HELD, crowd, settled, wait_held


def test_never_lock_out(t):
    """T58: who is never to be locked out leaves, is revoked, renamed and demoted: held, with a reason and an alarm."""
    people = ["api", "boss", "chief1", "chief2", "ada"]
    ground, group, tenant = crowd(t, {uid: {"employeeNumber": uid} for uid in people})
    chiefs = life.group(ground, "chiefs", ["chief1", "chief2"])
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group),
                                        "Chiefs": {"group": chiefs, "roles": "Administrator"}},
                    user={"login_id": "${employeeNumber}"},
                    lifecycle={"revoke_when": "(employeeType=Revoked)"},
                    guard={"privileged_roles": "administrator", "max_privileged": "unlimited",
                           "max_disable": "unlimited", "protected_logins": "Boss, API, " + tenant.client_id})
    tenant.seed({"loginId": tenant.client_id})
    d.start()
    tenant.wait_users(people + [tenant.client_id])
    settled(d)
    need("Administrator" in tenant.user("chief1")["roles"], "a chief", tenant.user("chief1"))
    tenant.forget_requests()
    # Revoked and protected; renamed and protected; both chiefs at once; and one who may go.
    ground.replace("boss", employeeType="Revoked")
    d.ctl("pause")
    ground.leave(group, "chief1", "chief2", "ada")
    ground.replace("api", employeeNumber="api2")
    d.ctl("resume")
    tenant.wait_user("ada", disabled=True)
    held = wait_held(d, "never-lock-out", 3, state=HELD)
    settled(d)
    users = tenant.users()
    need("api" in users and "api2" not in users, "api is not renamed", list(users))
    need(not users["boss"]["disabled"], "boss is protected", users["boss"])
    need(users["chief1"]["disabled"] != users["chief2"]["disabled"], "one administrator stays", users)
    need("protected_logins" in " ".join(o["sentence"] for o in held), "why", held)
    need("last active user" in " ".join(o["sentence"] for o in held), "why", held)
    need(len(d.audit(event="alarm", code="never-lock-out")) == 3, "alarms at once", d.audit(event="alarm"))
    need(d.ctl("status", code=2), "status says so")
    last = "chief1" if not users["chief1"]["disabled"] else "chief2"
    # Somebody else gets the role: now the last one may go, and the alarm is over.
    ground.person("new", employeeNumber="new")
    ground.join(group, "new")
    ground.join(chiefs, "new")
    tenant.wait_user(last, disabled=True)
    wait_for(lambda: d.audit(event="alarm-over", code="never-lock-out"), 20, "its alarm is over")
    need(not tenant.user("boss")["disabled"], "boss stays")


def test_the_api_user(t):
    """T58: the API user is a person of the directory who leaves."""
    ground, group, tenant = crowd(t, ["ada", "bob"])
    ground.person("machine", employeeNumber=tenant.client_id)
    ground.join(group, "machine")
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    user={"login_id": "${employeeNumber:-${uid}}"}).start()
    tenant.wait_users(["ada", "bob", tenant.client_id])
    settled(d)
    ground.leave(group, "machine", "ada")
    tenant.wait_user("ada", disabled=True)
    held = wait_held(d, "never-lock-out", 1, state=HELD)
    settled(d)
    need("API user" in held[0]["sentence"], "why", held)
    need(not tenant.user(tenant.client_id)["disabled"], "it works on")


def the_other_one(t, change, seen):
    """change(tenant) does something to chief2 by hand, and seen(d) is when it is known; then chief1 leaves."""
    ground, group, tenant = crowd(t, ["chief1", "chief2", "ada"])
    chiefs = life.group(ground, "chiefs", ["chief1", "chief2"])
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group),
                                        "Chiefs": {"group": chiefs, "roles": "Administrator"}},
                    lifecycle={"verify_interval": "1s", "drift": "report"},
                    guard={"privileged_roles": "Administrator", "max_privileged": "unlimited",
                           "max_disable": "unlimited"}).start()
    tenant.wait_users(["chief1", "chief2", "ada"])
    settled(d)
    change(tenant)
    seen(d)
    ground.leave(group, "chief1", "ada")
    tenant.wait_user("ada", disabled=True)
    wait_held(d, "never-lock-out", 1, state=HELD)
    need(not tenant.user("chief1")["disabled"], "the last administrator stays", tenant.users())


def drifted(d):
    wait_for(lambda: d.audit(event="drift"), 20, "the verification sees it")


def test_the_other_one_is_gone(t):
    """T58: somebody deletes the other administrator at the tenant by hand: the last one there may not go."""
    the_other_one(t, lambda tenant: tenant.delete_user("chief2"), lambda d: wait_held(d, "user-gone", 1))


def test_the_other_one_is_disabled(t):
    """T58: likewise, where somebody disabled the other one by hand."""
    the_other_one(t, lambda tenant: tenant.edit("chief2", disabled=True), drifted)


def test_the_other_one_has_lost_the_role(t):
    """T58: likewise, where somebody took the role away by hand."""
    the_other_one(t, lambda tenant: tenant.edit("chief2", roles=["Agent"]), drifted)


@deadline(90)
def test_protected_in_another_form(t):
    """T58: a protected login is one in whatever case and Unicode form it is listed."""
    name = unicodedata.normalize("NFC", "jos\u00e9")
    ground, group, tenant = crowd(t, {name: {"mail": "jose@example.com"}, "ada": {}, "bob": {}})
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    guard={"protected_logins": "ADA, " + unicodedata.normalize("NFD", name).upper(), "max_disable": "unlimited"}).start()
    tenant.wait_users([name, "ada", "bob"])
    settled(d)
    ground.leave(group, name, "ada", "bob")
    tenant.wait_user("bob", disabled=True)
    settled(d)
    need(not tenant.user("ada")["disabled"] and not tenant.user(name)["disabled"], "protected", tenant.users())


@deadline(90)
def test_last_of_three(t):
    """T58: one of three holders of a privileged role was disabled by hand, and the two others leave at once, while the tenant
    is slow: one of them stays."""
    ground, group, tenant = crowd(t, ["ada", "bob", "eve"])
    rules = {"Agents": dict(AGENTS, group=group, roles="Supervisor")}
    tenant.add("roles", "Supervisor")
    d = life.daemon(t, ground, tenant, rules, lifecycle={"verify_interval": "1s", "leave_grace": "0"},
                    guard={"privileged_roles": "supervisor", "max_disable": "unlimited"})
    d.start()
    wait_for(lambda: d.ctl("plan", "--json", code=None).json.get("hash"), 20, "plan")
    h = d.ctl("plan", "--json", code=None).json["hash"]
    d.ctl("approve", h, code=None)
    tenant.wait_users(["ada", "bob", "eve"])
    settled(d)
    tenant.edit("bob", disabled=True)
    wait_for(lambda: d.audit(event="drift"), 10, "seen")
    tenant.fault("delay", delay_ms=1500, count=8, method="PUT", path="/configapi/v2/user")
    ground.leave(group, "ada", "eve")
    wait_for(lambda: life.operations(d, reason="never-lock-out"), 30, "one waits", lambda: life.operations(d))
    settled(d, 30)
    active = [u for u in tenant.users().values() if not u["disabled"]]
    need(len(active) == 1, "one is left", tenant.users())
