"""The poll feed against slapd: whole reads, reads of changes between them, what they miss."""

from lib import ScriptedServer, Slapd, deadline, need
from lib.feed import Feed


def start(t, ground, **options):
    options.setdefault("poll", "300ms")
    feed = Feed(t, ground.server, ground, feed="poll", **options)
    feed.wait_following()
    return feed


def test_deltas(t):
    """T16, T28: changes come by entryCSN, groups included; the same second is not lost."""
    ground = t.shared(Slapd).fresh()
    ground.persons(["ada", "bob"])
    crowd = ground.group("crowd", ["ada"])
    feed = start(t, ground)
    need(feed.commits()[0]["absence"] == "unseen", "a whole read first", feed.commits())
    ground.person("zoe")
    feed.wait(lambda f: f.by_dn(ground.person_dn("zoe")), "zoe")
    ground.join(crowd, "zoe")
    feed.wait(lambda f: len(f.members(crowd)) == 2, "the group")
    for n in range(3):
        ground.replace("ada", sn="S%d" % n)
    feed.wait(lambda f: f.by_dn(ground.person_dn("ada"))["attributes"]["sn"] == ["S2"], "the last of three writes")
    need(feed.count("commit", absence="unseen") == 1, "all by reads of changes")


def test_full_interval(t):
    """T27: what reads of changes never see (deleted, moved away) is found by the next whole read."""
    ground = t.shared(Slapd).fresh()
    other = t.shared(Slapd).fresh()
    ground.persons(["ada", "bob", "eve"])
    feed = start(t, ground, full="1s")
    ground.remove("bob")
    ground.server.rename(ground.person_dn("eve"), "uid=eve", other.people)
    feed.wait(lambda f: f.dns("person") == [ground.person_dn("ada")], "only ada is left")
    need(feed.count("vanished") == 2, "both by a whole read")


def test_full_interval_over_connections(t):
    """T27: connections that end more often than full_interval do not put the whole read off for ever."""
    server = t.server(ScriptedServer)
    server.people(5)
    feed = Feed(t, server, tls="no", feed="syncrepl", full="4s")
    feed.wait_following()
    for _ in range(12):
        if feed.count("commit", absence="unseen") > 1:
            return
        server.cut_all()
        feed.wait_following()
    need(False, "everything was read again", feed.commits())


def test_roll_call(t):
    """T27: long before the next whole read, a roll call finds who is no more, and who came unseen."""
    ground = t.shared(Slapd).fresh()
    other = t.shared(Slapd).fresh()
    ground.persons(["ada", "bob"])
    other.persons(["zoe"])
    feed = start(t, ground, poll="100ms", full="1h")
    ground.remove("bob")
    ground.server.rename(other.people, "ou=moved", ground.dn)
    feed.wait(lambda f: [dn.split(",")[0] for dn in f.dns("person")] == ["uid=ada", "uid=zoe"], "who is there now")
    need(feed.count("vanished") == 1, "bob did not answer", feed.events[-5:])


def test_renamed_member(t):
    """A member is renamed; refint repairs the group in silence: it is read again."""
    ground = t.shared(Slapd).fresh()
    ground.persons(["ada", "bob"])
    crowd = ground.group("crowd", ["ada", "bob"])
    feed = start(t, ground)
    ground.server.rename(ground.person_dn("bob"), "uid=rob")
    feed.wait(lambda f: ground.person_dn("rob").lower() in f.members(crowd), "the group was read again")


def test_connections(t):
    """Plain with tls = no, StartTLS, LDAPS, and a Unix socket with EXTERNAL."""
    server = t.shared(Slapd, entries=50)
    for tls in ("no", "starttls", "ldaps"):
        feed = Feed(t, server, tls=tls, feed="poll", once=True)
        need(feed.finish()["result"] == 0 and len(feed.dns("person")) == 50, "read by " + tls)
    feed = Feed(t, server, uri=server.ldapi_uri, bind="external", bind_dn=None, password_file=None, once=True)
    need(feed.finish()["result"] == 0 and len(feed.dns("person")) == 50, "read by ldapi")


def test_paged_and_whole(t):
    """Pages smaller than the directory; paging = no."""
    server = t.shared(Slapd, entries=50)
    for options in ({"page_size": 7}, {"no_paging": True}):
        feed = Feed(t, server, feed="poll", once=True, **options)
        need(feed.finish()["result"] == 0 and len(feed.dns("person")) == 50, "read", options)


def test_unknown_authority(t):
    """A certificate of an unknown authority is refused, whatever the environment says."""
    import os
    server = t.shared(Slapd, entries=50)
    os.environ["LDAPTLS_REQCERT"] = "never"
    try:
        feed = Feed(t, server, ca="/etc/ssl/certs/ca-certificates.crt", once=True)
        need(feed.finish()["result"] < 0, "refused")
    finally:
        del os.environ["LDAPTLS_REQCERT"]


def test_missing_base(t):
    """A base that is not there (any more): nobody leaves."""
    ground = t.shared(Slapd).fresh()
    ground.persons(["ada"])
    feed = Feed(t, ground.server, ground, feed="poll", keep="mirror", once=True)
    feed.finish()
    ground.server.rename(ground.dn, "ou=elsewhere-" + ground.tag)
    feed = Feed(t, ground.server, ground, feed="poll", keep="mirror", once=True)
    feed.finish()
    commit = feed.commits()[-1]
    need(commit["absence"] == "unproven" and feed.dns("person"), "no proof", commit)
