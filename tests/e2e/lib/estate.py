"""The same story on every server: what a directory that an enterprise runs does to its people,
and what the tenant must hold afterwards.

test_slapd.py, test_389ds.py and test_samba.py call these with their server and feed.
"""

import datetime
import selectors
import socket
import threading
import time

from . import base, life
from .base import need, wait_for

TEAM = "Customer Service"

# Deletions that a poll can't see come with the next whole read, so that is frequent here.
FEEDS = {
    "syncrepl": {"feed": "syncrepl"},
    "dirsync": {"feed": "dirsync", "poll_interval": "1s"},
    "poll": {"feed": "poll", "poll_interval": "1s", "full_interval": "1s"},
}


class Company:
    """People in a group of a ground of their own, a tenant, and a daemon between them.  Logins
    are unique in the whole server, as Active Directory asks for."""

    def __init__(self, t, server, people=("ada", "bob", "eve"), feed="syncrepl", rules=None, directory_keys=None,
                 **sections):
        self.t, self.server, self.feed = t, server, feed
        self.ground = server.fresh()
        self.people = list(people)
        self.ground.persons({self.login(uid): dict(people[uid]) if isinstance(people, dict) else {}
                             for uid in people})
        self.crowd = self.group("crowd", self.people)
        self.tenant = t.simulator()
        self.rules = dict(rules or {}, Crowd={"group": self.crowd, "team": TEAM, "roles": "Agent"})
        keys = dict(FEEDS[feed], keepalive="10s", return_interval="1s")
        keys.update(directory_keys or {})
        merged = {"lifecycle": {"leave_grace": "0"}, "guard": {"max_disable": "unlimited"},
                  "retry": {"min": "100ms", "max": "500ms", "hold": "1s"}, "notify": {"alarm_after": "0"}}
        merged.update(sections)
        self.daemon = t.rosterd(server, self.tenant, self.ground, rules=self.rules, directory_keys=keys, **merged)

    def login(self, uid):
        return uid + "-" + self.ground.tag

    def logins(self, uids):
        return sorted(self.login(uid) for uid in uids)

    def dn(self, uid):
        return self.ground.person_dn(self.login(uid))

    def group(self, name, uids=(), groups=()):
        """A group that may be left by all: groupOfNames must not be empty."""
        empty = [] if self.server.kind == "samba" else ["cn=nobody," + self.server.base]
        return self.ground.group(name + "-" + self.ground.tag, empty + [self.dn(uid) for uid in uids] + list(groups))

    def hire(self, uid, group=None, **attributes):
        self.ground.person(self.login(uid), **attributes)
        self.ground.join(group or self.crowd, self.dn(uid))

    def join(self, uid, group=None):
        self.ground.join(group or self.crowd, self.dn(uid))

    def leave(self, uid, group=None):
        self.ground.leave(group or self.crowd, self.dn(uid))

    def replace(self, uid, **attributes):
        self.server.replace(self.dn(uid), **attributes)

    def remove(self, uid):
        self.server.delete(self.dn(uid))

    def wait(self, uid, seconds=20, **fields):
        return self.tenant.wait_user(self.login(uid), seconds=seconds, **fields)

    def start(self, wait=True):
        """Starts the daemon and waits until everybody of the first day is a user."""
        self.daemon.start()
        if wait:
            self.tenant.wait_users(self.logins(self.people))
            self.following()
            life.settled(self.daemon)
        return self

    def on(self, server):
        """The next changes are made on that server, which holds a copy of the same data."""
        self.ground.server = self.server = server
        return self

    def following(self, seconds=30):
        self.daemon.wait_status("directory following", seconds)

    def last_log(self):
        """What the daemon has said since its last start."""
        return self.daemon.log().split("--- start")[-1]

    def disabled(self):
        return sorted(login for login, user in self.tenant.users().items() if user["disabled"])

    def nobody_left(self):
        need(self.disabled() == [], "nobody is disabled", self.disabled())

    def settled(self):
        life.settled(self.daemon)

    def quiet(self, what):
        """All is done, and it made no write at the tenant since .forget_requests()."""
        life.settled(self.daemon)
        need(self.tenant.writes() == [], what, self.tenant.writes())

    def mirror(self, pattern):
        return sorted(row[0] for row in self.daemon.state_query("SELECT dn FROM entries WHERE dn LIKE ?", pattern))


# --- a working day ---

