"""Names that change, people who leave and return, logins that change hands."""

import time

from lib import Slapd, life, need, wait_for
from lib.ldaprelay import LdapRelay
from lib.life import AGENTS, crowd, outcomes, settled, wait_held, wait_outcome


def test_marriage(t):
    """T36: a changed login renames the user; with on_rename = hold it waits and nothing is written."""
    ground, group, tenant = crowd(t, ["ada", "bob"])
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, user={"login_id": "${cn,,}"})
    ground.replace("ada", cn="ada.byron")
    ground.replace("bob", cn="bob.smith")
    d.start()
    tenant.wait_users(["ada.byron", "bob.smith"])
    settled(d)
    tenant.forget_requests()
    ground.replace("ada", cn="ada.lovelace", sn="Lovelace")
    tenant.wait_user("ada.lovelace", lastName="Lovelace")
    settled(d)
    need(sorted(tenant.users()) == ["ada.lovelace", "bob.smith"], "never a twin", sorted(tenant.users()))
    need({w["method"] for w in tenant.writes()} == {"PATCH"}, "renamed, not created", tenant.writes())
    wait_for(lambda: outcomes(d, "rename"), 5, "an audit line")
    need(life.changes_of(outcomes(d, "rename")[0]) == {"login_id": ("ada.byron", "ada.lovelace")}, "audit",
         outcomes(d, "rename")[0])
    # What follows goes to the new login.
    sales = life.group(ground, "sales", ["ada"])
    d.configure(rules={"Sales": {"group": sales, "team": "Sales"}, "Agents": dict(AGENTS, group=group)},
                lifecycle={"on_rename": "hold"})
    d.reload()
    tenant.wait_user("ada.lovelace", team="Sales")
    settled(d)
    tenant.forget_requests()
    ground.replace("bob", cn="bob.jones")
    held = wait_held(d, "rename-policy")
    settled(d)
    need("rename" in held[0]["sentence"], "says what to do", held)
    need(tenant.writes() == [], "nothing is written", tenant.writes())
    wait_for(lambda: d.audit(event="hold", code="rename-policy"), 5, "an audit line")
    # The person gets the old login back: the hold is over.
    ground.replace("bob", cn="bob.smith")
    wait_for(lambda: not life.operations(d), 10, "the hold is over", lambda: life.operations(d))
    settled(d)
    need(tenant.writes() == [], "nothing was written", tenant.writes())


def test_tenant_forbids_rename(t):
    """T36: a tenant that does not let a login change: held with that reason, no second user."""
    ground, group, tenant = crowd(t, ["ada"], forbid_rename=True)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, user={"login_id": "${cn}"}).start()
    tenant.wait_user("Ada Tester")
    settled(d)
    ground.replace("ada", cn="lovelace")
    wait_held(d, "rename-policy")
    settled(d)
    need(sorted(tenant.users()) == ["Ada Tester"], "as before", tenant.users())
    wait_outcome(d, "rename", "Ada Tester", code="rename-policy")


def test_case_only(t):
    """T34: a login that differs in case alone, or by a trailing space, is one account."""
    ground, group, tenant = crowd(t, ["shiz"])
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, user={"login_id": "${cn}"})
    ground.replace("shiz", cn="Shiz")
    d.start()
    tenant.wait_users(["Shiz"])
    settled(d)
    tenant.forget_requests()
    ground.replace("shiz", cn="shiz")
    ground.person("late")
    ground.join(group, "late")
    tenant.wait_user("Late Tester")
    settled(d)
    need(sorted(tenant.users()) == ["Late Tester", "Shiz"], "one account", sorted(tenant.users()))
    need(len(tenant.writes()) == 1, "nothing but the newcomer", tenant.writes())


def test_two_entries_one_login(t):
    """T35: both are named, neither gets a user, the rest goes on; one corrected releases both."""
    ground, group, tenant = crowd(t, {"ada": {"employeeNumber": "7"}, "eda": {"employeeNumber": "7"},
                                      "bob": {"employeeNumber": "8"}})
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    user={"login_id": "agent${employeeNumber}"}).start()
    tenant.wait_users(["agent8"])
    held = wait_held(d, "login-shared", 2)
    settled(d)
    for o in held:
        need("uid=ada," in o["sentence"] and "uid=eda," in o["sentence"], "both are named", o)
    need(life.check_ledger(d)["held"] == {"login-shared": 2}, "ledger", life.check_ledger(d))
    wait_for(lambda: len(d.audit(event="hold", code="login-shared")) == 2, 5, "two audit lines",
             lambda: d.audit(event="hold"))
    ground.replace("eda", employeeNumber="9")
    tenant.wait_users(["agent7", "agent8", "agent9"])
    settled(d)
    need(tenant.user("agent7")["firstName"] == "Ada", "the right one", tenant.user("agent7"))
    # A linked person is not harmed by a newcomer who claims her login.
    tenant.forget_requests()
    ground.person("ida", employeeNumber="7")
    ground.join(group, "ida")
    held = wait_held(d, "login-taken")
    settled(d)
    need("uid=ada," in held[0]["sentence"] and tenant.writes() == [], "nothing is written", held, tenant.writes())


