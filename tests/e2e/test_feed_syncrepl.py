"""The syncrepl feed against slapd: what OpenLDAP does on its own, followed as it happens."""

from lib import Slapd, deadline, need, wait_for
from lib.feed import Feed


def ground_of(t, **settings):
    return t.shared(Slapd, **settings).fresh()


def start(t, ground, **options):
    feed = Feed(t, ground.server, ground, **options)
    feed.wait_following()
    return feed


def expected(ground):
    """What a plain search finds below the ground."""
    server = ground.server
    filter = "(|%s%s(objectClass=organizationalUnit))" % (server.person_filter, server.group_filter)
    return sorted(e.dn for e in server.search(filter, ["dn"], base=ground.dn))


def test_follows_changes(t):
    """Adds, changes, renames, deletes arrive while persisting; T16: a member added to a group."""
    ground = ground_of(t)
    ground.persons(["ada", "bob", "eve"])
    crowd = ground.group("crowd", ["bob"])
    feed = start(t, ground)
    first = feed.commits()[0]
    need(first["absence"] == "unseen" and first["cookie"], "a proven refresh with a cookie", first)
    need(feed.dns() == expected(ground), "everything was read", feed.dns())
    need(feed.events[-1]["feed"] == "syncrepl", "by syncrepl", feed.events[-1])
    ground.person("zoe")
    feed.wait(lambda f: f.by_dn(ground.person_dn("zoe")), "zoe")
    ground.replace("ada", sn="Lovelace")
    feed.wait(lambda f: f.by_dn(ground.person_dn("ada"))["attributes"]["sn"] == ["Lovelace"], "ada's new name")
    ground.join(crowd, "ada")
    feed.wait(lambda f: len(f.members(crowd)) == 2, "a second member")
    ground.server.rename(ground.person_dn("eve"), "uid=eva")
    feed.wait(lambda f: f.by_dn(ground.person_dn("eva")), "eve renamed")
    ground.remove("bob")
    feed.wait(lambda f: not f.by_dn(ground.person_dn("bob")), "bob gone")
    need(feed.count("vanished") == 0, "nobody vanished without a word")
    # refint removed bob from the group, of which slapd says nothing.
    feed.wait(lambda f: f.members(crowd) == [ground.person_dn("ada").lower()], "the group was read again")
    need(feed.dns() == expected(ground), "all of it", feed.dns(), expected(ground))


def test_goes_on_from_cookie(t):
    """T21, T22: what happened while away comes with the cookie, also after kill -9."""
    ground = ground_of(t)
    ground.persons(["ada", "bob", "eve"])
    feed = start(t, ground, keep="mirror")
    feed.kill()
    ground.remove("bob")
    ground.person("zoe")
    ground.server.rename(ground.person_dn("eve"), "uid=eva")
    feed = start(t, ground, keep="mirror")
    commit = feed.commits()[0]
    need(commit["absence"] == "none" and commit["entries"] == 2 and commit["gone"] == 1,
         "only what changed, from the session log", commit)
    need(feed.dns() == expected(ground), "all of it", feed.dns(), expected(ground))
    feed.stop()
    feed = start(t, ground, keep="mirror")
    commit = feed.commits()[0]
    need((commit["absence"], commit["entries"], commit["gone"]) == ("none", 0, 0), "nothing changed", commit)


def test_present_phase(t):
    """T18: slapd was restarted, its log is empty: a present phase, and the deleted are found."""
    server = t.server(Slapd)
    ground = server.fresh()
    ground.persons(["ada", "bob", "eve"])
    feed = start(t, ground, keep="mirror")
    feed.stop()
    ground.remove("bob")
    ground.replace("eve", sn="Changed")
    server.restart()
    feed = start(t, ground, keep="mirror")
    commit = feed.commits()[0]
    need(commit["absence"] == "unseen" and commit["present"] > 0, "a present phase", commit)
    need(feed.count("vanished", dn=ground.person_dn("bob")) == 1, "bob is gone")
    need(feed.dns() == expected(ground), "all of it", feed.dns(), expected(ground))


def test_provider_restarts(t):
    """The provider goes away and comes back; so does the feed, and nothing is lost."""
    server = t.server(Slapd)
    ground = server.fresh()
    ground.persons(["ada", "bob"])
    feed = start(t, ground)
    server.stop()
    feed.wait_event("status", state="away")
    server.start()
    ground.person("zoe")
    feed.wait_following()
    feed.wait(lambda f: f.dns() == expected(ground), "all of it")
    need(feed.count("vanished") == 0 and feed.count("gone") == 0, "nobody left")


