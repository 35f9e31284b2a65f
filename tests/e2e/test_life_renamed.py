"""Users renamed, deleted or hidden at the tenant."""

import json
import urllib.parse
import urllib.request
import ssl

from lib import life, need, wait_for
from lib.life import AGENTS, crowd, outcomes, settled, wait_held, wait_outcome

USER = "/configapi/v2/user"


def rename(tenant, old, new):
    """What an administrator does by hand: by SCIM, as another client."""
    context = ssl.create_default_context(cafile=tenant.ca_file)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}),
                                         urllib.request.HTTPSHandler(context=context))
    form = urllib.parse.urlencode({"client_id": tenant.client_id, "client_secret": tenant.secret,
                                   "scope": tenant.domain, "grant_type": "client_credentials"}).encode()
    with opener.open(tenant.url + "/configapi/v2/oauth/token", form, timeout=10) as answer:
        token = json.load(answer)["access_token"]
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "path": "userName", "value": new}]}
    request = urllib.request.Request("%s/configapi/v2/scim/users/%s" % (tenant.url, tenant.user(old)["id"]),
                                     json.dumps(body).encode(), method="PATCH",
                                     headers={"Authorization": "Bearer " + token,
                                              "Content-Type": "application/scim+json"})
    opener.open(request, timeout=10).close()
    need(tenant.user(new), "renamed", tenant.users())


def began(t, people, drift, **lifecycle):
    ground, group, tenant = crowd(t, people)
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)},
                    lifecycle=dict({"drift": drift}, **lifecycle)).start()
    tenant.wait_users(list(people))
    settled(d)
    return ground, group, tenant, d


def id_known(d, n):
    """Until the verification has learnt the ids of so many."""
    wait_for(lambda: d.state_query("SELECT count(*) FROM link WHERE remote_id IS NOT NULL")[0][0] == n, 20, "ids")


def test_renamed_back(t):
    """drift = repair: the sweep finds the user under the other login by its id and renames it back: never a second user."""
    ground, group, tenant, d = began(t, ["jdoe", "bob"], "repair", verify_interval="1s")
    id_known(d, 2)
    rename(tenant, "jdoe", "jane.doe")
    tenant.wait_users(["bob", "jdoe"])
    settled(d)
    need(tenant.counters()["creates"] == 2, "never made a second time", tenant.counters())
    row = wait_outcome(d, "rename", "jane.doe")
    need(life.changes_of(row)["login_id"] == ("jane.doe", "jdoe"), "on record", row)
    wait_for(lambda: [r for r in d.audit(event="drift") if "jdoe -> jane.doe" in r["sentence"]], 10, "as drift")
    ground.replace("jdoe", givenName="Jane")
    tenant.wait_user("jdoe", firstName="Jane")
    settled(d)


def test_renamed_held(t):
    """drift = report: held; what the rules change goes to the user under its new login; a leaver is disabled there."""
    ground, group, tenant, d = began(t, ["jdoe", "max"], "report", verify_interval="1s")
    id_known(d, 2)
    rename(tenant, "jdoe", "jane.doe")
    held = wait_held(d, "rename-policy")
    need("renamed" in held[0]["sentence"] and held[0]["login"] == "jane.doe", "says who", held)
    ground.replace("jdoe", givenName="Jane")
    tenant.wait_user("jane.doe", firstName="Jane")
    settled(d)
    need(sorted(tenant.users()) == ["jane.doe", "max"] and tenant.counters()["creates"] == 2, "one user each",
         tenant.users())
    rename(tenant, "jane.doe", "jdoe")  # by hand, as the sentence says
    wait_for(lambda: not life.operations(d), 20, "over", lambda: life.operations(d))
    settled(d)


def test_leaver_under_another_name(t):
    """Found by the id also without a sweep: an update, a leaver's disable, and the delete after it."""
    ground, group, tenant, d = began(t, ["jdoe", "max", "eve"], "report", verify_interval="0", delete_after="5s")
    for uid in ("jdoe", "max"):  # the ids are remembered
        ground.replace(uid, givenName="G")
        tenant.wait_user(uid, firstName="G")
    settled(d)
    rename(tenant, "max", "maximilian")
    ground.leave(group, "max")
    tenant.wait_user("maximilian", disabled=True)
    rename(tenant, "maximilian", "m2")
    wait_for(lambda: sorted(tenant.users()) == ["eve", "jdoe"], 30, "deleted under its third name", tenant.users)
    settled(d)
    need(len(outcomes(d, "delete")) == 1, "on record", outcomes(d, "delete"))


