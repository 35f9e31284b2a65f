"""What a server does not say is not absent: values that it computes, members that it hides."""

from lib import Ds389, Slapd, deadline, need, wait_for
from lib.ldif import entry_ldif

QUICK = {"min": "50ms", "max": "200ms", "hold": "1s"}
OPEN = {"max_disable": "unlimited", "max_update": "unlimited"}
URLS = "(|(objectClass=groupOfNames)(objectClass=groupOfURLs))"


def follow(t, server, ground, rules, **keys):
    tenant = t.simulator()
    daemon = t.rosterd(server, tenant, ground, rules=rules, retry=QUICK, lifecycle={"leave_grace": "0"}, guard=OPEN,
                       directory_keys=dict({"feed": "syncrepl", "full_interval": "0", "poll_interval": "1s"}, **keys))
    daemon.start()
    daemon.wait_status("following")
    return daemon, tenant


def check(daemon):
    """What rosterctl check says, on one line."""
    return " ".join(daemon.ctl("--config", daemon.config_file, "check", code=None).out.split())


def disables(daemon):
    return sorted(row["person"]["login"] for row in daemon.audit(event="intent", operation="disable"))


def dynamic_group(ground, number):
    dn = "cn=dynamic,%s" % ground.groups
    ground.server.add(entry_ldif(dn, {
        "objectClass": ["top", "groupOfURLs"], "cn": "dynamic",
        "memberURL": "ldap:///%s??sub?(departmentNumber=%d)" % (ground.people, number)}))
    return dn


@deadline(120)
def test_dynamic_group(t):
    """T67: a group that dynlist expands from a memberURL: a change of the group empties nothing, and who comes to fit
    the URL, or stops to, is found within poll_interval, with each feed, also after a restart."""
    server = t.server(Slapd, dynlist=1, memberof=0)
    for feed in ("syncrepl", "poll"):
        ground = server.fresh()
        ground.persons({"ana": {"departmentNumber": "7"}, "bob": {"departmentNumber": "7"},
                        "cat": {"departmentNumber": "8"}})
        group = dynamic_group(ground, 7)
        daemon, tenant = follow(t, server, ground, {"Support": {"group": group, "team": "Sales"}}, feed=feed,
                                group_filter=URLS)
        tenant.wait_users(["ana", "bob"])
        server.replace(group, description="we help")
        ground.replace("bob", sn="Later")
        tenant.wait_user("bob", lastName="Later")
        need(disables(daemon) == [], "nobody is disabled by a description", disables(daemon))
        ground.replace("cat", departmentNumber="7")
        tenant.wait_user("cat")
        daemon.restart()
        daemon.wait_status("following")
        ground.replace("bob", departmentNumber="8")
        tenant.wait_user("bob", disabled=True)
        wait_for(lambda: disables(daemon) == ["bob"], 5, "bob alone", lambda: disables(daemon))
        daemon.stop()


@deadline(60)
def test_computed_memberof(t):
    """T67: memberOf that dynlist computes is missing in what slapd sends for a change: it is asked for, nobody is
    disabled, and it is said that its own changes are found by full compares only."""
    server = t.server(Slapd, dynlist=1, memberof=0)
    ground = server.fresh()
    ground.persons({"ana": {}, "bob": {}})
    group = ground.group("support", ["ana"])
    daemon, tenant = follow(t, server, ground, {"M": {"when": "(memberOf=%s)" % group, "team": "Sales"}})
    tenant.wait_users(["ana"])
    ground.replace("ana", title="Lead")
    daemon.wait_log("computes memberOf of .*found by full compares only")
    need("found by full compares only" in check(daemon), "check says it, too", check(daemon))
    ground.replace("ana", sn="Later")
    tenant.wait_user("ana", lastName="Later", disabled=False)
    need(disables(daemon) == [], "nobody is disabled", disables(daemon))
    server.replace(group, member=[ground.person_dn("bob")])
    daemon.ctl("sync")
    tenant.wait_user("bob")
    tenant.wait_user("ana", disabled=True)
    # Somebody new, whose memberOf is there from the first moment; also where nothing was seen to be computed yet.
    for uid in ("cat", "dan"):
        server.replace(group, member=[ground.person_dn(uid)])
        ground.person(uid)
        tenant.wait_user(uid)
        daemon.restart()
        daemon.wait_status("following")


@deadline(120)
def test_members_hidden(t):
    """T70: the account may not read member any more: a group that must have one is hidden and not empty; nobody
    loses anything, it is said, and it is over when the right is back."""
    server = t.server(Slapd, memberof=0)
    for feed in ("syncrepl", "poll"):
        ground = server.fresh()
        ground.persons({uid: {} for uid in ("ana", "bob", "cat")})
        group = ground.group("support", ["ana", "bob", "cat"])
        daemon, tenant = follow(t, server, ground, {"Support": {"group": group, "team": "Sales"}}, feed=feed)
        tenant.wait_users(["ana", "bob", "cat"])
        server.modify("dn: %s\nchangetype: modify\nadd: olcAccess\nolcAccess: {0}to attrs=member by * none\n"
                      % server.database())
        daemon.ctl("sync")
        daemon.wait_log("is not shown: those that were seen last count, and nobody loses anything")
        server.replace(group, description="touched")
        ground.replace("ana", sn=feed)
        tenant.wait_user("ana", lastName=feed, disabled=False)
        need("right to read its members" in daemon.ctl("status", "--json", code=None).out, "it is said")
        need("is not shown" in check(daemon), "check says it", check(daemon))
        server.modify("dn: %s\nchangetype: modify\ndelete: olcAccess\nolcAccess: {0}\n" % server.database())
        ground.leave(group, "cat")
        daemon.ctl("sync")
        tenant.wait_user("cat", disabled=True)
        daemon.wait_log("Over members:")
        wait_for(lambda: disables(daemon) == ["cat"], 5, "cat alone", lambda: disables(daemon))
        daemon.stop()


@deadline(120)
def test_389_does_not_follow_urls(t):
    """T67: 389 Directory Server leaves a memberURL to its clients: check says that it is not followed."""
    server = t.shared(Ds389)
    ground = server.fresh()
    ground.persons({"ana": {"departmentNumber": "7"}, "bob": {}})
    group = "cn=support," + ground.groups
    server.add(entry_ldif(group, {
        "objectClass": ["top", "groupOfUniqueNames", "groupOfURLs"], "cn": "support",
        "uniqueMember": [ground.person_dn("bob")],
        "memberURL": "ldap:///%s??sub?(departmentNumber=7)" % ground.people}))
    daemon, tenant = follow(t, server, ground, {"Support": {"group": group, "team": "Sales"}}, group_filter=URLS[:-1] +
                            "(objectClass=groupOfUniqueNames))")
    tenant.wait_users(["bob"])
    need("is dynamic, and this server does not follow its memberURL" in check(daemon), "it is said", check(daemon))