def test_leave_grace_and_return(t):
    """T37: nothing before leave_grace, disable after it, enable on return with the old skills."""
    ground, group, tenant = crowd(t, ["ada", "bob"])
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    lifecycle={"leave_grace": "2s"}).start()
    tenant.wait_users(["ada", "bob"])
    settled(d)
    tenant.edit("ada", skills={"English": 80, "Billing": 44})
    tenant.forget_requests()
    # Returns within the grace time: nothing happened.
    ground.leave(group, "ada")
    wait_for(lambda: life.operations(d, kind="disable"), 10, "the disable is planned")
    settled(d)
    need(life.check_ledger(d).get("leaving") == 1, "the ledger has a leaver", life.check_ledger(d))
    due = life.operations(d, kind="disable")[0]
    ground.join(group, "ada")
    wait_for(lambda: not life.operations(d), 10, "the disable is gone")
    settled(d)
    need(tenant.writes() == [], "nothing happened", tenant.writes())
    wait_for(lambda: d.audit(event="leave") and d.audit(event="return"), 5, "leave and return in the audit")
    # Leaves for good: disabled, and not before the time.
    ground.leave(group, "ada")
    wait_for(lambda: life.operations(d, kind="disable"), 10, "the disable is planned")
    due = life.operations(d, kind="disable")[0]
    tenant.wait_user("ada", disabled=True)
    settled(d)
    put = tenant.requests(method="PUT", login="ada")[0]
    left = wait_for(lambda: d.audit(event="leave"), 5, "audit")[-1]
    need(put["time"] * 1e6 >= due["not_before_usec"] if isinstance(put["time"], float)
         else put["time"] >= left["time"], "not before its time", put, due)
    need(due["not_before_usec"] - due_since(d, "ada") == 2000000, "the grace time", due)
    need(wait_outcome(d, "disable", "ada")["status"] == 200, "audit")
    # Returns after it: the same user is enabled, with what it had.
    ground.join(group, "ada")
    user = tenant.wait_user("ada", disabled=False)
    need(user["skills"] == {"English": 80, "Billing": 44}, "old skills are kept", user)
    settled(d)
    need(not tenant.requests(method="POST", path="/configapi/v2/user"), "no second account", tenant.writes())
    wait_outcome(d, "enable", "ada")
    # Gone from the directory altogether, and back with a new entry: T32's little sister.
    ground.remove("bob")
    tenant.wait_user("bob", disabled=True)
    settled(d)
    need(len(outcomes(d, "disable")) >= 1, "audit")


def test_grace_over_while_away(t):
    """The directory is away as the grace of two leavers ends: nobody is disabled before it was heard, and then only whoever has
    not come back meanwhile."""
    server = t.server(Slapd)
    ground = server.fresh()
    ground.persons(["ada", "bob", "cat"])
    group, tenant = life.group(ground, "crowd", ["ada", "bob", "cat"]), t.simulator()
    relay = LdapRelay(t, server, lambda raw: False)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    directory_keys={"uri": relay.uri, "tls": "no", "tls_ca_file": None},
                    lifecycle={"leave_grace": "2s"}).start()
    tenant.wait_users(["ada", "bob", "cat"])
    settled(d)
    tenant.forget_requests()
    ground.leave(group, "ada", "bob")
    wait_for(lambda: len(life.operations(d, kind="disable")) == 2, 10, "the disables are planned")
    relay.cut()
    due = max(o["not_before_usec"] for o in life.operations(d, kind="disable"))
    ground.join(group, "ada")
    wait_for(lambda: d.ctl("status", "--json", code=None).json["directory"]["state"] == "away", 10, "the directory is away", d.log)
    wait_for(lambda: time.time() * 1e6 > due + 1500000, 10, "the grace is over")
    need(tenant.writes() == [], "nothing happened", tenant.writes())
    waits = [row for row in d.ctl("holds", "--json", code=None).json["holds"] if row["reason"] == "directory-away"]
    need(len(waits) == 1 and waits[0]["people"] == 2, "says what they wait for", waits)
    relay.cut(False)
    tenant.wait_user("bob", disabled=True, seconds=40)
    settled(d)
    need(len(outcomes(d, "disable")) == 1 and not tenant.users()["ada"]["disabled"], "she was back before", tenant.users())


