"""The dirsync feed against Samba's Active Directory, and what it falls back to."""

from lib import SambaAD, ScriptedServer, deadline, need, wait_for
from lib.feed import Feed


def ground_of(t, **settings):
    return t.shared(SambaAD, **settings).fresh()


ADMINISTRATOR = {"bind_dn": "CN=Administrator,CN=Users,DC=ad,DC=lab,DC=test"}


def low(*dns):
    return sorted(dn.lower() for dn in dns)


def people(feed):
    return low(*feed.dns("person"))


def start(t, ground, feed="auto", **options):
    options.setdefault("attribute", ["cn", "sn", "mail", "sAMAccountName", "userAccountControl"])
    options.setdefault("poll", "1h")
    feed = Feed(t, ground.server, ground, feed=feed, **options)
    feed.wait_following()
    return feed


def expected(ground):
    server = ground.server
    filter = "(|%s%s(objectClass=organizationalUnit))" % (server.person_filter, server.group_filter)
    return sorted(e.dn for e in server.search(filter, ["dn"], base=ground.dn))


def same(feed, ground):
    return [dn.lower() for dn in feed.dns()] == sorted(dn.lower() for dn in expected(ground))


def test_follows_changes(t):
    """Woken by change notification: adds, changes, renames, deletes; ids are objectGUID in text."""
    ground = ground_of(t)
    ada, bob, eve = (name + ground.tag for name in ("ada", "bob", "eve"))
    ground.persons([ada, bob, eve])
    crowd = ground.group("crowd" + ground.tag, [ada, bob])
    feed = start(t, ground, **ADMINISTRATOR)
    need(feed.events[-1]["feed"] == "dirsync", "by DirSync", feed.events[-1])
    first = feed.commits()[0]
    need(first["absence"] == "unseen" and first["cookie"], "a proven read with a cookie", first)
    need(same(feed, ground), "everything", feed.dns(), expected(ground))
    zoe = "zoe" + ground.tag
    ground.person(zoe)
    feed.wait(lambda f: f.by_dn(ground.person_dn(zoe)), "zoe")
    ground.replace(ada, sn="Lovelace")
    feed.wait(lambda f: f.by_dn(ground.person_dn(ada))["attributes"]["sn"] == ["Lovelace"], "ada's new name")
    ground.replace(ada, userAccountControl="546")
    feed.wait(lambda f: f.by_dn(ground.person_dn(ada))["attributes"]["userAccountControl"] == ["546"], "disabled")
    ground.join(crowd, eve)
    feed.wait(lambda f: len(f.members(crowd)) == 3, "a member more")
    ground.leave(crowd, bob)
    feed.wait(lambda f: len(f.members(crowd)) == 2, "a member less")
    need(feed.count("members") >= 2, "as differences", feed.events[-3:])
    ground.server.rename(ground.person_dn(eve), "CN=eva" + ground.tag)
    feed.wait(lambda f: f.by_dn(ground.person_dn("eva" + ground.tag)), "eve renamed")
    feed.wait(lambda f: ground.person_dn("eva" + ground.tag).lower() in f.members(crowd), "in her group as well")
    ground.remove(ada)
    feed.wait(lambda f: not f.by_dn(ground.person_dn(ada)), "ada gone")
    feed.wait(lambda f: f.members(crowd) == [ground.person_dn("eva" + ground.tag).lower()], "from the group too")
    need(same(feed, ground), "all of it", feed.dns(), expected(ground))