def test_soft_deleted(t):
    """The login lies in the tenant's recycle bin: POST 409, GET 404: held as taken and not readable, until it is purged."""
    ground, group, tenant = crowd(t, ["ada", "gone"])
    tenant.fault("status", method="POST", path=USER, login="gone", status=409, count=-1,
                 content_type="text/plain", body="User gone already exists")
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    held = wait_held(d, "login-taken")
    settled(d)
    for word in ("taken", "cannot be read", "restore or purge"):
        need(word in held[0]["sentence"], "the sentence says " + word, held)
    need("somebody deleted it" not in held[0]["sentence"], "and nothing else", held)
    tenant.clear_faults()
    tenant.wait_users(["ada", "gone"])
    settled(d)
    need(not life.operations(d), "made when it is free", life.operations(d))


def test_invalid_after_the_delete(t):
    """Whoever was deleted and comes back with an entry that cannot be used is skipped; what waits is a create."""
    ground, group, tenant, d = began(t, ["ada", "bob"], "report", delete_after="1s")
    ground.leave(group, "ada")
    tenant.wait_users(["bob"])
    settled(d)
    ground.replace("ada", sn=["x" * 300])
    ground.join(group, "ada")
    settled(d)
    need(all(o["kind"] != "update" for o in life.operations(d)), "nothing to update", life.operations(d))
    ground.replace("ada", sn="Tester")
    tenant.wait_users(["ada", "bob"])
    settled(d)


def test_login_of_another_user(t):
    """T60: a user was deleted at the tenant and its login given to another one: that one is not written to. One who
    was made anew with the same mail is the same person."""
    ground, group, tenant, d = began(t, ["jdoe", "bob", "cem"], "report", verify_interval="1s", on_rename="rename")
    id_known(d, 3)
    d.configure(lifecycle={"verify_interval": "1d"})
    d.restart()
    settled(d)
    other = {"loginId": "jdoe", "firstName": "Jana", "lastName": "Dorn", "email": "jana@example.net"}
    for login, user in (("jdoe", other), ("cem", {"loginId": "cem", "email": "cem@example.com"}),
                        ("bob", dict(other, loginId="bob"))):
        tenant.delete_user(login)
        tenant.seed(user)
    tenant.forget_requests()
    ground.replace("jdoe", sn="Later")
    ground.replace("cem", sn="Later")
    ground.replace("bob", uid=["bob", "robert"])
    ground.server.rename(ground.person_dn("bob"), "uid=robert")
    tenant.wait_user("cem", lastName="Later")
    held = wait_held(d, "login-taken", 2)
    need(all("belongs to another user" in row["sentence"] for row in held), "in words", held)
    need(not [w for w in tenant.writes() if w["login"] != "cem"], "nobody else is written to", tenant.writes())
    tenant.edit("jdoe", email="jdoe@example.com")
    d.ctl("retry", "--all")
    tenant.wait_user("jdoe", lastName="Later")


def test_leaver_whose_login_is_another_users(t):
    """T60: a login that was given to another user: that one is neither disabled nor moved for the person who had it. Who
    was only renamed by hand, mail and all, is the same user still."""
    ground, group, tenant, d = began(t, ["ann", "bob", "cem", "dan"], "report", verify_interval="1s")
    d.configure(rules={"Night": dict(AGENTS, when="(employeeType=night)", team="Sales"), "Agents": dict(AGENTS, group=group)})
    id_known(d, 4)
    d.configure(lifecycle={"verify_interval": "1d"})
    d.restart()
    settled(d)
    other = {"firstName": "Jana", "lastName": "Dorn", "email": "jana@example.net"}
    for login in ("ann", "bob"):
        tenant.delete_user(login)
    for login in ("ann", "bob", "cem", "dan"):
        tenant.seed(dict(other, loginId=login))
    tenant.forget_requests()
    ground.leave(group, "ann", "cem")
    ground.replace("bob", employeeType="night")
    ground.replace("dan", employeeType="night")
    tenant.wait_user("cem", disabled=True)
    tenant.wait_user("dan", team="Sales")
    held = wait_held(d, "login-taken", 2)
    need(sorted(row["login"] for row in held) == ["ann", "bob"], "both are held", held)
    need({w["login"] for w in tenant.writes()} == {"cem", "dan"}, "no other user is written to", tenant.writes())


def give_away(tenant, *logins):
    """Deleted there, and the login given to somebody else: another user, with another id."""
    for login in logins:
        tenant.delete_user(login)
        tenant.seed({"loginId": login, "firstName": "Jana", "lastName": "Dorn", "email": "jana@example.net"})


