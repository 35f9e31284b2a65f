"""A company drawn at random from a seed: places, people and groups in a real directory, and days on which they
change. What a tenant should hold afterwards is worked out here, from what the directory says to its
administrator, by plain comparison of names; nothing of it is shared with rosterd."""

import random

from . import base
from .ldif import entry_ldif
from .rosterd import Lines

OPEN = {"max_disable": "unlimited", "max_update": "unlimited", "max_rename": "unlimited"}
QUICK = {"min": "50ms", "max": "200ms", "hold": "1s"}


def below(dn, ancestor):
    dn, ancestor = dn.lower(), ancestor.lower()
    return dn == ancestor or dn.endswith("," + ancestor)


class Company:
    """server: a Slapd, a Ds389 or a SambaAD. layout: how base and group_base lie to each other."""

    LAYOUTS = ("below", "above", "beside", "equal", "nested", "apart")
    SEVERAL = ("two", "overlap", "crossed", "many", "drawn")

    def __init__(self, server, seed, layout=None):
        self.server = server
        self.ad = server.kind == "samba"
        self.login = "sAMAccountName" if self.ad else "uid"
        self.nobody = [] if self.ad else ["cn=nobody," + server.base]  # a groupOfNames is never empty
        self.seed = seed
        self.random = random.Random(seed)
        self.layout = layout or self.random.choice(self.LAYOUTS + self.SEVERAL)
        self.top = "ou=co%d,%s" % (seed, server.base)
        self.made = 0
        self.units = []
        self.unit(self.top)
        self.lay_out()
        self.people = {}      # uid: DN
        self.outside = set()  # uids that were not below the bases at some time
        self.crowd = None
        self.populate()

    def __str__(self):
        return "company %d (%s): base %s, group_base %s" % (self.seed, self.layout, self.bases, self.group_bases)

    def unit(self, dn):
        self.server.add(entry_ldif(dn, {"objectClass": ["top", "organizationalUnit"],
                                        "ou": dn[3:].partition(",")[0]}))
        self.units.append(dn)
        return dn

    def lay_out(self):
        staff, other = self.unit("ou=staff," + self.top), self.unit("ou=other," + self.top)
        deep = self.unit("ou=deep," + staff)
        far = self.unit("ou=far," + other)
        roles = {
            "below": ([staff], [deep]),             # the groups in the people's base
            "above": ([deep], [staff]),             # and the other way round
            "beside": ([staff], [other]),
            "equal": ([staff], [staff]),
            "nested": ([far], [self.top]),
            "apart": ([deep], [far]),
            "two": ([staff, far], [other, deep]),
            "overlap": ([staff, deep, far], [far, other, staff]),
            "crossed": ([deep, other], [far, staff]),
            "many": ([deep, far, staff, other], [other]),
            "drawn": (self.random.sample(self.units, 2), self.random.sample(self.units, 3)),
        }
        self.bases, self.group_bases = roles[self.layout]

    def populate(self):
        home = self.random.choice(self.bases)
        for _ in range(self.random.randint(6, 14)):
            self.hire(home if self.random.random() < 0.6 else self.random.choice(self.units))
        self.inner = self.group("inner", self.some(3))
        self.crowd = self.group("crowd", self.some(5) + [self.inner])

    def directory_keys(self):
        return {"base": Lines(self.bases), "group_base": Lines(self.group_bases)}

    # --- what happens ---

    def some(self, n):
        uids = sorted(self.people)
        return [self.people[uid] for uid in self.random.sample(uids, min(n, len(uids)))]

    def group(self, name, members):
        name = "%s%d" % (name, self.seed)  # AD: unique in the domain
        dn = "cn=%s,%s" % (name, self.random.choice(self.group_bases))
        self.server.add(entry_ldif(dn, self.server.group_attributes(name, self.nobody + members)))
        return dn

    def hire(self, where=None):
        self.made += 1
        uid = "c%dp%d" % (self.seed, self.made)
        dn = "%s=%s,%s" % (self.server.person_rdn, uid, where or self.random.choice(self.units))
        rows = dict(self.server.person_attributes(uid), givenName="Given", sn=uid, mail=uid + "@example.com")
        self.server.add(entry_ldif(dn, rows))
        self.put(uid, dn)

    def put(self, uid, dn):
        self.people[uid] = dn
        if not any(below(dn, where) for where in self.bases):
            self.outside.add(uid)

    def change(self, uid):
        self.server.replace(self.people[uid], sn="S%d" % self.random.randint(0, 10 ** 6))

    def move(self, uid):
        where = self.random.choice([u for u in self.units if u != self.people[uid].partition(",")[2]])
        self.server.rename(self.people[uid], "%s=%s" % (self.server.person_rdn, uid), where)
        old = self.people[uid]
        self.put(uid, "%s=%s,%s" % (self.server.person_rdn, uid, where))
        # Whatever the server repairs by itself: in the end the groups name who they named.
        for group in (self.crowd, self.inner):
            members = self.members(group)
            if old.lower() in members:
                members = [m for m in members if m != old.lower()] + [self.people[uid]]
                self.server.replace(group, member=sorted(set(members)))

    def fire(self, uid):
        self.server.delete(self.people.pop(uid))
        self.outside.add(uid)

    def edit(self, _):
        group = self.random.choice((self.crowd, self.inner))
        nested = [self.inner] if group == self.crowd else []
        self.server.replace(group, member=self.nobody + nested + self.some(5))

    def describe(self, _):
        self.server.replace(self.random.choice((self.crowd, self.inner)), description="d%d" % self.made)

    def day(self, n=None):
        """Some changes, in any order; what was done, for people."""
        done = []
        for _ in range(n or self.random.randint(3, 9)):
            act = self.random.choice((self.change, self.change, self.change, self.move, self.move, self.fire,
                                      self.edit, self.describe, lambda _: self.hire()))
            uid = self.random.choice(sorted(self.people))
            done.append("%s %s" % (getattr(act, "__name__", "hire"), uid))
            act(uid)
        return done

    # --- what is right ---

    def members(self, dn):
        return [m.lower() for m in self.server.read(dn, "member").texts("member")]

    def right(self):
        """{uid: roles}: who has a user, and whether the crowd's role."""
        wanted = {}
        names, seen = set(), set()
        waiting = [self.crowd.lower()]
        while waiting:
            group = waiting.pop()
            if group in seen:
                continue
            seen.add(group)
            for member in self.members(group):
                names.add(member)
                if member == self.inner.lower():
                    waiting.append(member)
        for entry in self.server.search(self.server.person_filter, [self.login, "sn"], base=self.top):
            if any(below(entry.dn, where) for where in self.bases):
                wanted[entry.text(self.login)] = (entry.text("sn"), ["Supervisor"] if entry.dn.lower() in names else [])
        return wanted

    def rules(self):
        return {"All": {"when": self.server.person_filter, "team": "Sales"},
                "Crowd": {"group": self.crowd, "roles": "Supervisor"}}

    def held(self, tenant):
        """The same of the tenant."""
        return {login: (user["lastName"], sorted(set(user["roles"]) & {"Supervisor"}))
                for login, user in tenant.users().items() if not user["disabled"]}

    def check(self, tenant, daemon, done, seconds=30):
        """Waits until the tenant is right; nobody who was below the bases all the time was ever disabled."""
        right = self.right()

        def differences():
            held = self.held(tenant)
            return sorted("%s: %s, right %s" % (uid, held.get(uid), right.get(uid))
                          for uid in set(held) | set(right) if held.get(uid) != right.get(uid))
        base.wait_for(lambda: not differences(), seconds, "%s is right after %s" % (self, done),
                      lambda: (differences(), daemon.log_tail()))
        hurt = {row["person"]["login"] for row in daemon.audit(event="intent", operation="disable")} - self.outside
        base.need(not hurt, "%s: nobody was disabled who had never left" % self, hurt, done)


def follow(t, company, feed, **sections):
    tenant = t.simulator()
    keys = {"feed": feed, "poll_interval": "1s", "full_interval": "0"}
    keys.update(company.directory_keys())
    daemon = t.rosterd(company.server, tenant, None, directory_keys=keys, rules=company.rules(), retry=QUICK,
                       lifecycle={"leave_grace": "0"}, guard=OPEN, name="rosterd%d" % company.seed, **sections)
    return daemon, tenant


def day_with(daemon, company, how):
    """One day, with rosterd following, down, killed in the middle."""
    if how == "following":
        return company.day()
    if how == "killed":
        done = company.day(3)
        daemon.kill()
        done += company.day(3)
    else:
        daemon.stop()
        done = company.day()
    daemon.start()
    return done


def play(t, server, seed, layout=None, feed="syncrepl", days=3):
    """Some days of a company, compared after each."""
    company = Company(server, seed, layout)
    daemon, tenant = follow(t, company, feed)
    daemon.start()
    company.check(tenant, daemon, "the first load")
    how = random.Random(seed)
    for day in range(days):
        kind = how.choice(("following", "down", "down", "killed"))
        done = day_with(daemon, company, kind)
        company.check(tenant, daemon, (day, kind, done))
    daemon.stop()