def day(t, server, feed):
    """First load, a hire, changes, a rename, group changes, a leaver, a deletion, a return."""
    c = Company(t, server, feed=feed).start()
    need(c.tenant.counters()["creates"] == 3, "each once", c.tenant.counters())
    c.hire("zoe")
    c.wait("zoe", team=TEAM)
    c.replace("ada", sn="Lovelace")
    c.wait("ada", lastName="Lovelace")
    c.leave("bob")
    c.wait("bob", disabled=True)
    c.join("bob")
    c.wait("bob", disabled=False)
    c.remove("eve")
    c.wait("eve", disabled=True)
    c.settled()
    c.tenant.forget_requests()
    old = c.dn("ada")
    c.server.rename(old, "%s=%s" % (server.person_rdn, "augusta-" + c.ground.tag))
    if server.person_rdn != "uid":  # there the login is no part of the name
        wait_for(lambda: c.mirror("%augusta-" + c.ground.tag + "%"), 20, "the new name in the mirror")
        c.quiet("a new name is no change")
    else:
        wait_for(lambda: "augusta-" + c.ground.tag in c.tenant.users(), 20, "the login is renamed",
                 lambda: (c.tenant.users(), life.operations(c.daemon)))
        need(c.login("ada") not in c.tenant.users(), "and not doubled", c.tenant.users())
    c.settled()
    need(c.tenant.counters()["creates"] == 4, "nobody was made twice", c.tenant.counters())
    return c


def nested(t, server, feed):
    """Groups in groups, with a cycle; a member far below comes and goes."""
    c = Company(t, server, feed=feed)
    inner = c.group("inner", [])
    middle = c.group("middle", [], [inner])
    c.ground.join(c.crowd, middle)
    c.ground.join(inner, c.crowd)
    c.start()
    c.hire("zoe", inner)
    c.wait("zoe", team=TEAM)
    c.leave("zoe", inner)
    c.wait("zoe", disabled=True)
    c.join("zoe", middle)
    c.wait("zoe", disabled=False)
    c.ground.leave(c.crowd, middle)
    c.wait("zoe", disabled=True)
    c.settled()
    need(c.disabled() == c.logins(["zoe"]), "nobody else", c.disabled())
    return c


# --- away ---

