"""A right lost on the members of groups hurts nobody, whatever the class of the group, on each server and feed:
members that are not shown any more are asked for before they count as removed."""

from lib import Ds389, SambaAD, Slapd, deadline, need, wait_for
from lib.access import hide
from lib.ldif import entry_ldif

QUICK = {"min": "50ms", "max": "200ms", "hold": "1s"}
OPEN = {"max_disable": "unlimited", "max_update": "unlimited"}
CLASSES = "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup))"
SAID = "not shown"


class Follower:
    """One daemon, one group that a rule names, and what must hold whatever the account may see of it."""

    def __init__(self, t, server, feed, make, **keys):
        self.t, self.server, self.ground = t, server, server.fresh()
        self.tag = self.ground.tag
        self.uids = [uid + self.tag for uid in ("ana", "bob", "cat")]
        self.ground.persons({uid: {} for uid in self.uids + ["dan" + self.tag]})
        self.group = make(self.ground, "support" + self.tag, self.uids)
        self.tenant = t.simulator()
        given = {"feed": feed, "full_interval": "0", "poll_interval": "1s"}
        if server.kind != "samba":
            given["group_filter"] = CLASSES
        elif feed == "dirsync":
            given["base"] = server.base
        given.update(keys)
        self.daemon = t.rosterd(server, self.tenant, self.ground, rules={"Support": {"group": self.group, "team": "Sales"}},
                                retry=QUICK, lifecycle={"leave_grace": "0"}, guard=OPEN, directory_keys=given)
        self.daemon.start()
        self.daemon.wait_status("following")
        self.tenant.wait_users(self.uids)

    def disables(self):
        return sorted(row["person"]["login"] for row in self.daemon.audit(event="intent", operation="disable"))

    def alarms(self):
        return self.daemon.ctl("status", "--json", code=None).out

    def sync(self):
        """A full compare, to its end."""
        before = self.daemon.log().count("full re")
        self.daemon.ctl("sync")
        wait_for(lambda: self.daemon.log().count("full re") > before, 20, "a full read", self.daemon.log)

    def moves(self, uid):
        """A change of a person gets through: all that came before was taken."""
        self.number = getattr(self, "number", 0) + 1
        name = "Later%d" % self.number
        self.ground.replace(uid, sn=name)
        self.tenant.wait_user(uid, lastName=name, disabled=False)

    def hidden(self):
        """Nobody loses anything while the members are hidden, and it is said."""
        self.sync()
        wait_for(lambda: SAID in self.alarms(), 20, "it is said", self.alarms)
        self.server.replace(self.group, description="touched")
        self.moves(self.uids[0])
        self.sync()
        self.daemon.restart()
        self.daemon.wait_status("following")
        self.sync()
        self.moves(self.uids[1])
        need(self.disables() == [], "nobody is disabled", self.disables())
        need(SAID in self.alarms(), "it is still said", self.alarms())

    def back(self, leave):
        """The right is back: who was removed leaves, nobody else, and nothing is said any more."""
        leave()
        self.sync()
        self.tenant.wait_user(self.uids[2], disabled=True)
        wait_for(lambda: SAID not in self.alarms(), 20, "it is over", self.alarms)
        self.moves(self.uids[0])
        need(self.disables() == self.uids[2:], "one left", self.disables())

    def emptied(self, empty):
        """All are really removed, and it is seen."""
        empty()
        self.sync()
        for uid in self.uids:
            self.tenant.wait_user(uid, disabled=True)
        self.daemon.stop()


def names(ground, name, uids):
    return ground.group(name, uids)


def unique_names(ground, name, uids):
    dn = ground.group_dn(name)
    ground.server.add(entry_ldif(dn, {"objectClass": ["top", "groupOfUniqueNames"], "cn": name,
                                      "uniqueMember": [ground.person_dn(uid) for uid in uids]}))
    return dn


def posix(ground, name, uids):
    dn = ground.group_dn(name)
    ground.server.add(entry_ldif(dn, {"objectClass": ["top", "posixGroup"], "cn": name, "gidNumber": "4711",
                                      "memberUid": uids}))
    return dn


