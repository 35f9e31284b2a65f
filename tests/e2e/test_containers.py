"""Containers are whatever has entries below it, of any class: renamed, moved, moved away and deleted with all below."""

from lib import Ds389, SambaAD, Slapd, deadline, need, wait_for
from lib.ldif import entry_ldif

OPEN = {"max_disable": "unlimited", "max_update": "unlimited", "max_rename": "unlimited"}
QUICK = {"min": "50ms", "max": "200ms", "hold": "1s"}

# RDN and classes of what people lie below; none is in a list of ours but the last.
KINDS = {
    "device": ("cn=", {"objectClass": ["top", "device"]}),
    "process": ("cn=", {"objectClass": ["top", "applicationProcess"]}),
    "role": ("cn=", {"objectClass": ["top", "organizationalRole"]}),
    "person": ("cn=", {"objectClass": ["top", "person"], "sn": "A Place"}),
    "group": ("cn=", {"objectClass": ["top", "groupOfNames"], "member": ["cn=nobody"]}),
    "unit": ("ou=", {"objectClass": ["top", "organizationalUnit"]}),
}


def make(server, kind, parent, name):
    rdn, classes = KINDS[kind]
    dn = "%s%s,%s" % (rdn, name, parent)
    server.add(entry_ldif(dn, dict(classes, **{rdn[:-1]: name})))
    return dn


def put(ground, uid, where):
    dn = "uid=%s,%s" % (uid, where)
    rows = dict(ground.server.person_attributes(uid), givenName="G", sn=uid, mail=uid + "@example.com")
    ground.server.add(entry_ldif(dn, rows))
    return dn


def active(tenant):
    return sorted(login for login, user in tenant.users().items() if not user["disabled"])


def wait_active(daemon, tenant, logins, what, seconds=20):
    wait_for(lambda: active(tenant) == sorted(logins), seconds, what, lambda: (active(tenant), daemon.log_tail()))


def follow(t, server, base, rules, feed, **keys):
    tenant = t.simulator()
    daemon = t.rosterd(server, tenant, None, rules=rules, guard=OPEN, retry=QUICK, lifecycle={"leave_grace": "0"},
                       directory_keys=dict({"base": base, "feed": feed, "poll_interval": "1s", "full_interval": "0"},
                                           **keys))
    return daemon, tenant


def disables(daemon):
    return sorted(row["person"]["login"] for row in daemon.audit(event="intent", operation="disable"))


def wait_disables(daemon, logins):
    """The audit file follows the tenant by some milliseconds."""
    wait_for(lambda: disables(daemon) == logins, 5, "these were disabled and nobody else: %s" % logins,
             lambda: disables(daemon))


def life_of_a_container(t, server, kind, feed="syncrepl", away=False):
    """With people in it: renamed with its group repaired by hand, moved within, moved out, moved in, emptied."""
    ground, other = server.fresh(), server.fresh()
    if kind == "made later":
        kind, later = "device", True
    else:
        later = False
    place = None if later else make(server, kind, ground.people, "place")
    ana = None if later else put(ground, "ana", place)
    put(ground, "eve", ground.people)
    crowd = ground.group("crowd", [ground.person_dn("eve")] + ([ana] if ana else []))
    rules = {"Crowd": {"group": crowd, "team": "Sales"}}
    daemon, tenant = follow(t, server, ground.dn, rules, feed)
    daemon.start()
    if later:
        daemon.wait_status("following")
        place = make(server, kind, ground.people, "place")
        ana = put(ground, "ana", place)
        ground.join(crowd, ana)
    wait_active(daemon, tenant, ["ana", "eve"], "both")
    daemon.wait_status("following")

    def step(act):
        if away:
            daemon.stop()
        act()
        if away:
            daemon.start()
            daemon.wait_status("following")

    rdn = KINDS[kind][0]

    def name_anew(old, new):
        members = [m for m in server.read(crowd, "member").texts("member") if not m.startswith("uid=ana,")]
        server.replace(crowd, member=members + ["uid=ana," + new])

    def rename():
        server.rename(place, rdn + "renamed")
        name_anew(place, rdn + "renamed," + ground.people)
    step(rename)
    place = rdn + "renamed," + ground.people
    # Something later that is certain to be seen after it.
    ground.replace("eve", sn="Later")
    tenant.wait_user("eve", lastName="Later")
    ground.server.replace("uid=ana," + place, sn="Renamed")
    tenant.wait_user("ana", lastName="Renamed", disabled=False)
    need(disables(daemon) == [], "nobody was disabled by a new name", disables(daemon))

    def within():
        server.rename(place, rdn + "within", ground.groups)
        name_anew(place, rdn + "within," + ground.groups)
    step(within)
    place = rdn + "within," + ground.groups
    ground.server.replace("uid=ana," + place, sn="Within")
    tenant.wait_user("ana", lastName="Within", disabled=False)
    need(disables(daemon) == [], "nor by another place", disables(daemon))

    step(lambda: server.rename(place, rdn + "within", other.dn))
    wait_active(daemon, tenant, ["eve"], "who was moved away with the place leaves")
    wait_disables(daemon, ["ana"])

    def back():
        server.rename(rdn + "within," + other.dn, rdn + "back", ground.people)
        name_anew(None, rdn + "back," + ground.people)
    step(back)
    place = rdn + "back," + ground.people
    wait_active(daemon, tenant, ["ana", "eve"], "who came back with it is back")
    step(lambda: server.delete("uid=ana," + place, place))
    wait_active(daemon, tenant, ["eve"], "who was deleted with it leaves")
    wait_disables(daemon, ["ana", "ana"])
    daemon.stop()