def revoked(t, server, feed, seconds, n=6, newcomers=80):
    """T64: revocations behind queued creates at 2 requests a second, of people who are logged in and have a day of grace:
    each is the next request, `seconds` at most after the directory said so; also of who leaves the rules with it and of
    who is renamed in the same change."""
    uids = ["r%d" % i for i in range(n)]
    c = Company(t, server, uids + ["ada"], feed=feed, lifecycle={"leave_grace": "1d", "revoke_when": "(title=Revoked)"}).start()
    for uid in uids:
        c.tenant.edit(c.login(uid), loginInfo={"isLoggedIn": True})
    c.daemon.configure(tenant={"max_rate": "2", "max_concurrent": "2"})
    c.daemon.reload()
    more = ["n%02d" % i for i in range(newcomers)]
    c.ground.persons([c.login(uid) for uid in more])
    c.ground.join(c.crowd, *(c.dn(uid) for uid in more))
    wait_for(lambda: len(life.operations(c.daemon, kind="create")) > newcomers // 2, 30, "the creates are queued")
    c.tenant.forget_requests()
    took = {}
    for i, uid in enumerate(uids):
        if i % 3 == 1:
            c.leave(uid)
        c.replace(uid, title="Revoked", **({"sn": "Other"} if i % 3 == 2 else {}))
        committed = time.time()
        row = wait_for(lambda: next((row for row in c.tenant.writes() if row["login"] == c.login(uid)), None), 20,
                       "%s is disabled" % uid, lambda: life.operations(c.daemon)[:3])
        answered = datetime.datetime.fromisoformat(row["time"].replace("Z", "+00:00")).timestamp()
        took[uid] = answered - row["milliseconds"] / 1000 - committed
        c.wait(uid, disabled=True)
    need(life.operations(c.daemon, kind="create"), "the creates are still queued")
    need(max(took.values()) < seconds, "in time", took)
    need(c.disabled() == c.logins(uids), "nobody else", c.disabled())
    c.replace(uids[0], title="Back")
    c.wait(uids[0], seconds=60, disabled=False)


def while_down(t, server, feed, says=None):
    """Everything that can happen while the daemon is down, and nothing, and kill -9."""
    c = Company(t, server, ["ada", "bob", "eve", "gus", "ivy"], feed=feed).start()
    c.daemon.stop()
    c.remove("bob")
    c.hire("zoe")
    c.replace("ada", sn="Lovelace")
    c.leave("gus")
    c.tenant.forget_requests()
    c.daemon.start()
    c.wait("zoe", team=TEAM)
    c.wait("ada", lastName="Lovelace")
    c.wait("bob", disabled=True)
    c.wait("gus", disabled=True)
    c.following()
    c.settled()
    need(c.disabled() == c.logins(["bob", "gus"]), "only who left", c.disabled())
    need(len(c.tenant.writes()) == 4, "four writes", c.tenant.writes())
    if says:
        need(says(c.last_log()), "how it went on", c.last_log())
    for ending in (c.daemon.stop, c.daemon.kill):
        c.tenant.forget_requests()
        ending()
        c.daemon.start()
        c.following()
        c.quiet("nothing happened, so nothing is done")
    return c


def killed_and_back(t, server, feed):
    """The server is killed and comes back: nobody leaves meanwhile, and a hire arrives after."""
    c = Company(t, server, feed=feed).start()
    server.kill()
    c.daemon.wait_status("directory (away|connecting)")
    c.daemon.wait_log("cannot be followed")
    c.nobody_left()
    with t.off_the_clock():
        server.start()
    c.hire("zoe")
    c.wait("zoe", team=TEAM)
    c.following()
    c.remove("eve")
    c.wait("eve", disabled=True)
    c.settled()
    need(c.disabled() == c.logins(["eve"]), "nobody else", c.disabled())
    return c


# --- where people are ---

def ou_renamed(t, server, feed):
    """An OU is renamed with everybody in it: no operation, and life goes on under the new name."""
    c = Company(t, server, feed=feed).start()
    c.tenant.forget_requests()
    c.server.rename(c.ground.people, "OU=humans")
    wait_for(lambda: len(c.mirror("%,ou=humans,%")) == 3, 20, "the mirror follows",
             lambda: c.mirror("%" + c.ground.tag + "%"))
    c.quiet("nobody changed")
    c.ground.people = "OU=humans," + c.ground.dn
    c.hire("zoe")
    c.wait("zoe", team=TEAM)
    c.leave("ada")
    c.wait("ada", disabled=True)
    c.settled()
    need(len(c.tenant.writes()) == 2, "nothing else", c.tenant.writes())
    c.tenant.forget_requests()
    c.daemon.restart()
    c.following()
    c.quiet("nor after a restart")
    return c


def out_and_back(t, server, feed):
    """Out of scope by an attribute, out of the base by a move, and back both times."""
    c = Company(t, server, feed=feed, scope={"when": "(!(employeeType=Service))"})
    elsewhere = server.fresh()
    c.start()
    c.replace("ada", employeeType="Service")
    c.wait("ada", disabled=True)
    c.replace("ada", employeeType=None)
    c.wait("ada", disabled=False)
    rdn = c.dn("bob").split(",")[0]
    c.server.rename(c.dn("bob"), rdn, elsewhere.people)
    c.wait("bob", disabled=True)
    c.settled()
    c.server.rename("%s,%s" % (rdn, elsewhere.people), rdn, c.ground.people)
    c.wait("bob", disabled=False)
    c.settled()
    c.nobody_left()
    need(c.tenant.counters()["creates"] == 3, "the same users", c.tenant.counters())
    # The same while nobody listens.
    c.daemon.stop()
    c.replace("ada", employeeType="Service")
    c.server.rename(c.dn("bob"), rdn, elsewhere.people)
    c.daemon.start()
    c.wait("ada", disabled=True)
    c.wait("bob", disabled=True)
    c.settled()
    need(c.disabled() == c.logins(["ada", "bob"]), "nobody else", c.disabled())
    return c


def left_the_filter(t, server, feed, filter):
    """[directory] filter names an attribute that changes: who leaves it while nobody listens is
    found by a whole read."""
    c = Company(t, server, {uid: {"employeeType": "agent"} for uid in ("ada", "bob", "eve")}, feed=feed,
                directory_keys={"filter": filter})
    c.start()
    c.replace("ada", employeeType="other")
    c.wait("ada", disabled=True)
    c.daemon.stop()
    c.replace("bob", employeeType="other")
    c.daemon.start()
    c.following()
    c.daemon.ctl("sync")
    c.wait("bob", disabled=True)
    c.settled()
    need(c.disabled() == c.logins(["ada", "bob"]), "nobody else", c.disabled())
    return c


# --- big ---

def big_group(t, server, feed, n=5000, seconds=60):
    """A group of n people, the server's own (entries=n, users=n): all are users; one goes and one comes,
    each with one write, and a restart makes none."""
    people = ["u%06d" % i for i in range(1, n + 1)]
    dn = ("CN=%s,OU=people," if server.kind == "samba" else "uid=%s,ou=people,") + server.base
    c = Company(t, server, ["ada"], feed=feed, tenant_keys={"max_rate": "0", "max_concurrent": "64"},
                directory_keys={"base": server.base},
                user={"disabled_when": None})  # those that start-samba-ad makes are
    with t.off_the_clock():
        c.ground.join(c.crowd, *[dn % uid for uid in people])
    c.daemon.start()
    wait_for(lambda: c.tenant.counters()["creates"] > n, seconds, "everybody",
             lambda: (c.tenant.counters(), c.daemon.log_tail()))
    c.following()
    c.settled()
    need(sorted(c.tenant.users()) == sorted(people + c.logins(["ada"])), "all members", len(c.tenant.users()))
    need(c.tenant.counters()["creates"] == n + 1, "each once", c.tenant.counters())
    c.tenant.forget_requests()
    c.hire("zoe")
    c.wait("zoe", team=TEAM)
    c.ground.leave(c.crowd, dn % "u000007")
    c.tenant.wait_user("u000007", seconds=20, disabled=True)
    c.settled()
    need(len(c.tenant.writes()) == 2, "one write each", c.tenant.writes()[:5])
    c.tenant.forget_requests()
    c.daemon.restart()
    c.following()
    c.quiet("a restart makes no write")
    return c


# --- connecting ---

def tls_failures(t, server, feed):
    """An unknown authority, a certificate for another name, no TLS where it is asked for: nothing is
    read, nobody changes, and the reason is said."""
    c = Company(t, server, feed=feed).start()
    c.daemon.stop()
    c.remove("eve")
    c.tenant.forget_requests()
    good = dict(c.daemon.sections["directory"])
    host, port = host_port(server.ldaps_uri)
    # Samba's certificate does not name 127.0.0.1; of the others, "localhost" is not what libldap takes it for.
    other = Cut(t, host, port, 0, "127.0.0.1").uri() if server.kind == "samba" else "ldaps://localhost:%d" % port
    faults = {
        "unknown authority": {"tls_ca_file": c.t.write("other-ca.pem", other_authority(t))},
        "another name": {"uri": other},
        "no TLS there": {"uri": server.uri.replace("ldap:", "ldaps:"), "connect_timeout": "1s", "bind_timeout": "1s"},
    }
    words = {"unknown authority": "TLS certificate is not trusted", "another name": "TLS certificate",
             "no TLS there": "no TLS connection"}
    if server.kind == "samba":
        del faults["no TLS there"]  # its ports are fixed
    for what, change in faults.items():
        c.daemon.configure(directory=dict(good, **change))
        done = c.daemon.once(code=None)
        need(done.code != 0, what + ": it fails", done)
        need(words[what] in done.err, what + ": and says why", done.err)
        c.nobody_left()
    need(c.tenant.writes() == [], "nothing was written", c.tenant.writes())
    c.daemon.configure(directory=dict(good, uri=server.uri, tls="starttls", connect_timeout=None, bind_timeout=None))
    c.daemon.start()
    c.wait("eve", disabled=True)
    c.settled()
    return c


def other_authority(t):
    """A certificate of an authority that signed nothing here."""
    base.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=another", "-days", "2",
              "-keyout", t.path("other.key"), "-out", t.path("other.pem")])
    with open(t.path("other.pem"), encoding="ascii") as text:
        return text.read()


