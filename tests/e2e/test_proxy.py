"""A server in front of others (OpenLDAP's back-meta and back-ldap): one of those behind it that is away is no proof that
its people are gone, however the proxy answers then."""

import os
import shutil
import subprocess

from lib import Slapd, base, deadline, need, wait_for
from lib.rosterd import Lines

QUICK = {"min": "50ms", "max": "200ms", "hold": "1s"}
OPEN = {"max_disable": "unlimited", "max_update": "unlimited"}
HEAD = """include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
modulepath /usr/lib/ldap
moduleload back_meta
moduleload back_ldap
"""
TARGET = """uri "%(uri)s%(path)s"
idassert-bind bindmethod=simple binddn="%(dn)s" credentials=%(password)s mode=none
idassert-authzFrom "dn.regex:.*"
network-timeout 1
"""


def target(server, path=""):
    return TARGET % {"uri": server.uri, "path": path, "dn": server.env["BIND_DN"], "password": server.env["BIND_PW"]}


def database(kind, suffix, *lines):
    return 'database %s\nsuffix "%s"\nrootdn "cn=proxy,%s"\nrootpw secret\n%s\n' % (kind, suffix, suffix, "\n".join(lines))


class Proxy:
    def __init__(self, t, *databases):
        self.port = base.free_port()
        self.uri = "ldap://127.0.0.1:%d" % self.port
        config = t.write("proxy-%d.conf" % self.port, HEAD + "\n".join(databases))
        program = shutil.which("slapd", path=os.environ["PATH"] + ":/usr/sbin")
        self.process = subprocess.Popen([program, "-d", "0", "-f", config, "-h", self.uri], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        base.register(self.process.pid)
        t.cleanup(self.stop)
        wait_for(lambda: self.find("", "base")[0] == 0, 10, "the proxy answers")

    def find(self, dn, scope, filter="(objectClass=*)"):
        done = subprocess.run(["ldapsearch", "-x", "-H", self.uri, "-b", dn, "-s", scope, "-LLL", filter, "1.1"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, universal_newlines=True, timeout=20)
        return done.returncode, done.stdout.count("dn: ")

    def stop(self):
        self.process.terminate()
        self.process.wait()


def disables(daemon):
    return sorted(row["person"]["login"] for row in daemon.audit(event="intent", operation="disable"))


def play(t, proxy, bases, here, away, flows):
    """here and away: grounds of the two servers. The second one goes away and comes back. flows: what the other one
    has is still shown."""
    tenant = t.simulator()
    daemon = t.rosterd(here.server, tenant, None, tls="no", name="p%d-%d" % (proxy.port, len(bases)), retry=QUICK, guard=OPEN,
                       lifecycle={"leave_grace": "0"}, rules={"All": {"when": "(employeeType=agent)", "team": "Sales"}},
                       directory_keys={"uri": proxy.uri, "base": Lines(bases), "poll_interval": "1s",
                                       "full_interval": "0", "search_timeout": "5s", "paging": "no"})
    daemon.start()
    daemon.wait_status("following")
    tenant.wait_users(["ann", "bob", "cid", "dan"])
    away.server.stop()
    try:
        for name in ("One", "Two"):
            here.replace("ann", sn=name)
            daemon.ctl("sync")
            daemon.restart()
            if flows:
                tenant.wait_user("ann", lastName=name)
            daemon.wait_log("nobody is taken for gone|cannot|unavailable")
        need(disables(daemon) == [], "nobody is gone", disables(daemon))
    finally:
        away.server.start()
    here.remove("bob")
    away.remove("dan")
    for login in ("bob", "dan"):
        tenant.wait_user(login, disabled=True)
    away.replace("cid", sn="Back")
    tenant.wait_user("cid", lastName="Back")
    need(disables(daemon) == ["bob", "dan"], "who left", disables(daemon))
    daemon.stop()


class Layout:
    """One server with dc=corp, another with a part below it."""

    def __init__(self, t):
        self.upper = t.server(Slapd, base="dc=corp", memberof=0)
        self.lower = t.server(Slapd, base="dc=b,dc=corp", memberof=0)

    def people(self):
        here, away = self.upper.fresh(), self.lower.fresh()
        here.persons({uid: {"employeeType": "agent"} for uid in ("ann", "bob")})
        away.persons({uid: {"employeeType": "agent"} for uid in ("cid", "dan")})
        return here, away

    def clear(self, *grounds):
        for ground in grounds:
            ground.server.tool("ldapdelete", "-r", ground.dn)


@deadline(300)
def test_targets_away(t):
    """One base over both servers, and a base for each: back-meta that stops, reports or goes on without a server that is
    away, and back-ldap and back-meta, glued. Where one back-meta that goes on without has one base over both, it says
    that those of the other are not there, and nothing tells: then each server needs a base of its own."""
    servers = Layout(t)
    for onerr in ("continue", "report", "stop"):
        proxy = Proxy(t, database("meta", "dc=corp", "onerr " + onerr, target(servers.upper, "/dc=corp"),
                                  target(servers.lower, "/dc=b,dc=corp")))
        for several in (False, True):
            if several or onerr != "continue":
                once(t, servers, proxy, several, onerr != "stop")
        proxy.stop()
    for below in (database("ldap", "dc=b,dc=corp", "subordinate", target(servers.lower)),
                  database("meta", "dc=b,dc=corp", "subordinate", "onerr continue", target(servers.lower, "/dc=b,dc=corp"))):
        proxy = Proxy(t, below, database("ldap", "dc=corp", target(servers.upper)))
        for several in (False, True):
            once(t, servers, proxy, several)
        proxy.stop()


def once(t, servers, proxy, several, flows=True):
    here, away = servers.people()
    play(t, proxy, [here.dn, away.dn] if several else ["dc=corp"], here, away, flows)
    servers.clear(here, away)