def test_refresh_required(t):
    """T18: 4096 (e-syncRefreshRequired): the whole content again, nobody leaves."""
    server = t.server(Slapd, sesslog=0, reloadhint=1)
    ground = server.fresh()
    ground.persons(["ada", "bob", "eve"])
    feed = start(t, ground, keep="mirror")
    feed.stop()
    ground.remove("bob")
    feed = start(t, ground, keep="mirror")
    need(feed.count("vanished") == 1 and feed.dns() == expected(ground), "bob left, nobody else", feed.dns())


def test_foreign_cookie(t):
    """A cookie made with another filter, or on a reloaded directory, is not used."""
    ground = ground_of(t)
    ground.persons(["ada", "bob"])
    feed = start(t, ground, keep="mirror")
    feed.stop()
    feed = start(t, ground, keep="mirror", filter="(&(objectClass=person)(uid=ada))")
    commit = feed.commits()[0]
    need(commit["absence"] == "unseen" and commit["present"] == 0, "a read without cookie", commit)
    need("filter differs" in feed.errors(), "it says why", feed.errors())
    need(feed.count("vanished", dn=ground.person_dn("bob")) == 1, "bob does not match")


def test_restored_backup(t):
    """A backup is restored: the cookie is ahead of the provider (53), a full read follows."""
    server = t.server(Slapd)
    ground = server.fresh()
    ground.persons(["ada", "bob"])
    server.backup("one")
    feed = start(t, ground, keep="mirror")
    ground.person("zoe")
    feed.wait(lambda f: f.by_dn(ground.person_dn("zoe")), "zoe")
    feed.stop()
    server.restore("one")
    feed = start(t, ground, keep="mirror")
    need(feed.dns() == expected(ground), "zoe is no more", feed.dns())
    need(feed.commits()[-1]["absence"] == "unseen", "by a full read", feed.commits())


def test_renamed_ou(t):
    """T31: an OU with people is renamed: the container comes with its id, nobody leaves."""
    ground = ground_of(t)
    ground.persons(["ada", "bob"])
    feed = start(t, ground)
    people = feed.by_dn(ground.people)["id"]
    ground.server.rename(ground.people, "ou=humans")
    feed.wait(lambda f: f.entries[people]["dn"].startswith("ou=humans,"), "the OU's new name")
    need(feed.entries[people]["kind"] == "container", "as a container")
    need(feed.count("gone") == 0 and feed.count("vanished") == 0, "nobody left")


def test_ou_moved_in_and_out(t):
    """An OU with people is moved into the base and out again; slapd tells of the OU alone."""
    ground = ground_of(t)
    other = ground.server.fresh()
    other.persons(["ada", "bob"])
    ground.persons(["eve"])
    feed = start(t, ground)
    ground.server.rename(other.people, "ou=moved", ground.dn)
    feed.wait(lambda f: f.dns() == expected(ground), "the people who came with it", 30)
    need(len(feed.dns("person")) == 3, "three people", feed.dns())
    ground.server.rename("ou=moved," + ground.dn, "ou=people2", other.dn)
    feed.wait(lambda f: f.dns() == expected(ground), "the people who left with it", 30)
    need(feed.dns("person") == [ground.person_dn("eve")], "one person", feed.dns())


def test_size_limit(t):
    """T1: the account may read 5 entries only: what came is used, nobody leaves, the reason is said."""
    server = t.server(Slapd)
    ground = server.fresh()
    ground.persons(["p%02d" % n for n in range(20)])
    feed = start(t, ground, keep="mirror")
    feed.stop()
    server.modify("dn: %s\nchangetype: modify\nreplace: olcLimits\nolcLimits: dn.exact=%s size=5\n"
                  % (server.database(), server.reader_dn))
    feed = start(t, ground, keep="mirror", filter="(objectClass=inetOrgPerson)")
    first = feed.commits()[0]
    need(first["absence"] == "unproven" and "LDAP code 4" in first["reason"], "no proof", first)
    need(not first["cookie"] and first["forget"], "no cookie of half a read", first)
    need(feed.count("vanished") == 0 and len(feed.dns("person")) == 20, "nobody left", feed.dns())


