"""Roles and classes of service of 389 Directory Server: values that it computes are read before anything follows."""

from lib import Ds389, deadline, need, wait_for
from lib.ldif import entry_ldif

QUICK = {"min": "50ms", "max": "200ms", "hold": "1s"}
OPEN = {"max_disable": "unlimited", "max_update": "unlimited"}
SUBENTRY = ["top", "LDAPsubentry"]
SIMPLE = SUBENTRY + ["nsRoleDefinition", "nsSimpleRoleDefinition"]
COMPLEX = SUBENTRY + ["nsRoleDefinition", "nsComplexRoleDefinition"]


class Site:
    """Roles of the three kinds and services of the three kinds above the people of a ground."""

    def __init__(self, t, feed, **keys):
        server = t.shared(Ds389)
        self.ground = ground = server.fresh()
        people = ground.people
        ground.persons({"ana": {}, "bob": {}, "cat": {}, "dan": {}})
        self.add("cn=managed," + people, SIMPLE + ["nsManagedRoleDefinition"], cn="managed")
        self.add("cn=filtered," + people, COMPLEX + ["nsFilteredRoleDefinition"], cn="filtered",
                 nsRoleFilter="(title=agent)")
        self.add("cn=nested," + people, COMPLEX + ["nsNestedRoleDefinition"], cn="nested",
                 nsRoleDN=["cn=managed," + people, "cn=filtered," + people])
        ground.replace("ana", nsRoleDN="cn=managed," + people)
        ground.replace("bob", title="agent")
        self.add("cn=point," + ground.dn, ["top", "cosTemplate", "extensibleObject"], cn="point", roomNumber="R1")
        self.add("cn=pointer," + people, SUBENTRY + ["cosSuperDefinition", "cosPointerDefinition"], cn="pointer",
                 cosTemplateDn="cn=point," + ground.dn, cosAttribute="roomNumber")
        self.add("cn=sales,cn=point," + ground.dn, ["top", "cosTemplate", "extensibleObject"], cn="sales",
                 departmentNumber="7")
        self.add("cn=classic," + people, SUBENTRY + ["cosSuperDefinition", "cosClassicDefinition"], cn="classic",
                 cosTemplateDn="cn=point," + ground.dn, cosSpecifier="employeeType", cosAttribute="departmentNumber")
        self.add("cn=indirect," + people, SUBENTRY + ["cosSuperDefinition", "cosIndirectDefinition"], cn="indirect",
                 cosIndirectSpecifier="manager", cosAttribute="carLicense")
        ground.replace("cat", employeeType="sales")
        server.add(entry_ldif("cn=boss," + ground.dn, {"objectClass": ["top", "person", "extensibleObject"], "cn": "boss",
                                                       "sn": "Boss", "carLicense": "C1"}))
        ground.replace("dan", manager="cn=boss," + ground.dn)
        self.tenant = t.simulator(teams=["Sales", "Marketing", "Customer Service"])
        rules = {"Role": {"when": "(nsRole=cn=nested,%s)" % people, "team": "Sales"},
                 "Service": {"when": "(&(roomNumber=R1)(departmentNumber=7))", "team": "Marketing"},
                 "Indirect": {"when": "(&(roomNumber=R1)(carLicense=C1))", "team": "Customer Service"}}
        self.daemon = t.rosterd(server, self.tenant, ground, rules=rules, retry=QUICK, guard=OPEN,
                                lifecycle={"leave_grace": "0"}, name=feed,
                                directory_keys=dict({"feed": feed, "full_interval": "0", "poll_interval": "1s"}, **keys))
        self.daemon.start()
        self.daemon.wait_status("following")
        self.all()

    def add(self, dn, classes, **attributes):
        self.ground_server().add(entry_ldif(dn, dict({"objectClass": classes}, **attributes)))

    def ground_server(self):
        return self.ground.server

    def all(self):
        for login, team in (("ana", "Sales"), ("bob", "Sales"), ("cat", "Marketing"), ("dan", "Customer Service")):
            self.tenant.wait_user(login, team=team, disabled=False)

    def disables(self):
        return sorted(row["person"]["login"] for row in self.daemon.audit(event="intent", operation="disable"))


@deadline(240)
def test_roles_and_services(t):
    """T67: managed, filtered and nested roles; pointer, classic and indirect services: a change of the person loses none,
    what the person's own change brings is found at once, what changes elsewhere by a full compare, as is said."""
    for feed in ("syncrepl", "poll"):
        site = Site(t, feed)
        ground, tenant, daemon = site.ground, site.tenant, site.daemon
        for uid in ("ana", "bob", "cat", "dan"):
            ground.replace(uid, sn="New")
            tenant.wait_user(uid, lastName="New", disabled=False)
        site.all()
        need(site.disables() == [], feed, "nobody is disabled", site.disables())
        daemon.restart()
        daemon.wait_status("following")
        # Their own changes.
        ground.persons({"eve": {}, "fay": {"employeeType": "sales"}, "gus": {"title": "agent"}})
        tenant.wait_user("gus", team="Sales")
        tenant.wait_user("fay", team="Marketing")
        ground.replace("eve", title="agent")
        tenant.wait_user("eve", team="Sales")
        ground.replace("eve", title=None, employeeType="sales")
        tenant.wait_user("eve", team="Marketing")
        ground.replace("eve", employeeType=None, manager="cn=boss," + ground.dn)
        tenant.wait_user("eve", team="Customer Service")
        ground.replace("eve", manager=None)
        tenant.wait_user("eve", disabled=True)
        ground.replace("ana", nsRoleDN=None)
        tenant.wait_user("ana", disabled=True)
        wait_for(lambda: site.disables() == ["ana", "eve"], 10, "those two, and nobody else", lambda: (feed, site.disables()))
        # What changes elsewhere.
        ground.server.replace("cn=point," + ground.dn, roomNumber="R2")
        daemon.ctl("sync")
        for uid in ("cat", "dan", "fay"):
            tenant.wait_user(uid, disabled=True)
        ground.server.replace("cn=filtered," + ground.people, nsRoleFilter="(title=agents)")
        daemon.ctl("sync")
        for uid in ("bob", "gus"):
            tenant.wait_user(uid, disabled=True)
        if feed == "syncrepl":
            check = " ".join(daemon.ctl("--config", daemon.config_file, "check", code=None).out.split())
            need("found by full compares only" in check, "check says so", check)
        daemon.stop()