def test_goes_on_from_cookie(t):
    """What happened while away, deletes included, comes with the cookie (T26)."""
    ground = ground_of(t)
    ada, bob, eve = (name + ground.tag for name in ("ada", "bob", "eve"))
    ground.persons([ada, bob, eve])
    crowd = ground.group("crowd" + ground.tag, [ada, bob])
    feed = start(t, ground, keep="mirror", **ADMINISTRATOR)
    feed.kill()
    ground.remove(bob)
    ground.replace(eve, mail=None)
    ground.join(crowd, eve)
    feed = start(t, ground, keep="mirror", **ADMINISTRATOR)
    need(feed.count("vanished") == 0 and feed.count("gone") == 1, "bob was reported", feed.events)
    commit = feed.commits()[0]
    need(commit["absence"] == "none", "from the cookie", commit)
    need(same(feed, ground), "all of it", feed.dns(), expected(ground))
    need("mail" not in feed.by_dn(ground.person_dn(eve))["attributes"], "the removed attribute")
    need(feed.members(crowd) == sorted(ground.person_dn(u).lower() for u in (ada, eve)), "the group", feed.members(crowd))


def test_ordinary_reader(t):
    """An account that sees no tombstones: who was deleted does not answer the roll call."""
    ground = ground_of(t)
    ada, bob = "ada" + ground.tag, "bob" + ground.tag
    ground.persons([ada, bob])
    crowd = ground.group("crowd" + ground.tag, [ada, bob])
    feed = start(t, ground, keep="mirror", poll="200ms")
    need("no deleted objects" in feed.errors(), "it says so", feed.errors())
    ground.remove(bob)
    feed.wait(lambda f: people(f) == low(ground.person_dn(ada)), "bob did not answer")
    feed.wait(lambda f: f.members(crowd) == low(ground.person_dn(ada)), "his group was read again")
    feed.stop()
    ground.remove(ada)
    feed = start(t, ground, keep="mirror", poll="1h")
    need(people(feed) == [] and [c["absence"] for c in feed.commits()][:2] == ["none", "unseen"], "at once after a start",
         feed.commits())


def test_moves(t):
    """Moved out of the base and in again, one by one and with their OU."""
    ground = ground_of(t)
    other = ground.server.fresh()
    ada, bob = "ada" + ground.tag, "bob" + ground.tag
    ground.persons([ada])
    other.persons([bob])
    feed = start(t, ground)
    ident = feed.by_dn(ground.person_dn(ada))["id"]
    ground.server.rename(ground.person_dn(ada), "CN=" + ada, other.people)
    feed.wait(lambda f: not f.dns("person"), "ada moved out")
    ground.server.rename(other.person_dn(ada), "CN=" + ada, ground.people)
    feed.wait(lambda f: f.entries.get(ident), "ada moved in")
    ground.server.rename(other.people, "OU=moved", ground.dn)
    feed.wait(lambda f: len(f.dns("person")) == 2, "bob came with his OU", 30)
    ground.server.rename("OU=moved," + ground.dn, "OU=people", other.dn)
    feed.wait(lambda f: len(f.dns("person")) == 1, "and left with it", 30)


def test_filter(t):
    """An entry that stops to match the configured filter is gone, also while away."""
    ground = ground_of(t)
    ada, bob = "ada" + ground.tag, "bob" + ground.tag
    ground.persons([ada, bob])
    options = {"filter": "(&(objectClass=user)(mail=*))", "keep": "mirror"}
    feed = start(t, ground, **options)
    ground.replace(ada, mail=None)
    feed.wait(lambda f: len(f.dns("person")) == 1, "ada left")
    feed.stop()
    ground.replace(bob, mail=None)
    ground.replace(ada, mail="ada@example.com")
    feed = start(t, ground, **options)
    feed.wait(lambda f: people(f) == low(ground.person_dn(ada)), "the other way round")


def test_primary_group(t):
    """T15: the primary group, by its RID."""
    ground = ground_of(t)
    ground.persons(["ada" + ground.tag])
    feed = Feed(t, ground.server, feed="dirsync", once=True)
    feed.finish()
    ada = [e for e in feed.entries.values() if e["dn"].startswith("CN=ada" + ground.tag)][0]
    users = [e for e in feed.entries.values() if e["dn"].startswith("CN=Domain Users,")][0]
    need(ada["primary"] == "513" and "513" in users["members"].values(), "RID 513", ada, users)
    need(not [e for e in feed.entries.values() if "Domain Controllers,DC=" in e["dn"] and e["kind"] == "person"],
         "no computers")
    need(feed.compared()["absence"] == "unseen", "AD's own partitions are no missing part", feed.commits())