def test_two_bases(t):
    """Groups outside the base are a search of their own, followed as well."""
    ground = ground_of(t)
    ground.persons(["ada", "bob"])
    crowd = ground.group("crowd", ["ada"])
    feed = Feed(t, ground.server, ground, base=ground.people, group_base=ground.groups, keep="mirror")
    feed.wait_following()
    ends = [c["end"] for c in feed.commits()]
    need(ends == [False, True], "people are judged when both are read", ends)
    ground.join(crowd, "bob")
    feed.wait(lambda f: len(f.members(crowd)) == 2, "a member of the second search")
    ground.person("zoe")
    feed.wait(lambda f: f.by_dn(ground.person_dn("zoe")), "a person of the first search")
    ground.server.rename(ground.person_dn("bob"), "uid=rob")
    feed.wait(lambda f: ground.person_dn("rob").lower() in f.members(crowd), "refint, read again")
    feed.say("full")
    feed.wait_event("commit", search=1, absence="unseen")
    need(feed.count("vanished") == 0, "nobody left")
    feed.stop()
    feed = Feed(t, ground.server, ground, base=ground.people, group_base=ground.groups, keep="mirror")
    feed.wait_following()
    need([c["absence"] for c in feed.commits()] == ["none", "none"], "both cookies are good", feed.commits())


def test_full_compare(t):
    """A full compare by request and by its interval, behind a healthy feed."""
    ground = ground_of(t)
    ground.persons(["ada", "bob"])
    feed = start(t, ground, full="2s")
    feed.say("full")
    feed.wait(lambda f: f.count("commit", absence="unseen") >= 2, "the one asked for")
    feed.wait(lambda f: f.count("commit", absence="unseen") >= 3, "the one of the interval")
    ground.person("zoe")
    feed.wait(lambda f: f.by_dn(ground.person_dn("zoe")), "changes still come")
    need(feed.count("vanished") == 0, "nobody left")


def test_once(t):
    """--once ends by itself, with and without a cookie."""
    ground = ground_of(t)
    ground.persons(["ada", "bob"])
    for absence in ("unseen", "none"):
        feed = Feed(t, ground.server, ground, keep="mirror", once=True)
        need(feed.finish()["result"] == 0, "it ended well")
        need(feed.commits()[-1]["absence"] == absence, "what it proved", feed.commits())


def test_burst(t):
    """A thousand changes in a row, with full compares in between: none is lost."""
    ground = ground_of(t)
    feed = start(t, ground, tls="ldaps")
    ground.persons(["p%03d" % n for n in range(500)])
    feed.say("full")
    ground.server.modify("".join("dn: %s\nchangetype: modify\nreplace: sn\nsn: S%d\n\n"
                                 % (ground.person_dn("p%03d" % n), n) for n in range(500)))
    feed.wait(lambda f: f.dns() == expected(ground), "all of them", 30)
    feed.wait(lambda f: all(f.by_dn(ground.person_dn("p%03d" % n))["attributes"]["sn"] == ["S%d" % n]
                            for n in range(0, 500, 7)), "their new names", 30)


def test_frozen_server(t):
    """A server that is stopped in its tracks is noticed by the heartbeat, not by TCP."""
    server = t.server(Slapd)
    ground = server.fresh()
    ground.persons(["ada"])
    feed = start(t, ground, keepalive="1s", timeout="1s")
    server.pause()
    feed.wait_event("status", state="away")
    server.resume()
    feed.wait_following()


def test_hostile_names(t):
    """T38, T39, T40: names that need escapes, options, bytes that are no text."""
    ground = ground_of(t)
    ground.person("smith, john #1", cn=["Smith, John", "Smith \u00df"], **{"cn;lang-es": "Herrero"})
    dn = ground.person("blob")
    crowd = ground.group("a*(b)\\c", ["smith, john #1", "blob"])
    feed = start(t, ground)
    need(len(feed.dns()) == len(expected(ground)), "all of them", feed.dns(), expected(ground))
    entry = [e for e in feed.entries.values() if e["kind"] == "person" and "smith" in e["dn"].lower()][0]
    need(sorted(entry["attributes"]["cn"]) == ["Smith \u00df", "Smith, John"], "values", entry)
    need(entry["attributes"]["cn;lang-es"] == ["Herrero"], "options are kept apart", entry)
    group = [e for e in feed.entries.values() if e["kind"] == "group"][0]
    need(len(group["members"]) == 2, "both members", group, dn, crowd)
