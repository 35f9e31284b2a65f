"""Servers that DNS names (SRV), asked of a name server of our own in a mount namespace of its own."""

import os
import socket
import struct
import subprocess
import threading
import time

from lib import Missing, ScriptedServer, base, need, wait_for
from lib.feed import Feed


def encode(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"


class NameServer:
    """Answers SRV and A from a table; everything else is NXDOMAIN."""

    def __init__(self, t, records):
        self.records, self.asked = records, []
        self.address = base.free_address()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.socket.bind((self.address, 53))
        except PermissionError as problem:
            raise Missing("a name server needs root") from problem
        t.cleanup(self.socket.close)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                query, peer = self.socket.recvfrom(512)
            except OSError:
                return
            position, parts = 12, []
            while query[position]:
                parts.append(query[position + 1:position + 1 + query[position]].decode().lower())
                position += 1 + query[position]
            name, kind = ".".join(parts), struct.unpack(">H", query[position + 1:position + 3])[0]
            self.asked.append((name, kind))
            found = self.records.get((name, kind), [])
            known = any(key[0] == name for key in self.records)
            body = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(data)) + data for data in found)
            self.socket.sendto(query[:2] + struct.pack(">HHHHH", 0x8180 if known else 0x8183, 1, len(found), 0, 0)
                               + query[12:position + 5] + body, peer)


def srv(priority, port, target):
    return struct.pack(">HHH", priority, 10, port) + encode(target)


class SilentNameServer(NameServer):
    """Hears every question and answers none."""

    def serve(self):
        while True:
            try:
                self.asked.append(self.socket.recvfrom(512)[0])
            except OSError:
                return


def wrap(t, name_server, options="timeout:1 attempts:1"):
    if os.geteuid() != 0:
        raise Missing("mounting a resolv.conf needs root")
    path = t.write("resolv.conf", "nameserver %s\noptions %s\n" % (name_server.address, options))
    script = 'mount --bind "$0" "$(readlink -f /etc/resolv.conf)" && exec "$@"'
    probe = subprocess.run(["unshare", "--mount", "sh", "-c", script, path, "true"], capture_output=True)
    if probe.returncode != 0:
        raise Missing("no mount namespace: %s" % probe.stderr)
    return ["unshare", "--mount", "sh", "-c", script, path]


def test_order_and_failover(t):
    """Two servers by priority; the first is away, so the second serves; also by the DN of a domain."""
    server = t.server(ScriptedServer)
    server.people(3)
    away = base.free_port()
    names = NameServer(t, {("_ldap._tcp.lab.test", 33): [srv(20, server.port, "dc2.lab.test"), srv(10, away, "dc1.lab.test")],
                           ("dc1.lab.test", 1): [bytes([127, 0, 0, 1])], ("dc2.lab.test", 1): [bytes([127, 0, 0, 1])]})
    for uri in ("srv:lab.test", "ldap:///dc=lab,dc=test"):
        feed = Feed(t, server, tls="no", uri=uri, wrap=wrap(t, names))
        status = feed.wait_following()
        need(status["uri"] == "ldap://dc2.lab.test:%d" % server.port, "the second", status)
        need(any("dc1.lab.test" in e.get("error", "") for e in feed.events), "after the first", feed.events)
        feed.stop()


def follow(feed, left, uri):
    """The connection to the server that is to be left is cut, again and again, until the other one is followed."""
    def there():
        left.cut_all()
        return feed.wait_following()["uri"] == uri
    wait_for(there, 40, "the next connection goes to %s" % uri, lambda: feed.events[-8:])


def test_records_that_change(t):
    """The server of the connection still serves, but DNS names another one by now: a new connection goes there, though the old one would
    take it. What is wrong with the old name alone is none of the old server's: it is followed back."""
    old, new = t.server(ScriptedServer), t.server(ScriptedServer)
    service, here = ("_ldap._tcp.lab.test", 33), [bytes([127, 0, 0, 1])]
    for server in (old, new):
        server.people(3)
    names = NameServer(t, {service: [srv(10, old.port, "dc1.lab.test")], ("dc1.lab.test", 1): here, ("dc2.lab.test", 1): here})
    uris = {old: "ldap://dc1.lab.test:%d" % old.port, new: "ldap://dc2.lab.test:%d" % new.port}
    feed = Feed(t, old, tls="no", uri="srv:lab.test", wrap=wrap(t, names))
    need(feed.wait_following()["uri"] == uris[old], "the old one")
    names.records[service] = [srv(10, new.port, "dc2.lab.test")]
    follow(feed, old, uris[new])
    names.records[service] = [srv(10, old.port, "dc1.lab.test"), srv(20, new.port, "dc2.lab.test")]
    follow(feed, new, uris[old])
    feed.stop()


def test_host_that_moves(t):
    """The host of the address has another address by now: where the connection fails the new one is connected to; one that works is kept."""
    old = t.server(ScriptedServer)
    new = t.server(ScriptedServer, host=base.free_address(), port=old.port)
    host = ("dc1.lab.test", 1)
    for server in (old, new):
        server.people(3)
    names = NameServer(t, {host: [bytes(map(int, old.host.split(".")))]})
    feed = Feed(t, old, tls="no", uri="ldap://dc1.lab.test:%d" % old.port, wrap=wrap(t, names))
    feed.wait_following()
    need(old.connections() and not new.connections(), "the old address")
    names.records[host] = [bytes(map(int, new.host.split(".")))]
    old.person("late")
    feed.wait(lambda f: any("late" in dn for dn in f.dns()), "a connection that works is kept")
    old.stop()
    feed.wait_following()
    need(new.connections(), "the new address")
    feed.stop()


def test_no_record(t):
    """DNS names nobody: the sentence says what was asked."""
    server = t.server(ScriptedServer)
    names = NameServer(t, {})
    feed = Feed(t, server, tls="no", uri="srv:lab.test", once=True, wrap=wrap(t, names))
    done = feed.finish()
    need(done["result"] < 0 and "_ldap._tcp.lab.test" in done["error"], "the reason", done)


def test_silent_name_server(t):
    """A name server that never answers costs no more than the time for a connection; then the next server is asked."""
    server = t.server(ScriptedServer)
    server.people(3)
    names = SilentNameServer(t, {})
    for uri in ("srv:lab.test", "ldap://never.lab.test:%d" % server.port):
        begun = time.monotonic()
        feed = Feed(t, server, tls="no", uri=[uri, server.uri], timeout="1s", wrap=wrap(t, names, "timeout:30 attempts:5"))
        status = feed.wait_following()
        need(status["uri"] == server.uri, "the second serves", status)
        need(time.monotonic() - begun < 15, "long before the resolver gives up", time.monotonic() - begun)
        need(names.asked, "the name server was asked")
        feed.stop()
