"""rosterd and 389 Directory Server, by content synchronisation and by polling (entryusn)."""

from lib import deadline, Ds389, estate, filters, need
from lib import company
from lib.estate import Company


def twin(t):
    """A function that makes another server with a copy of a server's data, from its backup."""
    def make(server):
        other = t.server(Ds389)
        other.stop()
        server.stop()
        server._copy(server.data + "/db/.", other.data + "/db")
        server.start()
        other.start()
        return other
    return make


def changelog(server):
    found = server.search("(changeNumber=*)", ["changeNumber"], base="cn=changelog")
    return sorted(int(entry["changenumber"][0]) for entry in found)


def test_day(t):
    """First load, a hire, changes, a rename, a leaver, a deletion, a return; subscribed and polling."""
    for feed in ("syncrepl", "poll"):
        estate.day(t, t.shared(Ds389), feed)


@deadline(180)
def test_revoked(t):
    """T64: revocations behind queued creates, within a second where it is subscribed to; polling asks each second."""
    for feed, seconds in (("syncrepl", 1), ("poll", 4)):
        estate.revoked(t, t.shared(Ds389), feed, seconds)


def test_nested(t):
    """T13: groups in groups."""
    for feed in ("syncrepl", "poll"):
        estate.nested(t, t.shared(Ds389), feed)


def test_while_down(t):
    """T20 T21 T22: what happened while rosterd was down, from the stored cookie or by a whole read."""
    estate.while_down(t, t.shared(Ds389), "syncrepl", lambda log: "full refresh" not in log)
    estate.while_down(t, t.shared(Ds389), "poll")


def test_killed_and_back(t):
    """The server dies and comes back."""
    for feed in ("syncrepl", "poll"):
        estate.killed_and_back(t, t.shared(Ds389), feed)


def test_ou_renamed(t):
    """T31: an OU is renamed with everybody in it."""
    for feed in ("syncrepl", "poll"):
        estate.ou_renamed(t, t.shared(Ds389), feed)


def test_out_and_back(t):
    """T27: out of scope, out of the base, and back."""
    for feed in ("syncrepl", "poll"):
        estate.out_and_back(t, t.shared(Ds389), feed)


def test_left_the_filter(t):
    """T27: out of [directory] filter while nobody listened, of which this server never tells."""
    for feed in ("syncrepl", "poll"):
        estate.left_the_filter(t, t.shared(Ds389), feed, "(&(objectClass=inetOrgPerson)(employeeType=agent))")


def test_tls_failures(t):
    """An unknown authority, another name, no TLS."""
    estate.tls_failures(t, t.shared(Ds389), "syncrepl")


def test_bind_failures(t):
    """T7: the password is wrong, and then right again."""
    estate.bind_failures(t, t.shared(Ds389), "syncrepl")


def test_identity(t):
    """The link is by nsUniqueId: a deleted person's login taken by another is not the same person; T33."""
    c = Company(t, t.shared(Ds389)).start()
    unique = c.server.read(c.dn("ada"), "nsUniqueId")["nsuniqueid"][0].decode().lower()
    rows = c.daemon.state_query("SELECT entry_id FROM links WHERE login = ?", c.login("ada"))
    need(rows == [(unique,)], "the link's entry", rows, unique)


def test_trimmed_changelog(t):
    """T18: the changelog was trimmed beyond the cookie, of which the server says nothing: a whole read
    finds who left."""
    c = Company(t, t.server(Ds389)).start()
    c.daemon.stop()
    c.remove("bob")
    c.hire("zoe")
    c.server.delete(*["changenumber=%d,cn=changelog" % n for n in changelog(c.server)[:-1]])
    c.server.restart()  # it reads the first number anew
    c.daemon.start()
    c.wait("bob", disabled=True)
    c.wait("zoe", team=estate.TEAM)
    c.settled()
    need("full refresh" in c.last_log() and "reaches back" in c.last_log(), "a whole read, and why", c.last_log())
    need(c.disabled() == c.logins(["bob"]), "nobody else", c.disabled())


def test_all_attributes_after_a_reconnect(t):
    """After a reconnect this server sends all attributes, asked for or not: no difference, no write."""
    c = Company(t, t.shared(Ds389)).start()
    before = c.daemon.state_query("SELECT dn, attributes FROM entries WHERE dn LIKE 'uid=%' ORDER BY dn")
    c.daemon.stop()
    for uid in c.people:
        c.replace(uid, roomNumber="17", description="not mapped")
    c.tenant.forget_requests()
    c.daemon.start()
    c.following()
    c.quiet("what is not mapped changes nothing")
    after = c.daemon.state_query("SELECT dn, attributes FROM entries WHERE dn LIKE 'uid=%' ORDER BY dn")
    need(before == after, "nor the mirror", before, after)


def test_unchanged_directory(t):
    """T20: a second and a third run (refreshOnly) on an unchanged directory; the cookie repeats."""
    c = Company(t, t.shared(Ds389))
    c.daemon.once()
    need(len(c.tenant.users()) == 3, "everybody", c.tenant.users())
    c.tenant.forget_requests()
    cookies = []
    for _ in range(3):
        c.daemon.once()
        c.quiet("nothing changed")
        cookies.append(c.daemon.state_query("SELECT cookie FROM cookie"))
    need(cookies[0] == cookies[2], "the same cookie", cookies)
    c.nobody_left()
    c.remove("bob")
    c.daemon.once()
    need(c.disabled() == c.logins(["bob"]), "one left", c.disabled())


@deadline(120)
def test_failover(t):
    """T4: the first of two servers is lost in the middle of a read."""
    estate.failover(t, t.shared(Ds389), twin(t), ("syncrepl", "poll"))


@deadline(120)
def test_big_group(t):
    """A group of 5,000 members; without the MemberOf plugin, which rosterd does not need (and which takes
    minutes for such a group)."""
    server = t.server(Ds389, entries=5000)
    with t.off_the_clock():
        server.replace("cn=MemberOf Plugin,cn=plugins,cn=config", **{"nsslapd-pluginEnabled": "off"})
        server.restart()
    estate.big_group(t, server, "syncrepl")


def test_filters(t):
    """Random filters find here whom they find there; the list of exceptions is WANTED_389."""
    server = t.shared(Ds389)
    for seed in (11, 12):
        played = filters.Round(server, server.fresh("f%d" % seed), seed, own_schema=False)
        compared, differences = played.compare_found(300, filters.WANTED_389)
        need(compared > 5000, "verdicts were compared", compared)
        need(not differences, "no difference that is not in the list", *differences[:10])


@deadline(300)
def test_random_companies(t):
    """T57: random companies and days, followed, down and killed; the tenant as a plain reading of the directory says."""
    server = t.shared(Ds389)
    for seed, layout in ((700, "below"), (701, "beside"), (702, "two")):
        company.play(t, server, seed, layout, days=2)
    company.play(t, server, 703, "overlap", feed="poll", days=2)