def test_account_of_another_user(t):
    """What concerns an account as a whole goes to nobody else who has the login by now: a leaver's disable, a delete, a
    revocation and a return are held; a revocation of the user itself is one request, by the id."""
    people = ["leaver", "deleted", "back", "revoked", "rightly", "bystander"]
    ground, group, tenant, d = began(t, people, "report", verify_interval="1s", delete_after="1d",
                                     revoke_when="(employeeType=Revoked)")
    id_known(d, len(people))
    for uid in ("deleted", "back"):
        ground.leave(group, uid)
        tenant.wait_user(uid, disabled=True)
    d.configure(lifecycle={"verify_interval": "1d", "delete_after": "1s"})
    give_away(tenant, "leaver", "deleted", "back", "revoked")
    tenant.edit("back", disabled=True)
    d.restart()
    settled(d)
    tenant.forget_requests()
    ground.leave(group, "leaver")
    ground.join(group, "back")
    ground.replace("revoked", employeeType="Revoked")
    ground.replace("rightly", employeeType="Revoked")
    tenant.wait_user("rightly", disabled=True)
    held = wait_held(d, "login-taken", 4)
    settled(d)
    need(all("belongs to another user" in row["sentence"] for row in held), "in words", held)
    did = [w for w in tenant.writes() if w["status"] == 200]
    need([w["login"] for w in did] == ["rightly"], "nobody else is written to", tenant.writes())
    need(did[0]["method"] == "PATCH", "by the id", did)
    need({u: tenant.user(u)["disabled"] for u in ("leaver", "deleted", "revoked", "back")} ==
         {"leaver": False, "deleted": False, "revoked": False, "back": True}, "as they were", tenant.users())


def holds(d):
    return d.ctl("holds", "--json", code=None).json["holds"]


def test_many_deleted_there(t):
    """Thirty users are deleted there by hand: one cause with an alarm; with drift = repair five are made anew and the
    others wait for an approval, under one cause as well."""
    people = ["u%02d" % i for i in range(40)]
    ground, group, tenant, d = began(t, people, "report", verify_interval="1s")
    d.configure(lifecycle={"verify_interval": "1s", "drift": "report"}, notify={"alarm_after": "1s"})
    d.restart()
    id_known(d, 40)
    for uid in people[:30]:
        tenant.delete_user(uid)
    wait_held(d, "user-gone", 30)
    rows = wait_for(lambda: [r for r in holds(d) if r["people"] == 30], 10, "one row", lambda: holds(d))
    need(len(rows) == 1 and rows[0]["cause"] == "users:gone", "one cause", holds(d))
    text = d.ctl("holds", code=None).out
    need("not at the tenant any more" in text and "drift = repair" in text, "what to do", text)
    wait_for(lambda: "hold:users:gone" in [a["cause"] for a in d.ctl("status", "--json", code=None).json["alarms"]], 20,
             "an alarm")
    need(tenant.counters()["creates"] == 40, "nobody is made anew", tenant.counters())
    d.configure(lifecycle={"verify_interval": "1s", "drift": "repair"})
    d.reload()
    wait_held(d, "budget", 25)
    settled(d)
    need(tenant.counters()["creates"] == 45, "five are made anew", tenant.counters())
    rows = [r for r in holds(d) if r["cause"] == "budget:remake"]
    need(len(rows) == 1 and rows[0]["people"] == 25 and len(holds(d)) == 1, "the others are one cause", holds(d))
    d.ctl("approve", d.ctl("plan", "--json", code=2).json["hash"])
    tenant.wait_users(people)
    settled(d)
    need(not holds(d), "over", holds(d))


def test_renamed_before_its_id_is_known(t):
    """drift = repair, and nobody was verified yet: found by the mail and renamed back; with another mail and name
    held; never made a second time."""
    ground, group, tenant, d = began(t, ["jdoe", "max", "eve"], "repair", verify_interval="0")
    rename(tenant, "jdoe", "jane.doe")
    rename(tenant, "max", "maximilian")
    tenant.edit("maximilian", email="maximilian@example.net")
    d.configure(lifecycle={"verify_interval": "1s"})
    d.restart()
    tenant.wait_users(["eve", "jdoe", "maximilian"])
    held = wait_held(d, "user-gone", 1)
    need("maximilian" in held[0]["sentence"], "says who it may be", held)
    need(tenant.counters()["creates"] == 3, "nobody is made twice", tenant.counters())
    rename(tenant, "maximilian", "max")
    tenant.wait_users(["eve", "jdoe", "max"])
    wait_for(lambda: not life.operations(d), 20, "over", lambda: life.operations(d))
    settled(d)
    need(tenant.counters()["creates"] == 3, "nobody is made twice", tenant.counters())
