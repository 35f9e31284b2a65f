"""Feeds against 389 Directory Server: content synchronisation and polling by entryusn."""

from lib import Ds389, deadline, need
from lib.feed import Feed


def start(t, ground, feed="syncrepl", **options):
    feed = Feed(t, ground.server, ground, feed=feed, **options)
    feed.wait_following()
    return feed


def expected(ground):
    server = ground.server
    filter = "(|%s%s(objectClass=organizationalUnit))" % (server.person_filter, server.group_filter)
    return sorted(e.dn for e in server.search(filter, ["dn"], base=ground.dn))


def test_follows_changes(t):
    """Adds, changes, renames and deletes while persisting; ids are nsUniqueId in text."""
    ground = t.shared(Ds389).fresh()
    ground.persons(["ada", "bob", "eve"])
    crowd = ground.group("crowd", ["ada", "bob"])
    feed = start(t, ground, feed="auto")
    need(feed.events[-1]["feed"] == "syncrepl" and "389" in feed.events[-1]["product"], "by syncrepl", feed.events[-1])
    need(feed.dns() == expected(ground), "everything", feed.dns(), expected(ground))
    unique = ground.server.read(ground.person_dn("ada"), "nsUniqueId")["nsuniqueid"][0]
    need(feed.by_dn(ground.person_dn("ada"))["id"] == unique.decode().lower(), "the id", unique)
    ground.person("zoe")
    ground.join(crowd, "eve")
    ground.server.rename(ground.person_dn("eve"), "uid=eva")
    ground.remove("bob")
    feed.wait(lambda f: f.dns() == expected(ground), "all of it")
    feed.wait(lambda f: f.members(crowd) == sorted(ground.person_dn(u).lower() for u in ("ada", "eva")), "the group")
    need(feed.by_dn(ground.person_dn("zoe"))["id"] ==
         ground.server.read(ground.person_dn("zoe"), "nsUniqueId")["nsuniqueid"][0].decode().lower(), "one id in both ways")


def test_goes_on_from_cookie(t):
    """T20: a second run on an unchanged directory deletes nothing; changes while away come."""
    ground = t.shared(Ds389).fresh()
    ground.persons(["ada", "bob", "eve"])
    for n in range(2):
        feed = Feed(t, ground.server, ground, keep="mirror", once=True)
        feed.finish()
        need(feed.count("vanished") == 0 and feed.count("gone") == 0, "nobody left", feed.events)
        need(feed.commits()[-1]["absence"] != "unproven", "and it is proven", feed.commits())
    need(feed.commits()[-1]["entries"] == 0, "the cookie was good", feed.commits())
    ground.remove("bob")
    ground.person("zoe")
    feed = start(t, ground, keep="mirror")
    need(feed.commits()[0]["absence"] == "none", "from the changelog", feed.commits())
    feed.wait(lambda f: f.dns() == expected(ground), "all of it")
    feed.stop()
    ground.server.restart()
    ground.remove("eve")
    feed = start(t, ground, keep="mirror")
    feed.wait(lambda f: f.dns() == expected(ground), "all of it after a restart")


def test_trimmed_changelog(t):
    """A changelog trimmed beyond the cookie is not noticed by the server: a full read instead."""
    server = t.server(Ds389)
    ground = server.fresh()
    ground.persons(["ada", "bob", "eve"])
    feed = start(t, ground, keep="mirror")
    feed.stop()
    ground.remove("bob")
    ground.replace("ada", sn="Changed")
    numbers = sorted(int(e["changenumber"][0]) for e in server.search("(changeNumber=*)", ["changeNumber"], base="cn=changelog"))
    server.delete(*["changenumber=%d,cn=changelog" % n for n in numbers[:-1]])
    server.restart()  # it reads the first number anew
    feed = start(t, ground, keep="mirror")
    need(feed.commits()[0]["absence"] == "unseen", "a full read", feed.commits(), feed.errors())
    need(feed.dns() == expected(ground), "bob is gone", feed.dns())
    need("reaches back" in feed.errors(), "and why", feed.errors())


def test_polls(t):
    """Reads of changes by entryusn."""
    ground = t.shared(Ds389).fresh()
    ground.persons(["ada", "bob"])
    crowd = ground.group("crowd", ["ada"])
    feed = start(t, ground, feed="poll", poll="300ms")
    feed.wait(lambda f: f.count("commit", absence="unseen") == 1, "the first read")
    ground.person("zoe")
    ground.join(crowd, "zoe")
    ground.replace("ada", sn="Changed")
    feed.wait(lambda f: f.dns() == expected(ground), "zoe")
    feed.wait(lambda f: len(f.members(crowd)) == 2, "the group")
    feed.wait(lambda f: f.by_dn(ground.person_dn("ada"))["attributes"]["sn"] == ["Changed"], "ada")
    need(feed.count("commit", absence="unseen") == 1, "by reads of changes", feed.commits())
    need(not feed.commits()[-1]["what"].startswith("full"), "not by whole reads", feed.commits()[-1])