def due_since(d, login):
    return d.state_query("SELECT leaving_usec FROM link WHERE login = ?", login)[0][0]


def test_delete_after(t):
    """Disabled, and deleted after delete_after; a person who returns then gets a new user."""
    ground, group, tenant = crowd(t, ["ada", "bob"])
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    lifecycle={"delete_after": "1s"}).start()
    tenant.wait_users(["ada", "bob"])
    settled(d)
    ground.leave(group, "ada")
    tenant.wait_user("ada", disabled=True)
    wait_for(lambda: tenant.user("ada") is None, 20, "deleted")
    settled(d)
    wait_outcome(d, "disable", "ada")
    need(wait_outcome(d, "delete", "ada")["status"] == 200, "audit")
    need(sorted(tenant.users()) == ["bob"], "nobody else", tenant.users())
    ground.join(group, "ada")
    tenant.wait_user("ada", disabled=False, team="Customer Service")
    settled(d)
    # Deleted from the directory: disabled, deleted, and forgotten.
    ground.remove("bob")
    wait_for(lambda: tenant.user("bob") is None, 20, "deleted")
    wait_for(lambda: d.state_query("SELECT count(*) FROM link WHERE login = 'bob' AND status <> LINK_DELETED")[0][0] == 0,
             10, "the link is over")
    settled(d)


def test_reused_login_never_inherits(t):
    """T33: a new person with an old login: conflict, no role, no skill, no account is inherited."""
    ground, group, tenant = crowd(t, {"jo": {"givenName": "John", "sn": "Old", "mail": "john@example.com"},
                                      "bob": {}})
    chiefs = life.group(ground, "chiefs", ["jo"])
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group),
                                        "Chiefs": {"group": chiefs, "roles": "Supervisor"}}).start()
    tenant.wait_users(["bob", "jo"])
    settled(d)
    ground.remove("jo")
    tenant.wait_user("jo", disabled=True)
    settled(d)
    tenant.forget_requests()
    ground.person("jo", givenName="Joan", sn="New", mail="joan@example.com")
    ground.join(group, "jo")  # the server took the old one's memberships away
    held = wait_held(d, "login-taken")
    settled(d)
    need("somebody else" in held[0]["sentence"], "says why", held)
    need(tenant.writes() == [], "nothing is written", tenant.writes())
    need(tenant.user("jo")["disabled"] and tenant.user("jo")["firstName"] == "John", "as it was", tenant.user("jo"))
    wait_for(lambda: d.audit(event="hold", code="login-taken"), 5, "audit")


def test_reused_login_after_delete(t):
    """T33: once the old user is deleted, the newcomer gets an account of her own, with nothing of the old."""
    ground, group, tenant = crowd(t, {"jo": {"givenName": "John", "sn": "Old", "mail": "john@example.com"}})
    chiefs = life.group(ground, "chiefs", ["jo"])
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group),
                                        "Chiefs": {"group": chiefs, "roles": "Supervisor", "skills": "Spanish:9"}},
                    lifecycle={"delete_after": "1s"}).start()
    tenant.wait_user("jo", roles=["Agent", "Supervisor"])
    settled(d)
    ground.remove("jo")
    wait_for(lambda: tenant.user("jo") is None, 20, "deleted")
    ground.person("jo", givenName="Joan", sn="New", mail="joan@example.com")
    ground.join(group, "jo")
    user = tenant.wait_user("jo", disabled=False)
    need((user["firstName"], user["roles"], user["skills"]) == ("Joan", ["Agent"], {"English": 80}), "her own", user)
    settled(d)


def reload_from_ldif(ground, people):
    """The same people under new entries, as slapadd makes them of an LDIF without operational
    attributes."""
    ground.server.delete(*[ground.person_dn(uid) for uid in people])
    ground.persons(people)


