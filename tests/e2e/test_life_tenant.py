"""Another tenant behind the same state file."""

import json

from lib import life, need, wait_for
from lib.life import AGENTS, PARKED, crowd, settled, wait_held


def move(t, d, tenant):
    """[tenant] of the configuration names this tenant now."""
    d.configure(tenant=tenant.client())


def test_another_tenant(t):
    """T72: the url moves to another tenant: nobody is made, disabled or adopted before approval; back is as before."""
    ground, group, first = crowd(t, ["ada", "bob", "eve", "max"])
    second = t.simulator()
    second.seed({"loginId": "ada", "firstName": "Ada", "email": "ada@example.com", "team": "Sales"},
                {"loginId": "foreign"})
    before = second.users()
    d = life.daemon(t, ground, first, {"Agents": dict(AGENTS, group=group)}, notify={"alarm_after": "200ms"}).start()
    first.wait_users(["ada", "bob", "eve", "max"])
    settled(d)
    ground.leave(group, "max")
    first.wait_user("max", disabled=True)
    settled(d)
    links = d.state_query("SELECT * FROM links ORDER BY entry_id")
    d.stop()

    ground.leave(group, "eve")  # a leaver of the first tenant, while the second is configured
    first.forget_requests()
    move(t, d, second)
    for _ in range(2):  # the second start knows as much as the first
        d.start()
        wait_held(d, "adoption", 1, state=PARKED)
        wait_held(d, "other-tenant", 1, state=PARKED)
        settled(d)
        wait_for(lambda: d.audit(event="alarm", code="other-tenant"), 10, "an alarm", lambda: d.audit(event="alarm"))
        need(second.writes() == [] and second.users() == before, "nothing is written", second.writes())
        said = d.ctl("status", code=None).out + d.log()
        need(first.url in said and second.url in said and "belongs to the tenant " + first.url in said,
             "whose state it is", said)
        d.stop()
    need(first.requests() == [], "the first is not asked", first.requests())

    move(t, d, first)
    d.start()
    first.wait_user("eve", disabled=True)
    settled(d)
    need(not life.operations(d), "nothing waits", life.operations(d))
    now = d.state_query("SELECT * FROM links ORDER BY entry_id")
    need([row[:3] for row in now] == [row[:3] for row in links], "the links are back", now, links)
    wait_for(lambda: d.audit(event="alarm-over", code="other-tenant"), 10, "the alarm is over")
    ground.join(group, "max")
    first.wait_user("max", disabled=False)  # disabled by us is still known
    settled(d)
    ground.leave(group, "max")
    first.wait_user("max", disabled=True)
    settled(d)
    d.stop()

    move(t, d, second)
    d.start()
    wait_held(d, "adoption", 1, state=PARKED)
    settled(d)
    d.ctl("approve", d.ctl("plan", "--json", code=2).json["hash"])
    second.wait_user("ada", team="Customer Service")
    second.wait_users(["ada", "bob", "foreign"])
    settled(d)
    need(second.user("foreign") == before["foreign"], "nobody's", second.user("foreign"))
    ground.person("zoe")
    ground.join(group, "zoe")
    second.wait_user("zoe")
    settled(d)
    d.restart()
    settled(d)
    need(not life.operations(d), "it is this tenant's state now", life.operations(d))


def test_another_tenant_that_is_empty(t):
    """T72: also an empty tenant gets nobody before approval, neither at first nor by what comes later."""
    ground, group, first = crowd(t, ["ada", "bob"])
    second = t.simulator()
    d = life.daemon(t, ground, first, {"Agents": dict(AGENTS, group=group)}).start()
    first.wait_users(["ada", "bob"])
    settled(d)
    d.stop()
    move(t, d, second)
    plan = d.run("--dry-run", code=2)
    need("belongs to the tenant " + first.url in plan.out, "a dry run says so too", plan)
    d.start()
    wait_held(d, "other-tenant", 2, state=PARKED)
    ground.person("zoe")
    ground.join(group, "zoe")
    wait_held(d, "other-tenant", 3, state=PARKED)
    settled(d)
    need(second.writes() == [], "nobody is made", second.writes())
    d.ctl("approve", d.ctl("plan", "--json", code=2).json["hash"])
    second.wait_users(["ada", "bob", "zoe"])
    settled(d)


def test_same_tenant_in_other_letters(t):
    """T72: a slash at the end or capital letters make no other tenant."""
    ground, group, tenant = crowd(t, ["ada"])
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    tenant.wait_users(["ada"])
    settled(d)
    d.stop()
    d.configure(tenant={"url": tenant.url.upper().replace("HTTPS", "https") + "/", "scope": tenant.domain})
    d.start()
    ground.person("bob")
    ground.join(group, "bob")
    tenant.wait_users(["ada", "bob"])
    settled(d)


def test_another_scope_of_the_same_host(t):
    """T72: another scope is another tenant, in other letters it is the same; back is as before."""
    ground, group, tenant = crowd(t, ["ada", "max"])
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    tenant.wait_users(["ada", "max"])
    settled(d)
    scope = tenant.client()["scope"]
    d.stop()
    ground.leave(group, "max")
    tenant.forget_requests()
    d.configure(tenant={"scope": "other.example.net"})
    d.start()
    d.wait_log("belongs to the tenant")
    need(scope in d.log() and "scope other.example.net" in d.log(), "whose it is", d.log_tail())
    need(tenant.writes() == [], "nothing is written", tenant.writes())
    d.stop()
    d.configure(tenant={"scope": scope.upper()})
    d.start()
    d.wait_log("which is the configured one again")
    tenant.wait_user("max", disabled=True)
    settled(d)


def test_token_of_another_organisation(t):
    """T72: the secret is another organisation's of the same host, as the answer to the request for a token says: nothing is asked or written
    with that token, the account waits with an alarm, and with the right one it goes on."""
    ground, group, tenant = crowd(t, ["ada", "max"])
    d = life.daemon(t, ground, tenant, {"Agents": dict(AGENTS, group=group)}).start()
    tenant.wait_users(["ada", "max"])
    settled(d)
    scope = tenant.client()["scope"]
    other = "other." + scope.split(".", 1)[1] if "." in scope else scope
    need("." in scope, "the scope is a domain", scope)
    tenant.fault("status", status=200, count=-1, path="/configapi/v2/oauth", content_type="application/json",
                 body=json.dumps({"access_token": "theirs", "token_type": "Bearer", "expires_in": "3600", "scope": other}))
    tenant.revoke_tokens()
    tenant.forget_requests()
    ground.person("eve")
    ground.join(group, "eve")
    ground.leave(group, "max")
    wait_for(lambda: d.audit(event="alarm", code="tenant-not-authorised"), 20, "an alarm", lambda: d.audit()[-5:])
    said = d.ctl("status", code=None).out
    need(other in said and scope in said, "whose it is", said)
    need(not [r for r in tenant.requests() if r["status"] == 200 and "oauth" not in r["path"]], "nothing is taken",
         tenant.requests())
    asked = [r for r in tenant.requests() if "oauth" not in r["path"]]
    need(len(asked) <= 2, "nothing is asked with it: those are the calls that met the revoked one", asked)
    tenant.clear_faults()
    d.ctl("retry", "--all", code=None)
    tenant.wait_users(["ada", "max", "eve"], seconds=40)
    tenant.wait_user("max", disabled=True, seconds=40)
    settled(d)
    wait_for(lambda: d.audit(event="alarm-over", code="tenant-not-authorised"), 10, "over", lambda: d.audit()[-5:])
