"""rosterd and OpenLDAP, by subscription and by polling: what an enterprise's directory does."""

from lib import Slapd, deadline, estate


def twin(t):
    """A function that makes another slapd with a copy of a server's data, from its backup."""
    def make(server):
        other = t.server(Slapd)
        other.stop()
        server.stop()
        server._copy(server.data + "/db/.", other.data + "/db")
        server.start()
        other.start()
        return other
    return make


def test_day(t):
    """First load, a hire, changes, a rename, a leaver, a deletion, a return; subscribed and polling."""
    for feed in ("syncrepl", "poll"):
        estate.day(t, t.shared(Slapd), feed)


def test_nested(t):
    """T13: groups in groups."""
    for feed in ("syncrepl", "poll"):
        estate.nested(t, t.shared(Slapd), feed)


def test_while_down(t):
    """T21 T22: what happened while rosterd was down, from the stored cookie or by a whole read."""
    estate.while_down(t, t.server(Slapd, sesslog=1000), "syncrepl", lambda log: "full read" not in log)
    estate.while_down(t, t.shared(Slapd), "poll")


def test_killed_and_back(t):
    """The server dies and comes back."""
    for feed in ("syncrepl", "poll"):
        estate.killed_and_back(t, t.server(Slapd), feed)


def test_ou_renamed(t):
    """T31: an OU is renamed with everybody in it."""
    for feed in ("syncrepl", "poll"):
        estate.ou_renamed(t, t.shared(Slapd), feed)


def test_out_and_back(t):
    """T27: out of scope, out of the base, and back."""
    for feed in ("syncrepl", "poll"):
        estate.out_and_back(t, t.shared(Slapd), feed)


def test_left_the_filter(t):
    """T27: out of [directory] filter while nobody listened."""
    for feed in ("syncrepl", "poll"):
        estate.left_the_filter(t, t.shared(Slapd), feed, "(&(objectClass=inetOrgPerson)(employeeType=agent))")


def test_tls_failures(t):
    """An unknown authority, another name, no TLS."""
    estate.tls_failures(t, t.shared(Slapd), "syncrepl")


def test_bind_failures(t):
    """T7: the password is wrong, and then right again."""
    estate.bind_failures(t, t.shared(Slapd), "syncrepl")


@deadline(120)
def test_failover(t):
    """T4: the first of two servers is lost in the middle of a read."""
    estate.failover(t, t.shared(Slapd), twin(t), ("syncrepl", "poll"))


@deadline(120)
def test_big_group(t):
    """A group of 5,000 members."""
    estate.big_group(t, t.server(Slapd, entries=5000), "syncrepl")