def test_directory_reloaded(t):
    """T32: every entryUUID is new: linked again under approval, nobody is disabled, deleted or created."""
    people = ["p%02d" % i for i in range(30)]
    ground, group, tenant = crowd(t, people)
    for leave_grace in ("0", "1h"):
        d = life.daemon(t, ground, tenant, {"Everybody": {"team": "Sales", "roles": "Agent"}},
                        lifecycle={"leave_grace": leave_grace}, notify={"alarm_after": "200ms"})
        d.configure(guard={"max_disable": "unlimited"})
        tenant.clear_users()
        d.start()
        tenant.wait_users(people)
        settled(d)
        d.stop()
        tenant.forget_requests()
        reload_from_ldif(ground, people)
        d.start()
        held = wait_held(d, "relink", 30, state=life.PARKED)
        settled(d)
        need({o["kind"] for o in held} == {"adopt"}, "adoptions", held[0])
        need(tenant.writes() == [], "nothing is written before approval", tenant.writes()[:3])
        wait_for(lambda: d.audit(event="alarm", code="relink"), 10, "an alarm")
        plan = d.ctl("plan", "--json", code=2).json
        d.ctl("approve", plan["hash"])
        wait_for(lambda: d.state_query("SELECT count(*) FROM link")[0][0] == 30 and not life.operations(d), 20,
                 "30 links, nothing left", lambda: life.operations(d)[:3])
        settled(d)
        need(tenant.writes() == [], "a link is no write", tenant.writes()[:3])
        need(life.ledger_sum(d, "adopted") == 30, "the ledger says so", life.check_ledger(d))
        need(len(outcomes(d, "adopt")) == 30, "so does the audit")
        wait_for(lambda: d.audit(event="alarm-over", code="relink"), 10, "the alarm is over")
        # The links work: a change of an entry arrives.
        ground.replace("p03", givenName="Changed")
        tenant.wait_user("p03", firstName="Changed", disabled=False)
        ground.replace("p03", givenName="P03")
        tenant.wait_user("p03", firstName="P03")
        settled(d)
        d.stop()


def test_returns_with_a_new_entry(t):
    """T32 T37: whoever was disabled as gone and returns with a new entry is linked, enabled, never doubled."""
    ground, group, tenant = crowd(t, ["ada", "bob"])
    d = life.daemon(t, ground, tenant, {"Everybody": {"team": "Sales", "roles": "Agent"}}).start()
    tenant.wait_users(["ada", "bob"])
    settled(d)
    ground.remove("ada")
    tenant.wait_user("ada", disabled=True)
    settled(d)
    ground.person("ada")
    wait_held(d, "relink")
    settled(d)
    need(tenant.user("ada")["disabled"], "not before approval")
    d.ctl("approve", d.ctl("plan", "--json", code=2).json["hash"])
    tenant.wait_user("ada", disabled=False)
    settled(d)
    need(sorted(tenant.users()) == ["ada", "bob"], "nobody is doubled")


def test_returns_under_another_login(t):
    """T36 T37: whoever left and returns with another login is enabled and renamed: one account."""
    ground, group, tenant = crowd(t, ["ada"])
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, user={"login_id": "${cn}"})
    ground.replace("ada", cn="ada.byron")
    d.start()
    tenant.wait_user("ada.byron")
    ground.leave(group, "ada")
    tenant.wait_user("ada.byron", disabled=True)
    settled(d)
    ground.replace("ada", cn="ada.lovelace", sn="Lovelace")
    ground.join(group, "ada")
    tenant.wait_user("ada.lovelace", disabled=False, lastName="Lovelace")
    wait_for(lambda: not life.operations(d), 10, "nothing is left", lambda: life.operations(d))
    settled(d)
    need(sorted(tenant.users()) == ["ada.lovelace"], "one account", tenant.users())


def test_unicode_logins(t):
    """T34: composed and decomposed, upper and lower case: one login, so both entries are held and named."""
    ground, group, tenant = crowd(t, {"a": {"cn": "Jos\u00e9"}, "b": {"cn": "JOSE\u0301"}, "c": {"cn": "Else"}})
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, user={"login_id": "${cn}"}).start()
    tenant.wait_users(["Else"])
    wait_held(d, "login-shared", 2)
    settled(d)
    ground.replace("b", cn="Joseph")
    tenant.wait_users(["Else", "Jos\u00e9", "Joseph"])
    settled(d)


def test_swapped_logins(t):
    """T36: two people who swap their logins: nobody gets the other's account."""
    ground, group, tenant = crowd(t, ["ada", "bob"])
    for uid in ("ada", "bob"):
        ground.replace(uid, cn=uid)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}, user={"login_id": "${cn}"}).start()
    tenant.wait_users(["ada", "bob"])
    settled(d)
    d.stop()
    tenant.forget_requests()
    ground.replace("ada", cn="bob")
    ground.replace("bob", cn="ada")
    d.start()
    wait_held(d, "login-taken", 2)
    settled(d)
    need(tenant.user("ada")["firstName"] == "Ada" and tenant.user("bob")["firstName"] == "Bob", "as it was",
         tenant.users())
    need(tenant.writes() == [], "nothing is written", tenant.writes())