def bind_failures(t, server, feed):
    """The password is wrong: one alarm and few attempts, nobody changes; with the right one in the file
    it goes on by itself."""
    c = Company(t, server, feed=feed).start()
    c.daemon.stop()
    file = c.daemon.path("directory.bind_password")
    base.write_file(file, "wrong\n", 0o600)
    c.remove("eve")
    c.tenant.forget_requests()
    c.daemon.start()
    c.daemon.wait_status("directory refused")
    c.daemon.wait_log("(?i)invalid credentials|the name or the password is wrong")
    c.nobody_left()
    need(c.tenant.writes() == [], "nothing was written", c.tenant.writes())
    base.write_file(file, server.reader_password + "\n", 0o600)
    c.daemon.ctl("sync")
    c.wait("eve", disabled=True)
    c.following()
    c.settled()
    need(c.disabled() == c.logins(["eve"]), "nobody else", c.disabled())
    return c


class Cut:
    """A proxy before a server: it lets so many bytes of the server's answers pass, then drops the
    connection and takes no other until .open() is called."""

    def __init__(self, t, host, port, after, listen=None):
        self.host, self.port, self.after = host, port, after
        self.listen = listen or host  # the server's certificate names its address
        self.cut = threading.Event()
        self.ending = threading.Event()
        self.own = base.free_port(self.listen)
        self.listener = None
        self.passed = 0
        self.open()
        t.cleanup(self.close)

    def uri(self, scheme="ldaps"):
        return "%s://%s:%d" % (scheme, self.listen, self.own)

    def open(self, after=None):
        """Listens (again); after: another limit, None: as before, 0: none."""
        if after is not None:
            self.after = after
        self.cut.clear()
        self.passed = 0
        self.listener = socket.create_server((self.listen, self.own))
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def close(self):
        self.ending.set()
        self._shut()

    def _shut(self):
        # A thread in accept() keeps a closed socket listening; shutdown() ends that.
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass, args=(client,), daemon=True).start()

    def _pass(self, client):
        try:
            server = socket.create_connection((self.host, self.port), 10)
        except OSError:
            client.close()
            return
        with client, server, selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            while not self.ending.is_set() and not self.cut.is_set():
                for key, _ in selector.select(0.1):
                    if not self._move(key.fileobj, key.data, key.fileobj is server):
                        return

    def _move(self, source, target, answers):
        try:
            data = source.recv(4096)
            if not data:
                return False
            target.sendall(data)
        except OSError:
            return False
        if answers:
            self.passed += len(data)
            if self.after and self.passed >= self.after:
                self.cut.set()
                self._shut()
                return False
        return True