@deadline(240)
def test_containers(t):
    """T68 T31: containers of any class, also a person and a group, also one that was made while rosterd followed."""
    server = t.server(Slapd, memberof=0)
    for kind in list(KINDS) + ["made later"]:
        life_of_a_container(t, server, kind)


@deadline(240)
def test_containers_while_away(t):
    """T68: the same while rosterd is down, with a session log and without."""
    for settings in ({"sesslog": 1000}, {"sesslog": 0}):
        server = t.server(Slapd, memberof=0, **settings)
        for kind in ("device", "unit", "group"):
            life_of_a_container(t, server, kind, away=True)


@deadline(240)
def test_containers_389(t):
    """T68: the same on 389 Directory Server."""
    server = t.shared(Ds389)
    for kind in ("device", "unit", "made later"):
        life_of_a_container(t, server, kind)


@deadline(60)
def test_no_person_for_having_children(t):
    """T68: an entry that the people's filter does not select is no person for having somebody below it, and one that
    it selects stays one."""
    server = t.server(Slapd)
    ground = server.fresh()
    boss = put(ground, "boss", ground.people)
    put(ground, "temp", boss)
    outer = put(ground, "outer", ground.people)
    server.replace(outer, employeeType="none")
    put(ground, "inner", outer)
    daemon, tenant = follow(t, server, ground.dn, {"All": {"team": "Sales"}}, "syncrepl",
                            filter="(&(objectClass=inetOrgPerson)(!(employeeType=none)))")
    daemon.start()
    tenant.wait_users(["boss", "temp", "inner"])
    server.rename(boss, "uid=chef")
    tenant.wait_user("chef")
    server.replace("uid=temp,uid=chef," + ground.people, sn="New")
    tenant.wait_user("temp", lastName="New")
    need(disables(daemon) == [], "nobody left", disables(daemon))


AD_KINDS = {"unit": ("OU=", "organizationalUnit"), "container": ("CN=", "container")}


def life_on_samba(t, server, kind, feed, away):
    """The same where the server repairs groups by itself: two people and a group in a place within a place."""
    ground, other = server.fresh(), server.fresh()
    rdn, classes = AD_KINDS[kind]
    ana, bob, eve = (uid + ground.tag for uid in ("ana", "bob", "eve"))
    place = "%splace,%s" % (rdn, ground.people)
    for dn in (place, "%sinner,%s" % (rdn, place)):
        server.add(entry_ldif(dn, {"objectClass": classes}))
    ground.person(ana, dn="CN=%s,%s" % (ana, place))
    ground.person(bob, dn="CN=%s,%sinner,%s" % (bob, rdn, place))
    ground.person(eve)
    nested = ground.group("nested" + ground.tag, ["CN=%s,%sinner,%s" % (bob, rdn, place)],
                          dn="CN=nested%s,%s" % (ground.tag, place))
    crowd = ground.group("crowd" + ground.tag, ["CN=%s,%s" % (ana, place), nested, ground.person_dn(eve)])
    daemon, tenant = follow(t, server, ground.dn, {"Crowd": {"group": crowd, "team": "Sales"}}, feed)
    daemon.start()
    wait_active(daemon, tenant, [ana, bob, eve], "all three")
    daemon.wait_status("following")

    def step(act):
        if away:
            daemon.stop()
        act()
        if away:
            daemon.start()
            daemon.wait_status("following")

    def stays(where, name):
        for dn, login in (("CN=%s,%s" % (ana, where), ana), ("CN=%s,%sinner,%s" % (bob, rdn, where), bob)):
            server.replace(dn, sn=name)
            tenant.wait_user(login, lastName=name, disabled=False)
        need(disables(daemon) == [], kind, feed, "nobody is disabled: " + name, disables(daemon))

    step(lambda: server.rename(place, rdn + "renamed"))
    stays(rdn + "renamed," + ground.people, "Renamed")
    step(lambda: server.rename(rdn + "renamed," + ground.people, rdn + "within", ground.groups))
    stays(rdn + "within," + ground.groups, "Within")
    step(lambda: server.rename(rdn + "within," + ground.groups, rdn + "within", other.people))
    # The nested group is out of sight as well.
    wait_active(daemon, tenant, [eve], "who was moved away with the place leaves", 40)
    wait_disables(daemon, [ana, bob])
    step(lambda: server.rename(rdn + "within," + other.people, rdn + "back", ground.people))
    wait_active(daemon, tenant, [ana, bob, eve], "who came back with it is back", 40)
    step(lambda: server.tool("ldapdelete", "-r", rdn + "back," + ground.people))
    wait_active(daemon, tenant, [eve], "who was deleted with it leaves", 40)
    wait_disables(daemon, [ana, ana, bob, bob])
    daemon.stop()


@deadline(400)
def test_containers_samba(t):
    """T68: Active Directory, by DirSync and by polling, followed and while rosterd is down."""
    server = t.shared(SambaAD)
    for feed in ("dirsync", "poll"):
        for kind, away in (("unit", False), ("container", True)):
            life_on_samba(t, server, kind, feed, away)