MEMBER = {names: "member", unique_names: "uniqueMember", posix: "memberUid"}


def value_of(follower, make, uid):
    return uid if make is posix else follower.ground.person_dn(uid)


def remove(follower, make, *uids):
    follower.server.modify(entry_ldif(follower.group, {
        "changetype": "modify", "delete": MEMBER[make],
        MEMBER[make]: [value_of(follower, make, uid) for uid in uids]}))


def play(t, server, feed, make, dn=False, value=False, can_be_empty=True):
    f = Follower(t, server, feed, make)
    undo = hide(server, MEMBER[make], f.group if dn else None, value_of(f, make, f.uids[0]) if value else None)
    try:
        f.hidden()
    finally:
        undo()
    f.back(lambda: remove(f, make, f.uids[2]))
    if can_be_empty:
        f.emptied(lambda: remove(f, make, *f.uids[:2]))
    else:
        f.daemon.stop()


@deadline(240)
def test_slapd(t):
    """T70: OpenLDAP, groups of each class, all members hidden, of all groups or of one, by subscription and by polling."""
    server = t.server(Slapd, memberof=0)
    for feed in ("syncrepl", "poll"):
        for make in (posix, unique_names, names):
            play(t, server, feed, make, dn=make is unique_names, can_be_empty=make is posix)


@deadline(180)
def test_slapd_one_value(t):
    """T70: OpenLDAP can hide one member of several: that one is still a member, and another that was removed is not."""
    server = t.server(Slapd, memberof=0)
    for feed in ("syncrepl", "poll"):
        for make in (posix, names):
            play(t, server, feed, make, value=True, can_be_empty=False)


@deadline(300)
def test_389(t):
    """T70: 389 Directory Server, where groups may be empty: members hidden by a rule of the suffix, and by one of the
    group itself, which changes the group's own time stamp."""
    server = t.shared(Ds389)
    for feed in ("syncrepl", "poll"):
        for make, dn in ((names, False), (unique_names, True), (posix, False)):
            play(t, server, feed, make, dn=dn)


@deadline(240)
def test_samba(t):
    """T70: Active Directory answers as if hidden members were not there, but people still name their groups."""
    server = t.shared(SambaAD)
    for feed in ("dirsync", "poll"):
        f = Follower(t, server, feed, names)
        other = f.ground.group("other" + f.tag, ["dan" + f.tag])
        undo = hide(server, "member", f.group)
        try:
            f.hidden()
        finally:
            undo()
        f.back(lambda: f.ground.leave(f.group, f.uids[2]))
        # While it is hidden it is emptied: nobody names it any more, and another in their place names hers.
        undo = hide(server, "member", f.group)
        f.emptied(lambda: f.ground.leave(f.group, *f.uids[:2]))
        undo()
        server.delete(other)


@deadline(120)
def test_a_person_decides(t):
    """T70: where nothing can be known, a person says that the members were removed, and they leave."""
    server = t.server(Slapd, memberof=0)
    f = Follower(t, server, "syncrepl", posix)
    hide(server, "memberUid")
    f.hidden()
    f.daemon.ctl("retry", "--cause", "members:cn=nobody,dc=example", code=None)
    need(f.disables() == [], "another group", f.disables())
    f.daemon.ctl("retry", "--cause", "members:" + f.group)
    for uid in f.uids:
        f.tenant.wait_user(uid, disabled=True)
    wait_for(lambda: SAID not in f.alarms(), 20, "it is over", f.alarms)


@deadline(120)
def test_nested(t):
    """T70: the members of a group within the group of a rule."""
    server = t.server(Slapd, memberof=0)

    def make(ground, name, uids):
        posix(ground, "inner" + name, uids)
        inner = ground.group("within" + name, uids)
        return ground.group(name, [inner])

    f = Follower(t, server, "syncrepl", make)
    inner = f.ground.group_dn("withinsupport" + f.tag)
    undo = hide(server, "member", inner)
    f.sync()
    wait_for(lambda: inner in f.alarms(), 20, "the inner group is named", f.alarms)
    f.moves(f.uids[0])
    undo()
    f.back(lambda: f.ground.leave(inner, f.uids[2]))