def failover(t, server, twin, feeds, after=200000, n=400):
    """Two servers of the same data; the first is lost in the middle of a read.  The other serves,
    nobody leaves; when the first is back, it is taken again.

    twin: a function that gives a server which holds a copy of the first one's data."""
    people = ["p%03d" % i for i in range(n)]
    companies = [Company(t, server, people, feed=feed, tenant_keys={"max_rate": "0"}, directory_keys={"page_size": "50"})
                 for feed in feeds]
    with t.off_the_clock():
        second = twin(server)
    authorities = []
    for each in (server, second):
        with open(each.ca_file, encoding="ascii") as text:
            authorities.append(text.read())
    ca_file = t.write("both-ca.pem", "".join(authorities))
    for c in companies:
        c.daemon.configure(directory={"tls_ca_file": ca_file})
        _failover(c, Cut(t, *host_port(server.ldaps_uri), after), second, n)


def _failover(c, proxy, second, n):
    server = c.server
    c.daemon.configure(directory={"uri": [proxy.uri(), second.ldaps_uri]})
    c.daemon.start()
    wait_for(proxy.cut.is_set, 20, "the first server was lost in the read", lambda: proxy.passed)
    wait_for(lambda: len(c.tenant.users()) == n, 40, "everybody, from the other", lambda: len(c.tenant.users()))
    c.following()
    c.settled()
    c.nobody_left()
    need(c.tenant.counters()["creates"] == n, "each once", c.tenant.counters())
    need(second.ldaps_uri in c.daemon.ctl("status", "--json").out, "the other serves", c.daemon.ctl("status"))
    for copy in (server, second):
        c.on(copy).replace("p001", sn="Lovelace")
    c.wait("p001", lastName="Lovelace")
    c.settled()
    c.tenant.forget_requests()
    proxy.open(0)
    wait_for(lambda: proxy.uri() in c.daemon.ctl("status", "--json").out, 20, "the preferred is taken again",
             lambda: c.daemon.log_tail())
    c.following()
    c.nobody_left()
    need(c.tenant.writes() == [], "which is no reason to write", c.tenant.writes())
    for copy in (server, second):
        c.on(copy).remove("p007")
    c.on(server).wait("p007", disabled=True)
    c.settled()
    need(c.disabled() == c.logins(["p007"]), "nobody else", c.disabled())
    c.daemon.stop()


def host_port(uri):
    host, _, port = uri.split("//")[1].rstrip("/").partition(":")
    return host, int(port or 636)