def test_password_change_is_silent(t):
    """What is not mapped makes no event: a password change."""
    ground = ground_of(t)
    ada, bob = "ada" + ground.tag, "bob" + ground.tag
    ground.persons([ada, bob])
    feed = start(t, ground)
    ground.replace(ada, description="not mapped")
    ground.replace(bob, sn="Mapped")
    feed.wait(lambda f: f.by_dn(ground.person_dn(bob))["attributes"]["sn"] == ["Mapped"], "bob")
    need(len([e for e in feed.events if e.get("dn", "").lower() == ground.person_dn(ada).lower()]) == 1, "ada was read once")


@deadline(120)
def test_restored_controller(t):
    """T24: the controller is restored from a backup: its USN is behind, a full read follows."""
    server = t.server(SambaAD)
    ground = server.fresh()
    ground.persons(["ada"])
    server.backup("one")
    feed = start(t, ground, keep="mirror")
    # Samba counts on by itself while it starts again: enough must have happened that it is behind all the same.
    ground.persons([f"later{i}" for i in range(40)])
    feed.wait(lambda f: len(f.dns("person")) == 41, "all")
    feed.stop()
    server.restore("one")
    feed = start(t, ground, keep="mirror")
    need("gone back in time" in feed.errors(), "it is noticed", feed.errors())
    need(feed.commits()[0]["absence"] == "unseen" and people(feed) == low(ground.person_dn("ada")), "all is read",
         feed.commits(), feed.dns())


def test_polls_usn(t):
    """Polling by uSNChanged: changes, and deletes as far as the account may see them."""
    ground = ground_of(t)
    ada, bob = "ada" + ground.tag, "bob" + ground.tag
    ground.persons([ada, bob])
    crowd = ground.group("crowd" + ground.tag, [ada])
    feed = start(t, ground, feed="poll", poll="300ms", full="3s")
    ground.join(crowd, bob)
    feed.wait(lambda f: len(f.members(crowd)) == 2, "a member")
    ground.replace(ada, sn="Lovelace")
    feed.wait(lambda f: f.by_dn(ground.person_dn(ada))["attributes"]["sn"] == ["Lovelace"], "a change")
    ground.remove(bob)
    feed.wait(lambda f: not f.by_dn(ground.person_dn(bob)), "a delete")


def test_falls_back(t):
    """T25: DirSync is not allowed (50): polling by uSNChanged, and it says why."""
    server = t.server(ScriptedServer, flavor="ad")
    server.people(5)
    feed = Feed(t, server, tls="no", keep="mirror", poll="200ms")
    status = feed.wait_following()
    need(status["feed"] == "poll" and "DirSync" in status["why"], "why", status)
    dn = server.person("zoe")
    feed.wait(lambda f: f.by_dn(dn), "and it polls")


def test_other_controller(t):
    """T23: another controller (invocationId) answers: the cookie is not used."""
    ground = ground_of(t)
    ground.persons(["ada" + ground.tag])
    feed = start(t, ground, keep="mirror")
    feed.stop()
    import json
    with open(t.path("mirror"), encoding="utf-8") as text:
        kept = json.load(text)
    identity = json.loads(kept["cookies"]["0"]["identity"])
    identity["invocation"] = "00000000-0000-0000-0000-000000000001"
    kept["cookies"]["0"]["identity"] = json.dumps(identity)
    t.write("mirror", json.dumps(kept))
    feed = start(t, ground, keep="mirror")
    need("invocation differs" in feed.errors(), "it is noticed", feed.errors())
    need(feed.commits()[0]["absence"] == "unseen", "all is read", feed.commits())
